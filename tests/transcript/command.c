/* command.c - see script.h: what a line of a transcript does. */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORDS = 40 };

static void cmd_host(char **w, size_t n)
{
    struct wr_host_id id = {{0}};
    wr_host h;

    if (script.hosts == SCRIPT_HOSTS || n < 3)
        script_stop("host", "NAME HEX...");
    snprintf(script.names[script.hosts], sizeof(script.names[0]), "%s", w[1]);
    id.b[0] = (uint8_t)(script.hosts + 1);
    h = wr_book_add(&script.book, &id, (uint8_t)(n - 2), 0, NULL);
    if (h != script.hosts)
        script_stop("the book is full", w[1]);
    script.hosts++;
    for (size_t i = 2; i < n; i++) { /* Positions that people can read. */
        struct wr_id *m = &script.book.ids[script.book.hosts[h].first + i - 2];

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
            script_stop("cfg", w[i]);
        if (strncmp(w[i], "succs", 5) == 0)
            script.cfg.succs = (uint8_t)(us / 1000000);
        else if (strncmp(w[i], "round", 5) == 0)
            script.cfg.round_us = us;
        else if (strncmp(w[i], "rejoin", 6) == 0)
            script.cfg.rejoin_us = us;
        else if (strncmp(w[i], "probe", 5) == 0)
            script.cfg.probe_dead_us = us;
        else if (strncmp(w[i], "copies", 6) == 0)
            script.cfg.copies = (uint8_t)(us / 1000000);
        else if (strncmp(w[i], "roster", 6) == 0) {
            script.cfg.roster_us = us;
            script.cfg.roster_max = SCRIPT_HOSTS;
        } else {
            script_stop("cfg", w[i]);
        }
    }
}

static void cmd_node(char **w, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const wr_host h = script_host_named(w[i]);

        wr_node_close(script.nodes[h]);
        script.cfg.self = h;
        script.cfg.members = script.book.hosts[h].members;
        script.cfg.seed = 1000 * (h + 1) + script.cfg.incarnation;
        if (wr_node_open(&script.nodes[h], &script.cfg, &script.book) != WR_OK)
            script_stop("no memory for", w[i]);
        script.cfg.incarnation++;
    }
}

static void cmd_start(char **w, size_t n)
{
    wr_host all[SCRIPT_HOSTS];
    size_t all_n = 0, colon = n;

    for (size_t i = 1; i < n; i++) {
        if (strcmp(w[i], ":") == 0)
            colon = i;
        else if (i > colon)
            all[all_n++] = script_host_named(w[i]);
    }
    for (size_t i = 1; i < colon; i++) {
        const wr_host h = script_host_named(w[i]);

        wr_node_start_with(script.nodes[h], all, all_n, script.now,
                           &script.out);
        script_perform(h);
    }
}

static void cmd_join(char **w, size_t n)
{
    const wr_host h = script_host_named(w[1]);
    wr_host known[SCRIPT_HOSTS];
    size_t known_n = 0;
    bool alone = false;

    for (size_t i = 3; i < n; i++) {
        if (strcmp(w[i], "alone") == 0)
            alone = true;
        else
            known[known_n++] = script_host_named(w[i]);
    }
    wr_node_join(script.nodes[h], known, known_n, alone, script.now,
                 &script.out);
    script_perform(h);
}

static size_t list_named(char *list, wr_ref *ret)
{
    size_t n = 0;

    for (char *p = strtok(list, ","); p != NULL && n < WR_SUCCS_MAX;
         p = strtok(NULL, ","))
        if (strcmp(p, "-") != 0)
            ret[n++] = script_ref_named(p);
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
    m->view.pred = pred == NULL ? WR_NO_REF : script_ref_named(pred);
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
    script_stop("no such message", word);
    return 0;
}

/* from X to Y KIND [#RID] [pending|not-member] [pred=] [succs=] [inc=]
 * [nodes=] [final] [member=] [key=HEX] [target=] [alive] [left] */
