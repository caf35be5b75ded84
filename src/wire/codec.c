/* codec.c - see codec.h: whole headers. What each kind has is in codec_kinds.c,
 * how a field travels in codec_fields.c. */
#include "base/check.h"
#include "wire/codec_parts.h"

/* The number of a kind is the number of its field in `body`. */
#define X(name, number, leaf, bulk)                                            \
    _Static_assert((int)WREATH__MESSAGE__BODY_##name == (number), #name);
WR_MSG_MAP(X)
#undef X

#define X(name, number)                                                        \
    _Static_assert((int)WREATH__STATUS__##name == (number), #name);
WR_STATUS_MAP(X)
#undef X

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

void *wr_io_alloc(struct wr_io *io, size_t n)
{
    void *const p = arena_alloc(io->c, n);

    if (p == NULL)
        wr_io_fail(io, io->encode ? WR_ETOOBIG : WR_EINVAL);
    return p;
}

/* A member's index travels plus one, so that none costs nothing. */
static void index_of(struct wr_io *io, uint8_t *own, uint32_t *wire)
{
    uint8_t v = *own == WR_MEMBER_NONE ? 0 : (uint8_t)(*own + 1);

    wr_io_u8(io, &v, wire, WR_MEMBERS_MAX);
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
    struct wr_io io = {.c = c, .encode = true};
    struct wr_msg own = *m;
    size_t n;

    if (!wr_msg_known(m->kind) || field == NULL)
        return WR_EINVAL;
    part = field->descriptor;
    top.body_case = (Wreath__Message__BodyCase)m->kind;
    top.rid = m->rid;
    top.ping = wr_io_alloc(&io, part->sizeof_message);
    if (top.ping != NULL) {
        protobuf_c_message_init(part, top.ping);
        index_of(&io, &own.from, &top.from);
        index_of(&io, &own.to, &top.to);
        wr_io_fields(&io, &own, &top);
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
static bool take_extra(struct wr_io *io, const ProtobufCMessage *m,
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
    w = wr_writer(wr_io_alloc(io, n), n);
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
    struct wr_io io = {.c = c};
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
    wr_io_fields(&io, &m, top);
    if (io.err != WR_OK)
        return io.err;
    *ret = m;
    if (ret_extra != NULL)
        *ret_extra = extra;
    return WR_OK;
}
