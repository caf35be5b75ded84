/* Walking files: every range of every shape against a plain buffer, whatever
 * the order of arrival, and trees that strangers made to do harm. */
#include <criterion/criterion.h>

#include "../support/blocks.h"
#include "../support/bytes.h"
#include "base/rng.h"
#include "object/walk.h"

enum { SLOTS_TESTED = 16 };

static const enum wr_hash HASH = WR_HASH_BLAKE2B_256;

/* --- Making files ------------------------------------------------------- */

/* Cuts `n` bytes into pieces of 1 to `piece_max`, of the rng's choice. */
static struct wr_tree import(struct blocks *blocks, struct wr_rng *rng,
                             const uint8_t *p, size_t n, uint32_t max_links,
                             size_t piece_max)
{
    struct wr_build b;
    struct wr_block block;
    struct wr_tree tree = {0};
    uint8_t digest[WR_DIGEST_SIZE];

    wr_build_init(&b, HASH, max_links);
    wr_build_begin(&b, false, 0);
    for (size_t at = 0; at < n;) {
        const size_t piece = 1 + wr_rng_below(rng, piece_max);
        const size_t len = piece < n - at ? piece : n - at;
        const struct wr_cid cid =
            blocks_add(blocks, WR_CODEC_RAW, HASH, wr_span(p + at, len));

        memcpy(digest, cid.digest, sizeof(digest));
        cr_assert_eq(wr_build_leaf(&b, digest, (uint32_t)len), WR_OK);
        while (wr_build_pop(&b, &block))
            blocks_put(blocks, &block.cid, block.bytes);
        at += len;
    }
    wr_build_end(&b);
    while (wr_build_pop(&b, &block))
        blocks_put(blocks, &block.cid, block.bytes);
    cr_assert_eq(wr_build_root(&b, &tree), WR_OK);
    wr_build_done(&b);
    return tree;
}

/* --- Getting them ------------------------------------------------------- */

struct got {
    uint8_t *p;
    size_t n, room;
    uint64_t from; /* Of the first byte; UINT64_MAX before it. */
    size_t fetched;
};

/* A caller with its buffers, that gets blocks in any order. */
struct fetcher {
    struct wr_walk walk;
    struct wr_walk_want asked[WR_WALK_SLOTS_MAX];
    size_t n_asked;
    struct wr_span held[WR_WALK_SLOTS_MAX];
    bool in_use[WR_WALK_SLOTS_MAX];
    struct wr_walk_piece writing[WR_WALK_SLOTS_MAX];
    size_t n_writing;
};

static void take_all(struct fetcher *f, struct got *got)
{
    struct wr_walk_piece piece;

    while (wr_walk_take(&f->walk, &piece)) {
        const struct wr_span block = f->held[piece.slot];

        cr_assert(f->in_use[piece.slot]);
        cr_assert_leq(piece.at + piece.n, block.n);
        if (got->from == UINT64_MAX)
            got->from = piece.offset;
        cr_assert_eq(piece.offset, got->from + got->n); /* In order. */
        cr_assert_leq(got->n + piece.n, got->room);
        memcpy(got->p + got->n, block.p + piece.at, piece.n);
        got->n += piece.n;
        f->writing[f->n_writing++] = piece;
    }
}

/* One thing that may happen: a block comes, or a piece is written. */
static enum wr_err happen(struct fetcher *f, const struct blocks *blocks,
                          struct wr_rng *rng, struct got *got)
{
    size_t i;
    bool keep = false;
    enum wr_err err;

    if (f->n_writing > 0 && (f->n_asked == 0 || wr_rng_below(rng, 2) == 0)) {
        i = wr_rng_below(rng, f->n_writing);
        const uint32_t slot = f->writing[i].slot;
        f->in_use[slot] = false;
        f->writing[i] = f->writing[--f->n_writing];
        return wr_walk_release(&f->walk, slot);
    }
    cr_assert_gt(f->n_asked, 0, "the walk is stuck");
    i = wr_rng_below(rng, f->n_asked);
    const struct wr_walk_want want = f->asked[i];
    const struct wr_span block = blocks_get(blocks, &want.cid);
    f->asked[i] = f->asked[--f->n_asked];
    got->fetched++;
    err = wr_walk_give(&f->walk, want.slot, block, &keep);
    if (err != WR_OK)
        return err;
    if (want.is_leaf)
        cr_assert_eq(block.n, want.size);
    if (keep)
        f->held[want.slot] = block;
    else
        f->in_use[want.slot] = false;
    return WR_OK;
}

