/*
 * home.h - the directory of one identity: its keys, its credential, the ring
 * it belongs to and whom it may dial. Read by the super-peer, by `wreath leaf`
 * and by every command; written by `init` and `join`.
 *
 *     identity     our secret keys (crypto/identity.h), 0600
 *     ring         the ring's public key, then the ring secret: 64 bytes, 0600
 *     credential   what the issuer signed (crypto/credential.h)
 *     contacts     text: a host id in hex or "-", a space, an address, a line
 *     ring.key     (issuer only) the ring's secret key, 0600
 *     tickets/     (issuer only) one file a ticket (host/tickets.h)
 *     roots/       the owner's list of what it has put (client/roots.h)
 *     store/       (super-peer) the chunks
 *     run/socket   the running process listens here
 *     run/address  where it can be dialled, once it is ready
 *     wreath.ini   settings (host/config.h); may be missing
 *
 * Not here: what any of it means. Blocking calls, for start and tools.
 */
#ifndef WR_CLIENT_HOME_H
#define WR_CLIENT_HOME_H

#include "crypto/credential.h"
#include "crypto/identity.h"
#include "crypto/ticket.h"
#include "sys/why.h"
#include "wire/limits.h"

enum {
    WR_HOME_DIR_MAX = 4000, /* Leaves room for the names above. */
    WR_HOME_PATH_MAX = 4096,
    WR_HOME_ADDRESS_MAX = 256, /* "name:port" with its NUL. */
};

struct wr_home_contact {
    bool has_id;
    uint8_t host[WR_CRED_HOST];
    char address[WR_HOME_ADDRESS_MAX];
};

struct wr_home {
    char dir[WR_HOME_DIR_MAX];
    struct wr_identity id;
    uint8_t ring[WR_SIGN_PUBLIC];
    uint8_t ring_secret[WR_RING_SECRET];
    struct wr_cred cred;
    uint8_t cred_bytes[WR_CRED_BYTES_MAX];
    size_t cred_n;
    struct wr_home_contact contacts[WR_CONTACTS_MAX];
    size_t contacts_n;
};

/* Where an identity lives if nobody says otherwise: $WREATH_DIR; a service's
 * $STATE_DIRECTORY; $XDG_DATA_HOME/wreath; ~/.local/share/wreath. WR_ETOOBIG,
 * WR_ENOTFOUND (no home directory). */
WR_MUST_USE enum wr_err wr_home_default(char ret[WR_HOME_DIR_MAX],
                                        struct wr_why *why);

/* DIR/NAME. The home's directory always leaves room for a name. */
void wr_home_path(const char *dir, const char *name,
                  char ret[WR_HOME_PATH_MAX]);

/* WR_EEXIST if an identity is there: one directory, one identity. */
WR_MUST_USE enum wr_err wr_home_check_free(const char *dir, struct wr_why *why);

/* Makes the directory and writes every file of `h`, the identity last: an
 * interrupted call leaves no identity. WR_EEXIST, WR_EPERM, WR_EFULL, WR_EIO.
 */
WR_MUST_USE enum wr_err wr_home_create(const struct wr_home *h,
                                       struct wr_why *why);

/*
 * The keys of a join that may be cut off: made once, kept in DIR/identity.new
 * until wr_home_create(), so that asking again asks for the same credential
 * and a ticket's use is not lost. Makes the directory. WR_EPERM, WR_EFULL,
 * WR_EIO, WR_EDAMAGED.
 */
WR_MUST_USE enum wr_err wr_home_draft(struct wr_home *h, struct wr_why *why);

/* Forgets them: the issuer has refused. */
void wr_home_draft_drop(const char *dir);

/* Reads everything and checks that the credential is for these keys and this
 * ring. WR_ENOTFOUND says how to become a member; WR_EDAMAGED, WR_EPERM. */
WR_MUST_USE enum wr_err wr_home_open(struct wr_home *h, const char *dir,
                                     struct wr_why *why);

/* Wipes the secrets. */
void wr_home_close(struct wr_home *h);

/* Writes the contacts. Failing costs a later fail-over, no more. */
WR_MUST_USE enum wr_err wr_home_save_contacts(const struct wr_home *h,
                                              struct wr_why *why);

/* Puts an address to the front of the contacts (most recently good first);
 * `host` may be NULL. */
void wr_home_add_contact(struct wr_home *h, const uint8_t *host,
                         const char *address);

/* The ring's secret key; WR_ENOTFOUND says that this is not the issuer. */
WR_MUST_USE enum wr_err
wr_home_ring_key(const char *dir, struct wr_sign_key *ret, struct wr_why *why);

#endif
