/* repair.c - rounds: what is synced with whom, one after another. First the
 * ranges that we own, copy by copy, so that what has one copy gets a second
 * before anything gets its third; then what is misplaced here. */
#include "proto/peers.h"
#include "proto/repair_parts.h"
#include "proto/roster.h"

enum { ARCS_A_STEP = 64 /* Looked at in one go, in search of our own. */ };

void wr_repair_init(struct wr_core *c)
{
    struct wr_repair *r = c->repair;

    *r = (struct wr_repair){.due = WR_NEVER};
    for (unsigned i = 0; i < WR_REPAIR_HOMES; i++)
        r->homes[i].since = WR_NEVER;
}

void wr_repair_was_gone(struct wr_core *c, wr_host host, wr_time us)
{
    struct wr_repair *r = c->repair;

    if (r == NULL || us == 0 || r->gone_n == WR_REPAIR_GONE ||
        host == c->cfg->self || !wr_roster_admitted(c, host))
        return;
    wr_peers_silent(c, host); /* From now on it is known when it is heard. */
    r->gone[r->gone_n++] =
        (struct wr_repair_gone){.host = host, .since = c->now, .us = us};
}

/* Who is not in the ring speaks for no range; who leaves has another way. */
static bool may_repair(const struct wr_core *c)
{
    return repair_may(c) && !c->replica->push.closed;
}

static struct wr_repair_sync *free_sync(struct wr_repair *r)
{
    for (unsigned i = 0; i < WR_REPAIR_SYNCS; i++)
        if (r->syncs[i].phase == WR_SYNC_FREE)
            return &r->syncs[i];
    return NULL;
}

static bool syncing(const struct wr_repair *r)
{
    for (unsigned i = 0; i < WR_REPAIR_SYNCS; i++)
        if (r->syncs[i].phase != WR_SYNC_FREE)
            return true;
    return false;
}

void repair_sync_ended(struct wr_core *c, struct wr_repair_sync *s)
{
    s->phase = WR_SYNC_FREE;
    s->id = 0;
    c->repair->due = wr_time_min(c->repair->due, c->now);
}

/* ---- our own ranges ------------------------------------------------------ */

/* The next arc of our range after r->at: where a member of a host that may come
 * back stands in it, another set begins. False if it is at its end. */
static bool next_arc(struct wr_core *c, struct wr_id *ret_from,
                     struct wr_id *ret_to)
{
    struct wr_repair *r = c->repair;
    struct wr_id from, to, arc_from, key;

    if (!repair_owned(c, r->member, &from, &to))
        return false;
    if (!r->within)
        r->at = from;
    else if (wr_id_eq(&r->at, &to))
        return false;
    r->within = true;
    key = wr_id_add_pow2(&r->at, 0);
    *ret_from = r->at;
    if (!repair_arc(c, &key, &arc_from, ret_to) ||
        !wr_id_owns(&r->at, ret_to, &to))
        *ret_to = to;
    r->at = *ret_to;
    return true;
}

/* It may come back with its copies. If it does not, others are made then: a
 * round follows at once. */
static void miss(struct wr_core *c, wr_host h)
{
    struct wr_repair *r = c->repair;
    const wr_time gone_us = repair_gone_us(c, h);
    const wr_time patience_us = repair_patience_us(c, gone_us);

    r->now.absent++;
    if (gone_us <= patience_us)
        r->lost_at =
            wr_time_min(r->lost_at, c->now + (patience_us - gone_us) + 1);
}

static bool is_of_set(const struct wr_core *c, const struct wr_id *to,
                      bool gone)
{
    wr_host set[WR_COPIES_MAX];

    return wr_host_listed(set, repair_set(c, to, gone, set), c->cfg->self);
}

/* Whether we are to have what the hosts of this set have, up to `to`. The owner
 * of a range need not be one of them: where hosts have sites, one that is
 * waited for may stand before it, and who was cut off owns everything for a
 * while. After a reboot's time it stands in for who is gone, if it is the one
 * to do so. */
static bool is_for_us(const struct wr_core *c, const wr_host *set, size_t n,
                      const struct wr_id *to)
{
    wr_time longest_us = 0;

    if (wr_host_listed(set, n, c->cfg->self))
        return true;
    for (size_t i = 0; i < n; i++)
        longest_us = wr_time_max(longest_us, repair_gone_us(c, set[i]));
    return longest_us > c->cfg->gone_us && is_of_set(c, to, false);
}

