/* ring.c - see ring.h; rule numbers refer to docs/protocol.md. */
#include "proto/ring.h"

#include "proto/boot.h"
#include "proto/peers.h"
#include "proto/place.h"
#include "proto/roster.h"
#include "proto/routes.h"
#include "proto/rules.h"

static const struct wr_id *id_of(const struct wr_core *c, wr_ref m)
{
    return wr_book_id(c->book, m);
}

struct wr_ring *wr_rings_of(const struct wr_core *c, wr_ref ref)
{
    return wr_core_ours(c, ref) && wr_ref_index(ref) < c->cfg->members
               ? &c->rings[wr_ref_index(ref)]
               : NULL;
}

bool wr_ring_gone(const struct wr_core *c, wr_ref m)
{
    const struct wr_ring *sibling = wr_rings_of(c, m);

    if (sibling != NULL)
        return sibling->phase != WR_RING_MEMBER;
    return !wr_peers_alive(c, wr_ref_host(m));
}

void wr_ring_op_end(struct wr_ring *r)
{
    r->op = WR_OP_NONE;
    r->op_peer = WR_NO_REF;
    r->op_until = WR_NEVER;
}

static void be_out(struct wr_ring *r)
{
    r->pred = r->spare = r->hint = r->lost = WR_NO_REF;
    r->sure = r->ghost = r->told[0] = r->told[1] = WR_NO_REF;
    r->rival = false;
    r->succs_n = r->guests = 0;
    wr_ring_op_end(r);
}

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
        !wr_ring_between(s->c, s->after, m, s->r->self))
        return;
    if (s->best == WR_NO_REF || wr_ring_between(s->c, s->after, m, s->best))
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
    be_out(r);
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
    } else if (r->op != WR_OP_NONE && !r->op_heard) {
        /* R7. One that was itself told "pending" has no query under way until
         * it asks again: were it to say "pending" meanwhile, members could
         * wait for each other all the way round. */
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

/* ---- notify and rectify -------------------------------------------------- */

static void knocked(struct wr_core *c, struct wr_ring *r, wr_ref j);
static void hand_on(struct wr_core *c, struct wr_ring *r, wr_ref to, wr_ref q);

/* R2: the one that we knocked at has us for its head. */
static void let_in(struct wr_core *c, struct wr_ring *r, wr_ref by);

/* NOTIFY from `from` to our member `r`. */
static void notified(struct wr_core *c, struct wr_ring *r, wr_ref from,
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
        hand_on(c, r, pred, from); /* It takes us for its head still. */
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
        notified(c, sibling, r->self, &m);
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

static void notify(struct wr_core *c, struct wr_ring *r)
{
    WR_CHECK(r->succs_n > 0);
    tell(c, r, r->succs[0], WR_NOTIFY_HEAD);
    tell_second(c, r);
}

/* R6's end: is the predecessor a member still? */
static void rectify(struct wr_core *c, struct wr_ring *r, bool lives)
{
    if (!lives && r->spare != WR_NO_REF && !wr_ring_gone(c, r->spare)) {
        r->pred = r->spare;
        r->spare = WR_NO_REF;
    } else if (lives && r->rival && r->spare != WR_NO_REF) {
        hand_on(c, r, r->spare, r->pred);
    }
    r->rival = false;
}

/* ---- hints (R11) --------------------------------------------------------- */

static void on_hint(struct wr_core *c, struct wr_ring *r, wr_ref from, wr_ref q)
{
    if (r->phase == WR_RING_OUT)
        wr_boot_hinted(c, r, from, q);
    if (r->phase != WR_RING_MEMBER)
        return;
    if (!wr_book_has(c->book, q) || q == r->self || wr_ring_gone(c, q))
        return;
    if (q == r->succs[0])
        tell(c, r, q, WR_NOTIFY_HEAD); /* It may not know. */
    if (from == r->pred && wr_ring_between(c, from, q, r->self)) {
        wr_rule_let_in(c, r, q);
    }
    if (!wr_ring_between(c, r->self, q, r->succs[0]))
        return;
    if (r->hint == WR_NO_REF || wr_ring_between(c, r->self, q, r->hint))
        r->hint = q;
}

static void hand_on(struct wr_core *c, struct wr_ring *r, wr_ref to, wr_ref q)
{
    struct wr_ring *sibling = wr_rings_of(c, to);
    struct wr_msg m = {.kind = WR_MSG_HINT};

    m.hint.member = q;
    if (sibling != NULL)
        on_hint(c, sibling, r->self, q);
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
           wr_ring_between(c, r->self, r->succs[i + 1], q))
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
    tell(c, r, j, WR_NOTIFY_HEAD);
    hand_on(c, r, j, old); /* Which j, whose list is older, may not know. */
    hand_on(c, r, old, j);
}

/* They are members once they have heard it from us, and one entry at least has
 * to be one by its own word: else we could be left with none (A1). */
static bool has_room(const struct wr_core *c, const struct wr_ring *r)
{
    return r->guests == 0 || r->guests + 1 < c->cfg->succs;
}

/* R2: `j`, which has our list, would be our head. Where somebody may be between
 * for all we know, for our own head has not spoken yet or is about to, it has
 * to knock again. */
static void knocked(struct wr_core *c, struct wr_ring *r, wr_ref j)
{
    if (j == r->succs[0])
        tell(c, r, j, WR_NOTIFY_HEAD);
    else if (!wr_ring_between(c, r->self, j, r->succs[0]))
        hand_on(c, r, j, last_before(c, r, j));
    else if (r->sure == r->succs[0] && r->ghost == WR_NO_REF &&
             r->op != WR_OP_STABILISE && r->op != WR_OP_IMPROVE &&
             has_room(c, r))
        insert(c, r, j);
}

/* ---- answers ------------------------------------------------------------- */

/* R3: the head is no member. The next one is asked in the same round. */
static void drop_head(struct wr_core *c, struct wr_ring *r)
{
    r->succs_n--;
    memmove(&r->succs[0], &r->succs[1], r->succs_n * sizeof(r->succs[0]));
    r->round_at = c->now;
    wr_rule_purge(c, r);
    if (r->succs_n == 0)
        exhaust(c, r);
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
    if (head != r->succs[0] ||
        !wr_rule_adopt(c, r, head, m->view.succs, m->view.succs_n))
        return;
    r->sure = head;
    r->guests = 0;
    r->ghost = WR_NO_REF;
    if (n == WR_NO_REF || !wr_book_has(c->book, n) || n == r->self ||
        !wr_ring_between(c, r->self, n, head) || !wr_rule_nearer(c, r, n)) {
        notify(c, r);
    } else if (wr_ring_gone(c, n)) {
        r->ghost = n; /* Either the head is behind, or we are. */
        wr_peers_named(c, wr_ref_host(n), true);
        notify(c, r);
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
    if (r->succs[0] != old || !wr_ring_between(c, r->self, n, old)) {
        c->count->recv_stale_total++;
        return;
    }
    if (!wr_rule_adopt(c, r, n, m->view.succs, m->view.succs_n))
        return;
    r->sure = n;
    r->guests = 0;
    notify(c, r);
    if (hinted)
        hand_on(c, r, n, old);
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
            notify(c, r);
        return;
    case WR_OP_RECTIFY: /* R6 */
        rectify(c, r, false);
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
        return patience + patience * id_of(c, r->self)->b[0] / 256;
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
            rectify(c, r, true);
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
            rectify(c, r, true);
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

/* VIEW, if it is the one that this member waits for. */
static bool recv_view(struct wr_core *c, struct wr_ring *r, wr_ref from,
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

/* P6: what it said before it left for good may arrive behind its farewell; of
 * a removed one nothing is believed. The dead have been cleared by speaking. */
static bool has_left(const struct wr_core *c, wr_host host)
{
    return !wr_peers_alive(c, host) && !wr_peers_away(c, host);
}

bool wr_rings_recv(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    const wr_ref sender = wr_core_sender(c, from, m);
    struct wr_ring *r = m->to < c->cfg->members ? &c->rings[m->to] : NULL;
    struct wr_msg answer;

    if (r == NULL || sender == WR_NO_REF) {
        c->count->recv_misfit_total++;
        return true;
    }
    if (has_left(c, from) &&
        (m->kind == WR_MSG_NOTIFY || m->kind == WR_MSG_HINT)) {
        c->count->recv_stale_total++;
        return true;
    }
    switch (m->kind) {
    case WR_MSG_VIEW_ASK:
        wr_ring_view(c, r, &answer);
        answer.rid = m->rid;
        wr_core_send(c, r->self, sender, &answer);
        return true;
    case WR_MSG_VIEW:
        return recv_view(c, r, sender, m);
    case WR_MSG_NOTIFY:
        if (m->notify.as == WR_NOTIFY_SECOND && m->notify.between == WR_NO_REF)
            c->count->recv_misfit_total++; /* It claims to be next to us. */
        else
            notified(c, r, sender, m);
        return true;
    case WR_MSG_HINT:
        on_hint(c, r, sender, m->hint.member);
        return true;
    default:
        return false;
    }
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
        rectify(c, r, false);
    if (r->succs_n == 0) {
        exhaust(c, r);
    } else if (r->succs[0] != head) {
        /* The next round begins now, spread lest all members of a host that
         * lost the same neighbour speak at once. */
        const wr_time spread =
            c->cfg->patience_min_us * c->cfg->jitter_permille / 1000;

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

static bool is_at(wr_ref m, wr_host host)
{
    return m != WR_NO_REF && wr_ref_host(m) == host;
}

bool wr_rings_near(const struct wr_core *c, wr_host host)
{
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        const struct wr_ring *r = &c->rings[i];
        const struct wr_place *p = &c->places[i];

        if (is_at(r->pred, host) || is_at(r->spare, host) ||
            is_at(r->op_peer, host))
            return true;
        for (uint8_t k = 0; k < r->succs_n; k++)
            if (wr_ref_host(r->succs[k]) == host)
                return true;
        for (uint8_t k = 0; k < p->n; k++)
            if (wr_ref_host(p->more[k]) == host)
                return true;
    }
    return false;
}

void wr_rings_back(struct wr_core *c, wr_host host)
{
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        struct wr_ring *r = &c->rings[i];

        if (r->ghost != WR_NO_REF && wr_ref_host(r->ghost) == host)
            on_hint(c, r, r->succs[0], r->ghost);
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
        wr_ring_op_end(r); /* R7: nothing has changed. */
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
            rectify(c, r, false);
        else
            op_begin(c, r, WR_OP_RECTIFY, r->pred, false);
    } else if (r->hint != WR_NO_REF && r->quiet > 0 && r->sure == r->succs[0]) {
        const wr_ref q = r->hint;

        r->hint = WR_NO_REF;
        if (!wr_ring_gone(c, q) &&
            wr_ring_between(c, r->self, q, r->succs[0])) {
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

/* ---- coming and going -----------------------------------------------------
 */

void wr_rings_init(struct wr_core *c, wr_ref *succs)
{
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        c->rings[i] = (struct wr_ring){
            .self = wr_ref_of(c->cfg->self, i),
            .succs = succs + (size_t)i * c->cfg->succs,
        };
        be_out(&c->rings[i]);
    }
}

static void sort_by_id(const struct wr_core *c, wr_ref *v, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap /= 2) {
        for (size_t i = gap; i < n; i++) {
            const wr_ref x = v[i];
            size_t j = i;

            for (; j >= gap && wr_id_cmp(id_of(c, x), id_of(c, v[j - gap])) < 0;
                 j -= gap)
                v[j] = v[j - gap];
            v[j] = x;
        }
    }
}

static void be_in(struct wr_core *c, struct wr_ring *r)
{
    r->phase = WR_RING_MEMBER;
    r->round_at = c->now;
    r->quiet = 1;
    c->count->joins_total++;
    wr_core_note(c, WR_NOTE_JOINED, c->cfg->self, r->self);
}

void wr_ring_start(struct wr_core *c, struct wr_ring *r, wr_ref pred,
                   const wr_ref *succs, wr_time first_us)
{
    WR_CHECK(r->phase == WR_RING_OUT);
    be_out(r);
    memcpy(r->succs, succs, c->cfg->succs * sizeof(succs[0]));
    r->succs_n = c->cfg->succs;
    r->pred = pred;
    r->sure = r->succs[0];
    be_in(c, r);
    r->round_at = c->now + first_us;
}

void wr_rings_start(struct wr_core *c, wr_ref *members, size_t n)
{
    wr_ref succs[WR_SUCCS_MAX];

    WR_CHECK(n > c->cfg->succs); /* R1: never fewer than r+1. */
    sort_by_id(c, members, n);
    for (size_t i = 0; i < n; i++) {
        struct wr_ring *r = wr_rings_of(c, members[i]);

        if (r == NULL)
            continue;
        for (uint8_t k = 0; k < c->cfg->succs; k++)
            succs[k] = members[(i + 1 + k) % n];
        wr_ring_start(c, r, members[(i + n - 1) % n], succs,
                      wr_core_interval(c, c->cfg->round_us));
    }
}

static void let_in(struct wr_core *c, struct wr_ring *r, wr_ref by)
{
    if (r->op != WR_OP_JOIN || r->op_peer != by)
        return;
    wr_rule_purge(c, r);
    if (r->succs_n == 0)
        return; /* It has not knocked, or its list has died since. */
    wr_ring_op_end(r);
    be_in(c, r);
    tell_second(c, r); /* Now: our head may die before it has answered. */
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

void wr_rings_leave(struct wr_core *c)
{
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        be_out(&c->rings[i]);
        c->rings[i].phase = WR_RING_LEFT;
    }
}

/* ---- ownership ----------------------------------------------------------- */

/* The nearest live member before `r` that the roster names. */
static wr_ref live_before(const struct wr_core *c, const struct wr_ring *r)
{
    wr_ref best = WR_NO_REF;
    uint32_t at = 0;
    wr_host h;

    while ((h = wr_roster_next(c, &at)) != WR_NO_HOST) {
        const uint8_t members = wr_book_host(c->book, h)->members;

        for (uint8_t i = 0; i < members; i++) {
            const wr_ref m = wr_ref_of(h, i);

            if (m != r->self && !wr_ring_gone(c, m) &&
                (best == WR_NO_REF || wr_ring_between(c, best, m, r->self)))
                best = m;
        }
    }
    return best;
}

bool wr_ring_owns(const struct wr_core *c, const struct wr_ring *r,
                  const struct wr_id *key)
{
    wr_ref from = r->pred;

    if (r->phase != WR_RING_MEMBER)
        return false;
    if (wr_id_owns(id_of(c, from), key, id_of(c, r->self)))
        return true;
    if (!wr_ring_gone(c, from))
        return false;
    from = live_before(c, r);
    return from != WR_NO_REF &&
           wr_id_owns(id_of(c, from), key, id_of(c, r->self));
}

struct wr_ring *wr_rings_owner(const struct wr_core *c, const struct wr_id *key)
{
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        if (wr_ring_owns(c, &c->rings[i], key))
            return &c->rings[i];
    }
    return NULL;
}

bool wr_rings_any(const struct wr_core *c)
{
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        if (c->rings[i].phase == WR_RING_MEMBER)
            return true;
    }
    return false;
}
