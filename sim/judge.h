/*
 * judge.h - whether a lookup's answer was right, seen from above, exactly.
 *
 * Right: the answer was the serving member of the key at some instant between
 * request and answer. A live member serves the keys for which no other live
 * one comes first; one that has just joined takes its keys over when the
 * member that had them learns of it (served_from follows by hand-over), until
 * then either is right, and such answers are counted.
 *
 * The judge hears of each change (wr_world's `changed`) and remembers past
 * memberships for as long as a lookup may take, so nothing is sampled.
 */
#ifndef WR_SIM_JUDGE_H
#define WR_SIM_JUDGE_H

#include "circle.h"
#include "world.h"

/* A membership: from joining until it ended. */
struct wr_term {
    wr_time joined, known, until; /* WR_NEVER: not yet. */
    uint64_t older; /* The member's one before: its number; 0: none. */
};

struct wr_seat {
    struct wr_term now; /* If it is a member; */
    uint64_t past;      /* its latest past term's number; 0: none. */
    bool in;
};

struct wr_judge {
    const struct wr_world *w;
    struct wr_circle all;
    struct wr_seat *seats; /* By rank. */
    wr_ref *preds; /* By place, as last seen: most steps change nothing, and
                      touch nothing else. WR_NO_REF: it is no member. */
    struct wr_term *past; /* A ring buffer, by number, */
    size_t cap;           /* a power of two, */
    uint64_t first, next; /* with these numbers in it. */
    wr_time keep_us;
    uint64_t handovers; /* Right by a hand-over that was not over. */
};

/* Once the ring stands (wr_world_begin); `keep_us`: a lookup takes no longer.
 * Has to be told of changes from now on. WR_ENOMEM. */
WR_MUST_USE enum wr_err
wr_judge_init(struct wr_judge *j, const struct wr_world *w, wr_time keep_us);
void wr_judge_done(struct wr_judge *j);

/* Something happened at `h`, or it went. */
void wr_judge_see(struct wr_judge *j, wr_host h);

/* `owner` is the answer, now, to what was asked at `asked`. */
bool wr_judge_right(struct wr_judge *j, const struct wr_id *key, wr_ref owner,
                    wr_time asked);

#endif
