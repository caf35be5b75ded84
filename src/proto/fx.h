/*
 * fx.h - what goes into the protocol core and what comes out: events, and
 * effects in a bounded outbox. The driver (src/host, src/client, sim/) makes
 * events and performs effects; the core never acts by itself.
 *
 * Effects of one step are unordered. What must follow a durable write is
 * emitted by the later step that receives WR_EV_STORED.
 *
 * Bodies. A `wr_body` names a buffer that the driver owns and counts:
 *   - a body that comes in with an event is the core's from then on, one
 *     reference, until the core emits WR_FX_RELEASE for it, exactly once;
 *   - SEND and STORE_PUT borrow: the driver takes references of its own.
 * The driver verifies a body against its digest (PUT, DATA), and a record
 * against its signature (ROOT_PUT, ROOT), before the core sees the message; a
 * message that fails arrives with `bad_body` set and without its body.
 *
 * Borrowing: arrays that an event points to are borrowed for the step. Arrays
 * of an effect lie in the outbox's arena until wr_outbox_clear().
 */
#ifndef WR_PROTO_FX_H
#define WR_PROTO_FX_H

#include "base/time.h"
#include "crypto/sum.h"
#include "wire/msg.h"

/* Who gets the answer of a store operation or command: opaque to the driver,
 * returned as it was given. */
typedef uint64_t wr_token;

/* What the store lists of an arc. */
struct wr_kept {
    struct wr_id key; /* A digest, or a root record's position. */
    uint8_t print[WR_PRINT];
    uint64_t version; /* Of a root record. */
    uint32_t len;     /* Of a chunk. */
    bool damaged;     /* Not here, but for its references. */
};

enum wr_ev_kind {
    WR_EV_RECV,      /* A message from an authenticated peer. */
    WR_EV_STORED,    /* A store operation ended. */
    WR_EV_LINK_UP,   /* The control link to `from` stands; its incarnation. */
    WR_EV_LINK_DOWN, /* It is gone, or a dial failed. For leaves, too. */
    WR_EV_ADMIT,     /* A certified host is (or no longer is) admitted. Of
                        ourselves as LEFT: our farewell is signed and written
                        down. We say it until another host has it:
                        WR_NOTE_LEFT, the end. */
    WR_EV_LOOKUP,    /* Command: look `key` up; ends in WR_FX_DONE. */
    WR_EV_LEAVE,     /* Command: push everything out, to leave for good; ends
                        in WR_FX_DONE, progress in WR_FX_NOTE. If OK, the driver
                        says that we have left (ADMIT). */
    WR_EV_MEND,      /* Command: our copy of a chunk is rotten; get another
                        one in its place. Ends in WR_FX_DONE. */
    WR_EV_STOP,      /* Command: tell peers "back soon". */
    WR_EV_CLOCK,     /* What the wall clock says, now and then. */
};

struct wr_event {
    enum wr_ev_kind kind;
    wr_host from; /* RECV, LINK_UP, LINK_DOWN, ADMIT. */
    union {
        struct { /* STORED. First, for it is the largest: see struct wr_msg. */
            wr_token token;
            uint8_t status;               /* enum wr_status */
            uint32_t hash, len;           /* STORE_GET */
            struct wr_body body;          /* STORE_GET; the core's now. */
            const uint8_t *bits;          /* STORE_REF: bit i, digest i. */
            const struct wr_put_id *refs; /* STORE_GET, REFS: who refers. */
            uint32_t refs_n;
            uint64_t version;            /* STORE_ROOT_* */
            struct wr_span record;       /* STORE_ROOT_GET */
            const struct wr_id *digests; /* STORE_NEXT: those after `after`, */
            const uint32_t *lens;        /* ascending; none: the end. */
            uint32_t n;
            const struct wr_sum *sums;  /* STORE_SUM */
            const struct wr_kept *kept; /* STORE_RANGE */
            bool changed;               /* STORE_REAP: the chunk is gone. */
        } stored;
        const struct wr_msg *msg; /* RECV */
        uint32_t incarnation;     /* LINK_UP */
        struct {
            uint8_t state; /* enum wr_roster_state */
            uint32_t incarnation;
            uint32_t silent_s; /* As we start: so long it had not been heard
                                  when we were here last, as far as known. */
        } admit;
        struct {
            wr_token token;
            struct wr_id key;
            bool trace;
        } lookup;
        struct {
            wr_token token;
        } leave;
        uint64_t wall_s; /* CLOCK: Unix seconds; 0: nobody can tell. */
        struct {
            wr_token token;
            struct wr_id digest;
            uint32_t hash;
        } mend;
    };
};

enum wr_fx_kind {
    WR_FX_SEND,      /* To a host or leaf; dials a host if no link stands. A
                        message to a leaf that is gone is dropped. */
    WR_FX_STORE_PUT, /* Keep body under digest, add the reference. */
    WR_FX_STORE_REF, /* HAVE: which are here; add the reference to those. */
    WR_FX_STORE_GET, /* Read (head: only look). */
    WR_FX_STORE_ROOT_PUT,
    WR_FX_STORE_ROOT_GET,
    WR_FX_STORE_NEXT,      /* Walk the chunks in key order, from after `digest`;
                              all zero: from the first. */
    WR_FX_STORE_ROOT_NEXT, /* The root records likewise. */
    WR_FX_STORE_REFS,  /* The put ids that refer to a chunk, `n` left out. */
    WR_FX_STORE_SUM,   /* Of `arc`: of its sixteen parts (n is 16). */
    WR_FX_STORE_RANGE, /* What is in `arc`, n at most; fewer: its end. */
    WR_FX_STORE_DROP,  /* Forget one reference to a chunk. */
    WR_FX_STORE_DROP_SAME, /* Forget a chunk if `put` is its print. */
    WR_FX_STORE_REAP,      /* Forget a chunk that nothing has referred to for
                              `grace_s`; the store knows since when. */
    WR_FX_STORE_ROOT_DROP, /* Forget a root record of that version. */
    WR_FX_RELEASE,         /* The core is done with a body. */
    WR_FX_DONE,            /* A command ended. */
    WR_FX_PERSIST, /* The roster or the members changed: write them down. */
    WR_FX_NOTE,    /* Something worth a line in the log. */
};

