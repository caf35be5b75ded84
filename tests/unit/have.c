/* HAVE over a ring that stands still, and while a host joins it
 * (docs/protocol.md, D6). */
#include "still_data.h"

static bool had(const struct wr_msg *m, unsigned i)
{
    return (m->had.bits[i / 8] >> (i % 8) & 1) != 0;
}

/* Draws `n` digests whose chunks stand where they belong. */
static void keys_that_stand(struct still *w, struct wr_id *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        v[i] = still_key(w);
        keep_on_set(w, &v[i]);
    }
}

Test(have, says_yes_with_the_meaning_of_an_acknowledgement)
{
    struct still *w = open_full(10, 30);
    struct wr_id v[128];

    for (unsigned i = 0; i < 128; i++) {
        v[i] = still_key(w);
        if (i % 2 == 0)
            keep_on_set(w, &v[i]);
        if (i % 8 == 1) /* One copy is no acknowledgement. */
            keep_at(w, still_nth(w, &v[i], 1), &v[i]);
        if (i % 8 == 3) /* Nor are three off the set. */
            for (size_t k = 4; k < 7; k++)
                keep_at(w, still_nth(w, &v[i], k), &v[i]);
    }
    w->answers_n = 0;
    still_ask(w, 3, have_msg(w, v, 128));
    still_run(w, WR_SEC(1));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->had.status, WR_STATUS_OK);
    cr_assert_eq(last(w)->had.n, 128);
    cr_assert_geq(last(w)->had.copies, 2);
    for (unsigned i = 0; i < 128; i++) {
        cr_assert_eq(had(last(w), i), i % 2 == 0, "%u", i);
        if (i % 2 != 0)
            continue;
        unsigned refs = 0; /* And the reference stands on w of them. */
        for (size_t k = 0; k < 3; k++) {
            struct still_chunk *c =
                still_find(&w->hosts[still_nth(w, &v[i], k)], &v[i]);

            for (uint32_t p = 0; p < c->refs_n; p++)
                refs += memcmp(&c->refs[p], &put_b, sizeof(put_b)) == 0;
        }
        cr_assert_geq(refs, 2);
    }
    /* One message for each host and role, not for each digest, and no lookup:
     * a ring at rest takes one round. */
    cr_assert_leq(w->sends[WR_MSG_HAVE], 9 + 10 * 9);
    cr_assert_eq(w->sends[WR_MSG_ROUTE], 0);
    close_balanced(w);
}

Test(have, ends_in_time_when_hosts_are_silent)
{
    struct still *w = open_full(10, 31);
    struct wr_id v[64];

    keys_that_stand(w, v, 64);
    for (wr_host h = 5; h < 10; h++)
        w->hosts[h].silent = true;
    w->answers_n = 0;
    still_ask(w, 3, have_msg(w, v, 64));
    still_run(w, WR_SEC(30));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->had.status, WR_STATUS_OK);
    for (unsigned i = 0; i < 64; i++) {
        unsigned live = 0;

        for (size_t k = 0; k < 3; k++)
            live += !w->hosts[still_nth(w, &v[i], k)].silent;
        if (had(last(w), i))
            cr_assert_geq(live, 2);
    }
    close_balanced(w);
}

/* A ring whose last host joins it only now: nobody has heard of it, but its
 * neighbours. */
struct joining {
    struct still *w;
    wr_host newcomer, old, asked; /* Its successor; a parent far from both. */
};

enum { JOIN_HOSTS = 40 };

static struct joining open_joining(uint64_t seed)
{
    struct still *w = still_open(JOIN_HOSTS, 1, seed, NULL);
    struct joining j = {.w = w, .newcomer = JOIN_HOSTS - 1};
    const struct wr_id *at = wr_book_id(&w->book, wr_ref_of(j.newcomer, 0));

    w->roster = true;
    w->hosts[j.newcomer].in_ring = false;
    still_fingers(w, 0);
    for (wr_host i = 0; i < w->n; i++)
        for (wr_host k = 0; k < w->n; k++) {
            w->hosts[i].core.now = w->now;
            if (k != j.newcomer || i == j.newcomer)
                wr_routes_learn_host(&w->hosts[i].routes, &w->hosts[i].core, k);
        }
    j.old = still_nth(w, at, 0);
    j.asked = still_nth(w, at, 10); /* Its successors do not reach the two. */
    return j;
}

