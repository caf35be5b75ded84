/* build.c - see build.h. */
#include "object/build.h"

#include <stdlib.h>

#include "object/chunker.h"

enum {
    /* Tags, lengths and a Tsize around the CID of a link without a name. */
    LINK_BYTES_MAX = 2 + 2 + WR_CID_BIN_MAX + 2 + 11,
    SIZE_BYTES_MAX = 11, /* A blocksize with its tag. */
    REST_BYTES_MAX = 64, /* Type, filesize, mode, and the data's head. */
};

static size_t node_room(uint32_t max_links)
{
    return max_links * (size_t)(LINK_BYTES_MAX + SIZE_BYTES_MAX) +
           REST_BYTES_MAX;
}

void wr_build_init(struct wr_build *b, enum wr_hash hash, uint32_t max_links)
{
    WR_CHECK(max_links >= 2 && max_links <= WR_FILE_LINKS);
    *b = (struct wr_build){
        .hash = hash, .max_links = max_links, .sealed = -1, .lent = -1};
}

void wr_build_done(struct wr_build *b)
{
    for (size_t i = 0; i < WR_FILE_DEPTH_MAX; i++)
        free(b->level[i].sizes);
    *b = (struct wr_build){.sealed = -1, .lent = -1};
}

static void reset(struct wr_build_level *l)
{
    l->n = 0;
    l->n_links = 0;
    l->size = 0;
    l->tsize = 0;
}

void wr_build_begin(struct wr_build *b, bool has_mode, uint32_t mode)
{
    WR_CHECK(b->max_links >= 2);
    for (size_t i = 0; i < WR_FILE_DEPTH_MAX; i++) {
        reset(&b->level[i]);
        b->level[i].has_next = false;
    }
    b->has_mode = has_mode;
    b->mode = mode;
    b->err = WR_OK;
    b->begun = true;
    b->ended = false;
    b->has_root = false;
    b->sealed = -1;
    b->lent = -1;
}

static enum wr_err open_level(struct wr_build *b, struct wr_build_level *l)
{
    if (l->sizes != NULL)
        return WR_OK;
    l->sizes =
        malloc(b->max_links * sizeof(*l->sizes) + node_room(b->max_links));
    if (l->sizes == NULL)
        return WR_ENOMEM;
    l->links = (uint8_t *)(l->sizes + b->max_links);
    return WR_OK;
}

static void append(struct wr_build *b, struct wr_build_level *l,
                   const struct wr_tree *child)
{
    struct wr_writer w = wr_writer(l->links, node_room(b->max_links));

    w.n = l->n;
    wr_dag_write_link(&w, &child->cid, wr_span(NULL, 0), child->tsize);
    WR_CHECK(!w.bad);
    l->n = w.n;
    l->sizes[l->n_links++] = child->size;
    l->size += child->size;
    l->tsize += child->tsize;
}

/* Closes the node of level `k`: its data goes behind its links. Only the root
 * carries the mode. */
static void seal(struct wr_build *b, int k, bool is_root)
{
    struct wr_build_level *l = &b->level[k];
    struct wr_writer w = wr_writer(l->links, node_room(b->max_links));
    const struct wr_unixfs u = {.type = WR_UNIXFS_FILE,
                                .has_filesize = true,
                                .has_mode = is_root && b->has_mode,
                                .filesize = l->size,
                                .n_blocksizes = l->n_links,
                                .mode = b->mode};

    w.n = l->n;
    wr_unixfs_write(&w, &u, l->sizes);
    WR_CHECK(!w.bad);
    b->sealed = k;
    b->block_n = w.n;
}

/* Adds a child to level `k`. A full node is sealed only when one more child
 * comes, for until then it may be the root. */
static void put(struct wr_build *b, int k, const struct wr_tree *child)
{
    struct wr_build_level *l;

    if (k == WR_FILE_DEPTH_MAX) {
        b->err = WR_ETOOBIG;
        return;
    }
    l = &b->level[k];
    b->err = open_level(b, l);
    if (b->err != WR_OK)
        return;
    b->root = *child; /* Unless more comes. */
    if (l->n_links < b->max_links) {
        append(b, l, child);
        return;
    }
    l->has_next = true;
    l->next = *child;
    seal(b, k, false);
}

/* The block popped last is no longer borrowed: its level starts anew. */
static void take_back(struct wr_build *b)
{
    struct wr_build_level *l;

    if (b->lent < 0)
        return;
    l = &b->level[b->lent];
    b->lent = -1;
    reset(l);
    if (l->has_next) {
        l->has_next = false;
        append(b, l, &l->next);
    }
}

enum wr_err wr_build_leaf(struct wr_build *b,
                          const uint8_t digest[WR_DIGEST_SIZE], uint32_t n)
{
    const struct wr_tree leaf = {.cid =
                                     wr_cid_make(WR_CODEC_RAW, b->hash, digest),
                                 .size = n,
                                 .tsize = n};

    WR_CHECK(b->begun && !b->ended && b->sealed < 0);
    WR_CHECK(n > 0 && n <= WR_CHUNK_MAX);
    take_back(b);
    if (b->err == WR_OK)
        put(b, 0, &leaf);
    return b->err;
}

void wr_build_end(struct wr_build *b)
{
    WR_CHECK(b->begun && !b->ended);
    b->ended = true;
}

/* No leaf ever came: the empty raw leaf, or a node if there is a mode. */
static void finish_empty(struct wr_build *b)
{
    if (b->has_mode) {
        b->err = open_level(b, &b->level[0]);
        if (b->err == WR_OK)
            seal(b, 0, true);
        return;
    }
    b->root = (struct wr_tree){
        .cid = wr_cid_of(WR_CODEC_RAW, b->hash, wr_span(NULL, 0))};
    b->has_root = true;
}

/* After the end: seals the lowest open node, or finds that its only child is
 * the root. */
static void finish(struct wr_build *b)
{
    int low = 0, top = WR_FILE_DEPTH_MAX - 1;

    while (low < WR_FILE_DEPTH_MAX && b->level[low].n_links == 0)
        low++;
    if (low == WR_FILE_DEPTH_MAX) {
        finish_empty(b);
        return;
    }
    while (b->level[top].n_links == 0)
        top--;
    if (low == top && b->level[low].n_links == 1 &&
        !(low == 0 && b->has_mode)) {
        b->has_root = true;
        return; /* b->root is already that child: it was put last. */
    }
    seal(b, low, low == top);
}

bool wr_build_pop(struct wr_build *b, struct wr_block *ret)
{
    struct wr_build_level *l;
    struct wr_tree node;
    int k;

    take_back(b);
    if (b->err == WR_OK && b->ended && b->sealed < 0 && !b->has_root) {
        finish(b);
        if (b->has_root && b->root.tsize == 0) {
            *ret = (struct wr_block){.cid = b->root.cid};
            return true;
        }
    }
    if (b->err != WR_OK || b->sealed < 0)
        return false;
    k = b->sealed;
    l = &b->level[k];
    *ret = (struct wr_block){.bytes = wr_span(l->links, b->block_n)};
    ret->cid = wr_cid_of(WR_CODEC_DAG_PB, b->hash, ret->bytes);
    node = (struct wr_tree){
        .cid = ret->cid, .size = l->size, .tsize = l->tsize + b->block_n};
    b->sealed = -1;
    b->lent = k;
    put(b, k + 1, &node);
    return b->err == WR_OK;
}

enum wr_err wr_build_root(const struct wr_build *b, struct wr_tree *ret)
{
    if (b->err != WR_OK)
        return b->err;
    WR_CHECK(b->has_root);
    *ret = b->root;
    return WR_OK;
}
