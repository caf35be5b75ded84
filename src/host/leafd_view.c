/* leafd_view.c - what a leaf's run-time says of itself: the question "leaf",
 * answered here and not relayed. */
#include <jansson.h>
#include <stdlib.h>

#include "base/text.h"
#include "host/leafd_parts.h"
#include "sys/clock.h"

static json_t *facts(const struct wr_leafd *d)
{
    const wr_time now = wr_clock_now();
    struct wr_uplink_state up;
    char host[WR_HEX_SIZE(sizeof(up.host.b))];

    wr_uplink_state(d->up, &up);
    wr_hex(wr_span(up.host.b, sizeof(up.host.b)), host);
    const bool stands = d->up_since != 0;
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}",
        "state", stands ? "attached" : "looking for a super-peer", "host",
        stands ? host : "", "at", up.at, "attached_s",
        (json_int_t)(stands ? (now - d->up_since) / WR_SEC(1) : 0), "up_s",
        (json_int_t)((now - d->opened_at) / WR_SEC(1)), "moves",
        (json_int_t)up.moves, "clients", (json_int_t)d->clients_n, "under_way",
        (json_int_t)d->used, "relayed", (json_int_t)d->relayed, "busy",
        (json_int_t)d->busy, "bytes_in", (json_int_t)up.bytes_in, "bytes_out",
        (json_int_t)up.bytes_out, "last_loss",
        up.moves > 0 ? up.last.text : "");
}

void wr_leafd_facts(struct wr_leafd_client *c, uint64_t rid)
{
    struct wr_msg m = wr_msg_of(WR_MSG_REPORT, rid);
    json_t *o = facts(c->d);
    char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
    struct wr_buf *body = text != NULL ? wr_buf_new(strlen(text)) : NULL;

    json_decref(o);
    if (body != NULL) {
        body->n = (uint32_t)strlen(text);
        memcpy(body->p, text, body->n);
        m.report.body.len = body->n;
    } else {
        m.report.status = WR_STATUS_FAILED;
    }
    wr_leafd_send(c, &m, (struct wr_span){0}, body);
    wr_buf_unref(body);
    free(text);
}
