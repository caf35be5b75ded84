/* PUT over a ring that stands still (docs/protocol.md, Data). */
#include "still_data.h"

Test(replica_put, a_put_at_the_owner_makes_n_copies_on_its_set)
{
    struct still *w = open_full(10, 1);
    const struct wr_id key = key_owned_by(w, 4);

    put_ok(w, 4, key);
    cr_assert_geq(last(w)->put_done.copies, 2);
    cr_assert_eq(copies(w, &key), 3);
    for (size_t i = 0; i < 3; i++) {
        struct still_chunk *c =
            still_find(&w->hosts[still_nth(w, &key, i)], &key);

        cr_assert_not_null(c);
        cr_assert_eq(c->refs_n, 1);
        cr_assert_eq(memcmp(&c->refs[0], &put_a, sizeof(put_a)), 0);
    }
    cr_assert_eq(w->sends[WR_MSG_ROUTE], 0);
    close_balanced(w);
}

Test(replica_put, a_put_elsewhere_goes_straight_to_the_owner)
{
    struct still *w = open_full(10, 2);
    const struct wr_id key = key_owned_by(w, 4);

    put_ok(w, 7, key);
    cr_assert_eq(copies(w, &key), 3);
    cr_assert_eq(w->sends[WR_MSG_ROUTE], 0);
    cr_assert_eq(w->sends[WR_MSG_PUT], 3); /* Owner, and two copies. */
    close_balanced(w);
}

Test(replica_put, a_thin_table_looks_the_owner_up)
{
    struct still *w = still_open(100, 1, 3, NULL);
    const struct wr_id key = key_owned_by(w, 4);

    still_fingers(w, WR_MS(300));
    put_ok(w, 50, key);
    cr_assert_eq(copies(w, &key), 3);
    close_balanced(w);
}

Test(replica_put, acknowledged_at_w_and_not_before)
{
    struct still *w = open_full(10, 4);
    const struct wr_id key = key_owned_by(w, 4);
    struct wr_msg m = put_msg(w, key);

    /* Two of the set are silent: one copy stands, w is 2, nobody replaces. */
    for (uint32_t i = 0; i < w->n; i++)
        w->hosts[i].silent = i != 4;
    still_ask(w, 4, m);
    still_run(w, WR_SEC(29));
    cr_assert_eq(w->answers_n, 0);
    still_run(w, WR_SEC(2));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_UNREACHABLE);
    cr_assert_eq(last(w)->put_done.copies, 1);

    w->answers_n = 0;
    m = put_msg(w, key);
    m.put.durable = 1; /* --wait one */
    still_ask(w, 4, m);
    still_run(w, WR_MS(10));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_OK);
    cr_assert_eq(last(w)->put_done.copies, 1);
    still_run(w, WR_SEC(31));
    close_balanced(w);
}

Test(replica_put, wait_all_waits_for_all)
{
    struct still *w = open_full(10, 5);
    const struct wr_id key = key_owned_by(w, 4);
    struct wr_msg m = put_msg(w, key);

    m.put.copies = 3;
    m.put.durable = 3;
    still_ask(w, 2, m);
    still_run(w, WR_SEC(1));
    cr_assert_eq(last(w)->put_done.copies, 3);
    cr_assert_eq(copies(w, &key), 3);
    close_balanced(w);
}

Test(replica_put, n_and_w_follow_the_hosts_admitted)
{
    for (uint32_t n = 1; n <= 2; n++) {
        struct still *w = open_full(n, 6);
        const struct wr_id key = still_key(w);

        put_ok(w, 0, key);
        cr_assert_eq(last(w)->put_done.copies, n); /* 1/1, 2/2 */
        cr_assert_eq(copies(w, &key), n);
        close_balanced(w);
    }
}

Test(replica_put, a_silent_copy_is_replaced_by_the_next_host)
{
    struct still *w = open_full(10, 7);
    const struct wr_id key = key_owned_by(w, 4);
    const wr_host second = still_nth(w, &key, 1);

    w->hosts[second].silent = true;
    put_ok(w, 4, key);
    cr_assert_null(still_find(&w->hosts[second], &key));
    cr_assert_eq(copies(w, &key), 3);
    cr_assert_not_null(still_find(&w->hosts[still_nth(w, &key, 3)], &key));
    close_balanced(w);
}

