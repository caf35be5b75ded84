/*
 * store_lmdb.c - what the LMDB store promises of disks: formats and locks in
 * plain words, rot that is seen and healed, full and failing disks. The disk
 * fails here because this program's own pwrite, writev and fdatasync stand
 * before the system's.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../support/storekit.h"
#include "store/lmdb_parts.h"
#include "store/record.h"
#include "sys/fs.h"

static atomic_int sync_fails, write_fails;
static atomic_int meta_fails; /* An errno for the next write of a meta page. */
static atomic_int disk_is_short; /* It takes a part of what is written. */
static atomic_int syncs_lost;    /* So many that come next fail. */
static atomic_int writes_lost;   /* Likewise, of pages that are no meta page. */
static atomic_int no_room;       /* It has none to tell of. */
static char ballast[128]; /* If set, writes fail while this file is there. */

static bool disk_full(void)
{
    return ballast[0] != 0 && access(ballast, F_OK) == 0;
}

static bool is_lost(void)
{
    return atomic_load(&writes_lost) > 0 &&
           atomic_fetch_sub(&writes_lost, 1) > 0;
}

/* By its name in LMDB: with 64-bit offsets the header calls it otherwise. */
ssize_t disk_pwrite(int fd, const void *p, size_t n,
                    off_t at) __asm__("pwrite");

ssize_t disk_pwrite(int fd, const void *p, size_t n, off_t at)
{
    const bool meta = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;

    if (atomic_load(&write_fails) != 0 || disk_full() || (!meta && is_lost())) {
        errno = ENOSPC;
        return -1;
    }
    if (atomic_load(&meta_fails) != 0 && meta) {
        errno = atomic_exchange(&meta_fails, 0);
        return -1;
    }
    return syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    if (atomic_load(&write_fails) != 0 || disk_full() || is_lost()) {
        errno = ENOSPC;
        return -1;
    }
    if (atomic_load(&disk_is_short) != 0 && n > 1)
        return syscall(SYS_writev, fd, v, n - 1);
    return syscall(SYS_writev, fd, v, n);
}

int disk_fallocate(int fd, off_t from, off_t n) __asm__("posix_fallocate64");

int disk_fallocate(int fd, off_t from, off_t n)
{
    if (atomic_load(&write_fails) != 0 || disk_full())
        return ENOSPC;
    return syscall(SYS_fallocate, fd, 0, from, n) == 0 ? 0 : errno;
}

/* A disk without room has none to tell of, either. */
int disk_statfs(const char *path, struct statfs *ret) __asm__("statfs64");

int disk_statfs(const char *path, struct statfs *ret)
{
    if (syscall(SYS_statfs, path, ret) != 0)
        return -1;
    if (atomic_load(&disk_is_short) != 0 || atomic_load(&no_room) != 0)
        ret->f_bavail = 0;
    return 0;
}

int fdatasync(int fd)
{
    if (atomic_load(&sync_fails) != 0 ||
        (atomic_load(&syncs_lost) > 0 && atomic_fetch_sub(&syncs_lost, 1))) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static struct kit_dir dir;
static struct wr_pool *pool;
static struct wr_why why;

static void setup(void)
{
    kit_dir_make(&dir);
    pool = kit_pool();
    why = (struct wr_why){.err = WR_OK};
    wr_log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), WR_LOG_ERROR,
                WR_LOG_AS_TEXT);
}

static void teardown(void)
{
    wr_pool_free(pool);
    kit_dir_remove(&dir);
}

TestSuite(store_lmdb, .init = setup, .fini = teardown);

static enum wr_err try_open(struct wr_store **ret)
{
    return wr_store_open_lmdb(dir.store, &(struct wr_store_cfg){.quota = 0},
                              &why, ret);
}

static struct wr_store *must_open(void)
{
    struct wr_store *s = NULL;
    const enum wr_err err = try_open(&s);

    cr_assert_eq(err, WR_OK, "%s", why.text);
    return s;
}

