/* fuzz_check.c - what must hold in a life, and what excuses that it does not.
 */
#include <stdarg.h>
#include <stdio.h>

#include "fuzz_private.h"
#include "world_private.h"

/*
 * The one place of all excuses (but lets_in() below: it is for a moment). The
 * proof of I1 and I2 assumes that nobody alive is held for dead, and that no
 * failure takes a member's last live entry or a principal too many
 * (docs/protocol.md, "Invariant"). From when that is broken until the ring is
 * ideal again, a violation of I1 or I2 is counted, and is no failure. Order of
 * lists, data, lookups in a quiet ring, ends of requests, and convergence have
 * no excuse.
 *
 * What no protocol could survive is not done in the first place: a ring of
 * one-member hosts keeps r + 2 of them (wr_plan_least), and the last good copy
 * is spared (wr_data_rot, wr_data_wipe).
 */
static const char *const excuses[] = {
    [EXCUSE_FALSE_DEATH] = "somebody alive was held for dead",
    [EXCUSE_FALSE_START] = "a host began alone, for the others were silent",
    [EXCUSE_STILL_DEAD] = "somebody is back, and still held for dead",
    /* The proof's steps are atomic; an answer on its way is not. */
    [EXCUSE_UNDER_WAY] = "a member failed while its answer was under way",
    [EXCUSE_TOO_MANY] = "too many members failed before repair (A1, A2)",
    [EXCUSE_CUT] = "the network is cut",
    [EXCUSE_ALL_DOWN] = "all hosts went down",
};

static void say(const struct life *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct life *l, const char *fmt, ...)
{
    va_list ap;

    if (!l->w.cfg.trace)
        return;
    fprintf(stderr, "%10.3f       ", (double)l->w.now / 1e6);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

void life_excuse(struct life *l, enum life_excuse why)
{
    if (!l->excused) {
        l->ret->breaks++;
        say(l, "assumption broken: %s", excuses[why]);
    }
    l->excused = true;
}

/* Every member, with the first bytes of the ids in its list. */
static void dump(const struct life *l)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        for (uint8_t i = 0; wr_world_is_up(&l->w, h) && i < l->w.cfg.members;
             i++) {
            const struct wr_ring *r = &l->w.hosts[h].node->core.rings[i];
            char text[WR_FUZZ_TEXT_MAX] = "";
            size_t n = 0;

            for (uint8_t k = 0; k < r->succs_n; k++)
                n +=
                    (size_t)snprintf(text + n, sizeof(text) - n, " %02x",
                                     wr_book_id(&l->w.book, r->succs[k])->b[0]);
            say(l, "%02x %u.%u phase %u op %u:%s",
                wr_book_id(&l->w.book, r->self)->b[0], h, i, r->phase, r->op,
                text);
        }
    }
}

static void fail(struct life *l, const char *why, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(struct life *l, const char *why, const char *fmt, ...)
{
    va_list ap;

    if (life_fails(l))
        return;
    snprintf(l->ret->why, sizeof(l->ret->why), "%s", why);
    va_start(ap, fmt);
    vsnprintf(l->ret->detail, sizeof(l->ret->detail), fmt, ap);
    va_end(ap);
    say(l, "%s: %s", why, l->ret->detail);
    dump(l);
}

void life_fail(struct life *l, const char *why, const struct wr_check *k)
{
    const bool any = k->first_wrong != WR_NO_REF;

    fail(l, why,
         "members %u, principals %u, starved %u, unordered %u, rings %u, off "
         "the ring %u, not ideal %u (first %d.%d)",
         k->members, k->principals, k->starved, k->unordered, k->rings,
         k->off_ring, k->not_ideal, any ? (int)wr_ref_host(k->first_wrong) : -1,
         any ? wr_ref_index(k->first_wrong) : -1);
}

bool life_ideal(struct life *l, struct wr_check *ret)
{
    wr_check(&l->w, ret);
    return wr_check_ideal(&l->w, ret);
}

/* Somebody came back, and not everybody knows yet. */
static bool believed_dead(const struct life *l)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        const struct wr_world_host *host = &l->w.hosts[h];

        for (uint32_t i = 0; host->node != NULL && i < host->node->peers.n;
             i++) {
            const struct wr_peers *p = &host->node->peers;

            if (p->v[i].state > WR_PEER_PROBED &&
                l->w.hosts[p->hosts[i]].joined)
                return true;
        }
    }
    return false;
}

/* Some member has a head that it has let in and that has not heard so yet (R2):
 * in a moment it is a member, or knocks again. The next look judges anew. */
static bool lets_in(const struct life *l)
{
    for (wr_host h = 0; h < l->w.cfg.hosts; h++)
        for (uint8_t i = 0; wr_world_is_up(&l->w, h) && i < l->w.cfg.members;
             i++) {
            const struct wr_ring *r = &l->w.hosts[h].node->core.rings[i];

            if (r->phase == WR_RING_OUT && r->op == WR_OP_JOIN &&
                wr_world_is_up(&l->w, wr_ref_host(r->op_peer)) &&
                l->w.hosts[wr_ref_host(r->op_peer)]
                        .node->core.rings[wr_ref_index(r->op_peer)]
                        .succs[0] == r->self)
                return true;
        }
    return false;
}

