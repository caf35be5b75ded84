/*
 * index.c - an index on super-peers: one host in ten is one, by lot. The others
 * each keep a connection to one of them, tell it all their keys, and ask it.
 * Super-peers are neighbours of each other, and flood what their own index does
 * not answer. When a super-peer goes, so does what its hosts published there;
 * they find another one, and publish again.
 *
 * Source: Yang and Garcia-Molina: Designing a Super-peer Network, ICDE 2003:
 * clusters of 10, TTL 7. At most 30 hosts at a super-peer, as in LimeWire's
 * (Singla and Rohrs: Ultrapeers, 2002).
 *
 * What a host has never changes (content.h), so the index keeps whose keys it
 * was told, and the world knows them.
 */
#include <stdlib.h>

#include "flood.h"

enum { CLUSTER = 10, LEAVES_MOST = 30 };

struct leaf {
    wr_host host;
    bool published;
    wr_time heard;
};

struct index {
    struct wr_overlay o;
    struct wr_flood f;
    uint8_t leaves_n; /* Of a super-peer. */
    struct leaf leaves[LEAVES_MOST];
};

static struct index *of(const struct wr_overlay *o)
{
    return (struct index *)o;
}

/* One in each ten; the first is one in the smallest network, too. */
static bool is_super(wr_host h)
{
    struct wr_rng lot = {h / CLUSTER};

    return h % CLUSTER == (h < CLUSTER ? 0 : wr_rng_below(&lot, CLUSTER));
}

static void init(struct wr_overlay *o)
{
    if (is_super(o->self))
        wr_mesh_init(&o->mesh, WR_MESH_WANT, WR_MESH_MOST, false);
    else
        wr_mesh_init(&o->mesh, 1, 1, true);
}

/* ---- leaves of a super-peer ---------------------------------------------- */

static struct leaf *find(struct index *x, wr_host h)
{
    for (uint8_t i = 0; i < x->leaves_n; i++)
        if (x->leaves[i].host == h)
            return &x->leaves[i];
    return NULL;
}

static void drop(struct index *x, wr_host h)
{
    struct leaf *l = find(x, h);

    if (l != NULL)
        *l = x->leaves[--x->leaves_n];
}

/* Who has the item, as the index knows. */
static wr_host look(const struct index *x, const struct wr_id *key)
{
    if (wr_overlay_has(&x->o, key))
        return x->o.self;
    for (uint8_t i = 0; i < x->leaves_n; i++)
        if (x->leaves[i].published &&
            wr_content_at(x->o.env->cfg.content, key, x->leaves[i].host))
            return x->leaves[i].host;
    return WR_NO_HOST;
}

static void on_leaf(struct index *x, wr_host from,
                    const struct wr_overlay_msg *m, wr_time now)
{
    struct leaf *l = find(x, from);

    if (l != NULL)
        l->heard = now;
    if (m->kind == WR_OVERLAY_CONNECT) {
        if (l == NULL && x->leaves_n == LEAVES_MOST) {
            wr_mesh_refuse(&x->o, from);
            return;
        }
        if (l == NULL)
            x->leaves[x->leaves_n++] =
                (struct leaf){.host = from, .heard = now};
        wr_mesh_welcome(&x->o, from);
    } else if (m->kind == WR_OVERLAY_PUBLISH && l != NULL) {
        l->published = true;
    } else if (m->kind == WR_OVERLAY_PING) {
        if (l != NULL)
            wr_mesh_pong(&x->o, from, m->more);
        else
            wr_mesh_bye(&x->o, from);
    } else if (m->kind == WR_OVERLAY_BYE) {
        drop(x, from);
    }
}

/* ---- a leaf -------------------------------------------------------------- */

static void ask_parent(struct wr_overlay *o, const struct wr_overlay_ask *a)
{
    if (o->mesh.n > 0)
        wr_flood_ask(o, &of(o)->f, a, o->mesh.peers[0].host, WR_FLOOD_TTL + 1);
}

/* A new parent is told what it has, and what it waits for. */
static void attached(struct wr_overlay *o, wr_host parent)
{
    const struct wr_overlay_msg m = {
        .kind = WR_OVERLAY_PUBLISH,
        .keys = o->env->cfg.content->has[o->self],
    };

    wr_overlay_send(o, parent, &m);
    for (uint32_t i = 0; i < o->asks_n; i++)
        ask_parent(o, &o->asks[i]);
}

