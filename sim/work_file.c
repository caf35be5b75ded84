/* work_file.c - see work.h. Here: files, and the jobs of putting and getting
 * them. */
#include <stdlib.h>

#include "work_private.h"
#include "world_private.h"

enum {
    NODE_LINKS = 1024, /* Of a tree node, and their bytes: object/build.h. */
    LINK_BYTES = 50,
    RECORD_BYTES = 194, /* A root record with its CID (D11). */
    PUTS = 36,          /* Blocks of a put and of a get under way, whatever */
    GETS = 24,          /* their size: their requests, and a record, fit. */
    NOTES = 2,
};

_Static_assert(PUTS + GETS + 1 <= WR_WORK_REQUESTS, "none is turned away");

/* What the bytes of a key are drawn from. */
enum { OF_BLOCK, OF_PUT, OF_POSITION };

/* A request is told by its job, and which block it is about. */
static const uint32_t RECORD = UINT32_MAX;

static wr_token token_of(const struct wr_work_job *j, uint32_t block)
{
    return (wr_token)j->serial << 32 | block;
}

/* ---- files --------------------------------------------------------------- */

static void draw_bytes(const struct wr_work *k, unsigned of, uint64_t a,
                       uint64_t b, uint8_t *ret, size_t n)
{
    struct wr_rng r = {k->cfg.seed ^ of};

    r.state = wr_rng_next(&r) ^ a;
    r.state = wr_rng_next(&r) ^ b;
    wr_rng_fill(&r, ret, n);
}

static struct wr_id key_of(const struct wr_work *k, uint32_t file,
                           uint32_t block)
{
    struct wr_id key;

    if (k->files[file].names != NULL)
        return k->files[file].names[block];
    draw_bytes(k, OF_BLOCK, file, block, key.b, sizeof(key.b));
    return key;
}

static uint32_t above(uint32_t blocks)
{
    return (blocks + NODE_LINKS - 1) / NODE_LINKS;
}

static uint32_t blocks_of(const struct wr_work_file *f)
{
    return f->chunks + f->nodes;
}

/* Chunks are all alike but for the last; then come the nodes, level by level,
 * the root last. */
static uint32_t bytes_of(const struct wr_work_file *f, uint32_t block)
{
    uint32_t below = f->chunks, at = block - f->chunks, links;

    if (block + 1 < f->chunks)
        return WR_WORK_CHUNK;
    if (block < f->chunks)
        return (uint32_t)(f->bytes - (uint64_t)block * WR_WORK_CHUNK);
    while (at >= above(below)) {
        at -= above(below);
        below = above(below);
    }
    links = below - at * NODE_LINKS;
    return (links < NODE_LINKS ? links : NODE_LINKS) * LINK_BYTES;
}

static struct wr_id *name_blocks(struct wr_work *k,
                                 const struct wr_work_file *f)
{
    struct wr_id *names = world_must(calloc(blocks_of(f), sizeof(names[0])));

    for (uint32_t i = 0; i < blocks_of(f); i++)
        names[i] = work_name(k, wr_rng_next(&k->content) | 1, bytes_of(f, i));
    return names;
}

static uint32_t new_file(struct wr_work *k)
{
    const uint64_t most = (uint64_t)(UINT32_MAX / 2) * WR_WORK_CHUNK;
    const uint64_t drawn = k->cfg.sizes.kind == WR_DIST_NEVER
                               ? (uint64_t)k->cfg.sizes.scale_us
                               : wr_dist_draw(&k->cfg.sizes, &k->rng);
    const uint64_t bytes = drawn < most ? drawn : most;
    struct wr_work_file f = {
        .bytes = bytes,
        .chunks = (uint32_t)((bytes + WR_WORK_CHUNK - 1) / WR_WORK_CHUNK),
    };

    for (uint32_t n = f.chunks; n > 1; n = above(n))
        f.nodes += above(n);
    k->files =
        world_grown(k->files, k->files_n, &k->files_cap, sizeof(k->files[0]));
    if (k->names.v != NULL)
        f.names = name_blocks(k, &f);
    k->files[k->files_n] = f;
    return k->files_n++;
}

static uint32_t draw_kept(struct wr_work *k)
{
    struct wr_zipf z;

    if (k->cfg.zipf_s == 0)
        return k->kept[wr_rng_below(&k->rng, k->kept_n)];
    wr_zipf_init(&z, k->kept_n, k->cfg.zipf_s);
    return k->kept[wr_zipf_draw(&z, &k->rng) - 1];
}

