/*
 * resolve.h - from a CID and a path behind it to the block that they name:
 * each name is looked up in its directory, block by block.
 */
#ifndef WR_CLIENT_RESOLVE_H
#define WR_CLIENT_RESOLVE_H

#include "client/fetch.h"
#include "object/dirread.h"
#include "sys/why.h"

struct wr_resolve {
    struct wr_fetch fetch;
    struct wr_session *session;
    const char *path; /* Borrowed until done. */
    size_t at;
    struct wr_dir_find find;
    bool finding;
    uint64_t fetched; /* Bytes. */
    /* Once; perhaps from within the start. why->err is WR_OK with the block,
     * one reference, the callee's. */
    void (*done)(struct wr_resolve *r, const struct wr_why *why,
                 const struct wr_cid *cid, struct wr_buf *block);
    void *arg;
};

/* `r` is zeroed but for done and arg. */
void wr_resolve_start(struct wr_resolve *r, struct wr_session *session,
                      const struct wr_cid *cid, const char *path);
void wr_resolve_cancel(struct wr_resolve *r);

/* Words for an error of the tree below `cid`. */
enum wr_err wr_tree_why(enum wr_err err, const struct wr_cid *cid,
                        struct wr_why *why);

#endif
