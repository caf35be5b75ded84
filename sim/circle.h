/*
 * circle.h - all members that a world will ever have, in the order of the
 * ring. Ids never change, so this is sorted once; whoever looks at the ring
 * from above works with ranks in it, and need not compare ids.
 */
#ifndef WR_SIM_CIRCLE_H
#define WR_SIM_CIRCLE_H

#include "wire/book.h"

struct wr_circle {
    const struct wr_book *book;
    wr_ref *refs;    /* Clockwise from 0. */
    uint32_t *ranks; /* Of each, by its place. */
    uint32_t n;
};

/* Of all members in `book`, which stays and grows no more. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_circle_init(struct wr_circle *c,
                                       const struct wr_book *book);
void wr_circle_done(struct wr_circle *c);

/* The place of `r` host by host, member by member: below n. */
static inline uint32_t wr_circle_place(const struct wr_circle *c, wr_ref r)
{
    const uint8_t each = c->book->each;

    return (each != 0 ? wr_ref_host(r) * each
                      : wr_book_host(c->book, wr_ref_host(r))->first) +
           wr_ref_index(r);
}

static inline uint32_t wr_circle_rank(const struct wr_circle *c, wr_ref r)
{
    return c->ranks[wr_circle_place(c, r)];
}

/* The rank of the first member at or after `key`; n if only those from rank 0
 * on follow it. */
uint32_t wr_circle_from(const struct wr_circle *c, const struct wr_id *key);

#endif
