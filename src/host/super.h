/*
 * super.h - the super-peer's run-time: one loop that owns network and
 * protocol, the store's threads behind it, and the glue in between. It makes
 * events for the node, performs its effects, and answers what is the host's to
 * answer (admission, status).
 */
#ifndef WR_HOST_SUPER_H
#define WR_HOST_SUPER_H

#include "client/home.h"
#include "host/config.h"
#include "sys/why.h"

/* Why it does not start again. */
#define WR_SUPER_LEFT_TEXT                                                     \
    "this host has left its ring for good; to take part again, join with a "   \
    "new ticket in another directory"

struct wr_super_cfg {
    const struct wr_home *home;
    const struct wr_config *config;
    /* The store is open and the listener bound: `address` is what others may
     * dial. */
    void (*ready)(void *arg, const char *address);
    void *arg;
};

/* Runs until SIGTERM or SIGINT, or until this host has left for good. Blocks.
 * The errors of wr_store_open_lmdb() and wr_hub_open(), and WR_EREFUSED for a
 * host that has left or is revoked; `why` says it. */
WR_MUST_USE enum wr_err wr_super_run(const struct wr_super_cfg *cfg,
                                     struct wr_why *why);

#endif
