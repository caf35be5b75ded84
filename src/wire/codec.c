/* codec.c - see codec.h. The fields of each message are listed once, for both
 * directions: a `struct io` goes through the list and either fills the
 * generated structure from ours, or checks it and fills ours. */
#include "wire/codec.h"

#include "base/check.h"
#include "wreath.pb-c.h"

enum {
    MEMBER_BYTES = WR_HOST_ID_BYTES + 1,
    ADDR_BYTES = 16 + 2,
    CONTACT_BYTES = WR_HOST_ID_BYTES + ADDR_BYTES,
    ENTRY_BYTES = WR_HOST_ID_BYTES + 4 + 1,
};

/* The number of a kind is the number of its field in `body`. */
#define X(name, number, leaf, bulk)                                            \
    _Static_assert((int)WREATH__MESSAGE__BODY_##name == (number), #name);
WR_MSG_MAP(X)
#undef X

#define X(name, number)                                                        \
    _Static_assert((int)WREATH__STATUS__##name == (number), #name);
WR_STATUS_MAP(X)
#undef X

enum { STATUS_LAST = WR_STATUS_TIMEOUT };

struct io {
    struct wr_codec *c;
    bool encode;
    enum wr_err err; /* The first one; later fields change nothing. */
};

static void fail(struct io *io, enum wr_err err)
{
    if (io->err == WR_OK)
        io->err = err;
}

/* ---- the arena -------------------------------------------------------- */

static void *arena_alloc(void *arg, size_t n)
{
    struct wr_codec *const c = arg;
    uint8_t *p;

    if (n > c->arena_cap)
        return NULL;
    n = (n + 15) & ~(size_t)15;
    if (n > c->arena_cap - c->arena_n)
        return NULL;
    p = c->arena + c->arena_n;
    c->arena_n += n;
    return p;
}

static void arena_free(void *arg, void *p)
{
    (void)arg;
    (void)p;
}

static void *io_alloc(struct io *io, size_t n)
{
    void *const p = arena_alloc(io->c, n);

    if (p == NULL)
        fail(io, io->encode ? WR_ETOOBIG : WR_EINVAL);
    return p;
}

/* ---- one field -------------------------------------------------------- */

static void u8(struct io *io, uint8_t *own, uint32_t *wire, uint32_t most)
{
    if (io->encode ? *own > most : *wire > most)
        fail(io, WR_EINVAL);
    else if (io->encode)
        *wire = *own;
    else
        *own = (uint8_t)*wire;
}

static void u32(struct io *io, uint32_t *own, uint32_t *wire)
{
    if (io->encode)
        *wire = *own;
    else
        *own = *wire;
}

static void u64(struct io *io, uint64_t *own, uint64_t *wire)
{
    if (io->encode)
        *wire = *own;
    else
        *own = *wire;
}

static void flag(struct io *io, bool *own, protobuf_c_boolean *wire)
{
    if (io->encode)
        *wire = *own;
    else
        *own = *wire != 0;
}

/* The generated enumerations are ints; ours are bytes with a highest value. */
#define ENUM(io, own, wire, most)                                              \
    do {                                                                       \
        uint32_t v_ = (uint32_t)(wire);                                        \
        u8(io, own, &v_, most);                                                \
        (wire) = v_;                                                           \
    } while (0)

/* Bytes of any length up to `most`, borrowed in both directions. */
static void span(struct io *io, struct wr_span *own, ProtobufCBinaryData *wire,
                 size_t most)
{
    if ((io->encode ? own->n : wire->len) > most)
        fail(io, WR_EINVAL);
    else if (io->encode)
        *wire = (ProtobufCBinaryData){own->n, (uint8_t *)(uintptr_t)own->p};
    else
        *own = wr_span(wire->data, wire->len);
}

/* Exactly `n` bytes. */
static void fixed(struct io *io, uint8_t *own, size_t n,
                  ProtobufCBinaryData *wire)
{
    if (io->encode)
        *wire = (ProtobufCBinaryData){n, own};
    else if (wire->len != n)
        fail(io, WR_EINVAL);
    else if (n > 0)
        memcpy(own, wire->data, n);
}

static void key(struct io *io, struct wr_id *own, ProtobufCBinaryData *wire)
{
    fixed(io, own->b, WR_ID_BYTES, wire);
}

/* A list of records of `each` bytes: how many there are on the wire, or room
 * for `n` of them. False where there is nothing to go on with. */
static bool list(struct io *io, ProtobufCBinaryData *wire, size_t each,
                 size_t most, size_t n)
{
    if (io->err != WR_OK)
        return false;
    if (io->encode) {
        if (n > most) {
            fail(io, WR_EINVAL);
            return false;
        }
        wire->data = n > 0 ? io_alloc(io, n * each) : NULL;
        wire->len = wire->data != NULL ? n * each : 0;
        return wire->data != NULL;
    }
    if (wire->len % each != 0 || wire->len / each > most)
        fail(io, WR_EINVAL);
    return io->err == WR_OK && wire->len > 0;
}

/* ---- hosts and members ------------------------------------------------ */

static bool put_host(struct io *io, wr_host h, uint8_t *ret)
{
    const struct wr_book *const b = io->c->book;

    if (h >= b->hosts_n) {
        fail(io, WR_EINVAL);
        return false;
    }
    memcpy(ret, b->hosts[h].id.b, WR_HOST_ID_BYTES);
    return true;
}

static wr_host take_host(struct io *io, const uint8_t *p)
{
    struct wr_host_id id;

    memcpy(id.b, p, sizeof(id.b));
    return wr_book_find(io->c->book, &id);
}

static bool put_member(struct io *io, wr_ref r, uint8_t *ret)
{
    if (!wr_book_has(io->c->book, r)) {
        fail(io, WR_EINVAL);
        return false;
    }
    ret[WR_HOST_ID_BYTES] = wr_ref_index(r);
    return put_host(io, wr_ref_host(r), ret);
}

/* WR_NO_REF for a stranger, or an index that its credential does not give. */
static wr_ref take_member(struct io *io, const uint8_t *p)
{
    const wr_host h = take_host(io, p);
    const uint8_t index = p[WR_HOST_ID_BYTES];

    if (index >= WR_MEMBERS_MAX)
        fail(io, WR_EINVAL);
    else if (h != WR_NO_HOST && index < io->c->book->hosts[h].members)
        return wr_ref_of(h, index);
    return WR_NO_REF;
}

enum need { OPTIONAL, REQUIRED };

static void host(struct io *io, wr_host *own, ProtobufCBinaryData *wire,
                 enum need need)
{
    const bool none = io->encode ? *own == WR_NO_HOST : wire->len == 0;

    if (none) {
        *own = WR_NO_HOST;
        if (need == REQUIRED)
            fail(io, WR_EINVAL);
    } else if (!io->encode && wire->len != WR_HOST_ID_BYTES) {
        fail(io, WR_EINVAL);
    } else if (!io->encode) {
        *own = take_host(io, wire->data);
        if (*own == WR_NO_HOST)
            fail(io, WR_ENOTFOUND);
    } else if (list(io, wire, WR_HOST_ID_BYTES, 1, 1)) {
        put_host(io, *own, wire->data);
    }
}

static void member(struct io *io, wr_ref *own, ProtobufCBinaryData *wire,
                   enum need need)
{
    const bool none = io->encode ? *own == WR_NO_REF : wire->len == 0;

    if (none) {
        *own = WR_NO_REF;
        if (need == REQUIRED)
            fail(io, WR_EINVAL);
    } else if (!io->encode && wire->len != MEMBER_BYTES) {
        fail(io, WR_EINVAL);
    } else if (!io->encode) {
        *own = take_member(io, wire->data);
        if (*own == WR_NO_REF)
            fail(io, WR_ENOTFOUND);
    } else if (list(io, wire, MEMBER_BYTES, 1, 1)) {
        put_member(io, *own, wire->data);
    }
}

static void members(struct io *io, const wr_ref **own, uint8_t *n,
                    ProtobufCBinaryData *wire, size_t most)
{
    wr_ref *v;

    if (!list(io, wire, MEMBER_BYTES, most, *n))
        return;
    if (io->encode) {
        for (size_t i = 0; i < *n; i++)
            put_member(io, (*own)[i], wire->data + i * MEMBER_BYTES);
        return;
    }
    v = io_alloc(io, wire->len / MEMBER_BYTES * sizeof(*v));
    for (size_t i = 0; v != NULL && i < wire->len / MEMBER_BYTES; i++) {
        v[*n] = take_member(io, wire->data + i * MEMBER_BYTES);
        if (v[*n] == WR_NO_REF)
            io->c->strangers++;
        else
            ++*n;
    }
    *own = v;
}

static void hosts(struct io *io, const wr_host **own, uint8_t *n,
                  ProtobufCBinaryData *wire, size_t most)
{
    wr_host *v;

    if (!list(io, wire, WR_HOST_ID_BYTES, most, *n))
        return;
    if (io->encode) {
        for (size_t i = 0; i < *n; i++)
            put_host(io, (*own)[i], wire->data + i * WR_HOST_ID_BYTES);
        return;
    }
    v = io_alloc(io, wire->len / WR_HOST_ID_BYTES * sizeof(*v));
    for (size_t i = 0; v != NULL && i < wire->len / WR_HOST_ID_BYTES; i++) {
        v[*n] = take_host(io, wire->data + i * WR_HOST_ID_BYTES);
        if (v[*n] == WR_NO_HOST)
            io->c->strangers++;
        else
            ++*n;
    }
    *own = v;
}

/* ---- other lists ------------------------------------------------------ */

static void put_entry(struct io *io, const struct wr_roster_entry *e,
                      uint8_t *p)
{
    struct wr_writer w = wr_writer(p + WR_HOST_ID_BYTES, 5);

    if (e->state > WR_ROSTER_REMOVED)
        fail(io, WR_EINVAL);
    put_host(io, e->host, p);
    wr_write_be32(&w, e->incarnation);
    wr_write_u8(&w, e->state);
}

static void entries(struct io *io, const struct wr_roster_entry **own,
                    uint8_t *n, ProtobufCBinaryData *wire)
{
    struct wr_roster_entry *v;

    if (!list(io, wire, ENTRY_BYTES, WR_ROSTER_MAX, *n))
        return;
    if (io->encode) {
        for (size_t i = 0; i < *n; i++)
            put_entry(io, &(*own)[i], wire->data + i * ENTRY_BYTES);
        return;
    }
    v = io_alloc(io, wire->len / ENTRY_BYTES * sizeof(*v));
    for (size_t i = 0; v != NULL && i < wire->len / ENTRY_BYTES; i++) {
        const uint8_t *const p = wire->data + i * ENTRY_BYTES;
        struct wr_reader r = wr_reader(wr_span(p + WR_HOST_ID_BYTES, 5));

        v[*n] = (struct wr_roster_entry){.host = take_host(io, p),
                                         .incarnation = wr_read_be32(&r),
                                         .state = wr_read_u8(&r)};
        if (v[*n].state > WR_ROSTER_REMOVED)
            fail(io, WR_EINVAL);
        if (v[*n].host == WR_NO_HOST)
            io->c->strangers++;
        else
            ++*n;
    }
    *own = v;
}

static void digests(struct io *io, const struct wr_id **own, uint8_t *n,
                    ProtobufCBinaryData *wire)
{
    _Static_assert(sizeof(struct wr_id) == WR_ID_BYTES, "packed as it lies");
    struct wr_span s = wr_span(*own, (size_t)*n * WR_ID_BYTES);

    span(io, &s, wire, (size_t)WR_HAVE_MAX * WR_ID_BYTES);
    if (s.n % WR_ID_BYTES != 0)
        fail(io, WR_EINVAL);
    if (io->encode || io->err != WR_OK)
        return;
    *own = (const struct wr_id *)(const void *)s.p;
    *n = (uint8_t)(s.n / WR_ID_BYTES);
}

/* `n` bits; those past the last are zero, so that equal answers are equal. */
static void bits(struct io *io, uint8_t *own, uint8_t n,
                 ProtobufCBinaryData *wire)
{
    const size_t bytes = ((size_t)n + 7) / 8;

    fixed(io, own, bytes, wire);
    if (io->err == WR_OK && n % 8 != 0 && own[bytes - 1] >> n % 8 != 0)
        fail(io, WR_EINVAL);
}

static void put_addr(const struct wr_addr *a, uint8_t *p)
{
    struct wr_writer w = wr_writer(p, ADDR_BYTES);

    wr_write(&w, a->ip, sizeof(a->ip));
    wr_write_be16(&w, a->port);
}

static void take_addr(const uint8_t *p, struct wr_addr *ret)
{
    struct wr_reader r = wr_reader(wr_span(p, ADDR_BYTES));

    wr_read_into(&r, ret->ip, sizeof(ret->ip));
    ret->port = wr_read_be16(&r);
}

/* Nothing at all stands for all zeros: unknown. */
static void addr(struct io *io, struct wr_addr *own, ProtobufCBinaryData *wire)
{
    static const uint8_t unknown[ADDR_BYTES];
    uint8_t packed[ADDR_BYTES];

    put_addr(own, packed);
    if (io->encode && memcmp(packed, unknown, ADDR_BYTES) == 0)
        return;
    if (!list(io, wire, ADDR_BYTES, 1, 1))
        return;
    if (io->encode)
        memcpy(wire->data, packed, ADDR_BYTES);
    else
        take_addr(wire->data, own);
}

static void contacts(struct io *io, const struct wr_contact **own, uint8_t *n,
                     ProtobufCBinaryData *wire)
{
    struct wr_contact *v;

    if (!list(io, wire, CONTACT_BYTES, WR_CONTACTS_MAX, *n))
        return;
    if (!io->encode) {
        *n = (uint8_t)(wire->len / CONTACT_BYTES);
        *own = v = io_alloc(io, *n * sizeof(*v));
        for (size_t i = 0; v != NULL && i < *n; i++) {
            const uint8_t *const p = wire->data + i * CONTACT_BYTES;

            memcpy(v[i].id.b, p, WR_HOST_ID_BYTES);
            take_addr(p + WR_HOST_ID_BYTES, &v[i].addr);
        }
        return;
    }
    for (size_t i = 0; i < *n; i++) {
        uint8_t *const p = wire->data + i * CONTACT_BYTES;

        memcpy(p, (*own)[i].id.b, WR_HOST_ID_BYTES);
        put_addr(&(*own)[i].addr, p + WR_HOST_ID_BYTES);
    }
}

/* ---- one message ------------------------------------------------------ */

static void view(struct io *io, struct wr_msg *m, Wreath__View *w)
{
    ENUM(io, &m->view.state, w->state, WR_VIEW_NOT_MEMBER);
    u32(io, &m->view.incarnation, &w->incarnation);
    member(io, &m->view.pred, &w->pred, OPTIONAL);
    members(io, &m->view.succs, &m->view.succs_n, &w->succs, WR_SUCCS_MAX);
}

static void route(struct io *io, struct wr_msg *m, Wreath__Route *w)
{
    key(io, &m->route.key, &w->key);
    u8(io, &m->route.ttl, &w->ttl, WR_HOPS_MAX);
    u8(io, &m->route.hops, &w->hops, WR_HOPS_MAX);
    flag(io, &m->route.trace, &w->trace);
}

static void routed(struct io *io, struct wr_msg *m, Wreath__Routed *w)
{
    ENUM(io, &m->routed.status, w->status, STATUS_LAST);
    u8(io, &m->routed.hops, &w->hops, WR_HOPS_MAX);
    member(io, &m->routed.owner, &w->owner, OPTIONAL);
    members(io, &m->routed.set, &m->routed.set_n, &w->set, WR_SET_MAX);
    hosts(io, &m->routed.path, &m->routed.path_n, &w->path, WR_HOPS_MAX);
}

static void next_ask(struct io *io, struct wr_msg *m, Wreath__NextAsk *w)
{
    key(io, &m->next_ask.key, &w->key);
    host(io, &m->next_ask.without, &w->without, OPTIONAL);
}

static void next(struct io *io, struct wr_msg *m, Wreath__Next *w)
{
    flag(io, &m->next.final, &w->final);
    members(io, &m->next.nodes, &m->next.n, &w->nodes, WR_NEXT_MAX);
}

static void probe(struct io *io, struct wr_msg *m, Wreath__Probe *w)
{
    host(io, &m->probe.target, &w->target, REQUIRED);
    flag(io, &m->probe.alive, &w->alive);
    u32(io, &m->probe.incarnation, &w->incarnation);
}

static void roster(struct io *io, struct wr_msg *m, Wreath__Roster *w)
{
    u64(io, &m->roster.sum, &w->sum);
    u32(io, &m->roster.count, &w->count);
    entries(io, &m->roster.entries, &m->roster.n, &w->entries);
}

static void have(struct io *io, struct wr_msg *m, Wreath__Have *w)
{
    ENUM(io, &m->have.level, w->level, WR_LEVEL_COPY);
    u8(io, &m->have.copies, &w->copies, WR_COPIES_MAX);
    u8(io, &m->have.durable, &w->durable, WR_COPIES_MAX);
    fixed(io, m->have.put.b, sizeof(m->have.put.b), &w->put);
    digests(io, &m->have.digests, &m->have.n, &w->digests);
}

static void had(struct io *io, struct wr_msg *m, Wreath__Had *w)
{
    ENUM(io, &m->had.status, w->status, STATUS_LAST);
    u8(io, &m->had.n, &w->n, WR_HAVE_MAX);
    u8(io, &m->had.copies, &w->copies, UINT8_MAX);
    bits(io, m->had.bits, m->had.n, &w->bits);
    u32(io, &m->had.retry_ms, &w->retry_ms);
}

static void put(struct io *io, struct wr_msg *m, Wreath__Put *w)
{
    ENUM(io, &m->put.level, w->level, WR_LEVEL_COPY);
    u8(io, &m->put.copies, &w->copies, WR_COPIES_MAX);
    u8(io, &m->put.durable, &w->durable, WR_COPIES_MAX);
    u32(io, &m->put.hash, &w->hash);
    fixed(io, m->put.put.b, sizeof(m->put.put.b), &w->put);
    key(io, &m->put.digest, &w->digest);
    flag(io, &m->put.repair, &w->repair);
}

static void put_done(struct io *io, struct wr_msg *m, Wreath__PutDone *w)
{
    ENUM(io, &m->put_done.status, w->status, STATUS_LAST);
    u8(io, &m->put_done.copies, &w->copies, UINT8_MAX);
    u32(io, &m->put_done.retry_ms, &w->retry_ms);
}

static void get(struct io *io, struct wr_msg *m, Wreath__Get *w)
{
    ENUM(io, &m->get.level, w->level, WR_LEVEL_COPY);
    flag(io, &m->get.head, &w->head);
    u32(io, &m->get.hash, &w->hash);
    key(io, &m->get.digest, &w->digest);
}

static void data(struct io *io, struct wr_msg *m, Wreath__Data *w)
{
    ENUM(io, &m->data.status, w->status, STATUS_LAST);
    u8(io, &m->data.copies, &w->copies, UINT8_MAX);
    u8(io, &m->data.asked, &w->asked, UINT8_MAX);
    u8(io, &m->data.down, &w->down, UINT8_MAX);
    u32(io, &m->data.hash, &w->hash);
    u32(io, &m->data.len, &w->len);
    u32(io, &m->data.retry_ms, &w->retry_ms);
    key(io, &m->data.digest, &w->digest);
    hosts(io, &m->data.hosts, &m->data.hosts_n, &w->hosts, WR_READ_HOSTS);
    u64(io, &m->data.known, &w->known);
}

static void root(struct io *io, struct wr_msg *m, Wreath__Root *w)
{
    ENUM(io, &m->root.level, w->level, WR_LEVEL_COPY);
    u8(io, &m->root.copies, &w->copies, WR_COPIES_MAX);
    u8(io, &m->root.durable, &w->durable, WR_COPIES_MAX);
    ENUM(io, &m->root.status, w->status, STATUS_LAST);
    u32(io, &m->root.retry_ms, &w->retry_ms);
    key(io, &m->root.position, &w->position);
    u64(io, &m->root.version, &w->version);
    span(io, &m->root.record, &w->record, WR_ROOT_RECORD_MAX);
    u64(io, &m->root.known, &w->known);
}

static void sync_(struct io *io, struct wr_msg *m, Wreath__Sync *w)
{
    flag(io, &m->sync.roots, &w->roots);
    span(io, &m->sync.arc, &w->arc, 2 * (size_t)WR_ID_BYTES);
    if (m->sync.arc.n != 2 * (size_t)WR_ID_BYTES)
        fail(io, WR_EINVAL);
    u64(io, &m->sync.count, &w->count);
    fixed(io, m->sync.print, sizeof(m->sync.print), &w->print);
    flag(io, &m->sync.refs, &w->refs);
    u32(io, &m->sync.skip, &w->skip);
}

static void synced(struct io *io, struct wr_msg *m, Wreath__Synced *w)
{
    ENUM(io, &m->synced.status, w->status, STATUS_LAST);
    ENUM(io, &m->synced.what, w->what, WR_SYNCED_REFS);
    u32(io, &m->synced.retry_ms, &w->retry_ms);
    u64(io, &m->synced.count, &w->count);
    span(io, &m->synced.list, &w->list, WR_SYNC_BYTES);
}

static void hello(struct io *io, struct wr_msg *m, Wreath__Hello *w)
{
    u64(io, &m->hello.features, &w->features);
    u32(io, &m->hello.incarnation, &w->incarnation);
    u64(io, &m->hello.revoked, &w->revoked);
    flag(io, &m->hello.bulk, &w->bulk);
    addr(io, &m->hello.listen, &w->listen);
    u64(io, &m->hello.wall_s, &w->wall_s);
    span(io, &m->hello.agent, &w->agent, WR_NAME_MAX);
}

static void card(struct io *io, struct wr_msg *m, Wreath__Card *w)
{
    span(io, &m->card.credential, &w->credential, WR_CREDENTIAL_MAX);
    span(io, &m->card.farewell, &w->farewell, WR_FAREWELL_MAX);
    addr(io, &m->card.addr, &w->addr);
    u32(io, &m->card.incarnation, &w->incarnation);
}

static void attached(struct io *io, struct wr_msg *m, Wreath__Attached *w)
{
    contacts(io, &m->attached.contacts, &m->attached.n, &w->contacts);
    u32(io, &m->attached.copies, &w->copies);
    u32(io, &m->attached.durable, &w->durable);
    span(io, &m->attached.parent, &w->parent, WR_NAME_MAX);
}

static void join(struct io *io, struct wr_msg *m, Wreath__Join *w)
{
    span(io, &m->join.sealed, &w->sealed, WR_SEALED_MAX);
}

static void joined(struct io *io, struct wr_msg *m, Wreath__Joined *w)
{
    ENUM(io, &m->joined.status, w->status, STATUS_LAST);
    span(io, &m->joined.credential, &w->credential, WR_CREDENTIAL_MAX);
    span(io, &m->joined.text, &w->text, WR_WORDS_MAX);
}

/* `w` is the generated structure that belongs to m->kind. */
static void fields(struct io *io, struct wr_msg *m, Wreath__Message *w)
{
    switch ((enum wr_msg_kind)m->kind) {
    case WR_MSG_PING:
    case WR_MSG_PONG:
        u32(io, &m->ping.incarnation, &w->ping->incarnation);
        return;
    case WR_MSG_PROBE:
    case WR_MSG_PROBED:
        probe(io, m, w->probe);
        return;
    case WR_MSG_BYE:
        ENUM(io, &m->bye.why, w->bye->why, WR_BYE_LEFT);
        return;
    case WR_MSG_NOTIFY:
        ENUM(io, &m->notify.as, w->notify->as, WR_NOTIFY_PRED);
        member(io, &m->notify.between, &w->notify->between, OPTIONAL);
        return;
    case WR_MSG_VIEW:
        view(io, m, w->view);
        return;
    case WR_MSG_HINT:
        member(io, &m->hint.member, &w->hint->member, REQUIRED);
        return;
    case WR_MSG_ROUTE:
        route(io, m, w->route);
        return;
    case WR_MSG_ROUTED:
        routed(io, m, w->routed);
        return;
    case WR_MSG_NEXT_ASK:
        next_ask(io, m, w->next_ask);
        return;
    case WR_MSG_NEXT:
        next(io, m, w->next);
        return;
    case WR_MSG_ROSTER_ASK:
    case WR_MSG_ROSTER:
        roster(io, m, w->roster);
        return;
    case WR_MSG_HAVE:
        have(io, m, w->have);
        return;
    case WR_MSG_HAD:
        had(io, m, w->had);
        return;
    case WR_MSG_PUT:
        put(io, m, w->put);
        return;
    case WR_MSG_PUT_DONE:
        put_done(io, m, w->put_done);
        return;
    case WR_MSG_GET:
        get(io, m, w->get);
        return;
    case WR_MSG_DATA:
        data(io, m, w->data);
        return;
    case WR_MSG_ROOT_PUT:
    case WR_MSG_ROOT_DONE:
    case WR_MSG_ROOT_GET:
    case WR_MSG_ROOT:
        root(io, m, w->root);
        return;
    case WR_MSG_SYNC:
        sync_(io, m, w->sync);
        return;
    case WR_MSG_SYNCED:
        synced(io, m, w->synced);
        return;
    case WR_MSG_HELLO:
        hello(io, m, w->hello);
        return;
    case WR_MSG_CARD:
        card(io, m, w->card);
        return;
    case WR_MSG_ATTACHED:
        attached(io, m, w->attached);
        return;
    case WR_MSG_QUERY:
        span(io, &m->query.what, &w->query->what, WR_NAME_MAX);
        span(io, &m->query.arg, &w->query->arg, WR_ARGUMENT_MAX);
        return;
    case WR_MSG_REPORT:
        ENUM(io, &m->report.status, w->report->status, STATUS_LAST);
        return;
    case WR_MSG_JOIN:
        join(io, m, w->join);
        return;
    case WR_MSG_JOINED:
        joined(io, m, w->joined);
        return;
    case WR_MSG_VIEW_ASK:
    case WR_MSG_ROUTE_ACK:
    case WR_MSG_REVOKED:
        return;
    }
    fail(io, WR_EINVAL);
}

/* A member's index travels plus one, so that none costs nothing. */
static void index_of(struct io *io, uint8_t *own, uint32_t *wire)
{
    uint8_t v = *own == WR_MEMBER_NONE ? 0 : (uint8_t)(*own + 1);

    u8(io, &v, wire, WR_MEMBERS_MAX);
    if (!io->encode)
        *own = v == 0 ? WR_MEMBER_NONE : (uint8_t)(v - 1);
}

/* ---- whole headers ---------------------------------------------------- */

void wr_codec_init(struct wr_codec *c, const struct wr_book *book, void *arena,
                   size_t arena_cap)
{
    WR_CHECK(arena_cap >= WR_CODEC_ARENA);
    WR_CHECK((uintptr_t)arena % 16 == 0);
    *c =
        (struct wr_codec){.book = book, .arena = arena, .arena_cap = arena_cap};
}

enum wr_err wr_codec_encode(struct wr_codec *c, const struct wr_msg *m,
                            struct wr_span extra, uint8_t *ret, size_t room,
                            size_t *ret_n)
{
    const size_t mark = c->arena_n;
    const ProtobufCFieldDescriptor *const field =
        protobuf_c_message_descriptor_get_field(&wreath__message__descriptor,
                                                m->kind);
    const ProtobufCMessageDescriptor *part;
    Wreath__Message top = WREATH__MESSAGE__INIT;
    struct io io = {.c = c, .encode = true};
    struct wr_msg own = *m;
    size_t n;

    if (!wr_msg_known(m->kind) || field == NULL)
        return WR_EINVAL;
    part = field->descriptor;
    top.body_case = (Wreath__Message__BodyCase)m->kind;
    top.rid = m->rid;
    top.ping = io_alloc(&io, part->sizeof_message);
    if (top.ping != NULL) {
        protobuf_c_message_init(part, top.ping);
        index_of(&io, &own.from, &top.from);
        index_of(&io, &own.to, &top.to);
        fields(&io, &own, &top);
    }
    if (io.err == WR_OK) {
        n = wreath__message__get_packed_size(&top);
        if (n + extra.n > room || n + extra.n > WR_HEADER_MAX) {
            io.err = WR_ETOOBIG;
        } else {
            wreath__message__pack(&top, ret);
            if (extra.n > 0)
                memcpy(ret + n, extra.p, extra.n);
            *ret_n = n + extra.n;
        }
    }
    c->arena_n = mark;
    return io.err;
}

/* The unknown fields, as they came. False if the arena is full, or at a field
 * of number 0: protobuf-c lets it pass in some disguises and not in others, and
 * what is handed on must be readable. */
static bool take_extra(struct io *io, const ProtobufCMessage *m,
                       struct wr_span *ret)
{
    size_t n = 0;
    struct wr_writer w;

    *ret = (struct wr_span){0};
    for (unsigned i = 0; i < m->n_unknown_fields; i++) {
        if (m->unknown_fields[i].tag == 0)
            return false;
        n += 10 + m->unknown_fields[i].len;
    }
    if (n == 0)
        return true;
    w = wr_writer(io_alloc(io, n), n);
    if (w.p == NULL)
        return false;
    for (unsigned i = 0; i < m->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *const f = &m->unknown_fields[i];

        wr_write_varint(&w, (uint64_t)f->tag << 3 | (uint64_t)f->wire_type);
        wr_write(&w, f->data, f->len);
    }
    *ret = wr_span(w.p, w.n);
    return true;
}

enum wr_err wr_codec_decode(struct wr_codec *c, struct wr_span header,
                            struct wr_msg *ret, struct wr_span *ret_extra)
{
    ProtobufCAllocator arena = {arena_alloc, arena_free, c};
    struct io io = {.c = c};
    struct wr_msg m = {0};
    struct wr_span extra;
    Wreath__Message *top;

    c->arena_n = 0;
    if (header.n > WR_HEADER_MAX)
        return WR_EINVAL;
    top = wreath__message__unpack(&arena, header.n, header.p);
    if (top == NULL || !take_extra(&io, &top->base, &extra))
        return WR_EINVAL;
    if (top->body_case == WREATH__MESSAGE__BODY__NOT_SET)
        return extra.n > 0 ? WR_EUNSUPPORTED : WR_EINVAL;
    if (top->ping == NULL)
        return WR_EINVAL;
    m.kind = (uint8_t)top->body_case;
    m.rid = top->rid;
    index_of(&io, &m.from, &top->from);
    index_of(&io, &m.to, &top->to);
    fields(&io, &m, top);
    if (io.err != WR_OK)
        return io.err;
    *ret = m;
    if (ret_extra != NULL)
        *ret_extra = extra;
    return WR_OK;
}
