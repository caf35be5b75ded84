/* listener.c - see listener.h. */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/impl.h"
#include "sys/log.h"

enum { BACKLOG = 511 };

/* ---- who comes in ----------------------------------------------------- */

/* The kernel has a connection and we have no descriptor for it: until it is
 * taken off, the listener stays readable and the loop would spin. */
static void shake_off(struct wr_listener *ls)
{
    struct wr_net *const net = ls->net;
    uv_os_fd_t fd;
    int c;

    net->stats.no_room++;
    if (net->fd_reserve < 0 || uv_fileno(&ls->h.handle, &fd) != 0)
        return;
    close(net->fd_reserve);
    c = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (c >= 0)
        close(c);
    net->fd_reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_sunk(uv_handle_t *h);

/* There is no memory for a link. Until the connection is taken, libuv hears of
 * no other one: into a handle of the listener's own with it, and closed. */
static void sink(struct wr_listener *ls)
{
    struct wr_net *const net = ls->net;

    if (ls->sinking) {
        ls->deaf = true; /* Until the one before is closed. */
        return;
    }
    if (ls->plain)
        WR_CHECK(uv_pipe_init(net->cfg.loop, &ls->sink.pipe, 0) == 0);
    else
        WR_CHECK(uv_tcp_init(net->cfg.loop, &ls->sink.tcp) == 0);
    ls->sink.handle.data = ls;
    ls->sinking = true;
    (void)uv_accept(&ls->h.stream, &ls->sink.stream);
    uv_close(&ls->sink.handle, on_sunk);
}

static void listener_free(struct wr_listener *ls)
{
    struct wr_net *const net = ls->net;

    if (!ls->closed || ls->sinking)
        return;
    free(ls);
    net_release(net);
}

static void on_sunk(uv_handle_t *h)
{
    struct wr_listener *const ls = h->data;

    ls->sinking = false;
    if (ls->deaf && !uv_is_closing(&ls->h.handle)) {
        ls->deaf = false;
        sink(ls);
    }
    listener_free(ls);
}

static void evict_oldest(struct wr_net *net, enum wait w)
{
    struct wr_link *const l = RING_OF(net->waits[w].next, struct wr_link, wait);

    net->stats.evicted++;
    link_gone(l, WR_EBUSY, "room was needed for others");
}

/* Only we and root may use our socket, whatever its mode was changed to. */
static bool same_user(struct wr_link *l)
{
    struct ucred who;
    socklen_t n = sizeof(who);
    uv_os_fd_t fd;

    return uv_fileno(&l->h.handle, &fd) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
           (who.uid == geteuid() || who.uid == 0);
}

static void take_tcp(struct wr_link *l)
{
    struct wr_net *const net = l->net;
    struct sockaddr_storage sa;
    int n = sizeof(sa);

    if (uv_tcp_getpeername(&l->h.tcp, (struct sockaddr *)&sa, &n) != 0) {
        link_gone(l, WR_ECLOSED, "gone before it was taken");
        return;
    }
    wr_addr_of_socket((const struct sockaddr *)&sa, &l->addr);
    if (!wr_guard_knock(&net->guard, &l->addr, WR_MS(uv_now(net->cfg.loop)))) {
        net->stats.rate_limited++;
        link_gone(l, WR_EBUSY, "its address knocks too often");
        return;
    }
    if (net->waits_n[WAIT_STRANGER] >= WR_HALF_OPEN_MAX)
        evict_oldest(net, WAIT_STRANGER);
    net_wait(l, WAIT_STRANGER, WR_HALF_OPEN_MS);
    link_start(l);
}

/* A flood takes turns with those who are here already. What is not accepted
 * now stays with libuv, which takes no other meanwhile. */
static bool its_turn(struct wr_listener *ls)
{
    if (ls->turn != ls->net->turns)
        ls->taken = 0;
    ls->turn = ls->net->turns;
    ls->held = ls->taken == ACCEPT_MAX;
    ls->taken += !ls->held;
    return !ls->held;
}

static void on_connection(uv_stream_t *s, int status)
{
    struct wr_listener *const ls = s->data;
    struct wr_net *const net = ls->net;
    struct wr_link *l;

    if (status != 0) {
        if (status == UV_EMFILE || status == UV_ENFILE)
            shake_off(ls);
        return;
    }
    if (!its_turn(ls))
        return;
    l = link_new(net, ls->plain, ls->ops, ls->owner);
    if (l == NULL) {
        net->stats.no_room++;
        sink(ls);
        return;
    }
    if (uv_accept(s, &l->h.stream) != 0) {
        link_gone(l, WR_ECLOSED, "gone before it was taken");
        return;
    }
    net->stats.accepted++;
    /* Members that stand are never given up for who has yet to come in. */
    if (net->fds > net->cfg.links_max && net->waits_n[WAIT_STRANGER] > 0)
        evict_oldest(net, WAIT_STRANGER);
    else if (net->fds > net->cfg.links_max && net->waits_n[WAIT_KNOWN] > 0)
        evict_oldest(net, WAIT_KNOWN);
    if (net->fds > net->cfg.links_max) {
        net->stats.no_room++;
        link_gone(l, WR_EBUSY, "no room for more links");
    } else if (!ls->plain) {
        take_tcp(l);
    } else if (same_user(l)) {
        link_start(l);
    } else {
        link_gone(l, WR_EPERM, "another user's");
    }
}

void listener_turn(struct wr_listener *ls)
{
    if (ls->held)
        on_connection(&ls->h.stream, 0);
}

/* ---- listening -------------------------------------------------------- */

static struct wr_listener *listener_new(struct wr_net *net, bool plain,
                                        const struct wr_link_ops *ops,
                                        void *owner)
{
    struct wr_listener *const ls = calloc(1, sizeof(*ls));

    WR_CHECK(!net->closing);
    if (ls == NULL)
        return NULL;
    ls->net = net;
    ls->plain = plain;
    ls->ops = ops;
    ls->owner = owner;
    ring_init(&ls->all);
    if (plain)
        WR_CHECK(uv_pipe_init(net->cfg.loop, &ls->h.pipe, 0) == 0);
    else
        WR_CHECK(uv_tcp_init(net->cfg.loop, &ls->h.tcp) == 0);
    ls->h.handle.data = ls;
    ring_join(&net->listeners, &ls->all);
    net_hold(net);
    return ls;
}

static void on_listener_closed(uv_handle_t *h)
{
    struct wr_listener *const ls = h->data;

    ls->closed = true;
    listener_free(ls);
}

void wr_listener_close(struct wr_listener *ls)
{
    if (ls == NULL)
        return;
    ring_leave(&ls->all);
    uv_close(&ls->h.handle, on_listener_closed);
}

const struct wr_addr *wr_listener_addr(const struct wr_listener *ls)
{
    return &ls->addr;
}

static enum wr_err cannot(struct wr_listener *ls, const char *where, int err,
                          struct wr_why *why)
{
    wr_listener_close(ls);
    switch (err) {
    case UV_EADDRINUSE:
        return wr_why(why, WR_ELOCKED,
                      "%s is in use by another program; choose another address "
                      "with --listen, or stop the other one",
                      where);
    case UV_EADDRNOTAVAIL:
        return wr_why(why, WR_EINVAL, "%s is not an address of this machine",
                      where);
    case UV_EACCES:
        return wr_why(why, WR_EPERM, "may not listen on %s", where);
    default:
        return wr_why(why, WR_EIO, "cannot listen on %s: %s", where,
                      uv_strerror(err));
    }
}

enum wr_err wr_listen_tcp(struct wr_net *net, const struct wr_addr *addr,
                          const struct wr_link_ops *ops, void *owner,
                          struct wr_why *why, struct wr_listener **ret)
{
    struct wr_listener *const ls = listener_new(net, false, ops, owner);
    struct sockaddr_storage sa;
    char where[WR_ADDR_TEXT];
    int err, n = sizeof(sa);

    if (ls == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    wr_addr_to_socket(addr, &sa);
    wr_addr_text(addr, where);
    err = uv_tcp_bind(&ls->h.tcp, (const struct sockaddr *)&sa, 0);
    if (err == 0)
        err = uv_listen(&ls->h.stream, BACKLOG, on_connection);
    if (err == 0)
        err = uv_tcp_getsockname(&ls->h.tcp, (struct sockaddr *)&sa, &n);
    if (err != 0)
        return cannot(ls, where, err, why);
    wr_addr_of_socket((const struct sockaddr *)&sa, &ls->addr);
    *ret = ls;
    return WR_OK;
}

/* A socket file stands there: does anybody answer? If not, a process died and
 * left it, and it goes. */
static enum wr_err clear_stale(const char *path, struct wr_why *why)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct stat st;
    int fd, err;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? WR_OK
                               : wr_why(why, wr_err_of_errno(errno), "%s: %s",
                                        path, wr_errno_text(errno));
    if (!S_ISSOCK(st.st_mode))
        return wr_why(why, WR_EINVAL,
                      "%s is there and is no socket; it stays as it is", path);
    /* Whoever hangs with a full backlog answers EAGAIN: in use. */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return wr_why(why, wr_err_of_errno(errno), "%s: %s", path,
                      wr_errno_text(errno));
    memcpy(un.sun_path, path, strlen(path) + 1);
    err =
        connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0 ? 0 : errno;
    close(fd);
    if (err != ECONNREFUSED)
        return wr_why(why, WR_ELOCKED, "%s is in use by a running wreath (%s)",
                      path, err == 0 ? "it answers" : wr_errno_text(err));
    if (unlink(path) != 0 && errno != ENOENT)
        return wr_why(why, wr_err_of_errno(errno), "%s: %s", path,
                      wr_errno_text(errno));
    return WR_OK;
}

enum wr_err wr_listen_unix(struct wr_net *net, const char *path,
                           const struct wr_link_ops *ops, void *owner,
                           struct wr_why *why, struct wr_listener **ret)
{
    const struct sockaddr_un un;
    struct wr_listener *ls;
    enum wr_err err;
    mode_t mask;
    int bound;

    if (strlen(path) >= sizeof(un.sun_path))
        return wr_why(why, WR_EINVAL,
                      "%s: too long for a socket's path (%zu bytes at most)",
                      path, sizeof(un.sun_path) - 1);
    err = clear_stale(path, why);
    if (err != WR_OK)
        return err;
    ls = listener_new(net, true, ops, owner);
    if (ls == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    /* From its first moment on: there is no fchmod for a socket's name. */
    mask = umask(0177);
    bound = uv_pipe_bind(&ls->h.pipe, path);
    umask(mask);
    if (bound == 0)
        bound = uv_listen(&ls->h.stream, BACKLOG, on_connection);
    if (bound != 0)
        return cannot(ls, path, bound, why);
    *ret = ls;
    return WR_OK;
}
