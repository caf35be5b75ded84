/* Data requests over a ring that stands still (docs/protocol.md, Data). */
#include "still_data.h"

static struct wr_msg put_msg(struct still *w, struct wr_id digest)
{
    struct wr_msg m = {.kind = WR_MSG_PUT, .rid = wr_rng_next(&w->rng)};

    m.put.level = WR_LEVEL_LEAF;
    m.put.hash = RAW;
    m.put.put = put_a;
    m.put.digest = digest;
    m.put.body = still_body(w, digest, 1000, false);
    return m;
}

static struct wr_msg get_msg(struct still *w, struct wr_id digest, bool head)
{
    struct wr_msg m = {.kind = WR_MSG_GET, .rid = wr_rng_next(&w->rng)};

    m.get.level = WR_LEVEL_LEAF;
    m.get.hash = RAW;
    m.get.head = head;
    m.get.digest = digest;
    return m;
}

static struct wr_msg root_msg(struct still *w, enum wr_msg_kind kind,
                              struct wr_id position, uint64_t version,
                              const char *text)
{
    struct wr_msg m = {.kind = (uint8_t)kind, .rid = wr_rng_next(&w->rng)};

    m.root.level = WR_LEVEL_LEAF;
    m.root.position = position;
    m.root.version = version;
    m.root.record =
        (struct wr_span){.p = (const uint8_t *)text, .n = strlen(text)};
    return m;
}

static unsigned copies(struct still *w, const struct wr_id *digest)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < w->n; i++)
        n += still_find(&w->hosts[i], digest) != NULL;
    return n;
}

static void put_ok(struct still *w, wr_host parent, struct wr_id key)
{
    w->answers_n = 0;
    still_ask(w, parent, put_msg(w, key));
    still_run(w, WR_SEC(31));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_OK);
}

/* ---- put ---- */

Test(replica, a_put_at_the_owner_makes_n_copies_on_its_set)
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

Test(replica, a_put_elsewhere_goes_straight_to_the_owner)
{
    struct still *w = open_full(10, 2);
    const struct wr_id key = key_owned_by(w, 4);

    put_ok(w, 7, key);
    cr_assert_eq(copies(w, &key), 3);
    cr_assert_eq(w->sends[WR_MSG_ROUTE], 0);
    cr_assert_eq(w->sends[WR_MSG_PUT], 3); /* Owner, and two copies. */
    close_balanced(w);
}

Test(replica, a_thin_table_looks_the_owner_up)
{
    struct still *w = still_open(100, 1, 3, NULL);
    const struct wr_id key = key_owned_by(w, 4);

    still_fingers(w, WR_MS(300));
    put_ok(w, 50, key);
    cr_assert_eq(copies(w, &key), 3);
    close_balanced(w);
}

Test(replica, acknowledged_at_w_and_not_before)
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

Test(replica, wait_all_waits_for_all)
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

Test(replica, n_and_w_follow_the_hosts_admitted)
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

Test(replica, a_silent_copy_is_replaced_by_the_next_host)
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

Test(replica, a_full_disk_is_replaced_and_all_full_is_said)
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

Test(replica, an_owner_that_dies_midway_is_replaced_by_the_new_owner)
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

Test(replica, not_owner_is_mended_by_a_lookup)
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

Test(replica, the_set_is_checked_again_at_the_acknowledgement)
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

Test(replica, an_acknowledgement_that_was_lost_is_said_again)
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
Test(replica, another_chunk_under_the_same_rid_is_another_request)
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

Test(replica, bad_bytes_are_refused)
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

Test(replica, a_leaf_may_not_speak_as_a_host)
{
    struct still *w = open_full(5, 13);
    struct wr_msg m = put_msg(w, still_key(w));

    m.put.level = WR_LEVEL_COPY;
    still_ask(w, 2, m);
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_REFUSED);
    cr_assert_eq(w->hosts[2].stored, 0);
    close_balanced(w);
}

static void tight(struct wr_node_cfg *cfg)
{
    cfg->ops_max = 4;
    cfg->have_ops_max = 1;
}

