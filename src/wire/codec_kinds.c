/* codec_kinds.c - the fields of each kind of message, listed once for both
 * directions. */
#include "wire/codec_parts.h"

static void view(struct wr_io *io, struct wr_msg *m, Wreath__View *w)
{
    WR_IO_ENUM(io, &m->view.state, w->state, WR_VIEW_NOT_MEMBER);
    wr_io_u32(io, &m->view.incarnation, &w->incarnation);
    wr_io_member(io, &m->view.pred, &w->pred, WR_IO_OPTIONAL);
    wr_io_members(io, &m->view.succs, &m->view.succs_n, &w->succs,
                  WR_SUCCS_MAX);
}

static void route(struct wr_io *io, struct wr_msg *m, Wreath__Route *w)
{
    wr_io_key(io, &m->route.key, &w->key);
    wr_io_u8(io, &m->route.ttl, &w->ttl, WR_HOPS_MAX);
    wr_io_u8(io, &m->route.hops, &w->hops, WR_HOPS_MAX);
    wr_io_flag(io, &m->route.trace, &w->trace);
}

static void routed(struct wr_io *io, struct wr_msg *m, Wreath__Routed *w)
{
    WR_IO_ENUM(io, &m->routed.status, w->status, WR_IO_STATUS_LAST);
    wr_io_u8(io, &m->routed.hops, &w->hops, WR_HOPS_MAX);
    wr_io_member(io, &m->routed.owner, &w->owner, WR_IO_OPTIONAL);
    wr_io_members(io, &m->routed.set, &m->routed.set_n, &w->set, WR_SET_MAX);
    wr_io_hosts(io, &m->routed.path, &m->routed.path_n, &w->path, WR_HOPS_MAX);
}

static void next_ask(struct wr_io *io, struct wr_msg *m, Wreath__NextAsk *w)
{
    wr_io_key(io, &m->next_ask.key, &w->key);
    wr_io_host(io, &m->next_ask.without, &w->without, WR_IO_OPTIONAL);
}

static void next(struct wr_io *io, struct wr_msg *m, Wreath__Next *w)
{
    wr_io_flag(io, &m->next.final, &w->final);
    wr_io_members(io, &m->next.nodes, &m->next.n, &w->nodes, WR_NEXT_MAX);
}

static void probe(struct wr_io *io, struct wr_msg *m, Wreath__Probe *w)
{
    wr_io_host(io, &m->probe.target, &w->target, WR_IO_REQUIRED);
    wr_io_flag(io, &m->probe.alive, &w->alive);
    wr_io_u32(io, &m->probe.incarnation, &w->incarnation);
}

static void roster(struct wr_io *io, struct wr_msg *m, Wreath__Roster *w)
{
    wr_io_u64(io, &m->roster.sum, &w->sum);
    wr_io_u32(io, &m->roster.count, &w->count);
    wr_io_entries(io, &m->roster.entries, &m->roster.n, &w->entries);
}

static void have(struct wr_io *io, struct wr_msg *m, Wreath__Have *w)
{
    WR_IO_ENUM(io, &m->have.level, w->level, WR_LEVEL_COPY);
    wr_io_u8(io, &m->have.copies, &w->copies, WR_COPIES_MAX);
    wr_io_u8(io, &m->have.durable, &w->durable, WR_COPIES_MAX);
    wr_io_fixed(io, m->have.put.b, sizeof(m->have.put.b), &w->put);
    wr_io_digests(io, &m->have.digests, &m->have.n, &w->digests);
}

static void had(struct wr_io *io, struct wr_msg *m, Wreath__Had *w)
{
    WR_IO_ENUM(io, &m->had.status, w->status, WR_IO_STATUS_LAST);
    wr_io_u8(io, &m->had.n, &w->n, WR_HAVE_MAX);
    wr_io_u8(io, &m->had.copies, &w->copies, UINT8_MAX);
    wr_io_bits(io, m->had.bits, m->had.n, &w->bits);
    wr_io_u32(io, &m->had.retry_ms, &w->retry_ms);
}

static void put(struct wr_io *io, struct wr_msg *m, Wreath__Put *w)
{
    WR_IO_ENUM(io, &m->put.level, w->level, WR_LEVEL_COPY);
    wr_io_u8(io, &m->put.copies, &w->copies, WR_COPIES_MAX);
    wr_io_u8(io, &m->put.durable, &w->durable, WR_COPIES_MAX);
    wr_io_u32(io, &m->put.hash, &w->hash);
    wr_io_fixed(io, m->put.put.b, sizeof(m->put.put.b), &w->put);
    wr_io_key(io, &m->put.digest, &w->digest);
    wr_io_flag(io, &m->put.repair, &w->repair);
}

