/* get.c - see get.h.
 *
 * A *job* is a file, directory or link under way, from the moment its root is
 * asked for. Directories that are open lie on a stack and give out entries, a
 * job each, while the window has room; so what is asked for is bounded, and
 * what is not yet asked for takes no memory. Blocks of directories are copied
 * out of the pool: chunks alone live there, and they always move on.
 */
#include "client/get.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/resolve.h"
#include "object/chunker.h"
#include "object/walk.h"
#include "sys/log.h"

enum {
    JOBS_MAX = 256,          /* Files and directories under way. */
    FETCHES_MAX = 512,       /* Blocks asked for or held. */
    FILE_SLOTS = 128,        /* Of one file. */
    GUESS_BYTES = 256 << 10, /* What a block of unknown size may weigh. */
    SHARDS_AHEAD = 8,        /* Blocks of one directory. */
    DIRS_OPEN_MAX = 64, /* Beyond, no further one is started beside others. */
    DIRS_BYTES_MAX = 64 << 20, /* Of open directories' blocks. */
    DEPTH_MAX = 500,
};

struct fetch {
    struct wr_fetch f;
    struct wr_get *get;
    struct job *job;
    struct fetch *next; /* Free. */
    uint32_t slot;      /* Of the job's walk; NO_SLOT: its root. */
    uint32_t bytes;     /* Its weight in the window: what its buffer takes. */
    uint64_t offset, size;
    struct wr_buf *buf;   /* Held for a piece of the walk. */
    bool there;           /* Its bytes are in place already. */
    struct wr_sink_op op; /* WRITE or CHECK. */
};

enum { NO_SLOT = 1 << 30 };

/* A block of a directory that came before its turn. */
struct shard {
    struct shard *next;
    struct wr_cid cid;
    size_t n;
    uint8_t bytes[];
};

struct job {
    struct job *prev, *next; /* Of the get: jobs, or open directories. */
    enum { JOB_ROOT, JOB_FILE, JOB_DIR, JOB_LINK } kind;
    struct wr_cid cid;
    uint64_t tsize;
    unsigned depth;
    struct wr_sink_file file; /* Where it goes; name NULL: the target. */
    uint32_t fetches;         /* Of ours, asked for, held or being written. */

    struct wr_walk *walk; /* FILE */
    bool hungry;          /* The walk may want more. */
    bool ended;           /* Its last operation is queued. */
    struct fetch *slot[FILE_SLOTS];

    struct wr_sink_dir *dir; /* DIR */
    struct wr_dir_walk entries;
    struct shard *open, *shards; /* The block that is read; those to come. */
    uint32_t shards_asked;

    struct wr_sink_op op; /* DIR, LINK, or the end of an empty file. */
    bool op_busy;
};

struct wr_get {
    struct wr_get_cfg cfg;
    struct wr_sink *sink;
    struct wr_get_result result;
    struct wr_why why;
    bool failed;
    char *path; /* Below the CID; "" if none. */

    struct fetch *fetches, *free, *unsent; /* unsent: no room yet. */
    uint32_t fetches_n;
    uint64_t ahead;              /* Weight of those that are not free. */
    struct job *jobs, *jobs_end; /* In the order of their start. */
    struct job *dirs;            /* Open directories, innermost first. */
    uint32_t jobs_n, dirs_n;
    size_t dirs_bytes;

    struct wr_resolve resolve; /* Of the root, along the path. */

    uv_work_t work;
    struct wr_sink_op *queue, **queue_end, *running;
    enum sink_step { STEP_OPEN, STEP_BEGIN, STEP_RUN, STEP_FINISH } step;
    bool working, begun, opened, finished;
    bool begin_tree;
    uint64_t begin_size;
    enum wr_err work_err;
    struct wr_why work_why;
    struct wr_buf *root_block; /* Until the sink has begun. */
    uint64_t done, total;
};

static void advance(struct wr_get *g);

static void fail(struct wr_get *g, const struct wr_why *why)
{
    if (g->failed)
        return;
    g->failed = true;
    g->why = *why;
}

