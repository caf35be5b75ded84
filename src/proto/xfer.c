/* xfer.c - see xfer.h. */
#include "proto/xfer.h"

#include <stdlib.h>

enum {
    NIL = 0xffff,       /* No slot. */
    HAVE_RID = 1 << 16, /* Marks the rid of a batch; below is its slot. */
    BAD_MAX = 4,        /* Bodies that did not verify, of one request. */
    FAILED_MAX = 3,     /* "This host could not", of one request. */
    WINDOW_MIN = 4,     /* However often a parent says BUSY. */
};

enum class { CLASS_HAVE, CLASS_PUT, CLASS_GET, CLASS_NOTE, CLASSES };

enum state {
    FREE,
    QUEUED,  /* For the window, or for a parent. */
    SENT,    /* On its way. */
    WAITING, /* Until `again`, then QUEUED. */
};

struct req {
    uint8_t state, class, kind;
    uint8_t copies, durable;
    uint8_t bads, faileds, waits;
    uint8_t last_status; /* The last refusal, for when patience is over. */
    uint8_t last_kind;   /* And the message that it came in; 0: silence. */
    uint8_t asked, down, hosts_n;
    bool head, repeated;
    uint16_t next, prev;  /* In its class's queue, or in `sent`. */
    uint16_t batch_next;  /* CLASS_HAVE, SENT: the next of its batch, */
    uint16_t batch, at;   /* which one, and its place in the message. */
    uint16_t note;        /* CLASS_NOTE: slot of its bytes. */
    uint32_t generation;  /* Told apart from earlier users of the slot. */
    uint32_t hash, bytes; /* bytes: weight in the window. */
    struct wr_body body;
    wr_token token;
    wr_time patience, begun, again, sent_at;
    wr_time refused_since; /* 0: not refused, or not since it last moved. */
    uint64_t version;
    struct wr_put_id put;
    struct wr_id digest; /* Or a root's position. */
    wr_host hosts[WR_XFER_HOSTS];
};

struct list {
    uint16_t head, tail;
    uint32_t n;
};

struct batch {
    uint16_t first; /* NIL: unused. */
    uint8_t n;
    uint32_t generation;
};

struct note {
    uint16_t n, what_n; /* A query is its word, then its argument. */
    uint16_t next_free;
    uint8_t b[WR_XFER_NOTE_MAX];
};

struct wr_xfer {
    struct wr_xfer_cfg cfg;
    struct wr_rng rng;
    bool up, held;
    struct req *v;
    struct batch *batches;
    struct note *notes;
    uint16_t free, note_free;
    uint32_t n, notes_n;
    struct list queue[CLASSES];
    struct list sent;
    uint32_t flying[CLASSES];  /* Requests SENT, by class. */
    uint32_t bytes[CLASSES];   /* Their weight. */
    uint32_t allowed[CLASSES]; /* How many at once: shrinks on BUSY. */
    wr_time shrunk_at;
    uint32_t batches_n;
    wr_time moved_at;
    wr_time deadline; /* Never later than the first thing that is due. */
    struct wr_xfer_stats count;
};

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
        .answer_us = WR_SEC(60),
        .jitter_permille = 500,
    };
}

enum wr_err wr_xfer_open(struct wr_xfer **ret, const struct wr_xfer_cfg *cfg)
{
    struct wr_xfer *x = calloc(1, sizeof(*x));

