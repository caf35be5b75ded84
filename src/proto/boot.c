/* boot.c - see boot.h; rule numbers refer to docs/protocol.md. */
#include "proto/boot.h"

#include "proto/peers.h"
#include "proto/ring.h"
#include "proto/roster.h"
#include "proto/routes.h"

enum {
    FIND_TRIES = 2, /* Asks of one candidate: there are others. */
};

static bool is_out(const struct wr_core *c, wr_ref m)
{
    const struct wr_ring *r = wr_rings_of(c, m);

    return r != NULL && r->phase != WR_RING_MEMBER;
}

/* ---- answering NEXT_ASK ---------------------------------------------------
 * Up to WR_NEXT_MAX of the known members nearest before a key, best first. */
struct nearest {
    const struct wr_core *c;
    const struct wr_id *key;
    wr_host without;
    wr_ref after; /* They lie behind this one of ours. */
    wr_ref *v;
    uint8_t n;
};

static void offer(struct nearest *s, wr_ref m)
{
    const struct wr_id *id = wr_core_id(s->c, m);
    uint8_t at = 0;

    if (wr_ref_host(m) == s->without || wr_core_ours(s->c, m) ||
        !wr_peers_alive(s->c, wr_ref_host(m)) ||
        !wr_id_between(wr_core_id(s->c, s->after), id, s->key))
        return;
    while (at < s->n && !wr_id_between(wr_core_id(s->c, s->v[at]), id, s->key))
        if (s->v[at++] == m)
            return;
    if (at == WR_NEXT_MAX)
        return;
    if (s->n < WR_NEXT_MAX)
        s->n++;
    memmove(&s->v[at + 1], &s->v[at], (s->n - at - 1u) * sizeof(s->v[0]));
    s->v[at] = m;
}

/* Our member nearest before the key; NULL if none of ours is a member. */
static const struct wr_ring *best_ours(const struct wr_core *c,
                                       const struct wr_id *key)
{
    const struct wr_ring *best = NULL;

    for (uint8_t i = 0; i < c->cfg->members; i++) {
        const struct wr_ring *r = &c->rings[i];

        if (r->phase == WR_RING_MEMBER &&
            !wr_id_eq(wr_core_id(c, r->self), key) &&
            (best == NULL || wr_id_between(wr_core_id(c, best->self),
                                           wr_core_id(c, r->self), key)))
            best = r;
    }
    return best;
}

/* The first successor of `r` that counts; its own self if none does. */
static wr_ref head_without(const struct wr_core *c, const struct wr_ring *r,
                           wr_host without)
{
    for (uint8_t i = 0; i < r->succs_n; i++) {
        if (wr_ref_host(r->succs[i]) != without &&
            (wr_core_ours(c, r->succs[i]) ||
             wr_peers_alive(c, wr_ref_host(r->succs[i]))))
            return r->succs[i];
    }
    return r->self;
}

void wr_boot_next(const struct wr_core *c, const struct wr_id *key,
                  wr_host without, struct wr_msg *ret, wr_ref *ret_nodes)
{
    const struct wr_ring *best = best_ours(c, key);
    wr_ref known[WR_NEXT_MAX / 2];

    *ret = wr_msg_of(WR_MSG_NEXT, 0);
    ret->next.nodes = ret_nodes;
    if (best == NULL)
        return; /* Not a member: no way from here. */
    const wr_ref head = head_without(c, best, without);
    if (wr_id_owns(wr_core_id(c, best->self), key, wr_core_id(c, head))) {
        ret_nodes[0] = best->self;
        ret->next.n = 1;
        ret->next.final = true;
        return;
    }
    struct nearest s = {c, key, without, best->self, ret_nodes, 0};
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        const struct wr_ring *r = &c->rings[i];

        if (r->phase != WR_RING_MEMBER)
            continue;
        offer(&s, r->pred);
        for (uint8_t k = 0; k < r->succs_n; k++)
            offer(&s, r->succs[k]);
    }
    /* And by what routes know, or the walk would take a step for every r
     * members. That may be members no more: so never these alone. */
    const size_t n =
        wr_routes_before(c->routes, c, key, known, WR_ARRAY_LEN(known));
    for (size_t i = 0; i < n; i++)
        offer(&s, known[i]);
    ret->next.n = s.n;
}

/* ---- whom to ask --------------------------------------------------------- */

/* Known hosts, then the roster, then whoever the detector has heard of, in
 * turn; WR_NO_HOST at the end of a turn. */
