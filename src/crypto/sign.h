/*
 * sign.h - Ed25519 keys (RFC 8032), and the form that every signed object of
 * wreath has:
 *
 *     3 bytes   kind, "wrC" and the like: no signature serves for two kinds
 *     1 byte    version of that kind's layout, 1
 *     …         the fields, fixed sizes or length before content, big-endian
 *     64 bytes  Ed25519 signature over all bytes before it
 *
 * Not here: what the kinds mean (credential.h, revoke.h, farewell.h, root.h).
 * Borrowing: for the call only.
 */
#ifndef WR_CRYPTO_SIGN_H
#define WR_CRYPTO_SIGN_H

#include "base/err.h"
#include "base/span.h"

enum {
    WR_SIGN_PUBLIC = 32,
    WR_SIGN_SEED = 32,
    WR_SIGN_SECRET = 64, /* Seed ‖ public key, as libsodium has it. */
    WR_SIGNATURE = 64,
    WR_SIGNED_HEAD = 4, /* Kind and version. */
    WR_SIGNED_VERSION = 1,
};

struct wr_sign_key {
    uint8_t public[WR_SIGN_PUBLIC];
    uint8_t secret[WR_SIGN_SECRET];
};

/* A new key from the system's entropy. */
void wr_sign_generate(struct wr_sign_key *ret);

/* The key that belongs to a seed. */
void wr_sign_from_seed(const uint8_t seed[static WR_SIGN_SEED],
                       struct wr_sign_key *ret);

/* Begin an object of `kind` (3 letters). */
void wr_signed_begin(struct wr_writer *w, const char *kind);

/* Append the signature over everything written so far. */
void wr_signed_end(struct wr_writer *w, const struct wr_sign_key *key);

/* Read kind and version. WR_EINVAL: another kind or too short. WR_EVERSION: of
 * a later version. */
WR_MUST_USE enum wr_err wr_signed_open(struct wr_reader *r, const char *kind);

/* Whether the last 64 bytes of `object` sign the rest. Small-order keys and
 * non-canonical signatures are refused. */
WR_MUST_USE bool wr_signed_by(struct wr_span object,
                              const uint8_t public[static WR_SIGN_PUBLIC]);

#endif