static void keep(struct wr_work *k, uint32_t file)
{
    if (k->files[file].kept)
        return;
    k->files[file].kept = true;
    k->kept = world_grown(k->kept, k->kept_n, &k->kept_cap, sizeof(k->kept[0]));
    k->kept[k->kept_n++] = file;
}

void work_files_done(struct wr_work *k)
{
    for (uint32_t i = 0; i < k->files_n; i++)
        free(k->files[i].names);
    free(k->files);
    free(k->kept);
}

/* ---- requests ------------------------------------------------------------ */

static const wr_time patience = WR_SEC(WR_WORK_PATIENCE_S);

static struct wr_xfer_want want_of(const struct wr_work *k,
                                   const struct wr_work_job *j)
{
    struct wr_xfer_want want = {0};

    draw_bytes(k, OF_PUT, j->number, 0, want.put.b, sizeof(want.put.b));
    return want;
}

static void send_record(struct wr_work *k, struct wr_xfer *x,
                        const struct wr_work_job *j, uint64_t version)
{
    const struct wr_xfer_want want = want_of(k, j);
    uint8_t record[RECORD_BYTES];
    struct wr_id position;

    draw_bytes(k, OF_POSITION, j->number, 0, position.b, sizeof(position.b));
    draw_bytes(k, OF_POSITION, j->number, version, record, sizeof(record));
    WR_CHECK(wr_xfer_root_put(x, token_of(j, RECORD), &want, &position, version,
                              wr_span(record, sizeof(record)), patience,
                              k->w->now, &k->out));
}

static void ask_block(struct wr_work *k, struct wr_xfer *x,
                      const struct wr_work_job *j, uint32_t block, bool lacked)
{
    const uint32_t bytes = bytes_of(&k->files[j->file], block);
    const struct wr_body body = {.id = block + 1, .len = bytes};
    const struct wr_id key = key_of(k, j->file, block);
    const wr_token token = token_of(j, block);
    const struct wr_xfer_want want = want_of(k, j);
    bool asked;

    if (j->number == 0)
        asked = wr_xfer_get(x, token, 0, &key, false, bytes, patience,
                            k->w->now, &k->out);
    else if (!lacked)
        asked =
            wr_xfer_have(x, token, &want, &key, patience, k->w->now, &k->out);
    else
        asked = wr_xfer_put(x, token, &want, 0, &key, body, patience, k->w->now,
                            &k->out);
    WR_CHECK(asked);
}

/* A put takes blocks as they lie. A get reads the root, then the other nodes,
 * then the chunks: it does not know a block before it has read who names it. */
static uint32_t block_at(const struct wr_work_job *j,
                         const struct wr_work_file *f, uint32_t at)
{
    if (j->number != 0)
        return at;
    return at < f->nodes ? blocks_of(f) - 1 - at : at - f->nodes;
}

static bool may_ask(const struct wr_work_job *j, const struct wr_work_file *f)
{
    const uint64_t window = j->number != 0 ? WR_WORK_UP : WR_WORK_DOWN;

    if (j->next == blocks_of(f) ||
        j->next - j->done >= (j->number != 0 ? PUTS : GETS))
        return false;
    if (j->number == 0 && f->nodes > 0 && j->done < j->next &&
        (j->done == 0 || (j->done < f->nodes && j->next >= f->nodes)))
        return false;
    return j->flying == 0 ||
           j->flying + bytes_of(f, block_at(j, f, j->next)) <= window;
}

/* All that the window lets through, together. */
static void feed(struct wr_work *k, uint32_t i, struct wr_work_job *j)
{
    const struct wr_work_file *f = &k->files[j->file];
    struct wr_xfer *x = k->leaves[i].xfer;

    wr_xfer_hold(x, true);
    while (may_ask(j, f)) {
        const uint32_t block = block_at(j, f, j->next++);

        j->flying += bytes_of(f, block);
        ask_block(k, x, j, block, false);
    }
    wr_xfer_hold(x, false);
    wr_xfer_pump(x, k->w->now, &k->out);
}

/* ---- jobs ---------------------------------------------------------------- */

