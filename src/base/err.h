/*
 * err.h - the one list of errors. Drivers (floors 3 and 4) and pure decoders
 * return `enum wr_err`; the protocol core (floor 2) returns nothing.
 *
 * The third column is the exit status of the program: 1 failed, 2 usage,
 * 3 not found, 4 not reachable, 5 refused, 6 data damaged.
 */
#ifndef WR_BASE_ERR_H
#define WR_BASE_ERR_H

#include "base/check.h"

#define WR_ERR_MAP(X)                                                          \
    X(EFAIL, -1, 1, "failed")                                                  \
    X(EINVAL, -2, 2, "malformed")                                              \
    X(ENOMEM, -3, 1, "out of memory")                                          \
    X(EIO, -4, 1, "input or output error")                                     \
    X(EFULL, -5, 5, "no space left")                                           \
    X(ENOTFOUND, -6, 3, "not found")                                           \
    X(EEXIST, -7, 1, "already there")                                          \
    X(EBUSY, -8, 4, "busy")                                                    \
    X(ELOCKED, -9, 1, "in use by another process")                             \
    X(EVERSION, -10, 1, "from a newer version")                                \
    X(EPERM, -11, 1, "not permitted")                                          \
    X(EUNREACH, -12, 4, "not reachable")                                       \
    X(ETIMEOUT, -13, 4, "no answer in time")                                   \
    X(EREFUSED, -14, 5, "refused")                                             \
    X(EDAMAGED, -15, 6, "damaged")                                             \
    X(ECANCELED, -16, 1, "cancelled")                                          \
    X(ETOOBIG, -17, 2, "too big")                                              \
    X(EAUTH, -18, 1, "not authentic")                                          \
    X(ECLOSED, -19, 4, "closed")                                               \
    X(ECHANGED, -20, 1, "changed while it was read")                           \
    X(EUNSUPPORTED, -21, 2, "not supported")

enum wr_err {
    WR_OK = 0,
#define X(name, code, status, text) WR_##name = (code),
    WR_ERR_MAP(X)
#undef X
};

/* A short lower-case phrase, never NULL, for any value. */
const char *wr_err_text(enum wr_err err);

/* The exit status (0 to 6) that belongs to `err`. */
int wr_err_status(enum wr_err err);

#endif
