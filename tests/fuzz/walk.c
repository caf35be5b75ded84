/* walk.c - getting a file from a stranger's blocks, which come in any order:
 * bytes go out in order, without a gap, each once, as many as were promised;
 * and what the walk holds is bounded. */
#include <stdlib.h>

#include "blocks.h"
#include "object/walk.h"

enum { STEPS = 600, SLOTS = 8 };

struct reader {
    struct wr_walk walk;
    const struct fuzz_blocks *blocks;
    struct wr_walk_want asked[SLOTS];
    size_t asked_n;
    struct wr_span held[SLOTS];
    bool in_use[SLOTS];
    struct wr_walk_piece writing[SLOTS];
    size_t writing_n;
    bool begun;
    uint64_t from, at, to; /* Bytes that were taken: [from, at). */
};

static void ask(struct reader *r, uint32_t slots)
{
    struct wr_walk_want want;

    while (wr_walk_want(&r->walk, &want)) {
        WR_CHECK(want.slot < slots && !r->in_use[want.slot]);
        r->in_use[want.slot] = true;
        r->asked[r->asked_n++] = want;
    }
}

static void take(struct reader *r)
{
    struct wr_walk_piece piece;

    while (wr_walk_take(&r->walk, &piece)) {
        WR_CHECK(r->in_use[piece.slot] && piece.n > 0);
        WR_CHECK(piece.at <= r->held[piece.slot].n);
        WR_CHECK(piece.n <= r->held[piece.slot].n - piece.at);
        if (!r->begun)
            WR_CHECK(piece.offset == r->from);
        else
            WR_CHECK(piece.offset == r->at);
        r->begun = true;
        r->at = piece.offset + piece.n;
        WR_CHECK(r->at <= r->to);
        r->writing[r->writing_n++] = piece;
    }
}

static enum wr_err give(struct reader *r, size_t i)
{
    const struct wr_walk_want want = r->asked[i];
    const struct wr_span block = fuzz_block(r->blocks, &want.cid);
    bool keep = false;
    enum wr_err err;

    r->asked[i] = r->asked[--r->asked_n];
    r->held[want.slot] = block;
    err = wr_walk_give(&r->walk, want.slot, block, &keep);
    if (err == WR_OK && want.is_leaf)
        WR_CHECK(block.n == want.size);
    if (err == WR_OK && !keep)
        r->in_use[want.slot] = false;
    return err;
}

static enum wr_err release(struct reader *r, size_t i)
{
    const uint32_t slot = r->writing[i].slot;

    r->writing[i] = r->writing[--r->writing_n];
    r->in_use[slot] = false;
    return wr_walk_release(&r->walk, slot);
}

static void check_end(const struct reader *r)
{
    struct wr_walk_root root;
    uint64_t to;

    WR_CHECK(wr_walk_root(&r->walk, &root));
    to = r->to < root.size ? r->to : root.size;
    if (to > r->from)
        WR_CHECK(r->begun && r->at == to);
    else
        WR_CHECK(!r->begun);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = fuzz(data, size);
    struct fuzz_blocks blocks;
    struct reader r = {.blocks = &blocks, .to = UINT64_MAX};
    struct wr_cid root;
    const uint32_t slots = 1 + fuzz_below(&f, SLOTS);
    const uint8_t range = fuzz_u8(&f);
    enum wr_err err;

    if (range & 1)
        r.from = fuzz_u8(&f);
    if (range & 2)
        r.to = r.from + fuzz_u8(&f);
    fuzz_blocks(&f, &blocks);
    root = fuzz_blocks_root(&blocks);
    if (range & 4)
        root.codec = WR_CODEC_RAW;
    err = wr_walk_init(&r.walk, &root, slots, r.from, r.to);
    WR_CHECK(err == WR_OK);
    for (unsigned i = 0; i < STEPS && err == WR_OK; i++) {
        const uint8_t which = fuzz_u8(&f);

        ask(&r, slots);
        take(&r);
        WR_CHECK(r.walk.node_bytes <= WR_WALK_NODE_BYTES);
        if (wr_walk_finished(&r.walk)) {
            check_end(&r);
            break;
        }
        WR_CHECK(r.asked_n + r.writing_n > 0); /* Or it would never end. */
        if (r.writing_n > 0 && (r.asked_n == 0 || (which & 1) == 0))
            err = release(&r, which / 2 % r.writing_n);
        else
            err = give(&r, which / 2 % r.asked_n);
    }
    WR_CHECK(err == WR_OK || err == WR_EDAMAGED || err == WR_ETOOBIG ||
             err == WR_EUNSUPPORTED);
    wr_walk_done(&r.walk);
    return 0;
}
