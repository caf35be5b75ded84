/* Rules of base/: spans, varints, hexadecimal and base32. */
#include <criterion/criterion.h>

#include "base/err.h"
#include "base/rng.h"
#include "base/span.h"
#include "base/text.h"

Test(base, varint_round_trip_and_minimal_form)
{
    const uint64_t values[] = {0, 1, 127, 128, 0xb220, UINT32_MAX, UINT64_MAX};

    for (size_t i = 0; i < WR_ARRAY_LEN(values); i++) {
        uint8_t buf[10];
        struct wr_writer w = wr_writer(buf, sizeof(buf));

        wr_write_varint(&w, values[i]);
        cr_assert(!w.bad);
        cr_assert_eq(w.n, wr_varint_size(values[i]));
        struct wr_reader r = wr_reader(wr_span(buf, w.n));
        cr_assert_eq(wr_read_varint(&r), values[i]);
        cr_assert(!r.bad && r.left == 0);
    }
    const uint8_t padded[] = {0x80, 0x00};
    struct wr_reader r = wr_reader(wr_span(padded, 2));
    wr_read_varint(&r);
    cr_assert(r.bad);
}

Test(base, reader_stays_bad_past_its_end)
{
    const uint8_t two[] = {1, 2};
    struct wr_reader r = wr_reader(wr_span(two, 2));

    cr_assert_eq(wr_read_be32(&r), 0);
    cr_assert(r.bad);
    cr_assert_eq(wr_read_u8(&r), 0);
    cr_assert(r.bad);
}

Test(base, base32_is_rfc_4648)
{
    /* RFC 4648, section 10, lower case and without padding. */
    static const char *const rows[][2] = {
        {"", ""},
        {"f", "my"},
        {"fo", "mzxq"},
        {"foo", "mzxw6"},
        {"foob", "mzxw6yq"},
        {"fooba", "mzxw6ytb"},
        {"foobar", "mzxw6ytboi"},
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(rows); i++) {
        char text[32];
        uint8_t back[32];
        size_t n;

        wr_base32(wr_span_str(rows[i][0]), text);
        cr_assert_str_eq(text, rows[i][1]);
        cr_assert_eq(wr_unbase32(wr_span_str(text), back, sizeof(back), &n), 0);
        cr_assert(wr_span_eq(wr_span(back, n), wr_span_str(rows[i][0])));
    }
    uint8_t b[8];
    size_t n;
    cr_assert_eq(wr_unbase32(wr_span_str("mz"), b, 8, &n), WR_EINVAL);
    cr_assert_eq(wr_unbase32(wr_span_str("a"), b, 8, &n), WR_EINVAL);
    cr_assert_eq(wr_unbase32(wr_span_str("m1"), b, 8, &n), WR_EINVAL);
    cr_assert_eq(wr_unbase32(wr_span_str("mzxw6"), b, 2, &n), WR_ETOOBIG);
}

Test(base, hex_round_trip)
{
    const uint8_t in[] = {0x00, 0x9f, 0xff};
    char text[WR_HEX_SIZE(3)];
    uint8_t out[3];

    wr_hex(wr_span(in, 3), text);
    cr_assert_str_eq(text, "009fff");
    cr_assert_eq(wr_unhex("009FfF", out, 3), WR_OK);
    cr_assert_arr_eq(in, out, 3);
    cr_assert_eq(wr_unhex("009", out, 3), WR_EINVAL);
    cr_assert_eq(wr_unhex("00 fff", out, 3), WR_EINVAL);
}

Test(base, the_nearest_name_is_guessed)
{
    struct wr_text_guess g = {.name = "hsots"};

    wr_text_offer(&g, "members");
    cr_assert_str_eq(g.best, "members"); /* The only one so far. */
    wr_text_offer(&g, "hosts");
    cr_assert_str_eq(g.best, "hosts");
    cr_assert_eq(g.distance, 1); /* Two letters changed places. */
    wr_text_offer(&g, "shots");
    cr_assert_str_eq(g.best, "hosts"); /* As near, but later. */
    wr_text_offer(&g, "hsots");
    cr_assert_eq(g.distance, 0);

    static const struct {
        const char *a, *b;
        unsigned distance;
    } pairs[] = {
        {"", "abc", 3},     {"abc", "", 3},           {"get", "gte", 1},
        {"get", "ge", 1},   {"kitten", "sitting", 3}, {"abcd", "badc", 2},
        {"put", "puts", 1}, {"ls", "xx", 2},
    };
    for (size_t i = 0; i < WR_ARRAY_LEN(pairs); i++) {
        struct wr_text_guess p = {.name = pairs[i].a};

        wr_text_offer(&p, pairs[i].b);
        cr_expect_eq(p.distance, pairs[i].distance, "%s, %s: %u", pairs[i].a,
                     pairs[i].b, p.distance);
    }
}

Test(base, every_error_has_a_text_and_a_status)
{
    cr_assert_eq(wr_err_status(WR_OK), 0);
    cr_assert_eq(wr_err_status(WR_ENOTFOUND), 3);
    cr_assert_eq(wr_err_status(WR_EUNREACH), 4);
    cr_assert_eq(wr_err_status(WR_EREFUSED), 5);
    cr_assert_eq(wr_err_status(WR_EDAMAGED), 6);
    cr_assert_str_eq(wr_err_text(WR_ENOTFOUND), "not found");
}

Test(base, equal_seeds_draw_equal_numbers)
{
    struct wr_rng a = {7}, b = {7};

    for (int i = 0; i < 1000; i++) {
        const uint64_t x = wr_rng_below(&a, 10);
        cr_assert_lt(x, 10);
        cr_assert_eq(x, wr_rng_below(&b, 10));
    }
}
