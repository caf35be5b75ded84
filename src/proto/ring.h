/*
 * ring.h - the places of our members in the ring: each has its predecessor,
 * its successors, and at most one upkeep operation in flight (R7).
 *
 * Rules R1 to R12 (docs/protocol.md) are the corrected Chord of Zave,
 * "Reasoning about identifier spaces: how to make Chord correct" (2017);
 * ring*.c cite them by number. A member asks another for its *view* (state,
 * predecessor, successors); views of siblings, members of the same host, are
 * read at once and without a message, by the same rules.
 *
 * Not here: finding one's place before joining (boot.h), who is dead
 * (peers.h), fingers (routes.h: hints outside of the proof, R9), replica sets
 * (place.h), starting a merge (merge.h).
 *
 * The array core->rings holds one struct per member of our host, in the order
 * of their indexes.
 */
#ifndef WR_PROTO_RING_H
#define WR_PROTO_RING_H

#include "proto/core.h"

enum {
    WR_RING_ASKS = 12, /* R7: asks of one operation before it is given up;
                          more than the detector needs for its verdict. */
    WR_RING_STUCK = 8, /* R2: rounds in which nobody may be let in, at most:
                          the detector needs fewer for its verdict. */
};

enum wr_ring_phase {
    WR_RING_OUT,    /* Not a member: answers NOT_MEMBER (R10). */
    WR_RING_MEMBER, /* Answers with its view, or "pending" (R7). */
    WR_RING_LEFT,   /* Left for good. */
};

enum wr_ring_op {
    WR_OP_NONE,
    WR_OP_FIND,      /* R2: one step of the search for our place (boot.c). */
    WR_OP_JOIN,      /* R2: the view of our predecessor to be (boot.c). */
    WR_OP_STABILISE, /* R3, R4: our successor's view. */
    WR_OP_IMPROVE,   /* R5: the view of a nearer one we were told of. */
    WR_OP_RECTIFY,   /* R6: is our predecessor a member still? */
};

/* Transparent on purpose: lookups, tests and the simulator's checkers read it.
 * Only ring*.c, rules.c and, for R2, boot.c write it. */
struct wr_ring {
    wr_ref self;
    wr_ref pred;    /* WR_NO_REF only while OUT or LEFT. */
    wr_ref spare;   /* R6: the nearest that notified us, our pred apart. */
    wr_ref sure;    /* R8: our head on its own word; another: not yet heard. */
    uint8_t guests; /* R2: let in since a head of ours said that it is one. */
    uint8_t stuck;  /* R2: rounds without a clear answer, in a row. */
    wr_ref ghost;   /* R5: our head's predecessor, which we hold for dead. */
    wr_ref told[2]; /* R4: our head, when the next behind it heard of us. */
    wr_ref lost;    /* R12: the last resort that is being tried. */
    wr_ref hint;    /* R11: may be a nearer head; not yet asked. */
    wr_ref op_peer;
    wr_ref op_head; /* R5: our head when the operation began. */

    uint8_t phase; /* enum wr_ring_phase */
    uint8_t op;    /* enum wr_ring_op: one at most (R7). */
    uint8_t op_asks;
    bool op_hint;  /* This IMPROVE follows a hint: hand the old head on. */
    bool op_clean; /* Asked once: its answer times the round trip. */
    bool op_heard; /* Its last ask was answered, though with "pending". */
    bool rival;    /* R6: `spare` takes us for its head: is `pred` alive? */
    uint8_t succs_n;
    uint8_t quiet; /* Rounds since the last hint was followed (R11). */

    uint64_t op_rid;
    wr_time op_at;    /* When its last ask was sent. */
    wr_time op_until; /* When to look at it again. */
    wr_time round_at; /* When the next round is due. */
    wr_ref *succs;    /* Clockwise from self, without repeat, never self. */
};

/* Sets up core->rings[0 .. members-1]; `succs` has room for members * r. */
void wr_rings_init(struct wr_core *c, wr_ref *succs);

/* R1: begin as part of the ideal ring of `members` (`n` of them, at least
 * r+1, our own among them, in any order; sorted here). Only from OUT. */
void wr_rings_start(struct wr_core *c, wr_ref *members, size_t n);

/* R1 for one member of ours, whose place in the ideal ring is known: its
 * predecessor and its r successors. Its first round is due within `first_us`.
 */
void wr_ring_start(struct wr_core *c, struct wr_ring *r, wr_ref pred,
                   const wr_ref *succs, wr_time first_us);

/* R2: `pred` answered as a member with this list, between it and whose head we
 * fit: it is asked to let us in. False, and nothing changed, if we do not. */
bool wr_ring_knock(struct wr_core *c, struct wr_ring *r, wr_ref pred,
                   const wr_ref *succs, size_t n);

/* Ends membership for good. */
void wr_rings_leave(struct wr_core *c);

/* VIEW_ASK, VIEW, NOTIFY, HINT. `m->to` names one of our members. A VIEW that
 * is not the ring's is the caller's to pass on (false). */
bool wr_rings_recv(struct wr_core *c, wr_host from, const struct wr_msg *m);

/* The detector holds `host` for dead, or it went away. */
void wr_rings_gone(struct wr_core *c, wr_host host);

/* It is alive after all. */
void wr_rings_back(struct wr_core *c, wr_host host);

/* Whether `host` has a place beside one of ours: in its list, before it, or in
 * its replica sets (place.h). */
bool wr_rings_near(const struct wr_core *c, wr_host host);

/* Starts what is due, until nothing is. Called at the end of every step. */
void wr_rings_advance(struct wr_core *c);
wr_time wr_rings_deadline(const struct wr_core *c);

/* The view of our own member `r` as anyone would get it. */
void wr_ring_view(const struct wr_core *c, const struct wr_ring *r,
                  struct wr_msg *ret);

/* Whether `key` is `r`'s to answer for, as far as we know: in (pred, self].
 * While its predecessor is held for dead, and nobody nearer has notified yet,
 * from the nearest live member that the roster names. */
bool wr_ring_owns(const struct wr_core *c, const struct wr_ring *r,
                  const struct wr_id *key);

/* Our member that owns `key`; NULL if none does. */
struct wr_ring *wr_rings_owner(const struct wr_core *c,
                               const struct wr_id *key);

/* The operation in flight is over. */
void wr_ring_op_end(struct wr_ring *r);

/* Our ring of member `ref`; NULL if it is not one of ours. */
struct wr_ring *wr_rings_of(const struct wr_core *c, wr_ref ref);

/* Whether any of ours is a member. */
bool wr_rings_any(const struct wr_core *c);

#endif
