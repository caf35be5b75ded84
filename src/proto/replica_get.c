/* replica_get.c - reading: from any copy, wherever it is. Rules
 * D8, D9 and D14 of docs/protocol.md. */
#include "proto/replica_op.h"
#include "proto/verdict.h"

enum { WIDE_WINDOW = 4 /* Hosts asked at a time beyond the replica set. */ };

static void end(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                struct wr_msg *m)
{
    if (op->asker == WR_NO_HOST) {
        wr_mend_got(r, c, op, m);
        return;
    }
    m->from = m->to = WR_MEMBER_NONE;
    m->rid = op->back;
    if (op->kind == WR_OP_GET) {
        m->kind = WR_MSG_DATA;
        m->data.digest = op->key;
        c->count->gets_failed_total += m->data.status != WR_STATUS_OK;
    } else {
        m->kind = WR_MSG_ROOT;
        m->root.position = op->key;
        c->count->gets_failed_total += m->root.status != WR_STATUS_OK;
    }
    wr_outbox_send(c->out, op->asker, m);
    wr_op_free(r, c, op);
}

/* Nobody asked but we ourselves, for a verdict (D17). */
static bool is_proof(const struct wr_op *op)
{
    return op->asker == WR_NO_HOST && op->kind == WR_OP_ROOT_GET;
}

static struct wr_span seen(struct wr_replica *r, const struct wr_op *op)
{
    return (struct wr_span){.p = wr_op_side_bytes(r, op), .n = op->side_n};
}

static struct wr_proof proof_of(struct wr_replica *r, const struct wr_core *c,
                                const struct wr_op *op)
{
    const uint32_t n = wr_replica_copies(r, c, 0);

    return (struct wr_proof){.record = seen(r, op),
                             .hosts = op->with,
                             .copies = n,
                             .durable = wr_replica_durable(n, 0)};
}

static void end_proof(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                      bool all)
{
    uint8_t bytes[WR_SIDE_BYTES];
    const uint32_t slot = (uint32_t)op->back;
    struct wr_proof p = proof_of(r, c, op);

    memcpy(bytes, p.record.p, p.record.n);
    p.record.p = bytes;
    p.all = all;
    wr_op_free(r, c, op);
    r->proven_fn(c, slot, &p);
}

/* Whom to ask: our own store, the replica set, the hosts that follow, all. */

/* Targets from `first` on by round trip, the unknown last: the best expected
 * time among hosts that are equally likely to have it. */
static void nearest_first(struct wr_replica *r, struct wr_core *c,
                          struct wr_op *op, unsigned first)
{
    struct wr_target *t = wr_op_targets(r, op);

    for (unsigned i = first + 1; i < op->targets_n; i++)
        for (unsigned k = i; k > first; k--) {
            const wr_time a = r->sight->rtt(c, t[k - 1].host);
            const wr_time b = r->sight->rtt(c, t[k].host);

            if (b == 0 || (a != 0 && a <= b))
                break;
            const struct wr_target swap = t[k];
            t[k] = t[k - 1];
            t[k - 1] = swap;
        }
}

static void add_set(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                    const wr_host *v, size_t n)
{
    const unsigned first = op->targets_n;

    for (size_t i = 0; i < n; i++)
        if (!r->sight->left(c, v[i])) /* Somebody may still name it. */
            (void)wr_op_add(r, op, v[i]);
    nearest_first(r, c, op, first);
}

/* Another number once somebody became known, or has left. */
static uint32_t roster_now(const struct wr_replica *r, const struct wr_core *c)
{
    return (uint32_t)r->sight->known(c) + r->sight->gone(c);
}

/* Who said no makes room for others. False if nobody has. */
static bool make_room(struct wr_replica *r, struct wr_op *op)
{
    struct wr_target *t = wr_op_targets(r, op);
    const uint8_t before = op->targets_n;

    op->targets_n = 0;
    for (unsigned i = 0; i < before; i++)
        if (t[i].state != WR_TARGET_NO)
            t[op->targets_n++] = t[i];
    return op->targets_n < before;
}

/* Who left may have handed it to one that had said no: all are asked anew, and
 * what is still on its way from before answers nothing any more. */
