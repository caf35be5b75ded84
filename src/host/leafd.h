/*
 * leafd.h - `wreath leaf`: a leaf that stays. It keeps one link to a
 * super-peer, and lends it to the programs of this machine that run with the
 * same directory: they find DIR/run/socket, and speak there as to a
 * super-peer.
 *
 * It relays: a request gets a number of ours and goes up, its answer gets the
 * asker's number and goes down, bodies by reference. It repeats nothing and
 * keeps nothing: every request of a leaf is idempotent, and who asked repeats
 * it (proto/xfer). While no parent stands, and when one is lost with requests
 * under way, the answer is "busy".
 *
 * What may wait is bounded: requests in all and per client, bytes by the pool.
 * Of bodies on their way down a client may hold as much as is still free; who
 * does not read is cut off when others need the room.
 *
 * Not here: whom to dial (client/uplink.h), what requests mean. The socket's
 * permissions are the proof: whoever opens it is the directory's owner.
 */
#ifndef WR_HOST_LEAFD_H
#define WR_HOST_LEAFD_H

#include <uv.h>

#include "client/home.h"

struct wr_leafd;

struct wr_leafd_cfg {
    struct wr_home *home;
    const char *socket; /* Where to listen; NULL: the home's run/socket. */
    bool local;         /* Go through the home's socket, if one is there: only
                           where `socket` is another. */
    void *arg;
    /* A parent stands, for the first time. */
    void (*attached)(void *arg, const char *host, const char *at);
};

/* Listens, and looks for a parent. WR_ELOCKED: a process listens there
 * already; WR_EPERM, WR_EINVAL, WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_leafd_open(struct wr_leafd **ret, uv_loop_t *loop,
                                      const struct wr_leafd_cfg *cfg,
                                      struct wr_why *why);

/* Says END to all; `closed` follows, within five seconds. */
void wr_leafd_close(struct wr_leafd *d, void (*closed)(void *arg), void *arg);

/* The whole service: holds the directory's lock, runs until SIGTERM or SIGINT.
 * Blocks. As wr_leafd_open(), and WR_EREFUSED for a super-peer's identity,
 * WR_EUNREACH for one that knows nobody to dial. */
WR_MUST_USE enum wr_err wr_leafd_run(const struct wr_leafd_cfg *cfg,
                                     struct wr_why *why);

#endif
