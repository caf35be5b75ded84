/* fuzz.c - see fuzz.h. */
#include "fuzz_private.h"

#include <stdlib.h>

#include "world_private.h"

static const wr_time look_us = WR_MS(250);        /* Between two checks. */
static const wr_time quiet_max_us = WR_SEC(3600); /* To an ideal ring. */

/* A life has some hundred thousand events; one with more does not end. */
static const uint64_t events_max = 50000000;

/* ---- running ------------------------------------------------------------- */

static void one_look(struct life *l, wr_time until)
{
    l->w.cfg.trace =
        l->w.now >= l->hooks->trace_from && l->w.now < l->hooks->trace_to;
    wr_world_run(&l->w, until);
    life_check(l);
    wr_data_tick(&l->data);
    wr_puts_tick(&l->puts);
    if (l->hooks->stop != NULL && *l->hooks->stop != 0)
        l->ret->interrupted = true;
    if (l->w.events > events_max) {
        struct wr_check k;

        (void)life_ideal(l, &k);
        life_fail(l, "the ring does not come to rest", &k);
    }
}

void life_run(struct life *l, wr_time until)
{
    while (l->w.now < until && !life_fails(l)) {
        one_look(l, wr_time_min(until, l->w.now + look_us));
        life_mend(l, false);
    }
}

static void run_for(struct life *l, wr_time us)
{
    life_run(l, l->w.now + us);
}

/* Right: the answer was the serving member when it came. While the ring is in
 * trouble they are only counted; in a quiet, ideal ring each must be right. */
static void on_done(struct wr_world *w, wr_host host, const struct wr_fx *fx)
{
    struct life *l = w->done_arg;
    const struct wr_msg *a = &fx->done.answer;
    const uint64_t i = fx->done.token & UINT32_MAX;

    (void)host;
    if (fx->done.token >> 32 != l->batch || i >= l->asked_n)
        return; /* Not of this batch. */
    l->open_n--;
    if (fx->done.status != WR_STATUS_OK)
        l->ret->lost_n++;
    else if (a->routed.owner != wr_check_owner(w, &l->keys[i]))
        l->ret->wrong_n++;
    else
        l->ret->right_n++;
}

/* ---- the storm ----------------------------------------------------------- */

static void storm(struct life *l)
{
    const struct wr_plan *p = l->plan;

    uint32_t i = 0, k = p->storm_n;

    while (!life_fails(l) && (i < p->storm_n || k < p->actions_n)) {
        const bool storm =
            k == p->actions_n ||
            (i < p->storm_n && p->actions[i].at <= p->actions[k].at);
        const struct wr_plan_action *a = &p->actions[storm ? i++ : k++];

        if (a->dropped)
            continue;
        life_run(l, a->at);
        if (!life_fails(l))
            life_act(l, a);
    }
    life_run(l, p->end);
    for (wr_host h = 0; h < l->w.cfg.hosts; h++)
        life_run(l, wr_time_max(l->w.hosts[h].still_until,
                                l->w.net.hosts[h].clogged));
    life_mend(l, true);
    l->rng = (struct wr_rng){p->seed ^ 0xca1};
    l->data.rng = (struct wr_rng){wr_rng_next(&l->rng)};
}

/* ---- the core ------------------------------------------------------------ */

static void take_out(struct life *l)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        if (life_below(l, 1000) >= l->plan->out_permille ||
            !wr_world_is_up(&l->w, h) || l->w.hosts[h].leaving ||
            life_up_n(l) <= wr_plan_least(l->plan))
            continue;
        wr_world_crash(&l->w, h);
        life_check_loss(l);
    }
}

/* Hands see to what no protocol can: a newcomer whose only contact is gone
 * knows nobody, and nobody knows it; it is given another. */
static void lend_a_hand(struct life *l)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        if (life_known(l) == WR_NO_HOST && !wr_world_is_up(&l->w, h) &&
            l->w.hosts[h].known && !l->w.hosts[h].left)
            wr_world_up(&l->w, h, WR_NO_HOST);
    }
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        if (!wr_world_serves(&l->w, h) || l->w.hosts[h].known)
            continue;
        wr_world_crash(&l->w, h);
        life_check_loss(l);
        if (life_known(l) != WR_NO_HOST)
            wr_world_up(&l->w, h, life_known(l));
    }
}

/* Nobody who serves counts it, and it knows none of them: who could hear its
 * farewell is down, and it waits for that one (A18). */
static bool unheard(const struct life *l, wr_host h)
{
    const struct wr_world_host *hosts = l->w.hosts;

    if (!hosts[h].farewell)
        return false;
    for (wr_host k = 0; k < l->w.cfg.hosts; k++)
        if (wr_world_serves(&l->w, k) &&
            (wr_roster_admitted(&hosts[h].node->core, k) ||
             wr_roster_admitted(&hosts[k].node->core, h)))
            return false;
    return true;
}

