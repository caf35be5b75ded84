/* lmdb.c - the LMDB store as a whole: see lmdb_parts.h. */
#include "store/lmdb_parts.h"

#include <signal.h>
#include <stdlib.h>

#include "sys/log.h"

enum { STACK_BYTES = 256 << 10 };

static struct wr_lmdb *lmdb_of(struct wr_store *s)
{
    return (struct wr_lmdb *)s; /* Its first member. */
}

void wr_lmdb_finish(struct wr_lmdb *m, struct wr_store_reqs *done)
{
    bool first;

    if (done->head == NULL)
        return;
    pthread_mutex_lock(&m->mu);
    first = m->done.head == NULL;
    wr_store_reqs_move(&m->done, done);
    pthread_cond_signal(&m->is_done);
    pthread_mutex_unlock(&m->mu);
    /* Once per poll is enough: that takes all. */
    if (first && m->cfg.wake != NULL)
        m->cfg.wake(m->cfg.arg);
}

void wr_lmdb_to_writer(struct wr_lmdb *m, struct wr_store_req *r)
{
    pthread_mutex_lock(&m->mu);
    wr_store_reqs_add(&m->writes, r);
    if (m->writer_idle)
        pthread_cond_signal(&m->to_write);
    pthread_mutex_unlock(&m->mu);
}

static void lmdb_submit(struct wr_store *s, struct wr_store_req *r)
{
    struct wr_lmdb *m = lmdb_of(s);

    if (wr_store_op_writes(r)) {
        wr_lmdb_to_writer(m, r);
        return;
    }
    pthread_mutex_lock(&m->mu);
    wr_store_reqs_add(&m->reads, r);
    if (m->readers_idle > 0)
        pthread_cond_signal(&m->to_read);
    pthread_mutex_unlock(&m->mu);
}

static void lmdb_done(struct wr_store *s, bool wait, struct wr_store_reqs *ret)
{
    struct wr_lmdb *m = lmdb_of(s);

    pthread_mutex_lock(&m->mu);
    while (wait && m->done.head == NULL)
        pthread_cond_wait(&m->is_done, &m->mu);
    wr_store_reqs_move(ret, &m->done);
    pthread_mutex_unlock(&m->mu);
}

static void lmdb_usage(struct wr_store *s, struct wr_store_usage *ret)
{
    struct wr_lmdb *m = lmdb_of(s);

    pthread_mutex_lock(&m->mu);
    *ret = m->usage;
    ret->reader_lag = 0;
    for (uint32_t i = 0; i < WR_LMDB_READERS; i++) {
        const size_t at = m->reader_txn[i];

        if (at > 0 && at < m->last_txn && ret->reader_lag < m->last_txn - at)
            ret->reader_lag = m->last_txn - at;
    }
    pthread_mutex_unlock(&m->mu);
}

static void lmdb_tick(struct wr_store *s)
{
    struct wr_lmdb *m = lmdb_of(s);

    pthread_mutex_lock(&m->mu);
    m->upkeep = true;
    pthread_cond_signal(&m->to_write);
    pthread_mutex_unlock(&m->mu);
}

static void snapshots_drop(struct wr_lmdb *m)
{
    for (uint32_t i = 0; i < WR_LMDB_READERS; i++) {
        if (m->snapshots[i] != NULL)
            mdb_txn_abort(m->snapshots[i]);
        m->snapshots[i] = NULL;
    }
}

static void lmdb_free(struct wr_lmdb *m)
{
    snapshots_drop(m);
    wr_lmdb_env_close(&m->e);
    pthread_mutex_destroy(&m->mu);
    pthread_cond_destroy(&m->to_write);
    pthread_cond_destroy(&m->to_read);
    pthread_cond_destroy(&m->is_done);
    pthread_cond_destroy(&m->at_rest);
    free(m);
}

static void threads_join(struct wr_lmdb *m, bool writer, uint32_t readers)
{
    pthread_mutex_lock(&m->mu);
    m->stop = true;
    pthread_cond_broadcast(&m->to_write);
    pthread_cond_broadcast(&m->to_read);
    pthread_mutex_unlock(&m->mu);
    if (writer)
        pthread_join(m->writer, NULL);
    for (uint32_t i = 0; i < readers; i++)
        pthread_join(m->readers[i], NULL);
}

static void lmdb_close(struct wr_store *s)
{
    struct wr_lmdb *m = lmdb_of(s);

    threads_join(m, true, WR_LMDB_READERS);
    lmdb_free(m);
}

/* The threads take no signals: those are the loop's. */
static enum wr_err threads_start(struct wr_lmdb *m)
{
    pthread_attr_t attr;
    sigset_t all, old;
    uint32_t readers = 0;
    bool ok;

