/* run_script.c - what a scenario's [event.NAME] sections do. */
#include <stdio.h>

#include "run_private.h"

void run_log(struct run *r, const char *text, uint32_t n)
{
    enum { LOG_MAX = 1000 }; /* A report is read by people. */
    char line[200];

    if (json_array_size(r->log) >= LOG_MAX)
        return;
    snprintf(line, sizeof(line), "%s %u", text, n);
    (void)json_array_append_new(
        r->log, json_pack("{s:f, s:s}", "t_s",
                          ((double)r->w.now - (double)r->s->run_warmup) / 1e6,
                          "text", line));
}

enum wr_err run_script_check(const struct run *r)
{
    for (uint32_t i = 0; i < r->s->events_n; i++) {
        const struct wr_scenario_event *e = &r->s->events[i];

        if (e->whom == WR_WHOM_HOSTS && e->to >= r->newcomers)
            return wr_why(&r->hooks->why, WR_EINVAL,
                          "[event.%s]: there is no host %u; they are 0 to %u",
                          e->name, e->to, r->newcomers - 1);
    }
    return WR_OK;
}

void run_script_begin(struct run *r)
{
    for (uint32_t i = 0; i < r->s->events_n; i++)
        wr_world_at(&r->w, r->begin + r->s->events[i].at,
                    run_cookie(RUN_EVENT, i, 0));
}

/* Which of the hosts it is about. */
static bool chosen(struct run *r, const struct wr_scenario_event *e, wr_host h)
{
    switch (e->whom) {
    case WR_WHOM_SITE:
        return h % r->s->ring_sites == e->from;
    case WR_WHOM_HOSTS:
        return h >= e->from && h <= e->to;
    case WR_WHOM_RANDOM:
        return true;
    case WR_WHOM_LEAVES:
        break;
    }
    return false;
}

/* A flash crowd is of hosts that have never been there, and all else is not.
 */
static bool fits(struct run *r, const struct wr_scenario_event *e, wr_host h)
{
    const bool wants_down = e->what == WR_WHAT_JOIN || e->what == WR_WHAT_FLASH;

    if ((e->what == WR_WHAT_FLASH) !=
        (h >= r->newcomers && r->w.hosts[h].epoch == 0))
        return false;
    return wr_world_is_up(&r->w, h) != wants_down && !r->w.hosts[h].left &&
           !r->w.hosts[h].leaving && chosen(r, e, h);
}

/* How many of the `n` that fit: a flash is a share of those at the start. */
static uint64_t count(const struct run *r, const struct wr_scenario_event *e,
                      uint64_t n)
{
    const uint64_t of = e->what == WR_WHAT_FLASH ? r->started_n : n;
    const uint64_t want = (of * e->share_ppm + 500000) / 1000000;

    return want < n ? want : n;
}

static void go(struct run *r, const struct wr_scenario_event *e, wr_host h)
{
    run_down(r, h, e->what == WR_WHAT_RESTART);
    r->slots[h].slips = e->what == WR_WHAT_LOSE_DISK;
    if (e->for_us > 0 || e->what != WR_WHAT_KILL)
        run_flip_at(r, h, r->w.now + e->for_us);
    else
        run_flip_later(r, h);
}

static void do_to(struct run *r, const struct wr_scenario_event *e, wr_host h)
{
    switch (e->what) {
    case WR_WHAT_KILL:
    case WR_WHAT_RESTART:
    case WR_WHAT_LOSE_DISK:
        go(r, e, h);
        return;
    case WR_WHAT_CUT:
        wr_world_side(&r->w, h, 1 + (uint32_t)(e - r->s->events));
        return;
    case WR_WHAT_JOIN:
    case WR_WHAT_FLASH:
        run_come(r, h);
        return;
    case WR_WHAT_LEAVE:
        wr_world_leave(&r->w, h);
        return;
    case WR_WHAT_PAUSE:
        wr_world_pause(&r->w, h, r->w.now + e->for_us);
        return;
    case WR_WHAT_ROLLING:
    case WR_WHAT_HEAL:
    case WR_WHAT_STOP_CHURN:
    case WR_WHAT_N:
        break;
    }
}

/* `want` of those that fit, each set of them as likely (Knuth's algorithm S);
 * a rolling restart takes them in turn. */
static uint32_t do_to_all(struct run *r, const struct wr_scenario_event *e)
{
    const bool rolling = e->what == WR_WHAT_ROLLING;
    uint64_t fit = 0, want;
    uint32_t done = 0;

    for (wr_host h = 0; h < r->w.cfg.hosts; h++)
        fit += fits(r, e, h);
    want = count(r, e, fit);
    for (wr_host h = 0; h < r->w.cfg.hosts && want > 0; h++) {
        if (!fits(r, e, h))
            continue;
        if (wr_rng_below(&r->script, fit--) >= want)
            continue;
        want--;
        if (rolling)
            wr_world_at(&r->w, r->w.now + done * e->every_us,
                        run_cookie(RUN_ROLL, h, (uint32_t)(e - r->s->events)));
        else
            do_to(r, e, h);
        done++;
    }
    return done;
}

void run_roll(struct run *r, wr_host h, uint32_t number)
{
    if (!wr_world_is_up(&r->w, h))
        return;
    run_down(r, h, true);
    run_flip_at(r, h, r->w.now + r->s->events[number].for_us);
}

void run_event(struct run *r, uint32_t number)
{
    const struct wr_scenario_event *e = &r->s->events[number];

    if (e->what == WR_WHAT_HEAL)
        wr_world_heal(&r->w);
    if (e->what == WR_WHAT_STOP_CHURN)
        r->still = true;
    if (e->what == WR_WHAT_CUT)
        run_excuse(r);
    if (e->whom == WR_WHOM_LEAVES) {
        run_log(r,
                "leaves: what happens, and to how many:", run_work_event(r, e));
        return;
    }
    run_log(r, wr_scenario_what_text(e->what), do_to_all(r, e));
    if (e->what == WR_WHAT_CUT && e->for_us > 0)
        wr_world_at(&r->w, r->w.now + e->for_us,
                    run_cookie(RUN_OVER, number, 0));
}

void run_event_over(struct run *r, uint32_t number)
{
    for (wr_host h = 0; h < r->w.cfg.hosts; h++)
        if (r->w.net.hosts[h].side == number + 1)
            wr_world_side(&r->w, h, 0);
    run_log(r, "the cut is over: event", number);
}
