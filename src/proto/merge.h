/*
 * merge.h - R11: finding out that there is another ring, and starting the
 * merge. A host that was held for dead and answers again, and now and then any
 * admitted host, is asked for the place of our own members. Where the member
 * in front of that place does not know ours as its successor, it gets a HINT;
 * it asks our member itself (R5, R8), adopts it, and hands its old head over
 * as the next hint, and so the two rings close like a zip (ring_tell.c).
 */
#ifndef WR_PROTO_MERGE_H
#define WR_PROTO_MERGE_H

#include "proto/core.h"
#include "proto/walk.h"

struct wr_merge {
    uint64_t left;  /* Bit i: our member i is still to be looked up. */
    uint64_t rid;   /* Of the NEXT_ASK in flight; 0: none. */
    wr_time until;  /* Of it. */
    wr_time due_at; /* The next look of our own accord. */
    wr_host via;    /* Through whom; WR_NO_HOST: nothing in hand. */
    wr_host asked;
    uint8_t member;
    struct wr_walk walk;
};

void wr_merge_init(struct wr_core *c);

/* `host` is back from the dead: look all our members up through it. */
void wr_merge_through(struct wr_core *c, wr_host host);

bool wr_merge_recv(struct wr_core *c, wr_host from, const struct wr_msg *m);
void wr_merge_gone(struct wr_core *c, wr_host host);
void wr_merge_tick(struct wr_core *c);
wr_time wr_merge_deadline(const struct wr_core *c);

#endif
