/* walk.c - see walk.h. */
#include "object/walk.h"

#include <stdlib.h>

enum state {
    ASKING, /* To be handed out by wr_walk_want(). */
    ASKED,
    READY, /* Its bytes wait for their turn. */
    TAKEN, /* No longer in the list; holds its slot. */
    NODE,  /* Has no slot; its next children go before it. */
};

struct wr_walk_item {
    struct wr_walk_item *prev, *next;
    enum state state;
    uint32_t slot;
    uint32_t depth; /* Nodes above. */
    struct wr_cid cid;
    uint64_t offset; /* NODE: of its next child. */
    uint64_t size;   /* Claimed by the parent; unused for the root. */
    size_t at, n;    /* READY */
    uint8_t *copy;   /* NODE, with the two that read it. */
    size_t copy_n;
    struct wr_reader links, sizes;
};

static enum wr_err fail(struct wr_walk *w, enum wr_err err)
{
    w->err = err;
    return err;
}

/* Puts `item` before `at`, or last if `at` is NULL. */
static void insert(struct wr_walk *w, struct wr_walk_item *item,
                   struct wr_walk_item *at)
{
    item->next = at;
    item->prev = at == NULL ? w->tail : at->prev;
    if (item->prev == NULL)
        w->head = item;
    else
        item->prev->next = item;
    if (at == NULL)
        w->tail = item;
    else
        at->prev = item;
}

static void unlink_item(struct wr_walk *w, struct wr_walk_item *item)
{
    if (item->prev == NULL)
        w->head = item->next;
    else
        item->prev->next = item->next;
    if (item->next == NULL)
        w->tail = item->prev;
    else
        item->next->prev = item->prev;
}

static void free_item(struct wr_walk *w, struct wr_walk_item *item)
{
    if (item->state == NODE)
        w->node_bytes -= item->copy_n;
    else
        w->slot[item->slot] = NULL;
    free(item->copy);
    free(item);
}

