/* get.c - see get.h and get_parts.h. */
#include <stdlib.h>

#include "client/get_parts.h"

/* Beyond, no further directory is started beside others. */
enum { DIRS_OPEN_MAX = 64 };

void wr_get_fail(struct wr_get *g, const struct wr_why *why)
{
    if (g->failed)
        return;
    g->failed = true;
    g->why = *why;
}

void wr_get_fail_with(struct wr_get *g, enum wr_err err,
                      const struct wr_cid *cid)
{
    struct wr_why why;

    wr_tree_why(err, cid, &why);
    wr_get_fail(g, &why);
}

/* ---- the sink --------------------------------------------------------------
 */

static void sink_work(uv_work_t *work)
{
    struct wr_get *g = work->data;

    switch (g->step) {
    case WR_GET_STEP_OPEN:
        g->work_err = wr_sink_open(&g->sink, &g->cfg.sink, &g->work_why);
        break;
    case WR_GET_STEP_BEGIN:
        g->work_err =
            wr_sink_begin(g->sink, g->begin_tree, g->begin_size, &g->work_why);
        break;
    case WR_GET_STEP_RUN:
        g->work_err = wr_sink_run(g->sink, g->running, &g->work_why);
        break;
    case WR_GET_STEP_FINISH:
        g->work_err = wr_sink_finish(g->sink, &g->work_why);
        break;
    }
}

static void sink_worked(uv_work_t *work, int status);

static void start_work(struct wr_get *g, enum wr_get_step step)
{
    WR_CHECK(!g->working);
    g->working = true;
    g->step = step;
    g->work.data = g;
    WR_CHECK(uv_queue_work(g->cfg.loop, &g->work, sink_work, sink_worked) == 0);
}

void wr_get_enqueue(struct wr_get *g, struct wr_sink_op *op)
{
    op->next = NULL;
    *g->queue_end = op;
    g->queue_end = &op->next;
}

static void run_queue(struct wr_get *g)
{
    if (g->working || !g->begun || g->queue == NULL)
        return;
    g->running = g->queue;
    g->queue = NULL;
    g->queue_end = &g->queue;
    start_work(g, WR_GET_STEP_RUN);
}

/* ---- what the sink has done ------------------------------------------------
 */

static void op_done(struct wr_get *g, struct wr_sink_op *op)
{
    struct wr_get_fetch *f = op->arg;

    if (op->kind == WR_SINK_OP_CHECK) {
        if (!op->found) {
            wr_buf_unref(op->buf);
            wr_get_ask(f, &op->cid);
            return;
        }
        f->there = true;
        wr_get_block_came(f, op->buf);
        return;
    }
    g->done += op->kind == WR_SINK_OP_WRITE ? op->n : 0;
    if (f == NULL)
        return; /* A job's own: job_over() looks at it. */
    const enum wr_err err = wr_walk_release(f->job->walk, f->slot);
    if (err != WR_OK)
        wr_get_fail_with(g, err, &f->job->cid);
    f->job->slot[f->slot] = NULL;
    f->job->hungry = true;
    wr_get_fetch_end(f);
}

static bool job_over(const struct wr_get_job *j)
{
    return j->fetches == 0 && !j->op_busy &&
           (j->kind == WR_GET_JOB_LINK ||
            (j->kind == WR_GET_JOB_FILE && j->ended));
}

/* Operations that are a job's own lie in it. */
static void own_ops_done(struct wr_get *g, const struct wr_sink_op *list)
{
    for (const struct wr_sink_op *op = list; op != NULL; op = op->next) {
        if (op->arg != NULL)
            continue;
        struct wr_get_job *j =
            (struct wr_get_job *)((uintptr_t)op -
                                  offsetof(struct wr_get_job, op));
        j->op_busy = false;
        wr_buf_unref(op->kind == WR_SINK_OP_LINK ? op->buf : NULL);
    }
    (void)g;
}

static void drop_jobs_over(struct wr_get *g)
{
    struct wr_get_job *next;

    for (struct wr_get_job *j = g->jobs; j != NULL; j = next) {
        next = j->next;
        if (job_over(j))
            wr_get_job_free(g, j);
    }
}

