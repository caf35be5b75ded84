/*
 * bench_ring.c - see bench.h: a ring of real processes on loopback, each in a
 * directory of its own, and the work that is measured on it. Every process is
 * this very program, and is ended by its own pid.
 *
 * Wall time is from the start of `wreath put` or `get` to its end, its start
 * and its dialling included: what a user waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "bench.h"
#include "wreath/wreath.h"

enum {
    READY_S = 60,
    COPIES_S = 600,
    DIR_MAX = 3200,
    ARGS_MAX = 24,
    FIRST_BYTE_FILE = 1024 * 16384,
};

#define FIRST_BYTE_CUT "size-16384"

struct ring {
    const struct cli *cli;
    const struct bench_plan *plan;
    struct bench_results *r;
    struct wr_why *why;
    struct bench_watch watch;
    struct bench_process hosts[BENCH_HOSTS_MAX];
    char log[DIR_MAX];
    char copies[16];
};

static void path_of(const struct ring *g, char ret[DIR_MAX], const char *name,
                    unsigned i)
{
    snprintf(ret, DIR_MAX, "%s/%s%u", g->plan->dir, name, i);
}

static void say(const struct ring *g, const char *what)
{
    if (!g->cli->quiet)
        fprintf(stderr, "%s ...\n", what);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* ---- one command
 * ------------------------------------------------------------- */

/* Starts `wreath --dir DIR ARGS`; words end with NULL. */
static enum wr_err start(struct ring *g, struct bench_process *p, bool piped,
                         const char *dir, const char *const *args)
{
    const char *argv[ARGS_MAX] = {NULL, "--quiet", "--dir", dir};
    size_t n = 4;

    for (; *args != NULL && n + 1 < ARGS_MAX; args++)
        argv[n++] = *args;
    const enum wr_err err = bench_spawn(p, argv, g->log, piped, g->why);
    if (err == WR_OK)
        bench_watch_add(&g->watch, p);
    return err;
}

static enum wr_err failed(struct ring *g, const char *what)
{
    char line[256] = "";
    FILE *f = fopen(g->log, "re");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        continue; /* The last line is the one that tells. */
    if (f != NULL)
        fclose(f);
    line[strcspn(line, "\n")] = '\0';
    return wr_why(g->why, WR_EFAIL, "wreath %s failed in the bench: %s", what,
                  line);
}

