/*
 * still_data.h - what tests of data requests over a ring that stands still
 * have in common. Header only.
 */
#ifndef TESTS_STILL_DATA_H
#define TESTS_STILL_DATA_H

#include <criterion/criterion.h>

#include "still.h"

enum { RAW = 0xb220 };

static const struct wr_put_id put_a = {{1, 2, 3}}, put_b = {{9, 9}};

static inline const struct wr_msg *last(const struct still *w)
{
    cr_assert_gt(w->answers_n, 0, "no answer");
    return &w->answers[w->answers_n - 1];
}

/* Hosts `n` with a roster and full tables, as in a small ring. */
static inline struct still *open_tuned(uint32_t n, uint64_t seed,
                                       void (*tune)(struct wr_node_cfg *))
{
    struct still *w = still_open(n, n <= 20 ? 3 : 1, seed, tune);

    w->roster = true;
    still_fingers(w, 0);
    still_full_tables(w);
    return w;
}

static inline struct still *open_full(uint32_t n, uint64_t seed)
{
    return open_tuned(n, seed, NULL);
}

static inline struct wr_id key_owned_by(struct still *w, wr_host h)
{
    for (;;) {
        const struct wr_id key = still_key(w);

        if (wr_ref_host(still_owner(w, &key)) == h)
            return key;
    }
}

static inline void keep_at(struct still *w, wr_host h, const struct wr_id *key)
{
    still_ref(still_keep_chunk(&w->hosts[h], key, 1000, RAW), put_a);
}

/* Three copies, where they belong. */
static inline void keep_on_set(struct still *w, const struct wr_id *key)
{
    for (size_t k = 0; k < 3; k++)
        keep_at(w, still_nth(w, key, k), key);
}

static inline struct wr_msg have_msg(struct still *w, const struct wr_id *v,
                                     uint8_t n)
{
    struct wr_msg m = {.kind = WR_MSG_HAVE, .rid = wr_rng_next(&w->rng)};

    m.have.level = WR_LEVEL_LEAF;
    m.have.n = n;
    m.have.put = put_b;
    m.have.digests = v;
    return m;
}

static inline struct wr_msg put_msg(struct still *w, struct wr_id digest)
{
    struct wr_msg m = {.kind = WR_MSG_PUT, .rid = wr_rng_next(&w->rng)};

    m.put.level = WR_LEVEL_LEAF;
    m.put.hash = RAW;
    m.put.put = put_a;
    m.put.digest = digest;
    m.put.body = still_body(w, digest, 1000, false);
    return m;
}

static inline struct wr_msg get_msg(struct still *w, struct wr_id digest,
                                    bool head)
{
    struct wr_msg m = {.kind = WR_MSG_GET, .rid = wr_rng_next(&w->rng)};

    m.get.level = WR_LEVEL_LEAF;
    m.get.hash = RAW;
    m.get.head = head;
    m.get.digest = digest;
    return m;
}

/* A get at `at` ends within `us`, and like that. */
static inline void get_ends(struct still *w, wr_host at,
                            const struct wr_id *key, wr_time us,
                            enum wr_status status)
{
    const uint32_t before = w->answers_n;

    still_ask(w, at, get_msg(w, *key, false));
    still_run(w, us);
    cr_assert_eq(w->answers_n, before + 1, "%u answers", w->answers_n - before);
    cr_assert_eq(last(w)->data.status, status, "%s in place of %s",
                 wr_status_name(last(w)->data.status), wr_status_name(status));
}

static inline wr_host host_without(struct still *w, const struct wr_id *key)
{
    wr_host h = 0;

    while (still_find(&w->hosts[h], key) != NULL)
        h++;
    return h;
}

static inline unsigned copies(struct still *w, const struct wr_id *digest)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < w->n; i++)
        n += still_find(&w->hosts[i], digest) != NULL;
    return n;
}

static inline void put_ok(struct still *w, wr_host parent, struct wr_id key)
{
    w->answers_n = 0;
    still_ask(w, parent, put_msg(w, key));
    still_run(w, WR_SEC(31));
    cr_assert_eq(w->answers_n, 1);
    cr_assert_eq(last(w)->put_done.status, WR_STATUS_OK);
}

static inline void tight(struct wr_node_cfg *cfg)
{
    cfg->ops_max = 4;
    cfg->have_ops_max = 1;
}

static inline void close_balanced(struct still *w)
{
    cr_assert_eq(still_bodies_held(w), 0, "%u bodies held",
                 still_bodies_held(w));
    still_close(w);
}

#endif
