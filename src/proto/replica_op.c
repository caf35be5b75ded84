/* replica_op.c - ops of every kind: slots, targets, patience. */
#include "proto/replica_op.h"

uint64_t wr_replica_id(struct wr_core *c, enum wr_replica_table t,
                       uint32_t slot)
{
    WR_CHECK(slot < 1u << WR_SLOT_BITS);
    return wr_rng_next(c->rng) << 16 | (uint64_t)t << WR_SLOT_BITS | slot;
}

static uint32_t slot_of(const struct wr_replica *r, const struct wr_op *op)
{
    return (uint32_t)(op - r->ops);
}

/* Ops that are no owner's work may fill three quarters of the table. */
static uint32_t leaf_share(const struct wr_replica *r)
{
    const uint32_t most = r->ops_cap - (r->ops_cap + 3) / 4;

    return most > 0 ? most : 1;
}

enum { WR_OPS_GREED = 4 };

/* A greedy leaf finds the table full before others do: of four fifths it keeps
 * its hands off the rest, of two each gets four ninths, and so on (dynamic
 * thresholds: Choudhury and Hahne, 1998). Looked at from half full on. */
static bool takes_too_much(const struct wr_replica *r, wr_host asker)
{
    const uint32_t most = leaf_share(r), free = most - r->leaf_ops;
    uint32_t held = 0;

    if (!wr_host_is_leaf(asker) || r->leaf_ops < most / 2)
        return false;
    for (uint32_t i = 0; i < r->ops_cap; i++)
        held += r->ops[i].phase != WR_OP_FREE && r->ops[i].asker == asker;
    return held >= WR_OPS_GREED * free;
}

bool wr_op_spare(const struct wr_replica *r)
{
    return r->leaf_ops + 2 <= leaf_share(r);
}

static bool has_record(enum wr_op_kind kind)
{
    return kind == WR_OP_ROOT_PUT || kind == WR_OP_PUSH_ROOT ||
           kind == WR_OP_ROOT_GET;
}

struct wr_op *wr_op_new(struct wr_replica *r, struct wr_core *c,
                        enum wr_op_kind kind, wr_host asker, uint64_t back,
                        enum wr_level level)
{
    const bool leaf = level != WR_LEVEL_OWNER;

    if (!leaf || (r->leaf_ops < leaf_share(r) && !takes_too_much(r, asker))) {
        for (uint32_t i = 0; i < r->ops_cap; i++) {
            if (r->ops[i].phase != WR_OP_FREE)
                continue;
            r->ops[i] = (struct wr_op){
                .id = wr_replica_id(c, WR_TABLE_OP, i),
                .back = back,
                .born = c->now,
                .asker = asker,
                .mute = WR_NO_HOST,
                .kind = (uint8_t)kind,
                .phase = WR_OP_LOAD,
                .level = (uint8_t)level,
                .until_ms = UINT32_MAX,
                .leaf_share = leaf,
            };
            r->leaf_ops += leaf;
            if (!has_record(kind) || wr_op_side(r, &r->ops[i]))
                return &r->ops[i];
            wr_op_free(r, c, &r->ops[i]);
            return NULL;
        }
    }
    if (leaf && asker != WR_NO_HOST && wr_get_yields(r, c))
        return wr_op_new(r, c, kind, asker, back, level);
    c->count->ops_full_total++;
    return NULL;
}

void wr_op_free(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    WR_CHECK(op->phase != WR_OP_FREE);
    wr_outbox_release(c->out, op->body);
    if (op->side > 0)
        r->sides_used[op->side - 1] = false;
    r->leaf_ops -= op->leaf_share;
    r->due[slot_of(r, op)] = WR_NEVER;
    *op = (struct wr_op){.phase = WR_OP_FREE};
}

struct wr_op *wr_op_find_id(struct wr_replica *r, uint64_t id)
{
    const uint32_t slot = wr_replica_slot(id);

    if (slot >= r->ops_cap || r->ops[slot].phase == WR_OP_FREE ||
        r->ops[slot].id != id)
        return NULL;
    return &r->ops[slot];
}

bool wr_op_side(struct wr_replica *r, struct wr_op *op)
{
    WR_CHECK(op->side == 0);
    for (uint32_t i = 0; i < r->sides_cap; i++) {
        if (r->sides_used[i])
            continue;
        r->sides_used[i] = true;
        op->side = (uint8_t)(i + 1);
        return true;
    }
    return false;
}

uint8_t *wr_op_side_bytes(struct wr_replica *r, const struct wr_op *op)
{
    return op->side == 0 ? NULL : r->sides[op->side - 1];
}

struct wr_target *wr_op_targets(struct wr_replica *r, const struct wr_op *op)
{
    return &r->targets[(size_t)slot_of(r, op) * r->targets_cap];
}

