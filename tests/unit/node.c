/* What a node as a whole promises; its rules are told in tests/transcript. */
#include <stdio.h>

#include "nodekit.h"
#include "proto/repair_set.h"
#include "proto/rules.h"

enum { SMALL_NODE_BYTES = 3584 }; /* 3.5 KiB: a million fit into 4 GiB. */

TestSuite(node, .init = setup, .fini = teardown);

/* Tables as a simulation of a million members would configure them. */
static struct wr_node_cfg small(wr_host self)
{
    struct wr_node_cfg cfg = wr_node_cfg_default(self, 1);

    cfg.succs = 8;
    cfg.peers_max = 16;
    cfg.routes_max = 32;
    cfg.lookups_max = 2;
    cfg.ops_max = 1;
    cfg.have_ops_max = 0;
    cfg.roster_max = 0;
    cfg.roster_us = WR_NEVER;
    return cfg;
}

Test(node, a_small_one_is_small)
{
    const struct wr_node_cfg cfg = small(add(1, 1));
    struct wr_node *n;

    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    printf("# a simulated node: %zu bytes (the ring and its tables %zu)\n",
           wr_node_size(n), n->size);
    cr_assert_leq(wr_node_size(n), SMALL_NODE_BYTES);
    wr_node_close(n);
}

Test(node, nothing_is_due_before_it_begins)
{
    const struct wr_node_cfg cfg = small(add(1, 1));
    struct wr_node *n;

    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    wr_node_tick(n, WR_SEC(1), &out);
    cr_assert_eq(out.n, 0);
    wr_node_close(n);
    wr_node_close(NULL);
}

/* R1 and ownership: alone, a host owns every key, each by one member. */
Test(node, every_key_has_one_owner_among_the_members_of_a_host_alone)
{
    const struct wr_node_cfg cfg = wr_node_cfg_default(add(1, 17), 17);
    struct wr_rng rng = {3};
    struct wr_node *n;

    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    wr_node_start_ring(n, WR_SEC(1), &out);
    for (unsigned k = 0; k < 1000; k++) {
        struct wr_id key;
        unsigned owners = 0;

        wr_rng_fill(&rng, key.b, sizeof(key.b));
        for (unsigned i = 0; i < 17; i++)
            owners += wr_ring_owns(&n->core, &n->core.rings[i], &key);
        cr_assert_eq(owners, 1);
    }
    wr_node_close(n);
}

/* A replica set names distinct hosts, the owner's own first. */
Test(node, a_replica_set_names_each_host_once)
{
    wr_host all[4];
    wr_ref set[WR_SET_MAX];
    struct wr_node *n;

    for (uint8_t i = 0; i < 4; i++)
        all[i] = add((uint8_t)(i + 1), 17);
    const struct wr_node_cfg cfg = wr_node_cfg_default(all[0], 17);
    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    wr_node_start_with(n, all, 4, WR_SEC(1), &out);
    for (unsigned i = 0; i < 17; i++) {
        const size_t got = wr_place_set(&n->core, &n->core.rings[i], 4, set);

        cr_assert_geq(got, 2);
        cr_assert_eq(set[0], wr_ref_of(all[0], i));
        for (size_t a = 0; a < got; a++) {
            for (size_t b = 0; b < a; b++)
                cr_assert_neq(wr_ref_host(set[a]), wr_ref_host(set[b]));
        }
    }
    wr_node_close(n);
}

/* Where invites name sites, a replica set has one host of each site before a
 * second of any, and the hosts of a site in the order of the ring. */
Test(node, a_replica_set_spreads_over_sites)
{
    static const uint32_t sites[] = {7, 7, 7, 8, 7, 9};
    struct wr_node *n;
    wr_ref set[WR_SET_MAX];
    wr_host all[6];

    for (uint8_t i = 0; i < 6; i++)
        all[i] = wr_book_add(&book, &(struct wr_host_id){{(uint8_t)(i + 1)}},
                             17, sites[i], NULL);
    const struct wr_node_cfg cfg = wr_node_cfg_default(all[0], 17);
    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    for (unsigned i = 1; i < 6; i++)
        admit(n, all[i], WR_SEC(1));
    wr_node_start_with(n, all, 6, WR_SEC(1), &out);
    for (unsigned i = 0; i < 17; i++) {
        bool seen[10] = {false};

        cr_assert_eq(wr_place_set(&n->core, &n->core.rings[i], 3, set), 3);
        cr_assert_eq(set[0], wr_ref_of(all[0], i));
        for (size_t k = 0; k < 3; k++) {
            const uint32_t site = sites[wr_ref_host(set[k])];

            cr_assert(!seen[site]);
            seen[site] = true;
        }
        cr_assert_eq(wr_place_set(&n->core, &n->core.rings[i], 6, set), 6);
    }
    wr_node_close(n);
}

