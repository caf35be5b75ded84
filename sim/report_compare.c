/* report_compare.c - the page of results side by side. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report_private.h"

enum { HOPS_MAX = 40 };

struct compare {
    json_t *runs[REPORT_RUNS_MAX];
    size_t n;
    char room[REPORT_RUNS_MAX][WR_OUT_LABEL_MAX];
    const char *labels[REPORT_RUNS_MAX];
};

static const char *const colours[REPORT_RUNS_MAX] = {
    "c1", "c2", "c3",      "c4",      "c5",      "c6",
    "c7", "c8", "c1 dash", "c2 dash", "c3 dash", "c4 dash"};

static void overlay(FILE *to, const struct compare *c, const char *column,
                    struct report_lines what)
{
    struct report_line lines[REPORT_RUNS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++)
        if (report_has(c->runs[i], column))
            lines[n++] = (struct report_line){c->runs[i], column, c->labels[i],
                                              colours[i]};
    what.times = what.times == 0 ? 1 : what.times;
    if (n > 0)
        (void)report_lines(to, &what, lines, n);
}

static void over_time(FILE *to, const struct compare *c)
{
    report_section(to, "Over time");
    for (size_t i = 0; i < c->n && !report_thinned(to, c->runs[i]); i++)
        ;
    overlay(to, c, "right_share",
            (struct report_lines){.title = "Lookups right",
                                  .caption = "Of those that ended.",
                                  .unit = "% of lookups",
                                  .times = 100});
    overlay(to, c, "latency_ms_p50",
            (struct report_lines){.title = "Latency p50",
                                  .caption = "Half of the lookups are faster.",
                                  .kind = PLOT_MS});
    overlay(to, c, "latency_ms_p99",
            (struct report_lines){.title = "Latency p99",
                                  .caption = "99 % of the lookups are faster.",
                                  .kind = PLOT_MS});
    overlay(to, c, "bytes_per_host_s",
            (struct report_lines){.title = "Traffic of a host",
                                  .caption = "All headers included.",
                                  .kind = PLOT_BYTES,
                                  .unit = "B/s",
                                  .zero = true});
    overlay(to, c, "hosts_up",
            (struct report_lines){.title = "Hosts up",
                                  .caption = "At each sample.",
                                  .unit = "hosts",
                                  .zero = true});
    overlay(to, c, "wrong_first_successors",
            (struct report_lines){.title = "Wrong first successors",
                                  .caption = "Members with another than they "
                                             "should have.",
                                  .unit = "members",
                                  .zero = true});
    overlay(to, c, "leaves_attached",
            (struct report_lines){.title = "Leaves attached",
                                  .caption = "At each sample.",
                                  .unit = "leaves",
                                  .zero = true});
    overlay(to, c, "copies_mean",
            (struct report_lines){.title = "Copies of a chunk",
                                  .caption = "On the average.",
                                  .unit = "copies",
                                  .zero = true});
    report_section_end(to);
}

/* ---- distributions ---------------------------------------------------- */

static void keys(FILE *to, const struct compare *c)
{
    fputs("<p class=\"legend\">\n", to);
    for (size_t i = 0; i < c->n; i++)
        report_key(to, colours[i], c->labels[i]);
    fputs("</p>\n", to);
}

struct curve {
    size_t n;
    double x[PLOT_POINTS_MAX], y[PLOT_POINTS_MAX];
};

/* How many are answered by then, in percent. */
static void curve_of(const json_t *run, struct curve *c)
{
    const json_t *hist = wr_out_at(run, "lookups.latency_ms_hist"), *each;
    double sum = 0, so_far = 0;
    size_t i;

    c->n = 0;
    json_array_foreach(hist, i, each) sum +=
        fmax(0, fmin(json_number_value(json_array_get(each, 1)), 1e15));
    json_array_foreach(hist, i, each)
    {
        const double ms = json_number_value(json_array_get(each, 0));

        so_far +=
            fmax(0, fmin(json_number_value(json_array_get(each, 1)), 1e15));
        if (!(ms > 0) || ms > 1e12 || c->n == PLOT_POINTS_MAX)
            continue;
        c->x[c->n] = ms;
        c->y[c->n++] = 100 * so_far / sum;
    }
}

static void latencies(FILE *to, const struct compare *c)
{
    const char *title = "Answered within";
    struct plot p = {
        .to = to,
        .x = {.kind = PLOT_MS, .log = true, .what = "latency, logarithmic"},
        .y = {.unit = "% of answered lookups", .hi = 100}};
    double lo = INFINITY, hi = 0;
    struct curve curve;

    for (size_t i = 0; i < c->n; i++) {
        curve_of(c->runs[i], &curve);
        for (size_t k = 0; k < curve.n; k++) {
            lo = fmin(lo, curve.x[k]);
            hi = fmax(hi, curve.x[k]);
        }
    }
    if (hi == 0)
        return;
    plot_fit(&p.x, lo, hi, false, INFINITY);
    report_figure(to, title, "The share of lookups that took no longer.");
    keys(to, c);
    plot_open(&p, title, NULL, 0);
    for (size_t i = 0; i < c->n; i++) {
        curve_of(c->runs[i], &curve);
        plot_line(&p, colours[i], curve.x, curve.y, curve.n);
    }
    plot_close(&p);
    report_figure_end(to);
}

