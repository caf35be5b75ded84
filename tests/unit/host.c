/* What a super-peer keeps about itself and others: settings, tickets, cards,
 * the names of bodies. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/text.h"
#include "client/bodytab.h"
#include "crypto/secret.h"
#include "host/cards.h"
#include "host/config.h"
#include "host/super_parts.h"
#include "host/tickets.h"
#include "net/addr.h"
#include "sys/fs.h"

static char dir[64];
static struct wr_why why;

static void setup(void)
{
    cr_assert_eq(wr_crypto_init(), WR_OK);
    strcpy(dir, "/tmp/wreath-host-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void teardown(void)
{
    char command[96];

    (void)snprintf(command, sizeof(command), "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(host, .init = setup, .fini = teardown, .timeout = 60);

static void write_in(const char *name, const char *text)
{
    char path[WR_HOME_PATH_MAX];

    wr_home_path(dir, name, path);
    cr_assert_eq(wr_file_write(path, 0600, wr_span_str(text), &why), WR_OK);
}

/* ---- settings --------------------------------------------------------- */

Test(host, bytes)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t n;
    } v[] = {
        {"0", true, 0},
        {"4096", true, 4096},
        {"10G", true, UINT64_C(10) << 30},
        {"10g", true, UINT64_C(10) << 30},
        {"512 MiB", true, 512 << 20},
        {"1KB", true, 1024},
        {"15E", true, UINT64_C(15) << 60},
        {"16E", false, 0},
        {"18446744073709551616", false, 0},
        {"", false, 0},
        {"G", false, 0},
        {"-1", false, 0},
        {"1X", false, 0},
        {"1GG", false, 0},
        {"1\xff", false, 0},
        {"1.5G", false, 0},
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(v); i++) {
        uint64_t n = 99;

        cr_assert_eq(wr_bytes_parse(v[i].text, &n),
                     v[i].good ? WR_OK : WR_EINVAL, "%s", v[i].text);
        cr_assert_eq(n, v[i].good ? v[i].n : 99, "%s", v[i].text);
    }
}

Test(host, durations)
{
    static const struct {
        const char *text;
        bool good;
        wr_time us;
    } v[] = {
        {"10", true, 10000000},
        {"10s", true, 10000000},
        {"250ms", true, 250000},
        {"5us", true, 5},
        {"1h30m", true, UINT64_C(5400000000)},
        {"7d", true, UINT64_C(604800000000)},
        {"1w", true, UINT64_C(604800000000)},
        {"", false, 0},
        {"s", false, 0},
        {"1y", false, 0},
        {"-1s", false, 0},
        {"1 s", false, 0},
        {"99999999999999w", false, 0},
        {"213503982d213503982d", false, 0}, /* The sum is too long. */
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(v); i++) {
        wr_time us = 99;

        cr_assert_eq(wr_duration_parse(v[i].text, &us),
                     v[i].good ? WR_OK : WR_EINVAL, "%s", v[i].text);
        cr_assert_eq(us, v[i].good ? v[i].us : 99, "%s", v[i].text);
    }
}

/* `--ttl`: how long from now. */
Test(host, an_end_is_a_duration_or_a_date_to_come)
{
    const char *const bad[] = {"",
                               "0",
                               "-1h",
                               "2001-01-01",
                               "2030-13-01",
                               "2030-02-31",
                               "2030-01-0",
                               "2030-01-31 24:00",
                               "2030-01-31 -1:00",
                               "2030-01-31 12:00x"};
    const uint64_t now_s = 1800000000; /* 2027-01-15 */
    uint64_t s = 0, day = 0, evening = 0;

    cr_assert_eq(wr_until_parse("30d", now_s, &s), WR_OK);
    cr_assert_eq(s, UINT64_C(30) * 86400);
    cr_assert_eq(wr_until_parse("90m", now_s, &s), WR_OK);
    cr_assert_eq(s, UINT64_C(5400));
    cr_assert_eq(wr_until_parse("2030-06-15", now_s, &day), WR_OK);
    cr_assert_eq(wr_until_parse("2030-06-15 18:30", now_s, &evening), WR_OK);
    cr_assert_eq(evening - day, UINT64_C(18 * 3600 + 30 * 60));
    cr_assert_eq(wr_until_parse("2030-06-15T18:30", now_s, &s), WR_OK);
    cr_assert_eq(s, evening);
    /* 22,080 days after 1970, by any zone's clock. */
    cr_assert_lt((now_s + day + 14 * 3600) / 86400 - 22080, 2);
    for (size_t i = 0; i < WR_ARRAY_LEN(bad); i++)
        cr_assert_eq(wr_until_parse(bad[i], now_s, &s), WR_EINVAL, "%s",
                     bad[i]);
}