Test(replica_put, a_full_disk_is_replaced_and_all_full_is_said)
{
    struct still *w = open_full(10, 8);
    struct wr_id key = key_owned_by(w, 4);

    w->hosts[still_nth(w, &key, 2)].full = true;
    put_ok(w, 4, key);
    cr_assert_eq(copies(w, &key), 3);
    for (uint32_t i = 0; i < w->n; i++)
        w->hosts[i].full = true;
    key = key_owned_by(w, 4);
    w->answers_n = 0;
    still_ask(w, 3, put_msg(w, key));
    still_run(w, WR_SEC(1));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_FULL);
    close_balanced(w);
}

Test(replica_put, an_owner_that_dies_midway_is_replaced_by_the_new_owner)
{
    struct still *w = open_full(10, 9);
    const struct wr_id key = key_owned_by(w, 4);

    still_ask(w, 7, put_msg(w, key));
    w->hosts[4].silent = true;
    still_run(w, WR_MS(500));
    w->hosts[4].in_ring = false;
    w->hosts[4].held_dead = true;
    still_cut(w, 7, 4);
    still_run(w, WR_SEC(5));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_OK);
    cr_assert_eq(copies(w, &key), 3);
    cr_assert_not_null(still_find(&w->hosts[still_nth(w, &key, 0)], &key));
    close_balanced(w);
}

/* Pings and lookups get through to host 4, requests for data do not: so does a
 * host that can dial others and cannot be dialled. */
static bool no_data_to_4(struct still *w, wr_host from, wr_host to,
                         struct wr_msg *m)
{
    (void)w;
    (void)from;
    return to != 4 || m->kind < WR_MSG_HAVE || m->kind > WR_MSG_ROOT;
}

Test(replica_put, an_owner_that_no_data_reaches_is_stood_in_for)
{
    struct still *w = open_full(10, 9);
    const struct wr_id key = key_owned_by(w, 4), later = key_owned_by(w, 4);
    const struct wr_id after = key_owned_by(w, 4);

    w->passes = no_data_to_4;
    still_ask(w, 7, put_msg(w, key));
    still_run(w, WR_SEC(20));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_OK);
    cr_assert_eq(copies(w, &key), 3);
    cr_assert_not_null(still_find(&w->hosts[still_nth(w, &key, 1)], &key));

    /* Whoever was let down once does not wait for it again, */
    still_ask(w, 7, put_msg(w, later));
    still_run(w, WR_SEC(1));
    cr_assert_eq(w->answers_n, 2);
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_OK);

    /* but asks it when some time has passed. */
    w->passes = NULL;
    still_run(w, WR_MS(WR_MUTE_MS));
    put_ok(w, 7, after);
    cr_assert_not_null(still_find(&w->hosts[4], &after));
    close_balanced(w);
}

Test(replica_put, not_owner_is_mended_by_a_lookup)
{
    struct still *w = open_full(20, 10);
    struct wr_id key = key_owned_by(w, 4);

    /* The parent has never heard of the owner: it takes the next for it. */
    wr_routes_forget_host(&w->hosts[7].routes, &w->hosts[7].core, 4);
    put_ok(w, 7, key);
    cr_assert_eq(copies(w, &key), 3);
    cr_assert_not_null(still_find(&w->hosts[4], &key));
    close_balanced(w);
}

Test(replica_put, the_set_is_checked_again_at_the_acknowledgement)
{
    struct still *w = open_full(10, 11);
    const struct wr_id key = key_owned_by(w, 4);
    wr_host nearer = WR_NO_HOST;

    /* The last but one host of the set joins while the put is under way. */
    nearer = still_nth(w, &key, 1);
    w->hosts[nearer].in_ring = false;
    still_ask(w, 4, put_msg(w, key));
    w->hosts[nearer].in_ring = true;
    still_run(w, WR_SEC(1));
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_OK);
    cr_assert_not_null(still_find(&w->hosts[nearer], &key));
    close_balanced(w);
}

/* The owner has two of three copies and says so; its word is lost. It is asked
 * again while it still waits for the third. */
static bool first_done_is_lost(struct still *w, wr_host from, wr_host to,
                               struct wr_msg *m)
{
    (void)from;
    return m->kind != WR_MSG_PUT_DONE || to != 7 ||
           w->sends[WR_MSG_PUT_DONE] > 2;
}

Test(replica_put, an_acknowledgement_that_was_lost_is_said_again)
{
    struct still *w = open_full(10, 8);
    const struct wr_id key = key_owned_by(w, 4);

    w->passes = first_done_is_lost;
    w->hosts[still_nth(w, &key, 2)].silent = true;
    still_ask(w, 7, put_msg(w, key));
    still_run(w, WR_SEC(3));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_OK);
    cr_assert_eq(last(w)->put_done.copies, 2);
    still_run(w, WR_SEC(31));
    cr_assert_eq(w->answers_n, 1);
    close_balanced(w);
}

