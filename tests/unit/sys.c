/*
 * sys.c - what drivers rely on: a log that no peer can forge, files that are
 * old or new and never half, locks that name their holder, and a pool of
 * buffers that keeps its caps.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "sys/buf.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"

static char dir[64];
static struct wr_why why;

static void setup(void)
{
    strcpy(dir, "/tmp/wr-sys-XXXXXX");
    cr_assert_neq(mkdtemp(dir), NULL);
}

static void teardown(void)
{
    char cmd[128];

    cr_assert(snprintf(cmd, sizeof(cmd), "rm -rf %s", dir) > 0);
    cr_assert_eq(system(cmd), 0);
}

TestSuite(sys, .init = setup, .fini = teardown);

static void in_dir(const char *name, char ret[128])
{
    cr_assert(snprintf(ret, 128, "%s/%s", dir, name) < 128);
}

/* What was logged since `open_log`, NUL-terminated. */
static int log_fd = -1;

static void open_log(enum wr_log_level most, enum wr_log_format format)
{
    char path[128];

    in_dir("log", path);
    log_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
    cr_assert_geq(log_fd, 0);
    wr_log_init(log_fd, most, format);
}

static const char *logged(void)
{
    static char text[8 * WR_LOG_LINE_MAX];
    const ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);

    cr_assert_geq(n, 0);
    text[n] = 0;
    return text;
}

Test(sys, a_text_line_has_time_level_subsystem_and_pairs)
{
    struct tm tm;
    const char *rest;

    open_log(WR_LOG_INFO, WR_LOG_AS_TEXT);
    WR_LOG(INFO, "store", "opened", WR_KV_STR("path", "/srv/w"),
           WR_KV_U64("chunks", 7), WR_KV_I64("drift", -3),
           WR_KV_BOOL("new", true), WR_KV_HEX("key", "\x0a\xff", 2),
           WR_KV_STR("note", "two words"));
    rest = strptime(logged(), "%Y-%m-%dT%H:%M:%S", &tm);
    cr_assert_neq(rest, NULL);
    cr_assert_eq(rest[0], '.');
    cr_assert_str_eq(rest + 4, "Z info  store: opened path=/srv/w chunks=7 "
                               "drift=-3 new=true key=0aff "
                               "note=\"two words\"\n");
}

Test(sys, a_program_that_sets_no_sink_hears_nothing)
{
    cr_assert(!wr_log_wants(WR_LOG_ERROR));
}

Test(sys, a_level_that_is_not_wanted_is_silent)
{
    open_log(WR_LOG_WARN, WR_LOG_AS_TEXT);
    WR_LOG_TEXT(INFO, "net", "hello");
    WR_LOG_TEXT(DEBUG, "net", "hello");
    cr_assert_str_empty(logged());
    WR_LOG_TEXT(WARN, "net", "late");
    WR_LOG_TEXT(ERROR, "net", "dead");
    cr_assert(strstr(logged(), "warn  net: late\n") != NULL);
    cr_assert(strstr(logged(), "error net: dead\n") != NULL);
}

Test(sys, a_peer_cannot_forge_a_line)
{
    open_log(WR_LOG_INFO, WR_LOG_AS_TEXT);
    WR_LOG(INFO, "net", "hello",
           WR_KV_STR("name", "x\n2026-01-01T00:00:00.000Z error store: lost"),
           WR_KV_STR("bell", "\x07\x1b[31m"), WR_KV_STR("csi", "\xc2\x9b"),
           WR_KV_STR("bad", "\xff\xc0\xaf\xed\xa0\x80"),
           WR_KV_STR("good", "gr\xc3\xbc\xc3\x9f"),
           WR_KV_STR("quote", "a\" b=\"c"));
    cr_assert_eq(strchr(logged(), '\n'),
                 logged() + strlen(logged()) - 1); /* One line. */
    cr_assert_eq(strchr(logged(), '\x1b'), NULL);
    cr_assert_eq(strstr(logged(), "\xc2\x9b"), NULL);
    cr_assert_eq(strchr(logged(), '\xff'), NULL);
    cr_assert(strstr(logged(), "gr\xc3\xbc\xc3\x9f") != NULL);
    cr_assert(strstr(logged(), "quote=\"a\\\" b=\\\"c\"") != NULL);
}

