/*
 * smallworld.c - many small worlds, each with a life of its own:
 *
 *     smallworld [--seeds N] [--from S] [--hosts H] [--members V] [--haves]
 *                [-v]
 *     smallworld [--hosts H] [--members V] [--haves] [-v] SEED...
 *
 * A seed draws a ring and a schedule: hosts join, crash, restart, stop and
 * leave; messages are lost and doubled; the network is cut and heals; all
 * hosts go down at once. While that goes on, the invariant (I1, I2) must hold
 * unless one of its assumptions was broken; such breaks are counted apart.
 * Then comes quiet, and the ring must become ideal.
 *
 * Leaves put and get all the while. What was acknowledged must be found in the
 * quiet ring: while hosts are down if one that is up has it, and in any case
 * once all that have not left are back. With --haves they also ask all the
 * while which chunks stand, and a yes counts as an acknowledgement; without it
 * only once, in the quiet ring.
 *
 * A seed that fails prints the one command that repeats it. Output is TAP.
 */
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "data.h"

enum { KEYS = 256, NAMED_MAX = 256 };

struct options {
    uint64_t from, seeds;
    uint64_t named[NAMED_MAX]; /* If there are any, instead of these. */
    uint32_t named_n;
    uint32_t hosts;
    unsigned members;
    bool haves; /* In the storm as well: this changes what a seed lives. */
    bool verbose;
};

struct life {
    struct wr_world w;
    struct wr_data data;
    struct wr_rng rng;
    bool verbose;
    bool cut;
    bool excused;    /* An assumption was broken since the ring was ideal. */
    uint32_t breaks; /* Times that this began. */
    uint64_t false_deaths;
    wr_time lost_at; /* The last failure. */
    wr_time heal_us; /* From the beginning of quiet to the ideal ring. */
    uint32_t left_n; /* Hosts that had left at the last look. */
    bool dissolved;  /* Nobody was left who could let others in. */
    const char *why; /* It failed. */
    struct wr_id keys[KEYS];
    uint64_t batch, asked_n, open_n; /* Of the last batch of lookups. */
    uint64_t right_n, wrong_n, failed_n;
};

enum { ACTIONS_MIN = 8, ACTIONS_MORE = 16 };

static const wr_time quiet_max_us = WR_SEC(3600);

/* Every member, with the first bytes of the ids in its list. */
static void dump(const struct life *l)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        for (uint8_t i = 0; wr_world_is_up(&l->w, h) && i < l->w.cfg.members;
             i++) {
            const struct wr_ring *r = &l->w.hosts[h].node->core.rings[i];

            printf("#   %02x %u.%u phase %u op %u:",
                   wr_book_id(&l->w.book, r->self)->b[0], h, i, r->phase,
                   r->op);
            for (uint8_t k = 0; k < r->succs_n; k++)
                printf(" %02x", wr_book_id(&l->w.book, r->succs[k])->b[0]);
            printf("\n");
        }
    }
}

static void fail(struct life *l, const char *why, const struct wr_check *k)
{
    if (l->why != NULL)
        return;
    l->why = why;
    printf("# %s at %.3f s: members %u, principals %u, starved %u, "
           "unordered %u, rings %u, off ring %u, not ideal %u (first %d.%d)\n",
           why, (double)l->w.now / 1e6, k->members, k->principals, k->starved,
           k->unordered, k->rings, k->off_ring, k->not_ideal,
           k->first_wrong == WR_NO_REF ? -1 : (int)wr_ref_host(k->first_wrong),
           k->first_wrong == WR_NO_REF ? -1 : wr_ref_index(k->first_wrong));
    if (l->verbose)
        dump(l);
}

static void excuse(struct life *l, const char *why)
{
    if (l->verbose && !l->excused)
        printf("# %.3f s: assumption broken: %s\n", (double)l->w.now / 1e6,
               why);
    if (!l->excused)
        l->breaks++;
    l->excused = true;
}

/* Somebody came back, and not everybody knows yet. */
static bool believed_dead(const struct life *l)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        const struct wr_world_host *host = &l->w.hosts[h];

        for (uint32_t i = 0; host->node != NULL && i < host->node->peers.n;
             i++) {
            const struct wr_peer *e = &host->node->peers.v[i];

            if (e->state > WR_PEER_PROBED && l->w.hosts[e->host].joined)
                return true;
        }
    }
    return false;
}

