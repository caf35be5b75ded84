/* xfer.c - see xfer.h: the table of requests. */
#include "proto/xfer_parts.h"

#include <stdlib.h>

struct wr_xfer_cfg wr_xfer_cfg_default(uint64_t seed)
{
    return (struct wr_xfer_cfg){
        .seed = seed,
        .requests_max = 2048,
        .notes_max = 256,
        .put_bytes_max = 8 << 20,
        .put_max = 1024,
        .get_bytes_max = 6 << 20,
        .get_max = 512,
        .haves_max = 8,
        .retry_min_us = WR_MS(50),
        .retry_max_us = WR_SEC(3),
        .answer_us = WR_SEC(20),
        .jitter_permille = 500,
    };
}

enum wr_err wr_xfer_open(struct wr_xfer **ret, const struct wr_xfer_cfg *cfg)
{
    struct wr_xfer *x = calloc(1, sizeof(*x));

    WR_CHECK(cfg->requests_max > 0 && cfg->requests_max < WR_XFER_NIL);
    WR_CHECK(cfg->notes_max < WR_XFER_NIL && cfg->haves_max > 0);
    WR_CHECK(cfg->put_max >= WR_XFER_WINDOW_MIN &&
             cfg->get_max >= WR_XFER_WINDOW_MIN);
    if (x == NULL)
        return WR_ENOMEM;
    x->cfg = *cfg;
    x->rng.state = cfg->seed;
    x->v = calloc(cfg->requests_max, sizeof(*x->v));
    x->batches = calloc(cfg->haves_max, sizeof(*x->batches));
    x->notes = calloc(cfg->notes_max + 1, sizeof(*x->notes));
    if (x->v == NULL || x->batches == NULL || x->notes == NULL) {
        wr_xfer_close(x);
        return WR_ENOMEM;
    }
    for (uint32_t i = 0; i < cfg->requests_max; i++)
        x->v[i].next =
            (uint16_t)(i + 1 < cfg->requests_max ? i + 1 : WR_XFER_NIL);
    for (uint32_t i = 0; i < cfg->notes_max; i++)
        x->notes[i].next_free =
            (uint16_t)(i + 1 < cfg->notes_max ? i + 1 : WR_XFER_NIL);
    x->note_free = cfg->notes_max > 0 ? 0 : WR_XFER_NIL;
    for (uint32_t i = 0; i < cfg->haves_max; i++)
        x->batches[i].first = WR_XFER_NIL;
    for (uint32_t i = 0; i < WR_XFER_CLASSES; i++)
        x->queue[i] = (struct wr_xfer_list){WR_XFER_NIL, WR_XFER_NIL, 0};
    x->sent = (struct wr_xfer_list){WR_XFER_NIL, WR_XFER_NIL, 0};
    x->allowed[WR_XFER_CLASS_PUT] = cfg->put_max;
    x->allowed[WR_XFER_CLASS_GET] = cfg->get_max;
    x->deadline = WR_NEVER;
    *ret = x;
    return WR_OK;
}

void wr_xfer_close(struct wr_xfer *x)
{
    if (x == NULL)
        return;
    WR_CHECK(x->n == 0);
    free(x->v);
    free(x->batches);
    free(x->notes);
    free(x);
}

void wr_xfer_push_tail(struct wr_xfer *x, struct wr_xfer_list *l, uint16_t i)
{
    x->v[i].next = WR_XFER_NIL;
    x->v[i].prev = l->tail;
    if (l->tail != WR_XFER_NIL)
        x->v[l->tail].next = i;
    else
        l->head = i;
    l->tail = i;
    l->n++;
}

void wr_xfer_push_head(struct wr_xfer *x, struct wr_xfer_list *l, uint16_t i)
{
    x->v[i].prev = WR_XFER_NIL;
    x->v[i].next = l->head;
    if (l->head != WR_XFER_NIL)
        x->v[l->head].prev = i;
    else
        l->tail = i;
    l->head = i;
    l->n++;
}

static void unlink_from(struct wr_xfer *x, struct wr_xfer_list *l, uint16_t i)
{
    struct wr_xfer_req *q = &x->v[i];

    if (q->prev != WR_XFER_NIL)
        x->v[q->prev].next = q->next;
    else
        l->head = q->next;
    if (q->next != WR_XFER_NIL)
        x->v[q->next].prev = q->prev;
    else
        l->tail = q->prev;
    l->n--;
}

void wr_xfer_due(struct wr_xfer *x, wr_time at)
{
    x->deadline = wr_time_min(x->deadline, at);
}

wr_time wr_xfer_ends_at(const struct wr_xfer *x, const struct wr_xfer_req *q)
{
    wr_time at = wr_time_max(q->begun, x->moved_at) + q->patience;

    if (q->refused_since != 0)
        at = wr_time_min(at, q->refused_since + q->patience);
    return at;
}

