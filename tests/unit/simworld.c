/* The engine of the simulator: how rings start, what messages cost, who has a
 * link with whom, alarms. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../sim/check.h"
#include "../../sim/cost.h"
#include "../../sim/links.h"
#include "../../sim/world.h"
#include "../support/simkit.h"
#include "net/impl.h"

/* ---- how a ring starts ------------------------------------------------- */

static struct wr_world_cfg large(uint32_t hosts, uint8_t members)
{
    struct wr_world_cfg cfg = simkit_ring(7, hosts, members, 10, 50);

    cfg.node.succs = 8;
    cfg.node.roster_max = 0;
    cfg.node.roster_us = WR_NEVER;
    cfg.node.peers_max = 64;
    cfg.node.routes_max = 256;
    cfg.node.lookups_max = 32;
    return cfg;
}

/* The member that follows a position first, from all of them. */
static wr_ref first_at(const struct wr_world *w, const struct wr_id *at)
{
    wr_ref best = WR_NO_REF;

    for (wr_host h = 0; h < w->cfg.hosts; h++) {
        for (unsigned i = 0; wr_world_is_up(w, h) && i < w->cfg.members; i++) {
            const wr_ref m = wr_ref_of(h, i);
            const struct wr_id *id = wr_book_id(&w->book, m);

            if (wr_id_eq(id, at))
                return m;
            if (best == WR_NO_REF ||
                wr_id_between(at, id, wr_book_id(&w->book, best)))
                best = m;
        }
    }
    return best;
}

static bool is_finger(const struct wr_routes *r, wr_ref m)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (r->refs[i] == m)
            return r->fingers[i] != 0;
    return false;
}

static void assert_fingers(const struct wr_world *w, wr_host h)
{
    const struct wr_node *n = w->hosts[h].node;

    for (unsigned i = 0; i < w->cfg.members; i++) {
        const struct wr_id *us = wr_book_id(&w->book, wr_ref_of(h, i));
        const struct wr_id *head =
            wr_book_id(&w->book, n->core.rings[i].succs[0]);

        for (unsigned bit = 255; bit > 192; bit--) {
            const struct wr_id at = wr_id_add_pow2(us, bit);
            const wr_ref m = first_at(w, &at);

            if (wr_id_owns(us, &at, head))
                break;
            if (wr_ref_host(m) != h)
                cr_assert(is_finger(&n->routes, m), "%u.%u + 2^%u", h, i, bit);
        }
    }
}

static void assert_ideal(const struct wr_world *w)
{
    struct wr_check k;

    wr_check(w, &k);
    cr_assert(wr_check_invariant(w, &k));
    cr_assert(wr_check_ideal(w, &k));
}

Test(simworld, a_ring_starts_ideal_and_stays_so)
{
    const struct wr_world_cfg cfg = large(400, 1);
    struct wr_world w;

    cr_assert_eq(wr_world_init(&w, &cfg), WR_OK);
    wr_world_begin(&w, NULL, 400);
    assert_ideal(&w);
    for (wr_host h = 0; h < 400; h += 13)
        assert_fingers(&w, h);
    wr_world_run(&w, WR_SEC(30));
    assert_ideal(&w);
    cr_assert_eq(w.false_deaths, 0);
    wr_world_done(&w);
}

Test(simworld, those_named_start_and_no_others)
{
    static const wr_host hosts[] = {9, 3, 4, 11, 0};
    const struct wr_world_cfg cfg = large(12, 5);
    struct wr_world w;

    cr_assert_eq(wr_world_init(&w, &cfg), WR_OK);
    wr_world_begin(&w, hosts, WR_ARRAY_LEN(hosts));
    assert_ideal(&w);
    for (size_t i = 0; i < WR_ARRAY_LEN(hosts); i++) {
        cr_assert(wr_world_is_up(&w, hosts[i]));
        assert_fingers(&w, hosts[i]);
    }
    cr_assert_not(wr_world_is_up(&w, 1));
    wr_world_done(&w);
}

/* The way to its place is a walk by fingers: by successors alone it would take
 * a hundred steps, and is given up before. */
Test(simworld, a_host_joins_a_large_ring)
{
    const struct wr_world_cfg cfg = large(1001, 1);
    struct wr_world w;

    cr_assert_eq(wr_world_init(&w, &cfg), WR_OK);
    wr_world_begin(&w, NULL, 1000);
    wr_world_run(&w, WR_SEC(1));
    wr_world_up(&w, 1000, 17);
    wr_world_run(&w, WR_SEC(3));
    cr_assert(w.hosts[1000].joined);
    wr_world_run(&w, WR_SEC(60));
    assert_ideal(&w);
    wr_world_done(&w);
}

/* ---- alarms -------------------------------------------------------------- */

struct alarms {
    uint64_t cookies[8];
    wr_time at[8];
    unsigned n;
};

