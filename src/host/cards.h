/*
 * cards.h - what this host knows, on proof, about the super-peers of its ring:
 * each one's credential, where it was last to be dialled, whether it has left,
 * and the issuer's revocation list. Nothing enters that is not signed; what a
 * host may do without asking anybody follows from it.
 *
 * It owns the way into the address book (wire/book.h): a host gets a slot only
 * here, when its credential verifies. It is written to DIR/members, so that a
 * restarted host knows whom to ask (R10) and how many are admitted.
 *
 * Called by the super-peer on its loop; saving is a blocking write of a small
 * file, done in a worker with the text made by wr_cards_dump().
 */
#ifndef WR_HOST_CARDS_H
#define WR_HOST_CARDS_H

#include "crypto/farewell.h"
#include "crypto/revoke.h"
#include "sys/why.h"
#include "wire/book.h"
#include "wire/msg.h"

struct wr_card {
    struct wr_cred cred;
    uint8_t bytes[WR_CRED_BYTES_MAX]; /* Of the credential. */
    size_t bytes_n;
    uint8_t farewell[WR_FAREWELL_BYTES];
    bool left;            /* By its own farewell, */
    bool confirmed;       /* which others have (our own card alone). */
    uint32_t incarnation; /* The highest heard of. */
    uint64_t seen_s;      /* Wall clock, when it was last known to be linked; 0.
                             Written down with the others, every ten minutes. */
    uint64_t silent_s;    /* So long we have been there since, and others. */
};

struct wr_cards {
    uint8_t ring[WR_SIGN_PUBLIC];
    struct wr_book *book;
    struct wr_card *v; /* By host slot. */
    uint8_t *revoked_bytes;
    struct wr_revoked revoked;
    bool dirty; /* Something is worth saving. */
};

/* `book` outlives it. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_cards_init(struct wr_cards *c,
                                      const uint8_t ring[WR_SIGN_PUBLIC],
                                      struct wr_book *book);
void wr_cards_done(struct wr_cards *c);

/* Takes in a super-peer's credential, from a handshake or a CARD. Knows it
 * already: the same slot. WR_EAUTH, WR_EINVAL, WR_EREFUSED (another ring, no
 * super-peer, other keys than that host's), WR_EFULL; *ret_new tells whether it
 * was new. */
WR_MUST_USE enum wr_err wr_cards_add(struct wr_cards *c,
                                     struct wr_span credential, wr_host *ret,
                                     bool *ret_new);

/* An address and incarnation by hearsay, of which nothing is signed: taken if
 * the incarnation is newer. True if that changed anything. */
bool wr_cards_heard(struct wr_cards *c, wr_host h, const struct wr_addr *addr,
                    uint32_t incarnation);

/* The same from the host itself, which has proven who it is: its word beats
 * whatever was said about it. */
bool wr_cards_said(struct wr_cards *c, wr_host h, const struct wr_addr *addr,
                   uint32_t incarnation);

/* True if it is that host's word and news. */
bool wr_cards_farewell(struct wr_cards *c, wr_host h, struct wr_span farewell);

/* Others have the farewell of `h`, which is ourselves: that is over. */
void wr_cards_confirmed(struct wr_cards *c, wr_host h);

/* A link to `h` stands: it is there, at `now_s`, Unix seconds; 0 if our clock
 * is not believed. That a silence has ended is worth saving. */
void wr_cards_linked(struct wr_cards *c, wr_host h, uint64_t now_s);

/* Which super-peers a link stands to. */
typedef bool wr_linked_fn(const void *arg, wr_host h);

/* `passed_s` have gone by since the last time, and it is `now_s`, as above. Who
 * is linked is there now; any other was silent for so long, unless nobody but
 * `self` was there. No wall clock tells that: it may be wrong, and goes on
 * while we are off. */
void wr_cards_note(struct wr_cards *c, wr_host self, wr_linked_fn *linked,
                   const void *arg, uint64_t passed_s, uint64_t now_s);

/* For how long `h` had not been linked while we were here; 0: for no longer
 * than `least_s`. */
uint32_t wr_cards_silent_s(const struct wr_cards *c, wr_host h,
                           uint64_t least_s);

/* A newer list of the issuer's: true, and it is in force. */
bool wr_cards_revoke(struct wr_cards *c, struct wr_span list);

enum wr_roster_state wr_cards_state(const struct wr_cards *c, wr_host h);
bool wr_cards_cut_off(const struct wr_cards *c,
                      const uint8_t host[WR_CRED_HOST]);

static inline const struct wr_card *wr_card_of(const struct wr_cards *c,
                                               wr_host h)
{
    WR_CHECK(h < c->book->hosts_n);
    return &c->v[h];
}

/* JSON text of everything, malloc'd, for DIR/members; NULL without memory.
 * Clears `dirty`. */
char *wr_cards_dump(struct wr_cards *c);

/* Reads DIR/members and DIR/revoked; missing files are fine, a damaged one is
 * passed over with a line in the log: it is a cache of what peers know. */
void wr_cards_load(struct wr_cards *c, const char *dir);

/* The first four bytes of a host id as eight hex digits: its name for people.
 * Returns ret. */
const char *wr_host_name(const uint8_t host[WR_CRED_HOST], char ret[9]);

#endif
