/* work.c - see work.h. Here: leaves, and how they find their parents. */
#include <stdlib.h>

#include "work_private.h"
#include "world_private.h"

enum alarm { WAKE, SLEEP, TICK, MOVE, ASK }; /* ASK + what. */

/* Nobody comes in the same microsecond as another: at the start, and when a
 * flash brings many. */
static const wr_time spread_us = WR_SEC(1);

static void at(struct wr_work *k, wr_time when, enum alarm what, uint32_t i)
{
    const uint32_t life = k->leaves[i].life & 0xffffff;

    if (when == WR_NEVER)
        return;
    wr_world_at(k->w, when,
                WR_WORK_COOKIE | (uint64_t)what << 56 | (uint64_t)life << 32 |
                    i);
}

static void later(struct wr_work *k, wr_time mean, enum alarm what, uint32_t i)
{
    if (mean != WR_NEVER)
        at(k, k->w->now + wr_rng_exponential(&k->rng, mean), what, i);
}

void wr_work_sum(struct wr_work *k)
{
    const wr_time passed = k->w->now - k->seen_at;

    k->awake_us += k->awake_n * passed;
    k->attached_us += k->attached_n * passed;
    k->seen_at = k->w->now;
}

/* ---- the session --------------------------------------------------------- */

static void attached(struct wr_work *k, uint32_t i)
{
    struct wr_work_leaf *l = &k->leaves[i];

    wr_work_sum(k);
    k->attached_n++;
    l->attached = true;
    if (k->begin <= k->w->now)
        wr_hist_add(l->orphan ? &k->orphaned : &k->attaching,
                    k->w->now - l->since);
    if (l->xfer != NULL)
        wr_xfer_up(l->xfer, k->w->now, &k->out);
}

static void detached(struct wr_work *k, uint32_t i)
{
    struct wr_work_leaf *l = &k->leaves[i];

    wr_work_sum(k);
    k->attached_n--;
    l->attached = false;
    if (l->xfer != NULL)
        wr_xfer_down(l->xfer);
}

/* It had no parent any more from when it last heard of it, if that one fell
 * silent. */
static void lost(struct wr_work *k, uint32_t i, bool silent)
{
    struct wr_work_leaf *l = &k->leaves[i];

    detached(k, i);
    k->failovers += k->begin <= k->w->now;
    l->orphan = true;
    l->since = silent ? l->core.heard_at : k->w->now;
}

static void perform(struct wr_work *k, uint32_t i,
                    const struct wr_leaf_out *out)
{
    const struct wr_msg ping = wr_msg_of(WR_MSG_PING, 0);
    struct wr_work_leaf *l = &k->leaves[i];
    bool silent = false;

    for (uint32_t n = 0; n < out->n; n++) {
        const struct wr_leaf_fx *fx = &out->v[n];

        switch (fx->kind) {
        case WR_LEAF_FX_DIAL:
            wr_uplink_dial(
                k->w, i,
                wr_uplink_host(wr_leaf_contact(&l->core, fx->contact)));
            break;
        case WR_LEAF_FX_HANG_UP:
            silent = true;
            wr_uplink_hang_up(k->w, i);
            break;
        case WR_LEAF_FX_PING:
            wr_uplink_send(k->w, i, &ping);
            break;
        case WR_LEAF_FX_UP:
            attached(k, i);
            break;
        case WR_LEAF_FX_LOST:
            lost(k, i, silent);
            break;
        case WR_LEAF_FX_PERSIST:
            break;
        }
    }
}

static void drain(struct wr_work *k, uint32_t i)
{
    struct wr_work_leaf *l = &k->leaves[i];
    uint32_t n = 0;

    for (uint32_t f = 0; f < k->out.n; f++) {
        const struct wr_fx *fx = &k->out.v[f];
        const struct wr_msg *m = &fx->done.answer;

        if (fx->kind == WR_FX_SEND) {
            wr_uplink_send(k->w, i, &fx->msg);
            k->sent_bytes += fx->msg.kind == WR_MSG_PUT && k->begin <= k->w->now
                                 ? fx->msg.put.body.len
                                 : 0;
        }
        if (fx->kind != WR_FX_DONE)
            continue;
        k->answers[n] = (struct wr_work_answer){.token = fx->done.token,
                                                .status = fx->done.status,
                                                .kind = m->kind};
        if (m->kind == WR_MSG_HAD)
            k->answers[n].copies = m->had.copies;
        else if (m->kind == WR_MSG_PUT_DONE)
            k->answers[n].copies = m->put_done.copies;
        else if (m->kind == WR_MSG_ROOT_DONE)
            k->answers[n].copies = m->root.copies;
        if (m->kind == WR_MSG_DATA) {
            k->answers[n].digest = m->data.digest;
            k->answers[n].len = m->data.len;
        }
        n++;
    }
    WR_CHECK(k->out.dropped == 0);
    wr_outbox_clear(&k->out);
    for (uint32_t d = 0; d < n; d++)
        work_answer(k, i, &k->answers[d]);
    if (l->xfer != NULL)
        wr_xfer_pump(l->xfer, k->w->now, &k->out);
}

