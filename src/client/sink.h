/*
 * sink.h - where what is got goes: a file, a directory tree, a descriptor or
 * memory. One worker job at a time runs a list of operations in their order,
 * many small files in one go.
 *
 * A file or tree grows under a temporary name in the target's directory,
 * `.NAME.CID….wreath-part`, and gets its name in one rename, durably. Nothing
 * is ever written outside of it: names were checked by object/dirread, each
 * directory is opened from its parent without following links, and what exists
 * is not replaced unless the user says so. What an earlier try left under the
 * temporary name is taken up again, after its bytes were hashed.
 *
 * Called by get.c; what touches files, in workers.
 */
#ifndef WR_CLIENT_SINK_H
#define WR_CLIENT_SINK_H

#include "object/cid.h"
#include "sys/buf.h"
#include "sys/why.h"

enum wr_sink_kind {
    WR_SINK_PATH,
    WR_SINK_FD,
    WR_SINK_MEMORY, /* Grows in malloc'd memory. */
};

struct wr_sink_cfg {
    enum wr_sink_kind kind;
    const char *path; /* PATH; copied. */
    bool force;       /* Replace what is there. */
    int fd;           /* FD: stays the caller's. */
    size_t memory_max;
    struct wr_cid cid; /* Of what is got: part of the temporary name. */
};

/* A directory of the tree that is made; freed with the sink. */
struct wr_sink_dir;

/* A file under way; the getter's, one operation after another. */
struct wr_sink_file {
    struct wr_sink_dir *dir; /* NULL: the target itself. */
    char *name;              /* In `dir`; malloc'd, the getter's. */
    bool has_mode;
    uint32_t mode;
};

enum wr_sink_op_kind {
    WR_SINK_OP_DIR,   /* Make `dir`. */
    WR_SINK_OP_LINK,  /* `file` is a link to the target in `buf`. */
    WR_SINK_OP_WRITE, /* Bytes of `buf` at `offset` of `file`. */
    WR_SINK_OP_CHECK, /* Are the bytes there already? See `found`. */
};

struct wr_sink_op {
    struct wr_sink_op *next;
    enum wr_sink_op_kind kind;
    struct wr_sink_dir *dir;
    struct wr_sink_file *file;
    uint64_t offset;
    struct wr_buf *buf; /* CHECK: room for `n`, then the bytes. */
    uint32_t at, n;     /* WRITE: which of buf's. */
    bool last;          /* WRITE: the file is complete. */
    bool there;         /* WRITE: the very bytes are in place already. */
    bool found;         /* CHECK */
    struct wr_cid cid;  /* CHECK */
    void *arg;          /* The getter's. */
};

struct wr_sink;

/* Looks at the target: WR_EEXIST, WR_ENOTFOUND (its directory), WR_EPERM. */
WR_MUST_USE enum wr_err wr_sink_open(struct wr_sink **ret,
                                     const struct wr_sink_cfg *cfg,
                                     struct wr_why *why);

/* What the target turns out to be. Before the first operation, on a worker.
 * `size`: bytes that it claims, 0 if unknown. WR_EFULL: it cannot fit;
 * WR_EEXIST; WR_ELOCKED: another get writes it; WR_EUNSUPPORTED: a tree into a
 * descriptor. */
WR_MUST_USE enum wr_err wr_sink_begin(struct wr_sink *s, bool is_tree,
                                      uint64_t size, struct wr_why *why);

/* Whether an earlier try left something: CHECK is worth a look. */
bool wr_sink_resumes(const struct wr_sink *s);

/* A directory below `up` (NULL: the root of the tree); `name` is copied. On
 * the loop. NULL if out of memory. */
struct wr_sink_dir *wr_sink_dir(struct wr_sink *s, struct wr_sink_dir *up,
                                const char *name);

/* Runs the list, on a worker; stops at the first failure. */
WR_MUST_USE enum wr_err wr_sink_run(struct wr_sink *s, struct wr_sink_op *list,
                                    struct wr_why *why);

/* Everything is written: durable, and under its name. On a worker. */
WR_MUST_USE enum wr_err wr_sink_finish(struct wr_sink *s, struct wr_why *why);

/* Takes the memory: malloc'd, the caller's. After finish. */
uint8_t *wr_sink_take(struct wr_sink *s, size_t *ret_n);

/* Without finish: the part stays for a later try if `keep`, else it goes. */
void wr_sink_close(struct wr_sink *s, bool keep);

#endif
