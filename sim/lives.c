/* lives.c - see lives.h. */
#include "lives.h"

#include <string.h>

#include "base/text.h"

/* How long something lasts, in one section's words. */
struct duration {
    const char *section, *what; /* "churn", "session" */
    enum wr_scenario_session kind;
    wr_time mean, median, scale;
    double shape;
};

static const enum wr_dist_kind kinds[] = {
    [WR_SESSION_NONE] = WR_DIST_NEVER,
    [WR_SESSION_EXPONENTIAL] = WR_DIST_EXPONENTIAL,
    [WR_SESSION_PARETO] = WR_DIST_PARETO,
    [WR_SESSION_WEIBULL] = WR_DIST_WEIBULL,
    [WR_SESSION_LOGNORMAL] = WR_DIST_LOGNORMAL,
    [WR_SESSION_TRACE] = WR_DIST_NEVER,
};

/* The keys that its kind takes, and no others. */
static enum wr_err check(const struct duration *d, struct wr_why *why)
{
    const int said = (d->mean > 0) + (d->median > 0) + (d->scale > 0);

    if (kinds[d->kind] == WR_DIST_NEVER) {
        if (said > 0 || d->shape > 0)
            return wr_why(why, WR_EINVAL,
                          "%s.%s has a mean, median, shape or scale, but no "
                          "distribution: set %s.%s",
                          d->section, d->what, d->section, d->what);
        return WR_OK;
    }
    if (d->kind == WR_SESSION_EXPONENTIAL) {
        if (said != 1 || d->scale > 0)
            return wr_why(why, WR_EINVAL,
                          "%s.%s = exponential takes either %s_mean or "
                          "%s_median",
                          d->section, d->what, d->what, d->what);
        return WR_OK;
    }
    if (said != 1 || !(d->shape > 0))
        return wr_why(why, WR_EINVAL,
                      "%s.%s takes %s_shape, and one of %s_scale, %s_mean and "
                      "%s_median",
                      d->section, d->what, d->what, d->what, d->what, d->what);
    if (d->kind == WR_SESSION_PARETO && d->shape <= 1 && d->mean > 0)
        return wr_why(why, WR_EINVAL,
                      "%s.%s: Pareto has no mean with a shape of 1 or less; "
                      "set %s_scale",
                      d->section, d->what, d->what);
    return WR_OK;
}

static enum wr_err dist_of(const struct duration *d, struct wr_dist *ret,
                           struct wr_why *why)
{
    const enum wr_err err = check(d, why);
    struct wr_dist dist = {kinds[d->kind], d->shape, (double)d->scale};

    if (err != WR_OK)
        return err;
    if (d->mean > 0)
        dist = wr_dist_by_mean(kinds[d->kind], d->shape, d->mean);
    else if (d->median > 0)
        dist = wr_dist_by_median(kinds[d->kind], d->shape, d->median);
    if (!wr_dist_ok(&dist))
        return wr_why(why, WR_EINVAL,
                      "%s.%s: with %s_shape = %g it lasts a hundred years or "
                      "more on the average",
                      d->section, d->what, d->what, d->shape);
    *ret = dist;
    return WR_OK;
}

static enum wr_err session(const struct wr_scenario *s, struct wr_dist *ret,
                           struct wr_why *why)
{
    const struct duration d = {
        .section = "churn",
        .what = "session",
        .kind = (enum wr_scenario_session)s->churn_session,
        .mean = s->churn_session_mean,
        .median = s->churn_session_median,
        .scale = s->churn_session_scale,
        .shape = s->churn_session_shape,
    };

    return dist_of(&d, ret, why);
}

