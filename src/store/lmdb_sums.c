/*
 * lmdb_sums.c - the table of sums (crypto/sum.h): one for each 4,096th of the
 * ring, of chunks and of root records apart, changed in the transaction that
 * changes what they sum up. So a question about an arc adds whole buckets, and
 * goes through index records at its two ends alone, never through payload.
 *
 *     key: u8 kind | u16 the first twelve bits of the position
 *     value: u64 number | 32 bytes of the sum, big-endian
 *
 * A damaged chunk does not count: it is not here.
 */
#include <errno.h>
#include <stdlib.h>

#include "store/lmdb_parts.h"

enum { BUCKETS = 1 << 12, KEY_BYTES = 3 };

struct bucket_key {
    uint8_t b[KEY_BYTES];
};

static uint32_t bucket_of(const uint8_t *position)
{
    return (uint32_t)position[0] << 4 | position[1] >> 4;
}

static struct bucket_key bucket_key(bool roots, uint32_t bucket)
{
    return (struct bucket_key){
        {roots, (uint8_t)(bucket >> 8), (uint8_t)(bucket & 0xff)}};
}

/* The last position of a bucket. */
static struct wr_id bucket_end(uint32_t bucket)
{
    struct wr_id end;

    memset(end.b, 0xff, sizeof(end.b));
    end.b[0] = (uint8_t)(bucket >> 4);
    end.b[1] = (uint8_t)((bucket & 15) << 4 | 15);
    return end;
}

static int bucket_read(const struct wr_lmdb_work *w, struct bucket_key key,
                       struct wr_sum *ret)
{
    MDB_val k = wr_val(key.b, sizeof(key.b)), v;
    const int rc = mdb_get(w->txn, w->e->sums, &k, &v);

    *ret = (struct wr_sum){0};
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (v.mv_size != WR_SUM_BYTES)
        return MDB_CORRUPTED;
    wr_sum_read(v.mv_data, ret);
    return 0;
}

static int bucket_write(const struct wr_lmdb_work *w, struct bucket_key key,
                        const struct wr_sum *s)
{
    uint8_t bytes[WR_SUM_BYTES];
    MDB_val k = wr_val(key.b, sizeof(key.b)), v = wr_val(bytes, sizeof(bytes));

    wr_sum_write(s, bytes);
    return mdb_put(w->txn, w->e->sums, &k, &v, 0);
}

int wr_lmdb_sums_change(const struct wr_lmdb_work *w, bool roots,
                        const uint8_t *position, const struct wr_sum *less,
                        const struct wr_sum *more)
{
    const struct bucket_key key = bucket_key(roots, bucket_of(position));
    struct wr_sum s;
    const int rc = bucket_read(w, key, &s);

    if (rc != 0)
        return rc;
    if (less != NULL)
        wr_sum_take(&s, less);
    if (more != NULL)
        wr_sum_add(&s, more);
    return bucket_write(w, key, &s);
}

/* ---- one item ------------------------------------------------------------ */

static void add_ref(struct wr_sum *s, const uint8_t *digest,
                    const uint8_t *put_id)
{
    const struct wr_sum ref = wr_sum_ref(digest, put_id);

    wr_sum_add(s, &ref);
}

static int add_spilled(const struct wr_lmdb_work *w, const uint8_t *digest,
                       struct wr_sum *s)
{
    const uint8_t *id = NULL;
    MDB_cursor *c;
    int rc = mdb_cursor_open(w->txn, w->e->refs, &c);

