/* repair_bed.c - see repair_bed.h. */
#include "repair_bed.h"

#include <stdlib.h>

#include "../support/simkit.h"

struct wr_world_cfg cfg_of(uint32_t hosts, uint8_t members)
{
    struct wr_world_cfg cfg = simkit_ring(5, hosts, members, 1, 20);

    cfg.resets = true;
    cfg.node.repair_us = WR_SEC(60);
    cfg.node.gone_us = cfg.node.gone_long_us = WR_SEC(300);
    cfg.node.round_us = WR_SEC(3);
    return cfg;
}

struct bed *bed_open(const struct wr_world_cfg *cfg, uint32_t up)
{
    struct bed *b = calloc(1, sizeof(*b));

    cr_assert_not_null(b);
    b->rng.state = 77;
    cr_assert_eq(wr_world_init(&b->w, cfg), WR_OK);
    cr_assert_eq(wr_circle_init(&b->all, &b->w.book), WR_OK);
    wr_world_begin(&b->w, NULL, up);
    return b;
}

void bed_close(struct bed *b)
{
    cr_assert_eq(wr_bodies_held(&b->w.bodies), 0);
    cr_assert_eq(b->w.bodies_wrong, 0);
    cr_assert_eq(b->w.codec_wrong, 0);
    wr_circle_done(&b->all);
    wr_world_done(&b->w);
    free(b);
}

void run_s(struct bed *b, unsigned s)
{
    wr_world_run(&b->w, b->w.now + WR_SEC(s));
}

struct wr_id new_key(struct bed *b)
{
    struct wr_id key;

    wr_rng_fill(&b->rng, key.b, sizeof(key.b));
    return key;
}

struct wr_put_id put_id(uint8_t number)
{
    return (struct wr_put_id){{number}};
}

void keep(struct bed *b, wr_host h, const struct wr_id *key,
          struct wr_put_id put)
{
    struct wr_fx fx = {.kind = WR_FX_STORE_PUT};
    struct wr_event ev;

    fx.store.digest = *key;
    fx.store.hash = HASH;
    fx.store.put = put;
    wr_disk_do(&b->w.hosts[h].disk, &fx, LEN, &ev);
}

void keep_root(struct bed *b, wr_host h, const struct wr_id *key,
               uint64_t version)
{
    struct wr_fx fx = {.kind = WR_FX_STORE_ROOT_PUT};
    struct wr_event ev;

    fx.store.digest = *key;
    fx.store.version = version;
    fx.store.record = wr_span(key->b, sizeof(key->b));
    wr_disk_do(&b->w.hosts[h].disk, &fx, 0, &ev);
}

void set_of(struct bed *b, const struct wr_id *key, wr_host ret[WR_SET_MAX])
{
    cr_assert_eq(wr_copies_set(&b->w, &b->all, key, ret), 3);
}

void keep_three(struct bed *b, const wr_host *set, const struct wr_id *key)
{
    for (unsigned i = 0; i < 3; i++)
        keep(b, set[i], key, put_id(1));
}

wr_host outside(const wr_host *set)
{
    wr_host h = 0;

    while (wr_host_listed(set, 3, h))
        h++;
    return h;
}

struct wr_copies copies_of(struct bed *b, bool root, const struct wr_id *key)
{
    struct wr_copies k;

    wr_copies_of(&b->w, &b->all, root, key, &k);
    return k;
}

const struct wr_disk_item *item(struct bed *b, wr_host h,
                                const struct wr_id *key)
{
    return wr_disk_find(&b->w.hosts[h].disk.chunks, key);
}

uint64_t sent(const struct bed *b, enum wr_msg_kind kind)
{
    return b->w.sent_n[kind];
}

void all_stand(struct bed *b, bool root, const struct wr_id *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct wr_copies k = copies_of(b, root, &keys[i]);

        cr_assert_eq(k.stand, k.want, "%zu: %u of %u", i, k.stand, k.want);
        cr_assert_eq(k.strays, 0, "%zu: %u strays", i, k.strays);
    }
}

void fill(struct bed *b, struct wr_id *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wr_host set[WR_SET_MAX];
        uint32_t set_n;

        keys[i] = new_key(b);
        set_n = wr_copies_set(&b->w, &b->all, &keys[i], set);
        for (uint32_t k = 0; k < set_n; k++)
            keep(b, set[k], &keys[i], put_id(1));
    }
}
