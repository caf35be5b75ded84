/* hub_guest.c - who is let in, what they may say, how long and how many they
 * may stay: a leaf and one who wants to join, without manners. */
#include "hub_bed.h"

#include "net/dial.h"
#include "net/impl.h"

TestSuite(hub_guest, .init = setup, .fini = teardown, .timeout = 60);

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
    const struct wr_msg hello = wr_msg_of(WR_MSG_HELLO, 0);

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

    (void)why;
    g->closes++;
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
    struct wr_msg m = wr_msg_of(kind, 0);

    if (kind == WR_MSG_QUERY)
        m.query.what = wr_span_str("status");
    if (kind == WR_MSG_GET)
        m.get.level = WR_LEVEL_LEAF;
    guest_send(g, &m, NULL);
    UNTIL(g->closes == 1);
    cr_assert_eq(w.a.msgs, 0);
}

Test(hub_guest, a_leaf_that_speaks_like_a_host_is_cut_off)
{
    assert_cut_off_for(WR_MSG_VIEW_ASK, WR_ROLE_LEAF);
}

Test(hub_guest, a_host_that_speaks_like_a_leaf_is_cut_off)
{
    assert_cut_off_for(WR_MSG_GET, WR_ROLE_SUPERPEER);
}

Test(hub_guest, who_wants_to_join_may_ask_for_nothing_else)
{
    assert_cut_off_for(WR_MSG_QUERY, 0);
}

Test(hub_guest, hello_comes_first)
{
    w.guest.quiet = true;
    assert_cut_off_for(WR_MSG_PING, WR_ROLE_LEAF);
}

Test(hub_guest, hello_comes_once)
{
    assert_cut_off_for(WR_MSG_HELLO, WR_ROLE_LEAF);
}

Test(hub_guest, who_is_revoked_is_cut_off_and_stays_out)
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
Test(hub_guest, nobody_stays_in_the_door)
{
    struct guest *g = come(0);

    wr_hub_sweep(w.a.hub, uv_now(&w.loop) + WR_HUB_HELLO_MS + 1);
    settle();
    cr_assert_eq(g->closes, 0);
    wr_hub_sweep(w.a.hub, uv_now(&w.loop) + WR_HUB_JOINER_MS + 1);
    UNTIL(g->closes == 1);
}

Test(hub_guest, a_leaf_without_hello_does_not_stay)
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
Test(hub_guest, one_credential_has_so_many_links)
{
    struct guest *g = come(WR_ROLE_LEAF);

    for (unsigned i = 1; i < WR_HUB_LINKS_EACH; i++)
        cr_assert(once_more(g), "%u", i);
    cr_assert_not(once_more(g));
    cr_assert_eq(wr_hub_leaves(w.a.hub), WR_HUB_LINKS_EACH);
}

/* However many leaves there are, hosts find a place. */
Test(hub_guest, leaves_do_not_take_the_places_of_hosts)
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

static void put(struct guest *g, enum wr_level level, uint64_t rid)
{
    struct wr_msg m = wr_msg_of(WR_MSG_PUT, rid);
    struct wr_buf *body = wr_buf_new(60000);

    body->n = 60000;
    memset(body->p, 1, body->n);
    m.put.level = (uint8_t)level;
    m.put.body.len = body->n;
    guest_send(g, &m, body);
    wr_buf_unref(body);
}

/* A leaf waits for room; nothing of what it sent is lost. */
Test(hub_guest, a_leaf_waits_for_room)
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
Test(hub_guest, a_host_is_told_that_there_is_no_room)
{
    struct guest *g = come(WR_ROLE_SUPERPEER);

    w.a.keep_bodies = true;
    put(g, WR_LEVEL_OWNER, 1);
    put(g, WR_LEVEL_OWNER, 2);
    UNTIL(w.a.msgs == 1 && w.a.no_room == 1);
}
