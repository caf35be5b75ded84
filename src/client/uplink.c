/* uplink.c - see uplink.h. */
#include "client/uplink.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/text.h"
#include "crypto/secret.h"
#include "net/dial.h"
#include "proto/leaf.h"
#include "sys/clock.h"
#include "sys/log.h"

enum {
    PORT_DEFAULT = 4077,
    SOCKET_CONTACT = 0xffff, /* Port of the contact that is a local socket. */
    NAMES_AGAIN_MS = 5000,   /* After no name could be resolved. */
    MOVED_LEAST = 128,       /* Bytes: a ping and its answer are fewer. */
};

/* A frame that waits for room on the link. */
struct waiting {
    struct waiting *next;
    struct wr_buf *body;
    uint32_t n;
    uint8_t header[];
};

struct wr_uplink {
    struct wr_uplink_cfg cfg;
    struct wr_net *net;
    struct wr_leaf leaf;
    struct wr_book book;
    struct wr_codec codec;
    void *arena;
    uint8_t *header;
    char socket_path[WR_HOME_PATH_MAX];
    bool has_socket;

    struct wr_link *link; /* The one to the present or coming parent. */
    struct waiting *queue, **queue_end;
    uint32_t queue_n;
    bool paused; /* The link waits for room. */
    uint32_t incarnation;
    uint32_t copies, durable;
    bool ever, local;
    uint64_t sampled;   /* Bytes in and out when last looked at. */
    struct wr_why last; /* Why the last link ended. */
    char at[WR_ADDR_TEXT];

    uv_timer_t timer;
    uint32_t resolving;
    wr_time names_at; /* When to resolve again, if nobody is known. */
    bool closing, net_closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

static void perform(struct wr_uplink *up, const struct wr_leaf_out *out);
static void rearm(struct wr_uplink *up);
static void finish_close(struct wr_uplink *up);

/* ---- sending ------------------------------------------------------------- */

static void drop_queue(struct wr_uplink *up)
{
    while (up->queue != NULL) {
        struct waiting *w = up->queue;

        up->queue = w->next;
        wr_buf_unref(w->body);
        free(w);
    }
    up->queue_end = &up->queue;
    up->queue_n = 0;
}

static void flush_queue(struct wr_uplink *up)
{
    while (up->queue != NULL && up->link != NULL) {
        struct waiting *w = up->queue;

        if (wr_link_send(up->link, wr_span(w->header, w->n), w->body) != WR_OK)
            return; /* on_drain() goes on. */
        up->queue = w->next;
        if (up->queue == NULL)
            up->queue_end = &up->queue;
        up->queue_n--;
        wr_buf_unref(w->body);
        free(w);
    }
}

void wr_uplink_send(struct wr_uplink *up, const struct wr_msg *m,
                    struct wr_span extra, struct wr_buf *body)
{
    size_t n;

