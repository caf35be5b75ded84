/* The requests of a leaf: windows, batches, refusals, dying parents. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "proto/xfer.h"

enum { BODIES = 4096, TOKENS = 4096 };

/* A driver that keeps count: of bodies, of ends per token, and of what it has
 * been handed to send since the parent came. */
struct world {
    struct wr_xfer *x;
    struct wr_xfer_cfg cfg;
    struct wr_outbox out;
    struct wr_rng rng;
    wr_time now;
    int refs[BODIES]; /* References that the core holds. */
    uint32_t bodies;
    unsigned done[TOKENS];
    uint8_t status[TOKENS];
    struct wr_msg sent[TOKENS]; /* Unanswered, with digests of HAVEs kept. */
    uint32_t sent_n;
    unsigned haves, puts, gets;
};

static void setup(struct world *w, struct wr_xfer_cfg cfg)
{
    memset(w, 0, sizeof(*w));
    w->cfg = cfg;
    w->rng.state = 99;
    w->now = WR_SEC(1);
    cr_assert_eq(wr_xfer_open(&w->x, &cfg), WR_OK);
    cr_assert_eq(wr_outbox_init(&w->out, WR_XFER_STEP_FX, WR_XFER_STEP_BYTES),
                 WR_OK);
}

static struct wr_xfer_cfg config(void)
{
    struct wr_xfer_cfg cfg = wr_xfer_cfg_default(3);

    cfg.jitter_permille = 0;
    return cfg;
}

static void teardown(struct world *w)
{
    wr_xfer_close(w->x);
    wr_outbox_done(&w->out);
    for (uint32_t i = 0; i < w->bodies; i++)
        cr_assert_eq(w->refs[i], 0, "body %u", i);
}

static struct wr_body body(struct world *w, uint32_t len)
{
    cr_assert(w->bodies < BODIES);
    w->refs[w->bodies++] = 1;
    return (struct wr_body){.id = w->bodies, .len = len};
}

static void note_done(struct world *w, const struct wr_fx *fx)
{
    cr_assert(fx->done.token < TOKENS);
    w->done[fx->done.token]++;
    w->status[fx->done.token] = fx->done.status;
    if (fx->done.answer.kind == WR_MSG_DATA && fx->done.answer.data.body.id)
        w->refs[fx->done.answer.data.body.id - 1]--; /* The asker's now. */
}

static void drain(struct world *w)
{
    struct wr_xfer_stats s;

    for (uint32_t i = 0; i < w->out.n; i++) {
        const struct wr_fx *fx = &w->out.v[i];

        if (fx->kind == WR_FX_RELEASE) {
            w->refs[fx->release.id - 1]--;
            cr_assert_geq(w->refs[fx->release.id - 1], 0);
        } else if (fx->kind == WR_FX_DONE) {
            note_done(w, fx);
        } else if (fx->kind == WR_FX_SEND) {
            cr_assert(w->sent_n < TOKENS);
            w->haves += fx->msg.kind == WR_MSG_HAVE;
            w->puts += fx->msg.kind == WR_MSG_PUT;
            w->gets += fx->msg.kind == WR_MSG_GET;
            if (fx->msg.kind == WR_MSG_HAVE)
                cr_assert(fx->msg.have.n >= 1 && fx->msg.have.n <= WR_HAVE_MAX);
            if (fx->msg.kind == WR_MSG_PUT)
                cr_assert_eq(w->refs[fx->msg.put.body.id - 1], 1,
                             "a released body is sent");
            w->sent[w->sent_n++] = fx->msg;
        }
    }
    cr_assert_eq(w->out.dropped, 0);
    wr_outbox_clear(&w->out);
    wr_xfer_stats(w->x, &s);
    cr_assert(s.put_bytes <= w->cfg.put_bytes_max || s.put_n == 1);
    cr_assert(s.get_bytes <= w->cfg.get_bytes_max || s.get_n == 1);
    cr_assert_leq(s.put_n, w->cfg.put_max);
    cr_assert_leq(s.get_n, w->cfg.get_max);
    cr_assert_leq(s.haves, w->cfg.haves_max);
}

