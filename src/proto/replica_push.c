/* replica_push.c - leaving for good: every chunk and root record of our store
 * goes to the n hosts that follow its key, ourselves not counted
 * (D15). A window of keys is under way; the next follows when one ends. */
#include "proto/replica_op.h"

static void walk(struct wr_replica *r, struct wr_core *c)
{
    struct wr_push *p = &r->push;
    struct wr_fx *fx = wr_outbox_push(c->out, p->roots ? WR_FX_STORE_ROOT_NEXT
                                                       : WR_FX_STORE_NEXT);

    if (fx == NULL)
        return;
    p->walking = true;
    p->id = wr_replica_id(c, WR_TABLE_WALK, WR_WALK_PUSH);
    fx->store.token = p->id;
    fx->store.digest = p->cursor;
    fx->store.n = p->batch_cap;
}

static void finish(struct wr_replica *r, struct wr_core *c)
{
    const enum wr_status status =
        r->push.failed ? WR_STATUS_UNREACHABLE : WR_STATUS_OK;

    r->push.active = false;
    r->push.closed = status == WR_STATUS_OK;
    r->handed_fn(c, r->push.token, status);
}

void wr_push_load(struct wr_core *c, struct wr_op *op)
{
    struct wr_fx *fx =
        wr_outbox_push(c->out, op->kind == WR_OP_PUSH ? WR_FX_STORE_GET
                                                      : WR_FX_STORE_ROOT_GET);

    op->until_ms = UINT32_MAX;
    if (fx == NULL)
        return; /* The op's deadline sees to it. */
    fx->store.token = op->id;
    fx->store.digest = op->key;
}

/* Begins the next key of the batch; false if there is no room for an op. */
static bool push_next(struct wr_replica *r, struct wr_core *c)
{
    struct wr_push *p = &r->push;
    struct wr_op *op = wr_op_new(r, c, p->roots ? WR_OP_PUSH_ROOT : WR_OP_PUSH,
                                 WR_NO_HOST, 0, WR_LEVEL_LEAF);

    if (op == NULL)
        return false;
    /* For put ids but the first; who takes no HAVE has none. */
    if (!p->roots && r->sides_cap > 0 && !wr_op_side(r, op)) {
        wr_op_free(r, c, op);
        return false;
    }
    op->key = p->batch[p->batch_i++];
    p->open++;
    wr_push_load(c, op);
    wr_op_run(r, c, op);
    return true;
}

/* Something is on its way into our store, which the walk could miss. */
static bool writing(struct wr_replica *r, const struct wr_core *c)
{
    for (uint32_t i = 0; i < r->keeps_cap; i++) {
        const struct wr_keep *k = &r->keeps[i];

        if (k->id != 0 && k->kind != WR_MSG_GET && k->kind != WR_MSG_ROOT_GET &&
            c->now < k->born + c->cfg->request_us)
            return true;
    }
    for (uint32_t i = 0; i < r->ops_cap; i++) {
        const struct wr_op *op = &r->ops[i];
        const struct wr_target *t = wr_op_target(r, op, c->cfg->self);

        if (op->phase == WR_OP_SPREAD && !wr_op_is_get(op) && t != NULL &&
            t->state == WR_TARGET_ASKED)
            return true;
    }
    return false;
}

/* Starts what may start: keys up to the window, then the next walk, then the
 * root records, then the end. */
void wr_push_advance(struct wr_replica *r, struct wr_core *c)
{
    struct wr_push *p = &r->push;

    if (!p->active || p->walking)
        return;
    if (!p->begun && writing(r, c)) {
        p->stalled_until = c->now + WR_MS(WR_BUSY_RETRY_MS);
        return;
    }
    p->begun = true;
    while (p->batch_i < p->batch_n && p->open < WR_PUSH_WINDOW &&
           push_next(r, c))
        continue;
    p->stalled_until =
        p->batch_i < p->batch_n && p->open == 0
            ? c->now + WR_MS(WR_BUSY_RETRY_MS) /* Others have the table. */
            : WR_NEVER;
    if (p->batch_i < p->batch_n || (p->at_end && p->open > 0))
        return;
    if (p->at_end && p->roots) {
        finish(r, c);
        return;
    }
    if (p->at_end) {
        p->roots = true;
        p->at_end = false;
        p->cursor = (struct wr_id){{0}};
    }
    walk(r, c);
    if (!p->walking) /* No room for it. */
        p->stalled_until = c->now + WR_MS(WR_BUSY_RETRY_MS);
}

