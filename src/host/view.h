/*
 * view.h - the state of a super-peer as JSON, for people and for tests. Reads
 * only. Returns new references; NULL without memory.
 */
#ifndef WR_HOST_VIEW_H
#define WR_HOST_VIEW_H

#include <jansson.h>

#include "host/super_parts.h"

/* "joining", "serving" ... */
const char *wr_view_state(const struct wr_super *s);

/* How full the store is: {"space", "used_bytes", "capacity_bytes"}. */
json_t *wr_view_space(const struct wr_super *s);
json_t *wr_view_status(const struct wr_super *s);
json_t *wr_view_peers(const struct wr_super *s, bool fingers);

/* At most 64 bytes, in hexadecimal. */
json_t *wr_view_hex(const void *p, size_t n);

/* "up", "away" (back soon, by its own word) or "down". */
const char *wr_view_liveness(const struct wr_super *s, wr_host h);

/* A lookup's ROUTED. */
json_t *wr_view_trace(const struct wr_super *s, const struct wr_msg *routed);

#endif
