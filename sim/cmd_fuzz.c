/* cmd_fuzz.c - wreath-sim fuzz: seeds of faults, and what did not hold. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "fuzz.h"
#include "sys/clock.h"
#include "value.h"

struct fuzz {
    uint64_t from, seeds;
    struct wr_narrow narrow;
    struct wr_fuzz_hooks hooks;
    bool progress;

    uint64_t done, failed, dissolved; /* Seeds. */
    uint64_t slowest;                 /* That took longest to heal. */
    uint64_t digest;                  /* Of all that were played. */
    struct wr_fuzz_result sums;
    wr_time started, drawn; /* Real. */
};

/* ---- how a plan is narrowed ---------------------------------------------- */

static int bad(const char *command, const char *option, const char *text,
               const char *want)
{
    return sim_usage(command, "--%s %s is not %s", option, text, want);
}

int sim_narrow(const char *command, const struct sim_narrow *v,
               struct wr_narrow *ret)
{
    char word[WR_PLAN_WORD_MAX];
    union wr_value until = {.n = 0};
    uint64_t hosts = 0, members = 0;

    *ret = (struct wr_narrow){.hosts = 0};
    if (v->hosts != NULL &&
        (!sim_number(v->hosts, WR_PLAN_HOSTS, &hosts) || hosts == 0))
        return bad(command, "hosts", v->hosts, "a number from 1 to 64");
    if (v->members != NULL &&
        (!sim_number(v->members, WR_MEMBERS_MAX, &members) || members == 0))
        return bad(command, "members", v->members, "a number from 1 to 64");
    if (v->until != NULL &&
        (wr_value_parse(WR_SCENARIO_TIME, NULL, v->until, &until) != WR_OK ||
         until.n == 0))
        return bad(command, "until", v->until, "a time, as 20s");
    if (v->without != NULL && wr_plan_without(ret, v->without, word) != WR_OK)
        return sim_usage(command,
                         "there is no fault '%s'; 'wreath-sim list faults' "
                         "names them",
                         word);
    if (v->keep != NULL && wr_plan_keep(ret, v->keep) != WR_OK)
        return bad(command, "keep", v->keep, "numbers, as 0,3-5");
    ret->hosts = (uint32_t)hosts;
    ret->members = (uint32_t)members;
    ret->until = until.n;
    return 0;
}

/* ---- when the core itself gives up --------------------------------------- */

static char crash_text[WR_PLAN_COMMAND_MAX + 64];

/* This is what is played now. */
static void crash_plan(const struct wr_plan *p)
{
    char command[WR_PLAN_COMMAND_MAX];

    wr_plan_command(p, command);
    snprintf(crash_text, sizeof(crash_text),
             "wreath-sim: seed %" PRIu64 " ends the program\n  again: %s\n",
             p->seed, command);
}

static void on_crash(int signal_number)
{
    if (write(STDOUT_FILENO, crash_text, strlen(crash_text)) < 0)
        _exit(1);
    raise(signal_number); /* The default, this time. */
}

/* From now on a broken WR_CHECK tells how to repeat it before it ends us. */
static void catch_crash(void)
{
    struct sigaction act = {.sa_handler = on_crash,
                            .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&act.sa_mask);
    sigaction(SIGABRT, &act, NULL);
    sigaction(SIGSEGV, &act, NULL);
    sigaction(SIGBUS, &act, NULL);
    sigaction(SIGFPE, &act, NULL);
}

/* ---- playing ------------------------------------------------------------- */

static void show(struct fuzz *f)
{
    const wr_time now = wr_clock_now();
    const double s = (double)(now - f->started) / 1e6;

    if (!f->progress || now - f->drawn < WR_MS(100))
        return;
    f->drawn = now;
    fprintf(stderr,
            SIM_LINE "%" PRIu64 " of %" PRIu64 " seeds, %" PRIu64
                     " failed, %.0f seeds/s" SIM_LINE_END,
            f->done, f->seeds, f->failed, s > 0 ? (double)f->done / s : 0);
    fflush(stderr);
}

static void tell(struct fuzz *f, const struct wr_plan *p,
                 const struct wr_fuzz_result *r)
{
    char command[WR_PLAN_COMMAND_MAX];

    if (f->progress)
        fputs("\r\033[K", stderr);
    wr_plan_command(p, command);
    printf("seed %" PRIu64 ": %s at %.3f s: %s\n  again:   %s\n  "
           "smaller: wreath-sim shrink %s\n",
           p->seed, r->why, (double)r->at / 1e6, r->detail, command,
           command + strlen("wreath-sim fuzz --seed "));
    fflush(stdout);
}

static void mix(struct fuzz *f, uint64_t v)
{
    struct wr_rng r = {f->digest ^ v};

    f->digest = wr_rng_next(&r);
}

static void add(struct fuzz *f, const struct wr_fuzz_result *r)
{
    struct wr_fuzz_result *t = &f->sums;

    f->failed += r->why[0] != '\0';
    f->dissolved += r->dissolved;
    mix(f, r->digest);
    t->events += r->events;
    t->breaks += r->breaks;
    t->right_n += r->right_n;
    t->wrong_n += r->wrong_n;
    t->lost_n += r->lost_n;
    t->done_n += r->done_n;
    t->no_n += r->no_n;
    t->failed_n += r->failed_n;
    t->asked_n += r->asked_n;
    t->had_n += r->had_n;
    t->puts_n += r->puts_n;
    t->kept_n += r->kept_n;
    t->over_n += r->over_n;
    t->dropped_n += r->dropped_n;
    t->at += r->at;
    if (r->placed_us > t->placed_us)
        t->placed_us = r->placed_us;
    if (r->heal_us > t->heal_us) {
        t->heal_us = r->heal_us;
        f->slowest = f->from + f->done;
    }
    f->done++;
}

