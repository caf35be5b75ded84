/* roots.c - see roots.h. */
#include "client/roots.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "client/home.h"
#include "sys/fs.h"
#include "sys/log.h"

enum { FILE_MAX = 4096, ID_HEX = WR_HEX_SIZE(WR_ROOT_PUT) };

const char *wr_roots_state(enum wr_root_state state)
{
    switch (state) {
    case WR_ROOT_OPEN:
        return "open";
    case WR_ROOT_KEPT:
        return "kept";
    case WR_ROOT_GIVEN_UP:
        return "given up";
    }
    return "?";
}

enum wr_roots_open wr_roots_open(uint64_t expires, uint64_t now_s)
{
    const uint64_t left = expires > now_s ? expires - now_s : 0;

    if (left < WR_ROOTS_OPEN_S / 56) /* Three hours. */
        return WR_ROOTS_LATE;
    return left < WR_ROOTS_OPEN_S / 2 ? WR_ROOTS_RENEW : WR_ROOTS_FRESH;
}

static void path_of(const char *dir, const uint8_t put[static WR_ROOT_PUT],
                    char ret[WR_HOME_PATH_MAX])
{
    char hex[ID_HEX], name[ID_HEX + 16];

    wr_hex(wr_span(put, WR_ROOT_PUT), hex);
    snprintf(name, sizeof(name), "roots/%s", hex);
    wr_home_path(dir, name, ret);
}

enum wr_err wr_roots_save(const char *dir, const struct wr_roots_entry *e,
                          struct wr_why *why)
{
    char path[WR_HOME_PATH_MAX], put[ID_HEX], nonce[ID_HEX];
    char cid[WR_CID_TEXT_SIZE] = "";

    wr_home_path(dir, "roots", path);
    enum wr_err err = wr_dir_make(path, 0700, why);
    if (err != WR_OK)
        return err;
    path_of(dir, e->put, path);
    wr_hex(wr_span(e->put, sizeof(e->put)), put);
    wr_hex(wr_span(e->nonce, sizeof(e->nonce)), nonce);
    if (e->has_cid)
        wr_cid_print(&e->cid, cid);
    /* A name may have any bytes; JSON has not: it is there for people. */
    json_t *name = json_string(e->name);
    if (name == NULL)
        name = json_string("?");
    json_t *j = json_pack(
        "{s:s, s:s, s:s, s:o, s:I, s:I, s:s, s:I, s:I}", "put", put, "nonce",
        nonce, "root", cid, "name", name, "size", (json_int_t)e->size,
        "version", (json_int_t)e->version, "state", wr_roots_state(e->state),
        "created", (json_int_t)e->created, "expires", (json_int_t)e->expires);
    char *text = j != NULL ? json_dumps(j, JSON_INDENT(2)) : NULL;
    json_decref(j);
    if (text == NULL)
        return wr_why(why, WR_ENOMEM, "out of memory");
    err = wr_file_write(path, 0600, wr_span_str(text), why);
    free(text);
    return err;
}

enum wr_err wr_roots_drop(const char *dir,
                          const uint8_t put[static WR_ROOT_PUT],
                          struct wr_why *why)
{
    char path[WR_HOME_PATH_MAX];

    path_of(dir, put, path);
    if (unlink(path) == 0 || errno == ENOENT)
        return WR_OK;
    return wr_why(why, wr_err_of_errno(errno), "%s: %s", path,
                  wr_errno_text(errno));
}

static bool parse(json_t *j, struct wr_roots_entry *ret)
{
    const char *put, *nonce, *root, *name, *state;
    json_int_t size, version, created, expires;
    struct wr_roots_entry e = {0};

    if (json_unpack(j, "{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:I}", "put",
                    &put, "nonce", &nonce, "root", &root, "name", &name, "size",
                    &size, "version", &version, "state", &state, "created",
                    &created, "expires", &expires) != 0 ||
        wr_unhex(put, e.put, sizeof(e.put)) != WR_OK ||
        wr_unhex(nonce, e.nonce, sizeof(e.nonce)) != WR_OK)
        return false;
    e.has_cid = root[0] != '\0';
    if (e.has_cid && wr_cid_parse(wr_span_str(root), &e.cid, NULL) != WR_OK)
        return false;
    e.state = strcmp(state, "open") == 0   ? WR_ROOT_OPEN
              : strcmp(state, "kept") == 0 ? WR_ROOT_KEPT
                                           : WR_ROOT_GIVEN_UP;
    snprintf(e.name, sizeof(e.name), "%s", name);
    e.size = (uint64_t)size;
    e.version = (uint64_t)version;
    e.created = (uint64_t)created;
    e.expires = (uint64_t)expires;
    *ret = e;
    return true;
}

static bool read_one(const char *dir, const char *name,
                     struct wr_roots_entry *ret)
{
    char path[WR_HOME_PATH_MAX], sub[300];
    uint8_t *text;
    size_t n;

    snprintf(sub, sizeof(sub), "roots/%s", name);
    wr_home_path(dir, sub, path);
    if (wr_file_read(path, FILE_MAX, NULL, &text, &n) != WR_OK)
        return false;
    json_t *j = json_loadb((const char *)text, n, 0, NULL);
    free(text);
    const bool ok = j != NULL && parse(j, ret);
    json_decref(j);
    if (!ok)
        WR_LOG(WARN, "client", "a file of the list of roots is damaged",
               WR_KV_STR("path", path));
    return ok;
}

static int by_age(const void *a, const void *b)
{
    const struct wr_roots_entry *x = a, *y = b;

    return (x->created > y->created) - (x->created < y->created);
}

enum wr_err wr_roots_list(const char *dir, struct wr_roots_entry **ret,
                          size_t *ret_n, struct wr_why *why)
{
    char path[WR_HOME_PATH_MAX];
    struct wr_roots_entry *v = NULL, one;
    size_t n = 0, room = 0;

    wr_home_path(dir, "roots", path);
    DIR *d = opendir(path);
    if (d == NULL && errno != ENOENT)
        return wr_why(why, wr_err_of_errno(errno), "%s: %s", path,
                      wr_errno_text(errno));
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        if (strlen(e->d_name) != ID_HEX - 1 || !read_one(dir, e->d_name, &one))
            continue;
        if (n == room) {
            room = room == 0 ? 16 : 2 * room;
            struct wr_roots_entry *more = realloc(v, room * sizeof(*v));
            if (more == NULL) {
                free(v);
                closedir(d);
                return wr_why(why, WR_ENOMEM, "out of memory");
            }
            v = more;
        }
        v[n++] = one;
    }
    if (d != NULL)
        closedir(d);
    if (n > 0)
        qsort(v, n, sizeof(*v), by_age);
    *ret = v;
    *ret_n = n;
    return WR_OK;
}
