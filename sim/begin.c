/* begin.c - how a world is made, and how a ring of any size starts as an ideal
 * one (R1): where each member stands follows from one sorted list of all. */
#include <stdlib.h>

#include "cost.h"
#include "world_private.h"

enum wr_err wr_world_init(struct wr_world *w, const struct wr_world_cfg *cfg)
{
    static const uint8_t ring[32] = "a small world";
    enum wr_err err;

    *w = (struct wr_world){
        .cfg = *cfg,
        .rng = {cfg->seed},
        .dial_bytes = wr_cost_dial(),
        .accept_bytes = wr_cost_accept(),
    };
    overlaid_init(w);
    wr_queue_init(&w->queue);
    err = wr_simnet_init(&w->net, &cfg->net, cfg->hosts, cfg->seed);
    if (err == WR_OK)
        err =
            wr_book_init(&w->book, ring, cfg->hosts, cfg->hosts * cfg->members);
    if (err == WR_OK)
        err = wr_outbox_init(&w->out, 4096, 1 << 20);
    w->hosts = calloc(cfg->hosts, sizeof(w->hosts[0]));
    if (cfg->faults)
        w->faults = world_must(calloc(cfg->hosts, sizeof(w->faults[0])));
    if (err != WR_OK || w->hosts == NULL) {
        wr_world_done(w);
        return WR_ENOMEM;
    }
    world_codec_init(w);
    for (wr_host h = 0; h < cfg->hosts; h++) {
        const uint32_t site = cfg->sites > 1 ? 1 + h % cfg->sites : 0;
        struct wr_host_id id;

        wr_rng_fill(&w->rng, id.b, sizeof(id.b));
        WR_CHECK(wr_book_add(&w->book, &id, cfg->members, site, NULL) == h);
    }
    return WR_OK;
}

void wr_world_done(struct wr_world *w)
{
    struct wr_sim_event e;

    for (wr_host h = 0; w->hosts != NULL && h < w->cfg.hosts; h++) {
        wr_node_close(w->hosts[h].node);
        wr_overlay_close(w->hosts[h].overlay);
        free(w->hosts[h].saved);
        wr_links_done(&w->hosts[h].links);
        wr_disk_done(&w->hosts[h].disk);
    }
    wr_bodies_done(&w->bodies);
    wr_uplinks_done(w);
    while (wr_queue_pop(&w->queue, WR_NEVER, &e))
        world_discard(w, &e);
    wr_queue_done(&w->queue);
    wr_parcels_done(&w->parcels);
    free(w->codec_room);
    free(w->hosts);
    free(w->faults);
    wr_outbox_done(&w->out);
    wr_book_done(&w->book);
    wr_simnet_done(&w->net);
}

/* ---- the first ring ------------------------------------------------------ */

enum { FINGERS_MAX = 64 };

struct place {
    uint64_t prefix; /* Of the id: decides nearly always. */
    wr_ref ref;
    uint32_t own; /* Host by host, member by member. */
};

struct circle {
    struct wr_world *w;
    struct place *v; /* Clockwise from 0. */
    uint32_t *at;    /* Where in `v`, by `own`. */
    uint32_t n;
};

static int clockwise(const void *a, const void *b, void *book)
{
    const struct place *x = a, *y = b;

    if (x->prefix != y->prefix)
        return x->prefix < y->prefix ? -1 : 1;
    return wr_id_cmp(wr_book_id(book, x->ref), wr_book_id(book, y->ref));
}

static void circle_init(struct circle *k, struct wr_world *w,
                        const wr_host *hosts, uint32_t n)
{
    const uint8_t members = w->cfg.members;

    *k = (struct circle){.w = w, .n = n * members};
    k->v = world_must(calloc(k->n, sizeof(k->v[0])));
    k->at = world_must(calloc(k->n, sizeof(k->at[0])));
    for (uint32_t i = 0; i < k->n; i++) {
        const wr_host h = hosts == NULL ? i / members : hosts[i / members];
        const wr_ref ref = wr_ref_of(h, i % members);

        k->v[i] =
            (struct place){wr_id_prefix(wr_book_id(&w->book, ref)), ref, i};
    }
    qsort_r(k->v, k->n, sizeof(k->v[0]), clockwise, &w->book);
    for (uint32_t i = 0; i < k->n; i++)
        k->at[k->v[i].own] = i;
}

