/* reap.c - see reap.h. A pass goes batch by batch; each item of one has its own
 * steps, and at most one operation of the store under way. */
#include "proto/reap.h"

#include "proto/replica_op.h"

enum step {
    STEP_DONE,
    STEP_LOAD,  /* To read who refers to it; or the root record. */
    STEP_JUDGE, /* The put ids at hand, one after another. */
    STEP_DROP,  /* refs[refs_i] is gone. */
    STEP_REAP,  /* Nothing refers to it. */
    STEP_FORGET,
    STEP_WAIT, /* For the store: */
    STEP_LOADING = STEP_WAIT,
    STEP_DROPPING,
    STEP_REAPING,
    STEP_FORGETTING,
};

void wr_reap_init(struct wr_core *c)
{
    /* Not all hosts of a site at once. */
    *c->reap =
        (struct wr_reap){.again = wr_rng_below(c->rng, c->cfg->sweep_us)};
}

/* ---- the store's operations ------------------------------------------------
 */

static struct wr_fx *ask_store(struct wr_core *c, struct wr_reap_item *it,
                               enum wr_fx_kind kind, enum step step)
{
    const uint32_t slot = (uint32_t)(it - c->reap->items);
    struct wr_fx *fx = wr_outbox_push(c->out, kind);

    if (fx == NULL)
        return NULL; /* The next step tries again. */
    it->id = wr_replica_id(c, WR_TABLE_WALK, WR_WALK_REAP + 1 + slot);
    it->step = (uint8_t)step;
    it->asked = c->now;
    fx->store.token = it->id;
    fx->store.digest = it->key;
    return fx;
}

static void load(struct wr_core *c, struct wr_reap_item *it)
{
    struct wr_fx *fx = ask_store(
        c, it, c->reap->roots ? WR_FX_STORE_ROOT_GET : WR_FX_STORE_REFS,
        STEP_LOADING);

    if (fx != NULL)
        fx->store.n = it->kept;
}

static void drop(struct wr_core *c, struct wr_reap_item *it)
{
    struct wr_fx *fx = ask_store(c, it, WR_FX_STORE_DROP, STEP_DROPPING);

    if (fx != NULL)
        fx->store.put = it->refs[it->refs_i];
}

static void reap(struct wr_core *c, struct wr_reap_item *it)
{
    const uint64_t now_s = wr_core_wall_s(c);
    struct wr_fx *fx =
        now_s == 0 ? NULL : ask_store(c, it, WR_FX_STORE_REAP, STEP_REAPING);

    if (fx == NULL)
        return;
    fx->store.now_s = now_s;
    fx->store.grace_s = c->cfg->grace_s;
}

static void forget(struct wr_core *c, struct wr_reap_item *it)
{
    struct wr_fx *fx = ask_store(c, it, WR_FX_STORE_ROOT_DROP, STEP_FORGETTING);

    if (fx != NULL)
        fx->store.version = it->version;
}

/* ---- an item ----------------------------------------------------------------
 */

/* All put ids are looked at, also when one is live: a reference that is left
 * lying would outlive the root record that speaks of it. */
static void judge(struct wr_core *c, struct wr_reap_item *it)
{
    for (; it->refs_i < it->refs_n; it->refs_i++) {
        switch (wr_verdict_of(c, &it->refs[it->refs_i])) {
        case WR_VERDICT_PENDING:
            return;
        case WR_VERDICT_GONE:
            it->step = STEP_DROP;
            return;
        case WR_VERDICT_UNKNOWN:
            c->reap->unsure++;
            break;
        case WR_VERDICT_LIVE:
            break;
        }
        it->kept++;
    }
    if (it->refs_n == WR_REAP_REFS)
        it->step = STEP_LOAD; /* There may be more. */
    else
        it->step = it->kept == 0 ? STEP_REAP : STEP_DONE;
}

/* Until it waits for somebody. */
static void run(struct wr_core *c, struct wr_reap_item *it)
{
    uint8_t before;

    do {
        before = it->step;
        switch ((enum step)it->step) {
        case STEP_LOAD:
            load(c, it);
            break;
        case STEP_JUDGE:
            judge(c, it);
            break;
        case STEP_DROP:
            drop(c, it);
            break;
        case STEP_REAP:
            reap(c, it);
            break;
        case STEP_FORGET:
            forget(c, it);
            break;
        case STEP_DONE:
        case STEP_LOADING:
        case STEP_DROPPING:
        case STEP_REAPING:
        case STEP_FORGETTING:
            return;
        }
    } while (it->step != before);
}

static void loaded_refs(struct wr_reap_item *it, const struct wr_event *ev)
{
    const uint32_t n = ev->stored.refs_n;

    it->refs_n = (uint8_t)(n < WR_REAP_REFS ? n : WR_REAP_REFS);
    it->refs_i = 0;
    if (it->refs_n > 0)
        memcpy(it->refs, ev->stored.refs, it->refs_n * sizeof(it->refs[0]));
    it->step = STEP_JUDGE;
}

static void loaded_root(const struct wr_core *c, struct wr_reap_item *it,
                        const struct wr_event *ev)
{
    it->version = ev->stored.version;
    it->step =
        wr_verdict_forgets(c, ev->stored.record) ? STEP_FORGET : STEP_DONE;
}

