/* cost.c - see cost.h. */
#include "cost.h"

uint64_t wr_cost_message(const struct wr_msg *m)
{
    const struct wr_body *carried = wr_msg_body_of(m);
    const uint64_t body = carried != NULL ? carried->len : 0;
    const uint64_t plain = WR_FRAME_HEAD + wr_msg_size(m) + body;
    uint64_t records = 1;

    /* A long body has records of its own. */
    if (body > WR_COST_BODY_INLINE)
        records += (body + WR_NOISE_DATA_MAX - 1) / WR_NOISE_DATA_MAX;
    return wr_cost_tcp(plain + records * WR_COST_RECORD);
}

/* As src/host says it: a number, an address, the time, a name. */
static uint64_t hello(void)
{
    struct wr_msg m = {.kind = WR_MSG_HELLO};

    m.hello.incarnation = 1;
    m.hello.listen.port = WR_COST_PORT;
    m.hello.wall_s = UINT64_C(1767225600);
    m.hello.agent = wr_span_str("wreath/0.1.0");
    return wr_cost_message(&m);
}

uint64_t wr_cost_dial(void)
{
    return 2 * WR_COST_SEGMENT + wr_cost_tcp(WR_COST_SHAKE_1) +
           wr_cost_tcp(WR_COST_SHAKE_3) + hello();
}

uint64_t wr_cost_accept(void)
{
    return WR_COST_SEGMENT + wr_cost_tcp(WR_COST_SHAKE_2) + hello();
}
