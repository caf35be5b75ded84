/* value.c - see value.h. */
#include "value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
    bool shown; /* The others are taken, not printed. */
};

/* Largest first. A number without a unit has that of factor `bare`. */
struct units {
    const struct unit *u;
    size_t n;
    uint64_t bare; /* 0: only 0 needs none. */
};

static const struct unit times[] = {
    {"w", UINT64_C(604800000000), false},
    {"d", UINT64_C(86400000000), true},
    {"h", UINT64_C(3600000000), true},
    {"min", 60000000, true},
    {"m", 60000000, false},
    {"s", 1000000, true},
    {"ms", 1000, true},
    {"us", 1, true},
};

static const struct unit shares[] = {{"%", 10000, true}};

static const struct unit rates[] = {
    {"Gbit/s", UINT64_C(1000000000), true},
    {"Mbit/s", 1000000, true},
    {"kbit/s", 1000, true},
    {"bit/s", 1, true},
};

static const struct unit sizes[] = {
    {"TiB", UINT64_C(1) << 40, true},
    {"GiB", UINT64_C(1) << 30, true},
    {"MiB", UINT64_C(1) << 20, true},
    {"KiB", UINT64_C(1) << 10, true},
    {"T", UINT64_C(1) << 40, false},
    {"G", UINT64_C(1) << 30, false},
    {"M", UINT64_C(1) << 20, false},
    {"K", UINT64_C(1) << 10, false},
    {"B", 1, true},
};

static struct units units_of(enum wr_scenario_kind kind)
{
    switch (kind) {
    case WR_SCENARIO_TIME:
    case WR_SCENARIO_EVER:
        return (struct units){times, WR_ARRAY_LEN(times), 1000000};
    case WR_SCENARIO_SHARE:
        return (struct units){shares, WR_ARRAY_LEN(shares), 0};
    case WR_SCENARIO_RATE:
        return (struct units){rates, WR_ARRAY_LEN(rates), 0};
    case WR_SCENARIO_BYTES:
        return (struct units){sizes, WR_ARRAY_LEN(sizes), 1};
    case WR_SCENARIO_COUNT:
    case WR_SCENARIO_FLAG:
    case WR_SCENARIO_WORD:
    case WR_SCENARIO_NUMBER:
    case WR_SCENARIO_TEXT:
        break;
    }
    return (struct units){0};
}

const char *wr_value_example(enum wr_scenario_kind kind)
{
    switch (kind) {
    case WR_SCENARIO_COUNT:
        return "a whole number, as '1000'";
    case WR_SCENARIO_TIME:
        return "a time, as '20 s' or '1.4 min'";
    case WR_SCENARIO_EVER:
        return "a time, as '20 s', or 'never'";
    case WR_SCENARIO_SHARE:
        return "a share, as '2.5 %'";
    case WR_SCENARIO_RATE:
        return "a rate, as '10 Mbit/s'";
    case WR_SCENARIO_BYTES:
        return "a size, as '256 KiB'";
    case WR_SCENARIO_FLAG:
        return "'yes' or 'no'";
    case WR_SCENARIO_WORD:
        return "one of the words";
    case WR_SCENARIO_NUMBER:
        return "a number, as '0.8'";
    case WR_SCENARIO_TEXT:
        return "a text";
    }
    return "?";
}

/* Digits with at most one point: what strtod takes besides is not for files
 * (inf, nan, hexadecimal, exponents). */
static bool decimal(const char **at, double *ret)
{
    const char *p = *at;
    char digits[40], *end;
    const size_t n = strspn(p, "0123456789.");

    if (n == 0 || n >= sizeof(digits))
        return false;
    memcpy(digits, p, n);
    digits[n] = '\0';
    *ret = strtod(digits, &end);
    if (*end != '\0' || strcmp(digits, ".") == 0)
        return false;
    *at = p + n;
    return true;
}

/* 0: no such unit. */
static uint64_t unit(const struct units *units, double v, const char **at)
{
    const size_t n = strcspn(*at, " 0123456789.");

    if (n == 0)
        return v > 0 || units->bare > 0 ? units->bare : 1;
    for (size_t i = 0; i < units->n; i++)
        if (strlen(units->u[i].name) == n &&
            strncmp(*at, units->u[i].name, n) == 0) {
            *at += n;
            return units->u[i].factor;
        }
    return 0;
}

/* "1 h 30 min" is a sum. */
static enum wr_err measured(const struct units *units, const char *p,
                            uint64_t *ret)
{
    double sum = 0;

    do {
        double v;

        if (!decimal(&p, &v))
            return WR_EINVAL;
        p += strspn(p, " ");
        const uint64_t factor = unit(units, v, &p);
        if (factor == 0)
            return WR_EINVAL;
        sum += v * (double)factor;
        p += strspn(p, " ");
    } while (*p != '\0');
    if (sum > 1e18)
        return WR_ETOOBIG;
    *ret = (uint64_t)llround(sum);
    return WR_OK;
}

