/*
 * join.h - redeeming a ticket: find a super-peer of the ring, hand it the
 * sealed request for the issuer, take the credential. Blocking, on a loop of
 * its own, within a deadline; for `wreath join` and its like.
 */
#ifndef WR_CLIENT_JOIN_H
#define WR_CLIENT_JOIN_H

#include "client/home.h"
#include "wire/book.h"

enum {
    WR_JOIN_MS = 30000, /* The issuer may be behind a slow relay. */
    WR_JOIN_WHERE_MAX = 200,
};

/* The super-peer that answered: whom to dial next time. */
struct wr_join_parent {
    uint8_t cred_bytes[WR_CRED_BYTES_MAX];
    size_t cred_n;
    struct wr_cred cred;
    struct wr_addr addr;
};

/* "192.0.2.1:4077, 192.0.2.2:4077": whom wr_join_ring() tries, in this order;
 * cut at the end if long. Returns ret. */
const char *wr_join_where(const struct wr_ticket *ticket,
                          char ret[static WR_JOIN_WHERE_MAX]);

/* Fills `h` (its dir and keys are set by the caller, wr_home_draft): the ring,
 * the credential, the ticket's addresses as contacts. Writes no file.
 * WR_EREFUSED: the issuer's words. WR_EUNREACH: nobody answered as a member of
 * the ticket's ring. WR_ETIMEOUT: somebody did, but not the issuer. */
WR_MUST_USE enum wr_err wr_join_ring(const struct wr_ticket *ticket,
                                     struct wr_home *h,
                                     struct wr_join_parent *ret_parent,
                                     struct wr_why *why);

#endif
