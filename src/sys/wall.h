/*
 * wall.h - whether the machine's wall clock is to be believed, for what is
 * deleted by it does not come back. Pure: the caller reads clocks, its own and
 * what its peers told (HELLO).
 */
#ifndef WR_SYS_WALL_H
#define WR_SYS_WALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WR_WALL_OFF_S = 3600,         /* More than this off the others is wrong. */
    WR_WALL_PEERS = 64,           /* So many are asked at most. */
    WR_WALL_BUILT_S = 1767225600, /* 2026: no wreath is older. */
};

enum wr_wall {
    WR_WALL_KNOWN,
    WR_WALL_BEHIND, /* Earlier than it has been, or than this program is. */
    WR_WALL_OFF,    /* The peers' median says otherwise. */
    WR_WALL_ALONE,  /* Other hosts are admitted, and none is there to ask. */
};

struct wr_wall_view {
    uint64_t now_s;    /* Ours. */
    uint64_t built_s;  /* It cannot be earlier than this program, */
    uint64_t seen_s;   /* nor, for all that we know, than it was. */
    uint32_t off_s;    /* WR_WALL_OFF_S */
    bool alone;        /* Nobody else is admitted: there is nobody to ask. */
    uint64_t *peers_s; /* What theirs say now; put in order. */
    size_t peers_n;
};

/* What the peers agree on goes before what we saw: a clock that was ahead for a
 * while is not held for wrong until it has caught up with that. Of an even
 * number the clock may agree with either one in the middle: with
 * two peers one that is wrong makes nobody else's clock unknown. */
enum wr_wall wr_wall_judge(const struct wr_wall_view *v);

/* "known", or why it is not. */
const char *wr_wall_text(enum wr_wall w);

#endif
