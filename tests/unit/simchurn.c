/* When simulated hosts come and go (sim/churn.h). */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../sim/lives.h"

enum { SLOTS = 20000 };

static struct wr_churn churn;
static struct wr_why why;

static void start(const struct wr_churn_cfg *cfg)
{
    cr_assert_eq(wr_churn_init(&churn, cfg, SLOTS, 9), WR_OK);
}

/* ---- drawn --------------------------------------------------------------- */

enum { TIMES = 8 };

struct history {
    uint32_t up[TIMES];   /* Of all, at each time, */
    uint32_t gone[TIMES]; /* and how often one went since the one before. */
};

static struct history history(const wr_time at[TIMES])
{
    static uint32_t first[SLOTS];
    const uint32_t n = wr_churn_start(&churn, SLOTS, first);
    struct history ret = {0};

    for (uint32_t slot = 0, k = 0; slot < SLOTS; slot++) {
        bool up = k < n && first[k] == slot;
        wr_time flip = wr_churn_first(&churn, slot, up);

        k += up;
        for (int i = 0; i < TIMES; i++) {
            while (flip <= at[i]) {
                ret.gone[i] += up;
                up = !up;
                flip = wr_churn_next(&churn, slot, flip, up);
            }
            ret.up[i] += up;
        }
    }
    return ret;
}

/* As many are up, and as many go in any time, from the first moment on: no
 * storm, as there would be if all began with a whole session. */
static void check_still(const struct wr_churn_cfg *cfg, const char *name)
{
    static const wr_time at[TIMES] = {
        WR_SEC(30),   WR_SEC(60),    WR_SEC(300),   WR_SEC(900),
        WR_SEC(3600), WR_SEC(14400), WR_SEC(86400), WR_SEC(172800),
    };
    const double share = wr_churn_availability(cfg);
    const double off = 4.5 * sqrt(SLOTS * share * (1 - share)) + 1;
    const double cycle = wr_dist_mean(&cfg->session) + wr_dist_mean(&cfg->away);
    struct history h;

    start(cfg);
    h = history(at);
    for (int i = 0; i < TIMES; i++) {
        const double expect =
            SLOTS * (double)(at[i] - (i > 0 ? at[i - 1] : 0)) / cycle;

        cr_expect_lt(fabs(h.up[i] - share * SLOTS), off, "%s: %u up at %g s",
                     name, h.up[i], (double)at[i] / 1e6);
        /* Short sessions come in bursts: up to some three times Poisson's
         * deviation for Weibull with k = .34. */
        cr_expect_lt(fabs(h.gone[i] - expect), 13 * sqrt(expect) + 6,
                     "%s: %u gone until %g s, not %g", name, h.gone[i],
                     (double)at[i] / 1e6, expect);
    }
    wr_churn_done(&churn);
}

Test(simchurn, a_run_begins_in_the_stationary_state)
{
    const struct wr_churn_preset *p;
    struct wr_churn_cfg cfg;

    for (uint32_t i = 0; (p = wr_churn_preset_list(i)) != NULL; i++) {
        cr_assert(wr_churn_preset(p->name, &cfg));
        cfg.diurnal_permille = 0;
        check_still(&cfg, p->name);
    }
    cfg = (struct wr_churn_cfg){.session = {WR_DIST_LOGNORMAL, 2, 6e7},
                                .away = {WR_DIST_WEIBULL, .34, 6e8}};
    check_still(&cfg, "short sessions");
}

Test(simchurn, the_start_has_as_many_as_the_average)
{
    static uint32_t up[SLOTS];
    const struct wr_churn_cfg cfg = {.session = {WR_DIST_EXPONENTIAL, 0, 1e9},
                                     .away = {WR_DIST_EXPONENTIAL, 0, 3e9}};

    start(&cfg);
    cr_assert_eq(wr_churn_start(&churn, SLOTS, up), SLOTS / 4);
    cr_assert_eq(wr_churn_start(&churn, 400, up), 100);
    for (int i = 1; i < 100; i++)
        cr_assert_lt(up[i - 1], up[i]);
    wr_churn_done(&churn);
}

