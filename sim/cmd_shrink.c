/* cmd_shrink.c - wreath-sim shrink: of a seed that fails, what it needs to fail
 * so. Leaves parts of its plan out for as long as the same thing still fails
 * (Zeller and Hildebrandt's ddmin, 2002, on actions); each try is a process, so
 * that a crash of the core is a failure like others. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "fuzz.h"

struct shrink {
    struct wr_plan best; /* It fails with `want`, and nothing smaller yet. */
    struct wr_fuzz_result want;
    uint64_t tries;
    bool progress;
};

/* ---- one try ------------------------------------------------------------- */

static bool read_result(int fd, struct wr_fuzz_result *ret)
{
    size_t n = 0;
    ssize_t got;

    while (n < sizeof(*ret) &&
           (got = read(fd, (char *)ret + n, sizeof(*ret) - n)) > 0)
        n += (size_t)got;
    return n == sizeof(*ret);
}

/* In the child; never returns. */
static void play(const struct wr_plan *p, int fd)
{
    const struct wr_fuzz_hooks hooks = {&sim_stop, WR_NEVER, WR_NEVER};
    struct wr_fuzz_result r;

    wr_fuzz_play(p, &hooks, &r);
    _exit(write(fd, &r, sizeof(r)) == (ssize_t)sizeof(r) ? 0 : 1);
}

/* False: it could not be tried. What a crash writes is the child's to say. */
static bool attempt(struct shrink *s, const struct wr_plan *p,
                    struct wr_fuzz_result *ret)
{
    int fds[2], status;
    pid_t pid;

    if (pipe(fds) != 0)
        return false;
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        play(p, fds[1]);
    close(fds[1]);
    if (pid > 0 && !read_result(fds[0], ret)) {
        *ret = (struct wr_fuzz_result){.interrupted = sim_stop != 0};
        strcpy(ret->why, "the program ends itself");
    }
    close(fds[0]);
    s->tries++;
    return pid > 0 && waitpid(pid, &status, 0) == pid;
}

static void show(const struct shrink *s)
{
    uint32_t actions = 0;

    for (uint32_t i = 0; i < s->best.actions_n; i++)
        actions += !s->best.actions[i].dropped;
    if (s->progress)
        fprintf(stderr,
                SIM_LINE "%" PRIu64 " tries: %" PRIu32 " hosts, %" PRIu32
                         " things happen, %.1f s of storm" SIM_LINE_END,
                s->tries, s->best.world.hosts, actions,
                (double)s->best.end / 1e6);
}

/* Whether the same fails so, too; then that is the best there is. */
static bool fails(struct shrink *s, const struct wr_narrow *n)
{
    static struct wr_plan p;
    struct wr_fuzz_result r;

    if (sim_stop != 0)
        return false;
    wr_plan_draw(&p, s->best.seed, n);
    if (!attempt(s, &p, &r) || r.interrupted || strcmp(r.why, s->want.why) != 0)
        return false;
    s->best = p;
    s->want = r;
    show(s);
    return true;
}

/* ---- what can be left out ------------------------------------------------ */

static bool drop_faults(struct shrink *s)
{
    bool any = false;

    for (unsigned f = 0; f < WR_FAULT_N; f++) {
        struct wr_narrow n = s->best.narrow;

        n.without |= 1u << f;
        if (wr_plan_has(&s->best, (enum wr_fault)f))
            any = fails(s, &n) || any;
    }
    return any;
}

/* The actions that are left: halves of them first, in the end each alone. */
static bool drop_actions(struct shrink *s)
{
    bool any = false;

    for (uint32_t size = WR_PLAN_ACTIONS / 2; size > 0; size /= 2) {
        for (uint32_t from = 0; from < s->best.actions_n; from += size) {
            struct wr_narrow n = s->best.narrow;
            bool drops = false;

            n.keeps = true;
            for (uint32_t i = 0; i < s->best.actions_n; i++) {
                const bool there = !s->best.actions[i].dropped;
                const bool out = i >= from && i < from + size;

                n.keep[i] = there && !out;
                drops = drops || (there && out);
            }
            any = (drops && fails(s, &n)) || any;
        }
    }
    return any;
}

static bool drop_hosts(struct shrink *s)
{
    bool any = false;

    for (uint32_t step = WR_PLAN_HOSTS / 2; step > 0; step /= 2) {
        struct wr_narrow n = s->best.narrow;

        while (s->best.world.hosts > step) {
            n = s->best.narrow;
            n.hosts = s->best.world.hosts - step;
            if (n.hosts < wr_plan_least(&s->best) || !fails(s, &n))
                break;
            any = true;
        }
    }
    return any;
}

/* How long the storm must last, to a tenth of a second. */
static bool drop_time(struct shrink *s)
{
    wr_time fine = 0; /* It does not fail when it ends so early. */
    bool any = false;

    while (s->best.end - fine > WR_MS(100)) {
        struct wr_narrow n = s->best.narrow;
        const wr_time half = fine + (s->best.end - fine) / 2;

        n.until = half - half % 1000;
        if (n.until > fine && fails(s, &n))
            any = true;
        else
            fine = half;
    }
    return any;
}

static void reduce(struct shrink *s)
{
    bool any = true;

    while (any && sim_stop == 0) {
        any = drop_actions(s);
        any = drop_faults(s) || any;
        any = drop_hosts(s) || any;
        any = drop_time(s) || any;
    }
    if (s->progress)
        fputs("\r\033[K", stderr);
}

/* ---- the command --------------------------------------------------------- */

static int tell(const struct shrink *s)
{
    char command[WR_PLAN_COMMAND_MAX];

    wr_plan_command(&s->best, command);
    printf("%s at %.3f s: %s\n", s->want.why, (double)s->want.at / 1e6,
           s->want.detail);
    wr_plan_print(&s->best, stdout);
    printf("  again:   %s\n", command);
    return sim_stop != 0 ? SIM_INTERRUPTED : 0;
}

int cmd_shrink(int argc, char **argv)
{
    static struct shrink s;
    struct sim_narrow v = {0};
    struct wr_narrow narrow;
    bool quiet = false;
    uint64_t seed;
    const struct sim_option rows[] = {
        SIM_NARROW_ROWS(v),
        {.name = "quiet", .flag = &quiet},
    };
    int first, end = sim_options("shrink", rows, WR_ARRAY_LEN(rows), NULL, argc,
                                 argv, &first);

    if (end != 0)
        return end - 1;
    if (argc - first != 1 || !sim_number(argv[first], UINT64_MAX, &seed))
        return sim_usage("shrink", "shrink takes one seed, a number");
    end = sim_narrow("shrink", &v, &narrow);
    if (end != 0)
        return end;
    s.progress = !quiet && isatty(STDERR_FILENO) == 1;
    sim_catch_stop();
    wr_plan_draw(&s.best, seed, &narrow);
    if (!attempt(&s, &s.best, &s.want)) {
        fputs("wreath-sim: cannot start a process to try it\n", stderr);
        return 1;
    }
    if (s.want.why[0] == '\0') {
        fprintf(stderr,
                "wreath-sim: seed %" PRIu64
                " does not fail: there is nothing to make smaller\n",
                seed);
        return sim_stop != 0 ? SIM_INTERRUPTED : 1;
    }
    reduce(&s);
    return tell(&s);
}
