/*
 * disk.h - what a simulated host keeps: chunks by digest with their length and
 * references, root records by position; and the bodies that are in its memory.
 *
 * Bytes of chunks are not kept: a body is a token that says whose digest it
 * matches. When a write becomes durable is the world's business (world.c).
 */
#ifndef WR_SIM_DISK_H
#define WR_SIM_DISK_H

#include "proto/fx.h"

enum {
    WR_DISK_REFS = 8, /* Told with a chunk, as by the daemon's store. */
    WR_DISK_ROOT_MAX = 512,
};

struct wr_disk_item {
    struct wr_id key;
    uint32_t hash, len;
    uint64_t version;    /* Roots. */
    uint64_t idle_since; /* Chunks: without references, as REAP found it. */
    uint32_t refs_n;
    struct wr_sum sum; /* As crypto/sum.h has it. */
    uint8_t rot;       /* Chunks: 1 the bytes are wrong, 2 it was noticed. */
    union {
        struct wr_put_id *refs; /* Chunks */
        uint8_t *record;        /* Roots: `len` bytes. */
        void *owned;
    };
};

struct wr_disk_table {
    struct wr_disk_item *v; /* Ascending by key. */
    uint32_t n, cap;
};

struct wr_disk {
    struct wr_disk_table chunks, roots;
};

void wr_disk_done(struct wr_disk *d); /* And all is gone. */

/* NULL if it is not there. */
const struct wr_disk_item *wr_disk_find(const struct wr_disk_table *t,
                                        const struct wr_id *key);
/* Whether a put refers to a chunk, which may be NULL. */
bool wr_disk_refers(const struct wr_disk_item *item,
                    const struct wr_put_id *put);

/* The chunk's bytes are not what they were; a write mends that. As in
 * store/store.h it shows when they are read, and is "not here" from then on. */
void wr_disk_rot(struct wr_disk *d, const struct wr_id *digest);

/* Forgets a chunk or record, if it is there. */
void wr_disk_drop(struct wr_disk_table *t, const struct wr_id *key);

/* Carries out a STORE_* effect; `len` is the body's. Sets all of `ret->stored`
 * but token and body; its arrays live until the next call. */
void wr_disk_do(struct wr_disk *d, const struct wr_fx *fx, uint32_t len,
                struct wr_event *ret);

/* Bodies: each reference that a core was given, until it releases it. */
struct wr_held {
    struct wr_id digest;
    uint32_t len;
    wr_host host;
    uint32_t next; /* While it is free: the next such slot, plus 1. */
    uint8_t turn;  /* Users of the slot so far: a late release fits none. */
    bool gone;
};

struct wr_bodies {
    struct wr_held *v;
    uint32_t n, cap, free;
};

/* A body for the core of `host`. */
struct wr_body wr_bodies_give(struct wr_bodies *b, wr_host host,
                              const struct wr_id *digest, uint32_t len);
/* NULL if `host` does not hold it: it was released, or never given. */
const struct wr_held *wr_bodies_get(const struct wr_bodies *b, wr_host host,
                                    struct wr_body body);
/* False if `host` did not hold it. */
bool wr_bodies_release(struct wr_bodies *b, wr_host host, struct wr_body body);
void wr_bodies_crash(struct wr_bodies *b, wr_host host); /* All of them. */
uint32_t wr_bodies_held(const struct wr_bodies *b);
void wr_bodies_done(struct wr_bodies *b);

#endif
