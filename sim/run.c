/* run.c - see run.h. */
#include <stdlib.h>

#include "run_private.h"
#include "sys/clock.h"
#include "world_private.h"

/* What a simulated host needs of the tables that a daemon sizes for the worst:
 * they are most of its memory. */
enum { LOOKUPS_MAX = 128 };

/* A host that could not come in is given another contact: by hand, as its
 * operator would. */
static const wr_time hands_us = WR_SEC(60);

/* ---- coming and going ---------------------------------------------------- */

static void count_up(struct run *r)
{
    r->up_us += r->up_n * (r->w.now - r->up_seen_at);
    r->up_seen_at = r->w.now;
}

static void listed(struct run *r, wr_host h)
{
    count_up(r);
    r->slots[h].up_at = r->up_n;
    r->up[r->up_n++] = h;
}

static void unlisted(struct run *r, wr_host h)
{
    const uint32_t at = r->slots[h].up_at;

    count_up(r);
    r->up[at] = r->up[--r->up_n];
    r->slots[r->up[at]].up_at = at;
}

/* Somebody who is in the ring, by lot; not `h`. */
static wr_host contact(struct run *r, wr_host h)
{
    enum { TRIES = 64 };

    for (unsigned i = 0; i < TRIES && r->up_n > 0; i++) {
        const wr_host by = r->up[wr_rng_below(&r->churn, r->up_n)];

        if (by != h && r->w.hosts[by].joined)
            return by;
    }
    return WR_NO_HOST;
}

void run_up(struct run *r, wr_host h)
{
    if (wr_world_is_up(&r->w, h) || r->w.hosts[h].left)
        return;
    if (r->slots[h].slips) {
        wr_work_wiped(&r->work, h);
        wr_disk_done(&r->w.hosts[h].disk);
    }
    r->slots[h].slips = false;
    listed(r, h);
    r->starts++;
    wr_world_up(&r->w, h, contact(r, h));
    wr_world_at(&r->w, r->w.now + hands_us,
                run_cookie(RUN_HANDS, h, r->w.hosts[h].epoch));
    run_ask_later(r, h);
}

void run_down(struct run *r, wr_host h, bool politely)
{
    if (!wr_world_is_up(&r->w, h))
        return;
    r->deaths++;
    if (politely)
        wr_world_stop(&r->w, h);
    else
        wr_world_crash(&r->w, h);
}

static void hands(struct run *r, wr_host h)
{
    if (r->w.hosts[h].joined || r->w.hosts[h].farewell)
        return;
    run_log(r, "by hand: another contact for host", h);
    wr_world_crash(&r->w, h);
    r->starts--; /* The same start, again. */
    run_up(r, h);
}

/* ---- what the world tells ------------------------------------------------ */

static void on_alarm(struct wr_world *w, uint64_t cookie)
{
    struct run *r = w->alarm_arg;
    const wr_host h = (uint32_t)cookie;
    const uint32_t n = cookie >> 32 & 0xffffff;
    const enum run_alarm what = cookie >> 56;
    const bool same = (what == RUN_ASK || what == RUN_HANDS) &&
                      wr_world_is_up(w, h) &&
                      (w->hosts[h].epoch & 0xffffff) == n;

    if ((cookie & WR_WORK_COOKIE) != 0) {
        wr_work_alarm(&r->work, cookie);
        return;
    }
    switch (what) {
    case RUN_FLIP:
        if ((r->slots[h].flips & 0xffffff) == n)
            run_flip(r, h);
        return;
    case RUN_ASK:
        if (same && wr_world_serves(w, h) && !wr_world_is_still(w, h))
            run_ask(r, h);
        if (same)
            run_ask_later(r, h);
        return;
    case RUN_HANDS:
        if (same)
            hands(r, h);
        return;
    case RUN_SITE:
        run_site(r, h);
        return;
    case RUN_SAMPLE:
        run_row(r);
        wr_world_at(w, w->now + r->s->run_sample_every, cookie);
        return;
    case RUN_CHECK:
        run_check(r);
        wr_world_at(w, w->now + r->s->run_check_every, cookie);
        return;
    case RUN_EVENT:
        run_event(r, h);
        return;
    case RUN_ROLL:
        run_roll(r, h, n);
        return;
    case RUN_OVER:
        run_event_over(r, h);
        return;
    case RUN_BEGIN:
        run_mark(r);
        return;
    }
}

static void on_changed(struct wr_world *w, wr_host h)
{
    struct run *r = w->changed_arg;

    if (!wr_world_is_up(w, h)) {
        r->leaves += w->hosts[h].left;
        r->lost_at = w->now;
        unlisted(r, h);
    }
    if (run_is_wreath(r))
        wr_judge_see(&r->judge, h);
}

