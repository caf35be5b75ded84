/* seeds.c - what the fuzz targets begin with:
 *
 *     fuzz-seeds DIRECTORY
 *
 * writes sound inputs for each target into DIRECTORY/TARGET, made by the code
 * that makes the real things. tools/fuzz gives them to libFuzzer next to
 * corpus/TARGET, which holds what it has found worth keeping. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "crypto/farewell.h"
#include "crypto/revoke.h"
#include "crypto/root.h"
#include "crypto/ticket.h"
#include "fuzz.h"
#include "object/build.h"
#include "object/dir.h"
#include "say.h"
#include "store/record.h"
#include "wire/frame.h"

enum { ROOM = 1 << 16, MESSAGES = 60, SESSIONS = 12 };

static const char *base;
static unsigned made;

/* A seed of `target`: the bytes that `w` has. */
static void keep(const char *target, const struct wr_writer *w)
{
    char path[1024];
    FILE *f;

    WR_CHECK(!w->bad);
    (void)snprintf(path, sizeof(path), "%s/%s", base, target);
    (void)mkdir(path, 0777);
    (void)snprintf(path, sizeof(path), "%s/%s/seed-%03u", base, target, made++);
    f = fopen(path, "wb");
    if (f == NULL || fwrite(w->p, 1, w->n, f) != w->n || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

static struct wr_writer fresh(void)
{
    static uint8_t room[ROOM];

    return wr_writer(room, sizeof(room));
}

static void keep_text(const char *target, uint8_t how, const char *text)
{
    struct wr_writer w = fresh();

    wr_write_u8(&w, how);
    wr_write(&w, text, strlen(text));
    keep(target, &w);
}

/* ---- messages and sessions --------------------------------------------- */

static void frames(void)
{
    const struct wr_frame v[] = {
        {.header_n = 13}, {.header_n = 4, .body_n = 9}, {.end = true}};
    struct wr_writer w = fresh();

    /* frame: the longest body; link: how, luck, the byte to alter. */
    for (unsigned link = 0; link < 2; link++) {
        w = fresh();
        wr_write_be32(&w, link ? 1 : 1 << 16);
        if (link)
            wr_write_be16(&w, 0);
        for (size_t i = 0; i < WR_ARRAY_LEN(v); i++) {
            uint8_t head[WR_FRAME_HEAD];

            wr_frame_write(&v[i], head);
            wr_write(&w, head, sizeof(head));
            for (uint32_t k = v[i].header_n + v[i].body_n; k > 0; k--)
                wr_write_u8(&w, (uint8_t)k);
        }
        keep(link ? "link" : "frame", &w);
    }
}

/* By lot: one message of a kind is like another. */
static void messages(struct wr_rng *rng)
{
    static _Alignas(16) uint8_t arena[WR_CODEC_ARENA];
    struct fuzz_asks asks = {.n = {0}};
    unsigned seen[WR_MSG_KINDS] = {0}, n = 0;

    for (unsigned i = 0; i < 100000 && n < MESSAGES; i++) {
        uint8_t lot[600], header[WR_HEADER_MAX];
        struct fuzz f = fuzz(lot, sizeof(lot));
        struct wr_writer w = fresh();
        struct wr_codec c;
        struct wr_msg m;
        wr_host from;

        wr_rng_fill(rng, lot, sizeof(lot));
        wr_codec_init(&c, fuzz_hosts(), arena, sizeof(arena));
        if (!fuzz_say(&f, &asks, &m, &from) || seen[m.kind]++ >= 2)
            continue;
        WR_CHECK(wr_codec_encode(&c, &m, (struct wr_span){0}, header,
                                 sizeof(header), &w.n) == WR_OK);
        memcpy(w.p, header, w.n);
        if (w.n > 600)
            continue;
        keep("codec", &w);
        n++;
    }
}

static void sessions(struct wr_rng *rng)
{
    static const char *const targets[] = {"node", "leaf", "xfer", "handshake"};

    for (size_t t = 0; t < WR_ARRAY_LEN(targets); t++) {
        for (unsigned i = 0; i < SESSIONS; i++) {
            struct wr_writer w = fresh();

            w.n = 20 + wr_rng_below(rng, 400);
            wr_rng_fill(rng, w.p, w.n);
            keep(targets[t], &w);
        }
    }
}

/* ---- what is signed ------------------------------------------------------ */

/* As it is, and without its signature, which the target then makes. */
static void keep_signed(uint8_t what, struct wr_span bytes)
{
    for (uint8_t sign = 0; sign < 2; sign++) {
        struct wr_writer w = fresh();

        wr_write_u8(&w, what);
        wr_write_u8(&w, sign);
        wr_write(&w, bytes.p, bytes.n - (sign ? WR_SIGNATURE : 0));
        keep("signed", &w);
    }
}

static void credentials(const struct wr_sign_key *ring,
                        const struct wr_sign_key *owner)
{
    static uint8_t bytes[WR_REVOKED_BYTES_MAX], next[WR_REVOKED_BYTES_MAX];
    struct wr_cred c = {
        .role = WR_ROLE_SUPERPEER, .members = 17, .site = "attic", .quota = 5};
    struct wr_revoked none = {.n = 0}, list;
    struct wr_root root;
    uint8_t host[WR_CRED_HOST], nonce[WR_ROOT_NONCE] = {8};
    size_t n;

    memset(host, 0x11, sizeof(host));
    memcpy(c.host, host, sizeof(host));
    memcpy(c.sign_public, owner->public, sizeof(c.sign_public));
    WR_CHECK(wr_cred_issue(&c, ring, bytes, &n) == WR_OK);
    keep_signed(0, wr_span(bytes, n));
    c.role = WR_ROLE_LEAF;
    c.members = 0;
    c.site[0] = '\0';
    WR_CHECK(wr_cred_issue(&c, ring, bytes, &n) == WR_OK);
    keep_signed(0, wr_span(bytes, n));

    wr_farewell_sign(ring->public, host, owner, bytes);
    keep_signed(1, wr_span(bytes, WR_FAREWELL_BYTES));

    WR_CHECK(wr_revoked_add(&none, host, WR_REVOKED_CUT_OFF, ring, bytes, &n) ==
             WR_OK);
    keep_signed(2, wr_span(bytes, n));
    WR_CHECK(wr_revoked_open(wr_span(bytes, n), ring->public, &list) == WR_OK);
    host[0] = 0x99;
    WR_CHECK(wr_revoked_add(&list, host, WR_REVOKED_REMOVED, ring, next, &n) ==
             WR_OK);
    keep_signed(2, wr_span(next, n));

    wr_root_init(&root, owner, host, nonce);
    wr_root_sign(&root, owner);
    keep_signed(3, wr_span(bytes, wr_root_encode(&root, bytes)));
    root.state = WR_ROOT_KEPT;
    root.version = 2;
    root.cid_n = 36;
    wr_root_sign(&root, owner);
    keep_signed(3, wr_span(bytes, wr_root_encode(&root, bytes)));
}

static void tickets(void)
{
    struct wr_ticket t = {.role = WR_ROLE_SUPERPEER,
                          .n_addrs = 2,
                          .addrs = {"192.0.2.1:4077", "[2001:db8::1]:4077"}};
    static char text[WR_TICKET_TEXT_MAX];
    struct wr_writer w = fresh();

    WR_CHECK(wr_ticket_format(&t, text) == WR_OK);
    wr_write(&w, text, strlen(text));
    keep("ticket", &w);
    keep_text("ticket", 'w', "reath2abcdef");
    /* Its bytes, for the target to add the check. */
    w = fresh();
    wr_write_u8(&w, 0xff);
    wr_write_u8(&w, WR_ROLE_LEAF);
    for (unsigned i = 0; i < 32 + 32 + 16 + 16; i++)
        wr_write_u8(&w, (uint8_t)i);
    wr_write_u8(&w, 1);
    wr_write_u8(&w, 14);
    wr_write(&w, "192.0.2.1:4077", 14);
    keep("ticket", &w);
}

/* ---- trees ----------------------------------------------------------------
 */

/* Blocks as blocks.h reads them. */
struct bag {
    struct wr_writer w;
    size_t n;
};

/* Into the bag, and alone as a seed of `dag`. */
static void put(struct bag *b, struct wr_span bytes, uint32_t codec)
{
    struct wr_writer one = wr_writer(malloc(bytes.n + 2), bytes.n + 2);

    wr_write_be16(&b->w, (uint16_t)bytes.n);
    wr_write(&b->w, bytes.p, bytes.n);
    b->n++;
    wr_write_u8(&one, codec == WR_CODEC_DAG_PB);
    if (codec != WR_CODEC_DAG_PB)
        wr_write_u8(&one, 1);
    wr_write(&one, bytes.p, bytes.n);
    keep("dag", &one);
    free(one.p);
}

static void keep_bag(const char *target, struct wr_span head,
                     const struct bag *b)
{
    static uint8_t room[ROOM];
    struct wr_writer w = wr_writer(room, sizeof(room));

    WR_CHECK(b->n >= 1 && b->n <= 16);
    wr_write(&w, head.p, head.n);
    wr_write_u8(&w, (uint8_t)(b->n - 1));
    wr_write(&w, b->w.p, b->w.n);
    keep(target, &w);
}

static void file(unsigned leaves, uint32_t max_links)
{
    static const uint8_t heads[][2] = {{7, 0}, {1, 0}, {3, 1}, {2, 3}};
    struct bag bag = {.w = fresh()};
    struct wr_build b;
    struct wr_block block;

    wr_build_init(&b, WR_HASH_BLAKE2B_256, max_links);
    wr_build_begin(&b, leaves == 3, 0755);
    for (unsigned i = 0; i < leaves; i++) {
        uint8_t bytes[5];
        struct wr_cid cid;

        memset(bytes, (int)(i + 1), sizeof(bytes));
        cid = wr_cid_of(WR_CODEC_RAW, WR_HASH_BLAKE2B_256,
                        wr_span(bytes, sizeof(bytes)));
        put(&bag, wr_span(bytes, sizeof(bytes)), WR_CODEC_RAW);
        WR_CHECK(wr_build_leaf(&b, cid.digest, sizeof(bytes)) == WR_OK);
        while (wr_build_pop(&b, &block))
            put(&bag, block.bytes, block.cid.codec);
    }
    wr_build_end(&b);
    while (wr_build_pop(&b, &block))
        put(&bag, block.bytes, block.cid.codec);
    wr_build_done(&b);
    for (size_t i = 0; i < WR_ARRAY_LEN(heads); i++)
        keep_bag("walk", wr_span(heads[i], 2), &bag);
}

static void directory(unsigned names, size_t block_max)
{
    struct bag bag = {.w = fresh()};
    struct wr_tree tree = {
        .cid = wr_cid_of(WR_CODEC_RAW, WR_HASH_BLAKE2B_256, wr_span("x", 1))};
    struct wr_dir d;
    struct wr_block block;

    wr_dir_init(&d, WR_HASH_BLAKE2B_256, block_max);
    wr_dir_begin(&d);
    for (unsigned i = 0; i < names; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "f%u", i * i);
        WR_CHECK(wr_dir_add(&d, wr_span_str(name), &tree) == WR_OK);
    }
    WR_CHECK(wr_dir_end(&d) == WR_OK);
    while (wr_dir_pop(&d, &block))
        put(&bag, block.bytes, block.cid.codec);
    wr_dir_done(&d);
    keep_bag("dir", (struct wr_span){0}, &bag);
}

static void trees(void)
{
    static uint8_t buf[WR_SYMLINK_BLOCK_MAX];
    struct bag bag = {.w = fresh()};
    struct wr_block block;
    struct wr_tree tree;

    file(1, 2);
    file(3, 2);
    file(6, 2);
    file(8, 4);
    directory(0, WR_DIR_BLOCK_MAX);
    directory(3, WR_DIR_BLOCK_MAX);
    directory(8, 64);
    directory(24, 64);
    WR_CHECK(wr_symlink(WR_HASH_BLAKE2B_256, wr_span_str("../there"), buf,
                        &block, &tree) == WR_OK);
    put(&bag, block.bytes, block.cid.codec);
}

static void cids(void)
{
    static const char *const texts[] = {
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e",
        "bafk2bzaceaswza5ss4iu2ia3galz6pyo6dfm5f4dmiw2lf2de22dmf4k533ba",
        "QmWATWQ7fVPP2EFGu71UkfnqhYXDYH566qy47CnJDgvs8u",
        "bafkqaaa",
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(texts); i++) {
        struct wr_writer w = fresh();
        uint8_t bytes[WR_CID_BIN_MAX];
        struct wr_cid cid;

        wr_write(&w, texts[i], strlen(texts[i]));
        keep("cid", &w);
        WR_CHECK(wr_cid_parse(wr_span_str(texts[i]), &cid, NULL) == WR_OK);
        w = fresh();
        wr_write(&w, bytes, wr_cid_encode(&cid, bytes));
        keep("cid", &w);
    }
}

/* ---- files ------------------------------------------------------------------
 */

static void records(void)
{
    static const uint8_t digest[WR_DIGEST] = {5, 6, 7};
    static uint8_t bytes[WR_EXTENT_HEADER + 64];
    struct wr_record r = {.extents = 1, .length = 9, .hash = 0xb220, .refs = 2};
    const struct wr_extent e = {.extents = 1,
                                .length = 9,
                                .hash = 0xb220,
                                .bytes = wr_span("some text", 9)};
    struct wr_writer w = fresh();

    wr_write_u8(&w, 0);
    w.n += wr_record_write(&r, w.p + w.n);
    keep("record", &w);
    wr_extent_write(digest, &e, bytes);
    w = fresh();
    wr_write_u8(&w, 1);
    wr_write(&w, bytes, WR_EXTENT_HEADER + e.bytes.n);
    keep("record", &w);
    keep_text("record", 2, "0123b01234567 some text");
}

static void settings(void)
{
    keep_text("config", 1,
              "# a comment\nlisten = 0.0.0.0:4077\nquota = 10 GiB\n"
              "copies=3\nround = 2s\nlog_level = debug\n");
    keep_text("config", 1, "[section]\npatience = 1h30m\nunknown = 1\n");
    keep_text("config", 0, "512 MiB");
    keep_text("config", 0, "1h30m250ms");
    keep_text("config", 0, "[2001:db8::1]:7000");
    keep_text("config", 0, "192.0.2.1:4077");
    keep_text("scenario", '\n',
              "[run]\nfor = 10 min\nseed = 7\n[ring]\nhosts = 100\n"
              "[churn]\nsession = pareto\nsession_mean = 2 h\n"
              "session_shape = 1.5\n[event.burn]\nat = 5 min\nwhat = die\n"
              "share = 50 %\n");
}

int main(int argc, char **argv)
{
    static const uint8_t seeds[2][WR_SIGN_SEED] = {{1}, {2}};
    struct wr_sign_key ring, owner;
    struct wr_rng rng = {1};

    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    base = argv[1];
    (void)mkdir(base, 0777);
    wr_sign_from_seed(seeds[0], &ring);
    wr_sign_from_seed(seeds[1], &owner);
    frames();
    messages(&rng);
    sessions(&rng);
    credentials(&ring, &owner);
    tickets();
    trees();
    cids();
    records();
    settings();
    printf("%u seeds in %s\n", made, base);
    return 0;
}
