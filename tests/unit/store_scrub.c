/* store_scrub.c - what a scrub finds on a disk that rots, and what may then be
 * written over it. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../support/storekit.h"
#include "object/hash.h"
#include "sys/fs.h"

enum { CHUNKS = 120, RUN = 16 };

static struct kit_dir dir;
static struct wr_pool *pool;
static struct wr_why why;

static void before(void)
{
    kit_dir_make(&dir);
    pool = kit_pool();
    why = (struct wr_why){0};
}

static void after(void)
{
    wr_pool_free(pool);
    kit_dir_remove(&dir);
}

TestSuite(store_scrub, .init = before, .fini = after);

/* Inline in a page of the tree, one run, two extents, five. */
static size_t size_of(uint64_t i)
{
    static const size_t sizes[] = {700, 4000, 70000, 300000};

    return sizes[i % WR_ARRAY_LEN(sizes)];
}

static void digest_of(uint64_t i, uint8_t ret[WR_DIGEST])
{
    struct wr_buf *b = kit_bytes(i, size_of(i));

    wr_hash_digest(WR_HASH_BLAKE2B_256, wr_span(b->p, b->n), ret);
    wr_buf_unref(b);
}

static struct wr_store *reopen(struct wr_store *s)
{
    const struct wr_store_cfg cfg = {0};

    wr_store_close(s);
    cr_assert_eq(wr_store_open_lmdb(dir.store, &cfg, &why, &s), WR_OK, "%s",
                 why.text);
    return s;
}

/* Chunk `i`, with its true digest; with a reference, or as a good copy. */
static struct kit_answer put(struct wr_store *s, uint64_t i, bool copy)
{
    struct wr_store_put p = kit_chunk(0, i, size_of(i), i);
    struct kit_answer k = {.got = false};

    digest_of(i, p.digest);
    p.no_put_id = p.repair = copy;
    cr_assert_eq(wr_store_put(s, &p, kit_keep, &k), WR_OK);
    wr_store_drain(s);
    cr_assert_eq(k.a.err, WR_OK);
    wr_buf_unref(p.buf);
    return k;
}

static struct kit_answer scrub(struct wr_store *s, const uint8_t *after_it)
{
    struct kit_answer k = {.got = false};

    cr_assert_eq(wr_store_scrub(s, after_it, kit_keep, &k), WR_OK);
    wr_store_drain(s);
    return k;
}

/* A whole pass: chunks seen, and how many of them were rotten. */
static size_t pass(struct wr_store *s, size_t *ret_rotten, bool *rotten)
{
    uint8_t at[WR_DIGEST];
    struct kit_answer k = scrub(s, NULL);
    uint8_t digests[CHUNKS][WR_DIGEST];
    size_t seen = 0;

    *ret_rotten = 0;
    for (uint64_t i = 0; i < CHUNKS; i++)
        digest_of(i, digests[i]);
    for (; k.a.err != WR_ENOTFOUND; k = scrub(s, at)) {
        cr_assert(k.a.err == WR_OK || k.a.err == WR_EDAMAGED);
        cr_assert(seen == 0 || memcmp(at, k.chunk.digest, WR_DIGEST) < 0);
        memcpy(at, k.chunk.digest, WR_DIGEST);
        seen++;
        *ret_rotten += k.a.err == WR_EDAMAGED;
        for (uint64_t i = 0; rotten != NULL && i < CHUNKS; i++)
            if (memcmp(digests[i], at, WR_DIGEST) == 0)
                rotten[i] = k.a.err == WR_EDAMAGED;
    }
    return seen;
}

/* Flips bits of each extent of chunk `i`: `at` bytes from its magic on, or
 * before it, in LMDB's own header of the run; there 0x10 is what LMDB sets in
 * a page that is in memory, and never in the file. */
static void wound(uint64_t i, long at)
{
    char path[96];
    uint8_t d[WR_DIGEST];
    struct stat st;
    size_t hits = 0;

    digest_of(i, d);
    cr_assert(snprintf(path, sizeof(path), "%s/data.mdb", dir.store) > 0);
    const int fd = open(path, O_RDWR);
    cr_assert(fd >= 0 && fstat(fd, &st) == 0);
    const size_t n = (size_t)st.st_size;
    uint8_t *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    cr_assert(p != MAP_FAILED);
    /* Also where it lay before: pages are never cleaned. */
    for (uint8_t *x = p;
         (x = memmem(x, (size_t)(p + n - x), "wreathX1", 8)) != NULL &&
         x + 80 < p + n;
         x++)
        if (x - p >= RUN && memcmp(x + 40, d, WR_DIGEST) == 0) {
            x[at] ^= 0x51;
            hits++;
        }
    cr_assert_gt(hits, 0);
    munmap(p, n);
    close(fd);
}