    WR_CHECK(cfg->requests_max > 0 && cfg->requests_max < NIL);
    WR_CHECK(cfg->notes_max < NIL && cfg->haves_max > 0);
    WR_CHECK(cfg->put_max >= WINDOW_MIN && cfg->get_max >= WINDOW_MIN);
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
        x->v[i].next = (uint16_t)(i + 1 < cfg->requests_max ? i + 1 : NIL);
    for (uint32_t i = 0; i < cfg->notes_max; i++)
        x->notes[i].next_free =
            (uint16_t)(i + 1 < cfg->notes_max ? i + 1 : NIL);
    x->note_free = cfg->notes_max > 0 ? 0 : NIL;
    for (uint32_t i = 0; i < cfg->haves_max; i++)
        x->batches[i].first = NIL;
    for (uint32_t i = 0; i < CLASSES; i++)
        x->queue[i] = (struct list){NIL, NIL, 0};
    x->sent = (struct list){NIL, NIL, 0};
    x->allowed[CLASS_PUT] = cfg->put_max;
    x->allowed[CLASS_GET] = cfg->get_max;
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

static void push_tail(struct wr_xfer *x, struct list *l, uint16_t i)
{
    x->v[i].next = NIL;
    x->v[i].prev = l->tail;
    if (l->tail != NIL)
        x->v[l->tail].next = i;
    else
        l->head = i;
    l->tail = i;
    l->n++;
}

static void push_head(struct wr_xfer *x, struct list *l, uint16_t i)
{
    x->v[i].prev = NIL;
    x->v[i].next = l->head;
    if (l->head != NIL)
        x->v[l->head].prev = i;
    else
        l->tail = i;
    l->head = i;
    l->n++;
}

static void unlink_from(struct wr_xfer *x, struct list *l, uint16_t i)
{
    struct req *q = &x->v[i];

    if (q->prev != NIL)
        x->v[q->prev].next = q->next;
    else
        l->head = q->next;
    if (q->next != NIL)
        x->v[q->next].prev = q->prev;
    else
        l->tail = q->prev;
    l->n--;
}

static void due(struct wr_xfer *x, wr_time at)
{
    x->deadline = wr_time_min(x->deadline, at);
}

/* When the request ends for want of progress. */
static wr_time ends_at(const struct wr_xfer *x, const struct req *q)
{
    wr_time at = wr_time_max(q->begun, x->moved_at) + q->patience;

    if (q->refused_since != 0)
        at = wr_time_min(at, q->refused_since + q->patience);
    return at;
}

static uint16_t slot_of(const struct wr_xfer *x, const struct req *q)
{
    return (uint16_t)(q - x->v);
}

static uint64_t rid_of(const struct wr_xfer *x, const struct req *q)
{
    return (uint64_t)q->generation << 32 | slot_of(x, q);
}

static void leave_batch(struct wr_xfer *x, const struct req *q)
{
    struct batch *b = &x->batches[q->batch];

    for (uint16_t *p = &b->first; *p != NIL; p = &x->v[*p].batch_next) {
        if (*p != slot_of(x, q))
            continue;
        *p = q->batch_next;
        if (b->first == NIL)
            x->batches_n--;
        return;
    }
}

/* Out of whatever list it is in; its weight leaves the window. A batch keeps
 * its other requests. */
static void detach(struct wr_xfer *x, struct req *q)
{
    const uint16_t i = slot_of(x, q);

    if (q->state == QUEUED) {
        unlink_from(x, &x->queue[q->class], i);
    } else if (q->state == SENT) {
        unlink_from(x, &x->sent, i);
        x->flying[q->class]--;
        x->bytes[q->class] -= q->bytes;
        if (q->class == CLASS_HAVE)
            leave_batch(x, q);
    }
}

static void release_slot(struct wr_xfer *x, struct req *q,
                         struct wr_outbox *out)
{
    const uint16_t i = slot_of(x, q);

    if (q->kind == WR_MSG_PUT)
        wr_outbox_release(out, q->body);
    if (q->note != NIL) {
        x->notes[q->note].next_free = x->note_free;
        x->note_free = q->note;
        x->notes_n--;
    }
    q->state = FREE;
    q->generation++;
    q->next = x->free;
    x->free = i;
    x->n--;
}

/* The one end of a request. */
static void finish(struct wr_xfer *x, struct req *q, uint8_t status,
                   const struct wr_msg *m, struct wr_outbox *out)
{
    struct wr_fx *fx = wr_outbox_push(out, WR_FX_DONE);

    /* wr_xfer_recv() and the tick make sure that there is room. */
    WR_CHECK(fx != NULL);
    fx->done.token = q->token;
    fx->done.status = status;
    fx->done.answer = *m;
    release_slot(x, q, out);
}

/* Arrays of an answer are borrowed for the step: DONE keeps copies. */
static struct wr_msg kept(const struct wr_msg *m, struct wr_outbox *out)
{
    struct wr_msg copy = *m;

