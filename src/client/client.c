/* client.c - see client.h and wreath/wreath.h. */
#include "client/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto/secret.h"

wreath_code wr_client_error(const struct wr_why *why, wreath_error *error)
{
    if (error != NULL) {
        error->code = (wreath_code)why->err;
        snprintf(error->text, sizeof(error->text), "%s", why->text);
    }
    return (wreath_code)why->err;
}

/* ---- the loop ---------------------------------------------------------------
 */

/* Everybody who waits for room looks again. Operations may end in it, and take
 * their neighbours' place in the list: start over after each. */
static void tell_room(struct wreath *w)
{
    struct wreath_op *next;

    for (struct wreath_op *op = w->ops; op != NULL; op = next) {
        next = op->next;
        wr_call_room(op);
    }
}

static void cancel_all(struct wreath *w)
{
    struct wreath_op *next;

    for (struct wreath_op *op = w->ops; op != NULL; op = next) {
        next = op->next;
        wreath_cancel(op);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct wreath *w = wake->data;

    if (atomic_exchange(&w->interrupted, false))
        cancel_all(w);
    if (atomic_exchange(&w->room, false)) {
        if (w->session != NULL)
            wr_session_room(w->session);
        tell_room(w);
    }
}

/* On any thread. */
static void on_pool_room(void *arg, uint32_t share)
{
    struct wreath *w = arg;

    (void)share;
    atomic_store(&w->room, true);
    uv_async_send(&w->wake);
}

/* From within the session: answered on the loop's next turn. */
static void on_session_room(void *arg)
{
    on_pool_room(arg, 0);
}

/* Nothing may move for long: progress says so too. */
static void on_session_waiting(void *arg)
{
    struct wreath *w = arg;

    for (struct wreath_op *op = w->ops; op != NULL; op = op->next)
        wr_call_waiting(op);
}

void wreath_interrupt(wreath *w)
{
    atomic_store(&w->interrupted, true);
    uv_async_send(&w->wake);
}

/* ---- opening
 * ------------------------------------------------------------------ */

enum wr_err wr_client_session(struct wreath *w, struct wr_why *why)
{
    const struct wr_session_cfg cfg = {
        .loop = w->loop,
        .home = w->home,
        .pool = w->pool,
        .patience_ms = w->timeout_ms,
        .arg = w,
        .on_room = on_session_room,
        .on_waiting = on_session_waiting,
    };

    if (w->closing)
        return wr_why(why, WR_ECLOSED, "the handle is being closed");
    if (w->session != NULL)
        return WR_OK;
    return wr_session_open(&w->session, &cfg, why);
}

enum wr_err wr_client_parse(const char *what, struct wr_cid *ret,
                            const char **ret_path, struct wr_why *why)
{
    const size_t n = strcspn(what, "/");
    struct wr_cid_fault fault = {0};

    const enum wr_err err = wr_cid_parse(wr_span(what, n), ret, &fault);
    if (err != WR_OK) {
        char text[WR_CID_FAULT_SIZE];

        wr_cid_fault_text(&fault, text);
        if (err == WR_EINVAL)
            return wr_why(why, err,
                          "'%.*s' is not a CID, or a part of it is missing or "
                          "mistyped; 'wreath ls' lists those of your own puts",
                          (int)(n < 100 ? n : 100), what);
        return wr_why(why, err, "'%.*s' is no CID that wreath knows: %s",
                      (int)(n < 100 ? n : 100), what, text);
    }
    *ret_path = what + n;
    return WR_OK;
}

static enum wr_err open_home(struct wreath *w, const char *dir,
                             struct wr_why *why)
{
    char found[WR_HOME_DIR_MAX];
    enum wr_err err = WR_OK;

    if (dir == NULL) {
        err = wr_home_default(found, why);
        dir = found;
    }
    w->home = calloc(1, sizeof(*w->home));
    if (w->home == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    /* Past the limit of locked memory keys may be swapped; no reason to stop.
     */
    const enum wr_err locked = wr_secret_lock(w->home, sizeof(*w->home));
    (void)locked;
    if (err == WR_OK)
        err = wr_home_open(w->home, dir, why);
    return err;
}

static void free_handle(struct wreath *w)
{
    if (w->home != NULL) {
        wr_home_close(w->home);
        wr_secret_unlock(w->home, sizeof(*w->home));
    }
    free(w->home);
    wr_pool_free(w->pool);
    free(w);
}

static struct wr_pool *make_pool(struct wreath *w)
{
    static const struct wr_pool_share shares[WR_CLIENT_SHARES_N] = {
        [WR_CLIENT_UP] = {"up", WR_CLIENT_UP_BYTES},
        [WR_CLIENT_DOWN] = {"down", WR_CLIENT_DOWN_BYTES},
    };
    const struct wr_pool_cfg cfg = {
        .cap = WR_POOL_CAP_LEAF,
        .shares = shares,
        .shares_n = WR_CLIENT_SHARES_N,
        .on_room = on_pool_room,
        .arg = w,
    };

    return wr_pool_new(&cfg);
}

wreath_code wreath_open(const wreath_options *options, wreath **ret,
                        wreath_error *error)
{
    static const wreath_options none;
    const wreath_options *o = options != NULL ? options : &none;
    struct wreath *w = calloc(1, sizeof(*w));
    struct wr_why why = {0};

    if (w == NULL) {
        wr_why(&why, WR_ENOMEM, "out of memory");
        return wr_client_error(&why, error);
    }
    enum wr_err err = wr_crypto_init();
    if (err != WR_OK)
        wr_why(&why, err, "this system gives no random numbers");
    else
        err = open_home(w, o->dir, &why);
    if (err == WR_OK && (w->pool = make_pool(w)) == NULL)
        err = wr_why(&why, WR_ENOMEM, "out of memory");
    if (err == WR_OK && o->loop == NULL && uv_loop_init(&w->own) != 0)
        err = wr_why(&why, WR_ENOMEM, "no event loop: out of descriptors");
    if (err != WR_OK) {
        free_handle(w);
        return wr_client_error(&why, error);
    }
    w->owns_loop = o->loop == NULL;
    w->loop = w->owns_loop ? &w->own : o->loop;
    w->timeout_ms = o->timeout_ms;
    WR_CHECK(uv_async_init(w->loop, &w->wake, on_wake) == 0);
    w->wake.data = w;
    uv_unref((uv_handle_t *)&w->wake);
    *ret = w;
    return WREATH_OK;
}

/* ---- closing
 * ------------------------------------------------------------------ */

static void wake_closed(uv_handle_t *handle)
{
    struct wreath *w = handle->data;
    void (*closed)(void *arg) = w->closed;
    void *arg = w->closed_arg;

    if (!w->owns_loop)
        free_handle(w);
    closed(arg);
}

static void session_closed(void *arg)
{
    struct wreath *w = arg;

    w->session = NULL;
    uv_close((uv_handle_t *)&w->wake, wake_closed);
}

void wreath_close_async(wreath *w, void (*closed)(void *arg), void *arg)
{
    WR_CHECK(!w->closing);
    w->closing = true;
    w->closed = closed;
    w->closed_arg = arg;
    cancel_all(w);
    wr_client_close_on(w);
}

/* Once the last operation is over: some wait for a worker. */
void wr_client_close_on(struct wreath *w)
{
    struct wr_why why;

    if (w->ops != NULL || w->ending)
        return;
    w->ending = true;
    if (w->session == NULL) {
        session_closed(w);
        return;
    }
    /* What was learnt of other super-peers; missing it costs a detour. */
    const enum wr_err err = wr_home_save_contacts(w->home, &why);
    (void)err;
    wr_session_close(w->session, session_closed, w);
}

static void note_closed(void *arg)
{
    *(bool *)arg = true;
}

void wreath_close(wreath *w)
{
    bool gone = false;

    if (w == NULL)
        return;
    WR_CHECK(w->owns_loop);
    wreath_close_async(w, note_closed, &gone);
    while (!gone)
        uv_run(w->loop, UV_RUN_ONCE);
    uv_run(w->loop, UV_RUN_DEFAULT);
    WR_CHECK(uv_loop_close(w->loop) == 0);
    free_handle(w);
}
