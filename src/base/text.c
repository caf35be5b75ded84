/* text.c - see text.h. */
#include "base/text.h"

void wr_hex(struct wr_span in, char *ret)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < in.n; i++) {
        ret[2 * i] = digits[in.p[i] >> 4];
        ret[2 * i + 1] = digits[in.p[i] & 15];
    }
    ret[2 * in.n] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum wr_err wr_unhex(const char *text, uint8_t *ret, size_t n)
{
    return wr_unhex_span(wr_span_str(text), ret, n);
}

enum wr_err wr_unhex_span(struct wr_span text, uint8_t *ret, size_t n)
{
    if (text.n != 2 * n)
        return WR_EINVAL;
    for (size_t i = 0; i < n; i++) {
        const int hi = hex_digit((char)text.p[2 * i]);
        const int lo = hex_digit((char)text.p[2 * i + 1]);

        if (hi < 0 || lo < 0)
            return WR_EINVAL;
        ret[i] = (uint8_t)(hi * 16 + lo);
    }
    return WR_OK;
}

void wr_base32(struct wr_span in, char *ret)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t n = 0;

    for (size_t i = 0; i < in.n; i++) {
        acc = (acc << 8 | in.p[i]) & 0xfff;
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            ret[n++] = letters[acc >> bits & 31];
        }
    }
    if (bits > 0)
        ret[n++] = letters[acc << (5 - bits) & 31];
    ret[n] = '\0';
}

static int base32_digit(uint8_t c)
{
    if (c >= 'a' && c <= 'z')
        return c - 'a';
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= '2' && c <= '7')
        return c - '2' + 26;
    return -1;
}

enum wr_err wr_unbase32(struct wr_span text, uint8_t *ret, size_t room,
                        size_t *ret_n)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        const int d = base32_digit(text.p[i]);

        if (d < 0)
            return WR_EINVAL;
        acc = (acc << 5 | (uint32_t)d) & 0xfff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            if (n == room)
                return WR_ETOOBIG;
            ret[n++] = (uint8_t)(acc >> bits);
        }
    }
    if (bits >= 5 || (acc & ((1u << bits) - 1)) != 0)
        return WR_EINVAL; /* A letter too many, or stray bits. */
    *ret_n = n;
    return WR_OK;
}

static unsigned least_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][64] = {{0}};
    unsigned *older = rows[0], *old = rows[1], *row = rows[2];
    const size_t whole = strlen(b), n = whole < 63 ? whole : 63;

    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        unsigned *next = older;

        older = old;
        old = row;
        row = next;
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= n; j++) {
            row[j] = least_of(old[j - 1] + (a[i - 1] != b[j - 1]),
                              least_of(old[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least_of(row[j], older[j - 2] + 1);
        }
    }
    return row[n];
}

void wr_text_offer(struct wr_text_guess *g, const char *name)
{
    const unsigned d = distance(g->name, name);

    if (g->best != NULL && d >= g->distance)
        return;
    g->best = name;
    g->distance = d;
}
