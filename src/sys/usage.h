/*
 * usage.h - how a command is called, for people: lines that fit a terminal of
 * 80 columns.
 */
#ifndef WR_SYS_USAGE_H
#define WR_SYS_USAGE_H

#include <stdio.h>

/* "usage: PROGRAM COMMAND ...": `usage` is what follows the program's name,
 * its options in [brackets], which stay whole; further ways to call it each
 * behind a '\n'. */
void wr_usage_print(FILE *to, const char *program, const char *usage);

#endif
