/*
 * runner.c - plays transcripts: scripts of events for one or a few nodes, each
 * followed by everything that the nodes did.
 *
 *     runner [--rewrite] FILE...
 *
 * A file is a list of blocks: commands, one a line, a line `----`, the output,
 * an empty line. Other paragraphs are commentary. Time is virtual, jitter is 0,
 * and request ids are numbered as they appear (#1, #2 ...), so the output is
 * exact.
 * --rewrite writes the files anew with what the nodes do now: read the
 * difference before you commit it. Output is TAP, one line per file.
 *
 *     host NAME HEX...          a host and the positions of its members
 *     cfg KEY=VALUE...          succs, round, rejoin, probe (seconds), roster
 *     node NAME...              these hosts are real; the others are the script
 *     start NAME... : NAME...   the first, real, start a ring of the second
 *     join NAME via NAME...     ... `alone`: may start a ring by itself
 *     from X[.i] to Y[.i] MSG   a message, see deliver()
 *     down X Y, up X Y INC      Y's link to X broke; came up
 *     run SECONDS               nodes tick, and their messages to each other
 *                               arrive after 10 ms
 *     cut NAME... , heal        nobody reaches these but they themselves
 *     next NAME HEX             how NAME would answer NEXT_ASK
 *     leave NAME, stop NAME, kill NAME, admit X Y
 *     show NAME...
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/node_private.h"

enum {
    HOSTS = 16,
    WORDS = 40,
    RIDS = 4096,
    FLIGHTS = 1024,
    OUT = 1 << 18,
    LATENCY_MS = 10,
};

struct flight {
    wr_time at;
    wr_host from, to;
    struct wr_msg msg;
    wr_ref refs[WR_SUCCS_MAX];
};

static struct script {
    struct wr_book book;
    struct wr_node_cfg cfg;
    char names[HOSTS][16];
    struct wr_node *nodes[HOSTS];
    bool away[HOSTS]; /* On the other side of the cut. */
    uint32_t hosts;
    wr_time now;
    struct wr_outbox out;
    uint64_t rids[RIDS];
    uint32_t rids_n;
    struct flight flights[FLIGHTS];
    uint32_t flights_n;
    char text[OUT];
    size_t text_n;
} s;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(s.text + s.text_n, OUT - s.text_n, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < OUT - s.text_n)
        s.text_n += (size_t)n;
}

static void stop(const char *what, const char *word)
{
    fprintf(stderr, "%s: %s\n", what, word);
    exit(2);
}

/* ---- names --------------------------------------------------------------- */

static wr_host host_of(const char *word, size_t n)
{
    for (wr_host h = 0; h < s.hosts; h++) {
        if (strlen(s.names[h]) == n && strncmp(s.names[h], word, n) == 0)
            return h;
    }
    stop("no such host", word);
    return WR_NO_HOST;
}

static wr_host host_named(const char *word)
{
    return host_of(word, strcspn(word, "."));
}

/* `b`, or `b.2` for its third member; `-` for none. */
static wr_ref ref_named(const char *word)
{
    const char *dot = strchr(word, '.');

    if (strcmp(word, "-") == 0)
        return WR_NO_REF;
    return wr_ref_of(host_named(word),
                     dot == NULL ? 0 : (unsigned)strtoul(dot + 1, NULL, 10));
}

static const char *name_of(wr_ref r)
{
    static char names[8][24];
    static unsigned turn;
    char *name = names[turn++ % 8];

    if (r == WR_NO_REF || wr_ref_host(r) >= s.hosts)
        return "-";
    if (s.book.hosts[wr_ref_host(r)].members == 1)
        snprintf(name, sizeof(names[0]), "%s", s.names[wr_ref_host(r)]);
    else
        snprintf(name, sizeof(names[0]), "%s.%u", s.names[wr_ref_host(r)],
                 wr_ref_index(r));
    return name;
}

static unsigned rid_number(uint64_t rid)
{
    for (uint32_t i = 0; i < s.rids_n; i++) {
        if (s.rids[i] == rid)
            return i + 1;
    }
    if (s.rids_n == RIDS)
        stop("too many", "requests");
    s.rids[s.rids_n++] = rid;
    return s.rids_n;
}

