/* chunker.c - see chunker.h. */
#include "object/chunker.h"

#include "object/gear.h"

/* Digits only, no sign, no leading zero, at most 2^32 - 1. */
static bool parse_size(const char *text, uint32_t *ret)
{
    uint64_t v = 0;

    if (*text < '1' || *text > '9')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        v = v * 10 + (uint64_t)(*text - '0');
        if (v > UINT32_MAX)
            return false;
    }
    *ret = (uint32_t)v;
    return true;
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

enum wr_err wr_chunking_parse(const char *text, struct wr_chunking *ret)
{
    uint32_t size;

    if (strcmp(text, "fastcdc") == 0) {
        *ret = (struct wr_chunking){WR_CHUNKING_FASTCDC, WR_CHUNK_AVG};
        return WR_OK;
    }
    if (starts(text, "fastcdc-")) {
        if (!parse_size(text + strlen("fastcdc-"), &size))
            return WR_EINVAL;
        if (size < WR_CHUNK_AVG_MIN || size > WR_CHUNK_AVG_MAX)
            return WR_ETOOBIG;
        if ((size & (size - 1)) != 0)
            return WR_EINVAL;
        *ret = (struct wr_chunking){WR_CHUNKING_FASTCDC, size};
        return WR_OK;
    }
    if (starts(text, "size-")) {
        if (!parse_size(text + strlen("size-"), &size))
            return WR_EINVAL;
        if (size < WR_CHUNK_FIXED_MIN || size > WR_CHUNK_MAX)
            return WR_ETOOBIG;
        *ret = (struct wr_chunking){WR_CHUNKING_FIXED, size};
        return WR_OK;
    }
    if (starts(text, "rabin") || starts(text, "buzhash"))
        return WR_EUNSUPPORTED;
    return WR_EINVAL;
}

size_t wr_chunking_max(const struct wr_chunking *c)
{
    return c->kind == WR_CHUNKING_FASTCDC ? (size_t)c->size * 4 : c->size;
}

/* The top `bits` bits but the topmost, which is left out so that the hash can
 * be tested when it is already doubled for the next byte. */
static uint64_t mask_of(unsigned bits)
{
    return ((UINT64_C(1) << bits) - 1) << (63 - bits);
}

void wr_chunker_init(struct wr_chunker *c, const struct wr_chunking *how)
{
    const size_t size = how->size;
    unsigned bits = 0;

    *c = (struct wr_chunker){.how = *how, .max = wr_chunking_max(how)};
    WR_CHECK(c->max > 0 && c->max <= WR_CHUNK_MAX);
    if (how->kind == WR_CHUNKING_FIXED)
        return;
    WR_CHECK(size >= WR_CHUNK_AVG_MIN && (size & (size - 1)) == 0);
    while (size >> bits > 1)
        bits++;
    c->min = size / 4;
    c->normal = c->min + 3 * (size - c->min) / 4;
    c->mask_early = mask_of(bits + 2);
    c->mask_late = mask_of(bits - 2);
}

/* Looks at p[c->at] to p[end - 1]; true, with c->at behind the cut, at the
 * first cut under `mask`. Two bytes per step: the first byte's hash is tested
 * doubled, so that the chain from step to step is two operations long. */
static bool scan(struct wr_chunker *c, const uint8_t *p, size_t end,
                 uint64_t mask)
{
    const uint64_t mask2 = mask << 1;
    uint64_t h = c->hash;
    size_t i = c->at;

    for (; end - i >= 2; i += 2) {
        h = (h << 2) + (wr_gear[p[i]] << 1);
        if ((h & mask2) == 0) {
            c->at = i + 1;
            return true;
        }
        h += wr_gear[p[i + 1]];
        if ((h & mask) == 0) {
            c->at = i + 2;
            return true;
        }
    }
    if (i < end) {
        h = (h << 1) + wr_gear[p[i]];
        i++;
        if ((h & mask) == 0) {
            c->at = i;
            return true;
        }
    }
    c->at = i;
    c->hash = h;
    return false;
}

/* Whether a cut by content comes within the first `end` bytes. */
static bool find_cut(struct wr_chunker *c, const uint8_t *p, size_t end)
{
    const size_t early = end < c->normal ? end : c->normal;

    if (end <= c->min)
        return false;
    if (c->at < c->min)
        c->at = c->min;
    if (c->at < early && scan(c, p, early, c->mask_early))
        return true;
    return c->at < end && scan(c, p, end, c->mask_late);
}

static size_t cut(struct wr_chunker *c, size_t n)
{
    c->at = 0;
    c->hash = 0;
    return n;
}

size_t wr_chunker_next(struct wr_chunker *c, struct wr_span buf, bool eof)
{
    const size_t end = buf.n < c->max ? buf.n : c->max;

    if (c->how.kind == WR_CHUNKING_FASTCDC && find_cut(c, buf.p, end))
        return cut(c, c->at);
    if (end == c->max || eof)
        return cut(c, end);
    return 0;
}
