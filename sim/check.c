/* check.c - see check.h. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

/* All live members, by id. */
struct view {
    const struct wr_world *w;
    wr_ref *refs;
    const struct wr_ring **rings;
    uint32_t n;
    uint32_t *skips; /* Differences; then how often each is skipped. */
    uint32_t *next;  /* The first live entry of each. */
    uint8_t *colour;
};

static const struct wr_id *id_of(const struct view *v, wr_ref r)
{
    return wr_book_id(&v->w->book, r);
}

/* How many live members have an id below `id`. */
static uint32_t below(const struct view *v, const struct wr_id *id)
{
    uint32_t lo = 0, hi = v->n;

    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;

        if (wr_id_cmp(id_of(v, v->refs[mid]), id) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool index_of(const struct view *v, wr_ref r, uint32_t *ret)
{
    const uint32_t i = below(v, id_of(v, r));

    *ret = i;
    return i < v->n && v->refs[i] == r;
}

static void *room(size_t n, size_t each)
{
    void *p = calloc(n + 2, each);

    if (p == NULL)
        abort();
    return p;
}

static void insert(struct view *v, const struct wr_ring *r)
{
    uint32_t i = v->n++;

    for (; i > 0 && wr_id_cmp(id_of(v, r->self), id_of(v, v->refs[i - 1])) < 0;
         i--) {
        v->refs[i] = v->refs[i - 1];
        v->rings[i] = v->rings[i - 1];
    }
    v->refs[i] = r->self;
    v->rings[i] = r;
}

static void view_init(struct view *v, const struct wr_world *w)
{
    const size_t most = (size_t)w->cfg.hosts * w->cfg.members;

    *v = (struct view){
        .w = w,
        .refs = room(most, sizeof(wr_ref)),
        .rings = room(most, sizeof(struct wr_ring *)),
        .skips = room(most, sizeof(uint32_t)),
        .next = room(most, sizeof(uint32_t)),
        .colour = room(most, 1),
    };
    for (wr_host h = 0; h < w->cfg.hosts; h++) {
        for (uint8_t i = 0; wr_world_is_up(w, h) && i < w->cfg.members; i++) {
            const struct wr_ring *r = &w->hosts[h].node->core.rings[i];

            if (r->phase == WR_RING_MEMBER)
                insert(v, r);
        }
    }
}

static void view_done(struct view *v)
{
    free(v->refs);
    free(v->rings);
    free(v->skips);
    free(v->next);
    free(v->colour);
}

/* Everybody strictly inside (x, y) is skipped by this adjacent pair: one
 * difference at each end, two pairs where the arc passes zero. */
static void skip(struct view *v, wr_ref x, wr_ref y)
{
    const struct wr_id *a = id_of(v, x), *b = id_of(v, y);
    uint32_t from = below(v, a), to = below(v, b);

    if (from < v->n && wr_id_eq(id_of(v, v->refs[from]), a))
        from++;
    if (wr_id_cmp(a, b) < 0) {
        v->skips[from]++;
        v->skips[to]--;
    } else {
        v->skips[from]++;
        v->skips[v->n]--;
        v->skips[0]++;
        v->skips[to]--;
    }
}

static bool ordered(const struct view *v, const struct wr_ring *r)
{
    wr_ref last = r->self;

    for (uint8_t i = 0; i < r->succs_n; i++) {
        if (r->succs[i] == r->self ||
            !wr_id_between(id_of(v, last), id_of(v, r->succs[i]),
                           id_of(v, r->self)))
            return false;
        last = r->succs[i];
    }
    return true;
}

static bool ideal(const struct view *v, uint32_t i)
{
    const struct wr_ring *r = v->rings[i];
    const uint32_t want =
        v->n - 1 < v->w->cfg.node.succs ? v->n - 1 : v->w->cfg.node.succs;

    if (r->succs_n != want || r->pred != v->refs[(i + v->n - 1) % v->n])
        return false;
    for (uint32_t k = 0; k < want; k++) {
        if (r->succs[k] != v->refs[(i + 1 + k) % v->n])
            return false;
    }
    return true;
}

/* One member: its list, whom it skips, and its first live entry. */
static void look_at(struct view *v, uint32_t i, struct wr_check *ret)
{
    const struct wr_ring *r = v->rings[i];
    wr_ref last = r->self;

    if (!ordered(v, r))
        ret->unordered++;
    v->next[i] = v->n;
    for (uint8_t k = 0; k < r->succs_n; k++) {
        uint32_t at;

        skip(v, last, r->succs[k]);
        last = r->succs[k];
        if (v->next[i] == v->n && index_of(v, r->succs[k], &at))
            v->next[i] = at;
    }
    if (v->next[i] == v->n)
        ret->starved++;
    if (!ideal(v, i)) {
        ret->not_ideal++;
        if (ret->first_wrong == WR_NO_REF)
            ret->first_wrong = r->self;
    }
}

/* Cycles of first live entries. Colours: 0 new, 1 on this walk, 2 done. */
static void count_rings(struct view *v, struct wr_check *ret)
{
    for (uint32_t start = 0; start < v->n; start++) {
        uint32_t i = start;

        while (i < v->n && v->colour[i] == 0) {
            v->colour[i] = 1;
            i = v->next[i];
        }
        if (i >= v->n)
            ret->off_ring++;
        else if (v->colour[i] == 1)
            ret->rings++;
        for (i = start; i < v->n && v->colour[i] == 1; i = v->next[i])
            v->colour[i] = 2;
    }
}

void wr_check(const struct wr_world *w, struct wr_check *ret)
{
    struct view v;
    uint32_t skipped = 0;

    view_init(&v, w);
    *ret = (struct wr_check){.members = v.n, .first_wrong = WR_NO_REF};
    for (uint32_t i = 0; i < v.n; i++)
        look_at(&v, i, ret);
    for (uint32_t i = 0; i < v.n; i++) {
        skipped += v.skips[i];
        if (skipped == 0)
            ret->principals++;
    }
    count_rings(&v, ret);
    view_done(&v);
}

bool wr_check_invariant(const struct wr_world *w, const struct wr_check *k)
{
    return k->starved == 0 && k->unordered == 0 && k->rings == 1 &&
           k->principals >= w->cfg.node.succs + 1u;
}

bool wr_check_ideal(const struct wr_world *w, const struct wr_check *k)
{
    uint32_t want = 0;

    for (wr_host h = 0; h < w->cfg.hosts; h++)
        want += wr_world_is_up(w, h) ? w->cfg.members : 0;
    return k->members == want && k->not_ideal == 0 && k->rings == 1;
}

wr_ref wr_check_owner(const struct wr_world *w, const struct wr_id *key)
{
    struct view v;
    wr_ref owner = WR_NO_REF;

    view_init(&v, w);
    if (v.n > 0)
        owner = v.refs[below(&v, key) % v.n];
    view_done(&v);
    return owner;
}
