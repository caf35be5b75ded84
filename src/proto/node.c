/* node.c - see node.h. Only the funnel: each event goes to the module that it
 * is for, and every step ends in settle(), which starts what is due. */
#include "proto/node_private.h"

#include <stdlib.h>

/* ---- opening ------------------------------------------------------------- */

struct wr_node_cfg wr_node_cfg_default(wr_host self, uint8_t members)
{
    return (struct wr_node_cfg){
        .self = self,
        .members = members,
        .incarnation = 1,
        .seed = 1,
        .succs = 16,
        .upkeep = WR_UPKEEP_PERIODIC,
        .round_us = WR_SEC(5),
        .finger_us = WR_SEC(10),
        .roster_us = WR_SEC(5),
        .jitter_permille = 400,
        .patience_min_us = WR_MS(250),
        .patience_max_us = WR_SEC(5),
        .lookup_us = WR_SEC(30),
        .rejoin_us = WR_SEC(10),
        .probe_dead_us = WR_SEC(60),
        .request_us = WR_SEC(30),
        .copies = 3,
        .peers_max = 1024,
        .routes_max = 8192,
        .lookups_max = 1024,
        .ops_max = 256,
        .have_ops_max = 64,
        .roster_max = WR_HOSTS_MAX,
        .sweep_us = WR_NEVER,
        .grace_s = 24 * 3600,
        .slack_s = 2 * 3600,
        .forget_s = 365 * 24 * 3600,
        .verdicts_max = 4096,
        .repair_us = WR_NEVER,
        .repair_rate = 16 << 20,
        .gone_us = WR_SEC(3600),
        .gone_long_us = WR_SEC(14 * 86400),
    };
}

/* The tables of a node, one after another in its block: first the small ones
 * that nearly every step looks at. */
struct layout {
    size_t rings, places, succs, refs, hosts, peers, roster, asks, size;
};

static size_t put(size_t *at, size_t n, size_t each)
{
    const size_t here = *at;

    *at = (here + n * each + 7) & ~(size_t)7;
    return here;
}

static struct layout layout_of(const struct wr_node_cfg *cfg)
{
    struct layout l;
    size_t at = (sizeof(struct wr_node) + 7) & ~(size_t)7;

    l.rings = put(&at, cfg->members, sizeof(struct wr_ring));
    l.places = put(&at, cfg->members, sizeof(struct wr_place));
    l.succs = put(&at, (size_t)cfg->members * cfg->succs, sizeof(wr_ref));
    l.refs =
        put(&at, (size_t)cfg->members * 2 * (cfg->copies + 1u), sizeof(wr_ref));
    l.hosts = put(&at, cfg->peers_max, sizeof(wr_host));
    l.peers = put(&at, cfg->peers_max, sizeof(struct wr_peer));
    l.roster = put(&at, cfg->roster_max, sizeof(struct wr_roster_entry));
    l.asks = put(&at, cfg->roster_max > 0 ? WR_ROSTER_ASKS : 0,
                 sizeof(struct wr_roster_ask));
    l.size = at;
    return l;
}

static void check_cfg(const struct wr_node_cfg *cfg)
{
    WR_CHECK(cfg->members >= 1 && cfg->members <= WR_MEMBERS_MAX);
    WR_CHECK(cfg->succs >= 1 && cfg->succs <= WR_SUCCS_MAX);
    WR_CHECK(cfg->copies >= 1 && cfg->copies <= WR_COPIES_MAX);
    WR_CHECK(cfg->peers_max >= 2);
    WR_CHECK(cfg->round_us > 0 && cfg->rejoin_us > 0);
    WR_CHECK(cfg->patience_min_us > 0);
    WR_CHECK(cfg->patience_max_us >= cfg->patience_min_us);
    WR_CHECK(cfg->jitter_permille <= 1000);
    WR_CHECK(cfg->sweep_us > 0);
}

static void handed_on(struct wr_core *c, wr_token token, enum wr_status status);

