/* report_run.c - the page of one run. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "preset.h"
#include "report_private.h"

struct shown {
    const json_t *result;
    struct plot_mark marks[REPORT_MARKS_MAX];
    size_t marks_n;
};

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
        snprintf(names[i], sizeof(names[0]), "%zu", i);
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

static bool draw_hops(FILE *to, const json_t *result)
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

static bool draw_latency(FILE *to, const json_t *result)
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

/* ---- over time --------------------------------------------------------- */

static bool lines(FILE *to, const struct shown *s, struct report_lines what,
                  const struct report_line *l, size_t n)
{
    what.times = what.times == 0 ? 1 : what.times;
    what.marks = s->marks;
    what.marks_n = s->marks_n;
    return report_lines(to, &what, l, n);
}

static void draw_hosts(FILE *to, const struct shown *s)
{
    const json_t *r = s->result;
    char caption[256], a[PAGE_NUMBER_MAX], b[PAGE_NUMBER_MAX],
        c[PAGE_NUMBER_MAX];

    snprintf(caption, sizeof(caption),
             "%s on the average; %s starts, %s deaths.",
             page_number(report_number(r, "hosts.up_mean"), a),
             page_count(report_number(r, "hosts.starts"), b),
             page_count(report_number(r, "hosts.deaths"), c));
    (void)lines(to, s,
                (struct report_lines){.title = "Hosts up",
                                      .caption = caption,
                                      .unit = "hosts",
                                      .zero = true,
                                      .area = true},
                &(struct report_line){r, "hosts_up", "up", "c3"}, 1);
}

static void draw_right(FILE *to, const struct shown *s)
{
    const json_t *r = s->result;
    char caption[256], a[PAGE_NUMBER_MAX], b[PAGE_NUMBER_MAX];
    const double wrong = report_number(r, "lookups.wrong");
    const double failed = report_number(r, "lookups.failed");

    snprintf(caption, sizeof(caption),
             "%s of %s lookups were right; %.0f wrong, %.0f failed.",
             page_share(report_number(r, "lookups.right_share"), a),
             page_count(report_number(r, "lookups.asked"), b),
             isnan(wrong) ? 0 : wrong, isnan(failed) ? 0 : failed);
    if (!lines(to, s,
               (struct report_lines){.title = "Lookups right",
                                     .caption = caption,
                                     .unit = "% of lookups",
                                     .times = 100},
               &(struct report_line){r, "right_share", "right", "right"}, 1))
        report_none(to, "Lookups over time:", "the series has no lookups.");
    if (!report_errors(to, r, s->marks, s->marks_n))
        report_none(to, "Lookups that went wrong:", "none was seen.");
}

static void lookups(FILE *to, const struct shown *s)
{
    const struct report_line latency[] = {
        {s->result, "latency_ms_p50", "half are faster (p50)", "c1"},
        {s->result, "latency_ms_p99", "99 % are faster (p99)", "c2"},
    };

    report_section(to, "Hosts and lookups");
    draw_hosts(to, s);
    if (!(report_number(s->result, "lookups.asked") > 0)) {
        report_none(to, "No lookups:", "this scenario asks none.");
        report_section_end(to);
        return;
    }
    draw_right(to, s);
    (void)lines(to, s,
                (struct report_lines){.title = "Latency over time",
                                      .caption = "Of the lookups that ended "
                                                 "between two samples.",
                                      .kind = PLOT_MS},
                latency, 2);
    if (!draw_latency(to, s->result))
        report_none(to, "Latency:", "no lookup was answered.");
    (void)draw_hops(to, s->result);
    report_section_end(to);
}

/* ---- the ring ---------------------------------------------------------- */

enum { DOTS_MAX = 2048 };