static enum wr_err whole(const char *p, uint64_t *ret)
{
    uint64_t v = 0;

    if (*p == '\0' || p[strspn(p, "0123456789")] != '\0')
        return WR_EINVAL;
    for (; *p != '\0'; p++) {
        const uint64_t digit = (uint64_t)(*p - '0');

        if (v > (UINT64_MAX - digit) / 10)
            return WR_ETOOBIG;
        v = v * 10 + digit;
    }
    *ret = v;
    return WR_OK;
}

static enum wr_err word(const char *words, const char *text, uint64_t *ret)
{
    const size_t n = strlen(text);

    for (uint64_t i = 0;; i++) {
        const size_t len = strcspn(words, "|:");

        if (len == n && strncmp(words, text, n) == 0) {
            *ret = i;
            return WR_OK;
        }
        if (words[len] != '|')
            return WR_EINVAL;
        words += len + 1;
    }
}

static enum wr_err flag(const char *text, uint64_t *ret)
{
    if (word("no|false|off|0", text, ret) == WR_OK)
        *ret = 0;
    else if (word("yes|true|on|1", text, ret) == WR_OK)
        *ret = 1;
    else
        return WR_EINVAL;
    return WR_OK;
}

enum wr_err wr_value_parse(enum wr_scenario_kind kind, const char *words,
                           const char *text, union wr_value *ret)
{
    const struct units units = units_of(kind);

    if (kind == WR_SCENARIO_COUNT)
        return whole(text, &ret->n);
    if (kind == WR_SCENARIO_WORD)
        return word(words, text, &ret->n);
    if (kind == WR_SCENARIO_FLAG)
        return flag(text, &ret->n);
    if (kind == WR_SCENARIO_NUMBER)
        return decimal(&text, &ret->x) && *text == '\0' ? WR_OK : WR_EINVAL;
    WR_CHECK(kind != WR_SCENARIO_TEXT);
    if (kind == WR_SCENARIO_EVER && strcmp(text, "never") == 0) {
        ret->n = WR_NEVER;
        return WR_OK;
    }
    return measured(&units, text, &ret->n);
}

/* In the largest unit that takes three decimals at most; a share takes four.
 */
static void print_measured(const struct units *units, uint64_t v, char *ret)
{
    const struct unit *best = NULL;

    for (size_t i = 0; i < units->n && best == NULL; i++)
        if (units->u[i].shown && v >= units->u[i].factor &&
            v % units->u[i].factor * 1000 % units->u[i].factor == 0)
            best = &units->u[i];
    if (best == NULL)
        best = &units->u[units->n - 1];
    for (size_t i = 0; v == 0 && i < units->n; i++)
        if (units->u[i].shown && units->u[i].factor == units->bare)
            best = &units->u[i]; /* "0 s", not "0 us" */
    const uint64_t rest = v % best->factor;
    int n = snprintf(ret, 64, "%llu", (unsigned long long)(v / best->factor));
    if (rest > 0) {
        n += snprintf(ret + n, 16, ".%04llu",
                      (unsigned long long)(rest * 10000 / best->factor));
        while (ret[n - 1] == '0')
            n--;
    }
    snprintf(ret + n, 16, " %s", best->name);
}

const char *wr_value_print(enum wr_scenario_kind kind, const char *words,
                           union wr_value v, char ret[WR_SCENARIO_TEXT_MAX])
{
    const struct units units = units_of(kind);

    if (kind == WR_SCENARIO_COUNT) {
        snprintf(ret, WR_SCENARIO_TEXT_MAX, "%llu", (unsigned long long)v.n);
    } else if (kind == WR_SCENARIO_NUMBER) {
        snprintf(ret, WR_SCENARIO_TEXT_MAX, "%.15g", v.x);
    } else if (kind == WR_SCENARIO_FLAG) {
        strcpy(ret, v.n != 0 ? "yes" : "no");
    } else if (kind == WR_SCENARIO_WORD) {
        for (uint64_t i = 0; i < v.n; i++)
            words += strcspn(words, "|:") + 1;
        snprintf(ret, WR_SCENARIO_TEXT_MAX, "%.*s", (int)strcspn(words, "|:"),
                 words);
    } else if (kind == WR_SCENARIO_EVER && v.n == WR_NEVER) {
        strcpy(ret, "never");
    } else {
        WR_CHECK(kind != WR_SCENARIO_TEXT);
        print_measured(&units, v.n, ret);
    }
    return ret;
}
