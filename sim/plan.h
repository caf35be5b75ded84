/*
 * plan.h - what one seed of a fault run draws: a ring, a network, which faults
 * there are, and a list of things that happen at their times. A plan is drawn
 * as a whole before anything is played, and each of its actions draws from a
 * seed of its own: so parts of a plan can be left out, and the rest stays what
 * it was. That is how `wreath-sim shrink` makes a failure small.
 *
 * A narrowed plan is told in the options of `wreath-sim fuzz`, both ways.
 */
#ifndef WR_SIM_PLAN_H
#define WR_SIM_PLAN_H

#include <stdio.h>

#include "world.h"

/* What may go wrong: name, and what it is. Each seed has about half of them
 * (swarm testing, Groce and others 2012); --without leaves them out. */
#define WR_FAULT_MAP(X)                                                        \
    X(LOSS, "loss", "up to 30 % of messages are lost")                         \
    X(TWICE, "dup", "up to 50 % of messages arrive twice")                     \
    X(REORDER, "reorder", "up to 30 % of messages are overtaken by others")    \
    X(DELAY, "delay", "messages take up to half a second")                     \
    X(PAIRS, "pairs", "up to 10 % of pairs cannot reach each other")           \
    X(CLOG, "clog", "nothing from or to a host for up to 5 s")                 \
    X(CUT, "cut", "a share of the hosts, or one, is cut off")                  \
    X(ONE_WAY, "one-way", "some cuts let messages through one way")            \
    X(CRASH, "crash", "kill -9, of one host or two")                           \
    X(ALL, "all", "kill -9 of all hosts at once")                              \
    X(STOP, "stop", "a host stops in good order, and comes back")              \
    X(LEAVE, "leave", "a host leaves for good")                                \
    X(PAUSE, "pause", "a process is stopped for up to a minute")               \
    X(CLOCK, "clock", "a host's clock jumps ahead by up to an hour")           \
    X(READ, "read", "up to 10 % of what is read from disks fails")             \
    X(WRITE, "write", "up to 10 % of what is written to disks fails")          \
    X(TORN, "torn", "a crash leaves unanswered writes done, half, or not")     \
    X(SLOW, "slow", "a disk takes up to 5 s for everything, for a while")      \
    X(FULL, "full", "a disk is full for a while")                              \
    X(ROT, "rot", "a copy on a disk is damaged")                               \
    X(WIPE, "wipe", "a host crashes and comes back without its data")          \
    X(SMALL, "small", "tables are small, and often full")                      \
    X(CORE, "core", "some hosts do not come back before the ring heals")       \
    X(FILES, "files", "files are put, given up, and expire; hosts sweep")      \
    X(WALL, "wall", "wall clocks are off, less than half of them by much")     \
    X(SITES, "sites", "hosts have sites, which a set's are drawn from in turn")

enum wr_fault {
#define X(name, text, help) WR_FAULT_##name,
    WR_FAULT_MAP(X)
#undef X
        WR_FAULT_N,
};

const char *wr_fault_name(enum wr_fault f);
const char *wr_fault_help(enum wr_fault f);

/* Things that happen. */
#define WR_ACT_MAP(X)                                                          \
    X(JOIN, "a new host joins")                                                \
    X(BACK, "a host comes back")                                               \
    X(CRASH, "a host crashes")                                                 \
    X(TWO, "two hosts crash")                                                  \
    X(ALL, "all hosts crash; most come back")                                  \
    X(STOP, "a host stops in good order")                                      \
    X(LEAVE, "a host leaves")                                                  \
    X(PAUSE, "a host is paused")                                               \
    X(JUMP, "a clock jumps")                                                   \
    X(LOSS, "loss changes")                                                    \
    X(CLOG, "a host's links are clogged")                                      \
    X(CUT, "some hosts are cut off")                                           \
    X(CUT_ONE, "one host is cut off")                                          \
    X(SLOW, "a disk is slow")                                                  \
    X(FULL, "a disk is full")                                                  \
    X(ROT, "a copy rots")                                                      \
    X(WIPE, "a host loses its data")                                           \
    X(LOOKUP, "every host looks a key up")                                     \
    X(PUT, "a leaf puts")                                                      \
    X(GET, "a leaf gets")                                                      \
    X(HAVE, "a leaf asks what stands")                                         \
    X(FILE, "a leaf puts a file")                                              \
    X(GIVE_UP, "a leaf gives a file up")                                       \
    X(WALL, "a wall clock goes wrong")

enum wr_act {
#define X(name, text) WR_ACT_##name,
    WR_ACT_MAP(X)
#undef X
        WR_ACT_N,
};

struct wr_plan_action {
    wr_time at;      /* Since the beginning. */
    wr_time for_us;  /* How long it lasts; how far a clock jumps. */
    uint64_t seed;   /* Of what it draws when it happens: of whom, of what. */
    uint32_t amount; /* Permille: of messages, of hosts. */
    uint8_t kind;    /* enum wr_act */
    bool one_way;    /* A cut; a wall clock goes back. */
    bool dropped;
};

enum { WR_PLAN_ACTIONS = 224, WR_PLAN_STORM = 160, WR_PLAN_HOSTS = 64 };

/* What is left out of what a seed draws. */
struct wr_narrow {
    uint32_t without;        /* Bits of enum wr_fault. */
    uint32_t hosts, members; /* 0: as drawn. */
    wr_time until;           /* The storm ends; 0: as drawn. */
    bool keeps;              /* Of actions only these: */
    bool keep[WR_PLAN_ACTIONS];
};

struct wr_plan {
    uint64_t seed;
    struct wr_narrow narrow;
    uint32_t faults;           /* Bits of those that are on. */
    struct wr_world_cfg world; /* Its network is the storm's. */
    uint32_t first;            /* Hosts of the first ring. */
    uint32_t out_permille;     /* Of hosts: CORE. */
    wr_time end;               /* Of the storm. */
    uint32_t actions_n;
    /* First the storm's and its requests, by time; then what happens to files
     * and to wall clocks, by time. */
    struct wr_plan_action actions[WR_PLAN_ACTIONS];
    uint32_t storm_n; /* Of the first kind. */
};

/* `narrow` may be NULL. More hosts or members than the ring can have, or
 * fewer than it needs, are brought within. */
void wr_plan_draw(struct wr_plan *p, uint64_t seed,
                  const struct wr_narrow *narrow);

static inline bool wr_plan_has(const struct wr_plan *p, enum wr_fault f)
{
    return (p->faults >> f & 1) != 0;
}

/* Hosts that must stay up, or the ring could not heal by itself (R1). */
uint32_t wr_plan_least(const struct wr_plan *p);

/* "loss,dup"; WR_EINVAL, and the word that is none. */
enum { WR_PLAN_WORD_MAX = 32 };
WR_MUST_USE enum wr_err wr_plan_without(struct wr_narrow *n, const char *text,
                                        char ret_word[WR_PLAN_WORD_MAX]);
/* "0,3-5" or "none"; WR_EINVAL. */
WR_MUST_USE enum wr_err wr_plan_keep(struct wr_narrow *n, const char *text);

/* The command that plays this plan. */
enum { WR_PLAN_COMMAND_MAX = 1024 };
void wr_plan_command(const struct wr_plan *p, char ret[WR_PLAN_COMMAND_MAX]);

/* Lines for people: ring, faults, actions. */
void wr_plan_print(const struct wr_plan *p, FILE *to);

#endif
