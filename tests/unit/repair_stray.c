/* What is not where it belongs is given home and goes; and when it stays. */
#include "crypto/root.h"
#include "proto/peers.h"
#include "repair_bed.h"

Test(repair_stray, a_joiner_gets_what_is_its_own_and_others_let_go)
{
    const struct wr_world_cfg cfg = cfg_of(7, 4);
    struct bed *b = bed_open(&cfg, 5);
    struct wr_id keys[80];

    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 30);
    wr_world_up(&b->w, 5, 0);
    wr_world_up(&b->w, 6, 1);
    run_s(b, 600);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    bed_close(b);
}

/* What judges all of this can fail. */
Test(repair_stray, a_copy_too_few_and_one_too_many_are_seen)
{
    struct wr_world_cfg cfg = cfg_of(8, 4);
    cfg.node.repair_us = WR_NEVER;
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id key[1];
    wr_host set[WR_SET_MAX], stray;

    fill(b, key, 1);
    all_stand(b, false, key, 1);
    set_of(b, key, set);
    stray = outside(set);
    keep(b, stray, key, put_id(1));
    wr_disk_drop(&b->w.hosts[set[1]].disk.chunks, key);
    run_s(b, 60);
    cr_assert_eq(copies_of(b, false, key).stand, 2);
    cr_assert_eq(copies_of(b, false, key).strays, 1);
    bed_close(b);
}

/* A misplaced copy stays for a reader's time after the set has it. */
Test(repair_stray, a_misplaced_copy_outlives_a_reader)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id key[1];
    wr_host set[WR_SET_MAX], stray;
    wr_time stood = 0;

    run_s(b, 30);
    fill(b, key, 1);
    set_of(b, key, set);
    stray = outside(set);
    for (unsigned i = 0; i < 3; i++)
        wr_disk_drop(&b->w.hosts[set[i]].disk.chunks, key);
    keep(b, stray, key, put_id(1));
    while (item(b, stray, key) != NULL && b->w.now < WR_SEC(900)) {
        wr_world_run(&b->w, b->w.now + WR_MS(100));
        if (stood == 0 && copies_of(b, false, key).stand == 3)
            stood = b->w.now;
    }
    cr_assert_null(item(b, stray, key));
    cr_assert_gt(stood, 0);
    cr_assert_geq(b->w.now - stood, cfg.node.request_us);
    all_stand(b, false, key, 1);
    bed_close(b);
}

/* A put came to the stray meanwhile, with a put id that the set lacks. */
Test(repair_stray, what_changed_is_not_dropped)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id key[1];
    wr_host set[WR_SET_MAX], stray;
    uint8_t put = 2;

    fill(b, key, 1);
    set_of(b, key, set);
    stray = outside(set);
    keep(b, stray, key, put_id(1));
    while (item(b, stray, key) != NULL && b->w.now < WR_SEC(600)) {
        if (put < 8 && b->w.now > WR_SEC(10) * put)
            keep(b, stray, key, put_id(put++));
        wr_world_run(&b->w, b->w.now + WR_MS(50));
    }
    cr_assert_null(item(b, stray, key));
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(item(b, set[i], key)->refs_n, put - 1u);
    bed_close(b);
}

/* What is misplaced was seen to stand a reader's time ago. */
static bool has_lingered(const struct bed *b, const struct wr_repair *r)
{
    for (unsigned i = 0; i < WR_REPAIR_HOMES; i++)
        if (r->homes[i].since != WR_NEVER &&
            b->w.now - r->homes[i].since >= WR_REPAIR_LINGER_US)
            return true;
    return false;
}

/* A put counts the stray while the last of the set is being asked: an owner
 * that takes one of the set for dead does so. */
