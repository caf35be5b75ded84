/* repair_serve.c - the other side of a sync: what we keep of an arc, as sums,
 * or, where that is little, item by item. Every question costs us one walk over
 * sums, and one short answer; a host has few of them under way. */
#include "proto/repair_parts.h"

static void refuse(struct wr_core *c, wr_host to, uint64_t rid,
                   enum wr_status status)
{
    struct wr_msg m = wr_msg_of(WR_MSG_SYNCED, rid);

    m.synced.status = (uint8_t)status;
    m.synced.retry_ms = status == WR_STATUS_BUSY ? WR_BUSY_RETRY_MS : 0;
    wr_outbox_send(c->out, to, &m);
}

static struct wr_repair_served *slot_for(struct wr_core *c, wr_host asker)
{
    struct wr_repair *r = c->repair;
    struct wr_repair_served *slot = NULL;
    unsigned open = 0;

    for (unsigned i = 0; i < WR_REPAIR_SERVED; i++) {
        struct wr_repair_served *v = &r->served[i];

        if (v->id == 0 || c->now >= v->born + c->cfg->request_us)
            slot = v;
        else
            open += v->asker == asker;
    }
    return open < WR_REPAIR_EACH ? slot : NULL;
}

static bool ask_store(struct wr_core *c, struct wr_repair_served *v,
                      enum wr_fx_kind kind, uint32_t n)
{
    const uint32_t slot = (uint32_t)(v - c->repair->served);
    struct wr_fx *fx = wr_outbox_push(c->out, kind);

    if (fx == NULL)
        return false;
    v->id = wr_replica_id(c, WR_TABLE_WALK, SLOT_SERVED + slot);
    fx->store.token = v->id;
    fx->store.n = n;
    fx->store.digest = kind == WR_FX_STORE_REFS ? v->to : v->from;
    fx->store.roots = v->roots;
    if (kind != WR_FX_STORE_REFS)
        fx->store.to = v->to;
    return true;
}

/* What we are about to let go of counts for nobody: else two hosts might, each
 * for the other's sake. */
static bool is_leaving(const struct wr_repair *r, const struct wr_id *from,
                       const struct wr_id *to)
{
    for (unsigned i = 0; i < WR_REPAIR_SYNCS; i++) {
        const struct wr_repair_sync *s = &r->syncs[i];

        if (s->phase != WR_SYNC_FREE && s->leaving &&
            (wr_id_owns(&s->begin, to, &s->end) ||
             wr_id_owns(from, &s->end, to)))
            return true;
    }
    return false;
}

void wr_repair_counted(struct wr_core *c, const struct wr_id *key)
{
    struct wr_repair *r = c->repair;

    for (unsigned i = 0; r != NULL && i < WR_REPAIR_SYNCS; i++) {
        struct wr_repair_sync *s = &r->syncs[i];

        if (s->phase != WR_SYNC_FREE && s->leaving &&
            wr_id_owns(&s->begin, key, &s->end))
            s->unclean = true;
    }
}

void wr_repair_ask(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    struct wr_repair *r = c->repair;
    struct wr_repair_served *v = r == NULL ? NULL : slot_for(c, from);

    if (m->sync.arc.n != 2 * WR_ID_BYTES) {
        c->count->recv_misfit_total++;
        return;
    }
    if (c->replica->push.closed) { /* We leave: what we keep goes (D15). */
        refuse(c, from, m->rid, WR_STATUS_UNREACHABLE);
        return;
    }
    if (v == NULL) {
        refuse(c, from, m->rid, r == NULL ? WR_STATUS_REFUSED : WR_STATUS_BUSY);
        return;
    }
    *v = (struct wr_repair_served){.back = m->rid,
                                   .born = c->now,
                                   .asker = from,
                                   .count = m->sync.count,
                                   .roots = m->sync.roots,
                                   .refs = m->sync.refs};
    memcpy(v->from.b, m->sync.arc.p, WR_ID_BYTES);
    memcpy(v->to.b, m->sync.arc.p + WR_ID_BYTES, WR_ID_BYTES);
    memcpy(v->print, m->sync.print, WR_PRINT);
    if ((!v->refs && is_leaving(r, &v->from, &v->to)) ||
        !ask_store(c, v, v->refs ? WR_FX_STORE_REFS : WR_FX_STORE_SUM,
                   v->refs ? m->sync.skip : WR_ARC_PARTS)) {
        v->id = 0;
        refuse(c, from, m->rid, WR_STATUS_BUSY);
    }
}

