/* Repair in small worlds: what is where it belongs, what is asked and moved for
 * it, and what a strange answer does. Expectations are from rule L3 and from
 * the disks (sim/copies.h), not from the module. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../sim/copies.h"
#include "../support/simkit.h"
#include "crypto/root.h"
#include "proto/peers.h"
#include "proto/repair.h"

enum { HASH = 0xb220, LEN = 1000 };

struct bed {
    struct wr_world w;
    struct wr_circle all;
    struct wr_rng rng;
};

static struct wr_world_cfg cfg_of(uint32_t hosts, uint8_t members)
{
    struct wr_world_cfg cfg = simkit_ring(5, hosts, members, 1, 20);

    cfg.resets = true;
    cfg.node.repair_us = WR_SEC(60);
    cfg.node.gone_us = WR_SEC(300);
    cfg.node.round_us = WR_SEC(3);
    return cfg;
}

/* `up` of `hosts` begin as a ring. */
static struct bed *bed_open(const struct wr_world_cfg *cfg, uint32_t up)
{
    struct bed *b = calloc(1, sizeof(*b));

    cr_assert_not_null(b);
    b->rng.state = 77;
    cr_assert_eq(wr_world_init(&b->w, cfg), WR_OK);
    cr_assert_eq(wr_circle_init(&b->all, &b->w.book), WR_OK);
    wr_world_begin(&b->w, NULL, up);
    return b;
}

static void bed_close(struct bed *b)
{
    cr_assert_eq(wr_bodies_held(&b->w.bodies), 0);
    cr_assert_eq(b->w.bodies_wrong, 0);
    cr_assert_eq(b->w.codec_wrong, 0);
    wr_circle_done(&b->all);
    wr_world_done(&b->w);
    free(b);
}

static void run_s(struct bed *b, unsigned s)
{
    wr_world_run(&b->w, b->w.now + WR_SEC(s));
}

static struct wr_id new_key(struct bed *b)
{
    struct wr_id key;

    wr_rng_fill(&b->rng, key.b, sizeof(key.b));
    return key;
}

static struct wr_put_id put_id(uint8_t number)
{
    return (struct wr_put_id){{number}};
}

/* On the disk of `h`, as if it had been there for long. */
static void keep(struct bed *b, wr_host h, const struct wr_id *key,
                 struct wr_put_id put)
{
    struct wr_fx fx = {.kind = WR_FX_STORE_PUT};
    struct wr_event ev;

    fx.store.digest = *key;
    fx.store.hash = HASH;
    fx.store.put = put;
    wr_disk_do(&b->w.hosts[h].disk, &fx, LEN, &ev);
}

static void keep_root(struct bed *b, wr_host h, const struct wr_id *key,
                      uint64_t version)
{
    struct wr_fx fx = {.kind = WR_FX_STORE_ROOT_PUT};
    struct wr_event ev;

    fx.store.digest = *key;
    fx.store.version = version;
    fx.store.record = wr_span(key->b, sizeof(key->b));
    wr_disk_do(&b->w.hosts[h].disk, &fx, 0, &ev);
}

static struct wr_copies copies_of(struct bed *b, bool root,
                                  const struct wr_id *key)
{
    struct wr_copies k;

    wr_copies_of(&b->w, &b->all, root, key, &k);
    return k;
}

static const struct wr_disk_item *item(struct bed *b, wr_host h,
                                       const struct wr_id *key)
{
    return wr_disk_find(&b->w.hosts[h].disk.chunks, key);
}

static uint64_t sent(const struct bed *b, enum wr_msg_kind kind)
{
    return b->w.sent_n[kind];
}

static void all_stand(struct bed *b, bool root, const struct wr_id *keys,
                      size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct wr_copies k = copies_of(b, root, &keys[i]);

        cr_assert_eq(k.stand, k.want, "%zu: %u of %u", i, k.stand, k.want);
        cr_assert_eq(k.strays, 0, "%zu: %u strays", i, k.strays);
    }
}

static bool listed(const wr_host *v, size_t n, wr_host h)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] == h)
            return true;
    return false;
}

static struct wr_msg message(enum wr_msg_kind kind, uint64_t rid)
{
    return (struct wr_msg){.kind = (uint8_t)kind,
                           .from = WR_MEMBER_NONE,
                           .to = WR_MEMBER_NONE,
                           .rid = rid};
}

