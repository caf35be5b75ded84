/* salvage.c - see salvage.h: the scratch table, the second half, and the
 * whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "object/hash.h"
#include "store/lmdb_parts.h"
#include "store/salvage_parts.h"

enum {
    PLACE_KEY = WR_EXTENT_KEY + 8,
    NOTES_MAX = 20000, /* In a transaction of the scratch table. */
    EXTENTS_MAX = 17,  /* Of the largest chunk. */
    RIVALS_MAX = 4, /* Extents that claim one place in a chunk: old copies, */
    MIXES_MAX = 64, /* or a liar's. So many ways to put them together. */
};

#define LAST (UINT64_C(1) << 63) /* Of a place in the file. */

/* ---- the scratch table -------------------------------------------------- */

static enum wr_err note(struct wr_salvager *s, MDB_dbi dbi, const uint8_t *key,
                        size_t n)
{
    MDB_val k = wr_val(key, n), v = wr_val("", 0);
    int rc = mdb_put(s->txn, dbi, &k, &v, 0);

    if (rc == 0 && ++s->noted >= NOTES_MAX) {
        s->noted = 0;
        rc = mdb_txn_commit(s->txn);
        s->txn = NULL;
        if (rc == 0)
            rc = mdb_txn_begin(s->env, NULL, 0, &s->txn);
    }
    return wr_lmdb_err(rc);
}

enum wr_err wr_salvage_note_extent(struct wr_salvager *s, const uint8_t *digest,
                                   uint32_t number, uint64_t offset,
                                   bool in_place)
{
    uint8_t key[PLACE_KEY];
    struct wr_writer w = wr_writer(key + WR_EXTENT_KEY, 8);

    wr_extent_key(digest, number, key);
    wr_write_be64(&w, in_place ? offset : offset | LAST);
    return note(s, s->extents, key, sizeof(key));
}

enum wr_err wr_salvage_note_ref(struct wr_salvager *s, const uint8_t *digest,
                                const uint8_t *put_id)
{
    uint8_t key[WR_REF_KEY];

    memcpy(key, digest, WR_DIGEST);
    memcpy(key + WR_DIGEST, put_id, WR_PUT_ID);
    return note(s, s->refs, key, sizeof(key));
}

void wr_salvage_progress(struct wr_salvager *s, uint64_t done)
{
    if (s->fn != NULL) /* Each byte is read twice. */
        s->fn(s->arg, done, 2 * s->pages * s->page_bytes);
}

/* ---- into the new store ------------------------------------------------- */

static void on_stored(void *arg, const struct wr_store_answer *a)
{
    struct wr_salvager *s = arg;

    if (s->stored == WR_OK)
        s->stored = a->err;
}

/* Room for one more request; what failed so far. */
static enum wr_err ready(struct wr_salvager *s, size_t bytes)
{
    const struct wr_store_room room = wr_store_room(s->store);

    if (room.requests == 0 || room.bytes < bytes)
        wr_store_drain(s->store);
    else
        wr_store_poll(s->store);
    return s->stored;
}

enum wr_err wr_salvage_root(struct wr_salvager *s, const uint8_t *position,
                            uint64_t version, struct wr_span bytes)
{
    const enum wr_err err = ready(s, bytes.n);

    if (err != WR_OK)
        return err;
    return wr_store_root_put(s->store, position, version, bytes, on_stored, s);
}

/* Puts the chunk with its references, or with the one that is nobody's. */
static enum wr_err keep(struct wr_salvager *s, MDB_cursor *refs,
                        const uint8_t *digest, uint64_t hash,
                        struct wr_buf *buf)
{
    struct wr_store_put put = {
        .hash = hash, .repair = true, .buf = buf, .bytes = {buf->p, buf->n}};
    const uint8_t *id = NULL;
    enum wr_err err = ready(s, buf->n);
    bool first = true;

