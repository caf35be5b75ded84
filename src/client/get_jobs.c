/* get_jobs.c - files, directories and links under way (get_parts.h). */
#include "client/get_parts.h"

#include <stdlib.h>

#include "object/chunker.h"

enum {
    SHARDS_AHEAD = 8,          /* Blocks of one directory. */
    DIRS_BYTES_MAX = 64 << 20, /* Of open directories' blocks. */
    DEPTH_MAX = 500,
};

/* ---- fetches and jobs ------------------------------------------------------
 */

struct wr_get_fetch *wr_get_fetch_take(struct wr_get *g, struct wr_get_job *j,
                                       uint32_t slot, uint32_t bytes)
{
    struct wr_get_fetch *f = g->free;

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

void wr_get_fetch_end(struct wr_get_fetch *f)
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

bool wr_get_window_open(const struct wr_get *g)
{
    return g->free != NULL && g->ahead < WR_CLIENT_AHEAD_BYTES;
}

struct wr_get_job *wr_get_job_new(struct wr_get *g, const struct wr_cid *cid)
{
    struct wr_get_job *j = calloc(1, sizeof(*j));

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

static void unlink_job(struct wr_get *g, struct wr_get_job *j)
{
    if (j->prev != NULL)
        j->prev->next = j->next;
    else if (j->kind == WR_GET_JOB_DIR)
        g->dirs = j->next;
    else
        g->jobs = j->next;
    if (j->next != NULL)
        j->next->prev = j->prev;
    else if (j->kind != WR_GET_JOB_DIR)
        g->jobs_end = j->prev;
    if (j->kind == WR_GET_JOB_DIR)
        g->dirs_n--;
    else
        g->jobs_n--;
    j->prev = j->next = NULL;
}

static void drop_shard(struct wr_get *g, struct wr_get_shard *s)
{
    if (s == NULL)
        return;
    g->dirs_bytes -= s->n;
    free(s);
}

void wr_get_job_free(struct wr_get *g, struct wr_get_job *j)
{
    unlink_job(g, j);
    if (j->walk != NULL)
        wr_walk_done(j->walk);
    free(j->walk);
    if (j->kind == WR_GET_JOB_DIR)
        wr_dir_walk_done(&j->entries);
    drop_shard(g, j->open);
    while (j->shards != NULL) {
        struct wr_get_shard *s = j->shards;

        j->shards = s->next;
        drop_shard(g, s);
    }
    wr_buf_unref(j->op_busy ? j->op.buf : NULL);
    free(j->file.name);
    free(j);
}

static void on_block(struct wr_fetch *wf, uint8_t status,
                     const struct wr_msg *answer, struct wr_buf *buf);

void wr_get_ask(struct wr_get_fetch *f, const struct wr_cid *cid)
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
        wr_get_fail_with(g, err, cid);
        wr_get_fetch_end(f);
    } else if (buf != NULL) {
        wr_get_block_came(f, buf);
    }
}

void wr_get_ask_unsent(struct wr_get *g)
{
    struct wr_get_fetch *list = g->unsent;

    g->unsent = NULL;
    while (list != NULL) {
        struct wr_get_fetch *f = list;
        const struct wr_cid cid = f->f.cid;

        list = f->next;
        wr_get_ask(f, &cid);
    }
}

static void on_block(struct wr_fetch *wf, uint8_t status,
                     const struct wr_msg *answer, struct wr_buf *buf)
{
    struct wr_get_fetch *f = wf->arg;
    struct wr_get *g = f->get;

    if (status != WR_STATUS_OK) {
        char what[WR_CID_TEXT_SIZE];
        struct wr_why why;

        wr_cid_print(&wf->cid, what);
        wr_session_why(g->cfg.session, status, answer, what, &why);
        wr_get_fail(g, &why);
        wr_get_fetch_end(f);
    } else {
        g->result.bytes_fetched += buf->n;
        wr_get_block_came(f, buf);
    }
    wr_get_advance(g);
}

/* ---- files -----------------------------------------------------------------
 */

static void queue_piece(struct wr_get_job *j, const struct wr_walk_piece *piece)
{
    struct wr_get_fetch *f = j->slot[piece->slot];
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
    wr_get_enqueue(f->get, &f->op);
}

/* Queues what can be written; the end of a file of no bytes by itself. */
static void take_pieces(struct wr_get *g, struct wr_get_job *j)
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
    wr_get_enqueue(g, &j->op);
}

static void give_block(struct wr_get_fetch *f, struct wr_buf *buf)
{
    struct wr_get_job *j = f->job;
    struct wr_get *g = f->get;
    struct wr_walk_root root;
    bool kept;

    const enum wr_err err =
        wr_walk_give(j->walk, f->slot, wr_span(buf->p, buf->n), &kept);
    if (err != WR_OK) {
        wr_get_fail_with(g, err, &f->f.cid);
        wr_buf_unref(buf);
        wr_get_fetch_end(f);
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
        wr_get_fetch_end(f);
    }
    take_pieces(g, j);
}

