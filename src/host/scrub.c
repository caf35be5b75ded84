/* scrub.c - see scrub.h. */
#include "host/scrub.h"

#include "host/super_parts.h"
#include "sys/clock.h"
#include "sys/log.h"

enum {
    DAY_S = 24 * 3600,
    REST_S = 7 * DAY_S,  /* Between two passes. */
    PASS_S = 21 * DAY_S, /* At most, whatever the setting. */
    COST_MIN = 16 << 10, /* A small chunk is a seek and a wake-up. */
    SAVE_S = 60,         /* What a crash may lose of the way. */
    LOOK_S = 60,         /* Is a pass due? Is the store well again? */
    RETRY_S = 60,        /* For a good copy; doubled each time, */
    RETRY_MAX_S = 3600,  /* up to an hour. */
    RECORD = 1,          /* Version of what is saved. */
    RECORD_BYTES =
        4 + WR_DIGEST + 12 * 8 + 1 + WR_SCRUB_ROTTEN * (WR_DIGEST + 4),
};

static const char meta_name[] = "scrub";

static void on_timer(uv_timer_t *timer);

static void soon(struct wr_scrub *b)
{
    uv_timer_start(&b->timer, on_timer, 0, 0);
}

/* ---- what outlives the process ------------------------------------------ */

static void on_saved(void *arg, const struct wr_store_answer *a)
{
    (void)arg;
    if (a->err != WR_OK)
        WR_LOG(WARN, "scrub", "progress not saved", WR_KV_ERR("why", a->err));
}

static void write_tally(struct wr_writer *w, const struct wr_scrub_tally *t)
{
    wr_write_be64(w, t->chunks);
    wr_write_be64(w, t->bytes);
    wr_write_be64(w, t->found);
    wr_write_be64(w, t->healed);
}

static void read_tally(struct wr_reader *r, struct wr_scrub_tally *ret)
{
    ret->chunks = wr_read_be64(r);
    ret->bytes = wr_read_be64(r);
    ret->found = wr_read_be64(r);
    ret->healed = wr_read_be64(r);
}

/* What waits for a good copy must not wait for the next pass to be found. */
static void write_rotten(struct wr_writer *w, const struct wr_scrub *b)
{
    uint8_t n = 0;

    for (size_t i = 0; i < WR_SCRUB_ROTTEN; i++)
        n = (uint8_t)(n + b->rotten[i].used);
    wr_write_u8(w, n);
    for (size_t i = 0; i < WR_SCRUB_ROTTEN; i++) {
        if (!b->rotten[i].used)
            continue;
        wr_write(w, b->rotten[i].digest, WR_DIGEST);
        wr_write_be32(w, b->rotten[i].hash);
    }
}

static void read_rotten(struct wr_reader *r, struct wr_scrub *ret)
{
    const uint8_t n = wr_read_u8(r);

    if (n > WR_SCRUB_ROTTEN)
        r->bad = true;
    for (size_t i = 0; i < n && !r->bad; i++) {
        ret->rotten[i] = (struct wr_rotten){.used = true, .pass = ret->pass};
        wr_read_into(r, ret->rotten[i].digest, WR_DIGEST);
        ret->rotten[i].hash = wr_read_be32(r);
    }
}

static void save(struct wr_super *s)
{
    struct wr_scrub *b = &s->scrub;
    uint8_t bytes[RECORD_BYTES];
    struct wr_writer w = wr_writer(bytes, sizeof(bytes));

    if (!b->known)
        return; /* It would take the place of what was. */
    wr_write_u8(&w, RECORD);
    wr_write_u8(&w, b->running);
    wr_write_u8(&w, b->has_cursor);
    wr_write_u8(&w, b->at_end);
    wr_write(&w, b->cursor, WR_DIGEST);
    wr_write_be64(&w, b->pass);
    write_tally(&w, &b->now);
    write_tally(&w, &b->last);
    wr_write_be64(&w, b->last_s);
    wr_write_be64(&w, b->found_total);
    wr_write_be64(&w, b->healed_total);
    write_rotten(&w, b);
    WR_CHECK(!w.bad);
    if (wr_store_meta_put(s->store, meta_name, wr_span(bytes, w.n), on_saved,
                          NULL) == WR_OK)
        b->saved_at = wr_clock_now();
}

