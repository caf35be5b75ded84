/* lookup.c - see lookup.h; rules are those of docs/protocol.md. */
#include "proto/lookup.h"

#include <stdlib.h>

enum { SLOT_BITS = 16 };

enum wr_err wr_lookups_init(struct wr_lookups *l, const struct wr_sight *sight,
                            struct wr_routes *routes,
                            const struct wr_node_cfg *cfg)
{
    WR_CHECK(cfg->lookups_max > 0 && cfg->lookups_max < 1u << SLOT_BITS);
    *l = (struct wr_lookups){
        .sight = sight,
        .routes = routes,
        .v = calloc(cfg->lookups_max, sizeof(*l->v)),
        .cap = cfg->lookups_max,
        .due = WR_NEVER,
    };
    return l->v == NULL ? WR_ENOMEM : WR_OK;
}

void wr_lookups_done(struct wr_lookups *l)
{
    free(l->v);
    *l = (struct wr_lookups){0};
}

size_t wr_lookups_size(const struct wr_lookups *l)
{
    return l->cap * sizeof(*l->v);
}

static struct wr_lookup *alloc(struct wr_lookups *l, struct wr_core *c)
{
    for (uint32_t i = 0; i < l->cap; i++) {
        if (l->v[i].state != WR_LOOKUP_FREE)
            continue;
        l->v[i] = (struct wr_lookup){
            .rid = wr_rng_next(c->rng) << SLOT_BITS | i,
            .missed = WR_NO_REF,
        };
        if (i >= l->end)
            l->end = i + 1;
        return &l->v[i];
    }
    c->count->lookups_full_total++;
    return NULL;
}

static struct wr_lookup *by_rid(struct wr_lookups *l, uint64_t rid)
{
    const uint32_t slot = rid & ((1u << SLOT_BITS) - 1);

    if (slot >= l->cap || l->v[slot].state == WR_LOOKUP_FREE ||
        l->v[slot].rid != rid)
        return NULL;
    return &l->v[slot];
}

/* Answering. */

static struct wr_msg routed_of(enum wr_status status)
{
    struct wr_msg m = wr_msg_of(WR_MSG_ROUTED, 0);

    m.routed.status = (uint8_t)status;
    m.routed.owner = WR_NO_REF;
    return m;
}

static void command_done(struct wr_core *c, wr_token token,
                         const struct wr_msg *routed)
{
    struct wr_fx *fx = wr_outbox_push(c->out, WR_FX_DONE);

    if (fx == NULL)
        return;
    fx->done.token = token;
    fx->done.status = routed->routed.status;
    fx->done.answer = *routed;
    if (!wr_outbox_keep_arrays(c->out, &fx->done.answer)) {
        fx->done.answer.routed.set_n = 0;
        fx->done.answer.routed.path_n = 0;
    }
}

static void tell(struct wr_lookups *l, struct wr_core *c,
                 enum wr_lookup_for whose, wr_token token,
                 const struct wr_msg *routed)
{
    const bool ok = routed->routed.status == WR_STATUS_OK;

    c->count->lookups_total++;
    if (ok)
        c->count->hops_total += routed->routed.hops;
    else
        c->count->lookups_failed_total++;
    switch (whose) {
    case WR_LOOKUP_COMMAND:
        command_done(c, token, routed);
        return;
    case WR_LOOKUP_FINGER:
        if (ok)
            wr_routes_finger(l->routes, c, routed->routed.owner);
        return;
    case WR_LOOKUP_DATA:
        if (l->data_fn != NULL)
            l->data_fn(l->data_arg, c, token, routed);
        return;
    }
    WR_UNREACHABLE();
}

/* `routed` with ourselves in front of the path, if one is collected; `path` is
 * where it lies. */