Test(sys, a_json_line_is_json_whatever_the_values)
{
    static char big[2 * WR_LOG_LINE_MAX];
    json_error_t e;
    json_t *line;
    struct wr_rng rng = {1};

    for (int i = 0; i < 200; i++) {
        const size_t n = (size_t)i * 20;
        const struct wr_span s = wr_span(big, n);

        wr_rng_fill(&rng, (uint8_t *)big, n);
        open_log(WR_LOG_INFO, WR_LOG_AS_JSON);
        WR_LOG(INFO, "net", "he\"llo", WR_KV_U64("n", UINT64_MAX >> 1),
               WR_KV_SPAN("value", s), WR_KV_ERR("err", WR_EFULL));
        line = json_loads(logged(), JSON_ALLOW_NUL, &e);
        cr_assert_neq(line, NULL, "%zu: %s", n, e.text);
        cr_assert_str_eq(json_string_value(json_object_get(line, "message")),
                         "he\"llo");
        cr_assert_eq(json_integer_value(json_object_get(line, "n")), INT64_MAX);
        if (n < 300)
            cr_assert_str_eq(json_string_value(json_object_get(line, "err")),
                             "no space left");
        json_decref(line);
        close(log_fd);
    }
}

Test(sys, levels_have_names)
{
    enum wr_log_level level = WR_LOG_ERROR;

    cr_assert_eq(wr_log_level_parse("debug", &level), WR_OK);
    cr_assert_eq(level, WR_LOG_DEBUG);
    cr_assert_eq(wr_log_level_parse("loud", &level), WR_EINVAL);
    cr_assert_eq(level, WR_LOG_DEBUG); /* Untouched. */
}

Test(sys, a_reason_is_cut_and_never_overflows)
{
    char big[1000];

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    cr_assert_eq(wr_why(&why, WR_EIO, "cannot read %s", big), WR_EIO);
    cr_assert_eq(why.err, WR_EIO);
    cr_assert_eq(strlen(why.text), WR_WHY_TEXT_MAX - 1);
    cr_assert_eq(wr_why(NULL, WR_EIO, "nobody asks"), WR_EIO);
}

Test(sys, a_file_is_replaced_as_a_whole)
{
    char path[128], cmd[160];
    struct stat st;
    uint8_t *p;
    size_t n;

    in_dir("key", path);
    umask(0);
    cr_assert_eq(wr_file_write(path, 0600, wr_span_str("old"), &why), WR_OK);
    cr_assert_eq(wr_file_write(path, 0600, wr_span("n\0w", 3), &why), WR_OK);
    cr_assert_eq(wr_file_read(path, 3, &why, &p, &n), WR_OK);
    cr_assert_eq(n, 3);
    cr_assert_arr_eq(p, "n\0w\0", 4);
    free(p);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    /* Nothing is left beside it. */
    cr_assert(snprintf(cmd, sizeof(cmd), "test \"$(ls -A %s)\" = key", dir) >
              0);
    cr_assert_eq(system(cmd), 0);
}

