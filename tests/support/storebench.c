/*
 * storebench.c - how fast the stores are here; no test. It prints durable puts
 * of 256 KiB and 4 KiB chunks and reads of both, with the CPU time of each and
 * the memory that is not the map's; or, with `sums`, what it costs to sum up
 * arcs of a store of 1,000,000 chunks, as two hosts do that compare what they
 * keep.
 *
 *     storebench [DIRECTORY [memory | sums]]
 */
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "storekit.h"
#include "sys/clock.h"
#include "wire/id.h"

enum { WINDOW = 256, WINDOW_BYTES = 8 << 20 };

static int wake_fd;

struct run {
    struct wr_store *s;
    struct wr_pool *pool;
    size_t size;
    uint32_t count, sent, answered, failed;
    uint32_t parts; /* Of sums. */
};

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static long rss_anon_kib(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[128];
    long n = 0;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "RssAnon: %ld", &n) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return n;
}

static void on_wake(void *arg)
{
    (void)arg;
    WR_CHECK(eventfd_write(wake_fd, 1) == 0);
}

static void on_answer(void *arg, const struct wr_store_answer *a)
{
    struct run *run = arg;

    run->answered++;
    run->failed += a->err != WR_OK;
    wr_buf_unref(a->buf);
}

static bool put_next(struct run *run)
{
    struct wr_store_put put = {.hash = 0xb220};
    enum wr_err err;

    put.buf = wr_pool_get(run->pool, 0, run->size);
    if (put.buf == NULL)
        return false;
    /* Not a chunk anybody made before, at the least cost. */
    kit_digest(run->sent + run->size * 1000003, put.digest);
    memcpy(put.buf->p, put.digest, WR_DIGEST);
    put.buf->n = (uint32_t)run->size;
    put.bytes = wr_span(put.buf->p, run->size);
    err = wr_store_put(run->s, &put, on_answer, run);
    wr_buf_unref(put.buf);
    return err == WR_OK;
}

static bool read_next(struct run *run)
{
    uint8_t digest[WR_DIGEST];

    kit_digest(run->sent + run->size * 1000003, digest);
    return wr_store_read(run->s, digest, run->pool, 0, on_answer, run) == WR_OK;
}

static bool sum_next(struct run *run)
{
    uint8_t from[WR_DIGEST], to[WR_DIGEST];

    kit_digest(2 * run->sent, from);
    kit_digest(2 * run->sent + 1, to);
    return wr_store_sum(run->s, false, from, to, run->parts, on_answer, run) ==
           WR_OK;
}

/* Does `next` run->count times, so many at once; how long that took, in
 * seconds. */
static double repeat(struct run *run, uint32_t window,
                     bool (*next)(struct run *))
{
    const wr_time start = wr_clock_now();

    run->sent = run->answered = run->failed = 0;
    while (run->answered < run->count) {
        eventfd_t n;

        while (run->sent < run->count && run->sent - run->answered < window &&
               next(run))
            run->sent++;
        WR_CHECK(eventfd_read(wake_fd, &n) == 0);
        wr_store_poll(run->s);
    }
    return (double)(wr_clock_now() - start) / 1e6;
}

static void measure(const char *what, struct run *run,
                    bool (*next)(struct run *))
{
    const double cpu = cpu_s();
    const uint32_t window = WINDOW_BYTES / run->size < WINDOW
                                ? (uint32_t)(WINDOW_BYTES / run->size)
                                : WINDOW;
    const double s = repeat(run, window, next);
    const double mib = (double)run->count * (double)run->size / (1 << 20);

    printf("%-22s %8.0f MiB/s %9.0f /s  cpu %5.2f s/GiB  RssAnon %ld KiB%s\n",
           what, mib / s, run->count / s, (cpu_s() - cpu) / mib * 1024,
           rss_anon_kib(), run->failed > 0 ? "  FAILED" : "");
}

static struct run run_new(struct wr_store *s)
{
    const struct wr_pool_share share = {"all", 16 << 20};
    struct run run = {.s = s};

    run.pool = wr_pool_new(&(struct wr_pool_cfg){
        .cap = WR_POOL_CAP_SUPER, .shares = &share, .shares_n = 1});
    WR_CHECK(run.pool != NULL);
    return run;
}

static void sums(struct wr_store *s)
{
    struct run run = run_new(s);

    run.size = 64;
    run.count = 1000000;
    measure("lmdb put 64", &run, put_next);
    run.count = 10000;
    for (run.parts = 1; run.parts <= WR_ARC_PARTS;
         run.parts += WR_ARC_PARTS - 1)
        printf("an arc, by lot, in %2u: %8.1f us, one at a time%s\n", run.parts,
               repeat(&run, 1, sum_next) / run.count * 1e6,
               run.failed > 0 ? "  FAILED" : "");
    wr_pool_free(run.pool);
}

static void all(struct wr_store *s, const char *name)
{
    struct run run = run_new(s);
    char what[64];

    for (int i = 0; i < 2; i++) {
        run.size = i == 0 ? 256 << 10 : 4096;
        run.count = i == 0 ? 2048 : 30000;
        (void)snprintf(what, sizeof(what), "%s put %zu", name, run.size);
        measure(what, &run, put_next);
        (void)snprintf(what, sizeof(what), "%s read %zu", name, run.size);
        measure(what, &run, read_next);
    }
    wr_pool_free(run.pool);
}

int main(int argc, char **argv)
{
    const struct wr_store_cfg cfg = {.wake = on_wake};
    struct wr_store *s = NULL;
    struct kit_dir dir;
    struct wr_why why;

    if (argc > 1)
        setenv("TMPDIR", argv[1], 1);
    kit_dir_make(&dir);
    wake_fd = eventfd(0, EFD_CLOEXEC);
    WR_CHECK(wr_store_open_mem(&cfg, &s) == WR_OK);
    if (argc > 2 && strcmp(argv[2], "memory") == 0)
        all(s, "memory"); /* It leaves a heap that blurs the rest. */
    wr_store_close(s);
    if (wr_store_open_lmdb(dir.store, &cfg, &why, &s) != WR_OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    if (argc > 2 && strcmp(argv[2], "sums") == 0) {
        sums(s);
    } else {
        all(s, "lmdb");
        sleep(3);
        printf("idle RssAnon %ld KiB\n", rss_anon_kib());
    }
    wr_store_close(s);
    kit_dir_remove(&dir);
    return 0;
}
