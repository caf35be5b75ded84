/*
 * frame.h - how messages follow one another on a link: a frame is a head of
 * eight bytes, a header (codec.h) and a raw body.
 *
 *     u32  0 in its upper byte, the header's length (1 to WR_HEADER_MAX) below
 *     u32  the body's length
 *
 * both big-endian; or, as the last frame of a direction, END: 0x80000000 and
 * 0. A link that closes without END was cut off. Frames take no notice of the
 * boundaries of the Noise messages that carry them.
 *
 * Pure. Called by net/.
 */
#ifndef WR_WIRE_FRAME_H
#define WR_WIRE_FRAME_H

#include "base/err.h"
#include "wire/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    WR_FRAME_HEAD = 8,
    WR_FRAME_BODY_MAX = WR_BLOCK_READ_MAX, /* Of any kind of message. */
};

struct wr_frame {
    bool end;
    uint32_t header_n, body_n;
};

void wr_frame_write(const struct wr_frame *f,
                    uint8_t ret[static WR_FRAME_HEAD]);

/* WR_EINVAL: no frame. WR_ETOOBIG: one past the limits, or with a body longer
 * than `body_max`. The peer is at fault; nothing after it can be read. */
WR_MUST_USE enum wr_err wr_frame_read(const uint8_t p[static WR_FRAME_HEAD],
                                      uint32_t body_max, struct wr_frame *ret);

#endif
