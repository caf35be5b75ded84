/* The leaf that stays: clients of the library on its socket, a super-peer in a
 * thread above it, and what either may do to it. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../support/parent.h"
#include "base/rng.h"
#include "host/leafd.h"
#include "object/hash.h"
#include "wire/frame.h"
#include "wreath/wreath.h"

enum { SIZE = 3000000 };

static struct {
    char dir[64];
    char above[80], here[80]; /* Homes: the super-peer's socket, and ours. */
    char socket[128];
    struct parent *parent;
    struct wr_home home;
    struct wr_leafd *d;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t stop;
    uv_sem_t ready;
    atomic_bool closed;
} bed;

static void on_stopped(void *arg)
{
    (void)arg;
    atomic_store(&bed.closed, true);
}

static void on_stop(uv_async_t *async)
{
    uv_close((uv_handle_t *)async, NULL);
    wr_leafd_close(bed.d, on_stopped, NULL);
}

static void *serve(void *arg)
{
    const struct wr_leafd_cfg cfg = {
        .home = &bed.home, .socket = bed.socket, .local = true};
    struct wr_why why;

    (void)arg;
    uv_loop_init(&bed.loop);
    uv_async_init(&bed.loop, &bed.stop, on_stop);
    cr_assert_eq(wr_leafd_open(&bed.d, &bed.loop, &cfg, &why), WR_OK, "%s",
                 why.text);
    uv_sem_post(&bed.ready);
    uv_run(&bed.loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&bed.loop), 0, "a handle is left");
    return NULL;
}

static void setup(void)
{
    struct wr_why why;

    signal(SIGPIPE, SIG_IGN);
    strcpy(bed.dir, "/tmp/wreath-leafd-XXXXXX");
    cr_assert_not_null(mkdtemp(bed.dir));
    snprintf(bed.above, sizeof(bed.above), "%s/above", bed.dir);
    snprintf(bed.here, sizeof(bed.here), "%s/here", bed.dir);
    snprintf(bed.socket, sizeof(bed.socket), "%s/run/socket", bed.here);
    parent_identity(bed.above, WR_ROLE_LEAF);
    parent_identity(bed.here, WR_ROLE_LEAF);
    cr_assert_eq(wr_home_open(&bed.home, bed.above, &why), WR_OK);
    bed.parent = parent_start(bed.above);
    uv_sem_init(&bed.ready, 0);
    cr_assert_eq(pthread_create(&bed.thread, NULL, serve, NULL), 0);
    uv_sem_wait(&bed.ready);
}

