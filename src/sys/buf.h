/*
 * buf.h - the pool that holds all bulk bytes of a process (docs: "Memory"):
 * chunks on their way from a socket to the store and back, frames being sent.
 *
 * A buffer is reference counted: link, cache and writer queue share one. It
 * has WR_BUF_HEADROOM bytes before and WR_BUF_TAILROOM after its room, so that
 * a frame header and an authentication tag never cost a copy.
 *
 * The pool is bounded as a whole and per share (receive, store, send, ...): an
 * empty one answers NULL, the caller stops reading, and `on_room` says when to
 * go on. It never allocates past its cap. Released memory is kept for reuse by
 * size; wr_pool_trim() gives back to the system what lay idle.
 *
 * Any thread may get, ref and unref. Whoever writes into a buffer must hold
 * the only reference. Not for small or long-lived things: those are malloc's.
 */
#ifndef WR_SYS_BUF_H
#define WR_SYS_BUF_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum {
    WR_BUF_HEADROOM = 512, /* Before buf->room: frame header, padding. */
    WR_BUF_TAILROOM = 256, /* After it: tags. */
    WR_BUF_SIZE_MAX = 1 << 20,
    WR_POOL_SHARES_MAX = 8,
    WR_POOL_CAP_SUPER = 24 << 20,
    WR_POOL_CAP_LEAF = 12 << 20,
};

struct wr_pool;

struct wr_buf {
    uint8_t *p;    /* The bytes; starts at `room`, the holder may move it. */
    uint32_t n;    /* Bytes in use; starts at 0. */
    uint32_t cap;  /* Bytes at `room`, at least what was asked for. */
    uint8_t *room; /* Fixed. room - WR_BUF_HEADROOM is ours as well. */
    atomic_uint refs;
    uint8_t share, size; /* The pool's. */
    struct wr_pool *pool;
    struct wr_buf *next; /* The holder's, for a queue. */
};

struct wr_pool_share {
    const char *name;
    size_t cap; /* Bytes; their sum may exceed the pool's. */
};

struct wr_pool_cfg {
    size_t cap; /* Bytes in all, by what is taken from the system. */
    const struct wr_pool_share *shares;
    uint32_t shares_n; /* At most WR_POOL_SHARES_MAX; 0: one, of `cap`. */
    /* A share that had answered NULL has room again. Called without locks on
     * whichever thread released: wake the loop, do nothing else. */
    void (*on_room)(void *arg, uint32_t share);
    void *arg;
};

struct wr_pool_stats {
    size_t used;  /* Bytes in buffers that are held. */
    size_t idle;  /* Bytes kept for reuse. */
    size_t peak;  /* The most that `used` ever was. */
    uint64_t dry; /* How often the answer was NULL. */
    size_t share_used[WR_POOL_SHARES_MAX];
};

/* NULL if out of memory. `shares` is copied (the names are borrowed). */
struct wr_pool *wr_pool_new(const struct wr_pool_cfg *cfg);

/* All buffers must be back. NULL is fine. */
void wr_pool_free(struct wr_pool *pool);

/* A buffer with room for at least `size` bytes (1 to WR_BUF_SIZE_MAX), one
 * reference, the caller's. NULL when the share, the pool or the system has
 * none left; `on_room` follows. */
struct wr_buf *wr_pool_get(struct wr_pool *pool, uint32_t share, size_t size);

/* Bytes of a share that a buffer with room for `size` takes: buffers come in
 * few sizes, so a window counted in what was asked for may exceed its share. */
size_t wr_pool_takes(size_t size);

/* Gives back to the system what has lain idle since the last call. The host
 * calls it every few seconds. */
void wr_pool_trim(struct wr_pool *pool);

void wr_pool_stats(struct wr_pool *pool, struct wr_pool_stats *ret);

/* A buffer outside of any pool, of any size, for tools and tests. NULL. */
struct wr_buf *wr_buf_new(size_t size);

static inline struct wr_buf *wr_buf_ref(struct wr_buf *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

/* The last reference gives it back. NULL is fine. */
void wr_buf_unref(struct wr_buf *b);

#endif
