/* world_private.h - what begin.c shares with world.c. */
#ifndef WR_SIM_WORLD_PRIVATE_H
#define WR_SIM_WORLD_PRIVATE_H

#include "world.h"

/* `p`; ends the program if there was no memory for it. */
void *world_must(void *p);

/* A node for `h`, which knows nobody yet. */
void world_open(struct wr_world *w, wr_host h);

/* After each step of a node: its effects, and a tick for its deadline. */
void world_settle(struct wr_world *w, wr_host h);

/* Tells `to` whether `of` is admitted. */
void world_admit(struct wr_world *w, wr_host to, wr_host of,
                 enum wr_roster_state state);

#endif
