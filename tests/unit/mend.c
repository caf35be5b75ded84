/* A rotten chunk is replaced by another copy (docs/protocol.md, D18), over a
 * ring that stands still. */
#include "still_data.h"

enum { TOKEN = 77 };

static void mend(struct still *w, wr_host at, const struct wr_id *key)
{
    struct still_host *h = &w->hosts[at];

    h->core.now = w->now;
    wr_replica_mend(&h->replica, &h->core, key, RAW, TOKEN);
    still_drain(w, h);
}

/* A mend at `at` ends once, within `us`, and so. */
static enum wr_status mended(struct still *w, wr_host at,
                             const struct wr_id *key, wr_time us)
{
    w->done_n = 0;
    mend(w, at, key);
    still_run(w, us);
    cr_assert_eq(w->done_n, 1);
    cr_assert_eq(w->done[0].done.token, TOKEN);
    return (enum wr_status)w->done[0].done.status;
}

/* Of the first hosts of its set. */
static struct still_chunk *copy_at(struct still *w, const struct wr_id *key,
                                   size_t nth)
{
    return still_find(&w->hosts[still_nth(w, key, nth)], key);
}

/* Besides the put that all know, each copy has a reference of its own. */
static void keep_with_refs(struct still *w, const struct wr_id *key)
{
    keep_on_set(w, key);
    for (uint8_t i = 0; i < 3; i++)
        still_ref(copy_at(w, key, i), (struct wr_put_id){{0xf0 + i}});
}

Test(mend, another_copy_takes_the_place_and_references_stay)
{
    struct still *w = open_full(12, 1);

    for (unsigned i = 0; i < 6; i++) {
        const struct wr_id key = still_key(w);
        struct still_chunk *c;

        keep_with_refs(w, &key);
        c = copy_at(w, &key, i % 3);
        c->rotten = true;
        cr_assert_eq(mended(w, still_nth(w, &key, i % 3), &key, WR_SEC(2)),
                     WR_STATUS_OK);
        cr_assert(!c->rotten);
        cr_assert_eq(c->refs_n, 2);
        cr_assert_eq(c->refs[1].b[0], 0xf0 + i % 3);
        cr_assert_eq(copies(w, &key), 3, "it is copied nowhere else");
    }
    close_balanced(w);
}

Test(mend, a_rotten_or_silent_copy_is_passed_over)
{
    struct still *w = open_full(12, 2);
    const struct wr_id key = still_key(w), other = still_key(w);

    keep_with_refs(w, &key);
    copy_at(w, &key, 0)->rotten = true;
    copy_at(w, &key, 1)->rotten = true;
    cr_assert_eq(mended(w, still_nth(w, &key, 0), &key, WR_SEC(5)),
                 WR_STATUS_OK);
    cr_assert(!copy_at(w, &key, 0)->rotten);
    cr_assert(copy_at(w, &key, 1)->rotten, "that is its own host's matter");

    keep_with_refs(w, &other);
    copy_at(w, &other, 0)->rotten = true;
    w->hosts[still_nth(w, &other, 1)].silent = true;
    cr_assert_eq(mended(w, still_nth(w, &other, 0), &other, WR_SEC(31)),
                 WR_STATUS_OK);
    cr_assert(!copy_at(w, &other, 0)->rotten);
    close_balanced(w);
}

Test(mend, without_a_good_copy_it_says_so_and_nothing_changes)
{
    struct still *w = open_full(12, 3);
    const struct wr_id key = still_key(w);

    keep_at(w, 4, &key);
    still_find(&w->hosts[4], &key)->rotten = true;
    cr_assert_neq(mended(w, 4, &key, WR_SEC(31)), WR_STATUS_OK);
    cr_assert(still_find(&w->hosts[4], &key)->rotten);
    cr_assert_eq(copies(w, &key), 1);
    close_balanced(w);
}

Test(mend, a_disk_that_takes_nothing_fails_it)
{
    struct still *w = open_full(12, 4);
    const struct wr_id key = still_key(w);

    keep_with_refs(w, &key);
    copy_at(w, &key, 0)->rotten = true;
    w->hosts[still_nth(w, &key, 0)].full = true;
    cr_assert_eq(mended(w, still_nth(w, &key, 0), &key, WR_SEC(5)),
                 WR_STATUS_FULL);
    close_balanced(w);
}

Test(mend, answers_that_come_twice_or_late_leave_nothing_behind)
{
    struct still *w = open_full(12, 5);

    w->twice = true;
    w->jitter_us = WR_SEC(3); /* Beyond a reader's patience. */
    for (unsigned i = 0; i < 20; i++) {
        const struct wr_id key = still_key(w);

        keep_with_refs(w, &key);
        copy_at(w, &key, 0)->rotten = true;
        cr_assert_eq(mended(w, still_nth(w, &key, 0), &key, WR_SEC(60)),
                     WR_STATUS_OK);
        cr_assert(!copy_at(w, &key, 0)->rotten);
    }
    close_balanced(w);
}

Test(mend, a_full_table_says_busy)
{
    struct still *w = open_tuned(12, 6, tight);
    const struct wr_id key = still_key(w);
    unsigned busy = 0;

    keep_with_refs(w, &key);
    copy_at(w, &key, 0)->rotten = true;
    w->done_n = 0;
    for (unsigned i = 0; i < 8; i++)
        mend(w, still_nth(w, &key, 0), &key);
    still_run(w, WR_SEC(31));
    cr_assert_eq(w->done_n, 8, "each ends");
    for (unsigned i = 0; i < 8; i++)
        busy += w->done[i].done.status == WR_STATUS_BUSY;
    cr_assert(busy >= 4 && busy < 8, "%u", busy);
    cr_assert(!copy_at(w, &key, 0)->rotten);
    close_balanced(w);
}
