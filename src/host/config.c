/* config.c - see config.h. */
#include "host/config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

struct row {
    const char *name;
    enum wr_config_kind kind;
    const char *value;
    uint64_t least, most;
    const char *help;
};

static const struct row rows[WR_CONFIG_N] = {
#define X(name, kind, value, least, most, text)                                \
    {#name, WR_CONFIG_IS_##kind, value, least, most, text},
    WR_CONFIG_MAP(X)
#undef X
};

const char *wr_config_name(enum wr_config_key key)
{
    return rows[key].name;
}

const char *wr_config_help(enum wr_config_key key)
{
    return rows[key].help;
}

const char *wr_config_origin_text(enum wr_config_origin origin)
{
    switch (origin) {
    case WR_FROM_DEFAULT:
        return "default";
    case WR_FROM_FILE:
        return "file";
    case WR_FROM_ENVIRONMENT:
        return "environment";
    case WR_FROM_FLAG:
        return "flag";
    }
    return "?";
}

/* Digits, then *ret_rest; false on no digits or more than 64 bits. */
static bool digits(const char *text, uint64_t *ret, const char **ret_rest)
{
    uint64_t v = 0;
    const char *p = text;

    for (; *p >= '0' && *p <= '9'; p++) {
        if (v > (UINT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    *ret = v;
    *ret_rest = p;
    return p != text;
}

enum wr_err wr_bytes_parse(const char *text, uint64_t *ret)
{
    static const char letters[] = "KMGTPE";
    const char *p;
    unsigned shift = 0;
    uint64_t v;

    if (!digits(text, &v, &p))
        return WR_EINVAL;
    while (*p == ' ')
        p++;
    const char *at =
        *p == '\0' ? NULL : strchr(letters, toupper((unsigned char)*p));
    if (at != NULL) {
        shift = 10 * (unsigned)(at - letters + 1);
        p++;
        if (*p == 'i')
            p++;
    }
    if (*p == 'B')
        p++;
    if (*p != '\0' || (shift > 0 && v >> (64 - shift) != 0))
        return WR_EINVAL;
    *ret = v << shift;
    return WR_OK;
}

static uint64_t unit_us(const char **p)
{
    static const struct {
        const char *name;
        uint64_t us;
    } units[] = {
        {"ms", 1000},
        {"us", 1},
        {"s", 1000000},
        {"m", UINT64_C(60000000)},
        {"h", 3600000000u},
        {"d", UINT64_C(86400000000)},
        {"w", UINT64_C(604800000000)},
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(units); i++) {
        const size_t n = strlen(units[i].name);

        if (strncmp(*p, units[i].name, n) == 0) {
            *p += n;
            return units[i].us;
        }
    }
    return 0;
}

enum wr_err wr_duration_parse(const char *text, wr_time *ret_us)
{
    const char *p = text;
    uint64_t sum = 0;

    do {
        uint64_t v;

        if (!digits(p, &v, &p))
            return WR_EINVAL;
        uint64_t us = *p == '\0' ? 1000000 : unit_us(&p);
        if (us == 0 || v > (UINT64_MAX - sum) / us)
            return WR_EINVAL;
        sum += v * us;
    } while (*p != '\0');
    *ret_us = sum;
    return WR_OK;
}

enum wr_err wr_until_parse(const char *text, uint64_t now_s, uint64_t *ret_s)
{
    struct tm tm = {.tm_isdst = -1};
    int day = 0, minute = 0;
    time_t then;
    wr_time us;

    if (wr_duration_parse(text, &us) == WR_OK) {
        *ret_s = us / 1000000;
        return *ret_s > 0 ? WR_OK : WR_EINVAL;
    }
    if (sscanf(text, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &day) != 3 ||
        (text[day] != '\0' && (sscanf(text + day, "%*1[ T]%2d:%2d%n",
                                      &tm.tm_hour, &tm.tm_min, &minute) != 2 ||
                               text[day + minute] != '\0')))
        return WR_EINVAL;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59)
        return WR_EINVAL;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    day = tm.tm_mday;
    then = mktime(&tm);
    if (then < 0 || tm.tm_mday != day || /* The 31st of February. */
        (uint64_t)then <= now_s)
        return WR_EINVAL;
    *ret_s = (uint64_t)then - now_s;
    return WR_OK;
}

static bool same_name(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        const char x = *a == '-' ? '_' : *a, y = *b == '-' ? '_' : *b;

        if (x != y)
            return false;
    }
    return *a == *b;
}

static const char *nearest(const char *name)
{
    struct wr_text_guess g = {.name = name};

    for (size_t i = 0; i < WR_CONFIG_N; i++)
        wr_text_offer(&g, rows[i].name);
    return g.best;
}

static enum wr_err parse(const struct row *row, const char *value,
                         uint64_t *ret, struct wr_why *why)
{
    enum wr_err err = WR_OK;
    const char *rest;

    switch (row->kind) {
    case WR_CONFIG_IS_TEXT:
        *ret = 0;
        return WR_OK;
    case WR_CONFIG_IS_NUMBER:
        if (!digits(value, ret, &rest) || *rest != '\0')
            err = WR_EINVAL;
        break;
    case WR_CONFIG_IS_BYTES:
        err = wr_bytes_parse(value, ret);
        break;
    case WR_CONFIG_IS_TIME:
        err = wr_duration_parse(value, ret);
        break;
    }
    if (err != WR_OK)
        return wr_why(why, WR_EINVAL, "%s = %s makes no sense: %s", row->name,
                      value, row->help);
    if (*ret < row->least || *ret > row->most)
        return wr_why(why, WR_EINVAL,
                      "%s = %s is out of range (default %s): %s", row->name,
                      value, row->value, row->help);
    return WR_OK;
}

enum wr_err wr_config_set(struct wr_config *c, const char *name,
                          const char *value, enum wr_config_origin origin,
                          struct wr_why *why)
{
    for (size_t i = 0; i < WR_CONFIG_N; i++) {
        uint64_t number = 0;

        if (!same_name(name, rows[i].name))
            continue;
        if (strlen(value) >= WR_CONFIG_TEXT_MAX)
            return wr_why(why, WR_EINVAL, "the value of %s is too long", name);
        const enum wr_err err = parse(&rows[i], value, &number, why);
        if (err != WR_OK)
            return err;
        if (origin < c->v[i].origin)
            return WR_OK;
        c->v[i].origin = origin;
        c->v[i].number = number;
        snprintf(c->v[i].text, sizeof(c->v[i].text), "%s", value);
        return WR_OK;
    }
    return wr_why(why, WR_EINVAL,
                  "there is no setting '%s'; did you mean '%s'?", name,
                  nearest(name));
}

void wr_config_init(struct wr_config *c)
{
    *c = (struct wr_config){0};
    for (size_t i = 0; i < WR_CONFIG_N; i++) {
        const enum wr_err err = wr_config_set(c, rows[i].name, rows[i].value,
                                              WR_FROM_DEFAULT, NULL);

        WR_CHECK(err == WR_OK);
    }
}

struct reading {
    struct wr_config *c;
    struct wr_why *why;
    enum wr_err err;
};

static int on_line(void *arg, const char *section, const char *name,
                   const char *value)
{
    struct reading *r = arg;

    (void)section; /* Sections are for the reader's eye. */
    if (r->err == WR_OK)
        r->err = wr_config_set(r->c, name, value, WR_FROM_FILE, r->why);
    return r->err == WR_OK;
}

enum wr_err wr_config_file(struct wr_config *c, const char *path,
                           struct wr_why *why)
{
    struct reading r = {.c = c, .why = why};
    FILE *f = fopen(path, "re");

    if (f == NULL && errno == ENOENT)
        return WR_OK;
    if (f == NULL)
        return wr_why(why, WR_EINVAL, "cannot read %s: %s", path,
                      wr_errno_text(errno));
    const int line = ini_parse_file(f, on_line, &r);
    fclose(f);
    if (r.err != WR_OK) {
        struct wr_why inner = why != NULL ? *why : (struct wr_why){0};

        return wr_why(why, r.err, "%s, line %d: %.300s", path, line,
                      inner.text);
    }
    if (line != 0)
        return wr_why(why, WR_EINVAL, "%s, line %d: not 'key = value'", path,
                      line);
    return WR_OK;
}

enum wr_err wr_config_environment(struct wr_config *c, struct wr_why *why)
{
    for (size_t i = 0; i < WR_CONFIG_N; i++) {
        char name[64] = "WREATH_";

        for (size_t k = 0; rows[i].name[k] != '\0'; k++)
            name[7 + k] = (char)toupper(rows[i].name[k]);
        const char *value = getenv(name);
        if (value == NULL)
            continue;
        const enum wr_err err =
            wr_config_set(c, rows[i].name, value, WR_FROM_ENVIRONMENT, why);
        if (err != WR_OK)
            return err;
    }
    return WR_OK;
}
