/* hash.c - see hash.h. */
#include "object/hash.h"

#include <sodium.h>
#include <string.h>

void wr_hash_digest(enum wr_hash hash, struct wr_span in,
                    uint8_t ret[WR_DIGEST_SIZE])
{
    switch (hash) {
    case WR_HASH_BLAKE2B_256:
        crypto_generichash(ret, WR_DIGEST_SIZE, in.p, in.n, NULL, 0);
        return;
    case WR_HASH_SHA2_256:
        crypto_hash_sha256(ret, in.p, in.n);
        return;
    }
    WR_UNREACHABLE();
}

bool wr_hash_matches(enum wr_hash hash, struct wr_span in,
                     const uint8_t digest[WR_DIGEST_SIZE])
{
    uint8_t is[WR_DIGEST_SIZE];

    wr_hash_digest(hash, in, is);
    return memcmp(is, digest, WR_DIGEST_SIZE) == 0;
}

const char *wr_hash_name(enum wr_hash hash)
{
    switch (hash) {
    case WR_HASH_BLAKE2B_256:
        return "blake2b-256";
    case WR_HASH_SHA2_256:
        return "sha2-256";
    }
    WR_UNREACHABLE();
}

enum wr_err wr_hash_parse(const char *name, enum wr_hash *ret)
{
    static const enum wr_hash all[] = {WR_HASH_BLAKE2B_256, WR_HASH_SHA2_256};

    for (size_t i = 0; i < WR_ARRAY_LEN(all); i++) {
        if (strcmp(name, wr_hash_name(all[i])) == 0) {
            *ret = all[i];
            return WR_OK;
        }
    }
    return WR_EUNSUPPORTED;
}

enum wr_err wr_hash_from_code(uint64_t code, enum wr_hash *ret)
{
    if (code != WR_HASH_BLAKE2B_256 && code != WR_HASH_SHA2_256)
        return WR_EUNSUPPORTED;
    *ret = (enum wr_hash)code;
    return WR_OK;
}

const char *wr_hash_code_name(uint64_t code)
{
    static const struct {
        uint64_t code;
        const char *name;
    } known[] = {
        /* The multicodec table's entries that are seen in the wild. */
        {0x00, "identity"},      {0x11, "sha1"},
        {0x12, "sha2-256"},      {0x13, "sha2-512"},
        {0x14, "sha3-512"},      {0x15, "sha3-384"},
        {0x16, "sha3-256"},      {0x17, "sha3-224"},
        {0x18, "shake-128"},     {0x19, "shake-256"},
        {0x1a, "keccak-224"},    {0x1b, "keccak-256"},
        {0x1c, "keccak-384"},    {0x1d, "keccak-512"},
        {0x1e, "blake3"},        {0x20, "sha2-384"},
        {0x56, "dbl-sha2-256"},  {0xd5, "md5"},
        {0xb214, "blake2b-160"}, {0xb220, "blake2b-256"},
        {0xb240, "blake2b-512"}, {0xb260, "blake2s-256"},
    };

    for (size_t i = 0; i < WR_ARRAY_LEN(known); i++)
        if (known[i].code == code)
            return known[i].name;
    return NULL;
}
