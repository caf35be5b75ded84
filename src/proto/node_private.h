/*
 * node_private.h - what a node is made of. For node.c, and for tests and the
 * simulator's checkers, which look at the modules' states.
 */
#ifndef WR_PROTO_NODE_PRIVATE_H
#define WR_PROTO_NODE_PRIVATE_H

#include "proto/boot.h"
#include "proto/merge.h"
#include "proto/node.h"
#include "proto/peers.h"
#include "proto/place.h"
#include "proto/ring.h"
#include "proto/roster.h"

/* One block of memory: this struct, then the modules' tables. */
struct wr_node {
    struct wr_core core; /* `out` is set for the length of a step only. */
    struct wr_node_cfg cfg;
    struct wr_rng rng;
    struct wr_counters count;
    struct wr_peers peers;
    struct wr_roster roster;
    struct wr_boot boot;
    struct wr_merge merge;
    size_t size; /* Of the block. */
};

#endif
