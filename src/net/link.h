/*
 * link.h - one connection to a peer: frames over an encrypted TCP stream, or
 * over a plain Unix socket where the file's permissions are the proof.
 *
 * Links are made by listener.h and dial.h. One is in turn
 *   - in its handshake: Noise XXpsk0, of which the owner sees the payloads;
 *   - open: frames go both ways;
 *   - ending, after wr_link_close(): what is queued and END go out;
 *   - gone: on_closed is its last word, the pointer is dead after that.
 *
 * All calls and callbacks are on the loop's thread. A callback may call
 * anything here, wr_link_abort() on its own link included. Whatever the peer
 * does ends in on_closed with a reason, never in a crash.
 *
 * Not here: pairing the control and bulk link of a host, who may send what,
 * liveness (all in src/host and src/proto).
 *
 * Borrowing: spans are borrowed for the call. Buffers are counted: link.h says
 * at each place who holds a reference.
 */
#ifndef WR_NET_LINK_H
#define WR_NET_LINK_H

#include <stdbool.h>

#include "base/span.h"
#include "net/net.h"
#include "sys/buf.h"
#include "sys/why.h"
#include "wire/book.h"

struct wr_link;

/* What on_body answers to have a body read and thrown away. */
extern struct wr_buf wr_link_skip;
#define WR_LINK_SKIP (&wr_link_skip)

struct wr_link_ops {
    /* Our payload of the handshake, at most `room` bytes into `ret`; returns
     * its length. For a link that was dialled this comes after on_payload, so
     * it is shown only to a peer that was accepted. NULL: empty. */
    size_t (*payload)(struct wr_link *l, uint8_t *ret, size_t room);

    /* The peer's payload and its proven static key: WR_OK takes it, anything
     * else closes. NULL: everybody who knows the ring secret is welcome. */
    enum wr_err (*on_payload)(struct wr_link *l, struct wr_span payload,
                              const uint8_t remote[32]);

    /* Frames may be sent from here on. */
    void (*on_open)(struct wr_link *l);

    /* A frame with a body of `n` bytes begins. Answer an empty buffer of at
     * least `n` bytes at `p` (one reference, the link's from then on), or
     * WR_LINK_SKIP: the frame is dropped, or NULL: not now. After NULL the
     * link reads nothing until wr_link_resume(), and asks again. */
    struct wr_buf *(*on_body)(struct wr_link *l, struct wr_span header,
                              uint32_t n);

    /* A frame. `body` is NULL, or has body->n bytes and one reference, which
     * is the owner's. */
    void (*on_frame)(struct wr_link *l, struct wr_span header,
                     struct wr_buf *body);

    /* The queue is below WR_LINK_LOW bytes of bodies again, after it was above
     * or a send was refused. May be NULL. */
    void (*on_drain)(struct wr_link *l);

    /* The end. why->err is WR_OK where either side closed in order, else
     * WR_ECLOSED (cut off), WR_ETIMEOUT, WR_EAUTH, WR_EINVAL, WR_ETOOBIG,
     * WR_EREFUSED, WR_EUNREACH (a dial), WR_EIO, WR_ECANCELED (we aborted).
     * A link that was accepted and never opened ends without a word. */
    void (*on_closed)(struct wr_link *l, const struct wr_why *why);
};

enum {
    WR_LINK_PAYLOAD_MAX = 1024,      /* Of a handshake message. */
    WR_LINK_BODIES_MAX = 2 << 20,    /* Queued bytes of bodies. */
    WR_LINK_CONTROL_MAX = 256 << 10, /* Queued bytes of heads and headers. */
    WR_LINK_LOW = 1 << 20,
};

void wr_link_set_owner(struct wr_link *l, void *owner);
void *wr_link_owner(const struct wr_link *l);

/*
 * Queue a frame: `header` is copied, `body` (may be NULL; body->n bytes at
 * body->p, which nobody changes any more) gets a reference until it is sealed.
 * Sent at the end of the loop's turn, together with what else was sent in it.
 * WR_EBUSY: the queue is full; on_drain follows. WR_ECLOSED: not open, or just
 * ended for want of memory.
 */
WR_MUST_USE enum wr_err wr_link_send(struct wr_link *l, struct wr_span header,
                                     struct wr_buf *body);

/* Bytes queued or sealed that the kernel has not taken yet. */
size_t wr_link_queued_bytes(const struct wr_link *l);

/* Would a frame with a body of `n` bytes be taken now? */
bool wr_link_has_room(const struct wr_link *l, size_t n);

/* Stop after this callback, and go on. Deliver nothing in between; the peer
 * feels it when the kernel's buffers are full. Resuming twice is harmless. */
void wr_link_pause(struct wr_link *l);
void wr_link_resume(struct wr_link *l);

/* The longest body taken from this peer; WR_FRAME_BODY_MAX at first. */
void wr_link_set_body_max(struct wr_link *l, uint32_t n);

/* A bulk link is flushed after all control links of the turn. */
void wr_link_set_bulk(struct wr_link *l);

/* In order: what is queued, END (both within WR_LINK_SILENT_MS), and a wait
 * of at most WR_LINK_LINGER_MS for the peer. Nothing is delivered any more but
 * on_closed. */
void wr_link_close(struct wr_link *l);

/* At once; `err` and the text are what on_closed will say. */
void wr_link_abort(struct wr_link *l, enum wr_err err, const char *text);

bool wr_link_is_open(const struct wr_link *l);
bool wr_link_is_plain(const struct wr_link *l);
bool wr_link_was_dialled(const struct wr_link *l);
/* Where the peer is (of an accepted link, its outgoing port); all zeros for a
 * Unix socket. */
const struct wr_addr *wr_link_addr(const struct wr_link *l);
/* 32 bytes: the peer's static key, from on_payload on. NULL if plain. */
const uint8_t *wr_link_remote(const struct wr_link *l);
/* 64 bytes that name this session on both sides, once open. NULL if plain. */
const uint8_t *wr_link_hash(const struct wr_link *l);

#endif
