/*
 * churn.h - when hosts come and go: drawn from distributions, as published
 * measurements have them (presets), or read from a trace.
 *
 * It says when; run.c does it. Each slot (a host's identity, up or not) draws
 * from streams of its own, so that what happens to one host, or by a script,
 * changes nothing for the others. Four bytes per slot.
 */
#ifndef WR_SIM_CHURN_H
#define WR_SIM_CHURN_H

#include "base/err.h"
#include "dist.h"
#include "sys/why.h"

struct wr_churn_flip {
    wr_time at;
    uint32_t host;
    uint32_t line : 31;
    uint32_t up : 1;
};

/* What a trace says, by host and time. */
struct wr_churn_trace {
    struct wr_churn_flip *flips;
    uint32_t *first; /* hosts_n + 1 of them: where a host's flips begin. */
    uint32_t flips_n, hosts_n;
};

/* Lines of `seconds,host,up|down`, in any order, of hosts numbered from 0;
 * "time,host,state" may head them; empty lines and those with # are skipped.
 * Before its first line a host is the opposite of it; without any it is down.
 * WR_EINVAL (the line is named, and what is wrong with it), WR_ENOMEM, or what
 * opening gave. */
WR_MUST_USE enum wr_err wr_churn_trace_read(struct wr_churn_trace *t,
                                            const char *path,
                                            struct wr_why *why);
void wr_churn_trace_done(struct wr_churn_trace *t);

enum { WR_CHURN_DIURNAL_MAX = 900 }; /* Permille. */

struct wr_churn_cfg {
    struct wr_dist session; /* NEVER: nobody goes. */
    struct wr_dist away;    /* NEVER: nobody comes back. */
    uint32_t disk_loss_ppm; /* Of those that come back. */
    /*
     * From 9 to 21 o'clock hosts come that much faster and go that much slower
     * than on the average, by night the other way round. A run begins at 15
     * o'clock, when as many are up as on the average.
     */
    uint32_t diurnal_permille;
    const struct wr_churn_trace *trace; /* NULL: none; borrowed. */
};

struct wr_churn {
    struct wr_churn_cfg cfg;
    uint64_t seed;
    uint32_t slots;
    uint32_t *draws; /* Of each slot so far. */
};

/* Both distributions are ok (wr_dist_ok); a trace has no more hosts than there
 * are slots. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_churn_init(struct wr_churn *c,
                                      const struct wr_churn_cfg *cfg,
                                      uint32_t slots, uint64_t seed);
void wr_churn_done(struct wr_churn *c);

/* Part of the hosts that is up on the average; 1 if nobody goes, or comes back.
 * `hosts` up need hosts / availability slots. Not for a trace, whose hosts are
 * the slots. */
double wr_churn_availability(const struct wr_churn_cfg *cfg);

/* Who of the first `of` slots is up at the start, in order: as many as are on
 * the average, by lot, or whom the trace has. Returns how many. */
uint32_t wr_churn_start(struct wr_churn *c, uint32_t of, uint32_t *ret);

/* When `slot`, so at the start, flips first (WR_NEVER: never): the start is a
 * moment of a process that has run for ever. */
wr_time wr_churn_first(struct wr_churn *c, uint32_t slot, bool up);

/* When `slot`, which has just come up or gone, flips next; after `now`. */
wr_time wr_churn_next(struct wr_churn *c, uint32_t slot, wr_time now, bool up);

/* Whether a trace has `slot` up then. True if there is none. */
bool wr_churn_has_up(const struct wr_churn *c, uint32_t slot, wr_time at);

/* Whether `slot`, which comes back, does so without its disk. */
bool wr_churn_disk_lost(struct wr_churn *c, uint32_t slot);

struct wr_churn_preset {
    const char *name;
    const char *source; /* And what of it is this project's choice. */
};

/* The one with this number, from 0; NULL: there are no more. */
const struct wr_churn_preset *wr_churn_preset_list(uint32_t i);

/* `name` may also be bamboo-M, M from 1.4 to 180: minutes, the median. False
 * if there is none of that name. */
bool wr_churn_preset(const char *name, struct wr_churn_cfg *ret);

#endif
