/*
 * store_model.c - one reference model, a few arrays in memory, and both stores
 * that must agree with it through random operations.
 */
#include <criterion/criterion.h>

#include "../support/storekit.h"

enum { CHUNKS = 24, PUT_IDS = 12, ROOTS = 6, METAS = 4, WINDOW = 48 };

struct model_chunk {
    bool there;
    uint64_t seed, hash;
    size_t n;
    uint16_t refs;       /* A bit for each put id. */
    uint64_t idle_since; /* 0: no reap has seen it without any. */
};

struct model_root {
    bool there;
    uint64_t version;
    uint8_t bytes[WR_STORE_ROOT_MAX];
    size_t n;
};

struct model_meta {
    uint64_t seed;
    size_t n;
};

struct model {
    struct model_chunk chunks[CHUNKS]; /* In the order of their digests. */
    uint8_t digests[CHUNKS][WR_DIGEST];
    uint8_t put_ids[PUT_IDS][WR_PUT_ID];
    struct model_root roots[ROOTS];
    uint8_t root_keys[ROOTS][32];
    struct model_meta metas[METAS];
};

/* One operation in flight and what its answer must be. */
struct expect {
    const struct model *m;
    struct model_chunk chunk;
    struct model_root root;
    uint32_t i;
    enum wr_err err;
    bool stored;
    uint8_t bits[(CHUNKS + 7) / 8];
    uint32_t bits_n;
    struct model_meta meta;
    uint32_t *answers;
};

struct bench {
    struct wr_store *s;
    struct wr_pool *pool;
    struct wr_rng rng;
    uint64_t clock_s;
    struct model m;
    struct expect window[WINDOW];
    uint32_t sent, answers;
};

static const char *const meta_names[METAS] = {"peers", "incarnation", "a",
                                              "admitted"};

/* Around each limit of the format. */
static const size_t lengths[] = {0,     1,      100,    1886,    1887,
                                 4096,  65407,  65408,  65409,   130816,
                                 70000, 130817, 262144, 1048575, 1048576};

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static void model_init(struct model *m)
{
    memset(m, 0, sizeof(*m));
    for (uint32_t i = 0; i < CHUNKS; i++)
        kit_digest(i, m->digests[i]);
    for (uint32_t i = 0; i < PUT_IDS; i++)
        kit_put_id(i, m->put_ids[i]);
    for (uint32_t i = 0; i < ROOTS; i++)
        kit_digest(1000 + i, m->root_keys[i]);
    qsort(m->digests, CHUNKS, WR_DIGEST, by_bytes);
    qsort(m->root_keys, ROOTS, 32, by_bytes);
}

static uint32_t below(struct bench *b, uint32_t n)
{
    return (uint32_t)wr_rng_below(&b->rng, n);
}

static struct expect *next(struct bench *b, uint32_t i)
{
    struct expect *x = &b->window[b->sent++];

    *x = (struct expect){.m = &b->m, .i = i, .answers = &b->answers};
    return x;
}

static void on_write(void *arg, const struct wr_store_answer *a)
{
    struct expect *x = arg;

    (*x->answers)++;
    cr_assert_eq(a->err, x->err);
    cr_assert_eq(a->stored, x->stored);
    cr_assert_eq(a->bits != NULL ? a->n : 0, x->bits_n);
    for (uint32_t i = 0; i < x->bits_n; i++)
        cr_assert_eq(a->bits[i / 8] >> i % 8 & 1, x->bits[i / 8] >> i % 8 & 1);
}

