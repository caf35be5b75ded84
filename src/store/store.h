/*
 * store.h - what a super-peer keeps: chunks by their digest, each with the put
 * ids that refer to it, root records, and small values of the host's own.
 *
 * One table of operations with two stores behind it: LMDB (durable, decision
 * 0005) and memory (tests, and the setting `store = memory`). Not here: who
 * should keep what (proto/). The store believes a digest, and detects rot at
 * each read by a check of its own; only a scrub hashes again. No libuv: see
 * `wake`.
 *
 * Asynchronous. A request is taken or refused at once; if it was taken (WR_OK)
 * its callback runs exactly once, inside a later wr_store_poll() on the thread
 * that polls. One thread, the loop, makes every call; the stores' own threads
 * only ever call `wake`. WR_OK in an answer to a write means: it is durable,
 * and it will be there after kill -9 and after a power cut.
 *
 * Writes happen in the order of submission. Reads see every write that was
 * answered before they were submitted, and perhaps later ones.
 *
 * Borrowing: arguments are copied; of a buffer one reference is taken. What an
 * answer points to is valid during the callback only, but `buf`, whose
 * reference is the callback's to keep and to release.
 *
 * Errors that any answer may carry:
 *   WR_EIO     the disk failed. For writes from now on: a store that has seen
 *              an unsynced write never acknowledges again (`failed` in the
 *              usage) until the process is restarted; nor does it confirm by
 *              wr_store_have() what it has. Everything else is read as before.
 *   WR_ENOMEM
 */
#ifndef WR_STORE_STORE_H
#define WR_STORE_STORE_H

#include <stdbool.h>

#include "base/span.h"
#include "crypto/sum.h"
#include "sys/buf.h"
#include "sys/why.h"

enum {
    WR_STORE_CHUNK_MAX = 1 << 20, /* Bytes of a chunk; the least is 0. */
    WR_STORE_ROOT_MAX = 1 << 10,  /* Bytes of a root record. */
    WR_STORE_META_MAX = 64 << 10, /* Bytes of a value of the host's own. */
    WR_STORE_NAME_MAX = 64,       /* Bytes of such a value's name. */
    WR_STORE_BATCH_MAX = 1024,    /* Digests, or items, of one request. */
    WR_STORE_REFS_SHOWN = 8,      /* Put ids told with each chunk. */

    WR_STORE_QUEUE_BYTES = 8 << 20, /* Of writes that wait. */
    WR_STORE_QUEUE_MAX = 8192,      /* Requests that wait. */

    WR_DIGEST = 32, /* Bytes. */
    WR_PUT_ID = 16, /* Bytes. */
};

struct wr_store;

/* How full the store is, of the lesser of quota and filesystem. */
enum wr_space {
    WR_SPACE_FREE,     /* Below 85 %. */
    WR_SPACE_TIGHT,    /* 85 %: take no copy that another could take. */
    WR_SPACE_NO_PUT,   /* 90 %: new chunks of puts are refused. */
    WR_SPACE_NO_FIX,   /* 95 %: so are copies made by repair. */
    WR_SPACE_READONLY, /* 98 %: only removals and the host's own values. */
};

/* What the store knows of a chunk without touching its bytes. */
struct wr_chunk_info {
    uint8_t digest[WR_DIGEST];
    struct wr_sum sum; /* Of a RANGE alone: with all its references. */
    uint64_t hash;     /* Multihash code. */
    uint32_t length;   /* Bytes. */
    uint32_t extents;
    uint32_t refs; /* Put ids in all; the first few follow. */
    uint8_t put_ids[WR_STORE_REFS_SHOWN][WR_PUT_ID];
    bool damaged; /* Quarantined: known to be rotten, not served. */
};

struct wr_root_info {
    uint8_t key[32]; /* Position in the ring. */
    uint64_t version;
    struct wr_sum sum; /* Of a RANGE alone. */
    struct wr_span bytes;
};

/* One type for all; each operation below says what it sets. */
struct wr_store_answer {
    enum wr_err err;
    bool stored;         /* The write changed what is kept. */
    struct wr_buf *buf;  /* A chunk's bytes; one reference, the callback's. */
    uint32_t n;          /* Items of the array that is set. */
    const uint8_t *bits; /* n bits, least significant first. */
    const struct wr_chunk_info *chunks;
    const struct wr_root_info *roots;
    const uint8_t (*put_ids)[WR_PUT_ID];
    const struct wr_sum *sums;
    struct wr_span bytes;
};

typedef void wr_store_fn(void *arg, const struct wr_store_answer *answer);

struct wr_store_cfg {
    uint64_t quota; /* Bytes on disk; 0: what the filesystem has. */
    /* Answers wait for wr_store_poll(). Called without locks from a thread of
     * the store's: wake the loop, do nothing else. May be NULL. */
    void (*wake)(void *arg);
    void *arg;
    uint64_t map_bytes; /* LMDB's map; 0 chooses. Tests fill small ones. */
};

