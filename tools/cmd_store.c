/* cmd_store.c - `wreath fsck` and `wreath salvage`: a store judged, or rebuilt,
 * while no host uses it. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ask.h"
#include "base/text.h"
#include "cli.h"
#include "store/check.h"
#include "store/salvage.h"

enum { KEYS_MAX = 1000, KEYS_SHOWN = 3 };

/* ---- fsck: the child ---------------------------------------------------- */

static void child_found(void *arg, enum wr_fault fault, struct wr_span key)
{
    char hex[WR_HEX_SIZE(64)];

    if (key.n > 64)
        key.n = 64;
    wr_hex(key, hex);
    fprintf(arg, "fault %d %s\n", (int)fault, key.n > 0 ? hex : "-");
}

static void child_progress(void *arg, uint64_t done, uint64_t total)
{
    fprintf(arg, "at %llu %llu\n", (unsigned long long)done,
            (unsigned long long)total);
    fflush(arg);
}

/* LMDB believes its pages, and may abort over damaged ones: what was found
 * until then has been told. */
static _Noreturn void child(int fd, const char *path)
{
    FILE *out = fdopen(fd, "w");
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct wr_check c = {0};
    struct wr_why why = {0};

    if (out == NULL || null < 0 || dup2(null, STDERR_FILENO) < 0)
        _exit(1);
    const struct wr_check_cfg cfg = {
        .found = child_found, .progress = child_progress, .arg = out};
    const enum wr_err err = wr_store_check(path, &cfg, &c, &why);
    if (err != WR_OK)
        fprintf(out, "error %d %s\n", (int)err, why.text);
    else
        fprintf(out, "sum %llu %llu %llu %llu %llu %llu\n",
                (unsigned long long)c.chunks, (unsigned long long)c.chunk_bytes,
                (unsigned long long)c.refs, (unsigned long long)c.roots,
                (unsigned long long)c.unreferred,
                (unsigned long long)c.salvaged);
    _exit(fclose(out) == 0 ? 0 : 1);
}

/* ---- fsck: what it says ------------------------------------------------- */

struct report {
    const char *path;
    bool ended;        /* The whole store was judged. */
    int signal;        /* The child died of it; or 0. */
    uint64_t at;       /* Chunks until then. */
    struct wr_why why; /* It could not be judged at all. */
    struct wr_check sum;
    uint64_t faults[WR_FAULTS];
    json_t *keys[WR_FAULTS];
};

static void take_fault(struct report *r, const char *text)
{
    char hex[WR_HEX_SIZE(64)];
    unsigned fault;

    if (sscanf(text, "%u %128s", &fault, hex) != 2 || fault >= WR_FAULTS)
        return;
    r->faults[fault]++;
    if (hex[0] != '-' && json_array_size(r->keys[fault]) < KEYS_MAX)
        json_array_append_new(r->keys[fault], json_string(hex));
}

static void take_sum(struct report *r, const char *text)
{
    unsigned long long v[6];

    r->ended = sscanf(text, "%llu %llu %llu %llu %llu %llu", &v[0], &v[1],
                      &v[2], &v[3], &v[4], &v[5]) == 6;
    if (r->ended)
        r->sum = (struct wr_check){.chunks = v[0],
                                   .chunk_bytes = v[1],
                                   .refs = v[2],
                                   .roots = v[3],
                                   .unreferred = v[4],
                                   .salvaged = v[5]};
}

static void take_line(struct report *r, char *line, struct cli_progress *p)
{
    unsigned long long done, total;
    int err;

    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "fault ", 6) == 0) {
        take_fault(r, line + 6);
    } else if (strncmp(line, "sum ", 4) == 0) {
        take_sum(r, line + 4);
    } else if (sscanf(line, "at %llu %llu", &done, &total) == 2) {
        char note[64];

        r->at = done;
        snprintf(note, sizeof(note), "%llu of %llu chunks", done, total);
        cli_progress_show(p, 0, 0, note);
    } else if (sscanf(line, "error %d", &err) == 1) {
        const char *text = strchr(line + 6, ' ');

        wr_why(&r->why, (enum wr_err)err, "%s", text != NULL ? text + 1 : "");
    }
}

/* Runs the child to its end, or its death. */
static bool judge(const struct cli *cli, struct report *r)
{
    struct cli_progress progress;
    char *line = NULL;
    size_t cap = 0;
    int fds[2], status;

    fflush(NULL);
    if (pipe(fds) != 0)
        return false;
    const pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child(fds[1], r->path);
    }
    close(fds[1]);
    FILE *in = pid > 0 ? fdopen(fds[0], "r") : NULL;
    if (in == NULL) {
        close(fds[0]);
        return false;
    }
    cli_progress_start(&progress, cli, "checking");
    while (getline(&line, &cap, in) > 0)
        take_line(r, line, &progress);
    cli_progress_end(&progress);
    free(line);
    fclose(in);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status))
        r->signal = WTERMSIG(status);
    return true;
}

