/*
 * store_power.c - what was acknowledged survives a power cut: of all that was
 * written only what was synced is sure to be on the disk, and of the rest any
 * part. This program's pwrite, writev and fdatasync stand before the system's
 * and keep two disks: the one that is read, and the one that a cut leaves. At
 * random moments such a disk is put aside, with what had been acknowledged by
 * then; each is opened afterwards.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../support/storekit.h"
#include "sys/fs.h"

enum { KEYS = 160, OPS = 6000, CUTS = 48, DISK_MAX = 16 << 20, PAGE = 4096 };

/* Of a key: the version acknowledged last, and the one in flight (0: none;
 * a dropped key has an odd version). */
struct state {
    uint32_t sure, maybe;
    bool open;
};

struct cut {
    uint8_t *disk;
    size_t n;
    struct state states[KEYS];
};

static struct {
    pthread_mutex_t lock;
    bool on;
    ino_t file;
    struct wr_rng rng;
    uint8_t *disk; /* Synced. */
    size_t n;
    uint8_t *seen; /* Written: what the next sync makes sure. */
    size_t seen_n;
    bool dirty[DISK_MAX / PAGE];
    struct state states[KEYS];
    struct cut cuts[CUTS];
    uint32_t cuts_n;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A disk as a cut at this moment may leave it. Locked. */
static void cut_here(void)
{
    struct cut *c = &world.cuts[world.cuts_n];

    if (world.cuts_n == CUTS || wr_rng_below(&world.rng, 40) != 0)
        return;
    world.cuts_n++;
    c->n = world.seen_n;
    c->disk = calloc(1, DISK_MAX);
    WR_CHECK(c->disk != NULL);
    memcpy(c->disk, world.disk, world.n);
    for (size_t i = 0; i < DISK_MAX / PAGE; i++)
        if (world.dirty[i] && wr_rng_below(&world.rng, 2) == 0)
            memcpy(c->disk + i * PAGE, world.seen + i * PAGE, PAGE);
    memcpy(c->states, world.states, sizeof(c->states));
}

static bool is_watched(int fd)
{
    struct stat st;

    return world.on && fstat(fd, &st) == 0 && st.st_ino == world.file;
}

static void note_write(int fd, const uint8_t *p, size_t n, size_t at)
{
    pthread_mutex_lock(&world.lock);
    WR_CHECK(at + n <= DISK_MAX);
    cut_here();
    memcpy(world.seen + at, p, n);
    if (world.seen_n < at + n)
        world.seen_n = at + n;
    for (size_t i = at / PAGE; i <= (at + n - 1) / PAGE; i++)
        world.dirty[i] = true;
    cut_here(); /* Written, not synced. */
    if (fcntl(fd, F_GETFL) & O_DSYNC) {
        memcpy(world.disk + at, p, n); /* This one alone is sure. */
        if (world.n < at + n)
            world.n = at + n;
    }
    pthread_mutex_unlock(&world.lock);
}

/* By its name in LMDB: with 64-bit offsets the header calls it otherwise. */
ssize_t disk_pwrite(int fd, const void *p, size_t n,
                    off_t at) __asm__("pwrite");

ssize_t disk_pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (is_watched(fd))
        note_write(fd, p, n, (size_t)at);
    return syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    off_t at = lseek(fd, 0, SEEK_CUR);

    if (is_watched(fd)) {
        for (int i = 0; i < n; i++) {
            note_write(fd, v[i].iov_base, v[i].iov_len, (size_t)at);
            at += (off_t)v[i].iov_len;
        }
    }
    return syscall(SYS_writev, fd, v, n);
}

int fdatasync(int fd)
{
    const int rc = (int)syscall(SYS_fdatasync, fd);

    if (rc == 0 && is_watched(fd)) {
        pthread_mutex_lock(&world.lock);
        cut_here();
        memcpy(world.disk, world.seen, world.seen_n);
        world.n = world.seen_n;
        memset(world.dirty, 0, sizeof(world.dirty));
        pthread_mutex_unlock(&world.lock);
    }
    return rc;
}

static void watch(const struct kit_dir *dir)
{
    char path[128];
    struct wr_why why;
    struct stat st;
    uint8_t *p;

    world.disk = calloc(1, DISK_MAX);
    world.seen = calloc(1, DISK_MAX);
    cr_assert(world.disk != NULL && world.seen != NULL);
    cr_assert(snprintf(path, sizeof(path), "%s/data.mdb", dir->store) < 128);
    cr_assert_eq(wr_file_read(path, DISK_MAX, &why, &p, &world.n), WR_OK);
    memcpy(world.disk, p, world.n);
    memcpy(world.seen, p, world.n);
    world.seen_n = world.n;
    free(p);
    cr_assert_eq(stat(path, &st), 0);
    world.file = st.st_ino;
    world.rng.state = 11;
    world.on = true;
}

