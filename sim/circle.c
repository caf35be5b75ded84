/* circle.c - see circle.h. */
#include "circle.h"

#include <stdlib.h>

static int clockwise(const void *a, const void *b, void *book)
{
    return wr_id_cmp(wr_book_id(book, *(const wr_ref *)a),
                     wr_book_id(book, *(const wr_ref *)b));
}

enum wr_err wr_circle_init(struct wr_circle *c, const struct wr_book *book)
{
    uint32_t n = 0;

    *c = (struct wr_circle){.book = book, .n = book->ids_n};
    c->refs = calloc(c->n + (size_t)1, sizeof(c->refs[0]));
    c->ranks = calloc(c->n + (size_t)1, sizeof(c->ranks[0]));
    if (c->refs == NULL || c->ranks == NULL) {
        wr_circle_done(c);
        return WR_ENOMEM;
    }
    for (wr_host h = 0; h < book->hosts_n; h++)
        for (unsigned i = 0; i < book->hosts[h].members; i++)
            c->refs[n++] = wr_ref_of(h, i);
    qsort_r(c->refs, c->n, sizeof(c->refs[0]), clockwise,
            (void *)(uintptr_t)book);
    for (uint32_t i = 0; i < c->n; i++)
        c->ranks[book->hosts[wr_ref_host(c->refs[i])].first +
                 wr_ref_index(c->refs[i])] = i;
    return WR_OK;
}

void wr_circle_done(struct wr_circle *c)
{
    free(c->refs);
    free(c->ranks);
    c->refs = NULL;
    c->ranks = NULL;
}

uint32_t wr_circle_from(const struct wr_circle *c, const struct wr_id *key)
{
    uint32_t lo = 0, hi = c->n;

    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;

        if (wr_id_cmp(wr_book_id(c->book, c->refs[mid]), key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}
