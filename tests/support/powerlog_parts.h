/* powerlog_parts.h - what the recorder and the disk of powerlog.h share. */
#ifndef WR_TESTS_POWERLOG_PARTS_H
#define WR_TESTS_POWERLOG_PARTS_H

#include <limits.h>
#include <pthread.h>
#include <sys/types.h>

#include "powerlog.h"

enum {
    NODES_MAX = 64,
    NAME_SIZE = 32,
    ROOT = 0, /* The node that was given. */
};

enum kind { WRITE, LENGTH, SYNC, LOST, LINK, UNLINK, MOVE, DIR_SYNC, MARK };

struct entry {
    enum kind kind;
    uint32_t node, parent; /* A MOVE stays in its parent. */
    uint64_t at;           /* WRITE, LENGTH; the value of a MARK. */
    uint32_t n;
    bool sure; /* A write that is synced by itself. */
    char name[NAME_SIZE], from[NAME_SIZE];
    uint8_t *bytes;
};

struct name {
    bool used;
    uint32_t parent, node;
    char name[NAME_SIZE];
};

struct record {
    pthread_mutex_t lock;
    bool on;
    char root[PATH_MAX];
    size_t root_n;
    uint32_t syncs, fails;

    struct entry *v;
    uint32_t n, room;
    struct {
        dev_t dev;
        ino_t ino;
        bool dir;
    } nodes[NODES_MAX];
    uint32_t nodes_n;
    struct name names[NODES_MAX]; /* As the process sees them. */
};

extern struct record rec;

struct name *name_find(struct name *names, uint32_t parent, const char *name);
void name_put(struct name *names, uint32_t parent, const char *name,
              uint32_t node);
/* Forgets the disk of the log so far. */
void disk_clear(void);

#endif
