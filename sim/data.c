/* data.c - see data.h. */
#include "data.h"

#include <string.h>

enum { CHUNK_LEN = 1000, TRIES = 20 };

/* Beyond the deadline that the parent holds to. */
static const wr_time slack_us = WR_SEC(5);

static void violated(struct wr_data *d, const struct wr_data_ask *a,
                     const char *why, uint8_t status)
{
    if (d->why != NULL)
        return;
    d->why = why;
    d->wrong_item = a->item;
    d->wrong_status = status;
}

static const struct wr_disk_item *find(const struct wr_data *d, wr_host h,
                                       uint32_t item)
{
    const struct wr_disk *disk = &d->w->hosts[h].disk;
    const struct wr_data_item *it = &d->items[item];

    return wr_disk_find(it->root ? &disk->roots : &disk->chunks, &it->key);
}

static bool has(const struct wr_data *d, wr_host h, uint32_t item)
{
    const struct wr_disk_item *found = find(d, h, item);

    return found != NULL && found->rot == 0;
}

uint32_t wr_data_holders(const struct wr_data *d, uint32_t item, bool up)
{
    uint32_t n = 0;

    for (wr_host h = 0; h < d->w->cfg.hosts; h++)
        n += !d->w->hosts[h].farewell && (!up || wr_world_is_up(d->w, h)) &&
             has(d, h, item);
    return n;
}

/* All that ever were: those that left kept theirs until they left, and what was
 * damaged later is not the acknowledgement's fault. */
static uint32_t disks_with(const struct wr_data *d, uint32_t item)
{
    uint32_t n = d->items[item].lost;

    for (wr_host h = 0; h < d->w->cfg.hosts; h++)
        n += has(d, h, item);
    return n;
}

/* A19: of hosts that were in the ring and have not left, w. */
static uint32_t durable(const struct wr_data *d, bool leavers)
{
    uint32_t n = 0;

    for (wr_host h = 0; h < d->w->cfg.hosts; h++) {
        const struct wr_world_host *host = &d->w->hosts[h];

        n += host->known && !host->farewell && (leavers || !host->leaving);
    }
    if (n > d->w->cfg.node.copies)
        n = d->w->cfg.node.copies;
    return n / 2 + 1;
}

void wr_data_leaving(struct wr_data *d)
{
    const uint32_t w = durable(d, false);

    for (uint32_t i = 0; i < d->items_n; i++)
        if (d->items[i].copies > w)
            d->items[i].copies = (uint8_t)w;
}

bool wr_data_thin(const struct wr_data *d, uint32_t item)
{
    const struct wr_data_item *it = &d->items[item];
    const uint32_t w = durable(d, true);
    const uint32_t most = it->copies < w ? it->copies : w;

    return it->acked && it->lost == 0 && wr_data_holders(d, item, false) < most;
}

/* Some other host has it, and does not leave with it. */
static bool spares(const struct wr_data *d, wr_host h, uint32_t item)
{
    uint32_t others = 0;

    for (wr_host k = 0; k < d->w->cfg.hosts; k++)
        others += k != h && !d->w->hosts[k].farewell &&
                  !d->w->hosts[k].leaving && has(d, k, item);
    return d->w->hosts[h].farewell || !has(d, h, item) || others > 0;
}

bool wr_data_rot(struct wr_data *d, wr_host h, uint32_t item)
{
    const struct wr_data_item *it = &d->items[item];

    if (it->root || !has(d, h, item) || !spares(d, h, item))
        return false;
    wr_disk_rot(&d->w->hosts[h].disk, &it->key);
    d->items[item].lost++;
    return true;
}

bool wr_data_wipe(struct wr_data *d, wr_host h)
{
    for (uint32_t i = 0; i < d->items_n; i++)
        if (!spares(d, h, i))
            return false;
    for (uint32_t i = 0; i < d->items_n; i++)
        d->items[i].lost += find(d, h, i) != NULL;
    wr_disk_done(&d->w->hosts[h].disk);
    return true;
}

/* ---- asking -------------------------------------------------------------- */

static wr_host draw_parent(struct wr_data *d)
{
    wr_host drawn = WR_NO_HOST;
    uint64_t seen = 0;

    for (wr_host h = 0; h < d->w->cfg.hosts; h++)
        if (wr_world_is_up(d->w, h) && !d->w->hosts[h].leaving &&
            wr_rng_below(&d->rng, ++seen) == 0)
            drawn = h;
    return drawn;
}

