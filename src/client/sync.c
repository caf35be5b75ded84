/* sync.c - see client.h: the blocking half of the library, and its words. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "client/client.h"

/* What a blocking call waits for. */
struct waiter {
    bool over;
    wreath_code code;
    wreath_error *error;
    void *result;
    size_t size;
};

static void wait_for(struct wreath *w, struct waiter *wait)
{
    while (!wait->over)
        uv_run(w->loop, UV_RUN_ONCE);
}

static void end_wait(struct waiter *wait, const wreath_error *error,
                     const void *result)
{
    wait->over = true;
    wait->code = error->code;
    if (wait->error != NULL)
        *wait->error = *error;
    if (result != NULL && wait->result != NULL)
        memcpy(wait->result, result, wait->size);
}

static void put_over(void *arg, const wreath_error *error,
                     const wreath_put_result *result)
{
    end_wait(arg, error, result);
}

static void get_over(void *arg, const wreath_error *error,
                     const wreath_get_result *result)
{
    end_wait(arg, error, result);
}

static wreath_op *no_memory(wreath_error *error)
{
    struct wr_why why;

    wr_why(&why, WR_ENOMEM, "out of memory");
    wr_client_error(&why, error);
    return NULL;
}

static wreath_op *put_start(wreath *w, const char *path, int fd,
                            struct wr_span bytes, const wreath_put_options *o,
                            wreath_put_fn done, void *arg, wreath_error *error)
{
    struct wreath_op *op = wr_call_new(w, WR_CALL_PUT, arg);
    struct wr_why why = {0};

    if (op == NULL)
        return no_memory(error);
    op->on_put = done;
    if (wr_call_put(op, o, path, fd, bytes, &why) == WR_OK)
        return op;
    wr_call_free(op);
    wr_client_error(&why, error);
    return NULL;
}

wreath_op *wreath_put_path_start(wreath *w, const char *path,
                                 const wreath_put_options *options,
                                 wreath_put_fn done, void *arg,
                                 wreath_error *error)
{
    return put_start(w, path, -1, (struct wr_span){0}, options, done, arg,
                     error);
}

wreath_op *wreath_put_fd_start(wreath *w, int fd,
                               const wreath_put_options *options,
                               wreath_put_fn done, void *arg,
                               wreath_error *error)
{
    return put_start(w, NULL, fd, (struct wr_span){0}, options, done, arg,
                     error);
}

wreath_op *wreath_put_bytes_start(wreath *w, const void *bytes, size_t n,
                                  const wreath_put_options *options,
                                  wreath_put_fn done, void *arg,
                                  wreath_error *error)
{
    return put_start(w, NULL, -1, wr_span(bytes, n), options, done, arg, error);
}

static wreath_op *get_start(wreath *w, const char *what,
                            const struct wr_sink_cfg *sink,
                            const wreath_get_options *o, wreath_get_fn done,
                            void *arg, uint8_t **memory, size_t *memory_n,
                            wreath_error *error)
{
    struct wreath_op *op = wr_call_new(w, WR_CALL_GET, arg);
    struct wr_why why = {0};

    if (op == NULL)
        return no_memory(error);
    op->on_get = done;
    op->memory = memory;
    op->memory_n = memory_n;
    if (wr_call_get(op, what, o, sink, &why) == WR_OK)
        return op;
    wr_call_free(op);
    wr_client_error(&why, error);
    return NULL;
}

wreath_op *wreath_get_path_start(wreath *w, const char *what, const char *path,
                                 const wreath_get_options *options,
                                 wreath_get_fn done, void *arg,
                                 wreath_error *error)
{
    const struct wr_sink_cfg sink = {.kind = WR_SINK_PATH, .path = path};

    return get_start(w, what, &sink, options, done, arg, NULL, NULL, error);
}