static void put_done(struct wr_io *io, struct wr_msg *m, Wreath__PutDone *w)
{
    WR_IO_ENUM(io, &m->put_done.status, w->status, WR_IO_STATUS_LAST);
    wr_io_u8(io, &m->put_done.copies, &w->copies, UINT8_MAX);
    wr_io_u32(io, &m->put_done.retry_ms, &w->retry_ms);
    wr_io_u64(io, &m->put_done.counted, &w->counted);
}

static void get(struct wr_io *io, struct wr_msg *m, Wreath__Get *w)
{
    WR_IO_ENUM(io, &m->get.level, w->level, WR_LEVEL_COPY);
    wr_io_flag(io, &m->get.head, &w->head);
    wr_io_u32(io, &m->get.hash, &w->hash);
    wr_io_key(io, &m->get.digest, &w->digest);
}

static void data(struct wr_io *io, struct wr_msg *m, Wreath__Data *w)
{
    WR_IO_ENUM(io, &m->data.status, w->status, WR_IO_STATUS_LAST);
    wr_io_u8(io, &m->data.copies, &w->copies, UINT8_MAX);
    wr_io_u8(io, &m->data.asked, &w->asked, UINT8_MAX);
    wr_io_u8(io, &m->data.down, &w->down, UINT8_MAX);
    wr_io_u32(io, &m->data.hash, &w->hash);
    wr_io_u32(io, &m->data.len, &w->len);
    wr_io_u32(io, &m->data.retry_ms, &w->retry_ms);
    wr_io_key(io, &m->data.digest, &w->digest);
    wr_io_hosts(io, &m->data.hosts, &m->data.hosts_n, &w->hosts, WR_READ_HOSTS);
    wr_io_u64(io, &m->data.known, &w->known);
}

static void root(struct wr_io *io, struct wr_msg *m, Wreath__Root *w)
{
    WR_IO_ENUM(io, &m->root.level, w->level, WR_LEVEL_COPY);
    wr_io_u8(io, &m->root.copies, &w->copies, WR_COPIES_MAX);
    wr_io_u8(io, &m->root.durable, &w->durable, WR_COPIES_MAX);
    WR_IO_ENUM(io, &m->root.status, w->status, WR_IO_STATUS_LAST);
    wr_io_u32(io, &m->root.retry_ms, &w->retry_ms);
    wr_io_key(io, &m->root.position, &w->position);
    wr_io_u64(io, &m->root.version, &w->version);
    wr_io_span(io, &m->root.record, &w->record, WR_ROOT_RECORD_MAX);
    wr_io_u64(io, &m->root.known, &w->known);
}

static void sync_(struct wr_io *io, struct wr_msg *m, Wreath__Sync *w)
{
    wr_io_flag(io, &m->sync.roots, &w->roots);
    wr_io_span(io, &m->sync.arc, &w->arc, 2 * (size_t)WR_ID_BYTES);
    if (m->sync.arc.n != 2 * (size_t)WR_ID_BYTES)
        wr_io_fail(io, WR_EINVAL);
    wr_io_u64(io, &m->sync.count, &w->count);
    wr_io_fixed(io, m->sync.print, sizeof(m->sync.print), &w->print);
    wr_io_flag(io, &m->sync.refs, &w->refs);
    wr_io_u32(io, &m->sync.skip, &w->skip);
}

static void synced(struct wr_io *io, struct wr_msg *m, Wreath__Synced *w)
{
    WR_IO_ENUM(io, &m->synced.status, w->status, WR_IO_STATUS_LAST);
    WR_IO_ENUM(io, &m->synced.what, w->what, WR_SYNCED_REFS);
    wr_io_u32(io, &m->synced.retry_ms, &w->retry_ms);
    wr_io_u64(io, &m->synced.count, &w->count);
    wr_io_span(io, &m->synced.list, &w->list, WR_SYNC_BYTES);
}

static void hello(struct wr_io *io, struct wr_msg *m, Wreath__Hello *w)
{
    wr_io_u64(io, &m->hello.features, &w->features);
    wr_io_u32(io, &m->hello.incarnation, &w->incarnation);
    wr_io_u64(io, &m->hello.revoked, &w->revoked);
    wr_io_flag(io, &m->hello.bulk, &w->bulk);
    wr_io_addr(io, &m->hello.listen, &w->listen);
    wr_io_u64(io, &m->hello.wall_s, &w->wall_s);
    wr_io_span(io, &m->hello.agent, &w->agent, WR_NAME_MAX);
}