static void circle_done(struct circle *k)
{
    free(k->v);
    free(k->at);
}

/* The first member at or after a position: ids are uniform, so the guess is
 * near. Members that share 64 bits are not told apart: fingers are hints. */
static uint32_t first_from(const struct circle *k, uint64_t prefix)
{
    __extension__ typedef unsigned __int128 wide;
    uint32_t i = (uint32_t)(((wide)prefix * k->n) >> 64);

    while (i > 0 && k->v[i - 1].prefix >= prefix)
        i--;
    while (i < k->n && k->v[i].prefix < prefix)
        i++;
    return i == k->n ? 0 : i;
}

/* Those of the member at `at`: 2^bit ahead, each once, down to where the
 * successor is all there is (routes.c does the same, one at a time). */
static size_t fingers_of(const struct circle *k, uint32_t at, wr_ref *ret)
{
    const uint64_t here = k->v[at].prefix;
    const uint64_t gap = k->v[(at + 1) % k->n].prefix - here;
    size_t n = 0;

    for (unsigned bit = 64; bit-- > 0 && UINT64_C(1) << bit > gap;) {
        const uint32_t to = first_from(k, here + (UINT64_C(1) << bit));

        if (n == 0 || ret[n - 1] != k->v[to].ref)
            ret[n++] = k->v[to].ref;
    }
    return n;
}

/* Where there is a roster it tells of everybody. */
static bool wants_fingers(const struct wr_world *w)
{
    return w->cfg.node.roster_max == 0 && w->cfg.node.finger_us != WR_NEVER;
}

static void start(const struct circle *k, uint32_t own)
{
    struct wr_world *w = k->w;
    const uint8_t members = w->cfg.members, r = w->cfg.node.succs;
    const wr_host h = wr_ref_host(k->v[k->at[own]].ref);
    wr_ref preds[WR_MEMBERS_MAX], succs[WR_MEMBERS_MAX * WR_SUCCS_MAX];
    wr_ref fingers[WR_MEMBERS_MAX * FINGERS_MAX];
    struct wr_node_place place = {
        .preds = preds, .succs = succs, .fingers = fingers};

    for (uint8_t i = 0; i < members; i++) {
        const uint32_t at = k->at[own + i];

        preds[i] = k->v[(at + k->n - 1) % k->n].ref;
        for (uint8_t s = 0; s < r; s++)
            succs[i * r + s] = k->v[(at + 1 + s) % k->n].ref;
        if (wants_fingers(w))
            place.fingers_n += fingers_of(k, at, &fingers[place.fingers_n]);
    }
    wr_node_start_at(w->hosts[h].node, &place, world_time(w, h), &w->out);
    world_settle(w, h);
}

void wr_world_begin(struct wr_world *w, const wr_host *hosts, uint32_t n)
{
    struct circle k;

    WR_CHECK(n <= w->cfg.hosts);
    if (w->cfg.overlay != NULL) {
        overlaid_begin(w, hosts, n);
        return;
    }
    WR_CHECK(n * w->cfg.members > w->cfg.node.succs);
    circle_init(&k, w, hosts, n);
    for (uint32_t i = 0; i < n; i++) {
        const wr_host h = hosts == NULL ? i : hosts[i];

        world_open(w, h);
        w->hosts[h].known = true; /* The issuer may always, R10. */
    }
    for (uint32_t i = 0; i < n; i++) {
        const wr_host h = hosts == NULL ? i : hosts[i];

        start(&k, i * w->cfg.members);
        for (uint32_t j = 0; j < n && w->cfg.node.roster_max > 0; j++)
            world_admit(w, h, hosts == NULL ? j : hosts[j], WR_ROSTER_ADMITTED);
        world_clock(w, h);
    }
    circle_done(&k);
}