/* ---- what nodes do ---------------------------------------------------------
 */

static void say_refs(const char *title, const wr_ref *v, size_t n)
{
    say(" %s=", title);
    for (size_t i = 0; i < n; i++)
        say("%s%s", i == 0 ? "" : ",", name_of(v[i]));
    if (n == 0)
        say("-");
}

static void say_view(const struct wr_msg *m)
{
    static const char *const states[] = {"member", "pending", "not-member"};

    say(" %s", states[m->view.state % 3]);
    if (m->view.state == WR_VIEW_MEMBER) {
        say(" pred=%s", name_of(m->view.pred));
        say_refs("succs", m->view.succs, m->view.succs_n);
    }
}

static void say_msg(wr_host from, wr_host to, const struct wr_msg *m)
{
    const wr_ref a = wr_ref_of(from, m->from == WR_MEMBER_NONE ? 0 : m->from);
    const wr_ref b = wr_ref_of(to, m->to == WR_MEMBER_NONE ? 0 : m->to);

    say("%s -> %s  %s", m->from == WR_MEMBER_NONE ? s.names[from] : name_of(a),
        m->to == WR_MEMBER_NONE ? s.names[to] : name_of(b),
        wr_msg_name(m->kind));
    switch (m->kind) {
    case WR_MSG_VIEW:
        say_view(m);
        break;
    case WR_MSG_NOTIFY:
        if (m->notify.as == WR_NOTIFY_PRED)
            say(" let me in");
        if (m->notify.between != WR_NO_REF)
            say(" behind %s", name_of(m->notify.between));
        break;
    case WR_MSG_HINT:
        say(" %s", name_of(m->hint.member));
        break;
    case WR_MSG_PROBE:
        say(" %s", s.names[m->probe.target]);
        break;
    case WR_MSG_PROBED:
        say(" %s %s", s.names[m->probe.target],
            m->probe.alive ? "alive" : "silent");
        break;
    case WR_MSG_BYE:
        say(" %s", m->bye.why == WR_BYE_LEFT ? "left" : "soon");
        break;
    case WR_MSG_NEXT_ASK:
        say(" %02x", m->next_ask.key.b[0]);
        if (m->next_ask.without != WR_NO_HOST)
            say(" without=%s", s.names[m->next_ask.without]);
        break;
    case WR_MSG_NEXT:
        say(" %s", m->next.final ? "final" : "nearer");
        say_refs("nodes", m->next.nodes, m->next.n);
        break;
    case WR_MSG_ROSTER_ASK:
    case WR_MSG_ROSTER:
        say(" entries=%u", m->roster.n);
        break;
    default:
        break;
    }
    if (m->rid != 0)
        say("  #%u", rid_number(m->rid));
    say("\n");
}

static void fly(wr_host from, wr_host to, const struct wr_msg *m)
{
    struct flight *f = &s.flights[s.flights_n];
    const wr_ref *refs = NULL;
    size_t n = 0;

    if (s.flights_n == FLIGHTS)
        stop("too many", "messages under way");
    s.flights_n++;
    *f = (struct flight){
        .at = s.now + WR_MS(LATENCY_MS), .from = from, .to = to, .msg = *m};
    if (m->kind == WR_MSG_VIEW) {
        refs = m->view.succs;
        n = m->view.succs_n;
        f->msg.view.succs = NULL; /* Set when it arrives: flights move. */
    } else if (m->kind == WR_MSG_NEXT) {
        refs = m->next.nodes;
        n = m->next.n;
    }
    if (n > 0)
        memcpy(f->refs, refs, n * sizeof(wr_ref));
}

static void step(wr_host h, const struct wr_event *ev);

