/*
 * fetch.h - one block by its CID, wherever it comes from: the ring, the CID
 * itself (identity), or nowhere, for a block of no bytes is known to all.
 */
#ifndef WR_CLIENT_FETCH_H
#define WR_CLIENT_FETCH_H

#include "client/session.h"
#include "object/cid.h"

struct wr_fetch {
    struct wr_ask ask; /* The session's. */
    struct wr_session *session;
    struct wr_cid cid;
    /* On the loop, never from within the call that starts it. `buf` is NULL
     * unless the status is OK; one reference, the callee's. */
    void (*done)(struct wr_fetch *f, uint8_t status,
                 const struct wr_msg *answer, struct wr_buf *buf);
    void *arg;
};

/* WR_OK: under way. WR_EBUSY: no room now. If the block needs no fetching,
 * *ret_buf is set and done() is not called: handle it like any other. */
WR_MUST_USE enum wr_err wr_fetch_start(struct wr_fetch *f,
                                       struct wr_session *session,
                                       const struct wr_cid *cid, uint32_t bytes,
                                       struct wr_buf **ret_buf);
void wr_fetch_cancel(struct wr_fetch *f);

#endif