enum verdict { SOUND, ROTTEN, BROKEN };

static enum verdict verdict_of(const struct report *r)
{
    enum verdict v = r->ended ? SOUND : BROKEN;

    for (enum wr_fault f = 0; f < WR_FAULTS; f++) {
        if (r->faults[f] == 0)
            continue;
        if (wr_fault_of_tables(f))
            v = BROKEN;
        else if (v == SOUND)
            v = ROTTEN;
    }
    return v;
}

/* How to speak to the host whose store it is: that of --dir, or the one in
 * whose directory it lies. */
static const char *its_host(const struct cli *cli, const struct report *r,
                            char ret[CLI_SELF_MAX])
{
    struct cli other = {.dir_given = true};
    char path[WR_HOME_PATH_MAX];
    const char *slash = strrchr(r->path, '/');

    wr_home_path(cli->dir, "store", path);
    if (strcmp(path, r->path) == 0 ||
        strcmp(slash != NULL ? slash + 1 : r->path, "store") != 0)
        return cli_self(cli, ret);
    snprintf(path, sizeof(path), "%s", r->path);
    snprintf(other.dir, sizeof(other.dir), "%s", dirname(path));
    return cli_self(&other, ret);
}

/* What helps. */
static void next_step(const struct cli *cli, const struct report *r, char *ret,
                      size_t size)
{
    char self[CLI_SELF_MAX], path[2 * WR_HOME_PATH_MAX];

    switch (verdict_of(r)) {
    case SOUND:
        ret[0] = '\0';
        return;
    case ROTTEN:
        snprintf(ret, size,
                 "start the host, then '%s scrub': other hosts' copies replace "
                 "what is rotten",
                 its_host(cli, r, self));
        return;
    case BROKEN:
        cli_word(r->path, path, sizeof(path));
        snprintf(ret, size,
                 "'wreath salvage %s %s.new' brings back what is whole; then "
                 "move it to the place of the old one",
                 path, path);
        return;
    }
    WR_UNREACHABLE();
}

static json_t *faults_json(const struct report *r)
{
    json_t *all = json_array();

    for (enum wr_fault f = 0; f < WR_FAULTS; f++)
        if (r->faults[f] > 0)
            json_array_append_new(
                all,
                json_pack("{s:s, s:s, s:I, s:O}", "fault", wr_fault_name(f),
                          "text", wr_fault_text(f), "count",
                          (json_int_t)r->faults[f], "keys", r->keys[f]));
    return all;
}

static void print_json(const struct report *r, const char *next)
{
    json_t *o = json_pack(
        "{s:s, s:b, s:b, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:s}", "store",
        r->path, "sound", (int)(verdict_of(r) == SOUND), "complete",
        (int)r->ended, "signal", r->signal, "chunks",
        (json_int_t)(r->ended ? r->sum.chunks : r->at), "chunk_bytes",
        (json_int_t)r->sum.chunk_bytes, "refs", (json_int_t)r->sum.refs,
        "roots", (json_int_t)r->sum.roots, "unreferred",
        (json_int_t)r->sum.unreferred, "salvaged", (json_int_t)r->sum.salvaged,
        "faults", faults_json(r), "next", next);

    cli_json(o);
    json_decref(o);
}

static void print_text(const struct report *r, const char *next)
{
    char bytes[16];

    if (r->ended)
        printf("store     %s: %llu chunks, %s, %llu references, %llu root "
               "records\n",
               r->path, (unsigned long long)r->sum.chunks,
               wr_size_text(r->sum.chunk_bytes, bytes),
               (unsigned long long)r->sum.refs,
               (unsigned long long)r->sum.roots);
    else
        printf("store     %s: its tables are so damaged that LMDB gave up "
               "after %llu chunks\n",
               r->path, (unsigned long long)r->at);
    for (enum wr_fault f = 0; f < WR_FAULTS; f++) {
        size_t i;
        json_t *key;

        if (r->faults[f] == 0)
            continue;
        printf("fault     %s", wr_fault_text(f));
        if (r->faults[f] > 1)
            printf(" (%llu times)", (unsigned long long)r->faults[f]);
        putchar('\n');
        json_array_foreach(r->keys[f], i, key)
        {
            if (i < KEYS_SHOWN)
                printf("          %s\n", json_string_value(key));
        }
        if (json_array_size(r->keys[f]) > KEYS_SHOWN)
            puts("          ... (--json names more)");
    }
    if (verdict_of(r) == SOUND)
        puts("sound     every chunk has its hash, and the tables agree");
    if (r->sum.salvaged > 0)
        printf("note      who refers to %llu salvaged chunk%s is not known: "
               "kept\n",
               (unsigned long long)r->sum.salvaged,
               r->sum.salvaged == 1 ? "" : "s");
    if (next[0] != '\0')
        printf("next      %s\n", next);
}

static void no_slash_behind(char *path)
{
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
}

