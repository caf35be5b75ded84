/* Fault runs (sim/plan.h, fuzz.h, data.h, faults.c): plans and their narrowing,
 * what faults do, and that each checker of data fires on what it is there for.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../sim/check.h"
#include "../../sim/data.h"
#include "../../sim/fuzz.h"
#include "../support/simkit.h"

/* ---- plans ----------------------------------------------------------------
 */

static struct wr_plan a, b;

static void assert_same_actions(void)
{
    cr_assert_eq(a.actions_n, b.actions_n);
    for (uint32_t i = 0; i < a.actions_n; i++) {
        cr_assert_eq(a.actions[i].at, b.actions[i].at);
        cr_assert_eq(a.actions[i].seed, b.actions[i].seed);
        cr_assert_eq(a.actions[i].kind, b.actions[i].kind);
    }
}

Test(simfuzz, a_seed_draws_the_same_plan_every_time_and_another_another)
{
    wr_plan_draw(&a, 7, NULL);
    wr_plan_draw(&b, 7, NULL);
    assert_same_actions();
    cr_assert_eq(a.faults, b.faults);
    cr_assert_eq(a.world.net.max_us, b.world.net.max_us);
    wr_plan_draw(&b, 8, NULL);
    cr_assert_neq(a.actions[0].seed, b.actions[0].seed);
}

/* Over many seeds every fault and every action comes, and goes. */
Test(simfuzz, seeds_draw_all_there_is)
{
    unsigned faults[WR_FAULT_N] = {0}, acts[WR_ACT_N] = {0};

    for (uint64_t seed = 0; seed < 200; seed++) {
        wr_plan_draw(&a, seed, NULL);
        cr_assert_geq(a.world.hosts, wr_plan_least(&a));
        cr_assert_leq(a.world.hosts, WR_PLAN_HOSTS);
        cr_assert_leq(a.first, a.world.hosts);
        cr_assert_gt(a.first * a.world.members, a.world.node.succs);
        for (unsigned f = 0; f < WR_FAULT_N; f++)
            faults[f] += wr_plan_has(&a, (enum wr_fault)f);
        for (uint32_t i = 0; i < a.actions_n; i++)
            acts[a.actions[i].kind] += !a.actions[i].dropped;
    }
    for (unsigned f = 0; f < WR_FAULT_N; f++)
        cr_assert(faults[f] > 20 && faults[f] < 195, "fault %u: %u", f,
                  faults[f]);
    for (unsigned i = 0; i < WR_ACT_N; i++)
        cr_assert_gt(acts[i], 20, "action %u", i);
}

Test(simfuzz, what_is_left_out_leaves_the_rest_as_it_was)
{
    struct wr_narrow n = {.without = 1u << WR_FAULT_LOSS};

    for (uint64_t seed = 0; seed < 50; seed++) {
        wr_plan_draw(&a, seed, NULL);
        wr_plan_draw(&b, seed, &n);
        assert_same_actions();
        cr_assert_eq(b.world.net.loss_permille, 0);
        cr_assert_eq(a.faults & ~n.without, b.faults);
        cr_assert_eq(a.world.net.twice_permille, b.world.net.twice_permille);
        cr_assert_eq(a.world.hosts, b.world.hosts);
        for (uint32_t i = 0; i < a.actions_n; i++)
            cr_assert_eq(b.actions[i].dropped,
                         a.actions[i].dropped ||
                             b.actions[i].kind == WR_ACT_LOSS);
    }
}

/* Cuts the command into words, and reads them as cmd_fuzz.c does. */
static void read_command(char *command, struct wr_narrow *ret)
{
    char word[WR_PLAN_WORD_MAX];

    for (char *w = strtok(command, " "); w != NULL; w = strtok(NULL, " ")) {
        if (strcmp(w, "--without") == 0)
            cr_assert_eq(wr_plan_without(ret, strtok(NULL, " "), word), WR_OK);
        else if (strcmp(w, "--keep") == 0)
            cr_assert_eq(wr_plan_keep(ret, strtok(NULL, " ")), WR_OK);
        else if (strcmp(w, "--hosts") == 0)
            ret->hosts = (uint32_t)atoi(strtok(NULL, " "));
        else if (strcmp(w, "--until") == 0)
            ret->until = WR_MS((wr_time)atoi(strtok(NULL, " ")));
    }
}