static void answer(struct wr_core *c, struct wr_repair_served *v,
                   enum wr_synced what, uint64_t count, const uint8_t *list,
                   size_t n)
{
    struct wr_msg m = wr_msg_of(WR_MSG_SYNCED, v->back);

    m.synced.what = (uint8_t)what;
    m.synced.count = count;
    m.synced.list = wr_span(list, n);
    wr_outbox_send(c->out, v->asker, &m);
    v->id = 0;
}

static void summed(struct wr_core *c, struct wr_repair_served *v,
                   const struct wr_sum *sums)
{
    uint8_t prints[WR_ARC_PARTS][WR_PRINT], print[WR_PRINT];
    struct wr_sum all = {0};

    for (unsigned i = 0; i < WR_ARC_PARTS; i++) {
        wr_sum_add(&all, &sums[i]);
        wr_sum_print(&sums[i], prints[i]);
    }
    wr_sum_print(&all, print);
    if (memcmp(print, v->print, WR_PRINT) == 0) {
        answer(c, v, WR_SYNCED_EQUAL, all.n, NULL, 0);
    } else if (v->long_list ||
               all.n > (v->count == 0 ? WR_SYNC_ITEMS - 1 : WR_SYNC_FEW)) {
        answer(c, v, WR_SYNCED_PARTS, all.n, prints[0], sizeof(prints));
    } else if (!ask_store(c, v, WR_FX_STORE_RANGE, WR_SYNC_ITEMS)) {
        refuse(c, v->asker, v->back, WR_STATUS_BUSY);
        v->id = 0;
    }
}

/* All of them, or none: who reads a part would take the rest for missing. */
static void listed(struct wr_core *c, struct wr_repair_served *v,
                   const struct wr_kept *kept, uint32_t kept_n)
{
    uint8_t list[WR_SYNC_BYTES];
    size_t n = 0;

    if (kept_n >= WR_SYNC_ITEMS) { /* It has grown, or much is damaged. */
        v->long_list = true;
        if (!ask_store(c, v, WR_FX_STORE_SUM, WR_ARC_PARTS)) {
            refuse(c, v->asker, v->back, WR_STATUS_BUSY);
            v->id = 0;
        }
        return;
    }
    for (uint32_t i = 0; i < kept_n; i++) {
        if (kept[i].damaged)
            continue;
        memcpy(list + n * WR_SYNC_ITEM, kept[i].key.b, WR_ID_BYTES);
        memcpy(list + n * WR_SYNC_ITEM + WR_ID_BYTES, kept[i].print, WR_PRINT);
        n++;
    }
    answer(c, v, WR_SYNCED_ITEMS, n, list, n * WR_SYNC_ITEM);
}

void repair_served(struct wr_core *c, struct wr_repair_served *v,
                   const struct wr_event *ev)
{
    if (ev->stored.status != WR_STATUS_OK) {
        refuse(c, v->asker, v->back, (enum wr_status)ev->stored.status);
        v->id = 0;
    } else if (v->refs) {
        const uint32_t n =
            ev->stored.refs_n < WR_SYNC_REFS ? ev->stored.refs_n : WR_SYNC_REFS;

        answer(c, v, WR_SYNCED_REFS, n, n > 0 ? ev->stored.refs[0].b : NULL,
               n * sizeof(struct wr_put_id));
    } else if (ev->stored.sums != NULL) {
        summed(c, v, ev->stored.sums);
    } else {
        listed(c, v, ev->stored.kept, ev->stored.n);
    }
}
