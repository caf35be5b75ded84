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
