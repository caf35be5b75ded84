/*
 * murmur.h - murmur3-x64-64 (Austin Appleby's MurmurHash3_x64_128, seed 0, its
 * first 64 bits): where a name sits in a sharded directory, and nothing else.
 * Not collision resistant: an adversary can make names that share all bits.
 *
 * Pure. Called by dir.c and dirread.c. Borrowing: input is read during the
 * call.
 */
#ifndef WR_OBJECT_MURMUR_H
#define WR_OBJECT_MURMUR_H

#include "base/span.h"

uint64_t wr_murmur3(struct wr_span in);

#endif
