/* salvage_scan.c - the first half of a salvage: the data file from its first
 * page to its last, and what is found there noted in a scratch table. */
#include <errno.h>
#include <unistd.h>

#include "crypto/root.h"
#include "store/salvage_parts.h"

/* What LMDB 0.9 writes, as far as it is needed to read a leaf page. */
enum {
    PAGE_HEADER = 16,
    FLAGS_AT = 10,
    LOWER_AT = 12, /* The end of the table of nodes. */
    LEAF = 0x02,
    NODE_HEADER = 8,
    NODE_BIG = 0x01, /* The value is elsewhere, in a run. */
    META_MAGIC_AT = 16,
    META_PAGE_BYTES_AT = 40,
    RUN_PAGES = 16,
    BUFFER_PAGES = 256,
};

static const uint32_t meta_magic = 0xBEEFC0DE;
static const char root_magic[4] = {'w', 'r', 'O', 1};

static uint16_t u16_at(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v)); /* LMDB writes as the machine does. */
    return v;
}

size_t wr_salvage_page_bytes(int fd)
{
    uint8_t meta[64];
    uint32_t magic, bytes;

    if (pread(fd, meta, sizeof(meta), 0) == (ssize_t)sizeof(meta)) {
        memcpy(&magic, meta + META_MAGIC_AT, sizeof(magic));
        memcpy(&bytes, meta + META_PAGE_BYTES_AT, sizeof(bytes));
        if (magic == meta_magic && bytes >= 512 && bytes <= 65536 &&
            (bytes & (bytes - 1)) == 0)
            return bytes;
    }
    return (size_t)sysconf(_SC_PAGESIZE); /* What LMDB takes, too. */
}

static enum wr_err take_extent(struct wr_salvager *s, const struct wr_extent *x,
                               uint64_t offset)
{
    return wr_salvage_note_extent(s, x->digest, x->number, offset, s->in_place);
}

/* Whether the page says which one it is. Who puts content that looks like
 * pages cannot know where it will lie. */
static bool is_in_place(const struct wr_salvager *s, const uint8_t *page,
                        uint64_t offset)
{
    size_t number;

    memcpy(&number, page, sizeof(number));
    return number == offset / s->page_bytes;
}

static enum wr_err take_root(struct wr_salvager *s, struct wr_span bytes)
{
    uint8_t position[WR_ROOT_POSITION];
    struct wr_root r;

    if (wr_root_open(bytes, &r) != WR_OK)
        return WR_OK;
    wr_root_position(r.put, position);
    return wr_salvage_root(s, position, r.version, bytes);
}

/* A node of a leaf page: by its lengths it can be of one table only. */
static enum wr_err take_node(struct wr_salvager *s, struct wr_span key,
                             struct wr_span value, uint64_t offset)
{
    struct wr_extent x;
    struct wr_record rec;
    enum wr_err err = WR_OK;

    if (key.n == WR_EXTENT_KEY && wr_extent_find(value, &x) == value.n)
        return take_extent(s, &x, offset);
    if (key.n == WR_REF_KEY && value.n == 0)
        return wr_salvage_note_ref(s, key.p, key.p + WR_DIGEST);
    if (key.n != WR_DIGEST)
        return WR_OK;
    if (wr_record_read(value, &rec) == WR_OK) {
        for (uint32_t i = 0; i < rec.refs && err == WR_OK; i++)
            err = wr_salvage_note_ref(s, key.p, rec.put_ids[i]);
        return err;
    }
    return value.n > 8 ? take_root(s, wr_span(value.p + 8, value.n - 8))
                       : WR_OK;
}

static enum wr_err take_leaf(struct wr_salvager *s, const uint8_t *page,
                             uint64_t offset)
{
    const size_t lower = u16_at(page + LOWER_AT);
    enum wr_err err = WR_OK;

    if (lower > s->page_bytes)
        return WR_OK;
    for (size_t at = PAGE_HEADER; at + 2 <= lower && err == WR_OK; at += 2) {
        const size_t node = u16_at(page + at);
        size_t key_n, value_n, value;

        if (node < lower || node + NODE_HEADER > s->page_bytes)
            continue;
        key_n = u16_at(page + node + 6);
        value_n = u16_at(page + node) | (size_t)u16_at(page + node + 2) << 16;
        value = node + NODE_HEADER + key_n;
        if ((u16_at(page + node + 4) & NODE_BIG) != 0 ||
            value > s->page_bytes || value_n > s->page_bytes - value)
            continue;
        err = take_node(s, wr_span(page + node + NODE_HEADER, key_n),
                        wr_span(page + value, value_n), offset + value);
    }
    return err;
}

