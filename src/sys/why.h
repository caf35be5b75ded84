/*
 * why.h - an error with a text for people: what happened, what it means, what
 * to do, in one or two lines. Drivers fill it where they know the path, the
 * address or the process that is to blame; the program prints it as it is.
 *
 * Not a log, and never shown to a peer: it may hold local paths.
 */
#ifndef WR_SYS_WHY_H
#define WR_SYS_WHY_H

#include <stdint.h>

#include "base/err.h"

enum { WR_WHY_TEXT_MAX = 400 };

struct wr_why {
    enum wr_err err;
    char text[WR_WHY_TEXT_MAX]; /* NUL-terminated; cut at the end if long. */
};

/* Fills `why` (NULL is fine) and returns `err`, so that a failure reads
 * `return wr_why(why, WR_EIO, "...")`. A later call replaces an earlier one. */
enum wr_err wr_why(struct wr_why *why, enum wr_err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* `err` for an `errno` value; WR_EIO for what has no better name. */
enum wr_err wr_err_of_errno(int e);

/* "1.50 MiB". Returns ret. */
const char *wr_size_text(uint64_t n, char ret[static 16]);

/* The text of an errno value, valid in any thread; never NULL. */
const char *wr_errno_text(int e);

#endif
