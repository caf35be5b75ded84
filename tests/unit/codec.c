/* The codec: what msg.h can say survives the wire, limits hold, and no bytes
 * whatever make it crash or exceed its arena. */
#include <criterion/criterion.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/rng.h"
#include "wire/codec.h"
#include "wire/frame.h"

/* msg.h once more, as a table: what there is in each kind of message, and the
 * most that limits.h allows. It fills messages and compares them. */
enum type {
    U8,
    BOOL,
    U32,
    U64,
    BYTES, /* `most` of them. */
    HOST,
    HOST_OR_NONE,
    REF,
    REF_OR_NONE,
    HOSTS,
    REFS,
    ENTRIES,
    DIGESTS,
    BITS,
    CONTACTS,
    SPAN, /* Of any length up to `most`, */
    ARC,  /* or exactly. */
    ADDR,
};

struct field {
    uint8_t kind;
    enum type type;
    size_t at, at_n;
    uint32_t most;
};

#define AT(member) offsetof(struct wr_msg, member)
#define F(kind, type, member, most)                                            \
    {                                                                          \
        WR_MSG_##kind, type, AT(member), 0, most                               \
    }
#define L(kind, type, member, count, most)                                     \
    {                                                                          \
        WR_MSG_##kind, type, AT(member), AT(count), most                       \
    }
#define ROOT(kind)                                                             \
    F(kind, U8, root.level, 2), F(kind, U8, root.copies, 8),                   \
        F(kind, U8, root.durable, 8), F(kind, U8, root.status, 9),             \
        F(kind, U32, root.retry_ms, 0), F(kind, BYTES, root.position, 32),     \
        F(kind, U64, root.version, 0), F(kind, SPAN, root.record, 512),        \
        F(kind, U64, root.known, 0)