/* What must hold at any time. */
static void check(struct life *l)
{

    struct wr_check k;

    wr_check(&l->w, &k);
    if (l->w.false_deaths != l->false_deaths) {
        l->false_deaths = l->w.false_deaths;
        excuse(l, "somebody alive was held for dead");
    }
    if (k.unordered > 0) /* Nothing excuses this: it is a local matter. */
        fail(l, "a list out of order", &k);
    if (wr_check_ideal(&l->w, &k) && !l->cut)
        l->excused = false;
    else if (!wr_check_invariant(&l->w, &k) && !l->excused) {
        /* The proof's steps are atomic; an answer on its way is not. */
        if (believed_dead(l))
            excuse(l, "somebody alive is held for dead still");
        else if (l->w.now - l->lost_at <= 2 * l->w.cfg.net.max_us + WR_SEC(1))
            excuse(l, "a member failed while its answer was under way");
        else
            fail(l, "the invariant is violated", &k);
    }
}

/* After hosts went: A1 or A2 may be broken by that very failure. */
static void check_loss(struct life *l)
{
    struct wr_check k;

    l->lost_at = l->w.now;
    wr_check(&l->w, &k);
    if (!wr_check_invariant(&l->w, &k))
        excuse(l, "too many members failed before repair");
}

/* Who left since the last call went just now: a leave takes its time. */
static void check_left(struct life *l)
{
    uint32_t left = 0;

    for (wr_host h = 0; h < l->w.cfg.hosts; h++)
        left += l->w.hosts[h].left;
    if (left != l->left_n)
        check_loss(l);
    l->left_n = left;
}

static bool anybody_leaving(const struct life *l)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++)
        if (l->w.hosts[h].leaving)
            return true;
    return false;
}

static void check_data(struct life *l)
{
    const struct wr_data *d = &l->data;

    if (l->why != NULL ||
        (d->why == NULL && l->w.bodies_wrong == 0 && l->w.codec_wrong == 0))
        return;
    if (d->why != NULL)
        l->why = d->why;
    else
        l->why = l->w.codec_wrong > 0 ? "a message that breaks a limit"
                                      : "a body released twice";
    printf("# %s at %.3f s", l->why, (double)l->w.now / 1e6);
    if (d->why != NULL)
        printf(": item %u (%s), answer %s; on %u disks, %u of them up",
               d->wrong_item, d->items[d->wrong_item].root ? "root" : "chunk",
               wr_status_name(d->wrong_status),
               wr_data_holders(d, d->wrong_item, false),
               wr_data_holders(d, d->wrong_item, true));
    printf("\n");
}

static void run(struct life *l, wr_time us)
{
    const wr_time until = l->w.now + us;

    while (l->w.now < until && l->why == NULL) {
        wr_world_run(&l->w, wr_time_min(until, l->w.now + WR_MS(250)));
        check_left(l);
        check(l);
        wr_data_tick(&l->data);
        check_data(l);
    }
}

static uint64_t below(struct life *l, uint64_t n)
{
    return wr_rng_below(&l->rng, n);
}

/* A host that is up (or down and could come up), by lot. */
static wr_host draw(struct life *l, bool up, bool fresh)
{
    wr_host drawn = WR_NO_HOST;
    uint64_t seen = 0;

    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        const struct wr_world_host *host = &l->w.hosts[h];

        if (host->left || host->leaving || (host->node != NULL) != up ||
            (!up && (host->epoch == 0) != fresh))
            continue;
        if (below(l, ++seen) == 0)
            drawn = h;
    }
    return drawn;
}

static uint32_t up_n(const struct life *l)
{
    uint32_t n = 0;

    for (wr_host h = 0; h < l->w.cfg.hosts; h++)
        n += wr_world_is_up(&l->w, h) && !l->w.hosts[h].leaving;
    return n;
}

/* Hosts that must stay: fewer could never be a ring again (R1). */
static uint32_t least(const struct life *l)
{
    return l->w.cfg.members > l->w.cfg.node.succs ? 1
                                                  : l->w.cfg.node.succs + 2u;
}

