/* uplink.c - see uplink.h. */
#include "uplink.h"

#include <stdlib.h>

#include "cost.h"
#include "world_private.h"

/* A segment that is lost comes again after Linux's least time-out. */
static const wr_time resend_us = WR_MS(200);

static wr_host name_of(const struct wr_world *w, uint32_t leaf)
{
    const struct wr_uplinks *u = &w->uplinks;

    return WR_HOST_LEAF | (leaf + u->v[leaf].epoch % u->epochs * u->n);
}

static struct wr_uplink *at(const struct wr_world *w, wr_host name)
{
    return &w->uplinks.v[wr_uplink_leaf(&w->uplinks, name)];
}

/* Where it is: another place for each network that it has been in. */
static wr_host place_of(const struct wr_world *w, wr_host name)
{
    const uint32_t leaf = wr_uplink_leaf(&w->uplinks, name);
    const uint64_t place =
        leaf + (uint64_t)w->uplinks.v[leaf].moves * w->uplinks.n;

    return WR_HOST_LEAF | (wr_host)(place & ~WR_HOST_LEAF);
}

static wr_time latency(struct wr_world *w, wr_host host, wr_host leaf)
{
    return wr_simnet_latency(&w->net, &w->rng, host, place_of(w, leaf));
}

/* Lost segments are sent again. */
static wr_time again(struct wr_world *w, wr_host host, wr_host leaf)
{
    wr_time late = 0;

    while (wr_simnet_loses(&w->net, &w->rng) && late < WR_SEC(20))
        late += resend_us + 2 * latency(w, host, leaf);
    return late;
}

/* ---- beginning and end --------------------------------------------------- */

enum wr_err wr_uplinks_init(struct wr_world *w, uint32_t n)
{
    w->uplinks.v = calloc(n, sizeof(w->uplinks.v[0]));
    if (w->uplinks.v == NULL)
        return WR_ENOMEM;
    w->uplinks.n = n;
    w->uplinks.up_bps = w->net.cfg.up_bps;
    w->uplinks.down_bps = w->net.cfg.down_bps;
    w->uplinks.epochs = ~WR_HOST_LEAF / n;
    for (uint32_t i = 0; i < n; i++)
        w->uplinks.v[i].parent = WR_NO_HOST;
    return WR_OK;
}

void wr_uplinks_done(struct wr_world *w)
{
    free(w->uplinks.v);
    w->uplinks = (struct wr_uplinks){0};
}

/* SYN and its answer, e, and the host's e and s: then the leaf knows who it
 * is. Its own s, and HELLO, and the host attaches it. */
void wr_uplink_dial(struct wr_world *w, uint32_t leaf, wr_host parent)
{
    struct wr_uplink *u = &w->uplinks.v[leaf];
    wr_time trip;
    wr_host l;

    WR_CHECK(u->parent == WR_NO_HOST);
    *u = (struct wr_uplink){
        .parent = parent,
        .epoch = u->epoch + 1,
        .parent_epoch = w->hosts[parent].epoch,
        .moves = u->moves,
    };
    w->uplinks.dials++;
    l = name_of(w, leaf);
    trip = 2 * latency(w, parent, l) + again(w, parent, l);
    if (!wr_world_serves(w, parent)) {
        if (w->cfg.resets || wr_world_is_up(w, parent))
            world_push(w, w->now + trip, WORLD_UPLINK_DOWN, parent, l, NULL);
        return;
    }
    w->uplinks.sent_bytes += w->dial_bytes;
    w->uplinks.recv_bytes += w->accept_bytes;
    world_push(w, w->now + 2 * trip, WORLD_UPLINK, parent, l, NULL);
    world_push(w, w->now + 5 * trip / 2, WORLD_WELCOME, l, parent, NULL);
    u->up_last = u->down_last = w->now + 5 * trip / 2;
}

void wr_uplink_hang_up(struct wr_world *w, uint32_t leaf)
{
    w->uplinks.v[leaf].parent = WR_NO_HOST;
    w->uplinks.v[leaf].epoch++;
}

void wr_uplink_move(struct wr_world *w, uint32_t leaf)
{
    w->uplinks.v[leaf].moves++;
    w->uplinks.v[leaf].dead = true;
}

void wr_uplink_break(struct wr_world *w, wr_host h, bool told)
{
    for (uint32_t i = 0; i < w->uplinks.n; i++) {
        struct wr_uplink *u = &w->uplinks.v[i];
        wr_time then;

        if (u->parent != h || u->parent_epoch != w->hosts[h].epoch || u->dead ||
            !told)
            continue;
        then = w->now + latency(w, h, name_of(w, i));
        world_push(w, wr_time_max(then, u->down_last), WORLD_UPLINK_DOWN, h,
                   name_of(w, i), NULL);
    }
}

void wr_uplink_news(struct wr_world *w, wr_host name, bool up)
{
    const uint32_t leaf = wr_uplink_leaf(&w->uplinks, name);

    if (!up)
        wr_uplink_hang_up(w, leaf);
    w->uplink(w, leaf, up);
}

/* ---- what passes --------------------------------------------------------- */