static void fail_with(struct wr_get *g, enum wr_err err,
                      const struct wr_cid *cid)
{
    struct wr_why why;

    wr_tree_why(err, cid, &why);
    fail(g, &why);
}

/* ---- the sink --------------------------------------------------------------
 */

static void sink_work(uv_work_t *work)
{
    struct wr_get *g = work->data;

    switch (g->step) {
    case STEP_OPEN:
        g->work_err = wr_sink_open(&g->sink, &g->cfg.sink, &g->work_why);
        break;
    case STEP_BEGIN:
        g->work_err =
            wr_sink_begin(g->sink, g->begin_tree, g->begin_size, &g->work_why);
        break;
    case STEP_RUN:
        g->work_err = wr_sink_run(g->sink, g->running, &g->work_why);
        break;
    case STEP_FINISH:
        g->work_err = wr_sink_finish(g->sink, &g->work_why);
        break;
    }
}

static void sink_worked(uv_work_t *work, int status);

static void start_work(struct wr_get *g, enum sink_step step)
{
    WR_CHECK(!g->working);
    g->working = true;
    g->step = step;
    g->work.data = g;
    WR_CHECK(uv_queue_work(g->cfg.loop, &g->work, sink_work, sink_worked) == 0);
}

static void enqueue(struct wr_get *g, struct wr_sink_op *op)
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
    start_work(g, STEP_RUN);
}

/* ---- fetches and jobs ------------------------------------------------------
 */

static struct fetch *take_fetch(struct wr_get *g, struct job *j, uint32_t slot,
                                uint32_t bytes)
{
    struct fetch *f = g->free;

    WR_CHECK(f != NULL);
    /* Chunks come in any order: if those ahead could fill the share, the one
     * that is due would find no room, for ever. */
    bytes = (uint32_t)wr_pool_takes(bytes > 0 ? bytes : 1);
    g->free = f->next;
    g->fetches_n++;
    g->ahead += bytes;
    f->job = j;
    f->slot = slot;
    f->bytes = bytes;
    f->buf = NULL;
    f->there = false;
    j->fetches++;
    return f;
}

static void end_fetch(struct fetch *f)
{
    struct wr_get *g = f->get;

    wr_buf_unref(f->buf);
    f->buf = NULL;
    f->job->fetches--;
    g->ahead -= f->bytes;
    g->fetches_n--;
    f->next = g->free;
    g->free = f;
}

static bool window_open(const struct wr_get *g)
{
    return g->free != NULL && g->ahead < WR_CLIENT_AHEAD_BYTES;
}

static struct job *new_job(struct wr_get *g, const struct wr_cid *cid)
{
    struct job *j = calloc(1, sizeof(*j));

    if (j == NULL)
        return NULL;
    j->cid = *cid;
    j->prev = g->jobs_end;
    if (g->jobs_end != NULL)
        g->jobs_end->next = j;
    else
        g->jobs = j;
    g->jobs_end = j;
    g->jobs_n++;
    return j;
}

static void unlink_job(struct wr_get *g, struct job *j)
{
    if (j->prev != NULL)
        j->prev->next = j->next;
    else if (j->kind == JOB_DIR)
        g->dirs = j->next;
    else
        g->jobs = j->next;
    if (j->next != NULL)
        j->next->prev = j->prev;
    else if (j->kind != JOB_DIR)
        g->jobs_end = j->prev;
    if (j->kind == JOB_DIR)
        g->dirs_n--;
    else
        g->jobs_n--;
    j->prev = j->next = NULL;
}

static void drop_shard(struct wr_get *g, struct shard *s)
{
    if (s == NULL)
        return;
    g->dirs_bytes -= s->n;
    free(s);
}

static void free_job(struct wr_get *g, struct job *j)
{
    unlink_job(g, j);
    if (j->walk != NULL)
        wr_walk_done(j->walk);
    free(j->walk);
    if (j->kind == JOB_DIR)
        wr_dir_walk_done(&j->entries);
    drop_shard(g, j->open);
    while (j->shards != NULL) {
        struct shard *s = j->shards;

        j->shards = s->next;
        drop_shard(g, s);
    }
    wr_buf_unref(j->op_busy ? j->op.buf : NULL);
    free(j->file.name);
    free(j);
}

