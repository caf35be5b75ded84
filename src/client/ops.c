/* ops.c - see client.h. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "client/client.h"

enum { PROGRESS_US = 100000 };

struct wreath_op *wr_call_new(struct wreath *w, enum wr_call_kind kind,
                              void *arg)
{
    struct wreath_op *op = calloc(1, sizeof(*op));

    if (op == NULL)
        return NULL;
    op->w = w;
    op->kind = kind;
    op->arg = arg;
    op->next = w->ops;
    if (op->next != NULL)
        op->next->prev = op;
    w->ops = op;
    return op;
}

/* Over: nobody can cancel it any more. */
static void detach(struct wreath_op *op)
{
    if (op->over)
        return;
    op->over = true;
    if (op->prev != NULL)
        op->prev->next = op->next;
    else
        op->w->ops = op->next;
    if (op->next != NULL)
        op->next->prev = op->prev;
}

void wr_call_free(struct wreath_op *op)
{
    struct wreath *w = op->w;

    detach(op);
    free(op);
    if (w->closing)
        wr_client_close_on(w);
}

void wr_call_room(struct wreath_op *op)
{
    if (op->put != NULL)
        wr_put_room(op->put);
    else if (op->get != NULL)
        wr_get_room(op->get);
}

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct wreath_op *op = arg;
    const uint64_t now = uv_hrtime() / 1000;

    if (op->progress == NULL || now < op->progress_at + PROGRESS_US)
        return;
    op->progress_at = now;
    op->done = done;
    op->total = total;
    op->progress(op->progress_arg, done, total);
}

void wr_call_waiting(struct wreath_op *op)
{
    on_progress(op, op->done, op->total);
}

/* ---- put
 * ---------------------------------------------------------------------- */

static void put_done(void *arg, const struct wr_why *why,
                     const struct wr_put_result *r)
{
    struct wreath_op *op = arg;
    const wreath_put_fn fn = op->on_put;
    wreath_put_result result = {0};
    wreath_error error = {0};
    void *fn_arg = op->arg;

    wr_client_error(why, &error);
    if (r != NULL) {
        wr_cid_print(&r->cid, result.cid);
        wr_hex(wr_span(r->put, sizeof(r->put)), result.put);
        result.size = r->size;
        result.bytes_sent = r->bytes_sent;
        result.files = r->files;
        result.chunks = r->chunks;
        result.chunks_deduplicated = r->chunks_deduplicated;
        result.copies = r->copies;
        if (op->progress != NULL)
            op->progress(op->progress_arg, r->size, r->size);
    }
    detach(op);
    fn(fn_arg, &error, r != NULL ? &result : NULL);
    wr_call_free(op);
}

static const char *last_name(const char *path)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;

    if (slash == NULL || slash[1] == '\0')
        return path;
    return slash + 1;
}

static enum wr_err why_profile(const wreath_put_options *o, struct wr_why *why)
{
    const char *profile = o->profile != NULL ? o->profile : "wreath";
    struct wr_profile p;

    if (wr_profile_parse(profile, &p) != WR_OK)
        return wr_why(why, WR_EINVAL,
                      "there is no profile '%.60s'; choose wreath or "
                      "unixfs-v1-2025",
                      profile);
    if (wr_profile_of(profile, o->hash, NULL, &p) != WR_OK)
        return wr_why(why, WR_EINVAL,
                      "there is no hash '%.60s'; choose blake2b-256 or "
                      "sha2-256",
                      o->hash);
    return wr_why(why, WR_EINVAL,
                  "'%.60s' is no chunker: choose fastcdc, fastcdc-N (a power "
                  "of two from 4096 to 262144) or size-N (1024 to 1048576)",
                  o->chunker != NULL ? o->chunker : "");
}

enum wr_err wr_call_put(struct wreath_op *op, const wreath_put_options *o,
                        const char *path, int fd, struct wr_span bytes,
                        struct wr_why *why)
{
    static const wreath_put_options none;
    struct wreath *w = op->w;
    struct wr_put_cfg cfg = {.loop = w->loop,
                             .home = w->home,
                             .pool = w->pool,
                             .arg = op,
                             .progress = on_progress,
                             .done = put_done};
    struct wr_source *source;