static bool has_failed(struct wr_store *s)
{
    struct wr_store_usage u;

    wr_store_usage(s, &u);
    return u.failed;
}

/* A sync that failed was the disk's failure, and has been noticed. */
static void close_failed(struct wr_store *s)
{
    cr_assert_eq(atomic_load(&syncs_lost), 0);
    cr_assert(has_failed(s));
    wr_store_close(s);
}

static void path_in(const char *name, char ret[128])
{
    cr_assert(snprintf(ret, 128, "%s/%s", dir.store, name) < 128);
}

static void write_file(const char *path, const char *text)
{
    cr_assert_eq(wr_file_write(path, 0600, wr_span_str(text), &why), WR_OK,
                 "%s", why.text);
}

Test(store_lmdb, what_was_acknowledged_is_there_after_reopening)
{
    struct wr_store *s = must_open();
    struct wr_store_usage u;

    cr_assert_eq(kit_put(s, 1, 1, 300000, 1), WR_OK);
    cr_assert_eq(kit_put(s, 2, 2, 0, 1), WR_OK);
    wr_store_close(s);
    s = must_open();
    cr_assert_eq(kit_read(s, pool, 1, 1, 300000), WR_OK);
    cr_assert_eq(kit_read(s, pool, 2, 2, 0), WR_OK);
    wr_store_usage(s, &u);
    cr_assert_eq(u.chunks, 2);
    cr_assert_eq(u.chunk_bytes, 300000);
    wr_store_close(s);
}

Test(store_lmdb, a_full_extent_takes_exactly_sixteen_pages)
{
    struct wr_store *s = must_open();
    struct wr_store_usage before, after;

    cr_assert_eq(kit_put(s, 1, 1, 1, 1), WR_OK);
    wr_store_usage(s, &before);
    cr_assert_eq(kit_put(s, 2, 2, 4 * 65408, 1), WR_OK);
    wr_store_usage(s, &after);
    cr_assert_eq(after.used - before.used, 4 * 65536);
    wr_store_close(s);
}

Test(store_lmdb, a_second_process_is_told_who_has_it)
{
    struct wr_store *s = must_open(), *t = NULL;
    char pid[32];

    cr_assert_eq(try_open(&t), WR_ELOCKED);
    cr_assert(snprintf(pid, sizeof(pid), "pid %ld", (long)getpid()) > 0);
    cr_assert(strstr(why.text, pid) != NULL, "%s", why.text);
    cr_assert(strstr(why.text, dir.store) != NULL, "%s", why.text);
    wr_store_close(s);
    wr_store_close(must_open()); /* Free again. */
}

/* Changes the format record as a later wreath would. */
static void set_format(uint32_t version)
{
    static const char name[] = "wreath store";
    uint8_t bytes[sizeof(name) + 4];
    struct wr_writer w = wr_writer(bytes, sizeof(bytes));
    MDB_val k = {sizeof("format"), (void *)(uintptr_t) "format"};
    MDB_val v = {sizeof(bytes), bytes};
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;

    wr_write(&w, name, sizeof(name));
    wr_write_be32(&w, version);
    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_set_maxdbs(env, 8), 0);
    cr_assert_eq(mdb_env_open(env, dir.store, 0, 0600), 0);
    cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, "own", 0, &dbi), 0);
    cr_assert_eq(mdb_put(txn, dbi, &k, &v, 0), 0);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

Test(store_lmdb, a_newer_format_is_refused_and_left_alone)
{
    struct wr_store *s = must_open();

    cr_assert_eq(kit_put(s, 1, 1, 5000, 1), WR_OK);
    wr_store_close(s);
    set_format(3);
    s = NULL;
    cr_assert_eq(try_open(&s), WR_EVERSION);
    cr_assert(strstr(why.text, "newer wreath") != NULL, "%s", why.text);
    set_format(2);
    s = must_open();
    cr_assert_eq(kit_read(s, pool, 1, 1, 5000), WR_OK);
    wr_store_close(s);
}

