/* xfer_answer.c - see xfer.h: what an answer does, or its absence. */
#include "proto/xfer_parts.h"

enum {
    BAD_MAX = 4,    /* Bodies that did not verify, of one request. */
    FAILED_MAX = 3, /* "This host could not", of one request. */
};

/* The one end of a request. What an answer points to is borrowed for the step:
 * DONE keeps copies. Bytes are good for something with OK alone. */
static void finish(struct wr_xfer *x, struct wr_xfer_req *q, uint8_t status,
                   const struct wr_msg *m, struct wr_outbox *out)
{
    struct wr_fx *fx = wr_outbox_push(out, WR_FX_DONE);

    /* wr_xfer_recv() and the tick make sure that there is room. */
    WR_CHECK(fx != NULL);
    fx->done.token = q->token;
    fx->done.status = status;
    fx->done.answer = *m;
    if (!wr_outbox_keep_arrays(out, &fx->done.answer))
        fx->done.answer.data.hosts_n = 0;
    if (m->kind == WR_MSG_DATA && status != WR_STATUS_OK) {
        wr_outbox_release_of(out, m);
        fx->done.answer.data.body = (struct wr_body){0};
    }
    wr_xfer_release(x, q, out);
}

static wr_time backoff(struct wr_xfer *x, const struct wr_xfer_req *q,
                       uint32_t retry_ms)
{
    wr_time wait = retry_ms != 0 ? WR_MS(retry_ms) : x->cfg.retry_min_us;

    for (uint32_t i = 0; retry_ms == 0 && i < q->waits && i < 16; i++)
        wait *= 2;
    wait = wr_time_min(wait, x->cfg.retry_max_us);
    return wait +
           wr_rng_below(&x->rng, wait * x->cfg.jitter_permille / 1000 + 1);
}

/* A BUSY parent gets half as many at once, at most ten times a second. */
static void shrink(struct wr_xfer *x, unsigned class, wr_time now)
{
    if ((class != WR_XFER_CLASS_PUT && class != WR_XFER_CLASS_GET) ||
        now < x->shrunk_at + WR_MS(100))
        return;
    x->shrunk_at = now;
    const uint32_t half = x->flying[class] / 2;
    x->allowed[class] = half > WR_XFER_WINDOW_MIN ? half : WR_XFER_WINDOW_MIN;
}

static void grow(struct wr_xfer *x, unsigned class)
{
    const uint32_t most =
        class == WR_XFER_CLASS_PUT ? x->cfg.put_max : x->cfg.get_max;

    if (x->allowed[class] < most)
        x->allowed[class]++;
}

/* For when patience runs out while nothing is under way. */
static void remember(struct wr_xfer_req *q, uint8_t status,
                     const struct wr_msg *m)
{
    q->last_status = status;
    q->last_kind = m->kind;
    if (m->kind != WR_MSG_DATA)
        return;
    q->asked = m->data.asked;
    q->down = m->data.down;
    q->hosts_n = 0;
    while (q->hosts_n < m->data.hosts_n && q->hosts_n < WR_XFER_HOSTS) {
        q->hosts[q->hosts_n] = m->data.hosts[q->hosts_n];
        q->hosts_n++;
    }
}

static struct wr_msg remembered(const struct wr_xfer_req *q)
{
    struct wr_msg m = {.kind = q->last_kind};

    if (m.kind == WR_MSG_DATA) {
        m.data.status = q->last_status;
        m.data.asked = q->asked;
        m.data.down = q->down;
        m.data.hosts = q->hosts;
        m.data.hosts_n = q->hosts_n;
    }
    return m;
}

/* Refused for now: again later, unless its patience is over by then. */
static void refuse(struct wr_xfer *x, struct wr_xfer_req *q, uint8_t status,
                   uint32_t retry_ms, wr_time now)
{
    wr_xfer_detach(x, q);
    if (q->refused_since == 0 && status != WR_STATUS_BUSY)
        q->refused_since = now;
    if (status == WR_STATUS_BUSY)
        x->count.busy++;
    q->state = WR_XFER_WAITING;
    q->again = now + backoff(x, q, retry_ms);
    if (q->waits < 16)
        q->waits++;
    wr_xfer_due(x, wr_time_min(q->again, wr_xfer_ends_at(x, q)));
}

