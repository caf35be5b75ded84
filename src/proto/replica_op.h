/*
 * replica_op.h - what the files of the replica module share: the slots of its
 * tables, and the few verbs on them. For replica*.c alone; reap.c has its ids
 * from here.
 *
 * An op runs as an automaton: every event that concerns it changes its state
 * and ends in wr_op_run(), which starts what is due and may end it. After
 * wr_op_run() the caller must not touch the op again.
 */
#ifndef WR_PROTO_REPLICA_OP_H
#define WR_PROTO_REPLICA_OP_H

#include "proto/replica.h"

enum wr_op_kind {
    WR_OP_PUT,
    WR_OP_ROOT_PUT,
    WR_OP_PUSH, /* A chunk of ours, handed on while leaving. */
    WR_OP_PUSH_ROOT,
    WR_OP_GET,
    WR_OP_ROOT_GET,
};

enum wr_op_phase {
    WR_OP_FREE,
    WR_OP_LOAD,   /* PUSH: our own store is asked for it. */
    WR_OP_FIND,   /* The owner is being looked up. */
    WR_OP_PAUSE,  /* And will be again. */
    WR_OP_OWNER,  /* The owner (targets[0]) does it. */
    WR_OP_SPREAD, /* We ask the hosts of the set ourselves. */
    WR_OP_MEND,   /* Our own store takes what replaces a rotten chunk. */
};

enum wr_target_state {
    WR_TARGET_NEW,
    WR_TARGET_ASKED,
    WR_TARGET_LATE, /* Reading: we turned to others, but would still listen. */
    WR_TARGET_WAIT, /* To be asked again: it is busy, or knows others. */
    WR_TARGET_YES,
    WR_TARGET_NO,
    WR_TARGET_SILENT,
    WR_TARGET_FAILED, /* Answered, but cannot: full, broken, rotten. */
};

struct wr_target {
    uint32_t until_ms; /* Since the op's birth; UINT32_MAX: no patience. */
    wr_host host;
    uint8_t state; /* enum wr_target_state */
    uint8_t tries;
};

struct wr_op {
    uint64_t id;
    uint64_t back; /* The asker's rid. */
    wr_time born;
    struct wr_id key;
    union {
        struct wr_put_id put; /* PUT, PUSH */
        struct {
            uint32_t roster; /* GET: which one all are asked by, */
            uint32_t at;     /* and how far in it we are. */
        };
    };
    struct wr_body body;
    uint64_t version; /* Of a root record. */
    wr_host asker;    /* WR_NO_HOST: ourselves, leaving, judging or mending. */
    wr_host mute;     /* PUT: an owner that let us wait in vain. */
    uint32_t hash;
    uint32_t until_ms; /* End of a pause, or of a reader's patience with its
                          lookup; UINT32_MAX if none. */
    uint8_t kind, phase, level;
    uint8_t copies, durable; /* As asked for; 0 is the default. */
    uint8_t finds;           /* Lookups so far. */
    uint8_t worst;           /* The worst that a target answered. */
    uint8_t targets_n;
    uint8_t ref;         /* PUSH: put id under way. */
    uint8_t tries;       /* PUSH: rounds so far. */
    uint8_t side;        /* Index of its side buffer + 1; 0: none. */
    uint8_t answered;    /* GETs: hosts that said what they have, */
    uint8_t with;        /* ROOT_GET: and that it is something. */
    uint16_t side_n;     /* Bytes of the record, or put ids, in it. */
    bool head : 1;       /* GET: only who has it. */
    bool acked : 1;      /* The asker has its answer; we go on to n. */
    bool stands_in : 1;  /* We spread in the place of an owner that is mute. */
    bool looked_up : 1;  /* GET: a lookup named the set, or failed to: */
    bool blind : 1;      /* its owner could not be found. */
    bool widened : 1;    /* GET: every known host is a target. */
    bool leaf_share : 1; /* Counts in replica.leaf_ops. */
};

