/* murmur.c - see murmur.h. */
#include "object/murmur.h"

static const uint64_t c1 = UINT64_C(0x87c37b91114253d5);
static const uint64_t c2 = UINT64_C(0x4cf5ad432745937f);

static uint64_t rotl(uint64_t v, unsigned by)
{
    return v << by | v >> (64 - by);
}

/* Little-endian, of n <= 8 bytes. */
static uint64_t load(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = n; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static uint64_t mix1(uint64_t k)
{
    return rotl(k * c1, 31) * c2;
}

static uint64_t mix2(uint64_t k)
{
    return rotl(k * c2, 33) * c1;
}

static uint64_t finish(uint64_t k)
{
    k = (k ^ (k >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    k = (k ^ (k >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return k ^ (k >> 33);
}

uint64_t wr_murmur3(struct wr_span in)
{
    uint64_t h1 = 0, h2 = 0;
    size_t i = 0;

    for (; in.n - i >= 16; i += 16) {
        h1 ^= mix1(load(in.p + i, 8));
        h1 = (rotl(h1, 27) + h2) * 5 + 0x52dce729;
        h2 ^= mix2(load(in.p + i + 8, 8));
        h2 = (rotl(h2, 31) + h1) * 5 + 0x38495ab5;
    }
    if (in.n - i > 8)
        h2 ^= mix2(load(in.p + i + 8, in.n - i - 8));
    if (in.n - i > 0)
        h1 ^= mix1(load(in.p + i, in.n - i < 8 ? in.n - i : 8));
    h1 ^= in.n;
    h2 ^= in.n;
    h1 += h2;
    h2 += h1;
    return finish(h1) + finish(h2);
}
