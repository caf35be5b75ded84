/* replica.c - see replica.h: tables, and who gets what comes in. */
#include "proto/replica_op.h"

#include <stdlib.h>

enum { TARGETS_MIN = 5, TABLES_MAX = 1 << 14 };

/* Enough for the copies in a small simulated node, for WR_READ_HOSTS in a real
 * one. */
static uint32_t targets_for(const struct wr_node_cfg *cfg)
{
    const uint32_t n = cfg->routes_max / 4;

    if (n < TARGETS_MIN)
        return TARGETS_MIN;
    return n < WR_READ_HOSTS ? n : WR_READ_HOSTS;
}

/* The tables, one after another in one block: a simulated ring has a million.
 */
struct layout {
    size_t ops, due, targets, keeps, haves, sides, sides_used, mutes, batch,
        size;
};

static size_t put(size_t *at, size_t n, size_t each)
{
    const size_t here = *at;

    *at = (here + n * each + 7) & ~(size_t)7;
    return here;
}

static struct layout layout_of(const struct wr_replica *r)
{
    struct layout l;

    l.size = 0;
    l.ops = put(&l.size, r->ops_cap, sizeof(*r->ops));
    l.due = put(&l.size, r->ops_cap, sizeof(*r->due));
    l.targets =
        put(&l.size, (size_t)r->ops_cap * r->targets_cap, sizeof(*r->targets));
    l.keeps = put(&l.size, r->keeps_cap, sizeof(*r->keeps));
    l.haves = put(&l.size, r->haves_cap, wr_have_size());
    l.sides = put(&l.size, r->sides_cap, sizeof(*r->sides));
    l.sides_used = put(&l.size, r->sides_cap, sizeof(*r->sides_used));
    l.mutes = put(&l.size, r->mutes_cap, sizeof(*r->mutes));
    l.batch = put(&l.size, r->push.batch_cap, sizeof(*r->push.batch));
    return l;
}

enum wr_err wr_replica_init(struct wr_replica *r, const struct wr_sight *sight,
                            struct wr_routes *routes,
                            struct wr_lookups *lookups,
                            const struct wr_node_cfg *cfg)
{
    struct layout l;
    uint8_t *block;

    WR_CHECK(cfg->ops_max > 0 && cfg->ops_max < TABLES_MAX / 2);
    WR_CHECK(cfg->have_ops_max < UINT8_MAX / 2);
    *r = (struct wr_replica){
        .sight = sight,
        .routes = routes,
        .lookups = lookups,
        .ops_cap = cfg->ops_max,
        .targets_cap = targets_for(cfg),
        .keeps_cap = cfg->ops_max,
        .haves_cap = cfg->have_ops_max,
        .sides_cap = cfg->have_ops_max * 2,
        .handed_fn = wr_core_done,
    };
    r->push.stalled_until = WR_NEVER;
    r->haves_due = WR_NEVER;
    r->push.batch_cap =
        cfg->have_ops_max > 0 ? WR_PUSH_BATCH : WR_PUSH_BATCH_MIN;
    r->mutes_cap = cfg->have_ops_max > 0 ? WR_MUTE_MAX : WR_MUTE_MIN;
    l = layout_of(r);
    block = calloc(1, l.size);
    if (block == NULL)
        return WR_ENOMEM;
    r->ops = (void *)(block + l.ops);
    r->due = (void *)(block + l.due);
    r->targets = (void *)(block + l.targets);
    r->keeps = (void *)(block + l.keeps);
    r->haves = (void *)(block + l.haves);
    r->sides = (void *)(block + l.sides);
    r->sides_used = (void *)(block + l.sides_used);
    r->mutes = (void *)(block + l.mutes);
    r->push.batch = (void *)(block + l.batch);
    for (uint32_t i = 0; i < r->ops_cap; i++)
        r->due[i] = WR_NEVER;
    r->due_first = WR_NEVER;
    wr_op_register(r);
    return WR_OK;
}

