/*
 * store.c - what store.h promises of queues, quotas and answers, asked of both
 * stores.
 */
#include <criterion/criterion.h>

#include "../support/storekit.h"

static void with_both(const struct wr_store_cfg *cfg,
                      void (*fn)(struct wr_store *s))
{
    struct wr_store *s = NULL;
    struct kit_dir dir;
    struct wr_why why;

    cr_assert_eq(wr_store_open_mem(cfg, &s), WR_OK);
    fn(s);
    wr_store_close(s);
    kit_dir_make(&dir);
    cr_assert_eq(wr_store_open_lmdb(dir.store, cfg, &why, &s), WR_OK);
    fn(s);
    wr_store_close(s);
    kit_dir_remove(&dir);
}

static void count_answer(void *arg, const struct wr_store_answer *a)
{
    cr_assert_eq(a->err, WR_OK);
    (*(uint32_t *)arg)++;
}

static void full_queue(struct wr_store *s)
{
    struct wr_store_put put = kit_chunk(1, 1, WR_STORE_CHUNK_MAX, 1);
    uint32_t sent = 0, answers = 0;
    enum wr_err err;

    /* Nobody polls, so nothing leaves the queue. */
    while ((err = wr_store_put(s, &put, count_answer, &answers)) == WR_OK) {
        sent++;
        cr_assert(sent <= 8);
    }
    cr_assert_eq(err, WR_EBUSY);
    cr_assert_eq(sent, 8); /* 8 MiB. */
    cr_assert_eq(answers, 0);
    cr_assert_eq(wr_store_room(s).bytes, 0);
    wr_store_drain(s);
    cr_assert_eq(answers, 8);
    cr_assert_eq(wr_store_room(s).bytes, WR_STORE_QUEUE_BYTES);
    cr_assert_eq(atomic_load(&put.buf->refs), 1);
    wr_buf_unref(put.buf);
}

struct reaped {
    uint32_t n;
    bool gone[3];
};

static void on_reaped(void *arg, const struct wr_store_answer *a)
{
    struct reaped *r = arg;

    cr_assert_eq(a->err, WR_OK);
    r->gone[r->n++] = a->stored;
}

static void on_had(void *arg, const struct wr_store_answer *a)
{
    struct reaped *r = arg;

    cr_assert_eq(a->err, WR_OK);
    r->gone[r->n++] = (a->bits[0] & 1) == 0;
}

/* Both under way at once: whichever was asked first decides, and what HAVE
 * says is so. */
static void have_against_reap(struct wr_store *s)
{
    struct wr_store_put put = kit_chunk(1, 1, 5000, 1);
    struct wr_chunk_info info;
    uint8_t id[WR_PUT_ID];

    kit_put_id(2, id);
    for (int first = 0; first < 2; first++) {
        struct reaped r = {0};

        put.no_put_id = true;
        cr_assert_eq(wr_store_put(s, &put, count_answer, &r.n), WR_OK);
        cr_assert_eq(wr_store_reap(s, put.digest, 100, 10, on_reaped, &r),
                     WR_OK);
        wr_store_drain(s);
        cr_assert_not(r.gone[1], "not before its grace");
        r.n = 0;
        if (first == 0)
            cr_assert_eq(wr_store_have(s, put.digest, 1, id, on_had, &r),
                         WR_OK);
        cr_assert_eq(wr_store_reap(s, put.digest, 110, 10, on_reaped, &r),
                     WR_OK);
        if (first == 1)
            cr_assert_eq(wr_store_have(s, put.digest, 1, id, on_had, &r),
                         WR_OK);
        wr_store_drain(s);
        cr_assert_eq(r.gone[0], first == 1);
        cr_assert_eq(r.gone[1], first == 1);
        cr_assert_eq(kit_stat(s, 1, &info), first == 0 ? WR_OK : WR_ENOTFOUND);
        cr_assert_eq(
            wr_store_drop(s, put.digest, id, on_reaped, &(struct reaped){0}),
            WR_OK);
        wr_store_drain(s);
    }
    wr_buf_unref(put.buf);
}

Test(store, the_order_of_writes_decides_between_have_and_reap)
{
    with_both(&(struct wr_store_cfg){.quota = 0}, have_against_reap);
}

Test(store, a_full_queue_says_busy_and_forgets_nothing)
{
    with_both(&(struct wr_store_cfg){.quota = 0}, full_queue);
}

static void no_buffers(struct wr_store *s)
{
    struct wr_pool *pool = wr_pool_new(&(struct wr_pool_cfg){.cap = 100000});
    struct wr_buf *hog;

    cr_assert_eq(kit_put(s, 1, 1, 60000, 1), WR_OK);
    hog = wr_pool_get(pool, 0, 60000);
    cr_assert_neq(hog, NULL);
    cr_assert_eq(kit_read(s, pool, 1, 1, 60000), WR_EBUSY);
    wr_buf_unref(hog);
    cr_assert_eq(kit_read(s, pool, 1, 1, 60000), WR_OK);
    wr_pool_free(pool);
}

