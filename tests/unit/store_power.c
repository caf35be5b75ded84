/*
 * store_power.c - what was acknowledged survives a power cut, and a sync that
 * fails is never taken for one that passed.
 *
 *     store_power [IMAGES [SEED]]        2000, from seed 1
 *
 * Small stores live, each from its creation on, under a recorder that knows
 * what was synced (powerlog.h). Disks as a cut at a random moment may leave
 * them are then opened, one after another: each opens, holds all that had been
 * acknowledged by then, and nothing else but what was under way, and goes on.
 * Then each sync of a life fails in turn.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "../support/powerlog.h"
#include "../support/storekit.h"

enum {
    CHUNKS = 40,
    ROOTS = 8,
    METAS = 4,
    SLOTS = CHUNKS + ROOTS + METAS,
    PUT_IDS = 13, /* More than a record holds. */
    OPS = 220,
    OPS_SHORT = 50,
    CUTS_PER_LIFE = 100,
};

/* Of a slot: the version acknowledged last, and the one under way. An odd
 * version of a chunk or a value is its removal; 0 is nothing. */
struct slot {
    uint32_t sure, maybe;
    bool open;
    uint32_t refs; /* Bits: put ids acknowledged since it was removed. */
};

struct world {
    struct slot slots[SLOTS];
};

/* A mark of the log: what began, and that it was answered. */
enum { BEGAN, ANSWERED, BROKE };

static uint64_t mark_of(unsigned what, uint32_t slot, uint32_t version)
{
    return (uint64_t)what << 56 | (uint64_t)slot << 32 | version;
}

static void mark_apply(void *arg, uint64_t mark)
{
    struct world *w = arg;
    const uint32_t i = (uint32_t)(mark >> 32) & 0xffff;
    struct slot *s = &w->slots[i];

    if (mark >> 56 == BROKE)
        return; /* It stays open: it may have been written, or not. */
    if (mark >> 56 == BEGAN) {
        s->maybe = (uint32_t)mark;
        s->open = true;
        return;
    }
    s->sure = (uint32_t)mark;
    s->open = false;
    s->refs = s->sure % 2 == 1 ? 0 : s->refs | 1u << s->sure / 2 % PUT_IDS;
}

static unsigned failures;

