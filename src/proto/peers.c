/* peers.c - see peers.h. */
#include "proto/peers.h"

#include "proto/ring.h"

enum { LIKELY = 900 };   /* Of 1000. */
enum { UNMEASURED = 4 }; /* Patience before the first sample, in floors. */

void wr_peers_init(struct wr_peers *p, struct wr_peer *v, wr_host *hosts,
                   uint32_t cap)
{
    *p = (struct wr_peers){
        .v = v, .hosts = hosts, .cap = cap, .due_at = WR_NEVER};
    for (unsigned i = 0; i < WR_PEER_PROBES; i++)
        p->probes[i].asker = WR_NO_HOST;
}

/* ---- the table ----------------------------------------------------------- */

/* Where `host` is, or would be. Asked for each candidate of each hop, so it is
 * written for a loop without branches that could be mispredicted: compilers
 * make one of `?:`. */
static uint32_t place_of(const struct wr_peers *p, wr_host host)
{
    const wr_host *v = p->hosts;
    uint32_t n = p->n;

    while (n > 1) {
        const uint32_t half = n / 2;

        v += half & -(uint32_t)(v[half - 1] < host);
        n -= half;
    }
    return (uint32_t)(v - p->hosts) + (n == 1 && v[0] < host);
}

static wr_host host_of(const struct wr_core *c, const struct wr_peer *e)
{
    return c->peers->hosts[e - c->peers->v];
}

static struct wr_peer *find(const struct wr_core *c, wr_host host)
{
    struct wr_peers *p = c->peers;

    if (p->found >= p->n || p->hosts[p->found] != host)
        p->found = place_of(p, host);
    return p->found < p->n && p->hosts[p->found] == host ? &p->v[p->found]
                                                         : NULL;
}

/* Who may be forgotten: first the one up that was heard longest ago (it will
 * be known again when it matters), then the one dead longest. */
static struct wr_peer *victim(struct wr_peers *p)
{
    struct wr_peer *worst = NULL;

    for (uint32_t i = 0; i < p->n; i++) {
        struct wr_peer *e = &p->v[i];

        if (e->news != WR_PEER_NO_NEWS || e->state == WR_PEER_SUSPECT ||
            e->state == WR_PEER_PROBED)
            continue;
        const bool up = e->state == WR_PEER_UP;
        const bool worst_up = worst != NULL && worst->state == WR_PEER_UP;
        if (worst == NULL || (up && !worst_up) ||
            (up == worst_up && e->heard_at < worst->heard_at))
            worst = e;
    }
    return worst;
}

/* The entry of `host`, made if need be; NULL for ourselves, for leaves and
 * when the table is full of hosts in trouble. */
static struct wr_peer *track(struct wr_core *c, wr_host host)
{
    struct wr_peers *p = c->peers;
    struct wr_peer *e = find(c, host);

    if (e != NULL || host >= c->book->hosts_n || host == c->cfg->self)
        return e;
    if (p->n == p->cap) {
        e = victim(p);
        c->count->peers_full_total++;
        if (e == NULL)
            return NULL;
        const uint32_t at = (uint32_t)(e - p->v);
        memmove(e, e + 1, (p->n - at - 1) * sizeof(*e));
        memmove(&p->hosts[at], &p->hosts[at + 1],
                (p->n - at - 1) * sizeof(p->hosts[0]));
        p->n--;
    }
    const uint32_t at = place_of(p, host);
    memmove(&p->v[at + 1], &p->v[at], (p->n - at) * sizeof(*e));
    memmove(&p->hosts[at + 1], &p->hosts[at],
            (p->n - at) * sizeof(p->hosts[0]));
    p->n++;
    p->hosts[at] = host;
    p->v[at] = (struct wr_peer){
        .state = WR_PEER_UP,
        .heard_at = c->now,
        .up_s = (uint32_t)(c->now / WR_SEC(1)),
        .due_at = WR_NEVER,
    };
    return &p->v[at];
}

static void arm(struct wr_core *c, struct wr_peer *e, wr_time at)
{
    e->due_at = at;
    c->peers->due_at = wr_time_min(c->peers->due_at, at);
}

/* R11: when to look again whether a dead one is back. */
static void arm_probe(struct wr_core *c, struct wr_peer *e, unsigned doubled)
{
    const wr_time mean = c->cfg->probe_dead_us;

    if (mean == WR_NEVER)
        e->due_at = WR_NEVER;
    else
        arm(c, e, c->now + wr_core_interval(c, mean << doubled));
}

static void tell(struct wr_core *c, struct wr_peer *e, enum wr_peer_news news)
{
    if (e->news == WR_PEER_NO_NEWS)
        c->peers->news_n++;
    e->news = (uint8_t)news;
}

