/* replay.c - runs a fuzz target over files, for compilers without libFuzzer:
 *
 *     fuzz-TARGET [--shake N] FILE|DIRECTORY...
 *
 * Each input as it is, and N times a little damaged, always in the same way.
 * One line of TAP; an input that kills the target is named on stderr. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "fuzz.h"

enum { INPUT_MAX = 1 << 20, PATH_SIZE = 1024 };

static char current[PATH_SIZE + 64];
static unsigned long inputs, runs;

/* Only what may be called in a signal's handler. */
static void on_death(int sig)
{
    static const char head[] = "# died of the input ";

    if (write(STDERR_FILENO, head, sizeof(head) - 1) < 0 ||
        write(STDERR_FILENO, current, strlen(current)) < 0)
        _exit(1);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void run(const uint8_t *p, size_t n)
{
    /* A copy of just this size, so that a sanitizer sees what reads on. */
    uint8_t *const copy = malloc(n > 0 ? n : 1);

    WR_CHECK(copy != NULL);
    if (n > 0)
        memcpy(copy, p, n);
    WR_CHECK(LLVMFuzzerTestOneInput(copy, n) == 0);
    free(copy);
    runs++;
}

/* One small damage; returns the new size. */
static size_t damage(struct wr_rng *r, uint8_t *p, size_t n)
{
    const size_t at = n == 0 ? 0 : wr_rng_below(r, n);

    switch (wr_rng_below(r, 5)) {
    case 0: /* A bit. */
        if (n > 0)
            p[at] ^= (uint8_t)(1u << wr_rng_below(r, 8));
        return n;
    case 1: /* A byte. */
        if (n > 0)
            p[at] = (uint8_t)wr_rng_next(r);
        return n;
    case 2: /* An extreme. */
        if (n > 0)
            p[at] = wr_rng_below(r, 2) == 0 ? 0xff : 0;
        return n;
    case 3: /* The end. */
        return at;
    default: /* A piece, once more. */
        if (n < 2 || n * 2 > INPUT_MAX)
            return n;
        memmove(p + n, p + at, n - at);
        return n + (n - at);
    }
}

static void shake(const uint8_t *p, size_t n, unsigned long times)
{
    static uint8_t room[INPUT_MAX];
    struct wr_rng r = {n};

    for (unsigned long i = 0; i < times; i++) {
        size_t m = n;

        memcpy(room, p, n);
        for (uint64_t k = 1 + wr_rng_below(&r, 4); k > 0; k--)
            m = damage(&r, room, m);
        (void)snprintf(current + strlen(current),
                       sizeof(current) - strlen(current), " (shake %lu)\n", i);
        run(room, m);
        *strrchr(current, '(') = '\0';
    }
}

static void one_file(const char *path, unsigned long times)
{
    static uint8_t room[INPUT_MAX];
    FILE *const f = fopen(path, "rb");
    size_t n;

    if (f == NULL) {
        perror(path);
        exit(2);
    }
    n = fread(room, 1, sizeof(room), f);
    fclose(f);
    (void)snprintf(current, sizeof(current), "%.*s\n", PATH_SIZE - 1, path);
    run(room, n);
    inputs++;
    current[strlen(current) - 1] = '\0';
    shake(room, n, times);
}

static int plain(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void one(const char *path, unsigned long times)
{
    struct dirent **v;
    struct stat st;
    int n;

    if (stat(path, &st) != 0) {
        perror(path);
        exit(2);
    }
    if (!S_ISDIR(st.st_mode)) {
        one_file(path, times);
        return;
    }
    n = scandir(path, &v, plain, alphasort);
    if (n < 0) {
        perror(path);
        exit(2);
    }
    for (int i = 0; i < n; i++) {
        char file[PATH_SIZE];

        (void)snprintf(file, sizeof(file), "%s/%s", path, v[i]->d_name);
        one_file(file, times);
        free(v[i]);
    }
    free(v);
}

int main(int argc, char **argv)
{
    unsigned long times = 0;
    int at = 1;

    if (argc > 2 && strcmp(argv[1], "--shake") == 0) {
        times = strtoul(argv[2], NULL, 10);
        at = 3;
    }
    if (at >= argc) {
        fprintf(stderr, "usage: %s [--shake N] FILE|DIRECTORY...\n", argv[0]);
        return 2;
    }
    signal(SIGABRT, on_death);
    signal(SIGSEGV, on_death);
    signal(SIGFPE, on_death);
    puts("1..1");
    for (; at < argc; at++)
        one(argv[at], times);
    /* A corpus that is gone tests nothing. */
    printf("%sok 1 - %lu inputs, %lu runs\n", inputs == 0 ? "not " : "", inputs,
           runs);
    return inputs == 0;
}
