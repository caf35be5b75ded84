/* blocks.h - a store of a few blocks for fuzz targets that read trees. An input
 * begins with the blocks, each behind its length; the last one is the root. A
 * CID finds the block that it names; or, as whoever shakes bytes cannot make
 * hashes, the one with the number that its digest begins with. */
#ifndef WR_TESTS_FUZZ_BLOCKS_H
#define WR_TESTS_FUZZ_BLOCKS_H

#include "fuzz.h"
#include "object/cid.h"

enum { FUZZ_BLOCKS = 16 };

struct fuzz_blocks {
    size_t n;
    struct {
        struct wr_cid cid; /* As dag-pb. */
        struct wr_span bytes;
    } v[FUZZ_BLOCKS];
};

static inline void fuzz_blocks(struct fuzz *f, struct fuzz_blocks *ret)
{
    const size_t n = 1 + fuzz_below(f, FUZZ_BLOCKS);

    *ret = (struct fuzz_blocks){.n = n};
    for (size_t i = 0; i < n; i++) {
        const size_t high = fuzz_u8(f), low = fuzz_u8(f);

        ret->v[i].bytes = fuzz_bytes(f, high << 8 | low);
        ret->v[i].cid =
            wr_cid_of(WR_CODEC_DAG_PB, WR_HASH_BLAKE2B_256, ret->v[i].bytes);
    }
}

static inline struct wr_cid fuzz_blocks_root(const struct fuzz_blocks *b)
{
    return b->v[b->n - 1].cid;
}

static inline struct wr_span fuzz_block(const struct fuzz_blocks *b,
                                        const struct wr_cid *cid)
{
    if (wr_cid_is_inline(cid))
        return wr_cid_inline(cid);
    for (size_t i = 0; i < b->n; i++)
        if (memcmp(cid->digest, b->v[i].cid.digest, WR_DIGEST_SIZE) == 0)
            return b->v[i].bytes;
    return b->v[cid->digest[0] % b->n].bytes;
}

#endif
