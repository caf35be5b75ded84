/*
 * cid.h - content identifiers: what a block is called, as text and as bytes.
 *
 * CIDv1 in base32 (`b…`, upper-case `B…` is read too) and CIDv0 (`Qm…`), with
 * any codec and one of the two hashes of hash.h; or with the identity "hash",
 * whose digest is the block itself, up to WR_CID_INLINE_MAX bytes. Not here:
 * paths behind a CID, and fetching.
 *
 * Sources: multiformats CID and multicodec table; docs/protocol.md.
 *
 * Errors of every reader: WR_EINVAL for what is no CID at all, WR_EUNSUPPORTED
 * for a sound CID that wreath does not take; the fault tells which and why.
 *
 * Borrowing: a CID is a value without pointers; input is read during the call.
 */
#ifndef WR_OBJECT_CID_H
#define WR_OBJECT_CID_H

#include "object/hash.h"

#define WR_CODEC_RAW 0x55u
#define WR_CODEC_DAG_PB 0x70u
#define WR_CODEC_DAG_CBOR 0x71u

/* In wr_cid.hash only: the digest is the block. */
#define WR_HASH_IDENTITY 0u

enum {
    WR_CID_INLINE_MAX = 32, /* Bytes: the world's default limit of inlining. */
    WR_CID_BIN_MAX = 1 + 5 + 3 + 1 + 32, /* Version, codec, hash, length. */
    WR_CID_TEXT_SIZE = 1 + (WR_CID_BIN_MAX * 8 + 4) / 5 + 1, /* With NUL. */
    WR_CID_FAULT_SIZE = 80,
};

/* Read-only outside of cid.c, or made by wr_cid_make() and wr_cid_of(). */
struct wr_cid {
    uint32_t codec;
    uint32_t hash;   /* An enum wr_hash, or WR_HASH_IDENTITY. */
    uint8_t version; /* 0 or 1; of no weight when two CIDs are compared. */
    uint8_t n;       /* Bytes of digest: 32, or fewer for an inline block. */
    uint8_t digest[WR_DIGEST_SIZE];
};

enum wr_cid_fault_kind {
    WR_CID_FAULT_NONE,
    WR_CID_FAULT_MALFORMED,
    WR_CID_FAULT_BASE,    /* `code` is the multibase letter. */
    WR_CID_FAULT_VERSION, /* `code` is the version. */
    WR_CID_FAULT_HASH,    /* `code` is the multicodec code of the hash. */
    WR_CID_FAULT_INLINE,  /* An identity of `code` bytes: too many. */
};

struct wr_cid_fault {
    enum wr_cid_fault_kind kind;
    uint64_t code;
};

/* A plain phrase such as "hash sha2-512 is not supported". */
void wr_cid_fault_text(const struct wr_cid_fault *fault,
                       char ret[WR_CID_FAULT_SIZE]);

/* A CIDv1 from its parts. */
struct wr_cid wr_cid_make(uint32_t codec, enum wr_hash hash,
                          const uint8_t digest[WR_DIGEST_SIZE]);

/* The CIDv1 of a block in memory; hashes it. */
struct wr_cid wr_cid_of(uint32_t codec, enum wr_hash hash,
                        struct wr_span block);

/* The whole of `text`, without NUL. `fault` may be NULL. */
WR_MUST_USE enum wr_err wr_cid_parse(struct wr_span text, struct wr_cid *ret,
                                     struct wr_cid_fault *fault);

/* The whole of `bytes`. `fault` may be NULL. */
WR_MUST_USE enum wr_err wr_cid_decode(struct wr_span bytes, struct wr_cid *ret,
                                      struct wr_cid_fault *fault);

/* A CID from the front of `r`, which advances past it unless the CID is
 * malformed: a section of a CAR file is a CID and a block behind it. */
WR_MUST_USE enum wr_err wr_cid_read(struct wr_reader *r, struct wr_cid *ret,
                                    struct wr_cid_fault *fault);

/* Text in the CID's own version, with its NUL; returns its length. */
size_t wr_cid_print(const struct wr_cid *cid, char ret[WR_CID_TEXT_SIZE]);

/* Bytes in the CID's own version; returns their number. */
size_t wr_cid_encode(const struct wr_cid *cid, uint8_t ret[WR_CID_BIN_MAX]);

/* Whether both name the same block under the same codec. */
bool wr_cid_eq(const struct wr_cid *a, const struct wr_cid *b);

/* Whether the CID carries its block; wr_cid_inline() then lends it. */
static inline bool wr_cid_is_inline(const struct wr_cid *cid)
{
    return cid->hash == WR_HASH_IDENTITY;
}

/* Borrowed from `cid`, which must be inline and outlive the span. */
struct wr_span wr_cid_inline(const struct wr_cid *cid);

/* Whether `block` is what `cid` names. Hashes it. */
bool wr_cid_matches(const struct wr_cid *cid, struct wr_span block);

#endif
