/* The checkers of simulated rings (docs/protocol.md, "The ring"): each one
 * fires on a ring that is broken by hand in the way that it is there for. */
#include <criterion/criterion.h>

#include "../../sim/check.h"
#include "../support/simkit.h"

enum { HOSTS = 40, SUCCS = 4 };

static struct wr_world w;
static struct wr_circle all;
static struct wr_check k;

static struct wr_ring *ring_at(uint32_t rank)
{
    const wr_ref ref = all.refs[rank % all.n];

    return &w.hosts[wr_ref_host(ref)].node->core.rings[wr_ref_index(ref)];
}

static void look(void)
{
    wr_check_by(&w, &all, &k);
}

/* An ideal ring of 40 members. */
static void setup(void)
{
    struct wr_world_cfg cfg = simkit_ring(11, HOSTS, 1, 10, 50);

    cfg.node.succs = SUCCS;
    cr_assert_eq(wr_world_init(&w, &cfg), WR_OK);
    wr_world_begin(&w, NULL, HOSTS);
    cr_assert_eq(wr_circle_init(&all, &w.book), WR_OK);
    look();
    cr_assert(wr_check_ideal(&w, &k));
    cr_assert(wr_check_invariant(&w, &k));
    cr_assert_eq(k.principals, HOSTS);
    cr_assert_eq(k.rings, 1);
    cr_assert_eq(k.wrong_heads + k.wrong_preds + k.off_ring, 0);
}

static void teardown(void)
{
    wr_circle_done(&all);
    wr_world_done(&w);
}

TestSuite(simcheck, .init = setup, .fini = teardown);

Test(simcheck, the_circle_has_the_order_of_the_ring)
{
    for (uint32_t i = 0; i < all.n; i++) {
        const struct wr_id *id = wr_book_id(&w.book, all.refs[i]);
        struct wr_id past = wr_id_add_pow2(id, 0);

        cr_assert_eq(wr_circle_rank(&all, all.refs[i]), i);
        cr_assert_eq(wr_circle_from(&all, id), i);
        cr_assert_eq(wr_circle_from(&all, &past), i + 1);
        if (i > 0)
            cr_assert_lt(wr_id_cmp(wr_book_id(&w.book, all.refs[i - 1]), id),
                         0);
    }
}

Test(simcheck, a_wrong_predecessor_shows)
{
    ring_at(7)->pred = all.refs[3];
    look();
    cr_assert_eq(k.wrong_preds, 1);
    cr_assert_eq(k.not_ideal, 1);
    cr_assert_eq(k.first_wrong, all.refs[7]);
    cr_assert_not(wr_check_ideal(&w, &k));
    cr_assert(wr_check_invariant(&w, &k), "it is no part of the invariant");
}

/* R4 refuses such lists. */
Test(simcheck, a_list_out_of_order_shows)
{
    struct wr_ring *r = ring_at(7);
    const wr_ref first = r->succs[1];

    r->succs[1] = r->succs[2];
    r->succs[2] = first;
    look();
    cr_assert_eq(k.unordered, 1);
    cr_assert_not(wr_check_invariant(&w, &k));
}

Test(simcheck, a_list_that_names_one_twice_shows)
{
    ring_at(39)->succs[2] = ring_at(39)->succs[1];
    look();
    cr_assert_eq(k.unordered, 1);
    cr_assert_not(wr_check_invariant(&w, &k));
}

Test(simcheck, a_list_that_names_its_own_member_shows)
{
    ring_at(0)->succs[3] = all.refs[0];
    look();
    cr_assert_eq(k.unordered, 1);
}

/* I1: nobody in its list is alive. */
Test(simcheck, a_member_without_a_live_entry_shows)
{
    for (uint32_t i = 8; i < 8 + SUCCS; i++)
        wr_world_crash(&w, wr_ref_host(all.refs[i]));
    look();
    cr_assert_eq(k.members, HOSTS - SUCCS);
    cr_assert_eq(k.starved, 1);
    cr_assert_eq(k.first_wrong, all.refs[4], "the first that names 8");
    cr_assert_not(wr_check_invariant(&w, &k));
}

/* One fewer, and somebody is left to hold on to. */
Test(simcheck, a_list_with_one_live_entry_is_enough)
{
    for (uint32_t i = 8; i < 8 + SUCCS - 1; i++)
        wr_world_crash(&w, wr_ref_host(all.refs[i]));
    look();
    cr_assert_eq(k.starved, 0);
    cr_assert_eq(k.wrong_heads, 1, "of rank 7");
    cr_assert_eq(k.wrong_preds, 1);
    cr_assert_eq(k.rings, 1);
    cr_assert(wr_check_invariant(&w, &k));
}

