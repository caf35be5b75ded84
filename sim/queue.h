/*
 * queue.h - what will happen in a world, in the order of (time, sequence): a
 * wheel of ticks of about a millisecond within a wheel of turns of about four
 * seconds, and a list for what is hours away. Pushing and popping take a time
 * that does not depend on how much is queued.
 *
 * Events are small and lie by value in blocks; what they carry (a message: see
 * parcel.h) is the caller's.
 */
#ifndef WR_SIM_QUEUE_H
#define WR_SIM_QUEUE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/time.h"
#include "wire/book.h"

struct wr_sim_event {
    wr_time at;
    uint64_t seq; /* Given by wr_queue_push(). */
    union {
        void *parcel;
        uint64_t cookie;
    };
    wr_host from, to;
    uint32_t from_epoch, to_epoch;
    uint8_t kind;
};

_Static_assert(sizeof(struct wr_sim_event) <= 56,
               "a queue of millions is mostly these");

enum {
    WR_QUEUE_TICK_BITS = 10, /* Microseconds of a tick. */
    WR_QUEUE_TURN_BITS = 12, /* Ticks of a turn, and turns of an age. */
    WR_QUEUE_SLOTS = 1 << WR_QUEUE_TURN_BITS,
};

struct wr_queue_block;

struct wr_queue_slot {
    struct wr_queue_block *first, *last;
};

struct wr_queue {
    uint64_t seq;
    uint64_t n;
    uint64_t tick;              /* Since the beginning. */
    struct wr_sim_event *ready; /* All up to the end of it, in order ... */
    uint32_t ready_at, ready_n, ready_cap;      /* ... from here to there. */
    struct wr_queue_slot ticks[WR_QUEUE_SLOTS]; /* Of this turn. */
    struct wr_queue_slot turns[WR_QUEUE_SLOTS]; /* Of this age. */
    struct wr_queue_slot ages;                  /* All after this one. */
    uint64_t ticks_used[WR_QUEUE_SLOTS / 64];   /* Which are not empty. */
    uint64_t turns_used[WR_QUEUE_SLOTS / 64];
    struct wr_queue_block *free;
    void *chunks; /* All blocks, to be freed. */
};

void wr_queue_init(struct wr_queue *q);
/* What is still queued is the caller's to pop before. */
void wr_queue_done(struct wr_queue *q);

/* `e->at` is not before the last event popped. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_queue_push(struct wr_queue *q,
                                      const struct wr_sim_event *e);

/* The one that comes `n` after the next, if it is in hand already; else NULL.
 * Good until the next push or pop. */
static inline const struct wr_sim_event *
wr_queue_ahead(const struct wr_queue *q, uint32_t n)
{
    return q->ready_n - q->ready_at > n ? &q->ready[q->ready_at + n] : NULL;
}

/* The next event, if it is due by `until`. */
bool wr_queue_pop(struct wr_queue *q, wr_time until, struct wr_sim_event *ret);

#endif