static void on_block(struct wr_fetch *wf, uint8_t status,
                     const struct wr_msg *answer, struct wr_buf *buf);
static void block_came(struct fetch *f, struct wr_buf *buf);

static void ask_for(struct fetch *f, const struct wr_cid *cid)
{
    struct wr_get *g = f->get;
    struct wr_buf *buf;

    f->f.done = on_block;
    f->f.arg = f;
    const enum wr_err err =
        wr_fetch_start(&f->f, g->cfg.session, cid, f->bytes, &buf);
    if (err == WR_EBUSY) { /* Other work of this handle fills the table. */
        f->next = g->unsent;
        g->unsent = f;
    } else if (err != WR_OK) {
        fail_with(g, err, cid);
        end_fetch(f);
    } else if (buf != NULL) {
        block_came(f, buf);
    }
}

static void ask_unsent(struct wr_get *g)
{
    struct fetch *list = g->unsent;

    g->unsent = NULL;
    while (list != NULL) {
        struct fetch *f = list;
        const struct wr_cid cid = f->f.cid;

        list = f->next;
        ask_for(f, &cid);
    }
}

static void on_block(struct wr_fetch *wf, uint8_t status,
                     const struct wr_msg *answer, struct wr_buf *buf)
{
    struct fetch *f = wf->arg;
    struct wr_get *g = f->get;

    if (status != WR_STATUS_OK) {
        char what[WR_CID_TEXT_SIZE];
        struct wr_why why;

        wr_cid_print(&wf->cid, what);
        wr_session_why(g->cfg.session, status, answer, what, &why);
        fail(g, &why);
        end_fetch(f);
    } else {
        g->result.bytes_fetched += buf->n;
        block_came(f, buf);
    }
    advance(g);
}

/* ---- files -----------------------------------------------------------------
 */

static void queue_piece(struct job *j, const struct wr_walk_piece *piece)
{
    struct fetch *f = j->slot[piece->slot];
    const bool range = f->get->cfg.from != 0;

    f->op = (struct wr_sink_op){
        .kind = WR_SINK_OP_WRITE,
        .file = &j->file,
        .offset = piece->offset - (range ? f->get->cfg.from : 0),
        .buf = f->buf,
        .at = (uint32_t)piece->at,
        .n = (uint32_t)piece->n,
        .there = f->there,
        .last = wr_walk_finished(j->walk),
        .arg = f,
    };
    j->ended = f->op.last;
    enqueue(f->get, &f->op);
}

/* Queues what can be written; the end of a file of no bytes by itself. */
static void take_pieces(struct wr_get *g, struct job *j)
{
    struct wr_walk_piece piece;

    while (wr_walk_take(j->walk, &piece))
        queue_piece(j, &piece);
    if (j->ended || !wr_walk_finished(j->walk))
        return;
    j->ended = true;
    j->op_busy = true;
    j->op = (struct wr_sink_op){
        .kind = WR_SINK_OP_WRITE, .file = &j->file, .last = true, .arg = NULL};
    enqueue(g, &j->op);
}

static void give_block(struct fetch *f, struct wr_buf *buf)
{
    struct job *j = f->job;
    struct wr_get *g = f->get;
    struct wr_walk_root root;
    bool kept;

    const enum wr_err err =
        wr_walk_give(j->walk, f->slot, wr_span(buf->p, buf->n), &kept);
    if (err != WR_OK) {
        fail_with(g, err, &f->f.cid);
        wr_buf_unref(buf);
        end_fetch(f);
        return;
    }
    if (wr_walk_root(j->walk, &root)) {
        j->file.has_mode = root.has_mode;
        j->file.mode = root.mode;
    }
    j->hungry = true;
    if (kept) {
        f->buf = buf;
        j->slot[f->slot] = f;
    } else {
        wr_buf_unref(buf);
        end_fetch(f);
    }
    take_pieces(g, j);
}

