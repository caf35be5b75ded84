/*
 * noise_vectors.c - runs test vectors of the cacophony format through the real
 * session code, both sides of each. Prints TAP.
 *
 *     noise_vectors FILE...
 *
 * A vector of another cipher, hash, curve or of a pattern outside of the XX
 * family is skipped by name: wreath has no code for it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "crypto/noise.h"
#include "crypto/secret.h"

enum { MODIFIERS_MAX = WR_NOISE_PSKS_MAX };

#define E WR_NOISE_E
#define S WR_NOISE_S
#define EE WR_NOISE_EE
#define ES WR_NOISE_ES
#define SE WR_NOISE_SE

/* The patterns of the family, from the Noise specification (7.5 and the
 * deferred ones of 18.1). */
static const struct wr_noise_pattern family[] = {
    {"XX", 3, {{E}, {E, EE, S, ES}, {S, SE}}},
    {"X1X", 4, {{E}, {E, EE, S, ES}, {S}, {SE}}},
    {"XX1", 3, {{E}, {E, EE, S}, {ES, S, SE}}},
    {"X1X1", 4, {{E}, {E, EE, S}, {ES, S}, {SE}}},
};

/* Section 9.4: psk0 goes before the first message's tokens, pskN at the end of
 * message N. */
static bool add_psk(struct wr_noise_pattern *p, unsigned at)
{
    uint8_t *const t = p->steps[at == 0 ? 0 : at - 1];
    size_t n = 0;

    while (t[n] != WR_NOISE_END)
        n++;
    if (at > p->n_steps || n + 1 >= WR_NOISE_TOKENS_MAX)
        return false;
    if (at == 0) {
        memmove(t + 1, t, n);
        t[0] = WR_NOISE_PSK;
    } else {
        t[n] = WR_NOISE_PSK;
    }
    return true;
}

/* "Noise_XXpsk0+psk1_25519_ChaChaPoly_BLAKE2b" as tokens. `name` is kept. */
static bool parse_name(const char *name, struct wr_noise_pattern *ret)
{
    static const char suite[] = "_25519_ChaChaPoly_BLAKE2b";
    const char *at = name;
    const char *tail;
    size_t n = 0;

    if (strncmp(at, "Noise_", 6) != 0 || (tail = strstr(at, suite)) == NULL ||
        strcmp(tail, suite) != 0)
        return false;
    at += 6;
    n = strcspn(at, "_pf"); /* Modifiers: psk, fallback. */
    const struct wr_noise_pattern *base = NULL;
    for (size_t i = 0; i < WR_ARRAY_LEN(family); i++)
        if (strlen(family[i].name) == n && !strncmp(family[i].name, at, n))
            base = &family[i];
    if (base == NULL)
        return false;
    *ret = *base;
    ret->name = name;
    for (at += n; at < tail; at += 4) {
        at += *at == '+';
        if (strncmp(at, "psk", 3) != 0 || at[3] < '0' || at[3] > '9' ||
            !add_psk(ret, (unsigned)(at[3] - '0')))
            return false;
    }
    return at == tail;
}

struct bytes {
    uint8_t p[WR_NOISE_MSG_MAX];
    size_t n;
};

static bool get_hex(const json_t *text, struct bytes *ret)
{
    const char *s = json_string_value(text);

    ret->n = s == NULL ? 0 : strlen(s) / 2;
    return ret->n <= sizeof(ret->p) &&
           (s == NULL || wr_unhex(s, ret->p, ret->n) == WR_OK);
}

/* Everything of one side, kept until the handshake has begun. */
struct side {
    struct bytes prologue, secret, ephemeral;
    uint8_t public[WR_NOISE_KEY];
    uint8_t psks[MODIFIERS_MAX][WR_NOISE_KEY];
    struct wr_noise hs;
    struct wr_noise_session session;
};

static const json_t *field(const json_t *v, const char *role, const char *name)
{
    char key[64];

    snprintf(key, sizeof(key), "%s_%s", role, name);
    return json_object_get(v, key);
}

static bool begin(struct side *s, const json_t *v, bool initiator,
                  const struct wr_noise_pattern *p)
{
    const char *const role = initiator ? "init" : "resp";
    const json_t *const psks = field(v, role, "psks");
    struct bytes psk;

    if (!get_hex(field(v, role, "prologue"), &s->prologue) ||
        !get_hex(field(v, role, "static"), &s->secret) ||
        !get_hex(field(v, role, "ephemeral"), &s->ephemeral) ||
        s->secret.n != WR_NOISE_KEY || s->ephemeral.n != WR_NOISE_KEY ||
        json_array_size(psks) > MODIFIERS_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(psks); i++) {
        if (!get_hex(json_array_get(psks, i), &psk) || psk.n != WR_NOISE_KEY)
            return false;
        memcpy(s->psks[i], psk.p, WR_NOISE_KEY);
    }
    wr_noise_public(s->secret.p, s->public);
    wr_noise_start(&s->hs,
                   &(struct wr_noise_cfg){
                       .pattern = p,
                       .initiator = initiator,
                       .prologue = wr_span(s->prologue.p, s->prologue.n),
                       .static_secret = s->secret.p,
                       .static_public = s->public,
                       .ephemeral_secret = s->ephemeral.p,
                       .psks = (const uint8_t(*)[WR_NOISE_KEY])s->psks,
                       .n_psks = json_array_size(psks),
                   });
    return true;
}

