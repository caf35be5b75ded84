/*
 * dial.h - how links go out: connecting, and finding out what a name means.
 */
#ifndef WR_NET_DIAL_H
#define WR_NET_DIAL_H

#include "net/link.h"

enum {
    WR_DIAL_MS = 5000,    /* To connect and shake hands. */
    WR_RESOLVE_MS = 5000, /* For a name. */
    WR_RESOLVE_MAX = 8,   /* Addresses of one name. */
};

struct wr_dial {
    const struct wr_addr *addr; /* One of the two; both borrowed. */
    const char *path;           /* A Unix socket: the link is plain. */
    const struct wr_link_ops *ops;
    void *owner;
    uint32_t timeout_ms; /* 0: WR_DIAL_MS. */
};

/* Begins; on_open or on_closed follows, never from within this call.
 * WR_ENOMEM, WR_EBUSY (no descriptor left), WR_EINVAL (path too long). */
WR_MUST_USE enum wr_err
wr_link_dial(struct wr_net *net, const struct wr_dial *d, struct wr_link **ret);

/* `v` is borrowed; `n` is 0 unless `err` is WR_OK. */
typedef void (*wr_resolved)(void *arg, enum wr_err err, const struct wr_addr *v,
                            size_t n);

/* "host", "host:port", "192.0.2.1:7000", "[2001:db8::1]:7000"; `port` where
 * none is said. For start-up: it takes a worker thread, which a slow resolver
 * may keep past the deadline. `done` follows, never from within this call:
 * WR_ENOTFOUND, WR_ETIMEOUT. WR_EINVAL and WR_ENOMEM come at once. */
WR_MUST_USE enum wr_err wr_resolve(struct wr_net *net, const char *text,
                                   uint16_t port, wr_resolved done, void *arg);

#endif