static void ask_anew(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    struct wr_target *t = wr_op_targets(r, op);

    for (unsigned i = 0; i < op->targets_n; i++) {
        if (t[i].state == WR_TARGET_NO || t[i].state == WR_TARGET_LATE)
            t[i] =
                (struct wr_target){.host = t[i].host, .until_ms = UINT32_MAX};
    }
    op->answered = op->with = 0;
    op->id = wr_replica_id(c, WR_TABLE_OP, wr_replica_slot(op->id));
    op->roster = roster_now(r, c);
    op->at = 0;
}

/* Adds the admitted hosts that come next in the roster, as many as there is
 * room for. False if that is none. */
static bool add_admitted(struct wr_replica *r, struct wr_core *c,
                         struct wr_op *op)
{
    bool more = false;

    for (;;) {
        uint32_t next = op->at;
        const wr_host h = r->sight->admitted_next(c, &next);

        if (h == WR_NO_HOST)
            return more;
        if (wr_op_target(r, op, h) != NULL) {
            op->at = next;
        } else if (wr_op_add(r, op, h) != NULL) {
            op->at = next;
            more = true;
        } else if (more || !make_room(r, op)) {
            return more;
        }
    }
}

/* Every host that we know of, clockwise from the key, then the admitted ones
 * that nobody mentioned: absence needs all of them. And all once more if the
 * roster has changed meanwhile. False if that makes nobody to ask. */
static bool widen(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    const unsigned before = op->targets_n;
    const bool again = op->roster != roster_now(r, c);
    wr_host v[WR_READ_HOSTS];

    if (again)
        ask_anew(r, c, op);
    if (!op->widened)
        for (size_t i = 0, n = wr_routes_clockwise(r->routes, c, &op->key, v,
                                                   WR_READ_HOSTS);
             i < n; i++)
            if (!r->sight->left(c, v[i]))
                (void)wr_op_add(r, op, v[i]);
    op->widened = true;
    if (again || op->targets_n > before)
        return true;
    return add_admitted(r, c, op);
}

/* Tallies and ends. */

struct tally {
    unsigned fresh;   /* Not asked yet. */
    unsigned pending; /* Asked, within their patience. */
    unsigned late;    /* Beyond it, or busy: may still answer. */
    unsigned yes;     /* head: have it. */
    unsigned silent;  /* Or failed: what they have is not known. */
};

static struct tally tally_of(struct wr_replica *r, const struct wr_op *op)
{
    const struct wr_target *t = wr_op_targets(r, op);
    struct tally n = {0};

    for (unsigned i = 0; i < op->targets_n; i++) {
        switch ((enum wr_target_state)t[i].state) {
        case WR_TARGET_NEW:
            n.fresh++;
            break;
        case WR_TARGET_ASKED:
            n.pending++;
            break;
        case WR_TARGET_LATE:
        case WR_TARGET_WAIT:
            n.late++;
            break;
        case WR_TARGET_YES:
            n.yes++;
            break;
        case WR_TARGET_SILENT:
        case WR_TARGET_FAILED:
            n.silent++;
            break;
        case WR_TARGET_NO:
            break;
        }
    }
    return n;
}

static uint8_t list(struct wr_replica *r, const struct wr_op *op, bool holders,
                    wr_host ret[WR_READ_HOSTS])
{
    const struct wr_target *t = wr_op_targets(r, op);
    uint8_t n = 0;

    for (unsigned i = 0; i < op->targets_n; i++) {
        const bool yes = t[i].state == WR_TARGET_YES;
        const bool no = t[i].state == WR_TARGET_NO;

        if (holders ? yes : !yes && !no)
            ret[n++] = t[i].host;
    }
    return n;
}

/* Some of which made room, where hosts are many. */
static uint8_t asked(const struct wr_replica *r, const struct wr_core *c,
                     const struct wr_op *op)
{
    const size_t all = op->at > 0 ? r->sight->admitted(c) : 0;
    const size_t n = all > op->targets_n ? all : op->targets_n;

    return n < UINT8_MAX ? (uint8_t)n : UINT8_MAX;
}

/* "Not found" only if `all` were asked and everybody who could have it said so;
 * else who did not answer. */
