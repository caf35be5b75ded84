/* store_salvage.c - a store without its trees: what must come back, and who
 * must not get in the way. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../support/storekit.h"
#include "object/hash.h"
#include "store/check.h"
#include "store/record.h"
#include "store/salvage.h"

enum { CHUNKS = 60, PAGE = 4096, RUN = 16 };

static struct kit_dir dir;
static struct wr_pool *pool;
static struct wr_why why;
static char new_path[96];

static void before(void)
{
    kit_dir_make(&dir);
    pool = kit_pool();
    why = (struct wr_why){0};
    snprintf(new_path, sizeof(new_path), "%s/new", dir.path);
}

static void after(void)
{
    wr_pool_free(pool);
    kit_dir_remove(&dir);
}

TestSuite(store_salvage, .init = before, .fini = after);

static struct wr_store *open_at(const char *path)
{
    const struct wr_store_cfg cfg = {0};
    struct wr_store *s = NULL;

    cr_assert_eq(wr_store_open_lmdb(path, &cfg, &why, &s), WR_OK, "%s",
                 why.text);
    return s;
}

static struct wr_buf *bytes_of(uint64_t i)
{
    static const size_t sizes[] = {900, 3000, 5000, 65408, 300000, 0};

    return kit_bytes(i, sizes[i % WR_ARRAY_LEN(sizes)]);
}

static void put_bytes(struct wr_store *s, struct wr_buf *buf, uint64_t put_id,
                      uint8_t ret_digest[WR_DIGEST])
{
    struct wr_store_put p = {
        .hash = 0xb220, .buf = buf, .bytes = wr_span(buf->p, buf->n)};
    struct kit_answer k = {.got = false};

    wr_hash_digest(WR_HASH_BLAKE2B_256, p.bytes, p.digest);
    kit_put_id(put_id, p.put_id);
    cr_assert_eq(wr_store_put(s, &p, kit_keep, &k), WR_OK);
    wr_store_drain(s);
    cr_assert_eq(k.a.err, WR_OK);
    memcpy(ret_digest, p.digest, WR_DIGEST);
}

static struct kit_answer stat_of(struct wr_store *s, const uint8_t *digest)
{
    struct kit_answer k = {.got = false};

    cr_assert_eq(wr_store_stat(s, digest, kit_keep, &k), WR_OK);
    wr_store_drain(s);
    return k;
}

static bool same_bytes(struct wr_store *s, const uint8_t *digest,
                       const struct wr_buf *want)
{
    struct kit_answer k = {.got = false};
    bool same;

    cr_assert_eq(wr_store_read(s, digest, pool, 0, kit_keep, &k), WR_OK);
    wr_store_drain(s);
    if (k.a.err != WR_OK)
        return false;
    same =
        wr_span_eq(wr_span(want->p, want->n), wr_span(k.a.buf->p, k.a.buf->n));
    wr_buf_unref(k.a.buf);
    return same;
}

static uint8_t *map_data(size_t *ret_n)
{
    char path[96];
    struct stat st;

    cr_assert(snprintf(path, sizeof(path), "%s/data.mdb", dir.store) > 0);
    const int fd = open(path, O_RDWR);
    cr_assert(fd >= 0 && fstat(fd, &st) == 0);
    *ret_n = (size_t)st.st_size;
    uint8_t *p = mmap(NULL, *ret_n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    cr_assert(p != MAP_FAILED);
    close(fd);
    return p;
}

/* Overwrites pages with any of `flags` that are no run; 0: with any. */
static void wreck(uint16_t flags)
{
    struct wr_rng rng = {3};
    size_t n;
    uint8_t *p = map_data(&n);

    for (size_t at = 0; at < n; at += PAGE) {
        uint16_t f;
        uint32_t run;

        memcpy(&f, p + at + 10, sizeof(f));
        memcpy(&run, p + at + 12, sizeof(run));
        if (f == 4 && memcmp(p + at + RUN, "wreathX1", 8) == 0)
            at += (run - 1) * (size_t)PAGE;
        else if (flags == 0 || (f & flags) != 0)
            wr_rng_fill(&rng, p + at, PAGE);
    }
    munmap(p, n);
}

static void count_fault(void *arg, enum wr_fault fault, struct wr_span key)
{
    (void)key;
    ((unsigned *)arg)[fault]++;
}