void wr_replica_done(struct wr_replica *r)
{
    free(r->ops); /* And all that lies behind. */
    *r = (struct wr_replica){0};
}

size_t wr_replica_size(const struct wr_replica *r)
{
    return layout_of(r).size;
}

/* n and w (A19). */

uint32_t wr_replica_copies(const struct wr_replica *r, const struct wr_core *c,
                           uint32_t asked)
{
    const size_t admitted = r->sight->admitted(c);
    uint32_t n = asked > 0 ? asked : c->cfg->copies;

    if (n > WR_COPIES_MAX)
        n = WR_COPIES_MAX;
    if (admitted > 0 && n > admitted)
        n = (uint32_t)admitted;
    return n > 0 ? n : 1;
}

uint32_t wr_replica_durable(uint32_t copies, uint32_t asked)
{
    if (asked == 0)
        return copies / 2 + 1;
    return asked < copies ? asked : copies;
}

/* Refusing. A body that came with the request is ours (fx.h), and of no use. */

void wr_replica_refuse(struct wr_core *c, wr_host to, const struct wr_msg *ask,
                       enum wr_status status)
{
    const uint32_t retry_ms = status == WR_STATUS_BUSY ? WR_BUSY_RETRY_MS : 0;
    const uint8_t s = (uint8_t)status;
    struct wr_msg m = wr_msg_of(wr_msg_answer(ask->kind), ask->rid);

    wr_outbox_release_of(c->out, ask);
    switch ((unsigned)ask->kind) {
    case WR_MSG_PUT:
        m.put_done.status = s;
        m.put_done.retry_ms = retry_ms;
        break;
    case WR_MSG_HAVE:
        m.had.status = s;
        m.had.n = ask->have.n;
        m.had.retry_ms = retry_ms;
        break;
    case WR_MSG_GET:
        m.data.status = s;
        m.data.hash = ask->get.hash;
        m.data.digest = ask->get.digest;
        m.data.retry_ms = retry_ms;
        break;
    default:
        m.root.status = s;
        m.root.position = ask->root.position;
        m.root.retry_ms = retry_ms;
        break;
    }
    wr_outbox_send(c->out, to, &m);
}

/* Receiving. */

/* What a leaf may ask for is decided by what it is, not by what it says. */
static bool level_fits(wr_host from, uint8_t level)
{
    if (wr_host_is_leaf(from))
        return level == WR_LEVEL_LEAF;
    return level == WR_LEVEL_OWNER || level == WR_LEVEL_COPY;
}

static uint8_t level_of(const struct wr_msg *m)
{
    switch ((unsigned)m->kind) {
    case WR_MSG_PUT:
        return m->put.level;
    case WR_MSG_HAVE:
        return m->have.level;
    case WR_MSG_GET:
        return m->get.level;
    default:
        return m->root.level;
    }
}

static void on_request(struct wr_replica *r, struct wr_core *c, wr_host from,
                       const struct wr_msg *m)
{
    const uint8_t level = level_of(m);

    if (!level_fits(from, level)) {
        c->count->recv_misfit_total++;
        wr_replica_refuse(c, from, m, WR_STATUS_REFUSED);
    } else if (level == WR_LEVEL_COPY) {
        wr_keep_recv(r, c, from, m);
    } else if (m->kind == WR_MSG_HAVE) {
        wr_have_recv(r, c, from, m);
    } else if (m->kind == WR_MSG_GET || m->kind == WR_MSG_ROOT_GET) {
        wr_get_recv(r, c, from, m);
    } else {
        wr_put_recv(r, c, from, m);
    }
}

