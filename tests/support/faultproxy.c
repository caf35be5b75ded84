/*
 * faultproxy - a network that misbehaves on demand, between real processes.
 *
 *     faultproxy IP NAME...
 *
 * Listens on a port of IP for each NAME (a *route*) and prints a line
 * `NAME IP:PORT IP:TARGET` for each: callers of the first are led to the
 * second, a free port on which a super-peer is to listen while it advertises
 * the first. Then it obeys the lines of its standard input, and answers each
 * with `ok` or `no: why`; it ends with its input.
 *
 *     NAME delay MS [JITTER]  each byte, both ways, keeping their order
 *     NAME rate BYTES         so many a second, each way; 0: no bound
 *     NAME stall              nothing passes, nothing is read: windows fill
 *     NAME stall-in           so towards the target alone: a one-way cut,
 *     NAME stall-out          or away from it
 *     NAME dark               bytes are read and go nowhere: half-open, for
 *                             the links that it meets for good
 *     NAME reset              every link is reset, once
 *     NAME refuse             new callers are reset
 *     NAME clear              as at the beginning; dark links stay dark
 *     NAME count              answers `ok LINKS BYTES`: now, and passed so far
 *
 * What the kernel cannot do here (it has no netem) happens in this process: TCP
 * ends at each side of it, so acknowledgements are its own, and a lost packet
 * shows as delay. Memory is bounded: QUEUE_MAX bytes a direction of a link,
 * then it stops reading.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
    ROUTES_MAX = 64,
    LINE_MAX_BYTES = 256,
    CHUNK = 16384,
    QUEUE_MAX = 1 << 20,
    SLICE_MS = 20, /* A bounded rate is let through in slices of so long. */
};

struct chunk {
    struct chunk *next;
    uint64_t due; /* ms */
    size_t n, sent;
    char bytes[];
};

struct link;

/* One direction of a link: what `from` sends, on its way to `to`. */
struct half {
    struct link *link;
    uv_tcp_t *from, *to;
    uv_timer_t timer;
    struct chunk *head, **tail;
    size_t queued;
    uint64_t paid; /* ms up to which the rate's allowance was used. */
    bool reading, writing, ended, shut;
};

struct route {
    char name[64];
    uv_tcp_t listener;
    struct sockaddr_in target;
    bool refuse, dark, stall[2];
    uint64_t delay, jitter, rate, passed;
    struct link *links;
};

struct link {
    struct link *prev, *next;
    struct route *route;
    uv_tcp_t near, far; /* The caller; the target. */
    struct half half[2];
    uv_connect_t connect;
    int handles; /* Not closed yet; the link is freed with the last. */
    bool closing, dark, up;
};

static uv_loop_t *loop;
static struct route routes[ROUTES_MAX];
static int routes_n;
static uint64_t dice = 88172645463325252ULL;

static void pump(struct half *h);

static uint64_t throw(uint64_t below)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return below == 0 ? 0 : dice % below;
}

static void must(int r, const char *what)
{
    if (r >= 0)
        return;
    (void)fprintf(stderr, "faultproxy: %s: %s\n", what, uv_strerror(r));
    exit(1);
}

static void *take(size_t n)
{
    void *p = calloc(1, n);

    if (p == NULL) {
        (void)fprintf(stderr, "faultproxy: no memory\n");
        exit(1);
    }
    return p;
}

/* ---- links ----------------------------------------------------------------
 */

static void on_closed(uv_handle_t *handle)
{
    struct link *l = handle->data;

    if (--l->handles > 0)
        return;
    for (int i = 0; i < 2; i++)
        while (l->half[i].head != NULL) {
            struct chunk *c = l->half[i].head;

            l->half[i].head = c->next;
            free(c);
        }
    free(l);
}

