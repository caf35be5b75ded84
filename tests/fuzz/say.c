/* say.c - see say.h. */
#include "say.h"

#include "crypto/root.h"

static struct {
    wr_ref refs[2][WR_SUCCS_MAX];
    wr_host hosts[WR_READ_HOSTS];
    struct wr_id digests[WR_HAVE_MAX];
    struct wr_roster_entry entries[WR_ROSTER_MAX];
    struct wr_contact contacts[WR_CONTACTS_MAX];
    uint8_t arc[2 * WR_ID_BYTES];
    uint8_t list[WR_SYNC_BYTES];
} room;

void fuzz_asked(struct fuzz_asks *asks, wr_host to, const struct wr_msg *m)
{
    const bool data = wr_msg_answer(m->kind) != 0;
    struct fuzz_ask *const a = &asks->v[data][asks->n[data]++ % FUZZ_ASKS];

    *a = (struct fuzz_ask){.to = to,
                           .kind = m->kind,
                           .from = m->from,
                           .member = m->to,
                           .rid = m->rid};
    switch ((int)m->kind) {
    case WR_MSG_ROUTE:
        a->key = m->route.key;
        break;
    case WR_MSG_NEXT_ASK:
        a->key = m->next_ask.key;
        break;
    case WR_MSG_PUT:
        a->key = m->put.digest;
        break;
    case WR_MSG_GET:
        a->key = m->get.digest;
        break;
    case WR_MSG_ROOT_GET:
    case WR_MSG_ROOT_PUT:
        a->key = m->root.position;
        break;
    case WR_MSG_SYNC:
        memcpy(a->key.b, m->sync.arc.p, WR_ID_BYTES);
        memcpy(a->end.b, m->sync.arc.p + WR_ID_BYTES, WR_ID_BYTES);
        a->roots = m->sync.roots;
        break;
    default:
        break;
    }
}

struct wr_id fuzz_digest(unsigned i)
{
    struct wr_id id;

    memset(id.b, (int)(0x20 * (i % FUZZ_DIGESTS) + 9), sizeof(id.b));
    return id;
}

static void make_records(struct fuzz_record v[FUZZ_PUTS][FUZZ_STATES])
{
    static uint8_t bytes[FUZZ_PUTS][FUZZ_STATES][WR_ROOT_BYTES_MAX];
    static const uint8_t seed[WR_SIGN_SEED] = {4}, host[WR_CRED_HOST] = {0x11};
    struct wr_sign_key owner;

    wr_sign_from_seed(seed, &owner);
    for (unsigned i = 0; i < FUZZ_PUTS; i++) {
        const uint8_t nonce[WR_ROOT_NONCE] = {(uint8_t)i};

        for (unsigned k = 0; k < FUZZ_STATES; k++) {
            struct fuzz_record *const to = &v[i][k];
            struct wr_root r;

            wr_root_init(&r, &owner, host, nonce);
            r.version = k + 1;
            r.state = (enum wr_root_state)(WR_ROOT_OPEN + k);
            r.expiry = i == 3 ? 2000000000 : 0;
            r.cid_n = k == 0 ? 0 : 36;
            wr_root_sign(&r, &owner);
            to->bytes = wr_span(bytes[i][k], wr_root_encode(&r, bytes[i][k]));
            to->version = r.version;
            memcpy(to->put.b, r.put, sizeof(to->put.b));
            wr_root_position(r.put, to->position.b);
        }
    }
}

const struct fuzz_record *fuzz_record(unsigned put, unsigned state)
{
    static struct fuzz_record v[FUZZ_PUTS][FUZZ_STATES];

    if (v[0][0].version == 0)
        make_records(v);
    return &v[put % FUZZ_PUTS][state % FUZZ_STATES];
}

uint32_t fuzz_kept(bool roots, const struct wr_id *from, const struct wr_id *to,
                   uint8_t which, struct wr_kept ret[FUZZ_DIGESTS],
                   struct wr_sum *ret_sum)
{
    const unsigned most = roots ? FUZZ_PUTS : FUZZ_DIGESTS;
    uint32_t n = 0;

