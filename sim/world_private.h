/* world_private.h - what the other files of a world share with world.c. */
#ifndef WR_SIM_WORLD_PRIVATE_H
#define WR_SIM_WORLD_PRIVATE_H

#include "world.h"

enum world_event {
    WORLD_DELIVER,
    WORLD_TICK,
    WORLD_BROKEN,
    WORLD_WRITTEN,
    WORLD_STORED,
    WORLD_SAVED,
    WORLD_FAREWELL, /* All is handed on, and its farewell is written. */
    WORLD_GONE,
    WORLD_ALARM,
    WORLD_UPLINK,      /* A leaf has reached a host, */
    WORLD_WELCOME,     /* which attaches it; */
    WORLD_UPLINK_DOWN, /* it is gone, and the leaf is told. */
    WORLD_CLOCK,       /* A host looks at its wall clock. */
};

/* To happen at `at`; void if either end has started anew by then. */
void world_push(struct wr_world *w, wr_time at, enum world_event kind,
                wr_host from, wr_host to, struct wr_parcel *parcel);

/* The message on its way, to arrive at `at`. */
void world_post(struct wr_world *w, wr_host from, wr_host to,
                const struct wr_msg *m, wr_time at);

/* Of the command to leave for good. */
#define WORLD_LEAVE_TOKEN UINT64_MAX

/* A line on standard error, if there is a trace. */
void world_trace(const struct wr_world *w, wr_host h, const char *what,
                 wr_host other, unsigned a, unsigned b);

/* What `host` persists is written down, as it is now. */
void world_save(struct wr_world_host *host);

/* Frees what `e` carries. */
void world_discard(struct wr_world *w, const struct wr_sim_event *e);

/* The time by the clock of `h`. */
static inline wr_time world_time(const struct wr_world *w, wr_host h)
{
    return w->now + (w->faults == NULL ? 0 : w->faults[h].ahead);
}

/* ahead.c: before each event. */
void world_look_ahead(const struct wr_world *w);

/* world_codec.c */
void world_codec_init(struct wr_world *w);
/* Opens what `e` brings. False: it did not survive the codec, which is the
 * core's fault, for it has broken a limit; it is lost. */
bool world_unpack(struct wr_world *w, const struct wr_sim_event *e,
                  struct wr_msg *ret, struct wr_id *ret_body);

/* walls.c: the node of `h` is told the time, once; or from now on. */
void world_tell_clock(struct wr_world *w, wr_host h);
void world_clock(struct wr_world *w, wr_host h);

/* faults.c: for a host that starts now. */
void world_unfault(struct wr_world *w, wr_host h);
/* A STORE_* effect; it is answered by a STORED event, */
void world_submit(struct wr_world *w, wr_host h, const struct wr_fx *fx);
void world_stored(struct wr_world *w, const struct wr_sim_event *e);
/* and may be on the disk before that. */
void world_written(struct wr_world *w, const struct wr_sim_event *e);

/* `p`; ends the program if there was no memory for it. */
void *world_must(void *p);
/* `v` with room for one more than `n`. */
void *world_grown(void *v, uint32_t n, uint32_t *cap, size_t size);

/* A node for `h`, which knows nobody yet. */
void world_open(struct wr_world *w, wr_host h);

/* The node of `h` is told that it has left. */
void world_farewell(struct wr_world *w, wr_host h);

/* After each step of a node: its effects, and a tick for its deadline. */
void world_settle(struct wr_world *w, wr_host h);

/* A message leaves `from`, or fails to: it is counted. How often it arrives,
 * and when. */
unsigned world_carry(struct wr_world *w, wr_host from, wr_host to,
                     unsigned kind, uint64_t bytes, wr_time ret[2]);

/* A link's first message has come in, since either end started. */
bool world_greet(struct wr_world *w, const struct wr_sim_event *e);

/* Whether the connection that it came by is still there. */
bool world_stands(const struct wr_world *w, const struct wr_sim_event *e);

/* It counts for the digest. */
void world_digest(struct wr_world *w, const struct wr_sim_event *e,
                  unsigned kind, uint64_t number);

/* Tells `to` whether `of` is admitted. */
void world_admit(struct wr_world *w, wr_host to, wr_host of,
                 enum wr_roster_state state);

/* overlaid.c: hosts with an overlay in the core's place. */
void overlaid_init(struct wr_world *w);
void overlaid_open(struct wr_world *w, wr_host h, uint64_t seed);
void overlaid_begin(struct wr_world *w, const wr_host *hosts, uint32_t n);
void overlaid_up(struct wr_world *w, wr_host h, wr_host via);
void overlaid_step(struct wr_world *w, wr_host h, const struct wr_event *ev);
void overlaid_deliver(struct wr_world *w, const struct wr_sim_event *e);

#endif