static void leave_batch(struct wr_xfer *x, const struct wr_xfer_req *q)
{
    struct wr_xfer_batch *b = &x->batches[q->batch];

    for (uint16_t *p = &b->first; *p != WR_XFER_NIL; p = &x->v[*p].batch_next) {
        if (*p != wr_xfer_slot(x, q))
            continue;
        *p = q->batch_next;
        if (b->first == WR_XFER_NIL)
            x->batches_n--;
        return;
    }
}

void wr_xfer_detach(struct wr_xfer *x, struct wr_xfer_req *q)
{
    const uint16_t i = wr_xfer_slot(x, q);

    if (q->state == WR_XFER_QUEUED) {
        unlink_from(x, &x->queue[q->class], i);
    } else if (q->state == WR_XFER_SENT) {
        unlink_from(x, &x->sent, i);
        x->flying[q->class]--;
        x->bytes[q->class] -= q->bytes;
        if (q->class == WR_XFER_CLASS_HAVE)
            leave_batch(x, q);
    }
}

void wr_xfer_release(struct wr_xfer *x, struct wr_xfer_req *q,
                     struct wr_outbox *out)
{
    const uint16_t i = wr_xfer_slot(x, q);

    if (q->kind == WR_MSG_PUT)
        wr_outbox_release(out, q->body);
    if (q->note != WR_XFER_NIL) {
        x->notes[q->note].next_free = x->note_free;
        x->note_free = q->note;
    }
    q->state = WR_XFER_FREE;
    q->generation++;
    q->next = x->free;
    x->free = i;
    x->n--;
}

/* A slot for a new request, filled with what all have; NULL if none is left.
 * One of CLASS_NOTE comes with a note. */
static struct wr_xfer_req *begin(struct wr_xfer *x, wr_token token,
                                 uint8_t kind, enum wr_xfer_class class,
                                 const struct wr_id *digest, wr_time patience,
                                 wr_time now)
{
    const bool noted = class == WR_XFER_CLASS_NOTE;
    const uint16_t i = x->free;

    if (x->n == x->cfg.requests_max || (noted && x->note_free == WR_XFER_NIL))
        return NULL;
    struct wr_xfer_req *q = &x->v[i];
    const uint32_t generation = q->generation;

    x->free = q->next;
    x->n++;
    *q = (struct wr_xfer_req){
        .state = WR_XFER_QUEUED,
        .class = (uint8_t) class,
        .kind = kind,
        .last_status = WR_STATUS_TIMEOUT,
        .note = WR_XFER_NIL,
        .generation = generation,
        .token = token,
        .patience = patience,
        .begun = now,
    };
    if (digest != NULL)
        q->digest = *digest;
    if (noted) {
        q->note = x->note_free;
        x->note_free = x->notes[q->note].next_free;
    }
    wr_xfer_push_tail(x, &x->queue[class], i);
    wr_xfer_due(x, wr_xfer_ends_at(x, q));
    return q;
}

static void set_want(struct wr_xfer_req *q, const struct wr_xfer_want *want)
{
    q->put = want->put;
    q->copies = want->copies;
    q->durable = want->durable;
}

bool wr_xfer_have(struct wr_xfer *x, wr_token token,
                  const struct wr_xfer_want *want, const struct wr_id *digest,
                  wr_time patience, wr_time now, struct wr_outbox *out)
{
    struct wr_xfer_req *q =
        begin(x, token, WR_MSG_HAVE, WR_XFER_CLASS_HAVE, digest, patience, now);

    if (q == NULL)
        return false;
    set_want(q, want);
    wr_xfer_pump(x, now, out);
    return true;
}

bool wr_xfer_put(struct wr_xfer *x, wr_token token,
                 const struct wr_xfer_want *want, uint32_t hash,
                 const struct wr_id *digest, struct wr_body body,
                 wr_time patience, wr_time now, struct wr_outbox *out)
{
    struct wr_xfer_req *q =
        begin(x, token, WR_MSG_PUT, WR_XFER_CLASS_PUT, digest, patience, now);

    if (q == NULL)
        return false;
    set_want(q, want);
    q->hash = hash;
    q->body = body;
    q->bytes = body.len;
    wr_xfer_pump(x, now, out);
    return true;
}

bool wr_xfer_get(struct wr_xfer *x, wr_token token, uint32_t hash,
                 const struct wr_id *digest, bool head, uint32_t bytes,
                 wr_time patience, wr_time now, struct wr_outbox *out)
{
    struct wr_xfer_req *q =
        begin(x, token, WR_MSG_GET, WR_XFER_CLASS_GET, digest, patience, now);

    if (q == NULL)
        return false;
    q->hash = hash;
    q->head = head;
    q->bytes = bytes;
    wr_xfer_pump(x, now, out);
    return true;
}