static void end_absent(struct wr_replica *r, struct wr_core *c,
                       struct wr_op *op, bool all)
{
    wr_host silent[WR_READ_HOSTS];
    const uint8_t n = list(r, op, false, silent);
    uint32_t at = op->at;
    const bool sure =
        all && n == 0 && r->sight->admitted_next(c, &at) == WR_NO_HOST &&
        r->sight->joined(c) && (!op->blind || r->sight->admitted(c) > 0);
    const uint8_t status = sure ? WR_STATUS_NO : (uint8_t)WR_STATUS_UNREACHABLE;
    struct wr_msg m = {.kind = 0};

    if (is_proof(op)) {
        end_proof(r, c, op, sure);
        return;
    }
    if (op->kind == WR_OP_GET) {
        m.data.status = status;
        m.data.asked = asked(r, c, op);
        m.data.down = n;
        m.data.hosts_n = n;
        m.data.hosts = silent;
        m.data.hash = op->hash;
    } else {
        m.root.status = status;
    }
    end(r, c, op, &m);
}

static void end_head(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                     const struct tally *tally)
{
    wr_host holders[WR_READ_HOSTS];
    struct wr_msg m = {.kind = 0};

    m.data.status = WR_STATUS_OK;
    m.data.copies = (uint8_t)tally->yes;
    m.data.asked = asked(r, c, op);
    m.data.down = (uint8_t)(tally->silent + tally->late);
    m.data.hash = op->hash;
    m.data.len = op->body.len;
    m.data.hosts_n = list(r, op, true, holders);
    m.data.hosts = holders;
    end(r, c, op, &m);
}

/* The record with the highest version that was seen. */
static void end_root(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    struct wr_msg m = {.kind = 0};

    if (is_proof(op)) {
        end_proof(r, c, op, false);
        return;
    }
    m.root.status = WR_STATUS_OK;
    /* Everybody may have been asked; the field holds a set's worth (M7). */
    m.root.copies = op->answered < WR_COPIES_MAX ? op->answered : WR_COPIES_MAX;
    m.root.version = op->version;
    m.root.record = seen(r, op);
    end(r, c, op, &m);
}

/* Running. */

/* How many may be pending: a chunk is asked of one holder at a time, what is
 * small or only counted of the whole set at once; beyond the set, where the
 * likely answer is no, of a few. */
static unsigned window(struct wr_replica *r, struct wr_core *c,
                       const struct wr_op *op)
{
    const unsigned set = wr_replica_copies(r, c, 0);

    if (op->head || op->kind == WR_OP_ROOT_GET)
        return set > WIDE_WINDOW ? set : WIDE_WINDOW;
    return op->widened ? WIDE_WINDOW : 1;
}

static void ask_more(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                     unsigned pending)
{
    struct wr_target *t = wr_op_targets(r, op);
    const unsigned most = window(r, c, op);

    for (unsigned i = 0; i < op->targets_n && pending < most; i++) {
        if (t[i].state != WR_TARGET_NEW)
            continue;
        if (r->sight->dead(c, t[i].host)) {
            t[i].state = WR_TARGET_SILENT;
            continue;
        }
        wr_op_ask(r, c, op, &t[i]);
        pending++;
    }
}

/* `t` said what it has. It may say so twice. */
static void said(struct wr_op *op, struct wr_target *t)
{
    if (t->state != WR_TARGET_NO && op->answered < UINT8_MAX)
        op->answered++;
    t->state = WR_TARGET_NO;
}

/* Nobody else has it: who is held for dead may be back, and is asked once.
 * False if all of them were. */
static bool ask_dead(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    struct wr_target *t = wr_op_targets(r, op);
    bool any = false;

    for (unsigned i = 0; i < op->targets_n; i++) {
        if (t[i].state != WR_TARGET_SILENT || t[i].tries > 0)
            continue;
        wr_op_ask(r, c, op, &t[i]);
        any = true;
    }
    return any;
}

/* Enough is read to say that the put goes on, or ended for good. */
static bool is_judged(struct wr_replica *r, const struct wr_core *c,
                      const struct wr_op *op, bool set_asked)
{
    const struct wr_proof p = proof_of(r, c, op);

    /* Also of a live one: who slept may not know that it was given up. */
    return op->side_n > 0 && set_asked && wr_proof_suffices(&p) &&
           wr_verdict_weigh(c, p.record) != WR_WEIGHT_STALE;
}

/* A root record is read from two hosts at least, for one alone may have slept
 * through the last version; from all where there are fewer. */
