/* report_spread.c - distributions, and what is drawn of one moment. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report_private.h"

/* ---- distributions ----------------------------------------------------- */

enum { HOPS_MAX = 40, BINS_MAX = 60 };

/* Counts, the last one of all that are beyond; their sum. */
static double counts_of(const json_t *v, double *ret, size_t most,
                        size_t *ret_n)
{
    const json_t *each;
    double sum = 0;
    size_t i;

    *ret_n = 0;
    json_array_foreach(v, i, each)
    {
        const double k = fmax(0, fmin(json_number_value(each), 1e15));

        if (i < most)
            ret[(*ret_n)++] = k;
        else
            ret[most - 1] += k;
        sum += k;
    }
    return sum;
}

/* Bars of shares, one each whole number. */
static void bars(FILE *to, const char *title, const char *of, const char *what,
                 const double *v, size_t n, double sum)
{
    struct plot p = {.to = to, .y = {.unit = "%"}};
    char names[HOPS_MAX][8];
    const char *texts[HOPS_MAX];
    char unit[64];
    double most = 0;

    snprintf(unit, sizeof(unit), "%% of %s", of);
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, v[i]);
        snprintf(names[i], sizeof(names[0]), "%zu%s", i,
                 i + 1 == HOPS_MAX ? "+" : "");
        texts[i] = names[i];
    }
    p.x = (struct plot_axis){.kind = PLOT_NAMES,
                             .lo = -0.6,
                             .hi = (double)n - 0.4,
                             .what = what,
                             .names = texts,
                             .names_n = n};
    p.y.unit = unit;
    plot_fit(&p.y, 0, 100 * most / sum, true, 100);
    plot_open(&p, title, NULL, 0);
    for (size_t i = 0; i < n; i++) {
        char text[128], count[PAGE_NUMBER_MAX], share[PAGE_NUMBER_MAX];

        snprintf(text, sizeof(text), "%zu %s: %s (%s)", i, what,
                 page_count(v[i], count), page_share(v[i] / sum, share));
        plot_bar(&p, "c1", (double)i - 0.38, (double)i + 0.38, 0,
                 100 * v[i] / sum, text);
    }
    plot_close(&p);
}

bool report_hops(FILE *to, const json_t *result)
{
    double v[HOPS_MAX];
    char mean[PAGE_NUMBER_MAX];
    size_t n;
    const double sum =
        counts_of(wr_out_at(result, "lookups.hops_hist"), v, HOPS_MAX, &n);
    const double hops = report_number(result, "lookups.hops_mean");

    if (!(sum > 0))
        return false;
    report_figure(to, "Hops of a lookup",
                  "From host to host: %s on the average.",
                  isnan(hops) ? "?" : page_number(hops, mean));
    bars(to, "Hops of a lookup", "lookups", "hops", v, n, sum);
    report_figure_end(to);
    return true;
}

struct bins {
    double lo, hi; /* Milliseconds. */
    size_t n;
    double v[BINS_MAX];
    double sum, zeros;
};

/* A bucket's own breadth: up to `upper`, a 32nd of its doubling (meter.h). */
static double lower_of(double upper)
{
    const double us = fmin(upper * 1000, 1e15);
    const double octave = pow(2, floor(log2(fmax(us, 1))));

    return fmax(us + 1 - fmax(octave / 32, 1), 0.5) / 1000;
}

static double bin_edge(const struct bins *b, size_t i)
{
    return b->lo * pow(b->hi / b->lo, (double)i / (double)b->n);
}

/* What falls into several bins is shared out by their breadth. */
static void bin(struct bins *b, double lower, double upper, double count)
{
    const double wide = upper - lower;

    for (size_t i = 0; i < b->n; i++) {
        const double from = fmax(lower, bin_edge(b, i));
        const double to = fmin(upper, bin_edge(b, i + 1));

        if (to > from)
            b->v[i] += count * (to - from) / wide;
    }
}

static bool bins_of(const json_t *hist, struct bins *b)
{
    const json_t *each;
    size_t i;

    *b = (struct bins){.lo = INFINITY};
    json_array_foreach(hist, i, each)
    {
        const double upper = json_number_value(json_array_get(each, 0));
        const double k = json_number_value(json_array_get(each, 1));

        if (!(k > 0) || !(upper >= 0) || upper > 1e12 || k > 1e15)
            continue;
        b->sum += k;
        if (upper == 0)
            b->zeros += k;
        else {
            b->lo = fmin(b->lo, lower_of(upper));
            b->hi = fmax(b->hi, upper + 0.001);
        }
    }
    if (!(b->lo < b->hi))
        return false;
    /* Five bins to a doubling, at least three of a bucket's breadth each. */
    b->n = (size_t)fmax(4, fmin(ceil(log2(b->hi / b->lo) * 5), BINS_MAX));
    json_array_foreach(hist, i, each)
    {
        const double upper = json_number_value(json_array_get(each, 0));
        const double k = json_number_value(json_array_get(each, 1));

        if (k > 0 && upper > 0 && upper <= 1e12 && k <= 1e15)
            bin(b, lower_of(upper), upper + 0.001, k);
    }
    return true;
}

