/*
 * lmdb_write.c - what each write does inside a transaction. Every function
 * here returns LMDB's code: anything but 0 spoils the whole transaction, so
 * nothing half-written is ever committed.
 */
#include <errno.h>
#include <stdlib.h>

#include "object/hash.h"
#include "store/lmdb_parts.h"

static int record_put(const struct wr_lmdb_work *w, const uint8_t *digest,
                      const struct wr_record *rec)
{
    uint8_t bytes[WR_RECORD_MAX];
    MDB_val k = wr_val(digest, WR_DIGEST);
    MDB_val v = wr_val(bytes, wr_record_write(rec, bytes));

    return mdb_put(w->txn, w->e->index, &k, &v, 0);
}

enum wr_err wr_lmdb_record_get(const struct wr_lmdb_work *w,
                               const uint8_t *digest, struct wr_record *ret)
{
    MDB_val k = wr_val(digest, WR_DIGEST), v;
    const int rc = mdb_get(w->txn, w->e->index, &k, &v);

    if (rc != 0)
        return rc == MDB_NOTFOUND ? WR_ENOTFOUND : WR_EIO;
    return wr_record_read(wr_val_span(v), ret);
}

int wr_lmdb_spilled(MDB_cursor *c, const uint8_t *digest, const uint8_t **id)
{
    MDB_val k = wr_val(digest, WR_DIGEST), v;
    int rc = mdb_cursor_get(c, &k, &v, *id == NULL ? MDB_SET_RANGE : MDB_NEXT);

    if (rc == 0 &&
        (k.mv_size != WR_REF_KEY || memcmp(k.mv_data, digest, WR_DIGEST) != 0))
        rc = MDB_NOTFOUND;
    *id = rc == 0 ? (const uint8_t *)k.mv_data + WR_DIGEST : NULL;
    return rc;
}

/* Extent `i` of a chunk, whole and as its record says. WR_EDAMAGED, WR_EIO. */
static enum wr_err extent_get(const struct wr_lmdb_work *w,
                              const uint8_t *digest,
                              const struct wr_record *rec, uint32_t i,
                              struct wr_span *ret)
{
    uint8_t key[WR_EXTENT_KEY];
    MDB_val k = wr_val(key, sizeof(key)), v;
    struct wr_extent x;
    int rc;

    wr_extent_key(digest, i, key);
    rc = mdb_get(w->txn, w->e->payload, &k, &v);
    if (rc != 0)
        return rc == MDB_NOTFOUND ? WR_EDAMAGED : WR_EIO;
    if (!wr_lmdb_run_sound(w->e, v) ||
        wr_extent_read(digest, wr_val_span(v), &x) != WR_OK || x.number != i ||
        x.extents != rec->extents || x.length != rec->length)
        return WR_EDAMAGED;
    *ret = x.bytes;
    return WR_OK;
}

enum wr_err wr_lmdb_payload_read(const struct wr_lmdb_work *w,
                                 const uint8_t *digest,
                                 const struct wr_record *rec, uint8_t *ret)
{
    uint32_t done = 0;

    for (uint32_t i = 0; i < rec->extents; i++) {
        struct wr_span x;
        const enum wr_err err = extent_get(w, digest, rec, i, &x);

        if (err != WR_OK)
            return err;
        if (x.n > rec->length - done)
            return WR_EDAMAGED;
        if (ret != NULL && x.n > 0)
            memcpy(ret + done, x.p, x.n);
        done += (uint32_t)x.n;
    }
    return done == rec->length ? WR_OK : WR_EDAMAGED;
}

enum wr_err wr_lmdb_chunk_judge(const struct wr_lmdb_work *w,
                                const uint8_t *digest,
                                const struct wr_record *rec)
{
    uint8_t *bytes = malloc(rec->length > 0 ? rec->length : 1);
    enum wr_hash hash;
    enum wr_err err;

    if (bytes == NULL)
        return WR_ENOMEM;
    err = wr_lmdb_payload_read(w, digest, rec, bytes);
    if (err == WR_OK &&
        (wr_hash_from_code(rec->hash, &hash) != WR_OK ||
         !wr_hash_matches(hash, wr_span(bytes, rec->length), digest)))
        err = WR_EDAMAGED;
    free(bytes);
    return err;
}

