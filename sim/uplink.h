/*
 * uplink.h - the links of a simulated world's leaves, each to one parent: how
 * long it takes to set one up, what passes in order and how fast, and how it
 * ends. The drivers' part on both sides: whom to dial, and what to ask, is
 * proto/leaf.h and proto/xfer.h (work.c).
 *
 * Nothing is lost on a link that stands: TCP sends it again, which costs time.
 * Cuts are between hosts: leaves reach all of them.
 */
#ifndef WR_SIM_UPLINK_H
#define WR_SIM_UPLINK_H

#include "base/err.h"
#include "base/time.h"
#include "wire/book.h"
#include "wire/msg.h"

struct wr_world;
struct wr_sim_event;

struct wr_uplink {
    wr_host parent;             /* WR_NO_HOST: none. */
    uint32_t epoch;             /* Links so far; news of older ones is void. */
    uint32_t parent_epoch;      /* When it was dialled. */
    uint32_t moves;             /* To other networks: each another place. */
    bool dead;                  /* Since a move: nothing passes any more. */
    wr_time up_free, down_free; /* When the leaf's line is free, */
    wr_time up_last, down_last; /* and when what was sent last arrives. */
};

struct wr_uplinks {
    struct wr_uplink *v;
    uint32_t n;
    uint32_t epochs;           /* Until numbers come again. */
    uint64_t up_bps, down_bps; /* Of each leaf; as of hosts, if not changed. */
    uint64_t dials;
    uint64_t sent_bytes; /* By leaves, links' set-up included. */
    uint64_t recv_bytes; /* To leaves. */
};

/* Leaves 0 to n-1 may have links from now on. Of what comes to them messages
 * reach `w->leaf`, and `w->uplink` hears that a link stands, and proved to be
 * its host's, or is down. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_uplinks_init(struct wr_world *w, uint32_t n);
void wr_uplinks_done(struct wr_world *w);

/* How leaves know hosts. */
struct wr_contact wr_uplink_contact(const struct wr_world *w, wr_host h);
wr_host wr_uplink_host(const struct wr_contact *c);

/* Only without a link. */
void wr_uplink_dial(struct wr_world *w, uint32_t leaf, wr_host parent);
void wr_uplink_hang_up(struct wr_world *w, uint32_t leaf);
void wr_uplink_send(struct wr_world *w, uint32_t leaf, const struct wr_msg *m);

/* Bytes are still passing: the line is slow, not dead. */
bool wr_uplink_busy(const struct wr_world *w, uint32_t leaf);

/* The leaf is in another network: its link is dead, and nobody tells it. */
void wr_uplink_move(struct wr_world *w, uint32_t leaf);

/* A link's name among hosts is a leaf's and its epoch, as a daemon numbers
 * links: what an earlier one asked for is not answered to a later one. */
static inline uint32_t wr_uplink_leaf(const struct wr_uplinks *u, wr_host name)
{
    return (name & ~WR_HOST_LEAF) % u->n;
}

/* ---- for world.c --------------------------------------------------------- */

/* It stands, or is down. */
void wr_uplink_news(struct wr_world *w, wr_host name, bool up);
/* `from` sends to a leaf. */
void wr_uplink_transmit(struct wr_world *w, wr_host from, wr_host to,
                        const struct wr_msg *m);
/* A handshake is over at the host: welcome the leaf. */
void wr_uplink_welcome(struct wr_world *w, wr_host host, wr_host leaf);
/* A leaf's message that its parent's driver answers by itself. */
bool wr_uplink_answers(struct wr_world *w, wr_host host, wr_host leaf,
                       const struct wr_msg *m);
/* Whether the link of this name is the one that its leaf has now. */
bool wr_uplink_current(const struct wr_world *w, wr_host name);
/* `h` went; its leaves are `told`, after a while. */
void wr_uplink_break(struct wr_world *w, wr_host h, bool told);

#endif
