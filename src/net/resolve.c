/* resolve.c - see dial.h. A lookup is a request and a timer; whichever comes
 * first tells the caller, and the last of the two frees it. */
#include "net/resolve.h"

#include <stdlib.h>

#include "net/impl.h"

struct resolve {
    struct ring all;
    struct wr_net *net;
    uv_getaddrinfo_t req;
    uv_timer_t timer;
    wr_resolved done; /* NULL: told. */
    void *arg;
    uint16_t port;
    unsigned parts; /* Of request and timer, how many are still out. */
};

static void part_gone(struct resolve *r)
{
    struct wr_net *const net = r->net;

    if (--r->parts == 0) {
        ring_leave(&r->all);
        free(r);
    }
    net_release(net);
}

static void on_timer_closed(uv_handle_t *h)
{
    part_gone(h->data);
}

static void tell(struct resolve *r, enum wr_err err, const struct wr_addr *v,
                 size_t n)
{
    const wr_resolved done = r->done;

    r->done = NULL;
    if (!uv_is_closing((uv_handle_t *)&r->timer))
        uv_close((uv_handle_t *)&r->timer, on_timer_closed);
    if (done != NULL)
        done(r->arg, err, v, n);
}

static void on_late(uv_timer_t *t)
{
    struct resolve *const r = t->data;

    (void)uv_cancel((uv_req_t *)&r->req); /* May be too late for that. */
    tell(r, WR_ETIMEOUT, NULL, 0);
}

static void on_result(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
    struct resolve *const r = req->data;
    struct wr_addr v[WR_RESOLVE_MAX];
    size_t n = 0;

    for (const struct addrinfo *i = res; i != NULL && n < WR_RESOLVE_MAX;
         i = i->ai_next) {
        if (i->ai_family != AF_INET && i->ai_family != AF_INET6)
            continue;
        wr_addr_of_socket(i->ai_addr, &v[n]);
        v[n++].port = r->port;
    }
    uv_freeaddrinfo(res);
    tell(r, status == 0 && n > 0 ? WR_OK : WR_ENOTFOUND, v, n);
    part_gone(r);
}

void resolve_cancel_all(struct wr_net *net)
{
    for (struct ring *p = net->resolves.next; p != &net->resolves;) {
        struct resolve *const r = RING_OF(p, struct resolve, all);

        p = p->next;
        (void)uv_cancel((uv_req_t *)&r->req);
        r->done = NULL;
        tell(r, WR_ECANCELED, NULL, 0);
    }
}

enum wr_err wr_resolve(struct wr_net *net, const char *text, uint16_t port,
                       wr_resolved done, void *arg)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_ADDRCONFIG};
    char host[WR_ADDR_NAME];
    struct resolve *r;
    enum wr_err err = wr_addr_split(text, port, host, &port);

    if (err != WR_OK)
        return err;
    r = calloc(1, sizeof(*r));
    if (r == NULL)
        return WR_ENOMEM;
    r->net = net;
    r->done = done;
    r->arg = arg;
    r->port = port;
    r->req.data = r;
    ring_init(&r->all);
    if (uv_getaddrinfo(net->cfg.loop, &r->req, on_result, host, NULL, &hints) !=
        0) {
        free(r);
        return WR_EINVAL; /* A label too long, say. */
    }
    ring_join(&net->resolves, &r->all);
    WR_CHECK(uv_timer_init(net->cfg.loop, &r->timer) == 0);
    r->timer.data = r;
    WR_CHECK(uv_timer_start(&r->timer, on_late, WR_RESOLVE_MS, 0) == 0);
    r->parts = 2;
    net_hold(net);
    net_hold(net);
    return WR_OK;
}
