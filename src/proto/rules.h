/*
 * rules.h - those rules of the ring on which its proof rests: whose list is
 * taken, who becomes head or predecessor, and what a newcomer starts with.
 * ring*.c ask and answer; they are their only callers.
 *
 * They are apart because the checkers have to be seen to fail: a test of the
 * simulator links the rules of 2001, known to be wrong, in their place
 * (sim/rules2001.c).
 */
#ifndef WR_PROTO_RULES_H
#define WR_PROTO_RULES_H

#include "proto/ring.h"

/* R4: our list becomes [head] + tail, cut before our own id, without those
 * that we know to be gone (R3: at any position), r entries at most. False, and
 * nothing changed, if the list is refused. */
bool wr_rule_adopt(struct wr_core *c, struct wr_ring *r, wr_ref head,
                   const wr_ref *tail, size_t n);

/* R5: our head, whose list has just been taken, names `n`, which lies between
 * us. Whether `n` is to be asked itself. */
bool wr_rule_nearer(struct wr_core *c, struct wr_ring *r, wr_ref n);

/* R6: `from` takes us for its head, or for the next behind its head `between`,
 * on its own word (R8). */
void wr_rule_notified(struct wr_core *c, struct wr_ring *r, wr_ref from,
                      wr_ref between);

/* R2, R6: `pred` is our predecessor now, ours so far the next. */
void wr_rule_let_in(struct wr_core *c, struct wr_ring *r, wr_ref pred);

/* R3, R6: forgets those that are gone, wherever it may. */
void wr_rule_purge(struct wr_core *c, struct wr_ring *r);

/* R2: `pred` answered as a member with this list of live entries. False, and
 * nothing changed, if we do not fit. */
bool wr_rule_enter(struct wr_core *c, struct wr_ring *r, wr_ref pred,
                   const wr_ref *succs, size_t n);

/* No member any more, for all we know: its host is held for dead or is away,
 * or it is a sibling that is out. */
bool wr_ring_gone(const struct wr_core *c, wr_ref m);

#endif
