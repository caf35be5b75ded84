/* The promises of noise.h, beside the official vectors (noise_vectors.c). */
#include <criterion/criterion.h>
#include <sodium.h>

#include "crypto/noise.h"
#include "crypto/secret.h"

enum { STEPS = 3 };

struct side {
    uint8_t secret[WR_NOISE_KEY], public[WR_NOISE_KEY], eph[WR_NOISE_KEY];
    uint8_t psk[1][WR_NOISE_KEY];
    struct wr_noise hs;
    struct wr_noise_session session;
};

static struct side side[2]; /* [0] is the initiator. */

static void start(struct side *s, bool initiator, const char *prologue)
{
    wr_noise_start(&s->hs, &(struct wr_noise_cfg){
                               .pattern = &wr_noise_xxpsk0,
                               .initiator = initiator,
                               .prologue = wr_span_str(prologue),
                               .static_secret = s->secret,
                               .static_public = s->public,
                               .ephemeral_secret = s->eph,
                               .psks = (const uint8_t(*)[WR_NOISE_KEY])s->psk,
                               .n_psks = 1,
                           });
}

static void setup(void)
{
    cr_assert_eq(wr_crypto_init(), WR_OK);
    for (size_t i = 0; i < 2; i++) {
        memset(side[i].secret, (int)(0x11 + i), WR_NOISE_KEY);
        memset(side[i].eph, (int)(0x33 + i), WR_NOISE_KEY);
        memset(side[i].psk, 0x55, WR_NOISE_KEY);
        wr_noise_public(side[i].secret, side[i].public);
        start(&side[i], i == 0, "wreath test");
    }
}

struct msg {
    uint8_t p[256];
    size_t n;
};

static const char *const payloads[STEPS] = {"", "responder's", "initiator's"};

static struct msg write_step(size_t step)
{
    struct msg m = {0};

    cr_assert_eq(wr_noise_write(&side[step % 2].hs, wr_span_str(payloads[step]),
                                m.p, sizeof(m.p), &m.n),
                 WR_OK);
    return m;
}

static enum wr_err read_step(size_t step, struct wr_span m)
{
    uint8_t got[256];
    size_t n = 0;
    const enum wr_err err =
        wr_noise_read(&side[1 - step % 2].hs, m, got, sizeof(got), &n);

    if (err == WR_OK)
        cr_assert(wr_span_eq(wr_span(got, n), wr_span_str(payloads[step])));
    return err;
}

static void handshake_until(size_t end)
{
    for (size_t i = 0; i < end; i++) {
        const struct msg m = write_step(i);

        cr_assert_eq(read_step(i, wr_span(m.p, m.n)), WR_OK);
    }
}

static void establish(void)
{
    handshake_until(STEPS);
    for (size_t i = 0; i < 2; i++)
        wr_noise_split(&side[i].hs, &side[i].session);
}

static struct wr_noise_dir *there(void)
{
    return &side[0].session.send;
}

static struct wr_noise_dir *here(void)
{
    return &side[1].session.recv;
}

TestSuite(noise, .init = setup);

Test(noise, both_sides_agree_and_know_each_other)
{
    establish();
    cr_assert_arr_eq(side[0].session.hash, side[1].session.hash, WR_NOISE_HASH);
    cr_assert_arr_eq(side[0].session.remote, side[1].public, WR_NOISE_KEY);
    cr_assert_arr_eq(side[1].session.remote, side[0].public, WR_NOISE_KEY);
    cr_assert_arr_neq(side[0].session.send.k, side[0].session.recv.k,
                      WR_NOISE_KEY);
}

Test(noise, remote_key_is_known_as_soon_as_it_was_read)
{
    handshake_until(1);
    cr_assert_null(wr_noise_remote(&side[0].hs));
    const struct msg m = write_step(1);
    cr_assert_eq(read_step(1, wr_span(m.p, m.n)), WR_OK);
    cr_assert_arr_eq(wr_noise_remote(&side[0].hs), side[1].public,
                     WR_NOISE_KEY);
    cr_assert_null(wr_noise_remote(&side[1].hs));
}

