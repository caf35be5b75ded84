/* blake2b.c - see blake2b.h. */
#include "crypto/blake2b.h"

#include <sodium.h>

#include "base/check.h"

void wr_blake2b(const struct wr_span *parts, size_t n_parts, uint8_t *ret,
                size_t ret_n)
{
    crypto_generichash_state st;
    int bad = crypto_generichash_init(&st, NULL, 0, ret_n);

    for (size_t i = 0; i < n_parts; i++)
        bad |= crypto_generichash_update(&st, parts[i].p, parts[i].n);
    bad |= crypto_generichash_final(&st, ret, ret_n);
    WR_CHECK(bad == 0);
    sodium_memzero(&st, sizeof(st));
}
