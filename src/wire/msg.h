/*
 * msg.h - what hosts and leaves say to each other, as the protocol core sees
 * it. The codec (wire/codec.h) turns a message into a frame and back; the
 * simulator passes it as it is.
 *
 * Arrays are borrowed: by a receiver for the call, by an outbox until it is
 * drained. A body (the raw bytes of a chunk) never appears here: a `wr_body`
 * names a buffer that the driver owns and counts (proto/fx.h has the rule).
 */
#ifndef WR_WIRE_MSG_H
#define WR_WIRE_MSG_H

#include <assert.h>
#include <stddef.h>

#include "base/span.h"
#include "wire/book.h"

/* Name, number on the wire (never reused), whether a leaf may send it, and
 * whether it travels on the bulk link. */
#define WR_MSG_MAP(X)                                                          \
    /* Liveness, of hosts and leaves. */                                       \
    X(PING, 1, true, false)                                                    \
    X(PONG, 2, true, false)                                                    \
    X(PROBE, 3, false, false) /* Please ping a third host for me. */           \
    X(PROBED, 4, false, false)                                                 \
    X(BYE, 5, true, false) /* Going away: back soon, or for good. */           \
    /* Ring upkeep, between members. */                                        \
    X(VIEW_ASK, 8, false, false)                                               \
    X(VIEW, 9, false, false)                                                   \
    X(NOTIFY, 10, false, false)                                                \
    X(HINT, 11, false, false) /* R11: a head that may be nearer to you. */     \
    /* Lookup. */                                                              \
    X(ROUTE, 16, false, false)                                                 \
    X(ROUTE_ACK, 17, false, false)                                             \
    X(ROUTED, 18, false, false)                                                \
    X(NEXT_ASK, 19, false, false) /* ROUTE_NEXT: one step, at once. */         \
    X(NEXT, 20, false, false)                                                  \
    /* Membership: who is admitted. */                                         \
    X(ROSTER_ASK, 24, false, false)                                            \
    X(ROSTER, 25, false, false)                                                \
    /* Data. */                                                                \
    X(HAVE, 32, true, false)                                                   \
    X(HAD, 33, false, false)                                                   \
    X(PUT, 34, true, true)                                                     \
    X(PUT_DONE, 35, false, false)                                              \
    X(GET, 36, true, false)                                                    \
    X(DATA, 37, false, true)                                                   \
    X(ROOT_PUT, 38, true, false)                                               \
    X(ROOT_DONE, 39, false, false)                                             \
    X(ROOT_GET, 40, true, false)                                               \
    X(ROOT, 41, false, false)                                                  \
    X(SYNC, 42, false, false) /* Do we hold the same of an arc? */             \
    X(SYNCED, 43, false, false)                                                \
    /* Handled by the drivers (src/host, src/client), not by the core. */      \
    X(HELLO, 64, true, false)     /* First frame of each side of a link. */    \
    X(CARD, 65, false, false)     /* Introduces a host: its credential. */     \
    X(ATTACHED, 66, false, false) /* Parent to leaf: welcome, alternates. */   \
    X(QUERY, 67, true, false)     /* status, peers, trace. */                  \
    X(REPORT, 68, false, true)    /* Its answer: JSON in the body. */          \
    X(JOIN, 69, true, false)      /* A sealed request, for the issuer. */      \
    X(JOINED, 70, false, false)                                                \
    X(REVOKED, 71, false, false) /* The signed revocation list. */

enum wr_msg_kind {
#define X(name, number, leaf, bulk) WR_MSG_##name = (number),
    WR_MSG_MAP(X)
#undef X
};

enum { WR_MSG_KINDS = 72 }; /* All numbers are below. */

/* "PING"; "?" for a number that is no kind. */
const char *wr_msg_name(unsigned kind);
bool wr_msg_known(unsigned kind);
bool wr_msg_from_leaf(unsigned kind); /* A leaf may send it. */
bool wr_msg_bulk(unsigned kind);      /* It travels on the bulk link. */
/* The kind that answers a request about data, or a QUERY; 0: it is neither. */
uint8_t wr_msg_answer(unsigned kind);

/* How a request ended. Numbers are on the wire. */
#define WR_STATUS_MAP(X)                                                       \
    X(OK, 0)                                                                   \
    X(NO, 1)          /* Not here; not found anywhere that could have it. */   \
    X(BUSY, 2)        /* A cap was hit: again after retry_ms. */               \
    X(UNREACHABLE, 3) /* Hosts that matter are silent. */                      \
    X(NOT_OWNER, 4)   /* The key is not this host's: look it up. */            \
    X(BAD, 5)         /* The bytes did not match their hash or signature. */   \
    X(FULL, 6)        /* Quota or disk. */                                     \
    X(REFUSED, 7)     /* Not allowed to this peer. */                          \
    X(FAILED, 8)      /* This host could not (its disk failed). */             \
    X(TIMEOUT, 9)

enum wr_status {
#define X(name, number) WR_STATUS_##name = (number),
    WR_STATUS_MAP(X)
#undef X
};

const char *wr_status_name(unsigned status);

