/* fuzz_private.h - a life: a plan that is being played. fuzz.c has its phases,
 * fuzz_act.c what happens in a storm, fuzz_check.c what must hold. */
#ifndef WR_SIM_FUZZ_PRIVATE_H
#define WR_SIM_FUZZ_PRIVATE_H

#include "check.h"
#include "copies.h"
#include "data.h"
#include "fuzz.h"
#include "puts.h"

enum { LIFE_KEYS = 256 };

/* When something that was done to a host ends; WR_NEVER: nothing was. */
struct life_host {
    wr_time up, fast, empty;
};

struct life {
    const struct wr_plan *plan;
    const struct wr_fuzz_hooks *hooks;
    struct wr_fuzz_result *ret;
    struct wr_world w;
    struct wr_data data;
    struct wr_puts puts;
    struct wr_rng rng; /* Of what happens now. */
    struct life_host hosts[WR_PLAN_HOSTS];
    wr_time heal, calm; /* The cut's end, the loss's. */

    bool cut;
    bool excused; /* An assumption was broken since the ring was ideal. */
    uint64_t false_deaths, false_starts, backs;
    wr_time lost_at;    /* The last failure. */
    uint32_t farewells; /* That had been said at the last look. */

    struct wr_id keys[LIFE_KEYS];
    uint64_t batch, asked_n, open_n; /* Of the last batch of lookups. */
};

static inline bool life_fails(const struct life *l)
{
    return l->ret->why[0] != '\0' || l->ret->interrupted;
}

static inline uint64_t life_below(struct life *l, uint64_t n)
{
    return wr_rng_below(&l->rng, n);
}

/* fuzz_check.c */

/* Why an assumption does not hold. */
enum life_excuse {
    EXCUSE_FALSE_DEATH,
    EXCUSE_FALSE_START,
    EXCUSE_STILL_DEAD,
    EXCUSE_UNDER_WAY,
    EXCUSE_TOO_MANY,
    EXCUSE_CUT,
    EXCUSE_ALL_DOWN,
};

void life_excuse(struct life *l, enum life_excuse why);
void life_check(struct life *l);      /* What must hold at any time. */
void life_check_loss(struct life *l); /* Hosts went. */
void life_fail(struct life *l, const char *why, const struct wr_check *k);
void life_fail_item(struct life *l, const char *why, uint32_t item);
void life_fail_sweep(struct life *l, wr_host h);
/* Whether tables hold all members: who does not know them all cannot tell what
 * is misplaced (D23). */
bool life_knows_all(const struct life *l);
/* The first acknowledged item that has not all its copies, or one too many;
 * items_n: there is none. In *ret which it has. */
uint32_t life_misplaced(const struct life *l, struct wr_copies *ret);
void life_fail_placed(struct life *l, uint32_t item, const struct wr_copies *k);
bool life_ideal(struct life *l, struct wr_check *ret);

/* fuzz_act.c */
void life_act(struct life *l, const struct wr_plan_action *a);
/* Ends what is over by now; all of it, when the storm is over. */
void life_mend(struct life *l, bool all);
uint32_t life_up_n(const struct life *l);
wr_host life_known(const struct life *l); /* One that is up, was in the ring. */
/* Each host that is up looks up so many keys. */
void life_look_up(struct life *l, unsigned each);

/* fuzz.c */
void life_run(struct life *l, wr_time until);

#endif
