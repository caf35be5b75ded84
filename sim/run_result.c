/* run_result.c - what came of a scenario, as the document that
 * docs/simulator.md describes. Units are in the names. */
#include <stdio.h>
#include <stdlib.h>

#include "run_private.h"

/* ---- measuring begins ---------------------------------------------------- */

static uint64_t bytes_now(const struct run *r)
{
    uint64_t sum = r->w.setup_bytes;

    for (unsigned i = 0; i < WR_WORLD_KINDS; i++)
        sum += r->w.sent_bytes[i];
    return sum;
}

static uint64_t up_us_now(struct run *r)
{
    return r->up_us + r->up_n * (r->w.now - r->up_seen_at);
}

static void row_done(struct run *r)
{
    r->row = (struct run_tally){0};
    wr_hist_clear(&r->row_latency);
    r->row_up_us = up_us_now(r);
    r->row_bytes = bytes_now(r);
    r->row_n = r->w.sent;
}

void run_mark(struct run *r)
{
    r->up_us = 0;
    r->up_seen_at = r->w.now;
    r->starts = r->deaths = r->leaves = 0;
    memcpy(r->sent_n0, r->w.sent_n, sizeof(r->sent_n0));
    memcpy(r->sent_bytes0, r->w.sent_bytes, sizeof(r->sent_bytes0));
    r->setups0 = r->w.setups_n;
    r->setup_bytes0 = r->w.setup_bytes;
    if (run_works(r))
        wr_work_mark(&r->work);
    row_done(r);
}

/* ---- the series ---------------------------------------------------------- */

static double ms(uint64_t us)
{
    return (double)us / 1000;
}

static void add(json_t *array, json_t *value)
{
    (void)json_array_append_new(array, value);
}

static const char *const columns[] = {
    "t_s",
    "hosts_up",
    "lookups",
    "right",
    "wrong",
    "failed",
    "bytes_per_host_s",
    "messages_per_host_s",
    "latency_ms_p50",
    "latency_ms_p99",
    "wrong_first_successors",
    "wrong_predecessors",
    "not_ideal",
};

void run_row(struct run *r)
{
    const double host_s = (double)(up_us_now(r) - r->row_up_us) / 1e6;
    json_t *row = json_array();
    struct wr_check k;

    add(row, json_real((double)(r->w.now - r->begin) / 1e6));
    add(row, json_integer(r->up_n));
    add(row, json_integer((json_int_t)r->row.asked));
    add(row, json_integer((json_int_t)r->row.right));
    add(row, json_integer((json_int_t)r->row.wrong));
    add(row, json_integer((json_int_t)r->row.failed));
    add(row, json_real(run_per((double)(bytes_now(r) - r->row_bytes), host_s)));
    add(row, json_real(run_per((double)(r->w.sent - r->row_n), host_s)));
    add(row, json_real(ms(wr_hist_at(&r->row_latency, 500))));
    add(row, json_real(ms(wr_hist_at(&r->row_latency, 990))));
    if (run_is_wreath(r)) {
        wr_check_by(&r->w, &r->judge.all, &k);
        add(row, json_integer(k.wrong_heads));
        add(row, json_integer(k.wrong_preds));
        add(row, json_integer(k.not_ideal));
    } else { /* There is no ring. */
        for (unsigned i = 0; i < 3; i++)
            add(row, json_null());
    }
    run_work_row(r, row);
    add(r->rows, row);
    row_done(r);
}

/* ---- the parts ----------------------------------------------------------- */

static json_t *hosts(struct run *r, double seconds)
{
    json_t *o = json_object();

    run_put_n(o, "slots", r->w.cfg.hosts);
    run_put_n(o, "at_start", r->started_n);
    run_put_n(o, "at_end", r->up_n);
    run_put_x(o, "up_mean", run_per((double)up_us_now(r) / 1e6, seconds));
    run_put_n(o, "starts", r->starts);
    run_put_n(o, "deaths", r->deaths);
    run_put_n(o, "leaves", r->leaves);
    return o;
}

static json_t *hops_hist(const struct wr_hist *h)
{
    json_t *v = json_array();

    /* Below 64: exact. More are a walk's, of another system. */
    for (uint32_t i = 0; i <= h->max && i < 64 && h->n > 0; i++)
        add(v, json_integer((json_int_t)h->v[i]));
    return v;
}

static json_t *latency_hist(const struct wr_hist *h)
{
    json_t *v = json_array();

    for (uint32_t i = 0; i < WR_HIST_BUCKETS; i++)
        if (h->v[i] > 0)
            add(v,
                json_pack("[f, I]", ms(wr_hist_upper(i)), (json_int_t)h->v[i]));
    return v;
}

