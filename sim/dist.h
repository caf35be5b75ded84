/*
 * dist.h - how long things last, and which of many is meant: the distributions
 * that scenarios name, and draws from them.
 *
 * Equal seeds give equal draws with every compiler, C library and machine: only
 * operations that IEEE 754 rounds exactly are used (dist.c has its own
 * logarithm and exponential), and this directory is compiled without
 * contraction to fused operations.
 *
 * A distribution is a shape times a scale, so that a mean or a median can stand
 * for the scale:
 *
 *   EXPONENTIAL   scale: the mean
 *   PARETO        scale: the least, beta; shape: alpha
 *   WEIBULL       scale: lambda; shape: k
 *   LOGNORMAL     scale: the median; shape: sigma, of the natural logarithm
 *   UNIFORM       scale: the mean; shape: half the width, in means, 0 to 1
 *
 * Pareto, P(X > x) = (beta/x)^alpha, is cut off at WR_DIST_PARETO_CUT times
 * beta: with an alpha of 1 or less there would be no mean, and no stationary
 * state.
 */
#ifndef WR_SIM_DIST_H
#define WR_SIM_DIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/time.h"

enum wr_dist_kind {
    WR_DIST_NEVER, /* It lasts for ever. */
    WR_DIST_EXPONENTIAL,
    WR_DIST_PARETO,
    WR_DIST_WEIBULL,
    WR_DIST_LOGNORMAL,
    WR_DIST_UNIFORM,
};

enum { WR_DIST_PARETO_CUT = 1440 }; /* 30 days, where beta is half an hour. */

/* No draw is longer; a hundred years. */
#define WR_DIST_MOST WR_SEC(UINT64_C(36525) * 86400)

struct wr_dist {
    enum wr_dist_kind kind;
    double shape;
    double scale_us;
};

/* All parameters are positive and finite; by_mean and by_median find the scale
 * (Pareto's with its cut). */
bool wr_dist_ok(const struct wr_dist *d);
struct wr_dist wr_dist_by_mean(enum wr_dist_kind kind, double shape,
                               wr_time mean);
struct wr_dist wr_dist_by_median(enum wr_dist_kind kind, double shape,
                                 wr_time median);

/* In microseconds; NEVER has none: infinity. */
double wr_dist_mean(const struct wr_dist *d);
double wr_dist_median(const struct wr_dist *d);

/* One whole life: 1 to WR_DIST_MOST, or WR_NEVER. */
wr_time wr_dist_draw(const struct wr_dist *d, struct wr_rng *r);

/* What is left of a life that is met at a random moment of a process that has
 * run for ever: a uniform part of a life that was drawn with a chance in
 * proportion to its length. (Starting with whole lives would give a storm of
 * short ones first.) Exact for each kind. */
wr_time wr_dist_residual(const struct wr_dist *d, struct wr_rng *r);

/* Ranks 1 to n, of which k comes with a chance in proportion to k^-s. A draw
 * takes the same short time for every n (Hoermann and Derflinger 1996:
 * rejection-inversion). */
struct wr_zipf {
    uint64_t n;
    double s, h_first, h_last, sure;
};

void wr_zipf_init(struct wr_zipf *z, uint64_t n, double s); /* n, s > 0. */
uint64_t wr_zipf_draw(const struct wr_zipf *z, struct wr_rng *r);

#endif
