/* judge.c - see judge.h. */
#include "judge.h"

#include <stdlib.h>

#include "world_private.h"

static struct wr_term *term(const struct wr_judge *j, uint64_t number)
{
    return number < j->first ? NULL : &j->past[number & (j->cap - 1)];
}

static wr_ref *pred_of(const struct wr_judge *j, wr_ref ref)
{
    return &j->preds[wr_circle_place(&j->all, ref)];
}

static uint32_t back(const struct wr_judge *j, uint32_t rank)
{
    return rank == 0 ? j->all.n - 1 : rank - 1;
}

static uint32_t on(const struct wr_judge *j, uint32_t rank)
{
    return rank + 1 == j->all.n ? 0 : rank + 1;
}

static void forget(struct wr_judge *j)
{
    while (j->first < j->next &&
           term(j, j->first)->until + j->keep_us < j->w->now)
        j->first++;
}

static void grow(struct wr_judge *j)
{
    const size_t cap = 2 * j->cap;
    struct wr_term *v = world_must(calloc(cap, sizeof(v[0])));

    for (uint64_t i = j->first; i < j->next; i++)
        v[i & (cap - 1)] = *term(j, i);
    free(j->past);
    j->past = v;
    j->cap = cap;
}

static void ended(struct wr_judge *j, struct wr_seat *s)
{
    forget(j);
    if (j->next - j->first == j->cap)
        grow(j);
    s->now.until = j->w->now;
    s->now.older = s->past;
    s->past = j->next++;
    *term(j, s->past) = s->now;
    s->in = false;
}

/* A member that serves has `rank` for its predecessor: who had the keys of
 * that one, and of those that joined right before it, has handed them over. */
static void taken_over(struct wr_judge *j, uint32_t rank)
{
    for (uint32_t i = 0; i < j->all.n; i++, rank = back(j, rank)) {
        struct wr_seat *s = &j->seats[rank];

        if (!s->in)
            continue;
        if (s->now.known != WR_NEVER)
            return;
        s->now.known = j->w->now;
    }
}

/* The first live member after it may have known it all the while: it crashed,
 * came back, and nobody noticed. */
static void expected(struct wr_judge *j, uint32_t rank)
{
    uint32_t at = on(j, rank);

    while (at != rank && !j->seats[at].in)
        at = on(j, at);
    if (j->seats[at].now.known != WR_NEVER &&
        *pred_of(j, j->all.refs[at]) == j->all.refs[rank])
        taken_over(j, rank);
}

static void see(struct wr_judge *j, wr_ref ref)
{
    const struct wr_ring *r = wr_world_member(j->w, ref);
    wr_ref *pred = pred_of(j, ref);
    struct wr_seat *s;
    uint32_t rank;

    if (*pred == (r == NULL ? WR_NO_REF : r->pred))
        return;
    *pred = r == NULL ? WR_NO_REF : r->pred;
    rank = wr_circle_rank(&j->all, ref);
    s = &j->seats[rank];
    if (r == NULL) {
        ended(j, s);
    } else if (!s->in) {
        s->in = true;
        s->now = (struct wr_term){
            .joined = j->w->now, .known = WR_NEVER, .until = WR_NEVER};
        expected(j, rank);
    } else if (s->now.known != WR_NEVER) {
        taken_over(j, wr_circle_rank(&j->all, r->pred));
    }
}

void wr_judge_see(struct wr_judge *j, wr_host h)
{
    for (uint8_t i = 0; i < j->w->cfg.members; i++)
        see(j, wr_ref_of(h, i));
}

