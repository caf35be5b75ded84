/* leaf.c - see leaf.h. */
#include "proto/leaf.h"

static void emit(struct wr_leaf_out *out, enum wr_leaf_fx_kind kind,
                 uint32_t contact)
{
    WR_CHECK(out->n < WR_LEAF_FX_MAX);
    out->v[out->n++] = (struct wr_leaf_fx){.kind = kind, .contact = contact};
}

static bool id_known(const struct wr_host_id *id)
{
    static const struct wr_host_id none;

    return memcmp(id, &none, sizeof(none)) != 0;
}

/* A wait around `mean`, half of the jitter on either side. */
static wr_time jittered(struct wr_leaf *l, wr_time mean)
{
    const wr_time spread = mean * l->cfg.jitter_permille / 1000;

    return mean - spread / 2 + wr_rng_below(&l->rng, spread + 1);
}

struct wr_leaf_cfg wr_leaf_cfg_default(uint64_t seed)
{
    return (struct wr_leaf_cfg){
        .seed = seed,
        .dial_us = WR_SEC(6),
        .ping_us = WR_SEC(3),
        .patience_us = WR_SEC(5),
        .backoff_min_us = WR_MS(250),
        .backoff_max_us = WR_SEC(30),
        .jitter_permille = 500,
    };
}

void wr_leaf_init(struct wr_leaf *l, const struct wr_leaf_cfg *cfg)
{
    WR_CHECK(cfg->backoff_min_us > 0 && cfg->dial_us > 0);
    WR_CHECK(cfg->ping_us > 0 && cfg->patience_us > 0);
    *l = (struct wr_leaf){.cfg = *cfg, .rng = {cfg->seed}};
}

/* Where a contact goes: its own place if it is known under its id or address,
 * else a new one, else that of the one that failed most and that nobody gave
 * us. WR_LEAF_CONTACTS_MAX: nowhere. */
static uint32_t place_for(const struct wr_leaf *l, const struct wr_contact *c)
{
    uint32_t worst = WR_LEAF_CONTACTS_MAX;

    for (uint32_t i = 0; i < l->n; i++)
        if (id_known(&c->id) &&
            memcmp(&l->v[i].contact.id, &c->id, sizeof(c->id)) == 0)
            return i;
    for (uint32_t i = 0; i < l->n; i++)
        if (wr_addr_eq(&l->v[i].contact.addr, &c->addr))
            return i;
    if (l->n < WR_LEAF_CONTACTS_MAX)
        return l->n;
    for (uint32_t i = 0; i < l->n; i++) {
        const bool busy = l->state >= WR_LEAF_DIALING && i == l->current;

        if (!busy && !l->v[i].given && l->v[i].failures > 0 &&
            (worst == WR_LEAF_CONTACTS_MAX ||
             l->v[i].failures > l->v[worst].failures))
            worst = i;
    }
    return worst;
}

/* Whether anything changed. */
static bool learn(struct wr_leaf *l, const struct wr_contact *c, bool given)
{
    const uint32_t i = place_for(l, c);

    if (i == WR_LEAF_CONTACTS_MAX || c->addr.port == 0)
        return false;
    struct wr_leaf_peer *p = &l->v[i];
    if (i == l->n) {
        l->n++;
        *p = (struct wr_leaf_peer){.contact = *c, .given = given};
        return true;
    }
    const bool same_id =
        memcmp(&p->contact.id, &c->id, sizeof(c->id)) == 0 || !id_known(&c->id);
    if (same_id && wr_addr_eq(&p->contact.addr, &c->addr))
        return false;
    p->failures = 0; /* Another host or address: another chance. */
    p->not_before = 0;
    p->contact.addr = c->addr;
    if (id_known(&c->id))
        p->contact.id = c->id;
    return true;
}

void wr_leaf_add(struct wr_leaf *l, const struct wr_contact *c, bool given)
{
    (void)learn(l, c, given);
}

/* The contact whose turn comes first: the one that may be dialled soonest;
 * among those that may be dialled now, the one with the fewest failures. Of
 * equal ones the first, for a fresh list is in its owner's order; but one by
 * lot once a parent was lost: all that it had turn somewhere at once, and know
 * the same hosts in the same order. */
static uint32_t next_contact(struct wr_leaf *l, wr_time now)
{
    const bool lots = l->moves > 0 && l->cfg.jitter_permille > 0;
    uint32_t best = 0;
    uint64_t equal = 1;

    for (uint32_t i = 1; i < l->n; i++) {
        const struct wr_leaf_peer *a = &l->v[i], *b = &l->v[best];
        const wr_time at_a = wr_time_max(a->not_before, now);
        const wr_time at_b = wr_time_max(b->not_before, now);
        const bool same = at_a == at_b && a->failures == b->failures;

        if (at_a < at_b || (at_a == at_b && a->failures < b->failures)) {
            best = i;
            equal = 1;
        } else if (same && lots && wr_rng_below(&l->rng, ++equal) == 0) {
            best = i;
        }
    }
    return best;
}

