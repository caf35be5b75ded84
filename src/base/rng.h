/*
 * rng.h - seeded randomness for the protocol and the simulator, as a value in
 * the state of whoever draws (SplitMix64, Steele, Lea and Flood 2014). Equal
 * seeds give equal draws everywhere. Never for keys or nonces: see crypto/.
 */
#ifndef WR_BASE_RNG_H
#define WR_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct wr_rng {
    uint64_t state;
};

static inline uint64_t wr_rng_next(struct wr_rng *r)
{
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in [0, n); n > 0. The bias is below n / 2^64. */
static inline uint64_t wr_rng_below(struct wr_rng *r, uint64_t n)
{
    __extension__ typedef unsigned __int128 wide;

    return (uint64_t)(((wide)wr_rng_next(r) * n) >> 64);
}

/* Exponential with this mean, at most 45 times it; below 2^58. */
uint64_t wr_rng_exponential(struct wr_rng *r, uint64_t mean);

/* Fills `n` bytes. */
void wr_rng_fill(struct wr_rng *r, uint8_t *p, size_t n);

#endif
