/*
 * peers.h - the detector: what this host knows of other hosts' liveness,
 * round trips and incarnations. All members of a host share one table.
 *
 * Nobody but the detector holds a host for dead. A module whose patience ran
 * out says so (wr_peers_silent); the detector then pings, each time with
 * doubled patience, asks other peers to ping for it (about one pair of hosts
 * in forty cannot reach each other directly), and only then decides. A broken
 * link is a hint and not a death: it starts the same verification.
 *
 * Not here: which members are where (ring.h, routes.h), who is admitted
 * (roster.h). A host that is not in the table is one that nothing bad is known
 * of; the table is bounded, and forgets the host that was heard longest ago.
 */
#ifndef WR_PROTO_PEERS_H
#define WR_PROTO_PEERS_H

#include "proto/core.h"
#include "proto/sight.h"

enum {
    WR_PEER_TRIES = 3,   /* Unanswered pings before others are asked. */
    WR_PEER_HELPERS = 3, /* How many others are asked, */
    WR_PEER_NOES = 2,    /* and how many of them must say no. */
    WR_PEER_PROBES = 3,  /* Pings at a time that we do for others. */
    WR_PEER_BACKOFF = 4, /* P7: doublings of probe_dead_us: 60 to 960 s. */
    WR_PEER_SHARE = 6,   /* P7: pings of the dead, of all, in that time. */
};

enum wr_peer_state {
    WR_PEER_UP,
    WR_PEER_SUSPECT, /* Pinged by us. */
    WR_PEER_PROBED,  /* Pinged by others for us. */
    WR_PEER_AWAY,    /* Said "back soon": its copies count, its members do
                        not. */
    WR_PEER_DEAD,    /* Probed at long intervals (R11). */
    WR_PEER_LEFT,    /* Said farewell: never asked again. */
};

/* What the other modules have not been told yet; wr_peers_take_news(). */
enum wr_peer_news {
    WR_PEER_NO_NEWS,
    WR_PEER_GONE,
    WR_PEER_BACK,      /* The same process: it may be in another ring. */
    WR_PEER_RESTARTED, /* Another one: it is in none yet. */
};

/* Of a host in the table. */
struct wr_peer {
    wr_time heard_at;
    wr_time due_at;       /* Of the next ping, probe or verdict. */
    uint32_t incarnation; /* The highest heard of; 0 before. */
    uint32_t srtt_us;     /* 0: never measured (RFC 6298). */
    uint32_t rttvar_us;
    uint32_t up_s; /* Since when it is known to be up, in seconds. */
    uint32_t rid;  /* Of our ping or probe in flight. */
    uint8_t state; /* enum wr_peer_state */
    union {
        uint8_t tries;
        uint8_t denier; /* PROBED: a mark of who said no first; 0: nobody. */
    };
    union {
        uint8_t helpers; /* PROBED: how many are yet to say no. */
        uint8_t named;   /* DEAD, AWAY: 1 if a live member says otherwise. */
    };
    uint8_t news; /* enum wr_peer_news */
};

/* A ping that we do for another host. */
struct wr_peer_probe {
    wr_time until;
    uint64_t rid;  /* The asker's. */
    wr_host asker; /* WR_NO_HOST: free. */
    wr_host target;
};

struct wr_peers {
    wr_host *hosts;    /* Ascending, by themselves, to search in few lines; */
    struct wr_peer *v; /* what is known of each. */
    uint32_t n, cap;
    uint32_t found; /* Where the last search ended: the next is often for the
                       same host. */
    uint32_t news_n;
    uint32_t turn;    /* P7: who comes first when several are due. */
    wr_time due_at;   /* No later than the first due_at of all. */
    wr_time probe_at; /* P7: not before then. */
    wr_time named_at; /* R4: nor one that is named from afar. */
    struct wr_peer_probe probes[WR_PEER_PROBES];
};

void wr_peers_init(struct wr_peers *p, struct wr_peer *v, wr_host *hosts,
                   uint32_t cap);

/* How long to wait for an answer of `host`: the smoothed round trip and four
 * times its variation, within cfg's floor and ceiling, doubled for each
 * silence in a row. */
wr_time wr_peers_patience(const struct wr_core *c, wr_host host);

/* Not held for dead, away, or gone for good. Ourselves: always. */
bool wr_peers_alive(const struct wr_core *c, wr_host host);

/* How long it has not been alive; 0: it is. */
wr_time wr_peers_gone_us(const struct wr_core *c, wr_host host);

/* Said "back soon" and has not come back. */
bool wr_peers_away(const struct wr_core *c, wr_host host);

/* Neither dead, away, gone nor under suspicion: good for a first choice. */
bool wr_peers_steady(const struct wr_core *c, wr_host host);

/* Smoothed round trip; 0 for ourselves, UINT32_MAX if never measured. */
uint32_t wr_peers_rtt_us(const struct wr_core *c, wr_host host);

/* The chance that it is up still, in permille: time known up against that
 * plus the time since it was heard. Of one that is not in the table nothing bad
 * is known: 1000. One under suspicion is not used until the detector has made
 * up its mind: 0. */
uint32_t wr_peers_up_permille(const struct wr_core *c, wr_host host);

/* What it would cost to send it something (sight.h). */
enum wr_warmth wr_peers_warmth(const struct wr_core *c, wr_host host);

/* The incarnation that `host` was last heard with; 0 if never. */
uint32_t wr_peers_incarnation(const struct wr_core *c, wr_host host);

/* Something was sent to `host` that it should answer: track it. */
void wr_peers_sent(struct wr_core *c, wr_host host);

/* It answered after `rtt_us` (of a request that was sent once: after a retry
 * nobody knows which one was answered, Karn's rule). */
void wr_peers_answered(struct wr_core *c, wr_host host, wr_time rtt_us);

/* A patience ran out: verify. */
void wr_peers_silent(struct wr_core *c, wr_host host);

/* A message came from `host`. node.c calls it before any module sees it. */
void wr_peers_heard(struct wr_core *c, wr_host host);
/* Its incarnation as it said itself; false if that is an old one. */
bool wr_peers_incarnate(struct wr_core *c, wr_host host, uint32_t incarnation);

void wr_peers_link_up(struct wr_core *c, wr_host host, uint32_t incarnation);
void wr_peers_link_down(struct wr_core *c, wr_host host);

/* A live member names `host`. If we hold it for dead or away, it may be back:
 * look now, if it is `near`; of others, at one a round. */
void wr_peers_named(struct wr_core *c, wr_host host, bool near);

/* The admission ended, or it said BYE: `state` is AWAY or LEFT. */
void wr_peers_part(struct wr_core *c, wr_host host, enum wr_peer_state state);

/* PING, PONG, PROBE, PROBED, BYE. */
void wr_peers_recv(struct wr_core *c, wr_host from, const struct wr_msg *m);

/* Hosts that died or came back since the last call, one at a time; WR_NO_HOST
 * when there are no more. */
wr_host wr_peers_take_news(struct wr_core *c, enum wr_peer_news *ret);

void wr_peers_tick(struct wr_core *c);
wr_time wr_peers_deadline(const struct wr_core *c);

/* A steady peer drawn by lot, none of `without`; WR_NO_HOST if there is none.*/
wr_host wr_peers_draw(struct wr_core *c, wr_host without);

#endif
