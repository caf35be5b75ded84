/*
 * sweep.h - what the run-time adds to the node's sweep (proto/reap.h): the wall
 * clock, judged before the node hears of it (sys/wall.h); the time at which
 * this host was last there, written down; a host that was away for too long,
 * which starts as empty; since when others have been away; and what people are
 * told of it.
 *
 * For super*.c and view.c.
 */
#ifndef WR_HOST_SWEEP_H
#define WR_HOST_SWEEP_H

#include <jansson.h>

#include "base/time.h"
#include "sys/wall.h"
#include "sys/why.h"
#include "wire/book.h"

struct wr_super;

struct wr_sweep {
    enum wr_wall wall;
    uint64_t seen_s;  /* When our clock was last believed; 0: never. */
    uint64_t saved_s; /* As it is written down. */
    wr_time told_at;  /* When the node last heard. */
    wr_time noted_at; /* When it was last noted who is there. */
};

/* Reads when this host was last there. Called once the store is open: if that
 * was longer ago than root records of what is over are kept, the store is put
 * aside, and a new one is to be opened (*ret_aside). WR_EREFUSED: there is one
 * aside already. */
WR_MUST_USE enum wr_err wr_sweep_open(struct wr_super *s, bool *ret_aside,
                                      struct wr_why *why);

/* Once a second: judges the clock, and tells the node if that changed or it has
 * not heard for a while. */
void wr_sweep_upkeep(struct wr_super *s);

/* Whether the time should be written down, and as what. */
bool wr_sweep_unsaved(const struct wr_super *s);
enum wr_err wr_sweep_save(const struct wr_super *s, uint64_t seen_s,
                          struct wr_why *why);

/* Who is linked is there now; any other was silent since the last time, unless
 * nobody is there: for the members that are written down. No wall clock, which
 * may be wrong, and goes on while we are off. */
void wr_sweep_note(struct wr_super *s);

/* For how long `h` had not been linked while we were here; 0: for less than an
 * absence that matters. */
uint32_t wr_sweep_silent_s(const struct wr_super *s, wr_host h);

/* The "sweep" of a status. */
json_t *wr_sweep_view(const struct wr_super *s);

#endif
