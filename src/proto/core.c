/* core.c - see core.h. */
#include "proto/core.h"

wr_time wr_core_interval(struct wr_core *c, wr_time mean)
{
    const uint32_t jitter = c->cfg->jitter_permille;

    if (mean == WR_NEVER || jitter == 0)
        return mean;
    if (c->cfg->upkeep == WR_UPKEEP_EXPONENTIAL)
        return wr_rng_exponential(c->rng, mean) + 1;
    const wr_time spread = mean * jitter / 1000;
    return mean - spread / 2 + wr_rng_below(c->rng, spread + 1);
}

wr_ref wr_core_sender(const struct wr_core *c, wr_host from,
                      const struct wr_msg *m)
{
    if (wr_host_is_leaf(from) || from >= c->book->hosts_n ||
        m->from >= wr_book_host(c->book, from)->members)
        return WR_NO_REF;
    return wr_ref_of(from, m->from);
}

void wr_core_send(struct wr_core *c, wr_ref from, wr_ref to, struct wr_msg *m)
{
    m->from = wr_ref_index(from);
    m->to = wr_ref_index(to);
    wr_outbox_send(c->out, wr_ref_host(to), m);
}

void wr_core_done(struct wr_core *c, wr_token token, enum wr_status status)
{
    struct wr_fx *fx = wr_outbox_push(c->out, WR_FX_DONE);

    if (fx == NULL)
        return;
    fx->done.token = token;
    fx->done.status = (uint8_t)status;
}

struct wr_fx *wr_core_note(struct wr_core *c, enum wr_note note, wr_host host,
                           wr_ref ref)
{
    struct wr_fx *fx = wr_outbox_push(c->out, WR_FX_NOTE);

    if (fx != NULL) {
        fx->note.note = note;
        fx->note.host = host;
        fx->note.ref = ref;
    }
    return fx;
}