static void take(struct wr_scrub *b, struct wr_span bytes)
{
    struct wr_reader r = wr_reader(bytes);
    struct wr_scrub was = {.known = true};
    const uint8_t version = wr_read_u8(&r);

    was.running = wr_read_u8(&r) != 0;
    was.has_cursor = wr_read_u8(&r) != 0;
    was.at_end = wr_read_u8(&r) != 0;
    wr_read_into(&r, was.cursor, WR_DIGEST);
    was.pass = wr_read_be64(&r);
    read_tally(&r, &was.now);
    read_tally(&r, &was.last);
    was.last_s = wr_read_be64(&r);
    was.found_total = wr_read_be64(&r);
    was.healed_total = wr_read_be64(&r);
    read_rotten(&r, &was);
    if (r.bad || r.left != 0 || version != RECORD)
        return; /* Of another version: the pass begins anew. */
    b->running = was.running;
    b->has_cursor = was.has_cursor;
    b->at_end = was.at_end;
    memcpy(b->cursor, was.cursor, WR_DIGEST);
    b->pass = was.pass;
    b->now = was.now;
    b->last = was.last;
    b->last_s = was.last_s;
    b->found_total = was.found_total;
    b->healed_total = was.healed_total;
    memcpy(b->rotten, was.rotten, sizeof(b->rotten));
}

static void on_known(void *arg, const struct wr_store_answer *a)
{
    struct wr_super *s = arg;

    if (s->state == WR_SUPER_STOPPING)
        return;
    if (a->err == WR_OK && !s->scrub.running && s->scrub.pass == 0)
        take(&s->scrub, a->bytes);
    s->scrub.known = true;
    soon(&s->scrub);
}

/* ---- rotten chunks ------------------------------------------------------ */

static struct wr_rotten *rotten_find(struct wr_scrub *b, const uint8_t *digest)
{
    for (size_t i = 0; i < WR_SCRUB_ROTTEN; i++)
        if (b->rotten[i].used &&
            memcmp(b->rotten[i].digest, digest, WR_DIGEST) == 0)
            return &b->rotten[i];
    return NULL;
}

/* A free place, or that of the chunk that was tried most often: the next pass
 * comes by it again. NULL: all of them are new. */
static struct wr_rotten *rotten_place(struct wr_scrub *b)
{
    struct wr_rotten *most = NULL;

    for (size_t i = 0; i < WR_SCRUB_ROTTEN; i++) {
        struct wr_rotten *x = &b->rotten[i];

        if (!x->used)
            return x;
        if (!x->busy && x->tries > 0 &&
            (most == NULL || x->tries > most->tries))
            most = x;
    }
    return most;
}

/* False: there is no place now. */
static bool rotten_add(struct wr_scrub *b, const struct wr_chunk_info *chunk)
{
    struct wr_rotten *x = rotten_find(b, chunk->digest);

    if (x == NULL) {
        x = rotten_place(b);
        if (x == NULL)
            return false;
        *x = (struct wr_rotten){.used = true, .hash = (uint32_t)chunk->hash};
        memcpy(x->digest, chunk->digest, WR_DIGEST);
        b->found_total++;
    } else if (x->pass == b->pass) {
        return true;
    }
    x->pass = b->pass;
    if (b->running)
        b->now.found++;
    return true;
}

static bool rotten_new(const struct wr_scrub *b)
{
    for (size_t i = 0; i < WR_SCRUB_ROTTEN; i++)
        if (b->rotten[i].used && (b->rotten[i].tries == 0 || b->rotten[i].busy))
            return true;
    return false;
}

static unsigned rotten_n(const struct wr_scrub *b, bool busy)
{
    unsigned n = 0;

    for (size_t i = 0; i < WR_SCRUB_ROTTEN; i++)
        n += b->rotten[i].used && (!busy || b->rotten[i].busy);
    return n;
}

/* Asks the core for good copies of those that are due. */
static void mend(struct wr_super *s)
{
    struct wr_scrub *b = &s->scrub;
    unsigned open = rotten_n(b, true);

    if (s->state != WR_SUPER_SERVING)
        return;
    for (size_t i = 0; i < WR_SCRUB_ROTTEN && open < WR_SCRUB_MENDS; i++) {
        struct wr_rotten *x = &b->rotten[i];
        struct wr_event ev = {.kind = WR_EV_MEND};

        if (!x->used || x->busy || x->at > wr_clock_now())
            continue;
        x->busy = true;
        open++;
        ev.mend.token = (wr_token)(WR_SUPER_TALKS + i);
        memcpy(ev.mend.digest.b, x->digest, WR_DIGEST);
        ev.mend.hash = x->hash;
        wr_super_feed(s, &ev);
    }
}