static void perform(wr_host h)
{
    wr_token walked[2];
    unsigned walked_n = 0;

    for (uint32_t i = 0; i < s.out.n; i++) {
        const struct wr_fx *fx = &s.out.v[i];

        say("%8.3f  ", (double)s.now / 1e6);
        switch (fx->kind) {
        case WR_FX_SEND:
            say_msg(h, fx->to, &fx->msg);
            if (s.nodes[fx->to] != NULL && s.away[h] == s.away[fx->to])
                fly(h, fx->to, &fx->msg);
            break;
        case WR_FX_NOTE:
            say("%s: %s", s.names[h], wr_note_text(fx->note.note));
            if (fx->note.ref != WR_NO_REF)
                say(" (%s)", name_of(fx->note.ref));
            else if (fx->note.host != h && fx->note.host < s.hosts)
                say(" (%s)", s.names[fx->note.host]);
            say("\n");
            break;
        case WR_FX_PERSIST:
            say("%s: writes its roster down\n", s.names[h]);
            break;
        case WR_FX_DONE:
            say("%s: done, %s\n", s.names[h], wr_status_name(fx->done.status));
            break;
        case WR_FX_STORE_NEXT:
        case WR_FX_STORE_ROOT_NEXT:
            say("%s: walks its store, which is empty\n", s.names[h]);
            walked[walked_n++ % 2] = fx->store.token;
            break;
        case WR_FX_STORE_PUT:
        case WR_FX_STORE_REF:
        case WR_FX_STORE_GET:
        case WR_FX_STORE_ROOT_PUT:
        case WR_FX_STORE_ROOT_GET:
        case WR_FX_STORE_DROP:
        case WR_FX_RELEASE:
            say("%s: asks its store\n", s.names[h]);
            break;
        default:
            say("%s: does something else\n", s.names[h]);
            break;
        }
    }
    wr_outbox_clear(&s.out);
    for (unsigned i = 0; i < walked_n && i < 2; i++) {
        struct wr_event ev = {.kind = WR_EV_STORED};

        ev.stored.token = walked[i];
        ev.stored.status = WR_STATUS_OK;
        step(h, &ev);
    }
}

static void step(wr_host h, const struct wr_event *ev)
{
    if (s.nodes[h] == NULL)
        stop("no node", s.names[h]);
    wr_node_step(s.nodes[h], ev, s.now, &s.out);
    perform(h);
}

/* ---- time ------------------------------------------------------------------
 */

static void land(void)
{
    struct flight f = s.flights[0];
    struct wr_event ev = {.kind = WR_EV_RECV, .from = f.from, .msg = &f.msg};

    s.flights_n--;
    memmove(&s.flights[0], &s.flights[1], s.flights_n * sizeof(f));
    if (f.msg.kind == WR_MSG_VIEW)
        f.msg.view.succs = f.refs;
    else if (f.msg.kind == WR_MSG_NEXT)
        f.msg.next.nodes = f.refs;
    if (s.nodes[f.to] != NULL && s.away[f.from] == s.away[f.to])
        step(f.to, &ev);
}

static void run(wr_time until)
{
    for (;;) {
        wr_time at = WR_NEVER;
        wr_host who = WR_NO_HOST;

        for (wr_host h = 0; h < s.hosts; h++) {
            if (s.nodes[h] != NULL && wr_node_deadline(s.nodes[h]) < at) {
                at = wr_node_deadline(s.nodes[h]);
                who = h;
            }
        }
        if (s.flights_n > 0 && s.flights[0].at <= at) {
            at = s.flights[0].at;
            who = WR_NO_HOST;
        }
        if (at > until)
            break;
        s.now = wr_time_max(s.now, at);
        if (who == WR_NO_HOST) {
            land();
        } else {
            wr_node_tick(s.nodes[who], s.now, &s.out);
            perform(who);
        }
    }
    s.now = until;
}

/* ---- commands
 * ---------------------------------------------------------------- */

static void cmd_host(char **w, size_t n)
{
    struct wr_host_id id = {{0}};
    wr_host h;

    if (s.hosts == HOSTS || n < 3)
        stop("host", "NAME HEX...");
    snprintf(s.names[s.hosts], sizeof(s.names[0]), "%s", w[1]);
    id.b[0] = (uint8_t)(s.hosts + 1);
    h = wr_book_add(&s.book, &id, (uint8_t)(n - 2), 0, NULL);
    if (h != s.hosts)
        stop("the book is full", w[1]);
    s.hosts++;
    for (size_t i = 2; i < n; i++) { /* Positions that people can read. */
        struct wr_id *m = &s.book.ids[s.book.hosts[h].first + i - 2];

        memset(m, 0, sizeof(*m));
        m->b[0] = (uint8_t)strtoul(w[i], NULL, 16);
    }
}

