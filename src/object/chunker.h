/*
 * chunker.h - where a file is cut into chunks: at fixed sizes, or by content,
 * so that a new version of a file shares most chunks with the old one.
 *
 * Content-defined cuts are FastCDC's (Xia et al. 2020, normalised chunking,
 * two bytes per step), normative for whoever wants the same cuts:
 *
 *   gear[b]  little-endian u64 of BLAKE2b with an 8-byte output over the bytes
 *            "wreath-gear" and b, for b = 0 to 255
 *   avg      a power of two; min = avg / 4, max = 4 · avg
 *   normal   min + 3 · (avg - min) / 4
 *   A chunk is at least min long. From its byte `min` on (counted from 0, the
 *   hash starting at 0), each byte b makes h = 2 · h + gear[b] mod 2^64, and a
 *   cut follows b if the top k bits of h but the topmost are all 0: k =
 *   log2(avg) + 2 while the chunk, b included, is at most normal long, and
 *   log2(avg) - 2 after that. A cut also follows byte max, and the end.
 *
 * The average over random bytes is then within 1 % of avg. A cut depends only
 * on the bytes since the last one.
 *
 * Sans-I/O: the caller reads and buffers. Not here: hashing of chunks.
 *
 * Borrowing: the buffer is read during the call; nothing is kept but how far
 * it was looked at.
 */
#ifndef WR_OBJECT_CHUNKER_H
#define WR_OBJECT_CHUNKER_H

#include "base/err.h"
#include "base/span.h"

enum {
    WR_CHUNK_MAX = 1 << 20,       /* Bytes of any chunk: what all accept. */
    WR_CHUNK_FIXED_MIN = 1 << 10, /* Below, links outweigh the content. */
    WR_CHUNK_AVG_MIN = 4 << 10,
    WR_CHUNK_AVG_MAX = 256 << 10, /* Four times that is WR_CHUNK_MAX. */
    WR_CHUNK_AVG = WR_CHUNK_AVG_MAX,
};

enum wr_chunking_kind { WR_CHUNKING_FIXED, WR_CHUNKING_FASTCDC };

struct wr_chunking {
    enum wr_chunking_kind kind;
    uint32_t size; /* Bytes: of every chunk, or on average. */
};

/* "fastcdc", "fastcdc-AVG" or "size-N", in bytes and decimal. WR_EINVAL for
 * what is none of them or a size that is no power of two where it must be,
 * WR_ETOOBIG for a size out of range, WR_EUNSUPPORTED for another's chunker
 * ("rabin", "buzhash"). */
WR_MUST_USE enum wr_err wr_chunking_parse(const char *text,
                                          struct wr_chunking *ret);

/* Bytes of the longest chunk, which a buffer must have room for. */
size_t wr_chunking_max(const struct wr_chunking *c);

/* One per stream. */
struct wr_chunker {
    struct wr_chunking how;
    size_t min, normal, max;
    uint64_t mask_early, mask_late; /* Up to `normal`, and after. */
    size_t at;                      /* Bytes of this chunk looked at. */
    uint64_t hash;                  /* Of those from `min` on. */
};

/* `how` is as wr_chunking_parse() gives it. */
void wr_chunker_init(struct wr_chunker *c, const struct wr_chunking *how);

/* Length of the chunk at the start of `buf`, which holds all bytes from the
 * last cut on that there are yet, or 0 if more are needed; `eof` says that no
 * more come. After a cut, the next call begins behind it. Bytes once shown
 * must not change until their cut. */
size_t wr_chunker_next(struct wr_chunker *c, struct wr_span buf, bool eof);

#endif
