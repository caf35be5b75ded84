/* sink.c - see sink.h. */
#include "client/sink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "object/unixfs.h"

enum {
    OPEN_MAX = 16, /* Directories and files kept open. */
    PART_CID = 12, /* Letters of the CID in a temporary name. */
    TREE_DEPTH = 512,
};

#define PART_SUFFIX ".wreath-part"

struct wr_sink_dir {
    struct wr_sink_dir *up, *all; /* all: of the sink. */
    char name[];
};

struct kept {
    const void *what; /* A directory or file. */
    int fd;
    uint64_t used;
};

struct wr_sink {
    struct wr_sink_cfg cfg;
    char *path, *parent, *name; /* Target; its directory and last part. */
    char part[NAME_MAX + 1];
    int parent_fd, root_fd; /* root_fd: the part, file or directory. */
    bool begun, is_tree, resumes, is_link, finished;
    mode_t mask;
    uint64_t part_size; /* Of a file that an earlier try left. */
    bool has_mode;
    uint32_t mode;
    struct wr_sink_dir *dirs;
    struct kept dir_fds[OPEN_MAX], file_fds[OPEN_MAX];
    uint64_t clock;
    uint8_t *memory;
    size_t memory_n, memory_room;
};

static enum wr_err why_errno(const struct wr_sink *s, int e, const char *name,
                             struct wr_why *why)
{
    const char *what = s->cfg.kind == WR_SINK_PATH ? s->path : "the output";

    if (e == ENOSPC || e == EDQUOT || e == EFBIG)
        return wr_why(why, WR_EFULL,
                      "%s: no space left%s; nothing was changed. Make room and "
                      "get it again",
                      what, e == EFBIG ? " (or a limit on file sizes)" : "");
    if (e == EPIPE)
        return wr_why(why, WR_ECLOSED, "%s: nobody reads it any more", what);
    return wr_why(why, wr_err_of_errno(e), "%s%s%s: %s", what,
                  name != NULL ? ": " : "", name != NULL ? name : "",
                  wr_errno_text(e));
}

/* ---- opening --------------------------------------------------------------
 */

static bool split_path(struct wr_sink *s)
{
    size_t n = strlen(s->path);

    while (n > 1 && s->path[n - 1] == '/')
        s->path[--n] = '\0';
    const char *slash = strrchr(s->path, '/');
    const char *name = slash != NULL ? slash + 1 : s->path;

    s->name = strdup(name);
    s->parent = slash == NULL ? strdup(".")
                : slash == s->path
                    ? strdup("/")
                    : strndup(s->path, (size_t)(slash - s->path));
    return s->name != NULL && s->parent != NULL;
}

static void name_part(struct wr_sink *s)
{
    char cid[WR_CID_TEXT_SIZE];
    const size_t n = wr_cid_print(&s->cfg.cid, cid);
    const size_t most = NAME_MAX - PART_CID - strlen(PART_SUFFIX) - 2;

    snprintf(s->part, sizeof(s->part), ".%.*s.%.*s" PART_SUFFIX, (int)most,
             s->name, (int)PART_CID, n > PART_CID ? cid + n - PART_CID : cid);
}

enum wr_err wr_sink_open(struct wr_sink **ret, const struct wr_sink_cfg *cfg,
                         struct wr_why *why)
{
    struct wr_sink *s = calloc(1, sizeof(*s));
    struct stat st;

