/*
 * run.h - plays a scenario and measures: builds a world (world.h), lets hosts
 * come and go, asks, judges, counts, and answers with one JSON document, whose
 * schema is in docs/simulator.md. The same scenario gives the same document,
 * but for how long it took.
 */
#ifndef WR_SIM_RUN_H
#define WR_SIM_RUN_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

#include "base/time.h"
#include "scenario.h"
#include "sys/why.h"

struct wr_run_hooks {
    /* Called now and then, in real time: `now` of `end`, virtual; `events` so
     * far. False stops the run, as `stop` does. NULL is fine. */
    bool (*progress)(void *arg, wr_time now, wr_time end, uint64_t events);
    void *arg;
    /* Set from a signal handler: the run ends soon, and its result, of what
     * was simulated, says "interrupted". NULL is fine. */
    const volatile sig_atomic_t *stop;
    /* Every message and note between the two goes to standard error; both
     * WR_NEVER: none. Virtual time from the start of the world. */
    wr_time trace_from, trace_to;
    struct wr_why why; /* Filled on an error. */
};

/* WR_EINVAL (a file that the scenario names), WR_ENOTFOUND, WR_ENOMEM, WR_EIO;
 * *ret_result is the caller's, set on WR_OK only. */
WR_MUST_USE enum wr_err wr_run(const struct wr_scenario *s,
                               struct wr_run_hooks *hooks, json_t **ret_result);

#endif