/* Once it has joined, `taken` keys are the newcomer's and the rest of the n
 * its successor's, in turns; all stand where they belonged before. */
static void keys_of_joining(struct joining *j, struct wr_id *v, unsigned n,
                            unsigned taken)
{
    struct still *w = j->w;

    for (unsigned i = 0; i < n; i++) {
        const bool take = i * taken / n != (i + 1) * taken / n;

        w->hosts[j->newcomer].in_ring = true;
        v[i] = key_owned_by(w, take ? j->newcomer : j->old);
        w->hosts[j->newcomer].in_ring = false;
        keep_on_set(w, &v[i]);
    }
    w->answers_n = 0;
    memset(w->sends, 0, sizeof(w->sends));
}

/* What is said yes to is acknowledged: w of the set as it is now. */
static unsigned yes_that_stand(struct still *w, const struct wr_id *v,
                               unsigned n)
{
    unsigned yes = 0;

    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->had.status, WR_STATUS_OK);
    cr_assert_eq(last(w)->had.n, n);
    for (unsigned i = 0; i < n; i++) {
        unsigned stand = 0;

        for (size_t k = 0; k < 3; k++)
            stand +=
                still_find(&w->hosts[still_nth(w, &v[i], k)], &v[i]) != NULL;
        if (had(last(w), i))
            cr_assert_geq(stand, 2, "%u", i);
        yes += had(last(w), i);
    }
    return yes;
}

Test(have, follows_a_range_that_was_lost_as_a_whole)
{
    struct joining j = open_joining(32);
    struct wr_id v[16];

    keys_of_joining(&j, v, 16, 16);
    j.w->hosts[j.newcomer].in_ring = true;
    still_ask(j.w, j.asked, have_msg(j.w, v, 16));
    still_run(j.w, WR_SEC(1));
    cr_assert_eq(yes_that_stand(j.w, v, 16), 16);
    cr_assert_gt(j.w->hosts[j.asked].count.lookups_total, 0);
    /* The old owner, the new one, and the two others of its set. */
    cr_assert_eq(j.w->sends[WR_MSG_HAVE], 4);
    close_balanced(j.w);
}

Test(have, follows_the_part_of_a_range_that_was_lost)
{
    struct joining j = open_joining(33);
    struct wr_id v[128];

    keys_of_joining(&j, v, 128, 64);
    j.w->hosts[j.newcomer].in_ring = true;
    still_ask(j.w, j.asked, have_msg(j.w, v, 128));
    still_run(j.w, WR_SEC(1));
    cr_assert_eq(yes_that_stand(j.w, v, 128), 128);
    /* Each owner once, and the two others of each set: the old owner is not
     * asked again for what it answered. */
    cr_assert_eq(j.w->sends[WR_MSG_HAVE], 6);
    /* A lookup does for an arc: far fewer of them than the 64 lost keys, though
     * several begin before the first has told. */
    cr_assert_leq(j.w->hosts[j.asked].count.lookups_total, 64 / 2);
    close_balanced(j.w);
}

Test(have, says_no_for_what_a_newcomer_left_below_w)
{
    struct joining j = open_joining(34);
    struct wr_id v[16];
    unsigned yes = 0;

    keys_of_joining(&j, v, 16, 16);
    for (unsigned i = 0; i < 16; i += 2) /* One copy is lost: one is left. */
        still_find(&j.w->hosts[j.old], &v[i])->digest = still_key(j.w);
    j.w->hosts[j.newcomer].in_ring = true;
    still_ask(j.w, j.asked, have_msg(j.w, v, 16));
    still_run(j.w, WR_SEC(1));
    yes = yes_that_stand(j.w, v, 16);
    cr_assert_eq(yes, 8);
    close_balanced(j.w);
}

