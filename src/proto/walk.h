/*
 * walk.h - L9: going towards a key one NEXT_ASK at a time, as a joiner (R2)
 * and a merge (R11) do. Each answer names several ways on, best first. The
 * best may be hearsay: a member that has died, or whose host has restarted and
 * is out itself. So a way that leads nowhere gives place to the next one of
 * the same answer, and only when all have failed has the walk.
 */
#ifndef WR_PROTO_WALK_H
#define WR_PROTO_WALK_H

#include "proto/core.h"
#include "wire/limits.h"

struct wr_walk {
    wr_ref ways[WR_NEXT_MAX]; /* Of the last answer, not yet tried. */
    uint8_t at;
    uint8_t n;
    uint8_t steps; /* At most WR_HOPS_MAX, lest liars lead us on. */
};

/* Another step may be taken; false once the walk has taken all it may. */
bool wr_walk_step(struct wr_walk *w);

/* The ways that a NEXT names replace those that were left. */
void wr_walk_answer(struct wr_walk *w, const wr_ref *nodes, size_t n);

/* The best way that is left: a known, living member of another host than ours
 * and `asked` (WR_NO_HOST: any). WR_NO_REF: none. */
wr_ref wr_walk_next(struct wr_walk *w, const struct wr_core *c, wr_host asked);

#endif
