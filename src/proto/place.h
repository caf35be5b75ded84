/*
 * place.h - the placement lists of our members: which hosts follow clockwise,
 * far enough to name a replica set. The successor list is for the ring; r
 * entries often name too few distinct hosts. An owner asks the last entry for
 * its list, and so on, until n+1 distinct hosts are named or the circle
 * closes; once a round. Outside of the proof.
 */
#ifndef WR_PROTO_PLACE_H
#define WR_PROTO_PLACE_H

#include "proto/core.h"

struct wr_ring;

/* One per member, core->places[index]. */
struct wr_place {
    wr_time due_at;
    wr_time until; /* Of the ask in flight; WR_NEVER: none. */
    uint64_t rid;
    wr_ref last;     /* How far the walk came; asked next. */
    uint8_t n;       /* Hosts found beyond the successor list. */
    uint8_t found_n; /* Of the walk that goes on. */
    uint8_t steps;
    wr_ref *more; /* The first member of each: copies + 1 at most. */
    wr_ref *found;
};

/* `refs` has room for members * 2 * (copies + 1). */
void wr_places_init(struct wr_core *c, wr_ref *refs);

/* The first `n` distinct hosts clockwise from our member `r`, itself first,
 * each by its first member there; where credentials name sites, one of each
 * site before a second of any. Returns how many (fewer than `n` only where
 * no more are known); ret_refs holds `n`, at most WR_SET_MAX. */
size_t wr_place_set(const struct wr_core *c, const struct wr_ring *r, size_t n,
                    wr_ref *ret_refs);

/* Members of distinct hosts in the order of the ring, as L3 wants them: one of
 * each site before a second of any. At most WR_SET_MAX. */
void wr_place_order(const struct wr_core *c, wr_ref *set, size_t n);

/* A VIEW that answers one of our asks; false if it does not. */
bool wr_places_recv(struct wr_core *c, wr_host from, const struct wr_msg *m);
void wr_places_gone(struct wr_core *c, wr_host host);
void wr_places_tick(struct wr_core *c);
wr_time wr_places_deadline(const struct wr_core *c);

#endif
