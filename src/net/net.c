/* net.c - see net.h: the loop's handles, deadlines and the end of a turn. */
#include "net/net.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "net/impl.h"
#include "net/resolve.h"

static void finish(struct wr_net *net)
{
    void (*const closed)(void *) = net->closed;
    void *const arg = net->closed_arg;

    free(net->spare);
    if (net->fd_reserve >= 0)
        close(net->fd_reserve);
    free(net);
    if (closed != NULL)
        closed(arg);
}

void net_hold(struct wr_net *net)
{
    net->busy++;
}

void net_release(struct wr_net *net)
{
    WR_CHECK(net->busy > 0);
    if (--net->busy == 0)
        finish(net);
}

/* ---- deadlines -------------------------------------------------------- */

static const char *too_late(const struct wr_link *l)
{
    switch (l->waits_for) {
    case WAIT_STRANGER:
        return "it did not say a word";
    case WAIT_KNOWN:
        return "it did not finish the handshake";
    case WAIT_DIAL:
        return l->state == LINK_DIALLING
                   ? "it does not answer"
                   : "it is silent: another ring, another version, or not "
                     "wreath";
    case WAIT_END:
        return "closed";
    case WAIT_SLOW:
        return l->rx_due_ms != 0 && l->rx_due_ms <= l->deadline_ms
                   ? "it sends too slowly"
                   : "it reads too slowly";
    case WAITS:
        break;
    }
    WR_UNREACHABLE();
}

void net_scan(struct wr_net *net, uint64_t now)
{
    bool more = false;

    net_hold(net);
    for (size_t i = 0; i < WAITS; i++) {
        struct ring *r = net->waits[i].next;

        /* The next one stays where it is: link_gone() frees nothing and calls
         * nobody. */
        while (r != &net->waits[i]) {
            struct wr_link *const l = RING_OF(r, struct wr_link, wait);
            char peer[WR_ADDR_TEXT];

            r = r->next;
            if (l->deadline_ms > now)
                continue;
            if (i <= WAIT_KNOWN)
                net->stats.evicted++;
            link_gone(l, i == WAIT_END ? WR_OK : WR_ETIMEOUT, "%s: %s",
                      link_peer(l, peer), too_late(l));
        }
        more |= !ring_empty(&net->waits[i]);
    }
    if (!more)
        uv_timer_stop(&net->scan);
    net_release(net);
}

/* Where it was us who stood still (stopped, or the machine asleep), nobody was
 * late: what they sent meanwhile has not even been read. */
static void forgive(struct wr_net *net, uint64_t ms)
{
    for (size_t i = 0; i < WAITS; i++) {
        for (struct ring *r = net->waits[i].next; r != &net->waits[i];
             r = r->next) {
            struct wr_link *const l = RING_OF(r, struct wr_link, wait);

            l->deadline_ms += ms;
            l->rx_due_ms += l->rx_due_ms != 0 ? ms : 0;
            l->tx_due_ms += l->tx_due_ms != 0 ? ms : 0;
        }
    }
}

static void on_scan(uv_timer_t *t)
{
    struct wr_net *const net = t->data;
    const uint64_t now = uv_now(net->cfg.loop);

    if (now - net->scanned_ms > STOOD_STILL_MS)
        forgive(net, now - net->scanned_ms);
    net->scanned_ms = now;
    net_scan(net, now);
}

void net_wait_no_more(struct wr_link *l)
{
    if (ring_empty(&l->wait))
        return;
    ring_leave(&l->wait);
    l->net->waits_n[l->waits_for]--;
}

void net_wait(struct wr_link *l, enum wait w, uint32_t ms)
{
    struct wr_net *const net = l->net;

    net_wait_no_more(l);
    l->waits_for = w;
    l->deadline_ms = uv_now(net->cfg.loop) + ms;
    ring_join(&net->waits[w], &l->wait);
    net->waits_n[w]++;
    if (uv_is_active((uv_handle_t *)&net->scan))
        return;
    net->scanned_ms = uv_now(net->cfg.loop);
    WR_CHECK(uv_timer_start(&net->scan, on_scan, SCAN_MS, SCAN_MS) == 0);
}

uint64_t net_due(const struct wr_net *net, size_t n)
{
    return uv_now(net->cfg.loop) + WR_LINK_SILENT_MS + n * 1000 / WR_LINK_FLOOR;
}

void net_wait_slow(struct wr_link *l)
{
    const uint64_t now = uv_now(l->net->cfg.loop);
    uint64_t due = l->rx_due_ms;

    /* Who uses the local socket is trusted, and may be a `| less`. */
    if (l->state != LINK_OPEN || l->plain)
        return;
    if (due == 0 || (l->tx_due_ms != 0 && l->tx_due_ms < due))
        due = l->tx_due_ms;
    if (due == 0)
        net_wait_no_more(l);
    else if (ring_empty(&l->wait) || l->deadline_ms != due)
        net_wait(l, WAIT_SLOW, due > now ? (uint32_t)(due - now) : 0);
}

