/*
 * tool.c - what the cluster tests need and a shell has not: content that
 * anybody can make again, JSON fields, names in any bytes, hostile blocks, rot
 * on a disk, and the owner of a key, computed apart from the ring.
 *
 *     cluster-tool stream SEED BYTES          the ChaCha20 keystream of a seed
 *     cluster-tool json PATH...               fields of the JSON on stdin
 *     cluster-tool names DIR N                a tree of N files, odd names
 *     cluster-tool hostile KIND CID [CID]     a directory that would escape
 *     cluster-tool pb CID                     the same digest, as a dag-pb CID
 *     cluster-tool cid FILE [HASHCODE]        the raw CID of a small file
 *     cluster-tool key CID                    its place on the ring, in hex
 *     cluster-tool owner RINGFILE MEMBERS HOSTS KEYS [N]
 *                                             per line of KEYS: key, and its
 *                                             owner, or the N hosts of its set
 *     cluster-tool digests STORE              of all chunks, once the host is
 *                                             down
 *     cluster-tool ring FILE...               are these `peers --fingers
 * --json` of all hosts one ring? cluster-tool rot FILE PATTERN           flips
 * a byte wherever the bytes of PATTERN lie in FILE cluster-tool newer STORE a
 * store of a later format
 *
 * Not installed, and of no use outside of tests.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <lmdb.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "crypto/credential.h"
#include "object/unixfs.h"

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "cluster-tool: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void out(const void *p, size_t n)
{
    if (fwrite(p, 1, n, stdout) != n)
        die("standard output");
}

static FILE *open_file(const char *path)
{
    FILE *f = fopen(path, "re");

    if (f == NULL)
        die(path);
    return f;
}

/* ---- stream ------------------------------------------------------------- */

static int cmd_stream(char **argv)
{
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
    static uint8_t block[1 << 20];
    uint8_t key[crypto_hash_sha256_BYTES];
    uint64_t left = strtoull(argv[1], NULL, 10);

    crypto_hash_sha256(key, (const uint8_t *)argv[0], strlen(argv[0]));
    for (uint64_t at = 0; left > 0; at += sizeof(block) / 64) {
        const size_t n = left < sizeof(block) ? (size_t)left : sizeof(block);

        memset(block, 0, n);
        crypto_stream_chacha20_xor_ic(block, block, n, nonce, at, key);
        out(block, n);
        left -= n;
    }
    return 0;
}

/* ---- json --------------------------------------------------------------- */

static void print_value(const json_t *v)
{
    if (json_is_string(v))
        printf("%s\n", json_string_value(v));
    else if (json_is_integer(v))
        printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(v));
    else if (json_is_real(v))
        printf("%.6f\n", json_real_value(v));
    else if (json_is_boolean(v))
        puts(json_is_true(v) ? "true" : "false");
    else if (json_is_null(v))
        puts("null");
    else {
        json_dumpf(v, stdout, JSON_COMPACT);
        putchar('\n');
    }
}

/* "a.b.0", "a.*.b" (every element), "a.#" (their number), "a.*.s=up.b" (of
 * the elements whose s is up). Prints a line per value; returns how many. */
static size_t select_from(json_t *v, const char *path)
{
    const char *end = path + strcspn(path, ".");
    const char *rest = *end == '.' ? end + 1 : end;
    char word[128];
    size_t n = 0;

    if (*path == '\0') {
        print_value(v);
        return 1;
    }
    snprintf(word, sizeof(word), "%.*s", (int)(end - path), path);
    char *eq = strchr(word, '=');
    if (strcmp(word, "#") == 0) {
        printf("%zu\n",
               json_is_array(v) ? json_array_size(v) : json_object_size(v));
        return 1;
    }
    if (strcmp(word, "*") == 0) {
        for (size_t i = 0; i < json_array_size(v); i++)
            n += select_from(json_array_get(v, i), rest);
        return n;
    }
    if (eq != NULL) {
        *eq = '\0';
        const char *is = json_string_value(json_object_get(v, word));
        return is != NULL && strcmp(is, eq + 1) == 0 ? select_from(v, rest) : 0;
    }
    if (json_is_array(v))
        v = json_array_get(v, strtoul(word, NULL, 10));
    else
        v = json_object_get(v, word);
    return v == NULL ? 0 : select_from(v, rest);
}

