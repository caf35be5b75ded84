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
    enum wr_role role; /* Its own; 0: not known. */
    unsigned n;        /* Distinct ones that fit. */
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
    s->role = cred.role;
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
                        struct search *ret, struct wr_why *why)
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
    *ret = s;
    return WR_OK;
}

/* As our super-peer sees it, if that runs: else nobody here can tell. */
static bool is_up(struct cli *cli, const char *hex)
{
    struct wr_why why;
    json_t *o;

    if (cli_try(cli, "sees", hex, &o, &why) != WR_OK)
        return false;
    const bool up = strcmp(text_of(o, "liveness"), "up") == 0;
    json_decref(o);
    return up;
}

/* To be removed is for good, and nothing to a leaf, which no put waits for: who
 * names one means to cut it off. */
static enum wr_err may_remove(struct cli *cli, const struct search *s,
                              bool force, struct wr_why *why)
{
    char hex[WR_HEX_SIZE(WR_CRED_HOST)];

    wr_hex(wr_span(s->found, WR_CRED_HOST), hex);
    if (s->n == 0)
        return wr_why(why, WR_ENOTFOUND,
                      "no super-peer of this ring is known here by that id; "
                      "'wreath peers' lists them. A leaf is cut off with "
                      "'wreath revoke %s'",
                      hex);
    if (s->role == WR_ROLE_LEAF)
        return wr_why(why, WR_EINVAL,
                      "%.8s is a leaf, and only super-peers are removed; cut "
                      "it off with 'wreath revoke %.8s'",
                      hex, hex);
    if (!force && is_up(cli, hex))
        return wr_why(why, WR_EREFUSED,
                      "%.8s is up, and what is removed never comes back. To "
                      "retire it, run wreath leave on it; to remove it all "
                      "the same: 'wreath remove --force %.8s'",
                      hex, hex);
    return WR_OK;
}

static enum wr_err write_list(const struct wr_home *h,
                              const uint8_t host[WR_CRED_HOST],
                              enum wr_revoked_kind kind,
                              const struct wr_sign_key *key, struct wr_why *why)
{
    static uint8_t next[WR_REVOKED_BYTES_MAX];
    struct wr_revoked old = {0};
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
    if (err == WR_OK) {
        err = wr_revoked_add(&old, host, kind, key, next, &n);
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
    const bool removes = kind == WR_REVOKED_REMOVED;
    char hex[WR_HEX_SIZE(WR_CRED_HOST)];
    bool force = false;
    const struct option_row rows[] = {{"force", 'f', NULL, &force, NULL}};
    struct wr_sign_key key = {0};
    struct search member;
    struct wr_home h;
    struct wr_why why;
    json_t *answer = NULL;
    int first;
    const int over =
        cli_options(cli, command, rows, removes, argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first != 1)
        return cli_usage(cli, command, "say one member");
    enum wr_err err = wr_home_open(&h, cli->dir, &why);
    if (err == WR_OK) /* Nobody else knows whom it has admitted. */
        err = wr_home_ring_key(h.dir, &key, &why);
    if (err == WR_OK)
        err = find(&h, argv[first], &member, &why);
    if (err == WR_OK && memcmp(member.found, h.cred.host, WR_CRED_HOST) == 0)
        err = wr_why(&why, WR_EINVAL, "the issuer cannot cut itself off");
    if (err == WR_OK && removes)
        err = may_remove(cli, &member, force, &why);
    if (err == WR_OK)
        err = write_list(&h, member.found, kind, &key, &why);
    wr_secret_wipe(&key, sizeof(key));
    wr_home_close(&h);
    if (err != WR_OK)
        return cli_fail(cli, &why);
    const bool told = cli_try(cli, "reload", "", &answer, &why) == WR_OK;
    json_decref(answer);
    wr_hex(wr_span(member.found, WR_CRED_HOST), hex);
    if (cli->json)
        printf("{\"host\":\"%s\",\"told\":%s}\n", hex, told ? "true" : "false");
    else if (!cli->quiet)
        printf("%.8s is %s%s\n", hex, removes ? "removed for good" : "cut off",
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
