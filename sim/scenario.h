/*
 * scenario.h - what is to be simulated: one flat struct, and one table of its
 * keys that drives the reader, the echo, `list keys` and the manual's test.
 *
 * A scenario is an INI file: sections, keys, and values with units ("1.4 min",
 * "2 %", "10 Mbit/s"). Errors name the file, the line, and the nearest key or
 * the range. It holds no pointer: copy it freely.
 *
 * To add a key, add a row below, and a line to docs/simulator.md.
 */
#ifndef WR_SIM_SCENARIO_H
#define WR_SIM_SCENARIO_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "sys/why.h"

enum {
    WR_SCENARIO_TEXT_MAX = 256,      /* A path, with its end. */
    WR_SCENARIO_NAME_MAX = 48,       /* A scenario's or an event's. */
    WR_SCENARIO_EVENTS_MAX = 64,     /* More is a trace, which is a file. */
    WR_SCENARIO_HOSTS_MAX = 8000000, /* Slots: 33 bits of refs with V = 64. */
    WR_SYSTEM_ITEMS_MAX = 10000000,  /* Counted, host by host, at the start. */
};

/*
 * Section, key, kind, default, least and most, what it is.
 *
 * COUNT, TIME (microseconds), EVER (TIME or "never", WR_NEVER), SHARE (parts
 * per million), RATE (bits a second), BYTES, FLAG and WORD (which of the words
 * that begin its help) are uint64_t; NUMBER is a double, TEXT a string.
 * The limits are in the unit that is stored, and round in those that people
 * read: of times at most 3,650 days, of sizes 1 TiB.
 */
