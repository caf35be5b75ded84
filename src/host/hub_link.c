/* hub_link.c - callbacks of links: who is it, what does it say, is there room
 * for it, and its end. */
#include <stdlib.h>

#include "host/hub_parts.h"
#include "sys/clock.h"
#include "sys/log.h"

/* An accepted link has the hub for its owner until it has a connection. */
static struct wr_conn *conn_of(struct wr_link *l)
{
    return wr_link_owner(l);
}

static struct wr_conn *accepted(struct wr_link *l, enum wr_conn_kind kind)
{
    struct wr_conn *c = wr_conn_new(wr_link_owner(l), l);

    if (c != NULL)
        c->kind = kind;
    return c;
}

static size_t payload(struct wr_link *l, uint8_t *ret, size_t room)
{
    const struct wr_conn *c = NULL;
    const struct wr_hub *hub = wr_link_owner(l);

    if (wr_link_was_dialled(l)) {
        c = wr_link_owner(l);
        hub = c->hub;
    }
    WR_CHECK(hub->cfg.home->cred_n <= room);
    memcpy(ret, hub->cfg.home->cred_bytes, hub->cfg.home->cred_n);
    return hub->cfg.home->cred_n;
}

/* A credential of this ring, for the key that the handshake has proven, that
 * has not expired nor been revoked. */
static enum wr_err check_cred(const struct wr_hub *hub, struct wr_span bytes,
                              const uint8_t remote[32], struct wr_cred *ret)
{
    const enum wr_err err = wr_cred_open(bytes, hub->cfg.home->ring, ret);

    if (err != WR_OK)
        return err;
    if (memcmp(ret->noise_public, remote, WR_NOISE_KEY) != 0)
        return WR_EAUTH;
    if (ret->not_after != 0 && wr_clock_wall_s() > ret->not_after)
        return WR_EREFUSED;
    return wr_cards_cut_off(hub->cfg.cards, ret->host) ? WR_EREFUSED : WR_OK;
}

static enum wr_err payload_dialled(struct wr_conn *c, struct wr_span bytes,
                                   const uint8_t remote[32])
{
    struct wr_cred cred;
    const enum wr_err err = check_cred(c->hub, bytes, remote, &cred);

    if (err != WR_OK)
        return err;
    /* An address proves itself by presenting the host that we looked for. */
    if (memcmp(cred.host, c->hub->cfg.cards->book->hosts[c->host].id.b,
               WR_CRED_HOST) != 0)
        return WR_EAUTH;
    c->known = true;
    return WR_OK;
}

/* Whether another link of this kind, and of this credential, may come in: one
 * peer leaves room for others, and guests leave room for the ring. */
static bool has_place(const struct wr_hub *hub, enum wr_conn_kind kind,
                      const struct wr_cred *cred)
{
    uint32_t same = 0, joiners = 0;
    struct wr_net_stats net;

    for (const struct wr_conn *c = hub->conns; c != NULL; c = c->next) {
        joiners += c->kind == WR_CONN_JOINER;
        same += c->kind != WR_CONN_JOINER && c->kind != WR_CONN_LOCAL &&
                !c->dialled &&
                memcmp(c->cred.host, cred->host, WR_CRED_HOST) == 0;
    }
    if (kind == WR_CONN_HOST)
        return same < WR_HUB_LINKS_EACH;
    wr_net_stats(hub->net, &net);
    if (net.links >= net.links_max - net.links_max / WR_HUB_HOSTS_SHARE)
        return false;
    return kind == WR_CONN_JOINER ? joiners < WR_HUB_JOINERS
                                  : same < WR_HUB_LINKS_EACH;
}

static enum wr_err payload_accepted(struct wr_link *l, struct wr_span bytes,
                                    const uint8_t remote[32])
{
    struct wr_hub *hub = wr_link_owner(l);
    struct wr_cred cred = {0};
    wr_host host = WR_NO_HOST;
    bool is_new;

    if (hub->closing)
        return WR_ECANCELED;
    if (bytes.n > 0) {
        enum wr_err err = check_cred(hub, bytes, remote, &cred);

        if (err == WR_OK && cred.role == WR_ROLE_SUPERPEER)
            err = wr_cards_add(hub->cfg.cards, bytes, &host, &is_new);
        if (err == WR_OK && host == hub->cfg.self)
            err = WR_EREFUSED; /* Two processes with one identity. */
        if (err != WR_OK)
            return err;
    }
    const enum wr_conn_kind kind = bytes.n == 0 ? WR_CONN_JOINER
                                   : cred.role == WR_ROLE_SUPERPEER
                                       ? WR_CONN_HOST
                                       : WR_CONN_LEAF;
    if (!has_place(hub, kind, &cred))
        return WR_EBUSY;
    struct wr_conn *c = accepted(l, kind);
    if (c == NULL)
        return WR_ENOMEM;
    c->known = true;
    c->cred = cred;
    c->host = host;
    wr_link_set_owner(l, c);
    return WR_OK;
}

