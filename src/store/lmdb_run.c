/*
 * lmdb_run.c - the header that LMDB writes before each run of pages. Nothing
 * checks it, and a read does not need it; but whoever removes the run frees as
 * many pages as it says, from the page that it says. So a rotten one would
 * take pages of other chunks with it. All that it can be is known, and it is
 * put right before a run is removed.
 */
#include <errno.h>
#include <unistd.h>

#include "store/lmdb_parts.h"

enum {
    HEADER = 16,
    OVERFLOW = 0x04,     /* LMDB's P_OVERFLOW. */
    PAGE_MAX = 32 << 10, /* Its largest page. */
};

struct header {
    size_t pgno;
    uint16_t pad, flags;
    uint32_t pages;
};
_Static_assert(sizeof(size_t) != 8 || sizeof(struct header) == HEADER,
               "as LMDB has it on 64 bits");

/* Nothing has checked what the page says, so the file is asked: only the page
 * itself is the same there. */
bool wr_lmdb_run_find_map(struct wr_lmdb_env *e, MDB_val in_a_leaf)
{
    const uint8_t *p = in_a_leaf.mv_data;
    const uint8_t *page = p - (uintptr_t)p % e->page_bytes;
    uint8_t there[PAGE_MAX];
    struct header h;
    MDB_envinfo info;
    mdb_filehandle_t fd;

    if (sizeof(size_t) != 8)
        return true; /* Another header; rare enough to go without. */
    memcpy(&h, page, sizeof(h));
    if (mdb_env_info(e->env, &info) != 0 || mdb_env_get_fd(e->env, &fd) != 0 ||
        h.pgno > info.me_last_pgno || e->page_bytes > sizeof(there) ||
        pread(fd, there, e->page_bytes, (off_t)(h.pgno * e->page_bytes)) !=
            (ssize_t)e->page_bytes ||
        memcmp(there, page, e->page_bytes) != 0)
        return false;
    e->map = page - h.pgno * e->page_bytes;
    e->map_bytes = info.me_mapsize;
    return true;
}

/* The header that the run of `v` must have; false if it is in no run. A value
 * of a page that this transaction has changed is outside the map, anywhere in
 * memory; in the map none but a run's begins there in its page. */
static bool expect(const struct wr_lmdb_env *e, MDB_val v, struct header *ret)
{
    const uint8_t *p = v.mv_data;

    if (e->map == NULL || (uintptr_t)p % e->page_bytes != HEADER ||
        p < e->map || p >= e->map + e->map_bytes)
        return false;
    *ret = (struct header){
        .pgno = (size_t)(p - e->map) / e->page_bytes,
        .flags = OVERFLOW,
        .pages = (uint32_t)((HEADER + v.mv_size + e->page_bytes - 1) /
                            e->page_bytes)};
    return true;
}

static bool is_sound(MDB_val v, const struct header *want)
{
    struct header h;

    memcpy(&h, (const uint8_t *)v.mv_data - HEADER, sizeof(h));
    return h.pgno == want->pgno && h.flags == want->flags &&
           h.pages == want->pages;
}

bool wr_lmdb_run_sound(const struct wr_lmdb_env *e, MDB_val v)
{
    struct header want;

    return !expect(e, v, &want) || is_sound(v, &want);
}

int wr_lmdb_run_mend(const struct wr_lmdb_env *e, MDB_val v)
{
    struct header want;
    mdb_filehandle_t fd;
    int rc;

    if (!expect(e, v, &want) || is_sound(v, &want))
        return 0;
    rc = mdb_env_get_fd(e->env, &fd);
    if (rc != 0)
        return rc;
    /* The map shows what the file has. */
    return pwrite(fd, &want, sizeof(want),
                  (off_t)(want.pgno * e->page_bytes)) == (ssize_t)sizeof(want)
               ? 0
               : EIO;
}
