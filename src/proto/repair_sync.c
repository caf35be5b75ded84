/* repair_sync.c - one arc, compared with one host after another, first its
 * chunks, then its root records. The arc is asked about as a whole; where the
 * two differ its parts are, and so on, until what is left is listed (D21). */
#include "proto/peers.h"
#include "proto/repair_parts.h"

/* For a stalled sync: when to look for room again. */
#define STALL_US WR_MS(100)

static wr_host host_of(const struct wr_repair_sync *s)
{
    return s->hosts[s->hosts_i];
}

static void draw_id(struct wr_core *c, struct wr_repair_sync *s)
{
    s->id = wr_replica_id(c, WR_TABLE_WALK,
                          SLOT_SYNC + (uint32_t)(s - c->repair->syncs));
}

/* ---- from range to range ------------------------------------------------- */

static void begin_pass(struct wr_repair_sync *s)
{
    s->from = s->arc_from;
    s->to = s->arc_to;
    s->levels_n = 0;
    s->phase = WR_SYNC_SUM;
    s->id = 0;
}

/* The next part that differs; if there is none, it is the end of the pass. */
static void next_range(struct wr_repair_sync *s)
{
    s->id = 0;
    s->tries = s->busy = 0;
    while (s->levels_n > 0) {
        struct wr_sync_level *l = &s->levels[s->levels_n - 1];
        unsigned i = 0;

        while (i < WR_ARC_PARTS && (l->mask >> i & 1) == 0)
            i++;
        if (i == WR_ARC_PARTS) {
            s->levels_n--;
            continue;
        }
        l->mask &= (uint16_t) ~(1u << i);
        s->from = wr_id_part(&l->from, &l->to, i);
        s->to = wr_id_part(&l->from, &l->to, i + 1);
        s->phase = WR_SYNC_SUM;
        return;
    }
    s->phase = WR_SYNC_WAIT;
}

/* With this host no further. */
static void end_host(struct wr_repair_sync *s)
{
    s->id = 0;
    s->levels_n = 0;
    s->roots = true;
    s->phase = WR_SYNC_WAIT;
}

/* This host, and all after it, another time. */
static void give_up(struct wr_core *c, struct wr_repair_sync *s)
{
    c->repair->now.failed++;
    c->repair->all.failed++;
    s->failed = true;
    s->hosts_i = (uint8_t)(s->hosts_n - 1);
    end_host(s);
}

/* It leaves (D15), and there is a round when it has: till then it is as one
 * that is away, which vouches for nothing. */
static void pass_over(struct wr_core *c, struct wr_repair_sync *s)
{
    c->repair->now.absent++;
    s->passed_over = true;
    end_host(s);
}

/* ---- misplaced ----------------------------------------------------------- */

static uint64_t number_of(const struct wr_repair_sync *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < s->hosts_n; i++)
        sum = repair_mix(sum, s->hosts[i]);
    return sum;
}

static struct wr_repair_home *home_of(struct wr_repair *r,
                                      const struct wr_id *to)
{
    for (unsigned i = 0; i < WR_REPAIR_HOMES; i++)
        if (r->homes[i].since != WR_NEVER && wr_id_eq(&r->homes[i].to, to))
            return &r->homes[i];
    return NULL;
}

static struct wr_repair_home *home_new(struct wr_core *c)
{
    struct wr_repair *r = c->repair;

    for (unsigned i = 0; i < WR_REPAIR_HOMES; i++) {
        struct wr_repair_home *h = &r->homes[i];

        if (h->since == WR_NEVER || c->now - h->since > WR_SEC(3600))
            return h;
    }
    return NULL;
}

/* Those that were asked are the set still, of all of this arc: somebody may
 * have died, or come, while the last of them let us wait. */
static bool set_stands(const struct wr_core *c, const struct wr_repair_sync *s)
{
    const struct wr_id first = wr_id_add_pow2(&s->arc_from, 0);
    wr_host set[WR_COPIES_MAX];
    struct wr_id from, to;

    return repair_knows_all(c) && repair_arc(c, &first, &from, &to) &&
           wr_id_owns(&s->arc_from, &s->arc_to, &to) &&
           !repair_is_ours(c, &to) &&
           repair_set(c, &to, false, set) == s->hosts_n &&
           memcmp(set, s->hosts, s->hosts_n * sizeof(set[0])) == 0;
}

