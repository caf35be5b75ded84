/*
 * replica.h - data requests at a super-peer: n copies of a chunk or root
 * record on distinct hosts, acknowledged when w have it durably; references;
 * reading from any copy; handing everything on before leaving for good.
 *
 * A request has one of three levels (wire/msg.h). LEAF: do it for me; OWNER:
 * the key is yours, see to its copies; COPY: your own disk. LEAF and OWNER
 * requests are `ops` (replica_put.c, replica_get.c), those for many chunks
 * `haves` (replica_have.c), COPY requests `keeps` (replica_keep.c), and the
 * farewell walks the store (replica_push.c). Each is a slot of a bounded table
 * and has a deadline. A full table answers BUSY.
 *
 * Ids: the rid of every message sent and the token of every store operation
 * is 48 random bits, two bits for the table, 14 for the slot, drawn anew
 * whenever the request starts over: an answer that comes late fits nowhere.
 * An answer counts only from the host that was asked.
 *
 * Bodies: as proto/fx.h says. An op or keep owns the body in its slot.
 *
 * Not here: who is where (sight.h, routes.h), bytes on disk (store/), merging
 * two versions of a record (the store's), repair and sweep.
 */
#ifndef WR_PROTO_REPLICA_H
#define WR_PROTO_REPLICA_H

#include "proto/lookup.h"

enum {
    WR_BUSY_RETRY_MS = 100, /* What a full table tells the asker. */
    WR_DATA_TRIES = 3,      /* Sends of one request before silence counts. */
    WR_HAVE_FINDS = 2,      /* Lookups of one digest: its owner may change once
                               more before it is asked. */
    WR_HAVE_FINDS_OPEN = 8, /* Lookups at once for one HAVE: all of them
                               together fill half of the table. */
    WR_PUSH_WINDOW = 4,     /* Chunks under way while leaving. */
    WR_PUSH_TRIES = 3,      /* Rounds that a leaving host gives one chunk. */
    WR_PUSH_BATCH = 16,     /* Keys that one walk of the store brings, */
    WR_PUSH_BATCH_MIN = 1,  /* and to a simulated node. */
    WR_SIDE_BYTES = 512,    /* A root record, or 32 put ids. */
    WR_MUTE_MAX = 8,        /* Hosts remembered as mute: each further one costs
                               a request's patience; */
    WR_MUTE_MIN = 1,        /* and by a simulated node without data. */
};

#define WR_DATA_GRACE_MS 2000  /* A commit and a megabyte on a slow line. */
#define WR_HEDGE_MS 1000       /* Then another holder is asked as well. */
#define WR_HAVE_SEEK_MS 5000   /* Then an upload is the quicker way. */
#define WR_FIND_PAUSE_MS 250   /* Before looking up again what just failed. */
#define WR_AGREE_MS 250        /* For two rosters to become equal. */
#define WR_FIND_READ_MS 10000  /* Of a lookup, till a reader asks everybody. */
#define WR_MUTE_MS 10000       /* A mute host is passed over, first, */
#define WR_MUTE_MOST_MS 80000  /* and at most. */
#define WR_SPREAD_PAUSE_MS 500 /* Before trying the silent hosts again. */

struct wr_op;
struct wr_proof; /* proof.h */
struct wr_target;
struct wr_keep;
struct wr_have;

typedef void wr_proven_fn(struct wr_core *c, uint32_t slot,
                          const struct wr_proof *proof);

typedef void wr_handed_fn(struct wr_core *c, wr_token token,
                          enum wr_status status);