static void start_file(struct wr_get *g, struct job *j)
{
    const uint64_t to = g->cfg.to != 0 ? g->cfg.to : UINT64_MAX;
    const bool top = j->file.name == NULL;

    j->kind = JOB_FILE;
    j->walk = malloc(sizeof(*j->walk));
    enum wr_err err = WR_ENOMEM;
    if (j->walk != NULL) {
        err = wr_walk_init(j->walk, &j->cid, FILE_SLOTS, top ? g->cfg.from : 0,
                           top ? to : UINT64_MAX);
        if (err != WR_OK) {
            free(j->walk);
            j->walk = NULL;
        }
    }
    if (err != WR_OK)
        fail_with(g, err, &j->cid);
    j->hungry = true;
    g->result.files++;
}

/* What an earlier try wrote may do instead of a fetch. */
static bool try_check(struct fetch *f, const struct wr_walk_want *want)
{
    struct wr_get *g = f->get;

    /* A file of one chunk: its size is what the directory says, if at all. */
    const uint64_t size =
        f->job->cid.codec == WR_CODEC_RAW ? f->job->tsize : want->size;

    if (!wr_sink_resumes(g->sink) || g->cfg.sink.kind != WR_SINK_PATH ||
        g->cfg.from != 0 || want->cid.codec != WR_CODEC_RAW || size == 0 ||
        size > WR_CHUNK_MAX)
        return false;
    struct wr_buf *buf = wr_pool_get(g->cfg.pool, WR_CLIENT_DOWN, size);
    if (buf == NULL)
        return false;
    f->op = (struct wr_sink_op){.kind = WR_SINK_OP_CHECK,
                                .file = &f->job->file,
                                .offset = want->offset,
                                .buf = buf,
                                .n = (uint32_t)size,
                                .cid = want->cid,
                                .arg = f};
    f->f.cid = want->cid;
    enqueue(g, &f->op);
    return true;
}

static void feed_file(struct wr_get *g, struct job *j)
{
    struct wr_walk_want want;

    while (!g->failed && window_open(g)) {
        if (!wr_walk_want(j->walk, &want)) {
            j->hungry = false;
            return;
        }
        uint64_t bytes = want.size;
        if (want.size == 0)
            bytes = j->tsize != 0 && j->tsize < GUESS_BYTES ? j->tsize
                                                            : GUESS_BYTES;
        if (bytes > WR_CHUNK_MAX)
            bytes = WR_CHUNK_MAX;
        struct fetch *f = take_fetch(g, j, want.slot, (uint32_t)bytes);
        f->offset = want.offset;
        f->size = want.size;
        if (!try_check(f, &want))
            ask_for(f, &want.cid);
    }
}

/* ---- directories -----------------------------------------------------------
 */

/* A copy outside of the pool. NULL, and failed. */
static struct shard *copy_shard(struct wr_get *g, const struct wr_cid *cid,
                                const struct wr_buf *buf)
{
    struct shard *s = malloc(sizeof(*s) + buf->n);

    if (s == NULL || g->dirs_bytes + buf->n > DIRS_BYTES_MAX) {
        free(s);
        fail_with(g, s == NULL ? WR_ENOMEM : WR_ETOOBIG, cid);
        return NULL;
    }
    *s = (struct shard){.cid = *cid, .n = buf->n};
    memcpy(s->bytes, buf->p, buf->n);
    g->dirs_bytes += s->n;
    return s;
}

/* Gives the directory's reader the block that it wants next, if it is there;
 * asks for those to come. */
static void open_shard(struct wr_get *g, struct job *j)
{
    const struct wr_cid *want =
        j->open == NULL ? wr_dir_walk_want(&j->entries, 0) : NULL;

    if (want == NULL)
        return;
    for (struct shard **p = &j->shards; *p != NULL; p = &(*p)->next) {
        struct shard *s = *p;

        if (!wr_cid_eq(&s->cid, want))
            continue;
        *p = s->next;
        j->open = s;
        j->shards_asked--;
        const enum wr_err err =
            wr_dir_walk_give(&j->entries, wr_span(s->bytes, s->n));
        if (err != WR_OK)
            fail_with(g, err, &s->cid);
        return;
    }
}

