/*
 * content.h - which hosts have which items, where nothing decides it but
 * chance: so many copies of each, each at a host drawn by lot. A function of
 * the seed and the key: it takes no memory, and never changes.
 */
#ifndef WR_SIM_CONTENT_H
#define WR_SIM_CONTENT_H

#include <stdbool.h>

#include "base/err.h"
#include "wire/book.h"

struct wr_content {
    uint64_t seed;
    uint64_t items; /* Numbers 1 to `items`. */
    uint32_t hosts;
    uint32_t copies;
    uint32_t *has; /* How many items, by host. */
};

/* WR_ENOMEM. */
WR_MUST_USE enum wr_err wr_content_init(struct wr_content *c, uint64_t seed,
                                        uint64_t items, uint32_t hosts,
                                        uint32_t copies);
void wr_content_done(struct wr_content *c);

struct wr_id wr_content_key(const struct wr_content *c, uint64_t item);
wr_host wr_content_host(const struct wr_content *c, const struct wr_id *key,
                        uint32_t copy);
bool wr_content_at(const struct wr_content *c, const struct wr_id *key,
                   wr_host host);

#endif
