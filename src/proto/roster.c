/* roster.c - see roster.h. */
#include "proto/roster.h"

#include "proto/peers.h"

/* A number that all hosts agree on for an equal entry (SplitMix64's mixer over
 * the host's id). No defence against forgers: entries are certified. */
static uint64_t digest(const struct wr_core *c, const struct wr_roster_entry *e)
{
    const struct wr_host_id *id = &wr_book_host(c->book, e->host)->id;
    struct wr_rng mix = {(uint64_t)e->state << 32 | e->incarnation};
    uint64_t sum = 0;

    for (unsigned half = 0; half < WR_HOST_ID_BYTES; half += 8) {
        for (unsigned i = 0; i < 8; i++)
            mix.state ^= (uint64_t)id->b[half + i] << (8 * i);
        sum = mix.state = wr_rng_next(&mix);
    }
    return sum;
}

void wr_roster_init(struct wr_core *c, struct wr_roster_entry *v, uint32_t cap,
                    struct wr_roster_ask *asks)
{
    *c->roster = (struct wr_roster){
        .v = v,
        .cap = cap,
        .asks = asks,
        .due_at = WR_NEVER,
    };
    if (cap > 0)
        wr_roster_admit(c, c->cfg->self, WR_ROSTER_ADMITTED, c->incarnation);
    c->roster->changed = false;
}

