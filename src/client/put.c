/* put.c - see put.h. */
#include "client/put.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/roots.h"
#include "crypto/secret.h"
#include "sys/clock.h"

enum {
    ITEMS_MAX = 2048, /* Blocks read and not yet acknowledged. */
};

struct item {
    struct wr_ask ask;
    struct wr_put *put;
    struct item *next; /* Free, or in `queue`. */
    struct wr_id digest;
    struct wr_buf *buf;
    bool lacked; /* HAVE said no: to be sent. */
};

struct wr_put {
    struct wr_put_cfg cfg;
    struct wr_source *source;
    struct wr_put_result result;
    struct wr_why why;
    struct wr_xfer_want want;
    struct wr_root root;
    struct wr_roots_entry entry;

    struct item *items, *free;
    struct item *queue, **queue_end; /* Waits for the root or for room. */
    uint32_t items_n;                /* Not free. */

    struct wr_source_batch batch;
    uv_work_t work, save;
    enum wr_source_state source_state;
    bool reading, dry, read_all;
    bool saving, save_again;
    struct wr_why save_why;
    enum wr_err save_err;
    struct wr_roots_entry saved; /* What the worker writes. */

    struct wr_ask root_ask;
    enum phase { OPENING, SENDING, KEEPING, CLOSED } phase;
    bool renewing;       /* The open record is told to live on. */
    bool root_due;       /* A record waits for room. */
    bool failed, ending; /* ending: the last save is under way. */
    uint64_t acked;      /* Bytes of blocks. */
};

static void advance(struct wr_put *p);

struct wr_source_cfg wr_put_source_cfg(const struct wr_profile *profile,
                                       struct wr_pool *pool)
{
    return (struct wr_source_cfg){
        .hash = profile->hash,
        .chunking = profile->chunking,
        .modes = profile->keeps_mode,
        .pool = pool,
        .share = WR_CLIENT_UP,
    };
}

static void fail(struct wr_put *p, const struct wr_why *why)
{
    if (p->failed)
        return;
    p->failed = true;
    p->why = *why;
}

/* ---- the list of roots ----------------------------------------------------
 */

static void save_entry(uv_work_t *work)
{
    struct wr_put *p = work->data;

    p->save_err = wr_roots_save(p->cfg.home->dir, &p->saved, &p->save_why);
}

static void entry_saved(uv_work_t *work, int status)
{
    struct wr_put *p = work->data;

    (void)status;
    p->saving = false;
    if (p->save_err != WR_OK)
        fail(p, &p->save_why);
    advance(p);
}

static void start_save(struct wr_put *p)
{
    if (p->saving) {
        p->save_again = true;
        return;
    }
    p->saving = true;
    p->save_again = false;
    p->saved = p->entry;
    p->save.data = p;
    WR_CHECK(uv_queue_work(p->cfg.loop, &p->save, save_entry, entry_saved) ==
             0);
}

/* ---- the record ---------------------------------------------------------- */

static void on_root(struct wr_ask *ask, uint8_t status,
                    const struct wr_msg *answer, struct wr_buf *body)
{
    struct wr_put *p = ask->arg;
    struct wr_why why;

    wr_buf_unref(body);
    if (status != WR_STATUS_OK) {
        wr_session_why(p->cfg.session, status, answer, "the put", &why);
        fail(p, &why);
    } else if (p->renewing) {
        p->renewing = false;
        p->entry.version = p->root.version;
        p->entry.expires = p->root.expiry;
        start_save(p);
    } else if (p->phase == OPENING) {
        p->phase = SENDING;
        if (p->cfg.wait == WR_PUT_WAIT_ALL && p->cfg.copies == 0)
            p->want.durable = (uint8_t)wr_session_copies(p->cfg.session);
    } else {
        p->phase = CLOSED;
        p->entry.state = WR_ROOT_KEPT;
        p->entry.version = p->root.version;
        start_save(p);
    }
    advance(p);
}

static void send_root(struct wr_put *p)
{
    uint8_t bytes[WR_ROOT_BYTES_MAX];
    struct wr_id position;
    const size_t n = wr_root_encode(&p->root, bytes);

    wr_root_position(p->root.put, position.b);
    p->root_ask.done = on_root;
    p->root_ask.arg = p;
    p->root_due =
        !wr_session_root_put(p->cfg.session, &p->root_ask, &p->want, &position,
                             p->root.version, wr_span(bytes, n));
}

