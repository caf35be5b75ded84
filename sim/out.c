/* out.c - see out.h. */
#include "out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fs.h"

const struct wr_figure wr_figures[] = {
    {"lookups right", "lookups.right_share", 100, "%", 2},
    {"hops", "lookups.hops_mean", 1, "", 2},
    {"latency p50", "lookups.latency_ms_p50", 1, "ms", 0},
    {"latency p99", "lookups.latency_ms_p99", 1, "ms", 0},
    {"stretch", "lookups.stretch_mean", 1, "", 2},
    {"traffic a host", "traffic.bytes_per_host_s", 1, "B/s", 0},
    {"messages a host", "traffic.messages_per_host_s", 1, "/s", 2},
    {"violations", "ring.violations", 1, "", 0},
    {"chunks lost", "data.lost", 1, "", 0},
    {"get p50", "data.get_latency_ms_p50", 1, "ms", 0},
    {"put p50", "data.put_latency_ms_p50", 1, "ms", 0},
    {"leaves attached", "leaves.attached_share", 100, "%", 2},
};

const size_t wr_figures_n = WR_ARRAY_LEN(wr_figures);

const json_t *wr_out_at(const json_t *o, const char *path)
{
    while (o != NULL && *path != '\0') {
        char key[64];
        const size_t n = strcspn(path, ".");

        snprintf(key, sizeof(key), "%.*s", (int)n, path);
        o = json_object_get(o, key);
        path += n + (path[n] == '.');
    }
    return o;
}

bool wr_out_number(const json_t *result, const char *path, double *ret)
{
    const json_t *o = wr_out_at(result, path);

    if (!json_is_number(o))
        return false;
    *ret = json_number_value(o);
    return true;
}

const char *wr_out_figure(const json_t *result, const struct wr_figure *f,
                          char ret[48])
{
    double v;

    if (wr_out_number(result, f->path, &v))
        snprintf(ret, 48, "%.*f%s%s", f->digits, v * f->times,
                 f->unit[0] != '\0' ? " " : "", f->unit);
    else
        strcpy(ret, "-");
    return ret;
}

bool wr_out_bad(const json_t *result)
{
    static const char *const paths[] = {"ring.violations", "traffic.malformed",
                                        "data.wrong", "data.bodies_wrong",
                                        "data.lost"};
    double bad = 0, n;

    for (size_t i = 0; i < WR_ARRAY_LEN(paths); i++)
        if (wr_out_number(result, paths[i], &n))
            bad += n;
    return bad > 0;
}

static double number(const json_t *result, const char *path)
{
    double v = 0;

    (void)wr_out_number(result, path, &v);
    return v;
}

static const char *string(const json_t *result, const char *key)
{
    const char *s = json_string_value(json_object_get(result, key));

    return s != NULL ? s : "?";
}

/* ---- the summary ------------------------------------------------------- */

static void summary_lookups(FILE *to, const json_t *r)
{
    const double asked = number(r, "lookups.asked");

    if (asked == 0) {
        fputs("lookups     none\n", to);
        return;
    }
    fprintf(to, "lookups     %.0f: %.3f %% right, %.0f wrong, %.0f failed\n",
            asked, 100 * number(r, "lookups.right_share"),
            number(r, "lookups.wrong"), number(r, "lookups.failed"));
    fprintf(to, "  hops      %.2f on the average",
            number(r, "lookups.hops_mean"));
    if (number(r, "lookups.stretch_mean") > 0)
        fprintf(to, ", stretch %.2f", number(r, "lookups.stretch_mean"));
    fprintf(to,
            "\n  latency   %.0f ms median, 90 %% below %.0f ms, 99 %% below "
            "%.0f ms\n",
            number(r, "lookups.latency_ms_p50"),
            number(r, "lookups.latency_ms_p90"),
            number(r, "lookups.latency_ms_p99"));
}

static void summary_ring(FILE *to, const json_t *r)
{
    const double checks = number(r, "ring.checks");

    if (json_object_get(r, "ring") == NULL)
        return; /* Another system's. */
    fprintf(to, "ring        %.0f members at the end",
            number(r, "ring.members_end"));
    if (checks == 0) {
        fputs(", not judged (--check)\n", to);
        return;
    }
    fprintf(to,
            ", judged %.0f times: %.0f violations, %.0f breaks of an "
            "assumption\n",
            checks, number(r, "ring.violations"),
            number(r, "ring.assumption_breaks"));
    if (number(r, "ring.heal_ms_max") > 0)
        fprintf(to, "  healing   %.1f s at most\n",
                number(r, "ring.heal_ms_max") / 1000);
}

