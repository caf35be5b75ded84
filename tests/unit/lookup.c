/* Routes and lookups over a ring that stands still. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "still.h"

static void fingers_only(struct wr_node_cfg *cfg)
{
    cfg->routes_max = 64;
    cfg->lookups_max = 16;
    cfg->finger_us = WR_MS(20);
}

static void small(struct wr_node_cfg *cfg)
{
    cfg->routes_max = 32;
    cfg->lookups_max = 4;
    cfg->ops_max = 2;
    cfg->have_ops_max = 0;
}

static const struct wr_msg *last_done(const struct still *w)
{
    cr_assert_gt(w->done_n, 0);
    return &w->done[w->done_n - 1].done.answer;
}

/* Looks random keys up at random hosts; the mean of their hops, in 1/1000. */
static uint64_t mean_hops(struct still *w, unsigned keys)
{
    uint64_t hops = 0;

    for (unsigned i = 0; i < keys; i++) {
        const struct wr_id key = still_key(w);
        const wr_host at = (wr_host)wr_rng_below(&w->rng, w->n);

        w->done_n = 0;
        still_lookup(w, at, &key, false);
        still_run(w, WR_MS(200));
        cr_assert_eq(w->done_n, 1, "ends once, and within its time");
        cr_assert_eq(last_done(w)->routed.status, WR_STATUS_OK);
        cr_assert_eq(last_done(w)->routed.owner, still_owner(w, &key));
        hops += last_done(w)->routed.hops;
    }
    return hops * 1000 / keys;
}

Test(lookup, fingers_alone_take_half_of_log2_n)
{
    struct still *w = still_open(256, 1, 1, fingers_only);

    for (uint32_t i = 0; i < w->n; i++)
        w->hosts[i].routes.fingers_only = true;
    still_fingers(w, WR_SEC(1));
    const uint64_t mean = mean_hops(w, 400);
    printf("# mean hops, fingers only, 256 hosts: %u/1000\n", (unsigned)mean);
    cr_assert(mean >= 3300 && mean <= 4700, "mean %u/1000 for 4.0",
              (unsigned)mean);
    still_close(w);
}

Test(lookup, full_tables_take_one_hop)
{
    struct still *w = still_open(256, 1, 2, NULL);

    still_fingers(w, 0);
    still_full_tables(w);
    const uint64_t mean = mean_hops(w, 400);
    cr_assert_leq(mean, 1000);
    cr_assert_geq(mean, 980); /* A key of one's own is no hop. */
    still_close(w);
}

Test(lookup, many_members_and_full_tables_take_one_hop)
{
    struct still *w = still_open(40, 17, 3, NULL);

    for (uint32_t i = 0; i < w->n; i++) {
        wr_routes_done(&w->hosts[i].routes);
        w->hosts[i].cfg.routes_max = 1000;
        cr_assert_eq(wr_routes_init(&w->hosts[i].routes, &still_sight,
                                    &w->hosts[i].cfg, &w->book),
                     WR_OK);
    }
    still_fingers(w, 0);
    still_full_tables(w);
    cr_assert_leq(mean_hops(w, 300), 1100);
    still_close(w);
}

Test(lookup, own_key_is_no_hop_and_names_the_set)
{
    struct still *w = still_open(20, 1, 4, NULL);
    const struct wr_id *key = wr_book_id(&w->book, wr_ref_of(7, 0));

    still_lookup(w, 7, key, true);
    cr_assert_eq(w->done_n, 1);
    cr_assert_eq(w->done[0].done.token, 7);
    cr_assert_eq(last_done(w)->routed.hops, 0);
    cr_assert_eq(last_done(w)->routed.path_n, 1);
    cr_assert_geq(last_done(w)->routed.set_n, 3);
    still_close(w);
}

Test(lookup, trace_names_each_host_that_was_passed)
{
    struct still *w = still_open(256, 1, 5, fingers_only);

    for (uint32_t i = 0; i < w->n; i++)
        w->hosts[i].routes.fingers_only = true;
    still_fingers(w, WR_SEC(1));
    for (unsigned i = 0; i < 50; i++) {
        const struct wr_id key = still_key(w);

        w->done_n = 0;
        still_lookup(w, 3, &key, true);
        still_run(w, WR_MS(200));
        const struct wr_msg *m = last_done(w);
        cr_assert_eq(m->routed.path_n, m->routed.hops + 1);
        cr_assert_eq(w->done_path[0], 3);
        cr_assert_eq(w->done_path[m->routed.path_n - 1],
                     wr_ref_host(m->routed.owner));
    }
    still_close(w);
}