void work_settle(struct wr_work *k, uint32_t i)
{
    struct wr_work_leaf *l = &k->leaves[i];
    wr_time due;

    while (k->out.n > 0)
        drain(k, i);
    if (l->xfer != NULL && wr_xfer_let_down(l->xfer)) {
        struct wr_leaf_out out = {0};

        wr_leaf_leave(&l->core, k->w->now, &out);
        perform(k, i, &out);
    }
    due = wr_leaf_deadline(&l->core);
    if (l->xfer != NULL)
        due = wr_time_min(due, wr_xfer_deadline(l->xfer));
    if (due != WR_NEVER && due < l->tick_at) {
        l->tick_at = wr_time_max(due, k->w->now);
        at(k, l->tick_at, TICK, i);
    }
}

static void tick(struct wr_work *k, uint32_t i)
{
    struct wr_work_leaf *l = &k->leaves[i];
    struct wr_leaf_out out = {0};

    if (l->tick_at != k->w->now)
        return; /* Another, earlier one has replaced it. */
    l->tick_at = WR_NEVER;
    if (l->attached && wr_uplink_busy(k->w, i)) {
        wr_leaf_heard(&l->core, k->w->now);
        if (l->xfer != NULL)
            wr_xfer_moved(l->xfer, k->w->now);
    }
    wr_leaf_tick(&l->core, k->w->now, &out);
    perform(k, i, &out);
    if (l->xfer != NULL)
        wr_xfer_tick(l->xfer, k->w->now, &k->out);
    work_settle(k, i);
}

static void on_uplink(struct wr_world *w, uint32_t i, bool up)
{
    struct wr_work *k = w->leaf_arg;
    struct wr_leaf *core = &k->leaves[i].core;
    struct wr_leaf_out out = {0};

    if (up)
        wr_leaf_linked(core, &w->book.hosts[w->uplinks.v[i].parent].id, w->now);
    else
        wr_leaf_down(core, w->now, &out);
    perform(k, i, &out);
    work_settle(k, i);
}

/* The driver verifies a body before the core sees it (fx.h). */
static void on_leaf(struct wr_world *w, wr_host from, wr_host leaf,
                    const struct wr_msg *m, const struct wr_id *body)
{
    struct wr_work *k = w->leaf_arg;
    const uint32_t i = wr_uplink_leaf(&w->uplinks, leaf);
    struct wr_work_leaf *l = &k->leaves[i];
    struct wr_leaf_out out = {0};
    struct wr_msg own = *m;

    (void)from;
    if (m->kind == WR_MSG_DATA && m->data.body.id != 0 &&
        !wr_id_eq(&m->data.digest, body)) {
        own.bad_body = 1;
    }
    k->bad += own.bad_body;
    wr_leaf_recv(&l->core, &own, w->now, &out);
    perform(k, i, &out);
    if (l->attached && l->xfer != NULL)
        (void)wr_xfer_recv(l->xfer, &own, w->now, &k->out);
    work_settle(k, i);
}

/* ---- waking and sleeping ------------------------------------------------- */

/* A fresh process: it knows the contacts that the last one wrote down, its
 * parent first; or those of its ticket. */
static void restart(struct wr_work *k, uint32_t i)
{
    struct wr_leaf *core = &k->leaves[i].core;
    const struct wr_leaf was = *core;
    struct wr_leaf_cfg cfg = wr_leaf_cfg_default(wr_rng_next(&k->rng));

    wr_leaf_init(core, &cfg);
    if (was.n > 0)
        wr_leaf_add(core, &was.v[was.current].contact,
                    was.v[was.current].given);
    for (uint32_t n = 0; n < was.n; n++)
        if (n != was.current)
            wr_leaf_add(core, &was.v[n].contact, was.v[n].given);
    for (uint32_t n = 0; was.n == 0 && n < k->cfg.contacts; n++) {
        const wr_host h = (wr_host)wr_rng_below(&k->rng, k->w->cfg.hosts);
        const struct wr_contact c = wr_uplink_contact(k->w, h);

        wr_leaf_add(core, &c, true);
    }
}

static void go_to_work(struct wr_work *k, uint32_t i)
{
    if (!k->leaves[i].planned)
        at(k, wr_churn_next(&k->lives, i, k->w->now, true), SLEEP, i);
    later(k, k->cfg.move_us, MOVE, i);
    later(k, k->cfg.get_us, ASK + WR_WORK_GET, i);
    later(k, k->cfg.put_us, ASK + WR_WORK_PUT, i);
}

