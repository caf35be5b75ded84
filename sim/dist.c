/* dist.c - see dist.h. */
#include "dist.h"

#include <math.h>

#include "base/check.h"

/* ---- arithmetic ----------------------------------------------------------
 * libm's log, exp and pow differ in their last bits from one version and
 * machine to the next. What is used of it here is exact: sqrt, floor, frexp,
 * ldexp. The errors of what is below are some 1e-15, far below a microsecond.
 */

/* ln 2 in two parts, of which the first has zeros at its end: k times it is
 * exact. */
static const double ln2_hi = 0x1.62e42feep-1, ln2_lo = 0x1.a39ef35793c76p-33;
static const double sqrt_half = 0.70710678118654752;
static const double pi = 3.14159265358979324;

/* ln(m) = 2 artanh((m - 1) / (m + 1)), for m in [sqrt(1/2), sqrt(2)). */
static double ln(double x)
{
    double s, s2, sum = 0;
    int e;

    x = frexp(x, &e);
    if (x < sqrt_half) {
        x *= 2;
        e--;
    }
    s = (x - 1) / (x + 1);
    s2 = s * s;
    for (int k = 23; k >= 1; k -= 2)
        sum = sum * s2 + 1.0 / k;
    return e * ln2_hi + (2 * s * sum + e * ln2_lo);
}

static double power_of_e(double x)
{
    double k, r, sum = 1;

    if (x > 709)
        return 1e308;
    if (x < -700)
        return 0;
    k = floor(x / (ln2_hi + ln2_lo) + 0.5);
    r = (x - k * ln2_hi) - k * ln2_lo;
    for (int i = 16; i >= 1; i--)
        sum = 1 + r * sum / i;
    return ldexp(sum, (int)k);
}

static double power(double x, double y)
{
    return power_of_e(y * ln(x));
}

/* Stirling's series at x + 8, and down from there; x > 0. */
static double gamma_of(double x)
{
    double below = 1, x2;

    for (int i = 0; i < 8; i++)
        below *= x++;
    x2 = x * x;
    return power_of_e((x - 0.5) * ln(x) - x + 0.5 * ln(2 * pi) +
                      (1.0 / 12 -
                       (1.0 / 360 - (1.0 / 1260 - 1.0 / 1680 / x2) / x2) / x2) /
                          x) /
           below;
}

/* ---- raw draws ----------------------------------------------------------- */

/* Uniform in (0, 1), neither end. */
static double unit(struct wr_rng *r)
{
    return ((double)(wr_rng_next(r) >> 12) + 0.5) / 4503599627370496.0;
}

/* Marsaglia's polar method: no sine. */
static double normal(struct wr_rng *r)
{
    double x, q;

    do {
        const double y = 2 * unit(r) - 1;

        x = 2 * unit(r) - 1;
        q = x * x + y * y;
    } while (q >= 1);
    return x * sqrt(-2 * ln(q) / q);
}

/* Gamma with this shape, which is 1 or more (Marsaglia and Tsang 2000). */
static double gamma_draw(struct wr_rng *r, double shape)
{
    const double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);

    for (;;) {
        const double x = normal(r), v = (1 + c * x) * (1 + c * x) * (1 + c * x);

        if (v > 0 && ln(unit(r)) < 0.5 * x * x + d - d * v + d * ln(v))
            return d * v;
    }
}

/* ---- one scale ----------------------------------------------------------- */

/* Of beta: where the part `u` of all lives is shorter. */
static double pareto_at(double alpha, double u)
{
    const double cut = 1 - power(WR_DIST_PARETO_CUT, -alpha);

    return power(1 - u * cut, -1 / alpha);
}

static double pareto_mean(double alpha)
{
    const double c = WR_DIST_PARETO_CUT, rest = alpha - 1;
    const double whole = alpha / (1 - power(c, -alpha));

    /* The limit at 1; the difference below loses no more than 1e-9. */
    if (fabs(rest) < 1e-7)
        return whole * ln(c);
    return whole * (1 - power(c, -rest)) / rest;
}

/* The same, lives weighed with their length. */
static double pareto_long_at(double alpha, double u)
{
    const double c = WR_DIST_PARETO_CUT, rest = alpha - 1;

    if (fabs(rest) < 1e-7)
        return power(c, u);
    return power(1 - u * (1 - power(c, -rest)), -1 / rest);
}

static double unit_mean(enum wr_dist_kind kind, double shape)
{
    switch (kind) {
    case WR_DIST_NEVER:
        return INFINITY;
    case WR_DIST_EXPONENTIAL:
    case WR_DIST_UNIFORM:
        return 1;
    case WR_DIST_PARETO:
        return pareto_mean(shape);
    case WR_DIST_WEIBULL:
        return gamma_of(1 + 1 / shape);
    case WR_DIST_LOGNORMAL:
        return power_of_e(shape * shape / 2);
    }
    WR_CHECK(false);
    return 0;
}

static double unit_median(enum wr_dist_kind kind, double shape)
{
    switch (kind) {
    case WR_DIST_NEVER:
        return INFINITY;
    case WR_DIST_EXPONENTIAL:
        return ln(2);
    case WR_DIST_PARETO:
        return pareto_at(shape, 0.5);
    case WR_DIST_WEIBULL:
        return power(ln(2), 1 / shape);
    case WR_DIST_LOGNORMAL:
    case WR_DIST_UNIFORM:
        return 1;
    }
    WR_CHECK(false);
    return 0;
}

