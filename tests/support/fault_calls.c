/* fault_calls.c - the system calls of fault.c, and the errors of each. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fault_parts.h"

enum { SHORT = -1, ERRORS_MAX = 4 };

enum kind { DISK, NET, OTHER };

static enum kind kind_of(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return OTHER;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        return DISK;
    return S_ISSOCK(st.st_mode) ? NET : OTHER;
}

static bool is_among(const char *name)
{
    const size_t n = strlen(name);

    if (only == NULL)
        return true;
    for (const char *p = only; (p = strstr(p, name)) != NULL; p += n)
        if ((p == only || p[-1] == ',') && (p[n] == '\0' || p[n] == ','))
            return true;
    return false;
}

/* 0: goes on; an errno that is to be returned; SHORT. */
static int fault(const char *name, const int errors[ERRORS_MAX])
{
    const int before = errno;
    int count = 0, e;
    uint64_t n;

    if (what != CALL || inside || !is_among(name) || !is_due(&n))
        return 0;
    while (count < ERRORS_MAX && errors[count] != 0)
        count++;
    e = errors[(n + seed) % (uint64_t)count];
    told(name, n, e == SHORT ? "short" : strerrorname_np(e));
    errno = e == SHORT ? before : e;
    return e;
}

static int fault_in(const char *name, int fd)
{
    static const int errors[][ERRORS_MAX] = {[DISK] = {EIO, EINTR, SHORT},
                                             [NET] = {ECONNRESET, EINTR, SHORT},
                                             [OTHER] = {EINTR}};

    return what == CALL && !inside ? fault(name, errors[kind_of(fd)]) : 0;
}

static int fault_out(const char *name, int fd)
{
    static const int errors[][ERRORS_MAX] = {
        [DISK] = {EIO, ENOSPC, EINTR, SHORT},
        [NET] = {ECONNRESET, EPIPE, EINTR, SHORT},
        [OTHER] = {EINTR}};

    if (what != CALL || inside)
        return 0;
    if (only != NULL && is_among("meta") && kind_of(fd) == DISK &&
        (fcntl(fd, F_GETFL) & O_DSYNC) != 0)
        name = "meta";
    return fault(name, errors[kind_of(fd)]);
}

/* What remains of `n` if the call is to be cut short. */
static size_t less(size_t n)
{
    return n > 1 ? n / 2 : n;
}

#define DISK_FULL(n, fits)                                                     \
    if ((n) > 0 && (fits) == 0) {                                              \
        errno = ENOSPC;                                                        \
        return -1;                                                             \
    }

ssize_t read(int fd, void *p, size_t n)
{
    const int e = fault_in("read", fd);
    NEXT(ssize_t(int, void *, size_t), "read");

    return e > 0 ? -1 : real(fd, p, e == SHORT ? less(n) : n);
}

static ssize_t do_pread(int fd, void *p, size_t n, off_t from)
{
    const int e = fault_in("pread", fd);

    return e > 0 ? -1
                 : syscall(SYS_pread64, fd, p, e == SHORT ? less(n) : n, from);
}

ssize_t pread_(int fd, void *p, size_t n, off_t from) __asm__("pread");
ssize_t pread_(int fd, void *p, size_t n, off_t from)
{
    return do_pread(fd, p, n, from);
}

ssize_t pread64(int fd, void *p, size_t n, off_t from)
{
    return do_pread(fd, p, n, from);
}

ssize_t readv(int fd, const struct iovec *v, int n)
{
    const int e = fault_in("readv", fd);
    NEXT(ssize_t(int, const struct iovec *, int), "readv");

    return e > 0 ? -1 : real(fd, v, e == SHORT ? 1 : n);
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    const int e = fault_in("recvmsg", fd);
    NEXT(ssize_t(int, struct msghdr *, int), "recvmsg");

    return e > 0 ? -1 : real(fd, m, flags);
}

ssize_t write(int fd, const void *p, size_t n)
{
    const int e = fault_out("write", fd);
    const size_t fit = fits(fd, n, -1);
    NEXT(ssize_t(int, const void *, size_t), "write");

    if (e > 0)
        return -1;
    DISK_FULL(n, fit)
    return real(fd, p, e == SHORT ? less(fit) : fit);
}

static ssize_t do_pwrite(int fd, const void *p, size_t n, off_t to)
{
    const int e = fault_out("pwrite", fd);
    const size_t fit = fits(fd, n, to);

    if (e > 0)
        return -1;
    DISK_FULL(n, fit)
    return syscall(SYS_pwrite64, fd, p, e == SHORT ? less(fit) : fit, to);
}

ssize_t pwrite_(int fd, const void *p, size_t n, off_t to) __asm__("pwrite");
ssize_t pwrite_(int fd, const void *p, size_t n, off_t to)
{
    return do_pwrite(fd, p, n, to);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t to)
{
    return do_pwrite(fd, p, n, to);
}

