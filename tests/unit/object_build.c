/* Trees of files: published CIDs, and every limit of the balanced layout
 * against a second, recursive description of it. */
#include <criterion/criterion.h>

#include "../support/bytes.h"
#include "object/build.h"
#include "object/chunker.h"

static struct wr_tree finish(struct wr_build *b, size_t *blocks)
{
    struct wr_block block;
    struct wr_tree tree = {0};

    wr_build_end(b);
    while (wr_build_pop(b, &block)) {
        cr_assert(wr_cid_matches(&block.cid, block.bytes));
        ++*blocks;
    }
    cr_assert_eq(wr_build_root(b, &tree), WR_OK);
    return tree;
}

static void leaf(struct wr_build *b, struct wr_span chunk, size_t *blocks)
{
    uint8_t digest[WR_DIGEST_SIZE];
    struct wr_block block;

    wr_hash_digest(b->hash, chunk, digest);
    cr_assert_eq(wr_build_leaf(b, digest, (uint32_t)chunk.n), WR_OK);
    while (wr_build_pop(b, &block)) {
        cr_assert(wr_cid_matches(&block.cid, block.bytes));
        cr_assert_leq(block.bytes.n, WR_DAG_WRITE_MAX);
        ++*blocks;
    }
}

static void expect_import(enum wr_hash hash, const uint8_t *p, size_t n,
                          const char *text)
{
    struct wr_build b;
    size_t blocks = 0;
    char is[WR_CID_TEXT_SIZE];

    wr_build_init(&b, hash, WR_FILE_LINKS);
    wr_build_begin(&b, false, 0);
    for (size_t at = 0; at < n; at += 1 << 20)
        leaf(&b, wr_span(p + at, n - at < 1 << 20 ? n - at : 1 << 20), &blocks);
    const struct wr_tree tree = finish(&b, &blocks);
    wr_cid_print(&tree.cid, is);
    cr_assert_str_eq(is, text);
    cr_assert_eq(tree.size, n);
    wr_build_done(&b);
}