static wr_host next_known(struct wr_core *c)
{
    struct wr_boot *b = c->boot;

    for (;;) {
        uint32_t i = b->turn++;
        wr_host h;

        if (i < b->known_n) {
            h = b->known[i];
        } else if ((i -= b->known_n) < c->roster->n) {
            h = c->roster->v[i].host;
            if (c->roster->v[i].state != WR_ROSTER_ADMITTED)
                continue;
        } else if ((i -= c->roster->n) < c->peers->n) {
            h = c->peers->hosts[i];
            if (c->peers->v[i].state == WR_PEER_LEFT)
                continue;
        } else {
            b->turn = 0;
            return WR_NO_HOST;
        }
        if (h != c->cfg->self)
            return h;
    }
}

static void begin(struct wr_core *c, struct wr_ring *r, enum wr_ring_op op,
                  wr_ref peer)
{
    r->op = (uint8_t)op;
    r->op_peer = peer;
    r->op_rid = wr_rng_next(c->rng); /* Of all its asks: the first of them may
                                        be answered after the second. */
    r->op_asks = 0;
    r->succs_n = 0;       /* Until it has a list to knock with. */
    r->op_until = c->now; /* Asked by advance(). */
}

/* The next of ours after `mine` that is out; `mine` itself last. */
static uint8_t next_out(const struct wr_core *c, uint8_t mine)
{
    uint8_t i = mine;

    do
        i = (uint8_t)((i + 1) % c->cfg->members);
    while (i != mine && c->rings[i].phase != WR_RING_OUT);
    return i;
}

static void try_later(struct wr_core *c)
{
    c->boot->retry_at =
        c->now + wr_core_interval(c, c->cfg->rejoin_us / WR_BOOT_PAUSES);
}

/* This way led nowhere: another, soon, and first for another of ours, whose
 * neighbours may be within reach. */
static void fail(struct wr_core *c, struct wr_ring *r)
{
    c->boot->mine = next_out(c, c->boot->mine);
    c->boot->round = false;
    wr_ring_op_end(r);
    /* Whoever showed the way would show the same one again. */
    if (wr_rings_any(c) || c->boot->guide != WR_NO_HOST)
        try_later(c);
}

static bool step_further(struct wr_core *c, struct wr_ring *r)
{
    if (wr_walk_step(&c->boot->walk))
        return true;
    fail(c, r); /* Liars, or a ring in pieces. */
    return false;
}

/* L9: on with the best way that is left. */
static void go_on(struct wr_core *c, struct wr_ring *r)
{
    const wr_ref to = wr_walk_next(&c->boot->walk, c, wr_ref_host(r->op_peer));

    if (to == WR_NO_REF)
        fail(c, r);
    else if (step_further(c, r))
        begin(c, r, WR_OP_FIND, to);
}

/* R2: the member `m` answered with its list. Between it and its head is our
 * place, or its list tells who is nearer to it. Entries that are members of
 * ours and not in the ring (ourselves, R10) are ignored: that they are out is
 * no hearsay. */
static void walk(struct wr_core *c, struct wr_ring *r, wr_ref m,
                 const wr_ref *list, size_t n)
{
    wr_ref known[WR_SUCCS_MAX] = {0};
    size_t known_n = 0;
    wr_ref nearer = WR_NO_REF;

    for (size_t i = 0; i < n && i < WR_SUCCS_MAX; i++) {
        if (!wr_book_has(c->book, list[i])) {
            c->count->recv_misfit_total++;
            fail(c, r);
            return;
        }
        if (!is_out(c, list[i]))
            known[known_n++] = list[i];
    }
    if (wr_ring_knock(c, r, m, known, known_n)) {
        /* In by now, if it is a sibling's; else it may have to ask again. */
        if (r->phase == WR_RING_OUT && r->op_peer == m && step_further(c, r)) {
            r->op_asks = 0;
            r->op_until = c->now + wr_peers_patience(c, wr_ref_host(m));
        }
        return;
    }
    for (size_t i = 0; i < known_n; i++) {
        if (wr_core_between(c, m, known[i], r->self) &&
            wr_peers_alive(c, wr_ref_host(known[i])))
            nearer = known[i];
    }
    if (nearer == WR_NO_REF)
        fail(c, r);
    else if (step_further(c, r))
        begin(c, r, WR_OP_JOIN, nearer);
}

void wr_boot_hinted(struct wr_core *c, struct wr_ring *r, wr_ref from,
                    wr_ref nearer)
{
    if (r->op == WR_OP_JOIN && r->op_peer == from && r->succs_n > 0 &&
        wr_book_has(c->book, nearer) && !is_out(c, nearer) &&
        wr_core_between(c, from, nearer, r->self) && step_further(c, r))
        begin(c, r, WR_OP_JOIN, nearer);
}