wreath_op *wreath_get_fd_start(wreath *w, const char *what, int fd,
                               const wreath_get_options *options,
                               wreath_get_fn done, void *arg,
                               wreath_error *error)
{
    const struct wr_sink_cfg sink = {.kind = WR_SINK_FD, .fd = fd};

    return get_start(w, what, &sink, options, done, arg, NULL, NULL, error);
}

static wreath_code put_wait(wreath *w, const char *path, int fd,
                            struct wr_span bytes, const wreath_put_options *o,
                            wreath_put_result *ret, wreath_error *error)
{
    struct waiter wait = {.error = error, .result = ret, .size = sizeof(*ret)};
    wreath_error own;

    if (wait.error == NULL)
        wait.error = &own;
    if (put_start(w, path, fd, bytes, o, put_over, &wait, wait.error) == NULL)
        return wait.error->code;
    wait_for(w, &wait);
    return wait.code;
}

wreath_code wreath_put_path(wreath *w, const char *path,
                            const wreath_put_options *options,
                            wreath_put_result *ret, wreath_error *error)
{
    return put_wait(w, path, -1, (struct wr_span){0}, options, ret, error);
}

wreath_code wreath_put_fd(wreath *w, int fd, const wreath_put_options *options,
                          wreath_put_result *ret, wreath_error *error)
{
    return put_wait(w, NULL, fd, (struct wr_span){0}, options, ret, error);
}

wreath_code wreath_put_bytes(wreath *w, const void *bytes, size_t n,
                             const wreath_put_options *options,
                             wreath_put_result *ret, wreath_error *error)
{
    return put_wait(w, NULL, -1, wr_span(bytes, n), options, ret, error);
}

static wreath_code get_wait(wreath *w, const char *what,
                            const struct wr_sink_cfg *sink,
                            const wreath_get_options *o, wreath_get_result *ret,
                            uint8_t **memory, size_t *memory_n,
                            wreath_error *error)
{
    struct waiter wait = {.error = error, .result = ret, .size = sizeof(*ret)};
    wreath_error own;

    if (wait.error == NULL)
        wait.error = &own;
    if (get_start(w, what, sink, o, get_over, &wait, memory, memory_n,
                  wait.error) == NULL)
        return wait.error->code;
    wait_for(w, &wait);
    return wait.code;
}

wreath_code wreath_get_path(wreath *w, const char *what, const char *path,
                            const wreath_get_options *options,
                            wreath_get_result *ret, wreath_error *error)
{
    const struct wr_sink_cfg sink = {.kind = WR_SINK_PATH, .path = path};

    return get_wait(w, what, &sink, options, ret, NULL, NULL, error);
}

wreath_code wreath_get_fd(wreath *w, const char *what, int fd,
                          const wreath_get_options *options,
                          wreath_get_result *ret, wreath_error *error)
{
    const struct wr_sink_cfg sink = {.kind = WR_SINK_FD, .fd = fd};

    return get_wait(w, what, &sink, options, ret, NULL, NULL, error);
}

wreath_code wreath_get_bytes(wreath *w, const char *what, size_t max,
                             const wreath_get_options *options,
                             uint8_t **ret_bytes, size_t *ret_n,
                             wreath_error *error)
{
    const struct wr_sink_cfg sink = {.kind = WR_SINK_MEMORY, .memory_max = max};

    return get_wait(w, what, &sink, options, NULL, ret_bytes, ret_n, error);
}

/* ---- looking
 * -------------------------------------------------------------------- */

struct looking {
    struct waiter wait;
    wreath_entry_fn fn;
    void *fn_arg;
    wreath_stat_result *ret;
};

static wreath_kind kind_of(enum wr_node_kind kind)
{
    switch (kind) {
    case WR_NODE_FILE:
        return WREATH_FILE;
    case WR_NODE_DIR:
    case WR_NODE_SHARD:
        return WREATH_DIRECTORY;
    case WR_NODE_SYMLINK:
        return WREATH_LINK;
    }
    return WREATH_OTHER;
}