static struct wr_id digest(uint32_t i)
{
    struct wr_id d = {0};

    memcpy(d.b, &i, sizeof(i));
    return d;
}

static const struct wr_xfer_want want = {
    .put.b = {1}, .copies = 3, .durable = 2};

static void ask_have(struct world *w, uint32_t token)
{
    const struct wr_id d = digest(token);

    cr_assert(
        wr_xfer_have(w->x, token, &want, &d, WR_SEC(30), w->now, &w->out));
    drain(w);
}

static void ask_put(struct world *w, uint32_t token, uint32_t len)
{
    const struct wr_id d = digest(token);

    cr_assert(wr_xfer_put(w->x, token, &want, 0xb220, &d, body(w, len),
                          WR_SEC(30), w->now, &w->out));
    drain(w);
}

static void ask_get(struct world *w, uint32_t token, uint32_t len)
{
    const struct wr_id d = digest(token);

    cr_assert(wr_xfer_get(w->x, token, 0xb220, &d, false, len, WR_SEC(30),
                          w->now, &w->out));
    drain(w);
}

static void up(struct world *w)
{
    w->sent_n = 0;
    wr_xfer_up(w->x, w->now, &w->out);
    drain(w);
}

static void down(struct world *w)
{
    wr_xfer_down(w->x);
    w->sent_n = 0;
}

static struct wr_msg take(struct world *w, uint32_t i)
{
    const struct wr_msg m = w->sent[i];

    cr_assert(i < w->sent_n);
    w->sent[i] = w->sent[--w->sent_n];
    return m;
}

static struct wr_msg reply_to(struct world *w, const struct wr_msg *ask,
                              uint8_t status)
{
    struct wr_msg m = {.rid = ask->rid};

    switch (ask->kind) {
    case WR_MSG_HAVE:
        m.kind = WR_MSG_HAD;
        m.had.status = status;
        m.had.n = ask->have.n;
        memset(m.had.bits, 0x55, sizeof(m.had.bits));
        break;
    case WR_MSG_PUT:
        m.kind = WR_MSG_PUT_DONE;
        m.put_done.status = status;
        break;
    case WR_MSG_GET:
        m.kind = WR_MSG_DATA;
        m.data.status = status;
        m.data.digest = ask->get.digest;
        m.data.hash = ask->get.hash;
        if (status == WR_STATUS_OK)
            m.data.body = body(w, 100);
        break;
    case WR_MSG_ROOT_PUT:
        m.kind = WR_MSG_ROOT_DONE;
        m.root.status = status;
        break;
    default:
        cr_assert_fail("asked %s", wr_msg_name(ask->kind));
    }
    return m;
}

static void recv(struct world *w, const struct wr_msg *m)
{
    cr_assert(wr_xfer_recv(w->x, m, w->now, &w->out));
    drain(w);
}

/* Answers the request sent `i`th among the unanswered. */
static void answer(struct world *w, uint32_t i, uint8_t status)
{
    const struct wr_msg ask = take(w, i);
    const struct wr_msg m = reply_to(w, &ask, status);

    recv(w, &m);
}

static void expect_done(const struct world *w, uint32_t token, uint8_t status)
{
    cr_assert_eq(w->done[token], 1, "token %u ended %u times", token,
                 w->done[token]);
    cr_assert_eq(w->status[token], status, "token %u: %s", token,
                 wr_status_name(w->status[token]));
}

Test(xfer, nothing_is_sent_without_a_parent)
{
    struct world *w = malloc(sizeof(*w));

    setup(w, config());
    ask_have(w, 1);
    ask_put(w, 2, 100);
    cr_assert_eq(w->sent_n, 0);
    up(w);
    cr_assert_eq(w->sent_n, 2);
    answer(w, 0, WR_STATUS_OK);
    answer(w, 0, WR_STATUS_OK);
    expect_done(w, 1, WR_STATUS_OK);
    expect_done(w, 2, WR_STATUS_OK);
    teardown(w);
    free(w);
}

