/* powerlog.c - see powerlog.h. */
#include "powerlog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"

enum {
    NODES_MAX = 64,
    NAME_SIZE = 32,
    PIECE = 512,
    ROOT = 0, /* The node that was given. */
};

enum kind { WRITE, LENGTH, SYNC, LOST, LINK, UNLINK, MOVE, DIR_SYNC, MARK };

struct entry {
    enum kind kind;
    uint32_t node, parent; /* A MOVE stays in its parent. */
    uint64_t at;           /* WRITE, LENGTH; the value of a MARK. */
    uint32_t n;
    bool sure; /* A write that is synced by itself. */
    char name[NAME_SIZE], from[NAME_SIZE];
    uint8_t *bytes;
};

struct name {
    bool used;
    uint32_t parent, node;
    char name[NAME_SIZE];
};

/* A file as it is on the disk, and what was done to it since. */
struct file {
    uint8_t *bytes;
    size_t n, room;
    uint32_t *pending; /* Entries. */
    uint32_t pending_n, pending_room;
};

static struct {
    pthread_mutex_t lock;
    bool on;
    char root[PATH_MAX];
    size_t root_n;
    uint32_t syncs, fails;

    struct entry *v;
    uint32_t n, room;
    struct {
        dev_t dev;
        ino_t ino;
        bool dir;
    } nodes[NODES_MAX];
    uint32_t nodes_n;
    struct name names[NODES_MAX]; /* As the process sees them. */
} rec = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The disk after the first `n` entries. */
static struct {
    uint32_t n;
    struct file files[NODES_MAX];
    struct name names[NODES_MAX];
    struct file moves; /* Names that are pending. */
} disk;

/* --- The log ----------------------------------------------------------------
 */

static struct entry *add(enum kind kind)
{
    if (rec.n == rec.room) {
        rec.room = rec.room == 0 ? 1024 : 2 * rec.room;
        rec.v = realloc(rec.v, rec.room * sizeof(*rec.v));
        WR_CHECK(rec.v != NULL);
    }
    rec.v[rec.n] = (struct entry){.kind = kind};
    return &rec.v[rec.n++];
}

static uint32_t node_new(const struct stat *st)
{
    WR_CHECK(rec.nodes_n < NODES_MAX);
    rec.nodes[rec.nodes_n].dev = st->st_dev;
    rec.nodes[rec.nodes_n].ino = st->st_ino;
    rec.nodes[rec.nodes_n].dir = S_ISDIR(st->st_mode);
    return rec.nodes_n++;
}

static struct name *name_find(struct name *names, uint32_t parent,
                              const char *name)
{
    for (unsigned i = 0; i < NODES_MAX; i++)
        if (names[i].used && names[i].parent == parent &&
            strcmp(names[i].name, name) == 0)
            return &names[i];
    return NULL;
}

static void name_put(struct name *names, uint32_t parent, const char *name,
                     uint32_t node)
{
    struct name *at = name_find(names, parent, name);

    for (unsigned i = 0; at == NULL && i < NODES_MAX; i++)
        if (!names[i].used)
            at = &names[i];
    WR_CHECK(at != NULL && strlen(name) < NAME_SIZE);
    *at = (struct name){.used = true, .parent = parent, .node = node};
    strcpy(at->name, name);
}

/* The directory of a path below the root, as a node; its last part. */
static bool place_of(const char *path, uint32_t *ret_parent,
                     char ret_name[NAME_SIZE])
{
    uint32_t at = ROOT;

    if (!rec.on || strncmp(path, rec.root, rec.root_n) != 0 ||
        path[rec.root_n] != '/')
        return false;
    path += rec.root_n + 1;
    for (;;) {
        const size_t n = strcspn(path, "/");
        const struct name *name;

        WR_CHECK(n < NAME_SIZE);
        memcpy(ret_name, path, n);
        ret_name[n] = '\0';
        if (path[n] == '\0')
            break;
        name = name_find(rec.names, at, ret_name);
        if (name == NULL)
            return false;
        at = name->node;
        path += n + 1;
    }
    *ret_parent = at;
    return true;
}

static bool node_of(int fd, uint32_t *ret)
{
    struct stat st;

    if (!rec.on || fstat(fd, &st) != 0)
        return false;
    for (uint32_t i = rec.nodes_n; i-- > 0;)
        if (rec.nodes[i].ino == st.st_ino && rec.nodes[i].dev == st.st_dev) {
            *ret = i;
            return true;
        }
    return false;
}