/* As root, a device that is replaced by a file is gone. */
Test(sys, what_is_no_file_is_written_into)
{
    char path[128], link[128], fifo[128], text[16];
    const struct wr_span bytes = wr_span_str("ticket\n");
    struct stat st;
    uint8_t *p;
    size_t n;

    in_dir("file", path);
    in_dir("link", link);
    in_dir("fifo", fifo);
    cr_assert_eq(wr_file_out(path, 0600, bytes, &why), WR_OK);
    cr_assert_eq(symlink(path, link), 0);
    cr_assert_eq(wr_file_out(link, 0600, wr_span_str("short"), &why), WR_OK);
    cr_assert(wr_file_is_special(link) && !wr_file_is_special(path));
    cr_assert_eq(wr_file_read(path, 99, &why, &p, &n), WR_OK);
    cr_assert_str_eq((char *)p, "short");
    free(p);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    const int fd = open(fifo, O_RDWR); /* So that nobody waits for a reader. */
    cr_assert_geq(fd, 0);
    cr_assert_eq(wr_file_out(fifo, 0600, bytes, &why), WR_OK);
    cr_assert_eq(read(fd, text, sizeof(text)), (ssize_t)bytes.n);
    cr_assert_eq(memcmp(text, bytes.p, bytes.n), 0);
    close(fd);
    cr_assert_eq(stat(fifo, &st), 0);
    cr_assert(S_ISFIFO(st.st_mode));
    cr_assert_eq(wr_file_out("/dev/full", 0600, bytes, &why), WR_EFULL);
    cr_assert_eq(stat("/dev/full", &st), 0);
    cr_assert(S_ISCHR(st.st_mode));
}

Test(sys, a_file_that_does_not_fit_its_limit_is_refused)
{
    uint8_t *p = NULL;
    char path[128];
    size_t n = 77;

    in_dir("f", path);
    cr_assert_eq(wr_file_write(path, 0644, wr_span_str("12345"), &why), WR_OK);
    cr_assert_eq(wr_file_read(path, 4, &why, &p, &n), WR_ETOOBIG);
    cr_assert(strstr(why.text, path) != NULL);
    in_dir("none", path);
    cr_assert_eq(wr_file_read(path, 4, &why, &p, &n), WR_ENOTFOUND);
    cr_assert_eq(wr_file_read(dir, 4, &why, &p, &n), WR_EINVAL);
    cr_assert_eq(wr_file_read("/dev/zero", 4, &why, &p, &n), WR_EINVAL);
    cr_assert_eq(p, NULL);
    cr_assert_eq(n, 77); /* Untouched. */
    in_dir("none/deep", path);
    cr_assert_eq(wr_file_write(path, 0644, wr_span_str("x"), &why),
                 WR_ENOTFOUND);
}

Test(sys, directories_are_made_with_their_parents)
{
    char path[128];
    struct stat st;

    in_dir("a//b/c/", path);
    cr_assert_eq(wr_dir_make(path, 0700, &why), WR_OK, "%s", why.text);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert(S_ISDIR(st.st_mode));
    cr_assert_eq(wr_dir_make(path, 0700, &why), WR_OK); /* Again is fine. */
    in_dir("file", path);
    cr_assert_eq(wr_file_write(path, 0644, wr_span_str("x"), &why), WR_OK);
    cr_assert_eq(wr_dir_make(path, 0700, &why), WR_EEXIST);
    in_dir("file/below", path);
    cr_assert_neq(wr_dir_make(path, 0700, &why), WR_OK);
}

