/* routes.c - see routes.h; rules are those of docs/protocol.md. */
#include "proto/routes.h"

#include <stdlib.h>

/* Bytes of an entry: its ref, its start, its finger's round. */
enum { EACH = sizeof(wr_ref) + sizeof(uint32_t) + sizeof(uint8_t) };

/* Of a finger: its round, and whether a lookup found it there. */
enum { ROUND = 0x7f, FOUND = 0x80 };

static const struct wr_id *id_at(const struct wr_routes *r,
                                 const struct wr_core *c, uint32_t i)
{
    return wr_core_id(c, r->refs[i]);
}

static uint32_t start_of(const struct wr_id *id)
{
    return (uint32_t)(wr_id_prefix(id) >> 32);
}

static bool before(const struct wr_routes *r, const struct wr_book *book,
                   uint32_t i, uint32_t start, const struct wr_id *key)
{
    if (r->starts[i] != start)
        return r->starts[i] < start;
    return wr_id_cmp(wr_book_id(book, r->refs[i]), key) < 0;
}

/* The first entry at or after `key` in the order of numbers; n if none. */
static uint32_t find(const struct wr_routes *r, const struct wr_book *book,
                     const struct wr_id *key)
{
    const uint32_t start = start_of(key);
    uint32_t lo = 0, hi = r->n;

    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;

        if (before(r, book, mid, start, key))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void insert(struct wr_routes *r, uint32_t at, wr_ref ref,
                   const struct wr_id *id)
{
    const uint32_t after = r->n - at;

    WR_CHECK(r->n < r->cap);
    memmove(&r->refs[at + 1], &r->refs[at], after * sizeof(*r->refs));
    memmove(&r->starts[at + 1], &r->starts[at], after * sizeof(*r->starts));
    memmove(&r->fingers[at + 1], &r->fingers[at], after);
    r->refs[at] = ref;
    r->starts[at] = start_of(id);
    r->fingers[at] = 0;
    r->n++;
}

static void drop(struct wr_routes *r, uint32_t at)
{
    const uint32_t after = --r->n - at;

    memmove(&r->refs[at], &r->refs[at + 1], after * sizeof(*r->refs));
    memmove(&r->starts[at], &r->starts[at + 1], after * sizeof(*r->starts));
    memmove(&r->fingers[at], &r->fingers[at + 1], after);
}

enum wr_err wr_routes_init(struct wr_routes *r, const struct wr_sight *sight,
                           const struct wr_node_cfg *cfg,
                           const struct wr_book *book)
{
    const uint32_t cap = cfg->routes_max + cfg->members;

    WR_CHECK(cfg->members > 0);
    *r = (struct wr_routes){
        .sight = sight,
        .refs = calloc(cap, EACH),
        .cap = cap,
        .round = 1,
        .bit = 255,
        .finger_at = cfg->finger_us == WR_NEVER ? WR_NEVER : 0,
    };
    if (r->refs == NULL)
        return WR_ENOMEM;
    r->starts = r->refs + cap; /* One block: a simulated ring has a million. */
    r->fingers = (uint8_t *)(r->starts + cap);
    for (uint8_t i = 0; i < cfg->members; i++) {
        const wr_ref own = wr_ref_of(cfg->self, i);

        const struct wr_id *id = wr_book_id(book, own);

        insert(r, find(r, book, id), own, id);
    }
    return WR_OK;
}

void wr_routes_done(struct wr_routes *r)
{
    free(r->refs);
    *r = (struct wr_routes){0};
}

size_t wr_routes_size(const struct wr_routes *r)
{
    return r->cap * EACH;
}

/* Learning and forgetting. */

/* How gladly we lose entry `i`: higher is gladlier, 0 is never. */
static uint32_t worth_dropping(const struct wr_routes *r,
                               const struct wr_core *c, uint32_t i)
{
    if (r->fingers[i] != 0 || wr_core_ours(c, r->refs[i]))
        return 0;
    return 1001 - r->sight->up_permille(c, wr_ref_host(r->refs[i]));
}

/* Makes room by the worst of a sample that starts anywhere, so that whoever
 * fills the table with names does not choose what it displaces. */
static bool make_room(struct wr_routes *r, struct wr_core *c)
{
    uint32_t i = (uint32_t)wr_rng_below(c->rng, r->n);
    uint32_t worst = 0, worst_at = 0;

    for (uint32_t k = 0; k < r->n; k++, i = i + 1 == r->n ? 0 : i + 1) {
        if (k >= WR_ROUTE_SAMPLE && worst > 0)
            break;
        const uint32_t w = worth_dropping(r, c, i);

        if (w > worst) {
            worst = w;
            worst_at = i;
        }
    }
    if (worst == 0)
        return false;
    drop(r, worst_at);
    return true;
}

/* Where `ref` is in the table, put there if it was not; cap if no room. */
static uint32_t place(struct wr_routes *r, struct wr_core *c, wr_ref ref)
{
    const struct wr_id *id = wr_core_id(c, ref);
    uint32_t at = find(r, c->book, id);

    if (at < r->n && r->refs[at] == ref)
        return at;
    if (r->n == r->cap) {
        if (!make_room(r, c))
            return r->cap;
        at = find(r, c->book, id);
    }
    insert(r, at, ref, id);
    return at;
}

void wr_routes_learn(struct wr_routes *r, struct wr_core *c, wr_ref ref)
{
    if (!r->fingers_only && wr_book_has(c->book, ref))
        (void)place(r, c, ref);
}

void wr_routes_learn_host(struct wr_routes *r, struct wr_core *c, wr_host h)
{
    const struct wr_book_host *host = wr_book_host(c->book, h);

    for (unsigned i = 0; i < host->members; i++)
        wr_routes_learn(r, c, wr_ref_of(h, i));
}

void wr_routes_forget_host(struct wr_routes *r, struct wr_core *c, wr_host h)
{
    WR_CHECK(h != c->cfg->self);
    for (uint32_t i = r->n; i-- > 0;)
        if (wr_ref_host(r->refs[i]) == h)
            drop(r, i);
}

/* Searching. */

static bool left_out(const struct wr_route_ask *ask, wr_host h)
{
    return wr_host_listed(ask->without, ask->without_n, h);
}

/* Another host, not left out, and alive for all we know. */
static bool alive(const struct wr_routes *r, const struct wr_core *c,
                  const struct wr_route_ask *ask, wr_ref ref)
{
    const wr_host h = wr_ref_host(ref);

    return !wr_core_ours(c, ref) && !left_out(ask, h) && !r->sight->dead(c, h);
}

/* How many bits the distance from entry `i` to `key` has. Where the starts tell
 * it alone, whatever the rest would borrow, the id is not looked at. */
static unsigned bits_from(const struct wr_routes *r, const struct wr_core *c,
                          uint32_t i, const struct wr_id *key)
{
    const uint32_t d = start_of(key) - r->starts[i];

    if ((d & (d - 1)) != 0)
        return WR_ID_BYTES * 8 - (unsigned)__builtin_clz(d);
    return wr_id_distance_bits(id_at(r, c, i), key);
}

/* The best of what was offered so far to precede the key, which is `way` bits
 * ahead of us. Progress is equal when the distance left to go has equally many
 * bits, of which a link that has yet to be set up costs some. One that stands
 * is worth that only where it halves the way: else our successor would always
 * be nearer at hand than a finger. */
struct best {
    unsigned way;
    wr_ref ref;
    unsigned bits;
    wr_time rtt;
};

static void offer(const struct wr_routes *r, const struct wr_core *c,
                  wr_ref ref, unsigned bits, enum wr_warmth warmth,
                  struct best *b)
{
    const wr_time known = r->sight->rtt(c, wr_ref_host(ref));
    const wr_time rtt = known == 0 ? WR_NEVER : known;

    if (warmth != WR_HOST_WARM || bits >= b->way)
        bits += WR_ROUTE_COLD;
    if (b->ref == WR_NO_REF || bits < b->bits ||
        (bits == b->bits && rtt < b->rtt)) {
        b->ref = ref;
        b->bits = bits;
        b->rtt = rtt;
    }
}

static size_t succs_of(const struct wr_routes *r, const struct wr_core *c,
                       unsigned member, const wr_ref **ret)
{
    const size_t n = r->sight->succs(c, member, ret);

    return r->fingers_only && n > 1 ? 1 : n;
}

/* Our member that most closely precedes `key`: what is behind it is no
 * progress. Its successors are the near candidates. WR_MEMBER_NONE if none of
 * ours is in the ring yet. */
static unsigned our_nearest(const struct wr_routes *r, const struct wr_core *c,
                            const struct wr_id *key)
{
    const wr_host self = c->cfg->self;
    unsigned best = WR_MEMBER_NONE;
    const wr_ref *succs;

    for (unsigned i = 0; i < c->cfg->members; i++) {
        if (r->sight->succs(c, i, &succs) == 0)
            continue;
        if (best == WR_MEMBER_NONE ||
            wr_id_between(wr_core_id(c, wr_ref_of(self, best)),
                          wr_core_id(c, wr_ref_of(self, i)), key))
            best = i;
    }
    return best;
}

enum { WHOLE_RING = WR_ID_BYTES * 8 + 1 /* Bits: farther than any key. */ };

/* The same with what it knows of its neighbours, and how many bits the way from
 * it to the key has: the whole ring if it is the key itself, which stands for
 * it, without successors, while we are not in the ring. */
struct near {
    wr_ref ref;
    const struct wr_id *id;
    unsigned way;
    const wr_ref *succs;
    size_t n;
};

static struct near near_of(const struct wr_routes *r, const struct wr_core *c,
                           const struct wr_id *key)
{
    const unsigned m = our_nearest(r, c, key);
    struct near near = {.ref = WR_NO_REF, .id = key, .way = WHOLE_RING};

    if (m == WR_MEMBER_NONE)
        return near;
    near.ref = wr_ref_of(c->cfg->self, m);
    near.id = wr_core_id(c, near.ref);
    if (!wr_id_eq(near.id, key))
        near.way = wr_id_distance_bits(near.id, key);
    near.n = succs_of(r, c, m, &near.succs);
    return near;
}

static bool farther(const struct best *b, unsigned bits)
{
    return b->ref != WR_NO_REF && bits > b->bits;
}

/* Of the table: backwards from the key to our own nearest member, so that each
 * is at least as far off as the one before it. */
static void offer_known(const struct wr_routes *r, const struct wr_core *c,
                        const struct wr_id *key, const struct wr_route_ask *ask,
                        wr_ref nearest, struct best *b)
{
    uint32_t at = find(r, c->book, key);

    for (uint32_t k = 0, seen = 0; k < r->n && seen < WR_ROUTE_CHOICE; k++) {
        enum wr_warmth warmth;
        unsigned bits;

        at = at == 0 ? r->n - 1 : at - 1;
        if (r->refs[at] == nearest)
            break;
        bits = bits_from(r, c, at, key);
        if (farther(b, bits))
            break;
        if (bits == 0 || wr_core_ours(c, r->refs[at]) ||
            left_out(ask, wr_ref_host(r->refs[at])))
            continue;
        warmth = r->sight->warmth(c, wr_ref_host(r->refs[at]));
        if (warmth == WR_HOST_DOUBTED)
            continue;
        offer(r, c, r->refs[at], bits, warmth, b);
        seen++;
    }
}

/* Of our nearest member's successors, the last of which is the nearest to a key
 * behind them all. */
static void offer_succs(const struct wr_routes *r, const struct wr_core *c,
                        const struct wr_id *key, const struct wr_route_ask *ask,
                        const struct near *near, struct best *b)
{
    const struct wr_id *last;

    if (near->n == 0)
        return;
    last = wr_core_id(c, near->succs[near->n - 1]);
    if (wr_id_between(near->id, last, key) &&
        farther(b, wr_id_distance_bits(last, key)))
        return;
    for (size_t i = 0; i < near->n; i++) {
        const wr_ref ref = near->succs[i];
        const struct wr_id *id = wr_core_id(c, ref);
        const unsigned bits = wr_id_distance_bits(id, key);

        if (wr_id_between(near->id, id, key) && !farther(b, bits) &&
            alive(r, c, ask, ref))
            offer(r, c, ref, bits, r->sight->warmth(c, wr_ref_host(ref)), b);
    }
}

/* The closest that precede the key. */
static wr_ref preceding(const struct wr_routes *r, const struct wr_core *c,
                        const struct wr_id *key, const struct wr_route_ask *ask,
                        const struct near *near)
{
    struct best best = {.way = near->way, .ref = WR_NO_REF};

    offer_known(r, c, key, ask, near->ref, &best);
    offer_succs(r, c, key, ask, near, &best);
    return best.ref;
}

/* Whether `x` is at or after `key` and before `limit`. */
static bool follows(const struct wr_id *key, const struct wr_id *x,
                    const struct wr_id *limit)
{
    return wr_id_eq(key, x) || wr_id_between(key, x, limit);
}

/* The first of the table at or after the key, before `limit`. */
static wr_ref following(const struct wr_routes *r, const struct wr_core *c,
                        const struct wr_id *key, const struct wr_id *limit,
                        const struct wr_route_ask *ask)
{
    const uint32_t start = find(r, c->book, key);

    for (uint32_t k = 0; k < r->n; k++) {
        const uint32_t at = (start + k) % r->n;

        if (!follows(key, id_at(r, c, at), limit))
            break;
        if (alive(r, c, ask, r->refs[at]))
            return r->refs[at];
    }
    return WR_NO_REF;
}

/* The owner by our own successor list: its neighbours in the list are known
 * to be neighbours on the ring, as of the last round (R4). */
static wr_ref owner_by_succs(const struct wr_routes *r, const struct wr_core *c,
                             const struct wr_id *key,
                             const struct wr_route_ask *ask,
                             const struct near *near)
{
    if (near->n == 0 ||
        !wr_id_owns(near->id, key, wr_core_id(c, near->succs[near->n - 1])))
        return WR_NO_REF; /* It is behind them all. */
    for (size_t i = 0; i < near->n; i++) {
        if (!alive(r, c, ask, near->succs[i]))
            continue; /* Its range falls to the next. */
        if (wr_id_owns(near->id, key, wr_core_id(c, near->succs[i])))
            return near->succs[i];
    }
    return WR_NO_REF;
}

/* The owner by a finger: the finger of a position owns all from that position
 * to itself, as of its last refresh. */
static wr_ref owner_by_finger(const struct wr_routes *r,
                              const struct wr_core *c, const struct wr_id *key,
                              const struct wr_route_ask *ask,
                              const struct near *near)
{
    if (near->way == WHOLE_RING)
        return WR_NO_REF;
    const struct wr_id from = wr_id_add_pow2(near->id, near->way - 1);
    const uint32_t at = find(r, c->book, &from) % r->n;

    if ((r->fingers[at] & FOUND) == 0 || !alive(r, c, ask, r->refs[at]) ||
        !wr_id_owns(&from, key, id_at(r, c, at)))
        return WR_NO_REF;
    return r->refs[at];
}

/* A nearer known member than `ref` between the key and it: the news of a
 * joiner may come by other ways than the successor list. */
static wr_ref nearer(const struct wr_routes *r, const struct wr_core *c,
                     const struct wr_id *key, wr_ref ref,
                     const struct wr_route_ask *ask)
{
    const wr_ref f = following(r, c, key, wr_core_id(c, ref), ask);

    return f == WR_NO_REF ? ref : f;
}

bool wr_routes_dense(const struct wr_routes *r, const struct wr_core *c)
{
    uint64_t gaps = 0; /* In 2^-58 of the ring: 64 of them cannot overflow. */
    uint32_t seen = 0;

    if (r->fingers_only)
        return false;
    for (unsigned i = 0; i < c->cfg->members; i++) {
        const wr_ref *succs;
        const size_t n = succs_of(r, c, i, &succs);

        if (n == 0)
            continue;
        const struct wr_id d =
            wr_id_distance(wr_core_id(c, wr_ref_of(c->cfg->self, i)),
                           wr_core_id(c, succs[n - 1]));
        gaps += wr_id_prefix(&d) / WR_MEMBERS_MAX;
        seen += (uint32_t)n;
    }
    if (seen == 0)
        return true; /* Alone: all there is. */
    const uint64_t gap = gaps / seen + 1;
    const uint64_t members = (UINT64_MAX / WR_MEMBERS_MAX) / gap;
    return (uint64_t)r->n * 2 >= members;
}

/* The member just before ours that was wrongly believed to own the key, but
 * not before the key: our predecessor there, or one that is nearer still. */
static wr_ref step_back(const struct wr_routes *r, const struct wr_core *c,
                        const struct wr_id *key, const struct wr_route_ask *ask)
{
    const struct wr_id *limit = wr_core_id(c, ask->missed);
    const wr_ref pred = r->sight->pred(c, wr_ref_index(ask->missed));

    if (pred != WR_NO_REF && alive(r, c, ask, pred) &&
        follows(key, wr_core_id(c, pred), limit))
        return nearer(r, c, key, pred, ask);
    return following(r, c, key, limit, ask);
}

/* Who is believed to own the key, by the surest knowledge there is. */
static wr_ref believed(const struct wr_routes *r, const struct wr_core *c,
                       const struct wr_id *key, const struct wr_route_ask *ask,
                       const struct near *near)
{
    wr_ref ref = owner_by_succs(r, c, key, ask, near);

    if (ref == WR_NO_REF)
        ref = owner_by_finger(r, c, key, ask, near);
    if (ref != WR_NO_REF)
        return nearer(r, c, key, ref, ask);
    return wr_routes_dense(r, c) ? following(r, c, key, key, ask) : WR_NO_REF;
}

bool wr_routes_next(const struct wr_routes *r, const struct wr_core *c,
                    const struct wr_id *key, const struct wr_route_ask *ask,
                    struct wr_hop *ret)
{
    *ret = (struct wr_hop){.ref = WR_NO_REF, .straight = true};
    if (ask->missed != WR_NO_REF) {
        ret->ref = step_back(r, c, key, ask);
    } else {
        const struct near near = near_of(r, c, key);

        if (!ask->doubt)
            ret->ref = believed(r, c, key, ask, &near);
        if (ret->ref == WR_NO_REF) {
            ret->ref = preceding(r, c, key, ask, &near);
            ret->straight = ret->ref == WR_NO_REF;
        }
        if (ret->ref == WR_NO_REF)
            ret->ref = owner_by_succs(r, c, key, ask, &near);
    }
    return ret->ref != WR_NO_REF;
}

bool wr_routes_owner(const struct wr_routes *r, const struct wr_core *c,
                     const struct wr_id *key, wr_ref *ret)
{
    const struct wr_route_ask ask = {.missed = WR_NO_REF};
    struct wr_hop hop;

    if (r->sight->owns(c, key, ret))
        return true;
    if (!wr_routes_next(r, c, key, &ask, &hop) || !hop.straight)
        return false;
    *ret = hop.ref;
    return true;
}

size_t wr_routes_clockwise(const struct wr_routes *r, const struct wr_core *c,
                           const struct wr_id *key, wr_host *ret, size_t max)
{
    const uint32_t start = find(r, c->book, key);
    size_t n = 0;

    for (uint32_t k = 0; k < r->n && n < max; k++) {
        const wr_host h = wr_ref_host(r->refs[(start + k) % r->n]);

        if (!wr_host_listed(ret, n, h))
            ret[n++] = h;
    }
    return n;
}

uint32_t wr_routes_of(const struct wr_routes *r, const struct wr_core *c,
                      bool (*counts)(const struct wr_core *c, wr_host h))
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->n; i++)
        n += counts(c, wr_ref_host(r->refs[i]));
    return n;
}

