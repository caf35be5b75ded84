/* work_census.c - what was acknowledged, and how many copies of it there are:
 * seen from above, by walking all disks. */
#include <stdlib.h>

#include "work_private.h"
#include "world_private.h"

/* Keys are random: their first eight bytes tell them apart. */
static uint64_t name_of(const struct wr_id *key)
{
    const uint64_t name = wr_id_prefix(key);

    return name == 0 ? 1 : name;
}

/* Its slot, or the free one where it would be. */
static struct wr_work_entry *slot_of(const struct wr_work_census *c,
                                     uint64_t key)
{
    uint32_t i = (uint32_t)key & (c->cap - 1);

    while (c->v[i].key != 0 && c->v[i].key != key)
        i = (i + 1) & (c->cap - 1);
    return &c->v[i];
}

static struct wr_work_entry *find(const struct wr_work_census *c,
                                  const struct wr_id *key)
{
    struct wr_work_entry *e;

    if (c->cap == 0)
        return NULL;
    e = slot_of(c, name_of(key));
    return e->key != 0 ? e : NULL;
}

static void grow(struct wr_work_census *c)
{
    const struct wr_work_census was = *c;

    c->cap = was.cap == 0 ? 1024 : 2 * was.cap;
    c->v = world_must(calloc(c->cap, sizeof(c->v[0])));
    for (uint32_t i = 0; i < was.cap; i++)
        if (was.v[i].key != 0)
            *slot_of(c, was.v[i].key) = was.v[i];
    free(was.v);
}

void work_acked(struct wr_work *k, const struct wr_id *key, uint8_t copies)
{
    struct wr_work_census *c = &k->census;
    struct wr_work_entry *e;

    if (c->n >= c->cap / 4 * 3)
        grow(c);
    e = slot_of(c, name_of(key));
    c->n += e->key == 0;
    if (e->key == 0 || e->lost)
        *e = (struct wr_work_entry){.key = name_of(key), .promised = copies};
}

bool work_is_acked(const struct wr_work *k, const struct wr_id *key)
{
    return find(&k->census, key) != NULL;
}

bool work_somebody_has(const struct wr_work *k, const struct wr_id *key)
{
    for (wr_host h = 0; h < k->w->cfg.hosts; h++)
        if (wr_world_is_up(k->w, h) &&
            wr_disk_find(&k->w->hosts[h].disk.chunks, key) != NULL)
            return true;
    return false;
}

static void see(struct wr_work_census *c, const struct wr_disk_table *t,
                bool up)
{
    for (uint32_t i = 0; i < t->n; i++) {
        struct wr_work_entry *e = find(c, &t->v[i].key);

        if (e == NULL || e->disks == UINT8_MAX || t->v[i].rot != 0)
            continue;
        e->disks++;
        e->live += up;
    }
}

static void wipe(struct wr_work_census *c, const struct wr_disk_table *t)
{
    for (uint32_t i = 0; i < t->n; i++) {
        struct wr_work_entry *e = find(c, &t->v[i].key);

        if (e != NULL && e->wiped < UINT8_MAX)
            e->wiped++;
    }
}

void wr_work_wiped(struct wr_work *k, wr_host h)
{
    if (k->w == NULL || k->w->hosts[h].farewell)
        return;
    for (uint32_t i = 0; i < k->w->hosts[h].disk.chunks.n; i++)
        k->wiped_bytes += k->w->hosts[h].disk.chunks.v[i].len;
    wr_work_count(k); /* `most` up to now. */
    wipe(&k->census, &k->w->hosts[h].disk.chunks);
    wipe(&k->census, &k->w->hosts[h].disk.roots);
}

/* What is promised: as long as fewer disks are lost than have had a copy - as
 * many as were acknowledged, or all n once they stood - one is left. */
static void judge(struct wr_work *k, struct wr_work_entry *e)
{
    struct wr_work_census *c = &k->census;
    const uint8_t all = k->w->cfg.node.copies;
    const uint8_t stood = e->most > e->promised ? e->most : e->promised;

    if (e->disks > 0 || e->lost)
        return;
    e->lost = true;
    if (e->wiped < (stood < all ? stood : all))
        c->lost++;
    else
        c->lost_beyond++;
}

void wr_work_count(struct wr_work *k)
{
    struct wr_work_census *c = &k->census;

    for (uint32_t i = 0; i < c->cap; i++)
        c->v[i].disks = c->v[i].live = 0;
    for (wr_host h = 0; c->n > 0 && h < k->w->cfg.hosts; h++) {
        const struct wr_world_host *host = &k->w->hosts[h];

        if (host->farewell)
            continue;
        see(c, &host->disk.chunks, wr_world_is_up(k->w, h));
        see(c, &host->disk.roots, wr_world_is_up(k->w, h));
    }
    memset(c->hist, 0, sizeof(c->hist));
    c->sum = 0;
    for (uint32_t i = 0; i < c->cap; i++) {
        struct wr_work_entry *e = &c->v[i];

        if (e->key == 0)
            continue;
        if (e->disks > e->most)
            e->most = e->disks;
        judge(k, e);
        c->sum += e->live;
        c->hist[e->live < WR_WORK_COPIES_SHOWN ? e->live
                                               : WR_WORK_COPIES_SHOWN]++;
    }
}