/* What an answer says about a request that is not HAVE. */
struct verdict {
    uint8_t status;
    uint32_t retry_ms;
};

static struct verdict read_answer(const struct wr_msg *m)
{
    struct verdict v = {0};

    switch (m->kind) {
    case WR_MSG_PUT_DONE:
        v.status = m->put_done.status;
        v.retry_ms = m->put_done.retry_ms;
        break;
    case WR_MSG_DATA:
        v.status = m->data.status;
        v.retry_ms = m->data.retry_ms;
        break;
    case WR_MSG_ROOT_DONE:
        v.status = m->root.status;
        v.retry_ms = m->root.retry_ms;
        break;
    case WR_MSG_REPORT:
        v.status = m->report.status;
        break;
    default:
        WR_UNREACHABLE();
    }
    if (m->bad_body)
        v.status = WR_STATUS_BAD;
    return v;
}

/* Whether `status` may pass by itself, for this request. */
static bool passes(struct wr_xfer_req *q, uint8_t status)
{
    switch (status) {
    case WR_STATUS_BUSY:
    case WR_STATUS_UNREACHABLE:
    case WR_STATUS_TIMEOUT:
    case WR_STATUS_NOT_OWNER: /* The ring moved while it was asked. */
        return q->kind != WR_MSG_QUERY || status == WR_STATUS_BUSY;
    case WR_STATUS_BAD:
        return ++q->bads < BAD_MAX;
    case WR_STATUS_FAILED:
        return q->kind != WR_MSG_QUERY && ++q->faileds < FAILED_MAX;
    default:
        return false;
    }
}

/* One request's answer. Progress is what was done, not what was said. */
static void settle(struct wr_xfer *x, struct wr_xfer_req *q, uint8_t status,
                   uint32_t retry_ms, const struct wr_msg *m, wr_time now,
                   struct wr_outbox *out)
{
    if (status == WR_STATUS_BUSY)
        shrink(x, q->class, now);
    if (passes(q, status)) {
        remember(q, status, m);
        refuse(x, q, status, retry_ms, now);
        if (now < wr_xfer_ends_at(x, q)) {
            wr_outbox_release_of(out, m); /* Nobody will see why not yet. */
            return;
        }
    } else {
        if (status == WR_STATUS_OK || status == WR_STATUS_NO) {
            x->moved_at = now;
            if (q->class == WR_XFER_CLASS_PUT || q->class == WR_XFER_CLASS_GET)
                grow(x, q->class);
        }
        wr_xfer_detach(x, q);
    }
    finish(x, q, status, m, out);
}

static void on_had(struct wr_xfer *x, const struct wr_msg *m, wr_time now,
                   struct wr_outbox *out)
{
    const uint32_t b = (uint32_t)m->rid & (WR_XFER_HAVE_RID - 1);
    const bool known = (m->rid & WR_XFER_HAVE_RID) != 0 &&
                       b < x->cfg.haves_max &&
                       x->batches[b].first != WR_XFER_NIL &&
                       x->batches[b].generation == m->rid >> 32;

    /* A count that is not ours is a liar's or a stranger's: stay in flight. */
    if (!known ||
        (m->had.status == WR_STATUS_OK && m->had.n != x->batches[b].n)) {
        x->count.dropped++;
        return;
    }
    for (uint16_t i = x->batches[b].first, next; i != WR_XFER_NIL; i = next) {
        struct wr_xfer_req *q = &x->v[i];
        const bool has = m->had.bits[q->at / 8] >> (q->at % 8) & 1;

        next = q->batch_next;
        settle(x, q,
               m->had.status != WR_STATUS_OK ? m->had.status
               : has                         ? WR_STATUS_OK
                                             : WR_STATUS_NO,
               m->had.retry_ms, m, now, out);
    }
}

