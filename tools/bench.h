/*
 * bench.h - the parts of `wreath bench`: what this machine can do, what a ring
 * of its own on loopback did, and the bound between the two.
 *
 *     cmd_bench.c         options; runs the parts in turn
 *     bench_primitives.c  CPU time per byte of everything that a byte goes
 *                         through, measured through wreath's own code
 *     bench_check.c       the same from openssl and dd, where they exist
 *     bench_process.c     starts processes, ends them, watches their memory
 *     bench_ring.c        the ring, and the work that is measured on it
 *     bench_bound.c       the least time that a put and a get can take
 *     bench_report.c      bound, achieved and ratio as a table or JSON
 *
 * Decision 0009 tells why the bound is what it is.
 */
#ifndef WR_TOOLS_BENCH_H
#define WR_TOOLS_BENCH_H

#include <jansson.h>
#include <pthread.h>
#include <sys/types.h>

#include "cli.h"

enum {
    BENCH_HOSTS_MAX = 64,
    BENCH_RUNS_MAX = 25,
    BENCH_BLOCK = 256 << 10, /* What chunks are on average. */
    BENCH_RECORD = 64 << 10, /* What is sealed in one go, tag included. */
    BENCH_SMALL = 4 << 10,   /* A small file. */
};

struct bench_plan {
    uint32_t hosts;  /* K */
    uint32_t copies; /* n */
    uint32_t runs;
    uint32_t files;
    uint64_t size;  /* S, bytes. */
    char dir[3072]; /* A temporary directory of this run. */
};

/* CPU seconds per byte, but where a name says otherwise. */
struct bench_primitives {
    double read, cut, hash, seal, open, send, receive;
    double lmdb;       /* All threads of a store that keeps chunks durably. */
    double map_read;   /* From LMDB's map into a buffer, check sum included. */
    double file_write; /* Into a new file, fsync included. */
    double store_bytes_per_s; /* Durable in the store; wall time. */
    double disk_bytes_per_s;  /* Durable in a plain file; wall time. */
    double small_files_per_s; /* Made, 4 KiB each, one syncfs; wall time. */
};

/* What other programs say of the same; 0: not there. Same units. */
struct bench_check {
    double hash, seal, open, read, file_write;
    double disk_bytes_per_s;
};

WR_MUST_USE enum wr_err bench_primitives(const struct bench_plan *plan,
                                         struct bench_primitives *ret,
                                         struct wr_why *why);

void bench_check(const struct bench_plan *plan, struct bench_check *ret);

/* Removes a file or a directory with all in it. */
void bench_remove(const char *path);

/* ---- processes ------------------------------------------------------------
 */

/* A process of ours, its CPU time and the most anonymous memory it had. */
struct bench_process {
    pid_t pid;           /* 0: none, or ended. */
    int out;             /* Its standard output, or -1. */
    double cpu_s;        /* Set when it has ended. */
    uint64_t peak_bytes; /* RssAnon, every 50 ms; read it when dropped. */
};

/* Looks at the memory of up to that many processes from a thread. */
struct bench_watch {
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t wake;
    bool stop; /* mu, as is what follows. */
    struct {
        pid_t pid;
        struct bench_process *process;
    } all[BENCH_HOSTS_MAX + 4];
};

WR_MUST_USE enum wr_err bench_watch_start(struct bench_watch *w,
                                          struct wr_why *why);
void bench_watch_stop(struct bench_watch *w);
void bench_watch_add(struct bench_watch *w, struct bench_process *p);
void bench_watch_drop(struct bench_watch *w, struct bench_process *p);

/* Starts `argv` (NULL-terminated; argv[0] NULL stands for this very program).
 * Standard input is empty, standard error goes to `log`, standard output too
 * unless `piped`. */
WR_MUST_USE enum wr_err bench_spawn(struct bench_process *p,
                                    const char *const *argv, const char *log,
                                    bool piped, struct wr_why *why);

/* Waits for its end: the exit status, or 128 + signal. */
int bench_wait(struct bench_process *p);

/* SIGTERM, and SIGKILL after 6 s. */
void bench_end(struct bench_process *p);

/* CPU seconds so far of a process that runs. */
double bench_cpu_of(const struct bench_process *p);

/* RssAnon of a process now, in bytes; 0 if it cannot be told. */
uint64_t bench_rss_of(pid_t pid);

/* Everything that a process wrote to its standard output, as JSON. NULL. */
json_t *bench_read_json(struct bench_process *p);

/* Wall time in seconds; CPU time of this process or thread. */
double bench_now_s(void);
double bench_cpu_s(void);
double bench_thread_s(void);

/* ---- the ring -------------------------------------------------------------
 */

/* One run of one kind of work. */
struct bench_run {
    double wall_s;
    double all_copies_s; /* Puts: from the start until all n stood. */
    double leaf_cpu_s, hosts_cpu_s;
    uint64_t leaf_peak_bytes;
};

struct bench_results {
    struct bench_run put[BENCH_RUNS_MAX], get[BENCH_RUNS_MAX];
    struct bench_run tree_put, tree_get;
    bool has_tree;
    double first_byte_s[BENCH_RUNS_MAX]; /* Of a file of 1,024 chunks. */
    bool has_first_byte;
    double host_cpu_s[BENCH_HOSTS_MAX];
    uint64_t host_idle_bytes[BENCH_HOSTS_MAX], host_peak_bytes[BENCH_HOSTS_MAX];
};

WR_MUST_USE enum wr_err bench_ring(const struct cli *cli,
                                   const struct bench_plan *plan,
                                   struct bench_results *ret,
                                   struct wr_why *why);

/* ---- the bound --------------------------------------------------------------
 */

struct bench_bound {
    double cpu_s;  /* C */
    double disk_s; /* Durable bytes over the disk's rate. */
    double wall_s; /* T */
};

struct bench_bounds {
    unsigned cores;
    double crossings, hashes, put_missing, get_missing; /* X, H, p, q */
    struct bench_bound put, get;
};

/* Pure. */
void bench_bounds(const struct bench_plan *plan,
                  const struct bench_primitives *p, unsigned cores,
                  struct bench_bounds *ret);

double bench_median(const double *v, size_t n);

/* ---- the report ------------------------------------------------------------
 */

void bench_report(const struct cli *cli, const struct bench_plan *plan,
                  const struct bench_primitives *p,
                  const struct bench_check *check,
                  const struct bench_results *r);

#endif
