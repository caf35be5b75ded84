/*
 * put.h - one put: read → cut → hash (a worker) → HAVE → send what lacks →
 * the root's record, open before the first chunk and kept after the last.
 *
 * A put has an id of its own; each chunk carries it, and the ring counts it as
 * a reference. What a cut-off put has sent stays for a week, and the same put
 * again sends only the rest.
 *
 * Called by client.c on the loop. Borrowing: see wr_put_cfg.
 */
#ifndef WR_CLIENT_PUT_H
#define WR_CLIENT_PUT_H

#include "client/session.h"
#include "client/source.h"
#include "object/profile.h"

enum wr_put_wait {
    WR_PUT_WAIT_MAJORITY, /* w copies are durable: what "acknowledged" means. */
    WR_PUT_WAIT_ONE,      /* The user's explicit word. */
    WR_PUT_WAIT_ALL,
};

struct wr_put_result {
    struct wr_cid cid;
    uint8_t put[16];
    uint64_t size;       /* Bytes of content read. */
    uint64_t bytes_sent; /* Of chunks that the ring lacked. */
    uint64_t files, chunks;
    uint64_t chunks_deduplicated; /* Not sent: there already, or repeated. */
    uint32_t copies;              /* The fewest that stand of any chunk. */
};

struct wr_put_cfg {
    uv_loop_t *loop;
    struct wr_session *session;
    const struct wr_home *home; /* Outlives the put. */
    struct wr_profile profile;
    struct wr_pool *pool;
    uint8_t copies; /* 0: the ring's own number. */
    enum wr_put_wait wait;
    uint64_t ttl_s;   /* 0: for good. */
    const char *name; /* For the list of roots; copied. */
    void *arg;
    /* Bytes of content that are acknowledged; total 0 if unknown. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    /* The last word; the put is free by then. why->err is WR_OK with a
     * result, else `result` is NULL. */
    void (*done)(void *arg, const struct wr_why *why,
                 const struct wr_put_result *result);
};

struct wr_put;

/* Takes over `source`, also on failure. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_put_start(struct wr_put **ret,
                                     const struct wr_put_cfg *cfg,
                                     struct wr_source *source);

/* done() follows with WR_ECANCELED. */
void wr_put_cancel(struct wr_put *p);

/* There is room again in the pool or in the session's table. */
void wr_put_room(struct wr_put *p);

/* What a put with `profile` reads a source with. */
struct wr_source_cfg wr_put_source_cfg(const struct wr_profile *profile,
                                       struct wr_pool *pool);

/* rm: gives a put up. `e` is changed; done() as above, without a result. */
struct wr_roots_entry;
struct wr_drop;
WR_MUST_USE enum wr_err
wr_drop_start(struct wr_drop **ret, struct wr_session *session, uv_loop_t *loop,
              const struct wr_home *home, const struct wr_roots_entry *e,
              void (*done)(void *arg, const struct wr_why *why), void *arg);
void wr_drop_cancel(struct wr_drop *d);

#endif