Test(have, says_no_when_the_new_owner_cannot_be_found)
{
    struct joining j = open_joining(35);
    struct wr_id v[32];

    keys_of_joining(&j, v, 32, 16);
    j.w->hosts[j.newcomer].in_ring = true;
    j.w->hosts[j.newcomer].silent = true;
    still_ask(j.w, j.asked, have_msg(j.w, v, 32));
    still_run(j.w, WR_MS(WR_HAVE_SEEK_MS) + WR_MS(500));
    cr_assert_eq(yes_that_stand(j.w, v, 32), 16); /* The rest, all the same. */
    still_run(j.w, WR_SEC(60)); /* The lookups end later, for nobody. */
    cr_assert_eq(j.w->answers_n, 1);
    cr_assert_eq(wr_replica_deadline(&j.w->hosts[j.asked].replica), WR_NEVER);
    close_balanced(j.w);
}

Test(have, does_not_ask_for_ever_while_ownership_moves)
{
    struct joining j = open_joining(36);
    struct still_host *parent = &j.w->hosts[j.asked];
    struct wr_id v[128];

    for (wr_host h = 0; h < JOIN_HOSTS; h++)
        j.w->hosts[h].denies = true;
    j.w->hosts[j.newcomer].in_ring = true;
    for (unsigned i = 0; i < 128; i++)
        do
            v[i] = still_key(j.w);
        while (wr_ref_host(still_owner(j.w, &v[i])) == j.asked);
    still_ask(j.w, j.asked, have_msg(j.w, v, 128));
    still_run(j.w, WR_SEC(1));
    cr_assert_eq(yes_that_stand(j.w, v, 128), 0);
    cr_assert_gt(parent->count.lookups_total, 0);
    cr_assert_leq(parent->count.lookups_total, WR_HAVE_FINDS * 128);
    cr_assert_leq(j.w->sends[WR_MSG_HAVE], (WR_HAVE_FINDS + 1) * JOIN_HOSTS);
    close_balanced(j.w);
}

static unsigned lookups_open(const struct still_host *h)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < h->lookups.cap; i++)
        n += h->lookups.v[i].state != WR_LOOKUP_FREE &&
             h->lookups.v[i].whose == WR_LOOKUP_DATA;
    return n;
}

Test(have, with_a_thin_table_looks_up_a_few_at_once)
{
    struct still *w = still_open(STILL_HOSTS, 1, 37, NULL);
    struct still_host *parent = &w->hosts[50];
    struct wr_id v[32];

    still_fingers(w, WR_MS(300));
    keys_that_stand(w, v, 32);
    w->answers_n = 0;
    still_ask(w, 50, have_msg(w, v, 32));
    cr_assert_eq(lookups_open(parent), WR_HAVE_FINDS_OPEN);
    for (int ms = 0; ms < 1000; ms++) {
        still_run(w, WR_MS(1));
        cr_assert_leq(lookups_open(parent), WR_HAVE_FINDS_OPEN);
    }
    cr_assert_eq(yes_that_stand(w, v, 32), 32);
    close_balanced(w);
}

static void one_lookup(struct wr_node_cfg *cfg)
{
    cfg->lookups_max = 1;
}

Test(have, without_room_for_lookups_says_no)
{
    struct still *w = still_open(STILL_HOSTS, 1, 38, one_lookup);
    struct wr_id v[32];

    still_fingers(w, WR_MS(300));
    keys_that_stand(w, v, 32);
    w->answers_n = 0;
    still_ask(w, 50, have_msg(w, v, 32));
    still_run(w, WR_SEC(6));
    cr_assert_lt(yes_that_stand(w, v, 32), 32);
    close_balanced(w);
}

/* The parent owns the keys until the newcomer takes them, in the middle. */
/* Of a table of eight one leaf has two. */
Test(have, a_greedy_leaf_leaves_room_for_others)
{
    struct still *w = open_full(5, 44);
    struct wr_id v[16];
    unsigned busy = 0;

    for (unsigned i = 0; i < 16; i++)
        v[i] = still_key(w);
    for (unsigned i = 0; i < 6; i++)
        still_ask_as(w, 0, 1, have_msg(w, v, 16));
    for (uint32_t i = 0; i < w->answers_n; i++)
        busy += w->answers[i].had.status == WR_STATUS_BUSY;
    cr_assert_eq(busy, 4);
    still_ask_as(w, 0, 2, have_msg(w, v, 16));
    cr_assert_eq(w->answers_n, 4); /* It waits for hosts, not for room. */
    still_run(w, WR_SEC(31));
    cr_assert_eq(w->answers_n, 7);
    close_balanced(w);
}

