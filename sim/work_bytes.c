/* work_bytes.c - files with bytes: a chunk's name is their hash then, and they
 * are made again, from its number, whenever they pass a link. */
#include <stdlib.h>

#include "crypto/blake2b.h"
#include "work_private.h"
#include "world_private.h"

/* Whose bytes have a name; open addressing. */
struct wr_work_name {
    struct wr_id name;
    uint64_t seed; /* 0: a free slot. */
};

static void make(uint64_t seed, uint8_t *to, uint32_t n)
{
    struct wr_rng r = {seed};

    wr_rng_fill(&r, to, n);
}

static struct wr_work_name *slot_of(const struct wr_work_names *t,
                                    const struct wr_id *name)
{
    uint32_t i = (uint32_t)wr_id_prefix(name) & (t->cap - 1);

    while (t->v[i].seed != 0 && !wr_id_eq(&t->v[i].name, name))
        i = (i + 1) & (t->cap - 1);
    return &t->v[i];
}

static void grow(struct wr_work_names *t)
{
    const struct wr_work_names was = *t;

    t->cap = was.cap == 0 ? 256 : 2 * was.cap;
    t->v = world_must(calloc(t->cap, sizeof(t->v[0])));
    for (uint32_t i = 0; i < was.cap; i++)
        if (was.v[i].seed != 0)
            *slot_of(t, &was.v[i].name) = was.v[i];
    free(was.v);
}

/* A body that nobody put has no bytes that could match. */
static void bytes(struct wr_world *w, const struct wr_id *name, uint8_t *to,
                  uint32_t n)
{
    const struct wr_work *k = w->leaf_arg;

    make(slot_of(&k->names, name)->seed, to, n);
}

struct wr_id work_name(struct wr_work *k, uint64_t seed, uint32_t n)
{
    struct wr_work_names *t = &k->names;
    uint8_t *room = world_must(malloc(n));
    const struct wr_span all = wr_span(room, n);
    struct wr_id name;

    make(seed, room, n);
    wr_blake2b_256(&all, 1, name.b);
    free(room);
    if (t->n >= t->cap / 4 * 3)
        grow(t);
    t->n++;
    *slot_of(t, &name) = (struct wr_work_name){name, seed};
    return name;
}

void work_bytes_init(struct wr_work *k)
{
    if (!k->w->cfg.codec)
        return;
    grow(&k->names);
    k->w->bytes = bytes;
}

void work_bytes_done(struct wr_work *k)
{
    free(k->names.v);
}