static const struct field table[] = {
    F(PING, U32, ping.incarnation, 0),
    F(PONG, U32, ping.incarnation, 0),
    F(PROBE, HOST, probe.target, 0),
    F(PROBE, BOOL, probe.alive, 0),
    F(PROBE, U32, probe.incarnation, 0),
    F(PROBED, HOST, probe.target, 0),
    F(PROBED, BOOL, probe.alive, 0),
    F(PROBED, U32, probe.incarnation, 0),
    F(BYE, U8, bye.why, 1),
    F(NOTIFY, U8, notify.as, 2),
    F(NOTIFY, REF_OR_NONE, notify.between, 0),
    F(VIEW, U8, view.state, 2),
    F(VIEW, U32, view.incarnation, 0),
    F(VIEW, REF_OR_NONE, view.pred, 0),
    L(VIEW, REFS, view.succs, view.succs_n, WR_SUCCS_MAX),
    F(HINT, REF, hint.member, 0),
    F(ROUTE, BYTES, route.key, 32),
    F(ROUTE, U8, route.ttl, WR_HOPS_MAX),
    F(ROUTE, U8, route.hops, WR_HOPS_MAX),
    F(ROUTE, BOOL, route.trace, 0),
    F(ROUTED, U8, routed.status, 9),
    F(ROUTED, U8, routed.hops, WR_HOPS_MAX),
    F(ROUTED, REF_OR_NONE, routed.owner, 0),
    L(ROUTED, REFS, routed.set, routed.set_n, WR_SET_MAX),
    L(ROUTED, HOSTS, routed.path, routed.path_n, WR_HOPS_MAX),
    F(NEXT_ASK, BYTES, next_ask.key, 32),
    F(NEXT_ASK, HOST_OR_NONE, next_ask.without, 0),
    F(NEXT, BOOL, next.final, 0),
    L(NEXT, REFS, next.nodes, next.n, WR_NEXT_MAX),
    F(ROSTER_ASK, U64, roster.sum, 0),
    F(ROSTER_ASK, U32, roster.count, 0),
    F(ROSTER, U64, roster.sum, 0),
    F(ROSTER, U32, roster.count, 0),
    L(ROSTER, ENTRIES, roster.entries, roster.n, WR_ROSTER_MAX),
    F(HAVE, U8, have.level, 2),
    F(HAVE, U8, have.copies, WR_COPIES_MAX),
    F(HAVE, U8, have.durable, WR_COPIES_MAX),
    F(HAVE, BYTES, have.put, 16),
    L(HAVE, DIGESTS, have.digests, have.n, WR_HAVE_MAX),
    F(HAD, U8, had.status, 9),
    F(HAD, U8, had.n, WR_HAVE_MAX),
    L(HAD, BITS, had.bits, had.n, WR_HAVE_MAX),
    F(HAD, U8, had.copies, 255),
    F(HAD, U32, had.retry_ms, 0),
    F(PUT, U8, put.level, 2),
    F(PUT, U8, put.copies, WR_COPIES_MAX),
    F(PUT, U8, put.durable, WR_COPIES_MAX),
    F(PUT, U32, put.hash, 0),
    F(PUT, BYTES, put.put, 16),
    F(PUT, BYTES, put.digest, 32),
    F(PUT, BOOL, put.repair, 0),
    F(PUT_DONE, U8, put_done.status, 9),
    F(PUT_DONE, U8, put_done.copies, 255),
    F(PUT_DONE, U32, put_done.retry_ms, 0),
    F(PUT_DONE, U64, put_done.counted, 0),
    F(GET, U8, get.level, 2),
    F(GET, BOOL, get.head, 0),
    F(GET, U32, get.hash, 0),
    F(GET, BYTES, get.digest, 32),
    F(DATA, U8, data.status, 9),
    F(DATA, U8, data.copies, 255),
    F(DATA, U8, data.asked, 255),
    F(DATA, U8, data.down, 255),
    F(DATA, U32, data.hash, 0),
    F(DATA, U32, data.len, 0),
    F(DATA, U32, data.retry_ms, 0),
    F(DATA, BYTES, data.digest, 32),
    L(DATA, HOSTS, data.hosts, data.hosts_n, WR_READ_HOSTS),
    F(DATA, U64, data.known, 0),
    ROOT(ROOT_PUT),
    ROOT(ROOT_DONE),
    ROOT(ROOT_GET),
    ROOT(ROOT),
    F(SYNC, BOOL, sync.roots, 0),
    F(SYNC, ARC, sync.arc, 64),
    F(SYNC, U64, sync.count, 0),
    F(SYNC, BYTES, sync.print, 16),
    F(SYNC, BOOL, sync.refs, 0),
    F(SYNC, U32, sync.skip, 0),
    F(SYNCED, U8, synced.status, 9),
    F(SYNCED, U8, synced.what, 3),
    F(SYNCED, U32, synced.retry_ms, 0),
    F(SYNCED, U64, synced.count, 0),
    F(SYNCED, SPAN, synced.list, WR_SYNC_BYTES),
    F(HELLO, U64, hello.features, 0),
    F(HELLO, U32, hello.incarnation, 0),
    F(HELLO, U64, hello.revoked, 0),
    F(HELLO, BOOL, hello.bulk, 0),
    F(HELLO, ADDR, hello.listen, 0),
    F(HELLO, U64, hello.wall_s, 0),
    F(HELLO, SPAN, hello.agent, WR_NAME_MAX),
    F(CARD, SPAN, card.credential, WR_CREDENTIAL_MAX),
    F(CARD, SPAN, card.farewell, WR_FAREWELL_MAX),
    F(CARD, ADDR, card.addr, 0),
    F(CARD, U32, card.incarnation, 0),
    L(ATTACHED, CONTACTS, attached.contacts, attached.n, WR_CONTACTS_MAX),
    F(ATTACHED, U32, attached.copies, 0),
    F(ATTACHED, U32, attached.durable, 0),
    F(ATTACHED, SPAN, attached.parent, WR_NAME_MAX),
    F(QUERY, SPAN, query.what, WR_NAME_MAX),
    F(QUERY, SPAN, query.arg, WR_ARGUMENT_MAX),
    F(REPORT, U8, report.status, 9),
    F(JOIN, SPAN, join.sealed, WR_SEALED_MAX),
    F(JOINED, U8, joined.status, 9),
    F(JOINED, SPAN, joined.credential, WR_CREDENTIAL_MAX),
    F(JOINED, SPAN, joined.text, WR_WORDS_MAX),
};

static const uint8_t kinds[] = {
#define X(name, number, leaf, bulk) number,
    WR_MSG_MAP(X)
#undef X
};

enum { HOSTS_N = 100 };

