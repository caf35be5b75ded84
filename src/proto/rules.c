/* rules.c - see rules.h. */
#include "proto/rules.h"

#include "proto/peers.h"

enum { NEAR = 3 }; /* Entries that are looked after in each round. */

/* A list that a peer gave is its word and may be wrong or hostile: it is
 * refused as a whole unless it runs strictly clockwise from its first entry
 * without passing that entry again. */
static bool clockwise(const struct wr_core *c, wr_ref head, const wr_ref *tail,
                      size_t n)
{
    wr_ref last = head;

    for (size_t i = 0; i < n; i++) {
        if (!wr_book_has(c->book, tail[i]) || tail[i] == head ||
            !wr_core_between(c, last, tail[i], head))
            return false;
        last = tail[i];
    }
    return true;
}

bool wr_rule_adopt(struct wr_core *c, struct wr_ring *r, wr_ref head,
                   const wr_ref *tail, size_t n)
{
    wr_ref last = head;

    if (n > WR_SUCCS_MAX || !clockwise(c, head, tail, n)) {
        c->count->recv_misfit_total++;
        return false;
    }
    r->lost = WR_NO_REF; /* `head` answered. */
    r->succs_n = 0;
    r->succs[r->succs_n++] = head;
    for (size_t i = 0; i < n && r->succs_n < c->cfg->succs; i++) {
        if (tail[i] == r->self || wr_core_between(c, last, r->self, tail[i]))
            break; /* Round the whole ring: fewer members than r. */
        last = tail[i];
        if (!wr_ring_gone(c, tail[i]))
            r->succs[r->succs_n++] = tail[i];
        else
            /* Whoever is next after our head's death must not be missing
             * because it has been away. */
            wr_peers_named(c, wr_ref_host(tail[i]), i < NEAR);
    }
    return true;
}

bool wr_rule_nearer(struct wr_core *c, struct wr_ring *r, wr_ref n)
{
    (void)c;
    (void)r;
    (void)n;
    return true;
}

void wr_rule_notified(struct wr_core *c, struct wr_ring *r, wr_ref from,
                      wr_ref between)
{
    const bool head = between == WR_NO_REF;

    if (from == r->self)
        return;
    if (from == r->pred) {
        r->rival = false; /* It lives. */
    } else if (r->pred == WR_NO_REF ||
               wr_core_between(c, r->pred, from, r->self)) {
        if (!head)
            return; /* And who is between? That one will say so itself. */
        wr_rule_let_in(c, r, from);
    } else if (head || between == r->pred) {
        /* Farther off: only if ours is dead. */
        if (r->spare == WR_NO_REF || wr_ring_gone(c, r->spare) ||
            wr_core_between(c, r->spare, from, r->self))
            r->spare = from;
        r->rival = r->rival || head;
    }
}

void wr_rule_let_in(struct wr_core *c, struct wr_ring *r, wr_ref pred)
{
    (void)c;
    r->spare = r->pred;
    r->pred = pred;
    r->rival = false;
    if (r->op == WR_OP_RECTIFY)
        wr_ring_op_end(r); /* Whom it asks about is our predecessor no more. */
}

void wr_rule_purge(struct wr_core *c, struct wr_ring *r)
{
    uint8_t kept = 0;

    for (uint8_t i = 0; i < r->succs_n; i++) {
        if (!wr_ring_gone(c, r->succs[i]))
            r->succs[kept++] = r->succs[i];
    }
    r->succs_n = kept;
    if (r->spare != WR_NO_REF && wr_ring_gone(c, r->spare))
        r->spare = WR_NO_REF;
    if (r->hint != WR_NO_REF && wr_ring_gone(c, r->hint))
        r->hint = WR_NO_REF;
}

bool wr_rule_enter(struct wr_core *c, struct wr_ring *r, wr_ref pred,
                   const wr_ref *succs, size_t n)
{
    if (!wr_core_between(c, pred, r->self, succs[0]) ||
        !wr_rule_adopt(c, r, succs[0], succs + 1, n - 1))
        return false;
    r->pred = pred;
    return true;
}
