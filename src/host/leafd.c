/* leafd.c - the leaf's run-time as a whole (leafd.h): its uplink, opening and
 * closing, and the service around it. */
#include "host/leafd.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "host/leafd_parts.h"
#include "host/notify.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"

enum { IDLE_MS = 10000 }; /* How often an idle leaf wakes up. */

/* ---- the parent ---------------------------------------------------------- */

static void on_up(void *arg)
{
    struct wr_leafd *d = arg;
    struct wr_uplink_state up;
    char host[WR_HEX_SIZE(4)], status[128];

    d->up_since = wr_clock_now();
    wr_uplink_state(d->up, &up);
    wr_hex(wr_span(up.host.b, 4), host);
    WR_LOG(INFO, "leaf", "attached", WR_KV_STR("host", host),
           WR_KV_STR("at", up.at));
    snprintf(status, sizeof(status), "STATUS=attached to %s at %s", host,
             up.at);
    wr_notify(status);
    for (struct wr_leafd_client *c = d->clients; c != NULL; c = c->next)
        wr_leafd_welcome(c);
    if (!d->told && d->cfg.attached != NULL)
        d->cfg.attached(d->cfg.arg, host, up.at);
    d->told = true;
    d->moved = true;
}

static void on_lost(void *arg)
{
    struct wr_leafd *d = arg;
    struct wr_uplink_state up;

    wr_uplink_state(d->up, &up);
    WR_LOG(WARN, "leaf", "super-peer lost", WR_KV_STR("why", up.last.text),
           WR_KV_U64("under_way", d->used));
    wr_notify("STATUS=looking for a super-peer");
    d->up_since = 0;
    wr_leafd_refuse_all(d);
    wr_leafd_resume(d); /* Who waits for room is answered as well. */
}

static struct wr_buf *on_body(void *arg, struct wr_span header, uint32_t n)
{
    return wr_leafd_body_down(arg, header, n);
}

static void on_msg(void *arg, struct wr_msg *m, struct wr_span extra,
                   struct wr_buf *body)
{
    wr_leafd_downwards(arg, m, extra, body);
}

/* Kept for programs that come later, and passed to those that are here. */
static void on_card(void *arg, wr_host h, const struct wr_msg *m,
                    struct wr_span extra)
{
    struct wr_leafd *d = arg;
    struct wr_card_frame *card = &d->cards[h];
    size_t n;

    if (h >= WR_UPLINK_HOSTS_MAX ||
        wr_codec_encode(wr_uplink_codec(d->up), m, extra, d->header,
                        WR_HEADER_MAX, &n) != WR_OK ||
        (card->n == n && memcmp(card->p, d->header, n) == 0))
        return;
    uint8_t *p = realloc(card->p, n);
    if (p == NULL)
        return; /* Its name is missing in what is printed: no more. */
    memcpy(p, d->header, n);
    *card = (struct wr_card_frame){p, n};
    for (struct wr_leafd_client *c = d->clients; c != NULL; c = c->next)
        if (c->greeted)
            wr_leafd_send_header(c, wr_span(p, n), NULL);
}

/* ---- time and room ------------------------------------------------------- */

struct save {
    uv_work_t work;
    struct wr_home home; /* The directory and the contacts alone. */
};

static void save_work(uv_work_t *work)
{
    struct save *save = work->data;
    struct wr_why why;

    if (wr_home_save_contacts(&save->home, &why) != WR_OK)
        WR_LOG(WARN, "leaf", "contacts not saved", WR_KV_STR("why", why.text));
}

static void save_done(uv_work_t *work, int status)
{
    (void)status;
    free(work->data);
}

/* A leaf that is switched off without a word still knows whom to dial. */
static void save_contacts(struct wr_leafd *d)
{
    const struct wr_home *home = d->cfg.home;
    struct save *save = calloc(1, sizeof(*save));

    if (save == NULL)
        return;
    memcpy(save->home.dir, home->dir, sizeof(home->dir));
    memcpy(save->home.contacts, home->contacts, sizeof(home->contacts));
    save->home.contacts_n = home->contacts_n;
    save->work.data = save;
    d->moved = false;
    if (uv_queue_work(d->loop, &save->work, save_work, save_done) != 0)
        free(save);
}

static void on_timer(uv_timer_t *timer);

