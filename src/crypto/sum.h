/*
 * sum.h - the sum of a set of things that are kept: how many there are, and
 * the sum of a hash of each, mod 2^256. Two hosts with equal sums hold the
 * same; what changes is added or taken away without looking at the rest.
 *
 * A chunk counts with H(1 ‖ digest) and H(2 ‖ digest ‖ put id) for each of its
 * references, a root record with H(3 ‖ position ‖ version ‖ bytes); H is
 * BLAKE2b-256. An XOR in place of the sum could be forged by linear algebra by
 * whoever chooses content; a sum takes some 2^32 hashes and a set of tens of
 * thousands of chunks of the forger's own, which then hide nobody else's.
 *
 * Pure values.
 */
#ifndef WR_CRYPTO_SUM_H
#define WR_CRYPTO_SUM_H

#include "base/span.h"

enum {
    WR_PRINT = 16,     /* Bytes of a fingerprint. */
    WR_SUM_BYTES = 40, /* Of a sum, written down. */
};

struct wr_sum {
    uint64_t n;    /* Chunks, or records. */
    uint64_t w[4]; /* The least significant first. */
};

/* Of one chunk without its references, one reference (wr_put_id_salvaged counts
 * for nothing), one record. */
struct wr_sum wr_sum_chunk(const uint8_t digest[static 32]);
struct wr_sum wr_sum_ref(const uint8_t digest[static 32],
                         const uint8_t put_id[static 16]);
struct wr_sum wr_sum_root(const uint8_t position[static 32], uint64_t version,
                          struct wr_span record);

void wr_sum_add(struct wr_sum *s, const struct wr_sum *other);
void wr_sum_take(struct wr_sum *s, const struct wr_sum *other);

static inline bool wr_sum_eq(const struct wr_sum *a, const struct wr_sum *b)
{
    return a->n == b->n && memcmp(a->w, b->w, sizeof(a->w)) == 0;
}

/* What hosts tell each other of a sum: BLAKE2b of it, so that nobody sees the
 * sum that an addition would have to hit. */
void wr_sum_print(const struct wr_sum *s, uint8_t ret[static WR_PRINT]);

void wr_sum_write(const struct wr_sum *s, uint8_t ret[static WR_SUM_BYTES]);
void wr_sum_read(const uint8_t from[static WR_SUM_BYTES], struct wr_sum *ret);

#endif