Test(host, a_setting_that_is_none_names_the_nearest)
{
    struct wr_config c;

    wr_config_init(&c);
    cr_assert_eq(wr_config_set(&c, "lissten", "x", WR_FROM_FILE, &why),
                 WR_EINVAL);
    cr_assert_not_null(strstr(why.text, "'listen'"), "%s", why.text);
    cr_assert_eq(wr_config_set(&c, "quotas", "x", WR_FROM_FILE, &why),
                 WR_EINVAL);
    cr_assert_not_null(strstr(why.text, "'quota'"), "%s", why.text);
    /* However long it is. */
    char name[300];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    cr_assert_eq(wr_config_set(&c, name, "x", WR_FROM_FILE, &why), WR_EINVAL);
}

Test(host, settings_have_ranges)
{
    struct wr_config c;

    wr_config_init(&c);
    cr_assert_eq(wr_config_set(&c, "copies", "8", WR_FROM_FILE, &why), WR_OK);
    cr_assert_eq(wr_config_set(&c, "copies", "9", WR_FROM_FILE, &why),
                 WR_EINVAL);
    cr_assert_eq(wr_config_set(&c, "copies", "0", WR_FROM_FILE, &why),
                 WR_EINVAL);
    cr_assert_eq(wr_config_set(&c, "copies", "3x", WR_FROM_FILE, &why),
                 WR_EINVAL);
    cr_assert_eq(wr_config_set(&c, "round", "1us", WR_FROM_FILE, &why),
                 WR_EINVAL);
    cr_assert_eq(wr_config_number(&c, WR_CONFIG_copies), 8);
}

Test(host, the_stronger_origin_wins_in_any_order)
{
    struct wr_config c;

    wr_config_init(&c);
    cr_assert_eq(wr_config_set(&c, "log-level", "warn", WR_FROM_FLAG, &why),
                 WR_OK);
    write_in("wreath.ini", "[any]\nlog_level = debug\nquota = 10G\n");
    char path[WR_HOME_PATH_MAX];
    wr_home_path(dir, "wreath.ini", path);
    cr_assert_eq(wr_config_file(&c, path, &why), WR_OK, "%s", why.text);
    cr_assert_str_eq(wr_config_text(&c, WR_CONFIG_log_level), "warn");
    cr_assert_eq(wr_config_number(&c, WR_CONFIG_quota), UINT64_C(10) << 30);
    setenv("WREATH_QUOTA", "11G", 1);
    cr_assert_eq(wr_config_environment(&c, &why), WR_OK);
    cr_assert_eq(wr_config_number(&c, WR_CONFIG_quota), UINT64_C(11) << 30);
    unsetenv("WREATH_QUOTA");
}

Test(host, a_file_of_settings_that_is_wrong_says_where)
{
    struct wr_config c;
    char path[WR_HOME_PATH_MAX];

    wr_config_init(&c);
    wr_home_path(dir, "wreath.ini", path);
    cr_assert_eq(wr_config_file(&c, path, &why), WR_OK, "none is fine");
    write_in("wreath.ini", "\ncopies = 3\ncopys = 2\n");
    cr_assert_eq(wr_config_file(&c, path, &why), WR_EINVAL);
    cr_assert_not_null(strstr(why.text, "line 3"), "%s", why.text);
    cr_assert_not_null(strstr(why.text, "'copies'"), "%s", why.text);
    write_in("wreath.ini", "what is this\n");
    cr_assert_eq(wr_config_file(&c, path, &why), WR_EINVAL);
    /* One that cannot be opened is not one that is not there. */
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(symlink("wreath.ini", path), 0);
    cr_assert_eq(wr_config_file(&c, path, &why), WR_EINVAL);
}

