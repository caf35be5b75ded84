/* Who leaves, dies, or is away for a while; and a ring at rest. */
#include <limits.h>

#include "proto/repair_set.h"
#include "repair_bed.h"

/* What repair has moved; or asked for, at least. */
static uint64_t moved(const struct bed *b)
{
    return sent(b, WR_MSG_PUT) + sent(b, WR_MSG_GET);
}

/* Bodies that went to a host, by whoever's will. */
static uint64_t arrived(const struct bed *b)
{
    return sent(b, WR_MSG_PUT) + sent(b, WR_MSG_DATA);
}

/* Who leaves hands everything on while others still count it in the set. */
Test(repair_away, what_a_leaver_handed_on_stands_when_it_is_gone)
{
    struct wr_world_cfg cfg = cfg_of(7, 4);
    cfg.faults = true;
    cfg.node.repair_us = WR_SEC(20);
    struct bed *b = bed_open(&cfg, 7);
    static struct wr_id keys[2000];
    wr_host set[WR_SET_MAX];
    bool gone;

    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 60);
    keys[0].b[0] = keys[0].b[1] = 0; /* Handed on first. */
    set_of(b, keys, set);
    keep_three(b, set, keys);
    for (unsigned i = 0; i < 3; i++) {
        b->w.faults[set[i]].slow_us = WR_MS(1500);
        wr_world_leave(&b->w, set[i]);
    }
    do {
        run_s(b, 1);
        gone = true;
        for (unsigned i = 0; i < 3; i++)
            gone = gone && b->w.hosts[set[i]].left;
    } while (!gone && b->w.now < WR_SEC(3600));
    cr_assert(gone);
    cr_assert_eq(copies_of(b, false, keys).stand, 3, "%u of 3 at %llu s",
                 copies_of(b, false, keys).stand,
                 (unsigned long long)(b->w.now / WR_SEC(1)));
    bed_close(b);
}

/* A leaver takes nothing in. That keeps nothing from the others of its sets,
 * and its going brings a round: none is needed before. */
Test(repair_away, a_leaver_holds_up_nobody)
{
    struct wr_world_cfg cfg = cfg_of(8, 4);
    cfg.faults = true;
    cfg.node.repair_us = WR_SEC(300);
    struct bed *b = bed_open(&cfg, 8);
    static struct wr_id keys[12000];
    struct wr_id key = new_key(b);
    wr_host set[WR_SET_MAX], stray;
    uint64_t rounds = 0, before = 0;

    fill(b, keys, WR_ARRAY_LEN(keys));
    set_of(b, &key, set);
    stray = outside(set);
    run_s(b, 120);
    b->w.faults[set[0]].slow_us = WR_MS(1500);
    wr_world_leave(&b->w, set[0]);
    keep(b, stray, &key, put_id(1));
    for (wr_host h = 0; h < 8; h++)
        before += b->w.hosts[h].node->core.repair->rounds;
    run_s(b, 600);
    cr_assert(b->w.hosts[set[0]].leaving);
    cr_assert_not_null(item(b, set[1], &key));
    cr_assert_not_null(item(b, set[2], &key));
    cr_assert_not_null(item(b, stray, &key), "one of the set has not said so");
    for (wr_host h = 0; h < 8; h++)
        rounds += b->w.hosts[h].node->core.repair->rounds;
    cr_assert_leq(rounds - before, 8 * 4, "%llu",
                  (unsigned long long)(rounds - before));
    for (unsigned i = 0; !b->w.hosts[set[0]].left && i < 60; i++)
        run_s(b, 60);
    run_s(b, 600);
    all_stand(b, false, &key, 1);
    bed_close(b);
}

/* Also where the leaver has room for the put ids of few chunks at a time. */
Test(repair_away, a_leaver_hands_on_all_references)
{
    struct wr_world_cfg cfg = cfg_of(5, 4);
    cfg.node.repair_us = WR_NEVER;
    cfg.node.have_ops_max = 1;
    struct bed *b = bed_open(&cfg, 5);
    struct wr_id keys[20];
    wr_host set[WR_SET_MAX];

    for (size_t i = 0; i < WR_ARRAY_LEN(keys); i++) {
        keys[i] = new_key(b);
        for (uint8_t put = 1; put <= 3; put++)
            keep(b, 0, &keys[i], put_id(put));
    }
    run_s(b, 10);
    wr_world_leave(&b->w, 0);
    run_s(b, 60);
    cr_assert(b->w.hosts[0].left);
    for (size_t i = 0; i < WR_ARRAY_LEN(keys); i++) {
        set_of(b, &keys[i], set);
        for (unsigned k = 0; k < 3; k++) {
            cr_assert_not_null(item(b, set[k], &keys[i]));
            cr_assert_eq(item(b, set[k], &keys[i])->refs_n, 3, "%zu", i);
        }
    }
    bed_close(b);
}

