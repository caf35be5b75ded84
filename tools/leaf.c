/* leaf.c - see leaf.h. */
#include "leaf.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"

/* The one handle of this process, for the signal handler. */
static wreath *running;

/* What interrupted it. */
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = number;
    if (running != NULL)
        wreath_interrupt(running);
}

int cli_leaf_fail(const struct cli *cli, const wreath_error *error)
{
    struct wr_why why = {.err = (enum wr_err)error->code};

    snprintf(why.text, sizeof(why.text), "%s", error->text);
    const int status = cli_fail(cli, &why);

    /* As a shell counts it, so that a loop of commands ends too. */
    return error->code == WREATH_ECANCELED && caught != 0 ? 128 + caught
                                                          : status;
}

/* Which hosts are down, as the super-peer sees it: what a put waited for. */
static void name_the_silent(wreath *w)
{
    char line[1024];
    wreath_error error;
    json_t *o, *e;
    char *text;
    size_t i, n = 0;

    if (wreath_query(w, "peers", "", &text, &error) != WREATH_OK)
        return;
    o = cli_json_read(text);
    json_array_foreach(json_object_get(o, "hosts"), i, e)
    {
        if (strcmp(text_of(e, "state"), "admitted") == 0 &&
            strcmp(text_of(e, "liveness"), "up") != 0 && n < sizeof(line))
            n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%.8s (%.64s)",
                                  n == 0 ? "these are down: " : ", ",
                                  text_of(e, "host"), text_of(e, "address"));
    }
    if (n > 0)
        fprintf(stderr, "%s; bring them up and run the same command again\n",
                line);
    json_decref(o);
}

/* Which stores are full: what a put found no room in. */
static void name_the_full(wreath *w)
{
    /* Of no host: what each says of itself is enough. */
    static const char question[] = "sees 00000000000000000000000000000000";
    char line[1024], used[16], all[16], *text;
    wreath_error error;
    json_t *o, *e;
    size_t i, n = 0;

    if (wreath_query(w, "survey", question, &text, &error) != WREATH_OK)
        return;
    o = cli_json_read(text);
    json_array_foreach(json_object_get(o, "hosts"), i, e)
    {
        const json_t *store =
            json_object_get(json_object_get(e, "answer"), "store");

        if (json_is_object(store) && n < sizeof(line) &&
            strcmp(text_of(store, "space"), "free") != 0)
            n += (size_t)snprintf(
                line + n, sizeof(line) - n, "%s%.8s (%s of %s)",
                n == 0 ? "these are full: " : ", ", text_of(e, "host"),
                wr_size_text(number_of(store, "used_bytes"), used),
                wr_size_text(number_of(store, "capacity_bytes"), all));
    }
    if (n > 0)
        fprintf(stderr,
                "%s; give up what is not needed, raise 'quota' in their "
                "wreath.ini, or add a disk or a host\n",
                line);
    json_decref(o);
}

int cli_leaf_explain(const struct cli *cli, wreath *w,
                     const wreath_error *error)
{
    const int status = cli_leaf_fail(cli, error);

    if (error->code == WREATH_EUNREACH || error->code == WREATH_ETIMEOUT)
        name_the_silent(w);
    else if (error->code == WREATH_EFULL)
        name_the_full(w);
    return status;
}

int cli_leaf_open(struct cli *cli, const char *command, const char *timeout,
                  wreath **ret)
{
    struct sigaction act = {.sa_handler = on_signal,
                            .sa_flags = (int)SA_RESETHAND};
    wreath_options options = {.dir = cli->dir};
    wreath_error error;
    wr_time us;

    if (timeout != NULL) {
        if (wr_duration_parse(timeout, &us) != WR_OK || us < WR_MS(1) ||
            us > WR_SEC(86400))
            return cli_usage(cli, command,
                             "--timeout is a duration, as 30s or 5m");
        options.timeout_ms = (uint32_t)(us / 1000);
    }
    if (wreath_open(&options, ret, &error) != WREATH_OK)
        return cli_leaf_fail(cli, &error);
    running = *ret;
    sigaction(SIGINT, &act, NULL); /* A second Ctrl-C ends the process. */
    sigaction(SIGTERM, &act, NULL);
    return 0;
}

void cli_leaf_close(wreath *w)
{
    running = NULL;
    wreath_close(w);
}

void cli_leaf_progress(void *arg, uint64_t done, uint64_t total)
{
    cli_progress_show(arg, done, total, NULL);
}
