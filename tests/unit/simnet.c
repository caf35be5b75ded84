/* The simulated network: what its models promise (sim/net.h). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../sim/net.h"

enum { HOSTS = 2000, PAIRS = 20000 };

static struct wr_simnet net;

static void start(const struct wr_simnet_cfg *cfg)
{
    cr_assert_eq(wr_simnet_init(&net, cfg, HOSTS, 7), WR_OK);
}

static int by_size(const void *a, const void *b)
{
    const wr_time x = *(const wr_time *)a, y = *(const wr_time *)b;

    return x < y ? -1 : x > y;
}

/* p2psim's King data: median 159 ms, mean 180 to 198 ms, of round trips. */
Test(simnet, king_has_the_measured_median_and_mean)
{
    static wr_time trip[PAIRS];
    struct wr_rng r = {1};
    uint64_t sum = 0;

    start(&(struct wr_simnet_cfg){.model = WR_SIMNET_KING});
    for (int i = 0; i < PAIRS; i++) {
        const wr_host a = (wr_host)wr_rng_below(&r, HOSTS);
        const wr_host b = (wr_host)wr_rng_below(&r, HOSTS);

        trip[i] = 2 * wr_simnet_base(&net, a, b);
        cr_assert_eq(wr_simnet_base(&net, a, b), wr_simnet_base(&net, b, a));
        cr_assert_leq(trip[i], 2 * wr_simnet_most(&net));
        sum += trip[i];
    }
    qsort(trip, PAIRS, sizeof(trip[0]), by_size);
    cr_assert_lt(llabs((long long)trip[PAIRS / 2] - 159000), 8000);
    cr_assert_geq(sum / PAIRS, 180000);
    cr_assert_leq(sum / PAIRS, 198000);
    wr_simnet_done(&net);
}

Test(simnet, a_pair_keeps_its_latency_and_jitter_is_bounded)
{
    struct wr_rng r = {1};

    start(&(struct wr_simnet_cfg){.model = WR_SIMNET_FIXED,
                                  .min_us = 1000,
                                  .max_us = 9000,
                                  .jitter_permille = 100});
    for (wr_host h = 1; h < HOSTS; h++) {
        const wr_time base = wr_simnet_base(&net, 0, h);
        const wr_time took = wr_simnet_latency(&net, &r, 0, h);

        cr_assert(base >= 1000 && base <= 9000);
        cr_assert(took >= base && took <= base + base / 10);
    }
    wr_simnet_done(&net);
}

Test(simnet, messages_wait_for_the_link)
{
    const struct wr_simnet_cfg cfg = {
        .min_us = 1000, .max_us = 1000, .up_bps = 8000000, .down_bps = 4000000};
    struct wr_rng r = {1};
    wr_time at[2];

    start(&cfg);
    /* 1,000 bytes: 1 ms up, 1 ms on the way, 2 ms down. */
    cr_assert_eq(wr_simnet_send(&net, &r, 0, 1, 2, 1000, at), 1);
    cr_assert_eq(at[0], 4000);
    /* The up-link is busy until 1 ms, the down-link until 4 ms. */
    wr_simnet_send(&net, &r, 0, 1, 2, 1000, at);
    cr_assert_eq(at[0], 6000);
    /* Another receiver: only the up-link is busy. */
    wr_simnet_send(&net, &r, 0, 1, 3, 1000, at);
    cr_assert_eq(at[0], 3000 + 1000 + 2000);
    wr_simnet_clog(&net, 3, 50000);
    wr_simnet_send(&net, &r, 10000, 1, 3, 1000, at);
    cr_assert_eq(at[0], 52000);
    wr_simnet_done(&net);
}

Test(simnet, shares_are_kept)
{
    const struct wr_simnet_cfg cfg = {.min_us = 1,
                                      .max_us = 1,
                                      .loss_permille = 50,
                                      .twice_permille = 200,
                                      .one_sided_permille = 23};
    unsigned lost = 0, twice = 0, apart = 0;
    struct wr_rng r = {1};
    wr_time at[2];

    start(&cfg);
    for (int i = 0; i < PAIRS; i++) {
        const wr_host a = (wr_host)wr_rng_below(&r, HOSTS);
        const wr_host b = (wr_host)wr_rng_below(&r, HOSTS);

        lost += wr_simnet_loses(&net, &r);
        twice += wr_simnet_send(&net, &r, 0, 1, 2, 1, at) == 2;
        apart += !wr_simnet_reach(&net, a, b);
        cr_assert_eq(wr_simnet_reach(&net, a, b), wr_simnet_reach(&net, b, a));
    }
    /* Five standard deviations of a binomial of 20,000. */
    cr_assert_lt(abs((int)lost - PAIRS * 50 / 1000), 155);
    cr_assert_lt(abs((int)twice - PAIRS * 200 / 1000), 283);
    cr_assert_lt(abs((int)apart - PAIRS * 23 / 1000), 107);
    cr_assert(wr_simnet_reach(&net, 5, 5));
    wr_simnet_side(&net, 4, 1);
    cr_assert_not(wr_simnet_reach(&net, 4, 5));
    wr_simnet_done(&net);
}

Test(simnet, places_come_from_a_file)
{
    char path[] = "/tmp/wreath-places.XXXXXX";
    const int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    uint32_t line;

    cr_assert_not_null(f);
    fputs("# x y height\n0 0 1\n3 4 1\n", f);
    fflush(f);
    start(&(struct wr_simnet_cfg){.model = WR_SIMNET_PLACES});
    cr_assert_eq(wr_simnet_read(&net, path, &line), WR_OK);
    /* A round trip of 5 + 1 + 1 ms; the third host is the first again. */
    cr_assert_eq(wr_simnet_base(&net, 0, 1), 3501);
    cr_assert_eq(wr_simnet_base(&net, 2, 1), 3501);
    fputs("7 eight 9\n", f);
    fclose(f);
    cr_assert_eq(wr_simnet_read(&net, path, &line), WR_EINVAL);
    cr_assert_eq(line, 4);
    unlink(path);
    cr_assert_eq(wr_simnet_read(&net, path, &line), WR_ENOTFOUND);
    wr_simnet_done(&net);
}
