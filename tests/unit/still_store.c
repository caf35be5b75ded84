/* still_store.c - see still.h: bodies, and the store, a map. */
#include "still.h"

#include <stdlib.h>

/* Bodies: counted as fx.h says. */

struct wr_body still_body(struct still *w, struct wr_id digest, uint32_t len,
                          bool rotten)
{
    w->bodies = realloc(w->bodies, (w->bodies_n + 2) * sizeof(*w->bodies));
    w->bodies_n++;
    w->bodies[w->bodies_n] = (struct still_body){
        .refs = 1, .len = len, .digest = digest, .rotten = rotten};
    return (struct wr_body){.id = w->bodies_n, .len = len};
}

void still_release(struct still *w, struct wr_body b)
{
    if (b.id == 0)
        return;
    WR_CHECK(b.id <= w->bodies_n);
    WR_CHECK(w->bodies[b.id].refs > 0); /* Never twice. */
    w->bodies[b.id].refs--;
}

void still_retain(struct still *w, struct wr_body b)
{
    if (b.id == 0)
        return;
    WR_CHECK(w->bodies[b.id].refs > 0); /* Borrowed from somebody. */
    w->bodies[b.id].refs++;
}

uint32_t still_bodies_held(const struct still *w)
{
    uint32_t held = 0;

    for (uint32_t i = 1; i <= w->bodies_n; i++)
        held += w->bodies[i].refs;
    return held;
}

/* The store: a map. */

struct still_chunk *still_find(struct still_host *h, const struct wr_id *digest)
{
    for (uint32_t i = 0; i < h->chunks_n; i++)
        if (wr_id_eq(&h->chunks[i].digest, digest))
            return &h->chunks[i];
    return NULL;
}

void still_ref(struct still_chunk *c, struct wr_put_id put)
{
    for (uint32_t i = 0; i < c->refs_n; i++)
        if (memcmp(&c->refs[i], &put, sizeof(put)) == 0)
            return;
    WR_CHECK(c->refs_n < 8);
    c->refs[c->refs_n++] = put;
}

struct still_chunk *still_keep_chunk(struct still_host *h,
                                     const struct wr_id *digest, uint32_t len,
                                     uint32_t hash)
{
    struct still_chunk *c = still_find(h, digest);

    if (c != NULL)
        return c;
    WR_CHECK(h->chunks_n < 256);
    c = &h->chunks[h->chunks_n++];
    *c = (struct still_chunk){.digest = *digest, .len = len, .hash = hash};
    return c;
}

struct still_root *still_find_root(struct still_host *h,
                                   const struct wr_id *position)
{
    for (uint32_t i = 0; i < h->roots_n; i++)
        if (wr_id_eq(&h->roots[i].position, position))
            return &h->roots[i];
    return NULL;
}

static void still_root_put(struct still_host *h, const struct wr_fx *fx)
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
static uint32_t still_walk(struct still_host *h, const struct wr_fx *fx,
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

void still_perform(struct still *w, struct still_host *h, struct wr_fx *fx)
{
    static const struct wr_put_id none;
    struct wr_event ev = {.kind = WR_EV_STORED};
    struct still_chunk *c = still_find(h, &fx->store.digest);
    struct still_root *r = still_find_root(h, &fx->store.digest);
    uint8_t bits[WR_HAVE_MAX / 8] = {0};
    struct wr_id next[16];
    uint32_t lens[16] = {0};

    ev.stored.token = fx->store.token;
    if (fx->kind == WR_FX_STORE_PUT) {
        if (h->full && (c == NULL || c->rotten)) {
            ev.stored.status = WR_STATUS_FULL;
        } else {
            c = still_keep_chunk(h, &fx->store.digest, fx->store.body.len,
                                 fx->store.hash);
            if (memcmp(&fx->store.put, &none, sizeof(none)) != 0)
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
    } else if (fx->kind == WR_FX_STORE_REFS || fx->kind == WR_FX_STORE_DROP ||
               fx->kind == WR_FX_STORE_REAP ||
               fx->kind == WR_FX_STORE_ROOT_DROP ||
               fx->kind == WR_FX_STORE_SUM || fx->kind == WR_FX_STORE_RANGE ||
               fx->kind == WR_FX_STORE_DROP_SAME) {
        WR_UNREACHABLE(); /* These hosts neither sweep nor repair. */
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