    if (m->kind == WR_MSG_DATA && m->data.hosts_n > 0) {
        const size_t n = m->data.hosts_n * sizeof(*m->data.hosts);
        void *p = wr_outbox_alloc(out, n);

        copy.data.hosts = p;
        if (p != NULL)
            memcpy(p, m->data.hosts, n);
        else
            copy.data.hosts_n = 0;
    }
    return copy;
}

static wr_time backoff(struct wr_xfer *x, const struct req *q,
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
    if ((class != CLASS_PUT && class != CLASS_GET) ||
        now < x->shrunk_at + WR_MS(100))
        return;
    x->shrunk_at = now;
    const uint32_t half = x->flying[class] / 2;
    x->allowed[class] = half > WINDOW_MIN ? half : WINDOW_MIN;
}

static void grow(struct wr_xfer *x, unsigned class)
{
    const uint32_t most = class == CLASS_PUT ? x->cfg.put_max : x->cfg.get_max;

    if (x->allowed[class] < most)
        x->allowed[class]++;
}

/* For when patience runs out while nothing is under way. */
static void remember(struct req *q, uint8_t status, const struct wr_msg *m)
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

static struct wr_msg remembered(const struct req *q)
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
static void refuse(struct wr_xfer *x, struct req *q, uint8_t status,
                   uint32_t retry_ms, wr_time now)
{
    detach(x, q);
    if (q->refused_since == 0 && status != WR_STATUS_BUSY)
        q->refused_since = now;
    if (status == WR_STATUS_BUSY)
        x->count.busy++;
    q->state = WAITING;
    q->again = now + backoff(x, q, retry_ms);
    if (q->waits < 16)
        q->waits++;
    due(x, wr_time_min(q->again, ends_at(x, q)));
}

static bool may_send(const struct wr_xfer *x, const struct req *q)
{
    switch ((enum class)q->class) {
    case CLASS_HAVE:
        return x->batches_n < x->cfg.haves_max;
    case CLASS_PUT:
        return x->flying[CLASS_PUT] == 0 ||
               (x->flying[CLASS_PUT] < x->allowed[CLASS_PUT] &&
                x->bytes[CLASS_PUT] + q->bytes <= x->cfg.put_bytes_max);
    case CLASS_GET:
        return x->flying[CLASS_GET] == 0 ||
               (x->flying[CLASS_GET] < x->allowed[CLASS_GET] &&
                x->bytes[CLASS_GET] + q->bytes <= x->cfg.get_bytes_max);
    case CLASS_NOTE:
        return true; /* Bounded by their slots. */
    case CLASSES:
        break;
    }
    WR_UNREACHABLE();
}

static void mark_sent(struct wr_xfer *x, struct req *q, wr_time now)
{
    detach(x, q);
    q->state = SENT;
    q->sent_at = now;
    push_tail(x, &x->sent, slot_of(x, q));
    x->flying[q->class]++;
    x->bytes[q->class] += q->bytes;
    x->count.sent++;
    if (q->repeated)
        x->count.repeated++;
    q->repeated = true;
    due(x, wr_time_min(now + x->cfg.answer_us, ends_at(x, q)));
}

static void fill_note(const struct wr_xfer *x, const struct req *q,
                      struct wr_msg *m)
{
    const struct note *note = q->note != NIL ? &x->notes[q->note] : NULL;

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
    if (note != NULL)
        m->root.record = wr_span(note->b, note->n);
}

/* A query's words have no copy in wr_outbox_send(): they stay in their note,
 * which lives as long as the request does; the outbox is drained before. */
static void send_one(struct wr_xfer *x, struct req *q, wr_time now,
                     struct wr_outbox *out)
{
    struct wr_msg m = {.kind = q->kind,
                       .from = WR_MEMBER_NONE,
                       .to = WR_MEMBER_NONE,
                       .rid = rid_of(x, q)};

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

static bool same_want(const struct req *a, const struct req *b)
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
    struct req *front = &x->v[x->queue[CLASS_HAVE].head];
    uint32_t b = 0;

