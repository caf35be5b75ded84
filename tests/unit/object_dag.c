/* dag-pb and UnixFS: one node, one serialised form; the rest is refused. */
#include <criterion/criterion.h>

#include "object/unixfs.h"

/* A link of an inline CID (01 55 00 00), named "a", of 5 bytes. */
#define HASH 0x0a, 0x04, 0x01, 0x55, 0x00, 0x00
#define NAME 0x12, 0x01, 'a'
#define TSIZE 0x18, 0x05
#define LINK 0x12, 0x0b, HASH, NAME, TSIZE
#define DATA 0x0a, 0x02, 0x08, 0x01

#define DECODE(...)                                                            \
    decode((const uint8_t[]){__VA_ARGS__},                                     \
           sizeof((const uint8_t[]){__VA_ARGS__}))

static enum wr_err decode(const uint8_t *p, size_t n)
{
    struct wr_dag_node node;

    return wr_dag_decode(wr_span(p, n), &node);
}

Test(object_dag, either_order_of_the_two_parts)
{
    cr_assert_eq(DECODE(LINK, LINK, DATA), WR_OK);
    cr_assert_eq(DECODE(DATA, LINK, LINK), WR_OK);
    cr_assert_eq(DECODE(DATA), WR_OK);
    cr_assert_eq(DECODE(LINK), WR_OK);
    cr_assert_eq(decode(NULL, 0), WR_OK);
    cr_assert_eq(DECODE(LINK, DATA, LINK), WR_EDAMAGED);
    cr_assert_eq(DECODE(DATA, LINK, DATA), WR_EDAMAGED);
    cr_assert_eq(DECODE(DATA, DATA), WR_EDAMAGED);
}

Test(object_dag, unknown_fields_and_wire_types)
{
    cr_assert_eq(DECODE(LINK, 0x1a, 0x00), WR_EDAMAGED);
    cr_assert_eq(DECODE(0x08, 0x01), WR_EDAMAGED);
    cr_assert_eq(DECODE(0x12, 0x08, HASH, 0x20, 0x01), WR_EDAMAGED);
    cr_assert_eq(DECODE(0x12, 0x08, HASH, 0x10, 0x01), WR_EDAMAGED);
}

Test(object_dag, fields_of_a_link_in_order_and_once)
{
    cr_assert_eq(DECODE(0x12, 0x06, HASH), WR_OK);
    cr_assert_eq(DECODE(0x12, 0x08, HASH, TSIZE), WR_OK);
    cr_assert_eq(DECODE(0x12, 0x09, NAME, HASH), WR_EDAMAGED);
    cr_assert_eq(DECODE(0x12, 0x0b, HASH, TSIZE, NAME), WR_EDAMAGED);
    cr_assert_eq(DECODE(0x12, 0x0c, HASH, HASH), WR_EDAMAGED);
    cr_assert_eq(DECODE(0x12, 0x0c, HASH, NAME, NAME), WR_EDAMAGED);
    cr_assert_eq(DECODE(0x12, 0x0a, HASH, TSIZE, TSIZE), WR_EDAMAGED);
    cr_assert_eq(DECODE(0x12, 0x05, NAME, TSIZE), WR_EDAMAGED);
    cr_assert_eq(DECODE(0x12, 0x00), WR_EDAMAGED);
    cr_assert_eq(DECODE(0x12, 0x02, 0x0a, 0x00), WR_EDAMAGED);
}

Test(object_dag, lengths_that_lie)
{
    cr_assert_eq(DECODE(0x12, 0x0c, HASH, NAME, TSIZE), WR_EDAMAGED);
    cr_assert_eq(DECODE(0x0a, 0x05, 0x08, 0x01), WR_EDAMAGED);
    cr_assert_eq(DECODE(0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                        0xff, 0x01),
                 WR_EDAMAGED);
    cr_assert_eq(DECODE(0x0a), WR_EDAMAGED);
    cr_assert_eq(DECODE(0x12, 0x06, 0x0a, 0x05, 0x01, 0x55, 0x00, 0x00),
                 WR_EDAMAGED);
}

Test(object_dag, a_link_that_cannot_be_fetched_is_no_error_of_the_node)
{
    uint8_t block[2 + 2 + 4 + 64] = {0x12, 70, 0x0a, 68, 1, 0x55, 0x13, 64};
    struct wr_dag_node node;
    struct wr_dag_link link;
    struct wr_cid cid;

    cr_assert_eq(wr_dag_decode(wr_span(block, sizeof(block)), &node), WR_OK);
    struct wr_reader it = wr_dag_links(&node);
    cr_assert(wr_dag_next(&it, &link));
    cr_assert_eq(wr_cid_decode(link.cid, &cid, NULL), WR_EUNSUPPORTED);
}