Test(repair_stray, what_came_after_the_set_was_asked_is_not_dropped)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id key[2];
    wr_host set[WR_SET_MAX], stray;
    bool came = false;

    fill(b, key, 1);
    key[1] = key[0];
    key[1].b[31] ^= 1;
    set_of(b, key, set);
    stray = outside(set);
    keep(b, stray, key, put_id(1));
    while (item(b, stray, key) != NULL && b->w.now < WR_SEC(600)) {
        const struct wr_repair *r = b->w.hosts[stray].node->core.repair;

        for (unsigned i = 0; i < WR_REPAIR_SYNCS && !came; i++) {
            const struct wr_repair_sync *s = &r->syncs[i];

            came = s->phase == WR_SYNC_ASK && s->home &&
                   s->hosts_i + 1 == s->hosts_n && has_lingered(b, r);
        }
        if (came && item(b, stray, &key[1]) == NULL)
            keep(b, stray, &key[1], put_id(2));
        wr_world_run(&b->w, b->w.now + WR_MS(1));
        cr_assert(!came || copies_of(b, false, &key[1]).stand > 0 ||
                      item(b, stray, &key[1]) != NULL,
                  "lost at %llu", (unsigned long long)b->w.now);
    }
    cr_assert(came);
    run_s(b, 400);
    all_stand(b, false, key, 2);
    bed_close(b);
}

/* The last of the set is being asked about what is about to go. */
static bool lets_go(const struct wr_repair *r)
{
    for (unsigned i = 0; i < WR_REPAIR_SYNCS; i++) {
        const struct wr_repair_sync *s = &r->syncs[i];

        if (s->phase == WR_SYNC_ASK && s->leaving &&
            s->hosts_i + 1 == s->hosts_n)
            return true;
    }
    return false;
}

/* A leaver hands on what stands already, and goes; or an owner counts it. */
Test(repair_stray, what_was_just_counted_on_is_not_dropped)
{
    const enum wr_msg_kind kinds[] = {WR_MSG_HAVE, WR_MSG_PUT, WR_MSG_ROOT_PUT};
    const struct wr_world_cfg cfg = cfg_of(8, 4);

    for (unsigned k = 0; k < WR_ARRAY_LEN(kinds); k++) {
        const bool root = kinds[k] == WR_MSG_ROOT_PUT;
        struct bed *b = bed_open(&cfg, 8);
        const struct wr_id key = new_key(b);
        struct wr_event ev = {.kind = WR_EV_RECV};
        struct wr_msg m = wr_msg_of(kinds[k], 1000);
        wr_host set[WR_SET_MAX], stray;
        wr_time came = 0;

        set_of(b, &key, set);
        stray = outside(set);
        for (unsigned i = 0; i < 4; i++)
            if (root)
                keep_root(b, i < 3 ? set[i] : stray, &key, 1);
            else
                keep(b, i < 3 ? set[i] : stray, &key, put_id(1));
        while (b->w.now < WR_SEC(600) && came == 0) {
            wr_world_run(&b->w, b->w.now + WR_MS(1));
            if (lets_go(b->w.hosts[stray].node->core.repair))
                came = b->w.now;
        }
        cr_assert_gt(came, 0);
        ev.from = set[0];
        ev.msg = &m;
        if (root) {
            m.root.level = WR_LEVEL_COPY;
            m.root.position = key;
            m.root.version = 1;
            m.root.record = wr_span(key.b, sizeof(key.b));
        } else if (kinds[k] == WR_MSG_HAVE) {
            m.have.level = WR_LEVEL_COPY;
            m.have.n = 1;
            m.have.put = put_id(1);
            m.have.digests = &key;
        } else {
            m.put.level = WR_LEVEL_COPY;
            m.put.hash = HASH;
            m.put.put = put_id(1);
            m.put.digest = key;
            m.put.body = wr_bodies_give(&b->w.bodies, stray, &key, LEN);
        }
        wr_world_step(&b->w, stray, &ev);
        run_s(b, 55);
        cr_assert_eq(copies_of(b, root, &key).strays, 1, "%u", k);
        run_s(b, 400);
        cr_assert_eq(copies_of(b, root, &key).strays, 0, "%u", k);
        bed_close(b);
    }
}

/* The first host after the set of `key`. */
static wr_host next_after(struct bed *b, const struct wr_id *key)
{
    const uint32_t first = wr_circle_from(&b->all, key);
    wr_host set[WR_SET_MAX];
    const uint32_t n = wr_copies_set(&b->w, &b->all, key, set);

    for (uint32_t i = 0; i < b->all.n; i++) {
        const wr_host h = wr_ref_host(b->all.refs[(first + i) % b->all.n]);

        if (!wr_host_listed(set, n, h))
            return h;
    }
    return WR_NO_HOST;
}

