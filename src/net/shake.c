/* shake.c - the handshake of an encrypted link (docs/protocol.md, The channel):
 *
 *     -> psk, e                   message 1, without payload
 *     <- e, ee, s, es  payload    message 2: who was dialled
 *     -> s, se  payload           message 3: who dials
 *
 * A stranger does not know the psk: its message 1 fails before any X25519 and
 * nothing is answered, not even an error. Nor is one that came before. */
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "net/impl.h"

enum {
    PROLOGUE = 6 + 2 + 32,
    VERSION_MAJOR = 1,
    MESSAGE_1 = 32 + WR_NOISE_TAG,
    MESSAGE_MAX = WR_LINK_PAYLOAD_MAX + WR_NOISE_HANDSHAKE_ADDS,
};

/* Both sides mix this in before message 1, so another ring or another major
 * version fails like a stranger. */
static void prologue(const struct wr_net *net, uint8_t ret[static PROLOGUE])
{
    struct wr_writer w = wr_writer(ret, PROLOGUE);

    wr_write(&w, "wreath", 6);
    wr_write_be16(&w, VERSION_MAJOR);
    wr_write(&w, net->cfg.ring, 32);
    WR_CHECK(!w.bad && w.n == PROLOGUE);
}

static bool begin(struct wr_link *l)
{
    const struct wr_net_cfg *const cfg = &l->net->cfg;
    uint8_t pro[PROLOGUE], ephemeral[WR_NOISE_KEY];
    uint8_t psks[1][WR_NOISE_KEY];
    const struct wr_noise_cfg noise = {
        .pattern = &wr_noise_xxpsk0,
        .initiator = l->dialled,
        .prologue = wr_span(pro, sizeof(pro)),
        .static_secret = cfg->static_secret,
        .static_public = cfg->static_public,
        .ephemeral_secret = ephemeral,
        .psks = (const uint8_t(*)[WR_NOISE_KEY])psks,
        .n_psks = 1,
    };

    WR_CHECK(cfg->ring != NULL && cfg->psk != NULL);
    WR_CHECK(cfg->static_secret != NULL && cfg->static_public != NULL);
    l->shake = malloc(sizeof(*l->shake));
    if (l->shake == NULL)
        return false;
    prologue(l->net, pro);
    memcpy(psks[0], cfg->psk, WR_NOISE_KEY);
    wr_secret_random(ephemeral, sizeof(ephemeral));
    wr_noise_start(l->shake, &noise);
    wr_secret_wipe(ephemeral, sizeof(ephemeral));
    wr_secret_wipe(psks, sizeof(psks));
    return true;
}

/* Writes the message that is due, with the owner's payload if it has one. */
static bool say(struct wr_link *l, bool with_payload)
{
    uint8_t payload[WR_LINK_PAYLOAD_MAX];
    uint8_t frame[RECORD_HEAD + MESSAGE_MAX];
    size_t payload_n = 0, n;
    struct wr_writer w = wr_writer(frame, RECORD_HEAD);

    if (with_payload && l->ops->payload != NULL)
        payload_n = l->ops->payload(l, payload, sizeof(payload));
    WR_CHECK(payload_n <= sizeof(payload));
    if (!link_live(l))
        return false;
    if (wr_noise_write(l->shake, wr_span(payload, payload_n),
                       frame + RECORD_HEAD, MESSAGE_MAX, &n) != WR_OK) {
        link_malformed(l, WR_EAUTH, "its key is not one");
        return false;
    }
    wr_write_be16(&w, (uint16_t)n);
    tx_raw(l, wr_span(frame, RECORD_HEAD + n));
    return link_live(l);
}

void shake_start(struct wr_link *l)
{
    if (!begin(l)) {
        link_gone(l, WR_ENOMEM, "out of memory");
        return;
    }
    if (l->dialled)
        (void)say(l, false);
}

size_t shake_expects(const struct wr_link *l)
{
    return !l->dialled && l->step == 0 ? MESSAGE_1 : MESSAGE_MAX;
}

static void finish(struct wr_link *l)
{
    wr_noise_split(l->shake, l->noise);
    free(l->shake);
    l->shake = NULL;
    l->charged = false;
    link_opened(l);
}

/* The first message of a connection: does it know the ring secret? */
static void take_first(struct wr_link *l, struct wr_span message)
{
    struct wr_net *const net = l->net;
    const wr_time now = WR_MS(uv_now(net->cfg.loop));
    uint8_t none[1];
    size_t n;

    if (message.n != MESSAGE_1 ||
        wr_noise_read(l->shake, message, none, sizeof(none), &n) != WR_OK) {
        net->stats.strangers++;
        link_gone(l, WR_EAUTH, "a stranger: it does not know the ring secret");
        return;
    }
    if (!wr_guard_is_new(&net->guard, message.p)) {
        net->stats.strangers++;
        link_gone(l, WR_EAUTH, "a stranger: it repeats what another one said");
        return;
    }
    wr_guard_refund(&net->guard, &l->addr, now);
    l->charged = true; /* Again, if this comes to nothing. */
    if (net->waits_n[WAIT_KNOWN] >= WR_HALF_KNOWN_MAX) {
        net->stats.evicted++;
        link_gone(RING_OF(net->waits[WAIT_KNOWN].next, struct wr_link, wait),
                  WR_EBUSY, "too many handshakes at once");
    }
    net_wait(l, WAIT_KNOWN, WR_HALF_KNOWN_MS);
    l->step = 1;
    (void)say(l, true);
}

void shake_take(struct wr_link *l, struct wr_span message)
{
    uint8_t payload[MESSAGE_MAX];
    char peer[WR_ADDR_TEXT];
    enum wr_err err = WR_OK;
    size_t n;

    if (!l->dialled && l->step == 0) {
        take_first(l, message);
        return;
    }
    if (wr_noise_read(l->shake, message, payload, sizeof(payload), &n) !=
        WR_OK) {
        link_malformed(l, WR_EAUTH, "its handshake is not authentic");
        return;
    }
    /* Before the owner accepts it: from then on it opens, or the owner of an
     * accepted link would never hear of its end. */
    l->noise = calloc(1, sizeof(*l->noise));
    if (l->noise == NULL) {
        link_gone(l, WR_ENOMEM, "out of memory");
        return;
    }
    if (l->ops->on_payload != NULL)
        err = l->ops->on_payload(l, wr_span(payload, n),
                                 wr_noise_remote(l->shake));
    if (!link_live(l))
        return;
    if (err != WR_OK) {
        link_gone(l, err, "%s: its credential was not accepted: %s",
                  link_peer(l, peer), wr_err_text(err));
        return;
    }
    if (!l->dialled || say(l, true))
        finish(l);
}
