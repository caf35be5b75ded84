/* identity.c - see identity.h. */
#include "crypto/identity.h"

#include <sodium.h>

#include "crypto/blake2b.h"
#include "crypto/secret.h"

enum { CHECK = 8 };

static void check_of(struct wr_span body, uint8_t ret[static CHECK])
{
    uint8_t all[WR_BLAKE2B_256];

    wr_blake2b_256(&body, 1, all);
    memcpy(ret, all, CHECK);
}

/* Kind, version, the secrets, check: `room` is their exact size. */
static void encode(const char *kind, const struct wr_span *secrets, size_t n,
                   uint8_t *ret, size_t room)
{
    struct wr_writer w = wr_writer(ret, room);
    uint8_t check[CHECK];

    wr_signed_begin(&w, kind);
    for (size_t i = 0; i < n; i++)
        wr_write(&w, secrets[i].p, secrets[i].n);
    check_of(wr_span(ret, w.n), check);
    wr_write(&w, check, CHECK);
    WR_CHECK(!w.bad && w.n == room);
}

/* The secrets of a file that is exactly `size` bytes long, still in place. */
static enum wr_err decode(const char *kind, struct wr_span file, size_t size,
                          struct wr_reader *ret)
{
    struct wr_reader r = wr_reader(file);
    const enum wr_err err = wr_signed_open(&r, kind);
    uint8_t check[CHECK];

    if (err != WR_OK)
        return err;
    if (file.n != size)
        return WR_EDAMAGED;
    check_of(wr_span(file.p, size - CHECK), check);
    if (memcmp(check, file.p + size - CHECK, CHECK) != 0)
        return WR_EDAMAGED;
    *ret = r;
    return WR_OK;
}

void wr_identity_generate(struct wr_identity *ret)
{
    wr_secret_random(ret->noise_secret, WR_NOISE_KEY);
    wr_noise_public(ret->noise_secret, ret->noise_public);
    wr_sign_generate(&ret->sign);
}

void wr_identity_encode(const struct wr_identity *id,
                        uint8_t ret[static WR_IDENTITY_BYTES])
{
    const struct wr_span secrets[] = {
        wr_span(id->noise_secret, WR_NOISE_KEY),
        wr_span(id->sign.secret, WR_SIGN_SEED),
    };

    encode("wrI", secrets, WR_ARRAY_LEN(secrets), ret, WR_IDENTITY_BYTES);
}

enum wr_err wr_identity_decode(struct wr_span file, struct wr_identity *ret)
{
    struct wr_reader r;
    const enum wr_err err = decode("wrI", file, WR_IDENTITY_BYTES, &r);

    if (err != WR_OK)
        return err;
    wr_read_into(&r, ret->noise_secret, WR_NOISE_KEY);
    wr_noise_public(ret->noise_secret, ret->noise_public);
    wr_sign_from_seed(wr_read(&r, WR_SIGN_SEED).p, &ret->sign);
    return WR_OK;
}

void wr_ring_key_encode(const struct wr_sign_key *key,
                        uint8_t ret[static WR_RING_KEY_BYTES])
{
    const struct wr_span seed = wr_span(key->secret, WR_SIGN_SEED);

    encode("wrK", &seed, 1, ret, WR_RING_KEY_BYTES);
}

enum wr_err wr_ring_key_decode(struct wr_span file, struct wr_sign_key *ret)
{
    struct wr_reader r;
    const enum wr_err err = decode("wrK", file, WR_RING_KEY_BYTES, &r);

    if (err != WR_OK)
        return err;
    wr_sign_from_seed(wr_read(&r, WR_SIGN_SEED).p, ret);
    return WR_OK;
}
