/* The simulator's distributions against their closed forms (sim/dist.h). */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "../../sim/dist.h"
#include "base/check.h"

enum { DRAWS = 100000 };

static double drawn[DRAWS];

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* P(X <= x), as textbooks have it. */
static double cdf(const struct wr_dist *d, double x)
{
    const double t = x / d->scale_us, a = d->shape, pi_root = sqrt(2);

    switch (d->kind) {
    case WR_DIST_EXPONENTIAL:
        return 1 - exp(-t);
    case WR_DIST_PARETO:
        return t < 1 ? 0
                     : fmin(1, (1 - pow(t, -a)) /
                                   (1 - pow(WR_DIST_PARETO_CUT, -a)));
    case WR_DIST_WEIBULL:
        return 1 - exp(-pow(t, a));
    case WR_DIST_LOGNORMAL:
        return t <= 0 ? 0 : (1 + erf(log(t) / a / pi_root)) / 2;
    case WR_DIST_UNIFORM:
        return fmax(0, fmin(1, (t - 1 + a) / (2 * a)));
    case WR_DIST_NEVER:
        break;
    }
    cr_assert(false);
    return 0;
}

static const struct wr_dist dists[] = {
    {WR_DIST_EXPONENTIAL, 0, 3.6e9},   {WR_DIST_PARETO, 1, 1.8e9},
    {WR_DIST_PARETO, 1.06, 1.8e9},     {WR_DIST_PARETO, 2.5, 1.8e9},
    {WR_DIST_WEIBULL, .34, 1.278e9},   {WR_DIST_WEIBULL, .54512, 2.14629e10},
    {WR_DIST_WEIBULL, 1, 3.6e9},       {WR_DIST_WEIBULL, 3, 3.6e9},
    {WR_DIST_LOGNORMAL, .5, 6e8},      {WR_DIST_LOGNORMAL, 2.024, 1.2e10},
    {WR_DIST_LOGNORMAL, 2.60003, 6e8}, {WR_DIST_UNIFORM, .25, 3.6e9},
    {WR_DIST_UNIFORM, 1, 3.6e9},
};

#define EACH(d)                                                                \
    for (const struct wr_dist *d = dists; d < dists + WR_ARRAY_LEN(dists); d++)

static void draw(const struct wr_dist *d,
                 wr_time (*one)(const struct wr_dist *d, struct wr_rng *r))
{
    struct wr_rng r = {17};

    for (int i = 0; i < DRAWS; i++)
        drawn[i] = (double)one(d, &r);
    qsort(drawn, DRAWS, sizeof(drawn[0]), by_size);
}

/* Kolmogorov's limit at 1 in 10,000; the draws are fixed, and so is this. */
static const double far = 2.23;

Test(simdist, draws_have_the_distribution)
{
    EACH(d)
    {
        double most = 0;

        draw(d, wr_dist_draw);
        for (int i = 0; i < DRAWS; i++)
            most = fmax(most, fabs(cdf(d, drawn[i]) - (i + .5) / DRAWS));
        cr_expect_lt(most, far / sqrt(DRAWS), "kind %d, shape %g: %g", d->kind,
                     d->shape, most);
    }
}

/* P(rest <= x) is the integral of 1 - F from 0 to x, by the mean. */
Test(simdist, what_is_left_of_a_life_has_the_distribution_of_renewals)
{
    EACH(d)
    {
        double sum = 0, x = 0, alive = 1, most = 0;

        draw(d, wr_dist_residual);
        for (int i = 0; i < DRAWS; i++) {
            const double now = 1 - cdf(d, drawn[i]);

            sum += (drawn[i] - x) * (alive + now) / 2;
            x = drawn[i];
            alive = now;
            most = fmax(most, fabs(sum / wr_dist_mean(d) - (i + .5) / DRAWS));
        }
        cr_expect_lt(most, far / sqrt(DRAWS), "kind %d, shape %g: %g", d->kind,
                     d->shape, most);
    }
}

static double mean_of(const struct wr_dist *d)
{
    const double a = d->shape, cut = WR_DIST_PARETO_CUT;

    switch (d->kind) {
    case WR_DIST_PARETO:
        return d->scale_us * a / (1 - pow(cut, -a)) *
               (a == 1 ? log(cut) : (1 - pow(cut, 1 - a)) / (a - 1));
    case WR_DIST_WEIBULL:
        return d->scale_us * tgamma(1 + 1 / a);
    case WR_DIST_LOGNORMAL:
        return d->scale_us * exp(a * a / 2);
    case WR_DIST_EXPONENTIAL:
    case WR_DIST_UNIFORM:
        return d->scale_us;
    case WR_DIST_NEVER:
        break;
    }
    return 0;
}

