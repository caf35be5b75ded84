/* home.c - see home.h. */
#include "client/home.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "crypto/secret.h"
#include "sys/fs.h"

enum { SMALL_FILE_MAX = 64 << 10 };

enum wr_err wr_home_default(char ret[WR_HOME_DIR_MAX], struct wr_why *why)
{
    static const struct {
        const char *variable, *below;
    } places[] = {
        {"WREATH_DIR", ""},
        {"STATE_DIRECTORY", ""},
        {"XDG_DATA_HOME", "/wreath"},
        {"HOME", "/.local/share/wreath"},
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(places); i++) {
        const char *v = getenv(places[i].variable);

        if (v == NULL || v[0] == '\0')
            continue;
        if (strlen(v) + strlen(places[i].below) >= WR_HOME_DIR_MAX)
            return wr_why(why, WR_ETOOBIG, "$%s is too long for a directory",
                          places[i].variable);
        strcpy(ret, v);
        strcat(ret, places[i].below);
        return WR_OK;
    }
    return wr_why(why, WR_ENOTFOUND,
                  "no home directory is set; say --dir DIR or set WREATH_DIR");
}

void wr_home_path(const char *dir, const char *name, char ret[WR_HOME_PATH_MAX])
{
    const int n = snprintf(ret, WR_HOME_PATH_MAX, "%s/%s", dir, name);

    WR_CHECK(n > 0 && n < WR_HOME_PATH_MAX);
}

enum wr_err wr_home_check_free(const char *dir, struct wr_why *why)
{
    char path[WR_HOME_PATH_MAX];

    if (strlen(dir) >= WR_HOME_DIR_MAX)
        return wr_why(why, WR_ETOOBIG, "the directory's name is too long");
    wr_home_path(dir, "identity", path);
    if (access(path, F_OK) == 0)
        return wr_why(why, WR_EEXIST,
                      "%s holds an identity already; choose another directory "
                      "with --dir",
                      dir);
    return WR_OK;
}

static enum wr_err write_in(const char *dir, const char *name, mode_t mode,
                            struct wr_span bytes, struct wr_why *why)
{
    char path[WR_HOME_PATH_MAX];

    wr_home_path(dir, name, path);
    return wr_file_write(path, mode, bytes, why);
}

enum wr_err wr_home_create(const struct wr_home *h, struct wr_why *why)
{
    uint8_t ring[WR_SIGN_PUBLIC + WR_RING_SECRET];
    uint8_t keys[WR_IDENTITY_BYTES];
    char run[WR_HOME_PATH_MAX];
    enum wr_err err = wr_home_check_free(h->dir, why);

    if (err != WR_OK)
        return err;
    err = wr_dir_make(h->dir, 0700, why);
    if (err != WR_OK)
        return err;
    wr_home_path(h->dir, "run", run);
    err = wr_dir_make(run, 0700, why);
    if (err != WR_OK)
        return err;
    memcpy(ring, h->ring, WR_SIGN_PUBLIC);
    memcpy(ring + WR_SIGN_PUBLIC, h->ring_secret, WR_RING_SECRET);
    err = write_in(h->dir, "ring", 0600, wr_span(ring, sizeof(ring)), why);
    wr_secret_wipe(ring, sizeof(ring));
    if (err == WR_OK)
        err = write_in(h->dir, "credential", 0644,
                       wr_span(h->cred_bytes, h->cred_n), why);
    if (err == WR_OK)
        err = wr_home_save_contacts(h, why);
    if (err != WR_OK)
        return err;
    wr_identity_encode(&h->id, keys);
    err = write_in(h->dir, "identity", 0600, wr_span(keys, sizeof(keys)), why);
    wr_secret_wipe(keys, sizeof(keys));
    if (err == WR_OK) {
        wr_home_path(h->dir, "identity.new", run);
        unlink(run);
    }
    return err;
}

static enum wr_err read_in(const char *dir, const char *name,
                           struct wr_why *why, uint8_t **ret, size_t *ret_n);
static enum wr_err damaged(const char *dir, const char *name,
                           struct wr_why *why);