/* IPIP-499's vectors, and their like under BLAKE2b-256. */
Test(object_build, published_vectors)
{
    const size_t mib = 1 << 20;
    uint8_t *p = bytes_stream("chunk-v1-seed", mib + 1);

    expect_import(
        WR_HASH_SHA2_256, p, mib,
        "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta");
    expect_import(
        WR_HASH_SHA2_256, p, mib + 1,
        "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64");
    expect_import(
        WR_HASH_BLAKE2B_256, p, mib + 1,
        "bafykbzacecoahxm66xf7flxzv3gmdfmpgha7hemoqfmrloducnayfem7ohtsu");
    expect_import(
        WR_HASH_BLAKE2B_256, p, 0,
        "bafk2bzaceahfouoae3suhmxivmxlayez3kq5dzo7i53y654h7kvultprf7r2q");
    expect_import(
        WR_HASH_SHA2_256, (const uint8_t *)"hello world", 11,
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
    free(p);
}

/* --- The second description --------------------------------------------- */

/* Leaf i has 1 + i % 3 bytes, all of them i's. */
static struct wr_span synthetic(size_t i, uint8_t buf[12])
{
    const uint32_t v = (uint32_t)i;

    for (size_t k = 0; k < 3; k++)
        memcpy(buf + 4 * k, &v, 4);
    return wr_span(buf, 4 * (1 + i % 3));
}

static size_t put_varint(uint8_t *p, uint64_t v)
{
    size_t n = 0;

    do {
        p[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        v >>= 7;
    } while (v > 0);
    return n;
}

/* The tree of `depth` levels of nodes above leaves [from, to). */
static struct wr_tree reference(size_t from, size_t to, size_t depth,
                                size_t max)
{
    if (depth == 0) {
        uint8_t buf[12];
        const struct wr_span bytes = synthetic(from, buf);

        return (struct wr_tree){
            .cid = wr_cid_of(WR_CODEC_RAW, WR_HASH_SHA2_256, bytes),
            .size = bytes.n,
            .tsize = bytes.n};
    }
    uint8_t *p = malloc(max * 100 + 100), *data = malloc(max * 11 + 32);
    size_t n = 0, data_n = 0, each = 1;
    uint8_t sizes[1024 * 11];
    size_t sizes_n = 0;
    struct wr_tree tree = {0};

    for (size_t i = 1; i < depth; i++)
        each *= max;
    for (size_t at = from; at < to; at += each) {
        const size_t end = to - at < each ? to : at + each;
        const struct wr_tree child = reference(at, end, depth - 1, max);
        uint8_t cid[WR_CID_BIN_MAX], tsize[10];
        const size_t cid_n = wr_cid_encode(&child.cid, cid);
        const size_t tsize_n = put_varint(tsize, child.tsize);

        p[n++] = 0x12;
        n += put_varint(p + n, 2 + cid_n + 2 + 1 + tsize_n);
        p[n++] = 0x0a;
        p[n++] = (uint8_t)cid_n;
        memcpy(p + n, cid, cid_n);
        n += cid_n;
        p[n++] = 0x12;
        p[n++] = 0x00;
        p[n++] = 0x18;
        memcpy(p + n, tsize, tsize_n);
        n += tsize_n;
        sizes[sizes_n++] = 0x20;
        sizes_n += put_varint(sizes + sizes_n, child.size);
        tree.size += child.size;
        tree.tsize += child.tsize;
    }
    data[data_n++] = 0x08;
    data[data_n++] = 0x02;
    data[data_n++] = 0x18;
    data_n += put_varint(data + data_n, tree.size);
    memcpy(data + data_n, sizes, sizes_n);
    data_n += sizes_n;
    p[n++] = 0x0a;
    n += put_varint(p + n, data_n);
    memcpy(p + n, data, data_n);
    n += data_n;
    tree.cid = wr_cid_of(WR_CODEC_DAG_PB, WR_HASH_SHA2_256, wr_span(p, n));
    tree.tsize += n;
    free(p);
    free(data);
    return tree;
}

static void expect_layout(struct wr_build *b, size_t leaves)
{
    size_t depth = 0, nodes = 0, blocks = 0;

    for (size_t room = 1; room < leaves; room *= b->max_links)
        depth++;
    for (size_t i = 1, each = b->max_links; i <= depth;
         i++, each *= b->max_links)
        nodes += (leaves + each - 1) / each;
    wr_build_begin(b, false, 0);
    for (size_t i = 0; i < leaves; i++) {
        uint8_t buf[12];

        leaf(b, synthetic(i, buf), &blocks);
    }
    const struct wr_tree is = finish(b, &blocks);
    const struct wr_tree should = reference(0, leaves, depth, b->max_links);
    cr_assert(wr_cid_eq(&is.cid, &should.cid), "%zu leaves", leaves);
    cr_assert_eq(is.size, should.size);
    cr_assert_eq(is.tsize, should.tsize);
    cr_assert_eq(blocks, nodes);
}

Test(object_build, every_small_shape)
{
    for (uint32_t max = 2; max <= 5; max++) {
        struct wr_build b;

        wr_build_init(&b, WR_HASH_SHA2_256, max);
        for (size_t leaves = 1; leaves <= 130; leaves++)
            expect_layout(&b, leaves);
        wr_build_done(&b);
    }
}

Test(object_build, limits_of_the_profile)
{
    static const size_t cases[] = {1, 2, 1023, 1024, 1025, 2047, 2048, 2049};
    struct wr_build b;

    wr_build_init(&b, WR_HASH_SHA2_256, WR_FILE_LINKS);
    for (size_t i = 0; i < WR_ARRAY_LEN(cases); i++)
        expect_layout(&b, cases[i]);
    wr_build_done(&b);
}

Test(object_build, three_levels)
{
    struct wr_build b;

    wr_build_init(&b, WR_HASH_SHA2_256, WR_FILE_LINKS);
    expect_layout(&b, 1024 * 1024);
    expect_layout(&b, 1024 * 1024 + 1);
    wr_build_done(&b);
}

Test(object_build, too_deep_is_an_error_and_no_harm)
{
    const uint8_t digest[WR_DIGEST_SIZE] = {0};
    enum wr_err err = WR_OK;
    struct wr_build b;
    struct wr_block block;
    struct wr_tree tree;

    wr_build_init(&b, WR_HASH_SHA2_256, 2);
    wr_build_begin(&b, false, 0);
    for (size_t i = 0; i < (size_t)1 << 17 && err == WR_OK; i++) {
        err = wr_build_leaf(&b, digest, 1);
        while (wr_build_pop(&b, &block))
            continue;
    }
    cr_assert_eq(err, WR_ETOOBIG);
    wr_build_end(&b);
    cr_assert(!wr_build_pop(&b, &block));
    cr_assert_eq(wr_build_root(&b, &tree), WR_ETOOBIG);
    expect_layout(&b, 5); /* The next file is not harmed. */
    wr_build_done(&b);
}

/* A raw leaf cannot carry a mode: a node does, of however few chunks, and no
 * other node than the root. */
static void expect_mode(size_t leaves, uint32_t max)
{
    struct wr_build b;
    struct wr_block block;
    struct wr_tree tree;
    struct wr_node node = {0};
    size_t with_mode = 0;

    wr_build_init(&b, WR_HASH_BLAKE2B_256, max);
    wr_build_begin(&b, true, 0755);
    for (size_t i = 0; i <= leaves; i++) {
        uint8_t buf[12], digest[WR_DIGEST_SIZE];
        const struct wr_span bytes = synthetic(i, buf);

        if (i == leaves) {
            wr_build_end(&b);
        } else {
            wr_hash_digest(WR_HASH_BLAKE2B_256, bytes, digest);
            cr_assert_eq(wr_build_leaf(&b, digest, (uint32_t)bytes.n), WR_OK);
        }
        while (wr_build_pop(&b, &block)) {
            cr_assert_eq(wr_node_decode(&block.cid, block.bytes, &node), WR_OK);
            with_mode += node.fs.has_mode;
        }
    }
    cr_assert_eq(wr_build_root(&b, &tree), WR_OK);
    cr_assert(node.fs.has_mode && node.fs.mode == 0755); /* Popped last. */
    cr_assert_eq(with_mode, 1);
    cr_assert_eq(node.size, tree.size);
    cr_assert_eq(tree.cid.codec, WR_CODEC_DAG_PB);
    wr_build_done(&b);
}

Test(object_build, mode_is_on_the_root_alone)
{
    for (size_t leaves = 0; leaves <= 28; leaves++)
        expect_mode(leaves, 3);
    expect_mode(1024, 1024);
}

Test(object_build, an_empty_file_is_one_empty_block)
{
    struct wr_build b;
    struct wr_block block;
    struct wr_tree tree;

    wr_build_init(&b, WR_HASH_BLAKE2B_256, WR_FILE_LINKS);
    wr_build_begin(&b, false, 0);
    cr_assert(!wr_build_pop(&b, &block));
    wr_build_end(&b);
    cr_assert(wr_build_pop(&b, &block));
    cr_assert_eq(block.bytes.n, 0);
    cr_assert(!wr_build_pop(&b, &block));
    cr_assert_eq(wr_build_root(&b, &tree), WR_OK);
    cr_assert(wr_cid_eq(&tree.cid, &block.cid));
    wr_build_done(&b);
}

Test(object_build, a_builder_never_used_is_freed_without_harm)
{
    struct wr_build b = {0};

    wr_build_done(&b);
}
