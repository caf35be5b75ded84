/* GET over a ring that stands still (docs/protocol.md, Data). */
#include "still_data.h"

Test(replica_get, a_get_finds_the_copy_wherever_it_is)
{
    struct still *w = open_full(20, 20);

    for (unsigned i = 0; i < 20; i++) {
        const struct wr_id key = still_key(w);

        keep_at(w, i, &key); /* Far from its set, as after many joins. */
        get_ends(w, (i + 7) % 20, &key, WR_SEC(1), WR_STATUS_OK);
        cr_assert_eq(last(w)->data.len, 1000);
        cr_assert_eq(last(w)->data.hash, RAW);
        cr_assert_neq(last(w)->data.body.id, 0);
    }
    close_balanced(w);
}

/* More hosts than a reader keeps in mind at a time. */
Test(replica_get, a_get_asks_all_of_many_hosts)
{
    struct still *w = open_full(200, 28);
    const struct wr_id key = still_key(w), other = still_key(w);

    keep_at(w, still_nth(w, &key, 150), &key);
    get_ends(w, 3, &key, WR_SEC(5), WR_STATUS_OK);

    get_ends(w, 3, &other, WR_SEC(5), WR_STATUS_NO);
    cr_assert_geq(last(w)->data.asked, 200);

    w->hosts[still_nth(w, &other, 150)].silent = true;
    get_ends(w, 3, &other, WR_SEC(31), WR_STATUS_UNREACHABLE);
    cr_assert_eq(last(w)->data.down, 1);
    close_balanced(w);
}

Test(replica_get, not_found_needs_everybodys_no)
{
    struct still *w = open_full(10, 21);
    const struct wr_id key = still_key(w);

    get_ends(w, 3, &key, WR_SEC(5), WR_STATUS_NO);
    cr_assert_eq(last(w)->data.asked, 10);

    w->hosts[8].silent = true; /* Farthest or not: it might have it. */
    get_ends(w, 3, &key, WR_SEC(31), WR_STATUS_UNREACHABLE);
    cr_assert_eq(last(w)->data.asked, 10);
    cr_assert_eq(last(w)->data.down, 1);
    cr_assert_eq(last(w)->data.hosts_n, 1);
    cr_assert_eq(last(w)->data.hosts[0], 8);

    w->hosts[8].held_dead = true; /* Asked once, for it may be back. */
    get_ends(w, 3, &key, WR_SEC(2), WR_STATUS_UNREACHABLE);
    close_balanced(w);
}

/* It is back, and nobody has noticed yet. */
Test(replica_get, who_is_held_for_dead_is_asked_last)
{
    struct still *w = open_full(10, 33);
    const struct wr_id key = key_owned_by(w, 4);

    put_ok(w, 4, key);
    for (unsigned i = 0; i < 10; i++)
        if (still_find(&w->hosts[i], &key) != NULL) {
            w->hosts[i].held_dead = true;
            w->hosts[i].in_ring = false;
        }
    get_ends(w, host_without(w, &key), &key, WR_SEC(2), WR_STATUS_OK);
    close_balanced(w);
}

/* Nobody but one host answers, so no lookup comes to an end, and only a look
 * at everybody finds what that one has. What nobody of the two has may be with
 * the others. */
Test(replica_get, a_lookup_without_end_is_no_answer)
{
    struct still *w = still_open(10, 3, 25, NULL);
    const struct wr_id key = key_owned_by(w, 4), other = key_owned_by(w, 5);

    w->roster = true;
    still_fingers(w, 0);
    for (wr_host h = 0; h < 10; h++)
        w->hosts[h].silent = h != 3 && h != 8;
    keep_at(w, 8, &key);
    still_ask(w, 3, get_msg(w, key, false));
    still_ask(w, 3, get_msg(w, other, false));
    still_run(w, WR_SEC(20));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->data.status, WR_STATUS_OK);
    still_run(w, WR_SEC(31));
    cr_assert_eq(w->answers_n, 2);
    cr_assert_eq(last(w)->data.status, WR_STATUS_UNREACHABLE);
    cr_assert_eq(last(w)->data.asked, 10);
    cr_assert_eq(last(w)->data.down, 8);
    cr_assert_eq(last(w)->data.hosts_n, 8);
    close_balanced(w);
}

/* Host 9 is known to one host only, and not in the ring now: all that the
 * parent knows say no, and yet that is not all. */
Test(replica_get, a_no_counts_from_one_that_knows_nobody_else)
{
    struct still *w = still_open(10, 3, 26, NULL);

    w->roster = true;
    w->hosts[9].in_ring = false;
    still_fingers(w, 0);
    for (wr_host h = 0; h < 10; h++)
        w->hosts[h].unaware = h == 8 || h == 9 ? 0 : UINT64_C(1) << 9;
    const struct wr_id key = key_owned_by(w, 4), other = key_owned_by(w, 5);

    keep_at(w, 9, &key);
    get_ends(w, 3, &key, WR_SEC(3), WR_STATUS_OK);
    get_ends(w, 3, &other, WR_SEC(3), WR_STATUS_NO);
    cr_assert_eq(last(w)->data.asked, 10);
    w->hosts[3].in_ring = false; /* No more does it speak for the ring. */
    get_ends(w, 3, &other, WR_SEC(31), WR_STATUS_UNREACHABLE);
    close_balanced(w);
}

/* Host 5 is slow to answer. Before it does, a host leaves and hands its chunk
 * to one that has said no. */
