/* leafd_local.c - the programs on the local socket: HELLO, requests and their
 * bodies, and what goes back to them (leafd.h). */
#include <stdlib.h>

#include "base/text.h"
#include "host/leafd_parts.h"
#include "sys/clock.h"
#include "sys/log.h"

/* ---- sending ------------------------------------------------------------- */

static void drop_waiting(struct wr_leafd_client *c)
{
    while (c->first != NULL) {
        struct wr_leafd_waiting *w = c->first;

        c->first = w->next;
        wr_buf_unref(w->body);
        free(w);
    }
    c->last = &c->first;
    c->waiting_n = 0;
    c->waiting_room = 0;
}

/* Nothing is said to it any more; on_closed follows. */
static void cut(struct wr_leafd_client *c, enum wr_err err, const char *text)
{
    if (c->cut)
        return;
    c->cut = true;
    drop_waiting(c);
    wr_link_abort(c->link, err, text);
}

/* Forgets what the link can no longer hold: it works in order. */
static void settle(struct wr_leafd_client *c)
{
    const size_t queued = wr_link_queued_bytes(c->link);
    struct wr_leafd_given *g = &c->given;

    while (g->count > 0 && g->n - g->v[g->first].n >= queued) {
        g->n -= g->v[g->first].n;
        g->room -= g->v[g->first].room;
        g->first = (g->first + 1) % WR_LEAFD_GIVEN;
        g->count--;
        g->moved_at = wr_clock_now();
    }
}

size_t wr_leafd_held(struct wr_leafd_client *c)
{
    settle(c);
    return c->waiting_room + c->given.room;
}

static bool give(struct wr_leafd_client *c, struct wr_span header,
                 struct wr_buf *body)
{
    struct wr_leafd_given *g = &c->given;

    if (wr_link_send(c->link, header, body) != WR_OK)
        return false;
    if (body == NULL)
        return true;
    settle(c);
    if (g->count == 0)
        g->moved_at = wr_clock_now();
    if (g->count < WR_LEAFD_GIVEN) {
        const uint32_t at = (g->first + g->count++) % WR_LEAFD_GIVEN;

        g->v[at].n = g->v[at].room = 0;
    } /* Else the last one stands for both. */
    const uint32_t last = (g->first + g->count - 1) % WR_LEAFD_GIVEN;
    g->v[last].n += body->n;
    g->v[last].room += body->cap;
    g->n += body->n;
    g->room += body->cap;
    return true;
}

void wr_leafd_make_room(struct wr_leafd *d)
{
    const wr_time now = wr_clock_now();

    for (struct wr_leafd_client *c = d->clients; c != NULL; c = c->next)
        if (!c->cut && wr_leafd_held(c) > 0 &&
            now - c->given.moved_at > WR_SEC(WR_LEAFD_STUCK_S))
            cut(c, WR_ETIMEOUT, "it does not read, and others need the room");
}

void wr_leafd_send_header(struct wr_leafd_client *c, struct wr_span header,
                          struct wr_buf *body)
{
    struct wr_leafd_waiting *w = NULL;

    if (c->cut || (c->first == NULL && give(c, header, body)))
        return;
    if (c->waiting_n < WR_LEAFD_WAITING)
        w = malloc(sizeof(*w) + header.n);
    if (w == NULL) {
        cut(c, WR_EBUSY, "it does not read what it asked for");
        return;
    }
    *w = (struct wr_leafd_waiting){.n = (uint32_t)header.n};
    memcpy(w->header, header.p, header.n);
    if (body != NULL) {
        w->body = wr_buf_ref(body);
        c->waiting_room += body->cap;
    }
    *c->last = w;
    c->last = &w->next;
    c->waiting_n++;
}

void wr_leafd_send(struct wr_leafd_client *c, const struct wr_msg *m,
                   struct wr_span extra, struct wr_buf *body)
{
    size_t n;

