/* cmd_superpeer.c - `wreath superpeer`: run this host's super-peer. */
#include <string.h>

#include "cli.h"
#include "host/super.h"

static void on_ready(void *arg, const char *address)
{
    const struct cli *cli = arg;

    if (cli->json)
        printf("{\"listening\":\"%s\"}\n", address);
    else if (!cli->quiet)
        printf("listening on %s\n", address);
    fflush(stdout);
}

static int run(struct cli *cli)
{
    struct wr_home home;
    struct wr_why why;
    int status = cli_open(cli, &home);

    if (status != 0)
        return status;
    status = cli_start_log(cli, "superpeer");
    const struct wr_super_cfg cfg = {
        .home = &home, .config = &cli->config, .ready = on_ready, .arg = cli};
    if (status == 0 && wr_super_run(&cfg, &why) != WR_OK)
        status = cli_fail(cli, &why);
    wr_home_close(&home);
    return status;
}

/* KEY=VALUE. */
static int set(struct cli *cli, const char *text)
{
    char name[64];
    struct wr_why why;
    const char *equals = strchr(text, '=');

    if (equals == NULL || (size_t)(equals - text) >= sizeof(name))
        return cli_usage(cli, "superpeer", "--set takes KEY=VALUE");
    memcpy(name, text, (size_t)(equals - text));
    name[equals - text] = '\0';
    if (wr_config_set(&cli->config, name, equals + 1, WR_FROM_FLAG, &why) !=
        WR_OK)
        return cli_usage(cli, "superpeer", "%s", why.text);
    return 0;
}

int cmd_superpeer(struct cli *cli, int argc, char **argv)
{
    const char *sets[16] = {NULL};
    const struct option_row rows[] = {
        {"listen", 'l', NULL, NULL, "listen"},
        {"advertise", 0, NULL, NULL, "advertise"},
        {"store", 0, NULL, NULL, "store"},
        {"quota", 0, NULL, NULL, "quota"},
        {"log-level", 0, NULL, NULL, "log_level"},
        {"log-format", 0, NULL, NULL, "log_format"},
    };
    size_t sets_n = 0;
    int kept = 1;

    /* --set may stand more than once: taken out before the rest is read. */
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--set") == 0 && i + 1 < argc && sets_n < 16)
            sets[sets_n++] = argv[++i];
        else
            argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    const int over = cli_options(cli, "superpeer", rows, WR_ARRAY_LEN(rows),
                                 kept, argv, NULL);
    if (over != 0)
        return over - 1;
    for (size_t i = 0; i < sets_n; i++) {
        const int status = set(cli, sets[i]);

        if (status != 0)
            return status;
    }
    return run(cli);
}