/* ---- the end of a turn ------------------------------------------------ */

static void on_again(uv_idle_t *idle)
{
    (void)idle; /* Its being there keeps the loop from sleeping. */
}

/* Each link that was dirty when the turn ended gets one go, so that none waits
 * for another's megabytes; those that want more are on the list again. */
static void flush_all(struct ring *dirty)
{
    struct ring now;

    if (ring_empty(dirty))
        return;
    ring_init(&now);
    now.next = dirty->next;
    now.prev = dirty->prev;
    now.next->prev = &now;
    now.prev->next = &now;
    ring_init(dirty);
    while (!ring_empty(&now)) {
        struct wr_link *const l = RING_OF(now.next, struct wr_link, dirty);

        ring_leave(&l->dirty);
        tx_flush(l);
    }
}

static void on_turn(uv_prepare_t *p)
{
    struct wr_net *const net = p->data;

    net_hold(net);
    net->turns++;
    for (struct ring *r = net->listeners.next; r != &net->listeners;) {
        struct wr_listener *const ls = RING_OF(r, struct wr_listener, all);

        r = r->next;
        listener_turn(ls);
    }
    for (unsigned n = 0; n < 16 && !ring_empty(&net->resumed); n++) {
        struct wr_link *const l =
            RING_OF(net->resumed.next, struct wr_link, resumed);

        ring_leave(&l->resumed);
        rx_go_on(l);
    }
    flush_all(&net->dirty[0]);
    flush_all(&net->dirty[1]);
    if (ring_empty(&net->dirty[0]) && ring_empty(&net->dirty[1]) &&
        ring_empty(&net->resumed))
        WR_CHECK(uv_idle_stop(&net->again) == 0);
    else
        WR_CHECK(uv_idle_start(&net->again, on_again) == 0);
    net_release(net);
}

/* ---- life ------------------------------------------------------------- */

static uint32_t links_max(uint32_t wanted)
{
    struct rlimit lim;
    uint32_t most = 1024 - WR_LINK_FDS_RESERVE;

    if (getrlimit(RLIMIT_NOFILE, &lim) == 0 &&
        lim.rlim_cur > 2 * WR_LINK_FDS_RESERVE)
        most = lim.rlim_cur > 1 << 20
                   ? 1 << 20
                   : (uint32_t)lim.rlim_cur - WR_LINK_FDS_RESERVE;
    return wanted > 0 && wanted < most ? wanted : most;
}

struct wr_net *wr_net_new(const struct wr_net_cfg *cfg)
{
    struct wr_net *const net = calloc(1, sizeof(*net));
    uint64_t seed;

    if (net == NULL)
        return NULL;
    net->cfg = *cfg;
    net->cfg.links_max = links_max(cfg->links_max);
    net->fd_reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    wr_secret_random(&seed, sizeof(seed));
    wr_guard_init(&net->guard, seed);
    ring_init(&net->links);
    ring_init(&net->listeners);
    ring_init(&net->resolves);
    ring_init(&net->resumed);
    ring_init(&net->dirty[0]);
    ring_init(&net->dirty[1]);
    for (size_t i = 0; i < WAITS; i++)
        ring_init(&net->waits[i]);
    WR_CHECK(uv_timer_init(cfg->loop, &net->scan) == 0);
    WR_CHECK(uv_prepare_init(cfg->loop, &net->turn) == 0);
    WR_CHECK(uv_idle_init(cfg->loop, &net->again) == 0);
    net->scan.data = net->turn.data = net->again.data = net;
    net->busy = 3;
    WR_CHECK(uv_prepare_start(&net->turn, on_turn) == 0);
    uv_unref((uv_handle_t *)&net->turn);
    return net;
}

static void on_closed(uv_handle_t *h)
{
    net_release(h->data);
}

void wr_net_close(struct wr_net *net, void (*closed)(void *arg), void *arg)
{
    WR_CHECK(!net->closing);
    net->closing = true;
    net->closed = closed;
    net->closed_arg = arg;
    while (!ring_empty(&net->listeners))
        wr_listener_close(
            RING_OF(net->listeners.next, struct wr_listener, all));
    resolve_cancel_all(net);
    for (struct ring *r = net->links.next; r != &net->links;) {
        struct wr_link *const l = RING_OF(r, struct wr_link, all);

        r = r->next;
        link_gone(l, WR_ECANCELED, "closed");
    }
    uv_close((uv_handle_t *)&net->scan, on_closed);
    uv_close((uv_handle_t *)&net->turn, on_closed);
    uv_close((uv_handle_t *)&net->again, on_closed);
}

void wr_net_stats(const struct wr_net *net, struct wr_net_stats *ret)
{
    *ret = net->stats;
    ret->links_max = net->cfg.links_max;
    ret->half_open = net->waits_n[WAIT_STRANGER] + net->waits_n[WAIT_KNOWN];
}