static void on_alarm(struct wr_world *w, uint64_t cookie)
{
    struct alarms *a = w->alarm_arg;

    a->cookies[a->n] = cookie;
    a->at[a->n++] = w->now;
    if (cookie == 30) /* The past is now. */
        wr_world_at(w, WR_SEC(1), 31);
}

Test(simworld, alarms_come_in_order)
{
    static const uint64_t want[] = {10, 20, 21, 30, 31};
    const struct wr_world_cfg cfg = large(12, 1);
    struct alarms a = {0};
    struct wr_world w;

    cr_assert_eq(wr_world_init(&w, &cfg), WR_OK);
    w.alarm = on_alarm;
    w.alarm_arg = &a;
    wr_world_at(&w, WR_SEC(3), 30);
    wr_world_at(&w, WR_SEC(2), 20);
    wr_world_at(&w, WR_SEC(2), 21);
    wr_world_at(&w, WR_SEC(1), 10);
    wr_world_at(&w, WR_SEC(9), 90);
    wr_world_run(&w, WR_SEC(5));
    cr_assert_eq(a.n, WR_ARRAY_LEN(want));
    for (unsigned i = 0; i < a.n; i++)
        cr_assert_eq(a.cookies[i], want[i]);
    cr_assert_eq(a.at[1], WR_SEC(2));
    cr_assert_eq(a.at[4], WR_SEC(3));
    wr_world_done(&w);
}

/* ---- links --------------------------------------------------------------- */

/* ---- processes that stand still ----------------------------------------- */

struct steps {
    wr_time last; /* Of host 5: its latest, */
    uint64_t n;   /* and how many. */
};

static void count_steps(struct wr_world *w, wr_host h)
{
    struct steps *s = w->changed_arg;

    if (h == 5) {
        s->last = w->now;
        s->n++;
    }
}

/* 40 hosts, of which 5 stands still from 10 s on. */
static void pause_5(struct wr_world *w, struct steps *s, wr_time us)
{
    const struct wr_world_cfg cfg = large(40, 1);

    cr_assert_eq(wr_world_init(w, &cfg), WR_OK);
    wr_world_begin(w, NULL, 40);
    w->changed = count_steps;
    w->changed_arg = s;
    wr_world_run(w, WR_SEC(10));
    cr_assert_gt(s->n, 0);
    wr_world_pause(w, 5, w->now + us);
    s->n = 0;
}

Test(simworld, who_stands_still_does_nothing_and_then_all_that_waited)
{
    struct wr_world w;
    struct steps s = {0};

    pause_5(&w, &s, WR_SEC(60));
    wr_world_run(&w, WR_SEC(70) - 1);
    cr_assert_eq(s.n, 0);
    cr_assert_gt(w.false_deaths, 0); /* The others could not know. */
    wr_world_run(&w, WR_SEC(70));
    cr_assert_gt(s.n, 1);
    cr_assert_eq(s.last, WR_SEC(70));
    wr_world_run(&w, WR_SEC(300));
    assert_ideal(&w);
    wr_world_done(&w);
}

Test(simworld, a_short_pause_goes_unnoticed)
{
    struct wr_world w;
    struct steps s = {0};

    pause_5(&w, &s, WR_MS(100));
    wr_world_run(&w, WR_SEC(60));
    cr_assert_gt(s.n, 10);
    cr_assert_eq(w.false_deaths, 0);
    assert_ideal(&w);
    wr_world_done(&w);
}

Test(simworld, a_crash_ends_a_pause_and_what_waited_is_lost)
{
    struct wr_world w;
    struct steps s = {0};

    pause_5(&w, &s, WR_SEC(60));
    wr_world_run(&w, WR_SEC(20));
    wr_world_crash(&w, 5);
    wr_world_up(&w, 5, 0);
    s.n = 0;
    wr_world_run(&w, WR_SEC(69));
    cr_assert_gt(s.n, 10);
    wr_world_run(&w, WR_SEC(300));
    assert_ideal(&w);
    wr_world_done(&w);
}

Test(simworld, links_are_as_in_a_plain_table)
{
    enum { HOSTS = 200 };
    uint32_t plain[HOSTS] = {0};
    struct wr_links t = {0};
    struct wr_rng rng = {5};

    for (unsigned i = 0; i < 20000; i++) {
        const wr_host h = (wr_host)wr_rng_below(&rng, HOSTS) * 64;
        const uint32_t epoch = (uint32_t)wr_rng_below(&rng, 3);
        struct wr_sim_link *l = wr_links_at(&t, h, HOSTS);

        cr_assert_eq(wr_link_peer(l), h);
        cr_assert_eq(l->epoch, plain[h / 64]);
        l->epoch = epoch & 3;
        plain[h / 64] = epoch;
        if (i % 4000 == 3999) {
            wr_links_clear(&t);
            memset(plain, 0, sizeof(plain));
        }
    }
    cr_assert_null(wr_links_find(&t, 1));
    cr_assert_leq(t.cap, 512);
    wr_links_done(&t);
}

