/*
 * ring_tell.c - see ring.h: what members tell each other unasked. Who takes
 * whom for its head (R6), hints (R11), and letting newcomers in (R2).
 */
#include "proto/ring_parts.h"

#include "proto/boot.h"
#include "proto/peers.h"
#include "proto/rules.h"

/* ---- notify and rectify -------------------------------------------------- */

static void knocked(struct wr_core *c, struct wr_ring *r, wr_ref j);
static void let_in(struct wr_core *c, struct wr_ring *r, wr_ref by);

void wr_ring_notified(struct wr_core *c, struct wr_ring *r, wr_ref from,
                      const struct wr_msg *m)
{
    const wr_ref pred = r->pred;

    if (r->phase == WR_RING_OUT && m->notify.as == WR_NOTIFY_HEAD)
        let_in(c, r, from);
    if (r->phase != WR_RING_MEMBER)
        return;
    if (m->notify.as == WR_NOTIFY_PRED) {
        knocked(c, r, from);
        return;
    }
    wr_rule_notified(c, r, from,
                     m->notify.as == WR_NOTIFY_SECOND ? m->notify.between
                                                      : WR_NO_REF);
    if (r->pred != pred && pred != WR_NO_REF && !wr_ring_gone(c, pred))
        wr_ring_hand_on(c, r, pred, from); /* It takes us for its head still. */
}

static void tell(struct wr_core *c, const struct wr_ring *r, wr_ref to,
                 enum wr_notify as)
{
    struct wr_ring *sibling = wr_rings_of(c, to);
    struct wr_msg m = {
        .kind = WR_MSG_NOTIFY,
        .notify = {.as = (uint8_t)as, .between = WR_NO_REF},
    };

    if (as == WR_NOTIFY_SECOND)
        m.notify.between = r->succs[0];
    if (sibling != NULL)
        wr_ring_notified(c, sibling, r->self, &m);
    else
        wr_core_send(c, r->self, to, &m);
}

/* Once, whoever follows our head: should that die, it knows by our own word
 * where its range begins (R6). */
static void tell_second(struct wr_core *c, struct wr_ring *r)
{
    if (r->succs_n < 2 ||
        (r->told[0] == r->succs[0] && r->told[1] == r->succs[1]))
        return;
    memcpy(r->told, r->succs, sizeof(r->told));
    tell(c, r, r->succs[1], WR_NOTIFY_SECOND);
}

void wr_ring_notify(struct wr_core *c, struct wr_ring *r)
{
    WR_CHECK(r->succs_n > 0);
    tell(c, r, r->succs[0], WR_NOTIFY_HEAD);
    tell_second(c, r);
}

void wr_ring_rectify(struct wr_core *c, struct wr_ring *r, bool lives)
{
    if (!lives && r->spare != WR_NO_REF && !wr_ring_gone(c, r->spare)) {
        r->pred = r->spare;
        r->spare = WR_NO_REF;
    } else if (lives && r->rival && r->spare != WR_NO_REF) {
        wr_ring_hand_on(c, r, r->spare, r->pred);
    }
    r->rival = false;
}

/* ---- hints (R11) --------------------------------------------------------- */

void wr_ring_hinted(struct wr_core *c, struct wr_ring *r, wr_ref from, wr_ref q)
{
    if (r->phase == WR_RING_OUT)
        wr_boot_hinted(c, r, from, q);
    if (r->phase != WR_RING_MEMBER)
        return;
    if (!wr_book_has(c->book, q) || q == r->self || wr_ring_gone(c, q))
        return;
    if (q == r->succs[0])
        tell(c, r, q, WR_NOTIFY_HEAD); /* It may not know. */
    if (from == r->pred && wr_core_between(c, from, q, r->self)) {
        wr_rule_let_in(c, r, q);
    }
    if (!wr_core_between(c, r->self, q, r->succs[0]))
        return;
    if (r->hint == WR_NO_REF || wr_core_between(c, r->self, q, r->hint))
        r->hint = q;
}

