/* The routing table by itself. */
#include <criterion/criterion.h>

#include "still.h"

static void tiny(struct wr_node_cfg *cfg)
{
    cfg->routes_max = 12;
}

static bool sorted(const struct still *w, const struct wr_routes *r)
{
    for (uint32_t i = 1; i < r->n; i++)
        if (wr_id_cmp(wr_book_id(&w->book, r->refs[i - 1]),
                      wr_book_id(&w->book, r->refs[i])) >= 0)
            return false;
    return true;
}

static bool knows(const struct wr_routes *r, wr_ref ref)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (r->refs[i] == ref)
            return true;
    return false;
}

Test(routes, stays_sorted_without_repeat_and_within_its_cap)
{
    struct still *w = still_open(100, 3, 1, tiny);
    struct still_host *h = &w->hosts[0];

    for (unsigned i = 0; i < 2000; i++) {
        const wr_host k = (wr_host)wr_rng_below(&w->rng, w->n);

        wr_routes_learn(&h->routes, &h->core,
                        wr_ref_of(k, (unsigned)wr_rng_below(&w->rng, 3)));
        cr_assert(sorted(w, &h->routes));
        cr_assert_leq(h->routes.n, 15);
        if (i % 50 == 0 && k != 0) {
            wr_routes_forget_host(&h->routes, &h->core, k);
            for (unsigned m = 0; m < 3; m++)
                cr_assert(!knows(&h->routes, wr_ref_of(k, m)));
        }
    }
    for (unsigned m = 0; m < 3; m++) /* Our own stay. */
        cr_assert(knows(&h->routes, wr_ref_of(0, m)));
    still_close(w);
}

Test(routes, eviction_keeps_fingers)
{
    struct still *w = still_open(100, 1, 2, tiny);
    struct still_host *h = &w->hosts[0];

    for (wr_host k = 1; k <= 6; k++)
        wr_routes_finger(&h->routes, &h->core, wr_ref_of(k, 0));
    for (wr_host k = 7; k < 100; k++)
        wr_routes_learn_host(&h->routes, &h->core, k);
    for (wr_host k = 1; k <= 6; k++)
        cr_assert(knows(&h->routes, wr_ref_of(k, 0)));
    still_close(w);
}

Test(routes, a_full_table_lets_go_of_the_dead_first)
{
    struct still *w = still_open(100, 1, 3, tiny);
    struct still_host *h = &w->hosts[0];

    for (wr_host k = 1; k <= 12; k++)
        wr_routes_learn_host(&h->routes, &h->core, k);
    w->hosts[5].held_dead = true;
    wr_routes_learn_host(&h->routes, &h->core, 50);
    cr_assert(!knows(&h->routes, wr_ref_of(5, 0)));
    cr_assert(knows(&h->routes, wr_ref_of(50, 0)));
    still_close(w);
}

Test(routes, the_dead_and_the_excluded_are_not_chosen)
{
    struct still *w = still_open(50, 1, 4, NULL);
    struct still_host *h = &w->hosts[0];

    still_full_tables(w);
    for (unsigned i = 0; i < 200; i++) {
        const struct wr_id key = still_key(w);
        const wr_host out[1] = {wr_ref_host(still_owner(w, &key))};
        struct wr_route_ask ask = {.missed = WR_NO_REF};
        struct wr_hop hop;

        if (out[0] == 0)
            continue;
        cr_assert(wr_routes_next(&h->routes, &h->core, &key, &ask, &hop));
        cr_assert_eq(wr_ref_host(hop.ref), out[0]);
        cr_assert(hop.straight);
        ask.without = out;
        ask.without_n = 1;
        cr_assert(wr_routes_next(&h->routes, &h->core, &key, &ask, &hop));
        cr_assert_neq(wr_ref_host(hop.ref), out[0]);
        ask.without_n = 0;
        w->hosts[out[0]].held_dead = true;
        cr_assert(wr_routes_next(&h->routes, &h->core, &key, &ask, &hop));
        cr_assert_neq(wr_ref_host(hop.ref), out[0]);
        w->hosts[out[0]].held_dead = false;
    }
    still_close(w);
}