/* ---- what differs is mended ---------------------------------------------- */

Test(repair, one_copy_anywhere_becomes_n_where_they_belong)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id keys[60];

    for (size_t i = 0; i < WR_ARRAY_LEN(keys); i++) {
        keys[i] = new_key(b);
        if (i % 3 == 0)
            keep_root(b, (wr_host)(i % 8), &keys[i], 1);
        else
            keep(b, (wr_host)(i % 8), &keys[i], put_id(1));
    }
    run_s(b, 600);
    for (size_t i = 0; i < WR_ARRAY_LEN(keys); i++)
        all_stand(b, i % 3 == 0, &keys[i], 1);
    bed_close(b);
}

/* A round gives as fast as the other side takes; it waits for nothing else. */
Test(repair, many_are_given_in_one_go)
{
    const struct wr_world_cfg cfg = cfg_of(5, 4);
    struct bed *b = bed_open(&cfg, 5);
    struct wr_id key = new_key(b);
    wr_host set[WR_SET_MAX];

    cr_assert_eq(wr_copies_set(&b->w, &b->all, &key, set), 3);
    for (uint8_t i = 0; i < 100; i++) {
        key.b[31] = i;
        keep(b, set[0], &key, put_id(1));
    }
    run_s(b, 30);
    for (uint8_t i = 0; i < 100; i++) {
        key.b[31] = i;
        all_stand(b, false, &key, 1);
    }
    bed_close(b);
}

Test(repair, references_and_versions_are_united)
{
    const struct wr_world_cfg cfg = cfg_of(5, 4);
    struct bed *b = bed_open(&cfg, 5);
    const struct wr_id key = new_key(b), root = new_key(b);
    wr_host set[WR_SET_MAX], roots[WR_SET_MAX];

    cr_assert_eq(wr_copies_set(&b->w, &b->all, &key, set), 3);
    cr_assert_eq(wr_copies_set(&b->w, &b->all, &root, roots), 3);
    for (uint8_t i = 0; i < 3; i++) {
        for (uint8_t k = 0; k < 2; k++)
            keep(b, set[i], &key, put_id((uint8_t)(1 + 2 * i + k)));
        keep_root(b, roots[i], &root, i == 1 ? 5 : 4);
    }
    run_s(b, 400);
    for (uint8_t i = 0; i < 3; i++) {
        cr_assert_eq(item(b, set[i], &key)->refs_n, 6);
        cr_assert_eq(
            wr_disk_find(&b->w.hosts[roots[i]].disk.roots, &root)->version, 5);
    }
    bed_close(b);
}

/* A put that was given up when the world began. */
static void keep_given_up(struct bed *b, wr_host h, struct wr_id *ret_key)
{
    static const struct wr_sign_key owner = {.public = {7}};
    static const uint8_t host[WR_CRED_HOST], nonce[WR_ROOT_NONCE];
    uint8_t bytes[WR_ROOT_BYTES_MAX];
    struct wr_fx fx = {.kind = WR_FX_STORE_ROOT_PUT};
    struct wr_root r;
    struct wr_event ev;

    wr_root_init(&r, &owner, host, nonce);
    r.version = 3;
    r.state = WR_ROOT_GIVEN_UP;
    r.expiry = WR_WORLD_WALL_S;
    r.cid_n = 4;
    wr_root_position(r.put, ret_key->b);
    fx.store.digest = *ret_key;
    fx.store.version = r.version;
    fx.store.record = wr_span(bytes, wr_root_encode(&r, bytes));
    wr_disk_do(&b->w.hosts[h].disk, &fx, 0, &ev);
}

/* Each host forgets it at its own time; the others do not give it back. */
Test(repair, what_was_over_long_ago_is_forgotten_by_all)
{
    struct wr_world_cfg cfg = cfg_of(6, 4);
    cfg.node.repair_us = WR_SEC(10);
    cfg.node.sweep_us = WR_SEC(120);
    cfg.node.forget_s = 300;
    struct bed *b = bed_open(&cfg, 6);
    struct wr_id key;

    for (wr_host h = 0; h < 2; h++) /* Also where it does not belong. */
        keep_given_up(b, h, &key);
    run_s(b, 200);
    all_stand(b, true, &key, 1);
    run_s(b, 600);
    for (wr_host h = 0; h < 6; h++)
        cr_assert_null(wr_disk_find(&b->w.hosts[h].disk.roots, &key), "%u", h);
    bed_close(b);
}