/* ---- the system ---------------------------------------------------------- */

static void recv_super(struct wr_overlay *o, wr_host from,
                       const struct wr_overlay_msg *m, wr_time now)
{
    struct index *x = of(o);

    if (m->kind == WR_OVERLAY_QUERY) {
        if (wr_flood_is_new(&x->f, m->query, from))
            wr_flood_query(o, from, m, look(x, &m->key));
    } else if (m->kind == WR_OVERLAY_HIT) {
        wr_flood_hit(o, &x->f, m);
    } else if (is_super(from) || m->kind == WR_OVERLAY_BUSY) {
        (void)wr_mesh_recv(o, from, m, now);
    } else {
        on_leaf(x, from, m, now);
    }
}

static void on_message(struct wr_overlay *o, wr_host from,
                       const struct wr_overlay_msg *m, wr_time now)
{
    const bool had = wr_mesh_has(o, from);

    if (is_super(o->self))
        recv_super(o, from, m, now);
    else if (m->kind == WR_OVERLAY_HIT)
        wr_flood_hit(o, &of(o)->f, m);
    else if (wr_mesh_recv(o, from, m, now) && !had && wr_mesh_has(o, from))
        attached(o, from);
}

static void down(struct wr_overlay *o, wr_host peer, wr_time now)
{
    (void)now;
    drop(of(o), peer);
}

static void tick(struct wr_overlay *o, wr_time now)
{
    struct index *x = of(o);

    for (uint8_t i = 0; i < x->leaves_n;)
        if (x->leaves[i].heard + wr_mesh_patience(o) <= now)
            x->leaves[i] = x->leaves[--x->leaves_n];
        else
            i++;
}

static bool closed(wr_host host)
{
    return !is_super(host);
}

static bool alone(const struct wr_overlay *o)
{
    return o->mesh.n == 0 && of(o)->leaves_n == 0;
}

static void ask(struct wr_overlay *o, const struct wr_overlay_ask *a,
                wr_time now)
{
    const struct wr_overlay_ask own = *a; /* It may end here. */
    wr_host holder;

    (void)now;
    if (!is_super(o->self)) {
        ask_parent(o, &own);
        return;
    }
    holder = look(of(o), &own.key);
    if (holder != WR_NO_HOST)
        wr_overlay_found(o, own.query, holder, 0);
    else
        wr_flood_ask(o, &of(o)->f, &own, WR_NO_HOST, WR_FLOOD_TTL);
}

/* ---- beginning ----------------------------------------------------------- */

static void begin_leaf(struct wr_overlay *o, struct wr_overlay *const *supers,
                       uint32_t n, struct wr_rng *rng, wr_time now)
{
    enum { TRIES = 64 };

    for (uint32_t t = 0; t < TRIES && o->mesh.n == 0 && n > 0; t++) {
        struct index *x = of(supers[wr_rng_below(rng, n)]);

        if (x->leaves_n == LEAVES_MOST)
            continue;
        x->leaves[x->leaves_n++] = (struct leaf){o->self, true, now};
        o->mesh.peers[o->mesh.n++] = (struct wr_mesh_peer){x->o.self, now};
    }
    for (uint32_t t = 0; t < WR_MESH_KNOWN / 2 && n > 0; t++)
        wr_mesh_learn(o, supers[wr_rng_below(rng, n)]->self);
}

static void begin(struct wr_overlay *const *all, uint32_t n, struct wr_rng *rng,
                  wr_time now)
{
    struct wr_overlay **supers = calloc(n, sizeof(supers[0]));
    uint32_t supers_n = 0;

    WR_CHECK(supers != NULL);
    for (uint32_t i = 0; i < n; i++)
        if (is_super(all[i]->self))
            supers[supers_n++] = all[i];
    wr_mesh_begin(supers, supers_n, rng, now);
    for (uint32_t i = 0; i < n; i++)
        if (!is_super(all[i]->self)) {
            begin_leaf(all[i], supers, supers_n, rng, now);
            wr_mesh_join(all[i], WR_NO_HOST, now);
        }
    free(supers);
}

const struct wr_overlay_ops wr_index_ops = {
    .name = "index",
    .size = sizeof(struct index),
    .init = init,
    .begin = begin,
    .recv = on_message,
    .down = down,
    .tick = tick,
    .alone = alone,
    .closed = closed,
    .ask = ask,
};