/* A tenth of the hosts die; the ring has healed, the fingers have not. */
Test(lookup, silent_hops_are_gone_round)
{
    struct still *w = still_open(200, 1, 6, fingers_only);

    for (uint32_t i = 0; i < w->n; i++)
        w->hosts[i].routes.fingers_only = true;
    still_fingers(w, WR_SEC(1));
    for (uint32_t i = 0; i < w->n; i += 10) {
        w->hosts[i].silent = true;
        w->hosts[i].in_ring = false;
    }
    for (unsigned i = 0; i < 200; i++) {
        const struct wr_id key = still_key(w);

        w->done_n = 0;
        still_lookup(w, 1 + 2 * (i % 50), &key, false);
        still_run(w, WR_SEC(31));
        cr_assert_eq(w->done_n, 1);
        cr_assert_eq(last_done(w)->routed.status, WR_STATUS_OK);
        cr_assert_eq(last_done(w)->routed.owner, still_owner(w, &key));
    }
    still_close(w);
}

/* The wrong owner's table sends the lookup back towards the key, not round the
 * ring, and never to and fro. */
Test(lookup, a_believed_owner_that_is_not_forwards)
{
    struct still *w = still_open(64, 1, 7, NULL);

    still_fingers(w, 0);
    still_full_tables(w);
    /* Half of the hosts leave everybody's tables but their neighbours'. */
    for (uint32_t i = 0; i < w->n; i++)
        for (uint32_t k = 0; k < w->n; k++)
            if (k != i && (k * 7 + i) % 2 == 0)
                wr_routes_forget_host(&w->hosts[i].routes, &w->hosts[i].core,
                                      k);
    cr_assert_leq(mean_hops(w, 400), 3000);
    still_close(w);
}

Test(lookup, always_ends_and_ends_once_whatever_is_lost)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct still *w = still_open(40, 1, 100 + seed, small);
        const struct wr_id key = still_key(w);

        w->drop_permille = (uint32_t)wr_rng_below(&w->rng, 1000);
        w->jitter_us = WR_MS(50);
        still_fingers(w, WR_MS(300));
        for (wr_host h = 0; h < 20; h++)
            still_lookup(w, h, &key, false);
        still_run(w, WR_SEC(31));
        cr_assert_eq(w->done_n, 20, "seed %u: %u", (unsigned)seed, w->done_n);
        for (uint32_t i = 0; i < w->done_n; i++)
            if (w->done[i].done.status == WR_STATUS_OK)
                cr_assert_eq(w->done[i].done.answer.routed.owner,
                             still_owner(w, &key));
        still_close(w);
    }
}

Test(lookup, five_percent_loss_fails_no_lookup)
{
    struct still *w = still_open(100, 1, 8, NULL);

    w->drop_permille = 50;
    still_fingers(w, WR_MS(300));
    for (unsigned i = 0; i < 300; i++) {
        const struct wr_id key = still_key(w);

        w->done_n = 0;
        still_lookup(w, i % w->n, &key, false);
        still_run(w, WR_SEC(31));
        cr_assert_eq(w->done_n, 1);
        cr_assert_eq(last_done(w)->routed.status, WR_STATUS_OK, "%s",
                     wr_status_name(last_done(w)->routed.status));
    }
    still_close(w);
}

/* A dial that is refused takes no time: only the rule (L6) holds a lookup back
 * from going round among the refusing as fast as they refuse. The owner is one
 * of them, so it lives for all of its 30 s. */
Test(lookup, refusing_hosts_are_not_asked_at_the_pace_they_refuse)
{
    enum { PER_SECOND = 50, SECONDS = 30 };
    struct still *w = still_open(60, 1, 12, NULL);

    still_fingers(w, 0);
    still_full_tables(w);
    for (uint32_t i = 1; i < w->n; i++)
        w->hosts[wr_ref_host(w->ring[i])].refuses = i % 2 == 1;
    const wr_host asker = wr_ref_host(w->ring[0]);
    const struct wr_id key = *wr_book_id(&w->book, w->ring[31]);
    const uint64_t before = w->sends[WR_MSG_ROUTE];

    still_lookup(w, asker, &key, false);
    still_run(w, WR_SEC(SECONDS + 1));
    const uint64_t sent = w->sends[WR_MSG_ROUTE] - before;
    printf("# ROUTEs of a lookup whose owner refuses: %u\n", (unsigned)sent);
    cr_assert_eq(w->done_n, 1);
    cr_assert_leq(sent, (uint64_t)PER_SECOND * SECONDS);
    still_close(w);
}

