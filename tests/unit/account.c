/* A leaf's quota, as one super-peer counts it (host/account.h). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "host/account.h"

static struct wr_msg put_of(uint64_t rid, uint8_t put)
{
    struct wr_msg m = {.kind = WR_MSG_PUT, .rid = rid};

    m.put.put.b[0] = put;
    return m;
}

static void done_with(struct wr_account *a, uint64_t rid, uint8_t status)
{
    struct wr_msg m = {.kind = WR_MSG_PUT_DONE, .rid = rid};

    m.put_done.status = status;
    wr_account_done(a, 7, &m);
}

Test(account, a_quota_counts_what_stands_and_what_is_under_way)
{
    const struct wr_cred cred = {.host = {1}, .quota = 1000};
    struct wr_msg one = put_of(1, 9), two = put_of(2, 9), three = put_of(3, 8);
    struct wr_account a;
    uint64_t counted;

    cr_assert_eq(wr_account_open(&a, "/nonexistent"), WR_OK);
    cr_assert(wr_account_admits(&a, &cred, 7, &one, 600, 0, &counted));
    cr_assert_not(wr_account_admits(&a, &cred, 7, &two, 401, 0, &counted));
    cr_assert_eq(counted, 1001);
    cr_assert(wr_account_admits(&a, &cred, 7, &two, 400, 0, &counted));
    done_with(&a, 2, WR_STATUS_UNREACHABLE);
    cr_assert(wr_account_admits(&a, &cred, 7, &three, 400, 0, &counted),
              "it failed");
    done_with(&a, 1, WR_STATUS_OK);
    done_with(&a, 3, WR_STATUS_OK);
    done_with(&a, 3, WR_STATUS_OK); /* Said twice, counted once. */
    cr_assert_eq(wr_account_used(&a, cred.host), 1000);
    cr_assert_not(wr_account_admits(&a, &cred, 7, &two, 1, 0, &counted));
    wr_account_over(&a, &three.put.put);
    cr_assert_eq(wr_account_used(&a, cred.host), 600);
    wr_account_close(&a);
}

/* A request that nobody answers is not held against the leaf for ever. */
Test(account, what_was_under_way_for_long_has_failed)
{
    const struct wr_cred cred = {.host = {1}, .quota = 1000};
    struct wr_msg m = put_of(1, 9);
    struct wr_account a;
    uint64_t counted;

    cr_assert_eq(wr_account_open(&a, "/nonexistent"), WR_OK);
    cr_assert(wr_account_admits(&a, &cred, 7, &m, 1000, 0, &counted));
    cr_assert_not(wr_account_admits(&a, &cred, 7, &m, 1, WR_SEC(59), &counted));
    cr_assert(wr_account_admits(&a, &cred, 7, &m, 1000, WR_SEC(60), &counted));
    wr_account_close(&a);
}

Test(account, an_account_of_many_puts_keeps_its_sum)
{
    const struct wr_cred cred = {.host = {1}, .quota = UINT64_MAX};
    static const struct wr_put_id none;
    struct wr_put_id put;
    struct wr_account a;
    uint64_t counted;
    char *text;

    cr_assert_eq(wr_account_open(&a, "/nonexistent"), WR_OK);
    for (uint32_t i = 1; i <= 2 * WR_ACCOUNT_PUTS; i += 16) {
        struct wr_msg m = put_of(i, 1);

        for (uint32_t k = 0; k < 16; k++) { /* Sixteen puts of their own. */
            memcpy(m.put.put.b + 4, &(uint32_t){i + k}, 4);
            m.rid = i + k;
            cr_assert(wr_account_admits(&a, &cred, 7, &m, 10, 0, &counted));
            done_with(&a, i + k, WR_STATUS_OK);
        }
    }
    cr_assert_leq(a.puts_n, WR_ACCOUNT_PUTS);
    cr_assert_eq(wr_account_used(&a, cred.host), 20 * WR_ACCOUNT_PUTS);
    for (uint32_t i = 0; i <= a.puts_n; i++) /* What was merged is no put. */
        if (wr_account_next(&a, &put))
            cr_assert_neq(memcmp(&put, &none, sizeof(none)), 0);
    text = wr_account_dump(&a);
    cr_assert_neq(text, NULL);
    free(text);
    wr_account_close(&a);
}
