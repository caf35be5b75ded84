/* report_sweep.c - the page of a sweep: cost against performance, and each
 * figure by what was varied. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "estimate.h"
#include "report_private.h"

enum {
    GROUPS_MAX = 512, /* Points of a picture. */
    VALUES_MAX = 64,
    LABEL_MAX = 120,
    LEGEND_MAX = 12,
};

/* The runs that differ in their seed alone. */
struct group {
    json_t **runs;
    size_t n;
    char line[LABEL_MAX];  /* The values of all axes but the last; */
    char value[LABEL_MAX]; /* of the last. */
    size_t x;              /* Which of the last axis' values, */
    size_t series;         /* and which line. */
};

struct sweep {
    json_t *vary;
    const char *last; /* Its last key; NULL: only seeds. */
    json_t **runs;
    size_t runs_n;
    struct group groups[GROUPS_MAX];
    size_t n;
    const char *values[VALUES_MAX]; /* Of the last axis. */
    size_t values_n;
    size_t series_n;
    bool cut;
};

/* ---- grouping ---------------------------------------------------------- */

static void name(const struct sweep *s, json_t *run, struct group *g)
{
    const char *key;
    json_t *values;
    size_t used = 0;

    g->line[0] = '\0';
    json_object_foreach(s->vary, key, values) if (strcmp(key, s->last) != 0 &&
                                                  used < LABEL_MAX - 1)
    {
        const int k =
            snprintf(g->line + used, LABEL_MAX - used, "%s%.40s = %.30s",
                     used > 0 ? ", " : "", key, report_setting(run, key));

        used += k > 0 ? (size_t)k : 0;
    }
    if (s->last != NULL)
        snprintf(g->value, LABEL_MAX, "%.60s", report_setting(run, s->last));
    else
        snprintf(g->value, LABEL_MAX, "seed %.40s",
                 report_setting(run, "run.seed"));
}

static size_t value_at(struct sweep *s, const struct group *g)
{
    for (size_t i = 0; i < s->values_n; i++)
        if (strcmp(s->values[i], g->value) == 0)
            return i;
    if (s->values_n == VALUES_MAX)
        return VALUES_MAX - 1;
    s->values[s->values_n] = g->value;
    return s->values_n++;
}

/* The runs come in order: those of one point together, the last axis faster
 * than the others. */
static void add(struct sweep *s, json_t **run)
{
    struct group *g = s->n > 0 ? &s->groups[s->n - 1] : NULL;
    struct group here;

    name(s, *run, &here);
    if (g != NULL && strcmp(g->line, here.line) == 0 &&
        strcmp(g->value, here.value) == 0) {
        g->n++;
        return;
    }
    if (s->n == GROUPS_MAX) {
        s->cut = true;
        return;
    }
    here.series = g == NULL                         ? 0
                  : strcmp(g->line, here.line) == 0 ? g->series
                                                    : g->series + 1;
    here.runs = run;
    here.n = 1;
    g = &s->groups[s->n++];
    *g = here;
    g->x = value_at(s, g);
    s->series_n = g->series + 1;
}

static bool group(const json_t *doc, struct sweep *s)
{
    const json_t *runs = json_object_get(doc, "runs");
    const char *key;
    json_t *values;

    s->vary = json_object_get(doc, "vary");
    json_object_foreach(s->vary, key, values) s->last = key;
    s->runs = calloc(json_array_size(runs) + 1, sizeof(s->runs[0]));
    if (s->runs == NULL)
        return false;
    for (size_t i = 0; i < json_array_size(runs); i++)
        if (json_is_object(json_array_get(runs, i)))
            s->runs[s->runs_n++] = json_array_get(runs, i);
    for (size_t i = 0; i < s->runs_n && !s->cut; i++)
        add(s, &s->runs[i]);
    return true;
}

/* ---- pictures ---------------------------------------------------------- */

