/* still_sight.c - see still.h: what a host sees of the ring. */
#include "still.h"

static struct still_host *still_us(const struct wr_core *c)
{
    return (struct still_host *)((uintptr_t)c -
                                 offsetof(struct still_host, core));
}

static uint32_t still_ring_at(const struct still *w, const struct wr_id *key)
{
    uint32_t lo = 0, hi = w->ring_n;

    while (lo < hi) {
        const uint32_t mid = (lo + hi) / 2;

        if (wr_id_cmp(wr_book_id(&w->book, w->ring[mid]), key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool still_member(const struct still *w, wr_ref r)
{
    return w->hosts[wr_ref_host(r)].in_ring;
}

wr_ref still_owner(const struct still *w, const struct wr_id *key)
{
    const uint32_t at = still_ring_at(w, key);

    for (uint32_t k = 0; k < w->ring_n; k++)
        if (still_member(w, w->ring[(at + k) % w->ring_n]))
            return w->ring[(at + k) % w->ring_n];
    return WR_NO_REF;
}

wr_host still_nth(const struct still *w, const struct wr_id *key, size_t nth)
{
    const uint32_t at = still_ring_at(w, key);
    wr_host seen[STILL_HOSTS];
    size_t n = 0;

    for (uint32_t k = 0; k < w->ring_n; k++) {
        const wr_host h = wr_ref_host(w->ring[(at + k) % w->ring_n]);
        bool known = !w->hosts[h].in_ring;

        for (size_t i = 0; i < n; i++)
            known = known || seen[i] == h;
        if (!known)
            seen[n++] = h;
        if (n == nth + 1)
            return h;
    }
    return WR_NO_HOST;
}

static bool still_owns(const struct wr_core *c, const struct wr_id *key,
                       wr_ref *ret)
{
    struct still_host *h = still_us(c);
    const wr_ref owner = still_owner(h->w, key);

    if (owner == WR_NO_REF || wr_ref_host(owner) != h->self)
        return false;
    *ret = owner;
    return true;
}

static size_t still_place(const struct wr_core *c, const struct wr_id *key,
                          wr_ref *ret, size_t max)
{
    struct still_host *h = still_us(c);
    size_t n = 0;

    while (n < max) {
        const wr_host next = still_nth(h->w, key, n);

        if (next == WR_NO_HOST)
            break;
        ret[n++] = wr_ref_of(next, 0);
    }
    return n;
}

static size_t still_succs(const struct wr_core *c, unsigned index,
                          const wr_ref **ret)
{
    struct still_host *h = still_us(c);
    struct still *w = h->w;
    const wr_ref us = wr_ref_of(h->self, index);
    const uint32_t at = still_ring_at(w, wr_book_id(&w->book, us));
    size_t n = 0;

    *ret = h->succs;
    if (!h->in_ring)
        return 0;
    for (uint32_t k = 1; k < w->ring_n && n < STILL_SUCCS; k++) {
        const wr_ref s = w->ring[(at + k) % w->ring_n];

        if (still_member(w, s))
            h->succs[n++] = s;
    }
    return n;
}

static wr_ref still_pred(const struct wr_core *c, unsigned index)
{
    struct still *w = still_us(c)->w;
    const wr_ref us = wr_ref_of(c->cfg->self, index);
    const uint32_t at = still_ring_at(w, wr_book_id(&w->book, us));

    for (uint32_t k = 1; k < w->ring_n; k++) {
        const wr_ref p = w->ring[(at + w->ring_n - k) % w->ring_n];

        if (still_member(w, p))
            return p;
    }
    return WR_NO_REF;
}

static size_t still_admitted(const struct wr_core *c)
{
    struct still_host *h = still_us(c);

    return h->w->roster ? h->w->n : 0;
}

static bool still_joined(const struct wr_core *c)
{
    return still_us(c)->in_ring;
}

uint64_t still_known(const struct wr_core *c)
{
    const struct still_host *us = still_us(c);

    return us->stubborn ? 0 : ~us->unaware;
}

/* `gone` counts; nobody here says who. */
static bool still_left(const struct wr_core *c, wr_host h)
{
    (void)c;
    (void)h;
    return false;
}

static uint32_t still_gone(const struct wr_core *c)
{
    return still_us(c)->w->gone;
}

/* What one knows the other knows from then on. */
static void still_compare(struct wr_core *c, wr_host h)
{
    struct still_host *us = still_us(c), *other = &us->w->hosts[h];

    us->w->compared++;
    us->unaware = other->unaware = us->unaware & other->unaware;
}

static wr_host still_admitted_next(const struct wr_core *c, uint32_t *at)
{
    const struct still_host *us = still_us(c);

    while (us->w->roster && *at < us->w->n) {
        const wr_host h = (*at)++;

        if (h >= 64 || (us->unaware >> h & 1) == 0)
            return h;
    }
    return WR_NO_HOST;
}

static bool still_dead(const struct wr_core *c, wr_host h)
{
    struct still_host *us = still_us(c);

    return us->w->hosts[h].held_dead;
}

static uint32_t still_up(const struct wr_core *c, wr_host h)
{
    return still_dead(c, h) ? 0 : 1000;
}

static enum wr_warmth still_warmth(const struct wr_core *c, wr_host h)
{
    struct still_host *us = still_us(c);

    if (us->w->hosts[h].held_dead)
        return WR_HOST_DOUBTED;
    return us->w->hosts[h].cold ? WR_HOST_COLD : WR_HOST_WARM;
}

static wr_time still_rtt(const struct wr_core *c, wr_host h)
{
    (void)c;
    (void)h;
    return WR_MS(2);
}

static wr_time still_patience(const struct wr_core *c, wr_host h)
{
    (void)c;
    (void)h;
    return WR_MS(100);
}

static void still_hush(struct wr_core *c, wr_host h)
{
    (void)c;
    (void)h;
}

const struct wr_sight still_sight = {
    .owns = still_owns,
    .place = still_place,
    .succs = still_succs,
    .pred = still_pred,
    .admitted = still_admitted,
    .joined = still_joined,
    .known = still_known,
    .gone = still_gone,
    .left = still_left,
    .compare = still_compare,
    .admitted_next = still_admitted_next,
    .dead = still_dead,
    .up_permille = still_up,
    .warmth = still_warmth,
    .rtt = still_rtt,
    .patience = still_patience,
    .silent = still_hush,
    .refresh = still_hush,
};