    if (up->link == NULL || up->closing)
        return;
    if (wr_codec_encode(&up->codec, m, extra, up->header, WR_HEADER_MAX, &n) !=
        WR_OK) {
        WR_LOG(ERROR, "client", "a message could not be written",
               WR_KV_STR("kind", wr_msg_name(m->kind)));
        return;
    }
    if (up->queue == NULL &&
        wr_link_send(up->link, wr_span(up->header, n), body) == WR_OK)
        return;
    struct waiting *w = malloc(sizeof(*w) + n);
    if (w == NULL) {
        wr_link_abort(up->link, WR_ENOMEM, "out of memory");
        return;
    }
    *w = (struct waiting){.body = body, .n = (uint32_t)n};
    memcpy(w->header, up->header, n);
    if (body != NULL)
        wr_buf_ref(body);
    *up->queue_end = w;
    up->queue_end = &w->next;
    up->queue_n++;
}

/* Past the queue: for what must not wait. */
static void send_now(struct wr_uplink *up, const struct wr_msg *m)
{
    size_t n;

    if (up->link != NULL &&
        wr_codec_encode(&up->codec, m, (struct wr_span){0}, up->header,
                        WR_HEADER_MAX, &n) == WR_OK &&
        wr_link_send(up->link, wr_span(up->header, n), NULL) != WR_OK)
        return; /* A full control queue is no standstill yet. */
}

static void send_bare(struct wr_uplink *up, enum wr_msg_kind kind)
{
    const struct wr_msg m = wr_msg_of(kind, 0);

    send_now(up, &m);
}

/* ---- the link ------------------------------------------------------------ */

static size_t on_our_payload(struct wr_link *l, uint8_t *ret, size_t room)
{
    struct wr_uplink *up = wr_link_owner(l);

    if (up == NULL || up->cfg.home->cred_n > room)
        return 0;
    memcpy(ret, up->cfg.home->cred_bytes, up->cfg.home->cred_n);
    return up->cfg.home->cred_n;
}

/* Who answers must hold a super-peer's credential of our ring, for the key
 * that it has proven, and be the host that we meant to dial. */
static enum wr_err on_payload(struct wr_link *l, struct wr_span payload,
                              const uint8_t remote[32])
{
    struct wr_uplink *up = wr_link_owner(l);
    struct wr_cred cred;
    static const struct wr_host_id none;

    if (up == NULL || up->closing)
        return WR_ECANCELED;
    enum wr_err err = wr_cred_open(payload, up->cfg.home->ring, &cred);
    if (err != WR_OK)
        return err;
    if (cred.role != WR_ROLE_SUPERPEER ||
        memcmp(cred.noise_public, remote, sizeof(cred.noise_public)) != 0 ||
        (cred.not_after != 0 && wr_clock_wall_s() > cred.not_after))
        return WR_EAUTH;
    const struct wr_contact *c = wr_leaf_contact(&up->leaf, up->leaf.current);
    if (memcmp(&c->id, &none, sizeof(none)) != 0 &&
        memcmp(&c->id, cred.host, sizeof(cred.host)) != 0)
        return WR_EAUTH;
    struct wr_host_id id;
    memcpy(id.b, cred.host, sizeof(id.b));
    wr_leaf_linked(&up->leaf, &id, wr_clock_now());
    return WR_OK;
}

static void on_open(struct wr_link *l)
{
    struct wr_uplink *up = wr_link_owner(l);
    struct wr_msg hello = wr_msg_of(WR_MSG_HELLO, 0);

    if (up == NULL)
        return;
    hello.hello.incarnation = up->incarnation;
    hello.hello.wall_s = wr_clock_wall_s();
    hello.hello.agent = wr_span_str(up->cfg.agent);
    send_now(up, &hello);
}

static struct wr_buf *on_body(struct wr_link *l, struct wr_span header,
                              uint32_t n)
{
    struct wr_uplink *up = wr_link_owner(l);

    if (up == NULL || up->closing)
        return WR_LINK_SKIP;
    struct wr_buf *buf = up->cfg.on_body(up->cfg.arg, header, n);
    if (buf == NULL)
        up->paused = true;
    return buf;
}

static void on_closed(struct wr_link *l, const struct wr_why *why)
{
    struct wr_uplink *up = wr_link_owner(l);
    struct wr_leaf_out out = {0};

    if (up == NULL)
        return;
    WR_CHECK(up->link == l);
    up->link = NULL;
    drop_queue(up);
    up->paused = false;
    if (up->closing) {
        finish_close(up);
        return;
    }
    up->last = *why;
    if (why->err == WR_OK)
        wr_why(&up->last, WR_ECLOSED, "the super-peer closed the connection");
    WR_LOG(DEBUG, "client", "link ended", WR_KV_STR("at", up->at),
           WR_KV_STR("why", up->last.text));
    wr_leaf_down(&up->leaf, wr_clock_now(), &out);
    perform(up, &out);
    rearm(up);
}

/* A super-peer introduces another: taken in if its credential is good. The
 * book needs names only, so each host has one member here. */
static void on_card(struct wr_uplink *up, const struct wr_msg *m,
                    struct wr_span extra)
{
    struct wr_cred cred;
    struct wr_host_id id;

