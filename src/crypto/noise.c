/* noise.c - see noise.h; section numbers refer to the Noise
 * Protocol Framework, revision 34. */
#include "crypto/noise.h"

#include <sodium.h>

#include "base/check.h"
#include "crypto/blake2b.h"

enum { CHACHA_BLOCK = 64 };

const struct wr_noise_pattern wr_noise_xxpsk0 = {
    .name = "Noise_XXpsk0_25519_ChaChaPoly_BLAKE2b",
    .n_steps = 3,
    .steps =
        {
            {WR_NOISE_PSK, WR_NOISE_E},
            {WR_NOISE_E, WR_NOISE_EE, WR_NOISE_S, WR_NOISE_ES},
            {WR_NOISE_S, WR_NOISE_SE},
        },
};

void wr_noise_public(const uint8_t secret[static WR_NOISE_KEY],
                     uint8_t ret[static WR_NOISE_KEY])
{
    crypto_scalarmult_base(ret, secret);
}

/* RFC 2104 over unkeyed BLAKE2b, as section 4.3 wants it: BLAKE2b's own keyed
 * mode gives other bytes. */
static void hmac(const uint8_t key[static WR_NOISE_HASH],
                 const struct wr_span *parts, size_t n_parts,
                 uint8_t ret[static WR_NOISE_HASH])
{
    enum { BLOCK = 128 };
    uint8_t pad[BLOCK] = {0};
    uint8_t inner[WR_NOISE_HASH];
    struct wr_span all[4];

    WR_CHECK(n_parts < WR_ARRAY_LEN(all));
    memcpy(pad, key, WR_NOISE_HASH);
    for (size_t i = 0; i < BLOCK; i++)
        pad[i] ^= 0x36;
    all[0] = wr_span(pad, BLOCK);
    for (size_t i = 0; i < n_parts; i++)
        all[1 + i] = parts[i];
    wr_blake2b(all, 1 + n_parts, inner, sizeof(inner));

    for (size_t i = 0; i < BLOCK; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    all[1] = wr_span(inner, sizeof(inner));
    wr_blake2b(all, 2, ret, WR_NOISE_HASH);
    sodium_memzero(pad, sizeof(pad));
    sodium_memzero(inner, sizeof(inner));
}

/* HKDF(ck, ikm, n), section 4.3: out[0] ‖ …, each 64 bytes. out[0] may not be
 * `ck` itself. */
static void hkdf(const uint8_t ck[static WR_NOISE_HASH], struct wr_span ikm,
                 size_t n, uint8_t (*out)[WR_NOISE_HASH])
{
    uint8_t temp[WR_NOISE_HASH];

    hmac(ck, &ikm, 1, temp);
    for (size_t i = 0; i < n; i++) {
        const uint8_t count = (uint8_t)(i + 1);
        const struct wr_span parts[] = {
            i == 0 ? wr_span(NULL, 0) : wr_span(out[i - 1], WR_NOISE_HASH),
            wr_span(&count, 1),
        };

        hmac(temp, parts, WR_ARRAY_LEN(parts), out[i]);
    }
    sodium_memzero(temp, sizeof(temp));
}

static void mix_hash(struct wr_noise *hs, struct wr_span data)
{
    const struct wr_span parts[] = {wr_span(hs->h, WR_NOISE_HASH), data};
    uint8_t next[WR_NOISE_HASH];

    wr_blake2b(parts, WR_ARRAY_LEN(parts), next, sizeof(next));
    memcpy(hs->h, next, sizeof(next));
}

static void take_key(struct wr_noise *hs, const uint8_t *ck, const uint8_t *k)
{
    memcpy(hs->ck, ck, WR_NOISE_HASH);
    memcpy(hs->k, k, WR_NOISE_KEY); /* The first 32 of 64 bytes. */
    hs->has_k = true;
    hs->n = 0;
}

static void mix_key(struct wr_noise *hs, const uint8_t ikm[static WR_NOISE_KEY])
{
    uint8_t out[2][WR_NOISE_HASH];

    hkdf(hs->ck, wr_span(ikm, WR_NOISE_KEY), 2, out);
    take_key(hs, out[0], out[1]);
    sodium_memzero(out, sizeof(out));
}

static void mix_key_and_hash(struct wr_noise *hs, const uint8_t *psk)
{
    uint8_t out[3][WR_NOISE_HASH];

    hkdf(hs->ck, wr_span(psk, WR_NOISE_KEY), 3, out);
    mix_hash(hs, wr_span(out[1], WR_NOISE_HASH));
    take_key(hs, out[0], out[2]);
    sodium_memzero(out, sizeof(out));
}

/* Section 12: 32 zero bits, then n as 64 bits little-endian. */
static void nonce_of(uint64_t n, uint8_t ret[static 12])
{
    memset(ret, 0, 4);
    for (size_t i = 0; i < 8; i++)
        ret[4 + i] = (uint8_t)(n >> (8 * i));
}

/* EncryptAndHash, section 5.2: plain.n bytes, and a tag once there is a key,
 * at `ret`. Their count is returned. */
static size_t encrypt_and_hash(struct wr_noise *hs, struct wr_span plain,
                               uint8_t *ret)
{
    size_t n = plain.n;

    if (hs->has_k) {
        uint8_t nonce[12];

        nonce_of(hs->n++, nonce);
        crypto_aead_chacha20poly1305_ietf_encrypt_detached(
            ret, ret + plain.n, NULL, plain.p, plain.n, hs->h, WR_NOISE_HASH,
            NULL, nonce, hs->k);
        n += WR_NOISE_TAG;
    } else if (n > 0) {
        memcpy(ret, plain.p, n);
    }
    mix_hash(hs, wr_span(ret, n));
    return n;
}

static bool decrypt_and_hash(struct wr_noise *hs, struct wr_span sealed,
                             uint8_t *ret)
{
    if (hs->has_k) {
        const size_t n = sealed.n - WR_NOISE_TAG;
        uint8_t nonce[12];

        nonce_of(hs->n, nonce);
        if (crypto_aead_chacha20poly1305_ietf_decrypt_detached(
                ret, NULL, sealed.p, n, sealed.p + n, hs->h, WR_NOISE_HASH,
                nonce, hs->k) != 0)
            return false;
        hs->n++;
    } else if (sealed.n > 0) {
        memcpy(ret, sealed.p, sealed.n);
    }
    mix_hash(hs, sealed);
    return true;
}

/* False where the product is all zeros: the peer sent a point of low order to
 * force a known key (section 12.1). */
static bool mix_dh(struct wr_noise *hs, const uint8_t *secret,
                   const uint8_t *peer)
{
    uint8_t shared[WR_NOISE_KEY];
    const bool ok = crypto_scalarmult(shared, secret, peer) == 0;

    if (ok)
        mix_key(hs, shared);
    sodium_memzero(shared, sizeof(shared));
    return ok;
}

/* The tokens that put nothing on the wire mean the same to both sides. In `es`
 * and `se` the first letter is the initiator's key. */
static bool mix_token(struct wr_noise *hs, uint8_t token)
{
    const bool own_e = token == WR_NOISE_EE ||
                       token == (hs->initiator ? WR_NOISE_ES : WR_NOISE_SE);
    const bool peer_e = token == WR_NOISE_EE ||
                        token == (hs->initiator ? WR_NOISE_SE : WR_NOISE_ES);

    if (token == WR_NOISE_PSK) {
        mix_key_and_hash(hs, hs->psks[hs->psk_next++]);
        return true;
    }
    WR_CHECK(peer_e ? hs->has_re : hs->has_rs);
    return mix_dh(hs, own_e ? hs->e : hs->s, peer_e ? hs->re : hs->rs);
}

static void mix_e(struct wr_noise *hs, const uint8_t *e)
{
    mix_hash(hs, wr_span(e, WR_NOISE_KEY));
    if (hs->has_psk)
        mix_key(hs, e); /* Section 9.2. */
}

static size_t tag_size(const struct wr_noise *hs)
{
    return hs->has_k ? WR_NOISE_TAG : 0;
}

static bool write_token(struct wr_noise *hs, uint8_t token, struct wr_writer *w)
{
    switch (token) {
    case WR_NOISE_E:
        wr_noise_public(hs->e, hs->e_pub);
        wr_write(w, hs->e_pub, WR_NOISE_KEY);
        mix_e(hs, hs->e_pub);
        return true;
    case WR_NOISE_S: {
        uint8_t sealed[WR_NOISE_KEY + WR_NOISE_TAG];
        const size_t n =
            encrypt_and_hash(hs, wr_span(hs->s_pub, WR_NOISE_KEY), sealed);

        wr_write(w, sealed, n);
        return true;
    }
    default:
        return mix_token(hs, token);
    }
}

static enum wr_err read_token(struct wr_noise *hs, uint8_t token,
                              struct wr_reader *r)
{
    switch (token) {
    case WR_NOISE_E:
        wr_read_into(r, hs->re, WR_NOISE_KEY);
        if (r->bad)
            return WR_EINVAL;
        hs->has_re = true;
        mix_e(hs, hs->re);
        return WR_OK;
    case WR_NOISE_S: {
        const struct wr_span s = wr_read(r, WR_NOISE_KEY + tag_size(hs));

        if (r->bad)
            return WR_EINVAL;
        if (!decrypt_and_hash(hs, s, hs->rs))
            return WR_EAUTH;
        hs->has_rs = true;
        return WR_OK;
    }
    default:
        return mix_token(hs, token) ? WR_OK : WR_EAUTH;
    }
}

/* The phase that step `hs->step` means for our side. */
static enum wr_noise_phase phase_of(const struct wr_noise *hs)
{
    if (hs->step == hs->pattern->n_steps)
        return WR_NOISE_DONE;
    return (hs->step % 2 == 0) == hs->initiator ? WR_NOISE_WRITING
                                                : WR_NOISE_READING;
}

void wr_noise_start(struct wr_noise *hs, const struct wr_noise_cfg *cfg)
{
    const struct wr_noise_pattern *const p = cfg->pattern;
    const struct wr_span name = wr_span_str(p->name);
    size_t psks = 0;

    *hs = (struct wr_noise){.pattern = p, .initiator = cfg->initiator};
    for (size_t i = 0; i < p->n_steps; i++)
        for (size_t j = 0; j < WR_NOISE_TOKENS_MAX; j++)
            psks += p->steps[i][j] == WR_NOISE_PSK;
    WR_CHECK(psks == cfg->n_psks && psks <= WR_NOISE_PSKS_MAX);
    WR_CHECK(p->n_steps > 0 && p->n_steps <= WR_NOISE_STEPS_MAX);

    /* Section 5.2: a name that fits is padded, not hashed. */
    if (name.n <= WR_NOISE_HASH)
        memcpy(hs->h, name.p, name.n);
    else
        wr_blake2b(&name, 1, hs->h, WR_NOISE_HASH);
    memcpy(hs->ck, hs->h, WR_NOISE_HASH);
    mix_hash(hs, cfg->prologue);

    hs->has_psk = psks > 0;
    hs->n_psks = (uint8_t)psks;
    for (size_t i = 0; i < psks; i++)
        memcpy(hs->psks[i], cfg->psks[i], WR_NOISE_KEY);
    memcpy(hs->s, cfg->static_secret, WR_NOISE_KEY);
    memcpy(hs->s_pub, cfg->static_public, WR_NOISE_KEY);
    memcpy(hs->e, cfg->ephemeral_secret, WR_NOISE_KEY);
    hs->phase = phase_of(hs);
}

static enum wr_err die(struct wr_noise *hs, enum wr_err err)
{
    wr_noise_wipe(hs);
    return err;
}

static void step_done(struct wr_noise *hs)
{
    hs->step++;
    hs->phase = phase_of(hs);
}

enum wr_err wr_noise_write(struct wr_noise *hs, struct wr_span payload,
                           uint8_t *ret, size_t room, size_t *ret_n)
{
    const size_t most = room < WR_NOISE_MSG_MAX ? room : WR_NOISE_MSG_MAX;
    struct wr_writer w = wr_writer(ret, most);

    WR_CHECK(hs->phase == WR_NOISE_WRITING);
    const uint8_t *const tokens = hs->pattern->steps[hs->step];

    for (size_t i = 0; i < WR_NOISE_TOKENS_MAX && tokens[i]; i++)
        if (!write_token(hs, tokens[i], &w))
            return die(hs, WR_EAUTH);
    if (w.bad || payload.n > most || most - w.n < payload.n + tag_size(hs))
        return die(hs, WR_ETOOBIG);
    *ret_n = w.n + encrypt_and_hash(hs, payload, ret + w.n);
    step_done(hs);
    return WR_OK;
}

enum wr_err wr_noise_read(struct wr_noise *hs, struct wr_span message,
                          uint8_t *ret, size_t room, size_t *ret_n)
{
    struct wr_reader r = wr_reader(message);

    if (hs->phase != WR_NOISE_READING || message.n > WR_NOISE_MSG_MAX)
        return die(hs, WR_EINVAL);
    const uint8_t *const tokens = hs->pattern->steps[hs->step];

    for (size_t i = 0; i < WR_NOISE_TOKENS_MAX && tokens[i]; i++) {
        const enum wr_err err = read_token(hs, tokens[i], &r);

        if (err != WR_OK)
            return die(hs, err);
    }
    if (r.left < tag_size(hs))
        return die(hs, WR_EINVAL);
    const size_t n = r.left - tag_size(hs);

    if (n > room)
        return die(hs, WR_ETOOBIG);
    if (!decrypt_and_hash(hs, wr_read(&r, r.left), ret))
        return die(hs, WR_EAUTH);
    *ret_n = n;
    step_done(hs);
    return WR_OK;
}

const uint8_t *wr_noise_remote(const struct wr_noise *hs)
{
    return hs->has_rs ? hs->rs : NULL;
}

void wr_noise_split(struct wr_noise *hs, struct wr_noise_session *ret)
{
    uint8_t out[2][WR_NOISE_HASH];

    WR_CHECK(hs->phase == WR_NOISE_DONE);
    hkdf(hs->ck, wr_span(NULL, 0), 2, out);
    *ret = (struct wr_noise_session){0};
    memcpy(ret->send.k, out[hs->initiator ? 0 : 1], WR_NOISE_KEY);
    memcpy(ret->recv.k, out[hs->initiator ? 1 : 0], WR_NOISE_KEY);
    memcpy(ret->hash, hs->h, WR_NOISE_HASH);
    memcpy(ret->remote, hs->rs, WR_NOISE_KEY);
    sodium_memzero(out, sizeof(out));
    wr_noise_wipe(hs);
}

void wr_noise_wipe(struct wr_noise *hs)
{
    if (hs == NULL)
        return;
    sodium_memzero(hs, sizeof(*hs));
    hs->phase = WR_NOISE_DEAD;
}

/* REKEY(k), section 4.2: the first 32 bytes of ENCRYPT(k, 2^64-1, "", 0^32). */
static void rekey(struct wr_noise_dir *d)
{
    static const uint8_t zeros[WR_NOISE_KEY];
    uint8_t nonce[12], next[WR_NOISE_KEY], tag[WR_NOISE_TAG];

    nonce_of(UINT64_MAX, nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(
        next, tag, NULL, zeros, sizeof(zeros), NULL, 0, NULL, nonce, d->k);
    memcpy(d->k, next, sizeof(next));
    sodium_memzero(next, sizeof(next));
    d->msgs = 0;
    d->bytes = 0;
}

/* A message of `n` plaintext bytes has passed. The last nonce is REKEY's. */
static void count(struct wr_noise_dir *d, size_t n)
{
    d->n++;
    WR_CHECK(d->n != UINT64_MAX);
    d->msgs++;
    d->bytes += n;
    if (d->msgs >= WR_NOISE_REKEY_MSGS || d->bytes >= WR_NOISE_REKEY_BYTES)
        rekey(d);
}

/* ChaCha20 over the concatenation of `parts`, each byte from its own place
 * straight to its place in `ret`. Only the pieces of a 64-byte block that two
 * parts share are laid together first. */
static void xor_parts(const struct wr_span *parts, size_t n_parts,
                      const uint8_t *nonce, const uint8_t *k, uint8_t *ret)
{
    uint8_t *block = ret; /* Start of the first block not yet encrypted. */
    size_t have = 0;      /* Plaintext bytes that lie at `block`. */
    uint32_t at = 1;      /* Its counter (RFC 8439, 2.8). */

    for (size_t i = 0; i < n_parts; i++) {
        struct wr_span s = parts[i];

        if (have > 0 || s.n < CHACHA_BLOCK) {
            const size_t lack = CHACHA_BLOCK - have;
            const size_t take = s.n < lack ? s.n : lack;

            if (take > 0 && block + have != s.p)
                memcpy(block + have, s.p, take);
            s = wr_span(take > 0 ? s.p + take : s.p, s.n - take);
            have += take;
        }
        if (have == CHACHA_BLOCK) {
            crypto_stream_chacha20_ietf_xor_ic(block, block, CHACHA_BLOCK,
                                               nonce, at++, k);
            block += CHACHA_BLOCK;
            have = 0;
        }
        const size_t whole = s.n - s.n % CHACHA_BLOCK;

        if (whole > 0)
            crypto_stream_chacha20_ietf_xor_ic(block, s.p, whole, nonce, at, k);
        at += (uint32_t)(whole / CHACHA_BLOCK);
        block += whole;
        if (s.n > whole && block != s.p + whole)
            memcpy(block, s.p + whole, s.n - whole);
        have += s.n - whole;
    }
    crypto_stream_chacha20_ietf_xor_ic(block, block, have, nonce, at, k);
}

/* RFC 8439, 2.8, without associated data. */
static void mac(const uint8_t *sealed, size_t n, const uint8_t *nonce,
                const uint8_t *k, uint8_t ret[static WR_NOISE_TAG])
{
    static const uint8_t zeros[16];
    crypto_onetimeauth_poly1305_state st;
    uint8_t block[CHACHA_BLOCK], sizes[16] = {0};

    crypto_stream_chacha20_ietf(block, sizeof(block), nonce, k);
    crypto_onetimeauth_poly1305_init(&st, block);
    crypto_onetimeauth_poly1305_update(&st, sealed, n);
    crypto_onetimeauth_poly1305_update(&st, zeros, -n % 16);
    for (size_t i = 0; i < 8; i++)
        sizes[8 + i] = (uint8_t)((uint64_t)n >> (8 * i));
    crypto_onetimeauth_poly1305_update(&st, sizes, sizeof(sizes));
    crypto_onetimeauth_poly1305_final(&st, ret);
    sodium_memzero(&st, sizeof(st));
    sodium_memzero(block, sizeof(block));
}

size_t wr_noise_seal(struct wr_noise_dir *d, const struct wr_span *parts,
                     size_t n_parts, uint8_t *ret)
{
    uint8_t nonce[12];
    size_t n = 0;

    for (size_t i = 0; i < n_parts; i++)
        n += parts[i].n;
    WR_CHECK(n <= WR_NOISE_DATA_MAX && !d->dead);
    nonce_of(d->n, nonce);
    xor_parts(parts, n_parts, nonce, d->k, ret);
    mac(ret, n, nonce, d->k, ret + n);
    count(d, n);
    return n + WR_NOISE_TAG;
}

enum wr_err wr_noise_open(struct wr_noise_dir *d, struct wr_span message,
                          uint8_t *ret)
{
    const size_t n = message.n - WR_NOISE_TAG;
    uint8_t nonce[12];

    if (d->dead || message.n < WR_NOISE_TAG || message.n > WR_NOISE_MSG_MAX)
        goto refuse;
    nonce_of(d->n, nonce);
    if (crypto_aead_chacha20poly1305_ietf_decrypt_detached(
            ret, NULL, message.p, n, message.p + n, NULL, 0, nonce, d->k) != 0)
        goto refuse;
    count(d, n);
    return WR_OK;

refuse:
    sodium_memzero(d->k, sizeof(d->k));
    d->dead = true;
    return WR_EAUTH;
}

void wr_noise_session_wipe(struct wr_noise_session *s)
{
    if (s == NULL)
        return;
    sodium_memzero(s, sizeof(*s));
    s->send.dead = true;
    s->recv.dead = true;
}