Test(xfer, haves_travel_in_batches)
{
    struct world *w = malloc(sizeof(*w));

    setup(w, config());
    for (uint32_t i = 0; i < 1000; i++)
        ask_have(w, i);
    up(w);
    cr_assert_leq(w->haves, 8);
    while (w->sent_n > 0)
        answer(w, 0, WR_STATUS_OK);
    cr_assert_leq(w->haves, 16);
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert_eq(w->done[i], 1);
    teardown(w);
    free(w);
}

/* Bit i answers digest i, whatever became of the others of the batch. */
Test(xfer, bits_belong_to_digests)
{
    struct world *w = malloc(sizeof(*w));
    struct wr_msg m = {.kind = WR_MSG_HAD};

    setup(w, config());
    for (uint32_t i = 0; i < 10; i++)
        ask_have(w, i);
    up(w);
    cr_assert_eq(w->sent_n, 1);
    cr_assert(wr_xfer_cancel(w->x, 3, w->now, &w->out));
    drain(w);
    m.rid = w->sent[0].rid;
    m.had.n = 10;
    m.had.bits[0] = 1 << 4;
    m.had.bits[1] = 1 << 1;
    recv(w, &m);
    for (uint32_t i = 0; i < 10; i++)
        if (i == 3)
            cr_assert_eq(w->done[i], 0);
        else
            expect_done(w, i, i == 4 || i == 9 ? WR_STATUS_OK : WR_STATUS_NO);
    teardown(w);
    free(w);
}

Test(xfer, the_put_window_holds_bytes_and_count)
{
    struct world *w = malloc(sizeof(*w));
    struct wr_xfer_cfg cfg = config();

    cfg.put_bytes_max = 1000;
    cfg.put_max = 5;
    setup(w, cfg);
    up(w);
    for (uint32_t i = 0; i < 10; i++)
        ask_put(w, i, 300); /* drain() judges the window each time. */
    cr_assert_eq(w->puts, 3);
    ask_put(w, 10, 5000); /* Larger than the window: alone, not never. */
    while (w->sent_n > 0)
        answer(w, 0, WR_STATUS_OK);
    for (uint32_t i = 0; i <= 10; i++)
        expect_done(w, i, WR_STATUS_OK);
    teardown(w);
    free(w);
}

Test(xfer, busy_waits_as_long_as_it_was_told)
{
    struct world *w = malloc(sizeof(*w));

    setup(w, config());
    up(w);
    ask_put(w, 1, 10);
    const struct wr_msg ask = take(w, 0);
    struct wr_msg m = reply_to(w, &ask, WR_STATUS_BUSY);
    m.put_done.retry_ms = 400;
    recv(w, &m);
    cr_assert_eq(w->done[1], 0);
    cr_assert_eq(wr_xfer_deadline(w->x), w->now + WR_MS(400));
    w->now += WR_MS(399);
    wr_xfer_tick(w->x, w->now, &w->out);
    drain(w);
    cr_assert_eq(w->sent_n, 0);
    w->now += WR_MS(1);
    wr_xfer_tick(w->x, w->now, &w->out);
    drain(w);
    cr_assert_eq(w->sent_n, 1);
    answer(w, 0, WR_STATUS_OK);
    expect_done(w, 1, WR_STATUS_OK);
    teardown(w);
    free(w);
}

/* Runs the clock, answering all with `status`, until the request ends. */
static wr_time until_done(struct world *w, uint32_t token, uint8_t status)
{
    const wr_time from = w->now;

    for (unsigned i = 0; i < 10000 && w->done[token] == 0; i++) {
        while (w->sent_n > 0)
            answer(w, 0, status);
        if (w->done[token] > 0)
            break;
        w->now = wr_time_max(w->now, wr_xfer_deadline(w->x));
        wr_xfer_tick(w->x, w->now, &w->out);
        drain(w);
    }
    return w->now - from;
}