    if (rc != 0)
        return rc;
    while ((rc = wr_lmdb_spilled(c, digest, &id)) == 0)
        add_ref(s, digest, id);
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int wr_lmdb_sum_chunk(const struct wr_lmdb_work *w, const uint8_t *digest,
                      const struct wr_record *rec, struct wr_sum *ret)
{
    *ret = (struct wr_sum){0};
    if (rec->damaged)
        return 0;
    *ret = wr_sum_chunk(digest);
    for (uint32_t i = 0; i < rec->refs; i++)
        add_ref(ret, digest, rec->put_ids[i]);
    return rec->spilled > 0 ? add_spilled(w, digest, ret) : 0;
}

/* Of the item at a cursor of `index` or `roots`; nothing if it cannot be
 * read. */
static int sum_item(const struct wr_lmdb_work *w, bool roots, MDB_val k,
                    MDB_val v, struct wr_sum *ret)
{
    struct wr_reader in = wr_reader(wr_val_span(v));
    struct wr_record rec;

    *ret = (struct wr_sum){0};
    if (k.mv_size != WR_DIGEST)
        return 0;
    if (!roots)
        return wr_record_read(wr_val_span(v), &rec) == WR_OK
                   ? wr_lmdb_sum_chunk(w, k.mv_data, &rec, ret)
                   : 0;
    const uint64_t version = wr_read_be64(&in);

    if (!in.bad)
        *ret = wr_sum_root(k.mv_data, version, wr_span(in.p, in.left));
    return 0;
}

/* ---- an arc -------------------------------------------------------------- */

/* Positions after `after` (NULL: from the first) up to `to`, with no zero
 * between: item by item. */
static int scan(const struct wr_lmdb_work *w, bool roots,
                const struct wr_id *after, const struct wr_id *to,
                struct wr_sum *s)
{
    MDB_val k = {0}, v;
    MDB_cursor *c;
    int rc = mdb_cursor_open(w->txn, roots ? w->e->roots : w->e->index, &c);

