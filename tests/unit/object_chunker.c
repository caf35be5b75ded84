/* Chunkers: the normative rules in chunker.h, and what FastCDC promises. */
#include <criterion/criterion.h>

#include "../support/bytes.h"
#include "base/rng.h"
#include "crypto/blake2b.h"
#include "object/chunker.h"
#include "object/gear.h"

enum { MIB = 1 << 20 };

struct cuts {
    size_t n;
    uint32_t len[4096];
};

static struct wr_chunking parse(const char *text)
{
    struct wr_chunking how = {0};

    cr_assert_eq(wr_chunking_parse(text, &how), WR_OK, "%s", text);
    return how;
}

static void push(struct cuts *cuts, size_t len)
{
    cr_assert_lt(cuts->n, WR_ARRAY_LEN(cuts->len));
    cuts->len[cuts->n++] = (uint32_t)len;
}

static struct cuts *cut_whole(const char *how_text, const uint8_t *p, size_t n)
{
    struct cuts *cuts = calloc(1, sizeof(*cuts));
    const struct wr_chunking how = parse(how_text);
    struct wr_chunker c;

    wr_chunker_init(&c, &how);
    for (size_t at = 0; at < n;) {
        const size_t len = wr_chunker_next(&c, wr_span(p + at, n - at), true);

        cr_assert(len > 0 && len <= n - at);
        push(cuts, len);
        at += len;
    }
    return cuts;
}

Test(object_chunker, gear_is_the_formula)
{
    for (unsigned b = 0; b < 256; b++) {
        const uint8_t byte = (uint8_t)b;
        const struct wr_span parts[] = {wr_span_str("wreath-gear"),
                                        wr_span(&byte, 1)};
        uint8_t out[8];
        uint64_t v = 0;

        wr_blake2b(parts, 2, out, sizeof(out));
        for (unsigned i = 8; i-- > 0;)
            v = v << 8 | out[i];
        cr_assert_eq(wr_gear[b], v, "gear[%u]", b);
    }
}

/* Cut lists of 4 MiB of chunk-v1-seed, made by another implementation, byte by
 * byte, of the rules in chunker.h. */
static const uint32_t cuts_256k[] = {299431, 85564,  297740, 352968, 91415,
                                     253782, 247643, 313788, 220594, 102053,
                                     314781, 572157, 227367, 496506, 318515};
static const uint32_t cuts_64k[] = {
    61956, 84567,  79160, 67964, 61083, 30265, 59090, 88335, 61971, 55982,
    32362, 74487,  65018, 43801, 98405, 71257, 58325, 33090, 70560, 64868,
    47953, 16956,  53445, 40861, 80175, 57158, 65063, 58095, 59026, 47870,
    41331, 67595,  63269, 64494, 81013, 56075, 55666, 22326, 24061, 51510,
    85183, 156490, 53407, 84202, 72017, 59264, 71123, 54254, 56747, 75997,
    61378, 59297,  89210, 53255, 54140, 58915, 65377, 53320, 60985, 54243,
    58026, 102227, 33322, 71485, 55316, 75649, 59580, 43407};

Test(object_chunker, stored_cuts)
{
    uint8_t *p = bytes_stream("chunk-v1-seed", 4 * MIB);
    struct cuts *a = cut_whole("fastcdc", p, 4 * MIB);
    struct cuts *b = cut_whole("fastcdc-65536", p, 4 * MIB);

    cr_assert_eq(a->n, WR_ARRAY_LEN(cuts_256k));
    cr_assert_eq(memcmp(a->len, cuts_256k, sizeof(cuts_256k)), 0);
    cr_assert_eq(b->n, WR_ARRAY_LEN(cuts_64k));
    cr_assert_eq(memcmp(b->len, cuts_64k, sizeof(cuts_64k)), 0);
    free(a);
    free(b);
    free(p);
}