static void start(struct wr_core *c, struct wr_ring *r)
{
    const struct wr_ring *sibling = best_ours(c, wr_core_id(c, r->self));
    wr_host h;

    c->boot->walk = (struct wr_walk){0};
    if (sibling != NULL && !c->boot->round) {
        /* R12, and all members after the first. */
        begin(c, r, WR_OP_JOIN, sibling->self);
        return;
    }
    /* First whoever answered as a member before, but once in a turn, for it may
     * lead to one that is out again and again; then all the others. */
    h = c->boot->guide;
    c->boot->guide = WR_NO_HOST;
    if (h == WR_NO_HOST || !wr_peers_alive(c, h) || c->boot->guided)
        h = next_known(c);
    else
        c->boot->guided = true;
    if (h == WR_NO_HOST) { /* All have been asked: our siblings again. */
        c->boot->guided = false;
        c->boot->round = false;
        try_later(c);
        return;
    }
    begin(c, r, WR_OP_FIND, wr_ref_of(h, 0));
}

/* ---- the exchange in flight ---------------------------------------------- */

static void ask(struct wr_core *c, struct wr_ring *r)
{
    const wr_host host = wr_ref_host(r->op_peer);
    const struct wr_ring *sibling = wr_rings_of(c, r->op_peer);
    struct wr_msg m;

    if (r->op == WR_OP_JOIN && sibling != NULL) {
        wr_ring_view(c, sibling, &m);
        if (m.view.state == WR_VIEW_MEMBER)
            walk(c, r, r->op_peer, m.view.succs, m.view.succs_n);
        else if (m.view.state == WR_VIEW_PENDING)
            r->op_until = c->now + wr_peers_patience(c, host);
        else
            fail(c, r);
        return;
    }
    r->op_asks++;
    r->op_at = c->now;
    r->op_until =
        c->now + wr_time_min(wr_peers_patience(c, host) << (r->op_asks - 1),
                             c->cfg->patience_max_us);
    wr_peers_sent(c, host);
    if (r->op == WR_OP_JOIN) {
        m = (struct wr_msg){.kind = WR_MSG_VIEW_ASK, .rid = r->op_rid};
        wr_core_send(c, r->self, r->op_peer, &m);
        return;
    }
    m = wr_msg_of(WR_MSG_NEXT_ASK, r->op_rid);
    m.from = wr_ref_index(r->self);
    m.next_ask.key = *wr_core_id(c, r->self);
    m.next_ask.without = c->cfg->self; /* R10 */
    wr_outbox_send(c->out, host, &m);
}

/* A member answered: there is a ring, so none of our own (R10). */
static void found_ring(struct wr_core *c)
{
    c->boot->alone_at =
        wr_time_max(c->boot->alone_at, c->now + c->cfg->rejoin_us);
}

static void on_next(struct wr_core *c, struct wr_ring *r, wr_host from,
                    const struct wr_msg *m)
{
    struct wr_walk *w = &c->boot->walk;
    wr_ref to;

    if (m->next.n == 0) { /* No member itself. */
        go_on(c, r);
        return;
    }
    found_ring(c);
    if (w->steps == 0)
        c->boot->guide = from;
    wr_walk_answer(w, m->next.nodes, m->next.n);
    if (!m->next.final)
        go_on(c, r);
    else if ((to = wr_walk_next(w, c, WR_NO_HOST)) == WR_NO_REF)
        fail(c, r);
    else if (step_further(c, r))
        begin(c, r, WR_OP_JOIN, to);
}

static void on_view(struct wr_core *c, struct wr_ring *r,
                    const struct wr_msg *m)
{
    switch (m->view.state) {
    case WR_VIEW_MEMBER:
        found_ring(c);
        walk(c, r, r->op_peer, m->view.succs, m->view.succs_n);
        return;
    case WR_VIEW_PENDING: /* R7: ask again when patience ends. */
        found_ring(c);
        if (!step_further(c, r))
            return;
        r->op_asks = 0;
        r->op_until = c->now + wr_peers_patience(c, wr_ref_host(r->op_peer));
        return;
    default:
        fail(c, r);
    }
}

bool wr_boot_recv(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        struct wr_ring *r = &c->rings[i];

        if ((r->op != WR_OP_FIND && r->op != WR_OP_JOIN) ||
            r->op_rid != m->rid || wr_ref_host(r->op_peer) != from)
            continue;
        if (r->op_asks == 1)
            wr_peers_answered(c, from, c->now - r->op_at);
        if (m->kind == WR_MSG_NEXT && r->op == WR_OP_FIND)
            on_next(c, r, from, m);
        else if (m->kind == WR_MSG_VIEW && r->op == WR_OP_JOIN &&
                 wr_core_sender(c, from, m) == r->op_peer)
            on_view(c, r, m);
        else
            c->count->recv_misfit_total++;
        return true;
    }
    return false;
}

/* Whoever was asked says nothing. Our siblings lead to the same one again, so
 * others are asked: there may be a way round it. */