/* The next of them and its copy; false if there is none left. */
static bool next_own(struct wr_core *c, struct wr_repair_sync *s)
{
    struct wr_repair *r = c->repair;
    wr_host set[WR_COPIES_MAX], others[WR_COPIES_MAX];
    struct wr_id from, to;
    size_t n = 0;

    if (r->copy >= wr_roster_copies(c))
        return false;
    if (!next_arc(c, &from, &to)) {
        r->within = false;
        if (++r->member == c->cfg->members) {
            r->member = 0;
            r->copy++;
        }
        return true;
    }
    const size_t set_n = repair_set(c, &to, true, set);

    for (size_t i = 0; i < set_n; i++)
        if (set[i] != c->cfg->self)
            others[n++] = set[i];
    if (r->copy >= n)
        return true;
    if (!wr_peers_alive(c, others[r->copy])) {
        miss(c, others[r->copy]);
        return true;
    }
    if (!is_for_us(c, set, set_n, &to))
        return true;
    *s = (struct wr_repair_sync){.arc_from = from,
                                 .arc_to = to,
                                 .hosts = {others[r->copy]},
                                 .hosts_n = 1};
    repair_sync_begin(c, s);
    return true;
}

/* ---- what is misplaced --------------------------------------------------- */

bool repair_is_ours(const struct wr_core *c, const struct wr_id *to)
{
    return is_of_set(c, to, false) || is_of_set(c, to, true);
}

static void scan(struct wr_core *c, bool roots)
{
    struct wr_repair *r = c->repair;
    struct wr_fx *fx = wr_outbox_push(c->out, WR_FX_STORE_RANGE);

    r->scan_id = wr_replica_id(c, WR_TABLE_WALK, SLOT_SCAN);
    r->scan_until = c->now + (fx == NULL ? WR_SEC(1) : STORE_PATIENCE_US);
    r->scan_roots = roots;
    if (fx == NULL)
        return;
    fx->store.token = r->scan_id;
    fx->store.digest = r->at;
    fx->store.to = r->scan_to;
    fx->store.roots = roots;
    fx->store.n = 1;
}

static void begin_search(struct wr_core *c)
{
    struct wr_repair *r = c->repair;

    r->stage = WR_REPAIR_FOREIGN;
    r->begin = r->at = *wr_core_id(c, wr_ref_of(c->cfg->self, 0));
}

/* From r->at up to `to` all is looked at. */
static void searched(struct wr_repair *r, const struct wr_id *to)
{
    r->turned = wr_id_owns(&r->at, &r->begin, to);
    r->at = *to;
}

/* As far as ranges that are not ours reach from here; then the store says what
 * it has of them. */
static void search(struct wr_core *c)
{
    struct wr_repair *r = c->repair;
    struct wr_id end = r->at;
    bool round = false;

    for (unsigned i = 0; i < ARCS_A_STEP && !round; i++) {
        const struct wr_id key = wr_id_add_pow2(&end, 0);
        struct wr_id from, to;

        if (!repair_arc(c, &key, &from, &to)) {
            r->turned = true; /* We know too little to judge. */
            return;
        }
        if (repair_is_ours(c, &to)) {
            if (!wr_id_eq(&end, &r->at))
                break;
            searched(r, &to);
            return;
        }
        round = wr_id_owns(&end, &r->begin, &to);
        end = to;
    }
    r->scan_to = end;
    r->scan_found = false;
    scan(c, false);
}

static void begin_home(struct wr_core *c, struct wr_repair_sync *s)
{
    struct wr_repair *r = c->repair;
    struct wr_id from, to;

    r->scan_found = false;
    if (!repair_arc(c, &r->scan_key, &from, &to) || repair_is_ours(c, &to)) {
        searched(r, &r->scan_key); /* It became ours meanwhile. */
        return;
    }
    searched(r, &to);
    *s = (struct wr_repair_sync){.home = true, .arc_from = from, .arc_to = to};
    s->hosts_n = (uint8_t)repair_set(c, &to, false, s->hosts);
    if (s->hosts_n < wr_roster_copies(c))
        r->now.waiting++; /* Too few to let go of anything. */
    else
        repair_sync_begin(c, s);
}