/* Opens, or creates, the LMDB store in the directory `path` (its parent must
 * exist), for this process alone. Blocks. After a fork, never before.
 * WR_ELOCKED (by which process), WR_EVERSION (a newer format), WR_EPERM,
 * WR_EUNSUPPORTED (a network filesystem), WR_EDAMAGED (not a wreath store),
 * WR_EFULL, WR_EIO, WR_ENOMEM; `why` says it in plain words. */
WR_MUST_USE enum wr_err wr_store_open_lmdb(const char *path,
                                           const struct wr_store_cfg *cfg,
                                           struct wr_why *why,
                                           struct wr_store **ret);

/* A store that forgets everything when it is closed. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_store_open_mem(const struct wr_store_cfg *cfg,
                                          struct wr_store **ret);

/* Finishes and answers every request, then closes. NULL is fine. */
void wr_store_close(struct wr_store *s);

/* Runs the callbacks of what is done. They may submit. */
void wr_store_poll(struct wr_store *s);

/* Polls until every request has been answered. Blocks: for start, end and
 * tests. */
void wr_store_drain(struct wr_store *s);

/* Requests and bytes that may still be submitted. When a submission was
 * refused with WR_EBUSY, try again after the next answer. */
struct wr_store_room {
    uint32_t requests;
    size_t bytes;
};
struct wr_store_room wr_store_room(const struct wr_store *s);

/*
 * Submissions. Each may answer at once, without a callback, WR_EBUSY (the
 * queue is full: hold the reading back) or WR_ENOMEM. Sizes beyond the limits
 * above are the programmer's fault: check what peers send before.
 */

struct wr_store_put {
    uint8_t digest[WR_DIGEST];
    uint64_t hash;             /* Multihash code. */
    uint8_t put_id[WR_PUT_ID]; /* Added to the chunk's references. */
    bool no_put_id;            /* Adds none. */
    bool repair;               /* Not a put: see enum wr_space. */
    struct wr_buf *buf;        /* Holds `bytes`. */
    struct wr_span bytes;      /* At most WR_STORE_CHUNK_MAX. */
};

/* Keeps a chunk and its reference; answers after the commit that contains
 * both, also when the chunk was there before. Bytes that differ from what is
 * kept, or that are rotten, are replaced. Answer: stored (false: it was there,
 * the same). WR_EFULL. */
WR_MUST_USE enum wr_err wr_store_put(struct wr_store *s,
                                     const struct wr_store_put *put,
                                     wr_store_fn *fn, void *arg);

/* Which of `n` chunks (1 to WR_STORE_BATCH_MAX digests, one after another) are
 * here. With a put id: the id is added to each that is, durably before the
 * answer; without (NULL) it only asks. A damaged chunk is not here.
 * Answer: bits, n. WR_EFULL (read only; then nothing was added). */
WR_MUST_USE enum wr_err wr_store_have(struct wr_store *s,
                                      const uint8_t *digests, uint32_t n,
                                      const uint8_t *put_id, wr_store_fn *fn,
                                      void *arg);

/* A chunk's bytes in a buffer from `pool`. Answer: buf, chunks[0].
 * WR_ENOTFOUND; WR_EDAMAGED (quarantined, now or before; chunks[0] as well);
 * WR_EBUSY (the share is empty: its on_room follows). */
WR_MUST_USE enum wr_err wr_store_read(struct wr_store *s, const uint8_t *digest,
                                      struct wr_pool *pool, uint32_t share,
                                      wr_store_fn *fn, void *arg);

/* Answer: chunks[0]. WR_ENOTFOUND. */
WR_MUST_USE enum wr_err wr_store_stat(struct wr_store *s, const uint8_t *digest,
                                      wr_store_fn *fn, void *arg);

/* All put ids of a chunk from the `skip`th on, at most WR_STORE_BATCH_MAX.
 * Answer: put_ids, n. WR_ENOTFOUND. */
WR_MUST_USE enum wr_err wr_store_refs(struct wr_store *s, const uint8_t *digest,
                                      uint32_t skip, wr_store_fn *fn,
                                      void *arg);

/* Drops one reference; with NULL the chunk itself and all its references. A
 * chunk without references stays until it is dropped. Works on a full disk.
 * Answer: stored (something was removed). */
WR_MUST_USE enum wr_err wr_store_drop(struct wr_store *s, const uint8_t *digest,
                                      const uint8_t *put_id, wr_store_fn *fn,
                                      void *arg);

/* Removes a chunk that nothing has referred to for `grace_s` seconds. Since
 * when that is so is kept with the chunk: the first call that finds it without
 * references writes `now_s` down (Unix seconds, not 0), a later clock that was
 * set back does so again, and a put id that is added forgets it. So it is the
 * order of writes that decides between this and a PUT or HAVE: who adds a
 * reference first keeps the chunk, who comes later finds it gone. Works on a
 * full disk. Answer: stored (it is gone). */
WR_MUST_USE enum wr_err wr_store_reap(struct wr_store *s, const uint8_t *digest,
                                      uint64_t now_s, uint32_t grace_s,
                                      wr_store_fn *fn, void *arg);

