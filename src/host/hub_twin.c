/* hub_twin.c - two processes that run under one identity: a directory that was
 * copied, or restored while the original still runs. Their keys are the same,
 * so that nobody can tell which one is right. Links of both would take each
 * other's place as fast as they can dial; here they take turns, with a pause
 * that doubles, and whoever sees both tells both, for only people can end it.
 * Where they listen tells them apart. */
#include <string.h>

#include "host/hub_parts.h"
#include "net/addr.h"
#include "sys/clock.h"
#include "sys/log.h"

bool wr_hub_other_process(const struct wr_conn *a, const struct wr_conn *b)
{
    return a != b && a->greeted && a->host == b->host &&
           !wr_addr_eq(&a->listen, &b->listen);
}

/* A link that stands, and would have to give way to `c`; or NULL. */
static struct wr_conn *rival_of(const struct wr_conn *c)
{
    const struct wr_hub_host *h = &c->hub->hosts[c->host];
    struct wr_conn *same = h->conn[c->bulk];

    for (unsigned i = 0; i < WR_ARRAY_LEN(h->conn); i++)
        if (h->conn[i] != NULL && wr_link_is_open(h->conn[i]->link) &&
            wr_hub_other_process(h->conn[i], c))
            return h->conn[i];
    return same != NULL && same != c && same->greeted &&
                   wr_link_is_open(same->link) && same->dialled == c->dialled
               ? same
               : NULL;
}

/* What it should say of where the other listens, if it is to hold for true. */
void wr_hub_tell_twin(struct wr_conn *c, const struct wr_addr *other)
{
    const struct wr_card *card = wr_card_of(c->hub->cfg.cards, c->host);
    struct wr_msg m = {.kind = WR_MSG_CARD};

    m.card.credential = wr_span(card->bytes, card->bytes_n);
    m.card.addr = *other;
    m.card.incarnation = c->incarnation;
    (void)wr_conn_send_first(c, &m); /* No room: in another turn. */
}

/* The one that was here before lives, and is not older: no restart. */
static void on_twins(struct wr_conn *c, struct wr_conn *rival)
{
    char name[9], one[WR_ADDR_TEXT], other[WR_ADDR_TEXT];

    wr_host_name(c->hub->cfg.cards->book->hosts[c->host].id.b, name);
    WR_LOG(WARN, "hub", "two hosts run under one identity; stop one of them",
           WR_KV_STR("host", name),
           WR_KV_STR("one", wr_addr_text(&rival->listen, one)),
           WR_KV_STR("other", wr_addr_text(&c->listen, other)));
    wr_hub_tell_twin(rival, &c->listen);
    c->twin = rival->listen; /* After our HELLO. */
}

/* Of the two processes, only one is talked to. */
static void close_beside(const struct wr_conn *c)
{
    struct wr_conn *beside = c->hub->hosts[c->host].conn[!c->bulk];

    if (beside != NULL && wr_hub_other_process(beside, c))
        wr_link_close(beside->link);
}

/* False while none gives way; else the next time is further off. */
static bool take_turn(struct wr_hub_host *h, uint64_t now_ms, uint32_t most_ms)
{
    if (now_ms < h->turn_at_ms)
        return false;
    if (h->turn_ms == 0 || now_ms - h->turn_at_ms > WR_HUB_TURN_OVER_MS)
        h->turn_ms = WR_HUB_TURN_MS;
    else
        h->turn_ms = h->turn_ms < most_ms / 2 ? h->turn_ms * 2 : most_ms;
    h->turn_at_ms = now_ms + h->turn_ms;
    return true;
}

bool wr_hub_turn(struct wr_conn *c)
{
    struct wr_hub_host *h = &c->hub->hosts[c->host];
    struct wr_conn *rival = rival_of(c);

    if (rival == NULL)
        return true;
    const bool other = wr_hub_other_process(rival, c);
    const bool newer = c->incarnation > rival->incarnation; /* A restart. */
    if (!newer && !take_turn(h, uv_now(c->hub->cfg.loop),
                             other ? WR_HUB_TURN_MOST_MS : WR_HUB_TURN_SAME_MS))
        return false;
    if (other && !newer)
        on_twins(c, rival);
    close_beside(c);
    return true;
}

/* Of this start, and not where we are: no word of an earlier start says so. */
void wr_hub_hear_twin(struct wr_hub *hub, const struct wr_addr *addr,
                      uint32_t incarnation)
{
    const uint64_t now_s = wr_clock_wall_s();
    struct wr_addr own = hub->advertised;
    char text[WR_ADDR_TEXT];

    if (wr_addr_is_any(&own)) /* Others see which one. */
        memcpy(own.ip, addr->ip, sizeof(own.ip));
    if (addr->port == 0 || incarnation < hub->born ||
        incarnation > hub->cfg.incarnation || wr_addr_eq(addr, &own))
        return;
    hub->twin = *addr;
    hub->twin_s = now_s;
    if (hub->twin_told_s != 0 && now_s - hub->twin_told_s < WR_HUB_TWIN_TELL_S)
        return;
    hub->twin_told_s = now_s;
    WR_LOG(ERROR, "host",
           "another host runs under this identity; stop one of the two for "
           "good",
           WR_KV_STR("address", wr_addr_text(addr, text)));
}

bool wr_hub_twin(const struct wr_hub *hub, struct wr_addr *ret,
                 uint64_t *ret_ago_s)
{
    const uint64_t now_s = wr_clock_wall_s();

    if (hub->twin.port == 0 || now_s < hub->twin_s ||
        now_s - hub->twin_s > WR_HUB_TWIN_OVER_S)
        return false;
    *ret = hub->twin;
    *ret_ago_s = now_s - hub->twin_s;
    return true;
}
