/* super.c - the super-peer's run-time: start, the loop, stop (super.h). */
#include "host/super.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "crypto/secret.h"
#include "host/address.h"
#include "host/notify.h"
#include "host/super_parts.h"
#include "host/view.h"
#include "net/addr.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"

enum {
    UPKEEP_MS = 1000,
    TRIM_EVERY = 5,   /* Upkeeps between two trims of the pool. */
    STORE_EVERY = 60, /* ... and between two of the store. */
    SAVE_AGAIN = 10,  /* ... until what could not be saved is, perhaps. */
};

/* --- The store and its threads ------------------------------------------ */

static void wake_store(void *arg)
{
    struct wr_super *s = arg;

    uv_async_send(&s->store_wake);
}

static void on_store_wake(uv_async_t *a)
{
    struct wr_super *s = a->data;

    wr_store_poll(s->store);
}

static void wake_room(void *arg, uint32_t share)
{
    struct wr_super *s = arg;

    (void)share;
    uv_async_send(&s->room_wake);
}

static void on_room_wake(uv_async_t *a)
{
    struct wr_super *s = a->data;

    wr_hub_room(s->hub);
}

static enum wr_err open_store(struct wr_super *s, struct wr_why *why)
{
    const struct wr_config *config = s->cfg.config;
    const struct wr_store_cfg cfg = {
        .quota = wr_config_number(config, WR_CONFIG_quota),
        .wake = wake_store,
        .arg = s,
    };
    char path[WR_HOME_PATH_MAX];

    if (strcmp(wr_config_text(config, WR_CONFIG_store), "memory") == 0)
        return wr_store_open_mem(&cfg, &s->store);
    if (strcmp(wr_config_text(config, WR_CONFIG_store), "lmdb") != 0)
        return wr_why(why, WR_EINVAL, "store = %s: it is lmdb or memory",
                      wr_config_text(config, WR_CONFIG_store));
    wr_home_path(s->cfg.home->dir, "store", path);
    return wr_store_open_lmdb(path, &cfg, why, &s->store);
}

/* Each share is a reserve of its own, so that no kind of traffic can starve
 * another, and two hosts never wait for each other (decision 0007). */
static enum wr_err open_pool(struct wr_super *s)
{
    static const struct wr_pool_share shares[WR_SHARES_N] = {
        [WR_SHARE_LEAF] = {"leaf", 6 << 20},
        [WR_SHARE_OWNER] = {"owner", 6 << 20},
        [WR_SHARE_COPY] = {"copy", 6 << 20},
        [WR_SHARE_READ] = {"read", 6 << 20},
    };
    const struct wr_pool_cfg cfg = {.cap = WR_POOL_CAP_SUPER,
                                    .shares = shares,
                                    .shares_n = WR_SHARES_N,
                                    .on_room = wake_room,
                                    .arg = s};

    s->pool = wr_pool_new(&cfg);
    return s->pool == NULL ? WR_ENOMEM : WR_OK;
}

/* --- Who we are, whom we know -------------------------------------------- */

bool wr_super_incarnation(struct wr_span text, uint32_t *ret)
{
    uint64_t v = 0;
    size_t i = 0;

    for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++) {
        v = v * 10 + (uint64_t)(text.p[i] - '0');
        if (v > UINT32_MAX)
            return false;
    }
    if (i == 0 || i + 1 != text.n || text.p[i] != '\n')
        return false;
    *ret = (uint32_t)v;
    return true;
}

static enum wr_err save_incarnation(const struct wr_super *s, uint32_t value,
                                    struct wr_why *why)
{
    char path[WR_HOME_PATH_MAX], text[16];

    wr_home_path(s->cfg.home->dir, "incarnation", path);
    snprintf(text, sizeof(text), "%u\n", value);
    return wr_file_write(path, 0644, wr_span_str(text), why);
}

/* One higher than at any earlier start, written down before anybody hears
 * of it. A file that is lost or damaged does no harm as long as the list of
 * members remembers. */
static enum wr_err next_incarnation(struct wr_super *s, struct wr_why *why)
{
    char path[WR_HOME_PATH_MAX];
    uint32_t last = wr_card_of(&s->cards, s->self)->incarnation, written;
    uint8_t *bytes;
    size_t n;

