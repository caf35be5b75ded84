/* super_msg.c - what the hub receives: checked against its hash or signature,
 * then the node's; or a matter of the host itself. */
#include "base/text.h"
#include "crypto/root.h"
#include "crypto/secret.h"
#include "host/super_parts.h"
#include "host/tickets.h"
#include "object/hash.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"

/* Whether the bytes of a chunk are what the message says. */
static bool chunk_fits(uint32_t code, const struct wr_id *digest,
                       const struct wr_buf *body)
{
    enum wr_hash hash;

    return wr_hash_from_code(code, &hash) == WR_OK &&
           wr_hash_matches(hash, wr_span(body->p, body->n), digest->b);
}

/* Whether a root record is its owner's word and belongs where it is. */
static bool record_fits(const struct wr_msg *m)
{
    struct wr_root r;
    uint8_t position[WR_ROOT_POSITION];

    if (wr_root_open(m->root.record, &r) != WR_OK)
        return false;
    wr_root_position(r.put, position);
    return r.version == m->root.version &&
           memcmp(position, m->root.position.b, sizeof(position)) == 0;
}

/* Nothing that does not verify reaches the node (proto/fx.h). */
static bool verified(const struct wr_msg *m, const struct wr_buf *body)
{
    switch ((int)m->kind) {
    case WR_MSG_PUT:
        return body != NULL && chunk_fits(m->put.hash, &m->put.digest, body);
    case WR_MSG_DATA:
        return body == NULL || chunk_fits(m->data.hash, &m->data.digest, body);
    case WR_MSG_ROOT_PUT:
        return record_fits(m);
    case WR_MSG_ROOT:
        return m->root.status != WR_STATUS_OK || record_fits(m);
    default:
        return true;
    }
}

/* One's own word only: a leaf cannot write another's root. */
static bool owner_fits(const struct wr_hub_peer *peer, const struct wr_msg *m)
{
    struct wr_root r;

    if (m->kind != WR_MSG_ROOT_PUT || m->root.level != WR_LEVEL_LEAF ||
        peer->cred == NULL)
        return true;
    return wr_root_open(m->root.record, &r) != WR_OK ||
           wr_root_is_of(&r, peer->cred);
}

/* A leaf's quota: what is beyond it is answered here. */
static bool afford(struct wr_super *s, const struct wr_hub_peer *peer,
                   const struct wr_msg *m, const struct wr_buf *body)
{
    struct wr_msg answer = {.kind = WR_MSG_PUT_DONE, .rid = m->rid};

    if (!wr_host_is_leaf(peer->from))
        return true;
    if (m->kind != WR_MSG_PUT ||
        wr_account_admits(&s->account, peer->cred, peer->from, m, body->n,
                          wr_clock_now(), &answer.put_done.counted))
        return true;
    answer.put_done.status = WR_STATUS_FULL;
    wr_hub_send(s->hub, peer->from, &answer, NULL);
    return false;
}

static void to_node(struct wr_super *s, const struct wr_hub_peer *peer,
                    const struct wr_msg *m, struct wr_buf *body)
{
    struct wr_event ev = {.kind = WR_EV_RECV, .from = peer->from};
    struct wr_msg copy = *m;
    struct wr_body *name = wr_msg_body(&copy);

    copy.bad_body = !verified(m, body) || !owner_fits(peer, m);
    if (!copy.bad_body && peer->cred != NULL && !afford(s, peer, m, body)) {
        wr_buf_unref(body);
        return;
    }
    if (copy.bad_body || name == NULL) {
        wr_buf_unref(body);
        body = NULL;
    }
    if (name != NULL)
        *name = (struct wr_body){0};
    if (body != NULL) {
        *name = wr_bodytab_add(&s->bodies, body);
        if (name->id == 0) { /* As if it had been lost on the way. */
            wr_buf_unref(body);
            return;
        }
    }
    ev.msg = &copy;
    wr_super_feed(s, &ev);
}

static void refuse(struct wr_super *s, const struct wr_hub_peer *peer,
                   uint64_t rid, const char *text)
{
    struct wr_msg m = {.kind = WR_MSG_JOINED, .rid = rid};

    m.joined.status = WR_STATUS_REFUSED;
    m.joined.text = wr_span_str(text);
    wr_hub_send(s->hub, peer->from, &m, NULL);
}