/* Runs it to its end. With `ret` its standard output is read as JSON. */
static enum wr_err run(struct ring *g, struct bench_process *p, const char *dir,
                       const char *const *args, json_t **ret)
{
    enum wr_err err = start(g, p, ret != NULL, dir, args);
    json_t *o = NULL;

    if (err != WR_OK)
        return err;
    if (ret != NULL)
        o = bench_read_json(p);
    const int status = bench_wait(p);
    bench_watch_drop(&g->watch, p);
    if (status != 0 || (ret != NULL && o == NULL)) {
        json_decref(o);
        return failed(g, args[0]);
    }
    if (ret != NULL)
        *ret = o;
    return WR_OK;
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- the ring
 * ------------------------------------------------------------------ */

static enum wr_err ask(struct ring *g, unsigned host, const char *what,
                       json_t **ret)
{
    struct bench_process p;
    char dir[DIR_MAX];

    path_of(g, dir, "host", host);
    return run(g, &p, dir, ARGS(what, "--json"), ret);
}

static json_int_t number_at(const json_t *o, const char *a, const char *b)
{
    return json_integer_value(json_object_get(json_object_get(o, a), b));
}

static enum wr_err start_host(struct ring *g, unsigned i)
{
    char dir[DIR_MAX], address[DIR_MAX];
    const double start_s = bench_now_s();

    path_of(g, dir, "host", i);
    path_of(g, address, "host", i);
    strncat(address, "/run/address", DIR_MAX - strlen(address) - 1);
    const enum wr_err err = start(g, &g->hosts[i], false, dir,
                                  ARGS("superpeer", "--listen", "127.0.0.1:0"));
    if (err != WR_OK)
        return err;
    while (access(address, R_OK) != 0) {
        if (bench_now_s() - start_s > READY_S)
            return failed(g, "superpeer");
        pause_ms(20);
    }
    return WR_OK;
}

/* Every host serves and counts all. */
static enum wr_err await_ring(struct ring *g)
{
    const double start_s = bench_now_s();

    for (unsigned i = 0; i < g->plan->hosts;) {
        json_t *o;
        const enum wr_err err = ask(g, i, "status", &o);

        if (err != WR_OK)
            return err;
        const char *state = json_string_value(json_object_get(o, "state"));
        const bool ready =
            state != NULL && strcmp(state, "serving") == 0 &&
            json_integer_value(json_object_get(o, "hosts_admitted")) ==
                (json_int_t)g->plan->hosts;
        json_decref(o);
        if (ready) {
            i++;
            continue;
        }
        if (bench_now_s() - start_s > READY_S)
            return wr_why(g->why, WR_ETIMEOUT, "no ring came about in %d s",
                          READY_S);
        pause_ms(50);
    }
    return WR_OK;
}

static enum wr_err join(struct ring *g, const char *kind, unsigned n,
                        const char *ticket, bool super)
{
    char issuer[DIR_MAX], dir[DIR_MAX], uses[16];
    struct bench_process p;

    path_of(g, issuer, "host", 0);
    snprintf(uses, sizeof(uses), "%u", n);
    enum wr_err err =
        super
            ? run(g, &p, issuer,
                  ARGS("invite", "--super-peer", "--uses", uses, "-o", ticket),
                  NULL)
            : run(g, &p, issuer, ARGS("invite", "--uses", uses, "-o", ticket),
                  NULL);
    for (unsigned i = super ? 1 : 0; i < n + super && err == WR_OK; i++) {
        path_of(g, dir, kind, i);
        err = run(g, &p, dir, ARGS("join", ticket), NULL);
        if (super && err == WR_OK)
            err = start_host(g, i);
    }
    return err;
}

/* K hosts and three leaves: one puts, one gets, one is asked for first bytes.
 */
static enum wr_err start_ring(struct ring *g)
{
    char dir[DIR_MAX], ticket[DIR_MAX];
    struct bench_process p;

    path_of(g, dir, "host", 0);
    enum wr_err err =
        run(g, &p, dir, ARGS("init", "--listen", "127.0.0.1:0"), NULL);
    if (err == WR_OK)
        err = start_host(g, 0);
    path_of(g, ticket, "ticket", 1);
    if (err == WR_OK && g->plan->hosts > 1)
        err = join(g, "host", g->plan->hosts - 1, ticket, true);
    path_of(g, ticket, "ticket", 2);
    if (err == WR_OK)
        err = join(g, "leaf", 3, ticket, false);
    if (err == WR_OK)
        err = await_ring(g);
    for (unsigned i = 0; i < g->plan->hosts && err == WR_OK; i++)
        g->r->host_idle_bytes[i] = bench_rss_of(g->hosts[i].pid);
    return err;
}

static void stop_ring(struct ring *g)
{
    for (unsigned i = 0; i < g->plan->hosts; i++) {
        bench_watch_drop(&g->watch, &g->hosts[i]);
        bench_end(&g->hosts[i]);
        g->r->host_cpu_s[i] = g->hosts[i].cpu_s;
        g->r->host_peak_bytes[i] = g->hosts[i].peak_bytes;
    }
}

static double hosts_cpu(const struct ring *g)
{
    double sum = 0;

    for (unsigned i = 0; i < g->plan->hosts; i++)
        sum += bench_cpu_of(&g->hosts[i]);
    return sum;
}

/* ---- what is put
 * ------------------------------------------------------------------ */

/* `size` bytes that nobody has put before. */
static enum wr_err make_file(struct ring *g, const char *path, uint64_t seed,
                             uint64_t size)
{
    static uint8_t block[BENCH_BLOCK];
    struct wr_rng rng = {.state = seed};
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0;

    while (ok && size > 0) {
        const size_t n = size < sizeof(block) ? (size_t)size : sizeof(block);

        wr_rng_fill(&rng, block, n);
        ok = write(fd, block, n) == (ssize_t)n;
        size -= n;
    }
    if (fd >= 0 && close(fd) != 0)
        ok = false;
    return ok ? WR_OK
              : wr_why(g->why, wr_err_of_errno(errno), "cannot write %s: %s",
                       path, wr_errno_text(errno));
}

/* F files of 4 KiB, a hundred to a folder. */
static enum wr_err make_tree(struct ring *g, const char *path)
{
    char name[DIR_MAX + 64];
    enum wr_err err = WR_OK;

    if (mkdir(path, 0700) != 0)
        return wr_why(g->why, WR_EIO, "cannot make %s", path);
    for (unsigned i = 0; i < g->plan->files && err == WR_OK; i++) {
        snprintf(name, sizeof(name), "%s/%u", path, i / 100);
        if (i % 100 == 0 && mkdir(name, 0700) != 0)
            return wr_why(g->why, WR_EIO, "cannot make %s", name);
        snprintf(name, sizeof(name), "%s/%u/%u", path, i / 100, i);
        err = make_file(g, name, 0x7ee00000000 + i, BENCH_SMALL);
    }
    return err;
}

static bool same_files(const char *a, const char *b)
{
    static uint8_t x[BENCH_BLOCK], y[BENCH_BLOCK];
    FILE *f = fopen(a, "re"), *g = fopen(b, "re");
    bool same = f != NULL && g != NULL;

    while (same) {
        const size_t n = fread(x, 1, sizeof(x), f);

        same = fread(y, 1, sizeof(y), g) == n && memcmp(x, y, n) == 0;
        if (n == 0)
            break;
    }
    if (f != NULL)
        fclose(f);
    if (g != NULL)
        fclose(g);
    return same;
}

/* ---- what is measured
 * -------------------------------------------------------------- */

static enum wr_err chunks_kept(struct ring *g, json_int_t *ret)
{
    *ret = 0;
    for (unsigned i = 0; i < g->plan->hosts; i++) {
        json_t *o;
        const enum wr_err err = ask(g, i, "status", &o);

        if (err != WR_OK)
            return err;
        *ret += number_at(o, "store", "chunks");
        json_decref(o);
    }
    return WR_OK;
}

/* Until the ring keeps that many chunks, copies included. */
static enum wr_err await_chunks(struct ring *g, json_int_t want)
{
    const double start_s = bench_now_s();
    json_int_t have;

    do {
        const enum wr_err err = chunks_kept(g, &have);

        if (err != WR_OK)
            return err;
        if (have < want)
            pause_ms(20);
        if (bench_now_s() - start_s > COPIES_S)
            return wr_why(g->why, WR_ETIMEOUT,
                          "%d s after the put %lld of %lld copies stand",
                          COPIES_S, (long long)have, (long long)want);
    } while (have < want);
    return WR_OK;
}

static void note_run(const struct ring *g, const struct bench_process *p,
                     double start_s, double cpu_s, struct bench_run *ret)
{
    ret->wall_s = bench_now_s() - start_s;
    ret->leaf_cpu_s = p->cpu_s;
    ret->leaf_peak_bytes = p->peak_bytes;
    ret->hosts_cpu_s = hosts_cpu(g) - cpu_s;
}

/* The CID to ret_cid. */
static enum wr_err put(struct ring *g, const char *path, char ret_cid[128],
                       struct bench_run *ret)
{
    struct bench_process p;
    char dir[DIR_MAX];
    json_int_t before;
    json_t *o;

    path_of(g, dir, "leaf", 0);
    enum wr_err err = chunks_kept(g, &before);
    if (err != WR_OK)
        return err;
    sync(); /* What was written before is not this run's to wait for. */
    const double cpu_s = hosts_cpu(g), start_s = bench_now_s();
    err = run(g, &p, dir,
              ARGS("put", "--json", "--copies", g->copies, "--", path), &o);
    if (err != WR_OK)
        return err;
    note_run(g, &p, start_s, cpu_s, ret);
    const char *cid = json_string_value(json_object_get(o, "cid"));
    const json_int_t chunks =
        json_integer_value(json_object_get(o, "chunks")) -
        json_integer_value(json_object_get(o, "chunks_deduplicated"));
    const json_int_t copies =
        g->plan->copies < g->plan->hosts ? g->plan->copies : g->plan->hosts;
    snprintf(ret_cid, 128, "%s", cid != NULL ? cid : "");
    json_decref(o);
    if (ret_cid[0] == '\0')
        return failed(g, "put");
    err = await_chunks(g, before + chunks * copies);
    ret->all_copies_s = bench_now_s() - start_s;
    return err;
}

static enum wr_err get(struct ring *g, const char *cid, const char *out,
                       struct bench_run *ret)
{
    struct bench_process p;
    char dir[DIR_MAX];

    path_of(g, dir, "leaf", 1);
    sync();
    const double cpu_s = hosts_cpu(g), start_s = bench_now_s();
    const enum wr_err err = run(g, &p, dir, ARGS("get", cid, "-o", out), NULL);
    if (err == WR_OK)
        note_run(g, &p, start_s, cpu_s, ret);
    return err;
}

static enum wr_err measure_file(struct ring *g)
{
    char file[DIR_MAX], out[DIR_MAX], cid[128];
    enum wr_err err = WR_OK;

    for (uint32_t i = 0; i < g->plan->runs && err == WR_OK; i++) {
        path_of(g, file, "file", i);
        path_of(g, out, "out", i);
        err = make_file(g, file, i + 1, g->plan->size);
        if (err == WR_OK)
            err = put(g, file, cid, &g->r->put[i]);
        if (err == WR_OK)
            err = get(g, cid, out, &g->r->get[i]);
        if (err == WR_OK && !same_files(file, out))
            err = wr_why(g->why, WR_EDAMAGED,
                         "what was got is not what was "
                         "put: %s and %s differ",
                         file, out);
        unlink(file);
        unlink(out);
    }
    return err;
}

static enum wr_err measure_tree(struct ring *g)
{
    char tree[DIR_MAX], out[DIR_MAX], cid[128];

    path_of(g, tree, "tree", 0);
    path_of(g, out, "treeout", 0);
    enum wr_err err = make_tree(g, tree);
    if (err == WR_OK)
        err = put(g, tree, cid, &g->r->tree_put);
    if (err == WR_OK)
        err = get(g, cid, out, &g->r->tree_get);
    g->r->has_tree = err == WR_OK;
    return err;
}

struct reader {
    int fd;
    double first_s; /* When the first byte came; 0: none. */
};

static void *read_pipe(void *arg)
{
    static uint8_t into[64 << 10];
    struct reader *r = arg;

    while (read(r->fd, into, sizeof(into)) > 0)
        if (r->first_s == 0)
            r->first_s = bench_now_s();
    return NULL;
}

/* From the call of a leaf that is attached to the first byte that it gives. */
static enum wr_err first_byte(struct ring *g, wreath *leaf, const char *cid,
                              double *ret)
{
    struct reader r = {.first_s = 0};
    wreath_error error = {.code = WREATH_OK};
    wreath_get_result result;
    pthread_t thread;
    int fd[2];

    if (pipe2(fd, O_CLOEXEC) != 0)
        return wr_why(g->why, WR_EIO, "pipe: %s", wr_errno_text(errno));
    r.fd = fd[0];
    if (pthread_create(&thread, NULL, read_pipe, &r) != 0) {
        close(fd[0]);
        close(fd[1]);
        return wr_why(g->why, WR_ENOMEM, "cannot start a thread");
    }
    const double start_s = bench_now_s();
    const wreath_code code =
        wreath_get_fd(leaf, cid, fd[1], NULL, &result, &error);
    close(fd[1]);
    pthread_join(thread, NULL);
    close(fd[0]);
    if (code != WREATH_OK || r.first_s == 0)
        return wr_why(g->why, WR_EFAIL, "%s", error.text);
    *ret = r.first_s - start_s;
    return WR_OK;
}

static enum wr_err first_bytes(struct ring *g, wreath *leaf, const char *cid)
{
    wreath_error error;
    char *answer;
    enum wr_err err = WR_OK;

    /* Any question attaches the leaf. */
    if (wreath_query(leaf, "status", "", &answer, &error) != WREATH_OK)
        return wr_why(g->why, WR_EFAIL, "%s", error.text);
    free(answer);
    for (uint32_t i = 0; i < g->plan->runs && err == WR_OK; i++)
        err = first_byte(g, leaf, cid, &g->r->first_byte_s[i]);
    return err;
}

/* A file of 1,024 chunks, the most that one node can name. */
static enum wr_err measure_first_byte(struct ring *g)
{
    char dir[DIR_MAX], file[DIR_MAX], cid[128];
    wreath_error error;
    wreath *leaf;
    json_t *o;
    struct bench_process p;

    path_of(g, dir, "leaf", 2);
    path_of(g, file, "thousand", 0);
    enum wr_err err = make_file(g, file, 0xf1257, FIRST_BYTE_FILE);
    if (err == WR_OK)
        err = run(g, &p, dir,
                  ARGS("put", "--json", "--chunker", FIRST_BYTE_CUT, file), &o);
    if (err != WR_OK)
        return err;
    const char *text = json_string_value(json_object_get(o, "cid"));
    snprintf(cid, sizeof(cid), "%s", text != NULL ? text : "");
    json_decref(o);
    const wreath_options options = {.dir = dir};
    if (wreath_open(&options, &leaf, &error) != WREATH_OK)
        return wr_why(g->why, WR_EFAIL, "%s", error.text);
    err = first_bytes(g, leaf, cid);
    wreath_close(leaf);
    g->r->has_first_byte = err == WR_OK;
    return err;
}

enum wr_err bench_ring(const struct cli *cli, const struct bench_plan *plan,
                       struct bench_results *ret, struct wr_why *why)
{
    static struct ring g; /* Large, and one bench a process. */

    g = (struct ring){.cli = cli, .plan = plan, .r = ret, .why = why};
    *ret = (struct bench_results){.has_tree = false};
    snprintf(g.log, sizeof(g.log), "%s/log", plan->dir);
    snprintf(g.copies, sizeof(g.copies), "%u", plan->copies);
    enum wr_err err = bench_watch_start(&g.watch, why);
    if (err != WR_OK)
        return err;
    say(&g, "starting a ring");
    err = start_ring(&g);
    if (err == WR_OK) {
        say(&g, "one big file");
        err = measure_file(&g);
    }
    if (err == WR_OK && plan->files > 0) {
        say(&g, "many small files");
        err = measure_tree(&g);
    }
    if (err == WR_OK)
        err = measure_first_byte(&g);
    stop_ring(&g);
    bench_watch_stop(&g.watch);
    return err;
}