static size_t length_of(uint32_t key)
{
    static const size_t lengths[] = {0, 300, 4096, 17000, 66000};

    return lengths[key % WR_ARRAY_LEN(lengths)];
}

static void on_answer(void *arg, const struct wr_store_answer *a)
{
    struct state *st = arg;

    cr_assert_eq(a->err, WR_OK);
    pthread_mutex_lock(&world.lock);
    st->sure = st->maybe;
    st->open = false;
    pthread_mutex_unlock(&world.lock);
}

static uint64_t seed_of(uint32_t key, uint32_t version)
{
    return ((uint64_t)version << 32) + key;
}

static void work(struct wr_store *s)
{
    struct wr_rng rng = {3};

    for (uint32_t i = 1; i <= OPS; i++) {
        const uint32_t key = (uint32_t)wr_rng_below(&rng, KEYS);
        const bool drop = wr_rng_below(&rng, 4) == 0;
        struct state *st = &world.states[key];
        uint8_t digest[WR_DIGEST];
        struct wr_store_put put;

        if (st->open || wr_rng_below(&rng, 24) == 0)
            wr_store_drain(s);
        pthread_mutex_lock(&world.lock);
        st->maybe = 2 * i + drop;
        st->open = true;
        pthread_mutex_unlock(&world.lock);
        kit_digest(key, digest);
        if (drop) {
            cr_assert_eq(wr_store_drop(s, digest, NULL, on_answer, st), WR_OK);
            continue;
        }
        put = kit_chunk(key, seed_of(key, st->maybe), length_of(key), 1);
        cr_assert_eq(wr_store_put(s, &put, on_answer, st), WR_OK);
        wr_buf_unref(put.buf);
    }
    wr_store_drain(s);
}

static bool holds(struct wr_store *s, struct wr_pool *pool, uint32_t key,
                  uint32_t version)
{
    const bool absent = version == 0 || version % 2 == 1;
    const enum wr_err err =
        kit_read(s, pool, key, seed_of(key, version), length_of(key));

    return err == (absent ? WR_ENOTFOUND : WR_OK);
}

static void check(const struct cut *c, const char *store, uint32_t *sure)
{
    struct wr_pool *pool = kit_pool();
    struct wr_store *s = NULL;
    struct wr_why why;
    char path[128];

    cr_assert(snprintf(path, sizeof(path), "%s/data.mdb", store) < 128);
    cr_assert_eq(wr_file_write(path, 0600, wr_span(c->disk, c->n), &why),
                 WR_OK);
    cr_assert_eq(
        wr_store_open_lmdb(store, &(struct wr_store_cfg){.quota = 0}, &why, &s),
        WR_OK, "%s", why.text);
    for (uint32_t key = 0; key < KEYS; key++) {
        const struct state *st = &c->states[key];

        cr_assert(holds(s, pool, key, st->sure) ||
                      (st->open && holds(s, pool, key, st->maybe)),
                  "cut %d: key %u, version %u", (int)(c - world.cuts), key,
                  st->sure);
        *sure += st->sure != 0;
    }
    cr_assert_eq(kit_put(s, KEYS, 1, 5000, 1), WR_OK); /* It goes on. */
    wr_store_close(s);
    wr_pool_free(pool);
}

Test(store_power, acknowledged_chunks_survive_a_power_cut, .timeout = 100)
{
    struct wr_store *s = NULL;
    uint32_t sure = 0;
    struct kit_dir dir;
    struct wr_why why;

    kit_dir_make(&dir);
    cr_assert_eq(wr_store_open_lmdb(
                     dir.store, &(struct wr_store_cfg){.quota = 0}, &why, &s),
                 WR_OK, "%s", why.text);
    watch(&dir);
    work(s);
    world.on = false;
    wr_store_close(s);
    cr_assert_eq(world.cuts_n, CUTS); /* Else it showed too little. */
    for (uint32_t i = 0; i < CUTS; i++) {
        check(&world.cuts[i], dir.store, &sure);
        free(world.cuts[i].disk);
    }
    cr_assert_gt(sure, CUTS * 20);
    free(world.disk);
    free(world.seen);
    kit_dir_remove(&dir);
}