/* A19: n and w while hosts are few: 1/1, 2/2, 2/3. */
Test(node, copies_follow_the_admitted_hosts)
{
    static const uint8_t want[][2] = {{1, 1}, {2, 2}, {3, 2}, {3, 2}};
    const struct wr_node_cfg cfg = wr_node_cfg_default(add(1, 17), 17);
    struct wr_node *n;

    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    for (uint8_t i = 0; i < 4; i++) {
        cr_assert_eq(wr_roster_copies(&n->core), want[i][0]);
        cr_assert_eq(wr_roster_durable(&n->core), want[i][1]);
        admit(n, add((uint8_t)(i + 2), 17), WR_SEC(1));
    }
    wr_node_close(n);
}

/* A newcomer knows few at first: it compares its roster with the first host
 * that it is linked to, and knows whom that one knows. */
Test(node, a_newcomer_compares_its_roster_at_once)
{
    const wr_host self = add(1, 17), guide = add(2, 17), third = add(3, 17);
    const struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);
    const struct wr_roster_entry all[] = {
        {.host = self, .incarnation = 1},
        {.host = guide, .incarnation = 1},
        {.host = third, .incarnation = 1},
    };
    struct wr_msg m = {.kind = WR_MSG_ROSTER};
    struct wr_event ev;
    struct wr_node *n;
    uint64_t known;

    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    admit(n, self, WR_SEC(1));
    admit(n, guide, WR_SEC(1));
    known = wr_roster_known(&n->core);
    wr_outbox_clear(&out);
    links_up(n, guide, 1, WR_SEC(1));
    cr_assert_eq(sent(WR_MSG_ROSTER_ASK, guide, &m.rid), 1);
    m.roster.n = 3;
    m.roster.count = 3;
    m.roster.entries = all;
    ev = (struct wr_event){.kind = WR_EV_RECV, .from = guide, .msg = &m};
    wr_node_step(n, &ev, WR_SEC(1), &out);
    cr_assert_eq(wr_roster_admitted_n(&n->core), 3);
    cr_assert_neq(wr_roster_known(&n->core), known);
    /* Whom one knows does not change when that one starts anew, or leaves. */
    known = wr_roster_known(&n->core);
    ev = (struct wr_event){.kind = WR_EV_ADMIT, .from = third};
    ev.admit.incarnation = 7;
    wr_node_step(n, &ev, WR_SEC(1), &out);
    cr_assert_eq(wr_roster_gone_n(&n->core), 0);
    ev.admit.state = WR_ROSTER_LEFT;
    wr_node_step(n, &ev, WR_SEC(1), &out);
    cr_assert_eq(wr_roster_gone_n(&n->core), 1);
    cr_assert_eq(wr_roster_known(&n->core), known);
    wr_node_close(n);
}

static void compare(struct wr_node *n, wr_host host)
{
    n->core.out = &out;
    wr_roster_compare(&n->core, host);
}

/* Several hosts know others than we do: each learns what we know. However
 * often one of them says so, it is asked once in a while. */
Test(node, rosters_are_compared_with_several_hosts_at_once)
{
    const wr_host self = add(1, 17);
    struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);
    struct wr_node *n;
    wr_host others[20];
    uint64_t rids[20] = {0};
    unsigned asked = 0;

    cfg.roster_us = WR_NEVER; /* None but those that follow. */
    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    for (unsigned i = 0; i < 20; i++) {
        others[i] = add((uint8_t)(i + 2), 17);
        admit(n, others[i], WR_SEC(1));
    }
    wr_outbox_clear(&out);
    for (unsigned round = 0; round < 50; round++)
        for (unsigned i = 0; i < 20; i++)
            compare(n, others[i]);
    for (unsigned i = 0; i < 20; i++) {
        const unsigned k = sent(WR_MSG_ROSTER_ASK, others[i], &rids[i]);

        cr_assert_leq(k, 1);
        asked += k;
    }
    cr_assert_geq(asked, 4);
    cr_assert_leq(asked, WR_ROSTER_ASKS);
    for (unsigned i = 0; i < 20; i++) {
        struct wr_msg m = {.kind = WR_MSG_ROSTER, .rid = rids[i]};
        uint64_t rid;

        m.roster.count = 1;
        wr_outbox_clear(&out);
        wr_node_step(n,
                     &(struct wr_event){
                         .kind = WR_EV_RECV, .from = others[i], .msg = &m},
                     WR_SEC(1), &out);
        cr_assert_eq(sent(WR_MSG_ROSTER, others[i], &rid), rids[i] != 0);
    }
    /* Who was left out has its turn; who was asked may be again. */
    wr_outbox_clear(&out);
    wr_node_tick(n, WR_SEC(1) + WR_MS(100), &out);
    wr_outbox_clear(&out);
    compare(n, others[0]);
    compare(n, others[19]);
    cr_assert_eq(sent(WR_MSG_ROSTER_ASK, others[0], &rids[0]), 0);
    wr_outbox_clear(&out);
    wr_node_tick(n, WR_SEC(30), &out);
    wr_outbox_clear(&out);
    compare(n, others[0]);
    cr_assert_eq(sent(WR_MSG_ROSTER_ASK, others[0], &rids[0]), 1);
    wr_node_close(n);
}

