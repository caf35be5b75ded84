/*
 * net.h - the simulated network: how long a message takes from host to host,
 * whether it arrives, and how often. Knows nothing of what it carries.
 *
 * Latency of a pair is fixed and symmetric; jitter comes on top. A host's up-
 * and down-link are queues: what is sent while one is busy waits. Leaves
 * (WR_HOST_LEAF) have places too; their links are uplink.c's.
 *
 * Shapes: one record of 40 bytes per host, nothing per pair. All of it is
 * integers, but for the places, which are drawn once.
 */
#ifndef WR_SIM_SIMNET_H
#define WR_SIM_SIMNET_H

#include "base/err.h"
#include "base/rng.h"
#include "base/time.h"
#include "wire/book.h"

enum wr_simnet_model {
    WR_SIMNET_UNIFORM, /* Each message anew, between the two. The default. */
    WR_SIMNET_FIXED,   /* Each pair its own, between the two. */
    WR_SIMNET_KING,    /* Places on a plane, and a height for the last mile. */
    WR_SIMNET_PLACES,  /* The same, read from a file. */
};

struct wr_simnet_cfg {
    enum wr_simnet_model model;
    wr_time min_us, max_us;      /* One way: UNIFORM, FIXED. Equal: constant. */
    uint32_t jitter_permille;    /* Of a latency, added at most: not UNIFORM. */
    uint32_t loss_permille;      /* Messages that are lost, */
    uint32_t twice_permille;     /* that arrive twice, */
    uint32_t reorder_permille;   /* that are held back by another latency. */
    uint32_t one_sided_permille; /* Pairs that cannot reach each other,
                                    though others can reach both. */
    uint64_t up_bps, down_bps;   /* Bits a second; 0: unlimited. */
};

struct wr_simnet_host {
    uint32_t x_us, y_us, height_us; /* Of round trips. */
    uint32_t side;                  /* Hosts of different sides are cut off. */
    wr_time up_free, down_free;     /* When the queues are empty. */
    wr_time clogged;                /* Nothing moves until then. */
};

struct wr_simnet {
    struct wr_simnet_cfg cfg; /* May be changed while it runs, but the model. */
    uint64_t seed;
    uint32_t hosts_n;
    struct wr_simnet_host *hosts;
    bool one_way; /* A cut lets through what lower sides send to higher ones. */
    bool marked;  /* Some host has, or had, a side or a clog: else nobody needs
                     to look. */
};

/* WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_simnet_init(struct wr_simnet *n,
                                       const struct wr_simnet_cfg *cfg,
                                       uint32_t hosts, uint64_t seed);
void wr_simnet_done(struct wr_simnet *n);

/* PLACES: lines of `x y height`, milliseconds of round trip, for hosts in
 * turn, from the first again when they end. WR_EINVAL and *ret_line where one
 * is malformed; WR_ENOTFOUND if there is no such file, or nothing in it. */
WR_MUST_USE enum wr_err wr_simnet_read(struct wr_simnet *n, const char *path,
                                       uint32_t *ret_line);

/* One way, without jitter and queues; for UNIFORM the middle. */
wr_time wr_simnet_base(const struct wr_simnet *n, wr_host a, wr_host b);

/* One way, now: with what `rng` adds. */
wr_time wr_simnet_latency(const struct wr_simnet *n, struct wr_rng *rng,
                          wr_host a, wr_host b);

/* No message takes longer, queues apart. */
wr_time wr_simnet_most(const struct wr_simnet *n);

/* Hosts of different sides are cut off from each other; 0 at first. */
void wr_simnet_side(struct wr_simnet *n, wr_host h, uint32_t side);
/* Nothing moves from or to `h` until then. */
void wr_simnet_clog(struct wr_simnet *n, wr_host h, wr_time until);

/* Whether what `a` sends can get to `b`. */
bool wr_simnet_reach(const struct wr_simnet *n, wr_host a, wr_host b);

/* When `bytes`, which come at `now`, have passed a line that is free at
 * *free_at; one without limit (0) takes no time. */
wr_time wr_simnet_pass(wr_time *free_at, wr_time now, uint64_t bytes,
                       uint64_t bps);

/* Whether the next message is lost. */
bool wr_simnet_loses(const struct wr_simnet *n, struct wr_rng *rng);

/* A message of `bytes` leaves `a` for `b`, which it can reach, and is not lost:
 * when it arrives. Returns how often, 1 or 2. */
unsigned wr_simnet_send(struct wr_simnet *n, struct wr_rng *rng, wr_time now,
                        wr_host a, wr_host b, uint64_t bytes, wr_time ret[2]);

#endif