    *ret_sum = (struct wr_sum){0};
    for (unsigned i = 0; i < most; i++) {
        const struct fuzz_record *const r = fuzz_record(i, which / 16);
        const struct wr_id key = roots ? r->position : fuzz_digest(i);
        const struct wr_sum one = roots
                                      ? wr_sum_root(key.b, r->version, r->bytes)
                                      : wr_sum_chunk(key.b);
        uint32_t at = n;

        if ((which >> i & 1) == 0 || !wr_id_owns(from, &key, to))
            continue;
        for (; at > 0 && wr_id_between(from, &key, &ret[at - 1].key); at--)
            ret[at] = ret[at - 1];
        ret[at] = (struct wr_kept){.key = key, .version = r->version, .len = 1};
        wr_sum_print(&one, ret[at].print);
        wr_sum_add(ret_sum, &one);
        n++;
    }
    return n;
}

/* ---- parts ------------------------------------------------------------ */

static wr_host host(struct fuzz *f)
{
    return fuzz_below(f, FUZZ_HOSTS);
}

static wr_ref ref(struct fuzz *f)
{
    const wr_host h = host(f);

    return wr_ref_of(h, fuzz_below(f, fuzz_hosts()->hosts[h].members));
}

static wr_ref ref_or_none(struct fuzz *f)
{
    return fuzz_below(f, 4) == 0 ? WR_NO_REF : ref(f);
}

static struct wr_id key(struct fuzz *f, const struct fuzz_ask *ask)
{
    const uint8_t how = fuzz_u8(f);

    if (how < 96)
        return ask->key;
    if (how < 160)
        return fuzz_digest(how);
    if (how < 192)
        return fuzz_record(how, 0)->position;
    return *wr_book_id(fuzz_hosts(), ref(f));
}

static uint8_t refs(struct fuzz *f, unsigned i, uint32_t max,
                    const wr_ref **ret)
{
    const uint8_t n = (uint8_t)fuzz_below(f, max + 1);

    for (unsigned k = 0; k < n; k++)
        room.refs[i][k] = ref(f);
    *ret = room.refs[i];
    return n;
}

static uint8_t hosts(struct fuzz *f, uint32_t max, const wr_host **ret)
{
    const uint8_t n = (uint8_t)fuzz_below(f, max + 1);

    for (unsigned k = 0; k < n; k++)
        room.hosts[k] = host(f);
    *ret = room.hosts;
    return n;
}

static uint8_t status(struct fuzz *f)
{
    const uint8_t v = fuzz_u8(f);

    return v < 128 ? WR_STATUS_OK : v % (WR_STATUS_TIMEOUT + 1);
}

static struct wr_put_id put_id(struct fuzz *f)
{
    const uint8_t how = fuzz_u8(f);
    const struct wr_put_id none = {{0}};

    return how < 16 ? none : fuzz_record(how, 0)->put;
}

static struct wr_span some(struct fuzz *f, uint32_t max)
{
    return fuzz_bytes(f, fuzz_below(f, max + 1));
}

static uint8_t level(struct fuzz *f)
{
    return (uint8_t)fuzz_below(f, WR_LEVEL_COPY + 1);
}

static uint8_t copies(struct fuzz *f)
{
    return (uint8_t)fuzz_below(f, WR_COPIES_MAX + 1);
}

/* Milliseconds; the codec takes any. */
static uint32_t retry(struct fuzz *f)
{
    return fuzz_flag(f) ? fuzz_u8(f) : fuzz_u32(f);
}

/* ---- kinds ------------------------------------------------------------ */

