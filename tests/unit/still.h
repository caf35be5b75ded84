/*
 * still.h - a ring that stands still, for tests of what works on top of it:
 * hosts whose successors, placement and deaths the test decides, joined by a
 * queue of messages in virtual time, each with a map for a store. Header only;
 * one world per test.
 */
#ifndef TESTS_STILL_H
#define TESTS_STILL_H

#include <stdio.h>
#include <stdlib.h>

#include "proto/lookup.h"
#include "proto/replica_op.h"

enum { STILL_HOSTS = 300, STILL_SUCCS = 16, STILL_LEAF_ANSWERS = 4096 };

struct still_chunk {
    struct wr_id digest;
    uint32_t len, hash;
    struct wr_put_id refs[8];
    uint32_t refs_n;
    bool rotten; /* Its bytes do not match the digest. */
};

struct still_root {
    struct wr_id position;
    uint64_t version;
    uint8_t bytes[64];
    uint32_t n;
};

struct still_body {
    uint32_t refs; /* Of the core that it came to, and of the wire. */
    uint32_t len;
    struct wr_id digest;
    bool rotten;
};

struct still_host {
    struct still *w;
    wr_host self;
    struct wr_node_cfg cfg;
    struct wr_rng rng;
    struct wr_counters count;
    struct wr_outbox out;
    struct wr_core core;
    struct wr_routes routes;
    struct wr_lookups lookups;
    struct wr_replica replica;
    wr_ref succs[STILL_SUCCS];
    bool silent;      /* Gets nothing, says nothing: killed. */
    bool refuses;     /* Every dial, at once; no detector knows it. */
    bool in_ring;     /* The ring counts it in. */
    bool held_dead;   /* By every detector. */
    bool full;        /* Its disk takes nothing. */
    uint64_t unaware; /* Bit i: its roster lacks host i. */
    bool denies;      /* Owns nothing, as HAVE is told. */
    bool stubborn;    /* Agrees with nobody about whom there is. */
    struct still_chunk chunks[256];
    uint32_t chunks_n;
    struct still_root roots[16];
    uint32_t roots_n;
    uint64_t stored; /* Store operations so far. */
    wr_time due;     /* As of its last step. */
};

enum still_kind { STILL_MSG, STILL_STORED, STILL_REFUSED };

/* Something on its way, with deep copies of its arrays. */
struct still_event {
    wr_time at;
    uint64_t order;
    enum still_kind kind;
    wr_host from, to;
    struct wr_msg msg;
    struct wr_fx fx;
    uint8_t *arrays[2];
};

struct still {
    struct wr_book book;
    uint32_t n; /* Hosts. */
    struct still_host *hosts;
    wr_ref *ring; /* Members in order of their ids. */
    uint32_t ring_n;
    struct still_event *q;
    uint32_t q_n, q_cap;
    wr_time now;
    uint64_t order;
    struct wr_rng rng;
    uint32_t drop_permille; /* Of messages. */
    wr_time jitter_us;      /* Spread of the latency of 1 ms. */
    bool twice;             /* Messages come twice (M4). */
    /* May change a message between hosts, and give it a body of its own; false:
     * it is lost. */
    bool (*passes)(struct still *w, wr_host from, wr_host to, struct wr_msg *m);
    uint32_t compared; /* Rosters, so far. */
    bool roster;
    uint32_t gone; /* Hosts that have left. */
    struct still_body *bodies;
    uint32_t bodies_n;
    uint64_t sends[256]; /* By kind of message. */
    /* What leaf 0x80000000 + x was told, and how commands ended. */
    struct wr_msg answers[STILL_LEAF_ANSWERS];
    wr_host data_hosts[64];
    uint8_t record[512];
    uint32_t answers_n;
    struct wr_fx done[64];
    wr_host done_path[WR_HOPS_MAX + 1];
    uint32_t done_n;
};

/* Bodies: counted as fx.h says. */

