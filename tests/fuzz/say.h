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
#include "wire/codec.h"

enum { FUZZ_ASKS = 16, FUZZ_DIGESTS = 8 };

/* What somebody asked: an answer may follow. */
struct fuzz_ask {
    wr_host to;
    uint8_t kind, from, member; /* Its own: of the sender, and addressed. */
    uint64_t rid;
    struct wr_id key;
};

/* The last so many. */
struct fuzz_asks {
    struct fuzz_ask v[FUZZ_ASKS];
    uint32_t n; /* Ever. */
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

/* A message, and in *ret_from who may have said it; false: nobody could. What
 * it points to lives until the next call. */
bool fuzz_say(struct fuzz *f, const struct fuzz_asks *asks, struct wr_msg *ret,
              wr_host *ret_from);

#endif
