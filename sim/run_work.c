/* run_work.c - the leaves of a scenario, and their files (work.h): what it asks
 * for, and what came of it. */
#include "lives.h"
#include "run_private.h"

enum { LEAVES_MAX = 100000000 }; /* Numbers with room for moves. */

/* ---- what is asked for --------------------------------------------------- */

/* Leaves that flashes bring. */
static uint64_t flashed(const struct wr_scenario *s)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < s->events_n; i++)
        if (s->events[i].what == WR_WHAT_FLASH &&
            s->events[i].whom == WR_WHOM_LEAVES)
            n += s->leaves_count * s->events[i].share_ppm / 1000000;
    return n;
}

enum wr_err run_work_init(struct run *r)
{
    const struct wr_scenario *s = r->s;
    const uint64_t leaves = s->leaves_count, more = flashed(s);
    struct wr_work_cfg cfg = {
        .seed = s->run_seed ^ UINT64_C(0x6c6561766573),
        .leaves = (uint32_t)leaves,
        .more = (uint32_t)more,
        .contacts = (uint32_t)s->leaves_contacts,
        .move_us = s->leaves_move,
        .put_us = s->load_files_every,
        .get_us = s->load_gets_every,
        .sizes = {WR_DIST_NEVER, s->load_file_spread,
                  (double)s->load_file_size},
        .up_bps = s->leaves_up,
        .down_bps = s->leaves_down,
        .repeat_ppm = (uint32_t)s->load_file_repeats,
        .zipf_s = s->load_keys == WR_KEYS_ZIPF ? s->load_zipf_s : 0,
    };
    const enum wr_err err = wr_lives_leaves(s, &cfg.lives, &r->hooks->why);

    if (err != WR_OK || leaves == 0)
        return err;
    if (leaves + more > LEAVES_MAX)
        return wr_why(&r->hooks->why, WR_EINVAL,
                      "%llu leaves, with those of flash crowds, are more than "
                      "%d",
                      (unsigned long long)(leaves + more), LEAVES_MAX);
    if (s->load_file_spread > 0)
        cfg.sizes.kind = WR_DIST_LOGNORMAL;
    return wr_work_init(&r->work, &r->w, &cfg);
}

/* ---- events -------------------------------------------------------------- */

static bool fits(const struct run *r, const struct wr_scenario_event *e,
                 uint32_t i)
{
    const struct wr_work_leaf *l = &r->work.leaves[i];

    if (e->what == WR_WHAT_FLASH)
        return !l->there;
    if (e->what == WR_WHAT_JOIN)
        return l->there && !l->awake;
    return l->awake;
}

/* `want` of those that fit, each set of them as likely (Knuth's algorithm S).
 */
uint32_t run_work_event(struct run *r, const struct wr_scenario_event *e)
{
    const uint32_t all = r->work.cfg.leaves + r->work.cfg.more;
    const bool wakes = e->what == WR_WHAT_FLASH || e->what == WR_WHAT_JOIN;
    uint64_t fit = 0, want;
    uint32_t done = 0;

    for (uint32_t i = 0; i < all; i++)
        fit += fits(r, e, i);
    want = e->what == WR_WHAT_FLASH ? r->work.cfg.leaves : fit;
    want = (want * e->share_ppm + 500000) / 1000000;
    for (uint32_t i = 0; i < all && want > 0; i++) {
        if (!fits(r, e, i) || wr_rng_below(&r->script, fit--) >= want)
            continue;
        want--;
        done++;
        if (wakes)
            wr_work_wake_soon(&r->work, i, 0);
        else
            wr_work_sleep(&r->work, i);
        if (!wakes && (e->for_us > 0 || e->what == WR_WHAT_RESTART))
            wr_work_wake_soon(&r->work, i, e->for_us);
    }
    return done;
}

/* ---- what came of it ----------------------------------------------------- */

static void put_ms(json_t *o, const char *what, const struct wr_hist *h)
{
    char key[64];

    if (h->n == 0) /* Nothing was timed: no figure, not one of 0. */
        return;
    snprintf(key, sizeof(key), "%.40s_ms_p50", what);
    run_put_x(o, key, (double)wr_hist_at(h, 500) / 1000);
    snprintf(key, sizeof(key), "%.40s_ms_p99", what);
    run_put_x(o, key, (double)wr_hist_at(h, 990) / 1000);
}

static void put_tally(json_t *o, const char *one, const struct wr_work_tally *t)
{
    char key[48];

    snprintf(key, sizeof(key), "%ss", one);
    run_put_n(o, key, t->begun);
    snprintf(key, sizeof(key), "%ss_failed", one);
    run_put_n(o, key, t->failed);
    snprintf(key, sizeof(key), "%ss_cut", one);
    run_put_n(o, key, t->cut);
    snprintf(key, sizeof(key), "%ss_open", one);
    run_put_n(o, key, t->begun - t->done - t->failed - t->cut);
    snprintf(key, sizeof(key), "%s_latency", one);
    put_ms(o, key, &t->latency);
    snprintf(key, sizeof(key), "%s_mb_s", one);
    run_put_x(o, key, run_per((double)t->bytes, (double)t->us));
}

