/*
 * lmdb_read.c - the reader threads. The loop never touches the map: a cold
 * page there would stop everything. A reader takes what waits, up to a few
 * requests, answers them from one snapshot and lets that go at once: a
 * snapshot that is held keeps LMDB from reusing pages.
 */
#include <errno.h>

#include "store/lmdb_parts.h"

enum { TAKE_MAX = 16 };

/* A chunk's info as its record tells it. */
static void chunk_info(const uint8_t *digest, const struct wr_record *rec,
                       struct wr_chunk_info *ret)
{
    *ret = (struct wr_chunk_info){.hash = rec->hash,
                                  .length = rec->length,
                                  .extents = rec->extents,
                                  .refs = rec->refs + rec->spilled,
                                  .damaged = rec->damaged};
    memcpy(ret->digest, digest, WR_DIGEST);
    memcpy(ret->put_ids, rec->put_ids, (size_t)rec->refs * WR_PUT_ID);
}

static enum wr_err do_stat(const struct wr_lmdb_work *w, struct wr_store_req *r)
{
    struct wr_record rec;
    const enum wr_err err = wr_lmdb_record_get(w, r->key, &rec);

    if (err != WR_OK)
        return err;
    chunk_info(r->key, &rec, &r->one.chunk);
    r->answer.chunks = &r->one.chunk;
    r->answer.n = 1;
    return WR_OK;
}

static enum wr_err do_read(const struct wr_lmdb_work *w, struct wr_store_req *r)
{
    struct wr_record rec;
    struct wr_buf *b;
    enum wr_err err = wr_lmdb_record_get(w, r->key, &rec);

    if (err != WR_OK)
        return err;
    chunk_info(r->key, &rec, &r->one.chunk);
    r->answer.chunks = &r->one.chunk;
    r->answer.n = 1;
    if (rec.damaged)
        return WR_EDAMAGED;
    b = wr_pool_get(r->pool, r->share, rec.length > 0 ? rec.length : 1);
    if (b == NULL)
        return WR_EBUSY;
    err = wr_lmdb_payload_read(w, r->key, &rec, b->p);
    if (err != WR_OK) {
        wr_buf_unref(b);
        if (err == WR_EDAMAGED)
            r->op = WR_STORE_QUARANTINE;
        return err;
    }
    b->n = rec.length;
    r->answer.buf = b;
    return WR_OK;
}

static enum wr_err do_have(const struct wr_lmdb_work *w, struct wr_store_req *r)
{
    struct wr_record rec;

    if (!wr_store_req_out(r, (r->n + 7) / 8))
        return WR_ENOMEM;
    for (uint32_t i = 0; i < r->n; i++) {
        const uint8_t *digest = r->tail + (size_t)i * WR_DIGEST;

        if (wr_lmdb_record_get(w, digest, &rec) == WR_OK && !rec.damaged)
            wr_bit_set(r->out, i);
    }
    r->answer.bits = r->out;
    r->answer.n = r->n;
    return WR_OK;
}

/* Appends the spilled put ids of r->key after `skip` of them. */
static enum wr_err spilled(const struct wr_lmdb_work *w, struct wr_store_req *r,
                           uint32_t skip)
{
    uint8_t(*out)[WR_PUT_ID] = r->out;
    const uint8_t *id = NULL;
    MDB_cursor *c;
    int rc = mdb_cursor_open(w->txn, w->e->refs, &c);

    if (rc != 0)
        return WR_EIO;
    while (r->answer.n < WR_STORE_BATCH_MAX &&
           (rc = wr_lmdb_spilled(c, r->key, &id)) == 0) {
        if (skip > 0)
            skip--;
        else
            memcpy(out[r->answer.n++], id, WR_PUT_ID);
    }
    mdb_cursor_close(c);
    return rc == 0 || rc == MDB_NOTFOUND ? WR_OK : WR_EIO;
}

static enum wr_err do_refs(const struct wr_lmdb_work *w, struct wr_store_req *r)
{
    struct wr_record rec;
    const enum wr_err err = wr_lmdb_record_get(w, r->key, &rec);
    uint32_t first;

    if (err != WR_OK)
        return err;
    if (!wr_store_req_out(r, (size_t)WR_STORE_BATCH_MAX * WR_PUT_ID))
        return WR_ENOMEM;
    first = rec.refs > r->n ? rec.refs - r->n : 0;
    if (first > 0)
        memcpy(r->out, rec.put_ids[r->n], (size_t)first * WR_PUT_ID);
    r->answer.n = first;
    r->answer.put_ids = r->out;
    if (rec.spilled == 0)
        return WR_OK;
    return spilled(w, r, r->n > rec.refs ? r->n - rec.refs : 0);
}

