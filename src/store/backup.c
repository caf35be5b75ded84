/* backup.c - see backup.h. */
#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/lmdb_parts.h"

enum { LOOK_US = 100000, COPY_STEP = 1 << 20 };

/* ---- the new directory, which gets its name when all is in it ----------- */

struct target {
    char part[PATH_MAX], data[PATH_MAX];
    int fd;
};

static void target_remove(struct target *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    (void)unlink(t->data);
    (void)rmdir(t->part);
}

static enum wr_err target_make(struct target *t, const char *to,
                               struct wr_why *why)
{
    struct stat st;

    t->fd = -1;
    if (lstat(to, &st) == 0)
        return wr_why(why, WR_EINVAL,
                      "%s is there already; nothing was overwritten", to);
    if (!wr_store_path(to, ".part", t->part) ||
        !wr_store_path(t->part, "/data.mdb", t->data))
        return wr_why(why, WR_EINVAL, "the path %.200s is too long", to);
    target_remove(t); /* Of one that was cut off. */
    if (mkdir(t->part, 0700) == 0)
        t->fd = open(t->data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (t->fd < 0)
        return wr_why(why, wr_err_of_errno(errno), "cannot create %s: %s",
                      t->part, wr_errno_text(errno));
    return WR_OK;
}

static enum wr_err target_finish(struct target *t, const char *to,
                                 struct wr_why *why)
{
    enum wr_err err;

    if (fsync(t->fd) != 0)
        return wr_why(why, wr_err_of_errno(errno), "cannot write %s: %s",
                      t->data, wr_errno_text(errno));
    close(t->fd);
    t->fd = -1;
    err = wr_dir_sync(t->part, why);
    if (err == WR_OK && rename(t->part, to) != 0)
        err = wr_why(why, wr_err_of_errno(errno), "cannot create %s: %s", to,
                     wr_errno_text(errno));
    return err == WR_OK ? wr_dir_sync_parent(to, why) : err;
}

/* ---- backup ------------------------------------------------------------- */

struct copy {
    MDB_env *env;
    int fd, rc;
    atomic_bool over;
};

static void *copy_run(void *arg)
{
    struct copy *c = arg;

    c->rc = mdb_env_copyfd2(c->env, c->fd, MDB_CP_COMPACT);
    atomic_store(&c->over, true);
    return NULL;
}

/* Bytes that are in use, about. */
static uint64_t used(MDB_env *env, const char *data)
{
    struct stat st;
    MDB_envinfo info;
    MDB_stat tree;

    if (mdb_env_info(env, &info) == 0 && mdb_env_stat(env, &tree) == 0)
        return (info.me_last_pgno + 1) * tree.ms_psize;
    return stat(data, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static int copy_all(struct copy *c, const char *data, wr_backup_fn *fn,
                    void *arg)
{
    const uint64_t total = used(c->env, data);
    pthread_t thread;
    struct stat st;

    if (pthread_create(&thread, NULL, copy_run, c) != 0)
        return ENOMEM;
    while (!atomic_load(&c->over)) {
        if (fn != NULL && fstat(c->fd, &st) == 0)
            fn(arg, (uint64_t)st.st_size, total);
        usleep(LOOK_US); /* Between two looks at a long task. */
    }
    pthread_join(thread, NULL);
    return c->rc;
}

/* As a further process that reads: LMDB's own lock file keeps us apart from
 * the host, whose lock is not touched. */
static int reader_open(const char *from, MDB_env **ret)
{
    MDB_env *env;
    int rc = mdb_env_create(&env);

    if (rc != 0)
        return rc;
    rc = wr_lmdb_open(env, from, MDB_RDONLY);
    if (rc != 0) {
        mdb_env_close(env);
        return rc;
    }
    *ret = env;
    return 0;
}

static enum wr_err why_copy(int rc, const char *from, const char *at,
                            struct wr_why *why)
{
    if (rc == ENOSPC || rc == EDQUOT)
        return wr_why(why, WR_EFULL, "the disk of %s is full", at);
    return wr_why(why, wr_lmdb_err(rc), "cannot copy the store %s: %s", from,
                  mdb_strerror(rc));
}

enum wr_err wr_store_backup(const char *from, const char *to, wr_backup_fn *fn,
                            void *arg, struct wr_why *why)
{
    struct copy c = {.fd = -1};
    struct target t;
    char data[PATH_MAX];
    struct stat st;
    enum wr_err err;
    int rc;

    if (!wr_store_path(from, "/data.mdb", data))
        return wr_why(why, WR_EINVAL, "the path %.200s is too long", from);
    if (stat(data, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? wr_why(why, WR_ENOTFOUND, "there is no store in %s", from)
                   : wr_why(why, wr_err_of_errno(errno),
                            "cannot read the store %s: %s", from,
                            wr_errno_text(errno));
    err = target_make(&t, to, why);
    if (err != WR_OK)
        return err;
    rc = reader_open(from, &c.env);
    if (rc == 0) {
        c.fd = t.fd;
        rc = copy_all(&c, data, fn, arg);
        mdb_env_close(c.env);
    }
    /* LMDB's lock file lies with the store. */
    err = rc == 0 ? target_finish(&t, to, why)
                  : why_copy(rc, from, c.fd < 0 ? from : to, why);
    if (err != WR_OK)
        target_remove(&t);
    return err;
}

/* ---- restore ------------------------------------------------------------ */

static enum wr_err copy_bytes(int in, const struct target *t, uint64_t total,
                              wr_backup_fn *fn, void *arg, struct wr_why *why)
{
    uint8_t *bytes = malloc(COPY_STEP);
    uint64_t done = 0;
    ssize_t n = 0;

    if (bytes == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    while ((n = read(in, bytes, COPY_STEP)) > 0) {
        for (ssize_t at = 0; at < n;) {
            const ssize_t k = write(t->fd, bytes + at, (size_t)(n - at));

            if (k < 0) {
                const int e = errno;

                free(bytes);
                return wr_why(why, wr_err_of_errno(e), "cannot write %s: %s",
                              t->data, wr_errno_text(e));
            }
            at += k;
        }
        done += (uint64_t)n;
        if (fn != NULL)
            fn(arg, done, total);
    }
    free(bytes);
    return n == 0 ? WR_OK
                  : wr_why(why, wr_err_of_errno(errno),
                           "cannot read the backup: %s", wr_errno_text(errno));
}

enum wr_err wr_store_restore(const char *from, const char *to, wr_backup_fn *fn,
                             void *arg, struct wr_why *why)
{
    char data[PATH_MAX];
    struct target t;
    struct stat st;
    enum wr_err err;

    if (!wr_store_path(from, "/data.mdb", data))
        return wr_why(why, WR_EINVAL, "the path %.200s is too long", from);
    const int in = open(data, O_RDONLY | O_CLOEXEC);
    if (in < 0 || fstat(in, &st) != 0)
        return wr_why(why, wr_err_of_errno(errno), "cannot read %s: %s", data,
                      wr_errno_text(errno));
    err = target_make(&t, to, why);
    if (err == WR_OK) {
        err = copy_bytes(in, &t, (uint64_t)st.st_size, fn, arg, why);
        if (err == WR_OK)
            err = target_finish(&t, to, why);
        if (err != WR_OK)
            target_remove(&t);
    }
    close(in);
    return err;
}
