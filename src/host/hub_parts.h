/*
 * hub_parts.h - what the sources of the hub share:
 *
 *     hub.c        open, close, send, who is linked
 *     hub_link.c   callbacks of links: handshake, frames, bodies, their end
 *     hub_hello.c  what links say for themselves: HELLO, CARD, REVOKED
 */
#ifndef WR_HOST_HUB_PARTS_H
#define WR_HOST_HUB_PARTS_H

#include "host/hub.h"
#include "net/link.h"
#include "net/listener.h"
#include "wire/codec.h"

enum {
    WR_HUB_WAITING_MAX = 4096, /* Frames that wait for one link; their bodies
                                  are bounded by the pool. */
    WR_HUB_SESSIONS = 16384,   /* Leaves at a time, as descriptors allow. */
    WR_HUB_LINGER_MS = 3000,   /* From hub close to the end of patience. */
};

enum wr_conn_kind {
    WR_CONN_HOST,
    WR_CONN_LEAF,
    WR_CONN_LOCAL, /* The owner of this directory, through the socket. */
    WR_CONN_JOINER /* Knows the ring secret, has no credential yet. */
};

/* A frame that waits for its link to open, or to have room. */
struct wr_waiting {
    struct wr_waiting *next;
    struct wr_buf *body;
    uint32_t mentions_n, header_n;
    wr_host *mentions; /* To introduce first; behind it, the header. */
    uint8_t *header;
};

/* One link, and what we know of it. Freed when it is gone. */
struct wr_conn {
    struct wr_hub *hub;
    struct wr_link *link;
    struct wr_conn *prev, *next; /* All of the hub. */
    enum wr_conn_kind kind;
    bool known;   /* The handshake has told us who it is. */
    bool dialled; /* By us. */
    bool bulk;
    bool greeted;        /* Its HELLO came: messages may follow. */
    bool paused;         /* No room for a body: to be resumed. */
    bool replaced;       /* A better link took its place: its end is no news. */
    wr_host host;        /* A slot, or a session. */
    struct wr_cred cred; /* LEAF */
    struct wr_waiting *first, **last;
    uint32_t waiting_n;
    uint32_t told_n; /* Hosts introduced: a bit each in `told`. */
    uint8_t told[WR_HOSTS_MAX / 8];
};

struct wr_hub_host {
    struct wr_conn *conn[2]; /* Control, bulk; dialling or open. */
};

struct wr_hub {
    struct wr_hub_cfg cfg;
    struct wr_net *net;
    struct wr_listener *tcp, *local;
    struct wr_addr advertised;
    struct wr_codec codec;
    void *arena;
    struct wr_hub_host *hosts; /* By slot. */
    struct wr_conn **sessions; /* By session number, modulo its size. */
    uint32_t last_session;
    struct wr_conn *conns;
    uint32_t conns_n, leaves_n;
    uint64_t refused, misfits;
    bool closing, net_closing;
    uv_timer_t linger;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* hub.c */
struct wr_conn *wr_conn_new(struct wr_hub *hub, struct wr_link *link);
void wr_conn_free(struct wr_conn *c);
bool wr_conn_session(struct wr_conn *c); /* A number for a leaf's link. */
void wr_conn_send(struct wr_conn *c, const struct wr_msg *m,
                  struct wr_buf *body);
void wr_conn_send_first(struct wr_conn *c, const struct wr_msg *m);
void wr_conn_flush(struct wr_conn *c);
void wr_hub_gone(struct wr_hub *hub); /* A link is gone: was it the last? */

/* hub_link.c */
extern const struct wr_link_ops wr_hub_tcp_ops, wr_hub_local_ops;

/* hub_hello.c */
void wr_hub_say_hello(struct wr_conn *c);
/* HELLO, CARD, REVOKED. False if it is none of them. `body` stays the
 * caller's. */
bool wr_hub_hello(struct wr_conn *c, const struct wr_msg *m,
                  const struct wr_buf *body);
void wr_hub_send_card(struct wr_conn *c, wr_host h);
void wr_hub_send_revoked(struct wr_conn *c);
void wr_hub_peer_of(const struct wr_conn *c, struct wr_hub_peer *ret);

#endif
