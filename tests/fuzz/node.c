/* node.c - a super-peer's core among strangers who say whatever the codec lets
 * pass, in any order, on links that come and go, above a store that answers
 * late, or with failures. Whatever happens:
 *
 *   - each body is released once, and not held for ever;
 *   - each lookup, and each chunk to be mended, ends once;
 *   - no effect is lost: a step's effects are bounded;
 *   - what is sent keeps the limits of the wire, and names a body that is
 * there;
 *   - no step takes memory. */
#include <stdlib.h>

#include "proto/node.h"
#include "proto/repair.h"
#include "say.h"

enum {
    SELF = 3, /* A host of four members. */
    EVENTS = 300,
    BODIES = 4096,
    STORE_OPS = 256,
    COMMANDS = 64,
    FX = 1024,
    FX_BYTES = 1 << 17,
    REST_S = 120, /* Within which all requests end. */
};

/* ---- memory ----------------------------------------------------------- */

/* The linker sends all calls here (--wrap). */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t each);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_realloc(void *p, size_t n);

static uint64_t allocations;

void *__wrap_malloc(size_t n)
{
    allocations++;
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t each)
{
    allocations++;
    return __real_calloc(n, each);
}

void *__wrap_realloc(void *p, size_t n)
{
    allocations++;
    return __real_realloc(p, n);
}

/* ---- the world -------------------------------------------------------- */

struct op {
    enum wr_fx_kind kind;
    wr_token token;
    struct wr_id digest, to;
    uint32_t n;
    bool head, roots;
    struct wr_body body; /* Ours as well until it is answered. */
};

struct world {
    struct wr_node *node;
    struct wr_outbox out;
    struct fuzz_asks asks;
    wr_time now;
    uint8_t core[BODIES + 1]; /* References: the core's, */
    uint8_t ours[BODIES + 1]; /* the store's. */
    uint32_t bodies;
    struct op ops[STORE_OPS];
    uint32_t ops_n;
    bool asked[COMMANDS]; /* Commands that have not ended. */
    uint32_t commands;
    bool leaves, handed_on;
};

static struct wr_body body_new(struct world *w, uint32_t len)
{
    if (w->bodies == BODIES)
        return (struct wr_body){0};
    w->core[++w->bodies] = 1;
    return (struct wr_body){.id = w->bodies, .len = len};
}

static bool body_live(const struct world *w, struct wr_body b)
{
    return b.id >= 1 && b.id <= w->bodies && w->core[b.id] + w->ours[b.id] > 0;
}

static void stored_later(struct world *w, const struct wr_fx *fx)
{
    struct op *const op = &w->ops[w->ops_n];

    /* Requests are bounded, so is what they ask of the store. */
    WR_CHECK(w->ops_n < STORE_OPS);
    w->ops_n++;
    *op = (struct op){.kind = fx->kind,
                      .token = fx->store.token,
                      .digest = fx->store.digest,
                      .n = fx->store.n,
                      .head = fx->store.head};
    if (fx->kind == WR_FX_STORE_SUM || fx->kind == WR_FX_STORE_RANGE) {
        op->to = fx->store.to;
        op->roots = fx->store.roots;
    }
    if (fx->kind == WR_FX_STORE_SUM)
        WR_CHECK(fx->store.n == WR_ARC_PARTS);
    if (fx->kind == WR_FX_STORE_RANGE)
        WR_CHECK(fx->store.n >= 1 && fx->store.n <= WR_SYNC_ITEMS);
    if (fx->kind == WR_FX_STORE_REF)
        WR_CHECK(fx->store.n >= 1 && fx->store.n <= WR_HAVE_MAX);
    if (fx->kind != WR_FX_STORE_PUT)
        return;
    WR_CHECK(body_live(w, fx->store.body));
    op->body = fx->store.body;
    w->ours[op->body.id]++;
}

