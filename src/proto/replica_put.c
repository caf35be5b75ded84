/* replica_put.c - writing: chunks and root records, for a leaf, as an owner,
 * and on the way out (docs/protocol.md, D2 to D5, D13, D15). */
#include "proto/replica_op.h"

static void answer(struct wr_core *c, const struct wr_op *op,
                   enum wr_status status, unsigned copies)
{
    const uint32_t retry_ms = status == WR_STATUS_BUSY ? WR_BUSY_RETRY_MS : 0;
    const bool root = op->kind == WR_OP_ROOT_PUT;
    struct wr_msg m =
        wr_msg_of(root ? WR_MSG_ROOT_DONE : WR_MSG_PUT_DONE, op->back);

    if (op->asker == WR_NO_HOST)
        return;
    if (!root) {
        m.put_done.status = (uint8_t)status;
        m.put_done.copies = (uint8_t)copies;
        m.put_done.retry_ms = retry_ms;
    } else {
        m.root.status = (uint8_t)status;
        m.root.copies = (uint8_t)copies;
        m.root.position = op->key;
        m.root.version = op->version;
        m.root.retry_ms = retry_ms;
    }
    wr_outbox_send(c->out, op->asker, &m);
}

/* The op is over; `status` is its answer unless one was given before. */
static void end(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                enum wr_status status, unsigned copies)
{
    const bool push = wr_op_is_push(op);
    const bool ok = op->acked || status == WR_STATUS_OK;

    if (!op->acked)
        answer(c, op, status, copies);
    if (!ok && !push)
        c->count->puts_failed_total++;
    wr_op_free(r, c, op);
    if (push)
        wr_push_ended(r, c, ok);
}

/* Spreading: copies at the hosts of the set. */

/* We spread over the hosts that a lookup named, not over those of our own
 * placement list. */
static bool by_lookup(const struct wr_op *op)
{
    return wr_op_is_push(op) || op->stands_in;
}

/* Where the copies belong now: for a key of ours the placement list, for a
 * leaving host the hosts that follow the key, without ourselves; in the place
 * of a mute owner those that it would have asked. */
static size_t belongs(struct wr_replica *r, struct wr_core *c,
                      const struct wr_op *op, wr_host ret[WR_SET_MAX])
{
    wr_ref refs[WR_SET_MAX];
    size_t n = 0;

    if (by_lookup(op)) {
        const struct wr_target *t = wr_op_targets(r, op);

        for (; n < op->targets_n && n < WR_SET_MAX; n++)
            ret[n] = t[n].host;
        return n;
    }
    n = r->sight->place(c, &op->key, refs, WR_SET_MAX);
    for (size_t i = 0; i < n; i++)
        ret[i] = wr_ref_host(refs[i]);
    return n;
}

static uint32_t copies_of(const struct wr_replica *r, const struct wr_core *c,
                          const struct wr_op *op)
{
    const uint32_t n = wr_replica_copies(r, c, op->copies);
    const size_t admitted = r->sight->admitted(c);

    if (wr_op_is_push(op) && admitted > 1 && n > admitted - 1)
        return (uint32_t)(admitted - 1);
    return n;
}

/* All of a leaving host's copies must stand; else w of n. */
static uint32_t durable_of(const struct wr_op *op, uint32_t copies)
{
    if (wr_op_is_push(op))
        return copies;
    return wr_replica_durable(copies, op->durable);
}

struct tally {
    uint32_t durable; /* Copies that stand on the current set. */
    uint32_t pending;
};

/* Sees to n copies: the first n hosts of the set that are neither silent nor
 * failed; each such host is replaced by the next. What stood on a host that
 * does not belong to the set any more does not count ("re-checked"). */
static struct tally spread(struct wr_replica *r, struct wr_core *c,
                           struct wr_op *op, uint32_t copies)
{
    wr_host set[WR_SET_MAX];
    const size_t n = belongs(r, c, op, set);
    struct tally tally = {0};

    for (size_t i = 0; i < n && tally.durable + tally.pending < copies; i++) {
        struct wr_target *t = wr_op_add(r, op, set[i]);

        if (t == NULL)
            break;
        if (t->state == WR_TARGET_NEW &&
            (r->sight->dead(c, t->host) || wr_replica_is_mute(r, c, t->host) ||
             (set[i] == c->cfg->self && r->push.closed)))
            t->state = WR_TARGET_SILENT;
        if (t->state == WR_TARGET_SILENT || t->state == WR_TARGET_FAILED)
            continue;
        if (t->state == WR_TARGET_NEW)
            wr_op_ask(r, c, op, t);
        if (t->state == WR_TARGET_YES)
            tally.durable++;
        else
            tally.pending++;
    }
    return tally;
}

