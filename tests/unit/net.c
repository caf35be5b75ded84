/* Links: what goes in comes out, in order and whole, and no faster than it is
 * wanted. Real sockets on loopback. */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../support/netkit.h"

TestSuite(net, .init = setup, .fini = teardown, .timeout = 60);

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

/* ---- everything at once ----------------------------------------------- */

enum { STREAMS = 4 };

/* Owner of the receiving end of a link: frames must come in sequence, with the
 * body that belongs to their number. */
struct stream {
    struct wr_link *to, *at; /* Where it is sent, where it comes. */
    uint32_t sent, got;
    bool paused;
};

static struct {
    struct stream v[STREAMS];
    struct wr_rng rng;
    unsigned opens;
} storm;

static size_t body_size(uint32_t number)
{
    struct wr_rng r = {number};

    return wr_rng_below(&r, 3) == 0 ? 0
                                    : 1 + wr_rng_below(&r, 1 << (number % 21));
}

static struct wr_buf *storm_on_body(struct wr_link *l, struct wr_span header,
                                    uint32_t n)
{
    struct stream *const s = &storm.v[header.p[0]];

    s->at = l;
    if (wr_rng_below(&storm.rng, 4) != 0)
        return wr_buf_new(n);
    s->paused = true;
    return NULL;
}

static void storm_on_frame(struct wr_link *l, struct wr_span header,
                           struct wr_buf *body)
{
    struct stream *const s = &storm.v[header.p[0]];
    struct wr_reader r = wr_reader(wr_span(header.p + 1, header.n - 1));
    const uint32_t number = wr_read_be32(&r);

    s->at = l;
    cr_assert(!s->paused);
    cr_assert_eq(number, s->got++);
    cr_assert_eq(body != NULL ? body->n : 0, body_size(number));
    for (uint32_t i = 0; body != NULL && i < body->n; i += 997)
        cr_assert_eq(body->p[i], (uint8_t)(number + i));
    wr_buf_unref(body);
    if (wr_rng_below(&storm.rng, 8) == 0) {
        wr_link_pause(l);
        s->paused = true;
    }
}

static void storm_on_open(struct wr_link *l)
{
    (void)l;
    storm.opens++;
}

static const struct wr_link_ops storm_ops = {
    .on_open = storm_on_open,
    .on_body = storm_on_body,
    .on_frame = storm_on_frame,
};

static void storm_send(uint8_t i)
{
    struct stream *const s = &storm.v[i];
    const size_t n = body_size(s->sent);
    uint8_t header[300] = {i};
    struct wr_writer w_ = wr_writer(header + 1, 4);
    struct wr_buf *b = NULL;

    if (!wr_link_has_room(s->to, n))
        return;
    wr_write_be32(&w_, s->sent);
    if (n > 0) {
        b = wr_buf_new(n);
        for (uint32_t k = 0; k < n; k++)
            b->p[k] = (uint8_t)(s->sent + k);
        b->n = (uint32_t)n;
    }
    cr_assert_eq(wr_link_send(s->to, wr_span(header, 5 + s->sent % 290), b),
                 WR_OK);
    wr_buf_unref(b);
    s->sent++;
}

static void storm_resume(void)
{
    for (size_t i = 0; i < STREAMS; i++) {
        if (!storm.v[i].paused || wr_rng_below(&storm.rng, 3) != 0)
            continue;
        storm.v[i].paused = false;
        wr_link_resume(storm.v[i].at);
    }
}

static bool storm_over(void)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (storm.v[i].got != storm.v[i].sent)
            return false;
    return true;
}

/* Pauses, refusals and resumptions at random on four links: every frame still
 * comes once, in order, whole, and none while its link is paused. */
Test(net, pauses_at_random_lose_nothing)
{
    struct wr_listener *ls;
    struct wr_addr at;
    struct wr_why why;

    cr_assert_eq(wr_addr_parse("127.0.0.1", 0, &at), WR_OK);
    cr_assert_eq(wr_listen_tcp(w.b.net, &at, &storm_ops, NULL, &why, &ls),
                 WR_OK);
    for (size_t i = 0; i < STREAMS; i++) {
        const struct wr_dial d = {.addr = wr_listener_addr(ls),
                                  .ops = &storm_ops};

        cr_assert_eq(wr_link_dial(w.a.net, &d, &storm.v[i].to), WR_OK);
    }
    UNTIL(storm.opens == 2 * STREAMS);
    for (unsigned i = 0; i < 4000; i++) {
        storm_send((uint8_t)wr_rng_below(&storm.rng, STREAMS));
        if (wr_rng_below(&storm.rng, 4) == 0) {
            storm_resume();
            uv_run(&w.loop, UV_RUN_NOWAIT);
        }
    }
    while (!storm_over()) {
        storm_resume();
        uv_run(&w.loop, UV_RUN_NOWAIT);
    }
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
