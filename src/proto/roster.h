/*
 * roster.h - who is admitted: every host lists all, and pairs of hosts compare
 * their lists (count and sum) now and then, exchanging them where they differ.
 *
 * States only move forward: LEFT and REMOVED win for good, the incarnation is
 * the highest heard of. That somebody left or was removed is never believed on
 * hearsay: only WR_EV_ADMIT, with which the driver vouches for a signature,
 * says so. A host named as admitted has its credential in the book.
 *
 * Once we have left ourselves (D15) we compare with one after another until
 * some admitted host has our farewell, and has had it for as long as it may
 * take to write that down.
 */
#ifndef WR_PROTO_ROSTER_H
#define WR_PROTO_ROSTER_H

#include "proto/core.h"

enum {
    WR_ROSTER_PAGES = 4, /* Messages in one answer; the rest comes later. */
    WR_ROSTER_ASKS = 8,  /* Comparisons in flight; more have to wait. */
};

/* A comparison: one with a host at a time, and the next no sooner than an
 * answer may take, however often somebody wishes it. */
struct wr_roster_ask {
    uint64_t rid; /* 0: answered. */
    wr_time until;
    wr_host host;
};

/* A driver writes what is new within a second, or begins to; and a disk that is
 * slow shall not make it a lie. */
#define WR_ROSTER_WRITTEN_US WR_SEC(3)

/* Our farewell, if we have left. */
struct wr_roster_bye {
    bool open;       /* Nobody is known yet to have it in writing. */
    wr_host heard;   /* Who has it, or WR_NO_HOST, */
    wr_time sure_at; /* and when that is written, if it still says so. */
};

struct wr_roster {
    struct wr_roster_entry *v; /* By host number, ascending. */
    uint32_t n, cap;
    uint32_t admitted_n;
    uint64_t sum;   /* Over all entries; equal lists have equal sums. */
    uint64_t known; /* The same over the hosts alone, whatever their state. */
    struct wr_roster_ask *asks; /* WR_ROSTER_ASKS of them, if cap > 0. */
    wr_time due_at;
    uint32_t cursor; /* Where the next answer's pages begin. */
    bool changed;    /* Since the last WR_FX_PERSIST. */
    bool compared;   /* With another host, since we started. */
    struct wr_roster_bye bye;
};

void wr_roster_init(struct wr_core *c, struct wr_roster_entry *v, uint32_t cap,
                    struct wr_roster_ask *asks);

/* The driver's word (WR_EV_ADMIT). Routes learn members of new hosts. */
void wr_roster_admit(struct wr_core *c, wr_host host,
                     enum wr_roster_state state, uint32_t incarnation);

/* Hosts admitted now, ourselves among them; 0 without a roster. */
uint32_t wr_roster_admitted_n(const struct wr_core *c);

/* The admitted hosts in turn: start with *at = 0; WR_NO_HOST at the end. */
wr_host wr_roster_next(const struct wr_core *c, uint32_t *at);

bool wr_roster_admitted(const struct wr_core *c, wr_host host);

/* It has left or was removed, as far as we know. */
bool wr_roster_gone(const struct wr_core *c, wr_host host);

/* Equal where two know the same hosts, dead or gone ones among them. */
uint64_t wr_roster_known(const struct wr_core *c);

/* Hosts that have left or were removed: only ever more. */
uint32_t wr_roster_gone_n(const struct wr_core *c);

/* `host` seems to know others than we do: compare now, unless we just did. */
void wr_roster_compare(struct wr_core *c, wr_host host);

/* A link to `host` stands: compare at once, unless that was done before, or is
 * all that is left to do. */
void wr_roster_greet(struct wr_core *c, wr_host host);

/* An admitted host other than ours, alive as far as we know, by lot;
 * WR_NO_HOST if there is none. */
wr_host wr_roster_draw(struct wr_core *c);

/* How many copies are kept (n) and how many must stand durably before an
 * acknowledgement (w): cfg.copies and its majority, but while fewer hosts are
 * admitted, their number and its majority: 1/1, 2/2, 2/3. Without a roster,
 * cfg's. Neither bends to silence. */
uint8_t wr_roster_copies(const struct wr_core *c);
uint8_t wr_roster_durable(const struct wr_core *c);

/* We have left, by the driver's word: from now on all comparisons are to bring
 * that about which ends in WR_NOTE_LEFT. */
void wr_roster_leave(struct wr_core *c);

/* Sends the list unasked: our last words. */
void wr_roster_tell(struct wr_core *c, wr_host to);

void wr_roster_recv(struct wr_core *c, wr_host from, const struct wr_msg *m);
void wr_roster_tick(struct wr_core *c);
wr_time wr_roster_deadline(const struct wr_core *c);

#endif
