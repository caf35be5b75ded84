/* cid.c - see cid.h. */
#include "object/cid.h"

#include "base/text.h"

enum {
    V0_BIN_SIZE = 2 + WR_DIGEST_SIZE,
    V0_TEXT_LEN = 46, /* 34 bytes that begin 12 20, in base58btc. */
};

static const char base58[] =
    "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

static enum wr_err refuse(struct wr_cid_fault *fault,
                          enum wr_cid_fault_kind kind, uint64_t code)
{
    if (fault != NULL)
        *fault = (struct wr_cid_fault){.kind = kind, .code = code};
    return kind == WR_CID_FAULT_MALFORMED ? WR_EINVAL : WR_EUNSUPPORTED;
}

static enum wr_err malformed(struct wr_cid_fault *fault)
{
    return refuse(fault, WR_CID_FAULT_MALFORMED, 0);
}

struct wr_cid wr_cid_make(uint32_t codec, enum wr_hash hash,
                          const uint8_t digest[WR_DIGEST_SIZE])
{
    struct wr_cid cid = {
        .codec = codec, .hash = hash, .version = 1, .n = WR_DIGEST_SIZE};

    memcpy(cid.digest, digest, WR_DIGEST_SIZE);
    return cid;
}

struct wr_cid wr_cid_of(uint32_t codec, enum wr_hash hash, struct wr_span block)
{
    uint8_t digest[WR_DIGEST_SIZE];

    wr_hash_digest(hash, block, digest);
    return wr_cid_make(codec, hash, digest);
}

static enum wr_err read_v0(struct wr_reader *r, struct wr_cid *ret,
                           struct wr_cid_fault *fault)
{
    const struct wr_span mh = wr_read(r, V0_BIN_SIZE);

    if (r->bad)
        return malformed(fault);
    *ret = wr_cid_make(WR_CODEC_DAG_PB, WR_HASH_SHA2_256, mh.p + 2);
    ret->version = 0;
    return WR_OK;
}

enum wr_err wr_cid_read(struct wr_reader *r, struct wr_cid *ret,
                        struct wr_cid_fault *fault)
{
    struct wr_cid cid = {.version = 1};

    if (r->left >= 2 && r->p[0] == 0x12 && r->p[1] == WR_DIGEST_SIZE)
        return read_v0(r, ret, fault);

    const uint64_t version = wr_read_varint(r);
    if (r->bad || version == 0)
        return malformed(fault);
    if (version != 1)
        return refuse(fault, WR_CID_FAULT_VERSION, version);
    const uint64_t codec = wr_read_varint(r);
    const uint64_t hash = wr_read_varint(r);
    const uint64_t n = wr_read_varint(r);
    if (r->bad || codec > UINT32_MAX || n > r->left)
        return malformed(fault);
    const struct wr_span digest = wr_read(r, (size_t)n);

    if (hash == WR_HASH_IDENTITY) {
        if (n > WR_CID_INLINE_MAX)
            return refuse(fault, WR_CID_FAULT_INLINE, n);
    } else if (hash == WR_HASH_BLAKE2B_256 || hash == WR_HASH_SHA2_256) {
        if (n != WR_DIGEST_SIZE)
            return malformed(fault);
    } else {
        return refuse(fault, WR_CID_FAULT_HASH, hash);
    }
    cid.codec = (uint32_t)codec;
    cid.hash = (uint32_t)hash;
    cid.n = (uint8_t)n;
    if (n > 0)
        memcpy(cid.digest, digest.p, digest.n);
    *ret = cid;
    return WR_OK;
}

enum wr_err wr_cid_decode(struct wr_span bytes, struct wr_cid *ret,
                          struct wr_cid_fault *fault)
{
    struct wr_reader r = wr_reader(bytes);
    struct wr_cid cid;
    const enum wr_err err = wr_cid_read(&r, &cid, fault);

    /* After an unsupported version nothing is known of what follows. */
    if (err == WR_OK && r.left > 0)
        return malformed(fault);
    if (err == WR_OK)
        *ret = cid;
    return err;
}

/* The 46 letters as 34 bytes; false if they hold a stray letter or more. */
static bool unbase58(struct wr_span text, uint8_t ret[V0_BIN_SIZE])
{
    memset(ret, 0, V0_BIN_SIZE);
    for (size_t i = 0; i < text.n; i++) {
        const char *at =
            text.p[i] == '\0' ? NULL : strchr(base58, (int)text.p[i]);
        uint32_t carry;

        if (at == NULL)
            return false;
        carry = (uint32_t)(at - base58);
        for (size_t k = V0_BIN_SIZE; k-- > 0;) {
            carry += 58u * ret[k];
            ret[k] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry != 0)
            return false;
    }
    return true;
}

/* CIDv0's 34 bytes always take V0_TEXT_LEN letters, for they begin 12 20. */
static void print_base58(const uint8_t in[V0_BIN_SIZE], char *ret)
{
    uint8_t left[V0_BIN_SIZE];

    memcpy(left, in, sizeof(left));
    for (size_t i = V0_TEXT_LEN; i-- > 0;) {
        uint32_t rest = 0;

        for (size_t k = 0; k < V0_BIN_SIZE; k++) {
            rest = rest << 8 | left[k];
            left[k] = (uint8_t)(rest / 58);
            rest %= 58;
        }
        ret[i] = base58[rest];
    }
    ret[V0_TEXT_LEN] = '\0';
}