/* And what refuses for a moment only is still found, soon. */
Test(lookup, an_owner_that_refused_for_a_moment_is_found)
{
    struct still *w = still_open(60, 1, 13, NULL);

    still_fingers(w, 0);
    still_full_tables(w);
    const struct wr_id key = *wr_book_id(&w->book, w->ring[31]);
    const wr_host owner = wr_ref_host(w->ring[31]);

    w->hosts[owner].refuses = true;
    still_lookup(w, wr_ref_host(w->ring[0]), &key, false);
    still_run(w, WR_SEC(4));
    cr_assert_eq(w->done_n, 0);
    w->hosts[owner].refuses = false;
    still_run(w, WR_SEC(5));
    cr_assert_eq(w->done_n, 1);
    cr_assert_eq(last_done(w)->routed.status, WR_STATUS_OK);
    still_close(w);
}

Test(lookup, a_full_table_says_busy)
{
    struct still *w = still_open(40, 1, 9, small);
    unsigned busy = 0;

    for (uint32_t i = 1; i < w->n; i++)
        w->hosts[i].silent = true;
    for (unsigned i = 0; i < 6; i++) {
        struct wr_id key = *wr_book_id(&w->book, wr_ref_of(i + 1, 0));

        still_lookup(w, 0, &key, false);
    }
    for (uint32_t i = 0; i < w->done_n; i++)
        busy += w->done[i].done.status == WR_STATUS_BUSY;
    cr_assert_eq(busy, 2);
    cr_assert_eq(w->hosts[0].count.lookups_full_total, 2);
    still_close(w);
}

/* Hops and ttl together are what a way may have, whatever a sender says. */
Test(lookup, nobody_is_led_on_beyond_the_longest_way)
{
    struct still *w = still_open(40, 1, 14, NULL);
    struct still_host *h = &w->hosts[0];
    struct wr_msg m = {.kind = WR_MSG_ROUTE, .from = 0, .to = WR_MEMBER_NONE};
    unsigned routes = 0;

    still_fingers(w, WR_SEC(1));
    m.route.key = *wr_book_id(&w->book, wr_ref_of(7, 0));
    m.route.ttl = WR_HOPS_MAX;
    for (m.rid = 1; m.rid <= 2; m.rid++) {
        m.route.hops = m.rid == 1 ? WR_HOPS_MAX - 3 : WR_HOPS_MAX;
        wr_lookups_recv(&h->lookups, &h->core, 5, &m);
    }
    for (uint32_t i = 0; i < h->out.n; i++) {
        const struct wr_msg *const sent = &h->out.v[i].msg;

        if (h->out.v[i].kind != WR_FX_SEND || sent->kind != WR_MSG_ROUTE)
            continue;
        routes++;
        cr_assert_eq(sent->route.hops, WR_HOPS_MAX - 2);
        cr_assert_eq(sent->route.ttl, 2);
    }
    cr_assert_eq(routes, 1);
    still_close(w);
}

Test(lookup, an_answer_that_nobody_awaits_changes_nothing)
{
    struct still *w = still_open(10, 1, 10, NULL);
    struct still_host *h = &w->hosts[0];
    const struct wr_msg m = {.kind = WR_MSG_ROUTED,
                             .rid = 0x12340000,
                             .routed = {.owner = wr_ref_of(5, 0)}};

    wr_lookups_recv(&h->lookups, &h->core, 5, &m);
    cr_assert_eq(h->count.recv_stale_total, 1);
    cr_assert_eq(h->out.n, 0);
    still_close(w);
}

Test(lookup, a_simulated_nodes_tables_are_small)
{
    struct still *w = still_open(2, 1, 11, small);
    const struct still_host *h = &w->hosts[0];
    const size_t bytes = wr_routes_size(&h->routes) + sizeof(h->routes) +
                         wr_lookups_size(&h->lookups) + sizeof(h->lookups) +
                         wr_replica_size(&h->replica) + sizeof(h->replica);

    printf("# routes, lookup and replica: %zu bytes\n", bytes);
    cr_assert_leq(bytes, 1920); /* 128 of them: hosts that are mute. */
    still_close(w);
}
