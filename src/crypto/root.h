/*
 * root.h - the root record: the owner's signed word on one put, whether it is
 * open, kept or given up. Hosts keep the newest version; only the owner can
 * write one, so no relay and no replica can forge a deletion.
 *
 * Not here: what a record means for chunks (proto/, store/), and time: expiry
 * is judged by the host. Borrowing: for the call only.
 */
#ifndef WR_CRYPTO_ROOT_H
#define WR_CRYPTO_ROOT_H

#include "crypto/credential.h"

enum wr_root_state { WR_ROOT_OPEN = 1, WR_ROOT_KEPT = 2, WR_ROOT_GIVEN_UP = 3 };

enum {
    WR_ROOT_PUT = 16,
    WR_ROOT_NONCE = 16,
    WR_ROOT_CID_MAX = 64,
    WR_ROOT_POSITION = 32,
};

/* The reference of a chunk of which is not known who refers to it: its store
 * was salvaged (store/salvage.h). Of no record, and a matter of that one store:
 * it counts in no sum, and no other host takes it over. */
extern const uint8_t wr_put_id_salvaged[WR_ROOT_PUT];

struct wr_root {
    uint8_t put[WR_ROOT_PUT]; /* The put id: follows from owner and nonce. */
    uint8_t nonce[WR_ROOT_NONCE];
    uint8_t host[WR_CRED_HOST];    /* The owner's host id, */
    uint8_t owner[WR_SIGN_PUBLIC]; /* and its Ed25519 key. */
    uint64_t version;              /* From 1. */
    enum wr_root_state state;
    uint64_t expiry; /* Unix seconds; 0: never. Given up: since when. */
    uint64_t size;   /* Bytes of content, as far as known. */
    uint8_t cid_n;   /* 0 never if kept: the root comes last. */
    uint8_t cid[WR_ROOT_CID_MAX];
    uint8_t signature[WR_SIGNATURE];
};

/*
 * As bytes, signed by the owner's key (sign.h). The put id is not in it: it is
 * the first 16 bytes of BLAKE2b-256("wreath-put" ‖ owner key ‖ nonce), so a
 * record under somebody else's id cannot be written down.
 *     4   "wrO", 1
 *     16  nonce       16  host       32  owner key
 *     8   version     1   state      8   expiry      8   size
 *     1   length of the CID, then the CID
 *     64  signature
 */
enum {
    WR_ROOT_BYTES_MIN = 4 + 16 + 16 + 32 + 8 + 1 + 8 + 8 + 1 + 64,
    WR_ROOT_BYTES_MAX = WR_ROOT_BYTES_MIN + WR_ROOT_CID_MAX,
};

/* A record that is not yet signed: version 1, open, its put id derived.
 * `nonce` is 16 fresh random bytes (secret.h). */
void wr_root_init(struct wr_root *r, const struct wr_sign_key *owner,
                  const uint8_t host[static WR_CRED_HOST],
                  const uint8_t nonce[static WR_ROOT_NONCE]);

/* Sign what `r` says; its owner is `owner`. A change needs a higher version
 * first. Its CID is at most WR_ROOT_CID_MAX bytes, and there if it is kept. */
void wr_root_sign(struct wr_root *r, const struct wr_sign_key *owner);

/* The bytes of a signed record: at most WR_ROOT_BYTES_MAX, their count is
 * returned. */
size_t wr_root_encode(const struct wr_root *r,
                      uint8_t ret[static WR_ROOT_BYTES_MAX]);

/* WR_EINVAL, WR_EVERSION; WR_EAUTH: not signed by the owner it names. */
WR_MUST_USE enum wr_err wr_root_open(struct wr_span bytes, struct wr_root *ret);

/* The same of a record whose signature was checked when it came in: looks at
 * its form alone. WR_EINVAL, WR_EVERSION. */
WR_MUST_USE enum wr_err wr_root_read(struct wr_span bytes, struct wr_root *ret);

/* Whether `r` belongs to the host that `cred` is about: a key alone may claim
 * any host, to put its bytes on another's account. */
bool wr_root_is_of(const struct wr_root *r, const struct wr_cred *cred);

/* Where the record is kept: BLAKE2b-256("wreath-root" ‖ put id). */
void wr_root_position(const uint8_t put[static WR_ROOT_PUT],
                      uint8_t ret[static WR_ROOT_POSITION]);

#endif
