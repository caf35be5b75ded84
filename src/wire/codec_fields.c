/* codec_fields.c - how one field travels: numbers, bytes, hosts and lists. */
#include "wire/codec_parts.h"

enum {
    MEMBER_BYTES = WR_HOST_ID_BYTES + 1,
    ADDR_BYTES = 16 + 2,
    CONTACT_BYTES = WR_HOST_ID_BYTES + ADDR_BYTES,
    ENTRY_BYTES = WR_HOST_ID_BYTES + 4 + 1,
};

void wr_io_fail(struct wr_io *io, enum wr_err err)
{
    if (io->err == WR_OK)
        io->err = err;
}

/* ---- one field -------------------------------------------------------- */

void wr_io_u8(struct wr_io *io, uint8_t *own, uint32_t *wire, uint32_t most)
{
    if (io->encode ? *own > most : *wire > most)
        wr_io_fail(io, WR_EINVAL);
    else if (io->encode)
        *wire = *own;
    else
        *own = (uint8_t)*wire;
}

void wr_io_u32(struct wr_io *io, uint32_t *own, uint32_t *wire)
{
    if (io->encode)
        *wire = *own;
    else
        *own = *wire;
}

void wr_io_u64(struct wr_io *io, uint64_t *own, uint64_t *wire)
{
    if (io->encode)
        *wire = *own;
    else
        *own = *wire;
}

void wr_io_flag(struct wr_io *io, bool *own, protobuf_c_boolean *wire)
{
    if (io->encode)
        *wire = *own;
    else
        *own = *wire != 0;
}

void wr_io_span(struct wr_io *io, struct wr_span *own,
                ProtobufCBinaryData *wire, size_t most)
{
    if ((io->encode ? own->n : wire->len) > most)
        wr_io_fail(io, WR_EINVAL);
    else if (io->encode)
        *wire = (ProtobufCBinaryData){own->n, (uint8_t *)(uintptr_t)own->p};
    else
        *own = wr_span(wire->data, wire->len);
}

void wr_io_fixed(struct wr_io *io, uint8_t *own, size_t n,
                 ProtobufCBinaryData *wire)
{
    if (io->encode)
        *wire = (ProtobufCBinaryData){n, own};
    else if (wire->len != n)
        wr_io_fail(io, WR_EINVAL);
    else if (n > 0)
        memcpy(own, wire->data, n);
}

void wr_io_key(struct wr_io *io, struct wr_id *own, ProtobufCBinaryData *wire)
{
    wr_io_fixed(io, own->b, WR_ID_BYTES, wire);
}

/* A list of records of `each` bytes: how many there are on the wire, or room
 * for `n` of them. False where there is nothing to go on with. */
static bool list(struct wr_io *io, ProtobufCBinaryData *wire, size_t each,
                 size_t most, size_t n)
{
    if (io->err != WR_OK)
        return false;
    if (io->encode) {
        if (n > most) {
            wr_io_fail(io, WR_EINVAL);
            return false;
        }
        wire->data = n > 0 ? wr_io_alloc(io, n * each) : NULL;
        wire->len = wire->data != NULL ? n * each : 0;
        return wire->data != NULL;
    }
    if (wire->len % each != 0 || wire->len / each > most)
        wr_io_fail(io, WR_EINVAL);
    return io->err == WR_OK && wire->len > 0;
}

/* ---- hosts and members ------------------------------------------------ */

static bool put_host(struct wr_io *io, wr_host h, uint8_t *ret)
{
    const struct wr_book *const b = io->c->book;

    if (h >= b->hosts_n) {
        wr_io_fail(io, WR_EINVAL);
        return false;
    }
    memcpy(ret, b->hosts[h].id.b, WR_HOST_ID_BYTES);
    return true;
}

static wr_host take_host(struct wr_io *io, const uint8_t *p)
{
    struct wr_host_id id;

    memcpy(id.b, p, sizeof(id.b));
    return wr_book_find(io->c->book, &id);
}

static bool put_member(struct wr_io *io, wr_ref r, uint8_t *ret)
{
    if (!wr_book_has(io->c->book, r)) {
        wr_io_fail(io, WR_EINVAL);
        return false;
    }
    ret[WR_HOST_ID_BYTES] = wr_ref_index(r);
    return put_host(io, wr_ref_host(r), ret);
}

/* WR_NO_REF for a stranger, or an index that its credential does not give. */
static wr_ref take_member(struct wr_io *io, const uint8_t *p)
{
    const wr_host h = take_host(io, p);
    const uint8_t index = p[WR_HOST_ID_BYTES];

    if (index >= WR_MEMBERS_MAX)
        wr_io_fail(io, WR_EINVAL);
    else if (h != WR_NO_HOST && index < io->c->book->hosts[h].members)
        return wr_ref_of(h, index);
    return WR_NO_REF;
}

void wr_io_host(struct wr_io *io, wr_host *own, ProtobufCBinaryData *wire,
                enum wr_io_need need)
{
    const bool none = io->encode ? *own == WR_NO_HOST : wire->len == 0;

