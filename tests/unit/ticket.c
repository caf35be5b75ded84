/* The promises of ticket.h. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>

#include "base/rng.h"
#include "base/text.h"
#include "crypto/blake2b.h"
#include "crypto/secret.h"
#include "crypto/ticket.h"

static struct wr_ticket ticket;
static char text[WR_TICKET_TEXT_MAX];

static void setup(void)
{
    struct wr_rng rng = {1};

    cr_assert_eq(wr_crypto_init(), WR_OK);
    ticket = (struct wr_ticket){
        .role = WR_ROLE_SUPERPEER,
        .n_addrs = 2,
        .addrs = {"box.example.org:4242", "[2001:db8::1]:4242"},
    };
    wr_rng_fill(&rng, ticket.ring, sizeof(ticket.ring));
    wr_rng_fill(&rng, ticket.secret, sizeof(ticket.secret));
    wr_rng_fill(&rng, ticket.serial, sizeof(ticket.serial));
    wr_rng_fill(&rng, ticket.token, sizeof(ticket.token));
    cr_assert_eq(wr_ticket_format(&ticket, text), WR_OK);
}

TestSuite(ticket, .init = setup);

static void expect_same(const struct wr_ticket *a, const struct wr_ticket *b)
{
    cr_assert_eq(a->role, b->role);
    cr_assert_arr_eq(a->ring, b->ring, sizeof(a->ring));
    cr_assert_arr_eq(a->secret, b->secret, sizeof(a->secret));
    cr_assert_arr_eq(a->serial, b->serial, sizeof(a->serial));
    cr_assert_arr_eq(a->token, b->token, sizeof(a->token));
    cr_assert_eq(a->n_addrs, b->n_addrs);
    for (size_t i = 0; i < a->n_addrs; i++)
        cr_assert_str_eq(a->addrs[i], b->addrs[i]);
}

static enum wr_ticket_fault parse(const char *s)
{
    struct wr_ticket got;

    return wr_ticket_parse(wr_span_str(s), &got);
}

Test(ticket, comes_back_from_its_text)
{
    /* Each remainder of the length by five, and the longest of all. */
    for (size_t pad = 0; pad <= 6; pad++) {
        struct wr_ticket got;

        memset(ticket.addrs[1], 0, sizeof(ticket.addrs[1]));
        memset(ticket.addrs[1], 'x', pad < 6 ? pad + 1 : WR_TICKET_ADDR_MAX);
        if (pad == 6) {
            ticket.n_addrs = WR_TICKET_ADDRS_MAX;
            for (size_t i = 0; i < WR_TICKET_ADDRS_MAX; i++)
                memcpy(ticket.addrs[i], ticket.addrs[1],
                       sizeof(ticket.addrs[i]));
        }
        cr_assert_eq(wr_ticket_format(&ticket, text), WR_OK);
        cr_assert_eq(strncmp(text, "wreath1", 7), 0);
        cr_assert_eq(wr_ticket_parse(wr_span_str(text), &got), WR_TICKET_GOOD);
        expect_same(&got, &ticket);
    }
    cr_assert_eq(strlen(text) + 1, WR_TICKET_TEXT_MAX);
}

Test(ticket, upper_case_and_wrapped_lines_are_accepted)
{
    char loud[2 * WR_TICKET_TEXT_MAX];
    struct wr_ticket got;
    size_t n = 0;

    for (size_t i = 0; text[i] != '\0'; i++) {
        loud[n++] = (char)toupper((unsigned char)text[i]);
        if (i % 20 == 3)
            loud[n++] = i % 40 == 3 ? '\n' : ' ';
    }
    cr_assert_eq(wr_ticket_parse(wr_span(loud, n), &got), WR_TICKET_GOOD);
    expect_same(&got, &ticket);
}

Test(ticket, every_single_changed_character_is_noticed)
{
    const size_t n = strlen(text);

    for (size_t i = 0; i < n; i++)
        for (int c = 1; c < 256; c++) {
            const char was = text[i];

            if (tolower(c) == was)
                continue;
            text[i] = (char)c;
            cr_assert_neq(parse(text), WR_TICKET_GOOD, "%zu: %c", i, c);
            text[i] = was;
        }
}

Test(ticket, a_wrong_letter_is_called_mistyped)
{
    const size_t at = strlen(text) / 2;

    text[at] = text[at] == 'a' ? 'b' : 'a';
    cr_assert_eq(parse(text), WR_TICKET_MISTYPED);
    text[at] = '0'; /* Not in the alphabet. */
    cr_assert_eq(parse(text), WR_TICKET_MISTYPED);
}

Test(ticket, two_swapped_letters_are_noticed)
{
    for (size_t i = 7; text[i + 1] != '\0'; i++) {
        const char a = text[i], b = text[i + 1];

        if (a == b)
            continue;
        text[i] = b;
        text[i + 1] = a;
        cr_assert_neq(parse(text), WR_TICKET_GOOD);
        text[i] = a;
        text[i + 1] = b;
    }
}

Test(ticket, every_truncation_is_called_incomplete)
{
    const size_t n = strlen(text);
    struct wr_ticket got;

    for (size_t i = 0; i < n; i++)
        cr_assert_eq(wr_ticket_parse(wr_span(text, i), &got),
                     i < 6 ? WR_TICKET_FOREIGN : WR_TICKET_CUT, "%zu", i);
    /* And one letter too many is none either. */
    memcpy(text + n, "a", 2);
    cr_assert_eq(parse(text), WR_TICKET_MISTYPED);
}