bool wr_xfer_recv(struct wr_xfer *x, const struct wr_msg *m, wr_time now,
                  struct wr_outbox *out)
{
    const uint32_t i = (uint32_t)m->rid;

    switch (m->kind) {
    case WR_MSG_HAD:
        on_had(x, m, now, out);
        wr_xfer_pump(x, now, out);
        return true;
    case WR_MSG_PUT_DONE:
    case WR_MSG_DATA:
    case WR_MSG_ROOT_DONE:
    case WR_MSG_REPORT:
        break;
    default:
        return false;
    }
    struct verdict v = read_answer(m);
    struct wr_xfer_req *q = i < x->cfg.requests_max ? &x->v[i] : NULL;

    if (q == NULL || q->state == WR_XFER_FREE ||
        q->generation != m->rid >> 32 || m->kind != wr_msg_answer(q->kind)) {
        x->count.dropped++;
        wr_outbox_release_of(out, m);
        return true;
    }
    /* Sound bytes under another name than we asked for are a liar's. */
    if (m->kind == WR_MSG_DATA && v.status == WR_STATUS_OK && !q->head &&
        !wr_id_eq(&m->data.digest, &q->digest))
        v.status = WR_STATUS_BAD;
    if (v.status == WR_STATUS_BAD) {
        x->count.bad++;
        x->let_down = true;
    }
    settle(x, q, v.status, v.retry_ms, m, now, out);
    wr_xfer_pump(x, now, out);
    return true;
}

/* When the parent will have let `q` down: an answer that is on its way moves
 * bytes, however long it takes. */
static wr_time unanswered_at(const struct wr_xfer *x,
                             const struct wr_xfer_req *q)
{
    return wr_time_max(q->sent_at + x->cfg.answer_us,
                       x->moved_at + x->cfg.answer_us / 4);
}

/* What is due for one request; the next time something will be. */
static wr_time tick_one(struct wr_xfer *x, struct wr_xfer_req *q, wr_time now,
                        struct wr_outbox *out)
{
    const wr_time end = wr_xfer_ends_at(x, q);

    if (now >= end) {
        if (!wr_outbox_has_room(out, 4, 0))
            return now; /* Once the outbox is drained. */
        const struct wr_msg last = remembered(q);
        wr_xfer_detach(x, q);
        finish(x, q, q->last_status, &last, out);
        return WR_NEVER;
    }
    if (q->state == WR_XFER_WAITING && now >= q->again) {
        q->state = WR_XFER_QUEUED;
        wr_xfer_push_tail(x, &x->queue[q->class], wr_xfer_slot(x, q));
    } else if (q->state == WR_XFER_SENT && now >= unanswered_at(x, q)) {
        x->let_down = x->let_down || !q->let_down;
        q->let_down = true;
        wr_xfer_detach(x, q);
        q->state = WR_XFER_QUEUED;
        wr_xfer_push_head(x, &x->queue[q->class], wr_xfer_slot(x, q));
    }
    if (q->state == WR_XFER_WAITING)
        return wr_time_min(end, q->again);
    if (q->state == WR_XFER_SENT)
        return wr_time_min(end, unanswered_at(x, q));
    return end;
}

bool wr_xfer_let_down(struct wr_xfer *x)
{
    const bool was = x->let_down;

    x->let_down = false;
    return was;
}

void wr_xfer_tick(struct wr_xfer *x, wr_time now, struct wr_outbox *out)
{
    if (now < x->deadline)
        return;
    x->deadline = WR_NEVER;
    for (uint32_t i = 0; i < x->cfg.requests_max; i++)
        if (x->v[i].state != WR_XFER_FREE)
            wr_xfer_due(x, tick_one(x, &x->v[i], now, out));
    wr_xfer_pump(x, now, out);
}
