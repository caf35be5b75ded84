/* cmd_run.c - wreath-sim run: one scenario, one seed. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "oracles.h"
#include "out.h"
#include "report.h"
#include "sys/clock.h"
#include "value.h"

/* ---- progress ---------------------------------------------------------- */

struct progress {
    wr_time started, drawn; /* Real. */
    bool shown;
};

static const char *about(double s, char ret[32])
{
    if (s < 120)
        snprintf(ret, 32, "%.0f s", s);
    else if (s < 7200)
        snprintf(ret, 32, "%.0f min", s / 60);
    else if (s < 172800)
        snprintf(ret, 32, "%.1f h", s / 3600);
    else
        snprintf(ret, 32, "%.1f d", s / 86400);
    return ret;
}

static bool show(void *arg, wr_time now, wr_time end, uint64_t events)
{
    struct progress *p = arg;
    const wr_time t = wr_clock_now();
    char at[32], left[32], all[WR_SCENARIO_TEXT_MAX];

    if (t - p->drawn < WR_MS(100))
        return true;
    p->drawn = t;
    p->shown = true;
    const double spent = (double)(t - p->started) / 1e6;
    fprintf(
        stderr, SIM_LINE "%3.0f %%  %s of %s  %.0f events/s",
        end > 0 ? 100 * (double)now / (double)end : 0,
        about((double)now / 1e6, at),
        wr_value_print(WR_SCENARIO_TIME, NULL, (union wr_value){.n = end}, all),
        spent > 0 ? (double)events / spent : 0);
    if (now > 0 && spent > 1)
        fprintf(stderr, "  %s left",
                about(spent * (double)(end - now) / (double)now, left));
    fputs(SIM_LINE_END, stderr);
    fflush(stderr);
    return true;
}

enum wr_err sim_run(const struct wr_scenario *s, struct wr_run_hooks *hooks,
                    bool quiet, json_t **ret)
{
    struct progress p = {.started = wr_clock_now()};

    hooks->stop = &sim_stop;
    if (!quiet && isatty(STDERR_FILENO) == 1) {
        hooks->progress = show;
        hooks->arg = &p;
    }
    const enum wr_err err = wr_run(s, hooks, ret);
    if (p.shown)
        fputs("\r\033[K", stderr);
    if (err != WR_OK)
        hooks->why.err = err;
    return err;
}

/* ---- the command ------------------------------------------------------- */

bool sim_trace(const char *text, wr_time *ret_from, wr_time *ret_to)
{
    const char *dots = strstr(text, "..");
    union wr_value a = {0}, b = {.n = WR_NEVER - 1};
    char from[64];

    if (dots == NULL || (size_t)(dots - text) >= sizeof(from))
        return false;
    snprintf(from, sizeof(from), "%.*s", (int)(dots - text), text);
    if ((from[0] != '\0' &&
         wr_value_parse(WR_SCENARIO_TIME, NULL, from, &a) != WR_OK) ||
        (dots[2] != '\0' &&
         wr_value_parse(WR_SCENARIO_TIME, NULL, dots + 2, &b) != WR_OK))
        return false;
    *ret_from = a.n;
    *ret_to = b.n;
    return a.n <= b.n;
}

static enum wr_err write_out(const json_t *result, const char *json,
                             const char *csv, const char *report,
                             struct wr_why *why)
{
    enum wr_err err = WR_OK;

    if (json != NULL)
        err = wr_out_json(json, result, why);
    if (err == WR_OK && csv != NULL)
        err = wr_out_csv(csv, result, why);
    if (err == WR_OK)
        err = wr_report(report, result, why);
    return err;
}

static bool is_stdout(const char *path)
{
    return path != NULL && strcmp(path, "-") == 0;
}

/* Not one scenario, but a set of them with what must come out. */
static int run_oracles(bool small, char **names, size_t n)
{
    struct wr_why why = {0};
    bool ok = false;

    sim_catch_stop();
    const enum wr_err err = wr_oracles(!small, names, n, &sim_stop, &ok, &why);

    if (sim_stop)
        return SIM_INTERRUPTED;
    if (err != WR_OK)
        return sim_fail(&why);
    return ok ? 0 : 1;
}

int cmd_run(int argc, char **argv)
{
    static struct wr_scenario s; /* 10 KiB: no need to burden the stack. */
    struct sim_list settings = {0};
    const char *json = NULL, *csv = NULL, *trace = NULL, *report = NULL;
    bool quiet = false, small = false;
    const struct sim_option rows[] = {
        {.name = "hosts", .key = "ring.hosts"},
        {.name = "members", .key = "ring.members"},
        {.name = "seed", .key = "run.seed"},
        {.name = "for", .key = "run.for"},
        {.name = "set", .list = &settings},
        {.name = "check", .key = "run.check", .fixed = "yes"},
        {.name = "codec", .key = "run.codec", .fixed = "yes"},
        {.name = "json", .value = &json},
        {.name = "csv", .value = &csv},
        {.name = "report", .value = &report},
        {.name = "trace", .value = &trace},
        {.name = "small", .flag = &small},
        {.name = "quiet", .flag = &quiet},
    };
    struct wr_run_hooks hooks = {.trace_from = WR_NEVER, .trace_to = WR_NEVER};
    json_t *result = NULL;
    int first;
    const int end = sim_options("run", rows, WR_ARRAY_LEN(rows), &settings,
                                argc, argv, &first);

    if (end != 0)
        return end - 1;
    if (first < argc && strcmp(argv[first], "oracles") == 0)
        return run_oracles(small, argv + first + 1, (size_t)(argc - first - 1));
    if (small)
        return sim_usage("run", "--small is for 'run oracles' alone");
    if (argc - first != 1)
        return sim_usage("run", "run takes one scenario or preset");
    if (is_stdout(json) && is_stdout(csv))
        return sim_usage("run", "--json and --csv cannot both be -");
    if (trace != NULL && !sim_trace(trace, &hooks.trace_from, &hooks.trace_to))
        return sim_usage("run", "--trace %s is not FROM..TO, as 2s..3s", trace);
    if (sim_scenario(&s, argv[first], &settings, &hooks.why) != WR_OK ||
        wr_out_prepare(json, &hooks.why) != WR_OK ||
        wr_out_prepare(csv, &hooks.why) != WR_OK ||
        wr_report_prepare(report, &hooks.why) != WR_OK)
        return sim_fail(&hooks.why);
    sim_catch_stop();
    if (sim_run(&s, &hooks, quiet, &result) != WR_OK)
        return sim_fail(&hooks.why);
    int status = wr_out_bad(result) ? 1 : 0;
    if (write_out(result, json, csv, report, &hooks.why) != WR_OK)
        status = sim_fail(&hooks.why);
    else if (sim_stop)
        status = SIM_INTERRUPTED;
    if (!quiet && !is_stdout(json) && !is_stdout(csv))
        wr_out_summary(stdout, result);
    json_decref(result);
    return status;
}
