/* run_system.c - scenarios in which something else runs in the place of
 * wreath's core (ring.system), to be compared.
 *
 * Wreath is asked who is responsible for a key, and always somebody is. These
 * are asked for an item, which may be at nobody who is up: so that it is not
 * churn's luck that is measured, an item is asked for only if somebody who is
 * up has it. The answer is right if the host that it names is up, and has it.
 */
#include "run_private.h"

static const struct wr_overlay_ops *const systems[] = {
    [WR_SYSTEM_WREATH] = NULL,
    [WR_SYSTEM_FLOOD] = &wr_flood_ops,
    [WR_SYSTEM_WALK] = &wr_walk_ops,
    [WR_SYSTEM_INDEX] = &wr_index_ops,
};

bool run_is_wreath(const struct run *r)
{
    return systems[r->s->ring_system] == NULL;
}

enum wr_err run_system_init(struct run *r, struct wr_world_cfg *cfg)
{
    const struct wr_scenario *s = r->s;

    if (run_is_wreath(r))
        return WR_OK;
    cfg->overlay = systems[s->ring_system];
    cfg->overlay_cfg = (struct wr_overlay_cfg){
        .ping_us = s->ring_round,
        .silence_us = s->ring_patience_max,
        .lookup_us = s->ring_lookup_timeout,
        .jitter_permille = (uint32_t)(s->ring_jitter / 1000),
        .content = &r->content,
    };
    return wr_content_init(&r->content, s->run_seed, s->load_keys_count,
                           cfg->hosts, (uint32_t)s->ring_copies);
}

void run_system_done(struct run *r)
{
    wr_content_done(&r->content);
}

static bool is_there(const struct run *r, const struct wr_id *key)
{
    for (uint32_t i = 0; i < r->content.copies; i++)
        if (wr_world_is_up(&r->w, wr_content_host(&r->content, key, i)))
            return true;
    return false;
}

struct wr_id run_system_item(struct run *r)
{
    enum { TRIES = 1000 }; /* If hardly anybody is up, it is asked in vain. */
    const bool zipf = r->s->load_keys == WR_KEYS_ZIPF;
    struct wr_id key;

    for (unsigned i = 0; i < TRIES; i++) {
        const uint64_t item =
            zipf ? wr_zipf_draw(&r->zipf, &r->load)
                 : 1 + wr_rng_below(&r->load, r->content.items);

        key = wr_content_key(&r->content, item);
        if (is_there(r, &key))
            break;
    }
    return key;
}

bool run_system_right(const struct run *r, const struct wr_id *key,
                      wr_host host)
{
    return wr_world_is_up(&r->w, host) && wr_content_at(&r->content, key, host);
}

void run_system_shares(const struct run *r, double *ret)
{
    double all = 0;

    for (uint32_t i = 0; i < r->up_n; i++)
        all += r->content.has[r->up[i]];
    for (uint32_t i = 0; i < r->up_n && all > 0; i++)
        ret[r->up[i]] = r->content.has[r->up[i]] * r->up_n / all;
}
