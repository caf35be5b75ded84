/* session.c - see session.h. */
#include "client/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/bodytab.h"
#include "client/uplink.h"
#include "crypto/secret.h"
#include "object/hash.h"
#include "sys/clock.h"

enum {
    OUTBOX_FX = 8192,
    OUTBOX_BYTES = 1 << 20,
    BODIES = 4096,
};

/* A chunk on its way through the verifier. */
struct arrival {
    struct arrival *next;
    struct wr_buf *buf;
    struct wr_msg msg; /* DATA, without the hosts of a head. */
};

struct wr_session {
    struct wr_session_cfg cfg;
    struct wr_uplink *up;
    struct wr_xfer *xfer;
    struct wr_outbox out;
    struct wr_bodytab bodies;
    wr_time opened_at;

    uv_timer_t timer;
    uv_work_t work;
    bool working, draining, closing;
    struct arrival *arrived, **arrived_end; /* For the next job. */
    struct arrival *verifying;              /* The worker's. */
    void (*closed)(void *arg);
    void *closed_arg;
};

static void drain(struct wr_session *s);
static void rearm(struct wr_session *s);

static struct wr_uplink_state state_of(const struct wr_session *s)
{
    struct wr_uplink_state state;

    wr_uplink_state(s->up, &state);
    return state;
}

/* Nobody answers while no parent was ever found: less patience then, and next
 * to none where the one that counts is a process of this machine. */
static wr_time patience_of(const struct wr_session *s)
{
    const wr_time most = WR_MS(s->cfg.patience_ms);
    const struct wr_uplink_state up = state_of(s);
    uint32_t ms = WR_CLIENT_ATTACH_MS;

    if (up.ever)
        return most;
    if (s->cfg.home->cred.role == WR_ROLE_SUPERPEER)
        ms = up.alone ? 1 : WR_CLIENT_LOCAL_MS;
    return wr_time_min(most, WR_MS(ms));
}

/* ---- the parent ---------------------------------------------------------- */

static void on_up(void *arg)
{
    struct wr_session *s = arg;

    /* What was asked before the first parent was found has had only the time
     * that finding one may take. */
    wr_xfer_patience(s->xfer, patience_of(s));
    wr_xfer_up(s->xfer, wr_clock_now(), &s->out);
    drain(s);
    rearm(s);
}

static void on_lost(void *arg)
{
    struct wr_session *s = arg;

    wr_xfer_down(s->xfer);
    drain(s);
    rearm(s);
}

static struct wr_buf *on_body(void *arg, struct wr_span header, uint32_t n)
{
    struct wr_session *s = arg;

    (void)header;
    if (s->closing)
        return WR_LINK_SKIP;
    /* Blocks of other importers may be longer than the pool's buffers. */
    if (n > WR_BUF_SIZE_MAX) {
        struct wr_buf *big = wr_buf_new(n);

        return big != NULL ? big : WR_LINK_SKIP;
    }
    return wr_pool_get(s->cfg.pool, WR_CLIENT_DOWN, n);
}

/* ---- what comes ---------------------------------------------------------- */

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
    wr_xfer_recv(s->xfer, m, wr_clock_now(), &s->out);
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

/* Wrong bytes, or no answer: another parent may do better. */
static void change_parent(struct wr_session *s)
{
    if (wr_xfer_let_down(s->xfer))
        wr_uplink_leave(s->up);
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
    change_parent(s);
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

static void on_msg(void *arg, struct wr_msg *m, struct wr_span extra,
                   struct wr_buf *body)
{
    struct wr_session *s = arg;

    (void)extra;
    if (s->closing) {
        wr_buf_unref(body);
        return;
    }
    if (m->kind == WR_MSG_DATA && body != NULL) {
        on_chunk(s, m, body);
        return;
    }
    feed(s, m, body);
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

            wr_uplink_send(s->up, &m, (struct wr_span){0},
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
            wr_xfer_pump(s->xfer, wr_clock_now(), &s->out);
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

/* A question that follows a failure does not wait as long once more. */
static wr_time patience_to_ask(const struct wr_session *s)
{
    const wr_time looked = wr_clock_now() - s->opened_at;
    const wr_time most = patience_of(s);

    if (state_of(s).ever || looked < WR_MS(100))
        return most;
    return most > looked + WR_MS(100) ? most - looked : WR_MS(100);
}

void wr_session_hold(struct wr_session *s)
{
    wr_xfer_hold(s->xfer, true);
}

void wr_session_let_go(struct wr_session *s)
{
    wr_xfer_hold(s->xfer, false);
    wr_xfer_pump(s->xfer, wr_clock_now(), &s->out);
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
                                 patience_of(s), wr_clock_now(), &s->out);

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
                                body, patience_of(s), wr_clock_now(), &s->out);
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
                                bytes, patience_of(s), wr_clock_now(), &s->out);

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
                         record, patience_of(s), wr_clock_now(), &s->out);

    after_ask(s, ask, ok);
    return ok;
}

