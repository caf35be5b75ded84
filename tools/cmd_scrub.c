/* cmd_scrub.c - `wreath scrub`: read every chunk of this host's store again,
 * now, and replace what is rotten. */
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "cli.h"

enum { POLL_US = 200000 };

/* Watches pass `number` to its end; its scrub object in *ret. */
static int watch(struct cli *cli, uint64_t number, json_t **ret)
{
    struct cli_progress progress;
    int status;
    json_t *o;

    cli_progress_start(&progress, cli, "reading");
    for (;;) {
        status = cli_ask(cli, "status", "", &o);
        if (status != 0)
            break;
        json_t *scrub = json_object_get(o, "scrub");
        const json_t *pass = json_object_get(scrub, "pass");

        if (number_of(scrub, "passes_total") != number ||
            !json_is_true(json_object_get(scrub, "running"))) {
            *ret = json_incref(scrub);
            json_decref(o);
            break;
        }
        cli_progress_show(&progress, number_of(pass, "bytes"),
                          number_of(json_object_get(o, "store"), "chunk_bytes"),
                          NULL);
        json_decref(o);
        usleep(POLL_US); /* Between two looks at a long task. */
    }
    cli_progress_end(&progress);
    return status;
}

static void print(const json_t *scrub)
{
    const json_t *last = json_object_get(scrub, "last");
    const unsigned long long chunks = number_of(last, "chunks"),
                             found = number_of(last, "found"),
                             healed = number_of(last, "healed");
    char bytes[16];

    printf("read %llu chunk%s, %s: ", chunks, chunks == 1 ? "" : "s",
           wr_size_text(number_of(last, "bytes"), bytes));
    if (found == 0)
        puts("all whole");
    else
        printf("%llu rotten, %llu replaced by another copy\n", found, healed);
}

static int wait_for_end(struct cli *cli, uint64_t number)
{
    struct wr_why why;
    json_t *scrub;
    int status = watch(cli, number, &scrub);

    if (status != 0)
        return status;
    const unsigned long long waiting = number_of(scrub, "waiting");
    if (number_of(scrub, "passes_total") != number) {
        wr_why(&why, WR_EFAIL,
               "another scrub was started meanwhile, and goes on");
        status = cli_fail(cli, &why);
    } else {
        if (cli->json)
            cli_json(scrub);
        else
            print(scrub);
        if (waiting > 0) {
            fprintf(stderr,
                    "wreath: %llu rotten chunk%s found no good copy; they are "
                    "not served, and tried again. Are the other hosts up?\n",
                    waiting, waiting == 1 ? "" : "s");
            status = wr_err_status(WR_EDAMAGED);
        }
    }
    json_decref(scrub);
    return status;
}

int cmd_scrub(struct cli *cli, int argc, char **argv)
{
    const char *rate = "0";
    bool background = false;
    const struct option_row rows[] = {
        {"rate", 0, &rate, NULL, NULL},
        {"background", 'b', NULL, &background, NULL},
    };
    char text[24], line[CLI_LINE_MAX];
    uint64_t bytes, number;
    json_t *o;
    const int over =
        cli_options(cli, "scrub", rows, WR_ARRAY_LEN(rows), argc, argv, NULL);

    if (over != 0)
        return over - 1;
    if (wr_bytes_parse(rate, &bytes) != WR_OK)
        return cli_usage(cli, "scrub",
                         "--rate takes bytes a second, as 20M; not '%s'", rate);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
    const int status = cli_ask(cli, "scrub", text, &o);
    if (status != 0)
        return status;
    number = number_of(json_object_get(o, "scrub"), "passes_total");
    if (background && cli->json)
        cli_json(json_object_get(o, "scrub"));
    else if (background && !cli->quiet)
        puts(cli_advice(cli,
                        "reading all chunks; 'wreath status' shows how far it "
                        "is",
                        line));
    json_decref(o);
    return background ? 0 : wait_for_end(cli, number);
}