static void cmd_cfg(char **w, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        char *eq = strchr(w[i], '=');
        const wr_time us =
            eq == NULL ? 0 : (wr_time)(strtod(eq + 1, NULL) * 1e6);

        if (eq == NULL)
            stop("cfg", w[i]);
        if (strncmp(w[i], "succs", 5) == 0)
            s.cfg.succs = (uint8_t)(us / 1000000);
        else if (strncmp(w[i], "round", 5) == 0)
            s.cfg.round_us = us;
        else if (strncmp(w[i], "rejoin", 6) == 0)
            s.cfg.rejoin_us = us;
        else if (strncmp(w[i], "probe", 5) == 0)
            s.cfg.probe_dead_us = us;
        else if (strncmp(w[i], "copies", 6) == 0)
            s.cfg.copies = (uint8_t)(us / 1000000);
        else if (strncmp(w[i], "roster", 6) == 0) {
            s.cfg.roster_us = us;
            s.cfg.roster_max = HOSTS;
        } else {
            stop("cfg", w[i]);
        }
    }
}

static void cmd_node(char **w, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const wr_host h = host_named(w[i]);

        wr_node_close(s.nodes[h]);
        s.cfg.self = h;
        s.cfg.members = s.book.hosts[h].members;
        s.cfg.seed = 1000 * (h + 1) + s.cfg.incarnation;
        if (wr_node_open(&s.nodes[h], &s.cfg, &s.book) != WR_OK)
            stop("no memory for", w[i]);
        s.cfg.incarnation++;
    }
}

static void cmd_start(char **w, size_t n)
{
    wr_host all[HOSTS];
    size_t all_n = 0, colon = n;

    for (size_t i = 1; i < n; i++) {
        if (strcmp(w[i], ":") == 0)
            colon = i;
        else if (i > colon)
            all[all_n++] = host_named(w[i]);
    }
    for (size_t i = 1; i < colon; i++) {
        const wr_host h = host_named(w[i]);

        wr_node_start_with(s.nodes[h], all, all_n, s.now, &s.out);
        perform(h);
    }
}

static void cmd_join(char **w, size_t n)
{
    const wr_host h = host_named(w[1]);
    wr_host known[HOSTS];
    size_t known_n = 0;
    bool alone = false;

    for (size_t i = 3; i < n; i++) {
        if (strcmp(w[i], "alone") == 0)
            alone = true;
        else
            known[known_n++] = host_named(w[i]);
    }
    wr_node_join(s.nodes[h], known, known_n, alone, s.now, &s.out);
    perform(h);
}

static size_t list_named(char *list, wr_ref *ret)
{
    size_t n = 0;

    for (char *p = strtok(list, ","); p != NULL && n < WR_SUCCS_MAX;
         p = strtok(NULL, ","))
        if (strcmp(p, "-") != 0)
            ret[n++] = ref_named(p);
    return n;
}

static const char *value_of(char **w, size_t n, const char *key)
{
    const size_t k = strlen(key);

    for (size_t i = 0; i < n; i++) {
        if (strncmp(w[i], key, k) == 0 && w[i][k] == '=')
            return w[i] + k + 1;
    }
    return NULL;
}

static bool has_word(char **w, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(w[i], word) == 0)
            return true;
    }
    return false;
}

static void fill_view(struct wr_msg *m, char **w, size_t n, wr_ref *refs)
{
    const char *pred = value_of(w, n, "pred");
    const char *succs = value_of(w, n, "succs");
    const char *inc = value_of(w, n, "inc");

    m->view.state = has_word(w, n, "pending")      ? WR_VIEW_PENDING
                    : has_word(w, n, "not-member") ? WR_VIEW_NOT_MEMBER
                                                   : WR_VIEW_MEMBER;
    m->view.incarnation = inc == NULL ? 1 : (uint32_t)strtoul(inc, NULL, 10);
    m->view.pred = pred == NULL ? WR_NO_REF : ref_named(pred);
    m->view.succs = refs;
    if (succs != NULL)
        m->view.succs_n = (uint8_t)list_named((char *)(uintptr_t)succs, refs);
}