static void open_session(struct wr_work *k, uint32_t i)
{
    struct wr_work_leaf *l = &k->leaves[i];
    struct wr_xfer_cfg cfg = wr_xfer_cfg_default(wr_rng_next(&k->rng));

    if (l->xfer != NULL)
        return;
    cfg.requests_max = WR_WORK_REQUESTS;
    cfg.notes_max = NOTES;
    if (wr_xfer_open(&l->xfer, &cfg) != WR_OK)
        world_must(NULL);
    if (l->attached)
        wr_xfer_up(l->xfer, k->w->now, &k->out);
}

static void begin(struct wr_work *k, uint32_t i, unsigned what, uint32_t file)
{
    struct wr_work_leaf *l = &k->leaves[i];
    struct wr_work_job *j = world_must(calloc(1, sizeof(*j)));

    WR_CHECK(l->jobs[what] == NULL);
    l->jobs[what] = j;
    j->serial = ++k->serial;
    j->file = file;
    j->began = k->w->now;
    j->counted = k->w->now >= k->begin;
    k->jobs[what].begun += j->counted;
    k->row[what].begun += j->counted;
    open_session(k, i);
    if (what == WR_WORK_PUT) {
        j->number = ++k->puts_n;
        send_record(k, l->xfer, j, 1);
    } else {
        j->phase = WR_WORK_MOVING;
        feed(k, i, j);
    }
}

/* What it had asked is forgotten. */
static void cancel(struct wr_work *k, uint32_t i, const struct wr_work_job *j)
{
    const struct wr_work_file *f = &k->files[j->file];
    struct wr_xfer *x = k->leaves[i].xfer;

    wr_xfer_hold(x, true);
    (void)wr_xfer_cancel(x, token_of(j, RECORD), k->w->now, &k->out);
    for (uint32_t n = 0; n < j->next && j->done < j->next; n++)
        (void)wr_xfer_cancel(x, token_of(j, block_at(j, f, n)), k->w->now,
                             &k->out);
    wr_xfer_hold(x, false);
}

/* The session ends with the last job, unless late answers may come: those would
 * fit the next session's requests, for it numbers them from the same start. */
static void forget(struct wr_work *k, uint32_t i, unsigned what, bool clean)
{
    struct wr_work_leaf *l = &k->leaves[i];
    struct wr_xfer_stats stats;

    wr_xfer_stats(l->xfer, &stats);
    free(l->jobs[what]);
    l->jobs[what] = NULL;
    l->dirty = l->dirty || !clean || stats.repeated > 0;
    if (l->jobs[0] != NULL || l->jobs[1] != NULL || l->dirty)
        return;
    wr_xfer_close(l->xfer);
    l->xfer = NULL;
}

static void draw_job(struct wr_work *k, uint32_t i, unsigned what)
{
    if (what == WR_WORK_GET) {
        if (k->kept_n > 0)
            begin(k, i, what, draw_kept(k));
    } else if (k->kept_n > 0 &&
               wr_rng_below(&k->rng, 1000000) < k->cfg.repeat_ppm) {
        begin(k, i, what, draw_kept(k));
    } else {
        begin(k, i, what, new_file(k));
    }
}

static void count(struct wr_work_tally *t, const struct wr_work_job *j,
                  uint64_t bytes, wr_time took, bool ok)
{
    if (!j->counted)
        return;
    t->done += ok;
    t->failed += !ok;
    if (!ok)
        return;
    t->bytes += bytes;
    t->us += took;
    wr_hist_add(&t->latency, took);
}

/* The next one, if it had to wait for this one, comes at once. */
static void end(struct wr_work *k, uint32_t i, unsigned what, bool ok)
{
    struct wr_work_leaf *l = &k->leaves[i];
    struct wr_work_job *j = l->jobs[what];
    const wr_time took = k->w->now - j->began;
    const uint64_t bytes = k->files[j->file].bytes;

    count(&k->jobs[what], j, bytes, took, ok);
    count(&k->row[what], j, bytes, took, ok);
    if (ok && what == WR_WORK_PUT)
        keep(k, j->file);
    cancel(k, i, j);
    forget(k, i, what, ok);
    if (l->due[what]) {
        l->due[what] = false;
        draw_job(k, i, what);
    }
}

void work_job_due(struct wr_work *k, uint32_t i, unsigned what)
{
    if (k->leaves[i].jobs[what] != NULL) {
        k->leaves[i].due[what] = true;
        return;
    }
    draw_job(k, i, what);
    work_settle(k, i);
}