struct world {
    struct wr_book book;
    struct wr_codec codec;
    struct wr_rng rng;
    alignas(16) uint8_t arena[WR_CODEC_ARENA];
    uint8_t random[WR_ARGUMENT_MAX];
    /* What the message that is being made points to. */
    alignas(16) uint8_t lists[4][WR_ARGUMENT_MAX];
    size_t lists_n;
};

static struct world *world_new(uint64_t seed, uint32_t hosts)
{
    static const uint8_t ring[32] = {7};
    struct world *const w = calloc(1, sizeof(*w));

    cr_assert_not_null(w);
    w->rng.state = seed;
    cr_assert_eq(wr_book_init(&w->book, ring, HOSTS_N, HOSTS_N * 64), WR_OK);
    for (uint32_t i = 0; i < hosts; i++) {
        struct wr_host_id id = {{(uint8_t)i, 1, 2, 3}};

        cr_assert_neq(
            wr_book_add(&w->book, &id, (uint8_t)(1 + i % 64), 0, NULL),
            WR_NO_HOST);
    }
    wr_codec_init(&w->codec, &w->book, w->arena, sizeof(w->arena));
    wr_rng_fill(&w->rng, w->random, sizeof(w->random));
    return w;
}

static void world_free(struct world *w)
{
    wr_book_done(&w->book);
    free(w);
}

/* ---- random messages -------------------------------------------------- */

static uint32_t below(struct world *w, uint32_t n)
{
    return (uint32_t)wr_rng_below(&w->rng, n);
}

static wr_host any_host(struct world *w)
{
    return below(w, w->book.hosts_n);
}

static wr_ref any_ref(struct world *w)
{
    const wr_host h = any_host(w);

    return wr_ref_of(h, below(w, w->book.hosts[h].members));
}

static void fill_list(struct world *w, const struct field *f, uint8_t *m)
{
    /* Often empty, often full. */
    const uint32_t n =
        below(w, 3) == 0 ? (below(w, 2) ? f->most : 0) : below(w, f->most + 1);
    void *const v = w->lists[w->lists_n++];

    memcpy(m + f->at, &v, sizeof(v));
    m[f->at_n] = (uint8_t)n;
    wr_rng_fill(&w->rng, v, sizeof(w->lists[0]));
    for (uint32_t i = 0; i < n; i++) {
        if (f->type == HOSTS)
            ((wr_host *)v)[i] = any_host(w);
        else if (f->type == REFS)
            ((wr_ref *)v)[i] = any_ref(w);
        else if (f->type == ENTRIES)
            ((struct wr_roster_entry *)v)[i] = (struct wr_roster_entry){
                any_host(w), below(w, UINT32_MAX), (uint8_t)below(w, 3)};
    }
}

static void fill(struct world *w, const struct field *f, uint8_t *m)
{
    uint8_t *const p = m + f->at;

    switch (f->type) {
    case U8:
        *p = (uint8_t)below(w, f->most + 1);
        return;
    case BOOL:
        *(bool *)p = below(w, 2) == 1;
        return;
    case U32:
        *(uint32_t *)(void *)p = below(w, 2) ? below(w, UINT32_MAX) : 0;
        return;
    case U64:
        *(uint64_t *)(void *)p = below(w, 2) ? wr_rng_next(&w->rng) : 0;
        return;
    case BYTES:
        wr_rng_fill(&w->rng, p, f->most);
        return;
    case HOST_OR_NONE:
    case HOST:
        *(wr_host *)(void *)p =
            f->type == HOST_OR_NONE && below(w, 2) ? WR_NO_HOST : any_host(w);
        return;
    case REF_OR_NONE:
    case REF:
        *(wr_ref *)(void *)p =
            f->type == REF_OR_NONE && below(w, 2) ? WR_NO_REF : any_ref(w);
        return;
    case HOSTS:
    case REFS:
    case ENTRIES:
    case DIGESTS:
    case CONTACTS:
        fill_list(w, f, m);
        return;
    case BITS:
        for (uint32_t i = 0; i < m[f->at_n]; i++)
            p[i / 8] |= (uint8_t)(below(w, 2) << i % 8);
        return;
    case SPAN:
        *(struct wr_span *)(void *)p =
            wr_span(w->random, below(w, 2) ? below(w, f->most + 1) : f->most);
        return;
    case ARC:
        *(struct wr_span *)(void *)p = wr_span(w->random, f->most);
        return;
    case ADDR:
        if (below(w, 2)) {
            wr_rng_fill(&w->rng, p, 16);
            ((struct wr_addr *)(void *)p)->port = (uint16_t)below(w, 65536);
        }
        return;
    }
}

