/*
 * Root records, leaving, and all kinds of data requests at once, over a ring
 * that stands still (docs/protocol.md, Data).
 */
#include "still_data.h"

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