static void look_again(struct wr_leafd *d)
{
    d->fast = d->used > 0;
    uv_timer_start(&d->timer, on_timer, d->fast ? WR_UPLINK_SAMPLE_MS : IDLE_MS,
                   0);
}

static void on_timer(uv_timer_t *timer)
{
    struct wr_leafd *d = timer->data;
    const wr_time now = wr_clock_now();

    (void)wr_uplink_moved(d->up);
    if (d->moved)
        save_contacts(d);
    wr_leafd_sweep(d);
    if (now - d->trimmed_at >= WR_MS(IDLE_MS)) {
        wr_pool_trim(d->pool);
        d->trimmed_at = now;
    }
    look_again(d);
}

void wr_leafd_busy_now(struct wr_leafd *d)
{
    if (!d->fast)
        look_again(d);
}

/* On any thread. */
static void on_pool_room(void *arg, uint32_t share)
{
    struct wr_leafd *d = arg;

    (void)share;
    uv_async_send(&d->room);
}

static void on_room(uv_async_t *async)
{
    struct wr_leafd *d = async->data;

    if (d->closing)
        return;
    wr_leafd_resume(d);
}

/* ---- opening and closing ------------------------------------------------- */

static void free_leafd(struct wr_leafd *d)
{
    if (d->cards != NULL)
        for (uint32_t h = 0; h < WR_UPLINK_HOSTS_MAX; h++)
            free(d->cards[h].p);
    free(d->cards);
    free(d->slots);
    free(d->header);
    wr_pool_free(d->pool);
    free(d);
}

static void part_closed(struct wr_leafd *d)
{
    void (*closed)(void *arg) = d->closed;
    void *arg = d->closed_arg;

    if (--d->parts > 0)
        return;
    free_leafd(d);
    if (closed != NULL)
        closed(arg);
}

static void on_handle_closed(uv_handle_t *h)
{
    part_closed(h->data);
}

/* Buffers are back, so nobody wakes us any more. */
static void close_handles(struct wr_leafd *d)
{
    if (d->up != NULL || d->net != NULL)
        return;
    d->parts = 2;
    uv_close((uv_handle_t *)&d->timer, on_handle_closed);
    uv_close((uv_handle_t *)&d->room, on_handle_closed);
}

static void on_uplink_closed(void *arg)
{
    struct wr_leafd *d = arg;

    d->up = NULL;
    close_handles(d);
}

static void on_net_closed(void *arg)
{
    struct wr_leafd *d = arg;

    d->net = NULL;
    close_handles(d);
}

static void close_net(struct wr_leafd *d)
{
    if (d->parts == 0) {
        d->parts = 1; /* Once. */
        wr_net_close(d->net, on_net_closed, d);
    }
}

void wr_leafd_client_gone(struct wr_leafd *d)
{
    if (d->closing && d->clients_n == 0)
        close_net(d);
}

static void on_linger(uv_timer_t *timer)
{
    close_net(timer->data);
}

void wr_leafd_close(struct wr_leafd *d, void (*closed)(void *arg), void *arg)
{
    WR_CHECK(!d->closing);
    d->closing = true;
    d->up_since = 0;
    d->closed = closed;
    d->closed_arg = arg;
    wr_listener_close(d->listener);
    d->listener = NULL;
    for (struct wr_leafd_client *c = d->clients, *next; c != NULL; c = next) {
        next = c->next;
        wr_link_close(c->link);
    }
    uv_timer_start(&d->timer, on_linger, WR_LEAFD_LINGER_MS, 0);
    if (d->up != NULL)
        wr_uplink_close(d->up, on_uplink_closed, d);
    if (d->net == NULL)
        close_handles(d);
    else if (d->clients_n == 0)
        close_net(d);
}

static bool take_memory(struct wr_leafd *d)
{
    static const struct wr_pool_share shares[WR_LEAFD_SHARES_N] = {
        [WR_LEAFD_UP] = {"up", WR_LEAFD_UP_BYTES},
        [WR_LEAFD_DOWN] = {"down", WR_LEAFD_DOWN_BYTES},
    };
    const struct wr_pool_cfg pool = {
        .cap = WR_LEAFD_UP_BYTES + WR_LEAFD_DOWN_BYTES,
        .shares = shares,
        .shares_n = WR_LEAFD_SHARES_N,
        .on_room = on_pool_room,
        .arg = d,
    };
    const struct wr_net_cfg net = {.loop = d->loop};

    d->header = malloc(WR_HEADER_MAX);
    d->cards = calloc(WR_UPLINK_HOSTS_MAX, sizeof(*d->cards));
    d->pool = wr_pool_new(&pool);
    if (d->header == NULL || d->cards == NULL || d->pool == NULL ||
        !wr_leafd_table_init(d))
        return false;
    d->net = wr_net_new(&net);
    return d->net != NULL;
}