static int cmd_json(char **argv)
{
    json_error_t error;
    json_t *v = json_loadf(stdin, JSON_DECODE_ANY, &error);
    int status = 0;

    if (v == NULL) {
        fprintf(stderr, "cluster-tool: not JSON: %s\n", error.text);
        return 1;
    }
    for (; *argv != NULL; argv++)
        if (select_from(v, *argv) == 0)
            status = 1;
    json_decref(v);
    return status;
}

/* ---- names -------------------------------------------------------------- */

static void make_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
        close(fd) != 0)
        die(path);
}

static void make_dir(const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        die(path);
}

static void make_link(const char *target, const char *path)
{
    if (symlink(target, path) != 0)
        die(path);
}

static int cmd_names(char **argv)
{
    static const char *const odd[] = {
        "plain",
        "with space",
        " leading",
        "\"both\" ",
        "new\nline",
        "tab\there",
        "-dash",
        "--help",
        "gr\xc3\xbc\xc3\x9f",
        "\xe6\x96\x87\xe4\xbb\xb6",
        "bad\xff\xfe",
        "\xc3",
        "quote'\"",
        "back\\slash",
        "star*?[]",
        "dollar$`",
        ".hidden",
        "...",
        "~",
        "\x01\x7f",
        "e\xcc\x81",
        "semi;colon|&",
        "con",
        "a:b",
    };
    const unsigned n = (unsigned)strtoul(argv[1], NULL, 10);
    char path[512], text[64];

    make_dir(argv[0]);
    if (chdir(argv[0]) != 0)
        die(argv[0]);
    for (unsigned i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "d%u", i % 7);
        make_dir(path);
        snprintf(path, sizeof(path), "d%u/%s%u", i % 7,
                 odd[i % WR_ARRAY_LEN(odd)], i);
        snprintf(text, sizeof(text), "file %u\n", i);
        if (i % 11 == 0)
            text[0] = '\0'; /* Some are empty. */
        make_file(path, text);
    }
    memset(path, 'n', 255); /* NAME_MAX. */
    path[255] = '\0';
    make_file(path, "a long name\n");
    make_file("-rf", "a leading dash\n");
    make_file("trailing ", "a space at its end\n");
    make_file("\n", "only a newline\n");
    make_file("\xff", "only a bad byte\n");
    make_dir("empty");
    make_dir("empty/in empty");
    make_dir("-");
    make_link("d0", "to a folder");
    make_link("nowhere/at all", "dangling");
    make_link("../../../../etc/passwd", "out of the tree");
    make_link("/etc/passwd", "absolute");
    make_link("a\nb\xff", "odd target");
    make_file("run", "#!/bin/sh\n");
    if (chmod("run", 0755) != 0)
        die("run");
    return 0;
}

/* ---- hostile trees ------------------------------------------------------- */

static struct wr_cid parse_cid(const char *text)
{
    struct wr_cid cid;

    if (wr_cid_parse(wr_span_str(text), &cid, NULL) != WR_OK) {
        fprintf(stderr, "cluster-tool: no CID: %s\n", text);
        exit(1);
    }
    return cid;
}

/* A directory with one entry, CID, under a name that leads out; or ("twice"
 * CID CID) with two under one name: a link would be made first, and what
 * comes second written through it; or ("symlink" - TARGET) such a link. */