    if (fx == NULL)
        return; /* pump() saw room; nothing is lost if it did not. */
    while (x->batches[b].first != NIL)
        b++;
    struct batch *batch = &x->batches[b];
    uint16_t *link = &batch->first, next;

    batch->generation++;
    batch->n = 0;
    for (uint16_t i = slot_of(x, front); i != NIL && batch->n < WR_HAVE_MAX;
         i = next) {
        struct req *q = &x->v[i];

        next = q->next;
        if (!same_want(q, front))
            continue;
        mark_sent(x, q, now);
        q->batch = (uint16_t)b;
        q->at = batch->n;
        digests[batch->n++] = q->digest;
        *link = i;
        link = &q->batch_next;
        *link = NIL;
    }
    x->batches_n++;
    fx->to = WR_XFER_PARENT;
    fx->msg = (struct wr_msg){
        .kind = WR_MSG_HAVE,
        .from = WR_MEMBER_NONE,
        .to = WR_MEMBER_NONE,
        .rid = (uint64_t)batch->generation << 32 | HAVE_RID | b,
    };
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
    return x->queue[CLASS_HAVE].n >= WR_HAVE_MAX || x->batches_n < 2;
}

void wr_xfer_pump(struct wr_xfer *x, wr_time now, struct wr_outbox *out)
{
    static const enum class order[] = {CLASS_NOTE, CLASS_HAVE, CLASS_GET,
                                       CLASS_PUT};
    /* What one send may take; the rest of the outbox stays for DONEs. */
    const uint32_t fx_n = 8, bytes = WR_HAVE_MAX * WR_ID_BYTES + 1024;

    if (!x->up || x->held)
        return;
    for (size_t c = 0; c < WR_ARRAY_LEN(order); c++) {
        const struct list *queue = &x->queue[order[c]];

        while (queue->head != NIL && may_send(x, &x->v[queue->head])) {
            if (!wr_outbox_has_room(out, fx_n, bytes))
                return;
            if (order[c] != CLASS_HAVE)
                send_one(x, &x->v[queue->head], now, out);
            else if (batch_ripe(x))
                send_batch(x, now, out);
            else
                break;
        }
    }
}

/* A slot for a new request, filled with what all have; NULL if none is left.
 * `bytes` of a note are taken along. */
static struct req *begin(struct wr_xfer *x, wr_token token, uint8_t kind,
                         enum class class, const struct wr_id *digest,
                         wr_time patience, wr_time now, bool noted)
{
    const uint16_t i = x->free;

    if (x->n == x->cfg.requests_max || (noted && x->note_free == NIL))
        return NULL;
    struct req *q = &x->v[i];
    const uint32_t generation = q->generation;

    x->free = q->next;
    x->n++;
    *q = (struct req){
        .state = QUEUED,
        .class = (uint8_t) class,
        .kind = kind,
        .last_status = WR_STATUS_TIMEOUT,
        .note = NIL,
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
        x->notes_n++;
    }
    push_tail(x, &x->queue[class], i);
    due(x, ends_at(x, q));
    return q;
}

static void set_want(struct req *q, const struct wr_xfer_want *want)
{
    q->put = want->put;
    q->copies = want->copies;
    q->durable = want->durable;
}

bool wr_xfer_have(struct wr_xfer *x, wr_token token,
                  const struct wr_xfer_want *want, const struct wr_id *digest,
                  wr_time patience, wr_time now, struct wr_outbox *out)
{
    struct req *q =
        begin(x, token, WR_MSG_HAVE, CLASS_HAVE, digest, patience, now, false);

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
    struct req *q =
        begin(x, token, WR_MSG_PUT, CLASS_PUT, digest, patience, now, false);

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
    struct req *q =
        begin(x, token, WR_MSG_GET, CLASS_GET, digest, patience, now, false);

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
    struct req *q = begin(x, token, WR_MSG_ROOT_PUT, CLASS_NOTE, position,
                          patience, now, true);

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
    struct req *q =
        begin(x, token, WR_MSG_QUERY, CLASS_NOTE, NULL, patience, now, true);

    if (q == NULL)
        return false;
    struct note *note = &x->notes[q->note];
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
        struct req *q = &x->v[i];

        if (q->state == FREE || q->token != token)
            continue;
        detach(x, q);
        release_slot(x, q, out);
        wr_xfer_pump(x, now, out);
        return true;
    }
    return false;
}