static bool root_known(struct wr_replica *r, const struct wr_core *c,
                       const struct wr_op *op, const struct tally *t)
{
    const bool all = t->fresh == 0 && t->pending == 0;

    if (is_proof(op))
        return is_judged(r, c, op, all);
    return op->kind == WR_OP_ROOT_GET && op->side_n > 0 &&
           (op->answered >= 2 || all);
}

/* Everybody we thought of has said no or nothing: whom else? False if there is
 * nobody. */
static bool look_farther(struct wr_replica *r, struct wr_core *c,
                         struct wr_op *op)
{
    if (!op->looked_up) {
        op->looked_up = true;
        wr_op_find(r, c, op);
        return true;
    }
    if (!widen(r, c, op))
        return false;
    wr_op_run(r, c, op);
    return true;
}

void wr_get_run(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    if (op->phase != WR_OP_SPREAD)
        return;
    ask_more(r, c, op, tally_of(r, op).pending);
    const struct tally t = tally_of(r, op);

    if (root_known(r, c, op, &t)) {
        end_root(r, c, op);
        return;
    }
    if (t.pending > 0 || t.fresh > 0)
        return;
    if (t.yes > 0)
        end_head(r, c, op, &t);
    else if (!look_farther(r, c, op) && !ask_dead(r, c, op) && t.late == 0)
        end_absent(r, c, op, true);
}

void wr_get_found(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                  const struct wr_msg *routed)
{
    wr_host v[WR_SET_MAX];
    size_t n = routed->routed.set_n;

    op->phase = WR_OP_SPREAD;
    op->until_ms = UINT32_MAX;
    op->blind = routed->routed.status != WR_STATUS_OK;
    if (op->blind)
        return;
    if (n > WR_SET_MAX)
        n = WR_SET_MAX;
    for (size_t i = 0; i < n; i++)
        v[i] = wr_ref_host(routed->routed.set[i]);
    add_set(r, c, op, v, n);
}

void wr_get_lost(struct wr_op *op)
{
    op->phase = WR_OP_SPREAD;
    op->until_ms = UINT32_MAX;
    op->blind = true;
}

void wr_get_timeout(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    const struct tally t = tally_of(r, op);

    if (op->kind == WR_OP_ROOT_GET && (is_proof(op) || op->side_n > 0))
        end_root(r, c, op);
    else if (t.yes > 0)
        end_head(r, c, op, &t);
    else
        end_absent(r, c, op, false);
}

/* Answers. */

static void take_chunk(struct wr_replica *r, struct wr_core *c,
                       struct wr_op *op, struct wr_target *t,
                       const struct wr_msg *m)
{
    op->hash = m->data.hash;
    op->body.len = m->data.len;
    if (op->head) {
        t->state = WR_TARGET_YES;
        wr_outbox_release_of(c->out, m);
        wr_op_run(r, c, op);
        return;
    }
    struct wr_msg answer = {.kind = 0};

    op->body = m->data.body; /* Ours until the op is freed. */
    answer.data.status = WR_STATUS_OK;
    answer.data.copies = 1;
    answer.data.hash = m->data.hash;
    answer.data.len = m->data.len;
    answer.data.body = m->data.body;
    end(r, c, op, &answer);
}

static void take_record(struct wr_replica *r, struct wr_op *op,
                        struct wr_target *t, const struct wr_msg *m)
{
    if (t->state != WR_TARGET_NO && op->with < UINT8_MAX)
        op->with++;
    said(op, t); /* The record is ours now. */
    if (op->side_n > 0 && m->root.version <= op->version)
        return;
    op->version = m->root.version;
    op->side_n = (uint16_t)m->root.record.n;
    memcpy(wr_op_side_bytes(r, op), m->root.record.p, m->root.record.n);
}

/* A no counts from one that knows nobody but whom we know: who else there is
 * might have it. Where the two differ they compare their rosters, and the
 * question is put again; the rarer, the longer they have differed. */
static void take_no(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                    struct wr_target *t, uint64_t known)
{
    if (t->host == c->cfg->self || known == r->sight->known(c)) {
        said(op, t);
        return;
    }
    r->sight->compare(c, t->host);
    t->state = WR_TARGET_WAIT;
    t->until_ms = wr_op_ms(op, c, WR_AGREE_MS + wr_op_ms(op, c, 0) / 4);
}

/* Whether what came with OK is no copy of what was asked for, though the driver
 * found it sound: a liar's, of another chunk or record, or none. */
