/* replica_have.c - HAVE for many digests: which stand already, with this put's
 * reference added (D6). Yes has the meaning of an
 * acknowledgement: w hosts of the current set have the chunk and the reference
 * durably. Every doubt is answered no, and costs the leaf an upload.
 *
 * Digests are grouped by the host that is asked about them, one message each:
 * a digest of ours by the hosts of its set (COPY), another one by its believed
 * owner (OWNER), which does the same with its own. */
#include "proto/replica_op.h"

enum {
    GROUPS = 64,     /* Fits the bits of a mask. */
    GROUP_SHIFT = 16 /* Of the group's number in the rid. */
};

enum group_state { GROUP_WAITS, GROUP_ENDED };

struct group {
    wr_host host;
    uint8_t level; /* enum wr_level, what it is asked as. */
    uint8_t state;
    uint8_t tries;
    wr_time until;
};

struct wr_have {
    uint64_t id; /* 0: free. Its bits 16 to 21 are the group's, thus 0. */
    uint64_t back;
    wr_time deadline;
    wr_host asker;
    struct wr_put_id put;
    uint8_t level, n;
    uint8_t copies, durable; /* n and w, in force. */
    uint8_t asked_copies, asked_durable;
    uint8_t groups_n;
    struct group groups[GROUPS];
    struct wr_id digests[WR_HAVE_MAX];
    uint64_t want[WR_HAVE_MAX]; /* Groups that were asked about it. */
    uint64_t yes[WR_HAVE_MAX];  /* Groups that said yes. */
    uint8_t ours[WR_HAVE_MAX / 8];
    uint8_t fewest; /* Copies that an owner said. */
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

static struct wr_have *have_new(struct wr_replica *r, struct wr_core *c)
{
    for (uint32_t i = 0; i < r->haves_cap; i++) {
        struct wr_have *h = &r->haves[i];

        if (h->id != 0)
            continue;
        memset(h, 0, sizeof(*h));
        h->id = wr_replica_id(c, WR_TABLE_HAVE, i) &
                ~((uint64_t)(GROUPS - 1) << GROUP_SHIFT);
        h->id |= (uint64_t)1 << 63; /* Never 0. */
        return h;
    }
    c->count->ops_full_total++;
    return NULL;
}

/* The slot and group that `rid` names; NULL if it names none that waits. */
static struct wr_have *by_id(struct wr_replica *r, uint64_t rid,
                             unsigned *ret_group)
{
    const uint32_t slot = wr_replica_slot(rid);
    const unsigned g = rid >> GROUP_SHIFT & (GROUPS - 1);
    const uint64_t id = rid & ~((uint64_t)(GROUPS - 1) << GROUP_SHIFT);

    if (slot >= r->haves_cap || r->haves[slot].id != id ||
        g >= r->haves[slot].groups_n ||
        r->haves[slot].groups[g].state == GROUP_ENDED)
        return NULL;
    *ret_group = g;
    return &r->haves[slot];
}

/* The group of `host` at `level`; GROUPS if there is none. */
static unsigned group_of(const struct wr_have *h, wr_host host, uint8_t level)
{
    for (unsigned g = 0; g < h->groups_n; g++)
        if (h->groups[g].host == host && h->groups[g].level == level)
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
    }
    h->want[i] |= (uint64_t)1 << g;
}

/* The hosts that count for a key of ours: the first n of its set that are not
 * held dead. */
static size_t current_set(const struct wr_replica *r, const struct wr_core *c,
                          const struct wr_have *h, const struct wr_id *key,
                          wr_host ret[WR_COPIES_MAX])
{
    wr_ref refs[WR_SET_MAX];
    const size_t all = r->sight->place(c, key, refs, WR_SET_MAX);
    size_t n = 0;

    for (size_t i = 0; i < all && n < h->copies; i++)
        if (!r->sight->dead(c, wr_ref_host(refs[i])))
            ret[n++] = wr_ref_host(refs[i]);
    return n;
}

