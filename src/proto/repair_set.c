/* repair_set.c - see repair_set.h. */
#include "proto/repair_set.h"

#include "proto/peers.h"
#include "proto/place.h"
#include "proto/replica.h"
#include "proto/ring.h"
#include "proto/roster.h"
#include "proto/routes.h"

bool repair_may(const struct wr_core *c)
{
    return wr_rings_any(c) && wr_roster_admitted_n(c) > 1 &&
           wr_roster_admitted(c, c->cfg->self);
}

bool repair_owned(const struct wr_core *c, unsigned member,
                  struct wr_id *ret_from, struct wr_id *ret_to)
{
    const struct wr_ring *r = &c->rings[member];

    if (r->phase != WR_RING_MEMBER || r->pred == WR_NO_REF ||
        !wr_peers_alive(c, wr_ref_host(r->pred)))
        return false;
    *ret_from = *wr_core_id(c, r->pred);
    *ret_to = *wr_core_id(c, r->self);
    return true;
}

wr_time repair_gone_us(const struct wr_core *c, wr_host h)
{
    const struct wr_repair *r = c->repair;
    const wr_time us = wr_peers_gone_us(c, h);

    for (uint32_t i = 0; us > 0 && us != WR_NEVER && i < r->gone_n; i++)
        if (r->gone[i].host == h && c->now - us == r->gone[i].since)
            return us + r->gone[i].us;
    return us;
}

static wr_time longest_patience_us(const struct wr_core *c)
{
    return wr_time_max(c->cfg->gone_us, c->cfg->gone_long_us);
}

wr_time repair_patience_us(const struct wr_core *c, wr_time gone_us)
{
    return gone_us <= c->cfg->gone_us ? c->cfg->gone_us
                                      : longest_patience_us(c);
}

/* Held for dead, but it may be back with all that it had. */
static bool may_hold(const struct wr_core *c, wr_host h)
{
    return wr_roster_admitted(c, h) &&
           repair_gone_us(c, h) <= longest_patience_us(c);
}

static bool is_live(const struct wr_core *c, wr_host h)
{
    return wr_roster_admitted(c, h) && wr_peers_alive(c, h);
}

bool repair_knows_all(const struct wr_core *c)
{
    uint32_t members = 0, at = 0;
    wr_host h;

    while ((h = wr_roster_next(c, &at)) != WR_NO_HOST)
        members += wr_book_host(c->book, h)->members;
    /* It may know members of hosts that have left, too. */
    return wr_routes_of(c->routes, c, wr_roster_admitted) == members;
}

bool repair_arc(const struct wr_core *c, const struct wr_id *key,
                struct wr_id *ret_from, struct wr_id *ret_to)
{
    return c->repair->complete &&
           wr_routes_arc(c->routes, c, key, may_hold, ret_from, ret_to);
}

/* Of a set, whom not to wait for: while more than n - w of its hosts have been
 * gone for longer than a reboot takes, the one that has for longest;
 * WR_NO_HOST: all may be waited for. */
static wr_host too_late(const struct wr_core *c, const wr_ref *set, size_t n)
{
    const unsigned spare = wr_roster_copies(c) - wr_roster_durable(c);
    unsigned gone_n = 0;
    wr_host longest = WR_NO_HOST;
    wr_time most = c->cfg->gone_us;

    for (size_t i = 0; i < n; i++) {
        const wr_time gone_us = repair_gone_us(c, wr_ref_host(set[i]));

        if (gone_us <= c->cfg->gone_us)
            continue;
        gone_n++;
        if (gone_us > most) {
            most = gone_us;
            longest = wr_ref_host(set[i]);
        }
    }
    return gone_n > spare ? longest : WR_NO_HOST;
}

/* The first n of the hosts that count, as our table knows them. */
static size_t set_known(const struct wr_core *c, const struct wr_id *to,
                        bool gone, wr_ref set[WR_SET_MAX])
{
    wr_host known[4 * WR_SET_MAX], late = WR_NO_HOST;
    const size_t n = wr_roster_copies(c);
    const size_t known_n =
        wr_routes_clockwise(c->routes, c, to, known, WR_ARRAY_LEN(known));
    size_t set_n;

    do {
        set_n = 0;
        for (size_t i = 0; i < known_n && set_n < WR_SET_MAX; i++) {
            if (known[i] == late)
                known[i] = WR_NO_HOST;
            if (gone ? may_hold(c, known[i]) : is_live(c, known[i]))
                set[set_n++] = wr_ref_of(known[i], 0);
        }
        wr_place_order(c, set, set_n);
        set_n = set_n < n ? set_n : n;
        late = too_late(c, set, set_n);
    } while (late != WR_NO_HOST);
    return set_n;
}

size_t repair_set(const struct wr_core *c, const struct wr_id *to, bool gone,
                  wr_host ret[WR_COPIES_MAX])
{
    wr_ref set[WR_SET_MAX];
    size_t set_n;

    if (c->repair->complete)
        set_n = set_known(c, to, gone, set);
    else /* Of a range of ours the ring itself knows. */
        set_n = c->replica->sight->place(c, to, set, wr_roster_copies(c));
    for (size_t i = 0; i < set_n; i++)
        ret[i] = wr_ref_host(set[i]);
    return set_n;
}

uint64_t repair_mix(uint64_t sum, uint64_t v)
{
    struct wr_rng r = {sum ^ v};

    return wr_rng_next(&r);
}

uint64_t repair_ring(const struct wr_core *c)
{
    uint64_t sum = repair_mix(c->roster->known, c->roster->admitted_n);

    for (uint8_t i = 0; i < c->cfg->members; i++) {
        const struct wr_ring *r = &c->rings[i];
        wr_host set[WR_COPIES_MAX];

        sum = repair_mix(sum, r->phase);
        if (r->phase != WR_RING_MEMBER)
            continue;
        sum = repair_mix(sum, r->pred);
        for (size_t k = repair_set(c, wr_core_id(c, r->self), false, set);
             k-- > 0;)
            sum = repair_mix(sum, set[k]);
    }
    return sum;
}