static enum wr_err get(const struct blocks *blocks, const struct wr_cid *root,
                       uint32_t slots, uint64_t from, uint64_t to,
                       struct wr_rng *rng, struct got *got)
{
    struct fetcher f = {0};
    enum wr_err err;

    got->n = 0;
    got->from = UINT64_MAX;
    got->fetched = 0;
    err = wr_walk_init(&f.walk, root, slots, from, to);
    while (err == WR_OK && !wr_walk_finished(&f.walk)) {
        struct wr_walk_want want;

        while (wr_walk_want(&f.walk, &want)) {
            cr_assert_lt(want.slot, slots);
            cr_assert(!f.in_use[want.slot], "a slot is given twice");
            f.in_use[want.slot] = true;
            f.asked[f.n_asked++] = want;
        }
        if (f.n_asked + f.n_writing == 0 && wr_walk_finished(&f.walk))
            break;
        err = happen(&f, blocks, rng, got);
        if (err == WR_OK)
            take_all(&f, got);
    }
    wr_walk_done(&f.walk);
    return err;
}

static void expect_range(const struct blocks *blocks, const struct wr_cid *root,
                         uint32_t slots, const uint8_t *p, size_t n,
                         uint64_t from, uint64_t to, struct wr_rng *rng)
{
    const uint64_t end = to < n ? to : n;
    const uint64_t len = from < end ? end - from : 0;
    struct got got = {.p = malloc(n + 1), .room = n};

    cr_assert_eq(get(blocks, root, slots, from, to, rng, &got), WR_OK);
    cr_assert_eq(got.n, len);
    if (len > 0) {
        cr_assert_eq(got.from, from);
        cr_assert_eq(memcmp(got.p, p + from, len), 0);
    }
    free(got.p);
}

Test(object_walk, every_range_of_many_shapes)
{
    struct wr_rng rng = {42};
    uint8_t *p = bytes_stream("walk", 2000);

    for (size_t round = 0; round < 300; round++) {
        static const uint32_t slots[] = {1, 2, 3, 7, SLOTS_TESTED};
        struct blocks *blocks = blocks_new();
        const size_t n = wr_rng_below(&rng, 700);
        const uint32_t links = 2 + (uint32_t)wr_rng_below(&rng, 5);
        const struct wr_tree tree =
            import(blocks, &rng, p, n, links, 1 + wr_rng_below(&rng, 20));

        for (size_t i = 0; i < WR_ARRAY_LEN(slots); i++) {
            const uint64_t a = wr_rng_below(&rng, n + 20);
            const uint64_t b = wr_rng_below(&rng, n + 20);

            expect_range(blocks, &tree.cid, slots[i], p, n, 0, UINT64_MAX,
                         &rng);
            expect_range(blocks, &tree.cid, slots[i], p, n, a, b, &rng);
            expect_range(blocks, &tree.cid, slots[i], p, n, a, UINT64_MAX,
                         &rng);
            expect_range(blocks, &tree.cid, slots[i], p, n, a, a + 1, &rng);
        }
        blocks_free(blocks);
    }
    free(p);
}

/* Two levels of nodes as the profile makes them. */
Test(object_walk, more_chunks_than_links)
{
    const size_t n = 1024 * 8 + 100;
    struct wr_rng rng = {7};
    struct blocks *blocks = blocks_new();
    uint8_t *p = bytes_stream("many", n);
    const struct wr_tree tree = import(blocks, &rng, p, n, 1024, 7);

    expect_range(blocks, &tree.cid, 32, p, n, 0, UINT64_MAX, &rng);
    expect_range(blocks, &tree.cid, 32, p, n, 5000, 5001, &rng);
    blocks_free(blocks);
    free(p);
}

