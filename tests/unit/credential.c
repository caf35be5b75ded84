/* The promises of credential.h, revoke.h and farewell.h. */
#include <criterion/criterion.h>

#include "base/rng.h"
#include "base/text.h"
#include "crypto/farewell.h"
#include "crypto/revoke.h"
#include "crypto/secret.h"

static struct wr_sign_key ring, other_ring, node;
static struct wr_cred cred;
static uint8_t bytes[WR_CRED_BYTES_MAX];
static size_t bytes_n;

static void setup(void)
{
    struct wr_rng rng = {7};
    uint8_t seed[WR_SIGN_SEED];

    cr_assert_eq(wr_crypto_init(), WR_OK);
    wr_rng_fill(&rng, seed, sizeof(seed));
    wr_sign_from_seed(seed, &ring);
    wr_rng_fill(&rng, seed, sizeof(seed));
    wr_sign_from_seed(seed, &other_ring);
    wr_rng_fill(&rng, seed, sizeof(seed));
    wr_sign_from_seed(seed, &node);
    cred = (struct wr_cred){
        .role = WR_ROLE_SUPERPEER,
        .members = 17,
        .quota = UINT64_C(10) << 30,
        .not_after = 1900000000,
        .site = "Köln",
    };
    wr_rng_fill(&rng, cred.host, sizeof(cred.host));
    wr_rng_fill(&rng, cred.noise_public, sizeof(cred.noise_public));
    memcpy(cred.sign_public, node.public, sizeof(node.public));
    memcpy(cred.ring, ring.public, sizeof(ring.public));
    cr_assert_eq(wr_cred_issue(&cred, &ring, bytes, &bytes_n), WR_OK);
}

TestSuite(credential, .init = setup);

static enum wr_err reopen(struct wr_span b)
{
    struct wr_cred got;

    return wr_cred_open(b, ring.public, &got);
}

Test(credential, comes_back_from_the_ring_key_alone)
{
    struct wr_cred got;
    uint8_t again[WR_CRED_BYTES_MAX];
    size_t n;

    cr_assert_eq(wr_cred_open(wr_span(bytes, bytes_n), ring.public, &got),
                 WR_OK);
    cr_assert_arr_eq((uint8_t *)&got, (uint8_t *)&cred, sizeof(cred));
    cr_assert_eq(wr_cred_issue(&got, &ring, again, &n), WR_OK);
    cr_assert(wr_span_eq(wr_span(again, n), wr_span(bytes, bytes_n)));
}

Test(credential, the_longest_fits_its_bound)
{
    memset(cred.site, 's', WR_CRED_SITE_MAX);
    cr_assert_eq(wr_cred_issue(&cred, &ring, bytes, &bytes_n), WR_OK);
    cr_assert_eq(bytes_n, WR_CRED_BYTES_MAX);
    cr_assert_eq(reopen(wr_span(bytes, bytes_n)), WR_OK);
    cred.site[WR_CRED_SITE_MAX] = 's';
    cr_assert_eq(wr_cred_issue(&cred, &ring, bytes, &bytes_n), WR_EINVAL);
}

