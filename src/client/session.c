/* session.c - see session.h. */
#include "client/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/text.h"
#include "client/bodytab.h"
#include "crypto/root.h"
#include "crypto/secret.h"
#include "net/addr.h"
#include "net/dial.h"
#include "object/hash.h"
#include "proto/leaf.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "wire/codec.h"

enum {
    HOSTS_MAX = 1024, /* Super-peers that answers may name. */
    OUTBOX_FX = 8192,
    OUTBOX_BYTES = 1 << 20,
    BODIES = 4096,
    HEADER_ROOM = WR_HEADER_MAX,
    SAMPLE_MS = 250, /* How often a busy link is looked at for progress. */
    PORT_DEFAULT = 4077,
    SOCKET_CONTACT = 0xffff, /* Port of the contact that is a local socket. */
};

/* A frame that waits for room on the link. */
struct waiting {
    struct waiting *next;
    struct wr_buf *body;
    uint32_t n;
    uint8_t header[];
};

/* A chunk on its way through the verifier. */
struct arrival {
    struct arrival *next;
    struct wr_buf *buf;
    struct wr_msg msg; /* DATA, without the hosts of a head. */
};

struct wr_session {
    struct wr_session_cfg cfg;
    struct wr_net *net;
    struct wr_leaf leaf;
    struct wr_xfer *xfer;
    struct wr_outbox out;
    struct wr_bodytab bodies;
    struct wr_book book;
    struct wr_codec codec;
    void *arena;
    uint8_t *header;
    char socket_path[WR_HOME_PATH_MAX];
    bool has_socket;

    struct wr_link *link; /* The one to the present or coming parent. */
    struct waiting *queue, **queue_end;
    bool paused; /* The link waits for room in the pool. */
    uint32_t incarnation;
    uint32_t copies, durable;
    bool ever_attached, local;
    wr_time opened_at;
    uint64_t sampled;   /* Bytes in and out when last looked at. */
    struct wr_why last; /* Why the last link ended. */
    char last_at[WR_ADDR_TEXT];

    uv_timer_t timer;
    uv_work_t work;
    bool working, draining, closing;
    struct arrival *arrived, **arrived_end;        /* For the next job. */
    struct arrival *verifying;                     /* The worker's. */
    struct wr_home_contact names[WR_CONTACTS_MAX]; /* Being resolved. */
    uint32_t resolving;
    void (*closed)(void *arg);
    void *closed_arg;
};

static void drain(struct wr_session *s);
static void rearm(struct wr_session *s);

/* ---- the link ------------------------------------------------------------ */

static void perform(struct wr_session *s, const struct wr_leaf_out *out);

static wr_time now_of(struct wr_session *s)
{
    (void)s;
    return wr_clock_now();
}

static void drop_queue(struct wr_session *s)
{
    while (s->queue != NULL) {
        struct waiting *w = s->queue;

        s->queue = w->next;
        wr_buf_unref(w->body);
        free(w);
    }
    s->queue_end = &s->queue;
}

static void flush_queue(struct wr_session *s)
{
    while (s->queue != NULL && s->link != NULL) {
        struct waiting *w = s->queue;

        if (wr_link_send(s->link, wr_span(w->header, w->n), w->body) != WR_OK)
            return; /* on_drain() goes on. */
        s->queue = w->next;
        if (s->queue == NULL)
            s->queue_end = &s->queue;
        wr_buf_unref(w->body);
        free(w);
    }
}

/* Sends now, or as soon as the link takes more. */
static void post(struct wr_session *s, const struct wr_msg *m,
                 struct wr_buf *body)
{
    size_t n;

    if (s->link == NULL)
        return;
    if (wr_codec_encode(&s->codec, m, (struct wr_span){0}, s->header,
                        HEADER_ROOM, &n) != WR_OK) {
        WR_LOG(ERROR, "client", "a message could not be written",
               WR_KV_STR("kind", wr_msg_name(m->kind)));
        return;
    }
    if (s->queue == NULL &&
        wr_link_send(s->link, wr_span(s->header, n), body) == WR_OK)
        return;
    struct waiting *w = malloc(sizeof(*w) + n);
    if (w == NULL) {
        wr_link_abort(s->link, WR_ENOMEM, "out of memory");
        return;
    }
    *w = (struct waiting){.body = body, .n = (uint32_t)n};
    memcpy(w->header, s->header, n);
    if (body != NULL)
        wr_buf_ref(body);
    *s->queue_end = w;
    s->queue_end = &w->next;
}