Test(simfuzz, the_command_of_a_narrowed_plan_says_it_again)
{
    struct wr_narrow n = {.hosts = 5, .until = WR_MS(20500)}, again = {0};
    char command[WR_PLAN_COMMAND_MAX], word[WR_PLAN_WORD_MAX];

    cr_assert_eq(wr_plan_without(&n, "loss,cut", word), WR_OK);
    cr_assert_eq(wr_plan_keep(&n, "0,3-5,9"), WR_OK);
    wr_plan_draw(&a, 12, &n);
    wr_plan_command(&a, command);
    cr_assert_str_eq(command,
                     "wreath-sim fuzz --seed 12 --hosts 5 --without loss,cut "
                     "--until 20500ms --keep 0,3-5,9");
    read_command(command, &again);
    wr_plan_draw(&b, 12, &again);
    assert_same_actions();
    for (uint32_t i = 0; i < a.actions_n; i++)
        cr_assert_eq(a.actions[i].dropped, b.actions[i].dropped);
    cr_assert_eq(a.faults, b.faults);
    cr_assert_eq(a.end, b.end);
    cr_assert_eq(a.world.hosts, b.world.hosts);
}

Test(simfuzz, words_that_are_none_are_refused)
{
    struct wr_narrow n = {0};
    char word[WR_PLAN_WORD_MAX];

    cr_assert_eq(wr_plan_without(&n, "dup,los", word), WR_EINVAL);
    cr_assert_str_eq(word, "los");
    cr_assert_eq(wr_plan_keep(&n, "none"), WR_OK);
    cr_assert_eq(wr_plan_keep(&n, "3-"), WR_EINVAL);
    cr_assert_eq(wr_plan_keep(&n, "5-3"), WR_EINVAL);
    cr_assert_eq(wr_plan_keep(&n, "224"), WR_EINVAL);
    cr_assert_eq(wr_plan_keep(&n, "1,,2"), WR_EINVAL);
}

Test(simfuzz, equal_plans_are_played_equally)
{
    const struct wr_fuzz_hooks hooks = {NULL, WR_NEVER, WR_NEVER};
    struct wr_fuzz_result one, two;

    wr_plan_draw(&a, 5, NULL);
    wr_fuzz_play(&a, &hooks, &one);
    wr_fuzz_play(&a, &hooks, &two);
    cr_assert_eq(one.digest, two.digest);
    cr_assert_eq(one.events, two.events);
    cr_assert_str_eq(one.why, "");
    wr_plan_draw(&a, 6, NULL);
    wr_fuzz_play(&a, &hooks, &two);
    cr_assert_neq(one.digest, two.digest);
}

/* ---- a ring with data -----------------------------------------------------
 */

enum { HOSTS = 5 };

static struct wr_world w;
static struct wr_data d;

static void setup(void)
{
    struct wr_world_cfg cfg = simkit_ring(21, HOSTS, 5, 1, 5);

    cfg.faults = true;
    cfg.node.succs = 4;
    cfg.node.roster_us = WR_SEC(5);
    cfg.node.roster_max = cfg.node.peers_max = 64;
    cfg.node.routes_max = 256;
    cfg.node.lookups_max = 64;
    cfg.node.ops_max = 16;
    cfg.node.have_ops_max = 4;
    cr_assert_eq(wr_world_init(&w, &cfg), WR_OK);
    wr_data_begin(&d, &w, 3);
    wr_world_begin(&w, NULL, HOSTS);
    wr_world_run(&w, WR_SEC(10));
}

static void teardown(void)
{
    wr_world_done(&w);
}

TestSuite(faults, .init = setup, .fini = teardown);

static void run(wr_time us)
{
    const wr_time until = w.now + us;

    while (w.now < until) {
        wr_world_run(&w, wr_time_min(until, w.now + WR_MS(250)));
        wr_data_tick(&d);
    }
}

/* A chunk that is acknowledged, on three disks. */
static uint32_t put_chunk(void)
{
    do {
        wr_data_put(&d, true);
        run(WR_SEC(3));
    } while (d.items[d.items_n - 1].root);
    cr_assert_null(d.why);
    cr_assert(d.items[d.items_n - 1].acked);
    cr_assert_eq(wr_data_holders(&d, d.items_n - 1, false), 3);
    return d.items_n - 1;
}

static wr_host holder(uint32_t item)
{
    for (wr_host h = 0; h < HOSTS; h++)
        if (wr_disk_find(&w.hosts[h].disk.chunks, &d.items[item].key) != NULL)
            return h;
    return WR_NO_HOST;
}

static struct wr_data_ask *open_ask(void)
{
    for (uint32_t i = 0; i < WR_DATA_ASKS; i++)
        if (d.asks[i].used)
            return &d.asks[i];
    cr_assert_fail("no request is open");
    return NULL;
}

/* The parent of the request that is open says so, whatever it does itself. */
static void answer(struct wr_msg m, const struct wr_id *body)
{
    struct wr_data_ask *ask = open_ask();
    const wr_host leaf = WR_HOST_LEAF | (wr_host)(ask - d.asks);

    m.rid = ask->rid;
    w.leaf(&w, ask->host, leaf, &m, body);
}