Test(noise, each_flipped_bit_of_each_handshake_message_is_refused)
{
    for (size_t step = 0; step < STEPS; step++) {
        setup();
        handshake_until(step);
        const struct msg m = write_step(step);
        const struct wr_noise before = side[1 - step % 2].hs;

        for (size_t bit = 0; bit < 8 * m.n; bit++) {
            struct msg bad = m;

            bad.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            side[1 - step % 2].hs = before;
            /* X25519 ignores the top bit of a key (RFC 7748, 5), the
             * transcript hash does not. */
            cr_assert_eq(read_step(step, wr_span(bad.p, bad.n)), WR_EAUTH,
                         "message %zu, bit %zu", step + 1, bit);
            cr_assert_eq(side[1 - step % 2].hs.phase, WR_NOISE_DEAD);
        }
        side[1 - step % 2].hs = before;
        cr_assert_eq(read_step(step, wr_span(m.p, m.n)), WR_OK);
    }
}

Test(noise, each_truncation_and_extension_is_refused)
{
    for (size_t step = 0; step < STEPS; step++) {
        setup();
        handshake_until(step);
        const struct msg m = write_step(step);
        const struct wr_noise before = side[1 - step % 2].hs;

        for (size_t n = 0; n <= m.n + 1; n++) {
            side[1 - step % 2].hs = before;
            if (n != m.n)
                cr_assert_neq(read_step(step, wr_span(m.p, n)), WR_OK);
        }
    }
}

Test(noise, a_stranger_is_refused_at_message_one)
{
    const struct msg stranger = write_step(0);

    side[1].psk[0][31] ^= 1;
    start(&side[1], false, "wreath test");
    cr_assert_eq(read_step(0, wr_span(stranger.p, stranger.n)), WR_EAUTH);

    setup();
    const struct msg other_ring = write_step(0);
    start(&side[1], false, "another ring");
    cr_assert_eq(read_step(0, wr_span(other_ring.p, other_ring.n)), WR_EAUTH);
}

Test(noise, a_replayed_message_one_leads_nowhere)
{
    const struct msg one = write_step(0);

    cr_assert_eq(read_step(0, wr_span(one.p, one.n)), WR_OK);
    const struct msg two = write_step(1);
    cr_assert_eq(read_step(1, wr_span(two.p, two.n)), WR_OK);
    const struct msg three = write_step(2);

    /* The recording, against a responder with another ephemeral key. */
    side[1].eph[7] ^= 1; /* The low bits of byte 0 are clamped away. */
    start(&side[1], false, "wreath test");
    cr_assert_eq(read_step(0, wr_span(one.p, one.n)), WR_OK);
    (void)write_step(1);
    cr_assert_eq(read_step(2, wr_span(three.p, three.n)), WR_EAUTH);
}

Test(noise, a_key_of_low_order_is_refused)
{
    /* Message 1 by a holder of the psk whose `e` is the point of order 1:
     * every DH with it is zero. The responder notices when it answers. */
    static const uint8_t zeros[WR_NOISE_KEY];
    uint8_t out[256];
    size_t n = 0;

    handshake_until(1);
    memcpy(side[1].hs.re, zeros, WR_NOISE_KEY);
    cr_assert_eq(
        wr_noise_write(&side[1].hs, wr_span_str("x"), out, sizeof(out), &n),
        WR_EAUTH);
    cr_assert_eq(side[1].hs.phase, WR_NOISE_DEAD);
    cr_assert_eq(n, 0);
}

Test(noise, a_read_out_of_turn_is_the_peers_fault)
{
    uint8_t out[256];
    size_t n;

    cr_assert_eq(
        wr_noise_read(&side[0].hs, wr_span(out, 48), out, sizeof(out), &n),
        WR_EINVAL);
    cr_assert_eq(side[0].hs.phase, WR_NOISE_DEAD);
}

