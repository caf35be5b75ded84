/*
 * verdict.h - whether a put is over: the one place that decides that a
 * reference may be dropped (D17 of docs/protocol.md).
 *
 * A put is *gone* on positive proof alone: its root record, read from enough of
 * its hosts, is its owner's last word and says so. A record that is given up,
 * or kept with an end that has passed, is such a word. An open one that has
 * expired is not, for a kept one may stand where we did not ask: it takes the
 * answer of every admitted host. Absence, silence and an unknown clock prove
 * nothing. Once gone a put stays gone.
 *
 * Asked by the sweep (reap.h), and by whoever is about to take a reference over
 * from another host. The reading is replica's (wr_replica_prove). Bounded: a
 * cache that forgets, few questions at once, a pause between two.
 */
#ifndef WR_PROTO_VERDICT_H
#define WR_PROTO_VERDICT_H

#include "proto/proof.h"

enum {
    WR_VERDICTS_OPEN = 4,      /* Questions at once. */
    WR_VERDICTS_PAUSE_MS = 20, /* Between the beginnings of two. */
};

/* What was heard that is not final is asked again after this. */
#define WR_VERDICT_FRESH_US WR_SEC(600)

enum wr_verdict {
    WR_VERDICT_PENDING, /* Being asked, or will be: come again. */
    WR_VERDICT_LIVE,
    WR_VERDICT_GONE,
    WR_VERDICT_UNKNOWN, /* Not enough was heard. Nothing may be dropped. */
};

struct wr_verdict_entry {
    struct wr_put_id put;
    uint8_t verdict; /* PENDING: the entry is free. */
    wr_time at;
};

struct wr_verdict_question {
    bool open;
    struct wr_put_id put;
};

struct wr_verdicts {
    struct wr_verdict_entry *v; /* A put id has two places. */
    uint32_t cap;               /* A power of two. */
    struct wr_verdict_question open[WR_VERDICTS_OPEN];
    wr_time next_at; /* No question before. */
    uint64_t asked, gone, unknown;
};

/* Room for cfg->verdicts_max. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_verdicts_init(struct wr_verdicts *v,
                                         const struct wr_node_cfg *cfg);
void wr_verdicts_done(struct wr_verdicts *v);
size_t wr_verdicts_size(const struct wr_verdicts *v);

/* What is known of the put; if nothing, asks. Never waits: while it says
 * PENDING ask again after each step, and after WR_VERDICTS_PAUSE_MS. A node
 * that does not sweep knows of none: UNKNOWN. */
enum wr_verdict wr_verdict_of(struct wr_core *c, const struct wr_put_id *put);

/* Of a sound record, by our clock. */
enum wr_weight wr_verdict_weigh(const struct wr_core *c, struct wr_span record);

/* Whether a record's put has been over for so long (cfg.forget_s) that nobody
 * keeps it any more: who was away for longer starts as empty. */
bool wr_verdict_forgets(const struct wr_core *c, struct wr_span record);

#endif
