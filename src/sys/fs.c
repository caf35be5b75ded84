/* fs.c - see fs.h. */
#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

static enum wr_err fail(struct wr_why *why, const char *did, const char *path,
                        int e)
{
    return wr_why(why, wr_err_of_errno(e), "cannot %s %s: %s", did, path,
                  wr_errno_text(e));
}

/* Reads until `n` bytes or the end. Bytes read, or -1 with errno. */
static ssize_t read_all(int fd, uint8_t *p, size_t n)
{
    size_t done = 0;

    while (done < n) {
        const ssize_t k = read(fd, p + done, n - done);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -1;
        if (k == 0)
            break;
        done += (size_t)k;
    }
    return (ssize_t)done;
}

static bool write_all(int fd, struct wr_span s)
{
    while (s.n > 0) {
        const ssize_t k = write(fd, s.p, s.n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return false;
        s.p += k;
        s.n -= (size_t)k;
    }
    return true;
}

/* `fd` is open on `path`; the caller closes it. */
static enum wr_err read_fd(int fd, const char *path, size_t limit,
                           struct wr_why *why, uint8_t **ret, size_t *ret_n)
{
    struct stat st;
    uint8_t *p;
    ssize_t n;

    if (fstat(fd, &st) != 0)
        return fail(why, "read", path, errno);
    if (!S_ISREG(st.st_mode))
        return wr_why(why, WR_EINVAL, "%s is not a regular file", path);
    if ((uint64_t)st.st_size > limit)
        return wr_why(why, WR_ETOOBIG,
                      "%s has %lld bytes, more than the %zu that are sensible "
                      "for it; is it the right file?",
                      path, (long long)st.st_size, limit);
    p = malloc(limit + 1);
    if (p == NULL)
        return wr_why(why, WR_ENOMEM, "no memory to read %s", path);
    n = read_all(fd, p, limit + 1);
    if (n < 0 || (size_t)n > limit) {
        const int e = errno;

        free(p);
        if (n < 0)
            return fail(why, "read", path, e);
        return wr_why(why, WR_ETOOBIG, "%s grew while it was read", path);
    }
    p[n] = 0;
    *ret = p;
    *ret_n = (size_t)n;
    return WR_OK;
}

enum wr_err wr_file_read(const char *path, size_t limit, struct wr_why *why,
                         uint8_t **ret, size_t *ret_n)
{
    /* O_NONBLOCK: a FIFO in the file's place must not hang us. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum wr_err err;

    if (fd < 0)
        return fail(why, "open", path, errno);
    err = read_fd(fd, path, limit, why, ret, ret_n);
    close(fd);
    return err;
}

enum wr_err wr_file_write(const char *path, mode_t mode, struct wr_span bytes,
                          struct wr_why *why)
{
    char tmp[PATH_MAX];
    const int n = snprintf(tmp, sizeof(tmp), "%s.tmp-XXXXXX", path);
    const char *did = "write";
    int fd, e;

    if (n < 0 || (size_t)n >= sizeof(tmp))
        return wr_why(why, WR_EINVAL, "the path %.200s... is too long", path);
    fd = mkostemp(tmp, O_CLOEXEC); /* Mode 0600. */
    if (fd < 0)
        return fail(why, "create a file beside", path, errno);
    if (!write_all(fd, bytes) || fchmod(fd, mode) != 0 || fsync(fd) != 0)
        goto undo;
    if (rename(tmp, path) != 0) {
        did = "replace";
        goto undo;
    }
    close(fd);
    return wr_dir_sync_parent(path, why);

undo:
    e = errno;
    close(fd);
    unlink(tmp);
    return fail(why, did, path, e);
}

bool wr_file_is_special(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static enum wr_err write_into(const char *path, mode_t mode,
                              struct wr_span bytes, struct wr_why *why)
{
    const int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC, mode);
    int e = 0;

    if (fd < 0)
        return fail(why, "write", path, errno);
    if (!write_all(fd, bytes))
        e = errno;
    if (close(fd) != 0 && e == 0)
        e = errno;
    return e == 0 ? WR_OK : fail(why, "write", path, e);
}

enum wr_err wr_file_out(const char *path, mode_t mode, struct wr_span bytes,
                        struct wr_why *why)
{
    return wr_file_is_special(path) ? write_into(path, mode, bytes, why)
                                    : wr_file_write(path, mode, bytes, why);
}

enum wr_err wr_dir_make(const char *path, mode_t mode, struct wr_why *why)
{
    char part[PATH_MAX];
    const size_t n = strlen(path);
    struct stat st;

    if (n == 0 || n >= sizeof(part))
        return wr_why(why, WR_EINVAL, "\"%.200s\" is not a usable path", path);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != 0)
            continue;
        part[i] = 0;
        if (mkdir(part, mode) == 0) {
            const enum wr_err err = wr_dir_sync_parent(part, why);

            if (err != WR_OK)
                return err;
        } else if (errno != EEXIST) {
            return fail(why, "create the directory", part, errno);
        }
        part[i] = path[i];
    }
    if (stat(path, &st) != 0)
        return fail(why, "use the directory", path, errno);
    if (!S_ISDIR(st.st_mode))
        return wr_why(why, WR_EEXIST, "%s is there, but is not a directory",
                      path);
    return WR_OK;
}