/* The shares of lookups with 0, 1, ... hops. */
static void hops_of(const json_t *run, struct curve *c)
{
    const json_t *hist = wr_out_at(run, "lookups.hops_hist"), *each;
    double sum = 0;
    size_t i;

    c->n = 0;
    json_array_foreach(hist, i, each) sum +=
        fmax(0, fmin(json_number_value(each), 1e15));
    json_array_foreach(hist, i, each) if (i < HOPS_MAX && sum > 0)
    {
        c->x[c->n] = (double)i;
        c->y[c->n++] = 100 * fmax(0, fmin(json_number_value(each), 1e15)) / sum;
    }
}

static void hops(FILE *to, const struct compare *c)
{
    const char *title = "Hops of a lookup";
    struct plot p = {.to = to,
                     .x = {.what = "hops", .hi = 1},
                     .y = {.unit = "% of lookups"}};
    struct curve curve;
    double most = 0;

    for (size_t i = 0; i < c->n; i++) {
        hops_of(c->runs[i], &curve);
        for (size_t k = 0; k < curve.n; k++)
            most = fmax(most, curve.y[k]);
        p.x.hi = fmax(p.x.hi, (double)curve.n - 1);
    }
    if (most == 0)
        return;
    plot_fit(&p.y, 0, most, true, 100);
    report_figure(to, title, "From host to host.");
    keys(to, c);
    plot_open(&p, title, NULL, 0);
    for (size_t i = 0; i < c->n; i++) {
        hops_of(c->runs[i], &curve);
        plot_line(&p, colours[i], curve.x, curve.y, curve.n);
    }
    plot_close(&p);
    report_figure_end(to);
}

/* ---- tables ------------------------------------------------------------ */

/* Some run has it. */
static bool measured(const struct compare *c, const struct wr_figure *f)
{
    for (size_t i = 0; i < c->n; i++)
        if (!isnan(report_number(c->runs[i], f->path)))
            return true;
    return false;
}

static void table(FILE *to, const struct compare *c)
{
    fputs("<div class=\"wide\"><table>\n<tr><th></th>", to);
    for (size_t i = 0; i < c->n; i++) {
        fputs("<th scope=\"col\">", to);
        report_key(to, colours[i], c->labels[i]);
        fputs("</th>", to);
    }
    fputs("</tr>\n", to);
    for (size_t f = 0; f < wr_figures_n; f++) {
        if (!measured(c, &wr_figures[f]))
            continue;
        fputs("<tr><th scope=\"row\">", to);
        page_text(to, wr_figures[f].name);
        fputs("</th>", to);
        for (size_t i = 0; i < c->n; i++) {
            char text[48];

            fputs("<td>", to);
            page_text(to, wr_out_figure(c->runs[i], &wr_figures[f], text));
            fputs("</td>", to);
        }
        fputs("</tr>\n", to);
    }
    fputs("</table></div>\n", to);
}

void report_compare(FILE *to, const json_t *doc)
{
    const json_t *runs = json_object_get(doc, "runs");
    struct compare *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return;
    for (size_t i = 0; i < json_array_size(runs) && c->n < REPORT_RUNS_MAX; i++)
        if (json_is_object(json_array_get(runs, i)))
            c->runs[c->n++] = json_array_get(runs, i);
    for (size_t i = 0; i < c->n; i++)
        c->labels[i] = wr_out_label(c->runs, c->n, i, c->room[i]);
    report_head(to, "wreath-sim compare", "Side by side",
                c->n > 0 ? report_string(c->runs[0], "version") : "");
    if (c->n == 0)
        fputs("<p class=\"alert mild\">No run has ended: there is nothing to "
              "draw.</p>\n",
              to);
    for (size_t i = 0; i < c->n; i++)
        if (json_is_true(json_object_get(c->runs[i], "interrupted"))) {
            fputs("<p class=\"alert mild\">", to);
            page_fmt(to,
                     "%s was interrupted: its figures are those up to then.",
                     c->labels[i]);
            fputs("</p>\n", to);
        }
    if (c->n > 0)
        table(to, c);
    fputs("</header>\n", to);
    if (c->n > 0) {
        over_time(to, c);
        report_section(to, "All in all");
        latencies(to, c);
        hops(to, c);
        report_section_end(to);
        report_differences(to, c->runs, c->labels, c->n);
        fputs("<section>\n<h2>To run them again</h2>\n", to);
        for (size_t i = 0; i < c->n; i++)
            report_command(to, c->runs[i], NULL, 0);
        fputs("</section>\n", to);
    }
    report_foot(to);
    free(c);
}