Test(simdist, mean_and_median_are_those_of_textbooks)
{
    EACH(d)
    {
        struct wr_dist same;

        cr_expect_float_eq(wr_dist_mean(d) / mean_of(d), 1, 1e-9);
        cr_expect_float_eq(cdf(d, wr_dist_median(d)), .5, 1e-9);
        same = wr_dist_by_mean(d->kind, d->shape, WR_SEC(84));
        cr_expect_float_eq(wr_dist_mean(&same), 84e6, 1);
        same = wr_dist_by_median(d->kind, d->shape, WR_SEC(84));
        cr_expect_float_eq(wr_dist_median(&same), 84e6, 1);
    }
}

Test(simdist, what_is_no_distribution_is_told)
{
    static const struct wr_dist wrong[] = {
        {WR_DIST_EXPONENTIAL, 0, 0},   {WR_DIST_EXPONENTIAL, 0, -1},
        {WR_DIST_EXPONENTIAL, 0, NAN}, {WR_DIST_EXPONENTIAL, 0, INFINITY},
        {WR_DIST_PARETO, 0, 1e6},      {WR_DIST_WEIBULL, -1, 1e6},
        {WR_DIST_WEIBULL, .01, 1e6},   {WR_DIST_LOGNORMAL, 90, 1e6},
        {WR_DIST_LOGNORMAL, NAN, 1e6}, {WR_DIST_UNIFORM, 1.1, 1e6},
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(wrong); i++)
        cr_expect_not(wr_dist_ok(&wrong[i]), "%zu", i);
    EACH(d)
    cr_expect(wr_dist_ok(d));
    cr_expect(wr_dist_ok(&(struct wr_dist){WR_DIST_NEVER, 0, 0}));
}

Test(simdist, never_is_never)
{
    const struct wr_dist d = {WR_DIST_NEVER, 0, 0};
    struct wr_rng r = {1};

    cr_assert_eq(wr_dist_draw(&d, &r), WR_NEVER);
    cr_assert_eq(wr_dist_residual(&d, &r), WR_NEVER);
}

/* Runs are told apart by their digests: no bit may depend on the compiler, on
 * what it optimises, or on the C library. */
Test(simdist, draws_are_the_same_everywhere)
{
    struct wr_rng sum = {0}, r = {1};
    struct wr_zipf z;

    EACH(d)
    for (int i = 0; i < 5000; i++) {
        sum.state ^= wr_dist_draw(d, &r);
        sum.state ^= wr_rng_next(&sum) ^ wr_dist_residual(d, &r);
        (void)wr_rng_next(&sum);
    }
    wr_zipf_init(&z, 100000, .8);
    for (int i = 0; i < 5000; i++) {
        sum.state ^= wr_zipf_draw(&z, &r);
        (void)wr_rng_next(&sum);
    }
    cr_assert_eq(sum.state, UINT64_C(0xc29f6de3cedffb50), "%016llx",
                 (unsigned long long)sum.state);
}

/* Chances of ranks, and their sum over the tail, to five deviations. */
static void check_zipf(uint64_t n, double s)
{
    enum { RANKS = 8 };
    uint64_t seen[RANKS + 1] = {0};
    struct wr_rng r = {5};
    struct wr_zipf z;
    double all = 0;

    wr_zipf_init(&z, n, s);
    for (uint64_t k = 1; k <= n; k++)
        all += pow((double)k, -s);
    for (int i = 0; i < DRAWS; i++) {
        const uint64_t k = wr_zipf_draw(&z, &r);

        cr_assert(k >= 1 && k <= n);
        seen[k <= RANKS ? k : 0]++;
    }
    for (uint64_t k = 1; k <= RANKS && k <= n; k++) {
        const double p = pow((double)k, -s) / all;

        cr_expect_lt(fabs((double)seen[k] - p * DRAWS),
                     5 * sqrt(DRAWS * p * (1 - p)) + 1e-6,
                     "rank %d of %d, s = %g", (int)k, (int)n, s);
    }
}

Test(simdist, zipf_has_its_chances)
{
    check_zipf(1, 1);
    check_zipf(2, .5);
    check_zipf(1000, .01);
    check_zipf(1000, .8);
    check_zipf(100000, 1);
    check_zipf(100000, 1.2);
    check_zipf(1000, 5);
}
