/* cmd_join.c - `wreath join`: redeem a ticket. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli.h"
#include "client/join.h"
#include "crypto/secret.h"
#include "host/cards.h"
#include "host/super.h"
#include "host/tickets.h"
#include "sys/fs.h"

/* Reads the ticket's text; never from argv. Returns its length, or -1. */
static ssize_t read_ticket(const char *from, char *ret, size_t room,
                           struct wr_why *why)
{
    uint8_t *bytes;
    size_t n;

    if (from == NULL || strcmp(from, "-") == 0) {
        if (isatty(STDIN_FILENO) == 1)
            fputs("ticket: ", stderr);
        n = fread(ret, 1, room - 1, stdin);
        if (n == 0)
            wr_why(why, WR_EINVAL, "no ticket on standard input");
        return n == 0 ? -1 : (ssize_t)n;
    }
    const enum wr_err err = wr_file_read(from, room - 1, why, &bytes, &n);
    if (err != WR_OK && strncmp(from, "wreath1", 7) == 0)
        wr_why(why, WR_EINVAL,
               "a ticket is a secret: put it into a file, or give it to "
               "standard input, not on the command line");
    if (err != WR_OK)
        return -1;
    memcpy(ret, bytes, n);
    wr_secret_wipe(bytes, n);
    free(bytes);
    return (ssize_t)n;
}

/* A super-peer starts from the list of hosts that it knows (host/cards.h). */
static enum wr_err remember_parent(const struct wr_home *h,
                                   const struct wr_join_parent *parent,
                                   struct wr_why *why)
{
    char path[WR_HOME_PATH_MAX];
    struct wr_book book;
    struct wr_cards cards;
    wr_host host;
    bool is_new;
    char *text = NULL;
    enum wr_err err = wr_book_init(&book, h->ring, 2, 2 * WR_MEMBERS_MAX);

    if (err != WR_OK)
        return wr_why(why, err, "out of memory");
    err = wr_cards_init(&cards, h->ring, &book);
    if (err == WR_OK)
        err = wr_cards_add(&cards, wr_span(parent->cred_bytes, parent->cred_n),
                           &host, &is_new);
    if (err == WR_OK) {
        wr_cards_heard(&cards, host, &parent->addr, 0);
        text = wr_cards_dump(&cards);
    }
    wr_home_path(h->dir, "members", path);
    if (err == WR_OK && text != NULL)
        err = wr_file_write(path, 0644, wr_span_str(text), why);
    free(text);
    wr_cards_done(&cards);
    wr_book_done(&book);
    return err;
}

static void tell(const struct cli *cli, const struct wr_home *h)
{
    const bool super = h->cred.role == WR_ROLE_SUPERPEER;
    char self[CLI_SELF_MAX], host[WR_HEX_SIZE(WR_CRED_HOST)];

    wr_hex(wr_span(h->cred.host, WR_CRED_HOST), host);
    if (cli->json)
        printf("{\"host\":\"%s\",\"role\":\"%s\"}\n", host,
               super ? "super-peer" : "leaf");
    else if (!cli->quiet)
        printf("joined as %s %.8s\nnext:  %s %s\n",
               super ? "super-peer" : "leaf", host, cli_self(cli, self),
               super ? "superpeer" : "put FILE");
}

/* Whether the identity in this directory came from this ticket: then there is
 * nothing left to do, and to say so is no failure. */
static bool joined_before(const struct wr_home *h,
                          const struct wr_ticket *ticket)
{
    uint8_t host[WR_CRED_HOST];

    if (memcmp(h->ring, ticket->ring, sizeof(h->ring)) != 0)
        return false;
    for (uint32_t use = 0; use < WR_TICKET_USES_MAX; use++) {
        wr_cred_host_id(ticket->serial, use, host);
        if (memcmp(host, h->cred.host, sizeof(host)) == 0)
            return true;
    }
    return false;
}

/* Before it waits: whom for, and how long at most. */
static void announce(const struct cli *cli, const struct wr_ticket *ticket)
{
    char where[WR_JOIN_WHERE_MAX];

    cli_remark(cli, "joining through %s; this takes at most %d s",
               wr_join_where(ticket, where), WR_JOIN_MS / 1000);
}

static int join(struct cli *cli, const struct wr_ticket *ticket)
{
    struct wr_join_parent parent;
    struct wr_home h = {0};
    struct wr_why why = {0};

    if (wr_home_open(&h, cli->dir, &why) == WR_OK &&
        joined_before(&h, ticket)) {
        bool left = false, known;

        if (cli_own_card(cli, &h, &left, &known) == WR_OK && left)
            wr_why(&why, WR_EREFUSED, WR_SUPER_LEFT_TEXT);
        else
            tell(cli, &h);
        wr_home_close(&h);
        return left ? cli_fail(cli, &why) : 0;
    }
    wr_home_close(&h);
    enum wr_err err = wr_home_check_free(cli->dir, &why);
    if (err != WR_OK)
        return cli_fail(cli, &why);
    h = (struct wr_home){0};
    snprintf(h.dir, sizeof(h.dir), "%s", cli->dir);
    err = wr_home_draft(&h, &why);
    if (err == WR_OK)
        announce(cli, ticket);
    if (err == WR_OK)
        err = wr_join_ring(ticket, &h, &parent, &why);
    if (err == WR_EREFUSED)
        wr_home_draft_drop(h.dir);
    if (err == WR_OK && h.cred.role == WR_ROLE_SUPERPEER)
        err = remember_parent(&h, &parent, &why);
    if (err == WR_OK)
        err = wr_home_create(&h, &why);
    if (err == WR_OK)
        tell(cli, &h);
    wr_home_close(&h);
    return err == WR_OK ? 0 : cli_fail(cli, &why);
}

int cmd_join(struct cli *cli, int argc, char **argv)
{
    char text[2 * WR_TICKET_TEXT_MAX]; /* Room for wrapped lines. */
    struct wr_ticket ticket;
    struct wr_why why = {0};
    int first;
    const int over = cli_options(cli, "join", NULL, 0, argc, argv, &first);

    if (over != 0)
        return over - 1;
    if (argc - first > 1)
        return cli_usage(cli, "join", "one ticket at a time");
    const ssize_t n = read_ticket(argv[first], text, sizeof(text), &why);
    if (n < 0)
        return cli_fail(cli, &why);
    const enum wr_ticket_fault fault =
        wr_ticket_parse(wr_span(text, (size_t)n), &ticket);
    wr_secret_wipe(text, sizeof(text));
    if (fault != WR_TICKET_GOOD) {
        wr_why(&why, WR_EINVAL, "this is %s%s", wr_ticket_fault_text(fault),
               fault == WR_TICKET_CUT || fault == WR_TICKET_MISTYPED
                   ? "; copy it again"
                   : "");
        return cli_fail(cli, &why);
    }
    const int status = join(cli, &ticket);
    wr_secret_wipe(&ticket, sizeof(ticket));
    return status;
}
