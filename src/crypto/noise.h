/*
 * noise.h - the encrypted channel: the Noise handshake (revision 34) over
 * 25519, ChaChaPoly and BLAKE2b, and the transport that follows it.
 *
 * Sans-I/O. It is handed messages and hands messages back; it draws no
 * entropy (the ephemeral secret comes in), reads no clock and allocates
 * nothing. Not here: the 16-bit length before each message, the END frame,
 * time-outs and limits (net/); what the payloads mean (credential.h).
 *
 * Called by net/ and its tests. Borrowing: arguments are borrowed for the
 * call, but a pattern must outlive the handshake.
 */
#ifndef WR_CRYPTO_NOISE_H
#define WR_CRYPTO_NOISE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

enum {
    WR_NOISE_KEY = 32,
    WR_NOISE_TAG = 16,
    WR_NOISE_HASH = 64,
    WR_NOISE_MSG_MAX = 65535, /* Noise, section 3: any message. */
    WR_NOISE_DATA_MAX = WR_NOISE_MSG_MAX - WR_NOISE_TAG, /* In transport. */
    /* What a handshake message can add to its payload: e, s with its tag, and
     * the payload's tag. In XXpsk0 the three add 48, 96 and 64. */
    WR_NOISE_HANDSHAKE_ADDS = 96,
    WR_NOISE_PSKS_MAX = 4,
    WR_NOISE_STEPS_MAX = 4,  /* Messages of a handshake. */
    WR_NOISE_TOKENS_MAX = 8, /* Tokens of a message, with the final END. */
    /* Each direction replaces its key after this much under one key. */
    WR_NOISE_REKEY_MSGS = 1 << 16,
    WR_NOISE_REKEY_BYTES = 1 << 30, /* Of plaintext. */
};

enum wr_noise_token {
    WR_NOISE_END,
    WR_NOISE_E,
    WR_NOISE_S,
    WR_NOISE_EE,
    WR_NOISE_ES,
    WR_NOISE_SE,
    WR_NOISE_SS,
    WR_NOISE_PSK,
};

/* A handshake as data: the tokens of each message, the initiator's first. No
 * pre-messages. `name` is the full protocol name, which is hashed. */
struct wr_noise_pattern {
    const char *name;
    uint8_t n_steps;
    uint8_t steps[WR_NOISE_STEPS_MAX][WR_NOISE_TOKENS_MAX];
};

/* Noise_XXpsk0_25519_ChaChaPoly_BLAKE2b, the only one that wreath speaks. The
 * psk comes first, so a stranger's message 1 costs a few hashes to refuse and
 * no X25519. */
extern const struct wr_noise_pattern wr_noise_xxpsk0;

struct wr_noise_cfg {
    const struct wr_noise_pattern *pattern;
    bool initiator;
    struct wr_span prologue;         /* Both sides must agree on it. */
    const uint8_t *static_secret;    /* 32 bytes. */
    const uint8_t *static_public;    /* 32 bytes, of static_secret. */
    const uint8_t *ephemeral_secret; /* 32 fresh random bytes, never reused. */
    const uint8_t (*psks)[WR_NOISE_KEY]; /* One per psk token, in order. */
    size_t n_psks;
};

enum wr_noise_phase {
    WR_NOISE_WRITING, /* wr_noise_write is due. */
    WR_NOISE_READING, /* wr_noise_read is due. */
    WR_NOISE_DONE,    /* wr_noise_split is due. */
    WR_NOISE_DEAD,    /* Refused, or wiped. */
};

/* One handshake. Transparent for tests; only noise.c writes it. */
struct wr_noise {
    const struct wr_noise_pattern *pattern;
    enum wr_noise_phase phase;
    bool initiator;
    bool has_psk; /* The pattern has a psk token: `e` is mixed into the key. */
    uint8_t step; /* The message that is due. */
    uint8_t n_psks, psk_next;
    bool has_k, has_re, has_rs;
    uint64_t n;
    uint8_t ck[WR_NOISE_HASH], h[WR_NOISE_HASH], k[WR_NOISE_KEY];
    uint8_t s[WR_NOISE_KEY], s_pub[WR_NOISE_KEY];
    uint8_t e[WR_NOISE_KEY], e_pub[WR_NOISE_KEY];
    uint8_t rs[WR_NOISE_KEY], re[WR_NOISE_KEY];
    uint8_t psks[WR_NOISE_PSKS_MAX][WR_NOISE_KEY];
};