static void play(struct fuzz *f)
{
    static struct wr_plan p;
    struct wr_fuzz_result r;

    while (f->done < f->seeds && sim_stop == 0) {
        wr_plan_draw(&p, f->from + f->done, &f->narrow);
        crash_plan(&p);
        wr_fuzz_play(&p, &f->hooks, &r);
        if (r.interrupted)
            break;
        if (r.why[0] != '\0')
            tell(f, &p, &r);
        add(f, &r);
        show(f);
    }
    if (f->progress)
        fputs("\r\033[K", stderr);
}

static void print_plans(const struct fuzz *f)
{
    static struct wr_plan p;

    for (uint64_t i = 0; i < f->seeds; i++) {
        wr_plan_draw(&p, f->from + i, &f->narrow);
        wr_plan_print(&p, stdout);
    }
}

static void summary(const struct fuzz *f)
{
    const struct wr_fuzz_result *t = &f->sums;
    const double s = (double)(wr_clock_now() - f->started) / 1e6;

    printf("seeds        %" PRIu64 " from %" PRIu64 ": %" PRIu64 " failed\n",
           f->done, f->from, f->failed);
    if (f->done < f->seeds)
        printf("interrupted  in seed %" PRIu64 "; %" PRIu64 " of %" PRIu64
               " are done\n",
               f->from + f->done, f->done, f->seeds);
    printf("assumptions  broken %" PRIu64 " times; %" PRIu64
           " rings of one-member hosts dissolved\n",
           t->breaks, f->dissolved);
    printf("healed       within %.1f s, the slowest: seed %" PRIu64 "\n",
           (double)t->heal_us / 1e6, f->slowest);
    printf("placed       every copy within %.1f s, in 1 of %d seeds\n",
           (double)t->placed_us / 1e6, WR_FUZZ_PLACED);
    printf("lookups      %" PRIu64 " right; in trouble %" PRIu64
           " wrong, %" PRIu64 " failed\n",
           t->right_n, t->wrong_n, t->lost_n);
    printf("data         %" PRIu64 " done, %" PRIu64 " not found, %" PRIu64
           " not served; of %" PRIu64 " chunks that HAVE asked for %" PRIu64
           " stood\n",
           t->done_n, t->no_n, t->failed_n, t->asked_n, t->had_n);
    printf("files        %" PRIu64 " put, %" PRIu64 " kept, %" PRIu64
           " over; %" PRIu64 " references dropped\n",
           t->puts_n, t->kept_n, t->over_n, t->dropped_n);
    printf("played       %.1f h in %.1f s, %" PRIu64 " events\n",
           (double)t->at / 3600e6, s, t->events);
    printf("digest       %016" PRIx64 "\n", f->digest);
}

/* ---- the command --------------------------------------------------------- */

static int count(struct fuzz *f, const char *seeds, const char *from,
                 const char *seed)
{
    static const char any_seed[] = "a number from 0 to 18446744073709551615";

    if (seed != NULL && (seeds != NULL || from != NULL))
        return sim_usage("fuzz", "--seed goes without --seeds and --from");
    if (seeds != NULL &&
        (!sim_number(seeds, UINT32_MAX, &f->seeds) || f->seeds == 0))
        return bad("fuzz", "seeds", seeds, "a number from 1 to 4294967295");
    if (from != NULL && !sim_number(from, UINT64_MAX, &f->from))
        return bad("fuzz", "from", from, any_seed);
    if (seed != NULL && !sim_number(seed, UINT64_MAX, &f->from))
        return bad("fuzz", "seed", seed, any_seed);
    if (seed != NULL)
        f->seeds = 1;
    return 0;
}

int cmd_fuzz(int argc, char **argv)
{
    static struct fuzz f = {.from = 1, .seeds = 100};
    struct sim_narrow narrow = {0};
    const char *seeds = NULL, *from = NULL, *seed = NULL, *trace = NULL;
    bool plan = false, quiet = false;
    const struct sim_option rows[] = {
        {.name = "seeds", .value = &seeds}, {.name = "from", .value = &from},
        {.name = "seed", .value = &seed},   SIM_NARROW_ROWS(narrow),
        {.name = "plan", .flag = &plan},    {.name = "trace", .value = &trace},
        {.name = "quiet", .flag = &quiet},
    };
    int first, end = sim_options("fuzz", rows, WR_ARRAY_LEN(rows), NULL, argc,
                                 argv, &first);

    if (end != 0)
        return end - 1;
    if (first != argc)
        return sim_usage("fuzz", "fuzz takes options only; --seed %s?",
                         argv[first]);
    f.hooks = (struct wr_fuzz_hooks){&sim_stop, WR_NEVER, WR_NEVER};
    if (trace != NULL &&
        !sim_trace(trace, &f.hooks.trace_from, &f.hooks.trace_to))
        return bad("fuzz", "trace", trace, "FROM..TO, as 2s..3s");
    end = count(&f, seeds, from, seed);
    if (end == 0)
        end = sim_narrow("fuzz", &narrow, &f.narrow);
    if (end != 0)
        return end;
    if (plan) {
        print_plans(&f);
        return 0;
    }
    f.progress = !quiet && isatty(STDERR_FILENO) == 1;
    f.started = wr_clock_now();
    sim_catch_stop();
    catch_crash();
    play(&f);
    summary(&f);
    if (f.failed > 0)
        return 1;
    return f.done < f.seeds ? SIM_INTERRUPTED : 0;
}