Test(xfer, unreachable_is_tried_until_patience_is_over)
{
    struct world *w = malloc(sizeof(*w));

    setup(w, config());
    up(w);
    ask_get(w, 1, 10);
    const wr_time took = until_done(w, 1, WR_STATUS_UNREACHABLE);
    expect_done(w, 1, WR_STATUS_UNREACHABLE);
    cr_assert(took >= WR_SEC(27) && took <= WR_SEC(30));
    cr_assert(w->gets >= 5 && w->gets <= 60, "%u", w->gets);
    teardown(w);
    free(w);
}

/* Finding a parent may take less time than a request may: what was asked before
 * has all of it once one is found. */
Test(xfer, a_parent_that_is_found_gets_time_to_answer)
{
    struct world *w = malloc(sizeof(*w));
    const struct wr_id d = digest(1);

    setup(w, config());
    cr_assert(wr_xfer_get(w->x, 1, 0xb220, &d, false, 10, WR_SEC(10), w->now,
                          &w->out));
    w->now += WR_SEC(5);
    wr_xfer_patience(w->x, WR_SEC(30));
    up(w);
    cr_assert_eq(until_done(w, 1, WR_STATUS_UNREACHABLE), WR_SEC(30));
    expect_done(w, 1, WR_STATUS_UNREACHABLE);
    teardown(w);
    free(w);
}

Test(xfer, no_parent_at_all_ends_in_silence)
{
    struct world *w = malloc(sizeof(*w));

    setup(w, config());
    ask_put(w, 1, 10);
    cr_assert_eq(until_done(w, 1, WR_STATUS_OK), WR_SEC(30));
    expect_done(w, 1, WR_STATUS_TIMEOUT);
    teardown(w);
    free(w);
}

/* A slow link that moves is not a dead one. */
Test(xfer, patience_counts_standstill_only)
{
    struct world *w = malloc(sizeof(*w));

    setup(w, config());
    up(w);
    ask_put(w, 1, 10);
    for (unsigned i = 0; i < 10; i++) {
        w->now += WR_SEC(20);
        wr_xfer_moved(w->x, w->now);
        wr_xfer_tick(w->x, w->now, &w->out);
        drain(w);
    }
    cr_assert_eq(w->done[1], 0);
    w->sent_n = 1;
    answer(w, 0, WR_STATUS_OK);
    expect_done(w, 1, WR_STATUS_OK);
    teardown(w);
    free(w);
}

Test(xfer, no_and_full_end_at_once)
{
    struct world *w = malloc(sizeof(*w));

    setup(w, config());
    up(w);
    ask_get(w, 1, 10);
    answer(w, 0, WR_STATUS_NO);
    expect_done(w, 1, WR_STATUS_NO);
    ask_put(w, 2, 10);
    answer(w, 0, WR_STATUS_FULL);
    expect_done(w, 2, WR_STATUS_FULL);
    teardown(w);
    free(w);
}

/* Sound bytes of another name, bytes that did not verify, answers of another
 * kind, to nobody, or of a wrong count: none of it completes a request. */
Test(xfer, a_lying_parent)
{
    struct world *w = malloc(sizeof(*w));

    setup(w, config());
    up(w);
    ask_get(w, 1, 10);
    const struct wr_msg ask = w->sent[0];
    struct wr_msg m = reply_to(w, &ask, WR_STATUS_OK);

    m.data.digest = digest(77);
    recv(w, &m);
    cr_assert_eq(w->done[1], 0);

    m = (struct wr_msg){.kind = WR_MSG_PUT_DONE, .rid = ask.rid};
    recv(w, &m);
    cr_assert_eq(w->done[1], 0);

    m = reply_to(w, &ask, WR_STATUS_OK);
    m.rid += UINT64_C(1) << 32;
    recv(w, &m);
    m.rid = UINT64_MAX;
    m.data.body = (struct wr_body){0};
    recv(w, &m);
    cr_assert_eq(w->done[1], 0);

    ask_have(w, 2);
    const struct wr_msg have = w->sent[w->sent_n - 1];
    m = reply_to(w, &have, WR_STATUS_OK);
    m.had.n = 128;
    recv(w, &m);
    cr_assert_eq(w->done[2], 0);
    m.had.n = 1;
    recv(w, &m);
    expect_done(w, 2, WR_STATUS_OK);
    recv(w, &m); /* Twice. */
    expect_done(w, 2, WR_STATUS_OK);

    w->sent_n = 0;
    until_done(w, 1, WR_STATUS_OK);
    expect_done(w, 1, WR_STATUS_OK);
    teardown(w);
    free(w);
}

