/*
 * lmdb_parts.h - the parts of the LMDB store. Private to src/store.
 *
 *     lmdb.c        the store as a whole: start, stop, hand-over of requests
 *     lmdb_env.c    the environment: made, locked, opened, judged, measured
 *     lmdb_write.c  what each write does inside a transaction
 *     lmdb_sums.c   sums over the ring, for reconciliation
 *     lmdb_batch.c  the writer thread: batches, commits, what a full or
 *                   failing disk means
 *     lmdb_read.c   the reader threads
 *     lmdb_run.c    LMDB's header of a run of pages, when it is rotten
 *
 * Locks: `mu` guards what is marked so; nothing blocks while it is held. The
 * environment's handles are set before the threads start; the writer alone
 * changes them, after it has sent the readers to rest (wr_lmdb_reopen).
 */
#ifndef WR_STORE_LMDB_PARTS_H
#define WR_STORE_LMDB_PARTS_H

#include <limits.h>
#include <lmdb.h>
#include <pthread.h>

#include "store/impl.h"
#include "store/record.h"
#include "sys/fs.h"

enum {
    WR_LMDB_READERS = 2,
    WR_LMDB_FORMAT = 2, /* Of the store; a newer one is refused. Format 1
                           had no sums: they are made when it is opened. */
    WR_LMDB_BATCH_BYTES = 4 << 20,
    WR_LMDB_BATCH_US = 2000,
    WR_LMDB_BALLAST = 4 << 20,
    WR_LMDB_PLACES = 16, /* In LMDB's table of readers, for all processes. */
    WR_LMDB_LOCK_FILE = 4096, /* That table and its head. Maps are of whole
                                 pages: who has mapped less of it has all. */
};

/* Kept in one record and changed in the transaction that changes them. */
struct wr_totals {
    uint64_t chunk_bytes;
};

struct wr_lmdb_env {
    char *path;
    struct wr_lock lock;
    int heard;    /* The data file once more: see wr_lmdb_env_is_full(). */
    MDB_env *env; /* NULL: it could not be opened anew. */
    MDB_dbi index, payload, refs, roots, metas, sums, own;
    uint64_t page_bytes;
    bool ballast;       /* It is there, whole. */
    const uint8_t *map; /* Where LMDB has mapped the file; NULL: not known. */
    size_t map_bytes;
    struct wr_totals totals;
};

struct wr_lmdb {
    struct wr_store base;
    struct wr_store_cfg cfg;
    struct wr_lmdb_env e;

    pthread_mutex_t mu;
    pthread_cond_t to_write, to_read, is_done, at_rest;
    struct wr_store_reqs writes, reads, done; /* mu */
    uint32_t readers_idle, readers_busy;      /* mu */
    uint32_t opened;                          /* mu; how often anew. */
    bool writer_idle, stop, upkeep, resting;  /* mu */
    struct wr_store_usage usage;              /* mu */
    size_t last_txn;                          /* mu; the last committed. */
    size_t reader_txn[WR_LMDB_READERS];       /* mu; 0: none. */

    pthread_t writer, readers[WR_LMDB_READERS];
    MDB_txn *snapshots[WR_LMDB_READERS]; /* Each its reader's; at rest here. */
    uint32_t readers_n;                  /* mu */
};

/* Errors of LMDB as ours: MAP_FULL and ENOSPC are WR_EFULL. */
enum wr_err wr_lmdb_err(int rc);

static inline MDB_val wr_val(const void *p, size_t n)
{
    return (MDB_val){.mv_size = n, .mv_data = (void *)(uintptr_t)p};
}

static inline struct wr_span wr_val_span(MDB_val v)
{
    return wr_span(v.mv_data, v.mv_size);
}

/* lmdb_env.c */
/* False: it is too long. */
bool wr_store_path(const char *path, const char *suffix, char ret[PATH_MAX]);
/* Holds the store at `path` for this process. */
WR_MUST_USE enum wr_err wr_store_lock(const char *path, struct wr_why *why,
                                      struct wr_lock *ret);
/* mdb_env_open(), which on a full disk returns ENOSPC. LMDB's code. */
WR_MUST_USE int wr_lmdb_open(MDB_env *env, const char *dir, unsigned flags);
WR_MUST_USE enum wr_err wr_lmdb_env_open(struct wr_lmdb_env *e,
                                         const char *path,
                                         const struct wr_store_cfg *cfg,
                                         struct wr_why *why);
/* To read only, as it is: a store that is not there is not made, one of an
 * older format stays so. */
WR_MUST_USE enum wr_err wr_lmdb_env_open_read(struct wr_lmdb_env *e,
                                              const char *path,
                                              struct wr_why *why);
void wr_lmdb_env_close(struct wr_lmdb_env *e); /* Also half-open. */
/* Opens it anew, the lock held throughout; no transaction may be there. After
 * an error e->env is NULL. */
WR_MUST_USE enum wr_err wr_lmdb_env_reopen(struct wr_lmdb_env *e,
                                           const struct wr_store_cfg *cfg,
                                           struct wr_why *why);
