/* The hub: who is let in, who is introduced, which of two links stays, and
 * that nothing is lost where two hosts dial each other at once. Three hosts, a
 * leaf and one who wants to join, on one loop, over real sockets on loopback.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "host/hub_parts.h"
#include "net/addr.h"
#include "net/dial.h"
#include "net/impl.h"

enum { SEEN_MAX = 8192 };

struct host {
    struct wr_home home;
    struct wr_book book;
    struct wr_cards cards;
    struct wr_hub *hub;
    wr_host self;
    unsigned ups, downs, leaves, msgs, no_room, revocations;
    uint64_t rids[SEEN_MAX];
    struct wr_hub_peer last;
    wr_host target; /* Of the last PROBE. */
    bool keep_bodies, closed;
    struct wr_buf *kept;
};

/* Somebody at the other end of one link, without manners. */
struct guest {
    struct wr_identity id;
    struct wr_cred cred;
    uint8_t cred_bytes[WR_CRED_BYTES_MAX];
    size_t cred_n;
    struct wr_net *net;
    struct wr_link *link;
    struct wr_codec codec;
    void *arena;
    unsigned opens, closes, frames;
    bool quiet; /* No HELLO when it opens. */
    enum wr_err why;
};

static struct {
    uv_loop_t loop;
    struct wr_sign_key ring;
    uint8_t secret[WR_RING_SECRET];
    struct host a, b, c;
    struct guest guest;
    char dir[64];
    struct wr_pool *pool;
} w;

#define UNTIL(x)                                                               \
    do {                                                                       \
        while (!(x))                                                           \
            uv_run(&w.loop, UV_RUN_ONCE);                                      \
    } while (0)

/* What is under way arrives: each side's turn, a few times over. */
static void settle(void)
{
    for (unsigned i = 0; i < 200; i++)
        uv_run(&w.loop, UV_RUN_NOWAIT);
}

/* ---- hosts ------------------------------------------------------------ */

static void on_msg(void *arg, const struct wr_hub_peer *peer,
                   const struct wr_msg *m, struct wr_buf *body)
{
    struct host *h = arg;

    h->last = *peer;
    h->rids[h->msgs++ % SEEN_MAX] = m->rid;
    if (m->kind == WR_MSG_PROBE)
        h->target = m->probe.target;
    if (h->keep_bodies && h->kept == NULL)
        h->kept = body;
    else
        wr_buf_unref(body);
}

static void on_no_room(void *arg, const struct wr_hub_peer *peer,
                       const struct wr_msg *m)
{
    struct host *h = arg;

    (void)peer;
    (void)m;
    h->no_room++;
}

static void on_up(void *arg, wr_host from, uint32_t incarnation)
{
    (void)from;
    (void)incarnation;
    ((struct host *)arg)->ups++;
}

static void on_down(void *arg, wr_host from)
{
    (void)from;
    ((struct host *)arg)->downs++;
}

static void on_leaf(void *arg, const struct wr_hub_peer *leaf)
{
    struct host *h = arg;

    h->last = *leaf;
    h->leaves++;
}

static void on_card(void *arg, wr_host from)
{
    (void)arg;
    (void)from;
}

static void on_revoked(void *arg)
{
    struct host *h = arg;

    h->revocations++;
    wr_hub_enforce(h->hub);
}

static void issue(struct wr_cred *c, enum wr_role role, uint8_t id,
                  const struct wr_identity *keys, uint8_t *ret, size_t *ret_n)
{
    *c = (struct wr_cred){.role = role,
                          .members = role == WR_ROLE_SUPERPEER ? 2 : 0};
    memset(c->host, id, sizeof(c->host));
    memcpy(c->noise_public, keys->noise_public, WR_NOISE_KEY);
    memcpy(c->sign_public, keys->sign.public, WR_SIGN_PUBLIC);
    cr_assert_eq(wr_cred_issue(c, &w.ring, ret, ret_n), WR_OK);
}