static void start_file(struct wr_get *g, struct wr_get_job *j)
{
    const uint64_t to = g->cfg.to != 0 ? g->cfg.to : UINT64_MAX;
    const bool top = j->file.name == NULL;

    j->kind = WR_GET_JOB_FILE;
    j->walk = malloc(sizeof(*j->walk));
    enum wr_err err = WR_ENOMEM;
    if (j->walk != NULL) {
        err = wr_walk_init(j->walk, &j->cid, WR_GET_FILE_SLOTS,
                           top ? g->cfg.from : 0, top ? to : UINT64_MAX);
        if (err != WR_OK) {
            free(j->walk);
            j->walk = NULL;
        }
    }
    if (err != WR_OK)
        wr_get_fail_with(g, err, &j->cid);
    j->hungry = true;
    g->result.files++;
}

/* What an earlier try wrote may do instead of a fetch. */
static bool try_check(struct wr_get_fetch *f, const struct wr_walk_want *want)
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
    wr_get_enqueue(g, &f->op);
    return true;
}

void wr_get_feed_file(struct wr_get *g, struct wr_get_job *j)
{
    struct wr_walk_want want;

    while (!g->failed && wr_get_window_open(g)) {
        if (!wr_walk_want(j->walk, &want)) {
            j->hungry = false;
            return;
        }
        uint64_t bytes = want.size;
        if (want.size == 0)
            bytes = j->tsize != 0 && j->tsize < WR_GET_GUESS_BYTES
                        ? j->tsize
                        : WR_GET_GUESS_BYTES;
        if (bytes > WR_CHUNK_MAX)
            bytes = WR_CHUNK_MAX;
        struct wr_get_fetch *f =
            wr_get_fetch_take(g, j, want.slot, (uint32_t)bytes);
        f->offset = want.offset;
        f->size = want.size;
        if (!try_check(f, &want))
            wr_get_ask(f, &want.cid);
    }
}

/* ---- directories -----------------------------------------------------------
 */

/* A copy outside of the pool. NULL, and failed. */
static struct wr_get_shard *
copy_shard(struct wr_get *g, const struct wr_cid *cid, const struct wr_buf *buf)
{
    struct wr_get_shard *s = malloc(sizeof(*s) + buf->n);

    if (s == NULL || g->dirs_bytes + buf->n > DIRS_BYTES_MAX) {
        free(s);
        wr_get_fail_with(g, s == NULL ? WR_ENOMEM : WR_ETOOBIG, cid);
        return NULL;
    }
    *s = (struct wr_get_shard){.cid = *cid, .n = buf->n};
    memcpy(s->bytes, buf->p, buf->n);
    g->dirs_bytes += s->n;
    return s;
}

/* Gives the directory's reader the block that it wants next, if it is there;
 * asks for those to come. */
static void open_shard(struct wr_get *g, struct wr_get_job *j)
{
    const struct wr_cid *want =
        j->open == NULL ? wr_dir_walk_want(&j->entries, 0) : NULL;

    if (want == NULL)
        return;
    for (struct wr_get_shard **p = &j->shards; *p != NULL; p = &(*p)->next) {
        struct wr_get_shard *s = *p;

        if (!wr_cid_eq(&s->cid, want))
            continue;
        *p = s->next;
        j->open = s;
        j->shards_asked--;
        const enum wr_err err =
            wr_dir_walk_give(&j->entries, wr_span(s->bytes, s->n));
        if (err != WR_OK)
            wr_get_fail_with(g, err, &s->cid);
        return;
    }
}

static bool shard_is_asked(const struct wr_get *g, const struct wr_get_job *j,
                           const struct wr_cid *cid)
{
    for (const struct wr_get_shard *s = j->shards; s != NULL; s = s->next)
        if (wr_cid_eq(&s->cid, cid))
            return true;
    for (uint32_t i = 0; i < WR_GET_FETCHES_MAX; i++) {
        const struct wr_get_fetch *f = &g->fetches[i];

        if (f->job == j && f->f.ask.busy && wr_cid_eq(&f->f.cid, cid))
            return true;
    }
    return false;
}

static void ask_shards(struct wr_get *g, struct wr_get_job *j)
{
    for (size_t i = 0; i < SHARDS_AHEAD && j->shards_asked < SHARDS_AHEAD &&
                       wr_get_window_open(g) && !g->failed && j->open == NULL;
         i++) {
        const struct wr_cid *cid = wr_dir_walk_want(&j->entries, i);

        if (cid == NULL)
            return;
        if (shard_is_asked(g, j, cid))
            continue;
        j->shards_asked++;
        wr_get_ask(wr_get_fetch_take(g, j, 0, WR_GET_GUESS_BYTES / 4), cid);
    }
}