/* A host's directory has its store in it. */
static void store_path(const char *given, char ret[WR_HOME_PATH_MAX])
{
    char inside[WR_HOME_PATH_MAX];

    wr_home_path(given, "store/data.mdb", inside);
    if (access(inside, F_OK) == 0)
        wr_home_path(given, "store", ret);
    else
        snprintf(ret, WR_HOME_PATH_MAX, "%s", given);
    no_slash_behind(ret);
}

int cmd_fsck(struct cli *cli, int argc, char **argv)
{
    char path[WR_HOME_PATH_MAX], next[5 * WR_HOME_PATH_MAX];
    char self[CLI_SELF_MAX];
    struct report r = {.path = path};
    int first, status = 0;
    const int over = cli_options(cli, "fsck", NULL, 0, argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first > 1)
        return cli_usage(cli, "fsck", "say one store");
    if (first == argc)
        wr_home_path(cli->dir, "store", path);
    else
        store_path(argv[first], path);
    for (enum wr_fault f = 0; f < WR_FAULTS; f++)
        r.keys[f] = json_array();
    if (!judge(cli, &r)) {
        wr_why(&r.why, WR_EFAIL, "cannot start a process: %s",
               wr_errno_text(errno));
        status = cli_fail(cli, &r.why);
    } else if (r.why.err != WR_OK && r.why.err != WR_EDAMAGED) {
        status = cli_fail(cli, &r.why);
        if (r.why.err == WR_ELOCKED)
            cli_remark(cli, "'%s scrub' checks the chunks of a host that runs",
                       its_host(cli, &r, self));
    } else {
        next_step(cli, &r, next, sizeof(next));
        if (cli->json)
            print_json(&r, next);
        else
            print_text(&r, next);
        status = verdict_of(&r) == SOUND ? 0 : wr_err_status(WR_EDAMAGED);
    }
    for (enum wr_fault f = 0; f < WR_FAULTS; f++)
        json_decref(r.keys[f]);
    return status;
}

/* ---- salvage ------------------------------------------------------------ */

static void on_salvage(void *arg, uint64_t done, uint64_t total)
{
    cli_progress_show(arg, done, total, NULL);
}

static void print_salvage(const struct wr_salvage *s, const char *old,
                          const char *made)
{
    const unsigned long long unknown = s->chunks - s->referred;
    char bytes[16], from[2 * WR_HOME_PATH_MAX], to[2 * WR_HOME_PATH_MAX];

    printf("brought back %llu chunk%s, %s, and %llu root record%s to %s\n",
           (unsigned long long)s->chunks, s->chunks == 1 ? "" : "s",
           wr_size_text(s->chunk_bytes, bytes), (unsigned long long)s->roots,
           s->roots == 1 ? "" : "s", made);
    if (unknown > 0)
        printf("who refers to %llu of them is not known: these are kept\n",
               unknown);
    if (s->incomplete > 0)
        printf("%llu more are incomplete: other hosts have them, or nobody\n",
               (unsigned long long)s->incomplete);
    if (s->unreadable > 0)
        printf("the disk did not give %llu page%s: replace it\n",
               (unsigned long long)s->unreadable,
               s->unreadable == 1 ? "" : "s");
    cli_word(old, from, sizeof(from));
    cli_word(made, to, sizeof(to));
    printf("next: mv %s %s.old && mv %s %s, then start the host\n", from, from,
           to, from);
}

static void json_salvage(const struct wr_salvage *s, const char *made)
{
    json_t *o = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "store", made, "chunks",
        (json_int_t)s->chunks, "chunk_bytes", (json_int_t)s->chunk_bytes,
        "referred", (json_int_t)s->referred, "incomplete",
        (json_int_t)s->incomplete, "roots", (json_int_t)s->roots, "pages",
        (json_int_t)s->pages, "unreadable", (json_int_t)s->unreadable);

    cli_json(o);
    json_decref(o);
}

int cmd_salvage(struct cli *cli, int argc, char **argv)
{
    char old[WR_HOME_PATH_MAX], made[WR_HOME_PATH_MAX];
    struct cli_progress progress;
    struct wr_salvage s;
    struct wr_why why = {0};
    int first;
    const int over = cli_options(cli, "salvage", NULL, 0, argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first != 2)
        return cli_usage(cli, "salvage",
                         "say the damaged store, and where the new one goes");
    store_path(argv[first], old);
    snprintf(made, sizeof(made), "%s", argv[first + 1]);
    no_slash_behind(made);
    cli_progress_start(&progress, cli, "salvaging");
    const enum wr_err err =
        wr_store_salvage(old, made, on_salvage, &progress, &s, &why);
    cli_progress_end(&progress);
    if (err != WR_OK)
        return cli_fail(cli, &why);
    if (cli->json)
        json_salvage(&s, made);
    else if (!cli->quiet)
        print_salvage(&s, old, made);
    return 0;
}