static enum wr_err open_sweep(struct wr_node *n)
{
    enum wr_err err;

    if (n->cfg.sweep_us == WR_NEVER)
        return WR_OK;
    n->sweep = calloc(1, sizeof(*n->sweep));
    if (n->sweep == NULL)
        return WR_ENOMEM;
    err = wr_verdicts_init(&n->sweep->verdicts, &n->cfg);
    n->core.verdicts = &n->sweep->verdicts;
    n->core.reap = &n->sweep->reap;
    wr_reap_init(&n->core);
    return err;
}

static enum wr_err open_repair(struct wr_node *n)
{
    if (n->cfg.repair_us == WR_NEVER)
        return WR_OK;
    n->core.repair = calloc(1, sizeof(*n->core.repair));
    if (n->core.repair == NULL)
        return WR_ENOMEM;
    wr_repair_init(&n->core);
    return WR_OK;
}

/* Lookups and data, which see the ring through sight.h. */
static enum wr_err open_data(struct wr_node *n, const struct wr_book *book)
{
    enum wr_err err = wr_routes_init(&n->routes, &wr_sight_node, &n->cfg, book);

    if (err == WR_OK)
        err = wr_lookups_init(&n->lookups, &wr_sight_node, &n->routes, &n->cfg);
    if (err == WR_OK)
        err = wr_replica_init(&n->replica, &wr_sight_node, &n->routes,
                              &n->lookups, &n->cfg);
    n->core.routes = &n->routes;
    n->core.lookups = &n->lookups;
    n->core.replica = &n->replica;
    n->replica.handed_fn = handed_on;
    return err;
}

enum wr_err wr_node_open(struct wr_node **ret, const struct wr_node_cfg *cfg,
                         struct wr_book *book)
{
    const struct layout l = layout_of(cfg);
    uint8_t *block;
    struct wr_node *n;

    check_cfg(cfg);
    WR_CHECK(wr_book_host(book, cfg->self)->members == cfg->members);
    block = calloc(1, l.size);
    if (block == NULL)
        return WR_ENOMEM;
    n = (struct wr_node *)(void *)block;
    n->size = l.size;
    n->cfg = *cfg;
    n->rng.state = cfg->seed;
    n->core = (struct wr_core){
        .cfg = &n->cfg,
        .book = book,
        .rng = &n->rng,
        .count = &n->count,
        .peers = &n->peers,
        .roster = &n->roster,
        .rings = (void *)(block + l.rings),
        .places = (void *)(block + l.places),
        .boot = &n->boot,
        .merge = &n->merge,
        .incarnation = cfg->incarnation,
    };
    wr_peers_init(&n->peers, (void *)(block + l.peers),
                  (void *)(block + l.hosts), cfg->peers_max);
    wr_rings_init(&n->core, (void *)(block + l.succs));
    wr_places_init(&n->core, (void *)(block + l.refs));
    wr_roster_init(&n->core, (void *)(block + l.roster), cfg->roster_max,
                   (void *)(block + l.asks));
    wr_merge_init(&n->core);
    if (open_data(n, book) != WR_OK || open_sweep(n) != WR_OK ||
        open_repair(n) != WR_OK) {
        wr_node_close(n);
        return WR_ENOMEM;
    }
    *ret = n;
    return WR_OK;
}

void wr_node_close(struct wr_node *n)
{
    if (n == NULL)
        return;
    if (n->sweep != NULL)
        wr_verdicts_done(&n->sweep->verdicts);
    free(n->sweep);
    free(n->core.repair);
    wr_replica_done(&n->replica);
    wr_lookups_done(&n->lookups);
    wr_routes_done(&n->routes);
    free(n);
}

