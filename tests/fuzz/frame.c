/* frame.c - heads of frames: whatever is taken keeps the limits, and is what
 * would be written for it. */
#include "wire/frame.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = fuzz(data, size);
    const uint32_t body_max = fuzz_u32(&f) % (WR_FRAME_BODY_MAX + 1);

    while (f.n >= WR_FRAME_HEAD) {
        const struct wr_span head = fuzz_bytes(&f, WR_FRAME_HEAD);
        uint8_t again[WR_FRAME_HEAD];
        struct wr_frame frame;

        if (wr_frame_read(head.p, body_max, &frame) != WR_OK)
            return 0;
        if (frame.end) {
            WR_CHECK(head.p[0] == 0x80);
        } else {
            WR_CHECK(frame.header_n >= 1 && frame.header_n <= WR_HEADER_MAX);
            WR_CHECK(frame.body_n <= body_max);
        }
        wr_frame_write(&frame, again);
        WR_CHECK(memcmp(again, head.p, WR_FRAME_HEAD) == 0);
        (void)fuzz_bytes(&f, frame.header_n);
        (void)fuzz_bytes(&f, frame.body_n);
    }
    return 0;
}
