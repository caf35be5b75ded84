/* sweep.c - see sweep.h. */
#include "host/sweep.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/super_parts.h"
#include "proto/node_private.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"

enum {
    SAVE_S = 600,         /* Between two times that are written down, */
    AWAKE_S = 2 * SAVE_S, /* and no more, with disks that are slow. */
};

static const wr_time tell_us = WR_SEC(30); /* Well within what it believes. */

/* ---- away for too long ------------------------------------------------------
 */

/* When we were last there; 0 if nobody knows. */
static uint64_t last_seen(const struct wr_super *s)
{
    char path[WR_HOME_PATH_MAX];
    uint64_t seen_s = 0;
    uint8_t *bytes;
    size_t n;

    wr_home_path(s->cfg.home->dir, "clock", path);
    if (wr_file_read(path, 32, NULL, &bytes, &n) != WR_OK)
        return 0;
    if (n > 0 && bytes[n - 1] == '\n') {
        bytes[n - 1] = '\0';
        if (sscanf((const char *)bytes, "%" SCNu64, &seen_s) != 1)
            seen_s = 0;
    }
    free(bytes);
    return seen_s;
}

/* What was deleted everywhere meanwhile would come back with us, and nobody
 * could tell any more that it was. Nothing is destroyed: a clock may be wrong,
 * and there is nobody yet to ask. */
static enum wr_err put_aside(struct wr_super *s, uint64_t away_s,
                             struct wr_why *why)
{
    char store[WR_HOME_PATH_MAX], old[WR_HOME_PATH_MAX];
    char clock[WR_HOME_PATH_MAX];
    const unsigned long long days = away_s / (24 * 3600);

    wr_home_path(s->cfg.home->dir, "store", store);
    wr_home_path(s->cfg.home->dir, "store.old", old);
    if (access(old, F_OK) == 0)
        return wr_why(why, WR_EREFUSED,
                      "this host was away for %llu days: what it keeps may "
                      "have been deleted meanwhile, and %s is in the way of "
                      "putting it aside; move that away, then start again",
                      days, old);
    wr_store_close(s->store);
    s->store = NULL;
    if (rename(store, old) != 0)
        return wr_why(why, wr_err_of_errno(errno), "%s: %s", old,
                      wr_errno_text(errno));
    /* The new one was away from nothing, however often we start before a clock
     * is believed. */
    wr_home_path(s->cfg.home->dir, "clock", clock);
    (void)unlink(clock);
    s->sweep.seen_s = s->sweep.saved_s = 0;
    WR_LOG(WARN, "host",
           "away for so long that this host starts as empty; what it kept is "
           "in store.old: remove it, or, if the clock is wrong, stop, set the "
           "clock, and put it back",
           WR_KV_U64("days", days), WR_KV_STR("path", old));
    return WR_OK;
}

/* Where nobody else is admitted, nobody deleted anything meanwhile. */
static bool has_others(const struct wr_super *s)
{
    for (wr_host h = 0; h < s->book.hosts_n; h++)
        if (h != s->self && wr_cards_state(&s->cards, h) == WR_ROSTER_ADMITTED)
            return true;
    return false;
}

enum wr_err wr_sweep_open(struct wr_super *s, bool *ret_aside,
                          struct wr_why *why)
{
    const uint64_t now_s = wr_clock_wall_s();
    const uint64_t most_s =
        wr_config_number(s->cfg.config, WR_CONFIG_forget) / WR_SEC(1);
    enum wr_err err = WR_OK;

    s->sweep.wall = WR_WALL_ALONE;
    s->sweep.noted_at = wr_clock_now();
    s->sweep.seen_s = s->sweep.saved_s = last_seen(s);
    *ret_aside =
        s->sweep.seen_s > 0 && now_s > s->sweep.seen_s &&
        now_s - s->sweep.seen_s > most_s && has_others(s) &&
        strcmp(wr_config_text(s->cfg.config, WR_CONFIG_store), "memory") != 0;
    if (*ret_aside)
        err = put_aside(s, now_s - s->sweep.seen_s, why);
    return err;
}

