/* look.c - see look.h. */
#include "client/look.h"

#include <stdlib.h>
#include <string.h>

enum { AHEAD = 32, GUESS_BYTES = 64 << 10, STACK_MAX = 1 << 20 };

/* A block that is looked at: an entry's first, or a node of a file's tree. */
struct peek {
    struct wr_fetch f;
    struct wr_look *look;
    bool busy;
    size_t entry;
};

struct wr_look {
    struct wr_look_cfg cfg;
    char *path;
    struct wr_look_result result;
    struct wr_resolve resolve;
    struct wr_why why;
    bool failed;
    bool reading; /* Shards of the list are still to come. */

    struct wr_dir_walk walk; /* A list. */
    bool walking;
    struct wr_fetch shard;
    struct wr_buf *block; /* That the walk reads. */
    size_t room, next;    /* Of entries; the next to be peeked at. */

    struct wr_cid *stack; /* A description: nodes not yet seen. */
    size_t stack_n, stack_room;
    struct wr_ask head;
    bool heading;
    struct peek peeks[AHEAD];
    unsigned peeks_n;
    bool pumping;
};

static void free_look(struct wr_look *l)
{
    wr_resolve_cancel(&l->resolve);
    wr_fetch_cancel(&l->shard);
    if (l->head.busy)
        wr_session_cancel(l->cfg.session, &l->head);
    for (size_t i = 0; i < AHEAD; i++)
        wr_fetch_cancel(&l->peeks[i].f);
    if (l->walking)
        wr_dir_walk_done(&l->walk);
    wr_buf_unref(l->block);
    for (size_t i = 0; i < l->result.entries_n; i++)
        free(l->result.entries[i].name);
    free(l->result.entries);
    free(l->stack);
    free(l->path);
    free(l);
}

static void finish(struct wr_look *l)
{
    void (*done)(void *arg, const struct wr_why *why,
                 const struct wr_look_result *result) = l->cfg.done;

    done(l->cfg.arg, &l->why, l->failed ? NULL : &l->result);
    free_look(l);
}

/* It ends in pump(), with which every callback ends. */
static void fail(struct wr_look *l, enum wr_err err, const struct wr_cid *cid)
{
    if (!l->failed)
        wr_tree_why(err, cid, &l->why);
    l->failed = true;
}

static void fail_status(struct wr_look *l, uint8_t status,
                        const struct wr_msg *answer, const struct wr_cid *cid)
{
    char what[WR_CID_TEXT_SIZE];

    wr_cid_print(cid, what);
    if (!l->failed)
        wr_session_why(l->cfg.session, status, answer, what, &l->why);
    l->failed = true;
}

static void pump(struct wr_look *l);

/* ---- one block -------------------------------------------------------------
 */

static bool push(struct wr_look *l, const struct wr_cid *cid)
{
    if (l->stack_n == l->stack_room) {
        const size_t room = l->stack_room == 0 ? 1024 : 2 * l->stack_room;
        struct wr_cid *more =
            room <= STACK_MAX ? realloc(l->stack, room * sizeof(*more)) : NULL;

        if (more == NULL)
            return false;
        l->stack = more;
        l->stack_room = room;
    }
    l->stack[l->stack_n++] = *cid;
    return true;
}

/* Counts a node and what it links to; inner nodes are looked at in turn. */
static enum wr_err count_node(struct wr_look *l, const struct wr_node *node)
{
    struct wr_reader it = wr_dag_links(&node->dag);
    struct wr_dag_link link;

    l->result.blocks++;
    if (node->kind != WR_NODE_FILE)
        return WR_OK;
    if (node->data.n > 0 || node->is_raw)
        l->result.chunks++;
    if (node->is_raw)
        return WR_OK;
    while (wr_dag_next(&it, &link)) {
        struct wr_cid cid;

        const enum wr_err err = wr_cid_decode(link.cid, &cid, NULL);
        if (err != WR_OK)
            return err;
        if (cid.codec == WR_CODEC_RAW) {
            l->result.chunks++;
            l->result.blocks++;
        } else if (!push(l, &cid)) {
            return WR_ETOOBIG;
        }
    }
    return WR_OK;
}

static void see_entry(struct wr_look_entry *e, const struct wr_node *node)
{
    e->known = true;
    e->kind = node->kind;
    e->mode = node->fs.has_mode ? node->fs.mode : 0;
    if (node->kind == WR_NODE_FILE)
        e->size = node->size;
    else if (node->kind == WR_NODE_SYMLINK)
        e->size = node->data.n;
}