/* However the bytes arrive, the cuts are the same. */
static void expect_same_cuts_in_pieces(const char *how_text, uint64_t seed)
{
    const size_t n = 2 * MIB + 12345;
    uint8_t *p = bytes_stream("pieces", n);
    struct cuts *whole = cut_whole(how_text, p, n);
    struct cuts *pieces = calloc(1, sizeof(*pieces));
    const struct wr_chunking how = parse(how_text);
    struct wr_rng rng = {seed};
    struct wr_chunker c;
    size_t from = 0, have = 0;

    wr_chunker_init(&c, &how);
    while (from < n) {
        const size_t len =
            wr_chunker_next(&c, wr_span(p + from, have - from), have == n);

        if (len > 0) {
            push(pieces, len);
            from += len;
        } else {
            cr_assert_lt(have, n);
            have += 1 + wr_rng_below(&rng, 9000);
            have = have < n ? have : n;
        }
    }
    cr_assert_eq(pieces->n, whole->n);
    cr_assert_arr_eq(pieces->len, whole->len, whole->n * sizeof(uint32_t));
    free(whole);
    free(pieces);
    free(p);
}

Test(object_chunker, cuts_do_not_depend_on_how_bytes_arrive)
{
    expect_same_cuts_in_pieces("fastcdc", 1);
    expect_same_cuts_in_pieces("fastcdc-4096", 2);
    expect_same_cuts_in_pieces("size-65536", 3);
}

Test(object_chunker, a_cut_depends_on_bytes_since_the_last_cut)
{
    uint8_t *p = bytes_stream("since", 4 * MIB);
    struct cuts *all = cut_whole("fastcdc-65536", p, 4 * MIB);
    size_t at = 0;

    for (size_t i = 0; i < 3; i++)
        at += all->len[i];
    struct cuts *rest = cut_whole("fastcdc-65536", p + at, 4 * MIB - at);
    cr_assert_eq(rest->n, all->n - 3);
    cr_assert_arr_eq(rest->len, all->len + 3, rest->n * sizeof(uint32_t));
    free(all);
    free(rest);
    free(p);
}

Test(object_chunker, mean_is_near_the_average_asked_for)
{
    static const struct {
        const char *how;
        double avg;
    } cases[] = {{"fastcdc-65536", 65536}, {"fastcdc-32768", 32768}};
    const size_t n = 64 * MIB;
    uint8_t *p = bytes_stream("mean", n);

    for (size_t i = 0; i < WR_ARRAY_LEN(cases); i++) {
        struct cuts *cuts = cut_whole(cases[i].how, p, n);
        const double mean = (double)n / (double)cuts->n;

        cr_assert_gt(mean, cases[i].avg * 0.9);
        cr_assert_lt(mean, cases[i].avg * 1.1);
        free(cuts);
    }
    free(p);
}

Test(object_chunker, minimum_and_maximum_hold)
{
    uint8_t *p = bytes_stream("bounds", 32 * MIB);
    struct cuts *cuts = cut_whole("fastcdc", p, 32 * MIB);

    for (size_t i = 0; i < cuts->n; i++) {
        cr_assert_leq(cuts->len[i], MIB);
        if (i + 1 < cuts->n)
            cr_assert_gt(cuts->len[i], 64 << 10);
    }
    free(cuts);
    memset(p, 0, 32 * MIB); /* Content without any cut of its own. */
    cuts = cut_whole("fastcdc", p, 32 * MIB);
    for (size_t i = 0; i + 1 < cuts->n; i++)
        cr_assert_eq(cuts->len[i], cuts->len[0]);
    cr_assert_leq(cuts->len[0], MIB);
    free(cuts);
    free(p);
}