static void join(struct life *l, bool fresh)
{
    const wr_host h = draw(l, false, fresh);
    const wr_host via = draw(l, true, false);

    if (h != WR_NO_HOST && via != WR_NO_HOST)
        wr_world_up(&l->w, h, via);
}

static void go(struct life *l, void (*how)(struct wr_world *, wr_host))
{
    if (up_n(l) > least(l)) {
        how(&l->w, draw(l, true, false));
        check_loss(l);
    }
}

static void cut(struct life *l)
{
    const uint64_t share = 1 + below(l, 5);
    const wr_host one = (wr_host)below(l, l->w.cfg.hosts);

    excuse(l, "the network is cut");
    l->cut = true;
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        /* Of one-member hosts only one: no side may lose its ring for good. */
        const bool away = least(l) > 1 ? h == one : below(l, 10) < share;

        wr_world_side(&l->w, h, away ? 1 : 0);
    }
    run(l, WR_MS(500 + below(l, 40000)));
    wr_world_heal(&l->w);
    l->cut = false;
}

static void all_down(struct life *l)
{
    bool was_up[64] = {false};

    if (least(l) > 1)
        return; /* One member each: only hands could start it again. */
    excuse(l, "all hosts went down");
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        was_up[h] = wr_world_is_up(&l->w, h);
        if (was_up[h])
            wr_world_crash(&l->w, h);
    }
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        if (was_up[h] && (below(l, 8) > 0 || up_n(l) == 0)) {
            wr_world_up(&l->w, h, WR_NO_HOST);
            run(l, WR_MS(below(l, 3000)));
        }
    }
}

static void act(struct life *l)
{
    const uint64_t what = below(l, 100);

    if (what < 25)
        join(l, true);
    else if (what < 45)
        join(l, false);
    else if (what < 65)
        go(l, wr_world_crash);
    else if (what < 72)
        go(l, wr_world_stop);
    else if (what < 78)
        go(l, wr_world_leave);
    else if (what < 84)
        l->w.net.cfg.loss_permille =
            (uint32_t)below(l, 2) * (uint32_t)below(l, 80);
    else if (what < 92)
        cut(l);
    else if (what < 96)
        all_down(l);
    else
        for (uint64_t i = 0; i < 2; i++)
            go(l, wr_world_crash);
}

/* A ring of one-member hosts that has lost all members stays lost: none of
 * them may start one (R1). Only hands could. */
static bool dissolved(const struct life *l, const struct wr_check *k)
{
    return k->members == 0 && least(l) > 1;
}

static wr_host draw_known(struct life *l)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        if (wr_world_is_up(&l->w, h) && l->w.hosts[h].known)
            return h;
    }
    return WR_NO_HOST;
}

/* Hands see to what no protocol can: a newcomer whose only contact is gone
 * knows nobody, and nobody knows it; it is given another. */
static void begin_quiet(struct life *l)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        if (draw_known(l) == WR_NO_HOST && !wr_world_is_up(&l->w, h) &&
            l->w.hosts[h].known && !l->w.hosts[h].left)
            wr_world_up(&l->w, h, WR_NO_HOST);
    }
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        if (!wr_world_is_up(&l->w, h) || l->w.hosts[h].known)
            continue;
        wr_world_crash(&l->w, h);
        if (draw_known(l) != WR_NO_HOST)
            wr_world_up(&l->w, h, draw_known(l));
    }
}

/* ---- lookups --------------------------------------------------------------
 * Right: the answer was the serving member when it came. While the ring is in
 * trouble they are only counted; in a quiet, ideal ring each must be right. */
static void on_done(struct wr_world *w, wr_host host, const struct wr_fx *fx)
{
    struct life *l = w->done_arg;
    const struct wr_msg *a = &fx->done.answer;
    const uint64_t i = fx->done.token & UINT32_MAX;

    (void)host;
    if (fx->done.token >> 32 != l->batch || i >= l->asked_n)
        return; /* Not of this batch. */
    l->open_n--;
    if (fx->done.status != WR_STATUS_OK)
        l->failed_n++;
    else if (a->routed.owner != wr_check_owner(w, &l->keys[i]))
        l->wrong_n++;
    else
        l->right_n++;
}

