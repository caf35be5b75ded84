/* dir.c - see dir.h. */
#include "object/dir.h"

#include <stdlib.h>

#include "object/murmur.h"

enum {
    EMPTY_DIR_BYTES = 4, /* 0a 02 08 01 */
    NAMES_MAX = 1 << 30, /* Bytes, far above what entries of a put take. */
    SHARD_DATA_MAX = 64,
};

bool wr_name_ok(struct wr_span name)
{
    if (name.n == 0 || name.n > WR_DIR_NAME_MAX)
        return false;
    if (memchr(name.p, '/', name.n) != NULL ||
        memchr(name.p, '\0', name.n) != NULL)
        return false;
    return !(name.p[0] == '.' &&
             (name.n == 1 || (name.n == 2 && name.p[1] == '.')));
}

void wr_dir_init(struct wr_dir *d, enum wr_hash hash, size_t block_max)
{
    WR_CHECK(block_max <= WR_DIR_BLOCK_MAX);
    *d = (struct wr_dir){.hash = hash, .block_max = block_max};
    wr_dir_begin(d);
}

void wr_dir_done(struct wr_dir *d)
{
    free(d->child);
    free(d->names);
    for (size_t i = 0; i < WR_HAMT_LEVELS; i++)
        free(d->shard[i].links);
    *d = (struct wr_dir){.depth = -1};
}

void wr_dir_begin(struct wr_dir *d)
{
    d->n = 0;
    d->names_n = 0;
    d->block_n = EMPTY_DIR_BYTES;
    d->err = WR_OK;
    d->ended = false;
    d->has_root = false;
    d->lent = false;
    d->depth = -1;
}

/* Makes room for `n` items of `size` bytes at *p. */
static bool grow(void *pp, size_t *room, size_t n, size_t size)
{
    void **p = pp;
    size_t more = *room == 0 ? 64 : *room;
    void *bigger;

    if (n <= *room)
        return true;
    while (more < n)
        more *= 2;
    bigger = realloc(*p, more * size);
    if (bigger == NULL)
        return false;
    *p = bigger;
    *room = more;
    return true;
}

enum wr_err wr_dir_add(struct wr_dir *d, struct wr_span name,
                       const struct wr_tree *tree)
{
    struct wr_dir_child *c;

    WR_CHECK(!d->ended);
    if (!wr_name_ok(name))
        return WR_EINVAL;
    if (d->n == WR_DIR_ENTRIES_MAX || d->names_n > NAMES_MAX - name.n)
        return WR_ETOOBIG;
    if (!grow(&d->child, &d->room, d->n + 1, sizeof(*d->child)) ||
        !grow(&d->names, &d->names_room, d->names_n + name.n, 1))
        return WR_ENOMEM;
    c = &d->child[d->n++];
    *c = (struct wr_dir_child){.tsize = tree->tsize,
                               .name_at = d->names_n,
                               .name_n = (uint32_t)name.n,
                               .cid = tree->cid};
    memcpy(d->names + d->names_n, name.p, name.n);
    d->names_n += name.n;
    d->block_n += wr_dag_link_bytes(&tree->cid, name.n, tree->tsize);
    return WR_OK;
}

static struct wr_span name_of(const struct wr_dir_child *c)
{
    return wr_span(c->name, c->name_n);
}

static int by_name(const void *a, const void *b)
{
    return wr_span_cmp(name_of(a), name_of(b));
}