static int cmd_hostile(char **argv)
{
    static const struct {
        const char *kind;
        const char *name;
        size_t n;
    } kinds[] = {
        {"dotdot", "../escaped", 10},
        {"parent", "..", 2},
        {"self", ".", 1},
        {"absolute", "/tmp/wreath-escaped", 19},
        {"slash", "a/../../b", 9},
        {"nul", "a\0b", 3},
        {"empty", "", 0},
    };
    const bool link = strcmp(argv[0], "symlink") == 0;
    const struct wr_cid child = link ? (struct wr_cid){0} : parse_cid(argv[1]);
    struct wr_unixfs dir = {.type = WR_UNIXFS_DIRECTORY};
    uint8_t bytes[1024];
    struct wr_writer w = wr_writer(bytes, sizeof(bytes));
    bool known = link;

    for (size_t i = 0; i < WR_ARRAY_LEN(kinds); i++)
        if (strcmp(argv[0], kinds[i].kind) == 0) {
            wr_dag_write_link(&w, &child, wr_span(kinds[i].name, kinds[i].n),
                              5);
            known = true;
        }
    if (strcmp(argv[0], "twice") == 0) {
        const struct wr_cid second = parse_cid(argv[2]);

        wr_dag_write_link(&w, &child, wr_span_str("x"), 5);
        wr_dag_write_link(&w, &second, wr_span_str("x"), 5);
        known = true;
    }
    if (link)
        dir = (struct wr_unixfs){.type = WR_UNIXFS_SYMLINK,
                                 .has_data = true,
                                 .data = wr_span_str(argv[2])};
    if (!known)
        return 2;
    wr_unixfs_write(&w, &dir, NULL);
    if (w.bad)
        return 1;
    out(bytes, w.n);
    return 0;
}

static int cmd_pb(char **argv)
{
    char text[WR_CID_TEXT_SIZE];
    struct wr_cid cid = parse_cid(argv[0]);

    cid.codec = WR_CODEC_DAG_PB;
    wr_cid_print(&cid, text);
    puts(text);
    return 0;
}

/* The raw CID of a file's bytes as one block, or one with the same digest
 * under a hash by its multicodec code. */
static int cmd_cid(char **argv)
{
    static uint8_t bytes[1 << 20];
    char text[WR_CID_TEXT_SIZE];
    FILE *f = open_file(argv[0]);
    const size_t n = fread(bytes, 1, sizeof(bytes), f);
    struct wr_cid cid =
        wr_cid_of(WR_CODEC_RAW, WR_HASH_BLAKE2B_256, wr_span(bytes, n));

    fclose(f);
    if (argv[1] != NULL)
        cid.hash = (uint32_t)strtoul(argv[1], NULL, 10);
    wr_cid_print(&cid, text);
    puts(text);
    return 0;
}

static int cmd_key(char **argv)
{
    char text[WR_HEX_SIZE(WR_DIGEST_SIZE)];
    const struct wr_cid cid = parse_cid(argv[0]);

    wr_hex(wr_span(cid.digest, WR_DIGEST_SIZE), text);
    puts(text);
    return 0;
}

/* ---- owner -------------------------------------------------------------- */

struct member {
    uint8_t id[WR_CRED_MEMBER_ID];
    char host[2 * WR_CRED_HOST + 1];
};

static int by_id(const void *a, const void *b)
{
    return memcmp(((const struct member *)a)->id,
                  ((const struct member *)b)->id, WR_CRED_MEMBER_ID);
}

/* The first `most` hosts of the members from all[i] on, clockwise. */
static void print_set(const struct member *all, size_t n, size_t i,
                      unsigned long most)
{
    const char *seen[64];
    size_t seen_n = 0;

    for (size_t k = 0; k < n && seen_n < most; k++) {
        const char *host = all[(i + k) % n].host;
        size_t j = 0;

        while (j < seen_n && strcmp(seen[j], host) != 0)
            j++;
        if (j < seen_n)
            continue;
        seen[seen_n++] = host;
        printf(" %s", host);
    }
    printf("\n");
}

