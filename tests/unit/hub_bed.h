/*
 * hub_bed.h - what tests of the hub share: three hosts, of which two have
 * started, and a place for a guest, on one loop, over real sockets on loopback.
 * One bed per test.
 */
#ifndef TESTS_HUB_BED_H
#define TESTS_HUB_BED_H

#include <criterion/criterion.h>

#include "host/hub_parts.h"

enum { SEEN_MAX = 8192 };

struct host {
    struct wr_home home;
    struct wr_book book;
    struct wr_cards cards;
    struct wr_hub *hub;
    wr_host self;
    unsigned ups, downs, leaves, msgs, no_room;
    uint64_t rids[SEEN_MAX];
    struct wr_hub_peer last;
    wr_host target; /* Of the last PROBE. */
    bool keep_bodies, closed;
    struct wr_buf *kept;
};

/* Somebody at the other end of one link, without manners. */
struct guest {
    struct wr_identity id;
    struct wr_cred cred;
    uint8_t cred_bytes[WR_CRED_BYTES_MAX];
    size_t cred_n;
    struct wr_net *net;
    struct wr_link *link;
    struct wr_codec codec;
    void *arena;
    unsigned opens, closes, frames;
    bool quiet; /* No HELLO when it opens. */
};

struct hub_bed {
    uv_loop_t loop;
    struct wr_sign_key ring;
    uint8_t secret[WR_RING_SECRET];
    struct host a, b, c;
    struct guest guest;
    char dir[64];
    struct wr_pool *pool;
};

extern struct hub_bed w;

#define UNTIL(x)                                                               \
    do {                                                                       \
        while (!(x))                                                           \
            uv_run(&w.loop, UV_RUN_ONCE);                                      \
    } while (0)

void setup(void);
/* Whatever a test did: everything ends, within the hub's patience, and every
 * buffer is back. */
void teardown(void);
/* What is under way arrives: each side's turn, a few times over. */
void settle(void);
void issue(struct wr_cred *c, enum wr_role role, uint8_t id,
           const struct wr_identity *keys, uint8_t *ret, size_t *ret_n);
/* A process of that identity, on a port of its own. */
void start(struct host *h, const char *name, uint32_t incarnation);
/* `h` learns of `of` what a CARD says. */
wr_host know(struct host *h, const struct host *of);
/* Control and bulk. */
void say(struct host *from, wr_host to, bool bulk, uint64_t rid);

#endif