/* p50, p90, p99: as the result has them, not as bins would. */
static size_t quantile_marks(const json_t *result, struct plot_mark ret[3])
{
    static const char *const names[] = {"p50", "p90", "p99"};
    size_t n = 0;

    for (unsigned i = 0; i < 3; i++) {
        char path[64];

        snprintf(path, sizeof(path), "lookups.latency_ms_%s", names[i]);
        const double v = report_number(result, path);
        if (!(v > 0))
            continue;
        ret[n] = (struct plot_mark){.from = v, .to = v};
        snprintf(ret[n++].label, sizeof(ret[0].label), "%s", names[i]);
    }
    return n;
}

bool report_latency(FILE *to, const json_t *result)
{
    const char *title = "Latency of a lookup";
    struct plot p = {.to = to, .y = {.unit = "% of lookups"}};
    struct plot_mark marks[3];
    struct bins b;
    double most = 0;
    char a[PAGE_NUMBER_MAX], c[PAGE_NUMBER_MAX], d[PAGE_NUMBER_MAX];
    const size_t marks_n = quantile_marks(result, marks);

    if (!bins_of(wr_out_at(result, "lookups.latency_ms_hist"), &b))
        return false;
    for (size_t i = 0; i < b.n; i++)
        most = fmax(most, 100 * b.v[i] / b.sum);
    p.x = (struct plot_axis){.kind = PLOT_MS,
                             .lo = b.lo,
                             .hi = fmax(b.hi, b.lo * 1.5),
                             .log = true,
                             .what = "latency, logarithmic"};
    plot_fit(&p.y, 0, most, true, 100);
    report_figure(to, title,
                  "Half take up to %s, 90 %% up to %s, 99 %% up to %s.",
                  page_ms(report_number(result, "lookups.latency_ms_p50"), a),
                  page_ms(report_number(result, "lookups.latency_ms_p90"), c),
                  page_ms(report_number(result, "lookups.latency_ms_p99"), d));
    plot_open(&p, title, marks, marks_n);
    for (size_t i = 0; i < b.n; i++) {
        char text[128];

        snprintf(text, sizeof(text), "%.40s to %.40s: %.2f %%",
                 page_ms(bin_edge(&b, i), a), page_ms(bin_edge(&b, i + 1), c),
                 100 * b.v[i] / b.sum);
        plot_bar(&p, "c1", bin_edge(&b, i), bin_edge(&b, i + 1), 0,
                 100 * b.v[i] / b.sum, text);
    }
    plot_close(&p);
    if (b.zeros > 0) {
        fputs("<p class=\"below\">", to);
        page_fmt(to, "Not drawn: %s that the asking host answered itself.",
                 page_count(b.zeros, a));
        fputs("</p>\n", to);
    }
    report_figure_end(to);
    return true;
}

/* ---- the ring ------------------------------------------------------------ */

enum { DOTS_MAX = 2048 };

/* "every 4th", where not all members are in the result. */
static void sampled(const json_t *result, size_t n, char ret[64])
{
    const double slots = report_number(result, "hosts.slots");
    const double all =
        slots * strtod(report_setting(result, "ring.members"), NULL);

    if (all > (double)n * 1.5)
        snprintf(ret, 64, " (one of %.0f is drawn)", all / (double)n);
    else
        ret[0] = '\0';
}

bool report_ring(FILE *to, const json_t *result)
{
    const json_t *members = json_object_get(result, "members"), *each;
    struct plot_dot dots[DOTS_MAX];
    const double end = report_number(result, "ring.members_end");
    size_t n = 0, up = 0, i;
    char inside[64], a[PAGE_NUMBER_MAX], some[64];

    json_array_foreach(members, i, each)
    {
        const double at = json_number_value(json_array_get(each, 0));

        if (n == DOTS_MAX || !(at >= 0 && at <= 1))
            continue;
        dots[n] = (struct plot_dot){
            at, json_number_value(json_array_get(each, 2)) > 0};
        up += dots[n++].up;
    }
    if (n == 0)
        return false;
    snprintf(inside, sizeof(inside), "%.40s",
             page_count(isnan(end) ? (double)up : end, a));
    sampled(result, n, some);
    if (up == n)
        report_figure(to, "The ring at the end",
                      "Each dot is a place on the ring%s; all hosts are up.",
                      some);
    else
        report_figure(to, "The ring at the end",
                      "Each dot is a place on the ring%s: outside those whose "
                      "host is up, %zu, inside those whose host is down, %zu.",
                      some, up, n - up);
    fputs("<p class=\"legend\">\n", to);
    report_key(to, "up", "up");
    if (up < n)
        report_key(to, "down", "down");
    fputs("</p>\n", to);
    plot_ring(to, "The ring at the end", dots, n, inside,
              "members in the ring");
    report_figure_end(to);
    return true;
}

/* ---- messages ------------------------------------------------------------ */