Test(noise, payloads_keep_to_the_room_they_are_given)
{
    uint8_t out[128];
    size_t n;

    cr_assert_eq(wr_noise_write(&side[0].hs, wr_span_str("four"), out, 51, &n),
                 WR_ETOOBIG);
    setup();
    cr_assert_eq(wr_noise_write(&side[0].hs, wr_span_str("four"), out, 52, &n),
                 WR_OK);
    cr_assert_eq(n, 52);
    uint8_t got[4];
    cr_assert_eq(wr_noise_read(&side[1].hs, wr_span(out, n), got, 3, &n),
                 WR_ETOOBIG);
}

Test(noise, nothing_secret_is_left_after_the_split)
{
    static const struct wr_noise none = {.phase = WR_NOISE_DEAD};

    establish();
    cr_assert_arr_eq((const uint8_t *)&side[0].hs, (const uint8_t *)&none,
                     sizeof(none));
    wr_noise_session_wipe(&side[0].session);
    cr_assert(sodium_is_zero(side[0].session.send.k, WR_NOISE_KEY));
    wr_noise_session_wipe(NULL);
    wr_noise_wipe(NULL);
}

/* --- transport --- */

static uint8_t plain[WR_NOISE_DATA_MAX], sealed[WR_NOISE_MSG_MAX],
    opened[WR_NOISE_MSG_MAX];

Test(noise, sealing_parts_is_the_aead_of_their_concatenation)
{
    static uint8_t expect[WR_NOISE_MSG_MAX];
    const size_t cuts[] = {0, 1, 15, 63, 64, 65, 127, 128, 200, 1000};

    establish();
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t a = 0; a < WR_ARRAY_LEN(cuts); a++)
        for (size_t b = 0; b < WR_ARRAY_LEN(cuts); b++)
            for (size_t c = 0; c < WR_ARRAY_LEN(cuts); c++) {
                const size_t n = cuts[a] + cuts[b] + cuts[c];
                const struct wr_span parts[] = {
                    wr_span(plain, cuts[a]),
                    wr_span(plain + cuts[a], cuts[b]),
                    wr_span(plain + cuts[a] + cuts[b], cuts[c]),
                };
                uint8_t nonce[12] = {0};

                for (size_t k = 0; k < 8; k++)
                    nonce[4 + k] = (uint8_t)(there()->n >> 8 * k);
                crypto_aead_chacha20poly1305_ietf_encrypt(
                    expect, NULL, plain, n, NULL, 0, NULL, nonce, there()->k);
                cr_assert_eq(wr_noise_seal(there(), parts, 3, sealed),
                             n + WR_NOISE_TAG);
                cr_assert_arr_eq(sealed, expect, n + WR_NOISE_TAG);
                cr_assert_eq(wr_noise_open(here(),
                                           wr_span(sealed, n + WR_NOISE_TAG),
                                           opened),
                             WR_OK);
                cr_assert_arr_eq(opened, plain, n);
            }
}

Test(noise, seals_and_opens_in_place)
{
    const size_t n = WR_NOISE_DATA_MAX;

    establish();
    memset(plain, 'w', n);
    memcpy(sealed, plain, n);
    /* The header comes from elsewhere, the body is where it shall be. */
    const struct wr_span parts[] = {wr_span(plain, 40),
                                    wr_span(sealed + 40, n - 40)};
    cr_assert_eq(wr_noise_seal(there(), parts, 2, sealed), WR_NOISE_MSG_MAX);
    cr_assert_neq(memcmp(sealed, plain, n), 0);
    cr_assert_eq(
        wr_noise_open(here(), wr_span(sealed, WR_NOISE_MSG_MAX), sealed),
        WR_OK);
    cr_assert_arr_eq(sealed, plain, n);
}

static size_t seal_text(const char *text)
{
    const struct wr_span part = wr_span_str(text);

    return wr_noise_seal(there(), &part, 1, sealed);
}

