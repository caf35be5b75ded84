/* cid.c - CIDs as text (multibase) and as bytes: what is taken has one form of
 * each kind and comes back the same. */
#include "object/cid.h"
#include "fuzz.h"

static void check(const struct wr_cid *cid)
{
    char text[WR_CID_TEXT_SIZE];
    uint8_t bytes[WR_CID_BIN_MAX];
    struct wr_cid again;
    size_t n;

    WR_CHECK(cid->version <= 1 && cid->n <= WR_DIGEST_SIZE);
    n = wr_cid_print(cid, text);
    WR_CHECK(n < sizeof(text) && text[n] == '\0');
    WR_CHECK(wr_cid_parse(wr_span(text, n), &again, NULL) == WR_OK);
    WR_CHECK(wr_cid_eq(cid, &again) && again.version == cid->version);
    n = wr_cid_encode(cid, bytes);
    WR_CHECK(n <= sizeof(bytes));
    WR_CHECK(wr_cid_decode(wr_span(bytes, n), &again, NULL) == WR_OK);
    WR_CHECK(wr_cid_eq(cid, &again) && again.version == cid->version);
    if (wr_cid_is_inline(cid))
        WR_CHECK(wr_cid_matches(cid, wr_cid_inline(cid)));
}

static void told(enum wr_err err, const struct wr_cid_fault *fault)
{
    char text[WR_CID_FAULT_SIZE];

    WR_CHECK(err == WR_EINVAL || err == WR_EUNSUPPORTED);
    WR_CHECK(fault->kind != WR_CID_FAULT_NONE);
    wr_cid_fault_text(fault, text);
    WR_CHECK(memchr(text, '\0', sizeof(text)) != NULL && text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct wr_span in = wr_span(data, size);
    struct wr_reader r = wr_reader(in);
    struct wr_cid_fault fault;
    struct wr_cid cid;
    enum wr_err err;

    err = wr_cid_parse(in, &cid, &fault);
    if (err == WR_OK)
        check(&cid);
    else
        told(err, &fault);
    err = wr_cid_decode(in, &cid, &fault);
    if (err == WR_OK)
        check(&cid);
    else
        told(err, &fault);
    while (r.left > 0) {
        const size_t before = r.left;

        err = wr_cid_read(&r, &cid, &fault);
        if (err == WR_EINVAL)
            break;
        WR_CHECK(r.left < before);
        if (err == WR_OK)
            check(&cid);
    }
    return 0;
}