enum wr_err wr_home_draft(struct wr_home *h, struct wr_why *why)
{
    uint8_t keys[WR_IDENTITY_BYTES], *bytes;
    size_t n;
    enum wr_err err = read_in(h->dir, "identity.new", NULL, &bytes, &n);

    if (err == WR_OK) {
        err = wr_identity_decode(wr_span(bytes, n), &h->id);
        wr_secret_wipe(bytes, n);
        free(bytes);
        return err == WR_OK ? err : damaged(h->dir, "identity.new", why);
    }
    err = wr_dir_make(h->dir, 0700, why);
    if (err != WR_OK)
        return err;
    wr_identity_generate(&h->id);
    wr_identity_encode(&h->id, keys);
    err = write_in(h->dir, "identity.new", 0600, wr_span(keys, sizeof(keys)),
                   why);
    wr_secret_wipe(keys, sizeof(keys));
    return err;
}

void wr_home_draft_drop(const char *dir)
{
    char path[WR_HOME_PATH_MAX];

    wr_home_path(dir, "identity.new", path);
    unlink(path);
    rmdir(dir); /* If there is nothing else in it. */
}

static enum wr_err read_in(const char *dir, const char *name,
                           struct wr_why *why, uint8_t **ret, size_t *ret_n)
{
    char path[WR_HOME_PATH_MAX];

    wr_home_path(dir, name, path);
    return wr_file_read(path, SMALL_FILE_MAX, why, ret, ret_n);
}

static enum wr_err damaged(const char *dir, const char *name,
                           struct wr_why *why)
{
    return wr_why(why, WR_EDAMAGED,
                  "%s/%s is damaged; restore it from a backup, or join again "
                  "in another directory",
                  dir, name);
}

static enum wr_err read_identity(struct wr_home *h, struct wr_why *why)
{
    uint8_t *bytes;
    size_t n;
    enum wr_err err = read_in(h->dir, "identity", why, &bytes, &n);

    if (err == WR_ENOTFOUND)
        return wr_why(why, WR_ENOTFOUND,
                      "there is no wreath identity in %s; make a ring with "
                      "'wreath init' or join one with 'wreath join TICKET'",
                      h->dir);
    if (err != WR_OK)
        return err;
    err = wr_identity_decode(wr_span(bytes, n), &h->id);
    wr_secret_wipe(bytes, n);
    free(bytes);
    if (err == WR_EVERSION)
        return wr_why(why, err,
                      "%s was made by a newer wreath; update this one", h->dir);
    return err == WR_OK ? err : damaged(h->dir, "identity", why);
}

static enum wr_err read_ring(struct wr_home *h, struct wr_why *why)
{
    uint8_t *bytes;
    size_t n;
    enum wr_err err = read_in(h->dir, "ring", why, &bytes, &n);

    if (err != WR_OK)
        return err;
    if (n == WR_SIGN_PUBLIC + WR_RING_SECRET) {
        memcpy(h->ring, bytes, WR_SIGN_PUBLIC);
        memcpy(h->ring_secret, bytes + WR_SIGN_PUBLIC, WR_RING_SECRET);
    } else {
        err = damaged(h->dir, "ring", why);
    }
    wr_secret_wipe(bytes, n);
    free(bytes);
    return err;
}

static enum wr_err read_credential(struct wr_home *h, struct wr_why *why)
{
    uint8_t *bytes;
    size_t n;
    enum wr_err err = read_in(h->dir, "credential", why, &bytes, &n);

    if (err != WR_OK)
        return err;
    if (n <= sizeof(h->cred_bytes)) {
        memcpy(h->cred_bytes, bytes, n);
        h->cred_n = n;
        err = wr_cred_open(wr_span(h->cred_bytes, n), h->ring, &h->cred);
    } else {
        err = WR_EINVAL;
    }
    free(bytes);
    if (err != WR_OK ||
        memcmp(h->cred.noise_public, h->id.noise_public, WR_NOISE_KEY) != 0 ||
        memcmp(h->cred.sign_public, h->id.sign.public, WR_SIGN_PUBLIC) != 0)
        return damaged(h->dir, "credential", why);
    return WR_OK;
}

/* One line of contacts; a line that makes no sense is passed over: a missing
 * alternate does no harm, and the file is a cache. */