static json_t *copies_hist(const struct wr_work_census *c)
{
    json_t *v = json_array();
    uint32_t most = 0;

    for (uint32_t i = 0; i <= WR_WORK_COPIES_SHOWN; i++)
        most = c->hist[i] > 0 ? i : most;
    for (uint32_t i = 0; i <= most && c->n > 0; i++)
        (void)json_array_append_new(v, json_integer((json_int_t)c->hist[i]));
    return v;
}

json_t *run_work_data(struct run *r)
{
    struct wr_work *k = &r->work;
    json_t *o = json_object();

    wr_work_count(k);
    put_tally(o, "put", &k->jobs[WR_WORK_PUT]);
    put_tally(o, "get", &k->jobs[WR_WORK_GET]);
    run_put_n(o, "gets_denied", k->denied);
    run_put_n(o, "bytes_put", k->jobs[WR_WORK_PUT].bytes);
    run_put_n(o, "bytes_got", k->jobs[WR_WORK_GET].bytes);
    run_put_n(o, "bytes_sent", k->sent_bytes);
    run_put_n(o, "blocks", k->blocks);
    run_put_n(o, "blocks_deduplicated", k->repeated);
    run_put_n(o, "acknowledged", k->census.n);
    run_put_n(o, "lost", k->census.lost);
    run_put_n(o, "lost_beyond_promise", k->census.lost_beyond);
    run_put_n(o, "wrong", k->wrong);
    run_put_n(o, "bodies_wrong", r->w.bodies_wrong);
    run_put_x(o, "copies_mean", run_per((double)k->census.sum, k->census.n));
    run_put(o, "copies_hist", copies_hist(&k->census));
    run_put_n(o, "repair_bytes", wr_world_repaired(&r->w));
    run_put_n(o, "disk_lost_bytes", k->wiped_bytes);
    return o;
}

/* Of the hosts that are up: how many leaves the fullest has. */
static uint32_t fullest(struct run *r)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < r->work.cfg.leaves + r->work.cfg.more; i++) {
        const wr_host h = r->w.uplinks.v[i].parent;

        if (!r->work.leaves[i].attached || h >= r->w.cfg.hosts)
            continue;
        if (++r->slots[h].leaves > most)
            most = r->slots[h].leaves;
    }
    return most;
}

json_t *run_work_leaves(struct run *r, double seconds)
{
    struct wr_work *k = &r->work;
    const struct wr_uplinks *now = &r->w.uplinks, *was = &k->before;
    json_t *o = json_object();

    wr_work_sum(k);
    run_put_n(o, "count", k->there_n);
    run_put_x(o, "awake_mean", run_per((double)k->awake_us / 1e6, seconds));
    run_put_x(o, "attached_share",
              run_per((double)k->attached_us, (double)k->awake_us));
    put_ms(o, "attach", &k->attaching);
    run_put_n(o, "failovers", k->failovers);
    run_put_x(o, "orphan_s_mean", wr_hist_mean(&k->orphaned) / 1e6);
    run_put_x(o, "orphan_s_max", (double)k->orphaned.max / 1e6);
    run_put_n(o, "dials", now->dials - was->dials);
    run_put_n(o, "per_host_max", fullest(r));
    run_put_x(o, "bytes_up_per_leaf_s",
              run_per((double)(now->sent_bytes - was->sent_bytes),
                      (double)k->awake_us / 1e6));
    run_put_x(o, "bytes_down_per_leaf_s",
              run_per((double)(now->recv_bytes - was->recv_bytes),
                      (double)k->awake_us / 1e6));
    return o;
}

/* ---- the series ---------------------------------------------------------- */

void run_work_columns(const struct run *r, json_t *names)
{
    static const char *const columns[] = {"leaves_attached", "copies_mean",
                                          "puts", "gets", "files_failed"};

    for (size_t i = 0; run_works(r) && i < WR_ARRAY_LEN(columns); i++)
        (void)json_array_append_new(names, json_string(columns[i]));
}

void run_work_row(struct run *r, json_t *row)
{
    struct wr_work *k = &r->work;

    if (!run_works(r))
        return;
    wr_work_count(k);
    (void)json_array_append_new(row, json_integer(k->attached_n));
    (void)json_array_append_new(
        row, json_real(run_per((double)k->census.sum, k->census.n)));
    (void)json_array_append_new(row, json_integer((json_int_t)k->row[0].begun));
    (void)json_array_append_new(row, json_integer((json_int_t)k->row[1].begun));
    (void)json_array_append_new(
        row, json_integer((json_int_t)(k->row[0].failed + k->row[1].failed)));
    memset(k->row, 0, sizeof(k->row));
}
