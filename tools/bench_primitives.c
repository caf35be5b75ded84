/*
 * bench_primitives.c - see bench.h. Each figure is CPU time per byte of the
 * very code that a put or a get runs, over the same sizes: 256 KiB blocks and
 * 64 KiB records, in buffers that, as in wreath, mostly stay in cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "bench.h"
#include "crypto/noise.h"
#include "crypto/secret.h"
#include "object/chunker.h"
#include "object/hash.h"
#include "store/store.h"

enum {
    AREA = 16 << 20, /* What is gone through again and again. */
    TURNS = 16,      /* 256 MiB of each. */
    STORE_TOTAL = 384 << 20,
    SMALL_FILES = 5000,
};

static double clock_s(clockid_t clock)
{
    struct timespec t;

    if (clock_gettime(clock, &t) != 0)
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double bench_now_s(void)
{
    return clock_s(CLOCK_MONOTONIC);
}

double bench_cpu_s(void)
{
    return clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

double bench_thread_s(void)
{
    return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

struct bench {
    const struct bench_plan *plan;
    struct bench_primitives *p;
    struct wr_why *why;
    uint8_t *area;   /* AREA random bytes. */
    uint8_t *sealed; /* AREA, and tags. */
};

/* ---- memory only ------------------------------------------------------------
 */

static void measure_hash(struct bench *b)
{
    uint8_t digest[WR_DIGEST_SIZE];
    const double start = bench_thread_s();

    for (int turn = 0; turn < TURNS; turn++)
        for (size_t at = 0; at < AREA; at += BENCH_BLOCK)
            wr_hash_digest(WR_HASH_BLAKE2B_256,
                           wr_span(b->area + at, BENCH_BLOCK), digest);
    b->p->hash = (bench_thread_s() - start) / ((double)AREA * TURNS);
}

static void measure_cut(struct bench *b)
{
    const struct wr_chunking how = {WR_CHUNKING_FASTCDC, WR_CHUNK_AVG};
    struct wr_chunker c;
    const double start = bench_thread_s();

    for (int turn = 0; turn < TURNS; turn++) {
        wr_chunker_init(&c, &how);
        for (size_t at = 0; at < AREA;)
            at += wr_chunker_next(&c, wr_span(b->area + at, AREA - at), true);
    }
    b->p->cut = (bench_thread_s() - start) / ((double)AREA * TURNS);
}

static enum wr_err measure_seal(struct bench *b)
{
    enum { DATA = BENCH_RECORD - WR_NOISE_TAG - 1, RECORDS = AREA / DATA };
    struct wr_noise_dir to = {0}, from;
    double sealing = 0, opening = 0;

    wr_secret_random(to.k, sizeof(to.k));
    from = to;
    for (int turn = 0; turn < TURNS; turn++) {
        const double start = bench_thread_s();

        for (size_t i = 0; i < RECORDS; i++) {
            const struct wr_span part = wr_span(b->area + i * DATA, DATA);

            wr_noise_seal(&to, &part, 1, b->sealed + i * (DATA + WR_NOISE_TAG));
        }
        const double middle = bench_thread_s();
        for (size_t i = 0; i < RECORDS; i++) {
            uint8_t *at = b->sealed + i * (DATA + WR_NOISE_TAG);

            if (wr_noise_open(&from, wr_span(at, DATA + WR_NOISE_TAG), at) !=
                WR_OK)
                return wr_why(b->why, WR_EFAIL, "a sealed record did not open");
        }
        sealing += middle - start;
        opening += bench_thread_s() - middle;
    }
    b->p->seal = sealing / ((double)DATA * RECORDS * TURNS);
    b->p->open = opening / ((double)DATA * RECORDS * TURNS);
    return WR_OK;
}

/* ---- loopback ---------------------------------------------------------------
 */

struct receiver {
    int fd;
    double cpu_s;
    bool ok;
};

static void *receive(void *arg)
{
    static uint8_t into[BENCH_BLOCK];
    struct receiver *r = arg;
    const double start = bench_thread_s();
    uint64_t got = 0;
    ssize_t n;

    while ((n = read(r->fd, into, sizeof(into))) > 0)
        got += (uint64_t)n;
    r->cpu_s = bench_thread_s() - start;
    r->ok = got == (uint64_t)AREA * TURNS;
    return NULL;
}

/* Two ends of a connection over 127.0.0.1. */
static bool connect_pair(int ret[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    bool ok = listener >= 0;

    ret[0] = ret[1] = -1;
    ok = ok && bind(listener, (struct sockaddr *)&at, n) == 0 &&
         listen(listener, 1) == 0 &&
         getsockname(listener, (struct sockaddr *)&at, &n) == 0;
    if (ok)
        ret[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ok = ok && ret[0] >= 0 &&
         setsockopt(ret[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0 &&
         connect(ret[0], (struct sockaddr *)&at, n) == 0;
    if (ok)
        ret[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (listener >= 0)
        close(listener);
    return ok && ret[1] >= 0;
}

static bool write_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        const ssize_t done = write(fd, p, n);

        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
    return true;
}

static enum wr_err measure_loopback(struct bench *b)
{
    struct receiver r = {.fd = -1};
    pthread_t thread;
    int fd[2];
    bool ok = connect_pair(fd);

    r.fd = fd[1];
    if (!ok || pthread_create(&thread, NULL, receive, &r) != 0) {
        close(fd[0]);
        close(fd[1]);
        return wr_why(b->why, WR_EIO, "cannot connect over loopback: %s",
                      wr_errno_text(errno));
    }
    const double start = bench_thread_s();
    for (int turn = 0; turn < TURNS && ok; turn++)
        for (size_t at = 0; at < AREA && ok; at += BENCH_BLOCK)
            ok = write_all(fd[0], b->area + at, BENCH_BLOCK);
    const double sending = bench_thread_s() - start;
    close(fd[0]);
    pthread_join(thread, NULL);
    close(fd[1]);
    if (!ok || !r.ok)
        return wr_why(b->why, WR_EIO, "bytes were lost on loopback");
    b->p->send = sending / ((double)AREA * TURNS);
    b->p->receive = r.cpu_s / ((double)AREA * TURNS);
    return WR_OK;
}

/* ---- files
 * -------------------------------------------------------------------- */

static enum wr_err measure_file(struct bench *b)
{
    char path[4096];
    bool ok = true;

    snprintf(path, sizeof(path), "%s/primitive", b->plan->dir);
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return wr_why(b->why, wr_err_of_errno(errno), "cannot make %s: %s",
                      path, wr_errno_text(errno));
    const double began = bench_now_s();
    double start = bench_thread_s();
    for (int turn = 0; turn < TURNS && ok; turn++)
        for (size_t at = 0; at < AREA && ok; at += BENCH_BLOCK)
            ok = write_all(fd, b->area + at, BENCH_BLOCK);
    ok = ok && fsync(fd) == 0;
    b->p->file_write = (bench_thread_s() - start) / ((double)AREA * TURNS);
    b->p->disk_bytes_per_s = (double)AREA * TURNS / (bench_now_s() - began);
    ok = ok && lseek(fd, 0, SEEK_SET) == 0;
    start = bench_thread_s();
    for (size_t i = 0; i < (size_t)AREA / BENCH_BLOCK * TURNS && ok; i++)
        ok = read(fd, b->sealed, BENCH_BLOCK) == BENCH_BLOCK;
    b->p->read = (bench_thread_s() - start) / ((double)AREA * TURNS);
    close(fd);
    unlink(path);
    return ok ? WR_OK
              : wr_why(b->why, wr_err_of_errno(errno),
                       "cannot write or read %s: %s", path,
                       wr_errno_text(errno));
}

/* The machine's own rate of file creation, the way that a tree is written. They
 * stay until the bench ends: ext4 without a journal passes over every inode
 * that was freed in the last minute, one by one, at each file that is made, so
 * that a tree deleted here would be paid for by the tree that is got. */
static enum wr_err measure_small_files(struct bench *b)
{
    char path[4096];
    bool ok = true;

    snprintf(path, sizeof(path), "%s/small", b->plan->dir);
    if (mkdir(path, 0700) != 0)
        return wr_why(b->why, wr_err_of_errno(errno), "cannot make %s", path);
    const int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const double start = bench_now_s();
    for (unsigned i = 0; i < SMALL_FILES && ok; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%u", i);
        const int fd =
            openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        ok = fd >= 0 && write_all(fd, b->area, BENCH_SMALL);
        if (fd >= 0)
            close(fd);
    }
    ok = ok && syncfs(dir) == 0;
    b->p->small_files_per_s = SMALL_FILES / (bench_now_s() - start);
    close(dir);
    return ok ? WR_OK : wr_why(b->why, WR_EIO, "cannot write small files");
}

/* ---- the store
 * ------------------------------------------------------------------ */

struct storing {
    int wake;
    uint32_t waiting;
    enum wr_err err;
};

static void on_wake(void *arg)
{
    const struct storing *s = arg;
    const uint64_t one = 1;

    if (write(s->wake, &one, sizeof(one)) < 0)
        return; /* It is full of wakes: good enough. */
}

static void on_answer(void *arg, const struct wr_store_answer *answer)
{
    struct storing *s = arg;

    s->waiting--;
    if (answer->err != WR_OK)
        s->err = answer->err;
    wr_buf_unref(answer->buf);
}

static void sleep_until_woken(const struct storing *s)
{
    struct pollfd p = {.fd = s->wake, .events = POLLIN};
    uint64_t n;

    if (poll(&p, 1, 1000) > 0 && read(s->wake, &n, sizeof(n)) < 0)
        return;
}

/* The `i`th chunk's name. The store believes it: nothing is hashed here. */
static void name_chunk(uint64_t i, uint8_t ret[WR_DIGEST])
{
    struct wr_rng rng = {.state = i};

    wr_rng_fill(&rng, ret, WR_DIGEST);
}

enum { CHUNKS = STORE_TOTAL / BENCH_BLOCK };

struct chunk_bench {
    struct wr_store *st;
    struct storing *s;
    struct wr_buf *buf;   /* To write, */
    struct wr_pool *pool; /* or where to read to. */
};

static enum wr_err write_chunk(const struct chunk_bench *c, uint64_t i)
{
    struct wr_store_put put = {.hash = WR_HASH_BLAKE2B_256,
                               .buf = c->buf,
                               .bytes = wr_span(c->buf->p, BENCH_BLOCK)};

    name_chunk(i, put.digest);
    return wr_store_put(c->st, &put, on_answer, c->s);
}

static enum wr_err read_chunk(const struct chunk_bench *c, uint64_t i)
{
    uint8_t digest[WR_DIGEST];

    name_chunk(i, digest);
    return c->s->waiting < 16
               ? wr_store_read(c->st, digest, c->pool, 0, on_answer, c->s)
               : WR_EBUSY;
}

static enum wr_err each_chunk(const struct chunk_bench *c,
                              enum wr_err (*do_one)(const struct chunk_bench *,
                                                    uint64_t))
{
    for (uint64_t i = 0; i < CHUNKS && c->s->err == WR_OK;) {
        const enum wr_err err = do_one(c, i);

        if (err == WR_OK) {
            c->s->waiting++;
            i++;
            continue;
        }
        if (err != WR_EBUSY)
            return err;
        sleep_until_woken(c->s);
        wr_store_poll(c->st);
    }
    wr_store_drain(c->st);
    return c->s->err;
}

static enum wr_err measure_opened(struct bench *b, struct wr_store *st,
                                  struct storing *s)
{
    struct wr_pool *pool =
        wr_pool_new(&(struct wr_pool_cfg){.cap = WR_POOL_CAP_SUPER});
    struct wr_buf *buf = wr_buf_new(BENCH_BLOCK);
    const struct chunk_bench c = {.st = st, .s = s, .buf = buf, .pool = pool};
    enum wr_err err = WR_ENOMEM;

    if (pool != NULL && buf != NULL) {
        memcpy(buf->p, b->area, BENCH_BLOCK);
        buf->n = BENCH_BLOCK;
        double cpu = bench_cpu_s();
        const double start = bench_now_s();
        err = each_chunk(&c, write_chunk);
        b->p->lmdb = (bench_cpu_s() - cpu) / STORE_TOTAL;
        b->p->store_bytes_per_s = STORE_TOTAL / (bench_now_s() - start);
        cpu = bench_cpu_s();
        if (err == WR_OK)
            err = each_chunk(&c, read_chunk);
        b->p->map_read = (bench_cpu_s() - cpu) / STORE_TOTAL;
    }
    wr_buf_unref(buf);
    wr_pool_free(pool);
    return err == WR_OK
               ? WR_OK
               : wr_why(b->why, err, "the store failed: %s", wr_err_text(err));
}

static enum wr_err measure_store(struct bench *b)
{
    struct storing s = {.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    const struct wr_store_cfg cfg = {.wake = on_wake, .arg = &s};
    struct wr_store *st;
    char path[4096];

    snprintf(path, sizeof(path), "%s/store", b->plan->dir);
    if (s.wake < 0)
        return wr_why(b->why, WR_EIO, "eventfd: %s", wr_errno_text(errno));
    enum wr_err err = wr_store_open_lmdb(path, &cfg, b->why, &st);
    if (err == WR_OK) {
        err = measure_opened(b, st, &s);
        wr_store_close(st);
        bench_remove(path);
    }
    close(s.wake);
    return err;
}

enum wr_err bench_primitives(const struct bench_plan *plan,
                             struct bench_primitives *ret, struct wr_why *why)
{
    struct wr_rng rng = {.state = 1};
    struct bench_primitives p = {0};
    struct bench b = {.plan = plan, .p = &p, .why = why};
    enum wr_err err = WR_OK;

    b.area = malloc(AREA);
    b.sealed = malloc(AREA + (AREA / BENCH_RECORD + 1) * WR_NOISE_TAG);
    if (b.area == NULL || b.sealed == NULL) {
        free(b.area);
        free(b.sealed);
        return wr_why(why, WR_ENOMEM, "out of memory");
    }
    wr_rng_fill(&rng, b.area, AREA);
    memset(b.sealed, 0, AREA);
    measure_hash(&b);
    measure_cut(&b);
    err = measure_seal(&b);
    if (err == WR_OK)
        err = measure_loopback(&b);
    if (err == WR_OK)
        err = measure_file(&b);
    if (err == WR_OK)
        err = measure_small_files(&b);
    if (err == WR_OK)
        err = measure_store(&b);
    free(b.area);
    free(b.sealed);
    if (err == WR_OK)
        *ret = p;
    return err;
}
