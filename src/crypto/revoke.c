/* revoke.c - see revoke.h. */
#include "crypto/revoke.h"

const uint8_t *wr_revoked_at(const struct wr_revoked *list, size_t i,
                             enum wr_revoked_kind *ret_kind)
{
    WR_CHECK(i < list->n);
    const uint8_t *const entry = list->entries + i * WR_REVOKED_ENTRY;

    if (ret_kind != NULL)
        *ret_kind = (enum wr_revoked_kind)entry[WR_CRED_HOST];
    return entry;
}

/* How many entries lie before `host`: where it is, or would be. */
static size_t rank(const struct wr_revoked *list, const uint8_t *host)
{
    size_t lo = 0, hi = list->n;

    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;

        if (memcmp(wr_revoked_at(list, mid, NULL), host, WR_CRED_HOST) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

enum wr_revoked_kind wr_revoked_find(const struct wr_revoked *list,
                                     const uint8_t host[static WR_CRED_HOST])
{
    const size_t i = rank(list, host);
    enum wr_revoked_kind kind;

    if (i == list->n ||
        memcmp(wr_revoked_at(list, i, &kind), host, WR_CRED_HOST) != 0)
        return WR_REVOKED_NOT;
    return kind;
}

/* Strictly ascending, and kinds that we know. */
static bool is_sound(const struct wr_revoked *list)
{
    const uint8_t *last = NULL;

    for (size_t i = 0; i < list->n; i++) {
        enum wr_revoked_kind kind;
        const uint8_t *const host = wr_revoked_at(list, i, &kind);

        if (kind != WR_REVOKED_REMOVED && kind != WR_REVOKED_CUT_OFF)
            return false;
        if (last != NULL && memcmp(last, host, WR_CRED_HOST) >= 0)
            return false;
        last = host;
    }
    return true;
}

enum wr_err wr_revoked_open(struct wr_span bytes,
                            const uint8_t ring[static WR_SIGN_PUBLIC],
                            struct wr_revoked *ret)
{
    struct wr_reader r = wr_reader(bytes);
    const enum wr_err err = wr_signed_open(&r, "wrR");
    struct wr_revoked list = {.bytes = bytes};

    if (err != WR_OK)
        return err;
    const struct wr_span of = wr_read(&r, WR_SIGN_PUBLIC);
    list.number = wr_read_be64(&r);
    list.n = wr_read_be16(&r);
    list.entries = wr_read(&r, list.n * WR_REVOKED_ENTRY).p;
    if (r.bad || r.left != WR_SIGNATURE || bytes.n > WR_REVOKED_BYTES_MAX ||
        list.number == 0 || !is_sound(&list))
        return WR_EINVAL;
    if (!wr_span_eq(of, wr_span(ring, WR_SIGN_PUBLIC)))
        return WR_EREFUSED;
    if (!wr_signed_by(bytes, ring))
        return WR_EAUTH;
    *ret = list;
    return WR_OK;
}

enum wr_err wr_revoked_add(const struct wr_revoked *old,
                           const uint8_t host[static WR_CRED_HOST],
                           enum wr_revoked_kind kind,
                           const struct wr_sign_key *key, uint8_t *ret,
                           size_t *ret_n)
{
    const enum wr_revoked_kind now = wr_revoked_find(old, host);
    const size_t at = rank(old, host);
    const size_t after = at + (now != WR_REVOKED_NOT); /* Replaced, or not. */
    const size_t n = old->n + (now == WR_REVOKED_NOT);
    struct wr_writer w = wr_writer(ret, WR_REVOKED_BYTES_MAX);

    WR_CHECK(kind == WR_REVOKED_REMOVED || kind == WR_REVOKED_CUT_OFF);
    if (now >= kind)
        return WR_EEXIST;
    if (n > WR_REVOKED_HOSTS_MAX)
        return WR_EFULL;
    wr_signed_begin(&w, "wrR");
    wr_write(&w, key->public, WR_SIGN_PUBLIC);
    wr_write_be64(&w, old->number + 1);
    wr_write_be16(&w, (uint16_t)n);
    wr_write(&w, old->entries, at * WR_REVOKED_ENTRY);
    wr_write(&w, host, WR_CRED_HOST);
    wr_write_u8(&w, (uint8_t)kind);
    if (after < old->n)
        wr_write(&w, old->entries + after * WR_REVOKED_ENTRY,
                 (old->n - after) * WR_REVOKED_ENTRY);
    wr_signed_end(&w, key);
    WR_CHECK(!w.bad);
    *ret_n = w.n;
    return WR_OK;
}
