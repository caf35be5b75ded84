/* wall.c - see wall.h. */
#include "sys/wall.h"

#include <stdlib.h>

static int by_time(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool near(const struct wr_wall_view *v, uint64_t peer_s)
{
    return v->now_s > peer_s ? v->now_s - peer_s <= v->off_s
                             : peer_s - v->now_s <= v->off_s;
}

enum wr_wall wr_wall_judge(const struct wr_wall_view *v)
{
    if (v->now_s < v->built_s)
        return WR_WALL_BEHIND;
    if (v->peers_n == 0 && !v->alone)
        return WR_WALL_ALONE;
    if (v->peers_n == 0)
        return v->now_s < v->seen_s ? WR_WALL_BEHIND : WR_WALL_KNOWN;
    qsort(v->peers_s, v->peers_n, sizeof(v->peers_s[0]), by_time);
    return near(v, v->peers_s[(v->peers_n - 1) / 2]) ||
                   near(v, v->peers_s[v->peers_n / 2])
               ? WR_WALL_KNOWN
               : WR_WALL_OFF;
}

const char *wr_wall_text(enum wr_wall w)
{
    switch (w) {
    case WR_WALL_KNOWN:
        return "known";
    case WR_WALL_BEHIND:
        return "unknown: earlier than it was before";
    case WR_WALL_OFF:
        return "unknown: more than an hour off the other hosts' clocks";
    case WR_WALL_ALONE:
        return "unknown: no other host is there to compare it with";
    }
    return "?";
}