static double of(const json_t *r, const char *one, const char *what)
{
    char path[64];

    snprintf(path, sizeof(path), "data.%s%s", one, what);
    return number(r, path);
}

static void summary_files(FILE *to, const json_t *r, const char *one)
{
    fprintf(to, "%ss        %.0f, %.0f failed", one, of(r, one, "s"),
            of(r, one, "s_failed"));
    if (of(r, one, "_latency_ms_p99") > 0)
        fprintf(to, "; %.0f ms median, 99 %% below %.0f ms; %.2f MB/s",
                of(r, one, "_latency_ms_p50"), of(r, one, "_latency_ms_p99"),
                of(r, one, "_mb_s"));
    fputc('\n', to);
}

static void summary_data(FILE *to, const json_t *r)
{
    if (number(r, "data.puts") == 0 && number(r, "data.gets") == 0)
        return;
    summary_files(to, r, "put");
    summary_files(to, r, "get");
    fprintf(to,
            "  copies    %.2f on the average; of %.0f chunks and records %.0f "
            "lost, %.0f more with their disks, %.0f wrong\n",
            number(r, "data.copies_mean"), number(r, "data.acknowledged"),
            number(r, "data.lost"), number(r, "data.lost_beyond_promise"),
            number(r, "data.wrong"));
}

static void summary_leaves(FILE *to, const json_t *r)
{
    if (number(r, "leaves.count") == 0)
        return;
    fprintf(to,
            "leaves      %.0f: %.2f %% of the time attached, %.0f parents "
            "lost, %.0f at the fullest host\n",
            number(r, "leaves.count"), 100 * number(r, "leaves.attached_share"),
            number(r, "leaves.failovers"), number(r, "leaves.per_host_max"));
    if (number(r, "leaves.failovers") > 0)
        fprintf(to, "  orphans   %.1f s on the average, %.1f s at most\n",
                number(r, "leaves.orphan_s_mean"),
                number(r, "leaves.orphan_s_max"));
}

void wr_out_summary(FILE *to, const json_t *r)
{
    const bool interrupted = json_is_true(json_object_get(r, "interrupted"));

    fprintf(to, "%s, %s, seed %.0f: %.0f s simulated in %.1f s%s\n",
            string(r, "name"), string(r, "system"), number(r, "seed"),
            number(r, "virtual_s"), number(r, "wall_s"),
            interrupted ? ", interrupted" : "");
    fprintf(to,
            "hosts       %.0f at the start, %.0f at the end, %.1f on the "
            "average; %.0f starts, %.0f deaths\n",
            number(r, "hosts.at_start"), number(r, "hosts.at_end"),
            number(r, "hosts.up_mean"), number(r, "hosts.starts"),
            number(r, "hosts.deaths"));
    summary_lookups(to, r);
    fprintf(to, "traffic     %.0f B/s and %.2f messages/s a host\n",
            number(r, "traffic.bytes_per_host_s"),
            number(r, "traffic.messages_per_host_s"));
    summary_ring(to, r);
    summary_data(to, r);
    summary_leaves(to, r);
    fprintf(to, "engine      %.0f events, %.0f events/s\n", number(r, "events"),
            number(r, "events_per_s"));
    fprintf(to, "digest      %s\n", string(r, "digest"));
}

/* ---- side by side ------------------------------------------------------ */

static const char *seed_of(const json_t *result)
{
    return string(json_object_get(result, "scenario"), "run.seed");
}

const char *wr_out_label(json_t *const *results, size_t n, size_t i,
                         char ret[WR_OUT_LABEL_MAX])
{
    const char *name = string(results[i], "name"), *seed = seed_of(results[i]);
    unsigned named = 0, nth = 1;

    for (size_t k = 0; k < n; k++) {
        if (strcmp(string(results[k], "name"), name) != 0)
            continue;
        named++;
        nth += k < i && strcmp(seed_of(results[k]), seed) == 0;
    }
    int len = snprintf(ret, WR_OUT_LABEL_MAX, "%.26s", name);
    if (named > 1)
        len += snprintf(ret + len, 32, ", seed %.20s", seed);
    if (nth > 1)
        snprintf(ret + len, 16, " (%u)", nth);
    return ret;
}

