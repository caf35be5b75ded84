/*
 * dirread.h - reading directories: the entries of one block, one name's place,
 * or everything, whether the directory is one block or a HAMT of shards.
 *
 * Sans-I/O: the caller fetches and verifies blocks. Everything in them is a
 * stranger's word: names that would escape the directory, names twice, names
 * in a slot that is not theirs, shards that lie about themselves are
 * WR_EDAMAGED. As each name must hash to the path that leads to it, no set of
 * shards can pose as more names than it holds.
 *
 * Called by src/client (get, ls, paths). Not here: files (walk.h).
 *
 * Borrowing: entries point into the block, which must outlive them.
 */
#ifndef WR_OBJECT_DIRREAD_H
#define WR_OBJECT_DIRREAD_H

#include "object/dir.h"

/* Where a shard sits in its HAMT: the bits of hash that its names share. All
 * zero: the topmost shard, or a directory of one block. */
struct wr_dir_place {
    uint64_t hash;   /* The shared bits on top, zeros below. */
    uint32_t bits;   /* How many they are. */
    uint32_t fanout; /* Of the shards above; 0 at the top. */
};

enum wr_dir_kind {
    WR_DIR_ENTRY,
    WR_DIR_SHARD,
};

struct wr_dir_item {
    enum wr_dir_kind kind;
    struct wr_span name;       /* ENTRY */
    struct wr_dir_place place; /* SHARD */
    uint64_t tsize;
    enum wr_err cid_err; /* WR_EUNSUPPORTED: sound, but not for wreath. */
    struct wr_span cid_bytes;
    struct wr_cid cid; /* If cid_err is WR_OK. */
};

/* --- One block ---------------------------------------------------------- */

struct wr_dir_block {
    struct wr_reader it;
    bool is_shard;
    struct wr_span last; /* The name before, or its slot's digits. */
    struct wr_span bits;
    struct wr_dir_place place;
    uint32_t fanout, lg; /* lg is the logarithm of fanout. */
    uint32_t digits;     /* Of a slot in a link's name. */
};

/* `node` is of kind DIR or SHARD: else WR_EUNSUPPORTED, or WR_EDAMAGED where
 * `place` promised a shard. */
WR_MUST_USE enum wr_err wr_dir_open(struct wr_dir_block *b,
                                    const struct wr_node *node,
                                    const struct wr_dir_place *place);

/* The next item; WR_ENOTFOUND behind the last. WR_EDAMAGED. */
WR_MUST_USE enum wr_err wr_dir_next(struct wr_dir_block *b,
                                    struct wr_dir_item *ret);

/* --- One name ----------------------------------------------------------- */

struct wr_dir_find {
    struct wr_span name; /* Borrowed until the search ends. */
    uint64_t hash;
    struct wr_dir_place place;
};

void wr_dir_find_init(struct wr_dir_find *f, struct wr_span name);

/* Looks into a block of the directory, first its root, then each that the call
 * before asked for: WR_OK with an ENTRY is the name found, with a SHARD the
 * block (ret->cid) to look into next. WR_ENOTFOUND if there is no such name,
 * or an error of wr_dir_open(), wr_dir_next() or ret->cid_err. */
WR_MUST_USE enum wr_err wr_dir_find_step(struct wr_dir_find *f,
                                         const struct wr_node *node,
                                         struct wr_dir_item *ret);

/* --- Everything --------------------------------------------------------- */

/* At most one pending CID for each slot on the way down. */
struct wr_dir_walk {
    struct wr_dir_pending {
        struct wr_cid cid;
        struct wr_dir_place place;
    } * pending;
    size_t n, room;
    bool is_open;
    struct wr_dir_block block;
};

/* WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_dir_walk_init(struct wr_dir_walk *w,
                                         const struct wr_cid *root);
void wr_dir_walk_done(struct wr_dir_walk *w);

/* The block to give next (i = 0), and those likely to follow; NULL if there is
 * none. Only while no block is open. */
const struct wr_cid *wr_dir_walk_want(const struct wr_dir_walk *w, size_t i);

/* The verified block of wr_dir_walk_want(w, 0), which must stay until
 * wr_dir_walk_next() says WR_ENOTFOUND. */
WR_MUST_USE enum wr_err wr_dir_walk_give(struct wr_dir_walk *w,
                                         struct wr_span block);

/* The next entry, in no particular order. WR_ENOTFOUND when the open block has
 * no more: go on with wr_dir_walk_want(). After an error the walk is over. */
WR_MUST_USE enum wr_err wr_dir_walk_next(struct wr_dir_walk *w,
                                         struct wr_dir_item *ret);

#endif