    if (o == NULL)
        o = &none;
    enum wr_err err = wr_profile_of(o->profile != NULL ? o->profile : "wreath",
                                    o->hash, o->chunker, &cfg.profile);
    if (err != WR_OK)
        return why_profile(o, why);
    if (o->copies > WR_COPIES_MAX)
        return wr_why(why, WR_EINVAL, "at most %d copies", WR_COPIES_MAX);
    const struct wr_source_cfg sc = wr_put_source_cfg(&cfg.profile, w->pool);
    err = path != NULL ? wr_source_path(&source, &sc, path, why)
          : fd >= 0    ? wr_source_fd(&source, &sc, fd, why)
                       : wr_source_memory(&source, &sc, bytes, why);
    if (err != WR_OK)
        return err;
    err = wr_client_session(w, why);
    if (err != WR_OK) {
        wr_source_close(source);
        return err;
    }
    cfg.session = w->session;
    cfg.copies = (uint8_t)o->copies;
    cfg.wait = o->wait == WREATH_WAIT_ONE   ? WR_PUT_WAIT_ONE
               : o->wait == WREATH_WAIT_ALL ? WR_PUT_WAIT_ALL
                                            : WR_PUT_WAIT_MAJORITY;
    cfg.ttl_s = o->ttl_s;
    cfg.name = o->name != NULL ? o->name : last_name(path);
    op->progress = o->progress;
    op->progress_arg = o->progress_arg;
    err = wr_put_start(&op->put, &cfg, source);
    return err == WR_OK ? WR_OK : wr_why(why, err, "out of memory");
}

/* ---- get
 * ---------------------------------------------------------------------- */

static void get_done(void *arg, const struct wr_why *why,
                     const struct wr_get_result *r)
{
    struct wreath_op *op = arg;
    const wreath_get_fn fn = op->on_get;
    wreath_get_result result = {0};
    wreath_error error = {0};
    void *fn_arg = op->arg;

    wr_client_error(why, &error);
    if (r != NULL) {
        wr_cid_print(&r->cid, result.cid);
        result.size = r->size;
        result.bytes_fetched = r->bytes_fetched;
        result.files = r->files;
        result.directories = r->dirs;
        result.links = r->links;
        result.is_tree = r->is_tree;
        if (op->memory != NULL) {
            *op->memory = r->memory;
            *op->memory_n = r->memory_n;
        }
        if (op->progress != NULL)
            op->progress(op->progress_arg, r->size, r->size);
    }
    detach(op);
    fn(fn_arg, &error, r != NULL ? &result : NULL);
    wr_call_free(op);
}

enum wr_err wr_call_get(struct wreath_op *op, const char *what,
                        const wreath_get_options *o,
                        const struct wr_sink_cfg *sink, struct wr_why *why)
{
    static const wreath_get_options none;
    struct wreath *w = op->w;
    struct wr_get_cfg cfg = {.loop = w->loop,
                             .pool = w->pool,
                             .sink = *sink,
                             .arg = op,
                             .progress = on_progress,
                             .done = get_done};

    if (o == NULL)
        o = &none;
    enum wr_err err = wr_client_parse(what, &cfg.cid, &cfg.path, why);
    if (err == WR_OK)
        err = wr_client_session(w, why);
    if (err != WR_OK)
        return err;
    cfg.session = w->session;
    cfg.from = o->from;
    cfg.to = o->to;
    cfg.sink.force = o->force;
    op->progress = o->progress;
    op->progress_arg = o->progress_arg;
    return wr_get_start(&op->get, &cfg, why);
}

/* ---- look, drop, query
 * --------------------------------------------------------- */

static void look_done(void *arg, const struct wr_why *why,
                      const struct wr_look_result *r)
{
    struct wreath_op *op = arg;

    detach(op);
    op->on_look(op->arg, why, r);
    wr_call_free(op);
}

