/*
 * wound.c - harm to a store whose host is down, as disks do it.
 *
 *     cluster-wound rot DATA PARTS SEED    flips a byte of about PARTS in a
 *                                          million extents; the digests of
 *                                          their chunks, a line each
 *     cluster-wound tree DATA              overwrites all that is no extent
 *     cluster-wound branches DATA          ... only the branches of the trees
 *     cluster-wound count DATA             chunks all of whose extents lie in
 *                                          runs of their own
 *
 * Knows what src/store/record.h and LMDB's page header say, and no more. Not
 * installed, and of no use outside of tests.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/text.h"

enum {
    PAGE = 4096,
    RUN = 16, /* LMDB's header of a page or a run: flags at 10, pages at 12. */
    BRANCH = 0x01,
    OVERFLOW = 0x04,
    NUMBER_AT = RUN + 12,
    DIGEST_AT = RUN + 40,
};

static uint8_t *file;
static size_t pages;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "cluster-wound: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void map(const char *path)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        die(path);
    pages = (size_t)st.st_size / PAGE;
    file = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (file == MAP_FAILED)
        die(path);
    close(fd);
}

static uint16_t flags_of(size_t page)
{
    uint16_t flags;

    memcpy(&flags, file + page * PAGE + 10, sizeof(flags));
    return flags;
}

/* Pages of the extent that begins here; 0: none does. */
static uint32_t extent_pages(size_t page)
{
    uint32_t n;

    if ((flags_of(page) & OVERFLOW) == 0 ||
        memcmp(file + page * PAGE + RUN, "wreathX1", 8) != 0)
        return 0;
    memcpy(&n, file + page * PAGE + 12, sizeof(n));
    return n > 0 && n <= 16 && page + n <= pages ? n : 0;
}

static int cmd_rot(char **argv)
{
    const uint64_t parts = strtoull(argv[1], NULL, 10);
    struct wr_rng rng = {strtoull(argv[2], NULL, 10)};
    char digest[WR_HEX_SIZE(32)];
    uint32_t n;

    map(argv[0]);
    for (size_t page = 2; page<pages; page += n> 0 ? n : 1) {
        uint8_t *at = file + page * PAGE;

        n = extent_pages(page);
        if (n == 0 || wr_rng_below(&rng, 1000000) >= parts)
            continue;
        wr_hex(wr_span(at + DIGEST_AT, 32), digest);
        puts(digest);
        /* Bytes: of the payload, of our header, or of LMDB's. Those behind the
         * payload mean nothing to anybody. */
        uint32_t payload;
        memcpy(&payload, at + RUN + 20, sizeof(payload));
        payload = __builtin_bswap32(payload);
        at[wr_rng_below(&rng, RUN + 80 + payload % 65409)] ^=
            (uint8_t)(1 + wr_rng_below(&rng, 255));
    }
    return 0;
}

static int overwrite(const char *path, bool all)
{
    struct wr_rng rng = {1};
    size_t done = 0;
    uint32_t n;

    map(path);
    for (size_t page = 0; page<pages; page += n> 0 ? n : 1) {
        n = extent_pages(page);
        if (n > 0 || (!all && (page < 2 || (flags_of(page) & BRANCH) == 0)))
            continue;
        wr_rng_fill(&rng, file + page * PAGE, PAGE);
        done++;
    }
    printf("%zu\n", done);
    return done > 0 ? 0 : 1;
}

static int cmd_tree(char **argv)
{
    return overwrite(argv[0], true);
}

static int cmd_branches(char **argv)
{
    return overwrite(argv[0], false);
}

struct part {
    uint8_t digest[32];
    uint32_t number, of;
};

static int by_place(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    const int order = memcmp(x->digest, y->digest, sizeof(x->digest));

    if (order != 0)
        return order;
    return x->number < y->number ? -1 : x->number > y->number;
}

static uint32_t be32_at(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return __builtin_bswap32(v);
}

/* Those all of whose extents lie in runs. */
static int cmd_count(char **argv)
{
    struct part *v;
    size_t n = 0, chunks = 0, in_row = 0;
    uint32_t run;

    map(argv[0]);
    v = calloc(pages, sizeof(*v));
    if (v == NULL)
        die("memory");
    for (size_t page = 2; page<pages; page += run> 0 ? run : 1) {
        const uint8_t *at = file + page * PAGE;

        run = extent_pages(page);
        if (run == 0)
            continue;
        memcpy(v[n].digest, at + DIGEST_AT, sizeof(v[n].digest));
        v[n].number = be32_at(at + NUMBER_AT);
        v[n++].of = be32_at(at + NUMBER_AT + 4);
    }
    qsort(v, n, sizeof(*v), by_place);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && by_place(&v[i - 1], &v[i]) == 0)
            continue; /* An older copy. */
        if (v[i].number == 0)
            in_row = 0;
        in_row += v[i].number == in_row;
        if (in_row == v[i].of && v[i].number + 1 == v[i].of)
            chunks++;
    }
    free(v);
    printf("%zu\n", chunks);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int args;
        int (*run)(char **argv);
    } commands[] = {
        {"rot", 3, cmd_rot},
        {"tree", 1, cmd_tree},
        {"branches", 1, cmd_branches},
        {"count", 1, cmd_count},
    };

    for (size_t i = 0; argc >= 2 && i < WR_ARRAY_LEN(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0 &&
            argc == 2 + commands[i].args)
            return commands[i].run(argv + 2);
    fputs("cluster-wound: usage: see tests/cluster/wound.c\n", stderr);
    return 2;
}
