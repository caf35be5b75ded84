/* net.c - see net.h. */
#include "net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Fitted to the King data set as Gummadi, Saroiu and Gribble measured it (IMW
 * 2002) and as p2psim published it: round trips with a median of 159 ms and a
 * mean of 180 to 198 ms. Places uniform on a square, heights log-normal; 20,000
 * pairs drawn so have a median of 158 and a mean of 187 ms.
 */
static const double king_side_us = 160e3;
static const double king_height_us = 25e3;
static const double king_sigma = 1.2;

/* A place far from everywhere would be a fault, not a latency. */
static const double height_max_us = 2e6;

static double unit(struct wr_rng *r)
{
    return ((double)(wr_rng_next(r) >> 11) + 0.5) / 9007199254740992.0;
}

/* Box and Muller (1958). */
static double normal(struct wr_rng *r)
{
    const double u = unit(r);

    return sqrt(-2 * log(u)) * cos(6.283185307179586 * unit(r));
}

static void draw_place(struct wr_rng *r, struct wr_simnet_host *h)
{
    h->x_us = (uint32_t)(king_side_us * unit(r));
    h->y_us = (uint32_t)(king_side_us * unit(r));
    h->height_us = (uint32_t)fmin(king_height_us * exp(king_sigma * normal(r)),
                                  height_max_us);
}

enum wr_err wr_simnet_init(struct wr_simnet *n, const struct wr_simnet_cfg *cfg,
                           uint32_t hosts, uint64_t seed)
{
    struct wr_rng r = {seed};

    *n = (struct wr_simnet){.cfg = *cfg, .hosts_n = hosts};
    n->seed = wr_rng_next(&r);
    n->hosts = calloc(hosts, sizeof(n->hosts[0]));
    if (n->hosts == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < hosts && cfg->model == WR_SIMNET_KING; i++)
        draw_place(&r, &n->hosts[i]);
    return WR_OK;
}

void wr_simnet_done(struct wr_simnet *n)
{
    free(n->hosts);
    *n = (struct wr_simnet){0};
}

static bool read_place(const char *line, struct wr_simnet_host *h)
{
    double v[3];
    char more;

    if (sscanf(line, "%lf %lf %lf %c", &v[0], &v[1], &v[2], &more) != 3)
        return false;
    /* Shifted, for they may be negative; a second of light is enough. */
    for (int i = 0; i < 3; i++)
        if (!(v[i] >= (i < 2 ? -1e6 : 0) && v[i] <= 1e6))
            return false;
    h->x_us = (uint32_t)((v[0] + 1e6) * 1e3);
    h->y_us = (uint32_t)((v[1] + 1e6) * 1e3);
    h->height_us = (uint32_t)(v[2] * 1e3);
    return true;
}

enum wr_err wr_simnet_read(struct wr_simnet *n, const char *path,
                           uint32_t *ret_line)
{
    FILE *f = fopen(path, "re");
    enum wr_err err = WR_OK;
    uint32_t read = 0;
    char line[256];

    *ret_line = 0;
    if (f == NULL)
        return WR_ENOTFOUND;
    while (err == WR_OK && read < n->hosts_n &&
           fgets(line, sizeof(line), f) != NULL) {
        ++*ret_line;
        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (read_place(line, &n->hosts[read]))
            read++;
        else
            err = WR_EINVAL;
    }
    fclose(f);
    if (err == WR_OK && read == 0)
        err = WR_ENOTFOUND;
    for (uint32_t i = read; err == WR_OK && i < n->hosts_n; i++) {
        n->hosts[i].x_us = n->hosts[i - read].x_us;
        n->hosts[i].y_us = n->hosts[i - read].y_us;
        n->hosts[i].height_us = n->hosts[i - read].height_us;
    }
    return err;
}

/* The same for a pair in either order; another for each `salt`. */
static uint64_t of_pair(const struct wr_simnet *n, wr_host a, wr_host b,
                        uint64_t salt)
{
    const uint64_t lo = a < b ? a : b, hi = a < b ? b : a;
    struct wr_rng r = {n->seed ^ salt ^ (hi << 32 | lo)};

    return wr_rng_next(&r);
}

/* A leaf lives next to some host. */
static const struct wr_simnet_host *place(const struct wr_simnet *n, wr_host h)
{
    if (wr_host_is_leaf(h))
        h = (wr_host)(of_pair(n, h, h, 1) % n->hosts_n);
    return &n->hosts[h];
}