    if (s == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    s->cfg = *cfg;
    s->parent_fd = s->root_fd = -1;
    for (size_t i = 0; i < OPEN_MAX; i++)
        s->dir_fds[i].fd = s->file_fds[i].fd = -1;
    if (cfg->kind != WR_SINK_PATH) {
        *ret = s;
        return WR_OK;
    }
    s->mask = umask(0); /* The only way to read it is to set it. */
    umask(s->mask);
    s->path = strdup(cfg->path);
    if (s->path == NULL || !split_path(s)) {
        wr_sink_close(s, true);
        return wr_why(why, WR_ENOMEM, "out of memory");
    }
    enum wr_err err = WR_OK;
    if (s->name[0] == '\0' || strcmp(s->name, ".") == 0 ||
        strcmp(s->name, "..") == 0) {
        err = wr_why(why, WR_EINVAL,
                     "%s is a directory; say with -o what the new file or "
                     "folder shall be called",
                     s->path);
    } else {
        s->parent_fd = open(s->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->parent_fd < 0)
            err = wr_why(why, wr_err_of_errno(errno), "%s: %s", s->parent,
                         wr_errno_text(errno));
        else if (!cfg->force &&
                 fstatat(s->parent_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            err = wr_why(why, WR_EEXIST,
                         "%s is there already; choose another name with -o, "
                         "or say --force to replace %s",
                         s->path,
                         S_ISDIR(st.st_mode) ? "all that is in it" : "it");
    }
    if (err != WR_OK) {
        wr_sink_close(s, true);
        return err;
    }
    name_part(s);
    *ret = s;
    return WR_OK;
}

static enum wr_err check_space(const struct wr_sink *s, uint64_t size,
                               struct wr_why *why)
{
    struct statvfs v;

    if (fstatvfs(s->parent_fd, &v) != 0)
        return WR_OK;
    const uint64_t room = (uint64_t)v.f_bavail * v.f_frsize + s->part_size;
    if (size <= room)
        return WR_OK;
    return wr_why(why, WR_EFULL,
                  "%s: no space left: it has %llu bytes, and %llu are free",
                  s->path, (unsigned long long)size, (unsigned long long)room);
}

/* Opens the part, or makes it. A part of the wrong kind is in the way of
 * nothing that wreath made. */
static int open_part(struct wr_sink *s)
{
    const int flags = s->is_tree ? O_RDONLY | O_DIRECTORY : O_RDWR | O_CREAT;

    if (s->is_tree && mkdirat(s->parent_fd, s->part, 0700) != 0 &&
        errno != EEXIST)
        return -1;
    return openat(s->parent_fd, s->part, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* Whoever forces a file upon a directory meant to put it inside. */
static bool is_in_the_way(const struct wr_sink *s)
{
    struct stat st;

    return !s->is_tree &&
           fstatat(s->parent_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(st.st_mode);
}

static enum wr_err why_in_the_way(const struct wr_sink *s, struct wr_why *why)
{
    return wr_why(why, WR_EEXIST,
                  "%s is a directory, which a file does not replace; choose "
                  "another name with -o",
                  s->path);
}

enum wr_err wr_sink_begin(struct wr_sink *s, bool is_tree, uint64_t size,
                          struct wr_why *why)
{
    struct stat st;

    s->begun = true;
    s->is_tree = is_tree;
    if (s->cfg.kind != WR_SINK_PATH)
        return !is_tree ? WR_OK
                        : wr_why(why, WR_EUNSUPPORTED,
                                 "it is a directory: say where to put it with "
                                 "-o, or name a file in it (CID/PATH)");
    if (is_in_the_way(s))
        return why_in_the_way(s, why);
    s->root_fd = open_part(s);
    if (s->root_fd < 0 || fstat(s->root_fd, &st) != 0)
        return why_errno(s, errno, NULL, why);
    /* In a shared directory somebody else may have put one there. */
    const bool ours = st.st_uid == geteuid() && (is_tree || st.st_nlink == 1);
    if (!ours || flock(s->root_fd, LOCK_EX | LOCK_NB) != 0) {
        close(s->root_fd); /* So that closing removes nothing. */
        s->root_fd = -1;
        if (ours)
            return wr_why(why, WR_ELOCKED, "%s: another get writes it just now",
                          s->path);
        return wr_why(why, WR_EPERM, "%s/%s is not ours: remove it first",
                      s->parent, s->part);
    }
    if (is_tree) {
        DIR *d = fdopendir(dup(s->root_fd));

        for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
            s->resumes |=
                strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
        if (d != NULL)
            closedir(d);
        return WR_OK;
    }
    s->part_size = (uint64_t)st.st_size;
    s->resumes = st.st_size > 0;
    return check_space(s, size, why);
}

bool wr_sink_resumes(const struct wr_sink *s)
{
    return s->resumes;
}

struct wr_sink_dir *wr_sink_dir(struct wr_sink *s, struct wr_sink_dir *up,
                                const char *name)
{
    const size_t n = strlen(name) + 1;
    struct wr_sink_dir *d = malloc(sizeof(*d) + n);

    if (d == NULL)
        return NULL;
    d->up = up;
    d->all = s->dirs;
    s->dirs = d;
    memcpy(d->name, name, n);
    return d;
}

/* ---- descriptors ----------------------------------------------------------
 */

static struct kept *find(struct wr_sink *s, struct kept *v, const void *what)
{
    for (size_t i = 0; i < OPEN_MAX; i++)
        if (v[i].fd >= 0 && v[i].what == what) {
            v[i].used = ++s->clock;
            return &v[i];
        }
    return NULL;
}

static void keep(struct wr_sink *s, struct kept *v, const void *what, int fd)
{
    size_t at = 0;

    for (size_t i = 0; i < OPEN_MAX; i++) {
        if (v[i].fd < 0) {
            at = i;
            break;
        }
        if (v[i].used < v[at].used)
            at = i;
    }
    if (v[at].fd >= 0)
        close(v[at].fd);
    v[at] = (struct kept){what, fd, ++s->clock};
}

/* The directory's descriptor, opened from the top down: no name on the way may
 * be a link. -1 and errno. */
static int open_dir(struct wr_sink *s, const struct wr_sink_dir *d)
{
    const struct wr_sink_dir *way[TREE_DEPTH];
    size_t n = 0;
    int fd = s->root_fd;

    for (; d != NULL; d = d->up) {
        const struct kept *k = find(s, s->dir_fds, d);

        if (k != NULL) {
            fd = k->fd;
            break;
        }
        if (n == TREE_DEPTH) {
            errno = ENAMETOOLONG;
            return -1;
        }
        way[n++] = d;
    }
    while (n > 0) {
        d = way[--n];
        fd = openat(fd, d->name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return -1;
        keep(s, s->dir_fds, d, fd);
    }
    return fd;
}

static mode_t mode_of(const struct wr_sink *s, const struct wr_sink_file *f)
{
    const mode_t mode = f->has_mode ? (mode_t)(f->mode & 0777) : 0666;

    return mode & ~s->mask;
}

/* -1 and errno. The target itself is open already. */
static int open_file(struct wr_sink *s, const struct wr_sink_file *f,
                     bool create)
{
    if (f->dir == NULL && f->name == NULL)
        return s->root_fd;
    const struct kept *k = find(s, s->file_fds, f);
    if (k != NULL)
        return k->fd;
    const int dir = open_dir(s, f->dir);
    const int fd = dir < 0 ? -1
                           : openat(dir, f->name,
                                    (create ? O_RDWR | O_CREAT : O_RDWR) |
                                        O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
                                    mode_of(s, f) | 0600);
    if (fd >= 0)
        keep(s, s->file_fds, f, fd);
    return fd;
}

static void forget_file(struct wr_sink *s, const struct wr_sink_file *f)
{
    struct kept *k = find(s, s->file_fds, f);

    if (k == NULL)
        return;
    close(k->fd);
    k->fd = -1;
}

/* ---- operations -----------------------------------------------------------
 */

static bool write_all(int fd, const uint8_t *p, size_t n, int64_t offset)
{
    while (n > 0) {
        const ssize_t k =
            offset >= 0 ? pwrite(fd, p, n, offset) : write(fd, p, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
        if (offset >= 0)
            offset += k;
    }
    return true;
}

static enum wr_err write_memory(struct wr_sink *s, const struct wr_sink_op *op,
                                struct wr_why *why)
{
    const size_t end = s->memory_n + op->n;

    if (end > s->cfg.memory_max)
        return wr_why(why, WR_ETOOBIG,
                      "it is larger than the %zu bytes that "
                      "were allowed",
                      s->cfg.memory_max);
    if (end > s->memory_room) {
        size_t room = s->memory_room < 4096 ? 4096 : 2 * s->memory_room;

        if (room < end)
            room = end;
        uint8_t *more = realloc(s->memory, room);
        if (more == NULL)
            return wr_why(why, WR_ENOMEM, "out of memory");
        s->memory = more;
        s->memory_room = room;
    }
    if (op->n > 0)
        memcpy(s->memory + s->memory_n, op->buf->p + op->at, op->n);
    s->memory_n = end;
    return WR_OK;
}

static enum wr_err end_file(struct wr_sink *s, const struct wr_sink_op *op,
                            int fd, struct wr_why *why)
{
    const struct wr_sink_file *f = op->file;
    const uint64_t size = op->offset + op->n;

    if (f->name == NULL) { /* The target: its mode comes at the end. */
        s->has_mode = f->has_mode;
        s->mode = f->mode;
        if (ftruncate(fd, (off_t)size) != 0)
            return why_errno(s, errno, NULL, why);
        return WR_OK;
    }
    const mode_t mode = mode_of(s, f);
    if ((s->resumes && ftruncate(fd, (off_t)size) != 0) ||
        ((s->resumes || (mode & 0600) != 0600) && fchmod(fd, mode) != 0))
        return why_errno(s, errno, f->name, why);
    forget_file(s, f);
    return WR_OK;
}

static enum wr_err do_write(struct wr_sink *s, const struct wr_sink_op *op,
                            struct wr_why *why)
{
    if (s->cfg.kind == WR_SINK_MEMORY)
        return write_memory(s, op, why);
    if (s->cfg.kind == WR_SINK_FD)
        return op->n == 0 ||
                       write_all(s->cfg.fd, op->buf->p + op->at, op->n, -1)
                   ? WR_OK
                   : why_errno(s, errno, NULL, why);
    const int fd = open_file(s, op->file, true);
    if (fd < 0 ||
        (op->n > 0 && !op->there &&
         !write_all(fd, op->buf->p + op->at, op->n, (int64_t)op->offset)))
        return why_errno(s, errno, op->file->name, why);
    return op->last ? end_file(s, op, fd, why) : WR_OK;
}

static enum wr_err make_dir(struct wr_sink *s, const struct wr_sink_op *op,
                            struct wr_why *why)
{
    const int up = open_dir(s, op->dir->up);
    struct stat st;

    if (up < 0)
        return why_errno(s, errno, op->dir->name, why);
    if (mkdirat(up, op->dir->name, 0777) == 0)
        return WR_OK;
    if (errno == EEXIST && s->resumes &&
        fstatat(up, op->dir->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(st.st_mode))
        return WR_OK;
    return why_errno(s, errno, op->dir->name, why);
}

static enum wr_err make_link(struct wr_sink *s, const struct wr_sink_op *op,
                             struct wr_why *why)
{
    char target[4096];
    const bool top = op->file->name == NULL;
    const int at = top ? s->parent_fd : open_dir(s, op->file->dir);
    const char *name = top ? s->part : op->file->name;

    if (s->cfg.kind != WR_SINK_PATH)
        return wr_why(why, WR_EUNSUPPORTED,
                      "it is a symbolic link: say where "
                      "to put it with -o");
    if (op->n == 0 || op->n >= sizeof(target) ||
        memchr(op->buf->p + op->at, 0, op->n) != NULL)
        return wr_why(why, WR_EDAMAGED, "%s: a link without a sound target",
                      name);
    memcpy(target, op->buf->p + op->at, op->n);
    target[op->n] = '\0';
    s->is_link |= top;
    if (at < 0)
        return why_errno(s, errno, name, why);
    if (symlinkat(target, at, name) == 0)
        return WR_OK;
    if (errno == EEXIST && (s->resumes || top) && unlinkat(at, name, 0) == 0 &&
        symlinkat(target, at, name) == 0)
        return WR_OK;
    return why_errno(s, errno, name, why);
}

/* Reads what an earlier try may have left, and believes its hash alone. */
static void check(struct wr_sink *s, struct wr_sink_op *op)
{
    uint32_t have = 0;
    const int fd = open_file(s, op->file, false);
    struct stat st;

    op->found = false;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    while (have < op->n) {
        const ssize_t k = pread(fd, op->buf->p + have, op->n - have,
                                (off_t)(op->offset + have));

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return;
        have += (uint32_t)k;
    }
    op->buf->n = op->n;
    op->found = wr_cid_matches(&op->cid, wr_span(op->buf->p, op->n));
}

enum wr_err wr_sink_run(struct wr_sink *s, struct wr_sink_op *list,
                        struct wr_why *why)
{
    enum wr_err err = WR_OK;

    for (struct wr_sink_op *op = list; op != NULL && err == WR_OK;
         op = op->next) {
        switch (op->kind) {
        case WR_SINK_OP_DIR:
            err = make_dir(s, op, why);
            break;
        case WR_SINK_OP_LINK:
            err = make_link(s, op, why);
            break;
        case WR_SINK_OP_WRITE:
            err = do_write(s, op, why);
            break;
        case WR_SINK_OP_CHECK:
            check(s, op);
            break;
        }
    }
    return err;
}

/* ---- the end --------------------------------------------------------------
 */

static void close_fds(struct wr_sink *s)
{
    for (size_t i = 0; i < OPEN_MAX; i++) {
        if (s->dir_fds[i].fd >= 0)
            close(s->dir_fds[i].fd);
        if (s->file_fds[i].fd >= 0)
            close(s->file_fds[i].fd);
        s->dir_fds[i].fd = s->file_fds[i].fd = -1;
    }
}

/* Removes `name` in `at` and all below it; never follows a link. */
static void remove_tree(int at, const char *name, unsigned depth)
{
    if (unlinkat(at, name, 0) == 0 || depth == TREE_DEPTH)
        return;
    const int fd =
        openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

    if (d == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            remove_tree(fd, e->d_name, depth + 1);
    closedir(d);
    unlinkat(at, name, AT_REMOVEDIR);
}

static int make_durable(struct wr_sink *s)
{
    if (s->is_link)
        return 0;
    if (s->is_tree)
        return fchmod(s->root_fd, 0777 & ~s->mask) != 0 ? -1
                                                        : syncfs(s->root_fd);
    const struct wr_sink_file f = {.has_mode = s->has_mode, .mode = s->mode};
    return fchmod(s->root_fd, mode_of(s, &f)) != 0 ? -1 : fsync(s->root_fd);
}

/* The one step that users see. A tree that is replaced goes away afterwards; a
 * file replaces whatever is no directory (rename(2): EISDIR). */
static int publish(struct wr_sink *s)
{
    const int fd = s->parent_fd;

    if (renameat2(fd, s->part, fd, s->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno == EINVAL) { /* A filesystem that cannot promise it. */
        struct stat st;

        if (fstatat(fd, s->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            return renameat(fd, s->part, fd, s->name);
        errno = EEXIST;
    }
    if (errno != EEXIST || !s->cfg.force)
        return -1;
    if (s->is_tree &&
        renameat2(fd, s->part, fd, s->name, RENAME_EXCHANGE) == 0) {
        remove_tree(fd, s->part, 0);
        return 0;
    }
    return renameat(fd, s->part, fd, s->name);
}

enum wr_err wr_sink_finish(struct wr_sink *s, struct wr_why *why)
{
    WR_CHECK(s->begun);
    s->finished = true;
    if (s->cfg.kind != WR_SINK_PATH)
        return WR_OK;
    close_fds(s);
    if (make_durable(s) != 0)
        return why_errno(s, errno, NULL, why);
    if (publish(s) != 0) {
        const int e = errno;

        if (is_in_the_way(s)) /* It has come meanwhile. */
            return why_in_the_way(s, why);
        if (e == EEXIST)
            return wr_why(why, WR_EEXIST,
                          "%s appeared while it was fetched; say --force to "
                          "replace it",
                          s->path);
        return why_errno(s, e, NULL, why);
    }
    s->part[0] = '\0';
    if (fsync(s->parent_fd) != 0)
        return why_errno(s, errno, NULL, why);
    return WR_OK;
}

uint8_t *wr_sink_take(struct wr_sink *s, size_t *ret_n)
{
    uint8_t *p = s->memory;

    *ret_n = s->memory_n;
    s->memory = NULL;
    s->memory_n = s->memory_room = 0;
    return p;
}

void wr_sink_close(struct wr_sink *s, bool keep_part)
{
    if (s == NULL)
        return;
    close_fds(s);
    if (s->root_fd >= 0 && s->part[0] != '\0' && !keep_part)
        remove_tree(s->parent_fd, s->part, 0);
    if (s->root_fd >= 0)
        close(s->root_fd);
    if (s->parent_fd >= 0)
        close(s->parent_fd);
    while (s->dirs != NULL) {
        struct wr_sink_dir *d = s->dirs;

        s->dirs = d->all;
        free(d);
    }
    free(s->memory);
    free(s->path);
    free(s->parent);
    free(s->name);
    free(s);
}