struct wr_target *wr_op_target(struct wr_replica *r, const struct wr_op *op,
                               wr_host h)
{
    struct wr_target *t = wr_op_targets(r, op);

    for (unsigned i = 0; i < op->targets_n; i++)
        if (t[i].host == h)
            return &t[i];
    return NULL;
}

struct wr_target *wr_op_add(struct wr_replica *r, struct wr_op *op, wr_host h)
{
    struct wr_target *t = wr_op_target(r, op, h);

    if (t != NULL || op->targets_n == r->targets_cap)
        return t;
    t = &wr_op_targets(r, op)[op->targets_n++];
    *t = (struct wr_target){.host = h, .until_ms = UINT32_MAX};
    return t;
}

/* The mute. */

static struct wr_mute *mute_of(struct wr_replica *r, wr_host h)
{
    for (uint32_t i = 0; i < r->mutes_cap; i++)
        if (r->mutes[i].ms > 0 && r->mutes[i].host == h)
            return &r->mutes[i];
    return NULL;
}

bool wr_replica_is_mute(const struct wr_replica *r, const struct wr_core *c,
                        wr_host h)
{
    for (uint32_t i = 0; i < r->mutes_cap; i++)
        if (r->mutes[i].ms > 0 && r->mutes[i].host == h)
            return c->now < r->mutes[i].until;
    return false;
}

void wr_replica_mute(struct wr_replica *r, const struct wr_core *c, wr_host h)
{
    struct wr_mute *m = mute_of(r, h), *oldest = &r->mutes[0];

    if (m != NULL && c->now < m->until)
        return; /* Several requests found it out. */
    for (uint32_t i = 1; i < r->mutes_cap; i++)
        if (r->mutes[i].until < oldest->until)
            oldest = &r->mutes[i];
    if (m == NULL) {
        m = oldest;
        *m = (struct wr_mute){.host = h};
    }
    m->ms = m->ms == 0 ? WR_MUTE_MS : m->ms * 2;
    if (m->ms > WR_MUTE_MOST_MS)
        m->ms = WR_MUTE_MOST_MS;
    m->until = c->now + WR_MS(m->ms);
}

void wr_replica_unmute(struct wr_replica *r, wr_host h)
{
    struct wr_mute *m = mute_of(r, h);

    if (m != NULL)
        *m = (struct wr_mute){0};
}

/* Time. */

uint32_t wr_op_ms(const struct wr_op *op, const struct wr_core *c,
                  uint32_t ms_from_now)
{
    return (uint32_t)((c->now - op->born + 999) / 1000) + ms_from_now;
}

static wr_time time_of(const struct wr_op *op, uint32_t ms)
{
    return ms == UINT32_MAX ? WR_NEVER : op->born + WR_MS(ms);
}

static bool over(const struct wr_op *op, const struct wr_core *c, uint32_t ms)
{
    return time_of(op, ms) <= c->now;
}

static bool waits(const struct wr_target *t)
{
    return t->state == WR_TARGET_ASKED || t->state == WR_TARGET_LATE ||
           t->state == WR_TARGET_WAIT;
}

static void settle(struct wr_replica *r, const struct wr_core *c,
                   const struct wr_op *op)
{
    const struct wr_target *t = wr_op_targets(r, op);
    wr_time due = op->born + c->cfg->request_us;

    if (op->phase == WR_OP_FREE)
        return;
    due = wr_time_min(due, time_of(op, op->until_ms));
    for (unsigned i = 0; i < op->targets_n; i++)
        if (waits(&t[i]))
            due = wr_time_min(due, time_of(op, t[i].until_ms));
    r->due[slot_of(r, op)] = due;
    r->due_first = wr_time_min(r->due_first, due);
}

void wr_op_run(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    if (wr_op_is_get(op))
        wr_get_run(r, c, op);
    else
        wr_put_run(r, c, op);
    settle(r, c, op);
}

/* Asking. */

static struct wr_msg root_msg(struct wr_replica *r, const struct wr_op *op,
                              enum wr_msg_kind kind, enum wr_level level)
{
    struct wr_msg m = wr_msg_of(kind, op->id);

    m.root.level = (uint8_t)level;
    m.root.copies = op->copies;
    m.root.durable = op->durable;
    m.root.position = op->key;
    if (kind == WR_MSG_ROOT_PUT) {
        m.root.version = op->version;
        m.root.record =
            (struct wr_span){.p = wr_op_side_bytes(r, op), .n = op->side_n};
    }
    return m;
}

/* A leaving host's further put ids follow the chunk one by one. */
static struct wr_msg ref_msg(struct wr_replica *r, const struct wr_op *op)
{
    struct wr_msg m = wr_msg_of(WR_MSG_HAVE, op->id);

