/* oracles.c - see oracles.h. Each line names the figure that came out. The
 * seeds are fixed, so a line that fails keeps failing. */
#include "oracles.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "run.h"

struct oracles {
    bool full;
    const volatile sig_atomic_t *stop;
    unsigned lines_n;
    bool ok;
    struct wr_why *why;
    enum wr_err err; /* A run that could not be played ends all. */
};

static void say(struct oracles *o, bool ok, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct oracles *o, bool ok, const char *fmt, ...)
{
    va_list ap;

    if (o->err != WR_OK)
        return;
    o->ok = o->ok && ok;
    printf("%s %u - ", ok ? "ok" : "not ok", ++o->lines_n);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    fflush(stdout);
}

/* Plays the INI text that `fmt` prints. NULL: it could not; o->err says so. */
static json_t *play(struct oracles *o, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static json_t *play(struct oracles *o, const char *name, const char *fmt, ...)
{
    static struct wr_scenario s; /* 10 KiB: no need to burden the stack. */
    struct wr_run_hooks hooks = {
        .trace_from = WR_NEVER, .trace_to = WR_NEVER, .stop = o->stop};
    json_t *result = NULL;
    char text[1024];
    va_list ap;

    if (o->err != WR_OK)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    wr_scenario_init(&s);
    o->err = wr_scenario_read(&s, name, text, &hooks.why);
    if (o->err == WR_OK)
        o->err = wr_scenario_check(&s, &hooks.why);
    if (o->err == WR_OK)
        o->err = wr_run(&s, &hooks, &result);
    if (o->err == WR_OK && *o->stop != 0) {
        o->err = WR_ECANCELED;
        json_decref(result);
        result = NULL;
    }
    *o->why = hooks.why;
    o->why->err = o->err;
    return result;
}

/* NAN, of which every comparison is false, if there is none. */
static double figure(const json_t *result, const char *part, const char *key)
{
    const json_t *v = json_object_get(json_object_get(result, part), key);

    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static const json_t *rows(const json_t *result)
{
    return json_object_get(json_object_get(result, "series"), "rows");
}

/* The figure of one row of the series, by its column's name. */
static double cell(const json_t *result, size_t row, const char *column)
{
    const json_t *names =
        json_object_get(json_object_get(result, "series"), "columns");

    for (size_t i = 0; i < json_array_size(names); i++)
        if (strcmp(json_string_value(json_array_get(names, i)), column) == 0)
            return json_number_value(
                json_array_get(json_array_get(rows(result), row), i));
    return (double)NAN;
}

static bool near(double x, double want, double share)
{
    return x >= want * (1 - share) && x <= want * (1 + share);
}

/* ---- the oracles --------------------------------------------------------- */

/* Stoica et al. 2003, theorem IV.2 and figure 10: half of log2 N. Ours are a
 * little shorter: who knows by its finger who owns a key goes straight there.
 * Nothing is learned from traffic, so fingers are what they are in the paper
 * (L11). */
static void paths(struct oracles *o)
{
    static const unsigned hosts[] = {1000, 10000};

    for (size_t i = 0; i < (o->full ? 2 : 1); i++) {
        json_t *r = play(o, "paths",
                         "[run]\nfor = 60 s\nwarmup = 20 min\nseed = 3\n"
                         "[ring]\nhosts = %u\nsuccessors = 4\nlearn = no\n"
                         "peers_max = 64\n"
                         "[network]\nlatency = constant\none_way = 20 ms\n"
                         "[load]\nlookup_every = 10 s\n",
                         hosts[i]);
        const double hops = figure(r, "lookups", "hops_mean");
        const double want = log2(hosts[i]) / 2;

        say(o, hops > 0.8 * want && hops < 1.05 * want,
            "mean path of %u hosts with fingers only: %.2f hops (%.2f)",
            hosts[i], hops, want);
        say(o,
            figure(r, "lookups", "wrong") == 0 &&
                figure(r, "lookups", "failed") == 0,
            "no lookup in a quiet ring is wrong or fails");
        json_decref(r);
    }
}

/* Many members fail at once. Row i of the series ends at (i + 1) * 5 s, and a
 * round takes 5 s: round k after the failure is row `at` + k. */
static void die(struct oracles *o, unsigned hosts, unsigned succs,
                unsigned percent)
{
    json_t *r =
        play(o, "die",
             "[run]\nfor = %u s\nseed = 5\nsample_every = 5 s\n"
             "[ring]\nhosts = %u\nsuccessors = %u\nround = 5 s\n"
             "[network]\nlatency = constant\none_way = 50 ms\n"
             "[load]\nlookup_every = %u s\n"
             "[event.kill]\nat = 30 s\nwhat = kill\nshare = %u %%\n",
             60 + 5 * succs, hosts, succs, hosts > 10000 ? 60 : 5, percent);
    const size_t at = 30 / 5 - 1, n = json_array_size(rows(r));
    size_t heads = n, ideal = n;
    double late = 0;

    for (size_t i = n; i-- > at + 1;) {
        const double wrong = cell(r, i, "wrong_first_successors") +
                             cell(r, i, "wrong_predecessors");

        if (wrong == 0 && heads == i + 1)
            heads = i;
        if (cell(r, i, "not_ideal") == 0 && ideal == i + 1)
            ideal = i;
        if (i > at + 3)
            late += cell(r, i, "wrong") + cell(r, i, "failed");
    }
    say(o, figure(r, "hosts", "at_end") == hosts - hosts * percent / 100,
        "%u %% of %u hosts die at once; %u successors", percent, hosts, succs);
    say(o, heads <= at + 3,
        "heads and predecessors are right within %zu rounds (3)", heads - at);
    say(o, ideal <= at + succs + 5,
        "all lists are ideal within %zu rounds (%u)", ideal - at, succs + 5);
    say(o, late == 0, "lookups from the fourth round on: %.0f wrong or failed",
        late);
    say(o,
        figure(r, "lookups", "wrong") == 0 &&
            figure(r, "lookups", "failed") == 0,
        "lookups in all: %.0f right, %.0f wrong, %.0f failed, %.2f hops",
        figure(r, "lookups", "right"), figure(r, "lookups", "wrong"),
        figure(r, "lookups", "failed"), figure(r, "lookups", "hops_mean"));
    json_decref(r);
}

/* Stoica et al. 2003, table II: 1,000 members, r = 20, up to half of them. */
static void dying(struct oracles *o)
{
    for (unsigned percent = 10; o->full && percent < 50; percent += 10)
        die(o, 1000, 20, percent);
    die(o, 1000, 20, 50);
    if (o->full)
        die(o, 100000, 32, 50);
}

/* Krishnamurthy et al. 2005: the share of wrong first successors is
 * 2 / (3 + rho), rho the rate of stabilising over that of failing, if the
 * intervals are exponential. Half of them are newcomers that their predecessor
 * has not heard of; by R2 there are none, and without that term the balance is
 * (1 - w)^2 = w^2 + rho w, so 1 / (2 + rho). With periodic intervals a failure
 * is found after half of one instead of a whole one: about 1 / (2 rho). What
 * the theory leaves out must not count: rare failures, rounds so slow that the
 * detector's few seconds are nothing, and no probes, which find one failure in
 * thirty before the round does. */
static void heads(struct oracles *o)
{
    static const unsigned rho[] = {50, 100, 200};

    for (size_t i = 0; i < WR_ARRAY_LEN(rho); i++)
        for (int periodic = 0; periodic < 2; periodic++) {
            const unsigned session = 400 * rho[i];
            json_t *r =
                play(o, "heads",
                     "[run]\nfor = %u s\nwarmup = 2 h\nseed = 7\n"
                     "check = yes\ncheck_every = 200 s\nsample_every = 12 h\n"
                     "[ring]\nhosts = 200\nsuccessors = 16\nround = 400 s\n"
                     "upkeep = %s\nfingers = never\nprobe_dead = 1 h\n"
                     "[network]\nlatency = constant\none_way = 1 ms\n"
                     "resets = no\n"
                     "[churn]\nsession = exponential\nsession_mean = %u s\n"
                     "[load]\nlookup_every = never\n",
                     (o->full ? 100 : 20) * session,
                     periodic ? "periodic" : "exponential", session);
            const double w1 = figure(r, "ring", "wrong_first_successors_share");
            const double want = periodic ? 0.5 / rho[i] : 1.0 / (2 + rho[i]);

            say(o, near(w1, want, 0.10),
                "wrong first successors, %s rounds, rho = %u: %.5f (%.5f)",
                periodic ? "periodic" : "exponential", rho[i], w1, want);
            json_decref(r);
        }
}

/* The busiest host's share of the circle, by the members of each host:
 * consistent hashing (Stoica et al. 2003, figure 9). The figures are those of
 * 10,000 hosts; the more members a host has, the less their number matters. */
static void load(struct oracles *o)
{
    static const struct {
        unsigned hosts, members;
        double want;
    } v[] = {
        {10000, 1, 9.2}, {10000, 8, 2.9}, {5000, 16, 2.2}, {1000, 64, 1.5}};

    for (size_t i = 0; i < WR_ARRAY_LEN(v); i++) {
        const unsigned hosts = o->full ? 10000 : v[i].hosts;
        json_t *r = play(o, "load",
                         "[run]\nfor = 1 s\nseed = 13\n"
                         "[ring]\nhosts = %u\nmembers = %u\nsuccessors = 2\n"
                         "routes_max = 64\npeers_max = 16\n"
                         "fingers = never\nround = 1 h\n"
                         "[network]\nlatency = constant\none_way = 20 ms\n"
                         "[load]\nlookup_every = never\n",
                         hosts, v[i].members);
        const double got = figure(r, "load", "keys_max_over_mean");

        say(o, near(got, v[i].want, 0.25),
            "most over mean of the keys, %u hosts of %u members: %.2f (%.1f)",
            hosts, v[i].members, got, v[i].want);
        json_decref(r);
    }
}

/* Rhea et al. 2004: median sessions of 1.4 minutes. */
static void storm(struct oracles *o)
{
    static const struct {
        unsigned hosts;
        const char *length, *latency;
    } v[] = {{200, "5 min",
              "latency = uniform\none_way = 30 ms\n"
              "one_way_max = 150 ms\n"},
             {1000, "1 h", "latency = king\n"},
             {10000, "10 min", "latency = king\n"}};

    for (size_t i = o->full ? 1 : 0; i < (o->full ? WR_ARRAY_LEN(v) : 1); i++) {
        json_t *r = play(o, "storm",
                         "[run]\nfor = %s\nwarmup = 1 min\nseed = 17\n"
                         "check = yes\n"
                         "[ring]\nhosts = %u\n"
                         "[network]\n%s"
                         "[churn]\nsession = exponential\n"
                         "session_median = 1.4 min\n"
                         "[load]\nlookup_every = 10 s\n",
                         v[i].length, v[i].hosts, v[i].latency);
        const double asked = figure(r, "lookups", "asked");

        say(o, figure(r, "lookups", "right_share") >= 0.999,
            "%u hosts, sessions of 1.4 minutes: %.5f of %.0f lookups right",
            v[i].hosts, figure(r, "lookups", "right_share"), asked);
        say(o, figure(r, "lookups", "wrong") == 0, "%.0f wrong, %.0f failed",
            figure(r, "lookups", "wrong"), figure(r, "lookups", "failed"));
        const unsigned most = o->full ? 900 : 700;
        say(o, figure(r, "traffic", "bytes_per_host_s") <= most,
            "%.0f bytes a second and host (%u)",
            figure(r, "traffic", "bytes_per_host_s"), most);
        json_decref(r);
    }
}

/* Castro et al. 2004: one message in twenty lost, sessions of 2.9 hours. The
 * full run asks a million times. For such sessions rounds of 30 s are quick
 * enough: theirs adapt to it, ours are set. */
static void loss(struct oracles *o)
{
    json_t *r = play(o, "loss",
                     "[run]\nfor = %s\nwarmup = 5 min\nseed = 19\n"
                     "[ring]\nhosts = %u\nround = 30 s\nfingers = 2 min\n"
                     "[network]\nlatency = king\nloss = 5 %%\n"
                     "[churn]\nsession = exponential\nsession_mean = 2.9 h\n"
                     "[load]\nlookup_every = %s\n",
                     o->full ? "29 h" : "10 min", o->full ? 1000U : 200U,
                     o->full ? "100 s" : "10 s");

    say(o, figure(r, "lookups", "failed") <= 3,
        "one message in 20 lost: %.0f of %.0f lookups failed (3)",
        figure(r, "lookups", "failed"), figure(r, "lookups", "asked"));
    say(o, figure(r, "lookups", "wrong") == 0, "%.0f wrong (0)",
        figure(r, "lookups", "wrong"));
    say(o, !o->full || figure(r, "traffic", "messages_per_host_s") <= 0.5,
        "%.2f messages a second and host%s",
        figure(r, "traffic", "messages_per_host_s"), o->full ? " (0.5)" : "");
    json_decref(r);
}

/* R11: what a cut of an hour has parted is one ring again within five minutes.
 * Each host looks through another one, by lot, every minute: two rings of
 * equal size find each other at the second try, and close like a zip, all
 * places at once. R10: hosts that were all killed are one ring within two. */
static void heal(struct oracles *o)
{
    const unsigned hosts = o->full ? 300 : 60;
    json_t *r = play(o, "merge",
                     "[run]\nfor = 75 min\nseed = 23\ncheck = yes\n"
                     "check_every = 2 s\nsample_every = 1 min\n"
                     "[ring]\nhosts = %u\nroster = 30 s\n"
                     "[load]\nlookup_every = 1 min\n"
                     "[event.cut]\nat = 5 min\nwhat = cut\n"
                     "whom = hosts 0-%u\n"
                     "[event.heal]\nat = 65 min\nwhat = heal\n",
                     hosts, hosts / 2 - 1);
    const double cut = 3600e3;

    say(o,
        figure(r, "ring", "not_ideal_end") == 0 &&
            figure(r, "ring", "violations") == 0 &&
            figure(r, "ring", "heal_ms_max") >= cut &&
            figure(r, "ring", "heal_ms_max") <= cut + 300e3,
        "%u hosts, cut in two for an hour: one ring after %.0f s (300)", hosts,
        (figure(r, "ring", "heal_ms_max") - cut) / 1e3);
    json_decref(r);
    r = play(o, "restart",
             "[run]\nfor = 8 min\nseed = 29\ncheck = yes\n"
             "check_every = 2 s\n"
             "[ring]\nhosts = 20\nmembers = 17\nroster = 5 s\n"
             "[load]\nlookup_every = 5 s\n"
             "[event.power]\nat = 2 min\nwhat = kill\nfor = 1 min\n");
    say(o,
        figure(r, "hosts", "at_end") == 20 &&
            figure(r, "ring", "not_ideal_end") == 0 &&
            figure(r, "ring", "members_end") == 340 &&
            figure(r, "ring", "heal_ms_max") <= 180e3,
        "20 hosts were all killed: one ring %.0f s after they were back (120)",
        figure(r, "ring", "heal_ms_max") / 1e3 - 60);
    json_decref(r);
}

/* The same scenario gives the same run, another seed another one. */
static void same(struct oracles *o)
{
    json_t *r[3];
    const char *digest[3];

    for (int i = 0; i < 3; i++) {
        r[i] = play(o, "same",
                    "[run]\nfor = 2 min\nseed = %d\n"
                    "[ring]\nhosts = 60\n"
                    "[network]\nlatency = uniform\nloss = 2 %%\n"
                    "[churn]\nsession = exponential\nsession_mean = 2 min\n",
                    i < 2 ? 1 : 2);
        digest[i] = json_string_value(json_object_get(r[i], "digest"));
        json_object_del(r[i], "wall_s");
        json_object_del(r[i], "events_per_s");
    }
    if (o->err == WR_OK) {
        say(o, json_equal(r[0], r[1]),
            "the same seed gives the same result: %s", digest[0]);
        say(o, strcmp(digest[0], digest[2]) != 0,
            "another seed another one: %s", digest[2]);
    }
    for (int i = 0; i < 3; i++)
        json_decref(r[i]);
}

static const struct {
    const char *name;
    void (*run)(struct oracles *o);
} oracles[] = {
    {"paths", paths}, {"dying", dying}, {"heads", heads}, {"load", load},
    {"storm", storm}, {"loss", loss},   {"heal", heal},   {"same", same},
};

static bool wanted(const char *name, char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return n == 0;
}

enum wr_err wr_oracles(bool full, char **names, size_t n,
                       const volatile sig_atomic_t *stop, bool *ret_ok,
                       struct wr_why *why)
{
    struct oracles o = {.full = full, .stop = stop, .ok = true, .why = why};

    for (size_t i = 0; i < n; i++) {
        bool known = false;

        for (size_t k = 0; k < WR_ARRAY_LEN(oracles); k++)
            known = known || strcmp(oracles[k].name, names[i]) == 0;
        if (!known)
            return wr_why(why, WR_EINVAL,
                          "there is no oracle '%.60s'; those are: paths, "
                          "dying, heads, load, storm, loss, heal, same",
                          names[i]);
    }
    for (size_t i = 0; i < WR_ARRAY_LEN(oracles) && o.err == WR_OK; i++)
        if (wanted(oracles[i].name, names, n))
            oracles[i].run(&o);
    if (o.err == WR_OK)
        printf("1..%u\n", o.lines_n);
    *ret_ok = o.ok;
    return o.err;
}