bool wr_routes_arc(const struct wr_routes *r, const struct wr_core *c,
                   const struct wr_id *key,
                   bool (*counts)(const struct wr_core *c, wr_host h),
                   struct wr_id *ret_from, struct wr_id *ret_to)
{
    const uint32_t start = find(r, c->book, key);
    uint32_t to = 0, from = 1;

    while (to < r->n && !counts(c, wr_ref_host(r->refs[(start + to) % r->n])))
        to++;
    if (to >= r->n)
        return false;
    to = (start + to) % r->n;
    while (from < r->n &&
           !counts(c, wr_ref_host(r->refs[(to + r->n - from) % r->n])))
        from++;
    *ret_to = *wr_core_id(c, r->refs[to]);
    *ret_from = *wr_core_id(c, r->refs[(to + r->n - from) % r->n]);
    return true;
}

size_t wr_routes_before(const struct wr_routes *r, const struct wr_core *c,
                        const struct wr_id *key, wr_ref *ret, size_t max)
{
    const uint32_t start = find(r, c->book, key);
    size_t n = 0;

    for (uint32_t k = 1; k <= r->n && n < max; k++) {
        const wr_ref ref = r->refs[(start + r->n - k) % r->n];

        if (wr_core_ours(c, ref))
            break;
        if (!r->sight->dead(c, wr_ref_host(ref)))
            ret[n++] = ref;
    }
    return n;
}

