/*
 * proof_rash.c - a rule that believes too early, in the place of
 * src/proto/proof.c, so that a test can see the checker of sweeps fail: one
 * host's word is enough, and an open record that has expired is final.
 */
#include "proto/proof.h"

#include "crypto/root.h"

enum wr_weight wr_proof_weigh(struct wr_span record, uint64_t now_s,
                              uint32_t slack_s)
{
    struct wr_root r;

    (void)slack_s;
    if (wr_root_read(record, &r) != WR_OK)
        return WR_WEIGHT_LIVE;
    if (r.state != WR_ROOT_GIVEN_UP && (r.expiry == 0 || now_s <= r.expiry))
        return WR_WEIGHT_LIVE;
    return WR_WEIGHT_FINAL;
}

bool wr_proof_suffices(const struct wr_proof *p)
{
    return p->hosts > 0;
}

bool wr_proof_is_over(const struct wr_proof *p, enum wr_weight weight)
{
    return p->hosts > 0 && weight != WR_WEIGHT_LIVE;
}