static void start_over(struct wr_replica *r, struct wr_core *c,
                       struct wr_op *op);

/* Nobody is left to ask. Full disks are an answer; silence is not: the silent
 * are asked again until the time is over ("n and w never bend to silence"). */
static void stuck(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                  unsigned durable)
{
    struct wr_target *t = wr_op_targets(r, op);
    bool silent = false;

    for (unsigned i = 0; i < op->targets_n; i++)
        silent = silent || t[i].state == WR_TARGET_SILENT;
    if (wr_op_is_push(op)) {
        op->ref = 0;
        if (++op->tries < WR_PUSH_TRIES)
            start_over(r, c, op);
        else
            end(r, c, op, WR_STATUS_UNREACHABLE, durable);
        return;
    }
    if (!silent && op->worst != WR_STATUS_OK) {
        end(r, c, op, (enum wr_status)op->worst, durable);
        return;
    }
    for (unsigned i = 0; i < op->targets_n; i++)
        if (t[i].state == WR_TARGET_SILENT) {
            wr_replica_unmute(r, t[i].host); /* There is nobody in its place. */
            t[i].state = WR_TARGET_WAIT;
            t[i].tries = 0;
            t[i].until_ms = wr_op_ms(op, c, WR_SPREAD_PAUSE_MS);
        }
    /* The set itself may be short of hosts: look again even so. */
    op->until_ms = wr_op_ms(op, c, WR_SPREAD_PAUSE_MS);
}

/* A leaving host's chunk stands; its next put id goes to the hosts that have
 * it, under a rid of its own. False if there is none. */
static bool next_ref(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    struct wr_target *t = wr_op_targets(r, op);

    if (op->kind != WR_OP_PUSH || op->ref + 1u >= op->side_n)
        return false;
    op->ref++;
    op->id = wr_replica_id(c, WR_TABLE_OP, wr_replica_slot(op->id));
    for (unsigned i = 0; i < op->targets_n; i++) {
        if (t[i].state == WR_TARGET_YES)
            t[i].state = WR_TARGET_NEW;
        t[i].tries = 0;
    }
    return true;
}

static void run_spread(struct wr_replica *r, struct wr_core *c,
                       struct wr_op *op)
{
    const uint32_t copies = copies_of(r, c, op);
    struct tally tally = spread(r, c, op, copies);

    while (tally.durable >= copies && next_ref(r, c, op))
        tally = spread(r, c, op, copies);
    op->until_ms = UINT32_MAX;
    if (!op->acked && tally.durable >= durable_of(op, copies) &&
        !wr_op_is_push(op)) {
        answer(c, op, WR_STATUS_OK, tally.durable);
        op->acked = true;
    }
    if (tally.durable >= copies || (op->acked && tally.pending == 0))
        end(r, c, op, WR_STATUS_OK, tally.durable);
    else if (tally.pending == 0)
        stuck(r, c, op, tally.durable);
}

/* Finding the owner. */

/* Starts over with whoever owns the key now; answers that are still on their
 * way belong to what was before. */
static void start_over(struct wr_replica *r, struct wr_core *c,
                       struct wr_op *op)
{
    op->targets_n = 0;
    op->worst = WR_STATUS_OK;
    op->stands_in = false;
    op->id = wr_replica_id(c, WR_TABLE_OP, wr_replica_slot(op->id));
    wr_op_find(r, c, op);
}

static void go_to_owner(struct wr_replica *r, struct wr_core *c,
                        struct wr_op *op, wr_host owner)
{
    if (owner != c->cfg->self && wr_replica_is_mute(r, c, owner)) {
        op->mute = owner;
        wr_op_find(r, c, op); /* Who else is of the set? */
        return;
    }
    op->until_ms = UINT32_MAX;
    op->targets_n = 0;
    op->phase = WR_OP_SPREAD;
    if (owner != c->cfg->self) {
        op->phase = WR_OP_OWNER;
        (void)wr_op_add(r, op, owner);
    }
}

/* Spreads by itself, over those who follow the key: who leaves without itself,
 * and who stands in for an owner with whoever is of the set. */