/* Past the queue: for what must not wait. */
static void post_now(struct wr_session *s, const struct wr_msg *m)
{
    size_t n;

    if (s->link != NULL &&
        wr_codec_encode(&s->codec, m, (struct wr_span){0}, s->header,
                        HEADER_ROOM, &n) == WR_OK &&
        wr_link_send(s->link, wr_span(s->header, n), NULL) != WR_OK)
        return; /* A full control queue is no standstill yet. */
}

static size_t on_our_payload(struct wr_link *l, uint8_t *ret, size_t room)
{
    struct wr_session *s = wr_link_owner(l);

    if (s == NULL || s->cfg.home->cred_n > room)
        return 0;
    memcpy(ret, s->cfg.home->cred_bytes, s->cfg.home->cred_n);
    return s->cfg.home->cred_n;
}

/* Who answers must hold a super-peer's credential of our ring, for the key
 * that it has proven, and be the host that we meant to dial. */
static enum wr_err on_payload(struct wr_link *l, struct wr_span payload,
                              const uint8_t remote[32])
{
    struct wr_session *s = wr_link_owner(l);
    struct wr_cred cred;
    static const struct wr_host_id none;

    if (s == NULL)
        return WR_ECANCELED;
    enum wr_err err = wr_cred_open(payload, s->cfg.home->ring, &cred);
    if (err != WR_OK)
        return err;
    if (cred.role != WR_ROLE_SUPERPEER ||
        memcmp(cred.noise_public, remote, sizeof(cred.noise_public)) != 0 ||
        (cred.not_after != 0 && wr_clock_wall_s() > cred.not_after))
        return WR_EAUTH;
    const struct wr_contact *c = wr_leaf_contact(&s->leaf, s->leaf.current);
    if (memcmp(&c->id, &none, sizeof(none)) != 0 &&
        memcmp(&c->id, cred.host, sizeof(cred.host)) != 0)
        return WR_EAUTH;
    struct wr_host_id id;
    memcpy(id.b, cred.host, sizeof(id.b));
    wr_leaf_linked(&s->leaf, &id, now_of(s));
    return WR_OK;
}

static void on_open(struct wr_link *l)
{
    struct wr_session *s = wr_link_owner(l);
    struct wr_msg hello = {
        .kind = WR_MSG_HELLO, .from = WR_MEMBER_NONE, .to = WR_MEMBER_NONE};

    if (s == NULL)
        return;
    hello.hello.incarnation = s->incarnation;
    hello.hello.wall_s = wr_clock_wall_s();
    hello.hello.agent = wr_span_str("libwreath");
    post_now(s, &hello);
}

static struct wr_buf *on_body(struct wr_link *l, struct wr_span header,
                              uint32_t n)
{
    struct wr_session *s = wr_link_owner(l);

    (void)header;
    if (s == NULL)
        return WR_LINK_SKIP;
    /* Blocks of other importers may be longer than the pool's buffers. */
    if (n > WR_BUF_SIZE_MAX) {
        struct wr_buf *big = wr_buf_new(n);

        return big != NULL ? big : WR_LINK_SKIP;
    }
    struct wr_buf *buf = wr_pool_get(s->cfg.pool, WR_CLIENT_DOWN, n);
    if (buf == NULL)
        s->paused = true;
    return buf;
}

static void on_closed(struct wr_link *l, const struct wr_why *why)
{
    struct wr_session *s = wr_link_owner(l);
    struct wr_leaf_out out = {0};

    if (s == NULL)
        return;
    WR_CHECK(s->link == l);
    s->link = NULL;
    s->last = *why;
    if (why->err == WR_OK)
        wr_why(&s->last, WR_ECLOSED, "the super-peer closed the connection");
    WR_LOG(DEBUG, "client", "link ended", WR_KV_STR("at", s->last_at),
           WR_KV_STR("why", s->last.text));
    wr_leaf_down(&s->leaf, now_of(s), &out);
    perform(s, &out);
    drain(s);
    rearm(s);
}

static void on_frame(struct wr_link *l, struct wr_span header,
                     struct wr_buf *body);

static void on_drain(struct wr_link *l)
{
    struct wr_session *s = wr_link_owner(l);

    if (s != NULL)
        flush_queue(s);
}

