/* cmd_look.c - `wreath ls`, `stat` and `rm`: what there is, and giving it up.
 */
#include <string.h>
#include <time.h>

#include "ask.h"
#include "cli.h"
#include "leaf.h"
#include "object/cid.h"
#include "sys/clock.h"

struct listing {
    const struct cli *cli;
    json_t *all; /* With --json. */
    size_t n;
};

static const char *kind_text(wreath_kind kind)
{
    switch (kind) {
    case WREATH_FILE:
        return "file";
    case WREATH_DIRECTORY:
        return "directory";
    case WREATH_LINK:
        return "link";
    case WREATH_OTHER:
        break;
    }
    return "other";
}

/* A name may hold any bytes; a terminal is shown harmless ones. */
static void print_name(const struct cli *cli, const char *name)
{
    for (const char *p = name; *p != '\0'; p++) {
        const unsigned char c = (unsigned char)*p;

        /* C1 controls are two bytes of UTF-8. */
        const bool c1 = c == 0xc2 && (unsigned char)p[1] >= 0x80 &&
                        (unsigned char)p[1] < 0xa0;

        if (c < ' ' || c == 0x7f)
            printf("\\x%02x", c);
        else if (c1)
            printf("\\x%02x\\x%02x", c, (unsigned char)*++p);
        else
            putchar(c);
    }
    (void)cli;
}

static void on_entry(void *arg, const wreath_entry *e)
{
    struct listing *l = arg;
    char size[16];

    l->n++;
    if (l->cli->json) {
        json_t *name = json_string(e->name);

        if (name == NULL)
            name = json_null(); /* No UTF-8: the CID still says what it is. */
        json_array_append_new(
            l->all,
            json_pack("{s:o, s:s, s:s, s:I, s:b}", "name", name, "cid", e->cid,
                      "kind", kind_text(e->kind), "bytes", (json_int_t)e->size,
                      "executable", (int)e->executable));
        return;
    }
    printf("%-9s %10s  %s  ", kind_text(e->kind), wr_size_text(e->size, size),
           e->cid);
    print_name(l->cli, e->name);
    puts(e->kind == WREATH_DIRECTORY ? "/" : "");
}

static bool has_expired(const wreath_root *r)
{
    return r->expires_s != 0 && wr_clock_wall_s() >= r->expires_s;
}

static const char *date_text(uint64_t at_s, char ret[32])
{
    const time_t at = (time_t)at_s;
    struct tm tm;

    if (localtime_r(&at, &tm) == NULL) /* Of a year beyond all calendars. */
        return "9999-12-31 23:59";
    strftime(ret, 32, "%Y-%m-%d %H:%M", &tm);
    return ret;
}

static json_t *root_json(const wreath_root *r)
{
    json_t *name = json_string(r->name);

    return json_pack("{s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:b}", "put", r->put,
                     "cid", r->cid, "name", name != NULL ? name : json_null(),
                     "state", r->state, "bytes", (json_int_t)r->size,
                     "created_s", (json_int_t)r->created_s, "expires_s",
                     (json_int_t)r->expires_s, "expired", (int)has_expired(r));
}

static void on_root(void *arg, const wreath_root *r)
{
    struct listing *l = arg;
    const bool whole = r->cid[0] != '\0'; /* Else its size is not known. */
    char size[16], date[32];

    l->n++;
    if (l->cli->json) {
        json_array_append_new(l->all, root_json(r));
        return;
    }
    printf("%s  %-7s %10s  %s  ", date_text(r->created_s, date),
           has_expired(r) ? "expired" : r->state,
           whole ? wr_size_text(r->size, size) : "-", whole ? r->cid : r->put);
    if (r->name[0] == '\0') /* No file's name has a slash. */
        fputs("(no name/standard input)", stdout);
    print_name(l->cli, r->name);
    if (whole && r->expires_s != 0)
        printf("  (%s %s)", has_expired(r) ? "since" : "until",
               date_text(r->expires_s, date));
    putchar('\n');
}

int cmd_ls(struct cli *cli, int argc, char **argv)
{
    struct listing l = {.cli = cli};
    wreath_error error;
    wreath_code code;
    wreath *w;
    int first;
    const int over = cli_options(cli, "ls", NULL, 0, argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first > 1)
        return cli_usage(cli, "ls", "say one CID, or CID/PATH");
    int status = cli_leaf_open(cli, "ls", NULL, &w);
    if (status != 0)
        return status;
    l.all = json_array();
    if (first == argc)
        code = wreath_roots(w, on_root, &l, &error);
    else
        code = wreath_list(w, argv[first], on_entry, &l, &error);
    cli_leaf_close(w);
    if (code != WREATH_OK)
        status = cli_leaf_fail(cli, &error);
    else if (cli->json)
        cli_json(l.all);
    else if (first == argc && l.n == 0 && !cli->quiet)
        fputs("nothing was put from here yet\n", stderr);
    json_decref(l.all);
    return status;
}