static unsigned kind_named(const char *word)
{
    for (unsigned kind = 1; kind < 64; kind++) {
        if (strcmp(wr_msg_name(kind), word) == 0)
            return kind;
    }
    stop("no such message", word);
    return 0;
}

/* from X to Y KIND [#RID] [pending|not-member] [pred=] [succs=] [inc=]
 * [nodes=] [final] [member=] [key=HEX] [target=] [alive] [left] */
static void deliver(char **w, size_t n)
{
    const wr_ref from = ref_named(w[1]), to = ref_named(w[3]);
    wr_ref refs[WR_SUCCS_MAX];
    struct wr_msg m = {
        .kind = (uint8_t)kind_named(w[4]),
        .from = wr_ref_index(from),
        .to = wr_ref_index(to),
    };
    struct wr_event ev = {
        .kind = WR_EV_RECV, .from = wr_ref_host(from), .msg = &m};
    const char *v;

    for (size_t i = 5; i < n; i++) {
        if (w[i][0] == '#') {
            const unsigned k = (unsigned)strtoul(w[i] + 1, NULL, 10);

            m.rid = k >= 1 && k <= s.rids_n ? s.rids[k - 1] : 1000000u + k;
        }
    }
    switch (m.kind) {
    case WR_MSG_VIEW:
        fill_view(&m, w, n, refs);
        break;
    case WR_MSG_NEXT:
        v = value_of(w, n, "nodes");
        m.next.final = has_word(w, n, "final");
        m.next.nodes = refs;
        if (v != NULL)
            m.next.n = (uint8_t)list_named((char *)(uintptr_t)v, refs);
        break;
    case WR_MSG_NEXT_ASK:
        v = value_of(w, n, "key");
        m.next_ask.key.b[0] = v == NULL ? 0 : (uint8_t)strtoul(v, NULL, 16);
        v = value_of(w, n, "without");
        m.next_ask.without = v == NULL ? WR_NO_HOST : host_named(v);
        break;
    case WR_MSG_NOTIFY:
        v = value_of(w, n, "behind");
        m.notify.between = v == NULL ? WR_NO_REF : ref_named(v);
        if (v != NULL)
            m.notify.as = WR_NOTIFY_SECOND;
        else if (has_word(w, n, "in"))
            m.notify.as = WR_NOTIFY_PRED;
        break;
    case WR_MSG_HINT:
        v = value_of(w, n, "member");
        m.hint.member = v == NULL ? WR_NO_REF : ref_named(v);
        break;
    case WR_MSG_PING:
    case WR_MSG_PONG:
        v = value_of(w, n, "inc");
        m.ping.incarnation = v == NULL ? 1 : (uint32_t)strtoul(v, NULL, 10);
        break;
    case WR_MSG_PROBE:
    case WR_MSG_PROBED:
        v = value_of(w, n, "target");
        m.probe.target = v == NULL ? 0 : host_named(v);
        m.probe.alive = has_word(w, n, "alive");
        break;
    case WR_MSG_BYE:
        m.bye.why = has_word(w, n, "left") ? WR_BYE_LEFT : WR_BYE_SOON;
        break;
    default:
        break;
    }
    step(wr_ref_host(to), &ev);
}

static void cmd_link(char **w, size_t n)
{
    struct wr_event ev = {
        .kind = w[0][0] == 'u' ? WR_EV_LINK_UP : WR_EV_LINK_DOWN,
        .from = host_named(w[1]),
    };

    if (n > 3)
        ev.incarnation = (uint32_t)strtoul(w[3], NULL, 10);
    step(host_named(w[2]), &ev);
}

static void cmd_admit(char **w, size_t n)
{
    struct wr_event ev = {.kind = WR_EV_ADMIT, .from = host_named(w[1])};

    ev.admit.state = has_word(w, n, "left")      ? WR_ROSTER_LEFT
                     : has_word(w, n, "removed") ? WR_ROSTER_REMOVED
                                                 : WR_ROSTER_ADMITTED;
    ev.admit.incarnation = 1;
    step(host_named(w[2]), &ev);
}

