/* secret.c - see secret.h. */
#include "crypto/secret.h"

#include <sodium.h>

enum wr_err wr_crypto_init(void)
{
    return sodium_init() < 0 ? WR_EFAIL : WR_OK;
}

enum wr_err wr_secret_lock(void *p, size_t n)
{
    return sodium_mlock(p, n) == 0 ? WR_OK : WR_EPERM;
}

void wr_secret_unlock(void *p, size_t n)
{
    sodium_munlock(p, n);
}

void wr_secret_wipe(void *p, size_t n)
{
    if (p != NULL)
        sodium_memzero(p, n);
}

void wr_secret_random(void *ret, size_t n)
{
    randombytes_buf(ret, n);
}