/* Bytes of a vector, of which `fit` may be written: as one write each. */
static ssize_t writev_part(int fd, const struct iovec *v, int n, size_t fit,
                           off_t to)
{
    size_t done = 0;

    for (int i = 0; i < n && done < fit; i++) {
        const size_t k = v[i].iov_len < fit - done ? v[i].iov_len : fit - done;
        const long m = to < 0 ? syscall(SYS_write, fd, v[i].iov_base, k)
                              : syscall(SYS_pwrite64, fd, v[i].iov_base, k,
                                        to + (off_t)done);

        if (m < 0)
            return done > 0 ? (ssize_t)done : -1;
        done += (size_t)m;
        if ((size_t)m < k)
            break;
    }
    return (ssize_t)done;
}

static ssize_t do_writev(const char *name, int fd, const struct iovec *v, int n,
                         off_t to)
{
    const int e = fault_out(name, fd);
    size_t all = 0, fit;

    for (int i = 0; i < n; i++)
        all += v[i].iov_len;
    fit = fits(fd, all, to);
    if (e > 0)
        return -1;
    DISK_FULL(all, fit)
    if (e == SHORT)
        fit = less(fit);
    if (fit < all)
        return writev_part(fd, v, n, fit, to);
    return to < 0 ? syscall(SYS_writev, fd, v, n)
                  : syscall(SYS_pwritev, fd, v, n, to, 0);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    return do_writev("writev", fd, v, n, -1);
}

ssize_t pwritev_(int fd, const struct iovec *v, int n,
                 off_t to) __asm__("pwritev");
ssize_t pwritev_(int fd, const struct iovec *v, int n, off_t to)
{
    return do_writev("pwritev", fd, v, n, to);
}

ssize_t pwritev64(int fd, const struct iovec *v, int n, off_t to)
{
    return do_writev("pwritev", fd, v, n, to);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    const int e = fault_out("sendmsg", fd);
    NEXT(ssize_t(int, const struct msghdr *, int), "sendmsg");

    return e > 0 ? -1 : real(fd, m, flags);
}