static void peeked(struct peek *p, struct wr_buf *buf)
{
    struct wr_look *l = p->look;
    struct wr_node node;

    p->busy = false;
    l->peeks_n--;
    enum wr_err err = wr_node_decode(&p->f.cid, wr_span(buf->p, buf->n), &node);
    if (l->cfg.list) {
        /* What cannot be read is listed, as of another kind. */
        if (err == WR_OK)
            see_entry(&l->result.entries[p->entry], &node);
        err = WR_OK;
    } else if (err == WR_OK) {
        err = count_node(l, &node);
    }
    wr_buf_unref(buf);
    if (err != WR_OK)
        fail(l, err, &p->f.cid);
}

static void on_peek(struct wr_fetch *f, uint8_t status,
                    const struct wr_msg *answer, struct wr_buf *buf)
{
    struct peek *p = f->arg;
    struct wr_look *l = p->look;

    if (status != WR_STATUS_OK)
        fail_status(l, status, answer, &f->cid);
    else
        peeked(p, buf);
    pump(l);
}

/* False if no more can be asked for now. */
static bool peek_at(struct wr_look *l, const struct wr_cid *cid, size_t entry)
{
    struct wr_buf *buf;
    struct peek *p = l->peeks;

    while (p->busy)
        p++;
    p->look = l;
    p->entry = entry;
    p->f.done = on_peek;
    p->f.arg = p;
    const struct wr_cid copy = *cid;
    const enum wr_err err =
        wr_fetch_start(&p->f, l->cfg.session, &copy, GUESS_BYTES, &buf);
    if (err != WR_OK)
        return false;
    p->busy = true;
    l->peeks_n++;
    if (buf != NULL)
        peeked(p, buf);
    return true;
}

/* ---- the entries ------------------------------------------------------------
 */