Test(simchurn, nobody_goes_and_nobody_comes_back)
{
    struct wr_churn_cfg cfg = {.away = {WR_DIST_EXPONENTIAL, 0, 1e9}};

    start(&cfg);
    cr_assert_eq(wr_churn_availability(&cfg), 1);
    cr_assert_eq(wr_churn_first(&churn, 0, true), WR_NEVER);
    cr_assert_neq(wr_churn_next(&churn, 0, 5, false), WR_NEVER);
    wr_churn_done(&churn);
    cfg.session = cfg.away;
    cfg.away.kind = WR_DIST_NEVER;
    start(&cfg);
    cr_assert_eq(wr_churn_availability(&cfg), 1);
    cr_assert_neq(wr_churn_first(&churn, 0, true), WR_NEVER);
    cr_assert_eq(wr_churn_next(&churn, 0, 5, false), WR_NEVER);
    wr_churn_done(&churn);
}

/* What happens to one slot changes nothing for another. */
Test(simchurn, slots_draw_from_streams_of_their_own)
{
    const struct wr_churn_cfg cfg = {.session = {WR_DIST_WEIBULL, .5, 1e9},
                                     .away = {WR_DIST_WEIBULL, .5, 1e9}};
    wr_time alone;

    start(&cfg);
    (void)wr_churn_first(&churn, 3, true);
    alone = wr_churn_next(&churn, 3, 0, false);
    wr_churn_done(&churn);
    start(&cfg);
    for (uint32_t slot = 0; slot < 10; slot++)
        (void)wr_churn_first(&churn, slot, true);
    cr_assert_eq(wr_churn_next(&churn, 3, 0, false), alone);
    cr_assert_neq(wr_churn_next(&churn, 4, 0, false), alone);
    wr_churn_done(&churn);
}

/* From 9 to 21 o'clock more come and fewer go; a run begins at 15 o'clock. */
Test(simchurn, more_are_up_in_the_evening_than_in_the_morning)
{
    static const wr_time at[TIMES] = {
        WR_SEC(3600 * 6),  WR_SEC(3600 * 12), WR_SEC(3600 * 18),
        WR_SEC(3600 * 24), WR_SEC(3600 * 30), WR_SEC(3600 * 36),
        WR_SEC(3600 * 42), WR_SEC(3600 * 48),
    };
    const struct wr_churn_cfg cfg = {.session = {WR_DIST_EXPONENTIAL, 0, 1.8e9},
                                     .away = {WR_DIST_EXPONENTIAL, 0, 1.8e9},
                                     .diurnal_permille = 333};
    struct history h;

    start(&cfg);
    h = history(at);
    for (int day = 0; day < 2; day++) {
        const uint32_t evening = h.up[4 * day], morning = h.up[4 * day + 2];

        /* Half of what are up by day: (1 - 1/3) / (1 + 1/3). */
        cr_expect_float_eq((double)morning / evening, .5, .03);
        cr_expect_float_eq((double)(morning + evening) / SLOTS, 1, .03);
    }
    wr_churn_done(&churn);
}

Test(simchurn, as_many_lose_their_disk_as_is_said)
{
    const struct wr_churn_cfg cfg = {.disk_loss_ppm = 250000};
    uint32_t lost = 0;

    start(&cfg);
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        lost += wr_churn_disk_lost(&churn, slot);
    cr_assert_lt(abs((int)lost - SLOTS / 4), 4 * 61);
    wr_churn_done(&churn);
}

/* ---- presets ------------------------------------------------------------- */

static struct wr_churn_cfg preset(const char *name)
{
    struct wr_churn_cfg cfg;

    cr_assert(wr_churn_preset(name, &cfg), "%s", name);
    return cfg;
}

static void median_is(const char *name, double minutes)
{
    const struct wr_churn_cfg cfg = preset(name);

    cr_expect_float_eq(wr_dist_median(&cfg.session) / 60e6 / minutes, 1, 1e-4,
                       "%s", name);
}

static void mean_is(const char *name, double minutes)
{
    const struct wr_churn_cfg cfg = preset(name);

    cr_expect_float_eq(wr_dist_mean(&cfg.session) / 60e6 / minutes, 1, 1e-4,
                       "%s", name);
}

