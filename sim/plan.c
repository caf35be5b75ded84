/* plan.c - see plan.h. */
#include "plan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const fault_names[] = {
#define X(name, text, help) text,
    WR_FAULT_MAP(X)
#undef X
};

static const char *const fault_helps[] = {
#define X(name, text, help) help,
    WR_FAULT_MAP(X)
#undef X
};

static const char *const act_texts[] = {
#define X(name, text) text,
    WR_ACT_MAP(X)
#undef X
};

const char *wr_fault_name(enum wr_fault f)
{
    return fault_names[f];
}

const char *wr_fault_help(enum wr_fault f)
{
    return fault_helps[f];
}

/* ---- drawing ------------------------------------------------------------- */

/* Up to `most`, and often much less. */
static uint32_t some(struct wr_rng *r, uint32_t most)
{
    const uint32_t top = wr_rng_below(r, 2) == 0 ? most : most / 8 + 1;

    return 1 + (uint32_t)wr_rng_below(r, top);
}

/* One seed in four has a network without faults: in the others somebody alive
 * is soon held for dead, which excuses much. */
static void draw_faults(struct wr_plan *p, struct wr_rng *r)
{
    const bool quiet = wr_rng_below(r, 4) == 0;
    const uint64_t drawn = wr_rng_next(r), network = wr_rng_next(r);

    for (unsigned f = 0; f < WR_FAULT_N; f++) {
        if (f <= WR_FAULT_ONE_WAY && (quiet || (network >> f & 1) == 0))
            continue;
        if ((drawn >> f & 1) != 0)
            p->faults |= 1u << f;
    }
    /* Without these not much would happen. */
    if (wr_rng_below(r, 4) > 0)
        p->faults |= 1u << WR_FAULT_CRASH;
    p->faults &= ~p->narrow.without;
}

static void draw_network(const struct wr_plan *p, struct wr_rng *r,
                         struct wr_simnet_cfg *net)
{
    const uint32_t loss = some(r, 300), twice = some(r, 500);
    const uint32_t reorder = some(r, 300), pairs = some(r, 100);
    const wr_time least = WR_MS(1 + wr_rng_below(r, 30));
    const wr_time most = WR_MS(2) << wr_rng_below(r, 9);
    const wr_time usual = WR_MS(2) << wr_rng_below(r, 6);

    net->max_us = wr_plan_has(p, WR_FAULT_DELAY) ? most : usual;
    net->min_us = wr_time_min(least, net->max_us);
    net->loss_permille = wr_plan_has(p, WR_FAULT_LOSS) ? loss : 0;
    net->twice_permille = wr_plan_has(p, WR_FAULT_TWICE) ? twice : 0;
    net->reorder_permille = wr_plan_has(p, WR_FAULT_REORDER) ? reorder : 0;
    net->one_sided_permille = wr_plan_has(p, WR_FAULT_PAIRS) ? pairs : 0;
}

/* Small tables are the smallest that the core is made for: lookups for two
 * HAVEs fill half of theirs, a verdict leaves an op to leaves, and a request
 * has a target for each fourth route (proto/replica.c), of which there are as
 * many as hosts. */
static void draw_tables(const struct wr_plan *p, struct wr_rng *r,
                        struct wr_world_cfg *w)
{
    const bool small = wr_plan_has(p, WR_FAULT_SMALL);
    const uint32_t ops = 3 + (uint32_t)wr_rng_below(r, 7);
    const uint32_t lookups = 32 + (uint32_t)wr_rng_below(r, 17);
    const uint32_t routes = 4 * (w->hosts + (uint32_t)wr_rng_below(r, 8));

    w->node.peers_max = w->node.roster_max = WR_PLAN_HOSTS;
    w->node.routes_max = small ? routes : 4 * WR_PLAN_HOSTS;
    w->node.lookups_max = small ? lookups : 64;
    w->node.ops_max = small ? ops : 16;
    w->node.have_ops_max = small ? 2 : 4;
}

/* A day and a year in a life of minutes; a clock that is known may be wrong by
 * half of the slack. A year is longer than any life here. */