static int by_name(const void *a, const void *b)
{
    const struct wr_look_entry *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static bool add_entry(struct wr_look *l, const struct wr_dir_item *item)
{
    struct wr_look_result *r = &l->result;

    if (r->entries_n == l->room) {
        const size_t room = l->room == 0 ? 64 : 2 * l->room;
        struct wr_look_entry *more =
            room <= WR_LOOK_ENTRIES_MAX
                ? realloc(r->entries, room * sizeof(*more))
                : NULL;

        if (more == NULL)
            return false;
        r->entries = more;
        l->room = room;
    }
    struct wr_look_entry *e = &r->entries[r->entries_n];
    *e = (struct wr_look_entry){.cid = item->cid, .size = item->tsize};
    e->name = strndup((const char *)item->name.p, item->name.n);
    if (e->name == NULL)
        return false;
    if (item->cid_err == WR_OK && item->cid.codec == WR_CODEC_RAW) {
        e->known = true;
        e->kind = WR_NODE_FILE;
    }
    r->entries_n++;
    return true;
}

static void next_shard(struct wr_look *l);

static void read_shard(struct wr_look *l, struct wr_buf *buf)
{
    struct wr_dir_item item;
    const struct wr_cid cid = *wr_dir_walk_want(&l->walk, 0);

    l->block = buf;
    enum wr_err err = wr_dir_walk_give(&l->walk, wr_span(buf->p, buf->n));
    while (err == WR_OK) {
        err = wr_dir_walk_next(&l->walk, &item);
        if (err == WR_OK && !add_entry(l, &item))
            err = WR_ETOOBIG;
    }
    wr_buf_unref(l->block);
    l->block = NULL;
    if (err != WR_ENOTFOUND)
        fail(l, err, &cid);
    else
        next_shard(l);
}

static void on_shard(struct wr_fetch *f, uint8_t status,
                     const struct wr_msg *answer, struct wr_buf *buf)
{
    struct wr_look *l = f->arg;

    if (status != WR_STATUS_OK)
        fail_status(l, status, answer, &f->cid);
    else
        read_shard(l, buf);
    pump(l);
}

static void next_shard(struct wr_look *l)
{
    const struct wr_cid *want = wr_dir_walk_want(&l->walk, 0);
    struct wr_buf *buf;

    if (want == NULL) {
        if (l->result.entries_n > 0)
            qsort(l->result.entries, l->result.entries_n,
                  sizeof(*l->result.entries), by_name);
        l->reading = false;
        return;
    }
    const struct wr_cid cid = *want;
    l->shard.done = on_shard;
    l->shard.arg = l;
    const enum wr_err err =
        wr_fetch_start(&l->shard, l->cfg.session, &cid, GUESS_BYTES, &buf);
    if (err != WR_OK)
        fail(l, err, &cid);
    else if (buf != NULL)
        read_shard(l, buf);
}

/* ---- the whole
 * --------------------------------------------------------------- */

static void on_head(struct wr_ask *ask, uint8_t status,
                    const struct wr_msg *answer, struct wr_buf *body)
{
    struct wr_look *l = ask->arg;
    struct wr_look_result *r = &l->result;

    wr_buf_unref(body);
    l->heading = false;
    if (status == WR_STATUS_OK && answer->kind == WR_MSG_DATA) {
        r->copies = answer->data.copies;
        for (uint32_t i = 0;
             i < answer->data.hosts_n && r->hosts_n < WR_LOOK_HOSTS; i++)
            wr_session_host(l->cfg.session, answer->data.hosts[i],
                            r->hosts[r->hosts_n++]);
    }
    pump(l);
}

static void ask_head(struct wr_look *l)
{
    struct wr_id digest;

    if (wr_cid_is_inline(&l->result.cid))
        return;
    memcpy(digest.b, l->result.cid.digest, sizeof(digest.b));
    l->head.done = on_head;
    l->head.arg = l;
    l->heading = wr_session_get(l->cfg.session, &l->head, l->result.cid.hash,
                                &digest, true, 0);
}

/* What is to be looked at next; false if nothing is left. */
static bool next_peek(struct wr_look *l)
{
    const struct wr_look_result *r = &l->result;

    if (!l->cfg.list) {
        if (l->stack_n == 0 || !peek_at(l, &l->stack[l->stack_n - 1], 0))
            return false;
        l->stack_n--;
        return true;
    }
    while (l->next < r->entries_n &&
           (r->entries[l->next].known ||
            r->entries[l->next].cid.codec != WR_CODEC_DAG_PB))
        l->next++;
    if (l->next == r->entries_n ||
        !peek_at(l, &r->entries[l->next].cid, l->next))
        return false;
    l->next++;
    return true;
}

/* Asks for more as long as there is more; ends when all is seen. The last act
 * of whoever calls it: `l` may be gone. */
static void pump(struct wr_look *l)
{
    if (l->pumping)
        return;
    l->pumping = true;
    while (!l->failed && !l->reading && l->peeks_n < AHEAD)
        if (!next_peek(l))
            break;
    l->pumping = false;
    const bool more =
        l->cfg.list ? l->next < l->result.entries_n : l->stack_n > 0;
    if (!l->failed && (l->reading || l->heading || l->peeks_n > 0))
        return;
    if (!l->failed && more) { /* Nothing under way, and no room for more. */
        wr_why(&l->why, WR_EBUSY, "too much at once on this handle");
        l->failed = true;
    }
    finish(l);
}

static void describe(struct wr_look *l, const struct wr_node *node,
                     struct wr_buf *block)
{
    struct wr_look_result *r = &l->result;

    r->kind = node->kind;
    r->size = node->kind == WR_NODE_FILE ? node->size : 0;
    r->mode = node->fs.has_mode ? node->fs.mode : 0;
    if (node->kind == WR_NODE_SYMLINK && node->data.n < sizeof(r->target))
        memcpy(r->target, node->data.p, node->data.n);
    if (l->cfg.list && node->kind != WR_NODE_DIR &&
        node->kind != WR_NODE_SHARD) {
        wr_why(&l->why, WR_EINVAL,
               "it is a file, not a directory; 'wreath stat' describes it");
        l->failed = true;
    } else if (l->cfg.list) {
        const enum wr_err err = wr_dir_walk_init(&l->walk, &r->cid);

        l->walking = l->reading = err == WR_OK;
        if (err == WR_OK) {
            read_shard(l, wr_buf_ref(block));
        } else {
            fail(l, err, &r->cid);
        }
    } else {
        const enum wr_err err = count_node(l, node);

        if (err != WR_OK)
            fail(l, err, &r->cid);
        else
            ask_head(l);
    }
}

static void on_resolved(struct wr_resolve *res, const struct wr_why *why,
                        const struct wr_cid *cid, struct wr_buf *block)
{
    struct wr_look *l = res->arg;
    struct wr_node node;

    if (why->err != WR_OK) {
        l->why = *why;
        l->failed = true;
    } else {
        l->result.cid = *cid;
        const enum wr_err err =
            wr_node_decode(cid, wr_span(block->p, block->n), &node);

        if (err != WR_OK)
            fail(l, err, cid);
        else
            describe(l, &node, block);
    }
    wr_buf_unref(block);
    pump(l);
}

enum wr_err wr_look_start(struct wr_look **ret, const struct wr_look_cfg *cfg)
{
    struct wr_look *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return WR_ENOMEM;
    l->cfg = *cfg;
    l->path = strdup(cfg->path != NULL ? cfg->path : "");
    if (l->path == NULL) {
        free(l);
        return WR_ENOMEM;
    }
    l->resolve.done = on_resolved;
    l->resolve.arg = l;
    *ret = l; /* Before done() may come. */
    wr_resolve_start(&l->resolve, cfg->session, &cfg->cid, l->path);
    return WR_OK;
}

void wr_look_cancel(struct wr_look *l)
{
    if (!l->failed)
        wr_why(&l->why, WR_ECANCELED, "cancelled");
    l->failed = true;
    pump(l);
}
