/* run_private.h - what the run*.c share: one scenario as it is played. */
#ifndef WR_SIM_RUN_PRIVATE_H
#define WR_SIM_RUN_PRIVATE_H

#include "check.h"
#include "churn.h"
#include "judge.h"
#include "meter.h"
#include "run.h"
#include "work.h"

/* What an alarm of the world is for; its cookie names whom. */
enum run_alarm {
    RUN_FLIP,   /* A host comes or goes: host, generation. */
    RUN_ASK,    /* A host's next lookup: host, epoch. */
    RUN_HANDS,  /* It has not come in: host, epoch. */
    RUN_SITE,   /* A site's next outage: site. */
    RUN_SAMPLE, /* A row of the series. */
    RUN_CHECK,
    RUN_EVENT, /* Number. */
    RUN_ROLL,  /* A host's turn in a rolling restart: host, event. */
    RUN_OVER,  /* Its 'for' has passed: number. */
    RUN_BEGIN, /* Warm-up is over. */
};

/* A lookup under way. */
struct run_ask {
    struct wr_id key;
    wr_time at;
    uint64_t token;
    wr_host host; /* WR_NO_HOST: it has ended. */
    uint32_t epoch;
    bool counted; /* Asked after warm-up. */
};

struct run_slot {
    uint32_t up_at;  /* In `up`, while it is up. */
    uint32_t flips;  /* Generation of its next coming or going. */
    bool slips;      /* It comes back without its disk. */
    uint64_t served; /* Lookups that it answered. */
    uint32_t leaves; /* At the end. */
};

/* Since warm-up, or since the last row. */
struct run_tally {
    uint64_t asked, right, wrong, failed, gone;
};

struct run {
    const struct wr_scenario *s;
    struct wr_run_hooks *hooks;
    struct wr_world w;
    struct wr_judge judge;
    struct wr_rng churn, load, script; /* One does not disturb another. */
    struct run_slot *slots;
    wr_host *up; /* Who is. */
    uint32_t up_n, started_n;

    struct wr_churn lives;
    struct wr_churn_trace trace;
    uint32_t newcomers; /* From here on, slots are for flash crowds. */
    wr_time *out_until; /* Of each site: its last outage. */
    wr_time end;
    bool still; /* No more churn. */
    bool interrupted;

    struct run_ask *asks;
    uint32_t asks_n, asks_cap;
    uint64_t asked_n;          /* Warm-up included. */
    struct wr_zipf zipf;       /* Of keys; if they are not uniform. */
    struct wr_work work;       /* If there are leaves. */
    struct wr_content content; /* Of another system's hosts. */

    /* Since warm-up. */
    wr_time begin;
    struct run_tally sum, row;
    struct wr_hist latency, row_latency, hops;
    uint64_t stretch_permille, stretch_n;
    uint64_t starts, deaths, leaves;
    uint64_t up_us;     /* Hosts times time, */
    wr_time up_seen_at; /* up to here. */
    uint64_t sent_n0[WR_WORLD_KINDS], sent_bytes0[WR_WORLD_KINDS];
    uint64_t setups0, setup_bytes0;
    uint64_t row_up_us, row_bytes, row_n; /* As of the last row. */

    uint64_t checks, violations, breaks, broken_us, heal_max_us;
    uint64_t head_checks, wrong_heads, wrong_preds;
    uint64_t false_deaths;
    wr_time broken_at, lost_at, checked_at;
    wr_time latency_most;
    bool broken, excused;
    uint32_t principals_min;
    struct wr_check last;

    json_t *rows, *log;
};

static inline uint64_t run_cookie(enum run_alarm what, uint32_t who, uint32_t n)
{
    return (uint64_t)what << 56 | (uint64_t)(n & 0xffffff) << 32 | who;
}

/* `host` comes up through somebody who is up, or goes. Nothing if it is that
 * way already. */
void run_up(struct run *r, wr_host host);
void run_down(struct run *r, wr_host host, bool politely);

/* run_churn.c. A host has one plan at most, for its next coming or going. */
WR_MUST_USE enum wr_err run_churn_init(struct run *r, uint32_t *ret_slots);
void run_churn_begin(struct run *r);
void run_churn_done(struct run *r);
void run_flip(struct run *r, wr_host host);
void run_flip_at(struct run *r, wr_host host, wr_time at);
void run_flip_later(struct run *r, wr_host host); /* As churn has it. */
void run_come(struct run *r, wr_host host);       /* And go, as churn has it. */
void run_site(struct run *r, uint32_t site);

/* run_script.c */
WR_MUST_USE enum wr_err run_script_check(const struct run *r);
void run_script_begin(struct run *r);
void run_event(struct run *r, uint32_t number);
void run_event_over(struct run *r, uint32_t number);
void run_roll(struct run *r, wr_host host, uint32_t number);
void run_log(struct run *r, const char *text, uint32_t n);

/* run_ask.c */
void run_ask_init(struct run *r);
void run_ask_later(struct run *r, wr_host host);
void run_ask(struct run *r, wr_host host);
void run_answer(struct run *r, wr_host host, const struct wr_fx *fx);
/* Asks of hosts that went are dropped; returns those that are open. */
uint64_t run_ask_sweep(struct run *r);

/* run_work.c */
static inline bool run_works(const struct run *r)
{
    return r->work.leaves != NULL;
}
WR_MUST_USE enum wr_err run_work_init(struct run *r);
/* Returns how many leaves it happened to. */
uint32_t run_work_event(struct run *r, const struct wr_scenario_event *e);
json_t *run_work_data(struct run *r);
json_t *run_work_leaves(struct run *r, double seconds);
void run_work_columns(const struct run *r, json_t *names);
void run_work_row(struct run *r, json_t *row);

/* run_system.c: what is not wreath. */
WR_MUST_USE enum wr_err run_system_init(struct run *r,
                                        struct wr_world_cfg *cfg);
void run_system_done(struct run *r);
bool run_is_wreath(const struct run *r);
/* An item that somebody has who is up. */
struct wr_id run_system_item(struct run *r);
/* `host` is up, and has it. */
bool run_system_right(const struct run *r, const struct wr_id *key,
                      wr_host host);
/* How many items each host has that is up, in parts of the mean; 0: it is not.
 * `ret` has as many as there are hosts. */
void run_system_shares(const struct run *r, double *ret);

/* run_check.c */
void run_check(struct run *r);
void run_excuse(struct run *r);

/* Into a part of the result. */
static inline void run_put(json_t *o, const char *key, json_t *value)
{
    (void)json_object_set_new(o, key, value);
}

static inline void run_put_n(json_t *o, const char *key, uint64_t n)
{
    run_put(o, key, json_integer((json_int_t)n));
}

static inline void run_put_x(json_t *o, const char *key, double x)
{
    run_put(o, key, json_real(x));
}

/* 0 of nothing. */
static inline double run_per(double n, double of)
{
    return of == 0 ? 0 : n / of;
}

/* run_result.c */
void run_mark(struct run *r); /* Measuring begins. */
void run_row(struct run *r);
json_t *run_result(struct run *r, double wall_s); /* NULL: out of memory. */

#endif
