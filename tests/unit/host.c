/* What a super-peer keeps about itself: settings, tickets, its incarnation, the
 * names of bodies. */
#include "hostkit.h"

#include "base/text.h"
#include "client/bodytab.h"
#include "host/config.h"
#include "host/super_parts.h"
#include "host/tickets.h"

TestSuite(host, .init = setup, .fini = teardown, .timeout = 60);

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
