/*
 * out.h - a run's result (docs/simulator.md has its schema) for people and for
 * machines: the summary, the figures side by side, JSON and CSV.
 *
 * Files are written as a whole or not at all; "-" is standard output.
 */
#ifndef WR_SIM_OUT_H
#define WR_SIM_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "sys/why.h"

/* What runs are compared by. */
struct wr_figure {
    const char *name;
    const char *path; /* In the result: "lookups.hops_mean". */
    double times;     /* To the unit that is printed. */
    const char *unit;
    int digits; /* Behind the point. */
};

extern const struct wr_figure wr_figures[];
extern const size_t wr_figures_n;

/* What is at "a.b"; NULL: nothing. */
const json_t *wr_out_at(const json_t *result, const char *path);

/* The number at "a.b"; false: there is none, or null. */
bool wr_out_number(const json_t *result, const char *path, double *ret);

/* "12.3 %" or "-"; returns `ret`. */
const char *wr_out_figure(const json_t *result, const struct wr_figure *f,
                          char ret[48]);

/* About twenty aligned lines. */
void wr_out_summary(FILE *to, const json_t *result);

enum { WR_OUT_LABEL_MAX = 80 };

/* What result `i` of `n` is called beside the others: its name; with its seed,
 * where another has that name; and a number, where it has that seed, too.
 * Returns `ret`. */
const char *wr_out_label(json_t *const *results, size_t n, size_t i,
                         char ret[WR_OUT_LABEL_MAX]);

/* One column a run, `n` of them. */
void wr_out_compare(FILE *to, json_t *const *results, size_t n);

/* A bug: an invariant violated, a message or body that is none, a wrong byte,
 * something lost. */
bool wr_out_bad(const json_t *result);

/* Whether a file can be written there, before a long run; NULL is nothing to
 * write. */
WR_MUST_USE enum wr_err wr_out_prepare(const char *path, struct wr_why *why);

/* A file appears as a whole; a device or FIFO is written into, "-" is standard
 * output. WR_EIO and what else wr_file_write says. */
WR_MUST_USE enum wr_err wr_out_json(const char *path, const json_t *o,
                                    struct wr_why *why);

/* The series, a line of names first. */
WR_MUST_USE enum wr_err wr_out_csv(const char *path, const json_t *result,
                                   struct wr_why *why);

#endif
