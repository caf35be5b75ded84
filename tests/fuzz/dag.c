/* dag.c - one block of a tree: dag-pb, UnixFS and what both say together. A
 * node that is taken, written again in canonical order, is the same node. */
#include <stdlib.h>

#include "fuzz.h"
#include "object/unixfs.h"

static void check_links(const struct wr_dag_node *node, struct wr_writer *w)
{
    struct wr_reader it = wr_dag_links(node);
    struct wr_dag_link link;
    uint32_t n = 0;

    while (wr_dag_next(&it, &link)) {
        struct wr_cid cid;

        n++;
        if (wr_cid_decode(link.cid, &cid, NULL) != WR_OK)
            w->bad = true; /* Sound, but we could not write it. */
        else
            wr_dag_write_link(w, &cid, link.name, link.tsize);
    }
    WR_CHECK(n == node->n_links && n <= WR_DAG_LINKS_MAX);
}

static void check_node(const struct wr_dag_node *node)
{
    static uint8_t room[1 << 20];
    struct wr_writer w = wr_writer(room, sizeof(room));
    struct wr_dag_node again;

    check_links(node, &w);
    if (node->has_data) {
        wr_dag_write_data_head(&w, node->data.n);
        wr_write(&w, node->data.p, node->data.n);
    }
    if (w.bad)
        return;
    WR_CHECK(wr_dag_decode(wr_span(room, w.n), &again) == WR_OK);
    WR_CHECK(again.n_links == node->n_links);
    WR_CHECK(again.has_data == node->has_data);
    WR_CHECK(wr_span_eq(again.data, node->data));
}

static void check_fs(const struct wr_unixfs *u)
{
    static uint64_t sizes[1 << 16];
    static uint8_t room[1 << 20];
    struct wr_writer w = wr_writer(room, sizeof(room));
    struct wr_reader it = wr_unixfs_blocksizes(u);
    struct wr_dag_node node;
    struct wr_unixfs again;
    uint32_t n = 0;

    while (n < WR_ARRAY_LEN(sizes) && wr_unixfs_next_blocksize(&it, &sizes[n]))
        n++;
    WR_CHECK(n == u->n_blocksizes || n == WR_ARRAY_LEN(sizes));
    if (n != u->n_blocksizes)
        return;
    wr_unixfs_write(&w, u, sizes);
    if (w.bad)
        return;
    WR_CHECK(wr_dag_decode(wr_span(room, w.n), &node) == WR_OK);
    WR_CHECK(wr_unixfs_decode(node.data, &again) == WR_OK);
    WR_CHECK(again.n_blocksizes == u->n_blocksizes);
    WR_CHECK(again.type == u->type && wr_span_eq(again.data, u->data));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = fuzz(data, size);
    const uint32_t codec = fuzz_flag(&f)   ? WR_CODEC_DAG_PB
                           : fuzz_flag(&f) ? WR_CODEC_RAW
                                           : 0x71;
    const struct wr_span block = fuzz_rest(&f);
    const struct wr_cid cid = {
        .codec = codec, .hash = 0xb220, .version = 1, .n = WR_DIGEST_SIZE};
    struct wr_dag_node dag;
    struct wr_unixfs fs;
    struct wr_node node;

    if (wr_dag_decode(block, &dag) == WR_OK) {
        check_node(&dag);
        if (dag.has_data && wr_unixfs_decode(dag.data, &fs) == WR_OK)
            check_fs(&fs);
    }
    if (wr_unixfs_decode(block, &fs) == WR_OK)
        check_fs(&fs);
    if (wr_node_decode(&cid, block, &node) != WR_OK)
        return 0;
    if (node.kind == WR_NODE_FILE && !node.is_raw)
        WR_CHECK(node.data.n <= node.size);
    if (node.kind == WR_NODE_SHARD)
        WR_CHECK(node.fs.fanout >= WR_HAMT_FANOUT_MIN &&
                 node.fs.fanout <= WR_HAMT_FANOUT_MAX);
    return 0;
}