    if (wr_cred_open(m->card.credential, up->cfg.home->ring, &cred) != WR_OK ||
        cred.role != WR_ROLE_SUPERPEER)
        return;
    memcpy(id.b, cred.host, sizeof(id.b));
    const wr_host h = wr_book_add(&up->book, &id, 1, 0, &m->card.addr);
    if (h != WR_NO_HOST && up->cfg.on_card != NULL)
        up->cfg.on_card(up->cfg.arg, h, m, extra);
}

static void on_frame(struct wr_link *l, struct wr_span header,
                     struct wr_buf *body)
{
    struct wr_uplink *up = wr_link_owner(l);
    struct wr_leaf_out out = {0};
    struct wr_span extra = {0};
    struct wr_msg m;
    enum wr_err err = WR_ECANCELED;

    if (up != NULL && !up->closing)
        err = wr_codec_decode(&up->codec, header, &m, &extra);
    if (err != WR_OK) {
        wr_buf_unref(body);
        if (err == WR_EINVAL)
            wr_link_abort(l, WR_EINVAL, "the super-peer sent garbage");
        return;
    }
    m.bad_body = 0;
    if (m.kind == WR_MSG_ATTACHED) { /* Before on_up: it asks for them. */
        up->copies = m.attached.copies;
        up->durable = m.attached.durable;
    }
    wr_leaf_recv(&up->leaf, &m, wr_clock_now(), &out);
    perform(up, &out);
    if (m.kind == WR_MSG_CARD) {
        on_card(up, &m, extra);
    } else if (m.kind == WR_MSG_PING) {
        m.kind = WR_MSG_PONG;
        send_now(up, &m);
    } else if (m.kind != WR_MSG_HELLO && m.kind != WR_MSG_ATTACHED &&
               up->leaf.state == WR_LEAF_ATTACHED) {
        up->cfg.on_msg(up->cfg.arg, &m, extra, body);
        body = NULL;
    }
    wr_buf_unref(body);
    rearm(up);
}

static void on_drain(struct wr_link *l)
{
    struct wr_uplink *up = wr_link_owner(l);

    if (up != NULL)
        flush_queue(up);
}

static const struct wr_link_ops link_ops = {
    .payload = on_our_payload,
    .on_payload = on_payload,
    .on_open = on_open,
    .on_body = on_body,
    .on_frame = on_frame,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

static void hang_up(struct wr_uplink *up)
{
    struct wr_link *l = up->link;

    drop_queue(up);
    up->paused = false;
    if (l == NULL)
        return;
    up->link = NULL;
    wr_link_set_owner(l, NULL);
    wr_link_abort(l, WR_ECANCELED, "no longer wanted");
}

static void dial(struct wr_uplink *up, uint32_t i)
{
    const struct wr_contact *c = wr_leaf_contact(&up->leaf, i);
    const bool local = c->addr.port == SOCKET_CONTACT && up->has_socket;
    const struct wr_dial d = {
        .addr = local ? NULL : &c->addr,
        .path = local ? up->socket_path : NULL,
        .ops = &link_ops,
        .owner = up,
    };

    WR_CHECK(up->link == NULL);
    up->local = local;
    if (local)
        snprintf(up->at, sizeof(up->at), "the local socket");
    else
        wr_addr_text(&c->addr, up->at);
    const enum wr_err err = wr_link_dial(up->net, &d, &up->link);
    if (err != WR_OK) {
        struct wr_leaf_out out = {0};

        up->link = NULL;
        wr_why(&up->last, err, "%s", wr_err_text(err));
        wr_leaf_down(&up->leaf, wr_clock_now(), &out);
        perform(up, &out);
    }
}

static void remember_contacts(struct wr_uplink *up)
{
    const uint32_t n = up->leaf.n;

    /* The parent last, so that it stands in front. */
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t i = (up->leaf.current + 1 + k) % n;
        const struct wr_contact *c = wr_leaf_contact(&up->leaf, i);
        static const struct wr_host_id none;
        char text[WR_ADDR_TEXT];

        if (c->addr.port == SOCKET_CONTACT)
            continue;
        wr_addr_text(&c->addr, text);
        wr_home_add_contact(
            up->cfg.home,
            memcmp(&c->id, &none, sizeof(none)) != 0 ? c->id.b : NULL, text);
    }
}

static void perform(struct wr_uplink *up, const struct wr_leaf_out *out)
{
    for (uint32_t i = 0; i < out->n; i++) {
        switch (out->v[i].kind) {
        case WR_LEAF_FX_DIAL:
            dial(up, out->v[i].contact);
            break;
        case WR_LEAF_FX_HANG_UP:
            wr_why(&up->last, WR_ETIMEOUT,
                   "the super-peer went away, or did not answer");
            hang_up(up);
            break;
        case WR_LEAF_FX_PING:
            send_bare(up, WR_MSG_PING);
            break;
        case WR_LEAF_FX_UP:
            up->ever = true;
            up->cfg.on_up(up->cfg.arg);
            break;
        case WR_LEAF_FX_LOST:
            drop_queue(up);
            up->cfg.on_lost(up->cfg.arg);
            break;
        case WR_LEAF_FX_PERSIST:
            remember_contacts(up);
            break;
        }
    }
}

/* ---- contacts ------------------------------------------------------------ */

struct name {
    struct wr_uplink *up;
    struct wr_contact contact;
};

static void resolved(void *arg, enum wr_err err, const struct wr_addr *v,
                     size_t n)
{
    struct name *name = arg;
    struct wr_uplink *up = name->up;
    struct wr_leaf_out out = {0};

    up->resolving--;
    for (size_t i = 0; i < n && !up->closing; i++) {
        name->contact.addr = v[i];
        wr_leaf_add(&up->leaf, &name->contact, true);
    }
    if (err != WR_OK)
        wr_why(&up->last, err, "its name could not be resolved");
    free(name);
    if (up->closing) {
        finish_close(up);
        return;
    }
    up->names_at = wr_clock_now() + WR_MS(NAMES_AGAIN_MS);
    wr_leaf_tick(&up->leaf, wr_clock_now(), &out);
    perform(up, &out);
    rearm(up);
}

static void add_contact(struct wr_uplink *up, const struct wr_home_contact *h)
{
    struct wr_contact c = {0};

    if (h->has_id)
        memcpy(c.id.b, h->host, sizeof(c.id.b));
    if (wr_addr_parse(h->address, PORT_DEFAULT, &c.addr) == WR_OK) {
        wr_leaf_add(&up->leaf, &c, true);
        return;
    }
    struct name *name = malloc(sizeof(*name));
    if (name == NULL)
        return;
    *name = (struct name){up, c};
    if (wr_resolve(up->net, h->address, PORT_DEFAULT, resolved, name) == WR_OK)
        up->resolving++;
    else
        free(name);
}

static void add_socket(struct wr_uplink *up)
{
    const struct wr_contact c = {.addr.port = SOCKET_CONTACT};
    struct stat st;

    wr_home_path(up->cfg.home->dir, "run/socket", up->socket_path);
    up->has_socket = stat(up->socket_path, &st) == 0 && S_ISSOCK(st.st_mode);
    if (up->has_socket)
        wr_leaf_add(&up->leaf, &c, true);
}

static void add_contacts(struct wr_uplink *up)
{
    const struct wr_home *h = up->cfg.home;

    up->names_at = wr_clock_now() + WR_MS(NAMES_AGAIN_MS);
    /* A super-peer's directory has one way in: its own process. */
    if (h->cred.role == WR_ROLE_SUPERPEER)
        return;
    for (size_t i = 0; i < h->contacts_n; i++)
        add_contact(up, &h->contacts[i]);
}

/* ---- time ---------------------------------------------------------------- */

bool wr_uplink_moved(struct wr_uplink *up)
{
    struct wr_net_stats stats;

    wr_net_stats(up->net, &stats);
    const uint64_t total = stats.bytes_in + stats.bytes_out;
    const uint64_t moved = total - up->sampled;

    up->sampled = total;
    if (moved == 0 || up->leaf.state != WR_LEAF_ATTACHED)
        return false;
    wr_leaf_heard(&up->leaf, wr_clock_now());
    return moved >= MOVED_LEAST;
}

void wr_uplink_leave(struct wr_uplink *up)
{
    struct wr_leaf_out out = {0};

    wr_leaf_leave(&up->leaf, wr_clock_now(), &out);
    perform(up, &out);
    rearm(up);
}

/* Names that no server could tell yet: a machine that has just started. */
static bool lacks_names(const struct wr_uplink *up)
{
    return up->leaf.n == 0 && up->resolving == 0 &&
           up->cfg.home->contacts_n > 0 &&
           up->cfg.home->cred.role != WR_ROLE_SUPERPEER;
}

static void on_timer(uv_timer_t *timer)
{
    struct wr_uplink *up = timer->data;
    struct wr_leaf_out out = {0};

    if (lacks_names(up) && wr_clock_now() >= up->names_at)
        add_contacts(up);
    wr_leaf_tick(&up->leaf, wr_clock_now(), &out);
    perform(up, &out);
    rearm(up);
}

static void rearm(struct wr_uplink *up)
{
    const wr_time now = wr_clock_now();
    wr_time at = wr_leaf_deadline(&up->leaf);

    if (up->closing)
        return;
    if (lacks_names(up))
        at = wr_time_min(at, up->names_at);
    if (at == WR_NEVER)
        uv_timer_stop(&up->timer);
    else
        uv_timer_start(&up->timer, on_timer,
                       at > now ? (at - now + 999) / 1000 : 0, 0);
}

/* ---- opening and closing ------------------------------------------------- */

static void free_uplink(struct wr_uplink *up)
{
    drop_queue(up);
    wr_book_done(&up->book);
    free(up->arena);
    free(up->header);
    free(up);
}

static bool take_memory(struct wr_uplink *up)
{
    const struct wr_home *h = up->cfg.home;
    const struct wr_net_cfg net = {
        .loop = up->cfg.loop,
        .ring = h->ring,
        .psk = h->ring_secret,
        .static_secret = h->id.noise_secret,
        .static_public = h->id.noise_public,
    };

    up->header = malloc(WR_HEADER_MAX);
    up->arena = malloc(WR_CODEC_ARENA);
    if (up->header == NULL || up->arena == NULL ||
        wr_book_init(&up->book, h->ring, WR_UPLINK_HOSTS_MAX,
                     WR_UPLINK_HOSTS_MAX) != WR_OK)
        return false;
    up->net = wr_net_new(&net);
    return up->net != NULL;
}

enum wr_err wr_uplink_open(struct wr_uplink **ret,
                           const struct wr_uplink_cfg *cfg, struct wr_why *why)
{
    struct wr_uplink *up = calloc(1, sizeof(*up));
    struct wr_leaf_out out = {0};
    uint64_t seed;

    if (up == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    up->cfg = *cfg;
    up->queue_end = &up->queue;
    wr_secret_random(&seed, sizeof(seed));
    wr_secret_random(&up->incarnation, sizeof(up->incarnation));
    if (!take_memory(up)) {
        free_uplink(up);
        return wr_why(why, WR_ENOMEM, "out of memory");
    }
    wr_codec_init(&up->codec, &up->book, up->arena, WR_CODEC_ARENA);
    const struct wr_leaf_cfg leaf = wr_leaf_cfg_default(seed);
    wr_leaf_init(&up->leaf, &leaf);
    WR_CHECK(uv_timer_init(cfg->loop, &up->timer) == 0);
    up->timer.data = up;
    wr_why(&up->last, WR_EUNREACH, "nobody to turn to");
    if (cfg->local)
        add_socket(up);
    add_contacts(up);
    wr_leaf_start(&up->leaf, wr_clock_now(), &out);
    perform(up, &out);
    rearm(up);
    *ret = up;
    return WR_OK;
}

static void timer_closed(uv_handle_t *handle)
{
    struct wr_uplink *up = handle->data;
    void (*closed)(void *arg) = up->closed;
    void *arg = up->closed_arg;

    free_uplink(up);
    closed(arg);
}

static void net_closed(void *arg)
{
    struct wr_uplink *up = arg;

    uv_close((uv_handle_t *)&up->timer, timer_closed);
}

/* Once no link and no resolver refers to us. */
static void finish_close(struct wr_uplink *up)
{
    if (up->net_closing || up->link != NULL || up->resolving > 0)
        return;
    up->net_closing = true;
    wr_net_close(up->net, net_closed, up);
}

static void on_linger(uv_timer_t *timer)
{
    struct wr_uplink *up = timer->data;

    if (up->link != NULL)
        wr_link_abort(up->link, WR_ETIMEOUT, "closing took too long");
}

void wr_uplink_close(struct wr_uplink *up, void (*closed)(void *arg), void *arg)
{
    WR_CHECK(!up->closing);
    send_bare(up, WR_MSG_BYE);
    up->closing = true;
    up->closed = closed;
    up->closed_arg = arg;
    drop_queue(up);
    uv_timer_stop(&up->timer);
    if (up->link != NULL) {
        if (up->cfg.linger_ms > 0 && wr_link_is_open(up->link)) {
            wr_link_close(up->link);
            uv_timer_start(&up->timer, on_linger, up->cfg.linger_ms, 0);
        } else {
            hang_up(up);
        }
    }
    finish_close(up);
}

/* ---- telling ------------------------------------------------------------- */

uint32_t wr_uplink_waiting(const struct wr_uplink *up)
{
    return up->queue_n;
}

void wr_uplink_room(struct wr_uplink *up)
{
    if (up->paused && up->link != NULL) {
        up->paused = false;
        wr_link_resume(up->link);
    }
}

struct wr_codec *wr_uplink_codec(struct wr_uplink *up)
{
    return &up->codec;
}

void wr_uplink_state(const struct wr_uplink *up, struct wr_uplink_state *ret)
{
    struct wr_net_stats net = {0};

    wr_net_stats(up->net, &net);
    *ret = (struct wr_uplink_state){
        .up = up->leaf.state == WR_LEAF_ATTACHED,
        .ever = up->ever,
        .local = up->local,
        .alone = !up->has_socket && up->leaf.n == 0 && up->resolving == 0,
        .copies = up->copies,
        .durable = up->durable,
        .dials = up->leaf.dials,
        .moves = up->leaf.moves,
        .bytes_in = net.bytes_in,
        .bytes_out = net.bytes_out,
        .last = up->last,
    };
    if (up->leaf.n > 0 && up->leaf.current < up->leaf.n)
        ret->host = wr_leaf_contact(&up->leaf, up->leaf.current)->id;
    snprintf(ret->at, sizeof(ret->at), "%s", up->at);
}

const char *wr_uplink_host(const struct wr_uplink *up, wr_host h, char ret[128])
{
    char id[WR_HEX_SIZE(4)], addr[WR_ADDR_TEXT];

    if (h >= up->book.hosts_n) {
        snprintf(ret, 128, "?");
        return ret;
    }
    wr_hex(wr_span(up->book.hosts[h].id.b, 4), id);
    wr_addr_text(&up->book.hosts[h].addr, addr);
    snprintf(ret, 128, "%s (%s)", id, addr);
    return ret;
}