static void open_root(struct wr_put *p)
{
    uint8_t nonce[WR_ROOT_NONCE];
    const uint64_t now = wr_clock_wall_s();

    wr_secret_random(nonce, sizeof(nonce));
    wr_root_init(&p->root, &p->cfg.home->id.sign, p->cfg.home->cred.host,
                 nonce);
    p->root.expiry = now + WR_ROOTS_OPEN_S;
    wr_root_sign(&p->root, &p->cfg.home->id.sign);
    memcpy(p->want.put.b, p->root.put, sizeof(p->want.put.b));
    memcpy(p->result.put, p->root.put, sizeof(p->result.put));
    memcpy(p->entry.put, p->root.put, sizeof(p->entry.put));
    memcpy(p->entry.nonce, nonce, sizeof(nonce));
    p->entry.version = p->root.version;
    p->entry.state = WR_ROOT_OPEN;
    p->entry.created = now;
    p->entry.expires = p->root.expiry;
    snprintf(p->entry.name, sizeof(p->entry.name), "%s",
             p->cfg.name != NULL ? p->cfg.name : "");
    send_root(p);
    start_save(p);
}

/* A put that takes long renews its open record; false if it has slept for so
 * long that hosts may hold it for over. */
static bool keep_open(struct wr_put *p)
{
    const uint64_t now = wr_clock_wall_s();
    struct wr_why why;

    switch (wr_roots_open(p->root.expiry, now)) {
    case WR_ROOTS_FRESH:
        return true;
    case WR_ROOTS_RENEW:
        if (p->renewing)
            return true;
        p->renewing = true;
        p->root.version++;
        p->root.expiry = now + WR_ROOTS_OPEN_S;
        wr_root_sign(&p->root, &p->cfg.home->id.sign);
        send_root(p);
        return true;
    case WR_ROOTS_LATE:
        wr_why(&why, WR_ETIMEOUT,
               "the put stood still for a week; run the same command again");
        fail(p, &why);
        return false;
    }
    WR_UNREACHABLE();
}

static void keep_root(struct wr_put *p)
{
    const struct wr_tree *tree = wr_source_root(p->source);
    const struct wr_source_stats *stats = wr_source_stats(p->source);

    p->phase = KEEPING;
    p->result.cid = tree->cid;
    p->result.size = stats->bytes;
    p->result.files = stats->files;
    p->result.chunks = stats->chunks;
    p->result.chunks_deduplicated += stats->repeated;
    if (p->result.copies == UINT32_MAX)
        p->result.copies = wr_session_durable(p->cfg.session);
    p->root.version++;
    p->root.state = WR_ROOT_KEPT;
    p->root.size = stats->bytes;
    p->root.expiry = p->cfg.ttl_s != 0 ? wr_clock_wall_s() + p->cfg.ttl_s : 0;
    p->root.cid_n = (uint8_t)wr_cid_encode(&tree->cid, p->root.cid);
    wr_root_sign(&p->root, &p->cfg.home->id.sign);
    p->entry.has_cid = true;
    p->entry.cid = tree->cid;
    p->entry.size = stats->bytes;
    p->entry.expires = p->root.expiry;
    send_root(p);
}

/* ---- blocks -------------------------------------------------------------- */

static void end_item(struct item *it)
{
    struct wr_put *p = it->put;

    wr_buf_unref(it->buf);
    it->buf = NULL;
    it->next = p->free;
    p->free = it;
    p->items_n--;
}

static void later(struct item *it)
{
    struct wr_put *p = it->put;

    it->next = NULL;
    *p->queue_end = it;
    p->queue_end = &it->next;
}

static void on_item(struct wr_ask *ask, uint8_t status,
                    const struct wr_msg *answer, struct wr_buf *body);

/* False if there is no room. */
static bool submit(struct item *it)
{
    struct wr_put *p = it->put;

    it->ask.done = on_item;
    it->ask.arg = it;
    if (!it->lacked)
        return wr_session_have(p->cfg.session, &it->ask, &p->want, &it->digest);
    wr_buf_ref(it->buf);
    if (wr_session_put(p->cfg.session, &it->ask, &p->want, p->cfg.profile.hash,
                       &it->digest, it->buf))
        return true;
    wr_buf_unref(it->buf);
    return false;
}

static void acknowledged(struct item *it, uint32_t copies)
{
    struct wr_put *p = it->put;

    if (copies > 0 && copies < p->result.copies)
        p->result.copies = copies;
    if (it->lacked)
        p->result.bytes_sent += it->buf->n;
    else
        p->result.chunks_deduplicated++;
    p->acked += it->buf->n;
    end_item(it);
    if (p->cfg.progress != NULL)
        p->cfg.progress(p->cfg.arg, p->acked, wr_source_size(p->source));
}

