/*
 * lmdb_env.c - the LMDB environment on disk. A store is a directory:
 *
 *     PATH/data.mdb  PATH/lock.mdb   LMDB's
 *     PATH/ballast                   room for removals on a full disk
 *     PATH.lock                      held while a process has the store
 *     PATH.tmp/                      a store being made, never used as one
 *
 * LMDB writes its first two pages unsynced, and a crash there leaves a file
 * that it refuses. So a store is made beside its place, with its format record
 * committed and everything synced, and then renamed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/lmdb_parts.h"

static const char format_key[] = "format";
static const char totals_key[] = "totals";
static const char format_name[] = "wreath store";

enum wr_err wr_lmdb_err(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return WR_OK;
    case MDB_NOTFOUND:
        return WR_ENOTFOUND;
    case MDB_MAP_FULL:
        return WR_EFULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return WR_EDAMAGED;
    case MDB_VERSION_MISMATCH:
        return WR_EVERSION;
    default:
        return rc > 0 ? wr_err_of_errno(rc) : WR_EIO;
    }
}

bool wr_store_path(const char *path, const char *suffix, char ret[PATH_MAX])
{
    const int n = snprintf(ret, PATH_MAX, "%s%s", path, suffix);

    return n > 0 && n < PATH_MAX;
}

enum wr_err wr_store_lock(const char *path, struct wr_why *why,
                          struct wr_lock *ret)
{
    char lock[PATH_MAX], what[256];

    if (!wr_store_path(path, ".lock", lock))
        return wr_why(why, WR_EINVAL, "the path %.200s is too long", path);
    (void)snprintf(what, sizeof(what), "the store %s", path);
    return wr_lock_take(lock, what, why, ret);
}

static bool is_there(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

/* Virtual only, and sparse: large enough never to be what limits the store.
 * Free space inside the file may be a quarter of it at worst. */
static size_t map_bytes(const struct wr_store_cfg *cfg,
                        const struct wr_disk *disk)
{
    const uint64_t spare = UINT64_C(1) << 30;
    uint64_t n = disk->total + spare;

    if (cfg->map_bytes > 0)
        return cfg->map_bytes;
    if (cfg->quota > 0 && cfg->quota < disk->total)
        n = cfg->quota + cfg->quota / 4 + spare;
    if (sizeof(size_t) == 4 && n > spare)
        n = spare;
    return (size_t)(n & ~(uint64_t)0xfffff);
}

static bool is_no_room(int e)
{
    return e == ENOSPC || e == EDQUOT;
}

/* LMDB makes its lock file a sparse one and writes it through a map: on a full
 * disk that is a signal, and no error. So it gets its room before. One that has
 * it is left alone; what else is wrong with it LMDB says better. */
static int lock_file_fill(const char *dir)
{
    char path[PATH_MAX];
    struct stat st;
    int fd, e;

    if (!wr_store_path(dir, "/lock.mdb", path))
        return ENAMETOOLONG;
    if (stat(path, &st) == 0 && st.st_size > 0 &&
        (st.st_blocks * 512 >= st.st_size ||
         st.st_blocks * 512 >= WR_LMDB_LOCK_FILE))
        return 0;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return is_no_room(errno) ? errno : 0;
    do
        e = posix_fallocate(fd, 0, WR_LMDB_LOCK_FILE);
    while (e == EINTR);
    close(fd);
    return is_no_room(e) ? e : 0;
}

int wr_lmdb_open(MDB_env *env, const char *dir, unsigned flags)
{
    int rc = mdb_env_set_maxreaders(env, WR_LMDB_PLACES);

    if (rc == 0 && (flags & MDB_NOLOCK) == 0)
        rc = lock_file_fill(dir);
    return rc == 0 ? mdb_env_open(env, dir, MDB_NOTLS | flags, 0600) : rc;
}

static int env_open(const char *dir, size_t map, unsigned flags, MDB_env **ret)
{
    MDB_env *env;
    int rc = mdb_env_create(&env);

    if (rc != 0)
        return rc;
    rc = mdb_env_set_maxdbs(env, 8);
    if (rc == 0)
        rc = mdb_env_set_mapsize(env, map);
    /* Full durability: no flag that weakens it, ever. */
    if (rc == 0)
        rc = wr_lmdb_open(env, dir, flags);
    if (rc != 0) {
        mdb_env_close(env);
        return rc;
    }
    *ret = env;
    return 0;
}

static size_t format_write(uint8_t ret[32])
{
    struct wr_writer w = wr_writer(ret, 32);

    wr_write(&w, format_name, sizeof(format_name));
    wr_write_be32(&w, WR_LMDB_FORMAT);
    WR_CHECK(!w.bad);
    return w.n;
}

