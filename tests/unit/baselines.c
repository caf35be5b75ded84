/* The systems that wreath is compared with, each on networks so small that what
 * has to happen can be counted. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../sim/baselines/flood.h"
#include "../../sim/cost.h"

/* ---- a network without a world ------------------------------------------- */

enum { HOSTS = 64, QUEUE = 1 << 16, ITEMS = 20000 };

struct post {
    wr_time at;
    wr_host from, to;
    struct wr_overlay_msg m;
};

struct rig {
    struct wr_overlay *v[HOSTS]; /* NULL: down. */
    uint32_t n;
    struct wr_overlay_env env;
    struct wr_content content;
    wr_time now, latency;
    struct post *queue; /* All are as fast: in the order of sending. */
    uint32_t first, last;
    uint64_t sent[WR_OVERLAY_KINDS];
    bool joined[HOSTS];
    uint64_t answers;
    wr_host holder; /* Of the last answer. */
    unsigned hops;
    wr_time answered_at;
};

static void on_send(void *arg, wr_host from, wr_host to,
                    const struct wr_overlay_msg *m)
{
    struct rig *g = arg;

    cr_assert_neq(from, to);
    cr_assert_leq(m->hosts_n, WR_OVERLAY_HOSTS);
    cr_assert_lt(g->last - g->first, QUEUE);
    g->sent[m->kind]++;
    g->queue[g->last++ % QUEUE] =
        (struct post){g->now + g->latency, from, to, *m};
}

static void on_answer(void *arg, wr_host host, uint64_t token, wr_host holder,
                      unsigned hops)
{
    struct rig *g = arg;

    (void)host;
    (void)token;
    g->answers++;
    g->holder = holder;
    g->hops = hops;
    g->answered_at = g->now;
}

static void on_joined(void *arg, wr_host host)
{
    ((struct rig *)arg)->joined[host] = true;
}

static wr_host on_contact(void *arg, wr_host host)
{
    struct rig *g = arg;

    for (wr_host h = 0; h < g->n; h++)
        if (h != host && g->v[h] != NULL)
            return h;
    return WR_NO_HOST;
}

static void open_one(struct rig *g, const struct wr_overlay_ops *ops, wr_host h)
{
    g->v[h] = wr_overlay_open(ops, &g->env, h, 1000 + h);
    cr_assert_not_null(g->v[h]);
}

/* `n` hosts, nobody's neighbour. One copy of each item. */
static struct rig *rig_new(const struct wr_overlay_ops *ops, uint32_t n)
{
    struct rig *g = calloc(1, sizeof(*g));

    cr_assert_not_null(g);
    g->n = n;
    g->latency = WR_MS(10);
    g->queue = calloc(QUEUE, sizeof(g->queue[0]));
    cr_assert_eq(wr_content_init(&g->content, 7, ITEMS, n, 1), WR_OK);
    g->env = (struct wr_overlay_env){
        .cfg = {.ping_us = WR_SEC(5),
                .silence_us = WR_SEC(5),
                .lookup_us = WR_SEC(30),
                .jitter_permille = 400,
                .content = &g->content},
        .arg = g,
        .send = on_send,
        .answer = on_answer,
        .joined = on_joined,
        .contact = on_contact,
    };
    for (wr_host h = 0; h < n; h++)
        open_one(g, ops, h);
    return g;
}

static void rig_done(struct rig *g)
{
    for (wr_host h = 0; h < g->n; h++)
        wr_overlay_close(g->v[h]);
    wr_content_done(&g->content);
    free(g->queue);
    free(g);
}

static wr_host next_tick(const struct rig *g, wr_time *ret_at)
{
    wr_host best = WR_NO_HOST;

    *ret_at = WR_NEVER;
    for (wr_host h = 0; h < g->n; h++)
        if (g->v[h] != NULL && wr_overlay_deadline(g->v[h]) < *ret_at) {
            *ret_at = wr_overlay_deadline(g->v[h]);
            best = h;
        }
    return best;
}