/* The whole set has all that we have of this arc. */
static bool set_has_all(const struct wr_core *c, const struct wr_repair_sync *s)
{
    return !s->failed && !s->passed_over && !s->unclean && set_stands(c, s);
}

/* If the set had all of it a while ago already, and nothing has changed since,
 * ours may go: whoever read meanwhile has asked the set when it had it, or us
 * before we let go (D23). */
static bool may_go(struct wr_core *c, const struct wr_repair_sync *s)
{
    struct wr_repair *r = c->repair;
    struct wr_repair_home *h = home_of(r, &s->arc_to);

    if (!set_has_all(c, s)) {
        if (h != NULL)
            h->since = WR_NEVER;
        r->now.waiting += s->failed || !s->passed_over;
        return false;
    }
    if (h != NULL && h->set == number_of(s) &&
        memcmp(h->prints, s->prints, sizeof(h->prints)) == 0) {
        if (c->now - h->since >= WR_REPAIR_LINGER_US) {
            h->since = WR_NEVER;
            return true;
        }
        r->now.waiting++;
        return false;
    }
    if (h == NULL)
        h = home_new(c);
    if (h != NULL) {
        *h = (struct wr_repair_home){
            .since = c->now, .to = s->arc_to, .set = number_of(s)};
        memcpy(h->prints, s->prints, sizeof(h->prints));
    }
    r->now.waiting++;
    return false;
}

/* ---- our store ----------------------------------------------------------- */

static void ask_store(struct wr_core *c, struct wr_repair_sync *s,
                      enum wr_fx_kind kind, const struct wr_id *from,
                      const struct wr_id *to, uint32_t n)
{
    struct wr_fx *fx = wr_outbox_push(c->out, kind);

    draw_id(c, s);
    s->until = c->now + (fx == NULL ? STALL_US : STORE_PATIENCE_US);
    if (fx == NULL)
        return;
    fx->store.token = s->id;
    fx->store.digest = *from;
    fx->store.to = *to;
    fx->store.roots = s->roots;
    fx->store.n = n;
}

static void ask_host(struct wr_core *c, struct wr_repair_sync *s)
{
    const struct wr_id arc[2] = {s->from, s->to};
    struct wr_msg m = wr_msg_of(WR_MSG_SYNC, 0);

    draw_id(c, s);
    m.rid = s->id;
    m.sync.roots = s->roots;
    m.sync.count = s->count;
    m.sync.arc = wr_span(arc, sizeof(arc));
    memcpy(m.sync.print, s->print, WR_PRINT);
    s->until =
        c->now + ((wr_peers_patience(c, host_of(s)) + WR_MS(WR_DATA_GRACE_MS))
                  << s->tries);
    s->tries++;
    wr_outbox_send(c->out, host_of(s), &m);
}

/* What we had when it began; it must be the same with each host. */
static void note_print(struct wr_repair_sync *s)
{
    if (!s->printed[s->roots])
        memcpy(s->prints[s->roots], s->print, WR_PRINT);
    else if (memcmp(s->prints[s->roots], s->print, WR_PRINT) != 0)
        s->unclean = true;
    s->printed[s->roots] = true;
}

static void summed(struct wr_repair_sync *s, const struct wr_sum *sums)
{
    struct wr_sum all = {0};

    memcpy(s->sums, sums, sizeof(s->sums));
    for (unsigned i = 0; i < WR_ARC_PARTS; i++)
        wr_sum_add(&all, &sums[i]);
    s->count = all.n;
    wr_sum_print(&all, s->print);
    if (s->levels_n == 0)
        note_print(s);
    s->phase = WR_SYNC_ASK;
    s->id = 0;
    if (s->home && s->count == 0) /* Nothing to give: nothing to ask. */
        next_range(s);
}

/* ---- what the host says -------------------------------------------------- */

static bool take_parts(struct wr_core *c, struct wr_repair_sync *s,
                       struct wr_span list)
{
    struct wr_sync_level l = {.from = s->from, .to = s->to};

    if (list.n != (size_t)WR_ARC_PARTS * WR_PRINT)
        return false;
    for (unsigned i = 0; i < WR_ARC_PARTS; i++) {
        uint8_t print[WR_PRINT];

        wr_sum_print(&s->sums[i], print);
        if (memcmp(print, list.p + (size_t)i * WR_PRINT, WR_PRINT) != 0 &&
            !(s->home && s->sums[i].n == 0))
            l.mask |= (uint16_t)(1u << i);
    }
    if (s->levels_n == WR_REPAIR_LEVELS || ++s->barren > WR_REPAIR_BARREN) {
        give_up(c, s);
        return true;
    }
    s->levels[s->levels_n++] = l;
    next_range(s);
    return true;
}

