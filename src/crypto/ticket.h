/*
 * ticket.h - an invitation as one copyable line of text, and the request to
 * join that is made from it, which only the issuer can read.
 *
 * A ticket is a right to ask, not a credential; but it holds the ring secret
 * and a token, so it is a secret: wipe it (secret.h). Not here: who counts
 * uses and expiry (the issuer's host). Borrowing: for the call only.
 */
#ifndef WR_CRYPTO_TICKET_H
#define WR_CRYPTO_TICKET_H

#include "crypto/credential.h"

enum {
    WR_TICKET_ADDRS_MAX = 4,
    WR_TICKET_ADDR_MAX = 255, /* Any DNS name and a port. */
    WR_TICKET_TOKEN = 16,
    WR_RING_SECRET = 32,
};

struct wr_ticket {
    enum wr_role role; /* A hint for the user; the issuer decides. */
    uint8_t ring[WR_SIGN_PUBLIC];
    uint8_t secret[WR_RING_SECRET]; /* The psk of the channel. */
    uint8_t serial[WR_CRED_SERIAL];
    uint8_t token[WR_TICKET_TOKEN];
    uint8_t n_addrs;                                         /* 1 to 4. */
    char addrs[WR_TICKET_ADDRS_MAX][WR_TICKET_ADDR_MAX + 1]; /* host:port */
};

/*
 * As text: "wreath1", then in base32 (RFC 4648, lower case, no padding):
 *     1   role          32  ring        32  ring secret
 *     16  serial        16  token
 *     1   number of addresses, each: 1 length, then printable ASCII
 *     5   first bytes of BLAKE2b-256("wreath-ticket" ‖ all bytes before)
 */
enum {
    WR_TICKET_CHECK = 5,
    WR_TICKET_BYTES_MAX = 1 + 32 + 32 + 16 + 16 + 1 +
                          WR_TICKET_ADDRS_MAX * (1 + WR_TICKET_ADDR_MAX) +
                          WR_TICKET_CHECK,
    WR_TICKET_PREFIX = 7,
    /* With its final NUL. */
    WR_TICKET_TEXT_MAX =
        WR_TICKET_PREFIX + (WR_TICKET_BYTES_MAX * 8 + 4) / 5 + 1,
};

#define WR_TICKET_FAULT_MAP(X)                                                 \
    X(GOOD, "a good ticket")                                                   \
    X(FOREIGN, "not a ticket: a ticket begins with wreath1")                   \
    X(NEWER, "a ticket of a newer wreath: update this one")                    \
    X(CUT, "incomplete: a part of the ticket is missing")                      \
    X(MISTYPED, "mistyped: a letter of the ticket is wrong")

enum wr_ticket_fault {
#define X(name, text) WR_TICKET_##name,
    WR_TICKET_FAULT_MAP(X)
#undef X
};

/* What is wrong with it, for the user. Never NULL. */
const char *wr_ticket_fault_text(enum wr_ticket_fault fault);

/* The text into `ret`, which has WR_TICKET_TEXT_MAX bytes. WR_EINVAL: no
 * address or too many, or one that is empty, too long or not printable. */
WR_MUST_USE enum wr_err wr_ticket_format(const struct wr_ticket *t, char *ret);

/* Either case; white space anywhere is skipped, for mail wraps lines. Unless
 * the answer is WR_TICKET_GOOD, *ret is untouched. */
WR_MUST_USE enum wr_ticket_fault wr_ticket_parse(struct wr_span text,
                                                 struct wr_ticket *ret);

/* What the issuer keeps in place of a token:
 * BLAKE2b-256("wreath-token" ‖ token). */
void wr_ticket_token_hash(const uint8_t token[static WR_TICKET_TOKEN],
                          uint8_t ret[static 32]);

/*
 * A request to join: what was on the ticket, and the keys that the credential
 * shall name. The keys are inside of the seal, so that a super-peer that
 * relays it cannot redeem the token for keys of its own.
 */
struct wr_join {
    uint8_t serial[WR_CRED_SERIAL];
    uint8_t token[WR_TICKET_TOKEN];
    uint8_t noise_public[WR_NOISE_KEY];
    uint8_t sign_public[WR_SIGN_PUBLIC];
};

/* As bytes: crypto_box_seal (libsodium) to the ring key, converted to X25519,
 * of "wrJ", 1, serial, token, X25519 key, Ed25519 key. */
enum { WR_JOIN_BYTES = 32 + 16 + 4 + 16 + 16 + 32 + 32 };

/* WR_EINVAL: `ring` is no key. Draws entropy: two seals of one request
 * differ. */
WR_MUST_USE enum wr_err wr_join_seal(const struct wr_join *join,
                                     const uint8_t ring[static WR_SIGN_PUBLIC],
                                     uint8_t ret[static WR_JOIN_BYTES]);

/* At the issuer. WR_EAUTH: altered, or sealed to another ring. WR_EVERSION. */
WR_MUST_USE enum wr_err wr_join_open(struct wr_span bytes,
                                     const struct wr_sign_key *ring_key,
                                     struct wr_join *ret);

#endif