static void nowhere(struct wr_core *c, struct wr_ring *r)
{
    const bool round =
        r->op == WR_OP_JOIN && wr_rings_any(c) && !c->boot->round;

    if (r->op == WR_OP_FIND) {
        go_on(c, r);
        return;
    }
    fail(c, r);
    if (round) {
        c->boot->mine = wr_ref_index(r->self);
        c->boot->round = true;
    }
}

void wr_boot_gone(struct wr_core *c, wr_host host)
{
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        struct wr_ring *r = &c->rings[i];

        if ((r->op == WR_OP_FIND || r->op == WR_OP_JOIN) &&
            wr_ref_host(r->op_peer) == host)
            nowhere(c, r);
    }
}

/* ---- time ---------------------------------------------------------------- */

/* Our members enter one after another, for they share the walk: one that is
 * exhausted meanwhile waits. */
static struct wr_ring *joiner(const struct wr_core *c)
{
    struct wr_ring *r = &c->rings[c->boot->mine];

    if (r->phase != WR_RING_OUT)
        r = &c->rings[next_out(c, c->boot->mine)];
    return r->phase == WR_RING_OUT ? r : NULL;
}

static bool may_be_alone(const struct wr_core *c)
{
    return c->boot->wanted && c->boot->may_start && !wr_rings_any(c) &&
           c->cfg->members > c->cfg->succs;
}

/* R10: when to start alone; by host id, so that not all do so at once. */
static wr_time alone_after(const struct wr_core *c)
{
    const struct wr_book_host *self = wr_book_host(c->book, c->cfg->self);
    const uint64_t lot = (uint64_t)self->id.b[0] << 8 | self->id.b[1];
    const wr_time spread = c->cfg->rejoin_us * lot / 65536;

    return c->now + c->cfg->rejoin_us +
           (c->cfg->jitter_permille > 0 ? spread : 0);
}

void wr_boot_started(struct wr_core *c)
{
    *c->boot = (struct wr_boot){
        .wanted = true,
        .may_start = true,
        .guide = WR_NO_HOST,
    };
}

void wr_boot_exhausted(struct wr_core *c)
{
    /* Not at once: whoever would let it in should notice what it noticed. */
    try_later(c);
    c->boot->may_start = true; /* It has been in the ring. */
    if (!wr_rings_any(c))
        c->boot->alone_at = alone_after(c);
}

void wr_boot_join(struct wr_core *c, const wr_host *known, size_t n,
                  bool may_start)
{
    struct wr_boot *b = c->boot;

    *b = (struct wr_boot){
        .wanted = true,
        .may_start = may_start,
        .guide = WR_NO_HOST,
        .retry_at = c->now,
        .alone_at = alone_after(c),
    };
    for (size_t i = 0; i < n && b->known_n < WR_BOOT_KNOWN; i++) {
        if (known[i] != c->cfg->self)
            b->known[b->known_n++] = known[i];
    }
}

static void start_alone(struct wr_core *c)
{
    wr_ref ours[WR_MEMBERS_MAX];

    for (uint8_t i = 0; i < c->cfg->members; i++)
        ours[i] = c->rings[i].self;
    wr_rings_start(c, ours, c->cfg->members);
    wr_core_note(c, WR_NOTE_RING_STARTED, c->cfg->self, WR_NO_REF);
}

/* One that is held for dead may be asked, yet not be waited for. */
static uint8_t tries(const struct wr_core *c, const struct wr_ring *r)
{
    return wr_peers_alive(c, wr_ref_host(r->op_peer)) ? FIND_TRIES : 1;
}

void wr_boot_advance(struct wr_core *c)
{
    struct wr_boot *b = c->boot;
    struct wr_ring *r;

    while (b->wanted && (r = joiner(c)) != NULL) {
        b->mine = wr_ref_index(r->self);
        if (may_be_alone(c) && c->now >= b->alone_at) {
            start_alone(c); /* R10 */
            return;
        }
        if (r->op == WR_OP_NONE) {
            if (c->now < b->retry_at)
                return;
            start(c, r);
        } else if (c->now < r->op_until) {
            return;
        } else if (r->op_asks >= tries(c, r)) {
            wr_peers_silent(c, wr_ref_host(r->op_peer));
            nowhere(c, r);
        } else {
            ask(c, r);
        }
    }
}

wr_time wr_boot_deadline(const struct wr_core *c)
{
    const struct wr_boot *b = c->boot;
    const struct wr_ring *r = joiner(c);
    wr_time at;

    if (!b->wanted || r == NULL)
        return WR_NEVER;
    at = r->op == WR_OP_NONE ? b->retry_at : r->op_until;
    return may_be_alone(c) ? wr_time_min(at, b->alone_at) : at;
}
