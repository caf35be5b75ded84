/* view.c - see view.h. */
#include "host/view.h"

#include "base/text.h"
#include "net/addr.h"
#include "proto/node_private.h"
#include "sys/clock.h"

json_t *wr_view_hex(const void *p, size_t n)
{
    char text[WR_HEX_SIZE(64)];

    WR_CHECK(n <= 64);
    wr_hex(wr_span(p, n), text);
    return json_string(text);
}

static json_t *host_json(const struct wr_super *s, wr_host h)
{
    if (h >= s->book.hosts_n)
        return json_null();
    return wr_view_hex(s->book.hosts[h].id.b, WR_HOST_ID_BYTES);
}

/* A member: the host it is of, its index there, its place on the ring. */
static json_t *member_json(const struct wr_super *s, wr_ref r)
{
    if (r == WR_NO_REF || !wr_book_has(&s->book, r))
        return json_null();
    return json_pack("{s:o, s:i, s:o}", "host", host_json(s, wr_ref_host(r)),
                     "index", (int)wr_ref_index(r), "id",
                     wr_view_hex(wr_book_id(&s->book, r), WR_ID_BYTES));
}

static json_t *members_json(const struct wr_super *s, const wr_ref *v, size_t n)
{
    json_t *all = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(all, member_json(s, v[i]));
    return all;
}

const char *wr_view_state(const struct wr_super *s)
{
    static const char *const words[] = {"joining", "serving", "leaving",
                                        "saying farewell", "stopping"};

    return wr_super_farewell_due(s) ? "writing farewell" : words[s->state];
}

static const char *const spaces[] = {"free", "tight", "no new chunks",
                                     "no repairs", "read only"};

json_t *wr_view_space(const struct wr_super *s)
{
    struct wr_store_usage u;

    wr_store_usage(s->store, &u);
    return json_pack("{s:s, s:I, s:I}", "space", spaces[u.space], "used_bytes",
                     (json_int_t)u.used, "capacity_bytes",
                     (json_int_t)u.capacity);
}

static json_t *store_json(const struct wr_super *s)
{
    struct wr_store_usage u;

    wr_store_usage(s->store, &u);
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:s, s:b, s:I, s:I, s:I, s:I}", "chunks",
        (json_int_t)u.chunks, "chunk_bytes", (json_int_t)u.chunk_bytes, "roots",
        (json_int_t)u.roots, "used_bytes", (json_int_t)u.used, "capacity_bytes",
        (json_int_t)u.capacity, "space", spaces[u.space], "failed",
        (int)u.failed, "damaged_total", (json_int_t)u.damaged, "commits_total",
        (json_int_t)u.commits, "refused_total", (json_int_t)u.refused,
        "reader_lag", (json_int_t)u.reader_lag);
}

static json_t *counters_json(const struct wr_counters *count)
{
    json_t *o = json_object();

#define X(name)                                                                \
    json_object_set_new(o, #name, json_integer((json_int_t)count->name));
    WR_COUNTER_MAP(X)
#undef X
    return o;
}

/* What was said to other super-peers. */
static json_t *said_json(const struct wr_hub_said *said)
{
    json_t *o = json_object();

    for (unsigned i = 0; i < WR_MSG_KINDS; i++)
        if (said[i].n > 0)
            json_object_set_new(o, wr_msg_name(i),
                                json_pack("{s:I, s:I}", "messages_total",
                                          (json_int_t)said[i].n, "bytes_total",
                                          (json_int_t)said[i].bytes));
    return o;
}

static json_t *net_json(const struct wr_super *s)
{
    const struct wr_hub_traffic t = wr_hub_traffic(s->hub);
    struct wr_pool_stats pool;

    wr_pool_stats(s->pool, &pool);
    return json_pack(
        "{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "links",
        (int)wr_hub_links(s->hub), "leaves", (int)wr_hub_leaves(s->hub),
        "sent_bytes", (json_int_t)t.sent, "received_bytes",
        (json_int_t)t.received, "refused_total", (json_int_t)t.refused,
        "misfits_total", (json_int_t)t.misfits, "pool_used_bytes",
        (json_int_t)pool.used, "pool_peak_bytes", (json_int_t)pool.peak, "said",
        said_json(t.said));
}

static json_t *tally_json(const struct wr_repair_tally *t)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "given", (json_int_t)t->gave,
        "taken", (json_int_t)t->took, "dropped", (json_int_t)t->dropped,
        "bytes", (json_int_t)t->bytes, "failed", (json_int_t)t->failed,
        "absent", (json_int_t)t->absent, "waiting", (json_int_t)t->waiting);
}

static json_t *repair_json(const struct wr_super *s)
{
    const struct wr_core *c = &s->node->core;
    const struct wr_repair *r = c->repair;

    return json_pack(
        "{s:b, s:b, s:b, s:I, s:I, s:o, s:o, s:o}", "running",
        (int)(r->stage != WR_REPAIR_REST), "compared",
        (int)wr_repair_compared(c), "all_stand", (int)wr_repair_stands(c),
        "rounds_total", (json_int_t)r->rounds, "last_ago_s",
        r->rounds == 0 ? (json_int_t)-1
                       : (json_int_t)((c->now - r->ended) / WR_SEC(1)),
        "round", tally_json(&r->now), "last", tally_json(&r->last), "total",
        tally_json(&r->all));
}

/* Another host under our identity; null is what it should be. */
static json_t *twin_json(const struct wr_super *s)
{
    char address[WR_ADDR_TEXT];
    struct wr_addr at;
    uint64_t ago_s;

    if (!wr_hub_twin(s->hub, &at, &ago_s))
        return json_null();
    return json_pack("{s:s, s:I}", "address", wr_addr_text(&at, address),
                     "heard_ago_s", (json_int_t)ago_s);
}