static void identity(struct host *h, uint8_t id)
{
    wr_identity_generate(&h->home.id);
    memcpy(h->home.ring, w.ring.public, WR_SIGN_PUBLIC);
    memcpy(h->home.ring_secret, w.secret, sizeof(w.secret));
    issue(&h->home.cred, WR_ROLE_SUPERPEER, id, &h->home.id, h->home.cred_bytes,
          &h->home.cred_n);
}

/* A process of that identity, on a port of its own. */
static void start(struct host *h, const char *name, uint32_t incarnation)
{
    char path[WR_HOME_PATH_MAX];
    struct wr_hub_cfg cfg = {.loop = &w.loop,
                             .home = &h->home,
                             .cards = &h->cards,
                             .pool = w.pool,
                             .incarnation = incarnation,
                             .arg = h,
                             .on_msg = on_msg,
                             .on_no_room = on_no_room,
                             .on_up = on_up,
                             .on_down = on_down,
                             .on_leaf = on_leaf,
                             .on_card = on_card,
                             .on_revoked = on_revoked};
    struct wr_why why;
    bool is_new;

    (void)snprintf(h->home.dir, sizeof(h->home.dir), "%s/%s", w.dir, name);
    (void)snprintf(path, sizeof(path), "%s/run", h->home.dir);
    cr_assert_eq(mkdir(h->home.dir, 0700), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(wr_book_init(&h->book, w.ring.public, 64, 256), WR_OK);
    cr_assert_eq(wr_cards_init(&h->cards, w.ring.public, &h->book), WR_OK);
    cr_assert_eq(wr_cards_add(&h->cards,
                              wr_span(h->home.cred_bytes, h->home.cred_n),
                              &h->self, &is_new),
                 WR_OK);
    cfg.self = h->self;
    cr_assert_eq(wr_addr_parse("127.0.0.1:0", 0, &cfg.listen), WR_OK);
    cr_assert_eq(wr_hub_open(&h->hub, &cfg, &why), WR_OK, "%s", why.text);
}

static void setup(void)
{
    static const struct wr_pool_share shares[WR_SHARES_N] = {
        [WR_SHARE_LEAF] = {"leaf", 80 << 10},
        [WR_SHARE_OWNER] = {"owner", 80 << 10},
        [WR_SHARE_COPY] = {"copy", 80 << 10},
        [WR_SHARE_READ] = {"read", 80 << 10},
    };
    const struct wr_pool_cfg pool = {
        .cap = 1 << 20, .shares = shares, .shares_n = WR_SHARES_N};

    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(wr_crypto_init(), WR_OK);
    wr_sign_generate(&w.ring);
    wr_secret_random(w.secret, sizeof(w.secret));
    strcpy(w.dir, "/tmp/wreath-hub-XXXXXX");
    cr_assert_not_null(mkdtemp(w.dir));
    cr_assert_eq(uv_loop_init(&w.loop), 0);
    w.pool = wr_pool_new(&pool);
    identity(&w.a, 0x0a);
    identity(&w.b, 0x0b);
    identity(&w.c, 0x0c);
    start(&w.a, "a", 1);
    start(&w.b, "b", 1);
}

static void closed(void *arg)
{
    ((struct host *)arg)->closed = true;
}

static void stop(struct host *h)
{
    if (h->hub == NULL)
        return;
    wr_buf_unref(h->kept);
    wr_hub_close(h->hub, closed, h);
    UNTIL(h->closed);
    wr_cards_done(&h->cards);
    wr_book_done(&h->book);
    h->hub = NULL;
}

static void on_guest_gone(void *arg)
{
    (void)arg;
}

/* Whatever a test did: everything ends, within the hub's patience, and every
 * buffer is back. */
static void teardown(void)
{
    char command[128];

    if (w.guest.net != NULL)
        wr_net_close(w.guest.net, on_guest_gone, NULL);
    stop(&w.a);
    stop(&w.b);
    stop(&w.c);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&w.loop), 0);
    wr_pool_free(w.pool);
    free(w.guest.arena);
    (void)snprintf(command, sizeof(command), "rm -r %s", w.dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(hub, .init = setup, .fini = teardown, .timeout = 60);

/* `h` learns of `of` what a CARD says. */
static wr_host know(struct host *h, const struct host *of)
{
    const struct wr_addr addr =
        of->hub != NULL ? wr_hub_bound(of->hub) : (struct wr_addr){0};
    wr_host slot;
    bool is_new;

    cr_assert_eq(wr_cards_add(&h->cards,
                              wr_span(of->home.cred_bytes, of->home.cred_n),
                              &slot, &is_new),
                 WR_OK);
    (void)wr_cards_said(&h->cards, slot, &addr, 1);
    return slot;
}

static void probe(struct host *from, wr_host to, wr_host target, uint64_t rid)
{
    struct wr_msg m = {.kind = WR_MSG_PROBE,
                       .rid = rid,
                       .from = WR_MEMBER_NONE,
                       .to = WR_MEMBER_NONE};

    m.probe.target = target;
    wr_hub_send(from->hub, to, &m, NULL);
}

/* Control and bulk. */
static void say(struct host *from, wr_host to, bool bulk, uint64_t rid)
{
    struct wr_msg m = {.kind = bulk ? WR_MSG_DATA : WR_MSG_PING,
                       .rid = rid,
                       .from = WR_MEMBER_NONE,
                       .to = WR_MEMBER_NONE};

    if (bulk)
        m.data.status = WR_STATUS_NO;
    wr_hub_send(from->hub, to, &m, NULL);
}

/* ---- introductions ---------------------------------------------------- */

/* The first message on a link, which had to wait for it, names a host that the
 * other side has never heard of. */
Test(hub, a_host_is_introduced_before_it_is_mentioned)
{
    const wr_host b = know(&w.a, &w.b), c = know(&w.a, &w.c);

    probe(&w.a, b, c, 7);
    UNTIL(w.b.msgs == 1 || wr_hub_traffic(w.b.hub).misfits > 0);
    cr_assert_eq(w.b.msgs, 1, "the message came before the card");
    cr_assert_eq(wr_hub_traffic(w.a.hub).said[WR_MSG_PROBE].n, 1);
    cr_assert_gt(wr_hub_traffic(w.a.hub).said[WR_MSG_PROBE].bytes, 8);
    cr_assert_eq(wr_hub_traffic(w.b.hub).said[WR_MSG_PROBE].n, 0);
    cr_assert_eq(memcmp(&w.b.book.hosts[w.b.target].id, w.c.home.cred.host,
                        WR_HOST_ID_BYTES),
                 0);
}

/* A card that was told once is told again when there is something new: else
 * nobody would hear of a farewell whom the host did not tell itself. */
Test(hub, news_of_a_host_that_was_introduced_before_are_told)
{
    const wr_host b = know(&w.a, &w.b), c = know(&w.a, &w.c);
    uint8_t bye[WR_FAREWELL_BYTES];

    probe(&w.a, b, c, 1);
    UNTIL(w.b.msgs == 1 || wr_hub_traffic(w.b.hub).misfits > 0);
    cr_assert_eq(wr_cards_state(&w.b.cards, w.b.target), WR_ROSTER_ADMITTED);
    wr_farewell_sign(w.ring.public, w.c.home.cred.host, &w.c.home.id.sign, bye);
    cr_assert(wr_cards_farewell(&w.a.cards, c, wr_span(bye, sizeof(bye))));
    wr_hub_news(w.a.hub, c);
    probe(&w.a, b, c, 2);
    UNTIL(w.b.msgs == 2);
    cr_assert_eq(wr_cards_state(&w.b.cards, w.b.target), WR_ROSTER_LEFT);
}

/* ---- two links of one kind -------------------------------------------- */

static void assert_all_came(const struct host *h, unsigned n)
{
    uint64_t seen = 0;

    cr_assert_eq(h->msgs, n);
    for (unsigned i = 0; i < n; i++)
        seen |= UINT64_C(1) << h->rids[i];
    cr_assert_eq(seen, (UINT64_C(1) << n) - 1);
}

Test(hub, both_dial_at_once_and_one_link_of_each_kind_remains)
{
    const wr_host b = know(&w.a, &w.b), a = know(&w.b, &w.a);

    for (unsigned i = 0; i < 40; i++) {
        say(&w.a, b, i % 2 == 0, i);
        say(&w.b, a, i % 2 == 0, i);
    }
    UNTIL(w.a.msgs >= 40 && w.b.msgs >= 40);
    settle();
    assert_all_came(&w.a, 40);
    assert_all_came(&w.b, 40);
    cr_assert_eq(wr_hub_links(w.a.hub), 2);
    cr_assert_eq(wr_hub_links(w.b.hub), 2);
    cr_assert(w.a.hub->hosts[b].conn[0]->dialled, "the lower id's stays");
    cr_assert_eq(w.a.downs + w.b.downs, 0);
    cr_assert_eq(w.a.ups, 1);
    cr_assert_eq(w.b.ups, 1);
}

/* A process died without a word, the link to it still stands here and was
 * dialled by the lower id; the next process of that host is not kept waiting
 * behind it. */
Test(hub, a_restarted_host_is_not_kept_waiting_behind_its_dead_link)
{
    const wr_host b = know(&w.a, &w.b);
    wr_host a;

    say(&w.a, b, false, 0);
    UNTIL(w.b.msgs == 1 && w.a.ups == 1);
    w.c.home = w.b.home; /* The same identity. */
    start(&w.c, "b2", 2);
    a = know(&w.c, &w.a);
    say(&w.c, a, false, 5);
    UNTIL(w.a.msgs == 1);
    cr_assert_eq(w.a.rids[0], 5);
    cr_assert_eq(w.a.hub->hosts[b].conn[0]->incarnation, 2);
    cr_assert_eq(wr_card_of(&w.a.cards, b)->incarnation, 2);
    cr_assert_eq(w.a.book.hosts[b].addr.port, wr_hub_bound(w.c.hub).port);
}

/* Two processes run under one identity, neither is newer: their links take each
 * other's place once, then only in turns that become longer, and both hear of
 * it. */
Test(hub, two_processes_of_one_identity_take_turns_and_are_told)
{
    const wr_host a = know(&w.b, &w.a);
    wr_host b;

    w.c.home = w.b.home; /* The same identity. */
    start(&w.c, "b2", 1);
    cr_assert_eq(know(&w.c, &w.a), a);
    say(&w.b, a, false, 1);
    UNTIL(w.a.msgs == 1);
    b = w.a.last.from;
    const struct wr_hub_host *place = &w.a.hub->hosts[b];
    const uint16_t one = wr_hub_bound(w.b.hub).port;
    const uint16_t other = wr_hub_bound(w.c.hub).port;

    say(&w.c, a, true, 2); /* Of whichever kind. */
    UNTIL(w.a.msgs == 2 && w.b.downs == 1 && w.c.hub->twin.port != 0);
    cr_assert_eq(w.b.hub->twin.port, other);
    cr_assert_eq(w.c.hub->twin.port, one);
    cr_assert_eq(w.a.hub->twin.port, 0, "and nobody else");
    cr_assert_null(place->conn[0], "one process is talked to, not both");

    say(&w.b, a, false, 3);
    UNTIL(w.b.downs == 2);
    cr_assert_eq(w.a.msgs, 2, "not yet");
    cr_assert_eq(w.a.book.hosts[b].addr.port, other, "nor is it dialled");
    const uint32_t pause = place->turn_ms;
    w.a.hub->hosts[b].turn_at_ms = uv_now(&w.loop); /* Later. */
    say(&w.b, a, false, 4);
    UNTIL(w.a.msgs == 3);
    cr_assert_eq(place->turn_ms, 2 * pause);
    cr_assert_eq(w.a.rids[2], 4);
}

/* A restart on another port, while the old link stands, is no twin. */
Test(hub, a_host_that_moved_is_not_held_for_two)
{
    const wr_host a = know(&w.b, &w.a);

    say(&w.b, a, false, 1);
    UNTIL(w.a.msgs == 1);
    w.c.home = w.b.home;
    start(&w.c, "b2", 2);
    cr_assert_eq(know(&w.c, &w.a), a);
    say(&w.c, a, false, 2);
    UNTIL(w.a.msgs == 2 && w.b.downs == 1);
    settle();
    cr_assert_eq(w.b.hub->twin.port, 0);
    cr_assert_eq(w.c.hub->twin.port, 0);
}

/* The lower id dials an address where nobody listens any more, while the other
 * side dials it: the link that works is used, and nothing that waited is lost.
 */
Test(hub, a_link_that_waited_takes_the_place_of_one_that_failed)
{
    const wr_host b = know(&w.a, &w.b), a = know(&w.b, &w.a);
    struct wr_addr nobody;

    cr_assert_eq(wr_addr_parse("127.0.0.1:1", 0, &nobody), WR_OK);
    w.a.book.hosts[b].addr = nobody;
    say(&w.b, a, false, 0);
    UNTIL(w.a.hub->conns_n == 1);
    say(&w.a, b, false, 0);
    say(&w.b, a, false, 1);
    UNTIL(w.a.msgs == 2 && w.b.msgs == 1);
    cr_assert_eq(wr_hub_links(w.a.hub), 1);
}

/* ---- guests ----------------------------------------------------------- */

static size_t guest_payload(struct wr_link *l, uint8_t *ret, size_t room)
{
    const struct guest *g = wr_link_owner(l);

    (void)room;
    memcpy(ret, g->cred_bytes, g->cred_n);
    return g->cred_n;
}

static void guest_send(struct guest *g, const struct wr_msg *m,
                       struct wr_buf *body)
{
    uint8_t header[WR_HEADER_MAX];
    size_t n;

    cr_assert_eq(wr_codec_encode(&g->codec, m, wr_span(NULL, 0), header,
                                 sizeof(header), &n),
                 WR_OK);
    cr_assert_eq(wr_link_send(g->link, wr_span(header, n), body), WR_OK);
}

static void guest_open(struct wr_link *l)
{
    struct guest *g = wr_link_owner(l);
    const struct wr_msg hello = {
        .kind = WR_MSG_HELLO, .from = WR_MEMBER_NONE, .to = WR_MEMBER_NONE};

    g->opens++;
    if (!g->quiet)
        guest_send(g, &hello, NULL);
}

static struct wr_buf *guest_body(struct wr_link *l, struct wr_span header,
                                 uint32_t n)
{
    (void)l;
    (void)header;
    (void)n;
    return WR_LINK_SKIP;
}

static void guest_frame(struct wr_link *l, struct wr_span header,
                        struct wr_buf *body)
{
    struct guest *g = wr_link_owner(l);

    (void)header;
    wr_buf_unref(body);
    g->frames++;
}

static void guest_closed(struct wr_link *l, const struct wr_why *why)
{
    struct guest *g = wr_link_owner(l);

    g->closes++;
    g->why = why->err;
}

static const struct wr_link_ops guest_ops = {
    .payload = guest_payload,
    .on_open = guest_open,
    .on_body = guest_body,
    .on_frame = guest_frame,
    .on_closed = guest_closed,
};

/* Comes to `a`; `role` 0: without a credential, to join. */
static struct guest *come(int role)
{
    struct guest *g = &w.guest;
    const struct wr_addr to = wr_hub_bound(w.a.hub);
    const struct wr_dial d = {.addr = &to, .ops = &guest_ops, .owner = g};
    struct wr_net_cfg cfg = {.loop = &w.loop,
                             .ring = w.ring.public,
                             .psk = w.secret,
                             .static_secret = g->id.noise_secret,
                             .static_public = g->id.noise_public};

    wr_identity_generate(&g->id);
    if (role != 0)
        issue(&g->cred, (enum wr_role)role, 0x77, &g->id, g->cred_bytes,
              &g->cred_n);
    g->net = wr_net_new(&cfg);
    g->arena = aligned_alloc(16, WR_CODEC_ARENA);
    wr_codec_init(&g->codec, &w.a.book, g->arena, WR_CODEC_ARENA);
    cr_assert_eq(wr_link_dial(g->net, &d, &g->link), WR_OK);
    UNTIL(g->opens == 1 && (g->quiet || g->frames > 0 || g->closes > 0));
    return g;
}

static void assert_cut_off_for(uint8_t kind, int role)
{
    struct guest *g = come(role);
    struct wr_msg m = {
        .kind = kind, .from = WR_MEMBER_NONE, .to = WR_MEMBER_NONE};

    if (kind == WR_MSG_QUERY)
        m.query.what = wr_span_str("status");
    if (kind == WR_MSG_GET)
        m.get.level = WR_LEVEL_LEAF;
    guest_send(g, &m, NULL);
    UNTIL(g->closes == 1);
    cr_assert_eq(w.a.msgs, 0);
}

Test(hub, a_leaf_that_speaks_like_a_host_is_cut_off)
{
    assert_cut_off_for(WR_MSG_VIEW_ASK, WR_ROLE_LEAF);
}

Test(hub, a_host_that_speaks_like_a_leaf_is_cut_off)
{
    assert_cut_off_for(WR_MSG_GET, WR_ROLE_SUPERPEER);
}

Test(hub, who_wants_to_join_may_ask_for_nothing_else)
{
    assert_cut_off_for(WR_MSG_QUERY, 0);
}

Test(hub, hello_comes_first)
{
    w.guest.quiet = true;
    assert_cut_off_for(WR_MSG_PING, WR_ROLE_LEAF);
}

Test(hub, hello_comes_once)
{
    assert_cut_off_for(WR_MSG_HELLO, WR_ROLE_LEAF);
}

Test(hub, who_is_revoked_is_cut_off_and_stays_out)
{
    struct guest *g = come(WR_ROLE_LEAF);
    struct wr_revoked none = {0};
    uint8_t list[WR_REVOKED_BYTES_MAX];
    size_t n;

    cr_assert_eq(w.a.leaves, 1);
    cr_assert_eq(wr_revoked_add(&none, g->cred.host, WR_REVOKED_CUT_OFF,
                                &w.ring, list, &n),
                 WR_OK);
    cr_assert(wr_cards_revoke(&w.a.cards, wr_span(list, n)));
    wr_hub_enforce(w.a.hub);
    UNTIL(g->closes == 1);
    settle();
    cr_assert_eq(wr_hub_leaves(w.a.hub), 0);
    cr_assert_eq(w.a.downs, 1);

    const struct wr_addr to = wr_hub_bound(w.a.hub);
    const struct wr_dial d = {.addr = &to, .ops = &guest_ops, .owner = g};
    cr_assert_eq(wr_link_dial(g->net, &d, &g->link), WR_OK);
    UNTIL(g->closes == 2);
    cr_assert_eq(w.a.leaves, 1);
}

/* Of those who are in the door only members may stay, and only those who say
 * who they are. */
Test(hub, nobody_stays_in_the_door)
{
    struct guest *g = come(0);

    wr_hub_sweep(w.a.hub, uv_now(&w.loop) + WR_HUB_HELLO_MS + 1);
    settle();
    cr_assert_eq(g->closes, 0);
    wr_hub_sweep(w.a.hub, uv_now(&w.loop) + WR_HUB_JOINER_MS + 1);
    UNTIL(g->closes == 1);
}

Test(hub, a_leaf_without_hello_does_not_stay)
{
    struct guest *g = &w.guest;

    g->quiet = true;
    come(WR_ROLE_LEAF);
    UNTIL(wr_hub_links(w.a.hub) == 1);
    wr_hub_sweep(w.a.hub, uv_now(&w.loop) + WR_HUB_HELLO_MS + 1);
    UNTIL(g->closes == 1);
}

/* ---- bounds ----------------------------------------------------------- */

/* Another link of the guest; whether it came in. */
static bool once_more(struct guest *g)
{
    const struct wr_addr to = wr_hub_bound(w.a.hub);
    const struct wr_dial d = {.addr = &to, .ops = &guest_ops, .owner = g};
    const unsigned opens = w.a.hub->conns_n, closes = g->closes;

    cr_assert_eq(wr_link_dial(g->net, &d, &g->link), WR_OK);
    UNTIL(w.a.hub->conns_n > opens || g->closes > closes);
    return g->closes == closes;
}

/* The commands of a leaf open a link each; but one leaf may not take the
 * places of all. */
Test(hub, one_credential_has_so_many_links)
{
    struct guest *g = come(WR_ROLE_LEAF);

    for (unsigned i = 1; i < WR_HUB_LINKS_EACH; i++)
        cr_assert(once_more(g), "%u", i);
    cr_assert_not(once_more(g));
    cr_assert_eq(wr_hub_leaves(w.a.hub), WR_HUB_LINKS_EACH);
}

/* However many leaves there are, hosts find a place. */
Test(hub, leaves_do_not_take_the_places_of_hosts)
{
    struct guest *g;

    w.a.hub->net->cfg.links_max = 8;
    g = come(WR_ROLE_LEAF);
    for (unsigned i = 1; i < 8 - 8 / WR_HUB_HOSTS_SHARE; i++)
        cr_assert(once_more(g), "%u", i);
    cr_assert_not(once_more(g)); /* There are two places left: */
    say(&w.b, know(&w.b, &w.a), false, 0);
    UNTIL(w.a.msgs == 1);
}

/* A link that does not come to be holds frames up to a number, and memory that
 * is not of the pool up to a size. */
Test(hub, what_waits_for_a_link_is_bounded)
{
    const wr_host b = know(&w.a, &w.b);

    for (unsigned i = 0; i < WR_HUB_WAITING_MAX + 5; i++)
        say(&w.a, b, false, 0);
    cr_assert_eq(w.a.hub->hosts[b].conn[0]->waiting_n, WR_HUB_WAITING_MAX);
    cr_assert_eq(wr_hub_traffic(w.a.hub).refused, 5);
}

Test(hub, reports_that_wait_are_bounded_by_their_size)
{
    const wr_host b = know(&w.a, &w.b);
    struct wr_buf *body = wr_buf_new(1 << 20);
    struct wr_msg m = {
        .kind = WR_MSG_REPORT, .from = WR_MEMBER_NONE, .to = WR_MEMBER_NONE};

    body->n = 1 << 20;
    memset(body->p, 0, body->n);
    m.report.body.len = body->n;
    for (unsigned i = 0; i < 50; i++)
        wr_hub_send(w.a.hub, b, &m, body);
    cr_assert_leq(w.a.hub->hosts[b].conn[wr_msg_bulk(m.kind)]->waiting_n, 4);
    cr_assert_geq(wr_hub_traffic(w.a.hub).refused, 46);
    wr_buf_unref(body);
}

static void put(struct guest *g, enum wr_level level, uint64_t rid)
{
    struct wr_msg m = {.kind = WR_MSG_PUT,
                       .rid = rid,
                       .from = WR_MEMBER_NONE,
                       .to = WR_MEMBER_NONE};
    struct wr_buf *body = wr_buf_new(60000);

    body->n = 60000;
    memset(body->p, 1, body->n);
    m.put.level = (uint8_t)level;
    m.put.body.len = body->n;
    guest_send(g, &m, body);
    wr_buf_unref(body);
}

/* A leaf waits for room; nothing of what it sent is lost. */
Test(hub, a_leaf_waits_for_room)
{
    struct guest *g = come(WR_ROLE_LEAF);

    w.a.keep_bodies = true;
    put(g, WR_LEVEL_LEAF, 1);
    put(g, WR_LEVEL_LEAF, 2);
    UNTIL(w.a.msgs == 1);
    settle();
    cr_assert_eq(w.a.msgs, 1);
    cr_assert_eq(w.a.no_room, 0);
    wr_buf_unref(w.a.kept);
    w.a.kept = NULL;
    w.a.keep_bodies = false;
    wr_hub_room(w.a.hub);
    UNTIL(w.a.msgs == 2);
}

/* A host never waits for another's room: it is told at once. */
Test(hub, a_host_is_told_that_there_is_no_room)
{
    struct guest *g = come(WR_ROLE_SUPERPEER);

    w.a.keep_bodies = true;
    put(g, WR_LEVEL_OWNER, 1);
    put(g, WR_LEVEL_OWNER, 2);
    UNTIL(w.a.msgs == 1 && w.a.no_room == 1);
}
