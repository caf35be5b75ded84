/* faults.c - what may be wrong with a simulated host: its clock jumps, its disk
 * is slow, full or fails (world.h). Without cfg.faults a disk does what it is
 * told, after a while. */
#include "world_private.h"

/* A disk's answer, and a commit, take this long. */
enum { DISK_MIN_US = 100, DISK_MORE_US = 20000 };

/* Clocks count from a machine's start, within the last twelve days. */
enum { CLOCK_BITS = 40 };

void world_unfault(struct wr_world *w, wr_host h)
{
    struct wr_world_fault *f = w->faults == NULL ? NULL : &w->faults[h];

    if (f == NULL)
        return;
    f->ahead = wr_rng_next(&w->rng) >> (64 - CLOCK_BITS);
}

/* ---- time ---------------------------------------------------------------- */

/* Whatever was due by the new time is due now. */
void wr_world_jump(struct wr_world *w, wr_host h, wr_time us)
{
    w->faults[h].ahead += us;
    if (!wr_world_is_up(w, h))
        return;
    world_tell_clock(w, h); /* By its own time nothing was heard for long. */
    w->hosts[h].tick_at = w->now;
    world_push(w, w->now, WORLD_TICK, h, h, NULL);
}

/* ---- the disk ------------------------------------------------------------ */

/* Removals work on a full disk. */
static bool removes(const struct wr_fx *fx)
{
    return fx->kind == WR_FX_STORE_DROP || fx->kind == WR_FX_STORE_REAP ||
           fx->kind == WR_FX_STORE_ROOT_DROP ||
           fx->kind == WR_FX_STORE_DROP_SAME;
}

static bool is_write(const struct wr_fx *fx)
{
    return removes(fx) || fx->kind == WR_FX_STORE_PUT ||
           fx->kind == WR_FX_STORE_ROOT_PUT ||
           (fx->kind == WR_FX_STORE_REF && !wr_put_id_is_none(&fx->store.put));
}

static bool lucky(struct wr_world *w, uint32_t permille)
{
    return permille > 0 && wr_rng_below(&w->rng, 1000) < permille;
}

/* What becomes of an operation; OK: it is done. */
static enum wr_status fate(struct wr_world *w, wr_host h,
                           const struct wr_fx *fx)
{
    const bool writes = is_write(fx);

    if (w->faults == NULL)
        return WR_STATUS_OK;
    if (writes && w->faults[h].full && !removes(fx))
        return WR_STATUS_FULL;
    return lucky(w, writes ? w->cfg.write_permille : w->cfg.read_permille)
               ? WR_STATUS_FAILED
               : WR_STATUS_OK;
}

static struct wr_parcel *copy(struct wr_world *w, const struct wr_fx *fx)
{
    return world_must(wr_parcel_store(&w->parcels, fx));
}

/* A write is on the disk at some time before it is answered: what a crash
 * overtakes is lost, or not. */
void world_submit(struct wr_world *w, wr_host h, const struct wr_fx *fx)
{
    wr_time us = DISK_MIN_US + wr_rng_below(&w->rng, DISK_MORE_US);

    if (fx->kind == WR_FX_STORE_PUT) {
        const struct wr_held *b = wr_bodies_get(&w->bodies, h, fx->store.body);

        if (b == NULL || !wr_id_eq(&b->digest, &fx->store.digest))
            w->bodies_wrong++;
    }
    if (w->faults != NULL && w->faults[h].slow_us > 0)
        us += wr_rng_below(&w->rng, w->faults[h].slow_us);
    if (w->cfg.torn && is_write(fx))
        world_push(w, w->now + wr_rng_below(&w->rng, us), WORLD_WRITTEN, h, h,
                   copy(w, fx));
    world_push(w, w->now + us, WORLD_STORED, h, h, copy(w, fx));
}

static void drops(struct wr_world *w, wr_host h, const struct wr_fx *fx)
{
    if (w->drops != NULL && fx->kind == WR_FX_STORE_DROP)
        w->drops(w, h, fx);
}

/* Half of what a HAVE adds references to may be lost; the rest is one
 * transaction each (store/store.h). Nobody is told. */
void world_written(struct wr_world *w, const struct wr_sim_event *e)
{
    struct wr_fx fx = *wr_parcel_fx(e->parcel);
    struct wr_event ignored;

    if (w->faults != NULL && w->faults[e->to].full && !removes(&fx))
        return;
    drops(w, e->to, &fx);
    if (fx.kind == WR_FX_STORE_REF)
        fx.store.n = (uint32_t)wr_rng_below(&w->rng, fx.store.n + 1);
    wr_disk_do(&w->hosts[e->to].disk, &fx, fx.store.body.len, &ignored);
}

/* The disk has done it, durably, or has not. */
void world_stored(struct wr_world *w, const struct wr_sim_event *e)
{
    const struct wr_fx *fx = wr_parcel_fx(e->parcel);
    struct wr_event ev = {.kind = WR_EV_STORED, .from = e->to};
    const enum wr_status status = fate(w, e->to, fx);

    if (status == WR_STATUS_OK)
        drops(w, e->to, fx);
    if (status == WR_STATUS_OK)
        wr_disk_do(&w->hosts[e->to].disk, fx, fx->store.body.len, &ev);
    else
        ev.stored.status = (uint8_t)status;
    ev.stored.token = fx->store.token;
    if (fx->kind == WR_FX_STORE_GET && !fx->store.head &&
        ev.stored.status == WR_STATUS_OK)
        ev.stored.body =
            wr_bodies_give(&w->bodies, e->to, &fx->store.digest, ev.stored.len);
    wr_world_step(w, e->to, &ev);
}
