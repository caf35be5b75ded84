/*
 * config.h - the settings of a running wreath: where each may come from, which
 * wins, and how it is said to people.
 *
 * A flag beats the environment (WREATH_LISTEN), which beats the file
 * (DIR/wreath.ini, one `key = value` a line), which beats the default. Secrets
 * are never settings: they live in files of their own (client/home.h).
 *
 * To add a setting, add a row below and a field; nothing else.
 */
#ifndef WR_HOST_CONFIG_H
#define WR_HOST_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "sys/why.h"

enum { WR_CONFIG_TEXT_MAX = 256 };

/* Name, kind, default, least and most (numbers, bytes and microseconds), what
 * it is. */
#define WR_CONFIG_MAP(X)                                                       \
    X(listen, TEXT, "0.0.0.0:4077", 0, 0,                                      \
      "address and port that a super-peer listens on; port 0: any free one")   \
    X(advertise, TEXT, "", 0, 0,                                               \
      "IP address and port that others dial, where that differs from listen")  \
    X(store, TEXT, "lmdb", 0, 0, "lmdb, or memory: forgets all at its end")    \
    X(quota, BYTES, "0", 0, UINT64_MAX,                                        \
      "most bytes the store takes on disk; 0: what the disk has")              \
    X(scrub, BYTES, "1M", 0, UINT64_MAX,                                       \
      "bytes a second in which chunks are re-read; 0: only by 'wreath scrub'") \
    X(sweep, TIME, "1h", 100000, 86400000000,                                  \
      "between two looks for chunks of puts that are over")                    \
    X(grace, TIME, "24h", 0, 31536000000000,                                   \
      "a chunk that nothing refers to is deleted after")                       \
    X(forget, TIME, "365d", 1000000, 315360000000000,                          \
      "a put that is over is forgotten after; who was away longer is emptied") \
    X(repair, TIME, "5m", 100000, 86400000000,                                 \
      "between two rounds in which hosts compare what they keep")              \
    X(repair_rate, BYTES, "16M", 0, UINT64_MAX,                                \
      "bytes a second that missing copies may take; 0: no limit")              \
    X(absence, TIME, "1h", 0, 2592000000000,                                   \
      "a silent host's copies count for so long, however few others stand")    \
    X(absence_long, TIME, "14d", 0, 2592000000000,                             \
      "and for so long while a majority stands; then others are made")         \
    X(copies, NUMBER, "3", 1, 8, "copies of each chunk, on distinct hosts")    \
    X(round, TIME, "3s", 100000, 600000000,                                    \
      "between two rounds of ring upkeep")                                     \
    X(roster, TIME, "5s", 100000, 600000000,                                   \
      "between two comparisons of who is a member")                            \
    X(rejoin, TIME, "10s", 100000, 600000000,                                  \
      "silence of all others before a restarted host starts the ring alone")   \
    X(patience, TIME, "300ms", 10000, 60000000,                                \
      "least time that a silent host is waited for")                           \
    X(probe, TIME, "60s", 100000, 3600000000,                                  \
      "first probe of a host that is held for dead")                           \
    X(request, TIME, "30s", 100000, 600000000,                                 \
      "a request of another host or leaf is given up after")                   \
    X(log_level, TEXT, "info", 0, 0, "error, warn, info or debug")             \
    X(log_format, TEXT, "text", 0, 0, "text or json")

enum wr_config_kind {
    WR_CONFIG_IS_TEXT,
    WR_CONFIG_IS_NUMBER,
    WR_CONFIG_IS_BYTES,
    WR_CONFIG_IS_TIME
};

enum wr_config_origin {
    WR_FROM_DEFAULT,
    WR_FROM_FILE,
    WR_FROM_ENVIRONMENT,
    WR_FROM_FLAG
};

enum wr_config_key {
#define X(name, kind, value, least, most, text) WR_CONFIG_##name,
    WR_CONFIG_MAP(X)
#undef X
        WR_CONFIG_N
};

struct wr_config_value {
    enum wr_config_origin origin;
    uint64_t number;               /* NUMBER, BYTES, TIME in microseconds. */
    char text[WR_CONFIG_TEXT_MAX]; /* As it was written. */
};

struct wr_config {
    struct wr_config_value v[WR_CONFIG_N];
};

void wr_config_init(struct wr_config *c); /* The defaults. */

/* Reads `path`; no such file is fine. WR_EINVAL names the line and, for an
 * unknown key, the nearest known one. */
WR_MUST_USE enum wr_err wr_config_file(struct wr_config *c, const char *path,
                                       struct wr_why *why);

/* Every WREATH_<KEY> of the environment. WR_EINVAL. */
WR_MUST_USE enum wr_err wr_config_environment(struct wr_config *c,
                                              struct wr_why *why);

/* One value by name ("log-level" and "log_level" are the same), unless a
 * stronger origin has set it already. WR_EINVAL. */
WR_MUST_USE enum wr_err wr_config_set(struct wr_config *c, const char *name,
                                      const char *value,
                                      enum wr_config_origin origin,
                                      struct wr_why *why);

static inline const char *wr_config_text(const struct wr_config *c,
                                         enum wr_config_key key)
{
    return c->v[key].text;
}

static inline uint64_t wr_config_number(const struct wr_config *c,
                                        enum wr_config_key key)
{
    return c->v[key].number;
}

const char *wr_config_name(enum wr_config_key key);
const char *wr_config_help(enum wr_config_key key);
const char *wr_config_origin_text(enum wr_config_origin origin);

/* "10G", "512 MiB", "4096" (powers of 1024). WR_EINVAL. */
WR_MUST_USE enum wr_err wr_bytes_parse(const char *text, uint64_t *ret);

/* How long until then: a duration as below, or a date ("2027-01-31", or
 * "2027-01-31 18:00", in local time) that lies after `now_s`. WR_EINVAL. */
WR_MUST_USE enum wr_err wr_until_parse(const char *text, uint64_t now_s,
                                       uint64_t *ret_s);

/* "7d", "1h30m", "250ms", "10s"; a bare number is seconds. WR_EINVAL. */
WR_MUST_USE enum wr_err wr_duration_parse(const char *text, wr_time *ret_us);

#endif