static void shard_came(struct wr_get_fetch *f, struct wr_buf *buf)
{
    struct wr_get_job *j = f->job;
    struct wr_get_shard *s = copy_shard(f->get, &f->f.cid, buf);

    wr_buf_unref(buf);
    wr_get_fetch_end(f);
    if (s == NULL)
        return;
    s->next = j->shards;
    j->shards = s;
}

/* A job that turned out to be a directory moves to the open ones. */
static void start_dir(struct wr_get *g, struct wr_get_job *j,
                      struct wr_buf *buf)
{
    const bool top = j->file.name == NULL;
    struct wr_get_shard *s = copy_shard(g, &j->cid, buf);

    if (s == NULL)
        return;
    if (j->depth == DEPTH_MAX)
        wr_get_fail_with(g, WR_ETOOBIG, &j->cid);
    unlink_job(g, j);
    j->kind = WR_GET_JOB_DIR;
    j->next = g->dirs;
    if (j->next != NULL)
        j->next->prev = j;
    g->dirs = j;
    g->dirs_n++;
    g->result.dirs++;
    j->shards = s;
    j->shards_asked = 1;
    if (wr_dir_walk_init(&j->entries, &j->cid) != WR_OK)
        wr_get_fail_with(g, WR_ENOMEM, &j->cid);
    if (top || g->failed)
        return;
    j->dir = wr_sink_dir(g->sink, j->file.dir, j->file.name);
    if (j->dir == NULL) {
        wr_get_fail_with(g, WR_ENOMEM, &j->cid);
        return;
    }
    j->op = (struct wr_sink_op){.kind = WR_SINK_OP_DIR, .dir = j->dir};
    j->op_busy = true;
    wr_get_enqueue(g, &j->op);
}

static void start_link(struct wr_get *g, struct wr_get_job *j,
                       const struct wr_node *node, struct wr_buf *buf)
{
    j->kind = WR_GET_JOB_LINK;
    g->result.links++;
    j->op = (struct wr_sink_op){
        .kind = WR_SINK_OP_LINK,
        .file = &j->file,
        .buf = wr_buf_ref(buf),
        .at = node->data.n > 0 ? (uint32_t)(node->data.p - buf->p) : 0,
        .n = (uint32_t)node->data.n,
    };
    j->op_busy = true;
    wr_get_enqueue(g, &j->op);
}

/* The first block of a job tells what it is. */
static void root_came(struct wr_get_fetch *f, struct wr_buf *buf)
{
    struct wr_get_job *j = f->job;
    struct wr_get *g = f->get;
    struct wr_walk_want want;
    struct wr_node node;

    const enum wr_err err =
        wr_node_decode(&j->cid, wr_span(buf->p, buf->n), &node);
    if (err != WR_OK) {
        wr_get_fail_with(g, err, &j->cid);
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
    wr_get_fetch_end(f);
}

void wr_get_block_came(struct wr_get_fetch *f, struct wr_buf *buf)
{
    if (f->get->failed) {
        wr_buf_unref(buf);
        wr_get_fetch_end(f);
    } else if (f->slot == WR_GET_NO_SLOT) {
        root_came(f, buf);
    } else if (f->job->kind == WR_GET_JOB_DIR) {
        shard_came(f, buf);
    } else {
        give_block(f, buf);
    }
}

/* A new job for an entry of a directory. */
static void start_entry(struct wr_get *g, struct wr_get_job *dir,
                        const struct wr_dir_item *item)
{
    if (item->cid_err != WR_OK) {
        wr_get_fail_with(g, item->cid_err, &dir->cid);
        return;
    }
    struct wr_get_job *j = wr_get_job_new(g, &item->cid);
    if (j != NULL)
        j->file.name = strndup((const char *)item->name.p, item->name.n);
    if (j == NULL || j->file.name == NULL) {
        wr_get_fail_with(g, WR_ENOMEM, &dir->cid);
        return;
    }
    j->tsize = item->tsize;
    j->depth = dir->depth + 1;
    j->file.dir = dir->dir;
    if (j->cid.codec == WR_CODEC_RAW) {
        start_file(g, j);
        if (!g->failed)
            wr_get_feed_file(g, j);
        return;
    }
    wr_get_ask(wr_get_fetch_take(g, j, WR_GET_NO_SLOT,
                                 item->tsize < WR_GET_GUESS_BYTES
                                     ? (uint32_t)item->tsize
                                     : WR_GET_GUESS_BYTES),
               &j->cid);
}

/* One more entry from any open directory; false if none has one now. */
bool wr_get_next_entry(struct wr_get *g)
{
    struct wr_get_job *next;

    for (struct wr_get_job *j = g->dirs; j != NULL && !g->failed; j = next) {
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
                wr_get_fail_with(g, err, &j->open->cid);
                break;
            }
            drop_shard(g, j->open);
            j->open = NULL;
            open_shard(g, j);
        }
        ask_shards(g, j);
        if (j->open == NULL && wr_dir_walk_want(&j->entries, 0) == NULL &&
            j->fetches == 0 && !j->op_busy && !g->failed)
            wr_get_job_free(g, j);
    }
    return false;
}
