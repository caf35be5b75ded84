/* still.c - see still.h: building, carrying, running. */
#include "still.h"

#include <stdlib.h>

#include "wire/codec.h"

/* Building. */

static int still_cmp(const void *a, const void *b, void *arg)
{
    const struct wr_book *book = arg;

    return wr_id_cmp(wr_book_id(book, *(const wr_ref *)a),
                     wr_book_id(book, *(const wr_ref *)b));
}

static struct wr_node_cfg still_cfg(wr_host self, uint8_t members)
{
    return (struct wr_node_cfg){
        .self = self,
        .members = members,
        .succs = STILL_SUCCS,
        .finger_us = WR_MS(10),
        .lookup_us = WR_SEC(30),
        .request_us = WR_SEC(30),
        .copies = 3,
        .routes_max = 400,
        .lookups_max = 16,
        .ops_max = 64,
        .have_ops_max = 8,
    };
}

static void still_host_open(struct still *w, struct still_host *h,
                            const struct wr_node_cfg *cfg)
{
    h->w = w;
    h->self = cfg->self;
    h->cfg = *cfg;
    h->rng = (struct wr_rng){w->rng.state + cfg->self};
    h->in_ring = true;
    WR_CHECK(wr_outbox_init(&h->out, 1024, 1 << 16) == WR_OK);
    h->core = (struct wr_core){.cfg = &h->cfg,
                               .book = &w->book,
                               .rng = &h->rng,
                               .count = &h->count,
                               .out = &h->out};
    WR_CHECK(wr_routes_init(&h->routes, &still_sight, &h->cfg, &w->book) == 0);
    WR_CHECK(wr_lookups_init(&h->lookups, &still_sight, &h->routes, &h->cfg) ==
             0);
    WR_CHECK(wr_replica_init(&h->replica, &still_sight, &h->routes, &h->lookups,
                             &h->cfg) == 0);
}

struct still *still_open(uint32_t n, uint8_t members, uint64_t seed,
                         void (*tune)(struct wr_node_cfg *))
{
    struct still *w = calloc(1, sizeof(*w));
    const uint8_t ring[32] = {1};

    w->rng = (struct wr_rng){seed};
    w->n = n;
    w->hosts = calloc(n, sizeof(*w->hosts));
    w->ring = calloc((size_t)n * members, sizeof(*w->ring));
    w->now = WR_SEC(1);
    WR_CHECK(wr_book_init(&w->book, ring, n, n * members) == WR_OK);
    for (uint32_t i = 0; i < n; i++) {
        struct wr_host_id id;
        const struct wr_addr addr = {.port = 1};

        wr_rng_fill(&w->rng, id.b, sizeof(id.b));
        WR_CHECK(wr_book_add(&w->book, &id, members, 0, &addr) == i);
        for (uint8_t m = 0; m < members; m++)
            w->ring[w->ring_n++] = wr_ref_of(i, m);
    }
    qsort_r(w->ring, w->ring_n, sizeof(*w->ring), still_cmp, &w->book);
    for (uint32_t i = 0; i < n; i++) {
        struct wr_node_cfg cfg = still_cfg(i, members);

        if (tune != NULL)
            tune(&cfg);
        still_host_open(w, &w->hosts[i], &cfg);
    }
    return w;
}

void still_close(struct still *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        wr_replica_done(&w->hosts[i].replica);
        wr_lookups_done(&w->hosts[i].lookups);
        wr_routes_done(&w->hosts[i].routes);
        wr_outbox_done(&w->hosts[i].out);
    }
    for (uint32_t i = 0; i < w->q_n; i++) {
        free(w->q[i].arrays[0]);
        free(w->q[i].arrays[1]);
    }
    wr_book_done(&w->book);
    free(w->q);
    free(w->bodies);
    free(w->ring);
    free(w->hosts);
    free(w);
}

void still_full_tables(struct still *w)
{
    for (uint32_t i = 0; i < w->n; i++)
        for (uint32_t k = 0; k < w->n; k++) {
            w->hosts[i].core.now = w->now;
            wr_routes_learn_host(&w->hosts[i].routes, &w->hosts[i].core, k);
        }
}

/* Carrying. */

static void *still_copy(struct still_event *e, int slot, const void *p,
                        size_t n)
{
    if (n == 0)
        return NULL;
    e->arrays[slot] = malloc(n);
    memcpy(e->arrays[slot], p, n);
    return e->arrays[slot];
}

static void still_push(struct still *w, struct still_event e)
{
    if (w->q_n == w->q_cap) {
        w->q_cap = w->q_cap * 2 + 64;
        w->q = realloc(w->q, w->q_cap * sizeof(*w->q));
    }
    e.order = w->order++;
    w->q[w->q_n++] = e;
}

