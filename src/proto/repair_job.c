/* repair_job.c - one chunk or root record, with its put ids, on its way to a
 * host, or from it. A chunk's bytes go with its first put id, further ones one
 * by one: each answer says that both are durable. */
#include "crypto/root.h"
#include "proto/peers.h"
#include "proto/repair_parts.h"
#include "proto/verdict.h"

/* A verdict is waited for so long; then the put id counts as live. */
#define WANT_PATIENCE_US WR_SEC(5)

enum { CHUNKS_A_GRACE = 4 };

/* ---- slots --------------------------------------------------------------- */

/* Who asked for something comes first: repair leaves them half of what there
 * is. */
static bool others_first(const struct wr_core *c)
{
    return c->replica->leaf_ops * 2 > c->replica->ops_cap;
}

bool repair_job_room(const struct wr_core *c, unsigned n)
{
    const struct wr_repair *r = c->repair;

    if (c->now < r->spend_at || others_first(c))
        return false;
    for (unsigned i = 0; i < WR_REPAIR_JOBS && n > 0; i++)
        n -= r->jobs[i].step == WR_JOB_FREE;
    return n == 0;
}

struct wr_job *repair_job_new(struct wr_core *c)
{
    struct wr_repair *r = c->repair;

    for (unsigned i = 0; i < WR_REPAIR_JOBS; i++)
        if (r->jobs[i].step == WR_JOB_FREE) {
            r->jobs[i] = (struct wr_job){.step = WR_JOB_REFS,
                                         .over = c->now + WR_REPAIR_LONG_US};
            return &r->jobs[i];
        }
    return NULL;
}

static void draw_id(struct wr_core *c, struct wr_job *j)
{
    j->id = wr_replica_id(c, WR_TABLE_WALK,
                          SLOT_JOB + (uint32_t)(j - c->repair->jobs));
}

static void end(struct wr_core *c, struct wr_job *j, bool ok)
{
    struct wr_repair *r = c->repair;
    struct wr_repair_sync *s = &r->syncs[j->sync];

    if (ok && j->alone)
        repair_sync_spare(s, &j->key);
    *j = (struct wr_job){.step = WR_JOB_FREE};
    r->now.failed += !ok;
    r->all.failed += !ok;
    s->jobs--;
    s->fails += !ok;
    s->failed = s->failed || !ok;
    repair_sync_run(c, s);
}

/* What goes over the network counts against the budget, also in vain. */
static void spend(struct wr_core *c, uint32_t len)
{
    struct wr_repair *r = c->repair;
    const uint64_t rate = c->cfg->repair_rate;

    if (rate > 0)
        r->spend_at =
            wr_time_max(r->spend_at, c->now) + (wr_time)len * WR_SEC(1) / rate;
}

static void moved(struct wr_core *c, const struct wr_job *j)
{
    struct wr_repair *r = c->repair;

    r->now.bytes += j->len;
    r->all.bytes += j->len;
    if (j->take) {
        r->now.took++;
        r->all.took++;
    } else {
        r->now.gave++;
        r->all.gave++;
    }
}

/* A full disk takes nothing of what is left either: it is not sent there. */
static void refused(struct wr_core *c, struct wr_job *j, uint8_t status)
{
    if (status == WR_STATUS_FULL)
        c->repair->syncs[j->sync].fails += WR_REPAIR_FAILS;
    end(c, j, false);
}

/* ---- asking -------------------------------------------------------------- */

static struct wr_fx *ask_store(struct wr_core *c, struct wr_job *j,
                               enum wr_fx_kind kind)
{
    struct wr_fx *fx = wr_outbox_push(c->out, kind);

    if (fx == NULL) {
        j->until = c->now + WR_MS(WR_BUSY_RETRY_MS);
        return NULL;
    }
    draw_id(c, j);
    j->until = c->now + STORE_PATIENCE_US;
    fx->store.token = j->id;
    fx->store.digest = j->key;
    return fx;
}

/* The grace is that of a megabyte (replica.h): of four chunks of usual size.
 * All jobs share the line, and what is sent once more for nothing makes it
 * slower still. */
static wr_time grace(const struct wr_core *c)
{
    const struct wr_repair *r = c->repair;
    unsigned n = 0;

    for (unsigned i = 0; i < WR_REPAIR_JOBS; i++)
        n += r->jobs[i].step != WR_JOB_FREE;
    return WR_MS(WR_DATA_GRACE_MS) * (1 + n / CHUNKS_A_GRACE);
}