wr_host wr_peers_take_news(struct wr_core *c, enum wr_peer_news *ret)
{
    struct wr_peers *p = c->peers;

    for (uint32_t i = 0; p->news_n > 0 && i < p->n; i++) {
        struct wr_peer *e = &p->v[i];

        if (e->news == WR_PEER_NO_NEWS)
            continue;
        *ret = (enum wr_peer_news)e->news;
        e->news = WR_PEER_NO_NEWS;
        p->news_n--;
        return host_of(c, e);
    }
    return WR_NO_HOST;
}

/* ---- patience ------------------------------------------------------------ */

/* RFC 6298, without its doubling. */
static wr_time estimate(const struct wr_core *c, const struct wr_peer *e)
{
    wr_time t = UNMEASURED * c->cfg->patience_min_us;

    if (e != NULL && e->srtt_us > 0)
        t = (wr_time)e->srtt_us + 4 * (wr_time)e->rttvar_us;
    t = wr_time_max(t, c->cfg->patience_min_us);
    return wr_time_min(t, c->cfg->patience_max_us);
}

wr_time wr_peers_patience(const struct wr_core *c, wr_host host)
{
    const struct wr_peer *e = find(c, host);
    const unsigned doubled =
        e != NULL && e->state == WR_PEER_SUSPECT ? e->tries : 0;

    if (host == c->cfg->self)
        return c->cfg->patience_min_us;
    return wr_time_min(estimate(c, e) << doubled, c->cfg->patience_max_us);
}

void wr_peers_answered(struct wr_core *c, wr_host host, wr_time rtt_us)
{
    struct wr_peer *e = track(c, host);

    if (e == NULL)
        return;
    const uint32_t r =
        (uint32_t)wr_time_min(wr_time_max(rtt_us, 1), WR_SEC(60));
    if (e->srtt_us == 0) {
        e->srtt_us = r;
        e->rttvar_us = r / 2;
        return;
    }
    const uint32_t off = r > e->srtt_us ? r - e->srtt_us : e->srtt_us - r;
    e->rttvar_us = e->rttvar_us - e->rttvar_us / 4 + off / 4;
    e->srtt_us = e->srtt_us - e->srtt_us / 8 + r / 8;
    if (e->srtt_us == 0)
        e->srtt_us = 1;
}

void wr_peers_sent(struct wr_core *c, wr_host host)
{
    (void)track(c, host);
}

/* ---- what is known ------------------------------------------------------- */

bool wr_peers_alive(const struct wr_core *c, wr_host host)
{
    const struct wr_peer *e = find(c, host);

    return e == NULL || e->state <= WR_PEER_PROBED;
}

wr_time wr_peers_gone_us(const struct wr_core *c, wr_host host)
{
    const struct wr_peer *e = find(c, host);

    if (e == NULL || e->state <= WR_PEER_PROBED)
        return 0;
    return e->state == WR_PEER_LEFT ? WR_NEVER
                                    : c->now - wr_time_min(e->heard_at, c->now);
}

bool wr_peers_away(const struct wr_core *c, wr_host host)
{
    const struct wr_peer *e = find(c, host);

    return e != NULL && e->state == WR_PEER_AWAY;
}

bool wr_peers_steady(const struct wr_core *c, wr_host host)
{
    const struct wr_peer *e = find(c, host);

    return e == NULL || e->state == WR_PEER_UP;
}

uint32_t wr_peers_rtt_us(const struct wr_core *c, wr_host host)
{
    const struct wr_peer *e = find(c, host);

    if (host == c->cfg->self)
        return 0;
    return e == NULL || e->srtt_us == 0 ? UINT32_MAX : e->srtt_us;
}

/* The chance of an entry that is neither away nor dead. */
static uint32_t chance(const struct wr_core *c, const struct wr_peer *e)
{
    const wr_time since = c->now - wr_time_min(e->heard_at, c->now);
    const wr_time up_at = WR_SEC(e->up_s);
    const wr_time up = e->heard_at > up_at ? e->heard_at - up_at : 0;

    return (uint32_t)((up + 1) * 1000 / (up + 1 + since));
}

uint32_t wr_peers_up_permille(const struct wr_core *c, wr_host host)
{
    const struct wr_peer *e = find(c, host);

    if (e == NULL)
        return 1000;
    return e->state == WR_PEER_UP ? chance(c, e) : 0;
}

enum wr_warmth wr_peers_warmth(const struct wr_core *c, wr_host host)
{
    const struct wr_peer *e = find(c, host);

