/* xfer.c - what a leaf asks of its parent, among parents that come and go and
 * answer anything: each request ends once, each body is released once or given
 * to the asker, and windows hold. */
#include <stdlib.h>

#include "proto/xfer.h"
#include "say.h"

enum {
    REQUESTS = 6, /* Of the table, */
    NOTES = 2,
    TOKENS = 512, /* and ever. */
    BODIES = 4096,
    EVENTS = 400,
    PATIENCE_S = 20,
    REST_S = 3600,
};

enum end { OPEN, CANCELLED, DONE };

struct world {
    struct wr_xfer *x;
    struct wr_xfer_cfg cfg;
    struct wr_outbox out;
    struct fuzz_asks asks;
    wr_time now;
    uint8_t core[BODIES + 1]; /* References that the core holds. */
    uint32_t bodies;
    enum end ends[TOKENS];
    uint32_t tokens;
    bool up;
};

static struct wr_body body_new(struct world *w, uint32_t len)
{
    if (w->bodies == BODIES)
        return (struct wr_body){0};
    w->core[++w->bodies] = 1;
    return (struct wr_body){.id = w->bodies, .len = len};
}

static void body_gone(struct world *w, struct wr_body b)
{
    WR_CHECK(b.id >= 1 && b.id <= w->bodies && w->core[b.id] == 1);
    w->core[b.id] = 0;
}

static void sent(struct world *w, const struct wr_fx *fx)
{
    static _Alignas(16) uint8_t arena[WR_CODEC_ARENA];
    static uint8_t header[WR_HEADER_MAX];
    struct wr_msg m = fx->msg;
    struct wr_codec c;
    size_t n;

    WR_CHECK(w->up && fx->to == WR_XFER_PARENT);
    WR_CHECK(wr_msg_from_leaf(m.kind));
    if (m.kind == WR_MSG_PUT)
        WR_CHECK(w->core[m.put.body.id] == 1);
    wr_codec_init(&c, fuzz_hosts(), arena, sizeof(arena));
    WR_CHECK(wr_codec_encode(&c, &m, (struct wr_span){0}, header,
                             sizeof(header), &n) == WR_OK);
    fuzz_asked(&w->asks, fx->to, &m);
}

static void ended(struct world *w, const struct wr_fx *fx)
{
    struct wr_msg answer = fx->done.answer;
    const struct wr_body *const body = wr_msg_body(&answer);

    WR_CHECK(fx->done.token < w->tokens);
    WR_CHECK(w->ends[fx->done.token] == OPEN); /* Once. */
    WR_CHECK(fx->done.status <= WR_STATUS_TIMEOUT);
    w->ends[fx->done.token] = DONE;
    if (body != NULL && body->id != 0)
        body_gone(w, *body); /* The asker's now. */
}

static void drain(struct world *w)
{
    struct wr_xfer_stats s;

    for (uint32_t i = 0; i < w->out.n; i++) {
        const struct wr_fx *const fx = &w->out.v[i];

        if (fx->kind == WR_FX_RELEASE)
            body_gone(w, fx->release);
        else if (fx->kind == WR_FX_DONE)
            ended(w, fx);
        else if (fx->kind == WR_FX_SEND)
            sent(w, fx);
    }
    WR_CHECK(w->out.dropped == 0);
    wr_outbox_clear(&w->out);
    wr_xfer_stats(w->x, &s);
    WR_CHECK(s.requests <= REQUESTS);
    WR_CHECK(s.requests + wr_xfer_room(w->x) == REQUESTS);
    WR_CHECK(s.put_bytes <= w->cfg.put_bytes_max || s.put_n == 1);
    WR_CHECK(s.get_bytes <= w->cfg.get_bytes_max || s.get_n == 1);
    WR_CHECK(s.put_n <= w->cfg.put_max && s.get_n <= w->cfg.get_max);
    WR_CHECK(s.haves <= w->cfg.haves_max);
}