static json_t *lookups(struct run *r)
{
    const struct wr_hist *l = &r->latency;
    const struct run_tally *t = &r->sum;
    json_t *o = json_object();

    run_put_n(o, "open", run_ask_sweep(r));
    run_put_n(o, "asked", t->asked);
    run_put_n(o, "right", t->right);
    run_put_n(o, "wrong", t->wrong);
    run_put_n(o, "failed", t->failed);
    run_put_n(o, "askers_gone", t->gone);
    run_put_n(o, "right_in_hand_over", r->judge.handovers);
    run_put(o, "hops_hist", hops_hist(&r->hops));
    run_put(o, "latency_ms_hist", latency_hist(l));
    const uint64_t ended = t->right + t->wrong + t->failed;
    if (ended > 0)
        run_put_x(o, "right_share", run_per((double)t->right, (double)ended));
    if (l->n == 0) /* No figures, not figures of 0. */
        return o;
    run_put_x(o, "hops_mean", wr_hist_mean(&r->hops));
    run_put_x(o, "latency_ms_mean", wr_hist_mean(l) / 1000);
    run_put_x(o, "latency_ms_p50", ms(wr_hist_at(l, 500)));
    run_put_x(o, "latency_ms_p90", ms(wr_hist_at(l, 900)));
    run_put_x(o, "latency_ms_p99", ms(wr_hist_at(l, 990)));
    run_put_x(o, "latency_ms_p999", ms(wr_hist_at(l, 999)));
    run_put_x(o, "latency_ms_max", ms(l->max));
    run_put_x(
        o, "stretch_mean",
        run_per((double)r->stretch_permille / 1000, (double)r->stretch_n));
    return o;
}

static json_t *traffic(struct run *r)
{
    const double host_s = (double)up_us_now(r) / 1e6;
    const uint64_t setup = r->w.setup_bytes - r->setup_bytes0;
    uint64_t n_all = 0, bytes_all = setup;
    json_t *o = json_object(), *kinds = json_array();

    for (unsigned i = 0; i < WR_WORLD_KINDS; i++) {
        const uint64_t n = r->w.sent_n[i] - r->sent_n0[i];
        const uint64_t bytes = r->w.sent_bytes[i] - r->sent_bytes0[i];

        n_all += n;
        bytes_all += bytes;
        if (n > 0)
            add(kinds,
                json_pack("{s:s, s:f, s:f}", "name", wr_world_kind(&r->w, i),
                          "messages_per_host_s", run_per((double)n, host_s),
                          "bytes_per_host_s", run_per((double)bytes, host_s)));
    }
    run_put_x(o, "bytes_per_host_s", run_per((double)bytes_all, host_s));
    run_put_x(o, "messages_per_host_s", run_per((double)n_all, host_s));
    run_put_x(o, "setup_bytes_per_host_s", run_per((double)setup, host_s));
    run_put_x(o, "setups_per_host_s",
              run_per((double)(r->w.setups_n - r->setups0), host_s));
    run_put_n(o, "malformed", r->w.codec_wrong);
    run_put(o, "by_message", kinds);
    return o;
}

