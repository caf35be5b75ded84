/* replica_have.c - HAVE for many digests: which stand already, with this put's
 * reference added (D6). Yes has the meaning of an
 * acknowledgement: w hosts of the current set have the chunk and the reference
 * durably. Every doubt is answered no, and costs the leaf an upload.
 *
 * Digests are grouped by the host that is asked about them, one message each:
 * a digest of ours by the hosts of its set (COPY), another one by its believed
 * owner (OWNER), which does the same with its own. Where the belief was wrong a
 * parent looks up what it has lost, and groups that anew.
 *
 * Who was asked about what is never forgotten: positions in a late answer are
 * those of the question, and a copy that stands goes on standing. */
#include "proto/replica_op.h"

enum {
    GROUPS = 128,    /* Each digest may have an owner of its own. */
    PARTS = 128,     /* What an id names beside the have: a group in a rid, a
                        digest in the token of a lookup. */
    PART_SHIFT = 16, /* Of that number in the id. */
    TRIES = 2,       /* Sends of one question; then an upload is quicker. */
};

static_assert(GROUPS <= PARTS && (int)WR_HAVE_MAX <= PARTS, "a part fits");

/* A set of groups. */
struct mask {
    uint64_t w[GROUPS / 64];
};

enum group_state { GROUP_NEW, GROUP_WAITS, GROUP_ENDED };

/* LEAF: where we are with the owner of a digest. */
enum digest_stage {
    DIGEST_PLANNED, /* Its groups know; none: no. */
    DIGEST_LOST,    /* Nobody is known to own it: to be looked up. */
    DIGEST_SOUGHT,  /* A lookup is under way. */
};

struct group {
    wr_host host;
    uint8_t level; /* enum wr_level, what it is asked as. */
    uint8_t state;
    uint8_t tries;
    wr_time until;
};

struct wr_have {
    uint64_t id; /* 0: free. The bits of the part are 0. */
    uint64_t back;
    wr_time deadline;
    wr_time seek_until; /* 0: nothing was lost so far. */
    wr_host asker;
    struct wr_put_id put;
    uint8_t level, n;
    uint8_t copies, durable; /* n and w, in force. */
    uint8_t asked_copies, asked_durable;
    uint8_t groups_n;
    struct group groups[GROUPS];
    struct wr_id digests[WR_HAVE_MAX];
    struct mask owners;            /* Groups of level OWNER. */
    struct mask want[WR_HAVE_MAX]; /* Groups that were asked about it. */
    struct mask yes[WR_HAVE_MAX];  /* Groups that said yes. */
    uint8_t ours[WR_HAVE_MAX / 8];
    uint8_t stage[WR_HAVE_MAX]; /* enum digest_stage */
    uint8_t finds[WR_HAVE_MAX]; /* Lookups so far. */
    uint8_t fewest;             /* Copies that an owner said. */
    bool starting;              /* In seek(): it goes on by itself. */
};

size_t wr_have_size(void)
{
    return sizeof(struct wr_have);
}

static bool bit(const uint8_t *bits, unsigned i)
{
    return (bits[i / 8] >> (i % 8) & 1) != 0;
}

static void set_bit(uint8_t *bits, unsigned i)
{
    bits[i / 8] |= (uint8_t)(1u << (i % 8));
}

static void clear_bit(uint8_t *bits, unsigned i)
{
    bits[i / 8] &= (uint8_t) ~(1u << (i % 8));
}

static bool has(const struct mask *m, unsigned g)
{
    return (m->w[g / 64] >> (g % 64) & 1) != 0;
}

static void add(struct mask *m, unsigned g)
{
    m->w[g / 64] |= (uint64_t)1 << (g % 64);
}

/* Groups that said yes to digest `i`: owners, or hosts of its set. */
static unsigned yes_n(const struct wr_have *h, unsigned i, bool owners)
{
    unsigned n = 0;

    for (unsigned k = 0; k < GROUPS / 64; k++) {
        const uint64_t of = owners ? h->owners.w[k] : ~h->owners.w[k];

        n += (unsigned)__builtin_popcountll(h->yes[i].w[k] & of);
    }
    return n;
}

