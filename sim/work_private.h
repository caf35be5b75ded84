/* work_private.h - what the work*.c share. */
#ifndef WR_SIM_WORK_PRIVATE_H
#define WR_SIM_WORK_PRIVATE_H

#include "work.h"

/* How a request ended. */
struct wr_work_answer {
    wr_token token;
    uint8_t status, kind, copies; /* kind: of the answer. */
    uint32_t len;
    struct wr_id digest;
};

/* work.c: performs what the cores of leaf `i` want. */
void work_settle(struct wr_work *k, uint32_t i);

/* work_file.c */
void work_job_due(struct wr_work *k, uint32_t i, unsigned what);
void work_answer(struct wr_work *k, uint32_t i, const struct wr_work_answer *d);
void work_cut(struct wr_work *k, uint32_t i); /* All its jobs. */
void work_files_done(struct wr_work *k);

/* work_bytes.c: only if messages go through the codec. */
void work_bytes_init(struct wr_work *k);
void work_bytes_done(struct wr_work *k);
/* The name of the `n` bytes that follow from `seed`, which is not 0. */
struct wr_id work_name(struct wr_work *k, uint64_t seed, uint32_t n);

/* work_census.c: acknowledged, with so many copies. */
void work_acked(struct wr_work *k, const struct wr_id *key, uint8_t copies);
bool work_is_acked(const struct wr_work *k, const struct wr_id *key);
bool work_somebody_has(const struct wr_work *k, const struct wr_id *key);

#endif
