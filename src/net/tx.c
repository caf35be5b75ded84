/* tx.c - what goes out.
 *
 * Frames wait as they were given: a copy of the header, a reference to the
 * body. At the end of the loop's turn as many as fit are sealed into one
 * buffer and offered to the kernel. Small frames share a record; a longer
 * body is sealed straight from its buffer, in records of its own, which lets
 * the other side open them straight into its buffer. Mostly the kernel takes
 * everything and the buffer serves the next link; only what it does not take
 * stays with the link, one write in flight. */
#include <stdlib.h>
#include <string.h>

#include "net/impl.h"

enum { ROOM_MIN = 256 }; /* Less is not worth a record. */

void tx_dirty(struct wr_link *l)
{
    if (ring_empty(&l->dirty) && link_live(l))
        ring_join(&l->net->dirty[l->bulk], &l->dirty);
}

bool tx_put(struct wr_link *l, const struct wr_frame *f, struct wr_span header,
            struct wr_buf *body)
{
    struct out *const o = malloc(sizeof(*o) + WR_FRAME_HEAD + header.n);

    if (o == NULL)
        return false;
    *o = (struct out){.n = (uint32_t)(WR_FRAME_HEAD + header.n)};
    wr_frame_write(f, o->bytes);
    if (header.n > 0)
        memcpy(o->bytes + WR_FRAME_HEAD, header.p, header.n);
    if (f->body_n > 0)
        o->body = wr_buf_ref(body);
    *l->out_tail = o;
    l->out_tail = &o->next;
    l->out_control += o->n;
    l->out_bodies += f->body_n;
    return true;
}

static uint32_t body_size(const struct out *o)
{
    return o->body != NULL ? o->body->n : 0;
}

static void drop_first(struct wr_link *l)
{
    struct out *const o = l->out_head;

    l->out_head = o->next;
    if (l->out_head == NULL)
        l->out_tail = &l->out_head;
    l->out_control -= o->n;
    l->out_bodies -= body_size(o);
    wr_buf_unref(o->body);
    free(o);
}

void tx_free(struct wr_link *l)
{
    while (l->out_head != NULL)
        drop_first(l);
}

/* ---- sealing ---------------------------------------------------------- */

/* How much plaintext the next record may have. */
static size_t record_room(const struct wr_link *l, const struct sealed *s)
{
    const size_t left = l->gather - s->n;

    if (l->plain)
        return left;
    if (left < ROOM_MIN)
        return 0;
    return left < RECORD_MAX ? left - RECORD_HEAD - WR_NOISE_TAG
                             : WR_NOISE_DATA_MAX;
}

static uint8_t *record_at(const struct wr_link *l, struct sealed *s)
{
    return s->bytes + s->n + (l->plain ? 0 : RECORD_HEAD);
}

/* Closes a record of the plaintext `p`, which may be record_at(). */
static void seal(struct wr_link *l, struct sealed *s, struct wr_span p)
{
    uint8_t *const to = record_at(l, s);
    struct wr_writer w = wr_writer(s->bytes + s->n, RECORD_HEAD);

    if (l->plain) {
        if (to != p.p)
            memcpy(to, p.p, p.n);
        s->n += p.n;
        return;
    }
    wr_write_be16(&w, (uint16_t)(p.n + WR_NOISE_TAG));
    s->n += RECORD_HEAD + wr_noise_seal(&l->noise->send, &p, 1, to);
}

/* Where the next byte of the first frame is, and how many lie there. Its body
 * shares a record only if it is short. */
static struct wr_span small_part(const struct out *o)
{
    if (o->done < o->n)
        return wr_span(o->bytes + o->done, o->n - o->done);
    if (body_size(o) <= BODY_INLINE)
        return wr_span(o->body->p + (o->done - o->n),
                       body_size(o) - (o->done - o->n));
    return wr_span(NULL, 0);
}

/* A record of heads, headers and short bodies. */
static void seal_small(struct wr_link *l, struct sealed *s, size_t room)
{
    uint8_t *const to = record_at(l, s);
    size_t n = 0;

    while (l->out_head != NULL && n < room) {
        struct out *const o = l->out_head;
        const struct wr_span part = small_part(o);
        const size_t k = part.n < room - n ? part.n : room - n;

        if (k == 0)
            break; /* A long body is next. */
        memcpy(to + n, part.p, k);
        n += k;
        o->done += (uint32_t)k;
        if (o->done == o->n + body_size(o)) {
            l->net->stats.frames_out++;
            drop_first(l);
        }
    }
    seal(l, s, wr_span(to, n));
}

static void seal_body(struct wr_link *l, struct sealed *s, size_t room)
{
    struct out *const o = l->out_head;
    const uint32_t at = o->done - o->n;
    const size_t left = o->body->n - at;
    const size_t k = left < room ? left : room;

    seal(l, s, wr_span(o->body->p + at, k));
    o->done += (uint32_t)k;
    if (k == left) {
        l->net->stats.frames_out++;
        drop_first(l);
    }
}

static void seal_all(struct wr_link *l, struct sealed *s)
{
    while (l->out_head != NULL) {
        const size_t room = record_room(l, s);

        if (room == 0)
            return;
        if (small_part(l->out_head).n > 0)
            seal_small(l, s, room);
        else
            seal_body(l, s, room);
    }
}

/* ---- buffers ---------------------------------------------------------- */

static struct sealed *sealed_new(size_t room)
{
    struct sealed *const s = malloc(sizeof(*s) + room);

    if (s != NULL)
        s->n = 0;
    return s;
}

