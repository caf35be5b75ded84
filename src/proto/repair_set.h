/*
 * repair_set.h - what repair knows of the ring: arcs, and who is to keep what
 * is in them. Hints, as all routes are: a wrong belief costs a question, or a
 * copy too many, never one too few (repair.h). For repair*.c alone.
 */
#ifndef WR_PROTO_REPAIR_SET_H
#define WR_PROTO_REPAIR_SET_H

#include "proto/repair.h"

/* Who is not in the ring, or alone, has nothing to repair. */
bool repair_may(const struct wr_core *c);

/* The range that our member owns; false while it is none, or its predecessor
 * is held for dead. */
bool repair_owned(const struct wr_core *c, unsigned member,
                  struct wr_id *ret_from, struct wr_id *ret_to);

/* How long `h` has been gone, also before we started; 0: it is there. */
wr_time repair_gone_us(const struct wr_core *c, wr_host h);

/* Until when a host that has been gone for so long is waited for: for gone_us,
 * and once that is over for gone_long_us, if the set can spare it. */
wr_time repair_patience_us(const struct wr_core *c, wr_time gone_us);

/* Whether every member of every admitted host is in our table: then it tells
 * who is to keep any key. In a ring with more members than fit, only what the
 * ring says of our own ranges is known. */
bool repair_knows_all(const struct wr_core *c);

/* The arc that `key` is in, after `from`, up to `to`, all of which belongs to
 * one set: between two members of hosts that are live, or have not been gone
 * for longer than the patience. False if we know too little of the ring. */
bool repair_arc(const struct wr_core *c, const struct wr_id *key,
                struct wr_id *ret_from, struct wr_id *ret_to);

/* The hosts that are to keep what ends at `to`, ourselves among them or not: n
 * at most. With `gone` those count that have been gone for less than gone_us,
 * and n - w of those that have been for less than gone_long_us; without, only
 * live ones. */
size_t repair_set(const struct wr_core *c, const struct wr_id *to, bool gone,
                  wr_host ret[WR_COPIES_MAX]);

/* A sum that tells in which order things came. */
uint64_t repair_mix(uint64_t sum, uint64_t v);

/* A number that changes when the ring, as far as it concerns us, does. */
uint64_t repair_ring(const struct wr_core *c);

#endif
