/* world_codec.c - how a message comes out of its parcel: as it went in, or by
 * way of the wire's bytes (cfg.codec), body and all. */
#include <stdlib.h>

#include "crypto/blake2b.h"
#include "world_private.h"

/* The room: the arena, a header, a body. */
enum { HEADER_AT = WR_CODEC_ARENA, BODY_AT = HEADER_AT + WR_HEADER_MAX };

void world_codec_init(struct wr_world *w)
{
    if (!w->cfg.codec)
        return;
    w->codec_room = world_must(malloc(BODY_AT + WR_BLOCK_WRITE_MAX));
    wr_codec_init(&w->codec, &w->book, w->codec_room, WR_CODEC_ARENA);
}

/* As a driver verifies a body before the core sees the message (fx.h). */
static void verify(struct wr_world *w, const struct wr_sim_event *e,
                   struct wr_msg *m, const struct wr_id *name)
{
    uint8_t *room = w->codec_room + BODY_AT;
    const struct wr_id *want =
        m->kind == WR_MSG_PUT ? &m->put.digest : &m->data.digest;
    const struct wr_body *body = wr_msg_body(m);
    struct wr_span all;
    struct wr_id got;

    if (w->bytes == NULL || body == NULL ||
        (body->id == 0 && !wr_host_is_leaf(e->from)))
        return;
    WR_CHECK(body->len <= WR_BLOCK_WRITE_MAX);
    w->bytes(w, name, room, body->len);
    all = wr_span(room, body->len);
    wr_blake2b_256(&all, 1, got.b);
    m->bad_body = !wr_id_eq(&got, want);
}

bool world_unpack(struct wr_world *w, const struct wr_sim_event *e,
                  struct wr_msg *ret, struct wr_id *ret_body)
{
    const struct wr_span no_extra = {0};
    struct wr_body body = {0};
    struct wr_msg m;
    uint8_t *header;
    size_t n;

    wr_parcel_open(e->parcel, ret, ret_body);
    if (!w->cfg.codec)
        return true;
    header = w->codec_room + HEADER_AT;
    if (wr_msg_body(ret) != NULL)
        body = *wr_msg_body(ret);
    if (wr_codec_encode(&w->codec, ret, no_extra, header, WR_HEADER_MAX, &n) !=
            WR_OK ||
        n != wr_msg_size(ret) || /* What it was charged. */
        wr_codec_decode(&w->codec, wr_span(header, n), &m, NULL) != WR_OK) {
        w->codec_wrong++;
        return false;
    }
    *ret = m;
    if (wr_msg_body(ret) != NULL)
        *wr_msg_body(ret) = body;
    verify(w, e, ret, ret_body);
    return true;
}