/* Those that are used stand; the table does not grow with whom it has met. */
Test(simworld, idle_links_are_closed)
{
    enum { MAX = 16, BUSY = 10, MET = 10000 };
    struct wr_links t = {0};

    for (wr_host h = 0; h < MET; h++) {
        for (wr_host busy = 0; busy < BUSY; busy++) {
            struct wr_sim_link *l = wr_links_at(&t, busy, MAX);

            cr_assert(h == 0 || l->epoch == 7, "link %u was closed", busy);
            l->epoch = 7;
        }
        wr_links_at(&t, BUSY + h, MAX)->epoch = 1;
    }
    cr_assert_leq(t.cap, 2 * MAX);
    wr_links_done(&t);
}

Test(simworld, one_link_is_set_up_for_all_messages_between_two)
{
    const struct wr_world_cfg cfg = large(9, 1);
    uint64_t sent = 0, received = 0, setups;
    struct wr_world w;

    cr_assert_eq(wr_world_init(&w, &cfg), WR_OK);
    wr_world_begin(&w, NULL, 9);
    wr_world_run(&w, WR_SEC(120));
    setups = w.setups_n;
    cr_assert_gt(setups, 8);
    cr_assert_leq(setups, 2 * 9 * 8 / 2); /* Twice if they dial at once. */
    wr_world_run(&w, WR_SEC(300));
    cr_assert_eq(w.setups_n, setups);
    for (wr_host h = 0; h < 9; h++) {
        sent += w.hosts[h].sent_bytes;
        received += w.hosts[h].recv_bytes;
    }
    for (unsigned k = 0; k < WR_WORLD_KINDS; k++)
        sent -= w.sent_bytes[k];
    cr_assert_eq(sent, w.setup_bytes);
    cr_assert_gt(received, w.setup_bytes);
    wr_world_done(&w);
}

/* ---- what messages cost -------------------------------------------------- */

Test(simworld, records_are_those_of_the_net)
{
    cr_assert_eq(WR_COST_RECORD, RECORD_HEAD + WR_NOISE_TAG);
    cr_assert_eq(WR_COST_BODY_INLINE, BODY_INLINE);
}

static size_t shake_step(struct wr_noise *from, struct wr_noise *to,
                         size_t payload)
{
    static const uint8_t zeros[WR_LINK_PAYLOAD_MAX];
    uint8_t wire[2048], got[2048];
    size_t n, got_n;

    cr_assert_eq(
        wr_noise_write(from, wr_span(zeros, payload), wire, sizeof(wire), &n),
        WR_OK);
    cr_assert_eq(wr_noise_read(to, wr_span(wire, n), got, sizeof(got), &got_n),
                 WR_OK);
    cr_assert_eq(got_n, payload);
    return RECORD_HEAD + n;
}

Test(simworld, a_handshake_costs_what_noise_makes_of_it)
{
    static const uint8_t psk[1][WR_NOISE_KEY] = {{1}};
    struct wr_noise side[2];

    for (unsigned i = 0; i < 2; i++) {
        uint8_t secret[WR_NOISE_KEY] = {(uint8_t)(2 + i)};
        uint8_t ephemeral[WR_NOISE_KEY] = {(uint8_t)(4 + i)};
        uint8_t public[WR_NOISE_KEY];
        const struct wr_noise_cfg cfg = {
            .pattern = &wr_noise_xxpsk0,
            .initiator = i == 0,
            .static_secret = secret,
            .static_public = public,
            .ephemeral_secret = ephemeral,
            .psks = psk,
            .n_psks = 1,
        };

        wr_noise_public(secret, public);
        wr_noise_start(&side[i], &cfg);
    }
    cr_assert_eq(shake_step(&side[0], &side[1], 0), WR_COST_SHAKE_1);
    cr_assert_eq(shake_step(&side[1], &side[0], WR_COST_CRED), WR_COST_SHAKE_2);
    cr_assert_eq(shake_step(&side[0], &side[1], WR_COST_CRED), WR_COST_SHAKE_3);
}

Test(simworld, a_message_costs_its_frame_its_records_and_its_segments)
{
    struct wr_msg m = wr_msg_of(WR_MSG_NOTIFY, 0);

    m.notify.between = WR_NO_REF;

    /* Key and length of an empty field; head, tag and length; one segment. */
    cr_assert_eq(wr_cost_message(&m), 2 + 8 + 18 + 40);
    m.kind = WR_MSG_PUT;
    m.put.body = (struct wr_body){1, 1000000};
    const uint64_t plain = WR_FRAME_HEAD + wr_msg_size(&m) + 1000000;
    const uint64_t tcp = plain + (1 + 16) * 18; /* 16 bodies of 65,519. */
    cr_assert_eq(wr_cost_message(&m), tcp + (tcp / 1448 + 1) * 40);
}
