/* puts.c - see puts.h. */
#include "puts.h"

#include <string.h>

#include "crypto/root.h"

enum { LEAVES = 1000, TRIES = 20, CHUNK_LEN = 1000 };

enum phase { OPENING, SENDING, KEEPING, KEPT, GIVING_UP, OVER, CUT_OFF };

/* Longer than a parent takes for any request. */
static const wr_time patience_us = WR_SEC(35);

static void violated(struct wr_puts *p, const struct wr_puts_one *one,
                     wr_host h, const char *why)
{
    if (p->why != NULL)
        return;
    p->why = why;
    p->wrong = (uint32_t)(one - p->v);
    p->wrong_host = h;
}

/* ---- the model ------------------------------------------------------------
 */

static bool is_under_way(const struct wr_puts_one *one)
{
    return one->phase == OPENING || one->phase == SENDING ||
           one->phase == KEEPING || one->phase == GIVING_UP;
}

/* By the true time, and by what its leaf knows. */
static bool is_over(const struct wr_puts *p, const struct wr_puts_one *one)
{
    const uint64_t now_s = wr_world_wall_s(p->w);

    if (one->given_up)
        return true;
    /* Its leaf said so, whether or not that was acknowledged. */
    if (one->keep_s > 0 && one->version > 1 && now_s >= one->keep_s)
        return true;
    return !one->kept && now_s >= one->ends_s;
}

static const struct wr_puts_one *find(const struct wr_puts *p,
                                      const struct wr_put_id *id)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (memcmp(&p->v[i].id, id, sizeof(*id)) == 0)
            return &p->v[i];
    return NULL;
}

static void on_drop(struct wr_world *w, wr_host h, const struct wr_fx *fx)
{
    struct wr_puts *p = w->drops_arg;
    const struct wr_puts_one *one = find(p, &fx->store.put);

    p->dropped_n++;
    if (one == NULL)
        violated(p, &p->v[0], h, "a reference that no record speaks of went");
    else if (!is_over(p, one))
        violated(p, one, h, "a reference of a put that is not over went");
}

/* ---- a leaf ----------------------------------------------------------------
 */

static const struct wr_sign_key owner = {.public = {0x0e}};

static size_t record(const struct wr_puts *p, const struct wr_puts_one *one,
                     enum wr_root_state state, uint8_t ret[WR_ROOT_BYTES_MAX])
{
    static const uint8_t host[WR_CRED_HOST] = {0x0e};
    struct wr_root r;

    wr_root_init(&r, &owner, host, one->nonce);
    r.version = one->version;
    r.state = state;
    r.expiry = state == WR_ROOT_OPEN   ? one->ends_s
               : state == WR_ROOT_KEPT ? one->keep_s
                                       : wr_world_wall_s(p->w);
    r.cid_n = state == WR_ROOT_OPEN ? 0 : 4;
    return wr_root_encode(&r, ret);
}

static void message(const struct wr_puts *p, const struct wr_puts_one *one,
                    uint8_t bytes[WR_ROOT_BYTES_MAX], struct wr_msg *ret)
{
    static const enum wr_root_state states[] = {
        [OPENING] = WR_ROOT_OPEN,
        [KEEPING] = WR_ROOT_KEPT,
        [GIVING_UP] = WR_ROOT_GIVEN_UP,
    };
    struct wr_msg m = wr_msg_of(0, one->rid);

    if (one->phase != SENDING) {
        m.kind = WR_MSG_ROOT_PUT;
        m.root.position = one->position;
        m.root.version = one->version;
        m.root.record =
            wr_span(bytes, record(p, one, states[one->phase], bytes));
    } else if (one->has) {
        m.kind = WR_MSG_HAVE;
        m.have.n = 1;
        m.have.put = one->id;
        m.have.digests = &p->chunks[one->chunks[one->chunk]];
    } else {
        m.kind = WR_MSG_PUT;
        m.put.put = one->id;
        m.put.digest = p->chunks[one->chunks[one->chunk]];
        m.put.body.len = CHUNK_LEN;
    }
    *ret = m;
}