static void roster(struct fuzz *f, struct wr_msg *m)
{
    m->roster.sum = fuzz_flag(f) ? 0 : fuzz_u64(f);
    m->roster.count = fuzz_u8(f);
    if (m->kind == WR_MSG_ROSTER_ASK)
        return;
    m->roster.n = (uint8_t)fuzz_below(f, WR_ROSTER_MAX + 1);
    for (unsigned i = 0; i < m->roster.n; i++)
        room.entries[i] = (struct wr_roster_entry){
            .host = host(f),
            .incarnation = fuzz_u8(f),
            .state = (uint8_t)fuzz_below(f, WR_ROSTER_REMOVED + 1)};
    m->roster.entries = room.entries;
}

static void have(struct fuzz *f, struct wr_msg *m, const struct fuzz_ask *ask)
{
    m->have.level = level(f);
    m->have.copies = copies(f);
    m->have.durable = copies(f);
    m->have.put = put_id(f);
    m->have.n = (uint8_t)fuzz_below(f, WR_HAVE_MAX + 1);
    for (unsigned i = 0; i < m->have.n; i++)
        room.digests[i] = i < 16 ? key(f, ask) : fuzz_digest(i);
    m->have.digests = room.digests;
}

static void had(struct fuzz *f, struct wr_msg *m)
{
    const struct wr_span bits = fuzz_bytes(f, sizeof(m->had.bits));

    m->had.status = status(f);
    m->had.n = (uint8_t)fuzz_below(f, WR_HAVE_MAX + 1);
    m->had.copies = copies(f);
    memcpy(m->had.bits, bits.p, bits.n);
    m->had.retry_ms = retry(f);
}

static void data(struct fuzz *f, struct wr_msg *m, const struct fuzz_ask *ask)
{
    m->data.status = status(f);
    m->data.copies = copies(f);
    m->data.asked = fuzz_u8(f);
    m->data.down = fuzz_u8(f);
    m->data.hash = 0xb220;
    m->data.len = fuzz_flag(f) ? fuzz_u8(f) : fuzz_u32(f);
    m->data.retry_ms = retry(f);
    m->data.digest = key(f, ask);
    m->data.hosts_n = hosts(f, WR_READ_HOSTS, &m->data.hosts);
    m->data.known = fuzz_u8(f);
}

static void root(struct fuzz *f, struct wr_msg *m, const struct fuzz_ask *ask)
{
    m->root.level = level(f);
    m->root.copies = copies(f);
    m->root.durable = copies(f);
    m->root.status = status(f);
    m->root.retry_ms = retry(f);
    m->root.position = key(f, ask);
    m->root.known = fuzz_u8(f);
    if (fuzz_flag(f)) {
        m->root.version = fuzz_u8(f);
        m->root.record = some(f, WR_ROOT_RECORD_MAX);
    } else {
        const uint8_t which = fuzz_u8(f);
        const struct fuzz_record *const r = fuzz_record(which, which / 64);

        m->root.position = r->position;
        m->root.version = r->version;
        m->root.record = r->bytes;
    }
}

static void sync_ask(struct fuzz *f, struct wr_msg *m,
                     const struct fuzz_ask *ask)
{
    const struct wr_id from = key(f, ask), to = key(f, ask);

    memcpy(room.arc, from.b, WR_ID_BYTES);
    memcpy(room.arc + WR_ID_BYTES, to.b, WR_ID_BYTES);
    m->sync.arc = wr_span(room.arc, sizeof(room.arc));
    m->sync.roots = fuzz_flag(f);
    m->sync.refs = fuzz_flag(f);
    m->sync.skip = fuzz_below(f, 4);
    m->sync.count = fuzz_u8(f);
}

/* Appends `n` bytes to the list, which has `at`. */
static size_t listed(size_t at, const void *p, size_t n)
{
    memcpy(room.list + at, p, n);
    return at + n;
}

