/*
 * leafd_parts.h - what the sources of the leaf's run-time share:
 *
 *     leafd.c         the uplink, opening and closing, the service
 *     leafd_local.c   the clients on the socket: HELLO, bodies, sending
 *     leafd_relay.c   the table of requests under way
 */
#ifndef WR_HOST_LEAFD_PARTS_H
#define WR_HOST_LEAFD_PARTS_H

#include "base/time.h"
#include "client/uplink.h"
#include "host/leafd.h"
#include "net/listener.h"
#include "sys/buf.h"

enum {
    WR_LEAFD_CLIENTS = 256,  /* Local links at a time. */
    WR_LEAFD_SLOTS = 8192,   /* Requests under way; a power of two. */
    WR_LEAFD_OF_ONE = 2048,  /* Of these, of one client: xfer's windows. */
    WR_LEAFD_WAITING = 8192, /* Frames that wait for one client. */
    WR_LEAFD_GIVEN = 64,     /* Bodies in a link's queue that are told apart. */
    WR_LEAFD_UPWARDS = 2048, /* Frames that may wait for the parent. */
    WR_LEAFD_RETRY_MS = 300, /* What "busy" asks for. */
    WR_LEAFD_LINGER_MS = 3000, /* Most that closing takes. */
    WR_LEAFD_STUCK_S = 5,      /* Without reading, while others find no room. */
    WR_LEAFD_STALE_S = 120,    /* A request older than this is forgotten: its
                                  asker has long repeated it. */
    /* Shares of the pool that do not overlap: neither way waits for the other.
     * What one client of the library asks for at once is 4 MiB. */
    WR_LEAFD_UP_BYTES = 6 << 20,
    WR_LEAFD_DOWN_BYTES = 12 << 20,
};

enum wr_leafd_share { WR_LEAFD_UP, WR_LEAFD_DOWN, WR_LEAFD_SHARES_N };

/* A frame that waits for room on a client's link. */
struct wr_leafd_waiting {
    struct wr_leafd_waiting *next;
    struct wr_buf *body;
    uint32_t n;
    uint8_t header[];
};

/* Bodies that a link was given, oldest first, until it has got rid of them: it
 * counts bytes, we count the room that they take of the pool. */
struct wr_leafd_given {
    struct {
        uint32_t n, room;
    } v[WR_LEAFD_GIVEN];
    uint32_t first, count;
    size_t n, room; /* Sums. */
    wr_time moved_at;
};

/* A program of this machine. Freed when its link is gone. */
struct wr_leafd_client {
    struct wr_leafd *d;
    struct wr_link *link;
    struct wr_leafd_client *prev, *next;
    bool greeted;
    bool paused;    /* No room for a body: to be resumed. */
    bool cut;       /* Aborted, and not yet gone: nothing more for it. */
    uint32_t asked; /* Its requests under way. */
    struct wr_leafd_waiting *first, **last;
    uint32_t waiting_n;
    size_t waiting_room; /* Of the pool, by bodies. */
    struct wr_leafd_given given;
};

/* What is needed to give an answer of our own, or pass the real one on. */
struct wr_leafd_ask {
    uint64_t rid;
    uint32_t hash;       /* GET */
    struct wr_id digest; /* GET; of roots the position. */
    uint8_t kind;
};

struct wr_leafd_slot {
    struct wr_leafd_client *client; /* NULL: free. */
    struct wr_leafd_ask ask;
    uint32_t generation; /* Tells a late answer from a present one. */
    uint32_t next_free;
    wr_time since;
};

struct wr_leafd {
    struct wr_leafd_cfg cfg;
    uv_loop_t *loop;
    struct wr_pool *pool;
    struct wr_uplink *up;
    struct wr_net *net; /* Of the local links alone. */
    struct wr_listener *listener;
    uint8_t *header;
    uv_timer_t timer;
    uv_async_t room;
    struct wr_leafd_client *clients;
    uint32_t clients_n;
    struct wr_leafd_slot *slots;
    uint32_t free_slot, used;
    struct wr_card_frame { /* By the book's slot: headers, ready to send. */
        uint8_t *p;
        size_t n;
    } * cards;
    bool told;  /* cfg.attached was called. */
    bool moved; /* A new parent: contacts are to be saved. */
    wr_time up_since, opened_at, trimmed_at;
    uint64_t relayed, busy, dropped;
    bool closing, fast;
    uint32_t parts; /* Of closing: what is still to be closed. */
    void (*closed)(void *arg);
    void *closed_arg;
};

/* leafd.c */
void wr_leafd_busy_now(struct wr_leafd *d); /* Requests are out: look often. */
void wr_leafd_client_gone(struct wr_leafd *d);

/* leafd_local.c */
WR_MUST_USE enum wr_err wr_leafd_listen(struct wr_leafd *d, struct wr_why *why);
void wr_leafd_send(struct wr_leafd_client *c, const struct wr_msg *m,
                   struct wr_span extra, struct wr_buf *body);
void wr_leafd_send_header(struct wr_leafd_client *c, struct wr_span header,
                          struct wr_buf *body);
/* Bytes of the pool in what waits for it. */
size_t wr_leafd_held(struct wr_leafd_client *c);
/* Somebody found no room: cuts off who holds some and has long read nothing.
 * Its program asks again, here or elsewhere. */
void wr_leafd_make_room(struct wr_leafd *d);
void wr_leafd_welcome(struct wr_leafd_client *c); /* ATTACHED, if one stands. */
void wr_leafd_resume(struct wr_leafd *d);

/* leafd_relay.c */
WR_MUST_USE bool wr_leafd_table_init(struct wr_leafd *d);
/* Whether a request of this client finds room now. */
bool wr_leafd_takes(const struct wr_leafd_client *c);
/* Takes over the reference to `body`. */
void wr_leafd_upwards(struct wr_leafd_client *c, struct wr_msg *m,
                      struct wr_span extra, struct wr_buf *body);
void wr_leafd_downwards(struct wr_leafd *d, struct wr_msg *m,
                        struct wr_span extra, struct wr_buf *body);
struct wr_buf *wr_leafd_body_down(struct wr_leafd *d, struct wr_span header,
                                  uint32_t n);
/* "Busy", in the words of the request. */
void wr_leafd_refuse(struct wr_leafd_client *c, const struct wr_leafd_ask *ask);
struct wr_leafd_ask wr_leafd_ask_of(const struct wr_msg *m);
void wr_leafd_refuse_all(struct wr_leafd *d);
void wr_leafd_forget(struct wr_leafd_client *c); /* It is gone. */
void wr_leafd_sweep(struct wr_leafd *d);

/* leafd_view.c */
void wr_leafd_facts(struct wr_leafd_client *c, uint64_t rid);

#endif