static int by_hash(const void *va, const void *vb)
{
    const struct wr_dir_child *a = va, *b = vb;

    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

static struct wr_dir_shard *open_shard(struct wr_dir *d, size_t at, size_t end,
                                       uint8_t slot)
{
    struct wr_dir_shard *s = &d->shard[++d->depth];

    *s = (struct wr_dir_shard){
        .at = at, .end = end, .slot = slot, .links = s->links, .room = s->room};
    return s;
}

enum wr_err wr_dir_end(struct wr_dir *d)
{
    WR_CHECK(!d->ended);
    d->ended = true;
    for (size_t i = 0; i < d->n; i++)
        d->child[i].name = d->names + d->child[i].name_at;
    if (d->n > 1)
        qsort(d->child, d->n, sizeof(*d->child), by_name);
    for (size_t i = 1; i < d->n; i++)
        if (wr_span_eq(name_of(&d->child[i - 1]), name_of(&d->child[i])))
            d->err = WR_EEXIST;
    (void)open_shard(d, 0, d->n, 0);
    if (d->err != WR_OK || d->block_n <= d->block_max)
        return d->err;

    for (size_t i = 0; i < d->n; i++)
        d->child[i].hash = wr_murmur3(name_of(&d->child[i]));
    qsort(d->child, d->n, sizeof(*d->child), by_hash);
    for (size_t i = 1; i < d->n; i++)
        if (d->child[i - 1].hash == d->child[i].hash)
            d->err = WR_EUNSUPPORTED;
    return d->err;
}

/* Hands the bytes out as a block, and keeps what a parent needs of it. */
static void lend(struct wr_dir *d, const struct wr_dir_shard *s,
                 struct wr_block *ret)
{
    ret->bytes = wr_span(s->links, s->n);
    ret->cid = wr_cid_of(WR_CODEC_DAG_PB, d->hash, ret->bytes);
    d->root = (struct wr_tree){.cid = ret->cid, .tsize = s->tsize + s->n};
    d->lent = true;
}

static bool pop_plain(struct wr_dir *d, struct wr_block *ret)
{
    const struct wr_unixfs u = {.type = WR_UNIXFS_DIRECTORY};
    struct wr_dir_shard *s = &d->shard[0];
    struct wr_writer w;

    if (!grow(&s->links, &s->room, d->block_n, 1)) {
        d->err = WR_ENOMEM;
        return false;
    }
    w = wr_writer(s->links, d->block_n);
    for (size_t i = 0; i < d->n; i++) {
        wr_dag_write_link(&w, &d->child[i].cid, name_of(&d->child[i]),
                          d->child[i].tsize);
        s->tsize += d->child[i].tsize;
    }
    wr_unixfs_write(&w, &u, NULL);
    WR_CHECK(!w.bad && w.n == d->block_n);
    s->n = w.n;
    d->has_root = true;
    lend(d, s, ret);
    return true;
}

/* Appends a link whose name is the slot in two digits, and `name` behind. */
static void shard_link(struct wr_dir *d, struct wr_dir_shard *s, uint8_t slot,
                       struct wr_span name, const struct wr_cid *cid,
                       uint64_t tsize)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t full[2 + WR_DIR_NAME_MAX] = {(uint8_t)digits[slot >> 4],
                                         (uint8_t)digits[slot & 15]};
    const size_t full_n = 2 + name.n;
    struct wr_writer w;

    if (!grow(&s->links, &s->room,
              s->n + wr_dag_link_bytes(cid, full_n, tsize) + SHARD_DATA_MAX,
              1)) {
        d->err = WR_ENOMEM;
        return;
    }
    if (name.n > 0)
        memcpy(full + 2, name.p, name.n);
    w = wr_writer(s->links, s->room);
    w.n = s->n;
    wr_dag_write_link(&w, cid, wr_span(full, full_n), tsize);
    WR_CHECK(!w.bad);
    s->n = w.n;
    s->tsize += tsize;
    s->bits[slot / 8] |= (uint8_t)(1u << (slot % 8));
}

