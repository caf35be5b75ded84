/*
 * mem.c - the store that forgets: sorted tables in memory, behind the same
 * operations as LMDB. Requests wait for the next poll and are done there, in
 * order, so that whoever runs on it meets the asynchrony of the real one.
 */
#include <stdlib.h>

#include "store/impl.h"

struct item {
    uint8_t key[WR_STORE_NAME_MAX];
    uint32_t key_n;
    uint64_t number; /* Hash code, version. */
    uint8_t *bytes;
    uint32_t n;
    uint8_t (*put_ids)[WR_PUT_ID];
    uint32_t refs, refs_cap;
    uint64_t idle_since; /* Without references; 0: not seen. */
    struct wr_sum sum;   /* With its references. */
};

/* Sorted by key. Insertion moves pointers: fine to some 100,000 items. */
struct table {
    struct item **v;
    size_t n, cap;
};

struct mem {
    struct wr_store base;
    struct wr_store_cfg cfg;
    struct wr_store_reqs waiting;
    struct table chunks, roots, metas;
    uint64_t chunk_bytes, used, writes, refused;
};

static struct mem *mem_of(struct wr_store *s)
{
    return (struct mem *)s; /* Its first member. */
}

/* The place of the first key that is not below `key`. */
static size_t place(const struct table *t, struct wr_span key)
{
    size_t lo = 0, hi = t->n;

    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;

        if (wr_span_cmp(wr_span(t->v[mid]->key, t->v[mid]->key_n), key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct item *find(const struct table *t, struct wr_span key)
{
    const size_t i = place(t, key);

    if (i == t->n || !wr_span_eq(wr_span(t->v[i]->key, t->v[i]->key_n), key))
        return NULL;
    return t->v[i];
}

static struct wr_span key_of(const struct wr_store_req *r)
{
    return wr_span(r->key, r->key_n);
}

static uint64_t size_of(const struct item *it)
{
    return sizeof(*it) + it->n + (uint64_t)it->refs_cap * WR_PUT_ID;
}

static struct item *insert(struct table *t, struct wr_span key)
{
    const size_t i = place(t, key);
    struct item *it;

    if (t->n == t->cap) {
        const size_t cap = t->cap > 0 ? 2 * t->cap : 64;
        struct item **v = realloc(t->v, cap * sizeof(struct item *));

        if (v == NULL)
            return NULL;
        t->v = v;
        t->cap = cap;
    }
    it = calloc(1, sizeof(*it));
    if (it == NULL)
        return NULL;
    memcpy(it->key, key.p, key.n);
    it->key_n = (uint32_t)key.n;
    memmove(&t->v[i + 1], &t->v[i], (t->n - i) * sizeof(t->v[0]));
    t->v[i] = it;
    t->n++;
    return it;
}

static void item_free(struct item *it)
{
    free(it->bytes);
    free(it->put_ids);
    free(it);
}

static void erase(struct mem *m, struct table *t, struct item *it)
{
    const size_t i = place(t, wr_span(it->key, it->key_n));

    m->used -= size_of(it);
    memmove(&t->v[i], &t->v[i + 1], (t->n - i - 1) * sizeof(t->v[0]));
    t->n--;
    item_free(it);
}

/* Makes the table's item of the request's key hold its bytes. */
static bool set(struct mem *m, struct table *t, struct wr_store_req *r,
                struct item **ret)
{
    struct item *it = find(t, key_of(r));
    uint8_t *bytes = malloc(r->bytes.n > 0 ? r->bytes.n : 1);

    if (bytes != NULL && it == NULL) {
        it = insert(t, key_of(r));
        if (it != NULL)
            m->used += size_of(it);
    }
    if (bytes == NULL || it == NULL) {
        free(bytes);
        r->answer.err = WR_ENOMEM;
        return false;
    }
    if (r->bytes.n > 0)
        memcpy(bytes, r->bytes.p, r->bytes.n);
    m->used += r->bytes.n;
    m->used -= it->n;
    free(it->bytes);
    it->bytes = bytes;
    it->n = (uint32_t)r->bytes.n;
    it->number = r->number;
    r->answer.stored = true;
    *ret = it;
    return true;
}

static uint64_t capacity(const struct mem *m)
{
    return m->cfg.quota > 0 ? m->cfg.quota : UINT64_MAX;
}

/* Whether the request may add; if not, it is answered so. */
static bool admits(struct mem *m, struct wr_store_req *r, bool fresh)
{
    const uint64_t after = m->used + (fresh ? r->bytes.n : 0);

    if (wr_space_takes(wr_space_of(m->used, capacity(m)), r, fresh) &&
        after <= capacity(m))
        return true;
    r->answer.err = WR_EFULL;
    m->refused++;
    return false;
}

static uint32_t ref_place(const struct item *it, const uint8_t *put_id)
{
    uint32_t i = 0;

    while (i < it->refs && memcmp(it->put_ids[i], put_id, WR_PUT_ID) != 0)
        i++;
    return i;
}

static bool ref_add(struct mem *m, struct item *it, struct wr_store_req *r)
{
    if (ref_place(it, r->put_id) < it->refs)
        return true;
    if (it->refs == it->refs_cap) {
        const uint32_t cap = it->refs_cap > 0 ? 2 * it->refs_cap : 1;
        void *p = realloc(it->put_ids, (size_t)cap * WR_PUT_ID);

        if (p == NULL) {
            r->answer.err = WR_ENOMEM;
            return false;
        }
        m->used += (uint64_t)(cap - it->refs_cap) * WR_PUT_ID;
        it->put_ids = p;
        it->refs_cap = cap;
    }
    memcpy(it->put_ids[it->refs++], r->put_id, WR_PUT_ID);
    it->idle_since = 0;
    const struct wr_sum ref = wr_sum_ref(it->key, r->put_id);

    wr_sum_add(&it->sum, &ref);
    return true;
}

static void do_put(struct mem *m, struct wr_store_req *r)
{
    struct item *it = find(&m->chunks, key_of(r));

    if (it == NULL || !wr_span_eq(wr_span(it->bytes, it->n), r->bytes) ||
        it->number != r->number) {
        const uint32_t before = it != NULL ? it->n : 0;

        if (!admits(m, r, true) || !set(m, &m->chunks, r, &it))
            return;
        m->chunk_bytes += it->n;
        m->chunk_bytes -= before;
        if (it->sum.n == 0)
            it->sum = wr_sum_chunk(it->key);
    } else if (r->has_put_id && !admits(m, r, false)) {
        return;
    }
    if (r->has_put_id && !ref_add(m, it, r))
        r->answer.stored = false;
}

static void do_have(struct mem *m, struct wr_store_req *r)
{
    uint8_t *bits;

    if (r->has_put_id && !admits(m, r, false))
        return;
    if (!wr_store_req_out(r, (r->n + 7) / 8))
        return;
    bits = r->out;
    for (uint32_t i = 0; i < r->n; i++) {
        struct item *it = find(
            &m->chunks, wr_span(r->tail + (size_t)i * WR_DIGEST, WR_DIGEST));

        if (it == NULL || (r->has_put_id && !ref_add(m, it, r)))
            continue;
        wr_bit_set(bits, i);
    }
    r->answer.bits = bits;
    r->answer.n = r->n;
}

static void chunk_info(const struct item *it, struct wr_chunk_info *ret)
{
    const uint32_t shown =
        it->refs < WR_STORE_REFS_SHOWN ? it->refs : WR_STORE_REFS_SHOWN;

    *ret = (struct wr_chunk_info){.hash = it->number,
                                  .length = it->n,
                                  .extents = 1,
                                  .refs = it->refs,
                                  .sum = it->sum};
    memcpy(ret->digest, it->key, WR_DIGEST);
    if (shown > 0)
        memcpy(ret->put_ids, it->put_ids, (size_t)shown * WR_PUT_ID);
}

static void do_chunk(struct mem *m, struct wr_store_req *r)
{
    const struct item *it = find(&m->chunks, key_of(r));
    struct wr_buf *b;

    if (it == NULL) {
        r->answer.err = WR_ENOTFOUND;
        return;
    }
    if (r->op == WR_STORE_READ) {
        b = wr_pool_get(r->pool, r->share, it->n > 0 ? it->n : 1);
        if (b == NULL) {
            r->answer.err = WR_EBUSY;
            return;
        }
        memcpy(b->p, it->bytes, it->n);
        b->n = it->n;
        r->answer.buf = b;
    }
    chunk_info(it, &r->one.chunk);
    r->answer.chunks = &r->one.chunk;
    r->answer.n = 1;
}

static void do_refs(struct mem *m, struct wr_store_req *r)
{
    const struct item *it = find(&m->chunks, key_of(r));
    uint32_t n;

    if (it == NULL) {
        r->answer.err = WR_ENOTFOUND;
        return;
    }
    n = it->refs > r->n ? it->refs - r->n : 0;
    if (n > WR_STORE_BATCH_MAX)
        n = WR_STORE_BATCH_MAX;
    if (n == 0 || !wr_store_req_out(r, (size_t)n * WR_PUT_ID))
        return;
    memcpy(r->out, it->put_ids[r->n], (size_t)n * WR_PUT_ID);
    r->answer.put_ids = r->out;
    r->answer.n = n;
}

static void do_drop(struct mem *m, struct wr_store_req *r)
{
    struct item *it = find(&m->chunks, key_of(r));
    uint32_t i;

    if (it == NULL)
        return;
    if (r->has_print) {
        uint8_t print[WR_PRINT];

        wr_sum_print(&it->sum, print);
        if (memcmp(print, r->print, WR_PRINT) != 0)
            return;
    }
    if (!r->has_put_id) {
        m->chunk_bytes -= it->n;
        erase(m, &m->chunks, it);
        r->answer.stored = true;
        return;
    }
    i = ref_place(it, r->put_id);
    if (i == it->refs)
        return;
    const struct wr_sum ref = wr_sum_ref(it->key, r->put_id);

    wr_sum_take(&it->sum, &ref);
    it->refs--;
    memmove(it->put_ids[i], it->put_ids[i + 1],
            (size_t)(it->refs - i) * WR_PUT_ID);
    r->answer.stored = true;
}

static void do_reap(struct mem *m, struct wr_store_req *r)
{
    struct item *it = find(&m->chunks, key_of(r));

    if (it == NULL || it->refs > 0)
        return;
    switch (wr_store_reap_does(it->idle_since, r)) {
    case WR_REAP_WAIT:
        return;
    case WR_REAP_MARK:
        it->idle_since = r->number;
        return;
    case WR_REAP_REMOVE:
        m->chunk_bytes -= it->n;
        erase(m, &m->chunks, it);
        r->answer.stored = true;
        return;
    }
    WR_UNREACHABLE();
}

static void do_root_drop(struct mem *m, struct wr_store_req *r)
{
    struct item *it = find(&m->roots, key_of(r));

    if (it == NULL || it->number != r->number)
        return;
    erase(m, &m->roots, it);
    r->answer.stored = true;
}

/* What a LIST asks for: `n` items from `at` on, round the ring if need be. */
struct range {
    size_t at;
    uint32_t n;
};

static const struct item *in_range(const struct table *t, struct range range,
                                   uint32_t i)
{
    return t->v[(range.at + i) % t->n];
}

static struct range range_of(const struct table *t,
                             const struct wr_store_req *r)
{
    struct range range = {0};
    size_t left;

    if (r->has_key) {
        range.at = place(t, key_of(r));
        if (range.at < t->n &&
            wr_span_eq(wr_span(t->v[range.at]->key, t->v[range.at]->key_n),
                       key_of(r)))
            range.at++;
    }
    left = wr_store_wraps(r) ? t->n : t->n - range.at;
    while (range.n < r->n && range.n < left &&
           wr_store_lists(r, in_range(t, range, range.n)->key))
        range.n++;
    return range;
}

static void do_list(struct mem *m, struct wr_store_req *r)
{
    const struct range range = range_of(&m->chunks, r);
    struct wr_chunk_info *v;

    if (range.n == 0 || !wr_store_req_out(r, range.n * sizeof(*v)))
        return;
    v = r->out;
    for (uint32_t i = 0; i < range.n; i++)
        chunk_info(in_range(&m->chunks, range, i), &v[i]);
    r->answer.chunks = v;
    r->answer.n = range.n;
}

/* No buckets here: additions alone, of sums that are kept with the items. */
static void do_sum(struct mem *m, struct wr_store_req *r)
{
    const struct table *t = r->roots ? &m->roots : &m->chunks;
    struct wr_id from, to;
    struct wr_sum *out;

    if (!wr_store_req_out(r, r->n * sizeof(*out)))
        return;
    out = r->out;
    memcpy(from.b, r->key, sizeof(from.b));
    memcpy(to.b, r->tail, sizeof(to.b));
    for (uint32_t p = 0; p < r->n; p++) {
        struct wr_id a, b, x;

        if (!wr_store_part(&from, &to, p, r->n, &a, &b))
            continue;
        const size_t at = place(t, wr_span(a.b, sizeof(a.b)));

        for (size_t i = 0; i < t->n; i++) {
            const struct item *it = t->v[(at + i) % t->n];

            memcpy(x.b, it->key, sizeof(x.b));
            if (wr_id_owns(&a, &x, &b))
                wr_sum_add(&out[p], &it->sum);
            else if (!wr_id_eq(&a, &x))
                break;
        }
    }
    r->answer.sums = out;
    r->answer.n = r->n;
}

/* Memory does not rot: there is nothing to read again. */
static void do_scrub(struct mem *m, struct wr_store_req *r)
{
    const struct range range = range_of(&m->chunks, r);

    if (range.n == 0) {
        r->answer.err = WR_ENOTFOUND;
        return;
    }
    chunk_info(in_range(&m->chunks, range, 0), &r->one.chunk);
    r->answer.chunks = &r->one.chunk;
    r->answer.n = 1;
}

static void root_info(const struct item *it, struct wr_root_info *ret)
{
    *ret = (struct wr_root_info){.version = it->number,
                                 .sum = it->sum,
                                 .bytes = wr_span(it->bytes, it->n)};
    memcpy(ret->key, it->key, sizeof(ret->key));
}

/* Records are copied: a later request of the same poll may change them before
 * this one is answered. */
static void do_roots(struct mem *m, struct wr_store_req *r)
{
    const size_t one = sizeof(struct wr_root_info) + WR_STORE_ROOT_MAX;
    struct wr_root_info *v;
    uint8_t *copy;
    struct range range;

    if (r->op == WR_STORE_ROOT_GET) {
        range = (struct range){place(&m->roots, key_of(r)),
                               find(&m->roots, key_of(r)) != NULL};
        if (range.n == 0)
            r->answer.err = WR_ENOTFOUND;
    } else {
        range = range_of(&m->roots, r);
    }
    if (range.n == 0 || !wr_store_req_out(r, range.n * one))
        return;
    v = r->out;
    copy = (uint8_t *)&v[range.n];
    for (uint32_t i = 0; i < range.n; i++) {
        root_info(in_range(&m->roots, range, i), &v[i]);
        memcpy(copy, v[i].bytes.p, v[i].bytes.n);
        v[i].bytes.p = copy;
        copy += v[i].bytes.n;
    }
    r->answer.roots = v;
    r->answer.n = range.n;
}

static void do_root_put(struct mem *m, struct wr_store_req *r)
{
    struct item *it = find(&m->roots, key_of(r));

    if (it != NULL &&
        !wr_store_root_yields(it->number, wr_span(it->bytes, it->n), r))
        return;
    if (it == NULL && !admits(m, r, true))
        return;
    if (set(m, &m->roots, r, &it))
        it->sum = wr_sum_root(it->key, it->number, wr_span(it->bytes, it->n));
}

static void do_meta(struct mem *m, struct wr_store_req *r)
{
    struct item *it = find(&m->metas, key_of(r));

    if (r->op == WR_STORE_META_GET) {
        if (it == NULL)
            r->answer.err = WR_ENOTFOUND;
        else if (wr_store_req_out(r, it->n))
            r->answer.bytes = wr_span(memcpy(r->out, it->bytes, it->n), it->n);
    } else if (r->bytes.n > 0) {
        (void)set(m, &m->metas, r, &it);
    } else if (it != NULL) {
        erase(m, &m->metas, it);
        r->answer.stored = true;
    }
}

static void perform(struct mem *m, struct wr_store_req *r)
{
    m->writes += wr_store_op_writes(r);
    switch (r->op) {
    case WR_STORE_PUT:
        do_put(m, r);
        return;
    case WR_STORE_HAVE:
        do_have(m, r);
        return;
    case WR_STORE_READ:
    case WR_STORE_STAT:
        do_chunk(m, r);
        return;
    case WR_STORE_REFS:
        do_refs(m, r);
        return;
    case WR_STORE_DROP:
        do_drop(m, r);
        return;
    case WR_STORE_REAP:
        do_reap(m, r);
        return;
    case WR_STORE_LIST:
        do_list(m, r);
        return;
    case WR_STORE_SUM:
        do_sum(m, r);
        return;
    case WR_STORE_SCRUB:
        do_scrub(m, r);
        return;
    case WR_STORE_ROOT_PUT:
        do_root_put(m, r);
        return;
    case WR_STORE_ROOT_DROP:
        do_root_drop(m, r);
        return;
    case WR_STORE_ROOT_GET:
    case WR_STORE_ROOT_LIST:
        do_roots(m, r);
        return;
    case WR_STORE_META_PUT:
    case WR_STORE_META_GET:
        do_meta(m, r);
        return;
    case WR_STORE_QUARANTINE: /* Memory does not rot. */
        break;
    }
    WR_UNREACHABLE();
}

static void mem_submit(struct wr_store *s, struct wr_store_req *r)
{
    struct mem *m = mem_of(s);
    const bool first = m->waiting.head == NULL;

    wr_store_reqs_add(&m->waiting, r);
    if (first && m->cfg.wake != NULL)
        m->cfg.wake(m->cfg.arg);
}

static void mem_done(struct wr_store *s, bool wait, struct wr_store_reqs *ret)
{
    struct mem *m = mem_of(s);
    struct wr_store_req *r;

    (void)wait;
    while ((r = wr_store_reqs_take(&m->waiting)) != NULL) {
        perform(m, r);
        wr_store_reqs_add(ret, r);
    }
}

static void mem_usage(struct wr_store *s, struct wr_store_usage *ret)
{
    const struct mem *m = mem_of(s);

    *ret = (struct wr_store_usage){
        .chunks = m->chunks.n,
        .chunk_bytes = m->chunk_bytes,
        .roots = m->roots.n,
        .used = m->used,
        .capacity = capacity(m),
        .space = wr_space_of(m->used, capacity(m)),
        .commits = m->writes,
        .refused = m->refused,
    };
}

static void mem_tick(struct wr_store *s)
{
    (void)s;
}

static void table_done(struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        item_free(t->v[i]);
    free(t->v);
}

static void mem_close(struct wr_store *s)
{
    struct mem *m = mem_of(s);

    table_done(&m->chunks);
    table_done(&m->roots);
    table_done(&m->metas);
    free(m);
}

enum wr_err wr_store_open_mem(const struct wr_store_cfg *cfg,
                              struct wr_store **ret)
{
    static const struct wr_store_ops ops = {mem_submit, mem_done, mem_usage,
                                            mem_tick, mem_close};
    struct mem *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return WR_ENOMEM;
    m->base.ops = &ops;
    m->cfg = *cfg;
    wr_store_reqs_init(&m->waiting);
    *ret = &m->base;
    return WR_OK;
}