static void weibull_is(const char *name, double k, double minutes)
{
    const struct wr_churn_cfg cfg = preset(name);

    cr_expect(cfg.session.kind == WR_DIST_WEIBULL && cfg.session.shape == k);
    cr_expect_float_eq(cfg.session.scale_us / 60e6, minutes, 1e-6, "%s", name);
}

/* Of a log-normal: how many are longer. */
static double longer(const struct wr_dist *d, double minutes)
{
    return erfc(log(minutes * 60e6 / d->scale_us) / d->shape / sqrt(2)) / 2;
}

/* The figures of the sources. */
Test(simchurn, presets_are_what_was_measured)
{
    struct wr_churn_cfg cfg;

    mean_is("p2psim", 60);
    median_is("bamboo-1.4", 1.4);
    median_is("bamboo-23", 23);
    median_is("bamboo-180", 180);
    weibull_is("kad-first", .54512, 357.7152);
    weibull_is("kad-later", .61511, 169.5385);
    weibull_is("bittorrent-redhat", .34, 21.3);
    weibull_is("bittorrent-debian", .38, 42.2);
    weibull_is("bittorrent-flatout", .59, 41.0);
    mean_is("gnutella", 2.9 * 60);
    median_is("skype-supernode", 5.5 * 60);
    mean_is("boxes", 30 * 24 * 60);
    median_is("mainline", 200);
    cfg = preset("mainline");
    cr_expect_float_eq(longer(&cfg.session, 9000), .03, 1e-4);
    cfg = preset("boxes");
    cr_expect_float_eq(wr_dist_median(&cfg.away), 600e6, 1e4);
    cr_expect_float_eq(longer(&cfg.away, 12 * 60), .05, 1e-4);
    /* A disk every three years. */
    cr_expect_float_eq((wr_dist_mean(&cfg.session) + wr_dist_mean(&cfg.away)) /
                           (cfg.disk_loss_ppm / 1e6) / 86400e6 / 365.25,
                       3, .01);
    cfg = preset("kad-off");
    cr_expect(cfg.away.kind == WR_DIST_WEIBULL && cfg.away.shape == .47648);
    cr_expect_float_eq(cfg.away.scale_us / 60e6, 413.6765, 1e-6);
    cfg = preset("ultrapeer");
    cr_expect(cfg.session.kind == WR_DIST_PARETO && cfg.session.shape == 1.06);
    cfg = preset("p2psim-pareto");
    cr_expect(cfg.session.kind == WR_DIST_PARETO && cfg.session.shape == 1 &&
              cfg.session.scale_us == 1800e6);
}

Test(simchurn, presets_are_listed_with_a_source)
{
    const struct wr_churn_preset *p;
    struct wr_churn_cfg cfg;
    uint32_t n = 0;

    for (; (p = wr_churn_preset_list(n)) != NULL; n++) {
        cr_expect(wr_churn_preset(p->name, &cfg));
        cr_expect(wr_dist_ok(&cfg.session) && wr_dist_ok(&cfg.away));
        cr_expect_gt(strlen(p->source), 20);
    }
    cr_assert_eq(n, 15);
    cr_assert_not(wr_churn_preset("kad", &cfg));
    cr_assert_not(wr_churn_preset("bamboo-1.3", &cfg));
    cr_assert_not(wr_churn_preset("bamboo-181", &cfg));
    cr_assert_not(wr_churn_preset("bamboo-2x", &cfg));
    cr_assert_not(wr_churn_preset("", &cfg));
}

/* ---- scenarios ----------------------------------------------------------- */

static struct wr_churn_cfg lives_of(const char *text)
{
    struct wr_churn_cfg cfg = {0};
    struct wr_scenario s;

    wr_scenario_init(&s);
    cr_assert_eq(wr_scenario_read(&s, "x", text, &why), WR_OK, "%s", why.text);
    cr_assert_eq(wr_lives_hosts(&s, &cfg, &why), WR_OK, "%s", why.text);
    return cfg;
}