Test(repair_away, a_reboot_copies_nothing_and_a_death_does)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id keys[60];

    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 200);
    cr_assert_eq(moved(b), 0, "%llu", (unsigned long long)moved(b));
    wr_world_crash(&b->w, 3);
    run_s(b, 240); /* Within the patience. */
    cr_assert_eq(moved(b), 0);
    wr_world_up(&b->w, 3, 0);
    run_s(b, 200);
    cr_assert_eq(moved(b), 0);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    wr_world_crash(&b->w, 3);
    run_s(b, 1000); /* It does not come back. */
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    cr_assert_gt(moved(b), 0);
    wr_world_up(&b->w, 3, 0); /* Or so it seemed. */
    run_s(b, 600);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    bed_close(b);
}

/* Not when a round happens to be due. */
Test(repair_away, copies_come_back_when_the_patience_ends)
{
    struct wr_world_cfg cfg = cfg_of(8, 4);
    cfg.node.repair_us = WR_SEC(86400);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id keys[60];

    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 200);
    wr_world_crash(&b->w, 3);
    run_s(b, 290);
    cr_assert_eq(moved(b), 0);
    run_s(b, 60);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    bed_close(b);
}

/* ---- two patiences: 300 s, and where a majority stands 3,000 s ----------- */

static struct bed *bed_of_two_patiences(uint8_t copies, struct wr_id *keys,
                                        size_t n)
{
    struct wr_world_cfg cfg = cfg_of(9, 4);
    struct bed *b;

    cfg.node.repair_us = WR_SEC(86400); /* No round but where one is due. */
    cfg.node.gone_long_us = WR_SEC(3000);
    cfg.node.copies = copies;
    b = bed_open(&cfg, 9);
    fill(b, keys, n);
    run_s(b, 200);
    return b;
}

/* The fewest copies that any key has where they belong, on hosts that are up.
 */
static unsigned fewest(struct bed *b, const struct wr_id *keys, size_t n)
{
    unsigned least = UINT_MAX;

    for (size_t i = 0; i < n; i++) {
        const struct wr_copies k = copies_of(b, false, &keys[i]);

        least = k.stand < least ? k.stand : least;
    }
    return least;
}

Test(repair_away, one_of_three_is_waited_for_while_the_others_stand)
{
    struct wr_id keys[60];
    struct bed *b = bed_of_two_patiences(3, keys, WR_ARRAY_LEN(keys));

    wr_world_crash(&b->w, 3);
    run_s(b, 2900);
    cr_assert_eq(moved(b), 0);
    cr_assert_eq(fewest(b, keys, WR_ARRAY_LEN(keys)), 2);
    run_s(b, 200);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    bed_close(b);
}

/* Who has been gone for longest is made up for, as soon as the second one has
 * been gone for longer than a reboot takes. That one is waited for still. */
Test(repair_away, of_two_of_three_only_one_is_waited_for)
{
    struct wr_id keys[60];
    struct bed *b = bed_of_two_patiences(3, keys, WR_ARRAY_LEN(keys));
    unsigned shared = 0;
    wr_host set[WR_SET_MAX];

    set_of(b, &keys[0], set);
    for (size_t i = 0; i < WR_ARRAY_LEN(keys); i++) {
        wr_host v[WR_SET_MAX];

        set_of(b, &keys[i], v);
        shared += wr_host_listed(v, 3, set[0]) && wr_host_listed(v, 3, set[1]);
    }
    wr_world_crash(&b->w, set[0]);
    run_s(b, 1000);
    wr_world_crash(&b->w, set[1]);
    run_s(b, 280);
    cr_assert_eq(moved(b), 0);
    cr_assert_eq(fewest(b, keys, WR_ARRAY_LEN(keys)), 1);
    run_s(b, 100);
    cr_assert_eq(fewest(b, keys, WR_ARRAY_LEN(keys)), 2);
    cr_assert_eq(arrived(b), shared, "%llu arrived, %u shared by both",
                 (unsigned long long)arrived(b), shared);
    wr_world_up(&b->w, set[1], 0);
    run_s(b, 100);
    wr_world_up(&b->w, set[0], 0);
    run_s(b, 600);
    cr_assert_eq(fewest(b, keys, WR_ARRAY_LEN(keys)), 3);
    cr_assert_eq(arrived(b), shared);
    bed_close(b);
}

