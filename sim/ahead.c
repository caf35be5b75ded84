/* ahead.c - what is touched soon is fetched ahead of time.
 *
 * In a large ring nearly every event is at a host whose memory nobody has
 * touched for long: an event would mostly wait for memory. So what it needs is
 * fetched some events before it happens, in stages, each of which follows the
 * pointers that the one before it brought. Only speed hangs on any of it. */
#include "world_private.h"

/* How many events before its own each stage is. */
enum { AHEAD_HOST = 24, AHEAD_NODE = 14, AHEAD_TABLES = 6 };

/* How much of each at most. Of a node of one member and a few successors, all
 * but its table of peers is within. */
enum {
    LINE = 64,
    PARCEL_BYTES = 128,
    NODE_BYTES = sizeof(struct wr_node) + sizeof(struct wr_ring) +
                 sizeof(struct wr_place) + 192,
    TABLE_BYTES = 640,
};

static void fetch(const void *p, size_t bytes, size_t most)
{
    bytes = bytes < most ? bytes : most;
    for (size_t at = 0; at < bytes; at += LINE)
        __builtin_prefetch((const uint8_t *)p + at);
}

/* The event that comes `n` after this one, if it is at a host. */
static const struct wr_sim_event *event_at(const struct wr_world *w, uint32_t n)
{
    const struct wr_sim_event *e = wr_queue_ahead(&w->queue, n);

    return e != NULL && e->kind != WORLD_ALARM && e->to < w->cfg.hosts ? e
                                                                       : NULL;
}

/* The node that `e` will be a step of; most ticks are void, or too early. */
static const struct wr_node *node_of(const struct wr_world *w,
                                     const struct wr_sim_event *e)
{
    const struct wr_world_host *to = &w->hosts[e->to];

    if (e->kind == WORLD_TICK && (e->at != to->tick_at || e->at < to->due_at))
        return NULL;
    return to->node;
}

static void fetch_hosts(const struct wr_world *w, const struct wr_sim_event *e)
{
    __builtin_prefetch(&w->hosts[e->to]);
    if (e->kind != WORLD_DELIVER)
        return;
    if (e->from < w->cfg.hosts)
        __builtin_prefetch(&w->hosts[e->from]);
    fetch(e->parcel, PARCEL_BYTES, PARCEL_BYTES);
}

/* And where its link to the sender is. */
static void fetch_node(const struct wr_world *w, const struct wr_sim_event *e)
{
    const struct wr_node *n = node_of(w, e);

    if (n == NULL)
        return;
    fetch(n, NODE_BYTES, NODE_BYTES);
    if (e->kind == WORLD_DELIVER)
        __builtin_prefetch(wr_links_slot(&w->hosts[e->to].links, e->from));
}

static void fetch_tables(const struct wr_world *w, const struct wr_sim_event *e)
{
    const struct wr_node *n = node_of(w, e);

    if (n == NULL)
        return;
    fetch(n->routes.refs, wr_routes_size(&n->routes), TABLE_BYTES);
    fetch(n->lookups.v, (n->lookups.end + 1u) * sizeof(n->lookups.v[0]),
          TABLE_BYTES);
}

void world_look_ahead(const struct wr_world *w)
{
    const struct wr_sim_event *e;

    if ((e = event_at(w, AHEAD_HOST)) != NULL)
        fetch_hosts(w, e);
    if ((e = event_at(w, AHEAD_NODE)) != NULL)
        fetch_node(w, e);
    if ((e = event_at(w, AHEAD_TABLES)) != NULL)
        fetch_tables(w, e);
}
