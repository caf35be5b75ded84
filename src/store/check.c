/* check.c - see check.h. The index, the payload and the spilled references are
 * in the same order: they are walked side by side, once. */
#include "store/check.h"

#include "crypto/root.h"
#include "store/lmdb_parts.h"
#include "store/salvage.h"

enum { PROGRESS_EVERY = 256 };

const char *wr_fault_text(enum wr_fault fault)
{
    static const char *const texts[] = {
#define X(name, tables, text) text,
        WR_FAULT_MAP(X)
#undef X
    };

    return texts[fault];
}

const char *wr_fault_name(enum wr_fault fault)
{
    static const char *const names[] = {
#define X(name, tables, text) #name,
        WR_FAULT_MAP(X)
#undef X
    };

    return names[fault];
}

bool wr_fault_of_tables(enum wr_fault fault)
{
    static const bool is[] = {
#define X(name, tables, text) tables,
        WR_FAULT_MAP(X)
#undef X
    };

    return is[fault];
}

/* A table that is walked; its keys must ascend. */
struct walk {
    MDB_cursor *c;
    MDB_val k, v;
    int rc; /* MDB_NOTFOUND: at its end. */
    uint8_t last[WR_REF_KEY];
    size_t last_n;
};

struct checker {
    const struct wr_check_cfg *cfg;
    struct wr_lmdb_work w;
    struct wr_check *sum;
};

static void found(struct checker *x, enum wr_fault fault, struct wr_span key)
{
    x->sum->faults[fault]++;
    if (x->cfg->found != NULL)
        x->cfg->found(x->cfg->arg, fault, key);
}

static void walk_next(struct checker *x, struct walk *w, MDB_cursor_op op)
{
    w->rc = mdb_cursor_get(w->c, &w->k, &w->v, op);
    if (w->rc == 0 &&
        (w->k.mv_size > sizeof(w->last) ||
         wr_span_cmp(wr_val_span(w->k), wr_span(w->last, w->last_n)) <= 0))
        w->rc = MDB_CORRUPTED;
    if (w->rc != 0 && w->rc != MDB_NOTFOUND)
        found(x, WR_FAULT_TREE, wr_span(w->last, w->last_n));
    if (w->rc != 0)
        return;
    memcpy(w->last, w->k.mv_data, w->k.mv_size);
    w->last_n = w->k.mv_size;
}

static void walk_begin(struct checker *x, struct walk *w, MDB_dbi dbi)
{
    *w = (struct walk){.c = NULL};
    w->rc = mdb_cursor_open(x->w.txn, dbi, &w->c);
    if (w->rc == 0)
        walk_next(x, w, MDB_FIRST);
    else
        found(x, WR_FAULT_TREE, wr_span(NULL, 0));
}

static void walk_end(struct walk *w)
{
    if (w->c != NULL)
        mdb_cursor_close(w->c);
}

/* Brings `w`, whose keys begin with a digest, past `digest` (NULL: to its end);
 * how many were of it. What is before it is of chunks that are in no index. */
static uint32_t walk_past(struct checker *x, struct walk *w,
                          const uint8_t *digest, enum wr_fault stray)
{
    uint8_t told[WR_DIGEST];
    bool any = false;
    uint32_t n = 0;

    for (; w->rc == 0; walk_next(x, w, MDB_NEXT)) {
        int order;

        if (w->k.mv_size < WR_DIGEST) {
            found(x, WR_FAULT_TREE, wr_val_span(w->k));
            continue;
        }
        order = digest != NULL ? memcmp(w->k.mv_data, digest, WR_DIGEST) : -1;
        if (order > 0)
            break;
        if (order == 0) {
            n++;
        } else if (!any || memcmp(told, w->k.mv_data, WR_DIGEST) != 0) {
            memcpy(told, w->k.mv_data, WR_DIGEST);
            any = true;
            found(x, stray, wr_span(told, WR_DIGEST));
        }
    }
    return n;
}

static bool is_salvaged(const struct wr_record *rec)
{
    for (uint32_t i = 0; i < rec->refs; i++)
        if (memcmp(rec->put_ids[i], wr_put_id_salvaged, WR_PUT_ID) == 0)
            return true;
    return false;
}

static enum wr_err check_chunk(struct checker *x, const uint8_t *digest,
                               struct wr_span record, uint32_t spilled)
{
    const struct wr_span key = wr_span(digest, WR_DIGEST);
    struct wr_record rec;
    enum wr_err err;

    x->sum->chunks++;
    if (wr_record_read(record, &rec) != WR_OK) {
        found(x, WR_FAULT_INDEX, key);
        return WR_OK;
    }
    x->sum->refs += rec.refs + spilled;
    x->sum->unreferred += rec.refs + spilled == 0;
    x->sum->salvaged += is_salvaged(&rec);
    x->sum->chunk_bytes += rec.length;
    if (rec.spilled != spilled)
        found(x, WR_FAULT_REFS, key);
    if (rec.damaged) {
        found(x, WR_FAULT_SET_ASIDE, key);
        return WR_OK;
    }
    err = wr_lmdb_chunk_judge(&x->w, digest, &rec);
    if (err == WR_EDAMAGED)
        found(x, WR_FAULT_ROTTEN, key);
    else if (err != WR_OK && err != WR_ENOMEM)
        found(x, WR_FAULT_TREE, key);
    return err == WR_ENOMEM ? err : WR_OK;
}

