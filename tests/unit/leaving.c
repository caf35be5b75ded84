/* What a host promises that leaves for good (D15, A18): its farewell is said
 * until another host has it in writing. */
#include "nodekit.h"

TestSuite(leaving, .init = setup, .fini = teardown);

/* The driver's word that our farewell is signed and written down. */
static void say_farewell(struct wr_node *n, wr_time at, struct wr_outbox *to)
{
    struct wr_event ev = {.kind = WR_EV_ADMIT, .from = n->cfg.self};

    ev.admit.state = WR_ROSTER_LEFT;
    ev.admit.incarnation = 1;
    wr_node_step(n, &ev, at, to);
}

/* Its store is empty: it is walked for chunks, then for records. */
static void walk_nothing(struct wr_node *n, wr_time at)
{
    struct wr_event ev = {.kind = WR_EV_STORED};

    for (unsigned i = 0; i < 2; i++) {
        ev.stored.token = n->replica.push.id;
        wr_node_step(n, &ev, at, &out);
    }
}

static unsigned done(wr_token token)
{
    unsigned k = 0;

    for (uint32_t i = 0; i < out.n; i++)
        k += out.v[i].kind == WR_FX_DONE && out.v[i].done.token == token;
    return k;
}

/* However many hear its last words, a host that leaves says BYE to each, and
 * comes to its end. */
Test(leaving, a_farewell_to_many_comes_to_its_end)
{
    const wr_host self = add(1, 17);
    const struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);
    struct wr_event leave = {.kind = WR_EV_LEAVE, .leave = {.token = 5}};
    struct wr_outbox tight;
    unsigned byes = 0, told = 0;
    wr_host hosts[41] = {self};
    struct wr_node *n;

    cr_assert_eq(wr_outbox_init(&tight, 80, 1 << 16), WR_OK);
    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    for (unsigned i = 1; i <= 40; i++)
        hosts[i] = add((uint8_t)(i + 1), 17);
    wr_node_start_with(n, hosts, 2, WR_SEC(1), &out);
    for (unsigned i = 1; i <= 40; i++) {
        admit(n, hosts[i], WR_SEC(1));
        links_up(n, hosts[i], 1, WR_SEC(1));
    }
    wr_node_step(n, &leave, WR_SEC(1), &out);
    walk_nothing(n, WR_SEC(1));
    cr_assert_eq(done(5), 1);
    say_farewell(n, WR_SEC(1), &tight);
    for (uint32_t i = 0; i < tight.n; i++) {
        const struct wr_fx *fx = &tight.v[i];

        byes += fx->kind == WR_FX_SEND && fx->msg.kind == WR_MSG_BYE;
        told += fx->kind == WR_FX_SEND && fx->msg.kind == WR_MSG_ROSTER;
    }
    cr_assert_eq(byes, 40);
    cr_assert_gt(told, 0);
    cr_assert_eq(tight.dropped, 0);
    wr_node_close(n);
    wr_outbox_done(&tight);
}

/* Also to one that was met only just before. */
Test(leaving, a_farewell_is_said_once)
{
    const wr_host self = add(1, 17), other = add(2, 17);
    const struct wr_node_cfg cfg = wr_node_cfg_default(self, 17);
    const wr_time later = WR_SEC(1) + WR_MS(200);
    struct wr_node *n;

    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    wr_node_start_with(n, (wr_host[]){self, other}, 2, WR_SEC(1), &out);
    admit(n, other, WR_SEC(1));
    links_up(n, other, 1, WR_SEC(1));
    wr_node_step(n, &(struct wr_event){.kind = WR_EV_LEAVE}, later, &out);
    walk_nothing(n, later);
    cr_assert_eq(sent(WR_MSG_BYE, other, NULL), 0);
    say_farewell(n, later, &out);
    cr_assert_eq(sent(WR_MSG_BYE, other, NULL), 1);
    wr_node_close(n);
}

/* Whether it has noted that it may go. The outbox is empty then. */
static bool take_left(void)
{
    bool noted = false;

    for (uint32_t i = 0; i < out.n; i++)
        noted = noted || (out.v[i].kind == WR_FX_NOTE &&
                          out.v[i].note.note == WR_NOTE_LEFT);
    wr_outbox_clear(&out);
    return noted;
}

/* `from` says that `of` is admitted, or has left. */
static bool hears(struct wr_node *n, wr_host from, wr_host of,
                  enum wr_roster_state state, wr_time at)
{
    const struct wr_roster_entry e = {
        .host = of, .incarnation = 1, .state = (uint8_t)state};
    struct wr_msg m = {.kind = WR_MSG_ROSTER};

    m.roster.count = 1;
    m.roster.n = 1;
    m.roster.entries = &e;
    wr_node_step(
        n, &(struct wr_event){.kind = WR_EV_RECV, .from = from, .msg = &m}, at,
        &out);
    return take_left();
}

/* A node of the host 1 that has just said farewell, as hosts 2 and 3 are
 * admitted. */
static struct wr_node *leaver(wr_host ret[3])
{
    struct wr_node_cfg cfg;
    struct wr_node *n;

    for (uint8_t i = 0; i < 3; i++)
        ret[i] = add((uint8_t)(i + 1), 17);
    cfg = wr_node_cfg_default(ret[0], 17);
    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    for (unsigned i = 1; i < 3; i++)
        admit(n, ret[i], WR_SEC(1));
    say_farewell(n, WR_SEC(1), &out);
    return n;
}