static bool shard_is_asked(const struct wr_get *g, const struct job *j,
                           const struct wr_cid *cid)
{
    for (const struct shard *s = j->shards; s != NULL; s = s->next)
        if (wr_cid_eq(&s->cid, cid))
            return true;
    for (uint32_t i = 0; i < FETCHES_MAX; i++) {
        const struct fetch *f = &g->fetches[i];

        if (f->job == j && f->f.ask.busy && wr_cid_eq(&f->f.cid, cid))
            return true;
    }
    return false;
}

static void ask_shards(struct wr_get *g, struct job *j)
{
    for (size_t i = 0; i < SHARDS_AHEAD && j->shards_asked < SHARDS_AHEAD &&
                       window_open(g) && !g->failed && j->open == NULL;
         i++) {
        const struct wr_cid *cid = wr_dir_walk_want(&j->entries, i);

        if (cid == NULL)
            return;
        if (shard_is_asked(g, j, cid))
            continue;
        j->shards_asked++;
        ask_for(take_fetch(g, j, 0, GUESS_BYTES / 4), cid);
    }
}

static void shard_came(struct fetch *f, struct wr_buf *buf)
{
    struct job *j = f->job;
    struct shard *s = copy_shard(f->get, &f->f.cid, buf);

    wr_buf_unref(buf);
    end_fetch(f);
    if (s == NULL)
        return;
    s->next = j->shards;
    j->shards = s;
}

/* A job that turned out to be a directory moves to the open ones. */
static void start_dir(struct wr_get *g, struct job *j, struct wr_buf *buf)
{
    const bool top = j->file.name == NULL;
    struct shard *s = copy_shard(g, &j->cid, buf);

    if (s == NULL)
        return;
    if (j->depth == DEPTH_MAX)
        fail_with(g, WR_ETOOBIG, &j->cid);
    unlink_job(g, j);
    j->kind = JOB_DIR;
    j->next = g->dirs;
    if (j->next != NULL)
        j->next->prev = j;
    g->dirs = j;
    g->dirs_n++;
    g->result.dirs++;
    j->shards = s;
    j->shards_asked = 1;
    if (wr_dir_walk_init(&j->entries, &j->cid) != WR_OK)
        fail_with(g, WR_ENOMEM, &j->cid);
    if (top || g->failed)
        return;
    j->dir = wr_sink_dir(g->sink, j->file.dir, j->file.name);
    if (j->dir == NULL) {
        fail_with(g, WR_ENOMEM, &j->cid);
        return;
    }
    j->op = (struct wr_sink_op){.kind = WR_SINK_OP_DIR, .dir = j->dir};
    j->op_busy = true;
    enqueue(g, &j->op);
}

static void start_link(struct wr_get *g, struct job *j,
                       const struct wr_node *node, struct wr_buf *buf)
{
    j->kind = JOB_LINK;
    g->result.links++;
    j->op = (struct wr_sink_op){
        .kind = WR_SINK_OP_LINK,
        .file = &j->file,
        .buf = wr_buf_ref(buf),
        .at = node->data.n > 0 ? (uint32_t)(node->data.p - buf->p) : 0,
        .n = (uint32_t)node->data.n,
    };
    j->op_busy = true;
    enqueue(g, &j->op);
}

/* The first block of a job tells what it is. */
static void root_came(struct fetch *f, struct wr_buf *buf)
{
    struct job *j = f->job;
    struct wr_get *g = f->get;
    struct wr_walk_want want;
    struct wr_node node;

    const enum wr_err err =
        wr_node_decode(&j->cid, wr_span(buf->p, buf->n), &node);
    if (err != WR_OK) {
        fail_with(g, err, &j->cid);
    } else if (node.kind == WR_NODE_FILE) {
        start_file(g, j);
        /* Its root is at hand: the walk's first wish is granted at once. */
        if (!g->failed && wr_walk_want(j->walk, &want)) {
            f->slot = want.slot;
            give_block(f, buf);
            return;
        }
    } else if (node.kind == WR_NODE_SYMLINK) {
        start_link(g, j, &node, buf);
    } else {
        start_dir(g, j, buf);
    }
    wr_buf_unref(buf);
    end_fetch(f);
}

