/*
 * ring_upkeep.c - see ring.h: the operation that a member has in flight (R7).
 * Rounds ask the successor (R3, R4), a nearer one (R5), the predecessor (R6);
 * their answers; and what is left where nobody answers (R12).
 */
#include "proto/ring_parts.h"

#include "proto/boot.h"
#include "proto/peers.h"
#include "proto/routes.h"
#include "proto/rules.h"

/* ---- no live entry is left (R12): a break of A1 ---------------------------
 */

/* The nearest live member clockwise from `r`, past `best`'s bound, that we
 * know of by whatever means. */
struct nearest {
    const struct wr_core *c;
    const struct wr_ring *r;
    wr_ref after; /* Only beyond this one. */
    wr_ref best;
};

static void offer(struct nearest *s, wr_ref m)
{
    if (m == WR_NO_REF || m == s->r->self || wr_ring_gone(s->c, m) ||
        !wr_core_between(s->c, s->after, m, s->r->self))
        return;
    if (s->best == WR_NO_REF || wr_core_between(s->c, s->after, m, s->best))
        s->best = m;
}

static wr_ref nearest_known(const struct wr_core *c, const struct wr_ring *r)
{
    struct nearest s = {c, r, r->lost != WR_NO_REF ? r->lost : r->self,
                        WR_NO_REF};

    for (uint8_t i = 0; i < c->cfg->members; i++) {
        const struct wr_ring *sibling = &c->rings[i];

        if (sibling->phase != WR_RING_MEMBER)
            continue;
        offer(&s, sibling->self);
        offer(&s, sibling->pred);
        for (uint8_t k = 0; k < sibling->succs_n; k++)
            offer(&s, sibling->succs[k]);
    }
    for (uint32_t i = 0; i < c->routes->n; i++)
        offer(&s, c->routes->refs[i]);
    return s.best;
}

/* Whoever stopped being a member here would drag its predecessor down, whose
 * list holds it and the same dead, and so on all the way round. So it goes on
 * with the nearest live member that it knows of, asks that one itself (R8),
 * and finds those between by R5. Only where it knows nobody it is out, and
 * boot.c brings it back in. */
static void exhaust(struct wr_core *c, struct wr_ring *r)
{
    const wr_ref next = nearest_known(c, r);

    c->count->assumption_breaks_total++;
    wr_core_note(c, WR_NOTE_EXHAUSTED, c->cfg->self, r->self);
    if (next != WR_NO_REF) {
        wr_ring_op_end(r);
        r->lost = next; /* Should it be gone, too: the next one beyond. */
        r->succs[0] = next;
        r->succs_n = 1;
        r->round_at = c->now;
        return;
    }
    wr_ring_be_out(r);
    r->phase = WR_RING_OUT;
    c->incarnation++;
    wr_boot_exhausted(c);
    (void)wr_outbox_push(c->out, WR_FX_PERSIST);
}

/* ---- asking ------------------------------------------------------------- */

void wr_ring_view(const struct wr_core *c, const struct wr_ring *r,
                  struct wr_msg *ret)
{
    *ret = (struct wr_msg){.kind = WR_MSG_VIEW, .from = wr_ref_index(r->self)};
    ret->view.incarnation = c->incarnation;
    ret->view.pred = WR_NO_REF;
    if (r->phase != WR_RING_MEMBER) {
        ret->view.state = WR_VIEW_NOT_MEMBER;
    } else if (r->op != WR_OP_NONE && !r->op_heard &&
               r->stuck < WR_RING_STUCK) {
        /* R7. One that was itself told "pending" has no query under way until
         * it asks again: were it to say "pending" meanwhile, members could
         * wait for each other all the way round; and for ever for one that
         * asks somebody who is out of its reach. */
        ret->view.state = WR_VIEW_PENDING;
    } else {
        ret->view.state = WR_VIEW_MEMBER;
        ret->view.pred = r->pred;
        ret->view.succs = r->succs;
        ret->view.succs_n = r->succs_n;
    }
}

static void on_view(struct wr_core *c, struct wr_ring *r,
                    const struct wr_msg *m);