/* ---- tickets ---------------------------------------------------------- */

static struct wr_sign_key ring;
static uint8_t serial[WR_CRED_SERIAL], token[WR_TICKET_TOKEN];

static void ticket(uint32_t uses, uint64_t expires)
{
    const struct wr_invite invite = {.role = WR_ROLE_SUPERPEER,
                                     .members = 17,
                                     .uses = uses,
                                     .expires = expires,
                                     .quota = 1000,
                                     .site = "attic"};

    wr_sign_generate(&ring);
    wr_secret_random(serial, sizeof(serial));
    wr_secret_random(token, sizeof(token));
    cr_assert_eq(wr_tickets_add(dir, serial, token, &invite, &why), WR_OK);
}

/* Somebody with keys of their own asks at second 1000. */
static enum wr_err redeem(uint8_t who, struct wr_cred *ret)
{
    struct wr_join join;
    uint8_t sealed[WR_JOIN_BYTES], bytes[WR_CRED_BYTES_MAX];
    size_t n;

    memcpy(join.serial, serial, sizeof(serial));
    memcpy(join.token, token, sizeof(token));
    memset(join.noise_public, who, WR_NOISE_KEY);
    memset(join.sign_public, who + 1, WR_SIGN_PUBLIC);
    cr_assert_eq(wr_join_seal(&join, ring.public, sealed), WR_OK);
    const enum wr_err err = wr_tickets_redeem(
        dir, wr_span(sealed, sizeof(sealed)), &ring, 1000, bytes, &n, &why);
    if (err == WR_OK)
        cr_assert_eq(wr_cred_open(wr_span(bytes, n), ring.public, ret), WR_OK);
    return err;
}

Test(host, a_ticket_makes_as_many_credentials_as_it_has_uses)
{
    struct wr_cred a, b, again;

    ticket(2, 0);
    cr_assert_eq(redeem(1, &a), WR_OK);
    cr_assert_eq(redeem(2, &b), WR_OK);
    cr_assert_eq(a.role, WR_ROLE_SUPERPEER);
    cr_assert_eq(a.members, 17);
    cr_assert_eq(a.quota, 1000);
    cr_assert_str_eq(a.site, "attic");
    cr_assert_neq(memcmp(a.host, b.host, WR_CRED_HOST), 0);
    cr_assert_eq(redeem(3, &again), WR_EREFUSED);
    cr_assert_not_null(strstr(why.text, "used up"));
    /* Who has got one gets the same again. */
    cr_assert_eq(redeem(1, &again), WR_OK);
    cr_assert_eq(memcmp(a.host, again.host, WR_CRED_HOST), 0);
}

Test(host, a_ticket_expires)
{
    struct wr_cred c;

    ticket(1, 1000); /* The last second. */
    cr_assert_eq(redeem(1, &c), WR_OK);
    ticket(1, 999);
    cr_assert_eq(redeem(1, &c), WR_EREFUSED);
    cr_assert_not_null(strstr(why.text, "expired"));
}

Test(host, an_unknown_ticket_or_token_or_ring_is_refused)
{
    struct wr_cred c;

    ticket(1, 0);
    token[0] ^= 1;
    cr_assert_eq(redeem(1, &c), WR_EREFUSED);
    cr_assert_not_null(strstr(why.text, "does not know"));
    token[0] ^= 1;
    serial[0] ^= 1;
    cr_assert_eq(redeem(1, &c), WR_EREFUSED);
    cr_assert_not_null(strstr(why.text, "does not know"));
    serial[0] ^= 1;
    cr_assert_eq(wr_tickets_redeem(dir, wr_span_str("noise"), &ring, 1, NULL,
                                   NULL, &why),
                 WR_EREFUSED);
    cr_assert_eq(redeem(1, &c), WR_OK);
}