/* A page whose own header is gone: what begins with a word of ours. */
static enum wr_err take_rubble(struct wr_salvager *s, const uint8_t *page,
                               uint64_t offset)
{
    const uint8_t *end = page + s->page_bytes;
    enum wr_err err = WR_OK;

    for (const uint8_t *p = page; err == WR_OK && p < end; p++) {
        struct wr_extent x;

        p = memchr(p, 'w', (size_t)(end - p));
        if (p == NULL)
            break;
        if (wr_extent_find(wr_span(p, (size_t)(end - p)), &x) > 0)
            err = take_extent(s, &x, offset + (uint64_t)(p - page));
        else if ((size_t)(end - p) > WR_ROOT_BYTES_MIN &&
                 memcmp(p, root_magic, sizeof(root_magic)) == 0)
            for (size_t n = WR_ROOT_BYTES_MIN;
                 n <= WR_ROOT_BYTES_MAX && n <= (size_t)(end - p) &&
                 err == WR_OK;
                 n++)
                err = take_root(s, wr_span(p, n));
    }
    return err;
}

/* Reads `n` pages from page `at` on; what the disk does not give is zero. */
static void read_pages(struct wr_salvager *s, uint64_t at, size_t n)
{
    const size_t bytes = n * s->page_bytes;
    const off_t from = (off_t)(at * s->page_bytes);

    if (pread(s->fd, s->buffer, bytes, from) == (ssize_t)bytes)
        return;
    for (size_t i = 0; i < n; i++) {
        uint8_t *page = s->buffer + i * s->page_bytes;

        if (pread(s->fd, page, s->page_bytes,
                  from + (off_t)(i * s->page_bytes)) == (ssize_t)s->page_bytes)
            continue;
        memset(page, 0, s->page_bytes);
        s->tally->unreadable++;
    }
}

/* The pages in the buffer, but for a run that may go on behind it. Pages that
 * are through in *ret. */
static enum wr_err scan_buffer(struct wr_salvager *s, uint64_t at, size_t n,
                               bool last, size_t *ret)
{
    const size_t stop = last ? n : n - RUN_PAGES;
    enum wr_err err = WR_OK;
    size_t i = 0;

    while (i < stop && err == WR_OK) {
        const uint8_t *page = s->buffer + i * s->page_bytes;
        const uint64_t offset = (at + i) * s->page_bytes;
        struct wr_extent x;
        const size_t run = wr_extent_find(
            wr_span(page + PAGE_HEADER, (n - i) * s->page_bytes - PAGE_HEADER),
            &x);

        s->in_place = is_in_place(s, page, offset);
        if (run > 0) { /* What is inside it is somebody's content. */
            err = take_extent(s, &x, offset + PAGE_HEADER);
            i += (PAGE_HEADER + run + s->page_bytes - 1) / s->page_bytes;
            continue;
        }
        if (u16_at(page + FLAGS_AT) == LEAF)
            err = take_leaf(s, page, offset);
        else
            err = take_rubble(s, page, offset);
        i++;
    }
    *ret = i;
    return err;
}

enum wr_err wr_salvage_scan(struct wr_salvager *s)
{
    enum wr_err err = WR_OK;
    uint64_t at = 0;

    s->buffer = malloc((size_t)BUFFER_PAGES * s->page_bytes);
    if (s->buffer == NULL)
        return WR_ENOMEM;
    while (at < s->pages && err == WR_OK) {
        const uint64_t left = s->pages - at;
        const size_t n = left < BUFFER_PAGES ? (size_t)left : BUFFER_PAGES;
        size_t through = 0;

        read_pages(s, at, n);
        err = scan_buffer(s, at, n, n == left, &through);
        at += through;
        s->tally->pages = at < s->pages ? at : s->pages;
        wr_salvage_progress(s, at * s->page_bytes);
    }
    free(s->buffer);
    s->buffer = NULL;
    return err;
}
