/* estimate.c - see estimate.h. */
#include "estimate.h"

#include <math.h>

#include "base/check.h"
#include "out.h"

/* Student's t, two-sided 95 %, of n - 1 degrees of freedom. */
static double student(size_t n)
{
    static const double t[] = {0,     12.706, 4.303, 3.182, 2.776, 2.571, 2.447,
                               2.365, 2.306,  2.262, 2.228, 2.201, 2.179, 2.160,
                               2.145, 2.131,  2.120, 2.110, 2.101, 2.093, 2.086,
                               2.080, 2.074,  2.069, 2.064, 2.060, 2.056, 2.052,
                               2.048, 2.045,  2.042};

    return n - 1 < WR_ARRAY_LEN(t) ? t[n - 1] : 1.96;
}

struct wr_estimate wr_estimate(json_t *const *results, size_t n,
                               const char *path)
{
    struct wr_estimate e = {0};
    double squares = 0, v;

    for (size_t i = 0; i < n; i++)
        if (wr_out_number(results[i], path, &v)) {
            e.mean += v;
            e.n++;
        }
    if (e.n == 0)
        return e;
    e.mean /= (double)e.n;
    for (size_t i = 0; i < n; i++)
        if (wr_out_number(results[i], path, &v))
            squares += (v - e.mean) * (v - e.mean);
    if (e.n > 1)
        e.half = student(e.n) * sqrt(squares / (double)(e.n - 1) / (double)e.n);
    return e;
}
