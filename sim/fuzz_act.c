/* fuzz_act.c - what happens in a storm. Whom it happens to is drawn when it
 * does, from the action's own seed, among those that it could. */
#include "fuzz_private.h"

enum whom { UP, UP_OR_LEAVING, AWAKE, FRESH, GONE_BEFORE };

static bool could_be(const struct life *l, wr_host h, enum whom whom)
{
    const struct wr_world_host *host = &l->w.hosts[h];

    if (host->left || (host->leaving && whom != UP_OR_LEAVING))
        return false;
    if (whom == AWAKE)
        return host->node != NULL && !wr_world_is_still(&l->w, h);
    if (whom == UP || whom == UP_OR_LEAVING)
        return host->node != NULL;
    return host->node == NULL && (host->epoch == 0) == (whom == FRESH);
}

static wr_host draw(struct life *l, enum whom whom)
{
    wr_host drawn = WR_NO_HOST;
    uint64_t seen = 0;

    for (wr_host h = 0; h < l->w.cfg.hosts; h++)
        if (could_be(l, h, whom) && life_below(l, ++seen) == 0)
            drawn = h;
    return drawn;
}

uint32_t life_up_n(const struct life *l)
{
    uint32_t n = 0;

    for (wr_host h = 0; h < l->w.cfg.hosts; h++)
        n += wr_world_is_up(&l->w, h) && !l->w.hosts[h].leaving;
    return n;
}

wr_host life_known(const struct life *l)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++)
        if (wr_world_serves(&l->w, h) && l->w.hosts[h].known)
            return h;
    return WR_NO_HOST;
}

/* ---- coming and going ---------------------------------------------------- */

static void join(struct life *l, enum whom whom)
{
    const wr_host h = draw(l, whom), via = draw(l, UP);

    if (h != WR_NO_HOST && via != WR_NO_HOST)
        wr_world_up(&l->w, h, via);
}

static void go(struct life *l, enum whom whom,
               void (*how)(struct wr_world *, wr_host))
{
    const wr_host h = draw(l, whom);

    if (h == WR_NO_HOST || life_up_n(l) <= wr_plan_least(l->plan))
        return;
    how(&l->w, h);
    life_check_loss(l);
}

/* Each comes back at a time of its own, but for one in eight. A ring of
 * one-member hosts could only be started again by hand (R1). */
static void all_down(struct life *l)
{
    wr_host some = WR_NO_HOST;

    if (wr_plan_least(l->plan) > 1 || life_up_n(l) == 0)
        return;
    life_excuse(l, EXCUSE_ALL_DOWN);
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        if (!wr_world_is_up(&l->w, h))
            continue;
        wr_world_crash(&l->w, h);
        if (some != WR_NO_HOST && life_below(l, 8) == 0)
            continue;
        some = h;
        l->hosts[h].up = l->w.now + WR_MS(life_below(l, 6000));
    }
}

/* ---- hosts, disks, the network ------------------------------------------- */

static void slow(struct life *l, const struct wr_plan_action *a)
{
    const wr_host h = draw(l, UP);

    if (h == WR_NO_HOST)
        return;
    l->w.faults[h].slow_us = 1 + WR_MS(life_below(l, 5000));
    l->hosts[h].fast = l->w.now + a->for_us;
}

static void fill(struct life *l, const struct wr_plan_action *a)
{
    const wr_host h = draw(l, UP);

    if (h == WR_NO_HOST)
        return;
    l->w.faults[h].full = true;
    l->hosts[h].empty = l->w.now + a->for_us;
}

static void rot(struct life *l)
{
    const uint32_t n = l->data.items_n, hosts = l->w.cfg.hosts;

    if (n == 0)
        return;
    const uint32_t item = (uint32_t)life_below(l, n);
    const wr_host first = (wr_host)life_below(l, hosts);

    for (uint32_t i = 0; i < hosts; i++)
        if (wr_data_rot(&l->data, (first + i) % hosts, item))
            return;
}

