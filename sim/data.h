/*
 * data.h - leaves that put and get in a small world, and what they may expect:
 * an acknowledged chunk or record is found, nothing wrong is ever read, "no"
 * means no, HAVE's "yes" is an acknowledgement, every request ends, and bodies
 * are released exactly once.
 *
 * A leaf asks any host that is up, and another when that one dies or is busy.
 */
#ifndef WR_SIM_DATA_H
#define WR_SIM_DATA_H

#include "world.h"

enum { WR_DATA_ITEMS = 64, WR_DATA_ASKS = 64, WR_DATA_HAVE = 16 };

struct wr_data_item {
    struct wr_id key;
    bool root;      /* A root record; else a chunk. */
    bool acked;     /* A put of it was answered OK, or HAVE yes. */
    uint8_t copies; /* As was said then, at most. */
    uint32_t lost;  /* Copies that damage took. */
};

struct wr_data_ask {
    bool used, put;
    bool have;  /* Which stand: of the item, and of chunks before it. */
    bool acked; /* The item was, when this began. */
    bool must;  /* In a quiet ring: only OK will do. */
    uint32_t item;
    wr_host host; /* The parent; WR_NO_HOST: none is up. */
    uint32_t epoch;
    uint32_t tries;
    wr_time sent_at;
    wr_time again_at; /* Busy until then; or WR_NEVER. */
    uint64_t rid;
};

struct wr_data {
    struct wr_world *w;
    struct wr_rng rng;
    struct wr_data_item items[WR_DATA_ITEMS];
    uint32_t items_n;
    struct wr_data_ask asks[WR_DATA_ASKS];
    uint64_t rid;
    uint64_t ok_n, no_n, failed_n; /* Requests, by how they ended. */
    uint64_t had_n, asked_n;       /* Chunks of HAVEs: that stand, of all. */
    const char *why;               /* What was violated first, */
    uint32_t wrong_item;           /* with which item, */
    uint8_t wrong_status;          /* and what the answer was. */
};

/* `w`'s leaves belong to `d` from now on; both stay where they are. */
void wr_data_begin(struct wr_data *d, struct wr_world *w, uint64_t seed);

/* A put of something new, or a get of something old. Nothing if a table is
 * full. */
void wr_data_put(struct wr_data *d, bool must);
void wr_data_get(struct wr_data *d, uint32_t item, bool must);
/* HAVE for chunk `item` and up to WR_DATA_HAVE - 1 that were put before it;
 * `must`: the item stands. */
void wr_data_have(struct wr_data *d, uint32_t item, bool must);

/* Retries and deadlines: call it often. */
void wr_data_tick(struct wr_data *d);

uint32_t wr_data_open(const struct wr_data *d); /* Requests under way. */

/* Hosts whose disk has it, whole: those that are up, or all that have not
 * left. */
uint32_t wr_data_holders(const struct wr_data *d, uint32_t item, bool up);

/* A host is leaving: it hands on to those that are there, and as repair
 * takes its time, no more than w of them keep what it had. */
void wr_data_leaving(struct wr_data *d);

/* It has fewer copies than an acknowledgement promised, w at most: no damage
 * explains that. */
bool wr_data_thin(const struct wr_data *d, uint32_t item);

/*
 * Damage. Repair takes its time, so a good copy is spared: nothing
 * happens, and false is returned, if it would hit the last.
 */
bool wr_data_rot(struct wr_data *d, wr_host h, uint32_t item);
bool wr_data_wipe(struct wr_data *d, wr_host h); /* The host is down. */

#endif
