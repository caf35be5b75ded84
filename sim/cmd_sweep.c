/*
 * cmd_sweep.c - wreath-sim sweep: a scenario over values and seeds, each run a
 * process of its own, and what they have in common at the end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "estimate.h"
#include "out.h"
#include "report.h"
#include "sys/fs.h"

enum { VARY_MAX = 4, VALUES_MAX = 64, POINTS_MAX = 4096, JOBS_MAX = 256 };

struct axis {
    char key[WR_SCENARIO_TEXT_MAX];
    char room[1024]; /* The values, each with its NUL. */
    const char *v[VALUES_MAX];
    size_t n;
};

struct sweep {
    const char *scenario;
    struct sim_list settings;
    struct axis axes[VARY_MAX];
    size_t axes_n;
    size_t points, seeds; /* points x seeds runs; the seed runs fastest. */
    uint64_t seed;        /* The first. */
    json_t **results;     /* NULL: not yet, or failed. */
    bool quiet;
};

/* One run in a child; `out` is where it writes. pid 0: free. */
struct job {
    pid_t pid;
    size_t run;
    FILE *out;
};

/* ---- what is asked for ------------------------------------------------- */

static enum wr_err parse_axis(struct axis *a, const char *text,
                              struct wr_why *why)
{
    const char *values;

    if (sim_split(text, a->key, &values, why) != WR_OK)
        return WR_EINVAL;
    if (strlen(values) >= sizeof(a->room))
        return wr_why(why, WR_EINVAL, "--vary %s: the values are too long",
                      a->key);
    strcpy(a->room, values);
    for (char *p = a->room; p != NULL;) {
        char *comma = strchr(p, ',');

        if (a->n == VALUES_MAX)
            return wr_why(why, WR_EINVAL, "--vary %s: more than %d values",
                          a->key, VALUES_MAX);
        if (comma != NULL)
            *comma++ = '\0';
        if (*p == '\0' && (comma != NULL || a->n > 0))
            return wr_why(why, WR_EINVAL,
                          "--vary %s=%s: a value is missing at a comma", a->key,
                          values);
        a->v[a->n++] = p;
        p = comma;
    }
    return WR_OK;
}

/* The scenario of one run. */
static enum wr_err scenario_of(const struct sweep *w, size_t run,
                               struct wr_scenario *s, struct wr_why *why)
{
    size_t point = run / w->seeds;
    enum wr_err err = sim_scenario(s, w->scenario, &w->settings, why);

    for (size_t i = w->axes_n; err == WR_OK && i-- > 0;) {
        const struct axis *a = &w->axes[i];

        err = wr_scenario_set(s, a->key, a->v[point % a->n], why);
        point /= a->n;
    }
    s->run_seed = w->seed + run % w->seeds;
    return err == WR_OK ? wr_scenario_check(s, why) : err;
}

/* All points, before the first run: a mistake shows at once. */
static enum wr_err prepare(struct sweep *w, const struct sim_list *vary,
                           struct wr_why *why)
{
    struct wr_scenario s;

    if (vary->n > VARY_MAX)
        return wr_why(why, WR_EINVAL, "more than %d --vary", VARY_MAX);
    w->points = 1;
    for (size_t i = 0; i < vary->n; i++) {
        if (parse_axis(&w->axes[w->axes_n++], vary->v[i], why) != WR_OK)
            return WR_EINVAL;
        if (strcmp(w->axes[i].key, "run.seed") == 0)
            return wr_why(why, WR_EINVAL,
                          "seeds are varied by --seeds, from --seed on");
        for (size_t k = 0; k < i; k++)
            if (strcmp(w->axes[i].key, w->axes[k].key) == 0)
                return wr_why(why, WR_EINVAL,
                              "--vary %s is there twice; write all its values "
                              "in one",
                              w->axes[i].key);
        w->points *= w->axes[i].n;
    }
    if (w->points > POINTS_MAX)
        return wr_why(why, WR_EINVAL, "%zu combinations; the most is %d",
                      w->points, POINTS_MAX);
    enum wr_err err = sim_scenario(&s, w->scenario, &w->settings, why);
    w->seed = s.run_seed;
    for (size_t i = 0; err == WR_OK && i < w->points; i++)
        err = scenario_of(w, i * w->seeds, &s, why);
    return err;
}

/* ---- processes --------------------------------------------------------- */

/* In the child; never returns. What is big and nobody averages stays out. */
static void play(const struct sweep *w, size_t run, FILE *out)
{
    static struct wr_scenario s;
    struct wr_run_hooks hooks = {.trace_from = WR_NEVER, .trace_to = WR_NEVER};
    json_t *result = NULL;

    if (scenario_of(w, run, &s, &hooks.why) != WR_OK ||
        sim_run(&s, &hooks, true, &result) != WR_OK)
        _exit(sim_fail(&hooks.why));
    json_object_del(result, "series");
    json_object_del(result, "members");
    json_object_del(result, "log");
    const bool fine =
        json_dumpf(result, out, JSON_COMPACT) == 0 && fflush(out) == 0;
    _exit(fine ? 0 : 1);
}

