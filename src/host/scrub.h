/*
 * scrub.h - re-reads all that the store keeps, chunk by chunk, within a budget,
 * and sees to it that what is rotten is replaced by another copy. Where it is
 * and what it found outlive the process.
 *
 * A pass begins a week after the last one ended, and takes three weeks at most,
 * so each chunk is judged every four weeks; the setting `scrub` may only make
 * it faster. It waits for nobody's request and holds no buffer: the store's
 * threads judge, the core fetches (WR_EV_MEND).
 *
 * Part of struct wr_super; the loop's thread alone.
 */
#ifndef WR_HOST_SCRUB_H
#define WR_HOST_SCRUB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/fx.h"
#include "store/store.h"

enum {
    WR_SCRUB_ROTTEN = 64, /* Chunks that wait for a good copy. */
    WR_SCRUB_MENDS = 4, /* Of them under way: they share the loop with gets. */
};

struct wr_super;

/* A chunk that is rotten until it says otherwise. */
struct wr_rotten {
    bool used, busy;
    uint8_t digest[WR_DIGEST];
    uint32_t hash;
    uint32_t tries;
    uint64_t pass; /* In which it was counted. */
    wr_time at;    /* Of the next try. */
};

/* What a pass did. */
struct wr_scrub_tally {
    uint64_t chunks, bytes;
    uint64_t found, healed; /* Rotten chunks. */
};

struct wr_scrub {
    uv_timer_t timer;
    uint64_t rate;  /* The setting, bytes a second; 0: no pass by itself. */
    uint64_t hurry; /* Of a pass that was asked for; UINT64_MAX: no limit. */
    bool known;     /* What was saved has been read. */
    bool running;   /* A pass is. */
    bool at_end;    /* Its walk is over. */
    bool asked;     /* Somebody waits for it: `hurry` counts. */
    bool reading;
    wr_time next_at;  /* Of the next read. */
    wr_time saved_at; /* Monotonic. */
    bool has_cursor;
    uint8_t cursor[WR_DIGEST];
    uint64_t pass; /* Number of this pass, or of the last. */
    struct wr_scrub_tally now, last;
    uint64_t last_s; /* When the last ended, Unix time; 0: none did. */
    uint64_t found_total, healed_total;
    struct wr_rotten rotten[WR_SCRUB_ROTTEN];
};

/* After the store is open. */
void wr_scrub_open(struct wr_super *s);

/* Saves where it is. Closing the timer is the caller's. */
void wr_scrub_stop(struct wr_super *s);

/* Starts a pass from the first chunk on, at `rate` bytes a second; 0: as fast
 * as the disk goes. */
void wr_scrub_begin(struct wr_super *s, uint64_t rate);

/* A read found a chunk rotten. */
void wr_scrub_rotten(struct wr_super *s, const struct wr_chunk_info *chunk);

/* A mend of ours ended. */
void wr_scrub_mended(struct wr_super *s, uint32_t slot, enum wr_status status);

/* For `status`; docs/operations.md lists the fields. */
json_t *wr_scrub_view(const struct wr_super *s);

#endif
