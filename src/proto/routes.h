/*
 * routes.h - the host's routing table: every member that it knows, in the
 * order of the ring, and which of them are fingers of its own members.
 *
 * One table for all members of the host: fingers, members learned from
 * traffic and our own. It answers three questions: whom to send a lookup to
 * next, who is believed to own a key, and which hosts follow a key. All are
 * hints (R9): they make lookups fast, never right.
 *
 * Not here: liveness and round trips (peers.h), successors (ring.h), both
 * asked through sight.h; the exchange of messages (lookup.h), which also looks
 * up the fingers that fall due here.
 */
#ifndef WR_PROTO_ROUTES_H
#define WR_PROTO_ROUTES_H

#include "proto/sight.h"

enum {
    WR_UP_MIN = 900,      /* Of 1000: an entry below it is asked for a sign. */
    WR_ROUTE_CHOICE = 32, /* Candidates weighed for one hop. */
    WR_ROUTE_COLD = 2,    /* L10: what a link costs, in halvings of the way. */
    WR_ROUTE_SAMPLE = 16, /* Entries weighed when one must make room. */
};

/* Transparent on purpose: tests and the simulator read it. */
struct wr_routes {
    const struct wr_sight *sight;
    wr_ref *refs;     /* By id, ascending; our own members among them; */
    uint32_t *starts; /* their ids' first four bytes, to search by. */
    uint8_t *fingers; /* The round that last used it as one, and whether a
                         lookup found it there (routes.c); 0: none did. */
    uint32_t n, cap;
    bool fingers_only; /* Learn nothing: the figure of the Chord paper. */
    uint8_t round;     /* Of finger refreshes, from 1 on. */
    uint8_t member;    /* The finger that is next: own member + 2^bit. */
    uint8_t bit;
    wr_time finger_at;
};

struct wr_hop {
    wr_ref ref;
    bool straight; /* It is believed to own the key. */
};

/* What a search leaves out, and whence the request came. */
struct wr_route_ask {
    const wr_host *without; /* Asked in vain. */
    size_t without_n;
    wr_ref missed; /* Our member, believed to own the key by the sender, that
                      does not: only a member between the two will do, so that
                      a wrong belief never sends a lookup to and fro. Else
                      WR_NO_REF. */
    bool doubt;    /* A belief of ours has just proved wrong: go the safe way,
                      over those that precede the key. */
};

/* Room for cfg->routes_max members beside our own. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_routes_init(struct wr_routes *r,
                                       const struct wr_sight *sight,
                                       const struct wr_node_cfg *cfg,
                                       const struct wr_book *book);
void wr_routes_done(struct wr_routes *r);
size_t wr_routes_size(const struct wr_routes *r); /* Bytes of its tables. */

/* A member was named by somebody who should know. A full table lets go of
 * what is least likely to be up, never of a finger. */
void wr_routes_learn(struct wr_routes *r, struct wr_core *c, wr_ref ref);
void wr_routes_learn_host(struct wr_routes *r, struct wr_core *c, wr_host h);

/* `h` left for good, or was removed. */
void wr_routes_forget_host(struct wr_routes *r, struct wr_core *c, wr_host h);

/* The best peer to send a lookup of `key` to, which we do not own: the one
 * that is believed to own it, else the closest that precedes it. False if
 * nobody is left. */
bool wr_routes_next(const struct wr_routes *r, const struct wr_core *c,
                    const struct wr_id *key, const struct wr_route_ask *ask,
                    struct wr_hop *ret);

/* The member that is believed to own `key`, ours included. False if the table
 * is too thin to tell. */
bool wr_routes_owner(const struct wr_routes *r, const struct wr_core *c,
                     const struct wr_id *key, wr_ref *ret);

/* At most `max` distinct hosts with a member at or after `key`, clockwise, as
 * far as known; the dead as well, for they may hold what is asked for. */
size_t wr_routes_clockwise(const struct wr_routes *r, const struct wr_core *c,
                           const struct wr_id *key, wr_host *ret, size_t max);

/* How many known members are of hosts that `counts`. */
uint32_t wr_routes_of(const struct wr_routes *r, const struct wr_core *c,
                      bool (*counts)(const struct wr_core *c, wr_host h));

/* The arc between two known members of hosts that `counts`, which `key` is in:
 * after `from`, up to `to`. False: none does. */
bool wr_routes_arc(const struct wr_routes *r, const struct wr_core *c,
                   const struct wr_id *key,
                   bool (*counts)(const struct wr_core *c, wr_host h),
                   struct wr_id *ret_from, struct wr_id *ret_to);

/* At most `max` members of other hosts that precede `key`, the nearest first,
 * back to the first of ours. */
size_t wr_routes_before(const struct wr_routes *r, const struct wr_core *c,
                        const struct wr_id *key, wr_ref *ret, size_t max);

/* Whether we know at least half of the ring, by the density of our successor
 * lists: then the first known member at a key likely owns it. */
bool wr_routes_dense(const struct wr_routes *r, const struct wr_core *c);

/* If a finger is due, the position to look up (cfg->finger_us apart). */
bool wr_routes_finger_due(struct wr_routes *r, struct wr_core *c,
                          struct wr_id *ret);
/* Its owner was found. */
void wr_routes_finger(struct wr_routes *r, struct wr_core *c, wr_ref ref);

/* `fingers` are known beforehand; the first refresh is due at `at`. */
void wr_routes_begin(struct wr_routes *r, struct wr_core *c,
                     const wr_ref *fingers, size_t n, wr_time at);

wr_time wr_routes_deadline(const struct wr_routes *r);

#endif