/* How many bytes of the chunks of `b` are in no chunk of `a`. */
static size_t bytes_not_in(const uint8_t *pa, const struct cuts *a,
                           const uint8_t *pb, const struct cuts *b)
{
    size_t fresh = 0, at_b = 0;

    for (size_t i = 0; i < b->n; at_b += b->len[i], i++) {
        size_t at_a = 0, k = 0;

        while (k < a->n && (a->len[k] != b->len[i] ||
                            memcmp(pa + at_a, pb + at_b, b->len[i]) != 0))
            at_a += a->len[k++];
        if (k == a->n)
            fresh += b->len[i];
    }
    return fresh;
}

Test(object_chunker, an_insertion_moves_only_cuts_nearby)
{
    const size_t n = 32 * MIB, half = 16 * MIB + 777, more = 1000;
    uint8_t *a = bytes_stream("before", n);
    uint8_t *more_bytes = bytes_stream("more", more);
    uint8_t *b = malloc(n + more);

    memcpy(b, a, half);
    memcpy(b + half, more_bytes, more);
    memcpy(b + half + more, a + half, n - half);
    struct cuts *ca = cut_whole("fastcdc", a, n);
    struct cuts *cb = cut_whole("fastcdc", b, n + more);
    cr_assert_leq(bytes_not_in(a, ca, b, cb), 3 * MIB);
    free(ca);
    free(cb);
    free(a);
    free(b);
    free(more_bytes);
}

Test(object_chunker, fixed_sizes)
{
    uint8_t *p = bytes_stream("fixed", 3 * MIB);
    struct cuts *cuts = cut_whole("size-1048576", p, 2 * MIB + 1);

    cr_assert_eq(cuts->n, 3);
    cr_assert(cuts->len[0] == MIB && cuts->len[1] == MIB);
    cr_assert_eq(cuts->len[2], 1);
    free(cuts);
    cuts = cut_whole("size-1048576", p, 2 * MIB);
    cr_assert_eq(cuts->n, 2);
    free(cuts);
    free(p);
}

Test(object_chunker, nothing_is_no_chunk)
{
    const struct wr_chunking how = parse("fastcdc");
    struct wr_chunker c;

    wr_chunker_init(&c, &how);
    cr_assert_eq(wr_chunker_next(&c, wr_span(NULL, 0), false), 0);
    cr_assert_eq(wr_chunker_next(&c, wr_span(NULL, 0), true), 0);
}

Test(object_chunker, specifications)
{
    static const struct {
        const char *text;
        enum wr_err err;
    } cases[] = {
        {"fastcdc", WR_OK},
        {"fastcdc-4096", WR_OK},
        {"fastcdc-262144", WR_OK},
        {"fastcdc-524288", WR_ETOOBIG},
        {"fastcdc-2048", WR_ETOOBIG},
        {"fastcdc-100000", WR_EINVAL},
        {"fastcdc-", WR_EINVAL},
        {"fastcdcs", WR_EINVAL},
        {"size-1024", WR_OK},
        {"size-1048576", WR_OK},
        {"size-1048577", WR_ETOOBIG},
        {"size-1023", WR_ETOOBIG},
        {"size-4294967296", WR_EINVAL},
        {"size-18446744073709551617", WR_EINVAL},
        {"size--5000", WR_EINVAL},
        {"size-05000", WR_EINVAL},
        {"size-5000 ", WR_EINVAL},
        {"size-0", WR_EINVAL},
        {"size-", WR_EINVAL},
        {"", WR_EINVAL},
        {"rabin-16-32-64", WR_EUNSUPPORTED},
        {"buzhash", WR_EUNSUPPORTED},
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(cases); i++) {
        struct wr_chunking how = {.size = 7};

        cr_assert_eq(wr_chunking_parse(cases[i].text, &how), cases[i].err, "%s",
                     cases[i].text);
        if (cases[i].err != WR_OK)
            cr_assert_eq(how.size, 7);
    }
    const struct wr_chunking fixed = parse("size-5000");
    const struct wr_chunking cdc = parse("fastcdc");
    cr_assert_eq(wr_chunking_max(&fixed), 5000);
    cr_assert_eq(wr_chunking_max(&cdc), MIB);
}