static enum wr_err on_payload(struct wr_link *l, struct wr_span bytes,
                              const uint8_t remote[32])
{
    if (wr_link_was_dialled(l))
        return payload_dialled(wr_link_owner(l), bytes, remote);
    return payload_accepted(l, bytes, remote);
}

static void on_open(struct wr_link *l)
{
    struct wr_conn *c = conn_of(l);

    wr_link_set_body_max(l, WR_BUF_SIZE_MAX);
    if (c->dialled) {
        if (c->bulk)
            wr_link_set_bulk(l);
        wr_hub_say_hello(c);
    }
}

static void on_local_open(struct wr_link *l)
{
    struct wr_conn *c = accepted(l, WR_CONN_LOCAL);

    wr_link_set_owner(l, c);
    if (c == NULL)
        wr_link_abort(l, WR_ENOMEM, "out of memory");
    else
        on_open(l);
}

/* The level at which a data request asks; LEAF for what has none. */
static enum wr_level level_of(const struct wr_msg *m)
{
    switch ((int)m->kind) {
    case WR_MSG_HAVE:
        return m->have.level;
    case WR_MSG_PUT:
        return m->put.level;
    case WR_MSG_GET:
        return m->get.level;
    case WR_MSG_ROOT_PUT:
    case WR_MSG_ROOT_GET:
        return m->root.level;
    default:
        return WR_LEVEL_LEAF;
    }
}

static bool has_level(const struct wr_msg *m)
{
    return m->kind == WR_MSG_HAVE || m->kind == WR_MSG_PUT ||
           m->kind == WR_MSG_GET || m->kind == WR_MSG_ROOT_PUT ||
           m->kind == WR_MSG_ROOT_GET;
}

/* Whether this peer, in its role, may say this now. */
static bool may_say(const struct wr_conn *c, const struct wr_msg *m)
{
    if (!c->greeted || m->kind == WR_MSG_HELLO)
        return m->kind == WR_MSG_HELLO;
    switch (c->kind) {
    case WR_CONN_HOST:
        return !has_level(m) || level_of(m) != WR_LEVEL_LEAF;
    case WR_CONN_JOINER:
        return m->kind == WR_MSG_JOIN;
    case WR_CONN_LEAF:
    case WR_CONN_LOCAL:
        return wr_msg_from_leaf(m->kind) && level_of(m) == WR_LEVEL_LEAF;
    }
    WR_UNREACHABLE();
}

/* False if there is nothing to do with it; a peer at fault is cut off. */
static bool decode(struct wr_conn *c, struct wr_span header, struct wr_msg *m)
{
    const enum wr_err err = wr_codec_decode(&c->hub->codec, header, m, NULL);

    if (err == WR_EINVAL) {
        wr_link_abort(c->link, WR_EINVAL, "a malformed message");
        return false;
    }
    if (err != WR_OK) { /* Of a kind or about a host that we do not know. */
        c->hub->misfits++;
        return false;
    }
    if (!may_say(c, m)) {
        wr_link_abort(c->link, WR_EREFUSED, "a message that is not its to say");
        return false;
    }
    return true;
}

static enum wr_hub_share share_of(const struct wr_msg *m)
{
    if (m->kind != WR_MSG_PUT)
        return WR_SHARE_READ;
    return m->put.level == WR_LEVEL_LEAF    ? WR_SHARE_LEAF
           : m->put.level == WR_LEVEL_OWNER ? WR_SHARE_OWNER
                                            : WR_SHARE_COPY;
}

/* Who waits and who is turned away: a leaf waits for us, we wait for the disk,
 * and hosts never wait for each other, or two could do so for ever
 * (decision 0007). */
