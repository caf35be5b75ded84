/*
 * revoke.h - the ring's list of hosts that are no longer members: one signed,
 * numbered list, which every super-peer holds and the newer of which wins.
 *
 * A list is its bytes: they are kept, sent and searched as they are. A
 * `wr_revoked` is a view that borrows them. Only the issuer makes lists.
 */
#ifndef WR_CRYPTO_REVOKE_H
#define WR_CRYPTO_REVOKE_H

#include "crypto/credential.h"

enum wr_revoked_kind {
    WR_REVOKED_NOT,
    WR_REVOKED_REMOVED, /* Dead and gone for good: not counted as admitted. */
    WR_REVOKED_CUT_OFF, /* Not to be talked to. Outweighs the other. */
};

/*
 * As bytes, signed by the ring key (sign.h):
 *     4   "wrR", 1
 *     32  ring
 *     8   number: each list of a ring has one more than the list before
 *     2   count
 *     count × { 16 host, 1 kind: 1 removed, 2 cut off }, by host, ascending
 *     64  signature
 */
enum {
    WR_REVOKED_BYTES_MAX = 65536,
    WR_REVOKED_ENTRY = WR_CRED_HOST + 1,
    WR_REVOKED_BYTES_MIN = 4 + 32 + 8 + 2 + 64,
    WR_REVOKED_HOSTS_MAX =
        (WR_REVOKED_BYTES_MAX - WR_REVOKED_BYTES_MIN) / WR_REVOKED_ENTRY,
};

struct wr_revoked {
    struct wr_span bytes; /* The whole list. */
    uint64_t number;      /* 0: there is no list, nobody is on it. */
    const uint8_t *entries;
    size_t n;
};

/* Errors as for wr_cred_open. On WR_OK *ret borrows `bytes`. */
WR_MUST_USE enum wr_err
wr_revoked_open(struct wr_span bytes, const uint8_t ring[static WR_SIGN_PUBLIC],
                struct wr_revoked *ret);

/* What the list says about `host`. */
enum wr_revoked_kind wr_revoked_find(const struct wr_revoked *list,
                                     const uint8_t host[static WR_CRED_HOST]);

/* Entry `i` < list->n; *ret_kind may be NULL. The host's 16 bytes are
 * borrowed. */
const uint8_t *wr_revoked_at(const struct wr_revoked *list, size_t i,
                             enum wr_revoked_kind *ret_kind);

/* The list that follows `old` ({0}: the first) and says `kind` of `host`, into
 * `ret`, which has WR_REVOKED_BYTES_MAX bytes and is not old's. WR_EEXIST: the
 * old list says so already, or more. WR_EFULL: no room for another host. */
WR_MUST_USE enum wr_err wr_revoked_add(const struct wr_revoked *old,
                                       const uint8_t host[static WR_CRED_HOST],
                                       enum wr_revoked_kind kind,
                                       const struct wr_sign_key *key,
                                       uint8_t *ret, size_t *ret_n);

#endif
