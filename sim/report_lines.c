/* report_lines.c - the series of a result, drawn over time. */
#include <math.h>
#include <string.h>

#include "report_private.h"
#include "value.h"

/* ---- the series -------------------------------------------------------- */

struct column {
    const json_t *rows;
    size_t n;
    size_t t, of;      /* Which columns; */
    size_t outcome[3]; /* "right_share": right, wrong, failed. */
    bool share;
};

static bool find(const json_t *result, const char *name, size_t *ret)
{
    const json_t *names = wr_out_at(result, "series.columns"), *each;
    size_t i;

    json_array_foreach(names, i,
                       each) if (json_is_string(each) &&
                                 strcmp(json_string_value(each), name) == 0)
    {
        *ret = i;
        return true;
    }
    return false;
}

static bool column(const json_t *result, const char *name, struct column *c)
{
    c->rows = wr_out_at(result, "series.rows");
    c->n = json_array_size(c->rows);
    c->share = strcmp(name, "right_share") == 0;
    if (c->n == 0 || !find(result, "t_s", &c->t))
        return false;
    if (!c->share)
        return find(result, name, &c->of);
    return find(result, "right", &c->outcome[0]) &&
           find(result, "wrong", &c->outcome[1]) &&
           find(result, "failed", &c->outcome[2]);
}

static double cell(const struct column *c, size_t row, size_t of)
{
    const json_t *v = json_array_get(json_array_get(c->rows, row), of);

    if (!json_is_number(v))
        return NAN;
    return fmax(-1e15, fmin(json_number_value(v), 1e15));
}

static double sum(const struct column *c, size_t from, size_t to, size_t of)
{
    double s = 0;

    for (size_t i = from; i < to; i++) {
        const double v = cell(c, i, of);

        s += isnan(v) ? 0 : v;
    }
    return s;
}

/* A line, and how far the samples that it is the mean of spread. */
struct points {
    size_t n;
    double x[PLOT_POINTS_MAX], y[PLOT_POINTS_MAX];
    double least[PLOT_POINTS_MAX], most[PLOT_POINTS_MAX];
    bool band;
};

/* Beyond SAMPLES_MAX samples a line would only be noise: it is the mean of
 * groups, at most GROUPS of them. */
enum { SAMPLES_MAX = 160, GROUPS = 120 };

static void point_share(const struct column *c, size_t from, size_t to,
                        struct points *p)
{
    const double right = sum(c, from, to, c->outcome[0]);
    const double all = right + sum(c, from, to, c->outcome[1]) +
                       sum(c, from, to, c->outcome[2]);

    p->y[p->n] = p->least[p->n] = p->most[p->n] = all > 0 ? right / all : NAN;
}

/* `none`: a zero says that there was nothing to measure. */
static void point_mean(const struct column *c, size_t from, size_t to,
                       bool none, struct points *p)
{
    double all = 0, least = INFINITY, most = -INFINITY;
    size_t n = 0;

    for (size_t i = from; i < to; i++) {
        const double v = cell(c, i, c->of);

        if (isnan(v) || (none && v <= 0))
            continue;
        all += v;
        n++;
        least = fmin(least, v);
        most = fmax(most, v);
    }
    p->y[p->n] = n > 0 ? all / (double)n : NAN;
    p->least[p->n] = n > 0 ? least : NAN;
    p->most[p->n] = n > 0 ? most : NAN;
}

static bool points_of(const struct report_line *l,
                      const struct report_lines *what, struct points *p)
{
    struct column c;

    p->n = 0;
    if (!column(l->result, l->column, &c))
        return false;
    const size_t each = c.n <= SAMPLES_MAX ? 1 : (c.n - 1) / GROUPS + 1;
    for (size_t i = 0; i < c.n; i += each) {
        const size_t end = i + each < c.n ? i + each : c.n;

        p->x[p->n] = cell(&c, end - 1, c.t);
        if (isnan(p->x[p->n]))
            continue;
        if (c.share)
            point_share(&c, i, end, p);
        else
            point_mean(&c, i, end, what->kind == PLOT_MS, p);
        p->y[p->n] *= what->times;
        p->least[p->n] *= what->times;
        p->most[p->n++] *= what->times;
    }
    p->band = each > 1 && !c.share;
    return p->n > 0;
}