/* Makes the tables and the format record of a new environment. */
static int format_new(MDB_env *env)
{
    static const char *const names[] = {"index", "payload", "refs", "roots",
                                        "metas", "sums",    "own"};
    uint8_t format[32];
    MDB_val k = wr_val(format_key, sizeof(format_key));
    MDB_val v = wr_val(format, format_write(format));
    MDB_txn *txn;
    MDB_dbi dbi = 0;
    int rc = mdb_txn_begin(env, NULL, 0, &txn);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < WR_ARRAY_LEN(names) && rc == 0; i++)
        rc = mdb_dbi_open(txn, names[i], MDB_CREATE, &dbi);
    if (rc == 0)
        rc = mdb_put(txn, dbi, &k, &v, 0); /* In "own", the last. */
    if (rc == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

static void remove_tmp(const char *tmp)
{
    static const char *const names[] = {"/data.mdb", "/lock.mdb"};
    char path[PATH_MAX];

    for (size_t i = 0; i < WR_ARRAY_LEN(names); i++)
        if (wr_store_path(tmp, names[i], path))
            (void)unlink(path);
    (void)rmdir(tmp);
}

static enum wr_err sync_file(const char *path, struct wr_why *why)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    int e = 0;

    if (fd < 0 || fsync(fd) != 0)
        e = errno;
    if (fd >= 0)
        close(fd);
    if (e == 0)
        return WR_OK;
    return wr_why(why, wr_err_of_errno(e), "cannot sync %s: %s", path,
                  wr_errno_text(e));
}

/* No more than a full disk is expected to have. */
static bool is_short_of_room(const char *path)
{
    struct wr_disk disk;

    return wr_disk_read(path, NULL, &disk) == WR_OK &&
           disk.free < WR_LMDB_BALLAST / 4;
}

static enum wr_err create(const char *path, size_t map, struct wr_why *why)
{
    char tmp[PATH_MAX], data[PATH_MAX];
    MDB_env *env = NULL;
    enum wr_err err;
    int rc;

    if (!wr_store_path(path, ".tmp", tmp) ||
        !wr_store_path(tmp, "/data.mdb", data))
        return wr_why(why, WR_EINVAL, "the path %.200s is too long", path);
    remove_tmp(tmp); /* Of a process that died here. */
    if (mkdir(tmp, 0700) != 0)
        return wr_why(why, wr_err_of_errno(errno), "cannot create %s: %s", tmp,
                      wr_errno_text(errno));
    rc = env_open(tmp, map, 0, &env);
    if (rc == 0)
        rc = format_new(env);
    mdb_env_close(env);
    /* A write that fits in part is EIO to LMDB. */
    if (rc == EIO && is_short_of_room(tmp))
        rc = ENOSPC;
    if (rc != 0) {
        remove_tmp(tmp);
        return wr_why(why, wr_lmdb_err(rc),
                      "cannot create a store in %s: %s; is the disk full?",
                      path, mdb_strerror(rc));
    }
    err = sync_file(data, why);
    if (err == WR_OK)
        err = wr_dir_sync(tmp, why);
    if (err != WR_OK)
        return err;
    if (rename(tmp, path) != 0) {
        const int e = errno;

        remove_tmp(tmp);
        if (e == EEXIST || e == ENOTEMPTY || e == ENOTDIR)
            return wr_why(why, WR_EDAMAGED,
                          "%s is there, but is not a wreath store; give the "
                          "store an empty place of its own",
                          path);
        return wr_why(why, wr_err_of_errno(e), "cannot create %s: %s", path,
                      wr_errno_text(e));
    }
    return WR_OK; /* Who opens it makes its name durable. */
}

static enum wr_err not_ours(const char *path, const char *fault,
                            struct wr_why *why)
{
    return wr_why(why, WR_EDAMAGED,
                  "%s is not a wreath store, or is damaged (%s); "
                  "nothing was changed",
                  path, fault);
}