static void block_came(struct fetch *f, struct wr_buf *buf)
{
    if (f->get->failed) {
        wr_buf_unref(buf);
        end_fetch(f);
    } else if (f->slot == NO_SLOT) {
        root_came(f, buf);
    } else if (f->job->kind == JOB_DIR) {
        shard_came(f, buf);
    } else {
        give_block(f, buf);
    }
}

/* A new job for an entry of a directory. */
static void start_entry(struct wr_get *g, struct job *dir,
                        const struct wr_dir_item *item)
{
    if (item->cid_err != WR_OK) {
        fail_with(g, item->cid_err, &dir->cid);
        return;
    }
    struct job *j = new_job(g, &item->cid);
    if (j != NULL)
        j->file.name = strndup((const char *)item->name.p, item->name.n);
    if (j == NULL || j->file.name == NULL) {
        fail_with(g, WR_ENOMEM, &dir->cid);
        return;
    }
    j->tsize = item->tsize;
    j->depth = dir->depth + 1;
    j->file.dir = dir->dir;
    if (j->cid.codec == WR_CODEC_RAW) {
        start_file(g, j);
        if (!g->failed)
            feed_file(g, j);
        return;
    }
    ask_for(take_fetch(g, j, NO_SLOT,
                       item->tsize < GUESS_BYTES ? (uint32_t)item->tsize
                                                 : GUESS_BYTES),
            &j->cid);
}

/* One more entry from any open directory; false if none has one now. */
static bool next_entry(struct wr_get *g)
{
    struct job *next;

    for (struct job *j = g->dirs; j != NULL && !g->failed; j = next) {
        struct wr_dir_item item;

        next = j->next;
        open_shard(g, j);
        while (!g->failed && j->open != NULL) {
            const enum wr_err err = wr_dir_walk_next(&j->entries, &item);

            if (err == WR_OK) {
                start_entry(g, j, &item);
                return true;
            }
            if (err != WR_ENOTFOUND) {
                fail_with(g, err, &j->open->cid);
                break;
            }
            drop_shard(g, j->open);
            j->open = NULL;
            open_shard(g, j);
        }
        ask_shards(g, j);
        if (j->open == NULL && wr_dir_walk_want(&j->entries, 0) == NULL &&
            j->fetches == 0 && !j->op_busy && !g->failed)
            free_job(g, j);
    }
    return false;
}

/* ---- what the sink has done ------------------------------------------------
 */

static void op_done(struct wr_get *g, struct wr_sink_op *op)
{
    struct fetch *f = op->arg;

    if (op->kind == WR_SINK_OP_CHECK) {
        if (!op->found) {
            wr_buf_unref(op->buf);
            ask_for(f, &op->cid);
            return;
        }
        f->there = true;
        block_came(f, op->buf);
        return;
    }
    g->done += op->kind == WR_SINK_OP_WRITE ? op->n : 0;
    if (f == NULL)
        return; /* A job's own: job_over() looks at it. */
    wr_walk_release(f->job->walk, f->slot);
    f->job->slot[f->slot] = NULL;
    f->job->hungry = true;
    end_fetch(f);
}

static bool job_over(const struct job *j)
{
    return j->fetches == 0 && !j->op_busy &&
           (j->kind == JOB_LINK || (j->kind == JOB_FILE && j->ended));
}

/* Operations that are a job's own lie in it. */
static void own_ops_done(struct wr_get *g, const struct wr_sink_op *list)
{
    for (const struct wr_sink_op *op = list; op != NULL; op = op->next) {
        if (op->arg != NULL)
            continue;
        struct job *j =
            (struct job *)((uintptr_t)op - offsetof(struct job, op));
        j->op_busy = false;
        wr_buf_unref(op->kind == WR_SINK_OP_LINK ? op->buf : NULL);
    }
    (void)g;
}

