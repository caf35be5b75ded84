/*
 * parent.h - a super-peer for tests of a leaf: it listens on the local socket
 * of an identity's directory, in a thread with a loop of its own, keeps chunks
 * in memory, and misbehaves as told. It speaks through the real net and codec.
 */
#ifndef WR_TESTS_PARENT_H
#define WR_TESTS_PARENT_H

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "client/home.h"
#include "crypto/root.h"
#include "crypto/secret.h"
#include "net/listener.h"
#include "sys/fs.h"
#include "wire/codec.h"

enum { PARENT_SLOTS = 1 << 16, PARENT_LINKS = 64 };

struct parent_chunk {
    struct wr_id digest;
    struct wr_buf *buf;
};

/* An answer that waits for room on its link. */
struct parent_late {
    struct parent_late *next;
    struct wr_link *link;
    struct wr_buf *body;
    size_t n;
    uint8_t header[];
};

struct parent {
    struct parent_late *late;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t stop;
    struct wr_net *net;
    struct wr_listener *listener;
    struct wr_codec codec;
    struct wr_book book;
    void *arena;
    uint8_t header[WR_HEADER_MAX];
    char path[WR_HOME_PATH_MAX];
    struct wr_link *links[PARENT_LINKS];
    struct parent_chunk *chunks;
    pthread_mutex_t lock; /* Of the chunks, for tests that look. */
    uv_sem_t ready;

    atomic_uint have_digests, puts, gets, roots, hellos, chunks_n;
    atomic_ullong put_bytes;
    atomic_uint root_state; /* Of the last record. */
    /* How to misbehave; 0: not. */
    atomic_uint die_after_puts, die_after_gets; /* Links are cut, once. */
    atomic_uint busy_every;                     /* PUT and GET. */
    atomic_uint lies;                           /* Wrong bytes: so often. */
    atomic_bool unreachable, full, mute;
};

static inline struct parent_chunk *parent_find(struct parent *p,
                                               const struct wr_id *digest)
{
    size_t at = (size_t)(wr_id_prefix(digest) >> 48);

    while (p->chunks[at].buf != NULL &&
           !wr_id_eq(&p->chunks[at].digest, digest))
        at = (at + 1) % PARENT_SLOTS;
    return &p->chunks[at];
}

static inline void parent_send(struct parent *p, struct wr_link *l,
                               const struct wr_msg *m, struct wr_buf *body)
{
    size_t n;

    cr_assert_eq(wr_codec_encode(&p->codec, m, (struct wr_span){0}, p->header,
                                 sizeof(p->header), &n),
                 WR_OK);
    if (p->late == NULL &&
        wr_link_send(l, wr_span(p->header, n), body) == WR_OK)
        return;
    struct parent_late *late = malloc(sizeof(*late) + n), **end = &p->late;
    *late = (struct parent_late){.link = l, .body = body, .n = n};
    memcpy(late->header, p->header, n);
    if (body != NULL)
        wr_buf_ref(body);
    while (*end != NULL)
        end = &(*end)->next;
    *end = late;
}

/* What waited goes out. */
static inline void parent_flush(struct parent *p)
{
    while (p->late != NULL) {
        struct parent_late *late = p->late;

        if (wr_link_send(late->link, wr_span(late->header, late->n),
                         late->body) == WR_EBUSY)
            return;
        p->late = late->next;
        wr_buf_unref(late->body);
        free(late);
    }
}

static inline void parent_on_drain(struct wr_link *l)
{
    parent_flush(wr_link_owner(l));
}

static inline void parent_cut(struct parent *p)
{
    for (size_t i = 0; i < PARENT_LINKS; i++)
        if (p->links[i] != NULL)
            wr_link_abort(p->links[i], WR_ECANCELED, "killed");
}

static inline void parent_on_open(struct wr_link *l)
{
    struct parent *p = wr_link_owner(l);

    for (size_t i = 0; i < PARENT_LINKS; i++)
        if (p->links[i] == NULL) {
            p->links[i] = l;
            return;
        }
    cr_assert_fail("too many links");
}

static inline void parent_on_closed(struct wr_link *l, const struct wr_why *why)
{
    struct parent *p = wr_link_owner(l);

    (void)why;
    for (struct parent_late **at = &p->late; *at != NULL;) {
        struct parent_late *late = *at;

        if (late->link == l) {
            *at = late->next;
            wr_buf_unref(late->body);
            free(late);
        } else {
            at = &late->next;
        }
    }
    for (size_t i = 0; i < PARENT_LINKS; i++)
        if (p->links[i] == l)
            p->links[i] = NULL;
}

static inline struct wr_buf *parent_on_body(struct wr_link *l,
                                            struct wr_span header, uint32_t n)
{
    (void)l;
    (void)header;
    return wr_buf_new(n);
}

static inline bool parent_nth(atomic_uint *every, unsigned count)
{
    const unsigned n = atomic_load(every);

    return n != 0 && count % n == 0;
}

