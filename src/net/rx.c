/* rx.c - what comes in.
 *
 * All links of a loop read into one buffer. A record that holds nothing but
 * body is decrypted straight into the body's buffer; any other is decrypted
 * where it lies and its frames are handed on from there. What is left when the
 * bytes end in the middle of a record, or when the owner wants no more, is the
 * link's stash: the only memory that a link holds on to, and only then. */
#include <stdlib.h>
#include <string.h>

#include "net/impl.h"

enum { HEADER_KEEP = 512 }; /* A header buffer of this size may stay. */

void rx_free(struct wr_link *l)
{
    free(l->stash);
    l->stash = NULL;
    l->stash_n = l->stash_plain = 0;
    wr_buf_unref(l->body);
    l->body = NULL;
}

/* ---- frames, out of plaintext ----------------------------------------- */

/* Adds to the header that gathers, up to `want` bytes; how many it took. */
static size_t gather(struct wr_link *l, const uint8_t *p, size_t n, size_t want)
{
    const size_t k = n < want - l->header_n ? n : want - l->header_n;

    if (want > l->header_cap) {
        const size_t cap = want > HEADER_KEEP ? want : HEADER_KEEP;
        uint8_t *const q = realloc(l->header, cap);

        if (q == NULL) {
            link_gone(l, WR_ENOMEM, "out of memory");
            return n;
        }
        l->header = q;
        l->header_cap = (uint32_t)cap;
    }
    memcpy(l->header + l->header_n, p, k);
    l->header_n += (uint32_t)k;
    return k;
}

static void frame_done(struct wr_link *l)
{
    l->stage++;
    l->header_n = 0;
    l->in_body = l->skip = false;
    if (l->header_cap > HEADER_KEEP) {
        free(l->header);
        l->header = NULL;
        l->header_cap = 0;
    }
}

/* `header` may lie in l->header: the owner must be done with it before the
 * next frame. */
static void deliver(struct wr_link *l, struct wr_span header)
{
    struct wr_buf *const body = l->body;

    l->body = NULL;
    l->net->stats.frames_in++;
    if (body != NULL)
        body->n = l->frame.body_n;
    if (l->state == LINK_OPEN)
        l->ops->on_frame(l, header, body);
    else
        wr_buf_unref(body);
}

/* The head and header in l->header are complete. False: not now. */
static bool header_done(struct wr_link *l)
{
    const struct wr_span header =
        wr_span(l->header + WR_FRAME_HEAD, l->frame.header_n);
    struct wr_buf *b = WR_LINK_SKIP;

    if (l->frame.body_n == 0) {
        deliver(l, header);
        if (link_live(l))
            frame_done(l);
        return true;
    }
    if (l->state == LINK_OPEN) {
        b = l->ops->on_body(l, header, l->frame.body_n);
        if (!link_live(l)) {
            if (b != WR_LINK_SKIP)
                wr_buf_unref(b);
            return true;
        }
    }
    if (b == NULL) {
        wr_link_pause(l);
        return false;
    }
    l->stage++;
    l->in_body = true;
    l->body_n = 0;
    l->skip = b == WR_LINK_SKIP;
    l->body = l->skip ? NULL : b;
    return true;
}

static void body_done(struct wr_link *l)
{
    if (!l->skip)
        deliver(l, wr_span(l->header + WR_FRAME_HEAD, l->frame.header_n));
    if (link_live(l))
        frame_done(l);
}

static void head_bad(struct wr_link *l, enum wr_err err)
{
    link_malformed(l, err,
                   err == WR_ETOOBIG ? "it sent an oversized frame"
                                     : "it sent what is no frame");
}

static void on_end(struct wr_link *l)
{
    char peer[WR_ADDR_TEXT];

    link_gone(l, WR_OK, "%s: closed by the peer", link_peer(l, peer));
}

/* A frame without body that lies in one piece: no copy. How many bytes it
 * had; 0 where the slower way is needed. */
static size_t whole_frame(struct wr_link *l, const uint8_t *p, size_t n)
{
    struct wr_frame f;

    if (l->header_n > 0 || n < WR_FRAME_HEAD)
        return 0;
    if (wr_frame_read(p, l->body_max, &f) != WR_OK || f.end || f.body_n > 0 ||
        n < WR_FRAME_HEAD + f.header_n)
        return 0;
    l->stage++;
    deliver(l, wr_span(p + WR_FRAME_HEAD, f.header_n));
    return WR_FRAME_HEAD + f.header_n;
}