static void assert_sound(const char *path)
{
    unsigned faults[WR_FAULTS] = {0};
    const struct wr_check_cfg cfg = {.found = count_fault, .arg = faults};
    struct wr_check c;

    cr_assert_eq(wr_store_check(path, &cfg, &c, &why), WR_OK, "%s", why.text);
    for (unsigned f = 0; f < WR_FAULTS; f++)
        cr_assert_eq(faults[f], 0, "%s", wr_fault_text(f));
}

static void salvage_it(struct wr_salvage *ret)
{
    cr_assert_eq(wr_store_salvage(dir.store, new_path, NULL, NULL, ret, &why),
                 WR_OK, "%s", why.text);
}

Test(store_salvage, without_branches_all_comes_back_with_its_references)
{
    uint8_t digests[CHUNKS][WR_DIGEST];
    struct wr_store *s = open_at(dir.store);
    struct wr_salvage tally;

    for (uint64_t i = 0; i < CHUNKS; i++) {
        struct wr_buf *b = bytes_of(i);

        for (uint64_t ref = 0; ref <= i % 12; ref++) /* Some spill. */
            put_bytes(s, b, 100 + ref, digests[i]);
        wr_buf_unref(b);
    }
    wr_store_close(s);
    wreck(1);
    salvage_it(&tally);
    cr_assert_eq(tally.incomplete, 0);
    assert_sound(new_path);
    s = open_at(new_path);
    for (uint64_t i = 0; i < CHUNKS; i++) {
        struct wr_buf *b = bytes_of(i);

        cr_assert(same_bytes(s, digests[i], b), "chunk %u", (unsigned)i);
        /* No fewer; older pages may know of none that never was. */
        if (i % 6 != 5) /* The empty chunk is one for all. */
            cr_assert_eq(stat_of(s, digests[i]).chunk.refs, i % 12 + 1,
                         "chunk %u", (unsigned)i);
        wr_buf_unref(b);
    }
    wr_store_close(s);
}

Test(store_salvage, without_any_tree_what_lies_in_runs_comes_back_and_is_kept)
{
    uint8_t digests[CHUNKS][WR_DIGEST];
    struct wr_store *s = open_at(dir.store);
    struct wr_salvage tally;
    uint64_t runs = 0;

    for (uint64_t i = 0; i < CHUNKS; i++) {
        struct wr_buf *b = bytes_of(i);

        put_bytes(s, b, i, digests[i]);
        runs += b->n > 2000;
        wr_buf_unref(b);
    }
    wr_store_close(s);
    wreck(0);
    unsigned faults[WR_FAULTS] = {0};
    const struct wr_check_cfg cfg = {.found = count_fault, .arg = faults};
    struct wr_check c;
    cr_assert_neq(wr_store_check(dir.store, &cfg, &c, &why), WR_OK);
    salvage_it(&tally);
    cr_assert_eq(tally.chunks, runs);
    cr_assert_eq(tally.referred, 0);
    cr_assert_eq(tally.incomplete, 0);
    assert_sound(new_path);
    s = open_at(new_path);
    for (uint64_t i = 0; i < CHUNKS; i++) {
        struct wr_buf *b = bytes_of(i);

        if (b->n > 2000) {
            const struct kit_answer k = stat_of(s, digests[i]);

            cr_assert(same_bytes(s, digests[i], b), "chunk %u", (unsigned)i);
            cr_assert_eq(k.chunk.refs, 1);
            cr_assert_arr_eq(k.chunk.put_ids[0], wr_put_id_salvaged, WR_PUT_ID);
        }
        wr_buf_unref(b);
    }
    wr_store_close(s);
}

/* A file that holds pages as ours: extents, with right check sums, of a chunk
 * that they are not. */
