/* Directories: made, read back, looked into, and what strangers may send. */
#include <criterion/criterion.h>

#include "../support/blocks.h"
#include "base/rng.h"
#include "object/dirread.h"
#include "object/murmur.h"

enum { ODD = 3000 };

static struct wr_tree tree_of(const char *content)
{
    const struct wr_span s = wr_span_str(content);

    return (struct wr_tree){.cid =
                                wr_cid_of(WR_CODEC_RAW, WR_HASH_BLAKE2B_256, s),
                            .size = s.n,
                            .tsize = s.n};
}

/* Ends `d`, keeps its blocks, returns its root. */
static struct wr_tree finish(struct wr_dir *d, struct blocks *blocks)
{
    struct wr_block block;
    struct wr_tree root = {0};

    cr_assert_eq(wr_dir_end(d), WR_OK);
    while (wr_dir_pop(d, &block)) {
        cr_assert_leq(block.bytes.n, WR_DAG_WRITE_MAX);
        blocks_put(blocks, &block.cid, block.bytes);
    }
    cr_assert_eq(wr_dir_root(d, &root), WR_OK);
    return root;
}

static void add(struct wr_dir *d, struct wr_span name,
                const struct wr_tree *tree)
{
    cr_assert_eq(wr_dir_add(d, name, tree), WR_OK);
}

/* An odd but legal name, different for each i: any bytes, any length. */
static struct wr_span odd_name(size_t i, uint8_t buf[WR_DIR_NAME_MAX])
{
    struct wr_rng rng = {i};
    size_t n = 4 + wr_rng_below(&rng, i % 100 == 0 ? WR_DIR_NAME_MAX - 3 : 40);

    wr_rng_fill(&rng, buf, n);
    buf[0] = (uint8_t)(1 + i % 46); /* Below '/'. */
    buf[1] = (uint8_t)(128 + i / 46 % 128);
    buf[2] = ' ';
    for (size_t k = 3; k < n; k++)
        if (buf[k] == '/' || buf[k] == '\0')
            buf[k] = '\n';
    return wr_span(buf, n);
}

Test(object_dir, names)
{
    uint8_t longest[WR_DIR_NAME_MAX + 1];

    memset(longest, 'x', sizeof(longest));
    cr_assert(wr_name_ok(wr_span_str("a")));
    cr_assert(wr_name_ok(wr_span_str("...")));
    cr_assert(wr_name_ok(wr_span_str(".a")));
    cr_assert(wr_name_ok(wr_span_str("\xff\xfe\n")));
    cr_assert(wr_name_ok(wr_span(longest, WR_DIR_NAME_MAX)));
    cr_assert(!wr_name_ok(wr_span(longest, WR_DIR_NAME_MAX + 1)));
    cr_assert(!wr_name_ok(wr_span_str("")));
    cr_assert(!wr_name_ok(wr_span_str(".")));
    cr_assert(!wr_name_ok(wr_span_str("..")));
    cr_assert(!wr_name_ok(wr_span_str("a/b")));
    cr_assert(!wr_name_ok(wr_span_str("/")));
    cr_assert(!wr_name_ok(wr_span("a\0b", 3)));
}

/* The author's own figures for MurmurHash3_x64_128, first half. */
Test(object_dir, murmur3)
{
    cr_assert_eq(wr_murmur3(wr_span_str("")), 0);
    cr_assert_eq(wr_murmur3(wr_span_str("hello")),
                 UINT64_C(0xcbd8a7b341bd9b02));
    cr_assert_eq(
        wr_murmur3(wr_span_str("The quick brown fox jumps over the lazy dog")),
        UINT64_C(0xe34bbc7bbc071b6c));
}