static void still_keep(struct still_event *e, struct wr_msg *m)
{
    if (m->kind == WR_MSG_ROUTED) {
        m->routed.set =
            still_copy(e, 0, m->routed.set, m->routed.set_n * sizeof(wr_ref));
        m->routed.path = still_copy(e, 1, m->routed.path,
                                    m->routed.path_n * sizeof(wr_host));
    } else if (m->kind == WR_MSG_HAVE) {
        m->have.digests =
            still_copy(e, 0, m->have.digests, m->have.n * sizeof(struct wr_id));
    } else if (m->kind == WR_MSG_DATA) {
        m->data.hosts =
            still_copy(e, 0, m->data.hosts, m->data.hosts_n * sizeof(wr_host));
    } else if (m->kind == WR_MSG_ROOT_PUT || m->kind == WR_MSG_ROOT) {
        m->root.record.p = still_copy(e, 0, m->root.record.p, m->root.record.n);
    }
}

/* A message to a leaf: kept for the test to look at. */
static void still_to_leaf(struct still *w, const struct wr_msg *m)
{
    WR_CHECK(w->answers_n < STILL_LEAF_ANSWERS);
    struct wr_msg *a = &w->answers[w->answers_n++];

    *a = *m;
    if (m->kind == WR_MSG_DATA && m->data.hosts_n > 0) {
        memcpy(w->data_hosts, m->data.hosts, m->data.hosts_n * sizeof(wr_host));
        a->data.hosts = w->data_hosts;
    }
    if (m->kind == WR_MSG_ROOT && m->root.record.n > 0) {
        memcpy(w->record, m->root.record.p, m->root.record.n);
        a->root.record.p = w->record;
    }
}

static wr_time still_latency(struct still *w)
{
    return WR_MS(1) + wr_rng_below(&w->rng, w->jitter_us + 1);
}

static void still_carry(struct still *w, struct still_event e)
{
    struct wr_body *body = wr_msg_body(&e.msg);

    if (w->hosts[e.to].silent || wr_rng_below(&w->rng, 1000) < w->drop_permille)
        return;
    if (body != NULL)
        still_retain(w, *body);
    still_keep(&e, &e.msg);
    still_push(w, e);
}

static void still_send(struct still *w, wr_host from, wr_host to,
                       const struct wr_msg *m)
{
    struct still_event e = {.at = w->now + still_latency(w),
                            .kind = STILL_MSG,
                            .from = from,
                            .to = to,
                            .msg = *m};
    const struct wr_body *body = wr_msg_body(&e.msg);
    const uint64_t was = body != NULL ? body->id : 0;

    w->sends[m->kind]++;
    if (wr_host_is_leaf(to)) {
        still_to_leaf(w, m);
        return;
    }
    WR_CHECK(to != from);
    if (w->hosts[to].refuses) {
        still_push(
            w, (struct still_event){
                   .at = e.at, .kind = STILL_REFUSED, .from = to, .to = from});
        return;
    }
    if (w->passes != NULL && !w->passes(w, from, to, &e.msg))
        return;
    still_carry(w, e);
    if (w->twice)
        still_carry(w, e);
    if (body != NULL && body->id != was)
        still_release(w, *body);
}

static void still_done(struct still *w, const struct wr_fx *fx)
{
    WR_CHECK(w->done_n < 64);
    w->done[w->done_n++] = *fx;
    if (fx->done.answer.kind == WR_MSG_ROUTED && fx->done.answer.routed.path_n)
        memcpy(w->done_path, fx->done.answer.routed.path,
               fx->done.answer.routed.path_n * sizeof(wr_host));
}

void still_drain(struct still *w, struct still_host *h)
{
    WR_CHECK(h->out.dropped == 0);
    for (uint32_t i = 0; i < h->out.n; i++) {
        struct wr_fx *fx = &h->out.v[i];

        if (fx->kind == WR_FX_SEND) {
            still_send(w, h->self, fx->to, &fx->msg);
        } else if (fx->kind == WR_FX_RELEASE) {
            continue; /* Last: others of this step may borrow it. */
        } else if (fx->kind == WR_FX_DONE) {
            still_done(w, fx);
        } else if (wr_fx_of_store(fx->kind)) {
            struct still_event e = {.at = w->now + still_latency(w) / 4,
                                    .kind = STILL_STORED,
                                    .to = h->self,
                                    .fx = *fx};

            h->stored++;
            still_retain(w, fx->store.body);
            e.fx.store.digests = still_copy(
                &e, 0, fx->store.digests,
                fx->kind == WR_FX_STORE_REF ? fx->store.n * sizeof(struct wr_id)
                                            : 0);
            e.fx.store.record.p =
                still_copy(&e, 1, fx->store.record.p, fx->store.record.n);
            still_push(w, e);
        }
    }
    for (uint32_t i = 0; i < h->out.n; i++)
        if (h->out.v[i].kind == WR_FX_RELEASE)
            still_release(w, h->out.v[i].release);
    wr_outbox_clear(&h->out);
    h->due = wr_time_min(wr_lookups_deadline(&h->lookups),
                         wr_replica_deadline(&h->replica));
}

