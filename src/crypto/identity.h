/*
 * identity.h - the keys of one node, the key of a ring, and the bytes of the
 * files that keep them. Files themselves (0600, written by rename) are the
 * host's.
 *
 * Called by host/ and tools/. Borrowing: for the call only. Whoever holds one
 * of these structs locks it (secret.h) and wipes it when done.
 */
#ifndef WR_CRYPTO_IDENTITY_H
#define WR_CRYPTO_IDENTITY_H

#include "crypto/noise.h"
#include "crypto/sign.h"

struct wr_identity {
    uint8_t noise_secret[WR_NOISE_KEY]; /* X25519, for the channel. */
    uint8_t noise_public[WR_NOISE_KEY];
    struct wr_sign_key sign; /* Ed25519, for roots and the farewell. */
};

/*
 * A node's secret file:
 *     4   "wrI" and 1, its version
 *     32  X25519 secret
 *     32  Ed25519 seed
 *     8   first bytes of BLAKE2b-256 over the 68 before
 * A ring's secret file has "wrK", the Ed25519 seed, and the same check. The
 * check finds rot and half-written files; it is no defence.
 */
enum { WR_IDENTITY_BYTES = 4 + 32 + 32 + 8, WR_RING_KEY_BYTES = 4 + 32 + 8 };

void wr_identity_generate(struct wr_identity *ret);
void wr_identity_encode(const struct wr_identity *id,
                        uint8_t ret[static WR_IDENTITY_BYTES]);

/* WR_EINVAL: no such file. WR_EVERSION: from a newer wreath. WR_EDAMAGED: the
 * check does not fit. The public keys are computed again. */
WR_MUST_USE enum wr_err wr_identity_decode(struct wr_span file,
                                           struct wr_identity *ret);

void wr_ring_key_encode(const struct wr_sign_key *key,
                        uint8_t ret[static WR_RING_KEY_BYTES]);
/* Errors as for wr_identity_decode. */
WR_MUST_USE enum wr_err wr_ring_key_decode(struct wr_span file,
                                           struct wr_sign_key *ret);

#endif