/* One direction of an established channel. The two directions share nothing,
 * so each may live on a thread of its own, one caller at a time. */
struct wr_noise_dir {
    uint8_t k[WR_NOISE_KEY];
    uint64_t n;     /* Of the next message; rekeying does not reset it. */
    uint64_t bytes; /* Of plaintext under this key. */
    uint32_t msgs;  /* Under this key. */
    bool dead;      /* Wiped, or after a forgery: nothing more passes. */
};

struct wr_noise_session {
    struct wr_noise_dir send, recv;
    uint8_t hash[WR_NOISE_HASH];  /* Names this session, on both sides. */
    uint8_t remote[WR_NOISE_KEY]; /* The peer's static key, proven. */
};

/* The X25519 public key of `secret`. */
void wr_noise_public(const uint8_t secret[static WR_NOISE_KEY],
                     uint8_t ret[static WR_NOISE_KEY]);

/* Begin. The pattern's number of psk tokens and cfg->n_psks must agree. */
void wr_noise_start(struct wr_noise *hs, const struct wr_noise_cfg *cfg);

/* The message that is due from us, with `payload` inside: at most payload.n +
 * WR_NOISE_HANDSHAKE_ADDS bytes at `ret`. Only in phase WRITING. WR_ETOOBIG:
 * no room, or past WR_NOISE_MSG_MAX. WR_EAUTH: the peer's key is of low order
 * (Noise, section 12.1). On any error the handshake is dead. */
WR_MUST_USE enum wr_err wr_noise_write(struct wr_noise *hs,
                                       struct wr_span payload, uint8_t *ret,
                                       size_t room, size_t *ret_n);

/* Take the peer's message and put its payload, shorter than the message, at
 * `ret`. WR_EINVAL: too short, or not the peer's turn. WR_ETOOBIG: the payload
 * does not fit into `room`. WR_EAUTH: altered, replayed, or not made with our
 * prologue and psk. On any error the handshake is dead and the caller sends
 * nothing more. Before the pattern's first DH, payloads are not secret from
 * other holders of the psk. */
WR_MUST_USE enum wr_err wr_noise_read(struct wr_noise *hs,
                                      struct wr_span message, uint8_t *ret,
                                      size_t room, size_t *ret_n);

/* The peer's static key, once its `s` has been read; else NULL. The caller
 * compares it with the noise_public of the credential that came along: a
 * credential is no secret, and proves nothing without this. The key is proven
 * by the first payload that decrypts after its DH: for XX by that same
 * message. */
const uint8_t *wr_noise_remote(const struct wr_noise *hs);

/* Turn a DONE handshake into a session; the handshake is wiped. */
void wr_noise_split(struct wr_noise *hs, struct wr_noise_session *ret);

/* Forget every secret. Both accept NULL and repetition. */
void wr_noise_wipe(struct wr_noise *hs);
void wr_noise_session_wipe(struct wr_noise_session *s);

/*
 * Seal the concatenation of `parts` (at most WR_NOISE_DATA_MAX bytes in all)
 * as the next message: total + WR_NOISE_TAG bytes at `ret`, returned. Each
 * byte is read once and written once. A part may already lie where its
 * ciphertext goes; other overlap is not allowed.
 *
 * Once WR_NOISE_REKEY_MSGS messages or WR_NOISE_REKEY_BYTES of plaintext have
 * passed under a key, it is replaced by REKEY(k) (Noise, section 4.2) after
 * that message, on both sides alike.
 */
size_t wr_noise_seal(struct wr_noise_dir *d, const struct wr_span *parts,
                     size_t n_parts, uint8_t *ret);

/* Open the next message into `ret` (message.n - WR_NOISE_TAG bytes), which may
 * be message.p itself. WR_EAUTH: altered, repeated, out of order or shorter
 * than its tag; the direction is dead from then on and `ret` is unspecified. */
WR_MUST_USE enum wr_err wr_noise_open(struct wr_noise_dir *d,
                                      struct wr_span message, uint8_t *ret);

#endif