static struct wr_msg with_path(const struct wr_core *c, bool trace,
                               const struct wr_msg *routed,
                               wr_host path[WR_HOPS_MAX + 1])
{
    struct wr_msg m = *routed;
    size_t n = routed->routed.path_n;

    m.routed.path_n = 0;
    if (!trace)
        return m;
    if (n > WR_HOPS_MAX)
        n = WR_HOPS_MAX; /* A peer's word: longer than any ttl. */
    path[0] = c->cfg->self;
    if (n > 0)
        memcpy(&path[1], routed->routed.path, n * sizeof(path[0]));
    m.routed.path_n = (uint8_t)(n + 1);
    m.routed.path = path;
    return m;
}

/* To the host that asked us under `rid`. */
static void pass_back(struct wr_core *c, wr_host prev, uint64_t rid, bool trace,
                      const struct wr_msg *routed)
{
    wr_host path[WR_HOPS_MAX + 1];
    struct wr_msg m = with_path(c, trace, routed, path);

    m.rid = rid;
    m.from = m.to = WR_MEMBER_NONE;
    wr_outbox_send(c->out, prev, &m);
}

/* To whoever began it here. */
static void tell_origin(struct wr_lookups *l, struct wr_core *c, bool trace,
                        enum wr_lookup_for whose, wr_token token,
                        const struct wr_msg *routed)
{
    wr_host path[WR_HOPS_MAX + 1];
    const struct wr_msg m = with_path(c, trace, routed, path);

    tell(l, c, whose, token, &m);
}

/* The end of a lookup that is in the table. The slot is free before anybody
 * is told, for whoever is told may start the next. */
static void finish(struct wr_lookups *l, struct wr_core *c, struct wr_lookup *k,
                   const struct wr_msg *routed)
{
    const struct wr_lookup was = *k;

    k->state = WR_LOOKUP_FREE;
    while (l->end > 0 && l->v[l->end - 1].state == WR_LOOKUP_FREE)
        l->end--;
    if (was.prev == WR_NO_HOST)
        tell_origin(l, c, was.trace, (enum wr_lookup_for)was.whose, was.back,
                    routed);
    else
        pass_back(c, was.prev, was.back, was.trace, routed);
}

static void fail(struct wr_lookups *l, struct wr_core *c, struct wr_lookup *k,
                 enum wr_status status)
{
    const struct wr_msg m = routed_of(status);

    finish(l, c, k, &m);
}

/* The owner's answer: itself and its replica set (Placement). */
static bool answer_if_ours(const struct wr_lookups *l, const struct wr_core *c,
                           const struct wr_id *key, unsigned hops,
                           wr_ref set[WR_SET_MAX], struct wr_msg *ret)
{
    const struct wr_sight *s = l->sight;
    wr_ref owner;

    if (!s->owns(c, key, &owner))
        return false;
    *ret = routed_of(WR_STATUS_OK);
    ret->routed.owner = owner;
    ret->routed.hops = (uint8_t)hops;
    ret->routed.set_n = (uint8_t)s->place(c, key, set, WR_SET_MAX);
    ret->routed.set = set;
    return true;
}

/* Sending. */

/* Leaves `h` out from now on, for the oldest of those that we left out. */
static void remember_tried(struct wr_lookup *k, wr_host h)
{
    if (k->tried_n < WR_LOOKUP_TRIED)
        k->tried_n++;
    memmove(&k->tried[1], &k->tried[0],
            (k->tried_n - 1u) * sizeof(k->tried[0]));
    k->tried[0] = h;
}

/* Where the sender of a lookup must not get it back from us at once. */
static size_t without(const struct wr_lookup *k,
                      wr_host ret[WR_LOOKUP_TRIED + 1])
{
    size_t n = k->tried_n;

    memcpy(ret, k->tried, n * sizeof(ret[0]));
    if (k->prev != WR_NO_HOST)
        ret[n++] = k->prev;
    return n;
}

static void send_route(struct wr_lookups *l, struct wr_core *c,
                       struct wr_lookup *k)
{
    k->state = WR_LOOKUP_SENT;
    k->until = c->now + l->sight->patience(c, k->hop);
    l->due = wr_time_min(l->due, wr_time_min(k->until, k->deadline));
    c->count->forwards_total++;
    wr_outbox_send(c->out, k->hop,
                   &(struct wr_msg){.kind = WR_MSG_ROUTE,
                                    .from = WR_MEMBER_NONE,
                                    .to = k->owner,
                                    .rid = k->rid,
                                    .route = {.key = k->key,
                                              .ttl = (uint8_t)(k->ttl - 1),
                                              .hops = (uint8_t)(k->hops + 1),
                                              .trace = k->trace}});
}

