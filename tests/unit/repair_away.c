/* Who leaves, dies, or is away for a while; and a ring at rest. */
#include "repair_bed.h"

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
    uint64_t puts;

    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 200);
    puts = sent(b, WR_MSG_PUT);
    cr_assert_eq(puts, 0, "%llu", (unsigned long long)puts);
    wr_world_crash(&b->w, 3);
    run_s(b, 240); /* Within the patience. */
    cr_assert_eq(sent(b, WR_MSG_PUT) + sent(b, WR_MSG_GET), 0);
    wr_world_up(&b->w, 3, 0);
    run_s(b, 200);
    cr_assert_eq(sent(b, WR_MSG_PUT) + sent(b, WR_MSG_GET), 0);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    wr_world_crash(&b->w, 3);
    run_s(b, 1000); /* It does not come back. */
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    cr_assert_gt(sent(b, WR_MSG_PUT) + sent(b, WR_MSG_GET), 0);
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
    cr_assert_eq(sent(b, WR_MSG_PUT) + sent(b, WR_MSG_GET), 0);
    run_s(b, 60);
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
        cr_assert(wr_repair_stands(b->w.hosts[h].node->core.repair));
    asked = sent(b, WR_MSG_SYNC);
    bytes = b->w.sent_bytes[WR_MSG_SYNC] + b->w.sent_bytes[WR_MSG_SYNCED];
    cr_assert_eq(asked, sent(b, WR_MSG_SYNCED));
    cr_assert_leq(bytes / (2 * asked), 256);
    run_s(b, 300);
    cr_assert_eq(sent(b, WR_MSG_PUT) + sent(b, WR_MSG_GET), 0);
    bed_close(b);
}