    m.have.level = WR_LEVEL_COPY;
    m.have.n = 1;
    m.have.digests = &op->key;
    memcpy(&m.have.put,
           wr_op_side_bytes(r, op) + (size_t)op->ref * sizeof(m.have.put),
           sizeof(m.have.put));
    return m;
}

static struct wr_msg put_msg(const struct wr_op *op, enum wr_level level)
{
    struct wr_msg m = wr_msg_of(WR_MSG_PUT, op->id);

    m.put.level = (uint8_t)level;
    m.put.copies = op->copies;
    m.put.durable = op->durable;
    m.put.hash = op->hash;
    m.put.put = op->put;
    m.put.digest = op->key;
    m.put.body = op->body;
    return m;
}

static struct wr_msg get_msg(const struct wr_op *op)
{
    struct wr_msg m = wr_msg_of(WR_MSG_GET, op->id);

    m.get.level = WR_LEVEL_COPY;
    m.get.head = op->head;
    m.get.hash = op->hash;
    m.get.digest = op->key;
    return m;
}

static void ask_other(struct wr_replica *r, struct wr_core *c,
                      const struct wr_op *op, wr_host to)
{
    const enum wr_level level =
        op->phase == WR_OP_OWNER ? WR_LEVEL_OWNER : WR_LEVEL_COPY;
    struct wr_msg m;

    switch ((enum wr_op_kind)op->kind) {
    case WR_OP_PUT:
        m = put_msg(op, level);
        break;
    case WR_OP_PUSH:
        m = op->ref > 0 ? ref_msg(r, op) : put_msg(op, level);
        break;
    case WR_OP_ROOT_PUT:
    case WR_OP_PUSH_ROOT:
        m = root_msg(r, op, WR_MSG_ROOT_PUT, level);
        break;
    case WR_OP_GET:
        m = get_msg(op);
        break;
    case WR_OP_ROOT_GET:
        m = root_msg(r, op, WR_MSG_ROOT_GET, WR_LEVEL_COPY);
        break;
    default:
        WR_UNREACHABLE();
    }
    wr_outbox_send(c->out, to, &m);
}

static enum wr_fx_kind store_fx(const struct wr_op *op)
{
    switch ((enum wr_op_kind)op->kind) {
    case WR_OP_PUT:
        return WR_FX_STORE_PUT;
    case WR_OP_ROOT_PUT:
        return WR_FX_STORE_ROOT_PUT;
    case WR_OP_PUSH:
    case WR_OP_GET:
        return WR_FX_STORE_GET;
    case WR_OP_PUSH_ROOT:
    case WR_OP_ROOT_GET:
        return WR_FX_STORE_ROOT_GET;
    }
    WR_UNREACHABLE();
}

static void ask_store(struct wr_replica *r, struct wr_core *c,
                      const struct wr_op *op)
{
    struct wr_fx *fx = wr_outbox_push(c->out, store_fx(op));

    if (fx == NULL)
        return;
    fx->store.token = op->id;
    fx->store.digest = op->key;
    fx->store.hash = op->hash;
    fx->store.head = op->head;
    if (op->kind == WR_OP_PUT) {
        fx->store.put = op->put;
        fx->store.body = op->body;
    }
    if (op->kind == WR_OP_ROOT_PUT &&
        !wr_fx_store_record(
            c->out, fx, op->version,
            (struct wr_span){.p = wr_op_side_bytes(r, op), .n = op->side_n}))
        c->out->n--; /* The op's deadline sees to it. */
}

/* Patience: the round trip, and the time for what is asked for; doubled with
 * each further try. Our own store always answers. */
static uint32_t patience_ms(const struct wr_replica *r, const struct wr_core *c,
                            const struct wr_op *op, const struct wr_target *t)
{
    const wr_time rtt = r->sight->patience(c, t->host);
    const uint32_t grace = wr_op_is_get(op) ? WR_HEDGE_MS : WR_DATA_GRACE_MS;

    return ((uint32_t)(rtt / 1000) + grace) << (t->tries - 1u);
}

void wr_op_ask(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
               struct wr_target *t)
{
    t->state = WR_TARGET_ASKED;
    t->tries++;
    if (t->host == c->cfg->self) {
        t->until_ms = UINT32_MAX;
        ask_store(r, c, op);
        return;
    }
    t->until_ms = wr_op_ms(op, c, patience_ms(r, c, op, t));
    ask_other(r, c, op, t->host);
}

/* A target let us wait. A reader turns to others at once and listens on; after
 * WR_DATA_TRIES sends it is silent. */