/* Each host that is up looks up a few keys. */
static void look_up(struct life *l, unsigned each)
{
    l->asked_n = l->open_n = 0;
    l->batch++;
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        for (unsigned i = 0; i < each && wr_world_is_up(&l->w, h); i++) {
            struct wr_event ev = {.kind = WR_EV_LOOKUP};
            struct wr_id *key = &l->keys[l->asked_n];

            if (l->asked_n == KEYS)
                return;
            wr_rng_fill(&l->rng, key->b, sizeof(key->b));
            ev.lookup.key = *key;
            ev.lookup.token = l->batch << 32 | l->asked_n++;
            l->open_n++;
            wr_world_step(&l->w, h, &ev);
        }
    }
}

static void check_lookups(struct life *l)
{
    const uint64_t wrong = l->wrong_n, failed = l->failed_n;
    struct wr_check k;

    look_up(l, 4);
    run(l, l->w.cfg.node.lookup_us + WR_SEC(1));
    wr_check(&l->w, &k);
    if (l->open_n > 0)
        fail(l, "a lookup did not end", &k);
    else if (l->wrong_n > wrong)
        fail(l, "a wrong lookup in an ideal ring", &k);
    else if (l->failed_n > failed)
        fail(l, "a failed lookup in an ideal ring", &k);
}

/* ---- data, in the quiet ring --------------------------------------------- */

static void await_ideal(struct life *l)
{
    const wr_time begin = l->w.now;
    struct wr_check k;

    do {
        run(l, WR_MS(500));
        wr_check(&l->w, &k);
    } while (l->why == NULL && !wr_check_ideal(&l->w, &k) &&
             l->w.now - begin < quiet_max_us);
    if (!wr_check_ideal(&l->w, &k))
        fail(l, "no ideal ring once all are back", &k);
}

/* Until all requests have ended: each has its deadline, and retries. */
static void await_requests(struct life *l)
{
    while (l->why == NULL && wr_data_open(&l->data) > 0)
        run(l, WR_MS(500));
}

static void read_all(struct life *l, bool held_up)
{
    for (uint32_t i = 0; i < l->data.items_n && l->why == NULL; i++) {
        if (l->data.items[i].acked &&
            (!held_up || wr_data_holders(&l->data, i, true) > 0))
            wr_data_get(&l->data, i, true);
        if (i % 4 == 3)
            await_requests(l);
    }
    await_requests(l);
}

/* What is put in a quiet ring stands: nobody would send it again. */
static void put_and_ask(struct life *l)
{
    const uint32_t item = l->data.items_n;

    if (l->why == NULL)
        wr_data_put(&l->data, true);
    await_requests(l);
    if (l->why == NULL)
        wr_data_have(&l->data, item, true);
    await_requests(l);
}

static void check_kept(struct life *l)
{
    await_requests(l);
    read_all(l, true);
    for (wr_host h = 0; h < l->w.cfg.hosts && l->why == NULL; h++)
        if (!wr_world_is_up(&l->w, h) && l->w.hosts[h].epoch > 0 &&
            !l->w.hosts[h].left && draw_known(l) != WR_NO_HOST)
            wr_world_up(&l->w, h, draw_known(l));
    if (l->why == NULL)
        await_ideal(l);
    /* The roster is whole, and all links stand, a few rounds later. */
    run(l, 4 * l->w.cfg.node.roster_us);
    put_and_ask(l);
    read_all(l, false);
    run(l, 2 * l->w.cfg.node.request_us);
    if (l->why == NULL && wr_bodies_held(&l->w.bodies) > 0) {
        l->why = "a body was never released";
        printf("# %s: %u\n", l->why, wr_bodies_held(&l->w.bodies));
    }
}

/* After the storm everything that is up must form one ideal ring, and stay. */
static void settle(struct life *l)
{
    const wr_time begin = l->w.now;
    struct wr_check k;

    l->w.net.cfg.loss_permille = l->w.net.cfg.twice_permille = 0;
    begin_quiet(l);
    if (up_n(l) == 0)
        return; /* All have left. */
    do {
        run(l, WR_MS(500));
        wr_check(&l->w, &k);
    } while (l->why == NULL &&
             (!wr_check_ideal(&l->w, &k) || anybody_leaving(l)) &&
             !dissolved(l, &k) && l->w.now - begin < quiet_max_us);
    l->dissolved = dissolved(l, &k);
    if (l->dissolved && l->breaks > 0)
        return;
    l->heal_us = l->w.now - begin;
    if (!wr_check_ideal(&l->w, &k))
        fail(l, "no ideal ring after an hour of quiet", &k);
    for (unsigned i = 0; i < 4 && l->why == NULL; i++) {
        run(l, l->w.cfg.node.round_us);
        wr_check(&l->w, &k);
        if (!wr_check_ideal(&l->w, &k))
            fail(l, "the ideal ring did not last", &k);
    }
    if (l->why == NULL)
        check_lookups(l);
    if (l->why == NULL)
        check_kept(l);
}

