/* verdict.c - see verdict.h. */
#include "proto/verdict.h"

#include <stdlib.h>

#include "crypto/root.h"
#include "proto/replica.h"

enum { AGAIN_MS = 100 /* After a full table. */ };

/* ---- one record -----------------------------------------------------------
 */

enum wr_weight wr_verdict_weigh(const struct wr_core *c, struct wr_span record)
{
    return wr_proof_weigh(record, wr_core_wall_s(c), c->cfg->slack_s);
}

bool wr_verdict_forgets(const struct wr_core *c, struct wr_span record)
{
    const uint64_t now_s = wr_core_wall_s(c);
    struct wr_root r;

    return wr_root_read(record, &r) == WR_OK && r.expiry > 0 &&
           r.expiry < now_s && now_s - r.expiry > c->cfg->forget_s;
}

/* ---- what was learned -----------------------------------------------------
 */

enum wr_err wr_verdicts_init(struct wr_verdicts *v,
                             const struct wr_node_cfg *cfg)
{
    *v = (struct wr_verdicts){.cap = cfg->verdicts_max};
    WR_CHECK(v->cap > 0 && (v->cap & (v->cap - 1)) == 0);
    v->v = calloc(v->cap, sizeof(*v->v));
    return v->v == NULL ? WR_ENOMEM : WR_OK;
}

void wr_verdicts_done(struct wr_verdicts *v)
{
    free(v->v);
    *v = (struct wr_verdicts){0};
}

size_t wr_verdicts_size(const struct wr_verdicts *v)
{
    return v->cap * sizeof(*v->v);
}

static bool same(const struct wr_put_id *a, const struct wr_put_id *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* A put id is 16 bytes of a hash: any of them will do for a place. */
static struct wr_verdict_entry *place(const struct wr_verdicts *v,
                                      const struct wr_put_id *put, unsigned k)
{
    const uint8_t *b = put->b + 4 * k;
    const uint32_t at = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];

    return &v->v[at & (v->cap - 1)];
}

static bool is_fresh(const struct wr_core *c, const struct wr_verdict_entry *e)
{
    const wr_time fresh =
        wr_time_min(WR_VERDICT_FRESH_US, c->cfg->sweep_us / 2);

    return e->verdict == WR_VERDICT_GONE || c->now - e->at < fresh;
}

/* The older of its two places; what is final is kept before what is not. */
static void learn(struct wr_verdicts *v, const struct wr_core *c,
                  const struct wr_put_id *put, enum wr_verdict verdict)
{
    struct wr_verdict_entry *a = place(v, put, 0), *b = place(v, put, 1);
    const bool a_final = a->verdict == WR_VERDICT_GONE;
    const bool b_final = b->verdict == WR_VERDICT_GONE;
    struct wr_verdict_entry *e = a->at <= b->at ? a : b;

    if (same(&a->put, put) || (!a_final && b_final))
        e = a;
    else if (same(&b->put, put) || (!b_final && a_final))
        e = b;
    *e = (struct wr_verdict_entry){
        .put = *put, .verdict = (uint8_t)verdict, .at = c->now};
}

static enum wr_verdict known(const struct wr_verdicts *v,
                             const struct wr_core *c,
                             const struct wr_put_id *put)
{
    for (unsigned k = 0; k < 2; k++) {
        const struct wr_verdict_entry *e = place(v, put, k);

        if (e->verdict != WR_VERDICT_PENDING && same(&e->put, put) &&
            is_fresh(c, e))
            return (enum wr_verdict)e->verdict;
    }
    return WR_VERDICT_PENDING;
}

/* ---- asking ---------------------------------------------------------------
 */

static enum wr_verdict judge(const struct wr_core *c, const struct wr_proof *p)
{
    enum wr_weight weight;

    if (p->record.n == 0)
        return WR_VERDICT_UNKNOWN;
    weight = wr_verdict_weigh(c, p->record);
    if (weight == WR_WEIGHT_LIVE)
        return WR_VERDICT_LIVE;
    return wr_proof_is_over(p, weight) ? WR_VERDICT_GONE : WR_VERDICT_UNKNOWN;
}

static void proven(struct wr_core *c, uint32_t slot, const struct wr_proof *p)
{
    struct wr_verdicts *v = c->verdicts;
    struct wr_verdict_question *q = &v->open[slot];
    const enum wr_verdict verdict = judge(c, p);

    WR_CHECK(slot < WR_VERDICTS_OPEN && q->open);
    q->open = false;
    v->gone += verdict == WR_VERDICT_GONE;
    v->unknown += verdict == WR_VERDICT_UNKNOWN;
    learn(v, c, &q->put, verdict);
}

static void ask(struct wr_verdicts *v, struct wr_core *c,
                const struct wr_put_id *put)
{
    struct wr_verdict_question *free_one = NULL;
    struct wr_id position;

    if (c->now < v->next_at)
        return;
    for (uint32_t i = 0; i < WR_VERDICTS_OPEN; i++) {
        if (v->open[i].open && same(&v->open[i].put, put))
            return;
        if (!v->open[i].open)
            free_one = &v->open[i];
    }
    if (free_one == NULL)
        return;
    wr_root_position(put->b, position.b);
    *free_one = (struct wr_verdict_question){.open = true, .put = *put};
    v->next_at = c->now + WR_MS(WR_VERDICTS_PAUSE_MS);
    if (wr_replica_prove(c->replica, c, &position,
                         (uint32_t)(free_one - v->open), proven)) {
        v->asked++;
    } else {
        free_one->open = false;
        v->next_at = c->now + WR_MS(AGAIN_MS);
    }
}

enum wr_verdict wr_verdict_of(struct wr_core *c, const struct wr_put_id *put)
{
    struct wr_verdicts *v = c->verdicts;
    enum wr_verdict verdict;

    if (v == NULL)
        return WR_VERDICT_UNKNOWN;
    verdict = known(v, c, put);
    if (verdict != WR_VERDICT_PENDING)
        return verdict;
    ask(v, c, put);
    return known(v, c, put); /* Our own store alone may have been asked. */
}