/* Closing ends, and gives everything back: the loop is empty. */
static void teardown(void)
{
    char command[128];

    uv_async_send(&bed.stop);
    pthread_join(bed.thread, NULL);
    cr_assert(bed.closed);
    parent_stop(bed.parent);
    wr_home_close(&bed.home);
    snprintf(command, sizeof(command), "rm -rf %s", bed.dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(leafd, .init = setup, .fini = teardown, .timeout = 100);

static wreath *client(uint32_t timeout_ms)
{
    const wreath_options o = {.dir = bed.here, .timeout_ms = timeout_ms};
    wreath_error error;
    wreath *w;

    cr_assert_eq(wreath_open(&o, &w, &error), WREATH_OK, "%s", error.text);
    return w;
}

static uint8_t *noise(size_t n, uint64_t seed)
{
    struct wr_rng rng = {seed};
    uint8_t *p = malloc(n);

    wr_rng_fill(&rng, p, n);
    return p;
}

/* Puts its own bytes, gets them back, asks. */
static void *round_trip(void *arg)
{
    const uint64_t seed = (uint64_t)(uintptr_t)arg;
    wreath *w = client(20000);
    uint8_t *bytes = noise(SIZE, seed), *back;
    wreath_put_result put;
    wreath_error error;
    size_t n;
    char *json;

    cr_assert_eq(wreath_put_bytes(w, bytes, SIZE, NULL, &put, &error),
                 WREATH_OK, "%s", error.text);
    cr_assert_eq(wreath_get_bytes(w, put.cid, SIZE, NULL, &back, &n, &error),
                 WREATH_OK, "%s", error.text);
    cr_assert_eq(n, SIZE);
    cr_assert_arr_eq(back, bytes, SIZE);
    cr_assert_eq(wreath_query(w, "status", NULL, &json, &error), WREATH_OK,
                 "%s", error.text);
    cr_assert_str_eq(json, "{\"state\":\"serving\"}");
    free(json);
    free(back);
    free(bytes);
    wreath_close(w);
    return NULL;
}

static void two_at_once(void)
{
    pthread_t other;

    cr_assert_eq(pthread_create(&other, NULL, round_trip, (void *)1), 0);
    round_trip((void *)2);
    pthread_join(other, NULL);
}

static json_int_t fact(const char *name)
{
    wreath *w = client(20000);
    wreath_error error;
    char *text;

    cr_assert_eq(wreath_query(w, "leaf", NULL, &text, &error), WREATH_OK, "%s",
                 error.text);
    json_t *o = json_loads(text, 0, NULL);
    cr_assert(json_is_integer(json_object_get(o, name)), "%s", text);
    const json_int_t v = json_integer_value(json_object_get(o, name));
    json_decref(o);
    free(text);
    wreath_close(w);
    return v;
}

Test(leafd, two_clients_at_once_over_one_link)
{
    two_at_once();
    cr_assert_eq(bed.parent->hellos, 1);
    cr_assert_eq(fact("under_way"), 0);
    cr_assert_eq(fact("moves"), 0);
    cr_assert_gt(fact("bytes_out"), 2 * SIZE);
}

/* What was under way is answered, and asked again: nobody notices. */
Test(leafd, the_parent_dies_and_comes_back)
{
    bed.parent->die_after_puts = 15;
    bed.parent->die_after_gets = 20;
    two_at_once();
    cr_assert_eq(bed.parent->hellos, 3);
    cr_assert_eq(fact("moves"), 2);
    cr_assert_gt(fact("busy"), 0);
    cr_assert_eq(fact("under_way"), 0);
}

Test(leafd, busy_goes_through)
{
    bed.parent->busy_every = 5;
    two_at_once();
}

Test(leafd, a_refusal_goes_through)
{
    wreath *w = client(3000);
    uint8_t *bytes = noise(1000, 1);
    wreath_error error;
    char *json;

    bed.parent->full = true;
    cr_assert_eq(wreath_put_bytes(w, bytes, 1000, NULL, NULL, &error),
                 WREATH_EFULL, "%s", error.text);
    cr_assert_eq(wreath_query(w, "no such thing", NULL, &json, &error),
                 WREATH_EREFUSED, "%s", error.text);
    free(bytes);
    wreath_close(w);
}

static void *never_answered(void *arg)
{
    uint8_t *bytes = noise(SIZE, 9);
    wreath_error error;

    cr_assert_eq(wreath_put_bytes(arg, bytes, SIZE, NULL, NULL, &error),
                 WREATH_ECANCELED);
    free(bytes);
    return NULL;
}

/* Its requests are forgotten, and their late answers harm nobody. */
Test(leafd, a_client_goes_away_in_the_middle)
{
    wreath *w = client(60000);
    pthread_t other;

    cr_assert_geq(fact("relayed"), 0); /* Attached. */
    bed.parent->mute = true;
    cr_assert_eq(pthread_create(&other, NULL, never_answered, w), 0);
    while (fact("under_way") == 0)
        sched_yield();
    wreath_interrupt(w);
    pthread_join(other, NULL);
    wreath_close(w);
    while (fact("clients") != 1)
        sched_yield();
    cr_assert_eq(fact("under_way"), 0);
    bed.parent->mute = false;
    two_at_once();
}

/* ---- without the library ---------------------------------------------------
 */

static int raw(void)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(sun.sun_path, bed.socket);
    cr_assert_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    return fd;
}

static void say(int fd, const struct wr_msg *m)
{
    static uint8_t frame[WR_FRAME_HEAD + WR_HEADER_MAX];
    static const uint8_t ring[32];
    struct wr_codec codec;
    struct wr_book book;
    void *arena = aligned_alloc(16, WR_CODEC_ARENA);
    size_t n;

    cr_assert_eq(wr_book_init(&book, ring, 1, 1), WR_OK);
    wr_codec_init(&codec, &book, arena, WR_CODEC_ARENA);
    cr_assert_eq(wr_codec_encode(&codec, m, (struct wr_span){0},
                                 frame + WR_FRAME_HEAD, WR_HEADER_MAX, &n),
                 WR_OK);
    wr_frame_write(&(struct wr_frame){.header_n = (uint32_t)n}, frame);
    n += WR_FRAME_HEAD;
    cr_assert_eq(send(fd, frame, n, MSG_NOSIGNAL), (ssize_t)n);
    wr_book_done(&book);
    free(arena);
}

/* Reads until the end; it is cut off. */
static void expect_end(int fd)
{
    char bytes[4096];

    while (recv(fd, bytes, sizeof(bytes), 0) > 0)
        ;
    close(fd);
}

Test(leafd, garbage_is_cut_off)
{
    uint8_t *bytes = noise(4096, 5);
    int fd = raw();

    bytes[0] = 0xff; /* No frame's head. */
    cr_assert_eq(send(fd, bytes, 4096, MSG_NOSIGNAL), 4096);
    expect_end(fd);
    fd = raw();
    memcpy(bytes, "\0\0\0\x10\0\0\0\0", 8); /* A frame; no message in it. */
    memset(bytes + 8, 0xff, 16);
    cr_assert_eq(send(fd, bytes, 24, MSG_NOSIGNAL), 24);
    expect_end(fd);
    free(bytes);
    two_at_once();
}

Test(leafd, a_host_s_words_are_not_a_client_s)
{
    struct wr_msg m = {.kind = WR_MSG_HELLO};
    int fd = raw();

    m.hello.agent = wr_span_str("test");
    say(fd, &m);
    say(fd, &(struct wr_msg){.kind = WR_MSG_VIEW_ASK});
    expect_end(fd);
    fd = raw(); /* Not before HELLO. */
    m = (struct wr_msg){.kind = WR_MSG_QUERY};
    m.query.what = wr_span_str("status");
    say(fd, &m);
    expect_end(fd);
    fd = raw(); /* A copy's level. */
    m = (struct wr_msg){.kind = WR_MSG_HELLO};
    say(fd, &m);
    m = (struct wr_msg){.kind = WR_MSG_GET};
    m.get.level = WR_LEVEL_COPY;
    m.get.hash = WR_HASH_BLAKE2B_256;
    say(fd, &m);
    expect_end(fd);
    cr_assert_eq(bed.parent->gets, 0);
}

/* It asks for far more than there is room for, and reads nothing. */
Test(leafd, who_does_not_read_stops_nobody)
{
    struct wr_msg m = {.kind = WR_MSG_HELLO};
    uint8_t *bytes = noise(SIZE, 1);
    wreath *w = client(20000);
    wreath_put_result put;
    wreath_error error;
    int fds[4];

    cr_assert_eq(wreath_put_bytes(w, bytes, SIZE, NULL, &put, &error),
                 WREATH_OK, "%s", error.text);
    wreath_close(w);
    for (size_t i = 0; i < 4; i++) {
        fds[i] = raw();
        m = (struct wr_msg){.kind = WR_MSG_HELLO};
        say(fds[i], &m);
        m = (struct wr_msg){.kind = WR_MSG_GET};
        m.get.hash = WR_HASH_BLAKE2B_256;
        for (uint32_t at = 0; at < PARENT_SLOTS; at++) {
            if (bed.parent->chunks[at].buf == NULL)
                continue;
            m.get.digest = bed.parent->chunks[at].digest;
            for (uint32_t k = 0; k < 12; k++) {
                m.rid++;
                say(fds[i], &m);
            }
        }
    }
    two_at_once();
    for (size_t i = 0; i < 4; i++)
        close(fds[i]);
    while (fact("clients") != 1)
        sched_yield();
    cr_assert_eq(fact("under_way"), 0);
    free(bytes);
}
