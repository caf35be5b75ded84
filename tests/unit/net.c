/* Links: what goes in comes out, in order and whole; whatever else a peer does
 * ends in a reason; strangers get no byte. Real sockets on loopback. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/rng.h"
#include "crypto/noise.h"
#include "crypto/secret.h"
#include "net/addr.h"
#include "net/dial.h"
#include "net/guard.h"
#include "net/link.h"
#include "net/listener.h"
#include "wire/frame.h"

/* ---- two hosts on one loop -------------------------------------------- */

struct side {
    struct wr_net *net;
    uint8_t secret[32], public[32];
    struct wr_link *link; /* The last one that opened. */
    unsigned opens, closes, frames, asked, drains;
    enum wr_err why;
    char text[WR_WHY_TEXT_MAX];
    uint64_t bytes, hash; /* Of what came, in order. */
    unsigned refuse_asks; /* on_body says "not now" so often. */
    bool skip, echo, net_gone;
    enum wr_err verdict;  /* on_payload */
    unsigned close_after; /* Frames; 0: never. */
    bool abort;           /* Rather than close. */
    char payload[64];     /* The peer's. */
    const char *says;
};

static struct world {
    uv_loop_t loop;
    uv_timer_t watchdog;
    struct side a, b; /* a dials, b listens. */
    struct wr_listener *listener;
    uint8_t ring[32], psk[32], psk_a[32];
    unsigned ticks;
} w;

