/* world.c - see world.h. */
#include <stdio.h>
#include <stdlib.h>

#include "cost.h"
#include "world_private.h"

/* A daemon writes its roster down at once, and further news a second later. */
enum { SAVE_MIN_US = 1000, SAVE_MORE_US = 30000, SAVE_AGAIN_US = 1000000 };

enum { EPOCH_MASK = (1 << 29) - 1 };

void *world_must(void *p)
{
    if (p == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return p;
}

void *world_grown(void *v, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return v;
    *cap = *cap == 0 ? 16 : 2 * *cap;
    return world_must(realloc(v, *cap * size));
}

/* ---- events -------------------------------------------------------------- */

/* Or a mere asker. */
static bool has_uplink(const struct wr_world *w, wr_host h)
{
    return wr_host_is_leaf(h) && w->uplinks.n > 0;
}

static uint32_t epoch_of(const struct wr_world *w, wr_host h)
{
    return h < w->cfg.hosts ? w->hosts[h].epoch : 0;
}

void world_push(struct wr_world *w, wr_time at, enum world_event kind,
                wr_host from, wr_host to, struct wr_parcel *parcel)
{
    const struct wr_sim_event e = {
        .at = at,
        .kind = (uint8_t)kind,
        .from = from,
        .to = to,
        .from_epoch = epoch_of(w, from),
        .to_epoch = epoch_of(w, to),
        .parcel = parcel,
    };

    if (wr_queue_push(&w->queue, &e) != WR_OK)
        world_must(NULL);
}

void wr_world_at(struct wr_world *w, wr_time at, uint64_t cookie)
{
    const struct wr_sim_event e = {
        .at = wr_time_max(at, w->now), .kind = WORLD_ALARM, .cookie = cookie};

    if (at != WR_NEVER && wr_queue_push(&w->queue, &e) != WR_OK)
        world_must(NULL);
}

static wr_time latency(struct wr_world *w, wr_host a, wr_host b)
{
    return wr_simnet_latency(&w->net, &w->rng, a, b);
}

static bool reach(const struct wr_world *w, wr_host a, wr_host b)
{
    return wr_simnet_reach(&w->net, a, b);
}

/* With the driver's own reference to the body. */
void world_post(struct wr_world *w, wr_host from, wr_host to,
                const struct wr_msg *m, wr_time at)
{
    const struct wr_body *body = wr_msg_body_of(m);
    const struct wr_held *held = NULL;

    if (body != NULL && body->id != 0) {
        held = wr_bodies_get(&w->bodies, from, *body);
        w->bodies_wrong += held == NULL;
    }
    world_push(w, at, WORLD_DELIVER, from, to,
               world_must(wr_parcel_message(
                   &w->parcels, m, held != NULL ? &held->digest : NULL)));
}

static struct wr_sim_link *link_at(struct wr_world *w, wr_host h, wr_host peer)
{
    return wr_links_at(&w->hosts[h].links, peer, w->cfg.node.peers_max);
}

/* The first message between two that are up sets a link up. */
static void connect(struct wr_world *w, wr_host from, wr_host to)
{
    struct wr_sim_link *l = world_must(link_at(w, from, to));

    if (l->epoch == w->hosts[to].epoch)
        return;
    *l = (struct wr_sim_link){.peer = l->peer,
                              .epoch = w->hosts[to].epoch & EPOCH_MASK};
    w->setups_n++;
    w->setup_bytes += w->dial_bytes + w->accept_bytes;
    w->hosts[from].sent_bytes += w->dial_bytes;
    w->hosts[from].recv_bytes += w->accept_bytes;
    w->hosts[to].sent_bytes += w->accept_bytes;
    w->hosts[to].recv_bytes += w->dial_bytes;
}

static void refuse(struct wr_world *w, wr_host from, wr_host to)
{
    struct wr_sim_link *l;

    w->lost++;
    if (!w->cfg.resets)
        return;
    l = world_must(link_at(w, from, to));
    if (l->dials != 0)
        return; /* One dial for all that waits. */
    l->dials = 1;
    world_push(w, w->now + 2 * latency(w, from, to), WORLD_BROKEN, to, from,
               NULL);
}

/* The last word on a link: a driver sends it to the end before it closes, TCP
 * repeats what is lost of it (C9), and nobody would say it again. */
static bool is_last_word(unsigned kind)
{
    return kind == WR_MSG_BYE;
}

unsigned world_carry(struct wr_world *w, wr_host from, wr_host to,
                     unsigned kind, uint64_t bytes, wr_time ret[2])
{
    w->sent++;
    w->sent_n[kind]++;
    w->sent_bytes[kind] += bytes;
    w->hosts[from].sent_bytes += bytes;
    if (!reach(w, from, to) ||
        (wr_simnet_loses(&w->net, &w->rng) && !is_last_word(kind))) {
        w->lost++;
        return 0;
    }
    if (!wr_world_is_up(w, to)) {
        refuse(w, from, to);
        return 0;
    }
    connect(w, from, to);
    w->hosts[to].recv_bytes += bytes;
    return wr_simnet_send(&w->net, &w->rng, w->now, from, to, bytes, ret);
}

static void transmit(struct wr_world *w, wr_host from, const struct wr_fx *fx)
{
    const wr_host to = fx->to;
    wr_time at[2];
    unsigned times;

    if (has_uplink(w, to))
        wr_uplink_transmit(w, from, to, &fx->msg);
    else if (wr_host_is_leaf(to))
        world_post(w, from, to, &fx->msg, w->now + latency(w, from, to));
    if (to >= w->cfg.hosts)
        return;
    times =
        world_carry(w, from, to, fx->msg.kind, wr_cost_message(&fx->msg), at);
    for (unsigned i = 0; i < times; i++)
        world_post(w, from, to, &fx->msg, at[i]);
}

void wr_world_ask(struct wr_world *w, wr_host leaf, wr_host parent,
                  const struct wr_msg *m)
{
    const struct wr_id *body = m->kind == WR_MSG_PUT ? &m->put.digest : NULL;

    world_push(w, w->now + latency(w, leaf, parent), WORLD_DELIVER, leaf,
               parent, world_must(wr_parcel_message(&w->parcels, m, body)));
}

/* ---- effects ------------------------------------------------------------- */

void world_trace(const struct wr_world *w, wr_host h, const char *what,
                 wr_host other, unsigned a, unsigned b)
{
    if (w->cfg.trace)
        fprintf(stderr, "%10.3f  %3u  %s %d  %u.%u\n", (double)w->now / 1e6, h,
                what, other == WR_NO_HOST ? -1 : (int)other, a, b);
}

void world_save(struct wr_world_host *host)
{
    const struct wr_roster *r = &host->node->roster;

    host->saving = false;
    host->incarnation = wr_node_incarnation(host->node);
    host->known = host->known || host->joined;
    host->saved =
        world_must(realloc(host->saved, (r->n + 1) * sizeof(host->saved[0])));
    memcpy(host->saved, r->v, r->n * sizeof(r->v[0]));
    host->saved_n = r->n;
}

static wr_time save_us(struct wr_world *w)
{
    return SAVE_MIN_US + wr_rng_below(&w->rng, SAVE_MORE_US);
}

/* What a crash overtakes is lost. */
static void persist(struct wr_world *w, wr_host h)
{
    struct wr_world_host *host = &w->hosts[h];

    if (host->saving)
        return;
    host->saving = true;
    world_push(w, wr_time_max(w->now, host->save_at) + save_us(w), WORLD_SAVED,
               h, h, NULL);
    host->save_at = wr_time_max(w->now, host->save_at) + SAVE_AGAIN_US;
}

static bool others_are_in(const struct wr_world *w, wr_host h)
{
    for (wr_host k = 0; k < w->cfg.hosts; k++)
        if (k != h && w->hosts[k].node != NULL && w->hosts[k].joined)
            return true;
    return false;
}

static void on_note(struct wr_world *w, wr_host h, const struct wr_fx *fx)
{
    const wr_host of = fx->note.host;

    world_trace(w, h, wr_note_text(fx->note.note), of,
                fx->note.ref == WR_NO_REF ? 0 : wr_ref_host(fx->note.ref),
                fx->note.ref == WR_NO_REF ? 0 : wr_ref_index(fx->note.ref));
    if (fx->note.note == WR_NOTE_PEER_DEAD && wr_world_is_up(w, of) &&
        w->hosts[of].joined)
        w->false_deaths++;
    if (fx->note.note == WR_NOTE_PEER_BACK)
        w->backs++;
    if (fx->note.note == WR_NOTE_RING_STARTED)
        w->false_starts += others_are_in(w, h);
    if (fx->note.note == WR_NOTE_JOINED) {
        w->hosts[h].joined = true;
        persist(w, h);
    }
    if (fx->note.note == WR_NOTE_LEFT)
        world_push(w, w->now, WORLD_GONE, h, h, NULL);
}

static void on_done(struct wr_world *w, wr_host h, const struct wr_fx *fx)
{
    if (w->hosts[h].leaving && fx->done.token == WORLD_LEAVE_TOKEN) {
        w->hosts[h].leaving = fx->done.status == WR_STATUS_OK;
        if (w->hosts[h].leaving)
            world_push(w, w->now + save_us(w), WORLD_FAREWELL, h, h, NULL);
    } else if (w->done != NULL) {
        w->done(w, h, fx);
    }
}

/* Effects are unordered: what borrows a body comes before its release. */
static void release(struct wr_world *w, wr_host h)
{
    for (uint32_t i = 0; i < w->out.n; i++)
        if (w->out.v[i].kind == WR_FX_RELEASE &&
            !wr_bodies_release(&w->bodies, h, w->out.v[i].release))
            w->bodies_wrong++;
}

static void perform(struct wr_world *w, wr_host h)
{
    for (uint32_t i = 0; i < w->out.n; i++) {
        const struct wr_fx *fx = &w->out.v[i];

        switch ((unsigned)fx->kind) {
        case WR_FX_SEND:
            transmit(w, h, fx);
            break;
        case WR_FX_NOTE:
            on_note(w, h, fx);
            break;
        case WR_FX_PERSIST:
            persist(w, h);
            break;
        case WR_FX_DONE:
            on_done(w, h, fx);
            break;
        case WR_FX_RELEASE:
            break;
        default:
            WR_CHECK(wr_fx_of_store(fx->kind));
            world_submit(w, h, fx);
            break;
        }
    }
    release(w, h);
    WR_CHECK(w->out.dropped == 0);
    wr_outbox_clear(&w->out);
}

/* By our clock. */
static wr_time deadline(const struct wr_world *w, wr_host h)
{
    const struct wr_world_host *host = &w->hosts[h];
    const wr_time at = host->due_at;
    const wr_time ahead = world_time(w, h) - w->now;

    if (at == WR_NEVER)
        return at;
    return at > ahead ? at - ahead : 0;
}

/* A tick in the queue that is not later than the deadline. Most deadlines are
 * put off before they are due, back to what was queued before them: that is
 * kept, and the tick that is not wanted any more touches nothing when it
 * comes. One that comes too early is moved on. */
static void arm(struct wr_world *w, wr_host h, wr_time at)
{
    struct wr_world_host *host = &w->hosts[h];

    if (host->tick_later_at <= w->now) /* It came while the process stood. */
        host->tick_later_at = WR_NEVER;
    if (at >= host->tick_later_at) {
        host->tick_at = host->tick_later_at;
        host->tick_later_at = WR_NEVER;
    }
    if (at >= host->tick_at)
        return;
    if (host->tick_later_at == WR_NEVER)
        host->tick_later_at = host->tick_at;
    host->tick_at = wr_time_max(at, w->now);
    world_push(w, host->tick_at, WORLD_TICK, h, h, NULL);
}

/* After each step: its effects, and its deadline. */
void world_settle(struct wr_world *w, wr_host h)
{
    struct wr_world_host *host = &w->hosts[h];

    if (host->node != NULL)
        perform(w, h);
    if (w->changed != NULL)
        w->changed(w, h);
    host->due_at = host->node != NULL ? wr_node_deadline(host->node)
                                      : wr_overlay_deadline(host->overlay);
    arm(w, h, deadline(w, h));
}

void wr_world_step(struct wr_world *w, wr_host h, const struct wr_event *ev)
{
    if (w->hosts[h].node == NULL)
        overlaid_step(w, h, ev);
    else
        wr_node_step(w->hosts[h].node, ev, world_time(w, h), &w->out);
    world_settle(w, h);
}

/* ---- delivery ------------------------------------------------------------ */

void world_admit(struct wr_world *w, wr_host to, wr_host of,
                 enum wr_roster_state state)
{
    struct wr_event ev = {.kind = WR_EV_ADMIT, .from = of};

    ev.admit.state = (uint8_t)state;
    ev.admit.incarnation = w->hosts[of].incarnation;
    wr_world_step(w, to, &ev);
}

bool world_greet(struct wr_world *w, const struct wr_sim_event *e)
{
    struct wr_sim_link *l = world_must(link_at(w, e->to, e->from));

    if (l->epoch == e->from_epoch && l->told != 0)
        return false;
    l->epoch = e->from_epoch & EPOCH_MASK;
    l->told = 1;
    return true;
}

/* What a link's HELLO and CARDs do before the first message: whoever says that
 * one has left has its farewell, and hands it on. */
static void introduce(struct wr_world *w, const struct wr_sim_event *e,
                      const struct wr_msg *m)
{
    struct wr_world_host *to = &w->hosts[e->to];
    struct wr_event ev = {.kind = WR_EV_LINK_UP, .from = e->from};

    if (world_greet(w, e)) {
        ev.incarnation = w->hosts[e->from].incarnation;
        wr_world_step(w, e->to, &ev);
        if (to->node->cfg.roster_max > 0)
            world_admit(w, e->to, e->from, WR_ROSTER_ADMITTED);
    }
    if (m->kind == WR_MSG_BYE && m->bye.why == WR_BYE_LEFT)
        world_admit(w, e->to, e->from, WR_ROSTER_LEFT);
    if (m->kind != WR_MSG_ROSTER && m->kind != WR_MSG_ROSTER_ASK)
        return;
    for (uint8_t i = 0; i < m->roster.n; i++)
        if (m->roster.entries[i].state == WR_ROSTER_LEFT)
            world_admit(w, e->to, m->roster.entries[i].host, WR_ROSTER_LEFT);
}

static void mix(struct wr_world *w, uint64_t v)
{
    struct wr_rng r = {w->digest ^ v};

    w->digest = wr_rng_next(&r);
}

void world_digest(struct wr_world *w, const struct wr_sim_event *e,
                  unsigned kind, uint64_t number)
{
    mix(w, e->at ^ (uint64_t)e->to << 40 ^ (uint64_t)e->from << 20 ^ kind);
    mix(w, number);
}

/* A connection dies with either end's process, and with the cut. */
bool world_stands(const struct wr_world *w, const struct wr_sim_event *e)
{
    return reach(w, e->from, e->to) &&
           (!wr_world_is_up(w, e->from) ||
            w->hosts[e->from].epoch == e->from_epoch);
}

/* Into the core of `to`, which owns the body from now on. */
static void receive(struct wr_world *w, const struct wr_sim_event *e,
                    struct wr_msg *m, const struct wr_id *digest)
{
    struct wr_event ev = {.kind = WR_EV_RECV, .from = e->from, .msg = m};
    struct wr_body *body = wr_msg_body(m);

    if (m->bad_body && body != NULL)
        *body = (struct wr_body){0};
    else if (body != NULL && (body->id != 0 || wr_host_is_leaf(e->from)))
        *body = wr_bodies_give(&w->bodies, e->to, digest, body->len);
    wr_world_step(w, e->to, &ev);
}

/* What a liar has made of an answer with a chunk; false: nothing came. */
static bool twist(const struct wr_world *w, wr_host from, struct wr_msg *m,
                  struct wr_id *digest)
{
    struct wr_rng r = {w->cfg.seed ^ (from + 1) * UINT64_C(0x9e3779b97f4a7c15)};

    if (m->kind != WR_MSG_DATA ||
        wr_rng_below(&r, 1000) >= w->cfg.liars_permille)
        return true;
    if (wr_rng_below(&r, 2) == 0)
        return false;
    if (m->data.body.id != 0) {
        m->bad_body = 1;
        digest->b[0] ^= 1;
    }
    return true;
}

static void deliver_leaf(struct wr_world *w, const struct wr_sim_event *e)
{
    struct wr_msg m = {0};
    struct wr_id body = {0};

    if (w->leaf == NULL)
        return;
    if (!has_uplink(w, e->to)) {
        if (!wr_world_is_up(w, e->from) ||
            w->hosts[e->from].epoch != e->from_epoch)
            return;
    } else if (!wr_uplink_current(w, e->to)) {
        return;
    } else if (e->kind != WORLD_DELIVER) {
        wr_uplink_news(w, e->to, e->kind == WORLD_UPLINK);
        return;
    }
    if (!world_unpack(w, e, &m, &body) || !twist(w, e->from, &m, &body))
        return;
    if (has_uplink(w, e->to))
        world_digest(w, e, m.kind, m.rid);
    w->leaf(w, e->from, e->to, &m, &body);
}

static void deliver(struct wr_world *w, const struct wr_sim_event *e)
{
    struct wr_msg m = {0};
    struct wr_id body = {0};

    if (!world_unpack(w, e, &m, &body))
        return;
    if (has_uplink(w, e->from)) {
        world_digest(w, e, m.kind, m.rid);
        if (wr_uplink_answers(w, e->to, e->from, &m))
            return;
    }
    if (wr_host_is_leaf(e->from)) {
        receive(w, e, &m, &body);
        return;
    }
    if (!world_stands(w, e))
        return;
    if (!twist(w, e->from, &m, &body))
        return;
    introduce(w, e, &m);
    w->delivered++;
    world_digest(w, e, m.kind, m.rid);
    if (w->cfg.trace)
        fprintf(stderr, "%10.3f  %3u <- %3u  %s %u to %u\n",
                (double)w->now / 1e6, e->to, e->from, wr_msg_name(m.kind),
                m.from, m.to);
    receive(w, e, &m, &body);
}

static void broken(struct wr_world *w, const struct wr_sim_event *e)
{
    const struct wr_event ev = {.kind = WR_EV_LINK_DOWN, .from = e->from};
    struct wr_sim_link *l = wr_links_find(&w->hosts[e->to].links, e->from);

    if (l != NULL)
        *l = (struct wr_sim_link){.peer = l->peer};
    wr_world_step(w, e->to, &ev);
}

static void tick(struct wr_world *w, const struct wr_sim_event *e)
{
    struct wr_world_host *to = &w->hosts[e->to];
    wr_time at;

    if (e->at != to->tick_at)
        return; /* Another, earlier one has replaced it. */
    to->tick_at = to->tick_later_at > w->now ? to->tick_later_at : WR_NEVER;
    to->tick_later_at = WR_NEVER;
    at = deadline(w, e->to);
    if (at > w->now) {
        arm(w, e->to, at);
        return;
    }
    if (to->node != NULL)
        wr_node_tick(to->node, world_time(w, e->to), &w->out);
    else
        wr_overlay_tick(to->overlay, w->now);
    world_settle(w, e->to);
}

static void happen(struct wr_world *w, const struct wr_sim_event *e)
{
    struct wr_world_host *to;

    if (e->kind == WORLD_ALARM) {
        w->alarm(w, e->cookie);
        return;
    }
    if (wr_host_is_leaf(e->to)) {
        deliver_leaf(w, e);
        return;
    }
    to = &w->hosts[e->to];
    if (!wr_world_is_up(w, e->to) || to->epoch != e->to_epoch)
        return;
    switch ((enum world_event)e->kind) {
    case WORLD_DELIVER:
        if (to->node != NULL)
            deliver(w, e);
        else
            overlaid_deliver(w, e);
        return;
    case WORLD_TICK:
        tick(w, e);
        return;
    case WORLD_BROKEN:
        broken(w, e);
        return;
    case WORLD_WRITTEN:
        world_written(w, e);
        return;
    case WORLD_STORED:
        world_stored(w, e);
        return;
    case WORLD_SAVED:
        world_save(to);
        return;
    case WORLD_CLOCK:
        world_clock(w, e->to);
        return;
    case WORLD_FAREWELL:
        world_farewell(w, e->to);
        return;
    case WORLD_GONE:
        to->left = to->farewell = true;
        wr_uplink_break(w, e->to, !w->cfg.resets); /* A crash would, else. */
        wr_world_crash(w, e->to);
        return;
    case WORLD_WELCOME:
        wr_uplink_welcome(w, e->to, e->from);
        return;
    case WORLD_ALARM:
    case WORLD_UPLINK:
    case WORLD_UPLINK_DOWN:
        break;
    }
    WR_UNREACHABLE();
}

void world_discard(struct wr_world *w, const struct wr_sim_event *e)
{
    if (e->kind == WORLD_DELIVER || e->kind == WORLD_WRITTEN ||
        e->kind == WORLD_STORED)
        wr_parcel_free(&w->parcels, e->parcel);
}

/* A process that stands still takes nothing in: it does so later, in the same
 * order. */
static bool postpone(struct wr_world *w, struct wr_sim_event *e)
{
    struct wr_world_host *to;

    if (e->kind == WORLD_ALARM || e->kind == WORLD_WRITTEN ||
        wr_host_is_leaf(e->to) || !wr_world_is_still(w, e->to))
        return false;
    to = &w->hosts[e->to];
    if (to->epoch != e->to_epoch ||
        (e->kind == WORLD_TICK && e->at != to->tick_at)) /* Void. */
        return false;
    if (e->kind == WORLD_TICK)
        to->tick_at = to->still_until;
    e->at = to->still_until;
    if (wr_queue_push(&w->queue, e) != WR_OK)
        world_must(NULL);
    return true;
}

void wr_world_run(struct wr_world *w, wr_time until)
{
    struct wr_sim_event e;

    while (wr_queue_pop(&w->queue, until, &e)) {
        world_look_ahead(w);
        w->now = e.at;
        if (postpone(w, &e))
            continue;
        w->events++;
        happen(w, &e);
        world_discard(w, &e);
    }
    w->now = until;
}