/* A store that was salvaged does not know who refers to what; the others do. */
Test(repair, what_stands_for_lost_references_stays_where_it_is)
{
    const struct wr_world_cfg cfg = cfg_of(5, 4);
    struct bed *b = bed_open(&cfg, 5);
    struct wr_put_id lost;
    wr_host set[WR_SET_MAX];

    memcpy(lost.b, wr_put_id_salvaged, sizeof(lost.b));
    for (unsigned i = 0; i < 3; i++) { /* The owner's store, and others'. */
        const struct wr_id key = new_key(b);

        cr_assert_eq(wr_copies_set(&b->w, &b->all, &key, set), 3);
        for (unsigned k = 0; k < 3; k++)
            keep(b, set[k], &key, k == i ? lost : put_id(1));
        run_s(b, 200);
        for (unsigned k = 0; k < 3; k++)
            cr_assert_eq(item(b, set[k], &key)->refs_n, 1u + (k == i));
        const uint64_t said = sent(b, WR_MSG_HAVE);

        run_s(b, 200);
        cr_assert_eq(sent(b, WR_MSG_HAVE), said);
    }
    const struct wr_id deleted = new_key(b);

    cr_assert_eq(wr_copies_set(&b->w, &b->all, &deleted, set), 3);
    keep(b, set[1], &deleted, lost);
    run_s(b, 300);
    cr_assert_eq(copies_of(b, false, &deleted).stand, 1);
    bed_close(b);
}

/* It rots, and somebody reads it, and sees. */
static void rot_seen(struct bed *b, wr_host h, const struct wr_id *key)
{
    struct wr_fx fx = {.kind = WR_FX_STORE_GET};
    struct wr_event ev = {.kind = WR_EV_STORED};

    wr_disk_rot(&b->w.hosts[h].disk, key);
    fx.store.digest = *key;
    wr_disk_do(&b->w.hosts[h].disk, &fx, 0, &ev);
    cr_assert_eq(ev.stored.status, WR_STATUS_BAD);
}

Test(repair, a_rotten_copy_counts_as_missing)
{
    const struct wr_world_cfg cfg = cfg_of(5, 4);
    struct bed *b = bed_open(&cfg, 5);
    wr_host set[WR_SET_MAX];

    for (unsigned i = 0; i < 3; i++) { /* The owner's, and others'. */
        const struct wr_id key = new_key(b);

        cr_assert_eq(wr_copies_set(&b->w, &b->all, &key, set), 3);
        for (unsigned k = 0; k < 3; k++)
            keep(b, set[k], &key, put_id(1));
        rot_seen(b, set[i], &key);
        run_s(b, 200);
        cr_assert_eq(item(b, set[i], &key)->rot, 0);
        cr_assert_eq(item(b, set[i], &key)->refs_n, 1);
    }
    bed_close(b);
}

/* A list of what is sound there has no room for all that is not. */
Test(repair, where_much_is_rotten_all_of_it_is_mended)
{
    const struct wr_world_cfg cfg = cfg_of(5, 4);
    struct bed *b = bed_open(&cfg, 5);
    struct wr_id key = new_key(b);
    wr_host set[WR_SET_MAX];

    cr_assert_eq(wr_copies_set(&b->w, &b->all, &key, set), 3);
    for (uint8_t i = 0; i < 200; i++) {
        key.b[2] = i;
        for (unsigned k = 0; k < 3; k++)
            keep(b, set[k], &key, put_id(1));
        rot_seen(b, set[1], &key);
    }
    run_s(b, 400);
    for (uint8_t i = 0; i < 200; i++) {
        key.b[2] = i;
        cr_assert_eq(item(b, set[1], &key)->rot, 0);
    }
    bed_close(b);
}