/* Asks op_peer for its view; a sibling answers at once. */
static void op_ask(struct wr_core *c, struct wr_ring *r)
{
    const wr_host host = wr_ref_host(r->op_peer);
    const struct wr_ring *sibling = wr_rings_of(c, r->op_peer);
    struct wr_msg m;

    r->op_asks++;
    r->op_clean = r->op_asks == 1;
    r->op_heard = false;
    r->op_at = c->now;
    r->op_until = c->now + wr_peers_patience(c, host);
    if (sibling != NULL) {
        wr_ring_view(c, sibling, &m);
        on_view(c, r, &m);
        return;
    }
    m = (struct wr_msg){.kind = WR_MSG_VIEW_ASK, .rid = r->op_rid};
    wr_peers_sent(c, host);
    wr_core_send(c, r->self, r->op_peer, &m);
}

static void op_begin(struct wr_core *c, struct wr_ring *r, enum wr_ring_op op,
                     wr_ref peer, bool hinted)
{
    WR_CHECK(r->op == WR_OP_NONE); /* R7 */
    WR_CHECK(peer != r->self);
    r->op = (uint8_t)op;
    r->op_peer = peer;
    r->op_head = r->succs[0];
    r->op_hint = hinted;
    r->op_rid = wr_rng_next(c->rng);
    r->op_asks = 0;
    op_ask(c, r);
}

/* ---- answers ------------------------------------------------------------- */

/* R3: the head is no member. The next one is asked in the same round. */
static void drop_head(struct wr_core *c, struct wr_ring *r)
{
    r->succs_n--;
    r->stuck = 0;
    memmove(&r->succs[0], &r->succs[1], r->succs_n * sizeof(r->succs[0]));
    r->round_at = c->now;
    wr_rule_purge(c, r);
    if (r->succs_n == 0)
        exhaust(c, r);
}

static void unclear(struct wr_ring *r)
{
    if (r->stuck < WR_RING_STUCK)
        r->stuck++;
}

/* R4: the head's own word. Then R5, if its predecessor lies between us. */
static void on_head(struct wr_core *c, struct wr_ring *r,
                    const struct wr_msg *m)
{
    const wr_ref head = r->op_peer;
    const wr_ref n = m->view.pred;

    wr_ring_op_end(r);
    /* A liar is worth as much as silence, but it is not dead: keep, and ask
     * again next round. */
    if (head != r->succs[0])
        return;
    if (!wr_rule_adopt(c, r, head, m->view.succs, m->view.succs_n)) {
        unclear(r);
        return;
    }
    r->sure = head;
    r->guests = 0;
    r->ghost = WR_NO_REF;
    if (n == WR_NO_REF || !wr_book_has(c->book, n) || n == r->self ||
        !wr_core_between(c, r->self, n, head) || !wr_rule_nearer(c, r, n)) {
        r->stuck = 0;
        wr_ring_notify(c, r);
    } else if (wr_ring_gone(c, n)) {
        r->ghost = n; /* Either the head is behind, or we are. */
        unclear(r);
        wr_peers_named(c, wr_ref_host(n), true);
        wr_ring_notify(c, r);
    } else {
        op_begin(c, r, WR_OP_IMPROVE, n, false);
    }
}

/* R5: a nearer head, on its own word (R8), and only if ours is still the one
 * that it was to be nearer than. */
static void on_nearer(struct wr_core *c, struct wr_ring *r,
                      const struct wr_msg *m)
{
    const wr_ref n = r->op_peer, old = r->op_head;
    const bool hinted = r->op_hint;

    wr_ring_op_end(r);
    if (r->succs[0] != old || !wr_core_between(c, r->self, n, old)) {
        c->count->recv_stale_total++;
        return;
    }
    if (!wr_rule_adopt(c, r, n, m->view.succs, m->view.succs_n))
        return;
    r->sure = n;
    r->guests = r->stuck = 0;
    wr_ring_notify(c, r);
    if (hinted)
        wr_ring_hand_on(c, r, n, old);
}

/* The peer of the operation is dead to the ring: its host is, or it said that
 * it is no member (R10). */
