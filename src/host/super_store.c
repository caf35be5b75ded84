/* super_store.c - the node's STORE effects as operations of the store, and
 * their answers as events. */
#include <stdlib.h>

#include "host/super_parts.h"

/* What an operation under way remembers. */
struct call {
    struct wr_super *s;
    wr_token token;
};

static enum wr_status status_of(enum wr_err err)
{
    switch ((int)err) {
    case WR_OK:
        return WR_STATUS_OK;
    case WR_ENOTFOUND:
        return WR_STATUS_NO;
    case WR_EBUSY:
        return WR_STATUS_BUSY;
    case WR_EFULL:
        return WR_STATUS_FULL;
    case WR_EDAMAGED:
        return WR_STATUS_BAD;
    default:
        return WR_STATUS_FAILED;
    }
}

static struct wr_super *begin(void *arg, const struct wr_store_answer *a,
                              struct wr_event *ret)
{
    struct call *call = arg;
    struct wr_super *s = call->s;

    *ret = (struct wr_event){.kind = WR_EV_STORED};
    ret->stored.token = call->token;
    ret->stored.status = (uint8_t)status_of(a->err);
    free(call);
    return s;
}

/* A write, or a question with bits for an answer. */
static void on_done(void *arg, const struct wr_store_answer *a)
{
    struct wr_event ev;
    struct wr_super *s = begin(arg, a, &ev);

    ev.stored.bits = a->bits;
    ev.stored.n = a->n;
    ev.stored.changed = a->stored;
    wr_super_feed(s, &ev);
}

/* A chunk, or what is known of it. */
static void on_chunk(void *arg, const struct wr_store_answer *a)
{
    struct wr_event ev;
    struct wr_super *s = begin(arg, a, &ev);

    if (a->err == WR_EDAMAGED && a->chunks != NULL)
        wr_scrub_rotten(s, &a->chunks[0]);
    if (a->chunks != NULL) {
        ev.stored.hash = (uint32_t)a->chunks[0].hash;
        ev.stored.len = a->chunks[0].length;
        ev.stored.refs = (const struct wr_put_id *)a->chunks[0].put_ids;
        ev.stored.refs_n = a->chunks[0].refs < WR_STORE_REFS_SHOWN
                               ? a->chunks[0].refs
                               : WR_STORE_REFS_SHOWN;
    }
    if (a->buf != NULL) {
        ev.stored.body = wr_bodytab_add(&s->bodies, a->buf);
        if (ev.stored.body.id == 0) {
            wr_buf_unref(a->buf);
            ev.stored.status = WR_STATUS_BUSY;
        }
    }
    wr_super_feed(s, &ev);
}

static void on_root(void *arg, const struct wr_store_answer *a)
{
    struct wr_event ev;
    struct wr_super *s = begin(arg, a, &ev);

    if (a->roots != NULL) {
        ev.stored.version = a->roots[0].version;
        ev.stored.record = a->roots[0].bytes;
    }
    wr_super_feed(s, &ev);
}

static void on_refs(void *arg, const struct wr_store_answer *a)
{
    struct wr_event ev;
    struct wr_super *s = begin(arg, a, &ev);

    ev.stored.refs = (const struct wr_put_id *)a->put_ids;
    ev.stored.refs_n = a->n;
    wr_super_feed(s, &ev);
}

static void on_list(void *arg, const struct wr_store_answer *a)
{
    struct wr_id digests[WR_HAVE_MAX];
    uint32_t lens[WR_HAVE_MAX];
    struct wr_event ev;
    struct wr_super *s = begin(arg, a, &ev);

    WR_CHECK(a->n <= WR_HAVE_MAX);
    for (uint32_t i = 0; i < a->n; i++) {
        memcpy(digests[i].b, a->chunks[i].digest, WR_ID_BYTES);
        lens[i] = a->chunks[i].length;
    }
    ev.stored.digests = digests;
    ev.stored.lens = lens;
    ev.stored.n = a->n;
    wr_super_feed(s, &ev);
}

static void on_root_list(void *arg, const struct wr_store_answer *a)
{
    struct wr_id positions[WR_HAVE_MAX];
    struct wr_event ev;
    struct wr_super *s = begin(arg, a, &ev);

    WR_CHECK(a->n <= WR_HAVE_MAX);
    for (uint32_t i = 0; i < a->n; i++)
        memcpy(positions[i].b, a->roots[i].key, WR_ID_BYTES);
    ev.stored.digests = positions;
    ev.stored.n = a->n;
    wr_super_feed(s, &ev);
}

static void on_sums(void *arg, const struct wr_store_answer *a)
{
    struct wr_event ev;
    struct wr_super *s = begin(arg, a, &ev);

    ev.stored.sums = a->sums;
    ev.stored.n = a->n;
    wr_super_feed(s, &ev);
}

