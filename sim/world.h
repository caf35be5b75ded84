/*
 * world.h - a small world in virtual time: hosts that run the daemon's own
 * protocol core (floors 0 to 2), and a network that delays, loses, doubles and
 * cuts. One seed draws everything; the same seed gives the same run.
 *
 * The world plays the drivers' part: it delivers messages, tells of links that
 * came up and broke, introduces hosts (ADMIT), and keeps what a host persists
 * over a crash: its roster, as soon as a daemon does, and its disk (disk.h). A
 * write is durable when it is answered; one that a crash overtakes is lost.
 * Leaves either have links (uplink.h), or are mere askers: what is sent to one
 * reaches `leaf` after a while, unless its parent is gone.
 * With `cfg.faults` hosts have clocks of their own, and disks that may be slow,
 * full, or fail (faults.c); rot and loss are disk.h's.
 * What it does not model: disks' sizes.
 */
#ifndef WR_SIM_WORLD_H
#define WR_SIM_WORLD_H

#include "base/rng.h"
#include "baselines/overlay.h"
#include "disk.h"
#include "links.h"
#include "net.h"
#include "parcel.h"
#include "proto/node_private.h"
#include "queue.h"
#include "uplink.h"
#include "wire/codec.h"

struct wr_world_cfg {
    uint64_t seed;
    uint32_t hosts;          /* That there will ever be. */
    uint8_t members;         /* V of each. */
    uint32_t sites;          /* Host h is at site h modulo this; 0: none. */
    struct wr_node_cfg node; /* But self, members, incarnation and seed. */
    struct wr_simnet_cfg net;
    bool fingers_only; /* Nothing is learned from traffic. */
    bool resets;       /* Broken links are told of, as TCP does at once. */
    uint32_t liars_permille; /* Of hosts: half of these give wrong bytes for a
                                chunk, the others nothing. */
    bool codec; /* Each message is encoded and decoded, as on the wire. */
    bool trace; /* Every message and note, on standard error. */

    bool faults; /* There is a wr_world_fault for each host, and */
    bool torn;   /* a write may be on the disk though it was not answered. */
    uint32_t read_permille, write_permille; /* Of the disks' work that fails. */

    /* What runs in the core's place; NULL: the core. */
    const struct wr_overlay_ops *overlay;
    struct wr_overlay_cfg overlay_cfg;
};

/* What is wrong with a host. */
struct wr_world_fault {
    wr_time ahead;   /* Its clock, of ours; wr_world_jump(). */
    wr_time slow_us; /* What its disk takes more, at most. */
    bool full;       /* Its disk. */
};

/* What each message looks at comes first. */
struct wr_world_host {
    struct wr_node *node;  /* NULL: down, or not yet there. */
    uint32_t epoch;        /* Starts so far. */
    uint32_t incarnation;  /* The node's, persisted. */
    wr_time tick_at;       /* The tick that is queued, */
    wr_time tick_later_at; /* and the one after it. */
    wr_time due_at;        /* The node's deadline, by its own clock. */
    wr_time still_until;   /* Its process stands still. */
    struct wr_links links;
    struct wr_overlay *overlay; /* In the core's place. */
    uint64_t sent_bytes, recv_bytes;
    bool left;     /* For good: another host has its farewell. */
    bool farewell; /* It has written that down, and says it whenever it is up;
                      it does not count any more. */
    bool leaving;  /* Hands everything on first; is up to say farewell. */
    bool joined;   /* Since it is up: its false death counts. */
    bool known;    /* Was in the ring, and has written that down; */
    bool saving;   /* it does so soon, with its roster, */
    uint32_t saved_n;
    wr_time save_at;               /* not before then. */
    struct wr_roster_entry *saved; /* The roster, persisted. */
    struct wr_disk disk;           /* Survives a crash. */
    int64_t wall_off_s;            /* Its wall clock, of the true one. */
    uint64_t wall_seen_s;          /* The last it believed; persisted. */
};

enum { WR_WORLD_KINDS = 72 }; /* Numbers of kinds are below. */

struct wr_world {
    struct wr_world_cfg cfg;
    struct wr_book book;
    struct wr_rng rng;
    struct wr_world_host *hosts;
    struct wr_world_fault *faults; /* With cfg.faults; else NULL. */
    struct wr_outbox out;
    wr_time now;
    struct wr_simnet net;
    struct wr_overlay_env overlay_env; /* Points to us. */
    struct wr_queue queue;
    struct wr_uplinks uplinks; /* Of leaves, if they have links. */
    struct wr_parcels parcels; /* What its events carry. */
    uint64_t events;           /* That happened. */

    struct wr_bodies bodies; /* In the cores' hands. */
    struct wr_codec codec;   /* If messages go through it. */
    uint8_t *codec_room;     /* Its arena, a header, and a chunk. */
    uint64_t codec_wrong;    /* Messages that did not survive it. */
    uint64_t bodies_wrong;   /* Released twice, or used after that. */
    uint64_t digest;         /* Rolling, over all that was delivered. */
    uint64_t sent, lost, delivered;
    uint64_t sent_n[WR_WORLD_KINDS];     /* By kind of message, of hosts; */
    uint64_t sent_bytes[WR_WORLD_KINDS]; /* on the wire (cost.h). */
    uint64_t setups_n, setup_bytes;      /* Of links. */
    uint64_t repaired; /* Bytes that repair moved, of nodes that are gone. */
    uint64_t dial_bytes, accept_bytes; /* Of each of those. */
    uint64_t false_deaths; /* Somebody up and reachable was held for dead, */
    uint64_t false_starts; /* or all others were (R10). */
    uint64_t backs;        /* Somebody is not held for dead or away any more. */

