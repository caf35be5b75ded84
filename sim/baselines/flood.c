/*
 * flood.c - flooding over an unstructured overlay, as Gnutella 0.4 did it: each
 * host asks all its neighbours, who ask theirs, seven hops far. Who has the
 * item answers; the question goes on, for nobody knows of the answer.
 */
#include "flood.h"

/* ---- what is remembered -------------------------------------------------- */

static const struct wr_flood_seen *find(const struct wr_flood *f,
                                        uint64_t query)
{
    const struct wr_flood_seen *set = f->seen[query % WR_FLOOD_SETS];

    for (unsigned i = 0; i < WR_FLOOD_WAYS; i++)
        if (set[i].query == query)
            return &set[i];
    return NULL;
}

bool wr_flood_is_new(struct wr_flood *f, uint64_t query, wr_host from)
{
    const uint64_t set = query % WR_FLOOD_SETS;

    if (find(f, query) != NULL)
        return false;
    f->seen[set][f->next[set]++ % WR_FLOOD_WAYS] =
        (struct wr_flood_seen){query, from};
    return true;
}

/* ---- questions and answers ----------------------------------------------- */

static void send_all(struct wr_overlay *o, wr_host but,
                     const struct wr_overlay_msg *m)
{
    for (uint8_t i = 0; i < o->mesh.n; i++)
        if (o->mesh.peers[i].host != but)
            wr_overlay_send(o, o->mesh.peers[i].host, m);
}

void wr_flood_ask(struct wr_overlay *o, struct wr_flood *f,
                  const struct wr_overlay_ask *a, wr_host to, uint16_t ttl)
{
    const struct wr_overlay_msg m = {
        .kind = WR_OVERLAY_QUERY,
        .ttl = ttl,
        .hops = 1,
        .query = a->query,
        .key = a->key,
    };

    (void)wr_flood_is_new(f, a->query, o->self);
    if (to == WR_NO_HOST)
        send_all(o, WR_NO_HOST, &m);
    else
        wr_overlay_send(o, to, &m);
}

void wr_flood_query(struct wr_overlay *o, wr_host from,
                    const struct wr_overlay_msg *m, wr_host holder)
{
    struct wr_overlay_msg on = *m;

    if (holder != WR_NO_HOST) {
        const struct wr_overlay_msg hit = {
            .kind = WR_OVERLAY_HIT,
            .hops = m->hops,
            .holder = holder,
            .query = m->query,
            .key = m->key,
        };

        wr_overlay_send(o, from, &hit);
    }
    if (m->ttl <= 1)
        return;
    on.ttl--;
    on.hops++;
    send_all(o, from, &on);
}

void wr_flood_hit(struct wr_overlay *o, const struct wr_flood *f,
                  const struct wr_overlay_msg *m)
{
    const struct wr_flood_seen *s = find(f, m->query);

    if (s == NULL)
        return;
    if (s->from == o->self)
        wr_overlay_found(o, m->query, m->holder, m->hops);
    else
        wr_overlay_send(o, s->from, m);
}

/* ---- the system ---------------------------------------------------------- */

struct flood {
    struct wr_overlay o;
    struct wr_flood f;
};

static void init(struct wr_overlay *o)
{
    wr_mesh_init(&o->mesh, WR_MESH_WANT, WR_MESH_MOST, false);
}

static void on_message(struct wr_overlay *o, wr_host from,
                       const struct wr_overlay_msg *m, wr_time now)
{
    struct wr_flood *f = &((struct flood *)o)->f;

    if (wr_mesh_recv(o, from, m, now))
        return;
    if (m->kind == WR_OVERLAY_QUERY && wr_flood_is_new(f, m->query, from))
        wr_flood_query(o, from, m,
                       wr_overlay_has(o, &m->key) ? o->self : WR_NO_HOST);
    if (m->kind == WR_OVERLAY_HIT)
        wr_flood_hit(o, f, m);
}

static void ask(struct wr_overlay *o, const struct wr_overlay_ask *a,
                wr_time now)
{
    (void)now;
    wr_flood_ask(o, &((struct flood *)o)->f, a, WR_NO_HOST, WR_FLOOD_TTL);
}

const struct wr_overlay_ops wr_flood_ops = {
    .name = "flood",
    .size = sizeof(struct flood),
    .init = init,
    .begin = wr_mesh_begin,
    .recv = on_message,
    .ask = ask,
};