static uint64_t part_id(const struct wr_have *h, unsigned part)
{
    return h->id | (uint64_t)part << PART_SHIFT;
}

/* A leaf has a quarter of the table at most. */
static bool takes_too_much(const struct wr_replica *r, wr_host asker)
{
    uint32_t held = 0;

    if (!wr_host_is_leaf(asker))
        return false;
    for (uint32_t i = 0; i < r->haves_cap; i++)
        held += r->haves[i].id != 0 && r->haves[i].asker == asker;
    return held >= (r->haves_cap + 3) / 4;
}

static struct wr_have *have_new(struct wr_replica *r, struct wr_core *c,
                                wr_host asker)
{
    const bool greedy = takes_too_much(r, asker);

    for (uint32_t i = 0; i < r->haves_cap && !greedy; i++) {
        struct wr_have *h = &r->haves[i];

        if (h->id != 0)
            continue;
        memset(h, 0, sizeof(*h));
        h->id = wr_replica_id(c, WR_TABLE_HAVE, i) &
                ~((uint64_t)(PARTS - 1) << PART_SHIFT);
        h->id |= (uint64_t)1 << 63; /* Never 0. */
        return h;
    }
    c->count->ops_full_total++;
    return NULL;
}

/* The slot and part that `id` names; NULL if it names none. */
static struct wr_have *by_id(struct wr_replica *r, uint64_t id,
                             unsigned *ret_part)
{
    const uint32_t slot = wr_replica_slot(id);
    const uint64_t part = (uint64_t)(PARTS - 1) << PART_SHIFT;

    if (slot >= r->haves_cap || r->haves[slot].id != (id & ~part))
        return NULL;
    *ret_part = (unsigned)((id & part) >> PART_SHIFT);
    return &r->haves[slot];
}

/* The same, where it is a group that waits. */
static struct wr_have *by_group(struct wr_replica *r, uint64_t id,
                                unsigned *ret_group)
{
    struct wr_have *h = by_id(r, id, ret_group);

    return h != NULL && *ret_group < h->groups_n &&
                   h->groups[*ret_group].state == GROUP_WAITS
               ? h
               : NULL;
}

/* Whom to ask. */

/* The group of `host` at `level` that was not asked yet; GROUPS if there is
 * none. */
static unsigned group_of(const struct wr_have *h, wr_host host, uint8_t level)
{
    for (unsigned g = 0; g < h->groups_n; g++)
        if (h->groups[g].host == host && h->groups[g].level == level &&
            h->groups[g].state == GROUP_NEW)
            return g;
    return GROUPS;
}

/* Digest `i` is one that `host` shall be asked about. */
static void want(struct wr_have *h, unsigned i, wr_host host, uint8_t level)
{
    unsigned g = group_of(h, host, level);

    if (g == GROUPS) {
        if (h->groups_n == GROUPS)
            return; /* No room: no. */
        g = h->groups_n++;
        h->groups[g] = (struct group){.host = host, .level = level};
        if (level == WR_LEVEL_OWNER)
            add(&h->owners, g);
    }
    add(&h->want[i], g);
}

/* The owner is asked, unless it would let us wait: then the answer is no. */
static void want_owner(const struct wr_replica *r, const struct wr_core *c,
                       struct wr_have *h, unsigned i, wr_host owner)
{
    if (!wr_replica_is_mute(r, c, owner))
        want(h, i, owner, WR_LEVEL_OWNER);
}

/* The hosts that count for a key of ours: the first n of its set that are
 * neither held dead nor mute. */
static size_t current_set(const struct wr_replica *r, const struct wr_core *c,
                          const struct wr_have *h, const struct wr_id *key,
                          wr_host ret[WR_COPIES_MAX])
{
    wr_ref refs[WR_SET_MAX];
    const size_t all = r->sight->place(c, key, refs, WR_SET_MAX);
    size_t n = 0;

    for (size_t i = 0; i < all && n < h->copies; i++) {
        const wr_host host = wr_ref_host(refs[i]);
        const bool leaving = host == c->cfg->self && r->push.closed;

        if (!r->sight->dead(c, host) && !wr_replica_is_mute(r, c, host) &&
            !leaving) /* D15 */
            ret[n++] = host;
    }
    return n;
}