Test(object_walk, a_range_fetches_only_its_way)
{
    struct wr_rng rng = {7};
    struct blocks *blocks = blocks_new();
    uint8_t *p = bytes_stream("seek", 4096);
    const struct wr_tree tree = import(blocks, &rng, p, 4096, 4, 1);
    struct got got = {.p = malloc(4096), .room = 4096};

    /* 4096 chunks of one byte, six levels of nodes. */
    cr_assert_eq(get(blocks, &tree.cid, 8, 2222, 2223, &rng, &got), WR_OK);
    cr_assert_eq(got.n, 1);
    cr_assert_eq(got.p[0], p[2222]);
    cr_assert_eq(got.fetched, 7);
    cr_assert_eq(get(blocks, &tree.cid, 8, 10, 10, &rng, &got), WR_OK);
    cr_assert_eq(got.fetched, 1);
    cr_assert_eq(get(blocks, &tree.cid, 8, 9999, UINT64_MAX, &rng, &got),
                 WR_OK);
    cr_assert_eq(got.fetched, 1);
    free(got.p);
    blocks_free(blocks);
    free(p);
}

Test(object_walk, the_first_byte_is_two_fetches_away)
{
    struct wr_rng rng = {7};
    struct blocks *blocks = blocks_new();
    uint8_t *p = bytes_stream("first", 1024);
    const struct wr_tree tree = import(blocks, &rng, p, 1024, 1024, 1);
    struct wr_walk_root root;
    struct wr_walk_want want;
    struct wr_walk_piece piece;
    struct wr_walk w;
    bool keep;

    cr_assert_eq(wr_walk_init(&w, &tree.cid, 4, 0, UINT64_MAX), WR_OK);
    cr_assert(!wr_walk_root(&w, &root));
    cr_assert(wr_walk_want(&w, &want));
    cr_assert(wr_cid_eq(&want.cid, &tree.cid) && !want.is_leaf);
    const uint32_t root_slot = want.slot;
    cr_assert(!wr_walk_want(&w, &want));
    cr_assert_eq(
        wr_walk_give(&w, root_slot, blocks_get(blocks, &tree.cid), &keep),
        WR_OK);
    cr_assert(!keep);
    cr_assert(wr_walk_root(&w, &root) && root.size == 1024 && !root.has_mode);
    for (uint64_t i = 0; i < 4; i++) { /* The whole window, front first. */
        cr_assert(wr_walk_want(&w, &want));
        cr_assert(want.is_leaf && want.offset == i && want.size == 1);
        if (i == 0)
            cr_assert_eq(wr_walk_give(&w, want.slot,
                                      blocks_get(blocks, &want.cid), &keep),
                         WR_OK);
    }
    cr_assert(!wr_walk_want(&w, &want)); /* Held until released. */
    cr_assert(wr_walk_take(&w, &piece));
    cr_assert(piece.offset == 0 && piece.at == 0 && piece.n == 1);
    cr_assert(!wr_walk_want(&w, &want));
    cr_assert_eq(wr_walk_release(&w, piece.slot), WR_OK);
    cr_assert(wr_walk_want(&w, &want) && want.offset == 4);
    wr_walk_done(&w);
    blocks_free(blocks);
    free(p);
}

Test(object_walk, files_of_one_block)
{
    struct wr_rng rng = {7};
    struct blocks *blocks = blocks_new();
    const struct wr_cid empty =
        blocks_add(blocks, WR_CODEC_RAW, HASH, wr_span(NULL, 0));
    const struct wr_cid hello =
        blocks_add(blocks, WR_CODEC_RAW, HASH, wr_span_str("hello"));

    expect_range(blocks, &empty, 1, NULL, 0, 0, UINT64_MAX, &rng);
    expect_range(blocks, &hello, 1, (const uint8_t *)"hello", 5, 0, UINT64_MAX,
                 &rng);
    expect_range(blocks, &hello, 1, (const uint8_t *)"hello", 5, 1, 3, &rng);
    blocks_free(blocks);
}

/* --- Trees by other hands ----------------------------------------------- */

struct maker {
    struct blocks *blocks;
    uint8_t links[1 << 16];
    struct wr_writer w;
    uint64_t sizes[1024];
    uint32_t n;
    uint64_t sum;
};

static struct maker *maker_new(void)
{
    struct maker *m = calloc(1, sizeof(*m));

    m->blocks = blocks_new();
    m->w = wr_writer(m->links, sizeof(m->links));
    return m;
}

static void maker_free(struct maker *m)
{
    blocks_free(m->blocks);
    free(m);
}

static struct wr_cid raw(struct maker *m, const char *content)
{
    return blocks_add(m->blocks, WR_CODEC_RAW, HASH, wr_span_str(content));
}

static void child(struct maker *m, const struct wr_cid *cid, uint64_t size)
{
    wr_dag_write_link(&m->w, cid, wr_span(NULL, 0), size);
    m->sizes[m->n++] = size;
    m->sum += size;
}