/* What `asker` asks `host` about is answered: not now. */
static void say_busy(struct bed *b, wr_host asker, wr_host host)
{
    const struct wr_repair *r = b->w.hosts[asker].node->core.repair;

    for (unsigned i = 0; i < WR_REPAIR_SYNCS; i++) {
        const struct wr_repair_sync *s = &r->syncs[i];
        struct wr_msg m = wr_msg_of(WR_MSG_SYNCED, s->id);
        struct wr_event ev = {.kind = WR_EV_RECV, .from = host, .msg = &m};

        m.synced.status = WR_STATUS_BUSY;
        m.synced.retry_ms = 2000;
        if (s->phase == WR_SYNC_ASK && s->tries > 0 &&
            s->hosts[s->hosts_i] == host)
            wr_world_step(&b->w, asker, &ev);
    }
}

/* One of the set dies when it has been asked, the last is slow to answer: by
 * then the stray is of the set itself. */
Test(repair_stray, what_the_set_was_asked_about_stays_when_the_set_has_changed)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    const struct wr_id key = new_key(b);
    wr_host set[WR_SET_MAX], now[WR_SET_MAX];
    const wr_host stray = next_after(b, &key);
    const struct wr_core *c = &b->w.hosts[stray].node->core;

    set_of(b, &key, set);
    for (unsigned i = 0; i < 4; i++)
        keep(b, i < 3 ? set[i] : stray, &key, put_id(1));
    while (!lets_go(c->repair))
        wr_world_run(&b->w, b->w.now + WR_MS(1));
    wr_world_crash(&b->w, set[0]);
    while (wr_peers_alive(c, set[0])) {
        say_busy(b, stray, set[2]);
        wr_world_run(&b->w, b->w.now + WR_MS(1));
        cr_assert(lets_go(c->repair));
    }
    set_of(b, &key, now);
    cr_assert(wr_host_listed(now, 3, stray));
    while (lets_go(c->repair))
        wr_world_run(&b->w, b->w.now + WR_MS(1));
    run_s(b, 1);
    cr_assert_not_null(item(b, stray, &key));
    bed_close(b);
}

/* What was deleted waits for the sweep; the rest of its arc does not. */
Test(repair_stray, what_nothing_refers_to_keeps_nothing_else_back)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_put_id lost;
    struct wr_id key[3];
    wr_host set[WR_SET_MAX];

    memcpy(lost.b, wr_put_id_salvaged, sizeof(lost.b));
    fill(b, key, 1);
    key[2] = key[1] = key[0];
    key[1].b[31] ^= 1;
    key[2].b[31] ^= 2;
    const wr_host stray = next_after(b, key);

    keep(b, stray, key, put_id(1));
    keep(b, stray, &key[1], put_id(0));
    keep(b, stray, &key[2], lost);
    run_s(b, 400);
    cr_assert_null(item(b, stray, key));
    cr_assert_not_null(item(b, stray, &key[1]));
    cr_assert_not_null(item(b, stray, &key[2]));
    set_of(b, key, set);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(b->w.hosts[set[i]].disk.chunks.n, 1);
    keep(b, stray, &key[1], put_id(2)); /* Counted on again: it is given. */
    run_s(b, 400);
    all_stand(b, false, &key[1], 1);
    cr_assert_not_null(item(b, stray, &key[2]));
    bed_close(b);
}

/* Its bytes are worth nothing, what it knows of who refers to it is. */
Test(repair_stray, a_misplaced_rotten_copy_keeps_its_references)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_fx fx = {.kind = WR_FX_STORE_GET};
    struct wr_event ev = {.kind = WR_EV_STORED};
    struct wr_id key[2];
    wr_host set[WR_SET_MAX], stray;

    fill(b, key, 1);
    key[1] = key[0];
    key[1].b[31] ^= 1;
    set_of(b, key, set);
    stray = outside(set);
    keep(b, stray, key, put_id(2));
    keep(b, stray, &key[1], put_id(2));
    wr_disk_rot(&b->w.hosts[stray].disk, key);
    fx.store.digest = key[0];
    wr_disk_do(&b->w.hosts[stray].disk, &fx, 0, &ev);
    cr_assert_eq(ev.stored.status, WR_STATUS_BAD);
    run_s(b, 400);
    cr_assert_null(item(b, stray, &key[1])); /* It let go of this arc. */
    cr_assert_not_null(item(b, stray, key));
    keep(b, stray, key, put_id(2)); /* Mended. */
    run_s(b, 400);
    cr_assert_null(item(b, stray, key));
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(item(b, set[i], key)->refs_n, 2);
    bed_close(b);
}
