/*
 * boot.h - how our members come into the ring: joining (R2), joining again
 * after a restart (R10) or through a sibling (R12), starting alone (R1, R10).
 *
 * A member that joins uses the one operation of its ring (R7): WR_OP_FIND
 * walks towards its place, one NEXT_ASK at a time, and WR_OP_JOIN asks the
 * predecessor to be for its view. Members of one host join one after another,
 * for each one that is in shows the next its way.
 */
#ifndef WR_PROTO_BOOT_H
#define WR_PROTO_BOOT_H

#include "proto/core.h"
#include "proto/walk.h"

enum {
    WR_BOOT_KNOWN = 16,  /* Hosts to begin with; then the roster. */
    WR_BOOT_PAUSES = 10, /* Tries, when all have failed, in rejoin_us. */
};

struct wr_boot {
    wr_time alone_at; /* R10: when to start a ring of our own. */
    wr_time retry_at; /* When to try again after all have failed. */
    wr_host guide;    /* Answered as a member; WR_NO_HOST: nobody did. */
    uint32_t turn;    /* Which known host comes next. */
    struct wr_walk walk;
    uint8_t known_n;
    uint8_t mine; /* Which of our members is joining, or did last. */
    bool guided;  /* The guide has been asked again in this turn. */
    bool round;   /* Not through siblings: they led to one who is silent. */
    bool wanted;  /* We are to be in the ring. */
    bool may_start;
    wr_host known[WR_BOOT_KNOWN];
};

void wr_boot_join(struct wr_core *c, const wr_host *known, size_t n,
                  bool may_start);

/* Our members are in the ring already, as part of an ideal one (R1). */
void wr_boot_started(struct wr_core *c);

/* One of ours is out again (R12; R10 if it was the last). */
void wr_boot_exhausted(struct wr_core *c);

/* NEXT (ours, by rid), NEXT_ASK; VIEW for WR_OP_JOIN. False if not ours. */
bool wr_boot_recv(struct wr_core *c, wr_host from, const struct wr_msg *m);
/* The member `from`, which `r` knocked at, says who is nearer before it. */
void wr_boot_hinted(struct wr_core *c, struct wr_ring *r, wr_ref from,
                    wr_ref nearer);
void wr_boot_gone(struct wr_core *c, wr_host host);

/* Starts what is due. Called at the end of every step. */
void wr_boot_advance(struct wr_core *c);
wr_time wr_boot_deadline(const struct wr_core *c);

/* One step towards `key` as this host sees it, for NEXT (any asker). Members
 * of `without` do not count. `ret_nodes` holds WR_NEXT_MAX; not all of them
 * are hearsay, unless all that this host knows is. */
void wr_boot_next(const struct wr_core *c, const struct wr_id *key,
                  wr_host without, struct wr_msg *ret, wr_ref *ret_nodes);

#endif
