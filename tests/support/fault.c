/*
 * fault.c - the world goes wrong, on request: a library for LD_PRELOAD that
 * makes the n-th allocation or the n-th system call of a real process fail, or
 * gives it a small disk. Calls are counted in the order in which they happen,
 * of all threads.
 *
 *     WREATH_FAULT=malloc     allocations, of libraries as well
 *     WREATH_FAULT=call       the calls of the table below
 *     WREATH_FAULT_ONLY=a,b   ... of these only: fdatasync,fsync; `meta` is a
 *                             write to a file opened with O_DSYNC
 *     WREATH_FAULT_AT=N       the N-th fails (from 1; 0 only counts)
 *     WREATH_FAULT_TIMES=K    ... and those after it, K in all (default 1)
 *     WREATH_FAULT_SEED=S     which of the errors that this call may have
 *     WREATH_FAULT_LOG=FILE   a line for each failure, with the program or
 *                             library that asked, and, at exit, the count
 *     WREATH_FAULT_TRACE=1    with a backtrace
 *     WREATH_FAULT_DISK=DIR:N what lies below DIR lives on a disk of N bytes
 *
 * An error is one that the call may have for that kind of descriptor: disks
 * fail with EIO and fill up, peers reset, tables run full, signals interrupt,
 * and what is asked for is done in part.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fault_parts.h"

enum what what;
static atomic_uint_fast64_t seen;
static uint64_t at, times = 1;
uint64_t seed;
const char *only;
static bool trace;
static int log_fd = -1;
char disk_dir[PATH_MAX];
uint64_t disk_bytes;
__thread bool inside;
static bool begun; /* Before, memory comes from `early`. */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    char text[256];
    va_list args;
    int n;

    if (log_fd < 0)
        return;
    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n > 0)
        (void)syscall(SYS_write, log_fd, text, (size_t)n);
}

/* The file of the first caller that is neither we nor the C library. */
static const char *asker(void *const *frames, int n)
{
    Dl_info info;

    for (int i = 1; i < n; i++) {
        const char *name;

        if (dladdr(frames[i], &info) == 0 || info.dli_fname == NULL)
            continue;
        name = strrchr(info.dli_fname, '/');
        name = name != NULL ? name + 1 : info.dli_fname;
        if (strncmp(name, "libc.", 5) != 0 && strncmp(name, "ld-", 3) != 0 &&
            strncmp(name, "libasan", 7) != 0 &&
            strstr(name, "wreath-fault") == NULL)
            return name;
    }
    return "?";
}

void told(const char *name, uint64_t n, const char *how)
{
    void *frames[24];
    int depth;

    inside = true;
    depth = backtrace(frames, 24);
    say("failed %s %llu: %s, asked by %s\n", name, (unsigned long long)n, how,
        asker(frames, depth));
    if (trace)
        backtrace_symbols_fd(frames, depth, log_fd);
    inside = false;
}

bool is_due(uint64_t *ret_n)
{
    const uint64_t n = atomic_fetch_add(&seen, 1) + 1;

    *ret_n = n;
    return at > 0 && n >= at && n - at < times;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

__attribute__((constructor)) static void begin(void)
{
    const char *kind = getenv("WREATH_FAULT");
    const char *log = getenv("WREATH_FAULT_LOG");
    const char *disk = getenv("WREATH_FAULT_DISK");
    const char *colon = disk != NULL ? strrchr(disk, ':') : NULL;
    void *frames[2];

    begun = true;
    inside = true;
    at = number("WREATH_FAULT_AT", 0);
    times = number("WREATH_FAULT_TIMES", 1);
    seed = number("WREATH_FAULT_SEED", 0);
    only = getenv("WREATH_FAULT_ONLY");
    trace = getenv("WREATH_FAULT_TRACE") != NULL;
    (void)backtrace(frames, 2); /* It allocates at its first call. */
    if (log != NULL)
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, log,
                              O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (colon != NULL && (size_t)(colon - disk) < sizeof(disk_dir)) {
        memcpy(disk_dir, disk, (size_t)(colon - disk));
        disk_bytes = strtoull(colon + 1, NULL, 10);
    }
    inside = false;
    if (kind != NULL)
        what = strcmp(kind, "malloc") == 0 ? MALLOC : CALL;
}

__attribute__((destructor)) static void finish(void)
{
    const bool counts = what != OFF;

    what = OFF;
    if (counts)
        say("counted %llu\n", (unsigned long long)atomic_load(&seen));
}

void *next(const char *name)
{
    const bool was = inside;
    void *f;

    inside = true;
    f = dlsym(RTLD_NEXT, name);
    inside = was;
    if (f == NULL)
        abort();
    return f;
}

/* --- Memory --------------------------------------------------------------- */

/* For what is asked for before we have begun: by dlsym() while it looks for
 * malloc(), and by a sanitizer while it looks for everything. */
static _Alignas(16) uint8_t early[1 << 20];
static size_t early_n;

static bool is_early(const void *p)
{
    const uintptr_t from = (uintptr_t)early, is = (uintptr_t)p;

    return is >= from && is < from + sizeof(early);
}

static void *early_get(size_t n)
{
    uint8_t *p = early + early_n;

    if (n > sizeof(early) - 32 - early_n)
        abort();
    memcpy(p, &n, sizeof(n));
    early_n += 16 + ((n + 15) & ~(size_t)15);
    return p + 16;
}

static size_t early_size(const void *p)
{
    size_t n;

    memcpy(&n, (const uint8_t *)p - 16, sizeof(n));
    return n;
}

static bool no_memory(const char *name, size_t bytes)
{
    char how[32];
    uint64_t n;

    if (what != MALLOC || inside || !is_due(&n))
        return false;
    (void)snprintf(how, sizeof(how), "%zu bytes", bytes);
    told(name, n, how);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    static void *(*real)(size_t);

    if (!begun || (inside && real == NULL))
        return early_get(n);
    if (real == NULL)
        real = (void *(*)(size_t))(uintptr_t)next("malloc");
    return no_memory("malloc", n) ? NULL : real(n);
}

void *calloc(size_t n, size_t each)
{
    static void *(*real)(size_t, size_t);

    if (!begun || (inside && real == NULL))
        return early_get(n * each); /* Zero as it is. */
    if (real == NULL)
        real = (void *(*)(size_t, size_t))(uintptr_t)next("calloc");
    return no_memory("calloc", n * each) ? NULL : real(n, each);
}

void *realloc(void *p, size_t n)
{
    static void *(*real)(void *, size_t);

    if (is_early(p)) {
        void *q = malloc(n);

        if (q != NULL)
            memcpy(q, p, early_size(p) < n ? early_size(p) : n);
        return q;
    }
    if (!begun || (inside && real == NULL))
        return early_get(n);
    if (real == NULL)
        real = (void *(*)(void *, size_t))(uintptr_t)next("realloc");
    return no_memory("realloc", n) ? NULL : real(p, n);
}

int posix_memalign(void **ret, size_t align, size_t n)
{
    NEXT(int(void **, size_t, size_t), "posix_memalign");
    return no_memory("posix_memalign", n) ? ENOMEM : real(ret, align, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    NEXT(void *(size_t, size_t), "aligned_alloc");
    return no_memory("aligned_alloc", n) ? NULL : real(align, n);
}

void free(void *p)
{
    if (p == NULL || is_early(p))
        return;
    NEXT(void(void *), "free");
    real(p);
}
