/* farewell.c - see farewell.h. */
#include "crypto/farewell.h"

void wr_farewell_sign(const uint8_t ring[static WR_SIGN_PUBLIC],
                      const uint8_t host[static WR_CRED_HOST],
                      const struct wr_sign_key *key,
                      uint8_t ret[static WR_FAREWELL_BYTES])
{
    struct wr_writer w = wr_writer(ret, WR_FAREWELL_BYTES);

    wr_signed_begin(&w, "wrF");
    wr_write(&w, ring, WR_SIGN_PUBLIC);
    wr_write(&w, host, WR_CRED_HOST);
    wr_signed_end(&w, key);
    WR_CHECK(!w.bad && w.n == WR_FAREWELL_BYTES);
}

struct farewell {
    struct wr_span ring, host;
};

static enum wr_err parse(struct wr_span bytes, struct farewell *ret)
{
    struct wr_reader r = wr_reader(bytes);
    const enum wr_err err = wr_signed_open(&r, "wrF");

    if (err != WR_OK)
        return err;
    if (bytes.n != WR_FAREWELL_BYTES)
        return WR_EINVAL;
    ret->ring = wr_read(&r, WR_SIGN_PUBLIC);
    ret->host = wr_read(&r, WR_CRED_HOST);
    return WR_OK;
}

enum wr_err wr_farewell_open(struct wr_span bytes, const struct wr_cred *cred)
{
    struct farewell f;
    const enum wr_err err = parse(bytes, &f);

    if (err != WR_OK)
        return err;
    if (!wr_span_eq(f.ring, wr_span(cred->ring, WR_SIGN_PUBLIC)) ||
        !wr_span_eq(f.host, wr_span(cred->host, WR_CRED_HOST)))
        return WR_EREFUSED;
    return wr_signed_by(bytes, cred->sign_public) ? WR_OK : WR_EAUTH;
}