    if (rc != 0)
        return rc;
    if (after != NULL)
        k = wr_val(after->b, sizeof(after->b));
    rc = mdb_cursor_get(c, &k, &v, after != NULL ? MDB_SET_RANGE : MDB_FIRST);
    if (rc == 0 && after != NULL && k.mv_size == sizeof(after->b) &&
        memcmp(k.mv_data, after->b, k.mv_size) == 0)
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    while (rc == 0 &&
           wr_span_cmp(wr_val_span(k), wr_span(to->b, sizeof(to->b))) <= 0) {
        struct wr_sum item;

        rc = sum_item(w, roots, k, v, &item);
        wr_sum_add(s, &item);
        if (rc == 0)
            rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Whole buckets, `first` to `last`. */
static int add_buckets(const struct wr_lmdb_work *w, bool roots, uint32_t first,
                       uint32_t last, struct wr_sum *s)
{
    const struct bucket_key from = bucket_key(roots, first);
    const struct bucket_key to = bucket_key(roots, last);
    MDB_val k = wr_val(from.b, sizeof(from.b)), v;
    MDB_cursor *c;
    int rc = mdb_cursor_open(w->txn, w->e->sums, &c);

    if (rc != 0)
        return rc;
    for (rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
         rc == 0 && k.mv_size == KEY_BYTES && v.mv_size == WR_SUM_BYTES &&
         memcmp(k.mv_data, to.b, KEY_BYTES) <= 0;
         rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        struct wr_sum one;

        wr_sum_read(v.mv_data, &one);
        wr_sum_add(s, &one);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int add_line(const struct wr_lmdb_work *w, bool roots,
                    const struct wr_id *after, const struct wr_id *to,
                    struct wr_sum *s)
{
    uint32_t first = after != NULL ? bucket_of(after->b) : 0;
    uint32_t last = bucket_of(to->b);
    const struct wr_id end_of_last = bucket_end(last);
    const bool whole_last = wr_id_eq(to, &end_of_last);
    int rc = 0;

    if (after != NULL) {
        const struct wr_id end = bucket_end(first);

        if (first == last)
            return scan(w, roots, after, to, s);
        if (!wr_id_eq(after, &end))
            rc = scan(w, roots, after, &end, s);
        first++;
    }
    if (rc == 0 && !whole_last) {
        const struct wr_id before = bucket_end(last > 0 ? last - 1 : 0);

        rc = scan(w, roots, last > 0 ? &before : NULL, to, s);
        if (last == 0)
            return rc;
        last--;
    }
    return rc == 0 && first <= last ? add_buckets(w, roots, first, last, s)
                                    : rc;
}

static int add_arc(const struct wr_lmdb_work *w, bool roots,
                   const struct wr_id *from, const struct wr_id *to,
                   struct wr_sum *s)
{
    const struct wr_id end = bucket_end(BUCKETS - 1);
    int rc;

    if (wr_id_cmp(from, to) < 0)
        return add_line(w, roots, from, to, s);
    rc = wr_id_eq(from, &end) ? 0 : add_line(w, roots, from, &end, s);
    return rc == 0 ? add_line(w, roots, NULL, to, s) : rc;
}

enum wr_err wr_lmdb_sums_read(const struct wr_lmdb_work *w,
                              struct wr_store_req *r)
{
    struct wr_sum *out;
    struct wr_id from, to;

    if (!wr_store_req_out(r, r->n * sizeof(*out)))
        return WR_ENOMEM;
    out = r->out;
    memcpy(from.b, r->key, sizeof(from.b));
    memcpy(to.b, r->tail, sizeof(to.b));
    for (uint32_t i = 0; i < r->n; i++) {
        struct wr_id a, b;

        if (wr_store_part(&from, &to, i, r->n, &a, &b) &&
            add_arc(w, r->roots, &a, &b, &out[i]) != 0)
            return WR_EIO;
    }
    r->answer.sums = out;
    r->answer.n = r->n;
    return WR_OK;
}

/* ---- counted anew -------------------------------------------------------- */

int wr_lmdb_sums_recount(const struct wr_lmdb_work *w, const uint8_t *digest)
{
    const uint32_t bucket = bucket_of(digest);
    const struct wr_id end = bucket_end(bucket);
    const struct wr_id before = bucket_end(bucket > 0 ? bucket - 1 : 0);
    struct wr_sum s = {0};
    const int rc = scan(w, false, bucket > 0 ? &before : NULL, &end, &s);

    return rc == 0 ? bucket_write(w, bucket_key(false, bucket), &s) : rc;
}

/* The sum of each bucket, by its items. */
static int count(const struct wr_lmdb_work *w, bool roots, struct wr_sum *sums)
{
    MDB_val k, v;
    MDB_cursor *c;
    int rc = mdb_cursor_open(w->txn, roots ? w->e->roots : w->e->index, &c);

    if (rc != 0)
        return rc;
    memset(sums, 0, BUCKETS * sizeof(*sums));
    rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
    while (rc == 0) {
        struct wr_sum item;

        rc = sum_item(w, roots, k, v, &item);
        if (item.n > 0)
            wr_sum_add(&sums[bucket_of(k.mv_data)], &item);
        if (rc == 0)
            rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int build(const struct wr_lmdb_work *w, bool roots, struct wr_sum *sums)
{
    int rc = count(w, roots, sums);

    for (uint32_t i = 0; i < BUCKETS && rc == 0; i++)
        if (sums[i].n > 0)
            rc = bucket_write(w, bucket_key(roots, i), &sums[i]);
    return rc;
}

int wr_lmdb_sums_build(const struct wr_lmdb_env *e, MDB_txn *txn)
{
    const struct wr_lmdb_work w = {.e = e, .txn = txn};
    struct wr_sum *sums = calloc(BUCKETS, sizeof(*sums));
    int rc = sums != NULL ? mdb_drop(txn, e->sums, 0) : ENOMEM;

    if (rc == 0)
        rc = build(&w, false, sums);
    if (rc == 0)
        rc = build(&w, true, sums);
    free(sums);
    return rc;
}

int wr_lmdb_sums_judge(const struct wr_lmdb_work *w, bool *ret)
{
    struct wr_sum *sums = calloc(BUCKETS, sizeof(*sums));
    bool right = true;
    int rc = sums != NULL ? 0 : ENOMEM;

    for (int roots = 0; roots < 2 && rc == 0; roots++) {
        rc = count(w, roots, sums);
        for (uint32_t i = 0; i < BUCKETS && rc == 0; i++) {
            struct wr_sum kept;

            rc = bucket_read(w, bucket_key(roots, i), &kept);
            right = right && wr_sum_eq(&kept, &sums[i]);
        }
    }
    free(sums);
    *ret = right;
    return rc;
}
