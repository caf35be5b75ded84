/*
 * record.h - the bytes that the LMDB store keeps: the index record of a chunk
 * and the header of an extent. Pure; all numbers big-endian.
 *
 * Index, keyed by digest: what HAVE, references and reconciliation need.
 *
 *     u8 version = 1 | u8 flags | u16 extents | u32 length | u64 hash code
 *     u32 spilled put ids | u8 inline put ids | put ids, 16 bytes each
 *     u64 idle since, with flag 2
 *
 * The first WR_RECORD_REFS put ids live in the record: nearly all chunks have
 * one or two, and one insertion serves both. The rest (think of the zeros in
 * every disk image) are keys digest ‖ put id of a table of their own, so that
 * no record grows without bound.
 *
 * Flag 2: nothing refers to the chunk, and a u64 follows: since when (Unix
 * seconds), as the sweep found it. Only such records have it.
 *
 * Payload, keyed by digest ‖ u32 number: an extent is a header of 112 bytes
 * and at most 65,408 bytes, so that a full one takes exactly 16 pages with
 * LMDB's own 16 bytes. A lone run of pages says what it is: wreath salvage
 * rebuilds a store without the tree.
 *
 *     8 "wreathX1" | u32 version = 1 | u32 number | u32 extents | u32 bytes
 *     u64 chunk length | u64 hash code | 32 digest | u64 check | 32 zero
 *
 * `check` is XXH3-64 of the bytes, seeded with XXH3-64 of the header before
 * it: rot is seen at every read, at a tenth of a hash's cost. It is no defence
 * against malice; digests are.
 */
#ifndef WR_STORE_RECORD_H
#define WR_STORE_RECORD_H

#include "store/store.h"

enum {
    WR_EXTENT_HEADER = 112,
    WR_EXTENT_BYTES = 65408,
    WR_EXTENT_KEY = WR_DIGEST + 4,
    WR_REF_KEY = WR_DIGEST + WR_PUT_ID,
    WR_RECORD_REFS = WR_STORE_REFS_SHOWN,
    WR_RECORD_MAX = 21 + WR_RECORD_REFS * WR_PUT_ID + 8,
};

struct wr_record {
    bool damaged;
    uint32_t extents;
    uint32_t length;
    uint64_t hash;
    uint32_t spilled;
    uint32_t refs;       /* In the record. */
    uint64_t idle_since; /* 0: it has references, or the sweep has not seen
                            that it has none. */
    uint8_t put_ids[WR_RECORD_REFS][WR_PUT_ID];
};

/* Extents of a chunk of `length` bytes; an empty one has one as well. */
static inline uint32_t wr_extents_of(uint32_t length)
{
    return length == 0 ? 1 : (length + WR_EXTENT_BYTES - 1) / WR_EXTENT_BYTES;
}

/* Bytes written, at most WR_RECORD_MAX. */
size_t wr_record_write(const struct wr_record *r, uint8_t *ret);

/* WR_EDAMAGED: not a record, or one whose numbers cannot be. */
WR_MUST_USE enum wr_err wr_record_read(struct wr_span in,
                                       struct wr_record *ret);

void wr_extent_key(const uint8_t *digest, uint32_t number, uint8_t *ret);

struct wr_extent {
    const uint8_t *digest; /* Of what was read; borrowed as `bytes` is. */
    uint32_t number, extents;
    uint32_t length; /* Of the chunk. */
    uint64_t hash;
    struct wr_span bytes;
};

/* Writes header and bytes, WR_EXTENT_HEADER + bytes.n, to `ret`. */
void wr_extent_write(const uint8_t *digest, const struct wr_extent *e,
                     uint8_t *ret);

/* The extent that `in` is, whole and unrotten, of this digest; `ret->bytes`
 * borrows from `in`. WR_EDAMAGED. */
WR_MUST_USE enum wr_err wr_extent_read(const uint8_t *digest, struct wr_span in,
                                       struct wr_extent *ret);

/* The extent, of whatever digest, with which `in` begins; how many bytes it
 * takes, or 0: none does. */
size_t wr_extent_find(struct wr_span in, struct wr_extent *ret);

#endif
