/* run_check.c - the invariant at intervals, and for how long it was broken.
 *
 * A violation is a bug only if none of the proof's assumptions was broken
 * since the ring last was in order: nobody alive held for dead, no cut, no
 * member without a live entry, no failure while an answer is under way. */
#include "run_private.h"

void run_excuse(struct run *r)
{
    if (!r->excused)
        r->breaks++;
    r->excused = true;
}

static void broken(struct run *r)
{
    const wr_time fresh = r->latency_most + WR_SEC(1);

    if (!r->broken)
        r->broken_at = r->w.now;
    r->broken = true;
    if (r->last.starved > 0 || r->w.now - r->lost_at <= fresh)
        run_excuse(r);
    if (r->last.unordered > 0 || !r->excused) {
        r->violations++;
        run_log(r,
                "the invariant is violated; principals:", r->last.principals);
    }
}

static void whole(struct run *r)
{
    const wr_time took = r->w.now - r->broken_at;

    if (r->broken && took > r->heal_max_us)
        r->heal_max_us = took;
    r->broken = false;
    if (wr_check_ideal(&r->w, &r->last))
        r->excused = false;
}

void run_check(struct run *r)
{
    struct wr_check *k = &r->last;

    wr_check_by(&r->w, &r->judge.all, k);
    if (r->w.false_deaths != r->false_deaths)
        run_excuse(r);
    r->false_deaths = r->w.false_deaths;
    if (r->broken)
        r->broken_us += r->w.now - r->checked_at;
    r->checked_at = r->w.now;
    if (k->members == 0 || !wr_check_invariant(&r->w, k))
        broken(r);
    else
        whole(r);
    if (r->w.now < r->begin)
        return;
    r->checks++;
    r->head_checks += k->members;
    r->wrong_heads += k->wrong_heads;
    r->wrong_preds += k->wrong_preds;
    if (k->principals < r->principals_min)
        r->principals_min = k->principals;
}