    wr_home_path(s->cfg.home->dir, "incarnation", path);
    const enum wr_err err = wr_file_read(path, 32, why, &bytes, &n);
    if (err == WR_OK) {
        if (!wr_super_incarnation(wr_span(bytes, n), &written))
            WR_LOG(WARN, "host", "damaged incarnation passed over",
                   WR_KV_STR("path", path));
        else if (written > last)
            last = written;
        free(bytes);
    } else if (err != WR_ENOTFOUND && err != WR_ETOOBIG) {
        return err;
    }
    if (last == UINT32_MAX)
        return wr_why(why, WR_EDAMAGED,
                      "%s holds the highest number there is; join with a new "
                      "ticket in another directory",
                      path);
    s->incarnation = last + 1;
    return save_incarnation(s, s->incarnation, why);
}

static enum wr_err open_cards(struct wr_super *s, struct wr_why *why)
{
    const struct wr_home *home = s->cfg.home;
    bool is_new;
    enum wr_err err =
        wr_book_init(&s->book, home->ring, WR_HOSTS_MAX, WR_BOOK_IDS);

    if (err == WR_OK)
        err = wr_cards_init(&s->cards, home->ring, &s->book);
    if (err == WR_OK)
        err = wr_cards_add(&s->cards, wr_span(home->cred_bytes, home->cred_n),
                           &s->self, &is_new);
    if (err != WR_OK)
        return wr_why(why, err,
                      "this identity is no super-peer; join with a ticket that "
                      "was made with --super-peer");
    wr_cards_load(&s->cards, home->dir);
    switch (wr_cards_state(&s->cards, s->self)) {
    case WR_ROSTER_LEFT:
        if (!wr_card_of(&s->cards, s->self)->confirmed)
            break; /* There is still somebody to be told. */
        return wr_why(why, WR_EREFUSED, WR_SUPER_LEFT_TEXT);
    case WR_ROSTER_REMOVED:
        return wr_why(why, WR_EREFUSED,
                      "this host was removed from its ring by the issuer");
    case WR_ROSTER_ADMITTED:
        break;
    }
    return WR_OK;
}

static enum wr_err open_node(struct wr_super *s)
{
    const struct wr_config *config = s->cfg.config;
    struct wr_node_cfg cfg =
        wr_node_cfg_default(s->self, s->book.hosts[s->self].members);
    enum wr_err err;

    cfg.incarnation = s->incarnation;
    wr_secret_random(&cfg.seed, sizeof(cfg.seed));
    cfg.round_us = wr_config_number(config, WR_CONFIG_round);
    cfg.roster_us = wr_config_number(config, WR_CONFIG_roster);
    cfg.rejoin_us = wr_config_number(config, WR_CONFIG_rejoin);
    cfg.patience_min_us = wr_config_number(config, WR_CONFIG_patience);
    cfg.probe_dead_us = wr_config_number(config, WR_CONFIG_probe);
    cfg.request_us = wr_config_number(config, WR_CONFIG_request);
    cfg.copies = (uint8_t)wr_config_number(config, WR_CONFIG_copies);
    cfg.ops_max = WR_SUPER_OPS;
    cfg.repair_us = wr_config_number(config, WR_CONFIG_repair);
    cfg.repair_rate = wr_config_number(config, WR_CONFIG_repair_rate);
    cfg.gone_us = wr_config_number(config, WR_CONFIG_absence);
    cfg.gone_long_us = wr_config_number(config, WR_CONFIG_absence_long);
    cfg.sweep_us = wr_config_number(config, WR_CONFIG_sweep);
    cfg.grace_s =
        (uint32_t)(wr_config_number(config, WR_CONFIG_grace) / WR_SEC(1));
    cfg.forget_s = wr_config_number(config, WR_CONFIG_forget) / WR_SEC(1);
    s->later = calloc(WR_SUPER_LATER, sizeof(*s->later));
    err = s->later == NULL ? WR_ENOMEM : WR_OK;
    if (err == WR_OK)
        err = wr_bodytab_init(&s->bodies, WR_SUPER_BODIES);
    if (err == WR_OK)
        err = wr_outbox_init(&s->out, WR_SUPER_FX, WR_SUPER_FX_BYTES);
    if (err == WR_OK)
        err = wr_node_open(&s->node, &cfg, &s->book);
    return err;
}