static bool plan_ours(struct wr_replica *r, struct wr_core *c,
                      struct wr_have *h, unsigned i)
{
    wr_host set[WR_COPIES_MAX];
    wr_ref owner;

    if (!r->sight->owns(c, &h->digests[i], &owner))
        return false;
    const size_t n = current_set(r, c, h, &h->digests[i], set);
    set_bit(h->ours, i);
    for (size_t k = 0; k < n; k++)
        want(h, i, set[k], WR_LEVEL_COPY);
    return true;
}

/* Nobody that we know of owns digest `i`. A parent looks it up, unless that
 * has been enough by now; an owner leaves it to the parent. */
static void lose(struct wr_replica *r, struct wr_core *c, struct wr_have *h,
                 unsigned i)
{
    clear_bit(h->ours, i);
    if (h->level != WR_LEVEL_LEAF || h->finds[i] == WR_HAVE_FINDS)
        return;
    if (h->seek_until == 0) {
        h->seek_until =
            wr_time_min(h->deadline, c->now + WR_MS(WR_HAVE_SEEK_MS));
        r->haves_due = wr_time_min(r->haves_due, h->seek_until);
    }
    if (c->now < h->seek_until)
        h->stage[i] = DIGEST_LOST;
}

/* By belief: no round trip for a lookup. */
static void plan(struct wr_replica *r, struct wr_core *c, struct wr_have *h,
                 unsigned i)
{
    wr_ref owner;

    if (plan_ours(r, c, h, i))
        return;
    if (h->level == WR_LEVEL_LEAF &&
        wr_routes_owner(r->routes, c, &h->digests[i], &owner) &&
        !wr_core_ours(c, owner))
        want_owner(r, c, h, i, wr_ref_host(owner));
    else
        lose(r, c, h, i);
}

/* Asking. */

/* The digests of group `g`, in order. */
static uint8_t digests_of(const struct wr_have *h, unsigned g,
                          struct wr_id ret[WR_HAVE_MAX])
{
    uint8_t n = 0;

    for (unsigned i = 0; i < h->n; i++)
        if (has(&h->want[i], g))
            ret[n++] = h->digests[i];
    return n;
}

static void ask_store(struct wr_core *c, const struct wr_have *h, unsigned g)
{
    struct wr_id digests[WR_HAVE_MAX];
    const uint8_t n = digests_of(h, g, digests);
    struct wr_fx *fx = wr_outbox_push(c->out, WR_FX_STORE_REF);

    if (fx == NULL)
        return;
    fx->store.token = part_id(h, g);
    fx->store.put = h->put;
    if (!wr_fx_store_digests(c->out, fx, digests, n))
        c->out->n--; /* The group stays unanswered: no. */
}

static void ask_host(struct wr_core *c, const struct wr_have *h, unsigned g)
{
    struct wr_id digests[WR_HAVE_MAX];
    struct wr_msg m = wr_msg_of(WR_MSG_HAVE, part_id(h, g));

    m.have.level = h->groups[g].level;
    m.have.copies = h->asked_copies;
    m.have.durable = h->asked_durable;
    m.have.n = digests_of(h, g, digests);
    m.have.put = h->put;
    m.have.digests = digests;
    wr_outbox_send(c->out, h->groups[g].host, &m);
}

static void ask(struct wr_replica *r, struct wr_core *c, struct wr_have *h,
                unsigned g)
{
    struct group *group = &h->groups[g];
    const wr_time patience = r->sight->patience(c, group->host);

    group->state = GROUP_WAITS;
    group->tries++;
    r->haves_due = wr_time_min(r->haves_due, h->deadline);
    if (group->host == c->cfg->self) {
        group->until = h->deadline;
        ask_store(c, h, g);
        return;
    }
    group->until = c->now + patience + WR_MS(WR_DATA_GRACE_MS);
    r->haves_due = wr_time_min(r->haves_due, group->until);
    ask_host(c, h, g);
}

