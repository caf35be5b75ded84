/*
 * get_parts.h - what the sources of a get share:
 *
 *     get.c        the whole: start and end, the root, the sink
 *     get_jobs.c   files, directories and links under way, and their blocks
 *
 * A *job* is a file, directory or link under way, from the moment its root is
 * asked for. Directories that are open lie on a stack and give out entries, a
 * job each, while the window has room; so what is asked for is bounded, and
 * what is not yet asked for takes no memory. Blocks of directories are copied
 * out of the pool: chunks alone live there, and they always move on.
 */
#ifndef WR_CLIENT_GET_PARTS_H
#define WR_CLIENT_GET_PARTS_H

#include "client/get.h"
#include "client/resolve.h"
#include "object/walk.h"

enum {
    WR_GET_JOBS_MAX = 256,    /* Files and directories under way. */
    WR_GET_FETCHES_MAX = 512, /* Blocks asked for or held. */
    WR_GET_FILE_SLOTS = 128,  /* Of one file. */
    WR_GET_GUESS_BYTES = 256
                         << 10, /* What a block of unknown size may weigh. */
    WR_GET_NO_SLOT = 1 << 30,   /* A fetch of a job's root. */
};

struct wr_get_fetch {
    struct wr_fetch f;
    struct wr_get *get;
    struct wr_get_job *job;
    struct wr_get_fetch *next; /* Free. */
    uint32_t slot;  /* Of the job's walk; WR_GET_NO_SLOT: its root. */
    uint32_t bytes; /* Its weight in the window: what its buffer takes. */
    uint64_t offset, size;
    struct wr_buf *buf;   /* Held for a piece of the walk. */
    bool there;           /* Its bytes are in place already. */
    struct wr_sink_op op; /* WRITE or CHECK. */
};

/* A block of a directory that came before its turn. */
struct wr_get_shard {
    struct wr_get_shard *next;
    struct wr_cid cid;
    size_t n;
    uint8_t bytes[];
};

struct wr_get_job {
    struct wr_get_job *prev, *next; /* Of the get: jobs, or open directories. */
    enum {
        WR_GET_JOB_ROOT,
        WR_GET_JOB_FILE,
        WR_GET_JOB_DIR,
        WR_GET_JOB_LINK
    } kind;
    struct wr_cid cid;
    uint64_t tsize;
    unsigned depth;
    struct wr_sink_file file; /* Where it goes; name NULL: the target. */
    uint32_t fetches;         /* Of ours, asked for, held or being written. */

    struct wr_walk *walk; /* FILE */
    bool hungry;          /* The walk may want more. */
    bool ended;           /* Its last operation is queued. */
    struct wr_get_fetch *slot[WR_GET_FILE_SLOTS];

    struct wr_sink_dir *dir; /* DIR */
    struct wr_dir_walk entries;
    struct wr_get_shard *open,
        *shards; /* The block that is read; those to come. */
    uint32_t shards_asked;

    struct wr_sink_op op; /* DIR, LINK, or the end of an empty file. */
    bool op_busy;
};

struct wr_get {
    struct wr_get_cfg cfg;
    struct wr_sink *sink;
    struct wr_get_result result;
    struct wr_why why;
    bool failed;
    char *path; /* Below the CID; "" if none. */

    struct wr_get_fetch *fetches, *free, *unsent; /* unsent: no room yet. */
    uint32_t fetches_n;
    uint64_t ahead;                     /* Weight of those that are not free. */
    struct wr_get_job *jobs, *jobs_end; /* In the order of their start. */
    struct wr_get_job *dirs;            /* Open directories, innermost first. */
    uint32_t jobs_n, dirs_n;
    size_t dirs_bytes;

    struct wr_resolve resolve; /* Of the root, along the path. */

    uv_work_t work;
    struct wr_sink_op *queue, **queue_end, *running;
    enum wr_get_step {
        WR_GET_STEP_OPEN,
        WR_GET_STEP_BEGIN,
        WR_GET_STEP_RUN,
        WR_GET_STEP_FINISH
    } step;
    bool working, begun, opened, finished;
    bool begin_tree;
    uint64_t begin_size;
    enum wr_err work_err;
    struct wr_why work_why;
    struct wr_buf *root_block; /* Until the sink has begun. */
    uint64_t done, total;
};

/* get.c */
void wr_get_fail(struct wr_get *g, const struct wr_why *why); /* The first. */
void wr_get_fail_with(struct wr_get *g, enum wr_err err,
                      const struct wr_cid *cid);
/* For the sink, behind what waits for it. */
void wr_get_enqueue(struct wr_get *g, struct wr_sink_op *op);
void wr_get_advance(struct wr_get *g); /* Starts what is due, or ends. */

/* get_jobs.c */
struct wr_get_job *wr_get_job_new(struct wr_get *g, const struct wr_cid *cid);
void wr_get_job_free(struct wr_get *g, struct wr_get_job *j);
/* A free fetch, its weight added to the window. */
struct wr_get_fetch *wr_get_fetch_take(struct wr_get *g, struct wr_get_job *j,
                                       uint32_t slot, uint32_t bytes);
void wr_get_fetch_end(struct wr_get_fetch *f);
bool wr_get_window_open(const struct wr_get *g);
void wr_get_ask(struct wr_get_fetch *f, const struct wr_cid *cid);
void wr_get_ask_unsent(struct wr_get *g); /* There is room again. */
/* Its block, verified; one reference, the callee's. */
void wr_get_block_came(struct wr_get_fetch *f, struct wr_buf *buf);
void wr_get_feed_file(struct wr_get *g, struct wr_get_job *j);
/* Starts one entry of the open directories, innermost first. False: none. */
bool wr_get_next_entry(struct wr_get *g);

#endif