static void ask_host(struct wr_core *c, struct wr_job *j, struct wr_msg *m)
{
    const wr_time patience = wr_peers_patience(c, j->host) + grace(c);

    draw_id(c, j);
    m->rid = j->id;
    j->until = c->now + (patience << j->tries);
    j->tries++;
    wr_outbox_send(c->out, j->host, m);
}

static const struct wr_put_id *ref_now(const struct wr_job *j)
{
    static const struct wr_put_id none;

    return j->refs_i < j->refs_n ? &j->refs[j->refs_i] : &none;
}

static void ask_refs(struct wr_core *c, struct wr_job *j)
{
    struct wr_id arc[2] = {j->key, j->key};
    struct wr_msg m = wr_msg_of(WR_MSG_SYNC, 0);
    struct wr_fx *fx;

    if (!j->take) {
        fx = ask_store(c, j, WR_FX_STORE_REFS);
        if (fx != NULL)
            fx->store.n = j->skip;
        return;
    }
    m.sync.refs = true;
    m.sync.skip = j->skip;
    m.sync.arc = wr_span(arc, sizeof(arc));
    ask_host(c, j, &m);
}

static void ask_body(struct wr_core *c, struct wr_job *j)
{
    struct wr_msg m = wr_msg_of(j->roots ? WR_MSG_ROOT_GET : WR_MSG_GET, 0);

    if (!j->take) {
        (void)ask_store(c, j,
                        j->roots ? WR_FX_STORE_ROOT_GET : WR_FX_STORE_GET);
        return;
    }
    if (j->roots) {
        m.root.level = WR_LEVEL_COPY;
        m.root.position = j->key;
    } else {
        m.get.level = WR_LEVEL_COPY;
        m.get.digest = j->key;
    }
    ask_host(c, j, &m);
}

static void ask_ref(struct wr_core *c, struct wr_job *j)
{
    struct wr_msg m = wr_msg_of(WR_MSG_HAVE, 0);
    struct wr_fx *fx;

    if (j->take) {
        fx = ask_store(c, j, WR_FX_STORE_REF);
        if (fx == NULL)
            return;
        fx->store.put = *ref_now(j);
        if (!wr_fx_store_digests(c->out, fx, &j->key, 1)) {
            c->out->n--;
            j->id = 0;
        }
        return;
    }
    m.have.level = WR_LEVEL_COPY;
    m.have.put = *ref_now(j);
    m.have.n = 1;
    m.have.digests = &j->key;
    ask_host(c, j, &m);
}

/* ---- running ------------------------------------------------------------- */

/* The seam to the sweep: whether this put id is to be handed on. One that is
 * known to be over is not; of others the sweep will tell. What stands for
 * references that one store has lost would keep the chunk everywhere, for ever:
 * it stays where it is. */
static enum wr_verdict wants(struct wr_core *c, struct wr_job *j,
                             const struct wr_put_id *put)
{
    enum wr_verdict v;

    if (memcmp(put->b, wr_put_id_salvaged, WR_ROOT_PUT) == 0)
        return WR_VERDICT_GONE;
    v = wr_verdict_of(c, put);
    if (v != WR_VERDICT_PENDING)
        return v;
    if (j->pending == 0)
        j->pending = c->now;
    return c->now - j->pending < WANT_PATIENCE_US ? WR_VERDICT_PENDING
                                                  : WR_VERDICT_UNKNOWN;
}

/* Leaves of this page what is wanted; false: not all is known yet. */
static bool want(struct wr_core *c, struct wr_job *j)
{
    while (j->refs_i < j->refs_n) {
        switch (wants(c, j, &j->refs[j->refs_i])) {
        case WR_VERDICT_PENDING:
            j->until = c->now + WR_MS(WR_VERDICTS_PAUSE_MS);
            return false;
        case WR_VERDICT_GONE:
            memmove(&j->refs[j->refs_i], &j->refs[j->refs_i + 1],
                    (--j->refs_n - j->refs_i) * sizeof(j->refs[0]));
            break;
        case WR_VERDICT_LIVE:
        case WR_VERDICT_UNKNOWN:
            j->refs_i++;
            break;
        }
        j->pending = 0;
    }
    j->refs_i = 0;
    return true;
}

