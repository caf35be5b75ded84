/* parcel.c - see parcel.h. */
#include "parcel.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/span.h"

enum {
    CHUNK = 64 << 10,
    HEAD = offsetof(struct wr_msg, ping), /* Of a message, before its kind's. */
};

struct wr_parcel {
    union {
        struct wr_parcel *next; /* While it is free. */
        struct {
            uint32_t bytes; /* Of `v`. */
            bool has_body;
        };
    };
    _Alignas(8) uint8_t v[];
};

struct chunk {
    struct chunk *next;
    _Alignas(16) uint8_t v[CHUNK];
};

/* ---- slabs --------------------------------------------------------------- */

static size_t size_of(size_t bytes)
{
    return (sizeof(struct wr_parcel) + bytes + WR_PARCEL_STEP - 1) /
           WR_PARCEL_STEP;
}

/* A chunk's worth of parcels of so many steps. */
static bool refill(struct wr_parcels *p, size_t size)
{
    struct chunk *c = malloc(sizeof(*c));
    const size_t each = size * WR_PARCEL_STEP;

    if (c == NULL)
        return false;
    c->next = p->chunks;
    p->chunks = c;
    for (size_t at = 0; at + each <= CHUNK; at += each) {
        struct wr_parcel *one = (void *)&c->v[at];

        one->next = p->free[size];
        p->free[size] = one;
    }
    return true;
}

static struct wr_parcel *parcel_new(struct wr_parcels *p, size_t bytes)
{
    const size_t size = size_of(bytes);
    struct wr_parcel *one;

    if (size > WR_PARCEL_SIZES) {
        one = malloc(sizeof(*one) + bytes);
    } else {
        if (p->free[size] == NULL && !refill(p, size))
            return NULL;
        one = p->free[size];
        p->free[size] = one->next;
    }
    if (one == NULL)
        return NULL;
    p->open++;
    one->bytes = (uint32_t)bytes;
    one->has_body = false;
    return one;
}

void wr_parcel_free(struct wr_parcels *p, struct wr_parcel *one)
{
    const size_t size = size_of(one->bytes);

    p->open--;
    if (size > WR_PARCEL_SIZES) {
        free(one);
        return;
    }
    one->next = p->free[size];
    p->free[size] = one;
}

