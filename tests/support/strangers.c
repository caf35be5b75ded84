/* strangers.c - a crowd that does not know the ring secret:
 *
 *     strangers [OPTION...] ADDRESS:PORT...
 *
 *     --rate N       new connections a second, to any of the addresses (1000)
 *     --hold N       no more than so many at a time, which drip a byte a second
 *     --for S        seconds (5)
 *     --from A.B     from addresses of A.B.0.0/16, by lot (127.254)
 *     --ticket FILE  replay first messages, 64 of them, made with a ticket's
 *                    secret as somebody would have recorded them
 *
 * A connection says nothing, or random bytes, or a well-formed length before
 * random bytes, or a recorded message, and is closed when a second has passed
 * or the other side closes it. Prints one JSON object: what was done, the bytes
 * that came back (the first answer of each host to each recording is not a
 * stranger's: it is counted apart), and the processor time that it took. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "crypto/noise.h"
#include "crypto/secret.h"
#include "crypto/ticket.h"

enum {
    TARGETS_MAX = 16,
    CONNS_MAX = 16384,
    RECORDINGS = 64,
    MESSAGE = 2 + 48,
    STAY_MS = 1000,
    DRIP_MS = 1000,
};

enum kind { SILENT, GARBAGE, LENGTH, REPLAY, DRIP, KINDS };

struct conn {
    int fd; /* -1: free. */
    enum kind kind;
    uint16_t recording, target;
    bool connected;
    uint64_t until_ms, drip_ms;
};

static struct {
    struct sockaddr_in to[TARGETS_MAX];
    unsigned targets;
    uint64_t rate, hold, seconds;
    uint8_t from[2];
    uint8_t message[RECORDINGS][MESSAGE];
    bool replays, heard[RECORDINGS][TARGETS_MAX];
    struct wr_rng rng;
    int ep;
    struct conn conns[CONNS_MAX];
    uint32_t free_list[CONNS_MAX], free_n;
    uint64_t opened, connected, failed, closed, back, back_first, most;
} w = {.rate = 1000, .seconds = 5, .from = {127, 254}};

static uint64_t now_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void die(const char *what)
{
    perror(what);
    exit(2);
}

/* ---- recordings -------------------------------------------------------------
 */

static void record(const char *path)
{
    static char text[WR_TICKET_TEXT_MAX + 64];
    FILE *const f = fopen(path, "r");
    uint8_t secret[WR_NOISE_KEY], public[WR_NOISE_KEY], fresh[WR_NOISE_KEY];
    uint8_t psk[1][WR_NOISE_KEY], prologue[40] = "wreath\0\1";
    struct wr_ticket t;
    struct wr_noise_cfg cfg = {.pattern = &wr_noise_xxpsk0,
                               .initiator = true,
                               .prologue = wr_span(prologue, sizeof(prologue)),
                               .static_secret = secret,
                               .static_public = public,
                               .ephemeral_secret = fresh,
                               .psks = (const uint8_t(*)[WR_NOISE_KEY])psk,
                               .n_psks = 1};
    size_t n;

    if (f == NULL)
        die(path);
    n = fread(text, 1, sizeof(text), f);
    fclose(f);
    if (wr_ticket_parse(wr_span(text, n), &t) != WR_TICKET_GOOD) {
        fprintf(stderr, "%s: no ticket\n", path);
        exit(2);
    }
    memcpy(prologue + 8, t.ring, 32);
    memcpy(psk[0], t.secret, WR_NOISE_KEY);
    wr_secret_random(secret, sizeof(secret));
    wr_noise_public(secret, public);
    for (unsigned i = 0; i < RECORDINGS; i++) {
        struct wr_noise hs;

        wr_secret_random(fresh, sizeof(fresh));
        wr_noise_start(&hs, &cfg);
        if (wr_noise_write(&hs, (struct wr_span){0}, w.message[i] + 2,
                           MESSAGE - 2, &n) != WR_OK)
            exit(2);
        w.message[i][1] = (uint8_t)n;
        wr_noise_wipe(&hs);
    }
    w.replays = true;
}

