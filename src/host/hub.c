/* hub.c - links as a whole: opening and closing them, and sending (hub.h). */
#include "host/hub.h"

#include <stdlib.h>
#include <string.h>

#include "host/address.h"
#include "host/hub_parts.h"
#include "net/addr.h"
#include "net/dial.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "wire/frame.h"

/* --- Connections ---------------------------------------------------------- */

struct wr_conn *wr_conn_new(struct wr_hub *hub, struct wr_link *link)
{
    struct wr_conn *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->hub = hub;
    c->link = link;
    c->since_ms = uv_now(hub->cfg.loop);
    c->host = WR_NO_HOST;
    c->last = &c->first;
    c->next = hub->conns;
    if (c->next != NULL)
        c->next->prev = c;
    hub->conns = c;
    hub->conns_n++;
    return c;
}

static void waiting_free(struct wr_waiting *w)
{
    wr_buf_unref(w->body);
    free(w);
}

void wr_conn_free(struct wr_conn *c)
{
    struct wr_hub *hub = c->hub;

    while (c->first != NULL) {
        struct wr_waiting *w = c->first;

        c->first = w->next;
        waiting_free(w);
    }
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        hub->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    hub->conns_n--;
    if (wr_host_is_leaf(c->host)) {
        hub->sessions[c->host % WR_HUB_SESSIONS] = NULL;
        hub->leaves_n--;
    }
    free(c);
}

bool wr_conn_session(struct wr_conn *c)
{
    struct wr_hub *hub = c->hub;

    for (uint32_t i = 0; i < WR_HUB_SESSIONS; i++) {
        const uint32_t number = ++hub->last_session | WR_HOST_LEAF;
        struct wr_conn **slot = &hub->sessions[number % WR_HUB_SESSIONS];

        if (*slot != NULL)
            continue;
        *slot = c;
        c->host = number;
        hub->leaves_n++;
        return true;
    }
    return false;
}

/* --- Sending -------------------------------------------------------------- */

/* Whoever hears of a host for the first time on this link is introduced, ahead
 * of everything that waits. False where the link has no room for that now. */
static bool introduce(struct wr_conn *c, const wr_host *hosts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const wr_host h = hosts[i];

        if (h >= c->hub->cfg.cards->book->hosts_n ||
            (c->told[h / 8] & 1u << h % 8) != 0)
            continue;
        if (!wr_hub_send_card(c, h))
            return false;
        c->told[h / 8] |= (uint8_t)(1u << h % 8);
    }
    return true;
}

void wr_hub_news(struct wr_hub *hub, wr_host h)
{
    for (struct wr_conn *c = hub->conns; c != NULL; c = c->next)
        c->told[h / 8] &= (uint8_t) ~(1u << h % 8);
}

static void wait_for_room(struct wr_conn *c, const wr_host *mentions,
                          size_t mentions_n, struct wr_span header,
                          struct wr_buf *body)
{
    const size_t hosts = mentions_n * sizeof(*mentions);
    struct wr_waiting *w;
    size_t held = sizeof(*w) + hosts + header.n;

    if (body != NULL && body->pool == NULL)
        held += body->n;
    if (c->waiting_n >= WR_HUB_WAITING_MAX ||
        held > WR_HUB_WAITING_BYTES - c->waiting_bytes) {
        c->hub->refused++; /* As if it were lost on the way. */
        return;
    }
    w = malloc(sizeof(*w) + hosts + header.n);
    if (w == NULL) { /* Told by its end, the peer asks again at once. */
        c->hub->refused++;
        wr_link_abort(c->link, WR_ENOMEM, "out of memory");
        return;
    }
    *w = (struct wr_waiting){.mentions_n = (uint32_t)mentions_n,
                             .header_n = (uint32_t)header.n,
                             .held = (uint32_t)held,
                             .mentions = (wr_host *)(w + 1)};
    w->header = (uint8_t *)(w + 1) + hosts;
    if (hosts > 0)
        memcpy(w->mentions, mentions, hosts);
    memcpy(w->header, header.p, header.n);
    w->body = body != NULL ? wr_buf_ref(body) : NULL;
    *c->last = w;
    c->last = &w->next;
    c->waiting_n++;
    c->waiting_bytes += w->held;
}