Test(noise, each_flipped_bit_and_length_in_transport_is_refused)
{
    establish();
    const size_t n = seal_text("a message");
    const struct wr_noise_dir before = *here();

    for (size_t bit = 0; bit < 8 * n; bit++) {
        *here() = before;
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(wr_noise_open(here(), wr_span(sealed, n), opened),
                     WR_EAUTH);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < n + 2; len++) {
        *here() = before;
        if (len != n)
            cr_assert_eq(wr_noise_open(here(), wr_span(sealed, len), opened),
                         WR_EAUTH);
    }
    *here() = before;
    cr_assert_eq(wr_noise_open(here(), wr_span(sealed, n), opened), WR_OK);
}

Test(noise, a_replayed_message_kills_the_direction)
{
    establish();
    const size_t n = seal_text("once");

    cr_assert_eq(wr_noise_open(here(), wr_span(sealed, n), opened), WR_OK);
    cr_assert_eq(wr_noise_open(here(), wr_span(sealed, n), opened), WR_EAUTH);
    /* What comes after a forgery is not believed either. */
    const size_t m = seal_text("twice");
    cr_assert_eq(wr_noise_open(here(), wr_span(sealed, m), opened), WR_EAUTH);
    /* The key was wiped; the wiped key opens nothing. */
    const struct wr_span part = wr_span_str("forged");
    struct wr_noise_dir zero = {.n = here()->n};
    const size_t k = wr_noise_seal(&zero, &part, 1, sealed);
    cr_assert_eq(wr_noise_open(here(), wr_span(sealed, k), opened), WR_EAUTH);
}

Test(noise, swapped_messages_are_refused)
{
    uint8_t first[64];

    establish();
    const size_t n = seal_text("first");
    memcpy(first, sealed, n);
    const size_t m = seal_text("second");
    cr_assert_eq(wr_noise_open(here(), wr_span(sealed, m), opened), WR_EAUTH);
    cr_assert_eq(wr_noise_open(here(), wr_span(first, n), opened), WR_EAUTH);
}

/* REKEY(k) of Noise, section 4.2, written from its definition. */
static void expect_rekeyed(const uint8_t *old, const struct wr_noise_dir *d)
{
    const uint8_t zeros[WR_NOISE_KEY] = {0};
    const uint8_t nonce[12] = {0,    0,    0,    0,    0xff, 0xff,
                               0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t next[WR_NOISE_KEY + WR_NOISE_TAG];

    crypto_aead_chacha20poly1305_ietf_encrypt(next, NULL, zeros, sizeof(zeros),
                                              NULL, 0, NULL, nonce, old);
    cr_assert_arr_eq(d->k, next, WR_NOISE_KEY);
}

Test(noise, keys_change_after_65536_messages_on_both_sides)
{
    uint8_t old[WR_NOISE_KEY];

    establish();
    memcpy(old, there()->k, WR_NOISE_KEY);
    for (uint32_t i = 0; i < 3 * 65536 + 2; i++) {
        if (i == 65535)
            cr_assert_arr_eq(there()->k, old, WR_NOISE_KEY);
        const size_t n = seal_text("m");
        cr_assert_eq(wr_noise_open(here(), wr_span(sealed, n), opened), WR_OK,
                     "message %u", i);
        if (i % 65536 == 65535) {
            expect_rekeyed(old, there());
            memcpy(old, there()->k, WR_NOISE_KEY);
        }
    }
    cr_assert_eq(there()->n, 3 * 65536 + 2);
    /* The other direction has its own count. */
    cr_assert_eq(side[0].session.recv.n, 0);
}

Test(noise, keys_change_after_a_gibibyte_on_both_sides)
{
    uint8_t old[WR_NOISE_KEY];
    const struct wr_span part = wr_span(plain, 1000);

    establish();
    memcpy(old, there()->k, WR_NOISE_KEY);
    there()->bytes = here()->bytes = (UINT64_C(1) << 30) - 1001;
    for (size_t i = 0; i < 3; i++) {
        const size_t n = wr_noise_seal(there(), &part, 1, sealed);

        cr_assert_eq(wr_noise_open(here(), wr_span(sealed, n), opened), WR_OK);
        if (i == 0)
            cr_assert_arr_eq(there()->k, old, WR_NOISE_KEY);
        if (i == 1)
            expect_rekeyed(old, there());
    }
    cr_assert_eq(there()->bytes, 1000);
}
