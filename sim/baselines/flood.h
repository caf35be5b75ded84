/*
 * flood.h - a question that goes to all neighbours of all neighbours, until its
 * TTL is used up, and answers that go back the way it came: what flood.c and
 * index.c share. Who has seen a question does not pass it on again.
 */
#ifndef WR_SIM_FLOOD_H
#define WR_SIM_FLOOD_H

#include "overlay.h"

enum {
    /* The Gnutella Protocol Specification v0.4 (Clip2, 2001). */
    WR_FLOOD_TTL = 7,
    /* Questions that a host remembers: those of the last seconds, of a network
     * in which 100 are asked a second. */
    WR_FLOOD_SETS = 256,
    WR_FLOOD_WAYS = 4,
};

struct wr_flood_seen {
    uint64_t query;
    wr_host from;
};

struct wr_flood {
    struct wr_flood_seen seen[WR_FLOOD_SETS][WR_FLOOD_WAYS];
    uint8_t next[WR_FLOOD_SETS]; /* The oldest of each set. */
};

/* Our own question, to `to`, or to all neighbours: WR_NO_HOST. */
void wr_flood_ask(struct wr_overlay *o, struct wr_flood *f,
                  const struct wr_overlay_ask *a, wr_host to, uint16_t ttl);

/* Its place in `f`; false: we know it. */
bool wr_flood_is_new(struct wr_flood *f, uint64_t query, wr_host from);

/* QUERY, new: an answer if there is a `holder`, and on it goes. */
void wr_flood_query(struct wr_overlay *o, wr_host from,
                    const struct wr_overlay_msg *m, wr_host holder);

/* HIT: ours, or one step back. */
void wr_flood_hit(struct wr_overlay *o, const struct wr_flood *f,
                  const struct wr_overlay_msg *m);

#endif
