/*
 * bench_bound.c - see bench.h: the least time that a put and a get can take,
 * from what this machine needs for each step that a byte must go through.
 *
 * With K hosts, n copies and S bytes; p the share of keys whose owner is not
 * the parent, q the share of chunks that the parent lacks:
 *
 *     X = 1 + p + (n-1)      link crossings of each byte of a put
 *     H = 2 + p + (n-1)      hashes: leaf, parent, owner if another, copies
 *     C_put = S (read + cut + H hash + X (seal + open + send + receive)
 *                + n lmdb)
 *     C_get = S ((1+q) (seal + open + send + receive) + (1+q) hash + map_read
 *                + file_write)
 *     T = max(C / min(cores, threads), durable bytes / disk rate)
 *
 * Decision 0009 argues for each term.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(const double *v, size_t n)
{
    double sorted[BENCH_RUNS_MAX];

    WR_CHECK(n <= BENCH_RUNS_MAX);
    if (n == 0)
        return 0;
    memcpy(sorted, v, n * sizeof(*v));
    qsort(sorted, n, sizeof(*sorted), by_value);
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static void finish(struct bench_bound *b, double cpu_s, double cores,
                   double threads, double disk_s)
{
    b->cpu_s = cpu_s;
    b->disk_s = disk_s;
    b->wall_s = cpu_s / (cores < threads ? cores : threads);
    if (b->disk_s > b->wall_s)
        b->wall_s = b->disk_s;
}

void bench_bounds(const struct bench_plan *plan,
                  const struct bench_primitives *p, unsigned cores,
                  struct bench_bounds *ret)
{
    const double k = plan->hosts, size = (double)plan->size;
    const double n = plan->copies < plan->hosts ? plan->copies : k;
    const double cross = p->seal + p->open + p->send + p->receive;
    /* The most that the disk was seen to take: a lower rate would flatter. */
    const double disk = p->disk_bytes_per_s > p->store_bytes_per_s
                            ? p->disk_bytes_per_s
                            : p->store_bytes_per_s;

    *ret = (struct bench_bounds){.cores = cores};
    ret->put_missing = (k - 1) / k;
    ret->get_missing = (k - n) / k;
    ret->crossings = 1 + ret->put_missing + (n - 1);
    ret->hashes = 2 + ret->put_missing + (n - 1);
    const double put = p->read + p->cut + ret->hashes * p->hash +
                       ret->crossings * cross + n * p->lmdb;
    const double get = (1 + ret->get_missing) * (cross + p->hash) +
                       p->map_read + p->file_write;
    /* A put: the leaf, and each host with a loop and a writer. A get: the leaf
     * with a loop and a worker, the parent with a loop and a reader. */
    finish(&ret->put, size * put, cores, 1 + 2 * k, n * size / disk);
    finish(&ret->get, size * get, cores, 4, size / disk);
}
