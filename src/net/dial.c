/* dial.c - see dial.h. */
#include "net/dial.h"

#include <sys/un.h>

#include "net/impl.h"

static void on_connect(uv_connect_t *req, int status)
{
    struct wr_link *const l = RING_OF(req, struct wr_link, req.connect);
    struct wr_net *const net = l->net;
    char peer[WR_ADDR_TEXT];

    if (link_live(l)) {
        if (status == 0)
            link_start(l);
        else
            link_gone(l, WR_EUNREACH, "%s: %s", link_peer(l, peer),
                      uv_strerror(status));
    }
    net_release(net);
}

static enum wr_err connect_tcp(struct wr_link *l, const struct wr_addr *a)
{
    struct sockaddr_storage sa;
    int err;

    l->addr = *a;
    wr_addr_to_socket(a, &sa);
    err = uv_tcp_connect(&l->req.connect, &l->h.tcp,
                         (const struct sockaddr *)&sa, on_connect);
    if (err == 0)
        return WR_OK;
    return err == UV_EMFILE || err == UV_ENFILE ? WR_EBUSY : WR_EUNREACH;
}

enum wr_err wr_link_dial(struct wr_net *net, const struct wr_dial *d,
                         struct wr_link **ret)
{
    const struct sockaddr_un un;
    struct wr_link *l;

    WR_CHECK((d->addr == NULL) != (d->path == NULL));
    WR_CHECK(!net->closing);
    if (d->path != NULL && strlen(d->path) >= sizeof(un.sun_path))
        return WR_EINVAL;
    if (net->fds >= net->cfg.links_max)
        return WR_EBUSY;
    l = link_new(net, d->path != NULL, d->ops, d->owner);
    if (l == NULL)
        return WR_ENOMEM;
    l->dialled = true;
    l->state = LINK_DIALLING;
    net->stats.dialled++;
    net_wait(l, WAIT_DIAL, d->timeout_ms > 0 ? d->timeout_ms : WR_DIAL_MS);
    if (d->path != NULL) {
        uv_pipe_connect(&l->req.connect, &l->h.pipe, d->path, on_connect);
    } else {
        const enum wr_err err = connect_tcp(l, d->addr);

        if (err != WR_OK) { /* Told like any other failure, and later. */
            link_gone(l, err, "cannot connect");
            *ret = l;
            return WR_OK;
        }
    }
    net_hold(net); /* The request. */
    *ret = l;
    return WR_OK;
}