/* The member at or after the key, clockwise: the definition itself. */
static int cmd_owner(char **argv)
{
    static struct member all[64 * 64];
    const unsigned v = (unsigned)strtoul(argv[1], NULL, 10);
    const unsigned long most = argv[4] != NULL ? strtoul(argv[4], NULL, 10) : 1;
    uint8_t ring[WR_SIGN_PUBLIC], host[WR_CRED_HOST], key[WR_CRED_MEMBER_ID];
    char line[256];
    size_t n = 0;
    FILE *f = open_file(argv[0]);

    if (fread(ring, 1, sizeof(ring), f) != sizeof(ring))
        die(argv[0]);
    fclose(f);
    f = open_file(argv[2]);
    while (fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (wr_unhex(line, host, sizeof(host)) != WR_OK)
            die(line);
        for (unsigned i = 0; i < v && n < WR_ARRAY_LEN(all); i++, n++) {
            wr_cred_member_id(ring, host, i, all[n].id);
            wr_hex(wr_span(host, sizeof(host)), all[n].host);
        }
    }
    fclose(f);
    qsort(all, n, sizeof(all[0]), by_id);
    f = open_file(argv[3]);
    while (fgets(line, sizeof(line), f) != NULL) {
        size_t i = 0;

        line[strcspn(line, "\n")] = '\0';
        if (wr_unhex(line, key, sizeof(key)) != WR_OK)
            die(line);
        while (i < n && memcmp(all[i].id, key, sizeof(key)) < 0)
            i++;
        printf("%s", line);
        print_set(all, n, i, most < 64 ? most : 64);
    }
    fclose(f);
    return 0;
}

/* ---- ring --------------------------------------------------------------- */

struct place {
    const char *id;
    const json_t *view;
};

static const char *member_id(const json_t *member)
{
    const char *id = json_string_value(json_object_get(member, "id"));

    return id != NULL ? id : "none";
}

static int by_place(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->id, ((const struct place *)b)->id);
}

/* Whether `view` names just the members around `at`: the one before, and as
 * many after as it lists, none left out. */
static bool is_right(const struct place *all, size_t n, size_t at)
{
    const json_t *succs = json_object_get(all[at].view, "successors");
    const json_t *pred = json_object_get(all[at].view, "predecessor");
    size_t i;
    json_t *e;

    if (n == 1)
        return true;
    if (strcmp(member_id(pred), all[(at + n - 1) % n].id) != 0) {
        printf("%.12s has %.12s before it, not %.12s\n", all[at].id,
               member_id(pred), all[(at + n - 1) % n].id);
        return false;
    }
    json_array_foreach(succs, i, e)
    {
        if (i + 1 < n && strcmp(member_id(e), all[(at + 1 + i) % n].id) != 0) {
            printf("%.12s has %.12s as successor %zu, not %.12s\n", all[at].id,
                   member_id(e), i, all[(at + 1 + i) % n].id);
            return false;
        }
    }
    return json_array_size(succs) >= (n - 1 < 16 ? n - 1 : 16);
}

/* `peers --fingers --json` of every host: one ring, in which each member knows
 * just its neighbours. */
static int cmd_ring(char **argv)
{
    static struct place all[64 * 64];
    static json_t *files; /* Until the end: `all` points into them. */
    size_t n = 0, i;
    json_t *e;

    files = json_array();
    for (; *argv != NULL; argv++) {
        json_t *o = json_load_file(*argv, 0, NULL);
        const json_t *views = json_object_get(o, "views");

        json_array_append_new(files, o);
        if (!json_is_array(views)) {
            printf("%s: no views\n", *argv);
            return 1;
        }
        json_array_foreach(views, i, e)
        {
            const char *phase = json_string_value(json_object_get(e, "phase"));

            if (phase == NULL || strcmp(phase, "member") != 0 ||
                n == WR_ARRAY_LEN(all)) {
                printf("%s: a member is %s\n", *argv, phase);
                return 1;
            }
            all[n++] = (struct place){
                .id = member_id(json_object_get(e, "member")), .view = e};
        }
    }
    qsort(all, n, sizeof(all[0]), by_place);
    for (i = 0; i < n; i++)
        if (!is_right(all, n, i))
            return 1;
    return n == 0;
}

