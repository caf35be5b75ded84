/*
 * copies.h - where the copies of a key belong, and where they are, seen from
 * above: by rule L3 over all hosts that are up, told apart from the code that
 * places them.
 */
#ifndef WR_SIM_COPIES_H
#define WR_SIM_COPIES_H

#include "circle.h"
#include "world.h"

struct wr_copies {
    uint32_t want;   /* Hosts that are to keep it, */
    uint32_t stand;  /* and of them those that do. */
    uint32_t strays; /* Others that are up and have it. */
};

/* `all`: of the world's book. Rot that was not noticed counts as a copy. */
void wr_copies_of(const struct wr_world *w, const struct wr_circle *all,
                  bool root, const struct wr_id *key, struct wr_copies *ret);

/* The hosts that are to keep `key`, n at most; returns how many. */
uint32_t wr_copies_set(const struct wr_world *w, const struct wr_circle *all,
                       const struct wr_id *key, wr_host ret[WR_SET_MAX]);

#endif
