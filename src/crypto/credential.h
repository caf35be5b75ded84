/*
 * credential.h - what makes a node a member: the ring key's signature over its
 * name, its keys and what it may do. Anybody verifies it offline, from the
 * ring's public key alone. Also the names that follow from one: host ids and
 * member ids, which nobody can choose.
 *
 * A credential is no secret. It speaks for a peer only if its noise_public is
 * the static key that the channel has proven (wr_noise_remote).
 *
 * Not here: who may be revoked (revoke.h), and time: `not_after` is judged by
 * the host, which has a clock. Borrowing: for the call only.
 */
#ifndef WR_CRYPTO_CREDENTIAL_H
#define WR_CRYPTO_CREDENTIAL_H

#include "crypto/noise.h"
#include "crypto/sign.h"

enum wr_role { WR_ROLE_LEAF = 1, WR_ROLE_SUPERPEER = 2 };

enum {
    WR_CRED_HOST = 16,
    WR_CRED_SERIAL = 16,
    WR_CRED_SITE_MAX = 63,
    WR_CRED_MEMBERS_MAX = 64, /* A member's index fits 6 bits. */
    WR_CRED_MEMBER_ID = 32,
};

struct wr_cred {
    uint8_t ring[WR_SIGN_PUBLIC];
    uint8_t host[WR_CRED_HOST];
    uint8_t noise_public[WR_NOISE_KEY];
    uint8_t sign_public[WR_SIGN_PUBLIC];
    enum wr_role role;
    uint8_t members;                 /* V: 1 to 64; 0 for a leaf. */
    uint64_t quota;                  /* Bytes it may store; 0: no limit. */
    uint64_t not_after;              /* Unix seconds; 0: never. */
    char site[WR_CRED_SITE_MAX + 1]; /* "" if none is named. */
};

/*
 * As bytes, signed by the ring key (sign.h):
 *     4   "wrC", 1
 *     32  ring        16  host
 *     1   role        1   members
 *     32  X25519 key  32  Ed25519 key
 *     8   quota       8   not_after
 *     1   length of site, then the site: no control characters
 *     64  signature
 */
enum {
    WR_CRED_BYTES_MIN = 4 + 32 + 16 + 1 + 1 + 32 + 32 + 8 + 8 + 1 + 64,
    WR_CRED_BYTES_MAX = WR_CRED_BYTES_MIN + WR_CRED_SITE_MAX,
};

/* Sign `c` for the ring of `key` (c->ring is not read) into `ret`, which has
 * WR_CRED_BYTES_MAX bytes. WR_EINVAL: members do not fit the role, or the site
 * is no plain text. */
WR_MUST_USE enum wr_err wr_cred_issue(const struct wr_cred *c,
                                      const struct wr_sign_key *key,
                                      uint8_t *ret, size_t *ret_n);

/* WR_EINVAL: malformed. WR_EVERSION: of a later version. WR_EREFUSED: of
 * another ring. WR_EAUTH: not signed by the ring key. */
WR_MUST_USE enum wr_err wr_cred_open(struct wr_span bytes,
                                     const uint8_t ring[static WR_SIGN_PUBLIC],
                                     struct wr_cred *ret);

/* The host id for the `use`th redemption (from 0) of a ticket: the first 16
 * bytes of BLAKE2b-256(serial ‖ BE32(use)) (A6). The founder is use 0 of serial
 * zero (A7). */
void wr_cred_host_id(const uint8_t serial[static WR_CRED_SERIAL], uint32_t use,
                     uint8_t ret[static WR_CRED_HOST]);

/* Where member `index` (0 to 63) of a host stands on the ring:
 * BLAKE2b-256("wreath-member" ‖ ring ‖ host ‖ index as one byte). */
void wr_cred_member_id(const uint8_t ring[static WR_SIGN_PUBLIC],
                       const uint8_t host[static WR_CRED_HOST], unsigned index,
                       uint8_t ret[static WR_CRED_MEMBER_ID]);

#endif