/* Closes the node with the children so far and `data` before them. */
static struct wr_cid file_node(struct maker *m, const char *data)
{
    const struct wr_unixfs u = {.type = WR_UNIXFS_FILE,
                                .has_data = data != NULL,
                                .has_filesize = true,
                                .data = wr_span_str(data ? data : ""),
                                .filesize = m->sum + (data ? strlen(data) : 0),
                                .n_blocksizes = m->n};

    wr_unixfs_write(&m->w, &u, m->sizes);
    cr_assert(!m->w.bad);
    const struct wr_cid cid =
        blocks_add(m->blocks, WR_CODEC_DAG_PB, HASH, wr_span(m->links, m->w.n));
    m->w = wr_writer(m->links, sizeof(m->links));
    m->n = 0;
    m->sum = 0;
    return cid;
}

static enum wr_err err_of(const struct maker *m, const struct wr_cid *root)
{
    struct wr_rng rng = {3};
    struct got got = {.p = malloc(1 << 20), .room = 1 << 20};
    const enum wr_err err = get(m->blocks, root, 8, 0, UINT64_MAX, &rng, &got);

    free(got.p);
    return err;
}

/* As older importers did: leaves inside nodes, and bytes beside links. */
Test(object_walk, leaves_inside_nodes)
{
    struct wr_rng rng = {5};
    struct maker *m = maker_new();
    const struct wr_cid c = raw(m, "cc");
    const struct wr_cid a = file_node(m, "aaa");
    child(m, &c, 2);
    const struct wr_cid b = file_node(m, "bb");
    child(m, &a, 3);
    child(m, &b, 4);
    child(m, &a, 3);
    const struct wr_cid root = file_node(m, "r");
    const uint8_t *should = (const uint8_t *)"raaabbccaaa";

    for (uint32_t slots = 1; slots < 6; slots++)
        for (uint64_t from = 0; from < 12; from++)
            for (uint64_t to = from; to < 13; to++)
                expect_range(m->blocks, &root, slots, should, 11, from, to,
                             &rng);
    maker_free(m);
}

Test(object_walk, sizes_that_children_do_not_deliver)
{
    static const uint64_t claims[] = {1, 2, 4, 1000, 3 << 20};
    struct maker *m = maker_new();
    const struct wr_cid leaf = raw(m, "abc");
    child(m, &leaf, 3);
    const struct wr_cid node = file_node(m, NULL);

    for (size_t i = 0; i < WR_ARRAY_LEN(claims); i++) {
        child(m, &leaf, claims[i]);
        const struct wr_cid over_leaf = file_node(m, NULL);
        child(m, &node, claims[i]);
        const struct wr_cid over_node = file_node(m, NULL);

        cr_assert_eq(err_of(m, &over_leaf), WR_EDAMAGED);
        cr_assert_eq(err_of(m, &over_node), WR_EDAMAGED);
    }
    child(m, &node, 3);
    const struct wr_cid fine = file_node(m, NULL);
    cr_assert_eq(err_of(m, &fine), WR_OK);
    maker_free(m);
}

/* No block that is asked for shows it, only the next link of a node: whoever
 * waits for blocks alone would wait for ever. */
Test(object_walk, what_is_wrong_behind_the_window_is_told)
{
    struct maker *m = maker_new();
    const struct wr_cid leaf = raw(m, "abc");

    for (unsigned i = 0; i < 20; i++)
        child(m, &leaf, 3);
    child(m, &leaf, 3 << 20); /* Larger than any leaf. */
    const struct wr_cid root = file_node(m, NULL);

    cr_assert_eq(err_of(m, &root), WR_EDAMAGED);
    maker_free(m);
}

Test(object_walk, depth_is_bounded)
{
    struct maker *m = maker_new();
    struct wr_cid at = raw(m, "x");

    for (unsigned i = 1; i <= WR_FILE_DEPTH_MAX + 1; i++) {
        child(m, &at, 1);
        at = file_node(m, NULL);
        cr_assert_eq(err_of(m, &at),
                     i <= WR_FILE_DEPTH_MAX ? WR_OK : WR_ETOOBIG, "%u", i);
    }
    maker_free(m);
}

/* A few kilobytes that claim to be 2^60 bytes, by sharing: legal, and to be
 * walked as far as the caller likes, in bounded memory. */
