/*
 * farewell.h - a host's own word, signed by its key, that it has left for good
 * (`wreath leave`): it is no longer counted as admitted. No relay can say it
 * for another. Pure; borrowing: for the call only.
 */
#ifndef WR_CRYPTO_FAREWELL_H
#define WR_CRYPTO_FAREWELL_H

#include "crypto/credential.h"

/* As bytes: "wrF" and 1, ring, host, signature by the host's Ed25519 key. */
enum { WR_FAREWELL_BYTES = 4 + 32 + 16 + 64 };

void wr_farewell_sign(const uint8_t ring[static WR_SIGN_PUBLIC],
                      const uint8_t host[static WR_CRED_HOST],
                      const struct wr_sign_key *key,
                      uint8_t ret[static WR_FAREWELL_BYTES]);

/* Whether it is the word of the host that `cred` is about. Errors as for
 * wr_cred_open, WR_EREFUSED also for another host. */
WR_MUST_USE enum wr_err wr_farewell_open(struct wr_span bytes,
                                         const struct wr_cred *cred);

#endif