/* Whom `wreath revoke` would have to name. */
static void log_admission(const struct wr_super *s, struct wr_span bytes)
{
    char host[WR_HEX_SIZE(WR_CRED_HOST)];
    struct wr_cred cred;

    if (wr_cred_open(bytes, s->cfg.home->ring, &cred) != WR_OK)
        return;
    wr_hex(wr_span(cred.host, sizeof(cred.host)), host);
    WR_LOG(INFO, "admission", "admitted",
           WR_KV_STR("role",
                     cred.role == WR_ROLE_SUPERPEER ? "super-peer" : "leaf"),
           WR_KV_STR("id", host));
}

/* We are the issuer: redeem it. */
static void admit(struct wr_super *s, const struct wr_hub_peer *peer,
                  const struct wr_msg *m)
{
    struct wr_sign_key key;
    struct wr_msg answer = {.kind = WR_MSG_JOINED, .rid = m->rid};
    uint8_t cred[WR_CRED_BYTES_MAX];
    struct wr_why why = {0};
    size_t n;
    enum wr_err err = wr_home_ring_key(s->cfg.home->dir, &key, &why);

    if (err == WR_OK)
        err = wr_tickets_redeem(s->cfg.home->dir, m->join.sealed, &key,
                                wr_clock_wall_s(), cred, &n, &why);
    wr_secret_wipe(&key, sizeof(key));
    if (err == WR_OK)
        log_admission(s, wr_span(cred, n));
    else
        WR_LOG(INFO, "admission", "refused", WR_KV_STR("why", why.text));
    if (err != WR_OK) {
        refuse(s, peer, m->rid, why.text);
        return;
    }
    if (peer->joining)
        wr_super_welcome(s, peer);
    answer.joined.status = WR_STATUS_OK;
    answer.joined.credential = wr_span(cred, n);
    wr_hub_send(s->hub, peer->from, &answer, NULL);
}

struct wr_talk *wr_super_talk(struct wr_super *s, enum wr_talk_kind kind,
                              wr_host from, uint64_t rid)
{
    const wr_time now = wr_clock_now();
    uint32_t held = 0;

    for (size_t i = 0; i < WR_ARRAY_LEN(s->talks); i++)
        held += s->talks[i].used && s->talks[i].from == from;
    if (held >= WR_SUPER_TALKS_EACH)
        return NULL;
    for (size_t i = 0; i < WR_ARRAY_LEN(s->talks); i++) {
        struct wr_talk *t = &s->talks[i];

        if (t->used &&
            (t->kind == WR_TALK_LEAVE || now - t->since < WR_SEC(60)))
            continue;
        *t = (struct wr_talk){.used = true,
                              .kind = kind,
                              .from = from,
                              .rid = rid,
                              .number = ++s->talk_number,
                              .since = now};
        return t;
    }
    return NULL;
}

static bool joins_already(const struct wr_super *s, wr_host from)
{
    for (size_t i = 0; i < WR_ARRAY_LEN(s->talks); i++)
        if (s->talks[i].used && s->talks[i].kind == WR_TALK_JOIN &&
            s->talks[i].from == from)
            return true;
    return false;
}

static void on_join(struct wr_super *s, const struct wr_hub_peer *peer,
                    const struct wr_msg *m)
{
    static const uint8_t serial[WR_CRED_SERIAL]; /* The issuer's: zero. */
    struct wr_host_id id;

    if (s->issuer) {
        admit(s, peer, m);
        return;
    }
    wr_cred_host_id(serial, 0, id.b);
    const wr_host issuer = wr_book_find(&s->book, &id);
    struct wr_talk *talk = NULL;
    /* One question at a time, or one joiner could keep all others out. */
    if (issuer != WR_NO_HOST && peer->joining && !joins_already(s, peer->from))
        talk = wr_super_talk(s, WR_TALK_JOIN, peer->from, m->rid);
    if (talk == NULL) {
        refuse(s, peer, m->rid,
               "this host cannot reach the issuer of tickets now; try later");
        return;
    }
    struct wr_msg relay = *m;
    relay.rid = (uint64_t)talk->number << 32 | (uint64_t)(talk - s->talks);
    wr_hub_send(s->hub, issuer, &relay, NULL);
}

/* The issuer's answer to a JOIN that we relayed. Another host has no say in it,
 * and the answer to a joiner who has left is not for the next one. */
