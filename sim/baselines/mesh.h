/*
 * mesh.h - the neighbours of a host in an unstructured overlay, which anybody
 * may be: it keeps a few, pings them, and replaces those that go by others
 * whose names it has heard, as Gnutella's hosts do.
 *
 * Sources: The Gnutella Protocol Specification v0.4 (Clip2, 2001), and Gnutella
 * 0.6 (Klingberg and Manfredi, 2002): a host that has no room names others
 * (X-Try), and a pong tells of up to ten (pong caching). Ripeanu, Foster and
 * Iamnitchi (IEEE Internet Computing 6(1), 2002) measured 3.4 neighbours on the
 * average; these numbers give between four and five.
 */
#ifndef WR_SIM_MESH_H
#define WR_SIM_MESH_H

#include <stdbool.h>

#include "base/rng.h"
#include "base/time.h"
#include "wire/book.h"

enum {
    WR_MESH_WANT = 4,   /* Fewer, and it looks for more; */
    WR_MESH_MOST = 8,   /* with so many it takes no more in. */
    WR_MESH_KNOWN = 32, /* Names that it keeps. */
};

struct wr_mesh_peer {
    wr_host host;
    wr_time heard; /* Last; of a try: asked. */
};

struct wr_mesh {
    uint8_t want, most;
    bool closed; /* It takes nobody in, but goes to others. */
    uint8_t n, tries_n, known_n;
    struct wr_mesh_peer peers[WR_MESH_MOST];
    struct wr_mesh_peer tries[WR_MESH_WANT]; /* Asked, without an answer. */
    wr_host known[WR_MESH_KNOWN];
    wr_time ping_at;
    wr_time alone_at; /* Asks the web for somebody; WR_NEVER: no need. */
};

struct wr_overlay;
struct wr_overlay_msg;

void wr_mesh_init(struct wr_mesh *m, uint8_t want, uint8_t most, bool closed);

/* The first ones: neighbours by lot, and some names. */
void wr_mesh_begin(struct wr_overlay *const *all, uint32_t n,
                   struct wr_rng *rng, wr_time now);
void wr_mesh_link(struct wr_overlay *a, struct wr_overlay *b, wr_time now);

void wr_mesh_join(struct wr_overlay *o, wr_host via, wr_time now);
/* PING to BYE; false: it is no business of neighbours. */
bool wr_mesh_recv(struct wr_overlay *o, wr_host from,
                  const struct wr_overlay_msg *m, wr_time now);
void wr_mesh_down(struct wr_overlay *o, wr_host peer, wr_time now);
void wr_mesh_tick(struct wr_overlay *o, wr_time now);
wr_time wr_mesh_deadline(const struct wr_overlay *o);

bool wr_mesh_has(const struct wr_overlay *o, wr_host host);
/* Somebody that was heard of; not us. */
void wr_mesh_learn(struct wr_overlay *o, wr_host host);
/* One who asked to be a neighbour is told of others. */
void wr_mesh_refuse(struct wr_overlay *o, wr_host to);
void wr_mesh_welcome(struct wr_overlay *o, wr_host to);
void wr_mesh_pong(struct wr_overlay *o, wr_host to, bool more);
void wr_mesh_bye(struct wr_overlay *o, wr_host to);

/* Who was silent for so long is gone. */
wr_time wr_mesh_patience(const struct wr_overlay *o);

#endif