Test(credential, each_flipped_bit_is_refused)
{
    for (size_t bit = 0; bit < 8 * bytes_n; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_neq(reopen(wr_span(bytes, bytes_n)), WR_OK, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

Test(credential, each_truncation_and_a_trailing_byte_is_refused)
{
    uint8_t longer[WR_CRED_BYTES_MAX + 1] = {0};

    memcpy(longer, bytes, bytes_n);
    for (size_t n = 0; n <= bytes_n + 1; n++)
        if (n != bytes_n)
            cr_assert_eq(reopen(wr_span(longer, n)), WR_EINVAL, "%zu", n);
}

Test(credential, of_another_ring_or_another_signer_is_refused)
{
    size_t n;

    cr_assert_eq(wr_cred_issue(&cred, &other_ring, bytes, &n), WR_OK);
    cr_assert_eq(reopen(wr_span(bytes, n)), WR_EREFUSED);
    /* Another key's signature under our ring's name. */
    struct wr_sign_key forger = other_ring;
    memcpy(forger.public, ring.public, WR_SIGN_PUBLIC);
    cr_assert_eq(wr_cred_issue(&cred, &forger, bytes, &n), WR_OK);
    cr_assert_eq(reopen(wr_span(bytes, n)), WR_EAUTH);
    cr_assert_eq(wr_cred_issue(&cred, &ring, bytes, &n), WR_OK);
    bytes[3]++;
    cr_assert_eq(reopen(wr_span(bytes, n)), WR_EVERSION);
}

Test(credential, members_fit_the_role)
{
    const struct {
        enum wr_role role;
        uint8_t members;
        enum wr_err expect;
    } rows[] = {
        {WR_ROLE_LEAF, 0, WR_OK},          {WR_ROLE_LEAF, 1, WR_EINVAL},
        {WR_ROLE_SUPERPEER, 1, WR_OK},     {WR_ROLE_SUPERPEER, 64, WR_OK},
        {WR_ROLE_SUPERPEER, 0, WR_EINVAL}, {WR_ROLE_SUPERPEER, 65, WR_EINVAL},
        {(enum wr_role)3, 1, WR_EINVAL},
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(rows); i++) {
        cred.role = rows[i].role;
        cred.members = rows[i].members;
        cr_assert_eq(wr_cred_issue(&cred, &ring, bytes, &bytes_n),
                     rows[i].expect, "row %zu", i);
    }
    cred.role = WR_ROLE_LEAF;
    cred.members = 0;
    memcpy(cred.site, "a\x1b[2J", 6);
    cr_assert_eq(wr_cred_issue(&cred, &ring, bytes, &bytes_n), WR_EINVAL);
}

Test(credential, ids_are_the_hashes_that_the_specification_names)
{
    /* Computed with another implementation (Python's hashlib.blake2b). */
    uint8_t serial[WR_CRED_SERIAL], zone[WR_SIGN_PUBLIC];
    uint8_t host[WR_CRED_HOST], id[WR_CRED_MEMBER_ID];
    char text[WR_HEX_SIZE(32)];

    for (uint8_t i = 0; i < 16; i++)
        serial[i] = i;
    wr_cred_host_id(serial, 258, host);
    wr_hex(wr_span(host, sizeof(host)), text);
    cr_assert_str_eq(text, "3d4b8903e04c33cb7be7f6ad8c9afafc");
    memset(zone, 0xaa, sizeof(zone));
    wr_cred_member_id(zone, host, 16, id);
    wr_hex(wr_span(id, sizeof(id)), text);
    cr_assert_str_eq(text, "497935c440e05319120404650bd74ebc"
                           "e5674a6911ebd1bbf794684d90c3f440");
}

/* --- revocation list --- */

static uint8_t lists[2][WR_REVOKED_BYTES_MAX];

static const uint8_t *host_no(uint32_t i)
{
    static uint8_t host[WR_CRED_HOST];
    struct wr_rng rng = {i};

    wr_rng_fill(&rng, host, sizeof(host));
    return host;
}

/* Adds to `list` and opens the result, in the other buffer. */
static enum wr_err add(struct wr_revoked *list, const uint8_t *host,
                       enum wr_revoked_kind kind)
{
    uint8_t *const to = lists[list->bytes.p == lists[0]];
    size_t n;
    const enum wr_err err = wr_revoked_add(list, host, kind, &ring, to, &n);

    if (err == WR_OK)
        cr_assert_eq(wr_revoked_open(wr_span(to, n), ring.public, list), WR_OK);
    return err;
}

Test(credential, a_list_says_what_was_added_and_counts_up)
{
    struct wr_revoked list = {0};

    cr_assert_eq(wr_revoked_find(&list, host_no(0)), WR_REVOKED_NOT);
    for (uint32_t i = 0; i < 100; i++) {
        cr_assert_eq(add(&list, host_no(i),
                         i % 2 ? WR_REVOKED_REMOVED : WR_REVOKED_CUT_OFF),
                     WR_OK);
        cr_assert_eq(list.number, i + 1);
        cr_assert_eq(list.n, i + 1);
    }
    for (uint32_t i = 0; i < 200; i++)
        cr_assert_eq(wr_revoked_find(&list, host_no(i)),
                     i >= 100 ? WR_REVOKED_NOT
                     : i % 2  ? WR_REVOKED_REMOVED
                              : WR_REVOKED_CUT_OFF);
}

Test(credential, cut_off_outweighs_removed)
{
    struct wr_revoked list = {0};

    cr_assert_eq(add(&list, host_no(1), WR_REVOKED_REMOVED), WR_OK);
    cr_assert_eq(add(&list, host_no(2), WR_REVOKED_REMOVED), WR_OK);
    cr_assert_eq(add(&list, host_no(1), WR_REVOKED_REMOVED), WR_EEXIST);
    cr_assert_eq(add(&list, host_no(1), WR_REVOKED_CUT_OFF), WR_OK);
    cr_assert_eq(list.n, 2);
    cr_assert_eq(list.number, 3);
    cr_assert_eq(wr_revoked_find(&list, host_no(1)), WR_REVOKED_CUT_OFF);
    cr_assert_eq(wr_revoked_find(&list, host_no(2)), WR_REVOKED_REMOVED);
    cr_assert_eq(add(&list, host_no(1), WR_REVOKED_REMOVED), WR_EEXIST);
}

Test(credential, a_full_list_takes_no_more_and_fits_64_kib)
{
    /* Written by hand: adding one by one would sign 3,800 times. */
    struct wr_revoked list;
    struct wr_writer w = wr_writer(lists[0], sizeof(lists[0]));
    uint8_t host[WR_CRED_HOST] = {0};

    wr_signed_begin(&w, "wrR");
    wr_write(&w, ring.public, WR_SIGN_PUBLIC);
    wr_write_be64(&w, 9);
    wr_write_be16(&w, WR_REVOKED_HOSTS_MAX - 1);
    for (size_t i = 0; i < WR_REVOKED_HOSTS_MAX - 1; i++) {
        host[0] = (uint8_t)(i >> 8);
        host[1] = (uint8_t)i;
        wr_write(&w, host, sizeof(host));
        wr_write_u8(&w, WR_REVOKED_REMOVED);
    }
    wr_signed_end(&w, &ring);
    cr_assert(!w.bad);
    cr_assert_eq(wr_revoked_open(wr_span(lists[0], w.n), ring.public, &list),
                 WR_OK);
    memset(host, 0xff, sizeof(host));
    cr_assert_eq(add(&list, host, WR_REVOKED_CUT_OFF), WR_OK);
    cr_assert_leq(list.bytes.n, 65536);
    cr_assert_gt(list.bytes.n + WR_REVOKED_ENTRY, 65536);
    host[0] = 0xfe;
    cr_assert_eq(add(&list, host, WR_REVOKED_CUT_OFF), WR_EFULL);
    host[0] = 0;
    host[1] = 5;
    memset(host + 2, 0, 14);
    cr_assert_eq(add(&list, host, WR_REVOKED_CUT_OFF), WR_OK);
}

Test(credential, an_altered_list_is_refused)
{
    struct wr_revoked list = {0}, got;

    for (uint32_t i = 0; i < 3; i++)
        cr_assert_eq(add(&list, host_no(i), WR_REVOKED_REMOVED), WR_OK);
    uint8_t copy[512] = {0};
    const size_t n = list.bytes.n;
    memcpy(copy, list.bytes.p, n);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_neq(wr_revoked_open(wr_span(copy, n), ring.public, &got),
                      WR_OK, "bit %zu", bit);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len <= n + 1; len++)
        if (len != n)
            cr_assert_eq(wr_revoked_open(wr_span(copy, len), ring.public, &got),
                         WR_EINVAL);
    cr_assert_eq(wr_revoked_open(wr_span(copy, n), other_ring.public, &got),
                 WR_EREFUSED);
}

Test(credential, an_unsorted_list_is_refused_though_signed)
{
    for (int twice = 0; twice < 2; twice++) {
        struct wr_writer w = wr_writer(lists[0], sizeof(lists[0]));
        struct wr_revoked got;
        uint8_t host[WR_CRED_HOST] = {9};

        wr_signed_begin(&w, "wrR");
        wr_write(&w, ring.public, WR_SIGN_PUBLIC);
        wr_write_be64(&w, 1);
        wr_write_be16(&w, 2);
        wr_write(&w, host, sizeof(host));
        wr_write_u8(&w, WR_REVOKED_REMOVED);
        host[0] = twice ? 9 : 8;
        wr_write(&w, host, sizeof(host));
        wr_write_u8(&w, WR_REVOKED_REMOVED);
        wr_signed_end(&w, &ring);
        cr_assert_eq(wr_revoked_open(wr_span(lists[0], w.n), ring.public, &got),
                     WR_EINVAL);
    }
}

/* --- farewell --- */

Test(credential, a_farewell_is_the_hosts_own_word)
{
    uint8_t word[WR_FAREWELL_BYTES];
    struct wr_cred other = cred;

    wr_farewell_sign(ring.public, cred.host, &node, word);
    cr_assert_eq(wr_farewell_open(wr_span(word, sizeof(word)), &cred), WR_OK);
    other.host[0] ^= 1;
    cr_assert_eq(wr_farewell_open(wr_span(word, sizeof(word)), &other),
                 WR_EREFUSED);
    other = cred;
    memcpy(other.ring, other_ring.public, WR_SIGN_PUBLIC);
    cr_assert_eq(wr_farewell_open(wr_span(word, sizeof(word)), &other),
                 WR_EREFUSED);
    /* The ring key itself cannot say it for a host. */
    wr_farewell_sign(ring.public, cred.host, &ring, word);
    cr_assert_eq(wr_farewell_open(wr_span(word, sizeof(word)), &cred),
                 WR_EAUTH);
}

Test(credential, an_altered_farewell_is_refused)
{
    uint8_t word[WR_FAREWELL_BYTES + 1] = {0};

    wr_farewell_sign(ring.public, cred.host, &node, word);
    for (size_t bit = 0; bit < 8 * WR_FAREWELL_BYTES; bit++) {
        word[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_neq(wr_farewell_open(wr_span(word, WR_FAREWELL_BYTES), &cred),
                      WR_OK);
        word[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t n = 0; n <= sizeof(word); n++)
        if (n != WR_FAREWELL_BYTES)
            cr_assert_eq(wr_farewell_open(wr_span(word, n), &cred), WR_EINVAL);
}
