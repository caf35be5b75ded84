/*
 * guard.h - how often one address may knock before it has shown that it knows
 * the ring secret. Token buckets for each address and for each network around
 * it (/24 or /48), in a table of fixed size; the one longest unused makes room.
 *
 * A knock takes a token; whoever then sends a valid first message gets it
 * back, so that a school's 300 leaves behind one address pass, and loses it
 * again if the handshake comes to nothing (a replayed message).
 *
 * And the ephemeral keys of the last valid first messages: one that comes again
 * was recorded by somebody who does not know the secret, and is worth no
 * X25519. Of the last 2,048 or so each is found; older ones make room.
 *
 * Pure: `now` comes in. Called by listener.c and shake.c.
 */
#ifndef WR_NET_GUARD_H
#define WR_NET_GUARD_H

#include <stdbool.h>

#include "base/time.h"
#include "wire/book.h"

enum { WR_GUARD_SETS = 512, WR_GUARD_WAYS = 4, WR_GUARD_SEEN = 8 };

struct wr_guard_bucket {
    uint8_t key[16];
    uint8_t bits; /* Of the prefix; 0: free. */
    int32_t tokens_milli;
    wr_time at;
};

struct wr_guard {
    uint64_t seed; /* Random: nobody can aim at a set of the table. */
    struct wr_guard_bucket v[WR_GUARD_SETS][WR_GUARD_WAYS];
    uint64_t seen[WR_GUARD_SETS][WR_GUARD_SEEN]; /* The newest first. */
};

void wr_guard_init(struct wr_guard *g, uint64_t seed);

/* May it come in? */
bool wr_guard_knock(struct wr_guard *g, const struct wr_addr *a, wr_time now);

void wr_guard_refund(struct wr_guard *g, const struct wr_addr *a, wr_time now);
void wr_guard_charge(struct wr_guard *g, const struct wr_addr *a, wr_time now);

/* False if a valid first message with this key came before; else it is kept in
 * mind. Only for messages that are valid, or strangers could fill the table. */
bool wr_guard_is_new(struct wr_guard *g, const uint8_t ephemeral[static 32]);

#endif
