/* script.c - see script.h: names, nodes, their effects in words, time. */
#include "script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LATENCY_MS = 10 };

struct script script;

void script_begin(void)
{
    static const uint8_t ring[32] = "transcript";

    memset(&script, 0, sizeof(script));
    script.now = WR_SEC(1);
    script.cfg = wr_node_cfg_default(0, 1);
    script.cfg.succs = 2;
    script.cfg.jitter_permille = 0;
    script.cfg.finger_us = WR_NEVER;
    script.cfg.roster_us = WR_NEVER;
    script.cfg.probe_dead_us = WR_NEVER;
    script.cfg.roster_max = 0;
    script.cfg.copies = 1;
    script.cfg.peers_max = SCRIPT_HOSTS;
    script.cfg.routes_max = 4 * SCRIPT_HOSTS;
    script.cfg.lookups_max = script.cfg.ops_max = script.cfg.have_ops_max = 4;
    if (wr_book_init(&script.book, ring, SCRIPT_HOSTS, 256) != WR_OK ||
        wr_outbox_init(&script.out, 1024, 1 << 16) != WR_OK)
        script_stop("no", "memory");
}

void script_end(void)
{
    for (wr_host h = 0; h < script.hosts; h++)
        wr_node_close(script.nodes[h]);
    wr_book_done(&script.book);
    wr_outbox_done(&script.out);
}

void script_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(script.text + script.text_n,
                            SCRIPT_OUT - script.text_n, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < SCRIPT_OUT - script.text_n)
        script.text_n += (size_t)n;
}

void script_stop(const char *what, const char *word)
{
    fprintf(stderr, "%s: %s\n", what, word);
    exit(2);
}

/* ---- names --------------------------------------------------------------- */

static wr_host host_of(const char *word, size_t n)
{
    for (wr_host h = 0; h < script.hosts; h++) {
        if (strlen(script.names[h]) == n &&
            strncmp(script.names[h], word, n) == 0)
            return h;
    }
    script_stop("no such host", word);
    return WR_NO_HOST;
}

wr_host script_host_named(const char *word)
{
    return host_of(word, strcspn(word, "."));
}

wr_ref script_ref_named(const char *word)
{
    const char *dot = strchr(word, '.');

    if (strcmp(word, "-") == 0)
        return WR_NO_REF;
    return wr_ref_of(script_host_named(word),
                     dot == NULL ? 0 : (unsigned)strtoul(dot + 1, NULL, 10));
}

const char *script_name_of(wr_ref r)
{
    static char names[8][24];
    static unsigned turn;
    char *name = names[turn++ % 8];

    if (r == WR_NO_REF || wr_ref_host(r) >= script.hosts)
        return "-";
    if (script.book.hosts[wr_ref_host(r)].members == 1)
        snprintf(name, sizeof(names[0]), "%s", script.names[wr_ref_host(r)]);
    else
        snprintf(name, sizeof(names[0]), "%s.%u", script.names[wr_ref_host(r)],
                 wr_ref_index(r));
    return name;
}

static unsigned rid_number(uint64_t rid)
{
    for (uint32_t i = 0; i < script.rids_n; i++) {
        if (script.rids[i] == rid)
            return i + 1;
    }
    if (script.rids_n == SCRIPT_RIDS)
        script_stop("too many", "requests");
    script.rids[script.rids_n++] = rid;
    return script.rids_n;
}

/* ---- what nodes do ---------------------------------------------------------
 */

void script_say_refs(const char *title, const wr_ref *v, size_t n)
{
    script_say(" %s=", title);
    for (size_t i = 0; i < n; i++)
        script_say("%s%s", i == 0 ? "" : ",", script_name_of(v[i]));
    if (n == 0)
        script_say("-");
}

static void say_view(const struct wr_msg *m)
{
    static const char *const states[] = {"member", "pending", "not-member"};

    script_say(" %s", states[m->view.state % 3]);
    if (m->view.state == WR_VIEW_MEMBER) {
        script_say(" pred=%s", script_name_of(m->view.pred));
        script_say_refs("succs", m->view.succs, m->view.succs_n);
    }
}