    if (e == NULL)
        return WR_HOST_COLD;
    return e->state == WR_PEER_UP ? WR_HOST_WARM : WR_HOST_DOUBTED;
}

uint32_t wr_peers_incarnation(const struct wr_core *c, wr_host host)
{
    const struct wr_peer *e = find(c, host);

    return e == NULL ? 0 : e->incarnation;
}

wr_host wr_peers_draw(struct wr_core *c, wr_host without)
{
    wr_host drawn = WR_NO_HOST;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < c->peers->n; i++) {
        const struct wr_peer *e = &c->peers->v[i];

        if (e->state == WR_PEER_UP && host_of(c, e) != without &&
            wr_rng_below(c->rng, ++seen) == 0)
            drawn = host_of(c, e);
    }
    return drawn;
}

/* ---- the detector -------------------------------------------------------- */

static void send_plain(struct wr_core *c, wr_host to, enum wr_msg_kind kind,
                       uint64_t rid)
{
    struct wr_msg m = wr_msg_of(kind, rid);

    m.ping.incarnation = c->incarnation;
    wr_outbox_send(c->out, to, &m);
}

static void send_probe(struct wr_core *c, wr_host to, enum wr_msg_kind kind,
                       uint64_t rid, wr_host target, bool alive)
{
    struct wr_msg m = wr_msg_of(kind, rid);

    m.probe.target = target;
    m.probe.alive = alive;
    m.probe.incarnation = wr_peers_incarnation(c, target);
    wr_outbox_send(c->out, to, &m);
}

static void ping(struct wr_core *c, struct wr_peer *e)
{
    e->rid = (uint32_t)(wr_rng_next(c->rng) >> 32);
    send_plain(c, host_of(c, e), WR_MSG_PING, e->rid);
}

static void bury(struct wr_core *c, struct wr_peer *e)
{
    e->state = WR_PEER_DEAD;
    e->tries = e->named = 0;
    arm_probe(c, e, 0);
    c->count->deaths_total++;
    wr_core_note(c, WR_NOTE_PEER_DEAD, host_of(c, e), WR_NO_REF);
    tell(c, e, WR_PEER_GONE);
}

/* Our own pings brought nothing: let others try, if there are others. Only for
 * a host next to us, whose death changes the ring: any other is of no use to us
 * if we cannot reach it ourselves. */
static void ask_helpers(struct wr_core *c, struct wr_peer *e)
{
    if (!wr_rings_near(c, host_of(c, e))) {
        bury(c, e);
        return;
    }
    struct wr_peers *p = c->peers;
    const uint32_t from = p->n > 0 ? (uint32_t)wr_rng_below(c->rng, p->n) : 0;
    wr_time longest = 0;

    e->state = WR_PEER_PROBED;
    e->helpers = e->denier = 0;
    e->rid = (uint32_t)(wr_rng_next(c->rng) >> 32);
    /* First those that are likely up: one that is not costs the whole wait. */
    for (uint32_t i = 0; i < 2 * p->n && e->helpers < WR_PEER_HELPERS; i++) {
        const struct wr_peer *h = &p->v[(from + i) % p->n];
        const bool likely = chance(c, h) >= LIKELY;

        if (h->state != WR_PEER_UP || likely != (i < p->n))
            continue;
        send_probe(c, host_of(c, h), WR_MSG_PROBE, e->rid, host_of(c, e),
                   false);
        longest = wr_time_max(longest, estimate(c, h));
        e->helpers++;
    }
    /* One of three may be dead itself. */
    if (e->helpers > WR_PEER_NOES)
        e->helpers = WR_PEER_NOES;
    if (e->helpers == 0)
        bury(c, e);
    else /* The way to the helper, and its patience. */
        arm(c, e, c->now + longest + 2 * estimate(c, e));
}

void wr_peers_silent(struct wr_core *c, wr_host host)
{
    struct wr_peer *e = track(c, host);

    if (e == NULL || e->state != WR_PEER_UP)
        return;
    e->state = WR_PEER_SUSPECT;
    e->tries = 0;
    c->count->suspects_total++;
    wr_core_note(c, WR_NOTE_PEER_SUSPECT, host, WR_NO_REF);
    ping(c, e);
    arm(c, e, c->now + estimate(c, e));
}

static void back(struct wr_core *c, struct wr_peer *e, enum wr_peer_news how)
{
    e->state = WR_PEER_UP;
    e->tries = 0;
    e->up_s = (uint32_t)(c->now / WR_SEC(1));
    e->due_at = WR_NEVER;
    wr_core_note(c, WR_NOTE_PEER_BACK, host_of(c, e), WR_NO_REF);
    tell(c, e, how);
}