enum wr_err wr_judge_init(struct wr_judge *j, const struct wr_world *w,
                          wr_time keep_us)
{
    enum wr_err err;

    *j = (struct wr_judge){
        .w = w, .keep_us = keep_us, .first = 1, .next = 1, .cap = 1024};
    err = wr_circle_init(&j->all, &w->book);
    if (err != WR_OK)
        return err;
    j->seats = calloc(j->all.n + (size_t)1, sizeof(j->seats[0]));
    j->preds = calloc(j->all.n + (size_t)1, sizeof(j->preds[0]));
    j->past = calloc(j->cap, sizeof(j->past[0]));
    if (j->seats == NULL || j->preds == NULL || j->past == NULL) {
        wr_judge_done(j);
        return WR_ENOMEM;
    }
    for (uint32_t rank = 0; rank < j->all.n; rank++) {
        const struct wr_ring *r = wr_world_member(w, j->all.refs[rank]);

        *pred_of(j, j->all.refs[rank]) = r == NULL ? WR_NO_REF : r->pred;
        if (r != NULL)
            j->seats[rank] = (struct wr_seat){
                .in = true,
                .now = {w->now, w->now, WR_NEVER, 0},
            };
    }
    return WR_OK;
}

void wr_judge_done(struct wr_judge *j)
{
    wr_circle_done(&j->all);
    free(j->seats);
    free(j->preds);
    free(j->past);
    j->seats = NULL;
    j->preds = NULL;
    j->past = NULL;
}

/* ---- judging ------------------------------------------------------------- */

/* When the term that covers `t` ends; 0: it does not cover it. */
static wr_time covers(const struct wr_term *of, wr_time t, bool strict)
{
    const wr_time from = strict ? of->joined : of->known;

    return from <= t && t < of->until ? of->until : 0;
}

/* The end of this seat's term at `t`, 0 if it has none then. */
static wr_time held(const struct wr_judge *j, const struct wr_seat *s,
                    wr_time t, bool strict)
{
    wr_time until = s->in ? covers(&s->now, t, strict) : 0;

    for (const struct wr_term *past = s->past == 0 ? NULL : term(j, s->past);
         until == 0 && past != NULL;
         past = past->older == 0 ? NULL : term(j, past->older))
        until = covers(past, t, strict);
    return until;
}

/* Until when, at least, somebody comes before `rank` for a key at `from`; 0 if
 * nobody does at `t`. */
static wr_time before(const struct wr_judge *j, uint32_t from, uint32_t rank,
                      wr_time t, bool strict)
{
    wr_time until = 0;

    for (uint32_t i = from; i != rank && until != WR_NEVER; i = on(j, i))
        until = wr_time_max(until, held(j, &j->seats[i], t, strict));
    return until;
}

/* Whether the member served the key at some time in its term that is in the
 * window. */
static bool served(const struct wr_judge *j, const struct wr_term *own,
                   uint32_t from, uint32_t rank, wr_time asked, bool strict)
{
    wr_time t = wr_time_max(asked, own->joined);

    while (t <= j->w->now && t < own->until) {
        const wr_time until = before(j, from, rank, t, strict);

        if (until == 0)
            return true;
        t = until;
    }
    return false;
}

static bool ever(const struct wr_judge *j, uint32_t from, uint32_t rank,
                 wr_time asked, bool strict)
{
    const struct wr_seat *s = &j->seats[rank];
    bool yes = s->in && served(j, &s->now, from, rank, asked, strict);

    for (const struct wr_term *past = s->past == 0 ? NULL : term(j, s->past);
         !yes && past != NULL;
         past = past->older == 0 ? NULL : term(j, past->older))
        yes = served(j, past, from, rank, asked, strict);
    return yes;
}

bool wr_judge_right(struct wr_judge *j, const struct wr_id *key, wr_ref owner,
                    wr_time asked)
{
    const uint32_t from = wr_circle_from(&j->all, key) % j->all.n;
    uint32_t rank;

    if (!wr_book_has(&j->w->book, owner))
        return false;
    rank = wr_circle_rank(&j->all, owner);
    if (!ever(j, from, rank, asked, false))
        return false;
    j->handovers += !ever(j, from, rank, asked, true);
    return true;
}