bool wr_xfer_root_put(struct wr_xfer *x, wr_token token,
                      const struct wr_xfer_want *want,
                      const struct wr_id *position, uint64_t version,
                      struct wr_span record, wr_time patience, wr_time now,
                      struct wr_outbox *out)
{
    WR_CHECK(record.n <= WR_ROOT_RECORD_MAX);
    struct wr_xfer_req *q = begin(x, token, WR_MSG_ROOT_PUT, WR_XFER_CLASS_NOTE,
                                  position, patience, now);

    if (q == NULL)
        return false;
    set_want(q, want);
    q->version = version;
    memcpy(x->notes[q->note].b, record.p, record.n);
    x->notes[q->note].n = (uint16_t)record.n;
    wr_xfer_pump(x, now, out);
    return true;
}

bool wr_xfer_query(struct wr_xfer *x, wr_token token, struct wr_span what,
                   struct wr_span arg, wr_time patience, wr_time now,
                   struct wr_outbox *out)
{
    WR_CHECK(what.n + arg.n <= WR_XFER_NOTE_MAX);
    struct wr_xfer_req *q =
        begin(x, token, WR_MSG_QUERY, WR_XFER_CLASS_NOTE, NULL, patience, now);

    if (q == NULL)
        return false;
    struct wr_xfer_note *note = &x->notes[q->note];
    note->what_n = (uint16_t)what.n;
    note->n = (uint16_t)(what.n + arg.n);
    if (what.n > 0)
        memcpy(note->b, what.p, what.n);
    if (arg.n > 0)
        memcpy(note->b + what.n, arg.p, arg.n);
    wr_xfer_pump(x, now, out);
    return true;
}

bool wr_xfer_cancel(struct wr_xfer *x, wr_token token, wr_time now,
                    struct wr_outbox *out)
{
    for (uint32_t i = 0; i < x->cfg.requests_max; i++) {
        struct wr_xfer_req *q = &x->v[i];

        if (q->state == WR_XFER_FREE || q->token != token)
            continue;
        wr_xfer_detach(x, q);
        wr_xfer_release(x, q, out);
        wr_xfer_pump(x, now, out);
        return true;
    }
    return false;
}

/* Deadlines that are too early now cost a tick that does nothing. */
void wr_xfer_patience(struct wr_xfer *x, wr_time patience)
{
    for (uint32_t i = 0; i < x->cfg.requests_max; i++)
        if (x->v[i].state != WR_XFER_FREE)
            x->v[i].patience = wr_time_max(x->v[i].patience, patience);
}

void wr_xfer_up(struct wr_xfer *x, wr_time now, struct wr_outbox *out)
{
    WR_CHECK(!x->up);
    x->up = true;
    x->moved_at = now;
    x->allowed[WR_XFER_CLASS_PUT] = x->cfg.put_max;
    x->allowed[WR_XFER_CLASS_GET] = x->cfg.get_max;
    wr_xfer_pump(x, now, out);
}

/* The oldest go first again: the sent list is in order, its tail is moved to
 * the queues' heads first. */
void wr_xfer_down(struct wr_xfer *x)
{
    if (!x->up)
        return;
    x->up = false;
    while (x->sent.tail != WR_XFER_NIL) {
        struct wr_xfer_req *q = &x->v[x->sent.tail];

        wr_xfer_detach(x, q);
        q->state = WR_XFER_QUEUED;
        wr_xfer_push_head(x, &x->queue[q->class], wr_xfer_slot(x, q));
        wr_xfer_due(x, wr_xfer_ends_at(x, q));
    }
}

void wr_xfer_hold(struct wr_xfer *x, bool held)
{
    x->held = held;
}

void wr_xfer_moved(struct wr_xfer *x, wr_time now)
{
    x->moved_at = wr_time_max(x->moved_at, now);
}

wr_time wr_xfer_deadline(const struct wr_xfer *x)
{
    return x->n > 0 ? x->deadline : WR_NEVER;
}

uint32_t wr_xfer_room(const struct wr_xfer *x)
{
    return x->cfg.requests_max - x->n;
}

void wr_xfer_stats(const struct wr_xfer *x, struct wr_xfer_stats *ret)
{
    *ret = x->count;
    ret->requests = x->n;
    ret->put_bytes = x->bytes[WR_XFER_CLASS_PUT];
    ret->put_n = x->flying[WR_XFER_CLASS_PUT];
    ret->get_bytes = x->bytes[WR_XFER_CLASS_GET];
    ret->get_n = x->flying[WR_XFER_CLASS_GET];
    ret->haves = x->batches_n;
}