static void say_msg(wr_host from, wr_host to, const struct wr_msg *m)
{
    const wr_ref a = wr_ref_of(from, m->from == WR_MEMBER_NONE ? 0 : m->from);
    const wr_ref b = wr_ref_of(to, m->to == WR_MEMBER_NONE ? 0 : m->to);

    script_say("%s -> %s  %s",
               m->from == WR_MEMBER_NONE ? script.names[from]
                                         : script_name_of(a),
               m->to == WR_MEMBER_NONE ? script.names[to] : script_name_of(b),
               wr_msg_name(m->kind));
    switch (m->kind) {
    case WR_MSG_VIEW:
        say_view(m);
        break;
    case WR_MSG_NOTIFY:
        if (m->notify.as == WR_NOTIFY_PRED)
            script_say(" let me in");
        if (m->notify.between != WR_NO_REF)
            script_say(" behind %s", script_name_of(m->notify.between));
        break;
    case WR_MSG_HINT:
        script_say(" %s", script_name_of(m->hint.member));
        break;
    case WR_MSG_PROBE:
        script_say(" %s", script.names[m->probe.target]);
        break;
    case WR_MSG_PROBED:
        script_say(" %s %s", script.names[m->probe.target],
                   m->probe.alive ? "alive" : "silent");
        break;
    case WR_MSG_BYE:
        script_say(" %s", m->bye.why == WR_BYE_LEFT ? "left" : "soon");
        break;
    case WR_MSG_NEXT_ASK:
        script_say(" %02x", m->next_ask.key.b[0]);
        if (m->next_ask.without != WR_NO_HOST)
            script_say(" without=%s", script.names[m->next_ask.without]);
        break;
    case WR_MSG_NEXT:
        script_say(" %s", m->next.final ? "final" : "nearer");
        script_say_refs("nodes", m->next.nodes, m->next.n);
        break;
    case WR_MSG_ROSTER_ASK:
    case WR_MSG_ROSTER:
        script_say(" entries=%u", m->roster.n);
        break;
    default:
        break;
    }
    if (m->rid != 0)
        script_say("  #%u", rid_number(m->rid));
    script_say("\n");
}

static bool has_entries(const struct wr_msg *m)
{
    return (m->kind == WR_MSG_ROSTER || m->kind == WR_MSG_ROSTER_ASK) &&
           m->roster.n > 0;
}

static void fly(wr_host from, wr_host to, const struct wr_msg *m)
{
    struct script_flight *f = &script.flights[script.flights_n];
    const wr_ref *refs = NULL;
    size_t n = 0;

    if (script.flights_n == SCRIPT_FLIGHTS)
        script_stop("too many", "messages under way");
    script.flights_n++;
    *f = (struct script_flight){.at = script.now + WR_MS(LATENCY_MS),
                                .from = from,
                                .to = to,
                                .msg = *m};
    if (m->kind == WR_MSG_VIEW) {
        refs = m->view.succs;
        n = m->view.succs_n;
        f->msg.view.succs = NULL; /* Set when it arrives: flights move. */
    } else if (m->kind == WR_MSG_NEXT) {
        refs = m->next.nodes;
        n = m->next.n;
    } else if (has_entries(m)) {
        memcpy(f->entries, m->roster.entries,
               m->roster.n * sizeof(f->entries[0]));
    }
    if (n > 0)
        memcpy(f->refs, refs, n * sizeof(wr_ref));
}

