/*
 * impl.h - the insides of net/: the link and the net as their files share
 * them. net.c has the loop's handles, link.c the life of a link, shake.c its
 * handshake, rx.c what comes in, tx.c what goes out.
 *
 * Lifetimes. A link is one allocation with its libuv handle; it is freed in
 * the close callback of that handle and nowhere else, so a callback that
 * closes its link may still return into this code. link_live() is asked after
 * each of them. `busy` counts handles and requests of the net.
 */
#ifndef WR_NET_IMPL_H
#define WR_NET_IMPL_H

#include "crypto/noise.h"
#include "net/addr.h"
#include "net/dial.h"
#include "net/guard.h"
#include "net/link.h"
#include "net/listener.h"
#include "wire/frame.h"

enum {
    RECORD_HEAD = 2, /* The length before each Noise message. */
    RECORD_MAX = RECORD_HEAD + WR_NOISE_MSG_MAX,
    READ_BULK = 256 << 10, /* Asked of the kernel while a body comes in, */
    READ_SMALL = 32 << 10, /* otherwise: what a paused link has to keep, */
    READ_SHAKE = 4 << 10,  /* and in a handshake. */
    READ_ROOM = RECORD_MAX + READ_SMALL + READ_BULK,
    GATHER_MAX = 4 * RECORD_MAX, /* Sealed at once: stays in the cache. */
    GATHER_SLOW = 64 << 10,      /* Where the kernel did not take all of it, */
    GATHER_MIN = 20 << 10, /* and where many such links hold SEND_HELD_MAX. */
    SEND_HELD_MAX = 4 << 20,
    TURN_MAX = 512 << 10, /* Read from one link before others have their go. */
    BODY_INLINE = 16 << 10, /* Up to here a body shares a record. */
    SCAN_MS = 100,
    STOOD_STILL_MS = 2000,
    ACCEPT_MAX = 64, /* In one turn: 2 ms or so, were they strangers all. */
};

_Static_assert((int)GATHER_MIN >= (int)WR_HEADER_MAX + WR_FRAME_HEAD +
                                      RECORD_HEAD + WR_NOISE_TAG,
               "any header fits into the smallest gathering");

/* Intrusive lists with a head of their own type; an entry off any list points
 * to itself. */
struct ring {
    struct ring *next, *prev;
};

static inline void ring_init(struct ring *r)
{
    r->next = r->prev = r;
}

static inline bool ring_empty(const struct ring *r)
{
    return r->next == r;
}

static inline void ring_leave(struct ring *r)
{
    r->prev->next = r->next;
    r->next->prev = r->prev;
    ring_init(r);
}

static inline void ring_join(struct ring *head, struct ring *r)
{
    ring_leave(r);
    r->prev = head->prev;
    r->next = head;
    head->prev->next = r;
    head->prev = r;
}

#define RING_OF(ptr, type, member)                                             \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Who waits for what, each list in order of arrival. */
enum wait {
    WAIT_STRANGER, /* Accepted: message 1. */
    WAIT_KNOWN,    /* Accepted: message 3. */
    WAIT_DIAL,     /* Dialled: to be open. */
    WAIT_END,      /* Closed by us: the peer's end. */
    WAIT_SLOW,     /* Open: the rest of a frame, or room for what we send. */
    WAITS,
};

struct wr_net {
    struct wr_net_cfg cfg;
    struct wr_net_stats stats;
    uint32_t busy;
    uint32_t fds; /* Of links: the count that links_max bounds. */
    uint64_t turns;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;

    uv_timer_t scan;     /* Deadlines, */
    uint64_t scanned_ms; /* and when they were looked at. */
    uv_prepare_t turn;
    uv_idle_t again; /* Keeps the loop turning while there is more to send. */

    struct ring links, listeners, resolves;
    struct ring waits[WAITS];
    uint32_t waits_n[WAITS];
    struct ring dirty[2]; /* To be flushed: control, bulk. */
    struct ring resumed;

    struct sealed *spare; /* A send buffer of GATHER_MAX kept at hand. */
    struct wr_guard guard;
    int fd_reserve; /* Given up for a moment when accept finds no descriptor. */
    uint8_t read_room[READ_ROOM];
};

enum link_state {
    LINK_DIALLING,
    LINK_SHAKING,
    LINK_OPEN,
    LINK_ENDING,
    LINK_GONE
};

/* A frame that waits to be sealed. */
struct out {
    struct out *next;
    struct wr_buf *body;
    uint32_t n, done; /* Bytes of `bytes`; of them and the body, sealed. */
    uint8_t bytes[];  /* Head and header. */
};

