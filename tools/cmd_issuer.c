/* cmd_issuer.c - `wreath remove` and `wreath revoke`: the issuer's word that a
 * host is gone for good, or that a member is to be cut off. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/text.h"
#include "cli.h"
#include "client/home.h"
#include "crypto/revoke.h"
#include "crypto/secret.h"
#include "sys/fs.h"

enum { FILE_MAX = 16 << 20, NAME_LEAST = 8 };

struct search {
    const char *name; /* The first digits of a host id. */
    uint8_t found[WR_CRED_HOST];
    unsigned n; /* Distinct ones that fit. */
};

static void consider(struct search *s, const char *credential,
                     const uint8_t ring[WR_SIGN_PUBLIC])
{
    uint8_t bytes[WR_CRED_BYTES_MAX];
    char hex[WR_HEX_SIZE(WR_CRED_HOST)];
    struct wr_cred cred;

    if (credential == NULL || strlen(credential) / 2 > sizeof(bytes) ||
        wr_unhex(credential, bytes, strlen(credential) / 2) != WR_OK ||
        wr_cred_open(wr_span(bytes, strlen(credential) / 2), ring, &cred) !=
            WR_OK)
        return;
    wr_hex(wr_span(cred.host, WR_CRED_HOST), hex);
    if (strncmp(hex, s->name, strlen(s->name)) != 0 ||
        (s->n > 0 && memcmp(s->found, cred.host, WR_CRED_HOST) == 0))
        return;
    memcpy(s->found, cred.host, WR_CRED_HOST);
    s->n++;
}

static void search_in(struct search *s, const char *path, const char *key,
                      const uint8_t ring[WR_SIGN_PUBLIC])
{
    uint8_t *bytes;
    size_t n, i;
    json_t *e;

    if (wr_file_read(path, FILE_MAX, NULL, &bytes, &n) != WR_OK)
        return;
    json_t *o = json_loadb((const char *)bytes, n, 0, NULL);
    free(bytes);
    const json_t *list = key != NULL ? json_object_get(o, key) : o;
    json_array_foreach(list, i, e)
    {
        consider(s, json_string_value(json_object_get(e, "credential")), ring);
    }
    json_decref(o);
}

/* Among the super-peers that this host knows, and all that ever joined with a
 * ticket of this issuer. */
static void search_all(struct search *s, const struct wr_home *h)
{
    char path[WR_HOME_PATH_MAX], ticket[WR_HOME_PATH_MAX + 256];
    struct dirent *e;

    wr_home_path(h->dir, "members", path);
    search_in(s, path, NULL, h->ring);
    wr_home_path(h->dir, "tickets", path);
    DIR *d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL) {
        snprintf(ticket, sizeof(ticket), "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.')
            search_in(s, ticket, "issued", h->ring);
    }
    if (d != NULL)
        closedir(d);
}

static enum wr_err find(const struct wr_home *h, const char *name,
                        uint8_t ret[WR_CRED_HOST], struct wr_why *why)
{
    struct search s = {.name = name};

    if (strlen(name) < NAME_LEAST ||
        strspn(name, "0123456789abcdef") != strlen(name))
        return wr_why(why, WR_EINVAL,
                      "say a host by at least its first 8 digits, as 'wreath "
                      "peers' shows them");
    search_all(&s, h);
    if (s.n == 0 && wr_unhex(name, s.found, WR_CRED_HOST) != WR_OK)
        return wr_why(why, WR_ENOTFOUND,
                      "no member whose name begins with %s is known here; "
                      "'wreath peers' lists the hosts",
                      name);
    if (s.n > 1)
        return wr_why(why, WR_EINVAL, "%s fits %u members; say more digits",
                      name, s.n);
    memcpy(ret, s.found, WR_CRED_HOST);
    return WR_OK;
}

static enum wr_err write_list(const struct wr_home *h,
                              const uint8_t host[WR_CRED_HOST],
                              enum wr_revoked_kind kind, struct wr_why *why)
{
    static uint8_t next[WR_REVOKED_BYTES_MAX];
    struct wr_revoked old = {0};
    struct wr_sign_key key;
    char path[WR_HOME_PATH_MAX];
    uint8_t *bytes = NULL;
    size_t n;

    wr_home_path(h->dir, "revoked", path);
    enum wr_err err = wr_file_read(path, WR_REVOKED_BYTES_MAX, why, &bytes, &n);
    if (err == WR_OK && wr_revoked_open(wr_span(bytes, n), h->ring, &old) != 0)
        err = wr_why(why, WR_EDAMAGED,
                     "%s is damaged; copy it from another super-peer", path);
    else if (err == WR_ENOTFOUND)
        err = WR_OK;
    if (err == WR_OK)
        err = wr_home_ring_key(h->dir, &key, why);
    if (err == WR_OK) {
        err = wr_revoked_add(&old, host, kind, &key, next, &n);
        wr_secret_wipe(&key, sizeof(key));
        if (err == WR_EEXIST)
            wr_why(why, err, "that was said before; nothing changed");
        else if (err != WR_OK)
            wr_why(why, err, "the revocation list is full");
    }
    if (err == WR_OK)
        err = wr_file_write(path, 0644, wr_span(next, n), why);
    free(bytes);
    return err;
}

static int declare(struct cli *cli, const char *command,
                   enum wr_revoked_kind kind, int argc, char **argv)
{
    uint8_t host[WR_CRED_HOST];
    char hex[WR_HEX_SIZE(WR_CRED_HOST)];
    struct wr_home h;
    struct wr_why why;
    json_t *answer = NULL;
    int first;
    const int over = cli_options(cli, command, NULL, 0, argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first != 1)
        return cli_usage(cli, command, "say one member");
    enum wr_err err = wr_home_open(&h, cli->dir, &why);
    if (err == WR_OK)
        err = find(&h, argv[first], host, &why);
    if (err == WR_OK && memcmp(host, h.cred.host, WR_CRED_HOST) == 0)
        err = wr_why(&why, WR_EINVAL, "the issuer cannot cut itself off");
    if (err == WR_OK)
        err = write_list(&h, host, kind, &why);
    wr_home_close(&h);
    if (err != WR_OK)
        return cli_fail(cli, &why);
    const bool told = cli_try(cli, "reload", "", &answer, &why) == WR_OK;
    json_decref(answer);
    wr_hex(wr_span(host, WR_CRED_HOST), hex);
    if (cli->json)
        printf("{\"host\":\"%s\",\"told\":%s}\n", hex, told ? "true" : "false");
    else if (!cli->quiet)
        printf("%.8s is %s%s\n", hex,
               kind == WR_REVOKED_REMOVED ? "removed for good" : "cut off",
               told ? "" : ", as soon as this host's super-peer runs");
    return 0;
}

int cmd_remove(struct cli *cli, int argc, char **argv)
{
    return declare(cli, "remove", WR_REVOKED_REMOVED, argc, argv);
}

int cmd_revoke(struct cli *cli, int argc, char **argv)
{
    return declare(cli, "revoke", WR_REVOKED_CUT_OFF, argc, argv);
}
