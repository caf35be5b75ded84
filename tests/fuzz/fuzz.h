/*
 * fuzz.h - what fuzz targets share: their entry point, as libFuzzer calls it,
 * and an input taken apart into choices.
 *
 * A target is one C file. Whatever it is given it must not crash, and whatever
 * it finds it checks with WR_CHECK, against the rule and not against the code.
 * Under clang libFuzzer drives it (tools/fuzz); in the tests replay.c runs it
 * over the inputs in corpus/TARGET.
 *
 * Deterministic: an input alone decides what happens.
 */
#ifndef WR_TESTS_FUZZ_H
#define WR_TESTS_FUZZ_H

#include "base/check.h"
#include "base/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of an input. Behind its end everything is zero. */
struct fuzz {
    const uint8_t *p;
    size_t n;
};

static inline struct fuzz fuzz(const uint8_t *data, size_t size)
{
    return (struct fuzz){data, size};
}

static inline uint8_t fuzz_u8(struct fuzz *f)
{
    if (f->n == 0)
        return 0;
    f->n--;
    return *f->p++;
}

static inline bool fuzz_flag(struct fuzz *f)
{
    return (fuzz_u8(f) & 1) != 0;
}

static inline uint32_t fuzz_u32(struct fuzz *f)
{
    uint32_t v = 0;

    for (int i = 0; i < 4; i++)
        v = v << 8 | fuzz_u8(f);
    return v;
}

static inline uint64_t fuzz_u64(struct fuzz *f)
{
    const uint64_t high = fuzz_u32(f);

    return high << 32 | fuzz_u32(f);
}

/* Below `n`, which is 1 to 65,536. */
static inline uint32_t fuzz_below(struct fuzz *f, uint32_t n)
{
    const uint32_t v = n <= 256 ? fuzz_u8(f) : fuzz_u32(f);

    return v % n;
}

/* Up to `n` bytes, borrowed. */
static inline struct wr_span fuzz_bytes(struct fuzz *f, size_t n)
{
    const struct wr_span s = wr_span(f->p, n < f->n ? n : f->n);

    f->p += s.n;
    f->n -= s.n;
    return s;
}

static inline struct wr_span fuzz_rest(struct fuzz *f)
{
    return fuzz_bytes(f, f->n);
}

#endif
