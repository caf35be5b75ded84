/*
 * blake2b.h - unkeyed BLAKE2b (RFC 7693) of several spans one after another,
 * for the ids that wreath derives. Not the hashing of file content (object/).
 *
 * Pure. Borrowing: spans are read during the call only.
 */
#ifndef WR_CRYPTO_BLAKE2B_H
#define WR_CRYPTO_BLAKE2B_H

#include "base/span.h"

enum { WR_BLAKE2B_256 = 32, WR_BLAKE2B_512 = 64 };

/* The `ret_n`-byte digest (1 to 64; the length is a parameter of the hash, not
 * a cut) of parts[0] ‖ parts[1] ‖ … Nothing marks where a part ends: the
 * caller's parts have fixed lengths, or at most the last one varies. */
void wr_blake2b(const struct wr_span *parts, size_t n_parts, uint8_t *ret,
                size_t ret_n);

static inline void wr_blake2b_256(const struct wr_span *parts, size_t n_parts,
                                  uint8_t ret[static WR_BLAKE2B_256])
{
    wr_blake2b(parts, n_parts, ret, WR_BLAKE2B_256);
}

#endif