/* Judges the format record. */
static enum wr_err judge(struct wr_lmdb_env *e, MDB_txn *txn,
                         uint32_t *ret_version, struct wr_why *why)
{
    MDB_val k = wr_val(format_key, sizeof(format_key)), v;
    struct wr_reader r;
    struct wr_span name;
    uint32_t version;

    *ret_version = 0;
    if (mdb_get(txn, e->own, &k, &v) != 0)
        return not_ours(e->path, "no format record", why);
    if (!wr_lmdb_run_find_map(e, v))
        return not_ours(e->path, "a page is not the one that it says", why);
    r = wr_reader(wr_val_span(v));
    name = wr_read(&r, sizeof(format_name));
    version = wr_read_be32(&r);
    if (r.bad || !wr_span_eq(name, wr_span(format_name, sizeof(format_name))))
        return not_ours(e->path, "a strange format record", why);
    if (version > WR_LMDB_FORMAT)
        return wr_why(why, WR_EVERSION,
                      "%s was written by a newer wreath (format %u, this one "
                      "knows %d); use that version, nothing was changed",
                      e->path, version, WR_LMDB_FORMAT);
    *ret_version = version;
    return WR_OK;
}

static enum wr_err totals_read(struct wr_lmdb_env *e, MDB_txn *txn)
{
    MDB_val k = wr_val(totals_key, sizeof(totals_key)), v;
    const int rc = mdb_get(txn, e->own, &k, &v);
    struct wr_reader r;

    if (rc == MDB_NOTFOUND)
        return WR_OK; /* A store that never had a chunk. */
    if (rc != 0)
        return wr_lmdb_err(rc);
    r = wr_reader(wr_val_span(v));
    e->totals.chunk_bytes = wr_read_be64(&r);
    return r.bad ? WR_EDAMAGED : WR_OK;
}

int wr_lmdb_totals_put(const struct wr_lmdb_env *e, MDB_txn *txn,
                       const struct wr_totals *t)
{
    uint8_t bytes[8];
    struct wr_writer w = wr_writer(bytes, sizeof(bytes));
    MDB_val k = wr_val(totals_key, sizeof(totals_key));
    MDB_val v = wr_val(bytes, sizeof(bytes));

    wr_write_be64(&w, t->chunk_bytes);
    return mdb_put(txn, e->own, &k, &v, 0);
}

/* Makes a store of format 1 one of ours, in one transaction. A wreath that
 * knows that format alone would leave the sums behind what they sum up. */
static enum wr_err upgrade(struct wr_lmdb_env *e, struct wr_why *why)
{
    uint8_t format[32];
    MDB_val k = wr_val(format_key, sizeof(format_key));
    MDB_val v = wr_val(format, format_write(format));
    MDB_txn *txn;
    int rc = mdb_txn_begin(e->env, NULL, 0, &txn);

    if (rc == 0) {
        rc = mdb_dbi_open(txn, "sums", MDB_CREATE, &e->sums);
        if (rc == 0)
            rc = wr_lmdb_sums_build(e, txn);
        if (rc == 0)
            rc = mdb_put(txn, e->own, &k, &v, 0);
        if (rc == 0)
            rc = mdb_txn_commit(txn);
        else
            mdb_txn_abort(txn);
    }
    if (rc == 0)
        return WR_OK;
    return wr_why(why, wr_lmdb_err(rc),
                  "cannot bring the store %s to this version: %s; is the disk "
                  "full?",
                  e->path, mdb_strerror(rc));
}

/* Opens the tables and reads what is known of them. */
static enum wr_err tables_open(struct wr_lmdb_env *e, bool read_only,
                               struct wr_why *why)
{
    const struct {
        const char *name;
        MDB_dbi *dbi;
    } tables[] = {{"own", &e->own},         {"index", &e->index},
                  {"payload", &e->payload}, {"refs", &e->refs},
                  {"roots", &e->roots},     {"metas", &e->metas},
                  {"sums", &e->sums}};
    size_t tables_n = WR_ARRAY_LEN(tables);
    enum wr_err err = WR_OK;
    uint32_t version = 0;
    MDB_txn *txn;
    int rc = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);

    if (rc != 0)
        return wr_why(why, wr_lmdb_err(rc), "cannot read the store %s: %s",
                      e->path, mdb_strerror(rc));
    for (size_t i = 0; i < tables_n && err == WR_OK; i++) {
        if (mdb_dbi_open(txn, tables[i].name, 0, tables[i].dbi) != 0)
            err = not_ours(e->path, "a table is missing", why);
        else if (i == 0) /* A newer format may have other tables. */
            err = judge(e, txn, &version, why);
        if (version < 2)
            tables_n = WR_ARRAY_LEN(tables) - 1; /* No sums yet. */
    }
    if (err == WR_OK && totals_read(e, txn) != WR_OK)
        err = not_ours(e->path, "its totals are unreadable", why);
    if (err == WR_OK)
        mdb_txn_commit(txn); /* Keeps the handles. */
    else
        mdb_txn_abort(txn);
    return err == WR_OK && version < 2 && !read_only ? upgrade(e, why) : err;
}

