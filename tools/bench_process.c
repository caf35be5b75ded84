/* bench_process.c - see bench.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum { LOOK_MS = 50, END_MS = 6000 };

/* ---- start and end
 * ----------------------------------------------------------- */

/* In the child: never returns. */
static _Noreturn void become(const char *const *argv, const char *log, int out)
{
    const int null = open("/dev/null", O_RDONLY);
    const int err = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

    /* Whatever becomes of the bench, nothing of it goes on. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || null < 0 || err < 0 ||
        dup2(null, STDIN_FILENO) < 0 ||
        dup2(out >= 0 ? out : err, STDOUT_FILENO) < 0 ||
        dup2(err, STDERR_FILENO) < 0)
        _exit(127);
    if (argv[0] == NULL) {
        const char *copy[32] = {"wreath"};

        for (size_t i = 1; i < WR_ARRAY_LEN(copy) - 1 && argv[i] != NULL; i++)
            copy[i] = argv[i];
        execv("/proc/self/exe", (char *const *)(uintptr_t)copy);
    } else {
        execvp(argv[0], (char *const *)(uintptr_t)argv);
    }
    _exit(127);
}

enum wr_err bench_spawn(struct bench_process *p, const char *const *argv,
                        const char *log, bool piped, struct wr_why *why)
{
    int pipe_fd[2] = {-1, -1};

    if (piped && pipe2(pipe_fd, O_CLOEXEC) != 0)
        return wr_why(why, WR_EIO, "pipe: %s", wr_errno_text(errno));
    const pid_t pid = fork();
    if (pid == 0)
        become(argv, log, pipe_fd[1]);
    if (pipe_fd[1] >= 0)
        close(pipe_fd[1]);
    if (pid < 0) {
        if (pipe_fd[0] >= 0)
            close(pipe_fd[0]);
        return wr_why(why, WR_EIO, "cannot start a process: %s",
                      wr_errno_text(errno));
    }
    *p = (struct bench_process){.pid = pid, .out = pipe_fd[0]};
    return WR_OK;
}

static int ended(struct bench_process *p, int status,
                 const struct rusage *usage)
{
    p->cpu_s =
        (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
        (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
    p->pid = 0;
    if (p->out >= 0)
        close(p->out);
    p->out = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int bench_wait(struct bench_process *p)
{
    struct rusage usage;
    int status;

    if (p->pid == 0)
        return 127;
    while (wait4(p->pid, &status, 0, &usage) < 0)
        if (errno != EINTR)
            return 127;
    return ended(p, status, &usage);
}

void bench_end(struct bench_process *p)
{
    struct rusage usage;
    int status;

    if (p->pid == 0)
        return;
    kill(p->pid, SIGTERM);
    for (int ms = 0; ms < END_MS; ms += 10) {
        if (wait4(p->pid, &status, WNOHANG, &usage) == p->pid) {
            ended(p, status, &usage);
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    kill(p->pid, SIGKILL);
    bench_wait(p);
}

double bench_cpu_of(const struct bench_process *p)
{
    struct timespec t;
    clockid_t clock;

    if (p->pid == 0)
        return p->cpu_s;
    if (clock_getcpuclockid(p->pid, &clock) != 0 ||
        clock_gettime(clock, &t) != 0)
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

json_t *bench_read_json(struct bench_process *p)
{
    json_t *ret = NULL;
    FILE *f = fdopen(p->out, "r");

    if (f != NULL) {
        ret = json_loadf(f, 0, NULL);
        fclose(f);
        p->out = -1;
    }
    return ret;
}

/* ---- memory
 * -------------------------------------------------------------------- */

uint64_t bench_rss_of(pid_t pid)
{
    char path[64], line[256];
    uint64_t kib = 0;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtoull(line + 8, NULL, 10);
    fclose(f);
    return kib << 10;
}

static void look(struct bench_watch *w)
{
    for (size_t i = 0; i < WR_ARRAY_LEN(w->all); i++) {
        if (w->all[i].process == NULL)
            continue;
        const uint64_t now = bench_rss_of(w->all[i].pid);
        if (now > w->all[i].process->peak_bytes)
            w->all[i].process->peak_bytes = now;
    }
}

static void *watch(void *arg)
{
    struct bench_watch *w = arg;

    pthread_mutex_lock(&w->mu);
    while (!w->stop) {
        struct timespec until;

        look(w);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&w->wake, &w->mu, &until);
    }
    pthread_mutex_unlock(&w->mu);
    return NULL;
}

enum wr_err bench_watch_start(struct bench_watch *w, struct wr_why *why)
{
    *w = (struct bench_watch){.stop = false};
    pthread_mutex_init(&w->mu, NULL);
    pthread_cond_init(&w->wake, NULL);
    if (pthread_create(&w->thread, NULL, watch, w) != 0)
        return wr_why(why, WR_ENOMEM, "cannot start a thread");
    return WR_OK;
}

void bench_watch_stop(struct bench_watch *w)
{
    pthread_mutex_lock(&w->mu);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mu);
    pthread_join(w->thread, NULL);
}

void bench_watch_add(struct bench_watch *w, struct bench_process *p)
{
    pthread_mutex_lock(&w->mu);
    for (size_t i = 0; i < WR_ARRAY_LEN(w->all); i++)
        if (w->all[i].process == NULL) {
            w->all[i].pid = p->pid;
            w->all[i].process = p;
            break;
        }
    pthread_mutex_unlock(&w->mu);
}

void bench_watch_drop(struct bench_watch *w, struct bench_process *p)
{
    pthread_mutex_lock(&w->mu);
    for (size_t i = 0; i < WR_ARRAY_LEN(w->all); i++)
        if (w->all[i].process == p)
            w->all[i].process = NULL;
    pthread_mutex_unlock(&w->mu);
}
