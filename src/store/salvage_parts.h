/*
 * salvage_parts.h - the two halves of a salvage. Private to src/store.
 *
 *     salvage_scan.c   the file, page by page: what is where
 *     salvage.c        chunk by chunk: verified, and put into the new store
 */
#ifndef WR_STORE_SALVAGE_PARTS_H
#define WR_STORE_SALVAGE_PARTS_H

#include <lmdb.h>
#include <stdlib.h>

#include "store/record.h"
#include "store/salvage.h"

struct wr_salvager {
    int fd;
    size_t page_bytes;
    uint64_t pages;
    struct wr_salvage *tally;
    wr_salvage_fn *fn;
    void *arg;

    uint8_t *buffer;
    bool in_place; /* The page at hand is where it says it is. */

    /* Scratch: what was found, sorted; no promise to survive anything. */
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi extents; /* digest ‖ u32 number ‖ u64 place in the file: nothing;
                        what is not in place has the highest bit, and is last */
    MDB_dbi refs;    /* digest ‖ put id: nothing */
    uint32_t noted;  /* In this transaction. */

    struct wr_store *store; /* The new one. */
    enum wr_err stored;     /* The first failure of a write there. */
};

/* salvage_scan.c */
size_t wr_salvage_page_bytes(int fd);
WR_MUST_USE enum wr_err wr_salvage_scan(struct wr_salvager *s);

/* salvage.c: what the scan found. */
WR_MUST_USE enum wr_err wr_salvage_note_extent(struct wr_salvager *s,
                                               const uint8_t *digest,
                                               uint32_t number, uint64_t offset,
                                               bool in_place);
WR_MUST_USE enum wr_err wr_salvage_note_ref(struct wr_salvager *s,
                                            const uint8_t *digest,
                                            const uint8_t *put_id);
WR_MUST_USE enum wr_err wr_salvage_root(struct wr_salvager *s,
                                        const uint8_t *position,
                                        uint64_t version, struct wr_span bytes);
void wr_salvage_progress(struct wr_salvager *s, uint64_t done);

#endif