static inline void parent_have(struct parent *p, struct wr_link *l,
                               const struct wr_msg *m)
{
    struct wr_msg a = {.kind = WR_MSG_HAD, .rid = m->rid};

    a.had.n = m->have.n;
    a.had.copies = 2;
    for (uint32_t i = 0; i < m->have.n; i++)
        if (parent_find(p, &m->have.digests[i])->buf != NULL)
            a.had.bits[i / 8] |= (uint8_t)(1 << i % 8);
    atomic_fetch_add(&p->have_digests, m->have.n);
    parent_send(p, l, &a, NULL);
}

static inline void parent_put(struct parent *p, struct wr_link *l,
                              const struct wr_msg *m, struct wr_buf *body)
{
    struct wr_msg a = {.kind = WR_MSG_PUT_DONE, .rid = m->rid};
    const unsigned n = atomic_fetch_add(&p->puts, 1) + 1;

    if (n == atomic_load(&p->die_after_puts)) {
        parent_cut(p);
        return;
    }
    cr_assert_not_null(body, "a chunk without bytes");
    a.put_done.copies = 2;
    if (atomic_load(&p->full)) {
        a.put_done.status = WR_STATUS_FULL;
    } else if (atomic_load(&p->unreachable)) {
        a.put_done.status = WR_STATUS_UNREACHABLE;
    } else if (parent_nth(&p->busy_every, n)) {
        a.put_done.status = WR_STATUS_BUSY;
        a.put_done.retry_ms = 2;
    } else {
        pthread_mutex_lock(&p->lock);
        struct parent_chunk *c = parent_find(p, &m->put.digest);
        if (c->buf == NULL) {
            c->digest = m->put.digest;
            c->buf = wr_buf_ref(body);
            atomic_fetch_add(&p->chunks_n, 1);
        }
        pthread_mutex_unlock(&p->lock);
        atomic_fetch_add(&p->put_bytes, body->n);
    }
    parent_send(p, l, &a, NULL);
}

static inline void parent_get(struct parent *p, struct wr_link *l,
                              const struct wr_msg *m)
{
    struct wr_msg a = {.kind = WR_MSG_DATA, .rid = m->rid};
    const unsigned n = atomic_fetch_add(&p->gets, 1) + 1;
    struct wr_buf *buf = parent_find(p, &m->get.digest)->buf, *lie = NULL;

    if (n == atomic_load(&p->die_after_gets)) {
        parent_cut(p);
        return;
    }
    a.data.hash = m->get.hash;
    a.data.digest = m->get.digest;
    a.data.copies = 2;
    if (atomic_load(&p->unreachable)) {
        a.data.status = WR_STATUS_UNREACHABLE;
        a.data.asked = 3;
        a.data.down = 2;
        buf = NULL;
    } else if (parent_nth(&p->busy_every, n)) {
        a.data.status = WR_STATUS_BUSY;
        a.data.retry_ms = 2;
        buf = NULL;
    } else if (buf == NULL) {
        a.data.status = WR_STATUS_NO;
        a.data.asked = 3;
    } else if (m->get.head) {
        a.data.len = buf->n;
        buf = NULL;
    } else if (atomic_load(&p->lies) > 0) {
        atomic_fetch_sub(&p->lies, 1);
        lie = wr_buf_new(buf->n);
        memset(lie->p, 0x5a, buf->n);
        lie->n = buf->n;
        buf = lie;
    }
    if (buf != NULL) {
        a.data.len = buf->n;
        a.data.body.len = buf->n;
    }
    parent_send(p, l, &a, buf);
    wr_buf_unref(lie);
}

static inline void parent_root(struct parent *p, struct wr_link *l,
                               const struct wr_msg *m)
{
    struct wr_msg a = {.kind = WR_MSG_ROOT_DONE, .rid = m->rid};
    struct wr_root r;

    cr_assert_eq(wr_root_open(m->root.record, &r), WR_OK);
    cr_assert_eq(r.version, m->root.version);
    atomic_store(&p->root_state, r.state);
    atomic_fetch_add(&p->roots, 1);
    a.root.copies = 2;
    parent_send(p, l, &a, NULL);
}

static inline void parent_query(struct parent *p, struct wr_link *l,
                                const struct wr_msg *m)
{
    struct wr_msg a = {.kind = WR_MSG_REPORT, .rid = m->rid};
    const char *json = "{\"state\":\"serving\"}";
    struct wr_buf *body = wr_buf_new(strlen(json));

    if (!wr_span_eq(m->query.what, wr_span_str("status")))
        a.report.status = WR_STATUS_REFUSED;
    memcpy(body->p, json, strlen(json));
    body->n = (uint32_t)strlen(json);
    a.report.body.len = body->n;
    parent_send(p, l, &a, body);
    wr_buf_unref(body);
}

