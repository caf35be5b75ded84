/*
 * core.h - what every module of a super-peer's protocol shares during one
 * step: who we are, the time, the outbox, the book, our luck. Passed by
 * pointer down from node.c, the one funnel; modules never keep it.
 */
#ifndef WR_PROTO_CORE_H
#define WR_PROTO_CORE_H

#include "base/rng.h"
#include "proto/fx.h"

/* How upkeep intervals are drawn (periodic with jitter in the field,
 * exponential for the simulator's oracles). */
enum wr_upkeep { WR_UPKEEP_PERIODIC, WR_UPKEEP_EXPONENTIAL };

struct wr_node_cfg {
    wr_host self;
    uint8_t members;      /* V; from the credential. */
    uint32_t incarnation; /* Higher than at any earlier start. */
    uint64_t seed;

    uint8_t succs; /* r: 1 to WR_SUCCS_MAX; 16. */
    enum wr_upkeep upkeep;
    wr_time round_us;         /* Between two stabilise rounds of a member. */
    wr_time finger_us;        /* Between two finger refreshes of a host. */
    wr_time roster_us;        /* Between two roster comparisons; WR_NEVER for
                                 simulated rings without a roster. */
    uint32_t jitter_permille; /* Of every interval; 0 makes transcripts exact.*/
    wr_time patience_min_us;  /* Floor and ceiling of round-trip-timed */
    wr_time patience_max_us;  /* patience (RFC 6298's estimator). */
    wr_time lookup_us;        /* A lookup has 30 s. */
    wr_time rejoin_us;        /* R10: silence before starting alone; 10 s. */
    wr_time probe_dead_us;    /* R11: first probe of a dead peer; 60 s. */
    wr_time request_us;       /* Deadline of a data request; 30 s. */

    uint8_t copies;        /* n; 3. */
    uint32_t peers_max;    /* Hosts whose liveness is tracked. */
    uint32_t routes_max;   /* Members in the routing table. */
    uint32_t lookups_max;  /* Lookups in flight, own and forwarded. */
    uint32_t ops_max;      /* Data requests in flight. */
    uint32_t have_ops_max; /* HAVE requests in flight. */
    uint32_t roster_max;   /* Hosts in the roster; 0 without one. */

    wr_time sweep_us;  /* Between the beginnings of two sweeps of the store
                          (reap.h); WR_NEVER: none. */
    uint32_t grace_s;  /* Without references for so long a chunk goes. */
    uint32_t slack_s;  /* What a clock that is known may be wrong by. */
    uint64_t forget_s; /* Over for so long a put's root record goes. */

    wr_time repair_us;    /* Between the ends of a round of repair (repair.h)
                             and the next; WR_NEVER: none. */
    uint64_t repair_rate; /* Bytes/s that repair moves at most; 0: any. */
    wr_time gone_us;      /* A host that is dead for no longer counts as holding
                             what it held; */
    wr_time gone_long_us; /* and for so long, where a majority of the copies is
                             on others (repair.h). */

    uint32_t verdicts_max; /* Puts of which it is remembered whether they are
                              over; a power of two, 0 without a sweep. */
};

/* Counters of one node; every cap that is hit and every message that is
 * dropped is one of them. */
/* clang-format off */
#define WR_COUNTER_MAP(X)               \
    X(recv_total)                       \
    X(recv_unknown_total)               \
    X(recv_stale_total)                 \
    X(recv_misfit_total)                \
    X(rounds_total)                     \
    X(joins_total)                      \
    X(suspects_total)                   \
    X(deaths_total)                     \
    X(false_suspects_total)             \
    X(lookups_total)                    \
    X(lookups_failed_total)             \
    X(forwards_total)                   \
    X(hops_total)                       \
    X(peers_full_total)                 \
    X(lookups_full_total)               \
    X(ops_full_total)                   \
    X(puts_total)                       \
    X(puts_failed_total)                \
    X(gets_total)                       \
    X(gets_failed_total)                \
    X(bad_copies_total)                 \
    X(refs_dropped_total)               \
    X(chunks_reaped_total)              \
    X(roots_forgotten_total)            \
    X(assumption_breaks_total)
