/*
 * book.h - the address book: super-peers and their members, interned, so that
 * the protocol passes 32-bit references instead of 80-byte names.
 *
 * A host is certified before it gets an entry: the driver calls
 * wr_book_add() only for a host whose credential it has verified, and the
 * codec resolves a reference on the wire only through wr_book_find(). So a
 * peer cannot fill the book with invented names.
 *
 * One book serves one process (a daemon's single node, or all the nodes of a
 * simulated world). Entries stay for the life of the book; a reference, once
 * given, never changes its meaning. Memory is taken in wr_book_init() alone.
 *
 * References: a `wr_host` is a slot of the book; a `wr_ref` is host * 64 +
 * member index. A `wr_host` with WR_HOST_LEAF set is no slot but a leaf's
 * session with this host, numbered by the driver and never reused.
 */
#ifndef WR_WIRE_BOOK_H
#define WR_WIRE_BOOK_H

#include <stddef.h>

#include "base/err.h"
#include "wire/id.h"
#include "wire/limits.h"

enum { WR_HOST_ID_BYTES = 16 };

struct wr_host_id {
    uint8_t b[WR_HOST_ID_BYTES];
};

/* IPv6, or IPv4 mapped into it (RFC 4291, 2.5.5.2); port 0 means unknown. */
struct wr_addr {
    uint8_t ip[16];
    uint16_t port;
};

static inline bool wr_addr_eq(const struct wr_addr *a, const struct wr_addr *b)
{
    return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

typedef uint32_t wr_host;
typedef uint32_t wr_ref;

#define WR_NO_HOST UINT32_C(0x7fffffff)
#define WR_NO_REF UINT32_MAX
#define WR_HOST_LEAF UINT32_C(0x80000000)

static inline bool wr_host_is_leaf(wr_host h)
{
    return (h & WR_HOST_LEAF) != 0;
}

/* Whether `h` is among the hosts v[0..n). */
static inline bool wr_host_listed(const wr_host *v, size_t n, wr_host h)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] == h)
            return true;
    return false;
}

static inline wr_ref wr_ref_of(wr_host h, unsigned index)
{
    return h * WR_MEMBERS_MAX + index;
}

static inline wr_host wr_ref_host(wr_ref r)
{
    return r / WR_MEMBERS_MAX;
}

static inline uint8_t wr_ref_index(wr_ref r)
{
    return (uint8_t)(r % WR_MEMBERS_MAX);
}

struct wr_book_host {
    struct wr_host_id id;
    struct wr_addr addr;
    uint8_t members; /* V, from the credential: 1 to WR_MEMBERS_MAX. */
    uint32_t site;   /* Hash of the site's name; 0 if none is named. */
    uint32_t first;  /* Where its member ids start. */
};

struct wr_book {
    uint8_t ring[32]; /* The ring's public key: part of every member id. */
    struct wr_book_host *hosts;
    uint32_t hosts_n, hosts_cap;
    struct wr_id *ids; /* Of all members of all hosts, host by host. */
    uint32_t ids_n, ids_cap;
    uint8_t each; /* Members of every host so far; 0: not all have as many. */
    uint32_t *index; /* Open addressing over host ids; 0 is empty. */
    uint32_t index_mask;
};

/* Room for `hosts` hosts with `ids` members in all. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_book_init(struct wr_book *b, const uint8_t ring[32],
                                     uint32_t hosts, uint32_t ids);
void wr_book_done(struct wr_book *b);

/* The host's slot; adds it if it is new, with the member ids that follow from
 * its name (A9). An existing entry keeps its members. WR_NO_HOST when the book
 * is full. */
wr_host wr_book_add(struct wr_book *b, const struct wr_host_id *id,
                    uint8_t members, uint32_t site, const struct wr_addr *addr);

/* WR_NO_HOST if it is not there. */
wr_host wr_book_find(const struct wr_book *b, const struct wr_host_id *id);

static inline const struct wr_book_host *wr_book_host(const struct wr_book *b,
                                                      wr_host h)
{
    WR_CHECK(h < b->hosts_n);
    return &b->hosts[h];
}

/* Whether `r` names a member of a host in the book. */
static inline bool wr_book_has(const struct wr_book *b, wr_ref r)
{
    if (wr_ref_host(r) >= b->hosts_n)
        return false;
    return wr_ref_index(r) <
           (b->each != 0 ? b->each : b->hosts[wr_ref_host(r)].members);
}

/* Where all hosts have as many members, as in a simulated world, one look into
 * memory is enough. */
static inline const struct wr_id *wr_book_id(const struct wr_book *b, wr_ref r)
{
    const uint32_t host = wr_ref_host(r);

    WR_CHECK(wr_book_has(b, r));
    return &b->ids[(b->each != 0 ? host * b->each : b->hosts[host].first) +
                   wr_ref_index(r)];
}

#endif