/* I2: each skipped member is no principal, at the ring's seam as well. */
Test(simcheck, skipped_members_are_no_principals)
{
    struct wr_ring *r = ring_at(38);

    for (uint32_t i = 0; i < SUCCS; i++)
        r->succs[i] = all.refs[(38 + 4 + i) % HOSTS];
    look();
    cr_assert_eq(k.principals, HOSTS - 3);
    cr_assert_eq(k.wrong_heads, 1);
    cr_assert_eq(k.unordered, 0);
    cr_assert(wr_check_invariant(&w, &k), "enough are left");
}

Test(simcheck, too_few_principals_break_the_invariant)
{
    /* Every tenth names its next three tenths: all others are skipped. */
    for (uint32_t i = 0; i < HOSTS; i += 10) {
        ring_at(i)->succs_n = 3;
        for (uint32_t s = 0; s < 3; s++)
            ring_at(i)->succs[s] = all.refs[(i + 10 * (s + 1)) % HOSTS];
    }
    look();
    cr_assert_eq(k.principals, 4);
    cr_assert_eq(k.starved, 0);
    cr_assert_eq(k.unordered, 0);
    cr_assert_not(wr_check_invariant(&w, &k));
}

/* Even ranks name even ones only, odd ranks odd ones: two rings. */
Test(simcheck, two_rings_show)
{
    for (uint32_t i = 0; i < HOSTS; i++)
        for (uint32_t s = 0; s < SUCCS; s++)
            ring_at(i)->succs[s] = all.refs[(i + 2 * (s + 1)) % HOSTS];
    look();
    cr_assert_eq(k.rings, 2);
    cr_assert_eq(k.principals, 0);
    cr_assert_eq(k.wrong_heads, HOSTS);
    cr_assert_not(wr_check_invariant(&w, &k));
}

/* A ring that closes too early leaves the others hanging on to it. */
Test(simcheck, members_that_do_not_reach_the_ring_show)
{
    for (uint32_t s = 0; s < SUCCS; s++)
        ring_at(20)->succs[s] = all.refs[s];
    /* 0 to 20 is the ring; 21 to 39 lead to it. */
    look();
    cr_assert_eq(k.rings, 1);
    cr_assert_eq(k.off_ring, 0);
    /* Of 30, no entry is alive: it and those before it end there. */
    ring_at(30)->succs_n = 0;
    look();
    cr_assert_eq(k.starved, 1);
    cr_assert_gt(k.off_ring, 0);
    cr_assert_not(wr_check_invariant(&w, &k));
}

/* A member that has left the ring, or is not yet in it, does not count. */
Test(simcheck, who_is_no_member_does_not_count)
{
    ring_at(5)->phase = WR_RING_OUT;
    look();
    cr_assert_eq(k.members, HOSTS - 1);
    cr_assert_eq(k.wrong_heads, 1);
    cr_assert_eq(k.wrong_preds, 1);
    cr_assert_not(wr_check_ideal(&w, &k), "its host is up");
    cr_assert(wr_check_invariant(&w, &k));
}

Test(simcheck, the_owner_is_the_first_live_member_at_or_after_a_key)
{
    const struct wr_id *last = wr_book_id(&w.book, all.refs[HOSTS - 1]);
    const struct wr_id past = wr_id_add_pow2(last, 0);

    cr_assert_eq(wr_check_owner(&w, last), all.refs[HOSTS - 1]);
    cr_assert_eq(wr_check_owner(&w, &past), all.refs[0]);
    wr_world_crash(&w, wr_ref_host(all.refs[0]));
    cr_assert_eq(wr_check_owner(&w, &past), all.refs[1]);
}

/* Of two members, one has the whole circle but for the arc between them. */
Test(simcheck, load_is_the_arcs_before_a_hosts_members)
{
    const uint64_t a = wr_id_prefix(wr_book_id(&w.book, all.refs[4]));
    const uint64_t b = wr_id_prefix(wr_book_id(&w.book, all.refs[9]));
    const double arc = (double)(b - a) * 0x1p-64;
    double share[HOSTS];

    for (uint32_t i = 0; i < HOSTS; i++)
        if (i != 4 && i != 9)
            wr_world_crash(&w, wr_ref_host(all.refs[i]));
    wr_check_shares(&w, &all, share);
    cr_assert_float_eq(share[wr_ref_host(all.refs[9])], 2 * arc, 1e-9);
    cr_assert_float_eq(share[wr_ref_host(all.refs[4])], 2 * (1 - arc), 1e-9);
}