/* On to the best peer that was not tried yet. False if nobody is left. */
static bool forward(struct wr_lookups *l, struct wr_core *c,
                    struct wr_lookup *k)
{
    wr_host out[WR_LOOKUP_TRIED + 1];
    const struct wr_route_ask ask = {
        .without = out,
        .without_n = without(k, out),
        .missed = k->missed,
        .doubt = k->doubt,
    };
    struct wr_hop hop;

    if (k->ttl == 0 || !wr_routes_next(l->routes, c, &k->key, &ask, &hop))
        return false;
    k->hop = wr_ref_host(hop.ref);
    k->owner = hop.straight ? wr_ref_index(hop.ref) : WR_MEMBER_NONE;
    k->resent = false;
    send_route(l, c, k);
    return true;
}

/* Doubles from the patience up to the longest, and is jittered, so that those
 * whom one failure stopped do not go on as one. */
static wr_time pause_of(const struct wr_lookups *l, struct wr_core *c,
                        struct wr_lookup *k)
{
    const wr_time longest = WR_MS(WR_LOOKUP_PAUSE_MAX_MS);
    const wr_time us =
        wr_time_min(l->sight->patience(c, k->hop) << k->pauses, longest);

    if (us < longest && k->pauses < WR_LOOKUP_DOUBLINGS)
        k->pauses++;
    return us / 2 + wr_rng_below(c->rng, us / 2 + 1);
}

/* No peer is left to send it to, or enough have failed for now. A forwarder
 * says so; the origin waits for the ring to heal. Those who failed are left out
 * after the pause as well, unless there was nobody else. */
static void no_path(struct wr_lookups *l, struct wr_core *c,
                    struct wr_lookup *k)
{
    if (k->prev != WR_NO_HOST) {
        fail(l, c, k,
             k->missed == WR_NO_REF ? WR_STATUS_UNREACHABLE
                                    : WR_STATUS_NOT_OWNER);
        return;
    }
    k->state = WR_LOOKUP_PAUSE;
    k->until = c->now + pause_of(l, c, k);
    l->due = wr_time_min(l->due, k->until);
    if (k->failed < WR_LOOKUP_TURN)
        k->tried_n = 0;
    k->failed = 0;
    k->doubt = false;
}

/* A hop that died may have left its range to us meanwhile. */
static void go_on(struct wr_lookups *l, struct wr_core *c, struct wr_lookup *k)
{
    struct wr_msg m;
    wr_ref set[WR_SET_MAX];

    if (answer_if_ours(l, c, &k->key, k->hops, set, &m))
        finish(l, c, k, &m);
    else if (k->failed >= WR_LOOKUP_TURN || !forward(l, c, k))
        no_path(l, c, k);
}

static void another_path(struct wr_lookups *l, struct wr_core *c,
                         struct wr_lookup *k)
{
    remember_tried(k, k->hop);
    k->failed++;
    go_on(l, c, k);
}

void wr_lookups_start(struct wr_lookups *l, struct wr_core *c,
                      const struct wr_id *key, bool trace,
                      enum wr_lookup_for whose, wr_token token)
{
    wr_ref set[WR_SET_MAX];
    struct wr_msg m;

    if (answer_if_ours(l, c, key, 0, set, &m)) {
        tell_origin(l, c, trace, whose, token, &m);
        return;
    }
    struct wr_lookup *k = alloc(l, c);
    if (k == NULL) {
        m = routed_of(WR_STATUS_BUSY);
        tell(l, c, whose, token, &m);
        return;
    }
    k->key = *key;
    k->whose = (uint8_t)whose;
    k->back = token;
    k->prev = WR_NO_HOST;
    k->ttl = WR_HOPS_MAX;
    k->trace = trace;
    k->deadline = c->now + c->cfg->lookup_us;
    if (whose == WR_LOOKUP_FINGER) /* Not worth a slot for long. */
        k->deadline = c->now + c->cfg->lookup_us / WR_LOOKUP_PATHS;
    go_on(l, c, k);
}