void wr_xfer_up(struct wr_xfer *x, wr_time now, struct wr_outbox *out)
{
    WR_CHECK(!x->up);
    x->up = true;
    x->moved_at = now;
    x->allowed[CLASS_PUT] = x->cfg.put_max;
    x->allowed[CLASS_GET] = x->cfg.get_max;
    wr_xfer_pump(x, now, out);
}

/* The oldest go first again: the sent list is in order, its tail is moved to
 * the queues' heads first. */
void wr_xfer_down(struct wr_xfer *x, wr_time now)
{
    if (!x->up)
        return;
    x->up = false;
    while (x->sent.tail != NIL) {
        struct req *q = &x->v[x->sent.tail];

        detach(x, q);
        q->state = QUEUED;
        push_head(x, &x->queue[q->class], slot_of(x, q));
        due(x, ends_at(x, q));
    }
    (void)now;
}

void wr_xfer_hold(struct wr_xfer *x, bool held)
{
    x->held = held;
}

void wr_xfer_moved(struct wr_xfer *x, wr_time now)
{
    x->moved_at = wr_time_max(x->moved_at, now);
}

/* What an answer says about a request that is not HAVE. */
struct verdict {
    uint8_t status;
    uint32_t retry_ms;
    struct wr_body body; /* To be handed on, or released. */
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
        v.body = m->data.body;
        break;
    case WR_MSG_ROOT_DONE:
        v.status = m->root.status;
        v.retry_ms = m->root.retry_ms;
        break;
    case WR_MSG_REPORT:
        v.status = m->report.status;
        v.body = m->report.body;
        break;
    default:
        WR_UNREACHABLE();
    }
    if (m->bad_body)
        v.status = WR_STATUS_BAD;
    return v;
}

static bool answers(uint8_t answer, uint8_t ask)
{
    switch (ask) {
    case WR_MSG_HAVE:
        return answer == WR_MSG_HAD;
    case WR_MSG_PUT:
        return answer == WR_MSG_PUT_DONE;
    case WR_MSG_GET:
        return answer == WR_MSG_DATA;
    case WR_MSG_ROOT_PUT:
        return answer == WR_MSG_ROOT_DONE;
    case WR_MSG_QUERY:
        return answer == WR_MSG_REPORT;
    default:
        return false;
    }
}

/* Whether `status` may pass by itself, for this request. */
static bool passes(struct req *q, uint8_t status)
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
static void settle(struct wr_xfer *x, struct req *q, uint8_t status,
                   uint32_t retry_ms, const struct wr_msg *m, wr_time now,
                   struct wr_outbox *out)
{
    if (status == WR_STATUS_BUSY)
        shrink(x, q->class, now);
    /* Bytes are good for something with OK alone. */
    if (m->kind == WR_MSG_DATA && status != WR_STATUS_OK)
        wr_outbox_release(out, m->data.body);
    if (passes(q, status)) {
        remember(q, status, m);
        refuse(x, q, status, retry_ms, now);
        if (now < ends_at(x, q))
            return;
    } else {
        if (status == WR_STATUS_OK || status == WR_STATUS_NO) {
            x->moved_at = now;
            if (q->class == CLASS_PUT || q->class == CLASS_GET)
                grow(x, q->class);
        }
        detach(x, q);
    }
    struct wr_msg copy = kept(m, out);
    if (copy.kind == WR_MSG_DATA && status != WR_STATUS_OK)
        copy.data.body = (struct wr_body){0};
    finish(x, q, status, &copy, out);
}