/* Of the arc that was asked about, mostly; some with another print. */
static size_t items(struct fuzz *f, const struct fuzz_ask *ask)
{
    struct wr_kept v[FUZZ_DIGESTS];
    struct wr_sum sum;
    const uint32_t kept =
        fuzz_kept(ask->roots, &ask->key, &ask->end, fuzz_u8(f), v, &sum);
    const uint8_t other = fuzz_u8(f);
    size_t n = 0;

    for (uint32_t i = 0; i < kept; i++) {
        const struct wr_id id = (other >> i & 3) == 3 ? key(f, ask) : v[i].key;

        v[i].print[0] ^= other >> i & 1;
        n = listed(n, id.b, sizeof(id.b));
        n = listed(n, v[i].print, sizeof(v[i].print));
    }
    return n;
}

static void synced(struct fuzz *f, struct wr_msg *m, const struct fuzz_ask *ask)
{
    size_t n = 0;

    m->synced.status = status(f);
    m->synced.retry_ms = m->synced.status == WR_STATUS_OK ? 0 : retry(f);
    m->synced.count = fuzz_u8(f);
    m->synced.what = (uint8_t)fuzz_below(f, WR_SYNCED_REFS + 1);
    if (fuzz_u8(f) < 32) { /* Not what the kind of list asks for. */
        m->synced.list = some(f, 255);
        return;
    }
    switch ((enum wr_synced)m->synced.what) {
    case WR_SYNCED_EQUAL:
        break;
    case WR_SYNCED_PARTS:
        memset(room.list, 0, sizeof(room.list));
        for (unsigned i = 0; i < WR_ARC_PARTS; i++)
            room.list[WR_PRINT * i] = fuzz_u8(f);
        n = (size_t)WR_ARC_PARTS * WR_PRINT;
        break;
    case WR_SYNCED_ITEMS:
        n = items(f, ask);
        break;
    case WR_SYNCED_REFS:
        for (uint32_t left = fuzz_below(f, 10); left > 0; left--) {
            const struct wr_put_id id = put_id(f);

            n = listed(n, id.b, sizeof(id.b));
        }
        break;
    }
    m->synced.list = wr_span(room.list, n);
}

static void ring(struct fuzz *f, struct wr_msg *m, const struct fuzz_ask *ask)
{
    switch ((int)m->kind) {
    case WR_MSG_PROBE:
    case WR_MSG_PROBED:
        m->probe.target = host(f);
        m->probe.alive = fuzz_flag(f);
        m->probe.incarnation = fuzz_u8(f);
        break;
    case WR_MSG_BYE:
        m->bye.why = (uint8_t)fuzz_below(f, WR_BYE_LEFT + 1);
        break;
    case WR_MSG_VIEW:
        m->view.state = (uint8_t)(fuzz_u8(f) / 100);
        m->view.incarnation = fuzz_u8(f);
        m->view.pred = ref_or_none(f);
        m->view.succs_n = refs(f, 0, WR_SUCCS_MAX, &m->view.succs);
        break;
    case WR_MSG_NOTIFY:
        m->notify.as = (uint8_t)fuzz_below(f, WR_NOTIFY_PRED + 1);
        m->notify.between = ref_or_none(f);
        break;
    case WR_MSG_HINT:
        m->hint.member = ref(f);
        break;
    case WR_MSG_ROUTE:
        m->route.key = key(f, ask);
        m->route.ttl = (uint8_t)fuzz_below(f, WR_HOPS_MAX + 1);
        m->route.hops = (uint8_t)fuzz_below(f, WR_HOPS_MAX + 1);
        m->route.trace = fuzz_flag(f);
        break;
    case WR_MSG_ROUTED:
        m->routed.status = status(f);
        m->routed.hops = (uint8_t)fuzz_below(f, WR_HOPS_MAX + 1);
        m->routed.owner = ref_or_none(f);
        m->routed.set_n = refs(f, 0, WR_SET_MAX, &m->routed.set);
        m->routed.path_n = hosts(f, WR_HOPS_MAX, &m->routed.path);
        break;
    case WR_MSG_NEXT_ASK:
        m->next_ask.key = key(f, ask);
        m->next_ask.without = fuzz_flag(f) ? host(f) : WR_NO_HOST;
        break;
    case WR_MSG_NEXT:
        m->next.final = fuzz_flag(f);
        m->next.n = refs(f, 0, WR_NEXT_MAX, &m->next.nodes);
        break;
    case WR_MSG_PING:
    case WR_MSG_PONG:
        m->ping.incarnation = fuzz_u8(f);
        break;
    default: /* Nothing more, or the driver's own. */
        break;
    }
}

