/*
 * id.h - positions on the ring of 2^256, big-endian, and their arithmetic.
 */
#ifndef WR_WIRE_ID_H
#define WR_WIRE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { WR_ID_BYTES = 32 };

struct wr_id {
    uint8_t b[WR_ID_BYTES];
};

/* Eight bytes from `b` on as a number. Written so that compilers make one load
 * of it. */
static inline uint64_t wr_id_word(const uint8_t *b)
{
    return (uint64_t)b[0] << 56 | (uint64_t)b[1] << 48 | (uint64_t)b[2] << 40 |
           (uint64_t)b[3] << 32 | (uint64_t)b[4] << 24 | (uint64_t)b[5] << 16 |
           (uint64_t)b[6] << 8 | (uint64_t)b[7];
}

/* The first of them: enough to compare most ids and distances. */
static inline uint64_t wr_id_prefix(const struct wr_id *a)
{
    return wr_id_word(a->b);
}

static inline int wr_id_cmp(const struct wr_id *a, const struct wr_id *b)
{
    const uint64_t x = wr_id_prefix(a), y = wr_id_prefix(b);

    if (x != y)
        return x < y ? -1 : 1;
    return memcmp(a->b + 8, b->b + 8, WR_ID_BYTES - 8);
}

static inline bool wr_id_eq(const struct wr_id *a, const struct wr_id *b)
{
    return wr_id_cmp(a, b) == 0;
}

/* Strictly inside the clockwise arc from a to b. between(a, x, a) holds for
 * every x other than a (docs/protocol.md, Terms). */
static inline bool wr_id_between(const struct wr_id *a, const struct wr_id *x,
                                 const struct wr_id *b)
{
    const bool after_a = wr_id_cmp(a, x) < 0;
    const bool before_b = wr_id_cmp(x, b) < 0;

    if (wr_id_cmp(a, b) < 0)
        return after_a && before_b;
    return (after_a || before_b) && !wr_id_eq(a, x) && !wr_id_eq(x, b);
}

/* x in (a, b]: whether the member at b, whose predecessor is at a, owns x. */
static inline bool wr_id_owns(const struct wr_id *a, const struct wr_id *x,
                              const struct wr_id *b)
{
    return wr_id_eq(x, b) || wr_id_between(a, x, b);
}

/* The clockwise distance from a to b. */
struct wr_id wr_id_distance(const struct wr_id *a, const struct wr_id *b);

/* How many bits that distance has; 0 if they are equal. */
unsigned wr_id_distance_bits(const struct wr_id *a, const struct wr_id *b);

/* a + 2^bit, bit from 0 to 255. */
struct wr_id wr_id_add_pow2(const struct wr_id *a, unsigned bit);

enum { WR_ARC_PARTS = 16 };

/* Where the first `i` of the sixteen parts of (a, b] end, which are of equal
 * length but for the last: a for 0, b for 16. (a, a] is the whole ring. */
struct wr_id wr_id_part(const struct wr_id *a, const struct wr_id *b,
                        unsigned i);

#endif