static enum wr_err check_chunks(struct checker *x, uint64_t total)
{
    struct walk index, payload, refs;
    enum wr_err err = WR_OK;
    uint64_t n = 0;

    walk_begin(x, &index, x->w.e->index);
    walk_begin(x, &payload, x->w.e->payload);
    walk_begin(x, &refs, x->w.e->refs);
    for (; index.rc == 0 && err == WR_OK; walk_next(x, &index, MDB_NEXT)) {
        if (index.k.mv_size != WR_DIGEST) {
            found(x, WR_FAULT_INDEX, wr_val_span(index.k));
            continue;
        }
        (void)walk_past(x, &payload, index.last, WR_FAULT_NO_INDEX);
        err = check_chunk(x, index.last, wr_val_span(index.v),
                          walk_past(x, &refs, index.last, WR_FAULT_NO_CHUNK));
        if (++n % PROGRESS_EVERY == 0 && x->cfg->progress != NULL)
            x->cfg->progress(x->cfg->arg, n, total);
    }
    if (index.rc == MDB_NOTFOUND) { /* Else what follows is no stray. */
        (void)walk_past(x, &payload, NULL, WR_FAULT_NO_INDEX);
        (void)walk_past(x, &refs, NULL, WR_FAULT_NO_CHUNK);
    }
    walk_end(&index);
    walk_end(&payload);
    walk_end(&refs);
    return err;
}

static bool root_is_right(struct wr_span key, struct wr_span value)
{
    struct wr_reader in = wr_reader(value);
    const uint64_t version = wr_read_be64(&in);
    uint8_t position[WR_ROOT_POSITION];
    struct wr_root r;

    if (in.bad || wr_root_open(wr_span(in.p, in.left), &r) != WR_OK)
        return false;
    wr_root_position(r.put, position);
    return r.version == version &&
           wr_span_eq(key, wr_span(position, sizeof(position)));
}

static void check_roots(struct checker *x)
{
    struct walk w;

    walk_begin(x, &w, x->w.e->roots);
    for (; w.rc == 0; walk_next(x, &w, MDB_NEXT)) {
        x->sum->roots++;
        if (!root_is_right(wr_val_span(w.k), wr_val_span(w.v)))
            found(x, WR_FAULT_ROOT, wr_val_span(w.k));
    }
    walk_end(&w);
}

static enum wr_err check_all(struct checker *x)
{
    bool right = true;
    enum wr_err err;
    MDB_stat st;
    int rc = mdb_stat(x->w.txn, x->w.e->index, &st);

    if (rc != 0)
        return wr_lmdb_err(rc);
    err = check_chunks(x, st.ms_entries);
    if (err != WR_OK)
        return err;
    check_roots(x);
    if (x->sum->faults[WR_FAULT_TREE] > 0)
        return WR_OK;      /* What is derived cannot be judged. */
    if (x->w.e->sums != 0) /* An older format has none. */
        rc = wr_lmdb_sums_judge(&x->w, &right);
    if (rc != 0 || !right)
        found(x, WR_FAULT_SUMS, wr_span(NULL, 0));
    if (x->sum->chunk_bytes != x->w.e->totals.chunk_bytes &&
        x->sum->faults[WR_FAULT_INDEX] == 0)
        found(x, WR_FAULT_TOTALS, wr_span(NULL, 0));
    return WR_OK;
}

enum wr_err wr_store_check(const char *path, const struct wr_check_cfg *cfg,
                           struct wr_check *ret, struct wr_why *why)
{
    struct wr_check sum = {0};
    struct wr_lmdb_env e;
    struct checker x = {.cfg = cfg, .sum = &sum};
    MDB_txn *txn = NULL;
    enum wr_err err = wr_lmdb_env_open_read(&e, path, why);

    if (err == WR_OK) {
        const int rc = mdb_txn_begin(e.env, NULL, MDB_RDONLY, &txn);

        if (rc != 0)
            err = wr_why(why, wr_lmdb_err(rc), "cannot read the store %s: %s",
                         path, mdb_strerror(rc));
    }
    if (err == WR_OK) {
        x.w = (struct wr_lmdb_work){.e = &e, .txn = txn};
        err = check_all(&x);
        if (err != WR_OK)
            (void)wr_why(why, err, "cannot check the store %s: %s", path,
                         wr_err_text(err));
    }
    if (txn != NULL)
        mdb_txn_abort(txn);
    wr_lmdb_env_close(&e);
    if (err == WR_OK)
        *ret = sum;
    return err;
}