static void random_message(struct world *w, uint8_t kind, struct wr_msg *ret)
{
    memset(ret, 0, sizeof(*ret));
    w->lists_n = 0;
    ret->kind = kind;
    ret->from = (uint8_t)(below(w, 2) ? below(w, 64) : WR_MEMBER_NONE);
    ret->to = (uint8_t)(below(w, 2) ? below(w, 64) : WR_MEMBER_NONE);
    ret->rid = below(w, 4) ? wr_rng_next(&w->rng) : 0;
    for (size_t i = 0; i < WR_ARRAY_LEN(table); i++)
        if (table[i].kind == kind)
            fill(w, &table[i], (uint8_t *)ret);
}

/* ---- equality --------------------------------------------------------- */

static size_t each(enum type type)
{
    return type == HOSTS      ? sizeof(wr_host)
           : type == REFS     ? sizeof(wr_ref)
           : type == ENTRIES  ? sizeof(struct wr_roster_entry)
           : type == DIGESTS  ? sizeof(struct wr_id)
           : type == CONTACTS ? sizeof(struct wr_contact)
                              : 0;
}

static bool equal_entries(const uint8_t *a, const uint8_t *b, size_t n)
{
    const struct wr_roster_entry *const x = (const void *)a;
    const struct wr_roster_entry *const y = (const void *)b;

    for (size_t i = 0; i < n; i++)
        if (x[i].host != y[i].host || x[i].incarnation != y[i].incarnation ||
            x[i].state != y[i].state)
            return false;
    return true;
}

static bool equal_field(const struct field *f, const uint8_t *a,
                        const uint8_t *b)
{
    const uint8_t *p = a + f->at, *q = b + f->at;

    switch (f->type) {
    case U8:
    case BOOL:
        return *p == *q;
    case U32:
    case HOST:
    case HOST_OR_NONE:
    case REF:
    case REF_OR_NONE:
        return memcmp(p, q, 4) == 0;
    case U64:
        return memcmp(p, q, 8) == 0;
    case BYTES:
        return memcmp(p, q, f->most) == 0;
    case BITS:
        return memcmp(p, q, f->most / 8) == 0;
    case ADDR:
        return memcmp(p, q, 18) == 0;
    case SPAN:
    case ARC:
        return wr_span_eq(*(const struct wr_span *)(const void *)p,
                          *(const struct wr_span *)(const void *)q);
    case HOSTS:
    case REFS:
    case ENTRIES:
    case DIGESTS:
    case CONTACTS:
        if (a[f->at_n] != b[f->at_n])
            return false;
        memcpy(&p, a + f->at, sizeof(p));
        memcpy(&q, b + f->at, sizeof(q));
        if (a[f->at_n] == 0)
            return true;
        return f->type == ENTRIES
                   ? equal_entries(p, q, a[f->at_n])
                   : memcmp(p, q, each(f->type) * a[f->at_n]) == 0;
    }
    return false;
}

static void assert_equal(const struct wr_msg *a, const struct wr_msg *b)
{
    cr_assert_eq(a->kind, b->kind);
    cr_assert_eq(a->from, b->from);
    cr_assert_eq(a->to, b->to);
    cr_assert_eq(a->rid, b->rid);
    cr_assert_eq(b->bad_body, 0);
    for (size_t i = 0; i < WR_ARRAY_LEN(table); i++)
        if (table[i].kind == a->kind)
            cr_assert(
                equal_field(&table[i], (const uint8_t *)a, (const uint8_t *)b),
                "%s: field %zu of the table", wr_msg_name(a->kind), i);
}

/* ---- tests ------------------------------------------------------------ */

static const struct wr_span no_extra;

