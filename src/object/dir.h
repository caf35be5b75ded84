/*
 * dir.h - making directories and symbolic links.
 *
 * A directory is fed with its entries in any order and gives out blocks as a
 * file's builder does (build.h): one block whose links are sorted by name, or,
 * when that block would be larger than the threshold, shards of a HAMT of 256
 * slots by the bytes of murmur3(name), most significant first, bottom-up, the
 * root last.
 *
 * Called by importers (src/client). Not here: reading (dirread.h).
 *
 * Memory: about 80 bytes and the name for each entry of the directory that is
 * being made, and one shard for each of at most 8 levels.
 *
 * Borrowing: names are copied; a popped block is valid until the next call.
 */
#ifndef WR_OBJECT_DIR_H
#define WR_OBJECT_DIR_H

#include "object/build.h"

enum {
    WR_DIR_NAME_MAX = 1023,    /* Bytes: 255 units of UTF-16 may take 765. */
    WR_DIR_BLOCK_MAX = 262144, /* Bytes: a larger directory is sharded. */
    WR_DIR_ENTRIES_MAX = 1 << 20,
    WR_SYMLINK_MAX = 4095, /* Bytes of a target, as Linux's PATH_MAX. */
    WR_SYMLINK_BLOCK_MAX = WR_SYMLINK_MAX + 16,
    WR_HAMT_LEVELS = 8, /* 64 bits of hash, 8 at each. */
};

/* Whether `name` may stand in a directory: any bytes but '/' and NUL, 1 to
 * WR_DIR_NAME_MAX of them, and neither "." nor "..", which would escape it. */
bool wr_name_ok(struct wr_span name);

struct wr_dir_child { /* Private to dir.c, as all that follows. */
    uint64_t hash;
    uint64_t tsize;
    size_t name_at;      /* Among the names, while they still move. */
    const uint8_t *name; /* After the end. */
    uint32_t name_n;
    struct wr_cid cid;
};

struct wr_dir_shard {
    size_t at, end; /* Children still to come, of all sorted by hash. */
    uint8_t slot;   /* In the shard above. */
    uint8_t bits[WR_HAMT_FANOUT / 8]; /* Little-endian: slot 0 is bit 0. */
    uint8_t *links;
    size_t n, room; /* Bytes of links. */
    uint64_t tsize;
};

struct wr_dir {
    enum wr_hash hash;
    size_t block_max;
    struct wr_dir_child *child;
    size_t n, room;
    uint8_t *names;
    size_t names_n, names_room;
    size_t block_n; /* Bytes of the one block that would hold all. */
    enum wr_err err;
    bool ended, has_root, lent;
    int depth; /* Of the open shard, from 0; -1 if none is. */
    struct wr_tree root;
    struct wr_dir_shard shard[WR_HAMT_LEVELS];
};

/* `block_max` is WR_DIR_BLOCK_MAX but in tests. */
void wr_dir_init(struct wr_dir *d, enum wr_hash hash, size_t block_max);

/* Frees what is inside; a zeroed one is fine. */
void wr_dir_done(struct wr_dir *d);

/* Starts a directory, and drops one that was not finished. */
void wr_dir_begin(struct wr_dir *d);

/* One entry. WR_EINVAL for a name that may not be, WR_ETOOBIG above
 * WR_DIR_ENTRIES_MAX, WR_ENOMEM. Duplicates show in wr_dir_end(). */
WR_MUST_USE enum wr_err wr_dir_add(struct wr_dir *d, struct wr_span name,
                                   const struct wr_tree *tree);

/* All entries are there. WR_EEXIST for a name given twice; WR_EUNSUPPORTED for
 * names that no HAMT can tell apart, which somebody must have made on purpose;
 * WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_dir_end(struct wr_dir *d);

/* The next finished block; false if there is none any more. */
WR_MUST_USE bool wr_dir_pop(struct wr_dir *d, struct wr_block *ret);

/* After the last pop, whose error this is, if any. */
WR_MUST_USE enum wr_err wr_dir_root(const struct wr_dir *d,
                                    struct wr_tree *ret);

/* The block of a symbolic link to `target`, 1 to WR_SYMLINK_MAX bytes, made in
 * `buf`. WR_EINVAL for any other length or a NUL within. */
WR_MUST_USE enum wr_err wr_symlink(enum wr_hash hash, struct wr_span target,
                                   uint8_t buf[WR_SYMLINK_BLOCK_MAX],
                                   struct wr_block *ret_block,
                                   struct wr_tree *ret_tree);

#endif
