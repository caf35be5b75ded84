/*
 * sight.h - what routes, lookup and replica see of the ring around them: a
 * table of questions. sight.c answers them from ring, place, roster and peers;
 * a test answers them from a ring that stands still.
 *
 * Answers are of this instant and hints for everybody but ourselves: whether
 * we own a key is the ring's word (R6), all else is checked by whoever is
 * asked.
 */
#ifndef WR_PROTO_SIGHT_H
#define WR_PROTO_SIGHT_H

#include "proto/core.h"

/* Of a host, for whoever would send it a lookup. */
enum wr_warmth {
    WR_HOST_DOUBTED, /* Dead, away or under suspicion: perhaps a time-out. */
    WR_HOST_COLD,    /* Known by name: a link has to be set up first. */
    WR_HOST_WARM,    /* Met, and no link to it has broken since. */
};

struct wr_sight {
    /* Whether one of our members answers for `key`; which one, in *ret. */
    bool (*owns)(const struct wr_core *c, const struct wr_id *key, wr_ref *ret);
    /* The placement list of a key that we own: members of at most `max`
     * distinct hosts clockwise, ours first. */
    size_t (*place)(const struct wr_core *c, const struct wr_id *key,
                    wr_ref *ret, size_t max);
    /* The successors of our member `index`, nearest first; the list is
     * borrowed until the next step. */
    size_t (*succs)(const struct wr_core *c, unsigned index,
                    const wr_ref **ret);
    /* The predecessor of our member `index`, or WR_NO_REF. */
    wr_ref (*pred)(const struct wr_core *c, unsigned index);
    /* Admitted hosts, we among them; 0 without a roster. */
    size_t (*admitted)(const struct wr_core *c);
    /* Whether we are in the ring: who is not does not speak for it. */
    bool (*joined)(const struct wr_core *c);
    /* Whom we know, as one number; how many of them have left; and: `h` knows
     * others than we do (roster.h). */
    uint64_t (*known)(const struct wr_core *c);
    uint32_t (*gone)(const struct wr_core *c);
    void (*compare)(struct wr_core *c, wr_host h);
    /* `h` has left for good, or was removed. */
    bool (*left)(const struct wr_core *c, wr_host h);
    /* Them in turn: start with *at = 0; WR_NO_HOST at the end. */
    wr_host (*admitted_next)(const struct wr_core *c, uint32_t *at);
    /* Held dead by the detector. */
    bool (*dead)(const struct wr_core *c, wr_host h);
    /* The chance that `h` is up, of 1000, by time since heard against time
     * known up; 1000 for a host that has not had its chance to speak, 0 for
     * one that is held dead, away or under suspicion. */
    uint32_t (*up_permille)(const struct wr_core *c, wr_host h);
    /* What a hop to it would cost. */
    enum wr_warmth (*warmth)(const struct wr_core *c, wr_host h);
    /* The smoothed round trip; 0 if it is unknown. */
    wr_time (*rtt)(const struct wr_core *c, wr_host h);
    /* How long to wait for one answer. */
    wr_time (*patience)(const struct wr_core *c, wr_host h);
    /* Tells the detector that `h` let a request wait in vain ... */
    void (*silent)(struct wr_core *c, wr_host h);
    /* ... or that we would like to know whether it lives. */
    void (*refresh)(struct wr_core *c, wr_host h);
};

/* A node's own. */
extern const struct wr_sight wr_sight_node;

#endif