void wr_scrub_mended(struct wr_super *s, uint32_t slot, enum wr_status status)
{
    struct wr_scrub *b = &s->scrub;
    struct wr_rotten *x = &b->rotten[slot];

    WR_CHECK(slot < WR_SCRUB_ROTTEN && x->busy);
    x->busy = false;
    if (status == WR_STATUS_OK) {
        WR_LOG(INFO, "scrub", "a rotten chunk was replaced by another copy",
               WR_KV_HEX("digest", x->digest, WR_DIGEST));
        b->healed_total++;
        if (b->running)
            b->now.healed++;
        x->used = false;
        save(s);
    } else {
        uint64_t wait_s = RETRY_S;

        for (uint32_t i = 0; i < x->tries && wait_s < RETRY_MAX_S; i++)
            wait_s *= 2;
        x->tries++;
        x->at = wr_clock_now() + WR_SEC(wait_s);
        WR_LOG(WARN, "scrub", "no good copy of a rotten chunk found yet",
               WR_KV_HEX("digest", x->digest, WR_DIGEST),
               WR_KV_STR("status", wr_status_name(status)));
    }
    b->next_at = wr_time_min(b->next_at, wr_clock_now());
    if (s->state != WR_SUPER_STOPPING)
        soon(b); /* The core is in the middle of a step. */
}

void wr_scrub_rotten(struct wr_super *s, const struct wr_chunk_info *chunk)
{
    const uint64_t before = s->scrub.found_total;

    if (s->state == WR_SUPER_STOPPING)
        return;
    /* Without a place for it a pass finds it again. */
    (void)rotten_add(&s->scrub, chunk);
    if (s->scrub.found_total == before)
        return; /* It waits already. */
    save(s);
    soon(&s->scrub);
}

/* ---- a pass ------------------------------------------------------------- */

static void start_pass(struct wr_scrub *b)
{
    b->running = true;
    b->at_end = b->has_cursor = false;
    b->now = (struct wr_scrub_tally){0};
    b->next_at = 0;
    b->pass++;
}

static void end_pass(struct wr_super *s)
{
    struct wr_scrub *b = &s->scrub;

    b->running = b->asked = false;
    b->has_cursor = b->at_end = false;
    b->last = b->now;
    b->last_s = wr_clock_wall_s();
    WR_LOG(INFO, "scrub", "every chunk was read",
           WR_KV_U64("chunks", b->last.chunks),
           WR_KV_U64("rotten", b->last.found),
           WR_KV_U64("healed", b->last.healed));
    save(s);
}

static bool pass_due(const struct wr_super *s)
{
    const struct wr_scrub *b = &s->scrub;
    const uint64_t now = wr_clock_wall_s();

    return b->rate > 0 && s->state == WR_SUPER_SERVING &&
           (b->last_s == 0 || now < b->last_s || now - b->last_s >= REST_S);
}

static uint64_t rate_of(const struct wr_super *s)
{
    struct wr_store_usage u;
    uint64_t rate = s->scrub.rate;

    if (s->scrub.asked)
        return s->scrub.hurry;
    wr_store_usage(s->store, &u);
    if (rate < u.chunk_bytes / PASS_S + 1)
        rate = u.chunk_bytes / PASS_S + 1;
    return rate;
}

/* When the next chunk may be read, after one of `length` bytes. */
static void pay(struct wr_super *s, uint32_t length)
{
    const uint64_t cost = length > COST_MIN ? length : COST_MIN;
    const uint64_t rate = rate_of(s);

    s->scrub.next_at =
        wr_clock_now() + (rate == UINT64_MAX ? 0 : cost * 1000000 / rate);
}

static void on_scrubbed(void *arg, const struct wr_store_answer *a)
{
    struct wr_super *s = arg;
    struct wr_scrub *b = &s->scrub;
    const uint64_t before = b->found_total;

    b->reading = false;
    if (s->state == WR_SUPER_STOPPING)
        return;
    if (a->err == WR_ENOTFOUND && a->chunks == NULL) {
        b->at_end = true;
    } else if (a->chunks == NULL ||
               (a->err != WR_OK && a->err != WR_EDAMAGED)) {
        b->next_at = wr_clock_now() + WR_SEC(LOOK_S); /* The disk is ill. */
    } else if (a->err == WR_EDAMAGED && !rotten_add(b, &a->chunks[0])) {
        b->next_at = wr_clock_now() + WR_SEC(1); /* The same once more. */
    } else {
        if (b->found_total != before)
            save(s);
        memcpy(b->cursor, a->chunks[0].digest, WR_DIGEST);
        b->has_cursor = true;
        b->now.chunks++;
        b->now.bytes += a->chunks[0].length;
        pay(s, a->chunks[0].length);
    }
    /* The next read is the timer's: who drains the store must see an end. */
    soon(b);
}