/* Replaces `from` in the ticket's file. */
static void damage(const char *from, const char *to)
{
    char name[sizeof("tickets/") + 2 * WR_CRED_SERIAL] = "tickets/";
    char path[WR_HOME_PATH_MAX], text[4096];
    uint8_t *bytes;
    size_t n;

    wr_hex(wr_span(serial, sizeof(serial)), name + strlen(name));
    wr_home_path(dir, name, path);
    cr_assert_eq(wr_file_read(path, 4096, &why, &bytes, &n), WR_OK);
    char *at = strstr((char *)bytes, from);
    cr_assert_not_null(at, "%s", (char *)bytes);
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - (char *)bytes),
                   (char *)bytes, to, at + strlen(from));
    write_in(name, text);
    free(bytes);
}

/* What is missing or makes no sense is never "no limit". */
Test(host, a_damaged_record_of_a_ticket_grants_nothing)
{
    static const char *const pairs[][2] = {
        {"\"expires\": 900", "\"expired\": 900"},
        {"\"expires\": 900", "\"expires\": \"900\""},
        {"\"expires\": 900", "\"expires\": -900"},
        {"\"expires\": 900", "\"expires\": 0, \"uses\": -1"},
        {"\"expires\": 900", "\"expires\": 0, \"members\": 300"},
        {"\"expires\": 900", "\"expires\": 0, \"members\": 257"},
        {"\"expires\": 900", "\"expires\": 0, \"quota\": -1"},
        {"\"expires\": 900", "\"expires\": 0, \"issued\": 3"},
        {"{", "{{"},
    };
    struct wr_cred c;

    for (size_t i = 0; i < WR_ARRAY_LEN(pairs); i++) {
        ticket(1, 900);
        damage(pairs[i][0], pairs[i][1]);
        if (strchr(pairs[i][1], ',') != NULL) { /* The later one counts. */
            const char *key = strstr(pairs[i][1], ", \"") + 2;
            char once[32], gone[40];

            (void)snprintf(once, sizeof(once), "%.*s",
                           (int)(strchr(key, ':') - key), key);
            (void)snprintf(gone, sizeof(gone), "\"x%s", once + 1);
            damage(strcmp(once, "\"issued\"") == 0  ? "\"issued\": []"
                   : strcmp(once, "\"uses\"") == 0  ? "\"uses\": 1"
                   : strcmp(once, "\"quota\"") == 0 ? "\"quota\": 1000"
                                                    : "\"members\": 17",
                   "\"x\": 0");
        }
        cr_assert_eq(redeem(1, &c), WR_EREFUSED, "%s", pairs[i][1]);
        cr_assert_null(strstr(why.text, "expired"), "%s", pairs[i][1]);
    }
}

/* ---- cards ------------------------------------------------------------ */

static struct wr_book book;
static struct wr_cards cards;

static void open_cards(void)
{
    cr_assert_eq(wr_book_init(&book, ring.public, 64, 64 * 17), WR_OK);
    cr_assert_eq(wr_cards_init(&cards, ring.public, &book), WR_OK);
}

static void close_cards(void)
{
    wr_cards_done(&cards);
    wr_book_done(&book);
}

struct made {
    struct wr_sign_key key;
    struct wr_cred cred;
    uint8_t bytes[WR_CRED_BYTES_MAX];
    size_t n;
};

static struct made make(uint8_t id, enum wr_role role,
                        const struct wr_sign_key *issuer)
{
    struct made m = {
        .cred = {.role = role, .members = role == WR_ROLE_LEAF ? 0 : 3}};

    wr_sign_generate(&m.key);
    memset(m.cred.host, id, WR_CRED_HOST);
    wr_secret_random(m.cred.noise_public, WR_NOISE_KEY);
    memcpy(m.cred.sign_public, m.key.public, WR_SIGN_PUBLIC);
    cr_assert_eq(wr_cred_issue(&m.cred, issuer, m.bytes, &m.n), WR_OK);
    return m;
}