static void drop_jobs_over(struct wr_get *g)
{
    struct job *next;

    for (struct job *j = g->jobs; j != NULL; j = next) {
        next = j->next;
        if (job_over(j))
            free_job(g, j);
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
        fail_with(g, err, &g->result.cid);
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
    start_work(g, STEP_BEGIN);
}

/* The sink stands: the first job begins with the block that is here. */
static void first_job(struct wr_get *g)
{
    struct job *j = new_job(g, &g->result.cid);

    if (j == NULL) {
        fail_with(g, WR_ENOMEM, &g->result.cid);
        return;
    }
    struct fetch *f = take_fetch(g, j, NO_SLOT, g->root_block->n);
    f->f.cid = g->result.cid;
    struct wr_buf *block = g->root_block;
    g->root_block = NULL;
    block_came(f, block);
}

static void on_resolved(struct wr_resolve *r, const struct wr_why *why,
                        const struct wr_cid *cid, struct wr_buf *block)
{
    struct wr_get *g = r->arg;

    g->result.bytes_fetched += r->fetched;
    g->result.cid = *cid;
    if (why->err != WR_OK)
        fail(g, why);
    else
        begin_sink(g, block);
    advance(g);
}

/* ---- the whole --------------------------------------------------------------
 */

static void sink_worked(uv_work_t *work, int status)
{
    struct wr_get *g = work->data;

    (void)status;
    g->working = false;
    if (g->step == STEP_RUN && g->work_err == WR_OK)
        ops_done(g);
    if (g->work_err != WR_OK) {
        fail(g, &g->work_why);
    } else if (g->step == STEP_OPEN) {
        g->opened = true;
        if (!g->failed) {
            wr_resolve_start(&g->resolve, g->cfg.session, &g->cfg.cid, g->path);
            return; /* It may be over by now. */
        }
    } else if (g->step == STEP_BEGIN) {
        g->begun = true;
        if (!g->failed)
            first_job(g);
    } else if (g->step == STEP_FINISH) {
        g->finished = true;
    }
    advance(g);
}

static void free_get(struct wr_get *g)
{
    while (g->jobs != NULL)
        free_job(g, g->jobs);
    while (g->dirs != NULL)
        free_job(g, g->dirs);
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
    for (uint32_t i = 0; i < FETCHES_MAX; i++) {
        struct fetch *f = &g->fetches[i];

        wr_fetch_cancel(&f->f);
        wr_buf_unref(f->buf);
        f->buf = NULL;
    }
    wr_resolve_cancel(&g->resolve);
}

static void feed_files(struct wr_get *g)
{
    struct job *next;

    for (struct job *j = g->jobs; j != NULL && window_open(g) && !g->failed;
         j = next) {
        next = j->next;
        if (j->kind == JOB_FILE && j->hungry)
            feed_file(g, j);
    }
}

/* Entries of directories become jobs while there is room for more. */
static void feed_entries(struct wr_get *g)
{
    while (!g->failed && window_open(g) && g->jobs_n < JOBS_MAX &&
           (g->dirs_n < DIRS_OPEN_MAX || g->jobs_n == 0))
        if (!next_entry(g))
            break;
}

static void advance(struct wr_get *g)
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
    ask_unsent(g);
    feed_files(g);
    feed_entries(g);
    wr_session_let_go(g->cfg.session);
    if (g->failed) {
        advance(g);
        return;
    }
    drop_jobs_over(g);
    run_queue(g);
    if (!g->working && g->queue == NULL && g->jobs == NULL && g->dirs == NULL) {
        g->result.size = g->done;
        start_work(g, STEP_FINISH);
    }
}

void wr_get_room(struct wr_get *g)
{
    advance(g);
}

void wr_get_cancel(struct wr_get *g)
{
    struct wr_why why;

    wr_why(&why, WR_ECANCELED,
           "cancelled; the same command takes up what is there");
    fail(g, &why);
    advance(g);
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
        g->fetches = calloc(FETCHES_MAX, sizeof(*g->fetches));
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
    for (uint32_t i = FETCHES_MAX; i > 0; i--) {
        g->fetches[i - 1].get = g;
        g->fetches[i - 1].next = g->free;
        g->free = &g->fetches[i - 1];
    }
    *ret = g;
    start_work(g, STEP_OPEN);
    return WR_OK;
}
