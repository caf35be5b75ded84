/* Whatever a peer does ends in a reason; a stranger gets no byte; a liar gets
 * no frame through. Real sockets on loopback. */
#include <netinet/tcp.h>

#include "../support/netkit.h"
#include "net/impl.h"

TestSuite(net_hostile, .init = setup, .fini = teardown, .timeout = 60);

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

/* A man in the middle. */
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

/* Dials through a relay of our own. */
static struct wr_link *dial_relay(struct relay *r)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t n = sizeof(in);
    const int ls = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct wr_addr at;
    struct wr_dial d = {.addr = &at, .ops = &ops, .owner = &w.a};
    struct wr_link *l;

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(ls, (struct sockaddr *)&in, sizeof(in)), 0);
    cr_assert_eq(listen(ls, 1), 0);
    cr_assert_eq(getsockname(ls, (struct sockaddr *)&in, &n), 0);
    wr_addr_of_socket((struct sockaddr *)&in, &at);
    cr_assert_eq(wr_link_dial(w.a.net, &d, &l), WR_OK);
    r->client = accept(ls, NULL, NULL);
    r->server = raw();
    fcntl(r->client, F_SETFL, O_NONBLOCK);
    close(ls);
    return l;
}

static void end_relay(struct relay *r)
{
    close(r->client);
    close(r->server);
    UNTIL(w.a.closes == 1 && w.b.closes == 1);
}

Test(net_hostile, no_byte_for_a_stranger)
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

/* More silent connections than there are places, and a member still comes in:
 * the oldest of them makes room. */
Test(net_hostile, silence_does_not_keep_members_out)
{
    enum { SILENT = WR_HALF_OPEN_MAX + 100 };
    struct wr_net_stats stats;
    static int fds[SILENT];

    for (size_t i = 0; i < SILENT; i++) {
        fds[i] = raw_from(1, (uint8_t)(i / 100), (uint8_t)(1 + i % 100));
        uv_run(&w.loop, UV_RUN_NOWAIT);
    }
    UNTIL((wr_net_stats(w.b.net, &stats), stats.accepted == SILENT));
    cr_assert_eq(stats.half_open, WR_HALF_OPEN_MAX);
    cr_assert_eq(stats.evicted, 100);
    dial_and_open();
    cr_assert_eq(answered(fds[0]), 0); /* The oldest is closed already. */
    for (size_t i = 1; i < SILENT; i++)
        close(fds[i]);
}

/* So many at a time come in; all come in. */
Test(net_hostile, a_flood_takes_turns_with_those_who_are_here)
{
    enum { CROWD = 3 * ACCEPT_MAX };
    struct wr_net_stats stats;
    uint64_t turns, before;
    int fds[CROWD];

    dial_and_open();
    for (size_t i = 0; i < CROWD; i++)
        fds[i] = raw_from(4, (uint8_t)(i / 100), (uint8_t)(1 + i % 100));
    wr_net_stats(w.b.net, &stats);
    before = stats.accepted;
    turns = w.b.net->turns;
    while (stats.accepted < before + CROWD) {
        uv_run(&w.loop, UV_RUN_NOWAIT);
        wr_net_stats(w.b.net, &stats);
        cr_assert_leq(stats.accepted - before,
                      (w.b.net->turns - turns + 1) * ACCEPT_MAX);
    }
    for (size_t i = 0; i < CROWD; i++)
        close(fds[i]);
}

/* One address may not fill the places of all. */
Test(net_hostile, one_address_may_knock_so_often)
{
    enum { KNOCKS = WR_KNOCKS_BURST + 100 };
    struct wr_net_stats stats;
    int fds[KNOCKS];

    for (size_t i = 0; i < KNOCKS; i++)
        fds[i] = raw_from(2, 0, 1);
    UNTIL((wr_net_stats(w.b.net, &stats), stats.accepted == KNOCKS));
    cr_assert_gt(stats.rate_limited, 0);
    cr_assert_leq(stats.half_open, KNOCKS - stats.rate_limited);
    dial_and_open(); /* From elsewhere. */
    for (size_t i = 0; i < KNOCKS; i++)
        close(fds[i]);
}

