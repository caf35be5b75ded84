/* signed.c - what hosts sign: credentials, farewells, revocation lists, root
 * records, and sealed requests to join. As no fuzzer finds a signature, the
 * input may ask for a right one below whatever it says. What is taken is, byte
 * for byte, what would be written for it. */
#include <stdlib.h>

#include "crypto/farewell.h"
#include "crypto/revoke.h"
#include "crypto/root.h"
#include "crypto/ticket.h"
#include "fuzz.h"

enum { ROOM = 70000 };

static struct wr_sign_key ring, owner;
static uint8_t room[ROOM], again[ROOM];

static void told(enum wr_err err)
{
    WR_CHECK(err == WR_EINVAL || err == WR_EVERSION || err == WR_EAUTH ||
             err == WR_EREFUSED);
}

static void credential(struct wr_span in)
{
    struct wr_cred c;
    size_t n;
    const enum wr_err err = wr_cred_open(in, ring.public, &c);

    if (err != WR_OK) {
        told(err);
        return;
    }
    WR_CHECK(c.role == WR_ROLE_LEAF
                 ? c.members == 0
                 : c.members >= 1 && c.members <= WR_CRED_MEMBERS_MAX);
    WR_CHECK(strlen(c.site) <= WR_CRED_SITE_MAX);
    WR_CHECK(wr_cred_issue(&c, &ring, again, &n) == WR_OK);
    WR_CHECK(wr_span_eq(wr_span(again, n), in));
}

static void farewell(struct wr_span in)
{
    struct wr_cred c = {.role = WR_ROLE_SUPERPEER, .members = 1};
    enum wr_err err;

    memcpy(c.ring, ring.public, sizeof(c.ring));
    memcpy(c.sign_public, owner.public, sizeof(c.sign_public));
    memset(c.host, 0x11, sizeof(c.host));
    err = wr_farewell_open(in, &c);
    if (err != WR_OK) {
        told(err);
        return;
    }
    wr_farewell_sign(ring.public, c.host, &owner, again);
    WR_CHECK(wr_span_eq(wr_span(again, WR_FAREWELL_BYTES), in));
}

static void revoked(struct wr_span in)
{
    struct wr_revoked list;
    const uint8_t *last = NULL;
    const enum wr_err err = wr_revoked_open(in, ring.public, &list);
    uint8_t host[WR_CRED_HOST] = {9};
    size_t n;

    if (err != WR_OK) {
        told(err);
        return;
    }
    WR_CHECK(list.number > 0 && list.n <= WR_REVOKED_HOSTS_MAX);
    for (size_t i = 0; i < list.n; i++) {
        enum wr_revoked_kind kind;
        const uint8_t *const h = wr_revoked_at(&list, i, &kind);

        WR_CHECK(last == NULL || memcmp(last, h, WR_CRED_HOST) < 0);
        WR_CHECK(kind == WR_REVOKED_REMOVED || kind == WR_REVOKED_CUT_OFF);
        WR_CHECK(wr_revoked_find(&list, h) == kind);
        last = h;
    }
    if (list.number < UINT64_MAX &&
        wr_revoked_add(&list, host, WR_REVOKED_CUT_OFF, &ring, again, &n) ==
            WR_OK)
        WR_CHECK(wr_revoked_open(wr_span(again, n), ring.public, &list) ==
                 WR_OK);
}

static void root(struct wr_span in)
{
    uint8_t bytes[WR_ROOT_BYTES_MAX];
    struct wr_root r;
    const enum wr_err err = wr_root_open(in, &r);
    size_t n;

    if (err != WR_OK) {
        told(err);
        return;
    }
    WR_CHECK(r.version > 0 && r.cid_n <= WR_ROOT_CID_MAX);
    WR_CHECK(r.cid_n > 0 || r.state != WR_ROOT_KEPT);
    n = wr_root_encode(&r, bytes);
    WR_CHECK(wr_span_eq(wr_span(bytes, n), in));
}

static void join(struct wr_span in)
{
    struct wr_join j;
    const enum wr_err err = wr_join_open(in, &ring, &j);

    WR_CHECK(err == WR_OK || err == WR_EAUTH || err == WR_EVERSION ||
             err == WR_EINVAL);
}

/* The object as it came, or under a signature that is right. */
static struct wr_span object(struct fuzz *f, const struct wr_sign_key *key,
                             bool sign)
{
    struct wr_writer w = wr_writer(room, sizeof(room));
    const struct wr_span in = fuzz_rest(f);

    if (!sign || in.n > ROOM - WR_SIGNATURE)
        return in;
    wr_write(&w, in.p, in.n);
    wr_signed_end(&w, key);
    return wr_span(room, w.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seeds[2][WR_SIGN_SEED] = {{1}, {2}};
    struct fuzz f = fuzz(data, size);
    const unsigned what = fuzz_below(&f, 5);
    const bool sign = fuzz_flag(&f);

    if (ring.public[0] == 0 && ring.public[1] == 0) {
        wr_sign_from_seed(seeds[0], &ring);
        wr_sign_from_seed(seeds[1], &owner);
    }
    switch (what) {
    case 0:
        credential(object(&f, &ring, sign));
        break;
    case 1:
        farewell(object(&f, &owner, sign));
        break;
    case 2:
        revoked(object(&f, &ring, sign));
        break;
    case 3:
        root(object(&f, &owner, sign));
        break;
    default:
        join(object(&f, &ring, sign));
    }
    return 0;
}