Test(object_dag, limits)
{
    const size_t n = (size_t)(WR_DAG_LINKS_MAX + 1) * 8;
    uint8_t *block = malloc(WR_DAG_READ_MAX + 1);

    cr_assert_not_null(block);
    for (size_t i = 0; i < n; i += 8)
        memcpy(block + i, (const uint8_t[]){0x12, 0x06, HASH}, 8);
    cr_assert_eq(decode(block, n), WR_ETOOBIG);
    cr_assert_eq(decode(block, n - 8), WR_OK);
    memset(block, 0, WR_DAG_READ_MAX + 1);
    cr_assert_eq(decode(block, WR_DAG_READ_MAX + 1), WR_ETOOBIG);
    free(block);
}

Test(object_dag, written_links_read_back)
{
    const struct wr_cid a =
        wr_cid_of(WR_CODEC_RAW, WR_HASH_BLAKE2B_256, wr_span_str("a"));
    const struct wr_cid b =
        wr_cid_of(WR_CODEC_DAG_PB, WR_HASH_SHA2_256, wr_span_str("b"));
    uint8_t buf[512];
    struct wr_writer w = wr_writer(buf, sizeof(buf));
    struct wr_dag_node node;
    struct wr_dag_link link;
    struct wr_cid cid;

    wr_dag_write_link(&w, &a, wr_span_str(""), 0);
    cr_assert_eq(w.n, wr_dag_link_bytes(&a, 0, 0));
    const size_t first = w.n;
    wr_dag_write_link(&w, &b, wr_span_str("name"), UINT64_MAX);
    cr_assert_eq(w.n - first, wr_dag_link_bytes(&b, 4, UINT64_MAX));
    cr_assert(!w.bad);

    cr_assert_eq(wr_dag_decode(wr_span(buf, w.n), &node), WR_OK);
    cr_assert_eq(node.n_links, 2);
    cr_assert(!node.has_data);
    struct wr_reader it = wr_dag_links(&node);
    cr_assert(wr_dag_next(&it, &link));
    cr_assert_eq(wr_cid_decode(link.cid, &cid, NULL), WR_OK);
    cr_assert(wr_cid_eq(&cid, &a) && link.name.n == 0 && link.tsize == 0);
    cr_assert(wr_dag_next(&it, &link));
    cr_assert_eq(wr_cid_decode(link.cid, &cid, NULL), WR_OK);
    cr_assert(wr_cid_eq(&cid, &b) && link.tsize == UINT64_MAX);
    cr_assert(wr_span_eq(link.name, wr_span_str("name")));
    cr_assert(!wr_dag_next(&it, &link));
}

/* --- UnixFS ------------------------------------------------------------- */

#define UNIXFS(...)                                                            \
    unixfs((const uint8_t[]){__VA_ARGS__},                                     \
           sizeof((const uint8_t[]){__VA_ARGS__}))

static enum wr_err unixfs(const uint8_t *p, size_t n)
{
    struct wr_unixfs u;

    return wr_unixfs_decode(wr_span(p, n), &u);
}

Test(object_unixfs, type_is_needed_and_known)
{
    cr_assert_eq(UNIXFS(0x08, 0x02), WR_OK);
    cr_assert_eq(UNIXFS(0x18, 0x00), WR_EDAMAGED);
    cr_assert_eq(UNIXFS(0x08, 0x06), WR_EUNSUPPORTED);
    cr_assert_eq(UNIXFS(0x0a, 0x01, 0x02), WR_EDAMAGED);
    cr_assert_eq(unixfs(NULL, 0), WR_EDAMAGED);
}

Test(object_unixfs, one_meaning_only)
{
    cr_assert_eq(UNIXFS(0x08, 0x02, 0x08, 0x02), WR_EDAMAGED);
    cr_assert_eq(UNIXFS(0x08, 0x02, 0x18, 0x01, 0x18, 0x01), WR_EDAMAGED);
    cr_assert_eq(UNIXFS(0x08, 0x02, 0x12, 0x00, 0x12, 0x00), WR_EDAMAGED);
    /* Sizes are not packed. */
    cr_assert_eq(UNIXFS(0x08, 0x02, 0x22, 0x02, 0x01, 0x01), WR_EDAMAGED);
    cr_assert_eq(UNIXFS(0x08, 0x02, 0x20, 0x01, 0x20, 0x01), WR_OK);
    /* A later version's field is skipped, a truncated one is not. */
    cr_assert_eq(UNIXFS(0x08, 0x02, 0x4a, 0x01, 0xff), WR_OK);
    cr_assert_eq(UNIXFS(0x08, 0x02, 0x4a, 0x02, 0xff), WR_EDAMAGED);
    cr_assert_eq(UNIXFS(0x08, 0x02, 0x0b), WR_EDAMAGED);
}

