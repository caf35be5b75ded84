/* link.c - what comes in on a link, plain or sealed, cut into any pieces, with
 * an owner who refuses, skips and pauses: the frames that arrive are those of
 * the stream, as a plain loop over it reads them, up to what is no frame or was
 * altered; and the end has the right reason. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rng.h"
#include "fuzz.h"
#include "net/impl.h"

enum { BODY_MAX = 1 << 16, STREAM_MAX = 1 << 16, TURNS = 200000 };

/* Frames, in order; bodies that the owner wants. */
struct tale {
    uint64_t frames, hash;
};

static struct {
    uv_loop_t loop;
    struct wr_net *net;
    struct wr_rng rng;
    struct tale got;
    unsigned refuse; /* One body in so many is not wanted yet; 0: none. */
    unsigned pause;  /* After one frame in so many; 0: never. */
    bool closed;
    enum wr_err why;
} w;

static uint64_t fold(uint64_t h, struct wr_span s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static void tell(struct tale *t, struct wr_span header, struct wr_span body)
{
    t->frames++;
    t->hash = fold(fold(t->hash, header), body);
}

/* Known from the frame alone, so that the loop over the stream knows it too. */
static bool skips(struct wr_span header)
{
    return header.p[0] % 4 == 3;
}

static bool one_in(unsigned n)
{
    return n > 0 && wr_rng_below(&w.rng, n) == 0;
}

static struct wr_buf *on_body(struct wr_link *l, struct wr_span header,
                              uint32_t n)
{
    struct wr_buf *b;

    (void)l;
    WR_CHECK(header.n >= 1 && n >= 1 && n <= BODY_MAX);
    if (one_in(w.refuse))
        return NULL;
    if (skips(header))
        return WR_LINK_SKIP;
    b = wr_buf_new(n);
    WR_CHECK(b != NULL);
    return b;
}

static void on_frame(struct wr_link *l, struct wr_span header,
                     struct wr_buf *body)
{
    tell(&w.got, header,
         body != NULL ? wr_span(body->p, body->n) : (struct wr_span){0});
    wr_buf_unref(body);
    if (one_in(w.pause))
        wr_link_pause(l);
}

static void on_closed(struct wr_link *l, const struct wr_why *why)
{
    (void)l;
    w.closed = true;
    w.why = why->err;
}

static const struct wr_link_ops ops = {
    .on_body = on_body, .on_frame = on_frame, .on_closed = on_closed};

/* What the stream says, and how it ends. */
static enum wr_err read_through(struct wr_span in, struct tale *ret)
{
    struct wr_reader r = wr_reader(in);

    *ret = (struct tale){0};
    for (;;) {
        const struct wr_span head = wr_read(&r, WR_FRAME_HEAD);
        struct wr_span header, body;
        struct wr_frame f;
        enum wr_err err;

        if (r.bad)
            return WR_ECLOSED;
        err = wr_frame_read(head.p, BODY_MAX, &f);
        if (err != WR_OK || f.end)
            return err;
        header = wr_read(&r, f.header_n);
        body = wr_read(&r, f.body_n);
        if (r.bad)
            return WR_ECLOSED;
        if (f.body_n == 0 || !skips(header))
            tell(ret, header, body);
    }
}

/* A piece's length: short ones mostly. */
static size_t piece(size_t most)
{
    const size_t n =
        1 + wr_rng_below(&w.rng, wr_rng_below(&w.rng, 4) == 0 ? 20000 : 40);

    return n < most ? n : most;
}

/* As records under `k`. */
static size_t seal(const uint8_t *k, struct wr_span in, uint8_t *ret)
{
    struct wr_noise_dir d = {0};
    size_t n = 0;

    memcpy(d.k, k, sizeof(d.k));
    for (size_t at = 0, some; at < in.n; at += some) {
        some = piece(in.n - at);
        const struct wr_span part = wr_span(in.p + at, some);
        struct wr_writer head = wr_writer(ret + n, RECORD_HEAD);

        wr_write_be16(&head, (uint16_t)(some + WR_NOISE_TAG));
        n += RECORD_HEAD + wr_noise_seal(&d, &part, 1, ret + n + RECORD_HEAD);
    }
    return n;
}

static struct wr_link *open_link(int fd, const uint8_t *key)
{
    struct wr_link *const l = link_new(w.net, key == NULL, &ops, NULL);

    WR_CHECK(l != NULL);
    wr_link_set_body_max(l, BODY_MAX);
    if (key == NULL) {
        WR_CHECK(uv_pipe_open(&l->h.pipe, fd) == 0);
        link_start(l);
        return l;
    }
    WR_CHECK(uv_tcp_open(&l->h.tcp, fd) == 0);
    l->noise = calloc(1, sizeof(*l->noise));
    WR_CHECK(l->noise != NULL);
    memcpy(l->noise->recv.k, key, sizeof(l->noise->recv.k));
    link_opened(l);
    link_read(l, true);
    return l;
}

/* Says it piece by piece; the loop turns between them. */
static void play(struct wr_link *l, int fd, struct wr_span in)
{
    size_t at = 0;
    bool shut = false;

    for (unsigned i = 0; !w.closed; i++) {
        WR_CHECK(i < TURNS);
        if (at < in.n) {
            const ssize_t n =
                send(fd, in.p + at, piece(in.n - at), MSG_NOSIGNAL);

            at = n < 0 ? in.n : at + (size_t)n;
        } else if (!shut) {
            shut = true;
            WR_CHECK(shutdown(fd, SHUT_WR) == 0);
        }
        uv_run(&w.loop, UV_RUN_NOWAIT);
        if (!w.closed && link_live(l))
            wr_link_resume(l);
    }
}

static void on_turn(uv_idle_t *idle)
{
    (void)idle;
}

static void prepare(void)
{
    static uv_idle_t busy; /* The loop never sleeps. */
    struct wr_net_cfg cfg = {.loop = &w.loop};

    WR_CHECK(uv_loop_init(&w.loop) == 0);
    WR_CHECK(uv_idle_init(&w.loop, &busy) == 0);
    WR_CHECK(uv_idle_start(&busy, on_turn) == 0);
    w.net = wr_net_new(&cfg);
    WR_CHECK(w.net != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[WR_NOISE_KEY] = {3};
    static uint8_t sealed[STREAM_MAX * (1 + RECORD_HEAD + WR_NOISE_TAG)];
    struct fuzz f = fuzz(data, size);
    const uint8_t how = fuzz_u8(&f), seed = fuzz_u8(&f);
    const uint32_t hit = fuzz_u32(&f);
    const struct wr_span plain = fuzz_bytes(&f, STREAM_MAX);
    const bool seals = (how & 1) != 0, alters = (how & 6) == 6;
    struct wr_span in = plain;
    struct tale whole;
    enum wr_err end;
    int fd[2];

    if (w.net == NULL)
        prepare();
    w.rng.state = seed;
    w.got = (struct tale){0};
    w.closed = false;
    w.refuse = how & 8 ? 2 : 0;
    w.pause = how & 16 ? 2 : 0;
    end = read_through(plain, &whole);
    if (seals) {
        in = wr_span(sealed, seal(key, plain, sealed));
        if (alters && in.n > 0)
            sealed[hit % in.n] ^= (uint8_t)(1 + how / 32);
    }
    WR_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
    play(open_link(fd[0], seals ? key : NULL), fd[1], in);
    close(fd[1]);
    if (seals && alters && in.n > 0) {
        WR_CHECK(w.got.frames <= whole.frames); /* Never what was not said. */
        return 0;
    }
    WR_CHECK(w.got.frames == whole.frames && w.got.hash == whole.hash);
    WR_CHECK(w.why == end);
    return 0;
}