static void cmd_event(char **w, enum wr_ev_kind kind)
{
    const struct wr_event ev = {.kind = kind};

    step(host_named(w[1]), &ev);
}

static void cmd_cut(char **w, size_t n)
{
    memset(s.away, 0, sizeof(s.away));
    for (size_t i = 1; i < n; i++)
        s.away[host_named(w[i])] = true;
}

static void cmd_next(char **w)
{
    const wr_host h = host_named(w[1]);
    struct wr_id key = {{(uint8_t)strtoul(w[2], NULL, 16)}};
    wr_ref nodes[WR_NEXT_MAX];
    struct wr_msg m;

    wr_boot_next(&s.nodes[h]->core, &key, WR_NO_HOST, &m, nodes);
    say("%s", m.next.final ? "final" : "nearer");
    say_refs("nodes", m.next.nodes, m.next.n);
    say("\n");
}

static void cmd_kill(char **w)
{
    const wr_host h = host_named(w[1]);

    wr_node_close(s.nodes[h]);
    s.nodes[h] = NULL;
}

static void show_ring(const struct wr_ring *r)
{
    static const char *const phases[] = {"out", "member", "left"};
    static const char *const ops[] = {
        "", "finding", "joining", "stabilising", "improving", "rectifying"};

    say("%s %s", name_of(r->self), phases[r->phase]);
    if (r->phase == WR_RING_MEMBER) {
        say(" pred=%s", name_of(r->pred));
        say_refs("succs", r->succs, r->succs_n);
    }
    if (r->op != WR_OP_NONE)
        say(" %s with %s", ops[r->op], name_of(r->op_peer));
    say("\n");
}

static void cmd_show(char **w, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const struct wr_node *node = s.nodes[host_named(w[i])];

        for (uint8_t k = 0; node != NULL && k < node->cfg.members; k++)
            show_ring(&node->core.rings[k]);
    }
}

static void command(char *line)
{
    char *w[WORDS] = {NULL};
    size_t n = 0;

    for (char *save = NULL, *p = strtok_r(line, " ", &save);
         p != NULL && n < WORDS; p = strtok_r(NULL, " ", &save))
        w[n++] = p;
    if (n == 0)
        stop("an empty", "command");
    if (strcmp(w[0], "host") == 0)
        cmd_host(w, n);
    else if (strcmp(w[0], "cfg") == 0)
        cmd_cfg(w, n);
    else if (strcmp(w[0], "node") == 0)
        cmd_node(w, n);
    else if (strcmp(w[0], "start") == 0)
        cmd_start(w, n);
    else if (strcmp(w[0], "join") == 0 && n > 3)
        cmd_join(w, n);
    else if (strcmp(w[0], "from") == 0 && n > 4)
        deliver(w, n);
    else if ((strcmp(w[0], "down") == 0 || strcmp(w[0], "up") == 0) && n > 2)
        cmd_link(w, n);
    else if (strcmp(w[0], "admit") == 0 && n > 2)
        cmd_admit(w, n);
    else if (strcmp(w[0], "run") == 0 && n > 1)
        run(s.now + (wr_time)(strtod(w[1], NULL) * 1e6));
    else if (strcmp(w[0], "cut") == 0)
        cmd_cut(w, n);
    else if (strcmp(w[0], "heal") == 0)
        memset(s.away, 0, sizeof(s.away));
    else if (strcmp(w[0], "next") == 0 && n > 2)
        cmd_next(w);
    else if (strcmp(w[0], "leave") == 0 && n > 1)
        cmd_event(w, WR_EV_LEAVE);
    else if (strcmp(w[0], "stop") == 0 && n > 1)
        cmd_event(w, WR_EV_STOP);
    else if (strcmp(w[0], "kill") == 0 && n > 1)
        cmd_kill(w);
    else if (strcmp(w[0], "show") == 0)
        cmd_show(w, n);
    else
        stop("no such command", w[0]);
}

/* ---- files
 * ---------------------------------------------------------------------- */

