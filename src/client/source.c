/* source.c - see source.h. */
#include "client/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "object/dir.h"

enum {
    STAGE_BYTES = 2 << 20, /* Twice the longest chunk: tails rarely move. */
    READ_BYTES = 1 << 20,
    SEEN_BITS = 15, /* Digests remembered: a cache of 1 MiB, not a promise. */
    POLL_MS = 100,
    TEXT_PATH_MAX = 256, /* Of a path in an error. */
};

/* What to do next. */
enum step {
    STEP_READ,     /* Bytes into the stage, or the next chunk out of it. */
    STEP_POP_FILE, /* Nodes of the file's tree. */
    STEP_ENTRY,    /* The next name of the innermost directory. */
    STEP_POP_DIR,  /* Its blocks. */
    STEP_DONE,
};

struct level {
    struct level *up;
    DIR *dir;
    struct wr_dir made;
    char *name; /* In the level above; NULL for the topmost. */
};

struct wr_source {
    struct wr_source_cfg cfg;
    struct wr_source_stats stats;
    struct wr_why why;
    enum step step;
    bool failed;
    atomic_bool stopped;
    struct level *top;
    unsigned depth;
    char *root_path;
    struct wr_tree root;
    uint64_t size;

    /* The file that is being read. */
    int fd;
    bool fd_is_ours, checked;   /* checked: a file that must not change. */
    bool eof, in_memory, built; /* built: no chunk follows. */
    struct stat before;
    char *name; /* In the innermost directory; NULL for the top. */
    uint64_t file_bytes;
    struct wr_span memory;
    struct wr_chunker chunker;
    struct wr_build build;

    /* Read, not yet cut: stage[at, end). */
    uint8_t *stage;
    size_t at, end;

    /* Hashed, not yet placed: borrowed from the stage, a builder or `link`. */
    bool pending;
    struct wr_id pending_digest;
    struct wr_span pending_bytes;
    uint8_t *link; /* WR_SYMLINK_BLOCK_MAX bytes. */
    struct wr_id *seen;
};

/* The path of `name` in the innermost directory, for people; the end of it, if
 * it is long. */
static const char *say_path(const struct wr_source *s, const char *name,
                            char ret[TEXT_PATH_MAX])
{
    char *p = ret + TEXT_PATH_MAX - 1;
    const char *part = name;
    const struct level *l = s->top;

    *p = '\0';
    while (part != NULL || l != NULL) {
        if (part == NULL) {
            part = l->name != NULL ? l->name : s->root_path;
            l = l->up;
        }
        const size_t n = strlen(part);
        if ((size_t)(p - ret) < n + 5) {
            p -= 4;
            memcpy(p, "/...", 4);
            p++;
            break;
        }
        if (*p != '\0')
            *--p = '/';
        p -= n;
        memcpy(p, part, n);
        part = NULL;
    }
    return *p != '\0' ? p : s->root_path;
}

static void fail(struct wr_source *s, enum wr_err err, const char *name,
                 const char *text)
{
    char path[TEXT_PATH_MAX];

    if (s->failed)
        return;
    s->failed = true;
    wr_why(&s->why, err, "%s: %s", say_path(s, name, path), text);
}

/* A name that was there a moment ago is a change, not an absence. */
static void fail_errno(struct wr_source *s, const char *name, int e)
{
    if (e == ENOENT)
        fail(s, WR_ECHANGED, name, "vanished while it was read");
    else
        fail(s, wr_err_of_errno(e), name, wr_errno_text(e));
}

static bool seen_before(struct wr_source *s, const struct wr_id *digest)
{
    const size_t at = (size_t)(wr_id_prefix(digest) >> (64 - SEEN_BITS));

    if (wr_id_eq(&s->seen[at], digest))
        return true;
    s->seen[at] = *digest;
    return false;
}

/* Copies what is pending into the batch; false if the pool is dry. */
static bool place(struct wr_source *s, struct wr_source_batch *batch)
{
    const size_t n = s->pending_bytes.n;
    struct wr_buf *buf = wr_pool_get(s->cfg.pool, s->cfg.share, n > 0 ? n : 1);

    if (buf == NULL)
        return false;
    if (n > 0)
        memcpy(buf->p, s->pending_bytes.p, n);
    buf->n = (uint32_t)n;
    batch->v[batch->n++] = (struct wr_source_block){s->pending_digest, buf};
    batch->bytes += buf->n;
    s->pending = false;
    return true;
}

static void offer(struct wr_source *s, const uint8_t digest[WR_DIGEST_SIZE],
                  struct wr_span bytes)
{
    struct wr_id id;

    memcpy(id.b, digest, sizeof(id.b));
    s->stats.chunks++;
    if (seen_before(s, &id)) {
        s->stats.repeated++;
        return;
    }
    s->pending = true;
    s->pending_digest = id;
    s->pending_bytes = bytes;
}