static const struct wr_link_ops link_ops = {
    .payload = on_our_payload,
    .on_payload = on_payload,
    .on_open = on_open,
    .on_body = on_body,
    .on_frame = on_frame,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

static void hang_up(struct wr_session *s, bool politely)
{
    struct wr_link *l = s->link;

    drop_queue(s);
    s->paused = false;
    if (l == NULL)
        return;
    s->link = NULL;
    wr_link_set_owner(l, NULL);
    if (politely && wr_link_is_open(l))
        wr_link_close(l);
    else
        wr_link_abort(l, WR_ECANCELED, "no longer wanted");
}

static void dial(struct wr_session *s, uint32_t i)
{
    const struct wr_contact *c = wr_leaf_contact(&s->leaf, i);
    const bool local = c->addr.port == SOCKET_CONTACT && s->has_socket;
    const struct wr_dial d = {
        .addr = local ? NULL : &c->addr,
        .path = local ? s->socket_path : NULL,
        .ops = &link_ops,
        .owner = s,
    };

    WR_CHECK(s->link == NULL);
    s->local = local;
    if (local)
        snprintf(s->last_at, sizeof(s->last_at), "the local socket");
    else
        wr_addr_text(&c->addr, s->last_at);
    const enum wr_err err = wr_link_dial(s->net, &d, &s->link);
    if (err != WR_OK) {
        struct wr_leaf_out out = {0};

        s->link = NULL;
        wr_why(&s->last, err, "%s", wr_err_text(err));
        wr_leaf_down(&s->leaf, now_of(s), &out);
        perform(s, &out);
    }
}

static void remember_contacts(struct wr_session *s)
{
    const uint32_t n = s->leaf.n;

    /* The parent last, so that it stands in front. */
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t i = (s->leaf.current + 1 + k) % n;
        const struct wr_contact *c = wr_leaf_contact(&s->leaf, i);
        static const struct wr_host_id none;
        char text[WR_ADDR_TEXT];

        if (c->addr.port == SOCKET_CONTACT)
            continue;
        wr_addr_text(&c->addr, text);
        wr_home_add_contact(
            s->cfg.home,
            memcmp(&c->id, &none, sizeof(none)) != 0 ? c->id.b : NULL, text);
    }
}

static void perform(struct wr_session *s, const struct wr_leaf_out *out)
{
    for (uint32_t i = 0; i < out->n; i++) {
        switch (out->v[i].kind) {
        case WR_LEAF_FX_DIAL:
            dial(s, out->v[i].contact);
            break;
        case WR_LEAF_FX_HANG_UP:
            hang_up(s, false);
            break;
        case WR_LEAF_FX_PING:
            post_now(s, &(struct wr_msg){.kind = WR_MSG_PING,
                                         .from = WR_MEMBER_NONE,
                                         .to = WR_MEMBER_NONE});
            break;
        case WR_LEAF_FX_UP:
            s->ever_attached = true;
            wr_xfer_up(s->xfer, now_of(s), &s->out);
            break;
        case WR_LEAF_FX_LOST:
            drop_queue(s);
            wr_xfer_down(s->xfer, now_of(s));
            break;
        case WR_LEAF_FX_PERSIST:
            remember_contacts(s);
            break;
        }
    }
}

/* ---- what comes ---------------------------------------------------------- */

static void to_leaf(struct wr_session *s, const struct wr_msg *m)
{
    struct wr_leaf_out out = {0};

    wr_leaf_recv(&s->leaf, m, now_of(s), &out);
    perform(s, &out);
}

/* A super-peer introduces another: taken in if its credential is good. The
 * book needs names only, so each host has one member here. */
static void on_card(struct wr_session *s, const struct wr_msg *m)
{
    struct wr_cred cred;
    struct wr_host_id id;

    if (wr_cred_open(m->card.credential, s->cfg.home->ring, &cred) != WR_OK ||
        cred.role != WR_ROLE_SUPERPEER)
        return;
    memcpy(id.b, cred.host, sizeof(id.b));
    (void)wr_book_add(&s->book, &id, 1, 0, &m->card.addr);
}

static bool record_fits(const struct wr_msg *m)
{
    struct wr_root r;
    uint8_t position[WR_ROOT_POSITION];

    if (m->root.status != WR_STATUS_OK)
        return true;
    if (wr_root_open(m->root.record, &r) != WR_OK)
        return false;
    wr_root_position(r.put, position);
    return memcmp(position, m->root.position.b, sizeof(position)) == 0;
}

static void feed(struct wr_session *s, struct wr_msg *m, struct wr_buf *buf)
{
    struct wr_body *name = wr_msg_body(m);

    if (name != NULL)
        *name = (struct wr_body){0};
    if (buf != NULL && name != NULL && !m->bad_body)
        *name = wr_bodytab_add(&s->bodies, buf);
    if (buf != NULL && (name == NULL || name->id == 0)) {
        wr_buf_unref(buf);
        m->bad_body = true;
    }
    wr_xfer_recv(s->xfer, m, now_of(s), &s->out);
}

