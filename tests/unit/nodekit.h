/* nodekit.h - what tests of a whole node share: a book, and an outbox. */
#ifndef TESTS_NODEKIT_H
#define TESTS_NODEKIT_H

#include <criterion/criterion.h>

#include "proto/node_private.h"

static struct wr_book book;
static struct wr_outbox out;

static void setup(void)
{
    static const uint8_t ring[32] = {1};

    cr_assert_eq(wr_book_init(&book, ring, 64, 2048), WR_OK);
    cr_assert_eq(wr_outbox_init(&out, 4096, 1 << 18), WR_OK);
}

static void teardown(void)
{
    wr_book_done(&book);
    wr_outbox_done(&out);
}

static wr_host add(uint8_t name, uint8_t members)
{
    return wr_book_add(&book, &(struct wr_host_id){{name}}, members, 0, NULL);
}

/* How many of that kind went to `to`; the rid of the last in *ret_rid, if it is
 * not NULL. */
static unsigned sent(enum wr_msg_kind kind, wr_host to, uint64_t *ret_rid)
{
    unsigned k = 0;

    for (uint32_t i = 0; i < out.n; i++)
        if (out.v[i].kind == WR_FX_SEND && out.v[i].msg.kind == kind &&
            out.v[i].to == to) {
            if (ret_rid != NULL)
                *ret_rid = out.v[i].msg.rid;
            k++;
        }
    return k;
}

#endif