/* clang-format off */
#define WR_SCENARIO_MAP(X)                                                     \
    X(run, for, TIME, "10 min", 1e6, 3.1536e14,                                \
      "virtual time that is simulated and measured")                           \
    X(run, warmup, TIME, "0 s", 0, 3.1536e14,                                  \
      "virtual time before that, simulated but not measured")                  \
    X(run, seed, COUNT, "1", 0, 18446744073709551615.0,                     \
      "draws everything that is random")                                       \
    X(run, sample_every, TIME, "10 s", 1e5, 8.64e10,                           \
      "between two rows of the series")                                        \
    X(run, check, FLAG, "no", 0, 1,                                            \
      "judge the ring's invariants while it runs")                             \
    X(run, check_every, TIME, "10 s", 1e5, 8.64e10,                            \
      "between two judgements of the whole ring")                              \
    X(run, codec, FLAG, "no", 0, 1,                                            \
      "encode and decode each message as on the wire")                         \
                                                                               \
    X(ring, system, WORD, "wreath", 0, 0,                                      \
      "wreath|flood|walk|index: what runs: wreath's own core, or for "         \
      "comparison flooding, random walks, or an index on super-peers")         \
    X(ring, hosts, COUNT, "1000", 1, 2e6,                                      \
      "super-peers that are up on the average")                                \
    X(ring, members, COUNT, "1", 1, 64, "places on the ring of each host")     \
    X(ring, successors, COUNT, "16", 1, 32, "length of a successor list")      \
    X(ring, copies, COUNT, "3", 1, 8, "copies of each chunk")                  \
    X(ring, upkeep, WORD, "periodic", 0, 0,                                    \
      "periodic|exponential: how the times between rounds are drawn")          \
    X(ring, round, TIME, "5 s", 1e5, 8.64e10,                                  \
      "between two rounds of ring upkeep of a member")                         \
    X(ring, fingers, EVER, "10 s", 1e5, 8.64e10,                               \
      "between two finger refreshes of a host")                                \
    X(ring, learn, FLAG, "yes", 0, 1,                                          \
      "learn members from traffic; no: by fingers alone")                      \
    X(ring, roster, EVER, "never", 1e5, 8.64e10,                               \
      "between two comparisons of who is a member; never: no roster")          \
    X(ring, jitter, SHARE, "40 %", 0, 1e6, "of each of those intervals")       \
    X(ring, patience_min, TIME, "250 ms", 1e4, 6e7,                            \
      "least time that a silent host is waited for")                           \
    X(ring, patience_max, TIME, "5 s", 1e4, 6e8,                               \
      "most time that a silent host is waited for")                            \
    X(ring, lookup_timeout, TIME, "30 s", 1e5, 6e8,                            \
      "a lookup is given up after")                                            \
    X(ring, request_timeout, TIME, "30 s", 1e5, 6e8,                           \
      "a data request is given up after")                                      \
    X(ring, rejoin, TIME, "10 s", 1e5, 6e8,                                    \
      "silence of all others before a restarted host starts the ring alone")   \
    X(ring, repair, EVER, "never", 1e6, 3.1536e14,                             \
      "pause between two rounds in which hosts compare their copies")          \
    X(ring, absence, TIME, "1 h", 0, 3.1536e14,                                \
      "a dead host counts as holding what it held for so long,")               \
    X(ring, absence_long, TIME, "14 d", 0, 3.1536e14,                           \
      "and for so long where a majority of the copies is elsewhere")           \
    X(ring, probe_dead, TIME, "60 s", 1e5, 3.6e9,                              \
      "first probe of a host that is held for dead")                           \
    X(ring, peers_max, COUNT, "1024", 16, 65536,                               \
      "hosts whose liveness a host tracks")                                    \
    X(ring, routes_max, COUNT, "8192", 16, 65536,                              \
      "members in a host's routing table")                                     \
    X(ring, sites, COUNT, "1", 1, 1000,                                        \
      "places where the hosts stand; copies go to several of them")            \
    X(ring, liars, SHARE, "0 %", 0, 1e6,                                       \
      "hosts that give wrong bytes, or nothing, to whoever reads a chunk")     \
                                                                               \
    X(network, latency, WORD, "king", 0, 0,                                    \
      "constant|uniform|king|file: how the latency of a pair is drawn")        \
    X(network, one_way, TIME, "50 ms", 1, 6e7,                                 \
      "one-way latency: the constant, or the least of uniform")                \
    X(network, one_way_max, TIME, "150 ms", 1, 6e7,                            \
      "one-way latency: the most of uniform")                                  \
    X(network, file, TEXT, "", 0, 0, "latency = file: coordinates to read")    \
    X(network, jitter, SHARE, "10 %", 0, 1e6, "of the latency, at most")       \
    X(network, loss, SHARE, "0 %", 0, 1e6, "messages that are lost")           \
    X(network, twice, SHARE, "0 %", 0, 1e6, "messages that arrive twice")      \
    X(network, reorder, SHARE, "0 %", 0, 1e6,                                  \
      "messages that are held back behind later ones")                         \
    X(network, non_transitive, SHARE, "0 %", 0, 1e6,                           \
      "pairs of hosts that cannot reach each other")                           \
    X(network, up, RATE, "0", 0, 1e12,                                         \
      "up-link of a host, with its queue; 0: unlimited")                       \
    X(network, down, RATE, "0", 0, 1e12,                                       \
      "down-link of a host, with its queue; 0: unlimited")                     \
    X(network, resets, FLAG, "yes", 0, 1,                                      \
      "a crash is told to its peers at once, as TCP does when a process dies") \
                                                                               \
    X(churn, preset, TEXT, "", 0, 0,                                           \
      "published measurement to follow, instead of session: see list")         \
    X(churn, session, WORD, "none", 0, 0,                                      \
      "none|exponential|pareto|weibull|lognormal|trace: how long hosts stay")  \
    X(churn, session_mean, TIME, "0 s", 0, 3.1536e14,                          \
      "mean; or say the median")                                               \
    X(churn, session_median, TIME, "0 s", 0, 3.1536e14, "median")              \
    X(churn, session_shape, NUMBER, "0", 0, 100,                               \
      "Pareto's alpha, Weibull's k, log-normal's sigma")                       \
    X(churn, session_scale, TIME, "0 s", 0, 3.1536e14,                         \
      "Pareto's beta, Weibull's lambda, log-normal's median")                  \
    X(churn, away, WORD, "same", 0, 0,                                         \
      "same|exponential|pareto|weibull|lognormal|never: how long they are "    \
      "away; same: drawn like sessions; never: nobody comes back")             \
    X(churn, away_mean, TIME, "0 s", 0, 3.1536e14, "mean; or say the median")  \
    X(churn, away_median, TIME, "0 s", 0, 3.1536e14, "median")                 \
    X(churn, away_shape, NUMBER, "0", 0, 100, "as session_shape")              \
    X(churn, away_scale, TIME, "0 s", 0, 3.1536e14, "as session_scale")        \
    X(churn, disk_loss, SHARE, "0 %", 0, 1e6,                                  \
      "hosts that come back without what they stored")                         \
    X(churn, trace, TEXT, "", 0, 0,                                            \
      "session = trace: CSV file of seconds, host, up|down")                   \
    X(churn, site_every, EVER, "never", 1e6, 3.1536e14,                        \
      "mean time between two outages of a site, of each site (exponential)")   \
    X(churn, site_for, TIME, "1 h", 1e6, 3.1536e14, "how long a site is out")  \
                                                                               \
    X(leaves, count, COUNT, "0", 0, 1e7, "leaves, each at one super-peer")     \
    X(leaves, session, WORD, "none", 0, 0,                                     \
      "none|exponential|pareto|weibull|lognormal: how long leaves are awake")  \
    X(leaves, session_mean, TIME, "0 s", 0, 3.1536e14,                         \
      "mean; or say the median")                                               \
    X(leaves, session_median, TIME, "0 s", 0, 3.1536e14, "median")             \
    X(leaves, session_shape, NUMBER, "0", 0, 100, "as churn.session_shape")    \
    X(leaves, session_scale, TIME, "0 s", 0, 3.1536e14,                        \
      "as churn.session_scale")                                                \
    X(leaves, away_mean, TIME, "0 s", 0, 3.1536e14,                            \
      "mean time asleep, exponential; 0: as long as awake")                    \
    X(leaves, diurnal, SHARE, "0 %", 0, 1e6,                                   \
      "how much fewer are awake at night than by day")                         \
    X(leaves, move, EVER, "never", 1e6, 3.1536e14,                             \
      "mean time between two moves of a leaf to another network")              \
    X(leaves, contacts, COUNT, "3", 1, 16,                                     \
      "super-peers that a leaf's ticket names, by lot")                        \
    X(leaves, up, RATE, "0", 0, 1e12, "up-link of a leaf; 0: as network.up")   \
    X(leaves, down, RATE, "0", 0, 1e12,                                        \
      "down-link of a leaf; 0: as network.down")                               \
                                                                               \
    X(load, lookup_every, EVER, "10 s", 1e3, 3.1536e14,                        \
      "mean time between two lookups of a host (exponential)")                 \
    X(load, lookups, COUNT, "0", 0, 1e12, "lookups in all; 0: no limit")       \
    X(load, trace, FLAG, "no", 0, 1,                                           \
      "answers name the hosts on their way, as with wreath trace")             \
    X(load, keys, WORD, "uniform", 0, 0,                                       \
      "uniform|zipf: which keys are looked up, and which files are got")       \
    X(load, keys_count, COUNT, "100000", 1, 1e9,                               \
      "different keys, where popularity follows Zipf")                         \
    X(load, zipf_s, NUMBER, "0.8", 0.01, 5, "Zipf's exponent")                 \
    X(load, files_every, EVER, "never", 1e3, 3.1536e14,                        \
      "mean time between two puts of a leaf")                                  \
    X(load, gets_every, EVER, "never", 1e3, 3.1536e14,                         \
      "mean time between two gets of a leaf")                                  \
    X(load, file_size, BYTES, "256 KiB", 1, 0x1p40, "size of a file, median")  \
    X(load, file_spread, NUMBER, "0", 0, 10,                                   \
      "sigma of a log-normal of sizes; 0: all the same")                      \
    X(load, file_repeats, SHARE, "0 %", 0, 1e6,                                \
      "puts of a file that was put before, by whomever")
