/* merge.c - see merge.h; R11 of docs/protocol.md. */
#include "proto/merge.h"

#include "proto/boot.h"
#include "proto/peers.h"
#include "proto/ring.h"
#include "proto/roster.h"

void wr_merge_init(struct wr_core *c)
{
    *c->merge = (struct wr_merge){
        .via = WR_NO_HOST,
        .asked = WR_NO_HOST,
        .until = WR_NEVER,
        .due_at = WR_NEVER,
    };
}

/* Starts again from `via`, for the member in hand. */
static void ask(struct wr_core *c, wr_host host)
{
    struct wr_merge *g = c->merge;
    struct wr_msg m = wr_msg_of(WR_MSG_NEXT_ASK, wr_rng_next(c->rng) | 1);

    m.from = g->member;
    g->asked = host;
    g->rid = m.rid;
    g->until = c->now + wr_peers_patience(c, host);
    m.next_ask.key = *wr_core_id(c, c->rings[g->member].self);
    m.next_ask.without = WR_NO_HOST;
    wr_peers_sent(c, host);
    wr_outbox_send(c->out, host, &m);
}

/* Done with the member in hand: the next one, if there is one. */
static void next_member(struct wr_core *c)
{
    struct wr_merge *g = c->merge;

    g->rid = 0;
    g->until = WR_NEVER;
    while (g->left != 0) {
        g->member = (uint8_t)__builtin_ctzll(g->left);
        g->left &= g->left - 1;
        g->walk = (struct wr_walk){0};
        if (c->rings[g->member].phase == WR_RING_MEMBER) {
            ask(c, g->via);
            return;
        }
    }
    g->via = WR_NO_HOST;
}

static void begin(struct wr_core *c, wr_host via, uint64_t left)
{
    struct wr_merge *g = c->merge;

    g->via = via;
    g->left = left;
    next_member(c);
}

static uint64_t all_members(const struct wr_core *c)
{
    return c->cfg->members == 64 ? UINT64_MAX
                                 : (UINT64_C(1) << c->cfg->members) - 1;
}

void wr_merge_through(struct wr_core *c, wr_host host)
{
    if (c->merge->via == WR_NO_HOST)
        begin(c, host, all_members(c));
    else /* Two at a time would be a storm: look soon, whoever it is then. */
        c->merge->due_at = wr_time_min(
            c->merge->due_at, c->now + wr_core_interval(c, c->cfg->round_us));
}

/* `m` stands in front of our member in its own ring. If it does not know ours
 * as its successor it will ask ours itself (R8). */
static void hint(struct wr_core *c, wr_ref m)
{
    const struct wr_ring *r = &c->rings[c->merge->member];
    struct wr_msg msg = {.kind = WR_MSG_HINT};

    if (m == r->pred)
        return;
    msg.hint.member = r->self;
    wr_core_send(c, r->self, m, &msg);
    wr_core_note(c, WR_NOTE_MERGING, wr_ref_host(m), m);
    /* One of our places is not where others see it: look at all of them. */
    c->merge->due_at = wr_time_min(
        c->merge->due_at, c->now + wr_core_interval(c, c->cfg->round_us));
}

/* L9: on with the best way that is left; then with our next member. */
static void go_on(struct wr_core *c)
{
    struct wr_merge *g = c->merge;
    const wr_ref to = wr_walk_next(&g->walk, c, g->asked);

    if (to == WR_NO_REF || !wr_walk_step(&g->walk) ||
        c->rings[g->member].phase != WR_RING_MEMBER)
        next_member(c);
    else
        ask(c, wr_ref_host(to));
}

bool wr_merge_recv(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    struct wr_merge *g = c->merge;
    wr_ref to;

    if (m->kind != WR_MSG_NEXT || g->rid == 0 || m->rid != g->rid ||
        from != g->asked)
        return false;
    if (m->next.n > 0)
        wr_walk_answer(&g->walk, m->next.nodes, m->next.n);
    if (m->next.n > 0 && wr_core_ours(c, m->next.nodes[0])) {
        next_member(c); /* It leads back to us: one ring. */
    } else if (!m->next.final) {
        go_on(c);
    } else {
        to = wr_walk_next(&g->walk, c, WR_NO_HOST);
        if (to != WR_NO_REF && c->rings[g->member].phase == WR_RING_MEMBER)
            hint(c, to);
        next_member(c);
    }
    return true;
}

void wr_merge_gone(struct wr_core *c, wr_host host)
{
    struct wr_merge *g = c->merge;

    if (g->via == host)
        g->left = 0;
    if (g->rid != 0 && g->asked == host)
        go_on(c);
}

/* Through whom: an admitted host, or one that the detector knows, by lot. */
static wr_host draw(struct wr_core *c)
{
    const wr_host drawn = wr_roster_draw(c);

    return drawn != WR_NO_HOST ? drawn : wr_peers_draw(c, WR_NO_HOST);
}

void wr_merge_tick(struct wr_core *c)
{
    struct wr_merge *g = c->merge;
    wr_host via;

    if (g->until != WR_NEVER && c->now >= g->until) {
        wr_peers_silent(c, g->asked);
        go_on(c);
    }
    if (!wr_rings_any(c) || c->cfg->probe_dead_us == WR_NEVER)
        return;
    if (g->due_at == WR_NEVER)
        g->due_at = c->now + wr_core_interval(c, c->cfg->round_us);
    if (c->now < g->due_at || g->via != WR_NO_HOST)
        return;
    g->due_at = c->now + wr_core_interval(c, c->cfg->probe_dead_us);
    via = draw(c);
    if (via != WR_NO_HOST)
        begin(c, via, all_members(c));
}

wr_time wr_merge_deadline(const struct wr_core *c)
{
    const struct wr_merge *g = c->merge;

    if (g->via != WR_NO_HOST)
        return g->until;
    return wr_rings_any(c) ? g->due_at : WR_NEVER;
}
