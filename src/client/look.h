/*
 * look.h - looking without getting: the entries of a directory, or what a CID
 * is: its kind, size, chunks, and where its root block lies.
 *
 * Called by client.c on the loop.
 */
#ifndef WR_CLIENT_LOOK_H
#define WR_CLIENT_LOOK_H

#include "client/resolve.h"
#include "object/unixfs.h"

enum { WR_LOOK_HOSTS = 16, WR_LOOK_ENTRIES_MAX = 1 << 20 };

struct wr_look_entry {
    char *name;
    struct wr_cid cid;
    bool known; /* kind is. */
    enum wr_node_kind kind;
    uint64_t size;
    uint32_t mode;
};

struct wr_look_result {
    struct wr_cid cid;
    enum wr_node_kind kind;
    uint64_t size;
    uint32_t mode;
    char target[4096]; /* Of a link. */
    /* A list: sorted by name; freed when done() returns. */
    struct wr_look_entry *entries;
    size_t entries_n;
    /* A description. */
    uint64_t chunks, blocks;
    uint32_t copies, hosts_n;
    char hosts[WR_LOOK_HOSTS][128];
};

struct wr_look_cfg {
    struct wr_session *session;
    struct wr_cid cid;
    const char *path; /* Copied. */
    bool list;        /* The entries; else the description. */
    void *arg;
    void (*done)(void *arg, const struct wr_why *why,
                 const struct wr_look_result *result);
};

struct wr_look;

/* done() may come from within. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_look_start(struct wr_look **ret,
                                      const struct wr_look_cfg *cfg);
void wr_look_cancel(struct wr_look *l);

#endif