/* A COPY request: one operation of our own store. */
struct wr_keep {
    uint64_t id; /* 0: free. */
    uint64_t back;
    wr_time born;
    wr_host asker;
    uint32_t hash;
    struct wr_id digest;
    struct wr_body body;
    uint8_t kind; /* Of the request: enum wr_msg_kind. */
    uint8_t n;    /* HAVE: digests. */
    bool head;
};

enum wr_replica_table {
    WR_TABLE_OP,
    WR_TABLE_KEEP,
    WR_TABLE_HAVE,
    WR_TABLE_WALK
};

/* Slots of WR_TABLE_WALK: who walks our store. */
enum { WR_WALK_PUSH, WR_WALK_REAP, WR_WALK_REPAIR = 64 };

enum { WR_SLOT_BITS = 14 };

uint64_t wr_replica_id(struct wr_core *c, enum wr_replica_table t,
                       uint32_t slot);

static inline enum wr_replica_table wr_replica_table(uint64_t id)
{
    return (enum wr_replica_table)(id >> WR_SLOT_BITS & 3);
}

static inline uint32_t wr_replica_slot(uint64_t id)
{
    return id & ((1u << WR_SLOT_BITS) - 1);
}

/* replica_op.c: ops of every kind. */

/* NULL when the table, or the share of those that are no owner's work, is
 * full: an owner's work always has room, so two hosts that are full of their
 * leaves' requests never wait for each other. Likewise when there is no side
 * buffer left for the record of one that has one. */
struct wr_op *wr_op_new(struct wr_replica *r, struct wr_core *c,
                        enum wr_op_kind kind, wr_host asker, uint64_t back,
                        enum wr_level level);
/* Whether one more op that nobody asked us for leaves room for who does. */
bool wr_op_spare(const struct wr_replica *r);
void wr_op_free(struct wr_replica *r, struct wr_core *c, struct wr_op *op);
struct wr_op *wr_op_find_id(struct wr_replica *r, uint64_t id);
void wr_op_run(struct wr_replica *r, struct wr_core *c, struct wr_op *op);
bool wr_op_side(struct wr_replica *r, struct wr_op *op); /* Takes a buffer. */
uint8_t *wr_op_side_bytes(struct wr_replica *r, const struct wr_op *op);

struct wr_target *wr_op_targets(struct wr_replica *r, const struct wr_op *op);
/* The target that is `h`; NULL if it is none. */
struct wr_target *wr_op_target(struct wr_replica *r, const struct wr_op *op,
                               wr_host h);
/* The same, added if there is room. */
struct wr_target *wr_op_add(struct wr_replica *r, struct wr_op *op, wr_host h);

/* Asks a target, whatever the op's kind and phase need of it. */
void wr_op_ask(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
               struct wr_target *t);
uint32_t wr_op_ms(const struct wr_op *op, const struct wr_core *c,
                  uint32_t ms_from_now);

/* Hosts that let a request of ours wait in vain though the detector holds them
 * for alive: their control link stands, and no other gets through. For a while
 * they are passed over at once, longer each time, until they answer. */
bool wr_replica_is_mute(const struct wr_replica *r, const struct wr_core *c,
                        wr_host h);
void wr_replica_mute(struct wr_replica *r, const struct wr_core *c, wr_host h);
void wr_replica_unmute(struct wr_replica *r, wr_host h);

/* Looks the owner up, after a pause if that was done before. */
void wr_op_find(struct wr_replica *r, struct wr_core *c, struct wr_op *op);
void wr_op_pause(struct wr_core *c, struct wr_op *op, uint32_t ms);

static inline bool wr_op_is_get(const struct wr_op *op)
{
    return op->kind == WR_OP_GET || op->kind == WR_OP_ROOT_GET;
}

static inline bool wr_op_is_push(const struct wr_op *op)
{
    return op->kind == WR_OP_PUSH || op->kind == WR_OP_PUSH_ROOT;
}

/* n and w in force: what was asked for (0: the default, and a majority), but
 * no more than the hosts that are admitted (A19). They never bend
 * to silence. */
uint32_t wr_replica_copies(const struct wr_replica *r, const struct wr_core *c,
                           uint32_t asked);
uint32_t wr_replica_durable(uint32_t copies, uint32_t asked);

/* Makes the replica the one that lookups for data answer to. */
void wr_op_register(struct wr_replica *r);

