/* cmd_why.c - `wreath why CID`: why a file or chunk is slow, missing or unsafe:
 * who should have it, who has, who says nothing, and which puts keep it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "base/text.h"
#include "cli.h"
#include "crypto/root.h"
#include "leaf.h"
#include "object/unixfs.h"
#include "proto/xfer.h"
#include "store/salvage.h"
#include "wire/id.h"

enum {
    BLOCKS_MAX = 16384, /* Of one tree that are looked at. */
    WORDS = 16,         /* "survey" and "chunks ", before the digests. */
    GROUP = (WR_XFER_NOTE_MAX - WORDS) / (2 * WR_DIGEST_SIZE), /* A question. */
    PUTS_MAX = 4, /* Shown, of those that refer to the root block. */
    HOSTS_MAX = 64,
    DEPTH_MAX = 64,     /* No file that anybody made is deeper. */
    NODE_MAX = 2 << 20, /* Bytes of a block. */
};

enum verdict { WELL, FEW, SILENT, ROTTEN, GONE };

static const char *const verdicts[] = {"well", "few copies", "not reachable",
                                       "damaged", "not found"};
static const enum wr_err errors[] = {WR_OK, WR_OK, WR_EUNREACH, WR_EDAMAGED,
                                     WR_ENOTFOUND};

struct block {
    uint8_t digest[WR_DIGEST_SIZE];
    uint8_t copies;
    bool doubt; /* Not every host has said whether it has it. */
};

struct subject {
    struct cli *cli;
    wreath *w;
    wreath_error error;
    struct wr_cid cid;
    char key[WR_HEX_SIZE(WR_ID_BYTES)];
    unsigned want;  /* Copies of each chunk. */
    json_t *status; /* Of the super-peer that we ask. */
    json_t *set;    /* Hosts that should have the root block. */
    json_t *hosts;  /* What each says of it. */
    json_t *puts;   /* Records of those that refer to it. */
    struct block *blocks;
    size_t blocks_n;
    bool more, unread; /* Blocks beyond the most; below what is missing. */
    bool is_tree;
    enum wr_node_kind kind;
    uint64_t size;
    unsigned silent;  /* Hosts that did not answer. */
    uint64_t unasked; /* Hosts beyond those that one question goes to. */
};

