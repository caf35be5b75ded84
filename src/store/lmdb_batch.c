/*
 * lmdb_batch.c - the writer thread. It alone begins write transactions. A
 * batch commits as soon as nothing waits, at the latest at WR_LMDB_BATCH_BYTES
 * or WR_LMDB_BATCH_US; so a lone write never waits for company, and a crowd
 * shares one fdatasync.
 *
 * Nothing is answered before its commit returned. When that fails:
 *   full     nothing of the batch is kept; it is done again as if read only,
 *            so that removals pass and the rest is refused. Space for their
 *            commit comes from the ballast. The transaction id must advance
 *            before LMDB can reuse what was freed: two tiny commits (after
 *            MAP_FULL it else stays full for ever).
 *   broken   the next fdatasync would succeed although pages were lost. So
 *            the store itself never acknowledges again, and says so.
 * After a meta page could not be written LMDB answers nothing at all, reads
 * included; it is then opened anew.
 */
#include <errno.h>
#include <malloc.h>
#include <time.h>

#include "store/lmdb_parts.h"
#include "sys/clock.h"
#include "sys/log.h"

enum { REQUEST_BYTES = 512, TRIM_AFTER_S = 1 };

struct batch {
    struct wr_lmdb *m;
    struct wr_lmdb_work w;
    struct wr_store_reqs *taken; /* Taken from the queue, not begun. */
    struct wr_store_reqs reqs;   /* Performed in this transaction. */
    struct wr_store_usage usage; /* As of its end. */
    size_t bytes;
    wr_time until;
};

static bool is_full(int rc)
{
    return rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT;
}

static int begin(struct batch *b, enum wr_space space)
{
    b->w.e = &b->m->e;
    b->w.txn = NULL;
    b->w.totals = b->m->e.totals;
    b->w.space = space;
    if (b->m->e.env == NULL)
        return EIO;
    return mdb_txn_begin(b->m->e.env, NULL, 0, &b->w.txn);
}

static int finish(struct batch *b, int rc)
{
    struct wr_store_usage usage = b->usage;
    MDB_txn *txn = b->w.txn;

    if (rc == 0 && b->w.totals.chunk_bytes != b->m->e.totals.chunk_bytes)
        rc = wr_lmdb_totals_put(&b->m->e, txn, &b->w.totals);
    if (rc == 0 &&
        wr_lmdb_env_measure(&b->m->e, txn, b->m->cfg.quota, &usage) != WR_OK)
        rc = EIO;
    if (rc == 0)
        rc = mdb_txn_commit(txn);
    else if (txn != NULL)
        mdb_txn_abort(txn);
    if (rc == 0) {
        b->m->e.totals = b->w.totals;
        b->usage = usage;
        b->usage.chunk_bytes = b->w.totals.chunk_bytes;
        b->usage.commits++;
    }
    /* Asked once: a failed sync is told once. */
    return rc == EIO && wr_lmdb_env_is_full(&b->m->e) ? ENOSPC : rc;
}

/* The next request for this batch; NULL: commit now. */
static struct wr_store_req *next(struct batch *b)
{
    struct wr_lmdb *m = b->m;

    if (b->bytes >= WR_LMDB_BATCH_BYTES)
        return NULL;
    if (b->bytes > 0 && wr_clock_now() >= b->until)
        return NULL;
    if (b->taken->head == NULL) {
        pthread_mutex_lock(&m->mu);
        wr_store_reqs_move(b->taken, &m->writes);
        pthread_mutex_unlock(&m->mu);
    }
    return wr_store_reqs_take(b->taken);
}

static int perform(struct batch *b, struct wr_store_req *r)
{
    /* It may be a second attempt. A QUARANTINE is a READ that failed. */
    r->answer.err = r->op == WR_STORE_QUARANTINE ? WR_EDAMAGED : WR_OK;
    r->answer.stored = false;
    return wr_lmdb_perform(&b->w, r);
}

/* Room may have come about without us: nobody is refused for what was. */
static void look_again(struct batch *b)
{
    struct wr_store_usage now = b->usage;

    if (b->w.space >= WR_SPACE_NO_PUT &&
        wr_lmdb_env_measure(&b->m->e, b->w.txn, b->m->cfg.quota, &now) == WR_OK)
        b->w.space = now.space;
}

