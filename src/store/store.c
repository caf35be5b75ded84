/* store.c - see store.h: requests made, counted, answered and freed. */
#include "store/store.h"

#include <stdlib.h>

#include "store/impl.h"

bool wr_store_op_writes(const struct wr_store_req *r)
{
    switch (r->op) {
    case WR_STORE_PUT:
    case WR_STORE_DROP:
    case WR_STORE_REAP:
    case WR_STORE_ROOT_PUT:
    case WR_STORE_ROOT_DROP:
    case WR_STORE_META_PUT:
    case WR_STORE_QUARANTINE:
        return true;
    case WR_STORE_HAVE:
        return r->has_put_id;
    case WR_STORE_READ:
    case WR_STORE_STAT:
    case WR_STORE_REFS:
    case WR_STORE_LIST:
    case WR_STORE_SUM:
    case WR_STORE_SCRUB:
    case WR_STORE_ROOT_GET:
    case WR_STORE_ROOT_LIST:
    case WR_STORE_META_GET:
        return false;
    }
    WR_UNREACHABLE();
}

enum wr_space wr_space_of(uint64_t used, uint64_t capacity)
{
    /* In parts of a thousand, of numbers that do not overflow. */
    const uint64_t unit = capacity / 1000 + 1;
    const uint64_t full = used / unit;

    if (full >= 980)
        return WR_SPACE_READONLY;
    if (full >= 950)
        return WR_SPACE_NO_FIX;
    if (full >= 900)
        return WR_SPACE_NO_PUT;
    return full >= 850 ? WR_SPACE_TIGHT : WR_SPACE_FREE;
}

bool wr_space_takes(enum wr_space space, const struct wr_store_req *r,
                    bool fresh)
{
    if (r->op == WR_STORE_META_PUT || r->op == WR_STORE_DROP ||
        r->op == WR_STORE_REAP || r->op == WR_STORE_ROOT_DROP ||
        r->op == WR_STORE_QUARANTINE)
        return true;
    if (r->op == WR_STORE_ROOT_PUT && !fresh)
        return true; /* It may be the one that gives up, and frees. */
    if (r->op == WR_STORE_PUT && fresh)
        return space < (r->repair ? WR_SPACE_NO_FIX : WR_SPACE_NO_PUT);
    return space < WR_SPACE_READONLY;
}

bool wr_store_req_out(struct wr_store_req *r, size_t bytes)
{
    WR_CHECK(r->out == NULL);
    r->out = calloc(1, bytes);
    if (r->out == NULL)
        r->answer.err = WR_ENOMEM;
    return r->out != NULL;
}

bool wr_store_root_yields(uint64_t version, struct wr_span bytes,
                          const struct wr_store_req *r)
{
    if (r->number != version)
        return r->number > version;
    return wr_span_cmp(r->bytes, bytes) > 0;
}

enum wr_reap wr_store_reap_does(uint64_t idle_since,
                                const struct wr_store_req *r)
{
    if (idle_since == 0 || idle_since > r->number)
        return WR_REAP_MARK;
    return r->number - idle_since >= r->n ? WR_REAP_REMOVE : WR_REAP_WAIT;
}

/* What a request counts for in the queue. */
static size_t weight(const struct wr_store_req *r)
{
    return wr_store_op_writes(r) ? r->bytes.n : 0;
}

/* A request with room for a copy of `copied` behind it; NULL: no memory. */
static struct wr_store_req *req_new(enum wr_store_op op, struct wr_span key,
                                    struct wr_span copied, wr_store_fn *fn,
                                    void *arg)
{
    struct wr_store_req *r = malloc(sizeof(*r) + copied.n);

    WR_CHECK(fn != NULL && key.n <= sizeof(r->key));
    if (r == NULL)
        return NULL;
    *r = (struct wr_store_req){.op = op, .fn = fn, .arg = arg};
    if (key.p != NULL)
        memcpy(r->key, key.p, key.n);
    r->has_key = key.p != NULL;
    r->key_n = (uint32_t)key.n;
    if (copied.n > 0)
        memcpy(r->tail, copied.p, copied.n);
    r->bytes = wr_span(r->tail, copied.n);
    return r;
}

