/* dirread.c - see dirread.h. */
#include "object/dirread.h"

#include <stdlib.h>

#include "object/murmur.h"

static uint32_t log2_of(uint32_t v)
{
    uint32_t n = 0;

    while (v >> n > 1)
        n++;
    return n;
}

static uint32_t popcount(struct wr_span bits)
{
    uint32_t n = 0;

    for (size_t i = 0; i < bits.n; i++)
        for (unsigned k = 0; k < 8; k++)
            n += bits.p[i] >> k & 1u;
    return n;
}

/* The bitfield is big-endian: slot 0 is the lowest bit of its last byte. */
static bool bit_is_set(struct wr_span bits, uint32_t slot)
{
    return slot / 8 < bits.n &&
           (bits.p[bits.n - 1 - slot / 8] >> (slot % 8) & 1u) != 0;
}

enum wr_err wr_dir_open(struct wr_dir_block *b, const struct wr_node *node,
                        const struct wr_dir_place *place)
{
    const bool below = place->fanout != 0;

    if (node->kind != WR_NODE_SHARD && (below || node->kind != WR_NODE_DIR))
        return below ? WR_EDAMAGED : WR_EUNSUPPORTED;
    *b = (struct wr_dir_block){.it = wr_dag_links(&node->dag),
                               .is_shard = node->kind == WR_NODE_SHARD,
                               .place = *place};
    if (!b->is_shard)
        return WR_OK;
    b->fanout = (uint32_t)node->fs.fanout;
    b->lg = log2_of(b->fanout);
    b->digits = b->fanout <= 16 ? 1 : b->fanout <= 256 ? 2 : 3;
    b->bits = node->data;
    /* Shards below have something in them, else a tree of them would be
     * endless, and one fan-out is for all. */
    if (below && (b->fanout != place->fanout || node->dag.n_links == 0))
        return WR_EDAMAGED;
    if (popcount(b->bits) != node->dag.n_links)
        return WR_EDAMAGED;
    return WR_OK;
}

/* Upper-case hexadecimal, as many digits as the largest slot takes. */
static bool read_slot(const struct wr_dir_block *b, struct wr_span name,
                      uint32_t *ret)
{
    uint32_t v = 0;

    if (name.n < b->digits)
        return false;
    for (size_t i = 0; i < b->digits; i++) {
        const uint8_t c = name.p[i];

        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (c >= 'A' && c <= 'F')
            v = v << 4 | (uint32_t)(c - 'A' + 10);
        else
            return false;
    }
    *ret = v;
    return v < b->fanout;
}

/* The top `bits` bits of `hash`. */
static uint64_t top(uint64_t hash, uint32_t bits)
{
    return bits == 0 ? 0 : hash >> (64 - bits) << (64 - bits);
}

static bool take_slot(struct wr_dir_block *b, struct wr_span name,
                      struct wr_dir_item *item)
{
    const struct wr_span rest = wr_span(name.p + b->digits, name.n - b->digits);
    const uint32_t bits = b->place.bits + b->lg;
    uint32_t slot;
    uint64_t hash;

    if (!read_slot(b, name, &slot) || !bit_is_set(b->bits, slot))
        return false;
    hash = b->place.hash | (uint64_t)slot << (64 - bits);
    if (rest.n == 0) {
        item->kind = WR_DIR_SHARD;
        item->place = (struct wr_dir_place){hash, bits, b->fanout};
        return bits + b->lg <= 64; /* Else no bits are left for it. */
    }
    item->kind = WR_DIR_ENTRY;
    item->name = rest;
    return wr_name_ok(rest) && top(wr_murmur3(rest), bits) == hash;
}

enum wr_err wr_dir_next(struct wr_dir_block *b, struct wr_dir_item *ret)
{
    struct wr_dir_item item = {.kind = WR_DIR_ENTRY};
    struct wr_dag_link link;
    struct wr_span key;