void wr_push_walked(struct wr_replica *r, struct wr_core *c,
                    const struct wr_event *ev)
{
    struct wr_push *p = &r->push;
    uint32_t n = ev->stored.n;

    if (!p->active || !p->walking || ev->stored.token != p->id)
        return;
    p->walking = false;
    if (ev->stored.status == WR_STATUS_BUSY) {
        p->stalled_until = c->now + WR_MS(WR_BUSY_RETRY_MS);
        return;
    }
    if (ev->stored.status != WR_STATUS_OK) {
        p->failed = true;
        n = 0;
    }
    if (n > p->batch_cap)
        n = p->batch_cap;
    if (n > 0) {
        memcpy(p->batch, ev->stored.digests, n * sizeof(*p->batch));
        p->cursor = p->batch[n - 1];
    }
    p->batch_n = (uint8_t)n;
    p->batch_i = 0;
    p->at_end = n == 0;
    wr_push_advance(r, c);
}

/* Our store gave what is to be handed on. One that is gone meanwhile, or
 * rotten, is not ours to hand on: other copies stand. */
void wr_push_loaded(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                    const struct wr_event *ev)
{
    const bool root = op->kind == WR_OP_PUSH_ROOT;
    uint8_t *side = wr_op_side_bytes(r, op);

    if (ev->stored.status == WR_STATUS_BUSY) {
        op->until_ms = wr_op_ms(op, c, WR_BUSY_RETRY_MS);
        wr_op_run(r, c, op);
        return;
    }
    if (ev->stored.status != WR_STATUS_OK ||
        (root && ev->stored.record.n > WR_SIDE_BYTES)) {
        const bool gone = ev->stored.status == WR_STATUS_NO;

        wr_outbox_release(c->out, ev->stored.body);
        wr_op_free(r, c, op);
        wr_push_ended(r, c, gone);
        return;
    }
    if (root) {
        op->version = ev->stored.version;
        op->side_n = (uint16_t)ev->stored.record.n;
        memcpy(side, ev->stored.record.p, ev->stored.record.n);
    } else {
        op->body = ev->stored.body;
        op->hash = ev->stored.hash;
        if (ev->stored.refs_n > 0)
            op->put = ev->stored.refs[0];
        if (side != NULL && ev->stored.refs_n > 0) {
            const size_t most = WR_SIDE_BYTES / sizeof(op->put);
            const size_t n =
                ev->stored.refs_n < most ? ev->stored.refs_n : most;

            op->side_n = (uint16_t)n;
            memcpy(side, ev->stored.refs, n * sizeof(op->put));
        }
    }
    wr_put_begin(r, c, op);
}

void wr_push_ended(struct wr_replica *r, struct wr_core *c, bool ok)
{
    struct wr_push *p = &r->push;

    WR_CHECK(p->open > 0);
    p->open--;
    if (ok)
        p->handed++;
    else
        p->failed = true;
    struct wr_fx *fx =
        wr_core_note(c, WR_NOTE_PUSH_PROGRESS, c->cfg->self, WR_NO_REF);
    if (fx != NULL)
        fx->note.value = p->handed;
    wr_push_advance(r, c);
}

void wr_replica_leave(struct wr_replica *r, struct wr_core *c, wr_token token)
{
    if (r->push.active) {
        wr_core_done(c, token, WR_STATUS_BUSY);
        return;
    }
    r->push = (struct wr_push){.active = true,
                               .closed = true,
                               .token = token,
                               .stalled_until = WR_NEVER,
                               .batch = r->push.batch,
                               .batch_cap = r->push.batch_cap};
    wr_push_advance(r, c);
}

void wr_replica_stay(struct wr_replica *r)
{
    r->push.closed = false;
}

void wr_replica_close(struct wr_replica *r)
{
    r->push.closed = true;
}

void wr_push_tick(struct wr_replica *r, struct wr_core *c)
{
    if (r->push.active && c->now >= r->push.stalled_until)
        wr_push_advance(r, c);
}
