/* frame.c - see frame.h. */
#include "wire/frame.h"

#include "base/span.h"

static const uint32_t end_mark = UINT32_C(0x80000000);

void wr_frame_write(const struct wr_frame *f, uint8_t ret[static WR_FRAME_HEAD])
{
    struct wr_writer w = wr_writer(ret, WR_FRAME_HEAD);

    WR_CHECK(f->end || (f->header_n > 0 && f->header_n <= WR_HEADER_MAX));
    WR_CHECK(f->body_n <= WR_FRAME_BODY_MAX);
    wr_write_be32(&w, f->end ? end_mark : f->header_n);
    wr_write_be32(&w, f->end ? 0 : f->body_n);
}

enum wr_err wr_frame_read(const uint8_t p[static WR_FRAME_HEAD],
                          uint32_t body_max, struct wr_frame *ret)
{
    struct wr_reader r = wr_reader(wr_span(p, WR_FRAME_HEAD));
    const uint32_t header_n = wr_read_be32(&r);
    const uint32_t body_n = wr_read_be32(&r);

    if (header_n == end_mark && body_n == 0) {
        *ret = (struct wr_frame){.end = true};
        return WR_OK;
    }
    if (header_n == 0 || header_n >> 24 != 0)
        return WR_EINVAL;
    if (header_n > WR_HEADER_MAX || body_n > WR_FRAME_BODY_MAX ||
        body_n > body_max)
        return WR_ETOOBIG;
    *ret = (struct wr_frame){.header_n = header_n, .body_n = body_n};
    return WR_OK;
}
