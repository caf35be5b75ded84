/* record.c - what the store keeps: index records and extents. What is taken is
 * written the same way again; an extent with any bit changed is refused, but
 * for those that mean nothing yet. */
#include "store/record.h"
#include "fuzz.h"

enum { SPARE = 32 }; /* At the end of an extent's header. */

static const uint8_t digest[WR_DIGEST] = {5, 6, 7};

static void record(struct wr_span in)
{
    uint8_t again[WR_RECORD_MAX];
    struct wr_record r;

    if (wr_record_read(in, &r) != WR_OK)
        return;
    WR_CHECK(r.refs <= WR_RECORD_REFS);
    WR_CHECK(r.extents == wr_extents_of(r.length));
    WR_CHECK(wr_span_eq(wr_span(again, wr_record_write(&r, again)), in));
}

static void extent(struct wr_span in)
{
    static uint8_t again[WR_EXTENT_HEADER + WR_EXTENT_BYTES];
    struct wr_extent e;

    if (wr_extent_read(digest, in, &e) != WR_OK)
        return;
    wr_extent_write(digest, &e, again);
    WR_CHECK(in.n == WR_EXTENT_HEADER + e.bytes.n);
    WR_CHECK(memcmp(again, in.p, WR_EXTENT_HEADER - SPARE) == 0);
    WR_CHECK(memcmp(again + WR_EXTENT_HEADER, in.p + WR_EXTENT_HEADER,
                    e.bytes.n) == 0);
}

/* One that we made ourselves, and then damaged. */
static void damaged(struct fuzz *f)
{
    static uint8_t made[WR_EXTENT_HEADER + WR_EXTENT_BYTES];
    uint32_t at = fuzz_u32(f);
    const uint8_t bit = (uint8_t)(1u << fuzz_below(f, 8));
    struct wr_extent e = {.number = fuzz_u8(f) % 4, .hash = fuzz_u64(f)};
    struct wr_extent ret;
    size_t n;

    e.extents = e.number + 1;
    e.bytes = fuzz_bytes(f, WR_EXTENT_BYTES);
    e.length = e.number * WR_EXTENT_BYTES + (uint32_t)e.bytes.n;
    if (wr_extents_of(e.length) != e.extents)
        return; /* A full one before an empty last one. */
    n = WR_EXTENT_HEADER + e.bytes.n;
    wr_extent_write(digest, &e, made);
    WR_CHECK(wr_extent_read(digest, wr_span(made, n), &ret) == WR_OK);
    WR_CHECK(wr_span_eq(ret.bytes, e.bytes) && ret.hash == e.hash);
    at %= (uint32_t)(n - SPARE);
    if (at >= WR_EXTENT_HEADER - SPARE)
        at += SPARE;
    made[at] ^= bit;
    WR_CHECK(wr_extent_read(digest, wr_span(made, n), &ret) == WR_EDAMAGED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = fuzz(data, size);

    switch (fuzz_below(&f, 3)) {
    case 0:
        record(fuzz_rest(&f));
        break;
    case 1:
        extent(fuzz_rest(&f));
        break;
    default:
        damaged(&f);
    }
    return 0;
}