void wr_parcels_done(struct wr_parcels *p)
{
    WR_CHECK(p->open == 0);
    for (struct chunk *c = p->chunks, *next; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    *p = (struct wr_parcels){0};
}

/* ---- messages ------------------------------------------------------------ */

/* What a kind has: so many bytes of the union, and at most two arrays. */
struct shape {
    size_t own;
    struct {
        const void **p;
        size_t bytes;
    } array[2];
};

#define OWN(m, part) (HEAD + sizeof((m)->part))

static struct shape shape_of(struct wr_msg *m)
{
    switch ((enum wr_msg_kind)m->kind) {
    case WR_MSG_PING:
    case WR_MSG_PONG:
        return (struct shape){.own = OWN(m, ping)};
    case WR_MSG_PROBE:
    case WR_MSG_PROBED:
        return (struct shape){.own = OWN(m, probe)};
    case WR_MSG_BYE:
        return (struct shape){.own = OWN(m, bye)};
    case WR_MSG_NOTIFY:
        return (struct shape){.own = OWN(m, notify)};
    case WR_MSG_VIEW_ASK:
    case WR_MSG_ROUTE_ACK:
        return (struct shape){.own = HEAD};
    case WR_MSG_VIEW:
        return (struct shape){OWN(m, view),
                              {{(const void **)&m->view.succs,
                                m->view.succs_n * sizeof(wr_ref)}}};
    case WR_MSG_HINT:
        return (struct shape){.own = OWN(m, hint)};
    case WR_MSG_ROUTE:
        return (struct shape){.own = OWN(m, route)};
    case WR_MSG_ROUTED:
        return (struct shape){
            OWN(m, routed),
            {{(const void **)&m->routed.set, m->routed.set_n * sizeof(wr_ref)},
             {(const void **)&m->routed.path,
              m->routed.path_n * sizeof(wr_host)}}};
    case WR_MSG_NEXT_ASK:
        return (struct shape){.own = OWN(m, next_ask)};
    case WR_MSG_NEXT:
        return (struct shape){
            OWN(m, next),
            {{(const void **)&m->next.nodes, m->next.n * sizeof(wr_ref)}}};
    case WR_MSG_ROSTER_ASK:
    case WR_MSG_ROSTER:
        return (struct shape){OWN(m, roster),
                              {{(const void **)&m->roster.entries,
                                m->roster.n * sizeof(m->roster.entries[0])}}};
    case WR_MSG_HAVE:
        return (struct shape){OWN(m, have),
                              {{(const void **)&m->have.digests,
                                m->have.n * sizeof(struct wr_id)}}};
    case WR_MSG_HAD:
        return (struct shape){.own = OWN(m, had)};
    case WR_MSG_PUT:
        return (struct shape){.own = OWN(m, put)};
    case WR_MSG_PUT_DONE:
        return (struct shape){.own = OWN(m, put_done)};
    case WR_MSG_GET:
        return (struct shape){.own = OWN(m, get)};
    case WR_MSG_DATA:
        return (struct shape){OWN(m, data),
                              {{(const void **)&m->data.hosts,
                                m->data.hosts_n * sizeof(wr_host)}}};
    case WR_MSG_ROOT_PUT:
    case WR_MSG_ROOT_DONE:
    case WR_MSG_ROOT_GET:
    case WR_MSG_ROOT:
        return (struct shape){
            OWN(m, root),
            {{(const void **)&m->root.record.p, m->root.record.n}}};
    case WR_MSG_SYNC:
        return (struct shape){OWN(m, sync),
                              {{(const void **)&m->sync.arc.p, m->sync.arc.n}}};
    case WR_MSG_SYNCED:
        return (struct shape){
            OWN(m, synced),
            {{(const void **)&m->synced.list.p, m->synced.list.n}}};
    case WR_MSG_ATTACHED:
        return (struct shape){
            OWN(m, attached),
            {{(const void **)&m->attached.contacts,
              m->attached.n * sizeof(m->attached.contacts[0])},
             {(const void **)&m->attached.parent.p, m->attached.parent.n}}};
    case WR_MSG_HELLO:
    case WR_MSG_CARD:
    case WR_MSG_QUERY:
    case WR_MSG_REPORT:
    case WR_MSG_JOIN:
    case WR_MSG_JOINED:
    case WR_MSG_REVOKED:
        break; /* The drivers' own. */
    }
    WR_UNREACHABLE();
}

static size_t aligned(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

struct wr_parcel *wr_parcel_message(struct wr_parcels *p,
                                    const struct wr_msg *m,
                                    const struct wr_id *body)
{
    struct wr_msg own = *m;
    const struct shape s = shape_of(&own);
    size_t at = aligned(s.own);
    struct wr_parcel *one = parcel_new(
        p, at + aligned(s.array[0].bytes) + aligned(s.array[1].bytes) +
               (body != NULL ? sizeof(*body) : 0));

    if (one == NULL)
        return NULL;
    memcpy(one->v, m, s.own);
    for (unsigned i = 0; i < 2; i++) {
        if (s.array[i].bytes > 0)
            memcpy(&one->v[at], *s.array[i].p, s.array[i].bytes);
        at += aligned(s.array[i].bytes);
    }
    one->has_body = body != NULL;
    if (body != NULL)
        memcpy(&one->v[at], body, sizeof(*body));
    return one;
}

void wr_parcel_open(struct wr_parcel *one, struct wr_msg *ret,
                    struct wr_id *ret_body)
{
    struct shape s;
    size_t at;

    memcpy(ret, one->v, HEAD);
    s = shape_of(ret);
    memcpy(ret, one->v, s.own);
    s = shape_of(ret); /* Now that the counts are there. */
    at = aligned(s.own);
    for (unsigned i = 0; i < 2; i++) {
        if (s.array[i].p != NULL)
            *s.array[i].p = s.array[i].bytes > 0 ? &one->v[at] : NULL;
        at += aligned(s.array[i].bytes);
    }
    if (one->has_body)
        memcpy(ret_body, &one->v[at], sizeof(*ret_body));
}

/* ---- store operations ---------------------------------------------------- */

struct wr_parcel *wr_parcel_store(struct wr_parcels *p, const struct wr_fx *fx)
{
    const bool digests = fx->kind == WR_FX_STORE_REF;
    const bool record = fx->kind == WR_FX_STORE_ROOT_PUT;
    const size_t bytes = digests  ? fx->store.n * sizeof(struct wr_id)
                         : record ? fx->store.record.n
                                  : 0;
    struct wr_parcel *one = parcel_new(p, aligned(sizeof(*fx)) + bytes);
    uint8_t *array;
    struct wr_fx *own;

    if (one == NULL)
        return NULL;
    own = (void *)one->v;
    array = &one->v[aligned(sizeof(*fx))];
    *own = *fx;
    if (bytes > 0)
        memcpy(array,
               digests ? (const void *)fx->store.digests : fx->store.record.p,
               bytes);
    if (digests)
        own->store.digests = (const struct wr_id *)(void *)array;
    if (record)
        own->store.record = wr_span(array, bytes);
    return one;
}

const struct wr_fx *wr_parcel_fx(struct wr_parcel *one)
{
    return (const struct wr_fx *)(void *)one->v;
}

/* ---- anything else ------------------------------------------------------- */

struct wr_parcel *wr_parcel_bytes(struct wr_parcels *p, const void *from,
                                  size_t n)
{
    struct wr_parcel *one = parcel_new(p, n);

    if (one != NULL)
        memcpy(one->v, from, n);
    return one;
}

void wr_parcel_read(const struct wr_parcel *one, void *ret)
{
    memcpy(ret, one->v, one->bytes);
}
