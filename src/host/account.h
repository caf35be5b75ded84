/*
 * account.h - what leaves with a quota (A8) have put through this super-peer:
 * bytes of chunks that were acknowledged, by put, so that giving one up, or its
 * end, gives them back: within minutes of when it is proven (D17).
 *
 * Each parent keeps its own account: a quota holds for each by itself, and is
 * soft by what a leaf has under way when it changes its parent.
 * Leaves without a quota cost nothing.
 */
#ifndef WR_HOST_ACCOUNT_H
#define WR_HOST_ACCOUNT_H

#include "base/time.h"
#include "crypto/credential.h"
#include "sys/why.h"
#include "wire/msg.h"

#define WR_ACCOUNT_OPEN_US WR_SEC(60) /* which by then have ended. */

enum {
    WR_ACCOUNT_PUTS = 16384, /* When full the oldest are merged, by leaf. */
    WR_ACCOUNT_OPEN = 4096,  /* Puts of chunks under way, */
};

struct wr_account_put {
    uint8_t host[WR_CRED_HOST];
    struct wr_put_id put; /* All zero: several, merged; never given back. */
    uint64_t bytes;
};

struct wr_account_open {
    wr_host leaf; /* Its session; with the rid it names a request. */
    uint64_t rid;
    uint8_t host[WR_CRED_HOST];
    struct wr_put_id put;
    uint32_t bytes;
    wr_time at;
};

struct wr_account {
    struct wr_account_put *puts; /* In the order of their coming. */
    uint32_t puts_n;
    struct wr_account_open *open; /* A ring: the oldest is overwritten. */
    uint32_t open_at;
    uint32_t turn;
    bool dirty;
};

/* Reads DIR/accounts, if there is one. WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_account_open(struct wr_account *a, const char *dir);
void wr_account_close(struct wr_account *a);

/* The text of DIR/accounts; malloc'd, NULL without memory. */
char *wr_account_dump(const struct wr_account *a);

/* A leaf asks to put `bytes` more; false if that is beyond its quota, and
 * *ret_counted is what it would have then. */
bool wr_account_admits(struct wr_account *a, const struct wr_cred *cred,
                       wr_host leaf, const struct wr_msg *m, uint32_t bytes,
                       wr_time now, uint64_t *ret_counted);

/* The answer to a leaf's put. */
void wr_account_done(struct wr_account *a, wr_host leaf,
                     const struct wr_msg *m);

/* The puts in turn, of which somebody is to ask whether they are over: it may
 * have been given up through another parent. False if there are none. */
bool wr_account_next(struct wr_account *a, struct wr_put_id *ret);
/* It is: its bytes are given back. */
void wr_account_over(struct wr_account *a, const struct wr_put_id *put);

uint64_t wr_account_used(const struct wr_account *a,
                         const uint8_t host[static WR_CRED_HOST]);

#endif
