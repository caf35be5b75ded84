/* report_private.h - what the pages of a run, a sweep and a compare share. */
#ifndef WR_SIM_REPORT_PRIVATE_H
#define WR_SIM_REPORT_PRIVATE_H

#include <stdbool.h>

#include "out.h"
#include "page.h"
#include "plot.h"
#include "report.h"

enum {
    REPORT_ROWS_MAX = 400, /* Of a table. */
    REPORT_RUNS_MAX = 12,  /* Side by side: as `compare` takes. */
    REPORT_MARKS_MAX = 64,
};

/* ---- report.c: the page ----------------------------------------------- */

/* Text of the document; "" if there is none. */
const char *report_string(const json_t *result, const char *path);

/* A value of its scenario, as text; "?" if there is none. */
const char *report_setting(const json_t *result, const char *key);

/* The number at "a.b", kept to what can be drawn; NAN: none. */
double report_number(const json_t *result, const char *path);

void report_head(FILE *to, const char *what, const char *name,
                 const char *version);
void report_foot(FILE *to);

void report_section(FILE *to, const char *title);
void report_section_end(FILE *to);

/* A picture's title and what it says in words, escaped; the picture follows. */
void report_figure(FILE *to, const char *title, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void report_figure_end(FILE *to);
void report_key(FILE *to, const char *colour, const char *text);

/* Instead of a picture: why there is none. */
void report_none(FILE *to, const char *title, const char *why);

/* The few figures that runs are compared by, large. */
void report_tiles(FILE *to, const json_t *result);

/* ---- report_text.c: words and tables ---------------------------------- */

/* The command that repeats a run; with `seeds`, the sweep that it is of. */
void report_command(FILE *to, const json_t *result, json_t *vary, size_t seeds);
void report_summary(FILE *to, const json_t *result);
void report_log(FILE *to, const json_t *result);
void report_scenario(FILE *to, const json_t *result, const char *lead);
void report_every(FILE *to, const json_t *result);

/* Keys whose values differ among `runs`, a column a run. */
void report_differences(FILE *to, json_t *const *runs,
                        const char *const *labels, size_t n);

/* ---- report_lines.c: what happens over time --------------------------- */

struct report_line {
    const json_t *result;
    const char *column; /* Of the series; or "right_share". */
    const char *label;
    const char *colour;
};

struct report_lines {
    const char *title, *caption;
    enum plot_kind kind;
    const char *unit;
    bool zero, area;
    double times; /* To the unit. */
    const struct plot_mark *marks;
    size_t marks_n;
};

bool report_has(const json_t *result, const char *column);

/* Says so where lines are drawn of means. */
bool report_thinned(FILE *to, const json_t *result);

/* False, and nothing is drawn: no such columns. */
bool report_lines(FILE *to, const struct report_lines *what,
                  const struct report_line *lines, size_t n);

/* Lookups that were wrong or failed, as bars. */
bool report_errors(FILE *to, const json_t *result,
                   const struct plot_mark *marks, size_t marks_n);

/* The scenario's events. */
size_t report_marks(const json_t *result,
                    struct plot_mark ret[REPORT_MARKS_MAX]);

/* ---- report_spread.c: distributions, one moment ------------------------- */

/* Each is a picture; false: the result does not have what it draws. */
bool report_hops(FILE *to, const json_t *result);
bool report_latency(FILE *to, const json_t *result);
bool report_ring(FILE *to, const json_t *result);
bool report_kinds(FILE *to, const json_t *result); /* Traffic by message. */
bool report_load(FILE *to, const json_t *result);
bool report_copies(FILE *to, const json_t *result);

/* ---- the pages --------------------------------------------------------- */

void report_run(FILE *to, const json_t *result);     /* report_run.c */
void report_sweep(FILE *to, const json_t *sweep);    /* report_sweep.c */
void report_compare(FILE *to, const json_t *result); /* report_compare.c */

#endif
