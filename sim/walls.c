/* walls.c - the wall clocks of a world's hosts (world.h): each may be off, and
 * a host tells its node what it believes, by the daemon's own rule. */
#include <stdlib.h>

#include "sys/wall.h"
#include "world_private.h"

enum { TELL_US = 2000000 /* Between two looks at the clock. */ };

uint64_t wr_world_wall_s(const struct wr_world *w)
{
    return WR_WORLD_WALL_S + w->now / WR_SEC(1);
}

static uint64_t wall_of(const struct wr_world *w, wr_host h)
{
    return wr_world_wall_s(w) + (uint64_t)w->hosts[h].wall_off_s;
}

/* What those say that `h` has links to. */
static size_t ask_peers(const struct wr_world *w, wr_host h,
                        uint64_t ret[WR_WALL_PEERS])
{
    const struct wr_links *t = &w->hosts[h].links;
    size_t n = 0;

    for (uint32_t i = 0; i < t->cap && n < WR_WALL_PEERS; i++) {
        const wr_host k = wr_link_peer(&t->v[i]);

        if (t->v[i].peer != 0 && t->v[i].told != 0 && wr_world_is_up(w, k) &&
            wr_simnet_reach(&w->net, h, k))
            ret[n++] = wall_of(w, k);
    }
    return n;
}

/* A host's own, and what it was told; what it holds for true it remembers. */
void world_tell_clock(struct wr_world *w, wr_host h)
{
    struct wr_world_host *host = &w->hosts[h];
    uint64_t peers[WR_WALL_PEERS];
    struct wr_wall_view v = {.now_s = wall_of(w, h),
                             .seen_s = host->wall_seen_s,
                             .off_s = w->cfg.node.slack_s / 2,
                             .peers_s = peers};
    struct wr_event ev = {.kind = WR_EV_CLOCK};

    if (w->cfg.node.sweep_us == WR_NEVER || host->node == NULL)
        return;
    v.peers_n = ask_peers(w, h, peers);
    v.alone = wr_rings_any(&host->node->core) &&
              wr_roster_admitted_n(&host->node->core) <= 1;
    if (v.alone) /* A wrong one nobody could tell; operators set it right. */
        v.now_s = wr_world_wall_s(w);
    if (wr_wall_judge(&v) == WR_WALL_KNOWN)
        ev.wall_s = host->wall_seen_s = v.now_s;
    wr_world_step(w, h, &ev);
}

void world_clock(struct wr_world *w, wr_host h)
{
    world_tell_clock(w, h);
    if (w->cfg.node.sweep_us != WR_NEVER)
        world_push(w, w->now + TELL_US, WORLD_CLOCK, h, h, NULL);
}

void wr_world_wall(struct wr_world *w, wr_host h, int64_t off_s)
{
    w->hosts[h].wall_off_s = off_s;
}
