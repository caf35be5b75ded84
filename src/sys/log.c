/* log.c - see log.h. */
#include "sys/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "sys/clock.h"

static struct {
    int fd;
    enum wr_log_level most;
    enum wr_log_format format;
} sink = {-1, WR_LOG_INFO, WR_LOG_AS_TEXT}; /* -1: none, nothing is said. */

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* A line in the making. What does not fit sets `cut`; `n` is then where the
 * last whole piece ended. */
struct line {
    char p[WR_LOG_LINE_MAX];
    size_t n;
    bool cut;
};

enum { TAIL = 8 }; /* Kept free for a closing quote, brace and newline. */

static void add(struct line *l, const char *s, size_t n)
{
    if (l->cut || n > sizeof(l->p) - TAIL - l->n) {
        l->cut = true;
        return;
    }
    memcpy(l->p + l->n, s, n);
    l->n += n;
}

static void add_str(struct line *l, const char *s)
{
    add(l, s, strlen(s));
}

__attribute__((format(printf, 2, 3))) static void add_fmt(struct line *l,
                                                          const char *fmt, ...)
{
    char tmp[64];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(tmp, sizeof(tmp), fmt, ap);
    va_end(ap);
    WR_CHECK(n >= 0 && (size_t)n < sizeof(tmp));
    add(l, tmp, (size_t)n);
}

/* Bytes of the well-formed UTF-8 sequence at the start of `s`, 0 if none
 * (RFC 3629: no surrogates, no overlong form, at most U+10FFFF). */
static size_t utf8_len(struct wr_span s)
{
    const uint8_t a = s.p[0];
    uint8_t lo = 0x80, hi = 0xbf;
    size_t n;

    if (a < 0x80)
        return 1;
    if (a < 0xc2 || a > 0xf4)
        return 0;
    n = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
    if (a == 0xe0)
        lo = 0xa0;
    else if (a == 0xed)
        hi = 0x9f;
    else if (a == 0xf0)
        lo = 0x90;
    else if (a == 0xf4)
        hi = 0x8f;
    if (s.n < n || s.p[1] < lo || s.p[1] > hi)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((s.p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* JSON's string escapes serve the text form too: a reader of either sees the
 * same bytes. U+0080 to U+009F are control characters to some terminals. */
static void add_escaped(struct line *l, struct wr_span s)
{
    while (s.n > 0 && !l->cut) {
        const uint8_t c = s.p[0];
        size_t n = utf8_len(s);

        if (n == 0) {
            add_str(l, "\\ufffd");
            n = 1;
        } else if (c == '"' || c == '\\') {
            add(l, (const char[]){'\\', (char)c}, 2);
        } else if (c == '\n') {
            add_str(l, "\\n");
        } else if (c < 0x20 || c == 0x7f) {
            add_fmt(l, "\\u%04x", c);
        } else if (c == 0xc2 && s.p[1] < 0xa0) {
            add_fmt(l, "\\u%04x", s.p[1]);
        } else {
            add(l, (const char *)s.p, n);
        }
        s.p += n;
        s.n -= n;
    }
}

static bool needs_quotes(struct wr_span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\' ||
            s.p[i] >= 0x7f)
            return true;
    return s.n == 0;
}

static void add_value(struct line *l, const struct wr_kv *kv, bool json)
{
    const bool quote = json || needs_quotes(kv->s);

    switch (kv->kind) {
    case WR_KV_IS_STR:
        if (quote)
            add_str(l, "\"");
        add_escaped(l, kv->s);
        if (quote)
            add_str(l, "\"");
        return;
    case WR_KV_IS_HEX:
        if (json)
            add_str(l, "\"");
        for (size_t i = 0; i < kv->s.n && !l->cut; i++)
            add_fmt(l, "%02x", kv->s.p[i]);
        if (json)
            add_str(l, "\"");
        return;
    case WR_KV_IS_U64:
        add_fmt(l, "%" PRIu64, kv->u);
        return;
    case WR_KV_IS_I64:
        add_fmt(l, "%" PRId64, (int64_t)kv->u);
        return;
    case WR_KV_IS_BOOL:
        add_str(l, kv->u != 0 ? "true" : "false");
        return;
    }
}

static void add_time(struct line *l)
{
    const uint64_t us = wr_clock_wall_us();
    const time_t s = (time_t)(us / 1000000);
    struct tm tm;

    (void)gmtime_r(&s, &tm);
    add_fmt(l, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
            tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
            (unsigned)(us / 1000 % 1000));
}

static void add_pair(struct line *l, const struct wr_kv *kv, bool json)
{
    const size_t before = l->n;

    add_str(l, json ? ",\"" : " ");
    add_str(l, kv->key);
    add_str(l, json ? "\":" : "=");
    add_value(l, kv, json);
    if (l->cut)
        l->n = before; /* A pair is whole or absent. */
}

void wr_log(enum wr_log_level level, const char *subsystem, const char *message,
            const struct wr_kv *kv, size_t n)
{
    const bool json = sink.format == WR_LOG_AS_JSON;
    const int saved = errno;
    struct line l = {.n = 0};

    if (json)
        add_str(&l, "{\"time\":\"");
    add_time(&l);
    if (json) {
        add_fmt(&l, "\",\"level\":\"%s\",\"subsystem\":\"", level_names[level]);
        add_escaped(&l, wr_span_str(subsystem));
        add_str(&l, "\",\"message\":\"");
        add_escaped(&l, wr_span_str(message));
        add_str(&l, "\"");
    } else {
        add_fmt(&l, " %-5s ", level_names[level]);
        add_str(&l, subsystem);
        add_str(&l, ": ");
        add_escaped(&l, wr_span_str(message));
    }
    for (size_t i = 0; i < n && !l.cut; i++)
        add_pair(&l, &kv[i], json);
    if (l.cut && !json) {
        memcpy(l.p + l.n, " ...", 4);
        l.n += 4;
    }
    if (json)
        l.p[l.n++] = '}';
    l.p[l.n++] = '\n';
    /* A log that cannot be written has nobody to be told about it. */
    while (write(sink.fd, l.p, l.n) < 0 && errno == EINTR)
        continue;
    errno = saved;
}

void wr_log_init(int fd, enum wr_log_level most, enum wr_log_format format)
{
    sink.fd = fd;
    sink.most = most;
    sink.format = format;
}

bool wr_log_wants(enum wr_log_level level)
{
    return sink.fd >= 0 && level <= sink.most;
}

enum wr_err wr_log_level_parse(const char *text, enum wr_log_level *ret)
{
    for (size_t i = 0; i < WR_ARRAY_LEN(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret = (enum wr_log_level)i;
            return WR_OK;
        }
    }
    return WR_EINVAL;
}
