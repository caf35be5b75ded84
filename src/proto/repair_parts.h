/*
 * repair_parts.h - what the files of the repair module share. For repair*.c
 * alone. As in reap.c, ids are of replica's table of walkers, each with its
 * slot, and are drawn anew for each question.
 */
#ifndef WR_PROTO_REPAIR_PARTS_H
#define WR_PROTO_REPAIR_PARTS_H

#include "proto/repair_set.h"
#include "proto/replica_op.h"

enum {
    SLOT_SYNC = WR_WALK_REPAIR,
    SLOT_JOB = SLOT_SYNC + WR_REPAIR_SYNCS,
    SLOT_SERVED = SLOT_JOB + WR_REPAIR_JOBS,
    SLOT_SCAN = SLOT_SERVED + WR_REPAIR_SERVED,
    SLOT_END,
};

/* For an answer of the store; it always answers. */
#define STORE_PATIENCE_US WR_SEC(60)

/* repair_sync.c */
/* Its arc and hosts are set, all else is zero. */
void repair_sync_begin(struct wr_core *c, struct wr_repair_sync *s);
void repair_sync_run(struct wr_core *c, struct wr_repair_sync *s);
void repair_synced(struct wr_core *c, struct wr_repair_sync *s,
                   const struct wr_msg *m);
void repair_sync_stored(struct wr_core *c, struct wr_repair_sync *s,
                        const struct wr_event *ev);
void repair_sync_tick(struct wr_core *c, struct wr_repair_sync *s);
/* Nobody is to have this but us. */
void repair_sync_spare(struct wr_repair_sync *s, const struct wr_id *key);

/* repair_job.c */
/* A free slot, NULL: none, or others come first. */
struct wr_job *repair_job_new(struct wr_core *c);
bool repair_job_room(const struct wr_core *c, unsigned n);
void repair_job_run(struct wr_core *c, struct wr_job *j);
void repair_job_recv(struct wr_core *c, struct wr_job *j,
                     const struct wr_msg *m);
void repair_job_stored(struct wr_core *c, struct wr_job *j,
                       const struct wr_event *ev);
void repair_job_tick(struct wr_core *c, struct wr_job *j);

/* repair_serve.c */
void repair_served(struct wr_core *c, struct wr_repair_served *v,
                   const struct wr_event *ev);

/* repair.c */
/* Whether we are to keep what ends at `to` (D23). */
bool repair_is_ours(const struct wr_core *c, const struct wr_id *to);
/* A sync is over. */
void repair_sync_ended(struct wr_core *c, struct wr_repair_sync *s);

#endif
