/* plot.c - see plot.h. */
#include "plot.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "page.h"

enum { TICKS_MAX = 16, LETTER = 7 }; /* The width of one, in the widest font. */

struct ticks {
    size_t n;
    double at[TICKS_MAX];
    char text[TICKS_MAX][24];
    char unit[96];
};

/* ---- ticks ------------------------------------------------------------- */

static double round_step(double span, double want)
{
    const double raw = span / want;
    const double size = pow(10, floor(log10(raw)));
    const double lead = raw / size;

    return size * (lead <= 1.001   ? 1
                   : lead <= 2.001 ? 2
                   : lead <= 5.001 ? 5
                                   : 10);
}

static int digits_of(double step)
{
    const double d = -floor(log10(step) + 1e-9);

    return d < 0 ? 0 : d > 9 ? 9 : (int)d;
}

static void tick(struct ticks *t, double at, const char *text)
{
    if (t->n == TICKS_MAX)
        return;
    t->at[t->n] = at;
    snprintf(t->text[t->n], sizeof(t->text[0]), "%.23s", text);
    t->n++;
}

/* "latency, ms" */
static void name(struct ticks *t, const struct plot_axis *a, const char *prefix,
                 const char *unit)
{
    const char *what = a->what != NULL ? a->what : "";

    unit = unit != NULL ? unit : "";
    snprintf(t->unit, sizeof(t->unit), "%.60s%s%s%.30s", what,
             what[0] != '\0' && unit[0] != '\0' ? ", " : "", prefix, unit);
}

/* Every `step`, printed as parts of `unit`, with `suffix` behind each. */
static void every(const struct plot_axis *a, double step, double unit,
                  const char *suffix, struct ticks *t)
{
    const double first = ceil(a->lo / step - 1e-6);
    const double last = floor(a->hi / step + 1e-6);

    for (double i = first; i <= last && t->n < TICKS_MAX; i++) {
        char text[24];
        const double v = i * step;

        snprintf(text, sizeof(text), "%.*f%s", digits_of(step / unit),
                 v == 0 ? 0 : v / unit, v == 0 ? "" : suffix);
        tick(t, v, text);
    }
}

static void ticks_number(const struct plot_axis *a, double want,
                         struct ticks *t)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T"};
    const bool bytes = a->kind == PLOT_BYTES;
    double size = fabs(a->hi) > fabs(a->lo) ? fabs(a->hi) : fabs(a->lo);
    double unit = 1;
    unsigned i = 0;

    while (i < 4 && size >= (bytes ? 2000 : 10000)) {
        size /= 1000;
        unit *= 1000;
        i++;
    }
    every(a, round_step(a->hi - a->lo, want), unit, bytes ? "" : prefixes[i],
          t);
    name(t, a, bytes ? prefixes[i] : "", a->unit);
}

static void ticks_ms(const struct plot_axis *a, double want, struct ticks *t)
{
    const bool seconds = a->hi > 5000;

    every(a, round_step(a->hi - a->lo, want), seconds ? 1000 : 1, "", t);
    name(t, a, "", seconds ? "s" : "ms");
}

static void ticks_time(const struct plot_axis *a, double want, struct ticks *t)
{
    static const double steps[] = {1,    2,    5,     10,    15,    30,
                                   60,   120,  300,   600,   900,   1800,
                                   3600, 7200, 10800, 21600, 43200, 86400};
    const double span = a->hi - a->lo;
    double step = 0;

    for (size_t i = 0; i < WR_ARRAY_LEN(steps) && step == 0; i++)
        if (span / steps[i] <= want)
            step = steps[i];
    if (span < want)
        step = round_step(span, want);
    else if (step == 0)
        step = 86400 * fmax(1, round_step(span / 86400, want));
    const unsigned which = step < 60      ? 0
                           : step < 3600  ? 1
                           : step < 86400 ? 2
                                          : 3;
    static const double units[] = {1, 60, 3600, 86400};
    static const char *const names[] = {"s", "min", "h", "d"};
    every(a, step, units[which], "", t);
    name(t, a, "", names[which]);
}

/* 1, 2 and 5 of each decade, or fewer where there are many. */
static bool log_tick(double decades, double d, unsigned lead)
{
    if (decades <= 1.7)
        return lead != 3;
    if (decades <= 3.2)
        return lead == 1 || lead == 3;
    return lead == 1 && (decades <= 8 || fmod(d, 2) == 0);
}

