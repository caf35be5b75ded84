/* The promises of wire/id.h and wire/book.h. */
#include <criterion/criterion.h>

#include "base/rng.h"
#include "wire/book.h"

static struct wr_id id(uint8_t first, uint8_t last)
{
    struct wr_id v = {{0}};

    v.b[0] = first;
    v.b[WR_ID_BYTES - 1] = last;
    return v;
}

Test(id, between_is_strict_and_clockwise)
{
    const struct wr_id a = id(10, 0), b = id(20, 0), c = id(30, 0);

    cr_assert(wr_id_between(&a, &b, &c));
    cr_assert_not(wr_id_between(&c, &b, &a)); /* b lies on the other arc. */
    cr_assert(wr_id_between(&c, &a, &b));     /* Past zero. */
    cr_assert(wr_id_between(&b, &c, &a));
    cr_assert_not(wr_id_between(&a, &a, &b));
    cr_assert_not(wr_id_between(&a, &b, &b));
}

Test(id, the_whole_circle_but_its_own_end)
{
    const struct wr_id a = id(10, 0), x = id(9, 0), y = id(11, 0);

    cr_assert(wr_id_between(&a, &x, &a));
    cr_assert(wr_id_between(&a, &y, &a));
    cr_assert_not(wr_id_between(&a, &a, &a));
}

/* Of three distinct positions exactly one order is clockwise. */
Test(id, exactly_one_direction)
{
    struct wr_rng rng = {7};

    for (unsigned i = 0; i < 10000; i++) {
        struct wr_id a, b, c;

        wr_rng_fill(&rng, a.b, sizeof(a.b));
        wr_rng_fill(&rng, b.b, sizeof(b.b));
        wr_rng_fill(&rng, c.b, sizeof(c.b));
        cr_assert_neq(wr_id_between(&a, &b, &c), wr_id_between(&c, &b, &a));
        cr_assert_eq(wr_id_between(&a, &b, &c), wr_id_between(&b, &c, &a));
    }
}

Test(id, an_owner_owns_its_own_position_and_not_its_predecessors)
{
    const struct wr_id pred = id(10, 0), self = id(20, 0), in = id(15, 0);

    cr_assert(wr_id_owns(&pred, &self, &self));
    cr_assert(wr_id_owns(&pred, &in, &self));
    cr_assert_not(wr_id_owns(&pred, &pred, &self));
    cr_assert(wr_id_owns(&self, &pred, &self)); /* Alone: everything. */
}

Test(id, distances_borrow_and_wrap)
{
    const struct wr_id a = id(1, 0), b = id(0, 1);
    struct wr_id d = wr_id_distance(&b, &a);

    cr_assert_eq(d.b[0], 0);
    for (unsigned i = 1; i < WR_ID_BYTES; i++)
        cr_assert_eq(d.b[i], 0xff);
    d = wr_id_distance(&a, &b); /* The rest of the circle. */
    cr_assert_eq(d.b[0], 0xff);
    cr_assert_eq(d.b[WR_ID_BYTES - 1], 1);
    d = wr_id_distance(&a, &a);
    cr_assert(wr_id_eq(&d, &(struct wr_id){{0}}));
}

Test(id, a_finger_lies_at_its_distance)
{
    struct wr_rng rng = {8};

    for (unsigned bit = 0; bit < 256; bit++) {
        struct wr_id a, sum, d;

        wr_rng_fill(&rng, a.b, sizeof(a.b));
        sum = wr_id_add_pow2(&a, bit);
        d = wr_id_distance(&a, &sum);
        for (unsigned i = 0; i < 256; i++)
            cr_assert_eq(d.b[31 - i / 8] >> (i % 8) & 1, i == bit);
    }
}

/* By what it means: the number of the highest bit that is set. */
static unsigned bits_of(const struct wr_id *d)
{
    for (unsigned i = 256; i > 0; i--)
        if (d->b[31 - (i - 1) / 8] >> ((i - 1) % 8) & 1)
            return i;
    return 0;
}

Test(id, a_distance_has_the_bits_of_its_number)
{
    struct wr_rng rng = {9};

    for (unsigned i = 0; i < 4096; i++) {
        struct wr_id a, b, d;

        wr_rng_fill(&rng, a.b, sizeof(a.b));
        wr_rng_fill(&rng, b.b, sizeof(b.b));
        /* They share a beginning, and behind it what makes borrows ripple. */
        memcpy(b.b, a.b, i % WR_ID_BYTES);
        if (i % 3 == 0)
            memset(&b.b[i % WR_ID_BYTES], 0, WR_ID_BYTES - i % WR_ID_BYTES);
        if (i % 5 == 0)
            b = wr_id_add_pow2(&a, i % 256);
        d = wr_id_distance(&a, &b);
        cr_assert_eq(wr_id_distance_bits(&a, &b), bits_of(&d));
        d = wr_id_distance(&b, &a);
        cr_assert_eq(wr_id_distance_bits(&b, &a), bits_of(&d));
    }
    cr_assert_eq(
        wr_id_distance_bits(&(struct wr_id){{1}}, &(struct wr_id){{1}}), 0);
}