json_t *wr_view_status(const struct wr_super *s)
{
    const struct wr_node *n = s->node;
    const struct wr_addr at = wr_hub_advertised(s->hub);
    char address[WR_ADDR_TEXT];
    int members = 0;

    for (unsigned i = 0; i < n->cfg.members; i++)
        members += n->core.rings[i].phase == WR_RING_MEMBER;
    return json_pack(
        "{s:s, s:o, s:o, s:s, s:I, s:b, s:i, s:i, s:i, s:i, s:i, s:I, s:I, "
        "s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "state", wr_view_state(s), "host", host_json(s, s->self), "ring",
        wr_view_hex(s->cfg.home->ring, WR_SIGN_PUBLIC), "address",
        wr_addr_text(&at, address), "uptime_s",
        (json_int_t)((wr_clock_now() - s->started) / WR_SEC(1)), "issuer",
        (int)s->issuer, "members", (int)n->cfg.members, "members_in_ring",
        members, "hosts_admitted", (int)wr_roster_admitted_n(&n->core),
        "copies", (int)wr_roster_copies(&n->core), "durable",
        (int)wr_roster_durable(&n->core), "chunks_handed_over",
        (json_int_t)s->pushed, "incarnation", (json_int_t)s->incarnation,
        "twin", twin_json(s), "store", store_json(s), "repair", repair_json(s),
        "scrub", wr_scrub_view(s), "sweep", wr_sweep_view(s), "net",
        net_json(s), "counters", counters_json(&n->count));
}

const char *wr_view_liveness(const struct wr_super *s, wr_host h)
{
    const struct wr_core *c = &s->node->core;

    if (h == s->self || wr_peers_alive(c, h))
        return "up";
    return wr_peers_away(c, h) ? "away" : "down";
}

static json_t *peer_json(const struct wr_super *s, wr_host h)
{
    static const char *const roster[] = {"admitted", "left", "removed"};
    const struct wr_core *c = &s->node->core;
    const struct wr_book_host *host = &s->book.hosts[h];
    const struct wr_card *card = wr_card_of(&s->cards, h);
    const bool self = h == s->self;
    const uint32_t rtt = wr_peers_rtt_us(c, h);
    char address[WR_ADDR_TEXT];
    json_t *ids = json_array();

    for (unsigned i = 0; i < host->members; i++)
        json_array_append_new(
            ids,
            wr_view_hex(wr_book_id(&s->book, wr_ref_of(h, i)), WR_ID_BYTES));
    return json_pack(
        "{s:o, s:s, s:s, s:s, s:b, s:b, s:s, s:o, s:I, s:o}", "host",
        host_json(s, h), "address", wr_addr_text(&host->addr, address), "site",
        card->cred.site, "state", roster[wr_cards_state(&s->cards, h)], "self",
        (int)self, "linked", (int)(!self && wr_hub_linked(s->hub, h)),
        "liveness", wr_view_liveness(s, h), "rtt_ms",
        self || rtt == UINT32_MAX ? json_null() : json_real(rtt / 1000.0),
        "seen_s", (json_int_t)card->seen_s, "members", ids);
}

/* The members that are believed to own self + 2^i, each once. */
static json_t *fingers_json(const struct wr_super *s, const struct wr_ring *r)
{
    const struct wr_node *n = s->node;
    json_t *all = json_array();
    wr_ref last = WR_NO_REF;

    for (unsigned bit = 0; bit < 8 * WR_ID_BYTES; bit++) {
        const struct wr_id key =
            wr_id_add_pow2(wr_book_id(&s->book, r->self), bit);
        wr_ref finger;

        if (!wr_routes_owner(&n->routes, &n->core, &key, &finger) ||
            finger == last)
            continue;
        last = finger;
        json_array_append_new(all, member_json(s, finger));
    }
    return all;
}

static json_t *view_json(const struct wr_super *s, const struct wr_ring *r)
{
    static const char *const phases[] = {"out", "member", "left"};

    return json_pack("{s:o, s:o, s:s, s:o, s:o}", "fingers", fingers_json(s, r),
                     "member", member_json(s, r->self), "phase",
                     phases[r->phase], "predecessor", member_json(s, r->pred),
                     "successors", members_json(s, r->succs, r->succs_n));
}

json_t *wr_view_peers(const struct wr_super *s, bool fingers)
{
    const struct wr_node *n = s->node;
    json_t *hosts = json_array(), *views = json_array();

    for (wr_host h = 0; h < s->book.hosts_n; h++)
        json_array_append_new(hosts, peer_json(s, h));
    for (unsigned i = 0; fingers && i < n->cfg.members; i++)
        json_array_append_new(views, view_json(s, &n->core.rings[i]));
    json_t *o =
        json_pack("{s:o, s:o}", "self", host_json(s, s->self), "hosts", hosts);
    if (fingers)
        json_object_set_new(o, "views", views);
    else
        json_decref(views);
    return o;
}

json_t *wr_view_trace(const struct wr_super *s, const struct wr_msg *m)
{
    json_t *path = json_array();

    if (m->kind != WR_MSG_ROUTED || m->routed.status != WR_STATUS_OK) {
        json_decref(path);
        return json_pack("{s:s}", "error",
                         m->kind == WR_MSG_ROUTED
                             ? wr_status_name(m->routed.status)
                             : "no answer");
    }
    for (size_t i = 0; i < m->routed.path_n; i++)
        json_array_append_new(path, host_json(s, m->routed.path[i]));
    return json_pack("{s:o, s:i, s:o, s:o}", "owner",
                     member_json(s, m->routed.owner), "hops",
                     (int)m->routed.hops, "path", path, "set",
                     members_json(s, m->routed.set, m->routed.set_n));
}
