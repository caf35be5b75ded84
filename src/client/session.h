/*
 * session.h - a leaf's way to its parent: the link, who is at its other end,
 * and the requests that go over it. It drives proto/leaf (which parent) and
 * proto/xfer (what is asked), and hides that parents come and go.
 *
 * A super-peer or `wreath leaf` that runs in the same directory is preferred:
 * its local socket, where the file's permissions are the proof. Otherwise TCP
 * and Noise to one of the home's contacts.
 *
 * Chunks are verified in a worker before anybody sees them. All else here is
 * on the loop's thread.
 *
 * Called by put.c, get.c and look.c. Borrowing: home and pool outlive it.
 */
#ifndef WR_CLIENT_SESSION_H
#define WR_CLIENT_SESSION_H

#include <uv.h>

#include "client/home.h"
#include "proto/xfer.h"
#include "sys/buf.h"

/* Shares of the process's pool. */
enum wr_client_share {
    WR_CLIENT_UP,   /* Chunks read and on their way to the parent. */
    WR_CLIENT_DOWN, /* Chunks on their way from it, until written. */
    WR_CLIENT_SHARES_N,
};

enum {
    WR_CLIENT_UP_BYTES = 8 << 20,
    WR_CLIENT_DOWN_BYTES = 8 << 20,
    /* What a getter asks for and holds at once: less than the share, for
     * buffers come in few sizes. */
    WR_CLIENT_AHEAD_BYTES = 4 << 20,
    WR_CLIENT_PATIENCE_MS = 30000, /* Standstill that ends a request. */
    WR_CLIENT_ATTACH_MS = 10000,   /* To find the first parent. */
    WR_CLIENT_LOCAL_MS = 5000,     /* The same, of this very directory. */
};

struct wr_session;

/* One request; part of whatever its asker keeps. `done` is called once, on the
 * loop, never from within the call that asks; `answer` is borrowed and has no
 * kind where there was only silence. `body` (of a chunk or report; may be
 * NULL) comes with one reference, the callee's. */
struct wr_ask {
    void (*done)(struct wr_ask *ask, uint8_t status,
                 const struct wr_msg *answer, struct wr_buf *body);
    void *arg;
    bool busy;
};

struct wr_session_cfg {
    uv_loop_t *loop;
    struct wr_home *home;
    struct wr_pool *pool;
    uint32_t patience_ms; /* 0: WR_CLIENT_PATIENCE_MS. */
    void *arg;
    /* There is room again: in the table or in the pool. */
    void (*on_room)(void *arg);
    /* Requests are out; several times a second. May be NULL. */
    void (*on_waiting)(void *arg);
};

/* Begins to look for a parent. WR_ENOTFOUND: nobody to turn to. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_session_open(struct wr_session **ret,
                                        const struct wr_session_cfg *cfg,
                                        struct wr_why *why);

/* No request may be busy. `closed` follows; `s` is free by then. */
void wr_session_close(struct wr_session *s, void (*closed)(void *arg),
                      void *arg);

/* False if there is no room: nothing happened; on_room follows. The reference
 * to `buf` is the session's if true. */
WR_MUST_USE bool wr_session_have(struct wr_session *s, struct wr_ask *ask,
                                 const struct wr_xfer_want *want,
                                 const struct wr_id *digest);
WR_MUST_USE bool wr_session_put(struct wr_session *s, struct wr_ask *ask,
                                const struct wr_xfer_want *want, uint32_t hash,
                                const struct wr_id *digest, struct wr_buf *buf);
WR_MUST_USE bool wr_session_get(struct wr_session *s, struct wr_ask *ask,
                                uint32_t hash, const struct wr_id *digest,
                                bool head, uint32_t bytes);
WR_MUST_USE bool wr_session_root_put(struct wr_session *s, struct wr_ask *ask,
                                     const struct wr_xfer_want *want,
                                     const struct wr_id *position,
                                     uint64_t version, struct wr_span record);
WR_MUST_USE bool wr_session_query(struct wr_session *s, struct wr_ask *ask,
                                  const char *what, const char *arg);

/* What is asked between hold and let_go travels together. */
void wr_session_hold(struct wr_session *s);
void wr_session_let_go(struct wr_session *s);

/* `done` is not called any more. Fine if it is not busy. */
void wr_session_cancel(struct wr_session *s, struct wr_ask *ask);

/* The pool may have room: called on the loop after its on_room. */
void wr_session_room(struct wr_session *s);

/* The standstill after which requests end, from the next one on. */
void wr_session_set_patience(struct wr_session *s, uint32_t ms);

/* n and w in force at the parent; 0 while there is none. */
uint32_t wr_session_copies(const struct wr_session *s);
uint32_t wr_session_durable(const struct wr_session *s);

/* A host in an answer, for people: eight digits and an address. */
const char *wr_session_host(const struct wr_session *s, wr_host h,
                            char ret[128]);

/* `why` for a request that ended with `status`, in plain words: `what` is its
 * subject ("chunk bafk…", "the put"). */
enum wr_err wr_session_why(const struct wr_session *s, uint8_t status,
                           const struct wr_msg *answer, const char *what,
                           struct wr_why *why);

#endif