/* Whether what is kept is, byte for byte, what the request brings. */
static bool payload_same(const struct wr_lmdb_work *w,
                         const struct wr_record *rec,
                         const struct wr_store_req *r)
{
    struct wr_span left = r->bytes;

    if (rec->damaged || rec->length != r->bytes.n || rec->hash != r->number)
        return false;
    for (uint32_t i = 0; i < rec->extents; i++) {
        struct wr_span x;

        if (extent_get(w, r->key, rec, i, &x) != WR_OK || x.n > left.n ||
            !wr_span_eq(x, wr_span(left.p, x.n)))
            return false;
        if (x.n > 0)
            left = wr_span(left.p + x.n, left.n - x.n);
    }
    return left.n == 0;
}

/* Removes what may lie in a run. MDB_NOTFOUND if there is none. */
static int run_drop(const struct wr_lmdb_work *w, MDB_dbi dbi, MDB_val k)
{
    MDB_val v;
    int rc = mdb_get(w->txn, dbi, &k, &v);

    if (rc == 0)
        rc = wr_lmdb_run_mend(w->e, v);
    return rc == 0 ? mdb_del(w->txn, dbi, &k, NULL) : rc;
}

static int payload_drop(const struct wr_lmdb_work *w, const uint8_t *digest,
                        uint32_t extents)
{
    uint8_t key[WR_EXTENT_KEY];

    for (uint32_t i = 0; i < extents; i++) {
        int rc;

        wr_extent_key(digest, i, key);
        rc = run_drop(w, w->e->payload, wr_val(key, sizeof(key)));
        if (rc != 0 && rc != MDB_NOTFOUND)
            return rc;
    }
    return 0;
}

/* The bytes go straight into LMDB's pages. */
static int payload_put(const struct wr_lmdb_work *w,
                       const struct wr_store_req *r)
{
    uint8_t key[WR_EXTENT_KEY];
    struct wr_extent x = {.extents = wr_extents_of((uint32_t)r->bytes.n),
                          .length = (uint32_t)r->bytes.n,
                          .hash = r->number};
    struct wr_span left = r->bytes;

    for (uint32_t i = 0; i < x.extents; i++) {
        const size_t n = left.n < WR_EXTENT_BYTES ? left.n : WR_EXTENT_BYTES;
        MDB_val k = wr_val(key, sizeof(key));
        MDB_val v = wr_val(NULL, WR_EXTENT_HEADER + n);
        int rc;

        wr_extent_key(r->key, i, key);
        rc = mdb_put(w->txn, w->e->payload, &k, &v,
                     MDB_RESERVE | MDB_NOOVERWRITE);
        if (rc == MDB_KEYEXIST) { /* Left by damage: its record is gone. */
            rc = run_drop(w, w->e->payload, k);
            v = wr_val(NULL, WR_EXTENT_HEADER + n);
            if (rc == 0)
                rc = mdb_put(w->txn, w->e->payload, &k, &v, MDB_RESERVE);
        }
        if (rc != 0)
            return rc;
        x.number = i;
        x.bytes = wr_span(left.p, n);
        wr_extent_write(r->key, &x, v.mv_data);
        if (n > 0)
            left = wr_span(left.p + n, left.n - n);
    }
    return 0;
}

static void ref_key(const uint8_t *digest, const uint8_t *put_id,
                    uint8_t ret[WR_REF_KEY])
{
    memcpy(ret, digest, WR_DIGEST);
    memcpy(ret + WR_DIGEST, put_id, WR_PUT_ID);
}

/* Where the put id is in the record; rec->refs if it is not. */
static uint32_t ref_place(const struct wr_record *rec, const uint8_t *put_id)
{
    uint32_t i = 0;

    while (i < rec->refs && memcmp(rec->put_ids[i], put_id, WR_PUT_ID) != 0)
        i++;
    return i;
}

