/* report_text.c - the words and tables of a report. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "preset.h"
#include "report_private.h"

static void row(FILE *to, const char *name, const char *value)
{
    fputs("<tr><th scope=\"row\">", to);
    page_text(to, name);
    fputs("</th><td>", to);
    page_text(to, value);
    fputs("</td></tr>\n", to);
}

/* ---- what was run ------------------------------------------------------ */

/* The preset as it stands, as texts; NULL: the name is none. */
static json_t *preset_of(const char *name)
{
    struct wr_why why;
    struct wr_scenario *s = NULL;
    json_t *o = NULL;

    for (size_t i = 0; i < wr_presets_n && s == NULL; i++)
        if (strcmp(wr_presets[i].name, name) == 0)
            s = calloc(1, sizeof(*s));
    if (s != NULL && wr_scenario_load(s, name, &why) == WR_OK)
        o = wr_scenario_json(s);
    free(s);
    return o;
}

/* In quotes for a shell, if it needs them. */
static void word(FILE *to, const char *text)
{
    if (text[0] != '\0' &&
        text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789._-/=:,")] == '\0') {
        page_text(to, text);
        return;
    }
    page_text(to, "'");
    while (*text != '\0') {
        const size_t n = strcspn(text, "'");

        page_span(to, text, n);
        text += n;
        if (*text == '\'') {
            page_text(to, "'\\''");
            text++;
        }
    }
    page_text(to, "'");
}

/* --hosts 200, or --set network.loss='2 %'; lines break between options. */
static void option(FILE *to, const char *name, const char *key,
                   const char *value)
{
    fprintf(to, " <span>--%s ", name);
    if (key != NULL) {
        word(to, key);
        fputs("=", to);
    }
    word(to, value);
    fputs("</span>", to);
}

static void setting(FILE *to, const char *key, const char *value)
{
    static const char *const own[][2] = {{"run.for", "for"},
                                         {"ring.hosts", "hosts"},
                                         {"ring.members", "members"}};

    if (strcmp(key, "run.check") == 0 && strcmp(value, "yes") == 0) {
        fputs(" <span>--check</span>", to);
        return;
    }
    for (size_t i = 0; i < WR_ARRAY_LEN(own); i++)
        if (strcmp(key, own[i][0]) == 0) {
            option(to, own[i][1], NULL, value);
            return;
        }
    option(to, "set", key, value);
}

static void varied(FILE *to, json_t *vary)
{
    const char *key;
    json_t *values, *each;
    size_t i;

    json_object_foreach(vary, key, values)
    {
        char list[1024] = "";
        size_t n = 0;

        json_array_foreach(values, i, each)
        {
            const char *text = json_string_value(each);

            if (text == NULL || n + strlen(text) + 2 > sizeof(list))
                continue;
            n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
                                  n > 0 ? "," : "", text);
        }
        option(to, "vary", key, list);
    }
}

void report_command(FILE *to, const json_t *result, json_t *vary, size_t seeds)
{
    const char *name = report_string(result, "name");
    json_t *scenario = json_object_get(result, "scenario"), *value;
    json_t *preset = preset_of(name);
    const char *key;
    char file[WR_SCENARIO_NAME_MAX + 8], number[24];

    snprintf(file, sizeof(file), "%.*s%s", WR_SCENARIO_NAME_MAX - 1, name,
             preset != NULL ? "" : ".ini");
    fprintf(to, "<pre class=\"command\"><code>wreath-sim %s ",
            seeds > 0 ? "sweep" : "run");
    word(to, file);
    snprintf(number, sizeof(number), "%zu", seeds);
    if (seeds > 0)
        option(to, "seeds", NULL, number);
    else
        option(to, "seed", NULL, report_setting(result, "run.seed"));
    varied(to, vary);
    json_object_foreach(scenario, key, value)
    {
        const char *now = json_string_value(value);
        const char *was = json_string_value(json_object_get(preset, key));
        const bool seed = strcmp(key, "run.seed") == 0;

        if (preset == NULL || now == NULL || (seed && seeds == 0) ||
            json_object_get(vary, key) != NULL ||
            (was != NULL && strcmp(now, was) == 0))
            continue;
        setting(to, key, now);
    }
    fputs("</code></pre>\n", to);
    if (preset == NULL)
        fputs("<p class=\"lead\">with the scenario below as that file.</p>\n",
              to);
    json_decref(preset);
}

/* The terminal's summary: a name in twelve letters, and what is said of it. */
void report_summary(FILE *to, const json_t *result)
{
    enum { NAME = 12 };
    char *text = NULL, *next;
    size_t n = 0;
    FILE *memory = open_memstream(&text, &n);

    if (memory == NULL)
        return;
    wr_out_summary(memory, result);
    if (fclose(memory) != 0)
        return;
    fputs("<h2>Summary</h2>\n<table class=\"facts\">\n", to);
    /* Its first line is the header's. */
    for (char *line = strchr(text, '\n'); line != NULL; line = next) {
        char name[NAME + 1];

        next = strchr(++line, '\n');
        if (next != NULL)
            *next = '\0';
        if (strlen(line) <= NAME)
            continue;
        snprintf(name, sizeof(name), "%s", line + strspn(line, " "));
        name[strcspn(name, " ")] = '\0';
        row(to, name, line + NAME);
    }
    fputs("</table>\n", to);
    free(text);
}