static void note_name(const char *path)
{
    char name[NAME_SIZE];
    struct entry *e;
    uint32_t parent;
    struct stat st;

    if (!place_of(path, &parent, name) ||
        name_find(rec.names, parent, name) != NULL || lstat(path, &st) != 0)
        return;
    e = add(LINK);
    e->parent = parent;
    e->node = node_new(&st);
    strcpy(e->name, name);
    name_put(rec.names, parent, name, e->node);
}

static void note_write(uint32_t node, const void *p, size_t n, off_t at,
                       bool sure)
{
    struct entry *e = add(WRITE);

    e->node = node;
    e->at = (uint64_t)at;
    e->n = (uint32_t)n;
    e->sure = sure;
    e->bytes = malloc(n + 1);
    WR_CHECK(e->bytes != NULL);
    memcpy(e->bytes, p, n);
}

/* Whether the sync that begins now is the one to fail. */
static bool sync_fails(void)
{
    return ++rec.syncs == rec.fails;
}

/* --- The calls that are recorded
 * ---------------------------------------------- */

static void lock(void)
{
    pthread_mutex_lock(&rec.lock);
}

static void unlock(void)
{
    const int e = errno;

    pthread_mutex_unlock(&rec.lock);
    errno = e;
}

static ssize_t do_pwrite(int fd, const void *p, size_t n, off_t at)
{
    uint32_t node;
    ssize_t k;

    lock();
    k = syscall(SYS_pwrite64, fd, p, n, at);
    if (k > 0 && node_of(fd, &node)) {
        const bool synced = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
        const bool fails = synced && sync_fails();

        note_write(node, p, (size_t)k, at, synced && !fails);
        if (fails) {
            k = -1;
            errno = EIO;
        }
    }
    unlock();
    return k;
}

ssize_t log_pwrite(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
ssize_t log_pwrite(int fd, const void *p, size_t n, off_t at)
{
    return do_pwrite(fd, p, n, at);
}

ssize_t log_pwrite64(int fd, const void *p, size_t n,
                     off_t at) __asm__("pwrite64");
ssize_t log_pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return do_pwrite(fd, p, n, at);
}

ssize_t write(int fd, const void *p, size_t n)
{
    uint32_t node;
    ssize_t k;
    off_t at;

    if (!rec.on)
        return syscall(SYS_write, fd, p, n);
    lock();
    at = lseek(fd, 0, SEEK_CUR);
    k = syscall(SYS_write, fd, p, n);
    if (k > 0 && node_of(fd, &node))
        note_write(node, p, (size_t)k, at, false);
    unlock();
    return k;
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    uint32_t node;
    ssize_t k;
    off_t at;

    lock();
    at = lseek(fd, 0, SEEK_CUR);
    k = syscall(SYS_writev, fd, v, n);
    if (k > 0 && node_of(fd, &node)) {
        for (int i = 0; i < n; i++) {
            note_write(node, v[i].iov_base, v[i].iov_len, at, false);
            at += (off_t)v[i].iov_len;
        }
    }
    unlock();
    return k;
}

static int do_sync(long call, int fd)
{
    uint32_t node;
    int rc;

    lock();
    rc = (int)syscall(call, fd);
    if (rc == 0 && node_of(fd, &node)) {
        const bool fails = sync_fails();
        struct entry *e = add(fails ? LOST : SYNC);

        if (rec.nodes[node].dir && !fails)
            e->kind = DIR_SYNC;
        e->node = e->parent = node;
        if (fails) {
            rc = -1;
            errno = EIO;
        }
    }
    unlock();
    return rc;
}

int fsync(int fd)
{
    return do_sync(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return do_sync(SYS_fdatasync, fd);
}

static int do_open(const char *path, int flags, mode_t mode)
{
    int fd;

    lock();
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && (flags & O_CREAT) != 0)
        note_name(path);
    unlock();
    return fd;
}

#define OPEN(symbol)                                                           \
    int log_##symbol(const char *path, int flags, ...) __asm__(#symbol);       \
    int log_##symbol(const char *path, int flags, ...)                         \
    {                                                                          \
        va_list args;                                                          \
        mode_t mode;                                                           \
                                                                               \
        va_start(args, flags);                                                 \
        mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;              \
        va_end(args);                                                          \
        return do_open(path, flags, mode);                                     \
    }

OPEN(open)
OPEN(open64)

