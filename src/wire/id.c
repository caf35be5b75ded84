/* id.c - see id.h. */
#include "wire/id.h"

struct wr_id wr_id_distance(const struct wr_id *a, const struct wr_id *b)
{
    struct wr_id d;
    int borrow = 0;

    for (int i = WR_ID_BYTES - 1; i >= 0; i--) {
        const int v = b->b[i] - a->b[i] - borrow;

        borrow = v < 0;
        d.b[i] = (uint8_t)(v & 0xff);
    }
    return d;
}

unsigned wr_id_distance_bits(const struct wr_id *a, const struct wr_id *b)
{
    enum { WORD_BITS = 64, WORD = WORD_BITS / 8 };
    unsigned bits = 0, borrow = 0;

    for (unsigned at = WR_ID_BYTES; at > 0; at -= WORD) {
        const uint64_t x = wr_id_word(&a->b[at - WORD]);
        const uint64_t y = wr_id_word(&b->b[at - WORD]);
        const uint64_t d = y - x - borrow;

        borrow = y < x || (y == x && borrow != 0);
        if (d != 0)
            bits = (WR_ID_BYTES - at + WORD) * 8 - (unsigned)__builtin_clzll(d);
    }
    return bits;
}

struct wr_id wr_id_add_pow2(const struct wr_id *a, unsigned bit)
{
    struct wr_id sum = *a;
    unsigned carry = 1u << (bit % 8);

    for (int i = WR_ID_BYTES - 1 - (int)(bit / 8); i >= 0 && carry > 0; i--) {
        const unsigned v = sum.b[i] + carry;

        sum.b[i] = (uint8_t)(v & 0xff);
        carry = v >> 8;
    }
    return sum;
}

/* A sixteenth of the way from a to b. */
static struct wr_id step_of(const struct wr_id *a, const struct wr_id *b)
{
    const struct wr_id way = wr_id_distance(a, b);
    struct wr_id step = {{0}};

    if (wr_id_eq(a, b)) {
        step.b[0] = 1 << 4;
        return step;
    }
    for (unsigned k = 0; k < WR_ID_BYTES; k++)
        step.b[k] = (uint8_t)((k > 0 ? way.b[k - 1] << 4 : 0) | way.b[k] >> 4);
    return step;
}

struct wr_id wr_id_part(const struct wr_id *a, const struct wr_id *b,
                        unsigned i)
{
    const struct wr_id step = step_of(a, b);
    struct wr_id end = *a;
    unsigned carry = 0;

    if (i == WR_ARC_PARTS)
        return *b;
    for (int k = WR_ID_BYTES - 1; k >= 0; k--) {
        const unsigned v = end.b[k] + step.b[k] * i + carry;

        end.b[k] = (uint8_t)(v & 0xff);
        carry = v >> 8;
    }
    return end;
}