/* An answer counts from the host that was asked. */
Test(node, nobody_answers_a_comparison_for_another)
{
    const wr_host self = add(1, 17), x = add(2, 17), y = add(3, 17);
    struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);
    struct wr_msg m = {.kind = WR_MSG_ROSTER};
    struct wr_node *n;
    uint64_t rid;

    cfg.roster_us = WR_NEVER; /* None but those that follow. */
    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    admit(n, x, WR_SEC(1));
    wr_outbox_clear(&out);
    compare(n, x);
    cr_assert_eq(sent(WR_MSG_ROSTER_ASK, x, &m.rid), 1);
    wr_outbox_clear(&out);
    wr_node_step(n,
                 &(struct wr_event){.kind = WR_EV_RECV, .from = y, .msg = &m},
                 WR_SEC(1), &out);
    cr_assert_eq(sent(WR_MSG_ROSTER, y, &rid), 0);
    wr_node_step(n,
                 &(struct wr_event){.kind = WR_EV_RECV, .from = x, .msg = &m},
                 WR_SEC(1), &out);
    cr_assert_eq(sent(WR_MSG_ROSTER, x, &rid), 1);
    wr_node_close(n);
}

/* P3: a helper that is too busy to try says what it believes, and nothing of
 * whom it never met: one "alive" clears a suspicion. */
Test(node, a_busy_helper_does_not_vouch_for_a_stranger)
{
    const wr_host self = add(1, 17), asker = add(2, 1), met = add(3, 1);
    const struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);
    const wr_host hosts[] = {asker, met};
    unsigned said = 0;
    struct wr_node *n;

    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    wr_node_start_ring(n, 0, &out);
    for (unsigned i = 0; i < 2; i++)
        links_up(n, hosts[i], 1, 0);
    wr_outbox_clear(&out);
    for (unsigned i = 0; i <= WR_PEER_PROBES + 1; i++) {
        struct wr_msg m = wr_msg_of(WR_MSG_PROBE, i + 1);
        struct wr_event ev = {.kind = WR_EV_RECV, .from = asker, .msg = &m};

        m.probe.target = i <= WR_PEER_PROBES ? add((uint8_t)(10 + i), 1) : met;
        wr_node_step(n, &ev, 0, &out);
    }
    for (uint32_t i = 0; i < out.n; i++) {
        const struct wr_msg *m = &out.v[i].msg;

        if (out.v[i].kind != WR_FX_SEND || m->kind != WR_MSG_PROBED)
            continue;
        said++;
        cr_assert_eq(m->probe.target, met);
        cr_assert(m->probe.alive);
    }
    cr_assert_eq(said, 1);
    wr_node_close(n);
}

/* P7: whoever was held for dead is asked again now and then, however many they
 * are: one of them may be the only way back to another ring. */