static void ask_new(struct wr_replica *r, struct wr_core *c, struct wr_have *h)
{
    for (unsigned g = 0; g < h->groups_n; g++)
        if (h->groups[g].state == GROUP_NEW)
            ask(r, c, h, g);
}

/* Looking up. */

static unsigned count(const struct wr_have *h, enum digest_stage stage)
{
    unsigned n = 0;

    for (unsigned i = 0; i < h->n; i++)
        n += h->stage[i] == stage;
    return n;
}

static bool seeks(const struct wr_have *h)
{
    return count(h, DIGEST_LOST) + count(h, DIGEST_SOUGHT) > 0;
}

/* Starts lookups of what is lost. Some may end in here. */
static void seek(struct wr_replica *r, struct wr_core *c, struct wr_have *h)
{
    unsigned sought = count(h, DIGEST_SOUGHT);

    h->starting = true;
    for (unsigned i = 0; i < h->n && sought < WR_HAVE_FINDS_OPEN; i++) {
        if (h->stage[i] != DIGEST_LOST)
            continue;
        h->stage[i] = DIGEST_SOUGHT;
        h->finds[i]++;
        wr_lookups_start(r->lookups, c, &h->digests[i], false, WR_LOOKUP_DATA,
                         part_id(h, i));
        sought += h->stage[i] == DIGEST_SOUGHT;
    }
    h->starting = false;
}

/* `owner` owns digest `i`, hence all from there up to itself: one lookup does
 * for those that are lost on this arc. */
static void found(struct wr_replica *r, struct wr_core *c, struct wr_have *h,
                  unsigned i, wr_ref owner)
{
    const struct wr_id *from = &h->digests[i];
    const struct wr_id *to = wr_core_id(c, owner);

    for (unsigned k = 0; k < h->n; k++) {
        if (k != i && (h->stage[k] != DIGEST_LOST ||
                       !wr_id_owns(from, &h->digests[k], to)))
            continue;
        if (h->stage[k] == DIGEST_LOST)
            h->finds[k]++;
        h->stage[k] = DIGEST_PLANNED;
        if (!plan_ours(r, c, h, k) && !wr_core_ours(c, owner))
            want_owner(r, c, h, k, wr_ref_host(owner));
    }
}

/* The time for it is over: no. */
static void give_up(struct wr_have *h)
{
    memset(h->stage, DIGEST_PLANNED, sizeof(h->stage));
}

/* Ending. */

/* Hosts of the set, as it is now, that have digest `i`. */
static unsigned copies_now(const struct wr_replica *r, const struct wr_core *c,
                           const struct wr_have *h, unsigned i)
{
    wr_host set[WR_COPIES_MAX];
    const size_t n = current_set(r, c, h, &h->digests[i], set);
    wr_host have[GROUPS];
    size_t have_n = 0;
    unsigned copies = 0;

    for (unsigned g = 0; g < h->groups_n; g++)
        if (has(&h->yes[i], g) && !has(&h->owners, g))
            have[have_n++] = h->groups[g].host;
    for (size_t k = 0; k < n; k++)
        copies += wr_host_listed(have, have_n, set[k]);
    return copies;
}

/* Whether what was ours still is; what is not is lost. */
static void recheck(struct wr_replica *r, struct wr_core *c, struct wr_have *h)
{
    wr_ref owner;

    for (unsigned i = 0; i < h->n; i++)
        if (bit(h->ours, i) && !r->sight->owns(c, &h->digests[i], &owner))
            lose(r, c, h, i);
}

