/* leaf.c - a leaf's session with parents that say anything: it has one link at
 * most, hangs up only on one that stands, and never waits for ever. */
#include "proto/leaf.h"
#include "say.h"

enum { EVENTS = 400 };

/* As the driver sees its one link. */
enum link { NONE, DIALLED, LINKED };

struct world {
    struct wr_leaf leaf;
    struct fuzz_asks none;
    enum link link;
    bool attached;
    wr_time now;
};

static void perform(struct world *w, const struct wr_leaf_out *out)
{
    WR_CHECK(out->n <= WR_LEAF_FX_MAX);
    for (uint32_t i = 0; i < out->n; i++) {
        switch (out->v[i].kind) {
        case WR_LEAF_FX_DIAL:
            WR_CHECK(w->link == NONE);
            WR_CHECK(wr_leaf_contact(&w->leaf, out->v[i].contact) != NULL);
            w->link = DIALLED;
            break;
        case WR_LEAF_FX_HANG_UP:
            WR_CHECK(w->link != NONE);
            w->link = NONE;
            break;
        case WR_LEAF_FX_PING:
            WR_CHECK(w->link == LINKED);
            break;
        case WR_LEAF_FX_UP:
            WR_CHECK(w->link == LINKED && !w->attached);
            w->attached = true;
            break;
        case WR_LEAF_FX_LOST:
            WR_CHECK(w->attached);
            w->attached = false;
            break;
        case WR_LEAF_FX_PERSIST:
            break;
        }
    }
    WR_CHECK(w->leaf.n <= WR_LEAF_CONTACTS_MAX);
    WR_CHECK(w->attached == (w->leaf.state == WR_LEAF_ATTACHED));
    WR_CHECK(wr_leaf_deadline(&w->leaf) != WR_NEVER);
    for (uint32_t i = 0; i < w->leaf.n; i++)
        WR_CHECK(w->leaf.v[i].not_before <=
                 w->now + 2 * w->leaf.cfg.backoff_max_us);
}

static void hear(struct world *w, struct fuzz *f, struct wr_leaf_out *out)
{
    const uint8_t how = fuzz_u8(f);
    struct wr_msg m = {.kind = WR_MSG_PONG};
    wr_host from;

    if (w->link != LINKED)
        return;
    if (how < 64 ||
        (fuzz_say(f, &w->none, &m, &from) && !wr_host_is_leaf(from)))
        wr_leaf_recv(&w->leaf, &m, w->now, out);
}

static void contact(struct fuzz *f, struct wr_contact *ret)
{
    const uint8_t how = fuzz_u8(f);
    const wr_host h = how % FUZZ_HOSTS;

    *ret = (struct wr_contact){.addr = fuzz_hosts()->hosts[h].addr};
    if (how >= 128)
        ret->id = fuzz_hosts()->hosts[h].id;
    if (how % 5 == 0)
        ret->addr.port = how;
}

static void event(struct world *w, struct fuzz *f)
{
    const uint8_t what = fuzz_u8(f);
    struct wr_leaf_out out = {0};
    struct wr_contact c;

    if (what < 64) {
        hear(w, f, &out);
    } else if (what < 112 && w->link == DIALLED) {
        contact(f, &c);
        w->link = LINKED;
        wr_leaf_linked(&w->leaf, &c.id, w->now);
    } else if (what < 144 && w->link != NONE) {
        w->link = NONE;
        wr_leaf_down(&w->leaf, w->now, &out);
    } else if (what < 152) {
        contact(f, &c);
        wr_leaf_add(&w->leaf, &c, (what & 1) != 0);
    } else if (what < 160 && w->link == LINKED) {
        wr_leaf_heard(&w->leaf, w->now);
    } else if (what < 224) {
        const wr_time due = wr_leaf_deadline(&w->leaf);

        w->now = due > w->now ? due : w->now;
        wr_leaf_tick(&w->leaf, w->now, &out);
    } else {
        w->now += WR_MS(10) * what;
        wr_leaf_tick(&w->leaf, w->now, &out);
    }
    perform(w, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = fuzz(data, size);
    struct wr_leaf_cfg cfg = wr_leaf_cfg_default(fuzz_u8(&f));
    struct wr_leaf_out out = {0};
    struct world w = {.now = WR_SEC(1)};
    struct wr_contact first;

    wr_leaf_init(&w.leaf, &cfg);
    contact(&f, &first);
    first.addr.port |= 1; /* One at least is asked for. */
    wr_leaf_add(&w.leaf, &first, true);
    wr_leaf_start(&w.leaf, w.now, &out);
    perform(&w, &out);
    for (unsigned i = 0; i < EVENTS && f.n > 0; i++)
        event(&w, &f);
    return 0;
}
