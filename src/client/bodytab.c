/* bodytab.c - see bodytab.h. */
#include "client/bodytab.h"

#include <stdlib.h>

enum wr_err wr_bodytab_init(struct wr_bodytab *t, uint32_t cap)
{
    *t = (struct wr_bodytab){
        .v = calloc(cap, sizeof(*t->v)),
        .free_ids = calloc(cap, sizeof(*t->free_ids)),
        .cap = cap,
    };
    if (t->v == NULL || t->free_ids == NULL) {
        wr_bodytab_done(t);
        return WR_ENOMEM;
    }
    for (uint32_t id = cap; id > 0; id--) /* Id 0 is none. */
        t->free_ids[t->free_n++] = id;
    return WR_OK;
}

void wr_bodytab_done(struct wr_bodytab *t)
{
    for (uint32_t i = 0; t->v != NULL && i < t->cap; i++)
        wr_buf_unref(t->v[i]);
    free(t->v);
    free(t->free_ids);
    *t = (struct wr_bodytab){0};
}

struct wr_body wr_bodytab_add(struct wr_bodytab *t, struct wr_buf *buf)
{
    if (t->free_n == 0)
        return (struct wr_body){0};
    const uint32_t id = t->free_ids[--t->free_n];

    t->v[id - 1] = buf;
    return (struct wr_body){.id = id, .len = buf->n};
}

struct wr_buf *wr_bodytab_get(const struct wr_bodytab *t, struct wr_body body)
{
    WR_CHECK(body.id >= 1 && body.id <= t->cap);
    WR_CHECK(t->v[body.id - 1] != NULL);
    return t->v[body.id - 1];
}

void wr_bodytab_release(struct wr_bodytab *t, struct wr_body body)
{
    wr_buf_unref(wr_bodytab_get(t, body));
    t->v[body.id - 1] = NULL;
    t->free_ids[t->free_n++] = body.id;
}
