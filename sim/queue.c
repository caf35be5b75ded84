/* queue.c - see queue.h.
 *
 * Each slot's events lie in the order of their sequence: a turn is dealt out to
 * the ticks before anything is pushed to them directly, and so is an age to the
 * turns. So a tick is sorted by time alone, and stably. */
#include "queue.h"

#include <stdlib.h>

#include "base/check.h"

enum {
    BLOCK = 15,
    CHUNK = 256, /* Blocks that are taken from the heap at a time. */
    FEW = 48,    /* Sorted by insertion. */
    LOW = 48,    /* Events to have in hand for who looks ahead, if they are */
    NEAR = 8,    /* so many ticks away at most: whatever is pushed before the
                    last of them has to be sorted in. */
    TICK_US = 1 << WR_QUEUE_TICK_BITS,
    MASK = WR_QUEUE_SLOTS - 1,
};

struct wr_queue_block {
    struct wr_queue_block *next;
    uint32_t n;
    struct wr_sim_event v[BLOCK];
};

struct chunk {
    struct chunk *next;
    struct wr_queue_block v[CHUNK];
};

void wr_queue_init(struct wr_queue *q)
{
    *q = (struct wr_queue){0};
}

void wr_queue_done(struct wr_queue *q)
{
    for (struct chunk *c = q->chunks, *next; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    free(q->ready);
    *q = (struct wr_queue){0};
}

/* ---- blocks -------------------------------------------------------------- */

static struct wr_queue_block *block_new(struct wr_queue *q)
{
    struct wr_queue_block *b = q->free;

    if (b == NULL) {
        struct chunk *c = malloc(sizeof(*c));

        if (c == NULL)
            return NULL;
        c->next = q->chunks;
        q->chunks = c;
        for (unsigned i = 0; i < CHUNK; i++) {
            c->v[i].next = q->free;
            q->free = &c->v[i];
        }
        b = q->free;
    }
    q->free = b->next;
    b->next = NULL;
    b->n = 0;
    return b;
}

static void block_free(struct wr_queue *q, struct wr_queue_block *b)
{
    b->next = q->free;
    q->free = b;
}

static bool add(struct wr_queue *q, struct wr_queue_slot *s,
                const struct wr_sim_event *e)
{
    if (s->last == NULL || s->last->n == BLOCK) {
        struct wr_queue_block *b = block_new(q);

        if (b == NULL)
            return false;
        if (s->last == NULL)
            s->first = b;
        else
            s->last->next = b;
        s->last = b;
    }
    s->last->v[s->last->n++] = *e;
    return true;
}

/* ---- slots --------------------------------------------------------------- */

static void mark(uint64_t *used, uint64_t i)
{
    used[i / 64] |= UINT64_C(1) << i % 64;
}

static void unmark(uint64_t *used, uint64_t i)
{
    used[i / 64] &= ~(UINT64_C(1) << i % 64);
}

/* The first that is used, from `i` on; WR_QUEUE_SLOTS if there is none. */
static uint64_t first_used(const uint64_t *used, uint64_t i)
{
    uint64_t bits;

    if (i >= WR_QUEUE_SLOTS)
        return WR_QUEUE_SLOTS;
    bits = used[i / 64] & (UINT64_MAX << i % 64);
    for (i /= 64; bits == 0; bits = used[i])
        if (++i == WR_QUEUE_SLOTS / 64)
            return WR_QUEUE_SLOTS;
    return i * 64 + (uint64_t)__builtin_ctzll(bits);
}

/* Where `e` waits, which is after all that is ready. */
static bool file(struct wr_queue *q, const struct wr_sim_event *e)
{
    const uint64_t tick = e->at >> WR_QUEUE_TICK_BITS;
    const uint64_t turn = tick >> WR_QUEUE_TURN_BITS;
    const uint64_t now = q->tick >> WR_QUEUE_TURN_BITS;

    if (turn == now) {
        mark(q->ticks_used, tick & MASK);
        return add(q, &q->ticks[tick & MASK], e);
    }
    if (turn >> WR_QUEUE_TURN_BITS == now >> WR_QUEUE_TURN_BITS) {
        mark(q->turns_used, turn & MASK);
        return add(q, &q->turns[turn & MASK], e);
    }
    return add(q, &q->ages, e);
}

/* Files what is in `s` again, nearer than before. Each block is free before it
 * is needed, but for as many as there are slots. */
static bool deal(struct wr_queue *q, struct wr_queue_slot *s)
{
    struct wr_queue_block *b = s->first;
    bool ok = true;

    *s = (struct wr_queue_slot){0};
    while (b != NULL) {
        struct wr_queue_block *next = b->next;

        for (uint32_t i = 0; i < b->n; i++)
            ok = file(q, &b->v[i]) && ok;
        block_free(q, b);
        b = next;
    }
    return ok;
}

/* ---- what is ready ------------------------------------------------------- */

/* For `n` more: where others have been, if that is half of it all. */
static bool room(struct wr_queue *q, uint32_t n)
{
    uint32_t cap = q->ready_cap == 0 ? 64 : q->ready_cap;
    void *p;

    if (q->ready_n + n > cap && q->ready_at >= cap / 2) {
        q->ready_n -= q->ready_at;
        memmove(q->ready, &q->ready[q->ready_at],
                q->ready_n * sizeof(q->ready[0]));
        q->ready_at = 0;
    }
    while (cap < q->ready_n + n)
        cap *= 2;
    if (cap == q->ready_cap)
        return true;
    p = realloc(q->ready, cap * sizeof(q->ready[0]));
    if (p == NULL)
        return false;
    q->ready = p;
    q->ready_cap = cap;
    return true;
}

static void sort_few(struct wr_sim_event *v, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        const struct wr_sim_event x = v[i];
        uint32_t j = i;

        for (; j > 0 && v[j - 1].at > x.at; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
}

/* By counting: within a tick there are only so many times. */
static void sort_many(const struct wr_queue_block *first,
                      struct wr_sim_event *sorted)
{
    uint32_t from[TICK_US + 1] = {0};

    for (const struct wr_queue_block *b = first; b != NULL; b = b->next)
        for (uint32_t i = 0; i < b->n; i++)
            from[(b->v[i].at & (TICK_US - 1)) + 1]++;
    for (unsigned t = 0; t < TICK_US; t++)
        from[t + 1] += from[t];
    for (const struct wr_queue_block *b = first; b != NULL; b = b->next)
        for (uint32_t i = 0; i < b->n; i++)
            sorted[from[b->v[i].at & (TICK_US - 1)]++] = b->v[i];
}

/* Appends the events of tick `i` of this turn, which comes after what is ready.
 */
static bool take(struct wr_queue *q, uint64_t i)
{
    struct wr_queue_block *const first = q->ticks[i].first;
    struct wr_sim_event *v;
    uint32_t n = 0;

    for (const struct wr_queue_block *b = first; b != NULL; b = b->next)
        n += b->n;
    if (!room(q, n))
        return false;
    q->ticks[i] = (struct wr_queue_slot){0};
    unmark(q->ticks_used, i);
    v = &q->ready[q->ready_n];
    q->ready_n += n;
    if (n > FEW)
        sort_many(first, v);
    for (struct wr_queue_block *b = first, *next; b != NULL; b = next) {
        next = b->next;
        if (n <= FEW) {
            memcpy(v, b->v, b->n * sizeof(v[0]));
            v += b->n;
        }
        block_free(q, b);
    }
    if (n <= FEW)
        sort_few(&q->ready[q->ready_n - n], n);
    return true;
}

/* To the next tick that has events, up to that of `until`. False if there is
 * none: then we are at the latter, or where it was known that there is none. */
static bool advance(struct wr_queue *q, wr_time until)
{
    const uint64_t last = until >> WR_QUEUE_TICK_BITS;

    while (q->n > 0) {
        const uint64_t turn = q->tick >> WR_QUEUE_TURN_BITS;
        const uint64_t age = turn >> WR_QUEUE_TURN_BITS;
        uint64_t i = first_used(q->ticks_used, (q->tick & MASK) + 1);

        if (i < WR_QUEUE_SLOTS) {
            if ((turn << WR_QUEUE_TURN_BITS | i) > last)
                return false;
            q->tick = turn << WR_QUEUE_TURN_BITS | i;
            WR_CHECK(take(q, i)); /* Out of memory. */
            return true;
        }
        i = first_used(q->turns_used, (turn & MASK) + 1);
        if (i < WR_QUEUE_SLOTS) {
            const uint64_t next = age << WR_QUEUE_TURN_BITS | i;

            if (next > last >> WR_QUEUE_TURN_BITS)
                return false;
            q->tick = next << WR_QUEUE_TURN_BITS;
            unmark(q->turns_used, i);
            WR_CHECK(deal(q, &q->turns[i]));
        } else {
            if (age >= last >> (2 * WR_QUEUE_TURN_BITS))
                return false;
            q->tick = (age + 1) << (2 * WR_QUEUE_TURN_BITS);
            WR_CHECK(deal(q, &q->ages));
        }
        if (first_used(q->ticks_used, 0) == 0) { /* Of the new turn. */
            WR_CHECK(take(q, 0));
            return true;
        }
    }
    return false;
}

/* The next few ticks of this turn, so that there is something to look ahead to.
 */
static void look_on(struct wr_queue *q)
{
    const uint64_t now = q->ready[q->ready_at].at >> WR_QUEUE_TICK_BITS;
    const uint64_t turn = q->tick >> WR_QUEUE_TURN_BITS;

    while (q->ready_n - q->ready_at < LOW) {
        const uint64_t i = first_used(q->ticks_used, (q->tick & MASK) + 1);
        const uint64_t next = turn << WR_QUEUE_TURN_BITS | i;

        if (i == WR_QUEUE_SLOTS || next > now + NEAR)
            return;
        q->tick = next;
        WR_CHECK(take(q, i)); /* Out of memory. */
    }
}

/* ---- pushing and popping ------------------------------------------------- */

/* Into what is ready: last of all at its time. */
static bool insert(struct wr_queue *q, const struct wr_sim_event *e)
{
    uint32_t i;

    if (!room(q, 1))
        return false;
    for (i = q->ready_n++; i > q->ready_at && q->ready[i - 1].at > e->at; i--)
        q->ready[i] = q->ready[i - 1];
    q->ready[i] = *e;
    return true;
}

enum wr_err wr_queue_push(struct wr_queue *q, const struct wr_sim_event *e)
{
    struct wr_sim_event own = *e;
    bool ok;

    own.seq = q->seq++;
    if (own.at >> WR_QUEUE_TICK_BITS <= q->tick)
        ok = insert(q, &own);
    else
        ok = file(q, &own);
    q->n += ok;
    return ok ? WR_OK : WR_ENOMEM;
}

bool wr_queue_pop(struct wr_queue *q, wr_time until, struct wr_sim_event *ret)
{
    if (q->ready_at == q->ready_n) {
        q->ready_at = q->ready_n = 0;
        if (!advance(q, until))
            return false;
    }
    if (q->ready_n - q->ready_at < LOW)
        look_on(q);
    if (q->ready[q->ready_at].at > until)
        return false;
    *ret = q->ready[q->ready_at++];
    q->n--;
    return true;
}