static bool is_issuer(const struct wr_super *s)
{
    static const uint8_t serial[WR_CRED_SERIAL];
    uint8_t id[WR_CRED_HOST];

    wr_cred_host_id(serial, 0, id);
    return memcmp(id, s->cfg.home->cred.host, sizeof(id)) == 0;
}

/* R1 for the founder alone, R2 for a newcomer, R10 for who was here before. */
static void enter_ring(struct wr_super *s)
{
    wr_host known[WR_READ_HOSTS];
    char path[WR_HOME_PATH_MAX];
    size_t n = 0;

    wr_home_path(s->cfg.home->dir, "joined", path);
    const bool before = access(path, F_OK) == 0;
    const uint64_t absence_s =
        wr_config_number(s->cfg.config, WR_CONFIG_absence) / WR_SEC(1);
    for (wr_host h = 0; h < s->book.hosts_n; h++) {
        const enum wr_roster_state state = wr_cards_state(&s->cards, h);

        if (h != s->self || state == WR_ROSTER_ADMITTED)
            wr_super_later(
                s, &(struct wr_super_later){
                       .kind = WR_EV_ADMIT,
                       .from = h,
                       .value = wr_cards_silent_s(&s->cards, h, absence_s)});
        if (h != s->self && state == WR_ROSTER_ADMITTED &&
            n < WR_ARRAY_LEN(known))
            known[n++] = h;
    }
    if (wr_card_of(&s->cards, s->self)->left) {
        s->state = WR_SUPER_LEAVING;
        wr_super_farewell_saved(s);
        return;
    }
    if (n == 0 && (s->issuer || before))
        wr_node_start_ring(s->node, wr_clock_now(), &s->out);
    else
        wr_node_join(s->node, known, n, s->issuer || before, wr_clock_now(),
                     &s->out);
    wr_super_drain(s);
}

/* --- The network ---------------------------------------------------------- */

static void on_up(void *arg, wr_host h, uint32_t incarnation)
{
    wr_super_later(arg, &(struct wr_super_later){.kind = WR_EV_LINK_UP,
                                                 .from = h,
                                                 .value = incarnation});
}

static void on_down(void *arg, wr_host h)
{
    struct wr_super *s = arg;

    if (s->state != WR_SUPER_STOPPING)
        wr_super_later(
            s, &(struct wr_super_later){.kind = WR_EV_LINK_DOWN, .from = h});
}

static void on_card(void *arg, wr_host h)
{
    struct wr_super *s = arg;

    if (h == s->self)
        wr_super_told_left(s);
    else
        wr_super_later(
            s, &(struct wr_super_later){.kind = WR_EV_ADMIT, .from = h});
}

/* The port that we had last time, if any port will do: others know it. */
static void keep_port(const struct wr_super *s, struct wr_addr *listen)
{
    char path[WR_HOME_PATH_MAX];
    struct wr_addr last;
    uint8_t *bytes;
    size_t n;

    wr_home_path(s->cfg.home->dir, "port", path);
    if (listen->port != 0 || wr_file_read(path, 64, NULL, &bytes, &n) != WR_OK)
        return;
    bytes[strcspn((char *)bytes, "\n")] = '\0';
    if (wr_addr_parse((char *)bytes, 0, &last) == WR_OK &&
        memcmp(last.ip, listen->ip, sizeof(last.ip)) == 0)
        listen->port = last.port;
    free(bytes);
}

static enum wr_err open_hub(struct wr_super *s, struct wr_why *why)
{
    struct wr_hub_cfg cfg = {
        .loop = &s->loop,
        .home = s->cfg.home,
        .cards = &s->cards,
        .pool = s->pool,
        .self = s->self,
        .incarnation = s->incarnation,
        .arg = s,
        .on_msg = wr_super_on_msg,
        .on_no_room = wr_super_on_no_room,
        .on_up = on_up,
        .on_down = on_down,
        .on_leaf = wr_super_welcome,
        .on_card = on_card,
        .on_revoked = wr_super_on_revoked,
    };

    enum wr_err err =
        wr_addr_settings(s->cfg.config, &cfg.listen, &cfg.advertise, why);
    if (err != WR_OK)
        return err;
    const bool any_port = cfg.listen.port == 0;
    keep_port(s, &cfg.listen);
    err = wr_hub_open(&s->hub, &cfg, why);
    if (err == WR_ELOCKED && any_port && cfg.listen.port != 0) {
        cfg.listen.port = 0; /* Somebody took it meanwhile. */
        err = wr_hub_open(&s->hub, &cfg, why);
    }
    return err;
}