/* Who brings other bytes, or says nothing while nothing moves, is left; for one
 * request that is left unanswered but once, or a leaf whose chunk is out of
 * reach would go from host to host for ever. */
Test(xfer, a_parent_that_lets_us_down_is_told_apart)
{
    struct world *w = malloc(sizeof(*w));
    const struct wr_xfer_cfg cfg = config();
    struct wr_msg m;

    setup(w, cfg);
    up(w);
    ask_get(w, 1, 10);
    cr_assert(!wr_xfer_let_down(w->x));
    m = reply_to(w, &w->sent[0], WR_STATUS_OK);
    m.data.digest = digest(77);
    recv(w, &m);
    cr_assert(wr_xfer_let_down(w->x));
    cr_assert(!wr_xfer_let_down(w->x), "it is told once");
    down(w);
    up(w);
    w->now += WR_SEC(1); /* A refusal waits before it asks again. */
    wr_xfer_tick(w->x, w->now, &w->out);
    drain(w);
    answer(w, 0, WR_STATUS_OK);
    expect_done(w, 1, WR_STATUS_OK);

    ask_put(w, 2, 10);
    w->now += cfg.answer_us - 1;
    wr_xfer_moved(w->x, w->now); /* Its bytes are still on their way. */
    w->now += 1;
    wr_xfer_tick(w->x, w->now, &w->out);
    cr_assert(!wr_xfer_let_down(w->x));
    w->now += cfg.answer_us / 4;
    wr_xfer_tick(w->x, w->now, &w->out);
    cr_assert(wr_xfer_let_down(w->x));
    drain(w);
    down(w);
    up(w);
    w->now += cfg.answer_us;
    wr_xfer_tick(w->x, w->now, &w->out);
    drain(w);
    cr_assert(!wr_xfer_let_down(w->x), "the next has all its patience");
    down(w);
    up(w);
    answer(w, 0, WR_STATUS_OK);
    expect_done(w, 2, WR_STATUS_OK);
    teardown(w);
    free(w);
}

Test(xfer, cancelled_requests_leave_nothing)
{
    struct world *w = malloc(sizeof(*w));

    setup(w, config());
    up(w);
    ask_put(w, 1, 10);
    ask_get(w, 2, 10);
    for (uint32_t i = 1; i <= 2; i++) {
        cr_assert(wr_xfer_cancel(w->x, i, w->now, &w->out));
        drain(w);
        cr_assert_not(wr_xfer_cancel(w->x, i, w->now, &w->out));
    }
    answer(w, 1, WR_STATUS_OK); /* The GET's, late: its body is released. */
    answer(w, 0, WR_STATUS_OK);
    cr_assert_eq(w->done[1] + w->done[2], 0);
    teardown(w);
    free(w);
}

Test(xfer, a_full_table_says_so)
{
    struct world *w = malloc(sizeof(*w));
    struct wr_xfer_cfg cfg = config();
    const struct wr_id d = digest(9);

    cfg.requests_max = 4;
    setup(w, cfg);
    for (uint32_t i = 0; i < 4; i++)
        ask_have(w, i);
    cr_assert_eq(wr_xfer_room(w->x), 0);
    cr_assert_not(wr_xfer_have(w->x, 9, &want, &d, WR_SEC(1), w->now, &w->out));
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(wr_xfer_cancel(w->x, i, w->now, &w->out));
    cr_assert_eq(wr_xfer_room(w->x), 4);
    teardown(w);
    free(w);
}

/* Whatever happens to parents and answers, every request ends exactly once,
 * no window is exceeded and every body comes back. */
