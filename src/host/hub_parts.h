/*
 * hub_parts.h - what the sources of the hub share:
 *
 *     hub.c        open, close, send, who is linked
 *     hub_link.c   callbacks of links: handshake, frames, bodies, their end
 *     hub_hello.c  what links say for themselves: HELLO, CARD, REVOKED
 *     hub_twin.c   two processes that run under one identity
 */
#ifndef WR_HOST_HUB_PARTS_H
#define WR_HOST_HUB_PARTS_H

#include "base/time.h"
#include "host/hub.h"
#include "net/link.h"
#include "net/listener.h"
#include "wire/codec.h"

enum {
    WR_HUB_WAITING_MAX = 4096, /* Frames that wait for one link; their bodies
                                  are bounded by the pool, */
    WR_HUB_WAITING_BYTES = 4 << 20, /* or here: reports are not of the pool. */
    WR_HUB_SESSIONS = 16384, /* Leaves at a time, as descriptors allow. */
    WR_HUB_LINKS_EACH = 64,  /* Of one credential: a leaf's commands at once. */
    WR_HUB_JOINERS = 256,    /* Who only knows the ring secret. */
    WR_HUB_HOSTS_SHARE = 4,  /* One link in so many is kept for hosts. */
    WR_HUB_LINGER_MS = 3000, /* From hub close to the end of patience. */
    WR_HUB_SWEEP_MS = 5000,
    /* For who was accepted to say HELLO. One of two links of a pair waits for
     * the other one's fate, which the kernel decides after WR_LINK_SILENT_MS.*/
    WR_HUB_HELLO_MS = 30000,
    WR_HUB_JOINER_MS = 60000, /* Who only knows the ring secret may not stay. */
    /* Between two links of a host that take each other's place: doubled each
     * time, less where it may be one process whose network fails. */
    WR_HUB_TURN_MS = 1000,
    WR_HUB_TURN_MOST_MS = 512000,
    WR_HUB_TURN_SAME_MS = 4000,
    WR_HUB_TURN_OVER_MS = 600000, /* Quiet for so long: it begins anew. */
    WR_HUB_TWIN_TELL_S = 600,     /* Between two lines of the log. */
    WR_HUB_TWIN_OVER_S = 1800,    /* Not heard of for so long: it is gone. */
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
    uint32_t mentions_n, header_n, held;
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
    bool greeted;      /* Its HELLO came: messages may follow. */
    bool paused;       /* No room for a body: to be resumed. */
    bool parked;       /* Behind another of its kind, should that one fail. */
    uint64_t since_ms; /* When it was made, as the loop's clock has it. */
    uint32_t incarnation;  /* HOST: as its HELLO said, */
    struct wr_addr listen; /* where it listens, */
    struct wr_addr twin;   /* and where another process of it does; or none. */
    uint64_t revoked;      /* HOST: the number of its list, then, */
    uint64_t wall_s;       /* and what its wall clock said, */
    wr_time wall_at;       /* when. */
    wr_host host;          /* A slot, or a session. */
    struct wr_cred cred;   /* LEAF */
    struct wr_waiting *first, **last;
    uint32_t waiting_n;
    size_t waiting_bytes;           /* Of memory that is not of the pool. */
    uint8_t told[WR_HOSTS_MAX / 8]; /* Hosts introduced: a bit each. */
};

struct wr_hub_host {
    struct wr_conn *conn[2]; /* Control, bulk; dialling or open. */
    uint64_t turn_at_ms;     /* None of these gives way before; */
    uint32_t turn_ms;        /* how long they did not, the last time. */
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
    uint32_t born;                /* Our incarnation at the start. */
    struct wr_addr twin;          /* Another process of ours; port 0: none. */
    uint64_t twin_s, twin_told_s; /* When it was heard of, and told. */
    struct wr_hub_said said[WR_MSG_KINDS];
    bool left; /* Our farewell is written down: it may be said. */
    bool closing, net_closing;
    uv_timer_t timer; /* Sweeps; once closing, the end of patience. */
    void (*closed)(void *arg);
    void *closed_arg;
};

/* hub.c */
struct wr_conn *wr_conn_new(struct wr_hub *hub, struct wr_link *link);
void wr_conn_free(struct wr_conn *c);
bool wr_conn_session(struct wr_conn *c); /* A number for a leaf's link. */
void wr_conn_send(struct wr_conn *c, const struct wr_msg *m,
                  struct wr_buf *body);
/* Ahead of what waits. False if there is no room now; on_drain follows. */
bool wr_conn_send_first(struct wr_conn *c, const struct wr_msg *m);
void wr_conn_flush(struct wr_conn *c);
void wr_hub_gone(struct wr_hub *hub); /* A link is gone: was it the last? */
/* There is something new to say about `h`, to whoever hears of it next. */
void wr_hub_news(struct wr_hub *hub, wr_host h);
/* Cuts off who has been in the door for too long. */
void wr_hub_sweep(struct wr_hub *hub, uint64_t now_ms);

/* hub_link.c */
extern const struct wr_link_ops wr_hub_tcp_ops, wr_hub_local_ops;

/* hub_hello.c */
void wr_hub_say_hello(struct wr_conn *c);
/* A leaf goes elsewhere, for we have left for good. */
void wr_hub_turn_away(struct wr_conn *leaf);
/* HELLO, CARD, REVOKED. False if it is none of them. `body` stays the
 * caller's. */
bool wr_hub_hello(struct wr_conn *c, const struct wr_msg *m,
                  const struct wr_buf *body);
/* The link in the place of its kind is gone: another may take it over, and what
 * waited. NULL if there is none. */
struct wr_conn *wr_hub_parked(const struct wr_conn *gone);
/* It has its place and its HELLO: from here on it is used. */
void wr_hub_settle(struct wr_conn *c);
void wr_hub_inherit(struct wr_conn *to, struct wr_conn *from);
/* False if there is no room now. */
bool wr_hub_send_card(struct wr_conn *c, wr_host h);
void wr_hub_send_revoked(struct wr_conn *c);
void wr_hub_peer_of(const struct wr_conn *c, struct wr_hub_peer *ret);

/* hub_twin.c */
/* Whether `c`, whose HELLO came, may take the place of links of its host that
 * stand; those of another process are closed, and both may be told. */
bool wr_hub_turn(struct wr_conn *c);
/* Whether these are links to two processes of one host. */
bool wr_hub_other_process(const struct wr_conn *a, const struct wr_conn *b);
/* Tells a host that another one runs under its identity, at that address. */
void wr_hub_tell_twin(struct wr_conn *c, const struct wr_addr *other);
/* A CARD about ourselves. */
void wr_hub_hear_twin(struct wr_hub *hub, const struct wr_addr *addr,
                      uint32_t incarnation);

#endif
