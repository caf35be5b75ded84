/* hub.c - who is introduced, which of two links stays, what waits for one, and
 * that nothing is lost where two hosts dial each other at once. */
#include "hub_bed.h"

#include "net/addr.h"

TestSuite(hub, .init = setup, .fini = teardown, .timeout = 60);

/* ---- introductions ---------------------------------------------------- */

static void probe(struct host *from, wr_host to, wr_host target, uint64_t rid)
{
    struct wr_msg m = wr_msg_of(WR_MSG_PROBE, rid);

    m.probe.target = target;
    wr_hub_send(from->hub, to, &m, NULL);
}

/* The first message on a link, which had to wait for it, names a host that the
 * other side has never heard of. */
Test(hub, a_host_is_introduced_before_it_is_mentioned)
{
    const wr_host b = know(&w.a, &w.b), c = know(&w.a, &w.c);

    probe(&w.a, b, c, 7);
    UNTIL(w.b.msgs == 1 || wr_hub_traffic(w.b.hub).misfits > 0);
    cr_assert_eq(w.b.msgs, 1, "the message came before the card");
    cr_assert_eq(wr_hub_traffic(w.a.hub).said[WR_MSG_PROBE].n, 1);
    cr_assert_gt(wr_hub_traffic(w.a.hub).said[WR_MSG_PROBE].bytes, 8);
    cr_assert_eq(wr_hub_traffic(w.b.hub).said[WR_MSG_PROBE].n, 0);
    cr_assert_eq(memcmp(&w.b.book.hosts[w.b.target].id, w.c.home.cred.host,
                        WR_HOST_ID_BYTES),
                 0);
}

/* A card that was told once is told again when there is something new: else
 * nobody would hear of a farewell whom the host did not tell itself. */
Test(hub, news_of_a_host_that_was_introduced_before_are_told)
{
    const wr_host b = know(&w.a, &w.b), c = know(&w.a, &w.c);
    uint8_t bye[WR_FAREWELL_BYTES];

    probe(&w.a, b, c, 1);
    UNTIL(w.b.msgs == 1 || wr_hub_traffic(w.b.hub).misfits > 0);
    cr_assert_eq(wr_cards_state(&w.b.cards, w.b.target), WR_ROSTER_ADMITTED);
    wr_farewell_sign(w.ring.public, w.c.home.cred.host, &w.c.home.id.sign, bye);
    cr_assert(wr_cards_farewell(&w.a.cards, c, wr_span(bye, sizeof(bye))));
    wr_hub_news(w.a.hub, c);
    probe(&w.a, b, c, 2);
    UNTIL(w.b.msgs == 2);
    cr_assert_eq(wr_cards_state(&w.b.cards, w.b.target), WR_ROSTER_LEFT);
}

/* ---- two links of one kind -------------------------------------------- */

static void assert_all_came(const struct host *h, unsigned n)
{
    uint64_t seen = 0;

    cr_assert_eq(h->msgs, n);
    for (unsigned i = 0; i < n; i++)
        seen |= UINT64_C(1) << h->rids[i];
    cr_assert_eq(seen, (UINT64_C(1) << n) - 1);
}

Test(hub, both_dial_at_once_and_one_link_of_each_kind_remains)
{
    const wr_host b = know(&w.a, &w.b), a = know(&w.b, &w.a);

    for (unsigned i = 0; i < 40; i++) {
        say(&w.a, b, i % 2 == 0, i);
        say(&w.b, a, i % 2 == 0, i);
    }
    UNTIL(w.a.msgs >= 40 && w.b.msgs >= 40);
    settle();
    assert_all_came(&w.a, 40);
    assert_all_came(&w.b, 40);
    cr_assert_eq(wr_hub_links(w.a.hub), 2);
    cr_assert_eq(wr_hub_links(w.b.hub), 2);
    cr_assert(w.a.hub->hosts[b].conn[0]->dialled, "the lower id's stays");
    cr_assert_eq(w.a.downs + w.b.downs, 0);
    cr_assert_eq(w.a.ups, 1);
    cr_assert_eq(w.b.ups, 1);
}

/* A process died without a word, the link to it still stands here and was
 * dialled by the lower id; the next process of that host is not kept waiting
 * behind it. */
Test(hub, a_restarted_host_is_not_kept_waiting_behind_its_dead_link)
{
    const wr_host b = know(&w.a, &w.b);
    wr_host a;

    say(&w.a, b, false, 0);
    UNTIL(w.b.msgs == 1 && w.a.ups == 1);
    w.c.home = w.b.home; /* The same identity. */
    start(&w.c, "b2", 2);
    a = know(&w.c, &w.a);
    say(&w.c, a, false, 5);
    UNTIL(w.a.msgs == 1);
    cr_assert_eq(w.a.rids[0], 5);
    cr_assert_eq(w.a.hub->hosts[b].conn[0]->incarnation, 2);
    cr_assert_eq(wr_card_of(&w.a.cards, b)->incarnation, 2);
    cr_assert_eq(w.a.book.hosts[b].addr.port, wr_hub_bound(w.c.hub).port);
}