static void on_dead(struct wr_core *c, struct wr_ring *r)
{
    const enum wr_ring_op op = (enum wr_ring_op)r->op;
    const wr_ref peer = r->op_peer;
    const bool hinted = r->op_hint;

    wr_ring_op_end(r);
    switch (op) {
    case WR_OP_STABILISE: /* R3 */
        if (r->succs[0] == peer)
            drop_head(c, r);
        return;
    case WR_OP_IMPROVE: /* R5: the hearsay was stale; our head stands. */
        if (!hinted)
            wr_ring_notify(c, r);
        return;
    case WR_OP_RECTIFY: /* R6 */
        wr_ring_rectify(c, r, false);
        return;
    case WR_OP_NONE:
    case WR_OP_FIND:
    case WR_OP_JOIN:
        break;
    }
    WR_UNREACHABLE();
}

/* R10: op_peer said so itself. What it said to one of ours holds for all: any
 * of them may drop it at any position (R3). */
static void not_member(struct wr_core *c, struct wr_ring *r)
{
    const wr_ref peer = r->op_peer;

    on_dead(c, r);
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        struct wr_ring *s = &c->rings[i];
        uint8_t kept = 0;

        if (s->phase != WR_RING_MEMBER)
            continue;
        for (uint8_t k = 0; k < s->succs_n; k++) {
            if (s->succs[k] != peer)
                s->succs[kept++] = s->succs[k];
        }
        s->succs_n = kept;
        if (kept == 0)
            exhaust(c, s);
    }
}

/* How long to wait before asking a busy member again: not in step with one
 * that waits for us. */
static wr_time pause_of(struct wr_core *c, const struct wr_ring *r)
{
    const wr_time patience = wr_peers_patience(c, wr_ref_host(r->op_peer));

    if (c->cfg->jitter_permille == 0)
        return patience + patience * wr_core_id(c, r->self)->b[0] / 256;
    return patience / 2 + wr_rng_below(c->rng, patience + 1);
}

/* The awaited view came. */
static void on_view(struct wr_core *c, struct wr_ring *r,
                    const struct wr_msg *m)
{
    switch (m->view.state) {
    case WR_VIEW_NOT_MEMBER:
        not_member(c, r);
        return;
    case WR_VIEW_PENDING: /* R7: alive, so patience starts anew. */
        if (r->op == WR_OP_RECTIFY) {
            wr_ring_op_end(r);
            wr_ring_rectify(c, r, true);
            return;
        }
        r->op_heard = true;
        r->op_until = c->now + pause_of(c, r);
        return;
    case WR_VIEW_MEMBER:
        if (r->op == WR_OP_STABILISE) {
            on_head(c, r, m);
        } else if (r->op == WR_OP_IMPROVE) {
            on_nearer(c, r, m);
        } else {
            wr_ring_op_end(r);
            wr_ring_rectify(c, r, true);
        }
        return;
    default:
        c->count->recv_misfit_total++;
    }
}

static bool op_is_upkeep(const struct wr_ring *r)
{
    return r->op == WR_OP_STABILISE || r->op == WR_OP_IMPROVE ||
           r->op == WR_OP_RECTIFY;
}

bool wr_ring_recv_view(struct wr_core *c, struct wr_ring *r, wr_ref from,
                       const struct wr_msg *m)
{
    if (!op_is_upkeep(r) || r->op_rid != m->rid || r->op_peer != from)
        return false;
    if (!wr_peers_incarnate(c, wr_ref_host(from), m->view.incarnation)) {
        c->count->recv_stale_total++; /* R7: from before its restart. */
        return true;
    }
    if (r->op_clean)
        wr_peers_answered(c, wr_ref_host(from), c->now - r->op_at);
    r->op_clean = false;
    on_view(c, r, m);
    return true;
}

/* ---- what the detector says ---------------------------------------------- */

