/*
 * tickets.h - the issuer's side of admission: which tickets it has given out,
 * what each is good for, and the credentials made from them
 * (docs/protocol.md, Admission).
 *
 * One small JSON file a ticket, DIR/tickets/SERIAL, replaced by rename: the
 * `invite` command writes new ones, the running super-peer counts uses in
 * them, and neither needs the other. Nothing in them grants anything: of the
 * token there is only a hash. Blocking, a few milliseconds each.
 */
#ifndef WR_HOST_TICKETS_H
#define WR_HOST_TICKETS_H

#include "crypto/ticket.h"
#include "sys/why.h"

enum { WR_TICKET_USES_MAX = 10000 }; /* Keeps a ticket's file below 8 MiB. */

struct wr_invite {
    enum wr_role role;
    uint8_t members;  /* Of a super-peer; 0 for a leaf. */
    uint32_t uses;    /* How many may redeem it. */
    uint64_t expires; /* Unix seconds; 0: never. */
    uint64_t quota;   /* Bytes; 0: no limit. */
    char site[WR_CRED_SITE_MAX + 1];
};

/* Writes the file of a new ticket with `serial` and `token`. */
WR_MUST_USE enum wr_err
wr_tickets_add(const char *dir, const uint8_t serial[static WR_CRED_SERIAL],
               const uint8_t token[static WR_TICKET_TOKEN],
               const struct wr_invite *invite, struct wr_why *why);

/* Redeems a request to join at `now_s` (Unix seconds): counts the use durably,
 * then signs the credential into `ret` (WR_CRED_BYTES_MAX bytes). The same
 * keys get the same credential again. WR_EREFUSED with words for the joiner:
 * unknown, expired, used up, not for this ring. */
WR_MUST_USE enum wr_err wr_tickets_redeem(const char *dir,
                                          struct wr_span sealed,
                                          const struct wr_sign_key *ring_key,
                                          uint64_t now_s, uint8_t *ret,
                                          size_t *ret_n, struct wr_why *why);

#endif