static void end(struct wr_replica *r, struct wr_core *c, struct wr_have *h)
{
    struct wr_msg m = wr_msg_of(WR_MSG_HAD, h->back);
    unsigned fewest = h->fewest;
    bool all_ours = true;

    for (unsigned i = 0; i < h->n; i++) {
        if (!bit(h->ours, i)) {
            all_ours = false;
            if (yes_n(h, i, true) > 0)
                set_bit(m.had.bits, i);
            continue;
        }
        const unsigned copies = copies_now(r, c, h, i);
        if (copies < h->durable)
            continue;
        set_bit(m.had.bits, i);
        if (copies < fewest)
            fewest = copies;
    }
    m.had.status = h->level == WR_LEVEL_LEAF || all_ours ? WR_STATUS_OK
                                                         : WR_STATUS_NOT_OWNER;
    m.had.n = h->n;
    m.had.copies = fewest == UINT8_MAX ? 0 : (uint8_t)fewest;
    wr_outbox_send(c->out, h->asker, &m);
    h->id = 0;
}

/* Every group has ended, or every digest has its w. */
static bool answered_all(const struct wr_have *h)
{
    bool all = true;

    for (unsigned g = 0; g < h->groups_n; g++)
        all = all && h->groups[g].state == GROUP_ENDED;
    if (all)
        return true;
    for (unsigned i = 0; i < h->n; i++) {
        const bool ours = bit(h->ours, i);

        if (yes_n(h, i, !ours) < (ours ? h->durable : 1))
            return false;
    }
    return true;
}

/* Starts what is due, and ends what is over. Hosts are asked when no lookup is
 * under way any more: one message to each. What we lost while others answered
 * goes round again; a digest is looked up no more than WR_HAVE_FINDS times. */
static void advance(struct wr_replica *r, struct wr_core *c, struct wr_have *h)
{
    do {
        seek(r, c, h);
        if (seeks(h))
            return;
        ask_new(r, c, h);
        if (!answered_all(h))
            return;
        recheck(r, c, h);
    } while (seeks(h));
    end(r, c, h);
}

void wr_have_found(struct wr_replica *r, struct wr_core *c, wr_token token,
                   const struct wr_msg *routed)
{
    unsigned i;
    struct wr_have *h = by_id(r, token, &i);

    if (h == NULL || i >= h->n || h->stage[i] != DIGEST_SOUGHT)
        return; /* Given up meanwhile. */
    if (routed->routed.status == WR_STATUS_OK)
        found(r, c, h, i, routed->routed.owner);
    h->stage[i] = DIGEST_PLANNED; /* With nobody to ask: no. */
    if (!h->starting)
        advance(r, c, h);
}

/* What a group's host says of its digests. Those that it does not answer yes
 * to, for it does not own all of them, are `lost`. */
static void answered(struct wr_replica *r, struct wr_core *c, struct wr_have *h,
                     unsigned g, const uint8_t *bits, unsigned n, bool lost)
{
    unsigned at = 0;

    h->groups[g].state = GROUP_ENDED;
    for (unsigned i = 0; i < h->n; i++) {
        if (!has(&h->want[i], g))
            continue;
        if (bits != NULL && at < n && bit(bits, at))
            add(&h->yes[i], g);
        else if (lost)
            lose(r, c, h, i);
        at++;
    }
    advance(r, c, h);
}

void wr_have_had(struct wr_replica *r, struct wr_core *c, wr_host from,
                 const struct wr_msg *m)
{
    unsigned g;
    struct wr_have *h = by_group(r, m->rid, &g);

    if (h == NULL || h->groups[g].host != from) {
        c->count->recv_stale_total++;
        return;
    }
    wr_replica_unmute(r, from);
    if (m->had.status == WR_STATUS_BUSY && h->groups[g].tries < TRIES) {
        h->groups[g].until = c->now + WR_MS(wr_op_retry_ms(m->had.retry_ms));
        r->haves_due = wr_time_min(r->haves_due, h->groups[g].until);
        return;
    }
    const bool owner = h->groups[g].level == WR_LEVEL_OWNER;
    const bool lost = owner && m->had.status == WR_STATUS_NOT_OWNER;
    const bool ok =
        (m->had.status == WR_STATUS_OK || lost) && m->had.n <= WR_HAVE_MAX;

    if (ok && owner && m->had.copies > 0 && m->had.copies < h->fewest)
        h->fewest = m->had.copies;
    answered(r, c, h, g, ok ? m->had.bits : NULL, m->had.n, lost);
}