static void wipe(struct life *l, const struct wr_plan_action *a)
{
    const wr_host h = draw(l, UP);

    if (h == WR_NO_HOST || life_up_n(l) <= wr_plan_least(l->plan) ||
        !wr_puts_spares(&l->puts, h) || !wr_data_wipe(&l->data, h))
        return;
    wr_world_crash(&l->w, h);
    life_check_loss(l);
    l->hosts[h].up = l->w.now + a->for_us;
}

static void on_host(struct life *l, const struct wr_plan_action *a)
{
    const wr_host h = draw(l, AWAKE);

    if (h == WR_NO_HOST)
        return;
    if (a->kind == WR_ACT_PAUSE)
        wr_world_pause(&l->w, h, l->w.now + a->for_us);
    else if (a->kind == WR_ACT_JUMP)
        wr_world_jump(&l->w, h, a->for_us);
    else
        wr_simnet_clog(&l->w.net, h, l->w.now + a->for_us);
}

/* Of one-member hosts only one goes: no side may lose its ring for good. */
static void cut(struct life *l, const struct wr_plan_action *a)
{
    const bool one = a->kind == WR_ACT_CUT_ONE || wr_plan_least(l->plan) > 1;
    const wr_host gone = (wr_host)life_below(l, l->w.cfg.hosts);
    const uint32_t first = (uint32_t)life_below(l, 2);

    life_excuse(l, EXCUSE_CUT);
    l->cut = true;
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        const bool away = one ? h == gone : life_below(l, 1000) < a->amount;

        wr_world_side(&l->w, h, away ? first : 1 - first);
    }
    l->w.net.one_way = a->one_way;
    l->heal = l->w.now + a->for_us;
}

static void lose(struct life *l, const struct wr_plan_action *a)
{
    l->w.net.cfg.loss_permille = a->amount;
    l->calm = l->w.now + a->for_us;
}

/* ---- requests ------------------------------------------------------------ */

void life_look_up(struct life *l, unsigned each)
{
    l->asked_n = l->open_n = 0;
    l->batch++;
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        if (!wr_world_serves(&l->w, h) || wr_world_is_still(&l->w, h))
            continue;
        for (unsigned i = 0; i < each && l->asked_n < LIFE_KEYS; i++) {
            struct wr_event ev = {.kind = WR_EV_LOOKUP};
            struct wr_id *key = &l->keys[l->asked_n];

            wr_rng_fill(&l->rng, key->b, sizeof(key->b));
            ev.lookup.key = *key;
            ev.lookup.token = l->batch << 32 | l->asked_n++;
            l->open_n++;
            wr_world_step(&l->w, h, &ev);
        }
    }
}

/* Somewhat off, as any clock may be; or wrong, as fewer than half of all are:
 * the rest agree on the time, and each sees some of the rest or nobody. */
static void go_wrong(struct life *l, const struct wr_plan_action *a)
{
    const wr_host h = (wr_host)life_below(l, l->w.cfg.hosts);
    const int64_t some_s = l->w.cfg.node.slack_s / 2 - 1;
    int64_t off_s = (int64_t)life_below(l, (uint64_t)some_s + 1);
    uint32_t wrong = 1;

    for (wr_host k = 0; k < l->w.cfg.hosts; k++)
        wrong += k != h && (l->w.hosts[k].wall_off_s > some_s ||
                            l->w.hosts[k].wall_off_s < -some_s);
    if (2 * wrong < life_up_n(l) && life_below(l, 2) == 0)
        off_s = 60 + (int64_t)life_below(l, 1000000);
    wr_world_wall(&l->w, h, a->one_way ? -off_s : off_s);
}

static void request(struct life *l, const struct wr_plan_action *a)
{
    struct wr_data *d = &l->data;

    d->rng = (struct wr_rng){wr_rng_next(&l->rng)};
    if (a->kind == WR_ACT_PUT || d->items_n == 0)
        wr_data_put(d, false);
    else if (a->kind == WR_ACT_GET)
        wr_data_get(d, (uint32_t)life_below(l, d->items_n), false);
    else
        wr_data_have(d, (uint32_t)life_below(l, d->items_n), false);
}