static void verify(uv_work_t *work)
{
    struct wr_session *s = work->data;

    for (struct arrival *a = s->verifying; a != NULL; a = a->next) {
        enum wr_hash hash;

        a->msg.bad_body = wr_hash_from_code(a->msg.data.hash, &hash) != WR_OK ||
                          !wr_hash_matches(hash, wr_span(a->buf->p, a->buf->n),
                                           a->msg.data.digest.b);
    }
}

static void start_verifier(struct wr_session *s);
static void finish_close(struct wr_session *s);

static void verified(uv_work_t *work, int status)
{
    struct wr_session *s = work->data;
    struct arrival *a = s->verifying;

    (void)status;
    s->working = false;
    s->verifying = NULL;
    while (a != NULL) {
        struct arrival *next = a->next;

        if (s->closing)
            wr_buf_unref(a->buf);
        else
            feed(s, &a->msg, a->buf);
        free(a);
        a = next;
        if (!s->closing)
            drain(s);
    }
    if (s->closing) {
        finish_close(s);
        return;
    }
    start_verifier(s);
    rearm(s);
}

static void start_verifier(struct wr_session *s)
{
    if (s->working || s->arrived == NULL)
        return;
    s->verifying = s->arrived;
    s->arrived = NULL;
    s->arrived_end = &s->arrived;
    s->working = true;
    s->work.data = s;
    WR_CHECK(uv_queue_work(s->cfg.loop, &s->work, verify, verified) == 0);
}

static void on_chunk(struct wr_session *s, const struct wr_msg *m,
                     struct wr_buf *body)
{
    struct arrival *a = malloc(sizeof(*a));

    if (a == NULL) {
        wr_buf_unref(body);
        return; /* Like a frame that was lost: asked for again. */
    }
    *a = (struct arrival){.buf = body, .msg = *m};
    a->msg.data.hosts = NULL;
    a->msg.data.hosts_n = 0;
    *s->arrived_end = a;
    s->arrived_end = &a->next;
    start_verifier(s);
}

static void on_frame(struct wr_link *l, struct wr_span header,
                     struct wr_buf *body)
{
    struct wr_session *s = wr_link_owner(l);
    struct wr_msg m;
    enum wr_err err = WR_ECANCELED;

    if (s != NULL)
        err = wr_codec_decode(&s->codec, header, &m, NULL);
    if (err != WR_OK) {
        wr_buf_unref(body);
        if (s != NULL && err == WR_EINVAL)
            wr_link_abort(l, WR_EINVAL, "the super-peer sent garbage");
        return;
    }
    m.bad_body = 0;
    to_leaf(s, &m);
    if (m.kind == WR_MSG_ATTACHED) {
        s->copies = m.attached.copies;
        s->durable = m.attached.durable;
    } else if (m.kind == WR_MSG_CARD) {
        on_card(s, &m);
    } else if (m.kind == WR_MSG_PING) {
        m.kind = WR_MSG_PONG;
        post_now(s, &m);
    } else if (m.kind == WR_MSG_DATA && body != NULL) {
        on_chunk(s, &m, body);
        return;
    } else if (s->leaf.state == WR_LEAF_ATTACHED) {
        if (m.kind == WR_MSG_ROOT)
            m.bad_body = !record_fits(&m);
        feed(s, &m, body);
        body = NULL;
    }
    wr_buf_unref(body);
    drain(s);
    rearm(s);
}

/* ---- what goes ----------------------------------------------------------- */

static void end_of(struct wr_session *s, const struct wr_fx *fx)
{
    struct wr_ask *ask = (struct wr_ask *)(uintptr_t)fx->done.token;
    struct wr_msg answer = fx->done.answer;
    struct wr_body *name = answer.kind != 0 ? wr_msg_body(&answer) : NULL;
    struct wr_buf *buf = NULL;

    if (name != NULL && name->id != 0) {
        buf = wr_buf_ref(wr_bodytab_get(&s->bodies, *name));
        wr_bodytab_release(&s->bodies, *name);
    }
    ask->busy = false;
    ask->done(ask, fx->done.status, &answer, buf);
}

