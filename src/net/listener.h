/*
 * listener.h - where links come in: a TCP port for the ring, a Unix socket for
 * the programs of this machine.
 *
 * A stranger costs little and gets no byte: the limits on half-open links are
 * in wire/limits.h, guard.h counts them. Whoever knows the ring secret and
 * falls silent is closed after a while. When a pool is full its oldest entry
 * goes: a member needs one round trip, a flood has to hold its place longer.
 */
#ifndef WR_NET_LISTENER_H
#define WR_NET_LISTENER_H

#include "net/link.h"

struct wr_listener;

/* Port 0 takes any free one. `owner` becomes the owner of each link, until it
 * is set otherwise. WR_ELOCKED: the address is in use. WR_EPERM, WR_EINVAL:
 * not an address of this machine. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_listen_tcp(struct wr_net *net,
                                      const struct wr_addr *addr,
                                      const struct wr_link_ops *ops,
                                      void *owner, struct wr_why *why,
                                      struct wr_listener **ret);

/* A plain socket of mode 0600. One that a dead process left is replaced.
 * WR_ELOCKED: a running one answers there. WR_EINVAL: the path is too long, or
 * something else stands there. WR_EPERM, WR_EIO, WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_listen_unix(struct wr_net *net, const char *path,
                                       const struct wr_link_ops *ops,
                                       void *owner, struct wr_why *why,
                                       struct wr_listener **ret);

/* Where it listens: the port is the real one. */
const struct wr_addr *wr_listener_addr(const struct wr_listener *ls);

/* Stops; links that it accepted stay. NULL is fine. */
void wr_listener_close(struct wr_listener *ls);

#endif