static enum wr_err submit(struct wr_store *s, struct wr_store_req *r)
{
    if (r == NULL)
        return WR_ENOMEM;
    /* One that is larger than the room that is left waits; one alone is
     * always taken, whatever its size. */
    if (s->pending >= WR_STORE_QUEUE_MAX ||
        (s->pending > 0 &&
         s->pending_bytes + weight(r) > WR_STORE_QUEUE_BYTES)) {
        free(r);
        return WR_EBUSY;
    }
    s->pending++;
    s->pending_bytes += weight(r);
    if (r->buf != NULL)
        wr_buf_ref(r->buf);
    s->ops->submit(s, r);
    return WR_OK;
}

static void answer(struct wr_store *s, struct wr_store_req *r)
{
    s->pending--;
    s->pending_bytes -= weight(r);
    r->fn(r->arg, &r->answer);
    wr_buf_unref(r->buf);
    free(r->out);
    free(r);
}

static void poll(struct wr_store *s, bool wait)
{
    struct wr_store_reqs done;
    struct wr_store_req *r;

    WR_CHECK(!s->polling); /* A callback must not poll, drain or close. */
    s->polling = true;
    wr_store_reqs_init(&done);
    s->ops->done(s, wait, &done);
    while ((r = wr_store_reqs_take(&done)) != NULL)
        answer(s, r);
    s->polling = false;
}

void wr_store_poll(struct wr_store *s)
{
    poll(s, false);
}

void wr_store_drain(struct wr_store *s)
{
    while (s->pending > 0)
        poll(s, true);
}

void wr_store_close(struct wr_store *s)
{
    if (s == NULL)
        return;
    wr_store_drain(s);
    s->ops->close(s);
}

struct wr_store_room wr_store_room(const struct wr_store *s)
{
    return (struct wr_store_room){
        .requests = WR_STORE_QUEUE_MAX - s->pending,
        .bytes = s->pending_bytes < WR_STORE_QUEUE_BYTES
                     ? WR_STORE_QUEUE_BYTES - s->pending_bytes
                     : 0,
    };
}

void wr_store_usage(struct wr_store *s, struct wr_store_usage *ret)
{
    s->ops->usage(s, ret);
}

void wr_store_tick(struct wr_store *s)
{
    s->ops->tick(s);
}

static struct wr_span digest_span(const uint8_t *digest)
{
    return wr_span(digest, digest != NULL ? WR_DIGEST : 0);
}

static void set_put_id(struct wr_store_req *r, const uint8_t *put_id)
{
    if (put_id == NULL)
        return;
    memcpy(r->put_id, put_id, WR_PUT_ID);
    r->has_put_id = true;
}

enum wr_err wr_store_put(struct wr_store *s, const struct wr_store_put *put,
                         wr_store_fn *fn, void *arg)
{
    struct wr_store_req *r = req_new(WR_STORE_PUT, digest_span(put->digest),
                                     wr_span(NULL, 0), fn, arg);

    WR_CHECK(put->bytes.n <= WR_STORE_CHUNK_MAX);
    WR_CHECK(put->buf != NULL || put->bytes.n == 0);
    if (r == NULL)
        return WR_ENOMEM;
    r->number = put->hash;
    r->repair = put->repair;
    r->buf = put->buf;
    r->bytes = put->bytes;
    set_put_id(r, put->no_put_id ? NULL : put->put_id);
    return submit(s, r);
}

enum wr_err wr_store_have(struct wr_store *s, const uint8_t *digests,
                          uint32_t n, const uint8_t *put_id, wr_store_fn *fn,
                          void *arg)
{
    struct wr_store_req *r;

    WR_CHECK(n > 0 && n <= WR_STORE_BATCH_MAX);
    r = req_new(WR_STORE_HAVE, wr_span(NULL, 0),
                wr_span(digests, (size_t)n * WR_DIGEST), fn, arg);
    if (r == NULL)
        return WR_ENOMEM;
    r->n = n;
    set_put_id(r, put_id);
    return submit(s, r);
}

/* A request that is a key, and perhaps a number of items. */
static enum wr_err ask(struct wr_store *s, enum wr_store_op op,
                       struct wr_span key, uint32_t n, wr_store_fn *fn,
                       void *arg)
{
    struct wr_store_req *r = req_new(op, key, wr_span(NULL, 0), fn, arg);

    if (r == NULL)
        return WR_ENOMEM;
    r->n = n;
    return submit(s, r);
}

