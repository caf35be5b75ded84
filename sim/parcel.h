/*
 * parcel.h - a message, or a store operation, while it is under way in a
 * simulated world: packed without what its kind does not have, its arrays
 * behind it, in slabs of a few sizes.
 */
#ifndef WR_SIM_PARCEL_H
#define WR_SIM_PARCEL_H

#include "proto/fx.h"

enum {
    WR_PARCEL_STEP = 16, /* Sizes of slabs are multiples of it ... */
    WR_PARCEL_SIZES = 32,
};

struct wr_parcel;

struct wr_parcels {
    struct wr_parcel *free[WR_PARCEL_SIZES + 1];
    void *chunks;
    uint64_t open; /* Not freed yet. */
};

void wr_parcels_done(struct wr_parcels *p);

/* A copy of `m`, and whose bytes its body is (NULL: it has none). NULL when
 * out of memory. */
struct wr_parcel *wr_parcel_message(struct wr_parcels *p,
                                    const struct wr_msg *m,
                                    const struct wr_id *body);

/* What is in it; arrays are the parcel's. `ret_body` only if there is one. */
void wr_parcel_open(struct wr_parcel *parcel, struct wr_msg *ret,
                    struct wr_id *ret_body);

/* A copy of a STORE_* effect; NULL when out of memory. */
struct wr_parcel *wr_parcel_store(struct wr_parcels *p, const struct wr_fx *fx);
const struct wr_fx *wr_parcel_fx(struct wr_parcel *parcel);

/* So many bytes, whatever they are, and into `ret` again. */
struct wr_parcel *wr_parcel_bytes(struct wr_parcels *p, const void *from,
                                  size_t n);
void wr_parcel_read(const struct wr_parcel *parcel, void *ret);

void wr_parcel_free(struct wr_parcels *p, struct wr_parcel *parcel);

#endif
