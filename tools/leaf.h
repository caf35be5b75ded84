/*
 * leaf.h - how the commands use libwreath: a handle that Ctrl-C interrupts,
 * and its errors as the program's.
 */
#ifndef WR_TOOLS_LEAF_H
#define WR_TOOLS_LEAF_H

#include "cli.h"
#include "wreath/wreath.h"

/* Opens the handle of cli->dir; Ctrl-C and SIGTERM interrupt what runs.
 * `timeout` (may be NULL) is a duration as text. 0, or an exit status: it has
 * been printed why. */
int cli_leaf_open(struct cli *cli, const char *command, const char *timeout,
                  wreath **ret);
void cli_leaf_close(wreath *w);

/* Prints the error and returns the exit status. */
int cli_leaf_fail(const struct cli *cli, const wreath_error *error);

/* The same, and what the super-peer can tell of the cause: which hosts are
 * down, where too few are up; which are full. */
int cli_leaf_explain(const struct cli *cli, wreath *w,
                     const wreath_error *error);

/* A wreath_progress for a struct cli_progress. */
void cli_leaf_progress(void *arg, uint64_t done, uint64_t total);

#endif
