/* The simulator's queue against the plainest one there is, and parcels against
 * the messages that went into them. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../sim/parcel.h"
#include "../../sim/queue.h"
#include "base/rng.h"
#include "base/span.h"

/* ---- the queue ----------------------------------------------------------- */

/* A heap of (time, number of the push). */
struct plain {
    struct {
        wr_time at;
        uint64_t cookie;
    } v[1 << 16];
    uint32_t n;
};

static bool less(const struct plain *p, uint32_t a, uint32_t b)
{
    return p->v[a].at < p->v[b].at ||
           (p->v[a].at == p->v[b].at && p->v[a].cookie < p->v[b].cookie);
}

static void swap(struct plain *p, uint32_t a, uint32_t b)
{
    __typeof__(p->v[0]) x = p->v[a];

    p->v[a] = p->v[b];
    p->v[b] = x;
}

static void plain_push(struct plain *p, wr_time at, uint64_t cookie)
{
    uint32_t i = p->n++;

    cr_assert_leq(p->n, WR_ARRAY_LEN(p->v));
    p->v[i].at = at;
    p->v[i].cookie = cookie;
    for (; i > 0 && less(p, i, (i - 1) / 2); i = (i - 1) / 2)
        swap(p, i, (i - 1) / 2);
}

static void plain_pop(struct plain *p)
{
    uint32_t i = 0, child;

    p->v[0] = p->v[--p->n];
    while ((child = 2 * i + 1) < p->n) {
        if (child + 1 < p->n && less(p, child + 1, child))
            child++;
        if (!less(p, child, i))
            return;
        swap(p, i, child);
        i = child;
    }
}

static wr_time ahead(struct wr_rng *rng)
{
    switch (wr_rng_below(rng, 8)) {
    case 0:
        return 0;
    case 1:
        return wr_rng_below(rng, 1024);
    case 2:
    case 3:
        return wr_rng_below(rng, WR_MS(200));
    case 4:
        return WR_MS(4) * wr_rng_below(rng, 3); /* Many at one time. */
    case 5:
        return wr_rng_below(rng, WR_SEC(60));
    case 6:
        return wr_rng_below(rng, WR_SEC(20000));
    default:
        return wr_rng_below(rng, WR_SEC(400000));
    }
}

static void live(uint64_t seed, uint32_t steps, uint32_t batch)
{
    struct wr_queue *q = malloc(sizeof(*q));
    struct plain *p = calloc(1, sizeof(*p));
    struct wr_rng rng = {seed};
    uint64_t cookie = 0;
    wr_time now = 0;

    wr_queue_init(q);
    for (uint32_t i = 0; i < steps; i++) {
        const uint64_t more = wr_rng_below(&rng, batch);
        struct wr_sim_event e = {0};
        wr_time until;

        for (uint64_t k = 0; k < more && p->n < 60000; k++) {
            e.at = now + ahead(&rng);
            e.cookie = cookie;
            plain_push(p, e.at, cookie++);
            cr_assert_eq(wr_queue_push(q, &e), WR_OK);
        }
        until = now + ahead(&rng);
        while (wr_queue_pop(q, until, &e)) {
            cr_assert_gt(p->n, 0);
            cr_assert_eq(e.at, p->v[0].at);
            cr_assert_eq(e.cookie, p->v[0].cookie);
            plain_pop(p);
            now = e.at;
            if (wr_rng_below(&rng, 2) == 0) { /* It has consequences. */
                e.at = now + ahead(&rng);
                e.cookie = cookie;
                plain_push(p, e.at, cookie++);
                cr_assert_eq(wr_queue_push(q, &e), WR_OK);
            }
        }
        cr_assert(p->n == 0 || p->v[0].at > until);
        cr_assert_eq(q->n, p->n);
        now = until;
    }
    wr_queue_done(q);
    free(q);
    free(p);
}

Test(simqueue, events_come_in_the_order_of_time_and_sequence)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        live(seed, 300, 20);
    live(99, 60, 2000); /* Full ticks. */
}

