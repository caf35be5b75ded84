/*
 * text.h - bytes as text: hexadecimal and base32 (RFC 4648, lower case, no
 * padding), both ways; the nearest of some names. Pure; the caller owns every
 * buffer.
 */
#ifndef WR_BASE_TEXT_H
#define WR_BASE_TEXT_H

#include "base/err.h"
#include "base/span.h"

#define WR_HEX_SIZE(n) (2 * (n) + 1)            /* With its final NUL. */
#define WR_BASE32_SIZE(n) (((n)*8 + 4) / 5 + 1) /* With its final NUL. */

/* `ret` has WR_HEX_SIZE(in.n) bytes. */
void wr_hex(struct wr_span in, char *ret);

/* Exactly `n` bytes from 2n digits of either case. WR_EINVAL. */
WR_MUST_USE enum wr_err wr_unhex(const char *text, uint8_t *ret, size_t n);
WR_MUST_USE enum wr_err wr_unhex_span(struct wr_span text, uint8_t *ret,
                                      size_t n);

/* `ret` has WR_BASE32_SIZE(in.n) bytes. */
void wr_base32(struct wr_span in, char *ret);

/* At most `room` bytes from `text.n` letters of either case; *ret_n is set.
 * Non-zero trailing bits and impossible lengths are WR_EINVAL; no room,
 * WR_ETOOBIG. */
WR_MUST_USE enum wr_err wr_unbase32(struct wr_span text, uint8_t *ret,
                                    size_t room, size_t *ret_n);

/* For "did you mean": of the names offered so far the nearest to `name`, of
 * equals the first. */
struct wr_text_guess {
    const char *name;
    const char *best;  /* NULL: none was offered. */
    unsigned distance; /* Letters that are other, too many, missing, or swapped
                          with the next; of the name the first 63 count. */
};

void wr_text_offer(struct wr_text_guess *g, const char *name);

#endif
