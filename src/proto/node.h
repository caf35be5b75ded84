/*
 * node.h - one super-peer: the single funnel through which events reach the
 * modules of the protocol, and the one deadline that they have together.
 *
 *     event ──▶ node ──▶ peers · ring · boot · place · roster
 *                        routes · lookup · replica            ──▶ outbox
 *
 * A recorded stream of events replays a node bit for bit. Not thread-safe; one
 * driver owns it. Memory is taken in wr_node_open() alone, sized by the
 * configuration.
 */
#ifndef WR_PROTO_NODE_H
#define WR_PROTO_NODE_H

#include "proto/verdict.h"

enum { WR_START_MAX = 256 }; /* Members that start as one ring. */

struct wr_node;

/* A configuration with the documented defaults for `self`. */
struct wr_node_cfg wr_node_cfg_default(wr_host self, uint8_t members);

/* `book` outlives the node. Knows nobody yet; begin with one of the next two.
 * WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_node_open(struct wr_node **ret,
                                     const struct wr_node_cfg *cfg,
                                     struct wr_book *book);
void wr_node_close(struct wr_node *n);

/* R1: our members start as an ideal ring. */
void wr_node_start_ring(struct wr_node *n, wr_time now, struct wr_outbox *out);

/* R1 for rings of few members per host: the members of all `hosts`, ours among
 * them, start as one ideal ring; every host gets the same list. At least r+1
 * members. */
void wr_node_start_with(struct wr_node *n, const wr_host *hosts, size_t hosts_n,
                        wr_time now, struct wr_outbox *out);

/* R1 for rings too large to list: where our members are in the ideal ring that
 * starts now, by index. Member i follows preds[i] and precedes the r members
 * from succs[i * r] on. `fingers` are members worth knowing from the start.
 * First rounds are spread over a whole interval: a large ring starts as if it
 * had run for a while. */
struct wr_node_place {
    const wr_ref *preds, *succs, *fingers;
    size_t fingers_n;
};
void wr_node_start_at(struct wr_node *n, const struct wr_node_place *place,
                      wr_time now, struct wr_outbox *out);

/* R2, R10: our members join through `known` hosts (tickets' addresses, the
 * persisted roster); alone after cfg.rejoin_us if `may_start`. */
void wr_node_join(struct wr_node *n, const wr_host *known, size_t known_n,
                  bool may_start, wr_time now, struct wr_outbox *out);

void wr_node_step(struct wr_node *n, const struct wr_event *ev, wr_time now,
                  struct wr_outbox *out);

/* Call at wr_node_deadline() or any time after it; early calls do nothing. */
void wr_node_tick(struct wr_node *n, wr_time now, struct wr_outbox *out);
/* Whether a put is over, as wr_verdict_of() (verdict.h). */
enum wr_verdict wr_node_judge(struct wr_node *n, const struct wr_put_id *put,
                              wr_time now, struct wr_outbox *out);

wr_time wr_node_deadline(const struct wr_node *n); /* WR_NEVER if none. */

/* Ours now: to be persisted, and passed to PING, HELLO and the next start
 * (which begins with a higher one). R12 raises it. */
uint32_t wr_node_incarnation(const struct wr_node *n);

/* Bytes of memory this node takes, tables included. */
size_t wr_node_size(const struct wr_node *n);

#endif