/* IPIP-499's empty directory, and its like under BLAKE2b-256. */
Test(object_dir, empty_directory)
{
    static const struct {
        enum wr_hash hash;
        const char *text;
    } cases[] = {
        {WR_HASH_SHA2_256,
         "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"},
        {WR_HASH_BLAKE2B_256,
         "bafykbzacebugfutjir6qie7apo5shpry32ruwfi762uytd5g3u2gk7tpscndq"}};

    for (size_t i = 0; i < WR_ARRAY_LEN(cases); i++) {
        struct blocks *blocks = blocks_new();
        struct wr_dir d;
        char is[WR_CID_TEXT_SIZE];

        wr_dir_init(&d, cases[i].hash, WR_DIR_BLOCK_MAX);
        const struct wr_tree root = finish(&d, blocks);
        wr_cid_print(&root.cid, is);
        cr_assert_str_eq(is, cases[i].text);
        cr_assert_eq(root.tsize, 4);
        wr_dir_done(&d);
        blocks_free(blocks);
    }
}

static struct wr_node node_of(const struct blocks *blocks,
                              const struct wr_cid *cid)
{
    struct wr_node node = {0};

    cr_assert_eq(wr_node_decode(cid, blocks_get(blocks, cid), &node), WR_OK);
    return node;
}

Test(object_dir, entries_come_back_sorted_whatever_the_order)
{
    struct blocks *blocks = blocks_new();
    const struct wr_tree t = tree_of("x");
    const struct wr_dir_place top = {0};
    struct wr_dir_block b;
    struct wr_dir_item item;
    struct wr_dir d;

    wr_dir_init(&d, WR_HASH_BLAKE2B_256, WR_DIR_BLOCK_MAX);
    add(&d, wr_span_str("b"), &t);
    add(&d, wr_span_str("\xff"), &t);
    add(&d, wr_span_str("a"), &t);
    add(&d, wr_span_str("ab"), &t);
    const struct wr_tree root = finish(&d, blocks);
    const struct wr_node node = node_of(blocks, &root.cid);
    cr_assert_eq(root.tsize, 4 + blocks_get(blocks, &root.cid).n);
    cr_assert_eq(wr_dir_open(&b, &node, &top), WR_OK);
    static const char *const sorted[] = {"a", "ab", "b", "\xff"};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(wr_dir_next(&b, &item), WR_OK);
        cr_assert(wr_span_eq(item.name, wr_span_str(sorted[i])));
        cr_assert_eq(item.cid_err, WR_OK);
        cr_assert(wr_cid_eq(&item.cid, &t.cid));
    }
    cr_assert_eq(wr_dir_next(&b, &item), WR_ENOTFOUND);
    wr_dir_done(&d);
    blocks_free(blocks);
}

Test(object_dir, refused_entries)
{
    const struct wr_tree t = tree_of("x");
    struct wr_dir d;

    wr_dir_init(&d, WR_HASH_BLAKE2B_256, WR_DIR_BLOCK_MAX);
    cr_assert_eq(wr_dir_add(&d, wr_span_str(".."), &t), WR_EINVAL);
    add(&d, wr_span_str("a"), &t);
    add(&d, wr_span_str("b"), &t);
    add(&d, wr_span_str("a"), &t);
    cr_assert_eq(wr_dir_end(&d), WR_EEXIST);
    wr_dir_begin(&d); /* And the next directory is not harmed. */
    add(&d, wr_span_str("a"), &t);
    cr_assert_eq(wr_dir_end(&d), WR_OK);
    wr_dir_done(&d);
}

/* Fills a directory up to a serialised size of `bytes` and says what kind of
 * node its root is. */
static enum wr_node_kind kind_at(size_t bytes)
{
    struct blocks *blocks = blocks_new();
    const struct wr_tree t = tree_of("x");
    const size_t each = wr_dag_link_bytes(&t.cid, 60, t.tsize);
    size_t n = 4;
    struct wr_dir d;
    char name[512] = {0};

