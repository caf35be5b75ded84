/*
 * proof.h - the rule by which a put is over (D17 of docs/protocol.md): what a
 * root record says, and how many hosts must have said it. Pure.
 *
 * It is apart, as rules.h is, because a checker has to be seen to fail: a test
 * links a rule that believes too early in its place (sim/proof_rash.c).
 */
#ifndef WR_PROTO_PROOF_H
#define WR_PROTO_PROOF_H

#include "base/span.h"
#include "proto/core.h"

/* How much a record proves by itself. */
enum wr_weight {
    WR_WEIGHT_LIVE,  /* The put goes on, as far as this record knows. */
    WR_WEIGHT_FINAL, /* It is over; no later record can say otherwise. */
    WR_WEIGHT_STALE, /* It is over, unless a newer record says otherwise. */
};

/* What was read. */
struct wr_proof {
    struct wr_span record; /* The highest version; empty: none was seen. */
    uint32_t hosts;        /* That have one, of whatever version. */
    uint32_t copies;       /* n, as far as hosts are admitted, */
    uint32_t durable;      /* and its w. */
    bool all;              /* Every admitted host said what it has. */
};

/* Of a sound record, at `now_s` (0: unknown), by a clock that may be wrong by
 * `slack_s`. */
enum wr_weight wr_proof_weigh(struct wr_span record, uint64_t now_s,
                              uint32_t slack_s);

/* So many have the record that a newer one that was acknowledged would be among
 * theirs; two at least. */
bool wr_proof_suffices(const struct wr_proof *p);

/* The put is over. */
bool wr_proof_is_over(const struct wr_proof *p, enum wr_weight weight);

#endif