/* Whether the store carries it out, and answers with STORED. */
static inline bool wr_fx_of_store(enum wr_fx_kind k)
{
    return k >= WR_FX_STORE_PUT && k <= WR_FX_STORE_ROOT_DROP;
}

/* What a note tells; `host` or `ref` and `value` say of whom and how much. */
#define WR_NOTE_MAP(X)                                                         \
    X(RING_STARTED, "started a ring of our own")                               \
    X(JOINED, "member joined the ring")                                        \
    X(EXHAUSTED, "member lost all its successors")                             \
    X(MERGING, "found another part of the ring")                               \
    X(PEER_SUSPECT, "peer does not answer")                                    \
    X(PEER_DEAD, "peer is held for dead")                                      \
    X(PEER_BACK, "peer is back")                                               \
    X(BAD_COPY, "a copy did not match its hash")                               \
    X(PUSH_PROGRESS, "chunks handed over")                                     \
    X(LEFT, "left for good, and is counted no more")                           \
    X(CAP_HIT, "a table was full")

enum wr_note {
#define X(name, text) WR_NOTE_##name,
    WR_NOTE_MAP(X)
#undef X
};

const char *wr_note_text(enum wr_note note);

struct wr_fx {
    enum wr_fx_kind kind;
    wr_host to; /* SEND */
    union {
        struct { /* First, for it is the largest: see struct wr_msg. */
            wr_token token;
            struct wr_put_id put;
            struct wr_id digest; /* Or the root's position, or the cursor. */
            uint32_t hash;
            bool head;   /* STORE_GET: no body. */
            bool repair; /* STORE_PUT: no put is waiting for it. */
            bool roots;  /* STORE_SUM, RANGE: of them. */
            uint32_t n;  /* STORE_REF: digests; STORE_NEXT: at most so many. */
            uint32_t grace_s; /* STORE_REAP */
            uint64_t now_s;   /* STORE_REAP: the wall clock. */
            union {
                struct {
                    struct wr_body body;
                    const struct wr_id *digests;
                    uint64_t version;
                    struct wr_span record;
                };
                struct wr_id to; /* STORE_SUM, RANGE: the end of the arc that
                                    begins after `digest`. */
            };
        } store;
        struct wr_msg msg; /* SEND */
        struct wr_body release;
        struct {
            wr_token token;
            uint8_t status;
            struct wr_msg answer; /* A lookup's ROUTED. */
        } done;
        struct {
            enum wr_note note;
            wr_host host;
            wr_ref ref;
            uint64_t value;
        } note;
    };
};

static_assert(sizeof(struct wr_event) ==
                      offsetof(struct wr_event, stored) +
                          sizeof(((struct wr_event *)NULL)->stored) &&
                  sizeof(struct wr_fx) ==
                      offsetof(struct wr_fx, store) +
                          sizeof(((struct wr_fx *)NULL)->store),
              "the first members are the largest");

struct wr_outbox {
    struct wr_fx *v;
    uint32_t n, cap;
    uint8_t *arena; /* For arrays that effects point to. */
    uint32_t arena_n, arena_cap;
    uint64_t dropped; /* Effects for which there was no room. */
};

/* Room for `cap` effects and `arena_cap` bytes of arrays. */
WR_MUST_USE enum wr_err wr_outbox_init(struct wr_outbox *o, uint32_t cap,
                                       uint32_t arena_cap);
void wr_outbox_done(struct wr_outbox *o);
void wr_outbox_clear(struct wr_outbox *o);

/* Room left for a further step's worst case? A
 * driver drains between steps, so this holds in practice. */
bool wr_outbox_has_room(const struct wr_outbox *o, uint32_t effects,
                        uint32_t bytes);

/* The effect to fill in, zeroed; NULL (and counted) when full: losing a SEND
 * is like losing it on the way. Drivers size the outbox so that STORE, DONE
 * and RELEASE effects always fit. */
struct wr_fx *wr_outbox_push(struct wr_outbox *o, enum wr_fx_kind kind);

/* Copies `m` with its arrays (view.succs, routed.set ...) into the outbox. */
void wr_outbox_send(struct wr_outbox *o, wr_host to, const struct wr_msg *m);

/* Copies the arrays of `m` into the arena, for effects that carry a message
 * otherwise; false when they do not fit. */
bool wr_outbox_keep_arrays(struct wr_outbox *o, struct wr_msg *m);

/* Bytes from the arena, aligned to 8; NULL when full. */
void *wr_outbox_alloc(struct wr_outbox *o, size_t n);

/* Copies what a STORE_REF, or a STORE_ROOT_PUT, is about into its effect;
 * false when it does not fit. */
WR_MUST_USE bool wr_fx_store_digests(struct wr_outbox *o, struct wr_fx *fx,
                                     const struct wr_id *digests, uint32_t n);
WR_MUST_USE bool wr_fx_store_record(struct wr_outbox *o, struct wr_fx *fx,
                                    uint64_t version, struct wr_span record);

void wr_outbox_release(struct wr_outbox *o, struct wr_body body);
/* The body that `m` came with, if it is of a kind that has one. */
void wr_outbox_release_of(struct wr_outbox *o, const struct wr_msg *m);

#endif