Test(object_walk, a_bomb_of_shared_nodes)
{
    struct maker *m = maker_new();
    struct wr_cid at = raw(m, "x");
    uint64_t size = 1;
    struct wr_walk w;
    struct wr_walk_want want;
    struct wr_walk_piece piece;
    struct wr_walk_root root;
    uint64_t taken = 0;
    bool keep;

    for (unsigned level = 0; level < 12; level++, size *= 32) {
        for (unsigned i = 0; i < 32; i++)
            child(m, &at, size);
        at = file_node(m, NULL);
    }
    cr_assert_eq(wr_walk_init(&w, &at, 4, 0, UINT64_MAX), WR_OK);
    while (taken < 3000) {
        while (wr_walk_want(&w, &want))
            cr_assert_eq(wr_walk_give(&w, want.slot,
                                      blocks_get(m->blocks, &want.cid), &keep),
                         WR_OK);
        while (wr_walk_take(&w, &piece)) {
            cr_assert_eq(piece.offset, taken++);
            cr_assert_eq(wr_walk_release(&w, piece.slot), WR_OK);
        }
        cr_assert_lt(w.node_bytes, 1 << 20);
    }
    cr_assert(wr_walk_root(&w, &root));
    cr_assert_eq(root.size, UINT64_C(1) << 60);
    wr_walk_done(&w); /* In the middle of everything. */
    maker_free(m);
}

/* Nodes as large as blocks may be, posing as small leaves to be asked for all
 * at once. */
Test(object_walk, open_nodes_are_bounded)
{
    uint8_t *big = malloc(WR_DAG_READ_MAX);
    struct maker *m = maker_new();
    const struct wr_cid leaf = raw(m, "x");

    for (unsigned i = 0; i < 8; i++) {
        struct wr_writer w = wr_writer(big, WR_DAG_READ_MAX);
        struct wr_span fat = wr_span(big, WR_DAG_READ_MAX - 100);
        const struct wr_unixfs u = {.type = WR_UNIXFS_FILE,
                                    .has_data = true,
                                    .has_filesize = true,
                                    .data = fat,
                                    .filesize = fat.n + 1,
                                    .n_blocksizes = 1};
        uint8_t *copy = calloc(1, fat.n);

        copy[0] = (uint8_t)i;
        wr_dag_write_link(&w, &leaf, wr_span(NULL, 0), 1);
        struct wr_unixfs with = u;
        with.data.p = copy;
        wr_unixfs_write(&w, &with, (const uint64_t[]){1});
        cr_assert(!w.bad);
        const struct wr_cid cid =
            blocks_add(m->blocks, WR_CODEC_DAG_PB, HASH, wr_span(big, w.n));
        child(m, &cid, fat.n + 1);
        free(copy);
    }
    const struct wr_cid root = file_node(m, NULL);
    struct wr_walk w;
    struct wr_walk_want want;
    enum wr_err err = wr_walk_init(&w, &root, 8, 0, UINT64_MAX);
    while (err == WR_OK && wr_walk_want(&w, &want)) {
        bool keep;

        err = wr_walk_give(&w, want.slot, blocks_get(m->blocks, &want.cid),
                           &keep);
        cr_assert_leq(w.node_bytes, WR_WALK_NODE_BYTES);
    }
    cr_assert_eq(err, WR_ETOOBIG);
    wr_walk_done(&w);
    maker_free(m);
    free(big);
}

Test(object_walk, what_is_no_file)
{
    struct maker *m = maker_new();
    const struct wr_cid dir = blocks_add(m->blocks, WR_CODEC_DAG_PB, HASH,
                                         wr_span("\x0a\x02\x08\x01", 4));
    const struct wr_cid junk =
        blocks_add(m->blocks, WR_CODEC_DAG_PB, HASH, wr_span_str("junk"));
    const struct wr_cid cbor =
        blocks_add(m->blocks, WR_CODEC_DAG_CBOR, HASH, wr_span_str("\xa0"));
    child(m, &dir, 4);
    const struct wr_cid over_dir = file_node(m, NULL);

    cr_assert_eq(err_of(m, &dir), WR_EUNSUPPORTED);
    cr_assert_eq(err_of(m, &cbor), WR_EUNSUPPORTED);
    cr_assert_eq(err_of(m, &junk), WR_EDAMAGED);
    cr_assert_eq(err_of(m, &over_dir), WR_EDAMAGED);
    maker_free(m);
}