static enum wr_err add(const struct made *m, wr_host *ret)
{
    bool is_new;

    return wr_cards_add(&cards, wr_span(m->bytes, m->n), ret, &is_new);
}

Test(host, only_this_rings_super_peers_get_a_card)
{
    struct wr_sign_key other;
    struct made m;
    wr_host h = 99;

    wr_sign_generate(&ring);
    wr_sign_generate(&other);
    open_cards();
    m = make(1, WR_ROLE_LEAF, &ring);
    cr_assert_eq(add(&m, &h), WR_EREFUSED);
    m = make(2, WR_ROLE_SUPERPEER, &other);
    cr_assert_eq(add(&m, &h), WR_EREFUSED);
    m = make(3, WR_ROLE_SUPERPEER, &ring);
    for (size_t i = 0; i < m.n; i++) {
        m.bytes[i] ^= 1;
        cr_assert_neq(add(&m, &h), WR_OK, "byte %zu", i);
        m.bytes[i] ^= 1;
    }
    cr_assert_eq(book.hosts_n, 0);
    cr_assert_eq(h, 99);
    cr_assert_eq(add(&m, &h), WR_OK);
    cr_assert_eq(add(&m, &h), WR_OK);
    cr_assert_eq(book.hosts_n, 1);
    close_cards();
}

/* An id grinder has no way in: without a signature nothing is kept. */
Test(host, a_million_uncertified_ids_make_no_entry)
{
    struct wr_rng rng = {1};
    struct made m;
    bool is_new;
    wr_host h;

    wr_sign_generate(&ring);
    open_cards();
    m = make(1, WR_ROLE_SUPERPEER, &ring);
    for (unsigned i = 0; i < 1000000; i++) {
        uint8_t bytes[WR_CRED_BYTES_MAX];
        size_t n = wr_rng_below(&rng, sizeof(bytes) + 1);

        wr_rng_fill(&rng, bytes, n);
        /* Each 500th looks right but for its signature, which is slow. */
        if (i % 500 == 0) {
            n = m.n;
            memcpy(bytes, m.bytes, n);
            wr_rng_fill(&rng, bytes + WR_SIGNED_HEAD + WR_SIGN_PUBLIC,
                        WR_CRED_HOST);
        }
        cr_assert_neq(wr_cards_add(&cards, wr_span(bytes, n), &h, &is_new),
                      WR_OK);
    }
    cr_assert_eq(book.hosts_n, 0);
    cr_assert_eq(book.ids_n, 0);
    close_cards();
}

/* An issuer whose records were restored from a backup may give one id twice. */
Test(host, two_hosts_never_share_an_id)
{
    struct made first, second;
    wr_host h;

    wr_sign_generate(&ring);
    open_cards();
    first = make(1, WR_ROLE_SUPERPEER, &ring);
    second = make(1, WR_ROLE_SUPERPEER, &ring);
    cr_assert_eq(add(&first, &h), WR_OK);
    cr_assert_eq(add(&second, &h), WR_EREFUSED);
    close_cards();
}

Test(host, a_full_book_is_an_answer)
{
    wr_host h;

    wr_sign_generate(&ring);
    open_cards();
    for (unsigned i = 0; i < 65; i++) {
        const struct made m = make((uint8_t)i, WR_ROLE_SUPERPEER, &ring);

        cr_assert_eq(add(&m, &h), i < 64 ? WR_OK : WR_EFULL);
    }
    close_cards();
}