/* Bytes for the kernel. */
struct sealed {
    uv_write_t req;
    struct wr_link *link;
    size_t n;
    uint8_t bytes[];
};

/* What libuv calls by four names. */
union sock {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct wr_link {
    union sock h;
    struct wr_net *net;
    const struct wr_link_ops *ops;
    void *owner;
    struct ring all, wait, dirty, resumed;
    enum wait waits_for; /* Valid while `wait` is on a list. */
    uint64_t deadline_ms;
    enum link_state state;
    bool plain, dialled, opened, bulk, paused, reading, skip, starved, shut,
        charged;
    uint8_t writing; /* Writes in flight. */
    uint8_t step;    /* Of the handshake: messages seen or sent. */
    struct wr_addr addr;
    struct wr_why why;
    uint32_t body_max;

    struct wr_noise *shake; /* During the handshake. */
    struct wr_noise_session *noise;

    struct out *out_head, **out_tail;
    size_t out_bodies, out_control, out_sealed;
    size_t gather;

    uint8_t *stash;              /* Came, but is not consumed yet: */
    size_t stash_n, stash_plain; /* the first so many bytes are plaintext. */
    uint8_t *header; /* A frame's head and header while they gather. */
    uint32_t header_n, header_cap;
    struct wr_frame frame;
    struct wr_buf *body;
    uint32_t body_n; /* Of frame.body_n that have come. */
    bool in_body;
    uint32_t stage, watched; /* Of frames: heads and bodies so far; the one */
    uint64_t rx_due_ms;      /* that has to be whole by then. 0: none. */
    uint64_t tx_due_ms;      /* As for what the kernel has not taken yet. */
    uint64_t turn;           /* In which it last read, */
    size_t turn_n;           /* and how much. */

    union {
        uv_connect_t connect;
        uv_shutdown_t shutdown;
    } req;
};

struct wr_listener {
    union sock h, sink;
    struct ring all;
    struct wr_net *net;
    bool plain, sinking, deaf, closed;
    bool held;      /* libuv has one more, which waits for the next turn. */
    uint64_t turn;  /* In which it last took somebody, */
    uint32_t taken; /* and how many. */
    const struct wr_link_ops *ops;
    void *owner;
    struct wr_addr addr;
};

/* net.c */
void net_hold(struct wr_net *net);
void net_release(struct wr_net *net);
void net_wait(struct wr_link *l, enum wait w, uint32_t ms);
void net_wait_no_more(struct wr_link *l);
/* What an open link waits for has changed: rx_due_ms, tx_due_ms. */
void net_wait_slow(struct wr_link *l);
/* When `n` bytes that may begin to move now have to have moved. */
uint64_t net_due(const struct wr_net *net, size_t n);
/* Ends what has waited for too long. */
void net_scan(struct wr_net *net, uint64_t now_ms);

/* link.c */
struct wr_link *link_new(struct wr_net *net, bool plain,
                         const struct wr_link_ops *ops, void *owner);
void link_start(struct wr_link *l); /* Connected: handshake, or open. */
void link_opened(struct wr_link *l);
void link_read(struct wr_link *l, bool on);
void link_malformed(struct wr_link *l, enum wr_err err, const char *what);
void link_gone(struct wr_link *l, enum wr_err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static inline bool link_live(const struct wr_link *l)
{
    return l->state != LINK_GONE;
}
const char *link_peer(const struct wr_link *l, char ret[static WR_ADDR_TEXT]);

/* listener.c */
void listener_turn(struct wr_listener *ls);

/* shake.c */
void shake_start(struct wr_link *l);
/* One message of the handshake. */
void shake_take(struct wr_link *l, struct wr_span message);
/* The longest message that may come next. */
size_t shake_expects(const struct wr_link *l);

/* rx.c */
void rx_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret);
void rx_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf);
void rx_go_on(struct wr_link *l);   /* After a pause. */
void rx_free(struct wr_link *l);    /* All but the header. */
void rx_unwatch(struct wr_link *l); /* It is us who wait. */

/* tx.c */
bool tx_put(struct wr_link *l, const struct wr_frame *f, struct wr_span header,
            struct wr_buf *body);
void tx_raw(struct wr_link *l, struct wr_span bytes); /* Handshake. */
void tx_dirty(struct wr_link *l);
void tx_flush(struct wr_link *l);
void tx_free(struct wr_link *l);
void tx_end(struct wr_link *l); /* Shut down once all is out. */

#endif