static enum wr_err why_open(const char *path, int rc, struct wr_why *why)
{
    if (rc == EACCES || rc == EPERM || rc == EROFS)
        return wr_why(why, WR_EPERM,
                      "cannot write in %s: %s; give the directory to the user "
                      "that runs wreath",
                      path, wr_errno_text(rc));
    if (rc == MDB_INVALID || rc == MDB_CORRUPTED)
        return not_ours(path, mdb_strerror(rc), why);
    if (rc == EBADF) /* LMDB would begin it anew, and may not write. */
        return not_ours(path, "it is empty", why);
    if (rc == MDB_VERSION_MISMATCH)
        return wr_why(why, WR_EVERSION,
                      "%s was made with another version of LMDB", path);
    if (is_no_room(rc))
        return wr_why(why, WR_EFULL,
                      "cannot open the store %s: its disk is full; make some "
                      "room there",
                      path);
    return wr_why(why, wr_lmdb_err(rc), "cannot open the store %s: %s", path,
                  mdb_strerror(rc));
}

/* The parent of `path` is where the lock and a new store are made. */
static enum wr_err parent_check(const char *path, struct wr_disk *disk,
                                struct wr_why *why)
{
    char dir[PATH_MAX];
    size_t n = strlen(path);
    enum wr_err err;

    while (n > 0 && path[n - 1] != '/')
        n--;
    if (n == 0)
        (void)wr_store_path(".", "", dir);
    else if (snprintf(dir, sizeof(dir), "%.*s", (int)n, path) >= PATH_MAX)
        return wr_why(why, WR_EINVAL, "the path %.200s is too long", path);
    err = wr_disk_read(is_there(path) ? path : dir, why, disk);
    if (err == WR_OK && disk->remote)
        err = wr_why(why, WR_EUNSUPPORTED,
                     "%s is on a network filesystem, where LMDB would corrupt "
                     "data; put the store on a local disk",
                     path);
    return err;
}

/* A store that is there. */
static enum wr_err env_use(struct wr_lmdb_env *e, size_t map, unsigned flags,
                           struct wr_why *why)
{
    enum wr_err err;
    MDB_stat st;
    int dead;
    int rc = env_open(e->path, map, flags, &e->env);

    e->map = NULL;
    if (rc != 0)
        return why_open(e->path, rc, why);
    rc = mdb_reader_check(e->env, &dead);
    if (rc == 0)
        rc = mdb_env_stat(e->env, &st);
    if (rc == 0) {
        e->page_bytes = st.ms_psize;
        err = tables_open(e, (flags & MDB_RDONLY) != 0, why);
    } else {
        err = why_open(e->path, rc, why);
    }
    if (err != WR_OK) {
        mdb_env_close(e->env);
        e->env = NULL;
    }
    return err;
}

