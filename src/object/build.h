/*
 * build.h - the tree above a file's chunks: fed with leaves in order, gives
 * out finished nodes bottom-up and in the end the root.
 *
 * The layout is UnixFS's balanced one, which every importer of the profile
 * shares: raw leaves, at most max_links links a node, all leaves at one depth.
 * A file of one chunk is its raw leaf, an empty file the empty raw leaf; a
 * file with a mode is always a node, for a raw leaf cannot carry one.
 *
 * Sans-I/O, a queue and no callback, so that a full pipe downstream stops the
 * builder and nothing else:
 *
 *     wr_build_begin(&b, has_mode, mode);
 *     for each chunk {
 *         err = wr_build_leaf(&b, digest, length);
 *         while (wr_build_pop(&b, &block))
 *             send(&block);
 *     }
 *     wr_build_end(&b);
 *     while (wr_build_pop(&b, &block))
 *         send(&block);
 *     err = wr_build_root(&b, &tree);
 *
 * The leaves' bytes never come here: the caller hashed and sent them. Nodes
 * are hashed here, about 70 bytes for each chunk. One node per level is open:
 * with 1024 links a level takes 75 KiB, and a file of 256 GiB three levels.
 *
 * Called by importers (src/client). Not here: cutting (chunker.h),
 * directories (dir.h).
 *
 * Borrowing: a popped block is valid until the next call on the builder.
 */
#ifndef WR_OBJECT_BUILD_H
#define WR_OBJECT_BUILD_H

#include "object/unixfs.h"

enum {
    WR_FILE_LINKS = 1024,   /* Of a node: the profile's. */
    WR_FILE_DEPTH_MAX = 16, /* Nodes between root and leaf, read or written. */
};

/* A block to be kept: its name and its bytes. */
struct wr_block {
    struct wr_cid cid;
    struct wr_span bytes;
};

/* A finished file, directory or link, as its parent needs it. */
struct wr_tree {
    struct wr_cid cid;
    uint64_t size;  /* Bytes of content; 0 unless it is a file. */
    uint64_t tsize; /* Bytes of all its blocks, as links count them. */
};

struct wr_build_level {
    uint64_t *sizes; /* One allocation, which `links` shares. */
    uint8_t *links;
    size_t n; /* Bytes of links. */
    uint32_t n_links;
    uint64_t size, tsize; /* Of what the links name. */
    bool has_next;        /* A link for the node after this full one. */
    struct wr_tree next;
};

/* Private to build.c. */
struct wr_build {
    enum wr_hash hash;
    uint32_t max_links;
    bool has_mode;
    uint32_t mode;
    enum wr_err err; /* Sticks until the next begin. */
    bool begun, ended, has_root;
    int sealed; /* The level whose block pop gives next, or -1. */
    int lent;   /* The level whose block was popped last, or -1. */
    size_t block_n;
    struct wr_tree root;
    struct wr_build_level level[WR_FILE_DEPTH_MAX];
};

/* `max_links` is 2 to WR_FILE_LINKS. One builder makes any number of files,
 * one after another. */
void wr_build_init(struct wr_build *b, enum wr_hash hash, uint32_t max_links);

/* Frees what is inside; a zeroed builder is fine. */
void wr_build_done(struct wr_build *b);

/* Starts a file, and drops one that was not finished. */
void wr_build_begin(struct wr_build *b, bool has_mode, uint32_t mode);

/* The next chunk of `n` bytes, 1 to WR_CHUNK_MAX. Everything must have been
 * popped. WR_ENOMEM; WR_ETOOBIG for a tree too deep. */
WR_MUST_USE enum wr_err wr_build_leaf(struct wr_build *b,
                                      const uint8_t digest[WR_DIGEST_SIZE],
                                      uint32_t n);

/* No chunk follows. */
void wr_build_end(struct wr_build *b);

/* The next finished block; false if there is none yet, or after an error. An
 * empty file's block has no bytes. */
WR_MUST_USE bool wr_build_pop(struct wr_build *b, struct wr_block *ret);

/* After wr_build_end() and the last pop. The error of leaf or pop, if any. */
WR_MUST_USE enum wr_err wr_build_root(const struct wr_build *b,
                                      struct wr_tree *ret);

#endif