static inline struct wr_body still_body(struct still *w, struct wr_id digest,
                                        uint32_t len, bool rotten)
{
    w->bodies = realloc(w->bodies, (w->bodies_n + 2) * sizeof(*w->bodies));
    w->bodies_n++;
    w->bodies[w->bodies_n] = (struct still_body){
        .refs = 1, .len = len, .digest = digest, .rotten = rotten};
    return (struct wr_body){.id = w->bodies_n, .len = len};
}

static inline void still_release(struct still *w, struct wr_body b)
{
    if (b.id == 0)
        return;
    WR_CHECK(b.id <= w->bodies_n);
    WR_CHECK(w->bodies[b.id].refs > 0); /* Never twice. */
    w->bodies[b.id].refs--;
}

static inline void still_retain(struct still *w, struct wr_body b)
{
    if (b.id == 0)
        return;
    WR_CHECK(w->bodies[b.id].refs > 0); /* Borrowed from somebody. */
    w->bodies[b.id].refs++;
}

static inline uint32_t still_bodies_held(const struct still *w)
{
    uint32_t held = 0;

    for (uint32_t i = 1; i <= w->bodies_n; i++)
        held += w->bodies[i].refs;
    return held;
}

/* The sight of a host. */

static inline struct still_host *still_us(const struct wr_core *c)
{
    return (struct still_host *)((uintptr_t)c -
                                 offsetof(struct still_host, core));
}

