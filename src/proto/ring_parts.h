/*
 * ring_parts.h - what the sources of ring share:
 *
 *     ring.c         the members of ours: in, out, what comes in, ownership
 *     ring_upkeep.c  the operation in flight: rounds, answers, their absence
 *     ring_tell.c    what members tell each other: notifying, hints, letting in
 *
 * What rules.c needs, too, is in rules.h.
 */
#ifndef WR_PROTO_RING_PARTS_H
#define WR_PROTO_RING_PARTS_H

#include "proto/ring.h"

/* ring.c */
void wr_ring_be_in(struct wr_core *c, struct wr_ring *r);
/* Clears all but its phase. */
void wr_ring_be_out(struct wr_ring *r);

/* ring_upkeep.c: VIEW, if it is the one that this member waits for. */
bool wr_ring_recv_view(struct wr_core *c, struct wr_ring *r, wr_ref from,
                       const struct wr_msg *m);

/* ring_tell.c */

/* Tells our head that it is, and the next behind it. */
void wr_ring_notify(struct wr_core *c, struct wr_ring *r);
/* NOTIFY from `from` to our member `r`. */
void wr_ring_notified(struct wr_core *c, struct wr_ring *r, wr_ref from,
                      const struct wr_msg *m);
/* R6's end: is the predecessor a member still? */
void wr_ring_rectify(struct wr_core *c, struct wr_ring *r, bool lives);
/* R11: tells `to` of `q`. */
void wr_ring_hand_on(struct wr_core *c, struct wr_ring *r, wr_ref to, wr_ref q);
/* R11: `from` told us of `q`. */
void wr_ring_hinted(struct wr_core *c, struct wr_ring *r, wr_ref from,
                    wr_ref q);

#endif