Test(faults, what_is_lost_shows)
{
    const uint32_t item = put_chunk();

    for (wr_host h = 0; h < HOSTS; h++)
        wr_disk_drop(&w.hosts[h].disk.chunks, &d.items[item].key);
    wr_data_get(&d, item, true);
    run(WR_SEC(40));
    cr_assert_str_eq(d.why,
                     "something acknowledged was not found in a quiet ring");
    cr_assert_eq(d.wrong_item, item);
}

Test(faults, a_no_for_what_is_there_shows)
{
    const uint32_t item = put_chunk();

    wr_data_get(&d, item, false);
    answer((struct wr_msg){.kind = WR_MSG_DATA,
                           .data.status = WR_STATUS_NO,
                           .data.digest = d.items[item].key},
           &d.items[item].key);
    cr_assert_str_eq(d.why, "\"no\" for what an admitted host has");
}

Test(faults, that_it_cannot_be_reached_is_no_violation)
{
    const uint32_t item = put_chunk();

    wr_data_get(&d, item, false);
    answer((struct wr_msg){.kind = WR_MSG_DATA,
                           .data.status = WR_STATUS_UNREACHABLE,
                           .data.digest = d.items[item].key},
           &d.items[item].key);
    cr_assert_null(d.why);
    cr_assert_eq(wr_data_open(&d), 0);
}

Test(faults, wrong_bytes_show)
{
    const uint32_t item = put_chunk();
    struct wr_id other = d.items[item].key;

    other.b[31] ^= 1;
    wr_data_get(&d, item, false);
    answer((struct wr_msg){.kind = WR_MSG_DATA,
                           .data.digest = d.items[item].key,
                           .data.len = 1000},
           &other);
    cr_assert_str_eq(d.why, "a wrong answer");
}

Test(faults, bytes_of_another_length_show)
{
    const uint32_t item = put_chunk();

    wr_data_get(&d, item, false);
    answer((struct wr_msg){.kind = WR_MSG_DATA,
                           .data.digest = d.items[item].key,
                           .data.len = 999},
           &d.items[item].key);
    cr_assert_str_eq(d.why, "a wrong answer");
}

Test(faults, an_acknowledgement_without_copies_shows)
{
    do /* Until it is a chunk. */
        wr_data_put(&d, false);
    while (d.items[d.items_n - 1].root);
    while (open_ask()->item != d.items_n - 1)
        open_ask()->used = false;
    answer((struct wr_msg){.kind = WR_MSG_PUT_DONE, .put_done.copies = 2},
           NULL);
    cr_assert_str_eq(d.why, "acknowledged with fewer copies than it says");
}

Test(faults, a_yes_of_have_without_copies_shows)
{
    const uint32_t item = put_chunk();

    wr_data_have(&d, item, false);
    answer((struct wr_msg){.kind = WR_MSG_HAD,
                           .had = {.n = 1, .bits[0] = 1, .copies = 4}},
           NULL);
    cr_assert_str_eq(d.why, "stands with fewer copies than it says");
}

Test(faults, a_request_without_end_shows)
{
    const uint32_t item = put_chunk();

    wr_data_get(&d, item, false);
    open_ask()->rid++; /* No answer fits. */
    run(WR_SEC(34));
    cr_assert_null(d.why);
    run(WR_SEC(3));
    cr_assert_str_eq(d.why, "a request did not end");
}

Test(faults, a_table_beyond_its_cap_shows)
{
    struct wr_node *n = w.hosts[2].node;
    const uint32_t routes = n->routes.n, peers = n->peers.n;

    cr_assert_null(wr_check_caps(&w));
    n->routes.n = 256 + 5 + 1;
    cr_assert_str_eq(wr_check_caps(&w), "routes");
    n->routes.n = routes;
    n->peers.n = 65;
    cr_assert_str_eq(wr_check_caps(&w), "peers");
    n->peers.n = peers;
    n->core.rings[1].succs_n++;
    cr_assert_str_eq(wr_check_caps(&w), "successors");
    n->core.rings[1].succs_n--;
}

Test(faults, an_item_with_fewer_copies_than_were_acknowledged_shows)
{
    const uint32_t item = put_chunk();

    cr_assert_not(wr_data_thin(&d, item));
    wr_disk_drop(&w.hosts[holder(item)].disk.chunks, &d.items[item].key);
    cr_assert_not(wr_data_thin(&d, item), "two are enough");
    wr_disk_drop(&w.hosts[holder(item)].disk.chunks, &d.items[item].key);
    cr_assert(wr_data_thin(&d, item));
}

Test(faults, an_acknowledgement_with_one_copy_of_three_shows)
{
    const uint32_t item = put_chunk();

    wr_data_put(&d, true);
    open_ask()->item = item;
    answer((struct wr_msg){.kind = WR_MSG_PUT_DONE, .put_done.copies = 1},
           NULL);
    cr_assert_str_eq(d.why, "acknowledged with too few copies");
}