static void send_put(struct bench *b)
{
    const uint32_t i = below(b, CHUNKS), id = below(b, PUT_IDS);
    const uint32_t which = below(b, WR_ARRAY_LEN(lengths));
    struct model_chunk *c = &b->m.chunks[i];
    struct expect *x = next(b, i);
    struct wr_store_put put;
    /* Often the same bytes again, sometimes others. */
    const bool again = c->there && below(b, 3) > 0;
    const uint64_t seed = again ? c->seed : wr_rng_next(&b->rng);
    const size_t n = again ? c->n : lengths[which];
    const uint64_t hash = again || below(b, 8) > 0 ? 0xb220 : 0x12;

    put = kit_chunk(0, seed, n, id);
    memcpy(put.digest, b->m.digests[i], WR_DIGEST);
    put.hash = hash;
    put.no_put_id = below(b, 6) == 0;
    x->stored =
        !c->there || c->hash != hash || c->n != n || (n > 0 && c->seed != seed);
    c->there = true;
    c->seed = seed;
    c->n = n;
    c->hash = hash;
    if (!put.no_put_id) {
        c->refs = (uint16_t)(c->refs | 1u << id);
        c->idle_since = 0;
    }
    cr_assert_eq(wr_store_put(b->s, &put, on_write, x), WR_OK);
    wr_buf_unref(put.buf);
}

static void send_have(struct bench *b)
{
    const uint32_t id = below(b, PUT_IDS), n = 1 + below(b, CHUNKS);
    uint8_t digests[CHUNKS * WR_DIGEST];
    struct expect *x = next(b, 0);

    x->bits_n = n;
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t i = below(b, CHUNKS);
        struct model_chunk *c = &b->m.chunks[i];

        memcpy(digests + k * WR_DIGEST, b->m.digests[i], WR_DIGEST);
        if (c->there) {
            x->bits[k / 8] = (uint8_t)(x->bits[k / 8] | 1u << k % 8);
            c->refs = (uint16_t)(c->refs | 1u << id);
            c->idle_since = 0;
        }
    }
    cr_assert_eq(wr_store_have(b->s, digests, n, b->m.put_ids[id], on_write, x),
                 WR_OK);
}

static void send_drop(struct bench *b)
{
    const uint32_t i = below(b, CHUNKS), id = below(b, PUT_IDS);
    const bool one = below(b, 4) > 0;
    struct model_chunk *c = &b->m.chunks[i];
    struct expect *x = next(b, i);

    if (one) {
        x->stored = (c->refs >> id & 1) != 0;
        c->refs = (uint16_t)(c->refs & ~(1u << id));
    } else {
        x->stored = c->there;
        *c = (struct model_chunk){.there = false};
    }
    cr_assert_eq(wr_store_drop(b->s, b->m.digests[i],
                               one ? b->m.put_ids[id] : NULL, on_write, x),
                 WR_OK);
}

/* The clock goes on, and now and then back. */
static void send_reap(struct bench *b)
{
    const uint32_t i = below(b, CHUNKS), grace = 10 + below(b, 20);
    struct model_chunk *c = &b->m.chunks[i];
    struct expect *x = next(b, i);

    b->clock_s += below(b, 30);
    b->clock_s -= below(b, 10) == 0 ? below(b, 100) : 0;
    if (c->there && c->refs == 0) {
        if (c->idle_since == 0 || c->idle_since > b->clock_s)
            c->idle_since = b->clock_s;
        else
            x->stored = b->clock_s - c->idle_since >= grace;
    }
    if (x->stored)
        *c = (struct model_chunk){.there = false};
    cr_assert_eq(
        wr_store_reap(b->s, b->m.digests[i], b->clock_s, grace, on_write, x),
        WR_OK);
}

static void send_root_drop(struct bench *b)
{
    const uint32_t i = below(b, ROOTS);
    const uint64_t version = below(b, 4);
    struct model_root *root = &b->m.roots[i];
    struct expect *x = next(b, i);

    x->stored = root->there && root->version == version;
    if (x->stored)
        *root = (struct model_root){.there = false};
    cr_assert_eq(
        wr_store_root_drop(b->s, b->m.root_keys[i], version, on_write, x),
        WR_OK);
}

