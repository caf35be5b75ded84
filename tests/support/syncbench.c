/*
 * syncbench.c - what it costs to find out that two hosts hold the same, or what
 * differs; no test. Two simulated hosts keep the same chunks; a round of repair
 * is counted as it is, and after 1 and 100 of them were taken from one disk or
 * the other.
 *
 *     syncbench [CHUNKS]      1,000,000
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../sim/world.h"
#include "proto/repair.h"
#include "simkit.h"

enum { HOSTS = 2, MEMBERS = 2 };

struct cost {
    uint64_t asked, ask_bytes, answer_bytes, moved;
};

static struct wr_id key_of(uint64_t i, uint64_t n)
{
    const uint64_t gap = UINT64_MAX / n, at = i * gap;
    struct wr_rng rng = {i + 1};
    struct wr_id key;

    wr_rng_fill(&rng, key.b, sizeof(key.b));
    const uint64_t prefix = at + wr_rng_below(&rng, gap);

    for (unsigned k = 0; k < 8; k++)
        key.b[k] = (uint8_t)(prefix >> (56 - 8 * k));
    return key;
}

static void keep(struct wr_world *w, wr_host h, const struct wr_id *key)
{
    struct wr_fx fx = {.kind = WR_FX_STORE_PUT};
    struct wr_event ev;

    fx.store.digest = *key;
    fx.store.put.b[0] = 1;
    wr_disk_do(&w->hosts[h].disk, &fx, 1000, &ev);
}

static struct cost cost_of(const struct wr_world *w)
{
    return (struct cost){w->sent_n[WR_MSG_SYNC], w->sent_bytes[WR_MSG_SYNC],
                         w->sent_bytes[WR_MSG_SYNCED],
                         w->sent_n[WR_MSG_PUT] + w->sent_n[WR_MSG_GET]};
}

/* A whole round of each host, begun after this. */
static struct cost round_of(struct wr_world *w)
{
    const struct cost was = cost_of(w);
    struct cost is;

    for (wr_host h = 0; h < HOSTS; h++) {
        const struct wr_repair *r = w->hosts[h].node->core.repair;
        const uint64_t to = r->rounds + 1;

        while (r->rounds < to)
            wr_world_run(w, w->now + WR_SEC(1));
    }
    is = cost_of(w);
    return (struct cost){is.asked - was.asked, is.ask_bytes - was.ask_bytes,
                         is.answer_bytes - was.answer_bytes,
                         is.moved - was.moved};
}

static void say(unsigned differ, const struct cost *c)
{
    printf("%4u differ: %" PRIu64 " questions, %" PRIu64
           " bytes asked, %" PRIu64 " answered, %" PRIu64 " chunks moved\n",
           differ, c->asked, c->ask_bytes, c->answer_bytes, c->moved);
}

int main(int argc, char **argv)
{
    const uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    struct wr_world_cfg cfg = simkit_ring(3, HOSTS, MEMBERS, 1, 2);
    struct wr_rng rng = {9};
    struct wr_world w;
    struct cost c;

    if (n < 1000)
        return 2;
    cfg.node.succs = 2;
    cfg.node.copies = 2;
    cfg.node.repair_us = WR_SEC(60);
    cfg.node.repair_rate = 0;
    WR_CHECK(wr_world_init(&w, &cfg) == WR_OK);
    wr_world_begin(&w, NULL, HOSTS);
    for (uint64_t i = 0; i < n; i++) {
        const struct wr_id key = key_of(i, n);

        for (wr_host h = 0; h < HOSTS; h++)
            keep(&w, h, &key);
    }
    (void)round_of(&w);
    c = round_of(&w);
    printf("%" PRIu64 " chunks on two hosts, %d ranges, each asked of once for "
           "chunks and once for records\n",
           n, HOSTS * MEMBERS);
    printf("   equal  : at most %" PRIu64 " bytes a question, %" PRIu64
           " an answer, with framing\n",
           (c.ask_bytes + c.asked - 1) / c.asked,
           (c.answer_bytes + c.asked - 1) / c.asked);
    say(0, &c);
    for (unsigned k = 1; k <= 100; k *= 100) {
        for (unsigned i = 0; i < k; i++) {
            const struct wr_id key = key_of(wr_rng_below(&rng, n), n);

            wr_disk_drop(&w.hosts[i % HOSTS].disk.chunks, &key);
        }
        c = round_of(&w);
        say(k, &c);
        (void)round_of(&w);
    }
    wr_world_done(&w);
    return 0;
}