static void begin_file(struct wr_source *s, int fd, bool ours,
                       const struct stat *st, char *name)
{
    const bool plain = st != NULL && S_ISREG(st->st_mode);
    const bool runs = plain && s->cfg.modes && (st->st_mode & 0111) != 0;

    s->fd = fd;
    s->fd_is_ours = ours;
    s->checked = plain;
    if (st != NULL)
        s->before = *st;
    s->name = name;
    s->eof = s->built = false;
    s->file_bytes = 0;
    s->at = s->end = 0;
    wr_chunker_init(&s->chunker, &s->cfg.chunking);
    wr_build_begin(&s->build, runs, 0755);
    s->step = STEP_READ;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
           a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The end of what can be read: it must be what was there at the start. */
static bool unchanged(struct wr_source *s)
{
    struct stat after;

    if (!s->checked)
        return true;
    if (fstat(s->fd, &after) != 0) {
        fail_errno(s, s->name, errno);
        return false;
    }
    if (after.st_nlink == 0 && s->before.st_nlink != 0) {
        fail(s, WR_ECHANGED, s->name, "was deleted while it was read");
        return false;
    }
    if (!same_file(&s->before, &after) ||
        s->file_bytes != (uint64_t)after.st_size) {
        fail(s, WR_ECHANGED, s->name,
             "changed while it was read; nothing was kept: put it again");
        return false;
    }
    return true;
}

/* What is no file may keep a reader waiting for ever: look up now and then. */
static bool wait_readable(struct wr_source *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};

    while (!s->checked && !s->in_memory) {
        if (atomic_load(&s->stopped)) {
            fail(s, WR_ECANCELED, s->name, "cancelled");
            return false;
        }
        if (poll(&p, 1, POLL_MS) != 0)
            break;
    }
    return true;
}

/* More bytes behind those in the stage. */
static void fill(struct wr_source *s)
{
    if (s->at > 0 && STAGE_BYTES - s->end < READ_BYTES) {
        memmove(s->stage, s->stage + s->at, s->end - s->at);
        s->end -= s->at;
        s->at = 0;
    }
    const size_t room = STAGE_BYTES - s->end;
    const size_t most = room < READ_BYTES ? room : READ_BYTES;
    ssize_t n;

    if (!wait_readable(s))
        return;
    if (s->in_memory) {
        n = (ssize_t)(s->memory.n < most ? s->memory.n : most);
        if (n > 0)
            memcpy(s->stage + s->end, s->memory.p, (size_t)n);
        s->memory = wr_span(s->memory.p + n, s->memory.n - (size_t)n);
    } else {
        do {
            n = read(s->fd, s->stage + s->end, most);
        } while (n < 0 && errno == EINTR);
    }
    if (n < 0) {
        fail(s, wr_err_of_errno(errno), s->name, wr_errno_text(errno));
        return;
    }
    s->end += (size_t)n;
    s->file_bytes += (uint64_t)n;
    s->stats.bytes += (uint64_t)n;
    /* A plain file of known size needs no last, empty read: the check at the
     * end finds one that grew. */
    s->eof =
        n == 0 || (s->checked && s->file_bytes == (uint64_t)s->before.st_size);
    if (s->eof)
        (void)unchanged(s);
}

static void step_read(struct wr_source *s)
{
    const struct wr_span left = wr_span(s->stage + s->at, s->end - s->at);
    const size_t n =
        left.n > 0 ? wr_chunker_next(&s->chunker, left, s->eof) : 0;
    uint8_t digest[WR_DIGEST_SIZE];

    if (n == 0 && !s->eof) {
        fill(s);
        return;
    }
    if (n == 0) {
        wr_build_end(&s->build);
        s->built = true;
        s->step = STEP_POP_FILE;
        return;
    }
    const struct wr_span chunk = wr_span(left.p, n);
    wr_hash_digest(s->cfg.hash, chunk, digest);
    s->at += n;
    offer(s, digest, chunk);
    const enum wr_err err = wr_build_leaf(&s->build, digest, (uint32_t)n);
    if (err != WR_OK)
        fail(s, err, s->name, wr_err_text(err));
    s->step = STEP_POP_FILE;
}

/* A finished file, link or directory goes into the directory around it, or is
 * the root. `name` is freed. */
static void finished(struct wr_source *s, char *name,
                     const struct wr_tree *tree)
{
    if (s->top == NULL) {
        s->root = *tree;
        s->step = STEP_DONE;
        free(name);
        return;
    }
    const enum wr_err err = wr_dir_add(&s->top->made, wr_span_str(name), tree);
    if (err != WR_OK)
        fail(s, err, name,
             err == WR_ETOOBIG ? "too many entries in one directory"
                               : wr_err_text(err));
    free(name);
    s->step = STEP_ENTRY;
}