void wr_conn_flush(struct wr_conn *c)
{
    if (!c->greeted)
        return;
    while (c->first != NULL) {
        struct wr_waiting *w = c->first;

        if (!introduce(c, w->mentions, w->mentions_n) ||
            wr_link_send(c->link, wr_span(w->header, w->header_n), w->body) !=
                WR_OK)
            return; /* on_drain goes on. */
        c->first = w->next;
        if (c->first == NULL)
            c->last = &c->first;
        c->waiting_n--;
        c->waiting_bytes -= w->held;
        waiting_free(w);
    }
}

/* Counted where it is said: what waits, or is lost, has been said. */
static void count(struct wr_conn *c, const struct wr_msg *m, size_t header_n,
                  const struct wr_buf *body)
{
    struct wr_hub_said *said = &c->hub->said[m->kind];

    if (c->kind != WR_CONN_HOST)
        return;
    said->n++;
    said->bytes += WR_FRAME_HEAD + header_n + (body != NULL ? body->n : 0);
}

static bool encode(struct wr_conn *c, const struct wr_msg *m,
                   uint8_t ret[WR_HEADER_MAX], size_t *ret_n)
{
    const enum wr_err err = wr_codec_encode(&c->hub->codec, m, wr_span(NULL, 0),
                                            ret, WR_HEADER_MAX, ret_n);

    if (err == WR_OK)
        return true;
    c->hub->misfits++;
    WR_LOG(WARN, "hub", "message not sent",
           WR_KV_STR("kind", wr_msg_name(m->kind)), WR_KV_ERR("why", err));
    return false;
}

bool wr_conn_send_first(struct wr_conn *c, const struct wr_msg *m)
{
    uint8_t header[WR_HEADER_MAX];
    size_t n;

    if (!encode(c, m, header, &n))
        return true;
    if (wr_link_send(c->link, wr_span(header, n), NULL) != WR_OK)
        return false;
    count(c, m, n, NULL);
    return true;
}

void wr_conn_send(struct wr_conn *c, const struct wr_msg *m,
                  struct wr_buf *body)
{
    uint8_t header[WR_HEADER_MAX];
    wr_host mentions[WR_MENTIONS_MAX];
    size_t n;

    if (!encode(c, m, header, &n))
        return;
    count(c, m, n, body);
    const size_t mentions_n = wr_msg_mentions(m, mentions);
    if (c->greeted && c->first == NULL && introduce(c, mentions, mentions_n) &&
        wr_link_send(c->link, wr_span(header, n), body) == WR_OK)
        return;
    wait_for_room(c, mentions, mentions_n, wr_span(header, n), body);
}

static struct wr_conn *dial(struct wr_hub *hub, wr_host h, bool bulk)
{
    const struct wr_conn *other = hub->hosts[h].conn[!bulk];
    /* Where its other link leads, lest they end at two processes. */
    const struct wr_addr *addr = other != NULL && other->greeted
                                     ? &other->listen
                                     : &hub->cfg.cards->book->hosts[h].addr;
    const struct wr_dial d = {.addr = addr, .ops = &wr_hub_tcp_ops};
    struct wr_link *link;

    if (addr->port == 0 || hub->closing)
        return NULL;
    if (wr_link_dial(hub->net, &d, &link) != WR_OK)
        return NULL;
    struct wr_conn *c = wr_conn_new(hub, link);
    if (c == NULL) {
        wr_link_set_owner(link, NULL);
        wr_link_abort(link, WR_ENOMEM, "out of memory");
        return NULL;
    }
    c->kind = WR_CONN_HOST;
    c->dialled = true;
    c->bulk = bulk;
    c->host = h;
    wr_link_set_owner(link, c);
    hub->hosts[h].conn[bulk] = c;
    return c;
}

void wr_hub_send(struct wr_hub *hub, wr_host to, const struct wr_msg *m,
                 struct wr_buf *body)
{
    struct wr_conn *c;