/* Chunks in the order of their digests, after `after` (NULL: from the first),
 * at most `n` (1 to WR_STORE_BATCH_MAX); fewer than n: the end was reached.
 * Answer: chunks, n. */
WR_MUST_USE enum wr_err wr_store_list(struct wr_store *s, const uint8_t *after,
                                      uint32_t n, wr_store_fn *fn, void *arg);

/* Forgets a chunk with all its references, if what is kept has this print
 * (wr_sum_print of wr_chunk_info's sum): nothing has changed since it was
 * listed. Works on a full disk. Answer: stored (it is gone). */
WR_MUST_USE enum wr_err wr_store_drop_same(struct wr_store *s,
                                           const uint8_t *digest,
                                           const uint8_t print[WR_PRINT],
                                           wr_store_fn *fn, void *arg);

/*
 * Arcs of the ring: what is kept after the position `from` up to `to`,
 * clockwise; the whole ring if they are equal. Of chunks or, with `roots`, of
 * root records. A damaged chunk is listed, but counts in no sum.
 */

/* The sum of the arc, or of its sixteen parts (wr_id_part): `parts` is 1 or 16.
 * Reads the index alone, and of it the arc's ends. Answer: sums, n. */
WR_MUST_USE enum wr_err wr_store_sum(struct wr_store *s, bool roots,
                                     const uint8_t *from, const uint8_t *to,
                                     uint32_t parts, wr_store_fn *fn,
                                     void *arg);

/* The first `n` (1 to WR_STORE_BATCH_MAX) of the arc; fewer than n: its end
 * was reached. Answer: chunks or roots with their sums, n. */
WR_MUST_USE enum wr_err wr_store_range(struct wr_store *s, bool roots,
                                       const uint8_t *from, const uint8_t *to,
                                       uint32_t n, wr_store_fn *fn, void *arg);
/* Reads the chunk that follows `after` (NULL: the first) from disk and judges
 * all of it: the check of each extent, and its hash. Answer: chunks[0]; WR_OK:
 * it is whole; WR_EDAMAGED: it is rotten and quarantined, since now (stored) or
 * before. WR_ENOTFOUND, without chunks: there is none. */
WR_MUST_USE enum wr_err wr_store_scrub(struct wr_store *s, const uint8_t *after,
                                       wr_store_fn *fn, void *arg);

/* Keeps a root record unless the kept one has a higher version, or the same
 * and bytes that are equal or greater: so all hosts end with the same.
 * Answer: stored (false: the kept one stands). WR_EFULL (read only, and no
 * record of this key is kept). */
WR_MUST_USE enum wr_err wr_store_root_put(struct wr_store *s,
                                          const uint8_t *key, uint64_t version,
                                          struct wr_span bytes, wr_store_fn *fn,
                                          void *arg);

/* Answer: roots[0]. WR_ENOTFOUND. */
WR_MUST_USE enum wr_err wr_store_root_get(struct wr_store *s,
                                          const uint8_t *key, wr_store_fn *fn,
                                          void *arg);

/* Forgets a root record, if `version` is the one that is kept. Works on a full
 * disk. Answer: stored (it was). */
WR_MUST_USE enum wr_err wr_store_root_drop(struct wr_store *s,
                                           const uint8_t *key, uint64_t version,
                                           wr_store_fn *fn, void *arg);

/* As wr_store_list. Answer: roots, n. */
WR_MUST_USE enum wr_err wr_store_root_list(struct wr_store *s,
                                           const uint8_t *after, uint32_t n,
                                           wr_store_fn *fn, void *arg);

/* A value of the host's own (peer table, incarnation), under a short name.
 * Without bytes it is removed. Answer: nothing more. */
WR_MUST_USE enum wr_err wr_store_meta_put(struct wr_store *s, const char *name,
                                          struct wr_span bytes, wr_store_fn *fn,
                                          void *arg);

/* Answer: bytes. WR_ENOTFOUND. */
WR_MUST_USE enum wr_err wr_store_meta_get(struct wr_store *s, const char *name,
                                          wr_store_fn *fn, void *arg);

struct wr_store_usage {
    uint64_t chunks;
    uint64_t chunk_bytes; /* Payload of these chunks. */
    uint64_t roots;
    uint64_t used;     /* Bytes that live data take on disk. */
    uint64_t capacity; /* The lesser of quota and what the filesystem allows. */
    enum wr_space space;
    bool failed;      /* The disk failed: nothing is acknowledged any more. */
    uint64_t damaged; /* Chunks found rotten since the store was opened. */
    uint64_t commits;
    uint64_t refused;    /* Writes answered WR_EFULL. */
    uint64_t reader_lag; /* Commits since the oldest reader began. */
};

/* As of the last commit; does not touch the disk. */
void wr_store_usage(struct wr_store *s, struct wr_store_usage *ret);

/* Upkeep, about once a minute: dead readers, free space of the filesystem.
 * Does not block. */
void wr_store_tick(struct wr_store *s);

#endif