static void card(struct wr_io *io, struct wr_msg *m, Wreath__Card *w)
{
    wr_io_span(io, &m->card.credential, &w->credential, WR_CREDENTIAL_MAX);
    wr_io_span(io, &m->card.farewell, &w->farewell, WR_FAREWELL_MAX);
    wr_io_addr(io, &m->card.addr, &w->addr);
    wr_io_u32(io, &m->card.incarnation, &w->incarnation);
}

static void attached(struct wr_io *io, struct wr_msg *m, Wreath__Attached *w)
{
    wr_io_contacts(io, &m->attached.contacts, &m->attached.n, &w->contacts);
    wr_io_u32(io, &m->attached.copies, &w->copies);
    wr_io_u32(io, &m->attached.durable, &w->durable);
    wr_io_span(io, &m->attached.parent, &w->parent, WR_NAME_MAX);
}

static void join(struct wr_io *io, struct wr_msg *m, Wreath__Join *w)
{
    wr_io_span(io, &m->join.sealed, &w->sealed, WR_SEALED_MAX);
}

static void joined(struct wr_io *io, struct wr_msg *m, Wreath__Joined *w)
{
    WR_IO_ENUM(io, &m->joined.status, w->status, WR_IO_STATUS_LAST);
    wr_io_span(io, &m->joined.credential, &w->credential, WR_CREDENTIAL_MAX);
    wr_io_span(io, &m->joined.text, &w->text, WR_WORDS_MAX);
}

void wr_io_fields(struct wr_io *io, struct wr_msg *m, Wreath__Message *w)
{
    switch ((enum wr_msg_kind)m->kind) {
    case WR_MSG_PING:
    case WR_MSG_PONG:
        wr_io_u32(io, &m->ping.incarnation, &w->ping->incarnation);
        return;
    case WR_MSG_PROBE:
    case WR_MSG_PROBED:
        probe(io, m, w->probe);
        return;
    case WR_MSG_BYE:
        WR_IO_ENUM(io, &m->bye.why, w->bye->why, WR_BYE_LEFT);
        return;
    case WR_MSG_NOTIFY:
        WR_IO_ENUM(io, &m->notify.as, w->notify->as, WR_NOTIFY_PRED);
        wr_io_member(io, &m->notify.between, &w->notify->between,
                     WR_IO_OPTIONAL);
        return;
    case WR_MSG_VIEW:
        view(io, m, w->view);
        return;
    case WR_MSG_HINT:
        wr_io_member(io, &m->hint.member, &w->hint->member, WR_IO_REQUIRED);
        return;
    case WR_MSG_ROUTE:
        route(io, m, w->route);
        return;
    case WR_MSG_ROUTED:
        routed(io, m, w->routed);
        return;
    case WR_MSG_NEXT_ASK:
        next_ask(io, m, w->next_ask);
        return;
    case WR_MSG_NEXT:
        next(io, m, w->next);
        return;
    case WR_MSG_ROSTER_ASK:
    case WR_MSG_ROSTER:
        roster(io, m, w->roster);
        return;
    case WR_MSG_HAVE:
        have(io, m, w->have);
        return;
    case WR_MSG_HAD:
        had(io, m, w->had);
        return;
    case WR_MSG_PUT:
        put(io, m, w->put);
        return;
    case WR_MSG_PUT_DONE:
        put_done(io, m, w->put_done);
        return;
    case WR_MSG_GET:
        get(io, m, w->get);
        return;
    case WR_MSG_DATA:
        data(io, m, w->data);
        return;
    case WR_MSG_ROOT_PUT:
    case WR_MSG_ROOT_DONE:
    case WR_MSG_ROOT_GET:
    case WR_MSG_ROOT:
        root(io, m, w->root);
        return;
    case WR_MSG_SYNC:
        sync_(io, m, w->sync);
        return;
    case WR_MSG_SYNCED:
        synced(io, m, w->synced);
        return;
    case WR_MSG_HELLO:
        hello(io, m, w->hello);
        return;
    case WR_MSG_CARD:
        card(io, m, w->card);
        return;
    case WR_MSG_ATTACHED:
        attached(io, m, w->attached);
        return;
    case WR_MSG_QUERY:
        wr_io_span(io, &m->query.what, &w->query->what, WR_NAME_MAX);
        wr_io_span(io, &m->query.arg, &w->query->arg, WR_ARGUMENT_MAX);
        return;
    case WR_MSG_REPORT:
        WR_IO_ENUM(io, &m->report.status, w->report->status, WR_IO_STATUS_LAST);
        return;
    case WR_MSG_JOIN:
        join(io, m, w->join);
        return;
    case WR_MSG_JOINED:
        joined(io, m, w->joined);
        return;
    case WR_MSG_VIEW_ASK:
    case WR_MSG_ROUTE_ACK:
    case WR_MSG_REVOKED:
        return;
    }
    wr_io_fail(io, WR_EINVAL);
}