static void run(struct rig *g, wr_time until)
{
    for (;;) {
        wr_time tick;
        const wr_host h = next_tick(g, &tick);
        const bool any = g->first != g->last;
        const struct post p = g->queue[g->first % QUEUE];

        if ((!any || p.at > until) && tick > until)
            break;
        if (any && p.at <= tick) {
            g->now = p.at;
            g->first++;
            if (g->v[p.to] != NULL)
                wr_overlay_recv(g->v[p.to], p.from, &p.m, g->now);
        } else {
            g->now = tick;
            wr_overlay_tick(g->v[h], g->now);
        }
    }
    g->now = until;
}

/* As a process that dies: its neighbours' connections break. */
static void kill_one(struct rig *g, wr_host h)
{
    wr_overlay_close(g->v[h]);
    g->v[h] = NULL;
    for (wr_host k = 0; k < g->n; k++)
        if (g->v[k] != NULL)
            wr_overlay_down(g->v[k], h, g->now);
}

/* An item that `h` has. */
static struct wr_id item_at(const struct rig *g, wr_host h)
{
    for (uint64_t i = 1; i <= ITEMS; i++) {
        const struct wr_id key = wr_content_key(&g->content, i);

        if (wr_content_at(&g->content, &key, h))
            return key;
    }
    cr_assert_fail("host %u has nothing", h);
    return (struct wr_id){0};
}

static void ask(struct rig *g, wr_host from, wr_host holder)
{
    const struct wr_id key = item_at(g, holder);

    wr_overlay_lookup(g->v[from], &key, 1, g->now);
}

/* What `holder` has is asked for, and within `us` one answer names `found`. */
static void finds(struct rig *g, wr_host from, wr_host holder, wr_time us,
                  wr_host found)
{
    g->answers = 0;
    ask(g, from, holder);
    run(g, g->now + us);
    cr_assert_eq(g->answers, 1);
    cr_assert_eq(g->holder, found);
}

/* ---- graphs that never change -------------------------------------------- */

/* Nobody looks for more, nobody pings. */
static void freeze(struct rig *g)
{
    for (wr_host h = 0; h < g->n; h++)
        g->v[h]->mesh.want = 0;
}

/* A circle of `n`, with chords: of degree 2 times `offsets_n`. */
static uint64_t circulant(struct rig *g, const uint32_t *offsets, size_t k)
{
    uint64_t edges = 0;

    freeze(g);
    for (size_t i = 0; i < k; i++)
        for (wr_host h = 0; h < g->n; h++, edges++)
            wr_mesh_link(g->v[h], g->v[(h + offsets[i]) % g->n], 0);
    return edges;
}

static void distances(const struct rig *g, wr_host from, unsigned ret[HOSTS])
{
    wr_host queue[HOSTS];
    uint32_t first = 0, last = 0;

    for (wr_host h = 0; h < g->n; h++)
        ret[h] = UINT32_MAX;
    ret[from] = 0;
    queue[last++] = from;
    while (first < last) {
        const wr_host h = queue[first++];

        for (uint8_t i = 0; i < g->v[h]->mesh.n; i++) {
            const wr_host to = g->v[h]->mesh.peers[i].host;

            if (ret[to] != UINT32_MAX)
                continue;
            ret[to] = ret[h] + 1;
            queue[last++] = to;
        }
    }
}

/* ---- flooding ------------------------------------------------------------ */

/* Who asks sends to all its neighbours, everybody else, once, to all but one:
 * twice the edges, less one for each other host. The answer goes back the
 * shortest way. */
