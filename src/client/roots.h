/*
 * roots.h - the owner's list of what it has put: DIR/roots, one small JSON
 * file a put, named by its id. `ls` prints it, `rm` needs it: the nonce and
 * the version are what a later record must build upon.
 *
 * Not here: the records on the ring (crypto/root.h). Blocking, in workers or
 * tools. Borrowing: for the call only.
 */
#ifndef WR_CLIENT_ROOTS_H
#define WR_CLIENT_ROOTS_H

#include "crypto/root.h"
#include "object/cid.h"
#include "sys/why.h"

enum { WR_ROOTS_NAME_MAX = 255 };

struct wr_roots_entry {
    uint8_t put[WR_ROOT_PUT];
    uint8_t nonce[WR_ROOT_NONCE];
    uint64_t version;
    enum wr_root_state state;
    bool has_cid;
    struct wr_cid cid;
    char name[WR_ROOTS_NAME_MAX + 1]; /* What was put, for people. */
    uint64_t size;                    /* Bytes of content. */
    uint64_t created, expires;        /* Unix seconds; expires 0: never. */
};

/* Writes or replaces the entry, durably. */
WR_MUST_USE enum wr_err wr_roots_save(const char *dir,
                                      const struct wr_roots_entry *e,
                                      struct wr_why *why);

/* Forgets an entry; fine if there is none. */
WR_MUST_USE enum wr_err wr_roots_drop(const char *dir,
                                      const uint8_t put[static WR_ROOT_PUT],
                                      struct wr_why *why);

/* All entries, oldest first, malloc'd; damaged files are passed over with a
 * line in the log. No list yet is an empty one. */
WR_MUST_USE enum wr_err wr_roots_list(const char *dir,
                                      struct wr_roots_entry **ret,
                                      size_t *ret_n, struct wr_why *why);

/* An open record says for how long: a week after the last activity. One that
 * expired may be swept already, and is not taken up again (D16). */
enum { WR_ROOTS_OPEN_S = 7 * 24 * 3600 };
enum wr_roots_open {
    WR_ROOTS_FRESH,
    WR_ROOTS_RENEW, /* Half of it is over. */
    WR_ROOTS_LATE,  /* So much that a clock that is off may be past it. */
};
enum wr_roots_open wr_roots_open(uint64_t expires, uint64_t now_s);

/* "open", "kept" or "given up". */
const char *wr_roots_state(enum wr_root_state state);

#endif
