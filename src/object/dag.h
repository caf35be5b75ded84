/*
 * dag.h - dag-pb nodes: named, sized links to other blocks, and some data.
 *
 *   PBLink { bytes Hash = 1; string Name = 2; uint64 Tsize = 3 }
 *   PBNode { repeated PBLink Links = 2; bytes Data = 1 }
 *
 * By hand, for Links are written before Data, which no protobuf generator
 * does, and because a node has one serialised form only: the decoder takes
 * either order of the two parts and refuses everything else that would let one
 * node have two names. Not here: what Data means (unixfs.h).
 *
 * Errors of the decoder: WR_EDAMAGED for a block that is no dag-pb node (its
 * hash may well be right: it is somebody's malice or mistake), WR_ETOOBIG
 * above a limit. A link whose CID wreath cannot fetch is no error of the node.
 *
 * Borrowing: a decoded node and its links point into the block, which must
 * outlive them.
 */
#ifndef WR_OBJECT_DAG_H
#define WR_OBJECT_DAG_H

#include "object/cid.h"

enum {
    WR_DAG_READ_MAX = 2 << 20,  /* Bytes: what the world's peers exchange. */
    WR_DAG_WRITE_MAX = 1 << 20, /* Bytes: what everybody accepts. */
    WR_DAG_LINKS_MAX = 65536,   /* Of a node. A peer's bound, never ours. */
};

struct wr_dag_link {
    struct wr_span cid;  /* Well-formed; wr_cid_decode() may not support it. */
    struct wr_span name; /* Any bytes, also none. */
    uint64_t tsize;      /* Claimed bytes of the whole tree below; 0 if not. */
};

struct wr_dag_node {
    struct wr_span links; /* Checked, but serialised: see wr_dag_next(). */
    uint32_t n_links;
    bool has_data;
    struct wr_span data;
};

WR_MUST_USE enum wr_err wr_dag_decode(struct wr_span block,
                                      struct wr_dag_node *ret);

/* Walks the links in their order: `for (it = wr_dag_links(&node);
 * wr_dag_next(&it, &link);)`. */
struct wr_reader wr_dag_links(const struct wr_dag_node *node);
bool wr_dag_next(struct wr_reader *it, struct wr_dag_link *ret);

/* Appends a link, with its name even if it is empty: published CIDs of files
 * depend on that. All links come before the data. */
void wr_dag_write_link(struct wr_writer *w, const struct wr_cid *cid,
                       struct wr_span name, uint64_t tsize);

/* Bytes that wr_dag_write_link() appends. */
size_t wr_dag_link_bytes(const struct wr_cid *cid, size_t name_n,
                         uint64_t tsize);

/* Appends the tag and length of a node's data, whose `n` bytes follow. */
void wr_dag_write_data_head(struct wr_writer *w, size_t n);

#endif