/* Two processes run under one identity, neither is newer: their links take each
 * other's place once, then only in turns that become longer, and both hear of
 * it. */
Test(hub, two_processes_of_one_identity_take_turns_and_are_told)
{
    const wr_host a = know(&w.b, &w.a);
    wr_host b;

    w.c.home = w.b.home; /* The same identity. */
    start(&w.c, "b2", 1);
    cr_assert_eq(know(&w.c, &w.a), a);
    say(&w.b, a, false, 1);
    UNTIL(w.a.msgs == 1);
    b = w.a.last.from;
    const struct wr_hub_host *place = &w.a.hub->hosts[b];
    const uint16_t one = wr_hub_bound(w.b.hub).port;
    const uint16_t other = wr_hub_bound(w.c.hub).port;

    say(&w.c, a, true, 2); /* Of whichever kind. */
    UNTIL(w.a.msgs == 2 && w.b.downs == 1 && w.c.hub->twin.port != 0);
    cr_assert_eq(w.b.hub->twin.port, other);
    cr_assert_eq(w.c.hub->twin.port, one);
    cr_assert_eq(w.a.hub->twin.port, 0, "and nobody else");
    cr_assert_null(place->conn[0], "one process is talked to, not both");

    say(&w.b, a, false, 3);
    UNTIL(w.b.downs == 2);
    cr_assert_eq(w.a.msgs, 2, "not yet");
    cr_assert_eq(w.a.book.hosts[b].addr.port, other, "nor is it dialled");
    const uint32_t pause = place->turn_ms;
    w.a.hub->hosts[b].turn_at_ms = uv_now(&w.loop); /* Later. */
    say(&w.b, a, false, 4);
    UNTIL(w.a.msgs == 3);
    cr_assert_eq(place->turn_ms, 2 * pause);
    cr_assert_eq(w.a.rids[2], 4);
}

/* A restart on another port, while the old link stands, is no twin. */
Test(hub, a_host_that_moved_is_not_held_for_two)
{
    const wr_host a = know(&w.b, &w.a);

    say(&w.b, a, false, 1);
    UNTIL(w.a.msgs == 1);
    w.c.home = w.b.home;
    start(&w.c, "b2", 2);
    cr_assert_eq(know(&w.c, &w.a), a);
    say(&w.c, a, false, 2);
    UNTIL(w.a.msgs == 2 && w.b.downs == 1);
    settle();
    cr_assert_eq(w.b.hub->twin.port, 0);
    cr_assert_eq(w.c.hub->twin.port, 0);
}

/* The lower id dials an address where nobody listens any more, while the other
 * side dials it: the link that works is used, and nothing that waited is lost.
 */
Test(hub, a_link_that_waited_takes_the_place_of_one_that_failed)
{
    const wr_host b = know(&w.a, &w.b), a = know(&w.b, &w.a);
    struct wr_addr nobody;

    cr_assert_eq(wr_addr_parse("127.0.0.1:1", 0, &nobody), WR_OK);
    w.a.book.hosts[b].addr = nobody;
    say(&w.b, a, false, 0);
    UNTIL(w.a.hub->conns_n == 1);
    say(&w.a, b, false, 0);
    say(&w.b, a, false, 1);
    UNTIL(w.a.msgs == 2 && w.b.msgs == 1);
    cr_assert_eq(wr_hub_links(w.a.hub), 1);
}

/* ---- bounds ----------------------------------------------------------- */

/* A link that does not come to be holds frames up to a number, and memory that
 * is not of the pool up to a size. */
Test(hub, what_waits_for_a_link_is_bounded)
{
    const wr_host b = know(&w.a, &w.b);

    for (unsigned i = 0; i < WR_HUB_WAITING_MAX + 5; i++)
        say(&w.a, b, false, 0);
    cr_assert_eq(w.a.hub->hosts[b].conn[0]->waiting_n, WR_HUB_WAITING_MAX);
    cr_assert_eq(wr_hub_traffic(w.a.hub).refused, 5);
}

Test(hub, reports_that_wait_are_bounded_by_their_size)
{
    const wr_host b = know(&w.a, &w.b);
    struct wr_buf *body = wr_buf_new(1 << 20);
    struct wr_msg m = wr_msg_of(WR_MSG_REPORT, 0);

    body->n = 1 << 20;
    memset(body->p, 0, body->n);
    m.report.body.len = body->n;
    for (unsigned i = 0; i < 50; i++)
        wr_hub_send(w.a.hub, b, &m, body);
    cr_assert_leq(w.a.hub->hosts[b].conn[wr_msg_bulk(m.kind)]->waiting_n, 4);
    cr_assert_geq(wr_hub_traffic(w.a.hub).refused, 46);
    wr_buf_unref(body);
}