/* Adds the request's put id to `rec`, or to the table of those that spilled.
 * *ret says whether the record changed. */
static int ref_add(const struct wr_lmdb_work *w, const uint8_t *digest,
                   const struct wr_store_req *r, struct wr_record *rec,
                   bool *ret)
{
    uint8_t key[WR_REF_KEY];
    MDB_val k = wr_val(key, sizeof(key)), v = wr_val("", 0);
    int rc;

    if (!r->has_put_id || ref_place(rec, r->put_id) < rec->refs)
        return 0;
    rec->idle_since = 0;
    ref_key(digest, r->put_id, key);
    if (rec->refs < WR_RECORD_REFS) {
        if (rec->spilled > 0) { /* Freed places must not hold a second. */
            rc = mdb_get(w->txn, w->e->refs, &k, &v);
            if (rc != MDB_NOTFOUND)
                return rc;
        }
        memcpy(rec->put_ids[rec->refs++], r->put_id, WR_PUT_ID);
    } else {
        rc = mdb_put(w->txn, w->e->refs, &k, &v, MDB_NOOVERWRITE);
        if (rc == MDB_KEYEXIST)
            return 0;
        if (rc != 0)
            return rc;
        rec->spilled++;
    }
    *ret = true;
    return 0;
}

/* Whether this transaction takes a write that adds something. If not, that is
 * the request's answer. */
static bool admits(const struct wr_lmdb_work *w, struct wr_store_req *r,
                   bool fresh)
{
    if (wr_space_takes(w->space, r, fresh))
        return true;
    r->answer.err = WR_EFULL;
    return false;
}