enum wr_err wr_lmdb_env_open(struct wr_lmdb_env *e, const char *path,
                             const struct wr_store_cfg *cfg, struct wr_why *why)
{
    char data[PATH_MAX];
    struct wr_disk disk;
    enum wr_err err;

    *e = (struct wr_lmdb_env){.lock = {-1}, .heard = -1, .path = strdup(path)};
    if (e->path == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    if (!wr_store_path(path, "/data.mdb", data))
        return wr_why(why, WR_EINVAL, "the path %.200s is too long", path);
    err = parent_check(path, &disk, why);
    if (err != WR_OK)
        return err;
    err = wr_store_lock(path, why, &e->lock);
    if (err != WR_OK)
        return err;
    if (!is_there(data)) {
        err = create(path, map_bytes(cfg, &disk), why);
        if (err != WR_OK)
            return err;
    }
    err = env_use(e, map_bytes(cfg, &disk), 0, why);
    if (err == WR_EFULL) { /* Of the lock file; or to upgrade. */
        wr_lmdb_ballast_drop(e);
        err = env_use(e, map_bytes(cfg, &disk), 0, why);
    }
    if (err != WR_OK)
        return err;
    /* What a killed process has written, or named, may still be in memory
     * alone; nothing is answered by it before it is on the disk. */
    e->heard = open(data, O_RDWR | O_CLOEXEC);
    if (e->heard < 0 || fdatasync(e->heard) != 0)
        return wr_why(why, wr_err_of_errno(errno), "cannot sync %s: %s", data,
                      wr_errno_text(errno));
    return wr_dir_sync_parent(path, why);
}

enum wr_err wr_lmdb_env_reopen(struct wr_lmdb_env *e,
                               const struct wr_store_cfg *cfg,
                               struct wr_why *why)
{
    struct wr_disk disk;
    enum wr_err err;

    if (e->env != NULL)
        mdb_env_close(e->env);
    e->env = NULL;
    err = wr_disk_read(e->path, why, &disk);
    return err == WR_OK ? env_use(e, map_bytes(cfg, &disk), 0, why) : err;
}

enum wr_err wr_lmdb_env_open_read(struct wr_lmdb_env *e, const char *path,
                                  struct wr_why *why)
{
    char data[PATH_MAX];
    struct stat st;

    *e = (struct wr_lmdb_env){.lock = {-1}, .heard = -1, .path = strdup(path)};
    if (e->path == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    if (!wr_store_path(path, "/data.mdb", data))
        return wr_why(why, WR_EINVAL, "the path %.200s is too long", path);
    if (stat(data, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? wr_why(why, WR_ENOTFOUND, "there is no store in %s", path)
                   : wr_why(why, wr_err_of_errno(errno),
                            "cannot read the store %s: %s", path,
                            wr_errno_text(errno));
    /* A place that cannot be written has no other user. */
    if (wr_store_lock(path, why, &e->lock) == WR_ELOCKED)
        return WR_ELOCKED;
    return env_use(e, (size_t)st.st_size, MDB_RDONLY | MDB_NOLOCK, why);
}

void wr_lmdb_env_close(struct wr_lmdb_env *e)
{
    if (e->env != NULL)
        mdb_env_close(e->env);
    if (e->heard >= 0)
        close(e->heard);
    wr_lock_release(&e->lock);
    free(e->path);
    e->env = NULL;
    e->path = NULL;
}

enum wr_err wr_lmdb_env_measure(const struct wr_lmdb_env *e, MDB_txn *txn,
                                uint64_t quota, struct wr_store_usage *u)
{
    const MDB_dbi dbis[] = {e->index, e->payload, e->refs, e->roots,
                            e->metas, e->sums,    e->own};
    uint64_t pages = 2, file;
    struct wr_disk disk;
    struct stat data;
    MDB_envinfo info;
    MDB_stat st;

    for (size_t i = 0; i < WR_ARRAY_LEN(dbis); i++) {
        const int rc = mdb_stat(txn, dbis[i], &st);

        if (rc != 0)
            return wr_lmdb_err(rc);
        pages += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
        if (dbis[i] == e->index)
            u->chunks = st.ms_entries;
        else if (dbis[i] == e->roots)
            u->roots = st.ms_entries;
    }
    u->used = pages * e->page_bytes;
    if (wr_disk_read(e->path, NULL, &disk) != WR_OK)
        return WR_OK; /* What was known of the disk stands. */
    if (mdb_env_info(e->env, &info) != 0)
        return WR_EIO;
    /* Pages that are free inside the file are room as well, and what writes
     * that found no end have left behind it. */
    file = ((uint64_t)info.me_last_pgno + 1) * e->page_bytes;
    if (fstat(e->heard, &data) == 0 && (uint64_t)data.st_size > file)
        file = (uint64_t)data.st_size;
    u->capacity = file + disk.free;
    if (!e->ballast) /* Removals keep their room. */
        u->capacity -=
            u->capacity < WR_LMDB_BALLAST ? u->capacity : WR_LMDB_BALLAST;
    if (quota > 0 && u->capacity > quota)
        u->capacity = quota;
    u->space = wr_space_of(u->used, u->capacity);
    return WR_OK;
}

bool wr_lmdb_env_is_full(const struct wr_lmdb_env *e)
{
    return fdatasync(e->heard) == 0 && is_short_of_room(e->path);
}

/* A power cut may have left a shorter one. */
static bool ballast_is_whole(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_size >= WR_LMDB_BALLAST &&
           st.st_blocks * 512 >= WR_LMDB_BALLAST;
}

void wr_lmdb_ballast_make(struct wr_lmdb_env *e)
{
    char path[PATH_MAX];
    struct wr_disk disk;
    int fd;

    if (!wr_store_path(e->path, "/ballast", path))
        return;
    e->ballast = ballast_is_whole(path);
    /* It takes nobody's last room. */
    if (e->ballast || wr_disk_read(e->path, NULL, &disk) != WR_OK ||
        disk.free < 2 * WR_LMDB_BALLAST)
        return;
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return; /* It can wait. */
    e->ballast = posix_fallocate(fd, 0, WR_LMDB_BALLAST) == 0;
    if (!e->ballast)
        (void)unlink(path);
    close(fd);
}

void wr_lmdb_ballast_drop(struct wr_lmdb_env *e)
{
    char path[PATH_MAX];

    if (wr_store_path(e->path, "/ballast", path))
        (void)unlink(path);
    e->ballast = false;
}
