/* rng.c - see rng.h. */
#include "base/rng.h"

void wr_rng_fill(struct wr_rng *r, uint8_t *p, size_t n)
{
    uint64_t word = 0;

    for (size_t i = 0; i < n; i++) {
        if (i % 8 == 0)
            word = wr_rng_next(r);
        p[i] = (uint8_t)(word >> (8 * (i % 8)));
    }
}

/* -ln(u) for a u drawn from (0, 1], in 1/65536: without floating
 * point, so that every compiler draws the same. The leading zeros of
 * the draw are the integer part in base two; the mantissa's logarithm comes
 * from squaring it bit by bit. */
static uint64_t exp_draw(struct wr_rng *rng)
{
    uint64_t u = wr_rng_next(rng) | 1;
    uint64_t log2 = 0;
    const unsigned zeros = (unsigned)__builtin_clzll(u);
    uint64_t m = u << zeros >> 32; /* In [2^31, 2^32). */

    for (unsigned bit = 0; bit < 16; bit++) {
        m = m * m >> 31;
        log2 <<= 1;
        if (m >> 32 != 0) {
            m >>= 1;
            log2 |= 1;
        }
    }
    /* u = 2^-(zeros + 1) * (1 + f): -log2(u) = zeros + 1 - log2(1 + f). */
    const uint64_t neg = ((uint64_t)(zeros + 1) << 16) - log2;
    return neg * 45426 >> 16; /* ln 2 in 1/65536. */
}

uint64_t wr_rng_exponential(struct wr_rng *r, uint64_t mean)
{
    __extension__ typedef unsigned __int128 wide;

    return (uint64_t)((wide)mean * exp_draw(r) >> 16);
}
