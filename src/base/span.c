/* span.c - see span.h. */
#include "base/span.h"

int wr_span_cmp(struct wr_span a, struct wr_span b)
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

    if (c != 0)
        return c;
    return a.n < b.n ? -1 : a.n > b.n;
}

struct wr_span wr_read(struct wr_reader *r, size_t n)
{
    struct wr_span s = {0};

    if (r->bad || n > r->left) {
        r->bad = true;
        return s;
    }
    s = wr_span(r->p, n);
    if (n > 0)
        r->p += n;
    r->left -= n;
    return s;
}

void wr_read_into(struct wr_reader *r, void *ret, size_t n)
{
    const struct wr_span s = wr_read(r, n);

    if (r->bad)
        memset(ret, 0, n);
    else if (n > 0)
        memcpy(ret, s.p, n);
}

static uint64_t read_be(struct wr_reader *r, size_t n)
{
    const struct wr_span s = wr_read(r, n);
    uint64_t v = 0;

    for (size_t i = 0; i < s.n; i++)
        v = v << 8 | s.p[i];
    return v;
}

uint8_t wr_read_u8(struct wr_reader *r)
{
    return (uint8_t)read_be(r, 1);
}

uint16_t wr_read_be16(struct wr_reader *r)
{
    return (uint16_t)read_be(r, 2);
}

uint32_t wr_read_be32(struct wr_reader *r)
{
    return (uint32_t)read_be(r, 4);
}

uint64_t wr_read_be64(struct wr_reader *r)
{
    return read_be(r, 8);
}

uint64_t wr_read_varint(struct wr_reader *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t b = wr_read_u8(r);

        if (r->bad)
            return 0;
        if (shift == 63 && b > 1)
            break; /* More than 64 bits. */
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            if (b == 0 && shift > 0)
                break; /* Not the minimal form. */
            return v;
        }
    }
    r->bad = true;
    return 0;
}

void wr_write(struct wr_writer *w, const void *p, size_t n)
{
    if (w->bad || n > w->room - w->n) {
        w->bad = true;
        return;
    }
    if (n > 0)
        memcpy(w->p + w->n, p, n);
    w->n += n;
}

static void write_be(struct wr_writer *w, uint64_t v, size_t n)
{
    uint8_t b[8];

    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    wr_write(w, b, n);
}

void wr_write_u8(struct wr_writer *w, uint8_t v)
{
    write_be(w, v, 1);
}

void wr_write_be16(struct wr_writer *w, uint16_t v)
{
    write_be(w, v, 2);
}

void wr_write_be32(struct wr_writer *w, uint32_t v)
{
    write_be(w, v, 4);
}

void wr_write_be64(struct wr_writer *w, uint64_t v)
{
    write_be(w, v, 8);
}

void wr_write_varint(struct wr_writer *w, uint64_t v)
{
    while (v >= 0x80) {
        wr_write_u8(w, (uint8_t)(v | 0x80));
        v >>= 7;
    }
    wr_write_u8(w, (uint8_t)v);
}

size_t wr_varint_size(uint64_t v)
{
    size_t n = 1;

    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}
