/* handshake.c - the channel: each message of the handshake, in each role and
 * state, and the first one after it. Whatever is not, bit for bit, what the
 * other side has said is refused, and nothing passes after it. */
#include <stdlib.h>

#include "crypto/noise.h"
#include "crypto/sign.h"
#include "fuzz.h"

enum { MESSAGES = 3, ROOM = 2048 };

/* A handshake that went well, with everybody's state before each message, and
 * the message. */
static struct {
    struct wr_noise reader[MESSAGES];
    uint8_t message[MESSAGES + 1][ROOM];
    size_t n[MESSAGES + 1];
    struct wr_noise_dir open;
    bool done;
} honest;

static void begin(struct wr_noise *hs, bool initiator)
{
    static const uint8_t prologue[] = "wreath and a ring";
    static const uint8_t psk[1][WR_NOISE_KEY] = {{7}};
    uint8_t secret[WR_NOISE_KEY], public[WR_NOISE_KEY], fresh[WR_NOISE_KEY];
    struct wr_noise_cfg cfg = {.pattern = &wr_noise_xxpsk0,
                               .initiator = initiator,
                               .prologue = wr_span(prologue, sizeof(prologue)),
                               .static_secret = secret,
                               .static_public = public,
                               .ephemeral_secret = fresh,
                               .psks = psk,
                               .n_psks = 1};

    memset(secret, initiator ? 0x11 : 0x22, sizeof(secret));
    memset(fresh, initiator ? 0x33 : 0x44, sizeof(fresh));
    wr_noise_public(secret, public);
    wr_noise_start(hs, &cfg);
}

static void prepare(void)
{
    static const uint8_t word[] = "a credential, as it were";
    struct wr_noise side[2]; /* Whose turn it is to write, and the other. */
    struct wr_noise_session a, b;
    const struct wr_span parts = wr_span(word, sizeof(word));

    begin(&side[0], true);
    begin(&side[1], false);
    for (unsigned i = 0; i < MESSAGES; i++) {
        uint8_t payload[ROOM];
        size_t n;

        honest.reader[i] = side[(i + 1) % 2];
        WR_CHECK(
            wr_noise_write(&side[i % 2], i == 0 ? (struct wr_span){0} : parts,
                           honest.message[i], ROOM, &honest.n[i]) == WR_OK);
        WR_CHECK(wr_noise_read(&side[(i + 1) % 2],
                               wr_span(honest.message[i], honest.n[i]), payload,
                               sizeof(payload), &n) == WR_OK);
    }
    wr_noise_split(&side[0], &a);
    wr_noise_split(&side[1], &b);
    honest.open = b.recv;
    honest.n[MESSAGES] =
        wr_noise_seal(&a.send, &parts, 1, honest.message[MESSAGES]);
    honest.done = true;
}

/* What the input says: bytes of its own, or changes to what is true. */
static size_t forge(struct fuzz *f, unsigned i, uint8_t *ret)
{
    struct wr_span own;
    size_t at;

    if (fuzz_flag(f)) {
        own = fuzz_bytes(f, ROOM);
        memcpy(ret, own.p, own.n);
        return own.n;
    }
    memcpy(ret, honest.message[i], honest.n[i]);
    at = fuzz_below(f, (uint32_t)honest.n[i]);
    if (fuzz_flag(f))
        return at;
    own = fuzz_bytes(f, ROOM - at);
    for (size_t k = 0; k < own.n; k++)
        ret[at + k] =
            (uint8_t)(at + k < honest.n[i] ? ret[at + k] ^ own.p[k] : own.p[k]);
    return at + own.n > honest.n[i] ? at + own.n : honest.n[i];
}

static void read_one(unsigned i, struct wr_span said, bool is_true)
{
    struct wr_noise hs = honest.reader[i];
    uint8_t payload[ROOM];
    size_t n = 0;
    const enum wr_err err =
        wr_noise_read(&hs, said, payload, sizeof(payload), &n);

    WR_CHECK((err == WR_OK) == is_true);
    if (is_true)
        return;
    WR_CHECK(hs.phase == WR_NOISE_DEAD);
    WR_CHECK(wr_noise_read(&hs, wr_span(honest.message[i], honest.n[i]),
                           payload, sizeof(payload), &n) != WR_OK);
}

static void open_one(struct wr_span said, bool is_true)
{
    struct wr_noise_dir dir = honest.open;
    uint8_t plain[ROOM];

    WR_CHECK((wr_noise_open(&dir, said, plain) == WR_OK) == is_true);
    if (!is_true)
        WR_CHECK(
            wr_noise_open(&dir,
                          wr_span(honest.message[MESSAGES], honest.n[MESSAGES]),
                          plain) != WR_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = fuzz(data, size);
    uint8_t said[ROOM];
    unsigned i;
    size_t n;
    bool is_true;

    if (!honest.done)
        prepare();
    i = fuzz_below(&f, MESSAGES + 1);
    n = forge(&f, i, said);
    is_true =
        wr_span_eq(wr_span(said, n), wr_span(honest.message[i], honest.n[i]));
    if (i < MESSAGES)
        read_one(i, wr_span(said, n), is_true);
    else
        open_one(wr_span(said, n), is_true);
    return 0;
}
