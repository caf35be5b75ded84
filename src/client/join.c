/* join.c - see join.h. */
#include "client/join.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "net/addr.h"
#include "net/dial.h"
#include "wire/codec.h"

struct joining {
    uv_loop_t loop;
    uv_timer_t timer;
    struct wr_net *net;
    struct wr_codec codec;
    struct wr_book book;
    void *arena;
    const struct wr_ticket *ticket;
    struct wr_home *home;
    struct wr_join_parent *parent;
    uint32_t name;                        /* Of the ticket's, in turn. */
    struct wr_addr addrs[WR_RESOLVE_MAX]; /* What it means. */
    uint32_t addrs_n, addr;
    bool met; /* Somebody proved to be of the ring. */
    bool over;
    enum wr_err err;
    struct wr_why *why;
};

static void next_address(struct joining *j);

static void finish(struct joining *j, enum wr_err err)
{
    if (j->over)
        return;
    j->over = true;
    j->err = err;
    uv_stop(&j->loop);
}

static size_t payload(struct wr_link *l, uint8_t *ret, size_t room)
{
    (void)l; /* Nothing to show yet: that is what marks who wants to join. */
    (void)ret;
    (void)room;
    return 0;
}

static enum wr_err on_payload(struct wr_link *l, struct wr_span bytes,
                              const uint8_t remote[32])
{
    struct joining *j = wr_link_owner(l);
    struct wr_cred cred;
    const enum wr_err err = wr_cred_open(bytes, j->ticket->ring, &cred);

    if (err != WR_OK)
        return err;
    if (cred.role != WR_ROLE_SUPERPEER ||
        memcmp(cred.noise_public, remote, WR_NOISE_KEY) != 0)
        return WR_EAUTH;
    j->met = true;
    j->parent->cred = cred;
    memcpy(j->parent->cred_bytes, bytes.p, bytes.n);
    j->parent->cred_n = bytes.n;
    j->parent->addr = j->addrs[j->addr];
    return WR_OK;
}

static void say(struct joining *j, struct wr_link *l, const struct wr_msg *m)
{
    uint8_t header[WR_HEADER_MAX];
    size_t n;

    if (wr_codec_encode(&j->codec, m, wr_span(NULL, 0), header, sizeof(header),
                        &n) != WR_OK ||
        wr_link_send(l, wr_span(header, n), NULL) != WR_OK)
        wr_link_abort(l, WR_EFAIL, "the request could not be sent");
}

static void on_open(struct wr_link *l)
{
    struct wr_msg m = {.kind = WR_MSG_HELLO};

    m.hello.agent = wr_span_str("wreath-join");
    say(wr_link_owner(l), l, &m);
}

static void ask(struct joining *j, struct wr_link *l)
{
    uint8_t sealed[WR_JOIN_BYTES];
    struct wr_msg m = {.kind = WR_MSG_JOIN, .rid = 1};
    struct wr_join join;

    memcpy(join.serial, j->ticket->serial, sizeof(join.serial));
    memcpy(join.token, j->ticket->token, sizeof(join.token));
    memcpy(join.noise_public, j->home->id.noise_public, WR_NOISE_KEY);
    memcpy(join.sign_public, j->home->id.sign.public, WR_SIGN_PUBLIC);
    const enum wr_err err = wr_join_seal(&join, j->ticket->ring, sealed);
    wr_secret_wipe(&join, sizeof(join));
    if (err != WR_OK) {
        finish(j,
               wr_why(j->why, WR_EINVAL, "the ticket's ring key is damaged"));
        return;
    }
    m.join.sealed = wr_span(sealed, sizeof(sealed));
    say(j, l, &m);
}

/* The issuer's words, through a super-peer that may not be honest: they are
 * shown on a terminal. */
static void refused(struct joining *j, struct wr_span text)
{
    char words[WR_WORDS_MAX + 1];
    size_t n = 0;

    for (; n < text.n && n < WR_WORDS_MAX; n++)
        words[n] =
            (char)(text.p[n] < ' ' || text.p[n] >= 0x7f ? '?' : text.p[n]);
    words[n] = '\0';
    finish(j, wr_why(j->why, WR_EREFUSED, "%s", words));
}

