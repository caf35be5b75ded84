/*
 * rules2001.c - the rules of the ring as Chord had them in 2001, in the place
 * of src/proto/rules.c, so that a test can see the checkers fail: no version
 * of that protocol is correct (Zave 2017). Where a member had no predecessor
 * it is its own here: everybody lies between a member and itself.
 */
#include "proto/rules.h"

/* No list is refused, and none is cut before our own id. */
bool wr_rule_adopt(struct wr_core *c, struct wr_ring *r, wr_ref head,
                   const wr_ref *tail, size_t n)
{
    r->lost = WR_NO_REF;
    r->succs_n = 0;
    r->succs[r->succs_n++] = head;
    for (size_t i = 0; i < n && r->succs_n < c->cfg->succs; i++)
        if (wr_book_has(c->book, tail[i]) && tail[i] != r->self)
            r->succs[r->succs_n++] = tail[i];
    return true;
}

/* Hearsay makes it our head, alive or not, in the old one's place. */
bool wr_rule_nearer(struct wr_core *c, struct wr_ring *r, wr_ref n)
{
    (void)c;
    r->succs[0] = n;
    return false;
}

/* Nobody asks whether the predecessor lives. */
void wr_rule_notified(struct wr_core *c, struct wr_ring *r, wr_ref from,
                      wr_ref between)
{
    if (between == WR_NO_REF && from != r->self &&
        wr_core_between(c, r->pred, from, r->self))
        r->pred = from;
}

void wr_rule_let_in(struct wr_core *c, struct wr_ring *r, wr_ref pred)
{
    (void)c;
    r->pred = pred;
}

/* A predecessor that failed is cleared; of the list, only the head goes. */
void wr_rule_purge(struct wr_core *c, struct wr_ring *r)
{
    if (r->pred != r->self && wr_ring_gone(c, r->pred))
        r->pred = r->self;
    while (r->succs_n > 0 && wr_ring_gone(c, r->succs[0])) {
        r->succs_n--;
        memmove(&r->succs[0], &r->succs[1], r->succs_n * sizeof(r->succs[0]));
    }
}

/* A newcomer knows its successor, and nothing else. */
bool wr_rule_enter(struct wr_core *c, struct wr_ring *r, wr_ref pred,
                   const wr_ref *succs, size_t n)
{
    (void)pred;
    (void)n;
    r->pred = r->self;
    return wr_rule_adopt(c, r, succs[0], NULL, 0);
}