static double unit_draw(enum wr_dist_kind kind, double shape, struct wr_rng *r)
{
    switch (kind) {
    case WR_DIST_NEVER:
        break;
    case WR_DIST_EXPONENTIAL:
        return -ln(unit(r));
    case WR_DIST_PARETO:
        return pareto_at(shape, unit(r));
    case WR_DIST_WEIBULL:
        return power(-ln(unit(r)), 1 / shape);
    case WR_DIST_LOGNORMAL:
        return power_of_e(shape * normal(r));
    case WR_DIST_UNIFORM:
        return 1 + shape * (2 * unit(r) - 1);
    }
    WR_CHECK(false);
    return 0;
}

/* A life that is drawn with a chance in proportion to its length. */
static double unit_long(enum wr_dist_kind kind, double shape, struct wr_rng *r)
{
    double lo, hi;

    switch (kind) {
    case WR_DIST_NEVER:
        break;
    case WR_DIST_EXPONENTIAL: /* Gamma of 2: the sum of two. */
        return -ln(unit(r)) - ln(unit(r));
    case WR_DIST_PARETO:
        return pareto_long_at(shape, unit(r));
    case WR_DIST_WEIBULL: /* x f(x) is that of a gamma's root. */
        return power(gamma_draw(r, 1 + 1 / shape), 1 / shape);
    case WR_DIST_LOGNORMAL: /* Its logarithm is shifted by sigma squared. */
        return power_of_e(shape * normal(r) + shape * shape);
    case WR_DIST_UNIFORM:
        lo = 1 - shape;
        hi = 1 + shape;
        return sqrt(lo * lo + unit(r) * (hi * hi - lo * lo));
    }
    WR_CHECK(false);
    return 0;
}

/* ---- durations ----------------------------------------------------------- */

static wr_time micros(double us)
{
    if (us >= (double)WR_DIST_MOST)
        return WR_DIST_MOST;
    return us < 1 ? 1 : (wr_time)us;
}

bool wr_dist_ok(const struct wr_dist *d)
{
    double mean;

    if (d->kind == WR_DIST_NEVER)
        return true;
    if (!(d->scale_us > 0 && d->scale_us <= (double)WR_DIST_MOST))
        return false;
    if (d->kind == WR_DIST_EXPONENTIAL)
        return true;
    if (!(d->shape > 0) || (d->kind == WR_DIST_UNIFORM && d->shape > 1))
        return false;
    mean = wr_dist_mean(d);
    return mean > 0 && mean <= (double)WR_DIST_MOST;
}

struct wr_dist wr_dist_by_mean(enum wr_dist_kind kind, double shape,
                               wr_time mean)
{
    return (struct wr_dist){kind, shape, (double)mean / unit_mean(kind, shape)};
}

struct wr_dist wr_dist_by_median(enum wr_dist_kind kind, double shape,
                                 wr_time median)
{
    return (struct wr_dist){kind, shape,
                            (double)median / unit_median(kind, shape)};
}

double wr_dist_mean(const struct wr_dist *d)
{
    if (d->kind == WR_DIST_NEVER)
        return INFINITY;
    return d->scale_us * unit_mean(d->kind, d->shape);
}

double wr_dist_median(const struct wr_dist *d)
{
    if (d->kind == WR_DIST_NEVER)
        return INFINITY;
    return d->scale_us * unit_median(d->kind, d->shape);
}

wr_time wr_dist_draw(const struct wr_dist *d, struct wr_rng *r)
{
    if (d->kind == WR_DIST_NEVER)
        return WR_NEVER;
    return micros(d->scale_us * unit_draw(d->kind, d->shape, r));
}

wr_time wr_dist_residual(const struct wr_dist *d, struct wr_rng *r)
{
    double part;

    if (d->kind == WR_DIST_NEVER)
        return WR_NEVER;
    part = unit(r);
    return micros(d->scale_us * part * unit_long(d->kind, d->shape, r));
}

/* ---- ranks --------------------------------------------------------------- */

/* The integral of x^-s from 1, and back. */
static double zipf_h(double s, double x)
{
    const double t = (1 - s) * ln(x);

    if (fabs(t) < 1e-5)
        return ln(x) * (1 + t / 2 * (1 + t / 3));
    return (power_of_e(t) - 1) / (1 - s);
}

static double zipf_back(double s, double h)
{
    const double t = (1 - s) * h;

    if (fabs(t) < 1e-5)
        return power_of_e(h * (1 - t / 2 * (1 - t * 2 / 3)));
    return power_of_e(ln(t > -1 ? 1 + t : 1e-308) / (1 - s));
}

void wr_zipf_init(struct wr_zipf *z, uint64_t n, double s)
{
    WR_CHECK(n > 0 && s > 0);
    *z = (struct wr_zipf){.n = n, .s = s};
    z->h_first = zipf_h(s, 1.5) - 1;
    z->h_last = zipf_h(s, (double)n + 0.5);
    z->sure = 2 - zipf_back(s, zipf_h(s, 2.5) - power(2, -s));
}

uint64_t wr_zipf_draw(const struct wr_zipf *z, struct wr_rng *r)
{
    for (;;) {
        const double h = z->h_last + unit(r) * (z->h_first - z->h_last);
        const double x = zipf_back(z->s, h);
        double k = floor(x + 0.5);

        if (k < 1)
            k = 1;
        if (k > (double)z->n)
            k = (double)z->n;
        if (k - x <= z->sure || h >= zipf_h(z->s, k + 0.5) - power(k, -z->s))
            return (uint64_t)k;
    }
}