/* Until it waits for somebody. It may be over after this. */
void repair_job_run(struct wr_core *c, struct wr_job *j)
{
    while (j->step != WR_JOB_FREE && j->id == 0) {
        switch ((enum wr_job_step)j->step) {
        case WR_JOB_REFS:
            if (j->take && c->now >= j->over) {
                end(c, j, false);
                return;
            }
            if (!j->roots) {
                ask_refs(c, j);
                return;
            }
            j->step = WR_JOB_BODY;
            break;
        case WR_JOB_WANT:
            if (!want(c, j))
                return;
            /* What nothing refers to is not copied: two hosts would hand it to
             * and fro for ever, each restarting the other's grace. */
            j->step = j->lacking && j->refs_n > 0 ? WR_JOB_BODY : WR_JOB_REF;
            break;
        case WR_JOB_BODY:
            ask_body(c, j);
            return;
        case WR_JOB_REF:
            if (j->refs_i < j->refs_n) {
                ask_ref(c, j);
                return;
            }
            if (!j->more) {
                end(c, j, true);
                return;
            }
            j->step = WR_JOB_REFS;
            break;
        case WR_JOB_KEEP: /* The bytes are not at hand any more. */
            j->step = WR_JOB_BODY;
            break;
        case WR_JOB_FREE:
            return;
        }
    }
}

/* ---- what comes back ----------------------------------------------------- */

/* What was asked for is done: on to the next step. */
static void go(struct wr_core *c, struct wr_job *j, enum wr_job_step step)
{
    j->step = (uint8_t)step;
    j->id = 0;
    j->tries = j->busy = 0;
    repair_job_run(c, j);
}

static void got_refs(struct wr_core *c, struct wr_job *j, const void *refs,
                     size_t n)
{
    j->more = n > WR_REPAIR_REFS;
    j->refs_n = (uint8_t)(n < WR_REPAIR_REFS ? n : WR_REPAIR_REFS);
    j->refs_i = 0;
    j->skip += j->refs_n;
    if (j->refs_n > 0)
        memcpy(j->refs, refs, j->refs_n * sizeof(j->refs[0]));
    go(c, j, WR_JOB_WANT);
}

/* The chunk is where it belongs, with the first put id of this page. */
static void kept(struct wr_core *c, struct wr_job *j)
{
    struct wr_repair_sync *s = &c->repair->syncs[j->sync];

    moved(c, j);
    s->unclean = s->unclean || j->alone;
    j->alone = false;
    if (j->roots) {
        end(c, j, true);
        return;
    }
    j->lacking = false;
    if (j->refs_i < j->refs_n)
        j->refs_i++;
    go(c, j, WR_JOB_REF);
}

/* It was to be there, and is not: then its bytes go, too. */
static void ref_done(struct wr_core *c, struct wr_job *j, bool there)
{
    if (there) {
        j->refs_i++;
        go(c, j, WR_JOB_REF);
    } else if (!j->lacking && !j->take) {
        j->lacking = true;
        go(c, j, WR_JOB_BODY);
    } else {
        end(c, j, false);
    }
}

/* Not now; the same again after a while. */
static void wait_busy(struct wr_core *c, struct wr_job *j, uint32_t retry_ms)
{
    if (++j->busy > WR_REPAIR_BUSY) {
        end(c, j, false);
        return;
    }
    j->tries = 0;
    draw_id(c, j); /* Nothing answers this one. */
    j->until = c->now + WR_MS(wr_op_retry_ms(retry_ms));
}

static void give(struct wr_core *c, struct wr_job *j, const struct wr_event *ev)
{
    struct wr_msg m = wr_msg_of(j->roots ? WR_MSG_ROOT_PUT : WR_MSG_PUT, 0);

    if (j->roots && wr_verdict_forgets(c, ev->stored.record)) {
        end(c, j, true); /* To who forgot it first, and back, for ever. */
        return;
    }
    if (j->roots) {
        m.root.level = WR_LEVEL_COPY;
        m.root.position = j->key;
        m.root.version = ev->stored.version;
        m.root.record = ev->stored.record;
    } else {
        j->len = ev->stored.len;
        m.put.level = WR_LEVEL_COPY;
        m.put.repair = true;
        m.put.hash = ev->stored.hash;
        m.put.put = *ref_now(j);
        m.put.digest = j->key;
        m.put.body = ev->stored.body;
        spend(c, j->len);
    }
    j->step = WR_JOB_KEEP;
    ask_host(c, j, &m);
}

void repair_job_stored(struct wr_core *c, struct wr_job *j,
                       const struct wr_event *ev)
{
    const uint8_t status = ev->stored.status;
    const enum wr_job_step step = (enum wr_job_step)j->step;

    if (status == WR_STATUS_BUSY)
        wait_busy(c, j, 0);
    else if (status == WR_STATUS_NO && step == WR_JOB_REFS)
        end(c, j, true);
    else if (status != WR_STATUS_OK)
        refused(c, j, status);
    else if (step == WR_JOB_REFS)
        got_refs(c, j, ev->stored.refs, ev->stored.refs_n);
    else if (step == WR_JOB_BODY)
        give(c, j, ev);
    else if (step == WR_JOB_KEEP)
        kept(c, j);
    else if (step == WR_JOB_REF)
        ref_done(c, j, (ev->stored.bits[0] & 1) != 0);
    wr_outbox_release(c->out, ev->stored.body);
}

