/*
 * report.h - a result as one page for people: HTML with its pictures in it
 * (SVG), without scripts, that needs nothing but itself.
 *
 * It takes every document that wreath-sim writes: a run's, a sweep's, a
 * compare's, also one from a file, which may hold anything: what is missing or
 * of another type is left out, text is escaped, and the page is bounded.
 */
#ifndef WR_SIM_REPORT_H
#define WR_SIM_REPORT_H

#include <jansson.h>

#include "sys/why.h"

/* Makes the directory, before hours are spent on what would go there.
 * WR_EEXIST (a file has that name), WR_EPERM, and so on. NULL is fine. */
WR_MUST_USE enum wr_err wr_report_prepare(const char *dir, struct wr_why *why);

/* DIR/index.html, as a whole or not at all; NULL as `dir`: nothing. WR_EINVAL:
 * this is no result. */
WR_MUST_USE enum wr_err wr_report(const char *dir, const json_t *result,
                                  struct wr_why *why);

#endif