Test(have, follows_a_range_that_the_parent_loses)
{
    struct joining j = open_joining(39);
    struct wr_id v[16];

    keys_of_joining(&j, v, 16, 8);
    still_ask(j.w, j.old, have_msg(j.w, v, 16));
    j.w->hosts[j.newcomer].in_ring = true;
    still_run(j.w, WR_SEC(1));
    cr_assert_eq(yes_that_stand(j.w, v, 16), 16);
    cr_assert_eq(j.w->sends[WR_MSG_HAVE], 2 + 3);
    close_balanced(j.w);
}

/* Each host is full once, then has room; for host 5 there is none at all. */
static bool busy_at_first(struct still *w, wr_host from, wr_host to,
                          struct wr_msg *m)
{
    static bool full_once[10];

    (void)w;
    (void)to;
    if (m->kind != WR_MSG_HAD || (full_once[from] && from != 5))
        return true;
    full_once[from] = true;
    memset(&m->had, 0, sizeof(m->had));
    m->had.status = WR_STATUS_BUSY;
    m->had.retry_ms = 100;
    return true;
}

/* An upload is the dearer way to wait for an owner that is full just now. */
Test(have, asks_once_more_who_is_busy)
{
    struct still *w = open_full(10, 63);
    struct wr_id v[10];

    for (unsigned i = 0; i < 10; i++) {
        v[i] = key_owned_by(w, i);
        keep_on_set(w, &v[i]);
    }
    w->answers_n = 0;
    w->passes = busy_at_first;
    still_ask(w, 3, have_msg(w, v, 10));
    still_run(w, WR_SEC(1));
    cr_assert_eq(yes_that_stand(w, v, 10), 9);
    cr_assert_not(had(last(w), 5));
    close_balanced(w);
}

/* As many owners as digests: no digest is left out for being one too many. */
Test(have, asks_as_many_owners_as_there_are)
{
    struct still *w = open_full(STILL_HOSTS, 60);
    struct wr_id v[128];

    for (unsigned i = 0; i < 128; i++) {
        v[i] = key_owned_by(w, i + 1);
        keep_on_set(w, &v[i]);
    }
    w->answers_n = 0;
    still_ask(w, 0, have_msg(w, v, 128));
    still_run(w, WR_SEC(1));
    cr_assert_eq(yes_that_stand(w, v, 128), 128);
    close_balanced(w);
}

/* The owner begins to leave while its own store still writes the reference: the
 * walk may be past it, so that copy counts for nothing (D15). */
Test(have, does_not_count_what_a_leaving_owner_took_in)
{
    struct still *w = open_full(10, 61);
    struct still_host *h = &w->hosts[4];
    const struct wr_id key = key_owned_by(w, 4);

    keep_at(w, 4, &key);
    keep_at(w, still_nth(w, &key, 1), &key);
    w->answers_n = 0;
    still_ask(w, 4, have_msg(w, &key, 1));
    h->core.now = w->now;
    wr_replica_leave(&h->replica, &h->core, 1);
    still_drain(w, h);
    still_run(w, WR_SEC(31));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->had.status, WR_STATUS_OK);
    cr_assert_not(had(last(w), 0));
    close_balanced(w);
}

/* One digest many times is a question like others. */
Test(have, answers_each_of_equal_digests)
{
    struct still *w = open_full(10, 62);
    struct wr_id v[128];

    keys_that_stand(w, v, 1);
    for (unsigned i = 1; i < 128; i++)
        v[i] = v[0];
    w->answers_n = 0;
    still_ask(w, 3, have_msg(w, v, 128));
    still_run(w, WR_SEC(1));
    cr_assert_eq(yes_that_stand(w, v, 128), 128);
    close_balanced(w);
}