static enum wr_err write_address(struct wr_super *s, struct wr_why *why)
{
    const struct wr_addr told = wr_hub_advertised(s->hub);
    const struct wr_addr bound = wr_hub_bound(s->hub);
    char path[WR_HOME_PATH_MAX], text[WR_ADDR_TEXT + 2];
    enum wr_err err;

    wr_addr_text(&bound, text);
    strcat(text, "\n");
    wr_home_path(s->cfg.home->dir, "port", path);
    err = wr_file_write(path, 0644, wr_span_str(text), why);
    if (err != WR_OK)
        return err;
    wr_addr_text(&told, text);
    strcat(text, "\n");
    wr_home_path(s->cfg.home->dir, "run/address", path);
    return wr_file_write(path, 0644, wr_span_str(text), why);
}

/* --- The loop ------------------------------------------------------------- */

struct save {
    uv_work_t work;
    struct wr_super *s;
    char *text;
    bool joined, farewell;
    uint32_t incarnation; /* Raised (R12) since the start; or 0. */
    uint64_t seen_s;      /* The time; or 0. */
    char *accounts;       /* Or NULL: they are as they were. */
    uint8_t *revoked;     /* A newer list; or NULL. */
    size_t revoked_n;
    bool failed;
};

static void save_work(uv_work_t *work)
{
    struct save *save = work->data;
    char path[WR_HOME_PATH_MAX];
    struct wr_why why;

    wr_home_path(save->s->cfg.home->dir, "members", path);
    enum wr_err err = wr_file_write(path, 0644, wr_span_str(save->text), &why);
    if (err == WR_OK && save->joined) {
        wr_home_path(save->s->cfg.home->dir, "joined", path);
        if (access(path, F_OK) != 0)
            err = wr_file_write(path, 0644, wr_span_str("yes\n"), &why);
    }
    if (err == WR_OK && save->incarnation != 0)
        err = save_incarnation(save->s, save->incarnation, &why);
    if (err == WR_OK && save->seen_s != 0)
        err = wr_sweep_save(save->s, save->seen_s, &why);
    if (err == WR_OK && save->accounts != NULL) {
        wr_home_path(save->s->cfg.home->dir, "accounts", path);
        err = wr_file_write(path, 0644, wr_span_str(save->accounts), &why);
    }
    if (err == WR_OK && save->revoked != NULL) {
        wr_home_path(save->s->cfg.home->dir, "revoked", path);
        err = wr_file_write(path, 0644, wr_span(save->revoked, save->revoked_n),
                            &why);
    }
    save->failed = err != WR_OK;
    if (err != WR_OK)
        WR_LOG(WARN, "host", "list of members not saved",
               WR_KV_STR("why", why.text));
}

/* A copy of what is to be written; NULL without memory, and then it stays
 * dirty. */
static struct save *save_new(struct wr_super *s)
{
    struct save *save = calloc(1, sizeof(*save));
    const struct wr_span revoked = s->cards.revoked.bytes;

    wr_sweep_note(s);
    if (save != NULL)
        save->text = wr_cards_dump(&s->cards);
    if (save == NULL || save->text == NULL) {
        free(save);
        return NULL;
    }
    save->s = s;
    s->hosts_saved = s->book.hosts_n;
    save->joined = s->state == WR_SUPER_SERVING;
    save->farewell = wr_super_farewell_due(s);
    save->work.data = save;
    if (s->incarnation > s->incarnation_saved)
        save->incarnation = s->incarnation;
    if (s->cards.revoked.number > s->revoked_saved)
        save->revoked = malloc(revoked.n);
    if (save->revoked != NULL) {
        memcpy(save->revoked, revoked.p, revoked.n);
        save->revoked_n = revoked.n;
        s->revoked_saved = s->cards.revoked.number;
    }
    s->incarnation_saved = s->incarnation;
    save->seen_s = s->sweep.saved_s = s->sweep.seen_s;
    if (s->account.dirty)
        save->accounts = wr_account_dump(&s->account);
    s->account.dirty = s->account.dirty && save->accounts == NULL;
    return save;
}

static void save_free(struct save *save)
{
    free(save->text);
    free(save->revoked);
    free(save->accounts);
    free(save);
}