static void expect(bool ok, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void expect(bool ok, const char *format, ...)
{
    va_list args;

    if (ok || failures++ >= 20)
        return;
    va_start(args, format);
    printf("# ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

static void dir_make(struct kit_dir *dir)
{
    static int nowhere = -1;

    kit_dir_make(dir);
    if (nowhere < 0)
        nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    wr_log_init(nowhere, WR_LOG_ERROR, WR_LOG_AS_TEXT);
}

/* --- A life
 * ------------------------------------------------------------------- */

static size_t length_of(uint32_t slot)
{
    static const size_t lengths[] = {0, 300, 4096, 17000, 66000, 140000};

    return lengths[slot % WR_ARRAY_LEN(lengths)];
}

static uint64_t seed_of(uint32_t slot, uint32_t version)
{
    return ((uint64_t)version << 32) + slot;
}

struct flight {
    uint32_t slot, version;
    struct slot *now;
    bool *broken;
};

static void on_answer(void *arg, const struct wr_store_answer *a)
{
    struct flight *f = arg;

    expect(a->err == WR_OK || a->err == WR_EIO, "answered %s",
           wr_err_text(a->err));
    expect(a->err != WR_OK || !*f->broken, "acknowledged after a failed sync");
    if (a->err != WR_OK)
        *f->broken = true;
    powerlog_mark(
        mark_of(a->err == WR_OK ? ANSWERED : BROKE, f->slot, f->version));
    f->now->open = false;
    free(f);
}

static enum wr_err submit(struct wr_store *s, uint32_t slot, uint32_t version,
                          struct flight *f)
{
    char name[16];
    uint8_t digest[WR_DIGEST], bytes[200];
    struct wr_rng rng = {seed_of(slot, version)};
    struct wr_store_put put;
    enum wr_err err;

    kit_digest(slot, digest);
    wr_rng_fill(&rng, bytes, sizeof(bytes));
    if (slot >= CHUNKS + ROOTS) {
        (void)snprintf(name, sizeof(name), "value%u", slot);
        return wr_store_meta_put(
            s, name, wr_span(bytes, version % 2 == 1 ? 0 : sizeof(bytes)),
            on_answer, f);
    }
    if (slot >= CHUNKS)
        return wr_store_root_put(s, digest, version,
                                 wr_span(bytes, sizeof(bytes)), on_answer, f);
    if (version % 2 == 1)
        return wr_store_drop(s, digest, NULL, on_answer, f);
    put = kit_chunk(slot, seed_of(slot, version), length_of(slot),
                    version / 2 % PUT_IDS);
    err = wr_store_put(s, &put, on_answer, f);
    wr_buf_unref(put.buf);
    return err;
}

static void work(struct wr_store *s, uint32_t ops, struct wr_rng *rng)
{
    struct slot now[SLOTS] = {{0}};
    bool broken = false;

    for (uint32_t i = 1; i <= ops; i++) {
        const uint32_t slot = (uint32_t)wr_rng_below(rng, SLOTS);
        const bool root = slot >= CHUNKS && slot < CHUNKS + ROOTS;
        const uint32_t version =
            2 * i + (!root && wr_rng_below(rng, 4) == 0 ? 1 : 0);
        struct flight *f = malloc(sizeof(*f));

        WR_CHECK(f != NULL);
        if (now[slot].open || wr_rng_below(rng, 6) == 0)
            wr_store_drain(s);
        *f = (struct flight){slot, version, &now[slot], &broken};
        now[slot].open = true;
        powerlog_mark(mark_of(BEGAN, slot, version));
        WR_CHECK(submit(s, slot, version, f) == WR_OK);
    }
    wr_store_drain(s);
}

/* Returns the entries of the log. With `fail`, that sync fails; the store may
 * then not even open, and is made once more. */
static uint32_t live(const char *store, const char *root, uint64_t seed,
                     uint32_t ops, uint32_t fail)
{
    struct wr_rng rng = {seed};
    struct wr_store *s = NULL;
    struct wr_why why;
    enum wr_err err;

    powerlog_start(root);
    powerlog_fail_sync(fail);
    err =
        wr_store_open_lmdb(store, &(struct wr_store_cfg){.quota = 0}, &why, &s);
    if (err != WR_OK && fail > 0)
        err = wr_store_open_lmdb(store, &(struct wr_store_cfg){.quota = 0},
                                 &why, &s);
    expect(err == WR_OK, "seed %u: %s", (unsigned)seed, why.text);
    if (err == WR_OK) {
        work(s, ops, &rng);
        wr_store_close(s);
    }
    powerlog_stop();
    return powerlog_n();
}

/* --- What a cut has left
 * -------------------------------------------------------- */

struct check {
    struct wr_store *s;
    struct wr_pool *pool;
    uint64_t chunks, bytes; /* That it should hold. */
    uint64_t sure;
};

struct refs {
    uint32_t seen; /* Bits. */
};

static void on_refs(void *arg, const struct wr_store_answer *a)
{
    struct refs *r = arg;
    uint8_t put_id[WR_PUT_ID];

    for (uint32_t i = 0; i < PUT_IDS; i++) {
        kit_put_id(i, put_id);
        for (uint32_t k = 0; k < a->n && a->err == WR_OK; k++)
            if (memcmp(a->put_ids[k], put_id, WR_PUT_ID) == 0)
                r->seen |= 1u << i;
    }
}

static bool chunk_is(struct check *c, uint32_t slot, uint32_t version,
                     uint32_t refs)
{
    const bool absent = version == 0 || version % 2 == 1;
    struct refs found = {0};
    uint8_t digest[WR_DIGEST];
    const enum wr_err err =
        kit_read(c->s, c->pool, slot, seed_of(slot, version), length_of(slot));

    if (absent || err != WR_OK)
        return absent && err == WR_ENOTFOUND;
    kit_digest(slot, digest);
    if (wr_store_refs(c->s, digest, 0, on_refs, &found) != WR_OK)
        return false;
    wr_store_drain(c->s);
    refs |= 1u << version / 2 % PUT_IDS;
    if ((found.seen & refs) != refs)
        return false;
    c->chunks++;
    c->bytes += length_of(slot);
    return true;
}

static bool bytes_are(const struct kit_answer *k, size_t n, uint32_t slot,
                      uint32_t version)
{
    uint8_t bytes[200];
    struct wr_rng rng = {seed_of(slot, version)};

    wr_rng_fill(&rng, bytes, sizeof(bytes));
    return n == sizeof(bytes) && memcmp(k->bytes, bytes, n) == 0;
}

static bool root_is(struct check *c, uint32_t slot, uint32_t version)
{
    struct kit_answer k = {.got = false};
    uint8_t digest[WR_DIGEST];

    kit_digest(slot, digest);
    if (wr_store_root_get(c->s, digest, kit_keep, &k) != WR_OK)
        return false;
    wr_store_drain(c->s);
    if (version == 0)
        return k.a.err == WR_ENOTFOUND;
    return k.a.err == WR_OK && k.root.version == version &&
           bytes_are(&k, k.root.bytes.n, slot, version);
}

static bool value_is(struct check *c, uint32_t slot, uint32_t version)
{
    struct kit_answer k = {.got = false};
    char name[16];

    (void)snprintf(name, sizeof(name), "value%u", slot);
    if (wr_store_meta_get(c->s, name, kit_keep, &k) != WR_OK)
        return false;
    wr_store_drain(c->s);
    if (version == 0 || version % 2 == 1)
        return k.a.err == WR_ENOTFOUND;
    return k.a.err == WR_OK && bytes_are(&k, k.a.bytes.n, slot, version);
}

static bool slot_is(struct check *c, uint32_t slot, uint32_t version,
                    uint32_t refs)
{
    if (slot < CHUNKS)
        return chunk_is(c, slot, version, refs);
    return slot < CHUNKS + ROOTS ? root_is(c, slot, version)
                                 : value_is(c, slot, version);
}

static void judge(struct check *c, const struct world *w, const char *what)
{
    struct wr_store_usage u;

    for (uint32_t i = 0; i < SLOTS; i++) {
        const struct slot *s = &w->slots[i];
        const bool ok = slot_is(c, i, s->sure, s->refs) ||
                        (s->open && slot_is(c, i, s->maybe, 0));

        expect(ok, "%s: slot %u is not at version %u%s", what, i, s->sure,
               s->open ? " nor at what was under way" : "");
        c->sure += s->sure != 0;
    }
    wr_store_usage(c->s, &u);
    expect(u.chunks == c->chunks && u.chunk_bytes == c->bytes,
           "%s: it counts %u chunks in place of %u", what, (unsigned)u.chunks,
           (unsigned)c->chunks);
    expect(u.damaged == 0, "%s: rot", what);
    expect(kit_put(c->s, SLOTS, 1, 5000, 1) == WR_OK, "%s: it ends there",
           what);
}

/* One disk after a cut behind `n` entries. Returns what it had to hold. */
static uint64_t image(uint32_t n, struct wr_rng *rng, const char *what)
{
    struct check c = {.pool = kit_pool()};
    struct world w = {0};
    struct kit_dir dir;
    struct wr_why why;
    enum wr_err err;

    dir_make(&dir);
    powerlog_marks(n, mark_apply, &w);
    powerlog_cut(n, rng, dir.path);
    err = wr_store_open_lmdb(dir.store, &(struct wr_store_cfg){.quota = 0},
                             &why, &c.s);
    expect(err == WR_OK, "%s: it does not open: %s", what, why.text);
    if (err == WR_OK) {
        judge(&c, &w, what);
        wr_store_close(c.s);
    }
    wr_pool_free(c.pool);
    kit_dir_remove(&dir);
    return c.sure;
}

/* --- The tests
 * ------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static uint64_t cut_a_life(uint64_t seed, uint32_t cuts)
{
    uint32_t at[CUTS_PER_LIFE];
    struct wr_rng rng = {seed ^ 0xc0ffee};
    uint64_t sure = 0;
    struct kit_dir dir;
    uint32_t n;

    dir_make(&dir);
    n = live(dir.store, dir.path, seed, OPS, 0);
    kit_dir_remove(&dir);
    for (uint32_t i = 0; i < cuts; i++)
        at[i] = (uint32_t)wr_rng_below(&rng, n + 1);
    qsort(at, cuts, sizeof(at[0]), by_number);
    for (uint32_t i = 0; i < cuts; i++) {
        char what[64];

        (void)snprintf(what, sizeof(what), "seed %u, cut behind %u of %u",
                       (unsigned)seed, at[i], n);
        sure += image(at[i], &rng, what);
    }
    return sure;
}

/* Returns whether there are as many syncs. */
static bool fail_a_sync(uint32_t fail, uint64_t seed, uint64_t *sure)
{
    struct wr_rng rng = {seed ^ fail};
    struct kit_dir dir;
    char what[64];
    uint32_t n;

    dir_make(&dir);
    n = live(dir.store, dir.path, seed, OPS_SHORT, fail);
    kit_dir_remove(&dir);
    (void)snprintf(what, sizeof(what), "seed %u, sync %u failed",
                   (unsigned)seed, fail);
    for (int i = 0; i < 3; i++)
        *sure += image(n, &rng, what);
    return powerlog_syncs() >= fail;
}

int main(int argc, char **argv)
{
    const uint32_t images =
        argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 2000;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t sure = 0;
    uint32_t done = 0, syncs = 0;
    int status = 0;

    /* Whatever a real disk does to our syncs is of no interest. */
    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..2\n");
    for (uint64_t life = seed; done < images; life++) {
        const uint32_t left = images - done;
        const uint32_t cuts = left < CUTS_PER_LIFE ? left : CUTS_PER_LIFE;

        sure += cut_a_life(life, cuts);
        done += cuts;
    }
    printf("# %u disks after a cut, %llu acknowledged things looked for\n",
           done, (unsigned long long)sure);
    expect(sure > 5 * (uint64_t)images, "too little was looked for");
    printf("%sok 1 - what was acknowledged survives a power cut\n",
           failures > 0 ? "not " : "");
    status |= failures > 0;
    failures = 0;
    sure = 0;
    for (uint64_t life = seed; life <= seed + images / 4000; life++) {
        uint32_t fail = 1;

        while (fail_a_sync(fail, life, &sure))
            fail++;
        syncs += fail - 1;
    }
    printf("# each of %u syncs failed in turn, %llu acknowledged things looked "
           "for\n",
           syncs, (unsigned long long)sure);
    expect(syncs > 20, "too few syncs");
    printf("%sok 2 - a failed sync acknowledges nothing\n",
           failures > 0 ? "not " : "");
    return status | (failures > 0);
}