/* Askers may ask again from within: what they add is drained as well. */
static void drain(struct wr_session *s)
{
    bool ended = false;

    if (s->draining)
        return;
    s->draining = true;
    for (uint32_t i = 0; i < s->out.n; i++) {
        const struct wr_fx fx = s->out.v[i];

        if (fx.kind == WR_FX_SEND) {
            struct wr_msg m = fx.msg;
            const struct wr_body *name = wr_msg_body(&m);

            post(s, &m,
                 name != NULL && name->id != 0
                     ? wr_bodytab_get(&s->bodies, *name)
                     : NULL);
        } else if (fx.kind == WR_FX_RELEASE) {
            wr_bodytab_release(&s->bodies, fx.release);
        } else if (fx.kind == WR_FX_DONE) {
            end_of(s, &fx);
            ended = true;
        }
        if (i + 1 == s->out.n) {
            i = UINT32_MAX;
            wr_outbox_clear(&s->out);
            wr_xfer_pump(s->xfer, now_of(s), &s->out);
            if (s->out.n == 0)
                break;
        }
    }
    s->draining = false;
    if (ended && s->cfg.on_room != NULL)
        s->cfg.on_room(s->cfg.arg);
}

static void after_ask(struct wr_session *s, struct wr_ask *ask, bool taken)
{
    if (taken)
        ask->busy = true;
    drain(s);
    rearm(s);
}

/* Nobody answers while no parent was ever found: less patience then. */
static wr_time patience_of(const struct wr_session *s)
{
    const wr_time most = WR_MS(s->cfg.patience_ms);

    return s->ever_attached ? most
                            : wr_time_min(most, WR_MS(WR_CLIENT_ATTACH_MS));
}

void wr_session_hold(struct wr_session *s)
{
    wr_xfer_hold(s->xfer, true);
}

void wr_session_let_go(struct wr_session *s)
{
    wr_xfer_hold(s->xfer, false);
    wr_xfer_pump(s->xfer, now_of(s), &s->out);
    drain(s);
    rearm(s);
}

static wr_token token_of(const struct wr_ask *ask)
{
    return (wr_token)(uintptr_t)ask;
}

bool wr_session_have(struct wr_session *s, struct wr_ask *ask,
                     const struct wr_xfer_want *want,
                     const struct wr_id *digest)
{
    const bool ok = wr_xfer_have(s->xfer, token_of(ask), want, digest,
                                 patience_of(s), now_of(s), &s->out);

    after_ask(s, ask, ok);
    return ok;
}

bool wr_session_put(struct wr_session *s, struct wr_ask *ask,
                    const struct wr_xfer_want *want, uint32_t hash,
                    const struct wr_id *digest, struct wr_buf *buf)
{
    const struct wr_body body = wr_bodytab_add(&s->bodies, buf);

    if (body.id == 0)
        return false;
    const bool ok = wr_xfer_put(s->xfer, token_of(ask), want, hash, digest,
                                body, patience_of(s), now_of(s), &s->out);
    if (!ok) {
        wr_buf_ref(buf); /* Stays the caller's. */
        wr_bodytab_release(&s->bodies, body);
    }
    after_ask(s, ask, ok);
    return ok;
}

bool wr_session_get(struct wr_session *s, struct wr_ask *ask, uint32_t hash,
                    const struct wr_id *digest, bool head, uint32_t bytes)
{
    const bool ok = wr_xfer_get(s->xfer, token_of(ask), hash, digest, head,
                                bytes, patience_of(s), now_of(s), &s->out);

    after_ask(s, ask, ok);
    return ok;
}

bool wr_session_root_put(struct wr_session *s, struct wr_ask *ask,
                         const struct wr_xfer_want *want,
                         const struct wr_id *position, uint64_t version,
                         struct wr_span record)
{
    const bool ok =
        wr_xfer_root_put(s->xfer, token_of(ask), want, position, version,
                         record, patience_of(s), now_of(s), &s->out);

    after_ask(s, ask, ok);
    return ok;
}

bool wr_session_query(struct wr_session *s, struct wr_ask *ask,
                      const char *what, const char *arg)
{
    const bool ok = wr_xfer_query(s->xfer, token_of(ask), wr_span_str(what),
                                  wr_span_str(arg != NULL ? arg : ""),
                                  patience_of(s), now_of(s), &s->out);

    after_ask(s, ask, ok);
    return ok;
}

void wr_session_cancel(struct wr_session *s, struct wr_ask *ask)
{
    if (!ask->busy)
        return;
    ask->busy = false;
    /* Its end may lie in the outbox already: it is taken out there. */
    if (!wr_xfer_cancel(s->xfer, token_of(ask), now_of(s), &s->out)) {
        for (uint32_t i = 0; i < s->out.n; i++) {
            struct wr_fx *fx = &s->out.v[i];

            if (fx->kind != WR_FX_DONE || fx->done.token != token_of(ask))
                continue;
            const struct wr_body *name = fx->done.answer.kind != 0
                                             ? wr_msg_body(&fx->done.answer)
                                             : NULL;
            const struct wr_body body =
                name != NULL ? *name : (struct wr_body){0};
            fx->kind = body.id != 0 ? WR_FX_RELEASE : WR_FX_NOTE;
            fx->release = body;
        }
    }
    drain(s);
}