    if (wr_host_is_leaf(to)) {
        c = hub->sessions[to % WR_HUB_SESSIONS];
        if (c == NULL || c->host != to)
            return; /* The leaf is gone. */
    } else {
        const bool bulk = wr_msg_bulk(m->kind);

        WR_CHECK(to < hub->cfg.cards->book->hosts_n && to != hub->cfg.self);
        c = hub->hosts[to].conn[bulk];
        if (c == NULL)
            c = dial(hub, to, bulk);
        if (c == NULL) {
            hub->cfg.on_down(hub->cfg.arg, to);
            return;
        }
    }
    wr_conn_send(c, m, body);
}

/* --- The whole ------------------------------------------------------------ */

static enum wr_err open_net(struct wr_hub *hub, struct wr_why *why)
{
    const struct wr_home *home = hub->cfg.home;
    const struct wr_net_cfg cfg = {
        .loop = hub->cfg.loop,
        .ring = home->ring,
        .psk = home->ring_secret,
        .static_secret = home->id.noise_secret,
        .static_public = home->id.noise_public,
    };
    char path[WR_HOME_PATH_MAX];
    enum wr_err err;

    hub->net = wr_net_new(&cfg);
    if (hub->net == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    err = wr_listen_tcp(hub->net, &hub->cfg.listen, &wr_hub_tcp_ops, hub, why,
                        &hub->tcp);
    if (err != WR_OK)
        return err;
    wr_home_path(home->dir, "run/socket", path);
    return wr_listen_unix(hub->net, path, &wr_hub_local_ops, hub, why,
                          &hub->local);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct wr_hub *hub = h->data;
    void (*const closed)(void *arg) = hub->closed;
    void *const arg = hub->closed_arg;

    free(hub->hosts);
    free(hub->sessions);
    free(hub->arena);
    free(hub);
    if (closed != NULL)
        closed(arg);
}

static void on_net_closed(void *arg)
{
    struct wr_hub *hub = arg;

    uv_close((uv_handle_t *)&hub->timer, on_timer_closed);
}

static void close_net(struct wr_hub *hub)
{
    if (hub->net_closing)
        return;
    hub->net_closing = true;
    if (hub->net != NULL)
        wr_net_close(hub->net, on_net_closed, hub);
    else
        on_net_closed(hub);
}

void wr_hub_gone(struct wr_hub *hub)
{
    if (hub->closing && hub->conns_n == 0)
        close_net(hub);
}

void wr_hub_sweep(struct wr_hub *hub, uint64_t now_ms)
{
    for (struct wr_conn *c = hub->conns; c != NULL; c = c->next) {
        const uint64_t age = now_ms - c->since_ms;

        if (age > WR_HUB_JOINER_MS && c->kind == WR_CONN_JOINER)
            wr_link_abort(c->link, WR_ETIMEOUT, "it has had time to join");
        else if (age > WR_HUB_HELLO_MS && !c->greeted && !c->dialled)
            wr_link_abort(c->link, WR_ETIMEOUT, "it did not say HELLO");
    }
}

static void on_sweep(uv_timer_t *t)
{
    wr_hub_sweep(t->data, uv_now(t->loop));
}

static void on_linger(uv_timer_t *t)
{
    close_net(t->data);
}

void wr_hub_close(struct wr_hub *hub, void (*closed)(void *arg), void *arg)
{
    hub->closed = closed;
    hub->closed_arg = arg;
    hub->closing = true;
    wr_listener_close(hub->tcp);
    wr_listener_close(hub->local);
    hub->tcp = hub->local = NULL;
    for (struct wr_conn *c = hub->conns, *next; c != NULL; c = next) {
        next = c->next;
        wr_link_close(c->link);
    }
    uv_timer_start(&hub->timer, on_linger,
                   hub->conns_n > 0 ? WR_HUB_LINGER_MS : 0, 0);
}

static void forget(struct wr_hub *hub)
{
    wr_hub_close(hub, NULL, NULL);
    close_net(hub);
}

enum wr_err wr_hub_open(struct wr_hub **ret, const struct wr_hub_cfg *cfg,
                        struct wr_why *why)
{
    struct wr_hub *hub = calloc(1, sizeof(*hub));

