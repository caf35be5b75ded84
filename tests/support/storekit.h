/*
 * storekit.h - what the tests of the stores share: a directory of their own,
 * chunks that anybody can make again from a number, and calls that wait.
 */
#ifndef WR_TESTS_STOREKIT_H
#define WR_TESTS_STOREKIT_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "store/store.h"
#include "sys/log.h"

struct kit_dir {
    char path[64];
    char store[80]; /* path/store */
};

static inline int kit_rm(const char *path, const struct stat *st, int flag,
                         struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void kit_dir_make(struct kit_dir *d)
{
    const char *tmp = getenv("TMPDIR");

    WR_CHECK(snprintf(d->path, sizeof(d->path), "%s/wr-store-XXXXXX",
                      tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp") > 0);
    WR_CHECK(mkdtemp(d->path) != NULL);
    WR_CHECK(snprintf(d->store, sizeof(d->store), "%s/store", d->path) > 0);
    wr_log_init(STDERR_FILENO, WR_LOG_ERROR, WR_LOG_AS_TEXT);
}

static inline void kit_dir_remove(struct kit_dir *d)
{
    WR_CHECK(nftw(d->path, kit_rm, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* Digest `i`: 32 bytes that look like a hash. */
static inline void kit_digest(uint64_t i, uint8_t ret[WR_DIGEST])
{
    struct wr_rng rng = {i * 2 + 1};

    wr_rng_fill(&rng, ret, WR_DIGEST);
}

static inline void kit_put_id(uint64_t i, uint8_t ret[WR_PUT_ID])
{
    struct wr_rng rng = {i * 2 + 2};

    wr_rng_fill(&rng, ret, WR_PUT_ID);
}

/* The bytes of variant `seed`, `n` long, in a buffer of no pool. */
static inline struct wr_buf *kit_bytes(uint64_t seed, size_t n)
{
    struct wr_buf *b = wr_buf_new(n > 0 ? n : 1);
    struct wr_rng rng = {seed ^ UINT64_C(0x5eed)};

    WR_CHECK(b != NULL);
    wr_rng_fill(&rng, b->p, n);
    b->n = (uint32_t)n;
    return b;
}

static inline struct wr_store_put kit_chunk(uint64_t digest, uint64_t seed,
                                            size_t n, uint64_t put_id)
{
    struct wr_store_put put = {.hash = 0xb220, .buf = kit_bytes(seed, n)};

    kit_digest(digest, put.digest);
    kit_put_id(put_id, put.put_id);
    put.bytes = wr_span(put.buf->p, n);
    return put;
}

/* An answer that outlives its callback; of arrays, the first item. */
struct kit_answer {
    bool got;
    struct wr_store_answer a;
    struct wr_chunk_info chunk;
    struct wr_root_info root;
    uint8_t bytes[WR_STORE_META_MAX];
    uint8_t bits[WR_STORE_BATCH_MAX / 8];
};

static inline void kit_keep(void *arg, const struct wr_store_answer *a)
{
    struct kit_answer *k = arg;

    k->got = true;
    k->a = *a;
    if (a->chunks != NULL && a->n > 0)
        k->chunk = a->chunks[0];
    if (a->roots != NULL && a->n > 0) {
        k->root = a->roots[0];
        memcpy(k->bytes, k->root.bytes.p, k->root.bytes.n);
        k->root.bytes.p = k->bytes;
    }
    if (a->bytes.n > 0)
        memcpy(k->bytes, a->bytes.p, a->bytes.n);
    if (a->bits != NULL)
        memcpy(k->bits, a->bits, (a->n + 7) / 8);
}

/* Stores a chunk and waits. */
static inline enum wr_err kit_put(struct wr_store *s, uint64_t digest,
                                  uint64_t seed, size_t n, uint64_t put_id)
{
    struct wr_store_put put = kit_chunk(digest, seed, n, put_id);
    struct kit_answer k = {.got = false};
    const enum wr_err err = wr_store_put(s, &put, kit_keep, &k);

    wr_buf_unref(put.buf);
    if (err != WR_OK)
        return err;
    wr_store_drain(s);
    return k.a.err;
}

/* Reads a chunk and waits; WR_EDAMAGED also if the bytes are not those. */
static inline enum wr_err kit_read(struct wr_store *s, struct wr_pool *pool,
                                   uint64_t digest, uint64_t seed, size_t n)
{
    struct kit_answer k = {.got = false};
    struct wr_buf *want;
    uint8_t d[WR_DIGEST];
    enum wr_err err;
    bool same;

    kit_digest(digest, d);
    err = wr_store_read(s, d, pool, 0, kit_keep, &k);
    if (err != WR_OK)
        return err;
    wr_store_drain(s);
    if (k.a.err != WR_OK)
        return k.a.err;
    want = kit_bytes(seed, n);
    same =
        wr_span_eq(wr_span(want->p, want->n), wr_span(k.a.buf->p, k.a.buf->n));
    wr_buf_unref(want);
    wr_buf_unref(k.a.buf);
    return same ? WR_OK : WR_EDAMAGED;
}

static inline enum wr_err kit_stat(struct wr_store *s, uint64_t digest,
                                   struct wr_chunk_info *ret)
{
    struct kit_answer k = {.got = false};
    uint8_t d[WR_DIGEST];
    enum wr_err err;

    kit_digest(digest, d);
    err = wr_store_stat(s, d, kit_keep, &k);
    if (err != WR_OK)
        return err;
    wr_store_drain(s);
    if (k.a.err == WR_OK)
        *ret = k.chunk;
    return k.a.err;
}

/* Drops the chunk, or, with has_put_id, one reference. */
static inline enum wr_err kit_drop(struct wr_store *s, uint64_t digest)
{
    struct kit_answer k = {.got = false};
    uint8_t d[WR_DIGEST];
    enum wr_err err;

    kit_digest(digest, d);
    err = wr_store_drop(s, d, NULL, kit_keep, &k);
    if (err != WR_OK)
        return err;
    wr_store_drain(s);
    return k.a.err;
}

static inline struct wr_pool *kit_pool(void)
{
    struct wr_pool *pool =
        wr_pool_new(&(struct wr_pool_cfg){.cap = WR_POOL_CAP_SUPER});

    WR_CHECK(pool != NULL);
    return pool;
}

#endif
