/* cmd_get.c - `wreath get` and `wreath cat`: fetch files and trees. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "cli.h"
#include "leaf.h"
#include "sys/clock.h"

/* "A:B", either side may be empty. */
static bool parse_range(const char *text, wreath_get_options *o)
{
    char *end;

    if (text[0] != ':') {
        if (text[0] < '0' || text[0] > '9')
            return false;
        o->from = strtoull(text, &end, 10);
    } else {
        end = (char *)(uintptr_t)text;
    }
    if (*end != ':')
        return false;
    if (end[1] == '\0')
        return true;
    if (end[1] < '0' || end[1] > '9')
        return false;
    o->to = strtoull(end + 1, &end, 10);
    return *end == '\0' && o->to > o->from;
}

/* Where it goes if nobody says: the last name of the path, or the CID. */
static const char *default_out(const char *what)
{
    const char *slash = strrchr(what, '/');

    return slash != NULL && slash[1] != '\0' ? slash + 1 : what;
}

static void print_json(const char *out, const wreath_get_result *r,
                       uint64_t spent_us)
{
    json_t *o =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:f}", "cid", r->cid,
                  "out", out, "bytes", (json_int_t)r->size, "bytes_fetched",
                  (json_int_t)r->bytes_fetched, "files", (json_int_t)r->files,
                  "directories", (json_int_t)r->directories, "tree",
                  (int)r->is_tree, "seconds", (double)spent_us / 1e6);

    if (o != NULL)
        cli_json(o);
    json_decref(o);
}

static void print_remark(const char *out, const wreath_get_result *r,
                         uint64_t spent_us)
{
    char size[16], rate[16], time[24];

    fprintf(
        stderr, "%s: %s in %s (%s/s)\n", out, wr_size_text(r->size, size),
        cli_time(spent_us, time),
        wr_size_text((uint64_t)((double)r->size * 1e6 / (double)(spent_us + 1)),
                     rate));
}

static int fetch(struct cli *cli, wreath *w, const char *what, const char *out,
                 wreath_get_options *options)
{
    const bool to_stdout = strcmp(out, "-") == 0;
    const wr_time began = wr_clock_now();
    struct cli_progress progress;
    wreath_get_result r;
    wreath_error error;

    cli_progress_start(&progress, cli, "getting");
    options->progress = cli_leaf_progress;
    options->progress_arg = &progress;
    const wreath_code code =
        to_stdout ? wreath_get_fd(w, what, STDOUT_FILENO, options, &r, &error)
                  : wreath_get_path(w, what, out, options, &r, &error);
    cli_progress_end(&progress);
    if (code == WREATH_ECLOSED && to_stdout)
        return 128 + SIGPIPE; /* `| head` has read enough: no word. */
    if (code != WREATH_OK)
        return cli_leaf_fail(cli, &error);
    if (cli->json && !to_stdout)
        print_json(out, &r, wr_clock_now() - began);
    else if (!cli->quiet && !to_stdout && cli->tty)
        print_remark(out, &r, wr_clock_now() - began);
    return 0;
}

static int get(struct cli *cli, const char *command, const char *what,
               const char *out, const char *timeout,
               wreath_get_options *options)
{
    wreath *w;
    int status =
        cli_leaf_open(cli, command, timeout != NULL ? timeout : "60s", &w);

    if (status != 0)
        return status;
    status = fetch(cli, w, what, out, options);
    cli_leaf_close(w);
    return status;
}

int cmd_get(struct cli *cli, int argc, char **argv)
{
    const char *out = NULL, *range = NULL, *timeout = NULL;
    wreath_get_options options = {0};
    const struct option_row rows[] = {
        {"output", 'o', &out, NULL, NULL},
        {"range", 0, &range, NULL, NULL},
        {"force", 'f', NULL, &options.force, NULL},
        {"timeout", 0, &timeout, NULL, NULL},
    };
    int first;
    const int over =
        cli_options(cli, "get", rows, WR_ARRAY_LEN(rows), argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first != 1)
        return cli_usage(cli, "get", "say one CID, or CID/PATH");
    if (range != NULL && !parse_range(range, &options))
        return cli_usage(cli, "get",
                         "--range is FROM:TO in bytes, as 0:1024 or 4096:");
    return get(cli, "get", argv[first],
               out != NULL ? out : default_out(argv[first]), timeout, &options);
}

int cmd_cat(struct cli *cli, int argc, char **argv)
{
    wreath_get_options options = {0};
    const char *timeout = NULL;
    const struct option_row rows[] = {{"timeout", 0, &timeout, NULL, NULL}};
    int first;
    const int over = cli_options(cli, "cat", rows, 1, argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first != 1)
        return cli_usage(cli, "cat", "say one CID, or CID/PATH");
    return get(cli, "cat", argv[first], "-", timeout, &options);
}
