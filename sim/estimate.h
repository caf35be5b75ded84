/*
 * estimate.h - what several seeds say together: a mean and its 95 % interval
 * (Student's t).
 */
#ifndef WR_SIM_ESTIMATE_H
#define WR_SIM_ESTIMATE_H

#include <jansson.h>
#include <stddef.h>

struct wr_estimate {
    size_t n;    /* Of the results that have such a number. */
    double mean; /* 0 without any. */
    double half; /* Half the width of the interval; 0 with fewer than two. */
};

/* Of the number at `path` ("lookups.hops_mean"); a result may be NULL. */
struct wr_estimate wr_estimate(json_t *const *results, size_t n,
                               const char *path);

#endif