static inline uint32_t still_ring_at(const struct still *w,
                                     const struct wr_id *key)
{
    uint32_t lo = 0, hi = w->ring_n;

    while (lo < hi) {
        const uint32_t mid = (lo + hi) / 2;

        if (wr_id_cmp(wr_book_id(&w->book, w->ring[mid]), key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static inline bool still_member(const struct still *w, wr_ref r)
{
    return w->hosts[wr_ref_host(r)].in_ring;
}

static inline wr_ref still_owner(const struct still *w, const struct wr_id *key)
{
    const uint32_t at = still_ring_at(w, key);

    for (uint32_t k = 0; k < w->ring_n; k++)
        if (still_member(w, w->ring[(at + k) % w->ring_n]))
            return w->ring[(at + k) % w->ring_n];
    return WR_NO_REF;
}

/* The i-th distinct host clockwise of the key that is in the ring. */
static inline wr_host still_nth(const struct still *w, const struct wr_id *key,
                                size_t nth)
{
    const uint32_t at = still_ring_at(w, key);
    wr_host seen[STILL_HOSTS];
    size_t n = 0;

    for (uint32_t k = 0; k < w->ring_n; k++) {
        const wr_host h = wr_ref_host(w->ring[(at + k) % w->ring_n]);
        bool known = !w->hosts[h].in_ring;

        for (size_t i = 0; i < n; i++)
            known = known || seen[i] == h;
        if (!known)
            seen[n++] = h;
        if (n == nth + 1)
            return h;
    }
    return WR_NO_HOST;
}

static inline bool still_owns(const struct wr_core *c, const struct wr_id *key,
                              wr_ref *ret)
{
    struct still_host *h = still_us(c);
    const wr_ref owner = still_owner(h->w, key);

    if (owner == WR_NO_REF || wr_ref_host(owner) != h->self)
        return false;
    *ret = owner;
    return true;
}

static inline size_t still_place(const struct wr_core *c,
                                 const struct wr_id *key, wr_ref *ret,
                                 size_t max)
{
    struct still_host *h = still_us(c);
    size_t n = 0;

    while (n < max) {
        const wr_host next = still_nth(h->w, key, n);

        if (next == WR_NO_HOST)
            break;
        ret[n++] = wr_ref_of(next, 0);
    }
    return n;
}

static inline size_t still_succs(const struct wr_core *c, unsigned index,
                                 const wr_ref **ret)
{
    struct still_host *h = still_us(c);
    struct still *w = h->w;
    const wr_ref us = wr_ref_of(h->self, index);
    const uint32_t at = still_ring_at(w, wr_book_id(&w->book, us));
    size_t n = 0;

    *ret = h->succs;
    if (!h->in_ring)
        return 0;
    for (uint32_t k = 1; k < w->ring_n && n < STILL_SUCCS; k++) {
        const wr_ref s = w->ring[(at + k) % w->ring_n];

        if (still_member(w, s))
            h->succs[n++] = s;
    }
    return n;
}

static inline wr_ref still_pred(const struct wr_core *c, unsigned index)
{
    struct still *w = still_us(c)->w;
    const wr_ref us = wr_ref_of(c->cfg->self, index);
    const uint32_t at = still_ring_at(w, wr_book_id(&w->book, us));

    for (uint32_t k = 1; k < w->ring_n; k++) {
        const wr_ref p = w->ring[(at + w->ring_n - k) % w->ring_n];

        if (still_member(w, p))
            return p;
    }
    return WR_NO_REF;
}

static inline size_t still_admitted(const struct wr_core *c)
{
    struct still_host *h = still_us(c);

    return h->w->roster ? h->w->n : 0;
}

static inline bool still_joined(const struct wr_core *c)
{
    return still_us(c)->in_ring;
}

static inline uint64_t still_known(const struct wr_core *c)
{
    const struct still_host *us = still_us(c);

    return us->stubborn ? 0 : ~us->unaware;
}

static inline uint32_t still_gone(const struct wr_core *c)
{
    return still_us(c)->w->gone;
}

/* What one knows the other knows from then on. */
static inline void still_compare(struct wr_core *c, wr_host h)
{
    struct still_host *us = still_us(c), *other = &us->w->hosts[h];

    us->w->compared++;
    us->unaware = other->unaware = us->unaware & other->unaware;
}

static inline wr_host still_admitted_next(const struct wr_core *c, uint32_t *at)
{
    const struct still_host *us = still_us(c);

    while (us->w->roster && *at < us->w->n) {
        const wr_host h = (*at)++;

        if (h >= 64 || (us->unaware >> h & 1) == 0)
            return h;
    }
    return WR_NO_HOST;
}

static inline bool still_dead(const struct wr_core *c, wr_host h)
{
    struct still_host *us = still_us(c);

    return us->w->hosts[h].held_dead;
}

static inline uint32_t still_up(const struct wr_core *c, wr_host h)
{
    return still_dead(c, h) ? 0 : 1000;
}

static inline wr_time still_rtt(const struct wr_core *c, wr_host h)
{
    (void)c;
    (void)h;
    return WR_MS(2);
}

static inline wr_time still_patience(const struct wr_core *c, wr_host h)
{
    (void)c;
    (void)h;
    return WR_MS(100);
}

static inline void still_hush(struct wr_core *c, wr_host h)
{
    (void)c;
    (void)h;
}

static const struct wr_sight still_sight = {
    .owns = still_owns,
    .place = still_place,
    .succs = still_succs,
    .pred = still_pred,
    .admitted = still_admitted,
    .joined = still_joined,
    .known = still_known,
    .gone = still_gone,
    .compare = still_compare,
    .admitted_next = still_admitted_next,
    .dead = still_dead,
    .up_permille = still_up,
    .rtt = still_rtt,
    .patience = still_patience,
    .silent = still_hush,
    .refresh = still_hush,
};

/* Building. */

static inline int still_cmp(const void *a, const void *b, void *arg)
{
    const struct wr_book *book = arg;

    return wr_id_cmp(wr_book_id(book, *(const wr_ref *)a),
                     wr_book_id(book, *(const wr_ref *)b));
}

static inline struct wr_node_cfg still_cfg(wr_host self, uint8_t members)
{
    return (struct wr_node_cfg){
        .self = self,
        .members = members,
        .succs = STILL_SUCCS,
        .finger_us = WR_MS(10),
        .lookup_us = WR_SEC(30),
        .request_us = WR_SEC(30),
        .copies = 3,
        .routes_max = 400,
        .lookups_max = 16,
        .ops_max = 64,
        .have_ops_max = 8,
    };
}

static inline void still_host_open(struct still *w, struct still_host *h,
                                   const struct wr_node_cfg *cfg)
{
    h->w = w;
    h->self = cfg->self;
    h->cfg = *cfg;
    h->rng = (struct wr_rng){w->rng.state + cfg->self};
    h->in_ring = true;
    WR_CHECK(wr_outbox_init(&h->out, 1024, 1 << 16) == WR_OK);
    h->core = (struct wr_core){.cfg = &h->cfg,
                               .book = &w->book,
                               .rng = &h->rng,
                               .count = &h->count,
                               .out = &h->out};
    WR_CHECK(wr_routes_init(&h->routes, &still_sight, &h->cfg, &w->book) == 0);
    WR_CHECK(wr_lookups_init(&h->lookups, &still_sight, &h->routes, &h->cfg) ==
             0);
    WR_CHECK(wr_replica_init(&h->replica, &still_sight, &h->routes, &h->lookups,
                             &h->cfg) == 0);
}

/* `n` hosts of `members` members, in one ideal ring. `tune` may change each
 * host's configuration. */
static inline struct still *still_open(uint32_t n, uint8_t members,
                                       uint64_t seed,
                                       void (*tune)(struct wr_node_cfg *))
{
    struct still *w = calloc(1, sizeof(*w));
    const uint8_t ring[32] = {1};

    w->rng = (struct wr_rng){seed};
    w->n = n;
    w->hosts = calloc(n, sizeof(*w->hosts));
    w->ring = calloc((size_t)n * members, sizeof(*w->ring));
    w->now = WR_SEC(1);
    WR_CHECK(wr_book_init(&w->book, ring, n, n * members) == WR_OK);
    for (uint32_t i = 0; i < n; i++) {
        struct wr_host_id id;
        const struct wr_addr addr = {.port = 1};

        wr_rng_fill(&w->rng, id.b, sizeof(id.b));
        WR_CHECK(wr_book_add(&w->book, &id, members, 0, &addr) == i);
        for (uint8_t m = 0; m < members; m++)
            w->ring[w->ring_n++] = wr_ref_of(i, m);
    }
    qsort_r(w->ring, w->ring_n, sizeof(*w->ring), still_cmp, &w->book);
    for (uint32_t i = 0; i < n; i++) {
        struct wr_node_cfg cfg = still_cfg(i, members);

        if (tune != NULL)
            tune(&cfg);
        still_host_open(w, &w->hosts[i], &cfg);
    }
    return w;
}

static inline void still_close(struct still *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        wr_replica_done(&w->hosts[i].replica);
        wr_lookups_done(&w->hosts[i].lookups);
        wr_routes_done(&w->hosts[i].routes);
        wr_outbox_done(&w->hosts[i].out);
    }
    for (uint32_t i = 0; i < w->q_n; i++) {
        free(w->q[i].arrays[0]);
        free(w->q[i].arrays[1]);
    }
    wr_book_done(&w->book);
    free(w->q);
    free(w->bodies);
    free(w->ring);
    free(w->hosts);
    free(w);
}

/* Every host knows every member. */
static inline void still_full_tables(struct still *w)
{
    for (uint32_t i = 0; i < w->n; i++)
        for (uint32_t k = 0; k < w->n; k++) {
            w->hosts[i].core.now = w->now;
            wr_routes_learn_host(&w->hosts[i].routes, &w->hosts[i].core, k);
        }
}

/* Carrying. */

static inline void *still_copy(struct still_event *e, int slot, const void *p,
                               size_t n)
{
    if (n == 0)
        return NULL;
    e->arrays[slot] = malloc(n);
    memcpy(e->arrays[slot], p, n);
    return e->arrays[slot];
}

static inline void still_push(struct still *w, struct still_event e)
{
    if (w->q_n == w->q_cap) {
        w->q_cap = w->q_cap * 2 + 64;
        w->q = realloc(w->q, w->q_cap * sizeof(*w->q));
    }
    e.order = w->order++;
    w->q[w->q_n++] = e;
}

static inline struct wr_body *still_msg_body(struct wr_msg *m)
{
    if (m->kind == WR_MSG_PUT)
        return &m->put.body;
    return m->kind == WR_MSG_DATA ? &m->data.body : NULL;
}

static inline void still_keep(struct still_event *e, struct wr_msg *m)
{
    if (m->kind == WR_MSG_ROUTED) {
        m->routed.set =
            still_copy(e, 0, m->routed.set, m->routed.set_n * sizeof(wr_ref));
        m->routed.path = still_copy(e, 1, m->routed.path,
                                    m->routed.path_n * sizeof(wr_host));
    } else if (m->kind == WR_MSG_HAVE) {
        m->have.digests =
            still_copy(e, 0, m->have.digests, m->have.n * sizeof(struct wr_id));
    } else if (m->kind == WR_MSG_DATA) {
        m->data.hosts =
            still_copy(e, 0, m->data.hosts, m->data.hosts_n * sizeof(wr_host));
    } else if (m->kind == WR_MSG_ROOT_PUT || m->kind == WR_MSG_ROOT) {
        m->root.record.p = still_copy(e, 0, m->root.record.p, m->root.record.n);
    }
}

/* A message to a leaf: kept for the test to look at. */
static inline void still_to_leaf(struct still *w, const struct wr_msg *m)
{
    WR_CHECK(w->answers_n < STILL_LEAF_ANSWERS);
    struct wr_msg *a = &w->answers[w->answers_n++];

    *a = *m;
    if (m->kind == WR_MSG_DATA && m->data.hosts_n > 0) {
        memcpy(w->data_hosts, m->data.hosts, m->data.hosts_n * sizeof(wr_host));
        a->data.hosts = w->data_hosts;
    }
    if (m->kind == WR_MSG_ROOT && m->root.record.n > 0) {
        memcpy(w->record, m->root.record.p, m->root.record.n);
        a->root.record.p = w->record;
    }
}

static inline wr_time still_latency(struct still *w)
{
    return WR_MS(1) + wr_rng_below(&w->rng, w->jitter_us + 1);
}

static inline void still_carry(struct still *w, struct still_event e)
{
    struct wr_body *body = still_msg_body(&e.msg);

    if (w->hosts[e.to].silent || wr_rng_below(&w->rng, 1000) < w->drop_permille)
        return;
    if (body != NULL)
        still_retain(w, *body);
    still_keep(&e, &e.msg);
    still_push(w, e);
}

static inline void still_send(struct still *w, wr_host from, wr_host to,
                              const struct wr_msg *m)
{
    struct still_event e = {.at = w->now + still_latency(w),
                            .kind = STILL_MSG,
                            .from = from,
                            .to = to,
                            .msg = *m};
    const struct wr_body *body = still_msg_body(&e.msg);
    const uint64_t was = body != NULL ? body->id : 0;

    w->sends[m->kind]++;
    if (wr_host_is_leaf(to)) {
        still_to_leaf(w, m);
        return;
    }
    WR_CHECK(to != from);
    if (w->hosts[to].refuses) {
        still_push(
            w, (struct still_event){
                   .at = e.at, .kind = STILL_REFUSED, .from = to, .to = from});
        return;
    }
    if (w->passes != NULL && !w->passes(w, from, to, &e.msg))
        return;
    still_carry(w, e);
    if (w->twice)
        still_carry(w, e);
    if (body != NULL && body->id != was)
        still_release(w, *body);
}

static inline bool still_is_store(enum wr_fx_kind k)
{
    return k == WR_FX_STORE_PUT || k == WR_FX_STORE_REF ||
           k == WR_FX_STORE_GET || k == WR_FX_STORE_ROOT_PUT ||
           k == WR_FX_STORE_ROOT_GET || k == WR_FX_STORE_NEXT ||
           k == WR_FX_STORE_ROOT_NEXT || k == WR_FX_STORE_DROP;
}

static inline void still_done(struct still *w, const struct wr_fx *fx)
{
    WR_CHECK(w->done_n < 64);
    w->done[w->done_n++] = *fx;
    if (fx->done.answer.kind == WR_MSG_ROUTED && fx->done.answer.routed.path_n)
        memcpy(w->done_path, fx->done.answer.routed.path,
               fx->done.answer.routed.path_n * sizeof(wr_host));
}

static inline void still_drain(struct still *w, struct still_host *h)
{
    WR_CHECK(h->out.dropped == 0);
    for (uint32_t i = 0; i < h->out.n; i++) {
        struct wr_fx *fx = &h->out.v[i];

        if (fx->kind == WR_FX_SEND) {
            still_send(w, h->self, fx->to, &fx->msg);
        } else if (fx->kind == WR_FX_RELEASE) {
            continue; /* Last: others of this step may borrow it. */
        } else if (fx->kind == WR_FX_DONE) {
            still_done(w, fx);
        } else if (still_is_store(fx->kind)) {
            struct still_event e = {.at = w->now + still_latency(w) / 4,
                                    .kind = STILL_STORED,
                                    .to = h->self,
                                    .fx = *fx};

            h->stored++;
            still_retain(w, fx->store.body);
            e.fx.store.digests = still_copy(
                &e, 0, fx->store.digests,
                fx->kind == WR_FX_STORE_REF ? fx->store.n * sizeof(struct wr_id)
                                            : 0);
            e.fx.store.record.p =
                still_copy(&e, 1, fx->store.record.p, fx->store.record.n);
            still_push(w, e);
        }
    }
    for (uint32_t i = 0; i < h->out.n; i++)
        if (h->out.v[i].kind == WR_FX_RELEASE)
            still_release(w, h->out.v[i].release);
    wr_outbox_clear(&h->out);
    h->due = wr_time_min(wr_lookups_deadline(&h->lookups),
                         wr_replica_deadline(&h->replica));
}

/* The store: a map. */

static inline struct still_chunk *still_find(struct still_host *h,
                                             const struct wr_id *digest)
{
    for (uint32_t i = 0; i < h->chunks_n; i++)
        if (wr_id_eq(&h->chunks[i].digest, digest))
            return &h->chunks[i];
    return NULL;
}

static inline void still_ref(struct still_chunk *c, struct wr_put_id put)
{
    for (uint32_t i = 0; i < c->refs_n; i++)
        if (memcmp(&c->refs[i], &put, sizeof(put)) == 0)
            return;
    WR_CHECK(c->refs_n < 8);
    c->refs[c->refs_n++] = put;
}

static inline struct still_chunk *still_keep_chunk(struct still_host *h,
                                                   const struct wr_id *digest,
                                                   uint32_t len, uint32_t hash)
{
    struct still_chunk *c = still_find(h, digest);

    if (c != NULL)
        return c;
    WR_CHECK(h->chunks_n < 256);
    c = &h->chunks[h->chunks_n++];
    *c = (struct still_chunk){.digest = *digest, .len = len, .hash = hash};
    return c;
}

static inline struct still_root *still_find_root(struct still_host *h,
                                                 const struct wr_id *position)
{
    for (uint32_t i = 0; i < h->roots_n; i++)
        if (wr_id_eq(&h->roots[i].position, position))
            return &h->roots[i];
    return NULL;
}

static inline void still_root_put(struct still_host *h, const struct wr_fx *fx)
{
    struct still_root *r = still_find_root(h, &fx->store.digest);

    if (r == NULL) {
        WR_CHECK(h->roots_n < 16);
        r = &h->roots[h->roots_n++];
        *r = (struct still_root){.position = fx->store.digest};
    } else if (r->version >= fx->store.version) {
        return;
    }
    WR_CHECK(fx->store.record.n <= sizeof(r->bytes));
    r->version = fx->store.version;
    r->n = (uint32_t)fx->store.record.n;
    memcpy(r->bytes, fx->store.record.p, r->n);
}

/* The keys after the cursor, ascending: at most 16. */
static inline uint32_t still_walk(struct still_host *h, const struct wr_fx *fx,
                                  struct wr_id ret[16])
{
    const bool roots = fx->kind == WR_FX_STORE_ROOT_NEXT;
    const uint32_t total = roots ? h->roots_n : h->chunks_n;
    uint32_t n = 0;

    for (bool more = true; more && n < 16 && n < fx->store.n;) {
        const struct wr_id *best = NULL;

        for (uint32_t i = 0; i < total; i++) {
            const struct wr_id *d =
                roots ? &h->roots[i].position : &h->chunks[i].digest;
            const bool after = n > 0 ? wr_id_cmp(d, &ret[n - 1]) > 0
                                     : wr_id_cmp(d, &fx->store.digest) > 0;

            if (after && (best == NULL || wr_id_cmp(d, best) < 0))
                best = d;
        }
        more = best != NULL;
        if (more)
            ret[n++] = *best;
    }
    return n;
}

static inline void still_perform(struct still *w, struct still_host *h,
                                 struct wr_fx *fx)
{
    struct wr_event ev = {.kind = WR_EV_STORED};
    struct still_chunk *c = still_find(h, &fx->store.digest);
    struct still_root *r = still_find_root(h, &fx->store.digest);
    uint8_t bits[WR_HAVE_MAX / 8] = {0};
    struct wr_id next[16];
    uint32_t lens[16] = {0};

    ev.stored.token = fx->store.token;
    if (fx->kind == WR_FX_STORE_PUT) {
        if (h->full && c == NULL) {
            ev.stored.status = WR_STATUS_FULL;
        } else {
            c = still_keep_chunk(h, &fx->store.digest, fx->store.body.len,
                                 fx->store.hash);
            still_ref(c, fx->store.put);
            c->rotten = false;
        }
        still_release(w, fx->store.body);
    } else if (fx->kind == WR_FX_STORE_REF) {
        for (uint32_t i = 0; i < fx->store.n; i++) {
            c = still_find(h, &fx->store.digests[i]);
            if (c == NULL)
                continue;
            still_ref(c, fx->store.put);
            bits[i / 8] |= (uint8_t)(1u << (i % 8));
        }
        ev.stored.bits = bits;
        ev.stored.n = fx->store.n;
    } else if (fx->kind == WR_FX_STORE_GET && c != NULL) {
        ev.stored.len = c->len;
        ev.stored.hash = c->hash;
        ev.stored.refs = c->refs;
        ev.stored.refs_n = c->refs_n;
        if (!fx->store.head)
            ev.stored.body = still_body(w, c->digest, c->len, c->rotten);
    } else if (fx->kind == WR_FX_STORE_GET) {
        ev.stored.status = WR_STATUS_NO;
    } else if (fx->kind == WR_FX_STORE_ROOT_PUT) {
        still_root_put(h, fx);
    } else if (fx->kind == WR_FX_STORE_ROOT_GET && r != NULL) {
        ev.stored.version = r->version;
        ev.stored.record = (struct wr_span){.p = r->bytes, .n = r->n};
    } else if (fx->kind == WR_FX_STORE_ROOT_GET) {
        ev.stored.status = WR_STATUS_NO;
    } else {
        ev.stored.n = still_walk(h, fx, next);
        ev.stored.digests = next;
        ev.stored.lens = lens;
    }
    if (!h->silent)
        wr_replica_stored(&h->replica, &h->core, &ev);
    else
        still_release(w, ev.stored.body);
}

/* Running. */

static inline void still_recv(struct still *w, struct still_host *h,
                              wr_host from, struct wr_msg *m)
{
    struct wr_body *body = still_msg_body(m);

    if (body != NULL && body->id != 0 && w->bodies[body->id].rotten) {
        still_release(w, *body); /* As the driver does (fx.h). */
        *body = (struct wr_body){0};
        m->bad_body = 1;
    }
    if (h->denies && m->kind == WR_MSG_HAVE && m->have.level == WR_LEVEL_OWNER)
        wr_replica_refuse(&h->core, from, m, WR_STATUS_NOT_OWNER);
    else if (m->kind >= WR_MSG_ROUTE && m->kind <= WR_MSG_NEXT)
        wr_lookups_recv(&h->lookups, &h->core, from, m);
    else
        wr_replica_recv(&h->replica, &h->core, from, m);
}

static inline void still_event_run(struct still *w, struct still_event *e)
{
    struct still_host *h = &w->hosts[e->to];

    h->core.now = w->now;
    if (e->kind == STILL_STORED) {
        still_perform(w, h, &e->fx);
    } else if (e->kind == STILL_REFUSED) {
        wr_lookups_link_down(&h->lookups, &h->core, e->from);
    } else if (h->silent) {
        struct wr_body *body = still_msg_body(&e->msg);

        if (body != NULL)
            still_release(w, *body);
    } else {
        still_recv(w, h, e->from, &e->msg);
    }
    still_drain(w, h);
    free(e->arrays[0]);
    free(e->arrays[1]);
}

/* The next event of the queue before `until`; -1 if there is none. */
static inline int64_t still_next(const struct still *w, wr_time until)
{
    int64_t best = -1;

    for (uint32_t i = 0; i < w->q_n; i++)
        if (w->q[i].at <= until &&
            (best < 0 || w->q[i].at < w->q[best].at ||
             (w->q[i].at == w->q[best].at && w->q[i].order < w->q[best].order)))
            best = i;
    return best;
}

static inline wr_time still_deadline(struct still *w, wr_host *ret)
{
    wr_time t = WR_NEVER;

    for (uint32_t i = 0; i < w->n; i++) {
        if (!w->hosts[i].silent && w->hosts[i].due < t) {
            t = w->hosts[i].due;
            *ret = i;
        }
    }
    return t;
}

static inline void still_run(struct still *w, wr_time us)
{
    const wr_time end = w->now + us;

    for (;;) {
        wr_host who = 0;
        const wr_time due = still_deadline(w, &who);
        const int64_t at = still_next(w, wr_time_min(end, due));

        if (at >= 0) {
            struct still_event e = w->q[at];

            w->q[at] = w->q[--w->q_n];
            w->now = wr_time_max(w->now, e.at);
            still_event_run(w, &e);
        } else if (due <= end) {
            struct still_host *h = &w->hosts[who];

            w->now = wr_time_max(w->now, due);
            h->core.now = w->now;
            wr_lookups_tick(&h->lookups, &h->core);
            wr_replica_tick(&h->replica, &h->core);
            still_drain(w, h);
        } else {
            break;
        }
    }
    w->now = end;
}

/* The link from `at` to `to` breaks. */
static inline void still_cut(struct still *w, wr_host at, wr_host to)
{
    struct still_host *h = &w->hosts[at];

    h->core.now = w->now;
    wr_lookups_link_down(&h->lookups, &h->core, to);
    wr_replica_link_down(&h->replica, &h->core, to);
    still_drain(w, h);
}

/* Runs until fingers are found, then no more of them are looked up. */
static inline void still_fingers(struct still *w, wr_time us)
{
    still_run(w, us);
    for (uint32_t i = 0; i < w->n; i++) {
        w->hosts[i].cfg.finger_us = WR_NEVER / 2;
        w->hosts[i].routes.finger_at = WR_NEVER;
        w->hosts[i].due = 0;
    }
    still_run(w, WR_MS(100));
    memset(w->sends, 0, sizeof(w->sends));
}

/* A leaf's request to its parent. */
static inline void still_ask(struct still *w, wr_host parent, struct wr_msg m)
{
    struct still_host *h = &w->hosts[parent];

    h->core.now = w->now;
    wr_replica_recv(&h->replica, &h->core, WR_HOST_LEAF | 1, &m);
    still_drain(w, h);
}

static inline void still_lookup(struct still *w, wr_host at,
                                const struct wr_id *key, bool trace)
{
    struct still_host *h = &w->hosts[at];

    h->core.now = w->now;
    wr_lookups_start(&h->lookups, &h->core, key, trace, WR_LOOKUP_COMMAND, 7);
    still_drain(w, h);
}

static inline struct wr_id still_key(struct still *w)
{
    struct wr_id id;

    wr_rng_fill(&w->rng, id.b, sizeof(id.b));
    return id;
}

#endif