Test(host, a_farewell_is_ones_own_word)
{
    struct made a, b;
    uint8_t bye[WR_FAREWELL_BYTES];
    wr_host h;

    wr_sign_generate(&ring);
    open_cards();
    a = make(1, WR_ROLE_SUPERPEER, &ring);
    b = make(2, WR_ROLE_SUPERPEER, &ring);
    cr_assert_eq(add(&a, &h), WR_OK);
    wr_farewell_sign(ring.public, a.cred.host, &b.key, bye);
    cr_assert_not(wr_cards_farewell(&cards, h, wr_span(bye, sizeof(bye))));
    wr_farewell_sign(ring.public, b.cred.host, &b.key, bye);
    cr_assert_not(wr_cards_farewell(&cards, h, wr_span(bye, sizeof(bye))));
    cr_assert_eq(wr_cards_state(&cards, h), WR_ROSTER_ADMITTED);
    wr_farewell_sign(ring.public, a.cred.host, &a.key, bye);
    cr_assert(wr_cards_farewell(&cards, h, wr_span(bye, sizeof(bye))));
    cr_assert_not(wr_cards_farewell(&cards, h, wr_span(bye, sizeof(bye))));
    cr_assert_eq(wr_cards_state(&cards, h), WR_ROSTER_LEFT);
    close_cards();
}

Test(host, an_older_or_forged_revocation_list_changes_nothing)
{
    struct wr_sign_key other;
    struct made a;
    uint8_t first[WR_REVOKED_BYTES_MAX], second[WR_REVOKED_BYTES_MAX];
    struct wr_revoked list = {0};
    size_t first_n, second_n;
    wr_host h;

    wr_sign_generate(&ring);
    wr_sign_generate(&other);
    open_cards();
    a = make(1, WR_ROLE_SUPERPEER, &ring);
    cr_assert_eq(add(&a, &h), WR_OK);
    cr_assert_eq(wr_revoked_add(&list, a.cred.host, WR_REVOKED_REMOVED, &ring,
                                first, &first_n),
                 WR_OK);
    cr_assert_eq(wr_revoked_open(wr_span(first, first_n), ring.public, &list),
                 WR_OK);
    cr_assert_eq(wr_revoked_add(&list, a.cred.host, WR_REVOKED_CUT_OFF, &ring,
                                second, &second_n),
                 WR_OK);
    cr_assert(wr_cards_revoke(&cards, wr_span(first, first_n)));
    cr_assert_not(wr_cards_cut_off(&cards, a.cred.host));
    cr_assert_eq(wr_cards_state(&cards, h), WR_ROSTER_REMOVED);
    cr_assert(wr_cards_revoke(&cards, wr_span(second, second_n)));
    cr_assert(wr_cards_cut_off(&cards, a.cred.host));
    cr_assert_not(wr_cards_revoke(&cards, wr_span(first, first_n)));
    cr_assert(wr_cards_cut_off(&cards, a.cred.host));
    cr_assert_eq(wr_revoked_add(&list, a.cred.host, WR_REVOKED_CUT_OFF, &other,
                                first, &first_n),
                 WR_OK);
    cr_assert_not(wr_cards_revoke(&cards, wr_span(first, first_n)));
    close_cards();
}

/* An address by hearsay is taken if it is newer; what the host itself says
 * beats any of it, or one liar could keep a host from being found. */
Test(host, a_hosts_own_word_beats_hearsay)
{
    struct made a;
    struct wr_addr lie, truth;
    wr_host h;

    wr_sign_generate(&ring);
    open_cards();
    a = make(1, WR_ROLE_SUPERPEER, &ring);
    cr_assert_eq(add(&a, &h), WR_OK);
    cr_assert_eq(wr_addr_parse("192.0.2.66:1", 0, &lie), WR_OK);
    cr_assert_eq(wr_addr_parse("192.0.2.1:4077", 0, &truth), WR_OK);
    cr_assert(wr_cards_heard(&cards, h, &lie, UINT32_MAX));
    cr_assert_not(wr_cards_heard(&cards, h, &truth, 5));
    cr_assert(wr_cards_said(&cards, h, &truth, 5));
    cr_assert_eq(book.hosts[h].addr.port, 4077);
    cr_assert_eq(cards.v[h].incarnation, 5);
    cr_assert_not(wr_cards_said(&cards, h, &truth, 5), "no news");
    cr_assert_not(wr_cards_heard(&cards, h, &lie, 5));
    close_cards();
}