    WR_CHECK(pthread_attr_init(&attr) == 0);
    WR_CHECK(pthread_attr_setstacksize(&attr, STACK_BYTES) == 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    ok = pthread_create(&m->writer, &attr, wr_lmdb_writer, m) == 0;
    while (ok && readers < WR_LMDB_READERS &&
           pthread_create(&m->readers[readers], &attr, wr_lmdb_reader, m) == 0)
        readers++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (readers == WR_LMDB_READERS)
        return WR_OK;
    threads_join(m, ok, readers);
    return WR_ENOMEM;
}

static void sync_init(struct wr_lmdb *m)
{
    pthread_condattr_t attr;

    WR_CHECK(pthread_condattr_init(&attr) == 0);
    WR_CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    WR_CHECK(pthread_mutex_init(&m->mu, NULL) == 0);
    WR_CHECK(pthread_cond_init(&m->to_write, &attr) == 0);
    WR_CHECK(pthread_cond_init(&m->to_read, NULL) == 0);
    WR_CHECK(pthread_cond_init(&m->is_done, NULL) == 0);
    WR_CHECK(pthread_cond_init(&m->at_rest, NULL) == 0);
    pthread_condattr_destroy(&attr);
}

/* A place in LMDB's table of readers for each thread, kept while we live. */
static enum wr_err snapshots_make(struct wr_lmdb *m, struct wr_why *why)
{
    for (uint32_t i = 0; i < WR_LMDB_READERS; i++) {
        const int rc =
            mdb_txn_begin(m->e.env, NULL, MDB_RDONLY, &m->snapshots[i]);

        if (rc != 0) {
            m->snapshots[i] = NULL;
            return wr_why(why, wr_lmdb_err(rc), "cannot read the store %s: %s",
                          m->e.path, mdb_strerror(rc));
        }
        mdb_txn_reset(m->snapshots[i]);
    }
    return WR_OK;
}

void wr_lmdb_reopen(struct wr_lmdb *m)
{
    struct wr_why why;
    enum wr_err err;

    pthread_mutex_lock(&m->mu);
    m->resting = true;
    while (m->readers_busy > 0)
        pthread_cond_wait(&m->at_rest, &m->mu);
    pthread_mutex_unlock(&m->mu);
    snapshots_drop(m);
    err = wr_lmdb_env_reopen(&m->e, &m->cfg, &why);
    if (err == WR_OK)
        err = snapshots_make(m, &why);
    if (err == WR_OK)
        WR_LOG(WARN, "store", "opened anew", WR_KV_STR("path", m->e.path));
    else
        WR_LOG(ERROR, "store", "cannot be read either",
               WR_KV_STR("why", why.text));
    pthread_mutex_lock(&m->mu);
    m->resting = false;
    m->opened++;
    pthread_cond_broadcast(&m->to_read);
    pthread_mutex_unlock(&m->mu);
}

static enum wr_err first_usage(struct wr_lmdb *m, struct wr_why *why)
{
    MDB_txn *txn;
    enum wr_err err;

    /* On a full disk a process must find room to start and to stop. */
    if (wr_lmdb_env_is_full(&m->e))
        wr_lmdb_ballast_drop(&m->e);
    else
        wr_lmdb_ballast_make(&m->e);
    if (mdb_txn_begin(m->e.env, NULL, MDB_RDONLY, &txn) != 0)
        return wr_why(why, WR_EIO, "cannot read the store %s", m->e.path);
    err = wr_lmdb_env_measure(&m->e, txn, m->cfg.quota, &m->usage);
    mdb_txn_abort(txn);
    m->usage.chunk_bytes = m->e.totals.chunk_bytes;
    if (err == WR_OK && m->usage.capacity == 0)
        return wr_why(why, WR_EFULL, "the disk has no room for the store %s",
                      m->e.path);
    if (err != WR_OK)
        return wr_why(why, err, "cannot measure the store %s", m->e.path);
    return WR_OK;
}

enum wr_err wr_store_open_lmdb(const char *path, const struct wr_store_cfg *cfg,
                               struct wr_why *why, struct wr_store **ret)
{
    static const struct wr_store_ops ops = {lmdb_submit, lmdb_done, lmdb_usage,
                                            lmdb_tick, lmdb_close};
    struct wr_lmdb *m = calloc(1, sizeof(*m));
    enum wr_err err;

    if (m == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    m->base.ops = &ops;
    m->cfg = *cfg;
    wr_store_reqs_init(&m->writes);
    wr_store_reqs_init(&m->reads);
    wr_store_reqs_init(&m->done);
    sync_init(m);
    err = wr_lmdb_env_open(&m->e, path, cfg, why);
    if (err == WR_OK)
        err = first_usage(m, why);
    if (err == WR_OK)
        err = snapshots_make(m, why);
    if (err == WR_OK && threads_start(m) != WR_OK)
        err = wr_why(why, WR_ENOMEM, "cannot start the store's threads");
    if (err != WR_OK) {
        lmdb_free(m);
        return err;
    }
    WR_LOG(INFO, "store", "opened", WR_KV_STR("path", path),
           WR_KV_U64("chunks", m->usage.chunks),
           WR_KV_U64("bytes", m->usage.chunk_bytes));
    *ret = &m->base;
    return WR_OK;
}
