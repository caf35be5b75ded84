/* The rule by which a put is over (proto/proof.h, D17), and which clock it may
 * be judged by (sys/wall.h, D18). */
#include <criterion/criterion.h>

#include "crypto/root.h"
#include "proto/proof.h"
#include "sys/wall.h"

enum { SLACK = 7200 };

static const uint64_t end_s = 1893456000;

static enum wr_weight weigh(enum wr_root_state state, uint64_t expiry,
                            uint64_t now_s)
{
    const struct wr_sign_key owner = {.public = {7}};
    uint8_t bytes[WR_ROOT_BYTES_MAX];
    struct wr_root r;

    wr_root_init(&r, &owner, owner.public, owner.public);
    r.state = state;
    r.expiry = expiry;
    r.cid_n = state == WR_ROOT_OPEN ? 0 : 4;
    return wr_proof_weigh(wr_span(bytes, wr_root_encode(&r, bytes)), now_s,
                          SLACK);
}

Test(proof, what_has_no_end_lives)
{
    cr_assert_eq(weigh(WR_ROOT_KEPT, 0, end_s), WR_WEIGHT_LIVE);
    cr_assert_eq(weigh(WR_ROOT_OPEN, 0, UINT64_MAX), WR_WEIGHT_LIVE);
}

Test(proof, an_end_counts_once_every_known_clock_is_past_it)
{
    cr_assert_eq(weigh(WR_ROOT_KEPT, end_s, end_s - 1), WR_WEIGHT_LIVE);
    cr_assert_eq(weigh(WR_ROOT_KEPT, end_s, end_s + SLACK), WR_WEIGHT_LIVE);
    cr_assert_eq(weigh(WR_ROOT_KEPT, end_s, end_s + SLACK + 1),
                 WR_WEIGHT_FINAL);
    cr_assert_eq(weigh(WR_ROOT_OPEN, end_s, end_s + SLACK + 1),
                 WR_WEIGHT_STALE);
}

Test(proof, without_a_clock_nothing_expires)
{
    cr_assert_eq(weigh(WR_ROOT_KEPT, 1, 0), WR_WEIGHT_LIVE);
    cr_assert_eq(weigh(WR_ROOT_OPEN, 1, 0), WR_WEIGHT_LIVE);
}

Test(proof, what_is_given_up_is_over_whatever_the_clock_says)
{
    cr_assert_eq(weigh(WR_ROOT_GIVEN_UP, 0, 0), WR_WEIGHT_FINAL);
    cr_assert_eq(weigh(WR_ROOT_GIVEN_UP, end_s, 1), WR_WEIGHT_FINAL);
}

Test(proof, what_cannot_be_read_proves_nothing)
{
    cr_assert_eq(wr_proof_weigh(wr_span_str("wrO"), end_s, SLACK),
                 WR_WEIGHT_LIVE);
}

/* Of `hosts` that have it, where n copies are kept and w acknowledge. */
static bool over(uint32_t n, uint32_t hosts, bool all, enum wr_weight weight)
{
    const struct wr_proof p = {
        .hosts = hosts, .copies = n, .durable = n / 2 + 1, .all = all};

    return wr_proof_is_over(&p, weight);
}

Test(proof, two_hosts_prove_it_or_the_only_one_there_is)
{
    cr_assert(over(1, 1, false, WR_WEIGHT_FINAL));
    cr_assert_not(over(2, 1, false, WR_WEIGHT_FINAL));
    cr_assert(over(2, 2, false, WR_WEIGHT_FINAL));
    cr_assert_not(over(3, 1, false, WR_WEIGHT_FINAL));
    cr_assert(over(3, 2, false, WR_WEIGHT_FINAL));
}

/* Any w of n and any that prove it have a host in common. */
Test(proof, a_newer_record_that_was_acknowledged_is_among_those_read)
{
    for (uint32_t n = 1; n <= WR_COPIES_MAX; n++)
        for (uint32_t hosts = 0; hosts <= n; hosts++)
            if (over(n, hosts, false, WR_WEIGHT_FINAL))
                cr_assert_gt(hosts + n / 2 + 1, n);
}

Test(proof, one_host_is_enough_if_all_the_others_have_none)
{
    cr_assert(over(3, 1, true, WR_WEIGHT_FINAL));
    cr_assert(over(3, 1, true, WR_WEIGHT_STALE));
}

Test(proof, an_open_record_takes_everybodys_answer)
{
    for (uint32_t hosts = 0; hosts <= 8; hosts++)
        cr_assert_not(over(3, hosts, false, WR_WEIGHT_STALE));
}

Test(proof, absence_and_life_prove_nothing)
{
    cr_assert_not(over(3, 0, true, WR_WEIGHT_FINAL));
    cr_assert_not(over(3, 0, true, WR_WEIGHT_STALE));
    cr_assert_not(over(3, 3, true, WR_WEIGHT_LIVE));
}

/* ---- clocks ----------------------------------------------------------------
 */

static enum wr_wall judge(uint64_t now_s, bool alone, size_t n,
                          const int64_t *off)
{
    uint64_t peers[WR_WALL_PEERS];
    const struct wr_wall_view v = {.now_s = now_s,
                                   .built_s = end_s - 1000000,
                                   .seen_s = end_s - 10,
                                   .off_s = WR_WALL_OFF_S,
                                   .alone = alone,
                                   .peers_s = peers,
                                   .peers_n = n};

    for (size_t i = 0; i < n; i++)
        peers[i] = (uint64_t)((int64_t)end_s + off[i]);
    return wr_wall_judge(&v);
}

Test(wall, a_clock_that_is_alone_may_not_go_back)
{
    cr_assert_eq(judge(end_s, true, 0, NULL), WR_WALL_KNOWN);
    cr_assert_eq(judge(end_s - 11, true, 0, NULL), WR_WALL_BEHIND);
}

Test(wall, earlier_than_the_program_is_never_right)
{
    const int64_t same[] = {-1000001, -1000001};

    cr_assert_eq(judge(end_s - 1000001, true, 0, NULL), WR_WALL_BEHIND);
    cr_assert_eq(judge(end_s - 1000001, false, 2, same), WR_WALL_BEHIND);
}

Test(wall, who_hears_nobody_knows_nothing)
{
    cr_assert_eq(judge(end_s, false, 0, NULL), WR_WALL_ALONE);
}

Test(wall, the_median_of_the_peers_decides)
{
    const int64_t one_off[] = {9000000, -3, 5}, most_off[] = {9000, 9000, 0};
    const int64_t an_hour[] = {3600}, more[] = {-3601};

    cr_assert_eq(judge(end_s, false, 3, one_off), WR_WALL_KNOWN);
    cr_assert_eq(judge(end_s, false, 3, most_off), WR_WALL_OFF);
    cr_assert_eq(judge(end_s, false, 1, an_hour), WR_WALL_KNOWN);
    cr_assert_eq(judge(end_s, false, 1, more), WR_WALL_OFF);
}

/* Of three hosts one is wrong: the two others go on, and it does not. */
Test(wall, one_of_three_is_outvoted)
{
    const int64_t wrong_and_right[] = {-500000, 0}, right[] = {-9000, -9000};

    cr_assert_eq(judge(end_s, false, 2, wrong_and_right), WR_WALL_KNOWN);
    cr_assert_eq(judge(end_s, false, 2, right), WR_WALL_OFF);
}

/* It was ahead for a while, and was believed then. */
Test(wall, peers_that_agree_outweigh_what_was_seen)
{
    const int64_t now[] = {-5000, -5001};

    cr_assert_eq(judge(end_s - 5000, false, 2, now), WR_WALL_KNOWN);
}