Test(host, cards_are_written_and_read_again)
{
    struct made a, b;
    struct wr_addr at;
    uint8_t bye[WR_FAREWELL_BYTES];
    wr_host ha, hb;
    char *text;

    wr_sign_generate(&ring);
    open_cards();
    a = make(1, WR_ROLE_SUPERPEER, &ring);
    b = make(2, WR_ROLE_SUPERPEER, &ring);
    cr_assert_eq(add(&a, &ha), WR_OK);
    cr_assert_eq(add(&b, &hb), WR_OK);
    cr_assert_eq(wr_addr_parse("[2001:db8::7]:99", 0, &at), WR_OK);
    wr_cards_said(&cards, ha, &at, UINT32_MAX);
    cards.v[ha].seen_s = 1234567;
    cards.v[ha].silent_s = UINT64_C(1) << 33;
    wr_farewell_sign(ring.public, b.cred.host, &b.key, bye);
    cr_assert(wr_cards_farewell(&cards, hb, wr_span(bye, sizeof(bye))));
    wr_cards_confirmed(&cards, hb);
    text = wr_cards_dump(&cards);
    cr_assert_not(cards.dirty);
    write_in("members", text);
    close_cards();

    open_cards();
    wr_cards_load(&cards, dir);
    cr_assert_eq(book.hosts_n, 2);
    cr_assert_eq(add(&a, &ha), WR_OK);
    cr_assert_eq(add(&b, &hb), WR_OK);
    cr_assert_eq(memcmp(&book.hosts[ha].addr, &at, 16), 0);
    cr_assert_eq(book.hosts[ha].addr.port, 99);
    cr_assert_eq(cards.v[ha].incarnation, UINT32_MAX);
    cr_assert_not(cards.v[ha].confirmed);
    cr_assert(cards.v[hb].confirmed);
    cr_assert_eq(cards.v[ha].seen_s, 1234567);
    cr_assert_eq(cards.v[ha].silent_s, UINT64_C(1) << 33);
    cr_assert_eq(wr_cards_state(&cards, ha), WR_ROSTER_ADMITTED);
    cr_assert_eq(wr_cards_state(&cards, hb), WR_ROSTER_LEFT);
    close_cards();

    /* Wherever it is cut off, it is passed over. */
    for (size_t n = 0; n < strlen(text); n += 37) {
        char *cut = strndup(text, n);

        write_in("members", cut);
        open_cards();
        wr_cards_load(&cards, dir);
        cr_assert_eq(book.hosts_n, 0);
        close_cards();
        free(cut);
    }
    /* An entry that was altered costs that entry alone. */
    char *key = strstr(text, "777243");
    cr_assert_not_null(key);
    key[100] = key[100] == '0' ? '1' : '0';
    write_in("members", text);
    open_cards();
    wr_cards_load(&cards, dir);
    cr_assert_eq(book.hosts_n, 1);
    close_cards();
    free(text);
}

Test(host, numbers_out_of_range_in_the_list_of_members_are_passed_over)
{
    struct made a;
    char hex[WR_HEX_SIZE(WR_CRED_BYTES_MAX)], text[2048];
    wr_host h;

    wr_sign_generate(&ring);
    a = make(1, WR_ROLE_SUPERPEER, &ring);
    wr_hex(wr_span(a.bytes, a.n), hex);
    (void)snprintf(text, sizeof(text),
                   "[7, null, {}, {\"credential\": \"%s\", \"address\": "
                   "\"192.0.2.1:5\", \"incarnation\": 4294967297, \"seen\": "
                   "-1, \"silent\": -1, \"farewell\": \"00\"}]",
                   hex);
    write_in("members", text);
    open_cards();
    wr_cards_load(&cards, dir);
    cr_assert_eq(book.hosts_n, 1);
    cr_assert_eq(add(&a, &h), WR_OK);
    cr_assert_eq(cards.v[h].incarnation, 0);
    cr_assert_eq(cards.v[h].seen_s, 0);
    cr_assert_eq(cards.v[h].silent_s, 0);
    cr_assert_eq(wr_cards_state(&cards, h), WR_ROSTER_ADMITTED);
    close_cards();
}