struct wr_put_id {
    uint8_t b[16];
};

/* Zeros are no put's. */
static inline bool wr_put_id_is_none(const struct wr_put_id *id)
{
    static const struct wr_put_id none;

    return memcmp(id, &none, sizeof(none)) == 0;
}

/* Raw bytes of a frame, by name; id 0 is none. */
struct wr_body {
    uint32_t id;
    uint32_t len;
};

/* Who asks, for data requests: it decides what the receiver does. */
enum wr_level {
    WR_LEVEL_LEAF = 0,  /* Leaf to parent: do it for me. */
    WR_LEVEL_OWNER = 1, /* Parent to owner: coordinate the copies. */
    WR_LEVEL_COPY = 2,  /* Owner to copy, or reader to holder: your disk. */
};

enum wr_view_state {
    WR_VIEW_MEMBER = 0,
    WR_VIEW_PENDING = 1,    /* R7: an operation is in flight; ask again. */
    WR_VIEW_NOT_MEMBER = 2, /* R10: alive, yet dead to the ring. */
};

enum wr_bye {
    WR_BYE_SOON = 0, /* A reboot: my copies count on. */
    WR_BYE_LEFT = 1, /* For good; its CARD brings the signed farewell. */
};

/* What the addressed member is to the sending one (R4, R2). */
enum wr_notify {
    WR_NOTIFY_HEAD = 0,   /* Its first successor, */
    WR_NOTIFY_SECOND = 1, /* or the next one; */
    WR_NOTIFY_PRED = 2,   /* its predecessor to be: let it in (R2). */
};

enum wr_roster_state {
    WR_ROSTER_ADMITTED = 0,
    WR_ROSTER_LEFT = 1,    /* By its own signed word. */
    WR_ROSTER_REMOVED = 2, /* By the issuer's signed word. */
};

struct wr_roster_entry {
    wr_host host;
    uint32_t incarnation;
    uint8_t state; /* enum wr_roster_state */
};

struct wr_contact {
    struct wr_host_id id;
    struct wr_addr addr;
};

/* What the list of a SYNCED is. */
enum wr_synced {
    WR_SYNCED_EQUAL = 0, /* Nothing: the two hold the same. */
    WR_SYNCED_PARTS = 1, /* The prints of the arc's sixteen parts. */
    WR_SYNCED_ITEMS = 2, /* All that is in the arc: id and print, 48 bytes. */
    WR_SYNCED_REFS = 3,  /* Put ids of one chunk. */
};

enum { WR_MEMBER_NONE = 0xff }; /* No member in particular: the host. */

