/*
 * chunks.c - what a store holds, seen without a super-peer: the digest of each
 * chunk, a line each in their order, after its bytes were read and hashed.
 *
 *     chunks STORE         status 1: it does not open, or a chunk is not what
 *                          its digest says
 *     chunks STORE drop    removes every second chunk first
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "object/hash.h"
#include "store/store.h"
#include "sys/log.h"

struct chunk {
    bool wrong;
    uint8_t digest[WR_DIGEST];
};

struct listing {
    uint32_t n;
    enum wr_err err;
    uint8_t digests[WR_STORE_BATCH_MAX][WR_DIGEST];
};

static struct listing page;

static void on_list(void *arg, const struct wr_store_answer *a)
{
    struct listing *l = arg;

    l->err = a->err;
    l->n = a->n;
    for (uint32_t i = 0; i < a->n; i++)
        memcpy(l->digests[i], a->chunks[i].digest, WR_DIGEST);
}

static void on_read(void *arg, const struct wr_store_answer *a)
{
    struct chunk *c = arg;
    enum wr_hash hash;

    c->wrong = a->err != WR_OK ||
               wr_hash_from_code(a->chunks[0].hash, &hash) != WR_OK ||
               !wr_hash_matches(hash, wr_span(a->buf->p, a->buf->n), c->digest);
    wr_buf_unref(a->buf);
}

static void on_drop(void *arg, const struct wr_store_answer *a)
{
    *(enum wr_err *)arg = a->err;
}

/* The digests after those of the last page. */
static bool next_page(struct wr_store *s, const uint8_t *after)
{
    page.err = WR_EBUSY;
    if (wr_store_list(s, after, WR_STORE_BATCH_MAX, on_list, &page) == WR_OK)
        wr_store_drain(s);
    return page.err == WR_OK;
}

static bool drop(struct wr_store *s, const uint8_t *digest)
{
    enum wr_err err = WR_EBUSY;

    if (wr_store_drop(s, digest, NULL, on_drop, &err) == WR_OK)
        wr_store_drain(s);
    return err == WR_OK;
}

static bool show(struct wr_store *s, struct wr_pool *pool,
                 const uint8_t *digest)
{
    char text[WR_HEX_SIZE(WR_DIGEST)];
    struct chunk c = {.wrong = true};

    memcpy(c.digest, digest, WR_DIGEST);
    if (wr_store_read(s, digest, pool, 0, on_read, &c) == WR_OK)
        wr_store_drain(s);
    wr_hex(wr_span(digest, WR_DIGEST), text);
    puts(text);
    return !c.wrong;
}

int main(int argc, char **argv)
{
    const bool drops = argc == 3 && strcmp(argv[2], "drop") == 0;
    struct wr_pool *pool =
        wr_pool_new(&(struct wr_pool_cfg){.cap = WR_POOL_CAP_SUPER});
    uint8_t after[WR_DIGEST];
    const uint8_t *from = NULL;
    struct wr_store *s = NULL;
    struct wr_why why;
    int status = 0;

    wr_log_init(2, WR_LOG_ERROR, WR_LOG_AS_TEXT);
    if (pool == NULL || argc < 2 || (argc > 2 && !drops))
        return 2;
    if (wr_store_open_lmdb(argv[1], &(struct wr_store_cfg){.quota = 0}, &why,
                           &s) != WR_OK) {
        fprintf(stderr, "chunks: %s\n", why.text);
        return 1;
    }
    do {
        if (!next_page(s, from)) {
            fprintf(stderr, "chunks: no list\n");
            status = 1;
            break;
        }
        for (uint32_t i = 0; i < page.n; i++) {
            const bool ok = drops && i % 2 == 1
                                ? drop(s, page.digests[i])
                                : show(s, pool, page.digests[i]);

            if (!ok)
                status = 1;
        }
        if (page.n > 0)
            memcpy(after, page.digests[page.n - 1], WR_DIGEST);
        from = after;
    } while (page.n == WR_STORE_BATCH_MAX);
    wr_store_close(s);
    wr_pool_free(pool);
    return status;
}