wr_time wr_simnet_base(const struct wr_simnet *n, wr_host a, wr_host b)
{
    const wr_time span = n->cfg.max_us - n->cfg.min_us;

    if (n->cfg.model == WR_SIMNET_UNIFORM)
        return n->cfg.min_us + span / 2;
    if (n->cfg.model == WR_SIMNET_FIXED) {
        struct wr_rng r = {of_pair(n, a, b, 2)};

        return n->cfg.min_us + wr_rng_below(&r, span + 1);
    }
    const struct wr_simnet_host *p = place(n, a), *q = place(n, b);
    const double x = (double)p->x_us - q->x_us;
    const double y = (double)p->y_us - q->y_us;
    /* The square root is exact (IEEE 754), so all compilers agree. */
    const wr_time trip =
        (wr_time)sqrt(x * x + y * y) + p->height_us + q->height_us;

    return trip / 2 + 1;
}

wr_time wr_simnet_latency(const struct wr_simnet *n, struct wr_rng *rng,
                          wr_host a, wr_host b)
{
    wr_time base;

    if (n->cfg.model == WR_SIMNET_UNIFORM)
        return n->cfg.min_us +
               wr_rng_below(rng, n->cfg.max_us - n->cfg.min_us + 1);
    base = wr_simnet_base(n, a, b);
    if (n->cfg.jitter_permille > 0)
        base += wr_rng_below(rng, base * n->cfg.jitter_permille / 1000 + 1);
    return base;
}

wr_time wr_simnet_most(const struct wr_simnet *n)
{
    uint32_t x[2] = {UINT32_MAX, 0}, y[2] = {UINT32_MAX, 0}, height = 0;
    wr_time most = n->cfg.max_us;

    for (uint32_t i = 0; i < n->hosts_n && n->cfg.model >= WR_SIMNET_KING;
         i++) {
        const struct wr_simnet_host *h = &n->hosts[i];

        x[0] = h->x_us < x[0] ? h->x_us : x[0];
        x[1] = h->x_us > x[1] ? h->x_us : x[1];
        y[0] = h->y_us < y[0] ? h->y_us : y[0];
        y[1] = h->y_us > y[1] ? h->y_us : y[1];
        height = h->height_us > height ? h->height_us : height;
    }
    if (n->cfg.model >= WR_SIMNET_KING)
        most = ((wr_time)(x[1] - x[0]) + (y[1] - y[0])) / 2 + height + 1;
    most += most * n->cfg.jitter_permille / 1000;
    return n->cfg.reorder_permille > 0 ? 2 * most : most;
}

void wr_simnet_side(struct wr_simnet *n, wr_host h, uint32_t side)
{
    n->hosts[h].side = side;
    n->marked = true;
}

void wr_simnet_clog(struct wr_simnet *n, wr_host h, wr_time until)
{
    n->hosts[h].clogged = until;
    n->marked = true;
}

bool wr_simnet_reach(const struct wr_simnet *n, wr_host a, wr_host b)
{
    if (n->marked && n->hosts[a].side != n->hosts[b].side &&
        !(n->one_way && n->hosts[a].side < n->hosts[b].side))
        return false;
    return n->cfg.one_sided_permille == 0 || a == b ||
           of_pair(n, a, b, 3) % 1000 >= n->cfg.one_sided_permille;
}

static bool lucky(struct wr_rng *rng, uint32_t permille)
{
    return permille > 0 && wr_rng_below(rng, 1000) < permille;
}

wr_time wr_simnet_pass(wr_time *free_at, wr_time now, uint64_t bytes,
                       uint64_t bps)
{
    if (bps == 0)
        return now;
    *free_at = wr_time_max(*free_at, now) + bytes * 8 * 1000000 / bps;
    return *free_at;
}

bool wr_simnet_loses(const struct wr_simnet *n, struct wr_rng *rng)
{
    return lucky(rng, n->cfg.loss_permille);
}

static wr_time arrive(struct wr_simnet *n, struct wr_rng *rng, wr_time sent,
                      wr_host a, wr_host b, uint64_t bytes)
{
    struct wr_simnet_host *to = &n->hosts[b];
    wr_time at = sent + wr_simnet_latency(n, rng, a, b);

    if (lucky(rng, n->cfg.reorder_permille))
        at += wr_simnet_latency(n, rng, a, b);
    if (n->marked)
        at = wr_time_max(at, to->clogged);
    return wr_simnet_pass(&to->down_free, at, bytes, n->cfg.down_bps);
}

unsigned wr_simnet_send(struct wr_simnet *n, struct wr_rng *rng, wr_time now,
                        wr_host a, wr_host b, uint64_t bytes, wr_time ret[2])
{
    struct wr_simnet_host *from = &n->hosts[a];
    wr_time sent = n->marked ? wr_time_max(now, from->clogged) : now;

    sent = wr_simnet_pass(&from->up_free, sent, bytes, n->cfg.up_bps);
    ret[0] = arrive(n, rng, sent, a, b, bytes);
    if (!lucky(rng, n->cfg.twice_permille))
        return 1;
    ret[1] = arrive(n, rng, sent, a, b, bytes);
    return 2;
}
