/*
 * cli.h - what the commands of the program share: global options, the way to
 * fail, the way to show progress. One command, one source: cmd_*.c.
 */
#ifndef WR_TOOLS_CLI_H
#define WR_TOOLS_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "client/home.h"
#include "host/cards.h"
#include "host/config.h"
#include "sys/why.h"

enum { CLI_MEMBERS_LEAST = 17 }; /* R1: a ring starts with r + 1 members. */

struct cli {
    char dir[WR_HOME_DIR_MAX]; /* The identity's directory. */
    bool dir_given;            /* --dir said it: what we advise repeats it. */
    bool json;                 /* --json: machines read standard output. */
    bool quiet;                /* --quiet: no progress, no remarks. */
    bool colour; /* Standard output is a terminal and NO_COLOR is unset. */
    bool tty;    /* Standard error is a terminal: show progress. */
    struct wr_config config;
};

struct command {
    const char *name;
    int (*run)(struct cli *cli, int argc, char **argv); /* An exit status. */
    const char *usage;                                  /* After "wreath ". */
    const char *summary;                                /* One line. */
    const char *help; /* The options, a line each; may be NULL. */
    bool first;       /* One of the six that --help shows. */
};

extern const struct command cli_commands[];
extern const size_t cli_commands_n;

int cmd_init(struct cli *cli, int argc, char **argv);
int cmd_superpeer(struct cli *cli, int argc, char **argv);
int cmd_leave(struct cli *cli, int argc, char **argv);
int cmd_invite(struct cli *cli, int argc, char **argv);
int cmd_join(struct cli *cli, int argc, char **argv);
int cmd_remove(struct cli *cli, int argc, char **argv);
int cmd_revoke(struct cli *cli, int argc, char **argv);
int cmd_leaf(struct cli *cli, int argc, char **argv);
int cmd_put(struct cli *cli, int argc, char **argv);
int cmd_get(struct cli *cli, int argc, char **argv);
int cmd_ls(struct cli *cli, int argc, char **argv);
int cmd_cat(struct cli *cli, int argc, char **argv);
int cmd_stat(struct cli *cli, int argc, char **argv);
int cmd_rm(struct cli *cli, int argc, char **argv);
int cmd_status(struct cli *cli, int argc, char **argv);
int cmd_peers(struct cli *cli, int argc, char **argv);
int cmd_trace(struct cli *cli, int argc, char **argv);
int cmd_scrub(struct cli *cli, int argc, char **argv);
int cmd_fsck(struct cli *cli, int argc, char **argv);
int cmd_salvage(struct cli *cli, int argc, char **argv);
int cmd_why(struct cli *cli, int argc, char **argv);
int cmd_backup(struct cli *cli, int argc, char **argv);
int cmd_restore(struct cli *cli, int argc, char **argv);
int cmd_doctor(struct cli *cli, int argc, char **argv);
int cmd_config(struct cli *cli, int argc, char **argv);
int cmd_bench(struct cli *cli, int argc, char **argv);

/* Prints "wreath: TEXT" on standard error (with --json, an object on standard
 * output as well) and returns the exit status of why->err. The text is as
 * cli_advice() makes it. */
int cli_fail(const struct cli *cli, const struct wr_why *why);

/* One line for people on standard error, at once; nothing with --quiet. */
void cli_remark(const struct cli *cli, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* "wreath: TEXT", the command's usage, status 2. */
int cli_usage(const struct cli *cli, const char *command, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Of a host that says farewell, for people. */
#define CLI_FAREWELL_WAITS                                                     \
    "waiting until another host has confirmed that this one has left"

/* Usage, summary and options of a command, on standard output. */
void cli_describe(const struct command *c);

enum {
    CLI_SELF_MAX = 2 * WR_HOME_DIR_MAX + 16,
    CLI_LINE_MAX = CLI_SELF_MAX + 1024
};

/* `text` as one word of a shell's line, at most twice as long; cut if it does
 * not fit. Returns ret. */
const char *cli_word(const char *text, char *ret, size_t room);

/* "wreath", with the --dir that it was given: what advice begins with. */
const char *cli_self(const struct cli *cli, char ret[CLI_SELF_MAX]);

/* `text`, in which what is quoted as 'wreath COMMAND ...' is to be run here: it
 * gets the --dir that we were given. The words of the library need this, which
 * knows of no options. Returns ret. */
const char *cli_advice(const struct cli *cli, const char *text,
                       char ret[CLI_LINE_MAX]);

/* What --dir says. */
void cli_set_dir(struct cli *cli, const char *dir);

/* Opens cli->dir's identity and takes the settings of its wreath.ini. 0, or an
 * exit status: it has been printed why, and nothing is open. */
int cli_open(struct cli *cli, struct wr_home *ret);

/* The members of `ring` as written down in cli->dir, for a look; the caller
 * gives both to cli_cards_close(). WR_ENOMEM: nothing is open. */
WR_MUST_USE enum wr_err cli_cards_open(const struct cli *cli,
                                       const uint8_t ring[WR_SIGN_PUBLIC],
                                       struct wr_book *ret_book,
                                       struct wr_cards *ret);
void cli_cards_close(struct wr_book *book, struct wr_cards *cards);

/* Whether the list of members says that we, whose directory `home` is, have
 * left, and that others know, or have it from the issuer. Untouched but for
 * WR_OK; WR_EREFUSED: no super-peer's directory; WR_ENOMEM. */
WR_MUST_USE enum wr_err cli_own_card(const struct cli *cli,
                                     const struct wr_home *home, bool *ret_left,
                                     bool *ret_known);

/* Lines of the log go to standard error, as the settings say. 0, or a usage
 * error's status. */
int cli_start_log(const struct cli *cli, const char *command);

/*
 * Options of a command: a table, so that usage, --help and the parser agree.
 * Parses with getopt_long; `--` ends options; operands may stand anywhere.
 * Also takes the global options, wherever they stand.
 */
struct option_row {
    const char *name;    /* Without the dashes. */
    char letter;         /* 0 if it has none. */
    const char **value;  /* Where the argument goes; NULL for a flag. */
    bool *flag;          /* Where a flag goes. */
    const char *setting; /* Or: the setting that it sets (config.h). */
};

/* 0, or an exit status + 1: the command is over (1: --help was printed).
 * Operands are left in argv[*ret_first .. argc); NULL: it takes none. */
int cli_options(struct cli *cli, const char *command,
                const struct option_row *rows, size_t n, int argc, char **argv,
                int *ret_first);

/* "4.2 s", "3 min 20 s"; `ret` has 24 bytes. Returns ret. */
const char *cli_time(uint64_t us, char ret[24]);

/* Progress on a terminal: one line, redrawn at most ten times a second. */
struct cli_progress {
    const struct cli *cli;
    const char *verb;
    uint64_t started, drawn; /* Monotonic, microseconds. */
    uint64_t last, moved;    /* What was done, and when that last grew. */
    bool shown;
};

void cli_progress_start(struct cli_progress *p, const struct cli *cli,
                        const char *verb);
/* `total` 0: unknown. `note` may be NULL. */
void cli_progress_show(struct cli_progress *p, uint64_t done, uint64_t total,
                       const char *note);
void cli_progress_end(struct cli_progress *p);

#endif