/* clang-format on */

enum wr_scenario_kind {
    WR_SCENARIO_COUNT,
    WR_SCENARIO_TIME,
    WR_SCENARIO_EVER,
    WR_SCENARIO_SHARE,
    WR_SCENARIO_RATE,
    WR_SCENARIO_BYTES,
    WR_SCENARIO_FLAG,
    WR_SCENARIO_WORD,
    WR_SCENARIO_NUMBER,
    WR_SCENARIO_TEXT,
};

/* What the words of each WORD stand for, in the order of the table. */
enum wr_system {
    WR_SYSTEM_WREATH,
    WR_SYSTEM_FLOOD,
    WR_SYSTEM_WALK,
    WR_SYSTEM_INDEX
};

enum wr_scenario_latency {
    WR_LATENCY_CONSTANT,
    WR_LATENCY_UNIFORM,
    WR_LATENCY_KING,
    WR_LATENCY_FILE
};

enum wr_scenario_session {
    WR_SESSION_NONE,
    WR_SESSION_EXPONENTIAL,
    WR_SESSION_PARETO,
    WR_SESSION_WEIBULL,
    WR_SESSION_LOGNORMAL,
    WR_SESSION_TRACE
};

enum wr_scenario_away { /* The distributions as those of sessions. */
                        WR_AWAY_SAME,
                        WR_AWAY_EXPONENTIAL,
                        WR_AWAY_PARETO,
                        WR_AWAY_WEIBULL,
                        WR_AWAY_LOGNORMAL,
                        WR_AWAY_NEVER
};

enum wr_scenario_keys { WR_KEYS_UNIFORM, WR_KEYS_ZIPF };