static void sent(struct world *w, const struct wr_fx *fx)
{
    static _Alignas(16) uint8_t arena[WR_CODEC_ARENA];
    static uint8_t header[WR_HEADER_MAX];
    struct wr_msg m = fx->msg;
    struct wr_body *const body = wr_msg_body(&m);
    struct wr_codec c;
    size_t n;

    WR_CHECK(wr_host_is_leaf(fx->to) || fx->to < FUZZ_HOSTS);
    WR_CHECK(fx->to != SELF);
    wr_codec_init(&c, fuzz_hosts(), arena, sizeof(arena));
    WR_CHECK(wr_codec_encode(&c, &m, (struct wr_span){0}, header,
                             sizeof(header), &n) == WR_OK);
    if (body != NULL && body->id != 0)
        WR_CHECK(body_live(w, *body));
    if (!wr_host_is_leaf(fx->to))
        fuzz_asked(&w->asks, fx->to, &m);
}

static void perform(struct world *w, const struct wr_fx *fx)
{
    switch ((int)fx->kind) {
    case WR_FX_SEND:
        sent(w, fx);
        return;
    case WR_FX_RELEASE:
        WR_CHECK(fx->release.id >= 1 && fx->release.id <= w->bodies);
        WR_CHECK(w->core[fx->release.id] == 1); /* Once. */
        w->core[fx->release.id] = 0;
        return;
    case WR_FX_DONE:
        if (fx->done.token == COMMANDS) { /* WR_EV_LEAVE */
            w->handed_on = fx->done.status == WR_STATUS_OK;
            return;
        }
        WR_CHECK(fx->done.token < w->commands);
        WR_CHECK(w->asked[fx->done.token]); /* Once. */
        w->asked[fx->done.token] = false;
        return;
    case WR_FX_NOTE:
        WR_CHECK(wr_note_text(fx->note.note)[0] != '?');
        return;
    case WR_FX_PERSIST:
        return;
    default:
        stored_later(w, fx);
    }
}

/* Everything that the step before brought about. */
static void drain(struct world *w)
{
    /* SENDs borrow: a body may be released in the same breath. */
    for (int releases = 0; releases < 2; releases++)
        for (uint32_t i = 0; i < w->out.n; i++)
            if ((w->out.v[i].kind == WR_FX_RELEASE) == (releases != 0))
                perform(w, &w->out.v[i]);
    WR_CHECK(w->out.dropped == 0);
    wr_outbox_clear(&w->out);
}

static void step(struct world *w, const struct wr_event *ev)
{
    const uint64_t before = allocations;

    wr_node_step(w->node, ev, w->now, &w->out);
    WR_CHECK(allocations == before);
    drain(w);
}

static void tick(struct world *w)
{
    const uint64_t before = allocations;

    wr_node_tick(w->node, w->now, &w->out);
    WR_CHECK(allocations == before);
    drain(w);
}

/* Everything is handed on: the farewell is written down. */
static void say_farewell(struct world *w)
{
    struct wr_event ev = {.kind = WR_EV_ADMIT, .from = SELF};

    if (!w->handed_on)
        return;
    w->handed_on = false;
    ev.admit.state = WR_ROSTER_LEFT;
    ev.admit.incarnation = 1;
    step(w, &ev);
}

/* ---- events ----------------------------------------------------------- */

static void hear(struct world *w, struct fuzz *f)
{
    struct wr_event ev = {.kind = WR_EV_RECV};
    struct wr_body *body;
    struct wr_msg m;
    uint8_t how;

    if (!fuzz_say(f, &w->asks, &m, &ev.from))
        return;
    how = fuzz_u8(f);
    m.bad_body = how < 16;
    body = wr_msg_body(&m);
    if (body != NULL)
        *body = (struct wr_body){0};
    if ((m.kind == WR_MSG_PUT || m.kind == WR_MSG_DATA) && !m.bad_body) {
        if (m.kind == WR_MSG_PUT || how < 192)
            *body = body_new(w, 1 + fuzz_u32(f) % WR_BLOCK_WRITE_MAX);
        if (m.kind == WR_MSG_PUT && body->id == 0)
            return;
    } else if (body != NULL) {
        return; /* REPORT, REVOKED: the driver's. */
    }
    ev.msg = &m;
    step(w, &ev);
}

