/* leafd_relay.c - requests under way: whose they are, by a number of ours
 * (leafd.h). */
#include <stdlib.h>

#include "host/leafd_parts.h"
#include "sys/clock.h"

#define NIL UINT32_MAX

bool wr_leafd_table_init(struct wr_leafd *d)
{
    d->slots = calloc(WR_LEAFD_SLOTS, sizeof(*d->slots));
    if (d->slots == NULL)
        return false;
    for (uint32_t i = 0; i < WR_LEAFD_SLOTS; i++)
        d->slots[i].next_free = i + 1 < WR_LEAFD_SLOTS ? i + 1 : NIL;
    d->free_slot = 0;
    return true;
}

static void release(struct wr_leafd *d, struct wr_leafd_slot *slot)
{
    slot->client->asked--;
    slot->client = NULL;
    slot->generation++;
    slot->next_free = d->free_slot;
    d->free_slot = (uint32_t)(slot - d->slots);
    d->used--;
}

/* Whose request `m` answers; NULL if nobody's, or nobody's any more. */
static struct wr_leafd_slot *slot_of(struct wr_leafd *d, const struct wr_msg *m)
{
    struct wr_leafd_slot *slot = &d->slots[m->rid % WR_LEAFD_SLOTS];

    if (slot->client == NULL || slot->generation != m->rid / WR_LEAFD_SLOTS ||
        wr_msg_answer(slot->ask.kind) != m->kind)
        return NULL;
    return slot;
}

struct wr_leafd_ask wr_leafd_ask_of(const struct wr_msg *m)
{
    struct wr_leafd_ask ask = {.rid = m->rid, .kind = (uint8_t)m->kind};

    if (m->kind == WR_MSG_GET) {
        ask.hash = m->get.hash;
        ask.digest = m->get.digest;
    } else if (m->kind == WR_MSG_ROOT_PUT || m->kind == WR_MSG_ROOT_GET) {
        ask.digest = m->root.position;
    }
    return ask;
}

void wr_leafd_refuse(struct wr_leafd_client *c, const struct wr_leafd_ask *ask)
{
    struct wr_msg m = wr_msg_of(wr_msg_answer(ask->kind), ask->rid);

    switch ((int)m.kind) {
    case WR_MSG_HAD:
        m.had.status = WR_STATUS_BUSY;
        m.had.retry_ms = WR_LEAFD_RETRY_MS;
        break;
    case WR_MSG_PUT_DONE:
        m.put_done.status = WR_STATUS_BUSY;
        m.put_done.retry_ms = WR_LEAFD_RETRY_MS;
        break;
    case WR_MSG_DATA:
        m.data.status = WR_STATUS_BUSY;
        m.data.retry_ms = WR_LEAFD_RETRY_MS;
        m.data.hash = ask->hash;
        m.data.digest = ask->digest;
        break;
    case WR_MSG_ROOT_DONE:
    case WR_MSG_ROOT:
        m.root.status = WR_STATUS_BUSY;
        m.root.retry_ms = WR_LEAFD_RETRY_MS;
        m.root.position = ask->digest;
        break;
    case WR_MSG_REPORT:
        m.report.status = WR_STATUS_BUSY;
        break;
    default:
        return;
    }
    c->d->busy++;
    wr_leafd_send(c, &m, (struct wr_span){0}, NULL);
}

bool wr_leafd_takes(const struct wr_leafd_client *c)
{
    const struct wr_leafd *d = c->d;

    return d->up_since != 0 && d->free_slot != NIL &&
           c->asked < WR_LEAFD_OF_ONE &&
           wr_uplink_waiting(d->up) < WR_LEAFD_UPWARDS;
}

void wr_leafd_upwards(struct wr_leafd_client *c, struct wr_msg *m,
                      struct wr_span extra, struct wr_buf *body)
{
    struct wr_leafd *d = c->d;
    const struct wr_leafd_ask ask = wr_leafd_ask_of(m);

