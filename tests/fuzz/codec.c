/* codec.c - a message's header: what is taken can be said again, in exactly
 * one way, as long as wr_msg_size() says, and names only hosts of the book. */
#include <stdlib.h>

#include "fuzz.h"
#include "hosts.h"
#include "wire/codec.h"

static _Alignas(16) uint8_t arena[WR_CODEC_ARENA], arena_again[WR_CODEC_ARENA];

static void check_mentions(const struct wr_book *book, const struct wr_msg *m)
{
    wr_host v[WR_MENTIONS_MAX];
    const size_t n = wr_msg_mentions(m, v);

    WR_CHECK(n <= WR_MENTIONS_MAX);
    for (size_t i = 0; i < n; i++)
        WR_CHECK(v[i] < book->hosts_n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct wr_book *const book = fuzz_hosts();
    static uint8_t said[WR_HEADER_MAX], again[WR_HEADER_MAX];
    struct wr_codec c, d;
    struct wr_msg m, m2;
    struct wr_span extra, extra2;
    size_t n, n2;
    enum wr_err err;

    wr_codec_init(&c, book, arena, sizeof(arena));
    wr_codec_init(&d, book, arena_again, sizeof(arena_again));
    err = wr_codec_decode(&c, wr_span(data, size), &m, &extra);
    if (err != WR_OK) {
        WR_CHECK(err == WR_EINVAL || err == WR_ENOTFOUND ||
                 err == WR_EUNSUPPORTED);
        return 0;
    }
    WR_CHECK(wr_msg_known(m.kind));
    WR_CHECK(!m.bad_body);
    check_mentions(book, &m);
    (void)wr_body_max(m.kind, true);
    (void)wr_msg_body(&m);

    /* As it is said is never longer than as it came, but for what a sloppy
     * sender left out. */
    err = wr_codec_encode(&c, &m, (struct wr_span){0}, said, sizeof(said), &n);
    WR_CHECK(err == WR_OK);
    WR_CHECK(n == wr_msg_size(&m));
    WR_CHECK(wr_codec_decode(&d, wr_span(said, n), &m2, &extra2) == WR_OK);
    WR_CHECK(extra2.n == 0);
    WR_CHECK(m2.kind == m.kind && m2.rid == m.rid && m2.from == m.from &&
             m2.to == m.to);
    err = wr_codec_encode(&d, &m2, (struct wr_span){0}, again, sizeof(again),
                          &n2);
    WR_CHECK(err == WR_OK);
    WR_CHECK(n2 == n && memcmp(said, again, n) == 0);

    /* Handed on with what we do not know of it (V4). */
    err = wr_codec_encode(&c, &m, extra, said, sizeof(said), &n);
    WR_CHECK(err == WR_OK || (extra.n > 0 && err == WR_ETOOBIG));
    if (err == WR_OK) {
        WR_CHECK(wr_codec_decode(&d, wr_span(said, n), &m2, &extra2) == WR_OK);
        WR_CHECK(wr_span_eq(extra, extra2));
    }
    return 0;
}