/* The chunks that a HAVE for `item` asks about, it first if it is one. */
static uint8_t chunks_of(const struct wr_data *d, uint32_t item,
                         uint32_t ret[WR_DATA_HAVE])
{
    uint8_t n = 0;

    for (uint32_t i = item + 1; i-- > 0 && n < WR_DATA_HAVE;)
        if (!d->items[i].root)
            ret[n++] = i;
    return n;
}

/* `digests` is the message's. */
static void have_message(const struct wr_data *d, const struct wr_data_ask *a,
                         struct wr_id digests[WR_DATA_HAVE], struct wr_msg *ret)
{
    uint32_t chunks[WR_DATA_HAVE];
    const uint8_t n = chunks_of(d, a->item, chunks);

    for (uint8_t i = 0; i < n; i++)
        digests[i] = d->items[chunks[i]].key;
    *ret = wr_msg_of(WR_MSG_HAVE, a->rid);
    ret->have.n = n;
    ret->have.put.b[0] = 1;
    ret->have.digests = digests;
}

static void message(const struct wr_data *d, const struct wr_data_ask *a,
                    struct wr_msg *ret)
{
    const struct wr_data_item *it = &d->items[a->item];
    struct wr_msg m = wr_msg_of(0, a->rid);

    if (it->root) {
        m.kind = a->put ? WR_MSG_ROOT_PUT : WR_MSG_ROOT_GET;
        m.root.position = it->key;
        if (a->put) {
            m.root.version = 1;
            m.root.record = wr_span(it->key.b, sizeof(it->key.b));
        }
    } else if (a->put) {
        m.kind = WR_MSG_PUT;
        m.put.digest = it->key;
        m.put.put.b[0] = 1;
        m.put.body.len = CHUNK_LEN;
    } else {
        m.kind = WR_MSG_GET;
        m.get.digest = it->key;
    }
    *ret = m;
}

static void send(struct wr_data *d, struct wr_data_ask *a)
{
    const wr_host leaf = WR_HOST_LEAF | (wr_host)(a - d->asks);
    struct wr_id digests[WR_DATA_HAVE];
    struct wr_msg m;

    a->again_at = WR_NEVER;
    a->sent_at = d->w->now;
    a->host = draw_parent(d);
    if (a->host == WR_NO_HOST)
        return;
    a->tries++;
    a->epoch = d->w->hosts[a->host].epoch;
    a->rid = ++d->rid;
    if (a->have)
        have_message(d, a, digests, &m);
    else
        message(d, a, &m);
    wr_world_ask(d->w, leaf, a->host, &m);
}

static void ask(struct wr_data *d, struct wr_data_ask as)
{
    for (uint32_t i = 0; i < WR_DATA_ASKS; i++) {
        struct wr_data_ask *a = &d->asks[i];

        if (a->used)
            continue;
        *a = as;
        a->used = true;
        a->acked = d->items[as.item].acked;
        send(d, a);
        return;
    }
}

void wr_data_put(struct wr_data *d, bool must)
{
    struct wr_data_item *it = &d->items[d->items_n];

    if (d->items_n == WR_DATA_ITEMS)
        return;
    *it = (struct wr_data_item){.root = wr_rng_below(&d->rng, 4) == 0};
    wr_rng_fill(&d->rng, it->key.b, sizeof(it->key.b));
    ask(d,
        (struct wr_data_ask){.item = d->items_n++, .put = true, .must = must});
}

void wr_data_get(struct wr_data *d, uint32_t item, bool must)
{
    ask(d, (struct wr_data_ask){.item = item, .must = must});
}

void wr_data_have(struct wr_data *d, uint32_t item, bool must)
{
    if (item < d->items_n && !d->items[item].root)
        ask(d, (struct wr_data_ask){.item = item, .have = true, .must = must});
}

/* ---- answers ------------------------------------------------------------- */

static void end(struct wr_data *d, struct wr_data_ask *a, uint8_t status)
{
    a->used = false;
    if (status == WR_STATUS_OK)
        d->ok_n++;
    else if (status == WR_STATUS_NO)
        d->no_n++;
    else
        d->failed_n++;
    if (a->must && status != WR_STATUS_OK)
        violated(d, a,
                 a->put ? "a put failed in a quiet ring"
                        : "something acknowledged was not found in a quiet "
                          "ring",
                 status);
}

/* What it read is what was put. */
static bool right(const struct wr_data_item *it, const struct wr_msg *m,
                  const struct wr_id *body)
{
    if (it->root)
        return m->kind == WR_MSG_ROOT && m->root.version == 1 &&
               m->root.record.n == sizeof(it->key.b) &&
               memcmp(m->root.record.p, it->key.b, sizeof(it->key.b)) == 0;
    return m->kind == WR_MSG_DATA && m->data.len == CHUNK_LEN &&
           wr_id_eq(&m->data.digest, &it->key) && wr_id_eq(body, &it->key);
}