static const char *colour(size_t series)
{
    static const char *const names[PLOT_COLOURS] = {"c1", "c2", "c3", "c4",
                                                    "c5", "c6", "c7", "c8"};

    return names[series % PLOT_COLOURS];
}

struct range {
    double lo, hi;      /* Of means, */
    double least, most; /* and with their intervals. */
};

static void widen(struct range *r, const struct wr_estimate *e, double times)
{
    r->lo = fmin(r->lo, e->mean * times);
    r->hi = fmax(r->hi, e->mean * times);
    r->least = fmin(r->least, (e->mean - e->half) * times);
    r->most = fmax(r->most, (e->mean + e->half) * times);
}

static struct wr_estimate estimate(const struct group *g,
                                   const struct wr_figure *f)
{
    return wr_estimate(g->runs, g->n, f->path);
}

static struct plot_axis axis(const struct wr_figure *f, const char *what,
                             const struct range *r)
{
    const bool percent = strcmp(f->unit, "%") == 0;
    struct plot_axis a = {.kind = strcmp(f->unit, "ms") == 0    ? PLOT_MS
                                  : strcmp(f->unit, "B/s") == 0 ? PLOT_BYTES
                                                                : PLOT_NUMBER,
                          .what = what,
                          .unit = f->unit};

    /* Two seeds can leave an interval so wide that all means would be one: it
     * ends at the edge of the picture then. Nothing lies below zero. */
    const double room = fmax(r->hi - r->lo, 0.25 * r->hi);
    plot_fit(&a, fmax(0, fmax(r->least, r->lo - room)),
             fmin(r->most, r->hi + room), false, percent ? 100 : INFINITY);
    return a;
}

static void legend(FILE *to, const struct sweep *s)
{
    size_t shown = 0;

    if (s->series_n < 2)
        return;
    fputs("<p class=\"legend\">\n", to);
    for (size_t i = 0; i < s->n && shown < LEGEND_MAX; i++)
        if (i == 0 || s->groups[i].series != s->groups[i - 1].series) {
            report_key(to, colour(s->groups[i].series), s->groups[i].line);
            shown++;
        }
    if (s->series_n > shown)
        fprintf(to, "<span>and %zu more</span>\n", s->series_n - shown);
    fputs("</p>\n", to);
}

/* Points of the same line are joined in the order of their values. */
static void joined(struct plot *p, const struct sweep *s, const double *x,
                   const double *y)
{
    size_t from = 0;

    if (s->last == NULL)
        return;
    for (size_t i = 1; i <= s->n; i++)
        if (i == s->n || s->groups[i].series != s->groups[from].series) {
            plot_line(p, colour(s->groups[from].series), x + from, y + from,
                      i - from);
            from = i;
        }
}

static void tell(const struct group *g, const struct wr_figure *f,
                 const struct wr_estimate *e, char ret[400])
{
    snprintf(ret, 400, "%s%s%s: %s %.*f +- %.*f %s", g->line,
             g->line[0] != '\0' ? ", " : "", g->value, f->name, f->digits,
             e->mean * f->times, f->digits, e->half * f->times, f->unit);
}

/* Lines stand beside each other, lest their intervals cover each other. */
static double aside(const struct sweep *s, const struct group *g)
{
    const double gap = fmin(0.09, 0.5 / (double)s->series_n);

    return gap * ((double)g->series - (double)(s->series_n - 1) / 2);
}