Test(store_lmdb, what_is_no_store_is_refused_and_left_alone)
{
    struct wr_store *s = NULL;
    char path[128];
    struct stat st;

    /* A directory with somebody's file. */
    cr_assert_eq(mkdir(dir.store, 0700), 0);
    path_in("thesis.txt", path);
    write_file(path, "precious");
    cr_assert_eq(try_open(&s), WR_EDAMAGED);
    cr_assert(strstr(why.text, "not a wreath store") != NULL, "%s", why.text);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(unlink(path), 0);
    /* A file that is called as LMDB's. */
    path_in("data.mdb", path);
    write_file(path, "this is no database, and shorter than a page");
    cr_assert_eq(try_open(&s), WR_EDAMAGED, "%s", why.text);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(unlink(path), 0);
    path_in("lock.mdb", path);
    (void)unlink(path);
    cr_assert_eq(rmdir(dir.store), 0);
    /* A plain file in the store's place. */
    write_file(dir.store, "a file");
    cr_assert_neq(try_open(&s), WR_OK);
    cr_assert_eq(unlink(dir.store), 0);
    /* No parent. */
    cr_assert_eq(wr_store_open_lmdb("/nonexistent/wr/store",
                                    &(struct wr_store_cfg){.quota = 0}, &why,
                                    &s),
                 WR_ENOTFOUND);
    cr_assert(strstr(why.text, "/nonexistent/wr") != NULL, "%s", why.text);
}