/* ---- the clock
 * --------------------------------------------------------------- */

static enum wr_wall judge(const struct wr_super *s, uint64_t now_s)
{
    uint64_t peers[WR_WALL_PEERS];
    struct wr_wall_view v = {.now_s = now_s,
                             .built_s = WR_WALL_BUILT_S,
                             .seen_s = s->sweep.seen_s,
                             .off_s = WR_WALL_OFF_S,
                             .peers_s = peers};

    v.alone = s->state == WR_SUPER_SERVING &&
              wr_roster_admitted_n(&s->node->core) <= 1;
    v.peers_n = wr_hub_walls(s->hub, peers, WR_WALL_PEERS);
    return wr_wall_judge(&v);
}

void wr_sweep_upkeep(struct wr_super *s)
{
    struct wr_sweep *w = &s->sweep;
    const uint64_t now_s = wr_clock_wall_s();
    const wr_time now = wr_clock_now();
    struct wr_event ev = {.kind = WR_EV_CLOCK};
    enum wr_wall wall;

    if (s->hub == NULL)
        return;
    wall = judge(s, now_s);
    if (wall == WR_WALL_KNOWN)
        ev.wall_s = w->seen_s = now_s;
    if (wall == w->wall && w->told_at != 0 && now - w->told_at < tell_us)
        return;
    if (wall != w->wall)
        WR_LOG(INFO, "host", "wall clock",
               WR_KV_STR("state", wr_wall_text(wall)));
    w->wall = wall;
    w->told_at = now;
    wr_super_feed(s, &ev);
}

static bool is_linked(const void *arg, wr_host h)
{
    return wr_hub_linked(arg, h);
}

void wr_sweep_note(struct wr_super *s)
{
    struct wr_sweep *w = &s->sweep;
    const uint64_t passed_s = (wr_clock_now() - w->noted_at) / WR_SEC(1);
    /* More has passed only while the machine slept, and links seemed to stand.
     */
    const uint64_t awake_s = passed_s < AWAKE_S ? passed_s : AWAKE_S;

    if (s->hub == NULL)
        return;
    w->noted_at += WR_SEC(passed_s);
    wr_cards_note(&s->cards, s->self, is_linked, s->hub, awake_s,
                  w->wall == WR_WALL_KNOWN ? w->seen_s : 0);
}

bool wr_sweep_unsaved(const struct wr_super *s)
{
    const struct wr_sweep *w = &s->sweep;

    return w->seen_s < w->saved_s || w->seen_s - w->saved_s >= SAVE_S ||
           wr_clock_now() - w->noted_at >= WR_SEC(SAVE_S);
}

enum wr_err wr_sweep_save(const struct wr_super *s, uint64_t seen_s,
                          struct wr_why *why)
{
    char path[WR_HOME_PATH_MAX], text[24];

    snprintf(text, sizeof(text), "%" PRIu64 "\n", seen_s);
    wr_home_path(s->cfg.home->dir, "clock", path);
    return wr_file_write(path, 0644, wr_span_str(text), why);
}

/* ---- what people see
 * ---------------------------------------------------------- */

json_t *wr_sweep_view(const struct wr_super *s)
{
    const struct wr_node *n = s->node;
    const struct wr_reap *r = n->core.reap;

    if (r == NULL)
        return json_pack("{s:s}", "state", "off");
    return json_pack(
        "{s:s, s:s, s:f, s:I, s:f, s:I, s:I, s:I, s:I, s:I}", "state",
        r->on ? "running" : "resting", "clock", wr_wall_text(s->sweep.wall),
        "position", wr_reap_permille(r) / 1000.0, "passes_total",
        (json_int_t)r->passes, "last_took_s", (double)r->last_us / 1e6,
        "last_chunks", (json_int_t)r->last_seen, "last_unsure",
        (json_int_t)r->last_unsure, "refs_dropped_total",
        (json_int_t)n->count.refs_dropped_total, "chunks_deleted_total",
        (json_int_t)n->count.chunks_reaped_total, "roots_forgotten_total",
        (json_int_t)n->count.roots_forgotten_total);
}
