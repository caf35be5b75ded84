/* meter.c - see meter.h. */
#include "meter.h"

#include <string.h>

enum { FINE_BITS = 5 };

_Static_assert(1 << FINE_BITS == WR_HIST_FINE, "buckets of a doubling");

/* Below 64 each value has its own; then the leading bit and the five after it
 * choose. */
static uint32_t bucket(uint64_t value)
{
    unsigned shift;

    if (value < 2 * WR_HIST_FINE)
        return (uint32_t)value;
    shift = 63 - (unsigned)__builtin_clzll(value) - FINE_BITS;
    return (uint32_t)((value >> shift) + (uint64_t)shift * WR_HIST_FINE);
}

uint64_t wr_hist_upper(uint32_t i)
{
    const uint32_t shift = i < 2 * WR_HIST_FINE ? 0 : i / WR_HIST_FINE - 1;
    const uint64_t lead = i - (uint64_t)shift * WR_HIST_FINE;

    return (lead << shift) + ((UINT64_C(1) << shift) - 1);
}

void wr_hist_add(struct wr_hist *h, uint64_t value)
{
    h->n++;
    h->sum += value;
    if (value > h->max)
        h->max = value;
    h->v[bucket(value)]++;
}

void wr_hist_clear(struct wr_hist *h)
{
    memset(h, 0, sizeof(*h));
}

uint64_t wr_hist_at(const struct wr_hist *h, uint32_t permille)
{
    uint64_t want = (h->n * permille + 999) / 1000, seen = 0;

    if (want == 0)
        want = 1;
    for (uint32_t i = 0; i < WR_HIST_BUCKETS; i++) {
        seen += h->v[i];
        if (seen >= want)
            return wr_hist_upper(i) < h->max ? wr_hist_upper(i) : h->max;
    }
    return h->max;
}
