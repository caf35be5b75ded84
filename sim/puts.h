/*
 * puts.h - leaves that put files whole: a root record, open; chunks, some of
 * which other files have as well; the record, kept. Later some are given up,
 * and some expire. Against a model of which of them are over:
 *
 *   - no host drops a reference of a put that is not over (at any time);
 *   - what is kept is whole, whatever became of files that share its chunks;
 *   - in a quiet ring what is over is gone from every disk, also of hosts that
 *     were away, within a pass after the grace.
 */
#ifndef WR_SIM_PUTS_H
#define WR_SIM_PUTS_H

#include "world.h"

enum {
    WR_PUTS_MAX = 32,
    WR_PUTS_CHUNKS = 12, /* That files are made of, */
    WR_PUTS_EACH = 4,    /* so many each at most. */
    WR_PUTS_OPEN_S = 90, /* An open record's life, a week, at most. */
};

struct wr_puts_one {
    uint8_t phase; /* enum phase in puts.c */
    struct wr_put_id id;
    struct wr_id position;
    uint8_t nonce[16];
    uint32_t chunks[WR_PUTS_EACH];
    uint8_t chunks_n, chunk;
    bool has;         /* The chunk is asked for with HAVE, not sent. */
    bool cut_off;     /* The leaf goes after the first chunk. */
    uint64_t ends_s;  /* The open record's expiry. */
    uint64_t keep_s;  /* The kept one's; 0: never. */
    uint64_t version; /* The last that was sent. */
    bool kept;        /* That was acknowledged in time. */
    bool unsure;      /* Whether it is kept nobody can say. */
    bool given_up;    /* That was sent, */
    bool gave_up;     /* and acknowledged. */

    wr_host host; /* Under way: the parent; WR_NO_HOST: none is up. */
    uint32_t epoch, tries;
    uint64_t rid;
    wr_time sent_at, again_at;
};

struct wr_puts {
    struct wr_world *w;
    struct wr_rng rng;
    struct wr_puts_one v[WR_PUTS_MAX];
    uint32_t n;
    struct wr_id chunks[WR_PUTS_CHUNKS];
    uint64_t rid;
    uint64_t dropped_n; /* References. */
    const char *why;    /* What was violated first, */
    uint32_t wrong;     /* of which put, */
    wr_host wrong_host; /* where. */

    /* Whose the leaves' answers are that are not ours. */
    void (*leaf)(struct wr_world *w, wr_host from, wr_host leaf,
                 const struct wr_msg *m, const struct wr_id *body);
};

/* After wr_data_begin(); both stay where they are. */
void wr_puts_begin(struct wr_puts *p, struct wr_world *w, uint64_t seed);

/* A new put; one in four for a while only, one in eight is cut off. */
void wr_puts_put(struct wr_puts *p);
/* Gives up one that is kept, or was cut off. */
void wr_puts_give_up(struct wr_puts *p);

void wr_puts_tick(struct wr_puts *p);

uint32_t wr_puts_open(const struct wr_puts *p); /* Under way. */
/* Until then (virtual time) some put may still expire. */
wr_time wr_puts_last_end(const struct wr_puts *p);

/* Whether the data of `h` may be lost without losing a put. */
bool wr_puts_spares(const struct wr_puts *p, wr_host h);

/* In a quiet ring whose hosts have all swept: what must be there is, what must
 * not is not. `repaired`: hosts know all members of the ring, so that repair
 * has told everybody of what they slept through. */
void wr_puts_check(struct wr_puts *p, bool repaired);

/* Of all puts, how they ended. */
struct wr_puts_tally {
    uint64_t kept, over, unsure;
};
struct wr_puts_tally wr_puts_tally(const struct wr_puts *p);

#endif