    /* A command ended, if anybody wants to know. */
    void (*done)(struct wr_world *w, wr_host host, const struct wr_fx *fx);
    /* A message reached a leaf. `body`: what its body
     * really is. */
    void (*leaf)(struct wr_world *w, wr_host from, wr_host leaf,
                 const struct wr_msg *m, const struct wr_id *body);
    /* With cfg.codec: writes the `n` bytes of the chunk of that name to `to`;
     * they are hashed where they arrive. NULL: chunks are names alone. */
    void (*bytes)(struct wr_world *w, const struct wr_id *name, uint8_t *to,
                  uint32_t n);
    /* A leaf's link stands, or is down. */
    void (*uplink)(struct wr_world *w, uint32_t leaf, bool up);
    /* A disk is about to drop a reference of a put. */
    void (*drops)(struct wr_world *w, wr_host h, const struct wr_fx *fx);
    /* The time of a wr_world_at() came. */
    void (*alarm)(struct wr_world *w, uint64_t cookie);
    /* Something happened at a host, or it went: its ring may have changed. */
    void (*changed)(struct wr_world *w, wr_host host);
    void *leaf_arg;
    void *drops_arg;
    void *done_arg;
    void *alarm_arg;
    void *changed_arg;
};

/* WR_ENOMEM. All hosts are in the book, none is up. */
WR_MUST_USE enum wr_err wr_world_init(struct wr_world *w,
                                      const struct wr_world_cfg *cfg);
void wr_world_done(struct wr_world *w);

/* These `n` hosts (NULL: the first) come up as one ideal ring (R1). */
void wr_world_begin(struct wr_world *w, const wr_host *hosts, uint32_t n);

/* `h` comes up and joins through `via` and whom it has persisted. */
void wr_world_up(struct wr_world *w, wr_host h, wr_host via);
void wr_world_crash(struct wr_world *w, wr_host h); /* kill -9 */
/* Bytes of chunks that repair has moved so far. */
uint64_t wr_world_repaired(const struct wr_world *w);
void wr_world_stop(struct wr_world *w, wr_host h); /* "Back soon." */
/* For good, once all that it keeps is handed on; stays if that fails. */
void wr_world_leave(struct wr_world *w, wr_host h);

/* The process of `h` stands still, as with SIGSTOP: what reaches it waits, and
 * its timers are late. Its connections stay. */
void wr_world_pause(struct wr_world *w, wr_host h, wr_time until);

/* A request of a leaf's; a body's digest is the request's. Nothing is lost
 * between a leaf and its parent, but with the parent. */
void wr_world_ask(struct wr_world *w, wr_host leaf, wr_host parent,
                  const struct wr_msg *m);

/* The clock of `h` jumps ahead, as after a machine's suspension. */
void wr_world_jump(struct wr_world *w, wr_host h, wr_time us);

/* Where nodes sweep, hosts have wall clocks: the true time, in Unix seconds,
 * and how far that of `h` is off from now on. */
enum { WR_WORLD_WALL_S = 1893456000 };
uint64_t wr_world_wall_s(const struct wr_world *w);
void wr_world_wall(struct wr_world *w, wr_host h, int64_t off_s);

/* Cuts the network: hosts reach those of the same side only. */
void wr_world_side(struct wr_world *w, wr_host h, uint32_t side);
void wr_world_heal(struct wr_world *w);

/* A command or other event for a host that is up. */
void wr_world_step(struct wr_world *w, wr_host h, const struct wr_event *ev);

/* `w->alarm` is called with `cookie` at `at` (now, if that is past), in order
 * with all that happens then. */
void wr_world_at(struct wr_world *w, wr_time at, uint64_t cookie);

/* Runs until virtual time `until`. */
void wr_world_run(struct wr_world *w, wr_time until);

static inline bool wr_world_is_still(const struct wr_world *w, wr_host h)
{
    return w->hosts[h].still_until > w->now;
}

static inline bool wr_world_is_up(const struct wr_world *w, wr_host h)
{
    return w->hosts[h].node != NULL || w->hosts[h].overlay != NULL;
}

/* It is up, and not only to say that it has left. */
static inline bool wr_world_serves(const struct wr_world *w, wr_host h)
{
    return wr_world_is_up(w, h) && !w->hosts[h].farewell;
}

/* NULL: it is none, or its host is down. */
static inline const struct wr_ring *wr_world_member(const struct wr_world *w,
                                                    wr_ref ref)
{
    const struct wr_node *node = w->hosts[wr_ref_host(ref)].node;
    const struct wr_ring *r;

    if (node == NULL)
        return NULL;
    r = &node->core.rings[wr_ref_index(ref)];
    return r->phase == WR_RING_MEMBER ? r : NULL;
}

/* "PING": what a number of sent_n[] stands for. */
static inline const char *wr_world_kind(const struct wr_world *w, unsigned kind)
{
    return w->cfg.overlay != NULL ? wr_overlay_name(kind) : wr_msg_name(kind);
}

#endif