static void send_root(struct bench *b)
{
    const uint32_t i = below(b, ROOTS);
    struct model_root *old = &b->m.roots[i], new = {.there = true};
    struct expect *x = next(b, i);

    new.version = below(b, 4);
    new.n = below(b, 5) == 0 ? WR_STORE_ROOT_MAX : below(b, 3);
    for (size_t k = 0; k < new.n; k++)
        new.bytes[k] = (uint8_t)below(b, 2);
    x->stored = !old->there || new.version > old->version ||
                (new.version ==
                 old->version &&wr_span_cmp(wr_span(new.bytes, new.n),
                                            wr_span(old->bytes, old->n)) > 0);
    if (x->stored)
        *old = new;
    cr_assert_eq(wr_store_root_put(b->s, b->m.root_keys[i], new.version,
                                   wr_span(new.bytes, new.n), on_write, x),
                 WR_OK);
}

static void send_meta(struct bench *b)
{
    const uint32_t i = below(b, METAS);
    struct model_meta *meta = &b->m.metas[i];
    const size_t n = below(b, 3) == 0 ? 0 : 1 + below(b, WR_STORE_META_MAX);
    const uint64_t seed = wr_rng_next(&b->rng);
    struct wr_buf *bytes = kit_bytes(seed, n);
    struct expect *x = next(b, i);

    x->stored = n > 0 || meta->n > 0;
    *meta = (struct model_meta){seed, n};
    cr_assert_eq(wr_store_meta_put(b->s, meta_names[i], wr_span(bytes->p, n),
                                   on_write, x),
                 WR_OK);
    wr_buf_unref(bytes);
}

static void check_info(const struct model *m, uint32_t i,
                       const struct model_chunk *c,
                       const struct wr_chunk_info *info)
{
    const uint32_t refs = (uint32_t)__builtin_popcount(c->refs);
    uint16_t shown = 0;

    cr_assert_eq(memcmp(info->digest, m->digests[i], WR_DIGEST), 0);
    cr_assert_eq(info->hash, c->hash);
    cr_assert_eq(info->length, (uint32_t)c->n);
    cr_assert_eq(info->refs, refs);
    cr_assert_not(info->damaged);
    for (uint32_t k = 0; k < PUT_IDS; k++)
        for (uint32_t j = 0; j < refs && j < WR_STORE_REFS_SHOWN; j++)
            if (memcmp(info->put_ids[j], m->put_ids[k], WR_PUT_ID) == 0)
                shown = (uint16_t)(shown | 1u << k);
    /* Those shown are its own, and each once. Fewer than could be shown only
     * if some of them spilled and others went. */
    cr_assert_eq(shown & ~c->refs, 0);
}

static void on_read(void *arg, const struct wr_store_answer *a)
{
    struct expect *x = arg;
    struct wr_buf *want;

    (*x->answers)++;
    cr_assert_eq(a->err, x->chunk.there ? WR_OK : WR_ENOTFOUND);
    if (!x->chunk.there)
        return;
    want = kit_bytes(x->chunk.seed, x->chunk.n);
    cr_assert(
        wr_span_eq(wr_span(want->p, want->n), wr_span(a->buf->p, a->buf->n)));
    check_info(x->m, x->i, &x->chunk, &a->chunks[0]);
    wr_buf_unref(want);
    wr_buf_unref(a->buf);
}

/* The window into the put ids is as asked for, each is the chunk's own, and
 * none comes twice. */
static void on_refs(void *arg, const struct wr_store_answer *a)
{
    struct expect *x = arg;
    const uint32_t all = (uint32_t)__builtin_popcount(x->chunk.refs);
    uint16_t got = 0;

    (*x->answers)++;
    cr_assert_eq(a->err, x->chunk.there ? WR_OK : WR_ENOTFOUND);
    for (uint32_t j = 0; j < a->n; j++)
        for (uint32_t k = 0; k < PUT_IDS; k++)
            if (memcmp(a->put_ids[j], x->m->put_ids[k], WR_PUT_ID) == 0)
                got = (uint16_t)(got | 1u << k);
    cr_assert_eq(a->n, all > x->i ? all - x->i : 0);
    cr_assert_eq((uint32_t)__builtin_popcount(got), a->n);
    cr_assert_eq(got & ~x->chunk.refs, 0);
}