bool wr_uplink_busy(const struct wr_world *w, uint32_t leaf)
{
    const struct wr_uplink *u = &w->uplinks.v[leaf];

    return u->parent != WR_NO_HOST && !u->dead &&
           wr_world_is_up(w, u->parent) &&
           w->hosts[u->parent].epoch == u->parent_epoch &&
           (u->up_last > w->now || u->down_last > w->now);
}

void wr_uplink_send(struct wr_world *w, uint32_t leaf, const struct wr_msg *m)
{
    struct wr_uplink *u = &w->uplinks.v[leaf];
    const wr_host l = name_of(w, leaf), to = u->parent;
    const struct wr_id *body = m->kind == WR_MSG_PUT ? &m->put.digest : NULL;
    const uint64_t bytes = wr_cost_message(m);
    wr_time then;

    if (to == WR_NO_HOST)
        return;
    w->uplinks.sent_bytes += bytes;
    if (u->dead || !wr_world_is_up(w, to) ||
        w->hosts[to].epoch != u->parent_epoch)
        return;
    then = wr_simnet_pass(&u->up_free, w->now, bytes, w->uplinks.up_bps);
    then = wr_time_max(then, w->net.hosts[to].clogged);
    then += latency(w, to, l) + again(w, to, l);
    then = wr_simnet_pass(&w->net.hosts[to].down_free, then, bytes,
                          w->net.cfg.down_bps);
    u->up_last = wr_time_max(then, u->up_last);
    world_push(w, u->up_last, WORLD_DELIVER, l, to,
               world_must(wr_parcel_message(&w->parcels, m, body)));
}

void wr_uplink_transmit(struct wr_world *w, wr_host from, wr_host to,
                        const struct wr_msg *m)
{
    struct wr_uplink *u = at(w, to);
    const uint64_t bytes = wr_cost_message(m);
    wr_time then;

    /* An answer to one that has gone, though it may be back. */
    if (u->parent != from || u->parent_epoch != w->hosts[from].epoch || u->dead)
        return;
    w->uplinks.recv_bytes += bytes;
    then = wr_time_max(w->now, w->net.hosts[from].clogged);
    then = wr_simnet_pass(&w->net.hosts[from].up_free, then, bytes,
                          w->net.cfg.up_bps);
    then += latency(w, from, to) + again(w, from, to);
    then = wr_simnet_pass(&u->down_free, then, bytes, w->uplinks.down_bps);
    u->down_last = wr_time_max(then, u->down_last);
    world_post(w, from, to, m, u->down_last);
}

bool wr_uplink_current(const struct wr_world *w, wr_host name)
{
    const struct wr_uplink *u = at(w, name);

    return name == name_of(w, wr_uplink_leaf(&w->uplinks, name)) &&
           u->parent != WR_NO_HOST && !u->dead;
}

/* ---- the parent's driver ------------------------------------------------- */

/* Where else it may go: others that are admitted, each parent beginning with
 * another, as each has come to know them in another order. Host h has the
 * address h. */
void wr_uplink_welcome(struct wr_world *w, wr_host host, wr_host leaf)
{
    const struct wr_core *c = &w->hosts[host].node->core;
    struct wr_contact contacts[WR_CONTACTS_MAX];
    struct wr_msg m = wr_msg_of(WR_MSG_ATTACHED, 0);

    m.attached.contacts = contacts;
    for (unsigned turn = 0; turn < 2; turn++) {
        uint32_t i = 0;
        wr_host h;

        while ((h = wr_roster_next(c, &i)) != WR_NO_HOST)
            if (h != host && (h < host) == (turn == 1) &&
                m.attached.n < WR_CONTACTS_MAX)
                contacts[m.attached.n++] = wr_uplink_contact(w, h);
    }
    m.attached.copies = wr_roster_copies(c);
    m.attached.durable = wr_roster_durable(c);
    m.attached.parent =
        wr_span(w->book.hosts[host].id.b, sizeof(w->book.hosts[host].id.b));
    wr_uplink_transmit(w, host, leaf, &m);
}

bool wr_uplink_answers(struct wr_world *w, wr_host host, wr_host leaf,
                       const struct wr_msg *m)
{
    struct wr_msg pong = *m;

    if (m->kind != WR_MSG_PING)
        return false;
    pong.kind = WR_MSG_PONG;
    wr_uplink_transmit(w, host, leaf, &pong);
    return true;
}

struct wr_contact wr_uplink_contact(const struct wr_world *w, wr_host h)
{
    struct wr_contact c = {.id = w->book.hosts[h].id,
                           .addr.port = WR_COST_PORT};

    for (unsigned i = 0; i < 4; i++)
        c.addr.ip[12 + i] = (uint8_t)(h >> (8 * (3 - i)));
    c.addr.ip[10] = c.addr.ip[11] = 0xff;
    return c;
}

wr_host wr_uplink_host(const struct wr_contact *c)
{
    wr_host h = 0;

    for (unsigned i = 0; i < 4; i++)
        h = h << 8 | c->addr.ip[12 + i];
    return h;
}
