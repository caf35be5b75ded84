/*
 * work.h - what the leaves of a simulated world do: they wake and sleep, find a
 * parent and another when that one is gone, move between networks, put files
 * and get them. Whom to dial is proto/leaf.h's to say, and what to send when
 * proto/xfer.h's; this is the driver around the two, as src/client is.
 *
 * A file is its number: its size, and the keys of its chunks and tree nodes,
 * follow from that and the seed, so that nothing is kept of its bytes. Where
 * messages go through the codec, bytes do, too: they are made for each link,
 * and keys are their hashes (work_bytes.c). A put is the daemon's
 * (docs/protocol.md, D16): a root record, HAVE and PUT for each block, the
 * record again; a get reads nodes, then chunks, a window ahead.
 *
 * All that was acknowledged is counted from above, by walking all disks
 * (work_census.c).
 */
#ifndef WR_SIM_WORK_H
#define WR_SIM_WORK_H

#include "churn.h"
#include "meter.h"
#include "proto/leaf.h"
#include "proto/xfer.h"
#include "world.h"

enum {
    WR_WORK_CHUNK = 256 << 10, /* Bytes of a chunk: FastCDC's average. */
    WR_WORK_REQUESTS = 64,     /* Of one leaf at once: its window is bytes. */
    WR_WORK_UP = 8 << 20,      /* Bytes read and not yet acknowledged, and */
    WR_WORK_DOWN = 4 << 20,    /* asked for and not yet there: client/. */
    WR_WORK_PATIENCE_S = 30,   /* Standstill that ends a request: client/. */
    WR_WORK_COPIES_SHOWN = 16, /* And more. */
};

struct wr_work_cfg {
    uint64_t seed;
    uint32_t leaves;           /* There from the start, */
    uint32_t more;             /* and those that only a flash brings. */
    uint32_t contacts;         /* Hosts that a ticket names; at least one. */
    struct wr_churn_cfg lives; /* When they are awake. */
    wr_time move_us;           /* Means between two, each exponential; */
    wr_time put_us, get_us;    /* WR_NEVER: none. */
    struct wr_dist sizes;      /* Of files: bytes; NEVER: all are its scale. */
    uint64_t up_bps, down_bps; /* Of each leaf's line; 0: as hosts'. */
    uint32_t repeat_ppm;       /* Puts of what was put before. */
    double zipf_s; /* Popularity of files, the oldest first; 0: all alike. */
};

enum { WR_WORK_PUT, WR_WORK_GET }; /* Indices of jobs and tallies. */

/* ---- leaves -------------------------------------------------------------- */

struct wr_work_job;

struct wr_work_leaf {
    struct wr_leaf core;
    struct wr_xfer *xfer; /* While there is a job, */
    bool dirty;           /* or answers that nobody waits for may come. */
    struct wr_work_job *jobs[2]; /* A put and a get. */
    bool due[2];                 /* The next one waits for this one. */
    bool there;                  /* At the start, or since a flash. */
    bool awake, attached;
    bool planned;    /* When it goes to sleep. */
    uint32_t life;   /* Wakings and sleeps so far. */
    wr_time tick_at; /* The tick that is queued. */
    wr_time since;   /* Awake, and without parent. */
    bool orphan;     /* It had one before. */
};

/* ---- files --------------------------------------------------------------- */

struct wr_work_file {
    uint64_t bytes;
    uint32_t chunks, nodes;
    bool kept;           /* A put of it was acknowledged. */
    struct wr_id *names; /* Of its blocks, if they have bytes. */
};

struct wr_work_name;

struct wr_work_names {
    struct wr_work_name *v;
    uint32_t n, cap;
};

enum wr_work_phase { WR_WORK_OPENING, WR_WORK_MOVING, WR_WORK_KEEPING };

struct wr_work_job {
    uint64_t number; /* Of the put: its id follows from that. */
    uint32_t serial;
    uint32_t file;
    enum wr_work_phase phase;
    bool counted;        /* Begun after warm-up. */
    uint32_t next, done; /* Blocks. */
    uint64_t flying;     /* Bytes. */
    wr_time began;
};

