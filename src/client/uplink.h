/*
 * uplink.h - a leaf's one link to its parent: whom to dial, the proof that it
 * is a super-peer of our ring, HELLO and ATTACHED, fail-over, pings, and the
 * names of hosts that the parent introduces.
 *
 * It drives proto/leaf and hides that parents come and go. Not here: requests
 * and their repetition (session.h), other people's requests (host/leafd.h).
 *
 * A process that runs in the same directory may be preferred: its local
 * socket, where the file's permissions are the proof. Otherwise TCP and Noise
 * to one of the home's contacts.
 *
 * Called by session.c and host/leafd.c, on the loop's thread alone. Callbacks
 * may send; they never close, and never come from within wr_uplink_open().
 * Borrowing: the home outlives it; messages and spans are for the call.
 */
#ifndef WR_CLIENT_UPLINK_H
#define WR_CLIENT_UPLINK_H

#include <uv.h>

#include "client/home.h"
#include "net/addr.h"
#include "net/link.h"
#include "wire/codec.h"

enum {
    WR_UPLINK_HOSTS_MAX = 1024, /* Super-peers that answers may name. */
    WR_UPLINK_SAMPLE_MS = 250,  /* How often to look at a busy link. */
};

struct wr_uplink;

struct wr_uplink_cfg {
    uv_loop_t *loop;
    struct wr_home *home; /* Its contacts are kept up to date. */
    const char *agent;    /* For HELLO. */
    bool local;           /* Prefer the socket in the home's directory. */
    uint32_t linger_ms;   /* How long closing waits for the parent's END. */
    void *arg;
    void (*on_up)(void *arg);   /* A parent stands. */
    void (*on_lost)(void *arg); /* It is gone, with all that was under way. */
    /* A frame with a body begins: as link.h's on_body. After NULL nothing is
     * read until wr_uplink_room(). */
    struct wr_buf *(*on_body)(void *arg, struct wr_span header, uint32_t n);
    /* All but HELLO, ATTACHED, PING and CARD. `extra` is what the codec does
     * not know; the reference to `body` (NULL for none) is the callee's. */
    void (*on_msg)(void *arg, struct wr_msg *m, struct wr_span extra,
                   struct wr_buf *body);
    /* A host was introduced, and its card is good. May be NULL. */
    void (*on_card)(void *arg, wr_host h, const struct wr_msg *m,
                    struct wr_span extra);
};

/* Begins to look for a parent. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_uplink_open(struct wr_uplink **ret,
                                       const struct wr_uplink_cfg *cfg,
                                       struct wr_why *why);

/* Says BYE and END. No callback follows but `closed`; it is free by then. */
void wr_uplink_close(struct wr_uplink *up, void (*closed)(void *arg),
                     void *arg);

/* Sends now, or as soon as the link takes more; nothing if there is no link.
 * Takes a reference of its own to `body`. `extra` may be empty. */
void wr_uplink_send(struct wr_uplink *up, const struct wr_msg *m,
                    struct wr_span extra, struct wr_buf *body);

/* Frames that wait for the link. */
uint32_t wr_uplink_waiting(const struct wr_uplink *up);

/* There is room for bodies again. */
void wr_uplink_room(struct wr_uplink *up);

/* The parent lets us down: on to another. Not from within a callback of the
 * link. */
void wr_uplink_leave(struct wr_uplink *up);

/* Whether bytes moved since the last call, more than pings are: a sign that the
 * parent works. To be called every WR_UPLINK_SAMPLE_MS while requests are out.
 */
bool wr_uplink_moved(struct wr_uplink *up);

/* One arena: a message lives until the next one is decoded. */
struct wr_codec *wr_uplink_codec(struct wr_uplink *up);

struct wr_uplink_state {
    bool up;
    bool ever;                /* A parent once stood. */
    bool local;               /* Through a socket of this machine. */
    bool alone;               /* Nobody is known to turn to. */
    uint32_t copies, durable; /* n and w in force; 0: not known. */
    struct wr_host_id host;   /* The parent; all zero: not known. */
    uint64_t dials, moves;    /* Moves: parents lost. */
    uint64_t bytes_in, bytes_out;
    char at[WR_ADDR_TEXT]; /* Where it is, or the last one was tried. */
    struct wr_why last;    /* Why the last link ended. */
};
void wr_uplink_state(const struct wr_uplink *up, struct wr_uplink_state *ret);

/* A host in an answer, for people: eight digits and an address. */
const char *wr_uplink_host(const struct wr_uplink *up, wr_host h,
                           char ret[128]);

#endif