    if (wr_codec_encode(wr_uplink_codec(c->d->up), m, extra, c->d->header,
                        WR_HEADER_MAX, &n) != WR_OK) {
        WR_LOG(WARN, "leaf", "message not passed on",
               WR_KV_STR("kind", wr_msg_name(m->kind)));
        return;
    }
    wr_leafd_send_header(c, wr_span(c->d->header, n), body);
}

static void on_drain(struct wr_link *l)
{
    struct wr_leafd_client *c = wr_link_owner(l);

    while (c != NULL && c->first != NULL) {
        struct wr_leafd_waiting *w = c->first;

        if (!give(c, wr_span(w->header, w->n), w->body))
            return;
        c->first = w->next;
        if (c->first == NULL)
            c->last = &c->first;
        c->waiting_n--;
        if (w->body != NULL)
            c->waiting_room -= w->body->cap;
        wr_buf_unref(w->body);
        free(w);
    }
}

/* ---- who is there -------------------------------------------------------- */

void wr_leafd_welcome(struct wr_leafd_client *c)
{
    struct wr_msg m = wr_msg_of(WR_MSG_ATTACHED, 0);
    struct wr_uplink_state up;
    char name[WR_HEX_SIZE(4)];

    if (c->d->up_since == 0 || !c->greeted)
        return;
    wr_uplink_state(c->d->up, &up);
    wr_hex(wr_span(up.host.b, 4), name);
    m.attached.copies = up.copies;
    m.attached.durable = up.durable;
    m.attached.parent = wr_span_str(name);
    wr_leafd_send(c, &m, (struct wr_span){0}, NULL);
}

/* Every host that an answer may name is introduced before. */
static void hello(struct wr_leafd_client *c)
{
    struct wr_leafd *d = c->d;
    struct wr_msg m = wr_msg_of(WR_MSG_HELLO, 0);

    if (c->greeted) {
        cut(c, WR_EINVAL, "a second HELLO");
        return;
    }
    c->greeted = true;
    m.hello.wall_s = wr_clock_wall_s();
    m.hello.agent = wr_span_str("wreath/" WR_VERSION);
    wr_leafd_send(c, &m, (struct wr_span){0}, NULL);
    for (uint32_t h = 0; h < WR_UPLINK_HOSTS_MAX; h++)
        if (d->cards[h].p != NULL)
            wr_leafd_send_header(c, wr_span(d->cards[h].p, d->cards[h].n),
                                 NULL);
    wr_leafd_welcome(c);
}

static void on_open(struct wr_link *l)
{
    struct wr_leafd *d = wr_link_owner(l);
    struct wr_leafd_client *c = NULL;

    if (!d->closing && d->clients_n < WR_LEAFD_CLIENTS)
        c = calloc(1, sizeof(*c));
    wr_link_set_owner(l, c);
    if (c == NULL) {
        wr_link_abort(l, WR_EBUSY, "too many programs at once");
        return;
    }
    c->d = d;
    c->link = l;
    c->last = &c->first;
    c->next = d->clients;
    if (c->next != NULL)
        c->next->prev = c;
    d->clients = c;
    d->clients_n++;
}

static void on_closed(struct wr_link *l, const struct wr_why *why)
{
    struct wr_leafd_client *c = wr_link_owner(l);

    if (c == NULL)
        return;
    struct wr_leafd *d = c->d;
    WR_LOG(DEBUG, "leaf", "program gone", WR_KV_U64("under_way", c->asked),
           WR_KV_STR("why", why->text));
    wr_leafd_forget(c);
    drop_waiting(c);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        d->clients = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    d->clients_n--;
    free(c);
    wr_leafd_client_gone(d);
}

/* ---- what they say ------------------------------------------------------- */

