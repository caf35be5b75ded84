/* The library where things go wrong: what may not happen does not. */
#include "client_bed.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "object/dir.h"

TestSuite(client_wrong, .init = bed_open, .fini = bed_close, .timeout = 100);

Test(client_wrong, a_parent_that_dies_in_the_middle_is_survived)
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

Test(client_wrong, lies_are_never_believed)
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

Test(client_wrong,
     absence_unreachability_and_full_hosts_have_words_of_their_own)
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

Test(client_wrong, nobody_to_talk_to)
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

Test(client_wrong, what_is_there_is_not_replaced)
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

Test(client_wrong, what_appears_meanwhile_is_not_replaced)
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

Test(client_wrong, a_source_that_changes_is_not_kept)
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

Test(client_wrong, what_is_no_file_is_refused)
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

Test(client_wrong, interrupted_work_is_taken_up_again)
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

Test(client_wrong, a_rotten_part_is_not_believed)
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

Test(client_wrong, a_full_disk_leaves_nothing)
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

Test(client_wrong, names_that_would_escape_are_refused)
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
Test(client_wrong, a_link_is_never_followed)
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