static void tell_entries(const struct looking *l,
                         const struct wr_look_result *r)
{
    for (size_t i = 0; i < r->entries_n; i++) {
        const struct wr_look_entry *e = &r->entries[i];
        wreath_entry entry = {
            .name = e->name,
            .kind = e->known ? kind_of(e->kind) : WREATH_OTHER,
            .size = e->size,
            .executable = (e->mode & 0111) != 0,
        };

        wr_cid_print(&e->cid, entry.cid);
        l->fn(l->fn_arg, &entry);
    }
}

static void tell_stat(wreath_stat_result *ret, const struct wr_look_result *r)
{
    *ret = (wreath_stat_result){
        .kind = kind_of(r->kind),
        .size = r->size,
        .chunks = r->chunks,
        .blocks = r->blocks,
        .mode = r->mode,
        .copies = r->copies,
        .hosts_n = r->hosts_n,
    };
    wr_cid_print(&r->cid, ret->cid);
    memcpy(ret->target, r->target, sizeof(ret->target));
    memcpy(ret->hosts, r->hosts, sizeof(ret->hosts));
}

static void look_over(void *arg, const struct wr_why *why,
                      const struct wr_look_result *r)
{
    struct looking *l = arg;

    l->wait.over = true;
    l->wait.code = wr_client_error(why, l->wait.error);
    if (r == NULL)
        return;
    if (l->fn != NULL)
        tell_entries(l, r);
    if (l->ret != NULL)
        tell_stat(l->ret, r);
}

static wreath_code look(wreath *w, const char *what, bool list,
                        struct looking *l)
{
    struct wreath_op *op = wr_call_new(w, WR_CALL_LOOK, l);
    struct wr_why why = {0};

    if (op == NULL) {
        no_memory(l->wait.error);
        return WREATH_ENOMEM;
    }
    op->on_look = look_over;
    if (wr_call_look(op, what, list, &why) != WR_OK) {
        wr_call_free(op);
        return wr_client_error(&why, l->wait.error);
    }
    wait_for(w, &l->wait);
    return l->wait.code;
}

wreath_code wreath_list(wreath *w, const char *what, wreath_entry_fn fn,
                        void *arg, wreath_error *error)
{
    struct looking l = {.wait.error = error, .fn = fn, .fn_arg = arg};

    return look(w, what, true, &l);
}

wreath_code wreath_stat(wreath *w, const char *what, wreath_stat_result *ret,
                        wreath_error *error)
{
    struct looking l = {.wait.error = error, .ret = ret};

    return look(w, what, false, &l);
}

/* ---- own roots
 * ------------------------------------------------------------------ */

wreath_code wreath_roots(wreath *w, wreath_root_fn fn, void *arg,
                         wreath_error *error)
{
    struct wr_roots_entry *v;
    struct wr_why why = {0};
    size_t n;

    if (wr_roots_list(w->home->dir, &v, &n, &why) != WR_OK)
        return wr_client_error(&why, error);
    for (size_t i = 0; i < n; i++) {
        wreath_root root = {
            .name = v[i].name,
            .state = wr_roots_state(v[i].state),
            .size = v[i].size,
            .created_s = v[i].created,
            .expires_s = v[i].expires,
        };

        wr_hex(wr_span(v[i].put, sizeof(v[i].put)), root.put);
        if (v[i].has_cid)
            wr_cid_print(&v[i].cid, root.cid);
        fn(arg, &root);
    }
    free(v);
    return WREATH_OK;
}

static void drop_over(void *arg, const struct wr_why *why)
{
    struct waiter *wait = arg;

    wait->over = true;
    wait->code = wr_client_error(why, wait->error);
}

