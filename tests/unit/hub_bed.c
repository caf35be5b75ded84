/* hub_bed.c - see hub_bed.h. */
#include "hub_bed.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "net/addr.h"

struct hub_bed w;

void settle(void)
{
    for (unsigned i = 0; i < 200; i++)
        uv_run(&w.loop, UV_RUN_NOWAIT);
}

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
    wr_hub_enforce(((struct host *)arg)->hub);
}

void issue(struct wr_cred *c, enum wr_role role, uint8_t id,
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

void start(struct host *h, const char *name, uint32_t incarnation)
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

void setup(void)
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

void teardown(void)
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

wr_host know(struct host *h, const struct host *of)
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

void say(struct host *from, wr_host to, bool bulk, uint64_t rid)
{
    struct wr_msg m = wr_msg_of(bulk ? WR_MSG_DATA : WR_MSG_PING, rid);

    if (bulk)
        m.data.status = WR_STATUS_NO;
    wr_hub_send(from->hub, to, &m, NULL);
}