    memset(name, 'n', 400);
    wr_dir_init(&d, WR_HASH_BLAKE2B_256, WR_DIR_BLOCK_MAX);
    for (unsigned i = 0; n + 3 * each <= bytes; i++, n += each) {
        for (unsigned k = 0; k < 5; k++)
            name[k] = (char)('a' + (i >> (4 * k) & 15));
        add(&d, wr_span(name, 60), &t);
    }
    name[0] = 'z';
    for (size_t last = 1;; last++) { /* One entry to fill what is left. */
        if (n + wr_dag_link_bytes(&t.cid, last, t.tsize) == bytes) {
            add(&d, wr_span(name, last), &t);
            break;
        }
        cr_assert_lt(last, 400);
    }
    const struct wr_tree root = finish(&d, blocks);
    const struct wr_node node = node_of(blocks, &root.cid);
    if (node.kind == WR_NODE_DIR)
        cr_assert_eq(blocks_get(blocks, &root.cid).n, bytes);
    wr_dir_done(&d);
    blocks_free(blocks);
    return node.kind;
}

Test(object_dir, sharded_above_the_threshold_and_not_at_it)
{
    cr_assert_eq(kind_at(WR_DIR_BLOCK_MAX), WR_NODE_DIR);
    cr_assert_eq(kind_at(WR_DIR_BLOCK_MAX + 1), WR_NODE_SHARD);
}

/* --- A HAMT, there and back --------------------------------------------- */

static struct wr_tree make_odd(struct blocks *blocks, size_t block_max,
                               bool backwards)
{
    struct wr_dir d;

    wr_dir_init(&d, WR_HASH_BLAKE2B_256, block_max);
    for (size_t k = 0; k < ODD; k++) {
        const size_t i = backwards ? ODD - 1 - k : k;
        uint8_t buf[WR_DIR_NAME_MAX];
        const struct wr_span name = odd_name(i, buf);
        struct wr_tree t = tree_of("x");

        t.cid = wr_cid_of(WR_CODEC_RAW, WR_HASH_BLAKE2B_256, name);
        t.tsize = i;
        add(&d, name, &t);
    }
    const struct wr_tree root = finish(&d, blocks);
    wr_dir_done(&d);
    return root;
}

static void expect_find(const struct blocks *blocks, const struct wr_cid *root,
                        struct wr_span name, bool there)
{
    struct wr_cid cid = *root;
    struct wr_dir_item item;
    struct wr_dir_find f;
    enum wr_err err;

    wr_dir_find_init(&f, name);
    for (;;) {
        const struct wr_node node = node_of(blocks, &cid);

        err = wr_dir_find_step(&f, &node, &item);
        if (err != WR_OK || item.kind == WR_DIR_ENTRY)
            break;
        cid = item.cid;
    }
    cr_assert_eq(err, there ? WR_OK : WR_ENOTFOUND);
    const struct wr_cid should =
        wr_cid_of(WR_CODEC_RAW, WR_HASH_BLAKE2B_256, name);
    if (there)
        cr_assert(wr_cid_eq(&item.cid, &should));
}

static void expect_all_odd(const struct blocks *blocks,
                           const struct wr_cid *root)
{
    struct blocks *seen = blocks_new();
    struct wr_dir_walk w;
    struct wr_dir_item item;
    const struct wr_cid *want;
    enum wr_err err;
    size_t n = 0;

    cr_assert_eq(wr_dir_walk_init(&w, root), WR_OK);
    while ((want = wr_dir_walk_want(&w, 0)) != NULL) {
        cr_assert_eq(wr_dir_walk_give(&w, blocks_get(blocks, want)), WR_OK);
        while ((err = wr_dir_walk_next(&w, &item)) == WR_OK) {
            blocks_put(seen, &item.cid, item.name);
            n++;
        }
        cr_assert_eq(err, WR_ENOTFOUND);
    }
    wr_dir_walk_done(&w);
    cr_assert_eq(n, ODD);
    cr_assert_eq(seen->n, ODD); /* Each once. */
    blocks_free(seen);
}