static int by_id(const void *a, const void *b)
{
    return wr_id_cmp(a, b);
}

/* What a list of the store says: some of the digests behind `after`, or of the
 * positions of records. */
static uint32_t list(const struct op *op, struct wr_id *digests, uint32_t *lens)
{
    const bool roots = op->kind == WR_FX_STORE_ROOT_NEXT;
    struct wr_id all[FUZZ_DIGESTS];
    const unsigned most = roots ? FUZZ_PUTS : FUZZ_DIGESTS;
    uint32_t n = 0;

    for (unsigned i = 0; i < most; i++)
        all[i] = roots ? fuzz_record(i, 0)->position : fuzz_digest(i);
    qsort(all, most, sizeof(all[0]), by_id);
    for (unsigned i = 0; i < most && n < op->n; i++) {
        digests[n] = all[i];
        if (wr_id_cmp(&digests[n], &op->digest) <= 0)
            continue;
        lens[n++] = 1 + i;
    }
    return n;
}

static void sums(const struct op *op, uint8_t which,
                 struct wr_sum ret[WR_ARC_PARTS])
{
    struct wr_kept v[FUZZ_DIGESTS];

    for (unsigned i = 0; i < WR_ARC_PARTS; i++) {
        const struct wr_id from = wr_id_part(&op->digest, &op->to, i);
        const struct wr_id to = wr_id_part(&op->digest, &op->to, i + 1);

        ret[i] = (struct wr_sum){0};
        if (!wr_id_eq(&from, &to))
            (void)fuzz_kept(op->roots, &from, &to, which, v, &ret[i]);
    }
}

static void answer(struct world *w, struct fuzz *f, uint32_t i)
{
    const struct wr_put_id refs[2] = {fuzz_record(0, 0)->put,
                                      fuzz_record(3, 0)->put};
    const struct fuzz_record *record;
    struct wr_id digests[FUZZ_DIGESTS];
    uint32_t lens[FUZZ_DIGESTS];
    uint8_t bits[WR_HAVE_MAX / 8] = {0};
    struct wr_sum parts[WR_ARC_PARTS], all;
    struct wr_kept range[FUZZ_DIGESTS];
    const struct op op = w->ops[i];
    const uint8_t how = fuzz_u8(f);
    struct wr_event ev = {.kind = WR_EV_STORED};

    w->ops[i] = w->ops[--w->ops_n];
    if (op.body.id != 0)
        w->ours[op.body.id]--;
    ev.stored.token = op.token;
    ev.stored.status = how < 160 ? WR_STATUS_OK : how % (WR_STATUS_FAILED + 1);
    if (ev.stored.status == WR_STATUS_OK) {
        switch ((int)op.kind) {
        case WR_FX_STORE_REF:
            for (uint32_t k = 0; k < op.n; k++)
                bits[k / 8] |= (uint8_t)((how * (k + 1) >> 3 & 1) << k % 8);
            ev.stored.bits = bits;
            ev.stored.n = op.n;
            break;
        case WR_FX_STORE_GET:
            ev.stored.hash = 0xb220;
            ev.stored.len = 1 + how;
            ev.stored.refs = refs;
            ev.stored.refs_n = how % 3;
            if (!op.head)
                ev.stored.body = body_new(w, ev.stored.len);
            if (!op.head && ev.stored.body.id == 0)
                ev.stored.status = WR_STATUS_BUSY;
            break;
        case WR_FX_STORE_ROOT_GET:
            record = fuzz_record(how, how / 16);
            for (unsigned k = 0; k < FUZZ_PUTS; k++)
                if (wr_id_eq(&fuzz_record(k, 0)->position, &op.digest))
                    record = fuzz_record(k, how / 16);
            ev.stored.version = record->version;
            ev.stored.record = record->bytes;
            break;
        case WR_FX_STORE_REFS:
            ev.stored.refs_n = how % 3;
            ev.stored.refs = refs;
            if (op.n >= ev.stored.refs_n)
                ev.stored.refs_n = 0;
            break;
        case WR_FX_STORE_SUM:
            sums(&op, how, parts);
            ev.stored.sums = parts;
            ev.stored.n = WR_ARC_PARTS;
            break;
        case WR_FX_STORE_RANGE:
            ev.stored.n =
                fuzz_kept(op.roots, &op.digest, &op.to, how, range, &all);
            if (ev.stored.n > op.n)
                ev.stored.n = op.n;
            ev.stored.kept = range;
            break;
        case WR_FX_STORE_REAP:
            ev.stored.changed = (how & 1) != 0;
            break;
        case WR_FX_STORE_NEXT:
        case WR_FX_STORE_ROOT_NEXT:
            ev.stored.n = list(&op, digests, lens);
            ev.stored.digests = digests;
            ev.stored.lens = lens;
            break;
        default:
            break;
        }
    }
    step(w, &ev);
}