/* Of five copies a majority is three. */
Test(repair_away, of_three_of_five_two_are_waited_for)
{
    struct wr_id keys[60];
    struct bed *b = bed_of_two_patiences(5, keys, WR_ARRAY_LEN(keys));
    wr_host set[WR_SET_MAX];

    cr_assert_eq(wr_copies_set(&b->w, &b->all, &keys[0], set), 5);
    wr_world_crash(&b->w, set[4]);
    wr_world_crash(&b->w, set[2]);
    run_s(b, 600);
    cr_assert_eq(moved(b), 0);
    wr_world_crash(&b->w, set[0]);
    run_s(b, 400);
    cr_assert_eq(fewest(b, keys, WR_ARRAY_LEN(keys)), 3);
    cr_assert_gt(moved(b), 0);
    bed_close(b);
}

/* Two copies are their own majority: none can be spared. */
Test(repair_away, nobody_is_waited_for_where_both_copies_count)
{
    struct wr_id keys[60];
    struct bed *b = bed_of_two_patiences(2, keys, WR_ARRAY_LEN(keys));

    wr_world_crash(&b->w, 3);
    run_s(b, 290);
    cr_assert_eq(moved(b), 0);
    run_s(b, 100);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    bed_close(b);
}

/* On how many hosts that are up `key` is, wherever it belongs. */
static unsigned up_with(struct bed *b, const struct wr_id *key)
{
    unsigned n = 0;

    for (wr_host h = 0; h < b->w.cfg.hosts; h++)
        n += wr_world_is_up(&b->w, h) && item(b, h, key) != NULL;
    return n;
}

/* Where hosts have sites, one that is waited for may stand before the owner in
 * its set: then the owner is none of the set, and has all of it to compare
 * with. */
Test(repair_away, the_last_of_a_set_is_asked_where_its_owner_is_no_part_of_it)
{
    struct wr_world_cfg cfg = cfg_of(9, 4);
    struct wr_id keys[500];
    struct bed *b;

    cfg.sites = 3;
    cfg.node.gone_long_us = WR_SEC(30000);
    b = bed_open(&cfg, 9);
    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 200);
    wr_world_crash(&b->w, 5);
    run_s(b, 1000);
    wr_world_crash(&b->w, 4);
    run_s(b, 1000);
    for (size_t i = 0; i < WR_ARRAY_LEN(keys); i++)
        cr_expect_geq(up_with(b, &keys[i]), 2);
    bed_close(b);
}

/* Nor does that one take, after a reboot, what it is not to keep. */
Test(repair_away, a_reboot_copies_nothing_where_hosts_have_sites)
{
    struct wr_world_cfg cfg = cfg_of(9, 4);
    struct wr_id keys[500];
    struct bed *b;

    cfg.sites = 3;
    b = bed_open(&cfg, 9);
    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 200);
    for (wr_host h = 1; h < 9; h++) {
        wr_world_crash(&b->w, h);
        run_s(b, 240); /* Within the patience. */
        wr_world_up(&b->w, h, 0);
        run_s(b, 200);
        cr_assert_eq(moved(b), 0, "%llu, host %u", (unsigned long long)moved(b),
                     h);
    }
    bed_close(b);
}

/* A host that is cut off is its own ring, and owns all of it. What it does not
 * keep in earnest it takes from nobody when the others are back. */
Test(repair_away, who_was_alone_takes_what_is_its_own)
{
    struct wr_world_cfg cfg = cfg_of(9, 4);
    struct wr_id keys[500];
    struct bed *b;

    cfg.node.repair_us = WR_SEC(86400); /* No round but where one is due. */
    b = bed_open(&cfg, 9);
    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 200);
    wr_world_side(&b->w, 3, 1);
    run_s(b, 200); /* Within the patience. */
    wr_world_side(&b->w, 3, 0);
    run_s(b, 100);
    cr_assert_eq(moved(b), 0);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    bed_close(b);
}

/* What `h` owns, as it sees the ring, is where it says that it is. */
static void expect_true(struct bed *b, wr_host h, const struct wr_id *keys,
                        size_t n)
{
    const struct wr_core *c = &b->w.hosts[h].node->core;

    for (size_t i = 0; i < n && wr_repair_stands(c); i++) {
        wr_host set[WR_COPIES_MAX];
        const size_t set_n = repair_set(c, &keys[i], true, set);

        for (size_t k = 0; k < set_n && set[0] == h; k++)
            cr_assert_not_null(item(b, set[k], &keys[i]), "%u, on %u", h,
                               set[k]);
    }
}

