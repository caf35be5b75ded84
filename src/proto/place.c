/* place.c - see place.h. */
#include "proto/place.h"

#include "proto/peers.h"
#include "proto/ring.h"
#include "proto/roster.h"

enum { STEPS_MAX = 64 }; /* Asks of one walk: a circle of liars ends. */

static bool has_host(const wr_ref *v, size_t n, wr_host host)
{
    for (size_t i = 0; i < n; i++) {
        if (wr_ref_host(v[i]) == host)
            return true;
    }
    return false;
}

static bool between(const struct wr_core *c, wr_ref a, wr_ref x, wr_ref b)
{
    return wr_id_between(wr_core_id(c, a), wr_core_id(c, x), wr_core_id(c, b));
}

/* Hosts to know besides ourselves: n, so that n+1 are named. */
static uint8_t needed(const struct wr_core *c)
{
    const uint32_t admitted = wr_roster_admitted_n(c);

    if (admitted > 0 && admitted <= c->cfg->copies)
        return (uint8_t)(admitted - 1);
    return c->cfg->copies;
}

void wr_places_init(struct wr_core *c, wr_ref *refs)
{
    const size_t room = c->cfg->copies + 1u; /* Refs of one list. */

    for (uint8_t i = 0; i < c->cfg->members; i++) {
        c->places[i] = (struct wr_place){
            .until = WR_NEVER,
            .more = refs + 2u * i * room,
            .found = refs + (2u * i + 1) * room,
        };
    }
}

/* The member of `h` that follows `r` first, clockwise. */
static wr_ref first_after(const struct wr_core *c, const struct wr_ring *r,
                          wr_host h)
{
    wr_ref best = wr_ref_of(h, 0);

    for (uint8_t i = 1; i < wr_book_host(c->book, h)->members; i++) {
        if (between(c, r->self, wr_ref_of(h, i), best))
            best = wr_ref_of(h, i);
    }
    return best;
}

/* The next host clockwise that the roster names and the set does not;
 * WR_NO_REF if there is none. A host that has just joined is in the roster
 * before it is in its neighbours' lists, and a put need not wait for a round
 * to find copies a home. */
static wr_ref next_in_roster(const struct wr_core *c, const struct wr_ring *r,
                             const wr_ref *set, size_t n)
{
    wr_ref best = WR_NO_REF;
    uint32_t at = 0;

    if (wr_roster_admitted_n(c) <= n)
        return WR_NO_REF;
    for (wr_host h; (h = wr_roster_next(c, &at)) != WR_NO_HOST;) {
        if (has_host(set, n, h) || !wr_peers_alive(c, h))
            continue;
        const wr_ref m = first_after(c, r, h);
        if (best == WR_NO_REF || between(c, r->self, m, best))
            best = m;
    }
    return best;
}

size_t wr_place_set(const struct wr_core *c, const struct wr_ring *r, size_t n,
                    wr_ref *ret_refs)
{
    wr_ref next;
    const struct wr_place *p = &c->places[r - c->rings];
    size_t got = 0;

    WR_CHECK(n <= WR_SET_MAX);
    if (n > 0)
        ret_refs[got++] = r->self;
    for (uint8_t i = 0; i < r->succs_n && got < n; i++) {
        if (!has_host(ret_refs, got, wr_ref_host(r->succs[i])))
            ret_refs[got++] = r->succs[i];
    }
    for (uint8_t i = 0; i < p->n && got < n; i++) {
        if (!has_host(ret_refs, got, wr_ref_host(p->more[i])))
            ret_refs[got++] = p->more[i];
    }
    while (got < n && (next = next_in_roster(c, r, ret_refs, got)) != WR_NO_REF)
        ret_refs[got++] = next;
    return got;
}

/* Hosts other than ours that the successor list of `r` names. */
static uint8_t hosts_in_list(const struct wr_core *c, const struct wr_ring *r)
{
    uint8_t hosts = 0;

    for (uint8_t i = 0; i < r->succs_n; i++) {
        if (!wr_core_ours(c, r->succs[i]) &&
            !has_host(r->succs, i, wr_ref_host(r->succs[i])))
            hosts++;
    }
    return hosts;
}