enum wr_err wr_store_read(struct wr_store *s, const uint8_t *digest,
                          struct wr_pool *pool, uint32_t share, wr_store_fn *fn,
                          void *arg)
{
    struct wr_store_req *r =
        req_new(WR_STORE_READ, digest_span(digest), wr_span(NULL, 0), fn, arg);

    if (r == NULL)
        return WR_ENOMEM;
    r->pool = pool;
    r->share = share;
    return submit(s, r);
}

enum wr_err wr_store_stat(struct wr_store *s, const uint8_t *digest,
                          wr_store_fn *fn, void *arg)
{
    return ask(s, WR_STORE_STAT, digest_span(digest), 0, fn, arg);
}

enum wr_err wr_store_refs(struct wr_store *s, const uint8_t *digest,
                          uint32_t skip, wr_store_fn *fn, void *arg)
{
    return ask(s, WR_STORE_REFS, digest_span(digest), skip, fn, arg);
}

enum wr_err wr_store_drop(struct wr_store *s, const uint8_t *digest,
                          const uint8_t *put_id, wr_store_fn *fn, void *arg)
{
    struct wr_store_req *r =
        req_new(WR_STORE_DROP, digest_span(digest), wr_span(NULL, 0), fn, arg);

    if (r == NULL)
        return WR_ENOMEM;
    set_put_id(r, put_id);
    return submit(s, r);
}

enum wr_err wr_store_reap(struct wr_store *s, const uint8_t *digest,
                          uint64_t now_s, uint32_t grace_s, wr_store_fn *fn,
                          void *arg)
{
    struct wr_store_req *r =
        req_new(WR_STORE_REAP, digest_span(digest), wr_span(NULL, 0), fn, arg);

    WR_CHECK(now_s > 0);
    if (r == NULL)
        return WR_ENOMEM;
    r->number = now_s;
    r->n = grace_s;
    return submit(s, r);
}

enum wr_err wr_store_list(struct wr_store *s, const uint8_t *after, uint32_t n,
                          wr_store_fn *fn, void *arg)
{
    WR_CHECK(n > 0 && n <= WR_STORE_BATCH_MAX);
    return ask(s, WR_STORE_LIST, digest_span(after), n, fn, arg);
}

enum wr_err wr_store_drop_same(struct wr_store *s, const uint8_t *digest,
                               const uint8_t print[WR_PRINT], wr_store_fn *fn,
                               void *arg)
{
    struct wr_store_req *r =
        req_new(WR_STORE_DROP, digest_span(digest), wr_span(NULL, 0), fn, arg);

    if (r == NULL)
        return WR_ENOMEM;
    r->has_print = true;
    memcpy(r->print, print, WR_PRINT);
    return submit(s, r);
}

/* ---- arcs ---------------------------------------------------------------- */

bool wr_store_part(const struct wr_id *from, const struct wr_id *to, uint32_t i,
                   uint32_t parts, struct wr_id *ret_from, struct wr_id *ret_to)
{
    *ret_from = parts == 1 ? *from : wr_id_part(from, to, i);
    *ret_to = parts == 1 ? *to : wr_id_part(from, to, i + 1);
    return parts == 1 || !wr_id_eq(ret_from, ret_to);
}

static void arc_of(const struct wr_store_req *r, struct wr_id *ret_from,
                   struct wr_id *ret_to)
{
    memcpy(ret_from->b, r->key, WR_ID_BYTES);
    memcpy(ret_to->b, r->tail, WR_ID_BYTES);
}

bool wr_store_lists(const struct wr_store_req *r, const uint8_t *key)
{
    struct wr_id from, to, x;

    if (!r->has_to)
        return true;
    arc_of(r, &from, &to);
    memcpy(x.b, key, WR_ID_BYTES);
    return wr_id_owns(&from, &x, &to);
}

bool wr_store_wraps(const struct wr_store_req *r)
{
    struct wr_id from, to;

    if (!r->has_to)
        return false;
    arc_of(r, &from, &to);
    return wr_id_cmp(&from, &to) >= 0;
}