static bool start(const struct sweep *w, size_t run, struct job *j)
{
    FILE *out = tmpfile();

    fflush(stdout);
    fflush(stderr);
    const pid_t pid = out != NULL ? fork() : -1;
    if (pid < 0) {
        fprintf(stderr, "wreath-sim: cannot start a run: %s\n",
                wr_errno_text(errno));
        if (out != NULL)
            fclose(out);
        return false;
    }
    if (pid == 0)
        play(w, run, out);
    *j = (struct job){pid, run, out};
    return true;
}

/* Children end as we are told to: a terminal tells them itself, `kill` does
 * not. SIGTERM, for a second SIGINT would end them without a result. */
static void pass_on_stop(const struct job *jobs, size_t n)
{
    static bool told;

    if (!sim_stop || told)
        return;
    told = true;
    for (size_t i = 0; i < n; i++)
        if (jobs[i].pid > 0)
            kill(jobs[i].pid, SIGTERM);
}

/* Looks every 5 ms, so that no signal is missed just before a wait. */
static pid_t wait_any(const struct job *jobs, size_t n, int *status)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    pid_t pid;

    while ((pid = waitpid(-1, status, WNOHANG)) == 0) {
        pass_on_stop(jobs, n);
        nanosleep(&pause, NULL);
    }
    return pid;
}

/* Waits for any child; false: its run failed. */
static bool reap(struct sweep *w, struct job *jobs, size_t n)
{
    int status = 0;
    const pid_t pid = wait_any(jobs, n, &status);

    for (size_t i = 0; i < n; i++) {
        struct job *j = &jobs[i];

        if (pid <= 0 || j->pid != pid)
            continue;
        rewind(j->out);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            w->results[j->run] = json_loadf(j->out, 0, NULL);
        fclose(j->out);
        j->pid = 0;
        return w->results[j->run] != NULL;
    }
    return false;
}

static void show(const struct sweep *w, size_t done)
{
    if (!w->quiet && isatty(STDERR_FILENO) == 1)
        fprintf(stderr, SIM_LINE "%zu of %zu runs" SIM_LINE_END, done,
                w->points * w->seeds);
}

/* False: a run failed, and no further one was started. */
static bool run_all(struct sweep *w, size_t jobs_n)
{
    struct job jobs[JOBS_MAX] = {{0}};
    const size_t runs = w->points * w->seeds;
    size_t next = 0, busy = 0, done = 0;
    bool fine = true;

    show(w, 0);
    while (busy > 0 || (next < runs && fine && !sim_stop)) {
        if (next < runs && fine && !sim_stop && busy < jobs_n) {
            size_t i = 0;

            while (jobs[i].pid != 0)
                i++;
            fine = start(w, next, &jobs[i]);
            next++;
            busy += fine;
            continue;
        }
        fine = reap(w, jobs, jobs_n) && fine;
        busy--;
        show(w, ++done);
    }
    if (!w->quiet && isatty(STDERR_FILENO) == 1)
        fputs("\r\033[K", stderr);
    return fine;
}

/* ---- the table --------------------------------------------------------- */

/* "99.12 +- 0.05", the interval of the mean over the seeds; or false, and "-".
 */
static bool cell(const struct sweep *w, size_t point, const struct wr_figure *f,
                 char ret[48])
{
    const struct wr_estimate e =
        wr_estimate(w->results + point * w->seeds, w->seeds, f->path);

    if (e.n == 0)
        strcpy(ret, "-");
    else if (e.n == 1)
        snprintf(ret, 48, "%.*f", f->digits, e.mean * f->times);
    else
        snprintf(ret, 48, "%.*f +- %.*f", f->digits, e.mean * f->times,
                 f->digits, e.half * f->times);
    return e.n > 0;
}

static void table(const struct sweep *w)
{
    for (size_t p = 0; p < w->points; p++) {
        struct axis const *a;
        size_t rest = p, div = w->points;

        if (p > 0)
            putchar('\n');
        for (size_t i = 0; i < w->axes_n; i++) {
            a = &w->axes[i];
            div /= a->n;
            printf("%s = %s%s", a->key, a->v[rest / div],
                   i + 1 < w->axes_n ? ", " : "\n");
            rest %= div;
        }
        for (size_t i = 0; i < wr_figures_n; i++) {
            char text[48];

            const struct wr_figure *f = &wr_figures[i];
            const bool bare = !cell(w, p, f, text) || f->unit[0] == '\0';

            printf("  %-16s %20s%s%s\n", f->name, text, bare ? "" : " ",
                   bare ? "" : f->unit);
        }
    }
    if (w->seeds > 1)
        printf("\nmean of %zu seeds, +- its 95 %% interval\n", w->seeds);
}