Test(routes, clockwise_names_each_host_once_in_order)
{
    struct still *w = still_open(20, 5, 5, NULL);
    struct still_host *h = &w->hosts[3];

    still_full_tables(w);
    for (unsigned i = 0; i < 100; i++) {
        const struct wr_id key = still_key(w);
        wr_host v[20];

        cr_assert_eq(wr_routes_clockwise(&h->routes, &h->core, &key, v, 20),
                     20);
        for (size_t k = 0; k < 20; k++)
            cr_assert_eq(v[k], still_nth(w, &key, k));
    }
    still_close(w);
}

Test(routes, density_is_judged_by_the_successor_lists)
{
    struct still *w = still_open(200, 1, 6, NULL);
    struct still_host *h = &w->hosts[0];

    cr_assert(!wr_routes_dense(&h->routes, &h->core));
    for (wr_host k = 1; k < 20; k++)
        wr_routes_learn_host(&h->routes, &h->core, k);
    cr_assert(!wr_routes_dense(&h->routes, &h->core));
    for (wr_host k = 20; k < 200; k++)
        wr_routes_learn_host(&h->routes, &h->core, k);
    cr_assert(wr_routes_dense(&h->routes, &h->core));
    still_close(w);
}

/* What a round of refreshes does not find again is a finger no more. */
Test(routes, fingers_are_the_owners_of_their_targets)
{
    struct still *w = still_open(100, 1, 7, NULL);
    struct still_host *h = &w->hosts[0];

    h->routes.fingers_only = true;
    wr_routes_finger(&h->routes, &h->core, wr_ref_of(1, 0));
    still_run(w, WR_SEC(3));
    const struct wr_id *us = wr_book_id(&w->book, wr_ref_of(0, 0));
    for (uint32_t i = 0; i < h->routes.n; i++) {
        bool owner = false;

        for (unsigned bit = 1; bit < 256; bit++) {
            const struct wr_id at = wr_id_add_pow2(us, bit);

            owner = owner || still_owner(w, &at) == h->routes.refs[i];
        }
        if (h->routes.fingers[i] != 0)
            cr_assert(owner);
    }
    const struct wr_id far = wr_id_add_pow2(us, 255);
    cr_assert(knows(&h->routes, still_owner(w, &far)));
    still_close(w);
}

/* A member of the ring between us and `key` whose distance to it has `bits`
 * bits; WR_NO_REF if there is none. */
static wr_ref at_bits(const struct still *w, const struct wr_id *key,
                      unsigned bits)
{
    const struct wr_id *us = wr_book_id(&w->book, wr_ref_of(0, 0));

    for (uint32_t i = 0; i < w->ring_n; i++) {
        const struct wr_id *id = wr_book_id(&w->book, w->ring[i]);

        if (wr_id_between(us, id, key) && wr_id_distance_bits(id, key) == bits)
            return w->ring[i];
    }
    return WR_NO_REF;
}

/* Where a lookup of `key` goes first. */
static wr_ref hop_to(const struct still_host *h, const struct wr_id *key)
{
    const struct wr_route_ask ask = {.missed = WR_NO_REF};
    struct wr_hop hop;

    cr_assert(wr_routes_next(&h->routes, &h->core, key, &ask, &hop));
    return hop.ref;
}