/* The bitfield is big-endian, without leading zero bytes. */
static void seal_shard(struct wr_dir_shard *s)
{
    uint8_t bits[sizeof(s->bits)];
    size_t zeros = 0;
    struct wr_writer w = wr_writer(s->links, s->room);

    for (size_t i = 0; i < sizeof(bits); i++)
        bits[i] = s->bits[sizeof(bits) - 1 - i];
    while (zeros < sizeof(bits) && bits[zeros] == 0)
        zeros++;
    const struct wr_unixfs u = {.type = WR_UNIXFS_HAMT_SHARD,
                                .has_data = true,
                                .has_hash_type = true,
                                .has_fanout = true,
                                .data =
                                    wr_span(bits + zeros, sizeof(bits) - zeros),
                                .hash_type = WR_HASH_MURMUR3_X64_64,
                                .fanout = WR_HAMT_FANOUT};

    w.n = s->n;
    wr_unixfs_write(&w, &u, NULL);
    WR_CHECK(!w.bad);
    s->n = w.n;
}

static uint8_t slot_at(const struct wr_dir_child *c, int depth)
{
    return (uint8_t)(c->hash >> (56 - 8 * depth));
}

/* Fills the open shard up to the next slot that several names share, and goes
 * down there; true when the shard is full. */
static bool fill_shard(struct wr_dir *d)
{
    const int depth = d->depth;
    struct wr_dir_shard *s = &d->shard[depth];

    while (s->at < s->end && d->err == WR_OK) {
        const struct wr_dir_child *c = &d->child[s->at];
        const uint8_t slot = slot_at(c, depth);
        const size_t from = s->at;

        while (s->at < s->end && slot_at(&d->child[s->at], depth) == slot)
            s->at++;
        if (s->at - from > 1) { /* Hashes differ: at most WR_HAMT_LEVELS. */
            (void)open_shard(d, from, s->at, slot);
            return false;
        }
        shard_link(d, s, slot, name_of(c), &c->cid, c->tsize);
    }
    return d->err == WR_OK;
}

static bool pop_shard(struct wr_dir *d, struct wr_block *ret)
{
    struct wr_dir_shard *s;

    while (!fill_shard(d))
        if (d->err != WR_OK)
            return false;
    s = &d->shard[d->depth];
    seal_shard(s);
    lend(d, s, ret);
    if (d->depth == 0)
        d->has_root = true;
    else
        shard_link(d, s - 1, s->slot, wr_span(NULL, 0), &d->root.cid,
                   d->root.tsize);
    return d->err == WR_OK;
}

bool wr_dir_pop(struct wr_dir *d, struct wr_block *ret)
{
    WR_CHECK(d->ended);
    if (d->err != WR_OK || d->has_root)
        return false;
    if (d->lent) {
        d->lent = false;
        d->depth--;
    }
    return d->block_n <= d->block_max ? pop_plain(d, ret) : pop_shard(d, ret);
}

enum wr_err wr_dir_root(const struct wr_dir *d, struct wr_tree *ret)
{
    if (d->err != WR_OK)
        return d->err;
    WR_CHECK(d->has_root);
    *ret = d->root;
    return WR_OK;
}

enum wr_err wr_symlink(enum wr_hash hash, struct wr_span target,
                       uint8_t buf[WR_SYMLINK_BLOCK_MAX],
                       struct wr_block *ret_block, struct wr_tree *ret_tree)
{
    const struct wr_unixfs u = {
        .type = WR_UNIXFS_SYMLINK, .has_data = true, .data = target};
    struct wr_writer w = wr_writer(buf, WR_SYMLINK_BLOCK_MAX);

    if (target.n == 0 || target.n > WR_SYMLINK_MAX ||
        memchr(target.p, '\0', target.n) != NULL)
        return WR_EINVAL;
    wr_unixfs_write(&w, &u, NULL);
    WR_CHECK(!w.bad);
    ret_block->bytes = wr_span(buf, w.n);
    ret_block->cid = wr_cid_of(WR_CODEC_DAG_PB, hash, ret_block->bytes);
    *ret_tree = (struct wr_tree){.cid = ret_block->cid, .tsize = w.n};
    return WR_OK;
}