/* Bytes for a full disk are sent for nothing: a few tell, the rest stays. */
Test(repair, a_full_disk_is_sent_little)
{
    const struct wr_world_cfg cfg = cfg_of(5, 4);
    struct bed *b = bed_open(&cfg, 5);
    struct wr_id key = new_key(b);
    wr_host set[WR_SET_MAX];
    struct wr_repair *r;

    cr_assert_eq(wr_copies_set(&b->w, &b->all, &key, set), 3);
    r = b->w.hosts[set[0]].node->core.repair;
    for (uint8_t i = 0; i < 200; i++) {
        key.b[2] = i;
        keep(b, set[0], &key, put_id(1));
    }
    while (b->w.now < WR_SEC(30)) {
        wr_world_run(&b->w, b->w.now + WR_MS(1));
        for (unsigned i = 0; i < WR_REPAIR_JOBS; i++) {
            struct wr_msg m = message(WR_MSG_PUT_DONE, r->jobs[i].id);
            struct wr_event ev = {
                .kind = WR_EV_RECV, .from = r->jobs[i].host, .msg = &m};

            m.put_done.status = WR_STATUS_FULL;
            if (r->jobs[i].step == WR_JOB_KEEP && r->jobs[i].id != 0)
                wr_world_step(&b->w, set[0], &ev);
        }
    }
    cr_assert_gt(sent(b, WR_MSG_PUT), 0);
    cr_assert_leq(sent(b, WR_MSG_PUT), 2 * WR_REPAIR_JOBS);
    bed_close(b);
}

/* Sixteen chunks share a line, or a disk: an answer takes longer than one to a
 * chunk alone, and what is sent once more for nothing makes it longer still. */
Test(repair, what_is_slow_is_not_sent_twice)
{
    struct wr_world_cfg cfg = cfg_of(5, 4);
    wr_host set[WR_SET_MAX];
    struct wr_id key;

    cfg.faults = true;
    struct bed *b = bed_open(&cfg, 5);

    key = new_key(b);
    cr_assert_eq(wr_copies_set(&b->w, &b->all, &key, set), 3);
    for (uint8_t i = 0; i < 200; i++) {
        key.b[2] = i;
        keep(b, set[0], &key, put_id(1));
    }
    b->w.faults[set[1]].slow_us = b->w.faults[set[2]].slow_us = WR_SEC(6);
    run_s(b, 400);
    for (uint8_t i = 0; i < 200; i++) {
        key.b[2] = i;
        cr_assert_eq(copies_of(b, false, &key).stand, 3);
    }
    cr_assert_leq(sent(b, WR_MSG_PUT), 400 + WR_REPAIR_JOBS);
    bed_close(b);
}

/* ---- who comes and goes -------------------------------------------------- */

static void fill(struct bed *b, struct wr_id *keys, size_t n)
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

Test(repair, a_joiner_gets_what_is_its_own_and_others_let_go)
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
Test(repair, a_copy_too_few_and_one_too_many_are_seen)
{
    struct wr_world_cfg cfg = cfg_of(8, 4);
    cfg.node.repair_us = WR_NEVER;
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id key[1];
    wr_host set[WR_SET_MAX], stray = 0;

    fill(b, key, 1);
    all_stand(b, false, key, 1);
    cr_assert_eq(wr_copies_set(&b->w, &b->all, key, set), 3);
    while (listed(set, 3, stray))
        stray++;
    keep(b, stray, key, put_id(1));
    wr_disk_drop(&b->w.hosts[set[1]].disk.chunks, key);
    run_s(b, 60);
    cr_assert_eq(copies_of(b, false, key).stand, 2);
    cr_assert_eq(copies_of(b, false, key).strays, 1);
    bed_close(b);
}

