/*
 * super_parts.h - what the sources of the super-peer's run-time share:
 *
 *     super.c        start, the loop, stop
 *     super_fx.c     events in, effects out
 *     super_left.c   the farewell, when everything is handed over
 *     super_store.c  the store's operations behind effects
 *     super_msg.c    messages from the hub: verified, then to the node; or the
 *                    host's own (admission, revocation)
 *     scrub.c        chunks are read again, rotten ones replaced
 *     survey.c       one question to all hosts
 *     sweep.c        the wall clock, for the node's sweep
 *     query.c        status, peers, trace and the other questions, as JSON
 */
#ifndef WR_HOST_SUPER_PARTS_H
#define WR_HOST_SUPER_PARTS_H

#include "client/bodytab.h"
#include "host/account.h"
#include "host/cards.h"
#include "host/hub.h"
#include "host/scrub.h"
#include "host/super.h"
#include "host/survey.h"
#include "host/sweep.h"
#include "proto/node.h"
#include "store/store.h"
#include "wire/codec.h"

enum {
    WR_SUPER_BODIES = 8192, /* More than the pool has buffers. */
    WR_SUPER_FX = 16384,    /* Of one step: 8 for each of 1,024 requests. */
    WR_SUPER_FX_BYTES = 1 << 20, /* Their arrays. */
    WR_SUPER_LATER = 16384,      /* Events that wait for the step to end. */
    WR_SUPER_TALKS = 64,         /* Questions under way, */
    WR_SUPER_TALKS_EACH = 8,     /* and of one asker. */
    WR_SUPER_OPS = 1024, /* Data requests: a leaf asks as much at once. */
};

/* An event that arose while the node was at work. */
struct wr_super_later {
    enum wr_ev_kind kind; /* STORED, LINK_UP, LINK_DOWN, ADMIT. */
    wr_host from;
    wr_token token;
    uint32_t value; /* STORED: a status; LINK_UP: the incarnation; ADMIT: for
                       how many seconds it had been silent. */
};

/* A question that waits for its answer. */
struct wr_talk {
    bool used;
    enum wr_talk_kind { WR_TALK_JOIN, WR_TALK_TRACE, WR_TALK_LEAVE } kind;
    wr_host from;
    uint64_t rid;
    uint32_t number; /* Tells an answer to an earlier user of the slot. */
    wr_time since;   /* An unanswered one makes room after a minute. */
};

struct wr_super {
    struct wr_super_cfg cfg;
    uv_loop_t loop;
    uv_timer_t timer, upkeep;
    uv_async_t store_wake, room_wake;
    uv_signal_t term, intr;
    uint32_t handles;

    struct wr_pool *pool;
    struct wr_store *store;
    struct wr_book book;
    struct wr_cards cards;
    struct wr_bodytab bodies;
    struct wr_outbox out;
    struct wr_node *node;
    struct wr_hub *hub;
    wr_host self;
    uint32_t incarnation;
    bool issuer;

    bool stepping;
    struct wr_super_later *later;
    uint32_t later_n;
    wr_time timer_at;

    struct wr_scrub scrub;
    struct wr_survey surveys[WR_SURVEYS];
    struct wr_sweep sweep;
    struct wr_account account;
    struct wr_talk talks[WR_SUPER_TALKS];
    enum wr_super_state {
        WR_SUPER_JOINING,
        WR_SUPER_SERVING,
        WR_SUPER_LEAVING,
        WR_SUPER_FAREWELL, /* Said until another host has it. */
        WR_SUPER_STOPPING
    } state;
    uint64_t pushed;      /* Chunks handed over while leaving. */
    bool saving;          /* DIR/members is being written. */
    bool saved_soon;      /* It was, at once, since the last upkeep. */
    bool opened;          /* Hub and all: what we know is worth saving. */
    uint32_t hosts_saved; /* Of the book, when it was saved last. */
    uint32_t incarnation_saved, talk_number;
    uint64_t revoked_saved, upkeeps;
    uint64_t save_at; /* The upkeep before which it is not tried: it failed. */
    uint64_t dropped; /* Effects without room that the log has told of. */
    wr_time started;
};

/* super_fx.c */
void wr_super_feed(struct wr_super *s, const struct wr_event *ev);
void wr_super_tick(struct wr_super *s);
/* Performs what is in the outbox; after any call into the node. */
void wr_super_drain(struct wr_super *s);
void wr_super_save_soon(struct wr_super *s);
/* Feeds it now, or after the step that is under way. */
void wr_super_later(struct wr_super *s, const struct wr_super_later *event);

/* super_store.c: performs a WR_FX_STORE_*. */
void wr_super_store(struct wr_super *s, const struct wr_fx *fx);

/* super_msg.c: callbacks of the hub. */
/* NULL if too many wait already. */
struct wr_talk *wr_super_talk(struct wr_super *s, enum wr_talk_kind kind,
                              wr_host from, uint64_t rid);
void wr_super_on_msg(void *arg, const struct wr_hub_peer *peer,
                     const struct wr_msg *m, struct wr_buf *body);
void wr_super_on_no_room(void *arg, const struct wr_hub_peer *peer,
                         const struct wr_msg *m);
void wr_super_welcome(void *arg, const struct wr_hub_peer *leaf);
void wr_super_on_revoked(void *arg);

/* super_left.c */
/* Everything is handed over. */
void wr_super_farewell(struct wr_super *s);
/* It is signed, and not yet written down; and it is. */
bool wr_super_farewell_due(const struct wr_super *s);
void wr_super_farewell_saved(struct wr_super *s);
/* Another host has it; or has told us. */
void wr_super_left(struct wr_super *s);
void wr_super_told_left(struct wr_super *s);

/* query.c */
/* A REPORT to a leaf or host; takes `o` over. */
void wr_super_reply(struct wr_super *s, wr_host to, uint64_t rid,
                    enum wr_status status, json_t *o);
void wr_super_query(struct wr_super *s, const struct wr_hub_peer *peer,
                    const struct wr_msg *m);
/* A command of a talk ended. */
void wr_super_query_done(struct wr_super *s, const struct wr_fx *fx);

/* super.c */
/* What DIR/incarnation holds: a decimal number and a newline. */
bool wr_super_incarnation(struct wr_span text, uint32_t *ret);
void wr_super_stop(struct wr_super *s);
void wr_super_save_members(struct wr_super *s);

#endif