static size_t take_header(struct wr_link *l, const uint8_t *p, size_t n)
{
    size_t k = whole_frame(l, p, n);

    if (k > 0)
        return k;
    if (l->header_n < WR_FRAME_HEAD) {
        enum wr_err err;

        k = gather(l, p, n, WR_FRAME_HEAD);
        if (!link_live(l) || l->header_n < WR_FRAME_HEAD)
            return k;
        err = wr_frame_read(l->header, l->body_max, &l->frame);
        if (err != WR_OK)
            head_bad(l, err);
        else if (l->frame.end)
            on_end(l);
        return k;
    }
    k = gather(l, p, n, WR_FRAME_HEAD + l->frame.header_n);
    if (link_live(l) && l->header_n == WR_FRAME_HEAD + l->frame.header_n)
        (void)header_done(l);
    return k;
}

static size_t take_body(struct wr_link *l, const uint8_t *p, size_t n)
{
    const size_t left = l->frame.body_n - l->body_n;
    const size_t k = n < left ? n : left;

    if (!l->skip)
        memcpy(l->body->p + l->body_n, p, k);
    l->body_n += (uint32_t)k;
    if (l->body_n == l->frame.body_n)
        body_done(l);
    return k;
}

/* A header that the owner did not want yet. */
static bool asked_in_vain(const struct wr_link *l)
{
    return !l->in_body && l->header_n >= WR_FRAME_HEAD &&
           l->header_n == WR_FRAME_HEAD + l->frame.header_n;
}

/* Plaintext of the stream of frames: how much was taken before the link was
 * paused; all of it where it is gone. */
static size_t take_plain(struct wr_link *l, const uint8_t *p, size_t n)
{
    size_t at = 0;

    while (at < n && !l->paused) {
        at += l->in_body ? take_body(l, p + at, n - at)
                         : take_header(l, p + at, n - at);
        if (!link_live(l))
            return n;
    }
    return at;
}

/* ---- records, out of ciphertext --------------------------------------- */

/* Whether the whole of the next `n` bytes of plaintext is body. */
static bool body_only(const struct wr_link *l, size_t n)
{
    return l->in_body && !l->skip && n > 0 && n <= l->frame.body_n - l->body_n;
}

static bool open_record(struct wr_link *l, struct wr_span sealed, uint8_t *ret)
{
    if (wr_noise_open(&l->noise->recv, sealed, ret) == WR_OK)
        return true;
    link_malformed(l, WR_EAUTH, "what it sent was altered on the way");
    return false;
}

/* One record at `p`, whose sealed bytes are `n`. The plaintext that was not
 * taken is left at `p + RECORD_HEAD`, its length is returned. */
static size_t take_record(struct wr_link *l, uint8_t *p, size_t n)
{
    const struct wr_span sealed = wr_span(p + RECORD_HEAD, n);
    const size_t plain = n - WR_NOISE_TAG;
    size_t k;

    if (body_only(l, plain)) {
        if (!open_record(l, sealed, l->body->p + l->body_n))
            return 0;
        l->body_n += (uint32_t)plain;
        if (l->body_n == l->frame.body_n)
            body_done(l);
        return 0;
    }
    if (!open_record(l, sealed, p + RECORD_HEAD))
        return 0;
    k = take_plain(l, p + RECORD_HEAD, plain);
    memmove(p + RECORD_HEAD, p + RECORD_HEAD + k, plain - k);
    return plain - k;
}

static size_t record_size(const uint8_t *p)
{
    return (size_t)p[0] << 8 | p[1];
}

/* Whether a record of `n` sealed bytes may come now. */
static bool record_fits(struct wr_link *l, size_t n)
{
    if (l->state == LINK_SHAKING) {
        if (n <= shake_expects(l))
            return true;
        if (!l->dialled && l->step == 0) {
            l->net->stats.strangers++;
            link_gone(l, WR_EAUTH, "a stranger: it does not speak Noise");
            return false;
        }
    } else if (n >= WR_NOISE_TAG) {
        return true;
    }
    link_malformed(l, WR_EINVAL, "it sent what is no message");
    return false;
}

/* Keeps what is left for later: `plain` bytes at `p`, `n` more at `q`. */
static void keep(struct wr_link *l, const uint8_t *p, size_t plain,
                 const uint8_t *q, size_t n)
{
    WR_CHECK(l->stash == NULL);
    if (plain + n == 0)
        return;
    l->stash = malloc(plain + n);
    if (l->stash == NULL) {
        link_gone(l, WR_ENOMEM, "out of memory");
        return;
    }
    if (plain > 0)
        memcpy(l->stash, p, plain);
    if (n > 0)
        memcpy(l->stash + plain, q, n);
    l->stash_plain = plain;
    l->stash_n = plain + n;
}