bool report_has(const json_t *result, const char *name)
{
    struct column c;

    return column(result, name, &c);
}

bool report_thinned(FILE *to, const json_t *result)
{
    const size_t n = json_array_size(wr_out_at(result, "series.rows"));

    if (n <= SAMPLES_MAX)
        return false;
    fprintf(to,
            "<p class=\"lead all\">Over time, lines are means of %zu samples; "
            "their shade reaches from the least to the most.</p>\n",
            (n - 1) / GROUPS + 1);
    return true;
}

/* ---- lines ------------------------------------------------------------- */

struct range {
    double x0, x1, y0, y1;
};

static void widen(struct range *r, const struct points *p)
{
    for (size_t i = 0; i < p->n; i++) {
        r->x0 = fmin(r->x0, p->x[i]);
        r->x1 = fmax(r->x1, p->x[i]);
        if (isnan(p->y[i]))
            continue;
        r->y0 = fmin(r->y0, p->least[i]);
        r->y1 = fmax(r->y1, p->most[i]);
    }
}

static struct plot_axis time_axis(const struct range *r)
{
    return (struct plot_axis){.kind = PLOT_TIME,
                              .lo = fmin(r->x0, 0),
                              .hi = r->x1 > r->x0 ? r->x1 : r->x0 + 1,
                              .what = "virtual time"};
}

bool report_lines(FILE *to, const struct report_lines *what,
                  const struct report_line *lines, size_t n)
{
    struct range r = {INFINITY, -INFINITY, INFINITY, -INFINITY};
    struct points pts;
    struct plot p = {.to = to, .y = {.kind = what->kind, .unit = what->unit}};

    for (size_t i = 0; i < n; i++)
        if (points_of(&lines[i], what, &pts))
            widen(&r, &pts);
    if (!(r.x0 <= r.x1) || !(r.y0 <= r.y1))
        return false;
    p.x = time_axis(&r);
    const bool percent = what->unit != NULL && what->unit[0] == '%';
    p.y.log = what->kind == PLOT_MS && r.y0 > 0 && r.y1 > 12 * r.y0;
    /* Few of what is counted stay few to the eye. */
    if (what->zero && what->kind == PLOT_NUMBER)
        r.y1 = fmax(r.y1, 4);
    plot_fit(&p.y, r.y0, r.y1, what->zero, percent ? 100 : INFINITY);
    report_figure(to, what->title, "%s", what->caption);
    if (n > 1) {
        fputs("<p class=\"legend\">\n", to);
        for (size_t i = 0; i < n; i++)
            report_key(to, lines[i].colour, lines[i].label);
        fputs("</p>\n", to);
    }
    plot_open(&p, what->title, what->marks, what->marks_n);
    for (size_t i = 0; i < n; i++) {
        if (!points_of(&lines[i], what, &pts))
            continue;
        if (pts.band)
            plot_band(&p, lines[i].colour, pts.x, pts.least, pts.most, pts.n);
        if (what->area && n == 1)
            plot_area(&p, lines[i].colour, pts.x, pts.y, pts.n);
        plot_line(&p, lines[i].colour, pts.x, pts.y, pts.n);
    }
    plot_close(&p);
    report_figure_end(to);
    return true;
}

/* ---- what went wrong --------------------------------------------------- */

enum { BARS = 60 };

