/*
 * time.h - the one unit of time: microseconds on a monotonic clock that the
 * caller reads. Wall-clock time exists on floors 3 and up only.
 */
#ifndef WR_BASE_TIME_H
#define WR_BASE_TIME_H

#include <stdint.h>

typedef uint64_t wr_time; /* Microseconds. */

#define WR_NEVER UINT64_MAX
#define WR_MS(n) ((wr_time)(n)*1000)
#define WR_SEC(n) ((wr_time)(n)*1000000)

static inline wr_time wr_time_min(wr_time a, wr_time b)
{
    return a < b ? a : b;
}

static inline wr_time wr_time_max(wr_time a, wr_time b)
{
    return a > b ? a : b;
}

#endif