/* As sessions, or as the preset has it, if nothing is said. */
static enum wr_err away(const struct wr_scenario *s, struct wr_dist *ret,
                        struct wr_why *why)
{
    const bool drawn =
        s->churn_away != WR_AWAY_SAME && s->churn_away != WR_AWAY_NEVER;
    const struct duration d = {
        .section = "churn",
        .what = "away",
        .kind =
            drawn ? (enum wr_scenario_session)s->churn_away : WR_SESSION_NONE,
        .mean = s->churn_away_mean,
        .median = s->churn_away_median,
        .scale = s->churn_away_scale,
        .shape = s->churn_away_shape,
    };
    struct wr_dist dist;
    const enum wr_err err = dist_of(&d, &dist, why);

    if (err == WR_OK && s->churn_away != WR_AWAY_SAME)
        *ret = dist;
    return err;
}

static enum wr_err none_such(const char *name, struct wr_why *why)
{
    const struct wr_churn_preset *p;
    struct wr_text_guess g = {.name = name};

    for (uint32_t i = 0; (p = wr_churn_preset_list(i)) != NULL; i++)
        wr_text_offer(&g, p->name);
    if (g.distance <= strlen(name) / 2)
        return wr_why(why, WR_EINVAL,
                      "there is no churn.preset '%.80s'; did you mean '%s'?",
                      name, g.best);
    return wr_why(why, WR_EINVAL,
                  "there is no churn.preset '%.80s'; 'wreath-sim list' lists "
                  "them",
                  name);
}

enum wr_err wr_lives_hosts(const struct wr_scenario *s,
                           struct wr_churn_cfg *ret, struct wr_why *why)
{
    const char *preset = s->churn_preset;
    struct wr_churn_cfg cfg = {0};
    struct wr_dist drawn = {0};
    enum wr_err err;

    if (preset[0] != '\0' && s->churn_session != WR_SESSION_NONE)
        return wr_why(why, WR_EINVAL,
                      "churn.preset = %.80s and churn.session exclude each "
                      "other",
                      preset);
    if ((s->churn_session == WR_SESSION_TRACE) != (s->churn_trace[0] != '\0'))
        return wr_why(why, WR_EINVAL,
                      "churn.session = trace and churn.trace = FILE go "
                      "together");
    if (preset[0] != '\0' && !wr_churn_preset(preset, &cfg))
        return none_such(preset, why);
    err = session(s, &drawn, why);
    if (err == WR_OK && preset[0] == '\0')
        cfg.session = cfg.away = drawn;
    if (err == WR_OK)
        err = away(s, &cfg.away, why);
    if (err != WR_OK)
        return err;
    if (s->churn_disk_loss > 0)
        cfg.disk_loss_ppm = (uint32_t)s->churn_disk_loss;
    *ret = cfg;
    return WR_OK;
}

/* Rates of 1 + x by day and 1 - x by night have (1 - x) / (1 + x) of those
 * awake by day awake by night: that is 1 - `less`. */
static uint32_t diurnal_permille(uint64_t less_ppm)
{
    const uint64_t x = 1000 * less_ppm / (2000000 - less_ppm);

    return (uint32_t)(x < WR_CHURN_DIURNAL_MAX ? x : WR_CHURN_DIURNAL_MAX);
}

enum wr_err wr_lives_leaves(const struct wr_scenario *s,
                            struct wr_churn_cfg *ret, struct wr_why *why)
{
    const struct duration d = {
        .section = "leaves",
        .what = "session",
        .kind = (enum wr_scenario_session)s->leaves_session,
        .mean = s->leaves_session_mean,
        .median = s->leaves_session_median,
        .scale = s->leaves_session_scale,
        .shape = s->leaves_session_shape,
    };
    struct wr_dist awake = {0};
    const enum wr_err err = dist_of(&d, &awake, why);

    if (err != WR_OK)
        return err;
    *ret = (struct wr_churn_cfg){
        .session = awake,
        .away = awake,
        .diurnal_permille = diurnal_permille(s->leaves_diurnal),
    };
    if (awake.kind != WR_DIST_NEVER && s->leaves_away_mean > 0)
        ret->away =
            wr_dist_by_mean(WR_DIST_EXPONENTIAL, 0, s->leaves_away_mean);
    return WR_OK;
}