static void answered(struct wr_core *c, struct wr_reap_item *it,
                     const struct wr_event *ev)
{
    const enum step step = (enum step)it->step;
    struct wr_counters *count = c->count;

    it->step = STEP_DONE; /* Whatever is wrong: with the next pass. */
    if (ev->stored.status != WR_STATUS_OK)
        return;
    if (step == STEP_LOADING && c->reap->roots) {
        loaded_root(c, it, ev);
    } else if (step == STEP_LOADING) {
        loaded_refs(it, ev);
    } else if (step == STEP_DROPPING) {
        count->refs_dropped_total++;
        it->refs_i++;
        it->step = STEP_JUDGE;
    } else if (step == STEP_REAPING) {
        count->chunks_reaped_total += ev->stored.changed;
    } else if (step == STEP_FORGETTING) {
        count->roots_forgotten_total++;
    }
}

/* ---- a pass
 * ------------------------------------------------------------------ */

static void walk(struct wr_core *c)
{
    struct wr_reap *r = c->reap;
    struct wr_fx *fx = wr_outbox_push(c->out, r->roots ? WR_FX_STORE_ROOT_NEXT
                                                       : WR_FX_STORE_NEXT);

    if (fx == NULL)
        return;
    r->id = wr_replica_id(c, WR_TABLE_WALK, WR_WALK_REAP);
    r->walking = true;
    r->asked = c->now;
    fx->store.token = r->id;
    fx->store.digest = r->cursor;
    fx->store.n = WR_REAP_BATCH;
}

static void end_pass(struct wr_core *c)
{
    struct wr_reap *r = c->reap;

    r->on = r->roots = false;
    r->passes++;
    r->ended = c->now;
    r->last_us = c->now - r->begun;
    r->last_seen = r->seen;
    r->last_unsure = r->unsure;
    r->again = r->begun + wr_core_interval(c, c->cfg->sweep_us);
    r->again = wr_time_max(r->again, c->now + WR_MS(WR_REAP_PAUSE_MS));
}

static void walked(struct wr_core *c, const struct wr_event *ev)
{
    struct wr_reap *r = c->reap;
    const uint32_t n =
        ev->stored.n < WR_REAP_BATCH ? ev->stored.n : WR_REAP_BATCH;

    r->walking = false;
    r->again = c->now + WR_MS(WR_REAP_PAUSE_MS);
    if (ev->stored.status != WR_STATUS_OK) {
        r->again = c->now + WR_SEC(1); /* Asked again. */
        return;
    }
    r->n = n;
    for (uint32_t i = 0; i < n; i++)
        r->items[i] = (struct wr_reap_item){.key = ev->stored.digests[i],
                                            .step = STEP_LOAD};
    if (n > 0) {
        r->cursor = ev->stored.digests[n - 1];
        r->seen += r->roots ? 0 : n;
        r->again = c->now;
    } else if (!r->roots) {
        r->roots = true;
        r->cursor = (struct wr_id){{0}};
    } else {
        end_pass(c);
    }
}

bool wr_reap_stored(struct wr_core *c, const struct wr_event *ev)
{
    const uint64_t id = ev->stored.token;
    const uint32_t slot = wr_replica_slot(id);
    struct wr_reap *r = c->reap;

    if (wr_replica_table(id) != WR_TABLE_WALK || slot < WR_WALK_REAP ||
        slot > WR_WALK_REAP + WR_REAP_BATCH)
        return false;
    if (slot == WR_WALK_REAP) {
        if (r->walking && r->id == id)
            walked(c, ev);
        return true;
    }
    struct wr_reap_item *it = &r->items[slot - WR_WALK_REAP - 1];
    if (it->step >= STEP_WAIT && it->id == id) {
        answered(c, it, ev);
        r->again = c->now;
    }
    return true;
}

/* We may speak for nobody's data while we are not in the ring, and do not
 * disturb a farewell. */
static bool may_sweep(const struct wr_core *c)
{
    const struct wr_replica *r = c->replica;

    return wr_core_wall_s(c) != 0 && r->sight->joined(c) && !r->push.active &&
           r->sight->admitted(c) > 0;
}

static bool batch_open(struct wr_core *c)
{
    struct wr_reap *r = c->reap;
    bool open = false;

    for (uint32_t i = 0; i < r->n; i++) {
        struct wr_reap_item *it = &r->items[i];

        run(c, it);
        if (it->step >= STEP_WAIT && c->now - it->asked > WR_REAP_PATIENCE_US)
            it->step = STEP_DONE;
        open = open || it->step != STEP_DONE;
    }
    return open;
}

void wr_reap_tick(struct wr_core *c)
{
    struct wr_reap *r = c->reap;

    if (c->now < r->again)
        return;
    r->again = c->now + WR_MS(WR_REAP_PAUSE_MS);
    if (r->walking && c->now - r->asked <= WR_REAP_PATIENCE_US)
        return;
    r->walking = false;
    if (!may_sweep(c)) {
        r->again = c->now + WR_SEC(1);
        return;
    }
    if (batch_open(c))
        return;
    if (!r->on) {
        r->on = true;
        r->begun = c->now;
        r->seen = r->unsure = 0;
        r->cursor = (struct wr_id){{0}};
    }
    if (r->n > 0) { /* The batch is done: a breath before the next. */
        r->n = 0;
        return;
    }
    walk(c);
}

wr_time wr_reap_deadline(const struct wr_core *c)
{
    return c->reap->again;
}

uint32_t wr_reap_permille(const struct wr_reap *r)
{
    const uint32_t at = (uint32_t)r->cursor.b[0] << 8 | r->cursor.b[1];

    if (!r->on || r->roots)
        return 1000;
    return at * 1000 / 65536;
}
