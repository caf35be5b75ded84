/*
 * wreath.h - libwreath: a leaf of a wreath ring as a library. Put files, trees
 * and bytes into the ring, get them by content hash, list, describe, give up.
 *
 *     wreath *w;
 *     wreath_error error;
 *     wreath_put_result put;
 *
 *     if (wreath_open(NULL, &w, &error) != WREATH_OK)
 *         die(error.text);
 *     if (wreath_put_path(w, "photos", NULL, &put, &error) != WREATH_OK)
 *         die(error.text);
 *     puts(put.cid);
 *     wreath_close(w);
 *
 * A directory (wreath_options.dir) holds the identity: made once by `wreath
 * join`. Where a `wreath leaf` or `wreath superpeer` runs in it, the handle
 * talks to that process through its local socket; otherwise it dials a
 * super-peer itself. Nothing is dialled before the first operation needs it,
 * and a super-peer that dies in the middle is replaced by another.
 *
 * Errors are values: every call that can fail returns a wreath_code and, where
 * `error` is not NULL, fills it with a text for people. No globals, no
 * signals, no output. SIGPIPE must be ignored by the process.
 *
 * Threads: a handle belongs to one thread at a time. wreath_interrupt() alone
 * may be called from any thread and from a signal handler. Two handles are
 * independent. Reading, hashing and writing happen in libuv's worker pool.
 *
 * Memory: a handle holds at most about 24 MiB, whatever is moved through it.
 *
 * Two ways to use it:
 *   - blocking: open with loop = NULL; wreath_put_path() and the like run a
 *     loop of the handle's own until they are done;
 *   - on your uv_loop_t: open with it; wreath_put_start() and the like return
 *     at once and call back on the loop's thread. The blocking calls must not
 *     be used then, and the handle is closed with wreath_close_async().
 *
 * Strings are UTF-8 or plain bytes, NUL-terminated, borrowed for the call.
 * Structs of options are zeroed first: zero is the default of every field.
 */
#ifndef WREATH_WREATH_H
#define WREATH_WREATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WREATH_API __attribute__((visibility("default")))
#else
#define WREATH_API
#endif

struct uv_loop_s;

typedef struct wreath wreath;
typedef struct wreath_op wreath_op;

/* Why something failed; wreath_exit_status() gives the program's status. */
typedef enum wreath_code {
    WREATH_OK = 0,
    WREATH_EFAIL = -1,
    WREATH_EINVAL = -2, /* A CID, path or option that is none. */
    WREATH_ENOMEM = -3,
    WREATH_EIO = -4,       /* A local file or disk. */
    WREATH_EFULL = -5,     /* The local disk, the hosts, or the quota. */
    WREATH_ENOTFOUND = -6, /* Every host that could have it says no. */
    WREATH_EEXIST = -7,    /* The output is there already. */
    WREATH_EBUSY = -8,
    WREATH_ELOCKED = -9,
    WREATH_EVERSION = -10,
    WREATH_EPERM = -11,
    WREATH_EUNREACH = -12, /* Hosts that matter are down. */
    WREATH_ETIMEOUT = -13,
    WREATH_EREFUSED = -14,
    WREATH_EDAMAGED = -15, /* No sound copy, or a malicious tree. */
    WREATH_ECANCELED = -16,
    WREATH_ETOOBIG = -17,
    WREATH_EAUTH = -18,
    WREATH_ECLOSED = -19,
    WREATH_ECHANGED = -20, /* The source changed while it was read. */
    WREATH_EUNSUPPORTED = -21
} wreath_code;

typedef struct wreath_error {
    wreath_code code;
    char text[400]; /* What happened, what it means, what to do. */
} wreath_error;

enum { WREATH_CID_SIZE = 128, WREATH_ID_SIZE = 33 };

typedef struct wreath_options {
    const char *dir;        /* NULL: $WREATH_DIR, XDG, or as a service. */
    struct uv_loop_s *loop; /* NULL: blocking calls. */
    uint32_t timeout_ms;    /* Standstill that ends an operation; 0: 30 s. */
} wreath_options;

/* Opens the identity in the directory. WREATH_ENOTFOUND: nobody has joined
 * there; WREATH_EDAMAGED, WREATH_EPERM, WREATH_ENOMEM. `options` may be NULL.
 */
WREATH_API wreath_code wreath_open(const wreath_options *options, wreath **ret,
                                   wreath_error *error);

/* Blocking handles only. NULL is fine. */
WREATH_API void wreath_close(wreath *w);

/* Handles on a caller's loop: cancels what runs (each calls back), then calls
 * `closed`, once nothing of the handle is on the loop any more. */
WREATH_API void wreath_close_async(wreath *w, void (*closed)(void *arg),
                                   void *arg);