static wreath_code drop_one(wreath *w, const struct wr_roots_entry *e,
                            wreath_error *error)
{
    struct waiter wait = {.error = error};
    struct wreath_op *op = wr_call_new(w, WR_CALL_DROP, &wait);
    struct wr_why why = {0};

    if (op == NULL) {
        no_memory(error);
        return WREATH_ENOMEM;
    }
    op->on_drop = drop_over;
    if (wr_call_drop(op, e, &why) != WR_OK) {
        wr_call_free(op);
        return wr_client_error(&why, error);
    }
    wait_for(w, &wait);
    return wait.code;
}

wreath_code wreath_rm(wreath *w, const char *what, size_t *ret_n,
                      wreath_error *error)
{
    struct wr_roots_entry *v;
    struct wr_why why = {0};
    uint8_t put[WR_ROOT_PUT];
    struct wr_cid cid;
    size_t n, gone = 0;
    wreath_code code = WREATH_OK;

    const bool by_put = strlen(what) == 2 * sizeof(put) &&
                        wr_unhex(what, put, sizeof(put)) == WR_OK;
    if (!by_put && wr_cid_parse(wr_span_str(what), &cid, NULL) != WR_OK) {
        wr_why(&why, WR_EINVAL, "'%.100s' is neither a CID nor a put's id",
               what);
        return wr_client_error(&why, error);
    }
    if (wr_roots_list(w->home->dir, &v, &n, &why) != WR_OK)
        return wr_client_error(&why, error);
    for (size_t i = 0; i < n && code == WREATH_OK; i++) {
        const bool meant = by_put ? memcmp(v[i].put, put, sizeof(put)) == 0
                                  : v[i].has_cid && wr_cid_eq(&v[i].cid, &cid);

        if (meant && v[i].state != WR_ROOT_GIVEN_UP) {
            code = drop_one(w, &v[i], error);
            gone += code == WREATH_OK;
        }
    }
    free(v);
    if (ret_n != NULL)
        *ret_n = gone;
    if (code == WREATH_OK && gone == 0) {
        wr_why(&why, WR_ENOTFOUND,
               "%.128s is none of your own puts; 'wreath ls' lists them", what);
        return wr_client_error(&why, error);
    }
    return code;
}

/* ---- questions
 * ------------------------------------------------------------------ */

struct asking {
    struct waiter wait;
    char **ret;
};

static void query_over(void *arg, const struct wr_why *why, const char *json,
                       size_t n)
{
    struct asking *a = arg;

    a->wait.over = true;
    a->wait.code = wr_client_error(why, a->wait.error);
    if (a->wait.code != WREATH_OK)
        return;
    *a->ret = malloc(n + 1);
    if (*a->ret == NULL) {
        no_memory(a->wait.error);
        a->wait.code = WREATH_ENOMEM;
        return;
    }
    memcpy(*a->ret, json, n);
    (*a->ret)[n] = '\0';
}

wreath_code wreath_query(wreath *w, const char *what, const char *arg,
                         char **ret_json, wreath_error *error)
{
    struct asking a = {.wait.error = error, .ret = ret_json};
    struct wreath_op *op = wr_call_new(w, WR_CALL_QUERY, &a);
    struct wr_why why = {0};

    if (op == NULL) {
        no_memory(error);
        return WREATH_ENOMEM;
    }
    op->on_query = query_over;
    if (wr_call_query(op, what, arg, &why) != WR_OK) {
        wr_call_free(op);
        return wr_client_error(&why, error);
    }
    wait_for(w, &a.wait);
    return a.wait.code;
}

/* ---- words
 * ---------------------------------------------------------------------- */

const char *wreath_code_text(wreath_code code)
{
    return wr_err_text((enum wr_err)code);
}

int wreath_exit_status(wreath_code code)
{
    return wr_err_status((enum wr_err)code);
}

const char *wreath_version(void)
{
    return WR_VERSION;
}

#define X(name, number, status, text)                                          \
    _Static_assert((int)WREATH_##name == (int)WR_##name,                       \
                   "the public codes are the inner ones");
WR_ERR_MAP(X)
#undef X
