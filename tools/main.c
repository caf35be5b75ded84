/* main.c - the program `wreath`: finds the command and gives it its options. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli.h"
#include "client/home.h"
#include "crypto/secret.h"
#include "sys/log.h"

const struct command cli_commands[] = {
    {"init", cmd_init, "init [--listen ADDR] [--advertise ADDR] [--members V]",
     "Make a ring, and this host its first super-peer.",
     "  --listen ADDR      address and port to listen on (0.0.0.0:4077)\n"
     "  --advertise ADDR   what others dial, where that differs\n"
     "  --members V        places on the ring, 17 to 64 (17)\n",
     true},
    {"superpeer", cmd_superpeer, "superpeer [--listen ADDR] [SETTING...]",
     "Run this host's super-peer, in the foreground.",
     "  --listen ADDR      address and port to listen on\n"
     "  --advertise ADDR   what others dial, where that differs\n"
     "  --store KIND       lmdb, or memory (forgets all at its end)\n"
     "  --quota BYTES      most bytes on disk, as 500G\n"
     "  --log-level L      error, warn, info or debug\n"
     "  --log-format F     text or json\n"
     "  --set KEY=VALUE    any other setting; 'wreath config' lists them\n",
     true},
    {"leave", cmd_leave, "leave",
     "Hand every chunk to the other hosts, then leave the ring for good.", NULL,
     false},
    {"invite", cmd_invite,
     "invite [--super-peer] [--expires 7d] [--uses N] [--quota 10G] "
     "[--site S] [-o FILE]",
     "Print a ticket for a new member.",
     "  --super-peer       for a super-peer; otherwise for a leaf\n"
     "  --expires D        how long the ticket can be redeemed (7d)\n"
     "  --uses N           how many may join with it (1)\n"
     "  --quota BYTES      most bytes that a leaf may put, through each "
     "super-peer\n"
     "  --members V        a super-peer's places on the ring (17)\n"
     "  --site S           where a super-peer stands: copies go to other "
     "sites first\n"
     "  -o FILE            write the ticket to FILE\n",
     true},
    {"join", cmd_join, "join [FILE|-]", "Redeem a ticket: become a member.",
     NULL, true},
    {"remove", cmd_remove, "remove [--force] HOST",
     "Issuer: declare a dead super-peer gone for good.",
     "  --force            one that is up, too\n", false},
    {"revoke", cmd_revoke, "revoke HOST|LEAF",
     "Issuer: cut a member off, everywhere, at once.", NULL, false},
    {"leaf", cmd_leaf, "leaf [--log-level L] [--log-format F]",
     "Stay attached to a super-peer; other commands go through it.",
     "  --log-level L      error, warn, info or debug\n"
     "  --log-format F     text or json\n",
     false},
    {"put", cmd_put,
     "put PATH... [--hash H] [--profile P] [--chunker C] [--copies N] "
     "[--wait one|majority|all] [--timeout T] [--ttl D]",
     "Store files and trees; prints one CID per path.",
     "  --hash H           blake2b-256 (default) or sha2-256\n"
     "  --profile P        wreath (default) or unixfs-v1-2025\n"
     "  --chunker C        fastcdc, fastcdc-AVERAGE or size-BYTES\n"
     "  --copies N         copies of each chunk, on distinct hosts (3)\n"
     "  --wait W           durable on one, a majority (default), or all "
     "copies\n"
     "  --timeout T        give up after T without progress (60s)\n"
     "  --ttl D            keep it for D, as 30d, or until a date (for good)\n",
     true},
    {"get", cmd_get,
     "get CID[/PATH] [-o OUT] [--range A:B] [--force] [--timeout T]",
     "Fetch a file or tree.",
     "  -o OUT             write to OUT; - is standard output\n"
     "  --range A:B        only bytes A to B, B excluded\n"
     "  --force            replace OUT, a whole directory by a tree too\n"
     "  --timeout T        give up after T without progress (60s)\n",
     true},
    {"ls", cmd_ls, "ls [CID[/PATH]]",
     "List a directory; without CID, what this identity has put.", NULL, false},
    {"cat", cmd_cat, "cat CID[/PATH] [--timeout T]",
     "Write a file to standard output.",
     "  --timeout T        give up after T without progress (60s)\n", false},
    {"stat", cmd_stat, "stat CID[/PATH]",
     "Describe: kind, size, chunks, copies and where they are.", NULL, false},
    {"rm", cmd_rm, "rm CID|PUT [--timeout T]",
     "Give up something that was put.",
     "  --timeout T        give up after T without progress (30s)\n", false},
    {"status", cmd_status, "status", "How this host or its parent fares.", NULL,
     false},
    {"peers", cmd_peers, "peers [--fingers]", "The ring as this host sees it.",
     "  --fingers          each member's successors and fingers\n", false},
    {"trace", cmd_trace, "trace KEY",
     "Look up who owns a CID or a 64-digit key, hop by hop.", NULL, false},
    {"doctor", cmd_doctor, "doctor",
     "Is this host well? Checks, with advice; exit status 1 if not.", NULL,
     false},
    {"why", cmd_why, "why CID[/PATH]",
     "Why a file or chunk is slow, missing or unsafe: who has it, who not.",
     NULL, false},
    {"scrub", cmd_scrub, "scrub [--rate BYTES] [--background]",
     "Read every chunk of this host again, and replace what is rotten.",
     "  --rate BYTES       at most so many a second, as 20M (as it goes)\n"
     "  -b, --background   start it and return\n",
     false},
    {"fsck", cmd_fsck, "fsck [STORE]",
     "Judge the store of a host that is stopped, and say what helps.", NULL,
     false},
    {"salvage", cmd_salvage, "salvage OLD NEW",
     "Rebuild a store whose tables are damaged from what its pages hold.", NULL,
     false},
    {"backup", cmd_backup, "backup [--keys] DIR",
     "Copy the store of this host, which may run, or its keys, to DIR.",
     "  --keys             identity, ring key and tickets in place of the "
     "store\n",
     false},
    {"restore", cmd_restore, "restore [--keys] DIR",
     "Make a host of the backup in DIR; nothing is overwritten.",
     "  --keys             the identity alone: its store begins empty\n",
     false},
    {"config", cmd_config, "config",
     "Every setting, its value, and where it comes from.", NULL, false},
    {"bench", cmd_bench,
     "bench [--super-peers K] [--copies N] [--size S] [--files F]",
     "Measure this machine, and a ring of its own on loopback.",
     "  --super-peers K    hosts of the ring (3)\n"
     "  --copies N         copies of each chunk (3)\n"
     "  --size S           bytes of the big file (512M)\n"
     "  --files F          small files of 4 KiB (10000)\n"
     "  --runs R           runs, of which the median counts (3)\n",
     false},
};

const size_t cli_commands_n = WR_ARRAY_LEN(cli_commands);

static void help(bool all)
{
    fputs("wreath keeps a group's files on its own machines.\n\n"
          "usage: wreath [--dir DIR] COMMAND ...\n\n",
          stdout);
    for (size_t i = 0; i < cli_commands_n; i++)
        if (all || cli_commands[i].first)
            printf("  %-10s %s\n", cli_commands[i].name,
                   cli_commands[i].summary);
    fputs(all ? "\n" : "\n'wreath help' lists every command; ", stdout);
    fputs("'wreath COMMAND --help' describes one.\n", stdout);
}

static int unknown(const char *name)
{
    struct wr_text_guess g = {.name = name};

    for (size_t i = 0; i < cli_commands_n; i++)
        wr_text_offer(&g, cli_commands[i].name);
    if (g.distance == 1) /* What fingers do. */
        fprintf(stderr,
                "wreath: there is no command '%s'; did you mean '%s'?\n", name,
                g.best);
    else
        fprintf(stderr,
                "wreath: there is no command '%s'; 'wreath help' lists them\n",
                name);
    return 2;
}

