/* churn.c - see churn.h. */
#include "churn.h"

#include <stdlib.h>

#include "base/check.h"

/* Salts of a slot's streams. */
enum { LIVES, DISKS };

static const wr_time day_us = WR_SEC(86400), half_day_us = WR_SEC(43200);
static const wr_time start_us = WR_SEC(6 * 3600); /* After 9 o'clock. */

/* Of the next draw of `slot`. */
static struct wr_rng stream(struct wr_churn *c, uint32_t slot, uint64_t salt)
{
    struct wr_rng r = {c->seed ^ (salt << 63) ^ (uint64_t)slot << 32 ^
                       c->draws[slot]++};

    return (struct wr_rng){wr_rng_next(&r)};
}

/* When a life of `x` ends that begins now. By day and by night its clock goes
 * at different speeds, but over a whole day at that of time. */
static wr_time ends(const struct wr_churn *c, wr_time now, wr_time x, bool up)
{
    const uint64_t more = 1000 + c->cfg.diurnal_permille;
    const uint64_t less = 1000 - c->cfg.diurnal_permille;
    wr_time at = now + x / day_us * day_us;

    x %= day_us;
    for (;;) {
        const wr_time hour = (at + start_us) % day_us;
        const uint64_t rate = (hour < half_day_us) != up ? more : less;
        const wr_time left = half_day_us - hour % half_day_us;

        if (x * 1000 <= left * rate)
            return at + x * 1000 / rate;
        x -= left * rate / 1000;
        at += left;
    }
}

static wr_time flip_at(const struct wr_churn *c, wr_time now, wr_time x,
                       bool up)
{
    return x == WR_NEVER ? WR_NEVER : ends(c, now, x, up);
}

/* A slot's flips in a trace; none for those that it does not know. */
struct flips {
    const struct wr_churn_flip *v;
    uint32_t n, past; /* Of them, how many are not after some time. */
};

static struct flips flips_of(const struct wr_churn *c, uint32_t slot,
                             wr_time now)
{
    const struct wr_churn_trace *t = c->cfg.trace;
    struct flips f = {0};
    uint32_t hi;

    if (slot >= t->hosts_n)
        return f;
    f.v = &t->flips[t->first[slot]];
    f.n = hi = t->first[slot + 1] - t->first[slot];
    while (f.past < hi) {
        const uint32_t mid = f.past + (hi - f.past) / 2;

        if (f.v[mid].at <= now)
            f.past = mid + 1;
        else
            hi = mid;
    }
    return f;
}

bool wr_churn_has_up(const struct wr_churn *c, uint32_t slot, wr_time at)
{
    struct flips f;

    if (c->cfg.trace == NULL)
        return true;
    f = flips_of(c, slot, at);
    if (f.n == 0)
        return false;
    return f.past > 0 ? f.v[f.past - 1].up : !f.v[0].up;
}

/* The first line after `now` that makes `slot` other than `up`. */
static wr_time trace_next(const struct wr_churn *c, uint32_t slot, wr_time now,
                          bool up)
{
    const struct flips f = flips_of(c, slot, now);
    uint32_t i = f.past;

    while (i < f.n && f.v[i].up == up)
        i++;
    return i < f.n ? f.v[i].at : WR_NEVER;
}

enum wr_err wr_churn_init(struct wr_churn *c, const struct wr_churn_cfg *cfg,
                          uint32_t slots, uint64_t seed)
{
    struct wr_rng r = {seed};

    WR_CHECK(wr_dist_ok(&cfg->session) && wr_dist_ok(&cfg->away));
    WR_CHECK(cfg->diurnal_permille <= WR_CHURN_DIURNAL_MAX);
    WR_CHECK(cfg->trace == NULL || cfg->trace->hosts_n <= slots);
    *c = (struct wr_churn){.cfg = *cfg, .slots = slots};
    c->seed = wr_rng_next(&r);
    c->draws = calloc((size_t)slots + 1, sizeof(c->draws[0]));
    return c->draws == NULL ? WR_ENOMEM : WR_OK;
}

void wr_churn_done(struct wr_churn *c)
{
    free(c->draws);
    *c = (struct wr_churn){0};
}

double wr_churn_availability(const struct wr_churn_cfg *cfg)
{
    double up, away;

    WR_CHECK(cfg->trace == NULL);
    if (cfg->session.kind == WR_DIST_NEVER || cfg->away.kind == WR_DIST_NEVER)
        return 1;
    up = wr_dist_mean(&cfg->session);
    away = wr_dist_mean(&cfg->away);
    return up / (up + away);
}

/* Each set of that many is as likely (Knuth's algorithm S). */
static uint32_t draw_start(struct wr_churn *c, uint32_t of, uint32_t *ret)
{
    struct wr_rng r = {~c->seed};
    const uint64_t want = (uint64_t)(of * wr_churn_availability(&c->cfg) + 0.5);
    uint32_t n = 0;

    for (uint32_t slot = 0; slot < of; slot++)
        if (wr_rng_below(&r, of - slot) < want - n)
            ret[n++] = slot;
    return n;
}

uint32_t wr_churn_start(struct wr_churn *c, uint32_t of, uint32_t *ret)
{
    uint32_t n = 0;

    if (c->cfg.trace == NULL)
        return draw_start(c, of, ret);
    for (uint32_t slot = 0; slot < of; slot++)
        if (wr_churn_has_up(c, slot, 0))
            ret[n++] = slot;
    return n;
}

wr_time wr_churn_first(struct wr_churn *c, uint32_t slot, bool up)
{
    struct wr_rng r;

    if (c->cfg.trace != NULL)
        return trace_next(c, slot, 0, up);
    r = stream(c, slot, LIVES);
    return flip_at(
        c, 0, wr_dist_residual(up ? &c->cfg.session : &c->cfg.away, &r), up);
}

wr_time wr_churn_next(struct wr_churn *c, uint32_t slot, wr_time now, bool up)
{
    struct wr_rng r;

    if (c->cfg.trace != NULL)
        return trace_next(c, slot, now, up);
    r = stream(c, slot, LIVES);
    return flip_at(c, now,
                   wr_dist_draw(up ? &c->cfg.session : &c->cfg.away, &r), up);
}

bool wr_churn_disk_lost(struct wr_churn *c, uint32_t slot)
{
    struct wr_rng r;

    if (c->cfg.disk_loss_ppm == 0)
        return false;
    r = stream(c, slot, DISKS);
    return wr_rng_below(&r, 1000000) < c->cfg.disk_loss_ppm;
}
