/*
 * walk.c - random walks over an unstructured overlay: so many walkers set out
 * from who asks, each to a neighbour by lot at every step, not back if there is
 * another way. Every fourth step a walker asks at home whether it is still
 * wanted; it stays where it is until it hears that it is. A walker is a message
 * and no more: one that is lost, or whose host dies, has ended.
 *
 * Source: Lv, Cao, Cohen, Li and Shenker: Search and Replication in
 * Unstructured Peer-to-Peer Networks, ICS 2002: 16 to 64 walkers; checking at
 * every fourth step; with that, the TTL but stops walks that are lost.
 */
#include "overlay.h"

enum { WALKERS = 32, TTL = 1024, CHECK_EVERY = 4 };

static void init(struct wr_overlay *o)
{
    wr_mesh_init(&o->mesh, WR_MESH_WANT, WR_MESH_MOST, false);
}

/* To a neighbour, `from` only if there is no other one. */
static void step(struct wr_overlay *o, wr_host from,
                 const struct wr_overlay_msg *m)
{
    const uint32_t n = o->mesh.n;
    struct wr_overlay_msg on = *m;
    uint32_t at;

    if (n == 0 || m->ttl == 0)
        return;
    at = (uint32_t)wr_rng_below(&o->rng, n);
    if (n > 1 && o->mesh.peers[at].host == from) /* One of the others. */
        at = (at + 1 + (uint32_t)wr_rng_below(&o->rng, n - 1)) % n;
    on.kind = WR_OVERLAY_WALK;
    on.ttl--;
    on.hops++;
    wr_overlay_send(o, o->mesh.peers[at].host, &on);
}

static void ask(struct wr_overlay *o, const struct wr_overlay_ask *a,
                wr_time now)
{
    const struct wr_overlay_msg m = {
        .ttl = TTL,
        .origin = o->self,
        .query = a->query,
        .key = a->key,
    };

    (void)now;
    for (unsigned i = 0; i < WALKERS; i++)
        step(o, WR_NO_HOST, &m);
}

static void answer(struct wr_overlay *o, const struct wr_overlay_msg *m,
                   enum wr_overlay_kind kind)
{
    struct wr_overlay_msg back = *m;

    back.kind = (uint8_t)kind;
    back.holder = o->self;
    wr_overlay_send(o, m->origin, &back);
}

static void on_walk(struct wr_overlay *o, wr_host from,
                    const struct wr_overlay_msg *m)
{
    if (m->origin == o->self) {
        if (wr_overlay_open_ask(o, m->query) != NULL)
            step(o, from, m);
    } else if (wr_overlay_has(o, &m->key)) {
        answer(o, m, WR_OVERLAY_HIT);
    } else if (m->hops % CHECK_EVERY == 0) {
        answer(o, m, WR_OVERLAY_CHECK);
    } else {
        step(o, from, m);
    }
}

static void on_message(struct wr_overlay *o, wr_host from,
                       const struct wr_overlay_msg *m, wr_time now)
{
    struct wr_overlay_msg go = *m;

    if (wr_mesh_recv(o, from, m, now))
        return;
    if (m->kind == WR_OVERLAY_WALK)
        on_walk(o, from, m);
    if (m->kind == WR_OVERLAY_CHECK &&
        wr_overlay_open_ask(o, m->query) != NULL) {
        go.kind = WR_OVERLAY_GO;
        wr_overlay_send(o, from, &go);
    }
    if (m->kind == WR_OVERLAY_GO)
        step(o, WR_NO_HOST, m);
    if (m->kind == WR_OVERLAY_HIT)
        wr_overlay_found(o, m->query, m->holder, m->hops);
}

const struct wr_overlay_ops wr_walk_ops = {
    .name = "walk",
    .size = sizeof(struct wr_overlay),
    .init = init,
    .begin = wr_mesh_begin,
    .recv = on_message,
    .ask = ask,
};
