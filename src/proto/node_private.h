/*
 * node_private.h - what a node is made of. For node.c, and for tests and the
 * simulator's checkers, which look at the modules' states.
 */
#ifndef WR_PROTO_NODE_PRIVATE_H
#define WR_PROTO_NODE_PRIVATE_H

#include "proto/boot.h"
#include "proto/lookup.h"
#include "proto/merge.h"
#include "proto/node.h"
#include "proto/peers.h"
#include "proto/place.h"
#include "proto/reap.h"
#include "proto/repair.h"
#include "proto/replica.h"
#include "proto/ring.h"
#include "proto/roster.h"

/* Apart, for most simulated nodes do not sweep. */
struct wr_node_sweep {
    struct wr_verdicts verdicts;
    struct wr_reap reap;
};

/* One block of memory: this struct, then the tables of the ring's modules;
 * routes, lookups and replica have theirs beside it. */
struct wr_node {
    struct wr_core core; /* `out` is set for the length of a step only. */
    struct wr_node_cfg cfg;
    struct wr_rng rng;
    struct wr_counters count;
    struct wr_peers peers;
    struct wr_roster roster;
    struct wr_boot boot;
    struct wr_merge merge;
    struct wr_routes routes;
    struct wr_lookups lookups;
    struct wr_replica replica;
    struct wr_node_sweep *sweep; /* NULL: this node does not. */
    uint64_t roster_sum;         /* Of the roster whose members routes know. */
    size_t size;                 /* Of the block. */
};

#endif