Test(object_unixfs, mode_and_mtime_are_tolerated)
{
    const uint8_t bytes[] = {0x08, 0x02, 0x38, 0xed, 0x03, 0x42, 0x07,
                             0x08, 0x64, 0x15, 0x01, 0x00, 0x00, 0x00};
    struct wr_unixfs u;

    cr_assert_eq(wr_unixfs_decode(wr_span(bytes, sizeof(bytes)), &u), WR_OK);
    cr_assert(u.has_mode && u.mode == 0755);
    cr_assert(u.has_mtime && u.mtime_s == 100 && u.mtime_ns == 1);
    cr_assert_eq(UNIXFS(0x08, 0x02, 0x42, 0x00), WR_EDAMAGED);
    cr_assert_eq(UNIXFS(0x08, 0x02, 0x42, 0x07, 0x08, 0x64, 0x15, 0x00, 0xca,
                        0x9a, 0x3b),
                 WR_EDAMAGED); /* 10^9 ns */
    cr_assert_eq(UNIXFS(0x08, 0x02, 0x38, 0xff, 0xff, 0xff, 0xff, 0x1f),
                 WR_EDAMAGED); /* 33 bits of mode. */
}

Test(object_unixfs, everything_written_reads_back)
{
    const uint64_t sizes[] = {1, 300, UINT64_C(1) << 40};
    const struct wr_unixfs in = {.type = WR_UNIXFS_FILE,
                                 .has_data = true,
                                 .has_filesize = true,
                                 .has_mode = true,
                                 .has_mtime = true,
                                 .data = wr_span_str("hi"),
                                 .filesize = (UINT64_C(1) << 40) + 303,
                                 .n_blocksizes = 3,
                                 .mode = 0755,
                                 .mtime_s = -5,
                                 .mtime_ns = 999999999};
    uint8_t buf[128];
    struct wr_writer w = wr_writer(buf, sizeof(buf));
    struct wr_dag_node node;
    struct wr_unixfs u;
    uint64_t size;

    wr_unixfs_write(&w, &in, sizes);
    cr_assert(!w.bad);
    cr_assert_eq(wr_dag_decode(wr_span(buf, w.n), &node), WR_OK);
    cr_assert_eq(wr_unixfs_decode(node.data, &u), WR_OK);
    cr_assert_eq(u.type, WR_UNIXFS_FILE);
    cr_assert(wr_span_eq(u.data, in.data));
    cr_assert_eq(u.filesize, in.filesize);
    cr_assert_eq(u.mode, in.mode);
    cr_assert_eq(u.mtime_s, in.mtime_s);
    cr_assert_eq(u.mtime_ns, in.mtime_ns);
    cr_assert_eq(u.n_blocksizes, 3);
    struct wr_reader it = wr_unixfs_blocksizes(&u);
    for (size_t i = 0; i < 3; i++) {
        cr_assert(wr_unixfs_next_blocksize(&it, &size));
        cr_assert_eq(size, sizes[i]);
    }
    cr_assert(!wr_unixfs_next_blocksize(&it, &size));
}

/* --- Whole blocks ------------------------------------------------------- */

#define NODE(ret, ...)                                                         \
    node(WR_CODEC_DAG_PB, (const uint8_t[]){__VA_ARGS__},                      \
         sizeof((const uint8_t[]){__VA_ARGS__}), (ret))

static enum wr_err node(uint32_t codec, const uint8_t *p, size_t n,
                        struct wr_node *ret)
{
    const struct wr_cid cid = wr_cid_of(codec, WR_HASH_SHA2_256, wr_span(p, n));

    return wr_node_decode(&cid, wr_span(p, n), ret);
}