static void read_next(struct wr_super *s)
{
    struct wr_scrub *b = &s->scrub;

    if (wr_store_scrub(s->store, b->has_cursor ? b->cursor : NULL, on_scrubbed,
                       s) == WR_OK)
        b->reading = true;
    else
        b->next_at = wr_clock_now() + WR_SEC(1);
}

/* When there is something to do next. */
static void arm(struct wr_scrub *b)
{
    const wr_time now = wr_clock_now();
    wr_time at = now + WR_SEC(LOOK_S);

    if (b->running && !b->at_end && !b->reading)
        at = wr_time_min(at, b->next_at);
    for (size_t i = 0; i < WR_SCRUB_ROTTEN; i++)
        if (b->rotten[i].used && !b->rotten[i].busy)
            at = wr_time_min(at, wr_time_max(b->rotten[i].at, now + WR_MS(50)));
    uv_timer_start(&b->timer, on_timer, at <= now ? 0 : (at - now + 999) / 1000,
                   0);
}

/* Starts what is due; every callback leads here, by the timer. */
static void advance(struct wr_super *s)
{
    struct wr_scrub *b = &s->scrub;

    if (s->state == WR_SUPER_STOPPING || !b->known)
        return;
    mend(s);
    if (!b->running && pass_due(s))
        start_pass(b);
    if (b->running && !b->at_end && !b->reading && wr_clock_now() >= b->next_at)
        read_next(s);
    if (b->running && b->at_end && !rotten_new(b))
        end_pass(s);
    else if (b->running && wr_clock_now() - b->saved_at >= WR_SEC(SAVE_S))
        save(s);
    arm(b);
}

static void on_timer(uv_timer_t *timer)
{
    advance(timer->data);
}

void wr_scrub_open(struct wr_super *s)
{
    struct wr_scrub *b = &s->scrub;

    b->rate = wr_config_number(s->cfg.config, WR_CONFIG_scrub);
    b->saved_at = wr_clock_now();
    uv_timer_start(&b->timer, on_timer, WR_SEC(LOOK_S) / 1000, 0);
    if (wr_store_meta_get(s->store, meta_name, on_known, s) != WR_OK)
        b->known = true;
}

void wr_scrub_stop(struct wr_super *s)
{
    if (s->scrub.running)
        save(s);
}

void wr_scrub_begin(struct wr_super *s, uint64_t rate)
{
    struct wr_scrub *b = &s->scrub;

    start_pass(b);
    b->asked = true;
    b->hurry = rate > 0 ? rate : UINT64_MAX;
    /* Tried anew, and at once. */
    for (size_t i = 0; i < WR_SCRUB_ROTTEN; i++) {
        b->rotten[i].tries = 0;
        b->rotten[i].at = 0;
    }
    soon(b);
}

/* ---- for people --------------------------------------------------------- */

static json_t *tally_json(const struct wr_scrub_tally *t)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "chunks", (json_int_t)t->chunks,
                     "bytes", (json_int_t)t->bytes, "found",
                     (json_int_t)t->found, "healed", (json_int_t)t->healed);
}

/* How far the walk is, in thousandths: digests are spread evenly. */
static int position(const struct wr_scrub *b)
{
    if (!b->running)
        return 0;
    if (b->at_end)
        return 1000;
    return b->has_cursor ? (b->cursor[0] * 256 + b->cursor[1]) * 1000 / 65536
                         : 0;
}

json_t *wr_scrub_view(const struct wr_super *s)
{
    const struct wr_scrub *b = &s->scrub;
    const uint64_t rate = rate_of(s);

    return json_pack(
        "{s:b, s:f, s:I, s:o, s:o, s:I, s:I, s:i, s:I, s:I}", "running",
        (int)b->running, "position", position(b) / 1000.0, "rate_bytes",
        (json_int_t)(b->rate == 0 && !b->asked ? 0
                     : rate == UINT64_MAX      ? -1
                                               : (json_int_t)rate),
        "pass", tally_json(&b->now), "last", tally_json(&b->last), "last_s",
        (json_int_t)b->last_s, "passes_total", (json_int_t)b->pass, "waiting",
        (int)rotten_n(b, false), "found_total", (json_int_t)b->found_total,
        "healed_total", (json_int_t)b->healed_total);
}