Test(store_salvage, content_that_looks_like_extents_takes_no_chunks_place)
{
    struct wr_store *s = open_at(dir.store);
    struct wr_buf *victim = kit_bytes(1, 5000), *liar = wr_buf_new(60000);
    static const uint8_t zeros[5000];
    uint8_t victims[WR_DIGEST], liars[WR_DIGEST];
    struct wr_salvage tally;

    cr_assert(liar != NULL);
    liar->n = 60000;
    memset(liar->p, 0, liar->n);
    wr_hash_digest(WR_HASH_BLAKE2B_256, wr_span(victim->p, victim->n), victims);
    const struct wr_extent fake = {.extents = 1,
                                   .length = 5000,
                                   .hash = 0xb220,
                                   .bytes = wr_span(zeros, sizeof(zeros))};
    /* At every place where a page of the liar's run may begin. */
    for (size_t at = PAGE - WR_EXTENT_HEADER; at + 6000 < liar->n;
         at += 2 * PAGE)
        wr_extent_write(victims, &fake, liar->p + at);
    put_bytes(s, liar, 1, liars); /* It lies before the victim. */
    put_bytes(s, victim, 2, victims);
    wr_store_close(s);

    /* While the liar's own extent is whole nobody looks into it. Once it is
     * rotten its pages are rubble like others. */
    for (int rotten = 0; rotten < 2; rotten++) {
        salvage_it(&tally);
        assert_sound(new_path);
        s = open_at(new_path);
        cr_assert(same_bytes(s, victims, victim), "%d", rotten);
        cr_assert_eq(same_bytes(s, liars, liar), rotten == 0);
        wr_store_close(s);
        char old[128];
        snprintf(old, sizeof(old), "%s.%d", new_path, rotten);
        cr_assert_eq(rename(new_path, old), 0);

        size_t n;
        uint8_t *p = map_data(&n), *x = p;
        while ((x = memmem(x, (size_t)(p + n - x), liars, WR_DIGEST)) != NULL)
            *x++ ^= 1;
        munmap(p, n);
    }
    wr_buf_unref(victim);
    wr_buf_unref(liar);
}

Test(store_salvage, what_is_in_use_or_in_the_way_is_left_alone)
{
    struct wr_store *s = open_at(dir.store);
    struct wr_salvage tally;
    uint8_t d[WR_DIGEST];
    struct wr_buf *b = kit_bytes(1, 4000);

    put_bytes(s, b, 1, d);
    cr_assert_eq(
        wr_store_salvage(dir.store, new_path, NULL, NULL, &tally, &why),
        WR_ELOCKED);
    wr_store_close(s);
    cr_assert_eq(
        wr_store_salvage(dir.store, dir.path, NULL, NULL, &tally, &why),
        WR_EINVAL);
    cr_assert_eq(
        wr_store_salvage("/nonexistent", new_path, NULL, NULL, &tally, &why),
        WR_ENOTFOUND);
    cr_assert_neq(access(new_path, F_OK), 0);
    wr_buf_unref(b);
}

Test(store_salvage, a_check_tells_each_fault_by_its_name)
{
    unsigned faults[WR_FAULTS] = {0};
    const struct wr_check_cfg cfg = {.found = count_fault, .arg = faults};
    struct wr_store *s = open_at(dir.store);
    struct wr_check c;
    uint8_t d[WR_DIGEST], other[WR_DIGEST];
    struct wr_buf *b = kit_bytes(1, 100000), *small = kit_bytes(2, 300);
    size_t n;

    put_bytes(s, b, 1, d);
    put_bytes(s, small, 1, other);
    struct kit_answer k = {.got = false};
    cr_assert_eq(
        wr_store_root_put(s, d, 1, wr_span("no record", 9), kit_keep, &k),
        WR_OK);
    wr_store_close(s);
    uint8_t *p = map_data(&n);
    for (uint8_t *x = p;
         (x = memmem(x, (size_t)(p + n - x), b->p + 70000, 64)) != NULL; x++)
        *x ^= 2;
    munmap(p, n);
    cr_assert_eq(wr_store_check(dir.store, &cfg, &c, &why), WR_OK);
    cr_assert_eq(c.chunks, 2);
    cr_assert_eq(c.refs, 2);
    cr_assert_eq(faults[WR_FAULT_ROTTEN], 1);
    cr_assert_eq(faults[WR_FAULT_ROOT], 1);
    cr_assert_eq(faults[WR_FAULT_TREE] + faults[WR_FAULT_INDEX] +
                     faults[WR_FAULT_SUMS] + faults[WR_FAULT_TOTALS],
                 0);
    wr_buf_unref(b);
    wr_buf_unref(small);
}
