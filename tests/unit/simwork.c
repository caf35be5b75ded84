/* Leaves in a simulated world: they find parents, put, get, and lose neither
 * their way nor a file; and what counts copies from above can count. */
#include <criterion/criterion.h>

#include "../../sim/work.h"
#include "../support/simkit.h"

enum { HOSTS = 5, LEAVES = 20 };

static struct wr_world w;
static struct wr_work k;

static void on_alarm(struct wr_world *world, uint64_t cookie)
{
    (void)world;
    wr_work_alarm(&k, cookie);
}

static struct wr_world_cfg world_cfg(void)
{
    struct wr_world_cfg cfg = simkit_ring(11, HOSTS, 17, 5, 40);

    cfg.net.model = WR_SIMNET_FIXED;
    cfg.resets = true;
    cfg.node.roster_max = HOSTS;
    return cfg;
}

static struct wr_work_cfg work_cfg(void)
{
    return (struct wr_work_cfg){
        .seed = 3,
        .leaves = LEAVES,
        .contacts = 2,
        .move_us = WR_NEVER,
        .put_us = WR_SEC(20),
        .get_us = WR_SEC(10),
        .sizes.scale_us = 600 << 10, /* Three chunks, and a node. */
    };
}

static void start(const struct wr_world_cfg *world,
                  const struct wr_work_cfg *work)
{
    cr_assert_eq(wr_world_init(&w, world), WR_OK);
    wr_world_begin(&w, NULL, HOSTS);
    w.alarm = on_alarm;
    cr_assert_eq(wr_work_init(&k, &w, work), WR_OK);
    wr_work_mark(&k);
}

static void stop(void)
{
    cr_expect_eq(w.bodies_wrong, 0);
    cr_expect_eq(w.codec_wrong, 0);
    cr_expect_eq(k.wrong, 0);
    cr_expect_eq(k.denied, 0);
    wr_work_done(&k);
    wr_world_done(&w);
}

static void run(wr_time us)
{
    wr_world_run(&w, w.now + us);
}

/* All asking is over after that. */
static void settle(void)
{
    k.cfg.put_us = k.cfg.get_us = WR_NEVER;
    run(WR_SEC(200));
    for (uint32_t i = 0; i < LEAVES; i++) {
        cr_assert_null(k.leaves[i].jobs[WR_WORK_PUT]);
        cr_assert_null(k.leaves[i].jobs[WR_WORK_GET]);
    }
}

static uint32_t leaves_of(wr_host h)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < LEAVES; i++)
        n += k.leaves[i].attached && w.uplinks.v[i].parent == h;
    return n;
}

/* Every file that was acknowledged is got, by one leaf after another. */
static void get_all(void)
{
    const uint64_t before = k.jobs[WR_WORK_GET].done;

    cr_assert_gt(k.kept_n, 0);
    for (uint32_t n = 0; n < k.kept_n; n++) {
        wr_work_get(&k, n % LEAVES, k.kept[n]);
        if (n % LEAVES == LEAVES - 1)
            run(WR_SEC(10));
    }
    run(WR_SEC(40));
    cr_expect_eq(k.jobs[WR_WORK_GET].done - before, k.kept_n);
    cr_expect_eq(k.jobs[WR_WORK_GET].failed, 0);
}

Test(simwork, all_that_is_put_is_acknowledged_and_got)
{
    const struct wr_world_cfg world = world_cfg();
    const struct wr_work_cfg work = work_cfg();

    start(&world, &work);
    run(WR_SEC(120));
    cr_expect_eq(k.attached_n, LEAVES);
    settle();
    cr_expect_gt(k.jobs[WR_WORK_PUT].done, LEAVES);
    cr_expect_gt(k.jobs[WR_WORK_GET].done, LEAVES);
    cr_expect_eq(k.jobs[WR_WORK_PUT].done, k.jobs[WR_WORK_PUT].begun);
    cr_expect_eq(k.jobs[WR_WORK_GET].done, k.jobs[WR_WORK_GET].begun);
    cr_expect_eq(k.failovers, 0);
    get_all();
    wr_work_count(&k);
    /* Each file's four blocks and its record, three times each. */
    cr_expect_eq(k.census.n, 5 * k.kept_n);
    cr_expect_eq(k.census.hist[3], k.census.n);
    cr_expect_eq(k.census.lost + k.census.lost_beyond, 0);
    stop();
}

