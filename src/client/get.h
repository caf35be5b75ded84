/*
 * get.h - one get: root → tree → chunks ahead of need → verified → written in
 * order, many files at once. Not here: what only looks (look.h), and one name
 * behind another (resolve.h).
 *
 * Called by client.c on the loop. Borrowing: see wr_get_cfg.
 */
#ifndef WR_CLIENT_GET_H
#define WR_CLIENT_GET_H

#include "client/session.h"
#include "client/sink.h"
#include "object/dirread.h"

struct wr_get_result {
    struct wr_cid cid; /* Behind the path, if there was one. */
    uint64_t size;     /* Bytes of content. */
    uint64_t files, dirs, links;
    uint64_t bytes_fetched; /* Of chunks; the rest was there already. */
    bool is_tree;
    uint8_t *memory; /* WR_SINK_MEMORY: malloc'd, the callee's. */
    size_t memory_n;
};

struct wr_get_cfg {
    uv_loop_t *loop;
    struct wr_session *session;
    struct wr_pool *pool;
    struct wr_cid cid;
    const char *path;  /* Names behind the CID, '/' between; NULL or "". */
    uint64_t from, to; /* Bytes of a file; to 0: its end. */
    struct wr_sink_cfg sink; /* Its cid is set here. */
    void *arg;
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    /* The last word; the get is free by then. */
    void (*done)(void *arg, const struct wr_why *why,
                 const struct wr_get_result *result);
};

struct wr_get;

/* WR_ENOMEM; WR_EINVAL for a path. */
WR_MUST_USE enum wr_err wr_get_start(struct wr_get **ret,
                                     const struct wr_get_cfg *cfg,
                                     struct wr_why *why);
void wr_get_cancel(struct wr_get *g);
void wr_get_room(struct wr_get *g);

#endif