void script_perform(wr_host h)
{
    wr_token walked[2];
    unsigned walked_n = 0;

    for (uint32_t i = 0; i < script.out.n; i++) {
        const struct wr_fx *fx = &script.out.v[i];

        script_say("%8.3f  ", (double)script.now / 1e6);
        switch ((unsigned)fx->kind) {
        case WR_FX_SEND:
            say_msg(h, fx->to, &fx->msg);
            if (script.nodes[fx->to] != NULL &&
                script.away[h] == script.away[fx->to])
                fly(h, fx->to, &fx->msg);
            break;
        case WR_FX_NOTE:
            script_say("%s: %s", script.names[h], wr_note_text(fx->note.note));
            if (fx->note.ref != WR_NO_REF)
                script_say(" (%s)", script_name_of(fx->note.ref));
            else if (fx->note.host != h && fx->note.host < script.hosts)
                script_say(" (%s)", script.names[fx->note.host]);
            script_say("\n");
            break;
        case WR_FX_PERSIST:
            script_say("%s: writes its roster down\n", script.names[h]);
            break;
        case WR_FX_DONE:
            script_say("%s: done, %s\n", script.names[h],
                       wr_status_name(fx->done.status));
            break;
        case WR_FX_STORE_NEXT:
        case WR_FX_STORE_ROOT_NEXT:
            script_say("%s: walks its store, which is empty\n",
                       script.names[h]);
            walked[walked_n++ % 2] = fx->store.token;
            break;
        case WR_FX_RELEASE:
            script_say("%s: asks its store\n", script.names[h]);
            break;
        default:
            script_say("%s: %s\n", script.names[h],
                       wr_fx_of_store(fx->kind) ? "asks its store"
                                                : "does something else");
            break;
        }
    }
    wr_outbox_clear(&script.out);
    for (unsigned i = 0; i < walked_n && i < 2; i++) {
        struct wr_event ev = {.kind = WR_EV_STORED};

        ev.stored.token = walked[i];
        ev.stored.status = WR_STATUS_OK;
        script_step(h, &ev);
    }
}

void script_step(wr_host h, const struct wr_event *ev)
{
    if (script.nodes[h] == NULL)
        script_stop("no node", script.names[h]);
    wr_node_step(script.nodes[h], ev, script.now, &script.out);
    script_perform(h);
}

/* ---- time ------------------------------------------------------------------
 */

/* Whoever says that one has left has its farewell, which goes before. */
static void hand_farewells(const struct script_flight *f)
{
    for (uint8_t i = 0; i < f->msg.roster.n; i++) {
        struct wr_event ev = {.kind = WR_EV_ADMIT, .from = f->entries[i].host};

        ev.admit.state = WR_ROSTER_LEFT;
        ev.admit.incarnation = f->entries[i].incarnation;
        if (f->entries[i].state == WR_ROSTER_LEFT)
            script_step(f->to, &ev);
    }
}

static void land(void)
{
    struct script_flight f = script.flights[0];
    struct wr_event ev = {.kind = WR_EV_RECV, .from = f.from, .msg = &f.msg};

    script.flights_n--;
    memmove(&script.flights[0], &script.flights[1],
            script.flights_n * sizeof(f));
    if (f.msg.kind == WR_MSG_VIEW)
        f.msg.view.succs = f.refs;
    else if (f.msg.kind == WR_MSG_NEXT)
        f.msg.next.nodes = f.refs;
    else if (has_entries(&f.msg))
        f.msg.roster.entries = f.entries;
    if (script.nodes[f.to] == NULL || script.away[f.from] != script.away[f.to])
        return;
    if (has_entries(&f.msg))
        hand_farewells(&f);
    script_step(f.to, &ev);
}

void script_run(wr_time until)
{
    for (;;) {
        wr_time at = WR_NEVER;
        wr_host who = WR_NO_HOST;

        for (wr_host h = 0; h < script.hosts; h++) {
            if (script.nodes[h] != NULL &&
                wr_node_deadline(script.nodes[h]) < at) {
                at = wr_node_deadline(script.nodes[h]);
                who = h;
            }
        }
        if (script.flights_n > 0 && script.flights[0].at <= at) {
            at = script.flights[0].at;
            who = WR_NO_HOST;
        }
        if (at > until)
            break;
        script.now = wr_time_max(script.now, at);
        if (who == WR_NO_HOST) {
            land();
        } else {
            wr_node_tick(script.nodes[who], script.now, &script.out);
            script_perform(who);
        }
    }
    script.now = until;
}
