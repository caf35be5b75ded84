/* sum.c - see sum.h. */
#include "crypto/sum.h"

#include "base/check.h"
#include "crypto/blake2b.h"
#include "crypto/root.h"

enum { OF_CHUNK = 1, OF_REF = 2, OF_ROOT = 3 };

static struct wr_sum sum_of(uint64_t n, const struct wr_span *parts,
                            size_t parts_n)
{
    struct wr_sum s = {.n = n};
    uint8_t h[WR_BLAKE2B_256] = {0};
    struct wr_reader r = wr_reader(wr_span(h, sizeof(h)));

    wr_blake2b_256(parts, parts_n, h);
    for (unsigned i = 4; i-- > 0;)
        s.w[i] = wr_read_be64(&r);
    return s;
}

struct wr_sum wr_sum_chunk(const uint8_t digest[static 32])
{
    static const uint8_t kind = OF_CHUNK;
    const struct wr_span parts[] = {wr_span(&kind, 1), wr_span(digest, 32)};

    return sum_of(1, parts, WR_ARRAY_LEN(parts));
}

struct wr_sum wr_sum_ref(const uint8_t digest[static 32],
                         const uint8_t put_id[static 16])
{
    static const uint8_t kind = OF_REF;
    const struct wr_span parts[] = {wr_span(&kind, 1), wr_span(digest, 32),
                                    wr_span(put_id, 16)};

    if (memcmp(put_id, wr_put_id_salvaged, WR_ROOT_PUT) == 0)
        return (struct wr_sum){0};
    return sum_of(0, parts, WR_ARRAY_LEN(parts));
}

struct wr_sum wr_sum_root(const uint8_t position[static 32], uint64_t version,
                          struct wr_span record)
{
    static const uint8_t kind = OF_ROOT;
    uint8_t number[8];
    struct wr_writer w = wr_writer(number, sizeof(number));
    const struct wr_span parts[] = {wr_span(&kind, 1), wr_span(position, 32),
                                    wr_span(number, sizeof(number)), record};

    wr_write_be64(&w, version);
    return sum_of(1, parts, WR_ARRAY_LEN(parts));
}

void wr_sum_add(struct wr_sum *s, const struct wr_sum *other)
{
    uint64_t carry = 0;

    s->n += other->n;
    for (unsigned i = 0; i < 4; i++) {
        const uint64_t v = s->w[i] + carry;
        const uint64_t sum = v + other->w[i];

        carry = (uint64_t)(v < carry) + (uint64_t)(sum < v);
        s->w[i] = sum;
    }
}

void wr_sum_take(struct wr_sum *s, const struct wr_sum *other)
{
    uint64_t borrow = 0;

    s->n -= other->n;
    for (unsigned i = 0; i < 4; i++) {
        const uint64_t v = s->w[i] - borrow;
        const uint64_t rest = v - other->w[i];

        borrow = (uint64_t)(v > s->w[i]) + (uint64_t)(rest > v);
        s->w[i] = rest;
    }
}

void wr_sum_print(const struct wr_sum *s, uint8_t ret[static WR_PRINT])
{
    uint8_t bytes[WR_SUM_BYTES] = {0};
    const struct wr_span part = wr_span(bytes, sizeof(bytes));

    wr_sum_write(s, bytes);
    wr_blake2b(&part, 1, ret, WR_PRINT);
}

void wr_sum_write(const struct wr_sum *s, uint8_t ret[static WR_SUM_BYTES])
{
    struct wr_writer w = wr_writer(ret, WR_SUM_BYTES);

    wr_write_be64(&w, s->n);
    for (unsigned i = 4; i-- > 0;)
        wr_write_be64(&w, s->w[i]);
}

void wr_sum_read(const uint8_t from[static WR_SUM_BYTES], struct wr_sum *ret)
{
    struct wr_reader r = wr_reader(wr_span(from, WR_SUM_BYTES));

    ret->n = wr_read_be64(&r);
    for (unsigned i = 4; i-- > 0;)
        ret->w[i] = wr_read_be64(&r);
}