static void ring_gone(struct wr_core *c, struct wr_ring *r, wr_host host)
{
    const wr_ref head = r->succs[0];

    if (op_is_upkeep(r) && wr_ref_host(r->op_peer) == host)
        on_dead(c, r);
    if (r->phase != WR_RING_MEMBER)
        return;
    wr_rule_purge(c, r);
    if (r->pred != WR_NO_REF && wr_ref_host(r->pred) == host)
        wr_ring_rectify(c, r, false);
    if (r->succs_n == 0) {
        exhaust(c, r);
    } else if (r->succs[0] != head) {
        /* The next round begins now, spread lest all members of a host that
         * lost the same neighbour speak at once. */
        const wr_time spread =
            c->cfg->patience_min_us * c->cfg->jitter_permille / 1000;

        r->stuck = 0;
        r->round_at =
            wr_time_min(r->round_at, c->now + wr_rng_below(c->rng, spread + 1));
    }
}

void wr_rings_gone(struct wr_core *c, wr_host host)
{
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        if (c->rings[i].phase == WR_RING_MEMBER)
            ring_gone(c, &c->rings[i], host);
    }
}

/* ---- time ---------------------------------------------------------------- */

/* Patience ran out. Silence alone decides nothing: the detector is told, and
 * its verdict arrives as wr_rings_gone(). */
static void op_late(struct wr_core *c, struct wr_ring *r)
{
    const wr_host host = wr_ref_host(r->op_peer);

    if (r->op_asks >= WR_RING_ASKS) {
        r->rival = r->rival && r->op != WR_OP_RECTIFY; /* Until next time. */
        if (r->op != WR_OP_RECTIFY)
            r->stuck = WR_RING_STUCK; /* Alive, and out of our reach. */
        wr_ring_op_end(r);            /* R7: nothing has changed. */
        return;
    }
    if (!r->op_heard)
        wr_peers_silent(c, host);
    op_ask(c, r);
}

static void round_begin(struct wr_core *c, struct wr_ring *r)
{
    r->round_at = c->now + wr_core_interval(c, c->cfg->round_us);
    c->count->rounds_total++;
    if (r->quiet < UINT8_MAX)
        r->quiet++;
    wr_rule_purge(c, r);
    if (r->succs_n == 0)
        exhaust(c, r);
    if (r->phase == WR_RING_MEMBER)
        op_begin(c, r, WR_OP_STABILISE, r->succs[0], false);
}

/* Starts what is due, if nothing is in flight: a duty may wait, never be
 * forgotten. Whether it did something. */
static bool advance(struct wr_core *c, struct wr_ring *r)
{
    if (r->phase != WR_RING_MEMBER)
        return false;
    if (r->op != WR_OP_NONE) {
        if (c->now < r->op_until)
            return false;
        op_late(c, r);
    } else if (r->rival) {
        if (wr_ring_gone(c, r->pred))
            wr_ring_rectify(c, r, false);
        else
            op_begin(c, r, WR_OP_RECTIFY, r->pred, false);
    } else if (r->hint != WR_NO_REF && r->quiet > 0 && r->sure == r->succs[0]) {
        const wr_ref q = r->hint;

        r->hint = WR_NO_REF;
        if (!wr_ring_gone(c, q) &&
            wr_core_between(c, r->self, q, r->succs[0])) {
            r->quiet = 0; /* R11: one hint a round. */
            op_begin(c, r, WR_OP_IMPROVE, q, true);
        }
    } else if (c->now >= r->round_at) {
        round_begin(c, r);
    } else {
        return false;
    }
    return true;
}

void wr_rings_advance(struct wr_core *c)
{
    bool again = true;

    /* What one member does may give its siblings something to do. */
    while (again) {
        again = false;
        for (uint8_t i = 0; i < c->cfg->members; i++)
            again |= advance(c, &c->rings[i]);
    }
}

wr_time wr_rings_deadline(const struct wr_core *c)
{
    wr_time at = WR_NEVER;

    for (uint8_t i = 0; i < c->cfg->members; i++) {
        const struct wr_ring *r = &c->rings[i];

        if (r->phase == WR_RING_MEMBER)
            at = wr_time_min(at,
                             r->op != WR_OP_NONE ? r->op_until : r->round_at);
    }
    return at;
}
