/* ring.c - see ring.h; rule numbers refer to docs/protocol.md. */
#include "proto/ring_parts.h"

#include "proto/peers.h"
#include "proto/place.h"
#include "proto/roster.h"
#include "proto/rules.h"

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

void wr_ring_be_out(struct wr_ring *r)
{
    r->pred = r->spare = r->hint = r->lost = WR_NO_REF;
    r->sure = r->ghost = r->told[0] = r->told[1] = WR_NO_REF;
    r->rival = false;
    r->succs_n = r->guests = r->stuck = 0;
    wr_ring_op_end(r);
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
        return wr_ring_recv_view(c, r, sender, m);
    case WR_MSG_NOTIFY:
        if (m->notify.as == WR_NOTIFY_SECOND && m->notify.between == WR_NO_REF)
            c->count->recv_misfit_total++; /* It claims to be next to us. */
        else
            wr_ring_notified(c, r, sender, m);
        return true;
    case WR_MSG_HINT:
        wr_ring_hinted(c, r, sender, m->hint.member);
        return true;
    default:
        return false;
    }
}

/* ---- what the detector says ---------------------------------------------- */

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
            wr_ring_hinted(c, r, r->succs[0], r->ghost);
    }
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
        wr_ring_be_out(&c->rings[i]);
    }
}

static void sort_by_id(const struct wr_core *c, wr_ref *v, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap /= 2) {
        for (size_t i = gap; i < n; i++) {
            const wr_ref x = v[i];
            size_t j = i;

            for (; j >= gap &&
                   wr_id_cmp(wr_core_id(c, x), wr_core_id(c, v[j - gap])) < 0;
                 j -= gap)
                v[j] = v[j - gap];
            v[j] = x;
        }
    }
}

void wr_ring_be_in(struct wr_core *c, struct wr_ring *r)
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
    wr_ring_be_out(r);
    memcpy(r->succs, succs, c->cfg->succs * sizeof(succs[0]));
    r->succs_n = c->cfg->succs;
    r->pred = pred;
    r->sure = r->succs[0];
    wr_ring_be_in(c, r);
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

void wr_rings_leave(struct wr_core *c)
{
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        wr_ring_be_out(&c->rings[i]);
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
                (best == WR_NO_REF || wr_core_between(c, best, m, r->self)))
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
    if (wr_id_owns(wr_core_id(c, from), key, wr_core_id(c, r->self)))
        return true;
    if (!wr_ring_gone(c, from))
        return false;
    from = live_before(c, r);
    return from != WR_NO_REF &&
           wr_id_owns(wr_core_id(c, from), key, wr_core_id(c, r->self));
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
