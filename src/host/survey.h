/*
 * survey.h - one question to every host of the ring, for `wreath why` and
 * `wreath doctor`: who has a chunk or a root record, who sees whom, what their
 * clocks say. A leaf asks its parent for a survey; the parent asks all admitted
 * hosts that it does not hold for dead, itself included, waits for them a few
 * seconds, and tells what each said.
 *
 *     survey WHAT ARG     {"hosts": [{"host", "liveness", "answer"}],
 *                         "unasked"}; answer null: it did not answer, or was
 *                         dead; unasked: so many hosts were too many to ask
 *
 * and what a host answers for itself, to whoever asks:
 *
 *     chunk DIGEST        {"here", "damaged", "bytes", "refs", "puts"}
 *     chunks DIGESTS      {"have": "1101"}: of up to 60, a digit each
 *     root POSITION       {"here", "put", "state", "version", "expiry_s",
 *                         "owner", "cid"}
 *     sees HOST           {"liveness", "linked", "rtt_ms", "wall_s", "version",
 *                         "store": {"space", "used_bytes", "capacity_bytes"}}
 *
 * Digests, positions and hosts are in hexadecimal. A peer's answer is bounded,
 * parsed and passed on, never believed. The loop's thread alone.
 */
#ifndef WR_HOST_SURVEY_H
#define WR_HOST_SURVEY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "sys/buf.h"
#include "wire/msg.h"

enum {
    WR_SURVEYS = 8,       /* Under way; each may ask every host. */
    WR_SURVEY_HOSTS = 64, /* In one. */
    WR_SURVEY_CHUNKS = 60,
    WR_SURVEY_ANSWER_MAX = 16 << 10, /* Bytes of a host's answer. */
};

struct wr_super;
struct wr_hub_peer;

struct wr_survey {
    bool used;
    wr_host from; /* Who asked for it, */
    uint64_t rid; /* and as what. */
    uint32_t number;
    wr_time since;
    uint32_t n, waiting, unasked;
    wr_host hosts[WR_SURVEY_HOSTS];
    json_t *answers[WR_SURVEY_HOSTS];
    bool open[WR_SURVEY_HOSTS];
};

/* Whether `m`, a QUERY, is one of those above; then it is answered, or
 * refused. */
bool wr_survey_query(struct wr_super *s, const struct wr_hub_peer *peer,
                     const struct wr_msg *m);

/* A REPORT of a host. `body` is borrowed. */
void wr_survey_report(struct wr_super *s, wr_host from, uint64_t rid,
                      const struct wr_buf *body);

/* About once a second: who is late is not waited for. */
void wr_survey_tick(struct wr_super *s);
void wr_survey_done(struct wr_super *s);

#endif