    if (!wr_dag_next(&b->it, &link))
        return WR_ENOTFOUND;
    key = link.name;
    if (b->is_shard) {
        if (key.n < b->digits || !take_slot(b, key, &item))
            return WR_EDAMAGED;
        key.n = b->digits; /* A slot has one link: only slots ascend. */
    } else {
        item.name = key;
        if (!wr_name_ok(key))
            return WR_EDAMAGED;
    }
    if (b->last.n > 0 && wr_span_cmp(b->last, key) >= 0)
        return WR_EDAMAGED;
    b->last = key;
    item.tsize = link.tsize;
    item.cid_bytes = link.cid;
    item.cid_err = wr_cid_decode(link.cid, &item.cid, NULL);
    *ret = item;
    return WR_OK;
}

void wr_dir_find_init(struct wr_dir_find *f, struct wr_span name)
{
    *f = (struct wr_dir_find){.name = name, .hash = wr_murmur3(name)};
}

enum wr_err wr_dir_find_step(struct wr_dir_find *f, const struct wr_node *node,
                             struct wr_dir_item *ret)
{
    struct wr_dir_block b;
    struct wr_dir_item item;
    enum wr_err err = wr_dir_open(&b, node, &f->place);

    while (err == WR_OK && (err = wr_dir_next(&b, &item)) == WR_OK) {
        const bool is_it =
            item.kind == WR_DIR_SHARD
                ? top(f->hash, item.place.bits) == item.place.hash
                : wr_span_eq(item.name, f->name);

        if (!is_it)
            continue;
        if (item.cid_err != WR_OK)
            return item.cid_err;
        if (item.kind == WR_DIR_SHARD)
            f->place = item.place;
        *ret = item;
        return WR_OK;
    }
    return err;
}

static enum wr_err push(struct wr_dir_walk *w, const struct wr_cid *cid,
                        const struct wr_dir_place *place)
{
    if (w->n == w->room) {
        const size_t room = w->room == 0 ? 16 : 2 * w->room;
        struct wr_dir_pending *p =
            realloc(w->pending, room * sizeof(*w->pending));

        if (p == NULL)
            return WR_ENOMEM;
        w->pending = p;
        w->room = room;
    }
    w->pending[w->n++] = (struct wr_dir_pending){*cid, *place};
    return WR_OK;
}

enum wr_err wr_dir_walk_init(struct wr_dir_walk *w, const struct wr_cid *root)
{
    *w = (struct wr_dir_walk){0};
    return push(w, root, &(struct wr_dir_place){0});
}

void wr_dir_walk_done(struct wr_dir_walk *w)
{
    free(w->pending);
    *w = (struct wr_dir_walk){0};
}

const struct wr_cid *wr_dir_walk_want(const struct wr_dir_walk *w, size_t i)
{
    WR_CHECK(!w->is_open);
    return i < w->n ? &w->pending[w->n - 1 - i].cid : NULL;
}

enum wr_err wr_dir_walk_give(struct wr_dir_walk *w, struct wr_span block)
{
    const struct wr_dir_pending *at;
    struct wr_node node;
    enum wr_err err;

    WR_CHECK(!w->is_open && w->n > 0);
    at = &w->pending[w->n - 1];
    err = wr_node_decode(&at->cid, block, &node);
    if (err == WR_OK)
        err = wr_dir_open(&w->block, &node, &at->place);
    if (err != WR_OK)
        return err;
    w->n--;
    w->is_open = true;
    return WR_OK;
}

/* Depth first, so no more than one shard's slots are pending on each level. */
enum wr_err wr_dir_walk_next(struct wr_dir_walk *w, struct wr_dir_item *ret)
{
    struct wr_dir_item item;
    enum wr_err err;

    if (!w->is_open)
        return WR_ENOTFOUND;
    while ((err = wr_dir_next(&w->block, &item)) == WR_OK) {
        if (item.kind == WR_DIR_ENTRY) {
            *ret = item;
            return WR_OK;
        }
        if (item.cid_err != WR_OK)
            return item.cid_err;
        err = push(w, &item.cid, &item.place);
        if (err != WR_OK)
            return err;
    }
    if (err == WR_ENOTFOUND)
        w->is_open = false;
    return err;
}
