/*
 * log.h - structured logging for hosts, drivers and tools: one event, one
 * line, one write. The protocol core does not log; it counts and traces.
 *
 *     WR_LOG(INFO, "store", "opened", WR_KV_STR("path", path),
 *            WR_KV_U64("chunks", n));
 *
 *     2026-11-21T06:00:00.123Z info  store: opened path=/srv/w chunks=7
 *     {"time":"2026-11-21T06:00:00.123Z","level":"info","subsystem":"store",
 *      "message":"opened","path":"/srv/w","chunks":7}         (on one line)
 *
 * Values may be a peer's words: control bytes and invalid UTF-8 are escaped,
 * so that no peer can forge a line. A line longer than WR_LOG_LINE_MAX is cut
 * (JSON stays well-formed: values that do not fit are left out).
 *
 * The sink is the one process-wide state of floor 3: set once at start, before
 * threads. Until then nothing is said: a program that embeds libwreath owns
 * its stderr. Any thread may log. Keys and messages are literals; values are
 * borrowed.
 */
#ifndef WR_SYS_LOG_H
#define WR_SYS_LOG_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

enum { WR_LOG_LINE_MAX = 2048 };

enum wr_log_level { WR_LOG_ERROR, WR_LOG_WARN, WR_LOG_INFO, WR_LOG_DEBUG };

enum wr_log_format { WR_LOG_AS_TEXT, WR_LOG_AS_JSON };

enum wr_kv_kind {
    WR_KV_IS_STR,
    WR_KV_IS_HEX,
    WR_KV_IS_U64,
    WR_KV_IS_I64,
    WR_KV_IS_BOOL
};

struct wr_kv {
    const char *key;
    enum wr_kv_kind kind;
    struct wr_span s; /* STR, HEX */
    uint64_t u;       /* The others; I64 in two's complement. */
};

static inline struct wr_kv wr_kv_str(const char *key, const char *v)
{
    return (struct wr_kv){key, WR_KV_IS_STR, wr_span_str(v != NULL ? v : "-"),
                          0};
}

static inline struct wr_kv wr_kv_num(const char *key, enum wr_kv_kind kind,
                                     uint64_t v)
{
    return (struct wr_kv){key, kind, {NULL, 0}, v};
}

#define WR_KV_STR(key, v) wr_kv_str(key, v)
#define WR_KV_SPAN(key, span) ((struct wr_kv){key, WR_KV_IS_STR, span, 0})
#define WR_KV_HEX(key, p, n)                                                   \
    ((struct wr_kv){key, WR_KV_IS_HEX, wr_span(p, n), 0})
#define WR_KV_U64(key, v) wr_kv_num(key, WR_KV_IS_U64, (uint64_t)(v))
#define WR_KV_I64(key, v) wr_kv_num(key, WR_KV_IS_I64, (uint64_t)(int64_t)(v))
#define WR_KV_BOOL(key, v) wr_kv_num(key, WR_KV_IS_BOOL, (v) ? 1 : 0)
#define WR_KV_ERR(key, e) wr_kv_str(key, wr_err_text(e))

/* An event with at least one pair; WR_LOG_TEXT is for one without. */
#define WR_LOG(level, subsystem, message, ...)                                 \
    WR_LOG_AT(WR_LOG_##level, subsystem, message,                              \
              ((const struct wr_kv[]){__VA_ARGS__}),                           \
              sizeof((const struct wr_kv[]){__VA_ARGS__}) /                    \
                  sizeof(struct wr_kv))
#define WR_LOG_TEXT(level, subsystem, message)                                 \
    WR_LOG_AT(WR_LOG_##level, subsystem, message, NULL, 0)

/* The level is asked first, so that a silent debug line costs a load. */
#define WR_LOG_AT(level, subsystem, message, kv, n)                            \
    do {                                                                       \
        if (wr_log_wants(level))                                               \
            wr_log(level, subsystem, message, kv, n);                          \
    } while (0)

/* Where lines go. `fd` stays the caller's. */
void wr_log_init(int fd, enum wr_log_level most, enum wr_log_format format);

bool wr_log_wants(enum wr_log_level level);
void wr_log(enum wr_log_level level, const char *subsystem, const char *message,
            const struct wr_kv *kv, size_t n);

/* "error", "warn", "info" or "debug". WR_EINVAL. */
WR_MUST_USE enum wr_err wr_log_level_parse(const char *text,
                                           enum wr_log_level *ret);

#endif