bool wr_session_query(struct wr_session *s, struct wr_ask *ask,
                      const char *what, const char *arg)
{
    const bool ok = wr_xfer_query(s->xfer, token_of(ask), wr_span_str(what),
                                  wr_span_str(arg != NULL ? arg : ""),
                                  patience_to_ask(s), wr_clock_now(), &s->out);

    after_ask(s, ask, ok);
    return ok;
}

void wr_session_cancel(struct wr_session *s, struct wr_ask *ask)
{
    if (!ask->busy)
        return;
    ask->busy = false;
    /* Its end may lie in the outbox already: it is taken out there. */
    if (!wr_xfer_cancel(s->xfer, token_of(ask), wr_clock_now(), &s->out)) {
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

static void on_timer(uv_timer_t *timer)
{
    struct wr_session *s = timer->data;
    struct wr_xfer_stats x;

    wr_xfer_stats(s->xfer, &x);
    if (x.requests > 0 && s->cfg.on_waiting != NULL)
        s->cfg.on_waiting(s->cfg.arg);
    if (wr_uplink_moved(s->up))
        wr_xfer_moved(s->xfer, wr_clock_now());
    wr_xfer_tick(s->xfer, wr_clock_now(), &s->out);
    drain(s);
    change_parent(s);
    rearm(s);
}

static void rearm(struct wr_session *s)
{
    const wr_time now = wr_clock_now();
    struct wr_xfer_stats x;
    wr_time at = wr_xfer_deadline(s->xfer);

    if (s->closing)
        return;
    wr_xfer_stats(s->xfer, &x);
    if (x.requests > 0)
        at = wr_time_min(at, now + WR_MS(WR_UPLINK_SAMPLE_MS));
    if (at == WR_NEVER)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timer,
                       at > now ? (at - now + 999) / 1000 : 0, 0);
}

void wr_session_room(struct wr_session *s)
{
    wr_uplink_room(s->up);
}

void wr_session_set_patience(struct wr_session *s, uint32_t ms)
{
    s->cfg.patience_ms = ms != 0 ? ms : (uint32_t)WR_CLIENT_PATIENCE_MS;
}

/* ---- opening and closing ------------------------------------------------- */

static void free_session(struct wr_session *s)
{
    wr_xfer_close(s->xfer);
    wr_outbox_done(&s->out);
    wr_bodytab_done(&s->bodies);
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
    return err;
}

enum wr_err wr_session_open(struct wr_session **ret,
                            const struct wr_session_cfg *cfg,
                            struct wr_why *why)
{
    struct wr_session *s = calloc(1, sizeof(*s));
    uint64_t seed;

    if (s == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    s->cfg = *cfg;
    wr_session_set_patience(s, cfg->patience_ms);
    s->arrived_end = &s->arrived;
    s->opened_at = wr_clock_now();
    wr_secret_random(&seed, sizeof(seed));
    const struct wr_uplink_cfg up = {
        .loop = cfg->loop,
        .home = cfg->home,
        .agent = "libwreath",
        .local = true,
        .arg = s,
        .on_up = on_up,
        .on_lost = on_lost,
        .on_body = on_body,
        .on_msg = on_msg,
    };
    enum wr_err err = take_memory(s, seed);
    if (err != WR_OK)
        wr_why(why, err, "out of memory");
    else
        err = wr_uplink_open(&s->up, &up, why);
    if (err != WR_OK) {
        free_session(s);
        return err;
    }
    WR_CHECK(uv_timer_init(cfg->loop, &s->timer) == 0);
    s->timer.data = s;
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

static void uplink_closed(void *arg)
{
    struct wr_session *s = arg;

    uv_close((uv_handle_t *)&s->timer, timer_closed);
}

/* Once no worker refers to us. */
static void finish_close(struct wr_session *s)
{
    if (s->working)
        return;
    while (s->arrived != NULL) {
        struct arrival *a = s->arrived;

        s->arrived = a->next;
        wr_buf_unref(a->buf);
        free(a);
    }
    wr_uplink_close(s->up, uplink_closed, s);
}

void wr_session_close(struct wr_session *s, void (*closed)(void *arg),
                      void *arg)
{
    WR_CHECK(!s->closing);
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    uv_timer_stop(&s->timer);
    wr_xfer_down(s->xfer);
    finish_close(s);
}

/* ---- telling ------------------------------------------------------------- */

uint32_t wr_session_copies(const struct wr_session *s)
{
    return state_of(s).copies;
}

uint32_t wr_session_durable(const struct wr_session *s)
{
    return state_of(s).durable;
}

const char *wr_session_host(const struct wr_session *s, wr_host h,
                            char ret[128])
{
    return wr_uplink_host(s->up, h, ret);
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
    const struct wr_uplink_state up = state_of(s);

    /* Of a process that was killed the socket remains, and nobody listens. */
    if (s->cfg.home->cred.role == WR_ROLE_SUPERPEER &&
        (up.alone || up.last.err == WR_EUNREACH))
        return wr_why(why, WR_EUNREACH,
                      "the super-peer of %s does not run; start it with "
                      "'wreath superpeer'",
                      s->cfg.home->dir);
    if (up.alone)
        return wr_why(why, WR_EUNREACH,
                      "no super-peer is known in %s; join again with a ticket",
                      s->cfg.home->dir);
    return wr_why(why, WR_EUNREACH,
                  "no super-peer of the ring could be reached; the last try: "
                  "%.220s%s",
                  up.last.text,
                  up.last.err == WR_ECLOSED ? " (this leaf may be revoked)"
                                            : "");
}

static enum wr_err why_full(const struct wr_session *s,
                            const struct wr_msg *answer, const char *what,
                            struct wr_why *why)
{
    const uint64_t counted = answer != NULL && answer->kind == WR_MSG_PUT_DONE
                                 ? answer->put_done.counted
                                 : 0;
    char quota[16], would[16];

    if (counted == 0)
        return wr_why(why, WR_EFULL,
                      "%s: no space is left in the stores of the hosts that it "
                      "goes to",
                      what);
    return wr_why(why, WR_EFULL,
                  "%s: this leaf's quota is used up: it may have %s at the "
                  "super-peer at %s, and this would make %s. 'wreath rm' what "
                  "is not needed, then put again some minutes later; or join "
                  "anew with a ticket for more",
                  what, wr_size_text(s->cfg.home->cred.quota, quota),
                  state_of(s).at, wr_size_text(counted, would));
}

enum wr_err wr_session_why(const struct wr_session *s, uint8_t status,
                           const struct wr_msg *answer, const char *what,
                           struct wr_why *why)
{
    const bool data = answer != NULL && answer->kind == WR_MSG_DATA;
    const struct wr_uplink_state up = state_of(s);
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
        if (answer == NULL || answer->kind == 0 || !up.up)
            return !up.up
                       ? why_no_parent(s, why)
                       : wr_why(why, WR_ETIMEOUT,
                                "%s: no answer in time from the super-peer at "
                                "%s; hosts that it needs may be down",
                                what, up.at);
        if (status == WR_STATUS_BUSY)
            return wr_why(why, WR_EBUSY,
                          "%s: the super-peer is too busy; try again later",
                          what);
        if (data && answer->data.down == 0)
            return wr_why(why, WR_EUNREACH,
                          "%s: not reachable; the super-peer does not know all "
                          "hosts yet; try again later",
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
                      "%s: too few hosts are up to do it safely; what was "
                      "done stays, repeat the command to go on",
                      what);
    case WR_STATUS_BAD:
        return wr_why(why, WR_EDAMAGED, "%s: no host has a sound copy", what);
    case WR_STATUS_FULL:
        return why_full(s, answer, what, why);
    case WR_STATUS_REFUSED:
        return wr_why(why, WR_EREFUSED, "%s: the super-peer refused it", what);
    case WR_STATUS_FAILED:
        return wr_why(why, WR_EFAIL, "%s: the disk of the host failed", what);
    }
    return wr_why(why, WR_EFAIL, "%s: failed (%u)", what, status);
}
