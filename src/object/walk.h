/*
 * walk.h - getting a file, or a range of one: which blocks are wanted next, in
 * what order their bytes go out, and whether they are what was promised.
 *
 * Sans-I/O. The caller fetches and verifies (hash), holds the blocks of leaves
 * in buffers of its own, one for each slot, and writes:
 *
 *     wr_walk_init(&w, &root, slots, from, to);
 *     while (!wr_walk_finished(&w)) {
 *         while (wr_walk_want(&w, &want))
 *             fetch(want.slot, &want.cid);
 *         a verified block came for a slot:
 *             err = wr_walk_give(&w, slot, block, &keep);
 *             if (!keep) its buffer is free
 *         while (wr_walk_take(&w, &piece))
 *             write(piece.offset, bytes piece.at to + piece.n of its block),
 *             and when that is done, err = wr_walk_release(&w, piece.slot)
 *     }
 *
 * The window: at most `slots` blocks are asked for, held or being written at
 * once, nearest to the front first. A leaf is asked for as soon as its parent
 * is there, so that the first byte of a file of one level of nodes is two
 * fetches away. Nodes may hold other nodes, leaves, bytes of their own, or all
 * of these: what other importers wrote reads too.
 *
 * A stranger made the tree. Sizes that a parent claims are checked against
 * what children deliver (WR_EDAMAGED), parts of no bytes are refused, depth is
 * at most WR_FILE_DEPTH_MAX and open nodes take at most WR_WALK_NODE_BYTES
 * (WR_ETOOBIG). The size of the file itself is a claim until it was delivered:
 * compare it with the space there is.
 *
 * Called by src/client (get, cat). Not here: directories (dirread.h), hashing.
 *
 * Borrowing: a block is read during the call; nodes are copied, leaves not.
 */
#ifndef WR_OBJECT_WALK_H
#define WR_OBJECT_WALK_H

#include "object/build.h"

enum {
    WR_WALK_SLOTS_MAX = 256,
    /* Open nodes, copied: sixteen levels of wreath's own take 1.2 MiB. */
    WR_WALK_NODE_BYTES = 8 << 20,
};

struct wr_walk_item; /* A block in file order: wanted, held or a node. */

/* Private to walk.c. */
struct wr_walk {
    uint32_t n_slots;
    uint64_t from, to;
    enum wr_err err; /* Sticks. */
    bool has_size, has_mode;
    uint64_t size;
    uint32_t mode;
    size_t node_bytes;
    struct wr_walk_item *head, *tail; /* In file order, but what was taken. */
    struct wr_walk_item *slot[WR_WALK_SLOTS_MAX];
};

/* Bytes [from, to) of the file below `root`; to = UINT64_MAX is its end.
 * `slots` is 1 to WR_WALK_SLOTS_MAX. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_walk_init(struct wr_walk *w,
                                     const struct wr_cid *root, uint32_t slots,
                                     uint64_t from, uint64_t to);
void wr_walk_done(struct wr_walk *w);

struct wr_walk_want {
    uint32_t slot; /* Below `slots`; in use until released, or not kept. */
    struct wr_cid cid;
    uint64_t offset; /* In the file. */
    uint64_t size;   /* Claimed bytes of file below; 0 for the root. */
    bool is_leaf;    /* Certainly a leaf: the block has `size` bytes. */
};

/* The next block to fetch, each once; false if there is none for now. */
WR_MUST_USE bool wr_walk_want(struct wr_walk *w, struct wr_walk_want *ret);

/* The verified block of a slot that was wanted. *ret_keep: whether it must
 * stay in its buffer until its piece is released. WR_EDAMAGED, WR_ETOOBIG,
 * WR_EUNSUPPORTED (no file, or a link that wreath cannot fetch), WR_ENOMEM;
 * after an error the walk is over. */
WR_MUST_USE enum wr_err wr_walk_give(struct wr_walk *w, uint32_t slot,
                                     struct wr_span block, bool *ret_keep);

struct wr_walk_piece {
    uint32_t slot;
    uint64_t offset; /* In the file. */
    size_t at, n;    /* In the slot's block. */
};

/* The next bytes in file order, if they are there. */
WR_MUST_USE bool wr_walk_take(struct wr_walk *w, struct wr_walk_piece *ret);

/* The piece taken from `slot` is written. The room may show what no block was
 * asked for yet: errors as of wr_walk_give(). */
WR_MUST_USE enum wr_err wr_walk_release(struct wr_walk *w, uint32_t slot);

/* Whether every byte asked for was taken. */
bool wr_walk_finished(const struct wr_walk *w);

struct wr_walk_root {
    uint64_t size; /* Claimed bytes of the whole file. */
    bool has_mode;
    uint32_t mode;
};

/* False until the root was given. */
WR_MUST_USE bool wr_walk_root(const struct wr_walk *w,
                              struct wr_walk_root *ret);

#endif