/* Receiving. */

/* The same request again: it was sent twice, or arrived twice. Were each to be
 * forwarded, a path of many hops would become a storm. It costs one comparison
 * per slot up to the last in use, for each ROUTE that is not answered here, and
 * so is bounded by cfg->lookups_max; finding a free slot walks as far at worst.
 */
static bool under_way(const struct wr_lookups *l, wr_host from, uint64_t rid)
{
    for (uint32_t i = 0; i < l->end; i++) {
        const struct wr_lookup *k = &l->v[i];

        if (k->state != WR_LOOKUP_FREE && k->prev == from && k->back == rid)
            return true;
    }
    return false;
}

static void take_route(struct wr_lookups *l, struct wr_core *c, wr_host from,
                       const struct wr_msg *m)
{
    const struct wr_msg busy = routed_of(WR_STATUS_BUSY);
    const uint8_t left = (uint8_t)(WR_HOPS_MAX - m->route.hops);
    struct wr_lookup *k;

    if (under_way(l, from, m->rid))
        return;
    k = alloc(l, c);
    if (k == NULL) {
        pass_back(c, from, m->rid, m->route.trace, &busy);
        return;
    }
    k->key = m->route.key;
    k->back = m->rid;
    k->prev = from;
    k->ttl = m->route.ttl < left ? m->route.ttl : left; /* Liars say more. */
    k->hops = m->route.hops;
    k->trace = m->route.trace;
    if (m->to < c->cfg->members)
        k->missed = wr_ref_of(c->cfg->self, m->to);
    k->deadline = c->now + c->cfg->lookup_us / 3;
    go_on(l, c, k);
}

static void on_route(struct wr_lookups *l, struct wr_core *c, wr_host from,
                     const struct wr_msg *m)
{
    wr_ref set[WR_SET_MAX];
    struct wr_msg answer;

    if (answer_if_ours(l, c, &m->route.key, m->route.hops, set, &answer)) {
        pass_back(c, from, m->rid, m->route.trace, &answer);
        return; /* The answer acknowledges as well. */
    }
    answer = wr_msg_of(WR_MSG_ROUTE_ACK, m->rid);
    wr_outbox_send(c->out, from, &answer);
    take_route(l, c, from, m);
}

/* From here on the hop is trusted to go on. A forwarder waits for the whole of
 * its time; the origin for a share, so that there is time for other paths. */
static void on_ack(struct wr_lookups *l, struct wr_core *c, wr_host from,
                   const struct wr_msg *m)
{
    struct wr_lookup *k = by_rid(l, m->rid);

    if (k == NULL || k->state != WR_LOOKUP_SENT || k->hop != from) {
        c->count->recv_stale_total++;
        return;
    }
    k->state = WR_LOOKUP_GOING;
    k->until = k->deadline;
    if (k->prev == WR_NO_HOST)
        k->until = wr_time_min(k->deadline,
                               c->now + c->cfg->lookup_us / WR_LOOKUP_PATHS);
    l->due = wr_time_min(l->due, k->until);
}

/* What an answer names is worth knowing (R9): to a forwarder the owner, which
 * is one name for each that passes; to whoever asked, for it will go there, the
 * replica set as well. */
static void learn(struct wr_lookups *l, struct wr_core *c,
                  const struct wr_lookup *k, const struct wr_msg *m)
{
    if (m->routed.status != WR_STATUS_OK)
        return;
    wr_routes_learn(l->routes, c, m->routed.owner);
    for (unsigned i = 0; k->prev == WR_NO_HOST && i < m->routed.set_n; i++)
        wr_routes_learn(l->routes, c, m->routed.set[i]);
}

/* The path failed. A forwarder passes that on, for the origin sees farther; but
 * a wrong belief is mended by the one who held it. */
