/* walk.c - see walk.h; L9 of docs/protocol.md. */
#include "proto/walk.h"

#include "proto/peers.h"

bool wr_walk_step(struct wr_walk *w)
{
    if (w->steps >= WR_HOPS_MAX)
        return false;
    w->steps++;
    return true;
}

void wr_walk_answer(struct wr_walk *w, const wr_ref *nodes, size_t n)
{
    w->at = 0;
    w->n = 0;
    while (w->n < n && w->n < WR_NEXT_MAX) {
        w->ways[w->n] = nodes[w->n];
        w->n++;
    }
}

wr_ref wr_walk_next(struct wr_walk *w, const struct wr_core *c, wr_host asked)
{
    while (w->at < w->n) {
        const wr_ref way = w->ways[w->at++];
        const wr_host h = wr_ref_host(way);

        if (wr_book_has(c->book, way) && h != asked && h != c->cfg->self &&
            wr_peers_alive(c, h))
            return way;
    }
    return WR_NO_REF;
}
