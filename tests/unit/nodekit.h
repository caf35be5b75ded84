/* nodekit.h - what tests of a whole node share: a book, an outbox, and what a
 * node hears most. */
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

/* The driver's word that `h` is admitted, has left, or was removed. */
static void declare(struct wr_node *n, wr_host h, enum wr_roster_state state,
                    wr_time at)
{
    struct wr_event ev = {.kind = WR_EV_ADMIT, .from = h};

    ev.admit.state = (uint8_t)state;
    wr_node_step(n, &ev, at, &out);
}

static void admit(struct wr_node *n, wr_host h, wr_time at)
{
    declare(n, h, WR_ROSTER_ADMITTED, at);
}

static void links_up(struct wr_node *n, wr_host from, uint32_t incarnation,
                     wr_time at)
{
    wr_node_step(n,
                 &(struct wr_event){.kind = WR_EV_LINK_UP,
                                    .from = from,
                                    .incarnation = incarnation},
                 at, &out);
}

#endif