Test(replica, a_full_table_says_busy_and_when_to_come_again)
{
    struct still *w = still_open(5, 3, 14, tight);
    unsigned busy = 0;

    w->roster = true;
    still_fingers(w, 0);
    still_full_tables(w);
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

/* Hosts that are full of each other's leaves come through, for an owner's work
 * has room of its own. */
Test(replica, hosts_full_of_leaves_do_not_wait_for_each_other_for_ever)
{
    struct still *w = still_open(5, 3, 15, tight);
    unsigned ok = 0;

    w->roster = true;
    still_fingers(w, 0);
    still_full_tables(w);
    for (wr_host h = 0; h < 5; h++)
        for (unsigned i = 0; i < 3; i++)
            still_ask(w, h, put_msg(w, key_owned_by(w, (h + 1) % 5)));
    still_run(w, WR_SEC(31));
    for (uint32_t i = 0; i < w->answers_n; i++)
        ok += w->answers[i].put_done.status == WR_STATUS_OK;
    cr_assert_eq(ok, 15);
    close_balanced(w);
}

/* ---- get ---- */

Test(replica, a_get_finds_the_copy_wherever_it_is)
{
    struct still *w = open_full(20, 20);

    for (unsigned i = 0; i < 20; i++) {
        const struct wr_id key = still_key(w);

        keep_at(w, i, &key); /* Far from its set, as after many joins. */
        still_ask(w, (i + 7) % 20, get_msg(w, key, false));
        still_run(w, WR_SEC(1));
        cr_assert_eq(w->answers_n, i + 1);
        cr_assert_eq(last(w)->data.status, WR_STATUS_OK);
        cr_assert_eq(last(w)->data.len, 1000);
        cr_assert_eq(last(w)->data.hash, RAW);
        cr_assert_neq(last(w)->data.body.id, 0);
    }
    close_balanced(w);
}

/* More hosts than a reader keeps in mind at a time. */
Test(replica, a_get_asks_all_of_many_hosts)
{
    struct still *w = open_full(200, 28);
    const struct wr_id key = still_key(w), other = still_key(w);

    keep_at(w, still_nth(w, &key, 150), &key);
    still_ask(w, 3, get_msg(w, key, false));
    still_run(w, WR_SEC(5));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->data.status, WR_STATUS_OK);

    still_ask(w, 3, get_msg(w, other, false));
    still_run(w, WR_SEC(5));
    cr_assert_eq(w->answers_n, 2);
    cr_assert_eq(last(w)->data.status, WR_STATUS_NO);
    cr_assert_geq(last(w)->data.asked, 200);

    w->hosts[still_nth(w, &other, 150)].silent = true;
    still_ask(w, 3, get_msg(w, other, false));
    still_run(w, WR_SEC(31));
    cr_assert_eq(w->answers_n, 3);
    cr_assert_eq(last(w)->data.status, WR_STATUS_UNREACHABLE);
    cr_assert_eq(last(w)->data.down, 1);
    close_balanced(w);
}

Test(replica, not_found_needs_everybodys_no)
{
    struct still *w = open_full(10, 21);
    const struct wr_id key = still_key(w);

    still_ask(w, 3, get_msg(w, key, false));
    still_run(w, WR_SEC(5));
    cr_assert_eq(last(w)->data.status, WR_STATUS_NO);
    cr_assert_eq(last(w)->data.asked, 10);

    w->hosts[8].silent = true; /* Farthest or not: it might have it. */
    still_ask(w, 3, get_msg(w, key, false));
    still_run(w, WR_SEC(31));
    cr_assert_eq(last(w)->data.status, WR_STATUS_UNREACHABLE);
    cr_assert_eq(last(w)->data.asked, 10);
    cr_assert_eq(last(w)->data.down, 1);
    cr_assert_eq(last(w)->data.hosts_n, 1);
    cr_assert_eq(last(w)->data.hosts[0], 8);

    w->hosts[8].held_dead = true; /* Asked once, for it may be back. */
    w->answers_n = 0;
    still_ask(w, 3, get_msg(w, key, false));
    still_run(w, WR_SEC(2));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->data.status, WR_STATUS_UNREACHABLE);
    close_balanced(w);
}

/* It is back, and nobody has noticed yet. */
Test(replica, who_is_held_for_dead_is_asked_last)
{
    struct still *w = open_full(10, 33);
    const struct wr_id key = key_owned_by(w, 4);

    put_ok(w, 4, key);
    for (unsigned i = 0; i < 10; i++)
        w->hosts[i].held_dead = still_find(&w->hosts[i], &key) != NULL;
    for (unsigned i = 0; i < 10; i++) {
        if (w->hosts[i].held_dead)
            continue;
        still_ask(w, i, get_msg(w, key, false));
        still_run(w, WR_SEC(2));
        cr_assert_eq(last(w)->data.status, WR_STATUS_OK);
        break;
    }
    close_balanced(w);
}