static bool any_has(const struct wr_figure *f, json_t *const *results, size_t n)
{
    double v;

    for (size_t i = 0; i < n; i++)
        if (wr_out_number(results[i], f->path, &v))
            return true;
    return false;
}

enum { COLUMN = 16 };

void wr_out_compare(FILE *to, json_t *const *results, size_t n)
{
    char label[WR_OUT_LABEL_MAX];

    fprintf(to, "%-16s", "");
    for (size_t i = 0; i < n; i++)
        fprintf(to, "  %*s", COLUMN - 2, wr_out_label(results, n, i, label));
    for (size_t f = 0; f < wr_figures_n; f++) {
        if (!any_has(&wr_figures[f], results, n))
            continue;
        fprintf(to, "\n%-16s", wr_figures[f].name);
        for (size_t i = 0; i < n; i++) {
            const size_t wide = strlen(wr_out_label(results, n, i, label));
            char text[48];

            fprintf(to, "  %*s", wide < COLUMN - 2 ? COLUMN - 2 : (int)wide,
                    wr_out_figure(results[i], &wr_figures[f], text));
        }
    }
    fputc('\n', to);
}

/* ---- files ------------------------------------------------------------- */

static bool is_stdout(const char *path)
{
    return strcmp(path, "-") == 0;
}

static enum wr_err cannot_write(const char *path, int e, struct wr_why *why)
{
    return wr_why(why, wr_err_of_errno(e), "cannot write '%s': %s", path,
                  wr_errno_text(e));
}

static enum wr_err put(const char *path, const char *text, size_t n,
                       struct wr_why *why)
{
    if (!is_stdout(path))
        return wr_file_out(path, 0644, wr_span(text, n), why);
    if (fwrite(text, 1, n, stdout) != n || fflush(stdout) != 0)
        return wr_why(why, WR_EIO, "cannot write to standard output: %s",
                      wr_errno_text(errno));
    return WR_OK;
}

enum wr_err wr_out_prepare(const char *path, struct wr_why *why)
{
    struct stat st;

    if (path == NULL || is_stdout(path))
        return WR_OK;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return cannot_write(path, EISDIR, why);
    if (wr_file_is_special(path))
        return access(path, W_OK) == 0 ? WR_OK : cannot_write(path, errno, why);
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL ? strdup(path[0] == '\0' ? "" : ".")
                              : strndup(path, (size_t)(slash - path) + 1);
    if (dir == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory for a path");
    const enum wr_err err =
        access(dir, W_OK | X_OK) == 0 ? WR_OK : cannot_write(path, errno, why);
    free(dir);
    return err;
}

enum wr_err wr_out_json(const char *path, const json_t *o, struct wr_why *why)
{
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(12));
    enum wr_err err;

    if (text == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory for the result");
    const size_t n = strlen(text);
    text[n] = '\n'; /* In the place of its NUL. */
    err = put(path, text, n + 1, why);
    free(text);
    return err;
}

static void csv_row(FILE *to, const json_t *row)
{
    size_t i;
    const json_t *cell;

    json_array_foreach(row, i, cell)
    {
        if (i > 0)
            fputc(',', to);
        if (json_is_string(cell))
            fputs(json_string_value(cell), to);
        else if (json_is_number(cell))
            fprintf(to, "%.10g", json_number_value(cell));
    }
    fputc('\n', to);
}

enum wr_err wr_out_csv(const char *path, const json_t *result,
                       struct wr_why *why)
{
    const json_t *rows = wr_out_at(result, "series.rows"), *row;
    char *text = NULL;
    size_t n = 0, i;
    FILE *to = open_memstream(&text, &n);
    enum wr_err err;

    if (to == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory for the series");
    csv_row(to, wr_out_at(result, "series.columns"));
    json_array_foreach(rows, i, row) csv_row(to, row);
    const bool written = fclose(to) == 0;
    err = written ? put(path, text, n, why)
                  : wr_why(why, WR_ENOMEM, "out of memory for the series");
    free(text);
    return err;
}