static inline void parent_hello(struct parent *p, struct wr_link *l)
{
    struct wr_msg a = {.kind = WR_MSG_HELLO};

    atomic_fetch_add(&p->hellos, 1);
    a.hello.agent = wr_span_str("test");
    parent_send(p, l, &a, NULL);
    a = (struct wr_msg){.kind = WR_MSG_ATTACHED};
    a.attached.copies = 3;
    a.attached.durable = 2;
    parent_send(p, l, &a, NULL);
}

static inline void parent_on_frame(struct wr_link *l, struct wr_span header,
                                   struct wr_buf *body)
{
    struct parent *p = wr_link_owner(l);
    struct wr_msg m;

    cr_assert_eq(wr_codec_decode(&p->codec, header, &m, NULL), WR_OK);
    if (atomic_load(&p->mute)) {
        wr_buf_unref(body);
        return;
    }
    switch ((int)m.kind) {
    case WR_MSG_HELLO:
        parent_hello(p, l);
        break;
    case WR_MSG_HAVE:
        parent_have(p, l, &m);
        break;
    case WR_MSG_PUT:
        parent_put(p, l, &m, body);
        break;
    case WR_MSG_GET:
        parent_get(p, l, &m);
        break;
    case WR_MSG_ROOT_PUT:
        parent_root(p, l, &m);
        break;
    case WR_MSG_QUERY:
        parent_query(p, l, &m);
        break;
    case WR_MSG_PING:
        m.kind = WR_MSG_PONG;
        parent_send(p, l, &m, NULL);
        break;
    default:
        break;
    }
    wr_buf_unref(body);
}

static const struct wr_link_ops parent_ops = {
    .on_open = parent_on_open,
    .on_body = parent_on_body,
    .on_frame = parent_on_frame,
    .on_drain = parent_on_drain,
    .on_closed = parent_on_closed,
};

static inline void parent_net_closed(void *arg)
{
    (void)arg;
}

static inline void parent_on_stop(uv_async_t *async)
{
    struct parent *p = async->data;

    uv_close((uv_handle_t *)async, NULL);
    wr_net_close(p->net, parent_net_closed, NULL);
}

static inline void *parent_run(void *arg)
{
    struct parent *p = arg;
    const struct wr_net_cfg cfg = {.loop = &p->loop};
    struct wr_why why;

    p->net = wr_net_new(&cfg);
    cr_assert_eq(
        wr_listen_unix(p->net, p->path, &parent_ops, p, &why, &p->listener),
        WR_OK, "%s", why.text);
    uv_sem_post(&p->ready);
    uv_run(&p->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* Listens in `dir`, which holds an identity. */
static inline struct parent *parent_start(const char *dir)
{
    struct parent *p = calloc(1, sizeof(*p));
    static const uint8_t ring[32];

    p->chunks = calloc(PARENT_SLOTS, sizeof(*p->chunks));
    p->arena = malloc(WR_CODEC_ARENA);
    cr_assert_eq(wr_book_init(&p->book, ring, 8, 8), WR_OK);
    wr_codec_init(&p->codec, &p->book, p->arena, WR_CODEC_ARENA);
    wr_home_path(dir, "run/socket", p->path);
    pthread_mutex_init(&p->lock, NULL);
    uv_loop_init(&p->loop);
    uv_sem_init(&p->ready, 0);
    uv_async_init(&p->loop, &p->stop, parent_on_stop);
    p->stop.data = p;
    cr_assert_eq(pthread_create(&p->thread, NULL, parent_run, p), 0);
    uv_sem_wait(&p->ready);
    return p;
}

static inline void parent_stop(struct parent *p)
{
    uv_async_send(&p->stop);
    pthread_join(p->thread, NULL);
    uv_loop_close(&p->loop);
    for (size_t i = 0; i < PARENT_SLOTS; i++)
        wr_buf_unref(p->chunks[i].buf);
    free(p->chunks);
    free(p->arena);
    wr_book_done(&p->book);
    uv_sem_destroy(&p->ready);
    free(p);
}

/* A leaf's identity of a ring of its own in the new directory `dir`. */
static inline void parent_identity(const char *dir, enum wr_role role)
{
    struct wr_home h = {0};
    struct wr_sign_key ring;
    struct wr_cred cred = {.role = role};
    struct wr_why why;

    cr_assert_eq(wr_crypto_init(), WR_OK);
    wr_sign_generate(&ring);
    wr_identity_generate(&h.id);
    memcpy(h.ring, ring.public, sizeof(h.ring));
    memcpy(cred.ring, ring.public, sizeof(cred.ring));
    memcpy(cred.noise_public, h.id.noise_public, sizeof(cred.noise_public));
    memcpy(cred.sign_public, h.id.sign.public, sizeof(cred.sign_public));
    cred.host[0] = 7;
    cred.members = role == WR_ROLE_SUPERPEER ? 17 : 0;
    cr_assert_eq(wr_cred_issue(&cred, &ring, h.cred_bytes, &h.cred_n), WR_OK);
    h.cred = cred;
    strcpy(h.dir, dir);
    cr_assert_eq(wr_home_create(&h, &why), WR_OK, "%s", why.text);
    wr_home_close(&h);
}

#endif