/* ---- time ---------------------------------------------------------------- */

static void sample(struct wr_session *s)
{
    struct wr_net_stats stats;

    wr_net_stats(s->net, &stats);
    const uint64_t moved = stats.bytes_in + stats.bytes_out;
    if (moved == s->sampled)
        return;
    s->sampled = moved;
    if (s->leaf.state != WR_LEAF_ATTACHED)
        return;
    wr_xfer_moved(s->xfer, now_of(s));
    wr_leaf_heard(&s->leaf, now_of(s));
}

static void on_timer(uv_timer_t *timer)
{
    struct wr_session *s = timer->data;
    struct wr_leaf_out out = {0};

    sample(s);
    wr_leaf_tick(&s->leaf, now_of(s), &out);
    perform(s, &out);
    wr_xfer_tick(s->xfer, now_of(s), &s->out);
    drain(s);
    rearm(s);
}

static void rearm(struct wr_session *s)
{
    const wr_time now = now_of(s);
    struct wr_xfer_stats x;
    wr_time at =
        wr_time_min(wr_leaf_deadline(&s->leaf), wr_xfer_deadline(s->xfer));

    if (s->closing)
        return;
    wr_xfer_stats(s->xfer, &x);
    if (x.requests > 0)
        at = wr_time_min(at, now + WR_MS(SAMPLE_MS));
    if (at == WR_NEVER)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timer,
                       at > now ? (at - now + 999) / 1000 : 0, 0);
}

void wr_session_room(struct wr_session *s)
{
    if (s->paused && s->link != NULL) {
        s->paused = false;
        wr_link_resume(s->link);
    }
}

void wr_session_set_patience(struct wr_session *s, uint32_t ms)
{
    s->cfg.patience_ms = ms != 0 ? ms : (uint32_t)WR_CLIENT_PATIENCE_MS;
}

/* ---- opening and closing ------------------------------------------------- */

struct name {
    struct wr_session *s;
    struct wr_contact contact;
};

static void resolved(void *arg, enum wr_err err, const struct wr_addr *v,
                     size_t n)
{
    struct name *name = arg;
    struct wr_session *s = name->s;

    s->resolving--;
    for (size_t i = 0; i < n && !s->closing; i++) {
        name->contact.addr = v[i];
        wr_leaf_add(&s->leaf, &name->contact, true);
    }
    if (err != WR_OK)
        wr_why(&s->last, err, "its name could not be resolved");
    free(name);
    if (s->closing) {
        finish_close(s);
        return;
    }
    struct wr_leaf_out out = {0};
    wr_leaf_tick(&s->leaf, now_of(s), &out);
    perform(s, &out);
    rearm(s);
}

static void add_contact(struct wr_session *s, const struct wr_home_contact *h)
{
    struct wr_contact c = {0};

    if (h->has_id)
        memcpy(c.id.b, h->host, sizeof(c.id.b));
    if (wr_addr_parse(h->address, PORT_DEFAULT, &c.addr) == WR_OK) {
        wr_leaf_add(&s->leaf, &c, true);
        return;
    }
    struct name *name = malloc(sizeof(*name));
    if (name == NULL)
        return;
    *name = (struct name){s, c};
    if (wr_resolve(s->net, h->address, PORT_DEFAULT, resolved, name) == WR_OK)
        s->resolving++;
    else
        free(name);
}

static void add_contacts(struct wr_session *s)
{
    const struct wr_home *h = s->cfg.home;
    struct stat st;

    wr_home_path(h->dir, "run/socket", s->socket_path);
    s->has_socket = stat(s->socket_path, &st) == 0 && S_ISSOCK(st.st_mode);
    if (s->has_socket) {
        struct wr_contact c = {.addr.port = SOCKET_CONTACT};

        wr_leaf_add(&s->leaf, &c, true);
    }
    /* A super-peer's directory has one way in: its own process. */
    if (h->cred.role == WR_ROLE_SUPERPEER)
        return;
    for (size_t i = 0; i < h->contacts_n; i++)
        add_contact(s, &h->contacts[i]);
}

static void free_session(struct wr_session *s)
{
    wr_xfer_close(s->xfer);
    wr_outbox_done(&s->out);
    wr_bodytab_done(&s->bodies);
    wr_book_done(&s->book);
    free(s->arena);
    free(s->header);
    free(s);
}

