/*
 * sweep.h - what the run-time adds to the node's sweep (proto/reap.h): the wall
 * clock, judged before the node hears of it (sys/wall.h); the time at which
 * this host was last there, written down; a host that was away for too long,
 * which starts as empty; and what people are told of it. It has noted on the
 * members' cards who is there.
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

/* Notes on the members' cards who is there, and who was silent. */
void wr_sweep_note(struct wr_super *s);

/* The "sweep" of a status. */
json_t *wr_sweep_view(const struct wr_super *s);

#endif