void wr_work_put(struct wr_work *k, uint32_t leaf)
{
    if (k->leaves[leaf].awake && k->leaves[leaf].jobs[WR_WORK_PUT] == NULL)
        begin(k, leaf, WR_WORK_PUT, new_file(k));
    work_settle(k, leaf);
}

void wr_work_get(struct wr_work *k, uint32_t leaf, uint32_t file)
{
    if (k->leaves[leaf].awake && k->leaves[leaf].jobs[WR_WORK_GET] == NULL)
        begin(k, leaf, WR_WORK_GET, file);
    work_settle(k, leaf);
}

void work_cut(struct wr_work *k, uint32_t i)
{
    struct wr_work_leaf *l = &k->leaves[i];

    for (unsigned what = 0; what < 2; what++) {
        struct wr_work_job *j = l->jobs[what];

        l->due[what] = false;
        if (j == NULL)
            continue;
        k->jobs[what].cut += j->counted;
        cancel(k, i, j);
        forget(k, i, what, false);
    }
    if (l->xfer != NULL)
        wr_xfer_close(l->xfer);
    l->xfer = NULL;
    l->dirty = false;
    wr_outbox_clear(&k->out);
}

/* ---- answers ------------------------------------------------------------- */

static void record_done(struct wr_work *k, uint32_t i, struct wr_work_job *j,
                        const struct wr_work_answer *d)
{
    struct wr_id position;

    if (d->status != WR_STATUS_OK) {
        end(k, i, WR_WORK_PUT, false);
        return;
    }
    draw_bytes(k, OF_POSITION, j->number, 0, position.b, sizeof(position.b));
    work_acked(k, &position, d->copies);
    if (j->phase == WR_WORK_KEEPING) {
        end(k, i, WR_WORK_PUT, true);
        return;
    }
    j->phase = WR_WORK_MOVING;
    feed(k, i, j);
}

static void put_done(struct wr_work *k, uint32_t i, struct wr_work_job *j,
                     uint32_t block, const struct wr_work_answer *d)
{
    const struct wr_work_file *f = &k->files[j->file];
    const struct wr_id key = key_of(k, j->file, block);

    if (d->kind == WR_MSG_HAD && d->status == WR_STATUS_NO) {
        ask_block(k, k->leaves[i].xfer, j, block, true);
        return;
    }
    if (d->status != WR_STATUS_OK) {
        end(k, i, WR_WORK_PUT, false);
        return;
    }
    work_acked(k, &key, d->copies);
    k->blocks += j->counted;
    k->repeated += j->counted && d->kind == WR_MSG_HAD;
    j->flying -= bytes_of(f, block);
    if (++j->done < blocks_of(f)) {
        feed(k, i, j);
        return;
    }
    j->phase = WR_WORK_KEEPING;
    send_record(k, k->leaves[i].xfer, j, 2);
}

static void get_done(struct wr_work *k, uint32_t i, struct wr_work_job *j,
                     uint32_t block, const struct wr_work_answer *d)
{
    const struct wr_work_file *f = &k->files[j->file];
    const struct wr_id key = key_of(k, j->file, block);

    if (d->status == WR_STATUS_OK &&
        (!wr_id_eq(&d->digest, &key) || d->len != bytes_of(f, block)))
        k->wrong++;
    if (d->status == WR_STATUS_NO && work_is_acked(k, &key))
        k->denied += work_somebody_has(k, &key);
    if (d->status != WR_STATUS_OK) {
        end(k, i, WR_WORK_GET, false);
        return;
    }
    j->flying -= bytes_of(f, block);
    if (++j->done == blocks_of(f))
        end(k, i, WR_WORK_GET, true);
    else
        feed(k, i, j);
}

void work_answer(struct wr_work *k, uint32_t i, const struct wr_work_answer *d)
{
    const uint32_t block = (uint32_t)d->token;
    unsigned what = 0;
    struct wr_work_job *j;

    for (; what < 2; what++) {
        j = k->leaves[i].jobs[what];
        if (j != NULL && j->serial == d->token >> 32)
            break;
    }
    if (what == 2)
        return; /* It has failed meanwhile. */
    if (block == RECORD)
        record_done(k, i, j, d);
    else if (what == WR_WORK_PUT)
        put_done(k, i, j, block, d);
    else
        get_done(k, i, j, block, d);
}