/* Ends the blocking call that runs, or all operations on a caller's loop, with
 * WREATH_ECANCELED. From any thread or signal handler. */
WREATH_API void wreath_interrupt(wreath *w);

/* Bytes of content done so far and in all (0: unknown); on the thread of the
 * loop, at most about ten times a second, also while nothing moves, and once
 * at the end. */
typedef void (*wreath_progress)(void *arg, uint64_t done, uint64_t total);

typedef enum wreath_wait {
    WREATH_WAIT_MAJORITY = 0, /* The ring's own promise. */
    WREATH_WAIT_ONE,
    WREATH_WAIT_ALL
} wreath_wait;

typedef struct wreath_put_options {
    const char *profile; /* "wreath" (default) or "unixfs-v1-2025". */
    const char *hash;    /* "blake2b-256", "sha2-256"; NULL: the profile's. */
    const char *chunker; /* "fastcdc", "fastcdc-AVG", "size-N"; likewise. */
    uint32_t copies;     /* 0: the ring's number. */
    wreath_wait wait;    /* Durable copies before it is acknowledged. */
    uint64_t ttl_s;      /* The root expires after so many seconds; 0: never. */
    const char *name;    /* For the list of roots; NULL: the path. */
    wreath_progress progress;
    void *progress_arg;
} wreath_put_options;

typedef struct wreath_put_result {
    char cid[WREATH_CID_SIZE];
    char put[WREATH_ID_SIZE]; /* Names this put; see wreath_rm(). */
    uint64_t size;            /* Bytes of content. */
    uint64_t bytes_sent;      /* Of chunks that the ring lacked. */
    uint64_t files, chunks, chunks_deduplicated;
    uint32_t copies; /* That stand of every chunk, at least. */
} wreath_put_result;

/* A file, a directory tree or anything readable. A name that is a symbolic
 * link is followed; links within a tree are kept as links. Cut off, the same
 * call resumes. WREATH_ECHANGED, WREATH_EUNREACH (too few hosts), WREATH_EFULL
 * and local errors. `options` may be NULL. */
WREATH_API wreath_code wreath_put_path(wreath *w, const char *path,
                                       const wreath_put_options *options,
                                       wreath_put_result *ret,
                                       wreath_error *error);
/* What comes out of `fd` (blocking) until its end; `fd` stays yours. */
WREATH_API wreath_code wreath_put_fd(wreath *w, int fd,
                                     const wreath_put_options *options,
                                     wreath_put_result *ret,
                                     wreath_error *error);
/* `bytes` are borrowed until the put is done. */
WREATH_API wreath_code wreath_put_bytes(wreath *w, const void *bytes, size_t n,
                                        const wreath_put_options *options,
                                        wreath_put_result *ret,
                                        wreath_error *error);

typedef struct wreath_get_options {
    uint64_t from, to; /* A range of bytes of a file; to 0: its end. */
    bool force;        /* Replace what is there. */
    wreath_progress progress;
    void *progress_arg;
} wreath_get_options;

typedef struct wreath_get_result {
    char cid[WREATH_CID_SIZE]; /* Behind the path, if there was one. */
    uint64_t size;             /* Bytes of content. */
    uint64_t bytes_fetched;    /* The rest was there from an earlier try. */
    uint64_t files, directories, links;
    bool is_tree;
} wreath_get_result;

/* `what` is a CID, or CID/PATH. Writes `path`, a file, tree or link, in one
 * rename; on failure `path` is as before. WREATH_EEXIST unless force. */
WREATH_API wreath_code wreath_get_path(wreath *w, const char *what,
                                       const char *path,
                                       const wreath_get_options *options,
                                       wreath_get_result *ret,
                                       wreath_error *error);
/* A file's bytes in order into `fd`. */
WREATH_API wreath_code wreath_get_fd(wreath *w, const char *what, int fd,
                                     const wreath_get_options *options,
                                     wreath_get_result *ret,
                                     wreath_error *error);
/* A file's bytes in memory: *ret_bytes is yours, for free(). WREATH_ETOOBIG
 * above `max`. */
WREATH_API wreath_code wreath_get_bytes(wreath *w, const char *what, size_t max,
                                        const wreath_get_options *options,
                                        uint8_t **ret_bytes, size_t *ret_n,
                                        wreath_error *error);

typedef enum wreath_kind {
    WREATH_FILE = 1,
    WREATH_DIRECTORY,
    WREATH_LINK,
    WREATH_OTHER /* Of a kind that wreath does not read. */
} wreath_kind;

typedef struct wreath_entry {
    const char *name; /* Any bytes but '/' and NUL. */
    char cid[WREATH_CID_SIZE];
    wreath_kind kind;
    uint64_t size; /* Bytes of a file's content; of a directory's blocks. */
    bool executable;
} wreath_entry;

