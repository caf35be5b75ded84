/* What strange answers and endless questions do to repair. */
#include "repair_bed.h"

static struct wr_msg sync_of(uint64_t rid, const struct wr_id arc[2])
{
    struct wr_msg m = wr_msg_of(WR_MSG_SYNC, rid);

    m.sync.arc = wr_span(arc, 2 * sizeof(arc[0]));
    return m;
}

/* Answers from a host whose mind is made up to say anything. */
Test(repair_liar, no_answer_makes_it_do_anything_but_ask)
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
            m = wr_msg_of(WR_MSG_SYNCED, s->id);
            m.synced.status = (uint8_t)wr_rng_below(&b->rng, 3);
            m.synced.what = (uint8_t)wr_rng_below(&b->rng, 4);
            m.synced.count = wr_rng_next(&b->rng);
            m.synced.list = wr_span(
                list,
                wr_rng_below(&b->rng, 2) == 0
                    ? WR_ARC_PARTS * WR_PRINT
                    : WR_SYNC_ITEM *
                          wr_rng_below(&b->rng, WR_SYNC_BYTES / WR_SYNC_ITEM));
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
        struct wr_msg m = wr_msg_of(WR_MSG_SYNCED, s->id);
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
        struct wr_msg m = wr_msg_of(WR_MSG_SYNCED, j->id);

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
Test(repair_liar, who_never_comes_to_an_end_is_left)
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
        set_of(b, &key, set);
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
Test(repair_liar, who_lets_go_vouches_for_nothing)
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

Test(repair_liar, who_asks_too_much_at_once_is_told_to_wait)
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