static struct wr_buf *on_body(struct wr_link *l, struct wr_span header,
                              uint32_t n)
{
    struct wr_conn *c = conn_of(l);
    struct wr_hub_peer peer;
    struct wr_msg m;

    if (!decode(c, header, &m))
        return WR_LINK_SKIP;
    if (n > wr_body_max(m.kind, wr_host_is_leaf(c->host))) {
        wr_link_abort(l, WR_ETOOBIG, "a body that is too long for its kind");
        return WR_LINK_SKIP;
    }
    if (m.kind == WR_MSG_REVOKED) {
        struct wr_buf *list = wr_buf_new(n);

        return list != NULL ? list : WR_LINK_SKIP; /* Nobody would wake us. */
    }
    const enum wr_hub_share share = share_of(&m);
    struct wr_buf *buf = wr_pool_get(c->hub->cfg.pool, share, n);
    if (buf != NULL)
        return buf;
    if (share == WR_SHARE_LEAF || share == WR_SHARE_COPY) {
        c->paused = true;
        return NULL;
    }
    wr_hub_peer_of(c, &peer);
    c->hub->cfg.on_no_room(c->hub->cfg.arg, &peer, &m);
    return WR_LINK_SKIP;
}

static void on_frame(struct wr_link *l, struct wr_span header,
                     struct wr_buf *body)
{
    struct wr_conn *c = conn_of(l);
    struct wr_hub_peer peer;
    struct wr_msg m;

    if (!decode(c, header, &m) || wr_hub_hello(c, &m, body)) {
        wr_buf_unref(body);
        return;
    }
    wr_hub_peer_of(c, &peer);
    c->hub->cfg.on_msg(c->hub->cfg.arg, &peer, &m, body);
}

static void on_drain(struct wr_link *l)
{
    wr_conn_flush(conn_of(l));
}

static void log_end(const struct wr_conn *c, const struct wr_why *why)
{
    static const char *const kinds[] = {"host", "leaf", "local", "joiner"};
    char name[9] = "-";

    if (c->kind == WR_CONN_HOST && c->host < c->hub->cfg.cards->book->hosts_n)
        wr_host_name(c->hub->cfg.cards->book->hosts[c->host].id.b, name);
    else if (c->kind == WR_CONN_LEAF)
        wr_host_name(c->cred.host, name);
    if (why->err == WR_EINVAL || why->err == WR_ETOOBIG ||
        why->err == WR_EAUTH || why->err == WR_EREFUSED)
        WR_LOG(WARN, "hub", "link closed", WR_KV_STR("peer", kinds[c->kind]),
               WR_KV_STR("name", name), WR_KV_STR("why", why->text));
    else
        WR_LOG(DEBUG, "hub", "link closed", WR_KV_STR("peer", kinds[c->kind]),
               WR_KV_STR("name", name), WR_KV_STR("why", why->text));
}

static void on_closed(struct wr_link *l, const struct wr_why *why)
{
    struct wr_conn *c = conn_of(l);

    if (c == NULL)
        return;
    struct wr_hub *hub = c->hub;
    const wr_host host = c->host;
    const bool in_place =
        c->kind == WR_CONN_HOST && hub->hosts[host].conn[c->bulk] == c;
    struct wr_conn *next = NULL;
    log_end(c, why);
    if (in_place) {
        if (!hub->closing)
            next = wr_hub_parked(c);
        hub->hosts[host].conn[c->bulk] = next;
        if (next != NULL)
            wr_hub_inherit(next, c);
    }
    /* A link that was never used, or that gave way, ends without a word. */
    const bool news =
        wr_host_is_leaf(host) || (in_place && (next == NULL || c->greeted));
    wr_conn_free(c);
    if (news && !hub->closing)
        hub->cfg.on_down(hub->cfg.arg, host);
    if (next != NULL && hub->hosts[host].conn[next->bulk] == next)
        wr_hub_settle(next);
    wr_hub_gone(hub);
}

const struct wr_link_ops wr_hub_tcp_ops = {
    .payload = payload,
    .on_payload = on_payload,
    .on_open = on_open,
    .on_body = on_body,
    .on_frame = on_frame,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

const struct wr_link_ops wr_hub_local_ops = {
    .on_open = on_local_open,
    .on_body = on_body,
    .on_frame = on_frame,
    .on_drain = on_drain,
    .on_closed = on_closed,
};