static void check_ring(struct life *l)
{
    const wr_time answer = 2 * wr_simnet_most(&l->w.net) + WR_SEC(1);
    const bool learnt = l->w.backs != l->backs;
    struct wr_check k;

    l->backs = l->w.backs;
    wr_check(&l->w, &k);
    if (l->w.false_deaths != l->false_deaths) {
        l->false_deaths = l->w.false_deaths;
        life_excuse(l, EXCUSE_FALSE_DEATH);
    }
    if (l->w.false_starts != l->false_starts) {
        l->false_starts = l->w.false_starts;
        life_excuse(l, EXCUSE_FALSE_START);
    }
    if (k.unordered > 0)
        life_fail(l, "a list is out of order", &k);
    if (wr_check_ideal(&l->w, &k) && !l->cut) {
        l->excused = false;
    } else if (!wr_check_invariant(&l->w, &k) && !l->excused) {
        if (learnt || believed_dead(l))
            life_excuse(l, EXCUSE_STILL_DEAD);
        else if (l->w.now - l->lost_at <= answer)
            life_excuse(l, EXCUSE_UNDER_WAY);
        else if (!lets_in(l))
            life_fail(l, "the invariant is violated", &k);
    }
}

/* A1 or A2 may be broken by that very failure. */
void life_check_loss(struct life *l)
{
    struct wr_check k;

    l->lost_at = l->w.now;
    wr_check(&l->w, &k);
    if (!wr_check_invariant(&l->w, &k))
        life_excuse(l, EXCUSE_TOO_MANY);
}

/* Who left since the last look went just now: a leave takes its time. */
static void check_left(struct life *l)
{
    uint32_t farewells = 0, leaving = 0;

    for (wr_host h = 0; h < l->w.cfg.hosts; h++) {
        farewells += l->w.hosts[h].farewell;
        leaving += l->w.hosts[h].leaving;
    }
    if (farewells != l->farewells)
        life_check_loss(l);
    if (farewells != l->farewells || leaving > 0)
        wr_data_leaving(&l->data);
    l->farewells = farewells;
}

void life_fail_item(struct life *l, const char *why, uint32_t item)
{
    const struct wr_data *d = &l->data;

    fail(l, why,
         "item %u (%s), last wrong answer %s; acknowledged with %u copies; "
         "whole on %u disks, %u of them up",
         item, d->items[item].root ? "root" : "chunk",
         wr_status_name(d->wrong_status), d->items[item].copies,
         wr_data_holders(d, item, false), wr_data_holders(d, item, true));
}

void life_fail_sweep(struct life *l, wr_host h)
{
    const struct wr_core *c = &l->w.hosts[h].node->core;

    fail(l, "a sweep does not end",
         "host %u, %s, its clock %s, %u per mille of pass %llu", h,
         c->reap->on ? "at work" : "at rest",
         wr_core_wall_s(c) > 0 ? "known" : "unknown", wr_reap_permille(c->reap),
         (unsigned long long)c->reap->passes + 1);
}

bool life_knows_all(const struct life *l)
{
    const struct wr_world_cfg *w = &l->w.cfg;

    return w->node.routes_max >= (w->hosts - 1) * w->members;
}

uint32_t life_misplaced(const struct life *l, struct wr_copies *ret)
{
    struct wr_circle all;
    uint32_t i = 0;

    if (wr_circle_init(&all, &l->w.book) != WR_OK)
        world_must(NULL);
    for (; i < l->data.items_n; i++) {
        const struct wr_data_item *it = &l->data.items[i];

        if (!it->acked)
            continue;
        wr_copies_of(&l->w, &all, it->root, &it->key, ret);
        if (ret->stand < ret->want || ret->strays > 0)
            break;
    }
    wr_circle_done(&all);
    return i;
}

void life_fail_placed(struct life *l, uint32_t item, const struct wr_copies *k)
{
    fail(l, "a copy is missing, or not where it belongs",
         "item %u (%s): %u of %u copies stand, and %u elsewhere", item,
         l->data.items[item].root ? "root" : "chunk", k->stand, k->want,
         k->strays);
}

static void check_data(struct life *l)
{
    const struct wr_data *d = &l->data;

    if (d->why != NULL)
        life_fail_item(l, d->why, d->wrong_item);
    if (l->puts.why != NULL)
        fail(l, l->puts.why,
             "put %u at host %d, phase %u, kept %d, given up %d", l->puts.wrong,
             (int)l->puts.wrong_host, l->puts.v[l->puts.wrong].phase,
             l->puts.v[l->puts.wrong].kept, l->puts.v[l->puts.wrong].given_up);
    if (l->w.codec_wrong > 0)
        fail(l, "a message breaks a limit", "%llu of them",
             (unsigned long long)l->w.codec_wrong);
    if (l->w.bodies_wrong > 0)
        fail(l, "a body is released twice", "%llu of them",
             (unsigned long long)l->w.bodies_wrong);
}

void life_check(struct life *l)
{
    const char *full = wr_check_caps(&l->w);

    check_left(l);
    check_ring(l);
    check_data(l);
    if (full != NULL)
        fail(l, "a table is beyond its cap", "%s", full);
}
