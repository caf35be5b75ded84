/*
 * secret.h - starting libsodium, and keeping secrets out of swap, core dumps
 * and freed memory. Used by crypto/ itself and by whoever holds a key.
 *
 * The only state is libsodium's own, set once by wr_crypto_init.
 */
#ifndef WR_CRYPTO_SECRET_H
#define WR_CRYPTO_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Once, before anything else of crypto/ and before threads start; again is
 * harmless. Without it libsodium stays on its slow portable code. WR_EFAIL if
 * the system has no entropy source. */
WR_MUST_USE enum wr_err wr_crypto_init(void);

/* Keep `n` bytes at `p` out of swap and core dumps, as far as the system lets
 * us. WR_EPERM past RLIMIT_MEMLOCK: worth a log line, no reason to stop. Locks
 * are per page and do not nest: keep one host's secrets in one block. */
WR_MUST_USE enum wr_err wr_secret_lock(void *p, size_t n);

/* Undo wr_secret_lock; the bytes are wiped. */
void wr_secret_unlock(void *p, size_t n);

/* Overwrite with zeros; the compiler cannot leave it out. NULL is fine. */
void wr_secret_wipe(void *p, size_t n);

/* Fill `n` bytes from the system's entropy: keys, nonces, tokens, put ids. */
void wr_secret_random(void *ret, size_t n);

#endif
