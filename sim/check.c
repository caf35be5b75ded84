/* check.c - see check.h. */
#include "check.h"

#include <stdlib.h>

#include "world_private.h"

/* All live members, by id. */
struct view {
    const struct wr_world *w;
    const struct wr_circle *all;
    const struct wr_ring **rings;
    uint32_t n;
    uint32_t *before; /* How many of them come before each rank. */
    uint32_t *skips;  /* Differences; then how often each is skipped. */
    uint32_t *next;   /* The first live entry of each. */
    uint8_t *colour;
};

static const struct wr_id *id_of(const struct view *v, wr_ref r)
{
    return wr_book_id(&v->w->book, r);
}

static wr_ref ref_of(const struct view *v, uint32_t i)
{
    return v->rings[i % v->n]->self;
}

static bool index_of(const struct view *v, wr_ref r, uint32_t *ret)
{
    *ret = v->before[wr_circle_rank(v->all, r)];
    return wr_world_member(v->w, r) != NULL;
}

static void *room(size_t n, size_t each)
{
    return world_must(calloc(n + 2, each));
}

static void view_init(struct view *v, const struct wr_world *w,
                      const struct wr_circle *all)
{
    *v = (struct view){
        .w = w,
        .all = all,
        .rings = room(all->n, sizeof(v->rings[0])),
        .before = room(all->n, sizeof(v->before[0])),
    };
    for (uint32_t rank = 0; rank < all->n; rank++) {
        const struct wr_ring *r = wr_world_member(w, all->refs[rank]);

        v->before[rank] = v->n;
        if (r != NULL)
            v->rings[v->n++] = r;
    }
    v->before[all->n] = v->n;
    v->skips = room(v->n, sizeof(v->skips[0]));
    v->next = room(v->n, sizeof(v->next[0]));
    v->colour = room(v->n, 1);
}

static void view_done(struct view *v)
{
    free(v->rings);
    free(v->before);
    free(v->skips);
    free(v->next);
    free(v->colour);
}

/* Everybody strictly inside (x, y) is skipped by this adjacent pair: one
 * difference at each end, two pairs where the arc passes zero. */
static void skip(struct view *v, wr_ref x, wr_ref y)
{
    const uint32_t a = wr_circle_rank(v->all, x), b = wr_circle_rank(v->all, y);
    const uint32_t from = v->before[a + 1], to = v->before[b];

    if (a < b) {
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

    if (r->succs_n != want || r->pred != ref_of(v, i + v->n - 1))
        return false;
    for (uint32_t k = 0; k < want; k++) {
        if (r->succs[k] != ref_of(v, i + 1 + k))
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
    if (v->n > 1) {
        ret->wrong_heads += r->succs_n == 0 || r->succs[0] != ref_of(v, i + 1);
        ret->wrong_preds += r->pred != ref_of(v, i + v->n - 1);
    }
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

void wr_check_by(const struct wr_world *w, const struct wr_circle *all,
                 struct wr_check *ret)
{
    struct view v;
    uint32_t skipped = 0;

    view_init(&v, w, all);
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

void wr_check(const struct wr_world *w, struct wr_check *ret)
{
    struct wr_circle all;

    if (wr_circle_init(&all, &w->book) != WR_OK)
        world_must(NULL);
    wr_check_by(w, &all, ret);
    wr_circle_done(&all);
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
        want += wr_world_serves(w, h) ? w->cfg.members : 0;
    return k->members == want && k->not_ideal == 0 && k->rings == 1;
}

const char *wr_check_caps(const struct wr_world *w)
{
    const struct wr_node_cfg *cfg = &w->cfg.node;

    for (wr_host h = 0; h < w->cfg.hosts; h++) {
        const struct wr_node *n = w->hosts[h].node;

        if (n == NULL)
            continue;
        if (n->peers.n > cfg->peers_max)
            return "peers";
        if (n->roster.n > cfg->roster_max)
            return "roster";
        if (n->routes.n > cfg->routes_max + w->cfg.members)
            return "routes";
        if (n->replica.leaf_ops > cfg->ops_max)
            return "requests of leaves";
        for (uint8_t i = 0; i < w->cfg.members; i++)
            if (n->core.rings[i].succs_n > cfg->succs)
                return "successors";
    }
    return NULL;
}

void wr_check_shares(const struct wr_world *w, const struct wr_circle *all,
                     double *ret)
{
    uint32_t up = 0;
    uint64_t from = 0;
    bool any = false;

    for (wr_host h = 0; h < w->cfg.hosts; h++) {
        ret[h] = 0;
        up += wr_world_serves(w, h);
    }
    /* Twice round: the first member's arc begins at the last one. */
    for (uint32_t i = 0; i < 2 * all->n; i++) {
        const wr_ref ref = all->refs[i % all->n];
        const uint64_t at = wr_id_prefix(wr_book_id(&w->book, ref));

        if (wr_world_member(w, ref) == NULL)
            continue;
        if (any && i >= all->n)
            ret[wr_ref_host(ref)] += (double)(at - from) * 0x1p-64;
        from = at;
        any = true;
    }
    for (wr_host h = 0; h < w->cfg.hosts; h++)
        ret[h] *= up;
}

wr_ref wr_check_owner(const struct wr_world *w, const struct wr_id *key)
{
    wr_ref owner = WR_NO_REF;

    for (wr_host h = 0; h < w->cfg.hosts; h++) {
        for (uint8_t i = 0; wr_world_is_up(w, h) && i < w->cfg.members; i++) {
            const wr_ref ref = wr_ref_of(h, i);
            const struct wr_id *id = wr_book_id(&w->book, ref);

            if (wr_world_member(w, ref) == NULL)
                continue;
            if (wr_id_eq(id, key))
                return ref;
            if (owner == WR_NO_REF ||
                wr_id_between(key, id, wr_book_id(&w->book, owner)))
                owner = ref;
        }
    }
    return owner;
}