static void on_item(struct wr_ask *ask, uint8_t status,
                    const struct wr_msg *answer, struct wr_buf *body)
{
    struct item *it = ask->arg;
    struct wr_put *p = it->put;
    struct wr_why why;

    wr_buf_unref(body);
    if (status == WR_STATUS_OK) {
        acknowledged(it, answer->kind == WR_MSG_HAD ? answer->had.copies
                         : answer->kind == WR_MSG_PUT_DONE
                             ? answer->put_done.copies
                             : 0);
    } else if (!it->lacked && status == WR_STATUS_NO) {
        it->lacked = true;
        if (!submit(it))
            later(it);
    } else {
        wr_session_why(p->cfg.session, status, answer, "the put", &why);
        fail(p, &why);
        end_item(it);
    }
    advance(p);
}

/* The block of no bytes is known to everybody: there is nothing to send. */
static void take_batch(struct wr_put *p)
{
    for (uint32_t i = 0; i < p->batch.n; i++) {
        struct item *it = p->free;

        WR_CHECK(it != NULL);
        p->free = it->next;
        p->items_n++;
        it->digest = p->batch.v[i].digest;
        it->buf = p->batch.v[i].buf;
        it->lacked = false;
        if (it->buf->n == 0)
            end_item(it);
        else
            later(it);
    }
    p->batch.n = p->batch.bytes = 0;
}

static void send_queue(struct wr_put *p)
{
    if (p->queue == NULL)
        return;
    wr_session_hold(p->cfg.session);
    while (p->queue != NULL) {
        struct item *it = p->queue;

        if (!submit(it))
            break;
        p->queue = it->next;
    }
    if (p->queue == NULL)
        p->queue_end = &p->queue;
    wr_session_let_go(p->cfg.session);
}

/* ---- reading ------------------------------------------------------------- */

static void read_batch(uv_work_t *work)
{
    struct wr_put *p = work->data;

    p->source_state = wr_source_run(p->source, &p->batch);
}

static void batch_read(uv_work_t *work, int status)
{
    struct wr_put *p = work->data;

    (void)status;
    p->reading = false;
    take_batch(p);
    p->dry = p->source_state == WR_SOURCE_DRY;
    p->read_all = p->source_state == WR_SOURCE_END;
    if (p->source_state == WR_SOURCE_FAILED)
        fail(p, wr_source_why(p->source));
    advance(p);
}

static void start_reading(struct wr_put *p)
{
    if (p->reading || p->dry || p->read_all ||
        p->items_n + WR_SOURCE_BATCH > ITEMS_MAX)
        return;
    p->reading = true;
    p->work.data = p;
    WR_CHECK(uv_queue_work(p->cfg.loop, &p->work, read_batch, batch_read) == 0);
}

/* ---- the whole ----------------------------------------------------------- */

static void free_put(struct wr_put *p)
{
    wr_source_close(p->source);
    free(p->items);
    free(p);
}

/* Nothing of ours is with a worker or the session any more. */
static void finish(struct wr_put *p)
{
    void (*done)(void *arg, const struct wr_why *why,
                 const struct wr_put_result *result) = p->cfg.done;
    const struct wr_put_result result = p->result;
    const struct wr_why why = p->why;
    const bool failed = p->failed;
    void *arg = p->cfg.arg;

    free_put(p);
    done(arg, &why, failed ? NULL : &result);
}

static void abandon(struct wr_put *p)
{
    for (uint32_t i = 0; i < ITEMS_MAX; i++) {
        struct item *it = &p->items[i];

        wr_session_cancel(p->cfg.session, &it->ask);
        wr_buf_unref(it->buf);
        it->buf = NULL;
    }
    wr_session_cancel(p->cfg.session, &p->root_ask);
}

static void advance(struct wr_put *p)
{
    if (p->failed) {
        if (p->ending)
            return;
        if (p->reading || p->saving)
            return; /* They come back here. */
        p->ending = true;
        abandon(p);
        finish(p);
        return;
    }
    if (p->save_again && !p->saving)
        start_save(p);
    if (p->phase == CLOSED) {
        if (!p->saving)
            finish(p);
        return;
    }
    if (p->root_due)
        send_root(p);
    if (p->phase == SENDING && !keep_open(p)) {
        advance(p);
        return;
    }
    if (p->phase == SENDING)
        send_queue(p);
    start_reading(p);
    if (p->phase == SENDING && p->read_all && p->items_n == 0 && !p->renewing)
        keep_root(p);
}

void wr_put_room(struct wr_put *p)
{
    p->dry = false;
    advance(p);
}

void wr_put_cancel(struct wr_put *p)
{
    struct wr_why why;

    wr_why(&why, WR_ECANCELED,
           "cancelled; what was stored stays for a week, and the same command "
           "resumes");
    fail(p, &why);
    wr_source_stop(p->source);
    advance(p);
}