static void draw_sweep(const struct wr_plan *p, struct wr_node_cfg *node)
{
    struct wr_rng r = {p->seed ^ 0x5eeb};

    node->sweep_us = WR_SEC(4 + wr_rng_below(&r, 8));
    node->grace_s = 5 + (uint32_t)wr_rng_below(&r, 15);
    node->slack_s = 10;
    node->verdicts_max = 64;
}

static bool alone(const struct wr_world_cfg *w)
{
    return w->members > w->node.succs;
}

/* A ring starts with more members than successors (R1). */
static uint32_t ring_least(const struct wr_world_cfg *w)
{
    return (w->node.succs + 1u * w->members) / w->members;
}

uint32_t wr_plan_least(const struct wr_plan *p)
{
    return alone(&p->world) ? 1 : ring_least(&p->world) + 1;
}

/* From luck of its own, so that plans keep what else they draw. Patience is
 * shorter than most absences, and longer than some. */
static void draw_repair(const struct wr_plan *p, struct wr_world_cfg *w)
{
    struct wr_rng r = {p->seed ^ 0x4e9a14};

    w->node.repair_us = WR_SEC(10 + wr_rng_below(&r, 50));
    w->node.gone_us = WR_SEC(2 + wr_rng_below(&r, 120));
    w->node.repair_rate = wr_rng_below(&r, 3) == 0 ? 2000 : 0;
    w->node.gone_long_us = WR_SEC(wr_rng_below(&r, 600));
}

static void draw_sites(const struct wr_plan *p, struct wr_world_cfg *w)
{
    struct wr_rng r = {p->seed ^ 0x517e5};

    if (wr_plan_has(p, WR_FAULT_SITES))
        w->sites = 2 + (uint32_t)wr_rng_below(&r, 3);
}

static void draw_world(struct wr_plan *p, struct wr_rng *r)
{
    static const uint8_t lists[] = {2, 3, 4, 8};
    struct wr_world_cfg *w = &p->world;
    const bool single = wr_rng_below(r, 3) == 0;
    const uint64_t hosts = wr_rng_next(r), first = wr_rng_next(r);

    w->node = wr_node_cfg_default(0, 1);
    w->node.succs = lists[wr_rng_below(r, 4)];
    w->node.round_us = WR_SEC(1 + wr_rng_below(r, 5));
    w->node.roster_us = WR_SEC(5);
    w->node.probe_dead_us = WR_SEC(10 + wr_rng_below(r, 50));
    w->members = (uint8_t)(w->node.succs + 1 + wr_rng_below(r, 3));
    if (single)
        w->members = 1;
    if (p->narrow.members > 0)
        w->members = (uint8_t)p->narrow.members;
    w->hosts =
        (uint32_t)(alone(w) ? 3 + hosts % 8 : ring_least(w) + 3 + hosts % 16);
    if (p->narrow.hosts > 0)
        w->hosts = p->narrow.hosts;
    if (w->hosts < wr_plan_least(p))
        w->hosts = wr_plan_least(p);
    p->first = ring_least(w);
    if (!alone(w))
        p->first += (uint32_t)(first % (w->hosts - p->first + 1));
    draw_tables(p, r, w);
    draw_network(p, r, &w->net);
    w->resets = wr_rng_below(r, 2) == 0;
    w->read_permille = some(r, 100) * wr_plan_has(p, WR_FAULT_READ);
    w->write_permille = some(r, 100) * wr_plan_has(p, WR_FAULT_WRITE);
    w->torn = wr_plan_has(p, WR_FAULT_TORN);
    if (wr_plan_has(p, WR_FAULT_FILES))
        draw_sweep(p, &w->node);
    w->codec = w->faults = true;
    draw_repair(p, w);
    draw_sites(p, w);
    w->seed = p->seed;
    p->out_permille =
        (uint32_t)wr_rng_below(r, 800) * wr_plan_has(p, WR_FAULT_CORE);
}

/* What happens in a storm, how often, and which fault it is; those without
 * one are no fault at all. */