Test(store, an_empty_pool_makes_reads_busy)
{
    with_both(&(struct wr_store_cfg){.quota = 0}, no_buffers);
}

/* 100 chunks would be twice the quota. */
enum { QUOTA = 8 << 20, QUOTA_CHUNK = 160000, QUOTA_CHUNKS = 100 };

static void fill(struct wr_store *s)
{
    struct wr_pool *pool = kit_pool();
    struct wr_chunk_info info;
    struct wr_store_usage u;
    struct wr_store_put fix;
    struct kit_answer k = {.got = false};
    uint32_t kept = 0, after = 0;
    enum wr_err err = WR_OK;

    while (kept < QUOTA_CHUNKS &&
           (err = kit_put(s, kept, kept, QUOTA_CHUNK, 1)) == WR_OK)
        kept++;
    cr_assert_eq(err, WR_EFULL);
    wr_store_usage(s, &u);
    cr_assert(u.used <= u.capacity);
    cr_assert(u.capacity <= QUOTA);
    cr_assert_eq(u.space, WR_SPACE_NO_PUT);
    cr_assert(u.refused > 0);
    cr_assert(kept * (uint64_t)QUOTA_CHUNK > QUOTA / 10 * 8);
    /* What repair brings is still taken; reads and references go on. */
    fix = kit_chunk(kept, kept, QUOTA_CHUNK, 1);
    fix.repair = true;
    cr_assert_eq(wr_store_put(s, &fix, kit_keep, &k), WR_OK);
    wr_buf_unref(fix.buf);
    wr_store_drain(s);
    cr_assert_eq(k.a.err, WR_OK);
    cr_assert_eq(kit_put(s, 0, 0, QUOTA_CHUNK, 2), WR_OK);
    cr_assert_eq(kit_stat(s, kept + 1, &info), WR_ENOTFOUND);
    for (uint32_t i = 0; i <= kept; i++)
        cr_assert_eq(kit_read(s, pool, i, i, QUOTA_CHUNK), WR_OK);
    /* Removing makes room again. */
    for (uint32_t i = 0; i < 10; i++)
        cr_assert_eq(kit_drop(s, i), WR_OK);
    while (after < 20 &&
           kit_put(s, 1000 + after, after, QUOTA_CHUNK, 1) == WR_OK)
        after++;
    cr_assert(after >= 8);
    wr_pool_free(pool);
}

Test(store, a_quota_refuses_puts_first_and_loses_nothing)
{
    with_both(&(struct wr_store_cfg){.quota = QUOTA}, fill);
}

struct chain {
    struct kit_answer k[2];
    struct wr_store *s;
};

static void chain(void *arg, const struct wr_store_answer *a)
{
    struct chain *c = arg;
    uint8_t digest[WR_DIGEST];

    kit_keep(&c->k[0], a);
    kit_digest(1, digest);
    cr_assert_eq(wr_store_stat(c->s, digest, kit_keep, &c->k[1]), WR_OK);
}

static void chained(struct wr_store *s)
{
    static struct chain c;
    struct wr_store_put put = kit_chunk(1, 1, 5000, 1);

    memset(&c, 0, sizeof(c));
    c.s = s;
    cr_assert_eq(wr_store_put(s, &put, chain, &c), WR_OK);
    wr_buf_unref(put.buf);
    wr_store_drain(s);
    cr_assert(c.k[0].got && c.k[1].got);
    cr_assert_eq(c.k[1].a.err, WR_OK);
    cr_assert_eq(c.k[1].chunk.length, 5000);
}

Test(store, a_callback_may_submit_and_sees_what_was_answered)
{
    with_both(&(struct wr_store_cfg){.quota = 0}, chained);
}

static atomic_uint wakes;

static void on_wake(void *arg)
{
    (void)arg;
    atomic_fetch_add(&wakes, 1);
}

static void woken(struct wr_store *s)
{
    struct wr_store_put put = kit_chunk(1, 1, 5000, 1);
    struct kit_answer k = {.got = false};

    atomic_store(&wakes, 0);
    cr_assert_eq(wr_store_put(s, &put, kit_keep, &k), WR_OK);
    wr_buf_unref(put.buf);
    while (atomic_load(&wakes) == 0)
        continue; /* The promise: it comes. The test's timeout is the end. */
    wr_store_poll(s);
    cr_assert(k.got);
}

Test(store, an_answer_wakes_the_loop)
{
    with_both(&(struct wr_store_cfg){.wake = on_wake}, woken);
}