/* Calls that only fail or pass. */
#define PLAIN(type, name, fake, params, args, ...)                             \
    type name params                                                           \
    {                                                                          \
        static const int errors[ERRORS_MAX] = {__VA_ARGS__};                   \
        NEXT(type params, #name);                                              \
        return fault(#name, errors) != 0 ? fake : real args;                   \
    }

PLAIN(int, fsync, -1, (int fd), (fd), EIO, ENOSPC)
PLAIN(int, fdatasync, -1, (int fd), (fd), EIO, ENOSPC)
PLAIN(int, syncfs, -1, (int fd), (fd), EIO, ENOSPC)
PLAIN(int, msync, -1, (void *p, size_t n, int flags), (p, n, flags), EIO)
PLAIN(int, rename, -1, (const char *a, const char *b), (a, b), EIO, ENOSPC)
PLAIN(int, renameat, -1, (int d, const char *a, int e, const char *b),
      (d, a, e, b), EIO, ENOSPC)
PLAIN(int, renameat2, -1,
      (int d, const char *a, int e, const char *b, unsigned flags),
      (d, a, e, b, flags), EIO, ENOSPC)
PLAIN(int, mkdir, -1, (const char *path, mode_t mode), (path, mode), EIO,
      ENOSPC)
PLAIN(int, unlink, -1, (const char *path), (path), EIO)
PLAIN(int, socket, -1, (int domain, int type, int protocol),
      (domain, type, protocol), EMFILE, ENFILE)
PLAIN(int, listen, -1, (int fd, int backlog), (fd, backlog), EADDRINUSE)
PLAIN(int, accept4, -1, (int fd, __SOCKADDR_ARG a, socklen_t *n, int flags),
      (fd, a, n, flags), EMFILE, ECONNABORTED, EINTR, ENFILE)
PLAIN(int, connect, -1, (int fd, __CONST_SOCKADDR_ARG a, socklen_t n),
      (fd, a, n), ECONNREFUSED, ECONNRESET, EINTR)
PLAIN(int, bind, -1, (int fd, __CONST_SOCKADDR_ARG a, socklen_t n), (fd, a, n),
      EADDRINUSE)
PLAIN(int, eventfd, -1, (unsigned n, int flags), (n, flags), EMFILE, ENFILE)
PLAIN(int, pipe2, -1, (int fds[2], int flags), (fds, flags), EMFILE, ENFILE)
PLAIN(int, socketpair, -1, (int domain, int type, int protocol, int fds[2]),
      (domain, type, protocol, fds), EMFILE, ENFILE)
PLAIN(int, epoll_create1, -1, (int flags), (flags), EMFILE, ENFILE)
PLAIN(int, epoll_ctl, -1, (int ep, int op, int fd, struct epoll_event *ev),
      (ep, op, fd, ev), ENOMEM)
PLAIN(int, epoll_pwait, -1,
      (int ep, struct epoll_event *v, int n, int ms, const sigset_t *set),
      (ep, v, n, ms, set), EINTR)
PLAIN(int, epoll_wait, -1, (int ep, struct epoll_event *v, int n, int ms),
      (ep, v, n, ms), EINTR)
PLAIN(int, pthread_create, EAGAIN,
      (pthread_t * t, const pthread_attr_t *attr, void *(*run)(void *),
       void *arg),
      (t, attr, run, arg), EAGAIN)

static int do_ftruncate(int fd, off_t n)
{
    static const int errors[ERRORS_MAX] = {EIO, ENOSPC, EINTR};

    return fault("ftruncate", errors) != 0 ? -1
                                           : (int)syscall(SYS_ftruncate, fd, n);
}

int ftruncate_(int fd, off_t n) __asm__("ftruncate");
int ftruncate_(int fd, off_t n)
{
    return do_ftruncate(fd, n);
}

int ftruncate64(int fd, off_t n)
{
    return do_ftruncate(fd, n);
}

static int do_fallocate(int fd, off_t from, off_t n)
{
    static const int errors[ERRORS_MAX] = {ENOSPC, EIO, EINTR};
    const int e = fault("fallocate", errors);

    if (e != 0)
        return e;
    if (fits(fd, (size_t)n, from) < (size_t)n)
        return ENOSPC;
    return syscall(SYS_fallocate, fd, 0, from, n) == 0 ? 0 : errno;
}

int posix_fallocate_(int fd, off_t from, off_t n) __asm__("posix_fallocate");
int posix_fallocate_(int fd, off_t from, off_t n)
{
    return do_fallocate(fd, from, n);
}

int posix_fallocate64(int fd, off_t from, off_t n)
{
    return do_fallocate(fd, from, n);
}

static int do_open(const char *name, int dir, const char *path, int flags,
                   mode_t mode)
{
    static const int old[ERRORS_MAX] = {EMFILE, EIO, ENFILE};
    static const int new[ERRORS_MAX] = {ENOSPC, EMFILE, EIO};

    if (fault(name, (flags & O_CREAT) != 0 ? new : old) != 0)
        return -1;
    return (int)syscall(SYS_openat, dir, path, flags, mode);
}

#define OPEN(symbol, name, params, dir)                                        \
    int symbol##_ params __asm__(#symbol);                                     \
    int symbol##_ params                                                       \
    {                                                                          \
        mode_t mode = 0;                                                       \
                                                                               \
        if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {      \
            va_list args;                                                      \
                                                                               \
            va_start(args, flags);                                             \
            mode = va_arg(args, mode_t);                                       \
            va_end(args);                                                      \
        }                                                                      \
        return do_open(name, dir, path, flags, mode);                          \
    }

OPEN(open, "open", (const char *path, int flags, ...), AT_FDCWD)
OPEN(open64, "open", (const char *path, int flags, ...), AT_FDCWD)
OPEN(openat, "openat", (int dir, const char *path, int flags, ...), dir)
OPEN(openat64, "openat", (int dir, const char *path, int flags, ...), dir)

static void *do_mmap(void *p, size_t n, int prot, int flags, int fd, off_t from)
{
    static const int errors[ERRORS_MAX] = {ENOMEM};

    if (fault("mmap", errors) != 0)
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, p, n, prot, flags, fd, from);
}

void *mmap_(void *p, size_t n, int prot, int flags, int fd,
            off_t from) __asm__("mmap");
void *mmap_(void *p, size_t n, int prot, int flags, int fd, off_t from)
{
    return do_mmap(p, n, prot, flags, fd, from);
}

void *mmap64(void *p, size_t n, int prot, int flags, int fd, off_t from)
{
    return do_mmap(p, n, prot, flags, fd, from);
}

static int do_statfs(const char *path, struct statfs *ret)
{
    static const int errors[ERRORS_MAX] = {EIO};

    if (fault("statfs", errors) != 0 || syscall(SYS_statfs, path, ret) != 0)
        return -1;
    if (on_disk_path(path)) {
        ret->f_bsize = BLOCK;
        ret->f_blocks = disk_bytes / BLOCK;
        ret->f_bfree = ret->f_bavail = disk_free() / BLOCK;
    }
    return 0;
}

int statfs_(const char *path, struct statfs *ret) __asm__("statfs");
int statfs_(const char *path, struct statfs *ret)
{
    return do_statfs(path, ret);
}

int statfs64_(const char *path, struct statfs *ret) __asm__("statfs64");
int statfs64_(const char *path, struct statfs *ret)
{
    return do_statfs(path, ret);
}