/* First attempt: takes requests as long as they come. */
static int attempt(struct batch *b, enum wr_space space)
{
    struct wr_store_req *r;
    int rc = begin(b, space);

    if (rc == 0)
        look_again(b);
    b->until = wr_clock_now() + WR_LMDB_BATCH_US;
    while (rc == 0 && (r = next(b)) != NULL) {
        wr_store_reqs_add(&b->reqs, r);
        b->bytes += r->bytes.n + REQUEST_BYTES;
        rc = perform(b, r);
    }
    return finish(b, rc);
}

static int tiny_commit(struct wr_lmdb *m)
{
    MDB_txn *txn;
    int rc = EIO;

    if (m->e.env != NULL)
        rc = mdb_txn_begin(m->e.env, NULL, 0, &txn);
    if (rc != 0)
        return rc;
    rc = wr_lmdb_totals_put(&m->e, txn, &m->e.totals);
    if (rc == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

/* Whether LMDB answers nobody any more. */
static bool is_dead(const struct wr_lmdb *m)
{
    MDB_txn *txn;
    int rc = MDB_PANIC; /* It could not be opened anew. */

    if (m->e.env != NULL)
        rc = mdb_txn_begin(m->e.env, NULL, MDB_RDONLY, &txn);
    if (rc == 0)
        mdb_txn_abort(txn);
    return rc == MDB_PANIC;
}

/* A meta page may have found no room, and LMDB be dead. Which of the two it
 * shows once it is opened anew may be in memory alone: a commit follows, before
 * anybody is answered by what it shows. */
static int revive(struct wr_lmdb *m, int rc)
{
    int alive;

    if (!is_full(rc) || !is_dead(m))
        return rc;
    wr_lmdb_reopen(m);
    alive = tiny_commit(m);
    if (alive == 0)
        return rc;
    return is_full(alive) ? EIO : alive;
}

static int attempt_again(struct batch *b)
{
    int rc = begin(b, WR_SPACE_READONLY);

    for (struct wr_store_req *r = b->reqs.head; r != NULL && rc == 0;
         r = r->next)
        rc = perform(b, r);
    return revive(b->m, finish(b, rc));
}

static int on_full(struct batch *b, int rc)
{
    struct wr_lmdb *m = b->m;

    WR_LOG(WARN, "store", "no space left: refusing what adds",
           WR_KV_STR("path", m->e.path), WR_KV_STR("cause", mdb_strerror(rc)));
    if (rc != MDB_MAP_FULL)
        wr_lmdb_ballast_drop(&m->e);
    rc = revive(m, rc);
    if (is_full(rc))
        rc = attempt_again(b);
    if (!is_full(rc))
        return rc;
    for (unsigned i = 0; i < 2; i++) { /* Commits, too: a disk may fail. */
        const int tiny = tiny_commit(m);

        if (tiny != 0 && !is_full(tiny) && !is_dead(m))
            return tiny;
    }
    rc = revive(m, rc);
    return is_full(rc) ? attempt_again(b) : rc;
}

static void on_broken(struct batch *b, int rc)
{
    struct wr_lmdb *m = b->m;

    b->usage.failed = true;
    pthread_mutex_lock(&m->mu); /* Before a reader sees what was not synced. */
    m->usage.failed = true;
    pthread_mutex_unlock(&m->mu);
    WR_LOG(ERROR, "store",
           "the disk failed; nothing is acknowledged until a restart",
           WR_KV_STR("path", m->e.path), WR_KV_STR("cause", mdb_strerror(rc)));
    if (is_dead(m))
        wr_lmdb_reopen(m);
}

/* Answers for a batch of which nothing was kept. */
static void all_fail(struct wr_store_reqs *reqs, enum wr_err err)
{
    for (struct wr_store_req *r = reqs->head; r != NULL; r = r->next) {
        const bool rot = r->op == WR_STORE_QUARANTINE;
        const struct wr_store_answer none = {.err = rot ? WR_EDAMAGED : err,
                                             .n = rot ? r->answer.n : 0,
                                             .chunks =
                                                 rot ? r->answer.chunks : NULL};

        r->answer = none;
    }
}

/* Counts what operators watch, and says what they should know. */
static void count(struct batch *b)
{
    for (struct wr_store_req *r = b->reqs.head; r != NULL; r = r->next) {
        if (r->answer.err == WR_EFULL)
            b->usage.refused++;
        if (r->op != WR_STORE_QUARANTINE || !r->answer.stored)
            continue;
        b->usage.damaged++;
        WR_LOG(WARN, "store", "a chunk is rotten; it waits for a good copy",
               WR_KV_STR("path", b->m->e.path),
               WR_KV_HEX("digest", r->key, WR_DIGEST));
    }
}

static void publish(struct batch *b)
{
    struct wr_lmdb *m = b->m;
    MDB_envinfo info;

    count(b);
    pthread_mutex_lock(&m->mu);
    if (m->e.env != NULL && mdb_env_info(m->e.env, &info) == 0)
        m->last_txn = info.me_last_txnid;
    m->usage = b->usage;
    pthread_mutex_unlock(&m->mu);
    wr_lmdb_finish(m, &b->reqs);
}

static void run_batch(struct wr_lmdb *m, struct wr_store_reqs *taken)
{
    struct batch b = {.m = m, .taken = taken, .usage = m->usage};
    bool full;
    int rc;

    wr_store_reqs_init(&b.reqs);
    if (b.usage.failed) {
        wr_store_reqs_move(&b.reqs, taken);
        all_fail(&b.reqs, WR_EIO);
        publish(&b);
        return;
    }
    rc = attempt(&b, b.usage.space);
    full = is_full(rc);
    if (full)
        rc = on_full(&b, rc);
    if (is_full(rc)) {
        all_fail(&b.reqs, WR_EFULL);
    } else if (rc == ENOMEM) {
        all_fail(&b.reqs, WR_ENOMEM);
    } else if (rc != 0) {
        on_broken(&b, rc);
        all_fail(&b.reqs, WR_EIO);
    }
    /* No request was in hand when the transaction could not begin. */
    if (rc != 0 && b.reqs.head == NULL) {
        wr_store_reqs_move(&b.reqs, taken);
        all_fail(&b.reqs, rc == ENOMEM ? WR_ENOMEM : WR_EIO);
    }
    if (rc == 0 && !full && !m->e.ballast && b.usage.space < WR_SPACE_NO_PUT)
        wr_lmdb_ballast_make(&m->e);
    publish(&b);
}

/* What the disk has may change without us. */
static void upkeep(struct wr_lmdb *m)
{
    struct wr_store_usage u;
    MDB_txn *txn;
    int dead = 0;

    pthread_mutex_lock(&m->mu);
    u = m->usage;
    m->upkeep = false;
    pthread_mutex_unlock(&m->mu);
    if (m->e.env == NULL) {
        wr_lmdb_reopen(m);
        return;
    }
    (void)mdb_reader_check(m->e.env, &dead);
    if (mdb_txn_begin(m->e.env, NULL, MDB_RDONLY, &txn) != 0)
        return;
    if (wr_lmdb_env_measure(&m->e, txn, m->cfg.quota, &u) == WR_OK) {
        pthread_mutex_lock(&m->mu);
        m->usage = u;
        pthread_mutex_unlock(&m->mu);
    }
    mdb_txn_abort(txn);
    if (u.space < WR_SPACE_NO_PUT)
        wr_lmdb_ballast_make(&m->e);
}

/* Waits for work; true when there is some, false to stop. After a busy time
 * the heap is given back once: an idle super-peer is small. */
static bool wait_for_work(struct wr_lmdb *m, bool *busy)
{
    struct timespec at;
    bool timed_out = false, go;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += TRIM_AFTER_S;
    pthread_mutex_lock(&m->mu);
    while (m->writes.head == NULL && !m->stop && !m->upkeep && !timed_out) {
        m->writer_idle = true;
        if (*busy)
            timed_out =
                pthread_cond_timedwait(&m->to_write, &m->mu, &at) == ETIMEDOUT;
        else
            pthread_cond_wait(&m->to_write, &m->mu);
        m->writer_idle = false;
    }
    go = m->writes.head != NULL || !m->stop;
    pthread_mutex_unlock(&m->mu);
    if (timed_out) {
        (void)malloc_trim(0);
        *busy = false;
    }
    return go;
}

void *wr_lmdb_writer(void *arg)
{
    struct wr_lmdb *m = arg;
    struct wr_store_reqs taken;
    bool busy = false;

    wr_store_reqs_init(&taken);
    while (wait_for_work(m, &busy)) {
        bool tend, work;

        pthread_mutex_lock(&m->mu);
        tend = m->upkeep;
        work = m->writes.head != NULL;
        wr_store_reqs_move(&taken, &m->writes);
        pthread_mutex_unlock(&m->mu);
        if (tend)
            upkeep(m);
        while (taken.head != NULL)
            run_batch(m, &taken);
        busy = busy || work;
    }
    return NULL;
}
