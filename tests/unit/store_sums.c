/*
 * store_sums.c - what store.h promises of arcs and their sums: after random
 * writes and removals they are, on both stores and after reopening, what a
 * list of everything adds up to; the whole, its parts, and arcs past zero.
 */
#include <criterion/criterion.h>
#include <lmdb.h>

#include "../support/storekit.h"
#include "store/check.h"
#include "wire/id.h"

enum { CHUNKS = 60, PUT_IDS = 14, ROOTS = 20, ALL = 128 };

/* Everything that is kept, by the list, with the sums that this test makes. */
struct listed {
    struct wr_id keys[ALL];
    struct wr_sum sums[ALL];
    uint32_t n;
    struct wr_chunk_info chunks[ALL];
};

static struct kit_dir dir;
static struct wr_pool *pool;

static void setup(void)
{
    kit_dir_make(&dir);
    pool = kit_pool();
}

static void teardown(void)
{
    wr_pool_free(pool);
    kit_dir_remove(&dir);
}

TestSuite(store_sums, .init = setup, .fini = teardown);

static struct wr_store *open_lmdb(void)
{
    struct wr_store_cfg cfg = {.quota = 0};
    struct wr_store *s = NULL;
    struct wr_why why;

    cr_assert_eq(wr_store_open_lmdb(dir.store, &cfg, &why, &s), WR_OK, "%s",
                 why.text);
    return s;
}

static struct wr_store *open_mem(void)
{
    struct wr_store_cfg cfg = {.quota = 0};
    struct wr_store *s = NULL;

    cr_assert_eq(wr_store_open_mem(&cfg, &s), WR_OK);
    return s;
}

/* ---- by hand ------------------------------------------------------------- */

static void on_chunks(void *arg, const struct wr_store_answer *a)
{
    struct listed *l = arg;

    cr_assert_eq(a->err, WR_OK);
    cr_assert_leq(l->n + a->n, ALL);
    for (uint32_t i = 0; i < a->n; i++) {
        l->chunks[l->n] = a->chunks[i];
        memcpy(l->keys[l->n].b, a->chunks[i].digest, WR_ID_BYTES);
        l->sums[l->n++] = (struct wr_sum){0};
    }
}

static void on_roots(void *arg, const struct wr_store_answer *a)
{
    struct listed *l = arg;

    cr_assert_eq(a->err, WR_OK);
    for (uint32_t i = 0; i < a->n; i++) {
        memcpy(l->keys[l->n].b, a->roots[i].key, WR_ID_BYTES);
        l->sums[l->n++] = wr_sum_root(a->roots[i].key, a->roots[i].version,
                                      a->roots[i].bytes);
    }
}

struct refs {
    const struct wr_chunk_info *chunk;
    struct wr_sum *sum;
};

static void on_refs(void *arg, const struct wr_store_answer *a)
{
    const struct refs *r = arg;

    *r->sum = wr_sum_chunk(r->chunk->digest);
    for (uint32_t i = 0; i < a->n; i++) {
        const struct wr_sum ref = wr_sum_ref(r->chunk->digest, a->put_ids[i]);

        wr_sum_add(r->sum, &ref);
    }
}

static void list_all(struct wr_store *s, bool roots, struct listed *ret)
{
    ret->n = 0;
    if (roots)
        cr_assert_eq(wr_store_root_list(s, NULL, ALL, on_roots, ret), WR_OK);
    else
        cr_assert_eq(wr_store_list(s, NULL, ALL, on_chunks, ret), WR_OK);
    wr_store_drain(s);
    for (uint32_t i = 0; !roots && i < ret->n; i++) {
        struct refs r = {&ret->chunks[i], &ret->sums[i]};

        if (ret->chunks[i].damaged)
            continue;
        cr_assert_eq(wr_store_refs(s, ret->chunks[i].digest, 0, on_refs, &r),
                     WR_OK);
        wr_store_drain(s);
    }
}

static struct wr_sum by_hand(const struct listed *l, const struct wr_id *from,
                             const struct wr_id *to)
{
    struct wr_sum sum = {0};

    for (uint32_t i = 0; i < l->n; i++)
        if (wr_id_owns(from, &l->keys[i], to))
            wr_sum_add(&sum, &l->sums[i]);
    return sum;
}

/* ---- by the store -------------------------------------------------------- */

