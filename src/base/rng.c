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