Test(ticket, what_is_no_ticket_is_called_so)
{
    cr_assert_eq(parse(""), WR_TICKET_FOREIGN);
    cr_assert_eq(parse("hello"), WR_TICKET_FOREIGN);
    cr_assert_eq(parse("wreathx"), WR_TICKET_FOREIGN);
    text[6] = '2';
    cr_assert_eq(parse(text), WR_TICKET_NEWER);
    static char flood[100000];
    memset(flood, 'a', sizeof(flood));
    memcpy(flood, "wreath1", 7);
    struct wr_ticket got;
    cr_assert_eq(wr_ticket_parse(wr_span(flood, sizeof(flood)), &got),
                 WR_TICKET_FOREIGN);
}

Test(ticket, each_fault_has_its_own_words)
{
    for (int a = WR_TICKET_GOOD; a <= WR_TICKET_MISTYPED; a++)
        for (int b = a + 1; b <= WR_TICKET_MISTYPED; b++)
            cr_assert_str_neq(wr_ticket_fault_text((enum wr_ticket_fault)a),
                              wr_ticket_fault_text((enum wr_ticket_fault)b));
}

Test(ticket, bad_addresses_are_not_written)
{
    ticket.n_addrs = 0;
    cr_assert_eq(wr_ticket_format(&ticket, text), WR_EINVAL);
    ticket.n_addrs = WR_TICKET_ADDRS_MAX + 1;
    cr_assert_eq(wr_ticket_format(&ticket, text), WR_EINVAL);
    ticket.n_addrs = 1;
    memcpy(ticket.addrs[0], "", 1);
    cr_assert_eq(wr_ticket_format(&ticket, text), WR_EINVAL);
    memcpy(ticket.addrs[0], "a b", 4);
    cr_assert_eq(wr_ticket_format(&ticket, text), WR_EINVAL);
    memset(ticket.addrs[0], 'x', sizeof(ticket.addrs[0])); /* No NUL. */
    cr_assert_eq(wr_ticket_format(&ticket, text), WR_EINVAL);
}

Test(ticket, a_right_checksum_does_not_excuse_a_wrong_content)
{
    /* A hostile ticket: an address with a NUL inside. */
    uint8_t bytes[98 + 1 + 3 + 5] = {WR_ROLE_LEAF};
    uint8_t check[WR_BLAKE2B_256];
    char hostile[7 + WR_BASE32_SIZE(sizeof(bytes))] = "wreath1";

    bytes[97] = 1;
    bytes[98] = 3;
    memcpy(bytes + 99, "a\0b", 3);
    for (int i = 0; i < 2; i++) {
        const struct wr_span parts[] = {wr_span_str("wreath-ticket"),
                                        wr_span(bytes, 102)};

        wr_blake2b_256(parts, 2, check);
        memcpy(bytes + 102, check, 5);
        wr_base32(wr_span(bytes, sizeof(bytes)), hostile + 7);
        cr_assert_eq(parse(hostile),
                     i == 0 ? WR_TICKET_MISTYPED : WR_TICKET_GOOD);
        bytes[100] = ':';
    }
}

/* --- the request to join --- */

static struct wr_sign_key ring_key;
static struct wr_join join;
static uint8_t sealed[WR_JOIN_BYTES];

static void seal(void)
{
    wr_sign_generate(&ring_key);
    wr_secret_random(&join, sizeof(join));
    cr_assert_eq(wr_join_seal(&join, ring_key.public, sealed), WR_OK);
}

Test(ticket, only_the_issuer_reads_a_request_to_join)
{
    struct wr_sign_key other;
    struct wr_join got;

    seal();
    cr_assert_eq(wr_join_open(wr_span(sealed, sizeof(sealed)), &ring_key, &got),
                 WR_OK);
    cr_assert_arr_eq((uint8_t *)&got, (uint8_t *)&join, sizeof(join));
    wr_sign_generate(&other);
    cr_assert_eq(wr_join_open(wr_span(sealed, sizeof(sealed)), &other, &got),
                 WR_EAUTH);
    for (size_t i = 0; i + sizeof(join.token) <= sizeof(sealed); i++)
        cr_assert_neq(memcmp(sealed + i, join.token, sizeof(join.token)), 0);
}

Test(ticket, a_relay_cannot_change_a_request_to_join)
{
    struct wr_join got;

    seal();
    for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
        /* X25519 ignores the top bit of the sender's throw-away key, but the
         * seal's nonce is a hash of it. */
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(
            wr_join_open(wr_span(sealed, sizeof(sealed)), &ring_key, &got),
            WR_EAUTH, "bit %zu", bit);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t n = 0; n < sizeof(sealed); n++)
        cr_assert_eq(wr_join_open(wr_span(sealed, n), &ring_key, &got),
                     WR_EAUTH);
}

Test(ticket, sealing_to_what_is_no_key_is_refused)
{
    static const uint8_t zeros[WR_SIGN_PUBLIC];

    cr_assert_eq(wr_join_seal(&join, zeros, sealed), WR_EINVAL);
}

Test(ticket, the_issuer_keeps_no_token)
{
    uint8_t a[32], b[32];

    wr_ticket_token_hash(ticket.token, a);
    ticket.token[15] ^= 1;
    wr_ticket_token_hash(ticket.token, b);
    cr_assert_arr_neq(a, b, 32);
}