enum wr_err wr_leafd_open(struct wr_leafd **ret, uv_loop_t *loop,
                          const struct wr_leafd_cfg *cfg, struct wr_why *why)
{
    struct wr_leafd *d = calloc(1, sizeof(*d));
    enum wr_err err;

    if (d == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    d->cfg = *cfg;
    d->loop = loop;
    d->opened_at = wr_clock_now();
    uv_timer_init(loop, &d->timer);
    WR_CHECK(uv_async_init(loop, &d->room, on_room) == 0);
    d->timer.data = d->room.data = d;
    const struct wr_uplink_cfg up = {
        .loop = loop,
        .home = cfg->home,
        .agent = "wreath/" WR_VERSION,
        .local = cfg->local,
        .linger_ms = WR_LEAFD_LINGER_MS,
        .arg = d,
        .on_up = on_up,
        .on_lost = on_lost,
        .on_body = on_body,
        .on_msg = on_msg,
        .on_card = on_card,
    };
    if (!take_memory(d))
        err = wr_why(why, WR_ENOMEM, "out of memory");
    else
        err = wr_leafd_listen(d, why);
    if (err == WR_OK)
        err = wr_uplink_open(&d->up, &up, why);
    if (err != WR_OK) {
        wr_leafd_close(d, NULL, NULL); /* The loop finishes it. */
        return err;
    }
    look_again(d);
    *ret = d;
    return WR_OK;
}

/* ---- the service --------------------------------------------------------- */

struct service {
    uv_loop_t loop;
    uv_signal_t term, intr;
    struct wr_leafd *d;
};

static void on_signal(uv_signal_t *signal, int number)
{
    struct service *s = signal->data;

    WR_LOG(INFO, "leaf", "stopping", WR_KV_I64("signal", number));
    wr_notify("STOPPING=1");
    uv_close((uv_handle_t *)&s->term, NULL);
    uv_close((uv_handle_t *)&s->intr, NULL);
    wr_leafd_close(s->d, NULL, NULL);
}

static enum wr_err serve(const struct wr_leafd_cfg *cfg, struct wr_why *why)
{
    struct service s = {0};

    uv_loop_init(&s.loop);
    const enum wr_err err = wr_leafd_open(&s.d, &s.loop, cfg, why);
    if (err == WR_OK) {
        uv_signal_init(&s.loop, &s.term);
        uv_signal_init(&s.loop, &s.intr);
        s.term.data = s.intr.data = &s;
        uv_signal_start(&s.term, on_signal, SIGTERM);
        uv_signal_start(&s.intr, on_signal, SIGINT);
        WR_LOG_TEXT(INFO, "leaf", "ready");
        wr_notify("READY=1");
    }
    uv_run(&s.loop, UV_RUN_DEFAULT);
    uv_loop_close(&s.loop);
    return err;
}

enum wr_err wr_leafd_run(const struct wr_leafd_cfg *cfg, struct wr_why *why)
{
    const char *dir = cfg->home->dir;
    char path[WR_HOME_PATH_MAX];
    struct wr_lock lock;
    enum wr_err err;

    *why = (struct wr_why){0};
    if (cfg->home->cred.role == WR_ROLE_SUPERPEER)
        return wr_why(why, WR_EREFUSED,
                      "%s holds a super-peer's identity; run 'wreath "
                      "superpeer'",
                      dir);
    if (cfg->home->contacts_n == 0)
        return wr_why(why, WR_EUNREACH,
                      "no super-peer is known in %s; join again with a ticket",
                      dir);
    wr_home_path(dir, "run", path);
    err = wr_dir_make(path, 0700, why);
    if (err != WR_OK)
        return err;
    wr_home_path(dir, "run/lock", path);
    err = wr_lock_take(path, dir, why, &lock);
    if (err != WR_OK)
        return err;
    err = serve(cfg, why);
    wr_lock_release(&lock);
    return err;
}
