/*
 * store_crash.c - the first promise of the data page: what was acknowledged
 * survives kill -9 at any moment. A child puts, drops and tells each answer
 * through a pipe; it is killed; the store must hold what it told, and nothing
 * that is wrong. Twenty-four times on the same store.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "../support/storekit.h"

enum { ROUNDS = 24, KEYS = 1024, CHILD_WINDOW = 32 };

/* What the child tells, one write each, so that none is cut. */
struct told {
    uint32_t key;
    uint32_t version; /* Of the bytes; 0: dropped. */
    bool began;       /* Submitted, not answered: either state may be found. */
};

struct flight {
    struct told t;
    int fd;
    uint32_t *in_flight;
};

static size_t length_of(uint32_t key)
{
    static const size_t lengths[] = {0, 500, 4096, 70000, 262144, 9000};

    return lengths[key % WR_ARRAY_LEN(lengths)];
}

static void tell(int fd, struct told t)
{
    if (write(fd, &t, sizeof(t)) != sizeof(t))
        _exit(3);
}

static void on_answer(void *arg, const struct wr_store_answer *a)
{
    struct flight *f = arg;

    if (a->err != WR_OK)
        _exit(4);
    tell(f->fd, f->t);
    (*f->in_flight)--;
    free(f);
}

/* Never two on the same key at once: then the last answer is the state. */
static void child(const char *path, uint32_t round, int fd)
{
    struct wr_rng rng = {round};
    struct wr_store *s = NULL;
    uint32_t in_flight = 0, key = 0;

    if (wr_store_open_lmdb(path, &(struct wr_store_cfg){.quota = 0}, NULL,
                           &s) != WR_OK)
        _exit(5);
    for (;;) {
        struct flight *f = malloc(sizeof(*f));
        uint8_t digest[WR_DIGEST];
        struct wr_store_put put;
        enum wr_err err;

        if (f == NULL)
            _exit(6);
        key = (key + 1 + (uint32_t)wr_rng_below(&rng, 3)) % KEYS;
        *f = (struct flight){{key, 1 + round, true}, fd, &in_flight};
        if (wr_rng_below(&rng, 8) == 0)
            f->t.version = 0;
        tell(fd, f->t);
        f->t.began = false;
        in_flight++;
        if (f->t.version == 0) {
            kit_digest(key, digest);
            err = wr_store_drop(s, digest, NULL, on_answer, f);
        } else {
            put = kit_chunk(key, ((uint64_t)f->t.version << 32) + key,
                            length_of(key), round);
            err = wr_store_put(s, &put, on_answer, f);
            wr_buf_unref(put.buf);
        }
        if (err != WR_OK)
            _exit(7);
        wr_store_poll(s);
        if (in_flight >= CHILD_WINDOW)
            wr_store_drain(s);
    }
}

/* Per key: what it may be now, each a version (0: absent). */
struct state {
    uint32_t sure, maybe;
    bool open;
};

/* Hears what the child tells; kills it after `most` answers; goes on until all
 * is heard that it still told. The moment is random with respect to what its
 * writer thread is doing. Returns the answers. */
static uint32_t listen_and_kill(int fd, pid_t pid, uint32_t most,
                                struct state *states)
{
    uint32_t answers = 0;
    struct told t;

    while (read(fd, &t, sizeof(t)) == sizeof(t)) {
        cr_assert_lt(t.key, KEYS);
        states[t.key].open = t.began;
        if (t.began) {
            states[t.key].maybe = t.version;
            continue;
        }
        states[t.key].sure = t.version;
        if (++answers == most)
            cr_assert_eq(kill(pid, SIGKILL), 0);
    }
    return answers;
}

/* Lives through one child; returns its acknowledgements. */
static uint32_t one_round(const char *path, uint32_t round,
                          struct state *states)
{
    struct wr_rng rng = {round * 77};
    uint32_t answers;
    int ends[2], status;
    pid_t pid;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        child(path, round, ends[1]);
    close(ends[1]);
    answers = listen_and_kill(ends[0], pid,
                              1 + (uint32_t)wr_rng_below(&rng, 1500), states);
    close(ends[0]);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status), "the child failed by itself: status %d",
              WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return answers;
}

static bool holds(struct wr_store *s, struct wr_pool *pool, uint32_t key,
                  uint32_t version)
{
    const enum wr_err err =
        kit_read(s, pool, key, ((uint64_t)version << 32) + key, length_of(key));

    return err == (version == 0 ? WR_ENOTFOUND : WR_OK);
}

static void check(const char *path, struct state *states)
{
    struct wr_pool *pool = kit_pool();
    struct wr_store *s = NULL;
    struct wr_store_usage u;
    struct wr_why why;
    uint64_t bytes = 0, n = 0;

    cr_assert_eq(
        wr_store_open_lmdb(path, &(struct wr_store_cfg){.quota = 0}, &why, &s),
        WR_OK, "%s", why.text);
    for (uint32_t key = 0; key < KEYS; key++) {
        struct state *k = &states[key];

        if (k->open && holds(s, pool, key, k->maybe))
            k->sure = k->maybe;
        k->open = false;
        cr_assert(holds(s, pool, key, k->sure), "key %u, version %u", key,
                  k->sure);
        n += k->sure != 0;
        bytes += k->sure != 0 ? length_of(key) : 0;
    }
    wr_store_usage(s, &u);
    cr_assert_eq(u.chunks, n);
    cr_assert_eq(u.chunk_bytes, bytes);
    cr_assert_eq(u.damaged, 0);
    wr_store_close(s);
    wr_pool_free(pool);
}

Test(store_crash, acknowledged_chunks_survive_kill_9, .timeout = 100)
{
    struct state *states = calloc(KEYS, sizeof(*states));
    uint32_t answers = 0;
    struct kit_dir dir;

    cr_assert_neq(states, NULL);
    kit_dir_make(&dir);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        answers += one_round(dir.store, round, states);
        check(dir.store, states);
    }
    /* Else it showed nothing. */
    cr_assert_gt(answers, ROUNDS);
    kit_dir_remove(&dir);
    free(states);
}

Test(store_crash, a_store_cut_off_while_it_is_made_is_made_again)
{
    struct wr_rng rng = {5};

    for (int i = 0; i < 40; i++) {
        struct wr_store *s = NULL;
        struct kit_dir dir;
        struct wr_why why;
        int ready[2];
        char c;
        pid_t pid;

        kit_dir_make(&dir);
        cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
            tell(ready[1], (struct told){.key = 0});
            if (wr_store_open_lmdb(dir.store,
                                   &(struct wr_store_cfg){.quota = 0}, NULL,
                                   &s) != WR_OK)
                _exit(8);
            pause();
        }
        cr_assert_eq(read(ready[0], &c, 1), 1);
        /* Anywhere in the few milliseconds that it takes. */
        for (uint64_t n = wr_rng_below(&rng, 3000000); n > 0; n--)
            __asm__ volatile("");
        cr_assert_eq(kill(pid, SIGKILL), 0);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
        cr_assert_eq(wr_store_open_lmdb(dir.store,
                                        &(struct wr_store_cfg){.quota = 0},
                                        &why, &s),
                     WR_OK, "%s", why.text);
        cr_assert_eq(kit_put(s, 1, 1, 5000, 1), WR_OK);
        wr_store_close(s);
        close(ready[0]);
        close(ready[1]);
        kit_dir_remove(&dir);
    }
}