/* A misplaced copy stays for a reader's time after the set has it. */
Test(repair, a_misplaced_copy_outlives_a_reader)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id key[1];
    wr_host set[WR_SET_MAX], stray = 0;
    wr_time stood = 0;

    run_s(b, 30);
    fill(b, key, 1);
    cr_assert_eq(wr_copies_set(&b->w, &b->all, key, set), 3);
    while (listed(set, 3, stray))
        stray++;
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
Test(repair, what_changed_is_not_dropped)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id key[1];
    wr_host set[WR_SET_MAX], stray = 0;
    uint8_t put = 2;

    fill(b, key, 1);
    cr_assert_eq(wr_copies_set(&b->w, &b->all, key, set), 3);
    while (listed(set, 3, stray))
        stray++;
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
Test(repair, what_came_after_the_set_was_asked_is_not_dropped)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id key[2];
    wr_host set[WR_SET_MAX], stray = 0;
    bool came = false;

    fill(b, key, 1);
    key[1] = key[0];
    key[1].b[31] ^= 1;
    cr_assert_eq(wr_copies_set(&b->w, &b->all, key, set), 3);
    while (listed(set, 3, stray))
        stray++;
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
Test(repair, what_was_just_counted_on_is_not_dropped)
{
    const enum wr_msg_kind kinds[] = {WR_MSG_HAVE, WR_MSG_PUT, WR_MSG_ROOT_PUT};
    const struct wr_world_cfg cfg = cfg_of(8, 4);

    for (unsigned k = 0; k < WR_ARRAY_LEN(kinds); k++) {
        const bool root = kinds[k] == WR_MSG_ROOT_PUT;
        struct bed *b = bed_open(&cfg, 8);
        const struct wr_id key = new_key(b);
        struct wr_event ev = {.kind = WR_EV_RECV};
        struct wr_msg m = message(kinds[k], 1000);
        wr_host set[WR_SET_MAX], stray = 0;
        wr_time came = 0;

        cr_assert_eq(wr_copies_set(&b->w, &b->all, &key, set), 3);
        while (listed(set, 3, stray))
            stray++;
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

        if (!listed(set, n, h))
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
        struct wr_msg m = message(WR_MSG_SYNCED, s->id);
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
Test(repair, what_the_set_was_asked_about_stays_when_the_set_has_changed)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    const struct wr_id key = new_key(b);
    wr_host set[WR_SET_MAX], now[WR_SET_MAX];
    const wr_host stray = next_after(b, &key);
    const struct wr_core *c = &b->w.hosts[stray].node->core;

    cr_assert_eq(wr_copies_set(&b->w, &b->all, &key, set), 3);
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
    cr_assert_eq(wr_copies_set(&b->w, &b->all, &key, now), 3);
    cr_assert(listed(now, 3, stray));
    while (lets_go(c->repair))
        wr_world_run(&b->w, b->w.now + WR_MS(1));
    run_s(b, 1);
    cr_assert_not_null(item(b, stray, &key));
    bed_close(b);
}

/* What was deleted waits for the sweep; the rest of its arc does not. */
Test(repair, what_nothing_refers_to_keeps_nothing_else_back)
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
    cr_assert_eq(wr_copies_set(&b->w, &b->all, key, set), 3);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(b->w.hosts[set[i]].disk.chunks.n, 1);
    keep(b, stray, &key[1], put_id(2)); /* Counted on again: it is given. */
    run_s(b, 400);
    all_stand(b, false, &key[1], 1);
    cr_assert_not_null(item(b, stray, &key[2]));
    bed_close(b);
}

/* Its bytes are worth nothing, what it knows of who refers to it is. */
Test(repair, a_misplaced_rotten_copy_keeps_its_references)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_fx fx = {.kind = WR_FX_STORE_GET};
    struct wr_event ev = {.kind = WR_EV_STORED};
    struct wr_id key[2];
    wr_host set[WR_SET_MAX], stray = 0;

    fill(b, key, 1);
    key[1] = key[0];
    key[1].b[31] ^= 1;
    cr_assert_eq(wr_copies_set(&b->w, &b->all, key, set), 3);
    while (listed(set, 3, stray))
        stray++;
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

/* Who leaves hands everything on while others still count it in the set. */
Test(repair, what_a_leaver_handed_on_stands_when_it_is_gone)
{
    struct wr_world_cfg cfg = cfg_of(7, 4);
    cfg.faults = true;
    cfg.node.repair_us = WR_SEC(20);
    struct bed *b = bed_open(&cfg, 7);
    static struct wr_id keys[2000];
    wr_host set[WR_SET_MAX];
    bool gone;

    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 60);
    keys[0].b[0] = keys[0].b[1] = 0; /* Handed on first. */
    cr_assert_eq(wr_copies_set(&b->w, &b->all, keys, set), 3);
    for (unsigned i = 0; i < 3; i++)
        keep(b, set[i], keys, put_id(1));
    for (unsigned i = 0; i < 3; i++) {
        b->w.faults[set[i]].slow_us = WR_MS(1500);
        wr_world_leave(&b->w, set[i]);
    }
    do {
        run_s(b, 1);
        gone = true;
        for (unsigned i = 0; i < 3; i++)
            gone = gone && b->w.hosts[set[i]].left;
    } while (!gone && b->w.now < WR_SEC(3600));
    cr_assert(gone);
    cr_assert_eq(copies_of(b, false, keys).stand, 3, "%u of 3 at %llu s",
                 copies_of(b, false, keys).stand,
                 (unsigned long long)(b->w.now / WR_SEC(1)));
    bed_close(b);
}

