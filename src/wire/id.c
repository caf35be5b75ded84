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