static void begin(void)
{
    static const uint8_t ring[32] = "transcript";

    memset(&s, 0, sizeof(s));
    s.now = WR_SEC(1);
    s.cfg = wr_node_cfg_default(0, 1);
    s.cfg.succs = 2;
    s.cfg.jitter_permille = 0;
    s.cfg.finger_us = WR_NEVER;
    s.cfg.roster_us = WR_NEVER;
    s.cfg.probe_dead_us = WR_NEVER;
    s.cfg.roster_max = 0;
    s.cfg.copies = 1;
    s.cfg.peers_max = HOSTS;
    s.cfg.routes_max = 4 * HOSTS;
    s.cfg.lookups_max = s.cfg.ops_max = s.cfg.have_ops_max = 4;
    if (wr_book_init(&s.book, ring, HOSTS, 256) != WR_OK ||
        wr_outbox_init(&s.out, 1024, 1 << 16) != WR_OK)
        stop("no", "memory");
}

static void end(void)
{
    for (wr_host h = 0; h < s.hosts; h++)
        wr_node_close(s.nodes[h]);
    wr_book_done(&s.book);
    wr_outbox_done(&s.out);
}

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, OUT);

    if (f == NULL || text == NULL)
        stop("cannot read", path);
    if (fread(text, 1, OUT - 1, f) == OUT - 1)
        stop("too long", path);
    fclose(f);
    return text;
}

/* One paragraph of commands, one a line. */
static void commands(const char *from, const char *to)
{
    char *copy = strndup(from, (size_t)(to - from));

    s.text_n = 0;
    s.text[0] = '\0';
    for (char *save = NULL, *line = strtok_r(copy, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save))
        command(line);
    free(copy);
}

/* Appends to `ret` what the file should be. A paragraph that a line `----`
 * ends is commands; what follows up to an empty line is their old output. */
static void play(const char *text, char *ret)
{
    const char *line = text, *paragraph = text;
    char *out = ret;

    begin();
    while (*line != '\0') {
        const size_t n = strcspn(line, "\n") + (strchr(line, '\n') != NULL);

        out += sprintf(out, "%.*s", (int)n, line);
        if (strncmp(line, "----\n", 5) == 0) {
            commands(paragraph, line);
            out += sprintf(out, "%s\n", s.text);
            line += 5;
            while (*line != '\n' && *line != '\0')
                line += strcspn(line, "\n") + 1;
            line += *line == '\n';
            paragraph = line;
            continue;
        }
        line += n;
        if (n == 1)
            paragraph = line;
    }
    end();
}

static void show_difference(const char *was, const char *is)
{
    unsigned at = 1;

    while (*was == *is && *was != '\0') {
        at += *was == '\n';
        was++;
        is++;
    }
    while (at > 1 && was[-1] != '\n') {
        was--;
        is--;
    }
    printf("# line %u: expected: %.*s\n", at, (int)strcspn(was, "\n"), was);
    printf("# line %u: now:      %.*s\n", at, (int)strcspn(is, "\n"), is);
}

static bool file(const char *path, bool rewrite)
{
    char *text = slurp(path), *now = calloc(1, 4 * OUT);
    char *was = strdup(text);
    bool same;

    if (now == NULL || was == NULL)
        stop("no", "memory");
    play(text, now);
    same = strcmp(was, now) == 0;
    if (!same && rewrite) {
        FILE *f = fopen(path, "w");

        if (f == NULL || fputs(now, f) < 0 || fclose(f) != 0)
            stop("cannot write", path);
        same = true;
    } else if (!same) {
        show_difference(was, now);
    }
    free(text);
    free(now);
    free(was);
    return same;
}

int main(int argc, char **argv)
{
    const bool rewrite = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    unsigned n = 0, failed = 0;

    for (int i = rewrite ? 2 : 1; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        const bool ok = file(argv[i], rewrite);

        failed += !ok;
        printf("%sok %u - %s\n", ok ? "" : "not ", ++n,
               slash == NULL ? argv[i] : slash + 1);
    }
    printf("1..%u\n", n);
    return failed == 0 ? 0 : 1;
}
