/*
 * xfer_parts.h - what the sources of xfer share:
 *
 *     xfer.c         the table: requests asked for, cancelled, put back
 *     xfer_send.c    the windows, batches, and what goes up
 *     xfer_answer.c  what an answer does, or its absence: again, or the end
 */
#ifndef WR_PROTO_XFER_PARTS_H
#define WR_PROTO_XFER_PARTS_H

#include "proto/xfer.h"

enum {
    WR_XFER_NIL = 0xffff,       /* No slot. */
    WR_XFER_HAVE_RID = 1 << 16, /* Marks a batch's rid; its slot is below. */
    WR_XFER_WINDOW_MIN = 4,     /* However often a parent says BUSY. */
};

enum wr_xfer_class {
    WR_XFER_CLASS_HAVE,
    WR_XFER_CLASS_PUT,
    WR_XFER_CLASS_GET,
    WR_XFER_CLASS_NOTE,
    WR_XFER_CLASSES,
};

enum wr_xfer_state {
    WR_XFER_FREE,
    WR_XFER_QUEUED,  /* For the window, or for a parent. */
    WR_XFER_SENT,    /* On its way. */
    WR_XFER_WAITING, /* Until `again`, then QUEUED. */
};

struct wr_xfer_req {
    uint8_t state, class, kind;
    uint8_t copies, durable;
    uint8_t bads, faileds, waits;
    uint8_t last_status; /* The last refusal, for when patience is over. */
    uint8_t last_kind;   /* And the message that it came in; 0: silence. */
    uint8_t asked, down, hosts_n;
    bool head, repeated;
    bool let_down; /* Left unanswered: the next parent has all its patience. */
    uint16_t next, prev;  /* In its class's queue, or in `sent`. */
    uint16_t batch_next;  /* CLASS_HAVE, SENT: the next of its batch, */
    uint16_t batch, at;   /* which one, and its place in the message. */
    uint16_t note;        /* CLASS_NOTE: slot of its bytes. */
    uint32_t generation;  /* Told apart from earlier users of the slot. */
    uint32_t hash, bytes; /* bytes: weight in the window. */
    struct wr_body body;
    wr_token token;
    wr_time patience, begun, again, sent_at;
    wr_time refused_since; /* 0: not refused, or not since it last moved. */
    uint64_t version;
    struct wr_put_id put;
    struct wr_id digest; /* Or a root's position. */
    wr_host hosts[WR_XFER_HOSTS];
};

struct wr_xfer_list {
    uint16_t head, tail;
    uint32_t n;
};

struct wr_xfer_batch {
    uint16_t first; /* NIL: unused. */
    uint8_t n;
    uint32_t generation;
};

struct wr_xfer_note {
    uint16_t n, what_n; /* A query is its word, then its argument. */
    uint16_t next_free;
    uint8_t b[WR_XFER_NOTE_MAX];
};

struct wr_xfer {
    struct wr_xfer_cfg cfg;
    struct wr_rng rng;
    bool up, held;
    bool let_down; /* By the parent, since that was last asked. */
    struct wr_xfer_req *v;
    struct wr_xfer_batch *batches;
    struct wr_xfer_note *notes;
    uint16_t free, note_free;
    uint32_t n;
    struct wr_xfer_list queue[WR_XFER_CLASSES];
    struct wr_xfer_list sent;
    uint32_t flying[WR_XFER_CLASSES];  /* Requests SENT, by class. */
    uint32_t bytes[WR_XFER_CLASSES];   /* Their weight. */
    uint32_t allowed[WR_XFER_CLASSES]; /* How many at once: shrinks on BUSY. */
    wr_time shrunk_at;
    uint32_t batches_n;
    wr_time moved_at;
    wr_time deadline; /* Never later than the first thing that is due. */
    struct wr_xfer_stats count;
};

static inline uint16_t wr_xfer_slot(const struct wr_xfer *x,
                                    const struct wr_xfer_req *q)
{
    return (uint16_t)(q - x->v);
}

/* xfer.c */
void wr_xfer_push_tail(struct wr_xfer *x, struct wr_xfer_list *l, uint16_t i);
void wr_xfer_push_head(struct wr_xfer *x, struct wr_xfer_list *l, uint16_t i);
/* Out of whatever list it is in; its weight leaves the window. A batch keeps
 * its other requests. */
void wr_xfer_detach(struct wr_xfer *x, struct wr_xfer_req *q);
/* It is detached. */
void wr_xfer_release(struct wr_xfer *x, struct wr_xfer_req *q,
                     struct wr_outbox *out);

void wr_xfer_due(struct wr_xfer *x, wr_time at);
/* When the request ends for want of progress. */
wr_time wr_xfer_ends_at(const struct wr_xfer *x, const struct wr_xfer_req *q);

#endif