Test(replica_get, all_are_asked_again_when_somebody_left_meanwhile)
{
    struct still *w = open_full(10, 27);
    const struct wr_id key = still_key(w);

    w->hosts[5].silent = true;
    still_ask(w, 3, get_msg(w, key, false));
    still_run(w, WR_MS(2000));
    cr_assert_eq(w->answers_n, 0);
    keep_at(w, 4, &key);
    w->gone++;
    w->hosts[5].silent = false;
    still_run(w, WR_SEC(10));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->data.status, WR_STATUS_OK);
    close_balanced(w);
}

/* What host 4 said before that may come after it. */
Test(replica_get, a_no_counts_for_the_question_that_it_answers)
{
    struct still *w = open_full(10, 27);
    struct still_host *parent = &w->hosts[3];
    const struct wr_id key = still_key(w);
    struct wr_msg old = {.kind = WR_MSG_DATA};

    w->hosts[5].silent = true;
    still_ask(w, 3, get_msg(w, key, false));
    still_run(w, WR_MS(2000));
    old.rid = parent->replica.ops[0].id;
    old.data.status = WR_STATUS_NO;
    old.data.digest = key;
    keep_at(w, 4, &key);
    w->gone++;
    w->hosts[5].silent = false;
    w->hosts[4].silent = true; /* Its answer takes its time. */
    while (parent->replica.ops[0].roster != (uint32_t)(UINT64_MAX + w->gone))
        still_run(w, WR_MS(1));
    old.data.known = still_known(&parent->core);
    wr_replica_recv(&parent->replica, &parent->core, 4, &old);
    still_drain(w, parent);
    still_run(w, WR_MS(100));
    w->hosts[4].silent = false;
    still_run(w, WR_SEC(10));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->data.status, WR_STATUS_OK);
    close_balanced(w);
}

/* Hosts come and go while one that is late is asked anew: its tries do not add
 * up to a patience that nobody has. */
Test(replica_get, who_is_late_is_asked_anew_like_others)
{
    struct still *w = open_full(10, 45);
    struct wr_replica *r = &w->hosts[3].replica;

    w->hosts[5].silent = true;
    still_ask(w, 3, get_msg(w, still_key(w), false));
    still_run(w, WR_SEC(2));
    for (unsigned i = 0; i < 40; i++) {
        w->gone++;
        still_run(w, WR_MS(1200));
        const struct wr_target *t = wr_op_target(r, &r->ops[0], 5);

        cr_assert(w->answers_n > 0 || t->tries <= WR_DATA_TRIES, "%u",
                  t->tries);
    }
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->data.status, WR_STATUS_UNREACHABLE);
    close_balanced(w);
}

/* Its list is full, say. Each question costs it and us little. */
Test(replica_get, who_never_agrees_is_not_asked_without_end)
{
    struct still *w = open_full(10, 29);

    w->hosts[5].stubborn = true;
    still_ask(w, 3, get_msg(w, still_key(w), false));
    still_run(w, WR_SEC(31));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->data.status, WR_STATUS_UNREACHABLE);
    cr_assert_eq(last(w)->data.hosts[0], 5);
    cr_assert_leq(w->sends[WR_MSG_GET], 8 + 25);
    cr_assert_leq(w->compared, 25);
    close_balanced(w);
}

/* Sound bytes of another chunk, or none at all, are no copy of this one. */
static bool nearest_lies(struct still *w, wr_host from, wr_host to,
                         struct wr_msg *m)
{
    (void)w;
    (void)to;
    if (m->kind == WR_MSG_DATA && from == 4)
        m->data.digest.b[0] ^= 1;
    if (m->kind == WR_MSG_DATA && from == 5)
        m->data.body = (struct wr_body){0};
    return true;
}

Test(replica_get, another_chunk_is_no_answer)
{
    for (wr_host liar = 4; liar <= 5; liar++) {
        struct still *w = open_full(10, 44);
        const struct wr_id key = key_owned_by(w, liar);

        put_ok(w, liar, key);
        w->passes = nearest_lies;
        get_ends(w, still_nth(w, &key, 5), &key, WR_SEC(1), WR_STATUS_OK);
        cr_assert_neq(last(w)->data.body.id, 0);
        cr_assert_eq(w->hosts[still_nth(w, &key, 5)].count.bad_copies_total, 1);
        close_balanced(w);
    }
}

Test(replica_get, a_silent_holder_is_hedged_within_seconds)
{
    struct still *w = open_full(10, 22);
    const struct wr_id key = key_owned_by(w, 4);

    put_ok(w, 4, key);
    w->hosts[4].silent = true;
    get_ends(w, host_without(w, &key), &key, WR_MS(1500), WR_STATUS_OK);
    close_balanced(w);
}

Test(replica_get, a_bad_copy_is_told_and_the_next_one_is_taken)
{
    struct still *w = open_full(10, 23);
    const struct wr_id key = key_owned_by(w, 4);

    put_ok(w, 4, key);
    for (size_t i = 0; i < 2; i++)
        still_find(&w->hosts[still_nth(w, &key, i)], &key)->rotten = true;
    get_ends(w, host_without(w, &key), &key, WR_SEC(1), WR_STATUS_OK);
    close_balanced(w);
}

Test(replica_get, head_names_the_holders)
{
    struct still *w = open_full(10, 24);
    const struct wr_id key = key_owned_by(w, 4);

    put_ok(w, 4, key);
    still_ask(w, 9, get_msg(w, key, true));
    still_run(w, WR_SEC(1));
    cr_assert_eq(last(w)->data.status, WR_STATUS_OK);
    cr_assert_eq(last(w)->data.copies, 3);
    cr_assert_eq(last(w)->data.hosts_n, 3);
    cr_assert_eq(last(w)->data.len, 1000);
    cr_assert_eq(last(w)->data.body.id, 0);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_not_null(still_find(&w->hosts[last(w)->data.hosts[i]], &key));
    close_balanced(w);
}
