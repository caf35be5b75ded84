/*
 * links.h - whom a simulated host has a connection with: a small hash table
 * per host, so that a world costs what its hosts use, not their square.
 *
 * A host closes the connections that were idle of late when it has more than
 * twice as many as it tracks hosts (ring.peers_max), or somewhat less; they are
 * set up again, at their price, when they are needed.
 *
 * A pointer to an entry is good until the next wr_links_at().
 */
#ifndef WR_SIM_LINKS_H
#define WR_SIM_LINKS_H

#include "wire/book.h"

struct wr_sim_link {
    uint32_t peer;       /* Its host, plus 1; 0: a free slot. */
    uint32_t epoch : 29; /* Of the peer, when the link was set up; 0: none. */
    uint32_t told : 1;   /* This end has been told that it stands. */
    uint32_t dials : 1;  /* A dial is under way, to be refused. */
    uint32_t used : 1;   /* More than once, since idle ones were last closed. */
};

struct wr_links {
    struct wr_sim_link *v; /* Open addressing, linear probing. */
    uint32_t n, cap;       /* A power of two, or 0. */
};

static inline wr_host wr_link_peer(const struct wr_sim_link *l)
{
    return l->peer - 1;
}

/* Where the search for `peer` begins; NULL if there is no table yet. */
static inline struct wr_sim_link *wr_links_slot(const struct wr_links *t,
                                                wr_host peer)
{
    return t->cap == 0
               ? NULL
               : &t->v[(peer * UINT32_C(2654435769)) >> 7 & (t->cap - 1)];
}

/* NULL if there is none. */
struct wr_sim_link *wr_links_find(const struct wr_links *t, wr_host peer);

/* Made if need be; then idle ones may be closed, of which at least `max` stay.
 * NULL when out of memory. */
struct wr_sim_link *wr_links_at(struct wr_links *t, wr_host peer, uint32_t max);

void wr_links_clear(struct wr_links *t);
void wr_links_done(struct wr_links *t);

#endif
