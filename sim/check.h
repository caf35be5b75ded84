/*
 * check.h - the checkers of a simulated world: Zave's invariant, what follows
 * from it, and the ideal ring (docs/protocol.md, "The ring").
 */
#ifndef WR_SIM_CHECK_H
#define WR_SIM_CHECK_H

#include "circle.h"
#include "world.h"

struct wr_check {
    uint32_t members;     /* Live ones. */
    uint32_t principals;  /* Skipped by nobody's extended list. */
    uint32_t starved;     /* Without a live entry: I1 is broken. */
    uint32_t unordered;   /* Lists that do not run clockwise. */
    uint32_t off_ring;    /* Cannot reach the ring by first live entries. */
    uint32_t rings;       /* Of first live entries; 1 is right. */
    uint32_t wrong_heads; /* First successors that are not the live ones; */
    uint32_t wrong_preds; /* and predecessors. */
    uint32_t not_ideal;   /* Another list or predecessor than the ideal one. */
    wr_ref first_wrong;   /* Of those. */
};

/* Takes time that grows with the members there are and the lengths of their
 * lists; `all` is the circle of `w->book`. */
void wr_check_by(const struct wr_world *w, const struct wr_circle *all,
                 struct wr_check *ret);

/* For small worlds: sorts them first. */
void wr_check(const struct wr_world *w, struct wr_check *ret);

/* I1 and I2, with at least r+1 members there to be principals. */
bool wr_check_invariant(const struct wr_world *w, const struct wr_check *k);

/* Every host that is up has all its members in one ideal ring. */
bool wr_check_ideal(const struct wr_world *w, const struct wr_check *k);

/* The name of a table of some host that holds more than its cap; NULL if none
 * does. */
const char *wr_check_caps(const struct wr_world *w);

/* How much of the circle belongs to each host, in parts of the mean of those
 * that are up; `ret` has room for all hosts. */
void wr_check_shares(const struct wr_world *w, const struct wr_circle *all,
                     double *ret);

/* The live member that owns `key`, seen from above; WR_NO_REF if there is
 * none. */
wr_ref wr_check_owner(const struct wr_world *w, const struct wr_id *key);

#endif