    if (!wr_leafd_takes(c)) {
        wr_leafd_refuse(c, &ask);
        wr_buf_unref(body);
        return;
    }
    struct wr_leafd_slot *slot = &d->slots[d->free_slot];
    m->rid = (uint64_t)slot->generation * WR_LEAFD_SLOTS + d->free_slot;
    d->free_slot = slot->next_free;
    slot->client = c;
    slot->ask = ask;
    slot->since = wr_clock_now();
    c->asked++;
    d->used++;
    d->relayed++;
    wr_uplink_send(d->up, m, extra, body);
    wr_buf_unref(body);
    wr_leafd_busy_now(d);
}

void wr_leafd_downwards(struct wr_leafd *d, struct wr_msg *m,
                        struct wr_span extra, struct wr_buf *body)
{
    struct wr_leafd_slot *slot = slot_of(d, m);

    if (slot == NULL) { /* Its asker went away. */
        d->dropped++;
        wr_buf_unref(body);
        return;
    }
    struct wr_leafd_client *c = slot->client;
    m->rid = slot->ask.rid;
    release(d, slot);
    wr_leafd_send(c, m, extra, body);
    wr_buf_unref(body);
}

/* A client holds at most as much as is left to the others. */
static bool may_hold(struct wr_leafd_client *c, uint32_t n)
{
    const size_t own = wr_leafd_held(c);
    struct wr_pool_stats pool;

    wr_pool_stats(c->d->pool, &pool);
    return own + n + pool.share_used[WR_LEAFD_DOWN] <= WR_LEAFD_DOWN_BYTES;
}

struct wr_buf *wr_leafd_body_down(struct wr_leafd *d, struct wr_span header,
                                  uint32_t n)
{
    struct wr_msg m;

    if (wr_codec_decode(wr_uplink_codec(d->up), header, &m, NULL) != WR_OK)
        return WR_LINK_SKIP;
    struct wr_leafd_slot *slot = slot_of(d, &m);
    if (slot == NULL || wr_msg_body(&m) == NULL) {
        d->dropped++;
        return WR_LINK_SKIP;
    }
    struct wr_leafd_client *c = slot->client;
    struct wr_buf *buf = NULL;
    if (n > WR_BUF_SIZE_MAX) /* A block of another importer. */
        buf = wr_buf_new(n);
    else if (may_hold(c, n))
        buf = wr_pool_get(d->pool, WR_LEAFD_DOWN, n);
    if (buf == NULL) { /* Never a pause: it would be one for all. */
        const struct wr_leafd_ask ask = slot->ask;

        release(d, slot);
        wr_leafd_refuse(c, &ask);
        wr_leafd_make_room(d);
        return WR_LINK_SKIP;
    }
    return buf;
}

void wr_leafd_refuse_all(struct wr_leafd *d)
{
    for (uint32_t i = 0; i < WR_LEAFD_SLOTS && d->used > 0; i++) {
        struct wr_leafd_client *c = d->slots[i].client;

        if (c == NULL)
            continue;
        const struct wr_leafd_ask ask = d->slots[i].ask;
        release(d, &d->slots[i]);
        wr_leafd_refuse(c, &ask);
    }
}

void wr_leafd_forget(struct wr_leafd_client *c)
{
    for (uint32_t i = 0; i < WR_LEAFD_SLOTS && c->asked > 0; i++)
        if (c->d->slots[i].client == c)
            release(c->d, &c->d->slots[i]);
}

void wr_leafd_sweep(struct wr_leafd *d)
{
    const wr_time now = wr_clock_now();

    for (uint32_t i = 0; i < WR_LEAFD_SLOTS && d->used > 0; i++)
        if (d->slots[i].client != NULL &&
            now - d->slots[i].since > WR_SEC(WR_LEAFD_STALE_S))
            release(d, &d->slots[i]);
}
