/* The library against a super-peer in a thread: what goes in comes out, and
 * what may not happen does not. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/parent.h"
#include "base/rng.h"
#include "object/dir.h"
#include "wreath/wreath.h"

struct bed {
    char dir[64];  /* The identity's. */
    char home[80]; /* In it. */
    struct parent *parent;
    wreath *w;
    wreath_error error;
};

static struct bed bed;

static void setup(void)
{
    wreath_options o = {.dir = bed.home, .timeout_ms = 1500};

    signal(SIGPIPE, SIG_IGN);
    umask(022);
    strcpy(bed.dir, "/tmp/wreath-client-XXXXXX");
    cr_assert_not_null(mkdtemp(bed.dir));
    snprintf(bed.home, sizeof(bed.home), "%s/home", bed.dir);
    parent_identity(bed.home, WR_ROLE_LEAF);
    bed.parent = parent_start(bed.home);
    cr_assert_eq(wreath_open(&o, &bed.w, &bed.error), WREATH_OK, "%s",
                 bed.error.text);
}

static void teardown(void)
{
    char command[128];

    wreath_close(bed.w);
    parent_stop(bed.parent);
    snprintf(command, sizeof(command), "rm -rf %s", bed.dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(client, .init = setup, .fini = teardown, .timeout = 100);

static const char *at(const char *name)
{
    static char path[8][256];
    static unsigned i;

    i = (i + 1) % 8;
    snprintf(path[i], sizeof(path[i]), "%s/%s", bed.dir, name);
    return path[i];
}

static uint8_t *noise(size_t n, uint64_t seed)
{
    struct wr_rng rng = {seed};
    uint8_t *p = malloc(n + 1);

    wr_rng_fill(&rng, p, n);
    return p;
}

static void write_file(const char *path, const void *p, size_t n, mode_t mode)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

    cr_assert(fd >= 0, "%s", path);
    cr_assert_eq(write(fd, p, n), (ssize_t)n);
    close(fd);
}

static void expect_ok(wreath_code code)
{
    cr_assert_eq(code, WREATH_OK, "%s", bed.error.text);
}

static void expect_error(wreath_code code, wreath_code expected)
{
    cr_assert_eq(code, expected, "%d: %s", code, bed.error.text);
    cr_assert(code == WREATH_OK || strlen(bed.error.text) > 10);
}

static int shell(const char *fmt, const char *a, const char *b)
{
    char command[600];

    const char *p = fmt;
    size_t n = 0;

    /* %s twice: the words of this file alone. */
    for (unsigned i = 0; *p != '\0' && n + 1 < sizeof(command);) {
        if (p[0] == '%' && p[1] == 's') {
            n += (size_t)snprintf(command + n, sizeof(command) - n, "%s",
                                  i++ == 0 ? a : b);
            p += 2;
        } else {
            command[n++] = *p++;
        }
    }
    command[n] = '\0';
    return system(command);
}

static bool nothing_left(void)
{
    return shell("test -z \"$(find %s -name '*wreath-part*')\"%s", bed.dir,
                 "") == 0;
}

static void round_trip(size_t n)
{
    uint8_t *bytes = noise(n, n), *back = NULL;
    wreath_put_result put;
    size_t back_n = 0;

    expect_ok(wreath_put_bytes(bed.w, bytes, n, NULL, &put, &bed.error));
    cr_assert_eq(put.size, n);
    cr_assert_eq(bed.parent->root_state, WR_ROOT_KEPT);
    expect_ok(
        wreath_get_bytes(bed.w, put.cid, n, NULL, &back, &back_n, &bed.error));
    cr_assert_eq(back_n, n);
    cr_assert(n == 0 || memcmp(bytes, back, n) == 0, "%zu bytes", n);
    free(bytes);
    free(back);
}

Test(client, bytes_of_all_sizes)
{
    static const size_t sizes[] = {
        0,       1,       2,       4095,    65535,    65536,
        65537,   262143,  262144,  262145,  1048575,  1048576,
        1048577, 2097152, 3000000, 9999999, 20 << 20,
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(sizes); i++)
        round_trip(sizes[i]);
}

Test(client, files_and_streams)
{
    const size_t n = 5 << 20;
    uint8_t *bytes = noise(n, 1);
    wreath_put_result put, again;
    wreath_get_result get;

    write_file(at("in"), bytes, n, 0644);
    expect_ok(wreath_put_path(bed.w, at("in"), NULL, &put, &bed.error));
    const int fd = open(at("in"), O_RDONLY);
    expect_ok(wreath_put_fd(bed.w, fd, NULL, &again, &bed.error));
    close(fd);
    cr_assert_str_eq(put.cid, again.cid);
    cr_assert_eq(again.bytes_sent, 0, "nothing is sent twice");
    cr_assert_eq(again.chunks_deduplicated, again.chunks);
    cr_assert_str_neq(put.put, again.put, "each put has an id of its own");

    expect_ok(
        wreath_get_path(bed.w, put.cid, at("out"), NULL, &get, &bed.error));
    cr_assert_eq(shell("cmp %s %s", at("in"), at("out")), 0);
    cr_assert_eq(get.size, n);
    cr_assert_eq(get.files, 1);
    const int out = open(at("fd"), O_WRONLY | O_CREAT, 0600);
    expect_ok(wreath_get_fd(bed.w, put.cid, out, NULL, NULL, &bed.error));
    close(out);
    cr_assert_eq(shell("cmp %s %s", at("in"), at("fd")), 0);
    cr_assert(nothing_left());
    free(bytes);
}

Test(client, profile_of_the_world)
{
    const wreath_put_options o = {.profile = "unixfs-v1-2025"};
    wreath_put_result put;

    expect_ok(wreath_put_bytes(bed.w, "hello world", 11, &o, &put, &bed.error));
    cr_assert_str_eq(
        put.cid, "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
}

Test(client, a_new_version_shares_chunks)
{
    const size_t n = 30 << 20;
    uint8_t *bytes = noise(n + 100, 5);
    wreath_put_result put;

    expect_ok(wreath_put_bytes(bed.w, bytes, n, NULL, &put, &bed.error));
    memmove(bytes + n / 2 + 100, bytes + n / 2, n / 2);
    expect_ok(wreath_put_bytes(bed.w, bytes, n + 100, NULL, &put, &bed.error));
    cr_assert_lt(put.bytes_sent, n / 20);
    free(bytes);
}

Test(client, ranges)
{
    const size_t n = 3 << 20;
    uint8_t *bytes = noise(n, 6), *back;
    static const struct {
        uint64_t from, to;
    } ranges[] = {{0, 1},       {1, 2}, {65535, 65537},    {1000000, 2500000},
                  {3145727, 0}, {0, 0}, {2 << 20, 9 << 20}};
    wreath_put_result put;
    size_t back_n;

    expect_ok(wreath_put_bytes(bed.w, bytes, n, NULL, &put, &bed.error));
    for (size_t i = 0; i < WR_ARRAY_LEN(ranges); i++) {
        const wreath_get_options o = {.from = ranges[i].from,
                                      .to = ranges[i].to};
        const uint64_t to =
            ranges[i].to == 0 || ranges[i].to > n ? n : ranges[i].to;

        expect_ok(wreath_get_bytes(bed.w, put.cid, n, &o, &back, &back_n,
                                   &bed.error));
        cr_assert_eq(back_n, to - ranges[i].from, "range %zu", i);
        cr_assert_eq(memcmp(back, bytes + ranges[i].from, back_n), 0);
        free(back);
    }
    free(bytes);
}

enum { MANY = 1200 }; /* With names so long that they need a HAMT. */

/* Odd names, empty directories, links, modes, a directory that is sharded, and
 * a file of more than one chunk. */
static void make_tree(const char *root)
{
    char path[512];
    uint8_t *big = noise(2 << 20, 9);

    cr_assert_eq(mkdir(root, 0755), 0);
    cr_assert_eq(shell("cd %s && mkdir -p a/b/c empty 'sp ace' && "
                       "printf x > 'sp ace/new\nline' && printf y > a/-n && "
                       "printf z > \"$(printf 'a/\\377\\376')\" && "
                       ": > a/b/zero && ln -s ../a/b link && "
                       "ln -s /etc/passwd out && ln -s nowhere a/b/c/dead && "
                       "printf '#!/bin/sh\n' > run && chmod 755 run && "
                       "mkdir many%s",
                       root, ""),
                 0);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(path, sizeof(path), "%s/many/%0200u", root, i);
        write_file(path, &i, sizeof(i), 0644);
    }
    snprintf(path, sizeof(path), "%s/a/big", root);
    write_file(path, big, 2 << 20, 0600);
    snprintf(path, sizeof(path), "%s/a/bigrun", root);
    write_file(path, big, 2 << 20, 0755);
    free(big);
}

static int same_tree(const char *a, const char *b)
{
    return shell("diff -r --no-dereference %s %s", a, b);
}

Test(client, trees)
{
    wreath_put_result put;
    wreath_get_result get;
    struct stat st;

    make_tree(at("tree"));
    expect_ok(wreath_put_path(bed.w, at("tree"), NULL, &put, &bed.error));
    expect_ok(
        wreath_get_path(bed.w, put.cid, at("back"), NULL, &get, &bed.error));
    cr_assert_eq(same_tree(at("tree"), at("back")), 0);
    cr_assert(get.is_tree);
    cr_assert_eq(get.links, 3);
    cr_assert_eq(stat(at("back/run"), &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0755);
    cr_assert_eq(stat(at("back/a/bigrun"), &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0755);
    cr_assert_eq(stat(at("back/a/big"), &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0644);
    cr_assert_eq(stat(at("back/empty"), &st), 0);
    cr_assert(nothing_left());

    /* A part of it, by path. */
    char what[300];
    snprintf(what, sizeof(what), "%s/a/b", put.cid);
    expect_ok(wreath_get_path(bed.w, what, at("part"), NULL, NULL, &bed.error));
    cr_assert_eq(same_tree(at("tree/a/b"), at("part")), 0);
    snprintf(what, sizeof(what), "%s/run", put.cid);
    expect_ok(wreath_get_path(bed.w, what, at("run"), NULL, NULL, &bed.error));
    cr_assert_eq(stat(at("run"), &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0755);
    snprintf(what, sizeof(what), "%s/a/nothing", put.cid);
    expect_error(wreath_get_path(bed.w, what, at("no"), NULL, NULL, &bed.error),
                 WREATH_ENOTFOUND);
    expect_error(wreath_get_fd(bed.w, put.cid, 1, NULL, NULL, &bed.error),
                 WREATH_EUNSUPPORTED);
}

static void count_entry(void *arg, const wreath_entry *e)
{
    unsigned *n = arg;

    n[0]++;
    n[e->kind]++;
    if (strcmp(e->name, "run") == 0)
        cr_assert(e->executable && e->size == 10);
}

Test(client, lists_and_descriptions)
{
    unsigned n[8] = {0};
    char what[300];
    wreath_put_result put;
    wreath_stat_result st;

    make_tree(at("tree"));
    expect_ok(wreath_put_path(bed.w, at("tree"), NULL, &put, &bed.error));
    expect_ok(wreath_list(bed.w, put.cid, count_entry, n, &bed.error));
    cr_assert_eq(n[0], 7);
    cr_assert_eq(n[WREATH_DIRECTORY], 4);
    cr_assert_eq(n[WREATH_LINK], 2);
    snprintf(what, sizeof(what), "%s/many", put.cid);
    memset(n, 0, sizeof(n));
    expect_ok(wreath_list(bed.w, what, count_entry, n, &bed.error));
    cr_assert_eq(n[WREATH_FILE], MANY);
    snprintf(what, sizeof(what), "%s/a/big", put.cid);
    expect_ok(wreath_stat(bed.w, what, &st, &bed.error));
    cr_assert_eq(st.kind, WREATH_FILE);
    cr_assert_eq(st.size, 2 << 20);
    cr_assert_gt(st.chunks, 1);
    cr_assert_eq(st.blocks, st.chunks + 1);
    cr_assert_eq(st.copies, 2);
    expect_error(wreath_list(bed.w, what, count_entry, n, &bed.error),
                 WREATH_EINVAL);
}

static void count_root(void *arg, const wreath_root *root)
{
    cr_assert_str_eq(root->state, "kept");
    cr_assert_str_eq(root->name, "thing");
    (*(unsigned *)arg)++;
}

Test(client, own_roots_are_listed_and_given_up)
{
    const wreath_put_options o = {.name = "thing"};
    wreath_put_result put;
    unsigned n = 0;
    size_t gone;

    for (unsigned i = 0; i < 2; i++)
        expect_ok(wreath_put_bytes(bed.w, "abc", 3, &o, &put, &bed.error));
    expect_ok(wreath_roots(bed.w, count_root, &n, &bed.error));
    cr_assert_eq(n, 2);
    expect_ok(wreath_rm(bed.w, put.put, &gone, &bed.error));
    cr_assert_eq(gone, 1);
    cr_assert_eq(bed.parent->root_state, WR_ROOT_GIVEN_UP);
    expect_ok(wreath_rm(bed.w, put.cid, &gone, &bed.error));
    cr_assert_eq(gone, 1);
    expect_error(wreath_rm(bed.w, put.cid, &gone, &bed.error),
                 WREATH_ENOTFOUND);
    expect_error(wreath_rm(bed.w, "rubbish", &gone, &bed.error), WREATH_EINVAL);
}

Test(client, questions)
{
    char *json;

    expect_ok(wreath_query(bed.w, "status", NULL, &json, &bed.error));
    cr_assert_str_eq(json, "{\"state\":\"serving\"}");
    free(json);
    expect_error(wreath_query(bed.w, "what?", NULL, &json, &bed.error),
                 WREATH_EREFUSED);
}

/* ---- what goes wrong
 * --------------------------------------------------------- */

Test(client, a_parent_that_dies_in_the_middle_is_survived)
{
    const size_t n = 20 << 20;
    uint8_t *bytes = noise(n, 11), *back;
    wreath_put_result put;
    size_t back_n;

    bed.parent->die_after_puts = 20;
    bed.parent->die_after_gets = 30;
    bed.parent->busy_every = 7;
    expect_ok(wreath_put_bytes(bed.w, bytes, n, NULL, &put, &bed.error));
    expect_ok(
        wreath_get_bytes(bed.w, put.cid, n, NULL, &back, &back_n, &bed.error));
    cr_assert_eq(back_n, n);
    cr_assert_eq(memcmp(bytes, back, n), 0);
    cr_assert_geq(bed.parent->hellos, 3);
    free(bytes);
    free(back);
}

Test(client, lies_are_never_believed)
{
    const size_t n = 8 << 20;
    uint8_t *bytes = noise(n, 12), *back;
    wreath_put_result put;
    size_t back_n;

    expect_ok(wreath_put_bytes(bed.w, bytes, n, NULL, &put, &bed.error));
    bed.parent->lies = 3; /* Even if one chunk gets them all. */
    expect_ok(
        wreath_get_bytes(bed.w, put.cid, n, NULL, &back, &back_n, &bed.error));
    cr_assert_eq(memcmp(bytes, back, n), 0);
    free(back);
    bed.parent->lies = 1000;
    expect_error(
        wreath_get_bytes(bed.w, put.cid, n, NULL, &back, &back_n, &bed.error),
        WREATH_EDAMAGED);
    free(bytes);
}

Test(client, absence_unreachability_and_full_hosts_have_words_of_their_own)
{
    uint8_t *back;
    wreath_put_result put;
    size_t n;
    const char *nobody =
        "bafk2bzaceaswza5ss4iu2ia3galz6pyo6dfm5f4dmiw2lf2de22dmf4k533ba";

    expect_error(
        wreath_get_bytes(bed.w, nobody, 9, NULL, &back, &n, &bed.error),
        WREATH_ENOTFOUND);
    cr_assert_eq(wreath_exit_status(WREATH_ENOTFOUND), 3);
    expect_error(
        wreath_get_bytes(bed.w, "bafynonsense", 9, NULL, &back, &n, &bed.error),
        WREATH_EINVAL);
    bed.parent->full = true;
    expect_error(wreath_put_bytes(bed.w, "x", 1, NULL, &put, &bed.error),
                 WREATH_EFULL);
    bed.parent->full = false;
    bed.parent->unreachable = true;
    expect_error(wreath_put_bytes(bed.w, "x", 1, NULL, &put, &bed.error),
                 WREATH_EUNREACH);
    expect_error(
        wreath_get_bytes(bed.w, nobody, 9, NULL, &back, &n, &bed.error),
        WREATH_EUNREACH);
    cr_assert_not_null(strstr(bed.error.text, "2 of 3"), "%s", bed.error.text);
}

Test(client, nobody_to_talk_to)
{
    wreath_options o = {.timeout_ms = 500};
    wreath_put_result put;
    wreath *w;
    char home[100];

    snprintf(home, sizeof(home), "%s/lonely", bed.dir);
    o.dir = home;
    expect_error(wreath_open(&o, &w, &bed.error), WREATH_ENOTFOUND);
    parent_identity(home, WR_ROLE_SUPERPEER);
    expect_ok(wreath_open(&o, &w, &bed.error));
    expect_error(wreath_put_bytes(w, "x", 1, NULL, &put, &bed.error),
                 WREATH_EUNREACH);
    wreath_close(w);
}

Test(client, what_is_there_is_not_replaced)
{
    const wreath_get_options force = {.force = true};
    wreath_put_result put, tree;

    write_file(at("mine"), "mine", 4, 0644);
    cr_assert_eq(mkdir(at("dir"), 0755), 0);
    write_file(at("dir/x"), "x", 1, 0644);
    expect_ok(wreath_put_path(bed.w, at("dir"), NULL, &tree, &bed.error));
    expect_ok(wreath_put_bytes(bed.w, "new", 3, NULL, &put, &bed.error));
    expect_error(
        wreath_get_path(bed.w, put.cid, at("mine"), NULL, NULL, &bed.error),
        WREATH_EEXIST);
    cr_assert_eq(shell("test \"$(cat %s)\" = mine%s", at("mine"), ""), 0);
    expect_ok(
        wreath_get_path(bed.w, put.cid, at("mine"), &force, NULL, &bed.error));
    cr_assert_eq(shell("test \"$(cat %s)\" = new%s", at("mine"), ""), 0);
    expect_ok(
        wreath_get_path(bed.w, tree.cid, at("mine"), &force, NULL, &bed.error));
    cr_assert_eq(shell("test \"$(cat %s/x)\" = x%s", at("mine"), ""), 0);
    expect_error(
        wreath_get_path(bed.w, put.cid, at("mine"), &force, NULL, &bed.error),
        WREATH_EEXIST);
    cr_assert_eq(shell("test \"$(cat %s/x)\" = x%s", at("mine"), ""), 0);
    cr_assert(nothing_left());
}

/* Somebody makes a folder of that name while the file comes. */
static void make_folder(void *arg, uint64_t done, uint64_t total)
{
    const char *path = arg;
    char inside[300];

    (void)done;
    (void)total;
    snprintf(inside, sizeof(inside), "%s/work", path);
    if (mkdir(path, 0755) == 0)
        write_file(inside, "theirs", 6, 0644);
}

Test(client, what_appears_meanwhile_is_not_replaced)
{
    wreath_get_options force = {.force = true,
                                .progress = make_folder,
                                .progress_arg = (void *)(uintptr_t)at("busy")};
    wreath_put_result put;

    expect_ok(wreath_put_bytes(bed.w, "new", 3, NULL, &put, &bed.error));
    expect_error(wreath_get_path(bed.w, put.cid, force.progress_arg, &force,
                                 NULL, &bed.error),
                 WREATH_EEXIST);
    cr_assert_eq(shell("test \"$(cat %s)\" = theirs%s", at("busy/work"), ""),
                 0);
    cr_assert_not_null(strstr(bed.error.text, "is a directory"), "%s",
                       bed.error.text);
}

/* A file that shrinks, grows or goes while it is read. */
struct vandal {
    const char *path;
    int how;
    bool done;
};

static void vandalise(void *arg, uint64_t done, uint64_t total)
{
    struct vandal *v = arg;

    (void)done;
    (void)total;
    if (v->done)
        return;
    v->done = true;
    if (v->how == 0)
        cr_assert_eq(truncate(v->path, 30 << 20), 0);
    else if (v->how == 1)
        cr_assert_eq(truncate(v->path, 70 << 20), 0);
    else
        cr_assert_eq(unlink(v->path), 0);
}

Test(client, a_source_that_changes_is_not_kept)
{
    const size_t n = 60 << 20;
    uint8_t *bytes = noise(n, 13);
    wreath_put_result put;

    for (int how = 0; how < 3; how++) {
        struct vandal v = {.path = at("victim"), .how = how};
        const wreath_put_options o = {.progress = vandalise,
                                      .progress_arg = &v};

        write_file(v.path, bytes, n, 0644);
        expect_error(wreath_put_path(bed.w, v.path, &o, &put, &bed.error),
                     WREATH_ECHANGED);
        cr_assert(v.done);
        cr_assert_eq(bed.parent->root_state, WR_ROOT_OPEN);
    }
    free(bytes);
}

Test(client, what_is_no_file_is_refused)
{
    wreath_put_result put;

    cr_assert_eq(mkdir(at("odd"), 0755), 0);
    cr_assert_eq(mkfifo(at("odd/pipe"), 0600), 0);
    expect_error(wreath_put_path(bed.w, at("odd"), NULL, &put, &bed.error),
                 WREATH_EINVAL);
    expect_error(wreath_put_path(bed.w, at("absent"), NULL, &put, &bed.error),
                 WREATH_ENOTFOUND);
}

static void interrupt(void *arg, uint64_t done, uint64_t total)
{
    (void)total;
    if (done > 4 << 20)
        wreath_interrupt(arg);
}

Test(client, interrupted_work_is_taken_up_again)
{
    const size_t n = 100 << 20;
    uint8_t *bytes = noise(n, 14);
    const wreath_put_options po = {.progress = interrupt,
                                   .progress_arg = bed.w};
    const wreath_get_options go = {.progress = interrupt,
                                   .progress_arg = bed.w};
    wreath_put_result put;
    wreath_get_result get;

    write_file(at("in"), bytes, n, 0644);
    expect_error(wreath_put_path(bed.w, at("in"), &po, &put, &bed.error),
                 WREATH_ECANCELED);
    expect_ok(wreath_put_path(bed.w, at("in"), NULL, &put, &bed.error));
    cr_assert_lt(put.bytes_sent, n - (3 << 20), "resumed");
    expect_error(
        wreath_get_path(bed.w, put.cid, at("out"), &go, &get, &bed.error),
        WREATH_ECANCELED);
    cr_assert_neq(access(at("out"), F_OK), 0);
    expect_ok(
        wreath_get_path(bed.w, put.cid, at("out"), NULL, &get, &bed.error));
    cr_assert_lt(get.bytes_fetched, n - (3 << 20), "resumed");
    cr_assert_eq(shell("cmp %s %s", at("in"), at("out")), 0);
    cr_assert(nothing_left());
    free(bytes);
}

Test(client, a_rotten_part_is_not_believed)
{
    const size_t n = 100 << 20;
    uint8_t *bytes = noise(n, 15);
    const wreath_get_options go = {.progress = interrupt,
                                   .progress_arg = bed.w};
    wreath_put_result put;

    write_file(at("in"), bytes, n, 0644);
    expect_ok(wreath_put_path(bed.w, at("in"), NULL, &put, &bed.error));
    expect_error(
        wreath_get_path(bed.w, put.cid, at("out"), &go, NULL, &bed.error),
        WREATH_ECANCELED);
    cr_assert_eq(shell("for f in $(find %s -name '*.wreath-part'); do "
                       "printf rot | dd of=$f bs=1 seek=1000000 conv=notrunc "
                       "2>/dev/null; done%s",
                       bed.dir, ""),
                 0);
    expect_ok(
        wreath_get_path(bed.w, put.cid, at("out"), NULL, NULL, &bed.error));
    cr_assert_eq(shell("cmp %s %s", at("in"), at("out")), 0);
    free(bytes);
}

Test(client, a_full_disk_leaves_nothing)
{
    const size_t n = 8 << 20;
    uint8_t *bytes = noise(n, 16);
    wreath_put_result put;
    struct rlimit was, small = {4 << 20, 4 << 20};

    expect_ok(wreath_put_bytes(bed.w, bytes, n, NULL, &put, &bed.error));
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
    small.rlim_max = was.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    expect_error(
        wreath_get_path(bed.w, put.cid, at("out"), NULL, NULL, &bed.error),
        WREATH_EFULL);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
    cr_assert_neq(access(at("out"), F_OK), 0);
    cr_assert(nothing_left());
    free(bytes);
}

/* ---- trees that somebody made on purpose
 * --------------------------------------- */

/* Puts a block past the library, under its own name. */
static struct wr_cid plant(struct wr_span block)
{
    const struct wr_cid cid =
        wr_cid_of(WR_CODEC_DAG_PB, WR_HASH_BLAKE2B_256, block);
    struct wr_id digest;
    struct wr_buf *buf = wr_buf_new(block.n);

    memcpy(digest.b, cid.digest, sizeof(digest.b));
    memcpy(buf->p, block.p, block.n);
    buf->n = (uint32_t)block.n;
    pthread_mutex_lock(&bed.parent->lock);
    struct parent_chunk *c = parent_find(bed.parent, &digest);
    c->digest = digest;
    c->buf = buf;
    pthread_mutex_unlock(&bed.parent->lock);
    return cid;
}

Test(client, names_that_would_escape_are_refused)
{
    static const char *const names[] = {"..",  ".",       "",
                                        "a/b", "../evil", "/etc/evil"};
    wreath_put_result put;
    struct wr_cid file;

    expect_ok(wreath_put_bytes(bed.w, "evil", 4, NULL, &put, &bed.error));
    cr_assert_eq(wr_cid_parse(wr_span_str(put.cid), &file, NULL), WR_OK);
    for (size_t i = 0; i < WR_ARRAY_LEN(names); i++) {
        uint8_t block[512];
        char cid[WR_CID_TEXT_SIZE];
        struct wr_writer w = wr_writer(block, sizeof(block));

        wr_dag_write_link(&w, &file, wr_span_str(names[i]), 4);
        wr_unixfs_write(&w, &(struct wr_unixfs){.type = WR_UNIXFS_DIRECTORY},
                        NULL);
        cr_assert(!w.bad);
        const struct wr_cid root = plant(wr_span(block, w.n));
        wr_cid_print(&root, cid);
        expect_error(
            wreath_get_path(bed.w, cid, at("out"), NULL, NULL, &bed.error),
            WREATH_EDAMAGED);
        cr_assert_neq(access(at("out"), F_OK), 0);
        cr_assert_neq(access(at("evil"), F_OK), 0);
    }
    cr_assert(nothing_left());
}

/* A link and a directory of one name: the file must not go through the link. */
Test(client, a_link_is_never_followed)
{
    uint8_t block[1024], link[WR_SYMLINK_BLOCK_MAX];
    struct wr_block lb;
    struct wr_tree lt;
    char cid[WR_CID_TEXT_SIZE];
    wreath_put_result put;
    struct wr_cid dir;
    struct wr_writer w = wr_writer(block, sizeof(block));

    cr_assert_eq(mkdir(at("d"), 0755), 0);
    write_file(at("d/evil"), "evil", 4, 0644);
    expect_ok(wreath_put_path(bed.w, at("d"), NULL, &put, &bed.error));
    cr_assert_eq(wr_cid_parse(wr_span_str(put.cid), &dir, NULL), WR_OK);
    cr_assert_eq(mkdir(at("aim"), 0755), 0);
    cr_assert_eq(
        wr_symlink(WR_HASH_BLAKE2B_256, wr_span_str(at("aim")), link, &lb, &lt),
        WR_OK);
    plant(lb.bytes);
    wr_dag_write_link(&w, &lt.cid, wr_span_str("x"), 10);
    wr_dag_write_link(&w, &dir, wr_span_str("x"), 10);
    wr_unixfs_write(&w, &(struct wr_unixfs){.type = WR_UNIXFS_DIRECTORY}, NULL);
    const struct wr_cid root = plant(wr_span(block, w.n));
    wr_cid_print(&root, cid);
    cr_assert_neq(
        wreath_get_path(bed.w, cid, at("out"), NULL, NULL, &bed.error),
        WREATH_OK);
    cr_assert_neq(access(at("aim/evil"), F_OK), 0);
    cr_assert(nothing_left());
}

/* ---- on the caller's loop
 * -------------------------------------------------------- */

struct on_loop {
    uv_loop_t loop;
    wreath *w;
    unsigned puts, gets, closed;
    char cid[4][WREATH_CID_SIZE];
};

static void loop_closed(void *arg)
{
    ((struct on_loop *)arg)->closed++;
}

static void loop_got(void *arg, const wreath_error *error,
                     const wreath_get_result *result)
{
    struct on_loop *l = arg;

    cr_assert_eq(error->code, WREATH_OK, "%s", error->text);
    cr_assert_not_null(result);
    if (++l->gets == 4)
        wreath_close_async(l->w, loop_closed, l);
}

static void loop_put(void *arg, const wreath_error *error,
                     const wreath_put_result *result)
{
    struct on_loop *l = arg;
    wreath_error e;
    char name[8];

    cr_assert_eq(error->code, WREATH_OK, "%s", error->text);
    snprintf(name, sizeof(name), "l%u", l->puts++);
    cr_assert_not_null(wreath_get_path_start(l->w, result->cid, at(name), NULL,
                                             loop_got, l, &e));
}

Test(client, many_at_once_on_the_callers_loop)
{
    struct on_loop l = {0};
    const wreath_options o = {.dir = bed.home, .loop = &l.loop};
    uint8_t *bytes[4];

    uv_loop_init(&l.loop);
    expect_ok(wreath_open(&o, &l.w, &bed.error));
    for (unsigned i = 0; i < 4; i++) {
        bytes[i] = noise(6 << 20, 20 + i);
        cr_assert_not_null(wreath_put_bytes_start(l.w, bytes[i], 6 << 20, NULL,
                                                  loop_put, &l, &bed.error));
    }
    uv_run(&l.loop, UV_RUN_DEFAULT);
    cr_assert_eq(l.gets, 4);
    cr_assert_eq(l.closed, 1);
    cr_assert_eq(uv_loop_close(&l.loop), 0);
    for (unsigned i = 0; i < 4; i++)
        free(bytes[i]);
}

static void expect_canceled(void *arg, const wreath_error *error,
                            const wreath_put_result *result)
{
    cr_assert_eq(error->code, WREATH_ECANCELED, "%s", error->text);
    cr_assert_null(result);
    (*(unsigned *)arg)++;
}

/* Closing in the middle: each operation ends, nothing is left on the loop. */
Test(client, closing_in_the_middle)
{
    struct on_loop l = {0};
    const wreath_options o = {.dir = bed.home, .loop = &l.loop};
    uint8_t *bytes = noise(20 << 20, 30);
    unsigned canceled = 0;

    uv_loop_init(&l.loop);
    expect_ok(wreath_open(&o, &l.w, &bed.error));
    for (unsigned i = 0; i < 2; i++)
        cr_assert_not_null(wreath_put_bytes_start(l.w, bytes, 20 << 20, NULL,
                                                  expect_canceled, &canceled,
                                                  &bed.error));
    for (unsigned i = 0; i < 50; i++)
        uv_run(&l.loop, UV_RUN_NOWAIT);
    wreath_close_async(l.w, loop_closed, &l);
    uv_run(&l.loop, UV_RUN_DEFAULT);
    cr_assert_eq(canceled, 2);
    cr_assert_eq(l.closed, 1);
    cr_assert_eq(uv_loop_close(&l.loop), 0);
    free(bytes);
}