/* It lives after all: it spoke, or a helper vouches for it. */
static void cleared(struct wr_core *c, struct wr_peer *e)
{
    e->state = WR_PEER_UP;
    e->tries = 0;
    e->due_at = WR_NEVER;
    c->count->false_suspects_total++;
}

static void probe_ends(struct wr_core *c, struct wr_peer_probe *pr, bool alive)
{
    send_probe(c, pr->asker, WR_MSG_PROBED, pr->rid, pr->target, alive);
    pr->asker = WR_NO_HOST;
}

static void probes_end(struct wr_core *c, wr_host target, bool alive)
{
    for (unsigned i = 0; i < WR_PEER_PROBES; i++) {
        struct wr_peer_probe *pr = &c->peers->probes[i];

        if (pr->asker != WR_NO_HOST && pr->target == target)
            probe_ends(c, pr, alive);
    }
}

void wr_peers_heard(struct wr_core *c, wr_host host)
{
    struct wr_peer *e = track(c, host);

    if (e == NULL)
        return;
    e->heard_at = c->now;
    switch ((enum wr_peer_state)e->state) {
    case WR_PEER_SUSPECT:
    case WR_PEER_PROBED:
        cleared(c, e);
        break;
    case WR_PEER_DEAD:
        back(c, e, WR_PEER_BACK);
        break;
    case WR_PEER_UP:
    case WR_PEER_AWAY: /* Its last words may arrive after its BYE. */
    case WR_PEER_LEFT:
        break;
    }
    probes_end(c, host, true);
}

bool wr_peers_incarnate(struct wr_core *c, wr_host host, uint32_t incarnation)
{
    struct wr_peer *e = track(c, host);

    if (e == NULL)
        return true;
    if (incarnation < e->incarnation)
        return false;
    const bool newer = incarnation > e->incarnation;
    e->incarnation = incarnation;
    if (newer && (e->state == WR_PEER_AWAY || e->state == WR_PEER_DEAD))
        back(c, e, WR_PEER_RESTARTED);
    return true;
}

void wr_peers_link_up(struct wr_core *c, wr_host host, uint32_t incarnation)
{
    const bool late = !wr_peers_incarnate(c, host, incarnation);
    struct wr_peer *e = find(c, host);

    wr_peers_heard(c, host);
    if (!late && e != NULL && e->state == WR_PEER_AWAY)
        back(c, e, WR_PEER_BACK);
}

void wr_peers_link_down(struct wr_core *c, wr_host host)
{
    struct wr_peer *e = find(c, host);

    probes_end(c, host, false);
    if (e == NULL)
        return;
    if (e->state == WR_PEER_UP)
        wr_peers_silent(c, host);
    else if (e->state == WR_PEER_SUSPECT &&
             wr_peers_draw(c, host) != WR_NO_HOST)
        /* The dial failed, too: no use in waiting, if others can tell. If
         * there are none, it may be our own cable: keep the slow way. */
        ask_helpers(c, e);
}

void wr_peers_named(struct wr_core *c, wr_host host, bool near)
{
    struct wr_peers *p = c->peers;
    struct wr_peer *e = find(c, host);

    if (e == NULL || (e->state != WR_PEER_DEAD && e->state != WR_PEER_AWAY) ||
        (!near && c->now < p->named_at))
        return;
    if (!near)
        p->named_at = c->now + c->cfg->round_us;
    e->named = 1;
    arm(c, e, c->now);
}

void wr_peers_part(struct wr_core *c, wr_host host, enum wr_peer_state state)
{
    struct wr_peer *e = track(c, host);

    WR_CHECK(state == WR_PEER_AWAY || state == WR_PEER_LEFT);
    if (e == NULL || e->state == WR_PEER_LEFT)
        return;
    e->state = (uint8_t)state;
    e->tries = e->named = 0;
    if (state == WR_PEER_LEFT)
        e->due_at = WR_NEVER;
    else
        arm_probe(c, e, 0);
    tell(c, e, WR_PEER_GONE);
}

/* ---- messages ------------------------------------------------------------ */

static void on_probe(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    const wr_host target = m->probe.target;

    if (target == c->cfg->self || target >= c->book->hosts_n) {
        send_probe(c, from, WR_MSG_PROBED, m->rid, target,
                   target == c->cfg->self);
        return;
    }
    for (unsigned i = 0; i < WR_PEER_PROBES; i++) {
        struct wr_peer_probe *pr = &c->peers->probes[i];

        if (pr->asker != WR_NO_HOST)
            continue;
        *pr = (struct wr_peer_probe){
            .until = c->now + estimate(c, find(c, target)),
            .rid = m->rid,
            .asker = from,
            .target = target,
        };
        c->peers->due_at = wr_time_min(c->peers->due_at, pr->until);
        send_plain(c, target, WR_MSG_PING, wr_rng_next(c->rng));
        return;
    }
    /* Too busy to try: say what we believe. Of one that we never met that is
     * nothing, and the asker's time decides. */
    if (find(c, target) != NULL)
        send_probe(c, from, WR_MSG_PROBED, m->rid, target,
                   wr_peers_steady(c, target));
}