/* -------------------------------------------------------------------------- */

void life_act(struct life *l, const struct wr_plan_action *a)
{
    l->rng = (struct wr_rng){a->seed};
    switch ((enum wr_act)a->kind) {
    case WR_ACT_JOIN:
        join(l, FRESH);
        return;
    case WR_ACT_BACK:
        join(l, GONE_BEFORE);
        return;
    case WR_ACT_TWO:
        go(l, UP_OR_LEAVING, wr_world_crash);
        go(l, UP_OR_LEAVING, wr_world_crash);
        return;
    case WR_ACT_CRASH:
        go(l, UP_OR_LEAVING, wr_world_crash);
        return;
    case WR_ACT_ALL:
        all_down(l);
        return;
    case WR_ACT_STOP:
        go(l, AWAKE, wr_world_stop);
        return;
    case WR_ACT_LEAVE:
        go(l, AWAKE, wr_world_leave);
        return;
    case WR_ACT_PAUSE:
    case WR_ACT_JUMP:
    case WR_ACT_CLOG:
        on_host(l, a);
        return;
    case WR_ACT_LOSS:
        lose(l, a);
        return;
    case WR_ACT_CUT:
    case WR_ACT_CUT_ONE:
        cut(l, a);
        return;
    case WR_ACT_SLOW:
        slow(l, a);
        return;
    case WR_ACT_FULL:
        fill(l, a);
        return;
    case WR_ACT_ROT:
        rot(l);
        return;
    case WR_ACT_WIPE:
        wipe(l, a);
        return;
    case WR_ACT_LOOKUP:
        life_look_up(l, 1);
        return;
    case WR_ACT_PUT:
    case WR_ACT_GET:
    case WR_ACT_HAVE:
        request(l, a);
        return;
    case WR_ACT_FILE:
    case WR_ACT_GIVE_UP:
        l->puts.rng = (struct wr_rng){wr_rng_next(&l->rng)};
        if (a->kind == WR_ACT_FILE)
            wr_puts_put(&l->puts);
        else
            wr_puts_give_up(&l->puts);
        return;
    case WR_ACT_WALL:
        go_wrong(l, a);
        return;
    case WR_ACT_N:
        break;
    }
    WR_UNREACHABLE();
}

/* ---- the end of it ------------------------------------------------------- */

static void mend_host(struct life *l, wr_host h, bool all)
{
    struct life_host *host = &l->hosts[h];
    const wr_time now = all ? WR_NEVER : l->w.now;

    if (host->fast <= now) {
        host->fast = WR_NEVER;
        l->w.faults[h].slow_us = 0;
    }
    if (host->empty <= now) {
        host->empty = WR_NEVER;
        l->w.faults[h].full = false;
    }
    if (host->up <= now && host->up != WR_NEVER) {
        host->up = WR_NEVER;
        if (!wr_world_is_up(&l->w, h) && !l->w.hosts[h].left)
            wr_world_up(&l->w, h, WR_NO_HOST);
    }
}

void life_mend(struct life *l, bool all)
{
    struct wr_simnet_cfg *net = &l->w.net.cfg;

    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        mend_host(l, h, all);
        if (all)
            wr_world_wall(&l->w, h, 0);
    }
    if (l->cut && (all || l->w.now >= l->heal)) {
        wr_world_heal(&l->w);
        l->cut = false;
    }
    if (l->w.now >= l->calm) {
        net->loss_permille = l->plan->world.net.loss_permille;
        l->calm = WR_NEVER;
    }
    if (!all)
        return;
    l->calm = WR_NEVER;
    net->loss_permille = net->twice_permille = 0;
    net->reorder_permille = net->one_sided_permille = 0;
    l->w.cfg.read_permille = l->w.cfg.write_permille = 0;
}
