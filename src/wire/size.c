/* size.c - how long a header is, without making it: proto3's rules for the
 * fields that codec_kinds.c lists. */
#include "wire/codec.h"

/* A field's key takes a byte up to number 15; all inner ones are below. */
enum { KEY = 1, KEY_LONG = 2, LONG_FROM = 16, RID = 1 + 8 };

static size_t varint(uint64_t v)
{
    return 1 + (size_t)(63 - __builtin_clzll(v | 1)) / 7;
}

/* What is zero, or empty, costs nothing. */
static size_t number(uint64_t v)
{
    return v == 0 ? 0 : KEY + varint(v);
}

static size_t fixed64(uint64_t v)
{
    return v == 0 ? 0 : KEY + 8;
}

static size_t bytes(size_t n)
{
    return n == 0 ? 0 : KEY + varint(n) + n;
}

static size_t hosts(size_t n)
{
    return bytes(n * WR_HOST_ID_BYTES);
}

static size_t members(size_t n)
{
    return bytes(n * (WR_HOST_ID_BYTES + 1));
}

static size_t member(wr_ref r)
{
    return members(r == WR_NO_REF ? 0 : 1);
}

static size_t addr(const struct wr_addr *a)
{
    static const uint8_t unknown[sizeof(a->ip)];

    return a->port == 0 && memcmp(a->ip, unknown, sizeof(unknown)) == 0
               ? 0
               : bytes(sizeof(a->ip) + 2);
}

static size_t routed(const struct wr_msg *m)
{
    return number(m->routed.status) + number(m->routed.hops) +
           member(m->routed.owner) + members(m->routed.set_n) +
           hosts(m->routed.path_n);
}

static size_t have(const struct wr_msg *m)
{
    return number(m->have.level) + number(m->have.copies) +
           number(m->have.durable) + bytes(sizeof(m->have.put)) +
           bytes((size_t)m->have.n * WR_ID_BYTES);
}

static size_t had(const struct wr_msg *m)
{
    return number(m->had.status) + number(m->had.n) + number(m->had.copies) +
           bytes(((size_t)m->had.n + 7) / 8) + number(m->had.retry_ms);
}

static size_t put(const struct wr_msg *m)
{
    return number(m->put.level) + number(m->put.copies) +
           number(m->put.durable) + number(m->put.hash) +
           bytes(sizeof(m->put.put)) + bytes(WR_ID_BYTES) +
           number(m->put.repair);
}

static size_t data(const struct wr_msg *m)
{
    return number(m->data.status) + number(m->data.copies) +
           number(m->data.asked) + number(m->data.down) + number(m->data.hash) +
           number(m->data.len) + number(m->data.retry_ms) + bytes(WR_ID_BYTES) +
           hosts(m->data.hosts_n) + fixed64(m->data.known);
}

static size_t root(const struct wr_msg *m)
{
    return number(m->root.level) + number(m->root.copies) +
           number(m->root.durable) + number(m->root.status) +
           number(m->root.retry_ms) + bytes(WR_ID_BYTES) +
           number(m->root.version) + bytes(m->root.record.n) +
           fixed64(m->root.known);
}

static size_t hello(const struct wr_msg *m)
{
    return number(m->hello.features) + number(m->hello.incarnation) +
           number(m->hello.revoked) + number(m->hello.bulk) +
           addr(&m->hello.listen) + number(m->hello.wall_s) +
           bytes(m->hello.agent.n);
}