size_t wr_node_size(const struct wr_node *n)
{
    return n->size + wr_routes_size(&n->routes) + wr_lookups_size(&n->lookups) +
           wr_replica_size(&n->replica) +
           (n->core.repair == NULL ? 0 : sizeof(*n->core.repair)) +
           (n->sweep == NULL
                ? 0
                : sizeof(*n->sweep) + wr_verdicts_size(&n->sweep->verdicts));
}

uint32_t wr_node_incarnation(const struct wr_node *n)
{
    return n->core.incarnation;
}

/* ---- a step ---------------------------------------------------------------
 */

static struct wr_core *enter(struct wr_node *n, wr_time now,
                             struct wr_outbox *out)
{
    WR_CHECK(now >= n->core.now);
    n->core.now = now;
    n->core.out = out;
    return &n->core;
}

/* Tells the modules who died and who came back. */
static void spread_news(struct wr_core *c)
{
    enum wr_peer_news news;
    wr_host h;

    while ((h = wr_peers_take_news(c, &news)) != WR_NO_HOST) {
        if (news != WR_PEER_GONE)
            wr_rings_back(c, h);
        if (news == WR_PEER_BACK)
            wr_merge_through(c, h); /* R11 */
        if (news != WR_PEER_GONE)
            continue;
        wr_rings_gone(c, h);
        wr_places_gone(c, h);
        wr_boot_gone(c, h);
        wr_merge_gone(c, h);
        wr_lookups_link_down(c->lookups, c, h);
        wr_replica_link_down(c->replica, c, h);
    }
}

/* Members of whoever was admitted are worth knowing (R9); those of whoever
 * went for good are not. */
static void learn_roster(struct wr_node *n)
{
    struct wr_core *c = &n->core;

    if (n->roster_sum == c->roster->sum)
        return;
    n->roster_sum = c->roster->sum;
    for (uint32_t i = 0; i < c->roster->n; i++) {
        const struct wr_roster_entry *e = &c->roster->v[i];

        if (e->state == WR_ROSTER_ADMITTED)
            wr_routes_learn_host(c->routes, c, e->host);
        else if (e->host != c->cfg->self)
            wr_routes_forget_host(c->routes, c, e->host);
    }
}

static void settle(struct wr_node *n)
{
    struct wr_core *c = &n->core;
    const uint32_t incarnation = c->incarnation;

    wr_peers_tick(c);
    spread_news(c);
    wr_boot_advance(c);
    wr_rings_advance(c);
    if (c->incarnation != incarnation)
        wr_boot_advance(c); /* Whoever was exhausted just now (R12). */
    wr_places_tick(c);
    wr_merge_tick(c);
    if (c->incarnation != incarnation && c->roster->cap > 0)
        wr_roster_admit(c, c->cfg->self, WR_ROSTER_ADMITTED, c->incarnation);
    wr_roster_tick(c);
    learn_roster(n);
    wr_lookups_tick(c->lookups, c);
    wr_replica_tick(c->replica, c);
    if (c->reap != NULL)
        wr_reap_tick(c);
    if (c->repair != NULL)
        wr_repair_tick(c);
    c->out = NULL;
}

static void on_next_ask(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    wr_ref nodes[WR_NEXT_MAX];
    struct wr_msg answer;

    wr_boot_next(c, &m->next_ask.key, m->next_ask.without, &answer, nodes);
    answer.rid = m->rid;
    wr_outbox_send(c->out, from, &answer);
}