enum wr_err wr_dir_sync(const char *path, struct wr_why *why)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum wr_err err = WR_OK;

    if (fd < 0)
        return fail(why, "open the directory", path, errno);
    if (fsync(fd) != 0)
        err = fail(why, "sync the directory", path, errno);
    close(fd);
    return err;
}

enum wr_err wr_dir_sync_parent(const char *path, struct wr_why *why)
{
    char dir[PATH_MAX];
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    if (n == 0)
        return wr_dir_sync(".", why);
    if (n >= sizeof(dir))
        return wr_why(why, WR_EINVAL, "the path %.200s... is too long", path);
    memcpy(dir, path, n);
    dir[n] = 0;
    return wr_dir_sync(dir, why);
}

enum wr_err wr_disk_read(const char *path, struct wr_why *why,
                         struct wr_disk *ret)
{
    const uint64_t cifs = 0xff534d42, smb2 = 0xfe534d42;
    struct statfs s;
    uint64_t unit, type;

    if (statfs(path, &s) != 0)
        return fail(why, "ask for the free space of", path, errno);
    unit = (uint64_t)s.f_bsize;
    type = (uint64_t)s.f_type & UINT32_MAX;
    *ret = (struct wr_disk){
        .total = (uint64_t)s.f_blocks * unit,
        .free = (uint64_t)s.f_bavail * unit,
        .remote = type == NFS_SUPER_MAGIC || type == SMB_SUPER_MAGIC ||
                  type == cifs || type == smb2 || type == AFS_SUPER_MAGIC ||
                  type == CODA_SUPER_MAGIC || type == V9FS_MAGIC,
    };
    return WR_OK;
}

/* The process id that a holder wrote into its lock file; 0 if unreadable. */
static long holder(int fd)
{
    char text[32] = "";
    const ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    return n > 0 ? strtol(text, NULL, 10) : 0;
}

enum wr_err wr_lock_take(const char *path, const char *what, struct wr_why *why,
                         struct wr_lock *ret)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char text[32];
    int n;

    if (fd < 0)
        return fail(why, "open the lock file", path, errno);
    if (fcntl(fd, F_OFD_SETLK, &all) != 0) {
        const int e = errno;
        const long pid = holder(fd);

        close(fd);
        if (e != EAGAIN && e != EACCES)
            return fail(why, "lock", path, e);
        return wr_why(why, WR_ELOCKED,
                      "%s is in use by another process (pid %ld); stop that "
                      "one first, or give this one a place of its own",
                      what, pid);
    }
    n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* For people alone: the lock holds without it. */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
        (void)0;
    ret->fd = fd;
    return WR_OK;
}

/* The file stays: removing it would let two processes lock two files of one
 * name. */
void wr_lock_release(struct wr_lock *lock)
{
    if (lock == NULL || lock->fd < 0)
        return;
    close(lock->fd);
    lock->fd = -1;
}
