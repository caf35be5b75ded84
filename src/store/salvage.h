/*
 * salvage.h - a store without its trees: what lies in the raw pages of a data
 * file is found, verified and put into a new store.
 *
 * An extent says what it is (record.h), a chunk proves itself by its hash, a
 * root record by its owner's signature. References prove nothing: those in
 * index pages that can still be read are taken over. A chunk without any gets
 * one that is nobody's, wr_put_id_salvaged: the record of that put is found
 * nowhere, absence is no proof (D17), so the chunk stays, until its other
 * copies tell who refers to it and for as long as nobody drops that reference
 * by hand. What was deleted and is not overwritten comes back, too; the sweep
 * knows the puts that were given up for a year.
 *
 * Blocks, for hours if there is much: for tools. Memory is bounded, whatever
 * the size; what is found is noted beside the new store.
 */
#ifndef WR_STORE_SALVAGE_H
#define WR_STORE_SALVAGE_H

#include "crypto/root.h"
#include "store/store.h"

struct wr_salvage {
    uint64_t pages;      /* Read. */
    uint64_t unreadable; /* The disk did not give them. */
    uint64_t chunks, chunk_bytes;
    uint64_t referred; /* Of the chunks, those with references of their own. */
    uint64_t incomplete; /* Chunks of which a part is missing or rotten. */
    uint64_t roots;
};

/* `done` of `total` bytes are through. */
typedef void wr_salvage_fn(void *arg, uint64_t done, uint64_t total);

/* Makes the store `new_path`, which must not be there, of the store directory
 * `old_path`, which is only read. On failure there is no new store.
 * WR_ELOCKED (the host runs), WR_ENOTFOUND, WR_EINVAL (there is a new one),
 * WR_EFULL, WR_EIO, WR_EPERM, WR_ENOMEM. */
WR_MUST_USE enum wr_err
wr_store_salvage(const char *old_path, const char *new_path, wr_salvage_fn *fn,
                 void *arg, struct wr_salvage *ret, struct wr_why *why);

#endif
