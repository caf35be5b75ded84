/* The promises of sign.h, identity.h, secret.h and blake2b.h. */
#include <criterion/criterion.h>
#include <sodium.h>

#include "base/text.h"
#include "crypto/blake2b.h"
#include "crypto/identity.h"
#include "crypto/secret.h"

static void setup(void)
{
    cr_assert_eq(wr_crypto_init(), WR_OK);
}

TestSuite(identity, .init = setup);

Test(identity, blake2b_is_rfc_7693_over_the_concatenation)
{
    /* RFC 7693, appendix A: BLAKE2b-512("abc"). */
    static const char expect[] =
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
        "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923";
    const struct wr_span parts[] = {wr_span_str("a"), wr_span(NULL, 0),
                                    wr_span_str("bc")};
    uint8_t digest[WR_BLAKE2B_512];
    char text[WR_HEX_SIZE(WR_BLAKE2B_512)];

    wr_blake2b(parts, 3, digest, sizeof(digest));
    wr_hex(wr_span(digest, sizeof(digest)), text);
    cr_assert_str_eq(text, expect);
}

Test(identity, comes_back_from_its_file)
{
    struct wr_identity id, back;
    uint8_t file[WR_IDENTITY_BYTES], again[WR_IDENTITY_BYTES];

    wr_identity_generate(&id);
    wr_identity_encode(&id, file);
    cr_assert_eq(wr_identity_decode(wr_span(file, sizeof(file)), &back), WR_OK);
    cr_assert_arr_eq(back.noise_public, id.noise_public, WR_NOISE_KEY);
    cr_assert_arr_eq(back.sign.public, id.sign.public, WR_SIGN_PUBLIC);
    cr_assert_arr_eq(back.sign.secret, id.sign.secret, WR_SIGN_SECRET);
    wr_identity_encode(&back, again);
    cr_assert_arr_eq(again, file, sizeof(file));
}

Test(identity, two_are_never_alike)
{
    struct wr_identity a, b;

    wr_identity_generate(&a);
    wr_identity_generate(&b);
    cr_assert_arr_neq(a.noise_secret, b.noise_secret, WR_NOISE_KEY);
    cr_assert_arr_neq(a.sign.public, b.sign.public, WR_SIGN_PUBLIC);
}

Test(identity, a_damaged_file_is_told_from_another_file)
{
    struct wr_identity id, back = {0};
    struct wr_sign_key key;
    uint8_t file[WR_IDENTITY_BYTES], ring[WR_RING_KEY_BYTES];

    wr_identity_generate(&id);
    wr_identity_encode(&id, file);
    for (size_t bit = 8 * 4; bit < 8 * sizeof(file); bit++) {
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(wr_identity_decode(wr_span(file, sizeof(file)), &back),
                     WR_EDAMAGED);
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t n = 0; n < sizeof(file); n++)
        cr_assert_eq(wr_identity_decode(wr_span(file, n), &back),
                     n < 4 ? WR_EINVAL : WR_EDAMAGED);
    file[3] = 2;
    cr_assert_eq(wr_identity_decode(wr_span(file, sizeof(file)), &back),
                 WR_EVERSION);
    wr_ring_key_encode(&id.sign, ring);
    cr_assert_eq(wr_identity_decode(wr_span(ring, sizeof(ring)), &back),
                 WR_EINVAL);
    cr_assert(sodium_is_zero((uint8_t *)&back, sizeof(back)));
    cr_assert_eq(wr_ring_key_decode(wr_span(ring, sizeof(ring)), &key), WR_OK);
    cr_assert_arr_eq(key.secret, id.sign.secret, WR_SIGN_SECRET);
    ring[20] ^= 1;
    cr_assert_eq(wr_ring_key_decode(wr_span(ring, sizeof(ring)), &key),
                 WR_EDAMAGED);
}

Test(identity, seeds_give_the_keys_of_rfc_8032)
{
    /* RFC 8032, 7.1, test 1. */
    uint8_t seed[WR_SIGN_SEED];
    char text[WR_HEX_SIZE(WR_SIGN_PUBLIC)];
    struct wr_sign_key key;

    cr_assert_eq(wr_unhex("9d61b19deffd5a60ba844af492ec2cc4"
                          "4449c5697b326919703bac031cae7f60",
                          seed, sizeof(seed)),
                 WR_OK);
    wr_sign_from_seed(seed, &key);
    wr_hex(wr_span(key.public, WR_SIGN_PUBLIC), text);
    cr_assert_str_eq(text, "d75a980182b10ab7d54bfed3c964073a"
                           "0ee172f3daa62325af021a68f707511a");
}

Test(identity, a_secret_is_wiped_when_it_is_unlocked)
{
    static uint8_t block[64];

    wr_secret_random(block, sizeof(block));
    cr_assert(!sodium_is_zero(block, sizeof(block)));
    if (wr_secret_lock(block, sizeof(block)) == WR_OK)
        wr_secret_unlock(block, sizeof(block));
    else
        wr_secret_wipe(block, sizeof(block));
    cr_assert(sodium_is_zero(block, sizeof(block)));
    wr_secret_wipe(NULL, 1);
}
