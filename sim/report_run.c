/* report_run.c - the page of one run. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "preset.h"
#include "report_private.h"

struct shown {
    const json_t *result;
    struct plot_mark marks[REPORT_MARKS_MAX];
    size_t marks_n;
};

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
    (void)report_thinned(to, s->result);
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
    if (!report_latency(to, s->result))
        report_none(to, "Latency:", "no lookup was answered.");
    (void)report_hops(to, s->result);
    report_section_end(to);
}

/* ---- the ring ---------------------------------------------------------- */

static void ring(FILE *to, const struct shown *s)
{
    const json_t *r = s->result;
    const struct report_line wrong[] = {
        {r, "wrong_first_successors", "first successor", "failed"},
        {r, "wrong_predecessors", "predecessor", "c4"},
    };

    report_section(to, "Ring");
    if (!report_ring(to, r))
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
    if (!report_kinds(to, r))
        report_none(to, "Traffic by message:", "nothing was sent.");
    if (!report_load(to, r))
        report_none(to, "Load:", "the result has no spread of it.");
    report_section_end(to);
}

static void draw_leaves(FILE *to, const struct shown *s)
{
    const json_t *r = s->result;
    char caption[256], a[PAGE_NUMBER_MAX], b[PAGE_NUMBER_MAX],
        c[PAGE_NUMBER_MAX];

    snprintf(caption, sizeof(caption),
             "Of %s leaves; %s of their time awake they had a parent; %s "
             "times they lost it.",
             page_count(report_number(r, "leaves.count"), a),
             page_share(report_number(r, "leaves.attached_share"), b),
             page_count(report_number(r, "leaves.failovers"), c));
    (void)lines(to, s,
                (struct report_lines){.title = "Leaves attached",
                                      .caption = caption,
                                      .unit = "leaves",
                                      .zero = true,
                                      .area = true},
                &(struct report_line){r, "leaves_attached", "", "c7"}, 1);
}

static void draw_files(FILE *to, const struct shown *s)
{
    const struct report_line what[] = {
        {s->result, "puts", "puts", "c1"},
        {s->result, "gets", "gets", "c3"},
        {s->result, "files_failed", "failed", "failed"},
    };

    (void)lines(to, s,
                (struct report_lines){.title = "Files",
                                      .caption = "Puts and gets that began "
                                                 "between two samples, and "
                                                 "those that failed.",
                                      .unit = "files",
                                      .zero = true},
                what, WR_ARRAY_LEN(what));
}

static void data(FILE *to, const struct shown *s)
{
    const bool leaves = report_number(s->result, "leaves.count") > 0;

    report_section(to, "Leaves and files");
    if (leaves) {
        draw_leaves(to, s);
        draw_files(to, s);
    }
    (void)lines(to, s,
                (struct report_lines){
                    .title = "Copies over time",
                    .caption = "Of a chunk, on the average, at hosts that are "
                               "up.",
                    .unit = "copies",
                    .zero = true},
                &(struct report_line){s->result, "copies_mean", "", "c4"}, 1);
    if (!report_copies(to, s->result))
        report_none(to, "Copies of chunks:",
                    leaves ? "no file was put."
                           : "this scenario has no leaves, and so no files.");
    report_section_end(to);
}

/* ---- the page ---------------------------------------------------------- */

static void alert(FILE *to, const json_t *result)
{
    const double violations = report_number(result, "ring.violations");
    const double malformed = report_number(result, "traffic.malformed");
    const double bodies = report_number(result, "data.bodies_wrong");
    const double wrong = report_number(result, "data.wrong");
    const double lost = report_number(result, "data.lost");

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
    if (malformed > 0)
        page_fmt(to, "%.0f messages broke a limit. ", malformed);
    if (bodies > 0)
        page_fmt(to, "%.0f bodies were released twice, or used after that. ",
                 bodies);
    if (wrong > 0)
        page_fmt(to, "%.0f reads gave wrong bytes. ", wrong);
    if (lost > 0)
        page_fmt(to, "%.0f acknowledged chunks are lost.", lost);
    fputs("</p>\n", to);
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
    const char *members = report_setting(result, "ring.members");
    page_fmt(to, "%.40s hosts with %.40s %s each, %s simulated, seed %.40s",
             report_setting(result, "ring.hosts"), members,
             strcmp(members, "1") == 0 ? "member" : "members",
             page_time(report_number(result, "virtual_s"), a),
             report_setting(result, "run.seed"));
    if (strcmp(report_string(result, "system"), "wreath") != 0)
        page_fmt(to, ", system %.40s", report_string(result, "system"));
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
