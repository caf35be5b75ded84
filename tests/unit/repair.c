/* What differs between the copies of a set is mended. */
#include "crypto/root.h"
#include "repair_bed.h"

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

    set_of(b, &key, set);
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

    set_of(b, &key, set);
    set_of(b, &root, roots);
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

        set_of(b, &key, set);
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

    set_of(b, &deleted, set);
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

        set_of(b, &key, set);
        keep_three(b, set, &key);
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

    set_of(b, &key, set);
    for (uint8_t i = 0; i < 200; i++) {
        key.b[2] = i;
        keep_three(b, set, &key);
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

    set_of(b, &key, set);
    r = b->w.hosts[set[0]].node->core.repair;
    for (uint8_t i = 0; i < 200; i++) {
        key.b[2] = i;
        keep(b, set[0], &key, put_id(1));
    }
    while (b->w.now < WR_SEC(30)) {
        wr_world_run(&b->w, b->w.now + WR_MS(1));
        for (unsigned i = 0; i < WR_REPAIR_JOBS; i++) {
            struct wr_msg m = wr_msg_of(WR_MSG_PUT_DONE, r->jobs[i].id);
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
    set_of(b, &key, set);
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