static void on_joined(struct wr_super *s, const struct wr_hub_peer *peer,
                      const struct wr_msg *m)
{
    static const uint8_t serial[WR_CRED_SERIAL];
    const uint32_t slot = (uint32_t)m->rid;
    struct wr_msg answer = *m;
    uint8_t issuer[WR_CRED_HOST];

    wr_cred_host_id(serial, 0, issuer);
    if (slot >= WR_SUPER_TALKS || peer->cred == NULL ||
        memcmp(peer->cred->host, issuer, sizeof(issuer)) != 0)
        return;
    struct wr_talk *talk = &s->talks[slot];
    if (!talk->used || talk->kind != WR_TALK_JOIN ||
        talk->number != m->rid >> 32)
        return;
    talk->used = false;
    answer.rid = talk->rid;
    if (m->joined.status == WR_STATUS_OK)
        wr_super_welcome(s, &(struct wr_hub_peer){.from = talk->from});
    wr_hub_send(s->hub, talk->from, &answer, NULL);
}

void wr_super_on_msg(void *arg, const struct wr_hub_peer *peer,
                     const struct wr_msg *m, struct wr_buf *body)
{
    struct wr_super *s = arg;

    switch ((int)m->kind) {
    case WR_MSG_QUERY:
        wr_super_query(s, peer, m);
        break;
    case WR_MSG_REPORT:
        wr_survey_report(s, peer->from, m->rid, body);
        break;
    case WR_MSG_JOIN:
        on_join(s, peer, m);
        break;
    case WR_MSG_JOINED:
        on_joined(s, peer, m);
        break;
    case WR_MSG_PING:
        if (wr_host_is_leaf(peer->from)) {
            struct wr_msg pong = {.kind = WR_MSG_PONG, .rid = m->rid};

            wr_hub_send(s->hub, peer->from, &pong, NULL);
            break;
        }
        /* fall through */
    default:
        to_node(s, peer, m, body);
        return;
    }
    wr_buf_unref(body);
}

/* A request whose body found no room is answered at once, so that its sender
 * waits without guessing. */
void wr_super_on_no_room(void *arg, const struct wr_hub_peer *peer,
                         const struct wr_msg *m)
{
    struct wr_super *s = arg;
    struct wr_msg answer = {.kind = WR_MSG_PUT_DONE, .rid = m->rid};

    if (m->kind == WR_MSG_PUT) {
        answer.put_done.status = WR_STATUS_BUSY;
        answer.put_done.retry_ms = 50;
        wr_hub_send(s->hub, peer->from, &answer, NULL);
    } else if (m->kind == WR_MSG_DATA) {
        struct wr_event ev = {.kind = WR_EV_RECV, .from = peer->from};
        struct wr_msg busy = *m;

        busy.data.status = WR_STATUS_BUSY;
        busy.data.retry_ms = 50;
        busy.data.body = (struct wr_body){0};
        ev.msg = &busy;
        wr_super_feed(s, &ev);
    }
}

/* A leaf attached, or somebody is about to have joined: tell where else one
 * may go. */
void wr_super_welcome(void *arg, const struct wr_hub_peer *leaf)
{
    struct wr_super *s = arg;
    struct wr_contact contacts[WR_CONTACTS_MAX];
    struct wr_msg m = {.kind = WR_MSG_ATTACHED};
    uint32_t admitted = 1;

    for (wr_host h = 0; h < s->book.hosts_n; h++) {
        if (h == s->self || wr_cards_state(&s->cards, h) != WR_ROSTER_ADMITTED)
            continue;
        admitted++;
        if (m.attached.n < WR_CONTACTS_MAX && s->book.hosts[h].addr.port != 0)
            contacts[m.attached.n++] = (struct wr_contact){
                .id = s->book.hosts[h].id, .addr = s->book.hosts[h].addr};
    }
    const uint32_t n =
        (uint32_t)wr_config_number(s->cfg.config, WR_CONFIG_copies);
    m.attached.contacts = contacts;
    m.attached.copies = admitted < n ? admitted : n;
    m.attached.durable = m.attached.copies / 2 + 1;
    m.attached.parent = wr_span(s->book.hosts[s->self].id.b, WR_HOST_ID_BYTES);
    wr_hub_send(s->hub, leaf->from, &m, NULL);
}

void wr_super_on_revoked(void *arg)
{
    struct wr_super *s = arg;

    s->cards.dirty = true; /* Saved soon, by a worker. */
    for (wr_host h = 0; h < s->book.hosts_n; h++)
        if (h != s->self && wr_cards_state(&s->cards, h) != WR_ROSTER_ADMITTED)
            wr_super_later(
                s, &(struct wr_super_later){.kind = WR_EV_ADMIT, .from = h});
    wr_hub_enforce(s->hub);
    if (wr_cards_state(&s->cards, s->self) == WR_ROSTER_REMOVED) {
        WR_LOG_TEXT(ERROR, "host", "this host was removed by the issuer");
        wr_super_stop(s);
    }
}
