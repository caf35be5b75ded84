/*
 * bodytab.h - the names under which the protocol core knows a process's
 * buffers (proto/fx.h): one reference per name, given up on release. A leaf's
 * session has one (proto/xfer), and so has a super-peer.
 */
#ifndef WR_CLIENT_BODYTAB_H
#define WR_CLIENT_BODYTAB_H

#include "sys/buf.h"
#include "wire/msg.h"

struct wr_bodytab {
    struct wr_buf **v;
    uint32_t *free_ids;
    uint32_t cap, free_n;
};

/* Room for `cap` at once. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_bodytab_init(struct wr_bodytab *t, uint32_t cap);
void wr_bodytab_done(struct wr_bodytab *t); /* Releases what is held. */

/* Takes over the caller's reference. {0} if there is no room: it is still the
 * caller's. */
struct wr_body wr_bodytab_add(struct wr_bodytab *t, struct wr_buf *buf);

/* Borrowed. */
struct wr_buf *wr_bodytab_get(const struct wr_bodytab *t, struct wr_body body);

void wr_bodytab_release(struct wr_bodytab *t, struct wr_body body);

#endif