/* Positions `c` on the first key after r's; LMDB's code. */
static int seek_after(MDB_cursor *c, const struct wr_store_req *r, MDB_val *k,
                      MDB_val *v)
{
    int rc;

    if (!r->has_key)
        return mdb_cursor_get(c, k, v, MDB_FIRST);
    *k = wr_val(r->key, r->key_n);
    rc = mdb_cursor_get(c, k, v, MDB_SET_RANGE);
    if (rc == 0 && wr_span_eq(wr_val_span(*k), wr_span(r->key, r->key_n)))
        rc = mdb_cursor_get(c, k, v, MDB_NEXT);
    return rc;
}

/* On to the next key, past the last to the first where the arc does so; LMDB's
 * code, MDB_NOTFOUND at the end. */
static int step(MDB_cursor *c, const struct wr_store_req *r, bool *wrapped,
                int rc, MDB_val *k, MDB_val *v)
{
    if (rc == 0)
        rc = mdb_cursor_get(c, k, v, MDB_NEXT);
    if (rc == MDB_NOTFOUND && !*wrapped && wr_store_wraps(r)) {
        *wrapped = true;
        rc = mdb_cursor_get(c, k, v, MDB_FIRST);
    }
    if (rc == 0 && k->mv_size == WR_DIGEST &&
        (!wr_store_lists(r, k->mv_data) ||
         (*wrapped && memcmp(k->mv_data, r->tail, WR_DIGEST) > 0)))
        return MDB_NOTFOUND;
    return rc;
}

/* The first key of a LIST. */
static int begin(MDB_cursor *c, const struct wr_store_req *r, bool *wrapped,
                 MDB_val *k, MDB_val *v)
{
    int rc = seek_after(c, r, k, v);

    *wrapped = false;
    if (rc == MDB_NOTFOUND)
        return step(c, r, wrapped, rc, k, v);
    if (rc == 0 && k->mv_size == WR_DIGEST && !wr_store_lists(r, k->mv_data))
        return MDB_NOTFOUND;
    return rc;
}

static enum wr_err do_list(const struct wr_lmdb_work *w, struct wr_store_req *r)
{
    struct wr_chunk_info *out;
    struct wr_record rec;
    MDB_cursor *c;
    MDB_val k, v;
    bool wrapped;
    int rc;

    if (!wr_store_req_out(r, r->n * sizeof(*out)))
        return WR_ENOMEM;
    out = r->out;
    rc = mdb_cursor_open(w->txn, w->e->index, &c);
    if (rc != 0)
        return WR_EIO;
    for (rc = begin(c, r, &wrapped, &k, &v); rc == 0 && r->answer.n < r->n;
         rc = step(c, r, &wrapped, rc, &k, &v)) {
        /* An unreadable record is a damaged chunk: somebody must know. */
        if (k.mv_size != WR_DIGEST)
            continue;
        if (wr_record_read(wr_val_span(v), &rec) != WR_OK)
            rec = (struct wr_record){.damaged = true};
        chunk_info(k.mv_data, &rec, &out[r->answer.n]);
        if (r->has_to)
            rc = wr_lmdb_sum_chunk(w, k.mv_data, &rec, &out[r->answer.n].sum);
        r->answer.n++;
    }
    mdb_cursor_close(c);
    r->answer.chunks = out;
    return rc == 0 || rc == MDB_NOTFOUND ? WR_OK : WR_EIO;
}

/* The one request that reads payload for its own sake; the writer judges once
 * more before it marks anything. */
static enum wr_err do_scrub(const struct wr_lmdb_work *w,
                            struct wr_store_req *r)
{
    struct wr_record rec;
    MDB_cursor *c;
    MDB_val k, v;
    enum wr_err err;
    int rc = mdb_cursor_open(w->txn, w->e->index, &c);

    if (rc != 0)
        return WR_EIO;
    rc = seek_after(c, r, &k, &v);
    while (rc == 0 && k.mv_size != WR_DIGEST)
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    mdb_cursor_close(c);
    if (rc != 0)
        return rc == MDB_NOTFOUND ? WR_ENOTFOUND : WR_EIO;
    err = wr_record_read(wr_val_span(v), &rec);
    if (err != WR_OK)
        rec = (struct wr_record){.damaged = true};
    chunk_info(k.mv_data, &rec, &r->one.chunk);
    r->answer.chunks = &r->one.chunk;
    r->answer.n = 1;
    if (rec.damaged)
        return WR_EDAMAGED;
    err = wr_lmdb_chunk_judge(w, k.mv_data, &rec);
    if (err == WR_EDAMAGED) {
        memcpy(r->key, k.mv_data, WR_DIGEST);
        r->hashed = true;
        r->op = WR_STORE_QUARANTINE;
    }
    return err;
}