static void go_to_followers(struct wr_replica *r, struct wr_core *c,
                            struct wr_op *op, const wr_host *v, size_t n)
{
    op->until_ms = UINT32_MAX;
    op->targets_n = 0;
    op->phase = WR_OP_SPREAD;
    for (size_t i = 0; i < n; i++)
        if (op->stands_in || v[i] != c->cfg->self)
            (void)wr_op_add(r, op, v[i]);
}

/* Straight to the believed owner: no round trip for a lookup; it says
 * NOT_OWNER if the belief is wrong. */
static void begin(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    wr_host hosts[WR_SET_MAX];
    wr_ref owner;

    if (wr_op_is_push(op)) {
        if (!wr_routes_dense(r->routes, c))
            wr_op_find(r, c, op);
        else
            go_to_followers(
                r, c, op, hosts,
                wr_routes_clockwise(r->routes, c, &op->key, hosts, WR_SET_MAX));
    } else if (wr_routes_owner(r->routes, c, &op->key, &owner)) {
        go_to_owner(r, c, op, wr_ref_host(owner));
    } else {
        wr_op_find(r, c, op);
    }
}

void wr_put_found(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                  const struct wr_msg *routed)
{
    wr_host hosts[WR_SET_MAX];
    size_t n = routed->routed.set_n;

    if (routed->routed.status != WR_STATUS_OK) {
        wr_op_pause(c, op, WR_FIND_PAUSE_MS);
        return;
    }
    const wr_host owner = wr_ref_host(routed->routed.owner);

    op->stands_in = !wr_op_is_push(op) && op->level == WR_LEVEL_LEAF &&
                    owner == op->mute && owner != c->cfg->self;
    if (!by_lookup(op)) {
        go_to_owner(r, c, op, owner);
        return;
    }
    if (n > WR_SET_MAX)
        n = WR_SET_MAX;
    for (size_t i = 0; i < n; i++)
        hosts[i] = wr_ref_host(routed->routed.set[i]);
    go_to_followers(r, c, op, hosts, n);
}

static void run_owner(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    struct wr_target *t = wr_op_targets(r, op);

    if (t->state == WR_TARGET_NEW) {
        wr_op_ask(r, c, op, t);
    } else if (t->state == WR_TARGET_SILENT || t->state == WR_TARGET_NO) {
        if (t->state == WR_TARGET_SILENT)
            op->mute = t->host;
        start_over(r, c, op);
    }
}

void wr_put_run(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    wr_ref owner;

    if (op->phase == WR_OP_OWNER) {
        run_owner(r, c, op);
        return;
    }
    if (op->phase != WR_OP_SPREAD)
        return;
    if (by_lookup(op) || r->sight->owns(c, &op->key, &owner))
        run_spread(r, c, op);
    else if (op->acked || op->level == WR_LEVEL_OWNER)
        end(r, c, op, WR_STATUS_NOT_OWNER, 0); /* Lost the range meanwhile. */
    else
        start_over(r, c, op);
}

/* What a target answered. */

static void owner_answered(struct wr_replica *r, struct wr_core *c,
                           struct wr_op *op, struct wr_target *t,
                           enum wr_status status, uint8_t copies)
{
    if (status != WR_STATUS_NOT_OWNER) {
        end(r, c, op, status, copies);
        return;
    }
    t->state = WR_TARGET_NO;
    wr_op_run(r, c, op);
}

static void copy_answered(struct wr_replica *r, struct wr_core *c,
                          struct wr_op *op, struct wr_target *t,
                          enum wr_status status)
{
    if (status == WR_STATUS_UNREACHABLE) { /* It leaves: as good as gone. */
        t->state = WR_TARGET_SILENT;
        wr_op_run(r, c, op);
        return;
    }
    t->state = status == WR_STATUS_OK ? WR_TARGET_YES : WR_TARGET_FAILED;
    if (status != WR_STATUS_OK && op->worst != WR_STATUS_FULL)
        op->worst = (uint8_t)status;
    wr_op_run(r, c, op);
}

void wr_put_answered(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                     struct wr_target *t, enum wr_status status, uint8_t copies,
                     uint32_t retry_ms)
{
    wr_replica_unmute(r, t->host);
    if (status == WR_STATUS_BUSY) {
        t->state = WR_TARGET_WAIT;
        t->until_ms = wr_op_ms(op, c, wr_op_retry_ms(retry_ms));
        wr_op_run(r, c, op);
    } else if (op->phase == WR_OP_OWNER) {
        owner_answered(r, c, op, t, status, copies);
    } else {
        copy_answered(r, c, op, t, status);
    }
}