/* L10: setting up a link costs two halvings of the way. */
Test(routes, a_link_that_stands_is_preferred_unless_it_leads_too_far_round)
{
    struct still *w = still_open(400, 1, 8, NULL);
    const struct wr_id *us = wr_book_id(&w->book, wr_ref_of(0, 0));
    const struct wr_id key = wr_id_add_pow2(us, 255);
    const unsigned bits = 250;
    const wr_ref near = at_bits(w, &key, bits);

    cr_assert_neq(near, WR_NO_REF);
    for (unsigned more = 1; more <= 3; more += 2) {
        struct still_host *h = &w->hosts[0];
        const wr_ref far = at_bits(w, &key, bits + more);

        cr_assert_neq(far, WR_NO_REF);
        wr_routes_learn(&h->routes, &h->core, near);
        wr_routes_learn(&h->routes, &h->core, far);
        cr_assert_eq(hop_to(h, &key), near);
        w->hosts[wr_ref_host(near)].cold = true;
        cr_assert_eq(hop_to(h, &key), more < 2 ? far : near);
        w->hosts[wr_ref_host(near)].cold = false;
        wr_routes_forget_host(&h->routes, &h->core, wr_ref_host(far));
    }
    still_close(w);
}

/* L10: that holds among hosts that halve the way. Our successor's link always
 * stands, and to go by it is to walk. */
Test(routes, a_link_to_be_set_up_is_preferred_to_a_walk)
{
    struct still *w = still_open(400, 1, 8, NULL);
    struct still_host *h = &w->hosts[0];
    const struct wr_id *us = wr_book_id(&w->book, wr_ref_of(0, 0));
    const struct wr_id half_way = wr_id_add_pow2(us, 255);
    const struct wr_id key = wr_id_add_pow2(&half_way, 254);
    const wr_ref half = at_bits(w, &key, 255);

    cr_assert_neq(half, WR_NO_REF);
    wr_routes_learn(&h->routes, &h->core, half);
    w->hosts[wr_ref_host(half)].cold = true;
    cr_assert_eq(hop_to(h, &key), half);
    still_close(w);
}

/* L11: who serves in a finger's place is as precious: in a table full of
 * neighbours one entry spans half of the ring. */
Test(routes, who_serves_as_a_finger_stays)
{
    struct still *w = still_open(400, 1, 10, tiny);
    struct still_host *h = &w->hosts[0];
    const struct wr_id *us = wr_book_id(&w->book, wr_ref_of(0, 0));
    const struct wr_id half = wr_id_add_pow2(us, 255);
    wr_ref far = WR_NO_REF;
    struct wr_id at;

    for (wr_host k = 1; k < w->n && far == WR_NO_REF; k++)
        if (wr_id_between(&half, wr_book_id(&w->book, wr_ref_of(k, 0)), us))
            far = wr_ref_of(k, 0);
    wr_routes_learn(&h->routes, &h->core, far);
    h->core.now = h->routes.finger_at;
    cr_assert(wr_routes_finger_due(&h->routes, &h->core, &at));
    cr_assert(!wr_id_eq(&at, &half));
    for (wr_host k = 1; k < w->n; k++)
        if (wr_id_between(us, wr_book_id(&w->book, wr_ref_of(k, 0)), &half))
            wr_routes_learn_host(&h->routes, &h->core, k);
    cr_assert(knows(&h->routes, far));
    still_close(w);
}

/* L11: only where nobody is known is a finger looked up. */
Test(routes, a_stretch_with_a_living_member_needs_no_finger)
{
    struct still *w = still_open(100, 1, 9, NULL);
    struct still_host *h = &w->hosts[0];
    const struct wr_id *us = wr_book_id(&w->book, wr_ref_of(0, 0));
    const struct wr_id half = wr_id_add_pow2(us, 255);
    struct wr_id at;

    still_full_tables(w);
    for (unsigned i = 0; i < 10; i++) {
        h->core.now = h->routes.finger_at;
        cr_assert(!wr_routes_finger_due(&h->routes, &h->core, &at));
    }
    for (wr_host k = 1; k < w->n; k++)
        w->hosts[k].held_dead =
            wr_id_between(&half, wr_book_id(&w->book, wr_ref_of(k, 0)), us);
    h->core.now = h->routes.finger_at;
    cr_assert(wr_routes_finger_due(&h->routes, &h->core, &at));
    cr_assert(wr_id_eq(&at, &half));
    still_close(w);
}
