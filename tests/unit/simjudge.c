/* Judging lookups from above, and the histograms that count them. */
#include <criterion/criterion.h>

#include "../../sim/judge.h"
#include "../../sim/meter.h"
#include "../support/simkit.h"

/* ---- histograms ---------------------------------------------------------- */

Test(simjudge, each_value_is_in_a_bucket_no_wider_than_a_32nd)
{
    static struct wr_hist h;
    uint64_t last = 0;

    for (uint64_t v = 1; v < UINT64_MAX / 3; v += v / 50 + 1) {
        uint64_t at;

        wr_hist_clear(&h);
        wr_hist_add(&h, v);
        wr_hist_add(&h, UINT64_MAX); /* So that `max` does not hide it. */
        at = wr_hist_at(&h, 500);
        cr_assert_geq(at, v);
        cr_assert_leq(at - v, v / 32);
        cr_assert_geq(at, last);
        last = at;
    }
}

Test(simjudge, quantiles_are_those_of_what_was_added)
{
    static struct wr_hist h;

    cr_assert_eq(wr_hist_at(&h, 500), 0);
    for (uint64_t v = 1; v <= 40; v++)
        wr_hist_add(&h, 41 - v);
    cr_assert_eq(wr_hist_at(&h, 500), 20);
    cr_assert_eq(wr_hist_at(&h, 990), 40);
    cr_assert_eq(wr_hist_at(&h, 1), 1);
    cr_assert_eq(h.max, 40);
    cr_assert_float_eq(wr_hist_mean(&h), 20.5, 1e-9);
}

/* ---- the judge ----------------------------------------------------------- */

enum { HOSTS = 20 };

static struct wr_world w;
static struct wr_judge j;

static void changed(struct wr_world *of, wr_host h)
{
    (void)of;
    wr_judge_see(&j, h);
}

/* All but rank 10's host are up. */
static void setup(void)
{
    struct wr_world_cfg cfg = simkit_ring(5, HOSTS, 1, 20, 20);
    wr_host up[HOSTS];
    uint32_t n = 0;
    struct wr_circle all;

    cfg.node.succs = 6;
    cr_assert_eq(wr_world_init(&w, &cfg), WR_OK);
    cr_assert_eq(wr_circle_init(&all, &w.book), WR_OK);
    for (uint32_t rank = 0; rank < HOSTS; rank++)
        if (rank != 10)
            up[n++] = wr_ref_host(all.refs[rank]);
    wr_circle_done(&all);
    wr_world_begin(&w, up, n);
    cr_assert_eq(wr_judge_init(&j, &w, WR_SEC(30)), WR_OK);
    w.changed = changed;
}

static void teardown(void)
{
    w.changed = NULL;
    wr_judge_done(&j);
    wr_world_done(&w);
}

TestSuite(judge, .init = setup, .fini = teardown);

static wr_host host_at(uint32_t rank)
{
    return wr_ref_host(j.all.refs[rank]);
}

/* A key that belongs to `rank`, if that is a member. */
static const struct wr_id *key_of(uint32_t rank)
{
    return wr_book_id(&w.book, j.all.refs[rank]);
}

static bool right(uint32_t key, uint32_t owner, wr_time asked)
{
    return wr_judge_right(&j, key_of(key), j.all.refs[owner], asked);
}

Test(judge, the_first_live_member_is_right_and_nobody_else)
{
    wr_world_run(&w, WR_SEC(1));
    cr_assert(right(9, 9, w.now));
    cr_assert(right(10, 11, w.now));
    cr_assert_not(right(10, 10, w.now), "it is down");
    cr_assert_not(right(9, 8, 0));
    cr_assert_not(right(9, 11, 0));
    cr_assert_not(right(0, 19, 0));
    cr_assert_not(wr_judge_right(&j, key_of(3), WR_NO_REF, 0));
    cr_assert_eq(j.handovers, 0);
}