static const struct {
    uint8_t kind, weight;
    int fault; /* -1: none. */
} storm[] = {
    {WR_ACT_JOIN, 25, -1},
    {WR_ACT_BACK, 25, -1},
    {WR_ACT_CRASH, 20, WR_FAULT_CRASH},
    {WR_ACT_TWO, 4, WR_FAULT_CRASH},
    {WR_ACT_ALL, 6, WR_FAULT_ALL},
    {WR_ACT_STOP, 8, WR_FAULT_STOP},
    {WR_ACT_LEAVE, 8, WR_FAULT_LEAVE},
    {WR_ACT_PAUSE, 10, WR_FAULT_PAUSE},
    {WR_ACT_JUMP, 6, WR_FAULT_CLOCK},
    {WR_ACT_LOSS, 6, WR_FAULT_LOSS},
    {WR_ACT_CLOG, 8, WR_FAULT_CLOG},
    {WR_ACT_CUT, 8, WR_FAULT_CUT},
    {WR_ACT_CUT_ONE, 6, WR_FAULT_CUT},
    {WR_ACT_SLOW, 6, WR_FAULT_SLOW},
    {WR_ACT_FULL, 6, WR_FAULT_FULL},
    {WR_ACT_ROT, 10, WR_FAULT_ROT},
    {WR_ACT_WIPE, 5, WR_FAULT_WIPE},
};

/* The weight is drawn of all, so that without one fault the others stay. */
static unsigned draw_kind(struct wr_rng *r)
{
    uint64_t all = 0, at;
    unsigned i = 0;

    for (i = 0; i < WR_ARRAY_LEN(storm); i++)
        all += storm[i].weight;
    at = wr_rng_below(r, all);
    for (i = 0; at >= storm[i].weight; i++)
        at -= storm[i].weight;
    return i;
}

static wr_time draw_length(struct wr_rng *r, enum wr_act kind)
{
    switch ((unsigned)kind) {
    case WR_ACT_CLOG:
        return WR_MS(1 + wr_rng_below(r, 5000));
    case WR_ACT_PAUSE:
        return WR_MS(500 + (wr_rng_below(r, 60000) >> wr_rng_below(r, 6)));
    case WR_ACT_JUMP:
        return WR_SEC(1) +
               (WR_SEC(wr_rng_below(r, 3600)) >> wr_rng_below(r, 9));
    default:
        return WR_MS(500 + wr_rng_below(r, 40000));
    }
}

static void add_to(struct wr_plan *p, uint32_t most, struct wr_rng *r,
                   enum wr_act kind, wr_time at)
{
    const bool shares = kind == WR_ACT_CUT || kind == WR_ACT_LOSS;

    if (p->actions_n == most)
        return;
    p->actions[p->actions_n++] = (struct wr_plan_action){
        .at = at,
        .kind = (uint8_t)kind,
        .seed = wr_rng_next(r),
        .for_us = draw_length(r, kind),
        .amount = shares ? some(r, kind == WR_ACT_CUT ? 600 : 300) : 0,
        .one_way = wr_rng_below(r, 2) == 0,
    };
}

static void add(struct wr_plan *p, struct wr_rng *r, enum wr_act kind,
                wr_time at)
{
    add_to(p, WR_PLAN_STORM, r, kind, at);
}

enum { REQUESTS = 5 }; /* Between two faults, at most. */

static int by_time(const void *a, const void *b)
{
    const wr_time x = *(const wr_time *)a, y = *(const wr_time *)b;

    return (x > y) - (x < y);
}

/* Leaves' requests, and lookups: half of them at once after what happened, for
 * it is then that a ring is in two minds. */
static void draw_requests(struct wr_plan *p, struct wr_rng *r, wr_time from,
                          wr_time to, bool haves)
{
    static const enum wr_act kinds[] = {WR_ACT_PUT, WR_ACT_GET, WR_ACT_GET,
                                        WR_ACT_HAVE};
    const wr_time soon = wr_time_min(WR_SEC(1), to - from);
    wr_time at[REQUESTS];
    uint64_t n = wr_rng_below(r, REQUESTS + 1);

    if (wr_rng_below(r, 4) == 0)
        add(p, r, WR_ACT_LOOKUP, from);
    for (uint64_t i = 0; i < n; i++)
        at[i] = from + wr_rng_below(r, i % 2 == 0 ? soon : to - from);
    qsort(at, n, sizeof(at[0]), by_time);
    for (uint64_t i = 0; i < n; i++)
        add(p, r, kinds[wr_rng_below(r, haves ? 4 : 3)], at[i]);
}

