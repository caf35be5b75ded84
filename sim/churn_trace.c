/* churn_trace.c - who was up when, from a file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "churn.h"

enum {
    HOSTS_MAX = 8000000,    /* As scenarios. */
    FLIPS_MAX = 1u << 30,   /* 16 GiB of them; `line` has 31 bits. */
    SECONDS_MAX = 315360000 /* 3,650 days. */
};

/* A number of microseconds from one of seconds, to the last digit; NULL if it
 * is none. */
static const char *seconds(const char *s, wr_time *ret)
{
    uint64_t whole = 0, micros = 0, unit = 100000;
    const char *p = s;

    for (; *p >= '0' && *p <= '9' && whole <= SECONDS_MAX; p++)
        whole = 10 * whole + (uint64_t)(*p - '0');
    if (p == s || whole > SECONDS_MAX)
        return NULL;
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
            micros += unit * (uint64_t)(*p - '0');
    *ret = 1000000 * whole + micros;
    return p;
}

static const char *number(const char *s, uint32_t *ret)
{
    uint64_t n = 0;
    const char *p = s;

    for (; *p >= '0' && *p <= '9' && n < HOSTS_MAX; p++)
        n = 10 * n + (uint64_t)(*p - '0');
    *ret = (uint32_t)n;
    return p == s || n >= HOSTS_MAX ? NULL : p;
}

static const char *comma(const char *p)
{
    if (p == NULL)
        return NULL;
    p += strspn(p, " \t");
    if (*p != ',')
        return NULL;
    return p + 1 + strspn(p + 1, " \t");
}

/* What is wrong with it, or NULL. */
static const char *parse(const char *line, struct wr_churn_flip *ret)
{
    const char *p = comma(seconds(line + strspn(line, " \t"), &ret->at));
    uint32_t host;

    if (p == NULL)
        return "it begins with a time in seconds and a comma, as 12.5,0,up";
    p = comma(number(p, &host));
    if (p == NULL)
        return "behind the time comes the host, a number below 8000000, and a "
               "comma";
    ret->host = host;
    if (strncmp(p, "up", 2) == 0) {
        ret->up = 1;
        p += 2;
    } else if (strncmp(p, "down", 4) == 0) {
        ret->up = 0;
        p += 4;
    } else {
        return "behind the host comes 'up' or 'down'";
    }
    return p[strspn(p, " \t\r\n")] == '\0' ? NULL
                                           : "nothing follows 'up' or 'down'";
}

static enum wr_err add(struct wr_churn_trace *t, uint32_t *cap,
                       const struct wr_churn_flip *f)
{
    if (t->flips_n == *cap) {
        const uint32_t more = *cap == 0 ? 1024 : 2 * *cap;
        struct wr_churn_flip *v;

        if (more > FLIPS_MAX)
            return WR_ETOOBIG;
        v = realloc(t->flips, more * sizeof(v[0]));
        if (v == NULL)
            return WR_ENOMEM;
        t->flips = v;
        *cap = more;
    }
    t->flips[t->flips_n++] = *f;
    if (f->host >= t->hosts_n)
        t->hosts_n = f->host + 1;
    return WR_OK;
}

static enum wr_err read_lines(struct wr_churn_trace *t, FILE *f,
                              const char *path, struct wr_why *why)
{
    uint32_t cap = 0, line_n = 0;
    enum wr_err err = WR_OK;
    char *line = NULL;
    size_t room = 0;

    while (err == WR_OK && getline(&line, &room, f) >= 0) {
        struct wr_churn_flip flip = {.line = ++line_n & INT32_MAX};
        const char *p = line + strspn(line, " \t\r\n");
        const char *wrong;

        if (*p == '\0' || *p == '#' ||
            (line_n == 1 && strncmp(p, "time,host,", 10) == 0))
            continue;
        wrong = parse(p, &flip);
        if (wrong != NULL)
            err =
                wr_why(why, WR_EINVAL, "%s, line %u: %s", path, line_n, wrong);
        else if ((err = add(t, &cap, &flip)) != WR_OK)
            err = wr_why(why, err, "%s, line %u: the trace is too long", path,
                         line_n);
    }
    if (err == WR_OK && ferror(f))
        err = wr_why(why, WR_EIO, "%s: %s", path, wr_errno_text(errno));
    free(line);
    return err;
}

static int by_host_and_time(const void *pa, const void *pb)
{
    const struct wr_churn_flip *a = pa, *b = pb;

    if (a->host != b->host)
        return a->host < b->host ? -1 : 1;
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return a->line < b->line ? -1 : a->line > b->line;
}

/* Hosts go up and down in turn. */
static enum wr_err check(const struct wr_churn_trace *t, const char *path,
                         struct wr_why *why)
{
    for (uint32_t i = 1; i < t->flips_n; i++) {
        const struct wr_churn_flip *a = &t->flips[i - 1], *b = &t->flips[i];

        if (a->host != b->host)
            continue;
        if (a->at == b->at)
            return wr_why(why, WR_EINVAL,
                          "%s, line %u: host %u has another line at this time, "
                          "line %u",
                          path, b->line, b->host, a->line);
        if (a->up == b->up)
            return wr_why(why, WR_EINVAL,
                          "%s, line %u: host %u is %s already, by line %u",
                          path, b->line, b->host, b->up ? "up" : "down",
                          a->line);
    }
    return WR_OK;
}

static enum wr_err arrange(struct wr_churn_trace *t, const char *path,
                           struct wr_why *why)
{
    if (t->flips_n == 0)
        return wr_why(why, WR_EINVAL, "%s: nobody comes or goes in this trace",
                      path);
    t->first = calloc((size_t)t->hosts_n + 1, sizeof(t->first[0]));
    if (t->first == NULL)
        return wr_why(why, WR_ENOMEM, "%s: out of memory", path);
    qsort(t->flips, t->flips_n, sizeof(t->flips[0]), by_host_and_time);
    for (uint32_t i = 0; i < t->flips_n; i++)
        t->first[t->flips[i].host + 1]++;
    for (uint32_t h = 0; h < t->hosts_n; h++)
        t->first[h + 1] += t->first[h];
    return check(t, path, why);
}

enum wr_err wr_churn_trace_read(struct wr_churn_trace *t, const char *path,
                                struct wr_why *why)
{
    FILE *f = fopen(path, "re");
    enum wr_err err;

    *t = (struct wr_churn_trace){0};
    if (f == NULL) {
        const int e = errno;

        return wr_why(why, wr_err_of_errno(e), "%s: %s", path,
                      wr_errno_text(e));
    }
    err = read_lines(t, f, path, why);
    fclose(f);
    if (err == WR_OK)
        err = arrange(t, path, why);
    if (err != WR_OK)
        wr_churn_trace_done(t);
    return err;
}

void wr_churn_trace_done(struct wr_churn_trace *t)
{
    free(t->flips);
    free(t->first);
    *t = (struct wr_churn_trace){0};
}