/* ---- connections --------------------------------------------------------- */

static void end(struct conn *c, uint64_t *count)
{
    close(c->fd);
    c->fd = -1;
    w.free_list[w.free_n++] = (uint32_t)(c - w.conns);
    ++*count;
}

static enum kind kind_of(uint64_t n)
{
    if (w.hold > 0)
        return DRIP;
    return (enum kind)(n % (w.replays ? 4 : 3));
}

static void open_one(uint64_t now)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    const int one = 1;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
    const uint8_t ip[] = {w.from[0], w.from[1],
                          (uint8_t)wr_rng_below(&w.rng, 256),
                          (uint8_t)(1 + wr_rng_below(&w.rng, 254))};
    struct conn *c;

    if (w.free_n == 0) {
        w.failed++;
        return;
    }
    c = &w.conns[w.free_list[--w.free_n]];
    *c = (struct conn){.kind = kind_of(w.opened), .until_ms = now + STAY_MS};
    c->recording = (uint16_t)(w.opened / 4 % RECORDINGS);
    c->target = (uint16_t)(wr_rng_below(&w.rng, w.targets));
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        die("socket");
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    memcpy(&from.sin_addr, ip, sizeof(ip));
    if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) != 0)
        die("bind");
    if (connect(c->fd, (const struct sockaddr *)&w.to[c->target],
                sizeof(w.to[0])) != 0 &&
        errno != EINPROGRESS) {
        end(c, &w.failed);
        return;
    }
    if (c->kind == DRIP)
        c->until_ms = UINT64_MAX;
    w.opened++;
    ev.data.u32 = (uint32_t)(c - w.conns);
    if (epoll_ctl(w.ep, EPOLL_CTL_ADD, c->fd, &ev) != 0)
        die("epoll_ctl");
    if (CONNS_MAX - w.free_n > w.most)
        w.most = CONNS_MAX - w.free_n;
}

/* Its one word. False: it is over. */
static bool say(struct conn *c)
{
    uint8_t bytes[300];
    size_t n = sizeof(bytes);

    wr_rng_fill(&w.rng, bytes, sizeof(bytes));
    switch (c->kind) {
    case SILENT:
        return true;
    case LENGTH:
        bytes[0] = 0;
        bytes[1] = 48;
        break;
    case REPLAY:
        memcpy(bytes, w.message[c->recording], MESSAGE);
        n = MESSAGE;
        break;
    case DRIP:
        bytes[0] = 0; /* The length of a first message, byte by byte. */
        n = 1;
        break;
    case GARBAGE:
    case KINDS:
        break;
    }
    return send(c->fd, bytes, n, MSG_NOSIGNAL) >= 0 || errno == EAGAIN;
}

static void hear(struct conn *c)
{
    uint8_t bytes[4096];
    ssize_t n;

    while ((n = recv(c->fd, bytes, sizeof(bytes), 0)) > 0) {
        if (c->kind == REPLAY && !w.heard[c->recording][c->target])
            w.back_first += (uint64_t)n;
        else
            w.back += (uint64_t)n;
    }
    if (n < 0 && errno == EAGAIN)
        return;
    if (c->kind == REPLAY)
        w.heard[c->recording][c->target] =
            true; /* From here on it is a replay. */
    end(c, c->connected ? &w.closed : &w.failed);
}

