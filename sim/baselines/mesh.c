/* mesh.c - see mesh.h. */
#include "mesh.h"

#include "overlay.h"

/* Who has lost everybody asks the web so often: as long as one of wreath's
 * waits for those that it knew (ring.rejoin). */
static const wr_time alone_us = WR_SEC(10);

/* ---- names --------------------------------------------------------------- */

static void forget(struct wr_mesh *m, uint32_t i)
{
    m->known[i] = m->known[--m->known_n];
}

static void forget_host(struct wr_mesh *m, wr_host host)
{
    for (uint32_t i = 0; i < m->known_n; i++)
        if (m->known[i] == host) {
            forget(m, i);
            return;
        }
}

void wr_mesh_learn(struct wr_overlay *o, wr_host host)
{
    struct wr_mesh *m = &o->mesh;

    if (host == o->self || host == WR_NO_HOST)
        return;
    forget_host(m, host);
    if (m->known_n == WR_MESH_KNOWN)
        forget(m, (uint32_t)wr_rng_below(&o->rng, WR_MESH_KNOWN));
    m->known[m->known_n++] = host;
}

static void learn_all(struct wr_overlay *o, const struct wr_overlay_msg *m)
{
    for (uint8_t i = 0; i < m->hosts_n; i++)
        wr_mesh_learn(o, m->hosts[i]);
}

/* Our neighbours, and names by lot. */
static void tell(struct wr_overlay *o, wr_host to, struct wr_overlay_msg *msg)
{
    const struct wr_mesh *m = &o->mesh;
    uint32_t left = m->known_n, want;

    for (uint8_t i = 0; i < m->n; i++)
        if (m->peers[i].host != to)
            msg->hosts[msg->hosts_n++] = m->peers[i].host;
    want = WR_OVERLAY_HOSTS - msg->hosts_n;
    for (uint8_t i = 0; i < m->known_n && want > 0; i++) {
        if (wr_rng_below(&o->rng, left--) >= want)
            continue;
        want--;
        if (m->known[i] != to && !wr_mesh_has(o, m->known[i]))
            msg->hosts[msg->hosts_n++] = m->known[i];
    }
}

static void say(struct wr_overlay *o, wr_host to, enum wr_overlay_kind kind,
                bool telling)
{
    struct wr_overlay_msg msg = {.kind = (uint8_t)kind};

    if (telling)
        tell(o, to, &msg);
    wr_overlay_send(o, to, &msg);
}

void wr_mesh_refuse(struct wr_overlay *o, wr_host to)
{
    say(o, to, WR_OVERLAY_BUSY, true);
}

void wr_mesh_welcome(struct wr_overlay *o, wr_host to)
{
    say(o, to, WR_OVERLAY_WELCOME, true);
}

void wr_mesh_pong(struct wr_overlay *o, wr_host to, bool more)
{
    say(o, to, WR_OVERLAY_PONG, more);
}

void wr_mesh_bye(struct wr_overlay *o, wr_host to)
{
    say(o, to, WR_OVERLAY_BYE, false);
}

/* ---- neighbours ---------------------------------------------------------- */

static struct wr_mesh_peer *find(struct wr_mesh_peer *v, uint8_t n, wr_host h)
{
    for (uint8_t i = 0; i < n; i++)
        if (v[i].host == h)
            return &v[i];
    return NULL;
}

static void drop(struct wr_mesh_peer *v, uint8_t *n, wr_host h)
{
    struct wr_mesh_peer *p = find(v, *n, h);

    if (p != NULL)
        *p = v[--*n];
}

bool wr_mesh_has(const struct wr_overlay *o, wr_host host)
{
    for (uint8_t i = 0; i < o->mesh.n; i++)
        if (o->mesh.peers[i].host == host)
            return true;
    return false;
}

static void take(struct wr_overlay *o, wr_host host, wr_time now)
{
    struct wr_mesh *m = &o->mesh;

    drop(m->tries, &m->tries_n, host);
    m->peers[m->n++] = (struct wr_mesh_peer){host, now};
}

/* As many as it wants, if it knows so many. */
static void advance(struct wr_overlay *o, wr_time now)
{
    struct wr_mesh *m = &o->mesh;

    while (m->n + m->tries_n < m->want && m->known_n > 0) {
        const uint32_t i = (uint32_t)wr_rng_below(&o->rng, m->known_n);
        const wr_host host = m->known[i];

        forget(m, i);
        if (wr_mesh_has(o, host) || find(m->tries, m->tries_n, host) != NULL)
            continue;
        m->tries[m->tries_n++] = (struct wr_mesh_peer){host, now};
        say(o, host, WR_OVERLAY_CONNECT, false);
    }
    if (m->n > 0 || m->tries_n > 0)
        m->alone_at = WR_NEVER;
    else if (m->alone_at == WR_NEVER)
        m->alone_at = now + alone_us;
}

static void on_connect(struct wr_overlay *o, wr_host from, wr_time now)
{
    struct wr_mesh *m = &o->mesh;

    if (!wr_mesh_has(o, from)) {
        if (m->closed || m->n == m->most) {
            wr_mesh_refuse(o, from);
            return;
        }
        take(o, from, now);
    }
    wr_mesh_welcome(o, from);
}

static void on_welcome(struct wr_overlay *o, wr_host from, wr_time now)
{
    struct wr_mesh *m = &o->mesh;

    drop(m->tries, &m->tries_n, from);
    if (wr_mesh_has(o, from))
        return;
    if (m->n == m->most)
        wr_mesh_bye(o, from);
    else
        take(o, from, now);
}