Test(sys, a_lock_is_held_until_its_process_is_gone)
{
    struct wr_lock lock = {-1}, mine = {-1};
    char path[128], pid_text[32], c;
    int ready[2];
    pid_t pid;

    in_dir("x.lock", path);
    cr_assert_eq(pipe(ready), 0);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        if (wr_lock_take(path, "the thing", &why, &lock) != WR_OK ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    cr_assert_eq(read(ready[0], &c, 1), 1);
    cr_assert_eq(wr_lock_take(path, "the thing", &why, &mine), WR_ELOCKED);
    cr_assert_eq(mine.fd, -1);
    cr_assert(snprintf(pid_text, sizeof(pid_text), "pid %ld", (long)pid) > 0);
    cr_assert(strstr(why.text, pid_text) != NULL, "%s", why.text);
    cr_assert(strstr(why.text, "the thing is in use") != NULL);
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_assert_eq(wr_lock_take(path, "the thing", &why, &mine), WR_OK);
    wr_lock_release(&mine);
    wr_lock_release(&mine); /* Twice is fine. */
    cr_assert_eq(wr_lock_take(path, "the thing", &why, &mine), WR_OK);
    wr_lock_release(&mine);
}

Test(sys, a_disk_has_room_and_the_clock_goes_on)
{
    struct wr_disk disk;
    const wr_time t = wr_clock_now();

    cr_assert_eq(wr_disk_read(dir, &why, &disk), WR_OK);
    cr_assert(disk.total >= disk.free && disk.total > 0);
    cr_assert(!disk.remote);
    cr_assert_eq(wr_disk_read("/nonexistent", &why, &disk), WR_ENOTFOUND);
    cr_assert_geq(wr_clock_now(), t);
    cr_assert_gt(wr_clock_wall_s(), 1700000000);
}

static atomic_uint told[WR_POOL_SHARES_MAX];

static void on_room(void *arg, uint32_t share)
{
    (void)arg;
    atomic_fetch_add(&told[share], 1);
}

static struct wr_pool *two_shares(void)
{
    static const struct wr_pool_share shares[] = {{"receive", 300 << 10},
                                                  {"send", 1 << 20}};

    return wr_pool_new(&(struct wr_pool_cfg){
        .cap = 1 << 20, .shares = shares, .shares_n = 2, .on_room = on_room});
}

Test(sys, a_share_that_is_empty_answers_null_and_tells_when_not)
{
    struct wr_pool *pool = two_shares();
    struct wr_buf *a[16];
    struct wr_pool_stats st;
    uint32_t n = 0;

    while (n < 16 && (a[n] = wr_pool_get(pool, 0, 64 << 10)) != NULL)
        n++;
    cr_assert_eq(n, 4); /* 64 KiB and their surroundings, in 300 KiB. */
    cr_assert_eq(atomic_load(&told[0]), 0);
    a[n] = wr_pool_get(pool, 1, 100); /* The other share has. */
    cr_assert_neq(a[n], NULL);
    wr_buf_unref(a[n]);
    wr_pool_stats(pool, &st);
    cr_assert_eq(st.dry, 1);
    cr_assert_leq(st.share_used[0], 300 << 10);
    cr_assert_eq(atomic_load(&told[1]), 0); /* It never lacked. */
    wr_buf_ref(a[0]);
    wr_buf_unref(a[0]);
    cr_assert_eq(atomic_load(&told[0]), 0);
    wr_buf_unref(a[0]);
    cr_assert_eq(atomic_load(&told[0]), 1);
    wr_buf_unref(a[1]);
    cr_assert_eq(atomic_load(&told[0]), 1); /* Once. */
    a[0] = wr_pool_get(pool, 0, 64 << 10);
    cr_assert_neq(a[0], NULL);
    wr_buf_unref(a[0]);
    wr_buf_unref(a[2]);
    wr_buf_unref(a[3]);
    wr_pool_free(pool);
}

Test(sys, the_whole_pool_has_a_cap_that_idle_memory_shares)
{
    struct wr_pool *pool = two_shares();
    struct wr_buf *big, *small[256];
    struct wr_pool_stats st;
    uint32_t n = 0;

    while (n < 256 && (small[n] = wr_pool_get(pool, 1, 4096)) != NULL)
        n++;
    cr_assert_eq(n, 128);                           /* 8 KiB each. */
    cr_assert_eq(wr_pool_get(pool, 0, 4096), NULL); /* The whole is out. */
    for (uint32_t i = 0; i < n; i++)
        wr_buf_unref(small[i]);
    wr_pool_stats(pool, &st);
    cr_assert_eq(st.used, 0);
    cr_assert_eq(st.idle, 1 << 20);
    big = wr_pool_get(pool, 1, 500 << 10); /* Idle ones make way. */
    cr_assert_neq(big, NULL);
    wr_pool_stats(pool, &st);
    cr_assert_leq(st.used + st.idle, 1 << 20);
    wr_buf_unref(big);
    wr_pool_trim(pool); /* Used since the last trim: may stay. */
    wr_pool_trim(pool); /* Idle for a whole interval: goes. */
    wr_pool_stats(pool, &st);
    cr_assert_eq(st.idle, 0);
    wr_pool_free(pool);
}

Test(sys, a_buffer_has_the_room_that_its_header_promises)
{
    static const size_t sizes[] = {1,      4096,   7000,   7168,   65536,
                                   262144, 524288, 300000, 1048576};
    struct wr_pool *pool =
        wr_pool_new(&(struct wr_pool_cfg){.cap = WR_POOL_CAP_SUPER});
    struct wr_buf *bufs[WR_ARRAY_LEN(sizes)];

    for (size_t i = 0; i < WR_ARRAY_LEN(sizes); i++) {
        struct wr_buf *b = wr_pool_get(pool, 0, sizes[i]);

        bufs[i] = b;
        cr_assert_neq(b, NULL);
        cr_assert_geq(b->cap, sizes[i]);
        cr_assert_eq(b->p, b->room);
        memset(b->room - WR_BUF_HEADROOM, (int)i,
               WR_BUF_HEADROOM + b->cap + WR_BUF_TAILROOM);
    }
    for (size_t i = 0; i < WR_ARRAY_LEN(sizes); i++) {
        const uint8_t *p = bufs[i]->room - WR_BUF_HEADROOM;
        const size_t n = WR_BUF_HEADROOM + bufs[i]->cap + WR_BUF_TAILROOM;

        for (size_t k = 0; k < n; k++)
            cr_assert_eq(p[k], i);
        wr_buf_unref(bufs[i]);
    }
    wr_pool_free(pool);
}

struct worker {
    struct wr_pool *pool;
    uint64_t seed;
};

static void *hammer(void *arg)
{
    const struct worker *w = arg;
    struct wr_rng rng = {w->seed};
    struct wr_buf *held[8] = {NULL};

    for (int i = 0; i < 20000; i++) {
        struct wr_buf **b = &held[wr_rng_below(&rng, 8)];

        if (*b != NULL) { /* Nobody else wrote here. */
            WR_CHECK(memcmp((*b)->p, &w->seed, sizeof(w->seed)) == 0);
            wr_buf_unref(*b);
            *b = NULL;
        } else {
            *b = wr_pool_get(w->pool, (uint32_t)wr_rng_below(&rng, 2),
                             1 + wr_rng_below(&rng, 100000));
            if (*b != NULL)
                memcpy((*b)->p, &w->seed, sizeof(w->seed));
        }
        if (i % 1000 == 0)
            wr_pool_trim(w->pool);
    }
    for (int i = 0; i < 8; i++)
        wr_buf_unref(held[i]);
    return NULL;
}

Test(sys, threads_share_a_pool)
{
    struct wr_pool *pool = two_shares();
    struct worker w[3] = {{pool, 1}, {pool, 2}, {pool, 3}};
    struct wr_pool_stats st;
    pthread_t t[3];

    for (int i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, hammer, &w[i]), 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(pthread_join(t[i], NULL), 0);
    wr_pool_stats(pool, &st);
    cr_assert_eq(st.used, 0);
    cr_assert_leq(st.peak, 1 << 20);
    cr_assert_gt(st.dry, 0);
    cr_assert_gt(atomic_load(&told[0]) + atomic_load(&told[1]), 0);
    wr_pool_free(pool);
}

/* A window that is counted with this can never exceed its share. */
Test(pool, says_what_a_buffer_takes)
{
    static const size_t sizes[] = {1,     4096,   16384,          65536,
                                   65537, 262144, WR_BUF_SIZE_MAX};

    for (size_t i = 0; i < WR_ARRAY_LEN(sizes); i++) {
        struct wr_pool *pool =
            wr_pool_new(&(struct wr_pool_cfg){.cap = WR_POOL_CAP_LEAF});
        struct wr_buf *b = wr_pool_get(pool, 0, sizes[i]);
        struct wr_pool_stats stats;

        wr_pool_stats(pool, &stats);
        cr_assert_eq(stats.used, wr_pool_takes(sizes[i]));
        wr_buf_unref(b);
        wr_pool_free(pool);
    }
}