/* Nobody but one host answers, so no lookup comes to an end, and only a look
 * at everybody finds what that one has. What nobody of the two has may be with
 * the others. */
Test(replica, a_lookup_without_end_is_no_answer)
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
Test(replica, a_no_counts_from_one_that_knows_nobody_else)
{
    struct still *w = still_open(10, 3, 26, NULL);

    w->roster = true;
    w->hosts[9].in_ring = false;
    still_fingers(w, 0);
    for (wr_host h = 0; h < 10; h++)
        w->hosts[h].unaware = h == 8 || h == 9 ? 0 : UINT64_C(1) << 9;
    const struct wr_id key = key_owned_by(w, 4), other = key_owned_by(w, 5);

    keep_at(w, 9, &key);
    still_ask(w, 3, get_msg(w, key, false));
    still_run(w, WR_SEC(3));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->data.status, WR_STATUS_OK);
    still_ask(w, 3, get_msg(w, other, false));
    still_run(w, WR_SEC(3));
    cr_assert_eq(w->answers_n, 2);
    cr_assert_eq(last(w)->data.status, WR_STATUS_NO);
    cr_assert_eq(last(w)->data.asked, 10);
    w->hosts[3].in_ring = false; /* No more does it speak for the ring. */
    still_ask(w, 3, get_msg(w, other, false));
    still_run(w, WR_SEC(31));
    cr_assert_eq(w->answers_n, 3);
    cr_assert_eq(last(w)->data.status, WR_STATUS_UNREACHABLE);
    close_balanced(w);
}

/* Host 5 is slow to answer. Before it does, a host leaves and hands its chunk
 * to one that has said no. */
Test(replica, all_are_asked_again_when_somebody_left_meanwhile)
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
Test(replica, a_no_counts_for_the_question_that_it_answers)
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
Test(replica, who_is_late_is_asked_anew_like_others)
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
Test(replica, who_never_agrees_is_not_asked_without_end)
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

Test(replica, another_chunk_is_no_answer)
{
    for (wr_host liar = 4; liar <= 5; liar++) {
        struct still *w = open_full(10, 44);
        const struct wr_id key = key_owned_by(w, liar);

        put_ok(w, liar, key);
        w->passes = nearest_lies;
        w->answers_n = 0;
        still_ask(w, still_nth(w, &key, 5), get_msg(w, key, false));
        still_run(w, WR_SEC(1));
        cr_assert_eq(w->answers_n, 1);
        cr_assert_eq(last(w)->data.status, WR_STATUS_OK);
        cr_assert_neq(last(w)->data.body.id, 0);
        cr_assert_eq(w->hosts[still_nth(w, &key, 5)].count.bad_copies_total, 1);
        close_balanced(w);
    }
}

Test(replica, a_silent_holder_is_hedged_within_seconds)
{
    struct still *w = open_full(10, 22);
    const struct wr_id key = key_owned_by(w, 4);

    put_ok(w, 4, key);
    w->hosts[4].silent = true;
    w->answers_n = 0;
    wr_host reader = 0;
    while (still_find(&w->hosts[reader], &key) != NULL)
        reader++;
    still_ask(w, reader, get_msg(w, key, false));
    still_run(w, WR_MS(1500));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->data.status, WR_STATUS_OK);
    close_balanced(w);
}

Test(replica, a_bad_copy_is_told_and_the_next_one_is_taken)
{
    struct still *w = open_full(10, 23);
    const struct wr_id key = key_owned_by(w, 4);

    put_ok(w, 4, key);
    for (size_t i = 0; i < 2; i++)
        still_find(&w->hosts[still_nth(w, &key, i)], &key)->rotten = true;
    wr_host reader = 0;
    while (still_find(&w->hosts[reader], &key) != NULL)
        reader++;
    still_ask(w, reader, get_msg(w, key, false));
    still_run(w, WR_SEC(1));
    cr_assert_eq(last(w)->data.status, WR_STATUS_OK);
    close_balanced(w);
}

Test(replica, head_names_the_holders)
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

/* ---- root records ---- */

