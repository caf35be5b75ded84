/*
 * unixfs.h - what the data of a dag-pb node says: a part of a file, a
 * directory, a shard of one, or a symbolic link.
 *
 *   Data { enum Type = 1; bytes Data = 2; uint64 filesize = 3;
 *          repeated uint64 blocksizes = 4; uint64 hashType = 5;
 *          uint64 fanout = 6; uint32 mode = 7; UnixTime mtime = 8 }
 *
 * wr_node_decode() takes any block of a tree, raw leaves too, and is what
 * walkers use; the codec below it is for builders and tests. Not here: trees
 * of blocks (walk.h, dir.h).
 *
 * Errors: WR_EDAMAGED for a block that contradicts itself, WR_EUNSUPPORTED for
 * a sound one of a kind that wreath does not read, WR_ETOOBIG above a limit.
 *
 * Borrowing: everything decoded points into the block, which must outlive it.
 */
#ifndef WR_OBJECT_UNIXFS_H
#define WR_OBJECT_UNIXFS_H

#include "object/dag.h"

#define WR_HASH_MURMUR3_X64_64 0x22u /* The only hashType of a shard. */

enum {
    WR_HAMT_FANOUT = 256,     /* What wreath writes. */
    WR_HAMT_FANOUT_MIN = 8,   /* A bitfield of one byte. */
    WR_HAMT_FANOUT_MAX = 1024 /* CVE-2023-23625: a peer's claim is bounded. */
};

enum wr_unixfs_type {
    WR_UNIXFS_RAW = 0,
    WR_UNIXFS_DIRECTORY = 1,
    WR_UNIXFS_FILE = 2,
    WR_UNIXFS_METADATA = 3,
    WR_UNIXFS_SYMLINK = 4,
    WR_UNIXFS_HAMT_SHARD = 5,
};

struct wr_unixfs {
    enum wr_unixfs_type type;
    bool has_data;
    bool has_filesize;
    bool has_hash_type;
    bool has_fanout;
    bool has_mode;
    bool has_mtime;
    struct wr_span data;
    uint64_t filesize;
    uint32_t n_blocksizes; /* See wr_unixfs_next_blocksize(). */
    uint32_t mode;
    uint64_t hash_type;
    uint64_t fanout;
    int64_t mtime_s; /* Seconds since 1970. */
    uint32_t mtime_ns;
    struct wr_span self; /* Decoded only: the whole message. */
};

/* Unknown fields are skipped, as later versions may add some; a field given
 * twice is refused. */
WR_MUST_USE enum wr_err wr_unixfs_decode(struct wr_span data,
                                         struct wr_unixfs *ret);

/* Walks the block sizes of a decoded message in their order. */
struct wr_reader wr_unixfs_blocksizes(const struct wr_unixfs *u);
bool wr_unixfs_next_blocksize(struct wr_reader *it, uint64_t *ret);

/* Appends `u` as the data of a dag-pb node, tag and length included;
 * `blocksizes` has u->n_blocksizes values. `self` is not read. */
void wr_unixfs_write(struct wr_writer *w, const struct wr_unixfs *u,
                     const uint64_t *blocksizes);

enum wr_node_kind {
    WR_NODE_FILE,    /* A file or a part of one: data, links or both. */
    WR_NODE_DIR,     /* A whole directory. */
    WR_NODE_SHARD,   /* A shard of a directory, the topmost or below. */
    WR_NODE_SYMLINK, /* data is the target. */
};

struct wr_node {
    enum wr_node_kind kind;
    struct wr_span data; /* FILE: first bytes; SYMLINK: target; SHARD: bits. */
    uint64_t size;       /* FILE: bytes of it and all below, as claimed. */
    bool is_raw;         /* A raw leaf: no dag, no fs. */
    struct wr_dag_node dag;
    struct wr_unixfs fs;
};

/* The block that `cid` names, its hash verified by the caller. Checks what one
 * block can show: as many sizes as links, sizes that add up, a sane fan-out. */
WR_MUST_USE enum wr_err wr_node_decode(const struct wr_cid *cid,
                                       struct wr_span block,
                                       struct wr_node *ret);

#endif
