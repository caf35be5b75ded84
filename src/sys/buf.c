/* buf.c - see buf.h. */
#include "sys/buf.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* What is mapped for one buffer of each size: its header, headroom, room and
 * tailroom. Page multiples, so that idle ones go back one by one. */
enum { PAGE = 4096, SIZES = 5 };
static const size_t block_bytes[SIZES] = {
    2 * PAGE,           (64 << 10) + PAGE, (256 << 10) + PAGE,
    (512 << 10) + PAGE, (1 << 20) + PAGE,
};

enum { OVERHEAD = sizeof(struct wr_buf) + WR_BUF_HEADROOM + WR_BUF_TAILROOM };
_Static_assert((int)OVERHEAD <= (int)PAGE,
               "the page added to each block holds it");

struct share {
    size_t cap, used;
    size_t want; /* The least that it lacked since it last had room; 0. */
};

struct wr_pool {
    pthread_mutex_t lock;
    struct wr_pool_cfg cfg;
    struct share shares[WR_POOL_SHARES_MAX];
    struct wr_buf *idle[SIZES];
    uint32_t idle_n[SIZES];
    uint32_t idle_min[SIZES]; /* Fewest since the last trim: surely unused. */
    size_t used, kept, peak;
    uint64_t dry;
};

static uint8_t size_for(size_t n)
{
    uint8_t i = 0;

    WR_CHECK(n > 0 && n <= WR_BUF_SIZE_MAX);
    while (block_bytes[i] - OVERHEAD < n)
        i++;
    return i;
}

size_t wr_pool_takes(size_t size)
{
    return block_bytes[size_for(size)];
}

static void buf_init(struct wr_buf *b, size_t bytes)
{
    b->room = (uint8_t *)b + sizeof(*b) + WR_BUF_HEADROOM;
    b->p = b->room;
    b->n = 0;
    b->cap = (uint32_t)(bytes - OVERHEAD);
    b->next = NULL;
    atomic_init(&b->refs, 1);
}

struct wr_pool *wr_pool_new(const struct wr_pool_cfg *cfg)
{
    struct wr_pool *pool = calloc(1, sizeof(*pool));

    WR_CHECK(cfg->cap > 0 && cfg->shares_n <= WR_POOL_SHARES_MAX);
    if (pool == NULL)
        return NULL;
    pool->cfg = *cfg;
    pool->cfg.shares = NULL;
    for (uint32_t i = 0; i < cfg->shares_n; i++)
        pool->shares[i].cap = cfg->shares[i].cap;
    if (cfg->shares_n == 0) {
        pool->cfg.shares_n = 1;
        pool->shares[0].cap = cfg->cap;
    }
    WR_CHECK(pthread_mutex_init(&pool->lock, NULL) == 0);
    return pool;
}

/* Unmaps idle blocks of size `i` until `keep` are left. Locked. */
static void shed(struct wr_pool *pool, size_t i, uint32_t keep)
{
    while (pool->idle_n[i] > keep) {
        struct wr_buf *b = pool->idle[i];

        pool->idle[i] = b->next;
        pool->idle_n[i]--;
        pool->kept -= block_bytes[i];
        WR_CHECK(munmap(b, block_bytes[i]) == 0);
    }
    if (pool->idle_min[i] > pool->idle_n[i])
        pool->idle_min[i] = pool->idle_n[i];
}