Test(codec, every_kind_survives_the_wire)
{
    struct world *const w = world_new(1, HOSTS_N);
    uint8_t header[WR_HEADER_MAX];

    for (size_t i = 0; i < 20000; i++) {
        struct wr_msg m, back;
        size_t n;

        random_message(w, kinds[i % WR_ARRAY_LEN(kinds)], &m);
        cr_assert_eq(wr_codec_encode(&w->codec, &m, no_extra, header,
                                     sizeof(header), &n),
                     WR_OK, "%s", wr_msg_name(m.kind));
        cr_assert_gt(n, 0);
        cr_assert_eq(wr_msg_size(&m), n, "%s: %zu, not %zu",
                     wr_msg_name(m.kind), wr_msg_size(&m), n);
        cr_assert_eq(
            wr_codec_decode(&w->codec, wr_span(header, n), &back, NULL), WR_OK,
            "%s", wr_msg_name(m.kind));
        assert_equal(&m, &back);
    }
    cr_assert_eq(w->codec.strangers, 0);
    world_free(w);
}

/* A decoded message stays whole while answers to it are encoded. */
Test(codec, encoding_leaves_the_decoded_message_alone)
{
    struct world *const w = world_new(2, HOSTS_N);
    uint8_t header[WR_HEADER_MAX], other[WR_HEADER_MAX];
    struct wr_msg m, back, answer;
    size_t n, k;

    random_message(w, WR_MSG_ROUTED, &m);
    cr_assert_eq(
        wr_codec_encode(&w->codec, &m, no_extra, header, sizeof(header), &n),
        WR_OK);
    cr_assert_eq(wr_codec_decode(&w->codec, wr_span(header, n), &back, NULL),
                 WR_OK);
    for (int i = 0; i < 1000; i++) {
        static uint8_t keep[sizeof(w->lists)];

        memcpy(keep, w->lists, sizeof(keep));
        random_message(w, WR_MSG_ROSTER, &answer);
        cr_assert_eq(wr_codec_encode(&w->codec, &answer, no_extra, other,
                                     sizeof(other), &k),
                     WR_OK);
        memcpy(w->lists, keep, sizeof(keep));
    }
    assert_equal(&m, &back);
    world_free(w);
}

/* 100,000 mutations: whatever comes, an answer and no crash; and what is
 * accepted can be said again. Run it under ASan as well. */
Test(codec, mutations_never_crash, .timeout = 300)
{
    struct world *const w = world_new(3, HOSTS_N);
    uint8_t header[WR_HEADER_MAX], again[WR_HEADER_MAX];
    size_t accepted = 0, refused = 0;

    for (size_t i = 0; i < 100000; i++) {
        struct wr_msg m, back;
        enum wr_err err;
        size_t n, k;

        random_message(w, kinds[i % WR_ARRAY_LEN(kinds)], &m);
        cr_assert_eq(wr_codec_encode(&w->codec, &m, no_extra, header,
                                     sizeof(header) - 8, &n),
                     WR_OK);
        for (uint32_t j = below(w, 4) + 1; j > 0; j--) {
            if (below(w, 8) == 0)
                n = below(w, (uint32_t)n + 8);
            else if (n > 0)
                header[below(w, (uint32_t)n)] = (uint8_t)below(w, 256);
        }
        err = wr_codec_decode(&w->codec, wr_span(header, n), &back, NULL);
        if (err == WR_OK) {
            wr_host hosts[WR_MENTIONS_MAX];

            cr_assert_leq(wr_msg_mentions(&back, hosts), WR_MENTIONS_MAX);
            cr_assert_eq(wr_codec_encode(&w->codec, &back, no_extra, again,
                                         sizeof(again), &k),
                         WR_OK, "%s", wr_msg_name(back.kind));
            accepted++;
        } else {
            cr_assert(err == WR_EINVAL || err == WR_ENOTFOUND ||
                      err == WR_EUNSUPPORTED);
            refused++;
        }
    }
    cr_assert_gt(accepted, 1000);
    cr_assert_gt(refused, 1000);
    world_free(w);
}

Test(codec, noise_never_crashes)
{
    struct world *const w = world_new(4, HOSTS_N);
    uint8_t header[512];

    for (size_t i = 0; i < 20000; i++) {
        const size_t n = below(w, sizeof(header));
        struct wr_msg back;

        wr_rng_fill(&w->rng, header, n);
        if (wr_codec_decode(&w->codec, wr_span(header, n), &back, NULL) ==
            WR_OK)
            cr_assert(wr_msg_known(back.kind));
    }
    world_free(w);
}