static void plan_digest(struct wr_replica *r, struct wr_core *c,
                        struct wr_have *h, unsigned i)
{
    const struct wr_id *key = &h->digests[i];
    wr_host set[WR_COPIES_MAX];
    wr_ref owner;

    if (r->sight->owns(c, key, &owner)) {
        const size_t n = current_set(r, c, h, key, set);

        set_bit(h->ours, i);
        for (size_t k = 0; k < n; k++)
            want(h, i, set[k], WR_LEVEL_COPY);
    } else if (h->level == WR_LEVEL_LEAF &&
               wr_routes_owner(r->routes, c, key, &owner) &&
               !wr_core_ours(c, owner)) {
        want(h, i, wr_ref_host(owner), WR_LEVEL_OWNER);
    }
}

/* Asking. */

/* The digests of group `g`, in order. */
static uint8_t digests_of(const struct wr_have *h, unsigned g,
                          struct wr_id ret[WR_HAVE_MAX])
{
    uint8_t n = 0;

    for (unsigned i = 0; i < h->n; i++)
        if (h->want[i] >> g & 1)
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
    fx->store.token = h->id | (uint64_t)g << GROUP_SHIFT;
    fx->store.put = h->put;
    if (!wr_fx_store_digests(c->out, fx, digests, n))
        c->out->n--; /* The group stays unanswered: no. */
}

static void ask_host(struct wr_core *c, const struct wr_have *h, unsigned g)
{
    struct wr_id digests[WR_HAVE_MAX];
    struct wr_msg m = {
        .kind = WR_MSG_HAVE,
        .from = WR_MEMBER_NONE,
        .to = WR_MEMBER_NONE,
        .rid = h->id | (uint64_t)g << GROUP_SHIFT,
        .have = {.level = h->groups[g].level,
                 .copies = h->asked_copies,
                 .durable = h->asked_durable,
                 .n = digests_of(h, g, digests),
                 .put = h->put,
                 .digests = digests},
    };

    wr_outbox_send(c->out, h->groups[g].host, &m);
}