Test(simqueue, an_empty_queue_stands_still)
{
    struct wr_queue *q = malloc(sizeof(*q));
    struct wr_sim_event e = {.at = WR_SEC(1000000)};

    wr_queue_init(q);
    cr_assert_not(wr_queue_pop(q, WR_SEC(999999), &e));
    cr_assert_eq(wr_queue_push(q, &e), WR_OK);
    cr_assert_not(wr_queue_pop(q, WR_SEC(999999), &e));
    cr_assert(wr_queue_pop(q, WR_SEC(1000000), &e));
    cr_assert_not(wr_queue_pop(q, WR_NEVER, &e));
    wr_queue_done(q);
    free(q);
}

/* ---- parcels ------------------------------------------------------------- */

Test(simqueue, a_parcel_keeps_all_of_a_message)
{
    static const wr_ref refs[] = {5, 70, 900};
    static const wr_host hosts[] = {8, 1};
    struct wr_id digest = {{9, 8, 7}}, got_digest = {{0}};
    struct wr_parcels p = {0};
    struct wr_msg m = {.kind = WR_MSG_ROUTED, .from = 3, .to = 4, .rid = 77};
    struct wr_msg got = {0};
    struct wr_parcel *one;

    m.routed.status = WR_STATUS_OK;
    m.routed.hops = 6;
    m.routed.owner = 70;
    m.routed.set = refs;
    m.routed.set_n = 3;
    m.routed.path = hosts;
    m.routed.path_n = 2;
    one = wr_parcel_message(&p, &m, NULL);
    wr_parcel_open(one, &got, NULL);
    cr_assert_eq(got.kind, WR_MSG_ROUTED);
    cr_assert_eq(got.from, 3);
    cr_assert_eq(got.to, 4);
    cr_assert_eq(got.rid, 77);
    cr_assert_eq(got.routed.hops, 6);
    cr_assert_eq(got.routed.owner, 70);
    cr_assert_neq(got.routed.set, refs);
    cr_assert_arr_eq(got.routed.set, refs, sizeof(refs));
    cr_assert_arr_eq(got.routed.path, hosts, sizeof(hosts));
    wr_parcel_free(&p, one);

    m = (struct wr_msg){.kind = WR_MSG_PUT};
    m.put.digest = digest;
    m.put.body = (struct wr_body){4, 5000};
    one = wr_parcel_message(&p, &m, &digest);
    wr_parcel_open(one, &got, &got_digest);
    cr_assert(wr_id_eq(&got.put.digest, &digest));
    cr_assert(wr_id_eq(&got_digest, &digest));
    cr_assert_eq(got.put.body.len, 5000);
    wr_parcel_free(&p, one);
    wr_parcels_done(&p);
}

Test(simqueue, parcels_of_all_sizes_do_not_overlap)
{
    enum { N = 500 };
    static struct wr_id digests[WR_HAVE_MAX];
    struct wr_parcel *v[N] = {0};
    struct wr_parcels p = {0};
    struct wr_msg m = {.kind = WR_MSG_HAVE}, got = {0};
    struct wr_rng rng = {3};

    m.have.digests = digests;
    for (uint64_t i = 0; i < 20000; i++) {
        const uint64_t k = wr_rng_below(&rng, N);

        if (v[k] != NULL) {
            wr_parcel_open(v[k], &got, NULL);
            cr_assert_eq(got.rid % N, k);
            for (uint8_t j = 0; j < got.have.n; j++)
                cr_assert_eq(memcmp(got.have.digests[j].b, &got.rid, 8), 0);
            wr_parcel_free(&p, v[k]);
        }
        m.rid = i * N + k;
        m.have.n = (uint8_t)wr_rng_below(&rng, WR_HAVE_MAX + 1);
        for (uint8_t j = 0; j < m.have.n; j++)
            memcpy(digests[j].b, &m.rid, 8);
        v[k] = wr_parcel_message(&p, &m, NULL);
        cr_assert_not_null(v[k]);
    }
    for (unsigned k = 0; k < N; k++)
        if (v[k] != NULL)
            wr_parcel_free(&p, v[k]);
    cr_assert_eq(p.open, 0);
    wr_parcels_done(&p);
}