static void storm(uint64_t seed)
{
    struct world *w = malloc(sizeof(*w));
    struct wr_xfer_cfg cfg = wr_xfer_cfg_default(seed);
    static const uint8_t moods[] = {
        WR_STATUS_OK,     WR_STATUS_OK, WR_STATUS_OK,   WR_STATUS_OK,
        WR_STATUS_OK,     WR_STATUS_NO, WR_STATUS_BUSY, WR_STATUS_UNREACHABLE,
        WR_STATUS_FAILED, WR_STATUS_BAD};
    uint32_t asked = 0;
    bool is_up = false;

    cfg.put_bytes_max = 64 << 10;
    cfg.get_bytes_max = 64 << 10;
    cfg.requests_max = 300;
    setup(w, cfg);
    w->rng.state = seed;
    for (unsigned step = 0; step < 20000; step++) {
        const uint64_t dice = wr_rng_below(&w->rng, 100);

        w->now += wr_rng_below(&w->rng, 2000);
        if (dice < 40 && asked < 1500 && wr_xfer_room(w->x) > 0) {
            const uint32_t len = (uint32_t)wr_rng_below(&w->rng, 9000) + 1;

            if (dice % 3 == 0)
                ask_have(w, asked++);
            else if (dice % 3 == 1)
                ask_put(w, asked++, len);
            else
                ask_get(w, asked++, len);
        } else if (dice < 85 && w->sent_n > 0) {
            answer(w, (uint32_t)wr_rng_below(&w->rng, w->sent_n),
                   moods[wr_rng_below(&w->rng, WR_ARRAY_LEN(moods))]);
        } else if (dice < 90) {
            wr_xfer_tick(w->x, w->now, &w->out);
            drain(w);
        } else if (dice == 99) {
            if (is_up)
                down(w);
            else
                up(w);
            is_up = !is_up;
        }
        if (w->sent_n > TOKENS - 300 || w->bodies > BODIES - 8)
            break;
    }
    if (!is_up)
        up(w);
    for (uint32_t i = 0; i < asked; i++)
        until_done(w, i, WR_STATUS_NO);
    for (uint32_t i = 0; i < asked; i++)
        cr_assert_eq(w->done[i], 1, "seed %u token %u ended %u times",
                     (unsigned)seed, i, w->done[i]);
    cr_assert_gt(asked, 500);
    teardown(w);
    free(w);
}

Test(xfer, every_request_ends_exactly_once)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        storm(seed);
}

Test(xfer, a_new_parent_gets_all_that_was_outstanding_oldest_first)
{
    struct world *w = malloc(sizeof(*w));

    setup(w, config());
    up(w);
    for (uint32_t i = 0; i < 20; i++)
        ask_put(w, i, 10);
    answer(w, 0, WR_STATUS_OK);
    down(w);
    up(w);
    cr_assert_eq(w->sent_n, 19);
    for (uint32_t i = 0; i < 19; i++) {
        const struct wr_id d = digest(i + 1);

        cr_assert(wr_id_eq(&w->sent[i].put.digest, &d));
    }
    while (w->sent_n > 0)
        answer(w, 0, WR_STATUS_OK);
    for (uint32_t i = 0; i < 20; i++)
        expect_done(w, i, WR_STATUS_OK);
    teardown(w);
    free(w);
}

Test(xfer, records_travel_as_they_are)
{
    struct world *w = malloc(sizeof(*w));
    const struct wr_id at = digest(5);

    setup(w, config());
    up(w);
    cr_assert(wr_xfer_root_put(w->x, 1, &want, &at, 2,
                               wr_span_str("a signed record"), WR_SEC(30),
                               w->now, &w->out));
    cr_assert_eq(w->out.n, 1);
    const struct wr_msg *m = &w->out.v[0].msg;
    cr_assert_eq(m->kind, WR_MSG_ROOT_PUT);
    cr_assert(wr_span_eq(m->root.record, wr_span_str("a signed record")));
    cr_assert_eq(m->root.version, 2);
    drain(w);
    answer(w, 0, WR_STATUS_OK);
    expect_done(w, 1, WR_STATUS_OK);
    teardown(w);
    free(w);
}
