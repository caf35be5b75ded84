/* The library against a super-peer in a thread: what goes in comes out. */
#include "client_bed.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(client, .init = bed_open, .fini = bed_close, .timeout = 100);

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