enum wr_err wr_put_start(struct wr_put **ret, const struct wr_put_cfg *cfg,
                         struct wr_source *source)
{
    struct wr_put *p = calloc(1, sizeof(*p));
    struct item *items = calloc(ITEMS_MAX, sizeof(*items));

    if (p == NULL || items == NULL) {
        free(p);
        free(items);
        wr_source_close(source);
        return WR_ENOMEM;
    }
    p->cfg = *cfg;
    p->source = source;
    p->items = items;
    p->queue_end = &p->queue;
    p->result.copies = UINT32_MAX;
    for (uint32_t i = ITEMS_MAX; i > 0; i--) {
        items[i - 1].put = p;
        items[i - 1].next = p->free;
        p->free = &items[i - 1];
    }
    p->want.copies = cfg->copies;
    if (cfg->wait == WR_PUT_WAIT_ONE)
        p->want.durable = 1;
    else if (cfg->wait == WR_PUT_WAIT_ALL)
        p->want.durable = cfg->copies; /* 0: known once a parent stands. */
    *ret = p;
    open_root(p);
    start_reading(p);
    return WR_OK;
}

/* ---- giving up ------------------------------------------------------------
 */

struct wr_drop {
    struct wr_session *session;
    uv_loop_t *loop;
    const struct wr_home *home;
    struct wr_root root;
    struct wr_ask ask;
    uv_work_t work;
    bool working;
    struct wr_why why;
    enum wr_err err;
    void (*done)(void *arg, const struct wr_why *why);
    void *arg;
};

static void end_drop(struct wr_drop *d)
{
    const struct wr_why why = d->why;
    void (*done)(void *arg, const struct wr_why *y) = d->done;
    void *arg = d->arg;

    free(d);
    done(arg, &why);
}

static void forget_entry(uv_work_t *work)
{
    struct wr_drop *d = work->data;

    d->err = wr_roots_drop(d->home->dir, d->root.put, &d->why);
}

static void entry_forgotten(uv_work_t *work, int status)
{
    (void)status;
    end_drop(work->data);
}

static void on_given_up(struct wr_ask *ask, uint8_t status,
                        const struct wr_msg *answer, struct wr_buf *body)
{
    struct wr_drop *d = ask->arg;

    wr_buf_unref(body);
    if (status != WR_STATUS_OK) {
        wr_session_why(d->session, status, answer, "giving it up", &d->why);
        end_drop(d);
        return;
    }
    d->working = true;
    d->work.data = d;
    WR_CHECK(uv_queue_work(d->loop, &d->work, forget_entry, entry_forgotten) ==
             0);
}

enum wr_err wr_drop_start(struct wr_drop **ret, struct wr_session *session,
                          uv_loop_t *loop, const struct wr_home *home,
                          const struct wr_roots_entry *e,
                          void (*done)(void *arg, const struct wr_why *why),
                          void *arg)
{
    struct wr_drop *d = calloc(1, sizeof(*d));
    uint8_t bytes[WR_ROOT_BYTES_MAX];
    struct wr_xfer_want want = {0};
    struct wr_id position;

    if (d == NULL)
        return WR_ENOMEM;
    d->session = session;
    d->loop = loop;
    d->home = home;
    d->done = done;
    d->arg = arg;
    wr_root_init(&d->root, &home->id.sign, home->cred.host, e->nonce);
    d->root.version = e->version + 1;
    d->root.state = WR_ROOT_GIVEN_UP;
    d->root.expiry = wr_clock_wall_s(); /* Since when; D11. */
    d->root.size = e->size;
    if (e->has_cid)
        d->root.cid_n = (uint8_t)wr_cid_encode(&e->cid, d->root.cid);
    else /* Cut off before its root was known: any block stands in for it. */
        d->root.cid_n =
            (uint8_t)wr_cid_encode(&(struct wr_cid){.codec = WR_CODEC_RAW,
                                                    .hash = WR_HASH_BLAKE2B_256,
                                                    .version = 1,
                                                    .n = WR_DIGEST_SIZE},
                                   d->root.cid);
    wr_root_sign(&d->root, &home->id.sign);
    wr_root_position(d->root.put, position.b);
    memcpy(want.put.b, d->root.put, sizeof(want.put.b));
    d->ask.done = on_given_up;
    d->ask.arg = d;
    const size_t n = wr_root_encode(&d->root, bytes);
    if (!wr_session_root_put(session, &d->ask, &want, &position,
                             d->root.version, wr_span(bytes, n))) {
        free(d);
        return WR_EBUSY;
    }
    *ret = d;
    return WR_OK;
}

void wr_drop_cancel(struct wr_drop *d)
{
    if (d->working)
        return; /* It is done but for our own list. */
    wr_session_cancel(d->session, &d->ask);
    wr_why(&d->why, WR_ECANCELED, "cancelled");
    end_drop(d);
}