/* Whether a comes before b, clockwise from where the range begins. */
static bool before(const struct wr_repair_sync *s, const struct wr_id *a,
                   const struct wr_id *b)
{
    return wr_id_between(&s->from, a, b);
}

/* In the range, in order, each once. */
static bool take_items(struct wr_repair_sync *s, struct wr_span list)
{
    const size_t n = list.n / WR_SYNC_ITEM;

    if (list.n % WR_SYNC_ITEM != 0 || n > WR_SYNC_ITEMS)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct wr_sync_item *it = &s->theirs[i];
        const uint8_t *p = list.p + i * WR_SYNC_ITEM;

        memcpy(it->key.b, p, WR_ID_BYTES);
        memcpy(it->print, p + WR_ID_BYTES, WR_PRINT);
        if (!wr_id_owns(&s->from, &it->key, &s->to) ||
            (i > 0 && !before(s, &s->theirs[i - 1].key, &it->key)))
            return false;
    }
    s->theirs_n = (uint8_t)n;
    s->theirs_i = s->own_n = s->own_i = 0;
    s->own_end = false;
    s->cursor = s->from;
    s->phase = WR_SYNC_MERGE;
    s->id = 0;
    return true;
}

void repair_synced(struct wr_core *c, struct wr_repair_sync *s,
                   const struct wr_msg *m)
{
    bool sound = true;

    if (m->synced.status == WR_STATUS_BUSY && ++s->busy <= WR_REPAIR_BUSY) {
        s->tries = 0;
        draw_id(c, s); /* Nothing answers this one. */
        s->until = c->now + WR_MS(wr_op_retry_ms(m->synced.retry_ms));
        return;
    }
    s->tries = s->busy = 0;
    if (m->synced.status == WR_STATUS_UNREACHABLE)
        pass_over(c, s);
    else if (m->synced.status != WR_STATUS_OK)
        give_up(c, s);
    else if (m->synced.what == WR_SYNCED_EQUAL)
        next_range(s);
    else if (m->synced.what == WR_SYNCED_PARTS)
        sound = take_parts(c, s, m->synced.list);
    else
        sound =
            m->synced.what == WR_SYNCED_ITEMS && take_items(s, m->synced.list);
    if (!sound) {
        c->count->recv_misfit_total++;
        give_up(c, s);
    }
    repair_sync_run(c, s);
}

/* ---- its items and ours -------------------------------------------------- */

static void make_job(struct wr_core *c, struct wr_repair_sync *s,
                     const struct wr_id *key, uint32_t len, bool take,
                     bool lacking, bool alone)
{
    struct wr_job *j = repair_job_new(c);

    WR_CHECK(j != NULL); /* There was room. */
    j->key = *key;
    j->len = len;
    j->host = host_of(s);
    j->sync = (uint8_t)(s - c->repair->syncs);
    j->take = take;
    j->roots = s->roots;
    j->lacking = lacking;
    j->alone = alone;
    s->jobs++;
    s->barren = 0;
    repair_job_run(c, j);
}

/* Only we have it. */
static void give(struct wr_core *c, struct wr_repair_sync *s,
                 const struct wr_kept *own)
{
    make_job(c, s, &own->key, own->len, false, true, true);
}

/* Both have it, with other references, or another version. */
static void unite(struct wr_core *c, struct wr_repair_sync *s,
                  const struct wr_kept *own)
{
    make_job(c, s, &own->key, own->len, false, s->roots, false);
    if (!s->home)
        make_job(c, s, &own->key, own->len, true, s->roots, false);
}

/* One step of the merge. Of the two items that come next, the first one. */
static void merge_one(struct wr_core *c, struct wr_repair_sync *s)
{
    const struct wr_kept *own = s->own_i < s->own_n ? &s->own[s->own_i] : NULL;
    const struct wr_sync_item *their =
        s->theirs_i < s->theirs_n ? &s->theirs[s->theirs_i] : NULL;
    const bool same =
        own != NULL && their != NULL && wr_id_eq(&own->key, &their->key);
    const bool ours_first = own != NULL && (their == NULL || same ||
                                            before(s, &own->key, &their->key));

    if (ours_first)
        s->own_i++;
    if (same || !ours_first)
        s->theirs_i++;
    if (ours_first && !same && !own->damaged)
        give(c, s, own);
    else if (same && !own->damaged &&
             memcmp(own->print, their->print, WR_PRINT) != 0)
        unite(c, s, own);
    else if (!s->home && (!ours_first || (same && own->damaged)))
        make_job(c, s, &their->key, 0, true, true, false);
}