/* While somebody comes, too. */
Test(repair_away, all_copies_stand_where_a_host_says_so)
{
    const struct wr_world_cfg cfg = cfg_of(9, 4);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id keys[60];

    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 600);
    for (wr_host h = 0; h < 8; h++)
        cr_assert(wr_repair_stands(&b->w.hosts[h].node->core), "host %u", h);
    wr_world_up(&b->w, 8, 0);
    for (unsigned i = 0; i < 600; i++) {
        wr_world_run(&b->w, b->w.now + WR_MS(100));
        for (wr_host h = 0; h < 9; h++)
            if (b->w.hosts[h].node != NULL)
                expect_true(b, h, keys, WR_ARRAY_LEN(keys));
    }
    bed_close(b);
}

/* All others restart, and know by their disks that host 3 had been silent for
 * so long. */
static void others_restart(struct bed *b, uint32_t silent_s)
{
    struct wr_event ev = {.kind = WR_EV_ADMIT, .from = 3};

    ev.admit.silent_s = silent_s;
    for (wr_host h = 0; h < b->w.cfg.hosts; h++) {
        if (h == 3)
            continue;
        wr_world_crash(&b->w, h);
        wr_world_up(&b->w, h, h == 0 ? 1 : 0);
        wr_world_step(&b->w, h, &ev);
        run_s(b, 60);
    }
}

/* Host 3 is gone, and the others' disks say that it had been for so long
 * before. Whether repair has moved anything before another 1,080 s are over; it
 * must not have within 480. */
static bool is_made_up_for(uint32_t silent_s)
{
    struct wr_id keys[60];
    struct bed *b = bed_of_two_patiences(3, keys, WR_ARRAY_LEN(keys));
    bool is;

    wr_world_crash(&b->w, 3);
    run_s(b, 60);
    others_restart(b, silent_s);
    cr_assert_eq(moved(b), 0);
    run_s(b, 600);
    is = moved(b) > 0;
    cr_assert_eq(fewest(b, keys, WR_ARRAY_LEN(keys)), is ? 3 : 2);
    bed_close(b);
    return is;
}

Test(repair_away, the_long_patience_goes_on_across_restarts)
{
    cr_assert(is_made_up_for(2500));
    cr_assert_not(is_made_up_for(0));
}

/* It came back meanwhile, and is gone for another reason. */
Test(repair_away, an_absence_that_has_ended_does_not_count)
{
    struct wr_id keys[60];
    struct bed *b = bed_of_two_patiences(3, keys, WR_ARRAY_LEN(keys));

    others_restart(b, 2500);
    wr_world_crash(&b->w, 3);
    run_s(b, 2900);
    cr_assert_eq(moved(b), 0);
    run_s(b, 200);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    bed_close(b);
}

/* The operator says that it does not come back. */
Test(repair_away, who_is_removed_is_waited_for_no_longer)
{
    struct wr_event ev = {.kind = WR_EV_ADMIT, .from = 3};
    struct wr_id keys[60];
    struct bed *b = bed_of_two_patiences(3, keys, WR_ARRAY_LEN(keys));

    wr_world_crash(&b->w, 3);
    run_s(b, 1000);
    cr_assert_eq(moved(b), 0);
    ev.admit.state = WR_ROSTER_REMOVED;
    for (wr_host h = 0; h < b->w.cfg.hosts; h++)
        if (h != 3)
            wr_world_step(&b->w, h, &ev);
    run_s(b, 60);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    bed_close(b);
}

/* A patience that is longer than the long one counts for both. */
Test(repair_away, the_long_patience_is_no_shorter_than_the_other)
{
    struct wr_world_cfg cfg = cfg_of(8, 4);
    struct wr_id keys[60];
    struct bed *b;

    cfg.node.gone_long_us = 0;
    b = bed_open(&cfg, 8);
    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 200);
    wr_world_crash(&b->w, 3);
    run_s(b, 290);
    cr_assert_eq(moved(b), 0);
    run_s(b, 150);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    bed_close(b);
}

Test(repair_away, at_rest_all_copies_stand_and_little_is_said)
{
    const struct wr_world_cfg cfg = cfg_of(6, 4);
    struct bed *b = bed_open(&cfg, 6);
    static struct wr_id keys[200];
    uint64_t asked, bytes;

    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 200);
    for (wr_host h = 0; h < 6; h++)
        cr_assert(wr_repair_stands(&b->w.hosts[h].node->core));
    asked = sent(b, WR_MSG_SYNC);
    bytes = b->w.sent_bytes[WR_MSG_SYNC] + b->w.sent_bytes[WR_MSG_SYNCED];
    cr_assert_eq(asked, sent(b, WR_MSG_SYNCED));
    cr_assert_leq(bytes / (2 * asked), 256);
    run_s(b, 300);
    cr_assert_eq(moved(b), 0);
    bed_close(b);
}