/* Walks the own store: first all chunks, then all root records. */
struct wr_push {
    bool active, roots;
    bool closed;  /* We take nothing in: the walk may be past its place. */
    bool begun;   /* The walk has; what was being written was waited for. */
    bool walking; /* A STORE_*_NEXT is under way. */
    bool at_end;  /* The walk has brought the last key. */
    bool failed;  /* Some key did not find its copies. */
    uint8_t batch_n, batch_i, batch_cap;
    uint32_t open; /* Keys under way. */
    uint64_t id;   /* Of the walk. */
    uint64_t handed;
    wr_token token;
    wr_time stalled_until; /* No room for the next step; else WR_NEVER. */
    struct wr_id cursor;   /* All zero: before the first. */
    struct wr_id *batch;   /* What the last walk brought. */
};

struct wr_mute {
    wr_host host;
    uint32_t ms;   /* How long; 0: a free place. */
    wr_time until; /* Then it is asked again. */
};

struct wr_replica {
    const struct wr_sight *sight;
    struct wr_routes *routes;
    struct wr_lookups *lookups;
    struct wr_op *ops;
    wr_time *due;      /* Of each op: when it wants a tick; WR_NEVER if free. */
    wr_time due_first; /* No later than the first of them. */
    struct wr_target *targets; /* targets_cap for each op. */
    uint32_t ops_cap, targets_cap;
    uint32_t leaf_ops; /* Ops that are not an owner's work. */
    struct wr_keep *keeps;
    uint32_t keeps_cap;
    struct wr_have *haves;
    uint32_t haves_cap;
    wr_time haves_due;               /* No later than the first of them. */
    uint8_t (*sides)[WR_SIDE_BYTES]; /* For ops with more than fits a slot. */
    bool *sides_used;
    uint32_t sides_cap;
    struct wr_mute *mutes;
    uint32_t mutes_cap;
    struct wr_push push;
    wr_proven_fn *proven_fn;
    wr_handed_fn *handed_fn; /* When all is handed on: a DONE, or more. */
};

/* Room for cfg->ops_max ops and cfg->have_ops_max haves (0: such requests, and
 * those with root records, are answered BUSY). Registers itself for lookups'
 * answers. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_replica_init(struct wr_replica *r,
                                        const struct wr_sight *sight,
                                        struct wr_routes *routes,
                                        struct wr_lookups *lookups,
                                        const struct wr_node_cfg *cfg);
void wr_replica_done(struct wr_replica *r);
size_t wr_replica_size(const struct wr_replica *r);

/* HAVE to ROOT (wire/msg.h), from a host or leaf. */
void wr_replica_recv(struct wr_replica *r, struct wr_core *c, wr_host from,
                     const struct wr_msg *m);

/* WR_EV_STORED. */
void wr_replica_stored(struct wr_replica *r, struct wr_core *c,
                       const struct wr_event *ev);

/* The link to `h` broke: what we asked of it is due for another try. */
void wr_replica_link_down(struct wr_replica *r, struct wr_core *c, wr_host h);

/* WR_EV_LEAVE: hands every chunk and record on to n hosts other than us, tells
 * progress, and ends with `handed_fn` (OK, or UNREACHABLE if some key did not
 * find its copies). A second command while one runs is BUSY. */
void wr_replica_leave(struct wr_replica *r, struct wr_core *c, wr_token token);

/* WR_EV_MEND: a chunk of our store is rotten; reads another copy and writes it
 * over ours. Ends in WR_FX_DONE: OK; BUSY; else no copy could be had. */
void wr_replica_mend(struct wr_replica *r, struct wr_core *c,
                     const struct wr_id *digest, uint32_t hash, wr_token token);

/* We do not go after all; or we have gone, and nothing more comes in. */
void wr_replica_stay(struct wr_replica *r);
void wr_replica_close(struct wr_replica *r);

/* Reads a root record from as many hosts as it takes to judge it (D17), and
 * tells `fn`, in this step or a later one. False: no room. */
bool wr_replica_prove(struct wr_replica *r, struct wr_core *c,
                      const struct wr_id *position, uint32_t slot,
                      wr_proven_fn *fn);

void wr_replica_tick(struct wr_replica *r, struct wr_core *c);
wr_time wr_replica_deadline(const struct wr_replica *r);

#endif