static void deliver(char **w, size_t n)
{
    const wr_ref from = script_ref_named(w[1]), to = script_ref_named(w[3]);
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

            m.rid = k >= 1 && k <= script.rids_n ? script.rids[k - 1]
                                                 : 1000000u + k;
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
        m.next_ask.without = v == NULL ? WR_NO_HOST : script_host_named(v);
        break;
    case WR_MSG_NOTIFY:
        v = value_of(w, n, "behind");
        m.notify.between = v == NULL ? WR_NO_REF : script_ref_named(v);
        if (v != NULL)
            m.notify.as = WR_NOTIFY_SECOND;
        else if (has_word(w, n, "in"))
            m.notify.as = WR_NOTIFY_PRED;
        break;
    case WR_MSG_HINT:
        v = value_of(w, n, "member");
        m.hint.member = v == NULL ? WR_NO_REF : script_ref_named(v);
        break;
    case WR_MSG_PING:
    case WR_MSG_PONG:
        v = value_of(w, n, "inc");
        m.ping.incarnation = v == NULL ? 1 : (uint32_t)strtoul(v, NULL, 10);
        break;
    case WR_MSG_PROBE:
    case WR_MSG_PROBED:
        v = value_of(w, n, "target");
        m.probe.target = v == NULL ? 0 : script_host_named(v);
        m.probe.alive = has_word(w, n, "alive");
        break;
    case WR_MSG_BYE:
        m.bye.why = has_word(w, n, "left") ? WR_BYE_LEFT : WR_BYE_SOON;
        break;
    default:
        break;
    }
    script_step(wr_ref_host(to), &ev);
}

static void cmd_link(char **w, size_t n)
{
    struct wr_event ev = {
        .kind = w[0][0] == 'u' ? WR_EV_LINK_UP : WR_EV_LINK_DOWN,
        .from = script_host_named(w[1]),
    };

    if (n > 3)
        ev.incarnation = (uint32_t)strtoul(w[3], NULL, 10);
    script_step(script_host_named(w[2]), &ev);
}

static void cmd_admit(char **w, size_t n)
{
    struct wr_event ev = {.kind = WR_EV_ADMIT, .from = script_host_named(w[1])};

    ev.admit.state = has_word(w, n, "left")      ? WR_ROSTER_LEFT
                     : has_word(w, n, "removed") ? WR_ROSTER_REMOVED
                                                 : WR_ROSTER_ADMITTED;
    ev.admit.incarnation = 1;
    script_step(script_host_named(w[2]), &ev);
}

static void cmd_event(char **w, enum wr_ev_kind kind)
{
    const struct wr_event ev = {.kind = kind};

    script_step(script_host_named(w[1]), &ev);
}

static void cmd_cut(char **w, size_t n)
{
    memset(script.away, 0, sizeof(script.away));
    for (size_t i = 1; i < n; i++)
        script.away[script_host_named(w[i])] = true;
}

static void cmd_next(char **w)
{
    const wr_host h = script_host_named(w[1]);
    struct wr_id key = {{(uint8_t)strtoul(w[2], NULL, 16)}};
    wr_ref nodes[WR_NEXT_MAX];
    struct wr_msg m;

    wr_boot_next(&script.nodes[h]->core, &key, WR_NO_HOST, &m, nodes);
    script_say("%s", m.next.final ? "final" : "nearer");
    script_say_refs("nodes", m.next.nodes, m.next.n);
    script_say("\n");
}

static void cmd_kill(char **w)
{
    const wr_host h = script_host_named(w[1]);

    wr_node_close(script.nodes[h]);
    script.nodes[h] = NULL;
}

static void show_ring(const struct wr_ring *r)
{
    static const char *const phases[] = {"out", "member", "left"};
    static const char *const ops[] = {
        "", "finding", "joining", "stabilising", "improving", "rectifying"};

    script_say("%s %s", script_name_of(r->self), phases[r->phase]);
    if (r->phase == WR_RING_MEMBER) {
        script_say(" pred=%s", script_name_of(r->pred));
        script_say_refs("succs", r->succs, r->succs_n);
    }
    if (r->op != WR_OP_NONE)
        script_say(" %s with %s", ops[r->op], script_name_of(r->op_peer));
    script_say("\n");
}

static void cmd_show(char **w, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const struct wr_node *node = script.nodes[script_host_named(w[i])];

        for (uint8_t k = 0; node != NULL && k < node->cfg.members; k++)
            show_ring(&node->core.rings[k]);
    }
}

void script_command(char *line)
{
    char *w[WORDS] = {NULL};
    size_t n = 0;

    for (char *save = NULL, *p = strtok_r(line, " ", &save);
         p != NULL && n < WORDS; p = strtok_r(NULL, " ", &save))
        w[n++] = p;
    if (n == 0)
        script_stop("an empty", "command");
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
        script_run(script.now + (wr_time)(strtod(w[1], NULL) * 1e6));
    else if (strcmp(w[0], "cut") == 0)
        cmd_cut(w, n);
    else if (strcmp(w[0], "heal") == 0)
        memset(script.away, 0, sizeof(script.away));
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
        script_stop("no such command", w[0]);
}