static void link_close(struct link *l, bool reset)
{
    if (l->closing)
        return;
    l->closing = true;
    if (l->prev != NULL)
        l->prev->next = l->next;
    else
        l->route->links = l->next;
    if (l->next != NULL)
        l->next->prev = l->prev;
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&l->half[i].timer, on_closed);
    if (!reset || uv_tcp_close_reset(&l->near, on_closed) != 0)
        uv_close((uv_handle_t *)&l->near, on_closed);
    if (!reset || uv_tcp_close_reset(&l->far, on_closed) != 0)
        uv_close((uv_handle_t *)&l->far, on_closed);
}

static void on_timer(uv_timer_t *t)
{
    struct link *l = t->data;

    pump(&l->half[t == &l->half[1].timer]);
}

static void give_room(uv_handle_t *handle, size_t n, uv_buf_t *buf)
{
    static char room[CHUNK];

    (void)handle;
    (void)n;
    *buf = uv_buf_init(room, sizeof(room));
}

static void on_read(uv_stream_t *from, ssize_t n, const uv_buf_t *buf)
{
    struct link *l = from->data;
    struct half *h = &l->half[from == (uv_stream_t *)&l->far];
    const struct route *r = l->route;
    struct chunk *c;

    if (n == UV_EOF) {
        h->ended = true;
        pump(h);
        return;
    }
    if (n < 0) {
        link_close(l, true);
        return;
    }
    if (n == 0 || l->dark)
        return;
    c = take(sizeof(*c) + (size_t)n);
    c->n = (size_t)n;
    c->due = uv_now(loop) + r->delay + throw(r->jitter + 1);
    memcpy(c->bytes, buf->base, (size_t)n);
    *h->tail = c;
    h->tail = &c->next;
    h->queued += (size_t)n;
    pump(h);
}

/* Reads while there is room, and nothing holds it up. */
static void read_or_not(struct half *h)
{
    const struct link *l = h->link;
    const bool want = l->up && !h->ended && h->queued < QUEUE_MAX &&
                      (l->dark || !l->route->stall[h - l->half]);

    if (want == h->reading)
        return;
    h->reading = want;
    if (want)
        must(uv_read_start((uv_stream_t *)h->from, give_room, on_read), "read");
    else
        uv_read_stop((uv_stream_t *)h->from);
}

struct writing {
    uv_write_t req;
    struct half *half;
    size_t n;
    char bytes[];
};

static void on_written(uv_write_t *req, int status)
{
    struct writing *w = (struct writing *)req;
    struct half *h = w->half;

    h->writing = false;
    h->link->route->passed += w->n;
    free(w);
    if (h->link->closing)
        return;
    if (status < 0)
        link_close(h->link, true);
    else
        pump(h);
}

static void on_shut(uv_shutdown_t *req, int status)
{
    (void)status;
    free(req);
}

/* Bytes that the rate allows now. */
static size_t allowance(struct half *h, uint64_t now)
{
    const uint64_t rate = h->link->route->rate;

    if (rate == 0)
        return CHUNK;
    if (h->paid + 10 * SLICE_MS < now || h->paid > now + 1000)
        h->paid = now - SLICE_MS;
    return h->paid >= now ? 0 : (size_t)((now - h->paid) * rate / 1000);
}

/* Sends what is due. */
static void pump(struct half *h)
{
    struct link *l = h->link;
    const struct route *r = l->route;
    const uint64_t now = uv_now(loop);
    struct chunk *c = h->head;
    struct writing *w;
    uv_buf_t buf;
    size_t n;

    if (l->closing || !l->up)
        return;
    read_or_not(h);
    if (h->writing || (!l->dark && r->stall[h - l->half]))
        return;
    if (c == NULL) {
        if (h->ended && !h->shut) {
            uv_shutdown_t *req = take(sizeof(*req));

            h->shut = true;
            if (uv_shutdown(req, (uv_stream_t *)h->to, on_shut) != 0)
                free(req);
            if (l->half[0].shut && l->half[1].shut)
                link_close(l, false);
        }
        return;
    }
    if (c->due > now) {
        uv_timer_start(&h->timer, on_timer, c->due - now, 0);
        return;
    }
    n = allowance(h, now);
    if (n == 0) {
        uv_timer_start(&h->timer, on_timer,
                       r->rate < 50 ? 1000 / r->rate + 1 : SLICE_MS, 0);
        return;
    }
    if (n > c->n - c->sent)
        n = c->n - c->sent;
    if (r->rate > 0)
        h->paid += n * 1000 / r->rate + (n * 1000 % r->rate != 0);
    w = take(sizeof(*w) + n);
    w->half = h;
    w->n = n;
    memcpy(w->bytes, c->bytes + c->sent, n);
    c->sent += n;
    h->queued -= n;
    if (c->sent == c->n) {
        h->head = c->next;
        if (h->head == NULL)
            h->tail = &h->head;
        free(c);
    }
    h->writing = true;
    buf = uv_buf_init(w->bytes, (unsigned)n);
    if (uv_write(&w->req, (uv_stream_t *)h->to, &buf, 1, on_written) != 0) {
        free(w);
        h->writing = false;
        link_close(l, true);
    }
}