static void ask(struct world *w, struct fuzz *f)
{
    static const uint8_t record[WR_ROOT_RECORD_MAX];
    const struct wr_xfer_want want = {.put.b = {fuzz_u8(f) % 2},
                                      .copies = fuzz_u8(f) % 4};
    const struct wr_id d = fuzz_digest(fuzz_u8(f));
    const uint32_t bytes = 1 + fuzz_u32(f) % WR_BLOCK_WRITE_MAX;
    const wr_token token = w->tokens;
    struct wr_body body;
    bool taken;

    if (w->tokens == TOKENS)
        return;
    w->tokens++;
    switch (fuzz_below(f, 5)) {
    case 0:
        taken = wr_xfer_have(w->x, token, &want, &d, WR_SEC(PATIENCE_S), w->now,
                             &w->out);
        break;
    case 1:
        body = body_new(w, bytes);
        taken =
            body.id != 0 && wr_xfer_put(w->x, token, &want, 0xb220, &d, body,
                                        WR_SEC(PATIENCE_S), w->now, &w->out);
        if (!taken && body.id != 0)
            body_gone(w, body); /* Still ours. */
        break;
    case 2:
        taken = wr_xfer_get(w->x, token, 0xb220, &d, fuzz_flag(f), bytes,
                            WR_SEC(PATIENCE_S), w->now, &w->out);
        break;
    case 3:
        taken = wr_xfer_root_put(w->x, token, &want, &d, 1,
                                 wr_span(record, fuzz_u8(f)),
                                 WR_SEC(PATIENCE_S), w->now, &w->out);
        break;
    default:
        taken = wr_xfer_query(w->x, token, wr_span_str("status"),
                              wr_span(record, fuzz_u8(f)), WR_SEC(PATIENCE_S),
                              w->now, &w->out);
    }
    if (!taken)
        w->ends[token] = CANCELLED;
}

static void hear(struct world *w, struct fuzz *f)
{
    struct wr_body *body;
    struct wr_msg m;
    wr_host from;
    uint8_t how;

    if (!w->up || !fuzz_say(f, &w->asks, &m, &from) || wr_host_is_leaf(from))
        return;
    how = fuzz_u8(f);
    m.bad_body = how < 16;
    body = wr_msg_body(&m);
    if (body != NULL) {
        *body = (struct wr_body){0};
        /* The driver takes bodies of these alone. */
        if (m.kind != WR_MSG_DATA && m.kind != WR_MSG_REPORT)
            return;
        if (!m.bad_body && how < 192)
            *body = body_new(w, 1 + how);
    }
    if (!wr_xfer_recv(w->x, &m, w->now, &w->out) && body != NULL &&
        body->id != 0)
        body_gone(w, *body);
}

static void pass_time(struct world *w, struct fuzz *f)
{
    const uint8_t how = fuzz_u8(f);
    const wr_time due = wr_xfer_deadline(w->x);

    if (how < 160 && due != WR_NEVER)
        w->now = due > w->now ? due : w->now;
    else
        w->now += WR_MS(how) * (how < 200 ? 1 : 100);
    wr_xfer_tick(w->x, w->now, &w->out);
}

static void cancel(struct world *w, wr_token token)
{
    const bool open = token < w->tokens && w->ends[token] == OPEN;

    WR_CHECK(wr_xfer_cancel(w->x, token, w->now, &w->out) == open);
    if (open)
        w->ends[token] = CANCELLED;
}

static void event(struct world *w, struct fuzz *f)
{
    const uint8_t what = fuzz_u8(f);

    if (what < 64)
        ask(w, f);
    else if (what < 160)
        hear(w, f);
    else if (what < 176)
        cancel(w, fuzz_u8(f));
    else if (what < 192 && !w->up) {
        w->up = true;
        wr_xfer_up(w->x, w->now, &w->out);
    } else if (what < 192) {
        w->up = false;
        wr_xfer_down(w->x);
    } else if (what < 200)
        wr_xfer_moved(w->x, w->now);
    else if (what < 208)
        wr_xfer_hold(w->x, (what & 1) != 0);
    else
        pass_time(w, f);
    drain(w);
}

/* Nobody answers any more: patience ends everything. */
static void rest(struct world *w)
{
    const wr_time until = w->now + WR_SEC(REST_S);

    wr_xfer_hold(w->x, false);
    wr_xfer_pump(w->x, w->now, &w->out);
    drain(w);
    for (unsigned i = 0; i < 10000; i++) {
        const wr_time due = wr_xfer_deadline(w->x);

        if (due == WR_NEVER || due > until)
            break;
        w->now = due > w->now ? due : w->now;
        wr_xfer_tick(w->x, w->now, &w->out);
        drain(w);
    }
    for (uint32_t i = 0; i < w->tokens; i++)
        WR_CHECK(w->ends[i] != OPEN);
    for (uint32_t i = 1; i <= w->bodies; i++)
        WR_CHECK(w->core[i] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct fuzz f = fuzz(data, size);

    memset(&w, 0, sizeof(w));
    w.now = WR_SEC(1);
    w.cfg = wr_xfer_cfg_default(fuzz_u8(&f));
    w.cfg.requests_max = REQUESTS;
    w.cfg.notes_max = NOTES;
    w.cfg.haves_max = 2;
    WR_CHECK(wr_outbox_init(&w.out, WR_XFER_STEP_FX, WR_XFER_STEP_BYTES) ==
             WR_OK);
    WR_CHECK(wr_xfer_open(&w.x, &w.cfg) == WR_OK);
    for (unsigned i = 0; i < EVENTS && f.n > 0; i++)
        event(&w, &f);
    rest(&w);
    wr_xfer_close(w.x);
    wr_outbox_done(&w.out);
    return 0;
}