static struct wr_store_req *arc_req(enum wr_store_op op, const uint8_t *from,
                                    const uint8_t *to, uint32_t n,
                                    wr_store_fn *fn, void *arg)
{
    struct wr_store_req *r =
        req_new(op, digest_span(from), digest_span(to), fn, arg);

    if (r == NULL)
        return NULL;
    r->n = n;
    r->bytes = wr_span(NULL, 0); /* The end is no payload. */
    return r;
}

enum wr_err wr_store_sum(struct wr_store *s, bool roots, const uint8_t *from,
                         const uint8_t *to, uint32_t parts, wr_store_fn *fn,
                         void *arg)
{
    struct wr_store_req *r = arc_req(WR_STORE_SUM, from, to, parts, fn, arg);

    WR_CHECK(parts == 1 || parts == WR_ARC_PARTS);
    if (r == NULL)
        return WR_ENOMEM;
    r->roots = roots;
    return submit(s, r);
}

enum wr_err wr_store_range(struct wr_store *s, bool roots, const uint8_t *from,
                           const uint8_t *to, uint32_t n, wr_store_fn *fn,
                           void *arg)
{
    struct wr_store_req *r = arc_req(roots ? WR_STORE_ROOT_LIST : WR_STORE_LIST,
                                     from, to, n, fn, arg);

    WR_CHECK(n > 0 && n <= WR_STORE_BATCH_MAX);
    if (r == NULL)
        return WR_ENOMEM;
    r->has_to = true;
    return submit(s, r);
}

/* ---- roots and the host's own -------------------------------------------- */

enum wr_err wr_store_scrub(struct wr_store *s, const uint8_t *after,
                           wr_store_fn *fn, void *arg)
{
    return ask(s, WR_STORE_SCRUB, digest_span(after), 1, fn, arg);
}

enum wr_err wr_store_root_put(struct wr_store *s, const uint8_t *key,
                              uint64_t version, struct wr_span bytes,
                              wr_store_fn *fn, void *arg)
{
    struct wr_store_req *r;

    WR_CHECK(bytes.n <= WR_STORE_ROOT_MAX);
    r = req_new(WR_STORE_ROOT_PUT, digest_span(key), bytes, fn, arg);
    if (r == NULL)
        return WR_ENOMEM;
    r->number = version;
    return submit(s, r);
}

enum wr_err wr_store_root_get(struct wr_store *s, const uint8_t *key,
                              wr_store_fn *fn, void *arg)
{
    return ask(s, WR_STORE_ROOT_GET, digest_span(key), 0, fn, arg);
}

enum wr_err wr_store_root_drop(struct wr_store *s, const uint8_t *key,
                               uint64_t version, wr_store_fn *fn, void *arg)
{
    struct wr_store_req *r = req_new(WR_STORE_ROOT_DROP, digest_span(key),
                                     wr_span(NULL, 0), fn, arg);

    if (r == NULL)
        return WR_ENOMEM;
    r->number = version;
    return submit(s, r);
}

enum wr_err wr_store_root_list(struct wr_store *s, const uint8_t *after,
                               uint32_t n, wr_store_fn *fn, void *arg)
{
    WR_CHECK(n > 0 && n <= WR_STORE_BATCH_MAX);
    return ask(s, WR_STORE_ROOT_LIST, digest_span(after), n, fn, arg);
}

enum wr_err wr_store_meta_put(struct wr_store *s, const char *name,
                              struct wr_span bytes, wr_store_fn *fn, void *arg)
{
    const struct wr_span key = wr_span_str(name);

    WR_CHECK(key.n > 0 && key.n <= WR_STORE_NAME_MAX);
    WR_CHECK(bytes.n <= WR_STORE_META_MAX);
    return submit(s, req_new(WR_STORE_META_PUT, key, bytes, fn, arg));
}

enum wr_err wr_store_meta_get(struct wr_store *s, const char *name,
                              wr_store_fn *fn, void *arg)
{
    const struct wr_span key = wr_span_str(name);

    WR_CHECK(key.n > 0 && key.n <= WR_STORE_NAME_MAX);
    return ask(s, WR_STORE_META_GET, key, 0, fn, arg);
}