static wr_host draw_parent(struct wr_puts *p)
{
    wr_host drawn = WR_NO_HOST;
    uint64_t seen = 0;

    for (wr_host h = 0; h < p->w->cfg.hosts; h++)
        if (wr_world_is_up(p->w, h) && !p->w->hosts[h].leaving &&
            wr_rng_below(&p->rng, ++seen) == 0)
            drawn = h;
    return drawn;
}

static void send(struct wr_puts *p, struct wr_puts_one *one)
{
    const wr_host leaf = WR_HOST_LEAF | (LEAVES + (wr_host)(one - p->v));
    uint8_t bytes[WR_ROOT_BYTES_MAX];
    struct wr_msg m;

    one->again_at = WR_NEVER;
    one->sent_at = p->w->now;
    one->tries++;
    one->host = draw_parent(p);
    if (one->host == WR_NO_HOST)
        return;
    one->epoch = p->w->hosts[one->host].epoch;
    one->rid = ++p->rid;
    message(p, one, bytes, &m);
    wr_world_ask(p->w, leaf, one->host, &m);
}

/* The leaf goes. What it sent may still arrive. */
static void give_in(struct wr_puts_one *one)
{
    one->unsure = one->unsure || one->phase == KEEPING;
    one->phase = one->phase == GIVING_UP ? OVER : CUT_OFF;
}

static void enter(struct wr_puts *p, struct wr_puts_one *one, enum phase phase)
{
    one->phase = (uint8_t)phase;
    one->tries = 0;
    if (phase == OPENING || phase == KEEPING || phase == GIVING_UP)
        one->version++;
    one->given_up = one->given_up || phase == GIVING_UP;
    if (phase == SENDING)
        one->has = true;
    if (is_under_way(one))
        send(p, one);
}

void wr_puts_put(struct wr_puts *p)
{
    struct wr_puts_one *one = &p->v[p->n];
    struct wr_root r;

    if (p->n == WR_PUTS_MAX)
        return;
    p->n++;
    *one = (struct wr_puts_one){.ends_s = wr_world_wall_s(p->w) + 15};
    one->ends_s += wr_rng_below(&p->rng, WR_PUTS_OPEN_S - 15);
    wr_rng_fill(&p->rng, one->nonce, sizeof(one->nonce));
    wr_root_init(&r, &owner, owner.public, one->nonce);
    memcpy(one->id.b, r.put, sizeof(r.put));
    wr_root_position(r.put, one->position.b);
    one->chunks_n = (uint8_t)(1 + wr_rng_below(&p->rng, WR_PUTS_EACH));
    for (unsigned i = 0; i < one->chunks_n; i++)
        one->chunks[i] = (uint32_t)wr_rng_below(&p->rng, WR_PUTS_CHUNKS);
    if (wr_rng_below(&p->rng, 4) == 0)
        one->keep_s = one->ends_s - 10 + wr_rng_below(&p->rng, 60);
    one->cut_off = wr_rng_below(&p->rng, 8) == 0;
    enter(p, one, OPENING);
}

void wr_puts_give_up(struct wr_puts *p)
{
    struct wr_puts_one *drawn = NULL;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < p->n; i++)
        if ((p->v[i].phase == KEPT || p->v[i].phase == CUT_OFF) &&
            wr_rng_below(&p->rng, ++seen) == 0)
            drawn = &p->v[i];
    if (drawn != NULL)
        enter(p, drawn, GIVING_UP);
}

/* ---- answers ----------------------------------------------------------------
 */

static void next_chunk(struct wr_puts *p, struct wr_puts_one *one)
{
    one->chunk++;
    if (one->cut_off)
        give_in(one);
    else
        enter(p, one, one->chunk < one->chunks_n ? SENDING : KEEPING);
}

static void done(struct wr_puts *p, struct wr_puts_one *one)
{
    switch ((enum phase)one->phase) {
    case OPENING:
        enter(p, one, SENDING);
        return;
    case SENDING:
        next_chunk(p, one);
        return;
    case KEEPING: /* Too late is not kept: some may have seen it expire. */
        one->kept = wr_world_wall_s(p->w) < one->ends_s;
        one->unsure = !one->kept;
        enter(p, one, KEPT);
        return;
    case GIVING_UP:
        one->gave_up = true;
        enter(p, one, OVER);
        return;
    case KEPT:
    case OVER:
    case CUT_OFF:
        break;
    }
    WR_UNREACHABLE();
}

