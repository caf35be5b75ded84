/* run_churn.c - hosts come and go as [churn] has it, alone and by sites. */
#include <stdlib.h>

#include "lives.h"
#include "run_private.h"

/* ---- how many there are -------------------------------------------------- */

static enum wr_err read_trace(struct run *r, struct wr_churn_cfg *cfg)
{
    if (r->s->churn_session != WR_SESSION_TRACE)
        return WR_OK;
    cfg->trace = &r->trace;
    return wr_churn_trace_read(&r->trace, r->s->churn_trace, &r->hooks->why);
}

/* `hosts` are up on the average, but in a trace those that it names. */
static double population(const struct run *r, const struct wr_churn_cfg *cfg)
{
    if (cfg->trace != NULL)
        return cfg->trace->hosts_n;
    return (double)r->s->ring_hosts / wr_churn_availability(cfg);
}

/* Those of flash crowds, each in any site that may be asked for. */
static double newcomers(const struct run *r, double hosts)
{
    double n = 0;

    for (uint32_t i = 0; i < r->s->events_n; i++) {
        const struct wr_scenario_event *e = &r->s->events[i];
        const double sites =
            e->whom == WR_WHOM_SITE ? (double)r->s->ring_sites : 1;

        if (e->what == WR_WHAT_FLASH && e->whom != WR_WHOM_LEAVES)
            n += sites * (hosts * e->share_ppm / 1e6 + 1);
    }
    return n;
}

enum wr_err run_churn_init(struct run *r, uint32_t *ret_slots)
{
    struct wr_churn_cfg cfg;
    double n, more;
    enum wr_err err = wr_lives_hosts(r->s, &cfg, &r->hooks->why);

    if (err == WR_OK)
        err = read_trace(r, &cfg);
    if (err != WR_OK)
        return err;
    n = population(r, &cfg);
    more = newcomers(r, cfg.trace != NULL ? n : (double)r->s->ring_hosts);
    if (n + more > WR_SCENARIO_HOSTS_MAX)
        return wr_why(&r->hooks->why, WR_EINVAL,
                      "%.0f hosts, with those that are away and flash crowds, "
                      "are more than %d",
                      n + more, WR_SCENARIO_HOSTS_MAX);
    r->newcomers = (uint32_t)(n + 0.5);
    *ret_slots = r->newcomers + (uint32_t)more;
    r->out_until = calloc(r->s->ring_sites, sizeof(r->out_until[0]));
    if (r->out_until == NULL)
        return WR_ENOMEM;
    return wr_churn_init(&r->lives, &cfg, *ret_slots, r->s->run_seed);
}

void run_churn_done(struct run *r)
{
    wr_churn_done(&r->lives);
    wr_churn_trace_done(&r->trace);
    free(r->out_until);
}

/* ---- one host ------------------------------------------------------------ */

void run_flip_at(struct run *r, wr_host h, wr_time at)
{
    const uint32_t flip = ++r->slots[h].flips;

    wr_world_at(&r->w, at, run_cookie(RUN_FLIP, h, flip));
}

void run_flip_later(struct run *r, wr_host h)
{
    const bool up = wr_world_is_up(&r->w, h);

    run_flip_at(
        r, h, r->still ? WR_NEVER : wr_churn_next(&r->lives, h, r->w.now, up));
}

void run_come(struct run *r, wr_host h)
{
    const wr_time out = r->out_until[h % r->s->ring_sites];

    if (out > r->w.now) {
        run_flip_at(r, h, out);
        return;
    }
    run_up(r, h);
    run_flip_later(r, h);
}

static void go(struct run *r, wr_host h)
{
    if (r->still)
        return;
    run_down(r, h, false);
    r->slots[h].slips = wr_churn_disk_lost(&r->lives, h);
    run_flip_later(r, h);
}

void run_flip(struct run *r, wr_host h)
{
    if (r->w.hosts[h].left)
        return;
    if (wr_world_is_up(&r->w, h))
        go(r, h);
    else if (wr_churn_has_up(&r->lives, h, r->w.now))
        run_come(r, h);
    else /* An event is over; the trace has it away. */
        run_flip_later(r, h);
}

/* ---- sites --------------------------------------------------------------- */

static void site_later(struct run *r, uint32_t site)
{
    const wr_time every = r->s->churn_site_every;

    if (every != WR_NEVER)
        wr_world_at(&r->w,
                    wr_time_max(r->w.now, r->out_until[site]) +
                        wr_rng_exponential(&r->churn, every),
                    run_cookie(RUN_SITE, site, 0));
}

/* All of them crash; they, and who would come back meanwhile, are back when it
 * is over. */
void run_site(struct run *r, uint32_t site)
{
    if (r->still)
        return;
    run_log(r, "an outage of site", site);
    r->out_until[site] = r->w.now + r->s->churn_site_for;
    for (wr_host h = site; h < r->w.cfg.hosts; h += (uint32_t)r->s->ring_sites)
        if (wr_world_is_up(&r->w, h)) {
            run_down(r, h, false);
            run_flip_at(r, h, r->out_until[site]);
        }
    site_later(r, site);
}

void run_churn_begin(struct run *r)
{
    for (wr_host h = 0; h < r->newcomers; h++)
        run_flip_at(r, h,
                    wr_churn_first(&r->lives, h, wr_world_is_up(&r->w, h)));
    for (uint32_t site = 0; site < r->s->ring_sites; site++)
        site_later(r, site);
}