enum wr_err wr_call_look(struct wreath_op *op, const char *what, bool list,
                         struct wr_why *why)
{
    struct wr_look_cfg cfg = {.list = list, .arg = op, .done = look_done};
    enum wr_err err = wr_client_parse(what, &cfg.cid, &cfg.path, why);

    if (err == WR_OK)
        err = wr_client_session(op->w, why);
    if (err != WR_OK)
        return err;
    cfg.session = op->w->session;
    err = wr_look_start(&op->look, &cfg); /* `op` may be gone by now. */
    return err == WR_OK ? WR_OK : wr_why(why, err, "out of memory");
}

static void drop_done(void *arg, const struct wr_why *why)
{
    struct wreath_op *op = arg;
    void (*fn)(void *a, const struct wr_why *y) = op->on_drop;
    void *fn_arg = op->arg;

    detach(op);
    fn(fn_arg, why);
    wr_call_free(op);
}

enum wr_err wr_call_drop(struct wreath_op *op, const struct wr_roots_entry *e,
                         struct wr_why *why)
{
    enum wr_err err = wr_client_session(op->w, why);

    if (err != WR_OK)
        return err;
    err = wr_drop_start(&op->drop, op->w->session, op->w->loop, op->w->home, e,
                        drop_done, op);
    return err == WR_OK ? WR_OK : wr_why(why, err, "out of memory");
}

/* A refusal says why as JSON, which a peer wrote: only its text is for us. */
static void say_refusal(const struct wr_buf *body, struct wr_why *why)
{
    json_t *o = body != NULL ? json_loadb((const char *)body->p, body->n,
                                          JSON_DISABLE_EOF_CHECK, NULL)
                             : NULL;
    const char *text = json_string_value(json_object_get(o, "error"));

    wr_why(why, why->err, "the super-peer refused%s%.300s",
           text != NULL ? ": " : "", text != NULL ? text : "");
    for (char *p = why->text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?'; /* It is shown on a terminal. */
    json_decref(o);
}

static void query_done(struct wr_ask *ask, uint8_t status,
                       const struct wr_msg *answer, struct wr_buf *body)
{
    struct wreath_op *op = ask->arg;
    struct wr_why why = {0};

    if (status == WR_STATUS_NO || status == WR_STATUS_REFUSED) {
        why.err = status == WR_STATUS_NO ? WR_ENOTFOUND : WR_EREFUSED;
        say_refusal(body, &why);
    } else if (status != WR_STATUS_OK) {
        wr_session_why(op->w->session, status, answer, op->query, &why);
    }
    detach(op);
    op->on_query(op->arg, &why, body != NULL ? (const char *)body->p : "",
                 body != NULL ? body->n : 0);
    wr_buf_unref(body);
    wr_call_free(op);
}

enum wr_err wr_call_query(struct wreath_op *op, const char *what,
                          const char *arg, struct wr_why *why)
{
    const enum wr_err err = wr_client_session(op->w, why);

    if (err != WR_OK)
        return err;
    if (strlen(what) + (arg != NULL ? strlen(arg) : 0) > WR_XFER_NOTE_MAX)
        return wr_why(why, WR_ETOOBIG, "too long a question");
    op->ask.done = query_done;
    op->ask.arg = op;
    snprintf(op->query, sizeof(op->query), "%s", what);
    if (!wr_session_query(op->w->session, &op->ask, what, arg))
        return wr_why(why, WR_EBUSY, "too many questions at once");
    return WR_OK;
}

void wreath_cancel(wreath_op *op)
{
    struct wr_why why;

    switch (op->kind) {
    case WR_CALL_PUT:
        wr_put_cancel(op->put);
        break;
    case WR_CALL_GET:
        wr_get_cancel(op->get);
        break;
    case WR_CALL_LOOK:
        wr_look_cancel(op->look);
        break;
    case WR_CALL_DROP:
        wr_drop_cancel(op->drop);
        break;
    case WR_CALL_QUERY:
        wr_session_cancel(op->w->session, &op->ask);
        wr_why(&why, WR_ECANCELED, "cancelled");
        detach(op);
        op->on_query(op->arg, &why, "", 0);
        wr_call_free(op);
        break;
    }
}
