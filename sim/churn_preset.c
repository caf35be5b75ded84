/*
 * churn_preset.c - churn as others measured it.
 *
 * Sources tell of sessions; where they tell nothing of the time between two,
 * that is drawn like sessions, so that half of the hosts are up. Figures below
 * are in minutes.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "churn.h"

enum given { SCALE, MEAN, MEDIAN };

struct duration {
    enum wr_dist_kind kind;
    double shape;
    enum given given;
    double minutes;
};

struct row {
    struct wr_churn_preset preset;
    struct duration session, away; /* Away NEVER: like sessions. */
    uint32_t disk_loss_ppm, diurnal_permille;
};

#define EXP WR_DIST_EXPONENTIAL, 0

/*
 * Where a source gives two points, a log-normal goes through both: sigma is
 * ln(upper / median) / z, z the normal quantile of the upper point.
 *   boxes     ln(720 / 10) / 1.644854 = 2.60003; the mean of that is 293.7 min.
 *             A disk is lost every 3 years, thus in (30 d + 293.7 min) / 3 y of
 *             the outages.
 *   mainline  ln(9000 / 200) / 1.880794 = 2.02400
 */
static const struct row rows[] = {
    {{"p2psim", "exponential, mean 1 h up and 1 h down: p2psim's default"},
     {EXP, MEAN, 60},
     {EXP, MEAN, 60},
     0,
     0},
    {{"p2psim-pareto",
      "Pareto, alpha 1, beta 1800 s, as p2psim has it; cut at 30 days"},
     {WR_DIST_PARETO, 1, SCALE, 30},
     {0},
     0,
     0},
    {{"bamboo-1.4",
      "exponential, median 1.4 min, or M in bamboo-M up to 180: Rhea et al., "
      "USENIX 2004; whoever comes is new, without data"},
     {EXP, MEDIAN, 1.4},
     {0},
     1000000,
     0},
    {{"bamboo-180", "the same, median 180 min"},
     {EXP, MEDIAN, 180},
     {0},
     1000000,
     0},
    {{"kad-first",
      "Weibull, k .54512, lambda 357.7152 min: first sessions in KAD, "
      "Steiner et al., IMC 2007"},
     {WR_DIST_WEIBULL, .54512, SCALE, 357.7152},
     {0},
     0,
     0},
    {{"kad-later",
      "Weibull, k .61511, lambda 169.5385 min: later sessions, the same "
      "source"},
     {WR_DIST_WEIBULL, .61511, SCALE, 169.5385},
     {0},
     0,
     0},
    {{"kad-off",
      "sessions as kad-later, and between them Weibull, k .47648, lambda "
      "413.6765 min, the same source"},
     {WR_DIST_WEIBULL, .61511, SCALE, 169.5385},
     {WR_DIST_WEIBULL, .47648, SCALE, 413.6765},
     0,
     0},
    {{"bittorrent-redhat",
      "Weibull, k .34, lambda 21.3 min: Stutzbach and Rejaie, IMC 2006"},
     {WR_DIST_WEIBULL, .34, SCALE, 21.3},
     {0},
     0,
     0},
    {{"bittorrent-debian", "Weibull, k .38, lambda 42.2 min, the same source"},
     {WR_DIST_WEIBULL, .38, SCALE, 42.2},
     {0},
     0,
     0},
    {{"bittorrent-flatout", "Weibull, k .59, lambda 41.0 min, the same source"},
     {WR_DIST_WEIBULL, .59, SCALE, 41.0},
     {0},
     0,
     0},
    {{"gnutella",
      "mean session 2.9 h: Saroiu et al., MMCN 2002; exponential is ours"},
     {EXP, MEAN, 174},
     {0},
     0,
     0},
    {{"skype-supernode",
      "median session 5.5 h, more by day: Guha et al., IPTPS 2006; "
      "exponential, and rates that differ by 20 %, are ours"},
     {EXP, MEDIAN, 330},
     {0},
     0,
     200},
    {{"boxes",
      "always-on machines, an assumption of ours: an outage every 30 days, "
      "median 10 min, 95 % below 12 h; a disk lost every 3 years"},
     {EXP, MEAN, 43200},
     {WR_DIST_LOGNORMAL, 2.60003, MEDIAN, 10},
     27565,
     0},
    {{"ultrapeer",
      "Pareto, alpha 1.06: Wang, Yao and Loguinov, ToN 2009; beta 30 min and "
      "the cut at 30 days are ours"},
     {WR_DIST_PARETO, 1.06, SCALE, 30},
     {0},
     0,
     0},
    {{"mainline",
      "half of the sessions under 200 min, 3 % over 9000 min: BitTorrent's "
      "Mainline DHT; log-normal is ours"},
     {WR_DIST_LOGNORMAL, 2.02400, MEDIAN, 200},
     {0},
     0,
     0},
};

#undef EXP

const struct wr_churn_preset *wr_churn_preset_list(uint32_t i)
{
    return i < WR_ARRAY_LEN(rows) ? &rows[i].preset : NULL;
}

static struct wr_dist dist_of(const struct duration *d)
{
    const double us = d->minutes * 60e6;

    switch (d->given) {
    case MEAN:
        return wr_dist_by_mean(d->kind, d->shape, (wr_time)us);
    case MEDIAN:
        return wr_dist_by_median(d->kind, d->shape, (wr_time)us);
    case SCALE:
        break;
    }
    return (struct wr_dist){d->kind, d->shape, us};
}

/* bamboo-M with an M that is in no row. */
static bool bamboo(const char *name, struct row *ret)
{
    double minutes;
    char more;

    if (sscanf(name, "bamboo-%lf%c", &minutes, &more) != 1 ||
        !(minutes >= 1.4 && minutes <= 180))
        return false;
    for (size_t i = 0; i < WR_ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].preset.name, "bamboo-1.4") == 0)
            *ret = rows[i];
    ret->session.minutes = minutes;
    return true;
}

bool wr_churn_preset(const char *name, struct wr_churn_cfg *ret)
{
    struct row row;
    bool found = false;

    for (size_t i = 0; i < WR_ARRAY_LEN(rows) && !found; i++) {
        row = rows[i];
        found = strcmp(name, row.preset.name) == 0;
    }
    if (!found && !bamboo(name, &row))
        return false;
    *ret = (struct wr_churn_cfg){
        .session = dist_of(&row.session),
        .away =
            dist_of(row.away.kind == WR_DIST_NEVER ? &row.session : &row.away),
        .disk_loss_ppm = row.disk_loss_ppm,
        .diurnal_permille = row.diurnal_permille,
    };
    return true;
}