/* Running. */

static void still_recv(struct still *w, struct still_host *h, wr_host from,
                       struct wr_msg *m)
{
    struct wr_body *body = wr_msg_body(m);

    if (body != NULL && body->id != 0 && w->bodies[body->id].rotten) {
        still_release(w, *body); /* As the driver does (fx.h). */
        *body = (struct wr_body){0};
        m->bad_body = 1;
    }
    if (h->denies && m->kind == WR_MSG_HAVE && m->have.level == WR_LEVEL_OWNER)
        wr_replica_refuse(&h->core, from, m, WR_STATUS_NOT_OWNER);
    else if (m->kind >= WR_MSG_ROUTE && m->kind <= WR_MSG_NEXT)
        wr_lookups_recv(&h->lookups, &h->core, from, m);
    else
        wr_replica_recv(&h->replica, &h->core, from, m);
}

static void still_event_run(struct still *w, struct still_event *e)
{
    struct still_host *h = &w->hosts[e->to];

    h->core.now = w->now;
    if (e->kind == STILL_STORED) {
        still_perform(w, h, &e->fx);
    } else if (e->kind == STILL_REFUSED) {
        wr_lookups_link_down(&h->lookups, &h->core, e->from);
    } else if (h->silent) {
        struct wr_body *body = wr_msg_body(&e->msg);

        if (body != NULL)
            still_release(w, *body);
    } else {
        still_recv(w, h, e->from, &e->msg);
    }
    still_drain(w, h);
    free(e->arrays[0]);
    free(e->arrays[1]);
}

/* The next event of the queue before `until`; -1 if there is none. */
static int64_t still_next(const struct still *w, wr_time until)
{
    int64_t best = -1;

    for (uint32_t i = 0; i < w->q_n; i++)
        if (w->q[i].at <= until &&
            (best < 0 || w->q[i].at < w->q[best].at ||
             (w->q[i].at == w->q[best].at && w->q[i].order < w->q[best].order)))
            best = i;
    return best;
}

static wr_time still_deadline(struct still *w, wr_host *ret)
{
    wr_time t = WR_NEVER;

    for (uint32_t i = 0; i < w->n; i++) {
        if (!w->hosts[i].silent && w->hosts[i].due < t) {
            t = w->hosts[i].due;
            *ret = i;
        }
    }
    return t;
}

void still_run(struct still *w, wr_time us)
{
    const wr_time end = w->now + us;

    for (;;) {
        wr_host who = 0;
        const wr_time due = still_deadline(w, &who);
        const int64_t at = still_next(w, wr_time_min(end, due));

        if (at >= 0) {
            struct still_event e = w->q[at];

            w->q[at] = w->q[--w->q_n];
            w->now = wr_time_max(w->now, e.at);
            still_event_run(w, &e);
        } else if (due <= end) {
            struct still_host *h = &w->hosts[who];

            w->now = wr_time_max(w->now, due);
            h->core.now = w->now;
            wr_lookups_tick(&h->lookups, &h->core);
            wr_replica_tick(&h->replica, &h->core);
            still_drain(w, h);
        } else {
            break;
        }
    }
    w->now = end;
}

void still_cut(struct still *w, wr_host at, wr_host to)
{
    struct still_host *h = &w->hosts[at];

    h->core.now = w->now;
    wr_lookups_link_down(&h->lookups, &h->core, to);
    wr_replica_link_down(&h->replica, &h->core, to);
    still_drain(w, h);
}

void still_fingers(struct still *w, wr_time us)
{
    still_run(w, us);
    for (uint32_t i = 0; i < w->n; i++) {
        w->hosts[i].cfg.finger_us = WR_NEVER / 2;
        w->hosts[i].routes.finger_at = WR_NEVER;
        w->hosts[i].due = 0;
    }
    still_run(w, WR_MS(100));
    memset(w->sends, 0, sizeof(w->sends));
}

void still_ask_as(struct still *w, wr_host parent, uint32_t leaf,
                  struct wr_msg m)
{
    struct still_host *h = &w->hosts[parent];

    h->core.now = w->now;
    wr_replica_recv(&h->replica, &h->core, WR_HOST_LEAF | leaf, &m);
    still_drain(w, h);
}

void still_ask(struct still *w, wr_host parent, struct wr_msg m)
{
    still_ask_as(w, parent, 1, m);
}

void still_lookup(struct still *w, wr_host at, const struct wr_id *key,
                  bool trace)
{
    struct still_host *h = &w->hosts[at];

    h->core.now = w->now;
    wr_lookups_start(&h->lookups, &h->core, key, trace, WR_LOOKUP_COMMAND, 7);
    still_drain(w, h);
}

struct wr_id still_key(struct still *w)
{
    struct wr_id id;

    wr_rng_fill(&w->rng, id.b, sizeof(id.b));
    return id;
}