static void draw_actions(struct wr_plan *p, struct wr_rng *r)
{
    const uint64_t faults = 8 + wr_rng_below(r, 24);
    const bool haves = wr_rng_below(r, 2) == 0;

    for (uint64_t i = 0; i < faults; i++) {
        const wr_time wait = WR_MS(100) + WR_MS(wr_rng_below(r, 150)) *
                                              (1 + wr_rng_below(r, 100));

        add(p, r, (enum wr_act)storm[draw_kind(r)].kind, p->end);
        draw_requests(p, r, p->end, p->end + wait, haves);
        p->end += wait;
    }
}

/* Files come and go until the storm ends, and clocks go wrong. Drawn apart from
 * the storm: a seed without files is what it was before there were any. */
static void draw_files(struct wr_plan *p, struct wr_rng *r)
{
    static const enum wr_act kinds[] = {WR_ACT_FILE, WR_ACT_FILE,
                                        WR_ACT_GIVE_UP, WR_ACT_WALL};

    p->storm_n = p->actions_n;
    for (wr_time at = 0; at < p->end; at += WR_MS(wr_rng_below(r, 8000)))
        add_to(p, WR_PLAN_ACTIONS, r, kinds[wr_rng_below(r, 4)], at);
}

static int fault_of(const struct wr_plan_action *a)
{
    if (a->kind == WR_ACT_FILE || a->kind == WR_ACT_GIVE_UP)
        return WR_FAULT_FILES;
    if (a->kind == WR_ACT_WALL)
        return WR_FAULT_WALL;

    for (size_t i = 0; i < WR_ARRAY_LEN(storm); i++)
        if (storm[i].kind == a->kind)
            return storm[i].fault;
    return -1;
}

static void drop_actions(struct wr_plan *p)
{
    const struct wr_narrow *n = &p->narrow;

    if (n->until > 0)
        p->end = wr_time_min(p->end, n->until);
    for (uint32_t i = 0; i < p->actions_n; i++) {
        struct wr_plan_action *a = &p->actions[i];
        const int fault = fault_of(a);

        a->dropped = a->at >= p->end || (n->keeps && !n->keep[i]) ||
                     (fault >= 0 && !wr_plan_has(p, (enum wr_fault)fault)) ||
                     (i >= p->storm_n && !wr_plan_has(p, WR_FAULT_FILES));
        if (i < p->storm_n)
            a->one_way = a->one_way && wr_plan_has(p, WR_FAULT_ONE_WAY);
    }
}

void wr_plan_draw(struct wr_plan *p, uint64_t seed,
                  const struct wr_narrow *narrow)
{
    struct wr_rng r = {seed ^ 0x5eed};
    struct wr_rng faults = {wr_rng_next(&r)}, world = {wr_rng_next(&r)};
    struct wr_rng actions = {wr_rng_next(&r)}, files = {wr_rng_next(&r)};

    *p = (struct wr_plan){.seed = seed};
    if (narrow != NULL)
        p->narrow = *narrow;
    draw_faults(p, &faults);
    draw_world(p, &world);
    draw_actions(p, &actions);
    draw_files(p, &files);
    drop_actions(p);
}

/* ---- telling ------------------------------------------------------------- */

static const char *next_word(const char *text, char ret[WR_PLAN_WORD_MAX])
{
    const size_t n = strcspn(text, ",");

    snprintf(ret, WR_PLAN_WORD_MAX, "%.*s", (int)n, text);
    return text[n] == ',' ? text + n + 1 : text + n;
}

enum wr_err wr_plan_without(struct wr_narrow *n, const char *text,
                            char word[WR_PLAN_WORD_MAX])
{
    do {
        unsigned f = 0;

        text = next_word(text, word);
        while (f < WR_FAULT_N && strcmp(fault_names[f], word) != 0)
            f++;
        if (f == WR_FAULT_N)
            return WR_EINVAL;
        n->without |= 1u << f;
    } while (*text != '\0');
    return WR_OK;
}