/* Global options before the command. Returns the index of the command in
 * argv, or -1 with *ret_status set. */
static int globals(struct cli *cli, int argc, char **argv, int *ret_status)
{
    int i = 1;

    *ret_status = 2;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc) {
            cli_set_dir(cli, argv[++i]);
        } else if (strncmp(argv[i], "--dir=", 6) == 0) {
            cli_set_dir(cli, argv[i] + 6);
        } else if (strcmp(argv[i], "--json") == 0) {
            cli->json = true;
        } else if (strcmp(argv[i], "--quiet") == 0 ||
                   strcmp(argv[i], "-q") == 0) {
            cli->quiet = true;
        } else if (strcmp(argv[i], "--help") == 0 ||
                   strcmp(argv[i], "-h") == 0) {
            help(false);
            *ret_status = 0;
            return -1;
        } else if (strcmp(argv[i], "--version") == 0) {
            puts("wreath " WR_VERSION);
            *ret_status = 0;
            return -1;
        } else if (strcmp(argv[i], "--dir") == 0) {
            fputs("wreath: --dir takes a directory\n", stderr);
            return -1;
        } else {
            fprintf(stderr,
                    "wreath: unknown option '%s'; see 'wreath --help'\n",
                    argv[i]);
            return -1;
        }
    }
    if (i == argc) {
        fputs("wreath: say what to do; 'wreath --help' shows how\n", stderr);
        return -1;
    }
    return i;
}