/* Also where the leaver has room for the put ids of few chunks at a time. */
Test(repair, a_leaver_hands_on_all_references)
{
    struct wr_world_cfg cfg = cfg_of(5, 4);
    cfg.node.repair_us = WR_NEVER;
    cfg.node.have_ops_max = 1;
    struct bed *b = bed_open(&cfg, 5);
    struct wr_id keys[20];
    wr_host set[WR_SET_MAX];

    for (size_t i = 0; i < WR_ARRAY_LEN(keys); i++) {
        keys[i] = new_key(b);
        for (uint8_t put = 1; put <= 3; put++)
            keep(b, 0, &keys[i], put_id(put));
    }
    run_s(b, 10);
    wr_world_leave(&b->w, 0);
    run_s(b, 60);
    cr_assert(b->w.hosts[0].left);
    for (size_t i = 0; i < WR_ARRAY_LEN(keys); i++) {
        cr_assert_eq(wr_copies_set(&b->w, &b->all, &keys[i], set), 3);
        for (unsigned k = 0; k < 3; k++) {
            cr_assert_not_null(item(b, set[k], &keys[i]));
            cr_assert_eq(item(b, set[k], &keys[i])->refs_n, 3, "%zu", i);
        }
    }
    bed_close(b);
}

Test(repair, a_reboot_copies_nothing_and_a_death_does)
{
    const struct wr_world_cfg cfg = cfg_of(8, 4);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id keys[60];
    uint64_t puts;

    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 200);
    puts = sent(b, WR_MSG_PUT);
    cr_assert_eq(puts, 0, "%llu", (unsigned long long)puts);
    wr_world_crash(&b->w, 3);
    run_s(b, 240); /* Within the patience. */
    cr_assert_eq(sent(b, WR_MSG_PUT) + sent(b, WR_MSG_GET), 0);
    wr_world_up(&b->w, 3, 0);
    run_s(b, 200);
    cr_assert_eq(sent(b, WR_MSG_PUT) + sent(b, WR_MSG_GET), 0);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    wr_world_crash(&b->w, 3);
    run_s(b, 1000); /* It does not come back. */
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    cr_assert_gt(sent(b, WR_MSG_PUT) + sent(b, WR_MSG_GET), 0);
    wr_world_up(&b->w, 3, 0); /* Or so it seemed. */
    run_s(b, 600);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    bed_close(b);
}

/* Not when a round happens to be due. */
Test(repair, copies_come_back_when_the_patience_ends)
{
    struct wr_world_cfg cfg = cfg_of(8, 4);
    cfg.node.repair_us = WR_SEC(86400);
    struct bed *b = bed_open(&cfg, 8);
    struct wr_id keys[60];

    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 200);
    wr_world_crash(&b->w, 3);
    run_s(b, 290);
    cr_assert_eq(sent(b, WR_MSG_PUT) + sent(b, WR_MSG_GET), 0);
    run_s(b, 60);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    bed_close(b);
}

Test(repair, at_rest_all_copies_stand_and_little_is_said)
{
    const struct wr_world_cfg cfg = cfg_of(6, 4);
    struct bed *b = bed_open(&cfg, 6);
    static struct wr_id keys[200];
    uint64_t asked, bytes;

    fill(b, keys, WR_ARRAY_LEN(keys));
    run_s(b, 200);
    for (wr_host h = 0; h < 6; h++)
        cr_assert(wr_repair_stands(b->w.hosts[h].node->core.repair));
    asked = sent(b, WR_MSG_SYNC);
    bytes = b->w.sent_bytes[WR_MSG_SYNC] + b->w.sent_bytes[WR_MSG_SYNCED];
    cr_assert_eq(asked, sent(b, WR_MSG_SYNCED));
    cr_assert_leq(bytes / (2 * asked), 256);
    run_s(b, 300);
    cr_assert_eq(sent(b, WR_MSG_PUT) + sent(b, WR_MSG_GET), 0);
    bed_close(b);
}