void wr_pool_free(struct wr_pool *pool)
{
    if (pool == NULL)
        return;
    WR_CHECK(pool->used == 0);
    for (size_t i = 0; i < SIZES; i++)
        shed(pool, i, 0);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static struct wr_buf *take_idle(struct wr_pool *pool, uint8_t i)
{
    struct wr_buf *b = pool->idle[i];

    if (b == NULL)
        return NULL;
    pool->idle[i] = b->next;
    pool->idle_n[i]--;
    pool->kept -= block_bytes[i];
    if (pool->idle_min[i] > pool->idle_n[i])
        pool->idle_min[i] = pool->idle_n[i];
    return b;
}

static struct wr_buf *map_new(struct wr_pool *pool, uint8_t i)
{
    void *p;

    /* Idle memory of other sizes counts as well: what the system sees must
     * stay below the cap. Shed the largest first. */
    for (size_t k = SIZES; k-- > 0;) {
        while (pool->idle_n[k] > 0 &&
               pool->used + pool->kept + block_bytes[i] > pool->cfg.cap)
            shed(pool, k, pool->idle_n[k] - 1);
    }
    p = mmap(NULL, block_bytes[i], PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

struct wr_buf *wr_pool_get(struct wr_pool *pool, uint32_t share, size_t size)
{
    const uint8_t i = size_for(size);
    const size_t bytes = block_bytes[i];
    struct wr_buf *b = NULL;
    struct share *s;

    WR_CHECK(share < pool->cfg.shares_n);
    s = &pool->shares[share];
    pthread_mutex_lock(&pool->lock);
    if (s->used + bytes <= s->cap && pool->used + bytes <= pool->cfg.cap) {
        b = take_idle(pool, i);
        if (b == NULL)
            b = map_new(pool, i);
    }
    if (b != NULL) {
        s->used += bytes;
        pool->used += bytes;
        if (pool->peak < pool->used)
            pool->peak = pool->used;
    } else {
        if (s->want == 0 || s->want > bytes)
            s->want = bytes;
        pool->dry++;
    }
    pthread_mutex_unlock(&pool->lock);
    if (b == NULL)
        return NULL;
    buf_init(b, bytes);
    b->share = (uint8_t)share;
    b->size = i;
    b->pool = pool;
    return b;
}

static void give_back(struct wr_pool *pool, struct wr_buf *b)
{
    bool tell[WR_POOL_SHARES_MAX] = {false};

    pthread_mutex_lock(&pool->lock);
    pool->shares[b->share].used -= block_bytes[b->size];
    pool->used -= block_bytes[b->size];
    pool->kept += block_bytes[b->size];
    b->next = pool->idle[b->size];
    pool->idle[b->size] = b;
    pool->idle_n[b->size]++;
    for (uint32_t i = 0; i < pool->cfg.shares_n; i++) {
        struct share *s = &pool->shares[i];

        /* Another share's release helps if the whole was short. */
        tell[i] = s->want > 0 && s->used + s->want <= s->cap &&
                  pool->used + s->want <= pool->cfg.cap;
        if (tell[i])
            s->want = 0;
    }
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->cfg.shares_n; i++)
        if (tell[i] && pool->cfg.on_room != NULL)
            pool->cfg.on_room(pool->cfg.arg, i);
}

void wr_buf_unref(struct wr_buf *b)
{
    if (b == NULL)
        return;
    if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (b->pool != NULL)
        give_back(b->pool, b);
    else
        free(b);
}

struct wr_buf *wr_buf_new(size_t size)
{
    struct wr_buf *b;

    if (size > UINT32_MAX - OVERHEAD)
        return NULL;
    b = malloc(size + OVERHEAD);
    if (b == NULL)
        return NULL;
    buf_init(b, size + OVERHEAD);
    b->share = 0;
    b->size = 0;
    b->pool = NULL;
    return b;
}

void wr_pool_trim(struct wr_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < SIZES; i++) {
        shed(pool, i, pool->idle_n[i] - pool->idle_min[i]);
        pool->idle_min[i] = pool->idle_n[i];
    }
    pthread_mutex_unlock(&pool->lock);
}

void wr_pool_stats(struct wr_pool *pool, struct wr_pool_stats *ret)
{
    pthread_mutex_lock(&pool->lock);
    *ret = (struct wr_pool_stats){.used = pool->used,
                                  .idle = pool->kept,
                                  .peak = pool->peak,
                                  .dry = pool->dry};
    for (uint32_t i = 0; i < pool->cfg.shares_n; i++)
        ret->share_used[i] = pool->shares[i].used;
    pthread_mutex_unlock(&pool->lock);
}