static unsigned yes_n(struct wr_replica *r, const struct wr_op *op)
{
    const struct wr_target *t = wr_op_targets(r, op);
    unsigned n = 0;

    for (unsigned i = 0; i < op->targets_n; i++)
        n += op->phase == WR_OP_SPREAD && t[i].state == WR_TARGET_YES;
    return n;
}

void wr_put_timeout(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    end(r, c, op, WR_STATUS_UNREACHABLE, yes_n(r, op));
}

/* A request. */

static bool same(const struct wr_op *op, const struct wr_msg *m)
{
    if (m->kind == WR_MSG_ROOT_PUT)
        return op->kind == WR_OP_ROOT_PUT &&
               wr_id_eq(&op->key, &m->root.position) &&
               op->version == m->root.version;
    return op->kind == WR_OP_PUT && wr_id_eq(&op->key, &m->put.digest) &&
           memcmp(&op->put, &m->put.put, sizeof(op->put)) == 0;
}

/* The same request came before and is under way: a parent asks again when our
 * answer takes its time, or was lost. Under its rid another would be
 * acknowledged by what that one stored. */
static struct wr_op *under_way(struct wr_replica *r, wr_host from,
                               const struct wr_msg *m)
{
    for (uint32_t i = 0; i < r->ops_cap; i++)
        if (r->ops[i].phase != WR_OP_FREE && r->ops[i].asker == from &&
            r->ops[i].back == m->rid && same(&r->ops[i], m))
            return &r->ops[i];
    return NULL;
}

static void fill_in(struct wr_replica *r, struct wr_op *op,
                    const struct wr_msg *m)
{
    if (m->kind == WR_MSG_PUT) {
        op->key = m->put.digest;
        op->put = m->put.put;
        op->hash = m->put.hash;
        op->copies = m->put.copies;
        op->durable = m->put.durable;
        op->body = m->put.body;
        return;
    }
    op->key = m->root.position;
    op->version = m->root.version;
    op->copies = m->root.copies;
    op->durable = m->root.durable;
    op->side_n = (uint16_t)m->root.record.n;
    memcpy(wr_op_side_bytes(r, op), m->root.record.p, m->root.record.n);
}

/* WR_STATUS_OK if it may begin. */
static enum wr_status judge(struct wr_replica *r, struct wr_core *c,
                            const struct wr_msg *m)
{
    const bool root = m->kind == WR_MSG_ROOT_PUT;
    const uint8_t level = root ? m->root.level : m->put.level;
    const struct wr_id *key = root ? &m->root.position : &m->put.digest;
    wr_ref owner;

    if (m->bad_body ||
        (root && (m->root.record.n == 0 || m->root.record.n > WR_SIDE_BYTES)))
        return WR_STATUS_BAD;
    if (level == WR_LEVEL_OWNER && !r->sight->owns(c, key, &owner))
        return WR_STATUS_NOT_OWNER;
    return WR_STATUS_OK;
}

void wr_put_recv(struct wr_replica *r, struct wr_core *c, wr_host from,
                 const struct wr_msg *m)
{
    const bool root = m->kind == WR_MSG_ROOT_PUT;
    const uint8_t level = root ? m->root.level : m->put.level;
    const enum wr_status status = judge(r, c, m);
    const struct wr_op *before = under_way(r, from, m);
    struct wr_op *op;

    if (status != WR_STATUS_OK) {
        wr_replica_refuse(c, from, m, status);
        return;
    }
    if (before != NULL) {
        wr_outbox_release_of(c->out, m);
        if (before->acked)
            answer(c, before, WR_STATUS_OK, yes_n(r, before));
        return;
    }
    op = wr_op_new(r, c, root ? WR_OP_ROOT_PUT : WR_OP_PUT, from, m->rid,
                   (enum wr_level)level);
    if (op == NULL) {
        wr_replica_refuse(c, from, m, WR_STATUS_BUSY);
        return;
    }
    c->count->puts_total++;
    fill_in(r, op, m);
    begin(r, c, op);
    wr_op_run(r, c, op);
}

void wr_put_begin(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    begin(r, c, op);
    wr_op_run(r, c, op);
}