Test(simchurn, keys_say_how_long_hosts_live)
{
    struct wr_churn_cfg cfg = lives_of("");

    cr_expect_eq(cfg.session.kind, WR_DIST_NEVER);
    cr_expect_eq(cfg.away.kind, WR_DIST_NEVER);
    cfg = lives_of("[churn]\nsession = weibull\nsession_shape = .5\n"
                   "session_mean = 2 h\ndisk_loss = 3 %\n");
    cr_expect_float_eq(cfg.session.scale_us, 3600e6, 1);
    cr_expect_float_eq(wr_churn_availability(&cfg), .5, 1e-12);
    cr_expect_eq(cfg.disk_loss_ppm, 30000);
    cfg = lives_of("[churn]\nsession = lognormal\nsession_shape = 1.5\n"
                   "session_median = 2 h\naway = pareto\naway_shape = .9\n"
                   "away_scale = 1 min\n");
    cr_expect_float_eq(cfg.session.scale_us, 7200e6, 1);
    cr_expect(cfg.away.kind == WR_DIST_PARETO && cfg.away.scale_us == 60e6);
    cfg = lives_of("[churn]\npreset = gnutella\naway = never\n");
    cr_expect_eq(cfg.session.kind, WR_DIST_EXPONENTIAL);
    cr_expect_eq(cfg.away.kind, WR_DIST_NEVER);
    cfg = lives_of("[churn]\naway = exponential\naway_median = 1 h\n");
    cr_expect_eq(cfg.session.kind, WR_DIST_NEVER);
    cr_expect_float_eq(wr_dist_median(&cfg.away), 3600e6, 1);
}

static bool refused(const char *text, const char *with)
{
    struct wr_churn_cfg cfg;
    struct wr_scenario s;

    wr_scenario_init(&s);
    cr_assert_eq(wr_scenario_read(&s, "x", text, &why), WR_OK, "%s", why.text);
    return wr_lives_hosts(&s, &cfg, &why) == WR_EINVAL &&
           strstr(why.text, with) != NULL;
}

Test(simchurn, what_does_not_go_together_is_told)
{
    cr_expect(refused("[churn]\npreset = kad-frist\n", "'kad-first'"));
    cr_expect(refused("[churn]\npreset = zzz\n", "wreath-sim list"));
    cr_expect(
        refused("[churn]\npreset = gnutella\nsession = pareto\n", "exclude"));
    cr_expect(refused("[churn]\nsession = weibull\nsession_shape = .01\n"
                      "session_scale = 1 min\n",
                      "a hundred years"));
    cr_expect(
        refused("[churn]\naway = weibull\naway_scale = 1 min\n", "away_shape"));
}

Test(simchurn, leaves_sleep_at_night)
{
    struct wr_churn_cfg cfg;
    struct wr_scenario s;

    wr_scenario_init(&s);
    cr_assert_eq(wr_scenario_read(&s, "x",
                                  "[leaves]\nsession = exponential\n"
                                  "session_mean = 1 h\naway_mean = 3 h\n"
                                  "diurnal = 50 %\n",
                                  &why),
                 WR_OK);
    cr_assert_eq(wr_lives_leaves(&s, &cfg, &why), WR_OK);
    cr_expect_float_eq(wr_churn_availability(&cfg), .25, 1e-12);
    cr_expect_eq(cfg.diurnal_permille, 333); /* 1 - 2/3 of 4/3. */
    s.leaves_diurnal = 1000000;
    cr_assert_eq(wr_lives_leaves(&s, &cfg, &why), WR_OK);
    cr_expect_eq(cfg.diurnal_permille, WR_CHURN_DIURNAL_MAX);
}

/* ---- traces -------------------------------------------------------------- */

static struct wr_churn_trace trace;

static enum wr_err read_trace(const char *text)
{
    char path[] = "/tmp/simchurn-XXXXXX";
    const int fd = mkstemp(path);
    enum wr_err err;
    FILE *f;