/* clang-format on */

struct wr_counters {
#define X(name) uint64_t name;
    WR_COUNTER_MAP(X)
#undef X
};

/* The modules; core.h names them so that each finds the others. */
struct wr_peers;    /* proto/peers.h: liveness and round trips of hosts. */
struct wr_roster;   /* proto/roster.h: who is admitted. */
struct wr_ring;     /* proto/ring.h: one per member of ours. */
struct wr_place;    /* proto/place.h: one per member of ours. */
struct wr_boot;     /* proto/boot.h: joining, restarting. */
struct wr_merge;    /* proto/merge.h: finding other rings. */
struct wr_routes;   /* proto/routes.h: fingers and learned members. */
struct wr_lookups;  /* proto/lookup.h: lookups in flight. */
struct wr_replica;  /* proto/replica.h: data requests. */
struct wr_verdicts; /* proto/verdict.h: which puts are over. */
struct wr_reap;     /* proto/reap.h: the sweep. */
struct wr_repair;   /* proto/repair.h: copies come back. */

struct wr_core {
    const struct wr_node_cfg *cfg;
    struct wr_book *book;
    struct wr_rng *rng;
    struct wr_counters *count;
    struct wr_outbox *out;
    struct wr_peers *peers;
    struct wr_roster *roster;
    struct wr_ring *rings;   /* cfg->members of them. */
    struct wr_place *places; /* cfg->members of them. */
    struct wr_boot *boot;
    struct wr_merge *merge;
    struct wr_routes *routes;
    struct wr_lookups *lookups;
    struct wr_replica *replica;
    struct wr_verdicts *verdicts;
    struct wr_reap *reap;
    struct wr_repair *repair;
    wr_time now;
    uint64_t wall_s;      /* By the last CLOCK event; 0: unknown. */
    wr_time wall_at;      /* When that came. */
    uint32_t incarnation; /* Ours: cfg's, raised by R12. */
};

/* The next interval around `mean`, by cfg's upkeep and jitter. */
wr_time wr_core_interval(struct wr_core *c, wr_time mean);

/* Whether the member `r` is one of ours. */
static inline bool wr_core_ours(const struct wr_core *c, wr_ref r)
{
    return r != WR_NO_REF && wr_ref_host(r) == c->cfg->self;
}

static inline const struct wr_id *wr_core_id(const struct wr_core *c, wr_ref r)
{
    return wr_book_id(c->book, r);
}

static inline bool wr_core_between(const struct wr_core *c, wr_ref a, wr_ref x,
                                   wr_ref b)
{
    return wr_id_between(wr_core_id(c, a), wr_core_id(c, x), wr_core_id(c, b));
}

/* What a CLOCK event said is believed for so long. */
#define WR_CLOCK_STALE_US WR_SEC(300)

/* Unix seconds; 0: our clock is not to be believed, or nobody told it. */
static inline uint64_t wr_core_wall_s(const struct wr_core *c)
{
    const wr_time since = c->now - c->wall_at;

    if (c->wall_s == 0 || since > WR_CLOCK_STALE_US)
        return 0;
    return c->wall_s + since / WR_SEC(1);
}

/* The ref that a message's sender claims: WR_NO_REF if it names no member
 * that its host has. */
wr_ref wr_core_sender(const struct wr_core *c, wr_host from,
                      const struct wr_msg *m);

/* Between members: asks and answers. */
void wr_core_send(struct wr_core *c, wr_ref from, wr_ref to, struct wr_msg *m);

/* A command ended. */
void wr_core_done(struct wr_core *c, wr_token token, enum wr_status status);

struct wr_fx *wr_core_note(struct wr_core *c, enum wr_note note, wr_host host,
                           wr_ref ref);

#endif
