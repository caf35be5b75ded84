/* link.c - see link.h: the life of a link. */
#include "net/link.h"

#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/secret.h"
#include "net/impl.h"
#include "sys/log.h"

struct wr_buf wr_link_skip;

const char *link_peer(const struct wr_link *l, char ret[static WR_ADDR_TEXT])
{
    if (l->plain)
        return "local socket";
    return wr_addr_text(&l->addr, ret);
}

struct wr_link *link_new(struct wr_net *net, bool plain,
                         const struct wr_link_ops *ops, void *owner)
{
    struct wr_link *const l = calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    l->net = net;
    l->plain = plain;
    l->ops = ops;
    l->owner = owner;
    l->state = LINK_SHAKING;
    l->body_max = WR_FRAME_BODY_MAX;
    l->out_tail = &l->out_head;
    l->gather = GATHER_MAX;
    ring_init(&l->all);
    ring_init(&l->wait);
    ring_init(&l->dirty);
    ring_init(&l->resumed);
    if (plain)
        WR_CHECK(uv_pipe_init(net->cfg.loop, &l->h.pipe, 0) == 0);
    else
        WR_CHECK(uv_tcp_init(net->cfg.loop, &l->h.tcp) == 0);
    l->h.handle.data = l;
    ring_join(&net->links, &l->all);
    net->fds++;
    net_hold(net);
    return l;
}

/* None can fail on a live socket; a dead one tells at the first read. libuv's
 * own keep-alive gives up after 10 s, which TCP_USER_TIMEOUT does not lift. */
static void set_options(struct wr_link *l)
{
    static const int options[][3] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, WR_LINK_SILENT_MS},
        {IPPROTO_TCP, TCP_KEEPIDLE, WR_LINK_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, WR_LINK_ASK_S},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
    };
    uv_os_fd_t fd;

    if (uv_fileno(&l->h.handle, &fd) != 0)
        return;
    for (size_t i = 0; i < WR_ARRAY_LEN(options); i++)
        (void)setsockopt(fd, options[i][0], options[i][1], &options[i][2],
                         sizeof(int));
}

void link_read(struct wr_link *l, bool on)
{
    if (l->reading == on || !link_live(l))
        return;
    if (on && uv_read_start(&l->h.stream, rx_alloc, rx_read) != 0) {
        link_gone(l, WR_ECLOSED, "cut off");
        return;
    }
    if (!on)
        uv_read_stop(&l->h.stream);
    l->reading = on;
}

void link_start(struct wr_link *l)
{
    if (l->plain) {
        link_opened(l);
    } else {
        l->state = LINK_SHAKING;
        set_options(l);
        shake_start(l);
    }
    if (link_live(l) && !l->paused)
        link_read(l, true);
}

void link_opened(struct wr_link *l)
{
    net_wait_no_more(l);
    l->state = LINK_OPEN;
    l->opened = true;
    l->net->stats.opened++;
    l->net->stats.links++;
    if (l->ops->on_open != NULL)
        l->ops->on_open(l);
}

/* ---- the end ---------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *h)
{
    struct wr_link *const l = h->data;
    struct wr_net *const net = l->net;

    ring_leave(&l->all);
    if ((l->dialled || l->opened) && l->ops->on_closed != NULL)
        l->ops->on_closed(l, &l->why);
    wr_noise_session_wipe(l->noise);
    free(l->noise);
    free(l->header); /* Not sooner: the owner may be reading a frame's. */
    free(l);
    net_release(net);
}

static void tell(const struct wr_link *l)
{
    WR_LOG(DEBUG, "net", "link closed", WR_KV_STR("why", l->why.text),
           WR_KV_ERR("error", l->why.err), WR_KV_BOOL("opened", l->opened));
}

void link_gone(struct wr_link *l, enum wr_err err, const char *fmt, ...)
{
    struct wr_net *const net = l->net;
    va_list ap;

    if (!link_live(l))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(l->why.text, sizeof(l->why.text), fmt, ap);
    va_end(ap);
    l->why.err = err;
    tell(l);
    if (l->opened)
        net->stats.links--;
    if (l->charged)
        wr_guard_charge(&net->guard, &l->addr, WR_MS(uv_now(net->cfg.loop)));
    l->state = LINK_GONE;
    net_wait_no_more(l);
    ring_leave(&l->dirty);
    ring_leave(&l->resumed);
    rx_free(l);
    tx_free(l);
    wr_noise_wipe(l->shake);
    free(l->shake);
    l->shake = NULL;
    uv_close(&l->h.handle, on_handle_closed);
    net->fds--; /* The descriptor is closed at once, the handle later. */
}

