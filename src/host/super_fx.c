/* super_fx.c - events into the node, its effects out into the world. */
#include "base/text.h"
#include "host/super_parts.h"
#include "sys/clock.h"
#include "sys/log.h"

static void log_note(struct wr_super *s, const struct wr_fx *fx)
{
    const enum wr_note note = fx->note.note;
    char name[9] = "-";

    if (fx->note.host < s->book.hosts_n)
        wr_host_name(s->book.hosts[fx->note.host].id.b, name);
    if (note == WR_NOTE_BAD_COPY)
        WR_LOG(WARN, "data", wr_note_text(note), WR_KV_STR("host", name));
    else if (note == WR_NOTE_PUSH_PROGRESS || note == WR_NOTE_PEER_SUSPECT ||
             note == WR_NOTE_JOINED || note == WR_NOTE_MERGING)
        WR_LOG(DEBUG, "ring", wr_note_text(note), WR_KV_STR("host", name),
               WR_KV_U64("value", fx->note.value));
    else
        WR_LOG(INFO, "ring", wr_note_text(note), WR_KV_STR("host", name),
               WR_KV_U64("value", fx->note.value));
}

static void on_note(struct wr_super *s, const struct wr_fx *fx)
{
    log_note(s, fx);
    if (fx->note.note == WR_NOTE_PUSH_PROGRESS)
        s->pushed = fx->note.value;
    if ((fx->note.note == WR_NOTE_JOINED ||
         fx->note.note == WR_NOTE_RING_STARTED) &&
        s->state == WR_SUPER_JOINING) {
        s->state = WR_SUPER_SERVING;
        WR_LOG_TEXT(INFO, "ring", "in the ring");
        s->cards.dirty = true; /* From now on we are somebody's host. */
    }
    if (fx->note.note == WR_NOTE_LEFT)
        wr_super_left(s);
}

/* R12: the node came back as somebody newer. The next start must be newer
 * still, and so must every HELLO from here on, or its links are not news. */
static void raise_incarnation(struct wr_super *s)
{
    const uint32_t now = wr_node_incarnation(s->node);

    if (now <= s->incarnation || s->hub == NULL)
        return;
    s->incarnation = now;
    wr_hub_incarnate(s->hub, now);
}

static void perform(struct wr_super *s, const struct wr_fx *fx)
{
    struct wr_msg m;
    const struct wr_body *body;

    if (s->hub == NULL && (fx->kind == WR_FX_SEND || fx->kind == WR_FX_DONE))
        return; /* The store's last answers, after the end. */
    switch ((unsigned)fx->kind) {
    case WR_FX_SEND:
        m = fx->msg;
        if (wr_host_is_leaf(fx->to))
            wr_account_done(&s->account, fx->to, &m);
        body = wr_msg_body(&m);
        wr_hub_send(s->hub, fx->to, &fx->msg,
                    body != NULL && body->id != 0
                        ? wr_bodytab_get(&s->bodies, *body)
                        : NULL);
        return;
    case WR_FX_RELEASE:
        wr_bodytab_release(&s->bodies, fx->release);
        return;
    case WR_FX_DONE:
        if (fx->done.token >= WR_SUPER_TALKS)
            wr_scrub_mended(s, (uint32_t)fx->done.token - WR_SUPER_TALKS,
                            (enum wr_status)fx->done.status);
        else
            wr_super_query_done(s, fx);
        return;
    case WR_FX_PERSIST:
        s->cards.dirty = true;
        raise_incarnation(s);
        return;
    case WR_FX_NOTE:
        on_note(s, fx);
        return;
    default:
        WR_CHECK(wr_fx_of_store(fx->kind));
        wr_super_store(s, fx);
        return;
    }
}

static void on_timer(uv_timer_t *timer)
{
    wr_super_tick(timer->data);
}

/* One timer for everything the node waits for. */
static void arm(struct wr_super *s)
{
    const wr_time at = wr_node_deadline(s->node), now = wr_clock_now();

    if (at == s->timer_at)
        return;
    s->timer_at = at;
    if (at == WR_NEVER)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timer,
                       at <= now ? 0 : (at - now + 999) / 1000, 0);
}

static void feed_later(struct wr_super *s, const struct wr_super_later *l)
{
    struct wr_event ev = {.kind = l->kind, .from = l->from};

    if (l->kind == WR_EV_STORED) {
        ev.stored.token = l->token;
        ev.stored.status = (uint8_t)l->value;
    } else if (l->kind == WR_EV_LINK_UP) {
        ev.incarnation = l->value;
    } else if (l->kind == WR_EV_ADMIT) {
        ev.admit.state = (uint8_t)wr_cards_state(&s->cards, l->from);
        ev.admit.incarnation = wr_card_of(&s->cards, l->from)->incarnation;
        ev.admit.silent_s = l->value;
    }
    wr_node_step(s->node, &ev, wr_clock_now(), &s->out);
}

/* News of who is there are written down at once, lest a crash forget them: who
 * has left says so no more once we have had time for that (A18), and who knows
 * nobody takes itself for all of its ring. What else follows in the same second
 * waits for the upkeep, for a storm of news is a big file many times over. */
void wr_super_save_soon(struct wr_super *s)
{
    const bool newcomers = s->book.hosts_n > s->hosts_saved;

    if (!s->cards.dirty || !s->opened || s->saving ||
        (s->saved_soon && !newcomers) || s->upkeeps < s->save_at ||
        s->state == WR_SUPER_STOPPING)
        return;
    s->saved_soon = true;
    wr_super_save_members(s);
}

/* Performs all effects, then what arose meanwhile, until nothing is left. */
void wr_super_drain(struct wr_super *s)
{
    WR_CHECK(!s->stepping);
    s->stepping = true;
    for (uint32_t at = 0;;) {
        for (uint32_t i = 0; i < s->out.n; i++)
            perform(s, &s->out.v[i]);
        wr_outbox_clear(&s->out);
        if (at == s->later_n)
            break;
        const struct wr_super_later l = s->later[at++];
        feed_later(s, &l);
    }
    s->later_n = 0;
    s->stepping = false;
    if (s->out.dropped > s->dropped) { /* A lost RELEASE is a lost buffer. */
        WR_LOG(ERROR, "host", "too many effects at once",
               WR_KV_U64("lost", s->out.dropped - s->dropped));
        s->dropped = s->out.dropped;
    }
    wr_super_save_soon(s);
    arm(s);
}

void wr_super_feed(struct wr_super *s, const struct wr_event *ev)
{
    WR_CHECK(!s->stepping);
    wr_node_step(s->node, ev, wr_clock_now(), &s->out);
    wr_super_drain(s);
}

void wr_super_tick(struct wr_super *s)
{
    s->timer_at = 0;
    wr_node_tick(s->node, wr_clock_now(), &s->out);
    wr_super_drain(s);
}

void wr_super_later(struct wr_super *s, const struct wr_super_later *event)
{
    if (s->later_n == WR_SUPER_LATER) {
        /* A lost LINK_DOWN costs patience, a lost STORED a deadline. */
        WR_LOG(WARN, "host", "too many events at once",
               WR_KV_U64("kind", event->kind));
        return;
    }
    s->later[s->later_n++] = *event;
    if (!s->stepping)
        wr_super_drain(s);
}