/* One message of the vector, during the handshake or after it. */
static bool pass(struct side *from, struct side *to, const json_t *msg)
{
    static struct bytes payload, expect, out, back;

    if (!get_hex(json_object_get(msg, "payload"), &payload) ||
        !get_hex(json_object_get(msg, "ciphertext"), &expect))
        return false;
    const struct wr_span plain = wr_span(payload.p, payload.n);
    if (from->hs.phase == WR_NOISE_WRITING) {
        if (wr_noise_write(&from->hs, plain, out.p, sizeof(out.p), &out.n) !=
                WR_OK ||
            wr_noise_read(&to->hs, wr_span(out.p, out.n), back.p,
                          sizeof(back.p), &back.n) != WR_OK)
            return false;
    } else {
        out.n = wr_noise_seal(&from->session.send, &plain, 1, out.p);
        back.n = out.n - WR_NOISE_TAG;
        if (wr_noise_open(&to->session.recv, wr_span(out.p, out.n), back.p) !=
            WR_OK)
            return false;
    }
    return wr_span_eq(wr_span(out.p, out.n), wr_span(expect.p, expect.n)) &&
           wr_span_eq(wr_span(back.p, back.n), plain);
}

/* Both sides split, and agree on hash and static keys. */
static bool finish(struct side *s, const json_t *v)
{
    struct bytes hash;

    for (size_t i = 0; i < 2; i++)
        wr_noise_split(&s[i].hs, &s[i].session);
    for (size_t i = 0; i < 2; i++)
        if (memcmp(s[i].session.remote, s[1 - i].public, WR_NOISE_KEY) != 0)
            return false;
    if (memcmp(s[0].session.hash, s[1].session.hash, WR_NOISE_HASH) != 0)
        return false;
    if (!get_hex(json_object_get(v, "handshake_hash"), &hash))
        return false;
    return hash.n == 0 || /* snow's vectors leave it out. */
           wr_span_eq(wr_span(hash.p, hash.n),
                      wr_span(s[0].session.hash, WR_NOISE_HASH));
}

static bool run(const json_t *v, const struct wr_noise_pattern *p)
{
    static struct side side[2]; /* [0] is the initiator. */
    const json_t *const msgs = json_object_get(v, "messages");

    if (json_array_size(msgs) < p->n_steps || !begin(&side[0], v, true, p) ||
        !begin(&side[1], v, false, p))
        return false;
    for (size_t i = 0; i < json_array_size(msgs); i++) {
        if (!pass(&side[i % 2], &side[1 - i % 2], json_array_get(msgs, i)))
            return false;
        if (side[0].hs.phase == WR_NOISE_DONE && !finish(side, v))
            return false;
    }
    return true;
}

static void run_file(const char *path, unsigned *n, unsigned *failed)
{
    json_error_t err;
    json_t *const root = json_load_file(path, 0, &err);
    const json_t *const vectors = json_object_get(root, "vectors");

    if (json_array_size(vectors) == 0) {
        printf("not ok %u - %s: no vectors %s\n", ++*n, path, err.text);
        ++*failed;
    }
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        const json_t *const v = json_array_get(vectors, i);
        const char *name =
            json_string_value(json_object_get(v, "protocol_name"));
        struct wr_noise_pattern p;

        if (name == NULL) /* As older files call it. */
            name = json_string_value(json_object_get(v, "name"));
        if (name == NULL || !parse_name(name, &p)) {
            printf("ok %u - %s # SKIP not of the XX family\n", ++*n,
                   name != NULL ? name : "(no name)");
            continue;
        }
        const bool good = run(v, &p);
        printf("%s %u - %s\n", good ? "ok" : "not ok", ++*n, name);
        *failed += !good;
    }
    json_decref(root);
}

int main(int argc, char **argv)
{
    unsigned n = 0, failed = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: noise_vectors FILE...\n");
        return 2;
    }
    if (wr_crypto_init() != WR_OK)
        return 1;
    for (int i = 1; i < argc; i++)
        run_file(argv[i], &n, &failed);
    printf("1..%u\n", n);
    return failed == 0 ? 0 : 1;
}
