/*
 * fuzz.h - plays a plan (plan.h) and judges it, in three phases:
 *
 *   storm   faults come and go. I1 and I2 must hold unless one of their
 *           assumptions was broken (fuzz_check.c says which excuse what);
 *           no wrong byte is read, no request goes without an end, no table is
 *           beyond its cap, no message breaks a limit.
 *   core    the network and the disks heal; some hosts stay down. Who is up
 *           must become one ideal ring within an hour, and stay one; lookups
 *           are right; what was acknowledged and has a copy among them is read.
 *   all     those that have not left come back. All that was ever acknowledged
 *           is read, and what is put now stands. In a share of lives all of
 *           it comes to have n copies where they belong, and none elsewhere.
 *
 * Equal plans give equal digests, on every machine.
 */
#ifndef WR_SIM_FUZZ_H
#define WR_SIM_FUZZ_H

#include <signal.h>

#include "plan.h"

enum {
    WR_FUZZ_TEXT_MAX = 256,
    WR_FUZZ_PLACED = 4, /* Of so many seeds one waits for all copies. */
};

/* Plain data: shrink sends it through a pipe. */
struct wr_fuzz_result {
    char why[WR_FUZZ_TEXT_MAX]; /* It failed; empty: it did not. */
    char detail[WR_FUZZ_TEXT_MAX];
    wr_time at; /* When it failed, or ended. */
    bool interrupted;
    bool dissolved; /* Nobody was left who could let others in. */
    uint64_t digest, events;
    uint64_t breaks;   /* Times that an assumption was broken. */
    wr_time heal_us;   /* Till the core was an ideal ring. */
    wr_time placed_us; /* Till every copy was where it belongs. */
    uint64_t right_n, wrong_n, lost_n; /* Lookups; */
    uint64_t done_n, no_n, failed_n;   /* leaves' requests; */
    uint64_t asked_n, had_n;           /* chunks of HAVEs; */
    uint64_t puts_n, kept_n, over_n;   /* files, and what became of them; */
    uint64_t dropped_n;                /* references of those that are over. */
};

struct wr_fuzz_hooks {
    const volatile sig_atomic_t *stop; /* NULL: nobody interrupts. */
    wr_time trace_from, trace_to;      /* WR_NEVER: no trace. */
};

void wr_fuzz_play(const struct wr_plan *p, const struct wr_fuzz_hooks *hooks,
                  struct wr_fuzz_result *ret);

#endif
