/*
 * hash.h - the two hash functions under which content is kept, by their
 * multicodec codes: BLAKE2b-256, the default, and SHA2-256 for the rest of the
 * world. Every other code is refused by name, for what cannot be verified is
 * not kept.
 *
 * Pure, over libsodium. Called by whoever has a block in memory: object/ for
 * the tree nodes that it makes itself, the worker pool for bulk bytes. Not
 * here: CIDs (cid.h), passwords, keys and record ids (crypto/).
 *
 * The program calls sodium_init() once before: libsodium's fast BLAKE2b is
 * chosen then, and half the speed is lost without it.
 *
 * Borrowing: input is read during the call, nothing is kept.
 */
#ifndef WR_OBJECT_HASH_H
#define WR_OBJECT_HASH_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

enum { WR_DIGEST_SIZE = 32 }; /* Bytes of either hash. */

enum wr_hash {
    WR_HASH_SHA2_256 = 0x12,
    WR_HASH_BLAKE2B_256 = 0xb220,
};

/* The digest of `in`, in one go. */
void wr_hash_digest(enum wr_hash hash, struct wr_span in,
                    uint8_t ret[WR_DIGEST_SIZE]);

/* Whether `in` has that digest. */
bool wr_hash_matches(enum wr_hash hash, struct wr_span in,
                     const uint8_t digest[WR_DIGEST_SIZE]);

/* "blake2b-256" or "sha2-256". */
const char *wr_hash_name(enum wr_hash hash);

/* The other way. WR_EUNSUPPORTED for any other name. */
WR_MUST_USE enum wr_err wr_hash_parse(const char *name, enum wr_hash *ret);

/* A multicodec code as one of the two. WR_EUNSUPPORTED for any other. */
WR_MUST_USE enum wr_err wr_hash_from_code(uint64_t code, enum wr_hash *ret);

/* What the world calls `code`, to refuse it by name; NULL if not known. */
const char *wr_hash_code_name(uint64_t code);

#endif
