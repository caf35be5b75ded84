/* record.c - see record.h. */
#include "store/record.h"

#include <xxhash.h>

enum { RECORD_VERSION = 1, EXTENT_VERSION = 1 };
enum { FLAG_DAMAGED = 1, FLAG_IDLE = 2, FLAGS = 3 };
enum { BYTES_AT = 20, DIGEST_AT = 40, CHECK_AT = 72, CHECK_END = CHECK_AT + 8 };

static const char extent_magic[8] = {'w', 'r', 'e', 'a', 't', 'h', 'X', '1'};

size_t wr_record_write(const struct wr_record *r, uint8_t *ret)
{
    struct wr_writer w = wr_writer(ret, WR_RECORD_MAX);

    const bool idle = r->idle_since > 0;

    WR_CHECK(r->refs <= WR_RECORD_REFS);
    wr_write_u8(&w, RECORD_VERSION);
    wr_write_u8(&w, (uint8_t)((r->damaged ? FLAG_DAMAGED : 0) |
                              (idle ? FLAG_IDLE : 0)));
    wr_write_be16(&w, (uint16_t)r->extents);
    wr_write_be32(&w, r->length);
    wr_write_be64(&w, r->hash);
    wr_write_be32(&w, r->spilled);
    wr_write_u8(&w, (uint8_t)r->refs);
    wr_write(&w, r->put_ids, (size_t)r->refs * WR_PUT_ID);
    if (idle)
        wr_write_be64(&w, r->idle_since);
    WR_CHECK(!w.bad);
    return w.n;
}

enum wr_err wr_record_read(struct wr_span in, struct wr_record *ret)
{
    struct wr_reader r = wr_reader(in);
    const uint8_t version = wr_read_u8(&r);
    const uint8_t flags = wr_read_u8(&r);
    struct wr_record rec = {.damaged = (flags & FLAG_DAMAGED) != 0};

    rec.extents = wr_read_be16(&r);
    rec.length = wr_read_be32(&r);
    rec.hash = wr_read_be64(&r);
    rec.spilled = wr_read_be32(&r);
    rec.refs = wr_read_u8(&r);
    if (r.bad || version != RECORD_VERSION || (flags & ~FLAGS) != 0 ||
        rec.refs > WR_RECORD_REFS || rec.length > WR_STORE_CHUNK_MAX ||
        rec.extents != wr_extents_of(rec.length))
        return WR_EDAMAGED;
    wr_read_into(&r, rec.put_ids, (size_t)rec.refs * WR_PUT_ID);
    if ((flags & FLAG_IDLE) != 0)
        rec.idle_since = wr_read_be64(&r);
    if (r.bad || r.left != 0 ||
        ((flags & FLAG_IDLE) != 0) != (rec.idle_since > 0))
        return WR_EDAMAGED;
    *ret = rec;
    return WR_OK;
}

void wr_extent_key(const uint8_t *digest, uint32_t number, uint8_t *ret)
{
    struct wr_writer w = wr_writer(ret, WR_EXTENT_KEY);

    wr_write(&w, digest, WR_DIGEST);
    wr_write_be32(&w, number);
}

static uint64_t check_of(const uint8_t *header, struct wr_span bytes)
{
    return XXH3_64bits_withSeed(bytes.p, bytes.n,
                                XXH3_64bits(header, CHECK_AT));
}

void wr_extent_write(const uint8_t *digest, const struct wr_extent *e,
                     uint8_t *ret)
{
    static const uint8_t zero[WR_EXTENT_HEADER - CHECK_END];
    struct wr_writer w = wr_writer(ret, WR_EXTENT_HEADER + e->bytes.n);

    WR_CHECK(e->bytes.n <= WR_EXTENT_BYTES);
    wr_write(&w, extent_magic, sizeof(extent_magic));
    wr_write_be32(&w, EXTENT_VERSION);
    wr_write_be32(&w, e->number);
    wr_write_be32(&w, e->extents);
    wr_write_be32(&w, (uint32_t)e->bytes.n);
    wr_write_be64(&w, e->length);
    wr_write_be64(&w, e->hash);
    wr_write(&w, digest, WR_DIGEST);
    WR_CHECK(w.n == CHECK_AT);
    wr_write_be64(&w, check_of(ret, e->bytes));
    wr_write(&w, zero, sizeof(zero));
    wr_write(&w, e->bytes.p, e->bytes.n);
    WR_CHECK(!w.bad);
}

enum wr_err wr_extent_read(const uint8_t *digest, struct wr_span in,
                           struct wr_extent *ret)
{
    struct wr_reader r = wr_reader(in);
    struct wr_span magic, of;
    struct wr_extent e;
    uint32_t version, n;
    uint64_t length, check;

    if (in.n < WR_EXTENT_HEADER || in.n > WR_EXTENT_HEADER + WR_EXTENT_BYTES)
        return WR_EDAMAGED;
    e.digest = in.p + DIGEST_AT;
    magic = wr_read(&r, sizeof(extent_magic));
    version = wr_read_be32(&r);
    e.number = wr_read_be32(&r);
    e.extents = wr_read_be32(&r);
    n = wr_read_be32(&r);
    length = wr_read_be64(&r);
    e.length = (uint32_t)length;
    e.hash = wr_read_be64(&r);
    of = wr_read(&r, WR_DIGEST);
    check = wr_read_be64(&r);
    (void)wr_read(&r, WR_EXTENT_HEADER - CHECK_END);
    e.bytes = wr_read(&r, n);
    if (r.bad || r.left != 0 || version != EXTENT_VERSION ||
        length > WR_STORE_CHUNK_MAX ||
        !wr_span_eq(magic, wr_span(extent_magic, sizeof(extent_magic))) ||
        !wr_span_eq(of, wr_span(digest, WR_DIGEST)) ||
        check != check_of(in.p, e.bytes))
        return WR_EDAMAGED;
    *ret = e;
    return WR_OK;
}

size_t wr_extent_find(struct wr_span in, struct wr_extent *ret)
{
    struct wr_reader r;
    size_t n;

    if (in.n < WR_EXTENT_HEADER ||
        memcmp(in.p, extent_magic, sizeof(extent_magic)) != 0)
        return 0;
    r = wr_reader(wr_span(in.p + BYTES_AT, 4));
    n = WR_EXTENT_HEADER + (size_t)wr_read_be32(&r);
    return n <= in.n && wr_extent_read(in.p + DIGEST_AT, wr_span(in.p, n),
                                       ret) == WR_OK
               ? n
               : 0;
}