static void errors_bar(struct plot *p, const struct column *c, size_t from,
                       size_t to)
{
    const double x1 = cell(c, to - 1, c->t);
    const double x0 = from > 0 ? cell(c, from - 1, c->t) : 0;
    const double wrong = sum(c, from, to, c->outcome[1]);
    const double failed = sum(c, from, to, c->outcome[2]);
    const double gap = (x1 - x0) * 0.08;
    char title[96], when[PAGE_NUMBER_MAX];

    snprintf(title, sizeof(title), "%.0f wrong, %.0f failed, until %.40s",
             wrong, failed, page_time(x1, when));
    if (isnan(x0) || isnan(x1))
        return;
    plot_bar(p, "wrong", x0 + gap, x1 - gap, 0, wrong, title);
    plot_bar(p, "failed", x0 + gap, x1 - gap, wrong, wrong + failed, title);
}

bool report_errors(FILE *to, const json_t *result,
                   const struct plot_mark *marks, size_t marks_n)
{
    struct range r = {0, 0, 0, 0};
    struct plot p = {.to = to, .y = {.unit = "lookups"}};
    struct column c;

    if (!column(result, "right_share", &c))
        return false;
    const size_t each = (c.n - 1) / BARS + 1;
    for (size_t i = 0; i < c.n; i += each) {
        const size_t end = i + each < c.n ? i + each : c.n;
        const double t = cell(&c, end - 1, c.t);

        r.x1 = isnan(t) ? r.x1 : fmax(r.x1, t);
        r.y1 = fmax(r.y1, sum(&c, i, end, c.outcome[1]) +
                              sum(&c, i, end, c.outcome[2]));
    }
    if (r.y1 == 0)
        return false;
    char length[PAGE_NUMBER_MAX];
    const double first = cell(&c, each - 1 < c.n ? each - 1 : 0, c.t);

    p.x = time_axis(&r);
    plot_fit(&p.y, 0, fmax(r.y1, 4), true, INFINITY);
    report_figure(to, "Lookups that went wrong",
                  "How many in each %s. Wrong: another member than the owner "
                  "answered. Failed: nobody did in time.",
                  page_time(isnan(first) ? 0 : first, length));
    fputs("<p class=\"legend\">\n", to);
    report_key(to, "wrong", "wrong");
    report_key(to, "failed", "failed");
    fputs("</p>\n", to);
    plot_open(&p, "Lookups that went wrong", marks, marks_n);
    for (size_t i = 0; i < c.n; i += each)
        errors_bar(&p, &c, i, i + each < c.n ? i + each : c.n);
    plot_close(&p);
    report_figure_end(to);
    return true;
}

/* ---- events ------------------------------------------------------------ */

/* Seconds of a time as scenarios have it; NAN: none. */
static double seconds(const json_t *scenario, const char *event, size_t n,
                      const char *key)
{
    char name[128];
    union wr_value v;

    snprintf(name, sizeof(name), "event.%.*s.%s", (int)n, event, key);
    const char *text = json_string_value(json_object_get(scenario, name));
    if (text == NULL ||
        wr_value_parse(WR_SCENARIO_TIME, NULL, text, &v) != WR_OK)
        return NAN;
    return (double)v.n / 1e6;
}

size_t report_marks(const json_t *result,
                    struct plot_mark ret[REPORT_MARKS_MAX])
{
    json_t *scenario = json_object_get(result, "scenario"), *value;
    const char *key;
    size_t n = 0;

    json_object_foreach(scenario, key, value)
    {
        const size_t len = strlen(key);

        if (n == REPORT_MARKS_MAX || len < 10 || len > 100 ||
            strncmp(key, "event.", 6) != 0 || strcmp(key + len - 3, ".at") != 0)
            continue;
        const size_t name_n = len - 6 - 3;
        struct plot_mark m = {.from = seconds(scenario, key + 6, name_n, "at")};
        const double lasts = seconds(scenario, key + 6, name_n, "for");

        if (isnan(m.from))
            continue;
        m.to = m.from + (isnan(lasts) ? 0 : lasts);
        snprintf(m.label, sizeof(m.label), "%.*s", (int)name_n, key + 6);
        ret[n++] = m;
    }
    return n;
}
