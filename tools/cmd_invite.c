/* cmd_invite.c - `wreath invite`: a ticket for a new member. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "client/home.h"
#include "crypto/secret.h"
#include "host/address.h"
#include "host/tickets.h"
#include "net/addr.h"
#include "sys/clock.h"
#include "sys/fs.h"

static void add_address(struct wr_ticket *t, const char *address)
{
    if (address[0] == '\0' || strlen(address) > WR_TICKET_ADDR_MAX ||
        t->n_addrs == WR_TICKET_ADDRS_MAX)
        return;
    for (size_t i = 0; i < t->n_addrs; i++)
        if (strcmp(t->addrs[i], address) == 0)
            return;
    strcpy(t->addrs[t->n_addrs++], address);
}

/* Where this host can be dialled: what the running process says, else what
 * the settings say. */
static void own_address(const struct cli *cli, struct wr_ticket *t)
{
    const char *advertise = wr_config_text(&cli->config, WR_CONFIG_advertise);
    const char *listen = wr_config_text(&cli->config, WR_CONFIG_listen);
    char path[WR_HOME_PATH_MAX], text[WR_ADDR_TEXT];
    struct wr_addr a;
    uint8_t *bytes;
    size_t n;

    wr_home_path(cli->dir, "run/address", path);
    if (wr_file_read(path, WR_TICKET_ADDR_MAX, NULL, &bytes, &n) == WR_OK) {
        bytes[strcspn((char *)bytes, "\n")] = '\0';
        add_address(t, (char *)bytes);
        free(bytes);
    } else if (advertise[0] != '\0') {
        add_address(t, advertise);
    } else if (wr_addr_parse(listen, WR_PORT_DEFAULT, &a) != WR_OK) {
        add_address(t, listen); /* A name. */
    } else if (a.port != 0) {
        if (wr_addr_is_any(&a))
            a = wr_addr_local(a.port);
        add_address(t, wr_addr_text(&a, text));
    }
}

/* Other super-peers, so that one that is down stops nobody from joining. */
static void other_addresses(const struct cli *cli,
                            const uint8_t ring[WR_SIGN_PUBLIC],
                            struct wr_ticket *t)
{
    struct wr_book book;
    struct wr_cards cards;
    char text[WR_ADDR_TEXT];

    if (cli_cards_open(cli, ring, &book, &cards) != WR_OK)
        return;
    for (wr_host i = 0; i < book.hosts_n; i++)
        if (wr_cards_state(&cards, i) == WR_ROSTER_ADMITTED &&
            book.hosts[i].addr.port != 0)
            add_address(t, wr_addr_text(&book.hosts[i].addr, text));
    cli_cards_close(&book, &cards);
}

static int write_ticket(const struct cli *cli, const struct wr_ticket *t,
                        const char *out)
{
    char text[WR_TICKET_TEXT_MAX + 1];
    struct wr_why why;

    if (wr_ticket_format(t, text) != WR_OK) {
        wr_why(&why, WR_EFAIL,
               "where this host can be dialled is not known yet; start "
               "'wreath superpeer' first, or set 'advertise'");
        return cli_fail(cli, &why);
    }
    strcat(text, "\n");
    if (out == NULL) {
        if (cli->json)
            printf("{\"ticket\":\"%.*s\"}\n", (int)strlen(text) - 1, text);
        else
            fputs(text, stdout);
    } else if (wr_file_out(out, 0600, wr_span_str(text), &why) != WR_OK) {
        return cli_fail(cli, &why);
    } else if (!cli->quiet && !cli->json && !wr_file_is_special(out)) {
        printf("wrote a ticket to %s: copy it to the new member, then 'wreath "
               "join %s' there\n",
               out, out);
    }
    wr_secret_wipe(text, sizeof(text));
    return 0;
}

struct wishes {
    const char *expires, *uses, *quota, *members, *site, *out;
    bool super;
};

/* NULL, or what is wrong. */
static const char *read_wishes(const struct wishes *w, struct wr_invite *ret)
{
    wr_time expires = 0;
    char *end;

    *ret =
        (struct wr_invite){.role = w->super ? WR_ROLE_SUPERPEER : WR_ROLE_LEAF};
    if (wr_duration_parse(w->expires, &expires) != WR_OK || expires < WR_SEC(1))
        return "--expires is a duration, as 7d or 12h";
    ret->expires = wr_clock_wall_s() + expires / 1000000;
    const unsigned long uses = strtoul(w->uses, &end, 10);
    if (*end != '\0' || uses < 1 || uses > WR_TICKET_USES_MAX)
        return "--uses is a number from 1 to 10000";
    ret->uses = (uint32_t)uses;
    if (w->quota != NULL && wr_bytes_parse(w->quota, &ret->quota) != WR_OK)
        return "--quota is a number of bytes, as 10G";
    const unsigned long members = strtoul(w->members, &end, 10);
    if (*end != '\0' || members < CLI_MEMBERS_LEAST ||
        members > WR_CRED_MEMBERS_MAX)
        return "--members is a number from 17 to 64";
    ret->members = w->super ? (uint8_t)members : 0;
    if (w->site != NULL && strlen(w->site) > WR_CRED_SITE_MAX)
        return "--site is a name of at most 63 bytes";
    if (w->site != NULL)
        strcpy(ret->site, w->site);
    return NULL;
}

static int invite(struct cli *cli, const struct wishes *w,
                  const struct wr_invite *what)
{
    struct wr_sign_key key;
    struct wr_home h;
    struct wr_why why;
    int status = cli_open(cli, &h);

    if (status != 0)
        return status;
    struct wr_ticket t = {.role = what->role};
    memcpy(t.ring, h.ring, sizeof(t.ring));
    memcpy(t.secret, h.ring_secret, sizeof(t.secret));
    wr_secret_random(t.serial, sizeof(t.serial));
    wr_secret_random(t.token, sizeof(t.token));
    enum wr_err err = wr_home_ring_key(cli->dir, &key, &why);
    if (err == WR_OK) {
        wr_secret_wipe(&key, sizeof(key)); /* It was only asked for. */
        own_address(cli, &t);
        other_addresses(cli, h.ring, &t);
        err = wr_tickets_add(cli->dir, t.serial, t.token, what, &why);
    }
    wr_home_close(&h);
    status = err == WR_OK ? write_ticket(cli, &t, w->out) : cli_fail(cli, &why);
    wr_secret_wipe(&t, sizeof(t));
    return status;
}

int cmd_invite(struct cli *cli, int argc, char **argv)
{
    struct wishes w = {.expires = "7d", .uses = "1", .members = "17"};
    const struct option_row rows[] = {
        {"super-peer", 0, NULL, &w.super, NULL},
        {"expires", 0, &w.expires, NULL, NULL},
        {"uses", 0, &w.uses, NULL, NULL},
        {"quota", 0, &w.quota, NULL, NULL},
        {"members", 0, &w.members, NULL, NULL},
        {"site", 0, &w.site, NULL, NULL},
        {"out", 'o', &w.out, NULL, NULL},
    };
    struct wr_invite what;
    const int over =
        cli_options(cli, "invite", rows, WR_ARRAY_LEN(rows), argc, argv, NULL);

    if (over != 0)
        return over - 1;
    const char *wrong = read_wishes(&w, &what);
    if (wrong != NULL)
        return cli_usage(cli, "invite", "%s", wrong);
    return invite(cli, &w, &what);
}
