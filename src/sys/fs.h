/*
 * fs.h - small files, directories and locks, done the durable way. For
 * identities, configuration, peer tables and the store's surroundings; chunks
 * and users' files go other ways.
 *
 * Every call blocks: at start, in a worker thread or in a tool, never on the
 * loop once it runs. Failures name the path in `why` (which may be NULL).
 */
#ifndef WR_SYS_FS_H
#define WR_SYS_FS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/span.h"
#include "sys/why.h"

/* The whole of a regular file of at most `limit` bytes, in malloc'd memory
 * that the caller frees; a NUL follows the last byte, uncounted.
 * WR_ENOTFOUND, WR_ETOOBIG, WR_EPERM, WR_EIO, WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_file_read(const char *path, size_t limit,
                                     struct wr_why *why, uint8_t **ret,
                                     size_t *ret_n);

/* Replaces `path` as a whole, durably: a temporary file beside it with `mode`
 * from its first byte on (a secret is never readable by others, not for a
 * moment), fsync, rename, fsync of the directory. On failure the old file
 * stands. WR_EPERM, WR_EFULL, WR_EIO, WR_ENOTFOUND (no such directory). */
WR_MUST_USE enum wr_err wr_file_write(const char *path, mode_t mode,
                                      struct wr_span bytes, struct wr_why *why);

/* For paths that people name: what is there and is no regular file (a device,
 * a FIFO, a link) is written into; all else is replaced as above. */
WR_MUST_USE enum wr_err wr_file_out(const char *path, mode_t mode,
                                    struct wr_span bytes, struct wr_why *why);
bool wr_file_is_special(const char *path); /* Whether it is such a thing. */

/* Makes `path` and its missing parents; fine if it is there already. */
WR_MUST_USE enum wr_err wr_dir_make(const char *path, mode_t mode,
                                    struct wr_why *why);

/* Makes names created, renamed or removed in the directory durable. */
WR_MUST_USE enum wr_err wr_dir_sync(const char *path, struct wr_why *why);

/* As above for the directory that holds `path`. */
WR_MUST_USE enum wr_err wr_dir_sync_parent(const char *path,
                                           struct wr_why *why);

struct wr_disk {
    uint64_t total; /* Bytes of the filesystem. */
    uint64_t free;  /* Bytes that this user may still write. */
    bool remote;    /* NFS, CIFS and the like: no place for a store. */
};

WR_MUST_USE enum wr_err wr_disk_read(const char *path, struct wr_why *why,
                                     struct wr_disk *ret);

struct wr_lock {
    int fd; /* -1: not held. */
};

/* Holds `path` (made if needed, mode 0600) for this process until released or
 * dead, also by kill -9. WR_ELOCKED says which process has it. `what` names
 * the thing locked for people: "the store /srv/w/store". */
WR_MUST_USE enum wr_err wr_lock_take(const char *path, const char *what,
                                     struct wr_why *why, struct wr_lock *ret);
void wr_lock_release(struct wr_lock *lock);

#endif
