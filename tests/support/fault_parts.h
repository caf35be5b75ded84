/* fault_parts.h - what the files of fault.c share, and nobody else sees. */
#ifndef WR_TESTS_FAULT_PARTS_H
#define WR_TESTS_FAULT_PARTS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#pragma GCC visibility push(hidden)

enum { BLOCK = 4096 };

/* What was asked for: fault.c. */
extern enum what { OFF, MALLOC, CALL } what;
extern uint64_t seed;
extern const char *only;
extern char disk_dir[PATH_MAX];
extern uint64_t disk_bytes;
extern __thread bool inside; /* Our own calls do not count. */

/* Whether this one, counted now, is to fail. */
bool is_due(uint64_t *ret_n);
/* It fails: for the log. */
void told(const char *name, uint64_t n, const char *how);
void *next(const char *name);
/* The function of this name that would have been called. */
#define NEXT(type, name)                                                       \
    static __typeof__(type) *real;                                             \
    if (real == NULL)                                                          \
    real = (__typeof__(type) *)(uintptr_t)next(name)

/* A small disk: fault_disk.c. */
bool on_disk_path(const char *path);
uint64_t disk_free(void);
/* How much of `n` bytes at `from` (-1: where the file stands) fits. */
size_t fits(int fd, size_t n, off_t from);

#pragma GCC visibility pop
#endif