static void merge(struct wr_core *c, struct wr_repair_sync *s)
{
    while (s->phase == WR_SYNC_MERGE && s->id == 0) {
        if (s->own_i == s->own_n && !s->own_end) {
            ask_store(c, s, WR_FX_STORE_RANGE, &s->cursor, &s->to,
                      WR_REPAIR_PAGE);
        } else if (s->own_i == s->own_n && s->theirs_i == s->theirs_n) {
            next_range(s);
        } else if (s->fails > WR_REPAIR_FAILS || c->now >= s->over) {
            give_up(c, s);
        } else if (repair_job_room(c, 2)) {
            merge_one(c, s);
        } else {
            s->until = c->now + STALL_US;
            return;
        }
    }
}

static void paged(struct wr_repair_sync *s, const struct wr_event *ev)
{
    s->own_n = (uint8_t)(ev->stored.n < WR_REPAIR_PAGE ? ev->stored.n
                                                       : WR_REPAIR_PAGE);
    s->own_i = 0;
    s->own_end = s->own_n < WR_REPAIR_PAGE;
    if (s->own_n > 0) {
        memcpy(s->own, ev->stored.kept, s->own_n * sizeof(s->own[0]));
        s->cursor = s->own[s->own_n - 1].key;
        s->own_end = s->own_end || wr_id_eq(&s->cursor, &s->to);
    }
    s->id = 0;
}

/* ---- letting go ---------------------------------------------------------- */

/* Page by page: what is listed is synced with the set once more, and then goes
 * if it is still what was listed. So what comes here meanwhile, of a put that
 * counts us, is not among what goes: the set may not have it. */
static void list_page(struct wr_repair_sync *s, bool roots,
                      const struct wr_id *after)
{
    s->page_roots = s->roots = roots;
    s->cursor = *after;
    s->phase = WR_SYNC_LIST;
    s->id = 0;
}

static void begin_leaving(struct wr_repair_sync *s)
{
    s->leaving = true;
    s->begin = s->arc_from;
    s->end = s->arc_to;
    list_page(s, false, &s->begin);
}

static void page_ended(struct wr_core *c, struct wr_repair_sync *s)
{
    s->id = 0;
    if (!s->page_end)
        list_page(s, s->page_roots, &s->arc_to);
    else if (!s->page_roots)
        list_page(s, true, &s->begin);
    else
        repair_sync_ended(c, s);
}

static void listed(struct wr_core *c, struct wr_repair_sync *s,
                   const struct wr_event *ev)
{
    const uint32_t n =
        ev->stored.n < WR_REPAIR_PAGE ? ev->stored.n : WR_REPAIR_PAGE;

    s->page_n = (uint8_t)n;
    memset(s->page_stays, 0, sizeof(s->page_stays));
    s->page_end = n < WR_REPAIR_PAGE;
    if (n == 0) {
        page_ended(c, s);
        return;
    }
    memcpy(s->page, ev->stored.kept, n * sizeof(s->page[0]));
    s->arc_from = s->cursor;
    s->arc_to = s->page[n - 1].key;
    s->page_end = s->page_end || wr_id_eq(&s->arc_to, &s->end);
    s->hosts_i = 0;
    s->roots = s->printed[0] = s->printed[1] = false;
    begin_pass(s);
}

/* What nothing refers to, or is to be forgotten, is not given away, but does
 * not keep the rest here: our sweep sees to it. */
void repair_sync_spare(struct wr_repair_sync *s, const struct wr_id *key)
{
    for (unsigned i = 0; i < s->page_n; i++)
        s->page_stays[i] = s->page_stays[i] || wr_id_eq(&s->page[i].key, key);
}