void wr_ring_hand_on(struct wr_core *c, struct wr_ring *r, wr_ref to, wr_ref q)
{
    struct wr_ring *sibling = wr_rings_of(c, to);
    struct wr_msg m = {.kind = WR_MSG_HINT};

    m.hint.member = q;
    if (sibling != NULL)
        wr_ring_hinted(c, sibling, r->self, q);
    else
        wr_core_send(c, r->self, to, &m);
}

/* ---- letting in (R2) ----------------------------------------------------- */

/* Of our successors the last before `q`, which lies behind our head. */
static wr_ref last_before(const struct wr_core *c, const struct wr_ring *r,
                          wr_ref q)
{
    uint8_t i = 0;

    while (i + 1 < r->succs_n &&
           wr_core_between(c, r->self, r->succs[i + 1], q))
        i++;
    return r->succs[i];
}

/* `j` becomes a member by our word, and its two neighbours hear of each other
 * from us: from here on the keys up to it are its own. */
static void insert(struct wr_core *c, struct wr_ring *r, wr_ref j)
{
    const wr_ref old = r->succs[0];

    if (r->succs_n < c->cfg->succs)
        r->succs_n++;
    memmove(&r->succs[1], &r->succs[0],
            (r->succs_n - 1u) * sizeof(r->succs[0]));
    r->succs[0] = r->sure = j;
    r->guests++;
    r->stuck = 0;
    tell(c, r, j, WR_NOTIFY_HEAD);
    /* Which j, whose list is older, may not know. */
    wr_ring_hand_on(c, r, j, old);
    wr_ring_hand_on(c, r, old, j);
}

/* They are members once they have heard it from us, and one entry at least has
 * to be one by its own word: else we could be left with none (A1). */
static bool has_room(const struct wr_core *c, const struct wr_ring *r)
{
    return r->guests == 0 || r->guests + 1 < c->cfg->succs;
}

/* Whether somebody may be between us and our head for all we know, for that has
 * not spoken yet or is about to. Not for ever: it may be out of our reach, and
 * whoever comes between would not be, or it may be hostile. */
static bool unsure(const struct wr_ring *r)
{
    return r->stuck < WR_RING_STUCK &&
           (r->sure != r->succs[0] || r->ghost != WR_NO_REF ||
            r->op == WR_OP_STABILISE || r->op == WR_OP_IMPROVE);
}

/* R2: `j`, which has our list, would be our head. Where somebody may be
 * between, it has to knock again. */
static void knocked(struct wr_core *c, struct wr_ring *r, wr_ref j)
{
    if (j == r->succs[0])
        tell(c, r, j, WR_NOTIFY_HEAD);
    else if (!wr_core_between(c, r->self, j, r->succs[0]))
        wr_ring_hand_on(c, r, j, last_before(c, r, j));
    else if (!unsure(r) && has_room(c, r))
        insert(c, r, j);
}

bool wr_ring_knock(struct wr_core *c, struct wr_ring *r, wr_ref pred,
                   const wr_ref *succs, size_t n)
{
    while (n > 0 && wr_ring_gone(c, succs[0])) { /* R3 */
        succs++;
        n--;
    }
    if (n == 0 || !wr_rule_enter(c, r, pred, succs, n))
        return false;
    tell(c, r, pred, WR_NOTIFY_PRED);
    return true;
}

/* R2: the one that we knocked at has us for its head. */
static void let_in(struct wr_core *c, struct wr_ring *r, wr_ref by)
{
    if (r->op != WR_OP_JOIN || r->op_peer != by)
        return;
    wr_rule_purge(c, r);
    if (r->succs_n == 0)
        return; /* It has not knocked, or its list has died since. */
    wr_ring_op_end(r);
    wr_ring_be_in(c, r);
    tell_second(c, r); /* Now: our head may die before it has answered. */
}
