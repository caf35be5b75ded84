/* report.c - see report.h: the page, and its file. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report_private.h"
#include "sys/fs.h"

extern const char *const wr_report_css[]; /* embed.c prints it. */

/* ---- the document ----------------------------------------------------- */

const char *report_string(const json_t *result, const char *path)
{
    const char *s = json_string_value(wr_out_at(result, path));

    return s != NULL ? s : "";
}

const char *report_setting(const json_t *result, const char *key)
{
    const char *s = json_string_value(
        json_object_get(json_object_get(result, "scenario"), key));

    return s != NULL ? s : "?";
}

double report_number(const json_t *result, const char *path)
{
    double v;

    return wr_out_number(result, path, &v) ? fmax(-1e15, fmin(v, 1e15)) : NAN;
}

/* ---- the page --------------------------------------------------------- */

void report_head(FILE *to, const char *what, const char *name,
                 const char *version)
{
    /* The policy: no script runs, and nothing is fetched, whatever a file may
     * have smuggled in. */
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
          "<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, "
          "initial-scale=1\"/>\n"
          "<meta http-equiv=\"Content-Security-Policy\" "
          "content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
          "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
          "<meta name=\"generator\" content=\"wreath-sim ",
          to);
    page_text(to, version);
    fputs("\"/>\n<title>", to);
    page_text(to, name);
    fputs(" - wreath-sim</title>\n<style>\n", to);
    for (size_t i = 0; wr_report_css[i] != NULL; i++)
        fputs(wr_report_css[i], to);
    fputs("</style>\n</head>\n<body>\n<main>\n<header>\n<p class=\"over\">",
          to);
    page_text(to, what);
    fputs("</p>\n<h1>", to);
    page_text(to, name);
    fputs("</h1>\n", to);
}

void report_foot(FILE *to)
{
    fputs("</main>\n</body>\n</html>\n", to);
}

void report_section(FILE *to, const char *title)
{
    fputs("<section>\n<h2>", to);
    page_text(to, title);
    fputs("</h2>\n<div class=\"figures\">\n", to);
}

void report_section_end(FILE *to)
{
    fputs("</div>\n</section>\n", to);
}

void report_figure(FILE *to, const char *title, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fputs("<figure>\n<figcaption><h3>", to);
    page_text(to, title);
    fputs("</h3><p>", to);
    page_text(to, text);
    fputs("</p></figcaption>\n", to);
}

void report_figure_end(FILE *to)
{
    fputs("</figure>\n", to);
}

void report_key(FILE *to, const char *colour, const char *text)
{
    fprintf(to, "<span class=\"key %s\">", colour);
    page_text(to, text);
    fputs("</span>\n", to);
}

void report_none(FILE *to, const char *title, const char *why)
{
    fputs("<p class=\"none\"><b>", to);
    page_text(to, title);
    fputs("</b> ", to);
    page_text(to, why);
    fputs("</p>\n", to);
}

/* Large: with as few digits as will do. */
static const char *tile(const json_t *result, const struct wr_figure *f,
                        char ret[PAGE_NUMBER_MAX])
{
    const double v = report_number(result, f->path);

    if (strcmp(f->unit, "ms") == 0)
        return page_ms(v, ret);
    if (strcmp(f->unit, "B/s") == 0)
        return page_rate(v, ret);
    return wr_out_figure(result, f, ret);
}

void report_tiles(FILE *to, const json_t *result)
{
    fputs("<dl class=\"tiles\">\n", to);
    for (size_t i = 0; i < wr_figures_n; i++) {
        const struct wr_figure *f = &wr_figures[i];
        char text[PAGE_NUMBER_MAX];

        if (isnan(report_number(result, f->path)))
            continue;
        fputs("<div><dt>", to);
        page_text(to, f->name);
        fputs("</dt><dd>", to);
        page_text(to, tile(result, f, text));
        fputs("</dd></div>\n", to);
    }
    fputs("</dl>\n", to);
}

/* ---- the file ---------------------------------------------------------- */

enum wr_err wr_report_prepare(const char *dir, struct wr_why *why)
{
    const enum wr_err err = dir != NULL ? wr_dir_make(dir, 0755, why) : WR_OK;

    if (dir == NULL || err != WR_OK)
        return err;
    if (access(dir, W_OK | X_OK) != 0)
        return wr_why(why, wr_err_of_errno(errno),
                      "cannot write a report into %s: %s", dir,
                      wr_errno_text(errno));
    return WR_OK;
}

typedef void page_of(FILE *to, const json_t *result);

static page_of *which(const json_t *o)
{
    if (json_integer_value(json_object_get(o, "wreath_sim")) == 1)
        return report_run;
    if (json_integer_value(json_object_get(o, "wreath_sim_sweep")) == 1)
        return report_sweep;
    if (json_integer_value(json_object_get(o, "wreath_sim_compare")) == 1)
        return report_compare;
    return NULL;
}

static enum wr_err write_page(const char *dir, const char *text, size_t n,
                              struct wr_why *why)
{
    char *path;
    enum wr_err err = wr_report_prepare(dir, why);

    if (err != WR_OK)
        return err;
    if (asprintf(&path, "%s/index.html", dir) < 0)
        return wr_why(why, WR_ENOMEM, "out of memory for the report");
    err = wr_file_write(path, 0644, (struct wr_span){(const uint8_t *)text, n},
                        why);
    free(path);
    return err;
}

enum wr_err wr_report(const char *dir, const json_t *result, struct wr_why *why)
{
    page_of *const draw = which(result);
    char *text = NULL;
    size_t n = 0;

    if (dir == NULL)
        return WR_OK;
    if (draw == NULL)
        return wr_why(why, WR_EINVAL,
                      "this is no result of wreath-sim run, sweep or compare, "
                      "or one of another version");
    FILE *to = open_memstream(&text, &n);
    if (to == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory for the report");
    draw(to, result);
    enum wr_err err = fclose(to) == 0 ? write_page(dir, text, n, why)
                                      : wr_why(why, WR_ENOMEM,
                                               "out of memory for the report");
    free(text);
    return err;
}