static void on_kept(void *arg, const struct wr_store_answer *a)
{
    struct wr_kept kept[WR_HAVE_MAX] = {0};
    struct wr_event ev;
    struct wr_super *s = begin(arg, a, &ev);

    WR_CHECK(a->n <= WR_HAVE_MAX);
    for (uint32_t i = 0; i < a->n; i++) {
        const bool root = a->roots != NULL;

        memcpy(kept[i].key.b, root ? a->roots[i].key : a->chunks[i].digest,
               WR_ID_BYTES);
        wr_sum_print(root ? &a->roots[i].sum : &a->chunks[i].sum,
                     kept[i].print);
        kept[i].version = root ? a->roots[i].version : 0;
        kept[i].len = root ? 0 : a->chunks[i].length;
        kept[i].damaged = !root && a->chunks[i].damaged;
    }
    ev.stored.kept = kept;
    ev.stored.n = a->n;
    wr_super_feed(s, &ev);
}

static const uint8_t *put_id_or_null(const struct wr_put_id *put)
{
    return wr_put_id_is_none(put) ? NULL : put->b;
}

static enum wr_err submit_put(struct wr_super *s, const struct wr_fx *fx,
                              struct call *call)
{
    struct wr_buf *buf = wr_bodytab_get(&s->bodies, fx->store.body);
    const uint8_t *put = put_id_or_null(&fx->store.put);
    struct wr_store_put p = {.hash = fx->store.hash,
                             .no_put_id = put == NULL,
                             .repair = fx->store.repair,
                             .buf = buf,
                             .bytes = wr_span(buf->p, buf->n)};

    memcpy(p.digest, fx->store.digest.b, WR_DIGEST);
    if (put != NULL)
        memcpy(p.put_id, put, WR_PUT_ID);
    return wr_store_put(s->store, &p, on_done, call);
}

static enum wr_err submit(struct wr_super *s, const struct wr_fx *fx,
                          struct call *call)
{
    const uint8_t *digest = fx->store.digest.b;
    static const struct wr_id zero;

    switch ((int)fx->kind) {
    case WR_FX_STORE_PUT:
        return submit_put(s, fx, call);
    case WR_FX_STORE_REF:
        return wr_store_have(s->store, fx->store.digests[0].b, fx->store.n,
                             put_id_or_null(&fx->store.put), on_done, call);
    case WR_FX_STORE_GET:
        if (fx->store.head)
            return wr_store_stat(s->store, digest, on_chunk, call);
        return wr_store_read(s->store, digest, s->pool, WR_SHARE_READ, on_chunk,
                             call);
    case WR_FX_STORE_ROOT_PUT:
        return wr_store_root_put(s->store, digest, fx->store.version,
                                 fx->store.record, on_done, call);
    case WR_FX_STORE_ROOT_GET:
        return wr_store_root_get(s->store, digest, on_root, call);
    case WR_FX_STORE_NEXT:
        return wr_store_list(
            s->store, wr_id_eq(&fx->store.digest, &zero) ? NULL : digest,
            fx->store.n < WR_HAVE_MAX ? fx->store.n : WR_HAVE_MAX, on_list,
            call);
    case WR_FX_STORE_ROOT_NEXT:
        return wr_store_root_list(
            s->store, wr_id_eq(&fx->store.digest, &zero) ? NULL : digest,
            fx->store.n < WR_HAVE_MAX ? fx->store.n : WR_HAVE_MAX, on_root_list,
            call);
    case WR_FX_STORE_DROP:
        return wr_store_drop(s->store, digest, fx->store.put.b, on_done, call);
    case WR_FX_STORE_DROP_SAME:
        return wr_store_drop_same(s->store, digest, fx->store.put.b, on_done,
                                  call);
    case WR_FX_STORE_SUM:
        return wr_store_sum(s->store, fx->store.roots, digest, fx->store.to.b,
                            WR_ARC_PARTS, on_sums, call);
    case WR_FX_STORE_RANGE:
        return wr_store_range(s->store, fx->store.roots, digest, fx->store.to.b,
                              fx->store.n < WR_HAVE_MAX ? fx->store.n
                                                        : WR_HAVE_MAX,
                              on_kept, call);
    case WR_FX_STORE_REFS:
        return wr_store_refs(s->store, digest, fx->store.n, on_refs, call);
    case WR_FX_STORE_REAP:
        return wr_store_reap(s->store, digest, fx->store.now_s,
                             fx->store.grace_s, on_done, call);
    case WR_FX_STORE_ROOT_DROP:
        return wr_store_root_drop(s->store, digest, fx->store.version, on_done,
                                  call);
    default:
        WR_UNREACHABLE();
    }
}

void wr_super_store(struct wr_super *s, const struct wr_fx *fx)
{
    struct call *call = malloc(sizeof(*call));
    enum wr_err err = WR_ENOMEM;

    if (call != NULL) {
        *call = (struct call){.s = s, .token = fx->store.token};
        err = submit(s, fx, call);
    }
    if (err == WR_OK)
        return;
    free(call);
    wr_super_later(s, &(struct wr_super_later){.kind = WR_EV_STORED,
                                               .token = fx->store.token,
                                               .value = status_of(err)});
}