Test(store_scrub, all_rot_is_found_and_mended_and_costs_nothing_else)
{
    /* In the payload; in our header: number, digest, check; in LMDB's: which
     * page the run is, what it is, how long it is. */
    static const long places[] = {112, 400, 12, 45, 75, -16, -6, -4, -3};
    bool is_rotten[CHUNKS] = {false}, found[CHUNKS] = {false};
    struct wr_store *s = reopen(NULL);
    size_t wounds = 0, rotten;

    for (uint64_t i = 0; i < CHUNKS; i++)
        (void)put(s, i, false);
    wr_store_close(s);
    for (uint64_t i = 0; i < CHUNKS; i += 3) {
        const long at = places[wounds % WR_ARRAY_LEN(places)];

        if (at < 0 && size_of(i) < 2000)
            continue; /* It is in no run. */
        wound(i, at);
        is_rotten[i] = true;
        wounds++;
    }
    s = reopen(NULL);
    cr_assert_eq(pass(s, &rotten, found), CHUNKS);
    for (uint64_t i = 0; i < CHUNKS; i++)
        cr_expect_eq(found[i], is_rotten[i], "chunk %u", (unsigned)i);
    cr_assert_eq(rotten, wounds);
    for (uint64_t i = 0; i < CHUNKS; i++)
        if (is_rotten[i])
            cr_assert(put(s, i, true).a.stored, "chunk %u", (unsigned)i);
    /* As many again: pages that were freed by mistake would be taken. */
    for (uint64_t i = CHUNKS; i < 4 * CHUNKS; i++)
        (void)put(s, i, false);
    s = reopen(s);
    cr_assert_eq(pass(s, &rotten, NULL), 4 * CHUNKS);
    cr_assert_eq(rotten, 0);
    for (uint64_t i = 0; i < CHUNKS; i++) {
        struct kit_answer k = {.got = false};
        uint8_t d[WR_DIGEST], id[WR_PUT_ID];

        digest_of(i, d);
        kit_put_id(i, id);
        cr_assert_eq(wr_store_stat(s, d, kit_keep, &k), WR_OK);
        wr_store_drain(s);
        cr_assert_eq(k.chunk.refs, 1, "references stay");
        cr_assert_arr_eq(k.chunk.put_ids[0], id, WR_PUT_ID);
    }
    wr_store_close(s);
}

static void put_meta(struct wr_store *s, const char *name, uint64_t seed)
{
    struct wr_buf *b = kit_bytes(seed, 9000); /* A run of three pages. */
    struct kit_answer k = {.got = false};

    cr_assert_eq(wr_store_meta_put(s, name, wr_span(b->p, b->n), kit_keep, &k),
                 WR_OK);
    wr_store_drain(s);
    cr_assert_eq(k.a.err, WR_OK);
    wr_buf_unref(b);
}

static void expect_meta(void *arg, const struct wr_store_answer *a)
{
    const struct wr_buf *b = arg;

    cr_assert_eq(a->err, WR_OK);
    cr_assert(wr_span_eq(a->bytes, wr_span(b->p, b->n)));
}

/* The host's own values lie in runs as well, and are written over each time. */
Test(store_scrub, a_value_whose_run_is_rotten_takes_no_other_with_it)
{
    struct wr_store *s = reopen(NULL);
    struct wr_buf *mine = kit_bytes(1000, 9000), *other = kit_bytes(1001, 9000);
    char path[96];
    uint8_t *all, *at;
    size_t n;

    put_meta(s, "mine", 1000);
    put_meta(s, "other", 1001);
    wr_store_close(s);
    cr_assert(snprintf(path, sizeof(path), "%s/data.mdb", dir.store) > 0);
    cr_assert_eq(wr_file_read(path, 64 << 20, &why, &all, &n), WR_OK);
    at = memmem(all, n, mine->p, 64);
    cr_assert_neq(at, NULL);
    at[-4] = 60; /* So many pages, it says. */
    cr_assert_eq(wr_file_write(path, 0600, wr_span(all, n), &why), WR_OK);
    free(all);
    s = reopen(NULL);
    put_meta(s, "mine", 1002);
    for (uint64_t i = 0; i < CHUNKS; i++)
        (void)put(s, i, false);
    s = reopen(s);
    cr_assert_eq(wr_store_meta_get(s, "other", expect_meta, other), WR_OK);
    wr_store_drain(s);
    wr_store_close(s);
    wr_buf_unref(mine);
    wr_buf_unref(other);
}

Test(store_scrub, bytes_that_have_another_hash_are_rotten)
{
    struct wr_store *s = reopen(NULL);

    (void)put(s, 1, false);
    cr_assert_eq(kit_put(s, 7, 7, 5000, 1), WR_OK); /* Nobody's hash. */
    cr_assert_eq(kit_read(s, pool, 7, 7, 5000), WR_OK, "its check is right");
    size_t rotten;
    cr_assert_eq(pass(s, &rotten, NULL), 2);
    cr_assert_eq(rotten, 1);
    cr_assert_eq(kit_read(s, pool, 7, 7, 5000), WR_EDAMAGED);
    struct wr_store_usage u;
    wr_store_usage(s, &u);
    cr_assert_eq(u.damaged, 1);
    cr_assert_eq(pass(s, &rotten, NULL), 2);
    wr_store_usage(s, &u);
    cr_assert_eq(u.damaged, 1, "what is known is not found twice");
    wr_store_close(s);
}

Test(store_scrub, a_store_without_chunks_ends_at_once)
{
    const struct wr_store_cfg cfg = {0};
    struct wr_store *s = reopen(NULL);

    cr_assert_eq(scrub(s, NULL).a.err, WR_ENOTFOUND);
    wr_store_close(s);
    cr_assert_eq(wr_store_open_mem(&cfg, &s), WR_OK);
    cr_assert_eq(scrub(s, NULL).a.err, WR_ENOTFOUND);
    (void)put(s, 3, false);
    uint8_t d[WR_DIGEST];
    digest_of(3, d);
    cr_assert_eq(scrub(s, NULL).a.err, WR_OK);
    cr_assert_eq(scrub(s, d).a.err, WR_ENOTFOUND);
    wr_store_close(s);
}