static void save_done(uv_work_t *work, int status)
{
    struct save *save = work->data;

    save->s->saving = false;
    if (status != 0 || save->failed) {
        save->s->incarnation_saved = 0;
        save->s->revoked_saved = 0;
        save->s->account.dirty = save->s->account.dirty || save->accounts;
        save->s->cards.dirty = true;
        save->s->save_at = save->s->upkeeps + SAVE_AGAIN;
    } else if (save->farewell) {
        wr_super_farewell_saved(save->s);
    }
    wr_super_save_soon(save->s); /* Somebody may have come meanwhile. */
    save_free(save);
}

void wr_super_save_members(struct wr_super *s)
{
    struct save *save = save_new(s);

    if (save == NULL)
        return;
    s->saving = true;
    if (uv_queue_work(&s->loop, &save->work, save_work, save_done) != 0)
        save_done(&save->work, UV_ECANCELED);
}

/* One put a second: a leaf's quota has room again once it is over. */
static void settle_accounts(struct wr_super *s)
{
    struct wr_put_id put;
    enum wr_verdict v;

    if (s->hub == NULL || !wr_account_next(&s->account, &put))
        return;
    v = wr_node_judge(s->node, &put, wr_clock_now(), &s->out);
    wr_super_drain(s);
    if (v == WR_VERDICT_GONE)
        wr_account_over(&s->account, &put);
}

static void on_upkeep(uv_timer_t *t)
{
    struct wr_super *s = t->data;
    struct wr_store_usage usage;
    char status[96];

    s->upkeeps++;
    s->saved_soon = false;
    wr_survey_tick(s);
    wr_sweep_upkeep(s);
    settle_accounts(s);
    if ((s->cards.dirty || wr_sweep_unsaved(s)) && !s->saving &&
        s->upkeeps >= s->save_at)
        wr_super_save_members(s);
    if (s->upkeeps % TRIM_EVERY == 0)
        wr_pool_trim(s->pool);
    if (s->upkeeps % STORE_EVERY == 0) {
        wr_store_tick(s->store);
        if (s->account.dirty && !s->saving)
            wr_super_save_members(s);
    }
    wr_store_usage(s->store, &usage);
    snprintf(status, sizeof(status), "STATUS=%s",
             usage.failed                     ? "refusing puts: disk failed"
             : usage.space >= WR_SPACE_NO_PUT ? "refusing puts: disk is full"
                                              : wr_view_state(s));
    wr_notify(status);
    wr_notify("WATCHDOG=1");
}

static void on_handle_closed(uv_handle_t *h)
{
    struct wr_super *s = h->data;

    s->handles--;
}

static void on_hub_closed(void *arg)
{
    struct wr_super *s = arg;
    uv_handle_t *all[] = {
        (uv_handle_t *)&s->timer,       (uv_handle_t *)&s->upkeep,
        (uv_handle_t *)&s->store_wake,  (uv_handle_t *)&s->room_wake,
        (uv_handle_t *)&s->term,        (uv_handle_t *)&s->intr,
        (uv_handle_t *)&s->scrub.timer,
    };

    s->hub = NULL; /* Gone; what the store still answers is told to nobody. */
    for (size_t i = 0; i < WR_ARRAY_LEN(all); i++)
        uv_close(all[i], on_handle_closed);
}

/* Finishes what was acknowledged or is about to be, says "back soon" (unless
 * it was a farewell), and lets the loop run dry. */
void wr_super_stop(struct wr_super *s)
{
    if (s->state == WR_SUPER_STOPPING)
        return;
    wr_notify("STOPPING=1");
    s->state = WR_SUPER_STOPPING;
    if (s->store != NULL)
        wr_scrub_stop(s);
    if (!wr_card_of(&s->cards, s->self)->confirmed)
        wr_super_later(s, &(struct wr_super_later){.kind = WR_EV_STOP});
    wr_sweep_note(s);
    wr_hub_close(s->hub, on_hub_closed, s);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct wr_super *s = signal->data;

    WR_LOG(INFO, "host", "stopping", WR_KV_I64("signal", number));
    if (s->state == WR_SUPER_FAREWELL)
        WR_LOG_TEXT(WARN, "host",
                    "no other host has confirmed that this one has left: they "
                    "count on it until it is started once more");
    wr_store_drain(s->store);
    wr_super_stop(s);
}