static void expect_round_trip(size_t block_max, enum wr_node_kind kind)
{
    struct blocks *blocks = blocks_new();
    const struct wr_tree root = make_odd(blocks, block_max, false);
    const struct wr_tree same = make_odd(blocks, block_max, true);
    const struct wr_node node = node_of(blocks, &root.cid);
    uint64_t tsize = 0;

    cr_assert(wr_cid_eq(&root.cid, &same.cid));
    cr_assert_eq(node.kind, kind);
    expect_all_odd(blocks, &root.cid);
    for (size_t i = 0; i < ODD + 500; i++) {
        uint8_t buf[WR_DIR_NAME_MAX];

        expect_find(blocks, &root.cid, odd_name(i, buf), i < ODD);
    }
    for (size_t i = 0; i < BLOCKS_SLOTS; i++)
        tsize += blocks->slot[i].n;
    cr_assert_eq(root.tsize, tsize + (uint64_t)ODD * (ODD - 1) / 2);
    blocks_free(blocks);
}

Test(object_dir, odd_names_in_shards)
{
    expect_round_trip(1000, WR_NODE_SHARD);
}

Test(object_dir, odd_names_in_one_block)
{
    expect_round_trip(WR_DIR_BLOCK_MAX, WR_NODE_DIR);
}

/* Two names in one slot at several levels: found by trying, as anybody can. */
Test(object_dir, names_that_share_many_bits)
{
    struct blocks *blocks = blocks_new();
    const uint64_t first = wr_murmur3(wr_span_str("first"));
    const struct wr_tree t = tree_of("x");
    struct wr_dir d;
    char other[16];
    uint32_t i = 0;

    do {
        memset(other, 0, sizeof(other));
        for (unsigned k = 0; k < 8; k++)
            other[k] = (char)('a' + (i >> (4 * k) & 15));
        i++;
    } while ((wr_murmur3(wr_span(other, 8)) ^ first) >> 46 != 0);
    wr_dir_init(&d, WR_HASH_SHA2_256, 10);
    add(&d, wr_span_str("first"), &t);
    add(&d, wr_span(other, 8), &t);
    (void)finish(&d, blocks);
    cr_assert_geq(blocks->n, 3); /* 18 bits shared: two shards above. */
    wr_dir_done(&d);
    blocks_free(blocks);
}

/* --- Strangers' directories --------------------------------------------- */

struct hostile {
    struct blocks *blocks;
    uint8_t buf[4096];
    struct wr_writer w;
};

static struct hostile *hostile_new(void)
{
    struct hostile *h = calloc(1, sizeof(*h));

    h->blocks = blocks_new();
    h->w = wr_writer(h->buf, sizeof(h->buf));
    return h;
}

static void hostile_free(struct hostile *h)
{
    blocks_free(h->blocks);
    free(h);
}

static void link_to(struct hostile *h, const char *name,
                    const struct wr_cid *cid)
{
    wr_dag_write_link(&h->w, cid, wr_span_str(name), 1);
}

/* Closes the node; the next one begins. `bits` are big-endian. */
static struct wr_cid close_node(struct hostile *h, enum wr_unixfs_type type,
                                uint32_t fanout, struct wr_span bits)
{
    const bool shard = type == WR_UNIXFS_HAMT_SHARD;
    const struct wr_unixfs u = {.type = type,
                                .has_data = shard,
                                .has_hash_type = shard,
                                .has_fanout = shard,
                                .data = bits,
                                .hash_type = WR_HASH_MURMUR3_X64_64,
                                .fanout = fanout};

    wr_unixfs_write(&h->w, &u, NULL);
    const struct wr_cid cid = blocks_add(
        h->blocks, WR_CODEC_DAG_PB, WR_HASH_SHA2_256, wr_span(h->buf, h->w.n));
    h->w = wr_writer(h->buf, sizeof(h->buf));
    return cid;
}

/* The first error of a walk, or WR_OK. */
static enum wr_err walk(const struct blocks *blocks, const struct wr_cid *root)
{
    struct wr_dir_walk w;
    struct wr_dir_item item;
    const struct wr_cid *want;
    enum wr_err err = wr_dir_walk_init(&w, root);
    size_t steps = 0;

    while (err == WR_OK && (want = wr_dir_walk_want(&w, 0)) != NULL) {
        err = wr_dir_walk_give(&w, blocks_get(blocks, want));
        while (err == WR_OK) {
            cr_assert_lt(steps++, 10000);
            err = wr_dir_walk_next(&w, &item);
        }
        err = err == WR_ENOTFOUND ? WR_OK : err;
    }
    wr_dir_walk_done(&w);
    return err;
}

