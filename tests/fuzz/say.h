/*
 * say.h - messages that a fuzzer makes up, whole rather than byte by byte:
 * sound ones often, about few hosts and few digests, so that they meet; with
 * the rid of something that was asked, so that they are answers. The codec has
 * the last word: what could not have come over a link is not said.
 */
#ifndef WR_TESTS_FUZZ_SAY_H
#define WR_TESTS_FUZZ_SAY_H

#include "fuzz.h"
#include "hosts.h"
#include "proto/fx.h"
#include "wire/codec.h"

enum { FUZZ_ASKS = 8, FUZZ_DIGESTS = 8 };

/* What somebody asked: an answer may follow. */
struct fuzz_ask {
    wr_host to;
    uint8_t kind, from, member; /* Its own: of the sender, and addressed. */
    uint64_t rid;
    struct wr_id key, end; /* SYNC: of the arc, `end` its last. */
    bool roots;
};

/* The last so many about the ring, and about data: these are rarer. */
struct fuzz_asks {
    struct fuzz_ask v[2][FUZZ_ASKS];
    uint32_t n[2]; /* Ever. */
};

void fuzz_asked(struct fuzz_asks *asks, wr_host to, const struct wr_msg *m);

/* One of a few digests, in ascending order by `i`. */
struct wr_id fuzz_digest(unsigned i);

/* One of a few puts, and its root record: open, kept, or given up; versions as
 * in this order. */
enum { FUZZ_PUTS = 4, FUZZ_STATES = 3 };
struct fuzz_record {
    struct wr_put_id put;
    struct wr_id position;
    uint64_t version;
    struct wr_span bytes;
};
const struct fuzz_record *fuzz_record(unsigned put, unsigned state);

/* Of the arc after `from`, clockwise, those digests, or positions of records,
 * whose bit is in `which`: how many there are, and their sum. */
uint32_t fuzz_kept(bool roots, const struct wr_id *from, const struct wr_id *to,
                   uint8_t which, struct wr_kept ret[FUZZ_DIGESTS],
                   struct wr_sum *ret_sum);

/* A message, and in *ret_from who may have said it; false: nobody could. What
 * it points to lives until the next call. */
bool fuzz_say(struct fuzz *f, const struct fuzz_asks *asks, struct wr_msg *ret,
              wr_host *ret_from);

#endif
