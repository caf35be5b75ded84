/* A leaf's session: one parent, alternates, silence, farewells. */
#include <criterion/criterion.h>

#include "proto/leaf.h"

static struct wr_contact contact(unsigned i)
{
    struct wr_contact c = {.addr.port = (uint16_t)(1000 + i)};

    c.id.b[0] = (uint8_t)(i + 1);
    return c;
}

static void setup(struct wr_leaf *l, unsigned n)
{
    struct wr_leaf_cfg cfg = wr_leaf_cfg_default(7);

    cfg.jitter_permille = 0;
    wr_leaf_init(l, &cfg);
    for (unsigned i = 0; i < n; i++) {
        const struct wr_contact c = contact(i);

        wr_leaf_add(l, &c, true);
    }
}

static bool has(const struct wr_leaf_out *out, enum wr_leaf_fx_kind kind)
{
    for (uint32_t i = 0; i < out->n; i++)
        if (out->v[i].kind == kind)
            return true;
    return false;
}

/* The contact that is dialled, or -1. */
static int dialled(const struct wr_leaf_out *out)
{
    for (uint32_t i = 0; i < out->n; i++)
        if (out->v[i].kind == WR_LEAF_FX_DIAL)
            return (int)out->v[i].contact;
    return -1;
}

static struct wr_leaf_out attach(struct wr_leaf *l, wr_time now,
                                 const struct wr_contact *contacts, uint8_t n)
{
    struct wr_leaf_out out = {0};
    const struct wr_msg m = {.kind = WR_MSG_ATTACHED,
                             .attached = {.n = n, .contacts = contacts}};

    wr_leaf_recv(l, &m, now, &out);
    return out;
}

Test(leaf, attaches_to_the_first_and_learns_alternates)
{
    struct wr_leaf l;
    struct wr_leaf_out out = {0};
    const struct wr_contact more[] = {contact(5), contact(6)};

    setup(&l, 1);
    wr_leaf_start(&l, 1000, &out);
    cr_assert_eq(dialled(&out), 0);
    const struct wr_host_id id = contact(0).id;
    wr_leaf_linked(&l, &id, 2000);
    out = attach(&l, 3000, more, 2);
    cr_assert(has(&out, WR_LEAF_FX_UP));
    cr_assert(has(&out, WR_LEAF_FX_PERSIST));
    cr_assert_eq(l.n, 3);

    /* The same again is no news. */
    out = attach(&l, 4000, more, 2);
    cr_assert_eq(out.n, 0);
}

Test(leaf, a_lost_parent_is_left_at_once)
{
    struct wr_leaf l;
    struct wr_leaf_out out = {0};

    setup(&l, 2);
    wr_leaf_start(&l, 0, &out);
    attach(&l, 1, NULL, 0);
    out.n = 0;
    wr_leaf_down(&l, WR_SEC(1), &out);
    cr_assert(has(&out, WR_LEAF_FX_LOST));
    cr_assert_eq(dialled(&out), 1, "the alternate, at once");
}

/* Three hundred leaves of one box know the same nine others in the same order:
 * when it dies each of those gets its part. */
Test(leaf, those_who_lose_one_parent_do_not_all_go_to_one_other)
{
    unsigned got[10] = {0};

    for (uint64_t seed = 0; seed < 300; seed++) {
        const struct wr_leaf_cfg cfg = wr_leaf_cfg_default(seed);
        struct wr_leaf_out out = {0};
        struct wr_contact others[9];
        const struct wr_contact parent = contact(0);
        struct wr_leaf l;

        for (unsigned i = 0; i < 9; i++)
            others[i] = contact(i + 1);
        wr_leaf_init(&l, &cfg);
        wr_leaf_add(&l, &parent, true);
        wr_leaf_start(&l, 0, &out);
        attach(&l, 1, others, 9);
        out.n = 0;
        wr_leaf_down(&l, WR_SEC(1), &out);
        cr_assert_gt(dialled(&out), 0);
        got[dialled(&out)]++;
    }
    for (unsigned i = 1; i < 10; i++)
        cr_expect(got[i] > 10 && got[i] < 70, "%u leaves to %u", got[i], i);
}

Test(leaf, failures_back_off_exponentially_up_to_the_maximum)
{
    struct wr_leaf l;
    struct wr_leaf_out out = {0};
    wr_time now = 0, wait = 0, last = 0;

    setup(&l, 1);
    wr_leaf_start(&l, now, &out);
    for (unsigned i = 0; i < 12; i++) {
        wr_leaf_down(&l, now, &out);
        wait = wr_leaf_deadline(&l) - now;
        cr_assert(wait >= last);
        cr_assert(wait <= WR_SEC(30));
        if (i < 5)
            cr_assert(i == 0 || wait == 2 * last);
        last = wait;
        now += wait;
        out.n = 0;
        wr_leaf_tick(&l, now, &out);
        cr_assert_eq(dialled(&out), 0);
        out.n = 0;
    }
    cr_assert_eq(wait, WR_SEC(30));
}

