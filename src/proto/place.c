/* place.c - see place.h. */
#include "proto/place.h"

#include "proto/peers.h"
#include "proto/ring.h"
#include "proto/roster.h"
#include "proto/routes.h"

enum { STEPS_MAX = 64 }; /* Asks of one walk: a circle of liars ends. */

static bool has_host(const wr_ref *v, size_t n, wr_host host)
{
    for (size_t i = 0; i < n; i++) {
        if (wr_ref_host(v[i]) == host)
            return true;
    }
    return false;
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
        if (wr_core_between(c, r->self, wr_ref_of(h, i), best))
            best = wr_ref_of(h, i);
    }
    return best;
}

/* A host that has just joined is in the roster, and so in the routes, before
 * it is in its neighbours' lists: a put need not wait for a round to find
 * copies a home. */
static size_t add_admitted(const struct wr_core *c, const struct wr_ring *r,
                           wr_ref *set, size_t got, size_t n)
{
    wr_host hosts[2 * WR_SET_MAX];
    size_t known;

    if (wr_roster_admitted_n(c) <= got)
        return got;
    known = wr_routes_clockwise(c->routes, c, wr_core_id(c, r->self), hosts,
                                WR_ARRAY_LEN(hosts));
    for (size_t i = 0; i < known && got < n; i++) {
        if (!has_host(set, got, hosts[i]) && wr_peers_alive(c, hosts[i]) &&
            wr_roster_admitted(c, hosts[i]))
            set[got++] = first_after(c, r, hosts[i]);
    }
    return got;
}

/* Other sites first, in the order of the ring within: the fire that takes a
 * site leaves a copy. Hosts without a named site share one. */
void wr_place_order(const struct wr_core *c, wr_ref *set, size_t n)
{
    wr_ref again[WR_SET_MAX];
    uint32_t sites[WR_SET_MAX];
    size_t first_n = 0, again_n = 0;

    for (size_t i = 0; i < n; i++) {
        const uint32_t site = wr_book_host(c->book, wr_ref_host(set[i]))->site;
        size_t k = 0;

        while (k < first_n && sites[k] != site)
            k++;
        if (k < first_n) {
            again[again_n++] = set[i];
        } else {
            sites[first_n] = site;
            set[first_n++] = set[i];
        }
    }
    memcpy(&set[first_n], again, again_n * sizeof(again[0]));
}

size_t wr_place_set(const struct wr_core *c, const struct wr_ring *r, size_t n,
                    wr_ref *ret_refs)
{
    const struct wr_place *p = &c->places[r - c->rings];
    wr_ref set[WR_SET_MAX] = {r->self};
    size_t got = 1;

    WR_CHECK(n <= WR_SET_MAX);
    for (uint8_t i = 0; i < r->succs_n && got < WR_SET_MAX; i++) {
        if (!has_host(set, got, wr_ref_host(r->succs[i])))
            set[got++] = r->succs[i];
    }
    for (uint8_t i = 0; i < p->n && got < WR_SET_MAX; i++) {
        if (!has_host(set, got, wr_ref_host(p->more[i])))
            set[got++] = p->more[i];
    }
    got = add_admitted(c, r, set, got, WR_SET_MAX);
    wr_place_order(c, set, got);
    got = got < n ? got : n;
    memcpy(ret_refs, set, got * sizeof(set[0]));
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
        if (!wr_book_has(c->book, m) ||
            !wr_core_between(c, p->last, m, r->self))
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
