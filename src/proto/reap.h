/*
 * reap.h - the sweep of our own store (D17 of docs/protocol.md): walks all
 * chunks, drops the references of puts that are over (verdict.h), forgets
 * chunks that nothing has referred to for a day, then root records of what has
 * been over for a year. In small steps, for ever, one pass after another.
 *
 * It says nothing to other hosts, and asks none but for verdicts: each host
 * sweeps what it keeps, also one that was away. Without a known clock it rests.
 *
 * Not here: whether a put is over (verdict.h); since when a chunk has been
 * without references, and who comes first, a put or we (store/store.h).
 */
#ifndef WR_PROTO_REAP_H
#define WR_PROTO_REAP_H

#include "proto/verdict.h"

enum {
    WR_REAP_BATCH = 16,    /* Chunks at once: their writes share a commit. */
    WR_REAP_REFS = 8,      /* Put ids of one that are looked at together. */
    WR_REAP_PAUSE_MS = 50, /* Between two batches. */
};

/* For an answer of the store. Drivers answer every operation; an item that
 * waits for longer is left to the next pass all the same. */
#define WR_REAP_PATIENCE_US WR_SEC(60)

struct wr_reap_item {
    struct wr_id key; /* A digest, or a root record's position. */
    uint64_t id;      /* Of the operation under way, */
    wr_time asked;    /* and when it began. */
    uint64_t version; /* Of a root record that goes. */
    uint32_t kept;    /* References that stay, so far. */
    uint8_t step;     /* enum step in reap.c */
    uint8_t refs_n, refs_i;
    struct wr_put_id refs[WR_REAP_REFS];
};

struct wr_reap {
    bool walking;         /* A list is asked for. */
    bool roots;           /* Chunks are done; now the root records. */
    bool on;              /* A pass is under way. */
    uint32_t n;           /* Items of the batch. */
    uint64_t id;          /* Of the walk. */
    wr_time asked;        /* When it began. */
    wr_time again;        /* Not to be looked at before. */
    wr_time begun, ended; /* This pass's beginning, the last one's end. */
    struct wr_id cursor;
    struct wr_reap_item items[WR_REAP_BATCH];

    uint64_t passes; /* Completed. */
    /* Of the last whole pass and of this one: chunks seen, those with a
     * reference that nobody could judge. */
    uint64_t seen, unsure, last_seen, last_unsure, last_us;
};

void wr_reap_init(struct wr_core *c);

/* The answer of the store, if it is to us; false if it is not. */
bool wr_reap_stored(struct wr_core *c, const struct wr_event *ev);

void wr_reap_tick(struct wr_core *c);
wr_time wr_reap_deadline(const struct wr_core *c);

/* How far this pass is, of 1000; 1000 between two. */
uint32_t wr_reap_permille(const struct wr_reap *r);

#endif