static void answered(struct joining *j, const struct wr_msg *m)
{
    const struct wr_span cred = m->joined.credential;
    struct wr_home *h = j->home;

    if (m->joined.status != WR_STATUS_OK) {
        refused(j, m->joined.text);
        return;
    }
    if (cred.n > sizeof(h->cred_bytes) ||
        wr_cred_open(cred, j->ticket->ring, &h->cred) != WR_OK ||
        memcmp(h->cred.noise_public, h->id.noise_public, WR_NOISE_KEY) != 0 ||
        memcmp(h->cred.sign_public, h->id.sign.public, WR_SIGN_PUBLIC) != 0) {
        finish(j, wr_why(j->why, WR_EAUTH,
                         "the answer was not signed by this ring's issuer"));
        return;
    }
    memcpy(h->cred_bytes, cred.p, cred.n);
    h->cred_n = cred.n;
    finish(j, WR_OK);
}

/* Where else to go: the ticket's addresses may be down next time. */
static void remember(struct joining *j, const struct wr_msg *m)
{
    char text[WR_ADDR_TEXT];

    for (uint8_t i = 0; i < m->attached.n; i++)
        wr_home_add_contact(j->home, m->attached.contacts[i].id.b,
                            wr_addr_text(&m->attached.contacts[i].addr, text));
}

static void on_frame(struct wr_link *l, struct wr_span header,
                     struct wr_buf *body)
{
    struct joining *j = wr_link_owner(l);
    struct wr_msg m;

    wr_buf_unref(body);
    if (wr_codec_decode(&j->codec, header, &m, NULL) != WR_OK)
        return;
    if (m.kind == WR_MSG_HELLO)
        ask(j, l);
    else if (m.kind == WR_MSG_ATTACHED)
        remember(j, &m);
    else if (m.kind == WR_MSG_JOINED)
        answered(j, &m);
}

static struct wr_buf *on_body(struct wr_link *l, struct wr_span header,
                              uint32_t n)
{
    (void)l;
    (void)header;
    (void)n;
    return WR_LINK_SKIP;
}

static void on_closed(struct wr_link *l, const struct wr_why *why)
{
    struct joining *j = wr_link_owner(l);

    (void)why;
    if (j->over)
        return;
    j->addr++;
    next_address(j);
}

static const struct wr_link_ops ops = {
    .payload = payload,
    .on_payload = on_payload,
    .on_open = on_open,
    .on_body = on_body,
    .on_frame = on_frame,
    .on_closed = on_closed,
};

static void on_resolved(void *arg, enum wr_err err, const struct wr_addr *v,
                        size_t n)
{
    struct joining *j = arg;

    if (j->over)
        return;
    j->addr = 0;
    j->addrs_n = 0;
    for (size_t i = 0; err == WR_OK && i < n && i < WR_RESOLVE_MAX; i++)
        j->addrs[j->addrs_n++] = v[i];
    next_address(j);
}

const char *wr_join_where(const struct wr_ticket *ticket,
                          char ret[static WR_JOIN_WHERE_MAX])
{
    size_t n = 0;

    ret[0] = '\0';
    for (uint32_t i = 0; i < ticket->n_addrs && n < WR_JOIN_WHERE_MAX; i++)
        n += (size_t)snprintf(ret + n, WR_JOIN_WHERE_MAX - n, "%s%s",
                              i > 0 ? ", " : "", ticket->addrs[i]);
    return ret;
}

static void nobody(struct joining *j)
{
    char where[WR_JOIN_WHERE_MAX], at[WR_ADDR_TEXT];

    if (j->met)
        finish(j, wr_why(j->why, WR_EUNREACH,
                         "the super-peer at %s answered and then fell silent; "
                         "join again in a moment",
                         wr_addr_text(&j->parent->addr, at)));
    else
        finish(j, wr_why(j->why, WR_EUNREACH,
                         "no super-peer of this ring answers at %s: it is "
                         "down or unreachable, of another major version, or "
                         "the ticket is of another ring. Start it, or mend "
                         "the way there, then join again",
                         wr_join_where(j->ticket, where)));
}

