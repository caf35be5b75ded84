/*
 * bench_check.c - see bench.h. `openssl speed` and `dd`, where they exist, say
 * whether our own figures can be believed. Their CPU time counts, not their
 * wall time, so that a busy machine does not look slow.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* Runs `openssl speed` for a second; its own count of bytes over its CPU time
 * of that second. Its last line: "+F:N:NAME:BYTES_PER_SECOND". */
static double openssl(const char *log, const char *algorithm, bool decrypt)
{
    const char *const argv[] = {
        "openssl",  "speed", "-mr",    "-evp",  algorithm,
        "-seconds", "1",     "-bytes", "65519", decrypt ? "-decrypt" : NULL,
        NULL};
    struct bench_process p;
    char line[512];
    double rate = 0;

    if (bench_spawn(&p, argv, log, true, NULL) != WR_OK)
        return 0;
    FILE *f = fdopen(p.out, "r");
    p.out = -1;
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, "+F:", 3) == 0)
            rate = strtod(strrchr(line, ':') + 1, NULL);
    if (f != NULL)
        fclose(f);
    if (bench_wait(&p) != 0 || rate <= 0)
        return 0;
    return 1 / rate;
}

enum { DD_BLOCKS = 1024 };

/* CPU seconds per byte of dd; the wall rate to *ret_rate, if not NULL. */
static double dd(const char *log, const char *from, const char *to,
                 const char *how, double *ret_rate)
{
    const char *const argv[] = {"dd",         from,          to,  "bs=256k",
                                "count=1024", "status=none", how, NULL};
    const double bytes = (double)BENCH_BLOCK * DD_BLOCKS;
    struct bench_process p;
    const double start = bench_now_s();

    if (bench_spawn(&p, argv, log, false, NULL) != WR_OK || bench_wait(&p) != 0)
        return 0;
    if (ret_rate != NULL)
        *ret_rate = bytes / (bench_now_s() - start);
    return p.cpu_s / bytes;
}

void bench_check(const struct bench_plan *plan, struct bench_check *ret)
{
    char log[4096], from[4096], to[4096];

    snprintf(log, sizeof(log), "%s/check.log", plan->dir);
    snprintf(to, sizeof(to), "of=%s/dd", plan->dir);
    snprintf(from, sizeof(from), "if=%s/dd", plan->dir);
    ret->hash = openssl(log, "blake2b512", false);
    ret->seal = openssl(log, "chacha20-poly1305", false);
    ret->open = openssl(log, "chacha20-poly1305", true);
    ret->file_write =
        dd(log, "if=/dev/zero", to, "conv=fsync", &ret->disk_bytes_per_s);
    ret->read = dd(log, from, "of=/dev/null", NULL, NULL);
    unlink(to + 3);
}