/* A yes is an acknowledgement: from now on the chunk must be found. */
static void judge_have(struct wr_data *d, struct wr_data_ask *a,
                       const struct wr_msg *m)
{
    uint32_t chunks[WR_DATA_HAVE];
    const uint8_t n = chunks_of(d, a->item, chunks);

    if (m->had.status != WR_STATUS_OK)
        return;
    for (uint8_t i = 0; i < n; i++) {
        const bool yes = (m->had.bits[i / 8] >> (i % 8) & 1) != 0;

        if (!yes && a->must && chunks[i] == a->item)
            violated(d, a, "what was put in a quiet ring does not stand",
                     m->had.status);
        if (yes &&
            (disks_with(d, chunks[i]) < m->had.copies || m->had.copies == 0))
            violated(d, a, "stands with fewer copies than it says",
                     m->had.status);
        d->items[chunks[i]].acked = d->items[chunks[i]].acked || yes;
        d->had_n += yes;
    }
    d->asked_n += n;
}

static void judge(struct wr_data *d, struct wr_data_ask *a,
                  const struct wr_msg *m, const struct wr_id *body,
                  uint8_t status, uint8_t copies)
{
    struct wr_data_item *it = &d->items[a->item];

    if (status == WR_STATUS_OK && a->put) {
        it->acked = true;
        it->copies = copies > it->copies ? copies : it->copies;
        wr_data_leaving(d); /* It may have been said before one left. */
        if (a->must && copies < durable(d, true))
            violated(d, a, "acknowledged with too few copies", status);
        if (disks_with(d, a->item) < copies || copies == 0)
            violated(d, a, "acknowledged with fewer copies than it says",
                     status);
    } else if (status == WR_STATUS_OK && !right(it, m, body)) {
        violated(d, a, "a wrong answer", status);
    } else if (status == WR_STATUS_NO && !a->put && a->acked &&
               wr_data_holders(d, a->item, false) > 0) {
        violated(d, a, "\"no\" for what an admitted host has", status);
    }
}

static void on_leaf(struct wr_world *w, wr_host from, wr_host leaf,
                    const struct wr_msg *m, const struct wr_id *body)
{
    struct wr_data *d = w->leaf_arg;
    const uint32_t slot = leaf & ~WR_HOST_LEAF;
    struct wr_data_ask *a = &d->asks[slot % WR_DATA_ASKS];
    uint8_t status = m->root.status, copies = m->root.copies;

    if (!a->used || a->host != from || a->rid != m->rid)
        return;
    if (m->kind == WR_MSG_HAD)
        status = m->had.status;
    else if (m->kind == WR_MSG_PUT_DONE) {
        status = m->put_done.status;
        copies = m->put_done.copies;
    } else if (m->kind == WR_MSG_DATA) {
        status = m->data.status;
    }
    if (status == WR_STATUS_BUSY && a->tries < TRIES) {
        a->again_at = w->now + WR_MS(200);
        return;
    }
    if (m->kind == WR_MSG_HAD)
        judge_have(d, a, m);
    else
        judge(d, a, m, body, status, copies);
    end(d, a, status);
}

void wr_data_tick(struct wr_data *d)
{
    for (uint32_t i = 0; i < WR_DATA_ASKS; i++) {
        struct wr_data_ask *a = &d->asks[i];

        if (!a->used)
            continue;
        if (a->host != WR_NO_HOST && wr_world_is_still(d->w, a->host))
            a->sent_at = d->w->now; /* It answers when it goes on. */
        const bool gone = a->host == WR_NO_HOST ||
                          !wr_world_is_up(d->w, a->host) ||
                          d->w->hosts[a->host].epoch != a->epoch;

        if (gone && a->tries >= TRIES)
            end(d, a, WR_STATUS_UNREACHABLE);
        else if (gone || d->w->now >= a->again_at)
            send(d, a);
        else if (a->again_at == WR_NEVER &&
                 d->w->now - a->sent_at > d->w->cfg.node.request_us + slack_us)
            violated(d, a, "a request did not end", WR_STATUS_TIMEOUT);
    }
}

uint32_t wr_data_open(const struct wr_data *d)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < WR_DATA_ASKS; i++)
        n += d->asks[i].used;
    return n;
}

void wr_data_begin(struct wr_data *d, struct wr_world *w, uint64_t seed)
{
    *d = (struct wr_data){.w = w, .rng = {seed}};
    w->leaf = on_leaf;
    w->leaf_arg = d;
}