/* Of one's own puts those that `stat` is about. */
struct own {
    const char *cid;
    json_t *all;
};

static void on_own(void *arg, const wreath_root *r)
{
    struct own *own = arg;

    if (strcmp(r->cid, own->cid) == 0)
        json_array_append_new(own->all, root_json(r));
}

static void print_own(const json_t *all)
{
    const json_t *o;
    char date[32];
    size_t i;

    json_array_foreach(all, i, o)
    {
        const uint64_t end =
            (uint64_t)json_integer_value(json_object_get(o, "expires_s"));
        const bool over = json_is_true(json_object_get(o, "expired"));

        printf("put      %s, ", json_string_value(json_object_get(o, "put")));
        if (end == 0)
            puts("kept for good");
        else
            printf("%s %s\n", over ? "expired" : "kept until",
                   date_text(end, date));
    }
}

/* Its block is in the CID, or has no bytes: nobody has to keep it. */
static bool is_free(const wreath_stat_result *r)
{
    struct wr_cid cid;

    return wr_cid_parse(wr_span_str(r->cid), &cid, NULL) == WR_OK &&
           (wr_cid_is_inline(&cid) ||
            wr_cid_matches(&cid, (struct wr_span){0}));
}

static void print_stat(const wreath_stat_result *r, const json_t *own)
{
    char size[16];

    printf("cid      %s\nkind     %s\n", r->cid, kind_text(r->kind));
    if (r->kind == WREATH_FILE)
        printf("size     %llu bytes (%s)\nchunks   %llu\n",
               (unsigned long long)r->size, wr_size_text(r->size, size),
               (unsigned long long)r->chunks);
    printf("blocks   %llu\n", (unsigned long long)r->blocks);
    if (r->mode != 0)
        printf("mode     %o\n", r->mode);
    if (r->kind == WREATH_LINK)
        printf("target   %s\n", r->target);
    if (is_free(r))
        puts("copies   none, nor need of any: its content is nothing, or in "
             "the CID");
    else
        printf("copies   %u of its root block\n", r->copies);
    for (uint32_t i = 0; i < r->hosts_n; i++)
        printf("on       %s\n", r->hosts[i]);
    print_own(own);
}

static void json_stat(const wreath_stat_result *r, json_t *own)
{
    json_t *hosts = json_array();

    for (uint32_t i = 0; i < r->hosts_n; i++)
        json_array_append_new(hosts, json_string(r->hosts[i]));
    json_t *o = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:i, s:i, s:o, s:O}", "cid", r->cid, "kind",
        kind_text(r->kind), "bytes", (json_int_t)r->size, "chunks",
        (json_int_t)r->chunks, "blocks", (json_int_t)r->blocks, "mode",
        (int)r->mode, "copies", (int)r->copies, "hosts", hosts, "puts", own);
    if (r->kind == WREATH_LINK)
        json_object_set_new(o, "target", json_string(r->target));
    cli_json(o);
    json_decref(o);
}

int cmd_stat(struct cli *cli, int argc, char **argv)
{
    static wreath_stat_result r; /* 6 KiB. */
    wreath_error error;
    wreath *w;
    int first;
    const int over = cli_options(cli, "stat", NULL, 0, argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first != 1)
        return cli_usage(cli, "stat", "say one CID, or CID/PATH");
    int status = cli_leaf_open(cli, "stat", NULL, &w);
    if (status != 0)
        return status;
    struct own own = {.cid = r.cid, .all = json_array()};
    wreath_code code = wreath_stat(w, argv[first], &r, &error);
    if (code == WREATH_OK)
        code = wreath_roots(w, on_own, &own, &error);
    cli_leaf_close(w);
    if (code != WREATH_OK)
        status = cli_leaf_fail(cli, &error);
    else if (cli->json)
        json_stat(&r, own.all);
    else
        print_stat(&r, own.all);
    json_decref(own.all);
    return status;
}

int cmd_rm(struct cli *cli, int argc, char **argv)
{
    const char *timeout = NULL;
    const struct option_row rows[] = {{"timeout", 0, &timeout, NULL, NULL}};
    wreath_error error;
    wreath *w;
    size_t n = 0;
    int first;
    const int over = cli_options(cli, "rm", rows, 1, argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first != 1)
        return cli_usage(cli, "rm", "say one CID, or one put's id");
    int status = cli_leaf_open(cli, "rm", timeout, &w);
    if (status != 0)
        return status;
    if (wreath_rm(w, argv[first], &n, &error) != WREATH_OK)
        status = cli_leaf_explain(cli, w, &error);
    cli_leaf_close(w);
    if (status != 0)
        return status;
    if (cli->json)
        printf("{\"given_up\":%llu}\n", (unsigned long long)n);
    else if (!cli->quiet)
        printf("gave up %llu put%s; chunks that no other put keeps are deleted "
               "after a day\n",
               (unsigned long long)n, n == 1 ? "" : "s");
    return 0;
}