static uint32_t place_of(const struct wr_roster *r, wr_host host)
{
    uint32_t lo = 0, hi = r->n;

    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;

        if (r->v[mid].host < host)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static const struct wr_roster_entry *find(const struct wr_core *c, wr_host host)
{
    const struct wr_roster *r = c->roster;
    const uint32_t i = place_of(r, host);

    return i < r->n && r->v[i].host == host ? &r->v[i] : NULL;
}

/* The entry of `host`, with its share of the sum taken out; NULL when full. */
static struct wr_roster_entry *take(struct wr_core *c, wr_host host)
{
    struct wr_roster *r = c->roster;
    const uint32_t i = place_of(r, host);
    struct wr_roster_entry *e = &r->v[i];

    if (i < r->n && e->host == host) {
        r->sum -= digest(c, e);
        if (e->state == WR_ROSTER_ADMITTED)
            r->admitted_n--;
        return e;
    }
    if (r->n == r->cap) {
        if (r->cap > 0)
            wr_core_note(c, WR_NOTE_CAP_HIT, host, WR_NO_REF);
        return NULL;
    }
    memmove(e + 1, e, (r->n - i) * sizeof(*e));
    r->n++;
    *e = (struct wr_roster_entry){.host = host, .state = WR_ROSTER_ADMITTED};
    r->known += digest(c, e);
    return e;
}

static void give_back(struct wr_core *c, const struct wr_roster_entry *e)
{
    c->roster->sum += digest(c, e);
    if (e->state == WR_ROSTER_ADMITTED)
        c->roster->admitted_n++;
}

void wr_roster_admit(struct wr_core *c, wr_host host,
                     enum wr_roster_state state, uint32_t incarnation)
{
    const struct wr_roster_entry *was;
    struct wr_roster_entry *e;

    if (host >= c->book->hosts_n)
        return;
    if (state != WR_ROSTER_ADMITTED && host != c->cfg->self)
        wr_peers_part(c, host, WR_PEER_LEFT);
    was = find(c, host);
    if (was != NULL && was->state >= state && was->incarnation >= incarnation)
        return;
    e = take(c, host);
    if (e == NULL)
        return;
    if (was == NULL && c->cfg->roster_us != WR_NEVER) {
        /* News travel soon, not at the next comparison. */
        const wr_time soon = wr_core_interval(c, c->cfg->patience_min_us);

        c->roster->due_at = wr_time_min(c->roster->due_at, c->now + soon);
    }
    if (state > e->state)
        e->state = (uint8_t)state;
    if (incarnation > e->incarnation)
        e->incarnation = incarnation;
    give_back(c, e);
    c->roster->changed = true;
}

uint32_t wr_roster_admitted_n(const struct wr_core *c)
{
    return c->roster->admitted_n;
}

uint32_t wr_roster_gone_n(const struct wr_core *c)
{
    return c->roster->n - c->roster->admitted_n;
}

uint64_t wr_roster_known(const struct wr_core *c)
{
    return c->roster->known;
}

bool wr_roster_admitted(const struct wr_core *c, wr_host host)
{
    const struct wr_roster_entry *e = find(c, host);

    return e != NULL && e->state == WR_ROSTER_ADMITTED;
}

bool wr_roster_gone(const struct wr_core *c, wr_host host)
{
    const struct wr_roster_entry *e = find(c, host);

    return e != NULL && e->state != WR_ROSTER_ADMITTED;
}

wr_host wr_roster_next(const struct wr_core *c, uint32_t *at)
{
    const struct wr_roster *r = c->roster;

    while (*at < r->n) {
        const struct wr_roster_entry *e = &r->v[(*at)++];

        if (e->state == WR_ROSTER_ADMITTED)
            return e->host;
    }
    return WR_NO_HOST;
}

uint8_t wr_roster_copies(const struct wr_core *c)
{
    const uint32_t n = c->roster->admitted_n;

    return n > 0 && n < c->cfg->copies ? (uint8_t)n : c->cfg->copies;
}

uint8_t wr_roster_durable(const struct wr_core *c)
{
    return (uint8_t)(wr_roster_copies(c) / 2 + 1);
}

static void farewell_ends(struct wr_core *c)
{
    c->roster->bye.open = false;
    c->roster->due_at = WR_NEVER;
    wr_core_note(c, WR_NOTE_LEFT, c->cfg->self, WR_NO_REF);
}

void wr_roster_leave(struct wr_core *c)
{
    struct wr_roster *r = c->roster;

    r->bye = (struct wr_roster_bye){.open = true, .heard = WR_NO_HOST};
    r->due_at = c->now;
    if (r->admitted_n == 0) /* Nobody is there to know; or no roster. */
        farewell_ends(c);
}

/* ---- comparing ------------------------------------------------------------
 */

static void send(struct wr_core *c, wr_host to, enum wr_msg_kind kind,
                 uint64_t rid, const struct wr_roster_entry *v, size_t n)
{
    struct wr_msg m = wr_msg_of(kind, rid);

    m.roster.sum = c->roster->sum;
    m.roster.count = c->roster->n;
    m.roster.entries = v;
    m.roster.n = (uint8_t)n;
    wr_outbox_send(c->out, to, &m);
}

/* The whole list, page by page; a long one goes on where it ended last. */
static void send_pages(struct wr_core *c, wr_host to, uint64_t rid)
{
    struct wr_roster *r = c->roster;

    if (r->n <= WR_ROSTER_PAGES * WR_ROSTER_MAX || r->cursor >= r->n)
        r->cursor = 0;
    for (unsigned page = 0; page < WR_ROSTER_PAGES && r->cursor < r->n;
         page++) {
        const uint32_t left = r->n - r->cursor;
        const uint32_t n = left < WR_ROSTER_MAX ? left : WR_ROSTER_MAX;

        send(c, to, WR_MSG_ROSTER, rid, r->v + r->cursor, n);
        r->cursor += n;
    }
}

/* Our comparison with `host` that `rid` answers; NULL if it is none. */
static struct wr_roster_ask *asked(const struct wr_roster *r, wr_host host,
                                   uint64_t rid)
{
    for (unsigned i = 0; rid != 0 && i < WR_ROSTER_ASKS; i++)
        if (r->asks[i].rid == rid && r->asks[i].host == host)
            return &r->asks[i];
    return NULL;
}

static bool differs(const struct wr_core *c, const struct wr_msg *m)
{
    return m->roster.sum != c->roster->sum || m->roster.count != c->roster->n;
}

/* `from` has our farewell: it says so, or lists all that we do. Only what it
 * says once more, later, it will still know after a crash. */
static void hear_farewell(struct wr_core *c, wr_host from,
                          const struct wr_msg *m)
{
    struct wr_roster_bye *bye = &c->roster->bye;
    bool has = !differs(c, m);

    for (uint8_t i = 0; i < m->roster.n; i++)
        has = has || (m->roster.entries[i].host == c->cfg->self &&
                      m->roster.entries[i].state == WR_ROSTER_LEFT);
    if (!has || !wr_roster_admitted(c, from))
        return;
    if (bye->heard == WR_NO_HOST) {
        bye->heard = from;
        bye->sure_at = c->now + WR_ROSTER_WRITTEN_US;
        c->roster->due_at = bye->sure_at;
    } else if (bye->heard == from && c->now >= bye->sure_at) {
        farewell_ends(c);
    }
}

void wr_roster_recv(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    struct wr_roster *r = c->roster;
    struct wr_roster_ask *ask;

    if (r->cap == 0)
        return;
    if (m->kind == WR_MSG_ROSTER_ASK) {
        if (differs(c, m))
            send_pages(c, from, m->rid);
        else
            send(c, from, WR_MSG_ROSTER, m->rid, NULL, 0);
        return;
    }
    for (uint8_t i = 0; i < m->roster.n; i++) {
        const struct wr_roster_entry *e = &m->roster.entries[i];

        /* That somebody left is the driver's to say, with a signature. */
        if (e->state == WR_ROSTER_ADMITTED)
            wr_roster_admit(c, e->host, WR_ROSTER_ADMITTED, e->incarnation);
    }
    if (r->bye.open)
        hear_farewell(c, from, m);
    /* The answer to our own comparison, and we know more than the other. */
    ask = asked(r, from, m->rid);
    if (ask != NULL) {
        ask->rid = 0;
        r->compared = r->compared || r->n >= m->roster.count;
        if (differs(c, m))
            send_pages(c, from, 0);
    }
}

void wr_roster_tell(struct wr_core *c, wr_host to)
{
    if (c->roster->cap > 0)
        send_pages(c, to, 0);
}

wr_host wr_roster_draw(struct wr_core *c)
{
    wr_host drawn = WR_NO_HOST, h;
    uint64_t seen = 0;
    uint32_t at = 0;

    while ((h = wr_roster_next(c, &at)) != WR_NO_HOST) {
        if (h != c->cfg->self && wr_peers_alive(c, h) &&
            wr_rng_below(c->rng, ++seen) == 0)
            drawn = h;
    }
    return drawn;
}

void wr_roster_compare(struct wr_core *c, wr_host host)
{
    const struct wr_roster *r = c->roster;
    struct wr_roster_ask *slot = NULL;

    for (unsigned i = 0; r->cap > 0 && i < WR_ROSTER_ASKS; i++) {
        struct wr_roster_ask *ask = &r->asks[i];

        if (c->now >= ask->until)
            slot = ask;
        else if (ask->host == host)
            return;
    }
    if (slot == NULL)
        return;
    *slot = (struct wr_roster_ask){.rid = wr_rng_next(c->rng) | 1,
                                   .until = c->now + wr_peers_patience(c, host),
                                   .host = host};
    wr_peers_sent(c, host);
    /* Who has left names itself: our farewell goes before it. */
    send(c, host, WR_MSG_ROSTER_ASK, slot->rid,
         r->bye.open ? find(c, c->cfg->self) : NULL, r->bye.open ? 1 : 0);
}

void wr_roster_greet(struct wr_core *c, wr_host host)
{
    struct wr_roster *r = c->roster;

    if (r->bye.open) {
        if (r->bye.heard == host) /* It may have forgotten. */
            r->bye.heard = WR_NO_HOST;
        wr_roster_compare(c, host);
    } else if (r->cap > 0 && !r->compared && c->cfg->roster_us != WR_NEVER &&
               wr_roster_admitted(c, c->cfg->self)) {
        wr_roster_compare(c, host);
    }
}

/* One host after another is told that we have left, until one has it: then that
 * one is asked again, for as long as it may take to answer. */
static void farewell_tick(struct wr_core *c)
{
    struct wr_roster *r = c->roster;
    struct wr_roster_bye *bye = &r->bye;
    wr_time wait = c->cfg->patience_max_us;
    wr_host to;

    if (r->admitted_n == 0) { /* The others went as well. */
        farewell_ends(c);
        return;
    }
    if (c->now < r->due_at)
        return;
    if (bye->heard != WR_NO_HOST &&
        (c->now > bye->sure_at + wait || !wr_roster_admitted(c, bye->heard)))
        bye->heard = WR_NO_HOST;
    to = bye->heard != WR_NO_HOST ? bye->heard : wr_roster_draw(c);
    if (to != WR_NO_HOST) {
        wait = wr_peers_patience(c, to);
        wr_roster_compare(c, to);
    }
    r->due_at = c->now + wr_core_interval(c, wait);
}

void wr_roster_tick(struct wr_core *c)
{
    struct wr_roster *r = c->roster;
    wr_host to;

    if (r->changed) {
        r->changed = false;
        (void)wr_outbox_push(c->out, WR_FX_PERSIST);
    }
    if (r->bye.open) {
        farewell_tick(c);
        return;
    }
    if (r->cap == 0 || c->cfg->roster_us == WR_NEVER ||
        !wr_roster_admitted(c, c->cfg->self)) {
        r->due_at = WR_NEVER;
        return;
    }
    if (r->due_at == WR_NEVER)
        r->due_at = c->now + wr_core_interval(c, c->cfg->roster_us);
    if (c->now < r->due_at)
        return;
    r->due_at = c->now + wr_core_interval(c, c->cfg->roster_us);
    to = wr_roster_draw(c);
    if (to != WR_NO_HOST)
        wr_roster_compare(c, to);
}

wr_time wr_roster_deadline(const struct wr_core *c)
{
    return c->roster->due_at;
}
