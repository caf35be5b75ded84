/*
 * still.h - a ring that stands still, for tests of what works on top of it:
 * hosts whose successors, placement and deaths the test decides, joined by a
 * queue of messages in virtual time, each with a map for a store. One world per
 * test.
 *
 *     still.c        building, carrying, running
 *     still_sight.c  what a host sees of the ring
 *     still_store.c  bodies, and the store
 */
#ifndef TESTS_STILL_H
#define TESTS_STILL_H

#include "proto/lookup.h"
#include "proto/replica_op.h"

enum { STILL_HOSTS = 300, STILL_SUCCS = 16, STILL_LEAF_ANSWERS = 4096 };

struct still_chunk {
    struct wr_id digest;
    uint32_t len, hash;
    struct wr_put_id refs[8];
    uint32_t refs_n;
    bool rotten; /* Its bytes do not match the digest. */
};

struct still_root {
    struct wr_id position;
    uint64_t version;
    uint8_t bytes[64];
    uint32_t n;
};

struct still_body {
    uint32_t refs; /* Of the core that it came to, and of the wire. */
    uint32_t len;
    struct wr_id digest;
    bool rotten;
};

struct still_host {
    struct still *w;
    wr_host self;
    struct wr_node_cfg cfg;
    struct wr_rng rng;
    struct wr_counters count;
    struct wr_outbox out;
    struct wr_core core;
    struct wr_routes routes;
    struct wr_lookups lookups;
    struct wr_replica replica;
    wr_ref succs[STILL_SUCCS];
    bool silent;      /* Gets nothing, says nothing: killed. */
    bool refuses;     /* Every dial, at once; no detector knows it. */
    bool in_ring;     /* The ring counts it in. */
    bool held_dead;   /* By every detector. */
    bool cold;        /* Nobody has met it. */
    bool full;        /* Its disk takes nothing. */
    uint64_t unaware; /* Bit i: its roster lacks host i. */
    bool denies;      /* Owns nothing, as HAVE is told. */
    bool stubborn;    /* Agrees with nobody about whom there is. */
    struct still_chunk chunks[256];
    uint32_t chunks_n;
    struct still_root roots[16];
    uint32_t roots_n;
    uint64_t stored; /* Store operations so far. */
    wr_time due;     /* As of its last step. */
};

enum still_kind { STILL_MSG, STILL_STORED, STILL_REFUSED };

/* Something on its way, with deep copies of its arrays. */
struct still_event {
    wr_time at;
    uint64_t order;
    enum still_kind kind;
    wr_host from, to;
    struct wr_msg msg;
    struct wr_fx fx;
    uint8_t *arrays[2];
};

struct still {
    struct wr_book book;
    uint32_t n; /* Hosts. */
    struct still_host *hosts;
    wr_ref *ring; /* Members in order of their ids. */
    uint32_t ring_n;
    struct still_event *q;
    uint32_t q_n, q_cap;
    wr_time now;
    uint64_t order;
    struct wr_rng rng;
    uint32_t drop_permille; /* Of messages. */
    wr_time jitter_us;      /* Spread of the latency of 1 ms. */
    bool twice;             /* Messages come twice (M4). */
    /* May change a message between hosts, and give it a body of its own; false:
     * it is lost. */
    bool (*passes)(struct still *w, wr_host from, wr_host to, struct wr_msg *m);
    uint32_t compared; /* Rosters, so far. */
    bool roster;
    uint32_t gone; /* Hosts that have left. */
    struct still_body *bodies;
    uint32_t bodies_n;
    uint64_t sends[256]; /* By kind of message. */
    /* What leaf 0x80000000 + x was told, and how commands ended. */
    struct wr_msg answers[STILL_LEAF_ANSWERS];
    wr_host data_hosts[64];
    uint8_t record[512];
    uint32_t answers_n;
    struct wr_fx done[64];
    wr_host done_path[WR_HOPS_MAX + 1];
    uint32_t done_n;
};

/* still.c: building, running, asking. */

/* `n` hosts of `members` members, in one ideal ring. `tune` may change each
 * host's configuration. */
struct still *still_open(uint32_t n, uint8_t members, uint64_t seed,
                         void (*tune)(struct wr_node_cfg *));
void still_close(struct still *w);
/* Every host knows every member. */
void still_full_tables(struct still *w);
/* Performs what its last step wants. */
void still_drain(struct still *w, struct still_host *h);
void still_run(struct still *w, wr_time us);
/* The link from `at` to `to` breaks. */
void still_cut(struct still *w, wr_host at, wr_host to);
/* Runs until fingers are found, then no more of them are looked up. */
void still_fingers(struct still *w, wr_time us);
/* A leaf's request to its parent. */
void still_ask(struct still *w, wr_host parent, struct wr_msg m);
/* Of the leaf with that number; the one above is 1. */
void still_ask_as(struct still *w, wr_host parent, uint32_t leaf,
                  struct wr_msg m);
void still_lookup(struct still *w, wr_host at, const struct wr_id *key,
                  bool trace);
struct wr_id still_key(struct still *w);

/* still_sight.c: the sight of a host. */

extern const struct wr_sight still_sight;
uint64_t still_known(const struct wr_core *c);
wr_ref still_owner(const struct still *w, const struct wr_id *key);
/* The i-th distinct host clockwise of the key that is in the ring. */
wr_host still_nth(const struct still *w, const struct wr_id *key, size_t nth);

/* still_store.c: bodies, counted as fx.h says; and the store, a map. */

struct wr_body still_body(struct still *w, struct wr_id digest, uint32_t len,
                          bool rotten);
void still_release(struct still *w, struct wr_body b);
void still_retain(struct still *w, struct wr_body b);
uint32_t still_bodies_held(const struct still *w);
struct still_chunk *still_find(struct still_host *h,
                               const struct wr_id *digest);
void still_ref(struct still_chunk *c, struct wr_put_id put);
struct still_chunk *still_keep_chunk(struct still_host *h,
                                     const struct wr_id *digest, uint32_t len,
                                     uint32_t hash);
struct still_root *still_find_root(struct still_host *h,
                                   const struct wr_id *position);
/* Does a STORE_* effect and steps the host with what came of it. */
void still_perform(struct still *w, struct still_host *h, struct wr_fx *fx);

#endif