static bool free_slot(const struct wr_walk *w, uint32_t *ret)
{
    for (uint32_t i = 0; i < w->n_slots; i++) {
        if (w->slot[i] == NULL) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static struct wr_walk_item *new_item(struct wr_walk *w,
                                     const struct wr_cid *cid, uint32_t slot)
{
    struct wr_walk_item *item = calloc(1, sizeof(*item));

    if (item == NULL) {
        w->err = WR_ENOMEM;
        return NULL;
    }
    item->cid = *cid;
    item->slot = slot;
    w->slot[slot] = item;
    return item;
}

enum wr_err wr_walk_init(struct wr_walk *w, const struct wr_cid *root,
                         uint32_t slots, uint64_t from, uint64_t to)
{
    struct wr_walk_item *item;

    WR_CHECK(slots > 0 && slots <= WR_WALK_SLOTS_MAX);
    *w = (struct wr_walk){.n_slots = slots, .from = from, .to = to};
    item = new_item(w, root, 0);
    if (item != NULL)
        insert(w, item, NULL);
    return w->err;
}

void wr_walk_done(struct wr_walk *w)
{
    while (w->head != NULL) {
        struct wr_walk_item *item = w->head;

        unlink_item(w, item);
        free_item(w, item);
    }
    for (uint32_t i = 0; i < w->n_slots; i++)
        if (w->slot[i] != NULL)
            free_item(w, w->slot[i]); /* Taken, never released. */
    *w = (struct wr_walk){0};
}

/* The node whose children come next, if that can be told: not behind a block
 * that is still to come and must hold nodes of its own, so large is it. A
 * smaller one may be a leaf; if it proves to be none, its children go where it
 * was. */
static struct wr_walk_item *front_node(const struct wr_walk *w)
{
    for (struct wr_walk_item *i = w->head; i != NULL; i = i->next) {
        if (i->state == NODE)
            return i;
        if (i->state <= ASKED && i->size > WR_DAG_READ_MAX)
            return NULL;
    }
    return NULL;
}

/* Asks for the next child of `node` that the range touches, or drops the node
 * if there is none. */
static void expand(struct wr_walk *w, struct wr_walk_item *node, uint32_t slot)
{
    struct wr_dag_link link;
    struct wr_walk_item *item;
    struct wr_cid cid;
    uint64_t size, offset;
    enum wr_err err;

    do {
        /* As many sizes as links: wr_node_decode() saw to it. */
        if (node->offset >= w->to || !wr_dag_next(&node->links, &link) ||
            !wr_unixfs_next_blocksize(&node->sizes, &size)) {
            unlink_item(w, node);
            free_item(w, node);
            return;
        }
        offset = node->offset;
        node->offset += size;
    } while (node->offset <= w->from);

    err = wr_cid_decode(link.cid, &cid, NULL);
    if (err == WR_OK && cid.codec == WR_CODEC_RAW && size > WR_DAG_READ_MAX)
        err = WR_EDAMAGED;
    if (err != WR_OK) {
        w->err = err;
        return;
    }
    item = new_item(w, &cid, slot);
    if (item == NULL)
        return;
    item->depth = node->depth + 1;
    item->offset = offset;
    item->size = size;
    insert(w, item, node);
}

/* Every entry point that frees a slot or brings a node ends here. */
static void advance(struct wr_walk *w)
{
    struct wr_walk_item *node;
    uint32_t slot;

    while (w->err == WR_OK && free_slot(w, &slot) &&
           (node = front_node(w)) != NULL)
        expand(w, node, slot);
}

bool wr_walk_want(struct wr_walk *w, struct wr_walk_want *ret)
{
    if (w->err != WR_OK)
        return false;
    for (struct wr_walk_item *i = w->head; i != NULL; i = i->next) {
        if (i->state != ASKING)
            continue;
        i->state = ASKED;
        *ret = (struct wr_walk_want){.slot = i->slot,
                                     .cid = i->cid,
                                     .offset = i->offset,
                                     .size = i->size,
                                     .is_leaf = i->depth > 0 &&
                                                i->cid.codec == WR_CODEC_RAW};
        return true;
    }
    return false;
}

/* Whether the block is the part of the file that its parent promised. */
static enum wr_err check_part(struct wr_walk *w, struct wr_walk_item *item,
                              const struct wr_node *node)
{
    if (item->depth == 0) {
        if (node->kind != WR_NODE_FILE)
            return WR_EUNSUPPORTED;
        w->has_size = true;
        w->size = node->size;
        w->has_mode = node->fs.has_mode;
        w->mode = node->fs.mode;
        if (w->to > w->size)
            w->to = w->size;
        if (w->to <= w->from)
            w->to = 0; /* No bytes: nothing below is asked for. */
        return WR_OK;
    }
    if (node->kind != WR_NODE_FILE || node->size != item->size)
        return WR_EDAMAGED;
    if (node->dag.n_links > 0 && item->depth >= WR_FILE_DEPTH_MAX)
        return WR_ETOOBIG;
    return WR_OK;
}

/* Puts the node's children-to-come behind `item`. */
static enum wr_err add_node(struct wr_walk *w, struct wr_walk_item *item,
                            struct wr_span block, size_t own_bytes)
{
    struct wr_walk_item *src;
    struct wr_node node;
    enum wr_err err;

    if (block.n > WR_WALK_NODE_BYTES - w->node_bytes)
        return WR_ETOOBIG;
    src = calloc(1, sizeof(*src));
    if (src == NULL)
        return WR_ENOMEM;
    src->copy = malloc(block.n);
    if (src->copy == NULL) {
        free(src);
        return WR_ENOMEM;
    }
    memcpy(src->copy, block.p, block.n);
    err = wr_node_decode(&item->cid, wr_span(src->copy, block.n), &node);
    WR_CHECK(err == WR_OK); /* The same bytes were decoded before. */
    src->state = NODE;
    src->copy_n = block.n;
    src->cid = item->cid;
    src->depth = item->depth;
    src->offset = item->offset + own_bytes;
    src->links = wr_dag_links(&node.dag);
    src->sizes = wr_unixfs_blocksizes(&node.fs);
    w->node_bytes += block.n;
    insert(w, src, item->next);
    return WR_OK;
}

/* The part of the block's own bytes that the range touches; may be none. */
static void clip(const struct wr_walk *w, struct wr_walk_item *item,
                 struct wr_span block, struct wr_span own)
{
    const uint64_t start = item->offset;
    const uint64_t end = start + own.n;
    const uint64_t a = start > w->from ? start : w->from;
    const uint64_t b = end < w->to ? end : w->to;

    item->n = a < b ? (size_t)(b - a) : 0;
    if (item->n == 0)
        return;
    item->at = (size_t)(own.p - block.p) + (size_t)(a - start);
    item->offset = a;
}

enum wr_err wr_walk_give(struct wr_walk *w, uint32_t slot, struct wr_span block,
                         bool *ret_keep)
{
    struct wr_walk_item *item;
    struct wr_node node;
    enum wr_err err;
    bool keep;

    WR_CHECK(slot < w->n_slots && w->slot[slot] != NULL);
    item = w->slot[slot];
    WR_CHECK(item->state == ASKED);
    if (w->err != WR_OK)
        return w->err;
    err = wr_node_decode(&item->cid, block, &node);
    if (err == WR_OK)
        err = check_part(w, item, &node);
    if (err == WR_OK && node.dag.n_links > 0)
        err = add_node(w, item, block, node.data.n);
    if (err != WR_OK)
        return fail(w, err);
    clip(w, item, block, node.data);
    keep = item->n > 0;
    item->state = READY;
    if (!keep) {
        unlink_item(w, item);
        free_item(w, item);
    }
    advance(w);
    if (w->err == WR_OK)
        *ret_keep = keep;
    return w->err;
}

bool wr_walk_take(struct wr_walk *w, struct wr_walk_piece *ret)
{
    struct wr_walk_item *item = w->head;

    if (w->err != WR_OK || item == NULL || item->state != READY)
        return false;
    unlink_item(w, item);
    item->state = TAKEN;
    *ret = (struct wr_walk_piece){.slot = item->slot,
                                  .offset = item->offset,
                                  .at = item->at,
                                  .n = item->n};
    return true;
}

enum wr_err wr_walk_release(struct wr_walk *w, uint32_t slot)
{
    WR_CHECK(slot < w->n_slots && w->slot[slot] != NULL);
    WR_CHECK(w->slot[slot]->state == TAKEN);
    free_item(w, w->slot[slot]);
    advance(w);
    return w->err;
}

bool wr_walk_finished(const struct wr_walk *w)
{
    return w->err == WR_OK && w->head == NULL;
}

bool wr_walk_root(const struct wr_walk *w, struct wr_walk_root *ret)
{
    if (!w->has_size)
        return false;
    *ret = (struct wr_walk_root){
        .size = w->size, .has_mode = w->has_mode, .mode = w->mode};
    return true;
}