    cr_assert_geq(fd, 0);
    f = fdopen(fd, "w");
    cr_assert(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
    err = wr_churn_trace_read(&trace, path, &why);
    unlink(path);
    return err;
}

Test(simchurn, a_trace_is_followed)
{
    uint32_t up[SLOTS];

    cr_assert_eq(read_trace("time,host,state\n# the first day\n\n"
                            "100,0,down\n20.5,2,up\r\n150,0,up\n"
                            " 0 , 3 , up \n0.0000019,3,down\n60,2,down\n"),
                 WR_OK, "%s", why.text);
    cr_assert_eq(trace.hosts_n, 4);
    start(&(struct wr_churn_cfg){.trace = &trace});
    /* 0 goes later, thus is up; 3 comes at once; 1 is never named. */
    cr_assert_eq(wr_churn_start(&churn, 4, up), 2);
    cr_assert(up[0] == 0 && up[1] == 3);
    cr_expect_eq(wr_churn_first(&churn, 0, true), WR_SEC(100));
    cr_expect_eq(wr_churn_next(&churn, 0, WR_SEC(100), false), WR_SEC(150));
    cr_expect_eq(wr_churn_next(&churn, 0, WR_SEC(150), true), WR_NEVER);
    cr_expect_eq(wr_churn_first(&churn, 1, false), WR_NEVER);
    cr_expect_eq(wr_churn_first(&churn, 2, false), WR_MS(20500));
    cr_expect_eq(wr_churn_first(&churn, 3, true), 1);
    cr_expect_eq(wr_churn_first(&churn, 4, false), WR_NEVER);
    /* Something else has taken 0 down, and it has missed a line. */
    cr_expect_eq(wr_churn_next(&churn, 0, WR_SEC(50), false), WR_SEC(150));
    cr_expect(wr_churn_has_up(&churn, 0, WR_SEC(99)));
    cr_expect(!wr_churn_has_up(&churn, 0, WR_SEC(100)));
    cr_expect(wr_churn_has_up(&churn, 2, WR_SEC(59)));
    cr_expect(!wr_churn_has_up(&churn, 2, WR_SEC(20)));
    wr_churn_done(&churn);
    wr_churn_trace_done(&trace);
}

Test(simchurn, a_line_that_cannot_be_read_is_named)
{
    static const struct {
        const char *text, *line, *wrong;
    } v[] = {
        {"0,1,up\nsoon,2,up\n", "line 2", "a time in seconds"},
        {"0,1,up\n-5,2,up\n", "line 2", "a time in seconds"},
        {"5 s,2,up\n", "line 1", "a time in seconds"},
        {"99999999999999999999,2,up\n", "line 1", "a time in seconds"},
        {"\n\n7,x,up\n", "line 3", "a number below 8000000"},
        {"7,8000000,up\n", "line 1", "a number below 8000000"},
        {"7,,up\n", "line 1", "a number below 8000000"},
        {"7\n", "line 1", "a time in seconds"},
        {"7,1\n", "line 1", "a number below 8000000"},
        {"7,1,UP\n", "line 1", "'up' or 'down'"},
        {"7,1,\n", "line 1", "'up' or 'down'"},
        {"7,1,upper\n", "line 1", "nothing follows"},
        {"7,1,down,2\n", "line 1", "nothing follows"},
        {"7,1,up\n9,1,up\n", "line 2", "host 1 is up already, by line 1"},
        {"9,1,down\n7,1,down\n", "line 1", "host 1 is down already, by line 2"},
        {"7,1,up\n7,1,down\n", "line 2", "another line at this time, line 1"},
        {"time,host,state\n# nothing\n", "", "nobody comes or goes"},
        {"", "", "nobody comes or goes"},
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(v); i++) {
        cr_expect_eq(read_trace(v[i].text), WR_EINVAL, "%s", v[i].text);
        cr_expect(strstr(why.text, v[i].line) != NULL &&
                      strstr(why.text, v[i].wrong) != NULL,
                  "%s: %s", v[i].text, why.text);
    }
}

Test(simchurn, a_trace_that_is_not_there_is_named)
{
    cr_assert_eq(wr_churn_trace_read(&trace, "/nowhere/x.csv", &why),
                 WR_ENOTFOUND);
    cr_assert(strstr(why.text, "/nowhere/x.csv") != NULL);
}

/* Whatever is in the file. */
Test(simchurn, noise_is_refused_without_harm)
{
    static const char bits[] = "0123456789.,#\n updown\t\r-x";
    struct wr_rng r = {3};

    for (int i = 0; i < 2000; i++) {
        char text[64];
        const size_t n = wr_rng_below(&r, sizeof(text));

        for (size_t k = 0; k < n; k++)
            text[k] = bits[wr_rng_below(&r, sizeof(bits) - 1)];
        text[n] = '\0';
        if (read_trace(text) == WR_OK)
            wr_churn_trace_done(&trace);
    }
}
