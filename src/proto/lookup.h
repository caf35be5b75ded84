/*
 * lookup.h - who owns a key: recursive lookups, our own and those that we
 * forward (docs/protocol.md, Lookup).
 *
 * A ROUTE goes from host to host over warm links. Each acknowledges it at
 * once, and the sender takes the next best peer when the acknowledgement does
 * not come within its round-trip-timed patience. The owner's ROUTED returns
 * along the path: each hop remembers the one before it in a bounded table,
 * until the answer has passed or a third of the lookup's time is over. The
 * origin alone has the whole time: when a path fails behind an acknowledgement
 * it tries again, elsewhere; when a few in a row have failed, after a pause
 * that grows, for the ring may heal. A dial that is refused takes no time, so
 * only the pause keeps a lookup from going round among the refusing. A host
 * that is wrongly believed to own a key sends the lookup back towards it, or
 * says NOT_OWNER to the one that believed so.
 *
 * An exchange is known by its rid: 48 random bits and a slot, drawn anew by
 * each hop, so an answer that comes late, or from nobody asked, fits nowhere.
 *
 * Not here: where to send next (routes.h), what a replica set is (place.h),
 * single steps (ROUTE_NEXT: boot.h).
 */
#ifndef WR_PROTO_LOOKUP_H
#define WR_PROTO_LOOKUP_H

#include "proto/routes.h"

enum {
    WR_LOOKUP_TRIED = 3,  /* Hosts that one hop leaves out, latest first. */
    WR_LOOKUP_PATHS = 10, /* Shares of its time: one for each path. */
    WR_LOOKUP_TURN = 4,   /* Peers that fail before the origin pauses, or a
                             forwarder answers back. */
    WR_LOOKUP_PAUSE_MAX_MS = 1000,
    WR_LOOKUP_DOUBLINGS = 16, /* Of a pause: a bound of the shift. */
};

/* Who is told of the end. */
enum wr_lookup_for {
    WR_LOOKUP_COMMAND, /* Ends in WR_FX_DONE. */
    WR_LOOKUP_FINGER,
    WR_LOOKUP_DATA, /* replica.h */
};

enum wr_lookup_state {
    WR_LOOKUP_FREE,
    WR_LOOKUP_SENT,  /* Not yet acknowledged. */
    WR_LOOKUP_GOING, /* The next hop has it. */
    WR_LOOKUP_PAUSE, /* At the origin: every path failed, for now. */
};

struct wr_lookup {
    uint64_t rid;  /* Ours, towards the next hop. */
    uint64_t back; /* prev's rid; of an own lookup the token. */
    wr_time deadline;
    wr_time until; /* Patience for the acknowledgement or the answer. */
    wr_host prev;  /* WR_NO_HOST: we are the origin. */
    wr_host hop;
    wr_host tried[WR_LOOKUP_TRIED];
    wr_ref missed; /* See struct wr_route_ask. */
    struct wr_id key;
    uint8_t state;       /* enum wr_lookup_state */
    uint8_t whose;       /* enum wr_lookup_for */
    uint8_t pauses;      /* As far as they still lengthen the next one. */
    uint8_t tried_n : 4; /* At most WR_LOOKUP_TRIED. */
    uint8_t failed : 4;  /* Peers since the last pause: to WR_LOOKUP_TURN. */
    uint8_t ttl, hops;
    uint8_t owner; /* The hop's member that is believed to own the key; else
                      WR_MEMBER_NONE. */
    bool resent : 1;
    bool doubt : 1; /* See struct wr_route_ask. */
    bool trace : 1;
};

/* `routed` is a ROUTED message with the answer, borrowed for the call; its
 * status is OK, BUSY or TIMEOUT. */
typedef void wr_lookup_fn(void *arg, struct wr_core *c, wr_token token,
                          const struct wr_msg *routed);

struct wr_lookups {
    const struct wr_sight *sight;
    struct wr_routes *routes;
    struct wr_lookup *v;
    uint32_t cap;
    uint32_t end;          /* No slot from here on is in use. */
    wr_time due;           /* No later than the first that wants a tick. */
    wr_lookup_fn *data_fn; /* For WR_LOOKUP_DATA. */
    void *data_arg;
};

/* Room for cfg->lookups_max. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_lookups_init(struct wr_lookups *l,
                                        const struct wr_sight *sight,
                                        struct wr_routes *routes,
                                        const struct wr_node_cfg *cfg);
void wr_lookups_done(struct wr_lookups *l);
size_t wr_lookups_size(const struct wr_lookups *l);

/* Looks `key` up for `whose`. May tell of the end before it returns: at once
 * when the key is ours, or when the table is full (BUSY). */
void wr_lookups_start(struct wr_lookups *l, struct wr_core *c,
                      const struct wr_id *key, bool trace,
                      enum wr_lookup_for whose, wr_token token);

/* ROUTE, ROUTE_ACK, ROUTED. `from` is authenticated. */
void wr_lookups_recv(struct wr_lookups *l, struct wr_core *c, wr_host from,
                     const struct wr_msg *m);

/* The link to `h` broke: what waits for it need not wait longer. */
void wr_lookups_link_down(struct wr_lookups *l, struct wr_core *c, wr_host h);

/* Also looks up the finger that is due. */
void wr_lookups_tick(struct wr_lookups *l, struct wr_core *c);
wr_time wr_lookups_deadline(const struct wr_lookups *l);

#endif
