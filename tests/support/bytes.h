/*
 * bytes.h - content for tests of src/object: streams that anybody can make
 * again. Header only; the caller frees what it gets.
 */
#ifndef WR_TESTS_BYTES_H
#define WR_TESTS_BYTES_H

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The first `n` bytes of the ChaCha20 keystream with key SHA2-256(seed) and
 * nonce 0, as in IPIP-499's vectors. */
static inline uint8_t *bytes_stream(const char *seed, size_t n)
{
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
    uint8_t key[crypto_hash_sha256_BYTES];
    uint8_t *p = malloc(n == 0 ? 1 : n);

    if (p == NULL)
        abort();
    crypto_hash_sha256(key, (const uint8_t *)seed, strlen(seed));
    crypto_stream_chacha20(p, n, nonce, key);
    return p;
}

#endif
