/*
 * meter.h - histograms of whole numbers: exact below 64, then 32 buckets to
 * each doubling (at most 3.2 % wide). Integers only, so that every build draws
 * the same.
 */
#ifndef WR_SIM_METER_H
#define WR_SIM_METER_H

#include <stdint.h>

enum { WR_HIST_FINE = 32, WR_HIST_BUCKETS = (64 - 5 + 1) * WR_HIST_FINE };

struct wr_hist {
    uint64_t n, sum, max;
    uint64_t v[WR_HIST_BUCKETS];
};

void wr_hist_add(struct wr_hist *h, uint64_t value);
void wr_hist_clear(struct wr_hist *h);

/* The largest value that falls into bucket `i`. */
uint64_t wr_hist_upper(uint32_t i);

/* The value that `permille` of 1000 do not exceed, as exact as its bucket; 0
 * if there are none. */
uint64_t wr_hist_at(const struct wr_hist *h, uint32_t permille);

static inline double wr_hist_mean(const struct wr_hist *h)
{
    return h->n == 0 ? 0 : (double)h->sum / (double)h->n;
}

#endif