static void on_done(struct wr_world *w, wr_host h, const struct wr_fx *fx)
{
    run_answer(w->done_arg, h, fx);
}

/* ---- beginning and end --------------------------------------------------- */

static struct wr_simnet_cfg net_cfg(const struct wr_scenario *s)
{
    static const enum wr_simnet_model models[] = {
        [WR_LATENCY_CONSTANT] = WR_SIMNET_FIXED,
        [WR_LATENCY_UNIFORM] = WR_SIMNET_FIXED,
        [WR_LATENCY_KING] = WR_SIMNET_KING,
        [WR_LATENCY_FILE] = WR_SIMNET_PLACES,
    };
    const bool uniform = s->network_latency == WR_LATENCY_UNIFORM;

    return (struct wr_simnet_cfg){
        .model = models[s->network_latency],
        .min_us = s->network_one_way,
        .max_us = uniform ? s->network_one_way_max : s->network_one_way,
        .jitter_permille = (uint32_t)(s->network_jitter / 1000),
        .loss_permille = (uint32_t)(s->network_loss / 1000),
        .twice_permille = (uint32_t)(s->network_twice / 1000),
        .reorder_permille = (uint32_t)(s->network_reorder / 1000),
        .one_sided_permille = (uint32_t)(s->network_non_transitive / 1000),
        .up_bps = s->network_up,
        .down_bps = s->network_down,
    };
}

static struct wr_world_cfg world_cfg(const struct run *r, uint32_t slots)
{
    const struct wr_scenario *s = r->s;
    struct wr_world_cfg cfg = {
        .seed = s->run_seed,
        .hosts = slots,
        .members = (uint8_t)s->ring_members,
        .sites = (uint32_t)s->ring_sites,
        .node = wr_node_cfg_default(0, (uint8_t)s->ring_members),
        .net = net_cfg(s),
        .fingers_only = !s->ring_learn,
        .resets = s->network_resets,
        .codec = s->run_codec,
        .liars_permille = (uint32_t)(s->ring_liars / 1000),
    };
    struct wr_node_cfg *n = &cfg.node;

    n->succs = (uint8_t)s->ring_successors;
    n->copies = (uint8_t)s->ring_copies;
    n->upkeep =
        s->ring_upkeep == 0 ? WR_UPKEEP_PERIODIC : WR_UPKEEP_EXPONENTIAL;
    n->round_us = s->ring_round;
    n->finger_us = s->ring_fingers;
    n->roster_us = s->ring_roster;
    n->roster_max = s->ring_roster == WR_NEVER ? 0 : slots;
    n->jitter_permille = (uint32_t)(s->ring_jitter / 1000);
    n->patience_min_us = s->ring_patience_min;
    n->patience_max_us = s->ring_patience_max;
    n->lookup_us = s->ring_lookup_timeout;
    n->request_us = s->ring_request_timeout;
    n->rejoin_us = s->ring_rejoin;
    n->repair_us = s->ring_repair;
    n->gone_us = s->ring_absence;
    n->gone_long_us = s->ring_absence_long;
    n->probe_dead_us = s->ring_probe_dead;
    n->peers_max = (uint32_t)s->ring_peers_max;
    n->routes_max = (uint32_t)s->ring_routes_max;
    if (s->leaves_count > 0)
        return cfg; /* A daemon's tables: that is what they are for. */
    n->lookups_max = LOOKUPS_MAX;
    n->ops_max = 1; /* Nobody puts or gets. */
    n->have_ops_max = 0;
    return cfg;
}

static void begin(struct run *r)
{
    for (uint32_t i = 0; i < r->up_n; i++) {
        r->w.hosts[r->up[i]].joined = true;
        run_ask_later(r, r->up[i]);
    }
    run_churn_begin(r);
    r->begin = r->s->run_warmup;
    r->end = r->begin + r->s->run_for;
    wr_world_at(&r->w, r->begin, run_cookie(RUN_BEGIN, 0, 0));
    wr_world_at(&r->w, r->begin + r->s->run_sample_every,
                run_cookie(RUN_SAMPLE, 0, 0));
    if (run_is_wreath(r) && r->s->run_check)
        wr_world_at(&r->w, r->begin, run_cookie(RUN_CHECK, 0, 0));
    run_script_begin(r);
}

/* Where the hosts are, from a file. */
static enum wr_err places(struct run *r)
{
    const char *path = r->s->network_file;
    uint32_t line;
    enum wr_err err;

    if (r->s->network_latency != WR_LATENCY_FILE)
        return WR_OK;
    err = wr_simnet_read(&r->w.net, path, &line);
    if (err == WR_EINVAL)
        return wr_why(&r->hooks->why, err,
                      "%s, line %u: it takes x, y and height in milliseconds, "
                      "as '12.5 80 25'",
                      path, line);
    if (err != WR_OK && line == 0)
        return wr_why(&r->hooks->why, err, "%s: it cannot be read, or is empty",
                      path);
    if (err != WR_OK)
        return wr_why(&r->hooks->why, err, "%s: there is no place in it", path);
    return WR_OK;
}