/* One helper is one voice, however often it says no, or its word arrives. Two
 * that share a mark count as one: then the time decides. */
static void denied(struct wr_core *c, struct wr_peer *e, wr_host by)
{
    const uint8_t mark = (uint8_t)(1 + by % UINT8_MAX);

    if (e->denier == mark) {
        c->count->recv_stale_total++;
        return;
    }
    e->denier = mark;
    if (--e->helpers == 0)
        bury(c, e);
}

static void on_probed(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    struct wr_peer *e = find(c, m->probe.target);

    if (e == NULL || e->state != WR_PEER_PROBED || e->rid != m->rid)
        c->count->recv_stale_total++;
    else if (m->probe.alive)
        cleared(c, e);
    else
        denied(c, e, from);
}

void wr_peers_recv(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    switch (m->kind) {
    case WR_MSG_PING:
        wr_peers_incarnate(c, from, m->ping.incarnation);
        send_plain(c, from, WR_MSG_PONG, m->rid);
        return;
    case WR_MSG_PONG:
        wr_peers_incarnate(c, from, m->ping.incarnation);
        return;
    case WR_MSG_PROBE:
        on_probe(c, from, m);
        return;
    case WR_MSG_PROBED:
        on_probed(c, from, m);
        return;
    case WR_MSG_BYE:
        wr_peers_part(c, from,
                      m->bye.why == WR_BYE_LEFT ? WR_PEER_LEFT : WR_PEER_AWAY);
        return;
    default:
        c->count->recv_unknown_total++;
    }
}

/* ---- time ---------------------------------------------------------------- */

static void due(struct wr_core *c, struct wr_peer *e)
{
    const unsigned doubled =
        e->tries < WR_PEER_BACKOFF ? e->tries : WR_PEER_BACKOFF;

    switch ((enum wr_peer_state)e->state) {
    case WR_PEER_SUSPECT:
        if (++e->tries >= WR_PEER_TRIES) {
            ask_helpers(c, e);
            return;
        }
        ping(c, e);
        arm(c, e, c->now + wr_peers_patience(c, host_of(c, e)));
        return;
    case WR_PEER_PROBED:
        bury(c, e);
        return;
    case WR_PEER_AWAY:
    case WR_PEER_DEAD: /* R11: it may be back, or the cut healed. */
        if (e->named == 0 && c->now < c->peers->probe_at) {
            arm(c, e, c->peers->probe_at);
            return;
        }
        ping(c, e);
        arm_probe(c, e, doubled);
        if (e->named == 0) {
            c->peers->probe_at =
                c->now +
                wr_core_interval(c, c->cfg->probe_dead_us / WR_PEER_SHARE);
            c->peers->turn = (uint32_t)(e - c->peers->v) + 1;
            e->tries = (uint8_t)(doubled + 1);
        }
        e->named = 0; /* P7: what others say makes its turns no rarer. */
        return;
    case WR_PEER_UP:
    case WR_PEER_LEFT:
        e->due_at = WR_NEVER;
        return;
    }
    WR_UNREACHABLE();
}

void wr_peers_tick(struct wr_core *c)
{
    struct wr_peers *p = c->peers;

    if (c->now < p->due_at)
        return;
    p->due_at = WR_NEVER; /* arm() lowers it again. */
    for (uint32_t i = 0, at = p->turn; i < p->n; i++) {
        struct wr_peer *e = &p->v[(at + i) % p->n];

        if (c->now >= e->due_at)
            due(c, e);
    }
    for (unsigned i = 0; i < WR_PEER_PROBES; i++) {
        struct wr_peer_probe *pr = &p->probes[i];

        if (pr->asker != WR_NO_HOST && c->now >= pr->until)
            probe_ends(c, pr, false);
        else if (pr->asker != WR_NO_HOST)
            p->due_at = wr_time_min(p->due_at, pr->until);
    }
    for (uint32_t i = 0; i < p->n; i++)
        p->due_at = wr_time_min(p->due_at, p->v[i].due_at);
}

wr_time wr_peers_deadline(const struct wr_core *c)
{
    return c->peers->due_at;
}