    if (hub == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    hub->cfg = *cfg;
    hub->born = cfg->incarnation;
    uv_timer_init(cfg->loop, &hub->timer);
    hub->timer.data = hub;
    hub->hosts = calloc(WR_HOSTS_MAX, sizeof(*hub->hosts));
    hub->sessions = calloc(WR_HUB_SESSIONS, sizeof(struct wr_conn *));
    hub->arena = aligned_alloc(16, WR_CODEC_ARENA);
    if (hub->hosts == NULL || hub->sessions == NULL || hub->arena == NULL) {
        forget(hub);
        return wr_why(why, WR_ENOMEM, "out of memory");
    }
    wr_codec_init(&hub->codec, cfg->cards->book, hub->arena, WR_CODEC_ARENA);
    const enum wr_err err = open_net(hub, why);
    if (err != WR_OK) {
        forget(hub);
        return err;
    }
    hub->advertised = cfg->advertise;
    if (hub->advertised.port == 0) {
        hub->advertised = *wr_listener_addr(hub->tcp);
        if (wr_addr_is_any(&hub->advertised))
            hub->advertised = wr_addr_local(hub->advertised.port);
    }
    uv_timer_start(&hub->timer, on_sweep, WR_HUB_SWEEP_MS, WR_HUB_SWEEP_MS);
    *ret = hub;
    return WR_OK;
}

struct wr_addr wr_hub_bound(const struct wr_hub *hub)
{
    return *wr_listener_addr(hub->tcp);
}

struct wr_addr wr_hub_advertised(const struct wr_hub *hub)
{
    return hub->advertised;
}

void wr_hub_room(struct wr_hub *hub)
{
    for (struct wr_conn *c = hub->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (c->paused) {
            c->paused = false;
            wr_link_resume(c->link);
        }
    }
}

void wr_hub_incarnate(struct wr_hub *hub, uint32_t incarnation)
{
    hub->cfg.incarnation = incarnation;
    if (wr_cards_said(hub->cfg.cards, hub->cfg.self, &hub->advertised,
                      incarnation))
        wr_hub_news(hub, hub->cfg.self);
}

void wr_hub_left(struct wr_hub *hub)
{
    hub->left = true;
    wr_hub_news(hub, hub->cfg.self);
    for (struct wr_conn *c = hub->conns; c != NULL; c = c->next)
        if (c->kind == WR_CONN_LEAF && c->greeted)
            wr_hub_turn_away(c);
}

bool wr_hub_linked(const struct wr_hub *hub, wr_host h)
{
    const struct wr_conn *c = hub->hosts[h].conn[0];

    return c != NULL && c->greeted;
}

size_t wr_hub_walls(const struct wr_hub *hub, uint64_t *ret, size_t most)
{
    const wr_time now = wr_clock_now();
    size_t n = 0;

    for (const struct wr_conn *c = hub->conns; c != NULL && n < most;
         c = c->next)
        if (c->kind == WR_CONN_HOST && c->greeted && !c->bulk)
            ret[n++] = c->wall_s + (now - c->wall_at) / WR_SEC(1);
    return n;
}

uint32_t wr_hub_leaves(const struct wr_hub *hub)
{
    return hub->leaves_n;
}

uint32_t wr_hub_links(const struct wr_hub *hub)
{
    return hub->conns_n;
}

void wr_hub_enforce(struct wr_hub *hub)
{
    const struct wr_cards *cards = hub->cfg.cards;

    for (struct wr_conn *c = hub->conns, *next; c != NULL; c = next) {
        const uint8_t *id = NULL;

        next = c->next;
        if (c->kind == WR_CONN_LEAF && c->known)
            id = c->cred.host;
        else if (c->kind == WR_CONN_HOST && c->known)
            id = cards->v[c->host].cred.host;
        if (id != NULL && wr_cards_cut_off(cards, id))
            wr_link_abort(c->link, WR_EREFUSED, "revoked by the issuer");
        else if (c->kind == WR_CONN_HOST && c->greeted && !c->bulk)
            wr_hub_send_revoked(c); /* Ends where nobody finds it new. */
    }
}

struct wr_hub_traffic wr_hub_traffic(const struct wr_hub *hub)
{
    struct wr_net_stats stats;

    wr_net_stats(hub->net, &stats);
    return (struct wr_hub_traffic){
        .sent = stats.bytes_out - stats.local_out,
        .received = stats.bytes_in - stats.local_in,
        .refused = hub->refused,
        .misfits = hub->misfits,
        .said = hub->said,
    };
}