static bool may_say(const struct wr_leafd_client *c, const struct wr_msg *m)
{
    switch ((int)m->kind) {
    case WR_MSG_HELLO:
        return true;
    case WR_MSG_PING:
    case WR_MSG_PONG:
    case WR_MSG_BYE:
    case WR_MSG_QUERY:
        return c->greeted;
    case WR_MSG_HAVE:
        return c->greeted && m->have.level == WR_LEVEL_LEAF;
    case WR_MSG_PUT:
        return c->greeted && m->put.level == WR_LEVEL_LEAF;
    case WR_MSG_GET:
        return c->greeted && m->get.level == WR_LEVEL_LEAF;
    case WR_MSG_ROOT_PUT:
    case WR_MSG_ROOT_GET:
        return c->greeted && m->root.level == WR_LEVEL_LEAF;
    default:
        return false;
    }
}

/* False if there is nothing to do with it; who is at fault is cut off. */
static bool decode(struct wr_leafd_client *c, struct wr_span header,
                   struct wr_msg *m, struct wr_span *extra)
{
    if (c == NULL || c->cut || c->d->closing)
        return false;
    const enum wr_err err =
        wr_codec_decode(wr_uplink_codec(c->d->up), header, m, extra);
    if (err == WR_EINVAL)
        cut(c, WR_EINVAL, "a malformed message");
    else if (err == WR_OK && !may_say(c, m))
        cut(c, WR_EREFUSED, "a message that is not its to say");
    return err == WR_OK && !c->cut;
}

/* Only a PUT has one. It waits for room, for nothing here waits for it; what
 * could not go up is not even read. */
static struct wr_buf *on_body(struct wr_link *l, struct wr_span header,
                              uint32_t n)
{
    struct wr_leafd_client *c = wr_link_owner(l);
    struct wr_msg m;

    if (!decode(c, header, &m, NULL))
        return WR_LINK_SKIP;
    if (n > wr_body_max(m.kind, true) || n > WR_BUF_SIZE_MAX) {
        cut(c, WR_ETOOBIG, "a body that is too long for its kind");
        return WR_LINK_SKIP;
    }
    if (!wr_leafd_takes(c)) {
        const struct wr_leafd_ask ask = wr_leafd_ask_of(&m);

        wr_leafd_refuse(c, &ask);
        return WR_LINK_SKIP;
    }
    struct wr_buf *buf = wr_pool_get(c->d->pool, WR_LEAFD_UP, n);
    c->paused = buf == NULL;
    return buf;
}

static void on_frame(struct wr_link *l, struct wr_span header,
                     struct wr_buf *body)
{
    struct wr_leafd_client *c = wr_link_owner(l);
    struct wr_span extra = {0};
    struct wr_msg m;

    if (!decode(c, header, &m, &extra)) {
        wr_buf_unref(body);
        return;
    }
    switch ((int)m.kind) {
    case WR_MSG_HELLO:
        hello(c);
        break;
    case WR_MSG_PING:
        m.kind = WR_MSG_PONG;
        wr_leafd_send(c, &m, extra, NULL);
        break;
    case WR_MSG_PONG:
    case WR_MSG_BYE:
        break;
    case WR_MSG_QUERY:
        if (wr_span_eq(m.query.what, wr_span_str("leaf"))) {
            wr_leafd_facts(c, m.rid);
            break;
        }
        wr_leafd_upwards(c, &m, extra, NULL);
        break;
    default:
        wr_leafd_upwards(c, &m, extra, body);
        return;
    }
    wr_buf_unref(body);
}

static const struct wr_link_ops ops = {
    .on_open = on_open,
    .on_body = on_body,
    .on_frame = on_frame,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

void wr_leafd_resume(struct wr_leafd *d)
{
    for (struct wr_leafd_client *c = d->clients, *next; c != NULL; c = next) {
        next = c->next;
        if (c->paused) {
            c->paused = false;
            wr_link_resume(c->link);
        }
    }
}

enum wr_err wr_leafd_listen(struct wr_leafd *d, struct wr_why *why)
{
    char path[WR_HOME_PATH_MAX];

    wr_home_path(d->cfg.home->dir, "run/socket", path);
    return wr_listen_unix(d->net, d->cfg.socket != NULL ? d->cfg.socket : path,
                          &ops, d, why, &d->listener);
}