static void on_refusal(struct wr_lookups *l, struct wr_core *c,
                       struct wr_lookup *k, const struct wr_msg *m)
{
    const bool wrong = m->routed.status == WR_STATUS_NOT_OWNER;
    const bool believed = k->missed == WR_NO_REF && !k->doubt;

    if (k->prev != WR_NO_HOST && !(wrong && believed)) {
        finish(l, c, k, m);
        return;
    }
    k->doubt = k->doubt || wrong;
    another_path(l, c, k);
}

static void on_routed(struct wr_lookups *l, struct wr_core *c,
                      const struct wr_msg *m)
{
    struct wr_lookup *k = by_rid(l, m->rid);

    if (k == NULL) {
        c->count->recv_stale_total++;
        return;
    }
    if (m->routed.status == WR_STATUS_OK &&
        !wr_book_has(c->book, m->routed.owner)) {
        c->count->recv_misfit_total++;
        return; /* Still waiting: such an answer is worth silence. */
    }
    learn(l, c, k, m);
    if (m->routed.status == WR_STATUS_OK)
        finish(l, c, k, m);
    else if (k->state != WR_LOOKUP_PAUSE)
        on_refusal(l, c, k, m);
}

void wr_lookups_recv(struct wr_lookups *l, struct wr_core *c, wr_host from,
                     const struct wr_msg *m)
{
    if (m->kind == WR_MSG_ROUTE)
        on_route(l, c, from, m);
    else if (m->kind == WR_MSG_ROUTE_ACK)
        on_ack(l, c, from, m);
    else if (m->kind == WR_MSG_ROUTED)
        on_routed(l, c, m);
    else
        c->count->recv_unknown_total++;
}

/* Nobody but the owner can answer: where it is believed to be the one who is
 * silent it is asked once more, in case the message was lost. */
static void on_silence(struct wr_lookups *l, struct wr_core *c,
                       struct wr_lookup *k)
{
    if (k->state == WR_LOOKUP_SENT) {
        l->sight->silent(c, k->hop);
        if (k->owner != WR_MEMBER_NONE && !k->resent &&
            !l->sight->dead(c, k->hop)) {
            k->resent = true;
            send_route(l, c, k);
            return;
        }
    }
    another_path(l, c, k);
}

void wr_lookups_link_down(struct wr_lookups *l, struct wr_core *c, wr_host h)
{
    for (uint32_t i = 0; i < l->end; i++) {
        struct wr_lookup *k = &l->v[i];

        if (k->hop != h ||
            (k->state != WR_LOOKUP_SENT && k->state != WR_LOOKUP_GOING))
            continue;
        /* It may be one that the detector does not track. Were its refusal
         * forgotten, it would be the best peer again after the pause. */
        l->sight->silent(c, h);
        another_path(l, c, k);
    }
}

static void tick_all(struct wr_lookups *l, struct wr_core *c)
{
    l->due = WR_NEVER;
    for (uint32_t i = 0; i < l->end; i++) {
        struct wr_lookup *k = &l->v[i];

        if (k->state == WR_LOOKUP_FREE)
            continue;
        if (c->now >= k->deadline)
            fail(l, c, k, WR_STATUS_TIMEOUT);
        else if (c->now >= k->until && k->state == WR_LOOKUP_PAUSE)
            go_on(l, c, k);
        else if (c->now >= k->until)
            on_silence(l, c, k);
        if (k->state != WR_LOOKUP_FREE)
            l->due = wr_time_min(l->due, wr_time_min(k->until, k->deadline));
    }
}

void wr_lookups_tick(struct wr_lookups *l, struct wr_core *c)
{
    struct wr_id at;

    if (c->now >= l->due)
        tick_all(l, c);
    if (wr_routes_finger_due(l->routes, c, &at))
        wr_lookups_start(l, c, &at, false, WR_LOOKUP_FINGER, 0);
}

wr_time wr_lookups_deadline(const struct wr_lookups *l)
{
    return wr_time_min(wr_routes_deadline(l->routes), l->due);
}