enum wr_err wr_plan_keep(struct wr_narrow *n, const char *text)
{
    n->keeps = true;
    if (strcmp(text, "none") == 0)
        return WR_OK;
    while (*text != '\0') {
        char word[WR_PLAN_WORD_MAX], more;
        unsigned from, to;

        text = next_word(text, word);
        if (sscanf(word, "%u%c", &from, &more) == 1)
            to = from;
        else if (sscanf(word, "%u-%u%c", &from, &to, &more) != 2)
            return WR_EINVAL;
        if (from > to || to >= WR_PLAN_ACTIONS)
            return WR_EINVAL;
        while (from <= to)
            n->keep[from++] = true;
    }
    return WR_OK;
}

/* Appends to a text that is big enough. */
static void append(char *text, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void append(char *text, const char *fmt, ...)
{
    const size_t n = strlen(text);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text + n, WR_PLAN_COMMAND_MAX - n, fmt, ap);
    va_end(ap);
}

static void append_keep(char *text, const struct wr_plan *p)
{
    const bool *keep = p->narrow.keep;
    const char *sep = "";

    append(text, " --keep ");
    for (uint32_t i = 0; i < p->actions_n; i++) {
        const uint32_t from = i;

        if (!keep[i])
            continue;
        while (i + 1 < p->actions_n && keep[i + 1])
            i++;
        append(text, "%s%" PRIu32, sep, from);
        if (i > from)
            append(text, "-%" PRIu32, i);
        sep = ",";
    }
    if (*sep == '\0')
        append(text, "none");
}

void wr_plan_command(const struct wr_plan *p, char ret[WR_PLAN_COMMAND_MAX])
{
    const struct wr_narrow *n = &p->narrow;
    const char *sep = " --without ";

    *ret = '\0';
    append(ret, "wreath-sim fuzz --seed %" PRIu64, p->seed);
    if (n->hosts > 0)
        append(ret, " --hosts %" PRIu32, n->hosts);
    if (n->members > 0)
        append(ret, " --members %" PRIu32, n->members);
    for (unsigned f = 0; f < WR_FAULT_N; f++)
        if ((n->without >> f & 1) != 0) {
            append(ret, "%s%s", sep, fault_names[f]);
            sep = ",";
        }
    if (n->until > 0)
        append(ret, " --until %" PRIu64 "ms", n->until / 1000);
    if (n->keeps)
        append_keep(ret, p);
}

static void print_action(const struct wr_plan *p, uint32_t i, FILE *to)
{
    const struct wr_plan_action *a = &p->actions[i];

    fprintf(to, "%4" PRIu32 "  %8.3f s  %s", i, (double)a->at / 1e6,
            act_texts[a->kind]);
    if (a->amount > 0)
        fprintf(to, ", %.1f %%", a->amount / 10.0);
    if (a->one_way && (a->kind == WR_ACT_CUT || a->kind == WR_ACT_CUT_ONE))
        fputs(", one way", to);
    if (fault_of(a) >= WR_FAULT_CLOG && a->kind != WR_ACT_CRASH &&
        a->kind != WR_ACT_TWO && a->kind != WR_ACT_LEAVE &&
        a->kind != WR_ACT_STOP && a->kind != WR_ACT_ROT &&
        fault_of(a) < WR_FAULT_FILES)
        fprintf(to, ", %.1f s", (double)a->for_us / 1e6);
    fputc('\n', to);
}

void wr_plan_print(const struct wr_plan *p, FILE *to)
{
    const struct wr_world_cfg *w = &p->world;
    const char *sep = "faults: ";

    fprintf(to,
            "seed %" PRIu64 ": %" PRIu32 " hosts, %" PRIu32
            " at the start, of %d members; lists of %d; rounds of %.0f s; "
            "latency %.0f to %.0f ms; links %s\n",
            p->seed, w->hosts, p->first, w->members, w->node.succs,
            (double)w->node.round_us / 1e6, (double)w->net.min_us / 1e3,
            (double)w->net.max_us / 1e3, w->resets ? "reset" : "go silent");
    for (unsigned f = 0; f < WR_FAULT_N; f++)
        if (wr_plan_has(p, (enum wr_fault)f)) {
            fprintf(to, "%s%s", sep, fault_names[f]);
            sep = " ";
        }
    fputs(*sep == ' ' ? "\n" : "no faults\n", to);
    for (uint32_t i = 0; i < p->actions_n; i++)
        if (!p->actions[i].dropped)
            print_action(p, i, to);
    fprintf(to, "      %8.3f s  all heals\n", (double)p->end / 1e6);
}
