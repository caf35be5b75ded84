/* links.c - see links.h. */
#include "links.h"

#include <stdlib.h>

enum { CAP_MIN = 8 };

/* Where `peer` is, or would be. */
static struct wr_sim_link *slot_of(const struct wr_links *t, wr_host peer)
{
    const uint32_t mask = t->cap - 1;
    uint32_t i = (peer * UINT32_C(2654435769)) >> 7 & mask;

    while (t->v[i].peer != 0 && t->v[i].peer != peer + 1)
        i = (i + 1) & mask;
    return &t->v[i];
}

struct wr_sim_link *wr_links_find(const struct wr_links *t, wr_host peer)
{
    struct wr_sim_link *l;

    if (t->cap == 0)
        return NULL;
    l = slot_of(t, peer);
    return l->peer != 0 ? l : NULL;
}

/* Twice as large, unless entries that say nothing make room enough. */
static bool grow(struct wr_links *t)
{
    struct wr_links was = *t;
    uint32_t live = 0;

    for (uint32_t i = 0; i < was.cap; i++)
        live += was.v[i].epoch != 0 || was.v[i].dials != 0;
    if (was.cap == 0)
        t->cap = CAP_MIN;
    else if (live > was.cap / 2)
        t->cap = 2 * was.cap;
    t->v = calloc(t->cap, sizeof(t->v[0]));
    if (t->v == NULL) {
        *t = was;
        return false;
    }
    t->n = live;
    for (uint32_t i = 0; i < was.cap; i++)
        if (was.v[i].epoch != 0 || was.v[i].dials != 0)
            *slot_of(t, wr_link_peer(&was.v[i])) = was.v[i];
    free(was.v);
    return true;
}

struct wr_sim_link *wr_links_at(struct wr_links *t, wr_host peer)
{
    struct wr_sim_link *l = wr_links_find(t, peer);

    if (l != NULL)
        return l;
    if (t->n >= t->cap / 4 * 3 && !grow(t))
        return NULL;
    l = slot_of(t, peer);
    l->peer = peer + 1;
    t->n++;
    return l;
}

void wr_links_clear(struct wr_links *t)
{
    if (t->cap > 0)
        memset(t->v, 0, t->cap * sizeof(t->v[0]));
    t->n = 0;
}

void wr_links_done(struct wr_links *t)
{
    free(t->v);
    *t = (struct wr_links){0};
}