void report_log(FILE *to, const json_t *result)
{
    enum { SHOWN = 40 };
    const json_t *log = json_object_get(result, "log"), *each;
    const size_t n = json_array_size(log);
    size_t i;

    if (n == 0)
        return;
    fputs("<section>\n<h2>What happened</h2>\n<table class=\"facts\">\n", to);
    json_array_foreach(log, i, each)
    {
        const double t = report_number(each, "t_s");
        char when[PAGE_NUMBER_MAX];

        if (i == SHOWN)
            break;
        row(to,
            isnan(t) ? ""
            : t < 0  ? "before"
                     : page_time(t, when),
            report_string(each, "text"));
    }
    fputs("</table>\n", to);
    if (n > SHOWN)
        fprintf(to, "<p class=\"lead\">and %zu more, in the JSON.</p>\n",
                n - SHOWN);
    fputs("</section>\n", to);
}

/* ---- the scenario ----------------------------------------------------- */

/* As texts; NULL: out of memory. */
static json_t *defaults(void)
{
    struct wr_scenario *s = calloc(1, sizeof(*s));
    json_t *o = NULL;

    if (s != NULL) {
        wr_scenario_init(s);
        o = wr_scenario_json(s);
    }
    free(s);
    return o;
}

/* As a file: a line for each section when it begins. */
static void ini(FILE *to, json_t *scenario)
{
    char section[128] = "";
    const char *key;
    json_t *value;

    json_object_foreach(scenario, key, value)
    {
        const char *dot = strrchr(key, '.'), *text = json_string_value(value);
        const size_t n = dot != NULL ? (size_t)(dot - key) : 0;

        if (dot == NULL || text == NULL || text[0] == '\0' ||
            n >= sizeof(section))
            continue;
        if (strncmp(section, key, n) != 0 || section[n] != '\0') {
            const bool first = section[0] == '\0';

            snprintf(section, sizeof(section), "%.*s", (int)n, key);
            page_fmt(to, "%s[%s]\n", first ? "" : "\n", section);
        }
        page_fmt(to, "%s = %s\n", dot + 1, text);
    }
}

void report_scenario(FILE *to, const json_t *result, const char *lead)
{
    json_t *scenario = json_object_get(result, "scenario"), *value;
    size_t shown = 0;
    const char *key;

    if (json_object_size(scenario) == 0)
        return;
    json_t *usual = defaults();
    fputs("<section>\n<h2>Scenario</h2>\n<p class=\"lead\">", to);
    page_text(to, lead);
    fputs("</p>\n<table class=\"facts\">\n", to);
    json_object_foreach(scenario, key, value)
    {
        const char *text = json_string_value(value),
                   *was = json_string_value(json_object_get(usual, key));

        if (text == NULL || shown == REPORT_ROWS_MAX ||
            (was != NULL && strcmp(was, text) == 0))
            continue;
        row(to, key, text);
        shown++;
    }
    fputs("</table>\n<details><summary>All of it, as a file</summary>\n"
          "<pre><code>",
          to);
    ini(to, scenario);
    json_decref(usual);
    fputs("</code></pre></details>\n</section>\n", to);
}

void report_differences(FILE *to, json_t *const *runs,
                        const char *const *labels, size_t n)
{
    json_t *first = json_object_get(runs[0], "scenario"), *value;
    const char *key;
    size_t shown = 0;

    fputs("<section>\n<h2>Where their scenarios differ</h2>\n"
          "<div class=\"wide\"><table>\n<tr><th></th>",
          to);
    for (size_t i = 0; i < n; i++) {
        fputs("<th scope=\"col\">", to);
        page_text(to, labels[i]);
        fputs("</th>", to);
    }
    fputs("</tr>\n", to);
    /* Keys of the first; an event that only others have shows in pictures. */
    json_object_foreach(first, key, value)
    {
        bool same = true;

        for (size_t i = 1; i < n; i++)
            same =
                same &&
                json_equal(value,
                           json_object_get(json_object_get(runs[i], "scenario"),
                                           key)) == 1;
        if (same || shown++ == REPORT_ROWS_MAX)
            continue;
        fputs("<tr><th scope=\"row\">", to);
        page_text(to, key);
        fputs("</th>", to);
        for (size_t i = 0; i < n; i++) {
            const char *text = json_string_value(
                json_object_get(json_object_get(runs[i], "scenario"), key));

            fputs("<td>", to);
            page_text(to, text == NULL ? "-" : text);
            fputs("</td>", to);
        }
        fputs("</tr>\n", to);
    }
    fputs("</table></div>\n</section>\n", to);
}

/* ---- every figure ------------------------------------------------------ */

static void scalar(FILE *to, const char *part, const char *key,
                   const json_t *value)
{
    char name[160], text[PAGE_NUMBER_MAX];

    snprintf(name, sizeof(name), "%.60s%s%.60s", part,
             part[0] != '\0' ? "." : "", key);
    if (json_is_string(value))
        row(to, name, json_string_value(value));
    else if (json_is_integer(value))
        row(to, name, page_count((double)json_integer_value(value), text));
    else if (json_is_real(value))
        row(to, name, page_number(json_real_value(value), text));
    else if (json_is_boolean(value))
        row(to, name, json_is_true(value) ? "yes" : "no");
}

void report_every(FILE *to, const json_t *result)
{
    json_t *o = (json_t *)(uintptr_t)result, *value, *inner;
    const char *key, *name;
    size_t rows = 0;

    fputs("<section>\n<h2>Every figure</h2>\n<details><summary>As the JSON "
          "names them</summary>\n<table class=\"facts\">\n",
          to);
    json_object_foreach(o, key, value)
    {
        if (strcmp(key, "scenario") == 0)
            continue;
        if (!json_is_object(value) && rows++ < REPORT_ROWS_MAX)
            scalar(to, "", key, value);
        json_object_foreach(value, name, inner) if (rows++ < REPORT_ROWS_MAX)
            scalar(to, key, name, inner);
    }
    fputs("</table></details>\n</section>\n", to);
}