/* The next address of the name in hand, or the next name. */
static void next_address(struct joining *j)
{
    struct wr_link *link;

    while (j->addr < j->addrs_n) {
        const struct wr_dial d = {
            .addr = &j->addrs[j->addr], .ops = &ops, .owner = j};

        if (wr_link_dial(j->net, &d, &link) == WR_OK)
            return;
        j->addr++;
    }
    while (j->name < j->ticket->n_addrs) {
        const char *text = j->ticket->addrs[j->name++];

        if (wr_resolve(j->net, text, 4077, on_resolved, j) == WR_OK)
            return;
    }
    nobody(j);
}

static void on_timer(uv_timer_t *t)
{
    struct joining *j = t->data;
    char at[WR_ADDR_TEXT];

    if (!j->met)
        nobody(j);
    else /* A ticket begins with the address of its issuer. */
        finish(j,
               wr_why(j->why, WR_ETIMEOUT,
                      "the super-peer at %s answers, but the issuer of the "
                      "ticket, which must admit you, does not: start it "
                      "(it made the ring; by the ticket, it is at %.100s), "
                      "then join again",
                      wr_addr_text(&j->parent->addr, at), j->ticket->addrs[0]));
}

static void closed(void *arg)
{
    (void)arg;
}

static enum wr_err open_all(struct joining *j)
{
    const struct wr_net_cfg cfg = {
        .loop = &j->loop,
        .ring = j->ticket->ring,
        .psk = j->ticket->secret,
        .static_secret = j->home->id.noise_secret,
        .static_public = j->home->id.noise_public,
    };

    j->arena = aligned_alloc(16, WR_CODEC_ARENA);
    if (j->arena == NULL ||
        wr_book_init(&j->book, j->ticket->ring, 1, WR_MEMBERS_MAX) != WR_OK)
        return WR_ENOMEM;
    wr_codec_init(&j->codec, &j->book, j->arena, WR_CODEC_ARENA);
    j->net = wr_net_new(&cfg);
    return j->net == NULL ? WR_ENOMEM : WR_OK;
}

enum wr_err wr_join_ring(const struct wr_ticket *ticket, struct wr_home *h,
                         struct wr_join_parent *ret_parent, struct wr_why *why)
{
    struct joining j = {
        .ticket = ticket, .home = h, .parent = ret_parent, .why = why};
    char address[WR_ADDR_TEXT];

    memcpy(h->ring, ticket->ring, sizeof(h->ring));
    memcpy(h->ring_secret, ticket->secret, sizeof(h->ring_secret));
    for (size_t i = ticket->n_addrs; i-- > 0;)
        wr_home_add_contact(h, NULL, ticket->addrs[i]);
    if (uv_loop_init(&j.loop) != 0)
        return wr_why(why, WR_EFAIL,
                      "no event loop: too many open files, perhaps");
    uv_timer_init(&j.loop, &j.timer);
    j.timer.data = &j;
    uv_timer_start(&j.timer, on_timer, WR_JOIN_MS, 0);
    j.err = open_all(&j);
    if (j.err == WR_OK) {
        next_address(&j);
        if (!j.over)
            uv_run(&j.loop, UV_RUN_DEFAULT);
    } else {
        wr_why(why, j.err, "out of memory");
    }
    uv_close((uv_handle_t *)&j.timer, NULL);
    if (j.net != NULL)
        wr_net_close(j.net, closed, NULL);
    /* One that was told to stop before it ran stops once more. */
    while (uv_run(&j.loop, UV_RUN_DEFAULT) != 0)
        continue;
    uv_loop_close(&j.loop);
    wr_book_done(&j.book);
    free(j.arena);
    if (j.err == WR_OK) /* By the address that it has proven to be at. */
        wr_home_add_contact(h, ret_parent->cred.host,
                            wr_addr_text(&ret_parent->addr, address));
    return j.err;
}