/* What a busy host asks us to wait, within reason: it is a peer's word. */
static inline uint32_t wr_op_retry_ms(uint32_t said)
{
    if (said < WR_BUSY_RETRY_MS)
        return WR_BUSY_RETRY_MS;
    return said < WR_DATA_GRACE_MS ? said : WR_DATA_GRACE_MS;
}

/* Each kind's part of the automaton. */
void wr_put_recv(struct wr_replica *r, struct wr_core *c, wr_host from,
                 const struct wr_msg *m);
void wr_put_begin(struct wr_replica *r, struct wr_core *c, struct wr_op *op);
void wr_put_run(struct wr_replica *r, struct wr_core *c, struct wr_op *op);
void wr_put_answered(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                     struct wr_target *t, enum wr_status status, uint8_t copies,
                     uint32_t retry_ms);
void wr_put_found(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                  const struct wr_msg *routed);
void wr_put_timeout(struct wr_replica *r, struct wr_core *c, struct wr_op *op);

void wr_get_recv(struct wr_replica *r, struct wr_core *c, wr_host from,
                 const struct wr_msg *m);
void wr_get_run(struct wr_replica *r, struct wr_core *c, struct wr_op *op);
void wr_get_found(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                  const struct wr_msg *routed);
void wr_get_lost(struct wr_op *op); /* The lookup takes too long. */
/* For others' sake some verdict of ours ends, unknown; false if there is none.
 */
bool wr_get_yields(struct wr_replica *r, struct wr_core *c);
void wr_get_timeout(struct wr_replica *r, struct wr_core *c, struct wr_op *op);
/* DATA or ROOT from `t`; takes the body over. */
void wr_get_answered(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                     struct wr_target *t, const struct wr_msg *m);

/* Starts an op that is a GET; its key is set. */
void wr_get_begin(struct wr_replica *r, struct wr_core *c, struct wr_op *op);

/* What a mend read, or failed to read; its body is the op's. */
void wr_mend_got(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                 const struct wr_msg *m);
void wr_mend_stored(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                    enum wr_status status);

void wr_keep_recv(struct wr_replica *r, struct wr_core *c, wr_host from,
                  const struct wr_msg *m);
void wr_keep_stored(struct wr_replica *r, struct wr_core *c,
                    const struct wr_event *ev);

/* What the store said, as the message that answers `ask`. */
void wr_keep_answer(enum wr_msg_kind ask, const struct wr_id *key,
                    uint32_t hash, const struct wr_event *ev,
                    struct wr_msg *ret);

void wr_have_recv(struct wr_replica *r, struct wr_core *c, wr_host from,
                  const struct wr_msg *m);
void wr_have_had(struct wr_replica *r, struct wr_core *c, wr_host from,
                 const struct wr_msg *m);
void wr_have_stored(struct wr_replica *r, struct wr_core *c,
                    const struct wr_event *ev);
/* The end of a lookup of ours. */
void wr_have_found(struct wr_replica *r, struct wr_core *c, wr_token token,
                   const struct wr_msg *routed);
void wr_have_tick(struct wr_replica *r, struct wr_core *c);
void wr_have_link_down(struct wr_replica *r, struct wr_core *c, wr_host h);
wr_time wr_have_deadline(const struct wr_replica *r);
size_t wr_have_size(void); /* Of one slot. */

/* Starts what a leaving host may start. */
void wr_push_advance(struct wr_replica *r, struct wr_core *c);
void wr_push_tick(struct wr_replica *r, struct wr_core *c);
/* A key was handed on, or not. */
void wr_push_ended(struct wr_replica *r, struct wr_core *c, bool ok);
void wr_push_load(struct wr_core *c, struct wr_op *op);
void wr_push_loaded(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                    const struct wr_event *ev);
void wr_push_walked(struct wr_replica *r, struct wr_core *c,
                    const struct wr_event *ev);

/* Answers the request `ask` of `to`: it did not work, and why. Its body is
 * released. */
void wr_replica_refuse(struct wr_core *c, wr_host to, const struct wr_msg *ask,
                       enum wr_status status);

#endif