static void recv_host(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    wr_peers_heard(c, from);
    switch (m->kind) {
    case WR_MSG_PING:
    case WR_MSG_PONG:
    case WR_MSG_PROBE:
    case WR_MSG_PROBED:
    case WR_MSG_BYE:
        wr_peers_recv(c, from, m);
        return;
    case WR_MSG_VIEW:
        if (wr_rings_recv(c, from, m) || wr_places_recv(c, from, m) ||
            wr_boot_recv(c, from, m))
            return;
        break;
    case WR_MSG_VIEW_ASK:
    case WR_MSG_NOTIFY:
    case WR_MSG_HINT:
        (void)wr_rings_recv(c, from, m);
        return;
    case WR_MSG_NEXT_ASK:
        on_next_ask(c, from, m);
        return;
    case WR_MSG_NEXT:
        if (wr_boot_recv(c, from, m) || wr_merge_recv(c, from, m))
            return;
        break;
    case WR_MSG_ROSTER_ASK:
    case WR_MSG_ROSTER:
        wr_roster_recv(c, from, m);
        return;
    case WR_MSG_ROUTE:
    case WR_MSG_ROUTE_ACK:
    case WR_MSG_ROUTED:
        wr_lookups_recv(c->lookups, c, from, m);
        return;
    case WR_MSG_HAD:
    case WR_MSG_PUT_DONE:
    case WR_MSG_DATA:
    case WR_MSG_ROOT_DONE:
    case WR_MSG_ROOT:
        if (!wr_repair_recv(c, from, m))
            wr_replica_recv(c->replica, c, from, m);
        return;
    case WR_MSG_HAVE:
    case WR_MSG_PUT:
    case WR_MSG_GET:
    case WR_MSG_ROOT_PUT:
    case WR_MSG_ROOT_GET:
        wr_replica_recv(c->replica, c, from, m);
        return;
    case WR_MSG_SYNC:
        wr_repair_ask(c, from, m);
        return;
    case WR_MSG_SYNCED:
        if (wr_repair_recv(c, from, m))
            return;
        break;
    default:
        c->count->recv_unknown_total++;
        return;
    }
    c->count->recv_stale_total++; /* An answer that nobody waits for. */
}

static void recv_leaf(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    switch (m->kind) {
    case WR_MSG_HAVE:
    case WR_MSG_PUT:
    case WR_MSG_GET:
    case WR_MSG_ROOT_PUT:
    case WR_MSG_ROOT_GET:
        wr_replica_recv(c->replica, c, from, m);
        return;
    default:
        c->count->recv_unknown_total++;
        wr_outbox_release_of(c->out, m);
        return;
    }
}

static void recv(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    c->count->recv_total++;
    if (wr_host_is_leaf(from)) {
        recv_leaf(c, from, m);
    } else if (from >= c->book->hosts_n || from == c->cfg->self) {
        c->count->recv_misfit_total++;
        wr_outbox_release_of(c->out, m);
    } else {
        recv_host(c, from, m);
    }
}

/* ---- going ----------------------------------------------------------------
 */

enum {
    LAST_FX = 32, /* Of leaving, besides the BYEs; one roster is in it. */
    LAST_BYTES = 1 << 12, /* Of that roster's pages. */
};

static_assert(WR_ROSTER_PAGES * WR_ROSTER_MAX *
                      sizeof(struct wr_roster_entry) <=
                  LAST_BYTES,
              "a roster fits");

/* Some may know each other only through us. Where hosts are so many that there
 * is no room for this, and for BYE to each, they learn it from one another. */
static void tell_last(struct wr_core *c, wr_host host)
{
    const uint32_t tracked = c->peers->n + c->roster->n;
    const uint32_t most =
        tracked < c->book->hosts_n ? tracked : c->book->hosts_n;

    if (wr_outbox_has_room(c->out, most + LAST_FX, LAST_BYTES))
        wr_roster_tell(c, host);
}

static void say_bye(struct wr_core *c, enum wr_bye why)
{
    struct wr_msg m = wr_msg_of(WR_MSG_BYE, 0);
    uint32_t at = 0;
    wr_host h;

    m.bye.why = (uint8_t)why;
    for (uint32_t i = 0; i < c->peers->n; i++) {
        if (c->peers->v[i].state > WR_PEER_PROBED)
            continue;
        if (why == WR_BYE_LEFT)
            tell_last(c, c->peers->hosts[i]);
        wr_outbox_send(c->out, c->peers->hosts[i], &m);
    }
    /* And to those that the detector has not met; only if it is for good. */
    while (why == WR_BYE_LEFT && (h = wr_roster_next(c, &at)) != WR_NO_HOST) {
        if (h != c->cfg->self && wr_peers_warmth(c, h) == WR_HOST_COLD) {
            tell_last(c, h);
            wr_outbox_send(c->out, h, &m);
        }
    }
}