/* Whether an I/O error was but a disk without room: a write that fits in part
 * is EIO to LMDB. A failed sync is not, whatever the room: the kernel tells it
 * once to each descriptor, so one that LMDB has not heard with still does. */
bool wr_lmdb_env_is_full(const struct wr_lmdb_env *e);
/* Chunks, roots, used bytes, capacity and space, as `txn` sees them. */
enum wr_err wr_lmdb_env_measure(const struct wr_lmdb_env *e, MDB_txn *txn,
                                uint64_t quota, struct wr_store_usage *u);
int wr_lmdb_totals_put(const struct wr_lmdb_env *e, MDB_txn *txn,
                       const struct wr_totals *t);
/* Space put aside for removals on a full disk. */
void wr_lmdb_ballast_make(struct wr_lmdb_env *e);
void wr_lmdb_ballast_drop(struct wr_lmdb_env *e);

/* lmdb_run.c: `v` is a value as LMDB returned it. */
/* Learns where the map is from a value of a few bytes. False: its page is not
 * the one that it says it is; LMDB would free that one in its stead. */
WR_MUST_USE bool wr_lmdb_run_find_map(struct wr_lmdb_env *e, MDB_val in_a_leaf);
/* Whether the header of its run is right, if it is in a run. */
bool wr_lmdb_run_sound(const struct wr_lmdb_env *e, MDB_val v);
/* Makes it so, in the file. LMDB's code. Before the run is removed. */
int wr_lmdb_run_mend(const struct wr_lmdb_env *e, MDB_val v);

/* lmdb_write.c */
/* A transaction and what its requests share. Readers set only e and txn. */
struct wr_lmdb_work {
    const struct wr_lmdb_env *e;
    MDB_txn *txn;
    struct wr_totals totals;
    enum wr_space space;
};

/* Performs one write. LMDB's code; if it is not 0 the transaction is spoilt
 * and the answer is not to be used. */
int wr_lmdb_perform(struct wr_lmdb_work *w, struct wr_store_req *r);
/* The index record of a chunk. WR_ENOTFOUND, WR_EDAMAGED, WR_EIO. */
WR_MUST_USE enum wr_err wr_lmdb_record_get(const struct wr_lmdb_work *w,
                                           const uint8_t *digest,
                                           struct wr_record *ret);
/* The next spilled put id of a chunk at a cursor of `refs`; *id NULL: the
 * first. LMDB's code, MDB_NOTFOUND at the end. */
int wr_lmdb_spilled(MDB_cursor *c, const uint8_t *digest, const uint8_t **id);
/* Whether the payload of a chunk is whole; its bytes to `ret` if not NULL.
 * WR_EDAMAGED, WR_EIO. */
WR_MUST_USE enum wr_err wr_lmdb_payload_read(const struct wr_lmdb_work *w,
                                             const uint8_t *digest,
                                             const struct wr_record *rec,
                                             uint8_t *ret);

/* lmdb_sums.c. LMDB's code, but for the last. */
/* What is kept at `position` (a digest, or of `roots`) was `less` and is
 * `more`; NULL: nothing. */
int wr_lmdb_sums_change(const struct wr_lmdb_work *w, bool roots,
                        const uint8_t *position, const struct wr_sum *less,
                        const struct wr_sum *more);
/* A chunk with all its references; nothing if it is damaged. */
int wr_lmdb_sum_chunk(const struct wr_lmdb_work *w, const uint8_t *digest,
                      const struct wr_record *rec, struct wr_sum *ret);
/* The bucket of this digest anew: what an unreadable record was is not known.
 */
int wr_lmdb_sums_recount(const struct wr_lmdb_work *w, const uint8_t *digest);
/* All of them anew. */
int wr_lmdb_sums_build(const struct wr_lmdb_env *e, MDB_txn *txn);
/* Whether they are those of the items. */
int wr_lmdb_sums_judge(const struct wr_lmdb_work *w, bool *ret);
WR_MUST_USE enum wr_err wr_lmdb_sums_read(const struct wr_lmdb_work *w,
                                          struct wr_store_req *r);
/* Whether a chunk is whole and has its hash. WR_EDAMAGED, WR_EIO,
 * WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_lmdb_chunk_judge(const struct wr_lmdb_work *w,
                                            const uint8_t *digest,
                                            const struct wr_record *rec);

/* lmdb.c: from the writer, without a transaction. After LMDB has failed to
 * write a meta page it answers nobody any more, until it is opened anew. */
void wr_lmdb_reopen(struct wr_lmdb *m);

/* lmdb_batch.c and lmdb_read.c: the threads; `arg` is the store. */
void *wr_lmdb_writer(void *arg);
void *wr_lmdb_reader(void *arg);

/* Hands finished requests to the loop. From any thread, without `mu`. */
void wr_lmdb_finish(struct wr_lmdb *m, struct wr_store_reqs *done);
/* Hands a request to the writer. */
void wr_lmdb_to_writer(struct wr_lmdb *m, struct wr_store_req *r);

#endif
