/* cmd_put.c - `wreath put`: store files and trees. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "cli.h"
#include "leaf.h"
#include "sys/clock.h"

struct wishes {
    const char *hash, *profile, *chunker, *copies, *wait, *timeout, *ttl;
};

/* NULL, or what is wrong. */
static const char *read_wishes(const struct wishes *w, wreath_put_options *o)
{
    *o = (wreath_put_options){
        .hash = w->hash, .profile = w->profile, .chunker = w->chunker};
    if (w->copies != NULL) {
        if (strlen(w->copies) != 1 || w->copies[0] < '1' || w->copies[0] > '8')
            return "--copies is a number from 1 to 8";
        o->copies = (uint32_t)(w->copies[0] - '0');
    }
    if (strcmp(w->wait, "one") == 0)
        o->wait = WREATH_WAIT_ONE;
    else if (strcmp(w->wait, "all") == 0)
        o->wait = WREATH_WAIT_ALL;
    else if (strcmp(w->wait, "majority") != 0)
        return "--wait is one, majority or all";
    if (w->ttl != NULL) {
        if (wr_until_parse(w->ttl, wr_clock_wall_s(), &o->ttl_s) != WR_OK)
            return "--ttl is a duration, as 30d or 12h, or a date to come, "
                   "as 2030-01-31";
    }
    return NULL;
}

static void print_json(const char *path, const wreath_put_result *r,
                       uint64_t spent_us)
{
    json_t *o = json_pack(
        "{s:s%, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:i, s:f}", "path", path,
        strlen(path), "cid", r->cid, "put", r->put, "bytes",
        (json_int_t)r->size, "bytes_sent", (json_int_t)r->bytes_sent, "files",
        (json_int_t)r->files, "chunks", (json_int_t)r->chunks,
        "chunks_deduplicated", (json_int_t)r->chunks_deduplicated, "copies",
        (int)r->copies, "seconds", (double)spent_us / 1e6);

    if (o != NULL)
        cli_json(o);
    else /* A path that is no UTF-8 cannot stand in JSON. */
        printf("{\"path\":null,\"cid\":\"%s\",\"put\":\"%s\"}\n", r->cid,
               r->put);
    json_decref(o);
}

static void print_remark(const wreath_put_result *r, uint64_t spent_us)
{
    char size[16], sent[16], rate[16], time[24];

    fprintf(
        stderr, "%s in %s (%s/s), %s sent; %u cop%s of each chunk on disk\n",
        wr_size_text(r->size, size), cli_time(spent_us, time),
        wr_size_text((uint64_t)((double)r->size * 1e6 / (double)(spent_us + 1)),
                     rate),
        wr_size_text(r->bytes_sent, sent), r->copies,
        r->copies == 1 ? "y" : "ies");
}

static int put_one(struct cli *cli, wreath *w, const char *path,
                   wreath_put_options *options)
{
    const bool from_stdin = strcmp(path, "-") == 0;
    const wr_time began = wr_clock_now();
    struct cli_progress progress;
    wreath_put_result r;
    wreath_error error;

    cli_progress_start(&progress, cli, "putting");
    options->progress = cli_leaf_progress;
    options->progress_arg = &progress;
    const wreath_code code =
        from_stdin ? wreath_put_fd(w, STDIN_FILENO, options, &r, &error)
                   : wreath_put_path(w, path, options, &r, &error);
    cli_progress_end(&progress);
    if (code != WREATH_OK)
        return cli_leaf_explain(cli, w, &error);
    if (cli->json) {
        print_json(path, &r, wr_clock_now() - began);
    } else {
        puts(r.cid);
        if (!cli->quiet && cli->tty)
            print_remark(&r, wr_clock_now() - began);
    }
    fflush(stdout);
    return 0;
}

int cmd_put(struct cli *cli, int argc, char **argv)
{
    struct wishes wishes = {.wait = "majority"};
    const struct option_row rows[] = {
        {"hash", 0, &wishes.hash, NULL, NULL},
        {"profile", 0, &wishes.profile, NULL, NULL},
        {"chunker", 0, &wishes.chunker, NULL, NULL},
        {"copies", 0, &wishes.copies, NULL, NULL},
        {"wait", 0, &wishes.wait, NULL, NULL},
        {"timeout", 0, &wishes.timeout, NULL, NULL},
        {"ttl", 0, &wishes.ttl, NULL, NULL},
    };
    wreath_put_options options;
    wreath *w;
    int first;
    const int over =
        cli_options(cli, "put", rows, WR_ARRAY_LEN(rows), argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (first == argc)
        return cli_usage(cli, "put", "say what to put; - is standard input");
    const char *wrong = read_wishes(&wishes, &options);
    if (wrong != NULL)
        return cli_usage(cli, "put", "%s", wrong);
    int status = cli_leaf_open(
        cli, "put", wishes.timeout != NULL ? wishes.timeout : "60s", &w);
    if (status != 0)
        return status;
    for (int i = first; i < argc && status == 0; i++)
        status = put_one(cli, w, argv[i], &options);
    cli_leaf_close(w);
    return status;
}