Test(baselines, a_flood_finds_all_and_costs_its_edges)
{
    static const uint32_t offsets[] = {1, 7, 23};
    struct rig *g = rig_new(&wr_flood_ops, 60);
    const uint64_t edges = circulant(g, offsets, WR_ARRAY_LEN(offsets));
    unsigned d[HOSTS];

    distances(g, 5, d);
    for (wr_host h = 0; h < g->n; h++) {
        cr_assert_lt(d[h], WR_FLOOD_TTL);
        if (h == 5)
            continue;
        g->sent[WR_OVERLAY_QUERY] = g->sent[WR_OVERLAY_HIT] = 0;
        const wr_time asked = g->now;
        finds(g, 5, h, WR_SEC(1), h);
        cr_assert_eq(g->hops, d[h]);
        cr_assert_eq(g->answered_at - asked, 2 * d[h] * g->latency);
        cr_assert_eq(g->sent[WR_OVERLAY_QUERY], 2 * edges - (g->n - 1));
        cr_assert_eq(g->sent[WR_OVERLAY_HIT], d[h]);
    }
    rig_done(g);
}

Test(baselines, a_flood_ends_after_seven_hops)
{
    static const uint32_t line[] = {1};
    struct rig *g = rig_new(&wr_flood_ops, 40);

    (void)circulant(g, line, 1);
    finds(g, 0, WR_FLOOD_TTL, WR_SEC(1), WR_FLOOD_TTL);
    cr_assert_eq(g->sent[WR_OVERLAY_QUERY], 2 * WR_FLOOD_TTL);
    g->answers = 0;
    ask(g, 0, WR_FLOOD_TTL + 1);
    run(g, g->now + WR_SEC(29));
    cr_assert_eq(g->answers, 0);
    run(g, g->now + WR_SEC(2));
    cr_assert_eq(g->answers, 1);
    cr_assert_eq(g->holder, WR_NO_HOST, "it is given up after 30 s");
    rig_done(g);
}

Test(baselines, what_a_host_has_it_need_not_look_for)
{
    struct rig *g = rig_new(&wr_flood_ops, 10);

    ask(g, 4, 4);
    cr_assert_eq(g->answers, 1);
    cr_assert_eq(g->holder, 4);
    cr_assert_eq(g->hops, 0);
    cr_assert_eq(g->sent[WR_OVERLAY_QUERY], 0);
    rig_done(g);
}

/* More than may be under way at a time fail at once, and none is lost. */
Test(baselines, lookups_are_bounded)
{
    struct rig *g = rig_new(&wr_flood_ops, 10);

    freeze(g); /* Alone: no answer comes. */
    for (unsigned i = 0; i < WR_OVERLAY_ASKS; i++)
        ask(g, 0, 1);
    cr_assert_eq(g->answers, 0);
    ask(g, 0, 1);
    cr_assert_eq(g->answers, 1);
    run(g, WR_SEC(31));
    cr_assert_eq(g->answers, WR_OVERLAY_ASKS + 1);
    rig_done(g);
}

/* ---- walks --------------------------------------------------------------- */

enum { WALKERS = 32, WALK_TTL = 1024, CHECK_EVERY = 4 };

/* Two islands: what is wanted is on the other one. Each walker takes as many
 * steps as it may, and no more. */
Test(baselines, walkers_end_with_their_ttl)
{
    struct rig *g = rig_new(&wr_walk_ops, 24);

    freeze(g);
    for (wr_host h = 0; h < 12; h++) {
        wr_mesh_link(g->v[h], g->v[(h + 1) % 12], 0);
        wr_mesh_link(g->v[12 + h], g->v[12 + (h + 1) % 12], 0);
    }
    g->latency = 10;
    ask(g, 0, 20);
    run(g, WR_SEC(4)); /* Nobody is silent for so long that it is dropped. */
    cr_assert_eq(g->sent[WR_OVERLAY_WALK], WALKERS * WALK_TTL);
    cr_assert_leq(g->sent[WR_OVERLAY_CHECK], WALKERS * WALK_TTL / CHECK_EVERY);
    cr_assert_eq(g->sent[WR_OVERLAY_CHECK], g->sent[WR_OVERLAY_GO]);
    cr_assert_gt(g->sent[WR_OVERLAY_GO], 0);
    cr_assert_eq(g->answers, 0);
    rig_done(g);
}