static void close_file(struct wr_source *s)
{
    if (s->fd >= 0 && s->fd_is_ours)
        close(s->fd);
    s->fd = -1;
}

static void step_pop_file(struct wr_source *s)
{
    struct wr_block block;
    struct wr_tree tree;

    if (wr_build_pop(&s->build, &block)) {
        offer(s, block.cid.digest, block.bytes);
        return;
    }
    if (!s->built && (!s->eof || s->at < s->end)) {
        s->step = STEP_READ;
        return;
    }
    if (!s->built) {
        wr_build_end(&s->build);
        s->built = true;
        return;
    }
    const enum wr_err err = wr_build_root(&s->build, &tree);
    if (err != WR_OK) {
        fail(s, err, s->name, wr_err_text(err));
        return;
    }
    close_file(s);
    s->stats.files++;
    char *name = s->name;
    s->name = NULL;
    finished(s, name, &tree);
}

static void enter(struct wr_source *s, int fd, char *name)
{
    struct level *l = calloc(1, sizeof(*l));
    DIR *dir = l != NULL ? fdopendir(fd) : NULL;

    if (dir == NULL) {
        fail(s, l == NULL ? WR_ENOMEM : wr_err_of_errno(errno), name,
             l == NULL ? "out of memory" : wr_errno_text(errno));
        close(fd);
        free(l);
        free(name);
        return;
    }
    l->dir = dir;
    l->name = name;
    l->up = s->top;
    wr_dir_init(&l->made, s->cfg.hash, WR_DIR_BLOCK_MAX);
    wr_dir_begin(&l->made);
    s->top = l;
    s->depth++;
    s->step = STEP_ENTRY;
}

static void leave(struct wr_source *s)
{
    struct level *l = s->top;

    s->top = l->up;
    s->depth--;
    closedir(l->dir);
    wr_dir_done(&l->made);
    free(l);
}

static void add_link(struct wr_source *s, int at, char *name)
{
    char target[WR_SYMLINK_MAX + 1];
    const ssize_t n = readlinkat(at, name, target, sizeof(target));
    struct wr_block block;
    struct wr_tree tree;

    if (n < 0) {
        fail_errno(s, name, errno);
    } else if (wr_symlink(s->cfg.hash, wr_span(target, (size_t)n), s->link,
                          &block, &tree) != WR_OK) {
        fail(s, WR_ETOOBIG, name, "a link with a target that is too long");
    } else {
        offer(s, block.cid.digest, block.bytes);
        finished(s, name, &tree);
        return;
    }
    free(name);
}

/* Opens it as what it was a moment ago; the descriptor tells what it is. */
static void add_entry(struct wr_source *s, int at, char *name,
                      unsigned char type)
{
    struct stat st;

    if (type == DT_UNKNOWN) {
        if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            fail_errno(s, name, errno);
            free(name);
            return;
        }
        type = S_ISLNK(st.st_mode) ? DT_LNK : DT_REG;
    }
    if (type == DT_LNK) {
        add_link(s, at, name);
        return;
    }
    const int fd = openat(
        at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd < 0 && errno == ELOOP)
            fail(s, WR_ECHANGED, name, "changed while it was read");
        else if (fd < 0 && errno == ENXIO)
            fail(s, WR_EINVAL, name, "is neither file, directory nor link");
        else
            fail_errno(s, name, errno);
    } else if (S_ISDIR(st.st_mode) && s->depth == WR_SOURCE_DEPTH_MAX) {
        fail(s, WR_ETOOBIG, name, "directories are nested too deeply");
    } else if (S_ISDIR(st.st_mode)) {
        enter(s, fd, name);
        return;
    } else if (S_ISREG(st.st_mode)) {
        begin_file(s, fd, true, &st, name);
        return;
    } else {
        fail(s, WR_EINVAL, name, "is neither file, directory nor link");
    }
    if (fd >= 0)
        close(fd);
    free(name);
}

static void step_entry(struct wr_source *s)
{
    errno = 0;
    const struct dirent *e = readdir(s->top->dir);

    if (e == NULL && errno != 0) {
        fail_errno(s, NULL, errno);
        return;
    }
    if (e == NULL) {
        const enum wr_err err = wr_dir_end(&s->top->made);

        if (err != WR_OK)
            fail(s, err == WR_EEXIST ? WR_ECHANGED : err, NULL,
                 err == WR_EEXIST ? "changed while it was read"
                                  : wr_err_text(err));
        s->step = STEP_POP_DIR;
        return;
    }
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
        return;
    char *name = strdup(e->d_name);
    if (name == NULL)
        fail(s, WR_ENOMEM, e->d_name, "out of memory");
    else
        add_entry(s, dirfd(s->top->dir), name, e->d_type);
}