/* `cost` NULL: by the values of the last axis. */
static bool draw(FILE *to, const struct sweep *s, const struct wr_figure *f,
                 const struct wr_figure *cost)
{
    static double x[GROUPS_MAX], y[GROUPS_MAX], half_x[GROUPS_MAX],
        half_y[GROUPS_MAX];
    struct range rx = {INFINITY, -INFINITY, INFINITY, -INFINITY}, ry = rx;
    char title[128];
    struct plot p = {.to = to};

    for (size_t i = 0; i < s->n; i++) {
        const struct group *g = &s->groups[i];
        const struct wr_estimate e = estimate(g, f);

        x[i] = (double)g->x + aside(s, g);
        y[i] = e.n > 0 ? e.mean * f->times : NAN;
        half_x[i] = 0;
        half_y[i] = e.half * f->times;
        if (cost != NULL) {
            const struct wr_estimate c = estimate(g, cost);

            x[i] = c.mean * cost->times;
            half_x[i] = c.half * cost->times;
            if (c.n > 0)
                widen(&rx, &c, cost->times);
            else
                y[i] = NAN;
        }
        if (e.n > 0)
            widen(&ry, &e, f->times);
    }
    if (!(ry.lo <= ry.hi) || (cost != NULL && !(rx.lo <= rx.hi)))
        return false;
    p.y = axis(f, NULL, &ry);
    p.x = cost != NULL
              ? axis(cost, cost->name, &rx)
              : (struct plot_axis){.kind = PLOT_NAMES,
                                   .lo = -0.5,
                                   .hi = (double)s->values_n - 0.5,
                                   .what = s->last != NULL ? s->last : "run",
                                   .names = s->values,
                                   .names_n = s->values_n};
    snprintf(title, sizeof(title), "%s %s", f->name,
             cost != NULL ? "against traffic" : "");
    title[0] = (char)(title[0] - (title[0] >= 'a' && title[0] <= 'z' ? 32 : 0));
    report_figure(to, title, "%s",
                  cost != NULL
                      ? "What a host sends, and what that gives."
                      : "Mean over the seeds; its 95 % interval, as far "
                        "as it fits.");
    legend(to, s);
    plot_open(&p, title, NULL, 0);
    joined(&p, s, x, y);
    for (size_t i = 0; i < s->n; i++) {
        const struct group *g = &s->groups[i];
        const struct wr_estimate e = estimate(g, f);
        char text[400];

        if (isnan(y[i]))
            continue;
        tell(g, f, &e, text);
        plot_point(&p, colour(g->series), x[i], y[i], half_x[i], half_y[i],
                   text);
    }
    for (size_t i = 0; i < s->n && cost != NULL; i++)
        if (!isnan(y[i]))
            plot_label(&p, x[i], y[i], s->groups[i].value);
    plot_close(&p);
    report_figure_end(to);
    return true;
}

static const struct wr_figure *figure(const char *path)
{
    for (size_t i = 0; i < wr_figures_n; i++)
        if (strcmp(wr_figures[i].path, path) == 0)
            return &wr_figures[i];
    return NULL;
}

static bool differs(const struct sweep *s, const struct wr_figure *f)
{
    const struct wr_estimate first = estimate(&s->groups[0], f);

    for (size_t i = 0; i < s->n; i++) {
        const struct wr_estimate e = estimate(&s->groups[i], f);

        if (e.n != first.n || e.mean != first.mean || e.half > 0)
            return true;
    }
    return false;
}

static void pictures(FILE *to, const struct sweep *s)
{
    const struct wr_figure *cost = figure("traffic.bytes_per_host_s");
    bool any = false;

    report_section(to, "Cost against performance");
    for (size_t i = 0; i < wr_figures_n; i++)
        if (&wr_figures[i] != cost &&
            strncmp(wr_figures[i].path, "lookups.", 8) == 0)
            any = draw(to, s, &wr_figures[i], cost) || any;
    if (!any)
        report_none(to, "No picture:", "no run has traffic and lookups.");
    report_section_end(to);
    if (s->last == NULL)
        return;
    char title[LABEL_MAX];
    snprintf(title, sizeof(title), "By %.100s", s->last);
    report_section(to, title);
    for (size_t i = 0; i < wr_figures_n; i++)
        if (differs(s, &wr_figures[i]))
            (void)draw(to, s, &wr_figures[i], NULL);
    report_section_end(to);
}

