/*
 * blocks.h - blocks in memory, by CID, for tests of src/object. Header only.
 * A block that is put under a CID that is not its own ends the test program.
 */
#ifndef WR_TESTS_BLOCKS_H
#define WR_TESTS_BLOCKS_H

#include <stdlib.h>
#include <string.h>

#include "object/cid.h"

enum { BLOCKS_SLOTS = 1 << 16 };

struct blocks {
    size_t n;
    struct {
        struct wr_cid cid;
        uint8_t *p;
        size_t n;
    } slot[BLOCKS_SLOTS];
};

static inline struct blocks *blocks_new(void)
{
    struct blocks *b = calloc(1, sizeof(*b));

    if (b == NULL)
        abort();
    return b;
}

static inline size_t blocks_find(const struct blocks *b,
                                 const struct wr_cid *cid)
{
    uint32_t h;

    memcpy(&h, cid->digest, sizeof(h));
    h %= BLOCKS_SLOTS;
    while (b->slot[h].p != NULL && !wr_cid_eq(&b->slot[h].cid, cid))
        h = (h + 1) % BLOCKS_SLOTS;
    return h;
}

static inline void blocks_put(struct blocks *b, const struct wr_cid *cid,
                              struct wr_span bytes)
{
    const size_t at = blocks_find(b, cid);

    if (!wr_cid_matches(cid, bytes) || b->n == BLOCKS_SLOTS / 2)
        abort();
    if (b->slot[at].p != NULL)
        return;
    b->slot[at].cid = *cid;
    b->slot[at].n = bytes.n;
    b->slot[at].p = malloc(bytes.n + 1);
    if (b->slot[at].p == NULL)
        abort();
    if (bytes.n > 0)
        memcpy(b->slot[at].p, bytes.p, bytes.n);
    b->n++;
}

/* Hashes, puts, and returns the CID. */
static inline struct wr_cid blocks_add(struct blocks *b, uint32_t codec,
                                       enum wr_hash hash, struct wr_span bytes)
{
    const struct wr_cid cid = wr_cid_of(codec, hash, bytes);

    blocks_put(b, &cid, bytes);
    return cid;
}

/* Ends the test program if it is not there. */
static inline struct wr_span blocks_get(const struct blocks *b,
                                        const struct wr_cid *cid)
{
    const size_t at = blocks_find(b, cid);

    if (b->slot[at].p == NULL)
        abort();
    return wr_span(b->slot[at].p, b->slot[at].n);
}

static inline void blocks_free(struct blocks *b)
{
    for (size_t i = 0; i < BLOCKS_SLOTS; i++)
        free(b->slot[i].p);
    free(b);
}

#endif
