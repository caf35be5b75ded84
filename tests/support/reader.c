/* reader.c - a member that gets files over and over, and how long each took:
 *
 *     reader DIR SECONDS CID FILE...
 *
 * gets each CID in turn, through libwreath, one at a time; each has to be the
 * FILE behind it (CID FILE CID FILE ...). Prints {"gets":N,"failed":N,
 * "p50_ms":…,"p99_ms":…,"most_ms":…}; its status is 0 only if none failed. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wreath/wreath.h"

enum { GETS_MAX = 1 << 20, FILE_MAX = 1 << 24 };

struct file {
    const char *cid;
    uint8_t *bytes;
    size_t n;
};

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static struct file load(const char *cid, const char *path)
{
    struct file f = {.cid = cid, .bytes = malloc(FILE_MAX)};
    FILE *const from = fopen(path, "rb");

    if (from == NULL || f.bytes == NULL) {
        perror(path);
        exit(2);
    }
    f.n = fread(f.bytes, 1, FILE_MAX, from);
    fclose(from);
    return f;
}

static bool get(wreath *w, const struct file *f)
{
    wreath_error error;
    uint8_t *bytes;
    size_t n;
    bool same;

    if (wreath_get_bytes(w, f->cid, FILE_MAX, NULL, &bytes, &n, &error) !=
        WREATH_OK) {
        fprintf(stderr, "reader: %s\n", error.text);
        return false;
    }
    same = n == f->n && memcmp(bytes, f->bytes, n) == 0;
    if (!same)
        fprintf(stderr, "reader: %s: other bytes\n", f->cid);
    free(bytes);
    return same;
}

int main(int argc, char **argv)
{
    static double took[GETS_MAX];
    static struct file files[64];
    size_t n = 0, failed = 0, files_n = 0;
    wreath_options options = {0};
    wreath_error error;
    wreath *w;
    double until;

    if (argc < 5 || argc % 2 == 0) {
        fprintf(stderr, "usage: reader DIR SECONDS CID FILE...\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    for (int i = 3; i < argc && files_n < 64; i += 2)
        files[files_n++] = load(argv[i], argv[i + 1]);
    options.dir = argv[1];
    if (wreath_open(&options, &w, &error) != WREATH_OK) {
        fprintf(stderr, "reader: %s\n", error.text);
        return 2;
    }
    failed += !get(w, &files[0]); /* Dials; not measured. */
    until = now_ms() + strtod(argv[2], NULL) * 1e3;
    while (n < GETS_MAX && now_ms() < until) {
        const double began = now_ms();

        failed += !get(w, &files[n % files_n]);
        took[n++] = now_ms() - began;
    }
    wreath_close(w);
    qsort(took, n, sizeof(took[0]), ascending);
    printf("{\"gets\":%zu,\"failed\":%zu,\"p50_ms\":%.2f,\"p99_ms\":%.2f,"
           "\"most_ms\":%.2f}\n",
           n, failed, took[n / 2], took[n * 99 / 100], took[n > 0 ? n - 1 : 0]);
    return failed > 0;
}