Test(object_unixfs, kinds_of_blocks)
{
    struct wr_node n;

    cr_assert_eq(node(WR_CODEC_RAW, (const uint8_t *)"abc", 3, &n), WR_OK);
    cr_assert(n.kind == WR_NODE_FILE && n.is_raw && n.size == 3);
    cr_assert_eq(node(WR_CODEC_DAG_CBOR, (const uint8_t *)"\xa0", 1, &n),
                 WR_EUNSUPPORTED);
    cr_assert_eq(NODE(&n, DATA), WR_OK);
    cr_assert_eq(n.kind, WR_NODE_DIR);
    cr_assert_eq(NODE(&n, LINK), WR_EUNSUPPORTED);
    const uint8_t symlink[] = {0x0a, 0x05, 0x08, 0x04, 0x12, 0x01, 'x'};
    cr_assert_eq(node(WR_CODEC_DAG_PB, symlink, sizeof(symlink), &n), WR_OK);
    cr_assert(n.kind == WR_NODE_SYMLINK);
    cr_assert(wr_span_eq(n.data, wr_span_str("x")));
    cr_assert_eq(NODE(&n, 0x0a, 0x02, 0x08, 0x03), WR_EUNSUPPORTED);
    /* An old-style leaf: its bytes inside the node. */
    cr_assert_eq(NODE(&n, 0x0a, 0x07, 0x08, 0x02, 0x12, 0x01, 'x', 0x18, 0x01),
                 WR_OK);
    cr_assert(n.kind == WR_NODE_FILE && n.size == 1 && !n.is_raw);
}

Test(object_unixfs, sizes_of_a_file_add_up)
{
    struct wr_node n;

    cr_assert_eq(NODE(&n, LINK, 0x0a, 0x06, 0x08, 0x02, 0x18, 0x05, 0x20, 0x05),
                 WR_OK);
    cr_assert_eq(n.size, 5);
    cr_assert_eq(NODE(&n, LINK, 0x0a, 0x06, 0x08, 0x02, 0x18, 0x06, 0x20, 0x05),
                 WR_EDAMAGED);
    cr_assert_eq(NODE(&n, LINK, 0x0a, 0x04, 0x08, 0x02, 0x18, 0x05),
                 WR_EDAMAGED); /* A link without a size. */
    cr_assert_eq(NODE(&n, 0x0a, 0x06, 0x08, 0x02, 0x18, 0x05, 0x20, 0x05),
                 WR_EDAMAGED); /* A size without a link. */
    cr_assert_eq(NODE(&n, LINK, 0x0a, 0x06, 0x08, 0x02, 0x18, 0x00, 0x20, 0x00),
                 WR_EDAMAGED); /* A part of no bytes. */
    /* A sum beyond 64 bits. */
    cr_assert_eq(NODE(&n, LINK, LINK, 0x0a, 0x0f, 0x08, 0x02, 0x20, 0xff, 0xff,
                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x20,
                      0x01),
                 WR_EDAMAGED);
    cr_assert_eq(NODE(&n, LINK, 0x0a, 0x05, 0x08, 0x04, 0x12, 0x01, 'x'),
                 WR_EDAMAGED); /* A symbolic link with children. */
}

/* CVE-2023-23625: a fan-out is a claim. */
Test(object_unixfs, fan_out_of_a_shard)
{
    static const struct {
        uint16_t fanout;
        enum wr_err err;
    } cases[] = {{256, WR_OK},      {8, WR_OK},         {1024, WR_OK},
                 {0, WR_EDAMAGED},  {4, WR_EDAMAGED},   {2048, WR_EDAMAGED},
                 {24, WR_EDAMAGED}, {1023, WR_EDAMAGED}};
    struct wr_node n;

    for (size_t i = 0; i < WR_ARRAY_LEN(cases); i++) {
        uint8_t buf[64];
        struct wr_writer w = wr_writer(buf, sizeof(buf));
        const struct wr_unixfs u = {.type = WR_UNIXFS_HAMT_SHARD,
                                    .has_hash_type = true,
                                    .has_fanout = true,
                                    .hash_type = WR_HASH_MURMUR3_X64_64,
                                    .fanout = cases[i].fanout};

        wr_unixfs_write(&w, &u, NULL);
        cr_assert_eq(node(WR_CODEC_DAG_PB, buf, w.n, &n), cases[i].err, "%u",
                     cases[i].fanout);
    }
    cr_assert_eq(NODE(&n, 0x0a, 0x07, 0x08, 0x05, 0x28, 0x23, 0x30, 0x80, 0x02),
                 WR_EUNSUPPORTED); /* Another hash. */
    cr_assert_eq(NODE(&n, 0x0a, 0x05, 0x08, 0x05, 0x30, 0x80, 0x02),
                 WR_EDAMAGED); /* None. */
}