/* ---- what strangers say -------------------------------------------------- */

static struct wr_msg sync_of(uint64_t rid, const struct wr_id arc[2])
{
    struct wr_msg m = message(WR_MSG_SYNC, rid);

    m.sync.arc = wr_span(arc, 2 * sizeof(arc[0]));
    return m;
}

/* Answers from a host whose mind is made up to say anything. */
Test(repair, no_answer_makes_it_do_anything_but_ask)
{
    struct wr_world_cfg cfg = cfg_of(5, 4);
    cfg.node.repair_us = WR_SEC(2);
    struct bed *b = bed_open(&cfg, 5);
    static struct wr_id keys[50];
    struct wr_repair *r = b->w.hosts[0].node->core.repair;
    uint8_t list[WR_SYNC_BYTES];
    unsigned said = 0;

    fill(b, keys, WR_ARRAY_LEN(keys));
    for (unsigned i = 0; i < 20000; i++) {
        struct wr_event ev = {.kind = WR_EV_RECV};
        struct wr_msg m;

        wr_world_run(&b->w, b->w.now + WR_MS(10));
        for (unsigned k = 0; k < WR_REPAIR_SYNCS; k++) {
            const struct wr_repair_sync *s = &r->syncs[k];

            if (s->phase != WR_SYNC_ASK || s->id == 0)
                continue;
            wr_rng_fill(&b->rng, list, sizeof(list));
            m = message(WR_MSG_SYNCED, s->id);
            m.synced.status = (uint8_t)wr_rng_below(&b->rng, 3);
            m.synced.what = (uint8_t)wr_rng_below(&b->rng, 4);
            m.synced.count = wr_rng_next(&b->rng);
            m.synced.list = wr_span(
                list, wr_rng_below(&b->rng, 2) == 0
                          ? 16 * 16
                          : 48 * wr_rng_below(&b->rng, WR_SYNC_BYTES / 48));
            ev.from = s->hosts[s->hosts_i];
            ev.msg = &m;
            wr_world_step(&b->w, 0, &ev);
            said++;
        }
    }
    cr_assert_gt(said, 100);
    run_s(b, 400);
    all_stand(b, false, keys, WR_ARRAY_LEN(keys));
    bed_close(b);
}

/* Whatever `liar` is asked by `h`, it has something to say that calls for one
 * more question. */
static void say_more(struct bed *b, wr_host h, wr_host liar, bool refs)
{
    const struct wr_repair *r = b->w.hosts[h].node->core.repair;
    struct wr_event ev = {.kind = WR_EV_RECV, .from = liar};
    uint8_t list[WR_SYNC_BYTES];

    wr_rng_fill(&b->rng, list, sizeof(list));
    for (unsigned i = 0; i < WR_REPAIR_SYNCS && !refs; i++) {
        const struct wr_repair_sync *s = &r->syncs[i];
        struct wr_msg m = message(WR_MSG_SYNCED, s->id);
        const bool deep = s->levels_n > 8;

        if (s->phase != WR_SYNC_ASK || s->id == 0 ||
            s->hosts[s->hosts_i] != liar)
            continue;
        if (deep)
            memcpy(list, s->to.b, sizeof(s->to.b));
        m.synced.what = deep ? WR_SYNCED_ITEMS : WR_SYNCED_PARTS;
        m.synced.list =
            wr_span(list, deep ? WR_SYNC_ITEM : WR_ARC_PARTS * WR_PRINT);
        ev.msg = &m;
        wr_world_step(&b->w, h, &ev);
    }
    for (unsigned i = 0; i < WR_REPAIR_JOBS; i++) {
        const struct wr_job *j = &r->jobs[i];
        struct wr_msg m = message(WR_MSG_SYNCED, j->id);

        if (j->step != WR_JOB_REFS || !j->take || j->host != liar || j->id == 0)
            continue;
        m.synced.what = WR_SYNCED_REFS;
        m.synced.list =
            wr_span(list, refs ? WR_SYNC_REFS * sizeof(struct wr_put_id) : 0);
        ev.msg = &m;
        wr_world_step(&b->w, h, &ev);
    }
}

