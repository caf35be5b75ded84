/* linkbench - what one encrypted link carries: two processes on loopback, one
 * sends and one receives.
 *
 *     linkbench body BYTES SECONDS     frames with a body of so many bytes
 *     linkbench small BYTES SECONDS    frames with a header of so many bytes
 *     linkbench plain-body ...         over a Unix socket, unencrypted
 *
 * Prints the rate, and the CPU time of each side per GiB or million frames. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/noise.h"
#include "crypto/secret.h"
#include "net/addr.h"
#include "net/dial.h"
#include "net/listener.h"
#include "sys/clock.h"

static struct {
    uv_loop_t loop;
    struct wr_net *net;
    struct wr_pool *pool;
    struct wr_buf *body;
    struct wr_link *link;
    size_t size;
    bool bodies;
    wr_time until, began;
    uint64_t frames, bytes;
    uint8_t header[256];
    uint8_t ring[32], psk[32], secret[32], public[32];
} b;

static double cpu(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void pour(struct wr_link *l)
{
    const size_t n = b.bodies ? 40 : b.size;

    if (wr_clock_now() > b.until) {
        wr_link_close(l);
        return;
    }
    while (wr_link_has_room(l, b.bodies ? b.size : 0)) {
        if (wr_link_send(l, wr_span(b.header, n), b.body) != WR_OK)
            abort();
        b.frames++;
    }
    /* Asks for on_drain. */
    if (wr_link_send(l, wr_span(b.header, n), b.body) == WR_OK)
        abort();
}

static struct wr_buf *on_body(struct wr_link *l, struct wr_span header,
                              uint32_t n)
{
    (void)l;
    (void)header;
    return wr_pool_get(b.pool, 0, n);
}

static void on_frame(struct wr_link *l, struct wr_span header,
                     struct wr_buf *body)
{
    (void)l;
    if (b.frames++ == 0)
        b.began = wr_clock_now();
    b.bytes += header.n + (body != NULL ? body->n : 0);
    wr_buf_unref(body);
}

static void on_closed(struct wr_link *l, const struct wr_why *why)
{
    (void)l;
    if (why->err != WR_OK)
        (void)fprintf(stderr, "closed: %s\n", why->text);
    uv_stop(&b.loop);
}

static const struct wr_link_ops sender = {
    .on_open = pour,
    .on_body = on_body,
    .on_frame = on_frame,
    .on_drain = pour,
    .on_closed = on_closed,
};

static const struct wr_link_ops receiver = {
    .on_body = on_body,
    .on_frame = on_frame,
    .on_closed = on_closed,
};

static void report(const char *who)
{
    const double secs = (double)(wr_clock_now() - b.began) / 1e6;

    if (b.bodies)
        (void)printf("%-9s %8.1f MiB/s  %6.3f CPU s/GiB\n", who,
                     (double)b.bytes / secs / (1 << 20),
                     cpu() / ((double)b.bytes / (1 << 30)));
    else
        (void)printf("%-9s %8.0f frames/s  %6.3f CPU s/million\n", who,
                     (double)b.frames / secs, cpu() / (double)b.frames * 1e6);
}

static void net_open(void)
{
    struct wr_net_cfg cfg = {.loop = &b.loop,
                             .ring = b.ring,
                             .psk = b.psk,
                             .static_secret = b.secret,
                             .static_public = b.public};
    const struct wr_pool_cfg pool = {.cap = 24 << 20};

    signal(SIGPIPE, SIG_IGN);
    if (wr_crypto_init() != WR_OK || uv_loop_init(&b.loop) != 0)
        abort();
    wr_secret_random(b.secret, 32);
    wr_noise_public(b.secret, b.public);
    b.net = wr_net_new(&cfg);
    b.pool = wr_pool_new(&pool);
    if (b.net == NULL || b.pool == NULL)
        abort();
}

static int send_all(int from_parent, const char *path, double seconds)
{
    struct wr_addr at;
    struct wr_dial d = {.ops = &sender};

    if (read(from_parent, &at, sizeof(at)) != sizeof(at))
        return 1;
    net_open();
    if (b.bodies) {
        b.body = wr_buf_new(b.size);
        b.body->n = (uint32_t)b.size;
        memset(b.body->p, 7, b.size);
    }
    b.began = wr_clock_now();
    b.until = b.began + (wr_time)(seconds * 1e6);
    if (path != NULL)
        d.path = path;
    else
        d.addr = &at;
    if (wr_link_dial(b.net, &d, &b.link) != WR_OK)
        return 1;
    uv_run(&b.loop, UV_RUN_DEFAULT);
    b.bytes = b.frames * (b.bodies ? 40 + b.size : b.size);
    report("sender");
    return 0;
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    struct wr_listener *ls;
    struct wr_addr at;
    struct wr_why why;
    int pipe_[2], status;
    pid_t child;

    if (argc != 4) {
        (void)fprintf(stderr, "usage: linkbench [plain-]body|small BYTES "
                              "SECONDS\n");
        return 2;
    }
    b.bodies = strstr(argv[1], "body") != NULL;
    b.size = strtoul(argv[2], NULL, 10);
    if (strncmp(argv[1], "plain-", 6) == 0)
        path = "linkbench.socket";
    if (b.size == 0 || b.size > WR_BUF_SIZE_MAX ||
        (!b.bodies && b.size > sizeof(b.header)) || pipe(pipe_) != 0)
        return 2;
    child = fork();
    if (child == 0)
        _exit(send_all(pipe_[0], path, strtod(argv[3], NULL)) |
              (fflush(stdout) != 0));
    net_open();
    if (wr_addr_parse("127.0.0.1:0", 0, &at) != WR_OK ||
        (path != NULL ? wr_listen_unix(b.net, path, &receiver, NULL, &why, &ls)
                      : wr_listen_tcp(b.net, &at, &receiver, NULL, &why,
                                      &ls)) != WR_OK) {
        (void)fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    if (path == NULL)
        at = *wr_listener_addr(ls);
    if (write(pipe_[1], &at, sizeof(at)) != sizeof(at))
        return 1;
    uv_run(&b.loop, UV_RUN_DEFAULT);
    report("receiver");
    wr_listener_close(ls);
    (void)waitpid(child, &status, 0);
    return 0;
}