void wr_have_stored(struct wr_replica *r, struct wr_core *c,
                    const struct wr_event *ev)
{
    unsigned g;
    struct wr_have *h = by_group(r, ev->stored.token, &g);

    if (h != NULL)
        answered(r, c, h, g,
                 ev->stored.status == WR_STATUS_OK ? ev->stored.bits : NULL,
                 WR_HAVE_MAX, false);
}

/* A request. */

void wr_have_recv(struct wr_replica *r, struct wr_core *c, wr_host from,
                  const struct wr_msg *m)
{
    if (m->have.n == 0 || m->have.n > WR_HAVE_MAX) {
        wr_replica_refuse(c, from, m, WR_STATUS_BAD);
        return;
    }
    struct wr_have *h = have_new(r, c, from);
    if (h == NULL) {
        wr_replica_refuse(c, from, m, WR_STATUS_BUSY);
        return;
    }
    h->back = m->rid;
    h->asker = from;
    h->deadline = c->now + c->cfg->request_us;
    h->put = m->have.put;
    h->level = m->have.level;
    h->n = m->have.n;
    h->asked_copies = m->have.copies;
    h->asked_durable = m->have.durable;
    h->copies = (uint8_t)wr_replica_copies(r, c, m->have.copies);
    h->durable = (uint8_t)wr_replica_durable(h->copies, m->have.durable);
    h->fewest = UINT8_MAX;
    memcpy(h->digests, m->have.digests, h->n * sizeof(h->digests[0]));
    for (unsigned i = 0; i < h->n; i++)
        plan(r, c, h, i);
    ask_new(r, c, h); /* Whatever is known needs no lookup to wait for. */
    advance(r, c, h);
}

/* Time. */

/* Once more, in case it was lost, or it was busy; then no. */
static void expire(struct wr_replica *r, struct wr_core *c, struct wr_have *h,
                   unsigned g)
{
    struct group *group = &h->groups[g];

    if (group->tries < TRIES && !r->sight->dead(c, group->host)) {
        ask(r, c, h, g);
        return;
    }
    r->sight->silent(c, group->host);
    if (!r->sight->dead(c, group->host))
        wr_replica_mute(r, c, group->host);
    answered(r, c, h, g, NULL, 0, false);
}

static void tick(struct wr_replica *r, struct wr_core *c, struct wr_have *h)
{
    if (c->now >= h->deadline) {
        recheck(r, c, h);
        end(r, c, h);
        return;
    }
    for (unsigned g = 0; h->id != 0 && g < h->groups_n; g++)
        if (h->groups[g].state == GROUP_WAITS && c->now >= h->groups[g].until)
            expire(r, c, h, g);
    if (h->id != 0 && seeks(h) && c->now >= h->seek_until) {
        give_up(h);
        advance(r, c, h);
    }
}

static wr_time due_of(const struct wr_have *h)
{
    wr_time t = h->deadline;

    for (unsigned g = 0; g < h->groups_n; g++)
        if (h->groups[g].state == GROUP_WAITS)
            t = wr_time_min(t, h->groups[g].until);
    if (seeks(h))
        t = wr_time_min(t, h->seek_until);
    return t;
}

void wr_have_tick(struct wr_replica *r, struct wr_core *c)
{
    if (c->now < r->haves_due)
        return;
    r->haves_due = WR_NEVER;
    for (uint32_t i = 0; i < r->haves_cap; i++) {
        if (r->haves[i].id != 0)
            tick(r, c, &r->haves[i]);
        if (r->haves[i].id != 0)
            r->haves_due = wr_time_min(r->haves_due, due_of(&r->haves[i]));
    }
}

void wr_have_link_down(struct wr_replica *r, struct wr_core *c, wr_host host)
{
    for (uint32_t i = 0; i < r->haves_cap; i++) {
        struct wr_have *h = &r->haves[i];

        for (unsigned g = 0; h->id != 0 && g < h->groups_n; g++)
            if (h->groups[g].host == host) {
                h->groups[g].until = c->now;
                r->haves_due = c->now;
            }
    }
}

wr_time wr_have_deadline(const struct wr_replica *r)
{
    return r->haves_due;
}
