/* What a host knows about the others, on proof: credentials, farewells,
 * revocations, and who was silent for how long. */
#include "hostkit.h"

#include "base/rng.h"
#include "base/text.h"
#include "host/cards.h"
#include "net/addr.h"

static struct wr_sign_key ring;

static void setup_ring(void)
{
    setup();
    wr_sign_generate(&ring);
}

TestSuite(cards, .init = setup_ring, .fini = teardown, .timeout = 60);

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

/* A super-peer of this ring, which has its card. */
static struct made admitted(uint8_t id, wr_host *ret)
{
    const struct made m = make(id, WR_ROLE_SUPERPEER, &ring);

    cr_assert_eq(add(&m, ret), WR_OK);
    return m;
}

Test(cards, only_this_rings_super_peers_get_a_card)
{
    struct wr_sign_key other;
    struct made m;
    wr_host h = 99;

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
Test(cards, a_million_uncertified_ids_make_no_entry)
{
    struct wr_rng rng = {1};
    struct made m;
    bool is_new;
    wr_host h;

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
Test(cards, two_hosts_never_share_an_id)
{
    struct made second;
    wr_host h;

    open_cards();
    (void)admitted(1, &h);
    second = make(1, WR_ROLE_SUPERPEER, &ring);
    cr_assert_eq(add(&second, &h), WR_EREFUSED);
    close_cards();
}

Test(cards, a_full_book_is_an_answer)
{
    wr_host h;

    open_cards();
    for (unsigned i = 0; i < 65; i++) {
        const struct made m = make((uint8_t)i, WR_ROLE_SUPERPEER, &ring);

        cr_assert_eq(add(&m, &h), i < 64 ? WR_OK : WR_EFULL);
    }
    close_cards();
}

Test(cards, a_farewell_is_ones_own_word)
{
    struct made a, b;
    uint8_t bye[WR_FAREWELL_BYTES];
    wr_host h;

    open_cards();
    a = admitted(1, &h);
    b = make(2, WR_ROLE_SUPERPEER, &ring);
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

Test(cards, an_older_or_forged_revocation_list_changes_nothing)
{
    struct wr_sign_key other;
    struct made a;
    uint8_t first[WR_REVOKED_BYTES_MAX], second[WR_REVOKED_BYTES_MAX];
    struct wr_revoked list = {0};
    size_t first_n, second_n;
    wr_host h;

    wr_sign_generate(&other);
    open_cards();
    a = admitted(1, &h);
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
Test(cards, a_hosts_own_word_beats_hearsay)
{
    struct wr_addr lie, truth;
    wr_host h;

    open_cards();
    (void)admitted(1, &h);
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

Test(cards, cards_are_written_and_read_again)
{
    struct made a, b;
    struct wr_addr at;
    uint8_t bye[WR_FAREWELL_BYTES];
    wr_host ha, hb;
    char *text;

    open_cards();
    a = admitted(1, &ha);
    b = admitted(2, &hb);
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

Test(cards, numbers_out_of_range_in_the_list_of_members_are_passed_over)
{
    struct made a;
    char hex[WR_HEX_SIZE(WR_CRED_BYTES_MAX)], text[2048];
    wr_host h;

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

/* ---- silence ---------------------------------------------------------- */

enum { US, OTHER, SILENT, NOW_S = 2000000000 };

static bool linked[3];

static bool is_linked(const void *arg, wr_host h)
{
    (void)arg;
    return linked[h];
}

static void note(uint64_t passed_s, uint64_t now_s)
{
    wr_cards_note(&cards, US, is_linked, NULL, passed_s, now_s);
}

static void open_three(void)
{
    open_cards();
    for (uint8_t i = 0; i < 3; i++) {
        wr_host h;

        (void)admitted(i, &h);
        cr_assert_eq(h, i);
        linked[i] = false;
    }
}

Test(cards, who_is_not_linked_was_silent_for_as_long_as_we_were_there)
{
    open_three();
    linked[OTHER] = true;
    note(7000, NOW_S);
    note(200, NOW_S + 200);
    cr_assert_eq(wr_cards_silent_s(&cards, SILENT, 0), 7200);
    cr_assert_eq(cards.v[SILENT].seen_s, 0);
    cr_assert_eq(wr_cards_silent_s(&cards, OTHER, 0), 0);
    cr_assert_eq(cards.v[OTHER].seen_s, NOW_S + 200);
    cr_assert_eq(wr_cards_silent_s(&cards, US, 0), 0);
    linked[SILENT] = true;
    note(1, NOW_S + 201);
    cr_assert_eq(wr_cards_silent_s(&cards, SILENT, 0), 0);
    cr_assert_eq(cards.v[SILENT].seen_s, NOW_S + 201);
    close_cards();
}

/* And if we ended before the next list is due: it is not known to be silent. */
Test(cards, that_a_silence_has_ended_is_worth_saving)
{
    open_three();
    free(wr_cards_dump(&cards));
    cards.v[SILENT].silent_s = 9999;
    wr_cards_linked(&cards, SILENT, NOW_S);
    cr_assert_eq(wr_cards_silent_s(&cards, SILENT, 0), 0);
    cr_assert_eq(cards.v[SILENT].seen_s, NOW_S);
    cr_assert(cards.dirty);
    free(wr_cards_dump(&cards));
    wr_cards_linked(&cards, SILENT, NOW_S);
    cr_assert_not(cards.dirty);
    close_cards();
}

/* Then we are the one that is cut off. */
Test(cards, nobody_was_silent_where_nobody_is_linked)
{
    open_three();
    note(7200, NOW_S);
    cr_assert_eq(wr_cards_silent_s(&cards, SILENT, 0), 0);
    cr_assert_eq(wr_cards_silent_s(&cards, OTHER, 0), 0);
    close_cards();
}

/* Silence is counted all the same. */
Test(cards, a_clock_that_is_not_believed_dates_nothing)
{
    open_three();
    linked[OTHER] = true;
    note(60, NOW_S);
    note(60, 0);
    cr_assert_eq(cards.v[OTHER].seen_s, NOW_S);
    cr_assert_eq(wr_cards_silent_s(&cards, SILENT, 0), 120);
    close_cards();
}

Test(cards, a_silence_no_longer_than_a_reboot_is_none)
{
    open_three();
    cards.v[SILENT].silent_s = 3600;
    cr_assert_eq(wr_cards_silent_s(&cards, SILENT, 3600), 0);
    cr_assert_eq(wr_cards_silent_s(&cards, SILENT, 3599), 3600);
    cards.v[SILENT].silent_s = UINT64_C(1) << 33;
    cr_assert_eq(wr_cards_silent_s(&cards, SILENT, 3600), UINT32_MAX);
    close_cards();
}