Test(judge, who_died_was_right_for_those_that_asked_before)
{
    const wr_time died = WR_SEC(2);

    wr_world_run(&w, died);
    wr_world_crash(&w, host_at(19));
    wr_world_run(&w, died + WR_SEC(1));
    cr_assert(right(19, 19, died - 1));
    cr_assert_not(right(19, 19, died), "from then on it was dead");
    cr_assert(right(19, 0, died - 1), "past the seam");
    cr_assert(right(19, 0, died));
    cr_assert_not(right(18, 0, died));
    cr_assert_not(right(19, 1, 0));
}

/* Both have served for a part of the time, not at once. */
Test(judge, two_deaths_are_told_apart)
{
    wr_world_run(&w, WR_SEC(2));
    wr_world_crash(&w, host_at(4));
    wr_world_run(&w, WR_SEC(3));
    wr_world_crash(&w, host_at(5));
    wr_world_run(&w, WR_SEC(4));
    cr_assert(right(4, 4, WR_SEC(1)));
    cr_assert(right(4, 5, WR_SEC(1)));
    cr_assert(right(4, 6, WR_SEC(1)));
    cr_assert_not(right(4, 4, WR_SEC(2) + 1));
    cr_assert(right(4, 5, WR_SEC(2) + 1));
    cr_assert_not(right(4, 5, WR_SEC(3) + 1));
    cr_assert_not(right(4, 7, WR_SEC(1)));
}

Test(judge, a_newcomer_takes_over_when_the_old_owner_knows)
{
    const struct wr_seat *s = &j.seats[10];

    wr_world_run(&w, WR_SEC(1));
    wr_world_up(&w, host_at(10), host_at(0));
    wr_simnet_clog(&w.net, host_at(11), w.now + WR_SEC(1));
    while (!s->in)
        wr_world_run(&w, w.now + WR_MS(1));
    cr_assert(right(10, 10, w.now));
    cr_assert(right(10, 11, w.now), "which does not know yet");
    cr_assert_eq(j.handovers, 1);
    while (s->now.known == WR_NEVER)
        wr_world_run(&w, w.now + WR_MS(1));
    wr_world_run(&w, w.now + WR_MS(1));
    cr_assert(right(10, 10, w.now));
    cr_assert_not(right(10, 11, w.now));
    cr_assert(right(10, 11, s->now.joined - 1));
    cr_assert_eq(j.handovers, 1, "right all the same");
    cr_assert_not(right(10, 12, 0));
}

/* It comes back before anybody has missed it. */
Test(judge, who_returns_unmissed_is_known)
{
    wr_world_run(&w, WR_SEC(1));
    wr_world_crash(&w, host_at(3));
    wr_world_up(&w, host_at(3), host_at(0));
    while (!j.seats[3].in)
        wr_world_run(&w, w.now + WR_MS(1));
    cr_assert_eq(j.preds[wr_circle_place(&j.all, j.all.refs[3])],
                 w.hosts[host_at(3)].node->core.rings[0].pred);
    while (j.seats[3].now.known == WR_NEVER && w.now < WR_SEC(60))
        wr_world_run(&w, w.now + WR_MS(1));
    cr_assert_neq(j.seats[3].now.known, WR_NEVER);
    cr_assert(right(3, 3, 0));
    cr_assert(right(3, 4, WR_SEC(1)), "while it was away");
}

/* What nobody can ask for any more is given up. */
Test(judge, old_terms_are_forgotten)
{
    for (unsigned i = 0; i < 100; i++) {
        wr_world_crash(&w, host_at(3));
        wr_world_run(&w, w.now + WR_SEC(5));
        wr_world_up(&w, host_at(3), host_at(0));
        wr_world_run(&w, w.now + WR_SEC(5));
    }
    cr_assert_leq(j.next - j.first, 10);
    cr_assert_gt(j.next, 50);
}