bool wr_mesh_recv(struct wr_overlay *o, wr_host from,
                  const struct wr_overlay_msg *msg, wr_time now)
{
    struct wr_mesh *m = &o->mesh;
    struct wr_mesh_peer *p = find(m->peers, m->n, from);

    if (p != NULL)
        p->heard = now;
    switch (msg->kind) {
    case WR_OVERLAY_PING:
        if (p == NULL)
            wr_mesh_bye(o, from);
        else
            wr_mesh_pong(o, from, msg->more);
        break;
    case WR_OVERLAY_PONG:
        break;
    case WR_OVERLAY_CONNECT:
        on_connect(o, from, now);
        break;
    case WR_OVERLAY_WELCOME:
        on_welcome(o, from, now);
        break;
    case WR_OVERLAY_BUSY:
        drop(m->tries, &m->tries_n, from);
        break;
    case WR_OVERLAY_BYE:
        drop(m->peers, &m->n, from);
        break;
    default:
        return false;
    }
    learn_all(o, msg);
    advance(o, now);
    return true;
}

void wr_mesh_down(struct wr_overlay *o, wr_host peer, wr_time now)
{
    struct wr_mesh *m = &o->mesh;

    forget_host(m, peer);
    drop(m->peers, &m->n, peer);
    drop(m->tries, &m->tries_n, peer);
    advance(o, now);
}

/* ---- time ---------------------------------------------------------------- */

static wr_time next_ping(struct wr_overlay *o, wr_time now)
{
    const struct wr_overlay_cfg *cfg = &o->env->cfg;
    const wr_time most = cfg->ping_us / 1000 * cfg->jitter_permille;

    return now + cfg->ping_us - wr_rng_below(&o->rng, most + 1);
}

wr_time wr_mesh_patience(const struct wr_overlay *o)
{
    return 2 * o->env->cfg.ping_us + o->env->cfg.silence_us;
}

static void expire(struct wr_mesh_peer *v, uint8_t *n, wr_time us, wr_time now)
{
    for (uint8_t i = 0; i < *n;)
        if (v[i].heard + us <= now)
            v[i] = v[--*n];
        else
            i++;
}

static void ping_all(struct wr_overlay *o, wr_time now)
{
    struct wr_mesh *m = &o->mesh;
    const struct wr_overlay_msg ping = {
        .kind = WR_OVERLAY_PING,
        .more = m->known_n < WR_MESH_KNOWN / 2,
    };

    for (uint8_t i = 0; i < m->n; i++)
        wr_overlay_send(o, m->peers[i].host, &ping);
    m->ping_at = next_ping(o, now);
}

void wr_mesh_tick(struct wr_overlay *o, wr_time now)
{
    struct wr_mesh *m = &o->mesh;

    expire(m->peers, &m->n, wr_mesh_patience(o), now);
    expire(m->tries, &m->tries_n, o->env->cfg.silence_us, now);
    if (now >= m->ping_at)
        ping_all(o, now);
    if (now >= m->alone_at) {
        m->alone_at = WR_NEVER;
        wr_mesh_learn(o, o->env->contact(o->env->arg, o->self));
    }
    advance(o, now);
}

wr_time wr_mesh_deadline(const struct wr_overlay *o)
{
    const struct wr_mesh *m = &o->mesh;
    wr_time at = wr_time_min(m->ping_at, m->alone_at);

    for (uint8_t i = 0; i < m->tries_n; i++)
        at = wr_time_min(at, m->tries[i].heard + o->env->cfg.silence_us);
    return at; /* The silence of a neighbour is seen at the next ping. */
}

/* ---- beginning ----------------------------------------------------------- */

void wr_mesh_init(struct wr_mesh *m, uint8_t want, uint8_t most, bool closed)
{
    *m = (struct wr_mesh){.want = want,
                          .most = most,
                          .closed = closed,
                          .ping_at = WR_NEVER,
                          .alone_at = WR_NEVER};
}

/* The first ping at any moment of a round. */
static void start(struct wr_overlay *o, wr_time now)
{
    o->mesh.ping_at = now + 1 + wr_rng_below(&o->rng, o->env->cfg.ping_us);
}

void wr_mesh_join(struct wr_overlay *o, wr_host via, wr_time now)
{
    start(o, now);
    wr_mesh_learn(o, via);
    advance(o, now);
}

void wr_mesh_link(struct wr_overlay *a, struct wr_overlay *b, wr_time now)
{
    WR_CHECK(a->mesh.n < WR_MESH_MOST && b->mesh.n < WR_MESH_MOST);
    take(a, b->self, now);
    take(b, a->self, now);
}

void wr_mesh_begin(struct wr_overlay *const *all, uint32_t n,
                   struct wr_rng *rng, wr_time now)
{
    enum { TRIES = 64 };

    for (uint32_t i = 0; i < n; i++) {
        struct wr_overlay *o = all[i];

        start(o, now);
        for (uint32_t t = 0; t < TRIES && o->mesh.n < o->mesh.want; t++) {
            struct wr_overlay *to = all[wr_rng_below(rng, n)];

            if (to != o && to->mesh.n < to->mesh.most &&
                !wr_mesh_has(o, to->self))
                wr_mesh_link(o, to, now);
        }
        for (uint32_t t = 0; t < WR_MESH_KNOWN / 2; t++)
            wr_mesh_learn(o, all[wr_rng_below(rng, n)]->self);
    }
}
