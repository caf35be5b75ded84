/* The promises of root.h: who may write a record. */
#include <criterion/criterion.h>

#include "base/rng.h"
#include "base/text.h"
#include "crypto/root.h"
#include "crypto/secret.h"

static struct wr_sign_key owner, thief;
static const uint8_t host[WR_CRED_HOST] = {1, 2, 3};
static const uint8_t nonce[WR_ROOT_NONCE] = {4, 5, 6};
static struct wr_root root;

static void setup(void)
{
    uint8_t seed[WR_SIGN_SEED] = {1};

    cr_assert_eq(wr_crypto_init(), WR_OK);
    wr_sign_from_seed(seed, &owner);
    seed[0] = 2;
    wr_sign_from_seed(seed, &thief);
    wr_root_init(&root, &owner, host, nonce);
    wr_root_sign(&root, &owner);
}

TestSuite(root, .init = setup);

static void keep(struct wr_root *r)
{
    r->version++;
    r->state = WR_ROOT_KEPT;
    r->size = 12345;
    r->cid_n = 36;
    memset(r->cid, 0x77, 36);
    wr_root_sign(r, &owner);
}

static struct wr_span encoded(const struct wr_root *r, uint8_t *buf)
{
    return wr_span(buf, wr_root_encode(r, buf));
}

Test(root, comes_back_from_its_bytes)
{
    uint8_t buf[WR_ROOT_BYTES_MAX], again[WR_ROOT_BYTES_MAX];
    struct wr_root got;

    cr_assert_eq(wr_root_open(encoded(&root, buf), &got), WR_OK);
    cr_assert_arr_eq((uint8_t *)&got, (uint8_t *)&root, sizeof(root));
    keep(&root);
    root.cid_n = WR_ROOT_CID_MAX;
    wr_root_sign(&root, &owner);
    cr_assert_eq(wr_root_open(encoded(&root, buf), &got), WR_OK);
    cr_assert(wr_span_eq(encoded(&root, buf), encoded(&got, again)));
    cr_assert_eq(wr_root_encode(&root, buf), WR_ROOT_BYTES_MAX);
    cr_assert_arr_eq(got.put, root.put, WR_ROOT_PUT);
}

Test(root, each_flipped_bit_truncation_and_extension_is_refused)
{
    uint8_t buf[WR_ROOT_BYTES_MAX + 1] = {0};
    struct wr_root got;

    keep(&root);
    const size_t n = wr_root_encode(&root, buf);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_neq(wr_root_open(wr_span(buf, n), &got), WR_OK, "bit %zu",
                      bit);
        buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len <= n + 1; len++)
        if (len != n)
            cr_assert_eq(wr_root_open(wr_span(buf, len), &got), WR_EINVAL);
}

Test(root, ids_are_the_hashes_that_the_specification_names)
{
    /* Computed with another implementation (Python's hashlib.blake2b). */
    uint8_t position[WR_ROOT_POSITION];
    char text[WR_HEX_SIZE(32)];

    memset(owner.public, 0xbb, sizeof(owner.public));
    wr_root_init(&root, &owner, host, nonce);
    wr_hex(wr_span(root.put, WR_ROOT_PUT), text);
    cr_assert_str_eq(text, "7757e32a20088acbb0b9c08932ae4549");
    wr_root_position(root.put, position);
    wr_hex(wr_span(position, sizeof(position)), text);
    cr_assert_str_eq(text, "a7105df2e28ee99b1939262ab7fd8047"
                           "97ecc14ed8c900dbcf6f07a3d8fd35df");
}

Test(root, only_open_or_given_up_goes_without_a_cid)
{
    uint8_t buf[WR_ROOT_BYTES_MAX];
    struct wr_root got;

    root.version++;
    root.state = WR_ROOT_GIVEN_UP;
    wr_root_sign(&root, &owner);
    cr_assert_eq(wr_root_open(encoded(&root, buf), &got), WR_OK);
    /* A hand-made record that is kept, but of nothing. */
    const size_t n = wr_root_encode(&root, buf);
    struct wr_writer w = wr_writer(buf, sizeof(buf));
    buf[4 + 16 + 16 + 32 + 8] = WR_ROOT_KEPT;
    w.n = n - WR_SIGNATURE;
    wr_signed_end(&w, &owner);
    cr_assert_eq(wr_root_open(wr_span(buf, n), &got), WR_EINVAL);
}

Test(root, a_forged_deletion_is_refused)
{
    struct wr_root forged, got;
    uint8_t buf[WR_ROOT_BYTES_MAX];

    keep(&root);
    /* The thief signs a deletion under the owner's name … */
    forged = root;
    forged.version = 99;
    forged.state = WR_ROOT_GIVEN_UP;
    struct wr_sign_key mask = thief;
    memcpy(mask.public, owner.public, WR_SIGN_PUBLIC);
    wr_root_sign(&forged, &mask);
    cr_assert_eq(wr_root_open(encoded(&forged, buf), &got), WR_EAUTH);
    /* … then under its own, with the owner's nonce: that is another put. */
    memcpy(forged.owner, thief.public, WR_SIGN_PUBLIC);
    wr_root_sign(&forged, &thief);
    cr_assert_eq(wr_root_open(encoded(&forged, buf), &got), WR_OK);
    cr_assert_arr_neq(got.put, root.put, WR_ROOT_PUT);
}

Test(root, a_record_on_anothers_account_is_noticed)
{
    struct wr_cred cred = {0};

    memcpy(cred.host, host, sizeof(host));
    memcpy(cred.sign_public, owner.public, WR_SIGN_PUBLIC);
    cr_assert(wr_root_is_of(&root, &cred));
    cred.host[0] ^= 1;
    cr_assert(!wr_root_is_of(&root, &cred));
    cred.host[0] ^= 1;
    memcpy(cred.sign_public, thief.public, WR_SIGN_PUBLIC);
    cr_assert(!wr_root_is_of(&root, &cred));
}