static void ops_done(struct wr_get *g)
{
    struct wr_sink_op *list = g->running, *next;

    g->running = NULL;
    own_ops_done(g, list);
    for (struct wr_sink_op *op = list; op != NULL; op = next) {
        next = op->next; /* A failed check may queue `op` no more. */
        if (op->arg != NULL)
            op_done(g, op);
        else
            g->done += op->kind == WR_SINK_OP_WRITE ? op->n : 0;
    }
    drop_jobs_over(g);
    if (g->cfg.progress != NULL)
        g->cfg.progress(g->cfg.arg, g->done, g->total);
}

/* ---- the root and the path -------------------------------------------------
 */

static void begin_sink(struct wr_get *g, struct wr_buf *block)
{
    struct wr_node node = {0};

    const enum wr_err err =
        wr_node_decode(&g->result.cid, wr_span(block->p, block->n), &node);
    if (err != WR_OK) {
        wr_get_fail_with(g, err, &g->result.cid);
        wr_buf_unref(block);
        return;
    }
    g->root_block = block;
    g->result.is_tree = node.kind == WR_NODE_DIR || node.kind == WR_NODE_SHARD;
    if ((g->cfg.from != 0 || g->cfg.to != 0) && node.kind != WR_NODE_FILE) {
        wr_why(&g->why, WR_EINVAL, "a range is of a file, and this is none");
        g->failed = true;
        return;
    }
    if (node.kind == WR_NODE_FILE)
        g->total = node.size;
    if (g->cfg.to != 0 && g->cfg.to < g->total)
        g->total = g->cfg.to;
    g->total = g->total > g->cfg.from ? g->total - g->cfg.from : 0;
    g->begin_tree = g->result.is_tree;
    g->begin_size = g->total;
    start_work(g, WR_GET_STEP_BEGIN);
}

/* The sink stands: the first job begins with the block that is here. */
static void first_job(struct wr_get *g)
{
    struct wr_get_job *j = wr_get_job_new(g, &g->result.cid);

    if (j == NULL) {
        wr_get_fail_with(g, WR_ENOMEM, &g->result.cid);
        return;
    }
    struct wr_get_fetch *f =
        wr_get_fetch_take(g, j, WR_GET_NO_SLOT, g->root_block->n);
    f->f.cid = g->result.cid;
    struct wr_buf *block = g->root_block;
    g->root_block = NULL;
    wr_get_block_came(f, block);
}

static void on_resolved(struct wr_resolve *r, const struct wr_why *why,
                        const struct wr_cid *cid, struct wr_buf *block)
{
    struct wr_get *g = r->arg;

    g->result.bytes_fetched += r->fetched;
    g->result.cid = *cid;
    if (why->err != WR_OK)
        wr_get_fail(g, why);
    else
        begin_sink(g, block);
    wr_get_advance(g);
}

/* ---- the whole --------------------------------------------------------------
 */

static void sink_worked(uv_work_t *work, int status)
{
    struct wr_get *g = work->data;

    (void)status;
    g->working = false;
    if (g->step == WR_GET_STEP_RUN && g->work_err == WR_OK)
        ops_done(g);
    if (g->work_err != WR_OK) {
        wr_get_fail(g, &g->work_why);
    } else if (g->step == WR_GET_STEP_OPEN) {
        g->opened = true;
        if (!g->failed) {
            wr_resolve_start(&g->resolve, g->cfg.session, &g->cfg.cid, g->path);
            return; /* It may be over by now. */
        }
    } else if (g->step == WR_GET_STEP_BEGIN) {
        g->begun = true;
        if (!g->failed)
            first_job(g);
    } else if (g->step == WR_GET_STEP_FINISH) {
        g->finished = true;
    }
    wr_get_advance(g);
}

static void free_get(struct wr_get *g)
{
    while (g->jobs != NULL)
        wr_get_job_free(g, g->jobs);
    while (g->dirs != NULL)
        wr_get_job_free(g, g->dirs);
    wr_buf_unref(g->root_block);
    free(g->fetches);
    free(g->path);
    free(g);
}

/* Whether what is written is worth keeping for a later try: not when the disk
 * is full or the content is bad. */
static bool worth_keeping(enum wr_err err)
{
    return err == WR_EUNREACH || err == WR_ETIMEOUT || err == WR_ECANCELED ||
           err == WR_EBUSY || err == WR_ECLOSED || err == WR_ENOTFOUND ||
           err == WR_ELOCKED;
}