static enum wr_err take_memory(struct wr_session *s, uint64_t seed)
{
    const struct wr_xfer_cfg cfg = wr_xfer_cfg_default(seed);
    enum wr_err err = wr_xfer_open(&s->xfer, &cfg);

    if (err == WR_OK)
        err = wr_outbox_init(&s->out, OUTBOX_FX, OUTBOX_BYTES);
    if (err == WR_OK)
        err = wr_bodytab_init(&s->bodies, BODIES);
    if (err == WR_OK)
        err = wr_book_init(&s->book, s->cfg.home->ring, HOSTS_MAX, HOSTS_MAX);
    s->header = malloc(HEADER_ROOM);
    s->arena = malloc(WR_CODEC_ARENA);
    return err == WR_OK && s->header != NULL && s->arena != NULL ? WR_OK
                                                                 : WR_ENOMEM;
}

enum wr_err wr_session_open(struct wr_session **ret,
                            const struct wr_session_cfg *cfg,
                            struct wr_why *why)
{
    struct wr_session *s = calloc(1, sizeof(*s));
    struct wr_home *h = cfg->home;
    uint64_t seed;

    if (s == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    s->cfg = *cfg;
    wr_session_set_patience(s, cfg->patience_ms);
    s->queue_end = &s->queue;
    s->arrived_end = &s->arrived;
    wr_secret_random(&seed, sizeof(seed));
    wr_secret_random(&s->incarnation, sizeof(s->incarnation));
    const struct wr_net_cfg net = {
        .loop = cfg->loop,
        .ring = h->ring,
        .psk = h->ring_secret,
        .static_secret = h->id.noise_secret,
        .static_public = h->id.noise_public,
    };
    const enum wr_err err = take_memory(s, seed);
    s->net = err == WR_OK ? wr_net_new(&net) : NULL;
    if (s->net == NULL) {
        free_session(s);
        return wr_why(why, WR_ENOMEM, "out of memory");
    }
    wr_codec_init(&s->codec, &s->book, s->arena, WR_CODEC_ARENA);
    const struct wr_leaf_cfg leaf = wr_leaf_cfg_default(seed);
    wr_leaf_init(&s->leaf, &leaf);
    WR_CHECK(uv_timer_init(cfg->loop, &s->timer) == 0);
    s->timer.data = s;
    s->opened_at = now_of(s);
    wr_why(&s->last, WR_EUNREACH, "nobody to turn to");
    add_contacts(s);
    struct wr_leaf_out out = {0};
    wr_leaf_start(&s->leaf, now_of(s), &out);
    perform(s, &out);
    rearm(s);
    *ret = s;
    return WR_OK;
}

static void timer_closed(uv_handle_t *handle)
{
    struct wr_session *s = handle->data;
    void (*closed)(void *arg) = s->closed;
    void *arg = s->closed_arg;

    free_session(s);
    closed(arg);
}

static void net_closed(void *arg)
{
    struct wr_session *s = arg;

    uv_close((uv_handle_t *)&s->timer, timer_closed);
}

/* Once no worker and no resolver refers to us. */
static void finish_close(struct wr_session *s)
{
    if (s->working || s->resolving > 0 || s->net == NULL)
        return;
    struct wr_net *net = s->net;

    while (s->arrived != NULL) {
        struct arrival *a = s->arrived;

        s->arrived = a->next;
        wr_buf_unref(a->buf);
        free(a);
    }
    s->net = NULL;
    wr_net_close(net, net_closed, s);
}

void wr_session_close(struct wr_session *s, void (*closed)(void *arg),
                      void *arg)
{
    struct wr_leaf_out out = {0};

    WR_CHECK(!s->closing);
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    uv_timer_stop(&s->timer);
    post_now(s, &(struct wr_msg){.kind = WR_MSG_BYE,
                                 .from = WR_MEMBER_NONE,
                                 .to = WR_MEMBER_NONE});
    hang_up(s, true);
    wr_leaf_stop(&s->leaf, &out);
    wr_xfer_down(s->xfer, now_of(s));
    finish_close(s);
}

/* ---- telling ------------------------------------------------------------- */

uint32_t wr_session_copies(const struct wr_session *s)
{
    return s->copies;
}

uint32_t wr_session_durable(const struct wr_session *s)
{
    return s->durable;
}

const char *wr_session_host(const struct wr_session *s, wr_host h,
                            char ret[128])
{
    char id[WR_HEX_SIZE(4)], addr[WR_ADDR_TEXT];

    if (h >= s->book.hosts_n) {
        snprintf(ret, 128, "?");
        return ret;
    }
    wr_hex(wr_span(s->book.hosts[h].id.b, 4), id);
    wr_addr_text(&s->book.hosts[h].addr, addr);
    snprintf(ret, 128, "%s (%s)", id, addr);
    return ret;
}

void wr_session_stats(const struct wr_session *s, struct wr_session_stats *ret)
{
    struct wr_net_stats net = {0};

    wr_net_stats(s->net, &net);
    *ret = (struct wr_session_stats){
        .moves = s->leaf.moves,
        .attached = s->leaf.state == WR_LEAF_ATTACHED,
        .local = s->local,
        .bytes_in = net.bytes_in,
        .bytes_out = net.bytes_out,
    };
    wr_xfer_stats(s->xfer, &ret->xfer);
}

/* The silent hosts of an answer, by name, as far as they fit. */
static void say_hosts(const struct wr_session *s, const struct wr_msg *m,
                      char *ret, size_t room)
{
    size_t n = 0;

    ret[0] = '\0';
    for (uint32_t i = 0; i < m->data.hosts_n && n + 1 < room; i++) {
        char host[128];

        const int k = snprintf(ret + n, room - n, "%s%s", i > 0 ? ", " : ": ",
                               wr_session_host(s, m->data.hosts[i], host));
        n += k > 0 ? (size_t)k : 0;
    }
}

static enum wr_err why_no_parent(const struct wr_session *s, struct wr_why *why)
{
    if (!s->has_socket && s->leaf.n == 0 && s->resolving == 0) {
        if (s->cfg.home->cred.role == WR_ROLE_SUPERPEER)
            return wr_why(why, WR_EUNREACH,
                          "the super-peer of %s does not run; start it with "
                          "'wreath superpeer'",
                          s->cfg.home->dir);
        return wr_why(why, WR_EUNREACH,
                      "no super-peer is known in %s; join again with a ticket",
                      s->cfg.home->dir);
    }
    return wr_why(why, WR_EUNREACH,
                  "no super-peer of the ring could be reached; the last try: "
                  "%.250s",
                  s->last.text);
}

enum wr_err wr_session_why(const struct wr_session *s, uint8_t status,
                           const struct wr_msg *answer, const char *what,
                           struct wr_why *why)
{
    const bool data = answer != NULL && answer->kind == WR_MSG_DATA;
    char hosts[200] = "";

