/* Hashes and CIDs: published vectors, and what is refused how. */
#include <criterion/criterion.h>

#include "object/cid.h"

static struct wr_cid parse(const char *text)
{
    struct wr_cid cid = {0};

    cr_assert_eq(wr_cid_parse(wr_span_str(text), &cid, NULL), WR_OK, "%s",
                 text);
    return cid;
}

static void expect_text(uint32_t codec, enum wr_hash hash, struct wr_span block,
                        const char *text)
{
    const struct wr_cid cid = wr_cid_of(codec, hash, block);
    char is[WR_CID_TEXT_SIZE];

    cr_assert_eq(wr_cid_print(&cid, is), strlen(text));
    cr_assert_str_eq(is, text);
    const struct wr_cid back = parse(text);
    cr_assert(wr_cid_eq(&cid, &back));
    cr_assert(wr_cid_matches(&back, block));
}

/* IPIP-499's vectors, and the same inputs under BLAKE2b-256. */
Test(object_cid, published_vectors)
{
    const struct wr_span hello = wr_span_str("hello world");
    const struct wr_span none = {0};
    const struct wr_span empty_dir = wr_span("\x0a\x02\x08\x01", 4);

    expect_text(WR_CODEC_RAW, WR_HASH_SHA2_256, hello,
                "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
    expect_text(
        WR_CODEC_RAW, WR_HASH_BLAKE2B_256, hello,
        "bafk2bzaceaswza5ss4iu2ia3galz6pyo6dfm5f4dmiw2lf2de22dmf4k533ba");
    expect_text(
        WR_CODEC_RAW, WR_HASH_BLAKE2B_256, none,
        "bafk2bzaceahfouoae3suhmxivmxlayez3kq5dzo7i53y654h7kvultprf7r2q");
    expect_text(WR_CODEC_DAG_PB, WR_HASH_SHA2_256, empty_dir,
                "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
    expect_text(
        WR_CODEC_DAG_PB, WR_HASH_BLAKE2B_256, empty_dir,
        "bafykbzacebugfutjir6qie7apo5shpry32ruwfi762uytd5g3u2gk7tpscndq");
}

/* The empty directory of Kubo, as everybody knows it from before CIDv1. */
Test(object_cid, version_0_names_the_same_block)
{
    const char *text = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
    const struct wr_cid v0 = parse(text);
    const struct wr_cid v1 =
        parse("bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
    char is[WR_CID_TEXT_SIZE];
    uint8_t bytes[WR_CID_BIN_MAX];
    struct wr_cid back;

    cr_assert_eq(v0.version, 0);
    cr_assert(wr_cid_eq(&v0, &v1));
    cr_assert_eq(wr_cid_print(&v0, is), strlen(text));
    cr_assert_str_eq(is, text);
    cr_assert_eq(wr_cid_encode(&v0, bytes), 34);
    cr_assert_eq(wr_cid_decode(wr_span(bytes, 34), &back, NULL), WR_OK);
    cr_assert_eq(back.version, 0);
}

Test(object_cid, inline_block)
{
    const struct wr_cid none = parse("bafkqaaa");
    const struct wr_cid hi = parse("bafkqaatine"); /* "hi" */

    cr_assert(wr_cid_is_inline(&none));
    cr_assert_eq(wr_cid_inline(&none).n, 0);
    cr_assert_eq(none.codec, WR_CODEC_RAW);
    cr_assert(wr_span_eq(wr_cid_inline(&hi), wr_span_str("hi")));
    cr_assert(wr_cid_matches(&hi, wr_span_str("hi")));
    cr_assert(!wr_cid_matches(&hi, wr_span_str("ho")));
    cr_assert(!wr_cid_eq(&hi, &none));
}

Test(object_cid, upper_case_is_read)
{
    const struct wr_cid a =
        parse("BAFKREIFZJUT3TE2NHYEKKLSS27NH3K72YSCO7Y32KOAO5EEI66WOF36N5E");
    const struct wr_cid b =
        parse("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");

    cr_assert(wr_cid_eq(&a, &b));
}

Test(object_cid, malformed_text_is_no_cid)
{
    static const char *const bad[] = {
        "",
        "b",
        "hello",
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5",
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5ea",
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n51",
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e/x",
        "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3N0",
        "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3N",
        "Qmzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        "../etc/passwd",
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(bad); i++) {
        struct wr_cid_fault fault = {0};
        struct wr_cid cid = {.n = 7};
        char text[WR_CID_FAULT_SIZE];

        cr_assert_eq(wr_cid_parse(wr_span_str(bad[i]), &cid, &fault), WR_EINVAL,
                     "%s", bad[i]);
        cr_assert_eq(fault.kind, WR_CID_FAULT_MALFORMED);
        cr_assert_eq(cid.n, 7); /* Untouched on failure. */
        wr_cid_fault_text(&fault, text);
        cr_assert_str_eq(text, "not a CID");
    }
}

static void expect_unsupported(const void *bytes, size_t n, const char *why)
{
    struct wr_cid_fault fault = {0};
    struct wr_cid cid;
    char text[WR_CID_FAULT_SIZE];

    cr_assert_eq(wr_cid_decode(wr_span(bytes, n), &cid, &fault),
                 WR_EUNSUPPORTED, "%s", why);
    wr_cid_fault_text(&fault, text);
    cr_assert_str_eq(text, why);
}

Test(object_cid, what_cannot_be_verified_is_refused_by_name)
{
    uint8_t sha512[4 + 64] = {1, 0x55, 0x13, 64};
    uint8_t blake3[4 + 32] = {1, 0x55, 0x1e, 32};
    uint8_t odd[6 + 2] = {1, 0x55, 0x80, 0x80, 0x01, 2};
    uint8_t fat[4 + 33] = {1, 0x55, 0, 33};
    const uint8_t v2[] = {2, 0x55, 0, 0};

    expect_unsupported(sha512, sizeof(sha512),
                       "hash sha2-512 is not supported");
    expect_unsupported(blake3, sizeof(blake3), "hash blake3 is not supported");
    expect_unsupported(odd, sizeof(odd), "hash 0x4000 is not supported");
    expect_unsupported(fat, sizeof(fat),
                       "an inline block of 33 bytes is not supported");
    expect_unsupported(v2, sizeof(v2), "CID version 2 is not supported");

    struct wr_cid cid;
    struct wr_cid_fault fault;
    const char *z = "zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA";
    cr_assert_eq(wr_cid_parse(wr_span_str(z), &cid, &fault), WR_EUNSUPPORTED);
    cr_assert_eq(fault.kind, WR_CID_FAULT_BASE);
    cr_assert_eq(fault.code, 'z');
}

Test(object_cid, malformed_bytes)
{
    const struct wr_cid cid =
        wr_cid_of(WR_CODEC_RAW, WR_HASH_BLAKE2B_256, wr_span_str("x"));
    uint8_t b[WR_CID_BIN_MAX + 1] = {0};
    const size_t n = wr_cid_encode(&cid, b);
    struct wr_cid ret;

    for (size_t cut = 0; cut < n; cut++)
        cr_assert_eq(wr_cid_decode(wr_span(b, cut), &ret, NULL), WR_EINVAL);
    cr_assert_eq(wr_cid_decode(wr_span(b, n + 1), &ret, NULL), WR_EINVAL);
    cr_assert_eq(wr_cid_decode(wr_span(b, n), &ret, NULL), WR_OK);
    b[5] = 31; /* A BLAKE2b-256 of 31 bytes. */
    cr_assert_eq(wr_cid_decode(wr_span(b, n - 1), &ret, NULL), WR_EINVAL);

    const uint8_t padded[] = {0x81, 0x00, 0x55, 0x00, 0x00};
    cr_assert_eq(wr_cid_decode(wr_span(padded, 5), &ret, NULL), WR_EINVAL);
}

/* A section of a CAR file: a CID, and what it names behind it. */
Test(object_cid, read_leaves_what_follows)
{
    uint8_t b[WR_CID_BIN_MAX + 3];
    const struct wr_cid cid =
        wr_cid_of(WR_CODEC_DAG_CBOR, WR_HASH_SHA2_256, wr_span_str("x"));
    const size_t n = wr_cid_encode(&cid, b);
    struct wr_cid ret;

    memcpy(b + n, "abc", 3);
    struct wr_reader r = wr_reader(wr_span(b, n + 3));
    cr_assert_eq(wr_cid_read(&r, &ret, NULL), WR_OK);
    cr_assert(wr_cid_eq(&ret, &cid));
    cr_assert_eq(r.left, 3);
}

Test(object_cid, hash_names)
{
    enum wr_hash hash;

    cr_assert_eq(wr_hash_parse("blake2b-256", &hash), WR_OK);
    cr_assert_eq(hash, WR_HASH_BLAKE2B_256);
    cr_assert_eq(wr_hash_parse("sha2-256", &hash), WR_OK);
    cr_assert_eq(hash, WR_HASH_SHA2_256);
    cr_assert_eq(wr_hash_parse("sha2-512", &hash), WR_EUNSUPPORTED);
    cr_assert_eq(wr_hash_parse("", &hash), WR_EUNSUPPORTED);
    cr_assert_eq(wr_hash_from_code(0x13, &hash), WR_EUNSUPPORTED);
    cr_assert_eq(wr_hash_from_code(0xb220, &hash), WR_OK);
    cr_assert_str_eq(wr_hash_code_name(0x13), "sha2-512");
    cr_assert_null(wr_hash_code_name(0x7777));
}