static bool anybody_leaving(const struct life *l)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++)
        if (l->w.hosts[h].leaving && !unheard(l, h))
            return true;
    return false;
}

/* A ring of one-member hosts that has lost all members stays lost: none of
 * them may start one (R1). Only hands could. */
static bool dissolved(const struct life *l, const struct wr_check *k)
{
    return k->members == 0 && wr_plan_least(l->plan) > 1;
}

/* False if it does not come to that. */
static bool await_ideal(struct life *l, const char *else_why)
{
    const wr_time begin = l->w.now;
    struct wr_check k;

    do {
        run_for(l, 2 * look_us);
    } while (!life_fails(l) && (!life_ideal(l, &k) || anybody_leaving(l)) &&
             !dissolved(l, &k) && l->w.now - begin < quiet_max_us);
    if (life_fails(l))
        return false;
    if (dissolved(l, &k) && l->ret->breaks > 0) {
        l->ret->dissolved = true;
        return false;
    }
    if (!life_ideal(l, &k))
        life_fail(l, else_why, &k);
    else if (anybody_leaving(l))
        life_fail(l, "a host does not get away", &k);
    return !life_fails(l);
}

static void check_lasts(struct life *l)
{
    struct wr_check k;

    for (unsigned i = 0; i < 4 && !life_fails(l); i++) {
        run_for(l, l->w.cfg.node.round_us);
        if (!life_ideal(l, &k))
            life_fail(l, "the ideal ring did not last", &k);
    }
}

static void check_lookups(struct life *l)
{
    const uint64_t wrong = l->ret->wrong_n, lost = l->ret->lost_n;
    struct wr_check k;

    if (life_fails(l))
        return;
    life_look_up(l, 4);
    run_for(l, l->w.cfg.node.lookup_us + WR_SEC(1));
    (void)life_ideal(l, &k);
    if (l->open_n > 0)
        life_fail(l, "a lookup did not end", &k);
    else if (l->ret->wrong_n > wrong)
        life_fail(l, "a wrong lookup in an ideal ring", &k);
    else if (l->ret->lost_n > lost)
        life_fail(l, "a failed lookup in an ideal ring", &k);
}

/* ---- data ---------------------------------------------------------------- */

/* Until all requests have ended: each has its deadline, and retries. */
static void await_requests(struct life *l)
{
    while (!life_fails(l) &&
           wr_data_open(&l->data) + wr_puts_open(&l->puts) > 0)
        run_for(l, 2 * look_us);
}

static void read_all(struct life *l, bool held_up)
{
    for (uint32_t i = 0; i < l->data.items_n && !life_fails(l); i++) {
        if (l->data.items[i].acked &&
            (!held_up || wr_data_holders(&l->data, i, true) > 0))
            wr_data_get(&l->data, i, true);
        if (i % 4 == 3)
            await_requests(l);
    }
    await_requests(l);
}

/* What is put in a quiet ring stands: nobody would send it again. But small
 * tables may be full, and HAVE then answers a doubt with no (D6). */
static void put_and_ask(struct life *l)
{
    const uint32_t item = l->data.items_n;

    wr_data_put(&l->data, true);
    await_requests(l);
    if (!life_fails(l))
        wr_data_have(&l->data, item, !wr_plan_has(l->plan, WR_FAULT_SMALL));
    await_requests(l);
}

static void all_back(struct life *l)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++)
        if (!wr_world_is_up(&l->w, h) && l->w.hosts[h].epoch > 0 &&
            !l->w.hosts[h].left && life_known(l) != WR_NO_HOST)
            wr_world_up(&l->w, h, life_known(l));
}

static void check_copies(struct life *l)
{
    for (uint32_t i = 0; i < l->data.items_n; i++)
        if (wr_data_thin(&l->data, i))
            life_fail_item(l, "fewer copies than were acknowledged", i);
}

/* One that is up and has not swept `more` times. */
static wr_host lags(const struct life *l, const uint64_t from[WR_PLAN_HOSTS],
                    uint64_t more)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++)
        if (wr_world_serves(&l->w, h) &&
            l->w.hosts[h].node->sweep->reap.passes < from[h] + more)
            return h;
    return WR_NO_HOST;
}

/* Two whole passes of everybody, the second of which begins with nothing known
 * from before. */
static void await_sweep(struct life *l)
{
    const wr_time begin = l->w.now;
    uint64_t from[WR_PLAN_HOSTS] = {0};
    wr_host h;

    for (h = 0; h < l->w.cfg.hosts; h++)
        if (wr_world_is_up(&l->w, h))
            from[h] = l->w.hosts[h].node->sweep->reap.passes;
    while (!life_fails(l) && (h = lags(l, from, 3)) != WR_NO_HOST) {
        run_for(l, 2 * look_us);
        if (l->w.now - begin >= quiet_max_us)
            life_fail_sweep(l, h);
    }
}