static int spilled_count(const struct wr_lmdb_work *w, const uint8_t *digest,
                         uint32_t *ret)
{
    const uint8_t *id = NULL;
    MDB_cursor *c;
    int rc = mdb_cursor_open(w->txn, w->e->refs, &c);

    if (rc != 0)
        return rc;
    for (*ret = 0; (rc = wr_lmdb_spilled(c, digest, &id)) == 0;)
        ++*ret;
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* As the chunk's first extent says, if that is whole; or 0. */
static uint32_t length_of(const struct wr_lmdb_work *w, const uint8_t *digest)
{
    uint8_t key[WR_EXTENT_KEY];
    MDB_val k = wr_val(key, sizeof(key)), v;
    struct wr_extent x;

    wr_extent_key(digest, 0, key);
    return mdb_get(w->txn, w->e->payload, &k, &v) == 0 &&
                   wr_extent_read(digest, wr_val_span(v), &x) == WR_OK
               ? x.length
               : 0;
}

/* The record to change, for what is there. Of one that cannot be read only the
 * length and the references that spilled are known; its extents, however many,
 * must go, and the sums are to be counted anew once it has. */
enum there { ABSENT, THERE, UNREADABLE };

static int record_now(const struct wr_lmdb_work *w, const uint8_t *digest,
                      struct wr_record *ret, enum there *ret_there)
{
    const enum wr_err err = wr_lmdb_record_get(w, digest, ret);

    *ret_there = err == WR_OK          ? THERE
                 : err == WR_ENOTFOUND ? ABSENT
                                       : UNREADABLE;
    if (err == WR_OK)
        return 0;
    *ret = (struct wr_record){.damaged = true};
    if (err == WR_ENOTFOUND)
        return 0;
    ret->length = length_of(w, digest); /* It counts in the total. */
    ret->extents = wr_extents_of(WR_STORE_CHUNK_MAX);
    return err == WR_EDAMAGED ? spilled_count(w, digest, &ret->spilled) : EIO;
}

/* Writes the record of a chunk down to which the request's put id was added. */
static int ref_added(const struct wr_lmdb_work *w, const uint8_t *digest,
                     const struct wr_store_req *r, const struct wr_record *rec)
{
    const struct wr_sum ref = wr_sum_ref(digest, r->put_id);
    const int rc = wr_lmdb_sums_change(w, false, digest, NULL, &ref);

    return rc == 0 ? record_put(w, digest, rec) : rc;
}

/* The record after a chunk's bytes were written: `was` of it counted before. */
static int chunk_put(const struct wr_lmdb_work *w, const struct wr_store_req *r,
                     const struct wr_record *rec, enum there there,
                     const struct wr_sum *was)
{
    struct wr_sum now;
    int rc = record_put(w, r->key, rec);

    if (rc != 0)
        return rc;
    if (there == UNREADABLE)
        return wr_lmdb_sums_recount(w, r->key);
    rc = wr_lmdb_sum_chunk(w, r->key, rec, &now);
    return rc == 0 ? wr_lmdb_sums_change(w, false, r->key, was, &now) : rc;
}

static int do_put(struct wr_lmdb_work *w, struct wr_store_req *r)
{
    struct wr_record rec;
    struct wr_sum was = {0};
    enum there there = ABSENT;
    bool dirty = false;
    int rc = record_now(w, r->key, &rec, &there);

    if (rc != 0)
        return rc;
    if (there != ABSENT && payload_same(w, &rec, r)) {
        if (r->has_put_id && !admits(w, r, false))
            return 0;
        rc = ref_add(w, r->key, r, &rec, &dirty);
        return rc == 0 && dirty ? ref_added(w, r->key, r, &rec) : rc;
    }
    if (!admits(w, r, true))
        return 0;
    /* Other bytes, or rotten ones, go; their references stay. */
    rc = there != ABSENT ? payload_drop(w, r->key, rec.extents) : 0;
    if (rc == 0 && there == THERE)
        rc = wr_lmdb_sum_chunk(w, r->key, &rec, &was);
    if (rc == 0)
        rc = ref_add(w, r->key, r, &rec, &dirty);
    if (rc == 0)
        rc = payload_put(w, r);
    w->totals.chunk_bytes += r->bytes.n;
    w->totals.chunk_bytes -= rec.length;
    rec.damaged = false;
    rec.length = (uint32_t)r->bytes.n;
    rec.extents = wr_extents_of(rec.length);
    rec.hash = r->number;
    r->answer.stored = true;
    return rc == 0 ? chunk_put(w, r, &rec, there, &was) : rc;
}

static int do_have(const struct wr_lmdb_work *w, struct wr_store_req *r)
{
    const size_t bytes = (r->n + 7) / 8;
    uint8_t *bits;

    if (!admits(w, r, false))
        return 0;
    if (r->out == NULL && !wr_store_req_out(r, bytes))
        return 0; /* Out of memory is the answer; nothing was written. */
    bits = memset(r->out, 0, bytes); /* This may be a second attempt. */
    for (uint32_t i = 0; i < r->n; i++) {
        const uint8_t *digest = r->tail + (size_t)i * WR_DIGEST;
        struct wr_record rec;
        bool dirty = false;
        int rc;

        if (wr_lmdb_record_get(w, digest, &rec) != WR_OK || rec.damaged)
            continue;
        rc = ref_add(w, digest, r, &rec, &dirty);
        if (rc == 0 && dirty)
            rc = ref_added(w, digest, r, &rec);
        if (rc != 0)
            return rc;
        wr_bit_set(bits, i);
    }
    r->answer.bits = bits;
    r->answer.n = r->n;
    return 0;
}

/* Removes all spilled put ids of a chunk. */
static int spilled_drop(const struct wr_lmdb_work *w, const uint8_t *digest)
{
    const uint8_t *id = NULL;
    MDB_cursor *c;
    int rc = mdb_cursor_open(w->txn, w->e->refs, &c);

    if (rc != 0)
        return rc;
    for (; (rc = wr_lmdb_spilled(c, digest, &id)) == 0; id = NULL) {
        rc = mdb_cursor_del(c, 0);
        if (rc != 0)
            break;
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int drop_ref(const struct wr_lmdb_work *w, struct wr_store_req *r,
                    struct wr_record *rec)
{
    const uint32_t i = ref_place(rec, r->put_id);
    uint8_t key[WR_REF_KEY];
    MDB_val k = wr_val(key, sizeof(key));
    int rc;

    if (i < rec->refs) {
        rec->refs--;
        memmove(rec->put_ids[i], rec->put_ids[i + 1],
                (size_t)(rec->refs - i) * WR_PUT_ID);
    } else if (rec->spilled > 0) {
        ref_key(r->key, r->put_id, key);
        rc = mdb_del(w->txn, w->e->refs, &k, NULL);
        if (rc != 0)
            return rc == MDB_NOTFOUND ? 0 : rc;
        rec->spilled--;
    } else {
        return 0;
    }
    r->answer.stored = true;
    rc = record_put(w, r->key, rec);
    if (rc != 0 || rec->damaged)
        return rc;
    const struct wr_sum ref = wr_sum_ref(r->key, r->put_id);

    return wr_lmdb_sums_change(w, false, r->key, &ref, NULL);
}

static int remove_chunk(struct wr_lmdb_work *w, struct wr_store_req *r,
                        const struct wr_record *rec, const struct wr_sum *sum)
{
    MDB_val k = wr_val(r->key, WR_DIGEST);
    int rc = payload_drop(w, r->key, rec->extents);

    if (rc == 0 && rec->spilled > 0)
        rc = spilled_drop(w, r->key);
    if (rc == 0)
        rc = mdb_del(w->txn, w->e->index, &k, NULL);
    if (rc == 0)
        rc = wr_lmdb_sums_change(w, false, r->key, sum, NULL);
    w->totals.chunk_bytes -= rec->length;
    r->answer.stored = true;
    return rc;
}

static bool prints(const struct wr_sum *sum, const struct wr_store_req *r)
{
    uint8_t print[WR_PRINT];

    wr_sum_print(sum, print);
    return memcmp(print, r->print, WR_PRINT) == 0;
}

static int do_drop(struct wr_lmdb_work *w, struct wr_store_req *r)
{
    struct wr_record rec;
    struct wr_sum sum;
    enum there there = ABSENT;
    int rc = record_now(w, r->key, &rec, &there);

    if (rc != 0 || there == ABSENT)
        return rc;
    if (r->has_put_id) /* One that cannot be read stays as it is. */
        return there == THERE ? drop_ref(w, r, &rec) : 0;
    rc = wr_lmdb_sum_chunk(w, r->key, &rec, &sum);
    if (rc != 0 || (r->has_print && !prints(&sum, r)))
        return rc;
    rc = remove_chunk(w, r, &rec, &sum);
    return rc == 0 && there == UNREADABLE ? wr_lmdb_sums_recount(w, r->key)
                                          : rc;
}

/* A record that cannot be read may have had references. */
static int do_reap(struct wr_lmdb_work *w, struct wr_store_req *r)
{
    struct wr_record rec;

    if (wr_lmdb_record_get(w, r->key, &rec) != WR_OK || rec.refs > 0 ||
        rec.spilled > 0)
        return 0;
    switch (wr_store_reap_does(rec.idle_since, r)) {
    case WR_REAP_WAIT:
        return 0;
    case WR_REAP_MARK:
        rec.idle_since = r->number;
        return record_put(w, r->key, &rec);
    case WR_REAP_REMOVE:
        break;
    }
    struct wr_sum sum;
    const int rc = wr_lmdb_sum_chunk(w, r->key, &rec, &sum);

    return rc == 0 ? remove_chunk(w, r, &rec, &sum) : rc;
}

/* The reader that found the rot may be late: a good copy may have been written
 * since, so it is read again, here where nothing can change it. */
static int do_quarantine(const struct wr_lmdb_work *w, struct wr_store_req *r)
{
    struct wr_record rec;
    enum wr_err err;

    if (wr_lmdb_record_get(w, r->key, &rec) != WR_OK || rec.damaged)
        return 0;
    err = r->hashed ? wr_lmdb_chunk_judge(w, r->key, &rec)
                    : wr_lmdb_payload_read(w, r->key, &rec, NULL);
    if (err != WR_EDAMAGED)
        return 0;
    struct wr_sum sum;
    int rc = wr_lmdb_sum_chunk(w, r->key, &rec, &sum);

    if (rc == 0)
        rc = wr_lmdb_sums_change(w, false, r->key, &sum, NULL);
    rec.damaged = true;
    r->answer.stored = true;
    return rc == 0 ? record_put(w, r->key, &rec) : rc;
}

static int do_root_put(const struct wr_lmdb_work *w, struct wr_store_req *r)
{
    uint8_t bytes[8 + WR_STORE_ROOT_MAX];
    struct wr_writer out = wr_writer(bytes, sizeof(bytes));
    const struct wr_sum now = wr_sum_root(r->key, r->number, r->bytes);
    struct wr_sum was = {0};
    MDB_val k = wr_val(r->key, r->key_n), v;
    int rc = mdb_get(w->txn, w->e->roots, &k, &v);

    if (rc == 0) {
        struct wr_reader old = wr_reader(wr_val_span(v));
        const uint64_t version = wr_read_be64(&old);

        if (!old.bad &&
            !wr_store_root_yields(version, wr_span(old.p, old.left), r))
            return 0;
        if (!old.bad)
            was = wr_sum_root(r->key, version, wr_span(old.p, old.left));
    } else if (rc != MDB_NOTFOUND) {
        return rc;
    } else if (!admits(w, r, true)) {
        return 0;
    }
    wr_write_be64(&out, r->number);
    wr_write(&out, r->bytes.p, r->bytes.n);
    WR_CHECK(!out.bad);
    v = wr_val(bytes, out.n);
    rc = mdb_put(w->txn, w->e->roots, &k, &v, 0);
    r->answer.stored = true;
    return rc == 0 ? wr_lmdb_sums_change(w, true, r->key, &was, &now) : rc;
}

static int do_root_drop(const struct wr_lmdb_work *w, struct wr_store_req *r)
{
    MDB_val k = wr_val(r->key, r->key_n), v;
    int rc = mdb_get(w->txn, w->e->roots, &k, &v);

    if (rc == 0) {
        struct wr_reader old = wr_reader(wr_val_span(v));

        if (wr_read_be64(&old) != r->number || old.bad)
            return 0;
        const struct wr_sum sum =
            wr_sum_root(r->key, r->number, wr_span(old.p, old.left));

        r->answer.stored = true;
        rc = wr_lmdb_sums_change(w, true, r->key, &sum, NULL);
        return rc == 0 ? mdb_del(w->txn, w->e->roots, &k, NULL) : rc;
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int do_meta_put(const struct wr_lmdb_work *w, struct wr_store_req *r)
{
    MDB_val k = wr_val(r->key, r->key_n);
    MDB_val v = wr_val(r->bytes.p, r->bytes.n);
    int rc = run_drop(w, w->e->metas, k);

    r->answer.stored = rc == 0 || r->bytes.n > 0;
    if (r->bytes.n > 0 && (rc == 0 || rc == MDB_NOTFOUND))
        rc = mdb_put(w->txn, w->e->metas, &k, &v, 0);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int wr_lmdb_perform(struct wr_lmdb_work *w, struct wr_store_req *r)
{
    switch (r->op) {
    case WR_STORE_PUT:
        return do_put(w, r);
    case WR_STORE_HAVE:
        return do_have(w, r);
    case WR_STORE_DROP:
        return do_drop(w, r);
    case WR_STORE_REAP:
        return do_reap(w, r);
    case WR_STORE_ROOT_PUT:
        return do_root_put(w, r);
    case WR_STORE_ROOT_DROP:
        return do_root_drop(w, r);
    case WR_STORE_META_PUT:
        return do_meta_put(w, r);
    case WR_STORE_QUARANTINE:
        return do_quarantine(w, r);
    case WR_STORE_READ:
    case WR_STORE_STAT:
    case WR_STORE_REFS:
    case WR_STORE_LIST:
    case WR_STORE_SUM:
    case WR_STORE_SCRUB:
    case WR_STORE_ROOT_GET:
    case WR_STORE_ROOT_LIST:
    case WR_STORE_META_GET:
        break;
    }
    WR_UNREACHABLE();
}