static void on_connected(uv_connect_t *req, int status)
{
    struct link *l = req->data;

    if (l->closing)
        return;
    if (status < 0) {
        link_close(l, true);
        return;
    }
    l->up = true;
    for (int i = 0; i < 2; i++)
        pump(&l->half[i]);
}

static void on_caller(uv_stream_t *listener, int status)
{
    struct route *r = listener->data;
    struct link *l = take(sizeof(*l));

    must(status, "listen");
    l->route = r;
    l->dark = r->dark;
    l->handles = 4;
    must(uv_tcp_init(loop, &l->near), "socket");
    must(uv_tcp_init(loop, &l->far), "socket");
    l->near.data = l->far.data = l;
    l->half[0] = (struct half){.link = l, .from = &l->near, .to = &l->far};
    l->half[1] = (struct half){.link = l, .from = &l->far, .to = &l->near};
    for (int i = 0; i < 2; i++) {
        l->half[i].tail = &l->half[i].head;
        uv_timer_init(loop, &l->half[i].timer);
        l->half[i].timer.data = l;
    }
    l->next = r->links;
    if (l->next != NULL)
        l->next->prev = l;
    r->links = l;
    must(uv_accept(listener, (uv_stream_t *)&l->near), "accept");
    if (r->refuse) {
        link_close(l, true);
        return;
    }
    uv_tcp_nodelay(&l->near, 1);
    uv_tcp_nodelay(&l->far, 1);
    l->connect.data = l;
    if (uv_tcp_connect(&l->connect, &l->far, (struct sockaddr *)&r->target,
                       on_connected) != 0)
        link_close(l, true);
}

/* ---- orders ---------------------------------------------------------------
 */

/* What held links up may be gone, or has come. */
static void stir(struct route *r)
{
    struct link *next;

    for (struct link *l = r->links; l != NULL; l = next) {
        next = l->next;
        for (int i = 0; i < 2 && !l->closing; i++)
            pump(&l->half[i]);
    }
}

static void reset_all(struct route *r)
{
    while (r->links != NULL)
        link_close(r->links, true);
}

static void darken(struct route *r)
{
    r->dark = true;
    for (struct link *l = r->links; l != NULL; l = l->next)
        l->dark = true;
}

/* NULL, or what is wrong with the order. */
static const char *obey(struct route *r, const char *verb, char *arg,
                        const char *more)
{
    const uint64_t number = arg != NULL ? strtoull(arg, NULL, 10) : 0;

    if (strcmp(verb, "delay") == 0) {
        r->delay = number;
        r->jitter = more != NULL ? strtoull(more, NULL, 10) : 0;
    } else if (strcmp(verb, "rate") == 0) {
        r->rate = number;
    } else if (strcmp(verb, "stall") == 0) {
        r->stall[0] = r->stall[1] = true;
    } else if (strcmp(verb, "stall-in") == 0) {
        r->stall[0] = true;
    } else if (strcmp(verb, "stall-out") == 0) {
        r->stall[1] = true;
    } else if (strcmp(verb, "dark") == 0) {
        darken(r);
    } else if (strcmp(verb, "reset") == 0) {
        reset_all(r);
    } else if (strcmp(verb, "refuse") == 0) {
        r->refuse = true;
    } else if (strcmp(verb, "clear") == 0) {
        r->stall[0] = r->stall[1] = r->dark = r->refuse = false;
        r->delay = r->jitter = r->rate = 0;
    } else {
        return "no such order";
    }
    stir(r);
    return NULL;
}