static void ticks_log(const struct plot_axis *a, struct ticks *t)
{
    static const unsigned leads[] = {1, 2, 3, 5};
    const double decades = log10(a->hi / a->lo);

    for (double d = floor(log10(a->lo)); d <= ceil(log10(a->hi)); d++)
        for (unsigned i = 0; i < 4; i++) {
            const double v = leads[i] * pow(10, d);
            char text[PAGE_NUMBER_MAX];

            if (!log_tick(decades, d, leads[i]) || v < a->lo * 0.999 ||
                v > a->hi * 1.001)
                continue;
            if (a->kind == PLOT_MS)
                snprintf(text, sizeof(text), "%g %s", v < 1000 ? v : v / 1000,
                         v < 1000 ? "ms" : "s");
            else
                snprintf(text, sizeof(text), "%g", v);
            tick(t, v, text);
        }
    name(t, a, "", a->unit);
}

static void ticks_names(const struct plot_axis *a, double width,
                        struct ticks *t)
{
    size_t longest = 1, step = 1;

    for (size_t i = 0; i < a->names_n; i++)
        if (strlen(a->names[i]) > longest)
            longest = strlen(a->names[i]);
    longest = longest > 22 ? 22 : longest;
    while ((double)(a->names_n / step + 1) * (double)(longest + 1) * LETTER >
               width &&
           step < a->names_n)
        step++;
    for (size_t i = 0; i < a->names_n; i += step)
        tick(t, (double)i, a->names[i]);
    name(t, a, "", a->unit);
}

static void ticks_of(const struct plot_axis *a, double want, double width,
                     struct ticks *t)
{
    t->n = 0;
    if (a->kind == PLOT_NAMES)
        ticks_names(a, width, t);
    else if (a->log)
        ticks_log(a, t);
    else if (a->kind == PLOT_TIME)
        ticks_time(a, want, t);
    else if (a->kind == PLOT_MS)
        ticks_ms(a, want, t);
    else
        ticks_number(a, want, t);
}

/* The 1, 2, 3 or 5 of a decade that is not above `v`; or not below. */
static double round_log(double v, bool up)
{
    static const double leads[] = {1, 2, 3, 5, 10};
    const double size = pow(10, floor(log10(v)));
    unsigned i = 0;

    while (i < 4 && leads[i] * size < v * 0.999)
        i++;
    if (!up && leads[i] * size > v * 1.001)
        i--;
    return leads[i] * size;
}

static void fit_log(struct plot_axis *a, double lo, double hi)
{
    lo = fmax(lo, 1e-6);
    a->lo = round_log(lo, false);
    a->hi = round_log(fmax(hi, a->lo * 1.5), true);
}

void plot_fit(struct plot_axis *a, double lo, double hi, bool zero, double most)
{
    /* A file may hold any number; a picture need not. */
    lo = fmax(-1e15, fmin(lo, 1e15));
    hi = fmax(-1e15, fmin(hi, 1e15));
    if (a->log) {
        fit_log(a, lo, hi);
        return;
    }
    if (zero || (lo > 0 && lo < hi * 0.6))
        lo = fmin(lo, 0);
    if (hi - lo < fmax(fabs(hi), 1e-3) * 1e-4) { /* All the same. */
        const double room = hi == 0 ? 1 : fabs(hi) * (most < 1e15 ? 0.01 : 0.1);

        if (!zero)
            lo -= room;
        hi += room;
    }
    hi = fmin(hi, most);
    if (hi <= lo)
        lo = hi - fmax(fabs(hi) * 0.05, 1e-3);
    const double step = round_step(hi - lo, 4);
    a->lo = floor(lo / step + 1e-6) * step;
    a->hi = fmin(ceil(hi / step - 1e-6) * step, most);
}

/* ---- places ------------------------------------------------------------ */

static double share(const struct plot_axis *a, double v)
{
    const double f = a->log ? log(fmax(v, a->lo) / a->lo) / log(a->hi / a->lo)
                            : (v - a->lo) / (a->hi - a->lo);

    return f > 0 ? fmin(f, 1) : 0;
}

static double at_x(const struct plot *p, double x)
{
    return p->left + share(&p->x, x) * (p->right - p->left);
}

static double at_y(const struct plot *p, double y)
{
    return p->bottom - share(&p->y, y) * (p->bottom - p->top);
}

static double width_of(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return (double)n * LETTER;
}