/* PUT_DONE, ROOT_DONE and a leaving host's HAD, in one form. */
static void on_put_done(struct wr_replica *r, struct wr_core *c, wr_host from,
                        const struct wr_msg *m)
{
    struct wr_op *op = wr_op_find_id(r, m->rid);
    struct wr_target *t = op == NULL ? NULL : wr_op_target(r, op, from);

    if (t == NULL || wr_op_is_get(op)) {
        c->count->recv_stale_total++;
        return;
    }
    if (m->kind == WR_MSG_PUT_DONE)
        wr_put_answered(r, c, op, t, m->put_done.status, m->put_done.copies,
                        m->put_done.retry_ms);
    else if (m->kind == WR_MSG_ROOT_DONE)
        wr_put_answered(r, c, op, t, m->root.status, m->root.copies,
                        m->root.retry_ms);
    else
        wr_put_answered(r, c, op, t,
                        m->had.status == WR_STATUS_OK && !(m->had.bits[0] & 1)
                            ? WR_STATUS_FAILED
                            : m->had.status,
                        1, m->had.retry_ms);
}

static void on_data(struct wr_replica *r, struct wr_core *c, wr_host from,
                    const struct wr_msg *m)
{
    struct wr_op *op = wr_op_find_id(r, m->rid);
    struct wr_target *t = op == NULL ? NULL : wr_op_target(r, op, from);
    const uint8_t kind = m->kind == WR_MSG_DATA ? WR_OP_GET : WR_OP_ROOT_GET;

    if (t == NULL || op->kind != kind) {
        c->count->recv_stale_total++;
        wr_outbox_release_of(c->out, m);
        return;
    }
    wr_get_answered(r, c, op, t, m);
}

void wr_replica_recv(struct wr_replica *r, struct wr_core *c, wr_host from,
                     const struct wr_msg *m)
{
    switch ((unsigned)m->kind) {
    case WR_MSG_PUT:
    case WR_MSG_HAVE:
    case WR_MSG_GET:
    case WR_MSG_ROOT_PUT:
    case WR_MSG_ROOT_GET:
        on_request(r, c, from, m);
        return;
    case WR_MSG_HAD:
        if (wr_replica_table(m->rid) == WR_TABLE_HAVE) {
            wr_have_had(r, c, from, m);
            return;
        }
        on_put_done(r, c, from, m);
        return;
    case WR_MSG_PUT_DONE:
    case WR_MSG_ROOT_DONE:
        on_put_done(r, c, from, m);
        return;
    case WR_MSG_DATA:
    case WR_MSG_ROOT:
        on_data(r, c, from, m);
        return;
    default:
        c->count->recv_unknown_total++;
        return;
    }
}

/* The store answered one of an op's own operations. */
static void op_stored(struct wr_replica *r, struct wr_core *c,
                      const struct wr_event *ev)
{
    struct wr_op *op = wr_op_find_id(r, ev->stored.token);
    struct wr_target *t = op == NULL ? NULL : wr_op_target(r, op, c->cfg->self);

    if (op != NULL && op->phase == WR_OP_MEND) {
        wr_mend_stored(r, c, op, (enum wr_status)ev->stored.status);
        return;
    }
    if (op != NULL && op->phase == WR_OP_LOAD && wr_op_is_push(op)) {
        wr_push_loaded(r, c, op, ev);
        return;
    }
    if (t == NULL) {
        wr_outbox_release(c->out, ev->stored.body);
        return;
    }
    if (op->kind == WR_OP_PUT || op->kind == WR_OP_ROOT_PUT) {
        wr_put_answered(r, c, op, t, ev->stored.status, 1, 0);
        return;
    }
    struct wr_msg m;
    wr_keep_answer(op->kind == WR_OP_GET ? WR_MSG_GET : WR_MSG_ROOT_GET,
                   &op->key, op->hash, ev, &m);
    wr_get_answered(r, c, op, t, &m);
}

void wr_replica_stored(struct wr_replica *r, struct wr_core *c,
                       const struct wr_event *ev)
{
    switch (wr_replica_table(ev->stored.token)) {
    case WR_TABLE_OP:
        op_stored(r, c, ev);
        return;
    case WR_TABLE_KEEP:
        wr_keep_stored(r, c, ev);
        return;
    case WR_TABLE_HAVE:
        wr_have_stored(r, c, ev);
        return;
    case WR_TABLE_WALK:
        wr_push_walked(r, c, ev);
        return;
    }
    WR_UNREACHABLE();
}
