/* simkit.h - what the tests of the simulator share: a ring as they begin. */
#ifndef WR_TESTS_SIMKIT_H
#define WR_TESTS_SIMKIT_H

#include "../../sim/world.h"

/* `hosts` of `members` members, whose messages take `min_ms` to `max_ms`. */
static inline struct wr_world_cfg simkit_ring(uint64_t seed, uint32_t hosts,
                                              uint8_t members, uint32_t min_ms,
                                              uint32_t max_ms)
{
    return (struct wr_world_cfg){
        .seed = seed,
        .hosts = hosts,
        .members = members,
        .node = wr_node_cfg_default(0, members),
        .net.min_us = WR_MS(min_ms),
        .net.max_us = WR_MS(max_ms),
    };
}

#endif