static uint64_t fold(uint64_t h, struct wr_span s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static size_t payload(struct wr_link *l, uint8_t *ret, size_t room)
{
    const struct side *const s = wr_link_owner(l);

    cr_assert_geq(room, WR_LINK_PAYLOAD_MAX);
    memcpy(ret, s->says, strlen(s->says));
    return strlen(s->says);
}

static enum wr_err on_payload(struct wr_link *l, struct wr_span p,
                              const uint8_t remote[32])
{
    struct side *const s = wr_link_owner(l);
    const struct side *const other = s == &w.a ? &w.b : &w.a;

    cr_assert_lt(p.n, sizeof(s->payload));
    memcpy(s->payload, p.p, p.n);
    s->payload[p.n] = '\0';
    cr_assert_eq(memcmp(remote, other->public, 32), 0);
    return s->verdict;
}

static void on_open(struct wr_link *l)
{
    struct side *const s = wr_link_owner(l);

    s->opens++;
    s->link = l;
}

static struct wr_buf *on_body(struct wr_link *l, struct wr_span header,
                              uint32_t n)
{
    struct side *const s = wr_link_owner(l);

    cr_assert_gt(header.n, 0);
    s->asked++;
    if (s->refuse_asks > 0) {
        s->refuse_asks--;
        return NULL;
    }
    return s->skip ? WR_LINK_SKIP : wr_buf_new(n);
}

static void on_frame(struct wr_link *l, struct wr_span header,
                     struct wr_buf *body)
{
    struct side *const s = wr_link_owner(l);

    s->frames++;
    s->hash = fold(s->hash, header);
    s->bytes += header.n;
    if (body != NULL) {
        s->hash = fold(s->hash, wr_span(body->p, body->n));
        s->bytes += body->n;
    }
    if (s->echo)
        cr_assert_eq(wr_link_send(l, header, body), WR_OK);
    wr_buf_unref(body);
    if (s->close_after == s->frames) {
        if (s->abort)
            wr_link_abort(l, WR_ECANCELED, "enough");
        else
            wr_link_close(l);
    }
}

static void on_drain(struct wr_link *l)
{
    ((struct side *)wr_link_owner(l))->drains++;
}

static void on_closed(struct wr_link *l, const struct wr_why *why)
{
    struct side *const s = wr_link_owner(l);

    s->closes++;
    s->why = why->err;
    memcpy(s->text, why->text, sizeof(s->text));
    s->link = NULL;
}

static const struct wr_link_ops ops = {
    .payload = payload,
    .on_payload = on_payload,
    .on_open = on_open,
    .on_body = on_body,
    .on_frame = on_frame,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

/* Wakes the loop, so that a condition is looked at again: what ends a turn may
 * fulfil it. */
static void tick(uv_timer_t *t)
{
    (void)t;
    cr_assert_lt(++w.ticks, 4000, "nothing happened for 20 s");
}

static void side_init(struct side *s, const uint8_t *psk, const char *says)
{
    struct wr_net_cfg cfg = {.loop = &w.loop, .ring = w.ring, .psk = psk};

    wr_secret_random(s->secret, sizeof(s->secret));
    wr_noise_public(s->secret, s->public);
    cfg.static_secret = s->secret;
    cfg.static_public = s->public;
    s->says = says;
    s->net = wr_net_new(&cfg);
    cr_assert_not_null(s->net);
}

static void setup(void)
{
    struct wr_addr at;
    struct wr_why why;

    signal(SIGPIPE, SIG_IGN);
    memset(&w, 0, sizeof(w));
    cr_assert_eq(wr_crypto_init(), WR_OK);
    cr_assert_eq(uv_loop_init(&w.loop), 0);
    uv_timer_init(&w.loop, &w.watchdog);
    uv_timer_start(&w.watchdog, tick, 5, 5);
    side_init(&w.a, w.psk_a, "the one who dials");
    side_init(&w.b, w.psk, "the one who listens");
    cr_assert_eq(wr_addr_parse("127.0.0.1:0", 0, &at), WR_OK);
    cr_assert_eq(wr_listen_tcp(w.b.net, &at, &ops, &w.b, &why, &w.listener),
                 WR_OK);
}

static void net_gone(void *arg)
{
    *(bool *)arg = true;
}

static void teardown(void)
{
    wr_net_close(w.a.net, net_gone, &w.a.net_gone);
    wr_net_close(w.b.net, net_gone, &w.b.net_gone);
    uv_close((uv_handle_t *)&w.watchdog, NULL);
    cr_assert_eq(uv_run(&w.loop, UV_RUN_DEFAULT), 0);
    cr_assert(w.a.net_gone && w.b.net_gone);
    cr_assert_eq(uv_loop_close(&w.loop), 0); /* No handle was left. */
}

TestSuite(net, .init = setup, .fini = teardown, .timeout = 60);

#define UNTIL(condition)                                                       \
    while (!(condition))                                                       \
    uv_run(&w.loop, UV_RUN_ONCE)

static struct wr_link *dial(void)
{
    const struct wr_dial d = {
        .addr = wr_listener_addr(w.listener), .ops = &ops, .owner = &w.a};
    struct wr_link *l;

    cr_assert_eq(wr_link_dial(w.a.net, &d, &l), WR_OK);
    return l;
}

static struct wr_link *dial_and_open(void)
{
    struct wr_link *const l = dial();

    UNTIL(w.a.opens == 1 && w.b.opens == 1);
    cr_assert_eq(w.a.link, l);
    return l;
}

/* A connection without manners. */
static int raw(void)
{
    struct sockaddr_storage sa;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    wr_addr_to_socket(wr_listener_addr(w.listener), &sa);
    cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static struct wr_buf *body_of(struct wr_rng *rng, size_t n)
{
    struct wr_buf *const b = wr_buf_new(n);

    cr_assert_not_null(b);
    wr_rng_fill(rng, b->p, n);
    b->n = (uint32_t)n;
    return b;
}

/* ---- frames ----------------------------------------------------------- */

Test(net, handshake_shows_each_side_the_other)
{
    struct wr_link *const l = dial_and_open();

    cr_assert_str_eq(w.a.payload, "the one who listens");
    cr_assert_str_eq(w.b.payload, "the one who dials");
    cr_assert_eq(memcmp(wr_link_hash(l), wr_link_hash(w.b.link), 64), 0);
    cr_assert_eq(memcmp(wr_link_remote(l), w.b.public, 32), 0);
    cr_assert(wr_link_was_dialled(l) && !wr_link_was_dialled(w.b.link));
    wr_link_close(l);
    UNTIL(w.a.closes == 1 && w.b.closes == 1);
    cr_assert_eq(w.a.why, WR_OK, "%s", w.a.text);
    cr_assert_eq(w.b.why, WR_OK, "%s", w.b.text);
}

/* Headers of all sizes, bodies just around every limit of records and
 * gatherings, mixed: all arrive, in order, unchanged; and come back. */
static void mixed(void)
{
    static const size_t sizes[] = {
        0,     1,     15,    4096,   16384,  16385,         65518,  65519,
        65520, 65521, 70000, 131038, 262144, (1 << 20) - 1, 1 << 20};
    struct wr_rng rng = {1};
    uint8_t header[WR_HEADER_MAX];
    uint64_t hash = 0;
    unsigned sent = 0;

    while (sent < 2000) {
        const size_t n = sizes[wr_rng_below(&rng, WR_ARRAY_LEN(sizes))];
        const size_t header_n =
            1 + wr_rng_below(&rng, wr_rng_below(&rng, 20) == 0 ? sizeof(header)
                                                               : 200);
        struct wr_buf *b = NULL;

        if (!wr_link_has_room(w.a.link, n)) {
            uv_run(&w.loop, UV_RUN_ONCE);
            continue;
        }
        /* Most have no body. */
        if (n > 0 && (n < 8192 || wr_rng_below(&rng, 4) == 0))
            b = body_of(&rng, n);
        wr_rng_fill(&rng, header, header_n);
        cr_assert_eq(wr_link_send(w.a.link, wr_span(header, header_n), b),
                     WR_OK);
        hash = fold(hash, wr_span(header, header_n));
        if (b != NULL)
            hash = fold(hash, wr_span(b->p, b->n));
        wr_buf_unref(b);
        sent++;
    }
    UNTIL(w.b.frames == sent);
    cr_assert_eq(w.b.hash, hash);
    cr_assert_eq(wr_link_queued_bytes(w.a.link), 0);
}

Test(net, frames_arrive_whole_and_in_order)
{
    dial_and_open();
    mixed();
}

Test(net, frames_arrive_whole_over_a_plain_socket)
{
    char path[64];
    const struct wr_dial d = {.path = path, .ops = &ops, .owner = &w.a};
    struct wr_listener *ls;
    struct wr_link *l;
    struct wr_why why;
    struct stat st;

    (void)snprintf(path, sizeof(path), "/tmp/wreath-net-%d", (int)getpid());
    cr_assert_eq(wr_listen_unix(w.b.net, path, &ops, &w.b, &why, &ls), WR_OK);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    cr_assert_eq(wr_link_dial(w.a.net, &d, &l), WR_OK);
    UNTIL(w.a.opens == 1 && w.b.opens == 1);
    cr_assert(wr_link_is_plain(l));
    mixed();
    wr_link_close(l);
    UNTIL(w.a.closes == 1 && w.b.closes == 1);
    cr_assert_eq(w.b.why, WR_OK);
    wr_listener_close(ls);
}

Test(net, both_directions_at_once)
{
    struct wr_rng rng = {2};
    struct wr_buf *const b = body_of(&rng, 300000);
    unsigned sent = 0;

    dial_and_open();
    w.b.echo = true;
    while (sent < 40) {
        if (wr_link_has_room(w.a.link, b->n)) {
            cr_assert_eq(wr_link_send(w.a.link, wr_span("x", 1), b), WR_OK);
            sent++;
        } else {
            uv_run(&w.loop, UV_RUN_ONCE);
        }
    }
    UNTIL(w.a.frames == sent);
    cr_assert_eq(w.a.hash, w.b.hash);
    wr_buf_unref(b);
}

/* What was queued before the close arrives, and END after it. */
Test(net, close_delivers_what_was_queued)
{
    struct wr_rng rng = {3};
    struct wr_buf *const b = body_of(&rng, 1 << 20);
    struct wr_link *const l = dial_and_open();

    cr_assert_eq(wr_link_send(l, wr_span("1", 1), b), WR_OK);
    cr_assert_eq(wr_link_send(l, wr_span("2", 1), b), WR_OK);
    wr_link_close(l);
    cr_assert_eq(wr_link_send(l, wr_span("3", 1), NULL), WR_ECLOSED);
    UNTIL(w.a.closes == 1 && w.b.closes == 1);
    cr_assert_eq(w.b.frames, 2);
    cr_assert_eq(w.b.why, WR_OK, "%s", w.b.text);
    cr_assert_eq(w.a.why, WR_OK, "%s", w.a.text);
    wr_buf_unref(b);
}

Test(net, a_callback_may_close_its_link)
{
    const struct wr_dial d = {
        .addr = wr_listener_addr(w.listener), .ops = &ops, .owner = &w.a};
    struct wr_link *l = dial_and_open();

    w.b.close_after = 3;
    w.b.abort = true;
    for (int i = 0; i < 10; i++)
        cr_assert_eq(wr_link_send(l, wr_span("x", 1), NULL), WR_OK);
    UNTIL(w.a.closes == 1 && w.b.closes == 1);
    cr_assert_eq(w.b.frames, 3); /* Not one after it. */
    cr_assert_eq(w.b.why, WR_ECANCELED);
    cr_assert_eq(w.a.why, WR_ECLOSED); /* No END: cut off. */

    w.b.frames = 0;
    w.b.abort = false;
    cr_assert_eq(wr_link_dial(w.a.net, &d, &l), WR_OK);
    UNTIL(w.a.opens == 2);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(wr_link_send(l, wr_span("x", 1), NULL), WR_OK);
    UNTIL(w.a.closes == 2 && w.b.closes == 2);
    cr_assert_eq(w.b.frames, 3);
    cr_assert_eq(w.a.why, WR_OK);
}

/* ---- back-pressure ---------------------------------------------------- */

Test(net, a_queue_is_bounded_and_drains)
{
    struct wr_rng rng = {4};
    struct wr_buf *const b = body_of(&rng, 256 << 10);
    struct wr_link *const l = dial_and_open();
    unsigned sent = 0;

    wr_link_pause(w.b.link);
    /* Until the kernel takes no more, and then our queue is full. */
    for (int still = 0; still < 50; still++) {
        while (wr_link_has_room(l, b->n)) {
            cr_assert_eq(wr_link_send(l, wr_span("x", 1), b), WR_OK);
            sent++;
            still = 0;
        }
        uv_run(&w.loop, UV_RUN_NOWAIT);
    }
    cr_assert_eq(wr_link_send(l, wr_span("x", 1), b), WR_EBUSY);
    cr_assert_leq(wr_link_queued_bytes(l), WR_LINK_BODIES_MAX + (512 << 10));
    cr_assert_eq(wr_link_send(l, wr_span("small", 5), NULL), WR_OK);
    cr_assert_eq(w.b.frames, 0);
    cr_assert_eq(w.a.drains, 0);
    wr_link_resume(w.b.link);
    UNTIL(w.b.frames == sent + 1);
    cr_assert_gt(w.a.drains, 0);
    wr_buf_unref(b);
}

/* A body that is refused for now stops the link, and nothing is lost. */
Test(net, no_buffer_pauses_and_asks_again)
{
    struct wr_rng rng = {5};
    struct wr_link *const l = dial_and_open();
    uint64_t hash = 0;

    w.b.refuse_asks = 3;
    for (size_t i = 0; i < 6; i++) {
        struct wr_buf *const b = body_of(&rng, 1 + i * 33333);

        cr_assert_eq(wr_link_send(l, wr_span("head", 4), b), WR_OK);
        cr_assert_eq(wr_link_send(l, wr_span("between", 7), NULL), WR_OK);
        hash = fold(hash, wr_span("head", 4));
        hash = fold(hash, wr_span(b->p, b->n));
        hash = fold(hash, wr_span("between", 7));
        wr_buf_unref(b);
    }
    for (unsigned asked = 1; asked <= 3; asked++) {
        UNTIL(w.b.asked == asked);
        for (int i = 0; i < 20; i++)
            uv_run(&w.loop, UV_RUN_NOWAIT);
        cr_assert_eq(w.b.frames, 0);
        cr_assert_eq(w.b.asked, asked);
        wr_link_resume(w.b.link);
    }
    UNTIL(w.b.frames == 12);
    cr_assert_eq(w.b.hash, hash);
}

Test(net, a_skipped_body_is_read_and_dropped)
{
    struct wr_rng rng = {6};
    struct wr_buf *const b = body_of(&rng, 200000);
    struct wr_link *const l = dial_and_open();

    w.b.skip = true;
    cr_assert_eq(wr_link_send(l, wr_span("a", 1), b), WR_OK);
    cr_assert_eq(wr_link_send(l, wr_span("b", 1), b), WR_OK);
    cr_assert_eq(wr_link_send(l, wr_span("c", 1), NULL), WR_OK);
    UNTIL(w.b.frames == 1);
    cr_assert_eq(w.b.asked, 2);
    cr_assert_eq(w.b.bytes, 1);
    wr_buf_unref(b);
}

/* A pause between two frames of one record holds the second one back. */
Test(net, pause_holds_what_has_come)
{
    struct wr_link *const l = dial_and_open();

    wr_link_pause(w.b.link);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(wr_link_send(l, wr_span("x", 1), NULL), WR_OK);
    for (int i = 0; i < 20; i++)
        uv_run(&w.loop, UV_RUN_NOWAIT);
    cr_assert_eq(w.b.frames, 0);
    wr_link_resume(w.b.link);
    UNTIL(w.b.frames == 100);
}

/* ---- strangers and liars ---------------------------------------------- */

/* All that a raw socket was sent until it was closed. */
static size_t answered(int fd)
{
    size_t total = 0;
    char buf[4096];

    for (;;) {
        const ssize_t n = read(fd, buf, sizeof(buf));

        if (n > 0)
            total += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            break;
        else
            uv_run(&w.loop, UV_RUN_NOWAIT);
    }
    close(fd);
    return total;
}

Test(net, no_byte_for_a_stranger)
{
    struct wr_rng rng = {7};
    struct wr_net_stats stats;

    for (size_t i = 0; i < 60; i++) {
        uint8_t junk[300];
        const int fd = raw();

        wr_rng_fill(&rng, junk, sizeof(junk));
        if (i % 3 == 0) { /* A well-formed length before the junk. */
            junk[0] = 0;
            junk[1] = 48;
        } else if (i % 3 == 1) {
            junk[0] = 0;
            junk[1] = 0;
        }
        cr_assert_gt(write(fd, junk, i == 0 ? 1 : sizeof(junk)), 0);
        if (i == 0)
            shutdown(fd, SHUT_WR);
        cr_assert_eq(answered(fd), 0);
    }
    wr_net_stats(w.b.net, &stats);
    cr_assert_geq(stats.strangers, 58);
    cr_assert_eq(stats.bytes_out, 0);
    cr_assert_eq(w.b.opens + w.b.closes, 0); /* The owner never hears of it. */
}

Test(net, another_secret_is_a_stranger)
{
    memset(w.psk_a, 1, sizeof(w.psk_a));
    dial();
    UNTIL(w.a.closes == 1);
    cr_assert_eq(w.a.why, WR_EREFUSED);
    cr_assert_not_null(strstr(w.a.text, "another ring"), "%s", w.a.text);
    cr_assert_eq(w.b.opens, 0);
}

Test(net, a_refused_credential_ends_the_link)
{
    w.a.verdict = WR_EREFUSED; /* Who dials does not like who answers. */
    dial();
    UNTIL(w.a.closes == 1);
    cr_assert_eq(w.a.why, WR_EREFUSED);
    cr_assert_str_empty(w.b.payload); /* And said nothing of itself. */
    w.a.verdict = WR_OK;
    w.b.verdict = WR_EREFUSED;
    dial();
    UNTIL(w.a.closes == 2);
    cr_assert_eq(w.b.opens, 0);
}

/* A man in the middle that flips one bit somewhere: never a frame that was
 * not sent, always an end with a reason. */
struct relay {
    int client, server;
    size_t flip_at, passed; /* Client to server, in bytes. */
};

static bool pump(int from, int to, struct relay *r)
{
    uint8_t buf[8192];
    const ssize_t n = read(from, buf, sizeof(buf));

    if (n < 0)
        return errno == EAGAIN;
    if (n == 0)
        return false;
    if (r != NULL && r->flip_at >= r->passed &&
        r->flip_at < r->passed + (size_t)n)
        buf[r->flip_at - r->passed] ^= 0x10;
    if (r != NULL)
        r->passed += (size_t)n;
    return write(to, buf, (size_t)n) == n;
}

/* Dials through a relay of our own, says hello and closes; how many bytes
 * passed. */
static size_t through_relay(size_t flip_at)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t n = sizeof(in);
    const int ls = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct relay r = {.flip_at = flip_at};
    struct wr_addr at;
    struct wr_dial d = {.addr = &at, .ops = &ops, .owner = &w.a};
    const unsigned closes = w.a.closes, opens = w.a.opens;
    struct wr_link *l;
    bool sent = false;

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(ls, (struct sockaddr *)&in, sizeof(in)), 0);
    cr_assert_eq(listen(ls, 1), 0);
    cr_assert_eq(getsockname(ls, (struct sockaddr *)&in, &n), 0);
    wr_addr_of_socket((struct sockaddr *)&in, &at);
    cr_assert_eq(wr_link_dial(w.a.net, &d, &l), WR_OK);
    r.client = accept(ls, NULL, NULL);
    r.server = raw();
    fcntl(r.client, F_SETFL, O_NONBLOCK);
    close(ls);
    w.b.frames = 0;
    while (w.a.closes == closes) {
        uv_run(&w.loop, UV_RUN_NOWAIT);
        if (w.a.opens > opens && w.a.link != NULL && !sent) {
            cr_assert_eq(wr_link_send(l, wr_span("hello", 5), NULL), WR_OK);
            wr_link_close(l);
            sent = true;
        }
        if (!pump(r.client, r.server, &r) || !pump(r.server, r.client, NULL))
            break;
    }
    close(r.client);
    close(r.server);
    UNTIL(w.a.closes > closes && w.b.opens == w.b.closes);
    return r.passed;
}

Test(net, one_flipped_bit_anywhere_is_noticed)
{
    const size_t total = through_relay(SIZE_MAX);
    unsigned opened = w.b.opens;

    cr_assert_eq(w.b.frames, 1); /* Unharmed it passes. */
    cr_assert_eq(w.b.why, WR_OK, "%s", w.b.text);
    cr_assert_gt(total, 48 + 64);
    for (size_t at = 0; at < total; at++) {
        through_relay(at);
        cr_assert_eq(w.b.frames, 0, "byte %zu was changed", at);
        if (w.b.opens > opened)
            cr_assert_neq(w.b.why, WR_OK, "byte %zu was changed", at);
        opened = w.b.opens;
    }
}

/* ---- frames of a liar who knows the secret (over a plain socket, where
 * bytes can be written as they are) ------------------------------------- */

static int plain_peer(char path[64], struct wr_listener **ls)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct wr_why why;

    (void)snprintf(path, 64, "/tmp/wreath-raw-%d", (int)getpid());
    cr_assert_eq(wr_listen_unix(w.b.net, path, &ops, &w.b, &why, ls), WR_OK);
    memcpy(un.sun_path, path, strlen(path) + 1);
    cr_assert_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    UNTIL(w.b.opens == 1);
    return fd;
}

