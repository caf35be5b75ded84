/* world_hosts.c - how the hosts of a world come and go, and what cuts them off
 * (world.h). */
#include <stdlib.h>

#include "proto/node_private.h"
#include "world_private.h"

void world_open(struct wr_world *w, wr_host h)
{
    struct wr_world_host *host = &w->hosts[h];
    struct wr_node_cfg cfg = w->cfg.node;

    WR_CHECK(!wr_world_is_up(w, h) && !host->left);
    world_unfault(w, h);
    cfg.self = h;
    cfg.members = w->cfg.members;
    cfg.incarnation = ++host->incarnation;
    cfg.seed = wr_rng_next(&w->rng);
    if (w->cfg.overlay != NULL)
        overlaid_open(w, h, cfg.seed);
    else if (wr_node_open(&host->node, &cfg, &w->book) != WR_OK)
        world_must(NULL);
    if (host->node != NULL)
        host->node->routes.fingers_only = w->cfg.fingers_only;
    host->epoch++;
    host->saving = false;
    host->save_at = w->now;
    host->tick_at = host->tick_later_at = host->due_at = WR_NEVER;
    wr_links_clear(&host->links);
}

/* `wreath join` writes the parent's card down before the host first starts. */
static void know_parent(struct wr_world_host *host, wr_host parent)
{
    if (parent == WR_NO_HOST)
        return;
    host->saved = world_must(calloc(1, sizeof(host->saved[0])));
    host->saved[0] = (struct wr_roster_entry){.host = parent};
    host->saved_n = 1;
}

void wr_world_up(struct wr_world *w, wr_host h, wr_host via)
{
    struct wr_world_host *host = &w->hosts[h];
    const wr_host known[] = {via};
    /* Only one that was in the ring before may begin alone (R10). */
    const bool may_start = w->cfg.members > w->cfg.node.succs && host->known;

    if (w->cfg.overlay != NULL) {
        overlaid_up(w, h, via);
        return;
    }
    if (host->epoch == 0)
        know_parent(host, via);
    world_open(w, h);
    for (uint32_t i = 0; i < host->saved_n; i++) {
        const struct wr_roster_entry *e = &host->saved[i];

        if (e->host != h && w->cfg.node.roster_max > 0)
            world_admit(w, h, e->host, (enum wr_roster_state)e->state);
    }
    if (host->farewell) {
        world_farewell(w, h);
        return;
    }
    world_trace(w, h, "starts, joins through", via, 0, 0);
    wr_node_join(host->node, known, via == WR_NO_HOST ? 0 : 1, may_start,
                 world_time(w, h), &w->out);
    world_settle(w, h);
    world_clock(w, h);
}

void world_farewell(struct wr_world *w, wr_host h)
{
    struct wr_world_host *host = &w->hosts[h];

    world_trace(w, h, "says farewell", WR_NO_HOST, 0, 0);
    host->farewell = host->leaving = true;
    host->joined = false;
    wr_uplink_break(w, h, true);
    world_admit(w, h, h, WR_ROSTER_LEFT);
}

static int by_number(const void *a, const void *b)
{
    const wr_host x = *(const wr_host *)a, y = *(const wr_host *)b;

    return (x > y) - (x < y);
}

/* The link of `k` to `h` has been up since `h` started. */
static bool linked(const struct wr_world *w, wr_host k, wr_host h)
{
    const struct wr_sim_link *l = wr_links_find(&w->hosts[k].links, h);

    return l != NULL && l->told != 0 && l->epoch == w->hosts[h].epoch;
}

/* Its peers' links break; they may be told, each after its own delay. */
static void break_links(struct wr_world *w, wr_host h)
{
    const struct wr_links *t = &w->hosts[h].links;
    wr_host *peers;
    uint32_t n = 0;

    if (!w->cfg.resets || t->n == 0)
        return;
    peers = world_must(calloc(t->n, sizeof(peers[0])));
    for (uint32_t i = 0; i < t->cap; i++) {
        const wr_host k = wr_link_peer(&t->v[i]);

        if (t->v[i].peer != 0 && wr_world_is_up(w, k) &&
            wr_simnet_reach(&w->net, h, k) && linked(w, k, h))
            peers[n++] = k;
    }
    qsort(peers, n, sizeof(peers[0]), by_number);
    for (uint32_t i = 0; i < n; i++)
        world_push(w, w->now + wr_simnet_latency(&w->net, &w->rng, h, peers[i]),
                   WORLD_BROKEN, h, peers[i], NULL);
    free(peers);
}

static uint64_t repaired_by(const struct wr_node *n)
{
    return n != NULL && n->core.repair != NULL ? n->core.repair->all.bytes : 0;
}

uint64_t wr_world_repaired(const struct wr_world *w)
{
    uint64_t sum = w->repaired;

    for (wr_host h = 0; h < w->cfg.hosts; h++)
        sum += repaired_by(w->hosts[h].node);
    return sum;
}

void wr_world_crash(struct wr_world *w, wr_host h)
{
    world_trace(w, h, "dies", WR_NO_HOST, 0, 0);
    break_links(w, h);
    wr_uplink_break(w, h, w->cfg.resets);
    w->repaired += repaired_by(w->hosts[h].node);
    wr_node_close(w->hosts[h].node);
    w->hosts[h].node = NULL;
    wr_overlay_close(w->hosts[h].overlay);
    w->hosts[h].overlay = NULL;
    w->hosts[h].joined = w->hosts[h].leaving = false;
    w->hosts[h].still_until = 0;
    wr_bodies_crash(&w->bodies, h);
    if (w->changed != NULL)
        w->changed(w, h);
}

void wr_world_stop(struct wr_world *w, wr_host h)
{
    const struct wr_event ev = {.kind = WR_EV_STOP};

    if (w->hosts[h].node != NULL) { /* An overlay's just hang up. */
        wr_world_step(w, h, &ev);
        world_save(&w->hosts[h]);
    }
    wr_uplink_break(w, h, !w->cfg.resets); /* A crash would do it else. */
    wr_world_crash(w, h);
}

void wr_world_leave(struct wr_world *w, wr_host h)
{
    const struct wr_event ev = {.kind = WR_EV_LEAVE,
                                .leave = {.token = WORLD_LEAVE_TOKEN}};

    world_trace(w, h, "leaves", WR_NO_HOST, 0, 0);
    w->hosts[h].leaving = true;
    if (w->hosts[h].node != NULL)
        wr_world_step(w, h, &ev);
    else
        world_push(w, w->now, WORLD_GONE, h, h, NULL);
}

void wr_world_pause(struct wr_world *w, wr_host h, wr_time until)
{
    world_trace(w, h, "stands still", WR_NO_HOST, 0, 0);
    w->hosts[h].still_until = wr_time_max(w->hosts[h].still_until, until);
}

void wr_world_side(struct wr_world *w, wr_host h, uint32_t side)
{
    wr_simnet_side(&w->net, h, side);
}

void wr_world_heal(struct wr_world *w)
{
    for (wr_host h = 0; h < w->cfg.hosts; h++)
        w->net.hosts[h].side = 0;
    w->net.one_way = false;
    world_trace(w, 0, "the cut heals", WR_NO_HOST, 0, 0);
}