static json_t *ring(struct run *r)
{
    json_t *o = json_object();
    struct wr_check k;

    wr_check_by(&r->w, &r->judge.all, &k);
    run_put_n(o, "members_end", k.members);
    run_put_n(o, "not_ideal_end", k.not_ideal);
    run_put_n(o, "assumption_breaks", r->breaks);
    run_put_n(o, "false_deaths", r->w.false_deaths);
    run_put_n(o, "checks", r->checks);
    if (r->checks == 0)
        return o;
    run_put_n(o, "violations", r->violations);
    run_put_x(o, "broken_s", (double)r->broken_us / 1e6);
    run_put_x(o, "heal_ms_max", ms(r->heal_max_us));
    run_put_x(o, "wrong_first_successors_share",
              run_per((double)r->wrong_heads, (double)r->head_checks));
    run_put_x(o, "wrong_predecessors_share",
              run_per((double)r->wrong_preds, (double)r->head_checks));
    run_put_n(o, "principals_min", r->principals_min);
    return o;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* From the least to the most, at each hundredth of the way. Sorts `v`. */
static json_t *spread(double *v, size_t n)
{
    json_t *o = json_array();

    qsort(v, n, sizeof(v[0]), by_size);
    for (size_t i = 0; i <= 100 && n > 0; i++)
        add(o, json_real(v[i * (n - 1) / 100]));
    return o;
}

/* How much more than the mean hosts have to do: of the positions, and of what
 * was asked. */
static json_t *load(struct run *r)
{
    const uint32_t n = r->w.cfg.hosts;
    double *v = calloc(n, sizeof(v[0]));
    json_t *o = json_object();
    uint64_t served = 0;
    uint32_t up = 0;

    if (v == NULL)
        return o;
    if (run_is_wreath(r))
        wr_check_shares(&r->w, &r->judge.all, v);
    else
        run_system_shares(r, v);
    for (wr_host h = 0; h < n; h++) {
        served += r->slots[h].served;
        if (wr_world_is_up(&r->w, h))
            v[up++] = v[h];
    }
    json_t *keys = spread(v, up);
    run_put_x(o, "keys_max_over_mean", up > 0 ? v[up - 1] : 0);
    for (wr_host h = 0; h < n; h++)
        v[h] = run_per((double)r->slots[h].served * n, (double)served);
    json_t *requests = spread(v, n);
    run_put_x(o, "requests_max_over_mean", v[n - 1]);
    run_put(o, "keys_over_mean", keys);
    run_put(o, "requests_over_mean", requests);
    free(v);
    return o;
}

static json_t *members(struct run *r)
{
    enum { SHOWN = 1024 };
    const struct wr_circle *all = &r->judge.all;
    const uint32_t step = all->n / SHOWN + 1;
    json_t *v = json_array();

    for (uint32_t i = 0; i < all->n; i += step) {
        const wr_ref m = all->refs[i];

        add(v,
            json_pack("[f, I, i]",
                      (double)wr_id_prefix(wr_book_id(&r->w.book, m)) * 0x1p-64,
                      (json_int_t)wr_ref_host(m),
                      wr_world_is_up(&r->w, wr_ref_host(m)) ? 1 : 0));
    }
    return v;
}

static json_t *series(struct run *r)
{
    json_t *o = json_object(), *names = json_array();

    for (size_t i = 0; i < WR_ARRAY_LEN(columns); i++)
        add(names, json_string(columns[i]));
    run_work_columns(r, names);
    run_put_x(o, "every_s", (double)r->s->run_sample_every / 1e6);
    run_put(o, "columns", names);
    run_put(o, "rows", json_incref(r->rows));
    return o;
}

static uint64_t bytes_per_member(const struct run *r)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < r->up_n; i++)
        sum += run_is_wreath(r) ? wr_node_size(r->w.hosts[r->up[i]].node)
                                : r->w.cfg.overlay->size;
    return r->up_n == 0 ? 0 : sum / r->up_n / r->w.cfg.members;
}

json_t *run_result(struct run *r, double wall_s)
{
    const double seconds =
        r->w.now > r->begin ? (double)(r->w.now - r->begin) / 1e6 : 0;
    json_t *o = json_object();
    char digest[17];

    if (o == NULL)
        return NULL;
    snprintf(digest, sizeof(digest), "%016llx",
             (unsigned long long)r->w.digest);
    run_put_n(o, "wreath_sim", 1);
    run_put(o, "version", json_string(WR_VERSION));
    run_put(o, "scenario", wr_scenario_json(r->s));
    run_put(o, "name", json_string(r->s->name));
    run_put_n(o, "seed", r->s->run_seed);
    run_put(o, "system",
            json_string(run_is_wreath(r) ? "wreath" : r->w.cfg.overlay->name));
    run_put(o, "digest", json_string(digest));
    run_put_x(o, "virtual_s", seconds);
    run_put_x(o, "wall_s", wall_s);
    run_put_n(o, "events", r->w.events);
    run_put_x(o, "events_per_s", run_per((double)r->w.events, wall_s));
    run_put_n(o, "bytes_per_member", bytes_per_member(r));
    run_put(o, "interrupted", json_boolean(r->interrupted));
    run_put(o, "hosts", hosts(r, seconds));
    run_put(o, "lookups", lookups(r));
    run_put(o, "traffic", traffic(r));
    if (run_is_wreath(r))
        run_put(o, "ring", ring(r));
    if (run_works(r)) {
        run_put(o, "data", run_work_data(r));
        run_put(o, "leaves", run_work_leaves(r, seconds));
    }
    run_put(o, "load", load(r));
    run_put(o, "series", series(r));
    if (run_is_wreath(r))
        run_put(o, "members", members(r));
    run_put(o, "log", json_incref(r->log));
    return o;
}