Test(replica, root_records_are_kept_and_the_highest_version_wins)
{
    struct still *w = open_full(10, 40);
    const struct wr_id at = still_key(w);

    still_ask(w, 2, root_msg(w, WR_MSG_ROOT_PUT, at, 1, "open"));
    still_run(w, WR_SEC(1));
    cr_assert_eq(last(w)->root.status, WR_STATUS_OK);
    /* One of the set sleeps through the second version. */
    const wr_host asleep = still_nth(w, &at, 0);
    w->hosts[asleep].silent = w->hosts[asleep].held_dead = true;
    w->hosts[asleep].in_ring = false;
    still_ask(w, 2, root_msg(w, WR_MSG_ROOT_PUT, at, 2, "kept"));
    still_run(w, WR_SEC(3));
    cr_assert_eq(last(w)->root.status, WR_STATUS_OK);
    w->hosts[asleep].silent = w->hosts[asleep].held_dead = false;
    w->hosts[asleep].in_ring = true;
    for (wr_host h = 0; h < 10; h++) {
        still_ask(w, h, root_msg(w, WR_MSG_ROOT_GET, at, 0, ""));
        still_run(w, WR_SEC(1));
        cr_assert_eq(last(w)->root.status, WR_STATUS_OK);
        cr_assert_eq(last(w)->root.version, 2);
        cr_assert_eq(last(w)->root.record.n, 4);
        cr_assert_eq(memcmp(last(w)->root.record.p, "kept", 4), 0);
    }
    still_ask(w, 2, root_msg(w, WR_MSG_ROOT_GET, still_key(w), 0, ""));
    still_run(w, WR_SEC(1));
    cr_assert_eq(last(w)->root.status, WR_STATUS_NO);
    close_balanced(w);
}

/* Whoever slept through the last version is the first to answer, twice. */
Test(replica, a_record_is_read_from_two_hosts_and_not_twice_from_one)
{
    struct still *w = open_full(10, 41);
    const struct wr_id at = key_owned_by(w, 4);

    still_ask(w, 4, root_msg(w, WR_MSG_ROOT_PUT, at, 1, "open"));
    still_run(w, WR_SEC(1));
    for (size_t i = 1; i < 3; i++) {
        struct still_root *r =
            still_find_root(&w->hosts[still_nth(w, &at, i)], &at);

        r->version = 2;
        memcpy(r->bytes, "kept", 4);
    }
    w->twice = true;
    still_ask(w, still_nth(w, &at, 5), root_msg(w, WR_MSG_ROOT_GET, at, 0, ""));
    still_run(w, WR_SEC(1));
    cr_assert_eq(last(w)->root.status, WR_STATUS_OK);
    cr_assert_eq(last(w)->root.version, 2);
    close_balanced(w);
}

/* ---- leaving ---- */

Test(replica, a_leaving_host_hands_on_every_chunk_reference_and_record)
{
    struct still *w = open_full(8, 50);
    struct still_host *h = &w->hosts[2];
    struct wr_id keys[50];

    for (unsigned i = 0; i < 50; i++) {
        keys[i] = still_key(w);
        keep_at(w, 2, &keys[i]);
        still_ref(still_find(h, &keys[i]), put_b);
    }
    still_ask(w, 2, root_msg(w, WR_MSG_ROOT_PUT, key_owned_by(w, 2), 1, "r"));
    still_run(w, WR_SEC(1));
    h->core.now = w->now;
    wr_replica_leave(&h->replica, &h->core, 77);
    still_drain(w, h);
    still_run(w, WR_SEC(20));
    cr_assert_eq(w->done_n, 1);
    cr_assert_eq(w->done[0].done.token, 77);
    cr_assert_eq(w->done[0].done.status, WR_STATUS_OK);
    for (unsigned i = 0; i < 50; i++) {
        unsigned n = 0;

        for (uint32_t k = 0; k < w->n; k++) {
            struct still_chunk *c = still_find(&w->hosts[k], &keys[i]);

            if (k == 2 || c == NULL)
                continue;
            n++;
            cr_assert_eq(c->refs_n, 2);
        }
        cr_assert_eq(n, 3, "chunk %u: %u copies", i, n);
    }
    unsigned records = 0;
    for (uint32_t k = 0; k < w->n; k++)
        records += k != 2 && w->hosts[k].roots_n > 0;
    cr_assert_geq(records, 3);
    close_balanced(w);
}

