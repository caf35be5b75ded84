/* powerlog.c - the recorder of powerlog.h. */
#include "powerlog_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"

enum { FILE_MAX = 256 << 20 };

struct record rec = {.lock = PTHREAD_MUTEX_INITIALIZER};

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

struct name *name_find(struct name *names, uint32_t parent, const char *name)
{
    for (unsigned i = 0; i < NODES_MAX; i++)
        if (names[i].used && names[i].parent == parent &&
            strcmp(names[i].name, name) == 0)
            return &names[i];
    return NULL;
}

void name_put(struct name *names, uint32_t parent, const char *name,
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

/* Files are kept in memory whole: those of a store under test have some MiB.
 * What lies beyond is a mistake of who wrote it. */
static void within_bounds(uint32_t node, uint64_t at, uint64_t n)
{
    const char *name = "a file without a name";

    if (at <= FILE_MAX && n <= FILE_MAX - at)
        return;
    for (unsigned i = 0; i < NODES_MAX; i++)
        if (rec.names[i].used && rec.names[i].node == node)
            name = rec.names[i].name;
    (void)fprintf(stderr,
                  "powerlog: %s: %" PRIu64 " bytes at offset %" PRIu64
                  " are beyond the %d bytes that are kept of a file\n",
                  name, n, at, FILE_MAX);
    abort();
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
    struct entry *e;

    within_bounds(node, (uint64_t)at, n);
    e = add(WRITE);
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
    within_bounds(node, n, 0);
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
