/*
 * check.h - a store judged as a whole, while nobody uses it: chunks against
 * their hashes, tables against each other, root records against their owners'
 * signatures. Changes nothing.
 *
 * LMDB trusts its pages: a damaged tree may make it abort, or return the same
 * pages for ever. So run this in a process that may die, and within a limit;
 * what it found until then has been told. Order is checked, so that it ends
 * where a tree leads in circles.
 */
#ifndef WR_STORE_CHECK_H
#define WR_STORE_CHECK_H

#include "store/store.h"

/* Name, whether it is the tables' and not the payload's, what is wrong. */
#define WR_FAULT_MAP(X)                                                        \
    X(ROTTEN, false, "a chunk's bytes do not match its check sums or hash")    \
    X(SET_ASIDE, false, "a rotten chunk is set aside, and waits for a copy")   \
    X(TREE, true, "a table cannot be read, or is out of order")                \
    X(INDEX, true, "an index record cannot be read")                           \
    X(NO_INDEX, true, "payload of a chunk that the index does not know")       \
    X(REFS, true, "a chunk has other references than its record counts")       \
    X(NO_CHUNK, true, "references of a chunk that the index does not know")    \
    X(ROOT, true, "a root record cannot be read, or is not its owner's word")  \
    X(SUMS, true, "the sums over the index are not those of the index")        \
    X(TOTALS, true, "the total of all chunks' bytes is wrong")

enum wr_fault {
#define X(name, tables, text) WR_FAULT_##name,
    WR_FAULT_MAP(X)
#undef X
        WR_FAULTS
};

const char *wr_fault_text(enum wr_fault fault);
const char *wr_fault_name(enum wr_fault fault);
bool wr_fault_of_tables(enum wr_fault fault);

struct wr_check {
    uint64_t chunks, chunk_bytes; /* Read. */
    uint64_t refs, roots;
    uint64_t unreferred;        /* Chunks without references: no fault. */
    uint64_t salvaged;          /* Chunks whose references are not known. */
    uint64_t faults[WR_FAULTS]; /* How often each was found. */
};

struct wr_check_cfg {
    /* Each fault as it is found; `key` is a digest, a position, or empty. */
    void (*found)(void *arg, enum wr_fault fault, struct wr_span key);
    /* `done` of `total` chunks are through. Either may be NULL. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
};

/* Judges the store directory `path`; what is wrong with it is in *ret and no
 * error. WR_ELOCKED (the host runs), WR_ENOTFOUND, WR_EDAMAGED (it cannot even
 * be opened), WR_EVERSION, WR_EPERM, WR_EIO, WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_store_check(const char *path,
                                       const struct wr_check_cfg *cfg,
                                       struct wr_check *ret,
                                       struct wr_why *why);

#endif