/* The host with the most leaves goes, in one way or another; `n` of them. */
static wr_host lose_a_parent(bool resets,
                             void (*go)(struct wr_world *, wr_host),
                             uint32_t *ret_n)
{
    struct wr_world_cfg world = world_cfg();
    const struct wr_work_cfg work = work_cfg();
    wr_host victim = 0;

    world.resets = resets;
    start(&world, &work);
    run(WR_SEC(60));
    settle();
    for (wr_host h = 0; h < HOSTS; h++)
        victim = leaves_of(h) > leaves_of(victim) ? h : victim;
    *ret_n = leaves_of(victim);
    cr_assert_gt(*ret_n, 0);
    go(&w, victim);
    run(WR_SEC(60));
    cr_expect_eq(k.attached_n, LEAVES);
    cr_expect_eq(leaves_of(victim), 0);
    cr_expect_eq(k.failovers, *ret_n);
    cr_expect_eq(k.orphaned.n, *ret_n);
    get_all();
    return victim;
}

Test(simwork, leaves_of_a_parent_that_crashed_fail_over)
{
    uint32_t n;

    (void)lose_a_parent(true, wr_world_crash, &n);
    cr_expect_lt(k.orphaned.max, WR_SEC(3)); /* A reset is news at once. */
    stop();
}

Test(simwork, and_of_one_that_fell_silent)
{
    uint32_t n;

    (void)lose_a_parent(false, wr_world_crash, &n);
    cr_expect_gt(k.orphaned.max, WR_SEC(5)); /* Found out by pings. */
    stop();
}

Test(simwork, and_of_one_that_stopped_in_good_order)
{
    uint32_t n;

    (void)lose_a_parent(false, wr_world_stop, &n);
    cr_expect_lt(k.orphaned.max, WR_SEC(3));
    stop();
}

Test(simwork, who_leaves_for_good_takes_no_file_along)
{
    uint32_t n;
    const wr_host gone = lose_a_parent(true, wr_world_leave, &n);

    cr_expect(w.hosts[gone].left);
    wr_work_count(&k);
    cr_expect_eq(k.census.hist[3], k.census.n);
    cr_expect_eq(k.census.lost + k.census.lost_beyond, 0);
    stop();
}

Test(simwork, a_leaf_that_moves_attaches_again)
{
    const struct wr_world_cfg world = world_cfg();
    const struct wr_work_cfg work = work_cfg();

    start(&world, &work);
    run(WR_SEC(10));
    wr_uplink_move(&w, 4);
    wr_work_put(&k, 4);
    run(WR_SEC(60));
    cr_expect(k.leaves[4].attached);
    cr_expect_eq(k.failovers, 1);
    cr_expect_eq(k.jobs[WR_WORK_PUT].failed, 0);
    stop();
}

Test(simwork, a_leaf_that_wakes_goes_to_the_parent_that_it_had)
{
    const struct wr_world_cfg world = world_cfg();
    struct wr_work_cfg work = work_cfg();
    wr_host parent;

    work.put_us = work.get_us = WR_NEVER;
    start(&world, &work);
    run(WR_SEC(10));
    parent = w.uplinks.v[7].parent;
    wr_work_put(&k, 7);
    wr_work_sleep(&k, 7);
    cr_expect_eq(k.attached_n, LEAVES - 1);
    cr_expect_eq(k.jobs[WR_WORK_PUT].cut, 1);
    run(WR_SEC(10));
    wr_work_wake(&k, 7);
    run(WR_SEC(10));
    cr_expect_eq(w.uplinks.v[7].parent, parent);
    cr_expect_eq(k.attached_n, LEAVES);
    stop();
}

/* Sixteen chunks at a megabit a second take half a minute: longer than the
 * patience for a silent parent, or for a request. */
Test(simwork, a_slow_line_is_no_dead_parent)
{
    const struct wr_world_cfg world = world_cfg();
    struct wr_work_cfg work = work_cfg();
    const uint64_t bytes = 16 * WR_WORK_CHUNK;
    wr_time took;

    work.up_bps = 1000000;
    work.put_us = work.get_us = WR_NEVER;
    work.sizes.scale_us = (double)bytes;
    start(&world, &work);
    run(WR_SEC(10));
    wr_work_put(&k, 3);
    run(WR_SEC(400));
    cr_assert_eq(k.jobs[WR_WORK_PUT].done, 1);
    cr_expect_eq(k.failovers, 0);
    took = k.jobs[WR_WORK_PUT].us;
    cr_expect_gt(took, bytes * 8); /* A bit a microsecond. */
    cr_expect_lt(took, bytes * 9);
    stop();
}

/* Trees of three levels, put again with a chunk in the middle that some leaf
 * has put before: the table of requests is full all the while. */
