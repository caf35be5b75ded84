/*
 * impl.h - what the two stores share behind store.h: the request, and the
 * table of operations that a store is. Private to src/store.
 *
 * store.c makes a request, checks and counts it, and hands it to the store's
 * `submit`; the store fills the answer and gives the request back from
 * `done`; store.c then runs the callback and frees it. Between the two the
 * request belongs to the store, whichever thread has it.
 */
#ifndef WR_STORE_IMPL_H
#define WR_STORE_IMPL_H

#include "store/store.h"
#include "wire/id.h"

enum wr_store_op {
    WR_STORE_PUT,
    WR_STORE_HAVE, /* With a put id it writes, without it reads. */
    WR_STORE_READ,
    WR_STORE_STAT,
    WR_STORE_REFS,
    WR_STORE_DROP,
    WR_STORE_REAP,
    WR_STORE_LIST,
    WR_STORE_SUM,
    WR_STORE_ROOT_PUT,
    WR_STORE_ROOT_GET,
    WR_STORE_ROOT_DROP,
    WR_STORE_ROOT_LIST,
    WR_STORE_META_PUT,
    WR_STORE_META_GET,
    WR_STORE_SCRUB,
    WR_STORE_QUARANTINE, /* A READ or SCRUB that found rot, to be marked. */
};

struct wr_store_req {
    struct wr_store_req *next;
    enum wr_store_op op;
    bool has_key, has_put_id, repair;
    bool roots;     /* SUM: of these. */
    bool has_to;    /* LIST, ROOT_LIST: up to the position in `tail`. */
    bool has_print; /* DROP, ROOT_DROP: only what has this one. */
    uint8_t print[WR_PRINT];
    uint8_t key[WR_STORE_NAME_MAX]; /* Digest, root key or name. */
    uint32_t key_n;
    uint8_t put_id[WR_PUT_ID];
    uint64_t number; /* Hash code, version, time. */
    uint32_t n;      /* Digests, items, seconds, or how many to skip. */
    bool hashed;     /* QUARANTINE: it is the hash that does not match. */
    struct wr_buf *buf;
    struct wr_span bytes; /* In `buf` or `tail`. */
    struct wr_pool *pool;
    uint32_t share;

    wr_store_fn *fn;
    void *arg;
    struct wr_store_answer answer;
    union {
        struct wr_chunk_info chunk;
        struct wr_root_info root;
    } one;     /* What the answer points to if it is one item, */
    void *out; /* or, malloc'd, if it is more. */
    uint8_t tail[];
};

/* A list of requests in order. */
struct wr_store_reqs {
    struct wr_store_req *head, **end;
};

static inline void wr_store_reqs_init(struct wr_store_reqs *l)
{
    l->head = NULL;
    l->end = &l->head;
}

static inline void wr_store_reqs_add(struct wr_store_reqs *l,
                                     struct wr_store_req *r)
{
    r->next = NULL;
    *l->end = r;
    l->end = &r->next;
}

static inline struct wr_store_req *wr_store_reqs_take(struct wr_store_reqs *l)
{
    struct wr_store_req *r = l->head;

    if (r == NULL)
        return NULL;
    l->head = r->next;
    if (l->head == NULL)
        l->end = &l->head;
    return r;
}

/* Moves all of `from` behind `to`. */
static inline void wr_store_reqs_move(struct wr_store_reqs *to,
                                      struct wr_store_reqs *from)
{
    if (from->head == NULL)
        return;
    *to->end = from->head;
    to->end = from->end;
    wr_store_reqs_init(from);
}

struct wr_store_ops {
    void (*submit)(struct wr_store *s, struct wr_store_req *r);
    /* Appends what is done to `ret`; with `wait` blocks until something is
     * (something is then in flight). */
    void (*done)(struct wr_store *s, bool wait, struct wr_store_reqs *ret);
    void (*usage)(struct wr_store *s, struct wr_store_usage *ret);
    void (*tick)(struct wr_store *s);
    void (*close)(struct wr_store *s); /* Nothing is in flight. Frees. */
};

/* The first member of each store. Touched by the loop thread alone. */
struct wr_store {
    const struct wr_store_ops *ops;
    uint32_t pending;
    size_t pending_bytes;
    bool polling;
};

/* Whether the request makes the store grow or change what it promised. */
bool wr_store_op_writes(const struct wr_store_req *r);

enum wr_space wr_space_of(uint64_t used, uint64_t capacity);

/* Whether a store this full takes a write that adds something: `fresh`, what
 * was not there, or else a reference or a newer version. */
bool wr_space_takes(enum wr_space space, const struct wr_store_req *r,
                    bool fresh);

/* Items for the answer's array, freed with the request. False, with the
 * answer WR_ENOMEM, if there is no memory. */
WR_MUST_USE bool wr_store_req_out(struct wr_store_req *r, size_t bytes);

/* Whether a root record (version, bytes) gives way to the request's. */
bool wr_store_root_yields(uint64_t version, struct wr_span bytes,
                          const struct wr_store_req *r);

/* What a REAP does with a chunk that nothing refers to, by the time that is
 * kept with it: 0 is none. */
enum wr_reap { WR_REAP_WAIT, WR_REAP_MARK, WR_REAP_REMOVE };

enum wr_reap wr_store_reap_does(uint64_t idle_since,
                                const struct wr_store_req *r);

/* The arc that part `i` of `parts` (1 or WR_ARC_PARTS) of (from, to] is; false
 * if it is empty. */
bool wr_store_part(const struct wr_id *from, const struct wr_id *to, uint32_t i,
                   uint32_t parts, struct wr_id *ret_from,
                   struct wr_id *ret_to);

/* Whether a LIST that begins after r->key may go on to `key`; and whether it
 * goes on at the first key when it has come to the last. */
bool wr_store_lists(const struct wr_store_req *r, const uint8_t *key);
bool wr_store_wraps(const struct wr_store_req *r);

static inline void wr_bit_set(uint8_t *bits, uint32_t i)
{
    bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << i % 8);
}

#endif
