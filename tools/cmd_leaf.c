/* cmd_leaf.c - `wreath leaf`: stay attached, and serve the other commands that
 * run in the same directory. */
#include "cli.h"
#include "host/leafd.h"

static void on_attached(void *arg, const char *host, const char *at)
{
    const struct cli *cli = arg;

    if (cli->json)
        printf("{\"attached\":\"%s\",\"at\":\"%s\"}\n", host, at);
    else if (!cli->quiet)
        printf("attached to %s at %s\n", host, at);
    fflush(stdout);
}

static int run(struct cli *cli)
{
    struct wr_home home;
    struct wr_why why;
    int status = cli_open(cli, &home);

    if (status != 0)
        return status;
    status = cli_start_log(cli, "leaf");
    const struct wr_leafd_cfg cfg = {
        .home = &home, .attached = on_attached, .arg = cli};
    if (status == 0 && wr_leafd_run(&cfg, &why) != WR_OK)
        status = cli_fail(cli, &why);
    /* Whom it learned to dial; failing costs a later fail-over, no more. */
    if (status == 0 && wr_home_save_contacts(&home, &why) != WR_OK)
        fprintf(stderr, "wreath: %s\n", why.text);
    wr_home_close(&home);
    return status;
}

int cmd_leaf(struct cli *cli, int argc, char **argv)
{
    const struct option_row rows[] = {
        {"log-level", 0, NULL, NULL, "log_level"},
        {"log-format", 0, NULL, NULL, "log_format"},
    };

    const int over =
        cli_options(cli, "leaf", rows, WR_ARRAY_LEN(rows), argc, argv, NULL);
    if (over != 0)
        return over - 1;
    return run(cli);
}