/* Once one has found it, the others end where they next ask. */
Test(baselines, walkers_that_are_not_wanted_end)
{
    static const uint32_t offsets[] = {1, 7};
    struct rig *g = rig_new(&wr_walk_ops, 60);
    uint64_t before;

    (void)circulant(g, offsets, WR_ARRAY_LEN(offsets));
    ask(g, 0, 31);
    while (g->answers == 0)
        run(g, g->now + g->latency);
    cr_assert_eq(g->holder, 31);
    before = g->sent[WR_OVERLAY_WALK];
    run(g, g->now + WR_SEC(4));
    cr_assert_leq(g->sent[WR_OVERLAY_WALK] - before, WALKERS * CHECK_EVERY);
    cr_assert_eq(g->answers, 1);
    rig_done(g);
}

/* ---- the index ----------------------------------------------------------- */

static void begin(struct rig *g, const struct wr_overlay_ops *ops)
{
    struct wr_rng rng = {3};

    ops->begin(g->v, g->n, &rng, g->now);
}

/* Of ten hosts, the first is the super-peer. */
Test(baselines, an_index_knows_what_was_published_while_it_is_up)
{
    struct rig *g = rig_new(&wr_index_ops, 10);

    begin(g, &wr_index_ops);
    finds(g, 3, 8, WR_SEC(1), 8);
    cr_assert_eq(g->hops, 1);

    kill_one(g, 0);
    g->answers = 0;
    ask(g, 3, 8);
    ask(g, 3, 3); /* Its own is there all the same. */
    cr_assert_eq(g->answers, 1);
    run(g, g->now + WR_SEC(31));
    cr_assert_eq(g->answers, 2);
    cr_assert_eq(g->holder, WR_NO_HOST);

    /* It comes back, knows nothing, and is told again. */
    open_one(g, &wr_index_ops, 0);
    wr_overlay_start(g->v[0], WR_NO_HOST, g->now);
    g->sent[WR_OVERLAY_PUBLISH] = 0;
    run(g, g->now + WR_SEC(70));
    cr_assert_eq(g->sent[WR_OVERLAY_PUBLISH], 9);
    finds(g, 3, 8, WR_SEC(1), 8);
    rig_done(g);
}

/* One whose super-peer dies publishes at another, where it is found. */
Test(baselines, an_index_forgets_who_went)
{
    struct rig *g = rig_new(&wr_index_ops, 60);

    begin(g, &wr_index_ops);
    finds(g, 3, 55, WR_SEC(2), 55);
    kill_one(g, 55);
    finds(g, 3, 55, WR_SEC(31), WR_NO_HOST);
    rig_done(g);
}

/* ---- neighbours ---------------------------------------------------------- */

static void assert_mesh(const struct rig *g, uint32_t least)
{
    for (wr_host h = 0; h < g->n; h++) {
        const struct wr_overlay *o = g->v[h];

        if (o == NULL)
            continue;
        cr_assert_geq(o->mesh.n, least, "%u has %u", h, o->mesh.n);
        for (uint8_t i = 0; i < o->mesh.n; i++) {
            const struct wr_overlay *p = g->v[o->mesh.peers[i].host];

            cr_assert_neq(p, o);
            cr_assert(p != NULL && wr_mesh_has(p, h));
        }
    }
}

