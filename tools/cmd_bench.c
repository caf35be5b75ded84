/* cmd_bench.c - `wreath bench`: see bench.h. */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "sys/fs.h"

static int remove_one(const char *path, const struct stat *st, int kind,
                      struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    (void)remove(path); /* What stays is told by its folder. */
    return 0;
}

void bench_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (access(path, F_OK) == 0)
        fprintf(stderr, "wreath: could not remove all of %s\n", path);
}

static bool number(const char *text, uint32_t least, uint32_t most,
                   uint32_t *ret)
{
    char *end;

    errno = 0;
    const unsigned long v = strtoul(text, &end, 10);
    if (*end != '\0' || end == text || errno != 0 || v < least || v > most)
        return false;
    *ret = (uint32_t)v;
    return true;
}

struct texts {
    const char *hosts, *copies, *size, *files, *runs;
};

/* 0, or an exit status. */
static int make_plan(const struct cli *cli, const struct texts *t,
                     struct bench_plan *ret)
{
    if (!number(t->hosts, 1, BENCH_HOSTS_MAX, &ret->hosts))
        return cli_usage(cli, "bench", "--super-peers is a number from 1 to %d",
                         BENCH_HOSTS_MAX);
    if (!number(t->copies, 1, 8, &ret->copies))
        return cli_usage(cli, "bench", "--copies is a number from 1 to 8");
    if (!number(t->runs, 1, BENCH_RUNS_MAX, &ret->runs))
        return cli_usage(cli, "bench", "--runs is a number from 1 to %d",
                         BENCH_RUNS_MAX);
    if (!number(t->files, 0, 10000000, &ret->files))
        return cli_usage(cli, "bench", "--files is a number up to 10000000");
    if (wr_bytes_parse(t->size, &ret->size) != WR_OK || ret->size == 0)
        return cli_usage(cli, "bench", "--size is a size, such as 512M");
    return 0;
}

/* All copies of all runs, what was put and what was got, and some to spare. */
static enum wr_err check_room(const struct bench_plan *plan, struct wr_why *why)
{
    const uint64_t small = (uint64_t)plan->files * 2 * BENCH_SMALL;
    const uint64_t need =
        (plan->size * plan->runs + small) * plan->copies * 11 / 10 +
        (plan->size + small) * 2 + (1u << 30);
    struct wr_disk disk;
    char a[16], b[16];
    const enum wr_err err = wr_disk_read(plan->dir, why, &disk);

    if (err != WR_OK || disk.free >= need)
        return err;
    return wr_why(why, WR_EFULL,
                  "this needs %s in %s, where %s are free; set TMPDIR, or take "
                  "fewer --runs or a smaller --size",
                  wr_size_text(need, a), plan->dir, wr_size_text(disk.free, b));
}

static int run(const struct cli *cli, const struct bench_plan *plan)
{
    static struct bench_results results;
    struct bench_primitives primitives;
    struct bench_check check = {0};
    struct wr_why why = {.err = WR_OK};

    if (check_room(plan, &why) != WR_OK)
        return cli_fail(cli, &why);
    if (!cli->quiet)
        fputs("measuring this machine ...\n", stderr);
    if (bench_primitives(plan, &primitives, &why) != WR_OK)
        return cli_fail(cli, &why);
    bench_check(plan, &check);
    if (bench_ring(cli, plan, &results, &why) != WR_OK)
        return cli_fail(cli, &why);
    bench_report(cli, plan, &primitives, &check, &results);
    return 0;
}

static volatile sig_atomic_t worker;

static void on_signal(int sig)
{
    (void)sig;
    if (worker > 0)
        kill((pid_t)worker, SIGKILL);
}

/* The work is done by a child, and this process cleans up, so that Ctrl-C
 * leaves nothing behind: what the child has started dies with it. */
static int run_guarded(const struct cli *cli, const struct bench_plan *plan)
{
    const struct sigaction act = {.sa_handler = on_signal};
    int status;

    const pid_t pid = fork();
    if (pid == 0)
        exit(run(cli, plan));
    worker = pid;
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    worker = 0;
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int cmd_bench(struct cli *cli, int argc, char **argv)
{
    struct texts t = {"3", "3", "512M", "10000", "3"};
    const struct option_row rows[] = {
        {"super-peers", 0, &t.hosts, NULL, NULL},
        {"copies", 0, &t.copies, NULL, NULL},
        {"size", 0, &t.size, NULL, NULL},
        {"files", 0, &t.files, NULL, NULL},
        {"runs", 0, &t.runs, NULL, NULL},
    };
    struct bench_plan plan = {.hosts = 0};
    const char *tmp = getenv("TMPDIR");
    const int over =
        cli_options(cli, "bench", rows, WR_ARRAY_LEN(rows), argc, argv, NULL);

    if (over != 0)
        return over - 1;
    const int bad = make_plan(cli, &t, &plan);
    if (bad != 0)
        return bad;
    snprintf(plan.dir, sizeof(plan.dir), "%.3000s/wreath-bench.XXXXXX",
             tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
    if (mkdtemp(plan.dir) == NULL) {
        struct wr_why why;

        wr_why(&why, wr_err_of_errno(errno), "cannot make %s: %s", plan.dir,
               wr_errno_text(errno));
        return cli_fail(cli, &why);
    }
    const int status = run_guarded(cli, &plan);
    bench_remove(plan.dir);
    return status;
}
