/* root.c - see root.h. */
#include "crypto/root.h"

#include "crypto/blake2b.h"

const uint8_t wr_put_id_salvaged[WR_ROOT_PUT] = "wreath/salvaged";

static void derive_put(struct wr_root *r)
{
    const struct wr_span parts[] = {
        wr_span_str("wreath-put"),
        wr_span(r->owner, WR_SIGN_PUBLIC),
        wr_span(r->nonce, WR_ROOT_NONCE),
    };
    uint8_t all[WR_BLAKE2B_256];

    wr_blake2b_256(parts, WR_ARRAY_LEN(parts), all);
    memcpy(r->put, all, WR_ROOT_PUT);
}

static bool is_sound(const struct wr_root *r)
{
    if (r->version == 0 || r->cid_n > WR_ROOT_CID_MAX)
        return false;
    switch (r->state) {
    case WR_ROOT_OPEN:
    case WR_ROOT_GIVEN_UP: /* Perhaps of a put that never ended. */
        return true;
    case WR_ROOT_KEPT:
        return r->cid_n > 0;
    }
    return false; /* A peer's byte may be any number. */
}

void wr_root_init(struct wr_root *r, const struct wr_sign_key *owner,
                  const uint8_t host[static WR_CRED_HOST],
                  const uint8_t nonce[static WR_ROOT_NONCE])
{
    *r = (struct wr_root){.version = 1, .state = WR_ROOT_OPEN};
    memcpy(r->nonce, nonce, WR_ROOT_NONCE);
    memcpy(r->host, host, WR_CRED_HOST);
    memcpy(r->owner, owner->public, WR_SIGN_PUBLIC);
    derive_put(r);
}

static void write_body(const struct wr_root *r, struct wr_writer *w)
{
    wr_signed_begin(w, "wrO");
    wr_write(w, r->nonce, WR_ROOT_NONCE);
    wr_write(w, r->host, WR_CRED_HOST);
    wr_write(w, r->owner, WR_SIGN_PUBLIC);
    wr_write_be64(w, r->version);
    wr_write_u8(w, (uint8_t)r->state);
    wr_write_be64(w, r->expiry);
    wr_write_be64(w, r->size);
    wr_write_u8(w, r->cid_n);
    wr_write(w, r->cid, r->cid_n);
}

void wr_root_sign(struct wr_root *r, const struct wr_sign_key *owner)
{
    uint8_t buf[WR_ROOT_BYTES_MAX];
    struct wr_writer w = wr_writer(buf, sizeof(buf));

    WR_CHECK(is_sound(r));
    WR_CHECK(memcmp(r->owner, owner->public, WR_SIGN_PUBLIC) == 0);
    write_body(r, &w);
    wr_signed_end(&w, owner);
    WR_CHECK(!w.bad);
    memcpy(r->signature, buf + w.n - WR_SIGNATURE, WR_SIGNATURE);
}

size_t wr_root_encode(const struct wr_root *r,
                      uint8_t ret[static WR_ROOT_BYTES_MAX])
{
    struct wr_writer w = wr_writer(ret, WR_ROOT_BYTES_MAX);

    write_body(r, &w);
    wr_write(&w, r->signature, WR_SIGNATURE);
    WR_CHECK(!w.bad);
    return w.n;
}

enum wr_err wr_root_read(struct wr_span bytes, struct wr_root *ret)
{
    struct wr_reader in = wr_reader(bytes);
    const enum wr_err err = wr_signed_open(&in, "wrO");
    struct wr_root r = {0};

    if (err != WR_OK)
        return err;
    wr_read_into(&in, r.nonce, WR_ROOT_NONCE);
    wr_read_into(&in, r.host, WR_CRED_HOST);
    wr_read_into(&in, r.owner, WR_SIGN_PUBLIC);
    r.version = wr_read_be64(&in);
    r.state = (enum wr_root_state)wr_read_u8(&in);
    r.expiry = wr_read_be64(&in);
    r.size = wr_read_be64(&in);
    r.cid_n = wr_read_u8(&in);
    if (in.bad || !is_sound(&r))
        return WR_EINVAL;
    wr_read_into(&in, r.cid, r.cid_n);
    wr_read_into(&in, r.signature, WR_SIGNATURE);
    if (in.bad || in.left != 0)
        return WR_EINVAL;
    derive_put(&r);
    *ret = r;
    return WR_OK;
}

enum wr_err wr_root_open(struct wr_span bytes, struct wr_root *ret)
{
    struct wr_root r;
    const enum wr_err err = wr_root_read(bytes, &r);

    if (err != WR_OK)
        return err;
    if (!wr_signed_by(bytes, r.owner))
        return WR_EAUTH;
    *ret = r;
    return WR_OK;
}

bool wr_root_is_of(const struct wr_root *r, const struct wr_cred *cred)
{
    return memcmp(r->host, cred->host, WR_CRED_HOST) == 0 &&
           memcmp(r->owner, cred->sign_public, WR_SIGN_PUBLIC) == 0;
}

void wr_root_position(const uint8_t put[static WR_ROOT_PUT],
                      uint8_t ret[static WR_ROOT_POSITION])
{
    const struct wr_span parts[] = {wr_span_str("wreath-root"),
                                    wr_span(put, WR_ROOT_PUT)};

    wr_blake2b_256(parts, WR_ARRAY_LEN(parts), ret);
}
