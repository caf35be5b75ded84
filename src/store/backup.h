/*
 * backup.h - a copy of a store as it is at one moment, also while its host
 * runs: LMDB lets a second process read. Compacted: free pages are not copied.
 *
 * The copy is one long read transaction. What the host frees or overwrites
 * until it ends cannot be used again, so its file grows by about as much as is
 * written meanwhile. A backup that is killed leaves a dead reader, which the
 * host removes within a minute.
 *
 * For tools; blocks.
 */
#ifndef WR_STORE_BACKUP_H
#define WR_STORE_BACKUP_H

#include "store/store.h"

/* `done` of about `total` bytes are written. */
typedef void wr_backup_fn(void *arg, uint64_t done, uint64_t total);

/* Makes the store directory `to`, which must not be there, of the one at
 * `from`. On failure there is none. WR_ENOTFOUND, WR_EINVAL (`to` is there),
 * WR_EFULL, WR_EDAMAGED, WR_EPERM, WR_EIO, WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_store_backup(const char *from, const char *to,
                                        wr_backup_fn *fn, void *arg,
                                        struct wr_why *why);

/* The other way: no process has either. The bytes are copied as they are. */
WR_MUST_USE enum wr_err wr_store_restore(const char *from, const char *to,
                                         wr_backup_fn *fn, void *arg,
                                         struct wr_why *why);

#endif