/* ---- the table --------------------------------------------------------- */

/* Some run has it. */
static bool measured(const struct sweep *s, const struct wr_figure *f)
{
    for (size_t i = 0; i < s->n; i++)
        if (estimate(&s->groups[i], f).n > 0)
            return true;
    return false;
}

static void table_row(FILE *to, const struct sweep *s, const struct group *g)
{
    fputs("<tr><th scope=\"row\">", to);
    page_text(to, g->line);
    page_text(to, g->line[0] != '\0' ? ", " : "");
    page_text(to, g->value);
    fprintf(to, "</th><td>%zu</td>", g->n);
    for (size_t i = 0; i < wr_figures_n; i++) {
        const struct wr_figure *f = &wr_figures[i];
        const struct wr_estimate e = estimate(g, f);

        if (!measured(s, f))
            continue;
        fputs("<td>", to);
        if (e.n == 0)
            fputs("-", to);
        else
            page_fmt(to, "%.*f", f->digits, e.mean * f->times);
        if (e.n > 1)
            page_fmt(to, " \xc2\xb1 %.*f", f->digits, e.half * f->times);
        fputs("</td>", to);
    }
    fputs("</tr>\n", to);
}

static void table(FILE *to, const struct sweep *s)
{
    fputs("<section>\n<h2>Summary</h2>\n<div class=\"wide\"><table>\n<tr><th>",
          to);
    page_text(to, s->last != NULL ? s->last : "run");
    fputs("</th><th scope=\"col\">runs</th>", to);
    for (size_t i = 0; i < wr_figures_n; i++) {
        if (!measured(s, &wr_figures[i]))
            continue;
        fputs("<th scope=\"col\">", to);
        page_text(to, wr_figures[i].name);
        if (wr_figures[i].unit[0] != '\0')
            page_fmt(to, ", %s", wr_figures[i].unit);
        fputs("</th>", to);
    }
    fputs("</tr>\n", to);
    for (size_t i = 0; i < s->n && i < REPORT_ROWS_MAX; i++)
        table_row(to, s, &s->groups[i]);
    fputs(
        "</table></div>\n<p class=\"lead\">Mean over the seeds, \xc2\xb1 half "
        "of its 95 % interval (Student's t).</p>\n</section>\n",
        to);
}

void report_sweep(FILE *to, const json_t *doc)
{
    struct sweep *s = calloc(1, sizeof(*s));
    size_t seeds = 0;

    if (s == NULL || !group(doc, s)) {
        free(s);
        return;
    }
    const json_t *first = s->runs_n > 0 ? s->runs[0] : NULL;
    for (size_t i = 0; i < s->n; i++)
        seeds = s->groups[i].n > seeds ? s->groups[i].n : seeds;
    report_head(to, "wreath-sim sweep",
                first != NULL ? report_string(first, "name") : "Nothing",
                report_string(first, "version"));
    if (s->last == NULL)
        seeds = s->runs_n;
    fputs("<p class=\"what\">", to);
    page_fmt(to, "%zu runs: ", s->runs_n);
    if (s->last == NULL)
        page_text(to, "one scenario, a seed each");
    else
        page_fmt(to, "%zu combinations with %zu %s each%s", s->n, seeds,
                 seeds == 1 ? "seed" : "seeds",
                 s->cut ? ", the first of more" : "");
    fputs("</p>\n", to);
    if (first != NULL)
        report_command(to, first, s->vary, seeds);
    else
        fputs("<p class=\"alert mild\">No run has ended: there is nothing to "
              "draw.</p>\n",
              to);
    fputs("</header>\n", to);
    if (first != NULL) {
        pictures(to, s);
        table(to, s);
        report_scenario(to, first,
                        "What differs from the defaults, in the "
                        "first of the runs.");
    }
    report_foot(to);
    free(s->runs);
    free(s);
}