Test(node, none_of_many_dead_is_forgotten)
{
    enum { DEAD = 300 };
    static const uint8_t ring[32] = {2};
    static unsigned pings[DEAD + 1];
    struct wr_book many;
    struct wr_node *n;

    cr_assert_eq(wr_book_init(&many, ring, DEAD + 1, DEAD + 32), WR_OK);
    const wr_host self =
        wr_book_add(&many, &(struct wr_host_id){{1}}, 17, 0, NULL);
    const struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);

    cr_assert_eq(wr_node_open(&n, &cfg, &many), WR_OK);
    wr_node_start_ring(n, 0, &out);
    for (unsigned i = 0; i < DEAD; i++) {
        const struct wr_host_id id = {{2, (uint8_t)(i >> 8), (uint8_t)i}};
        struct wr_event ev = {.kind = WR_EV_LINK_UP,
                              .from = wr_book_add(&many, &id, 1, 0, NULL),
                              .incarnation = 1};

        wr_node_step(n, &ev, 0, &out);
        ev.kind = WR_EV_LINK_DOWN;
        wr_node_step(n, &ev, 0, &out);
        wr_outbox_clear(&out);
    }
    for (wr_time now = 0; now < WR_SEC(5 * 3600); now = wr_node_deadline(n)) {
        wr_node_tick(n, now, &out);
        for (uint32_t i = 0; i < out.n && now > WR_SEC(3600); i++)
            if (out.v[i].kind == WR_FX_SEND && out.v[i].msg.kind == WR_MSG_PING)
                pings[out.v[i].to]++;
        wr_outbox_clear(&out);
    }
    for (wr_host h = self + 1; h <= DEAD; h++)
        cr_assert_gt(pings[h], 0, "host %u has not been pinged", h);
    wr_node_close(n);
    wr_book_done(&many);
}

/* P7: pings because others name it do not make its own turns rarer. */
Test(node, whoever_is_named_often_keeps_its_turns)
{
    const wr_host self = add(1, 17), x = add(2, 17);
    struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);
    struct wr_msg bye = {.kind = WR_MSG_BYE};
    struct wr_event ev = {.kind = WR_EV_RECV, .from = x, .msg = &bye};
    const wr_time named = WR_SEC(30);
    unsigned pings = 0;
    struct wr_node *n;

    cfg.jitter_permille = 0;
    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    wr_node_start_ring(n, 0, &out);
    wr_node_step(n, &ev, 0, &out);
    wr_outbox_clear(&out);
    for (wr_time now = WR_SEC(1); now <= named + cfg.probe_dead_us;
         now += WR_SEC(1)) {
        if (now <= named)
            wr_peers_named(&n->core, x, true);
        wr_node_tick(n, now, &out);
        for (uint32_t i = 0; i < out.n; i++)
            pings += out.v[i].kind == WR_FX_SEND && out.v[i].to == x &&
                     out.v[i].msg.kind == WR_MSG_PING;
        wr_outbox_clear(&out);
    }
    cr_assert_eq(pings, 30 + 1);
    wr_node_close(n);
}

/* Removal wins for good, whatever is heard later. */
Test(node, who_was_removed_does_not_come_back_by_hearsay)
{
    const wr_host self = add(1, 17), x = add(2, 17), y = add(3, 17);
    const struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);
    const struct wr_roster_entry said = {
        .host = x, .incarnation = 99, .state = WR_ROSTER_ADMITTED};
    struct wr_msg m = {.kind = WR_MSG_ROSTER};
    struct wr_node *n;

    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    admit(n, x, WR_SEC(1));
    cr_assert_eq(wr_roster_admitted_n(&n->core), 2);
    declare(n, x, WR_ROSTER_REMOVED, WR_SEC(1));
    cr_assert_eq(wr_roster_admitted_n(&n->core), 1);
    m.roster.n = 1;
    m.roster.entries = &said;
    wr_node_step(n,
                 &(struct wr_event){.kind = WR_EV_RECV, .from = y, .msg = &m},
                 WR_SEC(1), &out);
    cr_assert_not(wr_roster_admitted(&n->core, x));
    cr_assert_eq(wr_roster_admitted_n(&n->core), 1);
    wr_node_close(n);
}

/* It is asked, and not vouched for before it has answered. */
Test(node, who_was_silent_before_we_started_is_in_doubt)
{
    const wr_host self = add(1, 17), other = add(2, 17);
    struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);
    struct wr_event ev = {.kind = WR_EV_ADMIT, .from = other};
    struct wr_node *n;

    cfg.repair_us = WR_SEC(300);
    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    ev.admit.silent_s = 7200;
    wr_node_step(n, &ev, WR_SEC(1), &out);
    cr_assert_gt(sent(WR_MSG_PING, other, NULL), 0);
    cr_assert_neq(wr_peers_warmth(&n->core, other), WR_HOST_WARM);
    wr_node_close(n);
}

