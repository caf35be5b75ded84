/* links.c - see links.h. */
#include "links.h"

#include <stdlib.h>

enum { CAP_MIN = 8 };

/* Where `peer` is, or would be. */
static struct wr_sim_link *slot_of(const struct wr_links *t, wr_host peer)
{
    struct wr_sim_link *const end = &t->v[t->cap];
    struct wr_sim_link *l = wr_links_slot(t, peer);

    while (l->peer != 0 && l->peer != peer + 1)
        l = l + 1 == end ? t->v : l + 1;
    return l;
}

struct wr_sim_link *wr_links_find(const struct wr_links *t, wr_host peer)
{
    struct wr_sim_link *l;

    if (t->cap == 0)
        return NULL;
    l = slot_of(t, peer);
    return l->peer != 0 ? l : NULL;
}

static bool says_something(const struct wr_sim_link *l)
{
    return l->epoch != 0 || l->dials != 0;
}

/* Into a table of `cap` slots: what says something. If that would be more than
 * half of them, only as much, of what was used of late. */
static bool rebuild(struct wr_links *t, uint32_t cap, uint32_t live)
{
    const bool close = live > cap / 2;
    const struct wr_links was = *t;

    *t = (struct wr_links){.v = calloc(cap, sizeof(t->v[0])), .cap = cap};
    if (t->v == NULL) {
        *t = was;
        return false;
    }
    for (uint32_t i = 0; i < was.cap; i++) {
        struct wr_sim_link l = was.v[i];

        if (!says_something(&l) || (close && (!l.used || t->n == cap / 2)))
            continue;
        l.used = l.used && !close;
        *slot_of(t, wr_link_peer(&l)) = l;
        t->n++;
    }
    free(was.v);
    return true;
}

/* Twice as large, unless it can be made roomy: entries that say nothing go, and
 * idle links where there are enough. */
static bool grow(struct wr_links *t, uint32_t max)
{
    uint32_t live = 0;

    if (t->cap == 0)
        return rebuild(t, CAP_MIN, 0);
    for (uint32_t i = 0; i < t->cap; i++)
        live += says_something(&t->v[i]);
    return rebuild(
        t, live > t->cap / 2 && t->cap / 2 < max ? 2 * t->cap : t->cap, live);
}

struct wr_sim_link *wr_links_at(struct wr_links *t, wr_host peer, uint32_t max)
{
    struct wr_sim_link *l = wr_links_find(t, peer);

    if (l != NULL) {
        l->used = 1;
        return l;
    }
    if (t->n >= t->cap / 4 * 3 && !grow(t, max))
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