/* An asker that counts from the same start again: what it asks is not what is
 * under way under the same rid. */
Test(replica_put, another_chunk_under_the_same_rid_is_another_request)
{
    struct still *w = open_full(10, 8);
    const struct wr_id key = key_owned_by(w, 4), other = key_owned_by(w, 4);
    struct wr_msg first = put_msg(w, key), second = put_msg(w, other);

    w->hosts[still_nth(w, &key, 2)].silent = true;
    second.rid = first.rid;
    still_ask(w, 4, first);
    still_run(w, WR_SEC(1));
    cr_assert_eq(w->answers_n, 1); /* And its third copy is on its way. */
    still_ask(w, 4, second);
    still_run(w, WR_SEC(31));
    cr_assert_eq(w->answers_n, 2);
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_OK);
    cr_assert_geq(copies(w, &other), last(w)->put_done.copies);
    close_balanced(w);
}

Test(replica_put, bad_bytes_are_refused)
{
    struct still *w = open_full(5, 12);
    struct wr_msg m = put_msg(w, still_key(w));

    still_release(w, m.put.body);
    m.put.body = (struct wr_body){0};
    m.bad_body = 1;
    still_ask(w, 2, m);
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_BAD);
    close_balanced(w);
}

Test(replica_put, a_leaf_may_not_speak_as_a_host)
{
    struct still *w = open_full(5, 13);
    struct wr_msg m = put_msg(w, still_key(w));

    m.put.level = WR_LEVEL_COPY;
    still_ask(w, 2, m);
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_REFUSED);
    cr_assert_eq(w->hosts[2].stored, 0);
    close_balanced(w);
}

Test(replica_put, a_full_table_says_busy_and_when_to_come_again)
{
    struct still *w = open_tuned(5, 14, tight);
    unsigned busy = 0;

    for (unsigned i = 0; i < 6; i++)
        still_ask(w, 0, put_msg(w, still_key(w)));
    for (uint32_t i = 0; i < w->answers_n; i++)
        if (w->answers[i].put_done.status == WR_STATUS_BUSY) {
            busy++;
            cr_assert_gt(w->answers[i].put_done.retry_ms, 0);
        }
    cr_assert_eq(busy, 3); /* One of four is kept for an owner's work. */
    still_run(w, WR_SEC(31));
    close_balanced(w);
}

/* Answers so far that say BUSY. */
static unsigned busy_n(const struct still *w)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < w->answers_n; i++)
        n += w->answers[i].kind == WR_MSG_PUT_DONE &&
             w->answers[i].put_done.status == WR_STATUS_BUSY;
    return n;
}

/* However much one leaf asks, the next one finds room; alone it has most. */
Test(replica_put, a_greedy_leaf_leaves_room_for_others)
{
    enum { ASKED = 100, OTHERS = 5 };
    struct still *w = open_full(5, 16);
    const uint32_t share = w->hosts[0].cfg.ops_max * 3 / 4;

    for (unsigned i = 0; i < ASKED; i++)
        still_ask_as(w, 0, 1, put_msg(w, still_key(w)));
    cr_assert_geq(ASKED - busy_n(w), share * 3 / 4);
    cr_assert_leq(ASKED - busy_n(w), share - OTHERS);
    const unsigned before = busy_n(w);
    for (uint32_t i = 0; i < OTHERS; i++)
        still_ask_as(w, 0, 2 + i, put_msg(w, still_key(w)));
    cr_assert_eq(busy_n(w), before);
    still_run(w, WR_SEC(31));
    close_balanced(w);
}

/* Hosts that are full of each other's leaves come through, for an owner's work
 * has room of its own. */
Test(replica_put, hosts_full_of_leaves_do_not_wait_for_each_other_for_ever)
{
    struct still *w = open_tuned(5, 15, tight);
    unsigned ok = 0;

    for (wr_host h = 0; h < 5; h++)
        for (unsigned i = 0; i < 3; i++)
            still_ask(w, h, put_msg(w, key_owned_by(w, (h + 1) % 5)));
    still_run(w, WR_SEC(31));
    for (uint32_t i = 0; i < w->answers_n; i++)
        ok += w->answers[i].put_done.status == WR_STATUS_OK;
    cr_assert_eq(ok, 15);
    close_balanced(w);
}