static void note_length(int fd, uint64_t n)
{
    struct entry *e;
    uint32_t node;

    if (!node_of(fd, &node))
        return;
    e = add(LENGTH);
    e->node = node;
    e->at = n;
}

static int do_ftruncate(int fd, off_t n)
{
    int rc;

    lock();
    rc = (int)syscall(SYS_ftruncate, fd, n);
    if (rc == 0)
        note_length(fd, (uint64_t)n);
    unlock();
    return rc;
}

int log_ftruncate(int fd, off_t n) __asm__("ftruncate");
int log_ftruncate(int fd, off_t n)
{
    return do_ftruncate(fd, n);
}

int log_ftruncate64(int fd, off_t n) __asm__("ftruncate64");
int log_ftruncate64(int fd, off_t n)
{
    return do_ftruncate(fd, n);
}

static int do_fallocate(int fd, off_t from, off_t n)
{
    int rc;

    lock();
    rc = syscall(SYS_fallocate, fd, 0, from, n) == 0 ? 0 : errno;
    if (rc == 0)
        note_length(fd, (uint64_t)(from + n));
    unlock();
    return rc;
}

int log_fallocate(int fd, off_t from, off_t n) __asm__("posix_fallocate");
int log_fallocate(int fd, off_t from, off_t n)
{
    return do_fallocate(fd, from, n);
}

int log_fallocate64(int fd, off_t from, off_t n) __asm__("posix_fallocate64");
int log_fallocate64(int fd, off_t from, off_t n)
{
    return do_fallocate(fd, from, n);
}

int mkdir(const char *path, mode_t mode)
{
    int rc;

    lock();
    rc = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (rc == 0)
        note_name(path);
    unlock();
    return rc;
}

int rename(const char *from, const char *to)
{
    char old[NAME_SIZE], new[NAME_SIZE];
    uint32_t parent, other;
    int rc;

    lock();
    rc = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (rc == 0 && place_of(from, &parent, old) && place_of(to, &other, new)) {
        struct name *at = name_find(rec.names, parent, old);
        struct entry *e = add(MOVE);

        WR_CHECK(parent == other && at != NULL);
        e->parent = parent;
        e->node = at->node;
        strcpy(e->from, old);
        strcpy(e->name, new);
        at->used = false;
        name_put(rec.names, parent, new, e->node);
    }
    unlock();
    return rc;
}

static int do_unlink(const char *path, int flags)
{
    char name[NAME_SIZE];
    uint32_t parent;
    int rc;

    lock();
    rc = (int)syscall(SYS_unlinkat, AT_FDCWD, path, flags);
    if (rc == 0 && place_of(path, &parent, name)) {
        struct entry *e = add(UNLINK);

        e->parent = parent;
        strcpy(e->name, name);
        name_find(rec.names, parent, name)->used = false;
    }
    unlock();
    return rc;
}

int unlink(const char *path)
{
    return do_unlink(path, 0);
}

int rmdir(const char *path)
{
    return do_unlink(path, AT_REMOVEDIR);
}

/* --- The disk
 * -------------------------------------------------------------------- */

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

static void disk_clear(void)
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

/* --- Control
 * ----------------------------------------------------------------------------
 */

void powerlog_start(const char *root)
{
    struct stat st;

    for (uint32_t i = 0; i < rec.n; i++)
        free(rec.v[i].bytes);
    disk_clear();
    lock();
    rec.n = rec.syncs = rec.fails = rec.nodes_n = 0;
    memset(rec.names, 0, sizeof(rec.names));
    rec.root_n = strlen(root);
    WR_CHECK(rec.root_n < sizeof(rec.root) && stat(root, &st) == 0);
    memcpy(rec.root, root, rec.root_n + 1);
    (void)node_new(&st);
    rec.on = true;
    unlock();
}

void powerlog_stop(void)
{
    lock();
    rec.on = false;
    unlock();
}

void powerlog_fail_sync(uint32_t n)
{
    rec.fails = n;
}

uint32_t powerlog_syncs(void)
{
    return rec.syncs;
}

uint32_t powerlog_n(void)
{
    return rec.n;
}

void powerlog_mark(uint64_t value)
{
    lock();
    add(MARK)->at = value;
    unlock();
}

void powerlog_marks(uint32_t n, void (*fn)(void *arg, uint64_t value),
                    void *arg)
{
    for (uint32_t i = 0; i < n; i++)
        if (rec.v[i].kind == MARK)
            fn(arg, rec.v[i].at);
}