static void on_root(void *arg, const struct wr_store_answer *a)
{
    struct expect *x = arg;

    (*x->answers)++;
    cr_assert_eq(a->err, x->root.there ? WR_OK : WR_ENOTFOUND);
    if (!x->root.there)
        return;
    cr_assert_eq(a->roots[0].version, x->root.version);
    cr_assert(wr_span_eq(a->roots[0].bytes, wr_span(x->root.bytes, x->root.n)));
}

static void on_meta(void *arg, const struct wr_store_answer *a)
{
    struct expect *x = arg;
    struct wr_buf *want = kit_bytes(x->meta.seed, x->meta.n);

    (*x->answers)++;
    cr_assert_eq(a->err, x->meta.n > 0 ? WR_OK : WR_ENOTFOUND);
    if (x->meta.n > 0)
        cr_assert(wr_span_eq(a->bytes, wr_span(want->p, want->n)));
    wr_buf_unref(want);
}

static void drain(struct bench *b)
{
    wr_store_drain(b->s);
    cr_assert_eq(b->answers, b->sent);
    b->answers = b->sent = 0;
}

/* Everything that can be asked, against the model. */
struct walk {
    const struct model *m;
    uint32_t at, n, seen, limit;
    uint8_t last[32];
};

static void on_list(void *arg, const struct wr_store_answer *a)
{
    struct walk *w = arg;

    cr_assert_eq(a->err, WR_OK);
    cr_assert(a->n <= w->limit);
    for (uint32_t k = 0; k < a->n; k++) {
        while (w->at < CHUNKS && !w->m->chunks[w->at].there)
            w->at++;
        cr_assert(w->at < CHUNKS);
        check_info(w->m, w->at, &w->m->chunks[w->at], &a->chunks[k]);
        memcpy(w->last, a->chunks[k].digest, 32);
        w->at++;
    }
    w->n = a->n;
    w->seen += a->n;
}

static void on_roots(void *arg, const struct wr_store_answer *a)
{
    struct walk *w = arg;

    cr_assert_eq(a->err, WR_OK);
    for (uint32_t k = 0; k < a->n; k++) {
        while (w->at < ROOTS && !w->m->roots[w->at].there)
            w->at++;
        cr_assert(w->at < ROOTS);
        cr_assert(
            wr_span_eq(a->roots[k].bytes, wr_span(w->m->roots[w->at].bytes,
                                                  w->m->roots[w->at].n)));
        memcpy(w->last, a->roots[k].key, 32);
        w->at++;
    }
    w->n = a->n;
    w->seen += a->n;
}

static void check_lists(struct bench *b)
{
    struct walk w = {.m = &b->m, .limit = 1 + below(b, 7)};
    struct walk v = {.m = &b->m, .limit = 1 + below(b, 7)};
    struct wr_store_usage u;
    uint64_t bytes = 0;
    uint32_t n = 0;

    do {
        cr_assert_eq(wr_store_list(b->s, w.seen > 0 ? w.last : NULL, w.limit,
                                   on_list, &w),
                     WR_OK);
        wr_store_drain(b->s);
    } while (w.n == w.limit);
    do {
        cr_assert_eq(wr_store_root_list(b->s, v.seen > 0 ? v.last : NULL,
                                        v.limit, on_roots, &v),
                     WR_OK);
        wr_store_drain(b->s);
    } while (v.n == v.limit);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        n += b->m.chunks[i].there;
        bytes += b->m.chunks[i].n;
    }
    cr_assert_eq(w.seen, n);
    wr_store_usage(b->s, &u);
    cr_assert_eq(u.chunks, n);
    cr_assert_eq(u.chunk_bytes, bytes);
    cr_assert_eq(u.damaged, 0);
}