/* What is over drops out within a pass after it is known to be, and is gone
 * within a pass after the grace. */
static void check_puts(struct life *l)
{
    const struct wr_node_cfg *node = &l->w.cfg.node;

    if (!wr_plan_has(l->plan, WR_FAULT_FILES) || life_fails(l))
        return;
    life_run(l, wr_puts_last_end(&l->puts) + WR_SEC(2 * node->slack_s));
    await_sweep(l);
    run_for(l, WR_SEC(node->grace_s));
    await_sweep(l);
    if (!life_fails(l))
        wr_puts_check(&l->puts, life_knows_all(l));
    life_check(l);
}

/* For a share of lives: it takes some rounds of repair, and a misplaced copy
 * stays for longer than a reader (D23). */
static void check_placed(struct life *l)
{
    const wr_time begin = l->w.now;
    struct wr_copies k;
    uint32_t item;

    if (l->plan->seed % WR_FUZZ_PLACED != 0 || !life_knows_all(l))
        return;
    do {
        run_for(l, WR_SEC(10));
        item = life_misplaced(l, &k);
    } while (!life_fails(l) && item < l->data.items_n &&
             l->w.now - begin < quiet_max_us);
    if (!life_fails(l) && item < l->data.items_n)
        life_fail_placed(l, item, &k);
    l->ret->placed_us = l->w.now - begin;
}

static void check_released(struct life *l)
{
    struct wr_check k;

    run_for(l, 2 * l->w.cfg.node.request_us);
    /* What repair moves just now is no leak. */
    for (unsigned i = 0; i < 20 && wr_bodies_held(&l->w.bodies) > 0; i++)
        run_for(l, WR_SEC(1));
    (void)life_ideal(l, &k);
    if (!life_fails(l) && wr_bodies_held(&l->w.bodies) > 0)
        life_fail(l, "a body was never released", &k);
}

/* ---- the phases ---------------------------------------------------------- */

static void core(struct life *l)
{
    const wr_time begin = l->w.now;

    take_out(l);
    lend_a_hand(l);
    /* Until the detectors have judged what was lost in the storm: three pings,
     * and others' (P2, P3), each within the most patience. */
    run_for(l, 6 * l->w.cfg.node.patience_max_us);
    if (life_up_n(l) == 0 || /* All have left. */
        !await_ideal(l, "no ideal ring after an hour of quiet"))
        return;
    l->ret->heal_us = l->w.now - begin;
    check_lasts(l);
    check_lookups(l);
    await_requests(l);
    read_all(l, true);
}

static void all(struct life *l)
{
    if (life_up_n(l) == 0 || l->ret->dissolved || life_fails(l))
        return;
    all_back(l);
    if (!await_ideal(l, "no ideal ring once all are back"))
        return;
    /* The roster is whole, and all links stand, a few rounds later. */
    run_for(l, 4 * l->w.cfg.node.roster_us);
    put_and_ask(l);
    read_all(l, false);
    check_copies(l);
    check_puts(l);
    check_placed(l);
    check_released(l);
}

static void report(struct life *l)
{
    struct wr_fuzz_result *ret = l->ret;

    ret->at = l->w.now;
    ret->digest = l->w.digest;
    ret->events = l->w.events;
    ret->done_n = l->data.ok_n;
    ret->no_n = l->data.no_n;
    ret->failed_n = l->data.failed_n;
    ret->asked_n = l->data.asked_n;
    ret->had_n = l->data.had_n;
    ret->puts_n = l->puts.n;
    ret->kept_n = wr_puts_tally(&l->puts).kept;
    ret->over_n = wr_puts_tally(&l->puts).over;
    ret->dropped_n = l->puts.dropped_n;
}

void wr_fuzz_play(const struct wr_plan *p, const struct wr_fuzz_hooks *hooks,
                  struct wr_fuzz_result *ret)
{
    struct life *l = world_must(calloc(1, sizeof(*l)));

    *ret = (struct wr_fuzz_result){.at = 0};
    if (wr_world_init(&l->w, &p->world) != WR_OK)
        world_must(NULL);
    l->plan = p;
    l->hooks = hooks;
    l->ret = ret;
    l->heal = l->calm = WR_NEVER;
    for (wr_host h = 0; h < WR_PLAN_HOSTS; h++)
        l->hosts[h] = (struct life_host){WR_NEVER, WR_NEVER, WR_NEVER};
    l->w.done = on_done;
    l->w.done_arg = l;
    wr_data_begin(&l->data, &l->w, p->seed ^ 0xda7a);
    wr_puts_begin(&l->puts, &l->w, p->seed ^ 0xf17e);
    wr_world_begin(&l->w, NULL, p->first);
    l->false_starts = l->w.false_starts;
    storm(l);
    if (!life_fails(l))
        core(l);
    if (!life_fails(l))
        all(l);
    report(l);
    wr_world_done(&l->w);
    free(l);
}