static void label(FILE *to, const char *class, const char *anchor, double x,
                  double y, const char *text)
{
    fprintf(to, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">",
            class, anchor, x, y);
    page_text(to, text);
    fputs("</text>\n", to);
}

static void tell(FILE *to, const char *title)
{
    fputs("<title>", to);
    page_text(to, title);
    fputs("</title>", to);
}

static void svg(FILE *to, double height, const char *title)
{
    fprintf(to, "<svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"",
            PLOT_W, height);
    page_text(to, title);
    fputs("\">\n", to);
}

/* ---- the frame --------------------------------------------------------- */

enum { TOP = 20, ROW = 13, FOOT = 38 };

/* Where the label of a mark goes: in one of two rows, or nowhere (2). `ends`:
 * how far the rows are taken. */
static unsigned mark_row(const struct plot *p, const struct plot_mark *m,
                         double ends[2], double *ret_x)
{
    const double wide = width_of(m->label);
    const double x = fmax(0, fmin(at_x(p, m->from) - 3, PLOT_W - wide - 2));

    *ret_x = x;
    if (m->from > p->x.hi || m->to < p->x.lo)
        return 2;
    for (unsigned row = 0; row < 2; row++)
        if (x >= ends[row]) {
            ends[row] = x + wide + 6;
            return row;
        }
    return 2;
}

static unsigned mark_rows(const struct plot *p, const struct plot_mark *marks,
                          size_t n)
{
    double ends[2] = {0, 0}, x;
    unsigned rows = 0;

    for (size_t i = 0; i < n; i++) {
        const unsigned row = mark_row(p, &marks[i], ends, &x);

        if (row < 2 && row >= rows)
            rows = row + 1;
    }
    return rows;
}

static void draw_marks(const struct plot *p, const struct plot_mark *marks,
                       size_t n)
{
    double ends[2] = {0, 0}, x;

    for (size_t i = 0; i < n; i++) {
        const struct plot_mark *m = &marks[i];
        const double x0 = at_x(p, m->from), x1 = at_x(p, m->to);
        const unsigned row = mark_row(p, m, ends, &x);

        if (m->from > p->x.hi || m->to < p->x.lo)
            continue;
        if (x1 - x0 > 1)
            fprintf(p->to,
                    "<rect class=\"band\" x=\"%.1f\" y=\"%.1f\" "
                    "width=\"%.1f\" height=\"%.1f\">",
                    x0, p->top, x1 - x0, p->bottom - p->top);
        else
            fprintf(p->to, "<path class=\"mark\" d=\"M%.1f %.1fV%.1f\">", x0,
                    p->top - 4, p->bottom);
        tell(p->to, m->label);
        fputs(x1 - x0 > 1 ? "</rect>\n" : "</path>\n", p->to);
        if (row < 2)
            label(p->to, "note", "start", x, p->top - 7 - row * ROW, m->label);
    }
}

static void draw_axes(struct plot *p)
{
    struct ticks t;

    ticks_of(&p->y, 5, 0, &t);
    for (size_t i = 0; i < t.n; i++) {
        const double y = at_y(p, t.at[i]);

        fprintf(p->to, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>\n",
                p->left, y, p->right);
        label(p->to, "tick", "end", p->left - 6, y + 4, t.text[i]);
    }
    if (t.unit[0] != '\0')
        label(p->to, "unit", "start", 0, 11, t.unit);
    ticks_of(&p->x, 6, p->right - p->left, &t);
    double end = -1;
    for (size_t i = 0; i < t.n; i++) {
        const double x = at_x(p, t.at[i]), wide = width_of(t.text[i]);
        const double middle = fmin(x, PLOT_W - wide / 2);

        fprintf(p->to, "<path class=\"axis\" d=\"M%.1f %.1fv4\"/>\n", x,
                p->bottom);
        if (middle - wide / 2 < end)
            continue;
        label(p->to, "tick", "middle", middle, p->bottom + 16, t.text[i]);
        end = middle + wide / 2 + 4;
    }
    fprintf(p->to, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", p->left,
            p->bottom, p->right);
    label(p->to, "unit", "end", p->right, p->bottom + 33, t.unit);
}

void plot_open(struct plot *p, const char *title, const struct plot_mark *marks,
               size_t marks_n)
{
    struct ticks t;
    double wide = 0;

    ticks_of(&p->y, 5, 0, &t);
    for (size_t i = 0; i < t.n; i++)
        wide = fmax(wide, width_of(t.text[i]));
    p->left = wide + 8;
    p->right = PLOT_W - 10;
    p->top =
        (t.unit[0] != '\0' ? TOP : 10) + mark_rows(p, marks, marks_n) * ROW;
    p->bottom = PLOT_H - FOOT;
    p->taken_n = 0;
    svg(p->to, PLOT_H, title);
    draw_marks(p, marks, marks_n);
    draw_axes(p);
}