/* Two bytes each, and protobuf-c would spend forty on every one of them. */
Test(codec, a_flood_of_unknown_fields_ends_at_the_arena)
{
    struct world *const w = world_new(5, 1);
    uint8_t header[WR_HEADER_MAX];
    struct wr_msg back;

    for (size_t i = 0; i < sizeof(header); i += 2) {
        header[i] = 15 << 3; /* Field 15 is not assigned. */
        header[i + 1] = 0;
    }
    cr_assert_eq(wr_codec_decode(&w->codec, wr_span(header, sizeof(header)),
                                 &back, NULL),
                 WR_EINVAL);
    world_free(w);
}

Test(codec, strangers_are_left_out_of_lists)
{
    struct world *const here = world_new(6, HOSTS_N);
    struct world *const there = world_new(6, 1); /* Knows host 0 alone. */
    const wr_ref succs[] = {wr_ref_of(5, 0), wr_ref_of(0, 0), wr_ref_of(7, 2)};
    struct wr_msg m = {.kind = WR_MSG_VIEW,
                       .view = {.pred = WR_NO_REF,
                                .succs = succs,
                                .succs_n = WR_ARRAY_LEN(succs)}};
    uint8_t header[WR_HEADER_MAX];
    struct wr_msg back;
    size_t n;

    cr_assert_eq(
        wr_codec_encode(&here->codec, &m, no_extra, header, sizeof(header), &n),
        WR_OK);
    cr_assert_eq(
        wr_codec_decode(&there->codec, wr_span(header, n), &back, NULL), WR_OK);
    cr_assert_eq(back.view.succs_n, 1);
    cr_assert_eq(back.view.succs[0], wr_ref_of(0, 0));
    cr_assert_eq(there->codec.strangers, 2);

    m.view.pred = wr_ref_of(5, 0); /* A view stands or falls with it. */
    cr_assert_eq(
        wr_codec_encode(&here->codec, &m, no_extra, header, sizeof(header), &n),
        WR_OK);
    cr_assert_eq(
        wr_codec_decode(&there->codec, wr_span(header, n), &back, NULL),
        WR_ENOTFOUND);
    world_free(here);
    world_free(there);
}

Test(codec, limits_hold_in_both_directions)
{
    struct world *const w = world_new(7, HOSTS_N);
    wr_ref many[WR_SUCCS_MAX + 1] = {0};
    struct wr_msg m = {.kind = WR_MSG_VIEW,
                       .view = {.pred = WR_NO_REF,
                                .succs = many,
                                .succs_n = WR_SUCCS_MAX + 1}};
    /* ROUTE { ttl: 65 } */
    const uint8_t far[] = {0x82, 0x01, 0x02, 0x10, 65};
    /* BYE { why: 2 } */
    const uint8_t why[] = {0x2a, 0x02, 0x08, 2};
    /* from: 65, NOTIFY {} */
    const uint8_t from[] = {0x60, 65, 0x52, 0x00};
    uint8_t header[WR_HEADER_MAX];
    struct wr_msg back;
    size_t n;

    cr_assert_eq(
        wr_codec_encode(&w->codec, &m, no_extra, header, sizeof(header), &n),
        WR_EINVAL);
    m.view.succs_n = 1;
    cr_assert_eq(wr_codec_encode(&w->codec, &m, no_extra, header, 8, &n),
                 WR_ETOOBIG);
    m.kind = 99;
    cr_assert_eq(
        wr_codec_encode(&w->codec, &m, no_extra, header, sizeof(header), &n),
        WR_EINVAL);
    cr_assert_eq(
        wr_codec_decode(&w->codec, wr_span(far, sizeof(far)), &back, NULL),
        WR_EINVAL);
    cr_assert_eq(
        wr_codec_decode(&w->codec, wr_span(why, sizeof(why)), &back, NULL),
        WR_EINVAL);
    cr_assert_eq(
        wr_codec_decode(&w->codec, wr_span(from, sizeof(from)), &back, NULL),
        WR_EINVAL);
    cr_assert_eq(wr_codec_decode(&w->codec, wr_span(from + 2, 2), &back, NULL),
                 WR_OK);
    cr_assert_eq(back.kind, WR_MSG_NOTIFY);
    cr_assert_eq(back.from, WR_MEMBER_NONE);
    cr_assert_eq(wr_codec_decode(&w->codec, wr_span(NULL, 0), &back, NULL),
                 WR_EINVAL);
    world_free(w);
}