/* All through the first, which has room for eight: it names the others. */
Test(baselines, hosts_that_come_find_neighbours)
{
    struct rig *g = rig_new(&wr_flood_ops, 60);
    unsigned d[HOSTS];

    for (wr_host h = 0; h < g->n; h++) {
        wr_overlay_start(g->v[h], h == 0 ? WR_NO_HOST : 0, g->now);
        run(g, g->now + WR_SEC(1));
    }
    run(g, g->now + WR_SEC(60));
    assert_mesh(g, WR_MESH_WANT);
    cr_assert_gt(g->sent[WR_OVERLAY_BUSY], 0);
    distances(g, 0, d);
    for (wr_host h = 0; h < g->n; h++) {
        cr_assert(g->joined[h]);
        cr_assert_lt(d[h], UINT32_MAX);
    }
    rig_done(g);
}

Test(baselines, neighbours_that_die_are_replaced)
{
    struct rig *g = rig_new(&wr_flood_ops, 60);

    begin(g, &wr_flood_ops);
    run(g, WR_SEC(10));
    for (wr_host h = 0; h < g->n; h += 3)
        kill_one(g, h);
    run(g, g->now + WR_SEC(60));
    assert_mesh(g, WR_MESH_WANT);
    rig_done(g);
}

/* And if no connection breaks, by their silence. */
Test(baselines, neighbours_that_are_silent_are_replaced)
{
    struct rig *g = rig_new(&wr_flood_ops, 60);

    begin(g, &wr_flood_ops);
    run(g, WR_SEC(10));
    for (wr_host h = 0; h < g->n; h += 3) {
        wr_overlay_close(g->v[h]);
        g->v[h] = NULL;
    }
    run(g, g->now + WR_SEC(90));
    assert_mesh(g, WR_MESH_WANT);
    rig_done(g);
}

Test(baselines, who_knows_nobody_is_given_somebody)
{
    struct rig *g = rig_new(&wr_flood_ops, 2);

    wr_overlay_start(g->v[0], WR_NO_HOST, g->now);
    wr_overlay_start(g->v[1], WR_NO_HOST, g->now);
    run(g, WR_SEC(5));
    cr_assert_not(g->joined[0]);
    run(g, WR_SEC(15));
    assert_mesh(g, 1);
    cr_assert(g->joined[0] && g->joined[1]);
    rig_done(g);
}

/* ---- what things cost, and where they are -------------------------------- */

/* One segment: 40 of TCP and IP, 2 + 16 of a Noise record, Gnutella's header of
 * 23, the key. */
Test(baselines, messages_have_their_price)
{
    struct wr_overlay_msg m = {.kind = WR_OVERLAY_QUERY};

    cr_assert_eq(wr_overlay_bytes(&m), 40 + 18 + 23 + 32);
    m.kind = WR_OVERLAY_PONG;
    m.hosts_n = 10;
    cr_assert_eq(wr_overlay_bytes(&m), 40 + 18 + 23 + 1 + 10 * (16 + 6));
    m.kind = WR_OVERLAY_PUBLISH;
    m.keys = 300; /* Seven segments. */
    cr_assert_eq(wr_overlay_bytes(&m), 7 * 40 + 18 + 23 + 4 + 300 * 32);
    m.keys = 10000; /* And five records, for so long a one. */
    cr_assert_eq(wr_overlay_bytes(&m), 222 * 40 + 5 * 18 + 23 + 4 + 10000 * 32);
}

Test(baselines, items_are_where_they_are_said_to_be)
{
    struct wr_content c;
    uint32_t has[HOSTS] = {0};
    uint64_t all = 0;

    cr_assert_eq(wr_content_init(&c, 9, 1000, HOSTS, 3), WR_OK);
    for (uint64_t i = 1; i <= 1000; i++) {
        const struct wr_id key = wr_content_key(&c, i);

        for (wr_host h = 0; h < HOSTS; h++)
            has[h] += wr_content_at(&c, &key, h);
    }
    for (wr_host h = 0; h < HOSTS; h++) {
        cr_assert_eq(c.has[h], has[h]);
        all += has[h];
    }
    /* Three of each, but where two fall together: one in HOSTS or so. */
    cr_assert_gt(all, 2900);
    cr_assert_leq(all, 3000);
    wr_content_done(&c);
}