static void expect_dir(const char *const *names, size_t n, enum wr_err err)
{
    struct hostile *h = hostile_new();
    const struct wr_tree t = tree_of("x");

    for (size_t i = 0; i < n; i++)
        link_to(h, names[i], &t.cid);
    const struct wr_cid root =
        close_node(h, WR_UNIXFS_DIRECTORY, 0, wr_span(NULL, 0));
    cr_assert_eq(walk(h->blocks, &root), err, "%s", names[0]);
    hostile_free(h);
}

Test(object_dirread, names_that_escape_or_repeat)
{
    expect_dir((const char *const[]){"a", "b"}, 2, WR_OK);
    expect_dir((const char *const[]){"b", "a"}, 2, WR_EDAMAGED);
    expect_dir((const char *const[]){"a", "a"}, 2, WR_EDAMAGED);
    expect_dir((const char *const[]){"a", ".."}, 2, WR_EDAMAGED);
    expect_dir((const char *const[]){".."}, 1, WR_EDAMAGED);
    expect_dir((const char *const[]){"."}, 1, WR_EDAMAGED);
    expect_dir((const char *const[]){""}, 1, WR_EDAMAGED);
    expect_dir((const char *const[]){"../../etc/passwd"}, 1, WR_EDAMAGED);
    expect_dir((const char *const[]){"/etc/passwd"}, 1, WR_EDAMAGED);
}

/* The one-name shard that is right, and variations on it that are not. */
static enum wr_err one_name(const char *link_name, uint32_t bit_slot,
                            size_t bits_n)
{
    struct hostile *h = hostile_new();
    const struct wr_tree t = tree_of("x");
    uint8_t bits[64] = {0};

    bits[bits_n - 1 - bit_slot / 8] = (uint8_t)(1u << (bit_slot % 8));
    link_to(h, link_name, &t.cid);
    const struct wr_cid root =
        close_node(h, WR_UNIXFS_HAMT_SHARD, 256, wr_span(bits, bits_n));
    const enum wr_err err = walk(h->blocks, &root);
    hostile_free(h);
    return err;
}

/* murmur3("hello") begins with the byte cb. */
Test(object_dirread, a_shard_that_lies)
{
    cr_assert_eq(one_name("CBhello", 0xcb, 32), WR_OK);
    cr_assert_eq(one_name("CBhello", 0xcb, 26), WR_OK); /* Trimmed. */
    cr_assert_eq(one_name("cbhello", 0xcb, 32), WR_EDAMAGED);
    cr_assert_eq(one_name("CAhello", 0xca, 32), WR_EDAMAGED);
    cr_assert_eq(one_name("CBhello", 0xca, 32), WR_EDAMAGED);
    cr_assert_eq(one_name("CBhullo", 0xcb, 32), WR_EDAMAGED);
    cr_assert_eq(one_name("C", 0xcb, 32), WR_EDAMAGED);
    cr_assert_eq(one_name("", 0xcb, 32), WR_EDAMAGED);
    cr_assert_eq(one_name("ZZhello", 0xcb, 32), WR_EDAMAGED);
    cr_assert_eq(one_name("CBhello", 0xcb, 33), WR_EDAMAGED);
}

/* A name with '/' in a shard, in the slot that is right for it. */
Test(object_dirread, a_shard_with_a_name_that_escapes)
{
    const uint8_t slot = (uint8_t)(wr_murmur3(wr_span_str("../x")) >> 56);
    char name[] = "00../x";

    name[0] = "0123456789ABCDEF"[slot >> 4];
    name[1] = "0123456789ABCDEF"[slot & 15];
    cr_assert_eq(one_name(name, slot, 32), WR_EDAMAGED);
}

/* 256 links, all to one shard below, and so on: 256^depth names claimed by a
 * few kilobytes. Whoever sends it must not make anybody count to the end. */
