/* overlay.c - see overlay.h. */
#include "overlay.h"

#include <stdlib.h>
#include <string.h>

#include "../cost.h"

/* ---- messages ------------------------------------------------------------ */

const char *wr_overlay_name(unsigned kind)
{
    static const char *const names[] = {
#define X(name) #name,
        WR_OVERLAY_MAP(X)
#undef X
    };

    return kind < WR_OVERLAY_KINDS ? names[kind] : "?";
}

/* Gnutella's header (0.4): an id of 16 bytes, kind, TTL, hops, length. A key is
 * a hash, and a host is named as wreath's are, so that the prices compare: by
 * its id and where it is. */
enum {
    HEAD = 16 + 1 + 1 + 1 + 4,
    KEY = sizeof(struct wr_id),
    HOST = WR_HOST_ID_BYTES + 4 + 2,
};

static uint64_t payload(const struct wr_overlay_msg *m)
{
    switch ((enum wr_overlay_kind)m->kind) {
    case WR_OVERLAY_PING:
    case WR_OVERLAY_CONNECT:
        return 1; /* What is wanted, or who wants it. */
    case WR_OVERLAY_PONG:
    case WR_OVERLAY_WELCOME:
    case WR_OVERLAY_BUSY:
        return 1 + (uint64_t)HOST * m->hosts_n;
    case WR_OVERLAY_BYE:
        return 0;
    case WR_OVERLAY_QUERY:
        return KEY;
    case WR_OVERLAY_HIT:
        return KEY + HOST;
    case WR_OVERLAY_WALK:
    case WR_OVERLAY_CHECK:
    case WR_OVERLAY_GO:
        return KEY + HOST + 2 + 2; /* Its TTL is more than a byte's. */
    case WR_OVERLAY_PUBLISH:
        return 4 + (uint64_t)KEY * m->keys;
    case WR_OVERLAY_KINDS:
        break;
    }
    return 0;
}

uint64_t wr_overlay_bytes(const struct wr_overlay_msg *m)
{
    const uint64_t plain = HEAD + payload(m);
    const uint64_t records =
        (plain + WR_NOISE_DATA_MAX - 1) / WR_NOISE_DATA_MAX;

    return wr_cost_tcp(plain + records * WR_COST_RECORD);
}

void wr_overlay_send(struct wr_overlay *o, wr_host to,
                     const struct wr_overlay_msg *m)
{
    o->env->send(o->env->arg, o->self, to, m);
}

/* ---- lookups ------------------------------------------------------------- */

bool wr_overlay_has(const struct wr_overlay *o, const struct wr_id *key)
{
    return wr_content_at(o->env->cfg.content, key, o->self);
}

const struct wr_overlay_ask *wr_overlay_open_ask(const struct wr_overlay *o,
                                                 uint64_t query)
{
    for (uint32_t i = 0; i < o->asks_n; i++)
        if (o->asks[i].query == query)
            return &o->asks[i];
    return NULL;
}

void wr_overlay_found(struct wr_overlay *o, uint64_t query, wr_host holder,
                      unsigned hops)
{
    for (uint32_t i = 0; i < o->asks_n; i++) {
        const uint64_t token = o->asks[i].token;

        if (o->asks[i].query != query)
            continue;
        o->asks_n--;
        memmove(&o->asks[i], &o->asks[i + 1],
                (o->asks_n - i) * sizeof(o->asks[0]));
        o->env->answer(o->env->arg, o->self, token, holder, hops);
        return;
    }
}

void wr_overlay_lookup(struct wr_overlay *o, const struct wr_id *key,
                       uint64_t token, wr_time now)
{
    struct wr_overlay_ask a = {
        .query = wr_rng_next(&o->rng) | 1,
        .token = token,
        .until = now + o->env->cfg.lookup_us,
        .key = *key,
    };

    if (wr_overlay_has(o, key)) {
        o->env->answer(o->env->arg, o->self, token, o->self, 0);
        return;
    }
    if (o->asks_n == WR_OVERLAY_ASKS) {
        o->env->answer(o->env->arg, o->self, token, WR_NO_HOST, 0);
        return;
    }
    o->asks[o->asks_n++] = a;
    o->ops->ask(o, &a, now);
}

static void give_up(struct wr_overlay *o, wr_time now)
{
    while (o->asks_n > 0 && o->asks[0].until <= now)
        wr_overlay_found(o, o->asks[0].query, WR_NO_HOST, 0);
}

/* ---- a node -------------------------------------------------------------- */

static void settle(struct wr_overlay *o)
{
    const bool alone =
        o->ops->alone != NULL ? o->ops->alone(o) : o->mesh.n == 0;

    if (o->joined || alone)
        return;
    o->joined = true;
    o->env->joined(o->env->arg, o->self);
}

void wr_overlay_start(struct wr_overlay *o, wr_host via, wr_time now)
{
    wr_mesh_join(o, via, now);
    settle(o);
}

void wr_overlay_recv(struct wr_overlay *o, wr_host from,
                     const struct wr_overlay_msg *m, wr_time now)
{
    o->ops->recv(o, from, m, now);
    settle(o);
}

void wr_overlay_down(struct wr_overlay *o, wr_host peer, wr_time now)
{
    wr_mesh_down(o, peer, now);
    if (o->ops->down != NULL)
        o->ops->down(o, peer, now);
}

void wr_overlay_tick(struct wr_overlay *o, wr_time now)
{
    wr_mesh_tick(o, now);
    if (o->ops->tick != NULL)
        o->ops->tick(o, now);
    give_up(o, now);
}

wr_time wr_overlay_deadline(const struct wr_overlay *o)
{
    const wr_time at = wr_mesh_deadline(o);

    return o->asks_n > 0 ? wr_time_min(at, o->asks[0].until) : at;
}

struct wr_overlay *wr_overlay_open(const struct wr_overlay_ops *ops,
                                   const struct wr_overlay_env *env,
                                   wr_host self, uint64_t seed)
{
    struct wr_overlay *o = calloc(1, ops->size);

    if (o == NULL)
        return NULL;
    o->ops = ops;
    o->env = env;
    o->self = self;
    o->rng.state = seed;
    ops->init(o);
    return o;
}

void wr_overlay_close(struct wr_overlay *o)
{
    free(o);
}
