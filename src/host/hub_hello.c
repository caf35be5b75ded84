/* hub_hello.c - what links say for themselves: who speaks, who else there is,
 * who is no longer welcome. */
#include "host/hub_parts.h"
#include "net/addr.h"
#include "sys/clock.h"
#include "sys/log.h"

#define AGENT "wreath/" WR_VERSION

void wr_hub_peer_of(const struct wr_conn *c, struct wr_hub_peer *ret)
{
    *ret = (struct wr_hub_peer){
        .from = c->host,
        .local = c->kind == WR_CONN_LOCAL,
        .joining = c->kind == WR_CONN_JOINER,
        .cred = c->kind == WR_CONN_LEAF ? &c->cred : NULL,
    };
    if (c->kind == WR_CONN_HOST)
        ret->cred = &wr_card_of(c->hub->cfg.cards, c->host)->cred;
}

void wr_hub_say_hello(struct wr_conn *c)
{
    const struct wr_hub *hub = c->hub;
    struct wr_msg m = {.kind = WR_MSG_HELLO};

    m.hello.incarnation = hub->cfg.incarnation;
    m.hello.revoked = hub->cfg.cards->revoked.number;
    m.hello.bulk = c->bulk;
    m.hello.listen = hub->advertised;
    m.hello.wall_s = wr_clock_wall_s();
    m.hello.agent = wr_span_str(AGENT);
    wr_conn_send_first(c, &m);
}

void wr_hub_send_card(struct wr_conn *c, wr_host h)
{
    const struct wr_cards *cards = c->hub->cfg.cards;
    const struct wr_card *card = wr_card_of(cards, h);
    struct wr_msg m = {.kind = WR_MSG_CARD};

    m.card.credential = wr_span(card->bytes, card->bytes_n);
    if (card->left)
        m.card.farewell = wr_span(card->farewell, sizeof(card->farewell));
    m.card.addr = cards->book->hosts[h].addr;
    m.card.incarnation = card->incarnation;
    wr_conn_send(c, &m, NULL);
}

/* Which of two links of one kind to one host stays: the one dialled by the
 * lower host id, so that both ends choose the same; where one end dialled both
 * it has lost the first, and the second stays. */
static bool newer_stays(const struct wr_conn *old, const struct wr_conn *new)
{
    const struct wr_book *book = new->hub->cfg.cards->book;

    if (old->dialled == new->dialled)
        return true;
    const int c = memcmp(&book->hosts[new->hub->cfg.self].id,
                         &book->hosts[new->host].id, WR_HOST_ID_BYTES);
    return new->dialled == (c < 0);
}

/* Moves what waited for `from` to `to`. */
static void inherit(struct wr_conn *to, struct wr_conn *from)
{
    if (from->first == NULL)
        return;
    *to->last = from->first;
    to->last = from->last;
    to->waiting_n += from->waiting_n;
    from->first = NULL;
    from->last = &from->first;
    from->waiting_n = 0;
}

/* False if this link gave way to another. */
static bool take_place(struct wr_conn *c)
{
    struct wr_conn **place = &c->hub->hosts[c->host].conn[c->bulk];
    struct wr_conn *old = *place;

    if (old == c)
        return true;
    if (old != NULL && !newer_stays(old, c)) {
        c->replaced = true;
        wr_link_close(c->link);
        return false;
    }
    *place = c;
    if (old != NULL) {
        inherit(c, old);
        old->replaced = true;
        wr_link_close(old->link);
    }
    return true;
}

/* Our revocation list, to a host whose own is older for all we know. */
void wr_hub_send_revoked(struct wr_conn *c)
{
    const struct wr_span bytes = c->hub->cfg.cards->revoked.bytes;
    struct wr_msg m = {.kind = WR_MSG_REVOKED};
    struct wr_buf *body = wr_buf_new(bytes.n);

    if (body == NULL)
        return;
    memcpy(body->p, bytes.p, bytes.n);
    body->n = (uint32_t)bytes.n;
    m.revoked.body.len = body->n;
    wr_conn_send(c, &m, body);
    wr_buf_unref(body);
}

static void hello_of_host(struct wr_conn *c, const struct wr_msg *m)
{
    struct wr_hub *hub = c->hub;
    struct wr_addr addr = m->hello.listen;

    if (wr_addr_is_any(&addr)) /* It does not know; we see. */
        memcpy(addr.ip, wr_link_addr(c->link)->ip, sizeof(addr.ip));
    wr_cards_heard(hub->cfg.cards, c->host, &addr, m->hello.incarnation);
    hub->cfg.cards->v[c->host].seen_s = wr_clock_wall_s();
    if (!c->dialled) {
        c->bulk = m->hello.bulk;
        if (c->bulk)
            wr_link_set_bulk(c->link);
        wr_hub_say_hello(c);
    }
    if (!take_place(c))
        return;
    c->greeted = true;
    if (!c->bulk) {
        if (m->hello.revoked < hub->cfg.cards->revoked.number)
            wr_hub_send_revoked(c);
        hub->cfg.on_card(hub->cfg.arg, c->host);
        hub->cfg.on_up(hub->cfg.arg, c->host, m->hello.incarnation);
    }
    wr_conn_flush(c);
}

static void on_hello(struct wr_conn *c, const struct wr_msg *m)
{
    struct wr_hub_peer peer;

    if (c->greeted) {
        wr_link_abort(c->link, WR_EINVAL, "a second HELLO");
        return;
    }
    if (c->kind == WR_CONN_HOST) {
        hello_of_host(c, m);
        return;
    }
    if (!wr_conn_session(c)) {
        wr_link_abort(c->link, WR_EBUSY, "too many leaves");
        return;
    }
    wr_hub_say_hello(c);
    c->greeted = true;
    wr_hub_peer_of(c, &peer);
    if (c->kind != WR_CONN_JOINER)
        c->hub->cfg.on_leaf(c->hub->cfg.arg, &peer);
    wr_conn_flush(c);
}

static void on_card(struct wr_conn *c, const struct wr_msg *m)
{
    struct wr_hub *hub = c->hub;
    struct wr_cards *cards = hub->cfg.cards;
    wr_host h;
    bool news;

    const enum wr_err err = wr_cards_add(cards, m->card.credential, &h, &news);
    if (err != WR_OK) {
        hub->misfits++;
        WR_LOG(WARN, "hub", "a card was refused", WR_KV_ERR("why", err));
        return;
    }
    wr_cards_heard(cards, h, &m->card.addr, m->card.incarnation);
    if (m->card.farewell.n > 0 && wr_cards_farewell(cards, h, m->card.farewell))
        news = true;
    if (news)
        hub->cfg.on_card(hub->cfg.arg, h);
}

static void on_revoked(struct wr_conn *c, const struct wr_buf *body)
{
    struct wr_hub *hub = c->hub;

    if (body == NULL ||
        !wr_cards_revoke(hub->cfg.cards, wr_span(body->p, body->n)))
        return;
    hub->cfg.on_revoked(hub->cfg.arg);
}

bool wr_hub_hello(struct wr_conn *c, const struct wr_msg *m,
                  const struct wr_buf *body)
{
    switch ((int)m->kind) {
    case WR_MSG_HELLO:
        on_hello(c, m);
        return true;
    case WR_MSG_CARD:
        on_card(c, m);
        return true;
    case WR_MSG_REVOKED:
        on_revoked(c, body);
        return true;
    default:
        return false;
    }
}