static void init_handles(struct wr_super *s)
{
    uv_timer_init(&s->loop, &s->timer);
    uv_timer_init(&s->loop, &s->upkeep);
    uv_timer_init(&s->loop, &s->scrub.timer);
    uv_async_init(&s->loop, &s->store_wake, on_store_wake);
    uv_async_init(&s->loop, &s->room_wake, on_room_wake);
    uv_signal_init(&s->loop, &s->term);
    uv_signal_init(&s->loop, &s->intr);
    s->timer.data = s->upkeep.data = s->scrub.timer.data = s->store_wake.data =
        s->room_wake.data = s->term.data = s->intr.data = s;
    s->handles = 7;
}

static void done(struct wr_super *s)
{
    char path[WR_HOME_PATH_MAX];

    if (s->store != NULL) { /* Else another process has the directory. */
        wr_home_path(s->cfg.home->dir, "run/address", path);
        unlink(path);
    }
    /* Its last answers are events, whose effects may be worth saving. */
    wr_store_close(s->store);
    if (s->opened) {
        struct save *save = save_new(s);

        if (save != NULL) {
            save_work(&save->work);
            save_free(save);
        }
    }
    wr_survey_done(s);
    wr_node_close(s->node);
    wr_outbox_done(&s->out);
    wr_bodytab_done(&s->bodies);
    wr_account_close(&s->account);
    wr_pool_free(s->pool);
    wr_cards_done(&s->cards);
    wr_book_done(&s->book);
    free(s->later);
}

static enum wr_err start(struct wr_super *s, struct wr_why *why)
{
    char address[WR_ADDR_TEXT];
    enum wr_err err = open_cards(s, why);
    bool aside = false;

    s->issuer = is_issuer(s);
    if (err == WR_OK)
        err = open_pool(s);
    if (err == WR_OK)
        err = open_store(s, why);
    if (err == WR_OK) /* Not while another process has it. */
        err = wr_sweep_open(s, &aside, why);
    if (err == WR_OK && aside)
        err = open_store(s, why);
    if (err == WR_OK) /* After the store's lock: one process per directory. */
        err = next_incarnation(s, why);
    if (err == WR_OK)
        err = wr_account_open(&s->account, s->cfg.home->dir);
    if (err == WR_OK)
        err = open_node(s);
    if (err == WR_OK)
        err = open_hub(s, why);
    if (err == WR_OK)
        err = write_address(s, why);
    if (err != WR_OK)
        return err;
    s->opened = true;
    s->incarnation_saved = s->incarnation;
    s->revoked_saved = s->cards.revoked.number;
    const struct wr_addr told = wr_hub_advertised(s->hub);
    wr_addr_text(&told, address);
    (void)wr_cards_said(&s->cards, s->self, &told, s->incarnation);
    uv_signal_start(&s->term, on_signal, SIGTERM);
    uv_signal_start(&s->intr, on_signal, SIGINT);
    uv_timer_start(&s->upkeep, on_upkeep, UPKEEP_MS, UPKEEP_MS);
    wr_scrub_open(s);
    enter_ring(s);
    WR_LOG(INFO, "host", "ready", WR_KV_STR("address", address),
           WR_KV_U64("incarnation", s->incarnation));
    wr_notify("READY=1");
    if (s->cfg.ready != NULL)
        s->cfg.ready(s->cfg.arg, address);
    return WR_OK;
}

enum wr_err wr_super_run(const struct wr_super_cfg *cfg, struct wr_why *why)
{
    struct wr_super *s = calloc(1, sizeof(*s));

    *why = (struct wr_why){0};
    if (s == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    s->cfg = *cfg;
    s->timer_at = WR_NEVER;
    s->started = wr_clock_now();
    if (uv_loop_init(&s->loop) != 0) {
        free(s);
        return wr_why(why, WR_EFAIL,
                      "no event loop: too many open files, perhaps");
    }
    init_handles(s);
    enum wr_err err = start(s, why);
    if (err != WR_OK && why->text[0] == '\0')
        wr_why(why, err, "cannot start: %s", wr_err_text(err));
    if (err != WR_OK && s->hub == NULL)
        on_hub_closed(s);
    else if (err != WR_OK)
        wr_super_stop(s);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    WR_CHECK(s->handles == 0);
    done(s);
    uv_loop_close(&s->loop);
    free(s);
    return err;
}
