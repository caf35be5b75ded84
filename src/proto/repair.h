/*
 * repair.h - copies come back: a host compares what it keeps with the other
 * hosts that should keep the same, and mends the differences.
 *
 *   its own    The owner of a range reconciles it with each other host of the
 *              range's set, in both directions (D21, D22).
 *   misplaced  What a host keeps of ranges in whose sets it is not goes home to
 *              the set, and is dropped once that has stood for a while (D23).
 *
 * One mechanism serves both: a *sync* of an arc with one host (repair_sync.c),
 * which the other side answers from sums (repair_serve.c), and which makes
 * *jobs* of what differs (repair_job.c): give a chunk or record, or take it.
 * Rounds, one after another, decide what is synced (repair.c), by what the ring
 * looks like from here (repair_set.c). Root records go the way of chunks.
 *
 * A host that has been gone for less than cfg.gone_us counts as holding what it
 * held: nothing is copied because of a reboot. Hardly anything is because of
 * longer outages either: n - w hosts of a set are waited for until
 * cfg.gone_long_us is over, so that w copies, a majority, are on others (D22).
 *
 * A chunk of ours that is rotten is taken like one that is missing; sooner,
 * where it was noticed, by replica_mend.c.
 *
 * Bounded: so many syncs, jobs and answers at a time; a budget in bytes/s; a
 * sync that finds nothing to do, or whose jobs fail, or that takes long, ends.
 * What a peer says is checked, and never believed beyond "I have this": chunks
 * are verified.
 */
#ifndef WR_PROTO_REPAIR_H
#define WR_PROTO_REPAIR_H

#include "proto/core.h"

enum {
    WR_REPAIR_SYNCS = 4,     /* Under way at a time, */
    WR_REPAIR_JOBS = 16,     /* and what they found. */
    WR_REPAIR_SERVED = 16,   /* Questions of others under way, */
    WR_REPAIR_EACH = 4,      /* and of one of them. */
    WR_REPAIR_LEVELS = 24,   /* Splits of an arc: 96 bits of digests alike. */
    WR_REPAIR_PAGE = 32,     /* Items of our own at a time. */
    WR_REPAIR_REFS = 16,     /* Put ids of one chunk at a time. */
    WR_REPAIR_HOMES = 64,    /* Misplaced arcs that wait to be dropped. */
    WR_REPAIR_TRIES = 3,     /* Sends of a question before silence counts. */
    WR_REPAIR_BUSY = 50,     /* BUSY answers before that does. */
    WR_REPAIR_BARREN = 4096, /* Answers without a difference, of one sync, */
    WR_REPAIR_FAILS = 64,    /* and failed jobs, before it ends. */
    WR_REPAIR_GONE = 64,     /* Hosts that were gone before we started; any
                                other is waited for anew. */

    WR_SYNC_FEW = 32,   /* So many items are listed rather than split, */
    WR_SYNC_ITEMS = 85, /* or so many for who has none: WR_SYNC_BYTES. */
    WR_SYNC_REFS = 128,
    WR_SYNC_ITEM = 48, /* Bytes: id, print. */
};

/* A misplaced copy is kept for so long after the set was seen to have it: more
 * than a reader's time, who may have asked the set before (decision 0020). */
#define WR_REPAIR_LINGER_US WR_SEC(60)
/* So long may a sync ask on, and what one chunk of it takes go on: whoever
 * always has more to say would hold up all rounds. What is left over comes with
 * the next one. */
#define WR_REPAIR_LONG_US WR_SEC(600)
/* After a round that mended something the next comes soon, to see. */
#define WR_REPAIR_SOON_US WR_SEC(10)

enum wr_job_step {
    WR_JOB_FREE,
    WR_JOB_REFS, /* Who refers to it: asks our store, or the other's. */
    WR_JOB_WANT, /* Are these puts over? */
    WR_JOB_BODY, /* The chunk or record is read ... */
    WR_JOB_KEEP, /* ... and written where it lacks. */
    WR_JOB_REF,  /* A put id is added there. */
};

struct wr_job {
    uint64_t id; /* Of what it waits for; 0: it can go on. */
    wr_time until;
    wr_time over;    /* It takes nothing any more. */
    wr_time pending; /* WANT: since when a verdict is waited for. */
    struct wr_id key;
    wr_host host;
    uint32_t len;  /* Of the chunk, as far as known. */
    uint32_t skip; /* Put ids done before this page. */
    uint8_t step;
    uint8_t sync; /* Whose: an index. */
    uint8_t tries, busy;
    uint8_t refs_n, refs_i;
    bool take;    /* From the host; else give to it. */
    bool roots;   /* A record; else a chunk. */
    bool lacking; /* It is not there; else only put ids. */
    bool alone;   /* Nor was it given so far: only we have it. */
    bool more;    /* Put ids follow this page. */
    struct wr_put_id refs[WR_REPAIR_REFS];
};

struct wr_sync_level {
    struct wr_id from, to;
    uint16_t mask; /* Parts that differ and have not been looked at. */
};

struct wr_sync_item {
    struct wr_id key;
    uint8_t print[WR_PRINT];
};

enum wr_sync_phase {
    WR_SYNC_FREE,
    WR_SYNC_SUM,   /* Our store sums up the arc. */
    WR_SYNC_ASK,   /* The host is asked. */
    WR_SYNC_MERGE, /* Its items against ours, page by page. */
    WR_SYNC_WAIT,  /* For the last jobs. */
    WR_SYNC_LIST,  /* Misplaced, and safe elsewhere: a page is listed, */
    WR_SYNC_DROP,  /* and, when the set has said so once more, dropped. */
};