enum wr_err wr_cid_parse(struct wr_span text, struct wr_cid *ret,
                         struct wr_cid_fault *fault)
{
    uint8_t bytes[256]; /* Room for long digests, so as to refuse by name. */
    size_t n;

    if (text.n == V0_TEXT_LEN && text.p[0] == 'Q' && text.p[1] == 'm') {
        if (!unbase58(text, bytes) || bytes[0] != 0x12 || bytes[1] != 32)
            return malformed(fault);
        return wr_cid_decode(wr_span(bytes, V0_BIN_SIZE), ret, fault);
    }
    if (text.n < 2)
        return malformed(fault);
    switch (text.p[0]) {
    case 'b':
    case 'B':
        if (wr_unbase32(wr_span(text.p + 1, text.n - 1), bytes, sizeof(bytes),
                        &n) != WR_OK)
            return malformed(fault);
        if (n > 0 && bytes[0] == 0x12)
            return malformed(fault); /* CIDv0 has no multibase prefix. */
        return wr_cid_decode(wr_span(bytes, n), ret, fault);
    case 'z': /* base58btc */
    case 'Z': /* base58flickr */
    case 'f': /* base16 */
    case 'F':
    case 'k': /* base36 */
    case 'K':
    case 'm': /* base64 */
    case 'M':
    case 'u': /* base64url */
    case 'U':
        return refuse(fault, WR_CID_FAULT_BASE, text.p[0]);
    default:
        return malformed(fault);
    }
}

size_t wr_cid_encode(const struct wr_cid *cid, uint8_t ret[WR_CID_BIN_MAX])
{
    struct wr_writer w = wr_writer(ret, WR_CID_BIN_MAX);

    if (cid->version == 1) {
        wr_write_varint(&w, 1);
        wr_write_varint(&w, cid->codec);
    }
    wr_write_varint(&w, cid->hash);
    wr_write_varint(&w, cid->n);
    wr_write(&w, cid->digest, cid->n);
    WR_CHECK(!w.bad);
    return w.n;
}

size_t wr_cid_print(const struct wr_cid *cid, char ret[WR_CID_TEXT_SIZE])
{
    uint8_t bytes[WR_CID_BIN_MAX];
    const size_t n = wr_cid_encode(cid, bytes);

    if (cid->version == 0) {
        print_base58(bytes, ret);
        return V0_TEXT_LEN;
    }
    ret[0] = 'b';
    wr_base32(wr_span(bytes, n), ret + 1);
    return strlen(ret);
}

bool wr_cid_eq(const struct wr_cid *a, const struct wr_cid *b)
{
    return a->codec == b->codec && a->hash == b->hash && a->n == b->n &&
           memcmp(a->digest, b->digest, a->n) == 0;
}

struct wr_span wr_cid_inline(const struct wr_cid *cid)
{
    WR_CHECK(wr_cid_is_inline(cid));
    return wr_span(cid->digest, cid->n);
}

bool wr_cid_matches(const struct wr_cid *cid, struct wr_span block)
{
    if (wr_cid_is_inline(cid))
        return wr_span_eq(wr_cid_inline(cid), block);
    return wr_hash_matches((enum wr_hash)cid->hash, block, cid->digest);
}

struct phrase {
    char *p;
    size_t n;
};

static void say(struct phrase *s, const char *text)
{
    for (; *text != '\0' && s->n + 1 < WR_CID_FAULT_SIZE; text++)
        s->p[s->n++] = *text;
    s->p[s->n] = '\0';
}

static void say_number(struct phrase *s, uint64_t v, unsigned base)
{
    char digits[21];
    size_t i = sizeof(digits) - 1;

    digits[i] = '\0';
    do {
        digits[--i] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v > 0);
    say(s, digits + i);
}

static void say_hash(struct phrase *s, uint64_t code)
{
    const char *name = wr_hash_code_name(code);

    say(s, "hash ");
    if (name != NULL) {
        say(s, name);
    } else {
        say(s, "0x");
        say_number(s, code, 16);
    }
    say(s, " is not supported");
}

void wr_cid_fault_text(const struct wr_cid_fault *fault,
                       char ret[WR_CID_FAULT_SIZE])
{
    struct phrase s = {.p = ret};
    const char letter[2] = {(char)fault->code, '\0'};

    ret[0] = '\0';
    switch (fault->kind) {
    case WR_CID_FAULT_NONE:
        say(&s, "sound");
        return;
    case WR_CID_FAULT_MALFORMED:
        say(&s, "not a CID");
        return;
    case WR_CID_FAULT_BASE:
        say(&s, "multibase '");
        say(&s, letter);
        say(&s, "' is not supported, only base32 ('b') and CIDv0");
        return;
    case WR_CID_FAULT_VERSION:
        say(&s, "CID version ");
        say_number(&s, fault->code, 10);
        say(&s, " is not supported");
        return;
    case WR_CID_FAULT_HASH:
        say_hash(&s, fault->code);
        return;
    case WR_CID_FAULT_INLINE:
        say(&s, "an inline block of ");
        say_number(&s, fault->code, 10);
        say(&s, " bytes is not supported");
        return;
    }
    WR_UNREACHABLE();
}