static void command(struct world *w, struct fuzz *f)
{
    const uint8_t how = fuzz_u8(f);
    struct wr_event ev = {.kind = WR_EV_LOOKUP};

    if (how < 8) {
        ev.kind = WR_EV_STOP;
    } else if (how < 16) {
        ev.kind = WR_EV_LEAVE;
        ev.leave.token = COMMANDS;
        if (w->leaves)
            return;
        w->leaves = true;
    } else if (how < 48) {
        ev.kind = WR_EV_CLOCK;
        ev.wall_s = how == 16 ? 0 : 2000000000 - 86400 * 8 + how * 86400u / 2;
    } else if (how < 96) {
        if (w->commands == COMMANDS)
            return;
        ev.kind = WR_EV_MEND;
        ev.mend.token = w->commands++;
        ev.mend.digest = fuzz_digest(how);
        ev.mend.hash = 0xb220;
        w->asked[ev.mend.token] = true;
    } else {
        if (w->commands == COMMANDS)
            return;
        ev.lookup.token = w->commands++;
        ev.lookup.key = fuzz_digest(how);
        ev.lookup.trace = (how & 8) != 0;
        w->asked[ev.lookup.token] = true;
    }
    step(w, &ev);
}

static void change(struct world *w, struct fuzz *f)
{
    struct wr_event ev = {.from = fuzz_below(f, FUZZ_HOSTS)};

    switch (fuzz_below(f, 3)) {
    case 0:
        ev.kind = WR_EV_LINK_UP;
        ev.incarnation = fuzz_u8(f);
        break;
    case 1:
        ev.kind = WR_EV_LINK_DOWN;
        break;
    default:
        ev.kind = WR_EV_ADMIT;
        ev.admit.state = (uint8_t)fuzz_below(f, WR_ROSTER_REMOVED + 1);
        ev.admit.incarnation = fuzz_u8(f);
    }
    if (ev.kind != WR_EV_ADMIT && ev.from == SELF)
        return;
    step(w, &ev);
}

static void pass_time(struct world *w, struct fuzz *f)
{
    const uint8_t how = fuzz_u8(f);
    const wr_time due = wr_node_deadline(w->node);

    /* The store is late, not silent for ever: repair asks it again each minute
     * that it is, and so for an hour has asked for more than there is room. */
    if (w->ops_n > STORE_OPS / 2) {
        answer(w, f, 0);
        return;
    }
    if (how < 160 && due != WR_NEVER)
        w->now = due > w->now ? due : w->now;
    else
        w->now += WR_MS(how) * (how < 200 ? 1 : 100);
    tick(w);
}