static bool haves_are_lost(struct still *w, wr_host from, wr_host to,
                           struct wr_msg *m)
{
    (void)w;
    (void)from;
    (void)to;
    return m->kind != WR_MSG_HAVE;
}

/* Answers about the chunk are none about its further references. */
Test(replica, a_leaving_host_believes_no_answer_twice)
{
    struct still *w = open_full(8, 54);
    struct still_host *h = &w->hosts[2];
    const struct wr_id key = still_key(w);

    keep_at(w, 2, &key);
    still_ref(still_find(h, &key), put_b);
    w->twice = true;
    w->passes = haves_are_lost;
    h->core.now = w->now;
    wr_replica_leave(&h->replica, &h->core, 1);
    still_drain(w, h);
    still_run(w, WR_SEC(1));
    w->passes = NULL;
    still_run(w, WR_SEC(20));
    cr_assert_eq(w->done_n, 1);
    cr_assert_eq(w->done[0].done.status, WR_STATUS_OK);
    for (wr_host k = 0; k < w->n; k++) {
        const struct still_chunk *c = still_find(&w->hosts[k], &key);

        cr_assert(c == NULL || c->refs_n == 2);
    }
    close_balanced(w);
}

/* The chunks' walk ends in a step that has no room for what follows. */
Test(replica, leaving_goes_on_after_a_step_without_room)
{
    struct still *w = open_full(3, 55);
    struct still_host *h = &w->hosts[0];
    struct wr_event ev = {.kind = WR_EV_STORED};

    h->core.now = w->now;
    wr_replica_leave(&h->replica, &h->core, 1);
    cr_assert_eq(h->out.n, 1);
    h->out.n = 0; /* The test is its store. */
    ev.stored.token = h->replica.push.id;
    while (wr_outbox_push(&h->out, WR_FX_NOTE) != NULL)
        continue;
    wr_replica_stored(&h->replica, &h->core, &ev);
    h->out.dropped = 0;
    still_drain(w, h);
    still_run(w, WR_SEC(1));
    cr_assert_eq(w->done_n, 1);
    cr_assert_eq(w->done[0].done.status, WR_STATUS_OK);
    close_balanced(w);
}

/* Hosts 0 and 1 of three go at the same time, and their walks are over. A put
 * whose copies only they took would be lost with them. */
Test(replica, who_leaves_takes_nothing_in)
{
    struct still *w = open_full(3, 52);
    const struct wr_id key = key_owned_by(w, 0);

    for (wr_host h = 0; h < 2; h++) {
        w->hosts[h].core.now = w->now;
        wr_replica_leave(&w->hosts[h].replica, &w->hosts[h].core, h);
        still_drain(w, &w->hosts[h]);
    }
    still_run(w, WR_SEC(1));
    cr_assert_eq(w->done_n, 2, "there was nothing to hand on");
    w->answers_n = 0;
    still_ask(w, 2, put_msg(w, key));
    still_run(w, WR_SEC(31));
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_UNREACHABLE);
    cr_assert_null(still_find(&w->hosts[0], &key));
    cr_assert_null(still_find(&w->hosts[1], &key));
    wr_replica_stay(&w->hosts[0].replica);
    put_ok(w, 2, key);
    cr_assert_eq(copies(w, &key), 2);
    close_balanced(w);
}

Test(replica, leaving_says_when_some_chunk_found_no_home)
{
    struct still *w = open_full(3, 51);
    struct still_host *h = &w->hosts[0];
    const struct wr_id key = still_key(w);

    keep_at(w, 0, &key);
    w->hosts[1].silent = w->hosts[2].silent = true;
    h->core.now = w->now;
    wr_replica_leave(&h->replica, &h->core, 1);
    still_drain(w, h);
    still_run(w, WR_SEC(200));
    cr_assert_eq(w->done_n, 1);
    cr_assert_eq(w->done[0].done.status, WR_STATUS_UNREACHABLE);
    close_balanced(w);
}

/* ---- everything at once ---- */

static void one_request(struct still *w, unsigned i, const struct wr_id *keys)
{
    const wr_host at = (wr_host)wr_rng_below(&w->rng, w->n);
    const struct wr_id key = keys[wr_rng_below(&w->rng, 8)];

    if (i % 4 == 0)
        still_ask(w, at, get_msg(w, key, wr_rng_below(&w->rng, 2) == 0));
    else if (i % 4 == 1)
        still_ask(w, at, have_msg(w, keys, 8));
    else if (i % 4 == 2)
        still_ask(w, at, root_msg(w, WR_MSG_ROOT_PUT, key, i, "record"));
    else
        still_ask(w, at, put_msg(w, key));
}