static bool is_other(const struct wr_op *op, const struct wr_msg *m)
{
    if (op->kind == WR_OP_ROOT_GET)
        return m->root.record.n > WR_SIDE_BYTES ||
               !wr_id_eq(&m->root.position, &op->key);
    return !wr_id_eq(&m->data.digest, &op->key) ||
           (!op->head && m->data.body.id == 0);
}

void wr_get_answered(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                     struct wr_target *t, const struct wr_msg *m)
{
    const bool chunk = op->kind == WR_OP_GET;
    const uint8_t status = chunk ? m->data.status : m->root.status;
    const uint32_t retry_ms = chunk ? m->data.retry_ms : m->root.retry_ms;

    wr_replica_unmute(r, t->host);
    if (m->bad_body || status == WR_STATUS_BAD ||
        (status == WR_STATUS_OK && is_other(op, m))) {
        /* No copy: the next host has a better one. */
        c->count->bad_copies_total++;
        wr_core_note(c, WR_NOTE_BAD_COPY, t->host, WR_NO_REF);
        t->state = WR_TARGET_FAILED;
    } else if (status == WR_STATUS_OK && chunk) {
        take_chunk(r, c, op, t, m);
        return;
    } else if (status == WR_STATUS_OK) {
        take_record(r, op, t, m);
    } else if (status == WR_STATUS_NO) {
        take_no(r, c, op, t, chunk ? m->data.known : m->root.known);
    } else if (status == WR_STATUS_BUSY) {
        t->state = WR_TARGET_WAIT;
        t->until_ms = wr_op_ms(op, c, wr_op_retry_ms(retry_ms));
    } else {
        t->state = WR_TARGET_FAILED;
    }
    wr_outbox_release_of(c->out, m);
    wr_op_run(r, c, op);
}

/* A request: a leaf's, or ours, to mend or to judge. */

/* Where the table is dense the set is known without a lookup; else our own
 * store is asked first, and a lookup names the set. */
void wr_get_begin(struct wr_replica *r, struct wr_core *c, struct wr_op *op)
{
    wr_host v[WR_SET_MAX];
    const size_t set = wr_replica_copies(r, c, 0);

    op->roster = roster_now(r, c);
    op->phase = WR_OP_SPREAD;
    if (op->kind == WR_OP_GET && !op->head && op->asker != WR_NO_HOST)
        (void)wr_op_add(r, op, c->cfg->self);
    if (wr_routes_dense(r->routes, c))
        add_set(r, c, op, v,
                wr_routes_clockwise(r->routes, c, &op->key, v, set));
    wr_op_run(r, c, op);
}

void wr_get_recv(struct wr_replica *r, struct wr_core *c, wr_host from,
                 const struct wr_msg *m)
{
    const bool root = m->kind == WR_MSG_ROOT_GET;
    struct wr_op *op = wr_op_new(r, c, root ? WR_OP_ROOT_GET : WR_OP_GET, from,
                                 m->rid, WR_LEVEL_LEAF);

    if (op == NULL) {
        wr_replica_refuse(c, from, m, WR_STATUS_BUSY);
        return;
    }
    c->count->gets_total++;
    op->key = root ? m->root.position : m->get.digest;
    op->hash = root ? 0 : m->get.hash;
    op->head = !root && m->get.head;
    wr_get_begin(r, c, op);
}

bool wr_get_yields(struct wr_replica *r, struct wr_core *c)
{
    for (uint32_t i = 0; i < r->ops_cap; i++) {
        struct wr_op *op = &r->ops[i];

        if (op->phase == WR_OP_FREE || !is_proof(op))
            continue;
        op->side_n = 0; /* Half a proof is none. */
        end_proof(r, c, op, false);
        return true;
    }
    return false;
}

bool wr_replica_prove(struct wr_replica *r, struct wr_core *c,
                      const struct wr_id *position, uint32_t slot,
                      wr_proven_fn *fn)
{
    struct wr_op *op =
        !wr_op_spare(r)
            ? NULL
            : wr_op_new(r, c, WR_OP_ROOT_GET, WR_NO_HOST, slot, WR_LEVEL_LEAF);

    if (op == NULL)
        return false;
    r->proven_fn = fn;
    op->key = *position;
    wr_get_begin(r, c, op);
    return true;
}