static bool root_read(MDB_val k, MDB_val v, struct wr_root_info *ret)
{
    struct wr_reader in = wr_reader(wr_val_span(v));

    ret->sum = (struct wr_sum){0};
    ret->version = wr_read_be64(&in);
    ret->bytes = wr_read(&in, in.left);
    if (in.bad || k.mv_size != sizeof(ret->key) ||
        ret->bytes.n > WR_STORE_ROOT_MAX)
        return false;
    memcpy(ret->key, k.mv_data, sizeof(ret->key));
    return true;
}

/* Roots are copied: their bytes must outlive the snapshot. */
static void root_keep(struct wr_root_info *root, uint8_t *room)
{
    if (root->bytes.n > 0)
        memcpy(room, root->bytes.p, root->bytes.n);
    root->bytes.p = room;
}

static enum wr_err do_root_get(const struct wr_lmdb_work *w,
                               struct wr_store_req *r)
{
    MDB_val k = wr_val(r->key, r->key_n), v;
    const int rc = mdb_get(w->txn, w->e->roots, &k, &v);

    if (rc != 0)
        return rc == MDB_NOTFOUND ? WR_ENOTFOUND : WR_EIO;
    if (!root_read(k, v, &r->one.root))
        return WR_EDAMAGED;
    if (!wr_store_req_out(r, WR_STORE_ROOT_MAX))
        return WR_ENOMEM;
    root_keep(&r->one.root, r->out);
    r->answer.roots = &r->one.root;
    r->answer.n = 1;
    return WR_OK;
}

static enum wr_err do_root_list(const struct wr_lmdb_work *w,
                                struct wr_store_req *r)
{
    const size_t heads = r->n * sizeof(struct wr_root_info);
    struct wr_root_info *out;
    uint8_t *room;
    MDB_cursor *c;
    MDB_val k, v;
    bool wrapped;
    int rc;

    if (!wr_store_req_out(r, heads + (size_t)r->n * WR_STORE_ROOT_MAX))
        return WR_ENOMEM;
    out = r->out;
    room = (uint8_t *)r->out + heads;
    rc = mdb_cursor_open(w->txn, w->e->roots, &c);
    if (rc != 0)
        return WR_EIO;
    for (rc = begin(c, r, &wrapped, &k, &v); rc == 0 && r->answer.n < r->n;
         rc = step(c, r, &wrapped, rc, &k, &v)) {
        struct wr_root_info *root = &out[r->answer.n];

        if (!root_read(k, v, root))
            continue; /* Its other hosts have it. */
        if (r->has_to)
            root->sum = wr_sum_root(root->key, root->version, root->bytes);
        root_keep(root, room);
        room += root->bytes.n;
        r->answer.n++;
    }
    mdb_cursor_close(c);
    r->answer.roots = out;
    return rc == 0 || rc == MDB_NOTFOUND ? WR_OK : WR_EIO;
}

static enum wr_err do_meta_get(const struct wr_lmdb_work *w,
                               struct wr_store_req *r)
{
    MDB_val k = wr_val(r->key, r->key_n), v;
    const int rc = mdb_get(w->txn, w->e->metas, &k, &v);

    if (rc != 0)
        return rc == MDB_NOTFOUND ? WR_ENOTFOUND : WR_EIO;
    if (v.mv_size == 0 || v.mv_size > WR_STORE_META_MAX)
        return WR_EDAMAGED;
    if (!wr_store_req_out(r, v.mv_size))
        return WR_ENOMEM;
    memcpy(r->out, v.mv_data, v.mv_size);
    r->answer.bytes = wr_span(r->out, v.mv_size);
    return WR_OK;
}

static enum wr_err perform(const struct wr_lmdb_work *w, struct wr_store_req *r)
{
    switch (r->op) {
    case WR_STORE_READ:
        return do_read(w, r);
    case WR_STORE_STAT:
        return do_stat(w, r);
    case WR_STORE_HAVE:
        return do_have(w, r);
    case WR_STORE_REFS:
        return do_refs(w, r);
    case WR_STORE_LIST:
        return do_list(w, r);
    case WR_STORE_SUM:
        return wr_lmdb_sums_read(w, r);
    case WR_STORE_SCRUB:
        return do_scrub(w, r);
    case WR_STORE_ROOT_GET:
        return do_root_get(w, r);
    case WR_STORE_ROOT_LIST:
        return do_root_list(w, r);
    case WR_STORE_META_GET:
        return do_meta_get(w, r);
    case WR_STORE_PUT:
    case WR_STORE_DROP:
    case WR_STORE_REAP:
    case WR_STORE_ROOT_PUT:
    case WR_STORE_ROOT_DROP:
    case WR_STORE_META_PUT:
    case WR_STORE_QUARANTINE:
        break;
    }
    WR_UNREACHABLE();
}