static void attached(struct fuzz *f, struct wr_msg *m)
{
    m->attached.n = (uint8_t)fuzz_below(f, WR_CONTACTS_MAX + 1);
    for (unsigned i = 0; i < m->attached.n; i++) {
        const wr_host h = host(f);

        room.contacts[i] =
            (struct wr_contact){.id = fuzz_hosts()->hosts[h].id,
                                .addr = fuzz_hosts()->hosts[h].addr};
        room.contacts[i].addr.port = (uint16_t)fuzz_u8(f);
    }
    m->attached.contacts = room.contacts;
    m->attached.copies = fuzz_u8(f);
    m->attached.durable = fuzz_u8(f);
    m->attached.parent = some(f, WR_NAME_MAX);
}

static void fill(struct fuzz *f, struct wr_msg *m, const struct fuzz_ask *ask)
{
    switch ((int)m->kind) {
    case WR_MSG_ROSTER_ASK:
    case WR_MSG_ROSTER:
        roster(f, m);
        return;
    case WR_MSG_HAVE:
        have(f, m, ask);
        return;
    case WR_MSG_HAD:
        had(f, m);
        return;
    case WR_MSG_PUT:
        m->put.level = level(f);
        m->put.copies = copies(f);
        m->put.durable = copies(f);
        m->put.hash = 0xb220;
        m->put.put = put_id(f);
        m->put.digest = key(f, ask);
        return;
    case WR_MSG_PUT_DONE:
        m->put_done.status = status(f);
        m->put_done.copies = copies(f);
        m->put_done.retry_ms = retry(f);
        return;
    case WR_MSG_GET:
        m->get.level = level(f);
        m->get.head = fuzz_flag(f);
        m->get.hash = 0xb220;
        m->get.digest = key(f, ask);
        return;
    case WR_MSG_DATA:
        data(f, m, ask);
        return;
    case WR_MSG_ROOT_PUT:
    case WR_MSG_ROOT_DONE:
    case WR_MSG_ROOT_GET:
    case WR_MSG_ROOT:
        root(f, m, ask);
        return;
    case WR_MSG_SYNC:
        sync_ask(f, m, ask);
        return;
    case WR_MSG_SYNCED:
        synced(f, m, ask);
        return;
    case WR_MSG_ATTACHED:
        attached(f, m);
        return;
    case WR_MSG_REPORT:
        m->report.status = status(f);
        return;
    default:
        ring(f, m, ask);
    }
}

/* ---- the whole -------------------------------------------------------- */

/* What answers a question. */
static uint8_t answer_of(uint8_t kind)
{
    switch ((int)kind) {
    case WR_MSG_PING:
        return WR_MSG_PONG;
    case WR_MSG_PROBE:
        return WR_MSG_PROBED;
    case WR_MSG_VIEW_ASK:
        return WR_MSG_VIEW;
    case WR_MSG_ROUTE:
        return WR_MSG_ROUTED;
    case WR_MSG_NEXT_ASK:
        return WR_MSG_NEXT;
    case WR_MSG_ROSTER_ASK:
        return WR_MSG_ROSTER;
    default:
        return wr_msg_answer(kind);
    }
}

static uint8_t any_kind(struct fuzz *f)
{
    static const uint8_t kinds[] = {
#define X(name, number, leaf, bulk) WR_MSG_##name,
        WR_MSG_MAP(X)
#undef X
    };

    return kinds[fuzz_below(f, WR_ARRAY_LEN(kinds))];
}