/* Called once per entry of the directory, in the order of their names; what
 * the entry points to is valid for the call. */
typedef void (*wreath_entry_fn)(void *arg, const wreath_entry *entry);

WREATH_API wreath_code wreath_list(wreath *w, const char *what,
                                   wreath_entry_fn fn, void *arg,
                                   wreath_error *error);

enum { WREATH_HOSTS_MAX = 16 };

typedef struct wreath_stat_result {
    char cid[WREATH_CID_SIZE];
    wreath_kind kind;
    uint64_t size;   /* Bytes of content of a file. */
    uint64_t chunks; /* Of a file; entries' own are not counted. */
    uint64_t blocks; /* Nodes of its tree, chunks included. */
    uint32_t mode;   /* 0: none is kept. */
    uint32_t copies; /* Of the root block. */
    uint32_t hosts_n;
    char hosts[WREATH_HOSTS_MAX][128]; /* Where the root block is. */
    char target[4096];                 /* Of a link. */
} wreath_stat_result;

WREATH_API wreath_code wreath_stat(wreath *w, const char *what,
                                   wreath_stat_result *ret,
                                   wreath_error *error);

/* Own roots: what this identity has put and not given up. No network. */
typedef struct wreath_root {
    char put[WREATH_ID_SIZE];
    char cid[WREATH_CID_SIZE]; /* "" while it is open. */
    const char *name;
    const char *state; /* "open" or "kept". */
    uint64_t size;
    uint64_t created_s, expires_s; /* Unix time; expires 0: never. */
} wreath_root;

typedef void (*wreath_root_fn)(void *arg, const wreath_root *root);

WREATH_API wreath_code wreath_roots(wreath *w, wreath_root_fn fn, void *arg,
                                    wreath_error *error);

/* Gives up what was put: `what` is a put's id, or a CID, which means all own
 * puts of it; *ret_n (may be NULL) says how many. WREATH_ENOTFOUND: none. */
WREATH_API wreath_code wreath_rm(wreath *w, const char *what, size_t *ret_n,
                                 wreath_error *error);

/* Asks the super-peer: "status", "peers", "trace" ... `arg` may be NULL. The
 * answer is JSON, NUL-terminated, yours for free(). A refusal is
 * WREATH_EREFUSED with the super-peer's words. */
WREATH_API wreath_code wreath_query(wreath *w, const char *what,
                                    const char *arg, char **ret_json,
                                    wreath_error *error);

/* ---- The same on the caller's loop -----------------------------------------
 * Each start returns an operation, or NULL with `error`; `done` follows on the
 * loop's thread, never from within the start, also after wreath_cancel(). The
 * operation is gone when `done` returns. `result` is NULL on failure. */

typedef void (*wreath_put_fn)(void *arg, const wreath_error *error,
                              const wreath_put_result *result);
typedef void (*wreath_get_fn)(void *arg, const wreath_error *error,
                              const wreath_get_result *result);

WREATH_API wreath_op *wreath_put_path_start(wreath *w, const char *path,
                                            const wreath_put_options *options,
                                            wreath_put_fn done, void *arg,
                                            wreath_error *error);
WREATH_API wreath_op *wreath_put_fd_start(wreath *w, int fd,
                                          const wreath_put_options *options,
                                          wreath_put_fn done, void *arg,
                                          wreath_error *error);
WREATH_API wreath_op *wreath_put_bytes_start(wreath *w, const void *bytes,
                                             size_t n,
                                             const wreath_put_options *options,
                                             wreath_put_fn done, void *arg,
                                             wreath_error *error);
WREATH_API wreath_op *wreath_get_path_start(wreath *w, const char *what,
                                            const char *path,
                                            const wreath_get_options *options,
                                            wreath_get_fn done, void *arg,
                                            wreath_error *error);
WREATH_API wreath_op *wreath_get_fd_start(wreath *w, const char *what, int fd,
                                          const wreath_get_options *options,
                                          wreath_get_fn done, void *arg,
                                          wreath_error *error);

/* On the loop's thread; `done` follows with WREATH_ECANCELED, unless it was
 * over already. Not from within `progress` (use wreath_interrupt() there). */
WREATH_API void wreath_cancel(wreath_op *op);

/* ---- Text ------------------------------------------------------------------
 */

/* "not found"; never NULL. */
WREATH_API const char *wreath_code_text(wreath_code code);

/* 0 done, 1 failed, 2 usage, 3 not found, 4 not reachable, 5 refused, 6
 * damaged. */
WREATH_API int wreath_exit_status(wreath_code code);

/* "0.1.0" */
WREATH_API const char *wreath_version(void);

#ifdef __cplusplus
}
#endif

#endif
