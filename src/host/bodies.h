/*
 * bodies.h - the names under which the protocol core knows the process's
 * buffers (proto/fx.h): one reference per name, given up by WR_FX_RELEASE.
 */
#ifndef WR_HOST_BODIES_H
#define WR_HOST_BODIES_H

#include "sys/buf.h"
#include "wire/msg.h"

struct wr_bodies {
    struct wr_buf **v;
    uint32_t cap, n; /* n: in use, for tests and counters. */
    uint32_t *free_ids;
    uint32_t free_n;
};

/* Room for `cap` at once. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_bodies_init(struct wr_bodies *b, uint32_t cap);
void wr_bodies_done(struct wr_bodies *b); /* Releases what is still held. */

/* Takes over the caller's reference. {0} if there is no room: the reference
 * is still the caller's. */
struct wr_body wr_bodies_add(struct wr_bodies *b, struct wr_buf *buf);

/* The buffer; borrowed. */
struct wr_buf *wr_bodies_get(const struct wr_bodies *b, struct wr_body body);

void wr_bodies_release(struct wr_bodies *b, struct wr_body body);

#endif
