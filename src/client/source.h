/*
 * source.h - what is put: a file, a directory tree, a stream or bytes in
 * memory, read, cut, hashed and turned into blocks.
 *
 * One source is run by one worker thread at a time, never by the loop: it
 * reads disks. It fills a batch and comes back; what it could not place is
 * kept, so that an empty pool stops the reading and nothing else. 10,000 small
 * files are a hundred batches.
 *
 * It never follows a symbolic link but the path that the user named, keeps
 * names of any bytes, empty directories, links and (where the profile allows)
 * the executable bit, and refuses what is no file: a tree with a socket in it
 * is not stored by half. A file that changes or vanishes while it is read is
 * WR_ECHANGED.
 *
 * Called by put.c. Borrowing: strings are copied; memory given to
 * wr_source_memory() and the pool outlive the source.
 */
#ifndef WR_CLIENT_SOURCE_H
#define WR_CLIENT_SOURCE_H

#include "object/build.h"
#include "object/chunker.h"
#include "sys/buf.h"
#include "sys/why.h"
#include "wire/id.h"

enum {
    WR_SOURCE_BATCH = 128,     /* Blocks: one HAVE. */
    WR_SOURCE_DEPTH_MAX = 256, /* Directories within one another. */
    WR_SOURCE_BATCH_BYTES = 1 << 20,
};

struct wr_source_cfg {
    enum wr_hash hash;
    struct wr_chunking chunking;
    bool modes; /* Keep the executable bit. */
    struct wr_pool *pool;
    uint32_t share;
};

struct wr_source_block {
    struct wr_id digest;
    struct wr_buf *buf; /* One reference, the taker's. */
};

struct wr_source_batch {
    uint32_t n;
    uint32_t bytes;
    struct wr_source_block v[WR_SOURCE_BATCH];
};

enum wr_source_state {
    WR_SOURCE_MORE,   /* The batch is full: run again. */
    WR_SOURCE_DRY,    /* The pool is empty: run again when it has room. */
    WR_SOURCE_END,    /* All is read; see wr_source_root(). */
    WR_SOURCE_FAILED, /* See wr_source_why(). */
};

struct wr_source_stats {
    uint64_t bytes; /* Of content. */
    uint64_t files;
    uint64_t chunks;   /* Blocks made, those of the trees included. */
    uint64_t repeated; /* Of those, seen before in this source. */
};

struct wr_source;

/* A file, a directory, or anything that can be read. WR_ENOTFOUND, WR_EPERM,
 * WR_EINVAL, WR_EIO, WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_source_path(struct wr_source **ret,
                                       const struct wr_source_cfg *cfg,
                                       const char *path, struct wr_why *why);

/* What comes out of `fd` until its end; it stays the caller's, and blocks. */
WR_MUST_USE enum wr_err wr_source_fd(struct wr_source **ret,
                                     const struct wr_source_cfg *cfg, int fd,
                                     struct wr_why *why);

WR_MUST_USE enum wr_err wr_source_memory(struct wr_source **ret,
                                         const struct wr_source_cfg *cfg,
                                         struct wr_span bytes,
                                         struct wr_why *why);

void wr_source_close(struct wr_source *s);

/* Fills the batch, which is empty. On a worker. */
enum wr_source_state wr_source_run(struct wr_source *s,
                                   struct wr_source_batch *batch);

/* From any thread: a read that waits for a pipe or terminal ends soon, and the
 * run with WR_ECANCELED. */
void wr_source_stop(struct wr_source *s);

/* After END. */
const struct wr_tree *wr_source_root(const struct wr_source *s);
const struct wr_why *wr_source_why(const struct wr_source *s);

/* Bytes of content that are to come in all, if known; else 0. */
uint64_t wr_source_size(const struct wr_source *s);

/* Not while it runs. */
const struct wr_source_stats *wr_source_stats(const struct wr_source *s);

#endif