struct got {
    struct wr_sum sums[WR_ARC_PARTS];
    uint32_t n;
};

static void on_sums(void *arg, const struct wr_store_answer *a)
{
    struct got *g = arg;

    cr_assert_eq(a->err, WR_OK);
    cr_assert_leq(a->n, WR_ARC_PARTS);
    g->n = a->n;
    memcpy(g->sums, a->sums, a->n * sizeof(a->sums[0]));
}

static void check_arc(struct wr_store *s, bool roots, const struct listed *l,
                      const struct wr_id *from, const struct wr_id *to)
{
    struct wr_sum whole = by_hand(l, from, to);
    struct listed range = {.n = 0};
    struct got g;

    cr_assert_eq(wr_store_sum(s, roots, from->b, to->b, 1, on_sums, &g), WR_OK);
    wr_store_drain(s);
    cr_assert_eq(g.n, 1);
    cr_assert(wr_sum_eq(&g.sums[0], &whole));

    cr_assert_eq(
        wr_store_sum(s, roots, from->b, to->b, WR_ARC_PARTS, on_sums, &g),
        WR_OK);
    wr_store_drain(s);
    cr_assert_eq(g.n, WR_ARC_PARTS);
    for (unsigned i = 0; i < WR_ARC_PARTS; i++) {
        const struct wr_id a = wr_id_part(from, to, i);
        const struct wr_id b = wr_id_part(from, to, i + 1);
        const struct wr_sum part =
            wr_id_eq(&a, &b) ? (struct wr_sum){0} : by_hand(l, &a, &b);

        cr_assert(wr_sum_eq(&g.sums[i], &part), "part %u", i);
        wr_sum_take(&whole, &part);
    }
    cr_assert(wr_sum_eq(&whole, &(struct wr_sum){0})); /* They are all of it. */

    cr_assert_eq(wr_store_range(s, roots, from->b, to->b, ALL,
                                roots ? on_roots : on_chunks, &range),
                 WR_OK);
    wr_store_drain(s);
    uint32_t within = 0;

    for (uint32_t i = 0; i < l->n; i++)
        within += wr_id_owns(from, &l->keys[i], to);
    cr_assert_eq(range.n, within);
    for (uint32_t i = 0; i < range.n; i++) {
        cr_assert(wr_id_owns(from, &range.keys[i], to));
        cr_assert(i == 0 ||
                  wr_id_between(from, &range.keys[i - 1], &range.keys[i]));
    }
}

static void check_all(struct wr_store *s, struct wr_rng *rng)
{
    static struct listed l;

    for (unsigned roots = 0; roots < 2; roots++) {
        list_all(s, roots, &l);
        for (unsigned i = 0; i < 24; i++) {
            struct wr_id from, to;

            wr_rng_fill(rng, from.b, sizeof(from.b));
            wr_rng_fill(rng, to.b, sizeof(to.b));
            if (i % 4 == 1 && l.n > 0) /* At a key, which is not within. */
                from = l.keys[wr_rng_below(rng, l.n)];
            if (i % 4 == 2 && l.n > 0)
                to = l.keys[wr_rng_below(rng, l.n)];
            if (i % 6 == 3)
                to = from;    /* The whole ring. */
            if (i % 6 == 4) { /* Short, within a bucket. */
                to = wr_id_add_pow2(&from, 200);
            }
            if (i == 5)
                memset(from.b, 0xff, sizeof(from.b));
            if (i == 7)
                memset(to.b, 0xff, sizeof(to.b));
            if (i == 8) { /* Narrower than sixteen positions. */
                to = wr_id_add_pow2(&from, 2);
            }
            if (i == 11)
                memset(to.b, 0, sizeof(to.b));
            check_arc(s, roots, &l, &from, &to);
        }
    }
}

/* ---- what is done to them ------------------------------------------------ */

static void ignore(void *arg, const struct wr_store_answer *a)
{
    (void)arg;
    (void)a;
}