static bool draw_ring(FILE *to, const json_t *result)
{
    const json_t *members = json_object_get(result, "members"), *each;
    struct plot_dot dots[DOTS_MAX];
    const double end = report_number(result, "ring.members_end");
    size_t n = 0, up = 0, i;
    char inside[64], a[PAGE_NUMBER_MAX];

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
    report_figure(to, "The ring at the end",
                  "Each dot is a place on the ring%s; outside: its host is up "
                  "(%zu), inside: down (%zu).",
                  n >= 1000 ? ", drawn of a sample" : "", up, n - up);
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

static void ring(FILE *to, const struct shown *s)
{
    const json_t *r = s->result;
    const struct report_line wrong[] = {
        {r, "wrong_first_successors", "first successor", "failed"},
        {r, "wrong_predecessors", "predecessor", "c4"},
    };

    report_section(to, "Ring");
    if (!draw_ring(to, r))
        report_none(to, "The ring:", "the result does not name its members.");
    if (!lines(to, s,
               (struct report_lines){
                   .title = "Wrong neighbours",
                   .caption = "Members whose first successor or predecessor "
                              "is not the one that it should be.",
                   .unit = "members",
                   .zero = true},
               wrong, 2))
        report_none(to, "Ring health:", "the series does not have it.");
    (void)lines(to, s,
                (struct report_lines){
                    .title = "Not ideal",
                    .caption = "Members with anything else than the ideal "
                               "predecessor and list of successors.",
                    .unit = "members",
                    .zero = true,
                    .area = true},
                &(struct report_line){r, "not_ideal", "not ideal", "c5"}, 1);
    report_section_end(to);
}

/* ---- traffic ----------------------------------------------------------- */

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

static bool draw_kinds(FILE *to, const json_t *result)
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

static bool draw_load(FILE *to, const json_t *result)
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

static void traffic(FILE *to, const struct shown *s)
{
    const json_t *r = s->result;
    char caption[256], a[PAGE_NUMBER_MAX], b[PAGE_NUMBER_MAX];

    report_section(to, "Traffic and load");
    snprintf(caption, sizeof(caption),
             "%s and %s messages a second, of each host that is up.",
             page_rate(report_number(r, "traffic.bytes_per_host_s"), a),
             page_number(report_number(r, "traffic.messages_per_host_s"), b));
    if (!lines(to, s,
               (struct report_lines){.title = "Traffic of a host",
                                     .caption = caption,
                                     .kind = PLOT_BYTES,
                                     .unit = "B/s",
                                     .zero = true,
                                     .area = true},
               &(struct report_line){r, "bytes_per_host_s", "", "c1"}, 1))
        report_none(to, "Traffic over time:", "the series does not have it.");
    if (!draw_kinds(to, r))
        report_none(to, "Traffic by message:", "nothing was sent.");
    if (!draw_load(to, r))
        report_none(to, "Load:", "the result has no spread of it.");
    report_section_end(to);
}

/* ---- copies ------------------------------------------------------------ */

static bool draw_copies(FILE *to, const json_t *result)
{
    double v[HOPS_MAX];
    size_t n;
    const double sum =
        counts_of(wr_out_at(result, "data.copies_hist"), v, HOPS_MAX, &n);
    char a[PAGE_NUMBER_MAX];

    if (!(sum > 0))
        return false;
    report_figure(to, "Copies of a chunk", "At the end, of %s chunks%s.",
                  page_count(sum, a), v[0] > 0 ? "; those at 0 are lost" : "");
    bars(to, "Copies of a chunk", "chunks", "copies", v, n, sum);
    report_figure_end(to);
    return true;
}

static void data(FILE *to, const struct shown *s)
{
    report_section(to, "Data");
    if (!draw_copies(to, s->result))
        report_none(to, "Copies of chunks:", "this scenario stores no files.");
    (void)lines(to, s,
                (struct report_lines){.title = "Copies over time",
                                      .caption = "Of a chunk, on the average.",
                                      .unit = "copies",
                                      .zero = true},
                &(struct report_line){s->result, "copies_mean", "", "c3"}, 1);
    report_section_end(to);
}

/* ---- the page ---------------------------------------------------------- */

static void alert(FILE *to, const json_t *result)
{
    const double violations = report_number(result, "ring.violations");
    const double wrong = report_number(result, "data.wrong");

    if (json_is_true(json_object_get(result, "interrupted")))
        fputs("<p class=\"alert mild\">It was interrupted: these are the "
              "figures up to then.</p>\n",
              to);
    if (!wr_out_bad(result))
        return;
    fputs("<p class=\"alert\">", to);
    if (violations > 0)
        page_fmt(to, "The ring's invariant was violated %.0f times. ",
                 violations);
    if (wrong > 0)
        page_fmt(to, "%.0f reads gave wrong bytes.", wrong);
    fputs("</p>\n", to);
}

static const char *key(const json_t *result, const char *name)
{
    const char *s = json_string_value(
        json_object_get(json_object_get(result, "scenario"), name));

    return s != NULL ? s : "?";
}

static void lead(FILE *to, const json_t *result)
{
    const char *name = report_string(result, "name");
    char line[128], a[PAGE_NUMBER_MAX];

    for (size_t i = 0; i < wr_presets_n; i++)
        if (strcmp(wr_presets[i].name, name) == 0) {
            fputs("<p class=\"lead\">", to);
            page_text(to, wr_preset_summary(&wr_presets[i], line));
            fputs("</p>\n", to);
        }
    fputs("<p class=\"what\">", to);
    const char *members = key(result, "ring.members");
    page_fmt(to, "%.40s hosts with %.40s %s each, %s simulated, seed %.40s",
             key(result, "ring.hosts"), members,
             strcmp(members, "1") == 0 ? "member" : "members",
             page_time(report_number(result, "virtual_s"), a),
             report_seed(result));
    fputs("<br/>digest <code>", to);
    page_text(to, report_string(result, "digest"));
    fputs("</code>, which this command gives again:</p>\n", to);
}

void report_run(FILE *to, const json_t *result)
{
    static struct shown s;

    s.result = result;
    s.marks_n = report_marks(result, s.marks);
    report_head(to, "wreath-sim run", report_string(result, "name"),
                report_string(result, "version"));
    lead(to, result);
    report_command(to, result, NULL, 0);
    alert(to, result);
    report_tiles(to, result);
    fputs("</header>\n", to);
    lookups(to, &s);
    ring(to, &s);
    traffic(to, &s);
    data(to, &s);
    fputs("<section>\n", to);
    report_summary(to, result);
    fputs("</section>\n", to);
    report_log(to, result);
    report_scenario(to, result, "What differs from the defaults.");
    report_every(to, result);
    report_foot(to);
}
