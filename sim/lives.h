/*
 * lives.h - how long hosts and leaves stay and are away: the keys of a
 * scenario's [churn] and [leaves] as what churn.h takes.
 */
#ifndef WR_SIM_LIVES_H
#define WR_SIM_LIVES_H

#include "churn.h"
#include "scenario.h"

/* WR_EINVAL says which keys do not go together, or the nearest preset. The
 * trace, if there is one, is the caller's to read. */
WR_MUST_USE enum wr_err wr_lives_hosts(const struct wr_scenario *s,
                                       struct wr_churn_cfg *ret,
                                       struct wr_why *why);
WR_MUST_USE enum wr_err wr_lives_leaves(const struct wr_scenario *s,
                                        struct wr_churn_cfg *ret,
                                        struct wr_why *why);

#endif
