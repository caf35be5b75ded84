/* bodies.c - see bodies.h. */
#include "host/bodies.h"

#include <stdlib.h>

enum wr_err wr_bodies_init(struct wr_bodies *b, uint32_t cap)
{
    *b = (struct wr_bodies){
        .v = calloc(cap, sizeof(struct wr_buf *)),
        .free_ids = calloc(cap, sizeof(*b->free_ids)),
        .cap = cap,
    };
    if (b->v == NULL || b->free_ids == NULL) {
        wr_bodies_done(b);
        return WR_ENOMEM;
    }
    while (b->free_n < cap) {
        b->free_ids[b->free_n] = cap - b->free_n; /* Id 0 is none. */
        b->free_n++;
    }
    return WR_OK;
}

void wr_bodies_done(struct wr_bodies *b)
{
    for (uint32_t i = 0; b->v != NULL && i < b->cap; i++)
        wr_buf_unref(b->v[i]);
    free(b->v);
    free(b->free_ids);
    *b = (struct wr_bodies){0};
}

struct wr_body wr_bodies_add(struct wr_bodies *b, struct wr_buf *buf)
{
    if (b->free_n == 0)
        return (struct wr_body){0};
    const uint32_t id = b->free_ids[--b->free_n];

    b->v[id - 1] = buf;
    b->n++;
    return (struct wr_body){.id = id, .len = buf->n};
}

struct wr_buf *wr_bodies_get(const struct wr_bodies *b, struct wr_body body)
{
    WR_CHECK(body.id >= 1 && body.id <= b->cap);
    WR_CHECK(b->v[body.id - 1] != NULL);
    return b->v[body.id - 1];
}

void wr_bodies_release(struct wr_bodies *b, struct wr_body body)
{
    wr_buf_unref(wr_bodies_get(b, body));
    b->v[body.id - 1] = NULL;
    b->free_ids[b->free_n++] = body.id;
    b->n--;
}
