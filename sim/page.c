/* page.c - see page.h. */
#include "page.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd";

/* What stands for an ASCII character; NULL: itself. */
static const char *entity(char c)
{
    switch (c) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\n':
    case '\t':
        return NULL;
    default:
        return c < 0x20 ? replacement : NULL;
    }
}

/* Bytes of the character at `p`, of `n`; 0: it was cut. */
static size_t whole(const unsigned char *p, size_t n)
{
    const size_t len = p[0] < 0x80   ? 1
                       : p[0] < 0xc0 ? 0
                       : p[0] < 0xe0 ? 2
                       : p[0] < 0xf0 ? 3
                                     : 4;

    if (len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

void page_span(FILE *to, const char *text, size_t n)
{
    for (size_t i = 0, len; i<n; i += len> 0 ? len : 1) {
        const char *p = text + i;

        len = whole((const unsigned char *)p, n - i);
        /* U+FFFE and U+FFFF are no characters. */
        const bool none =
            len == 0 || (len == 3 && (memcmp(p, "\xef\xbf\xbe", 3) == 0 ||
                                      memcmp(p, "\xef\xbf\xbf", 3) == 0));
        const char *instead = none ? replacement : len == 1 ? entity(*p) : NULL;
        if (instead != NULL)
            fputs(instead, to);
        else
            fwrite(p, 1, len, to);
    }
}

void page_text(FILE *to, const char *text)
{
    page_span(to, text, strlen(text));
}

void page_fmt(FILE *to, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    page_text(to, text);
}

const char *page_count(double n, char ret[PAGE_NUMBER_MAX])
{
    char digits[PAGE_NUMBER_MAX];
    size_t k = 0;

    if (isnan(n)) {
        strcpy(ret, "?");
        return ret;
    }
    if (!(fabs(n) < 1e15)) {
        snprintf(ret, PAGE_NUMBER_MAX, "%.3g", n);
        return ret;
    }
    snprintf(digits, sizeof(digits), "%.0f", fabs(n));
    if (n <= -0.5)
        ret[k++] = '-';
    for (size_t i = 0, len = strlen(digits); i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            ret[k++] = ',';
        ret[k++] = digits[i];
    }
    ret[k] = '\0';
    return ret;
}

const char *page_number(double x, char ret[PAGE_NUMBER_MAX])
{
    const double size = fabs(x);

    if (!(size < 1000) || x == 0)
        return page_count(x, ret);
    if (size < 0.001)
        snprintf(ret, PAGE_NUMBER_MAX, "%.2g", x);
    else
        snprintf(ret, PAGE_NUMBER_MAX, "%.*f",
                 size >= 100  ? 0
                 : size >= 10 ? 1
                 : size >= 1  ? 2
                              : 3,
                 x);
    return ret;
}

static const char *with_unit(double x, const char *unit,
                             char ret[PAGE_NUMBER_MAX])
{
    char number[PAGE_NUMBER_MAX];

    snprintf(ret, PAGE_NUMBER_MAX, "%.30s %s", page_number(x, number), unit);
    return ret;
}

const char *page_ms(double ms, char ret[PAGE_NUMBER_MAX])
{
    return ms < 1000 ? with_unit(ms, "ms", ret)
                     : with_unit(ms / 1000, "s", ret);
}

const char *page_rate(double bytes, char ret[PAGE_NUMBER_MAX])
{
    static const char *const units[] = {"B/s", "kB/s", "MB/s", "GB/s"};
    unsigned i = 0;

    while (i < 3 && bytes >= 1000) {
        bytes /= 1000;
        i++;
    }
    return with_unit(bytes, units[i], ret);
}

const char *page_time(double s, char ret[PAGE_NUMBER_MAX])
{
    static const struct {
        double of;
        const char *big, *small;
        double part;
    } units[] = {
        {86400, "d", "h", 3600}, {3600, "h", "min", 60}, {60, "min", "s", 1}};

    for (unsigned i = 0; i < 3; i++) {
        const double whole = floor(s / units[i].of);
        const double rest = floor((s - whole * units[i].of) / units[i].part);

        if (!(s >= units[i].of))
            continue;
        if (rest < 1)
            snprintf(ret, PAGE_NUMBER_MAX, "%.0f %s", whole, units[i].big);
        else
            snprintf(ret, PAGE_NUMBER_MAX, "%.0f %s %.0f %s", whole,
                     units[i].big, rest, units[i].small);
        return ret;
    }
    if (s >= 1 && s == floor(s))
        snprintf(ret, PAGE_NUMBER_MAX, "%.0f s", s);
    else
        with_unit(s, "s", ret);
    return ret;
}

const char *page_share(double share, char ret[PAGE_NUMBER_MAX])
{
    double percent = share * 100;

    if (isnan(share))
        return page_count(share, ret);
    if (percent < 100 && percent > 99.99)
        percent = floor(percent * 1e4) / 1e4;
    snprintf(ret, PAGE_NUMBER_MAX, "%.*f %%",
             percent == 100 || percent == 0    ? 0
             : percent > 99.99 || percent < .1 ? 4
                                               : 2,
             percent);
    return ret;
}
