/* xfer_send.c - see xfer.h: the windows, batches, and what goes up. */
#include "proto/xfer_parts.h"

static bool may_send(const struct wr_xfer *x, const struct wr_xfer_req *q)
{
    switch ((enum wr_xfer_class)q->class) {
    case WR_XFER_CLASS_HAVE:
        return x->batches_n < x->cfg.haves_max;
    case WR_XFER_CLASS_PUT:
        return x->flying[WR_XFER_CLASS_PUT] == 0 ||
               (x->flying[WR_XFER_CLASS_PUT] < x->allowed[WR_XFER_CLASS_PUT] &&
                x->bytes[WR_XFER_CLASS_PUT] + q->bytes <= x->cfg.put_bytes_max);
    case WR_XFER_CLASS_GET:
        return x->flying[WR_XFER_CLASS_GET] == 0 ||
               (x->flying[WR_XFER_CLASS_GET] < x->allowed[WR_XFER_CLASS_GET] &&
                x->bytes[WR_XFER_CLASS_GET] + q->bytes <= x->cfg.get_bytes_max);
    case WR_XFER_CLASS_NOTE:
        return true; /* Bounded by their slots. */
    case WR_XFER_CLASSES:
        break;
    }
    WR_UNREACHABLE();
}

static uint64_t rid_of(const struct wr_xfer *x, const struct wr_xfer_req *q)
{
    return (uint64_t)q->generation << 32 | wr_xfer_slot(x, q);
}

static void mark_sent(struct wr_xfer *x, struct wr_xfer_req *q, wr_time now)
{
    wr_xfer_detach(x, q);
    q->state = WR_XFER_SENT;
    q->sent_at = now;
    wr_xfer_push_tail(x, &x->sent, wr_xfer_slot(x, q));
    x->flying[q->class]++;
    x->bytes[q->class] += q->bytes;
    x->count.sent++;
    if (q->repeated)
        x->count.repeated++;
    q->repeated = true;
    wr_xfer_due(x, wr_time_min(now + x->cfg.answer_us, wr_xfer_ends_at(x, q)));
}

static void fill_note(const struct wr_xfer *x, const struct wr_xfer_req *q,
                      struct wr_msg *m)
{
    const struct wr_xfer_note *note = &x->notes[q->note];

    if (q->kind == WR_MSG_QUERY) {
        m->query.what = wr_span(note->b, note->what_n);
        m->query.arg =
            wr_span(note->b + note->what_n, (size_t)(note->n - note->what_n));
        return;
    }
    m->root.level = WR_LEVEL_LEAF;
    m->root.copies = q->copies;
    m->root.durable = q->durable;
    m->root.position = q->digest;
    m->root.version = q->version;
    m->root.record = wr_span(note->b, note->n);
}

/* A query's words have no copy in wr_outbox_send(): they stay in their note,
 * which lives as long as the request does; the outbox is drained before. */
static void send_one(struct wr_xfer *x, struct wr_xfer_req *q, wr_time now,
                     struct wr_outbox *out)
{
    struct wr_msg m = wr_msg_of(q->kind, rid_of(x, q));

    if (q->kind == WR_MSG_PUT) {
        m.put.level = WR_LEVEL_LEAF;
        m.put.copies = q->copies;
        m.put.durable = q->durable;
        m.put.hash = q->hash;
        m.put.put = q->put;
        m.put.digest = q->digest;
        m.put.body = q->body;
    } else if (q->kind == WR_MSG_GET) {
        m.get.level = WR_LEVEL_LEAF;
        m.get.head = q->head;
        m.get.hash = q->hash;
        m.get.digest = q->digest;
    } else {
        fill_note(x, q, &m);
    }
    mark_sent(x, q, now);
    wr_outbox_send(out, WR_XFER_PARENT, &m);
}

static bool same_want(const struct wr_xfer_req *a, const struct wr_xfer_req *b)
{
    return a->copies == b->copies && a->durable == b->durable &&
           memcmp(&a->put, &b->put, sizeof(a->put)) == 0;
}

/* The front of the queue and all that may travel with it, as one HAVE. */
static void send_batch(struct wr_xfer *x, wr_time now, struct wr_outbox *out)
{
    struct wr_id *digests =
        wr_outbox_alloc(out, WR_HAVE_MAX * sizeof(*digests));
    struct wr_fx *fx = digests != NULL ? wr_outbox_push(out, WR_FX_SEND) : NULL;
    struct wr_xfer_req *front = &x->v[x->queue[WR_XFER_CLASS_HAVE].head];
    uint32_t b = 0;

    if (fx == NULL)
        return; /* pump() saw room; nothing is lost if it did not. */
    while (x->batches[b].first != WR_XFER_NIL)
        b++;
    struct wr_xfer_batch *batch = &x->batches[b];
    uint16_t *link = &batch->first, next;

    batch->generation++;
    batch->n = 0;
    for (uint16_t i = wr_xfer_slot(x, front);
         i != WR_XFER_NIL && batch->n < WR_HAVE_MAX; i = next) {
        struct wr_xfer_req *q = &x->v[i];

        next = q->next;
        if (!same_want(q, front))
            continue;
        mark_sent(x, q, now);
        q->batch = (uint16_t)b;
        q->at = batch->n;
        digests[batch->n++] = q->digest;
        *link = i;
        link = &q->batch_next;
        *link = WR_XFER_NIL;
    }
    x->batches_n++;
    fx->to = WR_XFER_PARENT;
    fx->msg = wr_msg_of(WR_MSG_HAVE, (uint64_t)batch->generation << 32 |
                                         WR_XFER_HAVE_RID | b);
    fx->msg.have.level = WR_LEVEL_LEAF;
    fx->msg.have.copies = front->copies;
    fx->msg.have.durable = front->durable;
    fx->msg.have.put = front->put;
    fx->msg.have.n = batch->n;
    fx->msg.have.digests = digests;
}

/* A batch goes when it is full, or when hardly any is on its way: so digests
 * gather exactly while the parent is busy with earlier ones. */
static bool batch_ripe(const struct wr_xfer *x)
{
    return x->queue[WR_XFER_CLASS_HAVE].n >= WR_HAVE_MAX || x->batches_n < 2;
}

void wr_xfer_pump(struct wr_xfer *x, wr_time now, struct wr_outbox *out)
{
    static const enum wr_xfer_class order[] = {
        WR_XFER_CLASS_NOTE, WR_XFER_CLASS_HAVE, WR_XFER_CLASS_GET,
        WR_XFER_CLASS_PUT};
    /* What one send may take; the rest of the outbox stays for DONEs. */
    const uint32_t fx_n = 8, bytes = WR_HAVE_MAX * WR_ID_BYTES + 1024;

    if (!x->up || x->held)
        return;
    for (size_t c = 0; c < WR_ARRAY_LEN(order); c++) {
        const struct wr_xfer_list *queue = &x->queue[order[c]];

        while (queue->head != WR_XFER_NIL && may_send(x, &x->v[queue->head])) {
            if (!wr_outbox_has_room(out, fx_n, bytes))
                return;
            if (order[c] != WR_XFER_CLASS_HAVE)
                send_one(x, &x->v[queue->head], now, out);
            else if (batch_ripe(x))
                send_batch(x, now, out);
            else
                break;
        }
    }
}
