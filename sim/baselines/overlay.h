/*
 * overlay.h - what runs in the place of wreath's core, for comparison: systems
 * that find things without a ring. A host of one is a node that is fed messages
 * and ticks, as the core is, in the same world: the network, the churn, the
 * questions and the prices of bytes are those of wreath.
 *
 * Each system is a row of functions (flood.c, walk.c, index.c) upon what they
 * share: neighbours (mesh.h), and the lookups that are under way. Nothing here
 * reads a clock or draws entropy; nothing grows without a bound.
 *
 * They look for items. An item is at so many hosts, which are a function of its
 * key (content.h): it stays there, whether they are up or not.
 */
#ifndef WR_SIM_OVERLAY_H
#define WR_SIM_OVERLAY_H

#include <stdbool.h>

#include "base/rng.h"
#include "base/time.h"
#include "content.h"
#include "mesh.h"
#include "wire/book.h"

/* Name, what stands behind the header. */
#define WR_OVERLAY_MAP(X)                                                      \
    X(PING)    /* Still there? Tell some hosts, if `more`. */                  \
    X(PONG)    /* Yes; `hosts`. */                                             \
    X(CONNECT) /* Be my neighbour. */                                          \
    X(WELCOME) /* I am; `hosts`. */                                            \
    X(BUSY)    /* Ask these instead. */                                        \
    X(BYE)     /* We are not neighbours. */                                    \
    X(QUERY)   /* Who has `key`? To all but where it came from. */             \
    X(HIT)     /* `holder` has it. */                                          \
    X(WALK)    /* The same to one neighbour by lot, and so on. */              \
    X(CHECK)   /* A walk's question to `origin`: is it still wanted? */        \
    X(GO)      /* It is. */                                                    \
    X(PUBLISH) /* `keys` keys that I have. */

enum wr_overlay_kind {
#define X(name) WR_OVERLAY_##name,
    WR_OVERLAY_MAP(X)
#undef X
        WR_OVERLAY_KINDS
};

enum { WR_OVERLAY_HOSTS = 10 }; /* That a message tells of (pong caches). */

struct wr_overlay_msg {
    uint8_t kind;
    uint8_t hosts_n;
    bool more;
    uint16_t ttl;  /* Hops that are left, this one included. */
    uint16_t hops; /* From the origin to who receives it. */
    wr_host origin, holder;
    uint32_t keys;
    uint64_t query; /* Names a lookup; 0: none. */
    struct wr_id key;
    wr_host hosts[WR_OVERLAY_HOSTS];
};

/* "PING"; "?". */
const char *wr_overlay_name(unsigned kind);

/* Its bytes on the wire, as cost.h counts those of wreath. */
uint64_t wr_overlay_bytes(const struct wr_overlay_msg *m);

struct wr_overlay_cfg {
    wr_time ping_us;          /* Between two pings of a neighbour. */
    wr_time silence_us;       /* An answer is waited for. */
    wr_time lookup_us;        /* A lookup is given up after. */
    uint32_t jitter_permille; /* Of ping_us. */
    const struct wr_content *content;
};

/* What nodes do to the world, given to each of them. */
struct wr_overlay_env {
    struct wr_overlay_cfg cfg;
    void *arg;
    void (*send)(void *arg, wr_host from, wr_host to,
                 const struct wr_overlay_msg *m);
    /* A lookup ended, at `holder`; WR_NO_HOST: it was given up. */
    void (*answer)(void *arg, wr_host host, uint64_t token, wr_host holder,
                   unsigned hops);
    void (*joined)(void *arg, wr_host host); /* It has a neighbour. */
    /* One that is up and takes others in, from a list of such on the web (as
     * Gnutella's GWebCaches); or WR_NO_HOST. */
    wr_host (*contact)(void *arg, wr_host host);
};

struct wr_overlay_ask {
    uint64_t query, token;
    wr_time until;
    struct wr_id key;
};

enum { WR_OVERLAY_ASKS = 64 }; /* Of a host at a time; more fail at once. */

/* A node; its system's own state is behind it. */
struct wr_overlay {
    const struct wr_overlay_ops *ops;
    const struct wr_overlay_env *env;
    wr_host self;
    bool joined;
    struct wr_rng rng;
    struct wr_mesh mesh;
    uint32_t asks_n;
    struct wr_overlay_ask asks[WR_OVERLAY_ASKS]; /* Oldest first. */
};

struct wr_overlay_ops {
    const char *name;
    size_t size; /* Of a node. */
    void (*init)(struct wr_overlay *o);
    /* These are the first ones: a network that has stood for long. */
    void (*begin)(struct wr_overlay *const *all, uint32_t n, struct wr_rng *rng,
                  wr_time now);
    void (*recv)(struct wr_overlay *o, wr_host from,
                 const struct wr_overlay_msg *m, wr_time now);
    void (*ask)(struct wr_overlay *o, const struct wr_overlay_ask *a,
                wr_time now);
    /* If there is more than neighbours, NULL otherwise: the link to `peer`
     * broke; a tick, at least with each ping; nobody is there. */
    void (*down)(struct wr_overlay *o, wr_host peer, wr_time now);
    void (*tick)(struct wr_overlay *o, wr_time now);
    bool (*alone)(const struct wr_overlay *o);
    bool (*closed)(wr_host host); /* It takes nobody in; NULL: all do. */
};

extern const struct wr_overlay_ops wr_flood_ops, wr_walk_ops, wr_index_ops;

/* NULL: out of memory. */
struct wr_overlay *wr_overlay_open(const struct wr_overlay_ops *ops,
                                   const struct wr_overlay_env *env,
                                   wr_host self, uint64_t seed);
void wr_overlay_close(struct wr_overlay *o);

/* It comes up, and knows `via`, or nobody: WR_NO_HOST. */
void wr_overlay_start(struct wr_overlay *o, wr_host via, wr_time now);
void wr_overlay_recv(struct wr_overlay *o, wr_host from,
                     const struct wr_overlay_msg *m, wr_time now);
void wr_overlay_down(struct wr_overlay *o, wr_host peer, wr_time now);
void wr_overlay_tick(struct wr_overlay *o, wr_time now);
wr_time wr_overlay_deadline(const struct wr_overlay *o);
void wr_overlay_lookup(struct wr_overlay *o, const struct wr_id *key,
                       uint64_t token, wr_time now);

/* For systems: a message of ours; the lookup under way that `query` names
 * (NULL: none); and its end. */
void wr_overlay_send(struct wr_overlay *o, wr_host to,
                     const struct wr_overlay_msg *m);
const struct wr_overlay_ask *wr_overlay_open_ask(const struct wr_overlay *o,
                                                 uint64_t query);
void wr_overlay_found(struct wr_overlay *o, uint64_t query, wr_host holder,
                      unsigned hops);
bool wr_overlay_has(const struct wr_overlay *o, const struct wr_id *key);

#endif