Test(leaf, jitter_spreads_and_stays_within_bounds)
{
    wr_time least = WR_NEVER, most = 0;

    for (uint64_t seed = 0; seed < 200; seed++) {
        struct wr_leaf l;
        struct wr_leaf_out out = {0};
        struct wr_leaf_cfg cfg = wr_leaf_cfg_default(seed);
        const struct wr_contact c = contact(0);

        wr_leaf_init(&l, &cfg);
        wr_leaf_add(&l, &c, true);
        wr_leaf_start(&l, 0, &out);
        wr_leaf_down(&l, 0, &out);
        const wr_time wait = wr_leaf_deadline(&l);
        least = wr_time_min(least, wait);
        most = wr_time_max(most, wait);
    }
    cr_assert(least >= WR_MS(187) && most <= WR_MS(313));
    cr_assert(most - least > WR_MS(80));
}

Test(leaf, silence_is_pinged_then_held_for_death)
{
    struct wr_leaf l;
    struct wr_leaf_out out = {0};
    wr_time now = 10;

    setup(&l, 2);
    wr_leaf_start(&l, now, &out);
    attach(&l, now, NULL, 0);

    now = wr_leaf_deadline(&l);
    cr_assert_eq(now, 10 + WR_SEC(3));
    out.n = 0;
    wr_leaf_tick(&l, now, &out);
    cr_assert(has(&out, WR_LEAF_FX_PING));
    cr_assert_eq(out.n, 1);

    /* An answer of any kind is life. */
    out.n = 0;
    wr_leaf_recv(&l, &(struct wr_msg){.kind = WR_MSG_PONG}, now + 5, &out);
    now = wr_leaf_deadline(&l);
    wr_leaf_tick(&l, now, &out);
    cr_assert(has(&out, WR_LEAF_FX_PING));

    now = wr_leaf_deadline(&l);
    out.n = 0;
    wr_leaf_tick(&l, now, &out);
    cr_assert(has(&out, WR_LEAF_FX_HANG_UP));
    cr_assert(has(&out, WR_LEAF_FX_LOST));
    cr_assert_eq(dialled(&out), 1);
}

Test(leaf, a_farewell_moves_at_once)
{
    struct wr_leaf l;
    struct wr_leaf_out out = {0};

    setup(&l, 2);
    wr_leaf_start(&l, 0, &out);
    attach(&l, 1, NULL, 0);
    out.n = 0;
    wr_leaf_recv(&l, &(struct wr_msg){.kind = WR_MSG_BYE}, 2, &out);
    cr_assert(has(&out, WR_LEAF_FX_HANG_UP));
    cr_assert_eq(dialled(&out), 1);

    /* The link that we closed goes down later: no news. */
    attach(&l, 3, NULL, 0);
    cr_assert_eq(l.state, WR_LEAF_ATTACHED);
    cr_assert_eq(l.current, 1);
}

Test(leaf, a_parent_that_lets_it_down_is_left_for_another)
{
    struct wr_leaf l;
    struct wr_leaf_out out = {0};

    setup(&l, 2);
    wr_leaf_leave(&l, 0, &out);
    cr_assert_eq(out.n, 0, "there is nobody to leave");
    wr_leaf_start(&l, 0, &out);
    attach(&l, 1, NULL, 0);
    out.n = 0;
    wr_leaf_leave(&l, 2, &out);
    cr_assert(has(&out, WR_LEAF_FX_HANG_UP));
    cr_assert(has(&out, WR_LEAF_FX_LOST));
    cr_assert_eq(dialled(&out), 1);
}

Test(leaf, a_dial_that_hangs_is_given_up)
{
    struct wr_leaf l;
    struct wr_leaf_out out = {0};

    setup(&l, 2);
    wr_leaf_start(&l, 0, &out);
    out.n = 0;
    wr_leaf_tick(&l, wr_leaf_deadline(&l), &out);
    cr_assert(has(&out, WR_LEAF_FX_HANG_UP));
    cr_assert(!has(&out, WR_LEAF_FX_LOST), "it never was our parent");
    cr_assert_eq(dialled(&out), 1);
}

Test(leaf, hearsay_is_bounded_and_never_replaces_what_was_given)
{
    struct wr_leaf l;
    struct wr_leaf_out out = {0};
    struct wr_contact lies[WR_CONTACTS_MAX];

    setup(&l, 1);
    wr_leaf_start(&l, 0, &out);
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < WR_CONTACTS_MAX; i++) {
            lies[i] = contact(100 + round * WR_CONTACTS_MAX + i);
            lies[i].id.b[1] = (uint8_t)(round + 1);
        }
        attach(&l, 1, lies, WR_CONTACTS_MAX);
    }
    cr_assert_eq(l.n, WR_LEAF_CONTACTS_MAX);
    cr_assert_eq(l.v[0].contact.addr.port, 1000);
    cr_assert(l.v[0].given);
}

Test(leaf, a_host_that_moved_is_found_at_its_new_address)
{
    struct wr_leaf l;
    struct wr_leaf_out out = {0};
    struct wr_contact moved = contact(1);

    setup(&l, 2);
    wr_leaf_start(&l, 0, &out);
    moved.addr.port = 4242;
    out = attach(&l, 1, &moved, 1);
    cr_assert_eq(l.n, 2);
    cr_assert_eq(l.v[1].contact.addr.port, 4242);
}