    memcpy(put.digest, digest, WR_DIGEST);
    memcpy(put.put_id, wr_put_id_salvaged, WR_PUT_ID);
    while (err == WR_OK && wr_lmdb_spilled(refs, digest, &id) == 0) {
        if (first) {
            memcpy(put.put_id, id, WR_PUT_ID);
            err = wr_store_put(s->store, &put, on_stored, s);
        } else {
            err = wr_store_have(s->store, digest, 1, id, on_stored, s);
        }
        if (err == WR_OK)
            err = ready(s, WR_DIGEST);
        first = false;
    }
    if (first && err == WR_OK)
        err = wr_store_put(s->store, &put, on_stored, s);
    else
        s->tally->referred++;
    s->tally->chunks++;
    s->tally->chunk_bytes += buf->n;
    return err;
}

/* ---- chunk by chunk ----------------------------------------------------- */

/* Where the extents of one chunk lie. */
struct chunk {
    uint8_t digest[WR_DIGEST];
    uint64_t at[EXTENTS_MAX][RIVALS_MAX];
    uint8_t rivals[EXTENTS_MAX];
};

/* Reads the extent at `offset`; it must be number `i` of the chunk. */
static bool extent_load(struct wr_salvager *s, const struct chunk *c,
                        uint32_t i, uint64_t offset, uint8_t *room,
                        struct wr_extent *ret)
{
    const ssize_t n =
        pread(s->fd, room, WR_EXTENT_HEADER + WR_EXTENT_BYTES, (off_t)offset);

    return n > 0 && wr_extent_find(wr_span(room, (size_t)n), ret) > 0 &&
           memcmp(ret->digest, c->digest, WR_DIGEST) == 0 && ret->number == i;
}

/* Which rival stands at place `i` in mix number `mix`. */
static uint32_t choice(const struct chunk *c, uint32_t mix, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (c->rivals[k] > 0)
            mix /= c->rivals[k];
    return c->rivals[i] > 0 ? mix % c->rivals[i] : 0;
}

/* The chunk from one extent of each place; whether it has its hash. */
static bool assemble(struct wr_salvager *s, const struct chunk *c, uint32_t mix,
                     uint8_t *room, struct wr_buf *buf, uint64_t *ret_hash)
{
    uint32_t extents = 1, length = 0;
    enum wr_hash hash;

    buf->n = 0;
    for (uint32_t i = 0; i < extents; i++) {
        struct wr_extent x;

        if (i >= EXTENTS_MAX || c->rivals[i] == 0 ||
            !extent_load(s, c, i, c->at[i][choice(c, mix, i)], room, &x))
            return false;
        if (i == 0) {
            extents = x.extents;
            length = x.length;
            *ret_hash = x.hash;
        }
        if (x.extents != extents || x.length != length || x.hash != *ret_hash ||
            x.bytes.n > WR_STORE_CHUNK_MAX - buf->n)
            return false;
        if (x.bytes.n > 0)
            memcpy(buf->p + buf->n, x.bytes.p, x.bytes.n);
        buf->n += (uint32_t)x.bytes.n;
    }
    return buf->n == length && wr_hash_from_code(*ret_hash, &hash) == WR_OK &&
           wr_hash_matches(hash, wr_span(buf->p, buf->n), c->digest);
}

static enum wr_err bring_back(struct wr_salvager *s, MDB_cursor *refs,
                              const struct chunk *c, uint8_t *room)
{
    struct wr_buf *buf = wr_buf_new(WR_STORE_CHUNK_MAX);
    uint32_t mixes = 1;
    enum wr_err err = WR_OK;
    uint64_t hash = 0;
    bool whole = false;

    if (buf == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < EXTENTS_MAX && mixes < MIXES_MAX; i++)
        if (c->rivals[i] > 0)
            mixes *= c->rivals[i];
    for (uint32_t mix = 0; mix < mixes && !whole; mix++)
        whole = assemble(s, c, mix, room, buf, &hash);
    if (whole)
        err = keep(s, refs, c->digest, hash, buf);
    else
        s->tally->incomplete++;
    wr_buf_unref(buf);
    return err;
}

/* Adds what one note says to its chunk. */
static void gather(struct chunk *c, const uint8_t *key)
{
    struct wr_reader r = wr_reader(wr_span(key + WR_DIGEST, 12));
    const uint32_t number = wr_read_be32(&r);
    const uint64_t offset = wr_read_be64(&r) & ~LAST;

    if (number < EXTENTS_MAX && c->rivals[number] < RIVALS_MAX)
        c->at[number][c->rivals[number]++] = offset;
}

