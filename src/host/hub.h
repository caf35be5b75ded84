/*
 * hub.h - whom this process talks to: the control and the bulk link to each
 * other super-peer, the sessions of leaves, and the local socket. It dials,
 * authenticates, introduces, and turns frames into messages and back.
 *
 * It decides who somebody is, and what that somebody may say (the role's
 * messages, wire/msg.h); never what to do about it: that is the node's.
 *
 *   - A host is dialled when something is sent to it and no link stands. What
 *     is sent meanwhile waits, within a bound.
 *   - Of two links of one kind opened at once, the one dialled by the lower
 *     host id stays.
 *   - A host is introduced, by a CARD with its credential, before a link
 *     carries the first message that mentions it.
 *   - A process on the local socket is trusted as the directory's owner (mode
 *     0600) and treated as a leaf that may also command.
 *
 * Everything on the loop's thread. Callbacks may send; they never close the
 * hub.
 */
#ifndef WR_HOST_HUB_H
#define WR_HOST_HUB_H

#include <uv.h>

#include "client/home.h"
#include "host/cards.h"
#include "sys/buf.h"

struct wr_hub;

/* Of the process's pool; decision 0007. */
enum wr_hub_share {
    WR_SHARE_LEAF,  /* PUT from a leaf: waits for room. */
    WR_SHARE_OWNER, /* PUT to coordinate: busy without room, never waits. */
    WR_SHARE_COPY,  /* PUT to keep: waits, and only ever for the disk. */
    WR_SHARE_READ,  /* Chunks on their way to a reader. */
    WR_SHARES_N,
};

struct wr_hub_peer { /* Who sent a message. */
    wr_host from;    /* A book's slot, or a leaf's session. */
    bool local;      /* Through the local socket. */
    bool joining;    /* Has a ticket and no credential yet: JOIN only. */
    const struct wr_cred *cred; /* NULL if local or joining. */
};

struct wr_hub_cfg {
    uv_loop_t *loop;
    const struct wr_home *home;
    struct wr_cards *cards;
    struct wr_pool *pool;
    wr_host self;
    uint32_t incarnation;
    struct wr_addr listen;    /* Port 0: any. */
    struct wr_addr advertise; /* Port 0: as listen. */
    void *arg;
    /* A message; the reference to `body` (NULL for none) is the callee's. */
    void (*on_msg)(void *arg, const struct wr_hub_peer *peer,
                   const struct wr_msg *m, struct wr_buf *body);
    /* The body of `m` found no room and was skipped. */
    void (*on_no_room)(void *arg, const struct wr_hub_peer *peer,
                       const struct wr_msg *m);
    void (*on_up)(void *arg, wr_host h, uint32_t incarnation);
    void (*on_down)(void *arg, wr_host h); /* Also a dial that failed. */
    void (*on_leaf)(void *arg, const struct wr_hub_peer *leaf);
    void (*on_card)(void *arg, wr_host h); /* New, or left, or moved. */
    void (*on_revoked)(void *arg);         /* A newer list is in force. */
};

/* Binds the address and DIR/run/socket. WR_EBUSY: the address is in use (it
 * says by whom, if that is a wreath); WR_EPERM, WR_EINVAL, WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_hub_open(struct wr_hub **ret,
                                    const struct wr_hub_cfg *cfg,
                                    struct wr_why *why);

/* Says END on every link; `closed` follows when all handles are gone. */
void wr_hub_close(struct wr_hub *hub, void (*closed)(void *arg), void *arg);

/* The address bound, and the one that others are told. */
struct wr_addr wr_hub_bound(const struct wr_hub *hub);
struct wr_addr wr_hub_advertised(const struct wr_hub *hub);

/* Sends; takes a reference of its own to `body` (NULL for none). */
void wr_hub_send(struct wr_hub *hub, wr_host to, const struct wr_msg *m,
                 struct wr_buf *body);

/* Our incarnation was raised: HELLO and our card say so from now on. */
void wr_hub_incarnate(struct wr_hub *hub, uint32_t incarnation);

/* We have left for good: our card says so from now on, and our leaves go
 * elsewhere. */
void wr_hub_left(struct wr_hub *hub);

/* Whether another process runs under our identity: a copy of this directory, or
 * what it is a copy of. Where that one listens, and how long ago we heard. */
bool wr_hub_twin(const struct wr_hub *hub, struct wr_addr *ret,
                 uint64_t *ret_ago_s);

/* A share of the pool has room again: links that waited read on. */
void wr_hub_room(struct wr_hub *hub);

/* Every host with an open link, and the local view of each. */
bool wr_hub_linked(const struct wr_hub *hub, wr_host h);
/* What the wall clocks of linked hosts say now, as their HELLOs told; how many
 * at most. */
size_t wr_hub_walls(const struct wr_hub *hub, uint64_t *ret, size_t most);
uint32_t wr_hub_leaves(const struct wr_hub *hub);
uint32_t wr_hub_links(const struct wr_hub *hub);

/* A new revocation list is in force: cuts everybody off whom it names, and
 * passes it on to every linked host. */
void wr_hub_enforce(struct wr_hub *hub);

/* Since the start: bytes on all links but the local socket's, and what was said
 * to other super-peers, by kind: messages and, before encryption, their bytes.
 */
struct wr_hub_said {
    uint64_t n, bytes;
};
struct wr_hub_traffic {
    uint64_t sent, received, refused, misfits;
    const struct wr_hub_said *said; /* WR_MSG_KINDS of them, the hub's. */
};
struct wr_hub_traffic wr_hub_traffic(const struct wr_hub *hub);

#endif