Test(object_dirread, a_bomb_of_shared_shards)
{
    struct hostile *h = hostile_new();
    const struct wr_tree t = tree_of("x");
    uint8_t bits[1] = {0xff};
    struct wr_cid below = t.cid;

    for (unsigned level = 0; level < 21; level++) {
        for (unsigned slot = 0; slot < 8; slot++)
            link_to(h, (const char[]){(char)('0' + slot), '\0'}, &below);
        below = close_node(h, WR_UNIXFS_HAMT_SHARD, 8, wr_span(bits, 1));
    }
    cr_assert_eq(walk(h->blocks, &below), WR_EDAMAGED);
    hostile_free(h);
}

Test(object_dirread, shards_deeper_than_the_hash)
{
    struct hostile *h = hostile_new();
    uint8_t bits[1] = {0x01};
    const struct wr_tree t = tree_of("x");
    struct wr_cid below = t.cid;

    for (unsigned level = 0; level < 40; level++) {
        link_to(h, "0", &below);
        below = close_node(h, WR_UNIXFS_HAMT_SHARD, 8, wr_span(bits, 1));
    }
    cr_assert_eq(walk(h->blocks, &below), WR_EDAMAGED);
    hostile_free(h);
}

Test(object_dirread, shards_below_are_shards_of_one_kind_and_not_empty)
{
    struct hostile *h = hostile_new();
    uint8_t one[1] = {0x01};
    const struct wr_cid empty =
        close_node(h, WR_UNIXFS_HAMT_SHARD, 8, wr_span(NULL, 0));
    const struct wr_cid plain =
        close_node(h, WR_UNIXFS_DIRECTORY, 0, wr_span(NULL, 0));
    const struct wr_tree t = tree_of("x");
    link_to(h, "00", &t.cid);
    const struct wr_cid wide =
        close_node(h, WR_UNIXFS_HAMT_SHARD, 256, wr_span(one, 1));
    const struct wr_cid bad[] = {empty, plain, wide};

    cr_assert_eq(walk(h->blocks, &empty), WR_OK); /* At the top it may be. */
    for (size_t i = 0; i < WR_ARRAY_LEN(bad); i++) {
        link_to(h, "0", &bad[i]);
        const struct wr_cid root =
            close_node(h, WR_UNIXFS_HAMT_SHARD, 8, wr_span(one, 1));
        cr_assert_eq(walk(h->blocks, &root), WR_EDAMAGED, "%zu", i);
    }
    hostile_free(h);
}

Test(object_dirread, a_file_is_no_directory)
{
    struct blocks *blocks = blocks_new();
    const struct wr_cid cid = blocks_add(blocks, WR_CODEC_RAW, WR_HASH_SHA2_256,
                                         wr_span_str("content"));

    cr_assert_eq(walk(blocks, &cid), WR_EUNSUPPORTED);
    blocks_free(blocks);
}

Test(object_dirread, an_entry_that_cannot_be_fetched_is_listed)
{
    uint8_t block[2 + 2 + 4 + 64 + 3 + 4] = {0x12, 73,   0x0a, 68,
                                             1,    0x55, 0x13, 64};
    struct blocks *blocks = blocks_new();
    const struct wr_dir_place top = {0};
    struct wr_dir_block b;
    struct wr_dir_item item;
    struct wr_dir_find f;

    memcpy(block + 72, "\x12\x01z\x0a\x02\x08\x01", 7);
    const struct wr_cid cid =
        blocks_add(blocks, WR_CODEC_DAG_PB, WR_HASH_SHA2_256,
                   wr_span(block, sizeof(block)));
    const struct wr_node node = node_of(blocks, &cid);
    cr_assert_eq(wr_dir_open(&b, &node, &top), WR_OK);
    cr_assert_eq(wr_dir_next(&b, &item), WR_OK);
    cr_assert(wr_span_eq(item.name, wr_span_str("z")));
    cr_assert_eq(item.cid_err, WR_EUNSUPPORTED);
    cr_assert_eq(item.cid_bytes.n, 68);
    wr_dir_find_init(&f, wr_span_str("z"));
    cr_assert_eq(wr_dir_find_step(&f, &node, &item), WR_EUNSUPPORTED);
    blocks_free(blocks);
}