static void step_pop_dir(struct wr_source *s)
{
    struct level *l = s->top;
    struct wr_block block;
    struct wr_tree tree;

    if (wr_dir_pop(&l->made, &block)) {
        offer(s, block.cid.digest, block.bytes);
        return;
    }
    const enum wr_err err = wr_dir_root(&l->made, &tree);
    if (err != WR_OK) {
        fail(s, err, NULL, wr_err_text(err));
        return;
    }
    char *name = l->name;
    leave(s);
    finished(s, name, &tree);
}

enum wr_source_state wr_source_run(struct wr_source *s,
                                   struct wr_source_batch *batch)
{
    WR_CHECK(batch->n == 0);
    while (!s->failed) {
        if (s->pending) {
            if (batch->n == WR_SOURCE_BATCH ||
                batch->bytes >= WR_SOURCE_BATCH_BYTES)
                return WR_SOURCE_MORE;
            if (!place(s, batch))
                return WR_SOURCE_DRY;
        }
        switch (s->step) {
        case STEP_READ:
            step_read(s);
            break;
        case STEP_POP_FILE:
            step_pop_file(s);
            break;
        case STEP_ENTRY:
            step_entry(s);
            break;
        case STEP_POP_DIR:
            step_pop_dir(s);
            break;
        case STEP_DONE:
            if (s->pending)
                break;
            return WR_SOURCE_END;
        }
    }
    return WR_SOURCE_FAILED;
}

static struct wr_source *new_source(const struct wr_source_cfg *cfg,
                                    const char *path)
{
    struct wr_source *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->cfg = *cfg;
    s->fd = -1;
    wr_build_init(&s->build, cfg->hash, WR_FILE_LINKS);
    s->root_path = strdup(path);
    s->stage = malloc(STAGE_BYTES);
    s->link = malloc(WR_SYMLINK_BLOCK_MAX);
    s->seen = calloc((size_t)1 << SEEN_BITS, sizeof(*s->seen));
    if (s->root_path == NULL || s->stage == NULL || s->link == NULL ||
        s->seen == NULL) {
        wr_source_close(s);
        return NULL;
    }
    return s;
}

enum wr_err wr_source_path(struct wr_source **ret,
                           const struct wr_source_cfg *cfg, const char *path,
                           struct wr_why *why)
{
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 || fstat(fd, &st) != 0) {
        const int e = errno;

        if (fd >= 0)
            close(fd);
        return wr_why(why, wr_err_of_errno(e), "%s: %s", path,
                      wr_errno_text(e));
    }
    struct wr_source *s = new_source(cfg, path);
    if (s == NULL) {
        close(fd);
        return wr_why(why, WR_ENOMEM, "out of memory");
    }
    if (S_ISDIR(st.st_mode)) {
        enter(s, fd, NULL);
    } else {
        if (S_ISREG(st.st_mode))
            s->size = (uint64_t)st.st_size;
        begin_file(s, fd, true, &st, NULL);
    }
    *ret = s;
    return WR_OK;
}

enum wr_err wr_source_fd(struct wr_source **ret,
                         const struct wr_source_cfg *cfg, int fd,
                         struct wr_why *why)
{
    struct wr_source *s = new_source(cfg, "the input");

    if (s == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    begin_file(s, fd, false, NULL, NULL);
    *ret = s;
    return WR_OK;
}

enum wr_err wr_source_memory(struct wr_source **ret,
                             const struct wr_source_cfg *cfg,
                             struct wr_span bytes, struct wr_why *why)
{
    struct wr_source *s = new_source(cfg, "the buffer");

    if (s == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    s->in_memory = true;
    s->memory = bytes;
    s->size = bytes.n;
    begin_file(s, -1, false, NULL, NULL);
    *ret = s;
    return WR_OK;
}

void wr_source_close(struct wr_source *s)
{
    if (s == NULL)
        return;
    while (s->top != NULL) {
        free(s->top->name);
        leave(s);
    }
    close_file(s);
    wr_build_done(&s->build);
    free(s->name);
    free(s->root_path);
    free(s->stage);
    free(s->link);
    free(s->seen);
    free(s);
}

void wr_source_stop(struct wr_source *s)
{
    atomic_store(&s->stopped, true);
}

const struct wr_tree *wr_source_root(const struct wr_source *s)
{
    WR_CHECK(s->step == STEP_DONE && !s->failed);
    return &s->root;
}

const struct wr_why *wr_source_why(const struct wr_source *s)
{
    return &s->why;
}

uint64_t wr_source_size(const struct wr_source *s)
{
    return s->size;
}

const struct wr_source_stats *wr_source_stats(const struct wr_source *s)
{
    return &s->stats;
}
