/*
 * xfer.h - what a leaf has asked of its parent and not yet been answered: the
 * windows of put and get, batching, and the repeats that make a dying parent
 * invisible.
 *
 * Sans-I/O, like all of proto/. The driver (src/client) asks; xfer appends
 * SENDs to the outbox, and one WR_FX_DONE per request, whatever happens in
 * between: every request here is idempotent and is simply sent again to the
 * next parent.
 *
 *   - DONE.status is an enum wr_status; DONE.answer is the message that decided
 *     it, or the last refusal where patience ran out (its kind is 0 if there
 *     was none: silence). A HAVE ends in OK (stands with the meaning of an
 *     acknowledgement) or NO (send it).
 *   - What passes by itself is not an end: BUSY, TIMEOUT, UNREACHABLE and a
 *     body that did not verify are tried again, with exponential and jittered
 *     waits, until the request's patience is over.
 *   - Patience is measured in standstill: a request ends when nothing at all
 *     has moved for so long, or when it has only had refusals for so long. A
 *     thin uplink is slow, not dead.
 *
 * Bodies (proto/fx.h): the body of a PUT is xfer's from the call on, and
 * released when the request ends. The body of a DATA or REPORT goes to the
 * asker with DONE. Whatever nobody asked for is released.
 *
 * Not here: which parent (leaf.h), and what the bytes mean (object/).
 * Borrowing: arguments are borrowed for the call and copied if kept.
 */
#ifndef WR_PROTO_XFER_H
#define WR_PROTO_XFER_H

#include "base/rng.h"
#include "proto/fx.h"

enum {
    WR_XFER_NOTE_MAX = 1024, /* Bytes of a root record or query. */
    WR_XFER_HOSTS = 6,       /* Silent hosts that a last refusal still names. */
    WR_XFER_PARENT = 0,      /* SEND.to: there is one parent only. */
    /* The outbox is drained between steps and has at least so much room. */
    WR_XFER_STEP_FX = 2 * WR_HAVE_MAX + 16,
    WR_XFER_STEP_BYTES = 32768,
};

struct wr_xfer_cfg {
    uint64_t seed;
    uint32_t requests_max;    /* Table: at most 65,535. */
    uint32_t notes_max;       /* Requests that carry a record or query. */
    uint32_t put_bytes_max;   /* Window of bodies on their way up, */
    uint32_t put_max;         /* and how many at once. */
    uint32_t get_bytes_max;   /* Window of bytes asked for, */
    uint32_t get_max;         /* and how many at once. */
    uint32_t haves_max;       /* HAVE messages at once. */
    wr_time retry_min_us;     /* First wait after a refusal without a time. */
    wr_time retry_max_us;     /* Longest. */
    wr_time answer_us;        /* An unanswered request is sent again, once to
                                 another parent; less than its patience. */
    uint32_t jitter_permille; /* Of each wait; 0 makes transcripts exact. */
};

struct wr_xfer_stats {
    uint32_t requests;           /* In the table. */
    uint32_t put_bytes, put_n;   /* On their way. */
    uint32_t get_bytes, get_n;   /* Asked for. */
    uint32_t haves;              /* HAVE messages on their way. */
    uint64_t sent, repeated;     /* Requests; of those not for the 1st time. */
    uint64_t busy, bad, dropped; /* Answers: try later, not verified, stale. */
};

struct wr_xfer;

/* Windows as documented: 8 MiB up, 6 MiB down, 256 requests of each kind. */
struct wr_xfer_cfg wr_xfer_cfg_default(uint64_t seed);

/* WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_xfer_open(struct wr_xfer **ret,
                                     const struct wr_xfer_cfg *cfg);

/* No request may be left: cancel them first. NULL is fine. */
void wr_xfer_close(struct wr_xfer *x);

/* How a put wants its chunks kept. */
struct wr_xfer_want {
    struct wr_put_id put;
    uint8_t copies, durable; /* n and w; 0: the ring's own. */
};

/* The requests. `patience` is the standstill after which a request ends. False
 * if the table is full: nothing happened, the body stays the caller's.
 * wr_xfer_room() says how many more fit. */
WR_MUST_USE bool wr_xfer_have(struct wr_xfer *x, wr_token token,
                              const struct wr_xfer_want *want,
                              const struct wr_id *digest, wr_time patience,
                              wr_time now, struct wr_outbox *out);
WR_MUST_USE bool wr_xfer_put(struct wr_xfer *x, wr_token token,
                             const struct wr_xfer_want *want, uint32_t hash,
                             const struct wr_id *digest, struct wr_body body,
                             wr_time patience, wr_time now,
                             struct wr_outbox *out);
/* `bytes`: what the answer is expected to weigh in the window. */
WR_MUST_USE bool wr_xfer_get(struct wr_xfer *x, wr_token token, uint32_t hash,
                             const struct wr_id *digest, bool head,
                             uint32_t bytes, wr_time patience, wr_time now,
                             struct wr_outbox *out);
/* `record` is at most WR_ROOT_RECORD_MAX bytes. */
WR_MUST_USE bool wr_xfer_root_put(struct wr_xfer *x, wr_token token,
                                  const struct wr_xfer_want *want,
                                  const struct wr_id *position,
                                  uint64_t version, struct wr_span record,
                                  wr_time patience, wr_time now,
                                  struct wr_outbox *out);
/* `what` and `arg` are at most WR_XFER_NOTE_MAX bytes together. */
WR_MUST_USE bool wr_xfer_query(struct wr_xfer *x, wr_token token,
                               struct wr_span what, struct wr_span arg,
                               wr_time patience, wr_time now,
                               struct wr_outbox *out);

/* Forgets the request: no DONE follows, a PUT's body is released, a late
 * answer is dropped. False if there is none with that token. */
bool wr_xfer_cancel(struct wr_xfer *x, wr_token token, wr_time now,
                    struct wr_outbox *out);

/* No request under way has less patience than this from now on. */
void wr_xfer_patience(struct wr_xfer *x, wr_time patience);

/* A parent stands, or is gone. All that was under way goes to the next. */
void wr_xfer_up(struct wr_xfer *x, wr_time now, struct wr_outbox *out);
void wr_xfer_down(struct wr_xfer *x);

/* Bytes moved on the link: nothing stands still. */
void wr_xfer_moved(struct wr_xfer *x, wr_time now);

/* An answer; false if it is no kind that xfer handles (nothing happened). */
bool wr_xfer_recv(struct wr_xfer *x, const struct wr_msg *m, wr_time now,
                  struct wr_outbox *out);

/* Whether, since this was last asked, the parent brought bytes that were not
 * what was wanted, or left a request unanswered while nothing moved. It may
 * lie, or be out of order: another parent is to be tried (wr_leaf_leave()). */
bool wr_xfer_let_down(struct wr_xfer *x);

/* While held, requests gather and nothing is sent: for an asker with many at
 * once. Pump after letting go. */
void wr_xfer_hold(struct wr_xfer *x, bool held);

/* Sends what the windows and the outbox let through. Every other entry point
 * does so at its end; call this after the outbox was drained while full. */
void wr_xfer_pump(struct wr_xfer *x, wr_time now, struct wr_outbox *out);

/* Call at wr_xfer_deadline() or any time after it; early calls do nothing. */
void wr_xfer_tick(struct wr_xfer *x, wr_time now, struct wr_outbox *out);
wr_time wr_xfer_deadline(const struct wr_xfer *x); /* WR_NEVER if none. */

uint32_t wr_xfer_room(const struct wr_xfer *x);
void wr_xfer_stats(const struct wr_xfer *x, struct wr_xfer_stats *ret);

#endif
