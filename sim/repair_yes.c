/*
 * repair_yes.c - the other side of a comparison as a host would be that takes
 * everything for equal, in the place of src/proto/repair_serve.c, so that a
 * test can see the checker of copies fail: nobody is given what it lacks.
 */
#include "proto/repair_parts.h"

void wr_repair_counted(struct wr_core *c, const struct wr_id *key)
{
    (void)c;
    (void)key;
}

void wr_repair_ask(struct wr_core *c, wr_host from, const struct wr_msg *m)
{
    struct wr_msg answer = wr_msg_of(WR_MSG_SYNCED, m->rid);

    answer.synced.what = WR_SYNCED_EQUAL;
    wr_outbox_send(c->out, from, &answer);
}

void repair_served(struct wr_core *c, struct wr_repair_served *v,
                   const struct wr_event *ev)
{
    (void)c;
    (void)v;
    (void)ev;
}