static void ask(struct wr_replica *r, struct wr_core *c, struct wr_have *h,
                unsigned g)
{
    struct group *group = &h->groups[g];
    const wr_time patience = r->sight->patience(c, group->host);

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

/* Ending. */

static unsigned copies_now(const struct wr_replica *r, const struct wr_core *c,
                           const struct wr_have *h, unsigned i)
{
    wr_host set[WR_COPIES_MAX];
    wr_ref owner;
    unsigned copies = 0;

    if (!r->sight->owns(c, &h->digests[i], &owner))
        return 0;
    const size_t n = current_set(r, c, h, &h->digests[i], set);
    for (size_t k = 0; k < n; k++) {
        const unsigned g = group_of(h, set[k], WR_LEVEL_COPY);

        copies += g < GROUPS && (h->yes[i] >> g & 1) != 0;
    }
    return copies;
}

static void end(struct wr_replica *r, struct wr_core *c, struct wr_have *h)
{
    struct wr_msg m = {.kind = WR_MSG_HAD,
                       .from = WR_MEMBER_NONE,
                       .to = WR_MEMBER_NONE,
                       .rid = h->back};
    unsigned fewest = h->fewest;
    bool any_ours = h->level == WR_LEVEL_LEAF;

    for (unsigned i = 0; i < h->n; i++) {
        if (!bit(h->ours, i)) {
            if (h->yes[i] != 0)
                set_bit(m.had.bits, i);
            continue;
        }
        const unsigned copies = copies_now(r, c, h, i);
        any_ours = true;
        if (copies < h->durable)
            continue;
        set_bit(m.had.bits, i);
        if (copies < fewest)
            fewest = copies;
    }
    m.had.status = any_ours ? WR_STATUS_OK : WR_STATUS_NOT_OWNER;
    m.had.n = h->n;
    m.had.copies = fewest == UINT8_MAX ? 0 : (uint8_t)fewest;
    wr_outbox_send(c->out, h->asker, &m);
    h->id = 0;
}

/* Over when every group has ended, or every digest has its w. */
static bool over(const struct wr_have *h)
{
    bool all = true;

    for (unsigned g = 0; g < h->groups_n; g++)
        all = all && h->groups[g].state == GROUP_ENDED;
    if (all)
        return true;
    for (unsigned i = 0; i < h->n; i++) {
        const int need = bit(h->ours, i) ? h->durable : 1;

        if (__builtin_popcountll(h->yes[i]) < need)
            return false;
    }
    return true;
}

static void answered(struct wr_replica *r, struct wr_core *c, struct wr_have *h,
                     unsigned g, const uint8_t *bits, unsigned n)
{
    unsigned at = 0;

    h->groups[g].state = GROUP_ENDED;
    for (unsigned i = 0; i < h->n; i++) {
        if (!(h->want[i] >> g & 1))
            continue;
        if (bits != NULL && at < n && bit(bits, at))
            h->yes[i] |= (uint64_t)1 << g;
        at++;
    }
    if (over(h))
        end(r, c, h);
}

void wr_have_had(struct wr_replica *r, struct wr_core *c, wr_host from,
                 const struct wr_msg *m)
{
    unsigned g;
    struct wr_have *h = by_id(r, m->rid, &g);

    if (h == NULL || h->groups[g].host != from) {
        c->count->recv_stale_total++;
        return;
    }
    const bool ok = m->had.status == WR_STATUS_OK && m->had.n <= WR_HAVE_MAX;

    if (ok && h->groups[g].level == WR_LEVEL_OWNER && m->had.copies > 0 &&
        m->had.copies < h->fewest)
        h->fewest = m->had.copies;
    answered(r, c, h, g, ok ? m->had.bits : NULL, m->had.n);
}

void wr_have_stored(struct wr_replica *r, struct wr_core *c,
                    const struct wr_event *ev)
{
    unsigned g;
    struct wr_have *h = by_id(r, ev->stored.token, &g);

    if (h != NULL)
        answered(r, c, h, g,
                 ev->stored.status == WR_STATUS_OK ? ev->stored.bits : NULL,
                 WR_HAVE_MAX);
}

/* A request. */

void wr_have_recv(struct wr_replica *r, struct wr_core *c, wr_host from,
                  const struct wr_msg *m)
{
    if (m->have.n == 0 || m->have.n > WR_HAVE_MAX) {
        wr_replica_refuse(c, from, m, WR_STATUS_BAD);
        return;
    }
    struct wr_have *h = have_new(r, c);
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
        plan_digest(r, c, h, i);
    for (unsigned g = 0; g < h->groups_n; g++)
        ask(r, c, h, g);
    if (over(h))
        end(r, c, h);
}

/* Time. */

/* Once more, in case it was lost; then no. */
static void expire(struct wr_replica *r, struct wr_core *c, struct wr_have *h,
                   unsigned g)
{
    struct group *group = &h->groups[g];

    if (group->tries < 2 && !r->sight->dead(c, group->host)) {
        ask(r, c, h, g);
        return;
    }
    r->sight->silent(c, group->host);
    answered(r, c, h, g, NULL, 0);
}

static void tick(struct wr_replica *r, struct wr_core *c, struct wr_have *h)
{
    if (c->now >= h->deadline) {
        end(r, c, h);
        return;
    }
    for (unsigned g = 0; h->id != 0 && g < h->groups_n; g++)
        if (h->groups[g].state == GROUP_WAITS && c->now >= h->groups[g].until)
            expire(r, c, h, g);
}

static wr_time due_of(const struct wr_have *h)
{
    wr_time t = h->deadline;

    for (unsigned g = 0; g < h->groups_n; g++)
        if (h->groups[g].state == GROUP_WAITS)
            t = wr_time_min(t, h->groups[g].until);
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