static void order(char *line)
{
    char *save = NULL, *name = strtok_r(line, " ", &save);
    char *verb = strtok_r(NULL, " ", &save), *arg = strtok_r(NULL, " ", &save);
    char *more = strtok_r(NULL, " ", &save);
    const char *wrong = "no such route";

    for (int i = 0; i < routes_n && name != NULL && verb != NULL; i++) {
        struct route *r = &routes[i];

        if (strcmp(r->name, name) != 0)
            continue;
        if (strcmp(verb, "count") == 0) {
            unsigned n = 0;

            for (struct link *l = r->links; l != NULL; l = l->next)
                n++;
            (void)printf("ok %u %llu\n", n, (unsigned long long)r->passed);
            (void)fflush(stdout);
            return;
        }
        wrong = obey(r, verb, arg, more);
        break;
    }
    if (wrong == NULL)
        (void)printf("ok\n");
    else
        (void)printf("no: %s\n", wrong);
    (void)fflush(stdout);
}

static void give_line(uv_handle_t *handle, size_t n, uv_buf_t *buf)
{
    static char room[LINE_MAX_BYTES];

    (void)handle;
    (void)n;
    *buf = uv_buf_init(room, sizeof(room));
}

static void on_orders(uv_stream_t *in, ssize_t n, const uv_buf_t *buf)
{
    static char line[LINE_MAX_BYTES];
    static size_t used;

    if (n < 0) {
        uv_stop(in->loop);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (buf->base[i] != '\n') {
            if (used + 1 < sizeof(line))
                line[used++] = buf->base[i];
            continue;
        }
        line[used] = '\0';
        used = 0;
        order(line);
    }
}

/* Binds `t` to a port of `ip` that the system picks. */
static void bind_any(uv_tcp_t *t, const char *ip, struct sockaddr_in *ret)
{
    int n = sizeof(*ret);

    must(uv_ip4_addr(ip, 0, ret), ip);
    must(uv_tcp_init(loop, t), "socket");
    must(uv_tcp_bind(t, (struct sockaddr *)ret, 0), "bind");
    must(uv_tcp_getsockname(t, (struct sockaddr *)ret, &n), "name");
}

static void route_open(const char *ip, const char *name)
{
    static uv_tcp_t probes[ROUTES_MAX];
    uv_tcp_t *probe = &probes[routes_n];
    struct route *r = &routes[routes_n++];
    struct sockaddr_in at;

    (void)snprintf(r->name, sizeof(r->name), "%s", name);
    bind_any(&r->listener, ip, &at);
    r->listener.data = r;
    must(uv_listen((uv_stream_t *)&r->listener, 128, on_caller), "listen");
    bind_any(probe, ip, &r->target);
    uv_close((uv_handle_t *)probe, NULL);
    (void)printf("%s %s:%d %s:%d\n", name, ip, ntohs(at.sin_port), ip,
                 ntohs(r->target.sin_port));
}

int main(int argc, char **argv)
{
    static union {
        uv_pipe_t pipe;
        uv_stream_t stream;
    } in;

    if (argc < 3 || argc - 2 > ROUTES_MAX) {
        (void)fprintf(stderr, "usage: faultproxy IP NAME...\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    loop = uv_default_loop();
    for (int i = 2; i < argc; i++)
        route_open(argv[1], argv[i]);
    (void)fflush(stdout);
    must(uv_pipe_init(loop, &in.pipe, 0), "pipe");
    must(uv_pipe_open(&in.pipe, 0), "standard input is to be a pipe");
    must(uv_read_start(&in.stream, give_line, on_orders), "read");
    uv_run(loop, UV_RUN_DEFAULT);
    return 0;
}