/* Bytes as they came, the first `plain` of them decrypted already. */
static void take(struct wr_link *l, uint8_t *p, size_t n, size_t plain)
{
    size_t at = take_plain(l, p, l->plain ? n : plain);

    if (link_live(l) && l->plain) {
        keep(l, p + at, n - at, NULL, 0);
        return;
    }
    if (at < plain) {
        if (link_live(l))
            keep(l, p + at, plain - at, p + plain, n - plain);
        return;
    }
    while (link_live(l) && !l->paused && n - at >= RECORD_HEAD) {
        const size_t size = record_size(p + at);
        const size_t next = at + RECORD_HEAD + size;
        size_t rest = 0;

        if (!record_fits(l, size) || next > n)
            break;
        if (l->state == LINK_SHAKING)
            shake_take(l, wr_span(p + at + RECORD_HEAD, size));
        else
            rest = take_record(l, p + at, size);
        if (rest > 0 && link_live(l)) {
            keep(l, p + at + RECORD_HEAD, rest, p + next, n - next);
            return;
        }
        at = next;
    }
    if (link_live(l))
        keep(l, NULL, 0, p + at, n - at);
}

/* ---- who drips -------------------------------------------------------- */

void rx_unwatch(struct wr_link *l)
{
    l->rx_due_ms = 0;
    net_wait_slow(l);
}

/* A head, header or body that has begun has to come at WR_LINK_FLOOR at least:
 * it holds memory, a body even of the process's pool. */
static void watch(struct wr_link *l)
{
    const bool begun = l->header_n > 0 || l->in_body || l->stash_n > 0;

    if (!link_live(l))
        return;
    if (!begun || l->paused || l->state != LINK_OPEN) {
        if (l->rx_due_ms != 0)
            rx_unwatch(l);
        return;
    }
    if (l->rx_due_ms != 0 && l->watched == l->stage)
        return;
    l->watched = l->stage;
    l->rx_due_ms = net_due(l->net, l->in_body ? l->frame.body_n : RECORD_MAX);
    net_wait_slow(l);
}

/* ---- libuv ------------------------------------------------------------ */

/* While a body comes in, much is asked for, but not far past its end: what a
 * pause would leave with us stays small. */
static size_t read_size(const struct wr_link *l)
{
    size_t n = READ_SMALL;

    if (l->state == LINK_SHAKING)
        return READ_SHAKE;
    if (l->in_body)
        n += l->frame.body_n - l->body_n;
    return n < READ_BULK ? n : READ_BULK;
}

void rx_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
    struct wr_link *const l = h->data;
    uint8_t *const room = l->net->read_room;
    const size_t n = read_size(l);

    (void)suggested;
    /* A stash is at most a record that is not complete: see take(). */
    WR_CHECK(l->stash_n + n <= READ_ROOM);
    if (l->stash_n > 0)
        memcpy(room, l->stash, l->stash_n);
    *ret = uv_buf_init((char *)room + l->stash_n, (unsigned)n);
}

static void on_eof(struct wr_link *l, ssize_t n)
{
    char peer[WR_ADDR_TEXT];
    const char *who = link_peer(l, peer);

    if (l->state == LINK_ENDING)
        link_gone(l, WR_OK, "%s: closed", who);
    else if (l->state == LINK_SHAKING && l->dialled)
        link_gone(l, WR_EREFUSED,
                  "%s: it closed without a word: another ring, another "
                  "version, not wreath, or too many knock there",
                  who);
    else
        link_gone(l, WR_ECLOSED, "%s: cut off: %s", who,
                  n == UV_EOF ? "no farewell" : uv_strerror((int)n));
}

/* libuv reads on as long as the socket fills what we offer: a fast peer would
 * keep all others waiting. */
static void give_way(struct wr_link *l, size_t n)
{
    struct wr_net *const net = l->net;

    if (l->turn != net->turns)
        l->turn_n = 0;
    l->turn = net->turns;
    l->turn_n += n;
    if (l->turn_n < TURN_MAX)
        return;
    link_read(l, false);
    ring_join(&net->resumed, &l->resumed); /* rx_go_on() in the next turn. */
}

void rx_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct wr_link *const l = s->data;
    struct wr_net *const net = l->net;
    const size_t before = l->stash_n;

    (void)buf;
    if (n == 0)
        return;
    if (n < 0) {
        on_eof(l, n);
        return;
    }
    net->stats.bytes_in += (uint64_t)n;
    net->stats.local_in += l->plain ? (uint64_t)n : 0;
    free(l->stash);
    l->stash = NULL;
    l->stash_n = l->stash_plain = 0;
    take(l, net->read_room, before + (size_t)n, 0);
    if (link_live(l) && l->reading)
        give_way(l, (size_t)n);
    watch(l);
}

void rx_go_on(struct wr_link *l)
{
    uint8_t *const p = l->stash;
    const size_t n = l->stash_n, plain = l->stash_plain;

    l->stash = NULL;
    l->stash_n = l->stash_plain = 0;
    if (asked_in_vain(l))
        (void)header_done(l);
    if (link_live(l) && p != NULL) {
        if (l->paused)
            keep(l, p, plain, p + plain, n - plain);
        else
            take(l, p, n, plain);
    }
    free(p);
    if (link_live(l) && !l->paused)
        link_read(l, true);
    watch(l);
}