/* ---- rot ---------------------------------------------------------------- */

static int cmd_rot(char **argv)
{
    uint8_t needle[64];
    struct stat st;
    unsigned found = 0;
    FILE *f = open_file(argv[1]);

    if (fread(needle, 1, sizeof(needle), f) != sizeof(needle))
        die(argv[1]);
    fclose(f);
    const int fd = open(argv[0], O_RDWR);
    if (fd < 0 || fstat(fd, &st) != 0)
        die(argv[0]);
    uint8_t *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        die("mmap");
    for (uint8_t *at = p, *end = p + st.st_size;
         (at = memmem(at, (size_t)(end - at), needle, sizeof(needle))) != NULL;
         at += sizeof(needle)) {
        const uint8_t flipped = at[sizeof(needle) / 2] ^ 0x40;

        if (pwrite(fd, &flipped, 1, at - p + (off_t)sizeof(needle) / 2) != 1)
            die("pwrite");
        found++;
    }
    munmap(p, (size_t)st.st_size);
    close(fd);
    printf("%u\n", found);
    return found == 0;
}

/* ---- newer -------------------------------------------------------------- */

/* The format record ends in its version: a big-endian 1 becomes 99. */
static int cmd_newer(char **argv)
{
    static const char key[] = "format";
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val k = {sizeof(key), (void *)(uintptr_t)key}, v;
    uint8_t copy[64];

    if (mdb_env_create(&env) != 0 || mdb_env_set_maxdbs(env, 8) != 0 ||
        mdb_env_open(env, argv[0], MDB_NOTLS, 0600) != 0 ||
        mdb_txn_begin(env, NULL, 0, &txn) != 0 ||
        mdb_dbi_open(txn, "own", 0, &dbi) != 0)
        die(argv[0]);
    if (mdb_get(txn, dbi, &k, &v) != 0 || v.mv_size < 4 ||
        v.mv_size > sizeof(copy))
        die("no format record");
    memcpy(copy, v.mv_data, v.mv_size);
    copy[v.mv_size - 1] = 99;
    v.mv_data = copy;
    if (mdb_put(txn, dbi, &k, &v, 0) != 0 || mdb_txn_commit(txn) != 0)
        die("mdb_put");
    mdb_env_close(env);
    return 0;
}

static int cmd_digests(char **argv)
{
    char hex[2 * 32 + 1];
    MDB_cursor *cursor;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val k, v;

    if (mdb_env_create(&env) != 0 || mdb_env_set_maxdbs(env, 8) != 0 ||
        mdb_env_open(env, argv[0], MDB_RDONLY | MDB_NOTLS, 0600) != 0 ||
        mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0 ||
        mdb_dbi_open(txn, "index", 0, &dbi) != 0 ||
        mdb_cursor_open(txn, dbi, &cursor) != 0)
        die(argv[0]);
    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0 && k.mv_size == 32) {
        wr_hex(wr_span(k.mv_data, k.mv_size), hex);
        puts(hex);
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int args; /* At least. */
        int (*run)(char **argv);
    } commands[] = {
        {"stream", 2, cmd_stream}, {"json", 1, cmd_json},
        {"names", 2, cmd_names},   {"hostile", 2, cmd_hostile},
        {"pb", 1, cmd_pb},         {"key", 1, cmd_key},
        {"cid", 1, cmd_cid},       {"owner", 4, cmd_owner},
        {"ring", 1, cmd_ring},     {"rot", 2, cmd_rot},
        {"newer", 1, cmd_newer},   {"digests", 1, cmd_digests},
    };

    if (argc < 2 || sodium_init() < 0)
        return 2;
    for (size_t i = 0; i < WR_ARRAY_LEN(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0 &&
            argc >= 2 + commands[i].args) {
            const int status = commands[i].run(argv + 2);

            if (fflush(stdout) != 0)
                die("standard output");
            return status;
        }
    fputs("cluster-tool: usage: see tests/cluster/tool.c\n", stderr);
    return 2;
}
