/*
 * leaf.h - a leaf's session: exactly one parent, the alternates it knows, and
 * how it moves from one to the next.
 *
 * Sans-I/O. The driver (src/client) dials and hangs up when told, and reports
 * what became of it. A leaf changes its parent for availability, never to
 * route.
 *
 *     IDLE ── start ──▶ WAITING ──▶ DIALING ── ATTACHED came ──▶ ATTACHED
 *                          ▲            │                            │
 *                          └── failed ──┴── silence, down, BYE ──────┘
 *
 * A lost parent is left for another alternate at once; each contact that fails
 * waits twice as long as before, jittered, up to cfg.backoff_max_us, so that a
 * school's three hundred leaves do not fall upon one box in step.
 *
 * Not here: requests (xfer.h), keys and who may be a parent (the driver checks
 * the credential before it reports a link). Borrowing: copied if kept.
 */
#ifndef WR_PROTO_LEAF_H
#define WR_PROTO_LEAF_H

#include "base/rng.h"
#include "base/time.h"
#include "wire/msg.h"

enum {
    WR_LEAF_CONTACTS_MAX = 2 * WR_CONTACTS_MAX, /* Known and remembered. */
    WR_LEAF_FX_MAX = 8,
};

enum wr_leaf_state {
    WR_LEAF_IDLE,
    WR_LEAF_WAITING,  /* For the next contact's turn. */
    WR_LEAF_DIALING,  /* Connecting, handshake, HELLO, until ATTACHED. */
    WR_LEAF_ATTACHED, /* A parent stands. */
};

enum wr_leaf_fx_kind {
    WR_LEAF_FX_DIAL,    /* Open a link to `contact`; a failure is down(). */
    WR_LEAF_FX_HANG_UP, /* Close the link; no down() is expected for it. */
    WR_LEAF_FX_PING,    /* Send a PING on the control link. */
    WR_LEAF_FX_UP,      /* The parent stands: requests may flow. */
    WR_LEAF_FX_LOST,    /* It is gone. */
    WR_LEAF_FX_PERSIST, /* Contacts changed: write them down. */
};

struct wr_leaf_fx {
    enum wr_leaf_fx_kind kind;
    uint32_t contact; /* DIAL: for wr_leaf_contact(). */
};

/* Zero it before each step. */
struct wr_leaf_out {
    uint32_t n;
    struct wr_leaf_fx v[WR_LEAF_FX_MAX];
};

struct wr_leaf_cfg {
    uint64_t seed;
    wr_time dial_us;     /* From DIAL to ATTACHED. */
    wr_time ping_us;     /* Silence of a parent before it is pinged, */
    wr_time patience_us; /* and then before it is held for dead. */
    wr_time backoff_min_us, backoff_max_us;
    uint32_t jitter_permille; /* Of each wait; 0 makes transcripts exact. */
};

struct wr_leaf_peer {
    struct wr_contact contact; /* id all zero: not yet known. */
    uint32_t failures;         /* Since it last was our parent. */
    wr_time not_before;
    bool given; /* By the user or a ticket: never replaced by hearsay. */
};

/* Transparent for tests; only leaf.c writes it. */
struct wr_leaf {
    struct wr_leaf_cfg cfg;
    struct wr_rng rng;
    enum wr_leaf_state state;
    uint32_t n;
    struct wr_leaf_peer v[WR_LEAF_CONTACTS_MAX];
    uint32_t current;      /* DIALING, ATTACHED: index of the contact. */
    wr_time until;         /* DIALING */
    wr_time heard_at;      /* ATTACHED: when anything came last. */
    wr_time pinged_at;     /* ATTACHED: 0 if no ping is out. */
    uint64_t dials, moves; /* Since the start. */
};

struct wr_leaf_cfg wr_leaf_cfg_default(uint64_t seed);
void wr_leaf_init(struct wr_leaf *l, const struct wr_leaf_cfg *cfg);

/* Adds a contact (at most WR_LEAF_CONTACTS_MAX; more are ignored). The first
 * one added is dialled first. Before wr_leaf_start() or after. */
void wr_leaf_add(struct wr_leaf *l, const struct wr_contact *c, bool given);

/* Only from IDLE, with at least one contact. */
void wr_leaf_start(struct wr_leaf *l, wr_time now, struct wr_leaf_out *out);

/* The link that was dialled stands and proved to be this host; ATTACHED is yet
 * to come. */
void wr_leaf_linked(struct wr_leaf *l, const struct wr_host_id *id,
                    wr_time now);

/* The dial failed, or the link went down. */
void wr_leaf_down(struct wr_leaf *l, wr_time now, struct wr_leaf_out *out);

/* Anything that came over the link: ATTACHED, BYE and PONG mean something,
 * the rest is a sign of life. */
void wr_leaf_recv(struct wr_leaf *l, const struct wr_msg *m, wr_time now,
                  struct wr_leaf_out *out);

/* A sign of life that is no message: bytes of a long one moved. */
void wr_leaf_heard(struct wr_leaf *l, wr_time now);

/* The parent does not do its part (wr_xfer_let_down()): on to the next. Does
 * nothing unless it is ATTACHED. */
void wr_leaf_leave(struct wr_leaf *l, wr_time now, struct wr_leaf_out *out);

/* Call at wr_leaf_deadline() or any time after it. */
void wr_leaf_tick(struct wr_leaf *l, wr_time now, struct wr_leaf_out *out);
wr_time wr_leaf_deadline(const struct wr_leaf *l); /* WR_NEVER if none. */

static inline const struct wr_contact *wr_leaf_contact(const struct wr_leaf *l,
                                                       uint32_t i)
{
    WR_CHECK(i < l->n);
    return &l->v[i].contact;
}

#endif