    if (none) {
        *own = WR_NO_HOST;
        if (need == WR_IO_REQUIRED)
            wr_io_fail(io, WR_EINVAL);
    } else if (!io->encode && wire->len != WR_HOST_ID_BYTES) {
        wr_io_fail(io, WR_EINVAL);
    } else if (!io->encode) {
        *own = take_host(io, wire->data);
        if (*own == WR_NO_HOST)
            wr_io_fail(io, WR_ENOTFOUND);
    } else if (list(io, wire, WR_HOST_ID_BYTES, 1, 1)) {
        put_host(io, *own, wire->data);
    }
}

void wr_io_member(struct wr_io *io, wr_ref *own, ProtobufCBinaryData *wire,
                  enum wr_io_need need)
{
    const bool none = io->encode ? *own == WR_NO_REF : wire->len == 0;

    if (none) {
        *own = WR_NO_REF;
        if (need == WR_IO_REQUIRED)
            wr_io_fail(io, WR_EINVAL);
    } else if (!io->encode && wire->len != MEMBER_BYTES) {
        wr_io_fail(io, WR_EINVAL);
    } else if (!io->encode) {
        *own = take_member(io, wire->data);
        if (*own == WR_NO_REF)
            wr_io_fail(io, WR_ENOTFOUND);
    } else if (list(io, wire, MEMBER_BYTES, 1, 1)) {
        put_member(io, *own, wire->data);
    }
}

void wr_io_members(struct wr_io *io, const wr_ref **own, uint8_t *n,
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
    v = wr_io_alloc(io, wire->len / MEMBER_BYTES * sizeof(*v));
    for (size_t i = 0; v != NULL && i < wire->len / MEMBER_BYTES; i++) {
        v[*n] = take_member(io, wire->data + i * MEMBER_BYTES);
        if (v[*n] == WR_NO_REF)
            io->c->strangers++;
        else
            ++*n;
    }
    *own = v;
}

void wr_io_hosts(struct wr_io *io, const wr_host **own, uint8_t *n,
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
    v = wr_io_alloc(io, wire->len / WR_HOST_ID_BYTES * sizeof(*v));
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

static void put_entry(struct wr_io *io, const struct wr_roster_entry *e,
                      uint8_t *p)
{
    struct wr_writer w = wr_writer(p + WR_HOST_ID_BYTES, 5);

    if (e->state > WR_ROSTER_REMOVED)
        wr_io_fail(io, WR_EINVAL);
    put_host(io, e->host, p);
    wr_write_be32(&w, e->incarnation);
    wr_write_u8(&w, e->state);
}

void wr_io_entries(struct wr_io *io, const struct wr_roster_entry **own,
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
    v = wr_io_alloc(io, wire->len / ENTRY_BYTES * sizeof(*v));
    for (size_t i = 0; v != NULL && i < wire->len / ENTRY_BYTES; i++) {
        const uint8_t *const p = wire->data + i * ENTRY_BYTES;
        struct wr_reader r = wr_reader(wr_span(p + WR_HOST_ID_BYTES, 5));

        v[*n] = (struct wr_roster_entry){.host = take_host(io, p),
                                         .incarnation = wr_read_be32(&r),
                                         .state = wr_read_u8(&r)};
        if (v[*n].state > WR_ROSTER_REMOVED)
            wr_io_fail(io, WR_EINVAL);
        if (v[*n].host == WR_NO_HOST)
            io->c->strangers++;
        else
            ++*n;
    }
    *own = v;
}

void wr_io_digests(struct wr_io *io, const struct wr_id **own, uint8_t *n,
                   ProtobufCBinaryData *wire)
{
    _Static_assert(sizeof(struct wr_id) == WR_ID_BYTES, "packed as it lies");
    struct wr_span s = wr_span(*own, (size_t)*n * WR_ID_BYTES);

    wr_io_span(io, &s, wire, (size_t)WR_HAVE_MAX * WR_ID_BYTES);
    if (s.n % WR_ID_BYTES != 0)
        wr_io_fail(io, WR_EINVAL);
    if (io->encode || io->err != WR_OK)
        return;
    *own = (const struct wr_id *)(const void *)s.p;
    *n = (uint8_t)(s.n / WR_ID_BYTES);
}

void wr_io_bits(struct wr_io *io, uint8_t *own, uint8_t n,
                ProtobufCBinaryData *wire)
{
    const size_t bytes = ((size_t)n + 7) / 8;

    wr_io_fixed(io, own, bytes, wire);
    if (io->err == WR_OK && n % 8 != 0 && own[bytes - 1] >> n % 8 != 0)
        wr_io_fail(io, WR_EINVAL);
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

void wr_io_addr(struct wr_io *io, struct wr_addr *own,
                ProtobufCBinaryData *wire)
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

void wr_io_contacts(struct wr_io *io, const struct wr_contact **own, uint8_t *n,
                    ProtobufCBinaryData *wire)
{
    struct wr_contact *v;

    if (!list(io, wire, CONTACT_BYTES, WR_CONTACTS_MAX, *n))
        return;
    if (!io->encode) {
        *n = (uint8_t)(wire->len / CONTACT_BYTES);
        *own = v = wr_io_alloc(io, *n * sizeof(*v));
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