Test(id, a_prefix_orders_as_the_id_does)
{
    struct wr_id a = {{1, 2, 3, 4, 5, 6, 7, 8, 9}};

    cr_assert_eq(wr_id_prefix(&a), UINT64_C(0x0102030405060708));
}

/* ---- the book -------------------------------------------------------------
 */

static const uint8_t ring[32] = {1};

static struct wr_host_id host_id(uint8_t v)
{
    return (struct wr_host_id){{v, 0, 0, 0, v}};
}

Test(book, a_host_keeps_its_slot_and_its_members)
{
    struct wr_book b;
    const struct wr_host_id x = host_id(1), y = host_id(2);

    cr_assert_eq(wr_book_init(&b, ring, 4, 20), WR_OK);
    const wr_host hx = wr_book_add(&b, &x, 17, 5, NULL);
    const wr_host hy = wr_book_add(&b, &y, 3, 0, NULL);
    cr_assert_neq(hx, hy);
    cr_assert_eq(wr_book_find(&b, &x), hx);
    cr_assert_eq(wr_book_find(&b, &y), hy);
    cr_assert_eq(wr_book_add(&b, &x, 9, 6, NULL), hx);
    cr_assert_eq(wr_book_host(&b, hx)->members, 17);
    cr_assert_eq(wr_book_host(&b, hx)->site, 5);
    wr_book_done(&b);
}

Test(book, it_fills_up_and_says_so)
{
    struct wr_book b;
    const struct wr_host_id x = host_id(1), y = host_id(2), z = host_id(3);

    cr_assert_eq(wr_book_init(&b, ring, 2, 10), WR_OK);
    cr_assert_eq(wr_book_add(&b, &x, 8, 0, NULL), 0);
    cr_assert_eq(wr_book_add(&b, &y, 3, 0, NULL), WR_NO_HOST); /* Ids. */
    cr_assert_eq(wr_book_add(&b, &y, 2, 0, NULL), 1);
    cr_assert_eq(wr_book_add(&b, &z, 1, 0, NULL), WR_NO_HOST); /* Hosts. */
    cr_assert_eq(wr_book_find(&b, &z), WR_NO_HOST);
    wr_book_done(&b);
}

Test(book, member_ids_differ_by_ring_host_and_index)
{
    struct wr_book b, other;
    const uint8_t other_ring[32] = {2};
    const struct wr_host_id x = host_id(1), y = host_id(2);

    cr_assert_eq(wr_book_init(&b, ring, 4, 8), WR_OK);
    cr_assert_eq(wr_book_init(&other, other_ring, 4, 8), WR_OK);
    wr_book_add(&b, &x, 2, 0, NULL);
    wr_book_add(&b, &y, 2, 0, NULL);
    wr_book_add(&other, &x, 2, 0, NULL);
    const struct wr_id *first = wr_book_id(&b, wr_ref_of(0, 0));
    cr_assert_not(wr_id_eq(first, wr_book_id(&b, wr_ref_of(0, 1))));
    cr_assert_not(wr_id_eq(first, wr_book_id(&b, wr_ref_of(1, 0))));
    cr_assert_not(wr_id_eq(first, wr_book_id(&other, wr_ref_of(0, 0))));
    wr_book_done(&b);
    wr_book_done(&other);
}

Test(book, only_what_is_there_can_be_named)
{
    struct wr_book b;
    const struct wr_host_id x = host_id(1);

    cr_assert_eq(wr_book_init(&b, ring, 4, 8), WR_OK);
    wr_book_add(&b, &x, 2, 0, NULL);
    cr_assert(wr_book_has(&b, wr_ref_of(0, 1)));
    cr_assert_not(wr_book_has(&b, wr_ref_of(0, 2)));
    cr_assert_not(wr_book_has(&b, wr_ref_of(1, 0)));
    cr_assert_not(wr_book_has(&b, WR_NO_REF));
    wr_book_done(&b);
}

Test(book, ids_that_start_alike_are_told_apart)
{
    struct wr_book b;

    cr_assert_eq(wr_book_init(&b, ring, 64, 64), WR_OK);
    for (uint8_t i = 0; i < 64; i++) {
        const struct wr_host_id x = {{1, 2, 3, 4, i}};

        cr_assert_eq(wr_book_add(&b, &x, 1, 0, NULL), i);
    }
    for (uint8_t i = 0; i < 64; i++) {
        const struct wr_host_id x = {{1, 2, 3, 4, i}};

        cr_assert_eq(wr_book_find(&b, &x), i);
    }
    wr_book_done(&b);
}