static void read_contact(struct wr_home *h, char *line)
{
    struct wr_home_contact *c = &h->contacts[h->contacts_n];
    char *space = strchr(line, ' ');

    if (space == NULL || h->contacts_n == WR_CONTACTS_MAX)
        return;
    *space = '\0';
    if (strlen(space + 1) == 0 || strlen(space + 1) >= WR_HOME_ADDRESS_MAX)
        return;
    *c = (struct wr_home_contact){0};
    c->has_id = wr_unhex(line, c->host, WR_CRED_HOST) == WR_OK;
    strcpy(c->address, space + 1);
    h->contacts_n++;
}

static void read_contacts(struct wr_home *h)
{
    uint8_t *bytes;
    size_t n;
    char *rest = NULL;

    h->contacts_n = 0;
    if (read_in(h->dir, "contacts", NULL, &bytes, &n) != WR_OK)
        return;
    for (char *line = strtok_r((char *)bytes, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest))
        read_contact(h, line);
    free(bytes);
}

enum wr_err wr_home_open(struct wr_home *h, const char *dir, struct wr_why *why)
{
    enum wr_err err;

    *h = (struct wr_home){0};
    if (strlen(dir) >= sizeof(h->dir))
        return wr_why(why, WR_ETOOBIG, "the directory's name is too long");
    strcpy(h->dir, dir);
    err = read_identity(h, why);
    if (err == WR_OK)
        err = read_ring(h, why);
    if (err == WR_OK)
        err = read_credential(h, why);
    if (err != WR_OK) {
        wr_home_close(h);
        return err;
    }
    read_contacts(h);
    return WR_OK;
}

void wr_home_close(struct wr_home *h)
{
    wr_secret_wipe(&h->id, sizeof(h->id));
    wr_secret_wipe(h->ring_secret, sizeof(h->ring_secret));
}

enum wr_err wr_home_save_contacts(const struct wr_home *h, struct wr_why *why)
{
    char text[WR_CONTACTS_MAX * (WR_HOME_ADDRESS_MAX + 40)];
    size_t n = 0;

    for (size_t i = 0; i < h->contacts_n; i++) {
        char hex[WR_HEX_SIZE(WR_CRED_HOST)] = "-";

        if (h->contacts[i].has_id)
            wr_hex(wr_span(h->contacts[i].host, WR_CRED_HOST), hex);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s\n", hex,
                              h->contacts[i].address);
    }
    return write_in(h->dir, "contacts", 0644, wr_span(text, n), why);
}

void wr_home_add_contact(struct wr_home *h, const uint8_t *host,
                         const char *address)
{
    struct wr_home_contact c = {.has_id = host != NULL};
    size_t at = 0;

    if (strlen(address) >= sizeof(c.address))
        return;
    if (host != NULL)
        memcpy(c.host, host, WR_CRED_HOST);
    strcpy(c.address, address);
    while (at < h->contacts_n &&
           strcmp(h->contacts[at].address, address) != 0 &&
           !(host != NULL && h->contacts[at].has_id &&
             memcmp(h->contacts[at].host, host, WR_CRED_HOST) == 0))
        at++;
    if (at == h->contacts_n && h->contacts_n < WR_CONTACTS_MAX)
        h->contacts_n++;
    else if (at == h->contacts_n)
        at--; /* Full: the one not heard of for longest makes room. */
    memmove(&h->contacts[1], &h->contacts[0], at * sizeof(c));
    h->contacts[0] = c;
}

enum wr_err wr_home_ring_key(const char *dir, struct wr_sign_key *ret,
                             struct wr_why *why)
{
    uint8_t *bytes;
    size_t n;
    enum wr_err err = read_in(dir, "ring.key", why, &bytes, &n);

    if (err == WR_ENOTFOUND)
        return wr_why(why, WR_ENOTFOUND,
                      "%s does not hold the ring key; run this on the issuer, "
                      "the host that made the ring",
                      dir);
    if (err != WR_OK)
        return err;
    err = wr_ring_key_decode(wr_span(bytes, n), ret);
    wr_secret_wipe(bytes, n);
    free(bytes);
    return err == WR_OK ? err : damaged(dir, "ring.key", why);
}