/* Of what passed since it was seen, only that counts which we were there for:
 * not while we were off, and not what a clock said that was wrong. */
Test(host, silence_is_what_was_noted_not_what_the_clock_says)
{
    struct wr_config config;
    struct made a;
    wr_host h;

    wr_sign_generate(&ring);
    open_cards();
    a = make(1, WR_ROLE_SUPERPEER, &ring);
    cr_assert_eq(add(&a, &h), WR_OK);
    wr_config_init(&config);
    struct wr_super s = {.cfg.config = &config, .cards = cards};

    s.sweep.seen_s = s.sweep.saved_s = 2000000000;
    cards.v[h].seen_s = 2000000000 - 30 * 86400;
    cr_assert_eq(wr_sweep_silent_s(&s, h), 0);
    cards.v[h].seen_s = 4000000000;
    cards.v[h].silent_s = 7200;
    cr_assert_eq(wr_sweep_silent_s(&s, h), 7200);
    cards.v[h].silent_s = 3600;
    cr_assert_eq(wr_sweep_silent_s(&s, h), 0, "a reboot's time");
    cards.v[h].silent_s = UINT64_C(1) << 33;
    cr_assert_eq(wr_sweep_silent_s(&s, h), UINT32_MAX);
    close_cards();
}

/* ---- the incarnation -------------------------------------------------- */

/* Half a number read as a whole one would make this start older than the last.
 */
Test(host, an_incarnation_is_read_whole_or_not_at_all)
{
    uint32_t v = 99;

    cr_assert(wr_super_incarnation(wr_span_str("0\n"), &v));
    cr_assert_eq(v, 0);
    cr_assert(wr_super_incarnation(wr_span_str("4294967295\n"), &v));
    cr_assert_eq(v, UINT32_MAX);
    v = 99;
    cr_assert_not(wr_super_incarnation(wr_span_str("4294967296\n"), &v));
    cr_assert_not(
        wr_super_incarnation(wr_span_str("99999999999999999999\n"), &v));
    cr_assert_not(wr_super_incarnation(wr_span_str(""), &v));
    cr_assert_not(wr_super_incarnation(wr_span_str("\n"), &v));
    cr_assert_not(wr_super_incarnation(wr_span_str("12"), &v));
    cr_assert_not(wr_super_incarnation(wr_span_str("-1\n"), &v));
    cr_assert_not(wr_super_incarnation(wr_span_str("1x\n"), &v));
    cr_assert_not(wr_super_incarnation(wr_span_str("1\n2\n"), &v));
    cr_assert_eq(v, 99);
}

/* ---- bodies ----------------------------------------------------------- */

Test(host, bodies_have_names_as_long_as_they_are_held)
{
    struct wr_bodytab b;
    struct wr_buf *v[3];
    struct wr_body first, second;

    cr_assert_eq(wr_bodytab_init(&b, 2), WR_OK);
    for (size_t i = 0; i < 3; i++) {
        v[i] = wr_buf_new(10 + i);
        v[i]->n = (uint32_t)(10 + i);
    }
    first = wr_bodytab_add(&b, v[0]);
    second = wr_bodytab_add(&b, v[1]);
    cr_assert(first.id != 0 && second.id != 0 && first.id != second.id);
    cr_assert_eq(first.len, 10);
    cr_assert_eq(wr_bodytab_get(&b, second), v[1]);
    cr_assert_eq(wr_bodytab_add(&b, v[2]).id, 0);
    cr_assert_eq(atomic_load(&v[2]->refs), 1, "still the caller's");
    wr_bodytab_release(&b, first);
    cr_assert_neq(wr_bodytab_add(&b, v[2]).id, 0);
    cr_assert_eq(b.free_n, 0);
    wr_bodytab_done(&b); /* Releases both, says the sanitizer. */
}
