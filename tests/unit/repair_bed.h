/*
 * repair_bed.h - what tests of repair share: a small world whose disks begin as
 * the test says. Expectations are from rule L3 and from the disks
 * (sim/copies.h), not from the module.
 */
#ifndef TESTS_REPAIR_BED_H
#define TESTS_REPAIR_BED_H

#include <criterion/criterion.h>

#include "../../sim/copies.h"
#include "proto/repair.h"

enum { HASH = 0xb220, LEN = 1000 }; /* Of every chunk. */

struct bed {
    struct wr_world w;
    struct wr_circle all;
    struct wr_rng rng;
};

struct wr_world_cfg cfg_of(uint32_t hosts, uint8_t members);
/* `up` of `hosts` begin as a ring. */
struct bed *bed_open(const struct wr_world_cfg *cfg, uint32_t up);
void bed_close(struct bed *b);
void run_s(struct bed *b, unsigned s);
struct wr_id new_key(struct bed *b);
struct wr_put_id put_id(uint8_t number);
/* On the disk of `h`, as if it had been there for long. */
void keep(struct bed *b, wr_host h, const struct wr_id *key,
          struct wr_put_id put);
void keep_root(struct bed *b, wr_host h, const struct wr_id *key,
               uint64_t version);
/* Where `key` belongs: three hosts. */
void set_of(struct bed *b, const struct wr_id *key, wr_host ret[WR_SET_MAX]);
/* Each of them has it. */
void keep_three(struct bed *b, const wr_host *set, const struct wr_id *key);
/* The first host that is none of three. */
wr_host outside(const wr_host *set);
struct wr_copies copies_of(struct bed *b, bool root, const struct wr_id *key);
const struct wr_disk_item *item(struct bed *b, wr_host h,
                                const struct wr_id *key);
uint64_t sent(const struct bed *b, enum wr_msg_kind kind);
/* Each has its copies where they belong, and nowhere else. */
void all_stand(struct bed *b, bool root, const struct wr_id *keys, size_t n);
/* New keys, and copies of each where they belong. */
void fill(struct bed *b, struct wr_id *keys, size_t n);

#endif