static void expire(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                   struct wr_target *t)
{
    const struct wr_sight *s = r->sight;

    if (t->state == WR_TARGET_WAIT) {
        t->state = WR_TARGET_NEW;
        t->tries = 0;
        return;
    }
    if (s->dead(c, t->host) || t->tries >= WR_DATA_TRIES) {
        t->state = WR_TARGET_SILENT;
        s->silent(c, t->host);
        if (!s->dead(c, t->host))
            wr_replica_mute(r, c, t->host);
        return;
    }
    if (wr_op_is_get(op) && t->state == WR_TARGET_ASKED) {
        t->state = WR_TARGET_LATE;
        t->until_ms = wr_op_ms(op, c, WR_DATA_GRACE_MS);
        return;
    }
    const uint8_t was = t->state;
    wr_op_ask(r, c, op, t);
    t->state = was;
}

/* Looking up. */

void wr_op_pause(struct wr_core *c, struct wr_op *op, uint32_t ms)
{
    op->phase = WR_OP_PAUSE;
    op->until_ms = wr_op_ms(op, c, ms);
}

static void find_now(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    op->phase = WR_OP_FIND;
    op->until_ms =
        wr_op_is_get(op) ? wr_op_ms(op, c, WR_FIND_READ_MS) : UINT32_MAX;
    op->finds = op->finds < UINT8_MAX ? (uint8_t)(op->finds + 1) : UINT8_MAX;
    wr_lookups_start(r->lookups, c, &op->key, false, WR_LOOKUP_DATA, op->id);
}

void wr_op_find(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    if (op->finds > 0 && !wr_op_is_get(op))
        wr_op_pause(c, op, WR_FIND_PAUSE_MS);
    else
        find_now(r, c, op);
}

/* The end of a lookup; an op that did not wait for it is over. */
static void found(void *arg, struct wr_core *c, wr_token token,
                  const struct wr_msg *routed)
{
    struct wr_replica *r = arg;
    struct wr_op *op = wr_op_find_id(r, token);

    if (wr_replica_table(token) == WR_TABLE_HAVE) {
        wr_have_found(r, c, token, routed);
        return;
    }
    if (op == NULL || op->phase != WR_OP_FIND)
        return;
    if (wr_op_is_get(op))
        wr_get_found(r, c, op, routed);
    else
        wr_put_found(r, c, op, routed);
    wr_op_run(r, c, op);
}

/* Ticking. */

static void tick_op(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    struct wr_target *t = wr_op_targets(r, op);

    if (c->now >= op->born + c->cfg->request_us) {
        if (wr_op_is_get(op))
            wr_get_timeout(r, c, op);
        else
            wr_put_timeout(r, c, op);
        return;
    }
    for (unsigned i = 0; i < op->targets_n; i++)
        if (waits(&t[i]) && over(op, c, t[i].until_ms))
            expire(r, c, op, &t[i]);
    if (op->phase == WR_OP_LOAD && over(op, c, op->until_ms))
        wr_push_load(c, op);
    if (op->phase == WR_OP_FIND && over(op, c, op->until_ms))
        wr_get_lost(op);
    if (op->phase == WR_OP_PAUSE && over(op, c, op->until_ms)) {
        find_now(r, c, op); /* May have come to its end in there. */
        settle(r, c, op);
        return;
    }
    wr_op_run(r, c, op);
}

void wr_replica_tick(struct wr_replica *r, struct wr_core *c)
{
    if (c->now >= r->due_first) {
        for (uint32_t i = 0; i < r->ops_cap; i++)
            if (c->now >= r->due[i])
                tick_op(r, c, &r->ops[i]);
        r->due_first = WR_NEVER;
        for (uint32_t i = 0; i < r->ops_cap; i++)
            r->due_first = wr_time_min(r->due_first, r->due[i]);
    }
    wr_have_tick(r, c);
    wr_push_tick(r, c);
}

wr_time wr_replica_deadline(const struct wr_replica *r)
{
    const wr_time t = wr_time_min(wr_have_deadline(r), r->push.stalled_until);

    return wr_time_min(t, r->due_first);
}

void wr_replica_link_down(struct wr_replica *r, struct wr_core *c, wr_host h)
{
    for (uint32_t i = 0; i < r->ops_cap; i++) {
        struct wr_op *op = &r->ops[i];
        struct wr_target *t;

        if (op->phase == WR_OP_FREE)
            continue;
        t = wr_op_target(r, op, h);
        if (t == NULL || !waits(t))
            continue;
        t->until_ms = 0;
        r->due[i] = c->now;
        r->due_first = wr_time_min(r->due_first, c->now);
    }
    wr_have_link_down(r, c, h);
}

void wr_op_register(struct wr_replica *r)
{
    r->lookups->data_fn = found;
    r->lookups->data_arg = r;
}