static bool prepare(struct cli *cli)
{
    struct wr_why why;
    char home[WR_HOME_DIR_MAX];

    signal(SIGPIPE, SIG_IGN);
    cli->tty = isatty(STDERR_FILENO) == 1;
    cli->colour = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;
    wr_config_init(&cli->config);
    wr_log_init(STDERR_FILENO, WR_LOG_WARN, WR_LOG_AS_TEXT);
    if (wr_crypto_init() != WR_OK) {
        fputs("wreath: this system has no source of randomness\n", stderr);
        return false;
    }
    if (wr_config_environment(&cli->config, &why) != WR_OK) {
        cli_fail(cli, &why);
        return false;
    }
    if (wr_home_default(home, NULL) == WR_OK)
        snprintf(cli->dir, sizeof(cli->dir), "%s", home);
    return true;
}

/* A CID that never reached its file was not printed. Who has closed our pipe
 * has read enough. */
static int finish(const struct cli *cli, int status)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    const bool before = ferror(stdout) != 0;
    struct wr_why why;

    errno = 0;
    if (fflush(stdout) == 0 && !before)
        return status;
    const int e = errno;
    if (e == EPIPE || (poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0))
        return status;
    if (e == 0) /* It was some time ago. */
        wr_why(&why, WR_EFAIL, "cannot write the output");
    else
        wr_why(&why, wr_err_of_errno(e), "cannot write the output: %s",
               wr_errno_text(e));
    const int failed = cli_fail(&(struct cli){.quiet = cli->quiet}, &why);
    return status != 0 ? status : failed;
}

static int run(struct cli *cli, int argc, char **argv)
{
    int status;
    const int at = globals(cli, argc, argv, &status);

    if (at < 0)
        return status;
    const bool asks = strcmp(argv[at], "help") == 0;
    if (asks && (at + 1 == argc || argv[at + 1][0] == '-')) {
        help(true);
        return 0;
    }
    const char *name = argv[asks ? at + 1 : at];
    for (size_t i = 0; i < cli_commands_n; i++)
        if (strcmp(name, cli_commands[i].name) == 0) {
            if (!asks)
                return cli_commands[i].run(cli, argc - at, argv + at);
            cli_describe(&cli_commands[i]);
            return 0;
        }
    return unknown(name);
}

int main(int argc, char **argv)
{
    static struct cli cli; /* 7 KiB: no need to burden the stack. */

    return prepare(&cli) ? finish(&cli, run(&cli, argc, argv)) : 1;
}
