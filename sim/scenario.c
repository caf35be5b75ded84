/* scenario.c - see scenario.h: the table, one value, and the echo. */
#include "scenario.h"

#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "value.h"

const struct wr_scenario_key wr_scenario_keys[] = {
#define X(section, key, kind, value, least, most, help)                        \
    {#section "." #key,                                                        \
     WR_SCENARIO_##kind,                                                       \
     value,                                                                    \
     least,                                                                    \
     most,                                                                     \
     help,                                                                     \
     offsetof(struct wr_scenario, section##_##key)},
    WR_SCENARIO_MAP(X)
#undef X
};

const size_t wr_scenario_keys_n = WR_ARRAY_LEN(wr_scenario_keys);

/* Of an [event.NAME]. `whom` is read apart. */
enum event_key { EV_AT, EV_WHAT, EV_SHARE, EV_WHOM, EV_FOR, EV_EVERY, EV_N };

#define X(name, word, help) "|" word
#define WHAT_WORDS WR_SCENARIO_WHAT_MAP(X) ": what happens"

static const struct wr_scenario_key event_keys[EV_N] = {
    {"at", WR_SCENARIO_TIME, "", 0, 3.1536e14, "when, after the warm-up", 0},
    {"what", WR_SCENARIO_WORD, "", 0, 0, &WHAT_WORDS[1], 0},
    {"share", WR_SCENARIO_SHARE, "100 %", 0, 1e7, "how many of them", 0},
    {"whom", WR_SCENARIO_TEXT, "random", 0, 0,
     "random, site N, hosts A-B, or leaves", 0},
    {"for", WR_SCENARIO_TIME, "0 s", 0, 3.1536e14, "until it is over", 0},
    {"every", WR_SCENARIO_TIME, "0 s", 0, 3.1536e14, "rolling: between two", 0},
};
#undef X

static const char *const whats[WR_WHAT_N][2] = {
#define X(name, word, help) {word, help},
    WR_SCENARIO_WHAT_MAP(X)
#undef X
};

const char *wr_scenario_what_text(enum wr_scenario_what what)
{
    return whats[what][0];
}

const char *wr_scenario_what_help(enum wr_scenario_what what)
{
    return whats[what][1];
}

static uint64_t bound(double v)
{
    return v < 0x1p64 ? (uint64_t)v : UINT64_MAX;
}

static enum wr_err out_of_range(const struct wr_scenario_key *key,
                                const char *name, const char *value,
                                struct wr_why *why)
{
    char least[WR_SCENARIO_TEXT_MAX], most[WR_SCENARIO_TEXT_MAX];
    union wr_value a = {.n = bound(key->least)};
    union wr_value b = {.n = bound(key->most)};

    if (key->kind == WR_SCENARIO_NUMBER) {
        a.x = key->least;
        b.x = key->most;
    }
    return wr_why(why, WR_EINVAL, "%s = %s is out of range, %s to %s", name,
                  value, wr_value_print(key->kind, NULL, a, least),
                  wr_value_print(key->kind, NULL, b, most));
}

/* One value by its row, but TEXT: parsed, and in range. */
static enum wr_err parse(const struct wr_scenario_key *key, const char *name,
                         const char *text, union wr_value *ret,
                         struct wr_why *why)
{
    const enum wr_err err = wr_value_parse(key->kind, key->help, text, ret);

    if (err == WR_ETOOBIG)
        return out_of_range(key, name, text, why);
    if (err != WR_OK) {
        if (text[0] == '\0')
            return wr_why(why, WR_EINVAL, "%s has no value", name);
        if (key->kind == WR_SCENARIO_WORD)
            return wr_why(why, WR_EINVAL, "%s = %s is none of %.*s", name, text,
                          (int)strcspn(key->help, ":"), key->help);
        return wr_why(why, WR_EINVAL, "%s = %s is not %s", name, text,
                      wr_value_example(key->kind));
    }
    if (key->kind == WR_SCENARIO_WORD || key->kind == WR_SCENARIO_FLAG ||
        (key->kind == WR_SCENARIO_EVER && ret->n == WR_NEVER))
        return WR_OK;
    const double v = key->kind == WR_SCENARIO_NUMBER ? ret->x : (double)ret->n;
    return v < key->least || v > key->most ? out_of_range(key, name, text, why)
                                           : WR_OK;
}

/* ---- names nobody knows ------------------------------------------------ */

static bool same_section(const char *a, const char *b)
{
    const size_t n = strcspn(a, ".");

    return strcspn(b, ".") == n && strncmp(a, b, n) == 0;
}

static const char *nearest(const char *name, bool section)
{
    struct wr_text_guess g = {.name = name};

    for (size_t i = 0; i < wr_scenario_keys_n; i++) {
        const char *row = wr_scenario_keys[i].name;
        const char *key = strchr(name, '.');

        if (section && !same_section(name, row))
            continue;
        /* The right key in the wrong section, or in none. */
        if (!section &&
            strcmp(strchr(row, '.') + 1, key != NULL ? key + 1 : name) == 0)
            return row;
        wr_text_offer(&g, row);
    }
    /* Of a name that is nothing like it, say nothing. */
    return g.distance <= (section ? 2 : strlen(name) / 2) ? g.best : NULL;
}

static enum wr_err unknown(const char *name, struct wr_why *why)
{
    const char *key = nearest(name, true);

    if (key == NULL)
        key = nearest(name, false);
    if (key == NULL)
        return wr_why(why, WR_EINVAL,
                      "there is no key '%s'; 'wreath-sim list keys' lists them",
                      name);
    return wr_why(why, WR_EINVAL, "there is no key '%s'; did you mean '%s'?",
                  name, key);
}

/* ---- events ------------------------------------------------------------ */

/* Found, or new; NULL: there are too many. */
static struct wr_scenario_event *event(struct wr_scenario *s, const char *name,
                                       size_t n)
{
    for (uint32_t i = 0; i < s->events_n; i++)
        if (strlen(s->events[i].name) == n &&
            strncmp(s->events[i].name, name, n) == 0)
            return &s->events[i];
    if (s->events_n == WR_SCENARIO_EVENTS_MAX)
        return NULL;
    struct wr_scenario_event *e = &s->events[s->events_n++];
    *e = (struct wr_scenario_event){.share_ppm = 1000000};
    memcpy(e->name, name, n);
    return e;
}

static enum wr_err set_whom(struct wr_scenario_event *e, const char *name,
                            const char *text, struct wr_why *why)
{
    unsigned a, b;
    char more;

    if (strcmp(text, "random") == 0) {
        e->whom = WR_WHOM_RANDOM;
    } else if (strcmp(text, "leaves") == 0) {
        e->whom = WR_WHOM_LEAVES;
    } else if (sscanf(text, "site %7u%c", &a, &more) == 1) {
        e->whom = WR_WHOM_SITE;
        e->from = e->to = a;
    } else if (sscanf(text, "hosts %7u-%7u%c", &a, &b, &more) == 2 && a <= b) {
        e->whom = WR_WHOM_HOSTS;
        e->from = a;
        e->to = b;
    } else {
        return wr_why(why, WR_EINVAL, "%s = %s is not %s", name, text,
                      event_keys[EV_WHOM].help);
    }
    return WR_OK;
}

static void store_event(struct wr_scenario_event *e, enum event_key k,
                        uint64_t v)
{
    switch (k) {
    case EV_AT:
        e->at = v;
        e->has_at = true;
        break;
    case EV_WHAT:
        e->what = (enum wr_scenario_what)v;
        e->has_what = true;
        break;
    case EV_SHARE:
        e->share_ppm = (uint32_t)v;
        break;
    case EV_FOR:
        e->for_us = v;
        break;
    case EV_EVERY:
        e->every_us = v;
        break;
    case EV_WHOM:
    case EV_N:
        break;
    }
}

/* `name` is "event.NAME.key". */
static enum wr_err set_event(struct wr_scenario *s, const char *name,
                             const char *text, struct wr_why *why)
{
    const char *of = name + strlen("event.");
    const char *dot = strrchr(of, '.');
    const size_t n = dot != NULL ? (size_t)(dot - of) : 0;
    unsigned k = 0;

    if (n == 0 || n >= WR_SCENARIO_NAME_MAX)
        return wr_why(why, WR_EINVAL,
                      "%.80s: an event needs a name, as [event.fire]", name);
    while (k < EV_N && strcmp(event_keys[k].name, dot + 1) != 0)
        k++;
    if (k == EV_N)
        return wr_why(why, WR_EINVAL,
                      "an event has no '%.80s'; it has at, what, share, whom, "
                      "for, every",
                      dot + 1);
    union wr_value v = {0};
    if (k != EV_WHOM && parse(&event_keys[k], name, text, &v, why) != WR_OK)
        return WR_EINVAL;
    struct wr_scenario_event *e = event(s, of, n);
    if (e == NULL)
        return wr_why(why, WR_EINVAL, "more than %d events; use churn.trace",
                      WR_SCENARIO_EVENTS_MAX);
    if (k == EV_WHOM)
        return set_whom(e, name, text, why);
    store_event(e, (enum event_key)k, v.n);
    return WR_OK;
}

/* ---- one value --------------------------------------------------------- */

static enum wr_err set(struct wr_scenario *s, const struct wr_scenario_key *key,
                       const char *text, struct wr_why *why)
{
    char *field = (char *)s + key->offset;
    union wr_value v;

    if (key->kind == WR_SCENARIO_TEXT) {
        if (strlen(text) >= WR_SCENARIO_TEXT_MAX)
            return wr_why(why, WR_EINVAL, "the value of %s is too long",
                          key->name);
        strcpy(field, text);
        return WR_OK;
    }
    if (parse(key, key->name, text, &v, why) != WR_OK)
        return WR_EINVAL;
    if (key->kind == WR_SCENARIO_NUMBER)
        memcpy(field, &v.x, sizeof(v.x));
    else
        memcpy(field, &v.n, sizeof(v.n));
    return WR_OK;
}

/* A result tells its scenario in JSON, which is UTF-8. */
static bool is_utf8(const char *text)
{
    json_t *const told = json_string(text);

    json_decref(told);
    return told != NULL;
}

enum wr_err wr_scenario_set(struct wr_scenario *s, const char *name,
                            const char *value, struct wr_why *why)
{
    if (!is_utf8(name) || !is_utf8(value))
        return wr_why(why, WR_EINVAL, "a name or value is not UTF-8");
    if (strncmp(name, "event.", 6) == 0)
        return set_event(s, name, value, why);
    for (size_t i = 0; i < wr_scenario_keys_n; i++)
        if (strcmp(wr_scenario_keys[i].name, name) == 0)
            return set(s, &wr_scenario_keys[i], value, why);
    return unknown(name, why);
}

void wr_scenario_init(struct wr_scenario *s)
{
    *s = (struct wr_scenario){0};
    for (size_t i = 0; i < wr_scenario_keys_n; i++) {
        const enum wr_err err =
            set(s, &wr_scenario_keys[i], wr_scenario_keys[i].value, NULL);

        WR_CHECK(err == WR_OK);
    }
}

/* ---- files ------------------------------------------------------------- */

/* How a key of a section is called, in one word. */
static const char *whole_name(const char *section, const char *name,
                              char ret[160])
{
    snprintf(ret, 160, "%s%s%s", section, section[0] != '\0' ? "." : "", name);
    return ret;
}

/* Stops where a key is set for the first time. */
struct search {
    const char *name;
    uint32_t n; /* Settings so far, that one included. */
    bool found;
};

static int is_another(void *arg, const char *section, const char *name,
                      const char *value)
{
    struct search *f = arg;
    char whole[160];

    (void)value;
    f->n += !f->found;
    f->found =
        f->found || strcmp(whole_name(section, name, whole), f->name) == 0;
    return !f->found;
}

struct reading {
    struct wr_scenario *s;
    const char *text;
    struct wr_why why;
    enum wr_err err;
    uint32_t n; /* Settings so far. */
};

/* A file in which a key is set twice says one thing and means another. */
static enum wr_err once(struct reading *r, const char *name)
{
    struct search f = {.name = name};
    const int line = ini_parse_string(r->text, is_another, &f);

    if (f.n == r->n)
        return WR_OK;
    return wr_why(&r->why, WR_EINVAL, "%.160s is set on line %d already", name,
                  line);
}

static int on_line(void *arg, const char *section, const char *name,
                   const char *value)
{
    struct reading *r = arg;
    char whole[160];

    if (r->err != WR_OK)
        return 0;
    r->n++;
    whole_name(section, name, whole);
    r->err = wr_scenario_set(r->s, whole, value, &r->why);
    if (r->err == WR_OK)
        r->err = once(r, whole);
    return r->err == WR_OK;
}

/* Only its form is looked at. */
static int any_line(void *arg, const char *section, const char *name,
                    const char *value)
{
    (void)arg;
    (void)section;
    (void)name;
    (void)value;
    return 1;
}

enum wr_err wr_scenario_read(struct wr_scenario *s, const char *origin,
                             const char *text, struct wr_why *why)
{
    struct reading r = {.s = s, .text = text};
    int line = ini_parse_string(text, any_line, NULL);

    /* First, for behind a broken [section] keys are read as of the last one. */
    if (line != 0)
        return wr_why(why, WR_EINVAL,
                      "%.120s, line %d: neither '[section]' nor 'key = value'",
                      origin, line);
    line = ini_parse_string(text, on_line, &r);
    if (r.err != WR_OK)
        return wr_why(why, r.err, "%.120s, line %d: %.260s", origin, line,
                      r.why.text);
    return WR_OK;
}

/* ---- the echo ---------------------------------------------------------- */

const char *wr_scenario_get(const struct wr_scenario *s,
                            const struct wr_scenario_key *key,
                            char ret[WR_SCENARIO_TEXT_MAX])
{
    const char *field = (const char *)s + key->offset;
    union wr_value v;

    if (key->kind == WR_SCENARIO_TEXT)
        return strcpy(ret, field);
    if (key->kind == WR_SCENARIO_NUMBER)
        memcpy(&v.x, field, sizeof(v.x));
    else
        memcpy(&v.n, field, sizeof(v.n));
    return wr_value_print(key->kind, key->help, v, ret);
}

static const char *whom_text(const struct wr_scenario_event *e, char ret[48])
{
    switch (e->whom) {
    case WR_WHOM_RANDOM:
        return "random";
    case WR_WHOM_LEAVES:
        return "leaves";
    case WR_WHOM_SITE:
        snprintf(ret, 48, "site %u", e->from);
        return ret;
    case WR_WHOM_HOSTS:
        snprintf(ret, 48, "hosts %u-%u", e->from, e->to);
        return ret;
    }
    return "?";
}

static bool echo_event(json_t *o, const struct wr_scenario_event *e)
{
    const uint64_t values[EV_N] = {
        [EV_AT] = e->at,           [EV_WHAT] = e->what,
        [EV_SHARE] = e->share_ppm, [EV_FOR] = e->for_us,
        [EV_EVERY] = e->every_us,
    };
    bool fine = true;

    for (unsigned k = 0; k < EV_N; k++) {
        char name[WR_SCENARIO_NAME_MAX + 16], text[WR_SCENARIO_TEXT_MAX];
        const char *value = text;

        if ((k == EV_FOR || k == EV_EVERY) && values[k] == 0)
            continue;
        snprintf(name, sizeof(name), "event.%s.%s", e->name,
                 event_keys[k].name);
        if (k == EV_WHOM)
            value = whom_text(e, text);
        else
            wr_value_print(event_keys[k].kind, event_keys[k].help,
                           (union wr_value){.n = values[k]}, text);
        fine = fine && json_object_set_new(o, name, json_string(value)) == 0;
    }
    return fine;
}

json_t *wr_scenario_json(const struct wr_scenario *s)
{
    json_t *o = json_object();
    bool fine = o != NULL;

    for (size_t i = 0; fine && i < wr_scenario_keys_n; i++) {
        char text[WR_SCENARIO_TEXT_MAX];

        wr_scenario_get(s, &wr_scenario_keys[i], text);
        fine = json_object_set_new(o, wr_scenario_keys[i].name,
                                   json_string(text)) == 0;
    }
    for (uint32_t i = 0; fine && i < s->events_n; i++)
        fine = echo_event(o, &s->events[i]);
    if (!fine) {
        json_decref(o);
        return NULL;
    }
    return o;
}