/* Then it cannot tell who keeps what: repair waits till it can. */
Test(node, members_of_who_has_left_do_not_stand_for_others)
{
    const wr_host self = add(1, 17), other = add(2, 17), gone = add(3, 17);
    const struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);
    struct wr_node *n;

    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    wr_node_start_with(n, (wr_host[]){self, other, gone}, 3, WR_SEC(1), &out);
    admit(n, self, WR_SEC(1));
    admit(n, other, WR_SEC(1));
    cr_assert(repair_knows_all(&n->core));
    declare(n, gone, WR_ROSTER_LEFT, WR_SEC(2));
    cr_assert(repair_knows_all(&n->core));
    wr_routes_learn_host(&n->routes, &n->core, gone); /* By hearsay. */
    cr_assert(repair_knows_all(&n->core));
    wr_routes_forget_host(&n->routes, &n->core, other);
    cr_assert_not(repair_knows_all(&n->core));
    wr_node_close(n);
}

/* And nobody is removed on hearsay. */
Test(node, a_peer_cannot_say_that_another_left)
{
    const wr_host self = add(1, 17), x = add(2, 17), y = add(3, 17);
    const struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);
    const struct wr_roster_entry said = {.host = x, .state = WR_ROSTER_REMOVED};
    struct wr_msg m = {.kind = WR_MSG_ROSTER};
    struct wr_node *n;

    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    admit(n, x, WR_SEC(1));
    m.roster.n = 1;
    m.roster.entries = &said;
    wr_node_step(n,
                 &(struct wr_event){.kind = WR_EV_RECV, .from = y, .msg = &m},
                 WR_SEC(1), &out);
    cr_assert(wr_roster_admitted(&n->core, x));
    wr_node_close(n);
}

/* Any bytes a peer may say are answered or counted, never fatal. */
/* One of our members that waits for an answer; any if none does. */
static const struct wr_ring *one_that_asks(const struct wr_core *c,
                                           struct wr_rng *rng)
{
    const unsigned from = (unsigned)wr_rng_below(rng, 17);

    for (unsigned i = 0; i < 17; i++)
        if (c->rings[(from + i) % 17].op != WR_OP_NONE)
            return &c->rings[(from + i) % 17];
    return &c->rings[from];
}

/* Says nothing but nonsense to a node, in the name of `others`, and checks
 * after each word that its members' lists are in order. */