static bool is_true(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

/* A question to our super-peer. NULL, or an answer that lacks something: it is
 * of no use, and `error` says why. */
static json_t *ask(struct subject *x, const char *what, const char *arg)
{
    char *text;

    if (wreath_query(x->w, what, arg, &text, &x->error) != WREATH_OK)
        return NULL;
    x->error = (wreath_error){WREATH_EFAIL,
                              "the super-peer's answer makes no sense; is it "
                              "of another version?"};
    return cli_json_read(text);
}

/* "WHAT ARG" to all hosts; their answers, or NULL as ask(). */
static json_t *survey(struct subject *x, const char *what, const char *arg)
{
    char text[WR_XFER_NOTE_MAX];
    json_t *o, *hosts;

    snprintf(text, sizeof(text), "%s %s", what, arg);
    o = ask(x, "survey", text);
    hosts = json_incref(json_object_get(o, "hosts"));
    x->unasked = number_of(o, "unasked");
    json_decref(o);
    return hosts;
}

/* Whether it said yes or no; an error, or nothing, is neither. */
static bool has_said(const json_t *host)
{
    const json_t *a = json_object_get(host, "answer");

    return json_is_boolean(json_object_get(a, "here")) &&
           *text_of(a, "error") == '\0';
}

/* ---- the tree below ----------------------------------------------------- */

/* A block that no host has to keep: it is in its CID, or has no bytes. */
static bool is_free(const struct wr_cid *cid)
{
    return wr_cid_is_inline(cid) || wr_cid_matches(cid, (struct wr_span){0});
}

static void add_block(struct subject *x, const struct wr_cid *cid)
{
    if (is_free(cid))
        return;
    if (x->blocks_n == BLOCKS_MAX)
        x->more = true;
    else
        memcpy(x->blocks[x->blocks_n++].digest, cid->digest, WR_DIGEST_SIZE);
}

static int by_digest(const void *a, const void *b)
{
    return memcmp(a, b, WR_DIGEST_SIZE); /* Its first member. */
}

/* A block counts once, however often the tree has it. */
static void sort_blocks(struct subject *x)
{
    size_t n = 0;

    qsort(x->blocks, x->blocks_n, sizeof(*x->blocks), by_digest);
    for (size_t i = 0; i < x->blocks_n; i++)
        if (n == 0 || by_digest(&x->blocks[n - 1], &x->blocks[i]) != 0)
            x->blocks[n++] = x->blocks[i];
    x->blocks_n = n;
}

static void walk(struct subject *x, const struct wr_cid *cid, int depth);

static void walk_links(struct subject *x, const struct wr_node *node, int depth)
{
    struct wr_reader it = wr_dag_links(&node->dag);
    struct wr_dag_link link;
    struct wr_cid child;

    while (!node->is_raw && wr_dag_next(&it, &link))
        if (wr_cid_decode(link.cid, &child, NULL) == WR_OK && !x->more)
            walk(x, &child, depth + 1);
}

/* All blocks below `cid`. A node is fetched as what it is, a block. */
static void walk(struct subject *x, const struct wr_cid *cid, int depth)
{
    char text[WR_CID_TEXT_SIZE];
    struct wr_cid raw;
    struct wr_node node;
    uint8_t *bytes;
    size_t n;

    add_block(x, cid);
    if (cid->codec != WR_CODEC_DAG_PB || wr_cid_is_inline(cid) || x->more)
        return;
    if (depth == DEPTH_MAX) {
        x->more = true;
        return;
    }
    raw = wr_cid_make(WR_CODEC_RAW, (enum wr_hash)cid->hash, cid->digest);
    wr_cid_print(&raw, text);
    if (wreath_get_bytes(x->w, text, NODE_MAX, NULL, &bytes, &n, &x->error) !=
        WREATH_OK) {
        x->unread = true;
        return;
    }
    if (wr_node_decode(cid, wr_span(bytes, n), &node) == WR_OK) {
        if (wr_cid_eq(cid, &x->cid)) {
            x->is_tree = true;
            x->kind = node.kind;
            x->size = node.size;
        }
        walk_links(x, &node, depth);
    }
    free(bytes);
}

/* What a host has of blocks [from, to), a digit each. What it does not say is
 * no "no". */
static void count_host(struct subject *x, const char *have, size_t from,
                       size_t to)
{
    for (size_t i = from; i < to; i++) {
        const char c = *have;

        if (c == '1')
            x->blocks[i].copies++;
        else if (c != '0')
            x->blocks[i].doubt = true;
        have += c != '\0';
    }
}

static bool count_group(struct subject *x, size_t from, size_t to)
{
    char digests[GROUP * 2 * WR_DIGEST_SIZE + 1];
    json_t *hosts, *h;
    size_t i;

    for (i = from; i < to; i++)
        wr_hex(wr_span(x->blocks[i].digest, WR_DIGEST_SIZE),
               digests + (i - from) * 2 * WR_DIGEST_SIZE);
    hosts = survey(x, "chunks", digests);
    if (hosts == NULL)
        return false;
    json_array_foreach(hosts, i, h)
    {
        count_host(x, text_of(json_object_get(h, "answer"), "have"), from, to);
    }
    json_decref(hosts);
    return true;
}

static bool count_blocks(struct subject *x)
{
    struct cli_progress p;
    bool ok = true;

    cli_progress_start(&p, x->cli, "looking");
    for (size_t i = 0; ok && i < x->blocks_n; i += GROUP) {
        char note[64];

        snprintf(note, sizeof(note), "%zu of %zu blocks", i, x->blocks_n);
        cli_progress_show(&p, 0, 0, note);
        ok = count_group(x, i,
                         i + GROUP < x->blocks_n ? i + GROUP : x->blocks_n);
    }
    cli_progress_end(&p);
    return ok;
}

static size_t blocks_with(const struct subject *x, unsigned copies)
{
    size_t n = 0;

    for (size_t i = 0; i < x->blocks_n; i++)
        n += x->blocks[i].copies == copies;
    return n;
}

static size_t blocks_below(const struct subject *x, unsigned copies)
{
    size_t n = 0;

    for (size_t i = 0; i < x->blocks_n; i++)
        n += x->blocks[i].copies < copies;
    return n;
}

/* Not seen anywhere, but not everybody has said no. */
static bool in_doubt(const struct subject *x)
{
    for (size_t i = 0; i < x->blocks_n; i++)
        if (x->blocks[i].copies == 0 && (x->blocks[i].doubt || x->unasked > 0))
            return true;
    return false;
}

/* ---- the puts that refer to it ------------------------------------------ */

/* The newest record of the put that any host has, and how many have one. */
static bool add_put(struct subject *x, const char *put)
{
    uint8_t id[16], position[WR_ID_BYTES];
    char hex[WR_HEX_SIZE(WR_ID_BYTES)];
    json_t *hosts, *h, *best = NULL;
    unsigned copies = 0;
    size_t i;

    if (wr_unhex(put, id, sizeof(id)) != WR_OK)
        return true;
    wr_root_position(id, position);
    wr_hex(wr_span(position, sizeof(position)), hex);
    hosts = survey(x, "root", hex);
    if (hosts == NULL)
        return false;
    json_array_foreach(hosts, i, h)
    {
        json_t *a = json_object_get(h, "answer");

        if (!is_true(a, "here"))
            continue;
        copies++;
        if (best == NULL ||
            number_of(a, "version") > number_of(best, "version"))
            best = a;
    }
    json_t *o = best != NULL ? json_copy(best) : json_object();
    json_object_set_new(o, "put", json_string(put));
    json_object_set_new(o, "records", json_integer(copies));
    json_array_append_new(x->puts, o);
    json_decref(hosts);
    return true;
}

static bool has_put(const struct subject *x, const char *put)
{
    size_t i;
    json_t *o;

    json_array_foreach(x->puts, i, o)
    {
        if (strcmp(text_of(o, "put"), put) == 0)
            return true;
    }
    return false;
}

static bool add_puts(struct subject *x)
{
    size_t i, k;
    json_t *h, *put;

    json_array_foreach(x->hosts, i, h)
    {
        const json_t *puts =
            json_object_get(json_object_get(h, "answer"), "puts");

        json_array_foreach(puts, k, put)
        {
            const char *text = json_string_value(put);

            if (text != NULL && json_array_size(x->puts) < PUTS_MAX &&
                !has_put(x, text) && !add_put(x, text))
                return false;
        }
    }
    return true;
}

/* ---- what it comes to --------------------------------------------------- */

static bool should_have(const struct subject *x, const char *host)
{
    size_t i;
    json_t *e;

    /* The set goes on behind those whose turn it is. */
    json_array_foreach(x->set, i, e)
    {
        if (i < x->want && strcmp(text_of(e, "host"), host) == 0)
            return true;
    }
    return false;
}

static unsigned damaged(const struct subject *x)
{
    unsigned n = 0;
    size_t i;
    json_t *h;

    json_array_foreach(x->hosts, i, h)
    {
        n += is_true(json_object_get(h, "answer"), "damaged");
    }
    return n;
}

static enum verdict verdict_of(const struct subject *x)
{
    if (blocks_with(x, 0) > 0) {
        if (in_doubt(x))
            return SILENT;
        return damaged(x) > 0 ? ROTTEN : GONE;
    }
    if (x->unread)
        return SILENT;
    return blocks_below(x, x->want) > 0 ? FEW : WELL;
}

/* Every put that is known to refer to it is over. */
static bool given_up(const struct subject *x)
{
    size_t i;
    json_t *o;

    json_array_foreach(x->puts, i, o)
    {
        if (strcmp(text_of(o, "state"), "given up") != 0)
            return false;
    }
    return true;
}

/* "it is", "3 of 14 blocks are": so many of all. */
static const char *some(const struct subject *x, size_t n, const char *one,
                        const char *many, char ret[64])
{
    if (x->blocks_n == 1)
        snprintf(ret, 64, "it %s", one);
    else
        snprintf(ret, 64, "%zu of %zu blocks %s", n, x->blocks_n,
                 n == 1 ? one : many);
    return ret;
}

static void conclude(const struct subject *x, char *ret, size_t size)
{
    const size_t none = blocks_with(x, 0);
    const enum verdict v = verdict_of(x);
    char are[64], have[64];

    some(x, none, "is", "are", are);
    some(x, v == FEW ? blocks_below(x, x->want) : none, "has", "have", have);
    if ((v == WELL || v == FEW) && given_up(x))
        snprintf(ret, size,
                 "no put keeps it any more: it is forgotten some time after a "
                 "day");
    else if (v == WELL)
        snprintf(ret, size, "all is well: %s",
                 x->want == 1 ? "the one copy that a ring of one has stands"
                              : "all copies stand");
    else if (v == FEW)
        snprintf(ret, size, "%s fewer than %u copies; all can be read%s", have,
                 x->want,
                 x->silent > 0 ? ", and the hosts that are silent may bring "
                                 "theirs back"
                               : "");
    else if (v == SILENT && none == 0)
        snprintf(ret, size,
                 "a block could not be read now, and what lies below it is not "
                 "known: ask again");
    else if (v == SILENT)
        snprintf(ret, size, "%s on no host that answers: %s", are,
                 x->silent > 0
                     ? "bring up those that are silent, they may have it"
                     : "whether elsewhere is not known, for not all have said");
    else if (v == ROTTEN)
        snprintf(ret, size,
                 "%s no good copy left: put the file again, or bring back a "
                 "host or a backup",
                 have);
    else
        snprintf(ret, size,
                 "%s nowhere, as every host has said: a wrong CID, or given up",
                 are);
}

static void print_what(const struct subject *x)
{
    static const char *const kinds[] = {"file", "directory", "directory",
                                        "link"};
    char text[WR_CID_TEXT_SIZE], bytes[16];

    wr_cid_print(&x->cid, text);
    printf("what      %s, a %s", text, x->is_tree ? kinds[x->kind] : "chunk");
    if (x->is_tree && x->kind == WR_NODE_FILE)
        printf(" of %s", wr_size_text(x->size, bytes));
    if (x->blocks_n > 1)
        printf(" in %zu%s blocks", x->blocks_n, x->more ? " and more" : "");
    putchar('\n');
}

/* "label     1a2b3c4d, 5e6f7a8b", of the hosts that `of` tells. */
static void print_hosts(const struct subject *x, const char *label,
                        bool (*of)(const struct subject *x, const json_t *h))
{
    const char *gap = "";
    size_t i;
    json_t *h;

    printf("%-10s", label);
    json_array_foreach(x->hosts, i, h)
    {
        const char *liveness = text_of(h, "liveness");

        if (!of(x, h))
            continue;
        printf("%s%.8s", gap, text_of(h, "host"));
        if (strcmp(liveness, "up") != 0)
            printf(" (%s)", liveness);
        gap = ", ";
    }
    puts(*gap == '\0' ? "nobody" : "");
}

static bool of_set(const struct subject *x, const json_t *h)
{
    return should_have(x, text_of(h, "host"));
}

static bool of_holders(const struct subject *x, const json_t *h)
{
    (void)x;
    return is_true(json_object_get(h, "answer"), "here");
}

static bool of_damaged(const struct subject *x, const json_t *h)
{
    (void)x;
    return is_true(json_object_get(h, "answer"), "damaged");
}

static bool of_silent(const struct subject *x, const json_t *h)
{
    (void)x;
    return !has_said(h);
}

static void print_blocks(const struct subject *x)
{
    const char *gap = "";

    if (x->blocks_n < 2)
        return;
    fputs("blocks    ", stdout);
    for (unsigned n = HOSTS_MAX + 1; n-- > 0;) {
        const size_t with = blocks_with(x, n);

        if (with == 0)
            continue;
        if (n == 0)
            printf("%s%zu on nobody that answers", gap, with);
        else
            printf("%s%zu on %u host%s", gap, with, n, n == 1 ? "" : "s");
        gap = ", ";
    }
    puts(x->unread ? "; what lies below those is not known" : "");
}

static void print_put(const json_t *o)
{
    const time_t expiry = (time_t)number_of(o, "expiry_s");
    char nobody[WR_HEX_SIZE(WR_PUT_ID)];
    char date[32] = "for ever";
    struct tm tm;

    wr_hex(wr_span(wr_put_id_salvaged, WR_PUT_ID), nobody);
    if (strcmp(text_of(o, "put"), nobody) == 0) {
        puts("put       not known: its store was salvaged; it is kept");
        return;
    }
    if (number_of(o, "records") == 0) {
        printf("put       %.8s, whose record no host that answers has; kept\n",
               text_of(o, "put"));
        return;
    }
    /* Its owner says when, and may say any number. */
    if (expiry != 0 && localtime_r(&expiry, &tm) != NULL)
        strftime(date, sizeof(date), "until %Y-%m-%d %H:%M", &tm);
    printf("put       %.8s by %.8s: %s", text_of(o, "put"), text_of(o, "owner"),
           text_of(o, "state"));
    if (strcmp(text_of(o, "state"), "given up") != 0)
        printf(" %s", date);
    printf("; %u record%s\n", (unsigned)number_of(o, "records"),
           number_of(o, "records") == 1 ? "" : "s");
}

static void print_text(const struct subject *x)
{
    char text[256];
    size_t i;
    json_t *o;

    print_what(x);
    if (x->set != NULL)
        print_hosts(x, "belongs", of_set);
    else
        puts("belongs   not known: its owner could not be found");
    print_hosts(x, "is on", of_holders);
    if (damaged(x) > 0)
        print_hosts(x, "rotten", of_damaged);
    if (x->silent > 0)
        print_hosts(x, "silent", of_silent);
    print_blocks(x);
    json_array_foreach(x->puts, i, o)
    {
        print_put(o);
    }
    if (json_array_size(x->puts) == 0 && blocks_with(x, 0) == 0)
        puts("put       nothing refers to it");
    conclude(x, text, sizeof(text));
    printf("so        %s\n", text);
}

static void print_json(const struct subject *x)
{
    char cid[WR_CID_TEXT_SIZE], text[256];
    json_t *copies = json_object(), *set = json_array(), *e;
    size_t i;

    wr_cid_print(&x->cid, cid);
    conclude(x, text, sizeof(text));
    for (unsigned n = 0; n <= HOSTS_MAX; n++) {
        char key[8];

        snprintf(key, sizeof(key), "%u", n);
        if (blocks_with(x, n) > 0)
            json_object_set_new(copies, key,
                                json_integer((json_int_t)blocks_with(x, n)));
    }
    json_array_foreach(x->set, i, e)
    {
        if (i < x->want)
            json_array_append(set, json_object_get(e, "host"));
    }
    json_t *o = json_pack(
        "{s:s, s:I, s:b, s:i, s:o, s:o, s:O, s:O, s:s, s:s}", "cid", cid,
        "blocks", (json_int_t)x->blocks_n, "complete",
        (int)(!x->more && !x->unread), "copies_wanted", (int)x->want,
        "blocks_by_copies", copies, "belongs", set, "hosts", x->hosts, "puts",
        x->puts, "verdict", verdicts[verdict_of(x)], "text", text);
    cli_json(o);
    json_decref(o);
}

/* ---- the command -------------------------------------------------------- */

/* The CID that `what` names: itself, or behind a path. */
static bool resolve(struct subject *x, const char *what)
{
    static wreath_stat_result r; /* 6 KiB. */
    const char *text = what;

    if (strchr(what, '/') != NULL) {
        if (wreath_stat(x->w, what, &r, &x->error) != WREATH_OK)
            return false;
        text = r.cid;
    }
    if (wr_cid_parse(wr_span_str(text), &x->cid, NULL) != WR_OK)
        return false;
    wr_hex(wr_span(x->cid.digest, WR_DIGEST_SIZE), x->key);
    return true;
}

static bool look(struct subject *x)
{
    json_t *trace, *h;
    size_t i;

    x->status = ask(x, "status", "");
    if (x->status == NULL)
        return false;
    x->want = (unsigned)number_of(x->status, "copies");
    trace = ask(x, "trace", x->key);
    x->set = json_incref(json_object_get(trace, "set"));
    json_decref(trace);
    x->hosts = survey(x, "chunk", x->key);
    if (x->hosts == NULL)
        return false;
    json_array_foreach(x->hosts, i, h)
    {
        x->silent += !has_said(h);
    }
    walk(x, &x->cid, 0);
    sort_blocks(x);
    return count_blocks(x) && add_puts(x);
}

static int tell_free(const struct cli *cli, const struct wr_cid *cid)
{
    const char *why =
        wr_cid_is_inline(cid)
            ? "the CID holds its content: no host has to keep it"
            : "it is empty: no host has to keep a block of no bytes";
    char text[WR_CID_TEXT_SIZE];

    if (!cli->json) {
        printf("so        %s\n", why);
        return 0;
    }
    wr_cid_print(cid, text);
    json_t *o =
        json_pack("{s:s, s:i, s:b, s:s, s:s}", "cid", text, "blocks", 0,
                  "complete", 1, "verdict", verdicts[WELL], "text", why);
    cli_json(o);
    json_decref(o);
    return 0;
}

static int explain(struct subject *x, const char *what)
{
    int status;

    if (!resolve(x, what))
        return cli_leaf_fail(x->cli, &x->error);
    if (is_free(&x->cid))
        return tell_free(x->cli, &x->cid);
    if (!look(x))
        return cli_leaf_fail(x->cli, &x->error);
    status = wr_err_status(errors[verdict_of(x)]);
    if (x->cli->json)
        print_json(x);
    else
        print_text(x);
    return status;
}

int cmd_why(struct cli *cli, int argc, char **argv)
{
    struct subject x = {.cli = cli};
    struct wr_cid cid;
    const char *what;
    char text[WR_CID_TEXT_SIZE];
    int first;
    const int over = cli_options(cli, "why", NULL, 0, argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first != 1)
        return cli_usage(cli, "why", "say one CID, or CID/PATH");
    what = argv[first];
    snprintf(text, sizeof(text), "%.*s", (int)strcspn(what, "/"), what);
    if (wr_cid_parse(wr_span_str(text), &cid, NULL) != WR_OK)
        return cli_usage(cli, "why", "'%s' is no CID", what);
    if (is_free(&cid) && strchr(what, '/') == NULL)
        return tell_free(cli, &cid);
    x.blocks = calloc(BLOCKS_MAX, sizeof(*x.blocks));
    if (x.blocks == NULL)
        return 1;
    int status = cli_leaf_open(cli, "why", "10s", &x.w);
    if (status == 0) {
        x.puts = json_array();
        status = explain(&x, what);
        cli_leaf_close(x.w);
    }
    json_decref(x.status);
    json_decref(x.set);
    json_decref(x.hosts);
    json_decref(x.puts);
    free(x.blocks);
    return status;
}