struct wr_work_tally {
    uint64_t begun, done, failed;
    uint64_t cut; /* By the leaf's own going. */
    uint64_t bytes, us;
    struct wr_hist latency;
};

/* ---- what was acknowledged ----------------------------------------------- */

struct wr_work_entry {
    uint64_t key;     /* The first eight bytes; 0: a free slot. */
    uint8_t promised; /* Copies, when it was acknowledged. */
    uint8_t most;     /* That ever stood at once. */
    uint8_t wiped;    /* Copies that went with their disk. */
    uint8_t disks;    /* Copies now, */
    uint8_t live;     /* and those at hosts that are up. */
    bool lost;
};

struct wr_work_census {
    struct wr_work_entry *v; /* Open addressing. */
    uint32_t n, cap;
    uint64_t lost;        /* Though fewer disks were lost than it has copies. */
    uint64_t lost_beyond; /* As many as it has copies. */
    uint64_t hist[WR_WORK_COPIES_SHOWN + 1]; /* By `live`, */
    uint64_t sum;                            /* which are so many in all. */
};

struct wr_work {
    struct wr_world *w;
    struct wr_work_cfg cfg;
    struct wr_rng rng, content;
    struct wr_churn lives;
    struct wr_work_leaf *leaves; /* cfg.leaves + cfg.more. */
    struct wr_outbox out;
    struct wr_work_answer *answers; /* Of a step. */
    uint32_t there_n, awake_n, attached_n;

    struct wr_work_file *files;
    uint32_t files_n, files_cap;
    uint32_t *kept; /* Those to be got, the oldest first. */
    uint32_t kept_n, kept_cap;
    struct wr_work_names names;
    uint64_t puts_n;
    uint32_t serial;
    struct wr_work_census census;
    uint64_t wiped_bytes; /* Of chunks, on disks that were lost: what repair
                             that knew the future would move. */

    /* Since wr_work_mark(). */
    wr_time begin; /* WR_NEVER: it has not begun. */
    struct wr_work_tally jobs[2];
    struct wr_work_tally row[2];           /* Since the last row of a series. */
    uint64_t blocks, repeated, sent_bytes; /* Of puts; bytes of PUTs. */
    uint64_t wrong;                        /* Other bytes than were put, */
    uint64_t denied; /* "no" for what a host that was up had. */
    uint64_t bad;    /* Bodies that did not verify. */
    uint64_t failovers;
    struct wr_hist attaching, orphaned;
    uint64_t awake_us, attached_us; /* Leaves times time, */
    wr_time seen_at;                /* up to here. */
    struct wr_uplinks before;       /* Counts then. */
};

/* Once the ring stands. `w` and `k` stay where they are: the world's leaves are
 * `k`'s, and its alarms with WR_WORK_COOKIE go to wr_work_alarm(). WR_ENOMEM.
 */
WR_MUST_USE enum wr_err wr_work_init(struct wr_work *k, struct wr_world *w,
                                     const struct wr_work_cfg *cfg);
void wr_work_done(struct wr_work *k);

#define WR_WORK_COOKIE (UINT64_C(1) << 63)
void wr_work_alarm(struct wr_work *k, uint64_t cookie);

void wr_work_mark(struct wr_work *k); /* Measuring begins. */
void wr_work_sum(struct wr_work *k);  /* Brings the sums up to now. */

/* A leaf comes, or goes; nothing if it is that way already. */
void wr_work_wake(struct wr_work *k, uint32_t leaf);
void wr_work_sleep(struct wr_work *k, uint32_t leaf);

/* The same for coming, in `us` and a moment. */
void wr_work_wake_soon(struct wr_work *k, uint32_t leaf, wr_time us);

/* At once, whether or not it was due; nothing if the leaf is asleep. */
void wr_work_put(struct wr_work *k, uint32_t leaf);
void wr_work_get(struct wr_work *k, uint32_t leaf, uint32_t file);

/* The disk of `h` is about to be lost. */
void wr_work_wiped(struct wr_work *k, wr_host h);
/* Counts the copies of all that was acknowledged. */
void wr_work_count(struct wr_work *k);

#endif
