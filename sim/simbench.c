/* simbench.c - how fast a world runs, and how much memory it takes; no test.
 *
 *     simbench MEMBERS [VIRTUAL_SECONDS [SEED]]
 *
 * One member per host, r = 8, upkeep every 20 s, a finger refreshed and other
 * rings looked for every 5 min, a lookup per member every 60 s, 10 to 150 ms
 * one way. Large rings run faster with
 *
 *     GLIBC_TUNABLES=glibc.malloc.hugetlb=1 simbench 1000000 1000
 *
 * Two rates are told. Delivered: messages between members that were handed to
 * a node, which is what there is to simulate. Popped: all that left the queue,
 * timers among it that had nothing to do any more. Times are the processor's,
 * for the run without its beginning. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

struct bench {
    struct wr_rng rng;
    uint64_t asked, answered, failed, hops;
    wr_time every;
};

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_done(struct wr_world *w, wr_host host, const struct wr_fx *fx)
{
    struct bench *b = w->done_arg;

    (void)host;
    b->answered++;
    b->failed += fx->done.status != WR_STATUS_OK;
    b->hops += fx->done.answer.routed.hops;
}

/* Each host has an alarm of its own. */
static void on_alarm(struct wr_world *w, uint64_t host)
{
    struct bench *b = w->alarm_arg;
    struct wr_event ev = {.kind = WR_EV_LOOKUP, .lookup = {.token = 1}};

    wr_rng_fill(&b->rng, ev.lookup.key.b, sizeof(ev.lookup.key.b));
    b->asked++;
    wr_world_step(w, (wr_host)host, &ev);
    wr_world_at(w, w->now + b->every / 2 + wr_rng_below(&b->rng, b->every),
                host);
}

static long peak_mib(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return use.ru_maxrss / 1024;
}

/* On a terminal, after each second's work. */
static void show(const struct wr_world *w, uint64_t seconds, double t)
{
    fprintf(
        stderr,
        "\r\033[K%lu of %lu s in %.0f s, %.0f messages delivered/s, %ld MiB",
        (unsigned long)(w->now / WR_SEC(1)), (unsigned long)seconds, t,
        (double)w->delivered / t, peak_mib());
}

/* The time that it took. */
static double play(struct wr_world *w, uint64_t seconds)
{
    const bool progress = isatty(STDERR_FILENO) == 1;
    const double began = cpu_s();
    double shown = began, now = began;

    for (uint64_t s = 1; s <= seconds; s++) {
        wr_world_run(w, WR_SEC(s));
        now = cpu_s();
        if (progress && now - shown >= 1) {
            shown = now;
            show(w, seconds, now - began);
        }
    }
    if (shown > began)
        fputs("\r\033[K", stderr);
    return now - began;
}

static void tell(const struct wr_world *w, const struct bench *b,
                 uint64_t seconds, double t)
{
    printf("%lu s of virtual time in %.2f s, at most %ld MiB\n",
           (unsigned long)seconds, t, peak_mib());
    printf("%12lu messages delivered, %9.0f a second\n",
           (unsigned long)w->delivered, (double)w->delivered / t);
    printf("%12lu events popped,      %9.0f a second\n",
           (unsigned long)w->events, (double)w->events / t);
    printf("%12lu lookups, %lu answered, %lu failed, %.2f hops\n",
           (unsigned long)b->asked, (unsigned long)b->answered,
           (unsigned long)b->failed,
           (double)b->hops / (double)(b->answered + 1));
    printf("%12lu links set up\n", (unsigned long)w->setups_n);
    printf("digest %016lx\n", (unsigned long)w->digest);
    puts("sent, by kind:");
    for (unsigned k = 0; k < WR_WORLD_KINDS; k++)
        if (w->sent_n[k] > 0)
            printf("%12lu %-10s %4.0f B each\n", (unsigned long)w->sent_n[k],
                   wr_msg_name(k),
                   (double)w->sent_bytes[k] / (double)w->sent_n[k]);
}

int main(int argc, char **argv)
{
    const uint32_t hosts = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    const uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 60;
    struct bench b = {.rng = {42}, .every = WR_SEC(60)};
    static struct wr_world w;
    struct wr_world_cfg cfg = {
        .seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1,
        .hosts = hosts,
        .members = 1,
        .node = wr_node_cfg_default(0, 1),
        .net.min_us = WR_MS(10),
        .net.max_us = WR_MS(150),
    };
    double t;

    if (hosts < 10) {
        fputs("usage: simbench MEMBERS [VIRTUAL_SECONDS [SEED]]\n", stderr);
        return 2;
    }
    cfg.node.succs = 8;
    cfg.node.round_us = WR_SEC(20);
    cfg.node.finger_us = WR_SEC(300);
    cfg.node.probe_dead_us = WR_SEC(300);
    cfg.node.roster_us = WR_NEVER;
    cfg.node.roster_max = 0;
    cfg.node.peers_max = 28;
    cfg.node.routes_max = 40;
    cfg.node.lookups_max = 6;
    cfg.node.ops_max = 1;
    cfg.node.have_ops_max = 0;
    t = cpu_s();
    if (wr_world_init(&w, &cfg) != WR_OK)
        return 1;
    w.done = on_done;
    w.alarm = on_alarm;
    w.done_arg = w.alarm_arg = &b;
    wr_world_begin(&w, NULL, hosts);
    for (wr_host h = 0; h < hosts; h++)
        wr_world_at(&w, wr_rng_below(&b.rng, b.every), h);
    printf("%u members, began in %.2f s: %zu bytes a node, %ld MiB\n", hosts,
           cpu_s() - t, wr_node_size(w.hosts[0].node), peak_mib());
    fflush(stdout);
    t = play(&w, seconds);
    tell(&w, &b, seconds, t);
    wr_world_done(&w);
    return 0;
}
