/* fx.c - see fx.h. */
#include "proto/fx.h"

#include <stdlib.h>

#include "wire/codec.h"

const char *wr_note_text(enum wr_note note)
{
    switch (note) {
#define X(name, text)                                                          \
    case WR_NOTE_##name:                                                       \
        return text;
        WR_NOTE_MAP(X)
#undef X
    }
    return "?";
}

enum wr_err wr_outbox_init(struct wr_outbox *o, uint32_t cap,
                           uint32_t arena_cap)
{
    *o = (struct wr_outbox){
        .v = calloc(cap, sizeof(*o->v)),
        .cap = cap,
        .arena = calloc(1, arena_cap),
        .arena_cap = arena_cap,
    };
    if (o->v == NULL || o->arena == NULL) {
        wr_outbox_done(o);
        return WR_ENOMEM;
    }
    return WR_OK;
}

void wr_outbox_done(struct wr_outbox *o)
{
    free(o->v);
    free(o->arena);
    *o = (struct wr_outbox){0};
}

void wr_outbox_clear(struct wr_outbox *o)
{
    o->n = 0;
    o->arena_n = 0;
}

bool wr_outbox_has_room(const struct wr_outbox *o, uint32_t effects,
                        uint32_t bytes)
{
    return o->cap - o->n >= effects && o->arena_cap - o->arena_n >= bytes;
}

struct wr_fx *wr_outbox_push(struct wr_outbox *o, enum wr_fx_kind kind)
{
    if (o->n == o->cap) {
        o->dropped++;
        return NULL;
    }
    struct wr_fx *fx = &o->v[o->n++];
    memset(fx, 0, sizeof(*fx));
    fx->kind = kind;
    return fx;
}

void *wr_outbox_alloc(struct wr_outbox *o, size_t n)
{
    const size_t need = (n + 7) & ~(size_t)7;

    if (need > o->arena_cap - o->arena_n)
        return NULL;
    void *p = o->arena + o->arena_n;
    o->arena_n += (uint32_t)need;
    return p;
}

/* Copies `n` elements of `size` bytes; false if there is no room. */
static bool keep(struct wr_outbox *o, const void *from, size_t n, size_t size,
                 const void **ret)
{
    if (n == 0) {
        *ret = NULL;
        return true;
    }
    void *p = wr_outbox_alloc(o, n * size);
    if (p == NULL)
        return false;
    memcpy(p, from, n * size);
    *ret = p;
    return true;
}

static bool keep_span(struct wr_outbox *o, struct wr_span *s)
{
    const void *p;

    if (!keep(o, s->p, s->n, 1, &p))
        return false;
    s->p = p;
    return true;
}

bool wr_outbox_keep_arrays(struct wr_outbox *o, struct wr_msg *m)
{
    const void *p;

    switch ((enum wr_msg_kind)m->kind) {
    case WR_MSG_VIEW:
        if (!keep(o, m->view.succs, m->view.succs_n, sizeof(wr_ref), &p))
            return false;
        m->view.succs = p;
        return true;
    case WR_MSG_ROUTED:
        if (!keep(o, m->routed.set, m->routed.set_n, sizeof(wr_ref), &p))
            return false;
        m->routed.set = p;
        if (!keep(o, m->routed.path, m->routed.path_n, sizeof(wr_host), &p))
            return false;
        m->routed.path = p;
        return true;
    case WR_MSG_NEXT:
        if (!keep(o, m->next.nodes, m->next.n, sizeof(wr_ref), &p))
            return false;
        m->next.nodes = p;
        return true;
    case WR_MSG_ROSTER:
        if (!keep(o, m->roster.entries, m->roster.n, sizeof(*m->roster.entries),
                  &p))
            return false;
        m->roster.entries = p;
        return true;
    case WR_MSG_HAVE:
        if (!keep(o, m->have.digests, m->have.n, sizeof(struct wr_id), &p))
            return false;
        m->have.digests = p;
        return true;
    case WR_MSG_DATA:
        if (!keep(o, m->data.hosts, m->data.hosts_n, sizeof(wr_host), &p))
            return false;
        m->data.hosts = p;
        return true;
    case WR_MSG_ROOT_PUT:
    case WR_MSG_ROOT:
        return keep_span(o, &m->root.record);
    case WR_MSG_SYNC:
        return keep_span(o, &m->sync.arc);
    case WR_MSG_SYNCED:
        return keep_span(o, &m->synced.list);
    case WR_MSG_PING:
    case WR_MSG_PONG:
    case WR_MSG_PROBE:
    case WR_MSG_PROBED:
    case WR_MSG_BYE:
    case WR_MSG_VIEW_ASK:
    case WR_MSG_NOTIFY:
    case WR_MSG_HINT:
    case WR_MSG_ROUTE:
    case WR_MSG_ROUTE_ACK:
    case WR_MSG_NEXT_ASK:
    case WR_MSG_ROSTER_ASK:
    case WR_MSG_HAD:
    case WR_MSG_PUT:
    case WR_MSG_PUT_DONE:
    case WR_MSG_GET:
    case WR_MSG_ROOT_DONE:
    case WR_MSG_ROOT_GET:
    case WR_MSG_HELLO:
    case WR_MSG_CARD:
    case WR_MSG_ATTACHED:
    case WR_MSG_QUERY:
    case WR_MSG_REPORT:
    case WR_MSG_JOIN:
    case WR_MSG_JOINED:
    case WR_MSG_REVOKED:
        return true;
    }
    return true;
}

void wr_outbox_send(struct wr_outbox *o, wr_host to, const struct wr_msg *m)
{
    struct wr_fx *fx = wr_outbox_push(o, WR_FX_SEND);

    if (fx == NULL)
        return;
    fx->to = to;
    fx->msg = *m;
    if (!wr_outbox_keep_arrays(o, &fx->msg)) {
        o->n--;
        o->dropped++;
    }
}

bool wr_fx_store_digests(struct wr_outbox *o, struct wr_fx *fx,
                         const struct wr_id *digests, uint32_t n)
{
    const void *p;

    if (!keep(o, digests, n, sizeof(*digests), &p))
        return false;
    fx->store.digests = p;
    fx->store.n = n;
    return true;
}

bool wr_fx_store_record(struct wr_outbox *o, struct wr_fx *fx, uint64_t version,
                        struct wr_span record)
{
    if (!keep_span(o, &record))
        return false;
    fx->store.version = version;
    fx->store.record = record;
    return true;
}

void wr_outbox_release(struct wr_outbox *o, struct wr_body body)
{
    if (body.id == 0)
        return;
    struct wr_fx *fx = wr_outbox_push(o, WR_FX_RELEASE);
    if (fx != NULL)
        fx->release = body;
}

void wr_outbox_release_of(struct wr_outbox *o, const struct wr_msg *m)
{
    const struct wr_body *body = wr_msg_body_of(m);

    if (body != NULL)
        wr_outbox_release(o, *body);
}