struct wr_msg {
    uint8_t kind;     /* enum wr_msg_kind */
    uint8_t from;     /* Member index of the sender, or WR_MEMBER_NONE. */
    uint8_t to;       /* Member index addressed, or WR_MEMBER_NONE. */
    uint8_t bad_body; /* Set by the driver: body or record did not verify.
                         Never on the wire. */
    uint64_t rid;     /* Chosen by the asker, returned by the answer. */
    union {
        uint8_t all[80]; /* First and as large as any: what an initialiser does
                            not name is zero, though gcc 15 zeroes no more than
                            the first member. */
        struct {         /* PING, PONG: the sender's incarnation. */
            uint32_t incarnation;
        } ping;
        struct { /* PROBE, PROBED */
            wr_host target;
            bool alive;
            uint32_t incarnation;
        } probe;
        struct {         /* BYE */
            uint8_t why; /* enum wr_bye */
        } bye;
        struct {           /* VIEW */
            uint8_t state; /* enum wr_view_state */
            uint8_t succs_n;
            uint32_t incarnation;
            wr_ref pred; /* WR_NO_REF if none. */
            const wr_ref *succs;
        } view;
        struct {            /* NOTIFY */
            uint8_t as;     /* enum wr_notify */
            wr_ref between; /* SECOND: the first; else WR_NO_REF. */
        } notify;
        struct { /* HINT */
            wr_ref member;
        } hint;
        struct { /* ROUTE */
            struct wr_id key;
            uint8_t ttl;
            uint8_t hops; /* Forwardings between hosts so far. */
            bool trace;   /* Collect the path. */
        } route;
        struct {            /* ROUTED */
            uint8_t status; /* enum wr_status */
            uint8_t hops;
            uint8_t set_n, path_n;
            wr_ref owner;
            const wr_ref *set;   /* Replica set, the owner first, one a host. */
            const wr_host *path; /* Hosts passed, the owner's last. */
        } routed;
        struct { /* NEXT_ASK */
            struct wr_id key;
            wr_host without; /* Its members do not count (R10), or none. */
        } next_ask;
        struct { /* NEXT: final if the answering host has a member `nodes[0]`
                    with key in (nodes[0], its successor]; else nearer ones */
            bool final;
            uint8_t n;
            const wr_ref *nodes;
        } next;
        struct {          /* ROSTER_ASK (sum and count only), ROSTER */
            uint64_t sum; /* Of the sender's whole roster: proto/roster.h. */
            uint32_t count;
            uint8_t n;
            const struct wr_roster_entry *entries;
        } roster;
        struct { /* HAVE */
            uint8_t level;
            uint8_t copies, durable; /* n and w asked for. */
            uint8_t n;
            struct wr_put_id put;
            const struct wr_id *digests;
        } have;
        struct { /* HAD: bit i answers digest i. Level OWNER and LEAF: stands
                    with the meaning of an acknowledgement. COPY: durably here,
                    with the reference. NOT_OWNER of an owner: of those that
                    are answered 0, some may be another's. */
            uint8_t status;
            uint8_t n;
            uint8_t copies; /* The fewest that any answered digest has. */
            uint8_t bits[WR_HAVE_MAX / 8];
            uint32_t retry_ms;
        } had;
        struct { /* PUT */
            uint8_t level;
            uint8_t copies, durable; /* n and w asked for. */
            bool repair;             /* Level COPY: nobody waits for it. */
            uint32_t hash;           /* Multihash code of the digest. */
            struct wr_put_id put;
            struct wr_id digest;
            struct wr_body body;
        } put;
        struct { /* PUT_DONE */
            uint8_t status;
            uint8_t copies; /* Durable ones known at the answer. */
            uint32_t retry_ms;
            uint64_t counted; /* FULL: what the leaf would have here with this,
                               * beyond its quota; 0: it is about disks. */
        } put_done;
        struct { /* GET */
            uint8_t level;
            bool head; /* Only whether it is there, and its length. */
            uint32_t hash;
            struct wr_id digest;
        } get;
        struct { /* DATA */
            uint8_t status;
            uint8_t copies;      /* For head at level LEAF: where it is. */
            uint8_t asked, down; /* For NO, UNREACHABLE: hosts asked, silent. */
            uint8_t hosts_n;
            uint32_t hash, len; /* Of the chunk. */
            uint32_t retry_ms;
            struct wr_id digest;
            struct wr_body body;
            const wr_host *hosts; /* The silent ones, or the holders (head). */
            uint64_t known;       /* NO, level COPY: whom we know (roster.h). */
        } data;
        struct { /* ROOT_PUT, ROOT_DONE, ROOT_GET, ROOT */
            uint8_t level;
            uint8_t copies, durable;
            uint8_t status; /* DONE, ROOT */
            uint32_t retry_ms;
            struct wr_id position;
            uint64_t version;
            struct wr_span record; /* PUT, ROOT: signed bytes, opaque here. */
            uint64_t known;        /* As in DATA. */
        } root;
        struct {        /* SYNC: how what the sender holds of an arc sums up
                           (crypto/sum.h); or, of the chunk at its end, the put
                           ids without the first `skip`. */
            bool roots; /* Of root records; else of chunks. */
            bool refs;
            uint32_t skip;
            uint64_t count;
            struct wr_span arc; /* Two ids: from after the first, clockwise. */
            uint8_t print[16];
        } sync;
        struct { /* SYNCED */
            uint8_t status;
            uint8_t what; /* enum wr_synced */
            uint32_t retry_ms;
            uint64_t count; /* What the sender holds of the arc. */
            struct wr_span list;
        } synced;
        struct { /* HELLO */
            uint64_t features;
            uint32_t incarnation;
            uint64_t revoked;      /* Number of the sender's revocation list. */
            bool bulk;             /* Which link of the two this is. */
            struct wr_addr listen; /* Where the sender can be dialled. */
            uint64_t wall_s;       /* The sender's wall clock. */
            struct wr_span agent;  /* "wreath/0.1.0": for people. */
        } hello;
        struct { /* CARD */
            struct wr_span credential;
            struct wr_span farewell; /* Empty unless it left for good. */
            struct wr_addr addr;
            uint32_t incarnation;
        } card;
        struct { /* ATTACHED */
            uint8_t n;
            const struct wr_contact *contacts; /* Other super-peers. */
            uint32_t copies, durable;          /* n and w in force now. */
            struct wr_span parent;             /* Name of the answering host. */
        } attached;
        struct {                      /* QUERY */
            struct wr_span what, arg; /* Words: M9. */
        } query;
        struct { /* REPORT */
            uint8_t status;
            struct wr_body body; /* JSON. */
        } report;
        struct {                   /* JOIN */
            struct wr_span sealed; /* To the ring key: crypto/ticket.h. */
        } join;
        struct { /* JOINED */
            uint8_t status;
            struct wr_span credential;
            struct wr_span text; /* Why not, in words. */
        } joined;
        struct {                 /* REVOKED */
            struct wr_body body; /* The signed list: up to 64 KiB. */
        } revoked;
    };
};

static_assert(sizeof(struct wr_msg) == offsetof(struct wr_msg, all) +
                                           sizeof(((struct wr_msg *)NULL)->all),
              "no member is larger than `all`");

/* From a host to a host or leaf, of no member in particular. */
static inline struct wr_msg wr_msg_of(unsigned kind, uint64_t rid)
{
    return (struct wr_msg){.kind = (uint8_t)kind,
                           .from = WR_MEMBER_NONE,
                           .to = WR_MEMBER_NONE,
                           .rid = rid};
}

#endif