/* As the hub lets it pass (docs/protocol.md, M8 and C10). */
static bool may_say(wr_host from, const struct wr_msg *m)
{
    const bool asks = m->kind == WR_MSG_HAVE || m->kind == WR_MSG_PUT ||
                      m->kind == WR_MSG_GET || m->kind == WR_MSG_ROOT_PUT ||
                      m->kind == WR_MSG_ROOT_GET;
    const unsigned at = m->kind == WR_MSG_HAVE  ? m->have.level
                        : m->kind == WR_MSG_PUT ? m->put.level
                        : m->kind == WR_MSG_GET ? m->get.level
                                                : m->root.level;

    if (wr_host_is_leaf(from))
        return wr_msg_from_leaf(m->kind) && (!asks || at == WR_LEVEL_LEAF);
    return !asks || at != WR_LEVEL_LEAF;
}

/* Over the link: as the receiver's codec gives it. */
static bool pass(const struct wr_msg *m, struct wr_msg *ret)
{
    static _Alignas(16) uint8_t out[WR_CODEC_ARENA], in[WR_CODEC_ARENA];
    static uint8_t header[WR_HEADER_MAX];
    struct wr_codec c;
    size_t n;

    wr_codec_init(&c, fuzz_hosts(), out, sizeof(out));
    if (wr_codec_encode(&c, m, (struct wr_span){0}, header, sizeof(header),
                        &n) != WR_OK)
        return false;
    wr_codec_init(&c, fuzz_hosts(), in, sizeof(in));
    WR_CHECK(wr_codec_decode(&c, wr_span(header, n), ret, NULL) == WR_OK);
    return true;
}

/* A header as it stands in the input: kinds that fill() knows nothing of. */
static bool raw(struct fuzz *f, struct wr_msg *ret)
{
    static _Alignas(16) uint8_t arena[WR_CODEC_ARENA];
    struct wr_codec c;

    wr_codec_init(&c, fuzz_hosts(), arena, sizeof(arena));
    return wr_codec_decode(&c, some(f, 255), ret, NULL) == WR_OK;
}

bool fuzz_say(struct fuzz *f, const struct fuzz_asks *asks, struct wr_msg *ret,
              wr_host *ret_from)
{
    static const struct fuzz_ask none;
    const uint8_t how = fuzz_u8(f), who = fuzz_u8(f);
    const bool data = how / FUZZ_ASKS % 2 != 0;
    const uint32_t n =
        asks->n[data] < FUZZ_ASKS ? asks->n[data] : (uint32_t)FUZZ_ASKS;
    const struct fuzz_ask *const ask = n == 0 ? &none : &asks->v[data][how % n];
    struct wr_msg m = {.from = WR_MEMBER_NONE, .to = WR_MEMBER_NONE};

    *ret_from = who < 64 ? WR_HOST_LEAF | (1 + who % 3) : who % FUZZ_HOSTS;
    if (how >= 224) {
        if (!raw(f, &m))
            return false;
    } else if (how < 128) { /* An answer, mostly from whom it was asked of. */
        m.kind = answer_of(ask->kind);
        m.from = ask->member;
        m.to = ask->from;
        if (m.kind == WR_MSG_ROUTED && (how & 64) != 0)
            m.kind = WR_MSG_ROUTE_ACK;
        if (who >= 32)
            *ret_from = ask->to;
    } else {
        m.kind = any_kind(f);
        m.from = fuzz_flag(f) ? WR_MEMBER_NONE
                              : (uint8_t)fuzz_below(f, FUZZ_MEMBERS);
        m.to = fuzz_flag(f) ? WR_MEMBER_NONE
                            : (uint8_t)fuzz_below(f, FUZZ_MEMBERS);
    }
    if (m.kind == 0)
        return false;
    m.rid = (how & 32) != 0 ? how : ask->rid;
    if (how < 224)
        fill(f, &m, ask);
    return may_say(*ret_from, &m) && pass(&m, ret);
}
