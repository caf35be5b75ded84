/*
 * cmd.h - what the commands of wreath-sim share: their table, options, the way
 * to fail, Ctrl-C. One command, one source: cmd_*.c.
 */
#ifndef WR_SIM_CMD_H
#define WR_SIM_CMD_H

#include <signal.h>
#include <stdbool.h>

#include "preset.h"
#include "run.h"

/* Around a line of progress on a terminal: over the last one, and cut off where
 * a narrow terminal ends, for a line that wraps cannot be written over. */
#define SIM_LINE "\r\033[?7l"
#define SIM_LINE_END "\033[K\033[?7h"

enum { SIM_INTERRUPTED = 130 }; /* The exit status, as the shell has it. */

struct wr_narrow;

struct sim_command {
    const char *name;
    int (*run)(int argc, char **argv); /* An exit status. */
    const char *usage;                 /* After "wreath-sim ". */
    const char *summary;               /* One line. */
    const char *help;                  /* The options, a line each. */
};

int cmd_run(int argc, char **argv);
int cmd_sweep(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_fuzz(int argc, char **argv);
int cmd_shrink(int argc, char **argv);

/* Says why; the exit status of why->err. */
int sim_fail(const struct wr_why *why);

/* "wreath-sim: TEXT" and the command's usage; 2. */
int sim_usage(const char *command, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A repeated option's arguments. */
enum { SIM_LIST_MAX = 32 };
struct sim_list {
    const char *v[SIM_LIST_MAX];
    size_t n;
};

struct sim_option {
    const char *name;      /* Without the dashes. */
    const char **value;    /* Where the argument goes, */
    bool *flag;            /* or that it was there, */
    struct sim_list *list; /* or one more argument. */
    const char *key;       /* Or: the scenario's key that it sets. */
    const char *fixed;     /* The value of `key`, without an argument. */
};

/* Rows with a key go to `settings`, "key=value" each; NULL if there are none.
 * 0, or an exit status + 1. Operands are left in argv[*ret_first .. argc). */
int sim_options(const char *command, const struct sim_option *rows, size_t n,
                struct sim_list *settings, int argc, char **argv,
                int *ret_first);

/* A preset or file with "key=value" settings upon it, checked. */
WR_MUST_USE enum wr_err sim_scenario(struct wr_scenario *s, const char *name,
                                     const struct sim_list *settings,
                                     struct wr_why *why);

/* Splits "key=value"; WR_EINVAL. `ret_key` has WR_SCENARIO_TEXT_MAX bytes. */
WR_MUST_USE enum wr_err sim_split(const char *setting, char *ret_key,
                                  const char **ret_value, struct wr_why *why);

/* "2s..3s", either end may be missing; false if it is none. */
bool sim_trace(const char *text, wr_time *ret_from, wr_time *ret_to);

/* A decimal number from 0 to `most`. */
bool sim_number(const char *text, uint64_t most, uint64_t *ret);

/* How `fuzz` and `shrink` narrow a plan: as they were given, NULL if not. */
struct sim_narrow {
    const char *hosts, *members, *without, *until, *keep;
};
#define SIM_NARROW_ROWS(v)                                                     \
    {.name = "hosts", .value = &(v).hosts},                                    \
        {.name = "members", .value = &(v).members},                            \
        {.name = "without", .value = &(v).without},                            \
        {.name = "until", .value = &(v).until},                                \
    {                                                                          \
        .name = "keep", .value = &(v).keep                                     \
    }
/* 0, or an exit status: something is wrong with them, and it was said. */
int sim_narrow(const char *command, const struct sim_narrow *v,
               struct wr_narrow *ret);

/* From now on Ctrl-C sets this; a second one ends the program. */
extern volatile sig_atomic_t sim_stop;
void sim_catch_stop(void);

/* Runs and shows progress, on a terminal. */
WR_MUST_USE enum wr_err sim_run(const struct wr_scenario *s,
                                struct wr_run_hooks *hooks, bool quiet,
                                json_t **ret);

#endif