static void talk_nonsense(struct wr_node *n, const wr_host *others,
                          unsigned others_n, wr_time now)
{
    static const uint8_t awaited[] = {WR_MSG_VIEW, WR_MSG_NEXT, WR_MSG_NOTIFY,
                                      WR_MSG_HINT};
    const struct wr_core *c = &n->core;
    wr_ref refs[WR_SUCCS_MAX] = {0};
    struct wr_rng rng = {11};

    for (unsigned i = 0; i < 100000; i++) {
        const struct wr_ring *of = one_that_asks(c, &rng);
        const bool fits = of->op != WR_OP_NONE && wr_rng_below(&rng, 2) == 0;
        struct wr_msg m = {
            .kind = fits ? awaited[wr_rng_below(&rng, 4)]
                         : (uint8_t)(1 + wr_rng_below(&rng, 26)),
            .from = (uint8_t)wr_rng_below(&rng, 20),
            .to = (uint8_t)wr_rng_below(&rng, 20),
            .rid = of->op_rid,
        };
        struct wr_event ev = {
            .kind = WR_EV_RECV,
            .from = others[wr_rng_below(&rng, others_n)],
            .msg = &m,
        };
        const size_t refs_n = wr_rng_below(&rng, WR_SUCCS_MAX + 1);
        const uint32_t incarnation = 1 + i / 100;

        if (m.kind == WR_MSG_ROUTE || m.kind == WR_MSG_ROUTED ||
            m.kind == WR_MSG_ROUTE_ACK)
            continue; /* The lookup's tests have these. */
        if (fits && wr_ref_host(of->op_peer) != c->cfg->self) {
            ev.from = wr_ref_host(of->op_peer);
            m.from = wr_ref_index(of->op_peer);
            m.to = wr_ref_index(of->self);
        }
        for (size_t k = 0; k < refs_n; k++)
            refs[k] = wr_rng_below(&rng, 4) == 0
                          ? (wr_ref)wr_rng_next(&rng)
                          : wr_ref_of((wr_host)wr_rng_below(&rng, others_n + 2),
                                      (unsigned)wr_rng_below(&rng, 20));
        if (m.kind == WR_MSG_PING || m.kind == WR_MSG_PONG) {
            m.ping.incarnation = incarnation; /* Back from its BYE. */
        } else if (m.kind == WR_MSG_VIEW) {
            m.view.state = fits && wr_rng_below(&rng, 8) > 0
                               ? WR_VIEW_MEMBER
                               : (uint8_t)wr_rng_below(&rng, 5);
            m.view.incarnation = incarnation;
            m.view.pred = refs[0];
            m.view.succs = refs;
            m.view.succs_n = (uint8_t)(fits ? refs_n % 3 : refs_n);
        } else if (m.kind == WR_MSG_NOTIFY) {
            m.notify.as = of->op == WR_OP_JOIN && of->succs_n > 0
                              ? WR_NOTIFY_HEAD
                              : (uint8_t)wr_rng_below(&rng, 5);
            m.notify.between = wr_rng_below(&rng, 3) == 0 ? WR_NO_REF : refs[0];
        } else if (m.kind == WR_MSG_NEXT) {
            m.next.final = wr_rng_below(&rng, 2) == 0;
            m.next.nodes = refs;
            m.next.n = (uint8_t)(refs_n % (WR_NEXT_MAX + 1));
        } else if (m.kind == WR_MSG_HINT) {
            m.hint.member = refs[0];
        } else if (m.kind == WR_MSG_PROBE || m.kind == WR_MSG_PROBED) {
            m.probe.target = (wr_host)wr_rng_below(&rng, others_n + 2);
        }
        now += wr_rng_below(&rng, WR_MS(20));
        wr_node_step(n, &ev, now, &out);
        wr_node_tick(n, now, &out);
        wr_outbox_clear(&out);
        for (unsigned k = 0; k < 17; k++) {
            const struct wr_ring *r = &c->rings[k];

            if (r->phase != WR_RING_MEMBER)
                continue;
            cr_assert(wr_book_has(&book, r->pred) && r->pred != r->self);
            cr_assert(r->succs_n > 0 && r->succs_n <= c->cfg->succs);
            for (uint8_t s = 0; s < r->succs_n; s++)
                cr_assert(wr_book_has(&book, r->succs[s]) &&
                          r->succs[s] != r->self);
            for (uint8_t s = 1; s < r->succs_n; s++)
                cr_assert(wr_core_between(c, s > 1 ? r->succs[s - 2] : r->self,
                                          r->succs[s - 1], r->succs[s]));
        }
    }
}

Test(node, nonsense_does_no_harm)
{
    const wr_host self = add(1, 17), x = add(2, 17);
    const struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);
    wr_host both[] = {self, x};
    struct wr_node *n;

    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    wr_node_start_with(n, both, 2, WR_SEC(1), &out);
    talk_nonsense(n, &x, 1, WR_SEC(1));
    wr_node_close(n);
}

/* R2: nor to one that looks for its place, and asks liars for it. */
Test(node, nonsense_does_no_harm_to_a_newcomer)
{
    const wr_host self = add(1, 17);
    const struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);
    wr_host others[4];
    struct wr_node *n;

    for (uint8_t i = 0; i < 4; i++)
        others[i] = add((uint8_t)(i + 2), (uint8_t)(1 + 4 * i));
    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    wr_node_join(n, others, 4, false, WR_SEC(1), &out);
    talk_nonsense(n, others, 4, WR_SEC(1));
    cr_assert_geq(n->core.count->joins_total, 17); /* It was heard. */
    wr_node_close(n);
}

/* R6: whoever is the next but one has to say who is between. */
Test(node, a_second_says_who_is_between)
{
    const wr_host self = add(1, 1), x = add(2, 17);
    struct wr_node_cfg cfg = wr_node_cfg_default(self, 1);
    wr_host both[] = {self, x};
    struct wr_node *n;

    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    wr_node_start_with(n, both, 2, WR_SEC(1), &out);
    const wr_ref pred = n->core.rings[0].pred;
    for (unsigned i = 0; i < 17; i++) {
        const struct wr_msg m = {
            .kind = WR_MSG_NOTIFY,
            .from = (uint8_t)i,
            .notify = {.as = WR_NOTIFY_SECOND, .between = WR_NO_REF}};

        wr_node_step(
            n, &(struct wr_event){.kind = WR_EV_RECV, .from = x, .msg = &m},
            WR_SEC(1), &out);
    }
    cr_assert_eq(n->core.rings[0].pred, pred);
    cr_assert_eq(n->core.rings[0].spare, WR_NO_REF);
    cr_assert_eq(n->core.count->recv_misfit_total, 17);
    wr_node_close(n);
}