/* Who is up at the start: a whole ring (R1). */
static enum wr_err choose(struct run *r)
{
    wr_host *up = calloc((size_t)r->w.cfg.hosts + 1, sizeof(up[0]));

    if (up == NULL)
        return WR_ENOMEM;
    r->started_n = wr_churn_start(&r->lives, r->newcomers, up);
    for (uint32_t i = 0; i < r->started_n; i++)
        listed(r, up[i]);
    free(up);
    if (run_is_wreath(r) &&
        r->up_n * r->s->ring_members <= r->s->ring_successors)
        return wr_why(&r->hooks->why, WR_EINVAL,
                      "%u hosts are up at the start, which is too few: a ring "
                      "starts with more members than ring.successors",
                      r->up_n);
    return WR_OK;
}

static enum wr_err init(struct run *r)
{
    struct wr_world_cfg cfg;
    uint32_t slots;
    enum wr_err err = run_churn_init(r, &slots);

    if (err == WR_OK)
        err = run_script_check(r);
    if (err != WR_OK)
        return err;
    cfg = world_cfg(r, slots);
    err = run_system_init(r, &cfg);
    if (err != WR_OK)
        return err;
    r->churn.state = r->s->run_seed ^ UINT64_C(0x636875726e);
    r->load.state = r->s->run_seed ^ UINT64_C(0x6c6f6164);
    r->script.state = r->s->run_seed ^ UINT64_C(0x736372697074);
    r->principals_min = UINT32_MAX;
    r->slots = calloc(cfg.hosts, sizeof(r->slots[0]));
    r->up = calloc(cfg.hosts, sizeof(r->up[0]));
    r->rows = json_array();
    r->log = json_array();
    if (r->slots == NULL || r->up == NULL || r->rows == NULL || r->log == NULL)
        return WR_ENOMEM;
    err = wr_world_init(&r->w, &cfg);
    if (err == WR_OK)
        err = places(r);
    if (err == WR_OK)
        err = choose(r);
    if (err != WR_OK)
        return err;
    r->latency_most = wr_simnet_most(&r->w.net);
    wr_world_begin(&r->w, r->up, r->up_n);
    if (run_is_wreath(r))
        err = wr_judge_init(&r->judge, &r->w, cfg.node.lookup_us + WR_SEC(1));
    if (err != WR_OK)
        return err;
    r->w.alarm = on_alarm;
    r->w.done = on_done;
    r->w.changed = on_changed;
    r->w.alarm_arg = r->w.done_arg = r->w.changed_arg = r;
    run_ask_init(r);
    return run_work_init(r);
}

static void done(struct run *r)
{
    r->w.changed = NULL;
    wr_work_done(&r->work);
    if (r->w.hosts != NULL)
        wr_world_done(&r->w);
    wr_judge_done(&r->judge);
    run_churn_done(r);
    run_system_done(r);
    free(r->slots);
    free(r->up);
    free(r->asks);
    json_decref(r->rows);
    json_decref(r->log);
    free(r);
}

static bool go_on(struct run *r)
{
    const struct wr_run_hooks *h = r->hooks;

    if (h->stop != NULL && *h->stop)
        return false;
    return h->progress == NULL ||
           h->progress(h->arg, r->w.now, r->end, r->w.events);
}

static void play(struct run *r)
{
    const wr_time slice = WR_MS(250);

    while (r->w.now < r->end && !r->interrupted) {
        const wr_time now = r->w.now;

        r->w.cfg.trace =
            now >= r->hooks->trace_from && now < r->hooks->trace_to;
        wr_world_run(&r->w, wr_time_min(now + slice, r->end));
        r->interrupted = !go_on(r);
    }
}

enum wr_err wr_run(const struct wr_scenario *s, struct wr_run_hooks *hooks,
                   json_t **ret_result)
{
    struct run *r = calloc(1, sizeof(*r));
    const wr_time from = wr_clock_now();
    enum wr_err err;

    if (r == NULL)
        return wr_why(&hooks->why, WR_ENOMEM, "out of memory");
    r->s = s;
    r->hooks = hooks;
    err = init(r);
    if (err == WR_OK) {
        begin(r);
        play(r);
        *ret_result = run_result(r, (double)(wr_clock_now() - from) / 1e6);
        if (*ret_result == NULL)
            err = WR_ENOMEM;
    }
    if (err == WR_ENOMEM)
        (void)wr_why(&hooks->why, err, "out of memory");
    done(r);
    return err;
}
