/* disk.c - see disk.h. */
#include "disk.h"

#include <stdlib.h>
#include <string.h>

#include "world_private.h"

static void table_done(struct wr_disk_table *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        free(t->v[i].owned);
    free(t->v);
}

void wr_disk_done(struct wr_disk *d)
{
    table_done(&d->chunks);
    table_done(&d->roots);
    *d = (struct wr_disk){0};
}

/* The first item that is not before `key`. */
static uint32_t at_or_after(const struct wr_disk_table *t,
                            const struct wr_id *key)
{
    uint32_t lo = 0, hi = t->n;

    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;

        if (wr_id_cmp(&t->v[mid].key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct wr_disk_item *find(const struct wr_disk_table *t,
                                 const struct wr_id *key)
{
    const uint32_t i = at_or_after(t, key);

    return i < t->n && wr_id_eq(&t->v[i].key, key) ? &t->v[i] : NULL;
}

const struct wr_disk_item *wr_disk_find(const struct wr_disk_table *t,
                                        const struct wr_id *key)
{
    return find(t, key);
}

void wr_disk_rot(struct wr_disk *d, const struct wr_id *digest)
{
    struct wr_disk_item *item = find(&d->chunks, digest);

    if (item != NULL && item->rot == 0)
        item->rot = 1;
}

static struct wr_disk_item *find_or_add(struct wr_disk_table *t,
                                        const struct wr_id *key)
{
    const uint32_t i = at_or_after(t, key);

    if (i < t->n && wr_id_eq(&t->v[i].key, key))
        return &t->v[i];
    t->v = world_grown(t->v, t->n, &t->cap, sizeof(t->v[0]));
    memmove(&t->v[i + 1], &t->v[i], (t->n++ - i) * sizeof(t->v[0]));
    t->v[i] = (struct wr_disk_item){.key = *key};
    return &t->v[i];
}

static uint32_t place_of(const struct wr_disk_item *item,
                         const struct wr_put_id *put)
{
    uint32_t i = 0;

    while (i < item->refs_n && memcmp(&item->refs[i], put, sizeof(*put)) != 0)
        i++;
    return i;
}

bool wr_disk_refers(const struct wr_disk_item *item,
                    const struct wr_put_id *put)
{
    return item != NULL && place_of(item, put) < item->refs_n;
}

static void refer(struct wr_disk_item *item, const struct wr_put_id *put)
{
    if (wr_put_id_is_none(put))
        return;
    if (wr_disk_refers(item, put))
        return;
    item->refs =
        world_must(realloc(item->refs, (item->refs_n + 1) * sizeof(*put)));
    item->refs[item->refs_n++] = *put;
    item->idle_since = 0;
    const struct wr_sum ref = wr_sum_ref(item->key.b, put->b);

    wr_sum_add(&item->sum, &ref);
}

static void unrefer(struct wr_disk_item *item, const struct wr_put_id *put)
{
    if (!wr_disk_refers(item, put))
        return;
    const uint32_t i = place_of(item, put);
    const struct wr_sum ref = wr_sum_ref(item->key.b, put->b);

    memmove(&item->refs[i], &item->refs[i + 1],
            (--item->refs_n - i) * sizeof(*put));
    wr_sum_take(&item->sum, &ref);
}

static void put(struct wr_disk *d, const struct wr_fx *fx, uint32_t len)
{
    struct wr_disk_item *item = find_or_add(&d->chunks, &fx->store.digest);

    if (item->sum.n == 0)
        item->sum = wr_sum_chunk(item->key.b);
    item->rot = 0;
    item->hash = fx->store.hash;
    item->len = len;
    refer(item, &fx->store.put);
}

static void ref(struct wr_disk *d, const struct wr_fx *fx, struct wr_event *ret)
{
    static uint8_t bits[WR_HAVE_MAX / 8];

    memset(bits, 0, sizeof(bits));
    for (uint32_t i = 0; i < fx->store.n; i++) {
        struct wr_disk_item *item = find(&d->chunks, &fx->store.digests[i]);

        if (item == NULL || item->rot == 2)
            continue;
        refer(item, &fx->store.put);
        bits[i / 8] |= (uint8_t)(1u << i % 8);
    }
    ret->stored.bits = bits;
    ret->stored.n = fx->store.n;
}

static void get(const struct wr_disk_table *t, const struct wr_fx *fx,
                struct wr_event *ret)
{
    struct wr_disk_item *item = find(t, &fx->store.digest);

    if (item == NULL) {
        ret->stored.status = WR_STATUS_NO;
        return;
    }
    if (item->rot == 1 && !fx->store.head)
        item->rot = 2;
    if (item->rot == 2) {
        ret->stored.status = WR_STATUS_BAD;
        return;
    }
    ret->stored.hash = item->hash;
    ret->stored.len = item->len;
    ret->stored.version = item->version;
    if (fx->kind == WR_FX_STORE_ROOT_GET) {
        ret->stored.record = wr_span(item->record, item->len);
    } else {
        ret->stored.refs = item->refs;
        ret->stored.refs_n =
            item->refs_n < WR_DISK_REFS ? item->refs_n : WR_DISK_REFS;
    }
}

/* The higher version stays, of equal ones the greater bytes (store/store.h). */
static void root_put(struct wr_disk *d, const struct wr_fx *fx,
                     struct wr_event *ret)
{
    const struct wr_span *record = &fx->store.record;
    struct wr_disk_item *item;

    if (record->n == 0 || record->n > WR_DISK_ROOT_MAX) {
        ret->stored.status = WR_STATUS_FAILED;
        return;
    }
    item = find_or_add(&d->roots, &fx->store.digest);
    if (item->version > fx->store.version ||
        (item->version == fx->store.version &&
         wr_span_cmp(wr_span(item->record, item->len), *record) >= 0))
        return;
    item->version = fx->store.version;
    item->len = (uint32_t)record->n;
    item->record = world_must(realloc(item->record, record->n));
    memcpy(item->record, record->p, record->n);
    item->sum = wr_sum_root(item->key.b, item->version, *record);
}

static void next(const struct wr_disk_table *t, const struct wr_fx *fx,
                 struct wr_event *ret)
{
    static struct wr_id keys[WR_HAVE_MAX];
    static uint32_t lens[WR_HAVE_MAX];
    uint32_t i = at_or_after(t, &fx->store.digest), n = 0;

    if (i < t->n && wr_id_eq(&t->v[i].key, &fx->store.digest))
        i++;
    for (; i < t->n && n < fx->store.n && n < WR_HAVE_MAX; i++, n++) {
        keys[n] = t->v[i].key;
        lens[n] = t->v[i].len;
    }
    ret->stored.digests = keys;
    ret->stored.lens = lens;
    ret->stored.n = n;
}

void wr_disk_drop(struct wr_disk_table *t, const struct wr_id *key)
{
    const uint32_t i = at_or_after(t, key);

    if (i == t->n || !wr_id_eq(&t->v[i].key, key))
        return;
    free(t->v[i].owned);
    memmove(&t->v[i], &t->v[i + 1], (--t->n - i) * sizeof(t->v[0]));
}

/* As store/store.h says of wr_store_reap(). */
static void reap(struct wr_disk *d, const struct wr_fx *fx,
                 struct wr_event *ret)
{
    struct wr_disk_item *item = find(&d->chunks, &fx->store.digest);
    const uint64_t now_s = fx->store.now_s;

    if (item == NULL || item->refs_n > 0)
        return;
    if (item->idle_since == 0 || item->idle_since > now_s) {
        item->idle_since = now_s;
    } else if (now_s - item->idle_since >= fx->store.grace_s) {
        wr_disk_drop(&d->chunks, &fx->store.digest);
        ret->stored.changed = true;
    }
}

static void refs(const struct wr_disk *d, const struct wr_fx *fx,
                 struct wr_event *ret)
{
    const struct wr_disk_item *item = find(&d->chunks, &fx->store.digest);

    if (item == NULL) {
        ret->stored.status = WR_STATUS_NO;
    } else if (item->refs_n > fx->store.n) {
        ret->stored.refs = item->refs + fx->store.n;
        ret->stored.refs_n = item->refs_n - fx->store.n;
    }
}

/* ---- arcs ---------------------------------------------------------------- */

/* What noticed rot has taken is not here. */
static bool counts(const struct wr_disk_item *item)
{
    return item->rot != 2;
}

static void sum(const struct wr_disk_table *t, const struct wr_fx *fx,
                struct wr_event *ret)
{
    static struct wr_sum sums[WR_ARC_PARTS];

    memset(sums, 0, sizeof(sums));
    for (unsigned p = 0; p < WR_ARC_PARTS; p++) {
        const struct wr_id a = wr_id_part(&fx->store.digest, &fx->store.to, p);
        const struct wr_id b =
            wr_id_part(&fx->store.digest, &fx->store.to, p + 1);
        uint32_t at = at_or_after(t, &a);

        for (uint32_t i = 0; i < t->n && !wr_id_eq(&a, &b); i++, at++) {
            const struct wr_disk_item *item = &t->v[at % t->n];

            if (!wr_id_owns(&a, &item->key, &b) && !wr_id_eq(&a, &item->key))
                break;
            if (wr_id_owns(&a, &item->key, &b) && counts(item))
                wr_sum_add(&sums[p], &item->sum);
        }
    }
    ret->stored.sums = sums;
    ret->stored.n = WR_ARC_PARTS;
}

static void range(const struct wr_disk_table *t, const struct wr_fx *fx,
                  struct wr_event *ret)
{
    static struct wr_kept kept[WR_HAVE_MAX];
    uint32_t at = at_or_after(t, &fx->store.digest), n = 0;

    for (uint32_t i = 0; i < t->n && n < fx->store.n && n < WR_HAVE_MAX;
         i++, at++) {
        const struct wr_disk_item *item = &t->v[at % t->n];

        if (wr_id_owns(&fx->store.digest, &item->key, &fx->store.to)) {
            kept[n] = (struct wr_kept){.key = item->key,
                                       .len = item->len,
                                       .version = item->version,
                                       .damaged = !counts(item)};
            wr_sum_print(&item->sum, kept[n++].print);
        } else if (!wr_id_eq(&fx->store.digest, &item->key)) {
            break;
        }
    }
    ret->stored.kept = kept;
    ret->stored.n = n;
}

static void drop_same(struct wr_disk *d, const struct wr_fx *fx,
                      struct wr_event *ret)
{
    const struct wr_disk_item *item = find(&d->chunks, &fx->store.digest);
    uint8_t print[WR_PRINT];

    if (item == NULL)
        return;
    wr_sum_print(&item->sum, print);
    if (memcmp(print, fx->store.put.b, WR_PRINT) != 0)
        return;
    wr_disk_drop(&d->chunks, &fx->store.digest);
    ret->stored.changed = true;
}

static void root_drop(struct wr_disk *d, const struct wr_fx *fx)
{
    const struct wr_disk_item *item = find(&d->roots, &fx->store.digest);

    if (item != NULL && item->version == fx->store.version)
        wr_disk_drop(&d->roots, &fx->store.digest);
}

void wr_disk_do(struct wr_disk *d, const struct wr_fx *fx, uint32_t len,
                struct wr_event *ret)
{
    ret->stored.status = WR_STATUS_OK;
    switch ((unsigned)fx->kind) {
    case WR_FX_STORE_PUT:
        put(d, fx, len);
        return;
    case WR_FX_STORE_REF:
        ref(d, fx, ret);
        return;
    case WR_FX_STORE_GET:
        get(&d->chunks, fx, ret);
        return;
    case WR_FX_STORE_ROOT_PUT:
        root_put(d, fx, ret);
        return;
    case WR_FX_STORE_ROOT_GET:
        get(&d->roots, fx, ret);
        return;
    case WR_FX_STORE_NEXT:
        next(&d->chunks, fx, ret);
        return;
    case WR_FX_STORE_ROOT_NEXT:
        next(&d->roots, fx, ret);
        return;
    case WR_FX_STORE_DROP:
        unrefer(find(&d->chunks, &fx->store.digest), &fx->store.put);
        return;
    case WR_FX_STORE_REFS:
        refs(d, fx, ret);
        return;
    case WR_FX_STORE_REAP:
        reap(d, fx, ret);
        return;
    case WR_FX_STORE_ROOT_DROP:
        root_drop(d, fx);
        return;
    case WR_FX_STORE_SUM:
        sum(fx->store.roots ? &d->roots : &d->chunks, fx, ret);
        return;
    case WR_FX_STORE_RANGE:
        range(fx->store.roots ? &d->roots : &d->chunks, fx, ret);
        return;
    case WR_FX_STORE_DROP_SAME:
        drop_same(d, fx, ret);
        return;
    default:
        WR_UNREACHABLE();
    }
}

/* ---- bodies -------------------------------------------------------------- */

/* A slot, and which of its users it was. */
enum { SLOT_BITS = 24, SLOT_MASK = (1 << SLOT_BITS) - 1 };

struct wr_body wr_bodies_give(struct wr_bodies *b, wr_host host,
                              const struct wr_id *digest, uint32_t len)
{
    const uint32_t slot = b->free != 0 ? b->free - 1 : b->n;
    struct wr_held *h;

    if (b->free != 0) {
        b->free = b->v[slot].next;
    } else {
        WR_CHECK(slot < SLOT_MASK);
        b->v = world_grown(b->v, b->n, &b->cap, sizeof(b->v[0]));
        b->v[b->n++].turn = 0;
    }
    h = &b->v[slot];
    *h = (struct wr_held){
        .digest = *digest, .len = len, .host = host, .turn = h->turn};
    return (struct wr_body){.id = (uint32_t)h->turn << SLOT_BITS | (slot + 1),
                            .len = len};
}

static struct wr_held *held(const struct wr_bodies *b, wr_host host,
                            struct wr_body body)
{
    const uint32_t slot = (body.id & SLOT_MASK) - 1;
    struct wr_held *h = body.id == 0 || slot >= b->n ? NULL : &b->v[slot];

    return h != NULL && h->host == host && !h->gone &&
                   h->turn == body.id >> SLOT_BITS
               ? h
               : NULL;
}

const struct wr_held *wr_bodies_get(const struct wr_bodies *b, wr_host host,
                                    struct wr_body body)
{
    return held(b, host, body);
}

static void give_up(struct wr_bodies *b, struct wr_held *h)
{
    h->gone = true;
    h->turn++;
    h->next = b->free;
    b->free = (uint32_t)(h - b->v) + 1;
}

bool wr_bodies_release(struct wr_bodies *b, wr_host host, struct wr_body body)
{
    struct wr_held *h = held(b, host, body);

    if (h != NULL)
        give_up(b, h);
    return h != NULL;
}

void wr_bodies_crash(struct wr_bodies *b, wr_host host)
{
    for (uint32_t i = 0; i < b->n; i++)
        if (!b->v[i].gone && b->v[i].host == host)
            give_up(b, &b->v[i]);
}

uint32_t wr_bodies_held(const struct wr_bodies *b)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < b->n; i++)
        n += !b->v[i].gone;
    return n;
}

void wr_bodies_done(struct wr_bodies *b)
{
    free(b->v);
    *b = (struct wr_bodies){0};
}