/* What a reader should know of the store when it begins. */
struct moment {
    bool failed;
    uint32_t opened;
};

/* Waits for requests and takes some; false to stop. */
static bool take(struct wr_lmdb *m, struct wr_store_reqs *ret,
                 struct moment *ret_now)
{
    struct wr_store_req *r;
    bool more;

    pthread_mutex_lock(&m->mu);
    while ((m->reads.head == NULL && !m->stop) || m->resting) {
        m->readers_idle++;
        pthread_cond_wait(&m->to_read, &m->mu);
        m->readers_idle--;
    }
    for (int i = 0; i < TAKE_MAX; i++) {
        r = wr_store_reqs_take(&m->reads);
        if (r == NULL)
            break;
        wr_store_reqs_add(ret, r);
    }
    more = m->reads.head != NULL && m->readers_idle > 0;
    if (ret->head != NULL)
        m->readers_busy++;
    ret_now->failed = m->usage.failed;
    ret_now->opened = m->opened;
    pthread_mutex_unlock(&m->mu);
    if (more)
        pthread_cond_signal(&m->to_read);
    return ret->head != NULL;
}

static void note_txn(struct wr_lmdb *m, uint32_t reader, MDB_txn *txn)
{
    pthread_mutex_lock(&m->mu);
    m->reader_txn[reader] = txn != NULL ? mdb_txn_id(txn) : 0;
    pthread_mutex_unlock(&m->mu);
}

static void rest(struct wr_lmdb *m)
{
    pthread_mutex_lock(&m->mu);
    m->readers_busy--;
    if (m->resting)
        pthread_cond_signal(&m->at_rest);
    pthread_mutex_unlock(&m->mu);
}

/* LMDB is dead: the writer has seen it, too, and opens it anew. False to stop.
 */
static bool await_reopening(struct wr_lmdb *m, const struct moment *now)
{
    bool go;

    rest(m);
    pthread_mutex_lock(&m->mu);
    while (m->opened == now->opened && !m->stop)
        pthread_cond_wait(&m->to_read, &m->mu);
    while (m->resting)
        pthread_cond_wait(&m->to_read, &m->mu);
    go = !m->stop;
    m->readers_busy++;
    pthread_mutex_unlock(&m->mu);
    return go;
}

/* A snapshot of now. False: it cannot be had. */
static bool renew(struct wr_lmdb *m, uint32_t reader, const struct moment *now)
{
    int rc = EIO;

    if (m->snapshots[reader] != NULL)
        rc = mdb_txn_renew(m->snapshots[reader]);
    if (rc == MDB_PANIC && await_reopening(m, now) &&
        m->snapshots[reader] != NULL)
        rc = mdb_txn_renew(m->snapshots[reader]);
    return rc == 0;
}

/* Answers `reqs` from one snapshot. Once the disk has failed, what a snapshot
 * shows may be in memory alone: it is good enough to be read, for its sums are
 * compared, and not to be promised. */
static void serve(struct wr_lmdb *m, uint32_t reader, const struct moment *now,
                  struct wr_store_reqs *reqs)
{
    const bool fresh = renew(m, reader, now);
    MDB_txn *txn = m->snapshots[reader];
    const struct wr_lmdb_work w = {.e = &m->e, .txn = txn};
    struct wr_store_reqs done;
    struct wr_store_req *r;

    if (fresh)
        note_txn(m, reader, txn);
    wr_store_reqs_init(&done);
    while ((r = wr_store_reqs_take(reqs)) != NULL) {
        if (!fresh || (now->failed && r->op == WR_STORE_HAVE))
            r->answer.err = WR_EIO;
        else
            r->answer.err = perform(&w, r);
        if (r->op == WR_STORE_QUARANTINE)
            wr_lmdb_to_writer(m, r); /* It answers when that is durable. */
        else
            wr_store_reqs_add(&done, r);
    }
    if (fresh) {
        mdb_txn_reset(txn);
        note_txn(m, reader, NULL);
    }
    rest(m);
    wr_lmdb_finish(m, &done);
}

void *wr_lmdb_reader(void *arg)
{
    struct wr_lmdb *m = arg;
    struct wr_store_reqs reqs;
    struct moment now;
    uint32_t reader;

    pthread_mutex_lock(&m->mu);
    reader = m->readers_n++;
    pthread_mutex_unlock(&m->mu);
    wr_store_reqs_init(&reqs);
    while (take(m, &reqs, &now))
        serve(m, reader, &now, &reqs);
    return NULL;
}