Test(store_lmdb, a_place_that_cannot_be_written_is_said_so)
{
    pid_t child = fork();
    int status;

    cr_assert_geq(child, 0);
    if (child == 0) { /* As nobody, if we are root. */
        struct wr_store *s = NULL;

        if (chmod(dir.path, 0500) != 0 ||
            (geteuid() == 0 && seteuid(65534) != 0))
            _exit(2);
        _exit(try_open(&s) == WR_EPERM && strstr(why.text, dir.path) ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_eq(chmod(dir.path, 0700), 0);
}

Test(store_lmdb, a_creation_that_was_cut_off_is_begun_again)
{
    char tmp[128];
    struct stat st;

    cr_assert(snprintf(tmp, sizeof(tmp), "%s.tmp", dir.store) < 128);
    cr_assert_eq(mkdir(tmp, 0700), 0);
    cr_assert(snprintf(tmp, sizeof(tmp), "%s.tmp/data.mdb", dir.store) < 128);
    write_file(tmp, "half a page");
    wr_store_close(must_open());
    cr_assert_neq(stat(tmp, &st), 0);
}

/* Flips a bit of the first byte of `digest`'s bytes in the file. */
static void rot(uint64_t seed, size_t n)
{
    struct wr_buf *want = kit_bytes(seed, n);
    char path[128];
    uint8_t *all, *at;
    size_t all_n;
    int fd;

    path_in("data.mdb", path);
    cr_assert_eq(wr_file_read(path, 64 << 20, &why, &all, &all_n), WR_OK);
    at = memmem(all, all_n, want->p, 4000);
    cr_assert_neq(at, NULL);
    at[17] ^= 4;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    cr_assert_eq(lseek(fd, (off_t)(at - all), SEEK_SET), (off_t)(at - all));
    cr_assert_eq(write(fd, at, 100), 100);
    close(fd);
    free(all);
    wr_buf_unref(want);
}

static bool have(struct wr_store *s, uint64_t digest)
{
    struct kit_answer k = {.got = false};
    uint8_t d[WR_DIGEST];

    kit_digest(digest, d);
    cr_assert_eq(wr_store_have(s, d, 1, NULL, kit_keep, &k), WR_OK);
    wr_store_drain(s);
    cr_assert_eq(k.a.err, WR_OK);
    return (k.bits[0] & 1) != 0;
}

Test(store_lmdb, rot_is_seen_quarantined_and_healed)
{
    struct wr_store *s = must_open();
    struct wr_chunk_info info;
    struct wr_store_usage u;

    for (uint64_t i = 1; i <= 3; i++)
        cr_assert_eq(kit_put(s, i, i, 200000, i), WR_OK);
    wr_store_close(s);
    rot(2, 200000);
    s = must_open();
    cr_assert(have(s, 2)); /* Nobody knows yet. */
    cr_assert_eq(kit_read(s, pool, 1, 1, 200000), WR_OK);
    cr_assert_eq(kit_read(s, pool, 2, 2, 200000), WR_EDAMAGED);
    cr_assert_eq(kit_read(s, pool, 3, 3, 200000), WR_OK);
    wr_store_usage(s, &u);
    cr_assert_eq(u.damaged, 1);
    wr_store_close(s);
    s = must_open(); /* The mark is durable. */
    cr_assert(!have(s, 2));
    cr_assert_eq(kit_stat(s, 2, &info), WR_OK);
    cr_assert(info.damaged);
    cr_assert_eq(kit_read(s, pool, 2, 2, 200000), WR_EDAMAGED);
    cr_assert_eq(kit_put(s, 2, 2, 200000, 9), WR_OK);
    cr_assert(have(s, 2));
    cr_assert_eq(kit_read(s, pool, 2, 2, 200000), WR_OK);
    cr_assert_eq(kit_stat(s, 2, &info), WR_OK);
    cr_assert_eq(info.refs, 2); /* The old one was not forgotten. */
    wr_store_close(s);
}

Test(store_lmdb, writing_the_right_bytes_over_rot_heals_it_unread)
{
    struct wr_store *s = must_open();

    cr_assert_eq(kit_put(s, 2, 2, 200000, 1), WR_OK);
    wr_store_close(s);
    rot(2, 200000);
    s = must_open();
    cr_assert_eq(kit_put(s, 2, 2, 200000, 1), WR_OK);
    cr_assert_eq(kit_read(s, pool, 2, 2, 200000), WR_OK);
    wr_store_close(s);
}

/* Flips a bit of the page numbers of the pages with the format record. */
static size_t rot_page_number(unsigned at)
{
    char path[128];
    uint8_t *all, *x;
    size_t n, hits = 0;

    path_in("data.mdb", path);
    cr_assert_eq(wr_file_read(path, 64 << 20, &why, &all, &n), WR_OK);
    for (x = all; (x = memmem(x, (size_t)(all + n - x), "wreath store", 12));
         x++, hits++)
        all[(size_t)(x - all) / 4096 * 4096 + at] ^= 1;
    cr_assert_eq(wr_file_write(path, 0600, wr_span(all, n), &why), WR_OK);
    free(all);
    return hits;
}

/* Where the map is was told by such a number, whatever it was. */
Test(store_lmdb, a_page_that_says_it_is_another_is_refused)
{
    static const unsigned places[] = {0, 1, 4, 7};
    struct wr_store *s;

    wr_store_close(must_open());
    for (size_t i = 0; i < WR_ARRAY_LEN(places); i++) {
        cr_assert_gt(rot_page_number(places[i]), 0);
        cr_assert_eq(try_open(&s), WR_EDAMAGED);
        cr_assert_neq(strstr(why.text, "a page is not"), NULL, "%s", why.text);
        (void)rot_page_number(places[i]);
        wr_store_close(must_open());
    }
}

/* A page that a transaction has changed is in memory, above the map or below,
 * and what stands there before a value is no header. `store_power` wrote half a
 * terabyte behind the end of a file before this was known. */
Test(store_lmdb, only_what_is_in_the_map_has_a_header)
{
    static _Alignas(4096) uint8_t pages[5][4096];
    const struct wr_lmdb_env e = {
        .map = pages[1], .map_bytes = sizeof(pages[1]) * 3, .page_bytes = 4096};

    for (unsigned i = 0; i < 5; i++) {
        const MDB_val v = {.mv_size = 100, .mv_data = &pages[i][16]};

        cr_assert_eq(wr_lmdb_run_sound(&e, v), i == 0 || i == 4);
    }
}

Test(store_lmdb, after_a_failed_sync_nothing_is_acknowledged)
{
    struct wr_store *s = must_open();

    cr_assert_eq(kit_put(s, 1, 1, 100000, 1), WR_OK);
    atomic_store(&sync_fails, 1);
    cr_assert_eq(kit_put(s, 2, 2, 100000, 1), WR_EIO);
    atomic_store(&sync_fails, 0);
    /* The disk says that all is well; it is not to be believed. */
    cr_assert_eq(kit_put(s, 3, 3, 100000, 1), WR_EIO);
    cr_assert_eq(kit_drop(s, 1), WR_EIO);
    cr_assert(has_failed(s));
    cr_assert_eq(kit_read(s, pool, 1, 1, 100000), WR_OK); /* Reads go on. */
    wr_store_close(s);
    s = must_open();
    cr_assert_eq(kit_read(s, pool, 1, 1, 100000), WR_OK);
    cr_assert_eq(kit_read(s, pool, 3, 3, 100000), WR_ENOTFOUND);
    cr_assert_eq(kit_put(s, 3, 3, 100000, 1), WR_OK);
    wr_store_close(s);
}

/* The kernel tells each descriptor once, LMDB's and ours. */
Test(store_lmdb, a_failed_sync_is_no_full_disk_where_there_is_no_room_either)
{
    struct wr_store *s = must_open();

    cr_assert_eq(kit_put(s, 1, 1, 100000, 1), WR_OK);
    atomic_store(&no_room, 1);
    atomic_store(&syncs_lost, 2);
    cr_assert_eq(kit_put(s, 1, 1, 100000, 2), WR_EIO);
    close_failed(s);
}

/* LMDB answers nobody after that, until it is opened anew. */
Test(store_lmdb, a_meta_page_that_fails_stops_writes_and_no_reads)
{
    struct wr_store *s = must_open();
    struct wr_store_usage u;

    cr_assert_eq(kit_put(s, 1, 1, 100000, 1), WR_OK);
    atomic_store(&meta_fails, EIO);
    cr_assert_eq(kit_put(s, 2, 2, 100000, 1), WR_EIO);
    wr_store_usage(s, &u);
    cr_assert(u.failed);
    cr_assert_eq(u.chunks, 1);
    cr_assert_eq(kit_put(s, 3, 3, 100, 1), WR_EIO);
    for (int i = 0; i < 50; i++)
        cr_assert_eq(kit_read(s, pool, 1, 1, 100000), WR_OK);
    wr_store_close(s);
    s = must_open();
    cr_assert_eq(kit_read(s, pool, 1, 1, 100000), WR_OK);
    cr_assert_eq(kit_put(s, 2, 2, 100000, 1), WR_OK);
    wr_store_close(s);
}

static void on_read(void *arg, const struct wr_store_answer *a)
{
    unsigned *good = arg;

    cr_assert_eq(a->err, WR_OK, "%s", wr_err_text(a->err));
    *good += 1;
    wr_buf_unref(a->buf);
}

/* Also those that come while LMDB is dead and not opened anew yet. */
Test(store_lmdb, no_read_fails_while_a_meta_page_does)
{
    struct wr_store *s = must_open();
    struct kit_answer k = {.got = false};
    struct wr_store_put put = kit_chunk(2, 2, 100, 1);
    unsigned good = 0, asked = 0;
    uint8_t d[WR_DIGEST];

    kit_digest(1, d);
    cr_assert_eq(kit_put(s, 1, 1, 100, 1), WR_OK);
    atomic_store(&meta_fails, EIO);
    cr_assert_eq(wr_store_put(s, &put, kit_keep, &k), WR_OK);
    while (!k.got || asked < 1000) {
        if (asked - good < 64 &&
            wr_store_read(s, d, pool, 0, on_read, &good) == WR_OK)
            asked++;
        wr_store_poll(s);
    }
    wr_store_drain(s);
    cr_assert_eq(k.a.err, WR_EIO);
    cr_assert_eq(good, asked);
    wr_buf_unref(put.buf);
    wr_store_close(s);
}

Test(store_lmdb, a_meta_page_without_room_refuses_and_goes_on)
{
    struct wr_store *s = must_open();

    cr_assert_eq(kit_put(s, 1, 1, 100000, 1), WR_OK);
    atomic_store(&meta_fails, ENOSPC);
    cr_assert_eq(kit_put(s, 2, 2, 100000, 1), WR_EFULL);
    cr_assert_not(has_failed(s));
    cr_assert_eq(kit_read(s, pool, 1, 1, 100000), WR_OK);
    cr_assert_eq(kit_read(s, pool, 2, 2, 100000), WR_ENOTFOUND);
    cr_assert_eq(kit_put(s, 2, 2, 100000, 1), WR_OK);
    wr_store_close(s);
    s = must_open();
    cr_assert_eq(kit_read(s, pool, 2, 2, 100000), WR_OK);
    wr_store_close(s);
}

/* LMDB calls a write that fits in part an I/O error. */
Test(store_lmdb, a_write_that_fits_in_part_is_a_full_disk)
{
    struct wr_store *s = must_open();

    cr_assert_eq(kit_put(s, 1, 1, 100000, 1), WR_OK);
    atomic_store(&disk_is_short, 1);
    cr_assert_eq(kit_put(s, 2, 2, 300000, 1), WR_EFULL);
    cr_assert_not(has_failed(s));
    cr_assert_eq(kit_read(s, pool, 1, 1, 100000), WR_OK);
    atomic_store(&disk_is_short, 0);
    wr_store_tick(s);
    cr_assert_eq(kit_put(s, 2, 2, 300000, 1), WR_OK);
    wr_store_close(s);
}

Test(store_lmdb, a_failed_store_confirms_nothing)
{
    struct wr_store *s = must_open();
    struct kit_answer k = {.got = false};
    struct wr_chunk_info info;
    uint8_t d[WR_DIGEST];

    cr_assert_eq(kit_put(s, 1, 1, 100, 1), WR_OK);
    cr_assert(have(s, 1));
    atomic_store(&sync_fails, 1);
    cr_assert_eq(kit_put(s, 2, 2, 100, 1), WR_EIO);
    atomic_store(&sync_fails, 0);
    kit_digest(1, d);
    cr_assert_eq(wr_store_have(s, d, 1, NULL, kit_keep, &k), WR_OK);
    wr_store_drain(s);
    cr_assert_eq(k.a.err, WR_EIO);
    cr_assert_eq(kit_stat(s, 1, &info), WR_OK);
    wr_store_close(s);
}

/* A power cut may leave it empty, for nobody syncs it. */
Test(store_lmdb, a_ballast_that_lost_its_length_is_made_again)
{
    char path[128];
    struct stat st;

    wr_store_close(must_open());
    path_in("ballast", path);
    cr_assert_eq(truncate(path, 100), 0);
    wr_store_close(must_open());
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_geq(st.st_size, 4 << 20);
}

Test(store_lmdb, a_full_disk_refuses_and_goes_on)
{
    struct wr_store *s = must_open();
    struct wr_store_usage u;

    cr_assert_eq(kit_put(s, 1, 1, 100000, 1), WR_OK);
    atomic_store(&write_fails, 1);
    cr_assert_eq(kit_put(s, 2, 2, 100000, 1), WR_EFULL);
    cr_assert_eq(kit_put(s, 3, 3, 100, 1), WR_EFULL);
    cr_assert_eq(kit_read(s, pool, 1, 1, 100000), WR_OK);
    atomic_store(&write_fails, 0);
    wr_store_usage(s, &u);
    cr_assert(!u.failed);
    cr_assert_geq(u.refused, 2);
    cr_assert_eq(kit_read(s, pool, 2, 2, 100000), WR_ENOTFOUND);
    cr_assert_eq(kit_put(s, 2, 2, 100000, 1), WR_OK);
    cr_assert_eq(kit_read(s, pool, 2, 2, 100000), WR_OK);
    wr_store_close(s);
}

Test(store_lmdb, the_ballast_lets_removals_pass_on_a_full_disk)
{
    struct wr_store *s = must_open();
    char path[128];

    path_in("ballast", path);
    cr_assert_eq(kit_put(s, 1, 1, 100000, 1), WR_OK);
    cr_assert_eq(kit_put(s, 2, 2, 100000, 1), WR_OK);
    cr_assert_eq(access(path, F_OK), 0);
    strcpy(ballast, path); /* From now on the disk is full. */
    cr_assert_eq(kit_drop(s, 1), WR_OK);
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert_eq(kit_read(s, pool, 1, 1, 100000), WR_ENOTFOUND);
    cr_assert_eq(kit_read(s, pool, 2, 2, 100000), WR_OK);
    ballast[0] = 0;
    wr_store_tick(s); /* There is room again: it is made again. */
    cr_assert_eq(kit_put(s, 3, 3, 100, 1), WR_OK);
    cr_assert_eq(access(path, F_OK), 0);
    wr_store_close(s);
}

/* LMDB writes its lock file through a map, where a disk without room is a
 * signal: it has its blocks before, or is not touched. */
Test(store_lmdb, a_lock_file_without_room_is_a_full_disk)
{
    struct wr_store *s = NULL;
    char lock[128], path[128];
    struct stat st;

    path_in("lock.mdb", lock);
    path_in("ballast", path);
    atomic_store(&write_fails, 1);
    cr_assert_eq(try_open(&s), WR_EFULL, "%s", why.text); /* A new store. */
    atomic_store(&write_fails, 0);
    s = must_open();
    cr_assert_eq(kit_put(s, 1, 1, 5000, 1), WR_OK);
    wr_store_close(s);
    atomic_store(&write_fails, 1);
    wr_store_close(must_open()); /* That one has its room. */
    cr_assert_eq(unlink(lock), 0);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(try_open(&s), WR_EFULL);
    cr_assert(strstr(why.text, "full") != NULL, "%s", why.text);
    cr_assert_eq(truncate(lock, 1152), 0); /* As a power cut may leave it. */
    cr_assert_eq(try_open(&s), WR_EFULL, "%s", why.text);
    atomic_store(&write_fails, 0);
    s = must_open(); /* Nothing is lost, and the ballast is there again. */
    cr_assert_eq(kit_read(s, pool, 1, 1, 5000), WR_OK);
    wr_store_close(s);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(unlink(lock), 0);
    strcpy(ballast, path); /* The disk is full but for that. */
    s = must_open();
    cr_assert_eq(kit_read(s, pool, 1, 1, 5000), WR_OK);
    wr_store_close(s);
}

/* The deletion that meets a full disk passes, and nothing has failed for good.
 */
static void drops_though_it_is_full(struct wr_store *s)
{

    cr_assert_eq(kit_drop(s, 1), WR_OK);
    cr_assert_eq(atomic_load(&meta_fails), 0);
    cr_assert_not(has_failed(s));
    cr_assert_eq(kit_read(s, pool, 2, 2, 100000), WR_OK);
    wr_store_close(s);
}

Test(store_lmdb, a_full_disk_that_has_no_room_for_a_meta_page_either)
{
    struct wr_store *s = must_open();

    cr_assert_eq(kit_put(s, 1, 1, 100000, 1), WR_OK);
    cr_assert_eq(kit_put(s, 2, 2, 100000, 1), WR_OK);
    path_in("ballast", ballast);
    atomic_store(&meta_fails, ENOSPC); /* Of the second attempt. */
    drops_though_it_is_full(s);
}

/* Two attempts find no room, and the small commit that is to make some none for
 * its meta page: LMDB refuses everything then, the disk nothing. */
Test(store_lmdb, a_full_disk_that_has_no_room_to_make_room)
{
    struct wr_store *s = must_open();

    cr_assert_eq(kit_put(s, 1, 1, 100000, 1), WR_OK);
    cr_assert_eq(kit_put(s, 2, 2, 100000, 1), WR_OK);
    atomic_store(&writes_lost, 2);
    atomic_store(&meta_fails, ENOSPC);
    drops_though_it_is_full(s);
}

/* Of all commits that a full disk calls for, one fails to be synced: it is the
 * disk that failed, and nothing is acknowledged (decision 0017). */
Test(store_lmdb, a_sync_that_fails_on_a_full_disk_is_no_lack_of_room)
{
    struct wr_store *s = must_open();

    cr_assert_eq(kit_put(s, 1, 1, 100000, 1), WR_OK);
    atomic_store(&writes_lost, 2);
    atomic_store(&syncs_lost, 1);
    cr_assert_eq(kit_drop(s, 1), WR_EIO);
    close_failed(s);
}

Test(store_lmdb, a_full_map_refuses_and_can_be_emptied)
{
    const struct wr_store_cfg cfg = {.map_bytes = 4 << 20};
    struct wr_store *s = NULL;
    uint64_t n = 0, again = 0;

    cr_assert_eq(wr_store_open_lmdb(dir.store, &cfg, &why, &s), WR_OK);
    while (n < 100 && kit_put(s, n, n, 100000, 1) == WR_OK)
        n++;
    cr_assert(n > 20 && n < 45, "%u", (unsigned)n);
    for (uint64_t i = 0; i < n; i++)
        cr_assert_eq(kit_read(s, pool, i, i, 100000), WR_OK);
    for (uint64_t i = 0; i < n / 2; i++)
        cr_assert_eq(kit_drop(s, i), WR_OK);
    while (again < n / 2 && kit_put(s, 1000 + again, again, 100000, 1) == WR_OK)
        again++;
    cr_assert_geq(again, n / 2 - 2);
    for (uint64_t i = n / 2; i < n; i++)
        cr_assert_eq(kit_read(s, pool, i, i, 100000), WR_OK);
    wr_store_close(s);
}

Test(store_lmdb, an_extent_survives_no_changed_bit)
{
    static uint8_t extent[WR_EXTENT_HEADER + 300];
    struct wr_buf *b = kit_bytes(1, 300);
    struct wr_extent x = {.number = 3,
                          .extents = 17,
                          .length = 1048576,
                          .hash = 0xb220,
                          .bytes = wr_span(b->p, 300)};
    struct wr_span in = wr_span(extent, sizeof(extent));
    uint8_t digest[WR_DIGEST];
    struct wr_extent got;

    kit_digest(1, digest);
    wr_extent_write(digest, &x, extent);
    cr_assert_eq(wr_extent_read(digest, in, &got), WR_OK);
    cr_assert_eq(got.number, 3);
    cr_assert_eq(got.extents, 17);
    cr_assert_eq(got.length, 1048576);
    cr_assert_eq(got.hash, 0xb220);
    cr_assert(wr_span_eq(got.bytes, x.bytes));
    for (size_t bit = 0; bit < 8 * sizeof(extent); bit++) {
        const bool spare = bit / 8 >= 80 && bit / 8 < WR_EXTENT_HEADER;

        extent[bit / 8] = (uint8_t)(extent[bit / 8] ^ 1u << bit % 8);
        cr_assert_eq(wr_extent_read(digest, in, &got),
                     spare ? WR_OK : WR_EDAMAGED, "bit %zu", bit);
        extent[bit / 8] = (uint8_t)(extent[bit / 8] ^ 1u << bit % 8);
    }
    wr_buf_unref(b);
}