/* Into our store. */
static void keep(struct wr_core *c, struct wr_job *j, const struct wr_msg *m)
{
    struct wr_fx *fx;

    if (m->kind == WR_MSG_ROOT && wr_verdict_forgets(c, m->root.record)) {
        end(c, j, true);
        return;
    }
    j->step = WR_JOB_KEEP;
    j->id = 0;
    j->tries = 0;
    if (m->kind == WR_MSG_ROOT) {
        fx = ask_store(c, j, WR_FX_STORE_ROOT_PUT);
        if (fx != NULL &&
            !wr_fx_store_record(c->out, fx, m->root.version, m->root.record)) {
            c->out->n--;
            j->id = 0;
        }
        return;
    }
    j->len = m->data.body.len;
    spend(c, j->len);
    fx = ask_store(c, j, WR_FX_STORE_PUT);
    if (fx == NULL)
        return;
    fx->store.hash = m->data.hash;
    fx->store.repair = true;
    fx->store.put = *ref_now(j);
    fx->store.body = m->data.body;
}

/* Of the answer `m` to what `j` asked: its status, and how long to wait. */
static uint8_t status_of(const struct wr_job *j, const struct wr_msg *m,
                         uint32_t *retry_ms)
{
    switch ((unsigned)m->kind) {
    case WR_MSG_SYNCED:
        *retry_ms = m->synced.retry_ms;
        return j->step != WR_JOB_REFS ||
                       (m->synced.status == WR_STATUS_OK &&
                        (m->synced.what != WR_SYNCED_REFS ||
                         m->synced.list.n % sizeof(struct wr_put_id) != 0))
                   ? WR_STATUS_FAILED
                   : m->synced.status;
    case WR_MSG_HAD:
        *retry_ms = m->had.retry_ms;
        return j->step != WR_JOB_REF ? WR_STATUS_FAILED : m->had.status;
    case WR_MSG_PUT_DONE:
        *retry_ms = m->put_done.retry_ms;
        return j->step != WR_JOB_KEEP || j->roots ? WR_STATUS_FAILED
                                                  : m->put_done.status;
    case WR_MSG_ROOT_DONE:
        *retry_ms = m->root.retry_ms;
        return j->step != WR_JOB_KEEP || !j->roots ? WR_STATUS_FAILED
                                                   : m->root.status;
    case WR_MSG_DATA:
        *retry_ms = m->data.retry_ms;
        return j->step != WR_JOB_BODY || j->roots || m->bad_body ||
                       !wr_id_eq(&m->data.digest, &j->key) ||
                       (m->data.status == WR_STATUS_OK && m->data.body.id == 0)
                   ? WR_STATUS_FAILED
                   : m->data.status;
    default:
        *retry_ms = m->root.retry_ms;
        return j->step != WR_JOB_BODY || !j->roots || m->bad_body ||
                       !wr_id_eq(&m->root.position, &j->key)
                   ? WR_STATUS_FAILED
                   : m->root.status;
    }
}

void repair_job_recv(struct wr_core *c, struct wr_job *j,
                     const struct wr_msg *m)
{
    uint32_t retry_ms = 0;
    const uint8_t status = status_of(j, m, &retry_ms);

    if (status == WR_STATUS_BUSY)
        wait_busy(c, j, retry_ms);
    else if (status != WR_STATUS_OK)
        refused(c, j, status);
    else if (m->kind == WR_MSG_SYNCED)
        got_refs(c, j, m->synced.list.p,
                 m->synced.list.n / sizeof(struct wr_put_id));
    else if (m->kind == WR_MSG_HAD)
        ref_done(c, j, (m->had.bits[0] & 1) != 0);
    else if (m->kind == WR_MSG_PUT_DONE || m->kind == WR_MSG_ROOT_DONE)
        kept(c, j);
    else
        keep(c, j, m);
    wr_outbox_release_of(c->out, m);
}

void repair_job_tick(struct wr_core *c, struct wr_job *j)
{
    if (j->step == WR_JOB_FREE || c->now < j->until)
        return;
    if (j->tries >= WR_REPAIR_TRIES || !wr_peers_alive(c, j->host)) {
        wr_peers_silent(c, j->host);
        end(c, j, false);
        return;
    }
    j->id = 0;
    repair_job_run(c, j);
}
