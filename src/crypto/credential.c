/* credential.c - see credential.h. */
#include "crypto/credential.h"

#include "crypto/blake2b.h"

static bool is_sound(const struct wr_cred *c, struct wr_span site)
{
    if (site.n > WR_CRED_SITE_MAX)
        return false;
    /* It is shown in logs and on terminals. */
    for (size_t i = 0; i < site.n; i++)
        if (site.p[i] < 0x20 || site.p[i] == 0x7f)
            return false;
    if (c->role == WR_ROLE_LEAF)
        return c->members == 0;
    return c->role == WR_ROLE_SUPERPEER && c->members >= 1 &&
           c->members <= WR_CRED_MEMBERS_MAX;
}

enum wr_err wr_cred_issue(const struct wr_cred *c,
                          const struct wr_sign_key *key, uint8_t *ret,
                          size_t *ret_n)
{
    const char *const end = memchr(c->site, '\0', sizeof(c->site));
    const struct wr_span site = wr_span(
        c->site, end == NULL ? sizeof(c->site) : (size_t)(end - c->site));
    struct wr_writer w = wr_writer(ret, WR_CRED_BYTES_MAX);

    if (!is_sound(c, site))
        return WR_EINVAL;
    wr_signed_begin(&w, "wrC");
    wr_write(&w, key->public, WR_SIGN_PUBLIC);
    wr_write(&w, c->host, WR_CRED_HOST);
    wr_write_u8(&w, (uint8_t)c->role);
    wr_write_u8(&w, c->members);
    wr_write(&w, c->noise_public, WR_NOISE_KEY);
    wr_write(&w, c->sign_public, WR_SIGN_PUBLIC);
    wr_write_be64(&w, c->quota);
    wr_write_be64(&w, c->not_after);
    wr_write_u8(&w, (uint8_t)site.n);
    wr_write(&w, site.p, site.n);
    wr_signed_end(&w, key);
    WR_CHECK(!w.bad);
    *ret_n = w.n;
    return WR_OK;
}

enum wr_err wr_cred_open(struct wr_span bytes,
                         const uint8_t ring[static WR_SIGN_PUBLIC],
                         struct wr_cred *ret)
{
    struct wr_reader r = wr_reader(bytes);
    const enum wr_err err = wr_signed_open(&r, "wrC");
    struct wr_cred c = {0};

    if (err != WR_OK)
        return err;
    wr_read_into(&r, c.ring, WR_SIGN_PUBLIC);
    wr_read_into(&r, c.host, WR_CRED_HOST);
    c.role = (enum wr_role)wr_read_u8(&r);
    c.members = wr_read_u8(&r);
    wr_read_into(&r, c.noise_public, WR_NOISE_KEY);
    wr_read_into(&r, c.sign_public, WR_SIGN_PUBLIC);
    c.quota = wr_read_be64(&r);
    c.not_after = wr_read_be64(&r);
    const struct wr_span site = wr_read(&r, wr_read_u8(&r));

    if (r.bad || r.left != WR_SIGNATURE || !is_sound(&c, site))
        return WR_EINVAL;
    if (memcmp(c.ring, ring, WR_SIGN_PUBLIC) != 0)
        return WR_EREFUSED;
    if (!wr_signed_by(bytes, ring))
        return WR_EAUTH;
    if (site.n > 0)
        memcpy(c.site, site.p, site.n);
    *ret = c;
    return WR_OK;
}

void wr_cred_host_id(const uint8_t serial[static WR_CRED_SERIAL], uint32_t use,
                     uint8_t ret[static WR_CRED_HOST])
{
    uint8_t be[4], all[WR_BLAKE2B_256];
    struct wr_writer w = wr_writer(be, sizeof(be));

    wr_write_be32(&w, use);
    const struct wr_span parts[] = {wr_span(serial, WR_CRED_SERIAL),
                                    wr_span(be, sizeof(be))};
    wr_blake2b_256(parts, WR_ARRAY_LEN(parts), all);
    memcpy(ret, all, WR_CRED_HOST);
}

void wr_cred_member_id(const uint8_t ring[static WR_SIGN_PUBLIC],
                       const uint8_t host[static WR_CRED_HOST], unsigned index,
                       uint8_t ret[static WR_CRED_MEMBER_ID])
{
    const uint8_t at = (uint8_t)index;

    WR_CHECK(index < WR_CRED_MEMBERS_MAX);
    const struct wr_span parts[] = {
        wr_span_str("wreath-member"),
        wr_span(ring, WR_SIGN_PUBLIC),
        wr_span(host, WR_CRED_HOST),
        wr_span(&at, 1),
    };
    wr_blake2b_256(parts, WR_ARRAY_LEN(parts), ret);
}