void plot_close(struct plot *p)
{
    fputs("</svg>\n", p->to);
}

/* ---- what is drawn ----------------------------------------------------- */

void plot_line(struct plot *p, const char *colour, const double *x,
               const double *y, size_t n)
{
    bool on = false;

    fprintf(p->to, "<path class=\"line %s\" d=\"", colour);
    for (size_t i = 0; i < n; i++) {
        if (isnan(y[i])) {
            on = false;
            continue;
        }
        fprintf(p->to, "%c%.1f %.1f", on ? 'L' : 'M', at_x(p, x[i]),
                at_y(p, y[i]));
        if (!on) /* Alone, it shows as a dot. */
            fputs("h0", p->to);
        on = true;
    }
    fputs("\"/>\n", p->to);
}

void plot_area(struct plot *p, const char *colour, const double *x,
               const double *y, size_t n)
{
    if (n == 0)
        return;
    fprintf(p->to, "<path class=\"area %s\" d=\"M%.1f %.1f", colour,
            at_x(p, x[0]), p->bottom);
    for (size_t i = 0; i < n; i++)
        fprintf(p->to, "L%.1f %.1f", at_x(p, x[i]),
                at_y(p, isnan(y[i]) ? p->y.lo : y[i]));
    fprintf(p->to, "L%.1f %.1fZ\"/>\n", at_x(p, x[n - 1]), p->bottom);
}

static bool drawn(double least, double most)
{
    return !isnan(least) && !isnan(most);
}

void plot_band(struct plot *p, const char *colour, const double *x,
               const double *least, const double *most, size_t n)
{
    fprintf(p->to, "<path class=\"band-of %s\" d=\"", colour);
    for (size_t from = 0, to; from < n; from = to + 1) {
        for (to = from; to < n && drawn(least[to], most[to]);)
            to++;
        for (size_t i = from; i < to; i++)
            fprintf(p->to, "%c%.1f %.1f", i > from ? 'L' : 'M', at_x(p, x[i]),
                    at_y(p, most[i]));
        for (size_t i = to; i > from; i--)
            fprintf(p->to, "L%.1f %.1f", at_x(p, x[i - 1]),
                    at_y(p, least[i - 1]));
        if (to > from)
            fputs("Z", p->to);
    }
    fputs("\"/>\n", p->to);
}

void plot_bar(struct plot *p, const char *colour, double x0, double x1,
              double y0, double y1, const char *title)
{
    const double left = at_x(p, x0), right = at_x(p, x1);
    const double low = at_y(p, y0);
    double high = at_y(p, y1);

    if (y1 <= y0)
        return;
    if (low - high < 1) /* What is there must be seen. */
        high = low - 1;
    fprintf(p->to,
            "<rect class=\"bar %s\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" "
            "height=\"%.1f\">",
            colour, left, high, fmax(right - left, 0.5), low - high);
    tell(p->to, title);
    fputs("</rect>\n", p->to);
}

static bool is_free(const struct plot *p, const struct plot_box *b)
{
    if (b->x0 < p->left || b->x1 > PLOT_W || b->y0 < p->top - 6 ||
        b->y1 > p->bottom)
        return false;
    for (size_t i = 0; i < p->taken_n; i++) {
        const struct plot_box *t = &p->taken[i];

        if (b->x0 < t->x1 && t->x0 < b->x1 && b->y0 < t->y1 && t->y0 < b->y1)
            return false;
    }
    return p->taken_n < PLOT_TAKEN_MAX;
}

static void take(struct plot *p, struct plot_box box)
{
    if (p->taken_n < PLOT_TAKEN_MAX)
        p->taken[p->taken_n++] = box;
}

/* Beside the point, above or below, as there is room. */
void plot_label(struct plot *p, double at, double of, const char *text)
{
    const double x = at_x(p, at), y = at_y(p, of), wide = width_of(text);
    const struct plot_box sides[] = {
        {x + 7, y - 14, x + 7 + wide, y - 2},
        {x - 7 - wide, y - 14, x - 7, y - 2},
        {x + 7, y + 2, x + 7 + wide, y + 14},
        {x - 7 - wide, y + 2, x - 7, y + 14},
        {x - wide / 2, y - 20, x + wide / 2, y - 8},
        {x - wide / 2, y + 8, x + wide / 2, y + 20},
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(sides); i++) {
        if (!is_free(p, &sides[i]))
            continue;
        take(p, sides[i]);
        label(p->to, "note", "start", sides[i].x0, sides[i].y1 - 2, text);
        return;
    }
}