/* What a member said, said again by who listened: not a byte either. */
Test(net_hostile, no_byte_for_a_recording)
{
    const uint64_t opened = w.b.opens;
    uint8_t first[2 + 48];
    struct wr_net_stats before, after;
    struct relay r;
    struct wr_link *const l = dial_relay(&r);
    size_t n = 0;

    while (n < sizeof(first)) {
        const ssize_t k = read(r.client, first + n, sizeof(first) - n);

        if (k > 0)
            n += (size_t)k;
        uv_run(&w.loop, UV_RUN_NOWAIT);
    }
    cr_assert_eq(write(r.server, first, n), (ssize_t)n);
    while (w.a.opens == 0 || w.b.opens == opened) { /* It is who it says. */
        uv_run(&w.loop, UV_RUN_NOWAIT);
        cr_assert(pump(r.client, r.server, &r));
        cr_assert(pump(r.server, r.client, NULL));
    }
    wr_net_stats(w.b.net, &before);
    for (uint8_t i = 0; i < 10; i++) {
        const int fd = raw_from(3, i, 1);

        cr_assert_eq(write(fd, first, sizeof(first)), (ssize_t)sizeof(first));
        cr_assert_eq(answered(fd), 0);
    }
    wr_net_stats(w.b.net, &after);
    cr_assert_eq(after.strangers, before.strangers + 10);
    cr_assert_eq(after.bytes_out, before.bytes_out);
    cr_assert(wr_link_is_open(l));
    end_relay(&r);
}

Test(net_hostile, another_secret_is_a_stranger)
{
    memset(w.psk_a, 1, sizeof(w.psk_a));
    dial();
    UNTIL(w.a.closes == 1);
    cr_assert_eq(w.a.why, WR_EREFUSED);
    cr_assert_not_null(strstr(w.a.text, "another ring"), "%s", w.a.text);
    cr_assert_eq(w.b.opens, 0);
}

Test(net_hostile, a_refused_credential_ends_the_link)
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
 * not sent, always an end with a reason. Says hello and closes; how many bytes
 * passed. */
