/* cmd_compare.c - wreath-sim compare: results side by side. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "out.h"
#include "report.h"

enum { RUNS_MAX = 12 }; /* More columns than anybody reads. */

/* A result that was written before; NULL: this is no such file. */
static json_t *stored(const char *path)
{
    json_t *o = json_load_file(path, 0, NULL);

    if (json_is_integer(json_object_get(o, "wreath_sim")))
        return o;
    json_decref(o);
    return NULL;
}

/* `*ret` is read, or run. An exit status. */
static int result_of(const char *name, const struct sim_list *settings,
                     bool quiet, json_t **ret)
{
    static struct wr_scenario s;
    struct wr_run_hooks hooks = {.trace_from = WR_NEVER, .trace_to = WR_NEVER};

    *ret = stored(name);
    if (*ret != NULL)
        return 0;
    if (sim_scenario(&s, name, settings, &hooks.why) != WR_OK ||
        sim_run(&s, &hooks, quiet, ret) != WR_OK)
        return sim_fail(&hooks.why);
    return 0;
}

static int write_all(const char *path, const char *report,
                     json_t *const *results, size_t n)
{
    json_t *runs = json_array();
    json_t *o = json_pack("{s:i, s:o}", "wreath_sim_compare", 1, "runs", runs);
    struct wr_why why = {.err = WR_ENOMEM};
    bool fine = o != NULL;

    for (size_t i = 0; i < n && fine; i++)
        fine = json_array_append(runs, results[i]) == 0;
    fine = fine && (path == NULL || wr_out_json(path, o, &why) == WR_OK);
    fine = fine && wr_report(report, o, &why) == WR_OK;
    json_decref(o);
    return fine ? 0 : sim_fail(&why);
}

int cmd_compare(int argc, char **argv)
{
    json_t *results[RUNS_MAX] = {NULL};
    struct sim_list settings = {0};
    struct wr_why why = {0};
    const char *json = NULL, *report = NULL;
    bool quiet = false;
    const struct sim_option rows[] = {
        {.name = "seed", .key = "run.seed"},
        {.name = "json", .value = &json},
        {.name = "report", .value = &report},
        {.name = "quiet", .flag = &quiet},
    };
    size_t n = 0;
    int first, status = 0;
    const int end = sim_options("compare", rows, WR_ARRAY_LEN(rows), &settings,
                                argc, argv, &first);

    if (end != 0)
        return end - 1;
    if (argc - first < 2 || argc - first > RUNS_MAX)
        return sim_usage("compare",
                         "compare takes 2 to %d results or "
                         "scenarios",
                         RUNS_MAX);
    if (wr_report_prepare(report, &why) != WR_OK)
        return sim_fail(&why);
    sim_catch_stop();
    for (int i = first; i < argc && status == 0 && !sim_stop; i++) {
        status = result_of(argv[i], &settings, quiet, &results[n]);
        n += results[n] != NULL;
    }
    if (status == 0 && (json == NULL || strcmp(json, "-") != 0))
        wr_out_compare(stdout, results, n);
    if (status == 0 && (json != NULL || report != NULL))
        status = write_all(json, report, results, n);
    for (size_t i = 0; i < n; i++)
        json_decref(results[i]);
    return status == 0 && sim_stop ? SIM_INTERRUPTED : status;
}