static void finish(struct wr_get *g)
{
    void (*done)(void *arg, const struct wr_why *why,
                 const struct wr_get_result *result) = g->cfg.done;
    struct wr_get_result result = g->result;
    const struct wr_why why = g->why;
    const bool failed = g->failed;
    void *arg = g->cfg.arg;

    if (!failed && g->cfg.sink.kind == WR_SINK_MEMORY)
        result.memory = wr_sink_take(g->sink, &result.memory_n);
    if (g->sink != NULL)
        wr_sink_close(g->sink, failed && worth_keeping(why.err));
    free_get(g);
    done(arg, &why, failed ? NULL : &result);
}

static void drop_op_bufs(struct wr_sink_op *list)
{
    for (struct wr_sink_op *op = list; op != NULL; op = op->next) {
        if (op->kind == WR_SINK_OP_CHECK)
            wr_buf_unref(op->buf);
        else if (op->kind != WR_SINK_OP_LINK)
            continue; /* A fetch holds it; a link's job does. */
    }
}

static void abandon(struct wr_get *g)
{
    drop_op_bufs(g->running);
    drop_op_bufs(g->queue);
    for (uint32_t i = 0; i < WR_GET_FETCHES_MAX; i++) {
        struct wr_get_fetch *f = &g->fetches[i];

        wr_fetch_cancel(&f->f);
        wr_buf_unref(f->buf);
        f->buf = NULL;
    }
    wr_resolve_cancel(&g->resolve);
}

static void feed_files(struct wr_get *g)
{
    struct wr_get_job *next;

    for (struct wr_get_job *j = g->jobs;
         j != NULL && wr_get_window_open(g) && !g->failed; j = next) {
        next = j->next;
        if (j->kind == WR_GET_JOB_FILE && j->hungry)
            wr_get_feed_file(g, j);
    }
}

/* Entries of directories become jobs while there is room for more. */
static void feed_entries(struct wr_get *g)
{
    while (!g->failed && wr_get_window_open(g) && g->jobs_n < WR_GET_JOBS_MAX &&
           (g->dirs_n < DIRS_OPEN_MAX || g->jobs_n == 0))
        if (!wr_get_next_entry(g))
            break;
}

void wr_get_advance(struct wr_get *g)
{
    if (g->failed) {
        if (g->working)
            return; /* It comes back here. */
        abandon(g);
        finish(g);
        return;
    }
    if (g->finished) {
        finish(g);
        return;
    }
    if (!g->begun)
        return;
    wr_session_hold(g->cfg.session);
    wr_get_ask_unsent(g);
    feed_files(g);
    feed_entries(g);
    wr_session_let_go(g->cfg.session);
    if (g->failed) {
        wr_get_advance(g);
        return;
    }
    drop_jobs_over(g);
    run_queue(g);
    if (!g->working && g->queue == NULL && g->jobs == NULL && g->dirs == NULL) {
        g->result.size = g->done;
        start_work(g, WR_GET_STEP_FINISH);
    }
}

void wr_get_room(struct wr_get *g)
{
    wr_get_advance(g);
}

void wr_get_cancel(struct wr_get *g)
{
    struct wr_why why;

    wr_why(&why, WR_ECANCELED,
           "cancelled; the same command takes up what is there");
    wr_get_fail(g, &why);
    wr_get_advance(g);
}

enum wr_err wr_get_start(struct wr_get **ret, const struct wr_get_cfg *cfg,
                         struct wr_why *why)
{
    struct wr_get *g = calloc(1, sizeof(*g));
    const char *path = cfg->path != NULL ? cfg->path : "";

    if (cfg->to != 0 && cfg->to < cfg->from) {
        free(g);
        return wr_why(why, WR_EINVAL, "a range ends before it begins");
    }
    if (g != NULL) {
        g->path = strdup(path);
        g->fetches = calloc(WR_GET_FETCHES_MAX, sizeof(*g->fetches));
    }
    if (g == NULL || g->path == NULL || g->fetches == NULL) {
        if (g != NULL)
            free_get(g);
        return wr_why(why, WR_ENOMEM, "out of memory");
    }
    g->cfg = *cfg;
    g->cfg.sink.cid = cfg->cid;
    g->resolve.done = on_resolved;
    g->resolve.arg = g;
    g->queue_end = &g->queue;
    for (uint32_t i = WR_GET_FETCHES_MAX; i > 0; i--) {
        g->fetches[i - 1].get = g;
        g->fetches[i - 1].next = g->free;
        g->free = &g->fetches[i - 1];
    }
    *ret = g;
    start_work(g, WR_GET_STEP_OPEN);
    return WR_OK;
}
