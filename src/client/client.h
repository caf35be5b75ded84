/*
 * client.h - what the sources of the library's public half share: the handle
 * and its operations (include/wreath/wreath.h).
 *
 *     client.c   handles: open, close, interrupt, the loop, room
 *     ops.c      operations: put, get, look, rm, query, on the loop
 *     sync.c     the same as blocking calls, and text
 */
#ifndef WR_CLIENT_CLIENT_H
#define WR_CLIENT_CLIENT_H

#include <stdatomic.h>
#include <uv.h>

#include "client/get.h"
#include "client/look.h"
#include "client/put.h"
#include "client/roots.h"
#include "wreath/wreath.h"

struct wreath_op {
    struct wreath *w;
    struct wreath_op *prev, *next;
    enum wr_call_kind {
        WR_CALL_PUT,
        WR_CALL_GET,
        WR_CALL_LOOK,
        WR_CALL_DROP,
        WR_CALL_QUERY
    } kind;
    struct wr_put *put;
    struct wr_get *get;
    struct wr_look *look;
    struct wr_drop *drop;
    struct wr_ask ask; /* QUERY */
    char query[64];
    bool over; /* Out of the handle's list. */
    wreath_progress progress;
    void *progress_arg;
    uint64_t progress_at, done, total; /* done, total: said last. */
    void *arg;
    wreath_put_fn on_put;
    wreath_get_fn on_get;
    void (*on_look)(void *arg, const struct wr_why *why,
                    const struct wr_look_result *result);
    void (*on_drop)(void *arg, const struct wr_why *why);
    void (*on_query)(void *arg, const struct wr_why *why, const char *json,
                     size_t n);
    /* Of memory gets: taken over by the blocking call. */
    uint8_t **memory;
    size_t *memory_n;
};

struct wreath {
    struct wr_home *home; /* Locked memory. */
    struct wr_pool *pool;
    uv_loop_t *loop;
    uv_loop_t own;
    bool owns_loop;
    struct wr_session *session; /* NULL until it is needed. */
    uint32_t timeout_ms;
    uv_async_t wake; /* Room in the pool, or an interruption. */
    atomic_bool interrupted, room;
    struct wreath_op *ops;
    bool closing, ending;
    void (*closed)(void *arg);
    void *closed_arg;
};

wreath_code wr_client_error(const struct wr_why *why, wreath_error *error);

/* The session, opened if need be. */
WR_MUST_USE enum wr_err wr_client_session(struct wreath *w, struct wr_why *why);

/* "CID" or "CID/PATH"; *ret_path points into `what`, or is "". */
WR_MUST_USE enum wr_err wr_client_parse(const char *what, struct wr_cid *ret,
                                        const char **ret_path,
                                        struct wr_why *why);

void wr_client_close_on(struct wreath *w);

struct wreath_op *wr_call_new(struct wreath *w, enum wr_call_kind kind,
                              void *arg);
void wr_call_free(struct wreath_op *op);
void wr_call_room(struct wreath_op *op);
/* Requests are out: a sign of life to who watches the progress. */
void wr_call_waiting(struct wreath_op *op);

WR_MUST_USE enum wr_err wr_call_put(struct wreath_op *op,
                                    const wreath_put_options *o,
                                    const char *path, int fd,
                                    struct wr_span bytes, struct wr_why *why);
WR_MUST_USE enum wr_err wr_call_get(struct wreath_op *op, const char *what,
                                    const wreath_get_options *o,
                                    const struct wr_sink_cfg *sink,
                                    struct wr_why *why);
WR_MUST_USE enum wr_err wr_call_look(struct wreath_op *op, const char *what,
                                     bool list, struct wr_why *why);
WR_MUST_USE enum wr_err wr_call_drop(struct wreath_op *op,
                                     const struct wr_roots_entry *e,
                                     struct wr_why *why);
WR_MUST_USE enum wr_err wr_call_query(struct wreath_op *op, const char *what,
                                      const char *arg, struct wr_why *why);

#endif
