/*
 * codec.h - messages (msg.h) to header bytes and back, as wreath.proto says.
 *
 * Strict: what comes out of wr_codec_decode() keeps every limit of limits.h
 * and names only hosts of the book. Bounded: all it needs lies in an arena
 * that the caller gives; a header that would need more is malformed. Nothing
 * here allocates otherwise, and protobuf-c never sees malloc.
 *
 * Not here: bodies (a header says nothing of their length: frame.h), and who
 * may send what (wr_msg_from_leaf, wr_body_max).
 *
 * Called by src/host and src/client for each frame. One codec serves one
 * thread. Borrowing: what a decoded message points to lives in the arena until
 * the next wr_codec_decode(); wr_codec_encode() leaves it alone.
 */
#ifndef WR_WIRE_CODEC_H
#define WR_WIRE_CODEC_H

#include "base/err.h"
#include "wire/msg.h"

/* Four times the longest header: room for the largest legal message in both
 * directions at once, and no more for whoever sends 8,000 unknown fields. */
enum { WR_CODEC_ARENA = 4 * WR_HEADER_MAX };

/* Most hosts that one message can mention: a trace's set and path. */
enum { WR_MENTIONS_MAX = WR_SET_MAX + WR_HOPS_MAX + 1 };

struct wr_codec {
    const struct wr_book *book;
    uint8_t *arena;
    size_t arena_cap, arena_n;
    uint64_t strangers; /* Hosts not in the book, dropped from lists. */
};

/* `arena` has at least WR_CODEC_ARENA bytes, aligned to 16; borrowed. */
void wr_codec_init(struct wr_codec *c, const struct wr_book *book, void *arena,
                   size_t arena_cap);

/* The header of `m`, followed by `extra` (see below; may be empty).
 * WR_EINVAL: `m` breaks a limit or names a host that is not in the book.
 * WR_ETOOBIG: it does not fit into `room`, or past WR_HEADER_MAX. */
WR_MUST_USE enum wr_err wr_codec_encode(struct wr_codec *c,
                                        const struct wr_msg *m,
                                        struct wr_span extra, uint8_t *ret,
                                        size_t room, size_t *ret_n);

/*
 * The message in `header`. Hosts that the book does not have are left out of
 * lists and counted; where a message stands or falls with one, it is
 * WR_ENOTFOUND, and the next one may be fine. WR_EUNSUPPORTED: of a kind that
 * this version does not know; to be ignored. WR_EINVAL: malformed, the peer is
 * at fault.
 *
 * `ret_extra` (may be NULL) gets the fields of Message that this version does
 * not know, as bytes: who hands a message on appends them.
 */
WR_MUST_USE enum wr_err wr_codec_decode(struct wr_codec *c,
                                        struct wr_span header,
                                        struct wr_msg *ret,
                                        struct wr_span *ret_extra);

/* How long the header that wr_codec_encode() would make of a legal `m` is,
 * without making it: what a simulated message costs. */
size_t wr_msg_size(const struct wr_msg *m);

/* The hosts that `m` mentions, each once, WR_MENTIONS_MAX at most: a link
 * carries a CARD of each before its first mention. */
size_t wr_msg_mentions(const struct wr_msg *m,
                       wr_host ret[static WR_MENTIONS_MAX]);

/* Where the kind keeps its body; NULL if it has none. */
struct wr_body *wr_msg_body(struct wr_msg *m);
const struct wr_body *wr_msg_body_of(const struct wr_msg *m);

/* The longest body that a message of this kind may bring; 0 for most. */
uint32_t wr_body_max(unsigned kind, bool from_leaf);

#endif