/* What is inside of the field that names the kind. */
static size_t fields(const struct wr_msg *m)
{
    enum { ENTRY = WR_HOST_ID_BYTES + 4 + 1 };
    enum { CONTACT = WR_HOST_ID_BYTES + 16 + 2 };

    switch ((enum wr_msg_kind)m->kind) {
    case WR_MSG_PING:
    case WR_MSG_PONG:
        return number(m->ping.incarnation);
    case WR_MSG_PROBE:
    case WR_MSG_PROBED:
        return hosts(1) + number(m->probe.alive) + number(m->probe.incarnation);
    case WR_MSG_BYE:
        return number(m->bye.why);
    case WR_MSG_NOTIFY:
        return number(m->notify.as) + member(m->notify.between);
    case WR_MSG_VIEW:
        return number(m->view.state) + number(m->view.incarnation) +
               member(m->view.pred) + members(m->view.succs_n);
    case WR_MSG_HINT:
        return members(1);
    case WR_MSG_ROUTE:
        return bytes(WR_ID_BYTES) + number(m->route.ttl) +
               number(m->route.hops) + number(m->route.trace);
    case WR_MSG_ROUTED:
        return routed(m);
    case WR_MSG_NEXT_ASK:
        return bytes(WR_ID_BYTES) +
               hosts(m->next_ask.without == WR_NO_HOST ? 0 : 1);
    case WR_MSG_NEXT:
        return number(m->next.final) + members(m->next.n);
    case WR_MSG_ROSTER_ASK:
    case WR_MSG_ROSTER:
        return fixed64(m->roster.sum) + number(m->roster.count) +
               bytes((size_t)m->roster.n * ENTRY);
    case WR_MSG_HAVE:
        return have(m);
    case WR_MSG_HAD:
        return had(m);
    case WR_MSG_PUT:
        return put(m);
    case WR_MSG_PUT_DONE:
        return number(m->put_done.status) + number(m->put_done.copies) +
               number(m->put_done.retry_ms) + number(m->put_done.counted);
    case WR_MSG_GET:
        return number(m->get.level) + number(m->get.head) +
               number(m->get.hash) + bytes(WR_ID_BYTES);
    case WR_MSG_DATA:
        return data(m);
    case WR_MSG_ROOT_PUT:
    case WR_MSG_ROOT_DONE:
    case WR_MSG_ROOT_GET:
    case WR_MSG_ROOT:
        return root(m);
    case WR_MSG_SYNC:
        return number(m->sync.roots) + bytes(m->sync.arc.n) +
               number(m->sync.count) + bytes(sizeof(m->sync.print)) +
               number(m->sync.refs) + number(m->sync.skip);
    case WR_MSG_SYNCED:
        return number(m->synced.status) + number(m->synced.what) +
               number(m->synced.retry_ms) + number(m->synced.count) +
               bytes(m->synced.list.n);
    case WR_MSG_HELLO:
        return hello(m);
    case WR_MSG_CARD:
        return bytes(m->card.credential.n) + bytes(m->card.farewell.n) +
               addr(&m->card.addr) + number(m->card.incarnation);
    case WR_MSG_ATTACHED:
        return bytes((size_t)m->attached.n * CONTACT) +
               number(m->attached.copies) + number(m->attached.durable) +
               bytes(m->attached.parent.n);
    case WR_MSG_QUERY:
        return bytes(m->query.what.n) + bytes(m->query.arg.n);
    case WR_MSG_REPORT:
        return number(m->report.status);
    case WR_MSG_JOIN:
        return bytes(m->join.sealed.n);
    case WR_MSG_JOINED:
        return number(m->joined.status) + bytes(m->joined.credential.n) +
               bytes(m->joined.text.n);
    case WR_MSG_VIEW_ASK:
    case WR_MSG_ROUTE_ACK:
    case WR_MSG_REVOKED:
        return 0;
    }
    return 0;
}

size_t wr_msg_size(const struct wr_msg *m)
{
    const size_t inner = fields(m);
    const size_t key = m->kind < LONG_FROM ? KEY : KEY_LONG;

    return number(m->from == WR_MEMBER_NONE ? 0 : m->from + 1u) +
           number(m->to == WR_MEMBER_NONE ? 0 : m->to + 1u) +
           (m->rid == 0 ? 0 : RID) + key + varint(inner) + inner;
}