static void handle(struct conn *c, uint32_t events, uint64_t now)
{
    if (c->fd < 0)
        return;
    if ((events & EPOLLOUT) != 0 && !c->connected &&
        (events & (EPOLLERR | EPOLLHUP)) == 0) {
        c->connected = true;
        w.connected++;
        c->drip_ms = now + DRIP_MS;
        if (!say(c)) {
            end(c, &w.closed);
            return;
        }
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
        hear(c);
}

static void sweep(uint64_t now)
{
    for (uint32_t i = 0; i < CONNS_MAX; i++) {
        struct conn *const c = &w.conns[i];

        if (c->fd < 0)
            continue;
        if (now >= c->until_ms) {
            if (c->kind == REPLAY)
                w.heard[c->recording][c->target] = true;
            end(c, c->connected ? &w.closed : &w.failed);
        } else if (c->kind == DRIP && c->connected && now >= c->drip_ms) {
            c->drip_ms = now + DRIP_MS;
            if (!say(c))
                end(c, &w.closed);
        }
    }
}

static void run(void)
{
    const uint64_t began = now_ms(CLOCK_MONOTONIC);
    const uint64_t until = began + w.seconds * 1000;
    uint64_t now = began, then = began, swept = began, due = 0;

    while (now < until) {
        struct epoll_event ev[512];
        int n;

        for (due += (now - then) * w.rate; due >= 1000; due -= 1000)
            if (w.hold == 0 || CONNS_MAX - w.free_n < w.hold)
                open_one(now);
        then = now;
        n = epoll_wait(w.ep, ev, 512, 1);
        now = now_ms(CLOCK_MONOTONIC);
        for (int i = 0; i < n; i++)
            handle(&w.conns[ev[i].data.u32], ev[i].events, now);
        if (now >= swept + 50) {
            sweep(now);
            swept = now;
        }
    }
}

/* ---- the command --------------------------------------------------------- */

static void target(const char *text)
{
    struct sockaddr_in *const to = &w.to[w.targets];
    char ip[64];
    unsigned port;

    if (w.targets == TARGETS_MAX ||
        sscanf(text, "%63[0-9.]:%u", ip, &port) != 2 ||
        inet_pton(AF_INET, ip, &to->sin_addr) != 1) {
        fprintf(stderr, "strangers: '%s' is no address\n", text);
        exit(2);
    }
    to->sin_family = AF_INET;
    to->sin_port = htons((uint16_t)port);
    w.targets++;
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *const value = i + 1 < argc ? argv[i + 1] : "";

        if (strncmp(argv[i], "--", 2) != 0) {
            target(argv[i]);
            continue;
        }
        i++;
        if (strcmp(argv[i - 1], "--rate") == 0)
            w.rate = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--hold") == 0)
            w.hold = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--for") == 0)
            w.seconds = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--from") == 0)
            (void)sscanf(value, "%hhu.%hhu", &w.from[0], &w.from[1]);
        else if (strcmp(argv[i - 1], "--ticket") == 0)
            record(value);
        else
            w.targets = TARGETS_MAX + 1;
    }
    if (w.targets == 0 || w.targets > TARGETS_MAX || w.hold > CONNS_MAX) {
        fprintf(stderr, "usage: strangers [--rate N | --hold N] [--for S] "
                        "[--from A.B] [--ticket FILE] ADDRESS:PORT...\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct rlimit lim;
    uint64_t began;

    if (wr_crypto_init() != WR_OK)
        return 2;
    read_options(argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
        lim.rlim_cur = lim.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &lim);
    }
    w.ep = epoll_create1(EPOLL_CLOEXEC);
    if (w.ep < 0)
        die("epoll_create1");
    for (uint32_t i = CONNS_MAX; i > 0; i--) {
        w.conns[i - 1].fd = -1;
        w.free_list[w.free_n++] = i - 1;
    }
    began = now_ms(CLOCK_MONOTONIC);
    run();
    printf("{\"opened\":%ju,\"connected\":%ju,\"failed\":%ju,\"closed\":%ju,"
           "\"most\":%ju,\"bytes_back\":%ju,\"bytes_back_first\":%ju,"
           "\"cpu_ms\":%ju,\"wall_ms\":%ju}\n",
           (uintmax_t)w.opened, (uintmax_t)w.connected, (uintmax_t)w.failed,
           (uintmax_t)w.closed, (uintmax_t)w.most, (uintmax_t)w.back,
           (uintmax_t)w.back_first, (uintmax_t)now_ms(CLOCK_PROCESS_CPUTIME_ID),
           (uintmax_t)(now_ms(CLOCK_MONOTONIC) - began));
    return 0;
}
