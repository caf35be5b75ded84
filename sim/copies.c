/* copies.c - see copies.h. */
#include "copies.h"

static bool site_listed(const struct wr_world *w, const wr_host *v, uint32_t n,
                        wr_host h)
{
    for (uint32_t i = 0; i < n; i++)
        if (w->book.hosts[v[i]].site == w->book.hosts[h].site)
            return true;
    return false;
}

uint32_t wr_copies_set(const struct wr_world *w, const struct wr_circle *all,
                       const struct wr_id *key, wr_host ret[WR_SET_MAX])
{
    const uint32_t first = wr_circle_from(all, key);
    wr_host near[WR_SET_MAX];
    uint32_t near_n = 0, n = 0, want = w->cfg.node.copies;

    for (uint32_t i = 0; i < all->n && near_n < WR_SET_MAX; i++) {
        const wr_host h = wr_ref_host(all->refs[(first + i) % all->n]);

        if (wr_world_serves(w, h) && !wr_host_listed(near, near_n, h))
            near[near_n++] = h;
    }
    want = want < near_n ? want : near_n;
    for (uint32_t i = 0; i < near_n && n < want; i++)
        if (!site_listed(w, ret, n, near[i]))
            ret[n++] = near[i];
    for (uint32_t i = 0; i < near_n && n < want; i++)
        if (!wr_host_listed(ret, n, near[i]))
            ret[n++] = near[i];
    return n;
}

void wr_copies_of(const struct wr_world *w, const struct wr_circle *all,
                  bool root, const struct wr_id *key, struct wr_copies *ret)
{
    wr_host set[WR_SET_MAX];

    *ret = (struct wr_copies){.want = wr_copies_set(w, all, key, set)};
    for (wr_host h = 0; h < w->cfg.hosts; h++) {
        const struct wr_disk *d = &w->hosts[h].disk;
        const struct wr_disk_item *it =
            wr_disk_find(root ? &d->roots : &d->chunks, key);

        if (it == NULL || !wr_world_serves(w, h) || it->rot == 2)
            continue;
        if (wr_host_listed(set, ret->want, h))
            ret->stand++;
        else
            ret->strays++;
    }
}