static void liar(const uint8_t *p, size_t n, enum wr_err expect)
{
    struct wr_listener *ls;
    char path[64];
    const int fd = plain_peer(path, &ls);

    cr_assert_eq(write(fd, p, n), (ssize_t)n);
    if (expect == WR_ECLOSED)
        shutdown(fd, SHUT_WR);
    UNTIL(w.b.closes == 1);
    cr_assert_eq(w.b.why, expect, "%s", w.b.text);
    cr_assert_eq(w.b.frames, 0);
    close(fd);
    wr_listener_close(ls);
}

Test(net, oversized_header_is_refused)
{
    const uint8_t p[] = {0, 0, 0x40, 1, 0, 0, 0, 0, 'x'};

    liar(p, sizeof(p), WR_ETOOBIG);
}

Test(net, oversized_body_is_refused)
{
    const uint8_t p[] = {0, 0, 0, 1, 0x40, 0, 0, 0, 'x'};

    liar(p, sizeof(p), WR_ETOOBIG);
    cr_assert_eq(w.b.asked, 0); /* Before anybody was asked for memory. */
}

Test(net, garbage_is_refused)
{
    liar((const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18, WR_EINVAL);
}

Test(net, a_truncated_frame_is_noticed)
{
    const uint8_t p[] = {0, 0, 0, 1, 0, 0, 0, 9, 'x', 1, 2, 3};

    liar(p, sizeof(p), WR_ECLOSED);
}

/* Split at every place, whatever the reads bring, frames are the same. */
Test(net, frames_may_come_byte_by_byte)
{
    const uint8_t p[] = {0,    0, 0, 2, 0, 0, 0, 3, 'h', 'i', 1, 2, 3, /**/
                         0,    0, 0, 1, 0, 0, 0, 0, 'x',               /**/
                         0x80, 0, 0, 0, 0, 0, 0, 0};
    struct wr_listener *ls;
    char path[64];
    const int fd = plain_peer(path, &ls);

    for (size_t i = 0; i < sizeof(p); i++) {
        cr_assert_eq(write(fd, p + i, 1), 1);
        uv_run(&w.loop, UV_RUN_NOWAIT);
    }
    UNTIL(w.b.closes == 1);
    cr_assert_eq(w.b.why, WR_OK, "%s", w.b.text);
    cr_assert_eq(w.b.frames, 2);
    cr_assert_eq(w.b.bytes, 2 + 3 + 1);
    close(fd);
    wr_listener_close(ls);
}

/* ---- sockets ---------------------------------------------------------- */

Test(net, a_used_address_is_named)
{
    struct wr_listener *ls;
    struct wr_why why;
    char where[WR_ADDR_TEXT];

    cr_assert_eq(wr_listen_tcp(w.a.net, wr_listener_addr(w.listener), &ops,
                               &w.a, &why, &ls),
                 WR_ELOCKED);
    cr_assert_not_null(
        strstr(why.text, wr_addr_text(wr_listener_addr(w.listener), where)),
        "%s", why.text);
}

Test(net, a_stale_socket_is_replaced_and_a_live_one_is_not)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct wr_listener *ls, *second;
    struct wr_why why;
    char path[64];
    int fd;

    (void)snprintf(path, sizeof(path), "/tmp/wreath-stale-%d", (int)getpid());
    memcpy(un.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    close(fd); /* As after kill -9: the file stays. */
    cr_assert_eq(wr_listen_unix(w.b.net, path, &ops, &w.b, &why, &ls), WR_OK);
    cr_assert_eq(wr_listen_unix(w.a.net, path, &ops, &w.a, &why, &second),
                 WR_ELOCKED);
    cr_assert_not_null(strstr(why.text, "running wreath"), "%s", why.text);
    wr_listener_close(ls);

    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    close(fd); /* Somebody's file: never removed. */
    cr_assert_eq(wr_listen_unix(w.a.net, path, &ops, &w.a, &why, &second),
                 WR_EINVAL);
    cr_assert_eq(unlink(path), 0);
}

Test(net, nobody_listens)
{
    struct wr_addr at = *wr_listener_addr(w.listener);
    const struct wr_dial d = {.addr = &at, .ops = &ops, .owner = &w.a};
    struct wr_link *l;

    wr_listener_close(w.listener);
    uv_run(&w.loop, UV_RUN_NOWAIT);
    cr_assert_eq(wr_link_dial(w.a.net, &d, &l), WR_OK);
    cr_assert_eq(w.a.closes, 0); /* Never from within the call. */
    UNTIL(w.a.closes == 1);
    cr_assert_eq(w.a.why, WR_EUNREACH);
}

/* Descriptors run out: the loop goes on, and serves again when some are back.
 */
Test(net, running_out_of_descriptors_is_survived)
{
    struct rlimit old, low;
    struct wr_net_stats stats;
    int hoard[64], n = 0, waiting;

    waiting = raw();
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = 64;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (n < 64 && (hoard[n] = dup(waiting)) >= 0)
        n++;
    for (int i = 0; i < 50; i++)
        uv_run(&w.loop, UV_RUN_NOWAIT);
    wr_net_stats(w.b.net, &stats);
    cr_assert_eq(stats.half_open, 0);
    while (n > 0)
        close(hoard[--n]);
    close(waiting);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    dial_and_open();
}

static void name_found(void *arg, enum wr_err err, const struct wr_addr *v,
                       size_t n)
{
    struct side *const s = arg;

    s->why = err;
    s->closes++;
    if (err == WR_OK) {
        cr_assert_gt(n, 0);
        wr_addr_text(v, s->text);
    }
}

Test(net, names_are_resolved)
{
    cr_assert_eq(wr_resolve(w.a.net, "127.0.0.1:70", 7, name_found, &w.a),
                 WR_OK);
    cr_assert_eq(w.a.closes, 0);
    UNTIL(w.a.closes == 1);
    cr_assert_eq(w.a.why, WR_OK);
    cr_assert_str_eq(w.a.text, "127.0.0.1:70");
    cr_assert_eq(wr_resolve(w.a.net, "a:b:c", 7, name_found, &w.a), WR_EINVAL);
    cr_assert_eq(wr_resolve(w.a.net, "x:70000", 7, name_found, &w.a),
                 WR_EINVAL);
    /* Closing the net while a lookup is out: see teardown. */
    cr_assert_eq(wr_resolve(w.a.net, "localhost", 7, name_found, &w.a), WR_OK);
}

/* ---- pure parts ------------------------------------------------------- */

Test(addr, text_both_ways)
{
    static const char *const good[] = {"127.0.0.1:7000", "[::1]:1",
                                       "[2001:db8::5]:65535", "0.0.0.0:0"};
    static const char *const bad[] = {
        "",           "host:1",      "1.2.3:4",    "1.2.3.4:65536",
        "1.2.3.4:",   "::1",         "[::1]x",     "[::1",
        "1.2.3.4:+1", "[1.2.3.4]:1", "1.2.3.4:-1", "1.2.3.4: 1"};
    char text[WR_ADDR_TEXT];
    struct sockaddr_storage sa;
    struct wr_addr a, b;

    for (size_t i = 0; i < WR_ARRAY_LEN(good); i++) {
        cr_assert_eq(wr_addr_parse(good[i], 9, &a), WR_OK, "%s", good[i]);
        cr_assert_str_eq(wr_addr_text(&a, text), good[i]);
        wr_addr_to_socket(&a, &sa);
        wr_addr_of_socket((struct sockaddr *)&sa, &b);
        cr_assert_eq(memcmp(&a, &b, sizeof(a)), 0);
    }
    for (size_t i = 0; i < WR_ARRAY_LEN(bad); i++)
        cr_assert_eq(wr_addr_parse(bad[i], 9, &a), WR_EINVAL, "%s", bad[i]);
    cr_assert_eq(wr_addr_parse("1.2.3.4", 9, &a), WR_OK);
    cr_assert_eq(a.port, 9);
    cr_assert(!wr_addr_is_any(&a) && wr_addr_is_v4(&a));
}

static struct wr_addr v4(unsigned n, unsigned net)
{
    struct wr_addr a;
    char text[WR_ADDR_TEXT];

    (void)snprintf(text, sizeof(text), "10.%u.%u.%u:1", net >> 8 & 255,
                   net & 255, n);
    cr_assert_eq(wr_addr_parse(text, 0, &a), WR_OK);
    return a;
}

static unsigned knocks(struct wr_guard *g, const struct wr_addr *a, wr_time now,
                       unsigned tries)
{
    unsigned in = 0;

    for (unsigned i = 0; i < tries; i++)
        in += wr_guard_knock(g, a, now);
    return in;
}

Test(guard, limits_addresses_and_networks)
{
    static struct wr_guard g;
    const struct wr_addr a = v4(1, 1), b = v4(2, 1), far = v4(1, 2);
    unsigned in = 0;

    wr_guard_init(&g, 42);
    cr_assert_eq(knocks(&g, &a, WR_SEC(1), 1000), WR_KNOCKS_BURST);
    cr_assert_eq(knocks(&g, &b, WR_SEC(1), 10), 10); /* Its neighbour. */
    cr_assert_eq(knocks(&g, &a, WR_SEC(2), 1000), WR_KNOCKS_PER_S);
    for (unsigned i = 3; i < 200; i++) { /* The whole network at once. */
        const struct wr_addr c = v4(i, 1);

        in += knocks(&g, &c, WR_SEC(2), 10);
    }
    cr_assert_leq(in, WR_KNOCKS_BURST * WR_KNOCKS_NET);
    cr_assert_eq(knocks(&g, &far, WR_SEC(2), 10), 10);
}

/* 300 leaves behind one address, each of which knows the secret. */
Test(guard, those_who_know_the_secret_pay_nothing)
{
    static struct wr_guard g;
    const struct wr_addr a = v4(1, 1);

    wr_guard_init(&g, 42);
    for (unsigned i = 0; i < 300; i++) {
        cr_assert(wr_guard_knock(&g, &a, WR_SEC(1)));
        wr_guard_refund(&g, &a, WR_SEC(1));
    }
    /* Replays get theirs taken again. */
    for (unsigned i = 0; i < WR_KNOCKS_BURST; i++)
        wr_guard_charge(&g, &a, WR_SEC(1));
    cr_assert(!wr_guard_knock(&g, &a, WR_SEC(1)));
}

/* A flood from many addresses does not lock out one that was never seen. */
Test(guard, a_flood_does_not_lock_others_out)
{
    static struct wr_guard g;
    const struct wr_addr member = v4(7, 40000);

    wr_guard_init(&g, 42);
    for (unsigned i = 0; i < 200000; i++) {
        const struct wr_addr a = v4(i % 250, i / 250 % 20000);

        (void)wr_guard_knock(&g, &a, WR_SEC(1) + i);
    }
    cr_assert(wr_guard_knock(&g, &member, WR_SEC(2)));
}