Test(simwork, large_files_pass_through_a_full_table)
{
    const struct wr_world_cfg world = world_cfg();
    struct wr_work_cfg work = work_cfg();
    struct wr_id key;

    work.put_us = work.get_us = WR_NEVER;
    work.sizes.scale_us = 1030.0 * WR_WORK_CHUNK;
    start(&world, &work);
    run(WR_SEC(10));
    wr_work_put(&k, 0);
    run(WR_SEC(300));
    cr_assert_eq(k.kept_n, 1);
    cr_expect_eq(k.files[0].nodes, 3);
    for (unsigned i = 0; i < 300; i++) /* Of some there is none any more. */
        for (wr_host h = 0; h < HOSTS; h++)
            if (w.hosts[h].disk.chunks.n > i) {
                key = w.hosts[h].disk.chunks.v[i].key;
                for (wr_host o = 0; o < HOSTS; o++)
                    wr_disk_drop(&w.hosts[o].disk.chunks, &key);
            }
    k.cfg.repeat_ppm = 1000000;
    k.cfg.put_us = WR_SEC(1);
    wr_work_sleep(&k, 1);
    wr_work_wake(&k, 1);
    run(WR_SEC(20));
    k.cfg.put_us = WR_NEVER;
    run(WR_SEC(300));
    cr_assert_geq(k.jobs[WR_WORK_PUT].done, 2);
    cr_expect_eq(k.jobs[WR_WORK_PUT].failed, 0);
    cr_expect_gt(k.repeated, 0);
    wr_work_get(&k, 2, k.kept[0]);
    run(WR_SEC(300));
    cr_expect_eq(k.jobs[WR_WORK_GET].done, 1);
    stop();
}

/* What is lost on a leaf's link comes later, and in order. */
Test(simwork, losses_cost_time_and_nothing_else)
{
    struct wr_world_cfg world = world_cfg();
    const struct wr_work_cfg work = work_cfg();

    world.net.loss_permille = 50;
    start(&world, &work);
    run(WR_SEC(120));
    settle();
    cr_expect_eq(k.failovers, 0);
    cr_expect_eq(k.jobs[WR_WORK_PUT].done, k.jobs[WR_WORK_PUT].begun);
    cr_expect_eq(k.jobs[WR_WORK_GET].done, k.jobs[WR_WORK_GET].begun);
    stop();
}

/* ---- the count from above ------------------------------------------------ */

Test(simwork, a_chunk_that_vanishes_from_all_disks_is_lost)
{
    const struct wr_world_cfg world = world_cfg();
    const struct wr_work_cfg work = work_cfg();
    struct wr_id key;

    start(&world, &work);
    run(WR_SEC(60));
    settle();
    wr_work_count(&k);
    cr_assert_eq(k.census.lost, 0);
    key = w.hosts[0].disk.chunks.v[0].key;
    for (wr_host h = 0; h < HOSTS; h++)
        wr_disk_drop(&w.hosts[h].disk.chunks, &key);
    wr_work_count(&k);
    cr_expect_eq(k.census.lost, 1);
    cr_expect_eq(k.census.lost_beyond, 0);
    cr_expect_eq(k.census.hist[0], 1);
    stop();
}

/* What was acknowledged is kept, however many puts refer to one chunk. */
Test(simwork, a_disk_keeps_every_reference)
{
    struct wr_disk d = {0};
    struct wr_event ev = {0};
    struct wr_fx fx = {.kind = WR_FX_STORE_PUT};
    enum { PUTS = 3 * WR_DISK_REFS };

    for (unsigned i = 0; i < PUTS; i++) {
        fx.store.put.b[0] = (uint8_t)(i + 1);
        wr_disk_do(&d, &fx, 10, &ev);
        cr_assert_eq(ev.stored.status, WR_STATUS_OK);
    }
    cr_expect_eq(d.chunks.v[0].refs_n, PUTS);
    fx = (struct wr_fx){.kind = WR_FX_STORE_GET};
    wr_disk_do(&d, &fx, 0, &ev);
    cr_expect_eq(ev.stored.refs_n, WR_DISK_REFS);
    fx = (struct wr_fx){.kind = WR_FX_STORE_REFS, .store.n = WR_DISK_REFS};
    wr_disk_do(&d, &fx, 0, &ev);
    cr_expect_eq(ev.stored.refs_n, PUTS - WR_DISK_REFS, "the others follow");
    wr_disk_done(&d);
}

static void burn(wr_host h)
{
    wr_world_crash(&w, h);
    wr_work_wiped(&k, h);
    wr_disk_done(&w.hosts[h].disk);
    wr_work_count(&k);
}

Test(simwork, disks_up_to_n_minus_1_may_burn)
{
    const struct wr_world_cfg world = world_cfg();
    const struct wr_work_cfg work = work_cfg();

    start(&world, &work);
    run(WR_SEC(60));
    settle();
    burn(0);
    burn(1);
    cr_expect_eq(k.census.lost + k.census.lost_beyond, 0);
    cr_expect_gt(k.census.hist[1], 0);
    burn(2); /* What only these three had is gone, and excused. */
    cr_expect_eq(k.census.lost, 0);
    cr_expect_gt(k.census.lost_beyond, 0);
    cr_expect_lt(k.census.lost_beyond, k.census.n);
    stop();
}

