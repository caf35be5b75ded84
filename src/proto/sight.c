/* sight.c - a node's own answers to what sight.h asks. */
#include "proto/sight.h"

#include "proto/peers.h"
#include "proto/place.h"
#include "proto/ring.h"
#include "proto/roster.h"

static bool owns(const struct wr_core *c, const struct wr_id *key, wr_ref *ret)
{
    const struct wr_ring *r = wr_rings_owner(c, key);

    if (r != NULL)
        *ret = r->self;
    return r != NULL;
}

static size_t place(const struct wr_core *c, const struct wr_id *key,
                    wr_ref *ret, size_t max)
{
    const struct wr_ring *r = wr_rings_owner(c, key);

    return r == NULL ? 0 : wr_place_set(c, r, max, ret);
}

static size_t succs(const struct wr_core *c, unsigned index, const wr_ref **ret)
{
    const struct wr_ring *r = &c->rings[index];

    *ret = r->succs;
    return r->phase == WR_RING_MEMBER ? r->succs_n : 0;
}

static wr_ref pred(const struct wr_core *c, unsigned index)
{
    return c->rings[index].pred;
}

static size_t admitted(const struct wr_core *c)
{
    return wr_roster_admitted_n(c);
}

static bool dead(const struct wr_core *c, wr_host h)
{
    return !wr_peers_alive(c, h);
}

static wr_time rtt(const struct wr_core *c, wr_host h)
{
    const uint32_t us = wr_peers_rtt_us(c, h);

    return us == UINT32_MAX ? 0 : us;
}

/* Its PONG counts as having been heard; no verdict hangs on it. */
static void refresh(struct wr_core *c, wr_host h)
{
    struct wr_msg m = wr_msg_of(WR_MSG_PING, 0);

    m.ping.incarnation = c->incarnation;
    wr_outbox_send(c->out, h, &m);
}

const struct wr_sight wr_sight_node = {
    .owns = owns,
    .place = place,
    .succs = succs,
    .pred = pred,
    .admitted = admitted,
    .joined = wr_rings_any,
    .known = wr_roster_known,
    .gone = wr_roster_gone_n,
    .compare = wr_roster_compare,
    .left = wr_roster_gone,
    .admitted_next = wr_roster_next,
    .dead = dead,
    .up_permille = wr_peers_up_permille,
    .warmth = wr_peers_warmth,
    .rtt = rtt,
    .patience = wr_peers_patience,
    .silent = wr_peers_silent,
    .refresh = refresh,
};