static void scanned(struct wr_core *c, const struct wr_event *ev)
{
    struct wr_repair *r = c->repair;
    const struct wr_kept *k = ev->stored.kept;

    r->scan_id = 0;
    if (ev->stored.status != WR_STATUS_OK) {
        r->scan_id = ev->stored.token; /* The tick asks again. */
        r->scan_until = c->now + WR_SEC(1);
        return;
    }
    if (ev->stored.n > 0 &&
        (!r->scan_found || wr_id_between(&r->at, &k->key, &r->scan_key))) {
        r->scan_found = true;
        r->scan_key = k->key;
    }
    if (!r->scan_roots)
        scan(c, true);
    else if (!r->scan_found)
        searched(r, &r->scan_to);
}

/* ---- rounds -------------------------------------------------------------- */

static void begin_round(struct wr_core *c)
{
    struct wr_repair *r = c->repair;

    r->stage = WR_REPAIR_OWN;
    r->copy = r->member = 0;
    r->begun = c->now;
    r->round_ring = repair_ring(c);
    r->now = (struct wr_repair_tally){0};
    r->lost_at = WR_NEVER;
    r->within = false;
    r->complete = repair_knows_all(c);
    r->turned = wr_roster_admitted_n(c) <= wr_roster_copies(c);
    r->scan_id = 0;
    r->scan_found = false;
}

/* What was mended is looked at again soon, what failed a little later. */
static void end_round(struct wr_core *c)
{
    struct wr_repair *r = c->repair;
    const struct wr_repair_tally *t = &r->now;

    r->stage = WR_REPAIR_REST;
    r->rounds++;
    r->last_ring = r->round_ring;
    r->ended = c->now;
    r->due = c->now + wr_core_interval(c, c->cfg->repair_us);
    if (t->gave + t->took + t->dropped > 0)
        r->due = wr_time_min(r->due,
                             c->now + wr_core_interval(c, WR_REPAIR_SOON_US));
    else if (t->failed > 0 || t->waiting > 0)
        r->due = wr_time_min(r->due,
                             c->now + wr_core_interval(c, WR_REPAIR_LINGER_US));
    r->due = wr_time_min(r->due, r->lost_at);
    r->last = *t;
}

static void advance(struct wr_core *c)
{
    struct wr_repair *r = c->repair;
    struct wr_repair_sync *s;

    r->due = WR_NEVER; /* Syncs and the store call. */
    while (r->stage != WR_REPAIR_REST && (s = free_sync(r)) != NULL) {
        if (r->stage == WR_REPAIR_OWN) {
            if (!next_own(c, s))
                begin_search(c);
        } else if (r->scan_id != 0) {
            return;
        } else if (r->scan_found) {
            begin_home(c, s);
        } else if (!r->turned) {
            search(c);
        } else if (syncing(r)) {
            return;
        } else {
            end_round(c);
        }
    }
}

/* A change of the ring calls for a round, soon but not at once: more of it may
 * follow. */
static void look(struct wr_core *c)
{
    struct wr_repair *r = c->repair;
    const wr_time soon = c->now + 2 * c->cfg->round_us;
    const uint64_t ring = repair_ring(c);

    r->look_at = c->now + wr_core_interval(c, c->cfg->round_us);
    if (ring == r->ring)
        return;
    r->ring = ring;
    if (r->stage == WR_REPAIR_REST)
        r->due = wr_time_min(r->due, soon);
    else
        r->now.failed++; /* This round has seen another ring. */
}

/* ---- events -------------------------------------------------------------- */

static bool is_to_us(const struct wr_core *c, uint64_t id, uint32_t *ret_slot)
{
    *ret_slot = wr_replica_slot(id);
    return c->repair != NULL && wr_replica_table(id) == WR_TABLE_WALK &&
           *ret_slot >= SLOT_SYNC && *ret_slot < SLOT_END;
}

bool wr_repair_recv(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    struct wr_repair *r = c->repair;
    uint32_t slot;

    if (!is_to_us(c, m->rid, &slot))
        return false;
    if (slot < SLOT_JOB) {
        struct wr_repair_sync *s = &r->syncs[slot - SLOT_SYNC];

        if (m->kind == WR_MSG_SYNCED && s->phase == WR_SYNC_ASK &&
            s->id == m->rid && s->hosts[s->hosts_i] == from) {
            repair_synced(c, s, m);
            return true;
        }
    } else if (slot < SLOT_SERVED) {
        struct wr_job *j = &r->jobs[slot - SLOT_JOB];

        if (j->step != WR_JOB_FREE && j->id == m->rid && j->host == from) {
            repair_job_recv(c, j, m);
            return true;
        }
    }
    c->count->recv_stale_total++;
    wr_outbox_release_of(c->out, m);
    return true;
}

