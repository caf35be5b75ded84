/* mentions.c - what a message names besides its fields: hosts, and its body
 * (codec.h). */
#include "base/check.h"
#include "wire/codec.h"

struct set {
    wr_host *v;
    size_t n;
};

static void add(struct set *s, wr_host h)
{
    if (h == WR_NO_HOST || wr_host_is_leaf(h) || wr_host_listed(s->v, s->n, h))
        return;
    WR_CHECK(s->n < WR_MENTIONS_MAX);
    s->v[s->n++] = h;
}

static void add_member(struct set *s, wr_ref r)
{
    if (r != WR_NO_REF)
        add(s, wr_ref_host(r));
}

static void add_members(struct set *s, const wr_ref *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_member(s, v[i]);
}

static void add_hosts(struct set *s, const wr_host *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add(s, v[i]);
}

size_t wr_msg_mentions(const struct wr_msg *m,
                       wr_host ret[static WR_MENTIONS_MAX])
{
    struct set s = {.v = ret};

    switch (m->kind) {
    case WR_MSG_PROBE:
    case WR_MSG_PROBED:
        add(&s, m->probe.target);
        break;
    case WR_MSG_VIEW:
        add_member(&s, m->view.pred);
        add_members(&s, m->view.succs, m->view.succs_n);
        break;
    case WR_MSG_NOTIFY:
        add_member(&s, m->notify.between);
        break;
    case WR_MSG_HINT:
        add_member(&s, m->hint.member);
        break;
    case WR_MSG_ROUTED:
        add_member(&s, m->routed.owner);
        add_members(&s, m->routed.set, m->routed.set_n);
        add_hosts(&s, m->routed.path, m->routed.path_n);
        break;
    case WR_MSG_NEXT_ASK:
        add(&s, m->next_ask.without);
        break;
    case WR_MSG_NEXT:
        add_members(&s, m->next.nodes, m->next.n);
        break;
    case WR_MSG_ROSTER_ASK:
    case WR_MSG_ROSTER:
        for (size_t i = 0; i < m->roster.n; i++)
            add(&s, m->roster.entries[i].host);
        break;
    case WR_MSG_DATA:
        add_hosts(&s, m->data.hosts, m->data.hosts_n);
        break;
    default:
        break;
    }
    return s.n;
}

const struct wr_body *wr_msg_body_of(const struct wr_msg *m)
{
    switch (m->kind) {
    case WR_MSG_PUT:
        return &m->put.body;
    case WR_MSG_DATA:
        return &m->data.body;
    case WR_MSG_REPORT:
        return &m->report.body;
    case WR_MSG_REVOKED:
        return &m->revoked.body;
    default:
        return NULL;
    }
}

struct wr_body *wr_msg_body(struct wr_msg *m)
{
    return (struct wr_body *)(uintptr_t)wr_msg_body_of(m);
}

uint32_t wr_body_max(unsigned kind, bool from_leaf)
{
    switch (kind) {
    case WR_MSG_PUT:
        return WR_BLOCK_WRITE_MAX;
    case WR_MSG_DATA:
        return from_leaf ? 0 : WR_BLOCK_WRITE_MAX;
    case WR_MSG_REPORT:
        return from_leaf ? 0 : WR_REPORT_MAX;
    case WR_MSG_REVOKED:
        return from_leaf ? 0 : WR_REVOKED_MAX;
    default:
        return 0;
    }
}