static void check_all(struct bench *b)
{
    uint8_t all[CHUNKS * WR_DIGEST];
    struct expect *x;

    memcpy(all, b->m.digests, sizeof(all));
    x = next(b, 0);
    x->bits_n = CHUNKS;
    for (uint32_t i = 0; i < CHUNKS; i++)
        if (b->m.chunks[i].there)
            x->bits[i / 8] = (uint8_t)(x->bits[i / 8] | 1u << i % 8);
    cr_assert_eq(wr_store_have(b->s, all, CHUNKS, NULL, on_write, x), WR_OK);
    drain(b);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        x = next(b, i);
        x->chunk = b->m.chunks[i];
        cr_assert_eq(
            wr_store_read(b->s, b->m.digests[i], b->pool, 0, on_read, x),
            WR_OK);
        if (i % 8 == 7) /* Eight of the largest fit into the pool. */
            drain(b);
    }
    drain(b);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        x = next(b, below(b, 2) == 0 ? 0 : below(b, PUT_IDS));
        x->chunk = b->m.chunks[i];
        cr_assert_eq(wr_store_refs(b->s, b->m.digests[i], x->i, on_refs, x),
                     WR_OK);
    }
    for (uint32_t i = 0; i < ROOTS; i++) {
        x = next(b, i);
        x->root = b->m.roots[i];
        cr_assert_eq(wr_store_root_get(b->s, b->m.root_keys[i], on_root, x),
                     WR_OK);
    }
    for (uint32_t i = 0; i < METAS; i++) {
        x = next(b, i);
        x->meta = b->m.metas[i];
        cr_assert_eq(wr_store_meta_get(b->s, meta_names[i], on_meta, x), WR_OK);
    }
    drain(b);
    check_lists(b);
}

static void send_window(struct bench *b)
{
    static void (*const ops[])(struct bench *) = {
        send_put,  send_put,       send_put,  send_put,  send_have,
        send_drop, send_drop,      send_reap, send_reap, send_root,
        send_root, send_root_drop, send_meta};
    const uint32_t n = 1 + below(b, 16);

    for (uint32_t i = 0; i < n; i++) {
        /* Three of the largest are let in at least; then hold back. */
        if (wr_store_room(b->s).bytes < WR_STORE_CHUNK_MAX)
            break;
        ops[below(b, WR_ARRAY_LEN(ops))](b);
        if (below(b, 4) == 0)
            wr_store_poll(b->s);
    }
    drain(b);
}

static void run_model(const char *path, uint64_t seed, uint32_t rounds)
{
    struct bench *b = calloc(1, sizeof(*b));
    const struct wr_store_cfg cfg = {.quota = 0};
    struct wr_why why;

    cr_assert_neq(b, NULL);
    b->rng.state = seed;
    b->clock_s = 1000000;
    b->pool = kit_pool();
    model_init(&b->m);
    for (uint32_t round = 0; round < rounds; round++) {
        if (b->s == NULL && path != NULL)
            cr_assert_eq(wr_store_open_lmdb(path, &cfg, &why, &b->s), WR_OK);
        else if (b->s == NULL)
            cr_assert_eq(wr_store_open_mem(&cfg, &b->s), WR_OK);
        send_window(b);
        if (round % 8 == 7)
            check_all(b);
        if (path != NULL && below(b, 16) == 0) { /* It must remember. */
            wr_store_close(b->s);
            b->s = NULL;
        }
    }
    wr_store_close(b->s);
    wr_pool_free(b->pool); /* Checks that every buffer came back. */
    free(b);
}

Test(store_model, the_memory_store_agrees_with_the_model)
{
    for (uint64_t seed = 1; seed <= 8; seed++)
        run_model(NULL, seed, 160);
}

Test(store_model, the_lmdb_store_agrees_with_the_model)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct kit_dir dir;

        kit_dir_make(&dir);
        run_model(dir.store, seed, 160);
        kit_dir_remove(&dir);
    }
}
