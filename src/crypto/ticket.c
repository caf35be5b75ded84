/* ticket.c - see ticket.h. */
#include "crypto/ticket.h"

#include <sodium.h>

#include "base/text.h"
#include "crypto/blake2b.h"

static const char prefix[] = "wreath1";

const char *wr_ticket_fault_text(enum wr_ticket_fault fault)
{
    switch (fault) {
#define X(name, text)                                                          \
    case WR_TICKET_##name:                                                     \
        return text;
        WR_TICKET_FAULT_MAP(X)
#undef X
    }
    return "unknown";
}

static void check_of(struct wr_span body, uint8_t ret[static WR_TICKET_CHECK])
{
    const struct wr_span parts[] = {wr_span_str("wreath-ticket"), body};
    uint8_t all[WR_BLAKE2B_256];

    wr_blake2b_256(parts, WR_ARRAY_LEN(parts), all);
    memcpy(ret, all, WR_TICKET_CHECK);
}

static bool is_addr(struct wr_span s)
{
    if (s.n == 0 || s.n > WR_TICKET_ADDR_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
            return false;
    return true;
}

static struct wr_span addr_of(const struct wr_ticket *t, size_t i)
{
    const char *const end = memchr(t->addrs[i], '\0', sizeof(t->addrs[i]));

    return wr_span(t->addrs[i], end == NULL ? 0 : (size_t)(end - t->addrs[i]));
}

static bool is_sound(const struct wr_ticket *t)
{
    if (t->n_addrs < 1 || t->n_addrs > WR_TICKET_ADDRS_MAX)
        return false;
    for (size_t i = 0; i < t->n_addrs; i++)
        if (!is_addr(addr_of(t, i)))
            return false;
    return t->role == WR_ROLE_LEAF || t->role == WR_ROLE_SUPERPEER;
}

enum wr_err wr_ticket_format(const struct wr_ticket *t, char *ret)
{
    uint8_t buf[WR_TICKET_BYTES_MAX], check[WR_TICKET_CHECK];
    struct wr_writer w = wr_writer(buf, sizeof(buf));

    if (!is_sound(t))
        return WR_EINVAL;
    wr_write_u8(&w, (uint8_t)t->role);
    wr_write(&w, t->ring, sizeof(t->ring));
    wr_write(&w, t->secret, sizeof(t->secret));
    wr_write(&w, t->serial, sizeof(t->serial));
    wr_write(&w, t->token, sizeof(t->token));
    wr_write_u8(&w, t->n_addrs);
    for (size_t i = 0; i < t->n_addrs; i++) {
        const struct wr_span addr = addr_of(t, i);

        wr_write_u8(&w, (uint8_t)addr.n);
        wr_write(&w, addr.p, addr.n);
    }
    check_of(wr_span(buf, w.n), check);
    wr_write(&w, check, sizeof(check));
    WR_CHECK(!w.bad);
    memcpy(ret, prefix, WR_TICKET_PREFIX);
    wr_base32(wr_span(buf, w.n), ret + WR_TICKET_PREFIX);
    sodium_memzero(buf, sizeof(buf));
    return WR_OK;
}

/* Lower case, without white space. False where it is longer than any ticket. */
static bool tidy(struct wr_span text, char *ret, size_t room, size_t *ret_n)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        const uint8_t c = text.p[i];

        if (c == ' ' || (c >= '\t' && c <= '\r'))
            continue;
        if (n == room)
            return false;
        ret[n++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    *ret_n = n;
    return true;
}

static enum wr_ticket_fault judge_prefix(const char *s, size_t n)
{
    const size_t word = WR_TICKET_PREFIX - 1;

    if (n < word || memcmp(s, prefix, word) != 0)
        return WR_TICKET_FOREIGN;
    if (n == word)
        return WR_TICKET_CUT;
    if (s[word] == prefix[word])
        return WR_TICKET_GOOD;
    return s[word] >= '2' && s[word] <= '9' ? WR_TICKET_NEWER
                                            : WR_TICKET_FOREIGN;
}

/* The bytes behind the prefix. A missing piece is told from a wrong letter by
 * the lengths inside; which of both is only a matter of the error's text. */
static enum wr_ticket_fault decode(struct wr_span bytes, struct wr_ticket *t)
{
    struct wr_reader r = wr_reader(bytes);
    uint8_t check[WR_TICKET_CHECK];

    t->role = (enum wr_role)wr_read_u8(&r);
    wr_read_into(&r, t->ring, sizeof(t->ring));
    wr_read_into(&r, t->secret, sizeof(t->secret));
    wr_read_into(&r, t->serial, sizeof(t->serial));
    wr_read_into(&r, t->token, sizeof(t->token));
    t->n_addrs = wr_read_u8(&r);
    for (size_t i = 0; i < t->n_addrs && i < WR_TICKET_ADDRS_MAX; i++) {
        const struct wr_span addr = wr_read(&r, wr_read_u8(&r));

        if (is_addr(addr)) /* Else it stays "", which is not sound. */
            memcpy(t->addrs[i], addr.p, addr.n);
    }
    const struct wr_span got = wr_read(&r, WR_TICKET_CHECK);

    if (r.bad)
        return WR_TICKET_CUT;
    check_of(wr_span(bytes.p, bytes.n - r.left - WR_TICKET_CHECK), check);
    if (r.left != 0 || memcmp(got.p, check, sizeof(check)) != 0)
        return WR_TICKET_MISTYPED;
    return is_sound(t) ? WR_TICKET_GOOD : WR_TICKET_MISTYPED;
}

enum { GROUP = 8 }; /* Letters of base32 that make whole bytes: 5. */

/* `letters` has room for GROUP more than `n`. A cut text seldom ends on a
 * whole byte, so it is filled up with zeros to see what is there. */
static enum wr_ticket_fault judge(char *letters, size_t n, struct wr_ticket *t)
{
    uint8_t bytes[WR_TICKET_BYTES_MAX + GROUP];
    enum wr_ticket_fault fault = WR_TICKET_MISTYPED;
    const struct wr_span text = wr_span(letters, n);
    size_t got = 0;

    memset(letters + n, 'a', GROUP);
    if (wr_unbase32(wr_span(letters, (n + GROUP - 1) / GROUP * GROUP), bytes,
                    sizeof(bytes), &got) == WR_OK)
        fault = decode(wr_span(bytes, n * 5 / 8), t);
    /* One text per ticket: no letter too many, no stray bits. */
    if (fault == WR_TICKET_GOOD &&
        wr_unbase32(text, bytes, sizeof(bytes), &got) != WR_OK)
        fault = WR_TICKET_MISTYPED;
    sodium_memzero(bytes, sizeof(bytes));
    return fault;
}

enum wr_ticket_fault wr_ticket_parse(struct wr_span text, struct wr_ticket *ret)
{
    char tidied[WR_TICKET_TEXT_MAX + GROUP];
    struct wr_ticket t = {0};
    enum wr_ticket_fault fault;
    size_t n = 0;

    if (!tidy(text, tidied, WR_TICKET_TEXT_MAX, &n))
        return WR_TICKET_FOREIGN;
    fault = judge_prefix(tidied, n);
    if (fault == WR_TICKET_GOOD)
        fault = judge(tidied + WR_TICKET_PREFIX, n - WR_TICKET_PREFIX, &t);
    if (fault == WR_TICKET_GOOD)
        *ret = t;
    sodium_memzero(tidied, sizeof(tidied));
    sodium_memzero(&t, sizeof(t));
    return fault;
}

void wr_ticket_token_hash(const uint8_t token[static WR_TICKET_TOKEN],
                          uint8_t ret[static 32])
{
    const struct wr_span parts[] = {wr_span_str("wreath-token"),
                                    wr_span(token, WR_TICKET_TOKEN)};

    wr_blake2b_256(parts, WR_ARRAY_LEN(parts), ret);
}

enum { JOIN_PLAIN = WR_JOIN_BYTES - crypto_box_SEALBYTES };

enum wr_err wr_join_seal(const struct wr_join *join,
                         const uint8_t ring[static WR_SIGN_PUBLIC],
                         uint8_t ret[static WR_JOIN_BYTES])
{
    uint8_t plain[JOIN_PLAIN], to[crypto_box_PUBLICKEYBYTES];
    struct wr_writer w = wr_writer(plain, sizeof(plain));

    if (crypto_sign_ed25519_pk_to_curve25519(to, ring) != 0)
        return WR_EINVAL;
    wr_signed_begin(&w, "wrJ");
    wr_write(&w, join->serial, sizeof(join->serial));
    wr_write(&w, join->token, sizeof(join->token));
    wr_write(&w, join->noise_public, sizeof(join->noise_public));
    wr_write(&w, join->sign_public, sizeof(join->sign_public));
    WR_CHECK(!w.bad && w.n == sizeof(plain));
    const int bad = crypto_box_seal(ret, plain, sizeof(plain), to);

    sodium_memzero(plain, sizeof(plain));
    return bad ? WR_EINVAL : WR_OK;
}

enum wr_err wr_join_open(struct wr_span bytes,
                         const struct wr_sign_key *ring_key,
                         struct wr_join *ret)
{
    uint8_t plain[JOIN_PLAIN];
    uint8_t public[crypto_box_PUBLICKEYBYTES];
    uint8_t secret[crypto_box_SECRETKEYBYTES];
    enum wr_err err = WR_EAUTH;

    if (bytes.n != WR_JOIN_BYTES ||
        crypto_sign_ed25519_pk_to_curve25519(public, ring_key->public) != 0)
        return WR_EAUTH;
    (void)crypto_sign_ed25519_sk_to_curve25519(secret, ring_key->secret);
    if (crypto_box_seal_open(plain, bytes.p, bytes.n, public, secret) == 0) {
        struct wr_reader r = wr_reader(wr_span(plain, sizeof(plain)));

        err = wr_signed_open(&r, "wrJ");
        if (err == WR_OK) {
            wr_read_into(&r, ret->serial, sizeof(ret->serial));
            wr_read_into(&r, ret->token, sizeof(ret->token));
            wr_read_into(&r, ret->noise_public, sizeof(ret->noise_public));
            wr_read_into(&r, ret->sign_public, sizeof(ret->sign_public));
        }
    }
    sodium_memzero(secret, sizeof(secret));
    sodium_memzero(plain, sizeof(plain));
    return err;
}