static uint8_t status_of(const struct wr_msg *m)
{
    if (m->kind == WR_MSG_HAD)
        return m->had.status;
    return m->kind == WR_MSG_PUT_DONE ? m->put_done.status : m->root.status;
}

static void on_leaf(struct wr_world *w, wr_host from, wr_host leaf,
                    const struct wr_msg *m, const struct wr_id *body)
{
    struct wr_puts *p = w->drops_arg;
    const uint32_t slot = leaf & ~WR_HOST_LEAF;
    struct wr_puts_one *one;

    if (slot < LEAVES) {
        p->leaf(w, from, leaf, m, body);
        return;
    }
    one = &p->v[slot - LEAVES];
    if (!is_under_way(one) || one->host != from || one->rid != m->rid)
        return;
    const bool no = m->kind == WR_MSG_HAD && !(m->had.bits[0] & 1);

    if (one->phase == SENDING && one->has && (no || status_of(m) != 0)) {
        one->has = false; /* It is sent. */
        send(p, one);
    } else if (status_of(m) != WR_STATUS_OK) {
        one->again_at = w->now + WR_MS(500);
    } else {
        done(p, one);
    }
}

void wr_puts_tick(struct wr_puts *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        struct wr_puts_one *one = &p->v[i];
        const wr_host h = one->host;

        if (!is_under_way(one))
            continue;
        const bool gone = h == WR_NO_HOST || !wr_world_is_up(p->w, h) ||
                          p->w->hosts[h].epoch != one->epoch;
        const bool late = p->w->now - one->sent_at > patience_us &&
                          (gone || !wr_world_is_still(p->w, h));

        if (!gone && !late && p->w->now < one->again_at)
            continue;
        if (one->tries >= TRIES)
            give_in(one);
        else
            send(p, one);
    }
}

uint32_t wr_puts_open(const struct wr_puts *p)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n; i++)
        n += is_under_way(&p->v[i]);
    return n;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

wr_time wr_puts_last_end(const struct wr_puts *p)
{
    uint64_t last_s = WR_WORLD_WALL_S;

    for (uint32_t i = 0; i < p->n; i++)
        last_s = later(last_s, later(p->v[i].ends_s, p->v[i].keep_s));
    return WR_SEC(last_s - WR_WORLD_WALL_S);
}

/* ---- disks ------------------------------------------------------------------
 */

/* `h` has the chunk for this put. */
static bool has(const struct wr_puts *p, wr_host h, uint32_t chunk,
                const struct wr_puts_one *one)
{
    return wr_disk_refers(
        wr_disk_find(&p->w->hosts[h].disk.chunks, &p->chunks[chunk]), &one->id);
}

static bool has_record(const struct wr_puts *p, wr_host h,
                       const struct wr_puts_one *one)
{
    const struct wr_disk_item *item =
        wr_disk_find(&p->w->hosts[h].disk.roots, &one->position);

    return item != NULL && item->version == one->version;
}

/* Some other host has it, and does not leave with it. */
static bool elsewhere(const struct wr_puts *p, wr_host h, uint32_t chunk,
                      const struct wr_puts_one *one, bool root)
{
    for (wr_host k = 0; k < p->w->cfg.hosts; k++)
        if (k != h && !p->w->hosts[k].farewell && !p->w->hosts[k].leaving &&
            (root ? has_record(p, k, one) : has(p, k, chunk, one)))
            return true;
    return false;
}

bool wr_puts_spares(const struct wr_puts *p, wr_host h)
{
    for (uint32_t i = 0; i < p->n; i++) {
        const struct wr_puts_one *one = &p->v[i];

        if (has_record(p, h, one) && !elsewhere(p, h, 0, one, true))
            return false;
        for (unsigned k = 0; k < one->chunks_n; k++)
            if (has(p, h, one->chunks[k], one) &&
                !elsewhere(p, h, one->chunks[k], one, false))
                return false;
    }
    return true;
}