/* A round ends, and the next begins, though each answer of one host calls for
 * more: ranges that differ everywhere, chunks that nothing refers to, put ids
 * without end. */
Test(repair, who_never_comes_to_an_end_is_left)
{
    struct wr_world_cfg cfg = cfg_of(5, 4);
    cfg.net.min_us = WR_MS(30);
    cfg.net.max_us = WR_MS(40);
    cfg.faults = true;
    for (unsigned refs = 0; refs < 2; refs++) {
        struct bed *b = bed_open(&cfg, 5);
        const struct wr_id key = new_key(b);
        wr_host set[WR_SET_MAX];
        uint64_t rounds;

        run_s(b, 100);
        cr_assert_eq(wr_copies_set(&b->w, &b->all, &key, set), 3);
        if (refs > 0) {
            for (unsigned i = 0; i < 3; i++)
                keep(b, set[i], &key, put_id((uint8_t)(1 + i)));
            b->w.faults[set[0]].slow_us = WR_SEC(2);
        }
        rounds = b->w.hosts[set[0]].node->core.repair->rounds;
        for (unsigned i = 0; i < 50 * 60 * 60; i++) {
            wr_world_run(&b->w, b->w.now + WR_MS(20));
            say_more(b, set[0], set[1], refs > 0);
        }
        cr_assert_geq(b->w.hosts[set[0]].node->core.repair->rounds, rounds + 2,
                      "%u", refs);
        run_s(b, 60);
        bed_close(b);
    }
}

/* Two hosts must not let go of the same, each because the other has it. */
Test(repair, who_lets_go_vouches_for_nothing)
{
    const struct wr_world_cfg cfg = cfg_of(5, 4);
    struct bed *b = bed_open(&cfg, 5);
    struct wr_id arc[2] = {new_key(b), new_key(b)}, mid = new_key(b);
    struct wr_repair_sync *s;

    run_s(b, 5);
    arc[0].b[0] = 0x20;
    mid.b[0] = 0x30;
    arc[1].b[0] = 0x40;
    s = &b->w.hosts[0].node->core.repair->syncs[0];
    *s = (struct wr_repair_sync){.phase = WR_SYNC_WAIT,
                                 .jobs = 1,
                                 .leaving = true,
                                 .begin = arc[0],
                                 .end = arc[1]};
    for (unsigned i = 0; i < 3; i++) { /* Within, around, beyond. */
        struct wr_id asked[2] = {arc[0], i == 0 ? mid : arc[1]};
        struct wr_msg m = sync_of(1000 + i, asked);
        struct wr_event ev = {.kind = WR_EV_RECV, .from = 1, .msg = &m};
        uint64_t before = sent(b, WR_MSG_SYNCED);

        asked[0].b[0] = i == 2 ? 0x50 : 0x10;
        asked[1].b[0] = i == 2 ? 0x60 : asked[1].b[0] + 1;
        wr_world_step(&b->w, 0, &ev);
        cr_assert_eq(sent(b, WR_MSG_SYNCED) - before, i < 2, "%u", i);
    }
    *s = (struct wr_repair_sync){.phase = WR_SYNC_FREE};
    run_s(b, 5);
    bed_close(b);
}

Test(repair, who_asks_too_much_at_once_is_told_to_wait)
{
    const struct wr_world_cfg cfg = cfg_of(5, 4);
    struct bed *b = bed_open(&cfg, 5);
    const struct wr_id arc[2] = {new_key(b), new_key(b)};
    uint64_t before;

    run_s(b, 5);
    before = sent(b, WR_MSG_SYNCED);
    for (unsigned i = 0; i < 50; i++) {
        struct wr_msg m = sync_of(1000 + i, arc);
        struct wr_event ev = {.kind = WR_EV_RECV, .from = 1, .msg = &m};

        wr_world_step(&b->w, 0, &ev);
    }
    /* All but a few are answered at once: BUSY. */
    cr_assert_geq(sent(b, WR_MSG_SYNCED) - before, 50 - WR_REPAIR_EACH);
    run_s(b, 5);
    cr_assert_geq(sent(b, WR_MSG_SYNCED) - before, 50);
    bed_close(b);
}