    if (data)
        say_hosts(s, answer, hosts, sizeof(hosts));
    switch ((enum wr_status)status) {
    case WR_STATUS_OK:
        return WR_OK;
    case WR_STATUS_NO:
        return wr_why(why, WR_ENOTFOUND,
                      "%s: not found; every host that could have it says no",
                      what);
    case WR_STATUS_UNREACHABLE:
    case WR_STATUS_TIMEOUT:
    case WR_STATUS_NOT_OWNER:
    case WR_STATUS_BUSY:
        if (answer == NULL || answer->kind == 0 ||
            s->leaf.state != WR_LEAF_ATTACHED)
            return s->leaf.state != WR_LEAF_ATTACHED
                       ? why_no_parent(s, why)
                       : wr_why(why, WR_ETIMEOUT,
                                "%s: the super-peer at %s did not answer in "
                                "time",
                                what, s->last_at);
        if (status == WR_STATUS_BUSY)
            return wr_why(why, WR_EBUSY,
                          "%s: the super-peer is too busy; try again later",
                          what);
        if (data)
            return wr_why(why, WR_EUNREACH,
                          "%s: not reachable; %u of %u hosts that may have it "
                          "are down%s",
                          what, answer->data.down,
                          answer->data.asked > answer->data.down
                              ? answer->data.asked
                              : answer->data.down,
                          hosts);
        return wr_why(why, WR_EUNREACH,
                      "%s: too few hosts are up to keep it safely; what is "
                      "stored stays, repeat the command to resume",
                      what);
    case WR_STATUS_BAD:
        return wr_why(why, WR_EDAMAGED, "%s: no host has a sound copy", what);
    case WR_STATUS_FULL:
        return wr_why(why, WR_EFULL,
                      "%s: no space is left on the hosts, or your quota is "
                      "used up",
                      what);
    case WR_STATUS_REFUSED:
        return wr_why(why, WR_EREFUSED, "%s: the super-peer refused it", what);
    case WR_STATUS_FAILED:
        return wr_why(why, WR_EFAIL, "%s: the disk of the host failed", what);
    }
    return wr_why(why, WR_EFAIL, "%s: failed (%u)", what, status);
}
