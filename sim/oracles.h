/*
 * oracles.h - what theory, and measurements of others, say that a ring does,
 * against what the simulator says that ours does.
 */
#ifndef WR_SIM_ORACLES_H
#define WR_SIM_ORACLES_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "sys/why.h"

/* Prints a line of TAP for each figure. `full`: at the size that the source
 * has, an hour or so; else small. All, or those of `names`. *ret_ok: every
 * figure is as it should be. WR_EINVAL: an unknown name; WR_ECANCELED: *stop
 * was set. */
WR_MUST_USE enum wr_err wr_oracles(bool full, char **names, size_t n,
                                   const volatile sig_atomic_t *stop,
                                   bool *ret_ok, struct wr_why *why);

#endif