/* Sections [event.NAME]; the word, and what it does. */
#define WR_SCENARIO_WHAT_MAP(X)                                                \
    X(KILL, "kill", "hosts crash; back after 'for', or as churn has it")       \
    X(RESTART, "restart",                                                      \
      "hosts stop in good order, and are back after 'for'")                    \
    X(CUT, "cut", "hosts cannot reach the others, until 'for' or a heal")      \
    X(HEAL, "heal", "all cuts end")                                            \
    X(JOIN, "join", "hosts that are down come up")                             \
    X(FLASH, "flash", "that share more, of hosts or leaves, comes at once")    \
    X(ROLLING, "rolling", "hosts restart one by one, one each 'every'")        \
    X(STOP_CHURN, "stop-churn", "whoever is up stays up")                      \
    X(LEAVE, "leave", "hosts hand everything over and leave for good")         \
    X(PAUSE, "pause", "hosts stand still for 'for', as with SIGSTOP")          \
    X(LOSE_DISK, "lose-disk", "hosts crash, and are back empty after 'for'")

enum wr_scenario_what {
#define X(name, word, help) WR_WHAT_##name,
    WR_SCENARIO_WHAT_MAP(X)
#undef X
        WR_WHAT_N
};

enum wr_scenario_whom {
    WR_WHOM_RANDOM, /* `share` of the hosts. */
    WR_WHOM_SITE,   /* All of site `from`. */
    WR_WHOM_HOSTS,  /* Slots `from` to `to`, both included. */
    WR_WHOM_LEAVES  /* `share` of the leaves. */
};

struct wr_scenario_event {
    char name[WR_SCENARIO_NAME_MAX];
    wr_time at; /* After warm-up. */
    enum wr_scenario_what what;
    enum wr_scenario_whom whom;
    uint32_t from, to;
    uint32_t share_ppm; /* 1,000,000 without one. */
    wr_time for_us;     /* 0: not said. */
    wr_time every_us;   /* Rolling: between two hosts. */
    bool has_at, has_what;
};

#define WR_SCENARIO_T_COUNT uint64_t
#define WR_SCENARIO_T_TIME uint64_t
#define WR_SCENARIO_T_EVER uint64_t
#define WR_SCENARIO_T_SHARE uint64_t
#define WR_SCENARIO_T_RATE uint64_t
#define WR_SCENARIO_T_BYTES uint64_t
#define WR_SCENARIO_T_FLAG uint64_t
#define WR_SCENARIO_T_WORD uint64_t
#define WR_SCENARIO_T_NUMBER double
#define WR_SCENARIO_T_TEXT wr_scenario_text
typedef char wr_scenario_text[WR_SCENARIO_TEXT_MAX];

/* s->ring_hosts, s->run_for, s->network_loss, and so on. */
struct wr_scenario {
    char name[WR_SCENARIO_NAME_MAX]; /* The preset's, or the file's. */
#define X(section, key, kind, value, least, most, help)                        \
    WR_SCENARIO_T_##kind section##_##key;
    WR_SCENARIO_MAP(X)
#undef X
    uint32_t events_n;
    struct wr_scenario_event events[WR_SCENARIO_EVENTS_MAX];
};

struct wr_scenario_key {
    const char *name; /* "ring.hosts" */
    enum wr_scenario_kind kind;
    const char *value; /* The default. */
    double least, most;
    const char *help;
    size_t offset; /* In struct wr_scenario. */
};

extern const struct wr_scenario_key wr_scenario_keys[];
extern const size_t wr_scenario_keys_n;

/* The words of events, WR_WHAT_N of them. */
const char *wr_scenario_what_text(enum wr_scenario_what what);
const char *wr_scenario_what_help(enum wr_scenario_what what);

void wr_scenario_init(struct wr_scenario *s); /* The defaults. */

/* One value by "section.key" or "event.NAME.key". WR_EINVAL names the nearest
 * key, or the range. */
WR_MUST_USE enum wr_err wr_scenario_set(struct wr_scenario *s, const char *name,
                                        const char *value, struct wr_why *why);

/* Reads an INI text; `origin` names it in errors ("burn.ini"). WR_EINVAL. */
WR_MUST_USE enum wr_err wr_scenario_read(struct wr_scenario *s,
                                         const char *origin, const char *text,
                                         struct wr_why *why);

/* What no single value can tell: a distribution without its mean, a ring that
 * is too small. To be called once all is set. WR_EINVAL. */
WR_MUST_USE enum wr_err wr_scenario_check(const struct wr_scenario *s,
                                          struct wr_why *why);

/* One value as a text that wr_scenario_set takes. Returns `ret`. */
const char *wr_scenario_get(const struct wr_scenario *s,
                            const struct wr_scenario_key *key,
                            char ret[WR_SCENARIO_TEXT_MAX]);

/* {"section.key": "value as text", ...}, events too; NULL: out of memory. */
json_t *wr_scenario_json(const struct wr_scenario *s);

#endif