static void on_had(struct wr_xfer *x, const struct wr_msg *m, wr_time now,
                   struct wr_outbox *out)
{
    const uint32_t b = (uint32_t)m->rid & (HAVE_RID - 1);
    const bool known = (m->rid & HAVE_RID) != 0 && b < x->cfg.haves_max &&
                       x->batches[b].first != NIL &&
                       x->batches[b].generation == m->rid >> 32;

    /* A count that is not ours is a liar's or a stranger's: stay in flight. */
    if (!known ||
        (m->had.status == WR_STATUS_OK && m->had.n != x->batches[b].n)) {
        x->count.dropped++;
        return;
    }
    for (uint16_t i = x->batches[b].first, next; i != NIL; i = next) {
        struct req *q = &x->v[i];
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
    struct req *q = i < x->cfg.requests_max ? &x->v[i] : NULL;

    if (q == NULL || q->state == FREE || q->generation != m->rid >> 32 ||
        !answers(m->kind, q->kind)) {
        x->count.dropped++;
        wr_outbox_release(out, v.body);
        return true;
    }
    /* Sound bytes under another name than we asked for are a liar's. */
    if (m->kind == WR_MSG_DATA && v.status == WR_STATUS_OK && !q->head &&
        !wr_id_eq(&m->data.digest, &q->digest))
        v.status = WR_STATUS_BAD;
    if (v.status == WR_STATUS_BAD)
        x->count.bad++;
    settle(x, q, v.status, v.retry_ms, m, now, out);
    wr_xfer_pump(x, now, out);
    return true;
}

/* What is due for one request; the next time something will be. */
static wr_time tick_one(struct wr_xfer *x, struct req *q, wr_time now,
                        struct wr_outbox *out)
{
    const wr_time end = ends_at(x, q);

    if (now >= end) {
        if (!wr_outbox_has_room(out, 4, 0))
            return now; /* Once the outbox is drained. */
        const uint8_t status = q->last_status;
        const struct wr_msg last = remembered(q), copy = kept(&last, out);
        detach(x, q);
        finish(x, q, status, &copy, out);
        return WR_NEVER;
    }
    if (q->state == WAITING && now >= q->again) {
        q->state = QUEUED;
        push_tail(x, &x->queue[q->class], slot_of(x, q));
    } else if (q->state == SENT && now >= q->sent_at + x->cfg.answer_us) {
        detach(x, q);
        q->state = QUEUED;
        push_head(x, &x->queue[q->class], slot_of(x, q));
    }
    if (q->state == WAITING)
        return wr_time_min(end, q->again);
    if (q->state == SENT)
        return wr_time_min(end, q->sent_at + x->cfg.answer_us);
    return end;
}

void wr_xfer_tick(struct wr_xfer *x, wr_time now, struct wr_outbox *out)
{
    if (now < x->deadline)
        return;
    x->deadline = WR_NEVER;
    for (uint32_t i = 0; i < x->cfg.requests_max; i++)
        if (x->v[i].state != FREE)
            due(x, tick_one(x, &x->v[i], now, out));
    wr_xfer_pump(x, now, out);
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
    ret->put_bytes = x->bytes[CLASS_PUT];
    ret->put_n = x->flying[CLASS_PUT];
    ret->get_bytes = x->bytes[CLASS_GET];
    ret->get_n = x->flying[CLASS_GET];
    ret->haves = x->batches_n;
}