void wr_work_wake(struct wr_work *k, uint32_t i)
{
    struct wr_work_leaf *l = &k->leaves[i];
    struct wr_leaf_out out = {0};

    if (l->awake)
        return;
    wr_work_sum(k);
    k->awake_n++;
    k->there_n += !l->there;
    l->there = l->awake = true;
    l->orphan = false;
    l->since = k->w->now;
    l->tick_at = WR_NEVER;
    restart(k, i);
    wr_leaf_start(&l->core, k->w->now, &out);
    perform(k, i, &out);
    go_to_work(k, i);
    work_settle(k, i);
}

void wr_work_sleep(struct wr_work *k, uint32_t i)
{
    struct wr_work_leaf *l = &k->leaves[i];

    if (!l->awake)
        return;
    work_cut(k, i);
    if (l->attached)
        detached(k, i);
    wr_uplink_hang_up(k->w, i);
    wr_work_sum(k);
    k->awake_n--;
    l->awake = l->planned = false;
    l->life++;
    at(k, wr_churn_next(&k->lives, i, k->w->now, false), WAKE, i);
}

void wr_work_wake_soon(struct wr_work *k, uint32_t i, wr_time us)
{
    at(k, k->w->now + us + wr_rng_below(&k->rng, spread_us), WAKE, i);
}

void wr_work_alarm(struct wr_work *k, uint64_t cookie)
{
    const uint32_t i = (uint32_t)cookie;
    const unsigned what = cookie >> 56 & 0x7f;
    struct wr_work_leaf *l = &k->leaves[i];

    if ((cookie >> 32 & 0xffffff) != (l->life & 0xffffff))
        return;
    switch (what) {
    case WAKE:
        wr_work_wake(k, i);
        return;
    case SLEEP:
        wr_work_sleep(k, i);
        return;
    case TICK:
        tick(k, i);
        return;
    case MOVE:
        wr_uplink_move(k->w, i);
        later(k, k->cfg.move_us, MOVE, i);
        return;
    default:
        work_job_due(k, i, what - ASK);
        later(k, what == ASK + WR_WORK_GET ? k->cfg.get_us : k->cfg.put_us,
              what, i);
        return;
    }
}

/* ---- beginning and end --------------------------------------------------- */

/* As many are awake as on the average, each with what is left of its life. */
static void begin(struct wr_work *k, uint32_t *awake)
{
    const uint32_t n = wr_churn_start(&k->lives, k->cfg.leaves, awake);
    const wr_time come = k->w->now + spread_us;
    uint32_t next = 0;

    for (uint32_t i = 0; i < k->cfg.leaves; i++) {
        const bool up = next < n && awake[next] == i;
        const wr_time flip = wr_churn_first(&k->lives, i, up);

        next += up;
        k->there_n++;
        k->leaves[i].there = true;
        k->leaves[i].planned = up;
        at(k, flip == WR_NEVER ? flip : wr_time_max(flip, come),
           up ? SLEEP : WAKE, i);
        if (up)
            wr_work_wake_soon(k, i, 0);
    }
}

enum wr_err wr_work_init(struct wr_work *k, struct wr_world *w,
                         const struct wr_work_cfg *cfg)
{
    const uint32_t n = cfg->leaves + cfg->more;
    uint32_t *awake = calloc(n, sizeof(awake[0]));

    *k = (struct wr_work){.w = w, .cfg = *cfg, .begin = WR_NEVER};
    k->rng.state = cfg->seed;
    k->content.state = ~cfg->seed;
    k->seen_at = w->now;
    k->leaves = calloc(n, sizeof(k->leaves[0]));
    k->answers = calloc(WR_WORK_REQUESTS, sizeof(k->answers[0]));
    if (awake == NULL || k->leaves == NULL || k->answers == NULL ||
        wr_churn_init(&k->lives, &k->cfg.lives, n, cfg->seed) != WR_OK ||
        wr_outbox_init(&k->out, 2 * WR_XFER_STEP_FX, 4 * WR_XFER_STEP_BYTES) !=
            WR_OK ||
        wr_uplinks_init(w, n) != WR_OK) {
        wr_work_done(k);
        free(awake);
        return WR_ENOMEM;
    }
    w->leaf = on_leaf;
    w->uplink = on_uplink;
    w->leaf_arg = k;
    if (cfg->up_bps > 0)
        w->uplinks.up_bps = cfg->up_bps;
    if (cfg->down_bps > 0)
        w->uplinks.down_bps = cfg->down_bps;
    work_bytes_init(k);
    begin(k, awake);
    free(awake);
    return WR_OK;
}

void wr_work_done(struct wr_work *k)
{
    for (uint32_t i = 0; k->leaves != NULL && i < k->cfg.leaves + k->cfg.more;
         i++)
        work_cut(k, i);
    wr_churn_done(&k->lives);
    free(k->leaves);
    free(k->answers);
    wr_outbox_done(&k->out);
    work_files_done(k);
    work_bytes_done(k);
    free(k->census.v);
    *k = (struct wr_work){0};
}

void wr_work_mark(struct wr_work *k)
{
    k->begin = k->seen_at = k->w->now;
    k->awake_us = k->attached_us = 0;
    k->before = k->w->uplinks;
}
