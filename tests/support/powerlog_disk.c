/* powerlog_disk.c - the disk of powerlog.h, and what a cut leaves of it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "powerlog_parts.h"

enum { PIECE = 512 };

/* A file as it is on the disk, and what was done to it since. */
struct file {
    uint8_t *bytes;
    size_t n, room;
    uint32_t *pending; /* Entries. */
    uint32_t pending_n, pending_room;
};

/* The disk after the first `n` entries. */
static struct {
    uint32_t n;
    struct file files[NODES_MAX];
    struct name names[NODES_MAX];
    struct file moves; /* Names that are pending. */
} disk;

static void pend(struct file *f, uint32_t entry)
{
    if (f->pending_n == f->pending_room) {
        f->pending_room = f->pending_room == 0 ? 64 : 2 * f->pending_room;
        f->pending = realloc(f->pending, f->pending_room * sizeof(*f->pending));
        WR_CHECK(f->pending != NULL);
    }
    f->pending[f->pending_n++] = entry;
}

static void file_length(struct file *f, size_t n)
{
    if (n > f->room) {
        f->room = n * 2;
        f->bytes = realloc(f->bytes, f->room);
        WR_CHECK(f->bytes != NULL);
    }
    if (n > f->n)
        memset(f->bytes + f->n, 0, n - f->n);
    f->n = n;
}

static void file_write(struct file *f, const struct entry *e, size_t from,
                       size_t n)
{
    if (e->at + from + n > f->n)
        file_length(f, e->at + from + n);
    memcpy(f->bytes + e->at + from, e->bytes + from, n);
}

/* What a cut leaves: each piece of `unit` bytes of the file comes with a chance
 * of `eighths` in eight. */
struct luck {
    struct wr_rng *rng;
    uint32_t unit, eighths;
};

static bool comes(const struct luck *luck)
{
    return luck == NULL || wr_rng_below(luck->rng, 8) < luck->eighths;
}

/* Applies an entry; with NULL, all of it. */
static void file_apply(struct file *f, const struct entry *e,
                       const struct luck *luck)
{
    size_t from = 0;

    if (e->kind == LENGTH) {
        if (comes(luck))
            file_length(f, e->at);
        return;
    }
    if (luck == NULL || e->sure) {
        file_write(f, e, 0, e->n);
        return;
    }
    while (from < e->n) {
        size_t n = luck->unit - (e->at + from) % luck->unit;

        if (n > e->n - from)
            n = e->n - from;
        if (comes(luck))
            file_write(f, e, from, n);
        from += n;
    }
}

static void file_settle(struct file *f, const struct luck *luck)
{
    for (uint32_t i = 0; i < f->pending_n; i++)
        file_apply(f, &rec.v[f->pending[i]], luck);
    f->pending_n = 0;
}

static void name_apply(struct name *names, const struct entry *e)
{
    struct name *at;

    if (e->kind == LINK) {
        name_put(names, e->parent, e->name, e->node);
        return;
    }
    at = name_find(names, e->parent, e->kind == MOVE ? e->from : e->name);
    if (at == NULL)
        return;
    at->used = false;
    if (e->kind == MOVE)
        name_put(names, e->parent, e->name, e->node);
}

static void names_settle(uint32_t dir)
{
    struct file *m = &disk.moves;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < m->pending_n; i++) {
        const struct entry *e = &rec.v[m->pending[i]];

        if (e->parent == dir)
            name_apply(disk.names, e);
        else
            m->pending[kept++] = m->pending[i];
    }
    m->pending_n = kept;
}

static void advance(const struct entry *e, uint32_t i)
{
    struct wr_rng rng = {i};
    const struct luck luck = {&rng, (uint32_t)PIECE << 3 * (i & 1),
                              (i / 2 % 3) * 4};

    switch (e->kind) {
    case WRITE:
    case LENGTH:
        pend(&disk.files[e->node], i);
        return;
    case SYNC:
        file_settle(&disk.files[e->node], NULL);
        return;
    case LOST:
        if (!rec.nodes[e->node].dir)
            file_settle(&disk.files[e->node], &luck);
        return;
    case LINK:
    case UNLINK:
    case MOVE:
        pend(&disk.moves, i);
        return;
    case DIR_SYNC:
        names_settle(e->node);
        return;
    case MARK:
        return;
    }
    WR_UNREACHABLE();
}

void disk_clear(void)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        free(disk.files[i].bytes);
        free(disk.files[i].pending);
    }
    free(disk.moves.pending);
    memset(&disk, 0, sizeof(disk));
}

/* --- Cuts
 * ----------------------------------------------------------------------------
 */

static void file_make(const struct file *f, const char *path, bool garbage,
                      const struct luck *luck)
{
    struct file copy = {0};
    int fd;

    file_length(&copy, f->n);
    if (f->n > 0)
        memcpy(copy.bytes, f->bytes, f->n);
    for (uint32_t i = 0; i < f->pending_n; i++)
        file_apply(&copy, &rec.v[f->pending[i]], luck);
    if (garbage && copy.n > 0)
        wr_rng_fill(luck->rng, copy.bytes, copy.n);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    WR_CHECK(fd >= 0);
    WR_CHECK(pwrite(fd, copy.bytes, copy.n, 0) == (ssize_t)copy.n);
    WR_CHECK(ftruncate(fd, (off_t)copy.n) == 0);
    close(fd);
    free(copy.bytes);
}

static void dir_make(const struct name *names, uint32_t dir, const char *path,
                     const struct luck *luck)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        char at[PATH_MAX];

        if (!names[i].used || names[i].parent != dir)
            continue;
        WR_CHECK(snprintf(at, sizeof(at), "%s/%s", path, names[i].name) <
                 (int)sizeof(at));
        if (rec.nodes[names[i].node].dir) {
            WR_CHECK(mkdir(at, 0700) == 0);
            dir_make(names, names[i].node, at, luck);
        } else {
            file_make(&disk.files[names[i].node], at,
                      strcmp(names[i].name, "lock.mdb") == 0 &&
                          wr_rng_below(luck->rng, 2) == 0,
                      luck);
        }
    }
}

void powerlog_cut(uint32_t n, struct wr_rng *rng, const char *to)
{
    static const uint32_t chances[] = {0, 1, 4, 7, 8};
    const struct luck luck = {rng, (uint32_t)PIECE << 3 * wr_rng_below(rng, 2),
                              chances[wr_rng_below(rng, 5)]};
    struct name names[NODES_MAX];

    WR_CHECK(!rec.on && n <= rec.n);
    if (n < disk.n)
        disk_clear();
    while (disk.n < n) {
        advance(&rec.v[disk.n], disk.n);
        disk.n++;
    }
    memcpy(names, disk.names, sizeof(names));
    for (uint32_t i = 0; i < disk.moves.pending_n; i++)
        if (comes(&luck))
            name_apply(names, &rec.v[disk.moves.pending[i]]);
    dir_make(names, ROOT, to, &luck);
}