/* One answer of ten says something else, in any of its fields: all that the
 * codec lets through. */
static bool some_lie(struct still *w, wr_host from, wr_host to,
                     struct wr_msg *m)
{
    const uint8_t status =
        (uint8_t)wr_rng_below(&w->rng, WR_STATUS_TIMEOUT + 1);
    const uint64_t what = wr_rng_below(&w->rng, 40);

    (void)from;
    (void)to;
    if (what > 3)
        return true;
    if (what == 0)
        m->rid ^= wr_rng_below(&w->rng, 1 << 24); /* Another's slot or part. */
    if (m->kind == WR_MSG_DATA) {
        if (what == 1)
            m->data.status = status;
        if (what == 2)
            m->data.body = (struct wr_body){0};
        if (what == 3 && m->data.body.id != 0) {
            m->data.digest = still_key(w);
            m->data.body = still_body(w, m->data.digest, 1000, false);
        }
        m->data.known ^= what;
        m->data.retry_ms = (uint32_t)wr_rng_next(&w->rng);
    } else if (m->kind == WR_MSG_HAD) {
        m->had.status = what == 1 ? status : m->had.status;
        m->had.n = (uint8_t)wr_rng_below(&w->rng, WR_HAVE_MAX + 1);
        m->had.copies = (uint8_t)wr_rng_next(&w->rng);
        wr_rng_fill(&w->rng, m->had.bits, sizeof(m->had.bits));
    } else if (m->kind == WR_MSG_PUT_DONE) {
        m->put_done.status = status;
        m->put_done.retry_ms = (uint32_t)wr_rng_next(&w->rng);
    } else if (m->kind == WR_MSG_ROOT || m->kind == WR_MSG_ROOT_DONE) {
        m->root.status = status;
        m->root.known ^= what;
        m->root.version = wr_rng_next(&w->rng);
    }
    return true;
}

/* What a leaf gets is what it asked for, however many lie. */
static void check_answers(struct still *w, unsigned asked, unsigned seed)
{
    cr_assert_eq(w->answers_n, asked, "seed %u: %u of %u", seed, w->answers_n,
                 asked);
    for (unsigned i = 0; i < w->answers_n; i++) {
        const struct wr_msg *m = &w->answers[i];

        if (m->kind != WR_MSG_DATA || m->data.body.id == 0)
            continue;
        cr_assert_eq(m->data.status, WR_STATUS_OK);
        cr_assert(wr_id_eq(&w->bodies[m->data.body.id].digest, &m->data.digest),
                  "seed %u", seed);
    }
}

/* Whatever is lost, doubled, late, dead, full or a lie: each request is
 * answered exactly once, within its time, and every body is released. */
Test(replica, every_request_ends_once_and_bodies_balance)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct still *w = still_open(8, 1, 1000 + seed, tight);
        struct wr_id keys[8];
        unsigned asked = 0;

        w->roster = seed % 2 == 0;
        w->twice = seed % 5 == 0;
        w->passes = seed % 7 < 3 ? some_lie : NULL;
        w->drop_permille = (uint32_t)wr_rng_below(&w->rng, 400);
        w->jitter_us = wr_rng_below(&w->rng, WR_MS(200));
        still_fingers(w, 0);
        if (seed % 3 != 0)
            still_full_tables(w);
        for (unsigned i = 0; i < 8; i++)
            keys[i] = still_key(w);
        for (unsigned i = 0; i < 24; i++) {
            const wr_host h = (wr_host)wr_rng_below(&w->rng, w->n);

            one_request(w, i, keys);
            asked++;
            still_run(w, wr_rng_below(&w->rng, WR_MS(300)));
            w->hosts[h].full = wr_rng_below(&w->rng, 8) == 0;
            w->hosts[h].held_dead = wr_rng_below(&w->rng, 6) == 0;
            if (wr_rng_below(&w->rng, 3) == 0)
                for (wr_host k = 0; k < w->n; k++)
                    still_cut(w, k, h);
        }
        still_run(w, WR_SEC(100));
        check_answers(w, asked, (unsigned)seed);
        close_balanced(w);
    }
}