static void drop_page(struct wr_core *c, struct wr_repair_sync *s)
{
    s->phase = WR_SYNC_DROP;
    draw_id(c, s);
    s->until = c->now + STORE_PATIENCE_US;
    s->drops = 0;
    for (unsigned i = 0; i < s->page_n; i++) {
        if (s->page[i].damaged || s->page_stays[i])
            continue; /* What refers to rotten ones may stand only here. */
        struct wr_fx *fx =
            wr_outbox_push(c->out, s->page_roots ? WR_FX_STORE_ROOT_DROP
                                                 : WR_FX_STORE_DROP_SAME);

        if (fx == NULL)
            break;
        fx->store.token = s->id;
        fx->store.digest = s->page[i].key;
        if (s->page_roots)
            fx->store.version = s->page[i].version;
        else
            memcpy(fx->store.put.b, s->page[i].print, WR_PRINT);
        s->drops++;
    }
    if (s->drops == 0)
        s->id = 0;
}

/* ---- running ------------------------------------------------------------- */

/* All jobs of this pass have ended. */
static void pass_ended(struct wr_core *c, struct wr_repair_sync *s)
{
    if (!s->roots) {
        s->roots = true;
        begin_pass(s);
    } else if (s->hosts_i + 1 < s->hosts_n) {
        s->hosts_i++;
        s->roots = false;
        begin_pass(s);
    } else if (s->leaving && set_has_all(c, s)) {
        drop_page(c, s);
    } else if (s->home && !s->leaving && may_go(c, s)) {
        begin_leaving(s);
    } else {
        c->repair->now.waiting += s->leaving; /* Another time. */
        repair_sync_ended(c, s);
    }
}

void repair_sync_run(struct wr_core *c, struct wr_repair_sync *s)
{
    while (s->phase != WR_SYNC_FREE && s->id == 0) {
        switch ((enum wr_sync_phase)s->phase) {
        case WR_SYNC_SUM:
            if (c->now < s->over)
                ask_store(c, s, WR_FX_STORE_SUM, &s->from, &s->to,
                          WR_ARC_PARTS);
            else
                give_up(c, s);
            break;
        case WR_SYNC_ASK:
            if (wr_peers_alive(c, host_of(s)))
                ask_host(c, s);
            else
                give_up(c, s);
            break;
        case WR_SYNC_MERGE:
            merge(c, s);
            if (s->phase == WR_SYNC_MERGE && s->id == 0)
                return; /* Stalled. */
            break;
        case WR_SYNC_WAIT:
            if (s->jobs > 0)
                return;
            pass_ended(c, s);
            break;
        case WR_SYNC_LIST:
            ask_store(c, s, WR_FX_STORE_RANGE, &s->cursor, &s->end,
                      WR_REPAIR_PAGE);
            break;
        case WR_SYNC_DROP:
            page_ended(c, s);
            break;
        case WR_SYNC_FREE:
            return;
        }
    }
}

void repair_sync_begin(struct wr_core *c, struct wr_repair_sync *s)
{
    s->over = c->now + WR_REPAIR_LONG_US;
    begin_pass(s);
    repair_sync_run(c, s);
}

void repair_sync_stored(struct wr_core *c, struct wr_repair_sync *s,
                        const struct wr_event *ev)
{
    struct wr_repair *r = c->repair;

    if (s->phase == WR_SYNC_DROP) {
        r->now.dropped += ev->stored.status == WR_STATUS_OK;
        r->all.dropped += ev->stored.status == WR_STATUS_OK;
        if (--s->drops > 0)
            return;
        s->id = 0;
    } else if (ev->stored.status == WR_STATUS_BUSY) {
        s->until = c->now + STALL_US; /* The tick asks again. */
        draw_id(c, s);
        return;
    } else if (ev->stored.status != WR_STATUS_OK) {
        give_up(c, s);
    } else if (s->phase == WR_SYNC_SUM) {
        summed(s, ev->stored.sums);
    } else if (s->phase == WR_SYNC_MERGE) {
        paged(s, ev);
    } else if (s->phase == WR_SYNC_LIST) {
        listed(c, s, ev);
    }
    repair_sync_run(c, s);
}

void repair_sync_tick(struct wr_core *c, struct wr_repair_sync *s)
{
    if (s->phase == WR_SYNC_FREE || s->phase == WR_SYNC_WAIT ||
        c->now < s->until)
        return;
    if (s->phase == WR_SYNC_ASK && s->tries >= WR_REPAIR_TRIES) {
        wr_peers_silent(c, host_of(s));
        give_up(c, s);
    }
    if (s->phase == WR_SYNC_DROP) { /* The store does not answer. */
        s->page_end = s->page_roots = true;
        s->drops = 0;
    }
    s->id = 0;
    repair_sync_run(c, s);
}