static size_t through_relay(size_t flip_at)
{
    struct relay r = {.flip_at = flip_at};
    const unsigned closes = w.a.closes, opens = w.a.opens;
    struct wr_link *const l = dial_relay(&r);
    bool sent = false;

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

Test(net_hostile, one_flipped_bit_anywhere_is_noticed)
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

/* ---- those who drip ----------------------------------------------------- */

/* A link whose bytes pass through our hands. */
static struct wr_link *open_relay(struct relay *r)
{
    struct wr_link *l;

    *r = (struct relay){.flip_at = SIZE_MAX};
    l = dial_relay(r);
    while (w.a.opens == 0 || w.b.opens == 0) {
        uv_run(&w.loop, UV_RUN_NOWAIT);
        cr_assert(pump(r->client, r->server, r));
        cr_assert(pump(r->server, r->client, NULL));
    }
    return l;
}

/* As if so much time had passed. */
static void later(struct wr_net *net, uint64_t ms)
{
    net_scan(net, uv_now(&w.loop) + ms);
}

/* A body that has begun holds a buffer: it has to come at a pace. */
Test(net_hostile, who_drips_a_body_is_cut_off)
{
    enum { BODY = 512 << 10, DUE = WR_LINK_SILENT_MS + BODY / 4096 * 1000 };
    struct wr_rng rng = {3};
    struct wr_buf *const body = body_of(&rng, BODY);
    struct relay r;
    struct wr_link *const l = open_relay(&r);

    cr_assert_eq(wr_link_send(l, wr_span("put", 3), body), WR_OK);
    wr_buf_unref(body);
    while (w.b.asked == 0) { /* Then no more of it. */
        uv_run(&w.loop, UV_RUN_NOWAIT);
        cr_assert(pump(r.client, r.server, &r));
    }
    later(w.b.net, DUE - 1000);
    uv_run(&w.loop, UV_RUN_NOWAIT);
    cr_assert_eq(w.b.closes, 0, "%s", w.b.text);
    later(w.b.net, DUE + 1000);
    UNTIL(w.b.closes == 1);
    cr_assert_eq(w.b.why, WR_ETIMEOUT);
    cr_assert_not_null(strstr(w.b.text, "too slowly"), "%s", w.b.text);
    end_relay(&r);
}

/* A piece of a record, and never the rest. */
Test(net_hostile, who_drips_a_header_is_cut_off)
{
    struct relay r;
    struct wr_link *const l = open_relay(&r);
    uint8_t byte;

    cr_assert_eq(wr_link_send(l, wr_span("hello", 5), NULL), WR_OK);
    while (read(r.client, &byte, 1) != 1)
        uv_run(&w.loop, UV_RUN_NOWAIT);
    cr_assert_eq(write(r.server, &byte, 1), 1);
    UNTIL(w.b.net->waits_n[WAIT_SLOW] == 1);
    later(w.b.net, WR_LINK_SILENT_MS - 1000);
    uv_run(&w.loop, UV_RUN_NOWAIT);
    cr_assert_eq(w.b.closes, 0, "%s", w.b.text);
    later(w.b.net, 2 * WR_LINK_SILENT_MS);
    UNTIL(w.b.closes == 1);
    cr_assert_eq(w.b.why, WR_ETIMEOUT);
    end_relay(&r);
}

/* Nobody is blamed for our own want of a buffer, nor for silence between
 * frames. */
Test(net_hostile, who_waits_for_us_is_not)
{
    struct wr_rng rng = {4};
    struct wr_buf *const body = body_of(&rng, 9000);
    struct wr_link *const l = dial_and_open();

    later(w.b.net, 100 * WR_LINK_SILENT_MS);
    w.b.refuse_asks = 1;
    cr_assert_eq(wr_link_send(l, wr_span("put", 3), body), WR_OK);
    wr_buf_unref(body);
    UNTIL(w.b.asked == 1);
    later(w.b.net, 100 * WR_LINK_SILENT_MS);
    wr_link_resume(w.b.link);
    UNTIL(w.b.frames == 1);
    later(w.b.net, 100 * WR_LINK_SILENT_MS);
    uv_run(&w.loop, UV_RUN_NOWAIT);
    cr_assert_eq(w.b.closes + w.a.closes, 0);
}

/* What is sent holds buffers as well. */
Test(net_hostile, who_does_not_read_is_cut_off)
{
    struct wr_rng rng = {5};
    struct wr_buf *const body = body_of(&rng, 256 << 10);
    struct relay r;
    struct wr_link *const l = open_relay(&r);

    while (l->writing == 0 || wr_link_has_room(l, body->n)) {
        if (wr_link_has_room(l, body->n))
            cr_assert_eq(wr_link_send(l, wr_span("data", 4), body), WR_OK);
        uv_run(&w.loop, UV_RUN_NOWAIT);
    }
    wr_buf_unref(body);
    later(w.a.net, WR_LINK_SILENT_MS - 1000);
    uv_run(&w.loop, UV_RUN_NOWAIT);
    cr_assert_eq(w.a.closes, 0, "%s", w.a.text);
    later(w.a.net, 4 * WR_LINK_SILENT_MS);
    UNTIL(w.a.closes == 1);
    cr_assert_eq(w.a.why, WR_ETIMEOUT);
    end_relay(&r);
}

/* A process that was stopped, or whose machine slept, blames nobody. */
Test(net_hostile, nobody_is_late_while_we_stood_still)
{
    const int fd = raw();
    struct wr_net_stats stats;
    struct wr_link *l;
    uint64_t due;

    UNTIL((wr_net_stats(w.b.net, &stats), stats.half_open == 1));
    l = RING_OF(w.b.net->waits[WAIT_STRANGER].next, struct wr_link, wait);
    due = l->deadline_ms;
    w.b.net->scanned_ms -= 2 * WR_HALF_OPEN_MS;
    UNTIL(w.b.net->scanned_ms + WR_HALF_OPEN_MS > uv_now(&w.loop));
    cr_assert_geq(l->deadline_ms, due + 2 * WR_HALF_OPEN_MS);
    wr_net_stats(w.b.net, &stats);
    cr_assert_eq(stats.half_open, 1);
    close(fd);
}

/* Who is gone without a word is noticed, also where nothing is said. */
Test(net_hostile, the_kernel_asks_after_silent_peers)
{
    static const int options[][3] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, WR_LINK_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, WR_LINK_ASK_S},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, WR_LINK_SILENT_MS},
    };
    struct wr_link *links[2];

    links[0] = dial_and_open();
    links[1] = w.b.link;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < WR_ARRAY_LEN(options); i++) {
            socklen_t n = sizeof(int);
            uv_os_fd_t fd;
            int v = -1;

            cr_assert_eq(uv_fileno(&links[k]->h.handle, &fd), 0);
            cr_assert_eq(getsockopt(fd, options[i][0], options[i][1], &v, &n),
                         0);
            cr_assert_eq(v, options[i][2], "option %zu", i);
        }
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

Test(net_hostile, oversized_header_is_refused)
{
    const uint8_t p[] = {0, 0, 0x40, 1, 0, 0, 0, 0, 'x'};

    liar(p, sizeof(p), WR_ETOOBIG);
}

Test(net_hostile, oversized_body_is_refused)
{
    const uint8_t p[] = {0, 0, 0, 1, 0x40, 0, 0, 0, 'x'};

    liar(p, sizeof(p), WR_ETOOBIG);
    cr_assert_eq(w.b.asked, 0); /* Before anybody was asked for memory. */
}

Test(net_hostile, garbage_is_refused)
{
    liar((const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18, WR_EINVAL);
}

Test(net_hostile, a_truncated_frame_is_noticed)
{
    const uint8_t p[] = {0, 0, 0, 1, 0, 0, 0, 9, 'x', 1, 2, 3};

    liar(p, sizeof(p), WR_ECLOSED);
}

/* Split at every place, whatever the reads bring, frames are the same. */
Test(net_hostile, frames_may_come_byte_by_byte)
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
