/*
 * codec_parts.h - what the sources of the codec share:
 *
 *     codec.c         whole headers, and the arena
 *     codec_kinds.c   which fields each kind of message has
 *     codec_fields.c  how one field travels
 *
 * A field is listed once, for both directions: a `struct wr_io` either fills
 * the generated structure (`wire`) from ours (`own`), or checks it and fills
 * ours.
 */
#ifndef WR_WIRE_CODEC_PARTS_H
#define WR_WIRE_CODEC_PARTS_H

#include "wire/codec.h"
#include "wreath.pb-c.h"

enum { WR_IO_STATUS_LAST = WR_STATUS_TIMEOUT };

/* Of a host or member that the book lacks, or that is none: without it the
 * message stands, or it falls. */
enum wr_io_need { WR_IO_OPTIONAL, WR_IO_REQUIRED };

struct wr_io {
    struct wr_codec *c;
    bool encode;
    enum wr_err err; /* The first one; later fields change nothing. */
};

/* codec.c: room in the arena; NULL is an error of `io`. */
void *wr_io_alloc(struct wr_io *io, size_t n);

/* codec_kinds.c: `w` is the generated structure that belongs to m->kind. */
void wr_io_fields(struct wr_io *io, struct wr_msg *m, Wreath__Message *w);

/* codec_fields.c */

void wr_io_fail(struct wr_io *io, enum wr_err err);

void wr_io_u8(struct wr_io *io, uint8_t *own, uint32_t *wire, uint32_t most);
void wr_io_u32(struct wr_io *io, uint32_t *own, uint32_t *wire);
void wr_io_u64(struct wr_io *io, uint64_t *own, uint64_t *wire);
void wr_io_flag(struct wr_io *io, bool *own, protobuf_c_boolean *wire);

/* The generated enumerations are ints; ours are bytes with a highest value. */
#define WR_IO_ENUM(io, own, wire, most)                                        \
    do {                                                                       \
        uint32_t v_ = (uint32_t)(wire);                                        \
        wr_io_u8(io, own, &v_, most);                                          \
        (wire) = v_;                                                           \
    } while (0)

/* Bytes of any length up to `most`, borrowed in both directions. */
void wr_io_span(struct wr_io *io, struct wr_span *own,
                ProtobufCBinaryData *wire, size_t most);
/* Exactly `n` bytes. */
void wr_io_fixed(struct wr_io *io, uint8_t *own, size_t n,
                 ProtobufCBinaryData *wire);
void wr_io_key(struct wr_io *io, struct wr_id *own, ProtobufCBinaryData *wire);
/* `n` bits; those past the last are zero, so that equal answers are equal. */
void wr_io_bits(struct wr_io *io, uint8_t *own, uint8_t n,
                ProtobufCBinaryData *wire);

void wr_io_host(struct wr_io *io, wr_host *own, ProtobufCBinaryData *wire,
                enum wr_io_need need);
void wr_io_member(struct wr_io *io, wr_ref *own, ProtobufCBinaryData *wire,
                  enum wr_io_need need);
/* Nothing at all stands for all zeros: unknown. */
void wr_io_addr(struct wr_io *io, struct wr_addr *own,
                ProtobufCBinaryData *wire);

/* Lists of at most `most`, or of what limits.h says. */
void wr_io_members(struct wr_io *io, const wr_ref **own, uint8_t *n,
                   ProtobufCBinaryData *wire, size_t most);
void wr_io_hosts(struct wr_io *io, const wr_host **own, uint8_t *n,
                 ProtobufCBinaryData *wire, size_t most);
void wr_io_entries(struct wr_io *io, const struct wr_roster_entry **own,
                   uint8_t *n, ProtobufCBinaryData *wire);
void wr_io_digests(struct wr_io *io, const struct wr_id **own, uint8_t *n,
                   ProtobufCBinaryData *wire);
void wr_io_contacts(struct wr_io *io, const struct wr_contact **own, uint8_t *n,
                    ProtobufCBinaryData *wire);

#endif
