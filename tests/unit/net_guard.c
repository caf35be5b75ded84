/* Addresses as text, and how often one may knock. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "net/addr.h"
#include "net/guard.h"

Test(addr, text_both_ways)
{
    static const char *const good[] = {"127.0.0.1:7000", "[::1]:1",
                                       "[2001:db8::5]:65535", "0.0.0.0:0"};
    static const char *const bad[] = {
        "",           "host:1",      "1.2.3:4",    "1.2.3.4:65536",
        "1.2.3.4:",   "::1",         "[::1]x",     "[::1",
        "1.2.3.4:+1", "[1.2.3.4]:1", "1.2.3.4:-1", "1.2.3.4: 1"};
    char text[WR_ADDR_TEXT];
    struct sockaddr_storage sa;
    struct wr_addr a, b;

    for (size_t i = 0; i < WR_ARRAY_LEN(good); i++) {
        cr_assert_eq(wr_addr_parse(good[i], 9, &a), WR_OK, "%s", good[i]);
        cr_assert_str_eq(wr_addr_text(&a, text), good[i]);
        wr_addr_to_socket(&a, &sa);
        wr_addr_of_socket((struct sockaddr *)&sa, &b);
        cr_assert_eq(memcmp(&a, &b, sizeof(a)), 0);
    }
    for (size_t i = 0; i < WR_ARRAY_LEN(bad); i++)
        cr_assert_eq(wr_addr_parse(bad[i], 9, &a), WR_EINVAL, "%s", bad[i]);
    cr_assert_eq(wr_addr_parse("1.2.3.4", 9, &a), WR_OK);
    cr_assert_eq(a.port, 9);
    cr_assert(!wr_addr_is_any(&a) && wr_addr_is_v4(&a));
}

static struct wr_addr v4(unsigned n, unsigned net)
{
    struct wr_addr a;
    char text[WR_ADDR_TEXT];

    (void)snprintf(text, sizeof(text), "10.%u.%u.%u:1", net >> 8 & 255,
                   net & 255, n);
    cr_assert_eq(wr_addr_parse(text, 0, &a), WR_OK);
    return a;
}

static unsigned knocks(struct wr_guard *g, const struct wr_addr *a, wr_time now,
                       unsigned tries)
{
    unsigned in = 0;

    for (unsigned i = 0; i < tries; i++)
        in += wr_guard_knock(g, a, now);
    return in;
}

Test(guard, limits_addresses_and_networks)
{
    static struct wr_guard g;
    const struct wr_addr a = v4(1, 1), b = v4(2, 1), far = v4(1, 2);
    unsigned in = 0;

    wr_guard_init(&g, 42);
    cr_assert_eq(knocks(&g, &a, WR_SEC(1), 1000), WR_KNOCKS_BURST);
    cr_assert_eq(knocks(&g, &b, WR_SEC(1), 10), 10); /* Its neighbour. */
    cr_assert_eq(knocks(&g, &a, WR_SEC(2), 1000), WR_KNOCKS_PER_S);
    for (unsigned i = 3; i < 200; i++) { /* The whole network at once. */
        const struct wr_addr c = v4(i, 1);

        in += knocks(&g, &c, WR_SEC(2), 10);
    }
    cr_assert_leq(in, WR_KNOCKS_BURST * WR_KNOCKS_NET);
    cr_assert_eq(knocks(&g, &far, WR_SEC(2), 10), 10);
}

/* 300 leaves behind one address, each of which knows the secret. */
Test(guard, those_who_know_the_secret_pay_nothing)
{
    static struct wr_guard g;
    const struct wr_addr a = v4(1, 1);

    wr_guard_init(&g, 42);
    for (unsigned i = 0; i < 300; i++) {
        cr_assert(wr_guard_knock(&g, &a, WR_SEC(1)));
        wr_guard_refund(&g, &a, WR_SEC(1));
    }
    /* Replays get theirs taken again. */
    for (unsigned i = 0; i < WR_KNOCKS_BURST; i++)
        wr_guard_charge(&g, &a, WR_SEC(1));
    cr_assert(!wr_guard_knock(&g, &a, WR_SEC(1)));
}

/* A recording is worth nothing, however many were made. */
Test(guard, a_first_message_counts_once)
{
    enum { REPLAYS = 300 };
    static struct wr_guard g;
    static uint8_t keys[REPLAYS][32];
    struct wr_rng rng = {11};

    wr_guard_init(&g, 42);
    for (unsigned i = 0; i < REPLAYS; i++) {
        wr_rng_fill(&rng, keys[i], sizeof(keys[i]));
        cr_assert(wr_guard_is_new(&g, keys[i]));
    }
    for (unsigned k = 0; k < 20; k++)
        for (unsigned i = 0; i < REPLAYS; i++)
            cr_assert_not(wr_guard_is_new(&g, keys[i]));
}

/* A flood from many addresses does not lock out one that was never seen. */
Test(guard, a_flood_does_not_lock_others_out)
{
    static struct wr_guard g;
    const struct wr_addr member = v4(7, 40000);

    wr_guard_init(&g, 42);
    for (unsigned i = 0; i < 200000; i++) {
        const struct wr_addr a = v4(i % 250, i / 250 % 20000);

        (void)wr_guard_knock(&g, &a, WR_SEC(1) + i);
    }
    cr_assert(wr_guard_knock(&g, &member, WR_SEC(2)));
}