bool wr_repair_stored(struct wr_core *c, const struct wr_event *ev)
{
    struct wr_repair *r = c->repair;
    const uint64_t id = ev->stored.token;
    uint32_t slot;

    if (!is_to_us(c, id, &slot))
        return false;
    if (slot < SLOT_JOB && r->syncs[slot - SLOT_SYNC].id == id) {
        repair_sync_stored(c, &r->syncs[slot - SLOT_SYNC], ev);
    } else if (slot >= SLOT_JOB && slot < SLOT_SERVED &&
               r->jobs[slot - SLOT_JOB].id == id) {
        repair_job_stored(c, &r->jobs[slot - SLOT_JOB], ev);
    } else if (slot >= SLOT_SERVED && slot < SLOT_SCAN &&
               r->served[slot - SLOT_SERVED].id == id) {
        repair_served(c, &r->served[slot - SLOT_SERVED], ev);
    } else if (slot == SLOT_SCAN && r->scan_id == id) {
        scanned(c, ev);
        r->due = c->now;
    } else {
        wr_outbox_release(c->out, ev->stored.body);
    }
    return true;
}

/* ---- ticking ------------------------------------------------------------- */

static void stop(struct wr_core *c)
{
    struct wr_repair *r = c->repair;

    for (unsigned i = 0; i < WR_REPAIR_SYNCS; i++)
        r->syncs[i] = (struct wr_repair_sync){.phase = WR_SYNC_FREE};
    for (unsigned i = 0; i < WR_REPAIR_JOBS; i++)
        r->jobs[i] = (struct wr_job){.step = WR_JOB_FREE};
    r->stage = WR_REPAIR_REST;
    r->scan_id = 0;
    r->due = WR_NEVER;
    r->ring = 0;
}

void wr_repair_tick(struct wr_core *c)
{
    struct wr_repair *r = c->repair;

    if (c->now >= r->look_at) {
        if (may_repair(c)) {
            look(c);
        } else {
            stop(c);
            r->look_at = c->now + wr_core_interval(c, c->cfg->round_us);
        }
    }
    for (unsigned i = 0; i < WR_REPAIR_JOBS; i++)
        repair_job_tick(c, &r->jobs[i]);
    for (unsigned i = 0; i < WR_REPAIR_SYNCS; i++)
        repair_sync_tick(c, &r->syncs[i]);
    if (r->scan_id != 0 && c->now >= r->scan_until) {
        r->scan_id = 0; /* Once more, from where we are. */
        r->scan_found = false;
        r->due = c->now;
    }
    if (c->now < r->due)
        return;
    if (!may_repair(c)) {
        stop(c);
        return;
    }
    if (r->stage == WR_REPAIR_REST)
        begin_round(c);
    advance(c);
}

wr_time wr_repair_deadline(const struct wr_core *c)
{
    const struct wr_repair *r = c->repair;
    wr_time at = wr_time_min(r->due, r->look_at);

    for (unsigned i = 0; i < WR_REPAIR_JOBS; i++)
        if (r->jobs[i].step != WR_JOB_FREE)
            at = wr_time_min(at, r->jobs[i].until);
    for (unsigned i = 0; i < WR_REPAIR_SYNCS; i++)
        if (r->syncs[i].phase != WR_SYNC_FREE &&
            r->syncs[i].phase != WR_SYNC_WAIT)
            at = wr_time_min(at, r->syncs[i].until);
    return r->scan_id != 0 ? wr_time_min(at, r->scan_until) : at;
}

bool wr_repair_compared(const struct wr_core *c)
{
    const struct wr_repair *r = c->repair;

    return r->rounds > 0 && r->last_ring == repair_ring(c);
}

bool wr_repair_stands(const struct wr_core *c)
{
    const struct wr_repair *r = c->repair;
    const struct wr_repair_tally *v[] = {&r->last, &r->now};

    for (unsigned i = 0; i < WR_ARRAY_LEN(v); i++)
        if (v[i]->gave + v[i]->took > 0 || v[i]->failed > 0 || v[i]->absent > 0)
            return false;
    return wr_repair_compared(c);
}
