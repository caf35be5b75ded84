/* sign.c - see sign.h. */
#include "crypto/sign.h"

#include <sodium.h>

enum { KIND = 3 };

void wr_sign_generate(struct wr_sign_key *ret)
{
    crypto_sign_keypair(ret->public, ret->secret);
}

void wr_sign_from_seed(const uint8_t seed[static WR_SIGN_SEED],
                       struct wr_sign_key *ret)
{
    crypto_sign_seed_keypair(ret->public, ret->secret, seed);
}

void wr_signed_begin(struct wr_writer *w, const char *kind)
{
    wr_write(w, kind, KIND);
    wr_write_u8(w, WR_SIGNED_VERSION);
}

void wr_signed_end(struct wr_writer *w, const struct wr_sign_key *key)
{
    uint8_t sig[WR_SIGNATURE];

    if (w->bad)
        return;
    crypto_sign_detached(sig, NULL, w->p, w->n, key->secret);
    wr_write(w, sig, sizeof(sig));
}

enum wr_err wr_signed_open(struct wr_reader *r, const char *kind)
{
    const struct wr_span got = wr_read(r, KIND);
    const uint8_t version = wr_read_u8(r);

    if (r->bad || !wr_span_eq(got, wr_span(kind, KIND)) || version == 0)
        return WR_EINVAL;
    return version == WR_SIGNED_VERSION ? WR_OK : WR_EVERSION;
}

bool wr_signed_by(struct wr_span object,
                  const uint8_t public[static WR_SIGN_PUBLIC])
{
    if (object.n < WR_SIGNATURE)
        return false;
    const size_t n = object.n - WR_SIGNATURE;

    return crypto_sign_verify_detached(object.p + n, object.p, n, public) == 0;
}