/* Fingers: member + 2^bit, from the farthest down to the first that our
 * successors already cover, member after member; then a new round. */

/* A round ended: what it did not find again is a finger no more. */
static void end_round(struct wr_routes *r)
{
    for (uint32_t i = 0; i < r->n; i++)
        if ((r->fingers[i] & ROUND) != r->round)
            r->fingers[i] = 0;
    r->round = r->round == ROUND ? 1 : (uint8_t)(r->round + 1);
    r->member = 0;
}

static void next_member(struct wr_routes *r, const struct wr_core *c)
{
    r->bit = 255;
    r->member++;
    if (r->member >= c->cfg->members)
        end_round(r);
}

/* Asks the detector about one entry that is too doubtful to be used. */
static void refresh_one(struct wr_routes *r, struct wr_core *c)
{
    const struct wr_sight *s = r->sight;
    const uint32_t start = (uint32_t)wr_rng_below(c->rng, r->n);

    for (uint32_t k = 0; k < r->n && k < WR_ROUTE_SAMPLE; k++) {
        const wr_ref ref = r->refs[(start + k) % r->n];
        const wr_host h = wr_ref_host(ref);

        if (!wr_core_ours(c, ref) && !s->dead(c, h) &&
            s->up_permille(c, h) < WR_UP_MIN) {
            s->refresh(c, h);
            return;
        }
    }
}

