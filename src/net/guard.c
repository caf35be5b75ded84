/* guard.c - see guard.h. */
#include "net/guard.h"

#include "base/rng.h"
#include "net/addr.h"

enum { MILLI = 1000, V4_HOST = 128, V4_NET = 120, V6_HOST = 64, V6_NET = 48 };

void wr_guard_init(struct wr_guard *g, uint64_t seed)
{
    memset(g, 0, sizeof(*g));
    g->seed = seed;
}

static uint64_t mix(uint64_t state, uint64_t v)
{
    struct wr_rng r = {state ^ v};

    return wr_rng_next(&r);
}

static struct wr_guard_bucket *set_of(struct wr_guard *g, const uint8_t key[16],
                                      uint8_t bits)
{
    uint64_t a, b;

    memcpy(&a, key, 8);
    memcpy(&b, key + 8, 8);
    return g->v[mix(mix(mix(g->seed, a), b), bits) % WR_GUARD_SETS];
}

static int32_t full(uint32_t share)
{
    return (int32_t)(WR_KNOCKS_BURST * MILLI * share);
}

static void refill(struct wr_guard_bucket *b, uint32_t share, wr_time now)
{
    const int64_t most = full(share);
    const wr_time past = now > b->at ? now - b->at : 0;
    int64_t v = b->tokens_milli;

    /* An hour fills any bucket; more would overflow. */
    v += (int64_t)(wr_time_min(past, WR_SEC(3600)) * WR_KNOCKS_PER_S * share /
                   MILLI);
    b->tokens_milli = (int32_t)(v < most ? v : most);
    b->at = now;
}

/* The bucket of the first `bits` bits of the address; a new one is full, in
 * the place of the one in its set that was longest unused. */
static struct wr_guard_bucket *bucket(struct wr_guard *g,
                                      const struct wr_addr *a, uint8_t bits,
                                      uint32_t share, wr_time now)
{
    struct wr_guard_bucket *set, *oldest;
    uint8_t key[16] = {0};

    memcpy(key, a->ip, bits / 8);
    set = oldest = set_of(g, key, bits);
    for (size_t i = 0; i < WR_GUARD_WAYS; i++) {
        if (set[i].bits == bits && memcmp(set[i].key, key, 16) == 0) {
            refill(&set[i], share, now);
            return &set[i];
        }
        if (set[i].bits == 0 || (oldest->bits != 0 && set[i].at < oldest->at))
            oldest = &set[i];
    }
    memcpy(oldest->key, key, 16);
    oldest->bits = bits;
    oldest->tokens_milli = full(share);
    oldest->at = now;
    return oldest;
}

/* The buckets of the address and of its network. One may take the other's
 * place in the table only where both lie in one set: then the network's is the
 * younger, and the address's count is lost, which harms nobody. */
struct pair {
    struct wr_guard_bucket *v[2];
};

static const uint32_t shares[] = {1, WR_KNOCKS_NET};

static struct pair pair_of(struct wr_guard *g, const struct wr_addr *a,
                           wr_time now)
{
    const bool v4 = wr_addr_is_v4(a);

    return (struct pair){{bucket(g, a, v4 ? V4_HOST : V6_HOST, shares[0], now),
                          bucket(g, a, v4 ? V4_NET : V6_NET, shares[1], now)}};
}

bool wr_guard_knock(struct wr_guard *g, const struct wr_addr *a, wr_time now)
{
    const struct pair p = pair_of(g, a, now);

    /* Both or none: who is refused does not use up its neighbours' share. */
    for (size_t i = 0; i < 2; i++)
        if (p.v[i]->tokens_milli < MILLI)
            return false;
    for (size_t i = 0; i < 2; i++)
        p.v[i]->tokens_milli -= MILLI;
    return true;
}

void wr_guard_refund(struct wr_guard *g, const struct wr_addr *a, wr_time now)
{
    const struct pair p = pair_of(g, a, now);

    for (size_t i = 0; i < 2; i++)
        if (p.v[i]->tokens_milli <= full(shares[i]) - MILLI)
            p.v[i]->tokens_milli += MILLI;
}

void wr_guard_charge(struct wr_guard *g, const struct wr_addr *a, wr_time now)
{
    const struct pair p = pair_of(g, a, now);

    for (size_t i = 0; i < 2; i++)
        if (p.v[i]->tokens_milli >= MILLI)
            p.v[i]->tokens_milli -= MILLI;
}

bool wr_guard_is_new(struct wr_guard *g, const uint8_t ephemeral[static 32])
{
    uint64_t mark = g->seed, part, *set;

    for (size_t i = 0; i < 32; i += sizeof(part)) {
        memcpy(&part, ephemeral + i, sizeof(part));
        mark = mix(mark, part);
    }
    mark |= 1; /* 0 is nobody's. */
    set = g->seen[mark / 2 % WR_GUARD_SETS];
    for (size_t i = 0; i < WR_GUARD_SEEN; i++)
        if (set[i] == mark)
            return false;
    memmove(set + 1, set, (WR_GUARD_SEEN - 1) * sizeof(*set));
    set[0] = mark;
    return true;
}