static enum wr_err chunks(struct wr_salvager *s, MDB_cursor *extents,
                          MDB_cursor *refs, uint8_t *room)
{
    const uint64_t half = s->pages * s->page_bytes;
    struct chunk c = {.rivals = {0}};
    enum wr_err err = WR_OK;
    bool any = false;
    uint64_t n = 0, all;
    MDB_stat st;
    MDB_val k, v;
    int rc = mdb_stat(s->txn, s->extents, &st);

    all = rc == 0 && st.ms_entries > 0 ? st.ms_entries : 1;
    for (rc = mdb_cursor_get(extents, &k, &v, MDB_FIRST);
         rc == 0 && err == WR_OK;
         rc = mdb_cursor_get(extents, &k, &v, MDB_NEXT)) {
        if (any && memcmp(c.digest, k.mv_data, WR_DIGEST) != 0) {
            err = bring_back(s, refs, &c, room);
            c = (struct chunk){.rivals = {0}};
        }
        any = true;
        memcpy(c.digest, k.mv_data, WR_DIGEST);
        gather(&c, k.mv_data);
        wr_salvage_progress(s, half + half / all * n++);
    }
    if (any && err == WR_OK)
        err = bring_back(s, refs, &c, room);
    if (err == WR_OK && rc != MDB_NOTFOUND)
        err = wr_lmdb_err(rc);
    return err;
}

static enum wr_err rebuild(struct wr_salvager *s)
{
    uint8_t *room = malloc(WR_EXTENT_HEADER + WR_EXTENT_BYTES);
    MDB_cursor *extents = NULL, *refs = NULL;
    struct wr_store_usage u;
    enum wr_err err;
    int rc = mdb_cursor_open(s->txn, s->extents, &extents);

    if (rc == 0)
        rc = mdb_cursor_open(s->txn, s->refs, &refs);
    err = room == NULL ? WR_ENOMEM : wr_lmdb_err(rc);
    if (err == WR_OK)
        err = chunks(s, extents, refs, room);
    if (extents != NULL)
        mdb_cursor_close(extents);
    if (refs != NULL)
        mdb_cursor_close(refs);
    free(room);
    wr_store_drain(s->store);
    wr_store_usage(s->store, &u);
    s->tally->roots = u.roots;
    return err == WR_OK ? s->stored : err;
}

/* ---- the whole ---------------------------------------------------------- */

/* What lies in NEW.part, and the folder itself. */
static void remove_part(const char *part)
{
    static const char *const names[] = {"/found/data.mdb",
                                        "/found/lock.mdb",
                                        "/found",
                                        "/store/data.mdb",
                                        "/store/lock.mdb",
                                        "/store/ballast",
                                        "/store",
                                        "/store.lock",
                                        "/store.tmp/data.mdb",
                                        "/store.tmp/lock.mdb",
                                        "/store.tmp"};
    char path[PATH_MAX];

    for (size_t i = 0; i < WR_ARRAY_LEN(names); i++)
        if (wr_store_path(part, names[i], path))
            (void)remove(path);
    (void)rmdir(part);
}

static int scratch_open(struct wr_salvager *s, const char *part)
{
    const size_t spare = (size_t)1 << 30;
    char dir[PATH_MAX];
    int rc = mdb_env_create(&s->env);

    if (rc != 0 || !wr_store_path(part, "/found", dir))
        return rc != 0 ? rc : ENAMETOOLONG;
    if (mkdir(dir, 0700) != 0)
        return errno;
    rc = mdb_env_set_mapsize(s->env, s->pages * s->page_bytes + spare);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(s->env, 2);
    if (rc == 0) /* Nobody needs it after us. */
        rc = wr_lmdb_open(s->env, dir, MDB_NOSYNC);
    if (rc == 0)
        rc = mdb_txn_begin(s->env, NULL, 0, &s->txn);
    if (rc == 0)
        rc = mdb_dbi_open(s->txn, "extents", MDB_CREATE, &s->extents);
    if (rc == 0)
        rc = mdb_dbi_open(s->txn, "refs", MDB_CREATE, &s->refs);
    return rc;
}