void plot_point(struct plot *p, const char *colour, double x, double y,
                double half_x, double half_y, const char *title)
{
    const double cx = at_x(p, x), cy = at_y(p, y);

    take(p, (struct plot_box){cx - 4, cy - 4, cx + 4, cy + 4});
    fprintf(p->to, "<g class=\"point %s\">", colour);
    tell(p->to, title);
    if (half_x > 0)
        fprintf(p->to, "<path d=\"M%.1f %.1fH%.1f\"/>", at_x(p, x - half_x), cy,
                at_x(p, x + half_x));
    if (half_y > 0)
        fprintf(p->to, "<path d=\"M%.1f %.1fV%.1f\"/>", cx, at_y(p, y - half_y),
                at_y(p, y + half_y));
    fprintf(p->to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/></g>\n", cx, cy);
}

void plot_rows(FILE *to, const char *title, const char *colour,
               const struct plot_row *rows, size_t n)
{
    enum { EACH = 18, VALUE = 66 };
    double names = 0, most = 0;

    for (size_t i = 0; i < n; i++) {
        names = fmax(names, width_of(rows[i].name));
        most = fmax(most, rows[i].value);
    }
    names = fmin(names * 1.12, 150) + 8; /* Capitals are wider. */
    svg(to, (double)n * EACH + 4, title);
    for (size_t i = 0; i < n; i++) {
        const double y = (double)i * EACH + 4;
        const double wide =
            most > 0 ? rows[i].value / most * (PLOT_W - names - VALUE) : 0;

        label(to, "tick", "end", names - 6, y + 11, rows[i].name);
        fprintf(to,
                "<rect class=\"bar %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                "height=\"13\"/>\n",
                colour, names, y, fmax(wide, 0.5));
        label(to, "value", "start", names + wide + 6, y + 11, rows[i].text);
    }
    fputs("</svg>\n", to);
}

/* ---- the ring ---------------------------------------------------------- */

enum { MIDDLE = 124 };

static void ring_dots(FILE *to, const char *colour, double radius, double size,
                      const struct plot_dot *dots, size_t n, bool up)
{
    /* Lines of no length, with round ends: one element for all. */
    fprintf(to, "<path class=\"dots %s\" style=\"stroke-width:%.1fpx\" d=\"",
            colour, size);
    for (size_t i = 0; i < n; i++) {
        const double turn = 6.283185307179586 * dots[i].at;

        if (dots[i].up == up)
            fprintf(to, "M%.1f %.1fh0", PLOT_W / 2.0 + radius * sin(turn),
                    MIDDLE - radius * cos(turn));
    }
    fputs("\"/>\n", to);
}

void plot_ring(FILE *to, const char *title, const struct plot_dot *dots,
               size_t n, const char *inside, const char *below)
{
    enum { OUTER = 102, INNER = 88 };
    const double room = 6.283 * OUTER / (double)(n > 0 ? n : 1);
    const double size = fmax(1.8, fmin(9, room));

    svg(to, 248, title);
    fprintf(to, "<circle class=\"grid\" cx=\"%d\" cy=\"%d\" r=\"%d\"/>\n",
            PLOT_W / 2, MIDDLE, OUTER);
    for (unsigned i = 0; i < 4; i++) {
        static const char *const quarters[] = {"0", "\xc2\xbc", "\xc2\xbd",
                                               "\xc2\xbe"};
        static const int dx[] = {0, 1, 0, -1}, dy[] = {-1, 0, 1, 0};
        const int x = PLOT_W / 2 + dx[i] * 116, y = MIDDLE + dy[i] * 115;

        label(to, "tick", "middle", x, y + 4, quarters[i]);
    }
    ring_dots(to, "up", OUTER, size, dots, n, true);
    ring_dots(to, "down", INNER, fmin(size, 5), dots, n, false);
    label(to, "big", "middle", PLOT_W / 2.0, MIDDLE + 2, inside);
    label(to, "unit", "middle", PLOT_W / 2.0, MIDDLE + 22, below);
    fputs("</svg>\n", to);
}