/* Our farewell is signed and written down: it is said, and goes on being said
 * until another host has it (A18). Neighbours drop our members at once, as if
 * they had died: their lists name who comes next (R3). */
static void depart(struct wr_core *c)
{
    say_bye(c, WR_BYE_LEFT);
    wr_rings_leave(c);
    wr_replica_close(c->replica);
    c->boot->wanted = false;
    wr_roster_leave(c);
}

/* A neighbour in the ring will hear our BYE, or there is nobody else: the ring
 * would go with us if all that did were newcomers, who start none (R10). */
static bool heard(const struct wr_core *c)
{
    for (unsigned i = 0; i < c->cfg->members; i++) {
        const struct wr_ring *r = &c->rings[i];

        for (unsigned k = 0; r->phase == WR_RING_MEMBER && k < r->succs_n;
             k++) {
            const wr_host h = wr_ref_host(r->succs[k]);

            if (wr_peers_warmth(c, h) == WR_HOST_WARM &&
                wr_peers_incarnation(c, h) != 0)
                return true;
        }
    }
    return wr_roster_admitted_n(c) <= 1;
}

/* Everything is handed on: then, and only then, the driver lets us go. */
static void handed_on(struct wr_core *c, wr_token token, enum wr_status status)
{
    if (status == WR_STATUS_OK && !heard(c)) {
        status = WR_STATUS_UNREACHABLE;
        wr_replica_stay(c->replica);
    }
    wr_core_done(c, token, status);
}

static void admit(struct wr_core *c, const struct wr_event *ev)
{
    const bool was = wr_roster_gone(c, c->cfg->self);

    wr_roster_admit(c, ev->from, (enum wr_roster_state)ev->admit.state,
                    ev->admit.incarnation);
    if (ev->from == c->cfg->self && ev->admit.state == WR_ROSTER_LEFT && !was)
        depart(c);
    wr_repair_was_gone(c, ev->from, WR_SEC(ev->admit.silent_s));
}

/* ---- the funnel ------------------------------------------------------------
 */

static void link_up(struct wr_core *c, wr_host from, uint32_t incarnation)
{
    wr_peers_link_up(c, from, incarnation);
    wr_routes_learn_host(c->routes, c, from);
    wr_roster_greet(c, from);
}

static void link_down(struct wr_core *c, wr_host from)
{
    wr_peers_link_down(c, from);
    wr_lookups_link_down(c->lookups, c, from);
    wr_replica_link_down(c->replica, c, from);
}

void wr_node_step(struct wr_node *n, const struct wr_event *ev, wr_time now,
                  struct wr_outbox *out)
{
    struct wr_core *c = enter(n, now, out);

    switch (ev->kind) {
    case WR_EV_RECV:
        recv(c, ev->from, ev->msg);
        break;
    case WR_EV_STORED:
        if ((c->reap == NULL || !wr_reap_stored(c, ev)) &&
            !wr_repair_stored(c, ev))
            wr_replica_stored(c->replica, c, ev);
        break;
    case WR_EV_LINK_UP:
        if (!wr_host_is_leaf(ev->from))
            link_up(c, ev->from, ev->incarnation);
        break;
    case WR_EV_LINK_DOWN:
        if (!wr_host_is_leaf(ev->from))
            link_down(c, ev->from);
        break;
    case WR_EV_ADMIT:
        admit(c, ev);
        break;
    case WR_EV_LOOKUP:
        wr_lookups_start(c->lookups, c, &ev->lookup.key, ev->lookup.trace,
                         WR_LOOKUP_COMMAND, ev->lookup.token);
        break;
    case WR_EV_LEAVE:
        wr_replica_leave(c->replica, c, ev->leave.token);
        break;
    case WR_EV_MEND:
        wr_replica_mend(c->replica, c, &ev->mend.digest, ev->mend.hash,
                        ev->mend.token);
        break;
    case WR_EV_STOP:
        say_bye(c, WR_BYE_SOON);
        break;
    case WR_EV_CLOCK:
        c->wall_s = ev->wall_s;
        c->wall_at = now;
        break;
    }
    settle(n);
}

