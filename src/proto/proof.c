/* proof.c - see proof.h. */
#include "proto/proof.h"

#include "crypto/root.h"

enum wr_weight wr_proof_weigh(struct wr_span record, uint64_t now_s,
                              uint32_t slack_s)
{
    struct wr_root r;

    if (wr_root_read(record, &r) != WR_OK)
        return WR_WEIGHT_LIVE; /* A later wreath's, perhaps. */
    if (r.state == WR_ROOT_GIVEN_UP)
        return WR_WEIGHT_FINAL;
    if (r.expiry == 0 || now_s <= r.expiry || now_s - r.expiry <= slack_s)
        return WR_WEIGHT_LIVE;
    return r.state == WR_ROOT_KEPT ? WR_WEIGHT_FINAL : WR_WEIGHT_STALE;
}

bool wr_proof_suffices(const struct wr_proof *p)
{
    const uint32_t others = p->copies - p->durable + 1;
    const uint32_t two = p->copies < 2 ? p->copies : 2;

    return p->hosts >= (others > two ? others : two);
}

bool wr_proof_is_over(const struct wr_proof *p, enum wr_weight weight)
{
    switch (weight) {
    case WR_WEIGHT_LIVE:
        return false;
    case WR_WEIGHT_FINAL:
        return p->hosts > 0 && (p->all || wr_proof_suffices(p));
    case WR_WEIGHT_STALE:
        return p->hosts > 0 && p->all;
    }
    WR_UNREACHABLE();
}