static enum wr_err write_all(const struct sweep *w, const char *path,
                             const char *report, struct wr_why *why)
{
    json_t *vary = json_object(), *runs = json_array();
    json_t *o = json_pack("{s:i, s:o, s:o}", "wreath_sim_sweep", 1, "vary",
                          vary, "runs", runs);
    enum wr_err err = WR_OK;

    if (o == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory for the results");
    for (size_t i = 0; i < w->axes_n; i++) {
        json_t *values = json_array();

        for (size_t k = 0; k < w->axes[i].n; k++)
            json_array_append_new(values, json_string(w->axes[i].v[k]));
        json_object_set_new(vary, w->axes[i].key, values);
    }
    for (size_t i = 0; i < w->points * w->seeds; i++)
        if (w->results[i] != NULL)
            json_array_append(runs, w->results[i]);
    if (path != NULL)
        err = wr_out_json(path, o, why);
    if (err == WR_OK)
        err = wr_report(report, o, why);
    json_decref(o);
    return err;
}

/* ---- the command ------------------------------------------------------- */

static bool number(const char *text, size_t most, size_t *ret)
{
    uint64_t v;

    if (!sim_number(text, most, &v) || v == 0)
        return false;
    *ret = (size_t)v;
    return true;
}

static size_t processors(void)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > JOBS_MAX ? JOBS_MAX : (size_t)n;
}

static int finish(struct sweep *w, const char *json, const char *report,
                  bool fine)
{
    struct wr_why why = {0};
    int status = fine ? 0 : 1;
    bool any = false;

    for (size_t i = 0; i < w->points * w->seeds; i++) {
        any = any || w->results[i] != NULL;
        if (w->results[i] != NULL && wr_out_bad(w->results[i]))
            status = 1;
    }
    if ((json != NULL || report != NULL) &&
        write_all(w, json, report, &why) != WR_OK)
        status = sim_fail(&why);
    if (any && !w->quiet && (json == NULL || strcmp(json, "-") != 0))
        table(w);
    if (sim_stop && !w->quiet)
        fputs("wreath-sim: interrupted; what was measured so far is kept\n",
              stderr);
    for (size_t i = 0; i < w->points * w->seeds; i++)
        json_decref(w->results[i]);
    free(w->results);
    return sim_stop ? SIM_INTERRUPTED : status;
}

int cmd_sweep(int argc, char **argv)
{
    static struct sweep w = {.seeds = 5};
    struct sim_list vary = {0};
    const char *json = NULL, *seeds = NULL, *jobs = NULL, *report = NULL;
    const struct sim_option rows[] = {
        {.name = "vary", .list = &vary},
        {.name = "seeds", .value = &seeds},
        {.name = "seed", .key = "run.seed"},
        {.name = "jobs", .value = &jobs},
        {.name = "hosts", .key = "ring.hosts"},
        {.name = "members", .key = "ring.members"},
        {.name = "for", .key = "run.for"},
        {.name = "set", .list = &w.settings},
        {.name = "check", .key = "run.check", .fixed = "yes"},
        {.name = "json", .value = &json},
        {.name = "report", .value = &report},
        {.name = "quiet", .flag = &w.quiet},
    };
    struct wr_why why = {0};
    size_t jobs_n = processors();
    int first;
    const int end = sim_options("sweep", rows, WR_ARRAY_LEN(rows), &w.settings,
                                argc, argv, &first);

    if (end != 0)
        return end - 1;
    if (argc - first != 1)
        return sim_usage("sweep", "sweep takes one scenario or preset");
    if (seeds != NULL && !number(seeds, 10000, &w.seeds))
        return sim_usage("sweep", "--seeds is a number from 1 to 10000");
    if (jobs != NULL && !number(jobs, JOBS_MAX, &jobs_n))
        return sim_usage("sweep", "--jobs is a number from 1 to %d", JOBS_MAX);
    w.scenario = argv[first];
    if (prepare(&w, &vary, &why) != WR_OK ||
        wr_out_prepare(json, &why) != WR_OK ||
        wr_report_prepare(report, &why) != WR_OK)
        return sim_fail(&why);
    w.results = calloc(w.points * w.seeds, sizeof(json_t *));
    if (w.results == NULL) {
        (void)wr_why(&why, WR_ENOMEM, "out of memory for the results");
        return sim_fail(&why);
    }
    sim_catch_stop();
    return finish(&w, json, report, run_all(&w, jobs_n));
}