static void one_write(struct wr_store *s, struct wr_rng *rng)
{
    const uint64_t chunk = wr_rng_below(rng, CHUNKS);
    const uint64_t root = 1000 + wr_rng_below(rng, ROOTS);
    uint8_t digest[WR_DIGEST], put_id[WR_PUT_ID], key[32];
    uint8_t record[4] = {(uint8_t)wr_rng_below(rng, 3)};

    kit_digest(chunk, digest);
    kit_digest(root, key);
    kit_put_id(wr_rng_below(rng, PUT_IDS), put_id);
    switch (wr_rng_below(rng, 8)) {
    case 0:
    case 1:
        cr_assert_eq(kit_put(s, chunk, wr_rng_below(rng, 2), 300,
                             wr_rng_below(rng, PUT_IDS)),
                     WR_OK);
        return;
    case 2:
    case 3:
        cr_assert_eq(wr_store_have(s, digest, 1, put_id, ignore, NULL), WR_OK);
        return;
    case 4:
        cr_assert_eq(wr_store_drop(s, digest, put_id, ignore, NULL), WR_OK);
        return;
    case 5:
        if (wr_rng_below(rng, 4) == 0)
            cr_assert_eq(wr_store_drop(s, digest, NULL, ignore, NULL), WR_OK);
        else
            cr_assert_eq(wr_store_reap(s, digest, 1 + wr_rng_below(rng, 9), 3,
                                       ignore, NULL),
                         WR_OK);
        return;
    case 6:
        cr_assert_eq(wr_store_root_put(s, key, wr_rng_below(rng, 5),
                                       wr_span(record, sizeof(record)), ignore,
                                       NULL),
                     WR_OK);
        return;
    default:
        cr_assert_eq(
            wr_store_root_drop(s, key, wr_rng_below(rng, 5), ignore, NULL),
            WR_OK);
        return;
    }
}

static void many_writes(struct wr_store *s, struct wr_rng *rng)
{
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = 0; i < 300; i++)
            one_write(s, rng);
        wr_store_drain(s);
        check_all(s, rng);
    }
}

Test(store_sums, of_the_memory_store_are_what_it_lists)
{
    struct wr_rng rng = {11};
    struct wr_store *s = open_mem();

    many_writes(s, &rng);
    wr_store_close(s);
}

Test(store_sums, of_the_lmdb_store_are_what_it_lists_also_reopened)
{
    struct wr_rng rng = {12};
    struct wr_store *s = open_lmdb();

    many_writes(s, &rng);
    wr_store_close(s);
    s = open_lmdb();
    check_all(s, &rng);
    wr_store_close(s);
}

/* Beside `s`, which is closed: what an older wreath left, or rot of the tree.
 */
static MDB_env *tamper(MDB_txn **txn)
{
    MDB_env *env;

    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_set_maxdbs(env, 8), 0);
    cr_assert_eq(mdb_env_open(env, dir.store, 0, 0600), 0);
    cr_assert_eq(mdb_txn_begin(env, NULL, 0, txn), 0);
    return env;
}

Test(store_sums, of_a_store_of_format_1_are_made_when_it_is_opened)
{
    struct wr_rng rng = {13};
    struct wr_store *s = open_lmdb();
    static char name[] = "wreath store\0\0\0\0\1";
    MDB_val k = {sizeof("format"), (void *)(uintptr_t) "format"};
    MDB_val v = {sizeof(name) - 1, name};
    MDB_txn *txn;
    MDB_env *env;
    MDB_dbi dbi;

    many_writes(s, &rng);
    wr_store_close(s);
    env = tamper(&txn);
    cr_assert_eq(mdb_dbi_open(txn, "own", 0, &dbi), 0);
    cr_assert_eq(mdb_put(txn, dbi, &k, &v, 0), 0);
    cr_assert_eq(mdb_dbi_open(txn, "sums", 0, &dbi), 0);
    cr_assert_eq(mdb_drop(txn, dbi, 1), 0);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    for (unsigned i = 0; i < 2; i++) { /* Once is enough. */
        s = open_lmdb();
        check_all(s, &rng);
        wr_store_close(s);
    }
}