/* ---- what a seed draws --------------------------------------------------- */

static struct wr_world_cfg draw_world(struct life *l, uint64_t seed,
                                      const struct options *o)
{
    static const uint8_t lists[] = {2, 3, 4, 8};
    struct wr_world_cfg cfg = {.seed = seed, .trace = false};
    struct wr_node_cfg n = wr_node_cfg_default(0, 1);

    n.succs = lists[below(l, 4)];
    cfg.members = below(l, 3) == 0 ? 1 : (uint8_t)(n.succs + 1 + below(l, 3));
    if (o->members > 0)
        cfg.members = (uint8_t)o->members;
    cfg.hosts = cfg.members == 1 ? (uint32_t)(n.succs + 4 + below(l, 16))
                                 : (uint32_t)(3 + below(l, 8));
    if (o->hosts > 0)
        cfg.hosts = o->hosts;
    cfg.net.min_us = WR_MS(1);
    cfg.net.max_us = WR_MS(2) << below(l, 6);
    cfg.net.loss_permille = (uint32_t)below(l, 2) * (uint32_t)below(l, 50);
    cfg.net.twice_permille = (uint32_t)below(l, 2) * (uint32_t)below(l, 50);
    cfg.resets = below(l, 2) == 0;
    cfg.codec = true;
    n.round_us = WR_SEC(1 + below(l, 5));
    n.roster_us = WR_SEC(5);
    n.probe_dead_us = WR_SEC(10 + below(l, 50));
    n.peers_max = 64;
    n.routes_max = 256;
    n.lookups_max = 64;
    n.ops_max = 16;
    n.have_ops_max = 4;
    n.roster_max = 64;
    cfg.node = n;
    return cfg;
}

static void live(struct life *l, uint64_t seed, const struct options *o)
{
    const uint64_t actions = ACTIONS_MIN + below(l, ACTIONS_MORE);
    struct wr_world_cfg cfg = draw_world(l, seed, o);

    cfg.trace = o->verbose;
    if (wr_world_init(&l->w, &cfg) != WR_OK)
        exit(1);
    l->w.done = on_done;
    l->w.done_arg = l;
    wr_data_begin(&l->data, &l->w, seed ^ 0xda7a);
    l->data.haves = o->haves;
    wr_world_begin(&l->w, NULL,
                   cfg.members > cfg.node.succs
                       ? 1
                       : cfg.node.succs + 1u +
                             (uint32_t)below(l, cfg.hosts - cfg.node.succs));
    for (uint64_t i = 0; i < actions && l->why == NULL; i++) {
        act(l);
        if (below(l, 4) == 0)
            look_up(l, 1);
        for (uint64_t k = below(l, 4); k > 0; k--)
            wr_data_draw(&l->data);
        run(l, WR_MS(100) + WR_MS(below(l, 150)) * (1 + below(l, 100)));
    }
    settle(l);
}

static bool one(uint64_t seed, const struct options *o, struct life *ret)
{
    struct life l = {.rng = {seed ^ 0x5eed}, .verbose = o->verbose};

    live(&l, seed, o);
    if (o->verbose)
        printf("# digest %016llx; %llu messages sent, %llu lost or refused\n",
               (unsigned long long)l.w.digest, (unsigned long long)l.w.sent,
               (unsigned long long)l.w.lost);
    wr_world_done(&l.w);
    *ret = l;
    return l.why == NULL;
}

/* ---- the command line ---------------------------------------------------- */

static int usage(void)
{
    fputs(
        "usage: smallworld [--seeds N] [--from S] [--hosts H] "
        "[--members V] [--haves] [-v]\n"
        "       smallworld [--hosts H] [--members V] [--haves] [-v] SEED...\n",
        stderr);
    return 2;
}

