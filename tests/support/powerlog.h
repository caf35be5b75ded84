/*
 * powerlog.h - a recorder of what a process does to the files of a directory,
 * and what a power cut may leave of it. This program's own write, pwrite,
 * writev, fsync, fdatasync, open, ftruncate, rename, mkdir and unlink stand
 * before the system's.
 *
 * The model of a disk. What was synced is there. Of what was written since,
 * each piece of 4 KiB, or of 512 bytes, is there or is not, whatever came
 * before or after it; so is each change of a file's length. A name that was
 * made, moved or removed in a directory is sure once that directory was synced,
 * and as uncertain before. A write to a file opened with O_DSYNC is sure when
 * it returns. A sync that fails has lost what it should have made sure, or a
 * part of it, although the file still shows it; the next one succeeds.
 *
 * Lock files of LMDB are written through a map that nobody syncs: a cut leaves
 * anything in them.
 */
#ifndef WR_TESTS_POWERLOG_H
#define WR_TESTS_POWERLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

/* Begins to record what happens below `root`, an empty directory. */
void powerlog_start(const char *root);
/* From now on nothing is recorded; the log stays until the next start. */
void powerlog_stop(void);

/* The `n`th sync from the start on, of any kind, fails (0: none). */
void powerlog_fail_sync(uint32_t n);
/* Syncs so far, failed ones included. */
uint32_t powerlog_syncs(void);

/* An entry of the caller's own at this point of the log. */
void powerlog_mark(uint64_t value);
/* Entries so far. */
uint32_t powerlog_n(void);

/* Calls `fn` for each mark among the first `n` entries. */
void powerlog_marks(uint32_t n, void (*fn)(void *arg, uint64_t value),
                    void *arg);

/* Makes below `to`, an empty directory, what a cut after the first `n` entries
 * may leave; `rng` decides. Cheapest if `n` never falls. */
void powerlog_cut(uint32_t n, struct wr_rng *rng, const char *to);

#endif