Test(simwork, a_site_may_burn)
{
    struct wr_world_cfg world = world_cfg();
    const struct wr_work_cfg work = work_cfg();

    world.sites = 2;
    start(&world, &work);
    run(WR_SEC(60));
    settle();
    for (wr_host h = 0; h < HOSTS; h += 2)
        burn(h);
    cr_expect_eq(k.census.lost + k.census.lost_beyond, 0);
    stop();
}

/* ---- bytes --------------------------------------------------------------- */

static void (*honest)(struct wr_world *, wr_host, wr_host,
                      const struct wr_msg *, const struct wr_id *);
static uint32_t rotten;

/* The first chunks arrive with other bytes than their name says. */
static void rot(struct wr_world *world, wr_host from, wr_host leaf,
                const struct wr_msg *m, const struct wr_id *body)
{
    static const struct wr_id other;
    const bool bad = m->kind == WR_MSG_DATA && rotten > 0;

    rotten -= bad;
    honest(world, from, leaf, m, bad ? &other : body);
}

Test(simwork, wrong_bytes_are_not_taken)
{
    const struct wr_world_cfg world = world_cfg();
    struct wr_work_cfg work = work_cfg();

    work.put_us = work.get_us = WR_NEVER;
    start(&world, &work);
    run(WR_SEC(10));
    wr_work_put(&k, 0);
    run(WR_SEC(30));
    cr_assert_eq(k.kept_n, 1);
    honest = w.leaf;
    w.leaf = rot;
    rotten = 2;
    wr_work_get(&k, 1, k.kept[0]);
    run(WR_SEC(30));
    cr_expect_eq(k.bad, 2);
    cr_expect_eq(k.jobs[WR_WORK_GET].done, 1);
    stop();
}

static void (*true_bytes)(struct wr_world *, const struct wr_id *, uint8_t *,
                          uint32_t);

/* Every tenth body is hit on its way: what is hit four times is given up. */
static void flip(struct wr_world *world, const struct wr_id *name, uint8_t *to,
                 uint32_t n)
{
    static unsigned passed;

    true_bytes(world, name, to, n);
    if (++passed % 10 == 0 && rotten > 0) {
        to[n / 2] ^= 1;
        rotten--;
    }
}

Test(simwork, bytes_that_change_on_the_way_are_noticed_and_sent_again)
{
    struct wr_world_cfg world = world_cfg();
    const struct wr_work_cfg work = work_cfg();

    world.codec = true;
    start(&world, &work);
    true_bytes = w.bytes;
    cr_assert_not_null(true_bytes);
    w.bytes = flip;
    rotten = 30;
    run(WR_SEC(120));
    settle();
    cr_expect_eq(rotten, 0);
    cr_expect_gt(k.bad, 0);
    cr_expect_eq(k.jobs[WR_WORK_PUT].failed, 0);
    get_all();
    stop();
}

Test(simwork, a_file_that_was_put_before_is_not_sent_again)
{
    const struct wr_world_cfg world = world_cfg();
    struct wr_work_cfg work = work_cfg();

    work.get_us = WR_NEVER;
    work.repeat_ppm = 1000000;
    start(&world, &work);
    run(WR_SEC(100));
    settle();
    cr_assert_gt(k.jobs[WR_WORK_PUT].done, LEAVES);
    cr_expect_lt(k.kept_n, LEAVES);
    cr_expect_gt(k.repeated, k.blocks / 2);
    stop();
}

/* ---- the same again ------------------------------------------------------ */

static uint64_t digest_of(uint64_t seed, bool codec)
{
    struct wr_world_cfg world = world_cfg();
    struct wr_work_cfg work = work_cfg();
    uint64_t digest;

    world.seed = seed;
    world.codec = codec;
    work.lives.session = work.lives.away =
        wr_dist_by_mean(WR_DIST_EXPONENTIAL, 0, WR_SEC(30));
    work.move_us = WR_SEC(40);
    start(&world, &work);
    run(WR_SEC(60));
    wr_world_crash(&w, 1);
    run(WR_SEC(60));
    cr_expect_gt(k.jobs[WR_WORK_PUT].done, 0);
    digest = w.digest;
    stop();
    return digest;
}

Test(simwork, equal_seeds_give_equal_runs)
{
    const uint64_t one = digest_of(5, false);

    cr_expect_eq(digest_of(5, false), one);
    cr_expect_neq(digest_of(6, false), one);
    cr_expect_eq(digest_of(5, true), digest_of(5, true));
}
