/*
 * net.h - what all links of one event loop share: keys, limits, the buffer
 * that they read into, and the end of the turn, when what was sent is flushed.
 *
 * Called by src/host, src/client and tools that embed a leaf: one wr_net per
 * loop, on the loop's thread only. Not here: what frames mean (wire/codec.h),
 * which links a host should have, pings (proto).
 *
 * The process must ignore SIGPIPE, and call wr_crypto_init() first.
 */
#ifndef WR_NET_NET_H
#define WR_NET_NET_H

#include <stdint.h>
#include <uv.h>

#include "base/err.h"

struct wr_net;

struct wr_net_cfg {
    uv_loop_t *loop;
    /* Borrowed as long as the net lives (the host keeps them in locked
     * memory). All may be NULL where every link is plain. */
    const uint8_t *ring;          /* 32: the ring's public key. */
    const uint8_t *psk;           /* 32: the ring secret. */
    const uint8_t *static_secret; /* 32: our Noise key, */
    const uint8_t *static_public; /* 32: and its public half. */
    uint32_t links_max;           /* 0: RLIMIT_NOFILE less a reserve. */
};

struct wr_net_stats {
    uint32_t links;     /* That stand now, handshakes not counted; of */
    uint32_t links_max; /* these, handshakes counted. */
    uint32_t half_open; /* Accepted, handshake under way. */
    uint64_t accepted, dialled;
    uint64_t opened;       /* Handshakes that ended well, both ways. */
    uint64_t strangers;    /* Closed for a wrong first message. */
    uint64_t rate_limited; /* Closed unread: their address came too often. */
    uint64_t evicted;      /* Closed half-open, for room or after time. */
    uint64_t no_room;      /* Closed unread: links_max, or no descriptor. */
    uint64_t malformed;    /* Links closed for a peer's malformed bytes. */
    uint64_t frames_in, frames_out;
    uint64_t bytes_in, bytes_out; /* On the wire, and through */
    uint64_t local_in, local_out; /* Unix sockets: these. */
    uint64_t send_held;           /* Sealed bytes that wait for sockets. */
};

/* NULL: out of memory. */
struct wr_net *wr_net_new(const struct wr_net_cfg *cfg);

/* Closes every listener and link at once and calls `closed` when the last
 * handle and request is gone; `net` is free by then. on_closed comes for each
 * link as usual. NULL is not fine. */
void wr_net_close(struct wr_net *net, void (*closed)(void *arg), void *arg);

void wr_net_stats(const struct wr_net *net, struct wr_net_stats *ret);

#endif