Test(leaving, who_leaves_goes_when_another_host_has_that_in_writing)
{
    wr_host h[3];
    struct wr_node *n = leaver(h);

    cr_assert_not(take_left());
    /* Whoever counts on it has not heard, and more than one may. */
    cr_assert_not(hears(n, h[1], h[0], WR_ROSTER_ADMITTED, WR_SEC(10)));
    cr_assert_not(hears(n, h[1], h[2], WR_ROSTER_LEFT, WR_SEC(11)));
    cr_assert_not(hears(n, h[1], h[0], WR_ROSTER_LEFT, WR_SEC(12)));
    cr_assert_not(hears(n, h[1], h[0], WR_ROSTER_LEFT, WR_SEC(14)));
    cr_assert_not(hears(n, h[2], h[0], WR_ROSTER_LEFT, WR_SEC(16)));
    cr_assert(hears(n, h[1], h[0], WR_ROSTER_LEFT, WR_SEC(16)));
    cr_assert_not(hears(n, h[1], h[0], WR_ROSTER_LEFT, WR_SEC(20)));
    wr_node_close(n);
}

Test(leaving, a_host_that_started_anew_may_have_forgotten_a_farewell)
{
    wr_host h[3];
    struct wr_node *n = leaver(h);

    cr_assert_not(hears(n, h[1], h[0], WR_ROSTER_LEFT, WR_SEC(12)));
    links_up(n, h[1], 2, WR_SEC(14));
    cr_assert_eq(sent(WR_MSG_ROSTER_ASK, h[1], NULL), 1);
    cr_assert_not(hears(n, h[1], h[0], WR_ROSTER_LEFT, WR_SEC(15)));
    cr_assert_not(hears(n, h[1], h[0], WR_ROSTER_LEFT, WR_SEC(17)));
    cr_assert(hears(n, h[1], h[0], WR_ROSTER_LEFT, WR_SEC(18)));
    wr_node_close(n);
}

Test(leaving, a_farewell_is_for_those_who_count)
{
    wr_host h[3], stranger;
    struct wr_node *n = leaver(h);

    stranger = add(9, 17);
    for (unsigned i = 0; i < 5; i++)
        cr_assert_not(hears(n, stranger, h[0], WR_ROSTER_LEFT, WR_SEC(9 + i)));
    /* When the others have gone as well there is nobody to be told. */
    declare(n, h[1], WR_ROSTER_LEFT, WR_SEC(20));
    cr_assert_not(take_left());
    declare(n, h[2], WR_ROSTER_LEFT, WR_SEC(20));
    cr_assert(take_left());
    wr_node_close(n);
}

/* All that it knew are gone for good, and one that came later counts it: that
 * one looks for it (P7), and hears it. */
Test(leaving, a_farewell_is_heard_by_who_came_after_it)
{
    wr_host h[3], later;
    struct wr_node *n = leaver(h);

    later = add(9, 17);
    wr_outbox_clear(&out);
    links_up(n, later, 1, WR_SEC(100));
    cr_assert_eq(sent(WR_MSG_ROSTER_ASK, later, NULL), 1);
    admit(n, later, WR_SEC(100));
    cr_assert_not(hears(n, later, h[0], WR_ROSTER_LEFT, WR_SEC(101)));
    cr_assert(hears(n, later, h[0], WR_ROSTER_LEFT, WR_SEC(105)));
    wr_node_close(n);
}

Test(leaving, who_leaves_alone_goes_at_once)
{
    const struct wr_node_cfg cfg = wr_node_cfg_default(add(1, 17), 17);
    struct wr_node *n;

    cr_assert_eq(wr_node_open(&n, &cfg, &book), WR_OK);
    wr_node_start_ring(n, WR_SEC(1), &out);
    wr_outbox_clear(&out);
    say_farewell(n, WR_SEC(1), &out);
    cr_assert(take_left());
    wr_node_close(n);
}

/* Words that nobody answers are said again, by turns to all, and not faster
 * than an answer takes. Nor does a host that has left join any more, or take
 * anything in. */
Test(leaving, a_farewell_is_said_until_somebody_hears)
{
    struct wr_msg put = {.kind = WR_MSG_PUT, .rid = 7};
    unsigned asks[3] = {0}, others = 0, refused = 0;
    wr_host h[3];
    struct wr_node *n = leaver(h);

    wr_outbox_clear(&out);
    for (wr_time at; (at = wr_node_deadline(n)) < WR_SEC(61);) {
        wr_node_tick(n, at, &out);
        for (uint32_t i = 0; i < out.n; i++) {
            const struct wr_fx *fx = &out.v[i];

            if (fx->kind == WR_FX_SEND && fx->msg.kind == WR_MSG_ROSTER_ASK) {
                cr_assert_eq(fx->msg.roster.n, 1);
                cr_assert_eq(fx->msg.roster.entries[0].host, h[0]);
                cr_assert_eq(fx->msg.roster.entries[0].state, WR_ROSTER_LEFT);
                asks[fx->to]++;
            } else {
                others += fx->kind == WR_FX_SEND && fx->msg.kind != WR_MSG_PING;
            }
        }
        cr_assert_not(take_left());
    }
    cr_assert_gt(asks[h[1]], 5);
    cr_assert_gt(asks[h[2]], 5);
    cr_assert_leq(asks[h[1]] + asks[h[2]], 2 * 60);
    cr_assert_eq(others, 0);
    put.put.level = WR_LEVEL_COPY;
    wr_node_step(
        n, &(struct wr_event){.kind = WR_EV_RECV, .from = h[1], .msg = &put},
        WR_SEC(61), &out);
    for (uint32_t i = 0; i < out.n; i++)
        refused += out.v[i].kind == WR_FX_SEND &&
                   out.v[i].msg.kind == WR_MSG_PUT_DONE &&
                   out.v[i].msg.put_done.status == WR_STATUS_UNREACHABLE;
    cr_assert_eq(refused, 1);
    wr_node_close(n);
}