Test(object_dir, symlinks)
{
    uint8_t buf[WR_SYMLINK_BLOCK_MAX], longest[WR_SYMLINK_MAX + 1];
    struct wr_block block;
    struct wr_tree tree;
    struct wr_node node;

    memset(longest, 'x', sizeof(longest));
    cr_assert_eq(
        wr_symlink(WR_HASH_SHA2_256, wr_span_str("../a b"), buf, &block, &tree),
        WR_OK);
    cr_assert(
        wr_span_eq(block.bytes, wr_span("\x0a\x0a\x08\x04\x12\x06../a b", 12)));
    cr_assert_eq(tree.tsize, 12);
    cr_assert_eq(wr_node_decode(&block.cid, block.bytes, &node), WR_OK);
    cr_assert_eq(node.kind, WR_NODE_SYMLINK);
    cr_assert(wr_span_eq(node.data, wr_span_str("../a b")));
    cr_assert_eq(wr_symlink(WR_HASH_SHA2_256, wr_span(longest, WR_SYMLINK_MAX),
                            buf, &block, &tree),
                 WR_OK);
    cr_assert_eq(wr_symlink(WR_HASH_SHA2_256,
                            wr_span(longest, WR_SYMLINK_MAX + 1), buf, &block,
                            &tree),
                 WR_EINVAL);
    cr_assert_eq(
        wr_symlink(WR_HASH_SHA2_256, wr_span(NULL, 0), buf, &block, &tree),
        WR_EINVAL);
    cr_assert_eq(
        wr_symlink(WR_HASH_SHA2_256, wr_span("a\0b", 3), buf, &block, &tree),
        WR_EINVAL);
}

/* --- Noise --------------------------------------------------------------- */

/* Flips, cuts and repeats bytes of `p`; returns the new length. */
static size_t mutate(struct wr_rng *rng, uint8_t *p, size_t n)
{
    for (uint64_t k = 1 + wr_rng_below(rng, 3); k > 0 && n > 0; k--) {
        const size_t at = wr_rng_below(rng, n);

        switch (wr_rng_below(rng, 4)) {
        case 0:
            p[at] = (uint8_t)wr_rng_next(rng);
            break;
        case 1:
            p[at] ^= (uint8_t)(1u << wr_rng_below(rng, 8));
            break;
        case 2:
            n = at;
            break;
        default:
            memmove(p + at, p + n - (n - at) / 2, (n - at) / 2);
        }
    }
    return n;
}

/* Whatever a block holds, it is refused or read within its own bytes (to see
 * which, run this with the address sanitizer). */
Test(object_dirread, mutated_blocks)
{
    struct blocks *blocks = blocks_new();
    const struct wr_tree root = make_odd(blocks, 10000, false);
    const struct wr_span block = blocks_get(blocks, &root.cid);
    struct wr_rng rng = {2026};
    size_t accepted = 0;

    for (size_t i = 0; i < 30000; i++) {
        const struct wr_dir_place top = {0};
        struct wr_dir_block b;
        struct wr_dir_item item;
        struct wr_node node;
        uint8_t *p = malloc(block.n);

        memcpy(p, block.p, block.n);
        const size_t n = mutate(&rng, p, block.n);
        if (wr_node_decode(&root.cid, wr_span(p, n), &node) == WR_OK &&
            wr_dir_open(&b, &node, &top) == WR_OK) {
            enum wr_err err;

            while ((err = wr_dir_next(&b, &item)) == WR_OK) {
                cr_assert_leq(item.cid_bytes.p + item.cid_bytes.n, p + n);
                if (item.kind == WR_DIR_ENTRY)
                    cr_assert(wr_name_ok(item.name));
            }
            accepted += err == WR_ENOTFOUND;
        }
        free(p);
    }
    cr_assert_gt(accepted, 0); /* A digest may be any bytes. */
    cr_assert_lt(accepted, 30000);
    blocks_free(blocks);
}