static struct sealed *spare_take(struct wr_net *net)
{
    struct sealed *const s = net->spare;

    net->spare = NULL;
    if (s == NULL)
        return sealed_new(GATHER_MAX);
    s->n = 0;
    return s;
}

static void spare_give(struct wr_net *net, struct sealed *s)
{
    if (net->spare == NULL)
        net->spare = s;
    else
        free(s);
}

/* ---- the kernel ------------------------------------------------------- */

static void cut_off(struct wr_link *l, int err)
{
    char peer[WR_ADDR_TEXT];

    link_gone(l, l->state == LINK_ENDING ? WR_OK : WR_ECLOSED,
              "%s: cut off: %s", link_peer(l, peer), uv_strerror(err));
}

static void on_written(uv_write_t *req, int status)
{
    struct sealed *const s = RING_OF(req, struct sealed, req);
    struct wr_link *const l = s->link;
    struct wr_net *const net = l->net;

    l->writing--;
    l->out_sealed -= s->n;
    l->tx_due_ms = 0;
    net_wait_slow(l);
    net->stats.send_held -= s->n;
    free(s);
    if (status < 0 && link_live(l))
        cut_off(l, status);
    else
        tx_dirty(l);
    net_release(net);
}

/* The kernel did not take all of it: the rest waits with the link. */
static void hold(struct wr_link *l, struct sealed *s, size_t from)
{
    uv_buf_t rest =
        uv_buf_init((char *)s->bytes + from, (unsigned)(s->n - from));
    int err;

    s->link = l;
    s->n -= from;
    err = uv_write(&s->req, &l->h.stream, &rest, 1, on_written);
    if (err != 0) {
        free(s);
        cut_off(l, err);
        return;
    }
    net_hold(l->net);
    l->writing++;
    l->out_sealed += s->n;
    l->tx_due_ms = net_due(l->net, s->n);
    net_wait_slow(l);
    l->net->stats.send_held += s->n;
}

/* Offers it all; how much was taken. Negative: the link is gone. */
static ssize_t offer(struct wr_link *l, const uint8_t *p, size_t n)
{
    const uv_buf_t buf = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    const int k = uv_try_write(&l->h.stream, &buf, 1);

    l->net->stats.bytes_out += n;
    l->net->stats.local_out += l->plain ? n : 0;
    if (k >= 0)
        return k;
    if (k == UV_EAGAIN)
        return 0;
    cut_off(l, k);
    return -1;
}

void tx_raw(struct wr_link *l, struct wr_span bytes)
{
    const ssize_t k = offer(l, bytes.p, bytes.n);
    struct sealed *s;

    if (k < 0 || (size_t)k == bytes.n)
        return;
    s = sealed_new(bytes.n);
    if (s == NULL) {
        link_gone(l, WR_ENOMEM, "out of memory");
        return;
    }
    memcpy(s->bytes, bytes.p, bytes.n);
    s->n = bytes.n;
    hold(l, s, (size_t)k);
}

/* A short rest moves into a buffer of its size, so that slow peers do not keep
 * the long ones. */
static void hold_rest(struct wr_link *l, struct sealed *s, size_t from)
{
    const size_t n = s->n - from;
    struct sealed *small = NULL;

    l->gather =
        l->net->stats.send_held < SEND_HELD_MAX ? GATHER_SLOW : GATHER_MIN;
    if (n <= GATHER_SLOW)
        small = sealed_new(n);
    if (small == NULL) {
        hold(l, s, from);
        return;
    }
    memcpy(small->bytes, s->bytes + from, n);
    small->n = n;
    spare_give(l->net, s);
    hold(l, small, 0);
}

static void on_shut(uv_shutdown_t *req, int status)
{
    (void)status; /* Then the peer's end comes as an error. */
    net_release(RING_OF(req, struct wr_link, req.shutdown)->net);
}

void tx_end(struct wr_link *l)
{
    if (l->shut || l->writing > 0 || l->out_head != NULL)
        return;
    l->shut = true;
    net_wait(l, WAIT_END, WR_LINK_LINGER_MS);
    if (uv_shutdown(&l->req.shutdown, &l->h.stream, on_shut) == 0)
        net_hold(l->net);
    else
        cut_off(l, UV_ENOTCONN);
}

static void drained(struct wr_link *l)
{
    if (!l->starved || l->state != LINK_OPEN || l->out_bodies > WR_LINK_LOW ||
        l->out_control > WR_LINK_CONTROL_MAX / 2)
        return;
    l->starved = false;
    if (l->ops->on_drain != NULL)
        l->ops->on_drain(l);
}

void tx_flush(struct wr_link *l)
{
    struct wr_net *const net = l->net;
    struct sealed *s;
    ssize_t k;

    if (!l->opened || !link_live(l) || l->writing > 0)
        return;
    if (l->out_head != NULL) {
        s = spare_take(net);
        if (s == NULL) {
            link_gone(l, WR_ENOMEM, "out of memory");
            return;
        }
        seal_all(l, s);
        k = offer(l, s->bytes, s->n);
        if (k < 0 || (size_t)k == s->n) {
            spare_give(net, s);
            l->gather = l->gather < GATHER_MAX / 2 ? l->gather * 2 : GATHER_MAX;
        } else {
            hold_rest(l, s, (size_t)k);
        }
        if (!link_live(l))
            return;
        if (l->out_head != NULL && l->writing == 0)
            tx_dirty(l);
    }
    if (l->state == LINK_ENDING)
        tx_end(l);
    else
        drained(l);
}
