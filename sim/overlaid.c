/* overlaid.c - hosts that run an overlay (baselines/overlay.h) in the place of
 * the core, in the same world: it carries and counts their messages as it does
 * the core's. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "world_private.h"

/* ---- what nodes do ------------------------------------------------------- */

static void send(void *arg, wr_host from, wr_host to,
                 const struct wr_overlay_msg *m)
{
    struct wr_world *w = arg;
    const size_t n = offsetof(struct wr_overlay_msg, hosts) +
                     m->hosts_n * sizeof(m->hosts[0]);
    wr_time at[2];
    const unsigned times =
        world_carry(w, from, to, m->kind, wr_overlay_bytes(m), at);

    for (unsigned i = 0; i < times; i++)
        world_push(w, at[i], WORLD_DELIVER, from, to,
                   world_must(wr_parcel_bytes(&w->parcels, m, n)));
}

/* As the core says it: the first member of the host that has it. */
static void answer(void *arg, wr_host host, wr_token token, wr_host holder,
                   unsigned hops)
{
    struct wr_world *w = arg;
    struct wr_fx fx = {.kind = WR_FX_DONE};

    fx.done.token = token;
    fx.done.status = WR_STATUS_TIMEOUT;
    if (holder != WR_NO_HOST) {
        fx.done.status = WR_STATUS_OK;
        fx.done.answer.kind = WR_MSG_ROUTED;
        fx.done.answer.routed.owner = wr_ref_of(holder, 0);
        fx.done.answer.routed.hops =
            (uint8_t)(hops < UINT8_MAX ? hops : UINT8_MAX);
    }
    if (w->done != NULL)
        w->done(w, host, &fx);
}

static void joined(void *arg, wr_host host)
{
    struct wr_world *w = arg;

    w->hosts[host].joined = true;
}

static wr_host contact(void *arg, wr_host host)
{
    enum { TRIES = 256 };
    struct wr_world *w = arg;
    const struct wr_overlay_ops *ops = w->cfg.overlay;

    for (unsigned i = 0; i < TRIES; i++) {
        const wr_host by = (wr_host)wr_rng_below(&w->rng, w->cfg.hosts);

        if (by != host && wr_world_is_up(w, by) &&
            (ops->closed == NULL || !ops->closed(by)))
            return by;
    }
    return WR_NO_HOST;
}

/* ---- what happens to them ------------------------------------------------ */

void overlaid_init(struct wr_world *w)
{
    w->overlay_env = (struct wr_overlay_env){
        .cfg = w->cfg.overlay_cfg,
        .arg = w,
        .send = send,
        .answer = answer,
        .joined = joined,
        .contact = contact,
    };
}

void overlaid_open(struct wr_world *w, wr_host h, uint64_t seed)
{
    w->hosts[h].overlay =
        world_must(wr_overlay_open(w->cfg.overlay, &w->overlay_env, h, seed));
}

void overlaid_begin(struct wr_world *w, const wr_host *hosts, uint32_t n)
{
    struct wr_overlay **all = world_must(calloc(n + 1, sizeof(all[0])));

    for (uint32_t i = 0; i < n; i++) {
        const wr_host h = hosts == NULL ? i : hosts[i];

        world_open(w, h);
        all[i] = w->hosts[h].overlay;
    }
    w->cfg.overlay->begin(all, n, &w->rng, w->now);
    for (uint32_t i = 0; i < n; i++)
        world_settle(w, all[i]->self);
    free(all);
}

void overlaid_up(struct wr_world *w, wr_host h, wr_host via)
{
    world_open(w, h);
    wr_overlay_start(w->hosts[h].overlay, via, w->now);
    world_settle(w, h);
}

void overlaid_step(struct wr_world *w, wr_host h, const struct wr_event *ev)
{
    struct wr_overlay *o = w->hosts[h].overlay;

    if (ev->kind == WR_EV_LOOKUP)
        wr_overlay_lookup(o, &ev->lookup.key, ev->lookup.token, w->now);
    if (ev->kind == WR_EV_LINK_DOWN)
        wr_overlay_down(o, ev->from, w->now);
}

void overlaid_deliver(struct wr_world *w, const struct wr_sim_event *e)
{
    struct wr_overlay_msg m = {0};

    if (!world_stands(w, e))
        return;
    wr_parcel_read(e->parcel, &m);
    (void)world_greet(w, e);
    w->delivered++;
    world_digest(w, e, m.kind, m.query);
    if (w->cfg.trace)
        fprintf(stderr, "%10.3f  %3u <- %3u  %s %llx\n", (double)w->now / 1e6,
                e->to, e->from, wr_overlay_name(m.kind),
                (unsigned long long)m.query);
    wr_overlay_recv(w->hosts[e->to].overlay, e->from, &m, w->now);
    world_settle(w, e->to);
}