static void advance(struct wr_leaf *l, wr_time now, struct wr_leaf_out *out)
{
    if (l->state != WR_LEAF_WAITING || l->n == 0)
        return;
    const uint32_t i = next_contact(l, now);
    if (l->v[i].not_before > now)
        return;
    l->state = WR_LEAF_DIALING;
    l->current = i;
    l->until = now + l->cfg.dial_us;
    l->dials++;
    emit(out, WR_LEAF_FX_DIAL, i);
}

/* The current contact is not, or no longer, our parent. Its next turn comes
 * after a wait that doubles with each failure; a parent that was lost may be
 * tried again after the shortest one, for it may only have restarted. */
static void drop(struct wr_leaf *l, wr_time now, struct wr_leaf_out *out)
{
    struct wr_leaf_peer *p = &l->v[l->current];
    wr_time wait = l->cfg.backoff_min_us;

    for (uint32_t i = 0; i < p->failures && wait < l->cfg.backoff_max_us; i++)
        wait *= 2;
    wait = jittered(l, wr_time_min(wait, l->cfg.backoff_max_us));
    p->failures++;
    p->not_before = now + wait;
    if (l->state == WR_LEAF_ATTACHED) {
        l->moves++;
        emit(out, WR_LEAF_FX_LOST, l->current);
    }
    l->state = WR_LEAF_WAITING;
}

void wr_leaf_start(struct wr_leaf *l, wr_time now, struct wr_leaf_out *out)
{
    WR_CHECK(l->state == WR_LEAF_IDLE);
    l->state = WR_LEAF_WAITING;
    advance(l, now, out);
}

void wr_leaf_linked(struct wr_leaf *l, const struct wr_host_id *id, wr_time now)
{
    if (l->state != WR_LEAF_DIALING)
        return;
    l->v[l->current].contact.id = *id;
    l->until = now + l->cfg.dial_us;
}

void wr_leaf_down(struct wr_leaf *l, wr_time now, struct wr_leaf_out *out)
{
    if (l->state < WR_LEAF_DIALING)
        return; /* We hung up ourselves; the news crossed. */
    drop(l, now, out);
    advance(l, now, out);
}

static void on_attached(struct wr_leaf *l, const struct wr_msg *m,
                        struct wr_leaf_out *out)
{
    const bool first = l->state == WR_LEAF_DIALING;
    bool changed = first;

    l->state = WR_LEAF_ATTACHED;
    l->v[l->current].failures = 0;
    l->v[l->current].not_before = 0;
    /* A parent's list is bounded, and may replace only what failed. */
    for (uint32_t i = 0; i < m->attached.n && i < WR_CONTACTS_MAX; i++)
        changed |= learn(l, &m->attached.contacts[i], false);
    if (first)
        emit(out, WR_LEAF_FX_UP, l->current);
    if (changed)
        emit(out, WR_LEAF_FX_PERSIST, l->current);
}

void wr_leaf_heard(struct wr_leaf *l, wr_time now)
{
    l->heard_at = now;
    l->pinged_at = 0;
}

void wr_leaf_leave(struct wr_leaf *l, wr_time now, struct wr_leaf_out *out)
{
    if (l->state != WR_LEAF_ATTACHED)
        return;
    emit(out, WR_LEAF_FX_HANG_UP, l->current);
    drop(l, now, out);
    advance(l, now, out);
}

void wr_leaf_recv(struct wr_leaf *l, const struct wr_msg *m, wr_time now,
                  struct wr_leaf_out *out)
{
    if (l->state < WR_LEAF_DIALING)
        return;
    wr_leaf_heard(l, now);
    if (m->kind == WR_MSG_ATTACHED) {
        on_attached(l, m, out);
    } else if (m->kind == WR_MSG_BYE) {
        /* It goes: be elsewhere before it is gone. With nobody else to turn
         * to, the wait for its return begins. */
        emit(out, WR_LEAF_FX_HANG_UP, l->current);
        drop(l, now, out);
        advance(l, now, out);
    }
}

void wr_leaf_tick(struct wr_leaf *l, wr_time now, struct wr_leaf_out *out)
{
    if (now < wr_leaf_deadline(l))
        return;
    switch (l->state) {
    case WR_LEAF_IDLE:
        return;
    case WR_LEAF_WAITING:
        break;
    case WR_LEAF_DIALING:
        emit(out, WR_LEAF_FX_HANG_UP, l->current);
        drop(l, now, out);
        break;
    case WR_LEAF_ATTACHED:
        if (l->pinged_at == 0) {
            l->pinged_at = now;
            emit(out, WR_LEAF_FX_PING, l->current);
            return;
        }
        emit(out, WR_LEAF_FX_HANG_UP, l->current);
        drop(l, now, out);
        break;
    }
    advance(l, now, out);
}

wr_time wr_leaf_deadline(const struct wr_leaf *l)
{
    wr_time at = WR_NEVER;

    switch (l->state) {
    case WR_LEAF_IDLE:
        break;
    case WR_LEAF_WAITING:
        for (uint32_t i = 0; i < l->n; i++)
            at = wr_time_min(at, l->v[i].not_before);
        break;
    case WR_LEAF_DIALING:
        at = l->until;
        break;
    case WR_LEAF_ATTACHED:
        at = l->pinged_at == 0 ? l->heard_at + l->cfg.ping_us
                               : l->pinged_at + l->cfg.patience_us;
        break;
    }
    return at;
}
