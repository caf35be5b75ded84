/*
 * client_bed.h - what tests of the library share: an identity in a directory of
 * its own, a super-peer in a thread, and a handle. One bed per test.
 */
#ifndef TESTS_CLIENT_BED_H
#define TESTS_CLIENT_BED_H

#include "../support/parent.h"
#include "wreath/wreath.h"

struct bed {
    char dir[64];  /* The identity's. */
    char home[80]; /* In it. */
    struct parent *parent;
    wreath *w;
    wreath_error error;
};

extern struct bed bed;

void bed_open(void);
void bed_close(void);
/* The path of `name` in the bed's directory, good for eight calls. */
const char *at(const char *name);
/* `n` bytes of a seed, for the caller to free. */
uint8_t *noise(size_t n, uint64_t seed);
void write_file(const char *path, const void *p, size_t n, mode_t mode);
/* Each call of the library is given bed.error. */
void expect_ok(wreath_code code);
void expect_error(wreath_code code, wreath_code expected);
/* `a` and `b` take the place of the first %s and of the second. */
int shell(const char *fmt, const char *a, const char *b);
/* No part of a file that was under way. */
bool nothing_left(void);

#endif