static enum wr_err work(struct wr_salvager *s, const char *part,
                        struct wr_why *why)
{
    const struct wr_store_cfg cfg = {0};
    char store[PATH_MAX];
    enum wr_err err;
    const int rc = scratch_open(s, part);

    if (rc != 0)
        return wr_why(why, wr_lmdb_err(rc), "cannot write in %s: %s", part,
                      mdb_strerror(rc));
    if (!wr_store_path(part, "/store", store))
        return wr_why(why, WR_EINVAL, "the path %.200s is too long", part);
    err = wr_store_open_lmdb(store, &cfg, why, &s->store);
    if (err != WR_OK)
        return err;
    err = wr_salvage_scan(s);
    if (err == WR_OK)
        err = rebuild(s);
    wr_store_drain(s->store);
    if (err == WR_EFULL)
        return wr_why(why, err,
                      "the disk of %s is too full for the new store; it takes "
                      "as much as the old one",
                      part);
    if (err != WR_OK)
        return wr_why(why, err, "cannot write the new store in %s: %s", part,
                      wr_err_text(err));
    return WR_OK;
}

static void work_done(struct wr_salvager *s)
{
    wr_store_close(s->store);
    if (s->txn != NULL)
        mdb_txn_abort(s->txn);
    if (s->env != NULL)
        mdb_env_close(s->env);
    close(s->fd);
}

static enum wr_err open_old(struct wr_salvager *s, const char *old,
                            struct wr_lock *lock, struct wr_why *why)
{
    char path[PATH_MAX];
    struct stat st;

    /* A place that cannot be written, as a rescued disk, has no other user. */
    if (wr_store_lock(old, why, lock) == WR_ELOCKED)
        return WR_ELOCKED;
    if (!wr_store_path(old, "/data.mdb", path))
        return wr_why(why, WR_EINVAL, "the path %.200s is too long", old);
    s->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &st) != 0)
        return wr_why(why, wr_err_of_errno(errno), "cannot read %s: %s", path,
                      wr_errno_text(errno));
    s->page_bytes = wr_salvage_page_bytes(s->fd);
    s->pages = ((uint64_t)st.st_size + s->page_bytes - 1) / s->page_bytes;
    return WR_OK;
}

static enum wr_err make_part(const char *new_path, char part[PATH_MAX],
                             struct wr_why *why)
{
    struct stat st;

    if (lstat(new_path, &st) == 0)
        return wr_why(why, WR_EINVAL,
                      "%s is there already; name a place for the new store "
                      "that is not",
                      new_path);
    if (!wr_store_path(new_path, ".part", part))
        return wr_why(why, WR_EINVAL, "the path %.200s is too long", new_path);
    remove_part(part); /* Of a salvage that was cut off. */
    if (mkdir(part, 0700) != 0)
        return wr_why(why, wr_err_of_errno(errno), "cannot create %s: %s", part,
                      wr_errno_text(errno));
    return WR_OK;
}

static enum wr_err finish(const char *part, const char *new_path,
                          struct wr_why *why)
{
    char store[PATH_MAX];

    if (!wr_store_path(part, "/store", store))
        return wr_why(why, WR_EINVAL, "the path %.200s is too long", part);
    if (rename(store, new_path) != 0)
        return wr_why(why, wr_err_of_errno(errno), "cannot create %s: %s",
                      new_path, wr_errno_text(errno));
    return wr_dir_sync_parent(new_path, why);
}

enum wr_err wr_store_salvage(const char *old_path, const char *new_path,
                             wr_salvage_fn *fn, void *arg,
                             struct wr_salvage *ret, struct wr_why *why)
{
    struct wr_salvage tally = {0};
    struct wr_salvager s = {.fd = -1, .tally = &tally, .fn = fn, .arg = arg};
    struct wr_lock lock = {-1};
    char part[PATH_MAX];
    enum wr_err err = open_old(&s, old_path, &lock, why);

    if (err == WR_OK)
        err = make_part(new_path, part, why);
    if (err == WR_OK) {
        err = work(&s, part, why);
        work_done(&s);
        if (err == WR_OK)
            err = finish(part, new_path, why);
        remove_part(part);
    } else if (s.fd >= 0) {
        close(s.fd);
    }
    wr_lock_release(&lock);
    if (err == WR_OK)
        *ret = tally;
    return err;
}
