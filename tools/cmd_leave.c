/* cmd_leave.c - `wreath leave`: hand everything over, then go for good. */
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "cli.h"
#include "sys/clock.h"

enum {
    POLL_US = 200000,
    WAITS_LONG = 50, /* Looks; where nothing is wrong it is over before. */
    LAST_LOOKS = 50, /* From the last answer to the last that is written. */
};

static bool running(struct cli *cli, json_t **ret)
{
    struct wr_why why;

    return cli_try(cli, "status", "", ret, &why) == WR_OK;
}

/* Why a host that hands nothing over any more has not ended; or NULL. */
static const char *waits_for(const char *state)
{
    if (state != NULL && strcmp(state, "saying farewell") == 0)
        return CLI_FAREWELL_WAITS;
    if (state != NULL && strcmp(state, "writing farewell") == 0)
        return "but that this host leaves cannot be written down here: its log "
               "says why";
    return NULL;
}

/* Until the process has gone, which is the last thing that it does. False if
 * it serves again: it could not hand everything over. */
static bool watch(struct cli *cli, uint64_t chunks)
{
    struct cli_progress progress;
    unsigned waited = 0;
    bool gone = true;
    json_t *o;

    cli_progress_start(&progress, cli, "handing over");
    while (gone && running(cli, &o)) {
        const char *state = json_string_value(json_object_get(o, "state"));
        char note[64];

        gone = state == NULL || strcmp(state, "serving") != 0;
        const char *waits = waits_for(state);

        if (waits != NULL && ++waited == WAITS_LONG && !cli->quiet) {
            cli_progress_end(&progress);
            fprintf(stderr, "everything is handed over; %s\n", waits);
        }
        snprintf(note, sizeof(note), "%llu of %llu chunks",
                 (unsigned long long)number_of(o, "chunks_handed_over"),
                 (unsigned long long)chunks);
        cli_progress_show(&progress, 0, 0, note);
        json_decref(o);
        usleep(POLL_US); /* Between two looks at a long task. */
    }
    cli_progress_end(&progress);
    return gone;
}

/* Nothing answers any more: because it has left, or because the process ended
 * before. What it writes last tells. */
static enum wr_err outcome(const struct cli *cli, struct wr_why *why)
{
    bool left = false, known = false;
    struct wr_home home;
    enum wr_err err = wr_home_open(&home, cli->dir, why);

    if (err != WR_OK)
        return err;
    for (unsigned i = 0; i < LAST_LOOKS && err == WR_OK && !(left && known);
         i++) {
        if (i > 0)
            usleep(POLL_US);
        err = cli_own_card(cli, &home, &left, &known);
    }
    wr_home_close(&home);
    if (err != WR_OK)
        return wr_why(why, err, "%s", wr_err_text(err));
    if (left && known)
        return WR_OK;
    return wr_why(why, WR_ECLOSED, "%s",
                  left
                      ? "the super-peer does not answer any more, and no other "
                        "host has confirmed that this one has left. Start it "
                        "again, and wait until it has ended by itself"
                      : "the super-peer does not answer any more, and had not "
                        "handed everything over. Start it again, then run "
                        "'wreath leave'");
}

int cmd_leave(struct cli *cli, int argc, char **argv)
{
    struct wr_why why;
    json_t *o;
    const int over = cli_options(cli, "leave", NULL, 0, argc, argv, NULL);

    if (over != 0)
        return over - 1;
    int status = cli_ask(cli, "status", "", &o);
    if (status != 0)
        return status;
    const uint64_t chunks = number_of(json_object_get(o, "store"), "chunks");
    json_decref(o);
    status = cli_ask(cli, "leave", "", &o);
    if (status != 0)
        return status;
    json_decref(o);
    if (!watch(cli, chunks)) {
        wr_why(&why, WR_EUNREACH,
               "not enough other hosts could be reached to take every chunk "
               "and to be told; this host goes on serving. Try again when "
               "they are up");
        return cli_fail(cli, &why);
    }
    if (outcome(cli, &why) != WR_OK)
        return cli_fail(cli, &why);
    if (cli->json)
        printf("{\"left\":true,\"chunks\":%llu}\n", (unsigned long long)chunks);
    else if (!cli->quiet)
        printf("handed over %llu chunks and left the ring for good\n",
               (unsigned long long)chunks);
    return 0;
}