/* What a newer version adds to Message reaches whom it was meant for. */
Test(codec, unknown_fields_survive_a_relay)
{
    struct world *const w = world_new(8, HOSTS_N);
    const uint8_t ext[] = {0xa2, 0x06, 0x03, 'n', 'e', 'w'}; /* 100: "new" */
    const uint8_t kind[] = {0xa2, 0x06, 0x00};               /* 100: {} */
    struct wr_msg m = {.kind = WR_MSG_ROUTE, .from = 3, .to = WR_MEMBER_NONE};
    uint8_t header[WR_HEADER_MAX];
    struct wr_msg back;
    struct wr_span extra;
    size_t n;

    cr_assert_eq(wr_codec_encode(&w->codec, &m, wr_span(ext, sizeof(ext)),
                                 header, sizeof(header), &n),
                 WR_OK);
    for (int hop = 0; hop < 3; hop++) {
        cr_assert_eq(
            wr_codec_decode(&w->codec, wr_span(header, n), &back, &extra),
            WR_OK);
        cr_assert(wr_span_eq(extra, wr_span(ext, sizeof(ext))));
        back.route.ttl++;
        cr_assert_eq(wr_codec_encode(&w->codec, &back, extra, header,
                                     sizeof(header), &n),
                     WR_OK);
    }
    cr_assert_eq(
        wr_codec_decode(&w->codec, wr_span(kind, sizeof(kind)), &back, NULL),
        WR_EUNSUPPORTED);
    world_free(w);
}

Test(codec, mentions_name_each_host_once)
{
    const wr_ref set[] = {wr_ref_of(4, 1), wr_ref_of(9, 0), wr_ref_of(4, 3)};
    const wr_host path[] = {9, 2};
    const struct wr_msg m = {.kind = WR_MSG_ROUTED,
                             .routed = {.owner = wr_ref_of(4, 1),
                                        .set = set,
                                        .set_n = 3,
                                        .path = path,
                                        .path_n = 2}};
    const struct wr_msg ping = {.kind = WR_MSG_PING};
    wr_host hosts[WR_MENTIONS_MAX];

    cr_assert_eq(wr_msg_mentions(&m, hosts), 3);
    cr_assert_eq(hosts[0], 4);
    cr_assert_eq(hosts[1], 9);
    cr_assert_eq(hosts[2], 2);
    cr_assert_eq(wr_msg_mentions(&ping, hosts), 0);
}

Test(codec, frames_keep_their_limits)
{
    const struct wr_frame f = {.header_n = WR_HEADER_MAX, .body_n = 1 << 20};
    const struct wr_frame end = {.end = true};
    uint8_t p[WR_FRAME_HEAD];
    struct wr_frame back;

    wr_frame_write(&f, p);
    cr_assert_eq(wr_frame_read(p, 1 << 20, &back), WR_OK);
    cr_assert(!back.end);
    cr_assert_eq(back.header_n, f.header_n);
    cr_assert_eq(back.body_n, f.body_n);
    cr_assert_eq(wr_frame_read(p, (1 << 20) - 1, &back), WR_ETOOBIG);
    p[2]++; /* A header longer than the longest. */
    cr_assert_eq(wr_frame_read(p, 1 << 20, &back), WR_ETOOBIG);
    wr_frame_write(&end, p);
    cr_assert_eq(wr_frame_read(p, 0, &back), WR_OK);
    cr_assert(back.end);
    p[7] = 1; /* END has no body. */
    cr_assert_eq(wr_frame_read(p, 1 << 20, &back), WR_EINVAL);
    memset(p, 0, sizeof(p)); /* Nor is there a message without a header. */
    cr_assert_eq(wr_frame_read(p, 1 << 20, &back), WR_EINVAL);
    p[0] = 1; /* Room for later. */
    cr_assert_eq(wr_frame_read(p, 1 << 20, &back), WR_EINVAL);
}