struct wr_repair_sync {
    uint64_t id; /* Of what it waits for; 0: it can go on. */
    wr_time until;
    wr_time over; /* It asks nothing any more. */
    uint8_t phase, tries, busy;
    bool home;  /* Give only: we are not of the set. */
    bool roots; /* Now the records. */
    bool failed;
    bool passed_over; /* A host of the set leaves. */
    bool unclean;     /* The host lacked something. */
    struct wr_id arc_from, arc_to;
    wr_host hosts[WR_COPIES_MAX]; /* To sync with, one after another. */
    uint8_t hosts_n, hosts_i;
    uint32_t jobs, fails, barren;
    uint32_t drops;              /* That the store has yet to answer. */
    uint8_t prints[2][WR_PRINT]; /* Ours, when it began: chunks, records. */
    bool printed[2];

    struct wr_id from, to; /* Looked at now. */
    struct wr_sync_level levels[WR_REPAIR_LEVELS];
    uint8_t levels_n;
    struct wr_sum sums[16]; /* Ours, of its parts, */
    uint64_t count;         /* and of all of it. */
    uint8_t print[WR_PRINT];
    struct wr_sync_item theirs[WR_SYNC_ITEMS];
    uint8_t theirs_n, theirs_i;
    struct wr_kept own[WR_REPAIR_PAGE];
    uint8_t own_n, own_i;
    bool own_end;
    struct wr_id cursor;

    bool leaving;            /* Of the arc after `begin` up to `end` */
    struct wr_id begin, end; /* we let go, page by page: each is synced */
    struct wr_kept page[WR_REPAIR_PAGE]; /* once more, and what was listed */
    uint8_t page_n;                      /* before that goes. */
    bool page_stays[WR_REPAIR_PAGE];     /* Our sweep sees to it. */
    bool page_roots, page_end;
};

struct wr_repair_served {
    uint64_t id; /* 0: free. */
    uint64_t back;
    wr_time born;
    wr_host asker;
    struct wr_id from, to;
    uint64_t count;
    uint8_t print[WR_PRINT];
    bool roots, refs;
    bool long_list; /* It did not fit: the arc's parts, however few. */
};

/* A misplaced arc that its set was seen to have, and as what. */
struct wr_repair_home {
    wr_time since; /* WR_NEVER: free. */
    struct wr_id to;
    uint64_t set;
    uint8_t prints[2][WR_PRINT];
};

/* It had been gone for `us` when we were here last. */
struct wr_repair_gone {
    wr_time since; /* Not heard since then: it still is. */
    wr_time us;
    wr_host host;
};

enum wr_repair_stage {
    WR_REPAIR_REST,
    WR_REPAIR_OWN,     /* Which copy, of which member, comes next. */
    WR_REPAIR_FOREIGN, /* How far the search for misplaced ones is. */
};

/* Of a round, for people. */
struct wr_repair_tally {
    uint64_t gave, took, dropped; /* Chunks and records; */
    uint64_t bytes;               /* of chunks. */
    uint32_t failed;              /* Jobs and syncs that did not work. */
    uint32_t absent;  /* Copies on hosts that may come back, or leave. */
    uint32_t waiting; /* Misplaced arcs, not yet dropped. */
};

struct wr_repair {
    struct wr_repair_sync syncs[WR_REPAIR_SYNCS];
    struct wr_job jobs[WR_REPAIR_JOBS];
    struct wr_repair_served served[WR_REPAIR_SERVED];
    struct wr_repair_home homes[WR_REPAIR_HOMES];
    struct wr_repair_gone gone[WR_REPAIR_GONE];
    uint32_t gone_n;
    wr_time due;      /* Of the next round. */
    wr_time look_at;  /* Whether the ring has changed. */
    wr_time lost_at;  /* Who was absent in this round counts no more: first. */
    wr_time spend_at; /* The budget allows nothing before. */
    uint64_t ring;    /* What it looked like. */
    uint8_t stage;
    bool complete;        /* As this round began, we knew every member. */
    uint8_t copy, member; /* OWN: next. */
    bool within;          /* It is amid that range, at `at`. */
    struct wr_id at;      /* FOREIGN: searched up to here; */
    struct wr_id begin;   /* it began there. */
    bool turned;          /* It has come round. */
    uint64_t scan_id;     /* The store is asked for the next; 0: not. */
    wr_time scan_until;
    struct wr_id scan_to;
    bool scan_roots, scan_found;
    struct wr_id scan_key;

    uint64_t rounds;                /* Completed. */
    uint64_t round_ring, last_ring; /* What they began with: repair_ring(). */
    wr_time begun, ended;
    struct wr_repair_tally now, last, all; /* This round, the last, ever. */
};

void wr_repair_init(struct wr_core *c);

/* When we were here last, `host` had not been heard for `us`. If it has not
 * come back meanwhile, that counts as patience, lest it never end where hosts
 * restart more often. */
void wr_repair_was_gone(struct wr_core *c, wr_host host, wr_time us);

/* SYNC, from a host. */
void wr_repair_ask(struct wr_core *c, wr_host from, const struct wr_msg *m);
/* An answer, or what our store says, if it is to us; false if it is not. */
bool wr_repair_recv(struct wr_core *c, wr_host from, const struct wr_msg *m);
bool wr_repair_stored(struct wr_core *c, const struct wr_event *ev);

/* Somebody counts on what we keep of `key` from now on, also where that was
 * there before: it does not go for what the set has said until now. */
void wr_repair_counted(struct wr_core *c, const struct wr_id *key);

/* A round is over since the ring around us changed. */
bool wr_repair_compared(const struct wr_core *c);
/* The whole of it found nothing to do, and everybody there. */
bool wr_repair_stands(const struct wr_core *c);

void wr_repair_tick(struct wr_core *c);
wr_time wr_repair_deadline(const struct wr_core *c);

#endif