static bool read_number(const char *text, unsigned long long *ret)
{
    char *end;

    *ret = strtoull(text, &end, 0);
    return end != text && *end == '\0';
}

static bool read_option(const char *name, unsigned long long v,
                        struct options *o)
{
    if (strcmp(name, "--seeds") == 0)
        o->seeds = v;
    else if (strcmp(name, "--from") == 0)
        o->from = v;
    else if (strcmp(name, "--hosts") == 0 && v >= 1 && v <= 64)
        o->hosts = (uint32_t)v;
    else if (strcmp(name, "--members") == 0 && v >= 1 && v <= WR_MEMBERS_MAX)
        o->members = (unsigned)v;
    else
        return false;
    return true;
}

static bool read_options(int argc, char **argv, struct options *o)
{
    unsigned long long v;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0) {
            o->verbose = true;
        } else if (strcmp(argv[i], "--haves") == 0) {
            o->haves = true;
        } else if (read_number(argv[i], &v) && o->named_n < NAMED_MAX) {
            o->named[o->named_n++] = v;
        } else if (i + 1 < argc && read_number(argv[i + 1], &v) &&
                   read_option(argv[i], v, o)) {
            i++;
        } else {
            return false;
        }
    }
    if (o->named_n > 0)
        o->seeds = o->named_n;
    return true;
}

struct sums {
    uint64_t failed, breaks, dissolved;
    uint64_t right, wrong, lost;
    uint64_t ok, no, unserved;
    uint64_t asked, had;
    double heal;
};

static void again(uint64_t seed, const struct options *o, const char *self)
{
    printf("# again: %s -v %llu", self, (unsigned long long)seed);
    if (o->hosts > 0)
        printf(" --hosts %u", o->hosts);
    if (o->members > 0)
        printf(" --members %u", o->members);
    if (o->haves)
        printf(" --haves");
    printf("\n");
}

static void add(struct sums *t, const struct life *l)
{
    const double heal = (double)l->heal_us / 1e6;

    t->failed += l->why != NULL;
    t->breaks += l->breaks;
    t->dissolved += l->dissolved;
    t->right += l->right_n;
    t->wrong += l->wrong_n;
    t->lost += l->failed_n;
    t->ok += l->data.ok_n;
    t->no += l->data.no_n;
    t->unserved += l->data.failed_n;
    t->asked += l->data.asked_n;
    t->had += l->data.had_n;
    t->heal = t->heal > heal ? t->heal : heal;
}

static void report(const struct sums *t, uint64_t seeds)
{
    printf("# %llu seeds, %llu failed; assumptions broken %llu times; %llu "
           "rings of one-member hosts dissolved; longest time to the ideal "
           "ring %.1f s\n",
           (unsigned long long)seeds, (unsigned long long)t->failed,
           (unsigned long long)t->breaks, (unsigned long long)t->dissolved,
           t->heal);
    printf("# lookups: %llu right, %llu wrong, %llu failed (the latter two in "
           "trouble only)\n",
           (unsigned long long)t->right, (unsigned long long)t->wrong,
           (unsigned long long)t->lost);
    printf("# puts and gets: %llu done, %llu not found, %llu not served\n",
           (unsigned long long)t->ok, (unsigned long long)t->no,
           (unsigned long long)t->unserved);
    printf("# chunks that HAVE asked for: %llu, of which stood %llu\n",
           (unsigned long long)t->asked, (unsigned long long)t->had);
    if (t->failed == 0)
        printf("ok - small worlds\n");
    printf("1..%llu\n", (unsigned long long)(t->failed == 0 ? 1 : t->failed));
}

int main(int argc, char **argv)
{
    struct options o = {.from = 1, .seeds = 1};
    struct sums t = {0};

    if (!read_options(argc, argv, &o))
        return usage();
    for (uint64_t i = 0; i < o.seeds; i++) {
        const uint64_t seed = o.named_n > 0 ? o.named[i] : o.from + i;
        struct life l;

        if (!one(seed, &o, &l)) {
            printf("not ok - seed %llu: %s\n", (unsigned long long)seed, l.why);
            again(seed, &o, argv[0]);
        }
        add(&t, &l);
    }
    report(&t, o.seeds);
    return t.failed == 0 ? 0 : 1;
}
