/*
 * netkit.h - what the tests of links share: two hosts on one loop, `a` dials
 * and `b` listens, both count what happens to them; and connections without
 * manners. One test at a time: the world is a global.
 */
#ifndef WR_TESTS_NETKIT_H
#define WR_TESTS_NETKIT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/rng.h"
#include "crypto/noise.h"
#include "crypto/secret.h"
#include "net/addr.h"
#include "net/dial.h"
#include "net/link.h"
#include "net/listener.h"

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

static inline uint64_t fold(uint64_t h, struct wr_span s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static inline size_t payload(struct wr_link *l, uint8_t *ret, size_t room)
{
    const struct side *const s = wr_link_owner(l);

    cr_assert_geq(room, WR_LINK_PAYLOAD_MAX);
    memcpy(ret, s->says, strlen(s->says));
    return strlen(s->says);
}

static inline enum wr_err on_payload(struct wr_link *l, struct wr_span p,
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

static inline void on_open(struct wr_link *l)
{
    struct side *const s = wr_link_owner(l);

    s->opens++;
    s->link = l;
}

static inline struct wr_buf *on_body(struct wr_link *l, struct wr_span header,
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

static inline void on_frame(struct wr_link *l, struct wr_span header,
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

static inline void on_drain(struct wr_link *l)
{
    ((struct side *)wr_link_owner(l))->drains++;
}

static inline void on_closed(struct wr_link *l, const struct wr_why *why)
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
static inline void tick(uv_timer_t *t)
{
    (void)t;
    cr_assert_lt(++w.ticks, 4000, "nothing happened for 20 s");
}

static inline void side_init(struct side *s, const uint8_t *psk,
                             const char *says)
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

static inline void setup(void)
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

static inline void net_gone(void *arg)
{
    *(bool *)arg = true;
}

static inline void teardown(void)
{
    wr_net_close(w.a.net, net_gone, &w.a.net_gone);
    wr_net_close(w.b.net, net_gone, &w.b.net_gone);
    uv_close((uv_handle_t *)&w.watchdog, NULL);
    cr_assert_eq(uv_run(&w.loop, UV_RUN_DEFAULT), 0);
    cr_assert(w.a.net_gone && w.b.net_gone);
    cr_assert_eq(uv_loop_close(&w.loop), 0); /* No handle was left. */
}

#define UNTIL(condition)                                                       \
    while (!(condition))                                                       \
    uv_run(&w.loop, UV_RUN_ONCE)

static inline struct wr_link *dial(void)
{
    const struct wr_dial d = {
        .addr = wr_listener_addr(w.listener), .ops = &ops, .owner = &w.a};
    struct wr_link *l;

    cr_assert_eq(wr_link_dial(w.a.net, &d, &l), WR_OK);
    return l;
}

static inline struct wr_link *dial_and_open(void)
{
    struct wr_link *const l = dial();

    UNTIL(w.a.opens == 1 && w.b.opens == 1);
    cr_assert_eq(w.a.link, l);
    return l;
}

/* A connection without manners, from 127.x.y.z. */
static inline int raw_from(uint8_t x, uint8_t y, uint8_t z)
{
    struct sockaddr_storage sa;
    struct sockaddr_in from = {.sin_family = AF_INET};
    const uint8_t ip[] = {127, x, y, z};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    memcpy(&from.sin_addr, ip, 4);
    cr_assert_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    wr_addr_to_socket(wr_listener_addr(w.listener), &sa);
    cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline struct wr_buf *body_of(struct wr_rng *rng, size_t n)
{
    struct wr_buf *const b = wr_buf_new(n);

    cr_assert_not_null(b);
    wr_rng_fill(rng, b->p, n);
    b->n = (uint32_t)n;
    return b;
}

static inline int raw(void)
{
    return raw_from(0, 0, 1);
}

#endif
