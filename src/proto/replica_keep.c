/* replica_keep.c - level COPY: one operation of our own store, then the
 * answer. Never forwards. */
#include "proto/repair.h"
#include "proto/replica_op.h"

/* A free slot. Drivers answer every store operation, so the table drains; a
 * slot older than a request's time is taken back all the same. */
static struct wr_keep *keep_new(struct wr_replica *r, struct wr_core *c)
{
    for (uint32_t i = 0; i < r->keeps_cap; i++) {
        struct wr_keep *k = &r->keeps[i];

        if (k->id != 0 && c->now < k->born + c->cfg->request_us)
            continue;
        wr_outbox_release(c->out, k->body);
        *k = (struct wr_keep){.id = wr_replica_id(c, WR_TABLE_KEEP, i),
                              .born = c->now};
        return k;
    }
    c->count->ops_full_total++;
    return NULL;
}

static struct wr_keep *by_id(struct wr_replica *r, uint64_t id)
{
    const uint32_t slot = wr_replica_slot(id);

    return slot < r->keeps_cap && r->keeps[slot].id == id ? &r->keeps[slot]
                                                          : NULL;
}

/* Fills in the effect for `m`, and what of it the answer will need. False if
 * it does not fit into the outbox. */
static bool ask_store(struct wr_core *c, struct wr_keep *k, struct wr_fx *fx,
                      const struct wr_msg *m)
{
    fx->store.token = k->id;
    switch ((unsigned)m->kind) {
    case WR_MSG_PUT:
        fx->kind = WR_FX_STORE_PUT;
        fx->store.put = m->put.put;
        fx->store.repair = m->put.repair;
        fx->store.body = k->body = m->put.body;
        fx->store.hash = k->hash = m->put.hash;
        fx->store.digest = k->digest = m->put.digest;
        wr_repair_counted(c, &m->put.digest);
        return true;
    case WR_MSG_HAVE:
        fx->kind = WR_FX_STORE_REF;
        fx->store.put = m->have.put;
        fx->store.n = k->n = m->have.n;
        for (unsigned i = 0; i < m->have.n; i++)
            wr_repair_counted(c, &m->have.digests[i]);
        return wr_fx_store_digests(c->out, fx, m->have.digests, m->have.n);
    case WR_MSG_GET:
        fx->kind = WR_FX_STORE_GET;
        fx->store.hash = k->hash = m->get.hash;
        fx->store.head = m->get.head;
        fx->store.digest = k->digest = m->get.digest;
        return true;
    case WR_MSG_ROOT_PUT:
        fx->kind = WR_FX_STORE_ROOT_PUT;
        fx->store.digest = k->digest = m->root.position;
        wr_repair_counted(c, &m->root.position);
        return wr_fx_store_record(c->out, fx, m->root.version, m->root.record);
    default:
        fx->kind = WR_FX_STORE_ROOT_GET;
        fx->store.digest = k->digest = m->root.position;
        return true;
    }
}

static bool ill_formed(const struct wr_msg *m)
{
    if (m->kind == WR_MSG_HAVE)
        return m->have.n == 0 || m->have.n > WR_HAVE_MAX;
    return m->bad_body != 0;
}

void wr_keep_recv(struct wr_replica *r, struct wr_core *c, wr_host from,
                  const struct wr_msg *m)
{
    if (ill_formed(m)) {
        wr_replica_refuse(c, from, m, WR_STATUS_BAD);
        return;
    }
    if (r->push.closed && m->kind != WR_MSG_GET && m->kind != WR_MSG_ROOT_GET) {
        wr_replica_refuse(c, from, m, WR_STATUS_UNREACHABLE);
        return;
    }
    struct wr_keep *k = keep_new(r, c);
    struct wr_fx *fx =
        k == NULL ? NULL : wr_outbox_push(c->out, WR_FX_STORE_GET);

    if (fx == NULL) {
        if (k != NULL)
            k->id = 0;
        wr_replica_refuse(c, from, m, WR_STATUS_BUSY);
        return;
    }
    k->kind = m->kind;
    k->asker = from;
    k->back = m->rid;
    if (!ask_store(c, k, fx, m)) {
        c->out->n--; /* The last effect, which did not fit. */
        k->id = 0;
        wr_replica_refuse(c, from, m, WR_STATUS_BUSY);
    }
}

static void answer_have(const struct wr_event *ev, uint8_t n,
                        struct wr_msg *ret)
{
    *ret = wr_msg_of(WR_MSG_HAD, 0);
    ret->had.status = ev->stored.status;
    ret->had.n = n;
    ret->had.copies = 1;
    if (ev->stored.status == WR_STATUS_OK && ev->stored.bits != NULL)
        memcpy(ret->had.bits, ev->stored.bits, (n + 7u) / 8);
}

void wr_keep_answer(enum wr_msg_kind ask, const struct wr_id *key,
                    uint32_t hash, const struct wr_event *ev,
                    struct wr_msg *ret)
{
    const uint8_t status = ev->stored.status;

    *ret = wr_msg_of(wr_msg_answer(ask), 0);
    switch ((unsigned)ask) {
    case WR_MSG_PUT:
        ret->put_done.status = status;
        ret->put_done.copies = status == WR_STATUS_OK;
        return;
    case WR_MSG_GET:
        ret->data.status = status;
        ret->data.copies = status == WR_STATUS_OK;
        ret->data.digest = *key;
        ret->data.hash = status == WR_STATUS_OK ? ev->stored.hash : hash;
        ret->data.len = ev->stored.len;
        ret->data.body = ev->stored.body;
        return;
    default:
        ret->root.status = status;
        ret->root.copies = status == WR_STATUS_OK;
        ret->root.position = *key;
        ret->root.version = ev->stored.version;
        if (ask == WR_MSG_ROOT_GET)
            ret->root.record = ev->stored.record;
        return;
    }
}

void wr_keep_stored(struct wr_replica *r, struct wr_core *c,
                    const struct wr_event *ev)
{
    struct wr_keep *k = by_id(r, ev->stored.token);
    struct wr_msg m;

    if (k != NULL) {
        if (k->kind == WR_MSG_HAVE)
            answer_have(ev, k->n, &m);
        else
            wr_keep_answer((enum wr_msg_kind)k->kind, &k->digest, k->hash, ev,
                           &m);
        if (m.kind == WR_MSG_DATA && m.data.status == WR_STATUS_NO)
            m.data.known = r->sight->known(c);
        if (m.kind == WR_MSG_ROOT && m.root.status == WR_STATUS_NO)
            m.root.known = r->sight->known(c);
        m.rid = k->back;
        wr_outbox_send(c->out, k->asker, &m);
        wr_outbox_release(c->out, k->body);
        *k = (struct wr_keep){0};
    }
    wr_outbox_release(c->out, ev->stored.body);
}