/* The index records of the first `n` chunks. */
static void make_unreadable(uint64_t n)
{
    uint8_t digest[WR_DIGEST];
    MDB_val k = {sizeof(digest), digest}, v = {3, (void *)(uintptr_t) "rot"};
    MDB_txn *txn;
    MDB_env *env = tamper(&txn);
    MDB_dbi dbi;

    cr_assert_eq(mdb_dbi_open(txn, "index", 0, &dbi), 0);
    for (uint64_t i = 0; i < n; i++) {
        kit_digest(i, digest);
        cr_assert_eq(mdb_put(txn, dbi, &k, &v, 0), 0);
    }
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

Test(store_sums, are_right_again_once_an_unreadable_record_is_replaced)
{
    struct wr_rng rng = {14};
    struct wr_store *s = open_lmdb();
    uint8_t digest[WR_DIGEST];

    for (uint64_t i = 0; i < 2; i++)
        cr_assert_eq(kit_put(s, i, 1, 300, 1), WR_OK);
    wr_store_close(s);
    make_unreadable(2);
    s = open_lmdb();
    cr_assert_eq(kit_put(s, 0, 1, 300, 2), WR_OK);
    kit_digest(1, digest);
    cr_assert_eq(wr_store_drop(s, digest, NULL, ignore, NULL), WR_OK);
    wr_store_drain(s);
    check_all(s, &rng);
    wr_store_close(s);
}

static void count_fault(void *arg, enum wr_fault fault, struct wr_span key)
{
    (void)key;
    ((unsigned *)arg)[fault]++;
}

/* What spilled is not in the record, and its length not only: they are known
 * still. */
Test(store_sums, an_unreadable_record_loses_nothing_that_is_beside_it)
{
    unsigned faults[WR_FAULTS] = {0};
    const struct wr_check_cfg cfg = {.found = count_fault, .arg = faults};
    const uint64_t puts = WR_STORE_REFS_SHOWN + 3;
    struct wr_store *s = open_lmdb();
    struct wr_chunk_info info;
    struct wr_check c;
    struct wr_why why;

    for (uint64_t put = 0; put < puts; put++)
        for (uint64_t i = 0; i < 2; i++)
            cr_assert_eq(kit_put(s, i, 1, 300, put), WR_OK);
    wr_store_close(s);
    make_unreadable(2);
    s = open_lmdb();
    for (uint64_t put = puts; put-- > 0;) /* Each again: none is new twice. */
        cr_assert_eq(kit_put(s, 0, 1, 300, put), WR_OK);
    cr_assert_eq(kit_stat(s, 0, &info), WR_OK);
    cr_assert_eq(info.refs, puts);
    cr_assert_eq(kit_drop(s, 1), WR_OK);
    wr_store_close(s);
    cr_assert_eq(wr_store_check(dir.store, &cfg, &c, &why), WR_OK);
    cr_assert_eq(c.refs, puts);
    cr_assert_eq(faults[WR_FAULT_REFS], 0);
    cr_assert_eq(faults[WR_FAULT_NO_CHUNK], 0);
    cr_assert_eq(faults[WR_FAULT_SUMS], 0);
    cr_assert_eq(faults[WR_FAULT_TOTALS], 0);
}

/* ---- dropped if the same ------------------------------------------------- */

static void on_stored(void *arg, const struct wr_store_answer *a)
{
    *(bool *)arg = a->stored;
}

static bool drop_same(struct wr_store *s, const struct wr_sum *sum,
                      uint64_t chunk)
{
    uint8_t print[WR_PRINT], digest[WR_DIGEST];
    bool gone = false;

    kit_digest(chunk, digest);
    wr_sum_print(sum, print);
    cr_assert_eq(wr_store_drop_same(s, digest, print, on_stored, &gone), WR_OK);
    wr_store_drain(s);
    return gone;
}

static void drop_what_was_seen(struct wr_store *s)
{
    const struct wr_id all = {{0}};
    struct kit_answer k = {.got = false};

    cr_assert_eq(kit_put(s, 5, 1, 300, 1), WR_OK);
    cr_assert_eq(wr_store_range(s, false, all.b, all.b, 1, kit_keep, &k),
                 WR_OK);
    wr_store_drain(s);
    cr_assert_eq(kit_put(s, 5, 1, 300, 2), WR_OK); /* A put came between. */
    cr_assert_not(drop_same(s, &k.chunk.sum, 5));
    cr_assert_eq(wr_store_range(s, false, all.b, all.b, 1, kit_keep, &k),
                 WR_OK);
    wr_store_drain(s);
    cr_assert(drop_same(s, &k.chunk.sum, 5));
    cr_assert_not(drop_same(s, &k.chunk.sum, 5));
    wr_store_close(s);
}

Test(store_sums, a_chunk_goes_only_if_it_is_what_was_seen)
{
    drop_what_was_seen(open_mem());
    drop_what_was_seen(open_lmdb());
}