enum { KINDS_MAX = 512, KINDS_SHOWN = 11 };

static int by_value(const void *a, const void *b)
{
    const double x = ((const struct plot_row *)a)->value;
    const double y = ((const struct plot_row *)b)->value;

    return (x < y) - (x > y);
}

static void kind(struct plot_row *row, const char *name, double bytes)
{
    snprintf(row->name, sizeof(row->name), "%.28s", name);
    row->value = bytes;
}

bool report_kinds(FILE *to, const json_t *result)
{
    const json_t *kinds = wr_out_at(result, "traffic.by_message"), *each;
    static struct plot_row rows[KINDS_MAX + 1];
    const double setup =
        report_number(result, "traffic.setup_bytes_per_host_s");
    double rest = 0;
    size_t n = 0, i;

    json_array_foreach(kinds, i, each)
    {
        const double bytes = report_number(each, "bytes_per_host_s");

        if (n < KINDS_MAX && bytes > 0)
            kind(&rows[n++], report_string(each, "name"), bytes);
    }
    if (setup > 0)
        kind(&rows[n++], "link set-up", setup);
    if (n == 0)
        return false;
    qsort(rows, n, sizeof(rows[0]), by_value);
    for (i = KINDS_SHOWN; i < n; i++)
        rest += rows[i].value;
    if (n > KINDS_SHOWN + 1) {
        char name[32];

        snprintf(name, sizeof(name), "%zu others", n - KINDS_SHOWN);
        kind(&rows[KINDS_SHOWN], name, rest);
        n = KINDS_SHOWN + 1;
    }
    for (i = 0; i < n; i++) {
        char text[PAGE_NUMBER_MAX];

        snprintf(rows[i].text, sizeof(rows[0].text), "%.30s",
                 page_rate(rows[i].value, text));
    }
    report_figure(to, "Traffic by message",
                  "What a host sends on the average, all headers included.");
    plot_rows(to, "Traffic by message", "c1", rows, n);
    report_figure_end(to);
    return true;
}

/* ---- load -------------------------------------------------------------- */

static size_t spread_of(const json_t *v, double *y, double *most)
{
    const size_t n = json_array_size(v) < 1001 ? json_array_size(v) : 0;

    for (size_t i = 0; i < n && i < PLOT_POINTS_MAX; i++) {
        y[i] = fmax(0, fmin(json_number_value(json_array_get(v, i)), 1e15));
        *most = fmax(*most, y[i]);
    }
    return n < PLOT_POINTS_MAX ? n : PLOT_POINTS_MAX;
}

bool report_load(FILE *to, const json_t *result)
{
    static const char *const paths[] = {"load.requests_over_mean",
                                        "load.keys_over_mean"};
    static const char *const labels[] = {"lookups answered", "share of keys"};
    static const char *const colours[] = {"c1", "c2"};
    struct plot p = {.to = to,
                     .x = {.hi = 100, .unit = "% of hosts, least busy first"},
                     .y = {.unit = "times the mean"}};
    double y[2][PLOT_POINTS_MAX], x[PLOT_POINTS_MAX], most = 0;
    char a[PAGE_NUMBER_MAX], b[PAGE_NUMBER_MAX];
    size_t n[2];

    for (unsigned k = 0; k < 2; k++)
        n[k] = spread_of(wr_out_at(result, paths[k]), y[k], &most);
    if (n[0] < 2 && n[1] < 2)
        return false;
    plot_fit(&p.y, 0, most, true, INFINITY);
    report_figure(
        to, "Load of hosts",
        "The busiest answered %s times as many lookups, and has %s "
        "times as many keys, as the mean.",
        page_number(report_number(result, "load.requests_max_over_mean"), a),
        page_number(report_number(result, "load.keys_max_over_mean"), b));
    fputs("<p class=\"legend\">\n", to);
    for (unsigned k = 0; k < 2; k++)
        report_key(to, colours[k], labels[k]);
    fputs("</p>\n", to);
    plot_open(&p, "Load of hosts", NULL, 0);
    for (unsigned k = 0; k < 2; k++) {
        for (size_t i = 0; i < n[k]; i++)
            x[i] = 100.0 * (double)i / (double)(n[k] > 1 ? n[k] - 1 : 1);
        plot_line(&p, colours[k], x, y[k], n[k]);
    }
    plot_close(&p);
    report_figure_end(to);
    return true;
}

/* ---- copies ------------------------------------------------------------ */

bool report_copies(FILE *to, const json_t *result)
{
    double v[HOPS_MAX];
    size_t n;
    const double sum =
        counts_of(wr_out_at(result, "data.copies_hist"), v, HOPS_MAX, &n);
    char a[PAGE_NUMBER_MAX];

    if (!(sum > 0))
        return false;
    report_figure(to, "Copies of a chunk",
                  "At the end, of %s chunks, at hosts that are up.",
                  page_count(sum, a));
    bars(to, "Copies of a chunk", "chunks", "copies", v, n, sum);
    report_figure_end(to);
    return true;
}