static void event(struct world *w, struct fuzz *f)
{
    const uint8_t what = fuzz_u8(f);

    if (what < 128)
        hear(w, f);
    else if (what < 176 && w->ops_n > 0)
        answer(w, f, what % w->ops_n);
    else if (what < 192)
        command(w, f);
    else if (what < 216)
        change(w, f);
    else
        pass_time(w, f);
    say_farewell(w);
}

/* ---- from begin to end ------------------------------------------------ */

/* Tables of a few entries, so that an input of a few messages fills them. */
static struct wr_node_cfg cfg_of(struct fuzz *f)
{
    struct wr_node_cfg cfg = wr_node_cfg_default(SELF, 1 + SELF % FUZZ_MEMBERS);
    const uint8_t how = fuzz_u8(f);

    cfg.seed = how;
    cfg.roster_max = how & 1 ? 6 : FUZZ_HOSTS;
    cfg.peers_max = how & 2 ? 4 : FUZZ_HOSTS;
    cfg.routes_max = how & 4 ? 6 : 64;
    cfg.lookups_max = how & 8 ? 2 : 12;
    cfg.ops_max = how & 16 ? 3 : 16;
    cfg.have_ops_max = how & 16 ? 1 : 4;
    cfg.succs = how & 32 ? 2 : 16;
    cfg.repair_us = WR_SEC(10);
    cfg.sweep_us = WR_SEC(20);
    cfg.grace_s = 60;
    return cfg;
}

static void begin(struct world *w, struct fuzz *f, bool small)
{
    static const wr_host all[] = {0, 1, 2, 3, 4, 5, 6, 7};
    const uint8_t how = fuzz_u8(f);

    if (how < 128)
        wr_node_start_with(w->node, all, WR_ARRAY_LEN(all), w->now, &w->out);
    else if (how < 160 && small) /* Alone, with members enough. */
        wr_node_start_ring(w->node, w->now, &w->out);
    else
        wr_node_join(w->node, all, how % WR_ARRAY_LEN(all), (how & 16) != 0,
                     w->now, &w->out);
    drain(w);
}

/* All fall silent but the store: whatever was begun ends. */
static void rest(struct world *w)
{
    const wr_time until = w->now + WR_SEC(REST_S);
    struct fuzz none = {0};

    for (unsigned i = 0; i < 20000 && w->now < until; i++) {
        const wr_time due = wr_node_deadline(w->node);

        if (w->ops_n > 0) {
            answer(w, &none, 0);
            continue;
        }
        w->now = due == WR_NEVER || due > until ? until
                 : due > w->now                 ? due
                                                : w->now;
        tick(w);
    }
    WR_CHECK(w->now >= until); /* Time passes between deadlines. */
    for (uint32_t i = 1; i <= w->bodies; i++)
        WR_CHECK(w->leaves || w->core[i] == 0);
    for (uint32_t i = 0; i < w->commands; i++)
        WR_CHECK(!w->asked[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct fuzz f = fuzz(data, size);
    struct wr_book *const book = (struct wr_book *)(uintptr_t)fuzz_hosts();
    const struct wr_node_cfg cfg = cfg_of(&f);
    size_t node_size;

    memset(&w, 0, sizeof(w));
    w.now = WR_SEC(1);
    WR_CHECK(wr_outbox_init(&w.out, FX, FX_BYTES) == WR_OK);
    WR_CHECK(wr_node_open(&w.node, &cfg, book) == WR_OK);
    node_size = wr_node_size(w.node);
    begin(&w, &f, cfg.members > cfg.succs);
    for (unsigned i = 0; i < EVENTS && f.n > 0; i++)
        event(&w, &f);
    rest(&w);
    WR_CHECK(wr_node_size(w.node) == node_size);
    wr_node_close(w.node);
    wr_outbox_done(&w.out);
    return 0;
}
