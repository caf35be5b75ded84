/* cmd_compare.c - wreath-sim compare: results side by side. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "out.h"
#include "report.h"

enum { RUNS_MAX = 12 }; /* More columns than anybody reads. */

/* What --system takes: a system, or wreath in another configuration. */
enum { VARIANT_SETTINGS = 3 };
struct variant {
    const char *name;
    const char *settings[VARIANT_SETTINGS];
};

static const struct variant variants[] = {
    {"wreath", {"ring.system=wreath"}},
    /* Each host knows all members, and needs no fingers. */
    {"full", {"ring.system=wreath", "ring.roster=10 s", "ring.fingers=never"}},
    {"fingers", {"ring.system=wreath", "ring.roster=never", "ring.learn=no"}},
    {"flood", {"ring.system=flood"}},
    {"walk", {"ring.system=walk"}},
    {"index", {"ring.system=index"}},
};

/* A JSON file in `*ret`; NULL: this is none. WR_EINVAL: one that is no result
 * of a run. */
static enum wr_err stored(const char *path, json_t **ret, struct wr_why *why)
{
    *ret = json_load_file(path, 0, NULL);
    if (*ret == NULL ||
        json_integer_value(json_object_get(*ret, "wreath_sim")) == 1)
        return WR_OK;
    json_decref(*ret);
    *ret = NULL;
    return wr_why(why, WR_EINVAL,
                  "%s is JSON, but no result of wreath-sim run, or one of "
                  "another version",
                  path);
}

/* `*ret` is read, or run, and then goes by the name of `as`, if that is not
 * NULL; where `ret` is NULL, only whether it could be. An exit status. */
static int result_of(const char *name, const char *as,
                     const struct sim_list *settings, bool quiet, json_t **ret)
{
    static struct wr_scenario s;
    struct wr_run_hooks hooks = {.trace_from = WR_NEVER, .trace_to = WR_NEVER};
    json_t *o = NULL;

    if (as == NULL && stored(name, &o, &hooks.why) != WR_OK)
        return sim_fail(&hooks.why);
    if (o == NULL && sim_scenario(&s, name, settings, &hooks.why) != WR_OK)
        return sim_fail(&hooks.why);
    if (ret == NULL) {
        json_decref(o);
        return 0;
    }
    *ret = o;
    if (o != NULL)
        return 0;
    if (as != NULL)
        snprintf(s.name, sizeof(s.name), "%s", as);
    if (sim_run(&s, &hooks, quiet, ret) != WR_OK)
        return sim_fail(&hooks.why);
    return 0;
}

static const struct variant *variant_of(const char *name, size_t n)
{
    for (size_t i = 0; i < WR_ARRAY_LEN(variants); i++)
        if (strlen(variants[i].name) == n &&
            strncmp(variants[i].name, name, n) == 0)
            return &variants[i];
    return NULL;
}

/* `scenario` with each of the `systems`, "a,b,c", as a column; where `results`
 * is NULL, only whether it can be. */
static int run_variants(const char *scenario, const char *systems,
                        const struct sim_list *settings, bool quiet,
                        json_t **results, size_t *n)
{
    int status = 0;

    while (*systems != '\0' && status == 0 && !sim_stop && *n < RUNS_MAX) {
        const size_t len = strcspn(systems, ",");
        const struct variant *v = variant_of(systems, len);
        struct sim_list all = *settings;

        for (size_t i = 0; i < VARIANT_SETTINGS; i++)
            if (v->settings[i] != NULL)
                all.v[all.n++] = v->settings[i];
        status = result_of(scenario, v->name, &all, quiet,
                           results != NULL ? &results[*n] : NULL);
        *n += results != NULL && results[*n] != NULL;
        systems += len + (systems[len] == ',');
    }
    return status;
}

/* 0, or an exit status. */
static int check_systems(const char *systems)
{
    size_t n = 0;

    for (const char *at = systems; at[0] != '\0'; n++) {
        const size_t len = strcspn(at, ",");

        if (variant_of(at, len) == NULL)
            return sim_usage("compare",
                             "there is no system '%.*s'; they are wreath, "
                             "full, fingers, flood, walk and index",
                             (int)len, at);
        at += len + (at[len] == ',');
    }
    if (n < 1 || n > RUNS_MAX)
        return sim_usage("compare", "--system takes 1 to %d systems", RUNS_MAX);
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
    const char *json = NULL, *report = NULL, *systems = NULL;
    bool quiet = false;
    const struct sim_option rows[] = {
        {.name = "system", .value = &systems},
        {.name = "hosts", .key = "ring.hosts"},
        {.name = "members", .key = "ring.members"},
        {.name = "seed", .key = "run.seed"},
        {.name = "for", .key = "run.for"},
        {.name = "set", .list = &settings},
        {.name = "json", .value = &json},
        {.name = "report", .value = &report},
        {.name = "quiet", .flag = &quiet},
    };
    size_t n = 0;
    int first, status = 0;
    bool bad = false;
    const int end = sim_options("compare", rows, WR_ARRAY_LEN(rows), &settings,
                                argc, argv, &first);

    if (end != 0)
        return end - 1;
    if (systems != NULL && argc - first != 1)
        return sim_usage("compare", "--system takes one scenario");
    if (systems != NULL && settings.n > SIM_LIST_MAX - VARIANT_SETTINGS)
        return sim_usage("compare", "too many settings");
    if (systems != NULL)
        status = check_systems(systems);
    if (status != 0)
        return status;
    if (systems == NULL && (argc - first < 2 || argc - first > RUNS_MAX))
        return sim_usage("compare",
                         "compare takes 2 to %d results or "
                         "scenarios",
                         RUNS_MAX);
    if (wr_out_prepare(json, &why) != WR_OK ||
        wr_report_prepare(report, &why) != WR_OK)
        return sim_fail(&why);
    /* All of them, before the first run: a mistake shows at once. */
    if (systems != NULL)
        status = run_variants(argv[first], systems, &settings, quiet, NULL, &n);
    for (int i = first; systems == NULL && i < argc && status == 0; i++)
        status = result_of(argv[i], NULL, &settings, quiet, NULL);
    if (status != 0)
        return status;
    sim_catch_stop();
    if (systems != NULL)
        status =
            run_variants(argv[first], systems, &settings, quiet, results, &n);
    for (int i = first; systems == NULL && i < argc && status == 0 && !sim_stop;
         i++) {
        status = result_of(argv[i], NULL, &settings, quiet, &results[n]);
        n += results[n] != NULL;
    }
    if (status == 0 && (json == NULL || strcmp(json, "-") != 0))
        wr_out_compare(stdout, results, n);
    if (status == 0 && (json != NULL || report != NULL))
        status = write_all(json, report, results, n);
    for (size_t i = 0; i < n; i++) {
        bad = bad || wr_out_bad(results[i]);
        json_decref(results[i]);
    }
    if (status == 0 && sim_stop)
        status = SIM_INTERRUPTED;
    return status == 0 && bad ? 1 : status;
}