/* ---- what faults do ---------------------------------------------------------
 */

Test(faults, rot_is_read_around_and_spares_the_last_copy)
{
    const uint32_t item = put_chunk();
    const wr_host first = holder(item);

    cr_assert(wr_data_rot(&d, first, item));
    cr_assert_not(wr_data_rot(&d, first, item), "it is rotten");
    cr_assert_eq(wr_data_holders(&d, item, false), 2);
    for (wr_host h = 0; h < HOSTS; h++)
        (void)wr_data_rot(&d, h, item);
    cr_assert_eq(wr_data_holders(&d, item, false), 1);
    for (unsigned i = 0; i < 2 * HOSTS; i++) {
        wr_data_get(&d, item, true);
        run(WR_SEC(5));
    }
    cr_assert_null(d.why);
}

Test(faults, a_host_without_its_data_spares_the_last_copy)
{
    const uint32_t item = put_chunk();
    unsigned wiped = 0;

    for (wr_host h = 0; h < HOSTS; h++)
        wiped += wr_data_wipe(&d, h);
    cr_assert_eq(wiped, HOSTS - 1);
    cr_assert_eq(wr_data_holders(&d, item, false), 1);
    cr_assert_eq(d.items[item].lost, 2);
}

Test(faults, a_full_disk_is_replaced_by_the_next)
{
    w.faults[1].full = w.faults[3].full = true;
    for (unsigned i = 0; i < 4; i++)
        (void)put_chunk();
    cr_assert_eq(w.hosts[1].disk.chunks.n + w.hosts[3].disk.chunks.n, 0);
}

Test(faults, all_disks_fail_and_nothing_is_acknowledged)
{
    w.cfg.write_permille = 1000;
    wr_data_put(&d, false);
    run(WR_SEC(60));
    cr_assert_not(d.items[0].acked);
    cr_assert_eq(wr_data_holders(&d, 0, false), 0);
    cr_assert_eq(wr_data_open(&d), 0);
    cr_assert_null(d.why);
}

Test(faults, reads_that_fail_are_never_a_no)
{
    const uint32_t item = put_chunk();

    w.cfg.read_permille = 1000;
    wr_data_get(&d, item, false);
    run(WR_SEC(60));
    cr_assert_eq(wr_data_open(&d), 0);
    cr_assert_eq(d.no_n, 0);
    cr_assert_eq(d.failed_n, 1);
}

/* A write that a crash overtakes may be on the disk, or not: over many both. */
Test(faults, a_crash_leaves_unanswered_writes_done_or_not)
{
    unsigned done = 0;

    w.cfg.torn = true;
    for (unsigned i = 0; i < 40; i++) {
        const struct wr_disk *disk = &w.hosts[2].disk;
        const uint32_t before = disk->chunks.n + disk->roots.n;

        wr_data_put(&d, false);
        wr_world_run(&w, w.now + WR_MS(16));
        wr_world_crash(&w, 2);
        wr_world_run(&w, w.now + WR_SEC(1));
        done += disk->chunks.n + disk->roots.n > before;
        wr_world_up(&w, 2, 0);
        run(WR_SEC(35));
        cr_assert_null(d.why);
    }
    cr_assert(done > 0 && done < 40, "%u", done);
}

Test(faults, a_clock_that_jumps_harms_nobody)
{
    struct wr_check k;

    for (unsigned i = 0; i < 20; i++) {
        wr_world_jump(&w, i % HOSTS, WR_SEC(1) << i % 12);
        run(WR_SEC(7));
    }
    wr_check(&w, &k);
    cr_assert(wr_check_ideal(&w, &k));
    cr_assert_eq(w.false_deaths, 0);
}

/* In each direction: what is sent to the upper side arrives. */
Test(faults, a_cut_may_let_one_direction_through)
{
    wr_world_side(&w, 4, 1);
    cr_assert_not(wr_simnet_reach(&w.net, 0, 4));
    cr_assert_not(wr_simnet_reach(&w.net, 4, 0));
    w.net.one_way = true;
    cr_assert(wr_simnet_reach(&w.net, 0, 4));
    cr_assert_not(wr_simnet_reach(&w.net, 4, 0));
    wr_world_heal(&w);
    cr_assert(wr_simnet_reach(&w.net, 4, 0));
    cr_assert_not(w.net.one_way);
}

/* R12's new incarnation is written down after a while: a crash forgets it. */
Test(faults, what_is_not_written_down_a_crash_forgets)
{
    const uint32_t before = w.hosts[3].incarnation;

    run(WR_SEC(5));
    w.hosts[3].node->core.incarnation = before + 7;
    wr_world_crash(&w, 3);
    wr_world_up(&w, 3, 0);
    cr_assert_eq(wr_node_incarnation(w.hosts[3].node), before + 1);
}