/* Some host that is up has its record. Where no host can tell what is misplaced
 * (D23), those who slept through a change may never be told of it, and the put
 * lives on for them, which is the safe side to err on. */
static bool is_proven(const struct wr_puts *p, const struct wr_puts_one *one,
                      bool repaired)
{
    bool any = false;

    for (wr_host h = 0; h < p->w->cfg.hosts; h++) {
        const struct wr_disk_item *item =
            wr_disk_find(&p->w->hosts[h].disk.roots, &one->position);

        if (!wr_world_is_up(p->w, h) || item == NULL)
            continue;
        if (item->version == one->version)
            any = true;
        else if (!repaired)
            return false;
    }
    return any;
}

static bool must_be_gone(const struct wr_puts *p, const struct wr_puts_one *one,
                         bool repaired)
{
    return !one->unsure && is_over(p, one) &&
           (!one->given_up || one->gave_up) && is_proven(p, one, repaired);
}

/* Whole: each chunk is somewhere, for this put. */
static void check_kept(struct wr_puts *p, const struct wr_puts_one *one)
{
    for (unsigned k = 0; k < one->chunks_n; k++)
        if (!elsewhere(p, WR_NO_HOST, one->chunks[k], one, false))
            violated(p, one, WR_NO_HOST, "what is kept is not whole");
}

static void check_gone(struct wr_puts *p, const struct wr_puts_one *one)
{
    for (wr_host h = 0; h < p->w->cfg.hosts; h++)
        for (unsigned k = 0; wr_world_is_up(p->w, h) && k < one->chunks_n; k++)
            if (has(p, h, one->chunks[k], one))
                violated(p, one, h, "a reference of what is over stays");
}

/* Nothing has referred to it for the grace and a pass; for two, for a pass may
 * begin just before. All clocks are right. */
static bool overdue(const struct wr_puts *p, const struct wr_disk_item *item)
{
    const struct wr_node_cfg *node = &p->w->cfg.node;
    const uint64_t most_s =
        node->grace_s + node->slack_s + 2 * node->sweep_us / WR_SEC(1);

    return item->idle_since == 0 ||
           wr_world_wall_s(p->w) > item->idle_since + most_s;
}

void wr_puts_check(struct wr_puts *p, bool repaired)
{
    for (uint32_t i = 0; i < p->n; i++) {
        const struct wr_puts_one *one = &p->v[i];

        if (one->kept && !is_over(p, one))
            check_kept(p, one);
        else if (must_be_gone(p, one, repaired))
            check_gone(p, one);
    }
    for (wr_host h = 0; h < p->w->cfg.hosts; h++)
        for (unsigned k = 0; wr_world_is_up(p->w, h) && k < WR_PUTS_CHUNKS;
             k++) {
            const struct wr_disk_item *item =
                wr_disk_find(&p->w->hosts[h].disk.chunks, &p->chunks[k]);

            if (item != NULL && item->refs_n == 0 && overdue(p, item))
                violated(p, &p->v[0], h,
                         "a chunk that nothing refers to stays");
        }
}

struct wr_puts_tally wr_puts_tally(const struct wr_puts *p)
{
    struct wr_puts_tally t = {0};

    for (uint32_t i = 0; i < p->n; i++) {
        t.unsure += p->v[i].unsure;
        t.over += !p->v[i].unsure && is_over(p, &p->v[i]);
        t.kept += !p->v[i].unsure && !is_over(p, &p->v[i]);
    }
    return t;
}

void wr_puts_begin(struct wr_puts *p, struct wr_world *w, uint64_t seed)
{
    *p = (struct wr_puts){.w = w, .rng = {seed}, .leaf = w->leaf};
    for (unsigned i = 0; i < WR_PUTS_CHUNKS; i++)
        wr_rng_fill(&p->rng, p->chunks[i].b, sizeof(p->chunks[i].b));
    w->leaf = on_leaf;
    w->drops = on_drop;
    w->drops_arg = p;
}
