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
    if (!wr_conn_send_first(c, &m))
        wr_link_abort(c->link, WR_EFAIL, "no room for HELLO");
}

bool wr_hub_send_card(struct wr_conn *c, wr_host h)
{
    const struct wr_cards *cards = c->hub->cfg.cards;
    const struct wr_card *card = wr_card_of(cards, h);
    struct wr_msg m = {.kind = WR_MSG_CARD};

    m.card.credential = wr_span(card->bytes, card->bytes_n);
    if (card->left && (h != c->hub->cfg.self || c->hub->left))
        m.card.farewell = wr_span(card->farewell, sizeof(card->farewell));
    m.card.addr = cards->book->hosts[h].addr;
    m.card.incarnation = card->incarnation;
    return wr_conn_send_first(c, &m);
}

/* Which of two links of one kind to one host stays: the one dialled by the
 * lower host id, so that both ends choose the same; where one end dialled both
 * it has lost the first, and the second stays. So does one to a process that
 * was started after the one at the old link's end: nobody is there any more;
 * and one to another process, which waited for its turn (hub_twin.c). */
static bool newer_stays(const struct wr_conn *old, const struct wr_conn *new)
{
    const struct wr_book *book = new->hub->cfg.cards->book;

    if (old->dialled == new->dialled || wr_hub_other_process(old, new) ||
        (old->greeted && old->incarnation < new->incarnation))
        return true;
    const int c = memcmp(&book->hosts[new->hub->cfg.self].id,
                         &book->hosts[new->host].id, WR_HOST_ID_BYTES);
    return new->dialled == (c < 0);
}

/* Moves what waited for `from` to `to`. */
void wr_hub_inherit(struct wr_conn *to, struct wr_conn *from)
{
    if (from->first == NULL)
        return;
    *to->last = from->first;
    to->last = from->last;
    to->waiting_n += from->waiting_n;
    to->waiting_bytes += from->waiting_bytes;
    from->first = NULL;
    from->last = &from->first;
    from->waiting_n = 0;
    from->waiting_bytes = 0;
}

static bool same_pair(const struct wr_conn *a, const struct wr_conn *b)
{
    return a != b && a->kind == WR_CONN_HOST && b->kind == WR_CONN_HOST &&
           a->host == b->host && a->bulk == b->bulk;
}

struct wr_conn *wr_hub_parked(const struct wr_conn *gone)
{
    for (struct wr_conn *c = gone->hub->conns; c != NULL; c = c->next)
        if (c->parked && same_pair(c, gone) && wr_link_is_open(c->link))
            return c;
    return NULL;
}

/* At most one waits behind `c`, or with it. */
static void close_parked(const struct wr_conn *c)
{
    struct wr_conn *parked = wr_hub_parked(c);

    if (parked != NULL)
        wr_link_close(parked->link);
}

/* False if this link has to wait for another's fate. It gets no HELLO until
 * then, so that the other side sends nothing on it: were it closed at once, and
 * the one that is to stay came to nothing, what waits there would be lost; and
 * so would be what was sent between our HELLO and our END. */
static bool take_place(struct wr_conn *c)
{
    struct wr_conn **place = &c->hub->hosts[c->host].conn[c->bulk];
    struct wr_conn *old = *place;

    if (old == c)
        return true;
    if (old != NULL && !newer_stays(old, c)) {
        close_parked(c);
        c->parked = true;
        return false;
    }
    *place = c;
    if (old != NULL) {
        wr_hub_inherit(c, old);
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

void wr_hub_settle(struct wr_conn *c)
{
    const struct wr_hub_cfg *cfg = &c->hub->cfg;

    if (!c->dialled)
        wr_hub_say_hello(c);
    c->parked = false;
    c->greeted = true;
    close_parked(c);
    if (!c->bulk) {
        if (c->revoked < cfg->cards->revoked.number)
            wr_hub_send_revoked(c);
        cfg->on_card(cfg->arg, c->host);
        cfg->on_up(cfg->arg, c->host, c->incarnation);
    }
    if (c->twin.port != 0)
        wr_hub_tell_twin(c, &c->twin);
    wr_conn_flush(c);
}

static void hello_of_host(struct wr_conn *c, const struct wr_msg *m)
{
    struct wr_hub *hub = c->hub;
    struct wr_addr addr = m->hello.listen;

    if (wr_addr_is_any(&addr)) /* It does not know; we see. */
        memcpy(addr.ip, wr_link_addr(c->link)->ip, sizeof(addr.ip));
    if (!c->dialled)
        c->bulk = m->hello.bulk;
    c->listen = addr;
    c->incarnation = m->hello.incarnation;
    if (!wr_hub_turn(c)) { /* No WARN: it comes again soon. */
        wr_link_abort(c->link, WR_EBUSY, "another process of it is linked");
        return;
    }
    if (wr_cards_said(hub->cfg.cards, c->host, &addr, m->hello.incarnation))
        wr_hub_news(hub, c->host);
    wr_cards_linked(hub->cfg.cards, c->host, wr_clock_wall_s());
    if (!c->dialled && c->bulk)
        wr_link_set_bulk(c->link);
    c->revoked = m->hello.revoked;
    c->wall_s = m->hello.wall_s;
    c->wall_at = wr_clock_now();
    if (take_place(c))
        wr_hub_settle(c);
}

void wr_hub_turn_away(struct wr_conn *leaf)
{
    const struct wr_msg bye = {.kind = WR_MSG_BYE, .bye.why = WR_BYE_LEFT};

    wr_conn_send(leaf, &bye, NULL);
}

static void on_hello(struct wr_conn *c, const struct wr_msg *m)
{
    struct wr_hub_peer peer;

    if (c->greeted || c->parked) {
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
    if (c->kind == WR_CONN_LEAF && c->hub->left)
        wr_hub_turn_away(c);
    else if (c->kind != WR_CONN_JOINER)
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
    if (h == hub->cfg.self) { /* We know better where we are. */
        wr_hub_hear_twin(hub, &m->card.addr, m->card.incarnation);
        if (m->card.farewell.n > 0 &&
            wr_cards_farewell(cards, h, m->card.farewell))
            hub->cfg.on_card(hub->cfg.arg, h);
        return;
    }
    const bool moved =
        wr_cards_heard(cards, h, &m->card.addr, m->card.incarnation);
    if (m->card.farewell.n > 0 && wr_cards_farewell(cards, h, m->card.farewell))
        news = true;
    if (news || moved)
        wr_hub_news(hub, h);
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
