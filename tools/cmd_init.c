/* cmd_init.c - `wreath init`: a new ring, and its first host. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli.h"
#include "client/home.h"
#include "crypto/secret.h"
#include "host/address.h"
#include "sys/fs.h"

static enum wr_err write_ring_key(const struct wr_home *h,
                                  const struct wr_sign_key *key,
                                  struct wr_why *why)
{
    uint8_t bytes[WR_RING_KEY_BYTES];
    char path[WR_HOME_PATH_MAX];

    wr_ring_key_encode(key, bytes);
    wr_home_path(h->dir, "ring.key", path);
    const enum wr_err err =
        wr_file_write(path, 0600, wr_span(bytes, sizeof(bytes)), why);
    wr_secret_wipe(bytes, sizeof(bytes));
    return err;
}

static enum wr_err write_settings(const struct cli *cli,
                                  const struct wr_home *h, struct wr_why *why)
{
    static const enum wr_config_key keys[] = {WR_CONFIG_listen,
                                              WR_CONFIG_advertise};
    char text[1024] = "# Settings of this host; 'wreath config' lists all.\n";
    char path[WR_HOME_PATH_MAX];
    size_t n = strlen(text);

    for (size_t i = 0; i < WR_ARRAY_LEN(keys); i++)
        if (cli->config.v[keys[i]].origin == WR_FROM_FLAG)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s = %s\n",
                                  wr_config_name(keys[i]),
                                  wr_config_text(&cli->config, keys[i]));
    wr_home_path(h->dir, "wreath.ini", path);
    return wr_file_write(path, 0644, wr_span(text, n), why);
}

/* The issuer is use 0 of serial zero, so that everybody knows its host id. */
static void found(struct wr_home *h, const struct wr_sign_key *key,
                  uint8_t members)
{
    static const uint8_t serial[WR_CRED_SERIAL];
    struct wr_cred cred = {.role = WR_ROLE_SUPERPEER, .members = members};

    memcpy(h->ring, key->public, sizeof(h->ring));
    wr_secret_random(h->ring_secret, sizeof(h->ring_secret));
    wr_identity_generate(&h->id);
    memcpy(cred.noise_public, h->id.noise_public, WR_NOISE_KEY);
    memcpy(cred.sign_public, h->id.sign.public, WR_SIGN_PUBLIC);
    wr_cred_host_id(serial, 0, cred.host);
    const enum wr_err err =
        wr_cred_issue(&cred, key, h->cred_bytes, &h->cred_n);
    WR_CHECK(err == WR_OK);
    h->cred = cred;
}

static void tell(const struct cli *cli, const struct wr_home *h)
{
    char ring[WR_HEX_SIZE(WR_SIGN_PUBLIC)], host[WR_HEX_SIZE(WR_CRED_HOST)];
    char self[CLI_SELF_MAX];

    wr_hex(wr_span(h->ring, sizeof(h->ring)), ring);
    wr_hex(wr_span(h->cred.host, sizeof(h->cred.host)), host);
    if (cli->json) {
        printf("{\"ring\":\"%s\",\"host\":\"%s\"}\n", ring, host);
        return;
    }
    cli_self(cli, self);
    printf(
        "made ring %.16s, and this host is its first: %.8s\n\n"
        "  %s/ring.key   is the ring key. Without it nobody can invite or\n"
        "  revoke: '%s backup --keys DIR' copies it to another disk.\n\n"
        "  Super-peers can read what they store, and any member who knows a\n"
        "  CID can get it: encrypt before you put where that matters.\n\n"
        "next:  %s superpeer\n"
        "then:  %s invite --super-peer    for another box\n"
        "       %s invite                 for a leaf\n",
        ring, host, h->dir, self, self, self, self);
}

int cmd_init(struct cli *cli, int argc, char **argv)
{
    const char *members = "17";
    const struct option_row rows[] = {
        {"listen", 'l', NULL, NULL, "listen"},
        {"advertise", 0, NULL, NULL, "advertise"},
        {"members", 0, &members, NULL, NULL},
    };
    struct wr_addr listen, advertise;
    struct wr_sign_key key;
    struct wr_home h = {0};
    struct wr_why why;
    const int over =
        cli_options(cli, "init", rows, WR_ARRAY_LEN(rows), argc, argv, NULL);

    if (over != 0)
        return over - 1;
    const long v = strtol(members, NULL, 10);
    if (v < CLI_MEMBERS_LEAST || v > WR_CRED_MEMBERS_MAX)
        return cli_usage(cli, "init", "--members is a number from %d to %d",
                         CLI_MEMBERS_LEAST, WR_CRED_MEMBERS_MAX);
    if (wr_addr_settings(&cli->config, &listen, &advertise, &why) != WR_OK)
        return cli_usage(cli, "init", "%s", why.text);
    if (wr_home_check_free(cli->dir, &why) != WR_OK)
        return cli_fail(cli, &why);
    snprintf(h.dir, sizeof(h.dir), "%s", cli->dir);
    wr_sign_generate(&key);
    found(&h, &key, (uint8_t)v);
    enum wr_err err = wr_dir_make(h.dir, 0700, &why);
    if (err == WR_OK)
        err = write_ring_key(&h, &key, &why);
    if (err == WR_OK)
        err = write_settings(cli, &h, &why);
    if (err == WR_OK)
        err = wr_home_create(&h, &why);
    wr_secret_wipe(&key, sizeof(key));
    if (err == WR_OK)
        tell(cli, &h);
    wr_home_close(&h);
    return err == WR_OK ? 0 : cli_fail(cli, &why);
}