void link_malformed(struct wr_link *l, enum wr_err err, const char *what)
{
    char peer[WR_ADDR_TEXT];

    l->net->stats.malformed++;
    link_gone(l, err, "%s: %s", link_peer(l, peer), what);
}

void wr_link_abort(struct wr_link *l, enum wr_err err, const char *text)
{
    link_gone(l, err, "%s", text);
}

void wr_link_close(struct wr_link *l)
{
    const struct wr_frame end = {.end = true};

    if (l->state == LINK_OPEN) {
        if (!tx_put(l, &end, (struct wr_span){0}, NULL)) {
            link_gone(l, WR_ENOMEM, "closed, without memory to say so");
            return;
        }
        l->state = LINK_ENDING;
        net_wait(l, WAIT_END, WR_LINK_SILENT_MS); /* To flush. */
        tx_dirty(l);
        /* What still comes is read and thrown away: unread bytes would turn
         * our END into a reset. */
        if (l->paused)
            wr_link_resume(l);
    } else if (l->state != LINK_ENDING) {
        link_gone(l, WR_OK, "closed");
    }
}

/* ---- what the owner asks ---------------------------------------------- */

enum wr_err wr_link_send(struct wr_link *l, struct wr_span header,
                         struct wr_buf *body)
{
    const struct wr_frame f = {.header_n = (uint32_t)header.n,
                               .body_n = body != NULL ? body->n : 0};

    WR_CHECK(header.n > 0 && header.n <= WR_HEADER_MAX);
    WR_CHECK(f.body_n <= WR_FRAME_BODY_MAX);
    if (l->state != LINK_OPEN)
        return WR_ECLOSED;
    if (!wr_link_has_room(l, f.body_n)) {
        l->starved = true;
        return WR_EBUSY;
    }
    /* A link delivers all that was sent, or ends: who waits for an answer then
     * asks again at once. (An empty queue would never drain.) */
    if (!tx_put(l, &f, header, body)) {
        link_gone(l, WR_ENOMEM, "out of memory");
        return WR_ECLOSED;
    }
    if (l->out_bodies > WR_LINK_LOW)
        l->starved = true;
    tx_dirty(l);
    return WR_OK;
}

bool wr_link_has_room(const struct wr_link *l, size_t n)
{
    /* One body always fits into an empty queue, whatever its size. */
    return l->out_control < WR_LINK_CONTROL_MAX &&
           (n == 0 || l->out_bodies == 0 ||
            l->out_bodies + n <= WR_LINK_BODIES_MAX);
}

size_t wr_link_queued_bytes(const struct wr_link *l)
{
    return l->out_bodies + l->out_control + l->out_sealed;
}

void wr_link_pause(struct wr_link *l)
{
    l->paused = true;
    rx_unwatch(l);
    ring_leave(&l->resumed);
    link_read(l, false);
}

void wr_link_resume(struct wr_link *l)
{
    if (!l->paused || !link_live(l))
        return;
    l->paused = false;
    /* From the end of the turn: never from within the owner's call. */
    ring_join(&l->net->resumed, &l->resumed);
}

void wr_link_set_owner(struct wr_link *l, void *owner)
{
    l->owner = owner;
}

void *wr_link_owner(const struct wr_link *l)
{
    return l->owner;
}

void wr_link_set_body_max(struct wr_link *l, uint32_t n)
{
    l->body_max = n;
}

void wr_link_set_bulk(struct wr_link *l)
{
    l->bulk = true;
}

bool wr_link_is_open(const struct wr_link *l)
{
    return l->state == LINK_OPEN;
}

bool wr_link_is_plain(const struct wr_link *l)
{
    return l->plain;
}

bool wr_link_was_dialled(const struct wr_link *l)
{
    return l->dialled;
}

const struct wr_addr *wr_link_addr(const struct wr_link *l)
{
    return &l->addr;
}

const uint8_t *wr_link_remote(const struct wr_link *l)
{
    if (l->shake != NULL)
        return wr_noise_remote(l->shake);
    return l->noise != NULL ? l->noise->remote : NULL;
}

const uint8_t *wr_link_hash(const struct wr_link *l)
{
    return l->opened && l->noise != NULL ? l->noise->hash : NULL;
}