/* L11: whether a member is known, and not doubted, between `at` and twice as
 * far from ours. It serves as well as the finger, and stays as one; should it
 * be gone, the hop that finds out will find another. */
static bool covered(struct wr_routes *r, const struct wr_core *c,
                    const struct wr_id *at, unsigned bit)
{
    const struct wr_id end = wr_id_add_pow2(at, bit);
    const uint32_t start = find(r, c->book, at);

    if (r->fingers_only)
        return false;
    for (uint32_t k = 0; k < r->n; k++) {
        const uint32_t i = (start + k) % r->n;
        const wr_ref ref = r->refs[i];

        if (!follows(at, id_at(r, c, i), &end))
            break;
        if (!wr_core_ours(c, ref) &&
            r->sight->warmth(c, wr_ref_host(ref)) != WR_HOST_DOUBTED) {
            if ((r->fingers[i] & ROUND) != r->round)
                r->fingers[i] = r->round;
            return true;
        }
    }
    return false;
}

bool wr_routes_finger_due(struct wr_routes *r, struct wr_core *c,
                          struct wr_id *ret)
{
    const wr_ref *succs;
    size_t n;

    if (c->now < r->finger_at)
        return false;
    r->finger_at = c->now + wr_core_interval(c, c->cfg->finger_us);
    refresh_one(r, c);
    n = succs_of(r, c, r->member, &succs);
    if (n == 0) {
        next_member(r, c);
        return false;
    }
    const struct wr_id *us = wr_core_id(c, wr_ref_of(c->cfg->self, r->member));

    while (r->bit > 0) {
        const struct wr_id at = wr_id_add_pow2(us, r->bit);

        if (wr_id_owns(us, &at, wr_core_id(c, succs[n - 1])))
            break;
        if (!covered(r, c, &at, r->bit--)) {
            *ret = at;
            return true;
        }
    }
    next_member(r, c);
    return false;
}

void wr_routes_finger(struct wr_routes *r, struct wr_core *c, wr_ref ref)
{
    if (!wr_book_has(c->book, ref) || wr_core_ours(c, ref))
        return;
    const uint32_t at = place(r, c, ref);

    if (at < r->cap)
        r->fingers[at] = FOUND | r->round;
}

void wr_routes_begin(struct wr_routes *r, struct wr_core *c,
                     const wr_ref *fingers, size_t n, wr_time at)
{
    for (size_t i = 0; i < n; i++)
        wr_routes_finger(r, c, fingers[i]);
    if (r->finger_at != WR_NEVER)
        r->finger_at = at;
}

wr_time wr_routes_deadline(const struct wr_routes *r)
{
    return r->finger_at;
}