void wr_node_tick(struct wr_node *n, wr_time now, struct wr_outbox *out)
{
    (void)enter(n, now, out);
    settle(n);
}

enum wr_verdict wr_node_judge(struct wr_node *n, const struct wr_put_id *put,
                              wr_time now, struct wr_outbox *out)
{
    struct wr_core *c = enter(n, now, out);
    const enum wr_verdict v = wr_verdict_of(c, put);

    settle(n);
    return v;
}

wr_time wr_node_deadline(const struct wr_node *n)
{
    const struct wr_core *c = &n->core;
    wr_time at = wr_peers_deadline(c);

    at = wr_time_min(at, wr_rings_deadline(c));
    at = wr_time_min(at, wr_boot_deadline(c));
    at = wr_time_min(at, wr_places_deadline(c));
    at = wr_time_min(at, wr_merge_deadline(c));
    at = wr_time_min(at, wr_lookups_deadline(c->lookups));
    at = wr_time_min(at, wr_replica_deadline(c->replica));
    if (c->reap != NULL)
        at = wr_time_min(at, wr_reap_deadline(c));
    if (c->repair != NULL)
        at = wr_time_min(at, wr_repair_deadline(c));
    return wr_time_min(at, wr_roster_deadline(c));
}

/* ---- beginning --------------------------------------------------------------
 */

void wr_node_start_with(struct wr_node *n, const wr_host *hosts, size_t hosts_n,
                        wr_time now, struct wr_outbox *out)
{
    struct wr_core *c = enter(n, now, out);
    wr_ref all[WR_START_MAX];
    size_t count = 0;

    for (size_t i = 0; i < hosts_n; i++) {
        const uint8_t members = wr_book_host(c->book, hosts[i])->members;

        for (uint8_t k = 0; k < members; k++) {
            WR_CHECK(count < WR_START_MAX);
            all[count++] = wr_ref_of(hosts[i], k);
        }
    }
    wr_boot_started(c);
    wr_rings_start(c, all, count);
    wr_core_note(c, WR_NOTE_RING_STARTED, c->cfg->self, WR_NO_REF);
    settle(n);
}

void wr_node_start_ring(struct wr_node *n, wr_time now, struct wr_outbox *out)
{
    wr_node_start_with(n, &n->cfg.self, 1, now, out);
}

void wr_node_start_at(struct wr_node *n, const struct wr_node_place *place,
                      wr_time now, struct wr_outbox *out)
{
    struct wr_core *c = enter(n, now, out);
    const wr_time finger_us = c->cfg->finger_us;

    wr_boot_started(c);
    for (uint8_t i = 0; i < c->cfg->members; i++)
        wr_ring_start(c, &c->rings[i], place->preds[i],
                      place->succs + (size_t)i * c->cfg->succs,
                      wr_rng_below(c->rng, c->cfg->round_us));
    if (finger_us != WR_NEVER)
        wr_routes_begin(c->routes, c, place->fingers, place->fingers_n,
                        now + wr_rng_below(c->rng, finger_us));
    wr_core_note(c, WR_NOTE_RING_STARTED, c->cfg->self, WR_NO_REF);
    settle(n);
}

void wr_node_join(struct wr_node *n, const wr_host *known, size_t known_n,
                  bool may_start, wr_time now, struct wr_outbox *out)
{
    struct wr_core *c = enter(n, now, out);

    wr_boot_join(c, known, known_n, may_start);
    settle(n);
}
