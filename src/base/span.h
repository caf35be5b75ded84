/*
 * span.h - byte spans, and the bounded reader and writer that every decoder
 * and encoder of the project is made of. A reader that runs past its end, or a
 * writer past its room, sets `bad` once and stays bad: check at the end.
 *
 * Borrowing: a span never owns its bytes.
 */
#ifndef WR_BASE_SPAN_H
#define WR_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wr_span {
    const uint8_t *p;
    size_t n;
};

static inline struct wr_span wr_span(const void *p, size_t n)
{
    return (struct wr_span){.p = p, .n = n};
}

static inline struct wr_span wr_span_str(const char *s)
{
    return wr_span(s, strlen(s));
}

static inline bool wr_span_eq(struct wr_span a, struct wr_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Bytewise order, a prefix before the longer one. */
int wr_span_cmp(struct wr_span a, struct wr_span b);

struct wr_reader {
    const uint8_t *p;
    size_t left;
    bool bad;
};

static inline struct wr_reader wr_reader(struct wr_span s)
{
    return (struct wr_reader){.p = s.p, .left = s.n};
}

/* Borrowed bytes of the input; an empty span, and bad, if fewer are left. */
struct wr_span wr_read(struct wr_reader *r, size_t n);
void wr_read_into(struct wr_reader *r, void *ret, size_t n);
uint8_t wr_read_u8(struct wr_reader *r);
uint16_t wr_read_be16(struct wr_reader *r);
uint32_t wr_read_be32(struct wr_reader *r);
uint64_t wr_read_be64(struct wr_reader *r);
/* LEB128 as in protobuf and multiformats, at most 10 bytes, minimal form. */
uint64_t wr_read_varint(struct wr_reader *r);

struct wr_writer {
    uint8_t *p;
    size_t room;
    size_t n; /* Written so far. */
    bool bad;
};

static inline struct wr_writer wr_writer(void *p, size_t room)
{
    return (struct wr_writer){.p = p, .room = room};
}

void wr_write(struct wr_writer *w, const void *p, size_t n);
void wr_write_u8(struct wr_writer *w, uint8_t v);
void wr_write_be16(struct wr_writer *w, uint16_t v);
void wr_write_be32(struct wr_writer *w, uint32_t v);
void wr_write_be64(struct wr_writer *w, uint64_t v);
void wr_write_varint(struct wr_writer *w, uint64_t v);

/* Bytes that wr_write_varint uses for `v` (1 to 10). */
size_t wr_varint_size(uint64_t v);

#endif
