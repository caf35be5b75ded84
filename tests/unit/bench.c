/* bench.c - the bound that `wreath bench` prints, against sums done by hand. */
#include <criterion/criterion.h>
#include <math.h>

#include "../../tools/bench.h"

/* Each step takes a second for each byte, and the disk is out of the way. */
static const struct bench_primitives ones = {
    .read = 1,
    .cut = 1,
    .hash = 1,
    .seal = 1,
    .open = 1,
    .send = 1,
    .receive = 1,
    .lmdb = 1,
    .map_read = 1,
    .file_write = 1,
    .store_bytes_per_s = 1e9,
    .disk_bytes_per_s = 1e9,
};

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

Test(bench, three_hosts_and_three_copies)
{
    const struct bench_plan plan = {.hosts = 3, .copies = 3, .size = 3};
    struct bench_bounds b;

    bench_bounds(&plan, &ones, 2, &b);
    cr_assert(near(b.crossings, 11.0 / 3)); /* 1 + 2/3 + 2 */
    cr_assert(near(b.hashes, 14.0 / 3));
    /* 3 bytes: 3 + 3 + 14 + 44 + 9. */
    cr_assert(near(b.put.cpu_s, 73));
    cr_assert(near(b.put.wall_s, 36.5));
    /* The parent has all: 3 (4 + 1 + 1 + 1). */
    cr_assert(near(b.get_missing, 0));
    cr_assert(near(b.get.cpu_s, 21));
}

Test(bench, more_hosts_than_copies)
{
    const struct bench_plan plan = {.hosts = 10, .copies = 3, .size = 10};
    struct bench_bounds b;

    bench_bounds(&plan, &ones, 4, &b);
    cr_assert(near(b.crossings, 3.9));
    /* 7 of 10 chunks cross a second link and are hashed once more. */
    cr_assert(near(b.get.cpu_s, 10 * (1.7 * 5 + 2)));
    cr_assert(near(b.get.wall_s, b.get.cpu_s / 4));
}

Test(bench, no_more_copies_than_hosts)
{
    const struct bench_plan plan = {.hosts = 1, .copies = 3, .size = 1};
    struct bench_bounds b;

    bench_bounds(&plan, &ones, 64, &b);
    cr_assert(near(b.crossings, 1));
    cr_assert(near(b.hashes, 2));
    cr_assert(near(b.put.cpu_s, 9));  /* 1 + 1 + 2 + 4 + 1 */
    cr_assert(near(b.put.wall_s, 3)); /* Three threads, whatever the cores. */
}

Test(bench, the_disk_is_the_other_arm)
{
    const struct bench_plan plan = {.hosts = 3, .copies = 3, .size = 1000};
    struct bench_primitives p = ones;
    struct bench_bounds b;

    p.store_bytes_per_s = 0.5;
    p.disk_bytes_per_s = 0.25; /* The better of the two counts. */
    bench_bounds(&plan, &p, 1000, &b);
    cr_assert(near(b.put.disk_s, 6000));
    cr_assert(near(b.put.wall_s, 6000));
    cr_assert(near(b.get.disk_s, 2000));
}

Test(bench, median)
{
    cr_assert(near(bench_median((const double[]){3, 1, 2}, 3), 2));
    cr_assert(near(bench_median((const double[]){4, 1, 2, 3}, 4), 2.5));
    cr_assert(near(bench_median(NULL, 0), 0));
}