static void finish(struct wr_place *p)
{
    memcpy(p->more, p->found, p->found_n * sizeof(p->found[0]));
    p->n = p->found_n;
    p->until = WR_NEVER;
}

/* Goes through the list of p->last. True if the walk has to go on. */
static bool follow(struct wr_core *c, const struct wr_ring *r,
                   struct wr_place *p, const wr_ref *list, size_t n)
{
    const uint8_t listed = hosts_in_list(c, r);
    const wr_ref from = p->last;

    for (size_t i = 0; i < n; i++) {
        const wr_ref m = list[i];
        const wr_host h = wr_ref_host(m);

        if (listed + p->found_n >= needed(c))
            return false;
        if (!wr_book_has(c->book, m) || !between(c, p->last, m, r->self))
            return false; /* Once round, or a list that makes no sense. */
        p->last = m;
        if (h != c->cfg->self && wr_peers_alive(c, h) &&
            !has_host(r->succs, r->succs_n, h) &&
            !has_host(p->found, p->found_n, h))
            p->found[p->found_n++] = m;
    }
    return p->last != from && listed + p->found_n < needed(c) &&
           p->steps++ < STEPS_MAX;
}

/* Asks on, as far as siblings can tell without a message. */
static void walk(struct wr_core *c, const struct wr_ring *r, struct wr_place *p)
{
    const struct wr_ring *sibling;
    struct wr_msg m = {.kind = WR_MSG_VIEW_ASK};

    while ((sibling = wr_rings_of(c, p->last)) != NULL) {
        if (!follow(c, r, p, sibling->succs, sibling->succs_n)) {
            finish(p);
            return;
        }
    }
    p->rid = m.rid = wr_rng_next(c->rng);
    p->until = c->now + wr_peers_patience(c, wr_ref_host(p->last));
    wr_peers_sent(c, wr_ref_host(p->last));
    wr_core_send(c, r->self, p->last, &m);
}

bool wr_places_recv(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    struct wr_place *p;

    if (m->to >= c->cfg->members)
        return false;
    p = &c->places[m->to];
    if (p->until == WR_NEVER || p->rid != m->rid ||
        wr_core_sender(c, from, m) != p->last)
        return false;
    p->until = WR_NEVER;
    if (m->view.state != WR_VIEW_MEMBER)
        return true; /* The next round begins anew; the old list stands. */
    if (follow(c, &c->rings[m->to], p, m->view.succs, m->view.succs_n))
        walk(c, &c->rings[m->to], p);
    else
        finish(p);
    return true;
}

void wr_places_gone(struct wr_core *c, wr_host host)
{
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        struct wr_place *p = &c->places[i];
        uint8_t kept = 0;

        for (uint8_t k = 0; k < p->n; k++) {
            if (wr_ref_host(p->more[k]) != host)
                p->more[kept++] = p->more[k];
        }
        if (kept < p->n)
            p->due_at = c->now;
        p->n = kept;
        if (wr_ref_host(p->last) == host)
            p->until = WR_NEVER;
    }
}

void wr_places_tick(struct wr_core *c)
{
    for (uint8_t i = 0; i < c->cfg->members; i++) {
        const struct wr_ring *r = &c->rings[i];
        struct wr_place *p = &c->places[i];

        if (r->phase != WR_RING_MEMBER)
            continue;
        if (p->until != WR_NEVER && c->now >= p->until)
            p->until = WR_NEVER; /* The detector hears of it from the ring. */
        if (c->now < p->due_at || p->until != WR_NEVER)
            continue;
        p->due_at = c->now + wr_core_interval(c, c->cfg->round_us);
        p->found_n = p->steps = 0;
        if (hosts_in_list(c, r) >= needed(c)) {
            p->n = 0; /* The successor list says it all. */
        } else {
            p->last = r->succs[r->succs_n - 1];
            walk(c, r, p);
        }
    }
}

wr_time wr_places_deadline(const struct wr_core *c)
{
    wr_time at = WR_NEVER;

    for (uint8_t i = 0; i < c->cfg->members; i++) {
        const struct wr_place *p = &c->places[i];

        if (c->rings[i].phase == WR_RING_MEMBER)
            at = wr_time_min(at, p->until != WR_NEVER ? p->until : p->due_at);
    }
    return at;
}
